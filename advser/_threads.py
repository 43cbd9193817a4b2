"""One thread for small operations of torch.

torch uses several threads even for layers with few rows. They save no time there, and
on a busy machine each operation waits for a thread that is not running: we measured a
prediction of a thousand rows that took a hundred times as long.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

SMALL = 2**25  # multiplications: about a millisecond in one thread

_lock = threading.Lock()
_n_inside = 0
_threads_outside = 1
_here = threading.local()
_n_in_blas = 0
_blas: Any = None  # what restores them


@contextmanager
def limited_threads(n_multiplications: int) -> Iterator[None]:
    """Let torch use one thread in this context if its operations are small.

    Afterwards torch has its previous number of threads, also if several Python threads
    use this context at the same time.

    Parameters
    ----------
    n_multiplications : int
        Size of an operation: the rows in a batch times the parameters of the network.
    """
    global _n_inside, _threads_outside
    if getattr(_here, "inside", False) or n_multiplications > SMALL:
        yield
        return
    with _lock:
        # A Python thread that is new to torch starts with the number that another one
        # has set last, which is 1 while any thread is inside.
        n_threads = torch.get_num_threads()
        if _n_inside == 0:
            _threads_outside = n_threads
        elif n_threads == 1:
            n_threads = _threads_outside
        _n_inside += 1
        torch.set_num_threads(1)
    _here.inside = True
    try:
        yield
    finally:
        _here.inside = False
        with _lock:
            torch.set_num_threads(n_threads)
            _n_inside -= 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the libraries of NumPy and scikit-learn use one thread in this context.

    The threads of BLAS are those of the process: the last of several Python threads in
    this context restores them.
    """
    global _n_in_blas, _blas
    libraries = ThreadpoolController()
    with libraries.select(user_api="openmp").limit(limits=1):
        with _lock:
            if _n_in_blas == 0:
                _blas = libraries.select(user_api="blas").limit(limits=1)
            _n_in_blas += 1
        try:
            yield
        finally:
            with _lock:
                _n_in_blas -= 1
                if _n_in_blas == 0:
                    _blas.restore_original_limits()
