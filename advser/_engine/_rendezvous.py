"""Fits that wait for each other, to be trained together.

`do_together` does tasks in threads: the folds and candidates of a search. Where a task
comes to train a net, it waits at the `Rendezvous` of its thread until all others wait
there as well, or have ended. Then the nets of all are trained, see `advser._engine._stack`.
"""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from time import thread_time

import torch
from sklearn import config_context, get_config
from threadpoolctl import threadpool_limits

from .._threads import limited_threads
from ..objectives._closed_form import RidgeNetwork
from ._net import Rows
from ._networks import SpeakerHead
from ._stack import Job, fit_stacked, stacking_key

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
            rendezvous.train()
        finally:
            rendezvous.close()
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
        self.waiting = []
        self.lock = threading.Lock()
        self.has_come = threading.Condition(self.lock)  # somebody, or is gone
        self.is_trained = threading.Condition(self.lock)

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
            with self.lock:
                self.n_left -= 1
                self.has_come.notify()

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
            with self.lock:
                self.waiting.append(entry)
                self.has_come.notify()
                self.is_trained.wait_for(lambda: entry.is_done or self.is_closed)
        finally:
            self.cores.acquire()
        if not entry.is_done:
            self.check()
        # It waited, and has its share of the training.
        seconds_of_others = thread_time() - start - entry.seconds
        _thread.seconds_of_others = (
            getattr(_thread, "seconds_of_others", 0.0) + seconds_of_others
        )
        if entry.error is not None:  # that of other fits too, each of which raises it
            raise entry.error.with_traceback(entry.traceback)
        return entry.job.net

    def train(self):
        """Train the nets of all, each time that all wait, until the tasks have ended.

        One thread trains them all, since the memory that it frees is its own again.
        """
        while self._train_those_who_wait():
            pass

    def close(self):
        """Send those away who wait or will come."""
        with self.lock:
            self.is_closed = True
            self.is_trained.notify_all()

    def _train_those_who_wait(self):
        """Wait until all wait, and train their nets; return whether there were any."""
        entries = self._next_entries()
        _share_rows(entries)
        for group in _stackable_groups(entries):
            self._train_group(group)
        for part in _sized_by_speakers(entries):
            if part.n_outputs is not None:
                part.unpad()
        with self.lock:
            for entry in entries:
                entry.is_done = True
            self.is_trained.notify_all()
        return bool(entries)

    def _next_entries(self):
        """Return the fits of all tasks; none if all have ended or one has failed."""
        with self.lock:
            self.has_come.wait_for(
                lambda: self.error or self.n_left == len(self.waiting)
            )
            entries, self.waiting = self.waiting, []
            return [] if self.error else entries

    def _train_group(self, entries):
        """Train nets on one thread, together if there are several."""
        start = thread_time()
        try:
            self.check()
            with (
                limited_threads(0),
                threadpool_limits(1),
                config_context(**entries[0].config),
            ):
                if len(entries) == 1:
                    net, rows, valid_rows = entries[0].job
                    net.fit((rows, valid_rows))
                else:
                    fit_stacked([entry.job for entry in entries], self.check)
        except Exception as error:
            for entry in entries:
                entry.error, entry.traceback = error, error.__traceback__
        for entry in entries:
            entry.seconds = (thread_time() - start) / len(entries)


class _Entry:
    """A job at the rendezvous, and how it ended."""

    def __init__(self, job):
        self.job = job
        self.config = get_config()  # scikit-learn's, of the thread of the task
        self.is_done = False
        self.seconds = 0.0
        self.error = self.traceback = None


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
