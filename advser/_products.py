"""Products of matrices by oneDNN, where it is as exact as what torch takes instead.

torch leaves products of float32 to MKL, which uses half the width of the vector units
of AMD's processors; oneDNN, which torch brings along too, uses all of it, and takes
half as long for a batch of products. torch turns to it only where it is told that
numbers may be rounded to bfloat16 on the way. Many processors gain nothing from that,
and there oneDNN does not round. Whether it does is tried out.
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
    last.
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
                matmul.fp32_precision = _precision_outside


def is_exact_by_onednn(a, b):
    """Whether the product of tensors that look like these is not rounded by oneDNN.

    Parameters
    ----------
    a, b : Tensor
        Factors as of `torch.matmul`, on the processor. Only their shapes, strides and
        types matter.
    """
    a, b = (_filled_like(factor) for factor in (a, b))
    exact = a @ b
    with by_onednn():
        error = (a @ b - exact).abs().max()
    return bool(error <= TOLERANCE * exact.abs().max())


def _filled_like(tensor):
    """Return a tensor that looks the same, full of numbers that no type has exactly."""
    filled = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    return filled.copy_(torch.arange(filled.numel()).sin().view(filled.shape))
