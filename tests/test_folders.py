"""The folder of a comparison: damage is named, interrupts lose nothing finished."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from baselines import LR
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from advser import AdversarialSER, SpeakerScaler
from advser._locks import locked
from advser.evaluation import (
    Comparison,
    adaptation_curve,
    compare,
    cross_corpus,
    enrollment_curve,
)
from advser.evaluation._jobs import Job, _bundles

GUESS = DummyClassifier(strategy="most_frequent", random_state=0)
UNTIL = 60  # seconds to wait for a process


@pytest.fixture
def folder(toy, tmp_path):
    """Write a comparison of two estimators, four folds each."""
    folder = tmp_path / "results"
    compare({"LR": LR, "guess": GUESS}, *toy, probes=["knn"], folder=folder)
    return folder


def resume(toy, folder):
    return compare({"LR": LR, "guess": GUESS}, *toy, probes=["knn"], folder=folder)


def test_a_saved_comparison_is_read_as_it_was(folder, tmp_path):
    comparison = Comparison.load(folder)
    comparison.save(tmp_path / "a" / "copy")
    copy = Comparison.load(tmp_path / "a" / "copy")
    pd.testing.assert_frame_equal(copy.summary(), comparison.summary())
    assert copy.settings == comparison.settings


def change(file, number, edit):
    lines = file.read_bytes().split(b"\n")
    lines[number] = edit(lines[number])
    file.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("scores", lambda line: b"LR,0", r"line 3: 2 values instead of \d+"),
        ("scores", lambda line: line + b",1", r"line 3: \d+ values instead"),
        ("scores", lambda line: line.replace(b"0,1", b"0,x", 1), "line 3: fold is 'x'"),
        ("scores", lambda line: line.replace(b"0,1", b"0,7", 1), "line 3: fold is '7'"),
        ("scores", lambda line: line.replace(b"LR", b"RL"), "line 3: estimator is"),
        ("scores", lambda line: line.replace(b"inductive", b"no"), "kind is 'no'"),
        ("scores", lambda line: line.replace(b"0,1", b"0,0", 1), "occurs twice"),
        (
            "predictions",
            lambda line: b"\xff\xfe" + line,
            r"predictions.csv`, line 3: 'utf",
        ),
        ("predictions", lambda line: b'a"b,"c"d', r"line 3: "),
        ("leakage", lambda line: line.replace(b"knn,0", b"knn,o"), "accuracy is 'o"),
        ("leakage", lambda line: line.replace(b"knn,0", b"knn,7"), "accuracy is '7"),
    ],
)
def test_a_damaged_row_is_named_and_its_repair_keeps_the_others(
    name, edit, message, toy, folder
):
    file = folder / f"{name}.csv"
    before = file.read_bytes()
    expected = Comparison.load(folder)
    change(file, 2, edit)
    assert file.read_bytes() != before
    for read in (Comparison.load, lambda folder: resume(toy, folder)):
        with pytest.raises(ValueError, match=message) as error:
            read(folder)
        assert str(file) in str(error.value)
        assert "remove this row" in str(error.value)
    file.write_bytes(b"\n".join(np.delete(before.split(b"\n"), 2)))
    found = resume(toy, folder)
    pd.testing.assert_series_equal(found.summary()["uar"], expected.summary()["uar"])


@pytest.mark.parametrize("name", ["scores", "predictions", "leakage", "errors"])
def test_a_foreign_table_is_named_and_a_header_alone_has_no_rows(name, toy, folder):
    file = folder / f"{name}.csv"
    file.write_text("word,count\nthe,3\n")
    with pytest.raises(ValueError, match=rf"{name}.csv` has no column"):
        Comparison.load(folder)
    with pytest.raises(ValueError, match=rf"{name}.csv` has no column"):
        resume(toy, folder)
    file.write_text("")
    expected = resume(toy, folder)
    if file.exists():
        header = file.read_text().split("\n")[0]
        file.write_text(f"{header}\n")
    summary = Comparison.load(folder).summary()
    assert summary["seeds"].max() == (name not in ("scores", "predictions"))
    pd.testing.assert_series_equal(
        resume(toy, folder).summary()["uar"], expected.summary()["uar"]
    )


@pytest.mark.parametrize(
    ("name", "number", "old", "new"),
    [
        ("predictions", 1, ",anger", ",sadness"),
        ("predictions", 2, "neutral,", "anger,"),
        ("scores", 3, "0.", "0.1"),
    ],
)
def test_scores_and_predictions_that_disagree_are_refused(
    name, number, old, new, toy, folder
):
    expected = Comparison.load(folder).summary()
    file = folder / f"{name}.csv"
    lines = file.read_text().split("\n")
    number = next(i for i in range(number, len(lines)) if old in lines[i])
    lines[number] = lines[number].replace(old, new)
    file.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"has uar = .* predictions.csv have") as error:
        Comparison.load(folder)
    key = re.search(r"scores.csv`: '(.*?)', seed (.*?), fold (.*?) ", str(error.value))
    estimator, seed, fold = key.groups()
    lines = (folder / "scores.csv").read_text().split("\n")
    kept = [
        line for line in lines if not re.match(rf"{estimator},\w+,{seed},{fold},", line)
    ]
    assert len(kept) == len(lines) - 1
    (folder / "scores.csv").write_text("\n".join(kept))
    found = resume(toy, folder).summary()
    pd.testing.assert_series_equal(found["uar"], expected["uar"])


@pytest.mark.parametrize("column", ["high", "majority", "n_speakers"])
def test_a_column_that_is_missing_is_named(column, folder):
    table = pd.read_csv(folder / "leakage.csv")
    table.drop(columns=column).to_csv(folder / "leakage.csv", index=False)
    with pytest.raises(ValueError, match=f"leakage.csv` has no column '{column}'"):
        Comparison.load(folder)


def test_a_row_that_a_power_cut_has_shortened_is_left_out(toy, folder):
    file = folder / "scores.csv"
    content = file.read_bytes()
    for cut in (b"0.", b",", b'"LR'):
        file.write_bytes(content[: content.rindex(b"\n", 0, -1) + 1] + cut)
        assert list(Comparison.load(folder).summary()["seeds"]) == [1, 0]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[:200], "damaged or no JSON"),
        (lambda text: "[1, 2]", "its content is .* not of type dict"),
        (lambda text: "{}", "data is missing"),
        (lambda text: json.dumps(json.loads(text) | {"data": None}), "data is None"),
        (lambda text: text.replace('"n_folds": 4', '"n_folds": "4"'), "n_folds is '4'"),
        (
            lambda text: text.replace('"n_folds": 4', '"n_folds": true'),
            "n_folds is True",
        ),
        (
            lambda text: text.replace('"n_samples": 120', '"n_samples": "<b>"'),
            "n_samples",
        ),
        (
            lambda text: text.replace('"seeds": [\n', '"seeds": [\n"<b>",'),
            "seeds is '<b>'",
        ),
        (lambda text: "[" * 100_000, "damaged or no JSON"),
    ],
)
def test_damaged_settings_are_named(edit, message, toy, folder):
    file = folder / "comparison.json"
    text = file.read_text()
    file.write_text(edit(text))
    for read in (Comparison.load, lambda folder: resume(toy, folder)):
        with pytest.raises(ValueError, match=message) as error:
            read(folder)
        assert str(file) in str(error.value)
    file.write_bytes(text.encode("utf-16"))
    with pytest.raises(ValueError, match=r"comparison.json` is damaged"):
        Comparison.load(folder)


def test_any_name_of_a_file_comes_back_from_the_folder(toy, tmp_path):
    names = [f"{number}" for number in range(120)]
    names[5] = "\udcff.wav"  # not UTF-8, as Python reads it from the disk
    names[:5] = ["a\rb.wav", "a\nb.wav", 'a",b\r\n.wav', "\u2028.wav", "\x00\x1b.wav"]
    X = pd.DataFrame(toy.X, index=pd.Index(names, dtype=object)).add_prefix("f")
    data = {"X": X, "y": toy.y, "speakers": toy.speakers, "probes": ()}
    found = compare({"LR": LR}, **data, folder=tmp_path)
    names[5] = r"\udcff.wav"
    assert set(found.predictions["sample"]) == set(names)
    loaded = Comparison.load(tmp_path).predictions
    assert list(loaded["sample"]) == list(found.predictions["sample"])
    again = compare({"LR": LR}, **data, folder=tmp_path)
    pd.testing.assert_frame_equal(again.predictions, found.predictions)
    seconds = again.scores["fit_seconds"]
    assert list(seconds) == list(found.scores["fit_seconds"])  # nothing is done again


class Other(GaussianNB):
    """Predicts the emotions as values of another type, which are equal."""

    def __init__(self, kind=None):
        super().__init__()
        self.kind = kind

    def predict(self, X):
        """Return the emotions."""
        return self.kind(super().predict(X))


@pytest.mark.parametrize(
    "kind",
    [np.float64, np.uint8, pd.Series, lambda y: y[:, None], lambda y: y.astype(object)],
    ids=["floats", "uint8", "Series", "a column", "objects"],
)
@pytest.mark.parametrize("y_type", [int, bool])
def test_predictions_of_another_type_come_back_from_the_folder(
    kind, y_type, toy, tmp_path
):
    y = (toy.y == toy.y[0]).astype(y_type)
    data = {"X": toy.X, "y": y, "speakers": toy.speakers, "probes": (), "seeds": 1}
    found = compare({"NB": Other(kind)}, **data, folder=tmp_path)
    assert found.summary()["uar"].equals(
        compare({"NB": GaussianNB()}, **data).summary()["uar"]
    )
    loaded = Comparison.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.summary(), found.summary())


def test_a_set_among_the_parameters_has_no_order(toy, tmp_path):
    for names in ({0, 8}, {8, 0}):  # shown in the order in which they were added
        step = FunctionTransformer(_first, kw_args={"names": names})
        compare(
            {"LR": make_pipeline(step, LR)}, *toy, probes=(), seeds=1, folder=tmp_path
        )


def _first(X, names):
    return X[:, : len(names)]


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2020-01-01", periods=120),
        np.arange(120) / 8,
        pd.MultiIndex.from_product([["a", "b"], range(60)]),
    ],
    ids=["dates", "floats", "pairs"],
)
def test_any_index_comes_back_from_the_folder(index, toy, tmp_path):
    X = pd.DataFrame(toy.X, index=index).add_prefix("f")
    data = {"X": X, "y": toy.y, "speakers": toy.speakers, "probes": (), "seeds": 1}
    found = compare({"LR": LR}, **data, folder=tmp_path)
    again = compare({"LR": LR}, **data, folder=tmp_path)
    pd.testing.assert_frame_equal(again.predictions, found.predictions)


@pytest.mark.parametrize("name", ["y", "speakers", "estimators"])
def test_a_label_that_no_file_can_hold_is_refused(name, toy, tmp_path):
    arguments = {"estimators": {"LR": LR}, **toy._asdict()}
    if name == "estimators":
        arguments[name] = {"\ud800": LR}
    else:
        arguments[name] = ["\ud800", *arguments[name][1:]]
    with pytest.raises(ValueError, match=f"`{name}` holds .* no valid Unicode"):
        compare(**arguments, probes=(), folder=tmp_path)


def test_the_failed_probe_of_the_features_is_read_again(folder):
    row = {"estimator": "raw features", "seed": 0, "fold": None, "error": "ValueError"}
    errors = pd.DataFrame([row | {"message": "none", "traceback": 'a\n"b'}])
    errors.to_csv(folder / "errors.csv", index=False)
    assert list(Comparison.load(folder).errors["estimator"]) == ["raw features"]


def test_a_full_disk_is_one_line_and_loses_nothing(toy, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OSError, match="what was finished is kept") as error:
            compare({"LR": LR}, *toy, probes=(), folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    kept = Comparison.load(tmp_path).scores["fit_seconds"]
    assert 1 <= len(kept) < 4
    found = compare({"LR": LR}, *toy, probes=(), folder=tmp_path).scores
    assert set(kept) <= set(found["fit_seconds"])
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_that_is_a_file_is_named(toy, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(OSError, match="Cannot write") as error:
            compare({"LR": LR}, *toy, probes=(), folder=folder)
        assert str(folder) in str(error.value)


def test_a_second_process_is_refused_at_once(toy, folder):
    before = (folder / "scores.csv").read_bytes()
    with (
        locked(folder / "comparison.json"),
        pytest.raises(BlockingIOError, match="by another process"),
    ):
        resume(toy, folder)
    assert (folder / "scores.csv").read_bytes() == before
    resume(toy, folder)


# Arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [1, 1]}, r"`seeds` is \[1, 1\]; no seed"),
        ({"seeds": [1.7]}, r"`seeds` must be a sequence of 1 or more, .* got \[1.7\]"),
        ({"seeds": [True]}, "`seeds` must be a sequence"),
        ({"seeds": [-1]}, "`seeds` must be a sequence"),
        ({"seeds": [2**32]}, "`seeds` must be a sequence"),
        ({"seeds": True}, "`seeds` must be an int .* got True"),
        ({"seeds": 2.0}, "`seeds` must be a sequence"),
        ({"seeds": "12"}, "`seeds` must be a sequence"),
        ({"seeds": None}, "`seeds` must be a sequence"),
        ({"estimators": [LR]}, "`estimators` is of type list; pass a dict"),
        ({"estimators": LR}, "`estimators` is of type Pipeline; pass a dict"),
        ({"estimators": {"LR": GaussianNB}}, r"estimators\['LR'\]` is the class"),
        ({"estimators": {"LR": None}}, r"estimators\['LR'\]` is of type NoneType"),
        ({"estimators": {1: LR}}, "has the name 1"),
    ],
)
def test_every_comparison_refuses_the_same_arguments(options, message, toy):
    arguments = {"estimators": {"LR": LR}, **options}
    with pytest.raises(ValueError, match=message):
        compare(**arguments, **toy._asdict(), probes=())
    corpora = {"one": tuple(toy), "other": tuple(toy)}
    with pytest.raises(ValueError, match=message):
        cross_corpus(corpora, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": 1}, "`cv` must be an int in the range .2, "),
        ({"cv": True}, "`cv` must be an int"),
        ({"cv": 2.5}, "`cv` is 2.5; it must be 'loso'"),
        ({"cv": GroupKFold}, "`cv` is <class"),
        ({"cv": iter([])}, "`cv` is .*PredefinedSplit"),
        ({"cv": [([0], [1])]}, r"`cv` is \[\(\[0\], \[1\]\)\]; .*PredefinedSplit"),
        ({"search": {"LR": {}}, "inner_cv": "kfold"}, "`inner_cv` is 'kfold'"),
        ({"search": {"LR": {}}, "inner_cv": iter([])}, "`inner_cv` is "),
        ({"search": {"LR": {}}, "inner_cv": 0}, "`inner_cv` must be an int"),
        ({"search": {"LR": {}}, "n_candidates": 1.5}, "`n_candidates` must be an int"),
        ({"search": {"LR": [1]}}, "`search` is .* not a dict"),
        ({"search": {"LR": {"memory": None}}}, "`search` is .*'memory'"),
        ({"probes": "svm"}, "`probes` has 'svm'"),
        ({"probes": None}, "`probes` has None"),
        ({"within_emotion": "no"}, "`within_emotion` must be .*bool"),
    ],
)
def test_compare_refuses_what_makes_no_folds(options, message, toy):
    with pytest.raises(ValueError, match=message):
        compare({"LR": LR}, *toy, **options)


def test_cv_and_inner_cv_take_the_same(toy):
    grid = {"LR": {"logisticregression__C": [1e-6, 1.0]}}
    options = {"search": grid, "probes": ()}
    one = compare({"LR": LR}, *toy, cv=2, inner_cv="loso", **options)
    other = compare({"LR": LR}, *toy, cv=GroupKFold(2), inner_cv=2, **options)
    pd.testing.assert_frame_equal(one.predictions, other.predictions)
    assert one.settings["protocol"]["cv"].startswith("GroupKFold(n_splits=2")


@pytest.mark.parametrize("level", [2, 0, 1, -0.5, float("nan"), "high", None])
def test_every_interval_refuses_a_level_that_is_no_probability(level, toy):
    comparison = compare({"LR": LR, "guess": GUESS}, *toy, probes=())
    with pytest.raises(
        ValueError,
        match="`confidence_level` must be a float",
    ):
        comparison.summary(level)
    with pytest.raises(
        ValueError,
        match="`confidence_level` must be a float",
    ):
        comparison.pairwise(confidence_level=level)
    corpora = {"one": tuple(toy), "other": tuple(toy)}
    found = cross_corpus(corpora, {"LR": LR}, within=None)
    with pytest.raises(
        ValueError,
        match="`confidence_level` must be a float",
    ):
        found.summary(level)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 5}, r"`k` is 5; pass a list, such as \[5\]"),
        ({"k": "all"}, "`k` is 'all'; pass a list"),
        ({"k": [1.5]}, "`k` must be a sequence, each an int"),
        ({"k": [True]}, "`k` must be a sequence, each an int"),
        ({"repeats": 1.5}, "`repeats` must be an int"),
        ({"random_state": None}, "`random_state` must be an int"),
        ({"neutral": "no"}, "`neutral` must be .*bool"),
    ],
)
def test_an_enrolment_refuses_wrong_numbers(options, message, toy):
    with pytest.raises(ValueError, match=message):
        enrollment_curve(LR, *toy, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within": True}, "`within` must be an int"),
        ({"transductive": "no"}, "`transductive` must be .*bool"),
        ({"leave_one_out": None}, "`leave_one_out` must be .*bool"),
        ({"emotions": 5}, "`emotions` has 5; it must be one of"),
        ({"domain": 5}, "`domain` has 5"),
        ({"domain": []}, "`domain` is empty"),
        ({"corpora": []}, "`corpora` is of type list"),
    ],
)
def test_cross_corpus_refuses_wrong_options(options, message, toy):
    corpora = {"one": tuple(toy), "other": tuple(toy)}
    with pytest.raises(ValueError, match=message):
        cross_corpus(**{"corpora": corpora, "estimators": {"LR": LR}, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": 1}, "`cv` must be an int"),
        ({"cv": iter([])}, "`cv` is .*PredefinedSplit"),
        ({"cv": KFold(2)}, "`cv` puts speaker .* into both"),
        ({"repeats": 1.5}, "`repeats` must be an int"),
        ({"random_state": -1}, "`random_state` must be an int"),
        ({"orders": 5}, "`orders` has 5; it must be one of"),
        ({"estimator": [LR]}, "`estimator` is a list without"),
    ],
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_an_adaptation_refuses_the_same_as_compare(options, message, toy):
    model = make_pipeline(SpeakerScaler(unknown="adapt"), GaussianNB())
    with pytest.raises(ValueError, match=message):
        adaptation_curve(**{"estimator": model, **toy._asdict(), **options})


def test_an_adaptation_takes_a_number_of_folds(toy):
    model = make_pipeline(SpeakerScaler(unknown="adapt", balance=False), GaussianNB())
    options = {"orders": "random", "repeats": 1}
    one = adaptation_curve(model, *toy, cv=2, **options)
    pd.testing.assert_frame_equal(
        one, adaptation_curve(model, *toy, cv=GroupKFold(2), **options)
    )


# Interrupts


class CtrlC(Callback):
    """Send SIGINT to the process while the callbacks of an epoch run."""

    def on_epoch_end(self, net, **kwargs):  # noqa: D102
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _sigint():
    """Let SIGINT raise KeyboardInterrupt; a shell in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_sigint")
def test_ctrl_c_in_a_callback_leaves_every_search_and_comparison(toy, tmp_path):
    model = AdversarialSER(None, max_epochs=3, callbacks=[CtrlC()], random_state=0)
    routed = {"groups": toy.speakers, "cv": GroupKFold(2)}
    with pytest.raises(KeyboardInterrupt):
        model.fit(*toy)
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(
            model, toy.X, toy.y, params={"speakers": toy.speakers}, **routed
        )
    search = GridSearchCV(model, {"lr": [0.1, 0.01]}, cv=GroupKFold(2), n_jobs=1)
    with pytest.raises(KeyboardInterrupt):
        search.fit(toy.X, toy.y, groups=toy.speakers, speakers=toy.speakers)
    with pytest.raises(KeyboardInterrupt):
        compare({"net": model}, *toy, probes=(), folder=tmp_path)
    assert not (tmp_path / "scores.csv").exists()


def test_stacks_after_an_interrupt_begin_small():
    network = AdversarialSER()
    jobs = [Job([("net", seed, 0)], None, (network,)) for seed in range(80)]
    assert [len(b) for b in _bundles(jobs, 1)] == [32, 32, 16]
    sizes = [len(bundle) for bundle in _bundles(jobs, 1, is_resumed=True)]
    assert sizes == [1, 2, 4, 8, 16, 32, 17]


SCRIPT = """
import os, sys, time
import numpy as np
from pathlib import Path
from sklearn.model_selection import GroupKFold
from advser import AdversarialSER, SpeakerScaler
from advser.evaluation import compare
from advser.model_selection import StackedGridSearchCV
from skorch.callbacks import Callback
what, folder = sys.argv[1:]

class Slow(Callback):
    def on_epoch_begin(self, net, **kwargs):
        Path(folder, f"{os.getpid()}.pid").touch()
        time.sleep(0.05)

rng = np.random.default_rng(0)
X, speakers = rng.normal(size=(48, 4)), np.arange(48) % 4
y = np.array(["a", "b", "c"])[np.arange(48) // 4 % 3]
model = AdversarialSER(None, max_epochs=2000, callbacks=[Slow()], random_state=0)
if what == "search":
    search = StackedGridSearchCV(model, {"lr": [.1, .01]}, cv=GroupKFold(2), n_jobs=2)
    search.fit(X, y, groups=speakers, speakers=speakers)
else:
    compare({"net": model}, X, y, speakers, probes=(), folder=folder + "/r", n_jobs=2)
"""


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("search", signal.SIGINT),
        ("compare", signal.SIGINT),
        ("compare", signal.SIGTERM),
    ],
)
def test_a_signal_ends_the_process_and_its_workers(what, number, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), what, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2, process)
        os.kill(process.pid, number)
        error = process.communicate(timeout=UNTIL)[1]
        workers = [int(file.stem) for file in tmp_path.glob("*.pid")]
        wait_for(lambda: not any(map(is_alive, workers)))
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
    assert process.returncode != 0
    assert ("KeyboardInterrupt" in error) == (number == signal.SIGINT)
    assert not (tmp_path / "r" / "scores.csv").exists()


def wait_for(condition, process=None):
    end = time.monotonic() + UNTIL
    while not condition():
        assert process is None or process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
