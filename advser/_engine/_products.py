"""Products of matrices by oneDNN, where it is as exact as what torch takes instead.

torch leaves products of float32 to MKL. On an AMD processor with AVX-512, oneDNN, which
torch brings along too, was measured to take half as long for a batch of products, to
the same bits. torch turns to it only where it is told that numbers may be rounded to
bfloat16 on the way. Whether oneDNN then rounds depends on the processor, and is tried
out.
"""

import threading
from contextlib import contextmanager

import torch

__all__ = ["by_onednn", "is_exact_by_onednn"]

# Of the largest number in a product: rounding to bfloat16 shifts it by a thousandth,
# the order in which float32 are added by less than a millionth.
TOLERANCE = 1e-5

_lock = threading.Lock()
_n_inside = 0
_precision_outside = None


@contextmanager
def by_onednn():
    """Let oneDNN multiply matrices on the processor, rounded if it gains from that.

    What was set before holds again afterwards, whichever of several Python threads ends
    last. Meanwhile it holds for the other threads as well.
    """
    global _n_inside, _precision_outside
    matmul = torch.backends.mkldnn.matmul
    with _lock:
        if _n_inside == 0:
            _precision_outside = matmul.fp32_precision
            matmul.fp32_precision = "bf16"
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                matmul.fp32_precision = "none"  # what all products have
                if matmul.fp32_precision != _precision_outside:
                    matmul.fp32_precision = _precision_outside


def is_exact_by_onednn(a, b):
    """Whether oneDNN multiplies tensors that look like these, and does not round.

    Parameters
    ----------
    a, b : Tensor
        Factors as of `torch.matmul`. Only what they look like matters.
    """
    is_asked_for = (
        torch.backends.cpu.get_cpu_capability() == "AVX512"
        and (a.device.type, a.dtype) == ("cpu", torch.float32)
        and a.numel() * b.numel() > 0
    )
    if not is_asked_for:
        return False
    a, b = (_filled_like(factor) for factor in (a, b))
    exact = a.double() @ b.double()
    with by_onednn():
        error = (a @ b - exact).abs().max()
    return bool(error <= TOLERANCE * exact.abs().max())


def _filled_like(tensor):
    """Return a tensor that looks the same, full of numbers that no type has exactly."""
    steps = (step * (n - 1) for n, step in zip(tensor.shape, tensor.stride()))
    numbers = torch.arange(1 + sum(steps)).sin()
    return numbers.as_strided(tensor.shape, tensor.stride())
