"""AudioEmbedding: what the layers of a pretrained network say, row by row."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers
from pretrained import write_model
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from speech import spoil, utterance, write_corpus

import advser
from advser.audio import AudioEmbedding, EGeMAPS, extract_features, read_features
from advser.cli._main import main

RATE = 16000


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return the folder of a model, and the model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return folder, write_model(folder)


@pytest.fixture(scope="module")
def folder(stored):
    return stored[0]


@pytest.fixture
def own_folder(folder, tmp_path):
    """Return a copy of the folder, which a test may change."""
    return shutil.copytree(folder, tmp_path / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), n_speakers=2, seconds=0.3)


@pytest.fixture(scope="module")
def signals():
    return [(utterance(seconds=seconds), RATE) for seconds in (0.5, 0.2, 0.31, 0.2)]


# Values


@pytest.mark.parametrize(("layer", "index"), [(0, 0), (1, 1), (-1, 2), (-3, 0)])
def test_features_are_the_mean_and_deviation_over_the_frames(
    layer, index, stored, signals
):
    folder, module = stored
    signal = signals[0][0]
    scaled = (signal - signal.mean()) / np.sqrt(signal.var() + 1e-7)
    with torch.no_grad():
        outputs = module(torch.tensor(scaled)[None], output_hidden_states=True)
    frames = outputs.hidden_states[index][0].numpy()
    expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    embedding = AudioEmbedding(folder, layer=layer, pooling="mean_std")
    found = embedding.transform(signals[:1])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[None], atol=1e-5)
    mean = AudioEmbedding(str(folder), layer=layer).transform(signals[:1])
    np.testing.assert_array_equal(mean, found[:, :16])


def test_model_that_gets_samples_as_they_are(signals, tmp_path):
    write_model(tmp_path, normalizes=False, feat_extract_norm="layer", conv_bias=True)
    loud = (2 * signals[0][0], RATE)
    found = AudioEmbedding(tmp_path).transform([signals[0], loud])
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "WavLM"])
def test_row_does_not_depend_on_its_batch(kind, norm, signals, tmp_path):
    is_layer = norm == "layer"
    changes = {"do_stable_layer_norm": is_layer, "conv_bias": is_layer}
    write_model(tmp_path, kind, feat_extract_norm=norm, **changes)
    embedding = AudioEmbedding(tmp_path, pooling="mean_std")
    alone = embedding.transform(signals)
    assert alone.std(axis=0).mean() > 0.01
    for size in (2, 4):
        together = embedding.set_params(batch_size=size).transform(signals)
        np.testing.assert_allclose(together, alone, atol=5e-6)


def test_batch_normalisation_before_padding_is_no_difference(signals, tmp_path):
    changes = {"feat_extract_norm": "layer", "conv_pos_batch_norm": True}
    module = write_model(tmp_path, "Hubert", **changes)
    for name, values in module.named_buffers():
        if name.endswith("running_mean"):
            values += 1.0
    module.save_pretrained(tmp_path)
    alone = AudioEmbedding(tmp_path).transform(signals)
    together = AudioEmbedding(tmp_path, batch_size=4).transform(signals)
    np.testing.assert_allclose(together, alone, atol=5e-6)


def test_sampling_rates_and_channels_become_comparable(folder, tmp_path):
    rows = []
    for rate, n_channels in [(16000, 1), (48000, 1), (48000, 2)]:
        signal = utterance(seconds=0.5, sampling_rate=48000)
        if rate == 16000:
            import audresample

            signal = audresample.resample(signal, 48000, 16000)[0]
        path = tmp_path / f"{rate}-{n_channels}.wav"
        soundfile.write(path, np.stack([signal] * n_channels, axis=1), rate, "FLOAT")
        rows.append(path)
    found = AudioEmbedding(folder).transform(rows)
    np.testing.assert_allclose(found[1:], found[[0, 0]], atol=1e-3)


def test_recordings_in_any_form(folder, corpus):
    files = corpus["file"].tolist()[:3]
    embedding = AudioEmbedding(folder)
    expected = embedding.transform(files)
    pairs = [soundfile.read(file, dtype="float32") for file in files]
    segments = pd.DataFrame({"file": files, "start": 0.0, "end": None})
    for recordings in (pd.Series(files), pairs, segments, [*map(Path, files)]):
        np.testing.assert_array_equal(embedding.transform(recordings), expected)
    part = embedding.transform([(files[0], 0.1, 0.25)])
    cut = pairs[0][0][1600:4000]
    np.testing.assert_array_equal(part, embedding.transform([(cut, RATE)]))


def test_names_of_the_features(folder, signals):
    embedding = AudioEmbedding(folder, pooling="mean_std")
    table = embedding.set_output(transform="pandas").transform(signals)
    assert list(table) == embedding.feature_names
    assert embedding.get_feature_names_out()[[0, 15, 16]].tolist() == [
        *("mean_0", "mean_15", "std_0")
    ]


def test_recipe_identifies_the_weights(folder, own_folder, tmp_path):
    recipe = AudioEmbedding(folder, layer=-1).recipe
    assert recipe == AudioEmbedding(own_folder, layer=2).recipe
    assert recipe["sampling_rate"] == RATE
    assert recipe["transformers"] == transformers.__version__
    write_model(own_folder, seed=1)  # in the same place
    assert AudioEmbedding(own_folder).recipe["weights"] != recipe["weights"]


def test_auto_is_a_device_and_others_may_be_missing(folder, signals):
    AudioEmbedding(folder, device="auto").transform(signals)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="`device='cuda'` is not available here"):
            AudioEmbedding(folder, device="cuda").transform(signals)


# Cache and failures


def test_memory_avoids_a_second_computation(folder, corpus, tmp_path):
    files = [shutil.copy(file, tmp_path) for file in corpus["file"][:4]]
    memory = tmp_path / "memory"
    embedding = AudioEmbedding(folder, memory=memory, batch_size=3)
    first = embedding.transform(files)
    AudioEmbedding(folder, memory=memory, layer=1).transform(files)
    assert len(os.listdir(memory)) == 8
    for file in files:
        spoil(file)
    np.testing.assert_array_equal(embedding.transform(files), first)


def test_failures_cost_their_rows_only(folder, signals, tmp_path):
    bad = [tmp_path / "missing.wav", (np.zeros(RATE), RATE), (np.ones(100), RATE)]
    recordings = [signals[0], *bad, signals[1]]
    embedding = AudioEmbedding(folder, batch_size=5, on_error="nan")
    with pytest.warns(UserWarning, match="3 of 5 recordings cannot be used"):
        found = embedding.transform(recordings)
    assert embedding.failures_["row"].tolist() == [1, 2, 3]
    good = AudioEmbedding(folder).transform([signals[0], signals[1]])
    np.testing.assert_allclose(found[[0, 4]], good, atol=5e-6)
    assert np.isnan(found[1:4]).all()
    with pytest.raises(FileNotFoundError, match=r"missing.wav` cannot be opened"):
        embedding.set_params(on_error="raise").transform(recordings)


def test_recording_shorter_than_a_frame_of_the_model(signals, tmp_path):
    one = {"conv_kernel": (4000,), "conv_stride": (400,), "conv_dim": (8,)}
    write_model(tmp_path, num_feat_extract_layers=1, **one)
    embedding = AudioEmbedding(tmp_path, batch_size=2)
    message = r"`X\[1\]` lasts 200.0 ms; `model` needs at least 250.0 ms"
    with pytest.raises(ValueError, match=message):
        embedding.transform(signals[:2])
    assert embedding.transform(signals[:1]).shape == (1, 16)


# Models that cannot be used


def without(name):
    return lambda folder: (folder / name).unlink()


def with_config(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def lacking_weights(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layers.0.attention.k_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_short(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-1000])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("config.json"), "config.json"),
        (without("preprocessor_config.json"), "preprocessor_config.json"),
        (without("model.safetensors"), "model.safetensors"),
        (with_config(model_type="bert"), "it has the type 'bert'"),
        (with_config(model_type="mine"), "mine"),
        (with_config(hidden_size=32), ""),
        (lacking_weights, r"it lacks 1 weights, such as \S*k_proj.weight"),
        (cut_short, ""),
        (lambda folder: (folder / "config.json").write_text("{"), ""),
    ],
)
def test_folder_that_is_no_model(change, reason, own_folder, signals):
    change(own_folder)
    message = rf"(?s)`model` is '.*tiny', and it cannot be used: .*{reason}.*Pass a"
    with pytest.raises(ValueError, match=message) as caught:
        AudioEmbedding(own_folder).transform(signals)
    assert "\n" not in str(caught.value)


def test_no_file_of_a_model_runs_code(own_folder, signals, tmp_path):
    canary = tmp_path / "canary"

    class Canary:
        def __reduce__(self):
            return canary.touch, ()

    code = f"import pathlib; pathlib.Path({str(canary)!r}).touch()"
    (own_folder / "own.py").write_text(code)
    names = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    with_config(auto_map=names)(own_folder)
    expected = AudioEmbedding(own_folder).transform(signals)
    assert np.isfinite(expected).all()
    (own_folder / "model.safetensors").unlink()
    torch.save({"weight": Canary()}, own_folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be used"):
        AudioEmbedding(own_folder).transform(signals)
    assert not canary.exists()


def test_path_that_is_no_folder(tmp_path, signals):
    with pytest.raises(FileNotFoundError, match="nowhere', which is no folder and no "):
        AudioEmbedding(tmp_path / "nowhere").transform(signals)


@pytest.mark.parametrize("layer", [3, -4])
def test_layer_out_of_range(layer, folder, signals):
    message = f"`layer` is {layer}, and `model` has 2 layers; pass a number from 0 to 2"
    with pytest.raises(ValueError, match=message):
        AudioEmbedding(folder, layer=layer).transform(signals)


def test_missing_extra(own_folder, signals, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'advser\[embeddings\]'"):
        AudioEmbedding(own_folder).transform(signals)


def test_settings_of_transformers_stay_as_they_are(own_folder, signals, capfd):
    log = transformers.utils.logging
    log.enable_progress_bar()
    log.set_verbosity_info()
    try:
        AudioEmbedding(own_folder).transform(signals)
        assert log.is_progress_bar_enabled()
        assert log.get_verbosity() == log.INFO
    finally:
        log.disable_progress_bar()
        log.set_verbosity_warning()
    assert "Loading" not in capfd.readouterr().err


# scikit-learn, files and commands


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("model", 3), ("layer", 1.5), ("pooling", "max"), ("batch_size", 0)),
        *(("channel", -1), ("memory", 3), ("on_error", "ignore"), ("overload", "no")),
    ],
)
def test_invalid_parameter(parameter, value, folder, signals):
    embedding = AudioEmbedding(**{"model": folder, parameter: value})
    message = f"The '{parameter}' parameter of AudioEmbedding must be"
    with pytest.raises(ValueError, match=message):
        embedding.transform(signals)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_checks_of_scikit_learn_without_data(check, folder):
    getattr(estimator_checks, check)("AudioEmbedding", AudioEmbedding(str(folder)))


def test_model_file_with_embeddings(own_folder, corpus, tmp_path):
    files, file = corpus["file"].tolist(), tmp_path / "model.advser"
    model = make_pipeline(AudioEmbedding(str(own_folder)), LogisticRegression())
    expected = model.fit(files, corpus["emotion"]).predict_proba(files)
    assert clone(model[0]).get_params() == model[0].get_params()
    advser.save(model, file)
    np.testing.assert_array_equal(advser.load(file).predict_proba(files), expected)
    write_model(own_folder, seed=1)
    with pytest.raises(ValueError, match=r"extracts other features .* weights '"):
        advser.load(file)
    shutil.rmtree(own_folder)
    with pytest.raises(ValueError, match=r"model.advser .*is no folder"):
        advser.load(file)


def test_file_of_an_embedding_alone_tells_its_weights(own_folder, tmp_path):
    file = tmp_path / "embedding.advser"
    advser.save(AudioEmbedding(str(own_folder)), file)
    assert isinstance(advser.load(file), AudioEmbedding)
    write_model(own_folder, seed=1)
    with pytest.raises(ValueError, match="extracts other features"):
        advser.load(file)


def test_device_that_is_none_is_named(own_folder, signals):
    with pytest.raises(ValueError, match=r"`device=1.5` is not available"):
        AudioEmbedding(str(own_folder), device=1.5).transform(signals)


def test_commands_with_embeddings(own_folder, corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus.to_csv("labels.csv", index=False)
    extract = ["extract", "labels.csv", "--embedding", str(own_folder)]
    assert main([*extract, "--layer", "1", "-o", "one.parquet"]) == 0
    X, _ = read_features("one.parquet")
    expected = AudioEmbedding(own_folder, layer=1).transform(corpus["file"])
    np.testing.assert_array_equal(X, expected)
    assert X.attrs["features"]["layer"] == 1
    assert main(["train", "one.parquet", "--method", "logistic", "-o", "m"]) == 0
    assert main(["predict", "m", "one.parquet", "-o", "one.csv"]) == 0
    assert len(pd.read_csv("one.csv")) == len(corpus)
    assert main([*extract, "-o", "two.parquet"]) == 0
    with pytest.raises(SystemExit):
        main(["predict", "m", "two.parquet", "-o", "two.csv"])
    assert "layer 2, and those of the model have 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer", "1"], "--layer: only allowed with --embedding"),
        (["--device", "cpu"], "--device: only allowed with --embedding"),
        (
            ["--embedding", "m", "--feature-set", "GeMAPSv01b"],
            "--embedding: not allowed with --feature-set",
        ),
    ],
)
def test_options_that_need_or_exclude_embeddings(options, message, capsys):
    with pytest.raises(SystemExit):
        main(["extract", "labels.csv", "-o", "f.parquet", *options])
    assert message in capsys.readouterr().err


def test_table_of_another_feature_set(corpus, tmp_path):
    table = corpus.set_index("file").assign(start=np.nan, end=np.nan)
    extractor = EGeMAPS(feature_set="GeMAPSv01b")
    extract_features(table, tmp_path / "f.parquet", extractor=extractor)
    assert read_features(tmp_path / "f.parquet")[0].shape[1] == 62
