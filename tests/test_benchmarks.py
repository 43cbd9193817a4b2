"""The scripts run, and write what the tables read."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SPEED = [
    "extraction_speed",
    "fit_speed",
    "memory",
    "predict_latency",
    "scale",
    "search_speed",
    "start",
]


@pytest.mark.parametrize("name", SPEED)
def test_script_runs_and_records_its_settings(name, tmp_path):
    out = tmp_path / "report.json"
    script = BENCHMARKS / f"{name}.py"
    subprocess.run(
        [sys.executable, script, "--quick", "--out", out],
        check=True,
        capture_output=True,
        text=True,
    )
    report = json.loads(out.read_text("utf-8"))
    assert report["results"]
    assert report["versions"]["advser"]
    assert report["machine"]["cpus"] > 0


def test_scripts_of_a_comparison_share_what_they_find(tmp_path):
    reports = {}
    for name in ("speaker_independent", "leakage"):
        out = tmp_path / f"{name}.json"
        script = [sys.executable, BENCHMARKS / f"{name}.py", "--out", out]
        options = ["--methods", "logistic", "--seeds", "1", "--probes", "knn"]
        options += ["--folder", tmp_path / "folder"]
        subprocess.run([*script, *options], check=True, capture_output=True, text=True)
        reports[name] = json.loads(out.read_text("utf-8"))
    recall = reports["speaker_independent"]["results"][0]
    assert recall["uar"] == reports["leakage"]["recall"][0]["uar"] > 0.7
    asked = [row["asked"] for row in reports["leakage"]["results"]]
    assert len(set(asked)) == 3
    assert reports["leakage"]["results"][0]["estimator"] == "raw features"


def test_baselines_of_adaptation_are_causal_and_find_what_is_neutral(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    baselines = runpy.run_path(BENCHMARKS / "_normalisations.py")
    rng = np.random.default_rng(0)
    speakers = np.repeat(list("abcdef"), 20)
    y = np.tile(["anger", "neutral"], 60)
    X = rng.normal(size=(120, 2)) + rng.normal(size=(6, 2)).repeat(20, axis=0)
    X[y == "anger"] += [4, 0]
    known = speakers != "a"
    made = [
        baselines["RunningMean"](),
        baselines["RunningMean"](variance=True),
        baselines["IterativeNormalization"](causal=True),
    ]
    changed = X[~known].copy()
    changed[10:] += 1
    for baseline in made:
        baseline.fit_transform(X[known], y[known], speakers[known])
        rows = baseline.transform(X[~known], speakers[~known])
        again = baseline.transform(changed, speakers[~known])
        np.testing.assert_array_equal(again[:10], rows[:10])
        assert (again[10:] != rows[10:]).any(axis=1).all()
    total = (X[~known] - made[0].mean_).sum(axis=0)
    last = X[~known][-1] - made[0].mean_ - total / (20 + made[0].shrinkage_)
    np.testing.assert_allclose(
        made[0].transform(X[~known], speakers[~known])[-1],
        (last / np.sqrt(made[0].variance_)).clip(-4, 4),
    )
    whole = baselines["IterativeNormalization"]()
    whole.fit_transform(X[known], y[known], speakers[known])
    neutral = whole.transform(X[~known], speakers[~known])[y[~known] == "neutral"]
    assert abs(neutral.mean()) < 0.5
    np.testing.assert_allclose(neutral.std(axis=0), 1, atol=0.5)


def test_settings_of_the_network_are_compared(tmp_path):
    out = tmp_path / "defaults.json"
    script = [sys.executable, BENCHMARKS / "defaults.py", "--seeds", "1", "--out", out]
    compared = ["300 updates, no noise", "the same with the adversary in closed form"]
    options = ["--settings", *compared]
    subprocess.run([*script, *options], check=True, capture_output=True, text=True)
    report = json.loads(out.read_text("utf-8"))
    assert set(report["results"]) == set(compared)
    for by_seed in report["results"].values():
        assert by_seed["0"]["emodb"] > 0.7
    assert min(report["linear"]["emodb"]["0"].values()) > 0.7
