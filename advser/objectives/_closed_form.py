r"""Adversary in closed form: a ridge regression of the speaker, solved on every batch.

After Sadeghi, Wang and Boddeti (2021), arXiv 2109.05535. Encoder E and emotion head C
are trained against the best linear adversary A, which needs no training of its own:

.. math::

    \min_{E, C} \; \mathrm{CE}(C(h), e) + \lambda \, \max_A R^2(A, h, s), \quad h = E(x)

The adversary cannot lag behind the encoder, and the scale of the embedding does not
matter.
"""

import torch
from torch import Tensor

from .._engine import Labels
from .._validation._parameters import NOT_NEGATIVE, POSITIVE, WEIGHT
from ._base import Objective


def speakers_explained(
    h: Tensor,
    speakers: Tensor,
    weight: Tensor,
    penalty: float | Tensor,
    given: Tensor | None = None,
) -> Tensor:
    r"""Return the share of the speakers' variance that a ridge regression explains.

    The regression predicts the speakers :math:`Y` from the embedding :math:`H`. What
    the given variables explain is subtracted from both first:

    .. math::

        R^2 = 1 - \frac{\min_A \sum_i w_i \lVert y_i - A^T h_i \rVert^2
        + \gamma \lVert A \rVert^2}{\sum_i w_i \lVert y_i \rVert^2}

    with :math:`\sum_i w_i = 1`. A change of the minimiser
    :math:`A = (H^T W H + \gamma I)^{-1} H^T W Y` changes nothing at the minimum (the
    envelope theorem), so that the gradient is

    .. math::

        \frac{\partial R^2}{\partial h_i} = \frac{2 w_i}{\sum_j w_j \lVert y_j \rVert^2}
        \bigl(A (y_i - A^T h_i) - \gamma_0 \lVert A \rVert^2 h_i / d\bigr) ,

    where :math:`\gamma_0` is the `penalty` and d the dimension of the embedding. This
    equation is used in place of the graph of the solution. There are no second
    derivatives.

    Parameters
    ----------
    h : Tensor of shape (n, embedding_dim)

    speakers : Tensor of shape (n, n_speakers)
        1 in the column of the speaker, 0 in the others.

    weight : Tensor of shape (n,)
        Weights of the rows, 0 where the speaker is unknown.

    penalty : float or Tensor of shape ()
        :math:`\gamma_0`. The penalty :math:`\gamma` is this share of the mean variance
        of the dimensions.

    given : Tensor of shape (n, n_given) or None, default=None
        Further variables, such as the probabilities of the emotions. None for a
        constant: only the means are subtracted.

    Returns
    -------
    explained : Tensor of shape ()
        From 0 to 1, up to rounding. 0 if there is one speaker only, or one for each of
        the given variables.
    """
    limits = torch.finfo(h.dtype)
    with torch.no_grad():
        w = weight[:, None] / weight.sum().clamp(min=limits.tiny)  # (n, 1)
        x, y = h.detach(), speakers
        rounding = limits.eps**1.5 * (w.mT @ x.square()).sum() + limits.tiny
        if given is None:
            x, y = (values - w.mT @ values for values in (x, y))
        else:
            # The small penalty is for emotions without a row in the batch.
            of_given = given.mT @ (w * given)
            x, y = (
                values - given @ _solve(of_given, given.mT @ (w * values), limits.eps)
                for values in (x, y)
            )
        weighted = w * x
        covariance = weighted.mT @ x
        share = penalty / x.shape[1]
        gamma = share * covariance.diagonal().sum() + rounding
        between = weighted.mT @ y
        a = _solve(covariance, between, gamma)
        total = (w.mT @ y.square()).sum().clamp(min=limits.eps**0.5)
        explained = (a * between).sum() / total  # the equation above, at its minimum
        pull = w * ((y - x @ a) @ a.mT) - share * a.square().sum() * weighted
        slope = pull * (2 / total)
    return explained + (slope * (h - h.detach())).sum()


def _solve(matrix, right, ridge):
    """Return ``(matrix + ridge * I)^-1 @ right``: (d, d) and (d, k) to (d, k).

    The inverse by a Cholesky decomposition is faster, and inaccurate for a small ridge.
    """
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    solution, _ = torch.linalg.solve_ex(matrix + ridge * identity, right)
    return solution


class ClosedForm(Objective):
    r"""Adversary in closed form: a ridge regression of the speaker.

    .. math:: \mathrm{CE}(C(h), e) + \lambda \max_A R^2(A, h, s)

    Parameters
    ----------
    weight : float, default=0.3
        :math:`\lambda`, the weight of the speaker term at the end of the ramp.

    penalty : float, default=0.01
        Penalty of the regression, as a share of the mean variance of the dimensions of
        the embedding. A smaller one finds weaker traces of the speaker, and more that
        are due to chance in the batch.

    ramp : float, default=10.0
        :math:`\gamma` of the schedule
        :math:`\lambda(p) = \lambda \, (2 / (1 + e^{-\gamma p}) - 1)` over the training
        progress p from 0 to 1. 0 for the full weight throughout.

    conditional : bool, default=False
        Whether the adversary predicts the speaker beyond what the emotion says about
        it. For corpora whose speakers differ in their mix of emotions.

    See Also
    --------
    speakers_explained : The term :math:`R^2`.

    Notes
    -----
    **Differences from the paper.** There, adversary and target task are kernel ridge
    regressions. Here the adversary is linear, with a penalty in proportion to the
    variance of the embedding, and the emotion head is trained by gradient descent. The
    ramp is that of Ganin et al. (2016), arXiv 1505.07818.

    References
    ----------
    B. Sadeghi, L. Wang, V. N. Boddeti, "Adversarial representation learning with
    closed-form solvers", ECML PKDD 2021, arXiv 2109.05535.
    """

    _parameter_constraints: dict = {
        "weight": [WEIGHT],
        "penalty": [POSITIVE],
        "ramp": [NOT_NEGATIVE],
        "conditional": ["boolean"],
    }

    tensor_params = ("weight", "penalty")

    def __init__(
        self,
        weight: float = 0.3,
        *,
        penalty: float = 0.01,
        ramp: float = 10.0,
        conditional: bool = False,
    ) -> None:
        self.weight = weight
        self.penalty = penalty
        self.ramp = ramp
        self.conditional = conditional

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion and the weighted share that is explained."""
        given = self.task.condition(output, y)[0] if self.conditional else None
        explained = speakers_explained(
            h, self.membership(y), y.speaker_weight, self.penalty, given
        )
        return {
            "emotion": self.task.loss(output, y),
            "explained": self.weight_at(progress) * explained,
        }
