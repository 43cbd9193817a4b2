"""The command line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from layouts import write_audio, write_iemocap
from matplotlib.image import imread
from speech import EMOTIONS, spoil, write_corpus

import advser
from advser import cli
from advser.audio import read_features
from advser.cli._benchmark import EPILOG
from advser.cli._methods import CLASSIFIERS, METHODS, REGRESSORS
from advser.cli._sources import READERS
from advser.speakers._knowledge import KINDS

TABLES = ["scores.csv", "predictions.csv", "leakage.csv", "summary.csv"]
TABLES += ["pairwise.csv", "comparison.json"]
pytestmark = pytest.mark.filterwarnings("ignore::advser.AdaptationWarning")
FIGURES = ["uar.png", "leakage.png", "confusion.png", "embedding.png"]
KEPT = "; what was finished is kept"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Options of a small corpus with a file that is not audio."""
    folder = tmp_path_factory.mktemp("corpus")
    table = write_corpus(folder, n_takes=2, seconds=0.3)
    table["file"] = [file.split("/")[-1] for file in table["file"]]
    (folder / "bad.wav").write_bytes(b"no audio")
    table.loc[len(table)] = ["bad.wav", "00", "anger", 0]
    table.to_csv(folder / "labels.csv", index=False)
    return ["--wavs", str(folder), "--labels", str(folder / "labels.csv")]


def run(*arguments):
    return cli.main(["benchmark", "--n-jobs", "1", *map(str, arguments)])


def error_of(arguments, capsys):
    """Return the message of a command that ends because of a wrong option."""
    with pytest.raises(SystemExit) as exit_:
        run(*arguments)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_benchmark_of_the_bundled_corpus_fills_the_folder(tmp_path, capsys):
    folder = tmp_path / "results"
    assert run("--quick", "--methods", "svm", "--out", folder) == 0
    scores = pd.read_csv(folder / "scores.csv", dtype={"test_speakers": str})
    assert list(scores.groupby("estimator").size()) == [10] * 5
    assert scores["test_speakers"].nunique() == 10
    assert set(scores["kind"]) == set(KINDS)
    summary = pd.read_csv(folder / "summary.csv", index_col="estimator")
    uar = summary["uar"]
    for known in ("per speaker", "adaptive, random", "adaptive, blocks"):
        assert uar[f"linear SVM, {known}"] > uar["linear SVM"] > 0.7
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["seeds"] == [0]
    assert settings["versions"]["scikit-learn"]
    assert settings["seconds"] > 0
    for name in FIGURES:
        assert imread(folder / name).std() > 0.05
    printed = capsys.readouterr().out
    assert (folder / "table.md").read_text().strip() in printed
    assert "transductive" in printed
    assert str(folder) in printed


def test_benchmark_of_own_files_drops_the_bad_one(corpus, tmp_path, capsys):
    folder = tmp_path / "results"
    options = ["--quick", "--seeds", 2, "--methods", "none", "svm", "--out", folder]
    assert run(*corpus, *options) == 0
    predictions = pd.read_csv(folder / "predictions.csv")
    per_run = predictions.groupby(["estimator", "seed"]).size()
    assert list(per_run.unique()) == [24]
    assert len(per_run) == 12  # two seeds of two networks and three orders; two SVMs
    assert "bad.wav" not in set(predictions["sample"])
    assert pd.read_csv(folder / "failures.csv")["file"].tolist() == ["bad.wav"]
    assert "left out: bad.wav" in capsys.readouterr().err
    assert all((folder / name).exists() for name in TABLES + FIGURES)
    # The same command fits nothing; another one does not change the folder.
    before = (folder / "scores.csv").read_bytes()
    assert run(*corpus, *options) == 0
    assert (folder / "scores.csv").read_bytes() == before
    options[2] = 3
    assert "estimators.no adversary.seeds" in error_of([*corpus, *options], capsys)
    options[2:6] = [2, "--methods", "none"]
    error = error_of([*corpus, *options], capsys)
    assert "that includes 'linear SVM', and this one does not. Name another" in error
    options[4:5] = ["none", "svm", "logistic"]
    error = error_of([*corpus, *options], capsys)
    assert "does not include 'logistic regression', and this one does. Name" in error
    assert (folder / "scores.csv").read_bytes() == before
    assert cli.main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "bad.wav" in page
    assert "image/png" in page  # the embeddings


def test_benchmark_after_an_error_extracts_nothing_again(tmp_path, capsys):
    table = write_corpus(tmp_path, seconds=0.3)
    table = table[~table["file"].str.endswith("02-anger-0.wav")]
    table.to_csv(tmp_path / "labels.csv", index=False)
    first = tmp_path / "00-anger-0.wav"
    sound = first.read_bytes()
    first.write_bytes(b"no audio")
    options = ["--quick", "--methods", "logistic", "--out", tmp_path / "out"]
    error = error_of([tmp_path / "labels.csv", *options], capsys)
    assert "without 1 unusable file, so no speaker is left" in error
    assert len(list(tmp_path.glob("out.parts/*.features"))) == 10
    for file in table["file"]:
        spoil(file)
    first.write_bytes(sound)
    assert run(tmp_path / "labels.csv", *options) == 0
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert predictions["sample"].nunique() == 11
    assert not (tmp_path / "out.parts").exists()


def test_benchmark_of_few_utterances_skips_the_leakage(tmp_path):
    table = write_corpus(tmp_path, seconds=0.3)
    table = table[table["take"].eq(0) & ~table["emotion"].eq("neutral")]
    table.to_csv(tmp_path / "labels.csv", index=False)
    folder = tmp_path / "results"
    corpus = ["--wavs", tmp_path, "--labels", tmp_path / "labels.csv"]
    assert run(*corpus, "--quick", "--methods", "logistic", "--out", folder) == 0
    assert not (folder / "leakage.csv").exists()
    assert {file.name for file in folder.glob("*.png")} == {"uar.png", "confusion.png"}


def test_benchmark_without_matplotlib_finishes_and_says_what_to_install(
    corpus, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder = tmp_path / "results"
    assert run(*corpus, "--quick", "--methods", "svm", "--out", folder) == 0
    assert "pip install 'advser[plots]'" in capsys.readouterr().out
    assert all((folder / name).exists() for name in TABLES)
    assert not any((folder / name).exists() for name in FIGURES)


def test_benchmark_never_writes_into_a_folder_with_something_in_it(tmp_path, capsys):
    (tmp_path / "scores.csv").write_text("precious")
    assert "not an empty folder" in error_of(["--out", tmp_path], capsys)
    file = tmp_path / "scores.csv"
    assert "not an empty folder" in error_of(["--out", file], capsys)
    assert file.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wavs", "folder"], "--wavs, --corpus and --pattern describe a SOURCE"),
        (["--pattern", "(?P<speaker>)"], "--pattern describe a SOURCE: pass it"),
        ([".", "--pattern", "("], "`pattern` is no regular expression"),
        ([".", "--pattern", "a", "--corpus", "urdu"], "not allowed with argument"),
        (["--wavs", "nowhere", "--labels", "none.csv"], "none.csv"),
        (["a.csv", "--labels", "b.csv"], "pass one of them"),
        (["nowhere", "--corpus", "emodb"], "'nowhere', which is no folder"),
        (["corpus", "--corpus", "fau-aibo"], "invalid choice: 'fau-aibo'"),
        (["none.parquet"], "none.parquet"),
        (
            ["--emotions", "fear", "anger"],
            "`--emotions` has ['fear'], which EmoDB does not have",
        ),
        (["--feature-set", "ComParE_2016"], "--feature-set describe a SOURCE"),
        (["--methods", "rf"], "invalid choice: 'rf'"),
        (["--seeds", "0"], "0 is not positive"),
        (["--seeds", "many"], "'many' is no whole number"),
        (["--folds", "x"], "'x' is no whole number"),
    ],
)
def test_wrong_options_end_with_2_and_a_reason(
    options, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert message in error_of(options, capsys)
    assert not any(tmp_path.iterdir())


def test_help_names_the_methods_and_the_corpora():
    assert set(METHODS) == {*CLASSIFIERS, *REGRESSORS}
    assert all(f"  {method} " in EPILOG for method in CLASSIFIERS)
    assert ", ".join(REGRESSORS) in EPILOG
    assert all(corpus in EPILOG for corpus in READERS)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["benchmark", "--help"], ["extract", "--help"]]
)
def test_help_names_the_options(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert arguments[0].removeprefix("--help") in printed
    assert ("--quick" in printed) == (arguments[0] == "benchmark")
    assert ("--output" in printed) == (arguments[0] == "extract")
    assert ("leave out rows without one" in printed) == (arguments[0] != "--help")


def test_version_by_python_m():
    command = [sys.executable, "-m", "advser", "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"advser {advser.__version__}\n"


def extract(*arguments):
    return cli.main(["extract", "--n-jobs", "1", *map(str, arguments)])


def test_extract_keeps_the_good_and_lists_the_bad(corpus, tmp_path, capsys):
    output = tmp_path / "features.parquet"
    source = [corpus[3], *corpus[:2]]  # the table, and where its files are
    assert extract(*source, "-o", output) == 0
    printed = capsys.readouterr()
    assert f"{output} has the features of 24 of 25 recordings" in printed.out
    assert "left out: " in printed.err
    assert "bad.wav cannot be read as audio" in printed.err
    assert "eGeMAPSv02: 100%, 25 of 25 recordings" in printed.err
    failures = pd.read_csv(tmp_path / "features.parquet.failures.csv")
    assert failures["file"].str.endswith("bad.wav").tolist() == [True]
    X, labels = read_features(output)
    assert X.shape == (24, 88)
    assert list(labels["emotion"].unique()) == list(EMOTIONS)
    with pytest.raises(SystemExit):
        extract(*source, "-o", output)
    assert f"{output} exists" in capsys.readouterr().err


def test_benchmark_of_extracted_features_is_that_of_the_recordings(corpus, tmp_path):
    features = tmp_path / "features.parquet"
    extract(corpus[3], *corpus[:2], "-o", features)
    options = ["--quick", "--methods", "logistic", "--out"]
    assert run(features, *options, tmp_path / "fast") == 0
    assert run(*corpus, *options, tmp_path / "slow") == 0
    fast, slow = (
        (tmp_path / folder / "predictions.csv").read_text()
        for folder in ("fast", "slow")
    )
    assert fast == slow


def test_extract_of_a_partial_copy_lists_missing_files(tmp_path, capsys):
    write_iemocap(tmp_path)
    next(tmp_path.glob("Session5/sentences/wav/*/*M000.wav")).unlink()
    output = tmp_path / "features.parquet"
    assert extract(tmp_path, "--corpus", "iemocap", "-o", output) == 0
    printed = capsys.readouterr()
    assert "1 missing audio files (Ses05M_script03_2b_M000)" in printed.err
    assert "Warning" not in printed.err
    assert "7 of 7 recordings" in printed.out
    assert read_features(output)[1]["label"].tolist()[:3] == ["neu", "fru", "xxx"]


def test_extract_with_a_pattern_reads_the_labels(tmp_path, capsys):
    for name in ("03/Happy_1.wav", "04/sad_1.wav", "04/sad_\x1b[31m.wav"):
        write_audio(tmp_path, "mine", name)
    (tmp_path / "mine/04/sad_\x1b[31m.wav").write_bytes(b"no audio")
    output = tmp_path / "features.parquet"
    pattern = r"(?P<speaker>\d+)/(?P<emotion>\w+?)_"
    assert extract(tmp_path / "mine", "--pattern", pattern, "-o", output) == 0
    labels = read_features(output)[1]
    assert labels["emotion"].tolist() == ["happiness", "sadness"]
    assert labels["speaker"].tolist() == ["03", "04"]
    printed = capsys.readouterr().err
    assert r"sad_\x1b[31m.wav" in printed
    assert "\x1b" not in printed


def interrupt(command, has_begun):
    """Send Ctrl-C to a command once it has begun, and check how it ends."""
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while not has_begun():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        error = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert KEPT in error
    assert "Traceback" not in error
    return error


def test_extract_after_ctrl_c_goes_on_where_it_stopped(tmp_path):
    for file in write_corpus(tmp_path, n_speakers=4, seconds=0.4)["file"]:
        for copy in range(5):
            os.link(file, f"{file[:-4]}-{copy}.wav")
    output = tmp_path / "features.parquet"
    command = [sys.executable, "-m", "advser", "extract", str(tmp_path)]
    command += ["-o", str(output), "--n-jobs", "2"]
    parts = tmp_path / "features.parquet.parts"
    interrupt(command, lambda: list(parts.glob("*.features")))
    n_done = len(list(parts.glob("*.features")))
    assert 0 < n_done < 96
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "96 of 96 recordings" in done.stdout
    assert "100%, 96 of 96 recordings" in done.stderr
    assert "\r" not in done.stderr
    X, _ = read_features(output)
    assert len(X) == 96
    assert not parts.exists()


def test_ctrl_c_keeps_what_was_finished_and_scores_no_half_trained_network(tmp_path):
    folder = tmp_path / "results"
    command = [sys.executable, "-m", "advser", "benchmark", "--methods", "none"]
    command += ["--n-jobs", "1", "--seeds", "50", "--out", str(folder)]
    error = interrupt(command, (folder / "scores.csv").exists)
    assert f"to go on, repeat the command with --out {folder}\n" in error
    n_scored = pd.read_csv(folder / "scores.csv")["n_samples"].sum()
    assert 0 < n_scored == len(pd.read_csv(folder / "predictions.csv"))
    assert json.loads((folder / "settings.json").read_text())["seconds"] is None


# Ratings


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Features of four speakers in two sessions, with two ratings."""
    folder = tmp_path_factory.mktemp("rated")
    table = write_corpus(folder, n_speakers=4, n_takes=2, seconds=0.3)
    arousal = {"anger": 5, "happiness": 4, "neutral": 2, "sadness": 1}
    table["arousal"] = table["emotion"].map(arousal) + 0.1 * table["take"]
    table["valence"] = table["emotion"].eq("happiness") + 0.1 * table["take"]
    table["session"] = table["speaker"].map(
        {"00": "1", "01": "1", "02": "2", "03": "2"}
    )
    table.loc[3, "valence"] = None
    table.loc[5, ["arousal", "valence"]] = None
    table.to_csv(folder / "ratings.csv", index=False)
    features = folder / "features.parquet"
    assert cli.main(["extract", str(folder / "ratings.csv"), "-o", str(features)]) == 0
    return features


def test_benchmark_of_ratings_fills_the_folder(rated, tmp_path, capsys):
    folder = tmp_path / "results"
    methods = ["closed_form", "ridge", "svr", "dummy"]
    options = ["--target", "arousal,valence", "--quick", "--out", folder]
    options += ["--methods", *methods]
    assert run(rated, *options) == 0
    summary = pd.read_csv(folder / "summary.csv", index_col="estimator")
    assert len(summary) == 2 * len(methods) + 2  # closed form and ridge adapt, too
    assert set(summary["kind"]) == {"inductive", "adaptive, random", "transductive"}
    header = (folder / "table.md").read_text().partition("\n")[0]
    assert header.index("CCC, mean") < header.index("CCC, arousal")
    ccc = summary["ccc_arousal"]
    assert ccc["ridge regression"] > ccc["mean of the training ratings"]
    assert summary["leakage_logistic"].notna().all()
    assert set(pd.read_csv(folder / "pairwise.csv")["other"]) == {
        "ridge regression",
        "ridge regression, adaptive",
        "ridge regression, per speaker",
    }
    predictions = pd.read_csv(folder / "predictions.csv", dtype={"speaker": str})
    assert predictions["y_pred_valence"].notna().all()
    per_run = predictions.groupby("estimator").size()
    assert list(per_run.unique()) == [31]  # one of 32 has no rating
    for name in ("ccc.png", "leakage.png", "rated.png"):
        assert imread(folder / name).std() > 0.05
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["protocol"] == "leave one speaker out"
    printed = capsys.readouterr()
    assert (folder / "table.md").read_text().strip() in printed.out
    assert "left out: 1 recording without a rating, or without a spe" in printed.err
    assert run(rated, *options) == 0  # goes on, with nothing left to do
    assert (folder / "table.md").read_text().strip() in capsys.readouterr().out
    assert cli.main(["report", str(folder)]) == 0
    assert "rated for arousal, valence" in (folder / "report.html").read_text()


def test_whole_numbers_are_ratings_and_no_emotions_to_adapt_to(rated, tmp_path):
    X, labels = read_features(rated)
    labels["arousal"] = labels["arousal"].fillna(3).round().astype(int)
    table = X.join(labels[["speaker", "arousal"]]).reset_index()
    table.to_csv(tmp_path / "whole.csv", index=False)
    command = ["train", tmp_path / "whole.csv", "--target", "arousal", "--adapt"]
    command += ["--features", ",".join(X.columns[:8]), "--method", "ridge"]
    command += ["--n-jobs", 1, "-o", tmp_path / "model.advser"]
    assert cli.main([*map(str, command)]) == 0
    scaler = advser.load(tmp_path / "model.advser")[0]
    assert scaler.balance_ is False
    assert np.isfinite(scaler.shrinkage_).any()


def test_linear_models_choose_by_the_speakers_with_ratings(rated, tmp_path):
    X, labels = read_features(rated)
    # One speaker has no rating of the valence, and one has a single one.
    labels.loc[labels["speaker"] == "00", "valence"] = None
    several = labels.index[labels["speaker"] == "01"][1:]
    labels.loc[several, "valence"] = None
    table = X.join(labels[["speaker", "arousal", "valence"]]).reset_index()
    table.to_csv(tmp_path / "few.csv", index=False)
    command = ["train", tmp_path / "few.csv", "--target", "arousal,valence"]
    command += ["--features", ",".join(X.columns[:8]), "--n-jobs", 1]
    for method in ("ridge", "svr"):
        model = tmp_path / f"{method}.advser"
        assert cli.main([*map(str, [*command, "--method", method, "-o", model])]) == 0
    table["valence"] = table["valence"].where(table["speaker"] == "02")
    table.to_csv(tmp_path / "few.csv", index=False)  # one speaker: nothing to choose by
    command += ["--method", "ridge", "-o", tmp_path / "one.advser"]
    assert cli.main([*map(str, command)]) == 0


def test_benchmark_of_ratings_leaves_sessions_out(rated, tmp_path):
    folder = tmp_path / "results"
    options = ["--target", "arousal", "--leave-out", "session", "--quick"]
    assert run(rated, *options, "--methods", "ridge", "none", "--out", folder) == 0
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["protocol"] == "leave one session out"
    scores = pd.read_csv(folder / "scores.csv")
    assert len(scores) == (3 + 2) * 2  # ridge regression adapts, too
    assert set(scores["test_speakers"]) == {"00+01", "02+03"}


def test_benchmark_of_ratings_leaves_other_results_alone(rated, tmp_path, capsys):
    files = [tmp_path / name for name in ("comparison.json", "settings.json")]
    for file in files:
        file.write_text("{}")
    options = ["--target", "arousal", "--out", tmp_path]
    error = error_of([rated, *options], capsys)
    assert f"`{files[0]}` is damaged or foreign: data is missing" in error
    assert sorted(tmp_path.iterdir()) == files
    assert {file.read_text() for file in files} == {"{}"}


def test_sessions_that_share_their_speakers_cannot_be_left_out(tmp_path, capsys):
    table = write_corpus(tmp_path, n_speakers=3, n_takes=2, seconds=0.3)
    table["arousal"], table["session"] = table["take"], table["take"]
    table.to_csv(tmp_path / "ratings.csv", index=False)
    options = ["--target", "arousal", "--leave-out", "session"]
    options += ["--out", tmp_path / "new"]
    error = error_of([tmp_path / "ratings.csv", *options], capsys)
    assert "has 0 speakers outside session" in error


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--target", "arousal,joy"], "has no 'joy'"),
        (["--target", "arousal", "--methods", "svm"], "svm is no method with --target"),
        (["--target", "arousal", "--emotions", "anger"], "no --emotions"),
        (["--leave-out", "session"], "goes with --target"),
    ],
)
def test_options_of_ratings_that_do_not_fit(options, error, rated, tmp_path, capsys):
    assert error in error_of([rated, *options, "--out", tmp_path / "new"], capsys)


@pytest.mark.parametrize(
    ("arguments", "raised", "kept"),
    [
        (["benchmark"], "KeyboardInterrupt", KEPT),
        (["benchmark"], "RuntimeError('of a library')", KEPT),
        (["predict", "m", "a.wav", "-o", "p.csv"], "KeyboardInterrupt", KEPT),
        (["predict", "m", "a.wav", "-o", "-"], "KeyboardInterrupt", ""),
        (["report", "results"], "KeyboardInterrupt", ""),
    ],
)
def test_ctrl_c_during_the_imports_ends_without_a_traceback(arguments, raised, kept):
    code = (
        "import builtins, signal\n"
        "original = builtins.__import__\n"
        "def interrupt(name, *args, **kwargs):\n"
        "    if name == 'torch':\n"
        "        try:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "        except KeyboardInterrupt:\n"
        f"            raise {raised}\n"
        "    return original(name, *args, **kwargs)\n"
        "builtins.__import__ = interrupt\n"
        "import runpy, sys\n"
        f"sys.argv = ['advser', *{arguments}]\n"
        "runpy.run_module('advser', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == f"interrupted{kept}\n"
