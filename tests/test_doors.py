"""The state of torch, of weights and of parameters does not change a result unseen."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from skorch.callbacks import Callback, EarlyStopping

from advser import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    SiameseSER,
)
from advser.exceptions import CorpusWarning
from advser.model_selection import StackedGridSearchCV

ESTIMATORS = [
    AdversarialSER(),
    AdversarialSER("entropy"),
    AdversarialSERRegressor(),
    AutoencoderSER(prior="mixture"),
    AutoencoderSERRegressor(),
    SiameseSER(neutral=0),
]
estimators = pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)


@pytest.fixture(scope="module")
def data():
    """Return features, emotions and speakers."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)), np.arange(60) % 3, np.arange(60) // 3 % 4


@pytest.fixture(scope="module")
def single(data):
    """Return the same in single precision, which automatic casts change."""
    return data[0].astype(np.float32), *data[1:]


def fitted(estimator, data, **settings):
    """Return a fitted copy."""
    X, y, speakers = data
    estimator = clone(estimator).set_params(max_epochs=2, random_state=0)
    return estimator.fit(X, y, speakers=speakers, **settings)


def output(estimator, X):
    """Return probabilities or ratings."""
    return getattr(estimator, "predict_proba", estimator.predict)(X)


def float64():
    """Return the context of another default type of torch."""
    return default_dtype(torch.float64)


class default_dtype:  # noqa: N801 - a context manager
    """Set torch's default type in a context."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __enter__(self):
        self.before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *error):
        torch.set_default_dtype(self.before)


def autocast():
    """Return a context whose matrix products are of half precision."""
    return torch.autocast("cpu", torch.bfloat16)


def meta():
    """Return a context whose new tensors have no data."""
    return torch.device("meta")


STATES = pytest.mark.parametrize(
    "state", [torch.no_grad, torch.inference_mode, float64, autocast, meta]
)


@STATES
@estimators
def test_state_of_torch_does_not_change_a_fit(state, estimator, single):
    expected = output(fitted(estimator, single), single[0])
    before = torch.get_default_dtype()
    with state():
        inside = torch.get_default_dtype(), torch.is_grad_enabled()
        found = output(fitted(estimator, single), single[0])
        assert (torch.get_default_dtype(), torch.is_grad_enabled()) == inside
    assert torch.get_default_dtype() == before
    np.testing.assert_array_equal(found, expected)


@STATES
def test_state_of_torch_does_not_change_an_explanation(state, single):
    X, y, speakers = single
    ser = SiameseSER(neutral=y[0], max_epochs=2, random_state=0).fit(X, y, speakers)
    expected = ser.explain(X[:2], n_steps=2)
    with state():
        pd.testing.assert_frame_equal(ser.explain(X[:2], n_steps=2), expected)


@STATES
@pytest.mark.parametrize("kind", [AdversarialSER, AutoencoderSER])
def test_state_of_torch_does_not_change_a_stack(kind, state, single):
    X, y, speakers = single
    search = StackedGridSearchCV(
        kind(max_epochs=2, random_state=0),
        {"lr": [0.001, 0.01]},
        cv=GroupKFold(2),
        scoring="neg_log_loss",
    )
    scores = []
    for context in (state, torch.enable_grad):
        with context():
            search.fit(X, y, groups=speakers, speakers=speakers)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


@estimators
def test_weights_have_no_scale(estimator, data):
    X = data[0]
    plain = output(fitted(estimator, data), X)
    equal = fitted(estimator, data, sample_weight=np.full(60, 1 / 60))
    np.testing.assert_array_equal(output(equal, X), plain)
    weight = np.random.default_rng(1).uniform(1, 2, size=60)
    found = [
        output(fitted(estimator, data, sample_weight=factor * weight), X)
        for factor in (1, 1e-12, 1e300)
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-9)
    np.testing.assert_allclose(found[2], found[0], atol=1e-9)
    assert np.abs(found[0] - plain).max() > 1e-6


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": np.array([16, 32])},
        {"embedding_dim": np.array([4, 8], dtype=np.uint8)},
        {"hidden_layer_sizes": [np.array([4]), np.array([8], dtype=np.int16)]},
        {"alpha": np.array([0.5, 2], dtype=np.float32)},
        {"clip": np.array([1, 2])},
    ],
    ids=str,
)
def test_numbers_of_numpy_in_a_grid(values, data):
    X, y, speakers = data
    (name,) = values
    scores = []
    for grid in (values, {name: [value.tolist() for value in values[name]]}):
        search = StackedGridSearchCV(
            AdversarialSER(max_epochs=2, random_state=0),
            grid,
            cv=GroupKFold(2),
            scoring="neg_log_loss",
        )
        search.fit(X, y, groups=speakers, speakers=speakers)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


def test_rows_beyond_the_bound_are_those_at_the_bound(data):
    X, y, speakers = data
    X = X.astype(np.float32)
    model = AdversarialSER(max_epochs=2, random_state=0).fit(X, y, speakers)
    rows = np.sign(X)
    found = model.predict_proba(np.float32(3e38) * rows)
    np.testing.assert_array_equal(found, model.predict_proba(np.float32(1e6) * rows))


# Early stopping keeps every class and every target in the training rows


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("estimator", [AdversarialSER(), SiameseSER(neutral=0)])
def test_class_of_one_speaker_is_learnt(estimator, seed, data):
    X, _, speakers = data
    y = np.where(speakers == 3, np.arange(60) % 3, np.arange(60) % 2)
    estimator = clone(estimator).set_params(
        early_stopping=True, max_epochs=1, random_state=seed
    )
    estimator.fit(X, y, speakers=speakers)
    assert 3 in estimator.speakers_
    assert len(estimator.speakers_) == 3


@pytest.mark.parametrize("seed", range(4))
def test_target_of_one_speaker_is_learnt(seed, data):
    X, _, speakers = data
    y = np.stack([X[:, 0], np.where(speakers == 3, X[:, 1], np.nan)], axis=1)
    model = AdversarialSERRegressor(early_stopping=True, max_epochs=1)
    model.set_params(random_state=seed).fit(X, y, speakers=speakers)
    assert 3 in model.speakers_
    assert np.ptp(model.predict(X)[:, 1]) > 0


def test_class_without_weight_is_named(data):
    y = data[1]
    with pytest.warns(CorpusWarning, match=r"cannot learn the classes \[2\] of `y`"):
        fitted(AdversarialSER(), data, sample_weight=(y != 2).astype(float))


# What a fit has learnt does not follow later changes of parameters


@pytest.mark.parametrize(
    ("estimator", "changes"),
    [
        (AdversarialSER(), {"embedding_dim": 3, "hidden_layer_sizes": (2,)}),
        (SiameseSER(neutral=0), {"embedding_dim": 3, "neutral": 1}),
        (
            AutoencoderSER(),
            {"embedding_dim": 3, "categorical_code": True, "prior": "mixture"},
        ),
        (AutoencoderSER(categorical_code=True), {"categorical_code": False}),
        (AutoencoderSERRegressor(), {"embedding_dim": 3, "speaker_task": None}),
    ],
    ids=str,
)
def test_fitted_state_does_not_follow_the_parameters(estimator, changes, data):
    X = data[0]
    model = fitted(estimator, data)

    def state():
        found = {
            "names": model.get_feature_names_out(),
            "code": model.transform(X),
            "output": output(model, X),
        }
        if hasattr(model, "disentangle"):
            found["emotion"], found["speaker"] = model.disentangle(X)
        if hasattr(model, "sample"):
            found["decoded"] = model.inverse_transform(found["code"])
            found["sample"] = model.sample(3, random_state=0)
            found["who"] = model.predict_speaker(X)
        return found

    before = state()
    assert len(before["names"]) == before["code"].shape[1]
    model.set_params(**changes)
    for name, values in state().items():
        np.testing.assert_array_equal(values, before[name])


def test_warm_start_does_not_follow_the_speaker_task(data):
    X, y, speakers = data
    model = AutoencoderSER(max_epochs=1, warm_start=True, random_state=0)
    settings = {"speakers": speakers, "X_unlabeled": X[:9]}
    model.fit(X, y, **settings).set_params(speaker_task="adversarial")
    assert model.fit(X, y, **settings).n_iter_ == 2


# A real interrupt leaves `fit`


class EndOfEpoch(Callback):
    """Interrupt the end of the first epoch, as Ctrl-C does."""

    def on_epoch_end(self, net, **kwargs):
        """Interrupt."""
        raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [False, True])
@estimators
def test_interrupt_at_the_end_of_an_epoch_leaves_fit(estimator, early_stopping, data):
    estimator = clone(estimator).set_params(
        callbacks=[EndOfEpoch()], early_stopping=early_stopping
    )
    with pytest.raises(KeyboardInterrupt):
        fitted(estimator, data)


def test_early_stopping_of_skorch_still_stops(data):
    X, y, speakers = data
    stop = EarlyStopping("train_loss", patience=2, threshold=1e9, threshold_mode="abs")
    model = AdversarialSER(callbacks=[stop], max_epochs=9, random_state=0)
    assert model.fit(X, y, speakers=speakers).n_iter_ == 3
