"""Recall of all methods with their defaults on several corpora, and of tuned ones.

Each corpus is split by speaker, the same for all methods. Tuned methods choose among
the same number of settings, for each fold and each seed by speaker-disjoint inner folds
of the training rows. EmoDB comes with the package; other tables are files with the
columns `emotion` and `speaker`. Written are scores, and no rows of the corpora, and a
figure of the differences of the defaults to the better linear model. What the file
`--out` has already is not computed again.

    python benchmarks/corpora.py [--tables urdu.csv ravdess.parquet ...]
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from _figure import look
from _report import environment, write
from adaptation import read
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser import AdversarialSER, AutoencoderSER, SiameseSER
from advser.datasets import load_emodb
from advser.evaluation import compare

CORPORA = {"emodb": "EmoDB", "korean": "Korean"}  # others are acronyms
LINEAR = {
    "logistic regression": LogisticRegression(
        C=0.05, class_weight="balanced", max_iter=2000, random_state=0
    ),
    "linear SVM": SVC(C=0.01, kernel="linear", class_weight="balanced", random_state=0),
}
NETWORKS = {
    "no adversary": AdversarialSER(None),
    "adversary in closed form": AdversarialSER(),
    "maximum entropy": AdversarialSER("entropy"),
    "gradient reversal": AdversarialSER("grl"),
    "autoencoder": AutoencoderSER(),
    "siamese network": SiameseSER(),
}
# Eight settings of each tuned method, which were fixed before the first run.
ADVERSARY = {"adversary__weight": [0.1, 0.3, 1.0, 3.0], "alpha": [0.01, 0.03]}
GRIDS = {
    "logistic regression": {
        "logisticregression__C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    },
    "linear SVM": {"svc__C": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]},
    "no adversary": {"alpha": [0.003, 0.01, 0.03, 0.1], "noise": [0.25, 0.75]},
    "adversary in closed form": ADVERSARY,
    "maximum entropy": ADVERSARY,
    "gradient reversal": ADVERSARY,
}
SEARCHES = {"scores": None, "tuned": GRIDS}  # parts of the report
# Colours and markers are those of `advser benchmark`.
LOOKS = {
    "adversary in closed form": {"color": "C0", "marker": "o"},
    "gradient reversal": {"color": "C1", "marker": "s"},
    "maximum entropy": {"color": "C2", "marker": "^"},
    "no adversary": {"color": "C6", "marker": "o"},
    "autoencoder": {"color": "C9", "marker": "s"},
    "siamese network": {"color": "C7", "marker": "^"},
}


def scores_of(X, y, speakers, seeds, search=None):
    """Return one row per method: recall, interval, and difference to a linear model."""
    estimators = {
        **{name: make_pipeline(StandardScaler(), one) for name, one in LINEAR.items()},
        **NETWORKS,
    }
    if search is not None:
        estimators = {name: estimators[name] for name in search}
    comparison = compare(
        estimators,
        X,
        y,
        speakers,
        cv=10,
        seeds=seeds,
        probes=["logistic"],
        search=search,
        n_jobs=1,
        verbose=1,
    )
    summary = comparison.summary()
    better = summary.loc[list(LINEAR), "uar"].idxmax()
    columns = ["uar", "uar_std", "uar_low", "uar_high", "seeds", "leakage_logistic"]
    table = summary[columns].assign(n_samples=len(y), better_linear=better)
    for name in table.index.drop(better):
        found = comparison.difference(name, better)
        ends = [found.difference, found.low, found.high]
        table.loc[name, ["difference", "low", "high"]] = ends
    return table.reset_index()


def draw(scores, path):
    """Draw the difference of each network to the better linear model, by corpus."""
    table = pd.DataFrame(scores)
    networks = [name for name in table["estimator"].unique() if name not in LINEAR]
    names = list(table["corpus"].unique())
    with look("x"):
        figure = Figure(figsize=(6.4, 1.6 + 0.6 * len(names)))
        ax = figure.add_subplot()
        for number, network in enumerate(networks):
            rows = table[table["estimator"] == network].set_index("corpus").loc[names]
            ax.errorbar(
                rows["difference"],
                np.arange(len(names)) + 0.12 * (number - (len(networks) - 1) / 2),
                xerr=[
                    rows["difference"] - rows["low"],
                    rows["high"] - rows["difference"],
                ],
                **LOOKS[network],
                markersize=5,
                elinewidth=1.5,
                linestyle="none",
                label=network,
            )
        ax.axvline(0, color="black", linestyle="--", linewidth=1, zorder=1)
        ax.set_yticks(range(len(names)), [CORPORA.get(n, n.upper()) for n in names])
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        ax.set_xlabel(
            "Difference in unweighted average recall (UAR)\nto the better linear model "
            "(95% interval over speakers)"
        )
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
        figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", type=Path, default=[])
    parser.add_argument("--seeds", type=int, default=5, help="of the defaults")
    parser.add_argument("--tuned-seeds", type=int, default=1, help="of tuned methods")
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "corpora.json")
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    settings = {
        "seeds": {"scores": args.seeds, "tuned": args.tuned_seeds},
        "folds": "GroupKFold, at most 10, by speaker",
        "grids": GRIDS,
    }
    versions = environment(["advser", "numpy", "scikit-learn", "skorch", "torch"])
    report = {"settings": settings, "versions": versions, "scores": [], "tuned": []}
    if args.out.exists():
        known = json.loads(args.out.read_text("utf-8"))
        report |= {part: known[part] for part in SEARCHES}
    for (part, search), name in product(SEARCHES.items(), corpora):
        if all(row["corpus"] != name for row in report[part]):
            print(f"{name}, {part}")
            found = scores_of(*corpora[name], settings["seeds"][part], search)
            report[part] += found.assign(corpus=name).round(4).to_dict("records")
            write(args.out, report)
    draw(report["scores"], args.out.with_suffix(".png"))
    for part in SEARCHES:
        table = pd.DataFrame(report[part])
        print(table.pivot_table("uar", "estimator", "corpus", sort=False).round(3))


if __name__ == "__main__":
    main()
