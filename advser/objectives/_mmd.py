r"""MMD: the embeddings of all speakers are to have the same distribution.

The maximum mean discrepancy of Gretton et al. (2012), as in Li, Pan, Wang, Kot (2018),
with the speakers as domains:

.. math:: \min_{E, C} \; \mathrm{CE}(C(h), e)
    + \lambda \operatorname{mean}_{s < t} \mathrm{MMD}^2(s, t)
"""

from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from .._engine import Labels
from .._validation._parameters import WEIGHT, Numbers
from ._base import Objective
from ._pairs import mean_over_pairs


def mean_discrepancy(
    h: Tensor, membership: Tensor, bandwidths: Sequence[float]
) -> Tensor:
    r"""Return the mean squared discrepancy between two speakers.

    .. math:: \mathrm{MMD}^2(s, t) = \mathrm{E} \, k(h_s, h_s')
        + \mathrm{E} \, k(h_t, h_t') - 2 \, \mathrm{E} \, k(h_s, h_t)

    E is the weighted mean over all pairs of different rows. It is then an unbiased
    estimate: with the pairs of a row and itself, speakers with few rows would differ
    even if their distributions are equal, except in a constant embedding. The kernel is
    a mean of Gaussians,
    :math:`k(h, h') = \operatorname{mean}_b e^{-\lVert h - h' \rVert^2 / (2 b m)}`, with
    the mean squared distance m of the rows of known speakers, which has no gradient.

    Parameters
    ----------
    h : Tensor of shape (n, d)

    membership : Tensor of shape (n, n_speakers)
        The weight of the row in the column of its speaker, 0 in the others, and
        throughout for unknown speakers. Speakers with one row, or with nearly all of
        their weight on one, have no pair of rows and are left out.

    bandwidths : sequence of float
        :math:`b`.

    Returns
    -------
    discrepancy : Tensor of shape ()
        Negative where speakers differ less than expected by chance.
    """
    counts = membership.sum(0)  # (n_speakers,)
    h = h - h.detach().mean(0)  # smaller numbers, whose differences are more precise
    squared = h.square().sum(1)
    distance = (squared[:, None] + squared - 2 * h @ h.T).clamp(min=0)  # (n, n)
    known = membership.sum(1)  # (n,)
    tiny = torch.finfo(h.dtype).tiny
    n_pairs = known.sum().square().clamp(min=tiny)
    scale = (known @ distance.detach() @ known / n_pairs).clamp(min=tiny)
    kernel = sum(torch.exp(-distance / (2 * b * scale)) for b in bandwidths)
    share = membership / counts.clamp(min=tiny)  # (n, n_speakers)
    inner = share.T @ (kernel / len(bandwidths)) @ share
    # Without the pairs of a row and itself, whose kernel is 1.
    own = share.square().sum(0)
    n_free = 1 - own
    has_several = (counts > 0) & (n_free > torch.finfo(h.dtype).eps ** 0.5)
    within = (inner.diagonal() - own) / torch.where(has_several, n_free, 1)
    return mean_over_pairs(inner, within, has_several)


class MMD(Objective):
    r"""Maximum mean discrepancy: equal distributions of the embedding for all speakers.

    .. math:: \mathrm{CE}(C(h), e)
        + \lambda \operatorname{mean}_{s < t} \mathrm{MMD}^2(s, t)

    Parameters
    ----------
    weight : float, default=1.0
        :math:`\lambda`.

    bandwidths : sequence of float, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Widths of the Gaussian kernels, as shares of the mean squared distance of the
        batch.

    See Also
    --------
    mean_discrepancy : The term :math:`\mathrm{MMD}^2`.

    Notes
    -----
    **Differences from the papers.** The discrepancy is that of [1]_. The domains are
    the speakers of a batch; with many speakers, use large batches: a speaker counts
    from two rows in a batch on. The widths of the kernels follow the scale of the
    embedding. There is no autoencoder as in [2]_.

    References
    ----------
    .. [1] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel
       two-sample test", Journal of Machine Learning Research 13, 2012.
    .. [2] H. Li, S. J. Pan, S. Wang, A. C. Kot, "Domain generalization with adversarial
       feature learning", CVPR 2018.
    """

    _parameter_constraints: dict = {
        "weight": [WEIGHT],
        "bandwidths": [Numbers(Real, 0, closed="neither", at_least=1)],
    }

    tensor_params = ("weight",)

    def __init__(
        self,
        weight: float = 1.0,
        bandwidths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    ) -> None:
        self.weight = weight
        self.bandwidths = bandwidths

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion and the weighted discrepancy."""
        weighted = self.membership(y) * y.speaker_weight[:, None]
        discrepancy = mean_discrepancy(h, weighted, self.bandwidths)
        return {
            "emotion": self.task.loss(output, y),
            "discrepancy": self.weight * discrepancy,
        }
