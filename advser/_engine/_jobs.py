"""Jobs whose networks are trained together: prepare, fit together, finish.

A job is a generator. Where it needs a fitted estimator it yields a `Fit`, and goes on
once that estimator is fitted. `run_together` starts many jobs, fits what they ask for
together, and lets them go on, until all have returned.
"""

from collections.abc import Callable
from time import process_time
from typing import Any, NamedTuple

__all__ = ["Fit", "run_alone", "run_together"]


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


def run_together(jobs):
    """Run jobs, and fit together what they ask for at the same time.

    Parameters
    ----------
    jobs : list of generator
        They yield `Fit` and receive the CPU seconds that the fit took. A fit that fails
        raises its error in the job that asked for it.

    Returns
    -------
    results : list
        What each job returned, or the exception that ended it.
    """
    results = []
    for job in jobs:
        try:
            results.append(run_alone(job))
        except Exception as error:
            results.append(error)
    return results


def run_alone(job):
    """Run one job, fit what it asks for, and return what it returns."""
    try:
        fit = next(job)
        while True:
            start = process_time()
            try:
                fit.function()
            except Exception as error:
                fit = job.throw(error)
            else:
                fit = job.send(process_time() - start)
    except StopIteration as stop:
        return stop.value
