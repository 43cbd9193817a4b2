"""Speaker normalisation: scale each speaker by their own statistics.

The scaler treats a speaker s as `shrinkage` pseudo-utterances of the average training
speaker, with mean μ and variance σ², together with the n known utterances of s. With
n = 0, s is the average speaker; with many utterances, only those of s count.
"""

from numbers import Real
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from .._validation._arrays import (
    check_labels,
    check_magnitude,
    check_rows,
    check_speakers,
    count_rows,
    encode,
)
from .._validation._attributes import kept_on_error
from .._validation._parameters import NOT_NEGATIVE, POSITIVE, Options, StrOptions
from ..exceptions import NoSpeakersWarning
from ._adaptation import choose, running, warn_of_no_adaptation
from ._emotions import EmotionEffects, move_neutral, neutral_offset
from ._moments import Moments, average_speaker, best_shrinkage, moments, pool
from ._names import warn_of_similar

DTYPES = [np.float64, np.float32]
SHRINKAGE = 5.0  # by default, where nothing tests another


class SpeakerScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Standardise each speaker's features by their own mean and deviation.

    What remains is how an utterance differs from the speaker's mean. This step improves
    the recognition of emotions of unseen speakers more than any other, provided that
    you have a few of their utterances, of any emotion, and pass them to :meth:`enroll`.

    With n known utterances of speaker s, their mean :math:`\bar x_s` and variance
    :math:`v_s`, a row x of s becomes :math:`(x - m_s) / d_s` with

    .. math::

        m_s &= \mu + w (\bar x_s - \mu), \qquad w = n / (n + \kappa) \\
        d_s^2 &= (1 - w) \sigma^2 + w v_s + w (1 - w) (\bar x_s - \mu)^2,

    the mean and the variance of those n utterances and of :math:`\kappa`
    pseudo-utterances, the `shrinkage`, of the average training speaker:
    :math:`\mu` is the mean of the training speakers' means, each speaker counting
    once, and :math:`\sigma^2` the variance of the training rows around their own
    speaker's mean. Speakers of a single row do not count in it; if all are such, it is
    the variance of the rows.

    Parameters
    ----------
    shrinkage : float, "auto" or None, default=None
        :math:`\kappa`: the number of a speaker's own utterances that weigh as much as
        the average speaker. 0 gives the plain z-score per speaker, and inf scales all
        speakers alike. The best value is
        the variance within speakers divided by that between them; "auto" estimates it
        for each feature from the training speakers. None is "auto" with
        ``unknown="adapt"``, where `fit` tests it, and otherwise 5, which was chosen by
        speaker-disjoint inner folds of EmoDB.

    balance : bool or "auto", default="auto"
        Whether to compare speakers as if they spoke in all emotions equally often. The
        scaler then takes mean and variance of the utterances without what their
        emotions add: `fit` learns from y what each emotion adds, the same for every
        speaker, and the scaler estimates the emotions of the utterances (see Notes).
        With "auto", `fit` chooses for ``unknown="adapt"`` (see there); otherwise "auto"
        is False. Whole numbers in y count as emotions: set False for ratings such as 1
        to 5.

    unknown : {"population", "adapt", "batch", "error"}, default="population"
        Statistics for a speaker who is neither in the training data nor enrolled, and
        for rows without a speaker (see Notes):

        - "population": the average training speaker, :math:`\mu` and
          :math:`\sigma`;
        - "adapt": for each row, the statistics of that speaker's rows up to and
          including it, in the order given. All rows without a speaker are those of one
          speaker. With ``balance="auto"``, `fit` leaves training speakers out and
          chooses what recognises their emotions best: adaptation with or without
          `balance`, or none (see Notes). Without emotions in y it adapts without
          `balance`;
        - "batch": the statistics of the rows passed to `transform`, separate for each
          unknown speaker, and pooled for all rows without a speaker;
        - "error": raise an error.

    clip : float or None, default=None
        Bound of the scaled values: values beyond `clip` or ``-clip`` are set to it. A
        new speaker's statistics come from few utterances, so that some values get
        larger than any in training; a bound of 3 or 4 limits their influence.

    neutral : str, int or None, default="neutral"
        The label in y of emotionally neutral speech. `fit` learns from it the distance
        between the mean of a speaker's neutral speech and the mean of all their speech.

    Attributes
    ----------
    speakers_ : ndarray of shape (n_speakers,)
        The known speakers: those of the training data, then the enrolled ones.

    counts_ : ndarray of shape (n_speakers,)
        Number of their utterances.

    means_, variances_ : ndarray of shape (n_speakers, n_features)
        Mean and variance of their utterances, before the shrinkage. With `balance`,
        both are without what the emotions add.

    shrinkage_ : ndarray of shape (n_features,)
        :math:`\kappa` of each feature. With "auto", inf where the speakers differ no
        more than expected by chance, or there is one speaker.

    population_mean_, population_scale_ : ndarray of shape (n_features,)
        :math:`\mu` and :math:`\sigma`, of the training speakers alone, and with
        `balance` without what the emotions add. The scale of a column that is constant
        within every speaker is 1.

    balance_ : bool
        Whether the statistics are balanced.

    adaptation_scores_ : DataFrame of shape (3, 3) or None
        What ``unknown="adapt"`` and ``balance="auto"`` chose from: the unweighted
        average recall of a linear discriminant on training speakers left out, for
        "none" (no adaptation), "moments" (without `balance`) and "emotions" (with
        `balance`), with the utterances of a speaker in three orders
        (:func:`~advser.speakers.utterance_order`). The highest mean is chosen. If it is
        of "none", `shrinkage_` is inf: the scaler scales all rows alike.

    neutral_offset_ : ndarray of shape (n_features,) or None
        A speaker's mean less the mean of their neutral utterances, averaged over the
        training speakers who have neutral and other utterances. None if there was no
        such speaker in `fit`, or no y.

    n_features_in_, feature_names_in_ : int, ndarray of shape (n_features,)
        Number of features in `fit`, and their names if all are strings.

    feature_origin_ : dict or None
        How the features were made, where X has this information
        (:func:`advser.audio.read_features`).

    Warns
    -----
    NoSpeakersWarning
        If you pass no speakers to `fit`: the scaler then does what
        :class:`~sklearn.preprocessing.StandardScaler` does. Also if you pass none to
        `transform` while ``unknown="adapt"``.

    AdaptationWarning
        If ``unknown="adapt"`` does not adapt: it chooses so, each training speaker has
        one emotion, or there are too few speakers or utterances to estimate
        `shrinkage`.

    UnknownSpeakerWarning
        If an unknown speaker has nearly the name of a known one, as 3 and "03".

    See Also
    --------
    Session : Adapts a fitted pipeline to speakers, utterance by utterance.
    enroll : Enrols speakers in a pipeline with a scaler.
    AdversarialSER : Learns an embedding without the speaker.
    sklearn.preprocessing.StandardScaler : One mean and deviation for all rows.

    Notes
    -----
    **Kinds of scores.** With ``unknown="population"``, a score is *inductive* for
    unknown speakers and *enrolled* after :meth:`enroll`; it is *adaptive* with "adapt",
    and *transductive* with "batch" or if you enrol the rows that are scored. Compare
    scores of one kind: see :ref:`knowledge`.

    **The time.** `balance`, and the choice of "auto", use the covariance of the
    features: the time of `fit` grows with the cube of their number. With 1,000 rows on
    one core, the choice takes half a second for 88 features, 5 s for 768 and half a
    minute for 1,536. Set `balance=False` for thousands of features.

    **When it fails.** Statistics per speaker assume that speakers differ little in
    their mix of emotions. If each speaker has one emotion, the speaker's mean *is* the
    emotion, and the scaler removes it. The same happens, to a smaller degree, if you
    enrol a speaker with angry utterances alone. Check with
    :func:`~advser.speakers.speaker_confounding` first.

    **Cross-validation.** With metadata routing on, ``params={"groups": speakers}`` of
    :func:`~sklearn.model_selection.cross_validate` goes to the splitter and to
    `fit` and `transform` of this step, in a pipeline too. With routing off, pass
    ``groups=speakers`` and ``params={"speakerscaler__groups": speakers}``. Both ways
    scale the training rows by speaker. The scored rows are scaled by speaker only with
    ``scoring=None`` and routing on: other scorers call ``predict(X)`` without speakers.
    All their rows, training rows too, are then those of one unknown speaker:
    "population" gives the right result for new speakers, "batch" and "adapt" do with
    :class:`~sklearn.model_selection.LeaveOneGroupOut` alone ("adapt" warns), and
    "error" makes the scores NaN, or raises an error with ``error_score="raise"``.

    **Balance.** The model is :math:`x = m_s + \delta_e + \epsilon` for an utterance of
    speaker s and emotion e. `fit` estimates the effects :math:`\delta` by least
    squares; "auto" compares the variances that remain without them. A linear
    discriminant estimates the emotions of utterances, with Ledoit and Wolf's estimate
    [1]_ of the covariance of :math:`\epsilon`, equal priors, and the current
    :math:`m_s`. The scaler subtracts from each utterance the expected effect, and takes
    mean and variance of what remains. It repeats both steps five times. It estimates
    the emotions of the training speakers too, so that their statistics are like those
    of new speakers. :math:`\mu` and :math:`\sigma^2` are those of the training rows
    without the effects of their labels. Later enrolments do not change earlier
    estimates. The scores of the discriminant are multiplied by a temperature [2]_ that
    suits training speakers left out.

    **Adaptation.** With ``unknown="adapt"``, utterance t of a new speaker is scaled by
    the formula above with n = t: utterances 1 to t of that speaker and nothing else.
    With `balance`, the scaler subtracts from each utterance what its emotion is
    expected to add, given the mean before it, and does not change this later.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88(2), 2004.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017, arXiv 1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> from advser import SpeakerScaler
    >>> X = np.array([[1.0], [3.0], [11.0], [13.0]])
    >>> scaler = SpeakerScaler(shrinkage=0)
    >>> scaler.fit_transform(X, speakers=["a", "a", "b", "b"]).ravel()
    array([-1.,  1., -1.,  1.])

    "c" is an unknown speaker, scaled as the average one, until you enrol two
    utterances:

    >>> scaler.transform([[23.0]], speakers=["c"])
    array([[16.]])
    >>> scaler.enroll([[21.0], [23.0]], ["c", "c"]).transform([[23.0]], speakers=["c"])
    array([[1.]])
    """

    # With metadata routing on, these arrive without a call of set_fit_request.
    __metadata_request__fit = {"speakers": True, "groups": True}
    __metadata_request__transform = {
        **__metadata_request__fit,
        "speakers_unlabeled": True,
    }
    __metadata_request__inverse_transform = __metadata_request__fit

    _parameter_constraints: dict = {
        "shrinkage": [
            NOT_NEGATIVE,
            Options(Real, {np.inf}),
            StrOptions({"auto"}),
            None,
        ],
        "balance": ["boolean", StrOptions({"auto"})],
        "unknown": [StrOptions({"population", "adapt", "batch", "error"})],
        "clip": [POSITIVE, None],
        "neutral": "no_validation",
    }

    def __init__(
        self,
        *,
        shrinkage: float | str | None = None,
        balance: bool | str = "auto",
        unknown: str = "population",
        clip: float | None = None,
        neutral: str | int | None = "neutral",
    ) -> None:
        self.shrinkage = shrinkage
        self.balance = balance
        self.unknown = unknown
        self.clip = clip
        self.neutral = neutral

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike | None = None,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn the statistics of the training speakers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,), default=None
            Emotions, None or NaN where not known. They serve `balance`, and the choice
            of ``unknown="adapt"``; otherwise only the class `neutral` is used.

        speakers, groups : array-like of shape (n_samples,), default=None
            Speaker of each row, by either name; `speakers` has precedence.

        Returns
        -------
        self : SpeakerScaler

        Raises
        ------
        ValueError
            If a parameter, X or the length of another array is wrong, a row has no
            speaker, or y has no classes while `balance` needs them.
        """
        self._validate_params()
        with kept_on_error(self):
            X = self._check_rows(X, reset=True)
            speakers = check_speakers(speakers, groups, len(X))
            if speakers is None:
                warn(
                    "SpeakerScaler was fitted without `speakers` (or `groups`), so it "
                    "scales all rows alike, as StandardScaler does; pass "
                    "`speakers=`, one label per row, to scale by speaker.",
                    NoSpeakersWarning,
                    stacklevel=2,
                )
                codes = np.zeros(len(X), dtype=np.int64)
                names = np.empty(0, dtype=object)
            else:
                codes, names = encode(speakers)
            own = moments(X, codes)
            mean, variance = average_speaker(own)
            offset = neutral_offset(X, y, codes, own, self.neutral)
            balance, adapts, scores = self._must_balance, True, None
            if self.balance == "auto" and self.unknown == "adapt":
                balance, adapts, scores = choose(self, X, y, codes)
            shrinkage = self.shrinkage
            if shrinkage is None:
                shrinkage = "auto" if self.unknown == "adapt" else SHRINKAGE
            if not adapts:
                shrinkage = np.inf
            emotions = EmotionEffects(X, y, codes, self.clip) if balance else None
            if emotions is not None:
                mean = emotions.mean
                # A feature that emotions explain to the last bit keeps its variance.
                is_left = emotions.variance > np.finfo(float).eps * variance
                variance = np.where(is_left, emotions.variance, variance)
                if offset is not None:
                    offset = -emotions.effects[emotions.names == self.neutral][0]
            if shrinkage == "auto":
                of_rows, _ = best_shrinkage(own)
                shrinkage = of_rows if emotions is None else emotions.shrinkage
                is_asked = self.unknown == "adapt" and speakers is not None
                if is_asked and np.isinf(shrinkage).all():
                    warn_of_no_adaptation(
                        " and scales all rows alike: there are too few training "
                        f"speakers ({len(names)}) or utterances ({len(X)}) to estimate "
                        "the shrinkage, or the speakers do not differ. Set `shrinkage` "
                        f"to a number, such as {SHRINKAGE:g}, to adapt nevertheless.",
                        stacklevel=2,
                    )
            self.population_mean_ = mean
            self.population_scale_ = np.sqrt(np.where(variance > 0, variance, 1.0))
            self.neutral_offset_ = offset
            self.balance_ = balance
            self.adaptation_scores_: pd.DataFrame | None = scores
            self.shrinkage_ = np.full(X.shape[1], shrinkage, dtype=float)
            self._emotions = emotions
            self.speakers_ = names
            self._store(self._moments(X, codes))
        return self

    def fit_transform(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike | None = None,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        speakers_unlabeled: npt.ArrayLike | None = None,
    ) -> np.ndarray | pd.DataFrame:
        """Learn the statistics of the training speakers and scale their rows.

        Parameters
        ----------
        X, y, speakers, groups : as in :meth:`fit`

        speakers_unlabeled : array-like, default=None
            Ignored; a pipeline passes it on with what `transform` requests.

        Returns
        -------
        X_scaled : ndarray or DataFrame of shape (n_samples, n_features)
            The scaled rows, float32 where X is float32.
        """
        return self.fit(X, y, speakers, groups=groups).transform(
            X, speakers, groups=groups
        )

    def transform(
        self,
        X: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        speakers_unlabeled: npt.ArrayLike | None = None,
    ) -> np.ndarray | pd.DataFrame:
        """Scale each row by the statistics of its speaker.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        speakers, groups : array-like of shape (n_samples,), default=None
            As in `fit`, None or NaN where not known. Without them, all rows are of
            unknown speakers.

        speakers_unlabeled : array-like, default=None
            Speakers of the unlabelled rows of a pipeline with
            ``transform_input=["X_unlabeled"]``. Its `fit` passes these rows as X, and
            the speakers of the labelled rows as well. `speakers_unlabeled` is used if
            it alone has the length of X, or if both have it and `speakers` are those
            of `fit`.

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
        given = groups if speakers is None else speakers
        if self._are_unlabeled(X, given, speakers_unlabeled):
            speakers, groups = speakers_unlabeled, None
        X, mean, scale = self._statistics(
            X, speakers, groups, fallbacks=["population", "adapt", "batch"]
        )
        return self._scale(X, mean, scale)

    def inverse_transform(
        self,
        X: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> np.ndarray:
        """Restore the mean and the deviation of each row's speaker.

        Pass other speakers than to `transform` to convert an utterance from one speaker
        to another. It does not restore what `clip` has cut off.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled rows.

        speakers, groups : array-like of shape (n_samples,), default=None
            As in `transform`.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the features, float32 where X is float32.

        Raises
        ------
        ValueError
            If X or the length of the speakers is wrong, or a speaker is unknown while
            `unknown` is not "population": the statistics of a batch are not stored.
        """
        X, mean, scale = self._statistics(X, speakers, groups, fallbacks=["population"])
        return (X * scale + mean).astype(X.dtype, copy=False)

    def enroll(
        self,
        X: npt.ArrayLike,
        speakers: npt.ArrayLike,
        neutral: bool | npt.ArrayLike | None = None,
    ) -> Self:
        """Add new speakers, or utterances of known ones, without their emotions.

        If you enrol a speaker again, the scaler has the statistics of all their
        utterances, as if you had passed them at once: pass each utterance once. With
        `balance`, earlier estimates of emotions do not change, so that the statistics
        depend on how you divide the utterances among calls. To start again, use another
        name. The average speaker stays as `fit` learnt it.

        With neutral utterances alone, the mean of a speaker would be that of neutral
        speech. The scaler therefore moves the utterances that you mark as neutral by
        `neutral_offset_`, to the expected mean of all their speech.

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
        X, is_neutral = move_neutral(X, neutral, self.neutral_offset_, self.neutral)
        position, known = self._look_up(names, stacklevel=4)
        pooled = pool(known, self._moments(X, codes, known, ~is_neutral))
        is_new = position < 0
        n_new = is_new.sum()
        self.speakers_ = np.concatenate([self.speakers_, names[is_new]])
        position[is_new] = np.arange(-n_new, 0)  # the last rows
        whole = Moments(*(np.pad(part, ((0, n_new), (0, 0))) for part in self._known))
        for part, new in zip(whole, pooled):
            part[position] = new
        self._store(whole)
        return self

    def _check_rows(self, X, reset=False):
        """Return the features as an array whose moments are finite."""
        X = check_rows(self, X, reset=reset, dtype=DTYPES)
        check_magnitude(X, "X")
        return X

    def _are_unlabeled(self, X, speakers, speakers_unlabeled):
        """Whether rows to transform are the unlabelled ones of a fit of a pipeline.

        A score of the pipeline passes `speakers_unlabeled`, too, with rows and speakers
        other than those of the fit.
        """
        if speakers is None and speakers_unlabeled is None:
            return False
        n_rows = count_rows(X)
        n_speakers = None if speakers is None else count_rows(speakers, "speakers")
        if speakers_unlabeled is None:
            if n_speakers != n_rows and n_speakers == self.counts_.sum():
                raise ValueError(
                    f"`speakers` has {n_speakers} entries, as in `fit`, and `X` has "
                    f"{n_rows} rows; pass one label per row of `X`. For unlabelled "
                    "rows by `transform_input` of a pipeline, pass "
                    "`speakers_unlabeled`."
                )
            return False
        if count_rows(speakers_unlabeled, "speakers_unlabeled") != n_rows:
            return False
        if n_speakers != n_rows:
            return True
        labels = check_labels(speakers, "speakers", n_rows, allow_missing=True)
        found = pd.Series(labels, dtype=object).value_counts(dropna=False)
        return found.to_dict() == dict(zip(self.speakers_, self.counts_))

    @property
    def _must_balance(self) -> bool:
        return self.balance != "auto" and bool(self.balance)

    @property
    def _known(self):
        return Moments(self.counts_[:, None], self.means_, self.variances_)

    def _store(self, known):
        """Keep the statistics of `speakers_`."""
        counts, self.means_, self.variances_ = (
            part[: len(self.speakers_)] for part in known
        )
        self.counts_ = counts[:, 0]

    def _look_up(self, names, stacklevel=5):
        """Return positions in `speakers_`, -1 for an unknown name, and the statistics.

        Those of an unknown name are 0, with a count of 0.
        """
        known = pd.Index(self.speakers_, dtype=object)
        names = pd.Index(names, dtype=object)
        position = known.get_indexer(names)
        warn_of_similar(names[position < 0], known, stacklevel)
        # Position -1 is the row of zeros.
        padded = (np.pad(part, ((0, 1), (0, 0))) for part in self._known)
        return position, Moments(*(part[position] for part in padded))

    @property
    def _average(self):
        """The average training speaker, as `shrinkage` pseudo-utterances."""
        return Moments(
            self.shrinkage_, self.population_mean_, self.population_scale_**2
        )

    def _moments(self, X, codes, before=None, has_effect=True):
        """Return the statistics of the rows of each code, balanced if asked for."""
        if self._emotions is None:
            return moments(X, codes)
        return self._emotions.statistics(
            X, codes, before, average=self._average, has_effect=has_effect
        )

    def _statistics(self, X, speakers, groups, *, fallbacks):
        """Return the checked rows, with mean and scale of the speaker of each."""
        check_is_fitted(self)
        X = self._check_rows(X)
        labels = check_speakers(speakers, groups, len(X), allow_missing=True)
        if labels is None:
            labels = np.full(len(X), None)
        codes, names = pd.factorize(labels, use_na_sentinel=False)
        position, known = self._look_up(names)
        is_new = position < 0
        if self.unknown not in fallbacks and is_new.any():
            name = names[is_new][0]
            unknown = "rows without a speaker" if pd.isna(name) else repr(name)
            raise ValueError(
                f"SpeakerScaler knows {len(self.speakers_)} speakers, but not "
                f"{unknown}, and `unknown={self.unknown!r}` leaves no statistics to "
                "scale by; pass `speakers`, introduce new ones with `enroll`, or set "
                f"`unknown` to {' or '.join(map(repr, fallbacks))}."
            )
        if self.unknown == "batch" and is_new.any():
            pairs = zip(self._moments(X, codes), known)
            known = Moments(*(np.where(is_new[:, None], *pair) for pair in pairs))
        if self.unknown == "adapt" and is_new.any():
            if len(X) > 1 and speakers is None and groups is None:
                warn(
                    f"SpeakerScaler got {len(X)} rows without `speakers` (or `groups`) "
                    "and adapts to them as to one speaker; pass the speaker of each.",
                    NoSpeakersWarning,
                    stacklevel=4,
                )
            adapted = is_new[codes]
            after = self._running(X[adapted], codes[adapted], known)
            known = Moments(*(part[codes] for part in known))  # by row from here on
            codes = np.arange(len(X))
            for part, running_part in zip(known, after):
                part[adapted] = running_part
        mean, scale = self._shrink(known)
        return X, mean[codes], scale[codes]

    def _running(self, X, codes, known):
        """Return the statistics after each row, starting from the known ones."""
        return running(X, codes, known, self._average, self._emotions)

    def _shrink(self, known):
        """Return mean and scale to use for speakers of whom these moments are known.

        An unknown speaker with a count of 0 has the statistics of the average one.
        """
        _, mean, variance = pool(self._average, known)
        scale = np.sqrt(variance)
        return mean, np.where(scale > 0, scale, self.population_scale_)

    def _scale(self, X, mean, scale):
        scaled = (X - mean) / scale
        if self.clip is not None:
            np.clip(scaled, -self.clip, self.clip, out=scaled)
        return scaled.astype(X.dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.target_tags.required = self._must_balance
        return tags
