"""How much a few utterances of a new speaker are worth.

Leave one speaker out, k utterances of theirs enrolled and never scored: any of them, or
neutral ones that are told to be neutral. Every setting of a method is chosen for each
speaker anew, by the others alone, who are left out and enrolled in turn among
themselves. All methods have the same scaler and the same number of candidates.

    python benchmarks/enrolment.py                  # EmoDB; writes the JSON
    python benchmarks/enrolment.py --table my.csv   # another corpus; prints only

A table has the columns "speaker" and "emotion"; its numeric columns are the features.
"""

import argparse
import copy
import json
import platform
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn import clone, config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from advser import AdversarialSER, SpeakerScaler, enroll
from advser.datasets import load_emodb
from advser.metrics import unweighted_average_recall
from advser.model_selection import StackedGridSearchCV
from advser.speakers import EnrollmentScorer

ANY = [0, 1, 2, 5, 10, 20, "all"]
NEUTRAL = [1, 2, 3]
SCORER = EnrollmentScorer(k=[0, 1, 2, 5, 10, 20], repeats=3)
NETWORK_SEEDS = 2
RESULTS = Path(__file__).parent / "results" / "enrolment.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]

METHODS = {
    "logistic regression": (
        LogisticRegression(class_weight="balanced", max_iter=5000),
        {"logisticregression__C": [0.03, 0.1, 0.3]},
    ),
    "linear SVM": (
        SVC(kernel="linear", class_weight="balanced"),
        {"svc__C": [0.01, 0.03, 0.1]},
    ),
    "network": (AdversarialSER(None), {"adversarialser__alpha": [0.01, 0.02, 0.04]}),
    "network, grl": (
        AdversarialSER("grl"),
        {"adversarialser__adversary_weight": [0.03, 0.1, 0.3]},
    ),
    "network, entropy": (
        AdversarialSER("entropy"),
        {"adversarialser__adversary_weight": [0.1, 0.5, 1.0]},
    ),
}


def scaler():
    return SpeakerScaler(shrinkage="auto", balance=True, clip=3.0)


def chosen(name, seed, X, y, speakers):
    """Return the pipeline of a method with the settings that suit these speakers."""
    classifier, grid = METHODS[name]
    kind = GridSearchCV
    if isinstance(classifier, AdversarialSER):
        classifier = clone(classifier).set_params(random_state=seed)
        kind = StackedGridSearchCV
    pipeline = make_pipeline(scaler(), classifier)
    search = kind(pipeline, grid, scoring=SCORER, cv=LeaveOneGroupOut())
    return search.fit(X, y, groups=speakers)


def left_out(name, seed, train, test, number, corpus, draws):
    """Return what is found of a speaker left out: draw, rows and predictions."""
    X, y, speakers = corpus
    with threadpool_limits(1), config_context(enable_metadata_routing=True):
        search = chosen(name, seed, X[train], y[train], speakers[train])
        found = []
        for kind, k, repeat in draws:
            can_be = test if kind == "any" else test[y[test] == "neutral"]
            if k == "all":
                met, scored = can_be, test
            elif k < len(can_be) or k == 0:
                drawn = np.random.default_rng([seed, number, repeat])
                met = drawn.permutation(can_be)[:k]
                scored = np.setdiff1d(test, met)
            else:
                continue
            model = copy.deepcopy(search.best_estimator_)
            if len(met):
                enroll(model, X[met], speakers[met], neutral=kind == "neutral")
            predicted = model.predict(X[scored], speakers=speakers[scored])
            found.append(((kind, k, repeat), scored, predicted))
    return found, search.best_params_


def curve(name, seed, corpus, draws, n_jobs, progress):
    """Return the recall of each draw, and how often each candidate was chosen."""
    _, y, speakers = corpus
    folds = LeaveOneGroupOut().split(y, y, groups=speakers)
    jobs = [
        delayed(left_out)(name, seed, *fold, number, corpus, draws)
        for number, fold in enumerate(folds)
    ]
    pooled, choices = {}, []
    for found, best in Parallel(n_jobs, return_as="generator")(jobs):
        choices += [json.dumps(best)]
        progress.update()
        for draw, scored, predicted in found:
            pooled.setdefault(draw, []).append((scored, predicted))
    rows = []
    for (kind, k, repeat), parts in pooled.items():
        scored, predicted = (np.concatenate(part) for part in zip(*parts))
        uar = unweighted_average_recall(y[scored], predicted)
        rows.append({"enrolled": kind, "k": k, "repeat": repeat, "uar": uar})
    return pd.DataFrame(rows), choices


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
    _, y, speakers = corpus

    draws = [("any", k, repeat) for k, repeat in product(ANY, range(args.repeats))]
    fewest = pd.Series(y == "neutral").groupby(speakers).sum().min()
    draws += [
        ("neutral", k, repeat)
        for k, repeat in product(NEUTRAL, range(args.repeats))
        if k < fewest
    ]
    draws = [draw for draw in draws if draw[1] not in (0, "all") or draw[2] == 0]
    runs = [
        (name, seed)
        for name, (classifier, _) in METHODS.items()
        for seed in range(
            NETWORK_SEEDS if isinstance(classifier, AdversarialSER) else 1
        )
    ]
    curves, choices = {}, {}
    with tqdm(total=len(runs) * len(np.unique(speakers))) as progress:
        for name, seed in runs:
            found, best = curve(name, seed, corpus, draws, args.n_jobs, progress)
            curves.setdefault(name, []).append(found)
            choices[name] = choices.get(name, []) + best
    results = []
    for name, found in curves.items():
        cells = pd.concat(found).groupby(["enrolled", "k"], sort=False)["uar"]
        for (kind, k), uar in cells:
            results.append(
                {
                    "classifier": name,
                    "enrolled": kind,
                    "k": k,
                    "transductive": k == "all",
                    "uar": uar.mean(),
                    "std": uar.std(),
                }
            )
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
            "chosen": {
                name: dict(pd.Series(best).value_counts().items())
                for name, best in choices.items()
            },
            "network_seeds": NETWORK_SEEDS,
            "repeats": args.repeats,
            "threads": 1,
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "results": json.loads(results.to_json(orient="records")),
    }
    text = json.dumps(report, indent=1, default=int)
    args.out.write_text(text + "\n", encoding="utf-8")
    print(f"written to {args.out}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
