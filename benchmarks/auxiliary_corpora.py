"""Recall with the rows of other corpora as further training data.

Each corpus is split by speaker. A logistic regression is trained on its own rows, on
these with the rows of all other corpora at a weight that `AuxiliaryCorpora` chooses
(perhaps 0), and at a fixed weight. Features are standardised by the training rows, or
by the speaker with adaptation, in three orders of utterances.

    python benchmarks/auxiliary_corpora.py --tables urdu.csv ravdess.parquet ...

EmoDB comes with the package; other tables are files with the columns `emotion` and
`speaker`. The report has scores, and no rows of the corpora. A corpus that it has
already is not computed again.
"""

import argparse
import json
from pathlib import Path

from _report import environment, write
from adaptation import ORDERS, read
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from advser import SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import compare
from advser.model_selection import AuxiliaryCorpora

FOLDS = 5
FIXED = 0.3  # weight of all other corpora together
LINEAR = LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000, tol=1e-3)
SCALERS = {
    "inductive": StandardScaler(),
    "adaptive": SpeakerScaler(unknown="adapt", clip=4.0),
}


def estimators_of(others):
    """Return the estimators by kind of scaling, and by use of the other corpora."""
    fixed = dict.fromkeys(others, FIXED / len(others))
    estimators = {}
    for name, scaler in SCALERS.items():
        chosen = AuxiliaryCorpora(LINEAR, others, by_speaker=name == "adaptive")
        at_fixed = clone(chosen).set_params(weights=fixed)
        ways = {"alone": LINEAR, "chosen": chosen, "fixed": at_fixed}
        for way, classifier in ways.items():
            estimators[f"{name}: {way}"] = make_pipeline(scaler, classifier)
    return estimators


def scores_of(corpora, name, seeds):
    """Return one row per estimator, and order of the utterances, for a corpus."""
    others = {other: data for other, data in corpora.items() if other != name}
    estimators = estimators_of(others)
    comparison = compare(
        estimators, *corpora[name], cv=FOLDS, order=ORDERS, seeds=seeds, n_jobs=1
    )
    table = comparison.summary()[["kind", "uar", "uar_low", "uar_high"]]
    print(name, table.round(3).to_string(), sep="\n", flush=True)
    return table.reset_index().assign(corpus=name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="draws of each order")
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "auxiliary_corpora.json")
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    folds = f"{FOLDS} folds by speaker"
    settings = {"seeds": args.seeds, "folds": folds, "fixed": FIXED}
    versions = environment(["advser", "numpy", "scikit-learn"])
    scores = []
    if args.out.exists():
        scores = json.loads(args.out.read_text("utf-8"))["scores"]
    known = {row["corpus"] for row in scores}
    for name in tqdm(corpora):
        if name not in known:
            scores += scores_of(corpora, name, args.seeds).round(4).to_dict("records")
            report = {"settings": settings, "versions": versions, "scores": scores}
            write(args.out, report)


if __name__ == "__main__":
    main()
