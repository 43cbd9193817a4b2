"""Searches and cross-validation that train their networks together.

Drop-in for scikit-learn's: same parameters, same results, several times faster. Each
fit of the search runs in a thread; where it comes to train its network it waits for
the others, and all are trained as one stacked model, see `advser.stacking`.
"""

import warnings
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from joblib import parallel_config
from joblib.parallel import ThreadingBackend
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval

from .base import BaseSERClassifier
from .exceptions import NotStackedWarning
from .stacking import Rendezvous

__all__ = [
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "stacked_cross_validate",
]


class StackingBackend(ThreadingBackend):
    """A joblib backend whose tasks share a rendezvous, whatever `n_jobs` asks for.

    Parameters
    ----------
    rendezvous : Rendezvous
    """

    def __init__(self, rendezvous, **settings):
        super().__init__(**settings)
        self.rendezvous = rendezvous

    def effective_n_jobs(self, n_jobs):
        """Return the number of threads: as many as networks are trained together."""
        return self.rendezvous.max_stack

    def submit(self, func, callback=None):
        """Schedule a task that meets the others at the rendezvous."""
        self.rendezvous.announce()

        def task():
            with self.rendezvous.task():
                return func()

        return super().submit(task, callback)


@contextmanager
def stacked_fits(estimator, max_stack):
    """Let scikit-learn's parallel fits of an estimator be trained together."""
    last_step = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last_step, BaseSERClassifier):
        warnings.warn(
            f"{type(last_step).__name__} cannot be stacked; its fits run one by one, as "
            "in scikit-learn's own search.",
            NotStackedWarning,
            stacklevel=3,
        )
        yield
        return
    rendezvous = Rendezvous(max_stack)
    # Threads that set warning filters leave them behind, so restore them at the end.
    with warnings.catch_warnings(), parallel_config(StackingBackend(rendezvous)):
        try:
            yield
        finally:
            rendezvous.close()


class StackedGridSearchCV(GridSearchCV):
    """Grid search that trains its networks together.

    See :class:`sklearn.model_selection.GridSearchCV`, whose parameters, attributes and
    results it has.

    Parameters
    ----------
    estimator : estimator object
        An estimator of this package, or a pipeline that ends with one. The steps
        before are fitted for each fold. Others fall back to scikit-learn's search with
        a `NotStackedWarning`.

    param_grid : dict or list of dict

    scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in scikit-learn.

    n_jobs : int or None, default=None
        Jobs of a search that falls back. The networks of a stack are trained in this
        process, on torch's threads.

    max_stack : int, default=64
        Largest number of networks trained together: bounds the memory. Candidates that
        differ in their architecture are stacked apart.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : Trains one network after the other.

    Notes
    -----
    Every network gets the initial weights, batches and dropout masks that it gets from
    a fit of its own, so that the results agree to the rounding of floating-point
    numbers. `mean_fit_time` and `std_fit_time` are those of whole stacks.

    A candidate with callbacks of the user's, or with `warm_start`, is fitted alone.
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        "max_stack": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        max_stack=64,
    ):
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

    def fit(self, X, y=None, **params):
        """Run the search, see :meth:`sklearn.model_selection.GridSearchCV.fit`."""
        with stacked_fits(self.estimator, self.max_stack):
            return super().fit(X, y, **params)
