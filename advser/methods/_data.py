"""Utterances on their way from the user's arrays to the rows of a network."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from .._validation._arrays import check_labels
from ..nn import Standardize

CHUNK = 8192  # rows standardised or predicted at once: bounds the memory


@dataclass(frozen=True)
class Utterances:
    """Utterances that a network is trained on, as checked arrays.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)

    targets : ndarray of shape (n,) or (n, n_targets)
        Codes of the emotions, -1 for an unknown one; or ratings, NaN for unknown ones.

    sample_weight : ndarray of shape (n,)

    speakers, genders : ndarray of shape (n,)
        As the user calls them, None where unknown.
    """

    X: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray
    speakers: np.ndarray
    genders: np.ndarray

    def __len__(self) -> int:
        return len(self.X)

    @property
    def has_target(self) -> np.ndarray:
        """Whether each labelled row has a rating at least; all have an emotion."""
        return ~np.isnan(self.targets.reshape(len(self), -1)).all(1)

    def take(self, rows: np.ndarray) -> Self:
        """Return some of the utterances: positions, or a mask."""
        return replace(self, **{k: v[rows] for k, v in vars(self).items()})

    def joined_by(self, others: Self) -> Self:
        """Return these utterances, followed by others."""
        pairs = {k: (v, getattr(others, k)) for k, v in vars(self).items()}
        return replace(self, **{k: np.concatenate(pair) for k, pair in pairs.items()})

    def without_speakers_of(self, others: Self) -> Self:
        """Return the utterances of other or unknown speakers."""
        known = pd.Series(others.speakers).dropna()
        return self.take(~pd.Series(self.speakers).isin(known).to_numpy())


def check_optional_labels(values, name: str, n_rows: int, rows_of: str) -> np.ndarray:
    """Return labels of the rows, None where unknown, also if there are none at all."""
    if values is None:
        return np.full(n_rows, None, dtype=object)
    return check_labels(values, name, n_rows, allow_missing=True, rows_of=rows_of)


def standardization(X: np.ndarray, weight: np.ndarray, name: str = "X") -> Standardize:
    """Return the layer that standardises by the weighted statistics of the rows."""
    scaler = StandardScaler()
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in gen_batches(len(X), CHUNK):
            scaler.partial_fit(X[rows], sample_weight=weight[rows])
    too_large = np.flatnonzero(~np.isfinite(scaler.var_))  # the scale then is 1
    if len(too_large):
        column = too_large[0]
        raise ValueError(
            f"`{name}` holds values up to {np.abs(X[:, column]).max():.3g} in column "
            f"{column}, whose variance is not finite; divide the column by a constant, "
            "or leave it out."
        )
    is_constant = scaler.scale_ < np.finfo(X.dtype).tiny
    return Standardize(scaler.mean_, np.where(is_constant, 1, scaler.scale_))


def weights(weight: np.ndarray, is_known: np.ndarray, dtype) -> torch.Tensor:
    """Return weights with a mean of 1 over all rows, 0 where a label is unknown.

    Parameters
    ----------
    weight : ndarray of shape (n,) or (n, n_targets)

    is_known : ndarray of bool of the same shape

    dtype : dtype
        Of the result.
    """
    weight = np.where(is_known, weight, 0.0)
    mean = weight.mean(0)
    return torch.from_numpy((weight / np.where(mean > 0, mean, 1)).astype(dtype))
