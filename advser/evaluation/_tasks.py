"""The two tasks of a comparison, with their scores: to recognise emotions, or to rate.

A task has the columns of the predictions, the scores and the statistics.
"""

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.metrics import accuracy_score, f1_score, make_scorer, recall_score

from .._routing import request_for_scores
from .._validation._arrays import check_labels, check_numbers, plain
from .._validation._parameters import LEVEL, check_parameter
from ..metrics import rating_scorers, rating_scores, unweighted_average_recall
from ..speakers._knowledge import predict_by_speaker
from ._statistics import ccc_difference, ccc_interval, uar_difference, uar_interval


class Task:
    """What emotions and ratings have in common.

    Attributes
    ----------
    measure, measure_name : str
        The score that is compared.

    effect, unit : str, int
        The column of a difference in the measure, and the value of 1 in it.

    scorer : callable
        scikit-learn's scorer of the measure.
    """

    def labels(self):
        """Return nothing: a file holds numbers, and no labels as text."""
        return {}

    def score_fold(self, rows):
        """Return the scores of a fold."""
        return self.score(rows)

    def by_utterance(self, predictions):
        """Return the true values, the predictions and the speakers of an estimator.

        The predictions have the shape of the true values and a last axis for the seeds.
        """
        seeds = [rows for _, rows in predictions.groupby("seed")]
        y_pred = np.stack([self.pair(rows)[1] for rows in seeds], axis=-1)
        return self.pair(seeds[0])[0], y_pred, seeds[0]["speaker"].to_numpy()

    def is_known(self, rows):
        """Return whether each row of predictions has a true emotion or rating."""
        return rows[[*self.names[::2]]].notna().any(axis=1)

    def bounds(self, predictions, confidence_level):
        """Return the interval of the measure over speakers; NaN for one speaker."""
        check_parameter(confidence_level, "confidence_level", LEVEL)
        if predictions["speaker"][self.is_known(predictions)].nunique() < 2:
            return np.nan, np.nan
        y_true, y_pred, speakers = self.by_utterance(predictions)
        return self.interval(
            y_true, y_pred, speakers=speakers, confidence_level=confidence_level
        )

    def difference(self, predictions, others, **options):
        """Compare the predictions of two estimators, by permutation over speakers."""
        y_true, y_pred, speakers = self.by_utterance(predictions)
        _, y_other, _ = self.by_utterance(others)
        return self.test(y_true, y_pred, y_other, speakers=speakers, **options)

    def difference_row(self, found):
        """Return a difference as columns of a table."""
        return {
            self.effect: self.unit * found.difference,
            "low": self.unit * found.low,
            "high": self.unit * found.high,
            "p_value": found.p_value,
        }


class EmotionTask(Task):
    """Predict one of several emotions; scored by the unweighted average recall.

    Parameters
    ----------
    emotions : sequence
    """

    measure, measure_name = "uar", "unweighted average recall"
    effect, unit = "points", 100
    scores = ("uar", "weighted_accuracy", "macro_f1")
    names = ("y_true", "y_pred")  # of the columns of the predictions
    scorer = make_scorer(unweighted_average_recall)
    interval = staticmethod(uar_interval)
    test = staticmethod(uar_difference)

    def __init__(self, emotions):
        self.emotions = sorted(emotions, key=str)

    def described(self):
        """Return the labels, ready for JSON."""
        return {"emotions": [str(emotion) for emotion in self.emotions]}

    def columns(self, y_true, y_pred):
        """Return the columns of the predictions.

        A file holds their texts: 1.0 and True become the emotion 1 that they equal.
        """
        known = {emotion: emotion for emotion in self.emotions}
        labels = check_labels(y_pred, "y_pred", len(y_true), rows_of="y_true")
        return {"y_true": y_true, "y_pred": [known.get(one, one) for one in labels]}

    def labels(self):
        """Return the possible values of the columns that a file holds as text."""
        return {"y_true": self.emotions, "y_pred": self.emotions}

    def pair(self, rows):
        """Return true and predicted emotions of rows of predictions: twice (n,)."""
        return rows["y_true"].to_numpy(), rows["y_pred"].to_numpy()

    def score(self, rows):
        """Return the scores of all rows together, by name."""
        y_true, y_pred = self.pair(rows)
        labels = pd.unique(y_true)
        return {
            "uar": unweighted_average_recall(y_true, y_pred),
            "weighted_accuracy": accuracy_score(y_true, y_pred),
            "macro_f1": f1_score(
                y_true, y_pred, labels=labels, average="macro", zero_division=0
            ),
        }

    def score_fold(self, rows):
        """Return the scores of a fold, with the recall of each emotion."""
        recalls = recall_score(
            *self.pair(rows), labels=self.emotions, average=None, zero_division=np.nan
        )
        names = (f"recall_{emotion}" for emotion in self.emotions)
        return self.score(rows) | dict(zip(names, recalls))

    def score_groups(self, rows, keys):
        """Return the measure of each group of rows that have the same keys."""
        is_hit = rows["y_true"] == rows["y_pred"]
        recall = is_hit.groupby([rows[name] for name in [*keys, "y_true"]]).mean()
        return recall.groupby(level=keys).mean()


class RatingTask(Task):
    """Rate on one scale or several; scored by the concordance correlation.

    Parameters
    ----------
    targets : sequence of str
        Names of the scales.
    """

    measure, measure_name = "ccc", "concordance correlation"
    effect, unit = "difference", 1
    scorer = rating_scorers()["ccc"]
    interval = staticmethod(ccc_interval)
    test = staticmethod(ccc_difference)

    def __init__(self, targets):
        self.targets = list(targets)

    @property
    def scores(self):
        """The names of the scores: means over the targets, and those of each."""
        several = self.targets if len(self.targets) > 1 else []
        names = ["ccc", "pearson", "mae"]
        return names + [f"{name}_{target}" for target in several for name in names]

    @property
    def names(self):
        """The names of the columns of the predictions."""
        kinds = ("y_true", "y_pred")
        return [f"{kind}_{target}" for target in self.targets for kind in kinds]

    def described(self):
        """Return the names of the targets, ready for JSON."""
        return {"targets": self.targets}

    def columns(self, y_true, y_pred):
        """Return the columns of the predictions, two for each target."""
        y_true = np.reshape(y_true, (len(y_true), -1))
        shape = np.shape(y_pred)
        y_pred = np.reshape(y_pred, (len(y_pred), -1))
        if y_pred.shape != y_true.shape:
            raise ValueError(
                f"`predict` returned shape {shape} for {len(y_true)} utterances with "
                f"{y_true.shape[1]} targets."
            )
        pairs = np.stack([y_true, y_pred], axis=-1).reshape(len(y_true), -1)
        return dict(zip(self.names, pairs.T))

    def pair(self, rows):
        """Return ratings and predictions of rows: twice (n, n_targets)."""
        pairs = rows[self.names].to_numpy(float)
        return pairs[:, ::2], pairs[:, 1::2]

    def score(self, rows):
        """Return the scores of all rows together, by name."""
        found = rating_scores(*self.pair(rows), self.targets)
        return {name: found[name] for name in self.scores}

    def score_groups(self, rows, keys):
        """Return the measure of each group of rows that have the same keys."""
        found = {key: self.score(group)["ccc"] for key, group in rows.groupby(keys)}
        index = pd.MultiIndex.from_tuples(found, names=keys)
        return pd.Series([*found.values()], index=index, dtype=float)


class SpeakerScorer:
    """Scorer of the measure of a task, which passes on the speakers of the rows.

    A scorer of scikit-learn does not, and a scaler that uses the rows of each speaker
    would take the validation rows of a search for those of one.

    Parameters
    ----------
    task : EmotionTask or RatingTask
    """

    def __init__(self, task):
        self.task = task

    def __call__(self, estimator, X, y, *, speakers, groups):
        """Return the measure of a fitted estimator."""
        y_pred = predict_by_speaker(estimator, X, speakers, groups=groups)
        rows = pd.DataFrame(self.task.columns(y, y_pred))
        return self.task.score(rows)[self.task.measure]

    def get_metadata_routing(self):
        """Request the speakers, by both names."""
        return request_for_scores(self)


def task_of(described):
    """Return the task of which a comparison holds the description."""
    if "targets" in described:
        return RatingTask(described["targets"])
    return EmotionTask(described["emotions"])


def check_task(estimators, y, n_rows):
    """Return the task of the estimators, and `y` as an array.

    Raises
    ------
    ValueError
        If some estimators are regressors and others are not, or `y` does not suit them.
    """
    rates = {name: is_regressor(model) for name, model in estimators.items()}
    if len(set(rates.values())) > 1:
        one = next(name for name in rates if rates[name])
        other = next(name for name in rates if not rates[name])
        raise ValueError(
            f"`estimators` has the regressor {one!r} and {other!r}, which is no "
            "regressor; compare regressors and classifiers in two calls."
        )
    if not any(rates.values()):
        y = check_labels(y, "y", n_rows)
        return EmotionTask(pd.unique(y)), y
    names = getattr(plain(y), "columns", [getattr(y, "name", None)])
    y = check_numbers(y, "y", n_rows)
    if len(names) != np.prod(y.shape[1:]) or None in names:
        names = ["rating"] if y.ndim == 1 else range(y.shape[1])
    targets = [str(name) for name in names]
    if len(set(targets)) < len(targets):
        raise ValueError(f"`y` has the columns {targets}; give each a name of its own.")
    for target, ratings in zip(targets, y.reshape(n_rows, -1).T):
        if np.isnan(ratings).all():
            raise ValueError(f"`y` has no rating of target {target!r}; leave it out.")
    return RatingTask(targets), y
