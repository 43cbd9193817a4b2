"""Parts of networks that every method shares; none belongs to one paper."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Real

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ._validation._parameters import NOT_NEGATIVE, POSITIVE, Number, check_parameter

__all__ = [
    "Clip",
    "Dropout",
    "GaussianDropout",
    "Noise",
    "Standardize",
    "classification_loss",
    "cross_entropy",
    "linear",
    "mlp",
    "ramp",
    "reconstruction_loss",
    "reverse_gradient",
    "weighted_mean",
]


class Standardize(nn.Module):
    """Shift and scale each feature by statistics of the training rows.

    It is a layer, so that an exported network takes raw features, whatever their scale.

    Parameters
    ----------
    mean, scale : array-like of shape (n_features,)
        Mean and standard deviation of each feature. A `scale` of 0, as a constant
        feature has, counts as 1.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, or a `scale` negative.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: npt.ArrayLike, scale: npt.ArrayLike) -> None:
        super().__init__()
        for name, statistic in {"mean": mean, "scale": scale}.items():
            values = np.asarray(statistic)
            wrong = ~np.isfinite(values) | ((name == "scale") & (values < 0))
            if wrong.any():
                raise ValueError(
                    f"`{name}` holds {values[wrong].flat[0]}; it must be the finite "
                    "statistic of a feature."
                )
        scale = np.where(np.asarray(scale) > 0, scale, 1.0)
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised rows: (n, d) to (n, d)."""
        return (x - self.mean) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Return the rows in their original units: (n, d) to (n, d)."""
        return x * self.scale + self.mean


class Clip(nn.Module):
    """Limit values to the range from ``-bound`` to `bound`.

    Parameters
    ----------
    bound : float
    """

    bound: Tensor

    def __init__(self, bound: float) -> None:
        super().__init__()
        check_parameter(float(bound), "bound", POSITIVE)
        self.register_buffer("bound", torch.tensor(float(bound)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the clipped rows: (n, d) to (n, d)."""
        # `clamp` by tensors takes three times as long.
        return x.minimum(self.bound).maximum(-self.bound)


class Noise(nn.Module):
    """A layer with random numbers that are drawn anew for every training step.

    The engine draws them from the generator of the fit, for many steps at a time, and
    puts those of a step into the buffer `noise`. Between fits the buffer holds its
    initial values.

    Parameters
    ----------
    noise : Tensor
        Shape of the numbers of one step, and their values between fits.
    """

    noise: Tensor

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self.register_buffer("noise", noise, persistent=False)

    def draw(self, n_steps: int, generator: torch.Generator) -> Tensor:
        """Return the numbers of some training steps: (n_steps, ...)."""
        raise NotImplementedError


class Dropout(Noise):
    """Dropout with one mask per batch instead of one per row.

    Each training step trains one thinned network on its whole batch. The mask does not
    depend on the number or the order of the rows.

    Parameters
    ----------
    n_units : int
        Width of the layer.

    p : float
        Probability that a unit is left out; those kept are scaled by 1 / (1 - p).
    """

    p: Tensor

    def __init__(self, n_units: int, p: float) -> None:
        super().__init__(torch.ones(n_units))
        check_parameter(float(p), "p", Number(Real, 0, 1))
        self.register_buffer("p", torch.tensor(float(p)), persistent=False)

    def draw(self, n_steps: int, generator: torch.Generator) -> Tensor:
        """Return the masks of some training steps: (n_steps, n_units)."""
        uniform = torch.rand((n_steps, len(self.noise)), generator=generator)
        return (uniform.to(self.noise) >= self.p) / (1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """Return the thinned rows: (n, n_units) to (n, n_units)."""
        return x * self.noise if self.training else x


class GaussianDropout(Noise):
    """Multiply each feature by a random factor, the same for all rows of a batch.

    The factors are normal with a mean of 1 (Srivastava et al., 2014, section 10, with a
    factor for each row). Since they do not depend on the rows, a row with a weight of 2
    has the effect of two equal rows.

    Parameters
    ----------
    n_features : int
        Width of the rows.

    scale : float
        Standard deviation of the factors.
    """

    scale: Tensor

    def __init__(self, n_features: int, scale: float) -> None:
        super().__init__(torch.ones(n_features))
        check_parameter(float(scale), "scale", NOT_NEGATIVE)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def draw(self, n_steps: int, generator: torch.Generator) -> Tensor:
        """Return the factors of some training steps: (n_steps, n_features)."""
        normal = torch.randn((n_steps, len(self.noise)), generator=generator)
        return 1 + normal.to(self.noise) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows with their factors: (n, n_features) to (n, n_features)."""
        return x * self.noise if self.training else x


class _Linear(nn.Linear):
    """A linear layer that does not use torch's global generator, see `linear`."""

    def reset_parameters(self):
        """Leave the parameters as they are."""


def linear(n_in: int, n_out: int, generator: torch.Generator | None) -> nn.Linear:
    """Return a linear layer, He-initialised from `generator`, with a bias of 0.

    Parameters
    ----------
    n_in, n_out : int
        Width of the input and of the output.

    generator : torch.Generator or None
        Source of the initial weights. With None they are 0, for output layers: these
        start with equal probabilities, whatever the order of the classes.

    Returns
    -------
    layer : nn.Linear
    """
    layer = _Linear(n_in, n_out)
    if generator is None:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(
    sizes: Sequence[int], generator: torch.Generator, *, dropout: float = 0.0
) -> nn.Sequential:
    """Return linear layers, each followed by a ReLU and dropout.

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
    layers : nn.Sequential
        Maps (n, sizes[0]) to (n, sizes[-1]).
    """
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [linear(n_in, n_out, generator), nn.ReLU()]
        if dropout:
            layers.append(Dropout(n_out, dropout))
    return nn.Sequential(*layers)


def reverse_gradient(h: Tensor, weight: float | Tensor) -> Tensor:
    r"""Return `h` unchanged, while its gradient is multiplied by `-weight`.

    The gradient reversal layer of Ganin et al. (2016), arXiv 1505.07818. On the line
    from `h` to its detached copy, the point at ``1 + weight`` has the value of `h` and
    the gradient :math:`1 - (1 + \lambda) = -\lambda`.

    Parameters
    ----------
    h : Tensor of any shape

    weight : float or Tensor, of a shape that broadcasts to that of `h`
        :math:`\lambda`.

    Returns
    -------
    h : Tensor of the same shape
    """
    return torch.lerp(h, h.detach(), 1 + weight)


def ramp(progress: float | Tensor, steepness: float) -> float | Tensor:
    r"""Return the share of an adversary's weight at some point of the training.

    .. math:: \frac{2}{1 + e^{-\gamma p}} - 1 = \tanh(\gamma p / 2)

    Parameters
    ----------
    progress : float or Tensor of shape ()
        Share of the training that is over, :math:`p` in [0, 1].

    steepness : float
        :math:`\gamma`; Ganin et al. (2016), arXiv 1505.07818, use 10. 0 means no ramp:
        the full weight from the start.

    Returns
    -------
    share : float or Tensor of shape ()
        In [0, 1].
    """
    if not steepness:
        return 1.0
    tanh: Callable = torch.tanh if isinstance(progress, Tensor) else math.tanh
    return tanh(steepness * progress / 2)


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of weighted losses.

    Parameters
    ----------
    losses : Tensor of shape (n,)

    weight : Tensor of shape (n,)
        They have a mean of 1 over all training rows, not over a batch. The mean over a
        batch then is an unbiased estimate of the full loss.

    Returns
    -------
    loss : Tensor of shape ()
    """
    _check_shapes(losses, weight)
    return (weight * losses).mean()


def reconstruction_loss(decoded: Tensor, x: Tensor) -> Tensor:
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
    _check_shapes(decoded, x)
    return (decoded - x).square().mean(1)


def _check_shapes(one, other):
    """Raise a ValueError for tensors that torch would broadcast."""
    if one.shape != other.shape:
        raise ValueError(
            f"The arguments have the shapes {tuple(one.shape)} and "
            f"{tuple(other.shape)}; pass two tensors of the same shape."
        )


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    r"""Return each row's cross-entropy.

    .. math:: - \log p_c

    `torch.nn.functional.cross_entropy` is the same, but loads torch's compiler where
    many networks are trained as one batch.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)

    target : Tensor of shape (n,)
        Class codes :math:`c`. -1, for an unknown class, counts as the first class; give
        such rows a weight of 0.

    Returns
    -------
    losses : Tensor of shape (n,)
    """
    return -logits.log_softmax(1).gather(1, target.clamp(min=0)[:, None])[:, 0]


def classification_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy.

    Parameters
    ----------
    logits : Tensor of shape (n, n_classes)

    target : Tensor of shape (n,)
        Class codes, -1 where the class is unknown.

    weight : Tensor of shape (n,)
        See `weighted_mean`; 0 where the class is unknown.

    Returns
    -------
    loss : Tensor of shape ()
    """
    return weighted_mean(cross_entropy(logits, target), weight)
