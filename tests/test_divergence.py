"""A training that diverges is an error, not a model."""

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GroupKFold

from advser import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    SiameseSER,
)
from advser.model_selection import StackedGridSearchCV
from advser.objectives import ClosedForm

ESTIMATORS = [
    AdversarialSER(),
    AdversarialSER("entropy", early_stopping=True),
    AdversarialSERRegressor(loss="mse"),
    AutoencoderSER(),
    AutoencoderSERRegressor(loss="mse"),
    SiameseSER(neutral=0),
]


@pytest.fixture(scope="module")
def toy():
    """Return features, emotions and speakers."""
    X = np.random.default_rng(0).normal(size=(60, 5))
    return X, np.arange(60) % 3, np.arange(60) // 3 % 4


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_divergence_names_what_to_change(estimator, toy):
    X, y, speakers = toy
    estimator.set_params(lr=1e200, max_epochs=4, random_state=0)
    with pytest.raises(ValueError, match=r"training diverged.*Lower `lr`"):
        estimator.fit(X, y, speakers=speakers)
    assert not hasattr(estimator, "net_")


@pytest.mark.parametrize(
    "estimator",
    [
        AdversarialSER(None, lr=1e4),
        AutoencoderSER(lr=1e4),
        SiameseSER(neutral=0, lr=1e4),
    ],
    ids=repr,
)
def test_a_finite_loss_that_is_worse_than_any_guess_diverged_too(estimator, toy):
    X, y, speakers = toy
    estimator.set_params(max_epochs=2, random_state=0)
    with pytest.raises(ValueError, match=r"training diverged.*Lower `lr`"):
        estimator.fit(X, y, speakers=speakers)


def test_a_warm_start_that_diverges_leaves_no_network(toy):
    X, y, speakers = toy
    ser = AdversarialSER(max_epochs=2, warm_start=True, random_state=0)
    ser.fit(X, y, speakers=speakers).set_params(lr=1e200)
    with pytest.raises(ValueError, match="training diverged"):
        ser.fit(X, y, speakers=speakers)
    with pytest.raises(NotFittedError):
        ser.predict(X)


def test_a_diverging_candidate_fails_alone(toy):
    X, y, speakers = toy
    search = StackedGridSearchCV(
        AdversarialSER(max_epochs=4, random_state=0),
        {"lr": [0.001, 1e200]},
        cv=GroupKFold(2),
    )
    with (
        pytest.warns(FitFailedWarning, match="training diverged"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y, groups=speakers, speakers=speakers)
    good, bad = search.cv_results_["mean_test_score"]
    assert np.isfinite(good)
    assert np.isnan(bad)
    assert search.best_params_ == {"lr": 0.001}


@pytest.mark.parametrize("number", [1e15, 1e25, 1e38])
@pytest.mark.parametrize("name", ["alpha", "adversary__weight"])
def test_a_weight_that_stops_the_training_is_refused(toy, name, number):
    ser = AdversarialSER(ClosedForm(), max_epochs=2).set_params(**{name: number})
    with pytest.raises(ValueError, match=name.removeprefix("adversary__")):
        ser.fit(*toy)
