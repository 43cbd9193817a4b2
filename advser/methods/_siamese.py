"""The estimator on a disentangled siamese network with neutral calibration.

The network is in `_siamese_network`, its losses in `_siamese_losses`.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.utils.metadata_routing import UNUSED
from torch import nn

from .._engine import default_torch
from .._threads import limited_threads
from .._validation._parameters import (
    COUNT,
    INTEGER,
    WEIGHT,
    StrOptions,
    check_parameter,
)
from ..exceptions import NoNeutralWarning, NoSpeakersWarning
from ..nn import linear
from ..objectives import SpeakerHead
from ._attribution import code_attributions
from ._data import CHUNK
from ._predictors import BaseSERClassifier
from ._siamese_losses import CALIBRATIONS, ORTHOGONALITIES
from ._siamese_network import TERMS, SiameseNetwork, neutral_references

N_CHOICES = 3  # the paper draws among the first three neutral utterances of a speaker


class SiameseSER(BaseSERClassifier):
    r"""Emotion classifier that splits an embedding into emotion and speaker.

    An encoder E embeds an utterance x, and a neutral reference :math:`x_n` of the same
    speaker. Two translators split the embedding :math:`h = E(x)` into an
    emotion-irrelevant code :math:`i = T(h)` and an emotion-relevant code
    :math:`r = T_2(h)`, from which alone the emotion e is predicted [1]_:

    .. math::

        L = w_e \, \mathrm{CE}(C(r), e)
        + w_c \, L_\mathrm{sim}(i, E(x_n))
        + w_o \, L_\mathrm{diff}(i, r)

    .. math::

        {} + w_r \, \mathrm{MSE}(h, D([i, r]))
        + w_s \, \mathrm{CE}(A(i), s)

    The calibration :math:`L_\mathrm{sim}` makes i similar to the neutral speech of the
    speaker, the orthogonality :math:`L_\mathrm{diff}` separates i and r, the decoder D
    makes them keep the information of h, and a speaker head A makes i hold the speaker
    s. Predictions need no reference. `transform` returns r, and :meth:`disentangle`
    both codes. :meth:`explain` returns how much of an utterance, and which of its
    features, each code holds.

    Features may be raw: the network standardises them by the training rows.

    Parameters
    ----------
    neutral : str, int or array-like of these, default="neutral"
        The class of y that is emotionally neutral speech, or several.

    neutral_reference : {"mean", "random"}, default="mean"
        The reference of a training speaker: the mean of their neutral rows, or one of
        the first three of them, drawn for each speaker and step. In the code of [1]_ it
        is drawn for each utterance.

    calibration : {"js", "cosine"}, default="js"
        :math:`L_\mathrm{sim}`: the Jensen-Shannon divergence of [1]_ between the
        softmax of both, or the cosine distance.

    orthogonality : {"standardized", "paper"}, default="standardized"
        :math:`L_\mathrm{diff}`: by the correlations of the columns
        (:func:`~advser.methods.cross_correlation`), or as in [1]_
        (:func:`~advser.methods.subspace_overlap`).

    emotion_weight : float, default=1.0
        :math:`w_e`. This weight and the next three are 1 in [1]_.

    calibration_weight : float, default=1.0
        :math:`w_c`.

    orthogonality_weight : float, default=1.0
        :math:`w_o`.

    reconstruction_weight : float, default=1.0
        :math:`w_r`.

    speaker_weight : float, default=1.0
        :math:`w_s`. 0 is the network of [1]_, which has no speaker head. Without one, a
        constant i minimises both calibration and orthogonality.

    encoder : Module, callable or None, default=None
        Your own hidden layers of the encoder, as in :class:`AdversarialSER`.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers.

    embedding_dim : int, default=16
        d, the width of the embedding and of both codes. It is smaller than in
        :class:`AdversarialSER`, since the orthogonality needs a `batch_size` of at
        least four times as much.

    clip : float or None, default=2.0
        Bound of the standardised features, as in :class:`AdversarialSER`.

    dropout : float, default=0.0
        Probability that a unit of the encoder's hidden layers is left out of an update
        step.

    alpha : float, default=0.04
        L2 penalty: ``alpha / 2`` times the sum of the squared weights of encoder,
        translators, decoder and emotion head is added to the loss. Biases and the
        speaker head have no penalty.

    lr : float, default=0.003
        Learning rate of Adam. The terms beside the emotion do not converge in 60 epochs
        at 0.001, which costs recall.

    max_epochs : int, default=60
        Passes over the training rows.

    batch_size : int, default=64
        Rows per training step.

    class_weight, early_stopping, validation_fraction : as in :class:`AdversarialSER`

    n_iter_no_change : as in :class:`AdversarialSER`

    warm_start : bool, default=False
        Whether a further `fit` continues the last one, with the same emotions, speakers
        and neutral references. Changes of `lr`, `max_epochs` and `class_weight` take
        effect, those of other parameters do not.

    device, callbacks, verbose : as in :class:`AdversarialSER`

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows, the dropout masks and the
        random references. An int gives the same network, bit for bit, on every call.

    Attributes
    ----------
    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, multiplied by its weight, and the validation
        scores where there are any.

    classes_, speakers_, net_, n_iter_ : as in :class:`AdversarialSER`

    n_features_in_, feature_names_in_, feature_origin_ : as in :class:`AdversarialSER`

    See Also
    --------
    advser.SpeakerScaler : Enrols an unseen speaker in front of any classifier.
    advser.plots.ExplanationDisplay : Figure of what :meth:`explain` returns.
    advser.evaluation.speaker_leakage : How well an independent probe predicts the
        speaker from a code.

    Notes
    -----
    **Rows without a reference** count in all terms but the calibration: those of
    unknown speakers, and of speakers without neutral rows.

    **Differences from the paper.**

    - The inputs are functionals of one utterance, not spectra. The encoder is a
      multilayer perceptron whose last layer is linear; translators, decoder and heads
      are linear layers. Those of the authors' code are deeper, and its translators end
      in a ReLU. Here each code is a linear map of the embedding, so that its share in
      the decoded embedding is exact.
    - By default, the reference is the mean of the neutral rows, and the orthogonality
      is that of correlations. The paper's form is close to 0 for large codes whatever
      they hold, and its scale depends on the sizes of code and batch. The norms are
      part of its gradient; the authors' code detaches them.
    - The embedding has no gradient as the target of the reconstruction. Otherwise the
      network lowers that term by shrinking the embedding.
    - The speaker head and the bound on the features are additions.
      ``speaker_weight=0, clip=None, neutral_reference="random",
      orthogonality="paper"`` leaves them out.
    - The number of epochs is fixed, the classes are weighted, weights have an L2
      penalty, and dropout, in the encoder alone, uses one mask per batch. [1]_ uses
      Adam, 0.001, batches of 32, at most 80 epochs, and early stopping.

    References
    ----------
    .. [1] C. Chen, P. Zhang, "DSNet: Disentangled siamese network with neutral
       calibration for speech emotion recognition", 2023, arXiv 2312.15593.

    Examples
    --------
    >>> from advser import SiameseSER
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> seen = speakers != "03"
    >>> ser = SiameseSER(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[seen], y[seen], speakers=speakers[seen])
    >>> ser.score(X[~seen], y[~seen]) > 0.6
    True
    >>> emotion_code, speaker_code = ser.disentangle(X[~seen])
    """

    __metadata_request__fit = {"X_unlabeled": UNUSED, "speakers_unlabeled": UNUSED}

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        "neutral": [str, INTEGER, list, tuple, np.ndarray],
        "neutral_reference": [StrOptions({"mean", "random"})],
        "calibration": [StrOptions(set(CALIBRATIONS))],
        "orthogonality": [StrOptions(set(ORTHOGONALITIES))],
        "emotion_weight": [WEIGHT],
        "calibration_weight": [WEIGHT],
        "orthogonality_weight": [WEIGHT],
        "reconstruction_weight": [WEIGHT],
        "speaker_weight": [WEIGHT],
    }

    def __init__(
        self,
        neutral: str | int | npt.ArrayLike = "neutral",
        *,
        neutral_reference: str = "mean",
        calibration: str = "js",
        orthogonality: str = "standardized",
        emotion_weight: float = 1.0,
        calibration_weight: float = 1.0,
        orthogonality_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        speaker_weight: float = 1.0,
        encoder: nn.Module | Callable | None = None,
        hidden_layer_sizes: Sequence[int] = (128,),
        embedding_dim: int = 16,
        clip: float | None = 2.0,
        dropout: float = 0.0,
        alpha: float = 0.04,
        lr: float = 0.003,
        max_epochs: int = 60,
        batch_size: int = 64,
        class_weight: str | dict | None = "balanced",
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 20,
        warm_start: bool = False,
        device: str | torch.device = "cpu",
        callbacks: list | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.neutral = neutral
        self.neutral_reference = neutral_reference
        self.calibration = calibration
        self.orthogonality = orthogonality
        self.emotion_weight = emotion_weight
        self.calibration_weight = calibration_weight
        self.orthogonality_weight = orthogonality_weight
        self.reconstruction_weight = reconstruction_weight
        self.speaker_weight = speaker_weight
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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Train the network on labelled utterances of several speakers.

        Parameters
        ----------
        X, y, speakers, groups : as in :meth:`AdversarialSER.fit`

        sample_weight : array-like of shape (n_samples,), default=None
            As in :meth:`AdversarialSER.fit`.

        Returns
        -------
        self : SiameseSER
            The fitted estimator.

        Warns
        -----
        NoNeutralWarning
            If y has no neutral rows, or none of some speakers: their rows then do not
            count in the calibration.

        NoSpeakersWarning
            If fewer than two speakers are known: the network is then trained without
            the speaker head, and without calibration if no speaker is known.
        """
        with default_torch():
            return self._fit_network(
                X, y, speakers=speakers, groups=groups, sample_weight=sample_weight
            )

    _representation = "emotion_code"
    _remedy = "drop those rows"

    def disentangle(self, X: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return both codes of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        emotion_code, speaker_code : ndarray of shape (n_samples, embedding_dim)
            The emotion-relevant and the emotion-irrelevant code.
        """
        codes = self._apply("codes", X)
        emotion_code, speaker_code = np.hsplit(codes, 2)
        return emotion_code, speaker_code

    def explain(self, X: npt.ArrayLike, *, n_steps: int = 50) -> pd.DataFrame:
        r"""Return how much of each utterance is emotion, and which features decide it.

        The decoder D is linear. Compared with the training mean, the decoded embedding
        of an utterance therefore differs by a sum of two vectors: :math:`c_r` from the
        emotion-relevant code, and :math:`c_i` from the irrelevant one. The share of a
        code is its part of :math:`\lVert c_r \rVert^2 + \lVert c_i \rVert^2`.

        Integrated gradients [1]_ divide the share of a code among the features. They
        integrate, from the training mean to the utterance, the gradient of the
        projection of the vector on its final direction. The attributions of a code thus
        sum to its share, and all attributions of an utterance to 1, up to the error of
        the integration. They are negative for a feature that counteracts the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        n_steps : int, default=50
            Points on the line at which the gradient is computed. With 50, sums differ
            from 1 by about 0.005; the error falls with the number of points.

        Returns
        -------
        explanation : DataFrame of shape (2 * n_samples * n_features, 5)
            One row per utterance, code and feature:

            - `utterance`: its position in X, or its label in the index of a DataFrame;
            - `code`: "emotion" or "speaker";
            - `share`: share of the code in the utterance;
            - `feature`: its name, where X has names, or "x0", "x1" and so on;
            - `attribution`: the part of the share that is due to the feature.

        Raises
        ------
        ValueError
            If X is wrong, or `n_steps` is no positive integer.

        References
        ----------
        .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep
           networks", ICML 2017, arXiv 1703.01365.
        """
        check_parameter(n_steps, "n_steps", COUNT)
        rows = self._check_rows(X)
        n = min(len(rows), CHUNK) * self.net_.n_parameters
        with default_torch(), limited_threads(n):
            chunks = [
                code_attributions(self.net_.module_, part, n_steps)
                for part in torch.tensor(rows, device=self.net_.device).split(CHUNK)
            ]
        shares, attributions = map(np.concatenate, zip(*chunks))
        n_samples, n_codes, n_features = attributions.shape
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = np.array([f"x{j}" for j in range(n_features)], dtype=object)
        index = X.index if isinstance(X, pd.DataFrame) else np.arange(n_samples)
        codes = np.array(["emotion", "speaker"], dtype=object)
        return pd.DataFrame(
            {
                "utterance": np.repeat(index, n_codes * n_features),
                "code": np.tile(np.repeat(codes, n_features), n_samples),
                "share": np.repeat(shares.ravel(), n_features),
                "feature": np.tile(names, n_samples * n_codes),
                "attribution": attributions.ravel(),
            }
        )

    def _build_network(self, utterances, labels, task, standardize, generator):
        layers, width = self._hidden_layers(utterances.X.shape[1], generator)
        d = self.embedding_dim
        # No dropout on the embedding: a unit that is left out has no correlation.
        encoder = nn.Sequential(
            *self._input_layers(standardize), *layers, linear(width, d, generator)
        )
        irrelevant, relevant = linear(d, d, generator), linear(d, d, generator)
        speaker_head = None
        if self._n_speakers > 1:
            speaker_head = SpeakerHead(d, self._n_speakers, generator)
        else:
            left_out = "the speaker head"
            if not self._n_speakers:
                left_out += " and calibration"
            warn(
                f"SiameseSER needs two known speakers and has {self._n_speakers}: the "
                f"network is trained without {left_out}. Pass the speaker of each row "
                "as `speakers` to fit.",
                NoSpeakersWarning,
                stacklevel=5,
            )
        return SiameseNetwork(
            encoder,
            linear(d, task.n_outputs, None),
            irrelevant,
            relevant,
            linear(2 * d, d, None),
            task,
            speaker_head,
            self._build_references(utterances, labels.speaker.numpy()),
            calibration=self.calibration,
            orthogonality=self.orthogonality,
            weights={term: getattr(self, f"{term}_weight") for term in TERMS},
        )

    def _build_references(self, utterances, speaker):
        """Return the neutral references of the speakers, or None without any."""
        neutral = self._find_neutral(utterances)  # (n,)
        if not self._n_speakers or not neutral.any():
            return None
        rows = np.flatnonzero(neutral & (speaker >= 0))
        has_some = np.bincount(speaker[rows], minlength=self._n_speakers) > 0
        if not has_some.all():
            warn(
                "There is no neutral speech of the speakers "
                f"{self.speakers_[~has_some].tolist()}: their rows do not count in the "
                f"calibration. Neutral rows are those whose label in `y` is "
                f"{self.neutral!r}, the parameter `neutral`.",
                NoNeutralWarning,
                stacklevel=6,
            )
        if not len(rows):
            return None
        n_choices = N_CHOICES if self.neutral_reference == "random" else 1
        return neutral_references(utterances, speaker, rows, has_some, n_choices)

    def _find_neutral(self, utterances):
        """Return the mask of the neutral rows: (n,)."""
        is_one = isinstance(self.neutral, str | Integral)
        names = [self.neutral] if is_one else list(self.neutral)
        is_neutral = np.array([label in names for label in self.classes_])
        neutral = is_neutral[utterances.targets]
        if not neutral.any():
            warn(
                f"`neutral={self.neutral!r}`, but y has no such rows; its classes are "
                f"{self.classes_.tolist()}. The network is trained without "
                "calibration. Set `neutral` to the class of neutral speech.",
                NoNeutralWarning,
                stacklevel=7,
            )
        return neutral
