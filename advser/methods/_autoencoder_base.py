"""What the classifier and the regressor on an adversarial autoencoder share."""

import math
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._engine import default_torch
from .._validation._arrays import check_array_named
from .._validation._parameters import (
    COUNT,
    COUNTS,
    NOT_NEGATIVE,
    WEIGHT,
    StrOptions,
    check_parameter,
)
from ..exceptions import CollapseWarning, NoSpeakersWarning
from ..nn import linear, mlp
from ..objectives import SpeakerHead
from ..speakers._confounding import warn_if_confounded
from ._autoencoder_network import AutoencoderNetwork, Prior
from ._base import BaseSER

AT_CHANCE = 2 * math.log(2)  # loss of a discriminator at chance
CERTAIN = 0.05  # with this share of that loss a discriminator is almost always right
CONSTANT = 0.05  # codes with this share of the prior's deviation are nearly constant


class WithAutoencoder(BaseSER):
    """The autoencoder and its training, for emotions and for ratings."""

    # With metadata routing on, these reach `fit` without a call of set_fit_request.
    __metadata_request__fit = {"genders": True, "genders_unlabeled": True}

    _parameter_constraints: dict = {
        "prior_weight": [WEIGHT],
        "reconstruction_weight": [WEIGHT],
        "speaker_task": [StrOptions({"auxiliary", "adversarial"}), None],
        "speaker_weight": [WEIGHT],
        "gender_weight": [WEIGHT],
        "discriminator_hidden_layer_sizes": [COUNTS],
        "discriminator_lr_scale": [NOT_NEGATIVE],
    }

    _label_names = ("speakers", "genders")

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        genders: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        X_unlabeled: npt.ArrayLike | None = None,
        speakers_unlabeled: npt.ArrayLike | None = None,
        genders_unlabeled: npt.ArrayLike | None = None,
    ) -> Self:
        """Train the network on labelled utterances, and on unlabelled ones.

        Parameters
        ----------
        X, y, speakers, groups : as in :meth:`AdversarialSER.fit`

        genders : array-like of shape (n_samples,), default=None
            Gender of each speaker. None or NaN stands for an unknown gender.

        sample_weight : array-like of shape (n_samples,), default=None
            As in :meth:`AdversarialSER.fit`.

        X_unlabeled : array-like of shape (n_unlabeled, n_features), default=None
            Utterances without a label, also from another corpus.

        speakers_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their speakers, None or NaN where unknown.

        genders_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their genders, None or NaN where unknown.

        Returns
        -------
        self : object
            The fitted estimator.

        Warns
        -----
        NoSpeakersWarning
            If there is a speaker task, but fewer than two speakers are known: the
            network is then trained without it.

        ConfoundedSpeakersWarning
            From the classifier, if ``speaker_task="adversarial"`` and the speakers
            determine most of the emotion, see
            :func:`~advser.speakers.speaker_confounding`.

        CollapseWarning
            If the codes are nearly the same for all rows, or nothing like the prior.
        """
        with default_torch():
            return self._fit_network(
                X,
                y,
                speakers=speakers,
                groups=groups,
                genders=genders,
                sample_weight=sample_weight,
                X_unlabeled=X_unlabeled,
                speakers_unlabeled=speakers_unlabeled,
                genders_unlabeled=genders_unlabeled,
            )

    def inverse_transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the features that the decoder makes from codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the features.
        """
        check_is_fitted(self)
        codes = check_array_named(X, "X", dtype=self._dtype, order="C")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"`X` has {codes.shape[1]} columns and the code has "
                f"{self._n_features_out}; pass what `transform` returns."
            )
        return self._run("decode", codes)

    def reconstruction_error(self, X: npt.ArrayLike) -> np.ndarray:
        """Return how much the decoded code of each row differs from the row.

        The error is larger for utterances unlike all training rows, such as those of
        another language, room or recording chain. Compare it with that of held-out
        rows: that of training rows is smaller.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        error : ndarray of shape (n_samples,)
            Mean squared error over the features, in standard deviations of the training
            rows and within the bound `clip`. The mean of the training rows as
            a prediction has an error of about 1.
        """
        return self._apply("reconstruction_error", X)

    def predict_speaker(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the most probable of the training speakers for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        speakers : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the network has no speaker head, or an adversarial one.
        """
        return self._predict_names("speaker", X, ', with `speaker_task="auxiliary"`')

    def predict_gender(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the most probable gender for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        genders : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the network has no gender head.
        """
        return self._predict_names("gender", X)

    def _predict_names(self, kind, X, remedy=""):
        """Return the names that the head of a kind predicts; raise without such one."""
        check_is_fitted(self)
        module, names = self.net_.module_, getattr(self, f"{kind}s_")
        is_hidden = kind == "speaker" and module.speaker_weight.signbit()
        if getattr(module, f"{kind}_head") is None or is_hidden:
            raise ValueError(
                f"The network was trained with {len(names)} known {kind}s and does not "
                f"predict them; pass at least two as `{kind}s` to fit{remedy}."
            )
        return names[self._apply(f"{kind}_logits", X).argmax(axis=1)]

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Return features that the decoder makes from samples of the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of utterances.

        random_state : int, RandomState instance or None, default=None
            Source of the samples.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        check_parameter(n_samples, "n_samples", COUNT)
        rng = check_random_state(random_state)
        z = rng.standard_normal((n_samples, self._n_features_out))
        return self._run("decode", z.astype(self._dtype))

    @property
    def _unknown_is_a_speaker(self):  # type: ignore[override]  # depends on a parameter
        """An adversary alone separates unlabelled rows of unknown speakers."""
        if self._goes_on:  # the parameter may have changed since the first fit
            return self._n_speakers > len(self.speakers_)
        return self.speaker_task == "adversarial"

    def _build_network(self, utterances, labels, task, standardize, generator):
        n_features = utterances.X.shape[1]
        hidden_sizes = tuple(self.hidden_layer_sizes)
        layers, width = self._hidden_layers(n_features, generator)
        code_layer = linear(width, self.embedding_dim, generator)
        prior = self._build_prior(utterances)
        class_code = self._build_class_code(generator)
        head_width = width if class_code else self.embedding_dim
        sizes = (self._code_dim, *hidden_sizes[::-1])
        decoder = nn.Sequential(
            *mlp(sizes, generator), linear(sizes[-1], n_features, None)
        )
        has_genders = len(self.genders_) > 1
        is_adversarial = self.speaker_task == "adversarial"
        return AutoencoderNetwork(
            nn.Sequential(*self._input_layers(standardize)),
            nn.Sequential(*layers),
            code_layer,
            linear(head_width, task.n_outputs, None),
            decoder,
            self._build_discriminator(prior.samples().shape[1], generator),
            prior,
            task,
            **class_code,
            speaker_head=self._build_speaker_head(labels, generator),
            gender_head=(
                linear(self.embedding_dim, len(self.genders_), None)
                if has_genders
                else None
            ),
            lr_scales=self._lr_scales(),
            speaker_weight=math.copysign(
                self.speaker_weight, -1 if is_adversarial else 1
            ),
            gender_weight=self.gender_weight,
        )

    def _build_prior(self, utterances):
        """Return a standard normal prior."""
        centers, shares = torch.zeros(1, self.embedding_dim), torch.ones(1)
        return Prior(centers, shares, self.batch_size)

    def _build_class_code(self, generator):
        """Return the parts of the network that make the emotion a part of the code."""
        return {}

    def _build_discriminator(self, n_inputs, generator):
        sizes = (n_inputs, *self.discriminator_hidden_layer_sizes)
        return nn.Sequential(*mlp(sizes, generator), linear(sizes[-1], 1, None))

    def _build_speaker_head(self, labels, generator):
        """Return the speaker head, or None without a speaker task."""
        if self.speaker_task is None:
            return None
        if self._n_speakers < 2:
            warn(
                f"`speaker_task={self.speaker_task!r}` needs two known speakers and "
                f"has {self._n_speakers}: the network is trained without it. Pass the "
                "speaker of each row as `speakers` to fit, or set `speaker_task=None`.",
                NoSpeakersWarning,
                stacklevel=6,
            )
            return None
        hides_speaker = self.speaker_task == "adversarial" and self.speaker_weight > 0
        if hides_speaker and labels.emotion is not None:
            warn_if_confounded(
                labels.emotion.numpy()[: self._n_labeled],
                labels.speaker.numpy()[: self._n_labeled],
                setting='speaker_task="adversarial"',
                remedy='Keep the speaker with `speaker_task="auxiliary"` or None.',
                stacklevel=6,
            )
        return SpeakerHead(self.embedding_dim, self._n_speakers, generator)

    def _lr_scales(self):
        """Return the learning rates of update steps, as shares of `lr`."""
        return {
            "reconstruct": self.reconstruction_weight,
            "discriminate": self.discriminator_lr_scale,
            "regularize": self.prior_weight,
        }

    def _finish_fit(self, job) -> Self:
        """Take over a trained net; warn of constant codes, or of a certain D."""
        super()._finish_fit(job)
        module = job.net.module_
        width = module.prior.centers.shape[1]
        code = self._run("encoder", job.rows.x.numpy())[:, :width]
        deviation = math.sqrt(np.mean(code.var(axis=0, dtype=np.float64)))
        if deviation < CONSTANT:
            warn(
                "The codes of all rows are nearly the same: their standard deviation "
                f"is {deviation:.2g}, and that of the prior is 1. Lower "
                "`prior_weight`, `lr` or `alpha`, or check that the features differ "
                "between rows.",
                CollapseWarning,
                stacklevel=4,
            )
        loss = self.history_["train_discriminator_loss"].iloc[-1]
        if module.lr_scale("regularize") > 0 and loss < CERTAIN * AT_CHANCE:
            warn(
                "The discriminator separates codes from the prior without errors: its "
                f"loss is {loss:.2g}, and {AT_CHANCE:.2f} at chance. The codes do not "
                "follow the prior; lower `discriminator_lr_scale`, or raise "
                "`prior_weight`.",
                CollapseWarning,
                stacklevel=4,
            )
        return self
