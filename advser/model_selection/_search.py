"""Searches of scikit-learn that train their networks as one batch."""

import numbers
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn import get_config
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
    check_cv,
)
from sklearn.utils import indexable

from .._routing import requests
from .._validation._arrays import check_labels, count_rows
from .._validation._parameters import COUNT, INTEGER, StrOptions, check_parameter
from ._evaluation import MAX_STACK, Evaluation, is_stackable, warn_not_stacked


class _StackedSearch(BaseEstimator):
    """What makes a search of scikit-learn a stacked one.

    The methods of `BaseSearchCV` that are called here have private names. They are
    inherited, so that scoring, routing and the columns of the results are those of the
    scikit-learn that is installed.
    """

    _constraints: dict = {"max_stack": [COUNT], "n_jobs": [INTEGER, None]}

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
            warn_not_stacked(self.estimator)
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
        # Of several metrics a dict, which scikit-learn's searches have as `scorer_`.
        self.scorer_ = getattr(scorer, "_scorers", scorer)
        self.n_splits_ = len(splits)
        self.cv_results_ = results
        return self

    def _prepare(self, X, y, scorer, params):
        """Return how to fit and score, and the splits."""
        check_parameter(
            self.error_score, "error_score", StrOptions({"raise"}), numbers.Real
        )
        with _named(self.cv):
            cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        groups = params.get("groups")
        # Without routing, the splitter alone gets them, and may group by dates.
        is_routed = get_config()["enable_metadata_routing"]
        kind = getattr(getattr(groups, "dtype", None), "kind", "O")
        if groups is not None and (is_routed or kind not in "fmM"):
            # A network may have unknown speakers; a splitter may not.
            is_missing_allowed = is_routed and not requests(cv, "split", ["groups"])
            groups = check_labels(
                groups, "groups", count_rows(X), allow_missing=is_missing_allowed
            )
            params = {**params, "groups": groups}
        routed = self._get_routed_params_for_fit(params)
        with _named(self.cv):
            splits = [
                (train, test) for train, test in cv.split(X, y, **routed.splitter.split)
            ]
        if not splits:
            raise ValueError(f"`cv` is {self.cv!r}, which makes no folds.")
        evaluation = Evaluation(
            X,
            y,
            scorer,
            routed.estimator.fit,
            routed.scorer.score,
            self.error_score,
            self.return_train_score,
        )
        return evaluation, splits


@contextmanager
def _named(cv):
    """Let an error of a splitter name the parameter `cv`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"`cv` is {cv!r}: {error}") from error


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

    scoring, refit, cv, verbose, error_score, return_train_score : as in scikit-learn

    pre_dispatch : int or str, default="2*n_jobs"
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
    hyper-parameters such as `lr`, `alpha`, `noise`, `dropout` and those that an
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
        **_StackedSearch._constraints,
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

    n_iter, scoring, refit, cv, verbose, pre_dispatch : as in scikit-learn

    random_state, error_score, return_train_score : as in scikit-learn

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
        **_StackedSearch._constraints,
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
