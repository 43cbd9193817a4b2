"""Training and prediction on the command line, and what all commands share."""

import subprocess
import sys

import numpy as np
import opensmile
import pytest
import torch
from speech import utterance

import advser
from advser import AdversarialSER, EGeMAPS, cli
from advser._progress import progress_bar

SETS = {"eGeMAPSv02": (88, 25), "GeMAPSv01b": (62, 18), "ComParE_2016": (6373, 65)}


def run(*arguments):
    return cli.main([*map(str, arguments)])


def error_of(capsys, *arguments):
    """Return what a command prints that ends because of its input or an option."""
    with pytest.raises(SystemExit) as exit_:
        run(*arguments)
    assert exit_.value.code == 2
    return capsys.readouterr().err


# What all commands share


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"]])
def test_help_imports_no_torch(arguments):
    command = [sys.executable, "-X", "importtime", "-m", "advser", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "advser.cli._main" in modules
    assert not modules & {"torch", "opensmile"}
    if arguments == ["--help"]:
        assert "numpy" not in modules
        assert all(f"\n    {name}" in done.stdout for name in ("extract", "report"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "advser: error: argument COMMAND: invalid choice: 'fly'"),
        (["benchmark", "--fly"], "advser benchmark: error: unrecognized arguments"),
        (["extract", "a"], "advser extract: error: the following arguments"),
    ],
)
def test_wrong_usage_is_a_line_and_a_hint(arguments, message, capsys):
    lines = error_of(capsys, *arguments).splitlines()
    assert lines[0].startswith(message)
    prog = message.partition(":")[0]
    assert lines[1:] == [f"See {prog} --help."]


def test_wrong_input_is_a_line(capsys, tmp_path):
    output = tmp_path / "a.parquet"
    error = error_of(capsys, "extract", tmp_path / "none.csv", "-o", output)
    assert error.startswith(
        f"advser extract: error: {tmp_path / 'none.csv'} is no file"
    )
    assert error.count("\n") == 1


def test_progress_in_a_log_file_is_lines(capsys):
    assert [*progress_bar(range(3), name="extraction", unit="files")] == [0, 1, 2]
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("extraction: 0%, 0 of 3 files")
    assert last.startswith("extraction: 100%, 3 of 3 files")
    assert [*progress_bar(range(3), name="a", unit="b", verbose=0)] == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_progress_on_a_terminal_is_a_bar_with_a_unit(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(progress_bar(range(3), name="extraction", unit="files"))
    error = capsys.readouterr().err
    assert "\rextraction: 100%|" in error
    assert " files/s" in error


# Feature sets


@pytest.mark.parametrize("name", SETS)
def test_feature_set_is_that_of_opensmile(name):
    signal = utterance(seconds=0.3)
    functionals = EGeMAPS(feature_set=name)
    X = functionals.transform([(signal, 16000)])
    smile = opensmile.Smile(opensmile.FeatureSet[name])
    np.testing.assert_allclose(X, smile(signal, 16000)[0].T, rtol=1e-5)
    lld = EGeMAPS(feature_set=name, level="lld").transform([(signal, 16000)])
    assert (X.shape[1], lld[0].shape[1]) == SETS[name]
    assert functionals.recipe["feature_set"] == name
    assert functionals.feature_names == smile.feature_names


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("level", ["functionals", "lld"])
def test_feature_set_has_the_guards_of_recordings(name, level):
    extractor = EGeMAPS(feature_set=name, level=level, on_error="nan")
    noise = np.random.default_rng(0).normal(scale=0.01, size=8000).astype(np.float32)
    signals = [utterance(seconds=0.3), np.zeros(8000), noise[:800], 200 * noise]
    with pytest.warns(UserWarning, match="3 of 4 recordings cannot be used"):
        extractor.transform([(signal, 16000) for signal in signals])
    assert list(extractor.failures_["row"]) == [1, 2, 3]
    with pytest.warns(UserWarning, match="1 of 1 recordings have no voiced frame"):
        extractor.transform([(noise, 16000)])


def test_feature_sets_do_not_mix(tmp_path):
    recordings = [(utterance(take=take, seconds=0.3), 16000) for take in range(6)]
    extractors = [EGeMAPS(feature_set=name, memory=tmp_path) for name in SETS]
    X = [extractor.transform(recordings) for extractor in extractors]
    again = [extractor.transform(recordings) for extractor in extractors]
    assert [len(one.T) for one in again] == [n for n, _ in SETS.values()]
    np.testing.assert_array_equal(X[1], again[1])
    with pytest.raises(ValueError, match="'feature_set' parameter of EGeMAPS"):
        EGeMAPS(feature_set="emobase").fit(recordings)


# Devices


def test_auto_is_the_device_that_is_there(toy, tmp_path):
    ser = AdversarialSER(max_epochs=1, device="auto", random_state=0)
    ser.fit(toy.X, toy.y, speakers=toy.speakers)
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert next(ser.net_.module_.parameters()).device.type == expected
    advser.save(ser, tmp_path / "model")
    loaded = advser.load(tmp_path / "model")
    assert loaded.get_params()["device"] == "auto"
    np.testing.assert_array_equal(loaded.predict(toy.X), ser.predict(toy.X))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_that_is_absent_is_named(toy):
    ser = AdversarialSER(device="cuda")
    with pytest.raises(ValueError, match="`device='cuda'` is not available here"):
        ser.fit(toy.X, toy.y, speakers=toy.speakers)
