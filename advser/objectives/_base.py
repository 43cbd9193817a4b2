"""The base class of objectives, and the plain objective without an adversary."""

from inspect import Signature, signature
from numbers import Integral, Real
from typing import Any, Self

import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, clone
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .._engine import Labels, seeded_global_random
from .._validation._parameters import Number, check_names, check_parameter
from ..nn import ramp

RESERVED = {"task", "n_speakers", "support", "training"}  # attributes of an objective


class Objective(BaseEstimator, nn.Module):
    r"""What encoder and emotion head minimise; the extension point for new methods.

    A subclass needs `loss`, and `build` if it has modules of its own. It is passed to
    an estimator, as in ``AdversarialSER(MyObjective(weight=3.0))``. Its constructor
    only assigns its parameters, as that of any scikit-learn estimator, and a search
    finds them as ``adversary__weight``.

    Before the training, the estimator copies the objective, sets the attributes below
    and calls `build`.

    Attributes
    ----------
    task : Module
        Emotions or ratings: ``task.loss(output, y)`` is their loss, and
        ``task.condition(output, y)`` the probability of each emotion, of shape
        (n, n_conditions). For ratings it is that of each combination of bins, of which
        there is one only if the objective is not `conditional`.

    n_speakers : int
        Number of training speakers.

    support : Tensor of shape (n_conditions + 1, n_speakers)
        1 where a speaker has training rows with an emotion or combination of bins, 0
        elsewhere. A row that would be 0 throughout is of ones, as is the last one, for
        an unknown emotion.

    n_adversary_steps : int, default=0
        Number of update steps on `adversary_loss` before each update step on `loss`.

    trains_own_modules : bool, default=True
        Whether the update step on `loss` changes the modules of the objective too,
        besides encoder and emotion head.

    needs_speakers : bool, default=True
        Whether the objective needs two known speakers. Without them the estimator
        trains on the emotion alone, with a warning.

    conditional : bool, default=False
        Whether the objective allows for speakers who differ in their mix of emotions.
        If not, the estimator warns where they do, and ratings have no bins.

    tensor_params : tuple of str, default=()
        Names of numeric parameters that `loss` uses as tensors. Networks that differ in
        them are trained as one batch in stacked searches. Networks that differ in any
        other attribute are not, so that a name that is missing here costs time only.

    stackable : bool, default=True
        Whether networks may be trained as one batch at all.

    Notes
    -----
    `loss` gets batches of equal size, without padding. Rows of unknown speakers have
    the code -1 in ``y.speaker`` and a weight of 0 in ``y.speaker_weight``; rows without
    a known emotion have a weight of 0 in ``y.emotion_weight``. Weights have a mean of 1
    over all training rows.

    What is kept from batch to batch belongs in buffers that are changed in place, as by
    ``copy_``. Networks that keep anything else are not trained as one batch.

    Examples
    --------
    The variance of the embedding as a penalty:

    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> from advser.objectives import Objective
    >>> class SmallEmbedding(Objective):
    ...     def __init__(self, weight=0.1):
    ...         self.weight = weight
    ...
    ...     def loss(self, h, output, y, progress):
    ...         emotion = self.task.loss(output, y)
    ...         return {"emotion": emotion, "variance": self.weight * h.var()}
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ser = AdversarialSER(SmallEmbedding(), max_epochs=3, random_state=0)
    >>> ser.fit(X, y, speakers=speakers).history_.shape[0]
    3
    """

    task: Any
    n_speakers: int
    support: Tensor
    weight: Any  # a parameter of most objectives
    n_adversary_steps = 0
    trains_own_modules = True
    needs_speakers = True
    conditional = False
    tensor_params: tuple[str, ...] = ()
    stackable = True
    __signature__ = Signature()

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the signature be that of the constructor, not of `__new__`."""
        super().__init_subclass__(**options)
        _, *parameters = signature(cls.__init__).parameters.values()
        cls.__signature__ = Signature(parameters)

    def __new__(cls, *args: Any, **kwargs: Any):
        """Prepare the object to hold modules, before any constructor runs."""
        objective = super().__new__(cls)
        nn.Module.__init__(objective)
        return objective

    def __init__(self) -> None:
        """Do nothing: a subclass assigns its parameters."""

    def build(
        self, embedding_dim: int, n_speakers: int, generator: torch.Generator
    ) -> None:
        """Make the modules that the objective needs, as attributes of itself.

        Parameters
        ----------
        embedding_dim : int
            Width of the embedding.

        n_speakers : int
            Number of training speakers.

        generator : torch.Generator
            Source of initial weights, see `advser.nn.linear`. Layers of torch draw
            theirs from the global generator, which is seeded here.
        """

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the named terms of the loss, whose sum is minimised.

        Parameters
        ----------
        h : Tensor of shape (n, embedding_dim)
            Embedding of the batch.

        output : Tensor of shape (n, n_outputs)
            What the emotion head returns for it: logits or standardised ratings.

        y : Labels
            ``y.emotion``, ``y.speaker`` and their weights.

        progress : float or Tensor of shape ()
            Share of the training that is over, in [0, 1).

        Returns
        -------
        terms : dict of str to Tensor of shape ()
            They are recorded in `history_`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `loss`.")

    def adversary_loss(self, h: Tensor, output: Tensor, y: Labels) -> dict[str, Tensor]:
        """Return the terms that only the modules of the objective minimise.

        Parameters
        ----------
        h : Tensor of shape (n, embedding_dim)
            Embedding of the batch, without a gradient.

        output : Tensor of shape (n, n_outputs)
            What the emotion head returns for it, without a gradient.

        y : Labels

        Returns
        -------
        terms : dict of str to Tensor of shape ()
            Recorded like those of `loss`, which has precedence where names are equal.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `adversary_loss`.")

    def weight_at(self, progress: float | Tensor) -> float | Tensor:
        """Return `weight`, ramped up if the objective has a parameter `ramp`.

        Parameters
        ----------
        progress : float or Tensor of shape ()
            Share of the training that is over.

        Returns
        -------
        weight : float or Tensor of shape ()
        """
        return self.weight * ramp(progress, getattr(self, "ramp", 0.0))

    def membership(self, y: Labels) -> Tensor:
        """Return 1 in the column of each row's speaker, 0 in the others.

        Parameters
        ----------
        y : Labels

        Returns
        -------
        membership : Tensor of shape (n, n_speakers)
            0 throughout in rows of unknown speakers.
        """
        one_hot = F.one_hot(y.speaker.clamp(min=0), max(1, self.n_speakers))
        one_hot = one_hot[:, : self.n_speakers]  # none, if no speaker is known
        return one_hot * y.speaker_weight.gt(0).to(y.speaker_weight)[:, None]

    def speaker_risks(self, output: Tensor, y: Labels) -> tuple[Tensor, Tensor]:
        """Return the loss of the emotion for each speaker of the batch.

        Parameters
        ----------
        output : Tensor of shape (n, n_outputs)

        y : Labels

        Returns
        -------
        risks : Tensor of shape (n_speakers + 1,)
            The loss over the rows of a speaker; the last one is that over the rows
            of unknown speakers. 0 where there are no rows.

        weights : Tensor of shape (n_speakers + 1,)
            Total weight of these rows.
        """
        membership = self.membership(y)
        unknown = 1 - membership.sum(1, keepdim=True)
        return self.task.risks(output, y, torch.cat([membership, unknown], 1))

    def set_up(
        self,
        task: nn.Module,
        embedding_dim: int,
        support: Tensor,
        generator: torch.Generator,
    ) -> Self:
        """Return a copy that is ready to train; the estimator calls this.

        Parameters
        ----------
        task : Module

        embedding_dim : int

        support : Tensor of shape (n_conditions, n_speakers)

        generator : torch.Generator

        Returns
        -------
        ready : Objective
        """
        if hasattr(self, "_parameter_constraints"):
            BaseEstimator._validate_params(self)
        check_parameter(
            self.n_adversary_steps, "n_adversary_steps", Number(Integral, 0)
        )
        ready = clone(self)
        methods = {name for name, value in vars(Objective).items() if callable(value)}
        taken = (RESERVED | methods).intersection(BaseEstimator.get_params(self))
        if taken:
            raise ValueError(
                f"{type(self).__name__} has the parameter {min(taken)!r}, and an "
                "objective has another attribute of this name; choose another."
            )
        for name in check_names(self.tensor_params, "tensor_params"):
            if not hasattr(ready, name):
                raise ValueError(
                    f"`tensor_params` of {type(self).__name__} names {name!r}, which "
                    f"is none of its parameters {list(BaseEstimator.get_params(self))}."
                )
            check_parameter(getattr(ready, name), name, Number(Real, None))
            value = torch.tensor(float(getattr(ready, name)))
            delattr(ready, name)
            ready.register_buffer(name, value, persistent=False)
        ready.task = task
        ready.n_speakers = support.shape[1]
        ones = torch.ones(1, ready.n_speakers)
        ready.register_buffer("support", torch.cat([support, ones]))
        with seeded_global_random(generator.initial_seed()):
            ready.build(embedding_dim, ready.n_speakers, generator)
        if any(map(is_lazy, [*ready.parameters(), *ready.buffers()])):
            raise ValueError(
                f"`build` of {type(self).__name__} makes a layer whose width is not "
                "known; use no lazy layers: it gets `embedding_dim` and `n_speakers`."
            )
        return ready


class EmpiricalRisk(Objective):
    r"""The loss of the emotion alone: the baseline without an adversary.

    .. math:: \min_{E, C} \; \mathrm{CE}(C(E(x)), e)
    """

    needs_speakers = False

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion."""
        return {"emotion": self.task.loss(output, y)}
