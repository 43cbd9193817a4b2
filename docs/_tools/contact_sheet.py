"""Draw every figure of the package at several sizes of the data, on one HTML sheet.

The sheet shows each figure at its real size and as wide as a phone. Look at it after a
change of `advser.plots`:

    python docs/_tools/contact_sheet.py sheet
"""

import argparse
import warnings
from html import escape
from itertools import islice, product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from advser import AdversarialSER, SiameseSER, SpeakerScaler, plots
from advser.evaluation import (
    adaptation_curve,
    compare,
    cross_corpus,
    enrollment_curve,
)
from advser.metrics import unweighted_average_recall
from advser.plots._base import draw_confusion_matrix, new_axes
from advser.report import report

SPEAKERS, METHODS = (10, 24, 60), (1, 6, 18)
PHONE = 420  # pixels
EMOTIONS = ("anger", "happiness", "neutral", "sadness", "disgust", "fear", "surprise")
FEATURES = [
    *("F0semitoneFrom27.5Hz_sma3nz_amean", "loudness_sma3_amean", "HNRdBACF_sma3nz"),
    *("jitterLocal_sma3nz_amean", "slopeV500-1500_sma3nz_stddevNorm", "mfcc1_sma3"),
    *("StddevUnvoicedSegmentLength", "equivalentSoundLevel_dBp", "alphaRatioV_sma3nz"),
    *("F1frequency_sma3nz_amean", "F2bandwidth_sma3nz_amean", "hammarbergIndexV"),
]


def make_corpus(n_speakers, seed=0):
    """Return features, emotions and speakers, with some emotions missing."""
    rng = np.random.default_rng(seed)
    emotions = np.array(EMOTIONS[: 4 if n_speakers < 24 else 7])
    names = {10: "{:02d}", 24: "Ses{:02d}F_script", 60: "{}"}.get(n_speakers, "{}")
    of_speaker = [
        names.format(number + (1001 if n_speakers == 60 else 3))
        for number in range(n_speakers)
    ]
    speaker = np.repeat(np.arange(n_speakers), rng.integers(8, 30, n_speakers))
    mixes = rng.dirichlet(np.full(len(emotions), 2.0), n_speakers)
    emotion = np.array([rng.choice(len(emotions), p=mixes[one]) for one in speaker])
    X = rng.normal(size=(len(speaker), len(FEATURES)))
    X += rng.normal(size=(len(emotions), len(FEATURES)))[emotion]
    X += rng.normal(size=(n_speakers, len(FEATURES)))[speaker]
    return X, emotions[emotion], np.array(of_speaker)[speaker]


def make_methods(n_methods):
    """Return estimators: inductive ones, then those that adapt, then transductive."""
    models = {
        "adversary in closed form": LinearDiscriminantAnalysis(),
        "gradient reversal": GaussianNB(),
        "maximum entropy": ExtraTreesClassifier(10),
        "correlation alignment": RidgeClassifier(random_state=0),
        "maximum mean discrepancy": make_pipeline(
            SelectKBest(k=6), LinearDiscriminantAnalysis()
        ),
        "autoencoder, speaker as task": make_pipeline(SelectKBest(k=3), GaussianNB()),
        "siamese network": make_pipeline(SelectKBest(k=6), ExtraTreesClassifier(5)),
        "logistic regression": KNeighborsClassifier(15),
        "linear SVM": KNeighborsClassifier(3),
        "scikit-learn's MLP": ExtraTreesClassifier(3),
    }
    kinds = {
        1: {"": 1},
        6: {"": 3, ", adaptive": 1, ", per speaker": 2},
        18: {"": 10, ", adaptive": 2, ", per speaker": 6},
    }
    scalers = {
        "": StandardScaler(),
        ", adaptive": SpeakerScaler(unknown="adapt", balance=False),
        ", per speaker": SpeakerScaler(unknown="batch"),
    }
    return {
        name + suffix: make_pipeline(scalers[suffix], model)
        for suffix, number in kinds[n_methods].items()
        for name, model in islice(models.items(), number)
    }


def of_comparison(corpus, n_methods, folder):
    """Yield name and figure of the displays of a comparison, and write its report."""
    comparison = compare(
        make_methods(n_methods),
        *corpus,
        cv=5,
        seeds=3,
        probes=["logistic"],
        folder=folder,
    )
    shown = next(iter(comparison.settings["estimators"]))
    yield "comparison", plots.ComparisonDisplay.from_comparison(comparison).figure_
    yield "intervals", plots.IntervalDisplay.from_comparison(comparison).figure_
    yield "leakage", plots.LeakageDisplay.from_comparison(comparison).figure_
    if n_methods > 1:
        baseline = None if n_methods == 6 else shown
        display = plots.DifferenceDisplay.from_comparison(comparison, baseline=baseline)
        yield "differences", display.figure_
        inductive = [n for n, k in comparison.kinds().items() if k == "inductive"]
        paths = {name: {0: name} for name in inductive[:1]}
        half = inductive[1 : 1 + len(inductive) // 2]
        paths |= {
            name: {0.1: name, 1.0: other}
            for name, other in zip(half, inductive[len(half) :])
        }
        display = plots.WeightDisplay.from_comparison(comparison, paths)
        yield "weights", display.figure_
    found = comparison.predictions[comparison.predictions["estimator"] == shown]
    ax = new_axes("A figure")
    uar = unweighted_average_recall(found["y_true"], found["y_pred"])
    title = f"{shown}\nUAR {uar:.2f}"
    draw_confusion_matrix(found["y_true"], found["y_pred"], title, ax)
    yield "confusion", ax.figure
    yield (
        "recall",
        plots.SpeakerRecallDisplay.from_predictions(
            found["y_true"], found["y_pred"], found["speaker"]
        ).figure_,
    )
    report(folder)


def of_speakers(corpus):
    """Yield name and figure of the displays of speakers."""
    X, y, speakers = corpus
    yield "confounding", plots.ConfoundingDisplay.from_labels(y, speakers).figure_
    yield (
        "embedding",
        plots.EmbeddingDisplay.from_embedding(X, y, speakers, method="pca").figure_,
    )
    rated, noise = X[:, 0], X[:, 3]
    yield (
        "ratings",
        plots.RatingDisplay.from_predictions(
            rated, 0.7 * rated + 0.4 * noise, name="arousal"
        ).figure_,
    )
    ser = AdversarialSER("grl", max_epochs=12, early_stopping=True, random_state=0)
    yield (
        "training",
        plots.TrainingDisplay.from_estimator(ser.fit(X, y, speakers=speakers)).figure_,
    )
    table = pd.DataFrame(X, columns=FEATURES)
    siamese = SiameseSER(max_epochs=3, random_state=0).fit(table, y, speakers=speakers)
    yield "explanation", plots.ExplanationDisplay.from_estimator(siamese, table).figure_


def of_curves(corpus, n_methods):
    """Yield name and figure of the displays that show a curve for each method."""
    ks, curves, adapted = [0, 1, 2, 5, 10, "all"], {}, {}
    names = [*make_methods(18)][:n_methods]
    for number, name in enumerate(names):
        model = make_pipeline(
            SpeakerScaler(), SelectKBest(k=2 + number % 10), GaussianNB()
        )
        curves[name] = enrollment_curve(model, *corpus, k=ks[:-1], repeats=2)
    for number, name in enumerate(names):
        adapting = SpeakerScaler(unknown="adapt", balance=False)
        model = make_pipeline(adapting, SelectKBest(k=2 + number % 10), GaussianNB())
        adapted[name] = adaptation_curve(model, *corpus, repeats=1, cv=5)
    yield "enrolment", plots.EnrollmentDisplay.from_curves(curves).figure_
    yield "adaptation", plots.AdaptationDisplay.from_curve(adapted).figure_


def of_corpora(n_methods):
    """Yield name and figure of the display of a comparison across corpora."""
    tables = {}
    for number, name in enumerate(("EmoDB", "CREMA-D", "MSP-IMPROV, improvised")):
        X, y, speakers = make_corpus(10, seed=number)
        table = pd.DataFrame(X, columns=FEATURES).assign(emotion=y, speaker=speakers)
        tables[name] = table
    methods = {n: m for n, m in make_methods(n_methods).items() if "adapt" not in n}
    found = cross_corpus(
        tables, methods, domain=["speaker", "corpus"], seeds=1, within=3
    )
    yield "corpora", plots.CrossCorpusDisplay.from_comparison(found).figure_


def figures(folder, speakers, methods):
    """Yield name, speakers, methods and figure, one after the other."""
    for n_speakers in speakers:
        corpus = make_corpus(n_speakers)
        for name, figure in of_speakers(corpus):
            yield name, n_speakers, "", figure
        for n_methods in methods:
            results = folder / f"results-{n_speakers}-{n_methods}"
            for name, figure in of_comparison(corpus, n_methods, results):
                yield name, n_speakers, n_methods, figure
    corpus = make_corpus(10)
    for n_methods in methods:
        for name, figure in (*of_curves(corpus, n_methods), *of_corpora(n_methods)):
            yield name, 10, n_methods, figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speakers", type=int, nargs="+", default=SPEAKERS)
    parser.add_argument("--methods", type=int, nargs="+", default=METHODS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    mpl.use("Agg")
    warnings.simplefilter("ignore")
    parts = []
    for name, n_speakers, n_methods, figure in figures(
        args.folder, args.speakers, args.methods
    ):
        file = f"{name}-{n_speakers}-{n_methods}".rstrip("-") + ".png"
        figure.savefig(args.folder / file, dpi=96)
        pyplot.close(figure)
        parts.append((name, file, n_speakers, n_methods))
        print(file, flush=True)
    parts.sort(key=lambda part: part[0])
    sheet = [
        f"<h2>{escape(name)}: {n_speakers} speakers, {n_methods or 'no'} methods</h2>\n"
        f'<img src="{file}"> <img src="{file}" width="{PHONE}">\n'
        for name, file, n_speakers, n_methods in parts
    ]
    sheet += [
        f'<p><a href="results-{one}-{other}/report.html">Report of {one} speakers and '
        f"{other} methods</a></p>\n"
        for one, other in product(args.speakers, args.methods)
    ]
    (args.folder / "index.html").write_text("".join(sheet), encoding="utf-8")
    print(args.folder / "index.html")


if __name__ == "__main__":
    main()
