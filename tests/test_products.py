"""Products by oneDNN are those of float32, and nobody else is asked to round."""

import threading

import pytest
import torch

from advser._engine._products import by_onednn, is_exact_by_onednn


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
    assert not is_exact or error < 1e-5


def test_whether_it_rounds_does_not_depend_on_what_is_set(matmul):
    a, b = random_factors(lambda a, b: (a, b))
    is_exact = is_exact_by_onednn(a, b)
    matmul.fp32_precision = "bf16"
    assert is_exact_by_onednn(a, b) == is_exact


def test_what_onednn_leaves_alone_is_not_asked_for():
    a, b = (factor.double() for factor in random_factors(lambda a, b: (a, b)))
    assert not is_exact_by_onednn(a, b)
    assert not is_exact_by_onednn(torch.ones(3, 0), torch.ones(0, 3))


def test_one_number_for_all_is_a_factor_too():
    ones = torch.ones(1).expand(128, 64)
    a = torch.ones(64, 128)
    wanted = is_exact_by_onednn(a, torch.ones(128, 64))
    assert is_exact_by_onednn(a, ones) == wanted


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

    thread = threading.Thread(target=other, daemon=True)
    with by_onednn():
        thread.start()
        is_inside.wait()
    assert matmul.fp32_precision == "bf16"
    may_end.set()
    thread.join()
    assert matmul.fp32_precision == "none"
