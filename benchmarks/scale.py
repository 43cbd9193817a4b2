"""How the time of a call grows with rows, speakers and features.

The rows are drawn at random, with the numbers of emotions, speakers and features of
`_reference.py` but for the one that grows. Each call runs once a round and size. Its
growth is the slope of the seconds over the size, both as logarithms, between the two
largest sizes: 1 is proportional. The leakage and the comparison are timed for speakers
only. `distributed_scaling.py` does the same for models and workers.

Usage: python benchmarks/scale.py [--rounds N] [--quick] [--task rows|speakers|features]
"""

import math
import warnings
from functools import partial

import numpy as np
from _reference import N_EMOTIONS, N_FEATURES, N_SPEAKERS
from _timing import argument_parser, spread, take_turns, write_report
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from advser import AdversarialSER, SpeakerScaler
from advser.evaluation import compare, speaker_leakage

PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "numpy", "pandas"]
SIZES = {
    "rows": [1_000, 10_000, 100_000, 1_000_000],
    "speakers": [10, 100, 1_000, 5_000],
    "features": [88, 768, 6_373],
}
N_ROWS = {"speakers": 20_000, "features": 2_000}


def task_of(kind, size, n):
    """Return features (n, d) in float32, emotions and speakers."""
    n_speakers = size if kind == "speakers" else N_SPEAKERS
    d = size if kind == "features" else N_FEATURES
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32)
    y, speakers = rng.permutation(n) % N_EMOTIONS, np.arange(n) % n_speakers
    X[:, :N_EMOTIONS] += np.eye(N_EMOTIONS, dtype=np.float32)[y]
    return X, y, speakers


def calls_of(kind, size, n):
    """Return what is timed at a size, on n rows, by name."""
    X, y, speakers = task_of(kind, size, n)
    networks = {
        f"fit of an epoch, {name}": AdversarialSER(name, max_epochs=1, random_state=0)
        for name in ("closed_form", "grl", "entropy")
    }
    calls = {
        name: partial(network.fit, X, y, speakers=speakers)
        for name, network in networks.items()
    }
    fitted = AdversarialSER(max_epochs=1, random_state=0)
    few = slice(1_000)
    fitted.fit(X[few], y[few], speakers=speakers[few] % 10)
    calls["predict"] = partial(fitted.predict, X)
    scaler = SpeakerScaler().fit(X, y, speakers=speakers)
    calls["SpeakerScaler, fit"] = partial(SpeakerScaler().fit, X, y, speakers=speakers)
    calls["SpeakerScaler, transform"] = partial(scaler.transform, X, speakers)
    adaptive = SpeakerScaler(unknown="adapt", balance=False)
    adaptive.fit(X[few], y[few], speakers=speakers[few] % 10)
    unseen = [f"unseen {name}" for name in speakers]
    calls["SpeakerScaler, adapting"] = partial(adaptive.transform, X, unseen)
    if kind == "speakers":
        calls["leakage"] = partial(speaker_leakage, X, speakers, n_splits=2)
        calls["comparison"] = partial(comparison, X, y, speakers)
    return calls


def comparison(X, y, speakers):
    """Compare two linear models, with intervals and a test of their difference."""
    models = {
        "ridge": RidgeClassifier(),
        "by speaker": make_pipeline(SpeakerScaler(), RidgeClassifier()),
    }
    found = compare(models, X, y, speakers, cv=2, seeds=1, probes=[], verbose=0)
    return found.summary(), found.difference("ridge", "by speaker")


def growth(sizes, seconds):
    """Return the slope of the logarithms between the two largest sizes."""
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])


def main():
    parser = argument_parser(__doc__, "scale", rounds=3)
    parser.add_argument("--task", choices=SIZES, help="one kind of size only")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    results = {}
    for kind, sizes in SIZES.items():
        if options.task not in (None, kind):
            continue
        sizes = [20, 40] if options.quick else sizes
        times = {}
        for size in sizes:
            n = 200 if options.quick else N_ROWS.get(kind, size)
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # speakers without all emotions
                calls = calls_of(kind, size, n)
                found = take_turns(calls, rounds, {} if size > 10_000 else calls)
            for name, clocks in found.items():
                times.setdefault(name, []).append(clocks["seconds"])
        results[kind] = []
        print(f"\n{kind}: seconds, and growth\n{'':32}", *(f"{n:>9}" for n in sizes))
        for name, seconds in times.items():
            row = {
                "case": name,
                "sizes": sizes,
                "seconds": [spread(values) for values in seconds],
                "growth": spread([growth(sizes, turn) for turn in zip(*seconds)]),
            }
            results[kind].append(row)
            shown = [f"{values['median']:9.3f}" for values in row["seconds"]]
            print(f"{name:32}", *shown, f"{row['growth']['median']:9.2f}")
    settings = {"rounds": rounds, "quick": options.quick, "rows": N_ROWS, "threads": 1}
    write_report(options.out, settings=settings, packages=PACKAGES, results=results)


if __name__ == "__main__":
    main()
