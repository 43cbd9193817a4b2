"""The classifier on the code of a multi-task semi-supervised adversarial autoencoder.

The network and its losses are in `_autoencoder_network`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._validation._parameters import (
    COUNT,
    NOT_NEGATIVE,
    WEIGHT,
    StrOptions,
    check_parameter,
)
from ._autoencoder_base import WithAutoencoder
from ._autoencoder_network import Prior, proportional_codes
from ._predictors import BaseSERClassifier


class AutoencoderSER(WithAutoencoder, BaseSERClassifier):
    r"""Emotion classifier on the code of an adversarial autoencoder.

    An encoder E maps features to a code z, from which a decoder G reconstructs the
    features, and heads predict emotion, speaker and gender. A discriminator D separates
    codes from samples of a prior, and E is trained to make them alike. Encoder, decoder
    and discriminator also learn from utterances without a label, of any corpus [1]_.

    Each batch goes through four update steps:

    - *reconstruct*: E and G minimise :math:`\lVert x - G(z) \rVert^2 / d`;
    - *discriminate*: D minimises
      :math:`\mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(z), 0)`, with samples
      :math:`z^*` of the prior;
    - *regularize*: E minimises :math:`\mathrm{BCE}(D(z), 1)`;
    - *supervise*: E and the heads minimise :math:`\mathrm{CE}_\text{emotion} + w_s
      \mathrm{CE}_\text{speaker} + w_g \mathrm{CE}_\text{gender}`, each over the rows
      that have the label.

    Speaker and gender are tasks beside the emotion: unlike in :class:`AdversarialSER`,
    the code is meant to hold the speaker. Set ``speaker_task="adversarial"`` for the
    opposite.

    Features may be raw: the network standardises them by the training rows, the
    unlabelled ones included.

    Parameters
    ----------
    prior : {"normal", "mixture"}, default="normal"
        Distribution that the codes should have: :math:`N(0, I)`, or one Gaussian for
        each emotion [2]_. A row is matched with the Gaussian of its emotion, which
        `pseudo_labels` estimates for unlabelled rows; without these, such rows are
        matched with all of them. The Gaussians lie on the first axes of the code, in
        the order of `classes_`.

    prior_weight : float, default=0.3
        Learning rate of the step *regularize*, as a share of `lr`. With 1, all steps of
        the encoder have the same learning rate: the plain reading of [1]_ and [2]_,
        which gives the best samples and a lower recall. With 0, nothing makes the codes
        similar to the prior.

    prior_radius : float, default=3.0
        Distance of the Gaussians of ``prior="mixture"`` from the origin, in their
        standard deviations. The distance between any two is :math:`\sqrt 2` times as
        large.

    categorical_code : bool, default=False
        Whether the predicted emotion is a part of the code [2]_: the softmax of the
        emotion logits, which are then predicted from the last hidden layer and not from
        z. This part has a discriminator of its own, with the shares of the emotions as
        its prior. The decoder gets both parts, so that z need not hold the emotion.
        `transform` returns the columns of z and then those of this part, in the order
        of `classes_`.

    categorical_weight : float, default=1.0
        Learning rate of the step that draws this part of the code to one-hot classes,
        as a share of `lr`.

    reconstruction_weight : float, default=1.0
        Learning rate of the step *reconstruct*, as a share of `lr`.

    speaker_task : {"auxiliary", "adversarial"} or None, default="auxiliary"
        Whether the encoder helps the speaker head, or works against it by gradient
        reversal. None for no speaker head.

    speaker_weight : float, default=0.1
        :math:`w_s`, the share of the speaker head's gradient that reaches the encoder.

    gender_weight : float, default=0.1
        :math:`w_g`, the same for the gender head, which exists if `fit` gets genders.

    discriminator_hidden_layer_sizes : array-like of int, default=(64, 64)
        Hidden layers of the discriminators.

    discriminator_lr_scale : float, default=0.2
        Learning rate of the discriminators, as a share of `lr`. A discriminator that
        learns faster than the encoder leaves it without a useful gradient.

    encoder : Module, callable or None, default=None
        Your own hidden layers of the encoder, as in :class:`AdversarialSER`. The
        decoder has those of `hidden_layer_sizes` all the same.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers; the decoder has them in reverse order.

    embedding_dim : int, default=32
        Width of z. Wider codes match the prior less well, and do not raise the recall.

    clip : float or None, default=3.0
        Bound of the standardised features, as in :class:`AdversarialSER`. The decoder
        reconstructs the bounded values.

    dropout : float, default=0.3
        Probability that a hidden unit of the encoder is left out of an update step.

    alpha : float, default=0.02
        L2 penalty: ``alpha / 2`` times the sum of the squared weights of encoder and
        emotion head is added to the loss of the step *supervise*. Biases, decoder,
        discriminators, speaker head and gender head have no penalty.

    lr : float, default=0.002
        Learning rate of Adam in the step *supervise*.

    max_epochs : int, default=60
        Passes over the training rows, the unlabelled ones included.

    batch_size : int, default=64
        Rows per training step, and samples of the prior.

    class_weight : str, dict or None, default="balanced"
        As in :class:`AdversarialSER`.

    pseudo_labels : bool, default=True
        Whether the rows of `X_unlabeled` train the emotion, too, with emotions that are
        estimated from the labelled rows, as in :class:`AdversarialSER`. False is the
        method of [1]_.

    early_stopping, validation_fraction : as in :class:`AdversarialSER`

    n_iter_no_change : as in :class:`AdversarialSER`

    warm_start : bool, default=False
        Whether a further `fit` continues the last one, with the same emotions, speakers
        and genders. Changes of `lr`, `max_epochs`, `class_weight` and `pseudo_labels`
        take effect, those of other parameters do not.

    device, callbacks, verbose : as in :class:`AdversarialSER`

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows, the dropout masks and the
        samples of the prior. An int gives the same network, bit for bit, on every call.

    Attributes
    ----------
    genders_ : ndarray of shape (n_genders,)
        The genders of the training rows, in order of appearance.

    classes_, speakers_, net_, history_, n_iter_ : as in :class:`AdversarialSER`

    n_features_in_, feature_names_in_, feature_origin_ : as in :class:`AdversarialSER`

    See Also
    --------
    AdversarialSER : The speaker as an adversary.
    sklearn.semi_supervised.SelfTrainingClassifier : Unlabelled rows for any
        classifier.

    Notes
    -----
    **Weights.** Each step has an optimizer state of its own. Adam does not depend on
    the scale of a loss that is alone in its step, so the weights of the steps are
    shares of the learning rate. Speaker and gender share a step with the emotion: their
    weights scale the gradient that reaches the encoder.

    **Collapse.** After the training, a `CollapseWarning` reports codes that are nearly
    the same for all rows (root mean square of their standard deviations below 0.05; the
    prior has 1), and a discriminator that separates codes from the prior without errors
    (a loss below 5 % of the :math:`2 \log 2` at chance): the codes do not follow the
    prior then, and the encoder has no gradient that would change this.

    **Differences from the paper.**

    - The inputs are functionals of one utterance, as in [3]_.
    - Layer sizes, weights of the terms, the width of the code and the class code are
      parameters, since the public texts do not state them. The prior has a smaller
      weight than the other terms, since it costs recall.
    - The prior with a Gaussian for each emotion is from [2]_. Its Gaussians lie on
      axes, not on a circle, so that all pairs have the same distance.
    - The emotions are classes. Activation and valence in bins are classes, too;
      `AutoencoderSERRegressor` predicts them as ratings.
    - ``speaker_task="adversarial"`` is not in the paper.
    - `pseudo_labels` are not in the paper, and the features are standardised by all
      rows. Without pseudo-labels, unlabelled rows cost up to 1.5 points of recall on
      average, see :doc:`/guide/few_labels`.
    - Features are bounded and weights have an L2 penalty; dropout uses one mask per
      batch.

    References
    ----------
    .. [1] S. Latif, R. Rana, S. Khalifa, R. Jurdak, J. Epps, B. W. Schuller,
       "Multi-task semi-supervised adversarial autoencoding for speech emotion
       recognition", IEEE Transactions on Affective Computing 13, 2022,
       arXiv 1907.06078.
    .. [2] A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, "Adversarial
       autoencoders", 2015, arXiv 1511.05644.
    .. [3] S. Sahu, R. Gupta, G. Sivaraman, W. AbdAlmageed, C. Espy-Wilson,
       "Adversarial auto-encoders for speech based emotion recognition", Interspeech
       2017, arXiv 1806.02146.

    Examples
    --------
    Every third utterance has a label:

    >>> import numpy as np
    >>> from advser import AutoencoderSER
    >>> from advser.datasets import load_emodb
    >>> emodb = load_emodb()
    >>> labeled = np.arange(339) % 3 == 0
    >>> ser = AutoencoderSER(max_epochs=20, random_state=0).fit(
    ...     emodb.data[labeled],
    ...     emodb.target[labeled],
    ...     speakers=emodb.speakers[labeled],
    ...     X_unlabeled=emodb.data[~labeled],
    ...     speakers_unlabeled=emodb.speakers[~labeled],
    ... )
    >>> ser.score(emodb.data[~labeled], emodb.target[~labeled]) > 0.6
    True
    >>> ser.reconstruction_error(emodb.data).shape
    (339,)
    """

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        **WithAutoencoder._parameter_constraints,
        "prior": [StrOptions({"normal", "mixture"})],
        "prior_radius": [NOT_NEGATIVE],
        "categorical_code": ["boolean"],
        "categorical_weight": [WEIGHT],
        "pseudo_labels": ["boolean"],
    }

    def __init__(
        self,
        prior: str = "normal",
        *,
        prior_weight: float = 0.3,
        prior_radius: float = 3.0,
        categorical_code: bool = False,
        categorical_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        speaker_task: str | None = "auxiliary",
        speaker_weight: float = 0.1,
        gender_weight: float = 0.1,
        discriminator_hidden_layer_sizes: Sequence[int] = (64, 64),
        discriminator_lr_scale: float = 0.2,
        encoder: nn.Module | Callable | None = None,
        hidden_layer_sizes: Sequence[int] = (128,),
        embedding_dim: int = 32,
        clip: float | None = 3.0,
        dropout: float = 0.3,
        alpha: float = 0.02,
        lr: float = 0.002,
        max_epochs: int = 60,
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
        self.prior = prior
        self.prior_weight = prior_weight
        self.prior_radius = prior_radius
        self.categorical_code = categorical_code
        self.categorical_weight = categorical_weight
        self.reconstruction_weight = reconstruction_weight
        self.speaker_task = speaker_task
        self.speaker_weight = speaker_weight
        self.gender_weight = gender_weight
        self.discriminator_hidden_layer_sizes = discriminator_hidden_layer_sizes
        self.discriminator_lr_scale = discriminator_lr_scale
        self.encoder = encoder
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.clip = clip
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

    def sample(
        self,
        n_samples: int = 1,
        emotion: Any = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Return features that the decoder makes from random samples of the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of utterances.

        emotion : object, default=None
            The emotion of all of them, one of `classes_`. With None, emotions are drawn
            with their shares of the training rows.

        random_state : int, RandomState instance or None, default=None
            Source of samples and emotions.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the features.

        Raises
        ------
        ValueError
            If neither prior nor code depend on the emotion, or it is not a class.
        """
        check_is_fitted(self)
        check_parameter(n_samples, "n_samples", COUNT)
        rng = check_random_state(random_state)
        module = self.net_.module_
        centers = module.prior.centers.cpu().numpy()
        has_class_code = module.class_discriminator is not None
        if emotion is None:
            shares = self._emotion_shares
            codes = rng.choice(len(shares), size=n_samples, p=shares)
        elif len(centers) == 1 and not has_class_code:
            raise ValueError(
                f"`emotion` is {emotion!r}, but the prior is the same for all "
                'emotions; fit with `prior="mixture"` or `categorical_code=True`, or '
                "leave `emotion` out."
            )
        elif emotion not in self.classes_:
            raise ValueError(
                f"`emotion` is {emotion!r}; the emotions of the training rows are "
                f"{self.classes_.tolist()}."
            )
        else:
            codes = np.full(n_samples, np.flatnonzero(self.classes_ == emotion)[0])
        component = codes if len(centers) > 1 else np.zeros_like(codes)
        z = centers[component] + rng.standard_normal((n_samples, centers.shape[1]))
        if has_class_code:
            z = np.hstack([z, np.eye(len(self.classes_))[codes]])
        return self._run("decode", z.astype(self._dtype))

    @property
    def _code_dim(self):
        return self.embedding_dim + self.categorical_code * len(self.classes_)

    def _build_prior(self, utterances):
        """Return the prior; sets the shares of the emotions."""
        emotion, weight = utterances.targets, utterances.sample_weight
        known = emotion >= 0
        n_emotions = len(self.classes_)
        totals = np.bincount(emotion[known], weight[known], n_emotions)
        self._emotion_shares = totals / totals.sum()
        if self.prior == "normal":
            return super()._build_prior(utterances)
        if self.embedding_dim < n_emotions:
            raise ValueError(
                f"`embedding_dim` is {self.embedding_dim} and there are {n_emotions} "
                "emotions, each of which has an axis of its own with "
                f'`prior="mixture"`; set `embedding_dim` to at least {n_emotions}.'
            )
        centers = self.prior_radius * torch.eye(n_emotions, self.embedding_dim)
        return Prior(
            centers.double(),
            torch.from_numpy(self._emotion_shares),
            self.batch_size,
            share_labeled=totals.sum() / weight.sum(),
        )

    def _build_class_code(self, generator):
        if not self.categorical_code:
            return {}
        n_emotions = len(self.classes_)
        shares = torch.from_numpy(self._emotion_shares)
        drawn = proportional_codes(shares, self.batch_size)
        return {
            "class_discriminator": self._build_discriminator(n_emotions, generator),
            "classes": F.one_hot(drawn, n_emotions).double(),
        }

    def _lr_scales(self):
        return {**super()._lr_scales(), "regularize_class": self.categorical_weight}
