"""The jobs of a comparison: fits and predictions, in bundles, in processes.

A job is a generator, see `advser._engine._jobs`. The networks of a bundle are trained
as one batch. A job that fails gives a row of the table of errors; the others go on.
"""

import traceback
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from threading import current_thread, main_thread
from time import thread_time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline

from .._engine import Fit, ends_at_sigterm, run_together
from .._progress import progress_bar
from .._routing import call
from .._threads import one_thread
from .._validation._arrays import take_rows
from ..model_selection._evaluation import MAX_STACK, is_stackable
from ..speakers._adaptation import silent
from ..speakers._knowledge import predict_by_speaker
from ._reading import KEYS
from ._store import Store, held, unicode

MIN_BUNDLE = 32  # a stack of fewer networks takes more time for each of them
MAX_TEXT = 20_000  # characters of an error; the csv module reads 131,072
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
    keys : list of tuple
        Of the results: name of the estimator, seed, and number of the fold, or None.

    function : callable
        Returns the generator when called with the utterances, the keys and the
        `arguments`. The generator returns tables of rows by name.

    arguments : tuple
        The first is the estimator.
    """

    keys: list[tuple]
    function: Callable
    arguments: tuple


def run(jobs, utterances, task, settings, folder, n_jobs, verbose):
    """Run the jobs that have no results in the folder, and return all tables.

    Parameters
    ----------
    jobs : list of Job

    utterances : Utterances

    task : EmotionTask or RatingTask

    settings : dict
        What the results depend on, ready for JSON.

    folder : str, path-like or None

    n_jobs : int or None
        Number of processes, each on one thread.

    verbose : int
        Whether to show a progress bar.
    """
    # Worker threads share the limit and would not restore it in the right order.
    with held(folder), ends_at_sigterm(), one_thread():
        store = Store(folder, settings, utterances, task)
        done = store.done()
        left, warned = {}, {}
        for job in jobs:
            if keys := [key for key in job.keys if key not in done]:
                left[keys[0]] = job._replace(keys=keys)
        with progress_bar(
            name="comparison", unit="fits", total=len(left), verbose=verbose
        ) as progress:
            resumed = store.is_resumed
            for first, tables in _results(left, warned, utterances, n_jobs, resumed):
                store.add(tables)
                del left[first]
                progress.update()
        tables = store.finish()
    for category, text in warned:  # once, however many fits have warned
        warnings.warn(text, category, stacklevel=3)
    if len(tables["errors"]):
        _report(tables["errors"], settings.get("runs"), tables["scores"].empty)
    return tables


def _results(left, warned, utterances, n_jobs, is_resumed):
    """Yield the first key and the tables of each job, while `left` gets smaller.

    `warned` gets the category and the text of each warning.
    """
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # a backend that returns lists alone, such as multiprocessing
        parallel = Parallel(n_jobs=n_jobs)

    def results_of(bundles, parallel=parallel):
        # Each array is an argument of its own, so that a cluster gets it only once.
        calls = (delayed(_run_bundle)(bundle, *utterances) for bundle in bundles)
        try:
            for results, caught in parallel(calls):
                warned.update(dict.fromkeys(caught))
                yield from results
        except Exception as error:
            return error
        # joblib 1.6 may miss the error of a killed process, and end the results early.
        return RuntimeError("results are missing") if left else None

    # If a process was killed, perhaps because the memory was full, one job at a time
    # in each process needs less. If one is killed again, each job runs on its own.
    bundles = _bundles([*left.values()], effective_n_jobs(n_jobs), is_resumed)
    for _ in range(2):
        error = yield from results_of(bundles)
        if error is None:
            return
        warnings.warn(
            f"A process has ended ({type(error).__name__}: {error}). The fits that are "
            "left go on, with less memory.",
            RuntimeWarning,
            stacklevel=4,
        )
        bundles = [[job] for job in left.values()]
    # A list waits for its job, so that an error is that of the job.
    in_order = Parallel(n_jobs=n_jobs)
    for (job,) in bundles:
        error = yield from results_of([[job]], in_order)
        if job.keys[0] in left:
            yield job.keys[0], _errors(job, error)


def _bundles(jobs, n_processes, is_resumed=False):
    """Return lists of jobs to run together: first those that train stacks.

    These are sorted by the name of the estimator, since the networks of one share a
    stack; the others are in the order of the seeds. After an interrupt the first stacks
    are small and get larger, so that some results are stored however soon the next one
    comes.
    """
    stackable, alone = [], []
    for job in jobs:
        (stackable if is_stackable(job.arguments[0]) else alone).append(job)
    stackable.sort(key=lambda job: job.keys[0][0])
    alone.sort(key=lambda job: job.keys[0][1])
    share = -(-len(stackable) // n_processes)
    most = min(MAX_STACK, share, max(MIN_BUNDLE, -(-share // N_BUNDLES)))
    bundles, size = [], 1 if is_resumed else most
    while stackable:
        bundles.append(stackable[:size])
        stackable, size = stackable[size:], min(2 * size, most)
    return bundles + [[job] for job in alone]


def _run_bundle(jobs, *utterances):
    """Return the first key and the tables of each job, and the warnings of all.

    The tables of a job are its results, or its error.
    """
    utterances = Utterances(*utterances)
    generators = [job.function(utterances, job.keys, *job.arguments) for job in jobs]
    with _caught() as caught, silent(), one_thread():  # `compare` warns once
        results = run_together(generators)
    tables = [
        (job.keys[0], _errors(job, found) if isinstance(found, Exception) else found)
        for job, found in zip(jobs, results)
    ]
    return tables, [(one.category, str(one.message)) for one in caught]


@contextmanager
def _caught():
    """Yield a list of the warnings, which are not shown.

    It is empty, and they are shown, in a thread: threads would not restore the filters
    in the right order.
    """
    if current_thread() is not main_thread():
        yield []
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield caught


def _errors(job, error):
    """Return the table of the error of a job, with a row for each key."""
    table = pd.DataFrame(job.keys, columns=KEYS).assign(
        error=type(error).__name__,
        message=unicode(str(error))[-MAX_TEXT:],
        traceback=unicode("".join(traceback.format_exception(error)))[-MAX_TEXT:],
    )
    return {"errors": table.assign(fold=pd.to_numeric(table["fold"]))}


def _report(errors, runs, nothing_left):
    """Warn that fits have failed, or raise an error if all have."""
    first = errors.iloc[0]
    if pd.isna(first["fold"]):
        where = " for the leakage"
    elif runs is None:
        where = f" for fold {int(first['fold'])}"
    else:
        train, test, *_ = runs[int(first["fold"])]
        where = f", trained on {train!r} and tested on {test!r}"
    text = (
        f"{len(errors)} fits have failed, of {list(pd.unique(errors['estimator']))}. "
        f"The first, of {first['estimator']!r} with seed {first['seed']}{where}, by "
        f"{first['error']}: {first['message']}"
    )
    if nothing_left:
        raise ValueError(f"{text}\n\n{first['traceback']}")
    warnings.warn(
        f"{text}\nThe others are in the table `errors`.", FitFailedWarning, stacklevel=4
    )


def fit(model, utterances, train, domains, unlabeled=None):
    """Fit a model in place: a job, or a part of one.

    Parameters
    ----------
    model : estimator

    utterances : Utterances

    train : ndarray of int
        Rows to fit on.

    domains : ndarray of shape (n_samples,)
        Passed as `speakers`, where the model requests them. The speakers are `groups`.

    unlabeled : ndarray of int or None, default=None
        Rows to fit on without their labels.

    Returns
    -------
    seconds : dict
        CPU seconds, as a column of a table.
    """
    start = thread_time()
    X, y = take_rows(utterances.X, train), utterances.y[train]
    labels = _labels(utterances, train, domains)
    last, options = model, {}
    if unlabeled is not None:
        X_unlabeled = take_rows(utterances.X, unlabeled)
        if isinstance(model, Pipeline) and len(model) > 1:
            front, last = model[:-1], model[-1]
            X = call(front, "fit_transform", X, y, **labels)
            others = _labels(utterances, unlabeled, domains)
            X_unlabeled = call(front, "transform", X_unlabeled, **others)
            model.steps[:-1] = front.steps  # copies, if the pipeline has a memory
        options = {"X_unlabeled": X_unlabeled, "speakers_unlabeled": domains[unlabeled]}
    seconds = thread_time() - start
    seconds += yield Fit(last, partial(call, last, "fit", X, y, **labels, **options))
    return {"fit_seconds": seconds}


def predict(model, utterances, rows, domains):
    """Return what a model predicts for rows in their order, and the CPU seconds.

    The parameters are those of `fit`.
    """
    start = thread_time()
    labels = _labels(utterances, rows, domains)
    y_pred = predict_by_speaker(model, take_rows(utterances.X, rows), **labels)
    return y_pred, {"predict_seconds": thread_time() - start}


def _labels(utterances, rows, domains):
    return {"speakers": domains[rows], "groups": utterances.speakers[rows]}


def tables_of(utterances, rows, y_pred, task, run, before, after):
    """Return the tables of predictions and of their scores.

    The columns in `run` identify the predictions; those in `before` and `after` stand
    around the scores.
    """
    predictions = pd.DataFrame(
        {
            **run,
            "sample": utterances.samples[rows],
            "speaker": utterances.speakers[rows],
            **task.columns(utterances.y[rows], y_pred),
        }
    )
    scores = {"n_samples": len(rows), **task.score_fold(predictions)}
    table = pd.DataFrame([{**before, **scores, **after}])
    return {"predictions": predictions, "scores": table}
