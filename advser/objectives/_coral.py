r"""CORAL: the embeddings of all speakers are to have the same covariance.

Sun and Saenko (2016), arXiv 1607.01719, with the speakers as domains:

.. math:: \min_{E, C} \; \mathrm{CE}(C(h), e)
    + \lambda \operatorname{mean}_{s < t} \frac{\lVert \Sigma_s - \Sigma_t \rVert_F^2}
    {4 d^2}
"""

import torch
from torch import Tensor

from .._engine import Labels
from .._validation._parameters import WEIGHT
from ._base import Objective
from ._pairs import mean_over_pairs


def covariance_distance(h: Tensor, membership: Tensor) -> Tensor:
    r"""Return the mean distance between the covariances of two speakers.

    .. math:: \frac{\lVert \Sigma_s - \Sigma_t \rVert_F^2}{4 d^2}

    Parameters
    ----------
    h : Tensor of shape (n, d)

    membership : Tensor of shape (n, n_speakers)
        The weight of the row in the column of its speaker, 0 in the others, and
        throughout for unknown speakers. Speakers with one row, or with nearly all of
        their weight on one, have no covariance and are left out.

    Returns
    -------
    distance : Tensor of shape ()
    """
    tiny = torch.finfo(h.dtype).tiny
    counts = membership.sum(0)  # (n_speakers,)
    h = h - h.detach().mean(0)  # smaller numbers, whose differences are more precise
    mean = membership.T @ h / counts.clamp(min=tiny)[:, None]  # (n_speakers, d)
    centred = h - (membership > 0).to(h) @ mean  # by the mean of its speaker
    # n - 1 for equal weights of 1, and rounding errors for a single row.
    n_free = counts - membership.square().sum(0) / counts.clamp(min=tiny)
    has_several = n_free > torch.finfo(h.dtype).eps ** 0.5 * counts
    share = membership / torch.where(has_several, n_free, 1)
    # The covariances are sums of outer products, (a a^T, b b^T) = (a^T b)^2.
    inner = share.T @ (centred @ centred.T).square() @ share  # (n_speakers, n_speakers)
    distance = mean_over_pairs(inner, inner.diagonal(), has_several)
    return distance / (4 * h.shape[1] ** 2)


class CORAL(Objective):
    r"""Correlation alignment: equal covariances of the embedding for all speakers.

    .. math:: \mathrm{CE}(C(h), e)
        + \lambda \operatorname{mean}_{s < t}
        \frac{\lVert \Sigma_s - \Sigma_t \rVert_F^2}{4 d^2}

    Here :math:`\Sigma_s` is the covariance of the embedding over the rows of speaker s
    in the batch, by weight, and d the width of the embedding.

    Parameters
    ----------
    weight : float, default=1.0
        :math:`\lambda`.

    Notes
    -----
    **Differences from the paper.** The domains are the speakers of a batch, each pair
    of them, in place of one source and one target. With many speakers, use large
    batches: a speaker counts from two rows in a batch on. With weights w of the rows,
    the number of rows n in the divisor n - 1 is replaced, up to the scale of the
    weights, by Kish's effective number, :math:`(\sum w)^2 / \sum w^2`.

    References
    ----------
    B. Sun, K. Saenko, "Deep CORAL: Correlation alignment for deep domain adaptation",
    ECCV 2016 workshops, arXiv 1607.01719.
    """

    _parameter_constraints: dict = {"weight": [WEIGHT]}

    tensor_params = ("weight",)

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion and the weighted distance."""
        weighted = self.membership(y) * y.speaker_weight[:, None]
        distance = covariance_distance(h, weighted)
        return {"emotion": self.task.loss(output, y), "coral": self.weight * distance}
