"""An encoder of the user's own, checked before it is trained."""

import copy

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from .._engine import seeded_global_random


def own_encoder(
    encoder, n_features: int, generator: torch.Generator, rows_dtype: torch.dtype
):
    """Return a copy of an encoder and the width of its output.

    Parameters
    ----------
    encoder : Module or callable
        The parameter `encoder` of the estimators.

    n_features : int

    generator : torch.Generator
        Seeds the global generator, from which layers of torch draw their weights.

    rows_dtype : torch.dtype
        Type of the features, which the weights will have as well.

    Raises
    ------
    TypeError, ValueError
        If it is no module, or does not map rows to rows.
    """
    seed = int(torch.randint(2**31, (), generator=generator))
    with seeded_global_random(seed):  # a lazy layer draws its weights in its first call
        layers = encoder if isinstance(encoder, nn.Module) else encoder(n_features)
        if not isinstance(layers, nn.Module):
            raise TypeError(
                f"`encoder` returns {type(layers).__name__}; a function must return a "
                "torch module."
            )
        copies = {  # which `deepcopy` cannot make of the buffers of lazy layers
            id(buffer): UninitializedBuffer(dtype=buffer.dtype)  # type: ignore[call-arg]
            for buffer in layers.buffers()
            if is_lazy(buffer)
        }
        layers = copy.deepcopy(layers, copies)  # a function may return the same again
        tensors = [*layers.parameters(), *layers.buffers()]
        if any(tensor.is_complex() for tensor in tensors if not is_lazy(tensor)):
            raise ValueError(
                "`encoder` has complex numbers, which would become real with the "
                "features; keep their real and imaginary parts as two tensors."
            )
        floats = (p.dtype for p in layers.parameters() if p.is_floating_point())
        dtype = next(floats, torch.float32)
        try:
            with torch.no_grad():
                rows = torch.randn(2, n_features).to(dtype)
                output = layers.eval()(rows)
                first = layers(rows[:1])
                if rows_dtype != dtype:
                    copy.deepcopy(layers).to(rows_dtype)(rows.to(rows_dtype))
        except Exception as error:
            raise ValueError(
                f"`encoder` fails on rows of {n_features} features of {rows_dtype}, as "
                f"`X` has: {error}"
            ) from error
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) != 2 or shape[0] != 2:
        raise ValueError(
            f"`encoder` maps 2 rows of {n_features} features to "
            f"{type(output).__name__} of shape {shape}; it must return one row of "
            "numbers for each, as a tensor of shape (2, width)."
        )
    if not output.is_floating_point():
        raise ValueError(f"`encoder` returns {output.dtype}; it must return floats.")
    if not torch.allclose(first, output[:1], rtol=0.01, atol=0.01, equal_nan=True):
        raise ValueError(
            "`encoder` returns a different output for a row if the other rows of the "
            "batch change; in evaluation mode its output for a row must depend on "
            "that row alone."
        )
    return layers, shape[1]
