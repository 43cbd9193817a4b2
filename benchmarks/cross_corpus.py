"""Trained on one corpus and tested on another: EmoDB and URDU, both ways.

With and without the unlabelled utterances of the test corpus, and with speakers,
corpora or both as domains of the adversary. Nothing is chosen: networks run with their
defaults, linear models with C = 0.1, as in `label_efficiency.py`. The table also has
the recall within each corpus, in ten folds by speaker.

    python benchmarks/cross_corpus.py urdu.csv    # writes the JSON and a figure

The table has the columns "speaker" and "emotion", the latter in the words of
`advser.corpora`, and the features in columns of the names that EmoDB's have.
"""

import argparse
import json
import platform
import warnings
from pathlib import Path

import pandas as pd
from _report import environment, write
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser import AdversarialSER, ConfoundedSpeakersWarning, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import cross_corpus
from advser.objectives import GradientReversal, MaxEntropy
from advser.plots import CrossCorpusDisplay
from advser.speakers import speaker_confounding

N_FOLDS = 10
WEIGHT = 0.5  # of the adversaries
ADVERSARY_ALONE = {"pseudo_labels": False}  # learns from rows of the test corpus
BASELINE = "no adversary"
SHOWN = ["linear SVM", "no adversary"]  # with a confusion matrix
RESULTS = Path(__file__).parent / "results" / "cross_corpus.json"
PACKAGES = ["advser", "numpy", "pandas", "scikit-learn", "torch"]


def make_estimators():
    svm = SVC(kernel="linear", C=0.1, class_weight="balanced", random_state=0)
    logistic = LogisticRegression(
        C=0.1, class_weight="balanced", max_iter=5000, random_state=0
    )
    return {
        "linear SVM": make_pipeline(StandardScaler(), svm),
        "logistic regression": make_pipeline(StandardScaler(), logistic),
        "linear SVM, scaled": make_pipeline(SpeakerScaler(unknown="batch"), svm),
        "no adversary": AdversarialSER(None, **ADVERSARY_ALONE),
        "gradient reversal": AdversarialSER(
            GradientReversal(WEIGHT), **ADVERSARY_ALONE
        ),
        "maximum entropy": AdversarialSER(MaxEntropy(WEIGHT), **ADVERSARY_ALONE),
    }


def corpus_difference(corpora, features):
    """Return how different the features of two corpora are.

    This is the accuracy with which a classifier predicts the corpus of an utterance of
    an unseen speaker, and the share of features whose means lie far apart.
    """
    rows = pd.concat(corpora, names=["corpus"]).reset_index("corpus")
    X, speakers = rows[features], rows["corpus"] + "/" + rows["speaker"]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    accuracy = cross_val_score(
        model,
        X,
        rows["corpus"],
        groups=speakers,
        cv=GroupKFold(N_FOLDS),
        scoring="accuracy",
    )
    by_corpus = X.groupby(rows["corpus"])
    apart = by_corpus.mean().diff().iloc[-1].abs() / by_corpus.std().mean()
    return {
        "corpus_accuracy": float(accuracy.mean()),
        "means_one_deviation_apart": float((apart > 1).mean()),
    }


def confusions(comparison):
    """Return the confusion matrices, by pair of corpora and estimator."""
    found = comparison.predictions
    found = found[(found["train"] != found["test"]) & found["estimator"].isin(SHOWN)]
    tables = []
    for (train, test, name), rows in found.groupby(["train", "test", "estimator"]):
        emotions = sorted(rows["y_true"].unique())
        share = confusion_matrix(
            rows["y_true"], rows["y_pred"], labels=emotions, normalize="true"
        )
        tables.append(
            {
                "train": train,
                "test": test,
                "estimator": name,
                "emotions": emotions,
                "share": share.round(3).tolist(),
            }
        )
    return tables


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, help="CSV of features")
    parser.add_argument("--corpus", default="URDU", help="its name")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    emodb = load_emodb(as_frame=True)
    other = pd.read_csv(args.table, dtype={"speaker": str, "emotion": str})
    columns = ["speaker", "emotion", *emodb.feature_names]
    corpora = {"EmoDB": emodb.frame[columns], args.corpus: other[columns]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfoundedSpeakersWarning)
        comparison = cross_corpus(
            corpora,
            make_estimators(),
            domain=["speaker", "corpus", "both"],
            within=N_FOLDS,
            seeds=args.seeds,
            verbose=1,
        )
    summary = comparison.summary().drop(columns="fit_seconds")
    differences = comparison.pairwise(BASELINE)
    print(summary.round(3).to_string())
    print(differences.round(3).to_string(index=False))
    report = {
        "protocol": "trained on all rows of one corpus with the shared emotions, "
        "tested on those of the other; within a corpus GroupKFold("
        f"{N_FOLDS}) by speaker; mean and std over seeds; 95 % interval by bootstrap "
        "over the test speakers; permutation test over them, corrected by Holm for all "
        "comparisons of the table",
        "baseline": BASELINE,
        "pairs": comparison.pairs.to_dict("records"),
        "confounding": {
            name: str(speaker_confounding(table["emotion"], table["speaker"]))
            for name, table in corpora.items()
        },
        "told_apart": corpus_difference(corpora, emodb.feature_names),
        "settings": {
            "seeds": list(range(args.seeds)),
            "linear_models": "C = 0.1, balanced",
            "networks": "AdversarialSER with its defaults",
            "threads": 1,
        },
        "platform": platform.platform(),
        **environment(PACKAGES),
        "results": records(summary.reset_index()),
        "differences": records(differences),
        "confusions": confusions(comparison),
    }
    write(args.out, report)
    figure = CrossCorpusDisplay.from_comparison(comparison).figure_
    figure.savefig(args.out.with_suffix(".png"), dpi=150)


def records(table):
    """Return the rows of a table, ready for JSON."""
    return json.loads(table.round(4).to_json(orient="records"))


if __name__ == "__main__":
    main()
