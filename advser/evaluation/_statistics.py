"""Confidence intervals and significance tests with speakers as the independent units.

Utterances of one speaker are similar: a method that fails on one of them fails on
others. The independent units of a corpus are its speakers, of which there are few.
Therefore all functions here resample or exchange whole speakers.
"""

import numpy as np
import numpy.typing as npt

from .._validation._arrays import check_numbers, count_rows
from ._resampling import (
    OF_CONCORDANCE,
    OF_RECALL,
    Difference,
    bootstrap_interval,
    concordance,
    permutation_difference,
    rating_sums,
    recall,
    recall_sums,
)


def uar_interval(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    speakers: npt.ArrayLike,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return a confidence interval of the recall, by bootstrap over speakers.

    The function draws speakers with replacement, each with all of their utterances, and
    computes the unweighted average recall of the utterances drawn. The bounds are
    percentiles of these recalls. They are further out than those of `confidence_level`,
    as quantiles of Student's t with ``n_speakers - 1`` degrees of freedom are further
    out than those of the normal distribution: the plain percentiles are too narrow for
    few speakers [1]_.

    No draw of :math:`n` speakers lies beyond all of them, so that percentiles cover a
    score with a probability of :math:`1 - 2^{1-n}` at most. Where this is less than the
    confidence level, as for five speakers and 95 %, the bounds are at least as far from
    the recall as Student's t times the standard error of the draws.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True emotions.

    y_pred : array-like of shape (n_samples,) or (n_samples, n_seeds)
        Predicted emotions, in a column for each seed. The recall is averaged over the
        seeds before the draws: the same speakers tested again are not new speakers.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    confidence_level : float in (0, 1), default=0.95
        Probability that the interval covers the score on the speakers' population.

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
    .. [1] T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The
       American Statistician 69(4), 2015, arXiv 1411.5279 (the "expanded percentile"
       interval).

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
    sums = recall_sums(y_true, y_pred, speakers)
    return bootstrap_interval(
        sums, recall, OF_RECALL, confidence_level, n_resamples, random_state
    )


def uar_difference(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    y_pred_other: npt.ArrayLike,
    *,
    speakers: npt.ArrayLike,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: int = 0,
) -> Difference:
    r"""Compare two methods on the same utterances, by permutation over speakers.

    If both methods were equally good, you could exchange their predictions for any
    speaker. The test exchanges the predictions of whole speakers, and computes the
    difference in unweighted average recall of all utterances each time [1]_. The
    p-value is the share of exchanges whose difference is at least as large as the
    observed one, among all :math:`2^n` for few speakers, otherwise among a sample.

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
        Number of draws of the bootstrap, and of exchanges. If there are no more
        exchanges than that, the test is exact: it makes each once.

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
    for speaker :math:`i`, and :math:`C` emotions, the difference is a sum over the
    speakers,

    .. math:: d = \sum_i g_i, \quad
       g_i = \frac{1}{C} \sum_c \frac{h_{ic} - h'_{ic}}{N_c},

    because :math:`N_c` does not depend on the method. An exchange of the predictions
    for speaker :math:`i` changes the sign of :math:`g_i`, so this is a test of random
    signs. A sampled p-value counts the observed signs among the sampled ones, so that
    it cannot be 0 [2]_.

    The interval is that of :func:`uar_interval`, with the same speakers drawn for both
    methods. With few speakers, the interval and the test may disagree on a difference
    that is close to significance.

    References
    ----------
    .. [1] A. Yeh, "More accurate tests for the statistical significance of result
       differences", COLING 2000, arXiv cs/0008005.
    .. [2] B. Phipson, G. K. Smyth, "Permutation P-values Should Never Be Zero",
       Statistical Applications in Genetics and Molecular Biology 9(1), 2010, arXiv
       1603.05766.

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
    sums = recall_sums(y_true, y_pred, speakers)
    others = recall_sums(y_true, y_pred_other, speakers, name="y_pred_other")
    return permutation_difference(
        sums, others, recall, OF_RECALL, confidence_level, n_resamples, random_state
    )


def ccc_interval(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    speakers: npt.ArrayLike,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return a confidence interval of the concordance, by bootstrap over speakers.

    As :func:`uar_interval`, for ratings and their concordance correlation coefficient.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Ratings, NaN for a missing one. The coefficient is the mean over the targets.

    y_pred : array-like of the same shape, or of one more axis, (..., n_seeds)
        Predicted ratings, for each seed. The coefficient is averaged over the seeds
        within each draw: the same speakers tested again are not new speakers.

    speakers, confidence_level, n_resamples, random_state : as in :func:`uar_interval`

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
    >>> predicted = [1, 2, 3] * 3 + [2, 2, 2]
    >>> speakers = [speaker for speaker in "abcd" for _ in range(3)]
    >>> low, high = ccc_interval(rated, predicted, speakers=speakers)
    >>> round(low, 2), round(high, 2)
    (0.0, 1.0)
    """
    sums = rating_sums(y_true, y_pred, speakers)
    return bootstrap_interval(
        sums, concordance, OF_CONCORDANCE, confidence_level, n_resamples, random_state
    )


def ccc_difference(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    y_pred_other: npt.ArrayLike,
    *,
    speakers: npt.ArrayLike,
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    random_state: int = 0,
) -> Difference:
    """Compare two methods that rate the same utterances, by permutation over speakers.

    As :func:`uar_difference`, for ratings and their concordance correlation
    coefficient. The coefficient is not a sum over the speakers, but follows from the
    sums of their ratings, predictions, squares and products.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Ratings, NaN for a missing one. The coefficient is the mean over the targets.

    y_pred, y_pred_other : array-like of the same shape, or of one more, (..., n_seeds)
        Ratings predicted by both methods, for each seed. The numbers of seeds may
        differ: each method's coefficient is averaged over its own, and an exchange
        pairs them in turn.

    speakers, confidence_level, n_resamples, random_state : as in :func:`uar_difference`

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
    sums = rating_sums(y_true, y_pred, speakers)
    others = rating_sums(y_true, y_pred_other, speakers, name="y_pred_other")
    n_pairs = np.lcm(sums.shape[-1], others.shape[-1])
    sums, others = (
        np.tile(one, n_pairs // one.shape[-1]) for one in (sums, others)
    )  # (n_speakers, 6, n_targets, n_pairs)
    settings = OF_CONCORDANCE, confidence_level, n_resamples, random_state
    return permutation_difference(sums, others, concordance, *settings)


def holm(p_values: npt.ArrayLike) -> np.ndarray:
    """Correct p-values for the number of comparisons.

    The smallest of `m` is multiplied by `m`, the next by `m - 1`, and so on; none gets
    smaller than the one before. If you accept all differences below 0.05, at most one
    in 20 such families of comparisons contains any false one, however the comparisons
    depend on each other [1]_.

    Parameters
    ----------
    p_values : array-like of shape (n_comparisons,)
        P-values of all comparisons that you have made, not of the promising ones alone.

    Returns
    -------
    adjusted : ndarray of shape (n_comparisons,)

    References
    ----------
    .. [1] S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
       Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> from advser.evaluation import holm
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    n = count_rows(p_values, "p_values")
    p_values = check_numbers(p_values, "p_values", n, largest=1, rows_of="comparisons")
    if p_values.ndim > 1 or not (p_values >= 0).all():
        raise ValueError(
            "`p_values` must be one-dimensional, and neither negative nor missing; got "
            f"shape {p_values.shape} and values from {p_values.min()}."
        )
    if not n:
        return p_values  # statsmodels below 0.15 divides by their number
    from statsmodels.stats.multitest import multipletests  # slow to import

    return multipletests(p_values, method="holm")[1]
