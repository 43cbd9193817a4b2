"""A wrong argument is named by every function, whatever its type."""

import datetime
import inspect
import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

import advser
from advser import corpora, datasets, evaluation, metrics, speakers
from advser.audio import EGeMAPS, extract_features, read_features
from advser.model_selection import StackedGridSearchCV, stacked_cross_validate
from advser.report import report

X = np.random.default_rng(0).normal(size=(24, 3))
Y = np.array(["anger", "neutral", "sadness"] * 8)
S = np.repeat(["ann", "bob", "eve", "tom"], 6)
TABLE = pd.DataFrame({"speaker": S, "emotion": Y, "start": np.nan, "end": np.nan})
MODEL = LogisticRegression()
ADAPTS = make_pipeline(advser.SpeakerScaler(unknown="adapt", balance=False), MODEL)
SMALL = advser.AdversarialSER(None, max_epochs=1, random_state=0)

# What no parameter takes, of the kind of a path, of a number and of a flag.
NO_PATH = [5, b"x", [], "", "a\0b", np.zeros((2, 2)), object()]
NO_JOBS = ["2", 2.5, True, [], 10**30, np.zeros((2, 2)), np.array(3)]
NO_FLAG = [None, 2, "yes", [], np.zeros((2, 2))]
NO_NUMBER = ["3", -1, 2.5, True, [], np.nan, 1j, datetime.date(2020, 1, 1)]
NO_CHOICE = [5, "other", [], {"a": 1}, np.zeros((2, 2, 2))]
NO_TABLE = [None, 5, "", [], pd.DataFrame(), {"a": [1]}]
NO_DICT = [5, "x", [1], {1, 2}, np.zeros((2, 2))]
NO_NAME = [5, [], b"x", np.zeros((2, 2))]

within = {"estimators": {"a": MODEL}, "X": X, "y": Y, "speakers": S}
across = {"estimators": {"a": MODEL}, "corpora": {"A": (X, Y, S), "B": (X, Y, S)}}
rows = {"X": X, "y": Y, "speakers": S}
stacked = {"estimator": SMALL, "X": X, "y": Y, "groups": S, "cv": GroupKFold(2)}
CASES = [
    (advser.save, {"model": ADAPTS}, "path", NO_PATH),
    (advser.save, {"model": ADAPTS, "path": "x"}, "trusted", [None, 5, "a.B", [3]]),
    (advser.load, {}, "path", [*NO_PATH, None]),
    (advser.load, {"path": "x"}, "trusted", [None, 5, "a.B", [3]]),
    (read_features, {}, "path", [*NO_PATH, None]),
    (extract_features, {"table": TABLE}, "output", [*NO_PATH, None]),
    (corpora.read_table, {}, "path", [*NO_PATH, None]),
    (corpora.read_emodb, {}, "root", [*NO_PATH, None]),
    (corpora.read_filenames, {}, "root", [*NO_PATH, None]),
    (corpora.read_filenames, {"root": "."}, "pattern", [5, [], b"x"]),
    (corpora.read_filenames, {"root": "."}, "mapping", NO_DICT),
    (corpora.read_filenames, {"root": "."}, "name", NO_NAME),
    (corpora.read_iemocap, {"root": "."}, "four_classes", NO_FLAG),
    (corpora.read_msp_improv, {"root": "."}, "reverse_arousal", NO_FLAG),
    (corpora.read_ravdess, {"root": "."}, "songs", NO_FLAG),
    (corpora.read_cremad, {"root": "."}, "emotion", NO_CHOICE),
    (
        corpora.read_cmu_mosei,
        {"root": "."},
        "speakers",
        [5, "x", [1], {1, 2}, np.zeros((2, 2))],
    ),
    (corpora.summary, {}, "table", NO_TABLE),
    (corpora.to_audformat, {}, "table", NO_TABLE),
    (corpora.to_audformat, {"table": TABLE}, "name", NO_NAME),
    (corpora.from_audformat, {}, "db", [None, 5, {}, TABLE]),
    (corpora.load, {}, "name", [None, *NO_NAME]),
    (corpora.load, {"name": "emodb"}, "version", NO_NAME),
    (datasets.load_emodb, {}, "as_frame", NO_FLAG),
    (datasets.load_emodb, {}, "return_X_y_speakers", NO_FLAG),
    (
        metrics.concordance_correlation,
        {"y_true": [1, 2], "y_pred": [1, 2]},
        "multioutput",
        NO_CHOICE,
    ),
    (metrics.rating_scorers, {}, "targets", [5, "a", b"a", [3], np.zeros(2)]),
    (speakers.speaker_confounding, {"speakers": S}, "y", [None, 5, [], [[1], [1, 2]]]),
    (speakers.utterance_order, {"y": Y, "speakers": S}, "order", NO_CHOICE),
    (speakers.utterance_order, {"speakers": S}, "y", [None, 5]),
    (speakers.utterance_order, {"y": Y, "speakers": S}, "random_state", NO_NUMBER),
    (stacked_cross_validate, stacked, "X", [None, 5]),
    (stacked_cross_validate, stacked, "n_jobs", NO_JOBS),
    (stacked_cross_validate, stacked, "max_stack", [0, None, *NO_NUMBER]),
    (stacked_cross_validate, stacked, "params", NO_DICT),
    (stacked_cross_validate, stacked, "return_estimator", NO_FLAG),
    (stacked_cross_validate, stacked, "error_score", [None, "no", [], np.zeros(2)]),
    (stacked_cross_validate, stacked, "cv", [-1, b"x", [], {"a": 1}, np.array(3), [1]]),
    (stacked_cross_validate, stacked, "groups", [5, "x", S[1:], [None] * 24]),
    (evaluation.compare, within, "folder", NO_PATH),
    (evaluation.compare, within, "n_jobs", NO_JOBS),
    (evaluation.compare, within, "search", NO_DICT),
    (evaluation.compare, within, "cv", [1, True, 2.5, b"x", [], np.zeros(2), None]),
    (evaluation.compare, within, "seeds", [0, -1, 1.5, True, [], [1, 1], [1.7], "3"]),
    (evaluation.compare, within, "order", NO_CHOICE),
    (evaluation.compare, within, "probes", [5, "x", np.zeros((2, 2, 2))]),
    (evaluation.compare, within, "within_emotion", NO_FLAG),
    (evaluation.compare, within, "estimators", [None, [], [MODEL], {}, {1: MODEL}]),
    (evaluation.cross_corpus, across, "folder", NO_PATH),
    (evaluation.cross_corpus, across, "n_jobs", NO_JOBS),
    (evaluation.cross_corpus, across, "transductive", NO_FLAG),
    (evaluation.cross_corpus, across, "leave_one_out", NO_FLAG),
    (evaluation.cross_corpus, across, "within", [1, True, "loso", 2.5, []]),
    (evaluation.cross_corpus, across, "domain", NO_CHOICE),
    (evaluation.cross_corpus, across, "emotions", [np.zeros((2, 2, 2)), ["x"], 5]),
    (evaluation.cross_corpus, across, "seeds", [0, 1.5, True, [], [1, 1], "3"]),
    (
        evaluation.enrollment_curve,
        {"estimator": ADAPTS, **rows},
        "k",
        [5, "x", np.array(3), [[1]], [1.5], [-1], []],
    ),
    (evaluation.enrollment_curve, {"estimator": ADAPTS, **rows}, "n_jobs", NO_JOBS),
    (
        evaluation.enrollment_curve,
        {"estimator": ADAPTS, **rows},
        "repeats",
        [0, None, *NO_NUMBER],
    ),
    (evaluation.adaptation_curve, {"estimator": ADAPTS, **rows}, "orders", NO_CHOICE),
    (
        evaluation.adaptation_curve,
        {"estimator": ADAPTS, **rows},
        "cv",
        [1, True, b"x", []],
    ),
    (
        evaluation.adaptation_curve,
        {"estimator": ADAPTS, **rows},
        "random_state",
        NO_NUMBER,
    ),
    (
        evaluation.cross_val_leakage,
        {"estimator": SMALL, **rows},
        "random_state",
        NO_NUMBER,
    ),
    (
        evaluation.speaker_leakage,
        {"embedding": X, "speakers": S},
        "n_splits",
        [1, *NO_NUMBER],
    ),
    (
        evaluation.SpeakerLeakage.from_predictions,
        {"speakers": S, "probe": "x"},
        "predicted",
        [None, 5],
    ),
    (
        evaluation.uar_interval,
        {"y_true": Y, "y_pred": Y, "speakers": S},
        "n_resamples",
        [0, *NO_NUMBER],
    ),
    (evaluation.holm, {}, "p_values", [None, 5, ["a"], [[0.1], [0.1, 0.2]], [-1], [2]]),
    (evaluation.Comparison.load, {}, "folder", [*NO_PATH, None]),
    (evaluation.CrossCorpusComparison.load, {}, "folder", [*NO_PATH, None]),
    (report, {}, "folder", [*NO_PATH, None]),
    (report, {"folder": "x"}, "out", NO_PATH),
    (report, {"folder": "x"}, "confidence_level", [0, 1, 2, "0.9", True, None]),
]


@pytest.mark.parametrize(
    ("function", "arguments", "name", "values"),
    CASES,
    ids=lambda one: getattr(one, "__qualname__", one if isinstance(one, str) else ""),
)
def test_wrong_argument_is_named(function, arguments, name, values):
    assert name in inspect.signature(function).parameters
    for value in values:
        with pytest.raises((ValueError, TypeError), match=rf"`{name}\b"):
            function(**{**arguments, name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_jobs", NO_JOBS),
        ("channel", [True, -1, "left", 1.5]),
        ("sampling_rate", [True, 0, "16000", 16000.0]),
        ("memory", [5, b"x"]),
        ("on_error", NO_CHOICE),
    ],
)
def test_wrong_parameter_of_the_extractor_is_named(name, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            EGeMAPS(**{name: value}).fit_transform(["x.wav"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_jobs", ["2", 2.5, True, 10**30]),
        ("max_stack", [0, True, 2.5]),
        ("cv", [-1, b"x", [], {"a": 1}, np.array(3)]),
        ("error_score", ["no", None, []]),
        ("param_grid", [5, [1]]),
    ],
)
def test_wrong_parameter_of_a_search_is_named(name, values):
    for value in values:
        search = StackedGridSearchCV(SMALL, {"lr": [0.1]}).set_params(**{name: value})
        with pytest.raises((ValueError, TypeError), match=f"{name}|Parameter grid"):
            search.fit(X, Y, groups=S)


def test_search_without_candidates_is_refused():
    with pytest.raises(ValueError, match="no candidates"):
        StackedGridSearchCV(SMALL, []).fit(X, Y)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_no_model(tmp_path):
    os.mkfifo(tmp_path / "model")
    session = advser.Session(ADAPTS.fit(X, Y, speakerscaler__speakers=S))
    for load in (advser.load, session.load):
        with pytest.raises(FileNotFoundError, match=r"`path` is .*, which is no file"):
            load(tmp_path / "model")


@pytest.mark.filterwarnings("ignore::advser.NoSpeakersWarning")
@pytest.mark.parametrize(("fraction", "speakers"), [(0.95, S), (0.99, None)])
def test_validation_fraction_that_leaves_nothing_to_train_is_named(fraction, speakers):
    model = advser.AdversarialSER(early_stopping=True, validation_fraction=fraction)
    rare = np.where(np.arange(24) == 3, "rare", Y)
    with pytest.raises(ValueError, match=f"`validation_fraction={fraction}` leave no"):
        model.fit(X, rare, speakers=speakers)


def test_columns_and_tables_are_taken_everywhere():
    table = pa.table(dict(zip("abc", X.T)))
    scaler = advser.SpeakerScaler(neutral="anger")
    expected = scaler.fit(X, Y, speakers=S).neutral_offset_
    found = scaler.fit(X, pl.DataFrame({"y": Y}), speakers=S).neutral_offset_
    np.testing.assert_array_equal(found, expected)
    rated = scaler.fit(X, X[:, :2], speakers=S).neutral_offset_
    assert rated is None  # ratings, which have no neutral class
    settings = {"X_unlabeled": table, "speakers_unlabeled": pa.table({"s": S})}
    model = advser.AdversarialSER(max_epochs=1, random_state=0)
    expected = model.fit(X, Y, S, X_unlabeled=X, speakers_unlabeled=S).predict_proba(X)
    found = model.fit(table, Y, S, **settings).predict_proba(table.slice(2, 9))
    np.testing.assert_array_equal(found, expected[2:11])
    weight = np.arange(24.0)
    assert model.score(table, pl.Series(Y), weight[:, None]) == pytest.approx(
        model.score(table, Y, weight)
    )
    scores = [
        stacked_cross_validate(**{**stacked, "y": y, "groups": groups})["test_score"]
        for y, groups in [
            (Y, S),
            (pl.Series(Y), S[:, None]),
            (pa.array(Y), pa.array(S)),
        ]
    ]
    np.testing.assert_array_equal(scores[1:], scores[:1] * 2)
    with pytest.raises(ValueError, match="`sample_weight` must be one-dimensional"):
        model.score(table, Y, -weight)
