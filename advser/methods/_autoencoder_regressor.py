"""The regressor on the code of a multi-task semi-supervised adversarial autoencoder.

The network and its losses are in `_autoencoder_network`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ._autoencoder_base import WithAutoencoder
from ._predictors import BaseSERRegressor


class AutoencoderSERRegressor(WithAutoencoder, BaseSERRegressor):
    r"""Regressor of dimensional emotion on the code of an adversarial autoencoder.

    It is :class:`AutoencoderSER` for ratings on continuous scales, such as arousal,
    valence and dominance, several of them at once: the loss of the ratings takes the
    place of :math:`\mathrm{CE}_\text{emotion}`. A missing rating is NaN; a row without
    any is like an unlabelled one. The prior is :math:`N(0, I)`.

    Parameters
    ----------
    loss : {"ccc", "mse", "huber"}, default="ccc"
        The loss of each target, as in :class:`AdversarialSERRegressor`.

    huber_delta, target_weights : as in :class:`AdversarialSERRegressor`

    prior_weight, reconstruction_weight, speaker_task : as in :class:`AutoencoderSER`

    speaker_weight : as in :class:`AutoencoderSER`

    gender_weight, discriminator_hidden_layer_sizes : as in :class:`AutoencoderSER`

    discriminator_lr_scale : as in :class:`AutoencoderSER`

    encoder, hidden_layer_sizes, embedding_dim, clip : as in :class:`AutoencoderSER`

    dropout, alpha : as in :class:`AutoencoderSER`

    lr, max_epochs, batch_size : as in :class:`AutoencoderSER`

    early_stopping : bool, default=False
        Whether to stop early, as in :class:`AdversarialSERRegressor`.

    validation_fraction, n_iter_no_change : as in :class:`AutoencoderSER`

    warm_start, device, callbacks, verbose, random_state : as in :class:`AutoencoderSER`

    Attributes
    ----------
    genders_ : ndarray of shape (n_genders,)
        The genders of the training rows, in order of appearance.

    n_outputs_, speakers_, net_, history_ : as in :class:`AdversarialSERRegressor`

    n_iter_ : as in :class:`AdversarialSERRegressor`

    n_features_in_, feature_names_in_, feature_origin_ : as in :class:`AdversarialSER`

    See Also
    --------
    AutoencoderSER : The same for categories of emotion, with the references.
    AdversarialSERRegressor : The speaker as an adversary.

    Notes
    -----
    **Differences from the paper.** Those of :class:`AutoencoderSER`. The authors of its
    paper predict activation and valence as classes, in bins of the ratings; here they
    are ratings.

    Examples
    --------
    >>> from advser import AutoencoderSERRegressor
    >>> from advser.datasets import load_emodb
    >>> X, _, speakers = load_emodb(return_X_y_speakers=True)
    >>> seen = speakers != "03"
    >>> ser = AutoencoderSERRegressor(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[seen], X[seen, 10], speakers=speakers[seen])
    >>> ser.predict(X[~seen]).shape == X[~seen, 10].shape
    True
    """

    _parameter_constraints: dict = {
        **BaseSERRegressor._parameter_constraints,
        **WithAutoencoder._parameter_constraints,
    }

    def __init__(
        self,
        loss: str = "ccc",
        *,
        huber_delta: float = 1.0,
        target_weights: npt.ArrayLike | None = None,
        prior_weight: float = 0.3,
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
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 20,
        warm_start: bool = False,
        device: str | torch.device = "cpu",
        callbacks: list | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.loss = loss
        self.huber_delta = huber_delta
        self.target_weights = target_weights
        self.prior_weight = prior_weight
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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state
