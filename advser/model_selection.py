"""Searches and cross-validation that train their networks together.

Drop-in for scikit-learn's: same parameters, same results, several times faster. The
fits of the search are done in bundles, whose networks are trained as one stacked model,
see `advser._engine._rendezvous`.
"""

import threading
import warnings
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from numbers import Integral

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import (
    LokyBackend,
    MultiprocessingBackend,
    ParallelBackendBase,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval

from ._engine._rendezvous import do_together
from .exceptions import NotStackedWarning
from .methods._base import BaseSER

__all__ = [
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "stacked_cross_validate",
]


MAX_STACK = 64  # networks trained together, unless said otherwise
LOCAL_BACKENDS = (
    LokyBackend,
    MultiprocessingBackend,
    SequentialBackend,
    ThreadingBackend,
)


class StackingBackend(ParallelBackendBase):
    """A joblib backend that does tasks in bundles, each with its networks stacked.

    Parameters
    ----------
    max_stack : int
        Largest number of tasks in a bundle.

    n_processes : int
        Number of processes, each of which does a bundle at a time; 1 for this one.

    cluster : joblib backend or None, default=None
        Where these processes are; None for this machine.
    """

    supports_retrieve_callback = True
    settle_seconds = 0.05  # without a new task: then an incomplete bundle is done

    def __init__(self, max_stack, n_processes, cluster=None, **settings):
        super().__init__(**settings)
        self.max_stack = max_stack
        self.n_processes = n_processes
        self.cluster = cluster if n_processes > 1 else None
        self.changed = threading.Condition()
        self.tasks = []  # with the futures of what they return
        self.dispatcher = None  # the last thread that does the tasks
        self.is_dispatching = False
        self.is_called_off = False
        self.is_complete = False

    def effective_n_jobs(self, n_jobs):
        """Return the number of tasks at a time, whatever `n_jobs` asks for."""
        return self.n_processes * self.max_stack

    def start_call(self):
        """Begin anew after what was given up, or finished."""
        self.is_called_off = self.is_complete = False

    def submit(self, func, callback=None):
        """Schedule a task; return the future of what it returns."""
        future = Future()
        future.add_done_callback(callback)
        with self.changed:
            self.tasks.append((func, future))
            self.changed.notify()
            if not self.is_dispatching:
                dispatcher = threading.Thread(target=self._dispatch, daemon=True)
                dispatcher.start()
                self.dispatcher, self.is_dispatching = dispatcher, True
        return future

    def retrieve_result_callback(self, out):
        """Return what the task of a future has returned, or raise its error."""
        return out.result()

    def abort_everything(self, ensure_ready=True):
        """Give up all tasks, those that are being done too.

        The processes, which joblib shares between all its loops, are ended. A cluster
        does the bundles that it has to their end, for nobody.
        """
        self.call_off()
        dispatcher = self.dispatcher
        if dispatcher is None or self.cluster is not None:
            return
        # A thread that outlives the interpreter in the middle of a product aborts it.
        while dispatcher.is_alive():
            if self.n_processes > 1:
                get_reusable_executor(reuse=True).shutdown(kill_workers=True)
            dispatcher.join(0.1)

    def call_off(self):
        """Begin no task any more."""
        with self.changed:
            self.is_called_off = True
            self.tasks.clear()
            self.changed.notify()

    def finish(self):
        """Let the thread end that does the tasks, of which there will be no more.

        If the interpreter ended first, a tensor that it still holds would abort it.
        """
        with self.changed:
            self.is_complete = True
            self.changed.notify()
        if self.dispatcher is not None and not self.is_called_off:
            self.dispatcher.join()

    def _dispatch(self):
        """Do all tasks that come, until none comes for a moment."""
        while tasks := self._next_tasks():
            functions, futures = zip(*tasks)
            try:
                results = self._do(functions)
            except BaseException as error:
                for future in futures:
                    future.set_exception(error)
            else:
                for future, result in zip(futures, results):
                    future.set_result(result)

    def _next_tasks(self):
        """Return tasks for all processes, or the last ones."""
        n_tasks = self.n_processes * self.max_stack
        with self.changed:
            while len(self.tasks) < n_tasks and not (
                self.is_called_off or self.is_complete
            ):
                if not self.changed.wait(self.settle_seconds):
                    break
            if self.is_called_off:
                self.tasks.clear()
            tasks, self.tasks = self.tasks[:n_tasks], self.tasks[n_tasks:]
            self.is_dispatching = bool(tasks)
            return tasks

    def _do(self, tasks):
        """Return what tasks return, done in bundles of equal size."""
        if self.n_processes == 1:
            return do_together(tasks, cpu_count(), lambda: self.is_called_off)
        size = -(-len(tasks) // self.n_processes)
        starts = range(0, len(tasks), size)
        # From a thread, joblib lets only the outermost loop have processes.
        backend = self.cluster or LokyBackend(nesting_level=0)
        bundles = Parallel(self.n_processes, backend=backend, batch_size=1)(
            delayed(do_together)(tasks[start : start + size]) for start in starts
        )
        return [result for bundle in bundles for result in bundle]


def is_stackable(estimator):
    """Whether the fits of an estimator can be trained together."""
    last_step = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return isinstance(last_step, BaseSER)


@contextmanager
def stacked_fits(max_stack, n_jobs=None):
    """Let the fits of stackable estimators be trained together.

    They are the tasks of scikit-learn's parallel functions, or of `joblib.Parallel`
    itself.

    Parameters
    ----------
    max_stack : int
        Largest number of networks trained together in a process.

    n_jobs : int or None, default=None
        Number of processes, each on one thread, that share the fits. They are those of
        a cluster where joblib's backend is that of a cluster.
    """
    active, _ = get_active_backend()
    cluster = None if isinstance(active, LOCAL_BACKENDS) else active
    backend = StackingBackend(max_stack, effective_n_jobs(n_jobs), cluster)
    try:
        with parallel_config(backend):
            yield
    except BaseException:
        backend.call_off()
        raise
    finally:
        backend.finish()


def stacked_or_fall_back(estimator, max_stack, n_jobs):
    """Return the context in which to cross-validate an estimator."""
    if is_stackable(estimator):
        return stacked_fits(max_stack, n_jobs)
    last_step = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    warnings.warn(
        f"{type(last_step).__name__} cannot be stacked; its fits run one by one, as in "
        "scikit-learn's own search.",
        NotStackedWarning,
        stacklevel=3,
    )
    return nullcontext()


class _StackedSearch:
    """What makes a search of scikit-learn's a stacked one."""

    _max_stack_constraint: dict = {
        "max_stack": [Interval(Integral, 1, None, closed="left")]
    }

    def fit(self, X, y=None, **params):
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
        with stacked_or_fall_back(self.estimator, self.max_stack, self.n_jobs):
            return super().fit(X, y, **params)


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
        Parameters to try. Candidates of different architectures are stacked apart.

    scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in scikit-learn.

    n_jobs : int or None, default=None
        Number of processes, each on one thread, that share the fits; -1 for one per
        core. None means 1 unless in a :obj:`joblib.parallel_config` context. In that of
        a cluster they are all its workers, unless `n_jobs=1`.

    max_stack : int, default=64
        Largest number of networks trained together in a process: bounds the memory.

    See Also
    --------
    StackedRandomizedSearchCV : The same for random candidates.
    stacked_cross_validate : The same without a search.

    Notes
    -----
    Every network gets the initial weights, batches and dropout masks that it gets in a
    fit of its own, so that the results agree to the rounding of floating-point
    numbers. `mean_fit_time` and `std_fit_time` are those of whole stacks.

    Candidates with callbacks are fitted alone. A network that was trained in a stack
    has no moments of the optimizer: trained further, it begins with new ones.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> from advser.model_selection import StackedGridSearchCV
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> search = StackedGridSearchCV(
    ...     AdversarialSER(max_epochs=5, random_state=0),
    ...     {"adversary_weight": [0, 0.1, 1]},
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
        max_stack=MAX_STACK,
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


class StackedRandomizedSearchCV(_StackedSearch, RandomizedSearchCV):
    """Randomized search that trains its networks together.

    Its parameters, attributes and results are those of
    :class:`sklearn.model_selection.RandomizedSearchCV`; what is said of
    :class:`StackedGridSearchCV` holds here as well.

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
        Largest number of networks trained together in a process: bounds the memory.

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
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        max_stack=MAX_STACK,
    ):
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


def stacked_cross_validate(
    estimator,
    X,
    y=None,
    *,
    groups=None,
    scoring=None,
    cv=None,
    n_jobs=None,
    verbose=0,
    params=None,
    pre_dispatch="2*n_jobs",
    return_train_score=False,
    return_estimator=False,
    return_indices=False,
    error_score=np.nan,
    max_stack=MAX_STACK,
):
    """Cross-validate an estimator, training the networks of all folds together.

    Its parameters and results are those of
    :func:`sklearn.model_selection.cross_validate`.

    Parameters
    ----------
    estimator : estimator object
        See :class:`StackedGridSearchCV`.

    X : array-like of shape (n_samples, n_features)

    y : array-like of shape (n_samples,), default=None

    groups, scoring, cv, verbose, params, pre_dispatch, return_train_score, \
return_estimator, return_indices, error_score
        As in scikit-learn.

    n_jobs : int or None, default=None
        See :class:`StackedGridSearchCV`.

    max_stack : int, default=64
        Largest number of networks trained together in a process: bounds the memory.

    Returns
    -------
    scores : dict of ndarray of shape (n_splits,)
        See scikit-learn. `fit_time` is that of whole stacks.
    """
    with stacked_or_fall_back(estimator, max_stack, n_jobs):
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
