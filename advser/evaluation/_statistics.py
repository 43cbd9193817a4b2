"""Is the difference real? Intervals and tests that take speakers for the sample.

Utterances of one speaker resemble each other: a method that fails on one of them fails
on others. The independent units of a corpus are its speakers, of which there are few,
and everything here draws or swaps whole speakers.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .._validation import check_labels, encode

__all__ = [
    "Difference",
    "ccc_difference",
    "ccc_interval",
    "holm",
    "uar_difference",
    "uar_interval",
]


@dataclass(frozen=True)
class Difference:
    """How far apart two methods are, and how surprising that would be by chance.

    Attributes
    ----------
    difference : float
        Unweighted average recall, or concordance, of the one less that of the other.

    low, high : float
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
    >>> from advser.evaluation import uar_interval
    >>> y_true = ["anger", "sadness"] * 6
    >>> y_pred = ["anger", "sadness"] * 5 + ["anger", "anger"]
    >>> speakers = [speaker for speaker in "abcdef" for _ in range(2)]
    >>> low, high = uar_interval(y_true, y_pred, speakers=speakers)
    >>> round(low, 2), round(high, 2)
    (0.67, 1.0)
    """
    sums = _recall_sums(y_true, y_pred, speakers)
    return _interval(sums, _recall, confidence_level, n_resamples, random_state)


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
    >>> from advser.evaluation import uar_difference
    >>> y_true = ["anger", "sadness"] * 6
    >>> always_anger = ["anger"] * 12
    >>> speakers = [speaker for speaker in "abcdef" for _ in range(2)]
    >>> found = uar_difference(y_true, y_true, always_anger, speakers=speakers)
    >>> round(found.difference, 2), found.p_value == 2 / 2**6
    (0.5, True)
    """
    sums = _recall_sums(y_true, y_pred, speakers)
    others = _recall_sums(y_true, y_pred_other, speakers, name="y_pred_other")
    return _difference(
        sums, others, _recall, confidence_level, n_resamples, random_state
    )


def ccc_interval(
    y_true,
    y_pred,
    *,
    speakers,
    confidence_level=0.95,
    n_resamples=9999,
    random_state=0,
):
    """Return a confidence interval of the concordance, by bootstrap over speakers.

    As :func:`uar_interval`, for ratings: speakers are drawn with replacement, each with
    all of her or his utterances, and the concordance correlation coefficient of the
    utterances drawn is computed anew.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Ratings, NaN for a missing one. The coefficient is the mean over the targets.

    y_pred : array-like of the same shape, or of one more axis, (..., n_seeds)
        Predicted ratings, for each seed. The coefficient is averaged over the seeds
        within each draw: the same speakers tested again are no new ones.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    confidence_level : float in (0, 1), default=0.95
        Probability that the interval covers the concordance on the speakers'
        population.

    n_resamples : int, default=9999
        Number of draws.

    random_state : int, default=0
        Seed of the draws.

    Returns
    -------
    low, high : float in [-1, 1]

    Raises
    ------
    ValueError
        If there are fewer than two speakers, no target has two ratings,
        `confidence_level` is not between 0 and 1, or an array has the wrong shape.

    See Also
    --------
    advser.metrics.concordance_correlation : The coefficient of all utterances.

    Notes
    -----
    In a draw that lacks ratings of a target, the mean is over the others.

    Examples
    --------
    >>> from advser.evaluation import ccc_interval
    >>> rated = [1, 2, 3] * 4
    >>> told = [1, 2, 3] * 3 + [2, 2, 2]
    >>> speakers = [speaker for speaker in "abcd" for _ in range(3)]
    >>> low, high = ccc_interval(rated, told, speakers=speakers)
    >>> round(low, 2), round(high, 2)
    (0.0, 1.0)
    """
    sums = _rating_sums(y_true, y_pred, speakers)
    return _interval(sums, _concordance, confidence_level, n_resamples, random_state)


def ccc_difference(
    y_true,
    y_pred,
    y_pred_other,
    *,
    speakers,
    confidence_level=0.95,
    n_resamples=9999,
    random_state=0,
):
    """Compare two methods that rate the same utterances, by permutation over speakers.

    As :func:`uar_difference`, for ratings: the two methods' predictions are exchanged,
    a whole speaker at a time, and the difference in the concordance correlation
    coefficient of all utterances is computed anew. It is no sum over the speakers, but
    follows from one: of their ratings, predictions, squares and products.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Ratings, NaN for a missing one. The coefficient is the mean over the targets.

    y_pred, y_pred_other : array-like of the same shape, or of one more, (..., n_seeds)
        Ratings predicted by both methods, for each seed. The numbers of seeds may
        differ: each method's coefficient is averaged over its own, and an exchange
        pairs them in turn.

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
        If there are fewer than two speakers, no target has two ratings,
        `confidence_level` is not between 0 and 1, or an array has the wrong shape.

    See Also
    --------
    holm : Corrects the p-values of several comparisons.

    Examples
    --------
    >>> from advser.evaluation import ccc_difference
    >>> rated = [1, 2, 3] * 6
    >>> always_two = [2] * 18
    >>> speakers = [speaker for speaker in "abcdef" for _ in range(3)]
    >>> found = ccc_difference(rated, rated, always_two, speakers=speakers)
    >>> found.difference, found.p_value == 2 / 2**6
    (1.0, True)
    """
    sums = _rating_sums(y_true, y_pred, speakers)
    others = _rating_sums(y_true, y_pred_other, speakers, name="y_pred_other")
    n_pairs = np.lcm(sums.shape[-1], others.shape[-1])
    sums, others = (
        np.tile(one, n_pairs // one.shape[-1]) for one in (sums, others)
    )  # (n_speakers, 6, n_targets, n_pairs)
    return _difference(
        sums, others, _concordance, confidence_level, n_resamples, random_state
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
    >>> from advser.evaluation import holm
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(p_values[order] * factors).clip(max=1)
    return adjusted


def _recall_sums(y_true, y_pred, speakers, name="y_pred"):
    """Return what the recall of some speakers is made of: (n_speakers, 2, n_emotions).

    It is the number of the utterances recognised, a mean over seeds, and of all.
    """
    n_rows = len(y_true)
    y_true = check_labels(y_true, "y_true", n_rows, rows_of="y_true")
    speaker, n_speakers = _speaker_codes(speakers, n_rows)
    predictions = np.asarray(y_pred)
    if predictions.ndim == 2 and predictions.shape[1]:
        columns = list(predictions.T)
    else:
        columns = [y_pred]
    columns = [check_labels(one, name, n_rows, rows_of="y_true") for one in columns]
    emotion, emotions = encode(y_true)
    sums = np.zeros((n_speakers, 2, len(emotions)))
    correct = np.mean([(one == y_true).astype(float) for one in columns], axis=0)
    np.add.at(sums, (speaker, 0, emotion), correct)
    np.add.at(sums, (speaker, 1, emotion), 1)
    return sums


def _recall(sums):
    """Return the unweighted average recall: (..., 2, n_emotions) to (...)."""
    hits, counts = sums[..., 0, :], sums[..., 1, :]
    recalls = hits / np.maximum(counts, 1)
    return recalls.sum(axis=-1) / (counts > 0).sum(axis=-1)


def _rating_sums(y_true, y_pred, speakers, name="y_pred"):
    """Return what the concordance of some speakers is made of.

    Of shape (n_speakers, 6, n_targets, n_seeds): the number of ratings, the sums of
    ratings and predictions, of their squares and of their products. Both are
    standardised as the ratings are, which leaves the concordance as it is.
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    if y_true.ndim not in (1, 2):
        raise ValueError(
            f"`y_true` has shape {y_true.shape}; it must be (n_samples,) or "
            "(n_samples, n_targets)."
        )
    seeds = y_pred[..., None] if y_pred.ndim == y_true.ndim else y_pred
    if seeds.shape[:-1] != y_true.shape or not seeds.shape[-1]:
        raise ValueError(
            f"`{name}` has shape {y_pred.shape} and `y_true` has {y_true.shape}; pass "
            "a prediction for each rating, and for each seed along a last axis."
        )
    speaker, n_speakers = _speaker_codes(speakers, len(y_true))
    y_true = y_true.reshape(len(y_true), -1, 1)
    y_pred = seeds.reshape(*y_true.shape[:2], -1)  # (n_samples, n_targets, n_seeds)
    known = ~np.isnan(y_true)
    if known.sum(axis=0).max() < 2:
        raise ValueError(
            "`y_true` has no target with two ratings; there is nothing to agree with."
        )
    n_ratings = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, y_true, 0).sum(axis=0) / n_ratings
    deviation = np.where(known, y_true - mean, 0)
    scale = np.sqrt((deviation**2).sum(axis=0) / n_ratings)
    scale[scale == 0] = 1
    rated = deviation / scale
    told = np.where(known, (y_pred - mean) / scale, 0)
    rated, known = np.broadcast_arrays(rated, known, told)[:2]
    parts = [known, rated, told, rated**2, told**2, rated * told]
    sums = np.zeros((n_speakers, 6, *told.shape[1:]))
    np.add.at(sums, speaker, np.stack(parts, axis=1))
    return sums


def _concordance(sums):
    """Return the mean concordance: (..., 6, n_targets, n_seeds) to (...)."""
    n, rated, told, rated_2, told_2, product = np.moveaxis(sums, -3, 0)
    known = n >= 2
    n = np.maximum(n, 1)
    mean_product = rated * told / n**2
    covariance = product / n - mean_product
    spread = (rated_2 + told_2) / n - 2 * mean_product
    some = spread > 1e-12  # in units of the variance of the ratings: not constant
    coefficient = 2 * covariance / np.where(some, spread, 1) * (some & known)
    n_known = known.sum(axis=(-2, -1))
    mean = coefficient.sum(axis=(-2, -1)) / np.maximum(n_known, 1)
    return np.where(n_known, mean, np.nan)


def _speaker_codes(speakers, n_rows):
    """Return a code for the speaker of each row, and the number of speakers."""
    speakers = check_labels(speakers, "speakers", n_rows, rows_of="y_true")
    codes, names = encode(speakers)
    if len(names) < 2:
        raise ValueError(
            f"`speakers` names {len(names)} speaker; below two nothing can be said of "
            "others."
        )
    return codes, len(names)


def _interval(sums, statistic, confidence_level, n_resamples, random_state):
    """Return the expanded percentiles of a statistic of speakers drawn anew.

    The statistic takes the sum over speakers of `sums`, (n_speakers, ...), for many
    draws at once: (n_resamples, ...) to (n_resamples,).
    """
    if not 0 < confidence_level < 1:
        raise ValueError(
            f"`confidence_level` is {confidence_level!r}; it must be between 0 and 1."
        )
    n_speakers = len(sums)
    draws = np.random.default_rng(random_state).multinomial(
        n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_resamples
    )
    found = statistic(np.tensordot(draws, sums, 1))
    tail = stats.t.ppf((1 - confidence_level) / 2, n_speakers - 1)
    tail = stats.norm.cdf(np.sqrt(n_speakers / (n_speakers - 1)) * tail)
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return float(low), float(high)


def _difference(sums, others, statistic, confidence_level, n_resamples, random_state):
    """Return the difference of a statistic between two methods, see `_interval`."""

    def lead(totals):
        """Return the difference, (..., 2, *shape) to (...), ties free of rounding."""
        one, other = np.moveaxis(totals, -sums.ndim, 0)
        return np.round(statistic(one) - statistic(other), 12)

    pairs = np.stack([sums, others], axis=1)  # (n_speakers, 2, ...)
    low, high = _interval(pairs, lead, confidence_level, n_resamples, random_state)

    def exchanged(own, other, axis):
        """Return the lead where 1 in `own` leaves a speaker with the own method."""
        return lead(
            np.tensordot(own, pairs, 1) + np.tensordot(other, pairs[:, ::-1], 1)
        )

    n_speakers = len(sums)
    test = stats.permutation_test(
        (np.ones(n_speakers), np.zeros(n_speakers)),
        exchanged,
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_resamples,
        random_state=np.random.default_rng(random_state),
    )
    is_exact = 2**n_speakers <= n_resamples
    return Difference(
        difference=float(test.statistic),
        low=low,
        high=high,
        p_value=float(test.pvalue),
        smallest_p_value=2 / (2**n_speakers if is_exact else n_resamples + 1),
        n_speakers=n_speakers,
    )
