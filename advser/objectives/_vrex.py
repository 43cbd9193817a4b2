r"""Risk extrapolation: the loss of the emotion is to be the same for all speakers.

Krueger et al. (2021), arXiv 2003.00688, with the speakers as environments:

.. math:: \min_{E, C} \; \frac{1}{S} \sum_s R_s + \beta \operatorname{Var}_s(R_s)
"""

from torch import Tensor

from .._engine import Labels
from .._validation._parameters import WEIGHT
from ._base import Objective


class VREx(Objective):
    r"""Risk extrapolation: the variance of the speakers' losses as a penalty.

    .. math:: \frac{1}{S} \sum_s R_s + \beta \operatorname{Var}_s(R_s)

    Here :math:`R_s` is the loss of the emotion over the rows of speaker s in the batch,
    and S the number of speakers in the batch.

    Parameters
    ----------
    weight : float, default=1.0
        :math:`\beta`.

    Notes
    -----
    **Differences from the paper.** The environments are the speakers of a batch of
    random rows, so that some have few rows. Rows of unknown speakers are one
    environment.

    References
    ----------
    D. Krueger et al., "Out-of-distribution generalization via risk extrapolation
    (REx)", ICML 2021, arXiv 2003.00688.
    """

    _parameter_constraints: dict = {"weight": [WEIGHT]}

    tensor_params = ("weight",)

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the mean and the weighted variance of the speakers' losses."""
        risks, weights = self.speaker_risks(output, y)
        share = (weights > 0).to(risks)
        share = share / share.sum().clamp(min=1)
        mean = (share * risks).sum()
        variance = (share * (risks - mean).square()).sum()
        return {"emotion": mean, "variance": self.weight * variance}
