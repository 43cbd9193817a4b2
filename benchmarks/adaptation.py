"""Recall with adaptation to unseen speakers, on several corpora, with baselines.

Each corpus is split by speaker. The rows of a test speaker come in three orders, each
drawn several times (:func:`advser.speakers.utterance_order`). The kinds are no
adaptation ("inductive"); running mean, and running mean and variance, also with a
factor by which old utterances are forgotten; iterative feature normalization, causal
and of the whole batch (see `_normalisations`); this package's running statistics
("moments"), the same without the effect of the estimated emotions ("emotions"), the
choice that `fit` makes from the training speakers ("auto"), and the statistics of the
whole batch ("transductive"). Behind each is a logistic regression; behind "inductive"
and "auto" also a linear SVM and an adversarial network.

A second part enrols k utterances of each test speaker and scores the others.

    python benchmarks/adaptation.py [--tables urdu.csv ravdess.parquet ...]

EmoDB comes with the package; other tables are files with the columns `emotion` and
`speaker`. The report has scores, and no rows of the corpora.
"""

import argparse
import copy
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _normalisations import IterativeNormalization, RunningMean
from _report import environment, write
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC
from tqdm import tqdm

from advser import AdaptationWarning, AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import uar_interval
from advser.metrics import unweighted_average_recall
from advser.speakers import utterance_order

ORDERS = ("random", "blocks", "emotions")
COUNTS = (1, 2, 5, 10, 20)  # of enrolled utterances
CLIP = 4.0
OTHER = ("file", "emotion", "speaker", "gender")

KINDS = {
    "inductive": SpeakerScaler(shrinkage=np.inf, clip=CLIP),
    "mean": RunningMean(clip=CLIP),
    "mean and variance": RunningMean(variance=True, clip=CLIP),
    **{
        f"forgetting, {kept}": RunningMean(variance=True, clip=CLIP, kept=kept)
        for kept in (0.99, 0.97, 0.95, 0.9)
    },
    "iterative, causal": IterativeNormalization(causal=True, clip=CLIP),
    "moments": SpeakerScaler(unknown="adapt", balance=False, clip=CLIP),
    "emotions": SpeakerScaler(unknown="adapt", balance=True, clip=CLIP),
    "auto": SpeakerScaler(unknown="adapt", clip=CLIP),
    "iterative, batch": IterativeNormalization(clip=CLIP),
    "transductive": SpeakerScaler(unknown="batch", clip=CLIP),
}
WITHOUT_ORDER = ("inductive", "iterative, batch", "transductive")
CLASSIFIERS = {
    "logistic": LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000),
    "svm": SVC(kernel="linear", C=0.01, class_weight="balanced"),
    "network": AdversarialSER(random_state=0),
}
WITH_ALL_CLASSIFIERS = ("inductive", "auto")
ENROLLED = {
    "shrinkage=2": SpeakerScaler(shrinkage=2, balance=False, clip=CLIP),
    "unknown='adapt'": SpeakerScaler(unknown="adapt", clip=CLIP),
    "shrinkage='auto', balance=True": SpeakerScaler(
        shrinkage="auto", balance=True, clip=CLIP
    ),
    "shrinkage='auto'": SpeakerScaler(shrinkage="auto", balance=False, clip=CLIP),
}


def read(path):
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype={"speaker": str})
    features = table.drop(columns=[name for name in OTHER if name in table])
    emotions, speakers = table["emotion"].astype(str), table["speaker"].astype(str)
    return tuple(part.to_numpy() for part in (features, emotions, speakers))


def folds_of(X, y, speakers):
    return GroupKFold(min(10, len(set(speakers)))).split(X, y, speakers)


def fit(classifier, X, y, speakers):
    metadata = {"speakers": speakers} if isinstance(classifier, AdversarialSER) else {}
    return clone(classifier).fit(X, y, **metadata)


def chosen(scaler):
    """Return what an adapting scaler has chosen."""
    if scaler.adaptation_scores_ is None:
        return "moments"
    return scaler.adaptation_scores_.mean(axis=1).idxmax()


def scores_of(X, y, speakers, repeats, classifiers=CLASSIFIERS):
    """Return a record per kind, classifier and order, and the choices of "auto"."""
    draws = [
        (order, draw, utterance_order(y, speakers, order, random_state=draw))
        for order in ORDERS
        for draw in range(repeats)
    ]
    predicted, choices = {}, []
    for train, test in folds_of(X, y, speakers):
        once = [("any", 0, test)]
        drawn = [(*key, rows[np.isin(rows, test)]) for *key, rows in draws]
        for kind, scaler in KINDS.items():
            scaler = copy.deepcopy(scaler)
            training = scaler.fit_transform(X[train], y[train], speakers[train])
            models = {
                name: fit(classifier, training, y[train], speakers[train])
                for name, classifier in classifiers.items()
                if name == "logistic" or kind in WITH_ALL_CLASSIFIERS
            }
            if kind == "auto":
                choices.append(chosen(scaler))
            runs = once if kind in WITHOUT_ORDER else drawn
            rows = np.concatenate([rows for *_, rows in runs])
            # Every draw has unknown speakers of its own, so all are scaled at once.
            names = [f"{s}, {key}" for *key, part in runs for s in speakers[part]]
            scaled = scaler.transform(X[rows], np.array(names))
            for name, model in models.items():
                parts = np.split(model.predict(scaled), len(runs))
                for (order, draw, part), values in zip(runs, parts):
                    empty = np.empty((len(y), repeats if order != "any" else 1), object)
                    whole = predicted.setdefault((kind, name, order), empty)
                    whole[part, draw] = values
    records = []
    for (kind, name, order), found in predicted.items():
        low, high = uar_interval(y, found, speakers=speakers)
        record = {"kind": kind, "classifier": name, "order": order}
        records.append(record | summary(y, found) | {"low": low, "high": high})
    return records, pd.Series(choices).value_counts().to_dict()


def summary(y, predicted):
    """Return mean and standard deviation of the recall over the columns."""
    recalls = [unweighted_average_recall(y, one) for one in predicted.T]
    return {"uar": np.mean(recalls), "std": np.std(recalls), "draws": len(recalls)}


def enrolment_of(X, y, speakers, repeats):
    """Return a record per scaler, number and kind of enrolled utterances."""
    found = {}
    draws = [np.random.default_rng(draw).permutation(len(y)) for draw in range(repeats)]
    for train, test in folds_of(X, y, speakers):
        for name, scaler in ENROLLED.items():
            scaler = clone(scaler)
            training = scaler.fit_transform(X[train], y[train], speakers[train])
            model = fit(CLASSIFIERS["logistic"], training, y[train], speakers[train])
            for neutral in (False, True):
                for draw, rows in enumerate(draws):
                    rows = rows[np.isin(rows, test)]
                    may = (y[rows] == "neutral") | (not neutral)
                    candidates = pd.Series(speakers[rows][may])
                    number = candidates.groupby(candidates).cumcount().to_numpy()
                    sizes = candidates.value_counts()
                    for k in COUNTS:
                        taken = candidates.map(sizes).to_numpy() > k
                        enrolled = rows[may][taken & (number < k)]
                        if not len(enrolled):
                            continue
                        own = copy.deepcopy(scaler)
                        own.enroll(X[enrolled], speakers[enrolled], neutral=neutral)
                        of_new = np.isin(speakers[rows], speakers[enrolled])
                        scored = np.setdiff1d(rows[of_new], enrolled)
                        scaled = own.transform(X[scored], speakers[scored])
                        key = name, neutral, k
                        pairs = found.setdefault(key, [[] for _ in draws])
                        pairs[draw].append((scored, model.predict(scaled)))
    records = []
    for (name, neutral, k), of_draws in found.items():
        recalls = []
        for pairs in of_draws:
            scored, predicted = map(np.concatenate, zip(*pairs))
            recalls.append(unweighted_average_recall(y[scored], predicted))
        record = {"scaler": name, "neutral": neutral, "k": k}
        record["n_speakers"] = len(set(speakers[scored]))
        records.append(record | {"uar": np.mean(recalls), "std": np.std(recalls)})
    return records


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
    report = {
        "settings": {
            "repeats": args.repeats,
            "folds": "speaker-disjoint, at most 10",
            "scalers": {
                name: repr(one) for name, one in KINDS.items() if hasattr(one, "fit")
            },
            "classifiers": {name: repr(one) for name, one in CLASSIFIERS.items()},
        },
        "versions": environment(["advser", "numpy", "scikit-learn", "torch"]),
        "corpora": [],
        "scores": [],
        "enrolment": [],
    }
    for name, (X, y, speakers) in tqdm(corpora.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AdaptationWarning)
            scores, choices = scores_of(X, y, speakers, args.repeats)
            enrolment = enrolment_of(X, y, speakers, args.repeats)
        report["scores"] += [{"corpus": name} | record for record in scores]
        report["enrolment"] += [{"corpus": name} | record for record in enrolment]
        report["corpora"].append(
            {
                "corpus": name,
                "n_samples": len(y),
                "n_speakers": len(set(speakers)),
                "n_emotions": len(set(y)),
                "chosen": choices,
            }
        )
    for table in ("scores", "enrolment"):
        report[table] = pd.DataFrame(report[table]).round(4).to_dict("records")
    print(pd.DataFrame(report["scores"]).to_string(index=False))
    write(args.out, report)


if __name__ == "__main__":
    main()
