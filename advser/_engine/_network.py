"""The interface of a network to the engine: its update steps and their losses."""

from torch import Tensor, nn

from ._data import Labels


class Network(nn.Module):
    """Base class of networks that learn in one update step per batch, or in several.

    Attributes
    ----------
    steps : tuple of str
        Names of the update steps of a batch, in order. The last one trains the emotion
        head. Each step has an optimizer state of its own.
    """

    steps: tuple[str, ...] = ("train",)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits or ratings: (n, n_features) to (n, n_outputs)."""
        raise NotImplementedError

    def loss(self, step: str, shared, y: Labels, progress) -> dict[str, Tensor]:
        """Return the named terms of a step, whose sum the step descends.

        Parameters
        ----------
        step : str

        shared : as returned by `shared` for the batch

        y : Labels

        progress : float or Tensor of shape ()
            Share of the training that is over, in [0, 1).
        """
        raise NotImplementedError

    def shared(self, x: Tensor):
        """Return what all steps of a batch start from; the rows, unless overridden.

        It is computed once per batch. A step before the last one must not change the
        parameters that it depends on.
        """
        return x

    def step_parameters(self, step: str) -> list[nn.Parameter]:
        """Return the parameters that a step changes."""
        return list(self.parameters())

    def penalized(self, step: str) -> list[nn.Parameter]:
        """Return those of them that have the L2 penalty."""
        return []

    def lr_scale(self, step: str) -> float:
        """Return the learning rate of a step, as a share of `lr`."""
        return 1.0

    def lr_decay(self, progress: float) -> float:
        """Return the learning rates at some point of the training, as a share.

        Parameters
        ----------
        progress : float
            Share of the training that is over, in [0, 1).
        """
        return 1.0
