"""How fast `EGeMAPS` extracts, and how much a second thread saves.

Recordings of three seconds, as files and as signals in memory, with one and with two
threads; the ratios are to two threads. The script checks that the features are the same
to the bit. The case of decoding leaves openSMILE out, and shows whether soundfile and
audresample make threads wait for each other. The case before it reads the cache. The
last two are one recording after another: from the file to the probabilities of the
emotions, and openSMILE alone on the decoded signals.

Usage: python benchmarks/extraction_speed.py [--rounds N] [--quick]
"""

import tempfile
from functools import partial
from pathlib import Path

import audresample
import joblib
import numpy as np
import opensmile
import soundfile
from _timing import argument_parser, compare, show, take_turns, write_report
from sklearn.pipeline import make_pipeline

from advser import AdversarialSER, EGeMAPS
from advser.datasets import load_emodb

SECONDS = 3
OPENSMILE = "openSMILE alone, one by one"
DECODINGS = 20  # of every file: a single one is too short to be timed
PACKAGES = ["advser", "opensmile", "soundfile", "audresample", "joblib", "numpy"]


def write_recordings(folder, n_recordings):
    """Write voices as mono WAV at 16 kHz and as stereo FLAC at 44.1 kHz."""
    wavs, flacs = [], []
    for index in range(n_recordings):
        rng = np.random.default_rng(index)
        for files, suffix, rate, n_channels in (
            (wavs, "wav", 16_000, 1),
            (flacs, "flac", 44_100, 2),
        ):
            t = np.arange(SECONDS * rate) / rate
            phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(4 * t)) / rate
            sound = (
                sum(np.sin(k * phase) / k for k in range(1, 25)) * np.sin(6 * t) ** 2
            )
            signal = 0.2 * sound + 0.01 * rng.normal(size=len(t))
            files.append(str(Path(folder) / f"{index:03d}.{suffix}"))
            soundfile.write(files[-1], np.tile(signal[:, None], n_channels), rate)
    return wavs, flacs


def extract(recordings, n_jobs, memory=None):
    return EGeMAPS(n_jobs=n_jobs, memory=memory).transform(recordings)


def decode(files, n_jobs):
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads")
    return parallel(joblib.delayed(decode_one)(file) for file in DECODINGS * files)


def decode_one(file):
    signal, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(signal.T).mean(axis=0)
    return audresample.resample(mono, rate, 16_000)


def opensmile_alone():
    """Return a function that extracts from one signal after another."""
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02)

    def extract_each(signals):
        for signal, rate in signals:
            smile.process_signal(signal, rate)

    return extract_each


def recogniser():
    """Return a function that predicts one file after another."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    classifier = AdversarialSER("grl", max_epochs=1, random_state=0)
    model = make_pipeline(EGeMAPS(), classifier.fit(X, y, speakers=speakers))

    def predict_each(files):
        for file in files:
            model.predict_proba([file])

    return predict_each


def main():
    parser = argument_parser(__doc__, "extraction_speed", rounds=7)
    arguments = parser.parse_args()
    n_recordings, rounds = (2, 1) if arguments.quick else (24, arguments.rounds)

    with tempfile.TemporaryDirectory() as folder:
        wavs, flacs = write_recordings(folder, n_recordings)
        signals = [soundfile.read(file, dtype="float32") for file in wavs]
        runs = {
            "WAV, 16 kHz, mono": partial(extract, wavs),
            "FLAC, 44.1 kHz, stereo": partial(extract, flacs),
            "signals in memory, 16 kHz": partial(extract, signals),
            "WAV, from the cache": partial(extract, wavs, memory=f"{folder}/cache"),
            f"FLAC, only decoded, {DECODINGS} times": partial(decode, flacs),
        }
        cases, baselines = {}, {}
        for name, run in runs.items():
            if not np.array_equal(run(n_jobs=1), run(n_jobs=2)):
                raise RuntimeError(f"{name}: two threads give other features than one.")
            for n_jobs, threads in ((1, "one thread"), (2, "two threads")):
                cases[f"{name}, {threads}"] = partial(run, n_jobs=n_jobs)
                baselines[f"{name}, {threads}"] = f"{name}, two threads"
        cases[OPENSMILE] = partial(opensmile_alone(), signals)
        cases["from a WAV to its emotion"] = partial(recogniser(), wavs)
        baselines |= dict.fromkeys((OPENSMILE, "from a WAV to its emotion"), OPENSMILE)
        # the comparison of the features has warmed up
        times = take_turns(cases, rounds, warm_up={})

    rows = compare(times, baselines, scale=1 / n_recordings)
    show(f"{n_recordings} recordings of {SECONDS} s", rows, unit="ms each", scale=1000)
    write_report(
        arguments.out,
        settings={
            "rounds": rounds,
            "recordings": n_recordings,
            "seconds_each": SECONDS,
        },
        packages=PACKAGES,
        results=rows,
    )


if __name__ == "__main__":
    main()
