"""The speaker head: an adversary that learns, and objectives that train one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._engine import Labels
from .._validation._parameters import COUNT, COUNTS, NOT_NEGATIVE, WEIGHT
from ..nn import classification_loss, linear, mlp
from ._base import Objective

EXCLUDED = -1e4  # a logit with probability 0 in float32, and without NaN


class SpeakerHead(nn.Module):
    r"""Classifies the speaker from the embedding.

    The conditional head works within each emotion, as the conditional adversary of Long
    et al. (2018), arXiv 1705.10667: its input is :math:`\mathrm{vec}(q \otimes h)` with
    the emotion :math:`q` (one-hot where it is known, the detached prediction
    elsewhere), and it chooses among the speakers who have training rows with that
    emotion. What the emotion alone says about the speaker then gives the encoder
    nothing to remove.

    Parameters
    ----------
    embedding_dim : int

    n_speakers : int

    generator : torch.Generator
        Source of the initial weights.

    hidden_layer_sizes : sequence of int, default=()
        Hidden layers of the head; none for a linear one.

    support : Tensor of shape (n_conditions + 1, n_speakers) or None, default=None
        1 where a speaker has rows with an emotion, 0 elsewhere; the last row is for an
        unknown emotion. None for an unconditional head.
    """

    support: Tensor

    def __init__(
        self,
        embedding_dim: int,
        n_speakers: int,
        generator: torch.Generator,
        hidden_layer_sizes: Sequence[int] = (),
        support: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.conditional = support is not None
        n_conditions = 1 if support is None else len(support) - 1
        sizes = (embedding_dim * n_conditions, *hidden_layer_sizes)
        self.layers = nn.Sequential(
            *mlp(sizes, generator), linear(sizes[-1], n_speakers, None)
        )
        if support is None:
            support = torch.ones(1, n_speakers)
        self.register_buffer("support", support.clone())

    def candidates(self, condition: Tensor | None) -> Tensor:
        """Return the speakers whom each row may be of, as 0 and 1.

        Parameters
        ----------
        condition : Tensor of shape (n,)
            Codes of the emotions, -1 where unknown.

        Returns
        -------
        candidates : Tensor of shape (n, n_speakers) or (1, n_speakers)
        """
        return self.support[condition] if self.conditional else self.support

    def forward(
        self, h: Tensor, q: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Return the speaker logits: (n, n_speakers).

        Parameters
        ----------
        h : Tensor of shape (n, embedding_dim)

        q : Tensor of shape (n, n_conditions), default=None
            Probabilities of the emotions, for a conditional head.

        condition : Tensor of shape (n,), default=None
            Codes of the emotions, -1 where unknown, for a conditional head.
        """
        if q is None or not self.conditional:
            return self.layers(h)
        logits = self.layers((q[:, :, None] * h[:, None, :]).flatten(1))
        return logits + (1 - self.candidates(condition)) * EXCLUDED


class LearningAdversary(Objective):
    """Parent of the objectives whose adversary is a speaker head that learns."""

    _parameter_constraints: dict = {
        "weight": [WEIGHT],
        "steps": [COUNT],
        "hidden_layer_sizes": [COUNTS],
        "ramp": [NOT_NEGATIVE],
        "conditional": ["boolean"],
    }

    tensor_params = ("weight",)
    steps: int
    hidden_layer_sizes: Sequence[int]

    @property
    def n_adversary_steps(self) -> int:  # type: ignore[override]  # from a parameter
        """Update steps of the speaker head alone: `steps` without a joint one."""
        return self.steps - self.trains_own_modules

    def build(
        self, embedding_dim: int, n_speakers: int, generator: torch.Generator
    ) -> None:
        """Make the speaker head."""
        self.speaker_head = SpeakerHead(
            embedding_dim,
            n_speakers,
            generator,
            self.hidden_layer_sizes,
            self.support if self.conditional else None,
        )

    def speaker_logits(
        self, h: Tensor, output: Tensor, y: Labels
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the speaker head, and the candidates of each row."""
        q, condition = None, None
        if self.conditional:
            q, condition = self.task.condition(output, y)
        logits = self.speaker_head(h, q, condition)
        return logits, self.speaker_head.candidates(condition)

    def adversary_loss(self, h: Tensor, output: Tensor, y: Labels) -> dict[str, Tensor]:
        """Return the cross-entropy of the speaker head."""
        logits, _ = self.speaker_logits(h, output, y)
        return {"speaker": classification_loss(logits, y.speaker, y.speaker_weight)}
