"""Integrated gradients: which features a function of a row depends on."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ._siamese_losses import TINY


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
    # captum has this method, and would be a further dependency for these six lines.
    gradient = torch.zeros_like(x)
    for step in range(n_steps):
        t = (step + 0.5) / n_steps
        point = torch.lerp(baseline.expand_as(x), x, t).detach().requires_grad_()
        gradient += torch.autograd.grad(function(point).sum(), point)[0]
    return (x - baseline) * gradient / n_steps


def code_attributions(module, x, n_steps):
    """Return shares and attributions of the codes of a siamese network, as arrays.

    Parameters
    ----------
    module : SiameseNetwork

    x : Tensor of shape (n, n_features)

    n_steps : int

    Returns
    -------
    shares : ndarray of shape (n, 2)
        How much of the decoded embedding each code makes.

    attributions : ndarray of shape (n, 2, n_features)
    """
    baseline = module.encoder[0].mean
    with torch.no_grad():
        ends = module.contributions(x, baseline)
        total = sum(end.square().sum(1) for end in ends).clamp(min=TINY)  # (n,)
        shares = [end.square().sum(1) / total for end in ends]

    def share(point, code):
        contribution = module.contributions(point, baseline)[code]
        return (contribution * ends[code]).sum(1) / total

    attributions = [
        integrated_gradients(partial(share, code=code), x, baseline, n_steps)
        for code in range(len(ends))
    ]
    return tuple(
        torch.stack(values, 1).cpu().numpy() for values in (shares, attributions)
    )
