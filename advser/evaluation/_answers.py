"""What estimators answer, and how answers are judged: emotions, or ratings.

A comparison asks both in the same way; see `advser._engine._outputs` for what a network makes of
either.
"""

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.metrics import make_scorer

from .._validation import check_labels
from ..metrics import (
    emotion_scores,
    rating_scorers,
    rating_scores,
    recalls_of,
    unweighted_average_recall,
)
from ._statistics import ccc_difference, ccc_interval, uar_difference, uar_interval

__all__ = ["EmotionAnswers", "RatingAnswers", "answers_of", "check_answers"]


class EmotionAnswers:
    """One of several emotions, judged by the unweighted average recall.

    Parameters
    ----------
    emotions : sequence
    """

    measure, measure_name = "uar", "unweighted average recall"
    effect, unit = "points", 100  # the column of a difference, and what 1 is there
    interval = staticmethod(uar_interval)
    difference = staticmethod(uar_difference)

    def __init__(self, emotions):
        self.emotions = sorted(emotions, key=str)

    @property
    def scores(self):
        """The names of the scores."""
        return ["uar", "weighted_accuracy", "macro_f1"]

    def described(self):
        """Return what is answered, ready for JSON."""
        return {"emotions": [str(emotion) for emotion in self.emotions]}

    def rows(self, y_true, y_pred):
        """Return the columns of the predictions."""
        return {"y_true": y_true, "y_pred": y_pred}

    def labels(self):
        """Return the values that may occur in a column, which a file knows as texts."""
        return {"y_true": self.emotions, "y_pred": self.emotions}

    def of(self, rows):
        """Return true and predicted emotions of rows of predictions: twice (n,)."""
        return rows["y_true"].to_numpy(), rows["y_pred"].to_numpy()

    def score(self, rows):
        """Return the scores of all rows together, by name."""
        return emotion_scores(*self.of(rows))

    def score_fold(self, rows):
        """Return the scores of a fold, with those of each emotion."""
        return self.score(rows) | recalls_of(*self.of(rows), self.emotions)

    def score_groups(self, rows, keys):
        """Return the measure of each group of rows that have the same keys."""
        is_hit = rows["y_true"] == rows["y_pred"]
        recall = is_hit.groupby([rows[name] for name in [*keys, "y_true"]]).mean()
        return recall.groupby(level=keys).mean()

    def scorer(self):
        """Return a scorer of the measure."""
        return make_scorer(unweighted_average_recall)

    def strata(self, y):
        """Return by what utterances are dealt evenly: (n,)."""
        return y


class RatingAnswers:
    """Ratings on one scale or several, judged by the concordance correlation.

    Parameters
    ----------
    targets : sequence of str
        Names of the scales.
    """

    measure, measure_name = "ccc", "concordance correlation"
    effect, unit = "difference", 1
    interval = staticmethod(ccc_interval)
    difference = staticmethod(ccc_difference)

    def __init__(self, targets):
        self.targets = list(targets)

    @property
    def scores(self):
        """The names of the scores: means over the targets, and those of each."""
        several = self.targets if len(self.targets) > 1 else []
        names = ["ccc", "pearson", "mae"]
        return names + [f"{name}_{target}" for target in several for name in names]

    @property
    def columns(self):
        """The columns of the predictions."""
        kinds = ("y_true", "y_pred")
        return [f"{kind}_{target}" for target in self.targets for kind in kinds]

    def described(self):
        """Return what is answered, ready for JSON."""
        return {"targets": self.targets}

    def rows(self, y_true, y_pred):
        """Return the columns of the predictions, two for each target."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        y_true = y_true.reshape(len(y_true), -1)
        shape = y_pred.shape
        y_pred = y_pred.reshape(len(y_pred), -1)
        if y_pred.shape != y_true.shape:
            raise ValueError(
                f"`predict` returned shape {shape} for {len(y_true)} utterances with "
                f"{y_true.shape[1]} targets."
            )
        pairs = np.stack([y_true, y_pred], axis=-1).reshape(len(y_true), -1)
        return dict(zip(self.columns, pairs.T))

    def labels(self):
        """Return nothing: ratings are written as numbers."""
        return {}

    def of(self, rows):
        """Return ratings and predictions of rows: twice (n, n_targets)."""
        pairs = rows[self.columns].to_numpy(float)
        return pairs[:, ::2], pairs[:, 1::2]

    def score(self, rows):
        """Return the scores of all rows together, by name."""
        found = rating_scores(*self.of(rows), self.targets)
        return {name: found[name] for name in self.scores}

    def score_fold(self, rows):
        """Return the scores of a fold."""
        return self.score(rows)

    def score_groups(self, rows, keys):
        """Return the measure of each group of rows that have the same keys."""
        found = {key: self.score(group)["ccc"] for key, group in rows.groupby(keys)}
        index = pd.MultiIndex.from_tuples(found, names=keys)
        return pd.Series([*found.values()], index=index, dtype=float)

    def scorer(self):
        """Return a scorer of the measure."""
        return rating_scorers()["ccc"]

    def strata(self, y):
        """Return None: utterances are dealt by chance."""


def answers_of(described):
    """Return the answers that a comparison has written of."""
    if "targets" in described:
        return RatingAnswers(described["targets"])
    return EmotionAnswers(described["emotions"])


def check_answers(estimators, y, n_rows):
    """Return what the estimators are to answer, and `y` as an array.

    Raises
    ------
    ValueError
        If some estimators are regressors and others are not, or `y` does not fit them.
    """
    rates = {name: is_regressor(model) for name, model in estimators.items()}
    if len(set(rates.values())) > 1:
        one = next(name for name in rates if rates[name])
        other = next(name for name in rates if not rates[name])
        raise ValueError(
            f"`estimators` has the regressor {one!r} and {other!r}, which is none; "
            "compare those that rate, and those that name emotions, in two calls."
        )
    if not any(rates.values()):
        y = check_labels(y, "y", n_rows)
        return EmotionAnswers(pd.unique(y)), y
    names = getattr(y, "columns", [getattr(y, "name", None)])
    try:
        y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`y` must hold ratings for regressors: {error}") from error
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(
            f"`y` has shape {y.shape}; it must be (n_samples,) or (n_samples, "
            "n_targets)."
        )
    if len(y) != n_rows:
        raise ValueError(f"`y` has {len(y)} entries and `X` has {n_rows} rows.")
    if np.isinf(y).any():
        raise ValueError("`y` holds infinite ratings; NaN stands for a missing one.")
    if len(names) != np.prod(y.shape[1:]) or None in names:
        names = ["rating"] if y.ndim == 1 else range(y.shape[1])
    targets = [str(name) for name in names]
    if len(set(targets)) < len(targets):
        raise ValueError(f"`y` has the columns {targets}; give each a name of its own.")
    for target, ratings in zip(targets, y.reshape(n_rows, -1).T):
        if np.isnan(ratings).all():
            raise ValueError(f"`y` has no rating of target {target!r}; leave it out.")
    return RatingAnswers(targets), y
