"""How fast `EGeMAPS` extracts, and what a second thread brings.

Every round times every case with one and with two threads, in turn, so that a ratio
compares runs of the same minute; the first round warms up and does not count. The case
"decode and resample" leaves openSMILE out: it shows whether soundfile and audresample
make the threads wait for each other.

Usage: python benchmarks/extraction_speed.py [--recordings N] [--rounds N]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import audresample
import joblib
import numpy as np
import soundfile

from advser.features import EGeMAPS

RESULTS = Path(__file__).parent / "results" / "extraction_speed.json"
PACKAGES = ["advser", "opensmile", "soundfile", "audresample", "joblib", "numpy"]
SECONDS = 3
THREADS = (1, 2)
DECODING = "decode and resample FLAC, x 20"


def write_recordings(folder, n_recordings):
    """Write voices as mono WAV at 16 kHz and as stereo FLAC at 44.1 kHz."""
    wavs, flacs = [], []
    for index in range(n_recordings):
        rng = np.random.default_rng(index)
        for rate, n_channels, files, suffix in (
            (16_000, 1, wavs, "wav"),
            (44_100, 2, flacs, "flac"),
        ):
            t = np.arange(SECONDS * rate) / rate
            phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(4 * t)) / rate
            sound = sum(np.sin(k * phase) / k for k in range(1, 25))
            sound = sound * np.sin(6 * t) ** 2 + 0.05 * rng.normal(size=len(t))
            signal = np.repeat(0.2 * sound[:, np.newaxis], n_channels, axis=1)
            files.append(str(Path(folder) / f"{index:03d}.{suffix}"))
            soundfile.write(files[-1], signal, rate)
    return wavs, flacs


def decode_and_resample(file):
    signal, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(signal.T).mean(axis=0)
    return audresample.resample(mono, rate, 16_000)


def run_decoding(files, n_jobs):
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads")
    return parallel(joblib.delayed(decode_and_resample)(file) for file in files)


def measure(n_recordings, n_rounds):
    """Return the seconds of every round: {case: {n_jobs: [...]}}."""
    with tempfile.TemporaryDirectory() as folder:
        wavs, flacs = write_recordings(folder, n_recordings)
        pairs = [soundfile.read(file, dtype="float32") for file in wavs]
        memory = str(Path(folder) / "cache")

        def extract(recordings, **settings):
            return lambda n_jobs: EGeMAPS(n_jobs=n_jobs, **settings).transform(
                recordings
            )

        cases = {
            "WAV, 16 kHz, mono": extract(wavs),
            "FLAC, 44.1 kHz, stereo": extract(flacs),
            "signals in memory, 16 kHz": extract(pairs),
            "WAV again, from the cache": extract(wavs, memory=memory),
            # many times each, as one decoding is too short to be timed
            DECODING: lambda n_jobs: run_decoding(20 * flacs, n_jobs),
        }
        seconds = {case: {n_jobs: [] for n_jobs in THREADS} for case in cases}
        for _ in range(n_rounds + 1):
            for case, run in cases.items():
                outputs = []
                for n_jobs in THREADS:
                    start = time.perf_counter()
                    outputs.append(run(n_jobs))
                    seconds[case][n_jobs].append(time.perf_counter() - start)
                if not np.array_equal(*outputs):
                    raise RuntimeError(f"{case}: two threads give other features.")
    return {
        case: {n_jobs: times[1:] for n_jobs, times in per_case.items()}
        for case, per_case in seconds.items()
    }


def summarise(seconds, n_recordings):
    """Return one row per case: rates of either, and the ratio within a round."""
    rows = []
    for case, per_case in seconds.items():
        n_files = n_recordings * (20 if case == DECODING else 1)
        times = np.array([per_case[n_jobs] for n_jobs in THREADS])  # (2, n_rounds)
        ratios = times[0] / times[1]
        rows.append(
            {
                "case": case,
                "files_per_second_1_thread": n_files / float(np.median(times[0])),
                "files_per_second_2_threads": n_files / float(np.median(times[1])),
                "ratio_median": float(np.median(ratios)),
                "ratio_min": float(ratios.min()),
                "ratio_max": float(ratios.max()),
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    load_before = os.getloadavg()[0]
    seconds = measure(arguments.recordings, arguments.rounds)
    rows = summarise(seconds, arguments.recordings)

    print(f"{'':32}{'1 thread':>10}{'2 threads':>11}{'ratio':>8}  (min - max)")
    for row in rows:
        print(
            f"{row['case']:32}{row['files_per_second_1_thread']:10.1f}"
            f"{row['files_per_second_2_threads']:11.1f}{row['ratio_median']:8.2f}"
            f"  ({row['ratio_min']:.2f} - {row['ratio_max']:.2f})"
        )
    print(f"files of {SECONDS} s per second; {arguments.rounds} rounds")
    report = {
        "settings": {
            "recordings": arguments.recordings,
            "seconds_each": SECONDS,
            "rounds": arguments.rounds,
        },
        "machine": {
            "cpus": joblib.cpu_count(),
            "load_before": load_before,
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {package: version(package) for package in PACKAGES},
        "results": rows,
        "seconds": seconds,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
