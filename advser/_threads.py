"""One thread for small work: where several would wait for each other longer than work.

torch starts its threads for layers of a few rows too. They gain nothing there, and on a
busy machine each operation then waits for a thread that is not running: a prediction of
a thousand rows was seen to take a hundred times as long.
"""

import threading
from contextlib import contextmanager

import torch

__all__ = ["limited_threads"]

SMALL = 2**25  # multiplications: about a millisecond of one thread

_lock = threading.Lock()
_n_inside = 0
_threads_outside = None
_here = threading.local()


@contextmanager
def limited_threads(n_multiplications):
    """Let torch use one thread while the work comes in pieces that need no more.

    What was set before holds again afterwards, whichever of several Python threads ends
    first.

    Parameters
    ----------
    n_multiplications : int
        Size of a piece: the rows that pass a network at once times its parameters.
    """
    global _n_inside, _threads_outside
    is_limited = getattr(_here, "inside", False) or torch.get_num_threads() == 1
    if is_limited or n_multiplications > SMALL:
        yield
        return
    with _lock:
        if _n_inside == 0:
            _threads_outside = torch.get_num_threads()
        _n_inside += 1
    _here.inside = True
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_threads_outside)
        _here.inside = False
        with _lock:
            _n_inside -= 1
