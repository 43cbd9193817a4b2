"""Training rows as tensors, and the batches that are cut from them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from .._warnings import ignored

BLOCK_ROWS = 4096  # rows that one indexing operation gathers, to be cut into batches


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of `array`, also of a read-only one.

    torch warns about read-only memory, since writing to it would crash. Training only
    reads its rows, so that a memory-mapped corpus needs no copy.
    """
    if any(step < 0 or step % array.itemsize for step in array.strides):
        array = array.copy()  # of a view of one row, which torch refuses
    if array.flags.writeable:
        return torch.from_numpy(array)
    with ignored("The given NumPy array is not writable"):
        return torch.from_numpy(array)


@dataclass(frozen=True)
class Labels:
    """What is known about some rows, as tensors.

    Weights have a mean of 1 over all training rows, so that the mean of weighted
    losses over a batch is an unbiased estimate. They are 0 where the label is unknown.

    Parameters
    ----------
    row_weight : Tensor of shape (n,)
        Weights of the rows in terms that need no label.

    speaker, emotion, gender : Tensor of shape (n,) or None
        Codes, -1 where unknown.

    speaker_weight, emotion_weight, gender_weight : Tensor of shape (n,) or None
        Weights of the rows in terms that need the label.

    ratings, ratings_weight : Tensor of shape (n, n_targets) or None
        Standardised ratings and their weights.

    bin : Tensor of shape (n,) or None
        Codes of the kinds of ratings, for conditional objectives.
    """

    # Any is for None: what a method has labels for is known when it is fitted.
    row_weight: Tensor | Any = None
    speaker: Tensor | Any = None
    speaker_weight: Tensor | Any = None
    emotion: Tensor | Any = None
    emotion_weight: Tensor | Any = None
    gender: Tensor | Any = None
    gender_weight: Tensor | Any = None
    ratings: Tensor | Any = None
    ratings_weight: Tensor | Any = None
    bin: Tensor | Any = None

    def by_name(self) -> dict[str, Tensor]:
        """Return what is known, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in named.items() if values is not None}

    def map(self, function) -> Self:
        """Return labels with `function` applied to each tensor."""
        changed = {name: function(values) for name, values in self.by_name().items()}
        return replace(self, **changed)


@dataclass(frozen=True)
class Rows:
    """Rows of features and their labels.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)

    y : Labels

    n_labeled : int
        The first `n_labeled` rows have an emotion or ratings, the others do not.
    """

    x: Tensor
    y: Labels
    n_labeled: int

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: str | torch.device) -> Self:
        """Return these rows on `device`."""
        y = self.y.map(lambda values: values.to(device))
        return replace(self, x=self.x.to(device), y=y)

    def batches(
        self, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Labels]]:
        """Yield the batches of an epoch, each of exactly `batch_size` rows."""
        order = batch_order(len(self), self.n_labeled, batch_size, generator)
        order = order.to(self.x.device)
        known = self.y.by_name()
        columns = [self.x, *known.values()]
        for block in order.split(max(1, BLOCK_ROWS // batch_size) * batch_size):
            gathered = [column.index_select(0, block) for column in columns]
            for x, *y in zip(*(column.split(batch_size) for column in gathered)):
                yield x, Labels(**dict(zip(known, y)))


def n_batches(n_rows: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return -(-n_rows // batch_size)


def batch_order(
    n_rows: int, n_labeled: int, batch_size: int, generator: torch.Generator
) -> Tensor:
    """Return the rows of an epoch in random order: (n_batches * batch_size,).

    Every batch is full: the last one is filled up with the rows that came first. The
    unlabelled rows, which follow the labelled ones, are spread evenly.
    """
    sizes = [size for size in (n_labeled, n_rows - n_labeled) if size]
    if len(sizes) == 1:
        order = torch.randperm(n_rows, generator=generator)
    else:
        places = [
            (torch.randperm(size, generator=generator) + 0.5) / size for size in sizes
        ]
        order = torch.cat(places).argsort(stable=True)
    missing = -n_rows % batch_size
    return torch.cat([order, order[:missing]])
