"""Networks share a stack only where nothing but their numbers differs."""

import functools
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from advser._engine._structure import NotComparableError, structure


class Holder(nn.Module):
    """A module that keeps something in an attribute."""

    def __init__(self, value=None):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.value = value


class Config(dict):
    """A dict with an attribute."""

    weight = 1.0


class Slotted:
    """An object without attributes in a dict."""

    __slots__ = ("weight",)

    def __init__(self, weight):
        self.weight = weight


class Plain:
    """An object with a number."""

    def __init__(self, weight):
        self.weight = weight


def config(weight):
    found = Config()
    found.weight = weight
    return found


def double(x, factor=2):
    return factor * x


# How a number may be kept: each is called with 1.0 and with 2.0.
PLACES = {
    "number": lambda w: w,
    "text": str,
    "array": lambda w: np.array([0.0, w]),
    "numpy number": np.float32,
    "list": lambda w: [0, [w]],
    "tuple": lambda w: ("a", w),
    "dict": lambda w: {"loss": {"weight": w}},
    "ordered dict": lambda w: OrderedDict(weight=w),
    "dict with an attribute": config,
    "set": lambda w: {w},
    "object": Plain,
    "object with slots": Slotted,
    "function": lambda w: functools.partial(double, factor=w),
    "submodule": Holder,
    "module in a list": lambda w: [Holder(w)],
    "tensor": torch.tensor,
    "tensor in a list": lambda w: [torch.tensor(w)],
    "tensor in an object": lambda w: Plain(torch.tensor(w)),
    "lambda": lambda w: lambda x: w * x,
    "bound method": lambda w: Plain(w).__init__,
    "array of objects": lambda w: np.array([None, w], dtype=object),
}


def may_share(first, second):
    try:
        return structure(first) == structure(second)
    except NotComparableError:
        return False


@pytest.mark.parametrize("place", PLACES)
def test_number_makes_a_difference_wherever_it_is_kept(place):
    first, second = (Holder(PLACES[place](weight)) for weight in (1.0, 2.0))
    assert not may_share(first, second)


@pytest.mark.parametrize(
    "place", ["number", "text", "array", "list", "dict", "object", "function"]
)
def test_equal_numbers_may_share(place):
    first, second = (Holder(PLACES[place](1.0)) for _ in range(2))
    assert may_share(first, second)


@pytest.mark.parametrize("place", ["tensor", "module in a list", "lambda"])
def test_what_cannot_be_compared_is_an_error(place):
    with pytest.raises(NotComparableError):
        structure(Holder(PLACES[place](1.0)))


def test_parameters_and_buffers_count_by_shape_alone():
    first, second, third = Holder(), Holder(), Holder()
    with torch.no_grad():
        second.layer.weight.fill_(7.0)
    third.layer = nn.Linear(2, 4)
    assert may_share(first, second)
    assert not may_share(first, third)
    assert not may_share(first, Holder().double())
    assert may_share(first, Holder().eval())
    first.register_buffer("b", torch.tensor(1.0))
    second.register_buffer("b", torch.tensor(2.0))
    assert may_share(first, second)
    assert not may_share(first, Holder())


def test_frozen_parameters_make_a_difference():
    first, second = Holder(), Holder()
    second.layer.requires_grad_(False)
    assert not may_share(first, second)


def test_class_makes_a_difference():
    class Other(Holder):
        pass

    assert not may_share(Holder(), Other())
    assert not may_share(nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh()))


def test_tied_weights_make_a_difference():
    free = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    tied[2].weight = tied[0].weight
    other = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    other[2].weight = other[1].weight
    assert not may_share(free, tied)
    assert not may_share(tied, other)


def test_hooks_make_a_difference():
    first, second = Holder(), Holder()
    second.layer.register_forward_hook(lambda *_: None)
    assert not may_share(first, second)
