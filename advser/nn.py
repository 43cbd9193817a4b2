"""Building blocks that every method shares; nothing here belongs to one paper."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

__all__ = [
    "Dropout",
    "Noise",
    "Standardize",
    "classification_loss",
    "linear",
    "mlp",
    "ramp",
    "reconstruction_loss",
    "reverse_gradient",
    "weighted_mean",
]


class Standardize(nn.Module):
    """Shift and scale each feature by statistics of the training rows.

    Being a layer, it travels with the exported network: raw features go in, whatever
    their scale.

    Parameters
    ----------
    mean, scale : array-like of shape (n_features,)
        Mean and standard deviation of each feature. A `scale` of 0, as a constant
        feature has, counts as 1.
    """

    def __init__(self, mean, scale):
        super().__init__()
        scale = np.where(np.asarray(scale) > 0, scale, 1.0)
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))

    def forward(self, x):
        """Return the standardised rows: (n, d) to (n, d)."""
        return (x - self.mean) / self.scale

    def inverse(self, x):
        """Return the rows in their own units again: (n, d) to (n, d)."""
        return x * self.scale + self.mean


class Noise(nn.Module):
    """A layer with random numbers that are drawn anew for every training step.

    The engine draws them from the generator of the fit, for many steps at a time, and
    lays those of a step into the buffer `noise`. Between fits it holds what it was
    made with.

    Parameters
    ----------
    noise : Tensor
        Shape of the numbers of one step, and their values between fits.
    """

    def __init__(self, noise):
        super().__init__()
        self.register_buffer("noise", noise, persistent=False)

    def draw(self, n_steps, generator):
        """Return the numbers of some training steps: (n_steps, *noise.shape)."""
        raise NotImplementedError


class Dropout(Noise):
    """Dropout with one mask per batch instead of one per row.

    Each training step trains one thinned network on its whole batch. It regularises
    as well as a mask per row, costs next to nothing, and makes a step independent of
    the order of its rows.

    Parameters
    ----------
    n_units : int
        Width of the layer.

    p : float
        Probability that a unit is left out; those kept are scaled by 1 / (1 - p).
    """

    def __init__(self, n_units, p):
        super().__init__(torch.ones(n_units))
        self.register_buffer("p", torch.tensor(float(p)), persistent=False)

    def draw(self, n_steps, generator):
        """Return the masks of some training steps: (n_steps, n_units)."""
        uniform = torch.rand((n_steps, len(self.noise)), generator=generator)
        return (uniform.to(self.noise) >= self.p) / (1 - self.p)

    def forward(self, x):
        """Return the thinned rows: (n, n_units) to (n, n_units)."""
        return x * self.noise if self.training else x


class Linear(nn.Linear):
    """A linear layer that leaves torch's global generator alone, see `linear`."""

    def reset_parameters(self):
        """Leave the parameters as they are."""


def linear(n_in, n_out, generator):
    """Return a linear layer, He-initialised from `generator`, bias 0.

    With `generator=None` the weight is 0: an output layer that starts out undecided,
    and treats all its classes alike whatever their order.
    """
    layer = Linear(n_in, n_out)
    if generator is None:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(sizes, generator, *, dropout=0.0):
    """Return a stack of linear layers, each followed by a ReLU and dropout.

    Parameters
    ----------
    sizes : sequence of int
        Width of the input and of every layer: ``len(sizes) - 1`` layers.

    generator : torch.Generator
        Source of the initial weights.

    dropout : float, default=0.0
        Probability that a unit is left out of a training step.

    Returns
    -------
    stack : nn.Sequential
        Maps (n, sizes[0]) to (n, sizes[-1]).
    """
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [linear(n_in, n_out, generator), nn.ReLU()]
        if dropout:
            layers.append(Dropout(n_out, dropout))
    return nn.Sequential(*layers)


def reverse_gradient(h, weight):
    r"""Return `h` unchanged, while its gradient is multiplied by `-weight`.

    The gradient reversal layer of Ganin et al. (2016), arXiv 1505.07818. Between `h`
    and its detached copy, the point at ``1 + weight`` has exactly the value of `h`
    and the gradient :math:`1 - (1 + \lambda) = -\lambda`: no autograd function of our
    own is needed.

    Parameters
    ----------
    h : Tensor of any shape

    weight : float or Tensor, of a shape that broadcasts to that of `h`
        :math:`\lambda`.
    """
    return torch.lerp(h, h.detach(), 1 + weight)


def ramp(progress, steepness):
    r"""Return how much of the adversary weight counts at this point of training.

    .. math:: \frac{2}{1 + e^{-\gamma p}} - 1 = \tanh(\gamma p / 2)

    Parameters
    ----------
    progress : float or Tensor of shape ()
        Share of the training that is over, :math:`p` in [0, 1].

    steepness : float
        :math:`\gamma`; Ganin et al. (2016) use 10. 0 stands for no ramp: the full
        weight from the start.

    Returns
    -------
    share : float or Tensor of shape ()
        In [0, 1].
    """
    if not steepness:
        return 1.0
    tanh = torch.tanh if isinstance(progress, torch.Tensor) else math.tanh
    return tanh(steepness * progress / 2)


def weighted_mean(losses, y, task):
    """Return the mean of one loss per row, weighted by ``y[task + "_weight"]``.

    The weights, if there are any, have a mean of 1 over all training rows, so that a
    batch is an unbiased sample of the full loss; they are 0 where the label of the
    task is unknown.
    """
    weight = y.get(f"{task}_weight")
    return losses.mean() if weight is None else (weight * losses).mean()


def reconstruction_loss(decoded, x):
    r"""Return each row's squared error, the mean over its columns.

    .. math:: \lVert x - \hat x \rVert^2 / d

    Parameters
    ----------
    decoded : Tensor of shape (n, d)
        :math:`\hat x`, what a decoder makes of a code.

    x : Tensor of shape (n, d)
        What was encoded.

    Returns
    -------
    losses : Tensor of shape (n,)
    """
    return (decoded - x).square().mean(1)


def classification_loss(logits, y, task):
    """Return the weighted mean cross-entropy of one task.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)

    y : dict of Tensor of shape (n,)
        ``y[task]`` holds the class codes, -1 where the label is unknown; the weights
        are those of `weighted_mean`.

    task : str
        Which label: "emotion" or "speaker", for instance.

    Returns
    -------
    loss : Tensor of shape ()
    """
    if f"{task}_weight" not in y:
        return F.cross_entropy(logits, y[task])
    losses = F.cross_entropy(logits, y[task], ignore_index=-1, reduction="none")  # (n,)
    return weighted_mean(losses, y, task)
