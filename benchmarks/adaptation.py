"""Recall of a linear classifier that adapts to unseen speakers, on several corpora.

Each corpus is split by speaker. The rows are the kinds of adaptation: none, running
statistics ("moments"), the same without the effect of the estimated emotions
("emotions"), and the choice that `fit` makes from the training speakers ("auto"). EmoDB
comes with the package; other tables are files with the columns `emotion` and `speaker`.

    python benchmarks/adaptation.py [--tables urdu.csv ravdess.parquet ...]
"""

import argparse
import warnings
from pathlib import Path

import pandas as pd
from _report import environment, write
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from tqdm import tqdm

from advser import AdaptationWarning, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import adaptation_curve

KINDS = {"moments": False, "emotions": True, "auto": "auto"}
OTHER = ("file", "emotion", "speaker", "gender")


def read(path):
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype={"speaker": str})
    features = table.drop(columns=[name for name in OTHER if name in table])
    emotions, speakers = table["emotion"].astype(str), table["speaker"].astype(str)
    return features.to_numpy(), emotions.to_numpy(), speakers.to_numpy()


def scores_of(X, y, speakers, repeats):
    """Return one row per kind, order and repeat, with the recall of all utterances."""
    folds = GroupKFold(min(10, len(set(speakers))))
    tables = []
    for kind, balance in KINDS.items():
        model = make_pipeline(
            SpeakerScaler(unknown="adapt", balance=balance, clip=4),
            LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000),
        )
        curve = adaptation_curve(model, X, y, speakers, repeats=repeats, cv=folds)
        whole = curve[(curve["first"] == 1) & (curve["last"] == float("inf"))]
        kinds = whole["kind"].where(whole["kind"] == "inductive", kind)
        tables.append(whole.assign(kind=kinds))
    table = pd.concat(tables)
    first = ~table.duplicated(["kind", "order", "repeat"])
    return table.loc[first, ["kind", "order", "repeat", "n_samples", "uar"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", type=Path, default=[])
    parser.add_argument("--repeats", type=int, default=5)
    here = Path(__file__).parent
    parser.add_argument(
        "--out", type=Path, default=here / "results" / "adaptation.json"
    )
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    found = []
    for name, (X, y, speakers) in tqdm(corpora.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AdaptationWarning)
            found.append(scores_of(X, y, speakers, args.repeats).assign(corpus=name))
    table = pd.concat(found)
    mean = table.pivot_table("uar", ["corpus", "kind"], "order")
    print(mean.round(3).to_string())
    write(
        args.out,
        {
            "settings": {"repeats": args.repeats, "classifier": "LogisticRegression"},
            "versions": environment(["advser", "numpy", "scikit-learn"]),
            "scores": table.to_dict("records"),
        },
    )


if __name__ == "__main__":
    main()
