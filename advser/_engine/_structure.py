"""What decides which numbers a network computes, apart from the numbers it holds.

Networks are trained as one batch only where their structures are equal.
"""

import pickle
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

__all__ = ["NotComparableError", "structure"]

# The training mode says nothing about the losses.
IGNORED = {"training"}


class NotComparableError(TypeError):
    """Raised for a value whose equality with another one cannot be decided."""


def structure(value) -> object:
    """Return a value that is equal for all that may be trained as one batch.

    Parameters, buffers and submodules of a module count by name, shape and type. All
    other attributes of all submodules count by value: a number that enters a loss
    makes a difference, wherever it is kept.

    Raises
    ------
    NotComparableError
        If an attribute is a tensor that is no buffer, or something that cannot be
        pickled.
    """
    if isinstance(value, nn.Module):
        attributes = {k: v for k, v in vars(value).items() if k not in IGNORED}
        tensors = {**attributes.pop("_parameters"), **attributes.pop("_buffers")}
        shapes = tuple((name, _shape(tensor)) for name, tensor in tensors.items())
        modules = structure(attributes.pop("_modules"))
        return type(value), shapes, modules, structure(attributes)
    if isinstance(value, Mapping):
        return type(value), tuple(
            (structure(k), structure(v)) for k, v in value.items()
        )
    if isinstance(value, list | tuple):
        return type(value), tuple(map(structure, value))
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return type(value), repr(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, torch.Tensor):
        raise NotComparableError("a tensor that is neither a parameter nor a buffer")
    if isinstance(value, torch.dtype | torch.device | torch.Size | type):
        return value
    try:
        return type(value), pickle.dumps(value)
    except Exception as error:
        raise NotComparableError(f"{type(value).__name__}: {error}") from error


def _shape(tensor):
    """Return shape, type and whether it is trained, of a tensor that may be None."""
    if tensor is None:
        return None
    return tuple(tensor.shape), str(tensor.dtype), tensor.requires_grad
