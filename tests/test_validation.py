"""Labels of every kind become equal arrays, or an error gives the reason."""

import numpy as np
import pandas as pd
import pytest

from advser._validation import (
    check_labels,
    check_layer_sizes,
    check_speakers,
    encode,
)

NAMES = ["s2", "s10", "s2"]


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        pd.Index,
        pd.Categorical,
        pd.array,
        lambda names: np.array(names, dtype=object),
        lambda names: np.array(names)[:, None],
        lambda names: pd.DataFrame({"speaker": names}),
        lambda names: pd.Series(names, index=[7, 8, 9]),
        lambda names: pd.Series(names, dtype="string"),
        lambda names: pd.Series(names, dtype="category"),
    ],
)
def test_labels_of_any_kind(kind):
    labels = check_labels(kind(NAMES), "speakers", 3)
    assert isinstance(labels, np.ndarray)
    assert labels.dtype == object
    assert labels.tolist() == NAMES


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, bool])
def test_labels_of_whole_numbers_keep_their_type(dtype):
    labels = check_labels(np.array([1, 0, 1], dtype), "speakers", 3)
    assert labels.dtype == dtype


@pytest.mark.parametrize(
    "labels",
    [
        ["a", None, "b"],
        ["a", np.nan, "b"],
        ["a", pd.NA, "b"],
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Categorical(["a", None, "b"]),
        np.array(["a", np.nan, "b"], dtype=object),
    ],
)
def test_missing_labels(labels):
    found = check_labels(labels, "speakers", 3, allow_missing=True)
    assert found.tolist() == ["a", None, "b"]
    with pytest.raises(
        ValueError, match=r"`speakers` has 1 missing labels of 3, the first in row 1"
    ):
        check_labels(labels, "speakers", 3)


@pytest.mark.parametrize(
    "labels", [[1.0, np.nan, 2.0], pd.Series([1, None, 2], dtype="Int64")]
)
def test_missing_numbers(labels):
    found = check_labels(labels, "speakers", 3, allow_missing=True)
    assert found.tolist() == [1, None, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (NAMES, r"`speakers` has 3 entries and `X_unlabeled` has 4 rows; pass one"),
        ([["a", "b"]] * 4, r"`speakers` must be one-dimensional.*shape \(4, 2\)"),
        ("anna", r"`speakers` must be one-dimensional.*`X_unlabeled`.*shape \(\)"),
    ],
)
def test_labels_of_a_wrong_shape(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, "speakers", 4, rows_of="X_unlabeled")


def test_speakers_have_priority_over_groups():
    assert check_speakers(None, None, 3) is None
    assert check_speakers(None, NAMES, 3).tolist() == NAMES
    assert check_speakers([1, 2, 3], NAMES, 3).tolist() == [1, 2, 3]
    # groups are not checked
    assert check_speakers(NAMES, [1, 2], 3).tolist() == NAMES


@pytest.mark.parametrize(
    ("given", "name"), [((["a"], None), "speakers"), ((None, ["a"]), "groups")]
)
def test_error_names_the_parameter_of_the_speakers(given, name):
    with pytest.raises(ValueError, match=f"`{name}` has 1 entries"):
        check_speakers(*given, 3)


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (["b", "a", "b", None], [0, 1, 0, -1], ["b", "a"]),
        ([10, 2, 10], [0, 1, 0], [10, 2]),
        ([None, None], [-1, -1], []),
    ],
)
def test_codes_follow_the_first_appearance(labels, codes, names):
    found, found_names = encode(np.array(labels, dtype=object))
    assert found.dtype == np.int64
    assert found.tolist() == codes
    assert found_names.tolist() == names


def test_codes_keep_numbers_and_their_texts_apart():
    codes, _ = encode(np.array([1, "1", 1], dtype=object))
    assert codes.tolist() == [0, 1, 0]


def test_layer_sizes():
    check_layer_sizes((3, np.int64(4)), "hidden_layer_sizes")
    check_layer_sizes([], "hidden_layer_sizes")
    with pytest.raises(
        ValueError, match=r"`hidden_layer_sizes` must hold.*got \(3, 0\)"
    ):
        check_layer_sizes((3, 0), "hidden_layer_sizes")
