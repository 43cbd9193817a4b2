r"""Speech emotion recognition on an embedding that is trained by an objective.

An encoder E and an emotion head C minimise an objective of `advser.objectives`:

.. math:: \min_{E, C} \; L(h, C(h), e, s), \qquad h = E(x)

Adversarial objectives remove the speaker s from the embedding h. Without one, the
objective is the loss of the emotion e alone.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ..objectives import Objective
from ._adversarial_base import WithObjective
from ._predictors import BaseSERClassifier


class AdversarialSER(WithObjective, BaseSERClassifier):
    r"""Emotion classifier that removes the speaker from its embedding.

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
        ``AdversarialSER(ClosedForm(weight=0.3))``. A search finds them as
        ``adversary__weight``.

    encoder : Module, callable or None, default=None
        Your own hidden layers: a torch module that maps standardised features of shape
        (n, n_features) to (n, width), or a function that returns one, given
        `n_features`. The embedding layer follows. With None, the hidden layers are
        those of `hidden_layer_sizes` and `dropout`, which are unused otherwise.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers.

    embedding_dim : int, default=32
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

    lr : float, default=0.006
        Learning rate of Adam in the first update step. It falls to 0 along half a
        cosine.

    max_epochs : int or None, default=None
        Passes over the training rows. None for 40, or for the number that makes 1,200
        update steps if that is smaller: on many rows, 40 passes fit the training
        speakers too closely.

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
        Whether a further `fit` continues the last one, with the same emotions and
        speakers. Changes of `lr`, `max_epochs`, `class_weight` and `pseudo_labels` take
        effect, those of other parameters do not. The ramp and the decay of the learning
        rate start again, and so does the search of `early_stopping` for the best epoch.

    device : str or torch.device, default="cpu"
        Device of the network and of its training rows. "auto" is "cuda" where there is
        a GPU that torch can use, otherwise "cpu".

    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the training; copies are used. Networks with callbacks are
        not trained in stacks. skorch's `EarlyStopping` may stop the training, by
        ``monitor="train_loss"`` or, with ``early_stopping=True``, by "valid_loss"; any
        other KeyboardInterrupt is raised. `EpochScoring`, `BatchScoring` and
        `PassthroughScoring` are refused.

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
        Names of the features, where `X` was a DataFrame with string columns.

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
    multiplied by noise. Noise and dropout mask are the same for all rows of a batch, so
    that a row with a weight of 2 has the effect of two rows. The learning rate falls to
    0 along half a cosine [1]_. ``pseudo_labels=False`` trains as in the papers.

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
        **WithObjective._parameter_constraints,
        "pseudo_labels": ["boolean"],
    }

    def __init__(
        self,
        adversary: str | Objective | None = "closed_form",
        *,
        encoder: nn.Module | Callable | None = None,
        hidden_layer_sizes: Sequence[int] = (128,),
        embedding_dim: int = 32,
        clip: float | None = 3.0,
        noise: float = 0.5,
        dropout: float = 0.3,
        alpha: float = 0.01,
        lr: float = 0.006,
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
