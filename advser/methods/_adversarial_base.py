"""What the classifier and the regressor whose embedding has an objective share."""

from numbers import Real
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .. import objectives
from .._engine import default_torch
from .._validation._parameters import COUNT, NOT_NEGATIVE, StrOptions
from ..exceptions import CollapseWarning, NoSpeakersWarning
from ..nn import GaussianDropout, linear
from ..objectives import EmpiricalRisk, Objective
from ..speakers._confounding import warn_if_confounded
from ._adversarial_network import AdversarialNetwork
from ._base import BaseSER

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
CHECKED_ROWS = 1000  # at most, whose embeddings are compared after the training
SAME = 1e-3  # range of the embedding below which it is as good as constant


class WithObjective(BaseSER):
    """What the classifier and the regressor share."""

    _parameter_constraints: dict = {
        "adversary": [StrOptions(set(OBJECTIVES)), Objective, None],
        "max_epochs": [COUNT, None],
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

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Emotions, of shape (n_samples,). A regressor takes ratings, with NaN for a
            missing one; a row without any is like one of `X_unlabeled`.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row: strings, integers, a pandas column. None or NaN stands
            for an unknown speaker.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them, so that one array drives
            both the splitter and the adversary. Ignored where `speakers` is given.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in every term of the loss, and in the scores of early
            stopping. Their mean counts as the weight of a row of `X_unlabeled`. Rows of
            weight 0 are left out.

        X_unlabeled : array-like of shape (n_unlabeled, n_features), default=None
            Utterances without a label, for the standardisation of the features, the
            adversary and, with `pseudo_labels` of a classifier, the emotion.

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
            From the classifier, if the speakers determine most of the emotion (an
            adjusted mutual information above one half, see
            :func:`~advser.speakers.speaker_confounding`) and the objective is not
            conditional.

        CollapseWarning
            If the embedding is nearly the same for all rows after the training.
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
        support[support.sum(1) == 0] = 1  # no known speaker has it: it excludes none
        objective = objective.set_up(task, self.embedding_dim, support, generator)
        return AdversarialNetwork(encoder, emotion_head, objective)

    def _finish_fit(self, job) -> Self:
        """Take over a trained net; warn if it embeds all rows alike."""
        super()._finish_fit(job)
        some = job.rows.x[:: 1 + len(job.rows) // CHECKED_ROWS].numpy()
        if np.ptp(self._run("encoder", some), axis=0).max() < SAME:
            warn(
                "The embedding is nearly the same for all training rows, and so are "
                "the predictions. Lower the weight of the objective, `lr` or `alpha`, "
                "set a larger `batch_size`, or check that the features differ between "
                "rows.",
                CollapseWarning,
                stacklevel=4,
            )
        return self

    def _update_network(self, labels):
        objective = self.net_.module_.objective
        support = _support(labels, objective.task.n_conditions, self._n_speakers)
        for module in objective.modules():
            known = getattr(module, "support", None)
            if isinstance(known, Tensor) and known[:-1].shape == support.shape:
                known[:-1].clamp_(min=support.to(known))

    @property
    def _objective(self):
        """The objective that `adversary` stands for."""
        if isinstance(self.adversary, str):
            return OBJECTIVES[self.adversary]()
        return self.adversary or EmpiricalRisk()

    def _choose_objective(self, labels):
        """Return the objective, or the plain one where speakers are missing."""
        objective = self._objective
        if not objective.needs_speakers:
            return objective
        if self._n_speakers < 2:
            warn(
                f"`adversary={self.adversary!r}` needs two known speakers and has "
                f"{self._n_speakers}: the network is trained on the emotion alone. "
                "Pass the speaker of each row as `speakers` to fit, or set "
                "`adversary=None`.",
                NoSpeakersWarning,
                stacklevel=6,
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
                stacklevel=6,
            )
        return objective


def _support(labels, n_conditions, n_speakers):
    """Return 1 where a speaker has rows with an emotion or bin, 0 elsewhere."""
    condition = labels.bin if labels.emotion is None else labels.emotion
    known = (condition >= 0) & (labels.speaker >= 0)
    support = torch.zeros(n_conditions, n_speakers)
    support[condition[known], labels.speaker[known]] = 1
    return support
