"""What decides which numbers a network computes, apart from the numbers it holds.

Networks are trained as one batch only where their structures are equal.
"""

import pickle
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

# The training mode says nothing about the losses.
IGNORED = {"training"}


class NotComparableError(TypeError):
    """Raised for a value whose equality with another one cannot be decided."""


def structure(module: nn.Module) -> object:
    """Return a value that is equal for all modules that may be trained as one batch.

    Parameters, buffers and submodules count by name, shape and type, and by which of
    the tensors are one and the same. All other attributes of all submodules count by
    value: a number that enters a loss makes a difference, wherever it is kept.

    Raises
    ------
    NotComparableError
        If an attribute is a tensor that is no buffer, a module that is no submodule,
        or something that cannot be pickled.
    """
    numbers: dict[int, int] = {}
    shared = tuple(
        numbers.setdefault(id(tensor), len(numbers))
        for listing in (module.named_parameters, module.named_buffers)
        for _, tensor in listing(remove_duplicate=False)
    )
    return shared, _of_module(module)


def _of_module(module):
    # The dicts of torch: what its methods list leaves out entries that are None.
    attributes = {k: v for k, v in vars(module).items() if k not in IGNORED}
    tensors = {**attributes.pop("_parameters"), **attributes.pop("_buffers")}
    modules = attributes.pop("_modules")
    return (
        type(module),
        tuple((name, _of_tensor(tensor)) for name, tensor in tensors.items()),
        tuple((k, None if v is None else _of_module(v)) for k, v in modules.items()),
        _of_value(attributes),
    )


def _of_tensor(tensor):
    if tensor is None:
        return None
    return tuple(tensor.shape), str(tensor.dtype), tensor.requires_grad


def _of_value(value):
    kind = type(value)
    if kind in (dict, OrderedDict):
        return kind, tuple((_of_value(k), _of_value(v)) for k, v in value.items())
    if kind in (list, tuple):
        return kind, tuple(map(_of_value, value))
    if kind in (type(None), bool, int, float, complex, str, bytes):
        return kind, repr(value)
    if kind is np.ndarray and not value.dtype.hasobject:
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, torch.Tensor | nn.Module):
        raise NotComparableError(f"a {kind.__name__} that is not registered")
    if isinstance(value, torch.dtype | torch.device | torch.Size | type):
        return value
    try:
        return kind, pickle.dumps(value)
    except Exception as error:
        raise NotComparableError(f"{kind.__name__}: {error}") from error
