"""Integrated gradients: which features a function of a row depends on."""

from collections.abc import Callable

import torch
from torch import Tensor


def integrated_gradients(
    function: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, n_steps: int
) -> Tensor:
    r"""Divide the rise of a function, from a baseline to each row, among the features.

    .. math:: a_j = (x_j - b_j)
        \int_0^1 \frac{\partial f}{\partial x_j}(b + t (x - b)) \, dt

    Sundararajan, Taly and Yan (2017), arXiv 1703.01365. The attributions of a row sum
    to :math:`f(x) - f(b)`, up to the error of the midpoint rule.

    Parameters
    ----------
    function : callable
        Maps rows to one number each: (n, n_features) to (n,).

    x : Tensor of shape (n, n_features)

    baseline : Tensor of shape (n_features,)
        :math:`b`.

    n_steps : int
        Number of points between baseline and row.

    Returns
    -------
    attribution : Tensor of shape (n, n_features)
    """
    gradient = torch.zeros_like(x)
    for step in range(n_steps):
        t = (step + 0.5) / n_steps
        point = torch.lerp(baseline.expand_as(x), x, t).detach().requires_grad_()
        gradient += torch.autograd.grad(function(point).sum(), point)[0]
    return (x - baseline) * gradient / n_steps
