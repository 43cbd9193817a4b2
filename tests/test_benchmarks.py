"""The scripts run, and write what the tables read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SPEED = [
    "extraction_speed",
    "fit_speed",
    "memory",
    "predict_latency",
    "search_speed",
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
        options = ["--methods", "logistic", "--folder", tmp_path / "folder"]
        subprocess.run([*script, *options], check=True, capture_output=True, text=True)
        reports[name] = json.loads(out.read_text("utf-8"))
    recall = reports["speaker_independent"]["results"][0]
    assert recall["uar"] == reports["leakage"]["recall"][0]["uar"] > 0.7
    found = {(row["asked"], row["probe"]) for row in reports["leakage"]["results"]}
    assert len(found) == 3 * 3
    assert reports["leakage"]["results"][0]["estimator"] == "raw features"
