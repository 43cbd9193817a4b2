"""Fits as jobs: networks in stacks, all else in processes, no failure ends the rest.

A job is a function, its key (the names of the estimator, the seed and the fold) and
further arguments. It returns the tables of rows that it found, or the job that is left
to do.
"""

import traceback
from numbers import Integral

import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..model_selection import MAX_STACK, stacked_fits

__all__ = ["check_seeds", "run", "unordered"]


def check_seeds(seeds, estimators):
    """Return the seeds, of which there must be one, and one estimator, at least."""
    seeds = range(seeds) if isinstance(seeds, Integral) else [*map(int, seeds)]
    if not len(seeds) or not estimators:
        raise ValueError(
            f"`estimators` has {len(estimators)} entries and `seeds` {len(seeds)}; "
            "pass one of each at least."
        )
    return seeds


def run(together, alone, store, n_jobs, verbose):
    """Do all jobs, and add what they find, or their errors, to the store.

    Parameters
    ----------
    together, alone : list of tuple
        Jobs whose networks are trained in stacks, and all others.

    store : Store

    n_jobs : int or None
        Number of processes, each on one thread.

    verbose : int
        Whether to show a progress bar.
    """
    alone = list(alone)
    with tqdm(total=len(together) + len(alone), disable=not verbose) as progress:
        if together:
            left = dict(enumerate(together))
            with stacked_fits(MAX_STACK, n_jobs):
                jobs = [(_stacked, number, *job) for number, job in left.items()]
                for number, result in _until_error(unordered(jobs)):
                    del left[number]
                    if isinstance(result, dict):
                        store.add(result)
                        progress.update()
                    else:
                        alone.append(result)
            alone.extend(left.values())
        # The limit that a job sets itself is undone wrongly where workers are threads.
        with threadpool_limits(1):
            for tables in unordered([(_recorded, *job) for job in alone], n_jobs):
                store.add(tables)
                progress.update()


def unordered(jobs, n_jobs=None):
    """Run jobs, each a function and its arguments; yield the results as they come."""
    backend, _ = get_active_backend()
    can_yield = backend.supports_return_generator
    parallel = Parallel(
        n_jobs=n_jobs, return_as="generator_unordered" if can_yield else "list"
    )
    return parallel(delayed(function)(*arguments) for function, *arguments in jobs)


def _until_error(results):
    """Yield results until an error of the processes: one was killed, perhaps."""
    try:
        yield from results
    except Exception:
        return


def _stacked(number, *job):
    """Return what a job finds among others, or the job that is left to do alone.

    Either comes with the number of the job.
    """
    function, *arguments = job
    try:
        return number, function(*arguments)
    except Exception:  # of this network or of another one that it was stacked with
        return number, job


def _recorded(*job):
    """Return what a job finds, or its error."""
    name, seed, fold = job[1]
    try:
        with threadpool_limits(1):
            while not isinstance(job, dict):
                function, *arguments = job
                job = function(*arguments)
            return job
    except Exception as error:
        row = {
            "estimator": name,
            "seed": seed,
            "fold": fold,
            "error": type(error).__name__,
            "message": str(error),
            "traceback": "".join(traceback.format_exception(error)),
        }
        return {"errors": pd.DataFrame([row])}
