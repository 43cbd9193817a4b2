"""Checks that scikit-learn does not have, above all of the labels that go with X.

Users pass speakers, groups and genders as lists, NumPy arrays and pandas columns of any
kind (categorical, nullable, Arrow) and type. These checks return one-dimensional NumPy
arrays.
"""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

# Private: they count and select the rows of all that estimators accept, such as lists
# of files, frames and sparse matrices, which nothing public in scikit-learn does.
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils.validation import _num_samples as count_rows

__all__ = [
    "check_labels",
    "check_layer_sizes",
    "check_origin",
    "check_speakers",
    "count_rows",
    "encode",
    "take_rows",
]


def check_labels(
    labels: npt.ArrayLike,
    name: str,
    n_rows: int,
    *,
    allow_missing: bool = False,
    rows_of: str = "X",
) -> np.ndarray:
    """Return labels as a one-dimensional array of `n_rows` entries.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        Strings, integers, a pandas column, a categorical.

    name : str
        Name of the parameter, for the errors.

    n_rows : int
        Number of rows that need a label.

    allow_missing : bool, default=False
        Whether labels may be None, NaN or NA of pandas, which mean unknown.

    rows_of : str, default="X"
        Name of the array that has `n_rows` rows, for the errors.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Integers or booleans, or of dtype object for other labels and if one is
        missing; a missing label is None.

    Raises
    ------
    ValueError
        If the shape or the length is wrong, or a label is missing and
        `allow_missing` is False.
    """
    shape = np.shape(labels)
    if len(shape) == 2 and shape[1] == 1:
        labels = np.asarray(labels)[:, 0]
    elif len(shape) != 1:
        raise ValueError(
            f"`{name}` must be one-dimensional, with one label per row of "
            f"`{rows_of}`; got shape {shape}."
        )
    if shape[0] != n_rows:
        raise ValueError(
            f"`{name}` has {shape[0]} entries and `{rows_of}` has {n_rows} rows; "
            f"pass one label per row of `{rows_of}`."
        )
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "biu":
        return labels  # these types have no missing values
    series = pd.Series(labels, dtype=object)
    missing = series.isna().to_numpy()
    if missing.any():
        if not allow_missing:
            raise ValueError(
                f"`{name}` has {missing.sum()} missing labels of {n_rows}, the first "
                f"in row {np.flatnonzero(missing)[0]}; give every row a label or drop "
                "those rows."
            )
        return series.where(~missing, None).to_numpy()
    labels = np.asarray(labels)
    return labels if labels.dtype.kind in "biu" else labels.astype(object)


def check_speakers(
    speakers: npt.ArrayLike | None,
    groups: npt.ArrayLike | None,
    n_rows: int,
    *,
    allow_missing: bool = False,
) -> np.ndarray | None:
    """Return the speaker of each row, or None if neither array is given.

    `groups` is scikit-learn's name for the same array: with it, one array is enough for
    the splitter and the estimator. If both are given, `speakers` is used.
    """
    for name, labels in (("speakers", speakers), ("groups", groups)):
        if labels is not None:
            return check_labels(labels, name, n_rows, allow_missing=allow_missing)
    return None


def encode(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of the labels by order of first appearance, -1 for a missing one.

    Unlike the sorted order, this order does not depend on the names of the labels, so
    a fit is bit-identical after speakers or emotions are renamed.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)

    Returns
    -------
    codes : ndarray of shape (n_rows,), dtype int64
    names : ndarray of shape (n_labels,)
        `names[codes]` are the labels if none is missing.
    """
    codes, names = pd.factorize(labels)
    return codes.astype(np.int64, copy=False), np.asarray(names)


def check_layer_sizes(sizes: Iterable, name: str) -> None:
    """Raise a ValueError if a layer size is no positive integer."""
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"`{name}` must hold integers of at least 1; got {sizes!r}.")


def check_origin(estimator: Any, X: npt.ArrayLike, *, reset: bool) -> None:
    """Store how the features of X were made in `feature_origin_`, or compare with it.

    Tables of :func:`advser.audio.read_features` have this in their attributes; other
    arrays are of unknown origin and not compared.

    Parameters
    ----------
    estimator : estimator
        Gets the attribute `feature_origin_`.

    X : array-like
        Features.

    reset : bool
        Whether to store the origin, as in fit, or to compare it.

    Raises
    ------
    ValueError
        If both are known and differ.
    """
    origin = getattr(X, "attrs", {}).get("features")
    if reset:
        estimator.feature_origin_ = origin
        return
    fitted = getattr(estimator, "feature_origin_", None)
    if origin is None or fitted is None or origin == fitted:
        return
    differences = ", ".join(
        f"{name} {fitted.get(name)!r} in fit and {origin.get(name)!r} now"
        for name in {**fitted, **origin}
        if fitted.get(name) != origin.get(name)
    )
    raise ValueError(
        f"The features of `X` were not made as those in fit: {differences}. Extract "
        "both with the same settings and versions."
    )
