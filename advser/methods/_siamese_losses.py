"""Losses of the disentangled siamese network: calibration and orthogonality."""

import torch
import torch.nn.functional as F
from torch import Tensor

TINY = 1e-12  # keeps logarithms, and means of rows without weight, finite
NO_VARIANCE = 1e-5  # added to the variance of a column


def jensen_shannon_divergence(i: Tensor, h_n: Tensor) -> Tensor:
    r"""Return each row's divergence between two embeddings as distributions.

    With :math:`p = \mathrm{softmax}(i)`, :math:`q = \mathrm{softmax}(h_n)` over the
    dimensions, and their mean m,

    .. math:: \mathrm{JS} = \tfrac{1}{2} \sum p \log \frac{p}{m}
        + \tfrac{1}{2} \sum q \log \frac{q}{m}.

    Parameters
    ----------
    i : Tensor of shape (n, d)
        Emotion-irrelevant code.

    h_n : Tensor of shape (n, d)
        Embedding of the neutral reference of each row.

    Returns
    -------
    loss : Tensor of shape (n,)
        From 0, where they are equal, to log 2.
    """
    log_p, log_q = i.log_softmax(1), h_n.log_softmax(1)
    p, q = log_p.exp(), log_q.exp()
    log_m = ((p + q) / 2 + TINY).log()
    return (p * (log_p - log_m) + q * (log_q - log_m)).sum(1) / 2


def cosine_distance(i: Tensor, h_n: Tensor) -> Tensor:
    r"""Return each row's :math:`1 - \cos(i, h_n)`.

    Parameters
    ----------
    i, h_n : Tensor of shape (n, d)
        As in :func:`jensen_shannon_divergence`.

    Returns
    -------
    loss : Tensor of shape (n,)
        From 0, where both have the same direction, to 2.
    """
    return 1 - F.cosine_similarity(i, h_n, dim=1)


def cross_correlation(i: Tensor, r: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Return how strongly the dimensions of two codes are correlated.

    .. math:: L_\mathrm{diff} = \frac{1}{d} \left\lVert
        \frac{1}{B} Z(i)^\top Z(r) \right\rVert_F^2

    Z standardises each column within the batch, so that the entries are correlations.
    For independent codes they are of the order :math:`1 / \sqrt{B}`, and the loss is
    about :math:`d / B`; for equal codes it is at least 1. The batch therefore should
    have at least four times as many rows as the code has columns.

    Parameters
    ----------
    i, r : Tensor of shape (B, d)
        The two codes.

    weight : Tensor of shape (B,) or None, default=None
        Weights of the rows, of any scale. None for equal weights.

    Returns
    -------
    loss : Tensor of shape ()
    """
    share, _ = _shares(i, weight)
    i, r = _standardize_columns(i, share), _standardize_columns(r, share)
    correlations = i.mT @ (share[:, None] * r)
    return correlations.square().sum() / i.shape[1]


def subspace_overlap(i: Tensor, r: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Return the orthogonality loss of the paper, from domain separation networks.

    .. math:: L_\mathrm{diff} = \frac{1}{d^2}
        \left\lVert \hat I^\top \hat R \right\rVert_F^2

    The rows of :math:`\hat I` and :math:`\hat R` are those of i and r, minus the mean
    of the batch and divided by their norm; Bousmalis et al. (2016), arXiv 1608.06019.
    The loss is of the order :math:`B / d^2`, so that the meaning of its weight depends
    on the sizes of batch and code.

    Parameters
    ----------
    i, r : Tensor of shape (B, d)
        The two codes.

    weight : Tensor of shape (B,) or None, default=None
        Weights of the rows, of any scale. B is replaced by Kish's effective number of
        rows, :math:`(\sum w)^2 / \sum w^2`, which is B for equal weights. None for
        equal weights.

    Returns
    -------
    loss : Tensor of shape ()
    """
    share, n_rows = _shares(i, weight)
    i, r = (F.normalize(code - share @ code, dim=1) for code in (i, r))
    return (n_rows * i.mT @ (share[:, None] * r)).square().mean()


def _shares(code, weight):
    """Return the shares of the rows, (B,), and their effective number, ()."""
    weight = torch.ones_like(code[:, 0]) if weight is None else weight
    total = weight.sum().clamp(min=TINY)
    return weight / total, total**2 / weight.square().sum().clamp(min=TINY)


def _standardize_columns(code, share):
    """Return the code with mean 0 and variance 1: (B, d), with shares (B,) of rows.

    A column of almost no variance becomes almost 0.
    """
    centred = code - share @ code
    return centred / (share @ centred.square() + NO_VARIANCE).sqrt()


CALIBRATIONS = {"js": jensen_shannon_divergence, "cosine": cosine_distance}
ORTHOGONALITIES = {"standardized": cross_correlation, "paper": subspace_overlap}
