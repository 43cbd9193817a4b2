"""Bundles of jobs, their errors and interrupts."""

import os

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning

from advser import AdversarialSER
from advser._engine._jobs import Fit
from advser.evaluation import _jobs
from advser.evaluation._jobs import Job, Utterances, run
from advser.evaluation._tasks import EmotionTask
from advser.model_selection._evaluation import MAX_STACK

NETWORK, GUESS = AdversarialSER(), DummyClassifier()
UTTERANCES = Utterances(*(np.zeros(1) for _ in range(4)))
PLANNED = {"class": "C", "kind": "inductive", "seeds": [0], "parameters": {}}
PLANNED["candidates"] = []
SETTINGS = {
    "data": {"n_samples": 1, "speakers": ["s"], "emotions": ["joy"]},
    "protocol": {"n_folds": 70, "cv": "loso", "groups": None},
    "probes": [],
    "asked": [],
    "selection": None,
    "estimators": {"A": PLANNED, "B": PLANNED},
    "versions": {},
}


def succeed(utterances, keys, estimator):
    """Return the row of a finished fit."""
    [(name, seed, fold)] = keys
    yield Fit(estimator, lambda: None)
    row = {"estimator": name, "seed": seed, "fold": fold, "kind": "inductive"}
    row |= {"n_samples": 1, "candidates": 1, "uar": 1.0, "fit_seconds": 0.5}
    scores = pd.DataFrame([row])
    process = str(os.getpid())
    predictions = scores[["estimator", "seed", "fold"]].assign(
        sample=0, speaker=process, y_true="joy", y_pred="joy"
    )
    return {"predictions": predictions, "scores": scores}


def fail(utterances, keys, estimator):
    """Fail after the fit."""
    yield Fit(estimator, lambda: None)
    raise ValueError("out of luck")


def fail_to_fit(utterances, keys, estimator):
    """Fail in the fit."""
    yield Fit(estimator, lambda: 1 / 0)


def interrupt(utterances, keys, estimator):
    """Stop as Ctrl-C does."""
    yield Fit(estimator, lambda: None)
    raise KeyboardInterrupt


def kill(utterances, keys, estimator):
    """End the process, as the operating system does when the memory is full."""
    yield Fit(estimator, lambda: None)
    os._exit(1)


def jobs(n, function=succeed, *, name="A", is_stackable=True):
    estimator = NETWORK if is_stackable else GUESS
    return [Job([(name, 0, number)], function, (estimator,)) for number in range(n)]


def run_jobs(jobs, folder=None, n_jobs=None):
    return run(jobs, UTTERANCES, EmotionTask([]), SETTINGS, folder, n_jobs, 0)


@pytest.mark.parametrize(
    ("n_jobs", "n_processes", "sizes"),
    [
        (0, 2, []),
        (1, 2, [1]),
        (5, 1, [5]),  # less than one stack of the smallest size
        (20, 2, [10, 10]),  # no process without work
        (100, 1, [32, 32, 32, 4]),  # several bundles of each process
        (200, 2, [32] * 6 + [8]),
        (500, 1, [64] * 7 + [52]),  # at most `MAX_STACK`
    ],
)
def test_bundles_use_all_processes_and_are_not_too_large(n_jobs, n_processes, sizes):
    bundles = _jobs._bundles(jobs(n_jobs), n_processes)
    assert [len(bundle) for bundle in bundles] == sizes
    assert [job for bundle in bundles for job in bundle] == jobs(n_jobs)
    assert MAX_STACK == 64


def test_bundles_have_neighbouring_jobs_of_one_estimator_and_others_alone():
    plain = jobs(3, name="C", is_stackable=False)
    mixed = [job for both in zip(jobs(40, name="B"), jobs(40)) for job in both]
    bundles = _jobs._bundles(plain + mixed, 1)
    names = [job.keys[0][0] for bundle in bundles for job in bundle]
    assert names == ["A"] * 40 + ["B"] * 40 + ["C"] * 3
    assert [len(bundle) for bundle in bundles] == [32, 32, 16, 1, 1, 1]


@pytest.mark.parametrize(
    ("function", "message"), [(fail, "luck"), (fail_to_fit, "division by zero")]
)
@pytest.mark.parametrize("is_stackable", [True, False])
def test_a_job_that_fails_leaves_the_others_of_its_bundle(
    function, message, is_stackable
):
    bad = jobs(1, function, name="B", is_stackable=is_stackable)
    with pytest.warns(FitFailedWarning, match="'B' with seed 0 for fold 0"):
        tables = run_jobs(jobs(3, is_stackable=is_stackable) + bad)
    assert list(tables["scores"]["fold"]) == [0, 1, 2]
    error = tables["errors"].iloc[0]
    assert message in error["message"]
    assert error["traceback"].startswith("Traceback")


def test_results_are_in_order_whichever_process_they_come_from(tmp_path):
    tables = run_jobs(jobs(3, name="B") + jobs(70), folder=tmp_path, n_jobs=2)
    keys = tables["scores"][["estimator", "fold"]].itertuples(index=False, name=None)
    expected = [("A", fold) for fold in range(70)] + [("B", fold) for fold in range(3)]
    assert list(keys) == expected
    assert str(os.getpid()) not in set(tables["predictions"]["speaker"])
    written = pd.read_csv(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(written, tables["scores"])


def test_a_fit_that_kills_its_process_is_an_error_and_the_others_go_on():
    killer = jobs(1, kill, name="B", is_stackable=False)
    with (
        pytest.warns(RuntimeWarning, match="A process has ended"),
        pytest.warns(FitFailedWarning, match="TerminatedWorkerError"),
    ):
        tables = run_jobs(jobs(3, is_stackable=False) + killer, n_jobs=2)
    assert list(tables["scores"]["fold"]) == [0, 1, 2]
    assert list(tables["errors"]["estimator"]) == ["B"]


def test_an_interrupt_keeps_the_bundles_that_are_finished(tmp_path):
    stop = [Job([("A", 0, 40)], interrupt, (NETWORK,))]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs(40) + stop, folder=tmp_path)
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 32
    again = run_jobs(jobs(41), folder=tmp_path)
    assert list(again["scores"]["fold"]) == list(range(41))


class Killed(Parallel):
    """End early without an error, as a race in joblib may; fold 3 kills its process."""

    def __call__(self, calls):  # noqa: D102
        calls = list(calls)
        is_last_round = not self.return_generator
        if is_last_round and calls[0][1][0][0].keys[0][2] == 3:
            raise TerminatedWorkerError("SIGKILL(-9)")
        results = super().__call__(calls)
        return results if is_last_round else (one for one, _ in zip(results, "ab"))


def test_after_a_process_was_killed_each_job_runs_alone(monkeypatch):
    monkeypatch.setattr(_jobs, "Parallel", Killed)
    with (
        pytest.warns(RuntimeWarning, match="results are missing") as warned,
        pytest.warns(FitFailedWarning, match="TerminatedWorkerError: SIGKILL"),
    ):
        tables = run_jobs(jobs(9, is_stackable=False)[::-1])
    assert len(warned) == 2
    assert list(tables["scores"]["fold"]) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert list(tables["errors"]["fold"]) == [3]
