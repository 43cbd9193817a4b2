"""How much the enrolment of a few utterances of a new speaker improves the recall.

Leave one speaker out; k of their utterances are enrolled and not scored: any of them,
or neutral ones that are marked as neutral. For each speaker, the settings of a method
are chosen by the other speakers, who are left out and enrolled in turn. All methods
have the same scaler and the same number of candidates.

    python benchmarks/enrolment.py                  # EmoDB; writes the JSON
    python benchmarks/enrolment.py --table my.csv   # another corpus; prints only

A table has the columns "speaker" and "emotion"; its numeric columns are the features.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import EnrollmentScorer, enrollment_curve
from advser.model_selection import StackedGridSearchCV

ANY = [0, 1, 2, 5, 10, 20, "all"]
NEUTRAL = [1, 2, 3]
SCORER = EnrollmentScorer(k=[0, 1, 2, 5, 10, 20], repeats=3)
NETWORK_SEEDS = 2
RESULTS = Path(__file__).parent / "results" / "enrolment.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]

METHODS = {
    "logistic regression": (
        LogisticRegression(class_weight="balanced", max_iter=5000, random_state=0),
        {"logisticregression__C": [0.03, 0.1, 0.3]},
    ),
    "linear SVM": (
        SVC(kernel="linear", class_weight="balanced", random_state=0),
        {"svc__C": [0.01, 0.03, 0.1]},
    ),
    "network": (AdversarialSER(None), {"adversarialser__alpha": [0.01, 0.02, 0.04]}),
    "network, grl": (
        AdversarialSER("grl"),
        {"adversarialser__adversary__weight": [0.03, 0.1, 0.3]},
    ),
    "network, entropy": (
        AdversarialSER("entropy"),
        {"adversarialser__adversary__weight": [0.1, 0.5, 1.0]},
    ),
}


def scaler():
    return SpeakerScaler(shrinkage="auto", balance=True, clip=3.0)


def make_search(name):
    """Return the search of a method over its settings."""
    classifier, grid = METHODS[name]
    is_network = isinstance(classifier, AdversarialSER)
    search = StackedGridSearchCV if is_network else GridSearchCV
    pipeline = make_pipeline(scaler(), classifier)
    return search(pipeline, grid, scoring=SCORER, cv=LeaveOneGroupOut())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", type=Path, help="CSV of another corpus")
    parser.add_argument("--repeats", type=int, default=20, help="random draws")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON for EmoDB")
    args = parser.parse_args()
    if args.table:
        frame = pd.read_csv(args.table, dtype={"speaker": str, "emotion": str})
        X = frame.select_dtypes("number").to_numpy(np.float32)
        corpus = X, frame["emotion"].to_numpy(object), frame["speaker"].to_numpy(object)
    else:
        corpus = load_emodb(return_X_y_speakers=True)

    results = []
    for name, (classifier, _) in METHODS.items():
        n_seeds = NETWORK_SEEDS if isinstance(classifier, AdversarialSER) else 1
        for kind, counts in (("any", ANY), ("neutral", NEUTRAL)):
            curves = [
                enrollment_curve(
                    make_search(name),
                    *corpus,
                    k=counts,
                    neutral=kind == "neutral",
                    repeats=args.repeats,
                    random_state=seed,
                    n_jobs=args.n_jobs,
                    verbose=1,
                )
                for seed in range(n_seeds)
            ]
            cells = pd.concat(curves).groupby(["k", "transductive"], sort=False)
            for (k, transductive), uar in cells["uar"]:
                row = {"classifier": name, "enrolled": kind, "k": k}
                row["transductive"] = transductive
                results.append(row | {"uar": uar.mean(), "std": uar.std()})
    results = pd.DataFrame(results).round(4)
    print(results.to_string(index=False, na_rep=""))
    if args.table:
        return
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances not scored, but for k = all; std over random draws, and "
        "over seeds where there are several",
        "settings": {
            "scaler": str(scaler()),
            "candidates": {name: grid for name, (_, grid) in METHODS.items()},
            "selection": "largest mean UAR of the other speakers, left out and "
            "enrolled in turn, over k from 0 to 20 and 3 draws of any utterances",
            "network_seeds": NETWORK_SEEDS,
            "repeats": args.repeats,
            "threads": 1,
        },
        **environment(PACKAGES),
        "results": json.loads(results.to_json(orient="records")),
    }
    write(args.out, report)


if __name__ == "__main__":
    main()
