"""Count, mean and variance of each speaker, and how far to trust them."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array


class Moments(NamedTuple):
    """Count, mean and variance of each of several samples.

    Parameters
    ----------
    counts : ndarray of shape (n_codes, 1)
    means, variances : ndarray of shape (n_codes, n_features)
    """

    counts: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def moments(X, codes, weight=None):
    """Return count, mean and variance of the rows that share a code.

    The function sums differences to the first row of each code, so that a constant
    column has a variance of exactly zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Every integer from 0 to the largest.
    weight : ndarray of shape (n_samples,), default=None
        How often each row counts, more than 0; None for once.

    Returns
    -------
    moments : Moments
        Means and variances in float64.
    """
    _, first = np.unique(codes, return_index=True)
    counts = np.bincount(codes, weight)[:, None]
    origins = X[first].astype(np.float64)
    weight = np.ones(len(codes)) if weight is None else weight
    sum_by_code = csr_array((weight, (codes, np.arange(len(codes)))))  # (codes, n)
    deviations = X - origins[codes]
    means = sum_by_code @ deviations / counts
    deviations -= means[codes]
    return Moments(counts, origins + means, sum_by_code @ deviations**2 / counts)


def pool(one, other):
    """Return count, mean and variance of two samples taken as one.

    The variance of the whole is the weighted mean of both variances plus the
    variance between both means. Counts need not be whole numbers.
    """
    total = one.counts + other.counts
    share = np.divide(other.counts, total, out=np.zeros(total.shape), where=total > 0)
    shift = other.means - one.means
    between = share * (1 - share) * shift**2
    variances = one.variances + share * (other.variances - one.variances) + between
    return Moments(total, one.means + share * shift, variances)


def average_speaker(speakers):
    """Return mean and variance of the average speaker: twice (n_features,).

    Each speaker counts once in the mean, and each row in the variance, which is that
    around the mean of its speaker. Single rows say nothing about it and do not count;
    if all are single, the variance is that of the rows.
    """
    counts, means, variances = speakers
    mean = means[0] + (means - means[0]).mean(axis=0)
    weight = np.where(counts > 1, counts, 0)
    if not weight.any():
        return mean, (means - means[0]).var(axis=0)
    return mean, (weight * variances).sum(axis=0) / weight.sum()


def best_shrinkage(speakers, n_effects=0):
    r"""Return the number of pseudo-utterances that estimates a speaker's mean best.

    For each feature this is the variance within speakers divided by the variance
    between them. With it, :math:`\mu + n / (n + \kappa) (\bar x - \mu)` has the least
    expected squared error of all such means.

    Parameters
    ----------
    speakers : Moments
        Of the utterances of each speaker.

    n_effects : int, default=0
        Number of further means that were subtracted from the utterances.

    Returns
    -------
    shrinkage : ndarray of shape (n_features,)
        inf where speakers do not differ more than the spread of their utterances
        makes them.
    within : ndarray of shape (n_features,)
        Variance within speakers; 0 where there are too few rows to estimate it.
    """
    counts, means, variances = speakers
    shrinkage, within = np.full(means.shape[1], np.inf), np.zeros(means.shape[1])
    n_free = counts.sum() - len(counts) - n_effects
    if n_free > 0:
        within = (counts * variances).sum(axis=0) / n_free
        if len(counts) > 1:
            between = means.var(axis=0, ddof=1)
            between -= within * np.mean(1 / counts)  # the means are uncertain, too
            np.divide(within, between, out=shrinkage, where=between > 0)
    return shrinkage, within
