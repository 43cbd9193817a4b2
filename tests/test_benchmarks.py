"""The scripts that measure time and memory run, and write what the tables read."""

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
