"""Training and prediction on the command line, and what all commands share."""

import io
import json
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import opensmile
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from speech import utterance, write_corpus

import advser
from advser import (
    AdaptationWarning,
    AdversarialSER,
    EGeMAPS,
    SpeakerScaler,
    cli,
    corpora,
)
from advser._progress import progress_bar
from advser.audio import extract_features, read_features
from advser.cli._methods import GRIDS
from advser.cli._parser import Parser, counted, usage_errors
from advser.cli._results import notes_of
from advser.cli._sources import load_recordings
from advser.cli._tables import open_columns, select
from advser.evaluation import compare
from advser.exceptions import CorpusWarning

AROUSAL = {"anger": 5, "happiness": 4, "neutral": 2, "sadness": 1}

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


# Training and prediction


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Return a folder with recordings of four speakers, and one that is no audio."""
    folder = tmp_path_factory.mktemp("corpus")
    table = write_corpus(folder, n_speakers=4, n_takes=2, seconds=0.3)
    table["file"] = [file.split("/")[-1] for file in table["file"]]
    table["arousal"] = table["emotion"].map(AROUSAL) + 0.1 * table.pop("take")
    table["valence"] = table["emotion"].eq("happiness") + 0.5
    (folder / "bad.wav").write_bytes(b"no audio")
    table.loc[len(table)] = ["bad.wav", "00", "anger", 5, 0]
    table.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def features(corpus):
    """Features of the corpus, extracted."""
    path = corpus / "features.parquet"
    if not path.exists():
        run("extract", corpus / "labels.csv", "--n-jobs", 1, "-o", path)
    return path


@pytest.fixture
def train(tmp_path):
    """Train a small model, and return its file."""

    def train(*arguments):
        path = tmp_path / "model.advser"
        path.unlink(missing_ok=True)
        assert run("train", *arguments, "--n-jobs", 1, "-o", path) == 0
        return path

    return train


def predict(model, *arguments, capsys):
    """Return the table that `advser predict` writes to standard output."""
    capsys.readouterr()
    assert run("predict", model, *arguments, "--n-jobs", 1, "-o", "-") == 0
    return pd.read_csv(io.StringIO(capsys.readouterr().out), dtype={"speaker": str})


def test_recordings_are_predicted_by_a_model_of_recordings(corpus, train, tmp_path):
    model = train(corpus / "labels.csv", "--method", "logistic")
    output = tmp_path / "out.csv"
    command = [sys.executable, "-m", "advser", "predict", str(model), str(corpus)]
    command += ["-o", str(output), "--n-jobs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{output} has the predictions of 32 of 33 recordings" in done.stdout
    assert f"left out: {corpus / 'bad.wav'} cannot be read as audio" in done.stderr
    assert "eGeMAPSv02: 100%, 33 of 33 recordings" in done.stderr
    found = pd.read_csv(output)
    files = sorted(str(path) for path in corpus.glob("0*.wav"))
    assert list(found["file"]) == files
    loaded = advser.load(model)
    assert list(found["emotion"]) == list(loaded.predict(files))
    names = [f"probability_{emotion}" for emotion in sorted(AROUSAL)]
    assert list(found) == ["file", "emotion", *names]
    np.testing.assert_allclose(found[names], loaded.predict_proba(files), atol=1e-6)
    failures = pd.read_csv(tmp_path / "out.csv.failures.csv")
    assert list(failures["file"]) == [str(corpus / "bad.wav")]
    assert sorted(tmp_path.iterdir()) == [
        model,
        output,
        tmp_path / "out.csv.failures.csv",
    ]


def test_recordings_of_which_none_can_be_used_are_listed(corpus, models, tmp_path):
    with pytest.raises(SystemExit):
        run("predict", models["model"], corpus / "bad.wav", "-o", tmp_path / "out.csv")
    (log,) = tmp_path.iterdir()
    assert log.name == "out.csv.failures.csv"
    assert list(pd.read_csv(log)["file"]) == [str(corpus / "bad.wav")]


def test_log_of_another_output_is_kept(corpus, features, models, tmp_path):
    log = tmp_path / "calls.failures.csv"  # of an output named calls
    log.write_text("precious")
    arguments = ["predict", models["model"], "--n-jobs", 1, "-o"]
    run(*arguments, tmp_path / "calls.csv", features)
    run(*arguments, tmp_path / "calls.1", corpus / "bad.wav", *corpus.glob("00-a*"))
    run(*arguments, tmp_path / "calls.2", *corpus.glob("00-a*"))
    assert log.read_text() == "precious"
    found = sorted(path.name for path in tmp_path.glob("*.failures.csv"))
    assert found == ["calls.1.failures.csv", log.name]


def test_files_are_predicted_as_their_features(corpus, features, train, capsys):
    model = train(features, "--method", "none")
    file = corpus / "01-anger-0.wav"
    of_file = predict(model, file, corpus / "bad.wav", capsys=capsys)
    assert list(of_file["file"]) == [str(file)]
    of_table = predict(model, features, capsys=capsys)
    assert len(of_table) == 32
    row = of_table[of_table["file"] == file.name]
    assert list(row.iloc[0])[1:] == list(of_file.iloc[0])[1:]


def test_segments_are_rows(corpus, train, features, capsys, tmp_path):
    model = train(features, "--method", "svm")
    rows = [("00-anger-0.wav", 0, 0.1), ("00-anger-0.wav", 0.1, 0.25), ("no.wav", 0, 1)]
    table = pd.DataFrame(rows, columns=["file", "start", "end"])
    table.to_csv(tmp_path / "segments.csv", index=False)
    options = ["--wavs", corpus]
    found = predict(model, tmp_path / "segments.csv", *options, capsys=capsys)
    assert list(found["start"]) == [0, 0.1]
    assert list(found["end"]) == [0.1, 0.25]
    assert list(found) == ["file", "start", "end", "emotion"]
    output = tmp_path / "out.csv"
    arguments = [tmp_path / "segments.csv", *options, "--n-jobs", 1, "-o", output]
    assert run("predict", model, *arguments) == 0
    assert "left out: no.wav 0-1 " in capsys.readouterr().err
    failures = pd.read_csv(f"{output}.failures.csv")
    assert failures[["file", "start", "end"]].values.tolist() == [["no.wav", 0, 1]]


def test_table_of_which_no_file_is_there_names_the_remedy(models, tmp_path, capsys):
    (tmp_path / "calls").mkdir()
    write_corpus(tmp_path / "calls", n_speakers=1, seconds=0.3)
    file = next((tmp_path / "calls").iterdir()).name
    (tmp_path / "calls.csv").write_text(f"file\ncalls\\{file}\n")
    arguments = ["predict", models["model"], tmp_path / "calls.csv", "-o", "-"]
    assert "write / between folders" in error_of(capsys, *arguments)


@pytest.mark.parametrize("form", ["folder", "table"])
def test_pointers_of_git_lfs_are_listed(form, corpus, models, tmp_path):
    os.link(corpus / "00-anger-0.wav", tmp_path / "ok.wav")
    (tmp_path / "pointer.wav").write_bytes(b"version https://git-lfs.github.com/spec")
    table = pd.DataFrame({"file": ["ok.wav", "pointer.wav"]})
    table.to_csv(tmp_path / "calls.csv", index=False)
    source = tmp_path if form == "folder" else tmp_path / "calls.csv"
    output = tmp_path / "out.csv"
    assert run("predict", models["model"], source, "--n-jobs", 1, "-o", output) == 0
    (row,) = pd.read_csv(f"{output}.failures.csv").itertuples()
    assert Path(row.file).name == "pointer.wav"
    assert "git lfs pull" in row.reason


def test_file_whose_name_is_no_unicode_is_left_out(corpus, models, tmp_path, capsys):
    wrong = os.fsencode(tmp_path) + b"/J\xf6rg.wav"
    try:
        os.link(os.fsencode(corpus / "00-anger-0.wav"), wrong)
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    output = tmp_path / "out.csv"
    files = [os.fsdecode(wrong), str(corpus / "00-anger-0.wav")]
    command = ["predict", str(models["model"]), *files, "--n-jobs", "1"]
    assert cli.main([*command, "-o", str(output)]) == 0
    assert list(pd.read_csv(output)["file"]) == files[1:]
    assert "1 file whose name is not UTF-8, such as" in capsys.readouterr().err


def test_features_of_another_rate_are_refused_by_a_step(features, tmp_path, capsys):
    X, labels = read_features(features)
    model = make_pipeline(SpeakerScaler(unknown="adapt"), LogisticRegression())
    model.fit(X, labels["emotion"], speakerscaler__speakers=labels["speaker"])
    advser.save(model, tmp_path / "m.advser")
    other = tmp_path / "other.parquet"
    extract_features(
        corpora.read_table(features.parent / "labels.csv"),
        other,
        extractor=EGeMAPS(sampling_rate=8000, n_jobs=1),
    )
    arguments = ["predict", tmp_path / "m.advser", other, "-o", tmp_path / "out.csv"]
    assert "sampling_rate" in error_of(capsys, *arguments)
    assert run(*arguments[:2], features, *arguments[3:]) == 0


def test_paths_are_checked_before_the_work(
    corpus, features, train, capsys, monkeypatch
):
    model = train(features, "--method", "svm")
    monkeypatch.setattr("advser.audio._extractor.read_recording", None)  # is not called
    capsys.readouterr()
    paths = [corpus / "00-anger-0.wav", corpus / "none.wav", corpus / "no-folder"]
    error = error_of(capsys, "predict", model, *paths, "-o", "-")
    assert error == (
        f"advser predict: error: no such file: {corpus / 'none.wav'}, "
        f"{corpus / 'no-folder'}\n"
    )


@pytest.mark.parametrize("method", ["svm", "logistic"])
def test_missing_probabilities_are_reported(method, features, train, capsys):
    model = train(features, "--method", method)
    capsys.readouterr()
    assert run("predict", model, features, "-o", "-") == 0
    said = capsys.readouterr().err
    assert ("the model estimates no probabilities" in said) == (method == "svm")


@pytest.mark.parametrize("name", ["balance", "shrinkage"])
def test_warnings_name_no_parameter_that_a_command_lacks(name, capsys):
    with usage_errors(Parser()):
        warnings.warn(
            f"It does not adapt. Set `{name}` to 1.", AdaptationWarning, stacklevel=1
        )
    assert capsys.readouterr().err == "It does not adapt.\n"


@pytest.mark.parametrize(
    ("method", "remedy"),
    [
        ("closed_form", "keep the other. The method none has no adversary.\n"),
        ("siamese", "The network is trained without calibration.\n"),
    ],
)
def test_warnings_have_the_remedies_of_commands(
    method, remedy, train, capsys, tmp_path
):
    X = np.random.default_rng(0).normal(size=(12, 2))
    table = pd.DataFrame(X, columns=["f_0", "f_1"])
    table["speaker"], table["emotion"] = [*"aaaabbbbcccc"], [*"xxxxyyyyzzzz"]
    table.to_csv(tmp_path / "table.csv", index=False)
    train(tmp_path / "table.csv", "--features", "f_", "--method", method)
    assert remedy in capsys.readouterr().err


def test_error_of_all_fits_has_its_cause(capsys):
    search = GridSearchCV(LogisticRegression(), {"C": [-1]}, cv=2)
    with pytest.raises(SystemExit), usage_errors(Parser(prog="advser")):
        search.fit(np.arange(8.0).reshape(8, 1), [0, 1] * 4)
    error = capsys.readouterr().err
    assert error.startswith("advser: error: All the 2 fits failed. sklearn.")
    assert error.endswith("in the range (0.0, inf]. Got -1 instead.\n")


def test_output_that_exists_names_the_option(features, tmp_path, capsys):
    error = error_of(capsys, "train", features, "-o", tmp_path)
    assert error.endswith(f"{tmp_path} is a folder; name a new file in it.\n")
    error = error_of(capsys, "extract", features.parent, "-o", features)
    assert error.endswith("exists; remove it, or name another `-o`.\n")
    model = ["--save-best", features, "--out", tmp_path / "results"]
    error = error_of(capsys, "benchmark", *model)
    assert error.endswith("exists; remove it, or name another `--save-best`.\n")


def output_in_latin_1(*arguments):
    """Return what a command writes where the characters of Latin-1 are all there is."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    with redirect_stdout(output):
        assert run(*arguments) == 0
    output.flush()
    return output.buffer.getvalue()


def test_benchmark_escapes_what_standard_output_cannot_write(
    embeddings, tmp_path, capsys
):
    table = pd.read_csv(embeddings / "wide.csv", dtype=str)
    table.replace("anger", "\u6012").to_csv(tmp_path / "table.csv", index=False)
    arguments = [
        tmp_path / "table.csv",
        "--features",
        "emb_",
        "--out",
        tmp_path / "out",
    ]
    arguments += ["--quick", "--methods", "logistic"]
    printed = output_in_latin_1("benchmark", *arguments).decode("latin-1")
    assert r" \u2013 " in printed
    assert "All results are in" in printed
    said = capsys.readouterr().err  # of a font without the character
    assert "the figures lack 1 character such as" in said
    assert "set font.family" in said
    assert "Glyph" not in said
    assert "UserWarning" not in said


def test_predictions_on_standard_output_are_in_utf_8(models, embeddings, tmp_path):
    table = pd.read_csv(embeddings / "wide.csv").assign(file="\u674e.wav")[:1]
    table.to_csv(tmp_path / "table.csv", index=False)
    files = [models["own"], tmp_path / "table.csv"]
    printed = output_in_latin_1("predict", *files, "-o", "-")
    assert pd.read_csv(io.BytesIO(printed))["file"].tolist() == ["\u674e.wav"]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 files"), (1, "1 file"), (1200, "1,200 files")]
)
def test_what_is_counted_is_in_the_plural_unless_it_is_one(number, text):
    assert counted(number, "file") == text


@pytest.mark.parametrize("method", ["logistic", "none"])
def test_model_adapts_in_the_order_of_the_rows(
    method, corpus, features, train, capsys, tmp_path
):
    model = train(features, "--method", method, "--adapt")
    rows = pd.read_parquet(features).sample(frac=1, random_state=0)
    names = {"00": "new", "01": "other", "02": None, "03": None}
    table = rows[["file"]].assign(caller=rows["speaker"].map(names))
    table["file"] = [Path(file).name for file in table["file"]]
    table.to_csv(corpus / "calls.csv", index=False)
    options = ["--speakers", "caller"]
    found = predict(model, corpus / "calls.csv", *options, capsys=capsys)
    assert list(found["file"]) == list(table["file"])
    sessions = advser.Session(advser.load(model))
    average = advser.load(model).set_params(speakerscaler__unknown="population")
    for file, caller, *_, p in found.itertuples(index=False):
        one = [str(corpus / file)]
        if pd.isna(caller):
            expected = average.predict_proba(one)
        else:
            expected = sessions.predict_proba(one, speaker=caller)
        assert p == pytest.approx(expected[0, -1], abs=1e-4)


def test_speakers_with_the_names_of_training_speakers_are_reported(
    features, train, capsys
):
    model = train(features, "--method", "logistic", "--adapt")
    capsys.readouterr()
    run("predict", model, features, "--speakers", "speaker", "-o", "-")
    said = capsys.readouterr().err
    assert "4 speakers with the name of a training speaker, such as 00" in said


def test_speakers_have_one_name_in_any_type_and_form_of_unicode(tmp_path, capsys):
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    model = make_pipeline(SpeakerScaler(unknown="adapt", balance=False), SVC())
    names = ["1", "1", "J\u00f6rg", "J\u00f6rg"]
    model.fit(X, ["joy", "anger"] * 2, speakerscaler__speakers=names)
    advser.save(model, tmp_path / "model.advser")
    files = [tmp_path / "model.advser", tmp_path / "calls.parquet"]
    X.assign(number=[1, None, 2, 2], text="Jo\u0308rg").to_parquet(files[1])
    for column, name in {"number": "1", "text": "J\u00f6rg"}.items():
        with config_context(enable_metadata_routing=True):
            run("predict", *files, "--speakers", column, "-o", "-")
        said = capsys.readouterr().err
        assert f"1 speaker with the name of a training speaker, such as {name}" in said


def test_scaler_of_some_columns_adapts_or_scales_all_alike(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(12, 2)), columns=["a", "b"])
    scaler = SpeakerScaler(unknown="adapt", shrinkage=1, balance=False)
    some = ColumnTransformer([("some", scaler, ["a"])], remainder="passthrough")
    model = make_pipeline(some, LogisticRegression())
    with config_context(enable_metadata_routing=True):
        model.fit(X, ["joy", "anger"] * 6, speakers=np.repeat(["s1", "s2"], 6))
        adapted = model.predict_proba(X + 1, speakers=["new"] * 12)
    advser.save(model, tmp_path / "model.advser")
    model[0].named_transformers_["some"].set_params(unknown="population")
    alike = model.predict_proba(X + 1)
    files = [tmp_path / "model.advser", tmp_path / "calls.csv"]
    (X + 1).assign(caller="new").to_csv(files[1], index=False)
    for options, expected in ([], alike), (["--speakers", "caller"], adapted):
        found = predict(*files, *options, capsys=capsys)
        np.testing.assert_allclose(found["probability_joy"], expected[:, 1], atol=1e-5)


def test_numbers_of_training_speakers_are_not_the_names_of_a_table(tmp_path, capsys):
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    numbers = [1, 1, 2, 2]
    model = make_pipeline(SpeakerScaler(unknown="adapt", balance=False), SVC())
    model.fit(X, ["joy", "anger"] * 2, speakerscaler__speakers=numbers)
    advser.save(model, tmp_path / "model.advser")
    X.assign(speaker=numbers).to_csv(tmp_path / "table.csv", index=False)
    files = [tmp_path / "model.advser", tmp_path / "table.csv"]
    with config_context(enable_metadata_routing=True):
        run("predict", *files, "--speakers", "speaker", "-o", "-")
    said = capsys.readouterr().err
    assert "count as one" not in said
    assert "The speaker '1' is unknown, and 1 is known" in said


@pytest.mark.parametrize("method", ["ridge", "mlp", "none"])
def test_ratings_have_the_names_of_their_targets(method, features, train, capsys):
    model = train(features, "--method", method, "--target", "valence, arousal")
    found = predict(model, features, capsys=capsys)
    assert list(found) == ["file", "valence", "arousal"]
    truth = pd.read_parquet(features)
    assert np.corrcoef(found["arousal"], truth["arousal"])[0, 1] > 0.8
    assert found["valence"].mean() < found["arousal"].mean()


@pytest.mark.parametrize("adapt", [[], ["--adapt"]])
def test_search_chooses_by_folds_of_speakers(adapt, features, train):
    loaded = advser.load(train(features, "--method", "none", "--search", *adapt))
    recordings = load_recordings(features)
    X, y, speakers = recordings.X, recordings.y, recordings.speakers
    first = SpeakerScaler(clip=4) if adapt else StandardScaler()
    best = GridSearchCV(
        make_pipeline(first, clone(loaded[-1])),
        {"adversarialser__alpha": GRIDS["none"]["alpha"]},
        cv=GroupKFold(4),
        scoring="balanced_accuracy",
    )
    with config_context(enable_metadata_routing=True):
        best.fit(X, y, groups=speakers, speakers=speakers)
    assert loaded[-1].alpha == best.best_params_["adversarialser__alpha"]


def test_interrupted_prediction_goes_on(corpus, features, train, tmp_path, monkeypatch):
    model, output = train(features, "--method", "svm"), tmp_path / "out.csv"

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    arguments = ["predict", model, corpus, "--n-jobs", 1, "-o", output]
    with monkeypatch.context() as patch:
        patch.setattr("advser.cli._predict.predicted", interrupt)
        assert run(*arguments) == 130
    assert not output.exists()
    entries = {path.stat().st_mtime_ns for path in tmp_path.glob("*.parts/*")}
    assert len(entries) == 32

    def refuse(*args):
        raise ValueError("is extracted again")

    monkeypatch.setattr("advser.audio._extractor.read_recording", refuse)
    assert run(*arguments) == 0
    assert len(pd.read_csv(output)) == 32
    assert not list(tmp_path.glob("*.parts"))


def test_folder_without_labels_names_what_to_pass(corpus, capsys, tmp_path):
    error = error_of(capsys, "train", corpus, "-o", tmp_path / "m")
    assert f"{corpus} is a folder of recordings without labels" in error
    assert "labels.csv)" in error
    assert f"--wavs {corpus}" in error
    assert "--corpus: cmu-mosei, cremad" in error
    assert not (tmp_path / "m").exists()


def test_benchmark_saves_the_best_model_of_one_recording_at_a_time(
    features, tmp_path, capsys
):
    model = tmp_path / "best.advser"
    options = ["--methods", "svm", "none", "--quick", "--n-jobs", 1]
    options += ["--out", tmp_path / "results", "--save-best", model]
    run("benchmark", features, *options)
    summary = pd.read_csv(tmp_path / "results" / "summary.csv", index_col=0)
    names = {"linear SVM": SVC, "no adversary": AdversarialSER}
    best = summary.loc[[*names], "uar"].idxmax()
    assert isinstance(advser.load(model)[-1], names[best])
    assert f"{model} has the model {best}" in capsys.readouterr().out
    assert len(predict(model, features, capsys=capsys)) == 32


# Features of any origin


@pytest.fixture(scope="module")
def embeddings(features, tmp_path_factory):
    """Folder with the same 20 features in each kind of table, and files that moved."""
    folder = tmp_path_factory.mktemp("embeddings")
    table = pd.read_parquet(features)
    labels = table[["emotion", "speaker"]].assign(age=30)
    X = StandardScaler().fit_transform(table.iloc[:, -40:-20]).astype(np.float32)
    wide = labels.join(pd.DataFrame(X).add_prefix("emb_"))
    wide.to_csv(folder / "wide.csv", index=False)
    wide.assign(file=table["file"].map(os.path.basename)).to_parquet(
        folder / "wide.parquet"
    )
    labels.assign(emb=list(X)).to_parquet(folder / "vectors.parquet")
    arrays = {name: labels[name].to_numpy(str) for name in ("emotion", "speaker")}
    np.savez(folder / "arrays.npz", emb=X, **arrays)
    return folder


TABLES = ["wide.csv", "wide.parquet", "vectors.parquet", "arrays.npz"]


@pytest.mark.parametrize("name", TABLES)
def test_features_of_any_origin_are_used(name, embeddings, train, capsys):
    model = train(embeddings / name, "--features", "emb_", "--method", "logistic")
    said = capsys.readouterr().err
    assert ("has 1 unused numeric column, such as age" in said) == (
        name != "arrays.npz"
    )
    loaded = advser.load(model)
    assert list(loaded.feature_names_in_) == [f"emb_{i}" for i in range(20)]
    X = load_recordings(embeddings / "arrays.npz", features="emb").X
    for other in TABLES:
        found = predict(model, embeddings / other, capsys=capsys)
        assert list(found["emotion"]) == list(loaded.predict(X))
    assert found["file"].iloc[0] == "row 1"


def test_columns_are_selected_by_name_and_prefix():
    names = ["file", "emotion", "emb_0", "emb_1", "emb_10", "embryo", "age"]
    assert select(names, "emb_1,age", "t.csv") == ["emb_1", "age"]
    assert select(names, " emb_1, age", "t.csv") == ["emb_1", "age"]
    assert select(names, "emb_1,emb_", "t.csv") == ["emb_1", "emb_0", "emb_10"]
    assert select(names, "e", "t.csv") == ["emb_0", "emb_1", "emb_10", "embryo"]
    assert select(names, "*_?,age", "t.csv") == ["emb_0", "emb_1", "age"]
    assert select(["0", "1", "10", "x[0]"], "[0-9]*", "t.csv") == ["0", "1", "10"]
    assert select(["0", "1", "10", "x[0]"], "x[0]", "t.csv") == ["x[0]"]
    assert select(["Unnamed: 0", "f"], "*", "t.csv") == ["f"]
    assert select(["Unnamed: 0", "f"], "Unnamed: 0,f", "t.csv") == ["Unnamed: 0", "f"]


def test_row_with_a_missing_feature_is_left_out(embeddings, tmp_path, capsys, train):
    table = pd.read_csv(embeddings / "wide.csv", dtype={"speaker": str})
    table.loc[4, ["emb_3", "emb_5"]] = np.nan
    table.loc[7, "emb_0"] = np.inf
    table.to_csv(tmp_path / "gaps.csv", index=False)
    model = train(tmp_path / "gaps.csv", "--features", "emb", "--method", "logistic")
    said = capsys.readouterr().err
    assert "left out: line 6 has 2 missing or infinite features, such as emb_3" in said
    found = predict(model, tmp_path / "gaps.csv", capsys=capsys)
    assert len(found) == 30
    assert "line 9" not in set(found["file"])
    table = pd.read_parquet(embeddings / "vectors.parquet")
    table.loc[[0, 4], "emb"] = None
    table.to_parquet(tmp_path / "gaps.parquet")
    run("predict", model, tmp_path / "gaps.parquet", "-o", tmp_path / "out.csv")
    said = capsys.readouterr().err
    assert "left out: row 5 has 20 missing or infinite features, such as emb_0" in said
    assert len(pd.read_csv(tmp_path / "out.csv")) == 30


def test_numeric_columns_that_nobody_uses_are_reported(embeddings, capsys, tmp_path):
    output = tmp_path / "m"
    error = error_of(capsys, "train", embeddings / "wide.parquet", "-o", output)
    assert "has 21 unused numeric columns, such as age" in error
    assert "pass `--features`" in error
    table = pd.read_csv(embeddings / "wide.csv", dtype={"speaker": str})
    table.drop(columns="age").to_csv(tmp_path / "index.csv", index_label="Unnamed: 0")
    with pytest.warns(CorpusWarning, match=r"1 unused .* such as Unnamed: 0"):
        X = load_recordings(tmp_path / "index.csv", features="*").X
    assert list(X) == [f"emb_{i}" for i in range(20)]


def test_features_and_emotions_that_are_used_are_printed(
    embeddings, tmp_path, capsys, train
):
    table = pd.read_csv(embeddings / "wide.csv", dtype=str)
    table.replace("happiness", "joy").to_csv(tmp_path / "t.csv", index=False)
    train(tmp_path / "t.csv", "--features", "emb", "--method", "logistic")
    said = capsys.readouterr().err
    assert "features: 20 columns, emb_0 ... emb_19\n" in said
    assert "emotions: anger 8, happiness 8 (joy), neutral 8, sadness 8\n" in said


def test_a_code_of_the_emotion_among_the_features_is_reported(embeddings, tmp_path):
    table = pd.read_csv(embeddings / "wide.csv", dtype={"speaker": str})
    table["emb_code"] = table["emotion"].astype("category").cat.codes
    table["emb_even"] = np.arange(len(table)) % 2
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(CorpusWarning) as caught:
        load_recordings(tmp_path / "t.csv", features="emb")
    codes = [str(w.message) for w in caught if "one emotion" in str(w.message)]
    assert len(codes) == 1
    assert "the feature emb_code has one emotion" in codes[0]


@pytest.mark.parametrize("name", ["split", "Partition"])
def test_a_split_that_is_not_used_is_reported(name, embeddings, tmp_path):
    table = pd.read_csv(embeddings / "wide.csv", dtype={"speaker": str})
    table = table.drop(columns="age")
    table[name] = np.where(table["speaker"] == table["speaker"][0], "test", "train")
    table.to_csv(tmp_path / "t.csv", index=False)
    n_test = (table[name] == "test").sum()
    counts = f"train {len(table) - n_test}, test {n_test} rows"
    match = rf"has the split {name} \({counts}\), which is not used"
    with pytest.warns(CorpusWarning, match=match):
        load_recordings(tmp_path / "t.csv", features="emb")


def test_channels_of_a_table_are_reported(corpus, tmp_path, capsys):
    table = pd.read_csv(corpus / "labels.csv", dtype=str).assign(channel=1)
    table.to_csv(tmp_path / "t.csv", index=False)
    error = error_of(capsys, "extract", tmp_path / "t.csv", "-o", tmp_path / "f.csv")
    run(
        *("extract", tmp_path / "t.csv", "--wavs", corpus),
        *("-o", tmp_path / "f.parquet"),
    )
    assert "has the column channel, which is not used" in capsys.readouterr().err
    assert error


def test_vectors_of_unequal_lengths_are_no_features(
    embeddings, tmp_path, capsys, train
):
    table = pd.read_parquet(embeddings / "vectors.parquet")
    table["votes"] = [["anger"] * (2 + i % 2) for i in range(len(table))]
    table.to_parquet(tmp_path / "t.parquet")
    options = ["--method", "logistic", "--features"]
    train(tmp_path / "t.parquet", *options, "emb")
    error = error_of(
        *(capsys, "train", tmp_path / "t.parquet", *options, "votes"),
        *("-o", tmp_path / "m"),
    )
    assert "vectors of unequal lengths in the column votes" in error


def write(folder, **arrays):
    np.savez(folder / "t.npz", **arrays)
    return folder / "t.npz"


@pytest.mark.parametrize(
    ("make", "columns", "message"),
    [
        (lambda f: f / "none.npz", "emb", "none.npz is no file"),
        (lambda f: f / "wide.csv", "mfcc", "`--features` has 'mfcc'"),
        (lambda f: f / "wide.csv", "emb,", "`--features` has ''"),
        (lambda f: f / "wide.csv", "emotion", "emotion is 'anger', which is no number"),
        (lambda f: write(f, emb=np.ones((2, 3)), emotion=["a"]), "emb", "'emotion': 1"),
        (lambda f: write(f, emb=np.array([{}])), "emb", "cannot be read as npz"),
        (lambda f: f, "emb", "takes neither a folder"),
    ],
)
def test_features_that_cannot_be_used(make, columns, message, embeddings, capsys):
    source, output = make(embeddings), embeddings / "m.advser"
    arguments = ["train", source, "--features", columns, "-o", output]
    error = error_of(capsys, *arguments)
    assert message in error
    assert error.startswith("advser train: error: ")
    assert error.count("\n") == 1
    assert not output.exists()


def test_folder_without_recordings_says_so(models, tmp_path, capsys):
    commands = {"out.csv": ["predict", models["model"]], "out.parquet": ["extract"]}
    for output, command in commands.items():
        arguments = [*command, tmp_path, "-o", tmp_path / output]
        error = error_of(capsys, *arguments)
        assert error.endswith(f"error: {tmp_path} holds no audio files.\n")
    (tmp_path / "a.m4a").touch()
    error = error_of(capsys, *arguments)
    assert "holds no audio files; it has 1 file such as a.m4a: convert" in error


def test_files_of_a_folder_that_are_not_read_are_reported(
    corpus, models, tmp_path, capsys
):
    os.link(corpus / "00-anger-0.wav", tmp_path / "a.wav")
    for name in ("a.m4a", "b.m4a"):
        (tmp_path / name).write_bytes(b"sound")
    found = predict(models["model"], tmp_path, capsys=capsys)
    assert list(found["file"]) == [str(tmp_path / "a.wav")]
    run("predict", models["model"], tmp_path, "-o", tmp_path / "out.csv")
    error = capsys.readouterr().err
    assert f"{tmp_path} has 1 files to convert to WAV (b.m4a)" in error


def test_features_in_a_table_of_files_are_used(features, models, tmp_path, capsys):
    table = pd.read_parquet(features)
    table.attrs = {}
    names = EGeMAPS().feature_names
    table[names] = table[names].to_numpy()[::-1]
    table.to_csv(tmp_path / "table.csv", index=False)
    found = predict(models["model"], tmp_path / "table.csv", capsys=capsys)
    expected = predict(models["model"], features, capsys=capsys)
    assert list(found["emotion"]) == list(expected["emotion"])[::-1]
    assert list(found["emotion"]) != list(expected["emotion"])
    assert found["file"].iloc[0] == table["file"].iloc[0]


def test_files_of_predictions_are_those_of_the_table(corpus, models, capsys, tmp_path):
    files = ["00-anger-0.wav", str(corpus / "01-anger-0.wav"), "./02-anger-0.wav"]
    pd.DataFrame({"file": files}).to_csv(corpus / "mixed.csv", index=False)
    found = predict(models["model"], corpus / "mixed.csv", capsys=capsys)
    assert list(found["file"]) == files
    table = pd.DataFrame({"emb_0": 0, "emb_1": 1, "emb_2": 2, "file": files})
    table.to_csv(corpus / "mixed.csv", index=False)
    found = predict(models["own"], corpus / "mixed.csv", capsys=capsys)
    assert list(found["file"]) == files


def test_table_without_files_and_features_says_what_to_pass(models, tmp_path, capsys):
    for name, remedy in {"wav": "rename the column wav to file", "x": "add it"}.items():
        pd.DataFrame({name: ["a.wav"]}).to_csv(tmp_path / "table.csv", index=False)
        files = [models["model"], tmp_path / "table.csv"]
        error = error_of(capsys, "predict", *files, "-o", "-")
        assert f"lacks the column file; {remedy}, or pass a table with all" in error
        assert "--features" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.advser", "a.wav"], "none.advser is no file"),
        (["{labels}", "a.wav"], "labels.csv is no file of `advser.save`"),
        (["{model}", "{labels}", "a.wav"], "pass one table, or audio files"),
        (["{model}", "a.wav", "--speakers", "x"], "go with a table"),
        (["{model}", "a.wav"], "no such file: a.wav"),
        (["{model}", "{labels}", "--speakers", "x"], "`--speakers` is x, which is no"),
        (["{model}", "{labels}", "--speakers", "speaker"], "train --adapt"),
        (["{model}", "{gemaps}"], "feature_set 'GeMAPSv01b', and those of the model"),
        (["{own}", "a.wav"], "the model does not extract features"),
        (
            ["{own}", "{labels}"],
            "lacks 3 of the 3 features of the model",
        ),
    ],
)
def test_prediction_that_is_not_possible(arguments, message, models, capsys, tmp_path):
    output = tmp_path / "out.csv"
    filled = [argument.format(**models) for argument in arguments]
    error = error_of(capsys, "predict", *filled, "-o", output)
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not output.exists()


@pytest.fixture(scope="module")
def models(corpus, features, embeddings):
    """Files by name: models, labels and features of another set."""
    model, own = corpus / "m.advser", corpus / "own.advser"
    options = ["--method", "svm", "--n-jobs", 1, "-o"]
    run("train", features, *options, model)
    columns = ["--features", "emb_0,emb_1,emb_2"]
    run("train", embeddings / "wide.csv", *columns, *options, own)
    gemaps = corpus / "gemaps.parquet"
    some = ["--feature-set", "GeMAPSv01b", "--n-jobs", 1, "-o", gemaps]
    run("extract", corpus / "labels.csv", *some)
    return {
        "model": str(model),
        "own": str(own),
        "gemaps": str(gemaps),
        "labels": str(corpus / "labels.csv"),
    }


def test_output_is_never_replaced(corpus, capsys, tmp_path, models):
    output = tmp_path / "out"
    output.write_text("precious")
    for arguments in (
        ["train", corpus / "labels.csv", "-o", output],
        ["predict", models["model"], corpus, "-o", output],
        ["benchmark", "--save-best", output, "--out", tmp_path / "new"],
    ):
        assert f"{output} exists" in error_of(capsys, *arguments)
    assert output.read_text() == "precious"
    assert [*tmp_path.iterdir()] == [output]


# Folds and few utterances


def test_folds_are_of_speakers(features, tmp_path, capsys):
    folder = tmp_path / "results"
    options = ["--methods", "svm", "--quick", "--n-jobs", 1, "--out", folder]
    run("benchmark", features, "--folds", 2, *options)
    scores = pd.read_csv(folder / "scores.csv")
    assert sorted(scores["test_speakers"].unique()) == ["00+02", "01+03"]
    assert "speakers left out in 2 folds" in " ".join(capsys.readouterr().out.split())
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["protocol"] == "2 folds of speakers"


def test_more_folds_than_speakers_leave_one_speaker_out(features, tmp_path, capsys):
    folder = tmp_path / "results"
    options = ["--methods", "svm", "--quick", "--n-jobs", 1, "--out", folder]
    run("benchmark", features, "--folds", 100, *options)
    said = capsys.readouterr()
    assert "--folds is 100 and there are 4 speakers, so one speaker is left" in said.err
    assert "leaving one speaker out at a time" in " ".join(said.out.split())
    assert "over the seeds" not in " ".join(said.out.split())
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["protocol"] == "leave one speaker out"


def test_fold_that_leaves_no_speaker_of_an_emotion(features, tmp_path, capsys):
    table = pd.read_parquet(features)
    dropped = table["speaker"].map(
        lambda name: "anger" if name in "01 03" else "neutral"
    )
    is_wanted = table["emotion"] != dropped
    columns = [*table.columns[-88:], "emotion", "speaker"]
    table[is_wanted][columns].to_csv(tmp_path / "t.csv", index=False)
    options = ["--features", table.columns[-1], "--methods", "svm", "--quick"]
    options += ["--out", tmp_path / "results"]
    error = error_of(capsys, "benchmark", tmp_path / "t.csv", "--folds", 2, *options)
    assert "`--folds` 2 puts all speakers of the emotion 'neutral' into one" in error


def test_worst_speaker_has_enough_utterances_to_judge(tmp_path, capsys):
    rng = np.random.default_rng(0)
    speakers = np.repeat(["a", "b", "c", "d"], [20, 20, 9, 20])
    y = np.where(np.arange(69) % 2, "anger", "sadness")
    x = np.where(speakers == "c", -1, 1) * (y == "anger") + 0.3 * rng.normal(size=69)
    X = np.stack([x, rng.normal(size=69)], axis=1)
    comparison = compare({"LR": LogisticRegression()}, X, y, speakers, probes=())
    by_speaker = comparison.by_speaker()["LR"]
    summary = comparison.summary().loc["LR"]
    assert by_speaker.idxmin() == "c"
    assert summary["worst_speaker"] == by_speaker.drop("c").idxmin()
    assert summary["worst_speaker_uar"] == by_speaker.drop("c").min()
    assert summary["few_utterances"] == 1
    assert "leaves out 1 speaker with fewer than 10 utterances" in notes_of(comparison)


def test_patterns_of_features_leave_out_labels_and_targets():
    names = ["file", "emotion", "class", "Subject", "stress", "f0", "f1"]
    assert select(names, "*", "a.csv", ["stress"]) == ["f0", "f1"]
    assert select(names, "class,f", "a.csv") == ["class", "f0", "f1"]
    with pytest.raises(ValueError, match="both name 'stress'"):
        select(names, "f,stress", "a.csv", ["stress"])


def test_predictions_in_another_format_are_refused(models, features, tmp_path, capsys):
    for name in ("out.parquet", "out.xlsx"):
        arguments = ["predict", models["model"], features, "-o", tmp_path / name]
        assert f"{name} must end in .csv" in error_of(capsys, *arguments)


def test_a_model_is_not_written_to_standard_output(features, capsys):
    assert "a model goes to a file" in error_of(capsys, "train", features, "-o", "-")


def test_a_table_with_the_suffix_of_a_text_is_a_table(features, models, tmp_path):
    table = pd.read_parquet(features)
    table.attrs = {}
    table.to_csv(tmp_path / "features.txt", sep="\t", index=False)
    run("predict", models["model"], tmp_path / "features.txt", "-o", tmp_path / "o.csv")
    assert len(pd.read_csv(tmp_path / "o.csv")) == len(table)


def test_a_pipeline_of_extractor_and_network_takes_extracted_features(
    corpus, features, tmp_path
):
    model = make_pipeline(EGeMAPS(), AdversarialSER(None, max_epochs=2, random_state=0))
    files = sorted(map(str, corpus.glob("0*.wav")))
    model.fit(files, [Path(file).name.split("-")[1] for file in files])
    advser.save(model, tmp_path / "m.advser")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run("predict", tmp_path / "m.advser", features, "-o", tmp_path / "a.csv")
        run("predict", tmp_path / "m.advser", files[0], "-o", tmp_path / "b.csv")
    whole, one = (pd.read_csv(tmp_path / f"{name}.csv") for name in "ab")
    row = whole[whole["file"] == Path(files[0]).name].iloc[0]
    assert list(row)[1:] == list(one.iloc[0])[1:]


def test_bytes_of_an_npz_file_are_read_as_unicode(tmp_path):
    words = np.char.encode(["Ärger", "Freude"], "utf-8")
    np.savez(tmp_path / "a.npz", emb=np.zeros((2, 3)), emotion=words)
    assert open_columns(tmp_path / "a.npz")["emotion"].tolist() == ["Ärger", "Freude"]
    np.savez(tmp_path / "b.npz", emotion=np.char.encode(["Ä", "b"], "latin-1"))
    with pytest.raises(ValueError, match="cannot be read as npz, the array emotion: "):
        open_columns(tmp_path / "b.npz")


def test_features_of_a_refused_benchmark_are_not_lost(corpus, tmp_path, capsys):
    pattern = r"(?P<speaker>\d+)-(?P<emotion>[a-z]+)"
    arguments = [corpus, "--pattern", pattern, "--quick", "--methods", "logistic"]
    out = tmp_path / "out"
    run("benchmark", *arguments, "--out", out)
    more = ["--methods", "svm", "--out", out]
    error = error_of(capsys, "benchmark", *arguments, *more)
    assert f"are in {out}.parts; rename this folder" in error
    assert list((tmp_path / "out.parts").iterdir())


def test_a_damaged_npz_file_is_named(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz", emb=np.random.default_rng(0).random((40, 8))
    )
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[100] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read as npz"):
        open_columns(tmp_path / "a.npz")


def test_extraction_works_without_standard_error(corpus, tmp_path):
    code = "import sys; sys.stderr = None; from advser.cli import main; main()"
    command = [sys.executable, "-c", code, "extract", str(corpus), "-o"]
    subprocess.run([*command, str(tmp_path / "a.parquet")], check=True)
    assert (tmp_path / "a.parquet").is_file()


def test_segments_of_one_file_have_speakers_of_numbers(train, features, corpus, capsys):
    model = train(features, "--method", "logistic", "--adapt")
    calls = pd.DataFrame(
        {"file": "01-anger-0.wav", "start": [0, 0.1], "end": [0.2, 0.3]}
    ).assign(caller=["7", "8.0"])
    calls.to_csv(corpus / "calls.csv", index=False)
    options = ["--speakers", "caller"]
    found = predict(model, corpus / "calls.csv", *options, capsys=capsys)
    assert found["start"].tolist() == [0, 0.1]
