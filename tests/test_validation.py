"""Labels of every kind become equal arrays, or an error gives the reason."""

from contextlib import contextmanager
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advser import AdversarialSER, SpeakerScaler
from advser._validation._arrays import (
    check_labels,
    check_numbers,
    check_speakers,
    check_weights,
    encode,
)
from advser._validation._parameters import COUNT, COUNTS, NOT_NEGATIVE, check_parameter

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


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, bool])
def test_labels_of_whole_numbers_keep_their_type(dtype):
    labels = check_labels(np.array([1, 0, 1], dtype), "speakers", 3)
    assert labels.dtype == dtype


@pytest.mark.parametrize("number", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_labels_of_uint64_and_int64_can_be_joined(number):
    labels = check_labels(np.array([number, 0], np.uint64), "speakers", 2)
    others = check_labels(np.array([-1, 2**62 + 1]), "speakers", 2)
    assert np.concatenate([labels, others]).tolist() == [number, 0, -1, 2**62 + 1]


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
    missing = "`speakers` is missing in 1 of 3 rows, the first of them row 1"
    with pytest.raises(ValueError, match=missing):
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


LARGE = [2**62 + 1, None, 2**62 + 3]


@pytest.mark.parametrize(
    "labels",
    [
        LARGE,
        pl.Series(LARGE),
        pa.array(LARGE),
        pd.array(LARGE, dtype="Int64"),
        np.ma.array([2**62 + 1, 0, 2**62 + 3], mask=[0, 1, 0]),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_large_numbers_stay_apart(labels):
    assert check_labels(labels, "y", 3, allow_missing=True).tolist() == LARGE


@pytest.mark.parametrize("labels", [[2**63, -1], [2**70, 2**71], [2**63, 2**63 + 1]])
def test_huge_numbers_are_kept(labels):
    assert check_labels(labels, "y", 2).tolist() == labels


@pytest.mark.parametrize(
    "labels",
    [
        [2.0**53, 1.0],  # 2**53 + 1 would be the same
        ["\ud800", "a"],  # no Unicode
        [1e300, 1.0],
        pl.Series([{"a": 1}, {"a": 2}]),
        torch.ones(2, requires_grad=True),
        pa.table({"a": [1, 2], "b": [1, 2]}),
    ],
    ids=str,
)
def test_labels_that_would_merge_or_have_no_value_are_named(labels):
    with pytest.raises(ValueError, match="`y`"):
        check_labels(labels, "y", 2)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["\u00e9", "e\u0301"], r"'e\\u0301' and '\\xe9'"),  # both show as é
        (["anna", "anna "], "'anna' and 'anna '"),
        (["03", "\t03"], r"'\\t03' and '03'"),
        (["", " "], "'' and ' '"),
    ],
)
def test_names_whose_difference_cannot_be_seen_are_refused(labels, shown):
    with pytest.raises(ValueError, match=f"`speakers` holds {shown}, which differ in"):
        check_labels(labels, "speakers", 2)
    assert check_labels(labels[:1] * 2, "speakers", 2).tolist() == labels[:1] * 2
    assert check_labels(["a", "A"], "speakers", 2).tolist() == ["a", "A"]


@pytest.mark.parametrize(
    "numbers",
    [
        pd.date_range("2020", periods=2, tz="UTC"),
        [pd.Timestamp("2020"), pd.Timestamp("2021")],
        pl.Series([date(2020, 1, 1)] * 2),
        pa.array([date(2020, 1, 1)] * 2),
        np.zeros(2, dtype=[("a", float)]),
        torch.ones(2, requires_grad=True),
        [10**400, 1],
        [1j, 1],
        ["a", "b"],
    ],
    ids=str,
)
def test_what_is_no_number_is_named(numbers):
    with pytest.raises(ValueError, match="`y` must hold numbers"):
        check_numbers(numbers, "y", 2)


# The door for parameters


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        (1, True),
        (np.int64(4), True),
        (np.uint8(4), True),
        (0, False),
        (True, False),
        (np.True_, False),
        (1.0, False),
        (2**40, False),
        ("1", False),
        (None, False),
        (np.array(1), False),
    ],
)
def test_counts(value, is_right):
    assert COUNT.is_satisfied_by(value) is is_right


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        (0, True),
        (0.5, True),
        (np.float32(0.5), True),
        (-1e-9, False),
        (np.nan, False),
        (np.inf, False),
        (10**400, False),
        (False, False),
        (1j, False),
    ],
)
def test_numbers_that_are_not_negative(value, is_right):
    assert NOT_NEGATIVE.is_satisfied_by(value) is is_right


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        ((), True),
        ([3, np.int64(4)], True),
        (np.array([3, 4]), True),
        (pd.Series([3]), True),
        ((3, 0), False),
        ((True,), False),
        ([[3]], False),
        (np.array(3), False),
        ("34", False),
        ({3: 4}, False),
        (iter([3]), False),
        (3, False),
    ],
)
def test_sequences_of_counts(value, is_right):
    assert COUNTS.is_satisfied_by(value) is is_right


def test_parameter_of_a_function():
    check_parameter(3, "n", COUNT)
    with pytest.raises(ValueError, match=r"`n` must be an int in the range.*got 0"):
        check_parameter(0, "n", COUNT)


@pytest.mark.parametrize(
    "weights", [[0.2, 0.4], np.float32([1, 2]), pd.Series([3, 6], dtype="Int64")]
)
def test_weights_have_no_scale(weights):
    assert check_weights(weights, "w", 2) == pytest.approx([0.5, 1])
    assert check_weights(np.full(3, 1 / 3), "w", 3).tolist() == [1, 1, 1]
    assert check_weights(None, "w", 3).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "weights",
    [[0, 0], [1, -1], [1, None], [1, np.inf], [1], ["a", "b"], [[1, 1], [2, 2]], 1],
)
def test_wrong_weights_are_named(weights):
    with pytest.raises(ValueError, match="`w`"):
        check_weights(weights, "w", 2)


# The door for arrays: what it lets in is equal to the same values in a list

LABELS = st.one_of(
    st.lists(st.sampled_from(["s2", "s10", "ä", ""]), min_size=1, max_size=6),
    st.lists(st.integers(-3, 100), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=1, max_size=6),
)
MISSING = st.sampled_from([None, np.nan, pd.NA])
CONTAINERS = {
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda values: np.array(values, dtype=object),
    "column": lambda values: np.array(values)[:, None],
    "big-endian": lambda values: np.array(values).astype(
        np.array(values).dtype.newbyteorder(">")
    ),
    "masked array": np.ma.array,
    "Series": pd.Series,
    "Series of objects": lambda values: pd.Series(values, dtype=object),
    "index": pd.Index,
    "categorical": pd.Categorical,
    "nullable": pd.array,
    "frame": lambda values: pd.DataFrame({"label": values}),
    "pyarrow": pa.array,
    "chunks": lambda values: pa.chunked_array([values]),
    "dictionary": lambda values: pa.array(values).dictionary_encode(),
    "arrow-backed": lambda values: pd.Series(
        values, dtype=pd.ArrowDtype(pa.array(values).type)
    ),
    "polars": pl.Series,
    "polars categorical": lambda values: pl.Series(
        values, dtype=pl.Categorical if isinstance(values[0], str) else None
    ),
    "polars frame": lambda values: pl.DataFrame({"label": values}),
    "pyarrow table": lambda values: pa.table({"label": values}),
    "numpy.str_": lambda values: [
        np.str_(value) if isinstance(value, str) else value for value in values
    ],
    "floats": lambda values: (
        values if isinstance(values[0], str | bool) else np.array(values, dtype=float)
    ),
}


@given(LABELS, st.sampled_from(sorted(CONTAINERS)))
def test_labels_of_any_container_are_those_of_a_list(values, container):
    found = check_labels(CONTAINERS[container](values), "speakers", len(values))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == values
    assert {type(label) for label in found.tolist()} == {type(values[0])}


WITH_MISSING = {
    "list": list,
    "pandas": pd.Series,
    "nullable": pd.array,
    "pyarrow": pa.array,
    "pyarrow table": lambda values: pa.table({"label": values}),
    "polars": pl.Series,
    "masked array": lambda values: np.ma.array(
        [*values[:-1], values[0]], mask=[value is None for value in values]
    ),
}


@given(LABELS, MISSING, st.sampled_from(sorted(WITH_MISSING)))
def test_missing_labels_of_any_container_are_found(values, missing, container):
    values = [*values, missing]
    if container != "list":
        values[-1] = None
    found = WITH_MISSING[container](values)
    labels = check_labels(found, "speakers", len(values), allow_missing=True)
    assert labels.tolist() == [*values[:-1], None]
    with pytest.raises(ValueError, match="`speakers` is missing in 1 of"):
        check_labels(found, "speakers", len(values))


ANYTHING = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
    st.binary(max_size=2),
    st.complex_numbers(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.tuples(st.integers(), st.integers()),
)


@contextmanager
def may_refuse(name):
    """Let pass an error that has the name, and no other."""
    try:
        yield
    except ValueError as error:
        if name not in str(error):
            raise


@given(st.lists(ANYTHING, max_size=4))
def test_labels_are_kept_or_refused_by_name(values):
    with may_refuse("`speakers`"):
        found = check_labels(values, "speakers", len(values), allow_missing=True)
        kept = [None if pd.isna(value) else value for value in values]
        assert found.tolist() == kept
        assert len({type(label) for label in found.tolist()} - {type(None)}) <= 1


@given(st.lists(ANYTHING, max_size=4))
def test_numbers_are_kept_or_refused_by_name(values):
    with may_refuse("`y`"):
        found = check_numbers(values, "y", len(values))
        assert len(found) == len(values)
        assert not np.isinf(found).any()


@given(ANYTHING, st.sampled_from(["batch_size", "lr", "clip", "hidden_layer_sizes"]))
def test_parameters_are_used_or_refused_by_name(value, name):
    estimator = AdversarialSER(**{name: value})
    with may_refuse(f"'{name}'"):
        estimator._validate_params()
        numbers = value if name == "hidden_layer_sizes" else [value or 1]
        assert all(np.isfinite(float(number)) and number > 0 for number in numbers)
        assert not any(isinstance(number, bool) for number in numbers)


X = np.random.default_rng(0).normal(size=(12, 2)).round(3)
TABLES = {
    "list": np.ndarray.tolist,
    "frame": lambda rows: pd.DataFrame(rows, columns=["a", "b"]),
    "nullable": lambda rows: pd.DataFrame(rows, columns=["a", "b"], dtype="Float64"),
    "pyarrow": lambda rows: pa.table({"a": rows[:, 0], "b": rows[:, 1]}),
    "polars": lambda rows: pl.DataFrame(rows, schema=["a", "b"]),
    "arrow-backed": lambda rows: pd.DataFrame(
        {"a": rows[:, 0], "b": rows[:, 1]}, dtype="float64[pyarrow]"
    ),
    "masked array": np.ma.array,
    "big-endian": lambda rows: rows.astype(">f8"),
    "Fortran order": np.asfortranarray,
    "strings": lambda rows: rows.astype(str),
    "objects": lambda rows: rows.astype(object),
}


@pytest.fixture(scope="module")
def fit_tiny():
    """Return a function that fits a tiny network and returns its probabilities."""

    def fit(X, y, speakers, weight):
        model = AdversarialSER(None, hidden_layer_sizes=(), embedding_dim=2)
        model.set_params(max_epochs=1, random_state=0)
        return model.fit(X, y, speakers, sample_weight=weight).predict_proba(X)

    y, speakers = [0, 1] * 6, ["b", "a", "c"] * 4
    expected = fit(X, y, speakers, None)
    return lambda table, kind: (
        fit(
            TABLES[table](X),
            CONTAINERS[kind](y),
            CONTAINERS[kind](speakers),
            CONTAINERS[kind](np.ones(12).tolist()),
        ),
        expected,
    )


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(TABLES)), st.sampled_from(sorted(CONTAINERS)))
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_fit_is_the_same_for_all_containers(fit_tiny, table, kind):
    found, expected = fit_tiny(table, kind)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([["a", 1.0]] * 12, "`X` is refused.*'a'"),
        ([[1], [1, 2]] * 6, "`X` is refused"),
        (np.ma.masked_greater(X, 1), "Input X contains NaN"),
        (pd.DataFrame({"a": pd.date_range("2020", periods=12)}), "`X` is refused"),
        (np.arange(24).reshape(12, 2).astype("m8[s]"), "`X` is refused"),
        (pl.DataFrame({"a": [date(2020, 1, 1)] * 12}), "`X` is refused"),
        (pl.DataFrame({"a": [1.5, None] * 6}), "Input X contains NaN"),
        (pa.table({"a": [date(2020, 1, 1)] * 12}), "`X` is refused"),
        (np.ma.array([["a"]] * 12), "`X` is refused"),
        ([[10**400]] * 12, "`X` is refused"),
        (torch.ones(12, 1, requires_grad=True), "`X` is refused"),
    ],
)
def test_refused_features_are_named(table, message):
    with pytest.raises((ValueError, TypeError), match=message):
        AdversarialSER(None).fit(table, [0, 1] * 6)


@pytest.mark.parametrize("fitted", [np.asarray, pd.DataFrame])
def test_numbers_as_names_of_columns_are_compared_between_tables_alone(fitted):
    X = np.random.default_rng(0).normal(size=(12, 3))
    scaler = SpeakerScaler(balance=False).fit(fitted(X), speakers=["a", "b"] * 6)
    expected = scaler.transform(X)
    np.testing.assert_array_equal(scaler.transform(pd.DataFrame(X)), expected)
