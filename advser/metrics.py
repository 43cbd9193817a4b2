"""Scores of the field: of every single speaker, which one average hides; of ratings.

What the field calls weighted accuracy is scikit-learn's ``accuracy_score``.
"""

from functools import partial

import audmetric
import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    make_scorer,
    mean_absolute_error,
    recall_score,
)

from ._validation import check_labels

__all__ = [
    "concordance_correlation",
    "rating_scorers",
    "speaker_gap",
    "speaker_uar",
    "unweighted_average_recall",
    "worst_speaker_uar",
]


def unweighted_average_recall(y_true, y_pred):
    """Return the mean recall over the emotions that occur in `y_true`.

    It is ``recall_score(y_true, y_pred, average="macro", zero_division=np.nan)``. The
    last makes the difference on the few rows of one speaker: an emotion that was only
    predicted has no recall, rather than one of 0.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,)
        Predicted emotions.

    Returns
    -------
    uar : float in [0, 1]

    See Also
    --------
    sklearn.metrics.balanced_accuracy_score : The same, with a warning of each such
        emotion.

    Examples
    --------
    >>> from advser.metrics import unweighted_average_recall
    >>> unweighted_average_recall(["anger", "anger"], ["anger", "sadness"])
    0.5
    """
    recall = recall_score(y_true, y_pred, average="macro", zero_division=np.nan)
    return float(recall)


def speaker_uar(y_true, y_pred, *, speakers):
    """Return the unweighted average recall of each speaker.

    The recall is averaged over the emotions that the speaker has in `y_true`; an
    emotion the speaker never shows is left out rather than counted as missed.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,)
        Predicted emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    uar : Series of float in [0, 1]
        Indexed by speaker, in sorted order.

    Raises
    ------
    ValueError
        If the three do not have one label for each row.

    See Also
    --------
    worst_speaker_uar : The smallest of these values.
    speaker_gap : The largest less the smallest.

    Examples
    --------
    >>> from advser.metrics import speaker_uar
    >>> y_true = ["anger", "anger", "sadness", "anger", "anger"]
    >>> y_pred = ["anger", "sadness", "sadness", "anger", "anger"]
    >>> speaker_uar(y_true, y_pred, speakers=["a", "a", "a", "b", "b"]).to_dict()
    {'a': 0.75, 'b': 1.0}
    """
    n_rows = len(y_true)
    columns = {
        "y_true": check_labels(y_true, "y_true", n_rows, rows_of="y_true"),
        "y_pred": check_labels(y_pred, "y_pred", n_rows, rows_of="y_true"),
        "speaker": check_labels(speakers, "speakers", n_rows, rows_of="y_true"),
    }
    if not n_rows:
        raise ValueError("`y_true` has no rows; pass at least one.")
    by_speaker = pd.DataFrame(columns).groupby("speaker")
    return pd.Series(
        {
            speaker: unweighted_average_recall(rows["y_true"], rows["y_pred"])
            for speaker, rows in by_speaker
        },
        name="uar",
    )


def worst_speaker_uar(y_true, y_pred, *, speakers):
    """Return the unweighted average recall of the speaker who is served worst.

    It is a score that scikit-learn can select models by, with metadata routing
    enabled: ``make_scorer(worst_speaker_uar).set_score_request(speakers=True)``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,)
        Predicted emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    uar : float in [0, 1]
        The smallest value of :func:`speaker_uar`.

    Raises
    ------
    ValueError
        If the three do not have one label for each row.

    Examples
    --------
    >>> from advser.metrics import worst_speaker_uar
    >>> y_true = ["anger", "anger", "sadness", "anger", "anger"]
    >>> y_pred = ["anger", "sadness", "sadness", "anger", "anger"]
    >>> worst_speaker_uar(y_true, y_pred, speakers=["a", "a", "a", "b", "b"])
    0.75
    """
    return float(speaker_uar(y_true, y_pred, speakers=speakers).min())


def speaker_gap(y_true, y_pred, *, speakers):
    """Return the difference in recall between the best and the worst served speaker.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,)
        Predicted emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    gap : float in [0, 1]
        The largest less the smallest value of :func:`speaker_uar`; 0 when every
        speaker is served alike.

    Raises
    ------
    ValueError
        If the three do not have one label for each row.

    Examples
    --------
    >>> from advser.metrics import speaker_gap
    >>> y_true = ["anger", "anger", "sadness", "anger", "anger"]
    >>> y_pred = ["anger", "sadness", "sadness", "anger", "anger"]
    >>> speaker_gap(y_true, y_pred, speakers=["a", "a", "a", "b", "b"])
    0.25
    """
    return float(np.ptp(speaker_uar(y_true, y_pred, speakers=speakers)))


def concordance_correlation(y_true, y_pred, *, multioutput="uniform_average"):
    r"""Return the concordance correlation coefficient (CCC) of ratings.

    .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
        {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2}

    It is :func:`!audmetric.concordance_cc` of each target, without the rows that lack
    its rating. Like a correlation it is 1 for perfect predictions, but a wrong mean or
    scale costs.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Ratings, NaN for a missing one.

    y_pred : array-like of the same shape
        Predicted ratings.

    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Whether to return the mean over the targets, or one coefficient for each.

    Returns
    -------
    coefficient : float or ndarray of shape (n_outputs,)
        In [-1, 1]; 0 for a constant prediction, NaN for a target with fewer than two
        ratings.

    Raises
    ------
    ValueError
        If the shapes differ, or `multioutput` is none of the two.

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
    y_true, y_pred = _check_ratings(y_true, y_pred)
    values = [_concordance(rated, p) for rated, p in zip(y_true.T, y_pred.T)]
    return _combine(values, multioutput)


def rating_scorers(targets=None):
    """Return scorers of ratings by name, for `scoring` of searches and comparisons.

    Parameters
    ----------
    targets : sequence of str or None, default=None
        Names of the targets, in the order of the columns of `y`: each gets scorers of
        its own as well.

    Returns
    -------
    scorers : dict of scorer
        ``"ccc"``, ``"pearson"`` and ``"neg_mae"``, each the mean over the targets; and
        ``"ccc_arousal"`` and so on for each target. Rows that lack a rating are left
        out of its score.

    Examples
    --------
    >>> from advser import AdversarialSERRegressor
    >>> from advser.datasets import load_emodb
    >>> from advser.metrics import rating_scorers
    >>> from sklearn.model_selection import GroupKFold, cross_validate
    >>> X, _, speakers = load_emodb(return_X_y_speakers=True)
    >>> scores = cross_validate(
    ...     AdversarialSERRegressor(None, max_epochs=5),
    ...     X[:, 1:],
    ...     X[:, 0],
    ...     groups=speakers,
    ...     cv=GroupKFold(3),
    ...     scoring=rating_scorers(),
    ... )
    >>> sorted(name for name in scores if name.startswith("test"))
    ['test_ccc', 'test_neg_mae', 'test_pearson']
    """
    scores = {"ccc": _concordance, "pearson": _pearson, "neg_mae": _negative_error}
    scorers = {
        name: make_scorer(partial(_score, score=score))
        for name, score in scores.items()
    }
    for column, target in enumerate(targets or ()):
        for name, score in scores.items():
            of_target = partial(_score, score=score, column=column)
            scorers[f"{name}_{target}"] = make_scorer(of_target)
    return scorers


def emotion_scores(y_true, y_pred):
    """Return `uar`, `weighted_accuracy` and `macro_f1` by name."""
    return {
        "uar": unweighted_average_recall(y_true, y_pred),
        "weighted_accuracy": accuracy_score(y_true, y_pred),
        "macro_f1": f1_score(
            y_true, y_pred, labels=pd.unique(y_true), average="macro", zero_division=0
        ),
    }


def rating_scores(y_true, y_pred, targets):
    """Return `ccc`, `pearson` and `mae` by name: of each target, and their means.

    A target without ratings has no score, and no part in the mean.
    """
    y_true, y_pred = _check_ratings(y_true, y_pred)
    scores = {"ccc": _concordance, "pearson": _pearson, "mae": _error}
    found = {}
    for name, score in scores.items():
        values = [score(rated, p) for rated, p in zip(y_true.T, y_pred.T)]
        found[name] = _mean(values)
        found |= {f"{name}_{target}": v for target, v in zip(targets, values)}
    return found


def _score(y_true, y_pred, *, score, column=None):
    """Return a score of one column, or its mean over all."""
    y_true, y_pred = _check_ratings(y_true, y_pred)
    values = [score(rated, p) for rated, p in zip(y_true.T, y_pred.T)]
    return _mean(values) if column is None else values[column]


def _mean(values):
    """Return the mean over the targets that have ratings; NaN if none has."""
    return float(pd.Series(values, dtype=float).mean())


def _check_ratings(y_true, y_pred):
    """Return both as arrays of shape (n_samples, n_outputs)."""
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"`y_true` has shape {y_true.shape} and `y_pred` has {y_pred.shape}; pass "
            "a prediction for each rating."
        )
    return y_true.reshape(len(y_true), -1), y_pred.reshape(len(y_true), -1)


def _combine(values, multioutput):
    if multioutput == "raw_values":
        return np.array(values)
    if multioutput == "uniform_average":
        return float(np.mean(values))
    raise ValueError(
        f"`multioutput` must be 'uniform_average' or 'raw_values'; got {multioutput!r}."
    )


def _concordance(rated, predicted):
    known = ~np.isnan(rated)
    if known.sum() < 2:
        return np.nan
    if np.ptp(rated[known]) == np.ptp(predicted[known]) == 0:
        return 0.0  # not audmetric's NaN, which no search could rank
    return audmetric.concordance_cc(rated[known], predicted[known])


def _pearson(rated, predicted):
    known = ~np.isnan(rated)
    if known.sum() < 2:
        return np.nan
    if np.ptp(rated[known]) == 0 or np.ptp(predicted[known]) == 0:
        return 0.0
    return audmetric.pearson_cc(rated[known], predicted[known])


def _error(rated, predicted):
    known = ~np.isnan(rated)
    if not known.any():
        return np.nan
    return mean_absolute_error(rated[known], predicted[known])


def _negative_error(rated, predicted):
    return -_error(rated, predicted)


def recalls_of(y_true, y_pred, emotions):
    """Return the recall of each emotion, by name; NaN where it does not occur."""
    recalls = recall_score(
        y_true, y_pred, labels=emotions, average=None, zero_division=np.nan
    )
    return {f"recall_{emotion}": recall for emotion, recall in zip(emotions, recalls)}
