"""How the time of a search grows with models, rows and workers.

One search, four folds x some weights of the gradient reversal on the task of
`_reference.py`, is run by scikit-learn's `GridSearchCV` and by `StackedGridSearchCV`,
each in one process and on a dask cluster of two workers on this machine. Every process
has one thread.

All sizes and searches take turns in every round, so that any two times of a round can
be compared.

Usage: python benchmarks/distributed_scaling.py [--rounds N] [--quick]
"""

from functools import partial

import numpy as np
from _reference import LR, reference_task
from _timing import argument_parser, spread, take_turns, write_report
from distributed import LocalCluster
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from advser import AdversarialSER
from advser.distributed import DurableClient
from advser.model_selection import StackedGridSearchCV

REFERENCE = (16, 2000)  # models, rows
SIZES = [(8, 2000), (16, 500), REFERENCE, (16, 8000), (32, 2000)]
N_FOLDS, N_WORKERS, BATCH_SIZE = 4, 2, 64
BASELINE = "GridSearchCV"
ON_CLUSTER = f", {N_WORKERS} workers"
PACKAGES = ["advser", "torch", "scikit-learn", "numpy", "joblib", "dask", "distributed"]


def run(search, epochs, weights, task):
    """Return the mean score of each weight."""
    X, y, speakers = task
    settings = {"lr": LR, "batch_size": BATCH_SIZE, "max_epochs": epochs}
    ser = AdversarialSER("grl", random_state=0, **settings)
    search = search(
        make_pipeline(StandardScaler(), ser),
        {"adversarialser__adversary__weight": weights},
        cv=GroupKFold(N_FOLDS),
        scoring="neg_log_loss",
        refit=False,
    )
    search.fit(X, y, groups=speakers, adversarialser__speakers=speakers)
    return search.cv_results_["mean_test_score"]


def run_on(client, *arguments):
    """Return the same, computed by the workers of a cluster."""
    with parallel_config("dask", client=client):
        return run(*arguments)


def measure(client, sizes, epochs, rounds):
    """Return the seconds of each round, by models, rows and case."""
    cases = {
        BASELINE: partial(run, GridSearchCV),
        f"{BASELINE}{ON_CLUSTER}": partial(run_on, client, GridSearchCV),
        "StackedGridSearchCV": partial(run, StackedGridSearchCV),
        f"StackedGridSearchCV{ON_CLUSTER}": partial(
            run_on, client, StackedGridSearchCV
        ),
    }
    scores = {}

    def keep_scores(key, way, weights, task):
        scores[key] = way(epochs, weights, task)

    runs = {}
    for n_models, n_rows in sizes:
        task = reference_task(n_rows)
        weights = np.geomspace(0.01, 1, n_models // N_FOLDS).tolist()
        for case, way in cases.items():
            key = n_models, n_rows, case
            runs[key] = partial(keep_scores, key, way, weights, task)
    warm_up = {case: runs[*sizes[0], case] for case in cases}
    times = take_turns(runs, rounds, warm_up)
    for (n_models, n_rows, case), found in scores.items():
        expected = scores[n_models, n_rows, BASELINE]
        tolerance = 1e-3 if "Stacked" in case else 0  # its sums are rounded otherwise
        np.testing.assert_allclose(found, expected, rtol=tolerance)
    return {key: clocks["seconds"] for key, clocks in times.items()}


def summarise(seconds, reference):
    """Return a row per size and case, with two ratios of times of the same round.

    `ratio` is that to scikit-learn's search of the same size in one process, `growth`
    that to the same case at the reference size.
    """
    return [
        {
            "models": n_models,
            "rows": n_rows,
            "case": case,
            "seconds": spread(own),
            "ratio": ratios(own, seconds[n_models, n_rows, BASELINE]),
            "growth": ratios(own, seconds[*reference, case]),
        }
        for (n_models, n_rows, case), own in seconds.items()
    ]


def ratios(times, others):
    return spread([time / other for time, other in zip(times, others)])


def show(results):
    print(f"{'models':>6}{'rows':>6}  {'':30}{'s':>7}{'ratio':>7}{'growth':>8}")
    for row in results:
        print(
            f"{row['models']:6}{row['rows']:6}  {row['case']:30}"
            f"{row['seconds']['median']:7.2f}{row['ratio']['median']:7.2f}"
            f"{row['growth']['median']:8.2f}"
        )


def main():
    options = argument_parser(__doc__, "distributed_scaling", rounds=3).parse_args()
    sizes, reference, epochs = SIZES, REFERENCE, 10
    if options.quick:
        sizes, reference, epochs = [(8, 200), (16, 200)], (8, 200), 1
    with (
        threadpool_limits(1),
        LocalCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address="localhost:0"
        ) as cluster,
        DurableClient(cluster, set_as_default=False) as client,
    ):
        seconds = measure(client, sizes, epochs, options.rounds)
    results = summarise(seconds, reference)
    show(results)
    write_report(
        options.out,
        settings={
            "rounds": options.rounds,
            "quick": options.quick,
            "folds": N_FOLDS,
            "epochs": epochs,
            "batch_size": BATCH_SIZE,
            "workers": N_WORKERS,
            "threads_per_fit": 1,
            "reference": {"models": reference[0], "rows": reference[1]},
        },
        packages=PACKAGES,
        results=results,
    )


if __name__ == "__main__":
    main()
