"""The folder of a benchmark: its comparison, tables and figures."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, train_test_split
from sklearn.preprocessing import StandardScaler

from .._routing import call, seeded
from .._threads import one_thread
from ..evaluation import Comparison, compare
from ..evaluation._comparison import MIN_UTTERANCES
from ..evaluation._probes import MIN_ROWS
from ..evaluation._splits import speaker_disjoint_folds
from ..evaluation._store import PACKAGES, installed, write_json
from ..plots import ComparisonDisplay, EmbeddingDisplay, LeakageDisplay, RatingDisplay
from ..plots._base import (
    HEADINGS,
    draw_confusion_matrix,
    fit_figure,
    new_figure,
    plain,
    require_matplotlib,
)
from ..report import texts
from ._methods import (
    ADVERSARIES,
    CLASSIFIERS,
    METHODS,
    REGRESSORS,
    make_estimators,
    method_of,
)
from ._parser import counted
from ._sources import Recordings

TOOLS = ("audresample", "matplotlib", "opensmile", "soundfile")  # beside `compare`'s
SCORES = {
    "uar": {"uar": "UAR", "weighted_accuracy": "WA"},
    "ccc": {"ccc": "CCC", "pearson": "r", "mae": "MAE"},
}  # columns of the table by measure, the first with its interval
USES = HEADINGS | {
    "inductive": "for all speakers",
    "transductive": "per speaker (transductive)",
}  # how the features are scaled, by kind of score
BASELINES = {"uar": "svm", "ccc": "ridge"}  # methods to test the others against
COMMON_NOTES = """\
mean ± standard deviation over the seeds (none if the method has no randomness). 95 %:
confidence interval by bootstrap over the speakers. Leakage: balanced accuracy with
which an independent probe predicts the speaker from the embedding (of the baselines:
their scaled features) of utterances held out from training; it needs two speakers with
four utterances. Fit: CPU seconds.
Adaptive results use the test speaker's utterances up to the one that is scored, without
the emotions; the seeds draw the order, and a random one is the easiest. Transductive
results use all of them. Compare only results of one kind. The linear models choose
their penalty by speaker-disjoint cross-validation within the training rows; the
networks run with their defaults, which were chosen on six corpora, EmoDB among them,
and may favour them there."""
NOTES = f"""\
UAR: unweighted average recall of all test utterances, leaving one speaker out at a
time. WA: weighted accuracy, the share of utterances classified correctly. Both are the
{COMMON_NOTES}"""
RATING_NOTES = f"""\
CCC: concordance correlation coefficient of all test ratings, leaving one speaker (or
session) out at a time. r: Pearson's correlation. MAE: mean absolute error. All are the
{COMMON_NOTES}"""


class WithoutTheirSpeakers(LeaveOneGroupOut):
    """Leave one group out at a time, and with it all rows of the speakers in it.

    Parameters
    ----------
    speakers : ndarray of shape (n_samples,)
        Speaker of each row.
    """

    def __init__(self, speakers):
        self.speakers = speakers

    def split(self, X, y=None, groups=None):
        """Yield the training and the test rows of each fold."""
        for train, test in super().split(X, y, groups):
            apart = ~np.isin(self.speakers[train], self.speakers[test])
            yield train[apart], test

    def __repr__(self):
        """Name it without the speakers."""
        return f"{type(self).__name__}()"


def benchmark(
    recordings: Recordings,
    folder: Path,
    *,
    methods: Sequence[str],
    n_folds: int | None,
    seeds: int,
    probes: Sequence[str],
    n_jobs: int | None,
) -> Comparison:
    """Compare the methods on a corpus and write the results to a folder.

    Parameters
    ----------
    recordings : Recordings
        The corpus. Its `y` are emotions, or ratings: a DataFrame, a column per target.

    folder : Path
        Folder for the results: those of :meth:`Comparison.save`, `summary.csv`,
        `pairwise.csv`, `table.md`, `settings.json`, and `failures.csv` if recordings
        were left out. An interrupted benchmark goes on from there.

    methods : sequence of str
        Keys of `CLASSIFIERS` or `REGRESSORS`.

    n_folds : int or None
        Number of folds of speakers; None to leave one speaker, or session, out.

    seeds : int
        Number of seeds of the methods that depend on one.

    probes : sequence of {"logistic", "mlp", "knn"}
        Probes of the leakage.

    n_jobs : int or None
        Number of parallel fits.

    Returns
    -------
    comparison : Comparison

    Raises
    ------
    FileExistsError
        If the folder has the results of other data, settings or versions.

    ValueError
        If a fold leaves no speaker of an emotion to train on.
    """
    speakers, sessions = recordings.speakers, recordings.sessions
    is_rated = recordings.y.ndim == 2
    models = REGRESSORS if is_rated else CLASSIFIERS
    labels = list(recordings.y) if is_rated else sorted(set(recordings.y))
    groups = speakers if sessions is None else sessions
    cv: Any = n_folds or "loso"
    if sessions is not None:
        cv = WithoutTheirSpeakers(speakers)
    folds = speaker_disjoint_folds(cv, recordings.y, speakers, groups)
    n_speakers = 1 + min(len(set(speakers[train])) for train, _ in folds)
    if not is_rated:
        check_emotions(folds, recordings.y)
    estimators = make_estimators(methods, n_speakers, models)
    if len(speakers_to_probe(speakers)) < 2:
        probes = ()
    baseline = METHODS[BASELINES["ccc" if is_rated else "uar"]]
    settings = {
        "corpus": recordings.name,
        "n_samples": len(recordings.X),
        "n_failed_files": len(recordings.failures),
        "speakers": sorted(set(speakers)),
        "targets" if is_rated else "emotions": labels,
        "protocol": (
            f"{len(folds)} folds of speakers"
            if n_folds
            else f"leave one {'speaker' if sessions is None else 'session'} out"
        ),
        "seeds": list(range(seeds)),
        "baselines": baselines(baseline, estimators),
        "n_jobs": n_jobs,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in [*PACKAGES, *TOOLS]},
        "seconds": None,
    }
    if not (folder / "settings.json").exists():  # it may be that of another benchmark
        write_json(folder / "settings.json", settings)
    start = perf_counter()
    comparison = compare(
        estimators,
        recordings.X,
        recordings.y,
        speakers,
        cv=cv,
        groups=sessions,
        seeds=seeds,
        probes=probes,
        folder=folder,
        n_jobs=n_jobs,
        verbose=1,
    )
    (folder / "failures.csv").unlink(missing_ok=True)
    if len(recordings.failures):
        recordings.failures.to_csv(folder / "failures.csv", index=False)
    settings["baselines"] = baselines(baseline, comparison.settings["estimators"])
    settings["seconds"] = round(perf_counter() - start, 1)
    write_json(folder / "settings.json", settings)
    comparison.summary().to_csv(folder / "summary.csv")
    finished = comparison.by_speaker().columns
    tests = comparison.pairwise(baselines(baseline, finished))
    tests.to_csv(folder / "pairwise.csv", index=False)
    table = format_table(comparison)
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")
    return comparison


def notes_of(comparison: Comparison, n_folds: int | None = None) -> str:
    """Return what the columns of the table of a benchmark mean.

    Parameters
    ----------
    comparison : Comparison
        Result of :func:`benchmark`.

    n_folds : int, default=None
        The folds that it was asked for.

    Returns
    -------
    notes : str
    """
    notes = NOTES if comparison.measure == "uar" else RATING_NOTES
    if n_folds:
        protocol = r"leaving one\s+speaker (\(or\s+session\) )?out at a\s+time"
        n_folds = comparison.settings["protocol"]["n_folds"]
        notes = re.sub(protocol, f"of speakers left\nout in {n_folds} folds", notes)
    if (comparison.scores.groupby("estimator")["seed"].nunique() == 1).all():
        notes = re.sub(r"(Both|All) are the\nmean ± [^.]*\. ", "", notes)
        notes = notes.replace("the seeds draw the order", "the seed draws the order")
    n_few = comparison.summary()["few_utterances"].max()
    if n_few:
        notes += (
            f'\nThe column "worst speaker" leaves out {counted(n_few, "speaker")} with '
            f"fewer than {MIN_UTTERANCES} utterances."
        )
    return notes


def check_emotions(folds, y):
    """Raise if the training rows of a fold lack an emotion."""
    for train, _ in folds:
        missing = set(y) - set(y[train])
        if missing:
            raise ValueError(
                f"`--folds` {len(folds)} puts all speakers of the emotion "
                f"{min(missing)!r} into one fold, so that none is left to train on; "
                "pass more folds, or leave it out to leave one speaker out at a time."
            )


def speakers_to_probe(speakers):
    """Return the speakers with enough utterances to hold half of them out."""
    names, counts = np.unique(speakers, return_counts=True)
    return names[counts >= MIN_ROWS]


def baselines(baseline, names):
    """Return the estimators to test the others against; None to test all pairs."""
    return [name for name in names if method_of(name) == baseline] or None


def format_table(comparison: Comparison) -> str:
    """Return the summary of a benchmark as a Markdown table."""
    measure = comparison.measure
    summary, by_seed = comparison.summary(), comparison.by_seed()
    scores = score_columns(comparison)
    probes = [name for name in summary if name.startswith("leakage_")]
    header = ["method", "scaled", *scores.values(), f"{measure.upper()}, 95 %"]
    header += ["worst speaker", *(name.replace("_", ", ") for name in probes), "fit, s"]
    worst = summary[f"worst_speaker_{measure}"], summary["worst_speaker"]
    summary["worst"] = texts("{:.3f} ({})", *worst)
    rows = []
    for name, row in summary.iterrows():
        cells = ["failed", *[""] * (len(scores) + 1)]
        if row["seeds"]:
            ends = row[[f"{measure}_low", f"{measure}_high"]]
            cells = [spread(by_seed.loc[name, column]) for column in scores]
            cells += ["{:.2f} – {:.2f}".format(*ends), row["worst"]]
        numbers = texts("{:.2f}", row[[*probes, "fit_seconds"]])
        rows.append([method_of(name), USES[row["kind"]], *cells, *numbers])
    if probes:
        chance = [f"{summary['chance'].max():.2f}"] * len(probes)
        rows.append(["chance", *[""] * (len(scores) + 3), *chance, ""])
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def score_columns(comparison):
    """Return the columns of the scores in a comparison, with their names in the table.

    Those of ratings are by target: `ccc_arousal`, or `ccc` if there is one target. With
    several, the mean that the interval and the worst speaker belong to comes first.
    """
    scores = SCORES[comparison.measure]
    targets = comparison.settings["data"].get("targets")
    if targets is None:
        return scores
    if len(targets) == 1:
        return {score: f"{name}, {targets[0]}" for score, name in scores.items()}
    return {"ccc": "CCC, mean"} | {
        f"{score}_{target}": f"{name}, {target}"
        for score, name in scores.items()
        for target in targets
    }


def spread(values):
    """Return mean and standard deviation, the latter if there are several values."""
    deviation = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def save_figures(comparison: Comparison, recordings: Recordings, folder: Path) -> None:
    """Draw the figures of a benchmark as PNG files in its folder.

    Parameters
    ----------
    comparison : Comparison
        Result of :func:`benchmark`.

    recordings : Recordings
        The corpus of the benchmark.

    folder : Path
        Folder for `uar.png` and `confusion.png`, or `ccc.png` and `rated.png` of
        ratings. If the leakage was measured, also for `leakage.png` and, of emotions,
        `embedding.png`. The confusion matrices, the predicted ratings and the embedding
        are of one method, an adversary if there is one.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib("A figure")
    is_rated = comparison.measure == "ccc"
    shown = next(one for one in METHODS if predictions_of(comparison, one))
    ax = new_figure().add_subplot()
    scores = ComparisonDisplay.from_comparison(comparison, ax=ax)
    figures = {comparison.measure: fit_figure(scores)}
    if is_rated:
        figures["rated"] = draw_ratings(comparison, shown)
    else:
        figures["confusion"] = draw_confusion(comparison, shown)
    if len(comparison.leakage):
        ax = new_figure().add_subplot()
        leakage = LeakageDisplay.from_comparison(comparison, ax=ax)
        figures["leakage"] = fit_figure(leakage)
        if not is_rated:
            figures["embedding"] = draw_embeddings(recordings, shown)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=200)


def predictions_of(comparison, method):
    """Return the predictions of a method by estimator, of one order if it adapts.

    Those of seeds with an unfinished fold are left out.
    """
    shown = {"inductive", "adaptive, random", "transductive"}
    kinds = comparison.kinds()
    return {
        name: predictions
        for name, predictions in comparison._finished.groupby("estimator", sort=False)
        if method_of(name) == METHODS[method] and kinds[name] in shown
    }


def draw_confusion(comparison, method):
    """Return a figure of the confusion matrix of a method with each normalisation."""
    found, uar = predictions_of(comparison, method), comparison.summary()["uar"]
    n_emotions = len(comparison.settings["data"]["emotions"])
    width, height = 1.7 + 0.62 * n_emotions, 2.6 + 0.5 * n_emotions
    n_columns = min(2, len(found))
    n_rows = -(-len(found) // n_columns)
    figure = new_figure(width * n_columns, height * n_rows, "compressed")
    for number, (name, rows) in enumerate(found.items(), start=1):
        ax = figure.add_subplot(n_rows, n_columns, number)
        title = f"{name}\nUAR {uar[name]:.2f}"
        draw_confusion_matrix(rows["y_true"], rows["y_pred"], title, ax)
    return figure


def draw_ratings(comparison, method):
    """Return a figure of true and predicted ratings of a method, the first seed."""
    found = predictions_of(comparison, method)
    targets = comparison.settings["data"]["targets"]
    figure = new_figure(3.6 * len(targets), 0.2 + 3.6 * len(found))
    halves = figure.subfigures(len(found), 1, squeeze=False).ravel()
    for half, (name, rows) in zip(halves, found.items()):
        half.suptitle(plain(name), x=0.01, ha="left", fontsize="medium")
        rows = rows[rows["seed"] == rows["seed"].iloc[0]]
        axes = half.subplots(1, len(targets), squeeze=False)[0]
        for ax, target in zip(axes, targets):
            y_true, y_pred = rows[f"y_true_{target}"], rows[f"y_pred_{target}"]
            RatingDisplay.from_predictions(y_true, y_pred, name=target, ax=ax)
    return figure


def draw_embeddings(recordings, method):
    """Return a figure of held-out utterances: their features, and by an adversary."""
    X, y, speakers = recordings.X, recordings.y, recordings.speakers
    rows = np.flatnonzero(np.isin(speakers, speakers_to_probe(speakers)))
    _, test = train_test_split(
        rows, stratify=speakers[rows], test_size=0.5, random_state=0
    )
    test = np.sort(test)
    train = np.setdiff1d(np.arange(len(X)), test)
    estimators = {"scaled features": StandardScaler()}
    if method in ADVERSARIES:
        estimators |= make_estimators([method], len(set(speakers)))
    figure = new_figure(7.7, 4.8 * len(estimators))
    halves = figure.subfigures(len(estimators), 1, squeeze=False).ravel()
    for half, (name, estimator) in zip(halves, estimators.items()):
        model = seeded(estimator, 0)
        with one_thread():
            call(model, "fit", X.iloc[train], y[train], speakers=speakers[train])
        axes = half.subplots(1, 2)
        EmbeddingDisplay.from_estimator(
            model, X.iloc[test], y[test], speakers[test], axes=axes
        )
        half.suptitle(plain(name), x=0.01, ha="left", fontsize="medium")
    return figure
