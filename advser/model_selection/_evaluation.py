"""Fits and scores on the folds of some rows, with the networks trained together.

The folds and candidates of a search are jobs (see `advser._engine`): each prepares its
network, all networks are trained together, and each is scored.
"""

import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from numbers import Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import get_tags, indexable
from sklearn.utils.parallel import Parallel, delayed

from .._engine import Fit, can_wait, ends_at_sigterm, last_step, run_all
from .._validation._arrays import count_rows, take_rows
from ..exceptions import NotStackedWarning

MAX_STACK = 64  # networks trained together, unless said otherwise


def is_stackable(estimator: BaseEstimator) -> bool:
    """Whether fits of an estimator can be trained as one batch."""
    return can_wait(last_step(estimator))


def bundles(items: list, max_size: int, n_processes: int) -> list[list]:
    """Return lists, as few as `max_size` and the processes allow, of equal length.

    The last one may be shorter.
    """
    n_rounds = max(1, -(-len(items) // (max_size * n_processes)))
    size = max(1, -(-len(items) // (n_rounds * n_processes)))
    return [items[start : start + size] for start in range(0, len(items), size)]


@dataclass
class Evaluation:
    """How estimators are fitted and scored on splits of some rows."""

    X: Any
    y: Any
    scorer: Callable
    fit_params: dict
    score_params: dict
    error_score: float | str
    return_train_score: bool
    return_estimator: bool = False

    def run(self, estimator, candidates, splits, n_jobs, max_stack) -> list[dict]:
        """Return the results of all candidates on all splits, candidates first."""
        # A wrong name of a parameter ends the search here, before anything is trained.
        tasks = [
            (clone(estimator).set_params(**clone(candidate, safe=False)), *split)
            for candidate, split in product(candidates, splits)
        ]
        n_processes = effective_n_jobs(n_jobs)
        parts = bundles(tasks, max_stack, n_processes)
        if n_jobs == 1 or n_processes == 1:  # dask would send even these elsewhere
            found = map(self.run_bundle, parts)
        else:
            with ends_at_sigterm():
                calls = (delayed(self.run_bundle)(part) for part in parts)
                found = Parallel(n_jobs)(calls)
        results = [result for of_bundle in found for result in of_bundle]
        self._fill_in_failures(results)
        return results

    def run_bundle(self, tasks) -> list[dict]:
        """Return the results of tasks whose networks are trained together."""
        return run_all([self._fit_and_score(*task) for task in tasks])

    def _fit_and_score(self, estimator, train, test):
        """Fit on the training rows and score the test rows: a job."""
        result = {"n_test_samples": len(test), "fit_error": None, "score_time": 0.0}
        if self.return_estimator:
            result["estimator"] = estimator
        # A kernel or distances have a column for each training row.
        is_pairwise = get_tags(estimator).input_tags.pairwise
        columns = train if is_pairwise else None
        arguments, fit_params = self._rows(train, columns, self.fit_params)
        start = time.perf_counter()
        try:
            fit = partial(estimator.fit, *arguments, **fit_params)
            result["fit_time"] = yield Fit(estimator, fit)
        except Exception:
            if self.error_score == "raise":
                raise
            result["fit_time"] = time.perf_counter() - start
            result["fit_error"] = traceback.format_exc()
            return result
        start = time.perf_counter()
        result["test_scores"] = self._score(estimator, test, columns)
        result["score_time"] = time.perf_counter() - start
        if self.return_train_score:
            result["train_scores"] = self._score(estimator, train, columns)
        return result

    def _rows(self, rows, columns, params):
        """Return X, with y if any, and parameters at some rows.

        X has some of its columns, or all if they are None. Parameters that have other
        rows stay whole.
        """
        n = count_rows(self.X)

        def take(values):
            is_of_rows = hasattr(values, "__len__") and not isinstance(values, str)
            if is_of_rows and getattr(values, "ndim", 1) and count_rows(values) == n:
                return take_rows(*indexable(values), rows)
            return values

        X = take_rows(self.X, rows)
        if columns is not None:
            X = take_rows(np.transpose(X), columns).T
        data = [X] if self.y is None else [X, take_rows(self.y, rows)]
        return data, {name: take(values) for name, values in params.items()}

    def _score(self, estimator, rows, columns):
        """Return the score of some rows, or a dict of scores."""
        arguments, params = self._rows(rows, columns, self.score_params)
        try:
            scores = self.scorer(estimator, *arguments, **params)
        except Exception:
            # A scorer of several metrics returns the error of each; it raises those of
            # the routing.
            if self.error_score == "raise" or hasattr(self.scorer, "_scorers"):
                raise
            return self._failed_score(traceback.format_exc())
        if not isinstance(scores, dict):
            return _number(scores, self.scorer)
        # A scorer that failed among several returns its traceback.
        of_several = hasattr(self.scorer, "_scorers")
        return {
            name: self._failed_score(score)
            if of_several and isinstance(score, str)
            else _number(score, self.scorer)
            for name, score in scores.items()
        }

    def _failed_score(self, error):
        warnings.warn(
            f"Scoring failed. The score on these rows is set to {self.error_score}.\n"
            f"{error}",
            UserWarning,
            stacklevel=2,
        )
        return self.error_score

    def _fill_in_failures(self, results):
        """Give failed fits the error score, and warn; raise if all have failed."""
        failed = [result for result in results if result["fit_error"]]
        if not failed:
            return
        first = failed[0]["fit_error"]
        text = f"{len(failed)} of {len(results)} fits failed. The first error:\n{first}"
        if len(failed) == len(results):
            raise ValueError(f"All fits failed; check the parameters.\n{text}")
        warnings.warn(
            f"{text}\nTheir score is set to {self.error_score}; "
            '`error_score="raise"` raises the error.',
            FitFailedWarning,
            stacklevel=4,
        )
        scores = next(r["test_scores"] for r in results if not r["fit_error"])
        score = self.error_score
        if isinstance(scores, dict):
            score = dict.fromkeys(scores, self.error_score)
        for result in failed:  # gets the keys of the others: all results have the same
            result["test_scores"] = score
            if self.return_train_score:
                result["train_scores"] = score


def _number(score, scorer):
    """Return a score as a float; raise a ValueError unless it is one number."""
    if getattr(score, "size", None) == 1:
        score = score.item()
    if not isinstance(score, Real):
        raise ValueError(f"`scoring` must return a number; {scorer!r} got {score!r}.")
    return float(score)


def warn_not_stacked(estimator):
    """Warn that the fits of an estimator run one by one."""
    warnings.warn(
        f"{type(last_step(estimator)).__name__} cannot be stacked; its fits run one by "
        "one, as in scikit-learn's own search.",
        NotStackedWarning,
        stacklevel=3,
    )
