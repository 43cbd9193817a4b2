"""How long a search takes per model, compared with a search over a network in skorch.

Two searches for the weight of the gradient reversal:

emodb
    One speaker left out x 5 weights x 5 seeds on the bundled corpus: 250 models.
reference
    8 weights x 4 seeds on the task of `_reference.py`, one fold: 32 models.

Each runs in scikit-learn's `GridSearchCV(n_jobs=2)` over a network in skorch with the
defaults of skorch, in the same over `AdversarialSER`, and in `StackedGridSearchCV`,
which trains many models as one batch, in one process and in two.

Usage: python benchmarks/search_speed.py [--rounds N] [--quick] [--task emodb|reference]
"""

import numpy as np
from _reference import LR, reference_task, skorch_data, skorch_net
from _timing import argument_parser, compare, show, take_turns, write_report
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.preprocessing import StandardScaler

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.model_selection import StackedGridSearchCV
from advser.objectives import GradientReversal

BASELINE = "skorch, GridSearchCV(n_jobs=2)"
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "numpy", "joblib"]


def emodb_search(quick=False):
    """Return rows, folds, epochs, weights and seeds of the search on EmoDB."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
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
    settings = {"cv": folds, "scoring": "balanced_accuracy", "refit": False}
    ours = AdversarialSER(
        GradientReversal(steps=1, bounded=False),
        clip=None,
        alpha=0.0,
        dropout=0.0,
        class_weight=None,
        lr=LR,
        max_epochs=epochs,
        batch_size=64,
    )
    grid = {"adversary__weight": weights, "random_state": list(seeds)}
    plain = skorch_net(
        epochs=epochs, batch_size=64, n_speakers=len(np.unique(speakers))
    )
    plain_grid = {"module__weight": [w for w in weights for _ in seeds]}

    def with_skorch():
        search = GridSearchCV(plain, plain_grid, n_jobs=2, **settings)
        search.fit(skorch_data(X, speakers), y)

    def with_ours(search):
        search.fit(X, y, speakers=speakers)

    return {
        BASELINE: with_skorch,
        "ours, GridSearchCV(n_jobs=2)": lambda: with_ours(
            GridSearchCV(ours, grid, n_jobs=2, **settings)
        ),
        "ours, StackedGridSearchCV": lambda: with_ours(
            StackedGridSearchCV(ours, grid, **settings)
        ),
        "ours, StackedGridSearchCV(n_jobs=2)": lambda: with_ours(
            StackedGridSearchCV(ours, grid, n_jobs=2, **settings)
        ),
    }


def main():
    tasks = {"emodb": emodb_search, "reference": reference_search}
    parser = argument_parser(__doc__, "search_speed", rounds=3)
    parser.add_argument("--task", choices=tasks, help="one task only")
    options = parser.parse_args()
    results = {}
    for name, make in tasks.items():
        if options.task not in (None, name):
            continue
        # Workers start and load their libraries once, however many searches follow.
        warm_up = searches(*make(quick=True))
        _, folds, _, weights, seeds = search = make(options.quick)
        n_models = len(folds) * len(weights) * len(seeds)
        cases = searches(*search)
        times = take_turns(cases, options.rounds, warm_up)
        results[name] = compare(times, BASELINE, scale=1 / n_models)
        show(f"{name}: seconds per model, of {n_models}", results[name])
    settings = {"rounds": options.rounds, "quick": options.quick, "batch_size": 64}
    write_report(options.out, settings=settings, packages=PACKAGES, results=results)


if __name__ == "__main__":
    main()
