"""Metrics of emotion recognition, also per speaker, and metrics of ratings.

The weighted accuracy of the literature is scikit-learn's ``accuracy_score``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import audmetric
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import make_scorer, mean_absolute_error, recall_score

from ._validation._arrays import (
    LARGEST,
    check_alike,
    check_columns_alike,
    check_labels,
    check_numbers,
    check_predicted,
    columns_of,
    count_rows,
    plain,
)
from ._validation._parameters import StrOptions, check_names, check_parameter

__all__ = [
    "concordance_correlation",
    "rating_scorers",
    "speaker_gap",
    "speaker_uar",
    "unweighted_average_recall",
    "worst_speaker_uar",
]
LIMITS: dict = {"rows_of": "rows of `y_true`", "largest": LARGEST}  # of ratings


def unweighted_average_recall(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Return the mean recall over the emotions that occur in `y_true`.

    It is ``recall_score(y_true, y_pred, average="macro", zero_division=np.nan)``. An
    emotion that only occurs in `y_pred` is left out of the mean; scikit-learn's default
    counts its recall as 0. This matters if a speaker has few utterances.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted emotions.

    Returns
    -------
    uar : float in [0, 1]

    See Also
    --------
    sklearn.metrics.balanced_accuracy_score : The same value, with a warning if an
        emotion only occurs in `y_pred`.

    Examples
    --------
    >>> from advser.metrics import unweighted_average_recall
    >>> unweighted_average_recall(["anger", "anger"], ["anger", "sadness"])
    0.5
    """
    y_true, y_pred = check_emotions(y_true, y_pred)
    recall = recall_score(y_true, y_pred, average="macro", zero_division=np.nan)
    return float(recall)


def speaker_uar(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, speakers: npt.ArrayLike
) -> pd.Series:
    """Return the unweighted average recall of each speaker.

    The recall is averaged over the emotions that the speaker has in `y_true`; other
    emotions are left out of the mean.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    uar : Series of float in [0, 1]
        Indexed by speaker, in sorted order.

    Raises
    ------
    ValueError
        If the three differ in length, are empty, or a label is missing.

    See Also
    --------
    worst_speaker_uar : The minimum of these values.
    speaker_gap : Their maximum minus their minimum.

    Examples
    --------
    >>> from advser.metrics import speaker_uar
    >>> y_true = ["anger", "anger", "sadness", "anger", "anger"]
    >>> y_pred = ["anger", "sadness", "sadness", "anger", "anger"]
    >>> speaker_uar(y_true, y_pred, speakers=["a", "a", "a", "b", "b"]).to_dict()
    {'a': 0.75, 'b': 1.0}
    """
    y_true, y_pred = check_emotions(y_true, y_pred)
    speakers = check_labels(speakers, "speakers", len(y_true), rows_of="y_true")
    rows_of = pd.Series(range(len(y_true))).groupby(speakers).indices
    uar = {
        speaker: unweighted_average_recall(y_true[rows], y_pred[rows])
        for speaker, rows in rows_of.items()
    }
    return pd.Series(uar, name="uar")


def worst_speaker_uar(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, speakers: npt.ArrayLike
) -> float:
    """Return the lowest unweighted average recall of a speaker.

    To select models by it with scikit-learn, enable metadata routing and use
    ``make_scorer(worst_speaker_uar).set_score_request(speakers=True)``. Pass the
    speakers by both names, ``params={"groups": speakers, "speakers": speakers}`` in
    `cross_validate`: the splitter takes the first, and the scorer the second.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    uar : float in [0, 1]
        The minimum of :func:`speaker_uar`.

    Examples
    --------
    >>> from advser.metrics import worst_speaker_uar
    >>> y_true, y_pred = ["anger", "anger"], ["anger", "sadness"]
    >>> worst_speaker_uar(y_true, y_pred, speakers=["a", "b"])
    0.0
    """
    return float(speaker_uar(y_true, y_pred, speakers=speakers).min())


def speaker_gap(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, speakers: npt.ArrayLike
) -> float:
    """Return the difference between the highest and the lowest recall of a speaker.

    Parameters
    ----------
    y_true, y_pred, speakers : array-like of shape (n_samples,)
        As in :func:`speaker_uar`.

    Returns
    -------
    gap : float in [0, 1]
        The maximum minus the minimum of :func:`speaker_uar`.

    Examples
    --------
    >>> from advser.metrics import speaker_gap
    >>> y_true = ["anger", "sadness", "anger", "anger"]
    >>> y_pred = ["anger", "anger", "anger", "anger"]
    >>> speaker_gap(y_true, y_pred, speakers=["a", "a", "b", "b"])
    0.5
    """
    return float(np.ptp(speaker_uar(y_true, y_pred, speakers=speakers)))


def concordance_correlation(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    multioutput: Literal["uniform_average", "raw_values"] = "uniform_average",
) -> float | np.ndarray:
    r"""Return the concordance correlation coefficient (CCC) of ratings.

    .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
        {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2}

    It is :func:`!audmetric.concordance_cc` of each target, without the rows that lack
    its rating. It is 1 for perfect predictions. Unlike a correlation, it is lower if
    the mean or the variance of the predictions is wrong.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Ratings, NaN for a missing one.

    y_pred : array-like of the same shape
        Predicted ratings.

    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Whether to return the mean over the targets or one coefficient for each.

    Returns
    -------
    coefficient : float or ndarray of shape (n_outputs,)
        In [-1, 1]; 0 for a constant prediction, NaN for a target with fewer than two
        ratings.

    Raises
    ------
    ValueError
        If the shapes differ, or `multioutput` is another value.

    References
    ----------
    L. I.-K. Lin, "A concordance correlation coefficient to evaluate reproducibility",
    Biometrics 45, 1989.

    Examples
    --------
    >>> from advser.metrics import concordance_correlation
    >>> round(concordance_correlation([1, 2, 3], [1.5, 2, 2.5]), 3)
    0.8
    """
    options = StrOptions({"raw_values", "uniform_average"})
    check_parameter(multioutput, "multioutput", options)
    values = np.array(_score_targets(_concordance, y_true, y_pred))
    return values if multioutput == "raw_values" else float(values.mean())


def rating_scorers(targets: Sequence[str] | None = None) -> dict[str, Callable]:
    """Return scorers of ratings by name, for `scoring` in searches and comparisons.

    Parameters
    ----------
    targets : sequence of str or None, default=None
        Names of the targets, in the order of the columns of `y`. If given, there are
        also scorers of each target.

    Returns
    -------
    scorers : dict of scorer
        ``"ccc"``, ``"pearson"`` and ``"neg_mae"``, each the mean over the targets, and
        for example ``"ccc_arousal"`` for a target. A score leaves out the rows that
        lack its rating.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, cross_validate
    >>> from advser import AdversarialSERRegressor, metrics
    >>> from advser.datasets import load_emodb
    >>> X, _, speakers = load_emodb(return_X_y_speakers=True)
    >>> scores = cross_validate(
    ...     AdversarialSERRegressor(None, max_epochs=5),
    ...     X[:, 1:],
    ...     X[:, 0],
    ...     groups=speakers,
    ...     cv=GroupKFold(3),
    ...     scoring=metrics.rating_scorers(),
    ... )
    >>> sorted(name for name in scores if name.startswith("test"))
    ['test_ccc', 'test_neg_mae', 'test_pearson']
    """
    targets = check_names(() if targets is None else targets, "targets")
    if len(set(targets)) < len(targets):
        raise ValueError(f"`targets` is {targets}; each must have a name of its own.")
    columns = {"": None} | {f"_{t}": column for column, t in enumerate(targets)}
    return {
        f"{'neg_' * (name == 'mae')}{name}{target}": make_scorer(
            partial(_score, name=name, targets=targets, column=column),
            greater_is_better=name != "mae",
        )
        for target, column in columns.items()
        for name in _SCORES
    }


def rating_scores(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, targets: Sequence[str]
) -> dict[str, float]:
    """Return `ccc`, `pearson` and `mae` by name: of each target, and their means.

    A target without ratings has the score NaN and is left out of the mean.
    """
    found = {}
    for name, score in _SCORES.items():
        values = _score_targets(score, y_true, y_pred)
        found[name] = _mean(values)
        found |= {f"{name}_{target}": v for target, v in zip(targets, values)}
    return found


def check_emotions(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str = "y_pred"
) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted emotions as arrays of labels."""
    n_rows = count_rows(y_true, "y_true")
    if not n_rows:
        raise ValueError("`y_true` has no rows; pass at least one.")
    y_true = check_labels(y_true, "y_true", n_rows, rows_of="y_true")
    y_pred = check_labels(y_pred, name, n_rows, rows_of="y_true")
    check_alike(y_pred, name, y_true, "y_true")
    return y_true, y_pred


def check_ratings(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str = "y_pred"
) -> tuple[np.ndarray, Any]:
    """Return true ratings as numbers, and predictions that have the same columns."""
    y_true, y_pred = plain(y_true), plain(y_pred)
    check_columns_alike(columns_of(y_true), "y_true", columns_of(y_pred), name)
    n_rows = count_rows(y_true, "y_true")
    return check_numbers(y_true, "y_true", n_rows, **LIMITS), y_pred


def rated_columns(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return true and predicted ratings of each target, without its unrated rows."""
    y_true, y_pred = check_ratings(y_true, y_pred)
    n_rows = len(y_true)
    y_pred = check_predicted(y_pred, "y_pred", count_rows(y_pred, "y_pred"), **LIMITS)
    if len(y_true) != len(y_pred) or y_true.size != y_pred.size:
        raise ValueError(
            f"`y_true` has shape {y_true.shape} and `y_pred` has {y_pred.shape}; pass "
            "a prediction for each rating."
        )
    if not n_rows:
        raise ValueError("`y_true` has no rows; pass at least one.")
    columns = y_true.reshape(n_rows, -1).T, y_pred.reshape(n_rows, -1).T
    known = ~np.isnan(columns[0])
    return [(t[rated], p[rated]) for t, p, rated in zip(*columns, known)]


def _score_targets(score, y_true, y_pred):
    """Return the score of each target, without the rows that lack its rating."""
    return [score(*ratings) for ratings in rated_columns(y_true, y_pred)]


def _score(y_true, y_pred, *, name, targets=(), column=None):
    """Return a score of one target, or its mean over all targets."""
    columns = columns_of(y_true)
    if columns[: len(targets)] != list(targets):  # but perhaps in another order
        check_columns_alike(columns, "y", list(targets), "targets")
    values = _score_targets(_SCORES[name], y_true, y_pred)
    if column is not None and column >= len(values):
        raise ValueError(
            f"`targets` names {column + 1} targets or more, and `y` has {len(values)}; "
            "name its columns."
        )
    return _mean(values) if column is None else values[column]


def _mean(values):
    """Return the mean over the targets that have ratings; NaN if none has."""
    return float(pd.Series(values, dtype=float).mean())


def _concordance(y_true, y_pred):
    if len(y_true) > 1 and np.ptp(y_true) == np.ptp(y_pred) == 0:
        return 0.0  # audmetric returns NaN, which a search cannot rank
    return audmetric.concordance_cc(*_rescaled(y_true, y_pred))


def _pearson(y_true, y_pred):
    if len(y_true) > 1 and 0 in (np.ptp(y_true), np.ptp(y_pred)):
        return 0.0
    return audmetric.pearson_cc(*_rescaled(y_true, y_pred))


def _rescaled(*ratings):
    """Return ratings in other units, in which their squares are neither 0 nor large."""
    if not len(ratings[0]):
        return ratings
    center = ratings[0].mean()
    largest = max(abs(values - center).max() for values in ratings)
    return [(values - center) / (largest or 1) for values in ratings]


def _error(y_true, y_pred):
    return mean_absolute_error(y_true, y_pred) if len(y_true) else np.nan


_SCORES = {"ccc": _concordance, "pearson": _pearson, "mae": _error}
