r"""Speech emotion recognition on an embedding that is trained by an objective.

An encoder E and an emotion head C minimise an objective of `advser.objectives`:

.. math:: \min_{E, C} \; L(h, C(h), e, s), \qquad h = E(x)

Adversarial objectives hide the speaker s in the embedding h. Without one, the objective
is the loss of the emotion e alone.
"""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .. import objectives
from .._engine import default_torch
from .._validation._parameters import NOT_NEGATIVE, Number, StrOptions
from ..exceptions import NoSpeakersWarning
from ..nn import GaussianDropout, linear
from ..objectives import EmpiricalRisk, Objective
from ..speakers._confounding import warn_if_confounded
from ._adversarial_network import AdversarialNetwork
from ._base import BaseSER
from ._predictors import BaseSERClassifier, BaseSERRegressor

OBJECTIVES = {
    "closed_form": objectives.ClosedForm,
    "confusion": objectives.Confusion,
    "coral": objectives.CORAL,
    "entropy": objectives.MaxEntropy,
    "grl": objectives.GradientReversal,
    "group_dro": objectives.GroupDRO,
    "mmd": objectives.MMD,
    "vrex": objectives.VREx,
}


class _WithObjective(BaseSER):
    """What the classifier and the regressor share."""

    _parameter_constraints: dict = {
        "adversary": [StrOptions(set(OBJECTIVES)), Objective, None],
        "noise": [NOT_NEGATIVE],
    }

    def set_params(self, **params) -> Self:
        """Set parameters of the estimator and of its objective.

        Parameters
        ----------
        **params : dict
            Parameters by name. ``adversary__weight`` is the parameter `weight` of the
            objective; if `adversary` is a name, it becomes the objective it stands for.

        Returns
        -------
        self : object
        """
        adversary = params.get("adversary", self.adversary)
        nested = any(name.startswith("adversary__") for name in params)
        if nested and isinstance(adversary, str) and adversary in OBJECTIVES:
            params["adversary"] = OBJECTIVES[adversary]()
        elif nested and not isinstance(adversary, Objective):
            raise ValueError(
                f"`adversary={adversary!r}` has no parameters; set `adversary` to an "
                f"objective or to one of {sorted(OBJECTIVES)} to set them."
            )
        return super().set_params(**params)

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        X_unlabeled: npt.ArrayLike | None = None,
        speakers_unlabeled: npt.ArrayLike | None = None,
    ) -> Self:
        """Train the network on labelled utterances of several speakers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row per utterance, raw or scaled.

        y : array-like of shape (n_samples,)
            Emotions. A regressor takes ratings, also of shape (n_samples, n_outputs),
            with NaN for a missing one; a row without any is like one of X_unlabeled.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row: strings, integers, a pandas column. None or NaN stands
            for an unknown speaker.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them, so that one array drives
            both the splitter and the adversary. Ignored where `speakers` is given.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in every term of the loss.

        X_unlabeled : array-like of shape (n_unlabeled, n_features), default=None
            Utterances without a label, for the standardisation of the features, the
            adversary and, with `pseudo_labels`, the emotion.

        speakers_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their speakers, None or NaN where unknown.

        Returns
        -------
        self : object
            The fitted estimator.

        Warns
        -----
        NoSpeakersWarning
            If fewer than two speakers are known: the network is then trained on the
            emotion alone.

        ConfoundedSpeakersWarning
            If the speakers determine most of the emotion (an adjusted mutual
            information above one half, see
            :func:`~advser.speakers.speaker_confounding`) and the objective is not
            conditional.
        """
        with default_torch():
            return self._fit_network(
                X,
                y,
                speakers=speakers,
                groups=groups,
                sample_weight=sample_weight,
                X_unlabeled=X_unlabeled,
                speakers_unlabeled=speakers_unlabeled,
            )

    def _build_network(self, utterances, labels, task, standardize, generator):
        layers, width = self._hidden_layers(utterances.X.shape[1], generator)
        embedding = [linear(width, self.embedding_dim, generator), nn.ReLU()]
        inputs = self._input_layers(standardize)
        if self.noise:
            inputs.append(GaussianDropout(utterances.X.shape[1], self.noise))
        encoder = nn.Sequential(*inputs, *layers, *embedding)
        emotion_head = linear(self.embedding_dim, task.n_outputs, None)
        objective = self._choose_objective(labels)
        support = _support(labels, task.n_conditions, self._n_speakers)
        objective = objective.set_up(task, self.embedding_dim, support, generator)
        return AdversarialNetwork(encoder, emotion_head, objective)

    def _choose_objective(self, labels):
        """Return the objective, or the plain one where speakers are missing."""
        objective = self.adversary
        if isinstance(objective, str):
            objective = OBJECTIVES[objective]()
        if objective is None or not objective.needs_speakers:
            return objective or EmpiricalRisk()
        if self._n_speakers < 2:
            warn(
                f"`adversary={self.adversary!r}` needs two known speakers and has "
                f"{self._n_speakers}: the network is trained on the emotion alone. "
                "Pass the speaker of each row as `speakers` to fit, or set "
                "`adversary=None`.",
                NoSpeakersWarning,
                stacklevel=5,
            )
            return EmpiricalRisk()
        weight = getattr(objective, "weight", None)
        is_active = not isinstance(weight, Real) or weight > 0
        if is_active and not objective.conditional and labels.emotion is not None:
            warn_if_confounded(
                labels.emotion.numpy()[: self._n_labeled],
                labels.speaker.numpy()[: self._n_labeled],
                setting=f"adversary={self.adversary!r}",
                remedy="Pass an objective with `conditional=True`, such as "
                "`ClosedForm(conditional=True)`, or set `adversary=None`.",
                stacklevel=5,
            )
        return objective


def _support(labels, n_conditions, n_speakers):
    """Return 1 where a speaker has rows with an emotion or bin, 0 elsewhere."""
    condition = labels.bin if labels.emotion is None else labels.emotion
    known = (condition >= 0) & (labels.speaker >= 0)
    support = torch.zeros(n_conditions, n_speakers)
    support[condition[known], labels.speaker[known]] = 1
    return support


class AdversarialSER(_WithObjective, BaseSERClassifier):
    r"""Emotion classifier whose embedding hides the speaker.

    An encoder E and an emotion head C learn the emotion, while an adversary predicts
    the speaker from the embedding :math:`h = E(x)`. The encoder is trained to make the
    adversary fail, so that what it learns carries over to unseen speakers.

    The choice of the `adversary` is a choice of the objective, see
    `advser.objectives`. Each name stands for an objective with its defaults:

    - ``"closed_form"``, :class:`~advser.objectives.ClosedForm`: a ridge regression of
      the speaker, solved on every batch.
    - ``"grl"``, :class:`~advser.objectives.GradientReversal`: domain-adversarial
      training.
    - ``"entropy"``, :class:`~advser.objectives.MaxEntropy`: the encoder raises the
      entropy of a speaker head.
    - ``"confusion"``, :class:`~advser.objectives.Confusion`: the same with the
      cross-entropy to the uniform choice.
    - ``"vrex"``, ``"coral"``, ``"mmd"``, ``"group_dro"``: objectives of domain
      generalisation, with the speakers as domains (:class:`~advser.objectives.VREx`,
      :class:`~advser.objectives.CORAL`, :class:`~advser.objectives.MMD`,
      :class:`~advser.objectives.GroupDRO`).
    - None: the loss of the emotion alone, as a baseline.

    Features may be raw: the network standardises them by the training rows, the
    unlabelled ones included.

    Parameters
    ----------
    adversary : str, Objective or None, default="closed_form"
        Name of an objective, or an objective. Its parameters belong to it:
        ``AdversarialSER(ClosedForm(weight=0.5))``. A search finds them as
        ``adversary__weight``.

    encoder : Module, callable or None, default=None
        Your own hidden layers: a torch module that maps standardised features of shape
        (n, n_features) to (n, width), or a function that returns one, given
        `n_features`. The embedding layer follows. With None, the hidden layers are
        those of `hidden_layer_sizes` and `dropout`, which are unused otherwise.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers.

    embedding_dim : int, default=64
        Width of the embedding, the encoder's last layer.

    clip : float or None, default=3.0
        Bound of the standardised features: values more than `clip` standard
        deviations from the mean are set to it. Functionals have many outliers. None for
        no bound.

    noise : float, default=0.5
        Standard deviation of the random factors, with a mean of 1, that the
        standardised features are multiplied by: one for each feature and update step.

    dropout : float, default=0.3
        Probability that a unit of a hidden layer is left out of an update step.

    alpha : float, default=0.01
        L2 penalty: ``alpha / 2`` times the sum of the squared weights of encoder and
        emotion head is added to the loss. Biases and the adversary have no penalty.

    lr : float, default=0.003
        Learning rate of Adam in the first update step. It falls to 0 along half a
        cosine.

    max_epochs : int or None, default=None
        Passes over the training rows. None for 40, or for as many as make 1,200 update
        steps if they are fewer: on many rows, 40 passes fit the training speakers too
        closely.

    batch_size : int, default=64
        Rows per training step. Every batch is full: the last one of an epoch is filled
        up with further rows, drawn at random.

    class_weight : "balanced", dict {label: weight} or None, default="balanced"
        Weights of the emotions in the loss. "balanced" gives each the same total
        weight, as the unweighted average recall (UAR) does, by which the field
        compares.

    pseudo_labels : bool, default=True
        Whether the rows of `X_unlabeled` train the emotion, too, with emotions that are
        estimated from the labelled rows (see Notes). With False they train the
        adversary alone.

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
        as it was. The ramp and the decay of the learning rate start again.

    device : str or torch.device, default="cpu"
        Device of the network and of its training rows. "auto" is "cuda" where there is
        a GPU that torch can use, otherwise "cpu".

    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the training; copies are used. Networks with callbacks are
        not trained in stacks. skorch's `EarlyStopping` may stop the training; any other
        KeyboardInterrupt is raised.

    verbose : int, default=0
        Whether to print a line per epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows, the noise and the dropout
        masks.
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
        How the features were extracted, if X comes from
        :func:`advser.audio.read_features`.

    See Also
    --------
    advser.SpeakerScaler : Normalisation by speaker; often worth more than any
        adversary.
    advser.evaluation.speaker_leakage : How well an independent probe predicts the
        speaker from the embedding.
    advser.speakers.speaker_confounding : How far the speakers determine the emotion, so
        that the objective should be conditional.

    Notes
    -----
    **Judging invariance.** The loss of the adversary says little: a speaker head may
    fail on an embedding from which another classifier still predicts the speaker. Train
    an independent probe with `advser.evaluation.speaker_leakage`.

    **Unlabelled rows** count in the objective under their speakers; those of unknown
    speakers form one speaker more. If they are rows of the speakers that the classifier
    is scored on, the score is *transductive*. With `pseudo_labels`, a logistic
    regression estimates their emotions: it is fitted to the labelled rows, on features
    that are normalised by speaker as in :class:`~advser.SpeakerScaler`, since the
    speakers of training rows are known. The network does not need them to predict. If
    the speakers determine most of the emotion of the labelled rows (see
    :func:`~advser.speakers.speaker_confounding`), the features are standardised by all
    rows instead. See :doc:`/guide/few_labels`.

    **Differences from the papers.** See the objectives. Features are bounded and
    multiplied by noise. It and the dropout mask are the same for all rows of a batch,
    so that a row with a weight of 2 has the effect of two rows. The learning rate falls
    to 0 along half a cosine [1]_. ``pseudo_labels=False`` is that of the papers.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient descent with warm
       restarts", ICLR 2017, arXiv 1608.03983.

    Examples
    --------
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> seen = speakers != "03"
    >>> ser = AdversarialSER(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[seen], y[seen], speakers=speakers[seen])
    >>> ser.score(X[~seen], y[~seen]) > 0.6
    True
    """

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        **_WithObjective._parameter_constraints,
        "pseudo_labels": ["boolean"],
    }

    def __init__(
        self,
        adversary: str | Objective | None = "closed_form",
        *,
        encoder: nn.Module | Callable | None = None,
        hidden_layer_sizes: Sequence[int] = (128,),
        embedding_dim: int = 64,
        clip: float | None = 3.0,
        noise: float = 0.5,
        dropout: float = 0.3,
        alpha: float = 0.01,
        lr: float = 0.003,
        max_epochs: int | None = None,
        batch_size: int = 64,
        class_weight: str | dict | None = "balanced",
        pseudo_labels: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 20,
        warm_start: bool = False,
        device: str | torch.device = "cpu",
        callbacks: list | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.adversary = adversary
        self.encoder = encoder
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.clip = clip
        self.noise = noise
        self.dropout = dropout
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.pseudo_labels = pseudo_labels
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state


class AdversarialSERRegressor(_WithObjective, BaseSERRegressor):
    r"""Regressor of dimensional emotion whose embedding hides the speaker.

    It rates utterances on continuous scales, such as arousal, valence and dominance,
    several of them at once from one embedding. Network and objectives are those of
    `AdversarialSER`, with the loss of the ratings in place of the cross-entropy.

    Ratings may be on any scale, and some of a row may be missing. Predictions stay
    within the range of the training ratings.

    Parameters
    ----------
    adversary : str, Objective or None, default="closed_form"
        The objective, as in `AdversarialSER`.

    loss : {"ccc", "mse", "huber"}, default="ccc"
        What is minimised for each target: :math:`1 - \rho_c`, with the concordance
        correlation coefficient [1]_ of the batch

        .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
            {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2},

        the score of the field; the squared error; or Huber's loss. The last two are
        taken of standardised ratings.

    huber_delta : float, default=1.0
        Where Huber's loss turns from square to linear, in standard deviations.

    target_weights : array-like of shape (n_outputs,) or None, default=None
        Weights of the targets in the loss; None for equal ones.

    n_bins : int, default=3
        For conditional objectives, each target is cut at its quantiles into as many
        bins. The objective is conditioned on the combination of bins, of which there
        are `n_bins` to the power of the number of targets.

    encoder, hidden_layer_sizes, embedding_dim, clip, noise, dropout : object
        As in `AdversarialSER`.

    alpha, lr, max_epochs, batch_size : object
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

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module, which returns
        ratings on the scales of the raters.

    speakers_, history_, n_iter_ : object
        As in `AdversarialSER`.

    n_features_in_, feature_names_in_, feature_origin_ : object
        As in `AdversarialSER`.

    See Also
    --------
    AdversarialSER : The same for categories of emotion.
    advser.metrics.concordance_correlation : The score of the field.

    Notes
    -----
    **Concordance and the batch.** :math:`\rho_c` is not a mean over rows: it is
    computed on each batch. The smaller the batches, the more its mean over batches
    differs from that of all rows, and the noisier is the gradient. With fewer than some
    30 rows per batch, the squared error is the safer choice. Variances are divided by
    the number of rows, as in [1]_.

    **Missing ratings** are NaN in `y`. A row without any trains the adversary only.

    `score` is the coefficient of determination, as of all regressors of scikit-learn.

    **Differences from the papers.** See the objectives. Of their papers, only gradient
    reversal was published for continuous ratings, by others [2]_.

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
    >>> loud = X[:, [10]] - X[:, [10]].mean()  # in place of ratings
    >>> seen = speakers != "03"
    >>> ser = AdversarialSERRegressor(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[seen], loud[seen], speakers=speakers[seen])
    >>> ser.predict(X[~seen]).shape == loud[~seen].shape
    True
    """

    _parameter_constraints: dict = {
        **BaseSERRegressor._parameter_constraints,
        **_WithObjective._parameter_constraints,
        "n_bins": [Number(Integral, 2)],
    }

    def __init__(
        self,
        adversary: str | Objective | None = "closed_form",
        *,
        loss: str = "ccc",
        huber_delta: float = 1.0,
        target_weights: npt.ArrayLike | None = None,
        n_bins: int = 3,
        encoder: nn.Module | Callable | None = None,
        hidden_layer_sizes: Sequence[int] = (128,),
        embedding_dim: int = 64,
        clip: float | None = 3.0,
        noise: float = 0.5,
        dropout: float = 0.3,
        alpha: float = 0.01,
        lr: float = 0.003,
        max_epochs: int | None = None,
        batch_size: int = 64,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 20,
        warm_start: bool = False,
        device: str | torch.device = "cpu",
        callbacks: list | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.adversary = adversary
        self.loss = loss
        self.huber_delta = huber_delta
        self.target_weights = target_weights
        self.n_bins = n_bins
        self.encoder = encoder
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.clip = clip
        self.noise = noise
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
