"""How well every single speaker is served: what one average over rows cannot show.

What the field calls weighted accuracy is scikit-learn's ``accuracy_score``.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score

from ._validation import check_labels

__all__ = [
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
