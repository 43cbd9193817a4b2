"""The benchmark of the command line: methods × normalisations, into a folder.

No setting is chosen by the results. The linear models pick their C out of four by
speaker-disjoint cross-validation of the training rows. The networks run with their
defaults, which were chosen on EmoDB: there, and only there, this favours them.
"""

import os
import platform
from itertools import product
from time import perf_counter

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from ..evaluation._compare import compare
from ..evaluation._probes import MIN_ROWS, held_out_embeddings
from ..evaluation._store import described as parameters_of
from ..evaluation._store import installed, write_json
from ..methods._adversarial import AdversarialSER
from ..methods._autoencoder import AutoencoderSER
from ..methods._siamese import SiameseSER
from ..metrics import unweighted_average_recall
from ..plots import (
    ComparisonDisplay,
    EmbeddingDisplay,
    LeakageDisplay,
)
from ..plots._base import require_matplotlib
from ..speakers._scaler import SpeakerScaler

__all__ = [
    "METHODS",
    "NORMALISATIONS",
    "benchmark",
    "format_table",
    "make_estimators",
    "save_figures",
]

METHODS = {
    "closed": "adversary in closed form",
    "grl": "gradient reversal",
    "entropy": "maximum entropy",
    "none": "no adversary",
    "autoencoder": "autoencoder, speaker as task",
    "siamese": "siamese network",
    "svm": "linear SVM",
    "logistic": "logistic regression",
    "mlp": "scikit-learn's MLP",
}
ADVERSARIES = {"closed": "ridge", "entropy": "entropy", "grl": "grl", "none": None}
NORMALISATIONS = {"global": "", "speaker": ", per speaker"}
PACKAGES = [
    *("advser", "audresample", "joblib", "matplotlib", "numpy", "opensmile", "pandas"),
    *("scikit-learn", "scipy", "skorch", "soundfile", "torch"),
]
BASELINE = "svm"  # that the other methods are tested against
NOTES = """\
UAR: unweighted average recall of all test utterances, leaving one speaker out at a
time: mean ± standard deviation over the seeds (none where the method has no
randomness). 95 %: its confidence interval, by bootstrap over the speakers. WA: weighted
accuracy, the share of utterances recognised. Leakage: balanced accuracy with which an
independent probe names the speaker from the embedding (of the baselines: their scaled
features) of utterances held out from training; not judged unless two speakers have
four utterances.
Transductive results use the test speaker's unlabelled utterances, the very ones that
are scored: compare them with each other only. The linear models choose C by
speaker-disjoint cross-validation within the training rows; networks run with their
defaults, which were chosen on EmoDB and may flatter them there."""


def make_classifier(method, n_speakers):
    """Return the classifier of a method, for corpora of so many speakers."""
    if method in ADVERSARIES:
        return AdversarialSER(ADVERSARIES[method])
    if method == "autoencoder":
        return AutoencoderSER()
    if method == "siamese":
        return SiameseSER()
    if method == "mlp":
        return MLPClassifier(hidden_layer_sizes=(128, 64), max_iter=1000)
    model = {
        "svm": SVC(kernel="linear", class_weight="balanced", random_state=0),
        "logistic": LogisticRegression(
            class_weight="balanced", max_iter=2000, random_state=0
        ),
    }[method]
    return GridSearchCV(
        model,
        {"C": [0.001, 0.01, 0.1, 1.0]},
        scoring=make_scorer(unweighted_average_recall),
        cv=GroupKFold(min(5, n_speakers - 1)),
    )


def make_estimators(methods, n_speakers):
    """Return the pipeline of each method and normalisation, by name."""
    return scaled(
        {METHODS[method]: make_classifier(method, n_speakers) for method in methods}
    )


def scaled(estimators):
    """Return a pipeline of each estimator with each normalisation, by name."""
    scalers = {"global": StandardScaler(), "speaker": SpeakerScaler(unknown="batch")}
    return {
        name + suffix: make_pipeline(scalers[normalisation], estimator)
        for (normalisation, suffix), (name, estimator) in product(
            NORMALISATIONS.items(), estimators.items()
        )
    }


def benchmark(
    recordings,
    folder,
    *,
    methods=tuple(METHODS),
    seeds=5,
    probes=("logistic", "mlp"),
    n_jobs=None,
    verbose=0,
):
    """Compare the methods on a corpus and write what was found to a folder.

    Parameters
    ----------
    recordings : Recordings
        The corpus.

    folder : path-like
        Folder for the results: those of :meth:`Comparison.save`, `summary.csv`,
        `pairwise.csv`, `table.md`, `settings.json`, and `failures.csv` if there are
        recordings that were left out. An interrupted benchmark goes on from there.

    methods : sequence of str
        Keys of `METHODS`.

    seeds : int, default=5
        Number of seeds of the methods that depend on one.

    probes : sequence of {"logistic", "mlp", "knn"}
        Judges of the leakage.

    n_jobs : int, default=None
        Number of fits at once.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    comparison : Comparison

    Raises
    ------
    FileExistsError
        If the folder holds the results of other data, settings or versions.
    """
    estimators = make_estimators(methods, len(np.unique(recordings.speakers)))
    return compare_into(
        folder,
        estimators,
        recordings,
        described={"emotions": sorted(set(recordings.y))},
        baseline=METHODS[BASELINE],
        as_table=format_table,
        seeds=seeds,
        probes=probes,
        n_jobs=n_jobs,
        verbose=verbose,
    )


def compare_into(
    folder,
    estimators,
    recordings,
    *,
    described,
    baseline,
    as_table,
    seeds,
    probes,
    n_jobs,
    verbose,
    cv="loso",
    groups=None,
):
    """Compare estimators on a corpus and write what was found to a folder.

    `described` tells what is answered, `baseline` what the others are tested against
    within each normalisation, if it is compared; `as_table` makes the Markdown table of
    a comparison. All else is as in `benchmark` and `compare`.
    """
    speakers = recordings.speakers
    n_utterances = np.unique(speakers, return_counts=True)[1]
    if (n_utterances >= MIN_ROWS).sum() < 2:
        probes = ()  # there are too few utterances to hold out
    settings = {
        "corpus": recordings.name,
        "n_samples": len(recordings.X),
        "n_failed_files": len(recordings.failures),
        "speakers": sorted(set(speakers)),
        **described,
        "protocol": f"leave one {'speaker' if groups is None else 'session'} out",
        "seeds": list(range(seeds)),
        "probes": list(probes),
        "baselines": baselines(baseline, estimators),
        "estimators": {
            name: parameters_of(model) for name, model in estimators.items()
        },
        "n_jobs": n_jobs,
        "threads_per_fit": 1,
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "seconds": None,
    }
    if not (folder / "settings.json").exists():  # it may be that of another benchmark
        write_json(folder / "settings.json", settings)
    if len(recordings.failures):
        recordings.failures.to_csv(folder / "failures.csv", index=False)
    start = perf_counter()
    comparison = compare(
        estimators,
        recordings.X,
        recordings.y,
        speakers,
        cv=cv,
        groups=groups,
        seeds=seeds,
        probes=probes,
        folder=folder,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    settings["seconds"] = round(perf_counter() - start, 1)
    write_json(folder / "settings.json", settings)
    comparison.summary().to_csv(folder / "summary.csv")
    finished = comparison.by_speaker().columns
    tests = comparison.pairwise(baselines(baseline, finished))
    tests.to_csv(folder / "pairwise.csv", index=False)
    (folder / "table.md").write_text(as_table(comparison) + "\n", encoding="utf-8")
    return comparison


def baselines(baseline, names):
    """Return the estimators to test the others against; None to test all pairs."""
    baselines = [baseline + suffix for suffix in NORMALISATIONS.values()]
    return [name for name in baselines if name in names] or None


def format_table(comparison):
    """Return the summary of a benchmark as a Markdown table, for people to read."""
    summary = comparison.summary()
    probes = [name for name in summary if name.startswith("leakage_")]
    header = ["method", "normalisation", "UAR", "95 %", "WA", "worst speaker"]
    header += [name.replace("_", ", ") for name in probes] + ["fit, s"]
    rows = []
    for name, row in summary.iterrows():
        spread = "" if np.isnan(row["uar_std"]) else f" ± {row['uar_std']:.3f}"
        scored = [
            f"{row['uar']:.3f}{spread}",
            f"{row['uar_low']:.2f} – {row['uar_high']:.2f}",
            f"{row['weighted_accuracy']:.3f}",
            f"{row['worst_speaker_uar']:.3f} ({row['worst_speaker']})",
        ]
        rows.append(
            [
                name.removesuffix(NORMALISATIONS["speaker"]),
                "per speaker (transductive)" if row["transductive"] else "global",
                *(scored if row["seeds"] else ["failed", "", "", ""]),
                *(
                    "" if np.isnan(row[probe]) else f"{row[probe]:.2f}"
                    for probe in probes
                ),
                "" if np.isnan(row["fit_seconds"]) else f"{row['fit_seconds']:.2f}",
            ]
        )
    if probes:
        chance = f"{summary['chance'].iloc[0]:.2f}"
        rows.append(["chance", *[""] * 5, *[chance] * len(probes), ""])
    return markdown([header, *rows])


def markdown(rows):
    """Return rows of cells, the first of them the header, as a Markdown table."""
    header, *rows = rows
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def save_figures(comparison, recordings, folder, *, methods=tuple(METHODS)):
    """Draw the figures of a benchmark as PNG files in its folder.

    Parameters
    ----------
    comparison : Comparison
        What :func:`benchmark` returned.

    recordings : Recordings
        The corpus it was made on.

    folder : path-like
        Folder for `uar.png` and `confusion.png` and, where the leakage was judged,
        `leakage.png` and `embedding.png`.

    methods : sequence of str
        The methods that were compared. The last two figures show one of them, an
        adversary if there is one.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib("A figure")
    shown = next((name for name in ADVERSARIES if name in methods), None)
    figures = {
        "uar": draw_uar(comparison),
        "confusion": draw_confusion(comparison, shown or methods[0]),
    }
    if len(comparison.leakage):
        figures["leakage"] = draw_leakage(comparison)
        with threadpool_limits(1):
            figures["embedding"] = draw_embeddings(recordings, shown)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=200)


def draw_uar(comparison):
    """Return a figure of the recall of each method, a row for both normalisations."""
    figure = new_figure(7, 4.2)
    ComparisonDisplay.from_comparison(
        comparison, rows=method_rows(comparison), ax=figure.add_subplot()
    )
    return figure


def draw_leakage(comparison):
    """Return a figure of leakage against recall, a colour for both normalisations."""
    figure = new_figure(7, 4.2)
    LeakageDisplay.from_comparison(
        comparison, rows=method_rows(comparison), ax=figure.add_subplot()
    )
    return figure


def draw_confusion(comparison, method):
    """Return a figure of what a method takes for what, with each normalisation."""
    found, uar = comparison.predictions, comparison.summary()["uar"]
    n_emotions = found["y_true"].nunique()
    figure = new_figure(3.4 + 1.25 * n_emotions, 2.6 + 0.5 * n_emotions, "compressed")
    for ax, suffix in zip(figure.subplots(1, 2), NORMALISATIONS.values(), strict=True):
        name = METHODS[method] + suffix
        of_name = found["estimator"] == name
        ConfusionMatrixDisplay.from_predictions(
            found["y_true"][of_name],
            found["y_pred"][of_name],
            normalize="true",
            values_format=".2f",
            xticks_rotation=45,
            cmap="Blues",
            ax=ax,
            colorbar=False,
        )
        ax.set_title(f"{name}\nUAR {uar[name]:.2f}", fontsize="medium")
        ax.set(xlabel="Predicted emotion", ylabel="True emotion (rows sum to 1)")
    return figure


def draw_embeddings(recordings, method=None):
    """Return a figure of held-out utterances: their features, and in a network."""
    estimators = {"scaled features": StandardScaler()}
    if method is not None:
        n_speakers = len(np.unique(recordings.speakers))
        estimators |= make_estimators([method], n_speakers)
    figure = new_figure(9, 3.4 * len(estimators))
    rows = figure.subplots(len(estimators), 2, squeeze=False)
    for axes, (name, estimator) in zip(rows, estimators.items(), strict=True):
        held_out, embedding = next(
            held_out_embeddings(
                estimator,
                recordings.X,
                recordings.y,
                recordings.speakers,
                strata=recordings.y,
                random_state=0,
            )
        )
        EmbeddingDisplay.from_embedding(
            embedding, recordings.y[held_out], recordings.speakers[held_out], axes=axes
        )
        axes[0].set_title(name, loc="left")
    return figure


def new_figure(width, height, layout="constrained"):
    """Return an empty figure, of a size in inches, that no pyplot knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def method_rows(comparison):
    """Return the method of each estimator, without its normalisation."""
    names = comparison.scores["estimator"].unique()
    return {name: name.removesuffix(NORMALISATIONS["speaker"]) for name in names}
