"""Stacked searches give what scikit-learn's own searches give."""

import _thread
import pickle
import signal
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import cpu_count
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from advser import AdversarialSER
from advser.exceptions import NotStackedWarning
from advser.model_selection import (
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
    stacked_cross_validate,
)

ALL = ["ridge", "grl", "entropy", "confusion", None]


@pytest.fixture(scope="module")
def corpus():
    """Three emotions of nine speakers, who differ in their number of utterances."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(9), [8, 9, 11, 13, 10, 12, 17, 14, 9])
    y = rng.integers(3, size=len(speakers))
    X = rng.normal(size=(len(y), 6)) + 2 * np.eye(3, 6)[y]
    X += rng.normal(size=(9, 6))[speakers]
    return X, np.array(["anger", "joy", "neutral"])[y], speakers


def small(adversary="entropy", **parameters):
    defaults = {
        "hidden_layer_sizes": (8,),
        "embedding_dim": 4,
        "max_epochs": 6,
        "batch_size": 16,
        "random_state": 0,
    }
    return AdversarialSER(adversary, **{**defaults, **parameters})


def split_scores(search):
    results = pd.DataFrame(search.cv_results_)
    return results.filter(regex=r"^split\d+_").to_numpy()


def assert_same_search(estimator, grid, corpus, cv, rtol=1e-6, **settings):
    X, y, speakers = corpus
    settings = {"scoring": "neg_log_loss", "refit": False, **settings}
    searches = [
        search(estimator, grid, cv=cv, **settings).fit(
            X, y, groups=speakers, speakers=speakers
        )
        for search in (GridSearchCV, StackedGridSearchCV)
    ]
    expected, stacked = map(split_scores, searches)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(stacked, expected, rtol=rtol)
    return searches


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("adversary", ALL)
def test_search_agrees_with_separate_fits(corpus, adversary, conditional):
    grid = [
        {"adversary_weight": [0.1, 1.0], "random_state": [0, 1]},
        {"lr": [1e-2], "alpha": [0.0, 0.1], "dropout": [0.2, 0.5]},
    ]
    estimator = small(adversary, conditional=conditional)
    assert_same_search(estimator, grid, corpus, GroupKFold(3))


def test_search_agrees_for_folds_with_other_numbers_of_speakers_and_batches(corpus):
    X, _, speakers = corpus
    everything = np.arange(len(X))
    few, many = np.isin(speakers, [0, 1]), speakers < 7
    folds = [(everything[mask], everything[~mask]) for mask in (few, many)]
    grid = [
        {"adversary": ["grl", "entropy", "confusion"], "adversary_steps": [1, 2]},
        {"adversary": ["ridge"], "adversary_alpha": [0.1, 1.0]},
    ]
    assert_same_search(small(), grid, corpus, folds)


@pytest.mark.parametrize("adversary", ["ridge", "entropy"])
def test_search_agrees_for_class_and_sample_weights(corpus, adversary):
    X, y, speakers = corpus
    weight = np.linspace(0, 3, len(y))
    grid = {"class_weight": [None, "balanced", {"anger": 1, "joy": 2, "neutral": 0.5}]}
    scores = [
        split_scores(
            search(
                small(adversary), grid, cv=GroupKFold(3), scoring="neg_log_loss"
            ).fit(X, y, groups=speakers, speakers=speakers, sample_weight=weight)
        )
        for search in (GridSearchCV, StackedGridSearchCV)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def test_search_agrees_for_early_stopping(corpus):
    X, y, speakers = corpus
    estimator = small(early_stopping=True, n_iter_no_change=2, max_epochs=20, lr=0.02)
    expected, stacked = [
        function(
            estimator,
            X,
            y,
            groups=speakers,
            cv=LeaveOneGroupOut(),
            params={"speakers": speakers},
            return_estimator=True,
        )["estimator"]
        for function in (cross_validate, stacked_cross_validate)
    ]
    n_epochs = sorted(network.n_iter_ for network in expected)
    assert n_epochs[0] < n_epochs[5] < n_epochs[-1]  # few stop, then most, then all
    for alone, together in zip(expected, stacked):
        columns = ["epoch", "train_emotion_loss", "valid_loss", "valid_uar"]
        pd.testing.assert_frame_equal(
            alone.history_[columns], together.history_[columns]
        )
        np.testing.assert_allclose(
            together.predict_proba(X), alone.predict_proba(X), rtol=1e-6
        )


@pytest.mark.parametrize("adversary", ["ridge", "entropy"])
def test_search_agrees_for_unlabeled_rows(corpus, adversary):
    X, y, speakers = corpus
    new = X[:30] + 1
    params = {"speakers": speakers, "X_unlabeled": new}
    scores = [
        function(
            small(adversary, conditional=True),
            X,
            y,
            groups=speakers,
            cv=GroupKFold(3),
            params=params,
            scoring="neg_log_loss",
        )["test_score"]
        for function in (cross_validate, stacked_cross_validate)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def test_search_fits_pipelines_per_fold_and_routes_groups(corpus):
    X, y, speakers = corpus
    pipeline = make_pipeline(StandardScaler(), small())
    grid = {
        "adversarialser__adversary": ALL,
        "adversarialser__hidden_layer_sizes": [(8,), (5,)],
        "standardscaler__with_mean": [True, False],
    }
    settings = {"cv": GroupKFold(3), "scoring": ["accuracy", "neg_log_loss"]}
    with sklearn.config_context(enable_metadata_routing=True):
        searches = [
            search(pipeline, grid, refit="accuracy", **settings).fit(
                X, y, groups=speakers
            )
            for search in (GridSearchCV, StackedGridSearchCV)
        ]
    expected, stacked = searches
    np.testing.assert_allclose(split_scores(stacked), split_scores(expected), rtol=1e-6)
    assert stacked.best_params_ == expected.best_params_
    assert stacked.cv_results_.keys() == expected.cv_results_.keys()
    np.testing.assert_array_equal(
        stacked.best_estimator_.predict_proba(X),
        expected.best_estimator_.predict_proba(X),
    )


def test_randomized_search_agrees_with_separate_fits(corpus):
    X, y, speakers = corpus
    distributions = {"adversary_weight": np.linspace(0, 1, 20), "lr": [1e-3, 1e-2]}
    scores = [
        split_scores(
            search(
                small(), distributions, n_iter=5, random_state=3, cv=GroupKFold(3)
            ).fit(X, y, groups=speakers, speakers=speakers)
        )
        for search in (RandomizedSearchCV, StackedRandomizedSearchCV)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


@pytest.mark.parametrize("max_stack", [1, 3, 1000])
def test_search_does_not_depend_on_the_size_of_the_stack(corpus, max_stack):
    grid = {"adversary_weight": [0, 0.1, 1], "random_state": [0, 1]}
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), grid, cv=GroupKFold(3), scoring="neg_log_loss", max_stack=max_stack
    ).fit(X, y, groups=speakers, speakers=speakers)
    expected = GridSearchCV(
        small(), grid, cv=GroupKFold(3), scoring="neg_log_loss"
    ).fit(X, y, groups=speakers, speakers=speakers)
    np.testing.assert_allclose(split_scores(search), split_scores(expected), rtol=1e-6)


def test_candidates_with_callbacks_are_fitted_alone(corpus):
    grid = {"callbacks": [None, [LRScheduler("StepLR", step_size=1)]], "lr": [0.01]}
    searches = assert_same_search(small(), grid, corpus, GroupKFold(3))
    with_and_without = searches[1].cv_results_["mean_test_score"]
    assert with_and_without[0] != with_and_without[1]


def test_failing_candidate_is_scored_as_an_error_and_the_others_are_trained(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"lr": [0.001, -1.0]}, cv=GroupKFold(3), refit=False
    )
    with (
        pytest.warns(sklearn.exceptions.FitFailedWarning, match="lr"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y, groups=speakers, speakers=speakers)
    scores = split_scores(search)
    assert np.isfinite(scores[0]).all()
    assert np.isnan(scores[1]).all()


def test_failing_step_before_the_network_does_not_hold_the_others_up(corpus):
    X, y, speakers = corpus

    def fail_on_few_rows(X):
        if len(X) < 60:
            raise ValueError("too few rows")
        return X

    pipeline = make_pipeline(FunctionTransformer(fail_on_few_rows), small())
    everything = np.arange(len(X))
    folds = [(everything[:50], everything[50:]), (everything[:90], everything[20:])]
    with pytest.warns(sklearn.exceptions.FitFailedWarning, match="too few rows"):
        result = stacked_cross_validate(
            pipeline, X, y, cv=folds, params={"adversarialser__speakers": speakers}
        )
    assert np.isnan(result["test_score"][0])
    assert np.isfinite(result["test_score"][1])


def test_error_of_one_fit_sends_those_away_that_wait_for_a_core(corpus):
    X, y, speakers = corpus
    sizes = []

    def fail_on_few_rows(X):
        sizes.append(len(X))
        if len(X) < 60:
            raise ValueError("too few rows")
        time.sleep(0.2)
        return X

    pipeline = make_pipeline(FunctionTransformer(fail_on_few_rows), small())
    everything = np.arange(len(X))
    n_cores = cpu_count()
    folds = [(everything[:50], everything[50:])]
    folds += [(everything[:90], everything[20:])] * 4 * n_cores
    with pytest.raises(ValueError, match="too few rows"):
        stacked_cross_validate(
            pipeline,
            X,
            y,
            cv=folds,
            params={"adversarialser__speakers": speakers},
            error_score="raise",
            max_stack=len(folds),
        )
    assert len(sizes) < 3 * n_cores


def test_other_estimators_fall_back_with_a_warning(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3)
    )
    with pytest.warns(NotStackedWarning, match="LogisticRegression cannot be stacked"):
        search.fit(X, y, groups=speakers)
    expected = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3))
    expected.fit(X, y, groups=speakers)
    np.testing.assert_array_equal(split_scores(search), split_scores(expected))


def test_search_is_cloned_and_pickled_and_its_networks_are_small(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"adversary_weight": [0.1, 1]}, cv=GroupKFold(3), max_stack=7
    )
    assert clone(search).max_stack == 7
    search.fit(X, y, groups=speakers, speakers=speakers)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))

    result = stacked_cross_validate(
        small(),
        X,
        y,
        groups=speakers,
        cv=LeaveOneGroupOut(),
        params={"speakers": speakers},
        return_estimator=True,
    )
    alone = small().fit(X, y, speakers=speakers)
    # each network owns its weights, and carries no others of its stack along
    assert len(pickle.dumps(result["estimator"][0])) < 1.2 * len(pickle.dumps(alone))


def test_stacked_network_can_be_trained_further(corpus):
    X, y, speakers = corpus
    result = stacked_cross_validate(
        small(),
        X,
        y,
        groups=speakers,
        cv=GroupKFold(3),
        params={"speakers": speakers},
        return_estimator=True,
    )
    network = result["estimator"][0].set_params(warm_start=True)
    known = np.isin(speakers, network.speakers_)
    before = network.predict_proba(X)
    network.fit(X[known], y[known], speakers=speakers[known])
    assert network.n_iter_ == 12
    assert np.abs(network.predict_proba(X) - before).max() > 1e-3


def test_search_leaves_threads_warning_filters_and_speakers_alone(corpus):
    X, y, speakers = corpus
    filters = list(warnings.filters)
    threads = set(threading.enumerate())
    stacked_cross_validate(
        small(), X, y, groups=speakers, cv=GroupKFold(3), params={"speakers": speakers}
    )
    assert warnings.filters == filters
    assert set(threading.enumerate()) <= threads


def test_max_stack_must_be_positive(corpus):
    X, y, _ = corpus
    search = StackedGridSearchCV(small(), {"lr": [0.1]}, max_stack=0)
    with pytest.raises(ValueError, match="'max_stack' parameter"):
        search.fit(X, y)


def test_dummy_in_pipeline_falls_back(corpus):
    X, y, _ = corpus
    pipeline = make_pipeline(StandardScaler(), DummyClassifier())
    with pytest.warns(NotStackedWarning, match="DummyClassifier"):
        stacked_cross_validate(pipeline, X, y, cv=3)


def test_processes_share_a_stack_out(corpus):
    X, y, speakers = corpus
    grid = {"adversary_weight": [0.1, 1], "random_state": [0, 1]}
    cv = GroupKFold(4)  # leaves two speakers out, or three
    settings = {"cv": cv, "scoring": "neg_log_loss", "refit": False}
    expected = GridSearchCV(small(), grid, **settings)
    shared = StackedGridSearchCV(small(), grid, n_jobs=2, **settings)
    for search in (expected, shared):
        search.fit(X, y, groups=speakers, speakers=speakers)
    np.testing.assert_allclose(split_scores(shared), split_scores(expected), rtol=1e-6)


class Unpicklable(Callback):
    """A callback that holds what no other process can have."""

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("an open file")


def test_error_on_the_way_to_the_processes_ends_the_search(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(),
        {"callbacks": [None, [Unpicklable()]]},
        cv=GroupKFold(3),
        n_jobs=2,
    )
    with pytest.raises(pickle.PicklingError, match="Could not pickle the task"):
        search.fit(X, y, groups=speakers, speakers=speakers)


class Leave(Callback):
    """A callback that asks the interpreter to end."""

    def on_epoch_end(self, net, **kwargs):
        """Ask it."""
        raise SystemExit(3)


def test_what_is_no_exception_ends_the_search_as_well(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"callbacks": [None, [Leave()]]}, cv=GroupKFold(3)
    )
    with pytest.raises(SystemExit):
        search.fit(X, y, groups=speakers, speakers=speakers)


def test_nets_of_a_stack_end_with_memory_of_their_own(corpus):
    X, y, speakers = corpus
    estimators = stacked_cross_validate(
        small(early_stopping=True, n_iter_no_change=2, max_epochs=20, lr=0.02),
        X,
        y,
        groups=speakers,
        cv=LeaveOneGroupOut(),
        params={"speakers": speakers},
        return_estimator=True,
    )["estimator"]
    for network in estimators:
        stop = next(
            callback
            for callback in network.net_.callbacks
            if isinstance(callback, EarlyStopping)
        )
        kept = [*network.net_.module_.parameters(), *stop.best_model_weights_.values()]
        for values in kept:
            assert values.is_contiguous()
            assert values.untyped_storage().nbytes() == values.nbytes


def test_search_agrees_in_float32(corpus):
    X, *others = corpus
    estimator = small("grl", hidden_layer_sizes=(64,), embedding_dim=32, max_epochs=3)
    grid = {"adversary_weight": [0.1, 1]}
    single = X.astype(np.float32), *others
    assert_same_search(estimator, grid, single, GroupKFold(3), rtol=1e-3)


@pytest.fixture
def interruptible():
    """Let an interrupt arrive where the tests run in the background as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_interrupted_search_ends_at_once(corpus, n_jobs):
    X, y, speakers = corpus
    threads = set(threading.enumerate())
    search = StackedGridSearchCV(
        small(max_epochs=1_000_000), {"lr": [0.001]}, cv=GroupKFold(3), n_jobs=n_jobs
    )
    interrupt = threading.Timer(3, _thread.interrupt_main)
    interrupt.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y, groups=speakers, speakers=speakers)
    assert time.monotonic() - start < 30
    assert not {thread.name for thread in set(threading.enumerate()) - threads} - {
        "QueueManagerThread",
        "ExecutorManagerThread",
        "QueueFeederThread",
    }
    search.set_params(estimator__max_epochs=1)  # and the next one works
    search.fit(X, y, groups=speakers, speakers=speakers)
    assert np.isfinite(split_scores(search)).all()
