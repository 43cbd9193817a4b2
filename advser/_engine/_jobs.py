"""Jobs whose networks are trained together: prepare, fit together, finish.

A job is a generator. Where it needs a fitted estimator it yields a `Fit`, and goes on
once that estimator is fitted. `run_together` starts many jobs, fits what they ask for
together, and lets them go on, until all have returned.
"""

import signal
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import process_time
from typing import Any, NamedTuple

import torch
from sklearn.pipeline import Pipeline

from .._threads import limited_threads, one_thread
from ..exceptions import NotStackedWarning
from ._net import default_torch
from ._stack import Job, fit_stacked, stacking_key


class Fit(NamedTuple):
    """An estimator that a job needs fitted.

    Parameters
    ----------
    estimator : estimator

    function : callable
        Fits `estimator` in place when called without arguments.
    """

    estimator: Any
    function: Callable[[], Any]


def run_together(jobs: list[Generator]) -> list:
    """Run jobs, and train together the networks that they ask for at the same time.

    Parameters
    ----------
    jobs : list of generator
        They yield `Fit` and receive the CPU seconds that the fit took; networks trained
        together share theirs equally. A fit that fails raises its error in the job that
        asked for it.

    Returns
    -------
    results : list
        What each job returned, or the exception that ended it.
    """
    results = [None] * len(jobs)
    fits: dict[int, Fit] = {}  # for which jobs wait, by the number of the job

    def go_on(number, resume, *sent):
        try:
            fits[number] = resume(*sent)
        except StopIteration as stop:
            results[number] = stop.value
        except Exception as error:
            results[number] = error

    for number, job in enumerate(jobs):
        go_on(number, next, job)
    while fits:
        waiting, outcomes = list(fits), _fit(list(fits.values()))
        fits.clear()
        for number, outcome in zip(waiting, outcomes):
            job = jobs[number]
            has_failed = isinstance(outcome, Exception)
            go_on(number, job.throw if has_failed else job.send, outcome)
    return results


def run_all(jobs: list[Generator]) -> list:
    """Run jobs as `run_together`, and raise the first of their errors, if any."""
    results = run_together(jobs)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def last_step(estimator):
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def can_wait(estimator) -> bool:
    """Whether the `fit` of an estimator may end before its network is trained.

    It is that of a method of this package; the `fit` of another class may use what is
    fitted.
    """
    if not hasattr(estimator, "_finish_fit"):
        return False
    owner = next(kind for kind in type(estimator).__mro__ if "fit" in vars(kind))
    return owner.__module__.partition(".")[0] == __name__.partition(".")[0]


@contextmanager
def ends_at_sigterm():
    """Let SIGTERM raise SystemExit, so that the processes of joblib end, too.

    By default the signal kills this process alone. A handler of the caller stays.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number, frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _fit(fits):
    """Fit networks together, others one after another; return seconds or errors."""
    outcomes, pending = [], []
    for number, fit in enumerate(fits):
        network = last_step(fit.estimator)
        waits = can_wait(network)
        start, error = process_time(), None
        try:
            if waits:
                network._defers_training = True
            fit.function()
            if waits and hasattr(network, "_pending_job"):
                pending.append((number, network, vars(network).pop("_pending_job")))
        except Exception as raised:
            error = raised
        finally:
            if waits:
                vars(network).pop("_defers_training", None)
        outcomes.append(process_time() - start if error is None else error)
    if not pending:
        return outcomes
    start = process_time()
    errors = fit_together([job for *_, job in pending])
    seconds = (process_time() - start) / len(pending)
    for (number, network, job), error in zip(pending, errors):
        outcomes[number] += seconds
        try:
            if error is not None:
                raise error
            with default_torch():
                network._finish_fit(job)
        except Exception as raised:
            outcomes[number] = raised
    return outcomes


@default_torch()
def fit_together(jobs: list[Job]) -> list[Exception | None]:
    """Fit nets, those of equal structure as one batch; return the errors.

    If the training of a batch fails, its nets are fitted one after another, so that
    each has the error that is its own.
    """
    errors: list[Exception | None] = [None] * len(jobs)
    groups: dict[Any, list[int]] = {}
    for number, job in enumerate(jobs):
        try:
            key = stacking_key(job)
        except Exception:  # of a network that its own fit will find wrong
            key = None
        groups.setdefault(number if key is None else key, []).append(number)
    with limited_threads(0), one_thread():
        for numbers in groups.values():
            group = [jobs[number] for number in numbers]
            if len(group) > 1 and _is_fitted_as_one(group):
                continue
            for number, job in zip(numbers, group):
                try:
                    job.fit()
                except Exception as error:
                    errors[number] = error
    return errors


def _is_fitted_as_one(jobs):
    """Fit nets as one batch; return whether that worked. If not, they are as before."""
    nets = [job.net for job in jobs]
    generators = [g for net in nets for g in (net.order_generator, net.noise_generator)]
    tensors = [
        tensor
        for net in nets
        for tensor in (*net.module.parameters(), *net.module.buffers())
    ]
    states = [generator.get_state() for generator in generators]
    values = [tensor.detach().clone() for tensor in tensors]
    try:
        fit_stacked(jobs)
    except Exception as error:
        for generator, state in zip(generators, states):
            generator.set_state(state)
        with torch.no_grad():
            for tensor, value in zip(tensors, values):
                tensor.copy_(value)
        warnings.warn(
            f"{len(jobs)} networks cannot be trained as one batch and are trained one "
            f"by one: {error}",
            NotStackedWarning,
            stacklevel=2,
        )
        return False
    return True
