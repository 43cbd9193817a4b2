"""How much memory a fit and a prediction take, compared with the features.

A million rows of 88 features in float32, 352 MB, as an array in memory, as a read-only
memory map of a file, and as float64. Each case runs in a process of its own, which
reports the peak of its resident memory as a multiple of the features: of the whole
process, and without the libraries. Both include the features and the pages of the
mapped file.

Usage: python benchmarks/memory.py [--rounds N] [--quick]
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from _reference import N_EMOTIONS, N_FEATURES, N_SPEAKERS, reference_task
from _timing import argument_parser, spread, write_report

from advser import AdversarialSER

KINDS = {
    "float32 in memory": ("float32", False),
    "float32 memory map": ("float32", True),
    "float64 in memory": ("float64", False),
}
CALLS = ["fit", "predict_proba"]
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "numpy"]
MILLION = 1_000_000


def resident(field):
    """Return a field of this process's memory in bytes: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {field}.")


def write_features(path, n):
    """Write features a piece at a time, so that this process needs little memory."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", "float32", (n, N_FEATURES))
    for rows in np.array_split(np.arange(n), 20):
        X[rows] = rng.normal(size=(len(rows), N_FEATURES))
    X.flush()


def measure(path, dtype, is_mapped, call):
    """Print the memory of a call as JSON."""
    estimator = AdversarialSER("grl", max_epochs=1, batch_size=1024, random_state=0)
    X, y, speakers = reference_task(1000)
    estimator.fit(X, y, speakers=speakers).predict_proba(X)  # loads all libraries
    libraries = resident("VmRSS")
    X = np.load(path, mmap_mode="r" if is_mapped else None).astype(dtype, copy=False)
    n = len(X)
    y, speakers = np.arange(n) % N_EMOTIONS, np.arange(n) // 7 % N_SPEAKERS
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # forget the peak so far
    if call == "fit":
        estimator.fit(X, y, speakers=speakers)
    else:
        estimator.predict_proba(X)
    peak = resident("VmHWM")
    print(json.dumps({"peak": peak, "own": peak - libraries, "X": X.nbytes}))


def main():
    if "--case" in sys.argv:
        path, dtype, is_mapped, call = sys.argv[2:]
        measure(path, dtype, is_mapped == "True", call)
        return
    parser = argument_parser(__doc__, "memory", rounds=3)
    options = parser.parse_args()
    n, rounds, calls = MILLION, options.rounds, list(product(KINDS.items(), CALLS))
    if options.quick:
        n, rounds, calls = 10_000, 1, calls[:1]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        write_features(path, n)
        print(f"{'':36}{'process':>10}{'without libraries':>20}")
        for (kind, (dtype, is_mapped)), call in calls:
            command = [sys.executable, __file__, "--case", str(path)]
            command += [dtype, str(is_mapped), call]
            found = [
                json.loads(subprocess.check_output(command, text=True))
                for _ in range(rounds)
            ]
            row = {"case": f"{call}, {kind}", "X_bytes": found[0]["X"]}
            for name in ("peak", "own"):
                row[name] = spread([bytes_[name] / bytes_["X"] for bytes_ in found])
            results.append(row)
            print(
                f"{row['case']:36}{row['peak']['median']:10.2f}"
                f"{row['own']['median']:20.2f}"
            )
    write_report(
        options.out,
        settings={
            "rounds": rounds,
            "rows": n,
            "features": N_FEATURES,
            "epochs": 1,
            "batch_size": 1024,
        },
        packages=PACKAGES,
        results=results,
    )


if __name__ == "__main__":
    main()
