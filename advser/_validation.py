"""Checks of what scikit-learn does not check: above all the labels that go with X.

Speakers, groups and genders come as lists, NumPy arrays, pandas columns of any kind
(categorical, nullable, Arrow-backed) and in any type; past this door they are
one-dimensional NumPy arrays.
"""

from numbers import Integral

import numpy as np
import pandas as pd

__all__ = [
    "check_labels",
    "check_layer_sizes",
    "check_origin",
    "check_speakers",
    "encode",
]


def check_labels(labels, name, n_rows, *, allow_missing=False, rows_of="X"):
    """Return labels as a one-dimensional array of `n_rows` entries.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        Strings, integers, a pandas column, a categorical.

    name : str
        Name of the parameter, for the error texts.

    n_rows : int
        Number of rows that `labels` must describe.

    allow_missing : bool, default=False
        Whether None, NaN and pandas' NA may stand for an unknown label.

    rows_of : str, default="X"
        Name of the array that has `n_rows` rows, for the error texts.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Of dtype object wherever a label is missing (then None), or is no number.

    Raises
    ------
    ValueError
        If the shape or the length is wrong, or a label is missing and may not be.
    """
    shape = np.shape(labels)
    if len(shape) == 2 and shape[1] == 1:
        labels = np.asarray(labels)[:, 0]
    elif len(shape) != 1:
        raise ValueError(
            f"`{name}` must be one-dimensional, with one label per row of "
            f"`{rows_of}`; got shape {shape}."
        )
    if len(labels) != n_rows:
        raise ValueError(
            f"`{name}` has {len(labels)} entries and `{rows_of}` has {n_rows} rows; "
            f"pass one label per row of `{rows_of}`."
        )
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "biu":
        return labels  # which none can be missing of
    missing = np.asarray(pd.isna(pd.Series(labels, dtype=object)))
    if missing.any():
        if not allow_missing:
            raise ValueError(
                f"`{name}` has {missing.sum()} missing labels of {n_rows}, the first "
                f"in row {np.flatnonzero(missing)[0]}; give every row a label or drop "
                "those rows."
            )
        return np.array(
            [None if gone else label for label, gone in zip(labels, missing)],
            dtype=object,
        )
    labels = np.asarray(labels)
    return labels if labels.dtype.kind in "biu" else labels.astype(object)


def check_speakers(speakers, groups, n_rows, *, allow_missing=False):
    """Return the speaker of each row, or None when neither array is given.

    `groups` is scikit-learn's word for the same array, so that one array can drive
    the splitter and the adversary; `speakers` wins when both are given.
    """
    if speakers is not None:
        return check_labels(speakers, "speakers", n_rows, allow_missing=allow_missing)
    if groups is not None:
        return check_labels(groups, "groups", n_rows, allow_missing=allow_missing)
    return None


def encode(labels):
    """Return codes of the labels by order of first appearance, -1 for a missing one.

    The order of appearance, unlike the sorted order, does not depend on what the
    labels are called: renaming speakers or emotions then changes no bit of a fit.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)

    Returns
    -------
    codes : ndarray of shape (n_rows,), dtype int64
    names : ndarray of shape (n_labels,)
        `names[codes]` gives the labels back where none is missing.
    """
    codes, names = pd.factorize(labels)
    return codes.astype(np.int64, copy=False), np.asarray(names)


def check_layer_sizes(sizes, name):
    """Raise a ValueError unless all widths of layers are positive integers."""
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"`{name}` must hold integers of at least 1; got {sizes!r}.")


def check_origin(estimator, X, *, reset):
    """Remember how the features of X were made, or compare: `feature_origin_`.

    Tables of :func:`advser.audio.read_features` tell it in their attributes; what
    does not tell is taken as it is.

    Raises
    ------
    ValueError
        If both are known, and differ.
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
        "both in the same way, with the same versions."
    )
