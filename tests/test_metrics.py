"""Metrics per speaker, and scorers of ratings."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GroupKFold, cross_val_score

from advser.evaluation import ccc_interval
from advser.metrics import (
    concordance_correlation,
    rating_scorers,
    speaker_gap,
    speaker_uar,
    unweighted_average_recall,
    worst_speaker_uar,
)

# Speaker a: anger 1 of 2, sadness 1 of 1. Speaker b: anger 1 of 2, no sadness.
Y_TRUE = ["anger", "anger", "sadness", "anger", "anger"]
Y_PRED = ["anger", "sadness", "sadness", "anger", "neutral"]
SPEAKERS = ["a", "a", "a", "b", "b"]


def test_uar_with_all_emotions_is_macro_recall():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(3, size=(2, 50))
    expected = recall_score(y_true, y_pred, average="macro")
    assert unweighted_average_recall(y_true, y_pred) == pytest.approx(expected)


def test_uar_ignores_an_emotion_that_was_only_predicted():
    assert unweighted_average_recall(["anger", "anger"], ["anger", "sadness"]) == 0.5


def test_speaker_uar_equals_hand_count():
    uar = speaker_uar(Y_TRUE, Y_PRED, speakers=SPEAKERS)
    assert uar.to_dict() == {"a": 0.75, "b": 0.5}
    assert worst_speaker_uar(Y_TRUE, Y_PRED, speakers=SPEAKERS) == 0.5
    assert speaker_gap(Y_TRUE, Y_PRED, speakers=SPEAKERS) == 0.25


@pytest.mark.parametrize(
    "kind",
    [
        np.array,
        pd.Series,
        lambda labels: pd.Series(labels, dtype="category"),
        lambda labels: pd.Series(labels, index=range(10, 15), dtype="str"),
    ],
)
def test_speaker_uar_does_not_depend_on_the_kind_of_labels(kind):
    uar = speaker_uar(kind(Y_TRUE), kind(Y_PRED), speakers=kind(SPEAKERS))
    assert uar.to_dict() == {"a": 0.75, "b": 0.5}


def test_speaker_uar_of_wrong_length_names_both_lengths():
    with pytest.raises(ValueError, match=r"`speakers` has 2 entries .* 5 rows"):
        speaker_uar(Y_TRUE, Y_PRED, speakers=["a", "b"])
    with pytest.raises(ValueError, match="`y_true` has no rows"):
        speaker_uar([], [], speakers=[])


def test_worst_speaker_uar_is_a_scorer_with_routing(toy):
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(worst_speaker_uar).set_score_request(speakers=True)
        scores = cross_val_score(
            DummyClassifier(),
            toy.X,
            toy.y,
            cv=GroupKFold(2),
            scoring=scorer,
            params={"groups": toy.speakers, "speakers": toy.speakers},
        )
    np.testing.assert_allclose(scores, 1 / 3)


def test_target_without_ratings_has_no_concordance():
    rated, predicted = [[np.nan, 1.0], [np.nan, 2.0]], [[1.0, 1.0], [2.0, 2.0]]
    found = concordance_correlation(rated, predicted, multioutput="raw_values")
    np.testing.assert_array_equal(found, [np.nan, 1.0])


def test_target_without_ratings_is_left_out_of_the_mean():
    X, y = np.zeros((4, 1)), np.array([[1.0, 5], [2, 5], [3, 5], [4, 5]])
    model = DummyRegressor(strategy="constant", constant=[2.0, 5]).fit(X, y)
    y[:, 1] = np.nan
    scorer = rating_scorers()["neg_mae"]
    assert scorer(model, X, y) == pytest.approx(-1.0)  # errors of 1, 0, 1 and 2
    assert np.isnan(scorer(model, X, np.full((4, 2), np.nan)))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_targets_are_paired_by_place_unless_names_contradict(frame):
    rated = {"arousal": [1.0, 2.0, 3.0], "valence": [3.0, 1.0, 2.0]}
    y_true, values = frame(rated), list(rated.values())
    named = frame(dict(zip(["predicted 1", "predicted 2"], values)))
    assert concordance_correlation(y_true, named) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"'valence'\] and `y_pred` \['valence', "):
        concordance_correlation(y_true, frame(dict(list(rated.items())[::-1])))


class Echo(RegressorMixin, BaseEstimator):
    """Predicts its input."""

    def predict(self, X):
        """Return the input."""
        return X


@pytest.mark.parametrize(
    ("unit", "offset"),
    [(2.0**-700, 0), (2.0**490, 0), (1, 2.0**50), (-(2.0**-1000), 0)],
)
def test_scores_of_ratings_do_not_depend_on_their_unit(unit, offset):
    rated, predicted = np.array([1.0, 2, 3, 5, 2, 4]), np.array([1.0, 3, 3, 4, 2, 4])
    speakers = np.repeat(["a", "b"], 3)
    moved = [values * unit + offset for values in (rated, predicted)]
    for function in (concordance_correlation, partial(ccc_interval, speakers=speakers)):
        assert function(*moved) == pytest.approx(function(rated, predicted), abs=1e-12)
    for name in ("ccc", "pearson"):
        scores = [
            rating_scorers()[name](Echo(), y_pred, y_true)
            for y_true, y_pred in (moved, (rated, predicted))
        ]
        assert scores[0] == pytest.approx(scores[1], abs=1e-12)


@pytest.mark.parametrize("name", ["ccc", "pearson"])
def test_constant_ratings_or_predictions_have_no_correlation(name):
    constant, rated = np.full(4, 2.0), np.array([1.0, 2, 3, 4])
    scorer = rating_scorers()[name]
    for y_pred, y_true in [(constant, rated), (rated, constant), (constant, constant)]:
        assert scorer(Echo(), y_pred, y_true) == 0
