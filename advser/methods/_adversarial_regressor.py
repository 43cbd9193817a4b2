"""The regressor on an embedding that is trained by an objective."""

from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .._validation._parameters import Number
from ..objectives import Objective
from ._adversarial_base import WithObjective
from ._predictors import BaseSERRegressor

MAX_COMBINATIONS = 10_000  # of bins, for each of which a network has weights


class AdversarialSERRegressor(WithObjective, BaseSERRegressor):
    r"""Regressor of dimensional emotion that removes the speaker from its embedding.

    It rates utterances on continuous scales, such as arousal, valence and dominance,
    several of them at once from one embedding. Network and objectives are those of
    :class:`AdversarialSER`, with the loss of the ratings in place of the cross-entropy.

    Ratings may be on any scale, and some of a row may be missing. Predictions stay
    within the range of the training ratings.

    Parameters
    ----------
    adversary : str, Objective or None, default="closed_form"
        The objective, as in :class:`AdversarialSER`.

    loss : {"ccc", "mse", "huber"}, default="ccc"
        The loss of each target. "ccc" is :math:`1 - \rho_c`, with the concordance
        correlation coefficient [1]_ of the batch, the score of the field:

        .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
            {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2}

        "mse" is the squared error and "huber" is Huber's loss, both of standardised
        ratings.

    huber_delta : float, default=1.0
        Where Huber's loss turns from square to linear, in standard deviations.

    target_weights : array-like of shape (n_outputs,) or None, default=None
        Weights of the targets in the loss; None for equal ones.

    n_bins : int, default=3
        Number of bins of each target for conditional objectives. The bins lie between
        quantiles, which do not depend on `sample_weight`. The objective is conditioned
        on the combination of bins. There are ``n_bins ** n_targets`` combinations, at
        most 10,000.

    encoder, hidden_layer_sizes, embedding_dim, clip : as in :class:`AdversarialSER`

    noise, dropout : as in :class:`AdversarialSER`

    alpha, lr, max_epochs, batch_size : as in :class:`AdversarialSER`

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when the concordance of their ratings
        has not risen for `n_iter_no_change` epochs, and keep the weights of the best
        epoch.

    validation_fraction, n_iter_no_change, warm_start : as in :class:`AdversarialSER`

    device, callbacks, verbose, random_state : as in :class:`AdversarialSER`

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module, which returns
        ratings on the scales of the raters.

    speakers_, history_, n_iter_ : as in :class:`AdversarialSER`

    n_features_in_, feature_names_in_, feature_origin_ : as in :class:`AdversarialSER`

    See Also
    --------
    AdversarialSER : The same for categories of emotion.
    advser.metrics.concordance_correlation : The score of the field.

    Notes
    -----
    **Concordance and the batch.** :math:`\rho_c` is not a mean over rows: it is
    computed on each batch. The smaller the batches, the more its mean over batches
    differs from that of all rows, and the noisier is the gradient. With fewer than 64
    rated rows per batch, as with many rows in `X_unlabeled`, use the squared error.
    Variances are divided by the number of rows, as in [1]_.

    **Missing ratings** are NaN in `y`. A row without any trains the adversary only.

    `score` is the coefficient of determination, as of all regressors of scikit-learn.

    **Differences from the papers.** See the objectives. Only gradient reversal has been
    published for continuous ratings [2]_.

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
        **WithObjective._parameter_constraints,
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
        embedding_dim: int = 32,
        clip: float | None = 3.0,
        noise: float = 0.5,
        dropout: float = 0.3,
        alpha: float = 0.01,
        lr: float = 0.006,
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

    def _choose_n_bins(self):
        if not self._objective.conditional:
            return 1
        n_combinations = int(self.n_bins) ** self.n_outputs_
        if n_combinations > MAX_COMBINATIONS:
            raise ValueError(
                f"`n_bins={self.n_bins}` makes {n_combinations} combinations of bins "
                f"of the {self.n_outputs_} columns of `y`, and a conditional objective "
                f"takes up to {MAX_COMBINATIONS}; lower `n_bins`, leave columns out, "
                "or set `conditional=False`."
            )
        return self.n_bins
