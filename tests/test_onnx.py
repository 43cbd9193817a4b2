"""An exported model predicts in onnxruntime what it predicts in Python."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from torch import nn

import advser
from advser import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    EGeMAPS,
    SiameseSER,
    SpeakerScaler,
)

onnxruntime = pytest.importorskip("onnxruntime")
FEW = {"max_epochs": 2, "random_state": 0, "embedding_dim": 4}


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.onnx"


def runtime_of(model, file):
    """Return a session of onnxruntime with the exported model."""
    advser.to_onnx(model, file)
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def outputs_of(runtime, X):
    """Return the outputs for rows by name, and check that they suit their shapes."""
    names = [output.name for output in runtime.get_outputs()]
    found = dict(zip(names, runtime.run(names, {"features": X})))
    for output in runtime.get_outputs():
        assert found[output.name].shape == (len(X), *output.shape[1:])
    return found


CLASSIFIERS = {
    "siamese": SiameseSER(
        neutral=6,
        encoder=nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.GELU()),
        **FEW,
    ),
    "autoencoder": make_pipeline(SpeakerScaler(clip=1.5), AutoencoderSER(**FEW)),
    "embedding": make_pipeline(
        AdversarialSER(dropout=0.1, clip=None, **FEW), LinearDiscriminantAnalysis()
    ),
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "vectors": make_pipeline(StandardScaler(), SVC()),
    "margin": make_pipeline(StandardScaler(), LinearSVC()),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_predicts_the_same(name, toy, file):
    X, y = 1000 + 30 * toy.X, toy.y
    if name == "siamese":
        X, y = X.astype(np.float32), np.unique(y, return_inverse=True)[1] + 5
    model = clone(CLASSIFIERS[name])
    model.fit(X, y, **({"speakers": toy.speakers} if "SER" in repr(model) else {}))
    runtime = runtime_of(model, file)
    kind = "float" if name == "siamese" else "double"
    assert runtime.get_inputs()[0].type == f"tensor({kind})"
    for rows in (X, X[:1], 100 * X[:7]):
        found = outputs_of(runtime, rows)
        assert_array_equal(found["label"], model.predict(rows))
        if hasattr(model, "predict_proba"):
            expected = model.predict_proba(rows)
            assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-5)
    assert ("probabilities" in found) is hasattr(model, "predict_proba")
    described = runtime.get_modelmeta().custom_metadata_map
    assert json.loads(described["classes"]) == model.classes_.tolist()


REGRESSORS = {
    "adversarial": AdversarialSERRegressor(**FEW),
    "autoencoder": AutoencoderSERRegressor(**FEW),
    "vectors": make_pipeline(StandardScaler(), SVR()),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressor_predicts_the_same(name, toy, file):
    ratings = toy.X[:, :2] if name == "autoencoder" else toy.X[:, 0]
    model = clone(REGRESSORS[name])
    fit_params = {"speakers": toy.speakers} if "SER" in repr(model) else {}
    model.fit(toy.X, ratings, **fit_params)
    runtime = runtime_of(model, file)
    for rows in (toy.X, toy.X[:1], 100 * toy.X):
        found = outputs_of(runtime, rows)
        assert_allclose(found["ratings"], model.predict(rows), rtol=1e-5, atol=1e-5)
    assert ratings.min() <= found["ratings"].min()  # with rows far from all others


def test_extractor_is_left_out_and_features_are_described(toy, file):
    names = EGeMAPS().feature_names
    X = pd.DataFrame(np.tile(toy.X, 11).astype(np.float32), columns=names)
    last = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, toy.y)
    model = make_pipeline(EGeMAPS(), last)
    runtime = runtime_of(model, file)
    (features,) = runtime.get_inputs()
    assert (features.name, features.type, features.shape[1]) == (
        "features",
        "tensor(float)",
        88,
    )
    found = outputs_of(runtime, X.to_numpy())
    expected = last.predict_proba(X)
    assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-5)
    described = runtime.get_modelmeta().custom_metadata_map
    assert json.loads(described["feature_names"]) == names
    assert json.loads(described["feature_origin"]) == EGeMAPS().recipe
    assert described["advser"] == advser.__version__


class Undecided(nn.Module):
    """An encoder that no graph can have."""

    def forward(self, x):
        """Return some of the rows' columns, by their values."""
        return x[:, :3] if (x == x).all() else x[:, 3:6]


class RowByRow(nn.Module):
    """An encoder whose graph has the number of rows of the export."""

    def forward(self, x):
        """Return some columns of each row."""
        return torch.stack([row[:3] for row in x])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_pipeline(SpeakerScaler(unknown="adapt", balance=False), SVC()), "adapt"),
        (make_pipeline(SpeakerScaler(unknown="batch"), SVC()), "'batch'.*'population'"),
        (SpeakerScaler(), "SpeakerScaler whose last step is no classifier"),
        (make_pipeline(StandardScaler(), KMeans(2)), "no classifier or regressor"),
        (make_pipeline(GaussianProcessClassifier()), "GaussianProcessClassifier"),
        (AdversarialSER(encoder=Undecided(), **FEW), "encoder must be made of layers"),
        (AdversarialSER(encoder=RowByRow(), **FEW), "encoder must be made of layers"),
    ],
    ids=["adapt", "batch", "scaler", "clusters", "process", "encoder", "rows"],
)
@pytest.mark.filterwarnings("ignore::advser.AdaptationWarning")
def test_what_has_no_graph_is_an_error(model, message, toy, file):
    fit_params = {"speakers": toy.speakers} if "SER" in repr(model) else {}
    if "SpeakerScaler" in repr(model):
        fit_params = {"speakers": toy.speakers}
    model = clone(model).fit(toy.X, toy.y, **fit_params)
    with pytest.raises(ValueError, match=message):
        advser.to_onnx(model, file)
    assert not file.exists()


def test_labels_are_strings_or_integers(toy, file):
    model = AdversarialSER(**FEW)
    model.fit(toy.X, toy.y == "anger", speakers=toy.speakers)
    with pytest.raises(ValueError, match=r"\[False, True\].*strings or integers"):
        advser.to_onnx(model, file)


def test_model_must_be_fitted(file):
    with pytest.raises(NotFittedError):
        advser.to_onnx(AdversarialSER(), file)


def test_layers_that_fail_when_they_run_are_named_by_onnxruntime(toy, file):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 3, batch_first=True)

        def forward(self, x):
            return self.rnn(x.reshape(x.shape[0], 2, 4))[0][:, -1]

    ser = AdversarialSER(encoder=Recurrent(), max_epochs=1)
    with pytest.raises(ValueError, match="cannot run this model; fit it with features"):
        advser.to_onnx(ser.fit(*toy), file)
    assert not file.exists()
    ser.fit(toy.X.astype(np.float32), *toy[1:])
    advser.to_onnx(ser, file)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript", "skl2onnx"])
def test_missing_package_names_the_extra(package, file, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package}; `pip install 'advser\[onnx\]'`"
    with pytest.raises(ImportError, match=message):
        advser.to_onnx(AdversarialSER(), file)
