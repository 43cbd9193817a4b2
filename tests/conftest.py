"""Settings and data that all tests share."""

from typing import NamedTuple

import hypothesis
import numpy as np
import pytest
import torch

# The same examples in each run; how long one takes depends on what else is running.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread():
    """Small networks are fastest, and repeatable, on one thread."""
    torch.set_num_threads(1)


class Toy(NamedTuple):
    """A corpus in miniature."""

    X: np.ndarray
    y: np.ndarray
    speakers: np.ndarray


@pytest.fixture(scope="session")
def shared_toy():
    """Three emotions of four speakers, each with a direction of its own in X."""
    rng = np.random.default_rng(0)
    emotion = rng.permutation(np.arange(120) % 3)
    speaker = rng.permutation(np.arange(120) % 4)
    X = rng.normal(size=(120, 8))
    X[np.arange(120), emotion] += 2.5
    X[np.arange(120), 3 + speaker] += 2.5
    return Toy(
        X,
        np.array(["sadness", "anger", "neutral"])[emotion],
        np.array(["s3", "s10", "s1", "s2"])[speaker],
    )


@pytest.fixture
def toy(shared_toy):
    """Return a copy of the corpus in miniature, which a test may change."""
    return Toy(*(values.copy() for values in shared_toy))
