"""Normalisations of unseen speakers that the literature has: baselines of adaptation.

All of them shrink the statistics of a speaker towards those of the training speakers.
The mean is (Σx + κμ) / (n + κ), where κ is, for each feature, the variance within the
training speakers divided by that between them. The variance is that of the n utterances
and of 20 pseudo-utterances of the average training speaker.

The rows of training speakers are normalised by all of their utterances, the rows of
other speakers in the order in which they are given.
"""

import numpy as np
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression

PSEUDO_UTTERANCES = 20  # of the average speaker, in the variance
MOST_ROUNDS = 20  # of the iterative normalization


class RunningMean:
    """Subtract the running mean, and divide by the running deviation if asked for.

    Parameters
    ----------
    variance : bool, default=False
        Whether to adapt the scale, too; otherwise it is that of the training speakers.

    clip : float, default=4
        Bound of the normalised values.

    kept : float, default=1
        Weight of an utterance after the next one, less than 1 to forget old ones.
    """

    def __init__(self, variance=False, clip=4.0, kept=1.0):
        self.variance, self.clip, self.kept = variance, clip, kept

    def fit_transform(self, X, y, speakers):
        """Learn the average speaker, and normalise the rows by all of a speaker."""
        self._learn(X, speakers)
        Z = np.empty(X.shape)
        for rows in by_speaker(speakers):
            deviations = X[rows] - self.mean_
            Z[rows] = self._scale(deviations, *self._statistics(*sums(deviations)))
        return Z

    def transform(self, X, speakers):
        """Normalise each row by the rows of its speaker up to and including it."""
        Z = np.empty(X.shape)
        for rows in by_speaker(speakers):
            deviations = X[rows] - self.mean_
            parts = np.ones((len(rows), 1)), deviations, deviations**2
            running = (lfilter([1], [1, -self.kept], part, axis=0) for part in parts)
            Z[rows] = self._scale(deviations, *self._statistics(*running))
        return Z

    def _learn(self, X, speakers):
        own = [X[rows] for rows in by_speaker(speakers)]
        means = np.array([rows.mean(axis=0) for rows in own])
        squares = sum(len(rows) * rows.var(axis=0) for rows in own)
        within = squares / (len(X) - len(own))
        # The means are uncertain, too.
        uncertain = within * np.mean([1 / len(rows) for rows in own])
        between = means.var(axis=0, ddof=1) - uncertain
        self.shrinkage_ = np.full(X.shape[1], np.inf)
        np.divide(within, between, out=self.shrinkage_, where=between > 0)
        self.mean_ = means.mean(axis=0)
        self.variance_ = np.where(within > 0, within, 1.0)

    def _statistics(self, counts, total, squares):
        """Return mean and scale of rows, from the sums of their deviations."""
        mean = total / (counts + self.shrinkage_)
        if not self.variance:
            return mean, np.sqrt(self.variance_)
        n = counts + PSEUDO_UTTERANCES
        second = (squares + PSEUDO_UTTERANCES * self.variance_) / n
        return mean, np.sqrt(second - (total / n) ** 2)

    def _scale(self, deviations, mean, scale):
        return np.clip((deviations - mean) / scale, -self.clip, self.clip)


class IterativeNormalization(RunningMean):
    """Normalise by the utterances of a speaker that a detector takes for neutral.

    Training speakers are normalised by their neutral utterances. A logistic regression
    learns from these rows what is neutral. The detector marks utterances of a new
    speaker, the marked ones give the statistics of the speaker, and so on until the
    marks are stable. Mean and variance are shrunk as in `RunningMean`, towards the
    neutral speech of the training speakers, where the iteration starts.

    Parameters
    ----------
    causal : bool, default=False
        Whether a row is normalised by the rows up to it alone; the iteration is then
        repeated for each row. Otherwise by all rows of its speaker.

    clip : float, default=4
        Bound of the normalised values.

    neutral : str, default="neutral"
        Label of neutral utterances.

    References
    ----------
    C. Busso, A. Metallinou, S. Narayanan: Iterative feature normalization for emotional
    speech detection. ICASSP 2011.
    C. Busso, S. Mariooryad, A. Metallinou, S. Narayanan: Iterative feature
    normalization scheme for automatic emotion detection from speech. IEEE Transactions
    on Affective Computing 4(4), 2013, doi 10.1109/T-AFFC.2013.26.
    """

    def __init__(self, causal=False, clip=4.0, neutral="neutral"):
        super().__init__(variance=True, clip=clip)
        self.causal, self.neutral = causal, neutral

    def fit_transform(self, X, y, speakers):
        """Learn neutral speech, and normalise the rows by that of their speaker."""
        is_neutral = y == self.neutral
        self._learn(X[is_neutral], speakers[is_neutral])
        Z = np.empty(X.shape)
        for rows in by_speaker(speakers):
            deviations = X[rows] - self.mean_
            known = sums(deviations[is_neutral[rows]])
            Z[rows] = self._scale(deviations, *self._statistics(*known))
        detector = LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000)
        detector.fit(Z, is_neutral)
        self._weights, self._bias = detector.coef_[0], detector.intercept_[0]
        return Z

    def transform(self, X, speakers):
        """Normalise each row by what is marked as neutral of its speaker."""
        Z = np.empty(X.shape)
        for rows in by_speaker(speakers):
            deviations = X[rows] - self.mean_
            if not self.causal:
                Z[rows] = self._scale(deviations, *self._of_marked(deviations))
                continue
            for number, row in enumerate(rows, 1):
                now = deviations[:number]
                Z[row] = self._scale(now[-1], *self._of_marked(now))
        return Z

    def _of_marked(self, deviations):
        """Return mean and scale once the marks no longer change."""
        marked = np.zeros(len(deviations), dtype=bool)
        for _ in range(MOST_ROUNDS):
            statistics = self._statistics(*sums(deviations[marked]))
            scaled = self._scale(deviations, *statistics)
            before, marked = marked, scaled @ self._weights + self._bias > 0
            if np.array_equal(marked, before):
                break
        return statistics


def by_speaker(speakers):
    """Return the positions of the rows of each speaker, in their order."""
    return [np.flatnonzero(speakers == name) for name in np.unique(speakers)]


def sums(deviations):
    """Return the number of rows, their sum and the sum of their squares."""
    return len(deviations), deviations.sum(axis=0), (deviations**2).sum(axis=0)
