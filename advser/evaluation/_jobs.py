"""The jobs of a comparison: fits and predictions, in bundles, in processes.

A job is a generator, see `advser._engine._jobs`. The networks of a bundle are trained
as one batch. A job that fails gives a row of the table of errors; the others go on.
"""

import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from time import thread_time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .._engine._jobs import Fit, run_together
from .._routing import call, unseeded
from ..model_selection import MAX_STACK
from ._store import Store

__all__ = [
    "Job",
    "Utterances",
    "fit_predict",
    "run",
    "seeds_of",
    "tables_of",
    "warn_of_errors",
]

MIN_BUNDLE = 32  # a stack of fewer networks takes more time for each of them
N_BUNDLES = 4  # of each process: an interrupt loses the results of the current ones


class Utterances(NamedTuple):
    """The rows of a comparison, each field with an entry for each utterance."""

    X: Any
    y: np.ndarray
    speakers: np.ndarray
    samples: np.ndarray  # their names
    corpora: np.ndarray | None = None
    genders: np.ndarray | None = None


class Job(NamedTuple):
    """A job that can be sent to a process.

    Parameters
    ----------
    key : tuple
        Name of the estimator, seed, and number of the fold, or None.

    is_stackable : bool
        Whether its networks can be trained with those of other jobs.

    function : callable
        Returns the generator when called with the utterances, the key and the
        `arguments`. The generator returns tables of rows by name.

    arguments : tuple
    """

    key: tuple
    is_stackable: bool
    function: Callable
    arguments: tuple


def seeds_of(seeds: Any, estimators: dict) -> dict[str, list[int]]:
    """Return the seeds of each estimator: one without a free random state has one."""
    seeds = [*(range(seeds) if isinstance(seeds, Integral) else map(int, seeds))]
    if not seeds or not estimators:
        raise ValueError(
            f"`estimators` has {len(estimators)} entries and `seeds` {len(seeds)}; "
            "pass one of each at least."
        )
    return {
        name: seeds if unseeded(model) else seeds[:1]
        for name, model in estimators.items()
    }


def run(
    jobs: list[Job],
    utterances: Utterances,
    store: Store,
    n_jobs: int | None,
    verbose: int,
) -> dict[str, pd.DataFrame]:
    """Run the jobs that the store has no results of, and return all tables.

    Parameters
    ----------
    jobs : list of Job

    utterances : Utterances

    store : Store
        It gets the results and errors one by one.

    n_jobs : int or None
        Number of processes, each on one thread.

    verbose : int
        Whether to show a progress bar.
    """
    done = store.done()
    left = {job.key: job for job in jobs if job.key not in done}
    # Worker threads share the limit and would not restore it in the right order.
    with tqdm(total=len(left), disable=not verbose) as progress, threadpool_limits(1):
        for key, tables in _results(left, utterances, n_jobs):
            store.add(tables)
            del left[key]
            progress.update()
    return store.tables()


def _results(left, utterances, n_jobs):
    """Yield the key and tables of each job as they come, while `left` gets smaller."""
    backend, _ = get_active_backend()
    can_yield = backend.supports_return_generator
    parallel = Parallel(
        n_jobs=n_jobs, return_as="generator_unordered" if can_yield else "list"
    )

    def results_of(bundles):
        # Each array is an argument of its own, so that a cluster gets it only once.
        calls = (delayed(_run_bundle)(bundle, *utterances) for bundle in bundles)
        for results in parallel(calls):
            yield from results

    try:
        yield from results_of(_bundles([*left.values()], effective_n_jobs(n_jobs)))
    except Exception:
        # A process was killed, for its memory perhaps. Its jobs have less in a process
        # of their own.
        yield from results_of([[job] for job in left.values()])


def _bundles(jobs, n_processes):
    """Return lists of jobs to run together: those that train stacks, then each other.

    Jobs of one estimator are neighbours, since their networks fit into one stack.
    """
    stackable = sorted(
        (job for job in jobs if job.is_stackable), key=lambda job: job.key[0]
    )
    share = -(-len(stackable) // n_processes)
    size = min(MAX_STACK, share, max(MIN_BUNDLE, -(-share // N_BUNDLES)))
    starts = range(0, len(stackable), max(1, size))
    return [
        *(stackable[start : start + size] for start in starts),
        *([job] for job in jobs if not job.is_stackable),
    ]


def _run_bundle(jobs, *utterances):
    """Return the key and the tables of each job, or the error that ended it."""
    utterances = Utterances(*utterances)
    generators = [job.function(utterances, job.key, *job.arguments) for job in jobs]
    with threadpool_limits(1):
        results = run_together(generators)
    return [(job.key, _or_error(job.key, found)) for job, found in zip(jobs, results)]


def _or_error(key, result):
    """Return the tables of a job, or the table of its error."""
    if not isinstance(result, Exception):
        return result
    name, seed, fold = key
    row = {
        "estimator": name,
        "seed": seed,
        "fold": np.nan if fold is None else fold,
        "error": type(result).__name__,
        "message": str(result),
        "traceback": "".join(traceback.format_exception(result)),
    }
    return {"errors": pd.DataFrame([row])}


def fit_predict(
    model: Any,
    utterances: Utterances,
    train: np.ndarray,
    test: np.ndarray,
    domains: np.ndarray,
    unlabeled: np.ndarray | None = None,
) -> Iterator:
    """Fit a model in place and predict other rows: what most jobs do.

    Parameters
    ----------
    model : estimator

    utterances : Utterances

    train, test : ndarray of int
        Rows to fit on, and rows to predict.

    domains : ndarray of shape (n_samples,)
        Passed as `speakers`, where the model requests them. The speakers are `groups`.

    unlabeled : ndarray of int or None, default=None
        Rows to fit on without their labels.

    Returns
    -------
    y_pred : ndarray
    fit_seconds, predict_seconds : float
        CPU seconds.
    """

    def labels(rows):
        return {"speakers": domains[rows], "groups": utterances.speakers[rows]}

    X, y, options = _safe_indexing(utterances.X, train), utterances.y[train], {}
    last, start = model, thread_time()
    if unlabeled is not None:
        X_unlabeled = _safe_indexing(utterances.X, unlabeled)
        if isinstance(model, Pipeline):
            last = model[-1]
            if len(model) > 1:
                front = model[:-1]
                X = call(front, "fit_transform", X, y, **labels(train))
                X_unlabeled = call(front, "transform", X_unlabeled, **labels(unlabeled))
                model.steps[:-1] = front.steps  # copies, if the pipeline has a memory
        options = {"X_unlabeled": X_unlabeled, "speakers_unlabeled": domains[unlabeled]}
    fit_seconds = thread_time() - start
    fit = partial(call, last, "fit", X, y, **labels(train), **options)
    fit_seconds += yield Fit(last, fit)
    X_test, start = _safe_indexing(utterances.X, test), thread_time()
    y_pred = call(model, "predict", X_test, **labels(test))
    return y_pred, fit_seconds, thread_time() - start


def tables_of(
    run: dict, utterances: Utterances, test: np.ndarray, y_pred: Any, task: Any
) -> tuple[pd.DataFrame, dict]:
    """Return the predictions of a run, one row per utterance, and their scores.

    `run` has the columns that identify it.
    """
    predictions = pd.DataFrame(
        {
            **run,
            "sample": utterances.samples[test],
            "speaker": utterances.speakers[test],
            **task.columns(utterances.y[test], y_pred),
        }
    )
    return predictions, {"n_samples": len(test), **task.score_fold(predictions)}


def warn_of_errors(comparison):
    """Raise an error if every fit has failed, and warn if some have."""
    errors = comparison.errors
    if errors.empty:
        return
    first = errors.iloc[0]
    if "train" in first:
        where = f", trained on {first['train']!r} and tested on {first['test']!r}"
    elif pd.isna(first["fold"]):
        where = " for the leakage"
    else:
        where = f" for fold {int(first['fold'])}"
    text = (
        f"{len(errors)} fits have failed, of {list(pd.unique(errors['estimator']))}. "
        f"The first, of {first['estimator']!r} with seed {first['seed']}{where}, by "
        f"{first['error']}: {first['message']}"
    )
    if comparison.scores.empty:
        raise ValueError(f"{text}\n\n{first['traceback']}")
    warnings.warn(
        f"{text}\nThe others are in the table `errors`.", FitFailedWarning, stacklevel=3
    )
