"""How the speed benchmarks time, print and record, as `README.md` here demands."""

import argparse
import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import joblib
import torch

RESULTS = Path(__file__).parent / "results"
CLOCKS = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}


def argument_parser(description, name, rounds):
    """Return a parser with the options that all speed benchmarks have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="rounds that count (%(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that everything runs"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS / f"{name}.json", help="file to write"
    )
    return parser


def take_turns(cases, rounds, warm_up):
    """Time every case once a round, the rounds forwards and backwards in turn.

    Parameters
    ----------
    cases : dict of callable
        What is timed, by name.

    rounds : int

    warm_up : dict of callable
        Called once each before the first round, and not timed.

    Returns
    -------
    times : dict of dict of list of float
        For each case the seconds of every round, by the clock on the wall and by
        that of this process.
    """
    for run in warm_up.values():
        run()
    times = {case: {clock: [] for clock in CLOCKS} for case in cases}
    for turn in range(rounds):
        for case in list(cases)[:: -1 if turn % 2 else 1]:
            start = {clock: now() for clock, now in CLOCKS.items()}
            cases[case]()
            for clock, now in CLOCKS.items():
                times[case][clock].append(now() - start[clock])
    return times


def compare(times, baselines, scale=1.0):
    """Return a row per case: its time, and how many times that of its baseline it is.

    Parameters
    ----------
    times : dict of dict of list of float
        As `take_turns` returns them.

    baselines : dict of str, or str
        The case that each case is compared with; a string stands for one and all.

    scale : float, default=1.0
        Factor of the times, 1 / n for the time of one of n models or calls.

    Returns
    -------
    rows : list of dict
        Medians over the rounds, and the spread from the smallest to the largest. The
        ratios are those within a round.
    """
    if isinstance(baselines, str):
        baselines = dict.fromkeys(times, baselines)
    rows = []
    for case, own in times.items():
        row = {"case": case, "baseline": baselines[case]}
        for clock, values in own.items():
            row[clock] = spread([scale * value for value in values])
            others = times[baselines[case]][clock]
            ratios = [value / other for value, other in zip(values, others)]
            row[clock.replace("seconds", "ratio")] = spread(ratios)
        rows.append(row)
    return rows


def spread(values):
    """Return the median of some values, and their range."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def show(title, rows, unit="s", scale=1.0):
    """Print rows of `compare`; `scale` turns seconds into the unit."""
    print(f"\n{title}")
    print(f"{'':42}{unit:>9}{'ratio':>8}  (min - max)   to")
    for row in rows:
        ratio = row["ratio"]
        print(
            f"{row['case']:42}{row['seconds']['median'] * scale:9.3f}"
            f"{ratio['median']:8.2f}  ({ratio['min']:.2f} - {ratio['max']:.2f})"
            f"   {row['baseline']}"
        )


def write_report(path, *, settings, packages, **results):
    """Write settings, machine, versions and results as JSON."""
    report = {
        "settings": settings,
        "machine": {
            "cpus": joblib.cpu_count(),
            "load_after": os.getloadavg()[0],
            "platform": platform.platform(),
            "python": platform.python_version(),
            "torch_threads": torch.get_num_threads(),
        },
        "versions": {name: version_of(name) for name in packages},
        **results,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nwrote {path}")


def version_of(package):
    """Return the version of a package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
