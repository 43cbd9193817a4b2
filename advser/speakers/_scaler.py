"""Scaling each speaker by their own statistics, also one who has only just been met.

Every speaker s is thought of as `shrinkage` utterances of the average training
speaker, with mean μ and variance σ², joined by the n utterances of their own. Without
any of their own, s is the average speaker; with many, only their own count.
"""

from numbers import Real
from warnings import warn

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.covariance import ledoit_wolf
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .._validation import check_labels, check_origin, check_speakers, encode
from ..exceptions import NoSpeakersWarning

__all__ = ["SpeakerScaler"]

GUESSES = 5  # times that the emotions of a speaker are guessed and their mean is moved


def moments(X, codes):
    """Return count, mean and variance of the rows that share a code.

    The differences to the first row of each code are summed, so that a constant
    column has a variance of exactly zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,)
        Every integer from 0 to the largest.

    Returns
    -------
    counts : ndarray of shape (n_codes, 1)
    means, variances : ndarray of shape (n_codes, n_features), dtype float64
    """
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    counts = counts[:, None]
    origins = X[first].astype(np.float64)
    ones = np.ones(len(codes))
    sum_by_code = csr_array((ones, (codes, np.arange(len(codes)))))  # (codes, n)
    deviations = X - origins[codes]
    means = sum_by_code @ deviations / counts
    deviations -= means[codes]
    return counts, origins + means, sum_by_code @ deviations**2 / counts


def pool(counts, means, variances, new_counts, new_means, new_variances):
    """Return count, mean and variance of two samples taken as one.

    The variance of the whole is the weighted mean of both variances plus the
    variance between both means. Counts need not be whole numbers.
    """
    total = counts + new_counts
    share = np.divide(new_counts, total, out=np.zeros(total.shape), where=total > 0)
    shift = new_means - means
    between = share * (1 - share) * shift**2
    variances = variances + share * (new_variances - variances) + between
    return total, means + share * shift, variances


def pseudo_counts(counts, means, variances, n_effects=0):
    r"""Return the number of utterances that knowing speakers in general is worth.

    For each feature the variance within speakers over that between them, with which
    :math:`\mu + n / (n + \kappa) (\bar x - \mu)` has the least expected squared error
    of all such means.

    Parameters
    ----------
    counts : ndarray of shape (n_speakers, 1)
    means, variances : ndarray of shape (n_speakers, n_features)
        Of each speaker.

    n_effects : int, default=0
        Number of further means that were taken off.

    Returns
    -------
    shrinkage : ndarray of shape (n_features,)
        inf where speakers do not differ more than their utterances make them.
    within : ndarray of shape (n_features,)
        Variance within speakers; 0 where too few rows tell it.
    """
    shrinkage, within = np.full(means.shape[1], np.inf), np.zeros(means.shape[1])
    n_free = counts.sum() - len(counts) - n_effects
    if n_free > 0:
        within = (counts * variances).sum(axis=0) / n_free
        if len(counts) > 1:
            between = means.var(axis=0, ddof=1)
            between -= within * np.mean(1 / counts)  # the means are uncertain, too
            np.divide(within, between, out=shrinkage, where=between > 0)
    return shrinkage, within


class EmotionEffects:
    r"""What each emotion adds to a speaker's usual voice, and how it is guessed by it.

    The model is :math:`x = m_s + \delta_e + \epsilon` for an utterance of speaker s and
    emotion e. The effects :math:`\delta` add up to 0, and are found by least squares.
    The emotion is guessed by the linear discriminant of :math:`x - m_s`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    emotions, speakers : ndarray of shape (n_samples,)
        Codes, every integer from 0 to the largest.

    clip : float or None
        Bound of the residuals, in standard deviations.

    Attributes
    ----------
    effects : ndarray of shape (n_emotions, n_features)

    mean : ndarray of shape (n_features,)
        Mean of :math:`m_s` over speakers.

    shrinkage : ndarray of shape (n_features,)
        `pseudo_counts` of the speakers, without the effects.
    """

    def __init__(self, X, emotions, speakers, clip):
        indicators = np.eye(emotions.max() + 1)[emotions]
        centred = (
            rows - moments(rows, speakers)[1][speakers] for rows in (indicators, X)
        )
        self.effects = np.linalg.lstsq(*centred)[0]
        residuals = X - self.effects[emotions]
        of_speakers = moments(residuals, speakers)
        means = of_speakers[1]
        self.mean = means.mean(axis=0)
        self.shrinkage, within = pseudo_counts(*of_speakers, len(self.effects) - 1)
        self._scale = np.where(within > 0, np.sqrt(within), 1.0)
        self._clip = np.inf if clip is None else clip
        residuals = self._standardize(residuals, means[speakers])
        covariance, _ = ledoit_wolf(residuals, assume_centered=True)
        covariance += np.finfo(float).eps * np.eye(len(covariance))  # if all are 0
        centres = self.effects / self._scale
        self._weights = np.linalg.solve(covariance, centres.T)
        self._bias = -0.5 * (centres.T * self._weights).sum(axis=0)

    def _standardize(self, X, means):
        return np.clip((X - means) / self._scale, -self._clip, self._clip)

    def guess(self, X, means):
        """Return the probabilities of the emotions, all as likely beforehand.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        means : ndarray of shape (n_samples, n_features)
            :math:`m_s` of the speaker of each row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_emotions)
        """
        rows = self._standardize(X, means)
        return softmax(rows @ self._weights + self._bias, axis=1)


class SpeakerScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Standardise each speaker's features by their own mean and deviation.

    What remains is how an utterance differs from the speaker's usual voice. For
    emotions it is the strongest single step towards new speakers, provided that
    something is known of them: a few utterances, of whatever emotion, given to
    :meth:`enroll`.

    A row x of speaker s, of whom n utterances with mean :math:`\bar x_s` and variance
    :math:`v_s` are known, becomes :math:`(x - m_s) / d_s` with

    .. math::

        m_s &= \mu + w (\bar x_s - \mu), \qquad w = n / (n + \kappa) \\
        d_s^2 &= (1 - w) \sigma^2 + w v_s + w (1 - w) (\bar x_s - \mu)^2,

    the mean and the variance of those n utterances and of :math:`\kappa`
    pseudo-utterances, the `shrinkage`, of the average training speaker:
    :math:`\mu` is the mean of the training speakers' means, each speaker counting
    once, and :math:`\sigma^2` the variance of the training rows around their own
    speaker's mean.

    Parameters
    ----------
    shrinkage : float or "auto", default=5.0
        :math:`\kappa`: the number of utterances of one's own that weigh as much as
        what is known of speakers in general. 0 gives the plain z-score per speaker.
        The best value is the variance within speakers over that between them, and
        "auto" takes it, for each feature, from the training speakers. The default was
        chosen by speaker-disjoint inner folds of EmoDB.

    balance : bool, default=False
        Whether to compare speakers as if they spoke in all emotions equally often. What
        the emotions add to :math:`\bar x_s` is then taken off: each emotion adds the
        same for everybody, which `fit` learns from y, and those of the utterances are
        guessed (see Notes). With ``shrinkage="auto"`` it makes the most of few
        utterances.

    unknown : {"population", "batch", "error"}, default="population"
        What stands for a speaker who was neither in the training data nor enrolled,
        and for rows whose speaker is not told (see Notes):

        - "population": the average training speaker, :math:`\mu` and
          :math:`\sigma`;
        - "batch": the statistics of the rows that are being transformed, those of
          each unknown speaker apart, and all rows without a speaker together;
        - "error": raise.

    clip : float or None, default=None
        Bound of the scaled values: what lies beyond ±`clip` is set to it. A new
        speaker's statistics rest on few utterances, so that single values come out
        larger than any in training; a bound of 2 or 3 keeps them from deciding.

    neutral : str, int or None, default="neutral"
        The label in y of emotionally neutral speech. `fit` learns from it how far the
        neutral speech of a speaker lies from the mean of all their speech.

    Attributes
    ----------
    speakers_ : ndarray of shape (n_speakers,)
        The known speakers: those of the training data, then the enrolled ones.

    counts_ : ndarray of shape (n_speakers,)
        Number of their utterances.

    means_, variances_ : ndarray of shape (n_speakers, n_features)
        Mean and variance of their utterances, before the shrinkage. With `balance`,
        what their emotions add is taken off the mean.

    shrinkage_ : ndarray of shape (n_features,)
        :math:`\kappa` of each feature. With "auto", inf where speakers do not differ
        more than the spread of their utterances makes them, or there are not two.

    population_mean_, population_scale_ : ndarray of shape (n_features,)
        :math:`\mu` and :math:`\sigma`, of the training speakers alone. The scale of a
        column that is constant within every speaker is 1.

    neutral_offset_ : ndarray of shape (n_features,) or None
        A speaker's mean less the mean of their neutral utterances, averaged over the
        training speakers who have neutral and other utterances. None if `fit` saw no
        such speaker, or no y.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if all are strings.

    feature_origin_ : dict or None
        How the features were made, where X tells it
        (:func:`advser.audio.read_features`).

    Warns
    -----
    NoSpeakersWarning
        If `fit` is given no speakers: it then does what
        :class:`~sklearn.preprocessing.StandardScaler` does.

    See Also
    --------
    enroll : Introduces speakers to a pipeline with a scaler.
    AdversarialSER : Learns an embedding that hides the speaker.
    sklearn.preprocessing.StandardScaler : One mean and deviation for all rows.

    Notes
    -----
    **What a result may claim** depends on what was known of the test speakers:

    - *inductive*: nothing. They are unknown, and `unknown="population"`.
    - *enrolled*: some of their utterances, whose emotion need not be known. These are
      passed to :meth:`enroll` and must not be scored.
    - *transductive*: the very utterances that are scored. `unknown="batch"`, or
      enrolling the test rows. The scaled row then depends on the other rows of the
      batch; where a system answers one utterance at a time, it cannot be had.

    **When it fails.** Statistics per speaker assume that speakers differ little in
    their mix of emotions. Where each speaker has one emotion only, as in many a
    collection cut from broadcasts, the speaker's mean *is* the emotion, and
    subtracting it erases what should be learnt: on the URDU corpus, with one emotion
    from 26 of its 29 speakers, it takes the recall of a linear classifier from 0.74
    to 0.40 to scale the test speakers by their own rows. The same happens in small to
    someone who is enrolled with angry utterances alone. Ask
    :func:`~advser.speakers.speaker_confounding` first.

    **Cross-validation.** With metadata routing on, ``params={"groups": speakers}`` of
    :func:`~sklearn.model_selection.cross_validate` drives the splitter and reaches
    `fit` and `transform` of this step, in a pipeline too, without further requests.
    With routing off it is ``groups=speakers`` for the splitter and
    ``params={"speakerscaler__groups": speakers}`` for `fit`. Either way the training
    rows are scaled by speaker. The rows that are scored are another matter:
    scikit-learn's scorers (``scoring="balanced_accuracy"``, `make_scorer`) call
    ``predict(X)`` and tell no speaker. Only ``scoring=None`` with routing on passes
    the speakers to `Pipeline.score`, and so to `transform`. In a test fold of new
    speakers, therefore,

    - "population" gives the same under any scoring;
    - "batch" scales the whole fold as one speaker, which is right under
      :class:`~sklearn.model_selection.LeaveOneGroupOut`; with ``scoring=None`` and
      routing on it scales each speaker of the fold apart;
    - "error" makes the scores NaN, with a warning, or raises where
      ``error_score="raise"``.

    Speakers who are known from the training fold are recognised with ``scoring=None``
    and routing on alone. A scorer scales their rows as a stranger's, so the training
    scores of ``return_train_score=True`` come out too low.

    **Enrolment in a fitted pipeline** is ``advser.enroll(pipe, X_new, speakers_new)``,
    where `X_new` is what the pipeline accepts, files for instance. With routing on,
    ``pipe.predict(X, speakers=speakers)`` then uses it; with routing off a pipeline
    cannot pass the speakers on, and it takes
    ``pipe[1:].predict(pipe[0].transform(X, speakers))``.

    **Balance.** The model is :math:`x = m_s + \delta_e + \epsilon` for an utterance of
    speaker s and emotion e, and `fit` finds the effects :math:`\delta` by least
    squares. "auto" then compares the variances that remain without them. The emotions
    of utterances are guessed by a linear discriminant, with Ledoit and Wolf's estimate
    [1]_ of the covariance of :math:`\epsilon`, all emotions as likely, and :math:`m_s`
    as known so far; what they add on average is taken off :math:`\bar x_s`, and so in
    turn, five times. Those of the training speakers are guessed as well, so that a
    classifier is trained on rows like those that it will meet. What has been guessed
    stays when more is enrolled.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf: A well-conditioned estimator for large-dimensional
       covariance matrices. Journal of Multivariate Analysis 88(2), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from advser import SpeakerScaler
    >>> X = np.array([[1.0], [3.0], [11.0], [13.0]])
    >>> scaler = SpeakerScaler(shrinkage=0)
    >>> scaler.fit_transform(X, speakers=["a", "a", "b", "b"]).ravel()
    array([-1.,  1., -1.,  1.])

    Nothing is known of "c", who is heard as the average speaker, until two utterances
    are enrolled:

    >>> scaler.transform([[23.0]], speakers=["c"])
    array([[16.]])
    >>> scaler.enroll([[21.0], [23.0]], ["c", "c"]).transform([[23.0]], speakers=["c"])
    array([[1.]])
    """

    # With metadata routing on, these arrive without a call of set_fit_request.
    __metadata_request__fit = {"speakers": True, "groups": True}
    __metadata_request__transform = __metadata_request__fit
    __metadata_request__inverse_transform = __metadata_request__fit

    _parameter_constraints: dict = {
        "shrinkage": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "balance": ["boolean"],
        "unknown": [StrOptions({"population", "batch", "error"})],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "neutral": "no_validation",
    }

    def __init__(
        self,
        *,
        shrinkage=5.0,
        balance=False,
        unknown="population",
        clip=None,
        neutral="neutral",
    ):
        self.shrinkage = shrinkage
        self.balance = balance
        self.unknown = unknown
        self.clip = clip
        self.neutral = neutral

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Learn the statistics of the training speakers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,), default=None
            Emotions, None or NaN where not known. Without `balance`, only the class
            `neutral` is looked for in it.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        self : SpeakerScaler

        Raises
        ------
        ValueError
            If a parameter, X or the length of another array is wrong, a row has no
            speaker, or y tells no classes while `balance` needs them.
        """
        X = self._check_rows(X, reset=True)
        speakers = check_speakers(speakers, groups, len(X))
        if speakers is None:
            warn(
                "SpeakerScaler was fitted without `speakers` (or `groups`), so it "
                "scales all rows alike, as StandardScaler does; pass "
                "`speakers=`, one label per row, to scale by speaker.",
                NoSpeakersWarning,
                stacklevel=3,
            )
            codes, names = np.zeros(len(X), dtype=np.int64), np.empty(0, dtype=object)
        else:
            codes, names = encode(speakers)
        counts, means, variances = moments(X, codes)
        self.population_mean_ = means[0] + (means - means[0]).mean(axis=0)
        scale = np.sqrt((counts * variances).sum(axis=0) / len(X))
        self.population_scale_ = np.where(scale > 0, scale, 1.0)
        self.neutral_offset_ = self._learn_offset(X, y, codes, counts, means)
        if self.shrinkage == "auto":
            self.shrinkage_, _ = pseudo_counts(counts, means, variances)
        else:
            self.shrinkage_ = np.full(X.shape[1], float(self.shrinkage))
        self._emotions = None
        if self.balance:
            self._learn_emotions(X, y, codes)
            means = self._balance_means(X, codes, (counts, means, variances))
        self.speakers_ = names
        self.counts_ = counts[: len(names), 0]
        self.means_ = means[: len(names)]
        self.variances_ = variances[: len(names)]
        return self

    def fit_transform(self, X, y=None, speakers=None, *, groups=None):
        """Learn the statistics of the training speakers and scale their rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,), default=None
            Emotions, as in `fit`.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        X_scaled : ndarray or DataFrame of shape (n_samples, n_features)
            The scaled rows, float32 where X is float32.
        """
        return self.fit(X, y, speakers, groups=groups).transform(
            X, speakers, groups=groups
        )

    def transform(self, X, speakers=None, *, groups=None):
        """Scale each row by the statistics of its speaker.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, None or NaN where not known. Without it, all rows
            are of unknown speakers.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        X_scaled : ndarray or DataFrame of shape (n_samples, n_features)
            The scaled rows, float32 where X is float32.

        Raises
        ------
        ValueError
            If X or the length of the speakers is wrong, or a speaker is unknown while
            `unknown="error"`.
        """
        check_is_fitted(self)
        X = self._check_rows(X)
        codes, mean, scale = self._statistics(
            X, speakers, groups, fallbacks=["population", "batch"]
        )
        scaled = (X - mean[codes]) / scale[codes]
        if self.clip is not None:
            np.clip(scaled, -self.clip, self.clip, out=scaled)
        return scaled.astype(X.dtype, copy=False)

    def inverse_transform(self, X, speakers=None, *, groups=None):
        """Give scaled rows the mean and the deviation of their speaker.

        With other speakers than in `transform`, an utterance of the one becomes what
        it might have been from the other. What `clip` has cut off does not come back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled rows.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, None or NaN where not known. Without it, all rows
            are of unknown speakers.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the features, float32 where X is float32.

        Raises
        ------
        ValueError
            If X or the length of the speakers is wrong, or a speaker is unknown while
            `unknown` is not "population": the batch is gone.
        """
        check_is_fitted(self)
        X = self._check_rows(X)
        codes, mean, scale = self._statistics(
            X, speakers, groups, fallbacks=["population"]
        )
        return (X * scale[codes] + mean[codes]).astype(X.dtype, copy=False)

    def enroll(self, X, speakers, neutral=None):
        """Add speakers, or utterances of known ones, without their emotions.

        A speaker who is enrolled again has the statistics of all their utterances, as
        if they had come at once: pass each utterance once. With `balance`, what was
        guessed of the emotions of the former ones stays. To forget them, use another
        name. The average speaker stays as `fit` learnt it.

        Neutral utterances alone would make neutral speech the middle of a speaker's
        range. Those that are known to be neutral are therefore moved by
        `neutral_offset_`, to where the mean of all their speech is to be expected.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the utterances.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        neutral : bool or array-like of bool of shape (n_samples,), default=None
            Which utterances are known to be neutral; True for all, None or False for
            none.

        Returns
        -------
        self : SpeakerScaler

        Raises
        ------
        ValueError
            If X or the length of another array is wrong, a row has no speaker,
            `neutral` is no boolean, or it is True somewhere while `fit` learnt no
            neutral offset.
        """
        check_is_fitted(self)
        X = self._check_rows(X)
        codes, names = encode(check_labels(speakers, "speakers", len(X)))
        neutral = self._check_neutral(neutral, len(X))
        if neutral.any():
            X = np.where(neutral[:, None], X + self.neutral_offset_, X)
        known = self._find(names)
        is_new = known < 0
        speakers_ = np.concatenate([self.speakers_, names[is_new]])
        known[is_new] = np.arange(len(self.speakers_), len(speakers_))
        counts, means, variances = (
            np.concatenate([old, np.zeros((is_new.sum(), old.shape[1]), old.dtype)])
            for old in (self.counts_[:, None], self.means_, self.variances_)
        )
        so_far = counts[known], means[known], variances[known]
        count, mean, variance = moments(X, codes)
        mean = self._balance_means(X, codes, (count, mean, variance), so_far, ~neutral)
        counts[known], means[known], variances[known] = pool(
            *so_far, count, mean, variance
        )
        self.speakers_ = speakers_
        self.counts_, self.means_, self.variances_ = counts[:, 0], means, variances
        return self

    def _check_rows(self, X, *, reset=False):
        check_origin(self, X, reset=reset)
        return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])

    def _check_neutral(self, neutral, n_rows):
        """Return the mask of the known-neutral rows."""
        if neutral is None or isinstance(neutral, bool | np.bool_):
            neutral = np.full(n_rows, bool(neutral))
        else:
            neutral = check_labels(neutral, "neutral", n_rows)
            other = [flag for flag in neutral if not isinstance(flag, bool | np.bool_)]
            if other:
                raise ValueError(
                    "`neutral` must be None, a boolean or one boolean per row; got "
                    f"{other[0]!r}. Pass a mask such as `y == {self.neutral!r}`."
                )
            neutral = neutral.astype(bool)
        if neutral.any() and self.neutral_offset_ is None:
            raise ValueError(
                f"`neutral` marks {neutral.sum()} of {n_rows} rows as neutral, but "
                "`fit` learnt no neutral offset; it needs a y in which training "
                f"speakers have the class {self.neutral!r} and others. Set the "
                "parameter `neutral` of SpeakerScaler to the name of that class."
            )
        return neutral

    def _learn_offset(self, X, y, codes, counts, means):
        """Return the mean of a speaker less that of their neutral rows, on average."""
        labels = np.asarray(y)
        if labels.ndim != 1 or self.neutral is None:
            return None
        labels = check_labels(labels, "y", len(X), allow_missing=True)
        neutral = np.array([label == self.neutral for label in labels])
        if not neutral.any():
            return None
        speaking, own = np.unique(codes[neutral], return_inverse=True)
        neutral_counts, neutral_means, _ = moments(X[neutral], own)
        both = (neutral_counts < counts[speaking])[:, 0]
        if not both.any():
            return None
        return (means[speaking] - neutral_means)[both].mean(axis=0)

    def _learn_emotions(self, X, y, codes):
        """Learn what the emotions add, and what depends on it."""
        labels = np.full(len(X), None) if y is None else y
        labels = check_labels(labels, "y", len(X), allow_missing=True)
        emotions, names = encode(labels)
        told = emotions >= 0
        if not told.any():
            raise ValueError(
                "`balance=True` needs y, the emotions of the rows; pass them to `fit`, "
                "or set `balance=False`."
            )
        check_classification_targets(labels[told])
        speakers = np.unique(codes[told], return_inverse=True)[1]
        self._emotions = EmotionEffects(X[told], emotions[told], speakers, self.clip)
        self.population_mean_ = self._emotions.mean
        if self.shrinkage == "auto":
            self.shrinkage_ = self._emotions.shrinkage
        is_neutral = names == self.neutral
        if self.neutral_offset_ is not None:
            self.neutral_offset_ = -self._emotions.effects[is_neutral][0]

    def _balance_means(self, X, codes, own, so_far=None, guessed=True):
        """Return the means by code, less what the emotions of the rows add.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        codes : ndarray of shape (n_samples,)

        own : tuple of ndarray
            What `moments` says of the rows.

        so_far : tuple of ndarray, default=None
            The same of rows that came before.

        guessed : ndarray of shape (n_samples,) or True, default=True
            Of which rows the emotion is to be guessed; it adds nothing to the others.

        Returns
        -------
        means : ndarray of shape (n_codes, n_features)
        """
        counts, means, variances = own
        if self._emotions is None:
            return means
        so_far = [np.zeros_like(part) for part in own] if so_far is None else so_far
        balanced = means
        for _ in range(GUESSES):
            known = pool(*so_far, counts, balanced, variances)
            expected, _ = self._shrink(*known)
            probabilities = self._emotions.guess(X, expected[codes])
            probabilities *= np.reshape(guessed, (-1, 1))
            share = moments(probabilities, codes)[1]  # of each emotion, by code
            balanced = means - share @ self._emotions.effects
        return balanced

    def _shrink(self, counts, means, variances):
        """Return mean and variance of speakers, drawn towards the average one."""
        prior = self.shrinkage_, self.population_mean_, self.population_scale_**2
        return pool(*prior, counts, means, variances)[1:]

    def _find(self, names):
        """Return the position of each name in `speakers_`, -1 where it is not."""
        known = pd.Index(self.speakers_, dtype=object)
        return known.get_indexer(pd.Index(names, dtype=object))

    def _statistics(self, X, speakers, groups, *, fallbacks):
        """Return the codes of the rows' speakers, and mean and scale by code."""
        labels = check_speakers(speakers, groups, len(X), allow_missing=True)
        if labels is None:
            labels = np.full(len(X), None)
        codes, names = pd.factorize(labels, use_na_sentinel=False)
        known = self._find(names)
        met = known >= 0
        if self.unknown not in fallbacks and not met.all():
            first = names[~met][0]
            stranger = "rows without a speaker" if pd.isna(first) else repr(first)
            raise ValueError(
                f"SpeakerScaler knows {len(self.speakers_)} speakers, but not "
                f"{stranger}, and `unknown={self.unknown!r}` leaves no statistics to "
                "scale by; pass `speakers`, introduce new ones with `enroll`, or set "
                f"`unknown` to {' or '.join(map(repr, fallbacks))}."
            )
        # A count of 0 stands for a stranger, who so has the population's statistics.
        counts = np.zeros((len(names), 1))
        means, variances = np.zeros((2, len(names), X.shape[1]))
        counts[met, 0] = self.counts_[known[met]]
        means[met] = self.means_[known[met]]
        variances[met] = self.variances_[known[met]]
        if self.unknown == "batch" and not met.all():
            count, mean, variance = moments(X, codes)
            mean = self._balance_means(X, codes, (count, mean, variance))
            batch = count, mean, variance
            counts[~met], means[~met], variances[~met] = (part[~met] for part in batch)
        mean, variance = self._shrink(counts, means, variances)
        scale = np.sqrt(variance)
        return codes, mean, np.where(scale > 0, scale, self.population_scale_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = self.balance
        return tags


def is_transductive(estimator):
    """Whether what it says of a row depends on the other rows of its batch."""
    fitted = getattr(estimator, "best_estimator_", estimator)
    return any(
        isinstance(part, SpeakerScaler) and part.unknown == "batch"
        for part in [fitted, *fitted.get_params().values()]
    )
