"""Is the difference real? Intervals and tests that take speakers for the sample.

Utterances of one speaker resemble each other: a method that fails on one of them fails
on others. The independent units of a corpus are its speakers, of which there are few,
and everything here draws or swaps whole speakers.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ._validation import check_labels, encode

__all__ = ["Difference", "holm", "uar_difference", "uar_interval"]


@dataclass(frozen=True)
class Difference:
    """How far apart two methods are, and how surprising that would be by chance.

    Attributes
    ----------
    difference : float in [-1, 1]
        Unweighted average recall of the one less that of the other.

    low, high : float in [-1, 1]
        Confidence interval of `difference`, by bootstrap over speakers.

    p_value : float in (0, 1]
        Two-sided, of the permutation test over speakers, for this comparison alone.

    smallest_p_value : float in (0, 1]
        What `p_value` is when one method is better with every speaker: no result can
        be more significant with so few speakers.

    n_speakers : int
        Number of speakers.
    """

    difference: float
    low: float
    high: float
    p_value: float
    smallest_p_value: float
    n_speakers: int


def uar_interval(
    y_true,
    y_pred,
    *,
    speakers,
    confidence_level=0.95,
    n_resamples=9999,
    random_state=0,
):
    """Return a confidence interval of the recall, by bootstrap over speakers.

    Speakers are drawn with replacement, each with all of her or his utterances, and the
    unweighted average recall of the utterances drawn is computed anew. The bounds are
    percentiles of these recalls, moved outwards as far as Student's t with
    ``n_speakers - 1`` degrees of freedom lies outside the normal distribution: the
    plain percentiles are too narrow for few speakers [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,) or (n_samples, n_seeds)
        Predicted emotions, in a column for each seed. The recall is averaged over the
        seeds before anything is drawn: the same speakers tested again are no new ones.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    confidence_level : float in (0, 1), default=0.95
        Probability that the interval covers the recall on the speakers' population.

    n_resamples : int, default=9999
        Number of draws.

    random_state : int, default=0
        Seed of the draws.

    Returns
    -------
    low, high : float in [0, 1]

    Raises
    ------
    ValueError
        If there are fewer than two speakers, `confidence_level` is not between 0 and
        1, or an array has the wrong shape.

    Notes
    -----
    In a draw that lacks an emotion, the recall is averaged over the others.

    References
    ----------
    .. [1] Hesterberg, "What Teachers Should Know About the Bootstrap", The American
       Statistician 69(4), 2015, arXiv:1411.5279 (the "expanded percentile" interval).

    Examples
    --------
    >>> from advser.statistics import uar_interval
    >>> y_true = ["anger", "sadness"] * 6
    >>> y_pred = ["anger", "sadness"] * 5 + ["anger", "anger"]
    >>> speakers = [speaker for speaker in "abcdef" for _ in range(2)]
    >>> low, high = uar_interval(y_true, y_pred, speakers=speakers)
    >>> round(low, 2), round(high, 2)
    (0.67, 1.0)
    """
    hits, counts = _recall_parts(y_true, y_pred, speakers)
    return _interval(hits, counts, confidence_level, n_resamples, random_state)


def uar_difference(
    y_true,
    y_pred,
    y_pred_other,
    *,
    speakers,
    confidence_level=0.95,
    n_resamples=9999,
    random_state=0,
):
    r"""Compare two methods on the same utterances, by permutation over speakers.

    If both were equally good, it would not matter which of them had answered to a
    speaker. The test exchanges the two methods' predictions, a whole speaker at a time,
    and computes the difference in unweighted average recall of all utterances anew
    [1]_. The p-value is the share of exchanges, of all :math:`2^n` for few speakers or
    of a sample of them, that leave a difference at least as large as the observed one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred, y_pred_other : array-like of shape (n_samples,) or (n_samples, n_seeds)
        Emotions predicted by both methods, in a column for each seed. The numbers of
        seeds may differ: each method's recall is averaged over its own.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    confidence_level : float in (0, 1), default=0.95
        Probability that the interval covers the difference on the speakers' population.

    n_resamples : int, default=9999
        Number of draws of the bootstrap, and of exchanges. If all exchanges are no
        more than these, each is made once and the test is exact.

    random_state : int, default=0
        Seed of the draws and exchanges.

    Returns
    -------
    difference : Difference

    Raises
    ------
    ValueError
        If there are fewer than two speakers, `confidence_level` is not between 0 and
        1, or an array has the wrong shape.

    See Also
    --------
    holm : Corrects the p-values of several comparisons.

    Notes
    -----
    With :math:`h_{ic}` of the :math:`N_c` utterances of emotion :math:`c` recognised
    with speaker :math:`i`, and :math:`C` emotions, the difference is a sum over the
    speakers,

    .. math:: d = \sum_i g_i, \quad
       g_i = \frac{1}{C} \sum_c \frac{h_{ic} - h'_{ic}}{N_c},

    because :math:`N_c` does not depend on the method. An exchange of the predictions
    to speaker :math:`i` turns the sign of :math:`g_i`, and so the test is one of random
    signs. A sampled p-value counts the observed signs among the sampled ones, so that
    it cannot be 0 [2]_.

    The interval is that of :func:`uar_interval`, with the same speakers drawn for both
    methods. It and the test ask different questions of few speakers, and need not
    agree on a difference that is close to significance.

    References
    ----------
    .. [1] Yeh, "More accurate tests for the statistical significance of result
       differences", COLING 2000, arXiv:cs/0008005.
    .. [2] Phipson, Smyth, "Permutation P-values Should Never Be Zero", Statistical
       Applications in Genetics and Molecular Biology 9(1), 2010, arXiv:1603.05766.

    Examples
    --------
    >>> from advser.statistics import uar_difference
    >>> y_true = ["anger", "sadness"] * 6
    >>> always_anger = ["anger"] * 12
    >>> speakers = [speaker for speaker in "abcdef" for _ in range(2)]
    >>> found = uar_difference(y_true, y_true, always_anger, speakers=speakers)
    >>> round(found.difference, 2), found.p_value == 2 / 2**6
    (0.5, True)
    """
    hits, counts = _recall_parts(y_true, y_pred, speakers)
    others, _ = _recall_parts(y_true, y_pred_other, speakers, name="y_pred_other")
    lead = hits - others
    low, high = _interval(lead, counts, confidence_level, n_resamples, random_state)
    by_speaker = (lead / counts.sum(axis=0)).mean(axis=1)
    n_speakers = len(by_speaker)
    test = stats.permutation_test(
        (by_speaker,),
        lambda signed, axis: signed.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_resamples,
        random_state=np.random.default_rng(random_state),
    )
    is_exact = 2**n_speakers <= n_resamples
    return Difference(
        difference=float(by_speaker.sum()),
        low=low,
        high=high,
        p_value=float(test.pvalue),
        smallest_p_value=2 / (2**n_speakers if is_exact else n_resamples + 1),
        n_speakers=n_speakers,
    )


def holm(p_values):
    """Correct p-values for the number of comparisons they come from.

    The smallest of `m` is multiplied by `m`, the next by `m - 1`, and so on; none gets
    smaller than the one before. Calling those below 0.05 differences is then wrong, in
    a single one or in several, at most once in 20 such families of comparisons,
    however they depend on each other [1]_.

    Parameters
    ----------
    p_values : array-like of shape (n_comparisons,)
        P-values of all comparisons that were made, and not of those alone that look
        promising.

    Returns
    -------
    adjusted : ndarray of shape (n_comparisons,)

    References
    ----------
    .. [1] Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
       Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> from advser.statistics import holm
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(p_values[order] * factors).clip(max=1)
    return adjusted


def _recall_parts(y_true, y_pred, speakers, name="y_pred"):
    """Return the utterances recognised, a mean over seeds, and all there are.

    Both by speaker and emotion, as arrays of shape (n_speakers, n_emotions).
    """
    n_rows = len(y_true)
    y_true = check_labels(y_true, "y_true", n_rows, rows_of="y_true")
    speakers = check_labels(speakers, "speakers", n_rows, rows_of="y_true")
    predictions = np.asarray(y_pred)
    if predictions.ndim == 2 and predictions.shape[1]:
        columns = list(predictions.T)
    else:
        columns = [y_pred]
    columns = [check_labels(one, name, n_rows, rows_of="y_true") for one in columns]
    speaker, names = encode(speakers)
    emotion, emotions = encode(y_true)
    if len(names) < 2:
        raise ValueError(
            f"`speakers` names {len(names)} speaker; below two nothing can be said of "
            "others."
        )
    counts = np.zeros((len(names), len(emotions)))
    hits = np.zeros_like(counts)
    np.add.at(counts, (speaker, emotion), 1)
    correct = np.mean([(one == y_true).astype(float) for one in columns], axis=0)
    np.add.at(hits, (speaker, emotion), correct)
    return hits, counts


def _interval(hits, counts, confidence_level, n_resamples, random_state):
    """Return the expanded percentiles of the mean recall of speakers drawn anew."""
    if not 0 < confidence_level < 1:
        raise ValueError(
            f"`confidence_level` is {confidence_level!r}; it must be between 0 and 1."
        )
    n_speakers = len(hits)
    draws = np.random.default_rng(random_state).multinomial(
        n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_resamples
    )
    drawn = draws @ counts  # (n_resamples, n_emotions)
    recalls = draws @ hits / np.maximum(drawn, 1)
    uar = recalls.sum(axis=1) / (drawn > 0).sum(axis=1)
    tail = stats.t.ppf((1 - confidence_level) / 2, n_speakers - 1)
    tail = stats.norm.cdf(np.sqrt(n_speakers / (n_speakers - 1)) * tail)
    low, high = np.quantile(uar, [tail, 1 - tail])
    return float(low), float(high)
