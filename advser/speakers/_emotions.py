"""What each emotion adds to the features of a speaker."""

from numbers import Integral

import numpy as np
from pandas import isna
from pandas.api.types import infer_dtype
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.covariance import ledoit_wolf

from .._validation._arrays import check_labels, encode, plain
from ._moments import Moments, average_speaker, best_shrinkage, moments, pool

N_FOLDS = 5  # of speakers, to calibrate the temperature
N_ESTIMATES = 5  # of the emotions of a speaker, each with the mean of the one before


class EmotionEffects:
    r"""What each emotion adds to a speaker's mean, and how to recognise it by that.

    The model is :math:`x = m_s + \delta_e + \epsilon` for an utterance of speaker s and
    emotion e. The effects :math:`\delta` sum to 0 and are estimated by least squares.
    A linear discriminant of :math:`x - m_s` estimates the emotion. Its scores are
    multiplied by a temperature that makes the probabilities of speakers left out as
    likely as possible: a discriminant of many features is too sure otherwise.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    y : array-like of shape (n_samples,) or None
        Emotions; rows without one are left out.

    speakers : ndarray of shape (n_samples,)
        Codes.

    clip : float or None
        Bound of the residuals, in standard deviations.

    Attributes
    ----------
    names : ndarray of shape (n_emotions,)

    effects : ndarray of shape (n_emotions, n_features)

    mean, variance : ndarray of shape (n_features,)
        `average_speaker` of the speakers, without the effects.

    shrinkage : ndarray of shape (n_features,)
        `best_shrinkage` of the speakers, without the effects.

    temperature : float
        1 if there are fewer than two speakers.
    """

    def __init__(self, X, y, speakers, clip):
        labels = np.full(len(X), None) if y is None else y
        labels = check_labels(labels, "y", len(X), allow_missing=True)
        emotions, self.names = encode(labels)
        known = emotions >= 0
        if not known.any():
            raise ValueError(
                "`balance=True` needs y, the emotions of the rows; pass them to `fit`, "
                "or set `balance=False`."
            )
        X, emotions = X[known], emotions[known]
        speakers = np.unique(speakers[known], return_inverse=True)[1]
        self._clip = np.inf if clip is None else clip
        self.temperature = self._calibrate(X, emotions, speakers)
        self._learn(X, emotions, speakers)

    def _learn(self, X, emotions, speakers):
        indicators = np.eye(len(self.names))[emotions]
        centred = (
            rows - moments(rows, speakers).means[speakers] for rows in (indicators, X)
        )
        self.effects = np.linalg.lstsq(*centred)[0]
        residuals = X - self.effects[emotions]
        of_speakers = moments(residuals, speakers)
        self.mean, self.variance = average_speaker(of_speakers)
        self.shrinkage, within = best_shrinkage(of_speakers, len(self.effects) - 1)
        self._scale = np.where(within > 0, np.sqrt(within), 1.0)
        residuals = self._standardize(residuals, of_speakers.means[speakers])
        covariance = np.eye(len(within))
        if (varies := residuals.any(axis=0)).any():
            known, _ = ledoit_wolf(residuals[:, varies], assume_centered=True)
            known += np.finfo(float).eps * np.eye(len(known))  # of equal features
            covariance[np.ix_(varies, varies)] = known
        centres = self.effects / self._scale
        self._weights = np.linalg.solve(covariance, centres.T)
        self._bias = -0.5 * (centres.T * self._weights).sum(axis=0)

    def _calibrate(self, X, emotions, speakers):
        """Return the temperature that suits speakers left out."""
        n_folds = min(N_FOLDS, speakers.max() + 1)
        if n_folds < 2:
            return 1.0
        scores = np.empty((len(X), len(self.names)))
        for fold in range(n_folds):
            test = speakers % n_folds == fold
            self._learn(
                X[~test],
                emotions[~test],
                np.unique(speakers[~test], return_inverse=True)[1],
            )
            codes = np.unique(speakers[test], return_inverse=True)[1]
            average = Moments(self.shrinkage, self.mean, self._scale**2)
            means = pool(average, moments(X[test], codes)).means[codes]
            scores[test] = self._scores(X[test], means)
        right = np.arange(len(X)), emotions

        def loss(log_temperature):
            return -log_softmax(np.exp(log_temperature) * scores, axis=1)[right].mean()

        bounds = np.log(1e-3), np.log(10.0)
        return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))

    def _standardize(self, X, means):
        return np.clip((X - means) / self._scale, -self._clip, self._clip)

    def _scores(self, X, means):
        return self._standardize(X, means) @ self._weights + self._bias

    def probabilities(self, X, means):
        """Return the probability of each emotion, given the mean of its speaker."""
        return softmax(self.temperature * self._scores(X, means), axis=1)

    def expected(self, X, means):
        """Return what the emotion of each row is expected to add to it.

        Sums over rows of their own, not matrix products: no bit of the result for a row
        depends on the other rows.
        """
        weights = np.ascontiguousarray(self._weights.T)
        products = self._standardize(X, means)[:, None] * weights
        scores = products.sum(axis=2) + self._bias
        probabilities = softmax(self.temperature * scores, axis=1)
        return (probabilities[:, :, None] * self.effects).sum(axis=1)

    def statistics(self, X, codes, before=None, *, average, has_effect=True):
        """Return the statistics of speakers without what the emotions of rows add.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        codes : ndarray of shape (n_samples,)
            Speaker of each row.

        before : Moments, default=None
            Of earlier rows of the same speakers, already without it.

        average : Moments
            Of the average speaker, whose count is the shrinkage.

        has_effect : array-like of shape (n_samples,) or True, default=True
            To which rows the emotion adds something.

        Returns
        -------
        own : Moments
        """
        own = moments(X, codes)
        for _ in range(N_ESTIMATES):
            known = own if before is None else pool(before, own)
            expected = pool(average, known).means
            probabilities = self.probabilities(X, expected[codes])
            probabilities *= np.reshape(has_effect, (-1, 1))
            own = moments(X - probabilities @ self.effects, codes)
        return own


def neutral_offset(X, y, codes, own, neutral):
    """Return the mean of a speaker less that of their neutral rows, on average.

    Return None if y is no array of emotions, or no speaker has neutral and other rows.
    """
    if not (neutral is None or isinstance(neutral, str | Integral)):
        raise ValueError(
            f"`neutral` must be the label of one emotion, or None; got {neutral!r}."
        )
    labels = None if neutral is None else emotions_of(y, len(X))
    if labels is None:
        return None
    is_neutral = np.array([label == neutral for label in labels])
    if not is_neutral.any():
        return None
    speakers, codes = np.unique(codes[is_neutral], return_inverse=True)
    of_neutral = moments(X[is_neutral], codes)
    has_both = (of_neutral.counts < own.counts[speakers])[:, 0]
    if not has_both.any():
        return None
    return (own.means[speakers] - of_neutral.means)[has_both].mean(axis=0)


def emotions_of(y, n_rows):
    """Return y as labels, None where missing; None for no y, or for one of ratings.

    Ratings have several columns, or a number that is not whole.
    """
    if y is None:
        return None
    values = np.asarray(plain(y), dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    are_floats = values.ndim == 1 and infer_dtype(values, skipna=True) in (
        "floating",
        "mixed-integer-float",
    )
    if values.ndim == 2 or (are_floats and any(v % 1 for v in values if not isna(v))):
        return None
    return check_labels(values, "y", n_rows, allow_missing=True)


def move_neutral(X, neutral, offset, label):
    """Add the offset to the neutral rows; return all rows and the mask of the neutral.

    `label` is that of neutral rows in y, for the error texts.
    """
    if neutral is None or isinstance(neutral, bool | np.bool_):
        neutral = np.full(len(X), bool(neutral))
    else:
        neutral = check_labels(neutral, "neutral", len(X))
        other = [flag for flag in neutral if not isinstance(flag, bool | np.bool_)]
        if other:
            raise ValueError(
                "`neutral` must be None, a boolean or one boolean per row; got "
                f"{other[0]!r}. Pass a mask such as `y == {label!r}`."
            )
        neutral = neutral.astype(bool)
    if not neutral.any():
        return X, neutral
    if offset is None:
        raise ValueError(
            f"`neutral` marks {neutral.sum()} of {len(X)} rows as neutral, but `fit` "
            "learnt no neutral offset; it needs a y in which training speakers have "
            f"the class {label!r} and others. Set the parameter `neutral` of "
            "SpeakerScaler to the name of that class."
        )
    return np.where(neutral[:, None], X + offset, X), neutral
