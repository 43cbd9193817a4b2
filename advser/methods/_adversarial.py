"""Speech emotion recognition against a speaker adversary: four games.

The games are in `advser.objectives._closed_form` (an adversary in closed form), `advser.objectives._grl` (gradient
reversal) and `advser.objectives._entropy` (maximum entropy and confusion); without an
adversary the network is that of `advser._engine._networks`.
"""

from functools import partial
from numbers import Integral, Real
from warnings import warn

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from .._engine._networks import EmotionNetwork, SpeakerHead
from .._validation import check_layer_sizes
from ..exceptions import NoSpeakersWarning
from ..nn import linear
from ..objectives._closed_form import RidgeNetwork
from ..objectives._entropy import MaxEntropyNetwork
from ..objectives._grl import DomainAdversarialNetwork
from ..speakers._confounding import warn_if_confounded
from ._base import BaseSERClassifier, BaseSERRegressor

__all__ = ["AdversarialSER", "AdversarialSERRegressor"]

GAMES = {
    "ridge": RidgeNetwork,
    "grl": DomainAdversarialNetwork,
    "entropy": partial(MaxEntropyNetwork, objective="entropy"),
    "confusion": partial(MaxEntropyNetwork, objective="confusion"),
}


class _SpeakerGame:
    """The game against the speaker, whatever is told of the emotion.

    An estimator names the codes that a conditional adversary goes by, `_condition`.
    """

    _parameter_constraints: dict = {
        "adversary": [StrOptions(set(GAMES)), None],
        "adversary_weight": [Interval(Real, 0, None, closed="left")],
        "adversary_steps": [Interval(Integral, 1, None, closed="left")],
        "adversary_alpha": [Interval(Real, 0, None, closed="neither")],
        "adversary_hidden_layer_sizes": ["array-like"],
        "ramp": [Interval(Real, 0, None, closed="left")],
        "conditional": ["boolean"],
        "bounded": ["boolean"],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
    }

    _weight_decay = 0.0  # a term of the loss, which leaves the adversary its strength

    def fit(
        self,
        X,
        y,
        speakers=None,
        *,
        groups=None,
        sample_weight=None,
        X_unlabeled=None,
        speakers_unlabeled=None,
    ):
        """Train the network on labelled utterances of several speakers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row per utterance, raw or scaled.

        y : array-like of shape (n_samples,)
            Emotions. A regressor takes ratings, also of shape (n_samples, n_outputs),
            with NaN for a missing one; a row without any is like one of X_unlabeled.

        speakers : array-like of shape (n_samples,), default=None
            Who speaks: strings, integers, a pandas column. None or NaN stands for an
            unknown speaker.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them, so that one array drives
            both the splitter and the adversary. Ignored where `speakers` is given.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in every term of the loss.

        X_unlabeled : array-like of shape (n_unlabeled, n_features), default=None
            Utterances without a label, for the adversary alone.

        speakers_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their speakers, as far as known.

        Returns
        -------
        self : object
            The fitted estimator.

        Warns
        -----
        NoSpeakersWarning
            If there are not two speakers at least: the network is then trained
            without the adversary.

        ConfoundedSpeakersWarning
            If the speakers tell most of the emotion (an adjusted mutual information
            above one half, see :func:`~advser.speakers.speaker_confounding`) and
            the game is not played within each emotion.
        """
        return self._fit(
            X,
            y,
            sample_weight,
            {"speakers": speakers, "groups": groups},
            X_unlabeled,
            {"speakers_unlabeled": speakers_unlabeled},
        )

    def _build_encoder(self, standardize, generator):
        """Return the encoder, whose layers see no feature beyond the bound."""
        encoder = super()._build_encoder(standardize, generator)
        if self.clip is not None:
            encoder.insert(1, nn.Hardtanh(-self.clip, self.clip))
        return encoder

    def _build_module(self, data, generator):
        encoder = self._build_encoder(data.standardize, generator)
        outputs, n_outputs = self._build_outputs(data)
        n_speakers = data.n_codes["speaker"]
        emotion_head = linear(self.embedding_dim, n_outputs, None)
        if self.adversary is None:
            return EmotionNetwork(
                encoder, emotion_head, outputs=outputs, alpha=self.alpha
            )
        if n_speakers < 2:
            warn(
                f"`adversary={self.adversary!r}` needs two speakers at least and has "
                f"{n_speakers}: the network is trained without it. Pass the speaker "
                "of each row as `speakers` to fit, or set `adversary=None`.",
                NoSpeakersWarning,
                stacklevel=4,
            )
            return EmotionNetwork(
                encoder, emotion_head, outputs=outputs, alpha=self.alpha
            )
        check_layer_sizes(
            self.adversary_hidden_layer_sizes, "adversary_hidden_layer_sizes"
        )
        if (
            not self.conditional
            and self.adversary_weight > 0
            and "emotion" in data.codes
        ):
            warn_if_confounded(
                data.codes["emotion"],
                data.codes["speaker"],
                setting=f"adversary={self.adversary!r}",
                remedy="Play within each emotion with `conditional=True`, or leave the "
                "speaker in with `adversary=None`.",
                stacklevel=4,
            )
        settings = {
            "weight": self.adversary_weight,
            "steepness": self.ramp,
            "outputs": outputs,
            "alpha": self.alpha,
        }
        if self.adversary == "ridge":
            return RidgeNetwork(
                encoder,
                emotion_head,
                n_speakers,
                ridge=self.adversary_alpha,
                conditional=self.conditional,
                **settings,
            )
        if self.adversary == "grl":
            settings["bounded"] = self.bounded
        return GAMES[self.adversary](
            encoder,
            emotion_head,
            self._build_speaker_head(data, generator),
            n_adversary_steps=self.adversary_steps,
            **settings,
        )

    def _build_speaker_head(self, data, generator):
        """Return the head of a game whose adversary learns."""
        n_speakers = data.n_codes["speaker"]
        support = None
        if self.conditional:
            support = torch.zeros(data.n_codes[self._condition], n_speakers)
            kind, speaker = data.codes[self._condition], data.codes["speaker"]
            known = np.minimum(kind, speaker) >= 0
            support[kind[known], speaker[known]] = 1
        return SpeakerHead(
            self.embedding_dim,
            self.adversary_hidden_layer_sizes,
            n_speakers,
            generator,
            support,
        )


class AdversarialSER(_SpeakerGame, BaseSERClassifier):
    r"""Emotion classifier whose embedding hides the speaker from an adversary.

    An encoder E and an emotion head C learn the emotion, while a speaker head A, the
    adversary, tries to tell the speaker from the embedding :math:`h = E(x)`. The
    encoder is trained to let it fail, so that what it learns carries over to speakers
    it has never heard. How A is made to fail is the choice of the `adversary`:

    - ``"ridge"``, in closed form [6]_: A is a linear ridge regression of the speaker,
      solved on every batch; E and C descend
      :math:`\mathrm{CE}(C(h), e) + \lambda \max_A R^2(A, h, s)`.
    - ``"grl"``, gradient reversal [1]_ [2]_: one joint step on
      :math:`\mathrm{CE}(C(h), e) + \mathrm{CE}(A(\mathrm{GRL}_\lambda(h)), s)`;
      the encoder climbs the loss that A descends.
    - ``"entropy"``, maximum entropy [3]_: A learns the speaker from the frozen
      embedding, then E and C descend
      :math:`\mathrm{CE}(C(h), e) - \lambda H(A(h)) / \log S`.
    - ``"confusion"`` [4]_: the same two moves with the cross-entropy to the uniform
      choice in place of the entropy, whose gradient does not die where A is certain.
    - ``None``: no adversary; the plain network, as the baseline.

    Features may be raw: the network standardises them by the training rows.

    Parameters
    ----------
    adversary : {"ridge", "grl", "entropy", "confusion"} or None, default="ridge"
        The game between encoder and speaker head.

    adversary_weight : float, default=0.2
        :math:`\lambda`, the weight of the speaker in what the encoder minimises. 0
        gives the network that `adversary=None` gives, but for rounding. The papers
        print no value for functionals.

    adversary_steps : int, default=2
        Updates of the speaker head per update of the encoder. Gradient reversal has
        one in its joint step; further ones come before it. "ridge" needs none.

    adversary_alpha : float, default=0.01
        Penalty of the regression of "ridge", in units of the mean variance of the
        dimensions of the embedding. The smaller, the fainter the traces of the speaker
        that count, and the more of them are chance of the batch.

    adversary_hidden_layer_sizes : array-like of int, default=()
        Hidden layers of the speaker head; none for a linear one, which that of "ridge"
        always is.

    ramp : float, default=10.0
        :math:`\gamma` of the schedule
        :math:`\lambda(p) = \lambda \, (2 / (1 + e^{-\gamma p}) - 1)`, with the
        training progress p from 0 to 1. 10 is the value of [2]_. 0 keeps the full
        weight throughout.

    conditional : bool, default=False
        Whether the game is played within each emotion [5]_: the speaker head sees the
        embedding together with the emotion, and chooses among the speakers who were
        heard with it. For corpora whose speakers differ in their mix of emotions,
        where hiding the speaker would else hide the emotion.

    bounded : bool, default=True
        Whether ``"grl"`` leaves off where A is no better than chance: the
        :math:`\lambda` of each row then counts as much as
        :func:`~advser.objectives.lead_over_chance` says. False is the game of [1]_ [2]_,
        which has no end, and wants a weight of 0.1 or less. The other games have a
        bound of their own.

    clip : float or None, default=2.0
        Bound of the standardised features: what lies beyond ±`clip` standard
        deviations is set to it, so that single outliers, of which functionals have
        many, decide nothing. None for no bound. Above it the features have no
        gradient.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers.

    embedding_dim : int, default=64
        Width of the embedding, the encoder's last layer.

    dropout : float, default=0.0
        Probability that a unit of the encoder is left out of a training step. `alpha`
        regularises better, see :doc:`/guide/defaults`.

    alpha : float, default=0.04
        L2 penalty: ``alpha / 2`` times the sum of the squared weights of the encoder
        and of the emotion head is added to their loss. The speaker head has none.

    lr : float, default=0.001
        Learning rate of Adam.

    max_epochs : int, default=60
        Passes over the training rows.

    batch_size : int, default=64
        Rows per training step.

    class_weight : "balanced", dict {label: weight} or None, default="balanced"
        Weights of the emotions in the loss. "balanced" gives each the same total
        weight, as the unweighted average recall (UAR) does, by which the field
        compares.

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when their UAR has not risen for
        `n_iter_no_change` epochs, and keep the weights of the best epoch.

    validation_fraction : float, default=0.2
        Share of the speakers set aside for early stopping.

    n_iter_no_change : int, default=20
        Epochs without a better validation UAR before the training stops.

    warm_start : bool, default=False
        Whether a further `fit` goes on from the last, with the same emotions and
        speakers. It takes up a change of `lr` and `max_epochs`; what else is set stays
        as it was. The ramp starts anew.

    device : str or torch.device, default="cpu"
        Where the network and its training rows live.

    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the training; copies are used.

    verbose : int, default=0
        Whether to print a line per epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows and the dropout masks.
        An int gives the same network, bit for bit, on every call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The emotions, sorted.

    speakers_ : ndarray of shape (n_speakers,)
        The speakers of the training rows, in order of appearance.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module.

    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, and the validation scores where there are
        any.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a DataFrame with string columns.

    feature_origin_ : dict or None
        How the features were made, where X tells it
        (:func:`advser.audio.read_features`).

    See Also
    --------
    advser.SpeakerScaler : Statistics of the speaker; often worth more than any
        adversary.
    advser.evaluation.speaker_leakage : How much of the speaker an independent probe finds
        in the embedding.
    advser.speakers.speaker_confounding : Whether the speakers tell the emotion, so
        that the game should be `conditional`.

    Notes
    -----
    **Judging invariance.** The adversary's own loss says little: a head that lost its
    game may have lost it to an encoder that still holds the speaker. Train a fresh
    probe with `advser.evaluation.speaker_leakage`.

    **Unlabelled rows** carry no emotion loss, but take part in the game under their
    speakers; those of no known speaker form one domain more. Rows of the very speakers
    that the classifier is then scored on make that score *transductive*.

    **Differences from the papers.**

    - Input are functionals of one utterance; [1]_ also uses text and the utterances
      around, [3]_ frames. The networks are multilayer perceptrons accordingly.
    - The weights of the speaker terms, the layer sizes and the number of adversary
      steps are parameters, since the public texts do not settle them.
    - The entropy is divided by :math:`\log S`, so that a weight means the same for
      any number of speakers.
    - Gradient reversal is bounded, see `bounded`; ``bounded=False`` is that of the
      papers.
    - [3]_ does not ramp its weight; ``ramp=0`` is that.
    - In [6]_, adversary and target task are kernel ridge regressions. Here the
      adversary is a linear one, with a penalty in proportion to the variance of the
      embedding; the emotion head is trained as in the other games. With `conditional`,
      what the emotion explains of embedding and speaker is taken off first.
    - Features are bounded, and regularised by an L2 penalty, not by dropout; where
      there is any, it uses one mask per batch.

    References
    ----------
    .. [1] Z. Lian, J. Tao, B. Liu, J. Huang, "Domain adversarial learning for emotion
       recognition", 2019, arXiv 1910.13807.
    .. [2] Y. Ganin et al., "Domain-adversarial training of neural networks", Journal
       of Machine Learning Research 17, 2016, arXiv 1505.07818.
    .. [3] H. Li, M. Tu, J. Huang, S. Narayanan, P. Georgiou, "Speaker-invariant
       affective representation learning via adversarial training", ICASSP 2020,
       arXiv 1911.01533.
    .. [4] E. Tzeng, J. Hoffman, T. Darrell, K. Saenko, "Simultaneous deep transfer
       across domains and tasks", ICCV 2015, arXiv 1510.02192.
    .. [5] M. Long, Z. Cao, J. Wang, M. I. Jordan, "Conditional adversarial domain
       adaptation", NeurIPS 2018, arXiv 1705.10667.
    .. [6] B. Sadeghi, L. Wang, V. N. Boddeti, "Adversarial representation learning with
       closed-form solvers", ECML PKDD 2021, arXiv 2109.05535.

    Examples
    --------
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> known = speakers != "03"
    >>> ser = AdversarialSER(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[known], y[known], speakers=speakers[known])
    >>> ser.score(X[~known], y[~known]) > 0.6
    True
    """

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        **_SpeakerGame._parameter_constraints,
    }
    _condition = "emotion"

    def __init__(
        self,
        adversary="ridge",
        *,
        adversary_weight=0.2,
        adversary_steps=2,
        adversary_alpha=0.01,
        adversary_hidden_layer_sizes=(),
        ramp=10.0,
        conditional=False,
        bounded=True,
        clip=2.0,
        hidden_layer_sizes=(128,),
        embedding_dim=64,
        dropout=0.0,
        alpha=0.04,
        lr=0.001,
        max_epochs=60,
        batch_size=64,
        class_weight="balanced",
        early_stopping=False,
        validation_fraction=0.2,
        n_iter_no_change=20,
        warm_start=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.adversary = adversary
        self.adversary_weight = adversary_weight
        self.adversary_steps = adversary_steps
        self.adversary_alpha = adversary_alpha
        self.adversary_hidden_layer_sizes = adversary_hidden_layer_sizes
        self.ramp = ramp
        self.conditional = conditional
        self.bounded = bounded
        self.clip = clip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state


class AdversarialSERRegressor(_SpeakerGame, BaseSERRegressor):
    r"""Regressor of dimensional emotion whose embedding hides the speaker.

    It rates utterances on continuous scales, arousal, valence and dominance for
    instance, several of them at once from one embedding. The game against the speaker
    is that of `AdversarialSER`, with the loss of the ratings in place of
    :math:`\mathrm{CE}(C(h), e)`.

    Ratings may be on any scale, and some of a row may be missing. Predictions stay
    within the range of the training ratings.

    Parameters
    ----------
    adversary : {"ridge", "grl", "entropy", "confusion"} or None, default="entropy"
        The game between encoder and speaker head.

    loss : {"ccc", "mse", "huber"}, default="ccc"
        What is minimised for each target: :math:`1 - \rho_c`, with the concordance
        correlation coefficient [1]_ of the batch

        .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
            {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2},

        the measure by which the field compares; the squared error; or Huber's loss. The
        last two are taken of standardised ratings.

    huber_delta : float, default=1.0
        Where Huber's loss turns from square to linear, in standard deviations.

    target_weights : array-like of shape (n_outputs,) or None, default=None
        Weights of the targets in the loss; None for equal ones.

    n_bins : int, default=3
        With `conditional`, each target is cut at its quantiles into as many bins. The
        game is played within each combination of bins, of which there are `n_bins` to
        the power of the number of targets.

    adversary_weight : float, default=0.5
        As in `AdversarialSER`, where another is the default.

    adversary_steps, adversary_alpha : object
        As in `AdversarialSER`.

    adversary_hidden_layer_sizes : object
        As in `AdversarialSER`.

    ramp, conditional, bounded : object
        As in `AdversarialSER`.

    clip : float or None, default=None
        As in `AdversarialSER`, whose defaults for this and for `dropout` and `alpha`
        were chosen for categories of emotion, not for ratings.

    hidden_layer_sizes, embedding_dim : object
        As in `AdversarialSER`.

    dropout : float, default=0.3
        As in `AdversarialSER`.

    alpha : float, default=0.0
        As in `AdversarialSER`.

    lr, max_epochs, batch_size : object
        As in `AdversarialSER`.

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when the concordance of their ratings
        has not risen for `n_iter_no_change` epochs, and keep the weights of the best
        epoch.

    validation_fraction, n_iter_no_change, warm_start : object
        As in `AdversarialSER`.

    device, callbacks, verbose, random_state : object
        As in `AdversarialSER`.

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.

    speakers_ : ndarray of shape (n_speakers,)
        The speakers of the training rows, in order of appearance.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module, which returns
        ratings on the scales of the raters.

    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, and the validation scores where there are
        any.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a DataFrame with string columns.

    feature_origin_ : dict or None
        How the features were made, where X tells it
        (:func:`advser.audio.read_features`).

    See Also
    --------
    AdversarialSER : The same for categories of emotion.
    advser.metrics.concordance_correlation : The score of the field.

    Notes
    -----
    **Concordance and the batch.** :math:`\rho_c` is no mean over rows: it is taken of
    the ratings of a batch, and what is minimised is the mean over batches of one minus
    it, which is not one minus that of all rows. The smaller the batches and the closer
    together their ratings, the more the two differ, and the noisier the gradient; with
    fewer than some 30 rows the squared error is the safer choice. Variances are divided
    by the number of rows, as in [1]_.

    **Missing ratings** are NaN in `y`. A row without any trains the adversary alone.

    `score` is the coefficient of determination, as of all regressors of scikit-learn.

    **Differences from the papers.** Those of `AdversarialSER`. Of its papers, only
    "grl" was published for continuous ratings, by others [2]_; the other games carry
    over as they are.

    References
    ----------
    .. [1] L. I.-K. Lin, "A concordance correlation coefficient to evaluate
       reproducibility", Biometrics 45, 1989.
    .. [2] M. Abdelwahab, C. Busso, "Domain adversarial for acoustic emotion
       recognition", IEEE/ACM Transactions on Audio, Speech, and Language Processing
       26, 2018, arXiv 1804.07690.

    Examples
    --------
    >>> import numpy as np
    >>> from advser import AdversarialSERRegressor
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> loud = X[:, [10]] - X[:, [10]].mean()  # in place of raters
    >>> known = speakers != "03"
    >>> ser = AdversarialSERRegressor(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[known], loud[known], speakers=speakers[known])
    >>> ser.predict(X[~known]).shape == loud[~known].shape
    True
    """

    _parameter_constraints: dict = {
        **BaseSERRegressor._parameter_constraints,
        **_SpeakerGame._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
    }
    _condition = "bin"

    def __init__(
        self,
        adversary="entropy",
        *,
        loss="ccc",
        huber_delta=1.0,
        target_weights=None,
        n_bins=3,
        adversary_weight=0.5,
        adversary_steps=2,
        adversary_alpha=0.01,
        adversary_hidden_layer_sizes=(),
        ramp=10.0,
        conditional=False,
        bounded=True,
        clip=None,
        hidden_layer_sizes=(128,),
        embedding_dim=64,
        dropout=0.3,
        alpha=0.0,
        lr=0.001,
        max_epochs=60,
        batch_size=64,
        early_stopping=False,
        validation_fraction=0.2,
        n_iter_no_change=20,
        warm_start=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.adversary = adversary
        self.loss = loss
        self.huber_delta = huber_delta
        self.target_weights = target_weights
        self.n_bins = n_bins
        self.adversary_weight = adversary_weight
        self.adversary_steps = adversary_steps
        self.adversary_alpha = adversary_alpha
        self.adversary_hidden_layer_sizes = adversary_hidden_layer_sizes
        self.ramp = ramp
        self.conditional = conditional
        self.bounded = bounded
        self.clip = clip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def _encode_targets(self, targets):
        """Return the combination of bins of each row, -1 where a rating is missing."""
        if not self.conditional:
            return {}, {}
        if not self._goes_on:
            shares = np.arange(1, self.n_bins) / self.n_bins
            self._bin_edges = np.nanquantile(targets, shares, axis=0).T
        is_complete = ~np.isnan(targets).any(axis=1)
        bins = [
            np.searchsorted(edges, ratings, side="right")
            for edges, ratings in zip(self._bin_edges, targets[is_complete].T)
        ]
        shape = (self.n_bins,) * len(bins)
        codes = np.full(len(targets), -1)
        codes[is_complete] = np.ravel_multi_index(bins, shape)
        return {"bin": codes}, {"bin": self.n_bins ** len(bins)}
