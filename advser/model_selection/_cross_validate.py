"""Cross-validation that trains the networks of all folds as one batch."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.model_selection import cross_validate
from sklearn.utils import indexable

from .._validation._arrays import count_rows
from .._validation._parameters import check_arguments
from ._evaluation import MAX_STACK, is_stackable, warn_not_stacked
from ._search import StackedGridSearchCV


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

    groups, scoring, cv, params : as in scikit-learn

    return_train_score, return_estimator, return_indices : as in scikit-learn

    error_score : as in scikit-learn

    verbose, pre_dispatch : as in scikit-learn
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
    options: dict[str, Any] = {
        "scoring": scoring,
        "cv": cv,
        "error_score": error_score,
        "return_train_score": return_train_score,
    }
    if not is_stackable(estimator):
        warn_not_stacked(estimator)
        return cross_validate(
            estimator,
            X,
            y,
            groups=groups,
            n_jobs=n_jobs,
            verbose=verbose,
            params=params,
            pre_dispatch=pre_dispatch,
            return_estimator=return_estimator,
            return_indices=return_indices,
            **options,
        )
    search = StackedGridSearchCV(estimator, {}, refit=False, **options)
    params = {} if params is None else dict(params)
    is_routed = get_config()["enable_metadata_routing"]
    keeps_groups = is_routed and groups is None
    all_params = params if keeps_groups else {**params, "groups": groups}
    X, y = indexable(X, y)
    scorer, _ = search._get_scorers()
    evaluation, splits = search._prepare(X, y, scorer, all_params)
    evaluation.return_estimator = return_estimator
    if not is_routed:  # unlike the searches of scikit-learn
        evaluation.fit_params, evaluation.score_params = params, {}
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
        if not isinstance(of_kind[0], dict):
            of_kind = [{"score": score} for score in of_kind]
        for name in of_kind[0]:
            scores[f"{kind}_{name}"] = np.array([s[name] for s in of_kind])
    return scores
