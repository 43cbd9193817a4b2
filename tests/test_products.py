"""Products by oneDNN are those of float32, and nobody else is asked to round."""

import threading

import pytest
import torch

from advser._products import by_onednn, is_exact_by_onednn


@pytest.fixture
def matmul():
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    yield matmul
    matmul.fp32_precision = before


def random_factors(turn):
    """Return factors of a batch of products, or of one, whose rows may lie apart."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(16, 64, 88, generator=generator)
    b = torch.randn(16, 88, 128, generator=generator)
    return turn(a, b)


@pytest.mark.parametrize(
    "turn",
    [
        lambda a, b: (a, b),
        lambda a, b: (a[3], b[3]),
        lambda a, b: (b.mT, a.mT),
        lambda a, b: (a, b.mT.contiguous().mT),
    ],
    ids=["batch", "one", "turned", "by_columns"],
)
def test_what_is_called_exact_is_exact(turn):
    a, b = random_factors(turn)
    wanted = a.double() @ b.double()
    is_exact = is_exact_by_onednn(a, b)
    with by_onednn():
        error = (a @ b - wanted).abs().max() / wanted.abs().max()
    assert is_exact == (error < 1e-5)


def test_types_that_onednn_leaves_alone_are_exact():
    a, b = (factor.double() for factor in random_factors(lambda a, b: (a, b)))
    assert is_exact_by_onednn(a, b)


@pytest.mark.parametrize("before", ["none", "ieee"])
def test_the_precision_is_what_it_was(matmul, before):
    matmul.fp32_precision = before
    factor = torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="shapes"), by_onednn():
        factor @ factor
    assert matmul.fp32_precision == before


def test_the_precision_is_what_it_was_whichever_thread_ends_last(matmul):
    matmul.fp32_precision = "none"
    is_inside, may_end = threading.Event(), threading.Event()

    def other():
        with by_onednn():
            is_inside.set()
            may_end.wait()

    thread = threading.Thread(target=other)
    with by_onednn():
        thread.start()
        is_inside.wait()
    assert matmul.fp32_precision == "bf16"
    may_end.set()
    thread.join()
    assert matmul.fp32_precision == "none"
