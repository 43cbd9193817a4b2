"""How long a prediction of one row, of many, and in a session takes.

`predict_proba` of this package, of scikit-learn's network of the same size, of the
network in skorch and, where it is installed, of fairlearn's. Every ratio is to the
forward pass of the torch module, which alone does not check its input. One thread,
except where a case has two: these must not make a prediction of a few rows slower.

In a session, each row is an utterance of a new speaker, to whom it adapts.

Usage: python benchmarks/predict_latency.py [--rounds N] [--quick]
"""

from functools import partial
from importlib.util import find_spec

import _reference as reference
import numpy as np
import torch
from _timing import argument_parser, compare, show, take_turns, write_report
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from advser import AdversarialSER, Session, SpeakerScaler
from advser.datasets import load_emodb

SIZES = {1: 2000, 1000: 200, 1_000_000: 1}  # rows: calls per round
BASELINE = "torch module"
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "fairlearn", "numpy"]


def fitted_models(task):
    """Return functions of the features that predict, by name."""
    X, y, speakers = task
    module = reference.hand_written_fit(task, "grl", epochs=1, batch_size=64)
    ours = AdversarialSER("grl", **reference.LAYERS, max_epochs=1, random_state=0)
    ours.fit(X, y, speakers=speakers)
    mlp = reference.sklearn_fit(task, max_iter=1)
    net = reference.skorch_net(epochs=1, batch_size=128).fit(
        reference.skorch_data(X, speakers), y
    )

    def forward(X):
        with torch.inference_mode():
            return module(torch.from_numpy(X)).softmax(1).numpy()

    def skorch_predict(X):
        return net.predict_proba(
            reference.skorch_data(X, np.zeros(len(X), dtype=np.int64))
        )

    models = {
        BASELINE: forward,
        "advser": ours.predict_proba,
        "advser, two torch threads": partial(on_two_threads, ours.predict_proba),
        "scikit-learn": mlp.predict_proba,
        "skorch, defaults": skorch_predict,
    }
    if find_spec("fairlearn") is None:
        print("fairlearn: skipped, as it is not installed")
    else:
        models["fairlearn"] = reference.fairlearn_fit(
            task, epochs=1, batch_size=64
        ).predict
    return models


def on_two_threads(predict, X):
    """Predict with two torch threads."""
    torch.set_num_threads(2)
    try:
        return predict(X)
    finally:
        torch.set_num_threads(1)


def repeat(predict, X, n):
    for _ in range(n):
        predict(X)


def measure(models, X, n_calls, rounds):
    """Return rows of times per call, of the models in turn."""
    calls = {name: partial(repeat, run, X, n_calls) for name, run in models.items()}
    warm_up = {name: partial(run, X[:1000]) for name, run in models.items()}
    rows = compare(take_turns(calls, rounds, warm_up), BASELINE, scale=1 / n_calls)
    show(f"{len(X)} rows", rows, unit="ms", scale=1000)
    return rows


def session():
    """Return the prediction in a session of EmoDB, and an utterance."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    classifier = AdversarialSER("grl", max_epochs=1, random_state=0)
    pipeline = make_pipeline(SpeakerScaler(unknown="adapt"), classifier)
    with config_context(enable_metadata_routing=True):
        pipeline.fit(X, y, speakers=speakers)
    return Session(pipeline).predict_proba, X[:1].astype(np.float32)


def main():
    parser = argument_parser(__doc__, "predict_latency", rounds=7)
    options = parser.parse_args()
    sizes = {1: 2, 1000: 2} if options.quick else SIZES
    rounds = 1 if options.quick else options.rounds
    results = {}
    with threadpool_limits(1):
        models = fitted_models(reference.reference_task(500))
        for n_rows, n_calls in sizes.items():
            X, _, _ = reference.reference_task(n_rows, seed=1)
            results[n_rows] = measure(models, X, n_calls, rounds)
        adapting, utterance = session()
        models = {BASELINE: models[BASELINE], "advser, in a session": adapting}
        results["1 of a session"] = measure(models, utterance, sizes[1], rounds)
    write_report(
        options.out,
        settings={"calls_per_round": sizes, "rounds": options.rounds},
        packages=PACKAGES,
        results=results,
    )


if __name__ == "__main__":
    main()
