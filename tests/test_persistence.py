"""A loaded model is the saved one, and a file runs no code, whatever is in it."""

import io
import json
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import EarlyStopping
from torch import nn

import advser
from advser import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    EGeMAPS,
    Session,
    SiameseSER,
    SpeakerScaler,
)
from advser.objectives import GradientReversal, Objective

FEW = {"max_epochs": 2, "random_state": 0, "embedding_dim": 4}


class SmallEmbedding(Objective):
    """An objective of a user."""

    def __init__(self, weight=0.1):
        self.weight = weight

    def loss(self, h, output, y, progress):
        """Return the loss of the emotion, and the size of the embedding."""
        return {"emotion": self.task.loss(output, y), "size": self.weight * h.var()}


class Doubled(nn.Module):
    """A layer of a user, with a weight that is used twice."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(8, 8)

    def forward(self, x):
        """Return the rows, mapped twice."""
        return self.second(self.first(x))


def make_encoder(n_features):
    return nn.Linear(n_features, 3)


CLASSIFIERS = [
    AdversarialSER(None, **FEW),
    AdversarialSER("grl", dropout=0.2, **FEW),
    AdversarialSER("closed_form", class_weight={"anger": 2.0}, **FEW),
    AdversarialSER(GradientReversal(conditional=True, ramp=3), clip=None, **FEW),
    AdversarialSER("entropy", early_stopping=True, **FEW),
    AdversarialSER(encoder=nn.Sequential(nn.Linear(8, 6), nn.Tanh()), **FEW),
    SiameseSER(neutral_reference="random", **FEW),
    AutoencoderSER(**FEW),
    AutoencoderSER(speaker_task="adversarial", **FEW),
]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.advser"


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def kept(model, file, **kwargs):
    """Return a model after its way through a file."""
    advser.save(model, file, **kwargs)
    return advser.load(file, **kwargs)


def tags_of(models):
    return [f"{type(m).__name__}-{number}" for number, m in enumerate(models)]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=tags_of(CLASSIFIERS))
def test_classifier_is_the_same_after_loading(model, toy, file):
    X = toy.X.astype(np.float32 if "grl" in repr(model) else np.float64)
    model = clone(model).fit(X, toy.y, speakers=toy.speakers)
    loaded = kept(model, file)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.transform(X[:1]), model.transform(X[:1]))
    assert_array_equal(loaded.predict(X), model.predict(X))
    pd.testing.assert_frame_equal(loaded.history_, model.history_)
    assert repr(loaded) == repr(model)
    again = [m.fit(X, toy.y, speakers=toy.speakers) for m in (clone(loaded), model)]
    assert_array_equal(*[m.predict_proba(X) for m in again])


@pytest.mark.parametrize(
    "estimator", [AdversarialSERRegressor, AutoencoderSERRegressor]
)
@pytest.mark.parametrize("columns", [0, [0, 1]])
def test_regressor_is_the_same_after_loading(estimator, columns, toy, file):
    ratings = toy.X[:, columns]
    model = estimator(**FEW).fit(toy.X, ratings, speakers=toy.speakers)
    assert_array_equal(kept(model, file).predict(toy.X), model.predict(toy.X))


@pytest.mark.parametrize(
    "model", [CLASSIFIERS[1], *CLASSIFIERS[6:8]], ids=["grl", "siamese", "autoencoder"]
)
def test_warm_start_goes_on_as_if_it_had_not_been_saved(model, toy, file):
    model = clone(model).set_params(warm_start=True)
    model.fit(toy.X, toy.y, speakers=toy.speakers)
    loaded = kept(model, file)
    for part in (model, loaded):
        part.set_params(random_state=1, lr=0.01)
        part.fit(toy.X, toy.y, speakers=toy.speakers)
    assert loaded.n_iter_ == 4
    assert_array_equal(loaded.predict_proba(toy.X), model.predict_proba(toy.X))


@pytest.mark.filterwarnings("ignore::advser.AdaptationWarning")
@pytest.mark.parametrize(
    "scaler",
    [
        SpeakerScaler(),
        SpeakerScaler(unknown="adapt"),
        SpeakerScaler(unknown="adapt", balance=True, shrinkage="auto", clip=3),
    ],
    ids=["population", "adapt", "balance"],
)
def test_scaler_goes_on_adapting_and_enrolling(scaler, toy, file):
    scaler = clone(scaler).fit(toy.X, toy.y, toy.speakers)
    loaded = kept(scaler, file)
    names = np.repeat(["new", "s1"], 60)
    assert_array_equal(loaded.transform(toy.X, names), scaler.transform(toy.X, names))
    for part in (scaler, loaded):
        part.enroll(toy.X[:9] + 1, ["new"] * 9)
    assert_array_equal(loaded.transform(toy.X, names), scaler.transform(toy.X, names))
    if scaler.adaptation_scores_ is not None:
        pd.testing.assert_frame_equal(
            loaded.adaptation_scores_, scaler.adaptation_scores_
        )


@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        SVC(),
        AdversarialSER(**FEW),
        make_pipeline(PCA(3), SiameseSER(**FEW)),
    ],
    ids=["linear", "svm", "network", "nested"],
)
def test_pipeline_is_the_same_after_loading(last, toy, file, routing):
    model = make_pipeline(StandardScaler(), SpeakerScaler(), clone(last))
    model.set_output(transform="default")
    model.fit(toy.X, toy.y, speakers=toy.speakers)
    loaded = kept(model, file)
    predicted = [m.predict(toy.X, speakers=toy.speakers) for m in (loaded, model)]
    assert_array_equal(*predicted)
    assert repr(loaded) == repr(model)


def test_requests_of_metadata_are_kept(toy, file, routing):
    model = make_pipeline(
        SpeakerScaler(), AdversarialSER(**FEW).set_fit_request(sample_weight="loudness")
    )
    loaded = kept(model, file)
    requests = [m[-1].get_metadata_routing().fit.requests for m in (loaded, model)]
    assert requests[0] == requests[1]
    assert requests[0]["sample_weight"] == "loudness"
    clone(loaded).fit(toy.X, toy.y, speakers=toy.speakers, loudness=np.ones(120))


def test_names_and_origin_of_features_are_kept(toy, file):
    table = pd.DataFrame(toy.X, columns=[f"f{j}" for j in range(8)])
    table.attrs["features"] = {"feature_set": "eGeMAPSv02", "opensmile": "2.5.0"}
    model = AdversarialSER(**FEW).fit(table, toy.y, speakers=toy.speakers)
    loaded = kept(model, file)
    assert list(loaded.feature_names_in_) == list(table.columns)
    other = table.copy()
    other.attrs["features"] = {"feature_set": "ComParE_2016", "opensmile": "2.5.0"}
    with pytest.raises(ValueError, match=r"'eGeMAPSv02' in fit and 'ComParE_2016' now"):
        loaded.predict(other)
    with zipfile.ZipFile(file) as archive:
        described = json.loads(archive.read("advser.json"))
    assert described["classes"] == ["anger", "neutral", "sadness"]
    assert described["feature_names"] == list(table.columns)
    assert described["feature_origin"] == table.attrs["features"]
    assert described["versions"]["scikit-learn"] == sklearn.__version__


def test_cache_of_another_machine_is_not_kept(file, tmp_path):
    model = make_pipeline(EGeMAPS(memory=tmp_path), SVC(), memory=str(tmp_path))
    loaded = kept(model, file)
    assert loaded.memory is loaded[0].memory is None
    assert model.memory == str(tmp_path)


def test_cache_that_a_file_names_is_not_used(toy, file, tmp_path):
    advser.save(make_pipeline(StandardScaler(), SVC()).fit(toy.X, toy.y), file)
    schema = json.loads(members_of(file.read_bytes())["schema.json"])
    folder = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    folder |= {"content": json.dumps(str(tmp_path)), "is_json": True, "__id__": 1}
    assert schema["content"]["content"]["memory"]["content"] == "null"
    schema["content"]["content"]["memory"] |= folder
    file.write_bytes(changed(file.read_bytes(), schema=schema))
    assert advser.load(file).memory is None


def test_session_goes_on_in_another_process(toy, tmp_path, routing):
    X, y, speakers = toy
    models = {
        "network": AdversarialSER(**FEW).fit(X, y, speakers=speakers),
        "pipeline": make_pipeline(
            SpeakerScaler(unknown="adapt", balance=True), LogisticRegression()
        ).fit(X, y, speakers=speakers),
    }
    session = Session(models["pipeline"])
    for speaker in ("new", None, 3):
        session.predict(X[:5], speaker)
    models["session"] = session
    for name, model in models.items():
        advser.save(model, tmp_path / f"{name}.advser")
    np.save(tmp_path / "X.npy", X)
    script = """
        import sys, numpy as np, torch, advser
        torch.set_num_threads(1)
        X = np.load("X.npy")
        session = advser.load("session.advser")
        assert session.speakers_ == ["new", None, 3]
        np.savez(
            "found.npz",
            network=advser.load("network.advser").predict_proba(X),
            pipeline=advser.load("pipeline.advser").predict_proba(X[:1]),
            session=session.predict_proba(X[5:], "new"),
            unnamed=session.predict_proba(X[5:]),
        )
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(advser.__file__).parents[1])},
        check=True,
    )
    found = np.load(tmp_path / "found.npz")
    assert_array_equal(found["network"], models["network"].predict_proba(X))
    assert_array_equal(found["pipeline"], models["pipeline"].predict_proba(X[:1]))
    assert_array_equal(found["session"], session.predict_proba(X[5:], "new"))
    assert_array_equal(found["unnamed"], session.predict_proba(X[5:]))


@pytest.mark.parametrize(
    ("model", "name", "trusted"),
    [
        (AdversarialSER(SmallEmbedding(0.2), **FEW), "SmallEmbedding", SmallEmbedding),
        (AdversarialSER(encoder=Doubled(), **FEW), "Doubled", Doubled),
        (
            AdversarialSER(encoder=make_encoder, **FEW),
            "make_encoder",
            f"{__name__}.make_encoder",
        ),
        (RandomForestClassifier(2), "Tree", "sklearn.tree._tree.Tree"),
    ],
    ids=["objective", "encoder", "function", "trees"],
)
def test_types_of_a_user_must_be_trusted(model, name, trusted, toy, file):
    model = clone(model)
    fit_params = {"speakers": toy.speakers} if hasattr(model, "adversary") else {}
    model.fit(toy.X, toy.y, **fit_params)
    with pytest.raises(ValueError, match=rf"`model`.*pass them as `trusted`.*{name}"):
        advser.save(model, file)
    assert not file.exists()
    loaded = kept(model, file, trusted=[trusted])
    assert_array_equal(loaded.predict_proba(toy.X), model.predict_proba(toy.X))
    with pytest.raises(ValueError, match=name):
        advser.load(file)


@pytest.mark.parametrize(
    "model",
    [
        AdversarialSER(encoder=lambda n_features: nn.Linear(n_features, 3)),
        AdversarialSER(callbacks=[lambda net: None]),
        make_pipeline(SVC(kernel=lambda a, b: a @ b.T)),
    ],
    ids=["encoder", "callbacks", "kernel"],
)
def test_model_that_cannot_be_saved_leaves_the_file(model, file):
    file.write_bytes(b"old")
    lambdas = [f"{__name__}.<lambda>"]
    for trusted, message in [([], "pass them as `trusted`"), (lambdas, "lambda")]:
        with pytest.raises(ValueError, match=rf"`model` cannot be saved.*{message}"):
            advser.save(model, file, trusted=trusted)
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]


def test_only_estimators_and_sessions_are_saved(file):
    with pytest.raises(TypeError, match="`model` is a dict"):
        advser.save({}, file)


def test_search_says_to_save_its_best_estimator(toy, file, routing):
    model = make_pipeline(SpeakerScaler(unknown="adapt", balance=True), SVC())
    search = GridSearchCV(model, {"svc__C": [1.0]}, cv=2)
    search.fit(toy.X, toy.y, speakers=toy.speakers)
    for part in (search, Session(search)):
        with pytest.raises(ValueError, match="GridSearchCV; put its `best_estimator_`"):
            advser.save(part, file)
    kept(search.best_estimator_, file)


def test_search_behind_other_steps_says_to_save_its_best_estimator(toy, file):
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=2)
    model = make_pipeline(StandardScaler(), search).fit(toy.X, toy.y)
    with pytest.raises(ValueError, match="put its `best_estimator_` in its place"):
        advser.save(model, file, trusted=["sklearn.model_selection.GridSearchCV"])
    kept(make_pipeline(model[0], model[1].best_estimator_), file)


def test_file_is_replaced_whole(toy, file):
    file.write_bytes(b"old")
    assert isinstance(kept(SpeakerScaler(), file), SpeakerScaler)
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(FileNotFoundError):
        advser.load(file.with_name("other"))
    with pytest.raises(FileNotFoundError, match="folder"):
        advser.save(SpeakerScaler(), file / "folder" / "model")


def test_other_version_of_scikit_learn_warns(toy, file, monkeypatch):
    model = LogisticRegression().fit(toy.X, toy.y)
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.base.__version__", "1.0")
        advser.save(model, file)
    with pytest.warns(InconsistentVersionWarning, match=r"1\.0"):
        advser.load(file)


# Files that are no longer what was saved


CALL = "ConstructorFromReduceNode"


class Canary:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, shared_toy):
    X, y, speakers = shared_toy
    model = AdversarialSER("grl", **FEW).fit(X, y, speakers=speakers)
    file = tmp_path_factory.mktemp("saved") / "model.advser"
    advser.save(model, file)
    return file.read_bytes()


def sealed(data):
    """Return an archive with a right checksum."""
    data = bytes(data)
    return data[:-64] + sha256(data[:-64]).hexdigest().encode()


def archive_of(members, compression=zipfile.ZIP_STORED):
    """Return an archive of named members with a right checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = bytes(64)
    return sealed(buffer.getvalue())


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(data, **members):
    """Return an archive with other members, named without their ending."""
    found = members_of(data)
    for name, content in members.items():
        found[f"{name}.json"] = json.dumps(content)
    return archive_of(found.items())


def hostile_nodes(canary):
    """Return nodes of a schema that would run code, or make what does."""
    command = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    path = {**command, "content": json.dumps(str(canary)), "is_json": True}
    arguments = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [path],
    }
    state = {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "key_types": {**arguments, "content": []},
        "content": {},
    }
    for module, name in [
        ("os", "mkdir"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("pathlib", "Path"),
        ("advser._engine._net", "StepwiseNet"),
        ("torch", "load"),
        ("joblib.memory", "Memory"),
    ]:
        kind = {"__module__": module, "__class__": name}
        yield {**kind, "__loader__": CALL, "content": arguments}
        yield {**kind, "__loader__": "ObjectNode", "content": state}
        yield {**kind, "__loader__": "FunctionNode"}
        yield {**kind, "__loader__": "TypeNode"}
        yield {
            **kind,
            "__loader__": "MethodNode",
            "content": {"func": "mkdir", "obj": {**path, **kind}},
        }


def tampered(data, canary):
    """Yield a hundred and more files that are not as saved, each with its name."""
    rng = np.random.default_rng(0)
    for position in rng.integers(len(data), size=40):
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        yield f"bit in byte {position}", bytes(flipped)
    for size in [0, 1, 21, *rng.integers(len(data), size=15), len(data) - 1]:
        yield f"first {size} bytes", data[:size]
    yield "more at the end", data + b"more"
    yield "more in front", b"more" + data
    yield "pickle", pickle.dumps(Canary(canary))
    yield "text", b"label,probability\n"
    members = members_of(data)
    schema, described = (json.loads(members[f"{k}.json"]) for k in ("schema", "advser"))
    for node in hostile_nodes(canary):
        name = f"{node['__loader__']} {node['__module__']}.{node['__class__']}"
        top = {"protocol": schema["protocol"], "_skops_version": "0.16.0", **node}
        yield f"{name} as the model", changed(data, schema=top)
        inner = json.loads(members["schema.json"])
        inner["content"]["content"]["encoder"] = node
        yield f"{name} as a part", changed(data, schema=inner)
    array = next(name for name in members if name.endswith(".npy"))
    objects, many, zeros = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(zeros, np.zeros(10**7))
    np.save(objects, np.array([Canary(canary)], dtype=object))
    np.savez_compressed(many, a=np.zeros(10**6))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**45,)}
    )
    for name, content in {
        "pickled objects": objects.getvalue(),
        "pickle": pickle.dumps(Canary(canary)),
        "archive": many.getvalue(),
        "empty array": b"",
        "huge array": header.getvalue(),
    }.items():
        yield f"{name} as a member", archive_of({**members, array: content}.items())
    for name in [
        "../evil.npy",
        "/evil.npy",
        "a/b.npy",
        "evil.py",
        "x.pkl",
        "\\a.npy",
    ]:
        yield f"member {name}", archive_of([*members.items(), (name, b"")])
        text = members["schema.json"].replace(
            array.encode(), json.dumps(name)[1:-1].encode()
        )
        yield (
            f"reference to {name}",
            archive_of({**members, "schema.json": text}.items()),
        )
    for name, content in (("schema.json", b"{}"), (array, members[array])):
        with pytest.warns(UserWarning, match="Duplicate"):
            twice = archive_of([*members.items(), (name, content)])
        yield f"{name} twice", twice
    yield (
        "bomb",
        archive_of(
            [*members.items(), ("zeros.npy", zeros.getvalue())], zipfile.ZIP_DEFLATED
        ),
    )
    yield "other compression", archive_of(members.items(), zipfile.ZIP_BZIP2)
    for name in ("schema.json", "advser.json", array):
        yield (
            f"without {name}",
            archive_of((k, v) for k, v in members.items() if k != name),
        )
    for content in [[], {}, None, 3, "text"]:
        yield f"{content!r} for the schema", changed(data, schema=content)
        yield f"{content!r} for the description", changed(data, advser=content)
    deep = b"[" * 10**5 + b"]" * 10**5
    yield "depth", archive_of({**members, "schema.json": deep}.items())
    for newest in (2, "1", None):
        other = changed(data, advser={**described, "format": newest})
        yield f"format {newest!r}", other


def error_of_loading(file):
    """Return the ValueError that a file raises, or None."""
    try:
        advser.load(file)
    except ValueError as error:
        return error


def test_tampered_files_are_errors_and_run_nothing(saved, tmp_path):
    canary, file = tmp_path / "canary", tmp_path / "tampered.advser"
    count = 0
    for name, data in tampered(saved, canary):
        file.write_bytes(data)
        message = str(error_of_loading(file))
        assert "tampered.advser" in message, name
        assert ("has types or functions" in message) is ("Node" in name), name
        assert [path.name for path in tmp_path.iterdir()] == [file.name], name
        count += 1
    assert count > 150


def test_canary_shows_where_code_runs(saved, tmp_path):
    canary, file = tmp_path / "canary", tmp_path / "trusted.advser"
    pickle.loads(pickle.dumps(Canary(canary)))
    canary.rmdir()  # it was there
    wanted = f"{CALL} os.mkdir as the model"
    files = tampered(saved, canary)
    file.write_bytes(next(data for name, data in files if name == wanted))
    with pytest.raises(ValueError, match=r"os\.mkdir"):
        advser.load(file)
    assert not canary.exists()
    advser.load(file, trusted=["os.mkdir"])
    assert canary.exists()


def test_altered_schema_is_an_error_or_a_model(saved, tmp_path):
    members = members_of(saved)
    schema = members["schema.json"]
    rng = np.random.default_rng(0)
    file = tmp_path / "altered.advser"
    refused = 0
    for _ in range(60):
        altered = bytearray(schema)
        for position in rng.integers(len(schema), size=3):
            altered[position] = rng.choice(list(b'0129"{}[],:_azN'))
        file.write_bytes(archive_of({**members, "schema.json": altered}.items()))
        error = error_of_loading(file)
        assert error is None or "altered.advser" in str(error)
        refused += error is not None
    assert refused > 30


def test_newer_format_says_to_update(saved, file):
    described = json.loads(members_of(saved)["advser.json"])
    file.write_bytes(changed(saved, advser={**described, "format": 2, "advser": "9.0"}))
    with pytest.raises(ValueError, match=r"format 2, of advser 9\.0.*update advser"):
        advser.load(file)


def test_features_of_other_versions_are_an_error(file):
    advser.save(make_pipeline(EGeMAPS(), SVC()), file)
    described = json.loads(members_of(file.read_bytes())["advser.json"])
    described["extraction"][0]["opensmile"] = "1.0"
    file.write_bytes(changed(file.read_bytes(), advser=described))
    with pytest.raises(ValueError, match=r"opensmile '1\.0' in the file and '2"):
        advser.load(file)


def test_device_that_is_missing_becomes_the_cpu(toy, file):
    if torch.cuda.is_available():
        pytest.skip("CUDA is there")
    model = AdversarialSER(**FEW).fit(toy.X, toy.y, speakers=toy.speakers)
    model.device = "cuda"
    with pytest.warns(UserWarning, match="loaded to the CPU: `device='cuda'`"):
        advser.save(model, file)
    with pytest.warns(UserWarning, match="loaded to the CPU: `device='cuda'`"):
        loaded = advser.load(file)
    assert loaded.device == "cpu"
    assert_array_equal(loaded.predict(toy.X), model.predict(toy.X))


def test_a_lazy_encoder_is_refused_with_the_remedy(toy, file):
    encoder = nn.Sequential(nn.LazyLinear(8), nn.ReLU())
    model = AdversarialSER(None, encoder=encoder, **FEW).fit(toy.X, toy.y)
    with pytest.raises(ValueError, match=r"has a lazy layer .* pass a function"):
        advser.save(model, file)


def test_classes_of_several_targets_are_lists(toy, file):
    y = np.column_stack([toy.y, toy.y == toy.y[0]]).astype(str)
    y[0, 1] = "other"
    model = MultiOutputClassifier(GaussianNB()).fit(toy.X, y)
    advser.save(model, file)
    assert_array_equal(advser.load(file).predict(toy.X), model.predict(toy.X))


def test_weights_of_classes_that_are_booleans_are_kept(toy, file):
    weights = {True: 5.0, False: 1.0}
    model = AdversarialSER(class_weight=weights, **FEW)
    model.fit(toy.X, toy.y == toy.y[0], speakers=toy.speakers)
    advser.save(model, file)
    assert advser.load(file).class_weight == weights
    assert model.class_weight == weights


def test_patience_of_early_stopping_is_not_that_of_a_callback(toy, file):
    callback = EarlyStopping("train_loss", patience=3)
    trusted = ["skorch.callbacks.training.EarlyStopping", "builtins.print"]
    plain = AdversarialSER(callbacks=[callback], warm_start=True, **FEW)
    plain.fit(toy.X, toy.y, speakers=toy.speakers)
    advser.save(plain, file, trusted=trusted)
    again = advser.load(file, trusted=trusted)
    again.fit(toy.X, toy.y, speakers=toy.speakers)
    stopping = clone(plain).set_params(early_stopping=True, n_iter_no_change=17)
    stopping.fit(toy.X, toy.y, speakers=toy.speakers)
    advser.save(stopping, file, trusted=trusted)
    loaded = advser.load(file, trusted=trusted)
    assert loaded.net_.callbacks[-1].patience == 17


def test_model_that_was_loaded_without_gradients_trains_on(toy, file):
    model = AdversarialSER(warm_start=True, **FEW)
    model.fit(toy.X, toy.y, speakers=toy.speakers)
    advser.save(model, file)
    with torch.inference_mode():
        loaded = advser.load(file)
    loaded.fit(toy.X, toy.y, speakers=toy.speakers)
    model.fit(toy.X, toy.y, speakers=toy.speakers)
    assert_array_equal(loaded.predict_proba(toy.X), model.predict_proba(toy.X))


def test_a_module_of_torchscript_is_refused(toy, file):
    with warnings.catch_warnings():  # torch prefers other forms by now
        warnings.simplefilter("ignore")
        encoder = torch.jit.script(nn.Linear(toy.X.shape[1], 8))
        model = AdversarialSER(None, encoder=encoder, **FEW)
        model.fit(toy.X.astype(np.float32), toy.y)
    with pytest.raises(ValueError, match="It has a module of TorchScript"):
        advser.save(model, file)
    assert not file.exists()
