"""How long a search takes per model, compared with a search over a network in skorch.

Searches for the weight of the gradient reversal:

emodb
    One speaker left out x 5 weights x 5 seeds on the bundled corpus: 250 models.
reference
    8 weights x 4 seeds on the task of `_reference.py`, one fold: 32 models.
each table of features, with the columns `emotion` and `speaker`
    As emodb: 25 models for each speaker. One round.

Each runs in scikit-learn's `GridSearchCV(n_jobs=2)` over a network in skorch with the
defaults of skorch, in the same over `AdversarialSER`, and in `StackedGridSearchCV`,
which trains many models as one batch, in one process and in two. These train the same
network as long, without dropout and noise. In the last cases `AdversarialSER` has its
defaults and fewer passes over the rows. The recall that a search reaches is that of the
weight with the best mean over folds and seeds, with the standard deviation of its
seeds.

Usage: python benchmarks/search_speed.py [--rounds N] [--quick] [--tables TABLE ...]
"""

from functools import partial
from pathlib import Path

import numpy as np
from _reference import LAYERS, LR, reference_task, skorch_data, skorch_net
from _timing import argument_parser, compare, show, take_turns, write_report
from adaptation import read
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.preprocessing import StandardScaler

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.model_selection import StackedGridSearchCV
from advser.objectives import GradientReversal

BASELINE = "skorch, GridSearchCV(n_jobs=2)"
FEWER_PASSES = (12, 20)
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "numpy", "joblib"]


def corpus_search(corpus, quick=False):
    """Return rows, folds, epochs, weights and seeds of the search on a corpus."""
    X, y, speakers = corpus
    X = StandardScaler().fit_transform(X)  # the network in skorch has no scaler
    y, speakers = (np.unique(v, return_inverse=True)[1] for v in (y, speakers))
    folds = list(LeaveOneGroupOut().split(X, y, speakers))
    if quick:
        return (X, y, speakers), folds[:2], 2, [0.1], [0, 1]
    return (X, y, speakers), folds, 60, [0.01, 0.03, 0.1, 0.3, 1.0], range(5)


def reference_search(quick=False):
    """Return the same of the search on the reference task."""
    X, y, speakers = reference_task(400 if quick else 6000)
    everything = np.arange(len(X))
    folds = [(everything[: -len(X) // 6], everything[-len(X) // 6 :])]
    if quick:
        return (X, y, speakers), folds, 1, [0.1], range(4)
    return (X, y, speakers), folds, 20, list(np.geomspace(0.01, 1, 8)), range(4)


def searches(task, folds, epochs, weights, seeds):
    """Return the searches to be timed, by name."""
    X, y, speakers = task
    settings = {"cv": folds, "scoring": "balanced_accuracy"}
    objective = GradientReversal(steps=1, bounded=False)
    ours = AdversarialSER(
        objective,
        **LAYERS,
        clip=None,
        alpha=0.0,
        noise=0.0,
        dropout=0.0,
        class_weight=None,
        lr=LR,
        max_epochs=epochs,
        batch_size=64,
    )
    grid = {"adversary__weight": weights, "random_state": list(seeds)}
    plain = skorch_net(
        epochs=epochs,
        batch_size=64,
        n_speakers=len(np.unique(speakers)),
        n_emotions=len(np.unique(y)),
    )
    plain_grid = {"module__weight": [w for w in weights for _ in seeds]}

    def with_skorch():
        search = GridSearchCV(plain, plain_grid, n_jobs=2, **settings)
        return search.fit(skorch_data(X, speakers), y)

    def with_ours(search, estimator, n_jobs=None):
        search = search(estimator, grid, n_jobs=n_jobs, **settings)
        return search.fit(X, y, speakers=speakers)

    stacked = partial(with_ours, StackedGridSearchCV)
    cases = {
        BASELINE: with_skorch,
        "ours, GridSearchCV(n_jobs=2)": partial(with_ours, GridSearchCV, ours, 2),
        "ours, stacked": partial(stacked, ours),
        "ours, stacked, n_jobs=2": partial(stacked, ours, 2),
    }
    for passes in FEWER_PASSES:
        estimator = AdversarialSER(objective, max_epochs=min(passes, epochs))
        name = f"ours, defaults, {passes} passes, stacked, n_jobs=2"
        cases[name] = partial(stacked, estimator, 2)
    return cases


def recall_of(search, n_weights, n_seeds):
    """Return mean and standard deviation over the seeds of the best weight."""
    scores = search.cv_results_["mean_test_score"].reshape(n_weights, n_seeds)
    best = scores[scores.mean(axis=1).argmax()]
    return {"mean": float(best.mean()), "std": float(best.std(ddof=1))}


def main():
    parser = argument_parser(__doc__, "search_speed", rounds=3)
    parser.add_argument("--tables", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    given = {path.stem.partition("_")[0]: read(path) for path in options.tables}
    corpora |= given
    tasks = {name: partial(corpus_search, corpus) for name, corpus in corpora.items()}
    tasks["reference"] = reference_search
    results = {}
    for name, make in tasks.items():
        # Workers start and load their libraries once, however many searches follow.
        warm_up = {} if options.quick else searches(*make(quick=True))
        _, folds, _, weights, seeds = search = make(options.quick)
        n_models = len(folds) * len(weights) * len(seeds)
        found = {}
        cases = {
            case: partial(keep, found, case, run)
            for case, run in searches(*search).items()
        }
        rounds = 1 if options.quick or name in given else options.rounds
        times = take_turns(cases, rounds, warm_up)
        results[name] = compare(times, BASELINE, scale=1 / n_models)
        for row in results[name]:
            row["recall"] = recall_of(found[row["case"]], len(weights), len(seeds))
            print("recall {mean:.3f} ± {std:.3f}".format(**row["recall"]), row["case"])
        show(f"{name}: seconds per model, of {n_models}", results[name])
    settings = {"rounds": options.rounds, "quick": options.quick, "batch_size": 64}
    write_report(options.out, settings=settings, packages=PACKAGES, results=results)


def keep(found, case, run):
    """Run a search and keep it."""
    found[case] = run()


if __name__ == "__main__":
    main()
