"""The training engine of all methods: nets, batches and stacks of networks."""

from ._data import Labels, Rows, as_tensor, n_batches
from ._jobs import Fit, can_wait, ends_at_sigterm, last_step, run_all, run_together
from ._net import (
    Adam,
    StepwiseNet,
    ValidationScores,
    default_torch,
    seeded_global_random,
)
from ._network import Network
from ._stack import Job

__all__ = [
    "Adam",
    "Fit",
    "Job",
    "Labels",
    "Network",
    "Rows",
    "StepwiseNet",
    "ValidationScores",
    "as_tensor",
    "can_wait",
    "default_torch",
    "ends_at_sigterm",
    "last_step",
    "n_batches",
    "run_all",
    "run_together",
    "seeded_global_random",
]
