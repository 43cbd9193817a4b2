"""Fits that wait for each other, to be trained together.

`do_together` does tasks in threads: the folds and candidates of a search. Where a task
comes to train a net, it waits at the `Rendezvous` of its thread until all others wait
there as well, or have ended. Then one of them trains the nets of all, see
`advser.stacking`.
"""

import threading
import warnings
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from time import thread_time

import torch
from threadpoolctl import threadpool_limits

from ._threads import limited_threads
from .networks import SpeakerHead
from .ridge import RidgeNetwork
from .stacking import Job, fit_stacked, stacking_key
from .training import Rows

__all__ = ["Stopwatch", "do_together", "fit"]

_thread = threading.local()


def do_together(tasks, n_cores=1, is_called_off=None):
    """Do tasks, training their networks together, and return what they return.

    Parameters
    ----------
    tasks : list of callable
        Each is done in a thread of its own.

    n_cores : int, default=1
        How many of them may work at a time; the others wait.

    is_called_off : callable or None, default=None
        Asked now and then whether to end with an error.

    Raises
    ------
    Exception
        The first error of a task; the others are called off.
    """
    rendezvous = Rendezvous(len(tasks), n_cores, is_called_off)
    # Threads that set warning filters leave them behind, so restore them at the end.
    with warnings.catch_warnings(), ThreadPoolExecutor(len(tasks)) as threads:
        try:
            done = [threads.submit(rendezvous.do, task) for task in tasks]
            wait(done, return_when=FIRST_EXCEPTION)
        finally:
            rendezvous.is_closed = True
    if rendezvous.error is not None:
        raise rendezvous.error
    return [of_task.result() for of_task in done]


def fit(net, rows, valid_rows):
    """Return the fitted net: with others at the rendezvous of this thread, or alone."""
    rendezvous = getattr(_thread, "rendezvous", None)
    if rendezvous is None:
        return net.fit((rows, valid_rows))
    return rendezvous.fit(Job(net, rows, valid_rows))


class Stopwatch:
    """Measure the CPU seconds of a fit; nets trained together share theirs equally.

    Examples
    --------
    >>> with Stopwatch() as watch:
    ...     total = sum(range(10))
    >>> watch.seconds < 1
    True
    """

    def __enter__(self):
        self._start = thread_time() - getattr(_thread, "seconds_of_others", 0.0)
        return self

    def __exit__(self, *exception):
        stop = thread_time() - getattr(_thread, "seconds_of_others", 0.0)
        self.seconds = stop - self._start


class Rendezvous:
    """Where the fits of tasks wait for each other.

    Parameters
    ----------
    n_tasks, n_cores, is_called_off
        See `do_together`.
    """

    def __init__(self, n_tasks, n_cores, is_called_off):
        self.n_left = n_tasks
        # Threads without a core of their own would only slow each other down.
        self.cores = threading.Semaphore(n_cores)
        self.is_called_off = is_called_off
        self.is_closed = False
        self.error = None  # the first of a task
        self.changed = threading.Condition()
        self.waiting = []

    def do(self, task):
        """Return what a task returns, whose fits wait here."""
        _thread.rendezvous = self
        try:
            with self.cores:
                self.check()
                return task()
        except BaseException as error:
            self.error = self.error or error
            raise
        finally:
            del _thread.rendezvous
            with self.changed:
                self.n_left -= 1
                if self._all_wait():
                    self.changed.notify()  # one has to see it

    def check(self):
        """Raise an error if the tasks are called off."""
        if self.is_closed or (self.is_called_off and self.is_called_off()):
            raise RuntimeError("The search was interrupted.")

    def fit(self, job):
        """Return the fitted net of a job, trained with those of all other tasks."""
        entry = _Entry(job)
        start = thread_time()
        self.cores.release()
        try:
            with self.changed:
                self.waiting.append(entry)
                while not entry.done:
                    if self._all_wait():
                        self._train()
                    else:
                        self.changed.wait()
        finally:
            self.cores.acquire()
        of_others = thread_time() - start - entry.seconds  # by the thread that trains
        _thread.seconds_of_others = (
            getattr(_thread, "seconds_of_others", 0.0) + of_others
        )
        if entry.error is not None:  # that of other fits too, each of which raises it
            raise entry.error.with_traceback(entry.traceback)
        return entry.job.net

    def _all_wait(self):
        return 0 < self.n_left == len(self.waiting)

    def _train(self):
        """Train all nets that wait, those that can be stacked as one."""
        entries, self.waiting = self.waiting, []
        try:
            _share_rows(entries)
            for group in _stackable_groups(entries):
                self._train_group(group)
            for part in _sized_by_speakers(entries):
                if part.n_outputs is not None:
                    part.unpad()
        except BaseException as error:  # the others wait for an answer
            for entry in entries:
                entry.finish(0.0, error)
        self.changed.notify_all()

    def _train_group(self, entries):
        """Train nets on one thread, together if there are several."""
        start = thread_time()
        error = None
        try:
            self.check()
            with limited_threads(0), threadpool_limits(1):
                if len(entries) == 1:
                    net, rows, valid_rows = entries[0].job
                    net.fit((rows, valid_rows))
                else:
                    fit_stacked([entry.job for entry in entries], self.check)
        except BaseException as caught:  # of these fits, not of the one who trains
            error = caught
        seconds = (thread_time() - start) / len(entries)
        for entry in entries:
            entry.finish(seconds, error)


class _Entry:
    """A job at the rendezvous, and how it ended."""

    def __init__(self, job):
        self.job = job
        self.done = False

    def finish(self, seconds, error):
        """Take the error, if any, and this net's share of the time."""
        self.seconds, self.error = seconds, error
        self.traceback = getattr(error, "__traceback__", None)
        self.done = True


def _sized_by_speakers(entries):
    """Return the parts of nets whose sizes differ between folds."""
    nets = [entry.job.net for entry in entries]
    modules = dict.fromkeys(
        module for net in nets for module in (net.module, getattr(net, "module_", None))
    )
    return [
        part
        for module in modules
        if module is not None
        for part in module.modules()
        if isinstance(part, SpeakerHead | RidgeNetwork)
    ]


def _share_rows(entries):
    """Let the jobs on equal rows, candidates on one fold, hold the same tensor."""
    tables = []
    for entry in entries:
        rows = entry.job.rows
        same = (x for x in tables if x.dtype == rows.x.dtype and torch.equal(x, rows.x))
        x = next(same, None)
        if x is None:
            tables.append(rows.x)
        else:
            entry.job = entry.job._replace(rows=Rows(x, rows.y, rows.n_labeled))


def _stackable_groups(entries):
    """Part the entries into lists that can be stacked."""
    parts = _sized_by_speakers(entries)
    sizes = {part.n_speakers for part in parts}
    if len(sizes) > 1:
        for part in parts:
            part.pad(max(sizes))
    groups = {}
    for entry in entries:
        key = stacking_key(entry.job)
        groups.setdefault(id(entry) if key is None else repr(key), []).append(entry)
    return groups.values()
