"""Networks on another device than the CPU: all their tensors are there.

The device is that of `elsewhere`, in a process of its own, which it changes for good.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import elsewhere
import numpy as np
import pytest
import torch
from sklearn.base import clone, is_regressor

import advser
from advser import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    SiameseSER,
)
from advser.objectives import ClosedForm, GradientReversal, MaxEntropy

ESTIMATORS = {
    "grl": AdversarialSER(GradientReversal(hidden_layer_sizes=(4,))),
    "closed form": AdversarialSER(ClosedForm(conditional=True), early_stopping=True),
    "entropy": AdversarialSER(MaxEntropy(conditional=True), early_stopping=True),
    "confusion": AdversarialSER("confusion"),
    "vrex": AdversarialSER("vrex", dropout=0.2),
    "coral": AdversarialSER("coral"),
    "mmd": AdversarialSER("mmd"),
    "group_dro": AdversarialSER("group_dro", early_stopping=True),
    "encoder": AdversarialSER(encoder=torch.nn.Linear(8, 5)),
    "autoencoder": AutoencoderSER(),
    "mixture": AutoencoderSER(
        "mixture", categorical_code=True, speaker_task="adversarial"
    ),
    "siamese": SiameseSER(),
    "siamese of the paper": SiameseSER(
        neutral_reference="random", calibration="cosine", orthogonality="paper"
    ),
    "ratings": AdversarialSERRegressor(ClosedForm(conditional=True)),
    "ratings, early stopping": AdversarialSERRegressor(
        loss="huber", early_stopping=True
    ),
    "ratings, autoencoder": AutoencoderSERRegressor(loss="mse"),
}
METHODS = ["predict_proba", "predict", "transform", "reconstruction_error", "explain"]


@pytest.fixture(scope="module")
def process():
    """Return a process that has the device."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=elsewhere.set_up) as pool:
        yield pool


def results_on(device, ser, X, y, speakers):
    """Return where a network lives after two fits, and what its methods return."""
    ser = clone(ser).set_params(device=device, max_epochs=2, warm_start=True)
    ser.set_params(hidden_layer_sizes=(16,), embedding_dim=8, random_state=0)
    torch.set_num_threads(1)
    with elsewhere.Visits():
        ser.fit(X, y, speakers).fit(X, y, speakers)
        module = ser.net_.module_
        parts = [*module.parameters(), *module.buffers()]
        lives = {part.device.type for part in parts}
        methods = [getattr(ser, name) for name in METHODS if hasattr(ser, name)]
        return lives, [np.asarray(method(X[:20])) for method in methods]


def mixed_sum():
    with elsewhere.Visits():
        return torch.ones(3) + torch.ones(3, device=elsewhere.DEVICE)


def test_device_does_not_mix_with_the_cpu(process):
    with pytest.raises(RuntimeError, match=r"aten::add .*on the CPU"):
        process.submit(mixed_sum).result()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit_elsewhere_is_that_on_the_cpu(process, toy, name):
    ser = ESTIMATORS[name]
    y = toy.X[:, :2] if is_regressor(ser) else toy.y
    (here, expected), (there, found) = [
        process.submit(results_on, device, ser, toy.X, y, toy.speakers).result()
        for device in ("cpu", elsewhere.DEVICE)
    ]
    assert here == {"cpu"}
    assert there == {elsewhere.DEVICE}
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def results_after_loading(device, file, X, y, speakers):
    """Return where a loaded network lives after a fit, and its probabilities."""
    ser = AdversarialSER(max_epochs=2, warm_start=True, device=device, random_state=0)
    with elsewhere.Visits():
        advser.save(ser.fit(X, y, speakers), file)
        ser = advser.load(file).fit(X, y, speakers)
        lives = {part.device.type for part in ser.net_.module_.parameters()}
        return lives, ser.predict_proba(X)


def test_network_is_loaded_to_its_device(process, toy, tmp_path):
    (_, expected), (there, found) = [
        process.submit(results_after_loading, device, tmp_path / "file", *toy).result()
        for device in ("cpu", elsewhere.DEVICE)
    ]
    assert there == {elsewhere.DEVICE}
    np.testing.assert_array_equal(found, expected)
