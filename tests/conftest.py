"""Settings and data that all tests share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread():
    """Small networks are fastest, and repeatable, on one thread."""
    torch.set_num_threads(1)
