"""An encoder of the user's own, checked before it is trained."""

import copy

import torch
from torch import nn

from .._engine import seeded_global_random


def own_encoder(encoder, n_features: int, generator: torch.Generator):
    """Return a copy of an encoder and the width of its output.

    Parameters
    ----------
    encoder : Module or callable
        The parameter `encoder` of the estimators.

    n_features : int

    generator : torch.Generator
        Seeds the global generator, from which layers of torch draw their weights.

    Raises
    ------
    TypeError, ValueError
        If it is no module, or does not map rows to rows.
    """
    seed = int(torch.randint(2**31, (), generator=generator))
    with seeded_global_random(seed):
        if isinstance(encoder, nn.Module):
            layers = copy.deepcopy(encoder)
        else:
            layers = encoder(n_features)
    if not isinstance(layers, nn.Module):
        raise TypeError(
            f"`encoder` returns {type(layers).__name__}; a function must return a "
            "torch module."
        )
    dtype = next((p.dtype for p in layers.parameters()), torch.float32)
    try:
        with torch.no_grad():
            output = layers.eval()(torch.zeros(2, n_features, dtype=dtype))
    except Exception as error:
        raise ValueError(
            f"`encoder` fails on rows of {n_features} features, as many as `X` "
            f"has: {error}"
        ) from error
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) != 2 or shape[0] != 2:
        raise ValueError(
            f"`encoder` maps 2 rows of {n_features} features to "
            f"{type(output).__name__} of shape {shape}; it must return one row of "
            "numbers for each, as a tensor of shape (2, width)."
        )
    return layers, shape[1]
