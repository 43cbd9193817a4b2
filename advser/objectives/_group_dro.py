r"""Group distributionally robust optimisation: the worst speakers count more.

Sagawa, Koh, Hashimoto, Liang (2020), arXiv 1911.08731, with the speakers as groups:

.. math:: \min_{E, C} \max_{q \in \Delta_S} \; \sum_s q_s R_s
"""

import torch
from torch import Tensor

from .._engine import Labels
from .._validation._parameters import NOT_NEGATIVE
from ._base import Objective


class GroupDRO(Objective):
    r"""Group distributionally robust optimisation over the speakers.

    On every batch, the weights of the speakers are updated by exponentiated gradient
    ascent, and the network descends the weighted loss:

    .. math:: q_s \leftarrow \frac{q_s e^{\eta R_s}}{\sum_t q_t e^{\eta R_t}},
        \qquad L = \sum_s q_s R_s

    Here :math:`R_s` is the loss of the emotion over the rows of speaker s in the batch.

    Parameters
    ----------
    step_size : float, default=0.01
        :math:`\eta`, the value of the paper.

    Notes
    -----
    **Differences from the paper.** The groups are speakers, not combinations of label
    and attribute. The weights of the speakers in a batch are made to sum to 1 in the
    loss, so that its scale does not depend on how many speakers a batch has. Rows of
    unknown speakers are one group.

    References
    ----------
    S. Sagawa, P. W. Koh, T. B. Hashimoto, P. Liang, "Distributionally robust neural
    networks for group shifts", ICLR 2020, arXiv 1911.08731.
    """

    _parameter_constraints: dict = {"step_size": [NOT_NEGATIVE]}

    tensor_params = ("step_size",)
    q: Tensor

    def __init__(self, step_size: float = 0.01) -> None:
        self.step_size = step_size

    def build(
        self, embedding_dim: int, n_speakers: int, generator: torch.Generator
    ) -> None:
        """Start with equal weights of the speakers, and of all unknown ones."""
        n_groups = n_speakers + 1
        self.register_buffer("q", torch.full((n_groups,), 1 / n_groups))

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion, weighted by speaker."""
        risks, weights = self.speaker_risks(output, y)
        with torch.no_grad():
            # The same as q * exp(step_size * risks) / sum, which may overflow.
            self.q.copy_((self.q.log() + self.step_size * risks).softmax(0))
        q = self.q * (weights > 0)
        q = q / q.sum().clamp(min=torch.finfo(q.dtype).tiny)
        return {"emotion": (q * risks).sum()}
