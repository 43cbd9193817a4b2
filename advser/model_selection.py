"""Searches and cross-validation that train their networks as one batch.

The folds and candidates of a search are jobs (see `advser._engine`): each prepares its
network, all networks are trained together, and each is scored.
"""

import numbers
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
    check_cv,
    cross_validate,
)
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from ._engine import Fit, last_step, run_together
from ._engine._jobs import ends_at_sigterm
from ._validation import (
    COUNT,
    LABEL,
    StrOptions,
    check_arguments,
    check_labels,
    check_parameter,
    count_rows,
    take_rows,
)
from .exceptions import NotStackedWarning
from .methods._base import BaseSER

__all__ = [
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "stacked_cross_validate",
]

MAX_STACK = 64  # networks trained together, unless said otherwise


def is_stackable(estimator: BaseEstimator) -> bool:
    """Whether fits of an estimator can be trained as one batch."""
    return isinstance(last_step(estimator), BaseSER)


def bundles(items: list, max_size: int, n_processes: int) -> list[list]:
    """Return lists of equal length, as few as `max_size` and the processes allow."""
    n_rounds = max(1, -(-len(items) // (max_size * n_processes)))
    size = max(1, -(-len(items) // (n_rounds * n_processes)))
    return [items[start : start + size] for start in range(0, len(items), size)]


@dataclass
class _Evaluation:
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
        tasks = [
            (clone(estimator), candidate, *split)
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
        results = run_together([self._fit_and_score(*task) for task in tasks])
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def _fit_and_score(self, estimator, candidate, train, test):
        """Fit on the training rows and score the test rows: a job."""
        result = {"n_test_samples": len(test), "fit_error": None, "score_time": 0.0}
        X, y, fit_params = self._rows(train, self.fit_params)
        start = time.perf_counter()
        try:
            estimator.set_params(**clone(candidate, safe=False))
            arguments = (X,) if y is None else (X, y)
            fit = partial(estimator.fit, *arguments, **fit_params)
            result["fit_time"] = yield Fit(estimator, fit)
        except Exception:
            if self.error_score == "raise":
                raise
            result["fit_time"] = time.perf_counter() - start
            result["fit_error"] = traceback.format_exc()
            return result
        start = time.perf_counter()
        result["test_scores"] = self._score(estimator, test)
        result["score_time"] = time.perf_counter() - start
        if self.return_train_score:
            result["train_scores"] = self._score(estimator, train)
        if self.return_estimator:
            result["estimator"] = estimator
        return result

    def _rows(self, rows, params):
        """Return X, y and parameters at some rows; what has other rows stays whole."""
        n = count_rows(self.X)

        def take(values):
            is_of_rows = hasattr(values, "__len__") and not isinstance(values, str)
            if is_of_rows and getattr(values, "ndim", 1) and len(values) == n:
                return take_rows(values, rows)
            return values

        y = None if self.y is None else take_rows(self.y, rows)
        params = {name: take(values) for name, values in params.items()}
        return take_rows(self.X, rows), y, params

    def _score(self, estimator, rows):
        """Return the score of some rows, or a dict of scores."""
        X, y, params = self._rows(rows, self.score_params)
        arguments = (X,) if y is None else (X, y)
        try:
            scores = self.scorer(estimator, *arguments, **params)
        except Exception:
            if self.error_score == "raise":
                raise
            return self._failed_score(traceback.format_exc())
        if not isinstance(scores, dict):
            return float(scores)
        return {  # a scorer that failed among several returns its traceback
            name: self._failed_score(s) if isinstance(s, str) else float(s)
            for name, s in scores.items()
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
            if self.return_estimator:
                result["estimator"] = None


class _StackedSearch(BaseEstimator):
    """What makes a search of scikit-learn a stacked one.

    The methods of `BaseSearchCV` that are called here have private names. They are
    inherited, so that scoring, routing and the columns of the results are those of the
    scikit-learn that is installed.
    """

    _max_stack_constraint: dict = {"max_stack": [COUNT], "n_jobs": [LABEL, None]}

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike | None = None, **params) -> Self:
        """Run the search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        y : array-like of shape (n_samples,), default=None

        **params : dict
            As in :meth:`sklearn.model_selection.GridSearchCV.fit`: parameters of the
            estimator's `fit`, of the scorer and of the splitter, `groups` for instance.

        Returns
        -------
        self : object
        """
        self._validate_params()
        count_rows(X)
        if not is_stackable(self.estimator):
            _warn_not_stacked(self.estimator)
            return super().fit(X, y, **params)
        scorer, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        candidates = list(self._candidates())
        if not candidates:
            raise ValueError("The search has no candidates; pass values to try.")
        evaluation, splits = self._prepare(X, y, scorer, params)
        if self.verbose:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates,"
                f" {len(splits) * len(candidates)} fits in all"
            )
        found = evaluation.run(
            self.estimator, candidates, splits, self.n_jobs, self.max_stack
        )
        results = self._format_results(candidates, len(splits), found)
        scores = found[0]["test_scores"]
        self.multimetric_ = isinstance(scores, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(scores)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(
                self.refit, refit_metric, results
            )
            if not callable(self.refit):
                column = f"mean_test_{refit_metric}"
                self.best_score_ = results[column][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
        if self.refit:
            self.best_estimator_ = clone(self.estimator).set_params(
                **clone(self.best_params_, safe=False)
            )
            start = time.time()
            arguments = (X,) if y is None else (X, y)
            self.best_estimator_.fit(*arguments, **evaluation.fit_params)
            self.refit_time_ = time.time() - start
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_
        self.scorer_ = getattr(scorer, "_scorers", scorer)  # those of several metrics
        self.n_splits_ = len(splits)
        self.cv_results_ = results
        return self

    def _prepare(self, X, y, scorer, params):
        """Return how to fit and score, and the splits."""
        check_parameter(
            self.error_score, "error_score", StrOptions({"raise"}), numbers.Real
        )
        if (groups := params.get("groups")) is not None:
            groups = check_labels(groups, "groups", count_rows(X))
            params = {**params, "groups": groups}
        routed = self._get_routed_params_for_fit(params)
        try:
            cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
            splits = [
                (train, test) for train, test in cv.split(X, y, **routed.splitter.split)
            ]
        except (TypeError, ValueError) as error:
            raise ValueError(f"`cv` is {self.cv!r}: {error}") from error
        if not splits:
            raise ValueError(f"`cv` is {self.cv!r}, which makes no folds.")
        evaluation = _Evaluation(
            X,
            y,
            scorer,
            routed.estimator.fit,
            routed.scorer.score,
            self.error_score,
            self.return_train_score,
        )
        return evaluation, splits


def _warn_not_stacked(estimator):
    warnings.warn(
        f"{type(last_step(estimator)).__name__} cannot be stacked; its fits run one by "
        "one, as in scikit-learn's own search.",
        NotStackedWarning,
        stacklevel=3,
    )


class StackedGridSearchCV(_StackedSearch, GridSearchCV):
    """Grid search that trains its networks together.

    Its parameters, attributes and results are those of
    :class:`sklearn.model_selection.GridSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        An estimator of this package, or a pipeline that ends with one. The steps
        before it are fitted for each fold. Others fall back to scikit-learn's search,
        with a `NotStackedWarning`.

    param_grid : dict or list of dict
        Parameters to try. Candidates of different architectures train separately.

    scoring, refit, cv, verbose, error_score, return_train_score
        As in scikit-learn.

    pre_dispatch : object
        Used only where the fits cannot be stacked.

    n_jobs : int or None, default=None
        Number of processes, each on one thread, that share the fits; -1 for one per
        core. None means 1 unless in a :obj:`joblib.parallel_config` context. In that of
        a cluster they are all its workers, unless `n_jobs=1`.

    max_stack : int, default=64
        Largest number of networks trained together in a process. It bounds the memory.

    See Also
    --------
    StackedRandomizedSearchCV : The same for random candidates.
    stacked_cross_validate : The same without a search.

    Notes
    -----
    Every network gets the initial weights, batches and dropout masks that it gets in a
    fit of its own, so that the results agree up to rounding. Networks train as one
    batch where they differ only in their numbers: parameters and rows, and
    hyper-parameters such as `lr`, `alpha`, `clip`, `dropout` and those that an
    objective declares in `tensor_params`. All others are trained separately, as are
    candidates with callbacks.

    `mean_fit_time` and `std_fit_time` are CPU seconds; networks trained together share
    theirs equally. A network that was trained in a stack has no state of the
    optimizer: a warm start begins with a new one.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold
    >>> from advser import AdversarialSER, datasets
    >>> from advser.model_selection import StackedGridSearchCV
    >>> X, y, speakers = datasets.load_emodb(return_X_y_speakers=True)
    >>> search = StackedGridSearchCV(
    ...     AdversarialSER(max_epochs=5, random_state=0),
    ...     {"adversary__weight": [0, 0.1, 1]},
    ...     cv=GroupKFold(3),
    ...     scoring="balanced_accuracy",
    ... )
    >>> search = search.fit(X, y, groups=speakers, speakers=speakers)
    >>> search.cv_results_["mean_test_score"].shape
    (3,)
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        **_StackedSearch._max_stack_constraint,
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        param_grid: dict | list[dict],
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | str = np.nan,
        return_train_score: bool = False,
        max_stack: int = MAX_STACK,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_stack = max_stack

    def _candidates(self):
        return ParameterGrid(self.param_grid)


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
    """Randomized search that trains its networks together.

    Its parameters, attributes and results are those of
    :class:`sklearn.model_selection.RandomizedSearchCV`. See
    :class:`StackedGridSearchCV` for what can be stacked.

    Parameters
    ----------
    estimator : estimator object
        See :class:`StackedGridSearchCV`.

    param_distributions : dict or list of dict
        Parameters to draw.

    n_iter, scoring, refit, cv, verbose, pre_dispatch, random_state, error_score, \
return_train_score
        As in scikit-learn.

    n_jobs : int or None, default=None
        See :class:`StackedGridSearchCV`.

    max_stack : int, default=64
        Largest number of networks trained together in a process. It bounds the memory.

    See Also
    --------
    StackedGridSearchCV : The same for all candidates of a grid.
    """

    _parameter_constraints: dict = {
        **RandomizedSearchCV._parameter_constraints,
        **_StackedSearch._max_stack_constraint,
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        param_distributions: dict | list[dict],
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | np.random.RandomState | None = None,
        error_score: float | str = np.nan,
        return_train_score: bool = False,
        max_stack: int = MAX_STACK,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_stack = max_stack

    def _candidates(self):
        return ParameterSampler(
            self.param_distributions, self.n_iter, random_state=self.random_state
        )


def stacked_cross_validate(
    estimator: BaseEstimator,
    X: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict | None = None,
    pre_dispatch: int | str = "2*n_jobs",
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: float | str = np.nan,
    max_stack: int = MAX_STACK,
) -> dict:
    """Cross-validate an estimator, training the networks of all folds together.

    Its parameters and results are those of
    :func:`sklearn.model_selection.cross_validate`.

    Parameters
    ----------
    estimator : estimator object
        See :class:`StackedGridSearchCV`.

    X : array-like of shape (n_samples, n_features)

    y : array-like of shape (n_samples,), default=None

    groups, scoring, cv, verbose, params, return_train_score, return_estimator, \
return_indices, error_score
        As in scikit-learn.

    pre_dispatch : object
        Used only where the fits cannot be stacked.

    n_jobs : int or None, default=None
        See :class:`StackedGridSearchCV`.

    max_stack : int, default=64
        Largest number of networks trained together in a process. It bounds the memory.

    Returns
    -------
    scores : dict of ndarray of shape (n_splits,)
        See scikit-learn. `fit_time` is in CPU seconds; networks trained together
        share theirs equally.
    """
    check_arguments(locals())
    count_rows(X)
    if not is_stackable(estimator):
        _warn_not_stacked(estimator)
        return cross_validate(
            estimator,
            X,
            y,
            groups=groups,
            scoring=scoring,
            cv=cv,
            n_jobs=n_jobs,
            verbose=verbose,
            params=params,
            pre_dispatch=pre_dispatch,
            return_train_score=return_train_score,
            return_estimator=return_estimator,
            return_indices=return_indices,
            error_score=error_score,
        )
    search = StackedGridSearchCV(
        estimator,
        {},
        scoring=scoring,
        cv=cv,
        refit=False,
        error_score=error_score,
        return_train_score=return_train_score,
    )
    params = {} if params is None else dict(params)
    if groups is not None:
        params["groups"] = groups
    X, y = indexable(X, y)
    scorer, _ = search._get_scorers()
    evaluation, splits = search._prepare(X, y, scorer, params)
    evaluation.return_estimator = return_estimator
    if not get_config()["enable_metadata_routing"]:
        evaluation.score_params = {}  # unlike the searches of scikit-learn
    found = evaluation.run(estimator, [{}], splits, n_jobs, max_stack)
    scores: dict[str, Any] = {
        name: np.array([result[name] for result in found])
        for name in ("fit_time", "score_time")
    }
    if return_estimator:
        scores["estimator"] = [result["estimator"] for result in found]
    if return_indices:
        train, test = zip(*splits)
        scores["indices"] = {"train": train, "test": test}
    for kind in ("test", "train")[: 1 + return_train_score]:
        of_kind = [result[f"{kind}_scores"] for result in found]
        if isinstance(of_kind[0], dict):
            for name in of_kind[0]:
                scores[f"{kind}_{name}"] = np.array([s[name] for s in of_kind])
        else:
            scores[f"{kind}_score"] = np.array(of_kind)
    return scores
