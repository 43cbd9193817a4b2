"""Resampling of whole speakers: sums by speaker, bootstrap and permutation.

Recall and concordance follow from sums over the utterances. With the sums of each
speaker, a resampled score is a product of a matrix of draws with these sums.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .._validation._arrays import check_labels, check_predicted, encode, plain
from .._validation._parameters import COUNT, LEVEL, SEED, check_parameter
from ..metrics import LIMITS, check_emotions, check_ratings
from ._arguments import check_several

BATCH_SIZE = 2**20  # speakers in the draws that are computed at a time
OF_RECALL, OF_CONCORDANCE = (0, 1), (-1, 1)  # smallest and largest score


@dataclass(frozen=True)
class Difference:
    """The difference between two methods, and its significance.

    Attributes
    ----------
    difference : float
        Unweighted average recall, or concordance, of the first method less that of the
        second.

    low, high : float
        Confidence interval of `difference`, by bootstrap over speakers.

    p_value : float in (0, 1]
        Two-sided, of the permutation test over speakers, for this comparison alone.

    smallest_p_value : float in (0, 1]
        The `p_value` if one method is better for every speaker: with so few speakers,
        no result can be more significant.

    n_speakers : int
        Number of speakers.
    """

    difference: float
    low: float
    high: float
    p_value: float
    smallest_p_value: float
    n_speakers: int


def recall_sums(y_true, y_pred, speakers, name="y_pred"):
    """Return the sums from which `recall` follows: (n_speakers, 2, n_emotions).

    They are the number of recognised utterances, a mean over seeds, and of all.
    """
    predictions = np.asarray(plain(y_pred))
    has_columns = predictions.ndim == 2 and predictions.shape[1]
    columns = list(predictions.T) if has_columns else [y_pred]
    pairs = [check_emotions(y_true, one, name) for one in columns]
    y_true, _ = pairs[0]
    speaker, n_speakers = _speaker_codes(speakers, len(y_true))
    emotion, emotions = encode(y_true)
    sums = np.zeros((n_speakers, 2, len(emotions)))
    correct = np.mean([(one == true).astype(float) for true, one in pairs], axis=0)
    np.add.at(sums, (speaker, 0, emotion), correct)
    np.add.at(sums, (speaker, 1, emotion), 1)
    return sums


def recall(sums):
    """Return the unweighted average recall: (..., 2, n_emotions) to (...)."""
    hits, counts = sums[..., 0, :], sums[..., 1, :]
    recalls = hits / np.maximum(counts, 1)
    return recalls.sum(axis=-1) / (counts > 0).sum(axis=-1)


def rating_sums(y_true, y_pred, speakers, name="y_pred"):
    """Return the sums from which `concordance` follows.

    Of shape (n_speakers, 6, n_targets, n_seeds): the number of ratings, the sums of
    ratings and predictions, of their squares and of their products. The mean and scale
    of the ratings standardise both, which does not change the concordance.
    """
    y_true, y_pred = check_ratings(y_true, y_pred, name)
    n_rows, y_pred = len(y_true), np.asarray(y_pred)
    seeds = y_pred[..., None] if y_pred.ndim == y_true.ndim else y_pred
    if seeds.shape[:-1] != y_true.shape or not seeds.shape[-1]:
        raise ValueError(
            f"`{name}` has shape {y_pred.shape} and `y_true` has {y_true.shape}; pass "
            "a prediction for each rating, and for each seed along a last axis."
        )
    y_true = y_true.reshape(n_rows, -1, 1)
    y_pred = check_predicted(seeds.reshape(n_rows, -1), name, n_rows, **LIMITS)
    y_pred = y_pred.reshape(*y_true.shape[:2], -1)  # (n_samples, n_targets, n_seeds)
    known = ~np.isnan(y_true)
    if known.sum(axis=0).max() < 2:
        raise ValueError(
            "`y_true` has no target with two ratings; the concordance needs two."
        )
    speakers = check_labels(speakers, "speakers", n_rows, rows_of="y_true")
    rated = known.any(axis=(1, 2))  # a speaker without a rating adds nothing
    y_true, y_pred, known = y_true[rated], y_pred[rated], known[rated]
    speaker, n_speakers = _speaker_codes(speakers[rated], rated.sum())
    n_ratings = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, y_true, 0).sum(axis=0) / n_ratings
    deviation = np.where(known, y_true - mean, 0)
    scale = np.abs(deviation).max(axis=0)  # first, since squares may be 0 or infinite
    scale[scale == 0] = 1
    scale *= np.sqrt(((deviation / scale) ** 2).sum(axis=0) / n_ratings)
    scale[scale == 0] = 1
    rated = deviation / scale
    predicted = np.where(known, (y_pred - mean) / scale, 0)
    rated, known = np.broadcast_arrays(rated, known, predicted)[:2]
    parts = [known, rated, predicted, rated**2, predicted**2, rated * predicted]
    sums = np.zeros((n_speakers, 6, *predicted.shape[1:]))
    np.add.at(sums, speaker, np.stack(parts, axis=1))
    return sums


def concordance(sums):
    """Return the mean concordance: (..., 6, n_targets, n_seeds) to (...)."""
    n, rated, predicted, rated_2, predicted_2, product = np.moveaxis(sums, -3, 0)
    known = n >= 2
    n = np.maximum(n, 1)
    mean_product = rated * predicted / n**2
    covariance = product / n - mean_product
    spread = (rated_2 + predicted_2) / n - 2 * mean_product
    some = spread > 1e-12  # in units of the variance of the ratings: not constant
    coefficient = 2 * covariance / np.where(some, spread, 1) * (some & known)
    n_known = known.sum(axis=(-2, -1))
    mean = coefficient.sum(axis=(-2, -1)) / np.maximum(n_known, 1)
    return np.where(n_known, mean, np.nan)


def _speaker_codes(speakers, n_rows):
    """Return a code for the speaker of each row, and the number of speakers."""
    speakers = check_labels(speakers, "speakers", n_rows, rows_of="y_true")
    codes, names = encode(speakers)
    check_several(len(names), "an interval for other speakers")
    return codes, len(names)


def bootstrap_interval(
    sums, statistic, limits, confidence_level, n_resamples, random_state
):
    """Return the interval of a statistic of resampled speakers.

    Its bounds are the expanded percentiles. With so few speakers that these cannot have
    the confidence level, they are at least as far out as Student's t standard errors.

    Parameters
    ----------
    sums : ndarray of shape (n_speakers, ...)

    statistic : callable
        Takes sums over speakers for many draws: (n_draws, ...) to (n_draws,).

    limits : tuple of float
        The smallest and the largest value of the statistic.

    confidence_level, n_resamples, random_state : as in `uar_interval`

    Returns
    -------
    low, high : float
    """
    check_parameter(confidence_level, "confidence_level", LEVEL)
    check_parameter(n_resamples, "n_resamples", COUNT)
    check_parameter(random_state, "random_state", SEED)
    n_speakers = len(sums)
    rng = np.random.default_rng(random_state)
    share = np.full(n_speakers, 1 / n_speakers)
    batch = max(1, BATCH_SIZE // n_speakers)
    found = []
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        draws = rng.multinomial(n_speakers, share, size)
        found.append(statistic(np.tensordot(draws, sums, 1)))
    found = np.concatenate(found)
    t = stats.t.ppf((1 - confidence_level) / 2, n_speakers - 1)
    expansion = np.sqrt(n_speakers / (n_speakers - 1))
    tail = stats.norm.cdf(expansion * t)
    low, high = np.nanquantile(found, [tail, 1 - tail])
    if 2.0 ** (1 - n_speakers) > 1 - confidence_level:  # all are on one side so often
        score = statistic(sums.sum(axis=0)[None])[0]
        margin = -t * expansion * np.nanstd(found)
        low, high = min(low, score - margin), max(high, score + margin)
    return float(max(low, limits[0])), float(min(high, limits[1]))


def permutation_difference(
    sums, others, statistic, limits, confidence_level, n_resamples, random_state
):
    """Return the difference of a statistic between two methods.

    `sums` and `others` are those of the methods, as in `bootstrap_interval`; `limits`
    are those of the statistic.
    """
    pairs = np.stack([sums, others], axis=1)  # (n_speakers, 2, ...)
    n_speakers = len(pairs)

    def difference(totals):
        """Return (..., 2, *shape) to (...), rounded so that ties are equal."""
        one, other = np.moveaxis(totals, -sums.ndim, 0)
        return np.round(statistic(one) - statistic(other), 12)

    def exchanged(kept, swapped, axis):
        """Return the difference; 1 in `swapped` exchanges the methods of a speaker."""
        return difference(
            np.tensordot(kept, pairs, 1) + np.tensordot(swapped, pairs[:, ::-1], 1)
        )

    settings = confidence_level, n_resamples, random_state
    widest = limits[0] - limits[1], limits[1] - limits[0]
    low, high = bootstrap_interval(pairs, difference, widest, *settings)
    test = stats.permutation_test(
        (np.ones(n_speakers), np.zeros(n_speakers)),
        exchanged,
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, BATCH_SIZE // n_speakers),
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
