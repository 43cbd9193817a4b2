"""Checks of arrays: labels, numbers, weights and features.

Users pass speakers, emotions and ratings as lists and as arrays of NumPy, pandas,
polars and pyarrow of any type. These checks return NumPy arrays, equal for equal
labels. What they refuse is an error that names the parameter.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_array, validate_data

# Private: it selects rows of all that estimators accept, such as lists of files, frames
# and sparse matrices, which nothing public in scikit-learn does.
take_rows = _safe_indexing

# Marks that show nothing, other than those which join letters.
UNSEEN = re.compile("[\u200b\u200e\u200f\u2060\ufeff]")
LARGEST = 1e150  # number whose square remains finite in sums


def check_labels(
    labels: npt.ArrayLike,
    name: str,
    n_rows: int,
    *,
    allow_missing: bool = False,
    rows_of: str = "X",
    remedy: str = "give every row a label or drop those rows",
) -> np.ndarray:
    """Return labels as a one-dimensional array of `n_rows` entries.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        Strings, whole numbers or booleans; also whole floats, which pandas makes of
        integers where one is missing.

    name : str
        Name of the parameter, for the errors.

    n_rows : int
        Number of rows that need a label.

    allow_missing : bool, default=False
        Whether labels may be None, NaN or NA of pandas, which mean unknown.

    rows_of : str, default="X"
        Name of the array that has `n_rows` rows, for the errors.

    remedy : str, default="give every row a label or drop those rows"
        What to do about missing labels, for the error.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Integers or booleans, or of dtype object for strings, integers beyond int64, and
        if a label is missing; a missing label is None.

    Raises
    ------
    ValueError
        If the shape, the length or the kind of the labels is wrong, or a label is
        missing and `allow_missing` is False.
    """
    labels = plain(labels)
    try:
        if not isinstance(labels, list | tuple | np.ndarray):
            labels = np.asarray(labels, dtype=object)  # floats would merge large ints
        shape = np.shape(labels)
    except (ValueError, RuntimeError) as error:  # rows of different lengths
        raise ValueError(f"`{name}` must be one-dimensional: {error}") from error
    if len(shape) == 2 and shape[1] == 1:
        labels = np.asarray(labels, dtype=object)[:, 0]
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
    if isinstance(labels, np.ndarray):
        # These types have no missing values. Joined with int64, uint64 becomes float.
        if labels.dtype.kind in "biu":
            dtype = labels.dtype.newbyteorder("=")
            if dtype != np.uint64:
                return labels.astype(dtype, copy=False)
        if labels.dtype.kind in "cmMV":
            raise ValueError(_unknown_kind(name, labels[0]))
    values = np.empty(n_rows, dtype=object)
    values[:] = labels
    missing = pd.isna(values)
    if missing.any() and not allow_missing:
        raise ValueError(
            f"`{name}` is missing in {missing.sum()} of {n_rows} rows, the first of "
            f"them row {np.flatnonzero(missing)[0]}; {remedy}."
        )
    known = values[~missing]
    kind = pd.api.types.infer_dtype(known, skipna=False)
    if kind in ("floating", "mixed-integer-float"):
        numbers = known.astype(float)
        with np.errstate(invalid="ignore"):
            # From 2**53 on, whole numbers can't be told apart as floats.
            refused = ~(np.abs(numbers) < 2**53) | (numbers % 1 != 0)
        if refused.any():
            raise ValueError(_unknown_kind(name, known[refused][0]))
        known = np.array([int(number) for number in known], dtype=object)
    elif kind not in ("string", "integer", "boolean", "empty"):
        by_kind = {type(label).__name__: label for label in known[::-1]}
        raise ValueError(_unknown_kind(name, *by_kind.values()))
    if kind == "string":
        known[:] = [str.__str__(label) for label in known]  # of subclasses of str
        check_unicode("".join(known), name)
        _check_distinct(set(known), name)
    if not missing.any():
        found = known if kind in ("string", "empty") else np.array(known.tolist())
        return known if found.dtype.kind in "fu" else found  # huge ones
    values[missing] = None
    values[~missing] = known
    return values


def check_unicode(text: str, name: str) -> None:
    """Raise a ValueError for a text that can't be written to a file."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text[max(0, error.start - 20) : error.end + 20]
        raise ValueError(
            f"`{name}` holds {shown!r}, which is no valid Unicode; use other names."
        ) from None


def _check_distinct(names, name):
    """Raise a ValueError for names whose difference can't be seen."""
    seen = {}
    for label in sorted(names):
        looks = " ".join(UNSEEN.sub("", unicodedata.normalize("NFC", label)).split())
        first = seen.setdefault(looks, label)
        if first != label:
            raise ValueError(
                f"`{name}` holds {first!a} and {label!a}, which differ in "
                "white space or in the Unicode form only; write both alike."
            )


def check_alike(labels: np.ndarray, name: str, others: np.ndarray, other: str) -> None:
    """Raise a ValueError for strings in one of two arrays of labels alone."""
    if len(labels) and isinstance(labels[0], str) != isinstance(others[0], str):
        both = f"{name}` and `{other}"
        raise ValueError(_unknown_kind(both, labels[0], others[0]))


def columns_of(values: Any) -> list[str]:
    """Return the names of the columns of a table, and none of other values."""
    return [str(name) for name in getattr(plain(values), "columns", [])]


def check_columns_alike(
    columns: list[str], name: str, others: list[str], other: str
) -> None:
    """Raise a ValueError for the same columns in another order, or some of them."""
    if columns != others and set(columns) & set(others):
        raise ValueError(
            f"`{name}` has the columns {columns} and `{other}` {others}; pass both "
            "with the same columns in the same order."
        )


def plain(values: Any) -> Any:
    """Return arrays of pyarrow and polars, and masked arrays, as lists or plain arrays.

    A missing value becomes None, and a table a table of pandas.
    """
    if isinstance(values, np.ma.MaskedArray):
        filled = values.data.astype(object)
        filled[np.ma.getmaskarray(values)] = None
        return filled
    if isinstance(values, str | np.ndarray | pd.Series | pd.Index):
        return values
    if isinstance(values, pd.api.extensions.ExtensionArray):
        return list(values)
    if hasattr(values, "to_pandas") and hasattr(values, "columns"):
        return values.to_pandas()
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _unknown_kind(name, *labels):
    """Return the error text for labels of the wrong kind, or of several kinds."""
    shown = " and ".join(f"{label!r} ({type(label).__name__})" for label in labels[:2])
    holds = "hold" if "` and `" in name else "holds"
    return (
        f"Unknown label type: `{name}` {holds} {shown}; labels are strings, whole "
        "numbers or booleans, all of the same type."
    )


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


def check_numbers(
    numbers: npt.ArrayLike,
    name: str,
    n_rows: int,
    *,
    rows_of: str = "rows of `X`",
    largest: float = sys.float_info.max,
) -> np.ndarray:
    """Return numbers as floats of shape (n_rows,) or (n_rows, n), NaN where missing.

    Parameters
    ----------
    numbers : array-like of shape (n_rows,) or (n_rows, n)
        None, NaN and NA of pandas are missing numbers.

    name : str
        Name of the parameter, for the errors.

    n_rows : int
        Number of rows that need numbers.

    rows_of : str, default="rows of `X`"
        What they are, for the errors.

    largest : float, default=sys.float_info.max
        Bound of the absolute values.

    Raises
    ------
    ValueError
        If the shape is wrong, or an entry is no finite number within the bound.
    """
    numbers = plain(numbers)
    try:
        if not isinstance(numbers, pd.Series | pd.DataFrame):
            numbers = np.asarray(numbers)
        _refuse(numbers, "mMcV")
        shape = numbers.shape
        if len(shape) not in (1, 2) or shape[0] != n_rows or 0 in shape[1:]:
            raise ValueError(
                f"its shape is {shape}, and it needs an entry for each of {n_rows} "
                f"{rows_of}"
            )
        frame = pd.DataFrame(numbers)  # which finds dates among objects
        _refuse(frame, "mMc")
        floats = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"`{name}` must hold numbers: {error}.") from error
    too_large = np.abs(floats) > largest
    if too_large.any():
        raise ValueError(
            f"`{name}` holds {floats[too_large][0]}; its numbers must be finite, and "
            f"of {largest:.2g} at most."
        )
    return floats.reshape(shape)


def check_predicted(
    numbers: npt.ArrayLike, name: str, n_rows: int, **settings: Any
) -> np.ndarray:
    """Return predicted ratings as `check_numbers` does; raise if one is missing."""
    predicted = check_numbers(numbers, name, n_rows, **settings)
    if np.isnan(predicted).any():
        raise ValueError(
            f"`{name}` lacks {np.isnan(predicted).sum()} of {predicted.size} ratings; "
            "pass a prediction for each rating."
        )
    return predicted


def check_weights(
    weights: npt.ArrayLike | None, name: str, n_rows: int, **settings: Any
) -> np.ndarray:
    """Return weights as floats of which the largest is 1; all are 1 for None.

    Only the ratios of weights matter, so that a fit does not depend on their scale.
    The parameters are those of `check_numbers`.
    """
    if weights is None:
        return np.ones(n_rows)
    found = check_numbers(weights, name, n_rows, **settings)
    if found.shape == (n_rows, 1):
        found = found[:, 0]
    if found.ndim > 1 or not (found >= 0).all() or not found.any():
        raise ValueError(
            f"`{name}` must be one-dimensional and hold no negative or missing number, "
            f"and not only zeros; it is from {np.min(found)} to {np.max(found)}, of "
            f"shape {found.shape}."
        )
    return found / found.max()


def count_rows(X: npt.ArrayLike, name: str = "X") -> int:
    """Return the number of rows of an array, a table or a list."""
    try:
        return X.shape[0] if hasattr(X, "shape") else len(X)  # type: ignore[arg-type]
    except (IndexError, TypeError) as error:
        raise ValueError(f"`{name}` must have rows; got {X!r}.") from error


def check_rows(
    estimator: Any, X: npt.ArrayLike, *, reset: bool = False, dtype: Any
) -> np.ndarray:
    """Check features as scikit-learn does, and their origin; return them as an array.

    Parameters
    ----------
    estimator : estimator

    X : array-like of shape (n_samples, n_features)

    reset : bool, default=False
        Whether to store what is known of the features, as in fit, or to compare it.

    dtype : dtype or list of dtype
        Of the result.

    Raises
    ------
    ValueError
        If X has a wrong shape or origin, or holds other than finite numbers.
    """
    check_origin(estimator, X, reset=reset)
    return _named("X", validate_data, estimator, X, reset=reset, dtype=dtype, order="C")


def _check_columns(estimator, X, reset, name):
    """Store names of columns that are no strings, which scikit-learn ignores."""
    columns = X.columns if isinstance(X, pd.DataFrame) else []  # others have strings
    found = [str(one) for one in columns if not isinstance(one, str)]
    known = getattr(estimator, "_columns", [])
    if reset:
        estimator._columns = found
    elif found and known and found != known:
        raise ValueError(
            f"`{name}` has the columns {found[:9]}, and `fit` got {known[:9]}; pass "
            "the same columns in the same order."
        )


def check_magnitude(X: np.ndarray, name: str) -> None:
    """Raise a ValueError for numbers whose squares have no finite sum."""
    largest = max(float(X.max()), -float(X.min()))
    if largest > LARGEST:
        raise ValueError(
            f"`{name}` holds values up to {largest:.3g}, whose variance is not finite; "
            "divide the column by a constant, or leave it out."
        )


def check_array_named(X: npt.ArrayLike, name: str, **settings: Any) -> np.ndarray:
    """Return `sklearn.utils.check_array` of X; each of its errors names the array."""
    return _named(name, check_array, X, input_name=name, **settings)


def _named(name, check, *args, **settings):
    """Call a check of scikit-learn; its errors name the array, and masks are missing.

    The array is the last positional argument.
    """
    *args, X = args
    X = plain(X)
    try:
        _refuse(X, "mM")
        with np.errstate(all="ignore"):  # sums of large numbers
            return check(*args, X, **settings)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        if name in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"`{name}` is refused: {error}") from error


def _refuse(values, kinds):
    """Raise a TypeError for entries of some kinds, such as "m" for durations."""
    dtypes = getattr(values, "dtypes", getattr(values, "dtype", None))
    for dtype in dtypes if isinstance(dtypes, Iterable) else [dtypes]:
        if getattr(dtype, "kind", " ") in kinds:
            raise TypeError(f"entries of type {dtype} are no real numbers")


def check_origin(
    estimator: Any, X: npt.ArrayLike, *, reset: bool, name: str = "X"
) -> None:
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

    name : str, default="X"
        Name of the array, for the errors.

    Raises
    ------
    ValueError
        If both are known and differ.
    """
    _check_columns(estimator, X, reset, name)
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
        f"The features of `{name}` were not made as those in fit: {differences}. "
        "Extract both with the same settings and versions."
    )
