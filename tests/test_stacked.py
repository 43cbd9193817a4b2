"""Stacked searches give what scikit-learn's own searches give."""

import pickle
import threading
import warnings
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import KernelPCA
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from advser import AdversarialSER, AdversarialSERRegressor
from advser._engine import _jobs
from advser.exceptions import NotStackedWarning
from advser.metrics import rating_scorers
from advser.model_selection import (
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
    stacked_cross_validate,
)
from advser.model_selection._evaluation import bundles, is_stackable
from advser.objectives import (
    CORAL,
    MMD,
    ClosedForm,
    Confusion,
    GradientReversal,
    GroupDRO,
    MaxEntropy,
    Objective,
    VREx,
)

ADVERSARIES = [
    ClosedForm(),
    ClosedForm(conditional=True),
    GradientReversal(),
    GradientReversal(steps=1, bounded=False, conditional=True, hidden_layer_sizes=(5,)),
    MaxEntropy(),
    MaxEntropy(conditional=True, steps=3),
    Confusion(),
    VREx(),
    CORAL(),
    MMD(),
    GroupDRO(1.0),
    None,
]


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
        "max_epochs": 3,
        "batch_size": 24,
        "lr": 0.01,
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


@pytest.fixture
def stacks(monkeypatch):
    """Return a list that receives the number of networks of every stack."""
    sizes = []

    def fit_stacked(jobs):
        _fit_stacked(jobs)
        sizes.append(len(jobs))

    _fit_stacked = _jobs.fit_stacked
    monkeypatch.setattr(_jobs, "fit_stacked", fit_stacked)
    return sizes


# Stacked and separate fits agree


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=repr)
def test_search_agrees_with_separate_fits(corpus, stacks, adversary):
    grid = [
        {"random_state": [0, 1], "dropout": [0.2]},
        {"alpha": [0.5], "dropout": [0.5], "clip": [1.0], "lr": [0.003]},
    ]
    assert_same_search(small(adversary), grid, corpus, GroupKFold(3))
    assert stacks == [9]


def test_noise_and_numbers_of_epochs_share_a_stack(corpus, stacks):
    grid = {"noise": [0.2, 1.0], "max_epochs": [2, 5]}
    searches = assert_same_search(small(), grid, corpus, GroupKFold(3))
    scores = searches[1].cv_results_["mean_test_score"]
    assert len(set(scores)) == 4
    assert stacks == [12]


def test_penalties_of_equal_updates_belong_to_their_networks(corpus, stacks):
    grid = {"alpha": [0.0, 0.01, 1.0]}
    searches = assert_same_search(small(), grid, corpus, GroupKFold(3))
    scores = searches[1].cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    assert stacks == [9]


@pytest.mark.parametrize("adversary", ADVERSARIES[:-1], ids=repr)
def test_numbers_of_an_objective_share_a_stack(corpus, stacks, adversary):
    grid = {f"adversary__{name}": [0.05, 2.0] for name in adversary.tensor_params}
    # Enough units that each row has an active one: a distance has no gradient for the
    # bias of the embedding, whose sign, a rounding error, would decide for other rows.
    estimator = small(adversary, hidden_layer_sizes=(32,))
    searches = assert_same_search(estimator, grid, corpus, GroupKFold(3))
    scores = searches[1].cv_results_["mean_test_score"]
    assert len(set(scores)) == len(scores)
    assert stacks == [3 * len(scores)]


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=repr)
def test_search_agrees_for_ratings(corpus, stacks, adversary):
    X, _, speakers = corpus
    y = X[:, :2].copy()
    y[::7, 1] = np.nan
    y[3] = np.nan
    regressor = AdversarialSERRegressor(
        adversary, hidden_layer_sizes=(8,), embedding_dim=4, max_epochs=3, lr=0.01
    )
    assert_same_search(
        regressor.set_params(random_state=0, batch_size=32),
        {"target_weights": [None, [1, 3]]},
        (X, y, speakers),
        GroupKFold(3),
        scoring=rating_scorers()["ccc"],
    )
    assert stacks == [6]


def test_search_agrees_for_folds_with_other_numbers_of_speakers_and_batches(corpus):
    X, _, speakers = corpus
    everything = np.arange(len(X))
    few, many = np.isin(speakers, [0, 1]), speakers < 7
    folds = [(everything[mask], everything[~mask]) for mask in (few, many)]
    grid = [
        {"adversary": ["grl", "entropy", "confusion"], "adversary__steps": [1, 2]},
        {"adversary": ["closed_form"], "adversary__penalty": [0.1, 1.0]},
    ]
    assert_same_search(small(), grid, corpus, folds)


# Objectives that the engine does not know


class Spread(Objective):
    """A term that ignores all weights of the rows."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def loss(self, h, output, y, progress):
        """Return the loss of the emotion, and the size and variance of the embedding.

        Both are of all rows of the batch, whatever they weigh.
        """
        return {
            "emotion": self.task.loss(output, y),
            "size": self.weight * h.mean(),
            "variance": self.weight * (h - h.mean(0)).square().mean(),
        }


class Kept(Spread):
    """The weight is kept in some attribute, and not where it was set."""

    def __init__(self, weight=1.0, place="list"):
        self.weight = weight
        self.place = place

    def build(self, embedding_dim, n_speakers, generator):
        """Keep the weight."""
        weight = self.weight
        self.kept = PLACES[self.place](weight)
        self.weight = None

    def loss(self, h, output, y, progress):
        """Return the terms with the weight that was kept."""
        size = read(self.kept) * h.square().mean()
        return {"emotion": self.task.loss(output, y), "size": size}


class Scale(nn.Module):
    """A submodule with a number."""

    def __init__(self, weight):
        super().__init__()
        self.number = weight


PLACES = {
    "submodule": Scale,
    "list": lambda weight: [weight],
    "module in a list": lambda weight: [Scale(weight)],
    "dict": lambda weight: {"a": {"b": weight}},
    "array": lambda weight: np.array([weight]),
    "tensor": lambda weight: torch.tensor(weight, dtype=torch.float64),
    "lambda": lambda weight: lambda: weight,
}


def read(kept):
    """Return the number, wherever it is kept."""
    while not isinstance(kept, int | float | torch.Tensor):
        if callable(kept) and not isinstance(kept, nn.Module):
            kept = kept()
        elif isinstance(kept, dict):
            kept = next(iter(kept.values()))
        else:
            kept = kept.number if isinstance(kept, nn.Module) else kept[0]
    return float(kept)


class Declared(Spread):
    """The same with a weight that is declared."""

    tensor_params = ("weight",)


@pytest.mark.parametrize("n_stacks", [0, 1])
def test_weight_of_a_users_objective_counts(corpus, stacks, n_stacks):
    """Whether it is declared in `tensor_params` or not."""
    objective = Declared() if n_stacks else Spread()
    grid = {"adversary__weight": [0, 1, 100]}
    searches = assert_same_search(small(objective), grid, corpus, GroupKFold(3))
    assert len(set(searches[1].cv_results_["mean_test_score"])) == 3
    assert stacks == ([9] if n_stacks else [3, 3, 3])


@pytest.mark.parametrize("place", PLACES)
def test_weight_counts_wherever_it_is_kept(corpus, place):
    estimator = small(Kept(place=place))
    grid = {"adversary__weight": [0.0, 1.0, 100.0]}
    searches = assert_same_search(estimator, grid, corpus, GroupKFold(3))
    assert len(set(searches[1].cv_results_["mean_test_score"])) == 3


def test_weight_of_a_users_objective_counts_in_cross_validation(corpus):
    X, y, speakers = corpus
    scores = [
        [
            function(
                small(Spread(weight)),
                X,
                y,
                groups=speakers,
                cv=GroupKFold(3),
                params={"speakers": speakers},
                scoring="neg_log_loss",
            )["test_score"]
            for weight in (0, 1, 100)
        ]
        for function in (cross_validate, stacked_cross_validate)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)
    assert len(set(np.mean(scores[1], axis=1))) == 3


def test_loss_that_ignores_the_weights_agrees_for_folds_of_other_sizes(corpus, stacks):
    """No stack has rows that a fit alone has not."""
    X, y, speakers = corpus
    folds = [(np.flatnonzero(speakers < n), np.arange(len(X))) for n in (3, 6, 9)]
    estimators = [
        function(
            small(Spread(3.0)),
            X,
            y,
            cv=folds,
            params={"speakers": speakers},
            return_estimator=True,
        )["estimator"]
        for function in (cross_validate, stacked_cross_validate)
    ]
    for alone, together in zip(*estimators):
        np.testing.assert_allclose(
            together.transform(X), alone.transform(X), rtol=1e-9, atol=1e-12
        )
        pd.testing.assert_frame_equal(
            together.history_.filter(like="_loss"), alone.history_.filter(like="_loss")
        )
    n_batches = {-(-len(train) // 24) for train, _ in folds}
    assert len(n_batches) == 3
    assert stacks == []  # the folds have other numbers of speakers


def test_loss_that_ignores_the_weights_agrees_in_a_stack(corpus, stacks):
    X, _y, speakers = corpus
    mixed = np.random.default_rng(0).permutation(len(X))
    folds = [(mixed[:n], np.arange(len(X))) for n in (60, 55, 90)]
    assert {len(set(speakers[train])) for train, _ in folds} == {9}
    assert_same_search(small(Spread(3.0)), {"lr": [0.01]}, corpus, folds)
    assert stacks == [3]


def test_class_may_opt_out(corpus, stacks):
    class Alone(Spread):
        stackable = False

    grid = {"random_state": [0, 1]}
    assert_same_search(small(Alone()), grid, corpus, GroupKFold(3))
    assert stacks == []


class Refuses(Spread):
    """What only a network alone can do: read a number of a tensor."""

    def loss(self, h, output, y, progress):
        """Return the terms."""
        return {"emotion": self.task.loss(output, y) * float(h.detach().sum() >= 0)}


def test_network_that_cannot_be_stacked_falls_back_with_a_warning(corpus, stacks):
    grid = {"random_state": [0, 1]}
    with pytest.warns(NotStackedWarning, match="6 networks cannot be trained as one"):
        assert_same_search(small(Refuses()), grid, corpus, GroupKFold(3))
    assert stacks == []


class Average(Spread):
    """A term of the running mean of the embedding, which is kept in some way."""

    def __init__(self, kept="in place"):
        self.kept = kept

    def build(self, embedding_dim, n_speakers, generator):
        """Start at 0."""
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("first", None)
        self.n_steps = 0

    def loss(self, h, output, y, progress):
        """Return the loss of the emotion, and the distance from the mean so far."""
        if self.kept == "in place":
            self.mean.mul_(0.9).add_(0.1 * h.detach().mean(0))
        elif self.kept == "assigned":
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
        elif self.kept == "registered late":
            self.first = h.detach().mean(0) if self.first is None else self.first
        elif self.kept == "counted":
            self.n_steps += 1
        first = 0 if self.first is None else self.first
        distance = h - self.mean - first
        terms = {"distance": (1 + self.n_steps) * distance.square().mean()}
        return {"emotion": self.task.loss(output, y), **terms}


def test_state_that_is_changed_in_place_is_that_of_separate_fits(corpus, stacks):
    grid = {"random_state": [0, 1]}
    assert_same_search(small(Average()), grid, corpus, GroupKFold(3))
    assert stacks == [6]


@pytest.mark.parametrize("kept", ["assigned", "registered late", "counted"])
def test_other_state_falls_back_to_separate_fits(corpus, stacks, kept):
    grid = {"random_state": [0, 1]}
    with pytest.warns(NotStackedWarning, match="6 networks .* in place"):
        assert_same_search(small(Average(kept)), grid, corpus, GroupKFold(3))
    assert stacks == []


# Own encoders


class Encoder(nn.Sequential):
    """A factory: a class that is given the number of features."""

    def __init__(self, n_features):
        super().__init__(nn.Linear(n_features, 9), nn.Tanh(), nn.Linear(9, 5))


class Frozen(Encoder):
    """Its first layer is not trained."""

    def __init__(self, n_features):
        super().__init__(n_features)
        self[0].requires_grad_(False)


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self, n_features):
        super().__init__()
        self.first = nn.Linear(n_features, n_features)
        self.second = nn.Linear(n_features, n_features)
        self.second.weight = self.first.weight

    def forward(self, x):
        """Return the hidden layer: (n, n_features) to (n, n_features)."""
        return self.second(self.first(x).tanh())


class Normalized(nn.Sequential):
    """Batch normalisation has running statistics."""

    def __init__(self, n_features):
        super().__init__(nn.Linear(n_features, 9), nn.BatchNorm1d(9))


@pytest.mark.parametrize("encoder", [Encoder, Encoder(6), Frozen, Tied, Normalized])
def test_search_agrees_for_own_encoders(corpus, stacks, encoder):
    estimator = small("grl", encoder=encoder, embedding_dim=4)
    grid = {"random_state": [0, 1]}
    assert_same_search(estimator, grid, corpus, GroupKFold(3))
    assert stacks == [6]


def test_encoders_that_share_weights_are_not_mixed_with_others(corpus):
    X, y, speakers = corpus
    scores = []
    for search in (GridSearchCV, StackedGridSearchCV):
        grid = {"encoder": [Tied, untied]}
        found = search(small(), grid, cv=GroupKFold(3), scoring="neg_log_loss")
        scores.append(split_scores(found.fit(X, y, groups=speakers, speakers=speakers)))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def untied(n_features):
    """Return the same with two weights."""
    module = Tied(n_features)
    module.second.weight = nn.Parameter(module.first.weight.detach().clone())
    return module


def test_dropout_of_torch_falls_back_to_separate_fits(corpus, stacks):
    encoder = nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5))
    with pytest.warns(NotStackedWarning, match="trained one by one"):
        assert_same_search(
            small("grl", encoder=encoder),
            {"random_state": [0, 1]},
            corpus,
            GroupKFold(3),
        )
    assert stacks == []


# Weights, early stopping, unlabelled rows


@pytest.mark.parametrize("adversary", ["closed_form", "entropy", "mmd"])
def test_search_agrees_for_class_and_sample_weights(corpus, adversary):
    """Without dropout: Adam enlarges the rounding errors of units without gradient."""
    X, y, speakers = corpus
    weight = np.linspace(0, 3, len(y))
    grid = {"class_weight": [None, "balanced", {"anger": 1, "joy": 2, "neutral": 0.5}]}
    scores = [
        split_scores(
            search(
                small(adversary, dropout=0.0),
                grid,
                cv=GroupKFold(3),
                scoring="neg_log_loss",
            ).fit(X, y, groups=speakers, speakers=speakers, sample_weight=weight)
        )
        for search in (GridSearchCV, StackedGridSearchCV)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


@pytest.mark.parametrize("adversary", ["entropy", GroupDRO(1.0)], ids=repr)
def test_search_agrees_for_early_stopping(corpus, stacks, adversary):
    X, y, speakers = corpus
    estimator = small(
        adversary,
        early_stopping=True,
        n_iter_no_change=2,
        max_epochs=20,
        lr=0.02,
        batch_size=16,
    )
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
    assert stacks == [9]
    for alone, together in zip(expected, stacked):
        columns = ["epoch", "train_emotion_loss", "valid_loss", "valid_uar"]
        pd.testing.assert_frame_equal(
            alone.history_[columns], together.history_[columns]
        )
        np.testing.assert_allclose(
            together.predict_proba(X), alone.predict_proba(X), rtol=1e-6
        )
        assert not together.net_.module_.training
        buffers = dict(together.net_.module_.named_buffers())
        for name, values in alone.net_.module_.named_buffers():
            torch.testing.assert_close(buffers[name], values)


@pytest.mark.parametrize("kind", [ClosedForm, MaxEntropy])
def test_search_agrees_for_unlabeled_rows(corpus, kind):
    X, y, speakers = corpus
    new = X[:30] + 1
    params = {"speakers": speakers, "X_unlabeled": new}
    scores = [
        function(
            small(kind(conditional=True)),
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
        "adversarialser__adversary": ["closed_form", "grl"],
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
    distributions = {"adversary__weight": np.linspace(0, 1, 20), "lr": [1e-3, 1e-2]}
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
    grid = {"adversary__weight": [0, 1], "random_state": [0, 1]}
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


def test_failing_step_before_the_network_fails_alone(corpus):
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


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_first_candidate_may_fail(toy):
    search = StackedGridSearchCV(
        AdversarialSER(max_epochs=1, random_state=0),
        {"lr": [0, 0.01]},
        cv=GroupKFold(2),
        refit=False,
    )
    with pytest.warns(sklearn.exceptions.FitFailedWarning, match="lr"):
        search.fit(toy.X, toy.y, groups=toy.speakers, speakers=toy.speakers)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True, False]


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


class Centred(AdversarialSER):
    """A subclass whose `fit` uses the fitted network."""

    def fit(self, X, y, speakers=None, **more):
        """Fit the network, and store the mean of its embedding."""
        super().fit(X, y, speakers, **more)
        self.centre_ = self.transform(X).mean(0)
        return self


class Named(AdversarialSER):
    """A subclass with the `fit` of its parent."""


def test_subclasses_with_a_fit_of_their_own_are_fitted_alone(corpus, stacks):
    X, y, speakers = corpus
    own = Centred(**small().get_params(deep=False))
    with pytest.warns(NotStackedWarning, match="Centred cannot be stacked"):
        assert_same_search(own, {"random_state": [0, 1]}, corpus, GroupKFold(3))
    pipeline = make_pipeline(small())
    grid = {"adversarialser": [own, small()]}
    search = StackedGridSearchCV(pipeline, grid, cv=GroupKFold(3))
    found = search.fit(X, y, groups=speakers, adversarialser__speakers=speakers)
    assert np.isfinite(split_scores(found)).all()
    assert stacks == [3]


def test_subclasses_with_the_fit_of_their_parent_are_stacked(corpus, stacks):
    named = Named(**small().get_params(deep=False))
    assert_same_search(named, {"random_state": [0, 1]}, corpus, GroupKFold(3))
    assert stacks == [6]


def test_search_is_cloned_and_pickled_and_its_networks_are_small(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"adversary__weight": [0.1, 1]}, cv=GroupKFold(3), max_stack=7
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
    assert network.n_iter_ == 6
    assert np.abs(network.predict_proba(X) - before).max() > 1e-3


def test_search_changes_no_threads_and_no_warning_filters(corpus):
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


def test_processes_share_the_fits(corpus):
    X, y, speakers = corpus
    grid = {"adversary__weight": [0.1, 1], "random_state": [0, 1]}
    cv = GroupKFold(4)  # leaves two speakers out, or three
    settings = {"cv": cv, "scoring": "neg_log_loss", "refit": False}
    expected = GridSearchCV(small(), grid, **settings)
    shared = StackedGridSearchCV(small(), grid, n_jobs=2, **settings)
    for search in (expected, shared):
        search.fit(X, y, groups=speakers, speakers=speakers)
    np.testing.assert_allclose(split_scores(shared), split_scores(expected), rtol=1e-6)


class Unpicklable(Callback):
    """A callback that cannot be sent to another process."""

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("an open file")


def test_candidate_that_cannot_be_pickled_ends_the_search(corpus):
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


def test_exit_of_the_interpreter_ends_the_search(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"callbacks": [None, [Leave()]]}, cv=GroupKFold(3)
    )
    with pytest.raises(SystemExit):
        search.fit(X, y, groups=speakers, speakers=speakers)


def test_nets_of_a_stack_have_memory_of_their_own(corpus):
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
    grid = {"adversary__weight": [0.1, 1]}
    single = X.astype(np.float32), *others
    assert_same_search(estimator, grid, single, GroupKFold(3), rtol=1e-3)


class Interrupted(Spread):
    """Its loss is interrupted from the keyboard where the weight is 1."""

    def loss(self, h, output, y, progress):
        """Return the terms, or raise."""
        if self.weight == 1:
            raise KeyboardInterrupt
        return super().loss(h, output, y, progress)


@pytest.mark.parametrize("n_candidates", [1, 2])
def test_interrupted_search_ends_at_once(corpus, n_candidates):
    X, y, speakers = corpus
    grid = {"adversary__weight": [1, 0][:n_candidates]}
    search = StackedGridSearchCV(small(Interrupted()), grid, cv=GroupKFold(3))
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y, groups=speakers, speakers=speakers)
    assert not hasattr(search, "cv_results_")
    search.set_params(param_grid={"adversary__weight": [0]})  # and the next one works
    search.fit(X, y, groups=speakers, speakers=speakers)
    assert np.isfinite(split_scores(search)).all()


# Scoring, refit and errors as in scikit-learn


def both_searches(corpus, grid=None, estimator=None, **settings):
    """Return the search of scikit-learn and ours, both fitted."""
    X, y, speakers = corpus
    grid = {"lr": [0.001, 0.01]} if grid is None else grid
    return [
        search(estimator or small(), grid, cv=GroupKFold(3), **settings).fit(
            X, y, groups=speakers, speakers=speakers
        )
        for search in (GridSearchCV, StackedGridSearchCV)
    ]


def assert_same_results(expected, stacked):
    assert set(stacked.cv_results_) == set(expected.cv_results_)
    for name, values in expected.cv_results_.items():
        if "score" in name and "time" not in name:
            np.testing.assert_allclose(stacked.cv_results_[name], values, rtol=1e-6)


def uar_and_size(estimator, X, y):
    return {"uar": balanced_accuracy_score(y, estimator.predict(X)), "size": len(X)}


def best_of_second(results):
    return 1


@pytest.mark.parametrize(
    "settings",
    [
        {"return_train_score": True},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": False},
        {
            "scoring": {"a": "accuracy"},
            "refit": best_of_second,
            "return_train_score": True,
        },
        {"scoring": uar_and_size, "refit": "uar"},
        {"scoring": uar_and_size, "refit": False, "return_train_score": True},
        {"refit": best_of_second},
        {"refit": False},
    ],
)
def test_scoring_and_refit_are_those_of_scikit_learn(corpus, settings):
    expected, stacked = both_searches(corpus, **settings)
    assert_same_results(expected, stacked)
    names = ["best_index_", "best_params_", "best_score_", "multimetric_", "n_splits_"]
    for name in names:
        assert hasattr(stacked, name) == hasattr(expected, name), name
        if hasattr(expected, name):
            found = getattr(stacked, name), getattr(expected, name)
            assert found[0] == pytest.approx(found[1]), name
    assert hasattr(stacked, "best_estimator_") == bool(settings.get("refit", True))
    if hasattr(stacked, "best_estimator_"):
        X, y, _speakers = corpus
        np.testing.assert_array_equal(
            stacked.predict_proba(X), expected.predict_proba(X)
        )
        if not (callable(settings.get("scoring")) or callable(settings.get("refit"))):
            assert stacked.score(X, y) == expected.score(X, y)


def test_refit_that_names_no_metric_is_an_error(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), {"lr": [0.01]}, cv=GroupKFold(3), scoring=uar_and_size
    )
    with pytest.raises(ValueError, match="refit"):
        search.fit(X, y, groups=speakers, speakers=speakers)


FAILING = {"lr": [0.01, -1.0]}


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "neg_log_loss"]])
def test_failed_fits_have_the_error_score(corpus, scoring):
    settings = {"error_score": -3.0, "refit": False, "scoring": scoring}
    with pytest.warns(sklearn.exceptions.FitFailedWarning) as caught:
        expected, stacked = both_searches(corpus, FAILING, **settings)
    ours = str(caught[-1].message)
    assert ours.startswith("3 of 6 fits failed. The first error:")
    assert "'lr' parameter" in ours
    assert caught[-1].filename == __file__
    assert_same_results(expected, stacked)
    name = "score" if scoring == "accuracy" else "neg_log_loss"
    assert stacked.cv_results_[f"mean_test_{name}"][1] == -3.0


def test_failed_fit_is_raised_on_request(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(
        small(), FAILING, cv=GroupKFold(3), error_score="raise"
    )
    with pytest.raises(InvalidParameterError, match="'lr' parameter"):
        search.fit(X, y, groups=speakers, speakers=speakers)


def test_search_whose_fits_all_fail_is_an_error(corpus):
    X, y, speakers = corpus
    search = StackedGridSearchCV(small(), {"lr": [-1.0]}, cv=GroupKFold(3))
    with pytest.raises(
        ValueError, match=r"(?s)All fits failed.*3 of 3.*'lr' parameter"
    ):
        search.fit(X, y, groups=speakers, speakers=speakers)


class FailsInTraining(Spread):
    """Its loss raises an error where the weight is 1."""

    def loss(self, h, output, y, progress):
        """Return the terms, or raise."""
        if self.weight == 1:
            raise RuntimeError("no such loss")
        return super().loss(h, output, y, progress)


def test_candidate_that_fails_in_training_fails_alone(corpus):
    estimator = small(FailsInTraining())
    grid = {"adversary__weight": [0, 1, 2]}
    with (
        pytest.warns(sklearn.exceptions.FitFailedWarning, match="no such loss"),
        pytest.warns(NotStackedWarning, match="no such loss"),
    ):
        expected, stacked = both_searches(corpus, grid, estimator, error_score=-9.0)
    assert_same_results(expected, stacked)
    assert stacked.cv_results_["mean_test_score"][1] == -9.0


@pytest.mark.parametrize("error_score", [np.nan, -5.0, "raise"])
def test_scorer_that_fails(corpus, error_score):
    X, y, speakers = corpus

    def score(estimator, X, y):
        raise ValueError("no score")

    def evaluate():
        return stacked_cross_validate(
            small(),
            X,
            y,
            cv=GroupKFold(3),
            groups=speakers,
            params={"speakers": speakers},
            scoring=score,
            error_score=error_score,
        )

    if error_score == "raise":
        with pytest.raises(ValueError, match="no score"):
            evaluate()
        return
    with pytest.warns(UserWarning, match=r"(?s)Scoring failed.*no score"):
        found = evaluate()["test_score"]
    np.testing.assert_array_equal(found, [error_score] * 3)


def test_weights_that_no_scorer_requests_are_named(corpus):
    scoring = ["accuracy", "balanced_accuracy"]
    X, y, speakers = corpus
    with sklearn.config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True)
        search = StackedGridSearchCV(model, {}, scoring=scoring, refit=False, cv=2)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search.fit(X, y, speakers=speakers, sample_weight=np.ones(len(y)))


def test_one_of_several_scorers_fails(corpus):
    X, y, speakers = corpus

    def score(estimator, X, y):
        raise ValueError("no score")

    with pytest.warns(UserWarning, match="no score"):
        expected, stacked = (
            function(
                small(),
                X,
                y,
                cv=GroupKFold(3),
                groups=speakers,
                params={"speakers": speakers},
                scoring={"good": "accuracy", "bad": score},
            )
            for function in (cross_validate, stacked_cross_validate)
        )
    for name in ("test_good", "test_bad"):
        np.testing.assert_allclose(stacked[name], expected[name])


@pytest.mark.parametrize("groups", [None, np.arange(103) % 4])
def test_groups_among_the_parameters_are_those_of_the_fit(corpus, groups):
    X, y, speakers = corpus
    expected, stacked = (
        function(
            small(),
            X,
            y,
            cv=3 if groups is None else GroupKFold(3),
            groups=groups,
            params={"groups": speakers},
            return_estimator=True,
        )["estimator"]
        for function in (cross_validate, stacked_cross_validate)
    )
    for alone, together in zip(expected, stacked):
        np.testing.assert_array_equal(together.speakers_, alone.speakers_)
        np.testing.assert_allclose(together.transform(X), alone.transform(X), 1e-5)


class Needs(TransformerMixin, BaseEstimator):
    """A step that is fitted on something further about the rows."""

    def fit(self, X, y=None, more=None):
        """Store its shape."""
        self.shape_ = more.shape
        return self

    def transform(self, X):
        """Return X."""
        return X


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_array])
@pytest.mark.parametrize("n_rows", [103, 5])
def test_sparse_metadata_are_those_of_the_rows(corpus, kind, n_rows):
    X, y, speakers = corpus
    params = {"needs__more": kind(np.eye(n_rows)), "adversarialser__groups": speakers}
    found = [
        function(
            make_pipeline(Needs(), small()),
            X,
            y,
            cv=GroupKFold(3),
            groups=speakers,
            params=params,
            return_estimator=True,
        )["estimator"]
        for function in (cross_validate, stacked_cross_validate)
    ]
    expected, stacked = ([pipe[0].shape_ for pipe in pipes] for pipes in found)
    assert stacked == expected


def test_estimators_of_failed_fits_are_returned(corpus):
    X, y, speakers = corpus
    folds = list(GroupKFold(3).split(X, y, speakers))
    folds[1] = np.flatnonzero(y == "joy"), folds[1][1]
    with pytest.warns(FitFailedWarning, match="1 of 3"):
        found = stacked_cross_validate(
            small(),
            X,
            y,
            cv=folds,
            params={"speakers": speakers},
            return_estimator=True,
        )
    assert [hasattr(ser, "net_") for ser in found["estimator"]] == [True, False, True]
    assert found["estimator"][1].get_params()["max_epochs"] == 3


@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("scoring", ["neg_log_loss", ["accuracy", "neg_log_loss"]])
def test_cross_validation_is_that_of_scikit_learn(corpus, routed, scoring):
    """Also with sample weights, which a search passes to the scorer unasked."""
    X, y, speakers = corpus
    estimator, settings = small(), {"groups": speakers}
    params = {"speakers": speakers, "sample_weight": np.linspace(0, 3, len(y))}
    with sklearn.config_context(enable_metadata_routing=routed):
        if routed:
            estimator.set_fit_request(sample_weight=True)
            params["groups"] = settings.pop("groups")
            names = [scoring] if isinstance(scoring, str) else scoring
            scoring = {
                name: get_scorer(name).set_score_request(sample_weight=True)
                for name in names
            }
        expected, stacked = (
            function(
                estimator,
                X,
                y,
                cv=GroupKFold(3),
                params=params,
                scoring=scoring,
                return_train_score=True,
                return_estimator=True,
                return_indices=True,
                **settings,
            )
            for function in (cross_validate, stacked_cross_validate)
        )
    assert stacked.keys() == expected.keys()
    for name in expected:
        if name.startswith(("test_", "train_")):
            np.testing.assert_allclose(stacked[name], expected[name], rtol=1e-6)
    for kind in ("train", "test"):
        for ours, theirs in zip(*(r["indices"][kind] for r in (stacked, expected))):
            np.testing.assert_array_equal(ours, theirs)
    assert (stacked["fit_time"] > 0).all()


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_search_scores_with_sample_weights_as_scikit_learn_does(corpus, scoring):
    X, y, speakers = corpus
    weight = np.linspace(0, 3, len(y))
    scores = [
        split_scores(
            search(small(), {"lr": [0.01]}, cv=GroupKFold(3), scoring=scoring).fit(
                X, y, groups=speakers, speakers=speakers, sample_weight=weight
            )
        )
        for search in (GridSearchCV, StackedGridSearchCV)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def test_error_score_must_be_a_number_or_raise(corpus):
    X, y, _ = corpus
    with pytest.raises(ValueError, match="error_score"):
        StackedGridSearchCV(small(), {"lr": [0.1]}, error_score="zero").fit(X, y)


def test_nested_grid_works_with_the_default_adversary(corpus, stacks):
    X, y, speakers = corpus
    ser = AdversarialSER(max_epochs=2, random_state=0)
    search = StackedGridSearchCV(
        ser, {"adversary__weight": [0, 1], "adversary__ramp": [0.0]}, cv=GroupKFold(3)
    ).fit(X, y, groups=speakers, speakers=speakers)
    assert (
        search.best_estimator_.adversary.weight
        == search.best_params_["adversary__weight"]
    )
    assert ser.adversary == "closed_form"
    assert stacks == [6]


@pytest.mark.parametrize(
    ("n_items", "max_size", "n_processes", "expected"),
    [
        (10, 64, 1, [10]),
        (10, 4, 1, [4, 4, 2]),
        (10, 64, 2, [5, 5]),
        (10, 2, 2, [2, 2, 2, 2, 2]),
        (1, 64, 4, [1]),
    ],
)
def test_bundles_are_few_and_of_equal_size(n_items, max_size, n_processes, expected):
    found = bundles(list(range(n_items)), max_size, n_processes)
    assert [len(bundle) for bundle in found] == expected
    assert [*chain(*found)] == list(range(n_items))


def test_is_stackable():
    assert is_stackable(small())
    assert is_stackable(make_pipeline(StandardScaler(), AdversarialSERRegressor()))
    assert not is_stackable(LogisticRegression())
    assert not is_stackable(make_pipeline(small(), LogisticRegression()))


def test_a_candidate_that_cannot_be_stacked_fails_alone(toy):
    class Lazy(Spread):
        def build(self, embedding_dim, n_speakers, generator):
            self.head = nn.LazyLinear(n_speakers)

    search = StackedGridSearchCV(
        AdversarialSER(None, max_epochs=2, random_state=0),
        {"adversary": [Lazy(), None, "grl"]},
        cv=GroupKFold(2),
        refit=False,
    )
    with (
        pytest.warns(FitFailedWarning, match="whose width is not known"),
        pytest.warns(UserWarning, match="test scores are non-finite"),
    ):
        search.fit(toy.X, toy.y, speakers=toy.speakers, groups=toy.speakers)
    is_failed = np.isnan(search.cv_results_["mean_test_score"])
    assert is_failed.tolist() == [True, False, False]


def test_a_misspelt_parameter_is_an_error_and_no_failed_fit(toy):
    grid = [{"alpha": [0.1]}, {"alpha_": [0.1]}]
    search = StackedGridSearchCV(AdversarialSER(None, max_epochs=2), grid, cv=2)
    with pytest.raises(ValueError, match="Invalid parameter 'alpha_'"):
        search.fit(toy.X, toy.y)


@pytest.mark.parametrize("scores", [lambda s: np.array([s]), np.float32, float])
def test_a_scorer_may_return_an_array_of_one_number(toy, scores):
    search = StackedGridSearchCV(
        AdversarialSER(None, max_epochs=2, random_state=0),
        {"alpha": [0.1]},
        cv=2,
        scoring=lambda model, X, y: scores(model.score(X, y)),
    ).fit(toy.X, toy.y)
    assert 0 < search.best_score_ <= 1


@pytest.mark.parametrize("score", ["0.5", None, np.zeros(2), {"u": 1.0, "v": "0.5"}])
def test_a_scorer_that_returns_no_number_is_an_error(toy, score):
    search = StackedGridSearchCV(
        AdversarialSER(None, max_epochs=2, random_state=0),
        {"alpha": [0.1]},
        cv=2,
        refit=False,
        scoring=lambda model, X, y: score,
    )
    with pytest.raises(ValueError, match="`scoring` must return a number"):
        search.fit(toy.X, toy.y)


def test_groups_may_be_dates_where_the_splitter_alone_gets_them(toy):
    number = np.unique(toy.speakers, return_inverse=True)[1]
    days = np.datetime64("2026-01-01") + number.astype("timedelta64[D]")
    model = AdversarialSER(None, max_epochs=2, random_state=0)
    for groups in (days, pd.Series(days)):
        found = StackedGridSearchCV(model, {"alpha": [0.1]}, cv=GroupKFold(2))
        found.fit(toy.X, toy.y, groups=groups)
        assert found.best_score_ > 0


@pytest.mark.parametrize(
    "grid",
    [
        {"adversary": ["grl", None], "adversary__weight": [0.1]},
        [{"alpha": [0.1]}, {"alfa": [0.1]}],
    ],
)
def test_a_wrong_name_ends_the_search_before_it_trains(corpus, grid):
    X, y, speakers = corpus
    trained = []

    class Seen(Callback):
        def on_train_begin(self, net, **kwargs):
            trained.append(net)

    search = StackedGridSearchCV(small(callbacks=[Seen()]), grid, cv=GroupKFold(3))
    with pytest.raises(ValueError, match=r"has no parameters|Invalid parameter"):
        search.fit(X, y, groups=speakers)
    assert not trained


def test_a_kernel_has_the_columns_of_the_training_rows(corpus):
    X, y, speakers = corpus
    kernel = X @ X.T
    model = make_pipeline(KernelPCA(4, kernel="precomputed"), small(None))
    settings = {"groups": speakers, "cv": GroupKFold(3), "scoring": "neg_log_loss"}
    expected = cross_validate(model, kernel, y, **settings, return_train_score=True)
    found = stacked_cross_validate(
        model, kernel, y, **settings, return_train_score=True
    )
    for name in ("test_score", "train_score"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_speakers_may_be_unknown_where_no_splitter_groups_by_them(corpus):
    X, y, speakers = corpus
    some = [None if row % 5 == 0 else str(s) for row, s in enumerate(speakers)]
    grid = {"lr": [0.01, 0.003]}
    with sklearn.config_context(enable_metadata_routing=True):
        search = StackedGridSearchCV(small(), grid, cv=3).fit(X, y, groups=some)
        assert search.best_estimator_.n_iter_ == 3
        search = StackedGridSearchCV(small(), grid, cv=GroupKFold(3))
        with pytest.raises(ValueError, match="`groups` is missing in"):
            search.fit(X, y, groups=some)
