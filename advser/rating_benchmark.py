"""The benchmark of the command line for ratings: methods × normalisations.

Each speaker, or each session, in turn is left out of the training and then rated. No
setting is chosen by the results: the linear models pick theirs by speaker-disjoint
cross-validation of the training rows, the networks run with their defaults.
"""

import platform
from itertools import product
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ._jobs import unordered
from ._routing import call, seeded, unseeded
from ._store import write_json
from .adversarial import AdversarialSERRegressor
from .autoencoder import AutoencoderSERRegressor
from .benchmark import NORMALISATIONS, PACKAGES, installed, new_figure
from .metrics import concordance_correlation
from .model_selection import MAX_STACK, is_stackable, stacked_fits
from .plots import RatingDisplay
from .plots._style import require_matplotlib
from .scaling import SpeakerScaler

__all__ = ["RATING_METHODS", "benchmark_ratings", "format_ratings", "save_rated"]

RATING_METHODS = {
    "grl": "gradient reversal",
    "entropy": "maximum entropy",
    "none": "no adversary",
    "autoencoder": "autoencoder, speaker as task",
    "ridge": "ridge regression",
    "svr": "linear SVR",
    "mlp": "scikit-learn's MLP",
    "dummy": "mean of the training ratings",
}
MEASURES = {"ccc": "CCC", "pearson": "r", "mae": "MAE"}
RATING_NOTES = """\
CCC: concordance correlation coefficient of all test ratings, leaving one speaker (or
session) out at a time; r: Pearson's correlation; MAE: mean absolute error. Mean ±
standard deviation over the seeds (none where the method has no randomness).
Transductive results use the test speaker's unlabelled utterances, the very ones that
are scored: compare them with each other only. Ridge regression and SVR choose their
penalty by speaker-disjoint cross-validation within the training rows; networks run with
their defaults."""


class PerTarget(RegressorMixin, BaseEstimator):
    """A copy of a regressor for each target, trained on the rows that have its rating.

    Parameters
    ----------
    regressor : estimator object
    """

    __metadata_request__fit = {"groups": True}

    def __init__(self, regressor):
        self.regressor = regressor

    def fit(self, X, y, groups=None):
        """Fit a copy to each column of y, (n_samples, n_targets), NaN where missing."""
        X = np.asarray(X)
        self.regressors_ = []
        for ratings in y.T:
            known = ~np.isnan(ratings)
            searches = isinstance(self.regressor, GridSearchCV)
            args = {"groups": groups[known]} if searches else {}
            regressor = clone(self.regressor).fit(X[known], ratings[known], **args)
            self.regressors_.append(regressor)
        return self

    def predict(self, X):
        """Return the ratings: (n_samples, n_targets)."""
        X = np.asarray(X)
        return np.column_stack([model.predict(X) for model in self.regressors_])


def make_regressor(method, n_speakers):
    """Return the regressor of a method, for corpora of so many speakers."""
    if method in ("grl", "entropy", "none"):
        return AdversarialSERRegressor(None if method == "none" else method)
    if method == "autoencoder":
        return AutoencoderSERRegressor()
    if method == "mlp":
        return PerTarget(MLPRegressor(hidden_layer_sizes=(128, 64), max_iter=1000))
    if method == "dummy":
        return PerTarget(DummyRegressor())
    model, grid = {
        "ridge": (Ridge(random_state=0), {"alpha": [1.0, 10.0, 100.0, 1000.0]}),
        "svr": (
            LinearSVR(loss="squared_epsilon_insensitive", dual=False, random_state=0),
            {"C": [0.001, 0.01, 0.1, 1.0]},
        ),
    }[method]
    inner_cv = GroupKFold(min(5, n_speakers - 1))
    return PerTarget(GridSearchCV(model, grid, scoring="r2", cv=inner_cv))


def benchmark_ratings(
    recordings,
    folder,
    *,
    methods=tuple(RATING_METHODS),
    seeds=5,
    n_jobs=None,
    verbose=0,
):
    """Compare the methods on rated recordings and write what was found to a folder.

    Parameters
    ----------
    recordings : Recordings
        The corpus: its `y` is a DataFrame with a column per target.

    folder : path-like
        Folder for the results: `predictions.csv`, `scores.csv`, `table.md`,
        `settings.json`, and `failures.csv` if there are recordings that were left out.

    methods : sequence of str
        Keys of `RATING_METHODS`.

    seeds : int, default=5
        Number of seeds of the methods that depend on one.

    n_jobs : int, default=None
        Number of fits at once.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    scores : DataFrame
        One row per estimator, seed and target: `estimator`, `method`,
        `transductive`, `seed`, `target`, `ccc`, `pearson`, `mae`.

    predictions : DataFrame
        One row per estimator, seed, utterance and target: `estimator`, `seed`,
        `sample`, `speaker`, `target`, `rated`, `predicted`.
    """
    X, ratings, speakers = recordings.X, recordings.y, recordings.speakers
    y = ratings.to_numpy(dtype=np.float64)
    groups = speakers if recordings.sessions is None else recordings.sessions
    folds = list(LeaveOneGroupOut().split(X, y, groups))
    # A session that is left out takes its speakers with it.
    folds = [
        (train[~np.isin(speakers[train], speakers[test])], test)
        for train, test in folds
    ]
    n_speakers = min(len(set(speakers[train])) for train, _ in folds) + 1
    together, alone = [], []  # networks that are trained in stacks, and all else
    scalers = {"global": StandardScaler(), "speaker": SpeakerScaler(unknown="batch")}
    plan = {}
    for (normalisation, suffix), method in product(NORMALISATIONS.items(), methods):
        name = RATING_METHODS[method] + suffix
        regressor = make_regressor(method, n_speakers)
        model = make_pipeline(scalers[normalisation], regressor)
        plan[name] = (method, normalisation == "speaker")
        for seed in range(seeds if unseeded(model) else 1):
            for train, test in folds:
                job = (name, seed, model, X, y, speakers, train, test)
                (together if is_stackable(model) else alone).append(job)

    start = perf_counter()
    found = []
    with tqdm(total=len(together) + len(alone), disable=not verbose) as progress:
        with stacked_fits(MAX_STACK, n_jobs):
            for result in unordered([(rate, *job) for job in together]):
                found.append(result)
                progress.update()
        with threadpool_limits(1):
            for result in unordered([(rate, *job) for job in alone], n_jobs):
                found.append(result)
                progress.update()
    predictions = tidy(found, X.index, speakers, ratings)
    predictions.to_csv(folder / "predictions.csv", index=False)
    scores = score(predictions, plan)
    scores.to_csv(folder / "scores.csv", index=False)
    (folder / "table.md").write_text(format_ratings(scores) + "\n", encoding="utf-8")
    if len(recordings.failures):
        recordings.failures.to_csv(folder / "failures.csv", index=False)
    settings = {
        "corpus": recordings.name,
        "targets": list(ratings),
        "n_samples": len(X),
        "n_failed_files": len(recordings.failures),
        "speakers": sorted(set(speakers)),
        "protocol": f"leave one {'speaker' if groups is speakers else 'session'} out",
        "seeds": list(range(seeds)),
        "n_jobs": n_jobs,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "seconds": round(perf_counter() - start, 1),
    }
    write_json(folder / "settings.json", settings)
    return scores, predictions


def rate(name, seed, model, X, y, speakers, train, test):
    """Fit on the training rows of a fold and rate its test rows."""
    model = seeded(model, seed)
    with threadpool_limits(1):
        call(model, "fit", X.iloc[train], y[train], speakers=speakers[train])
        rated = call(model, "predict", X.iloc[test], speakers=speakers[test])
    return name, seed, test, rated


def tidy(found, samples, speakers, ratings):
    """Return all predictions as a tidy table, in order."""
    tables = []
    in_order = sorted(found, key=lambda one: (*one[:2], one[2][0]))
    for name, seed, test, predicted in in_order:
        for column, target in enumerate(ratings):
            tables.append(
                pd.DataFrame(
                    {
                        "estimator": name,
                        "seed": seed,
                        "sample": samples[test],
                        "speaker": speakers[test],
                        "target": target,
                        "rated": ratings[target].to_numpy()[test],
                        "predicted": predicted[:, column],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def score(predictions, plan):
    """Return the scores of each estimator, seed and target, of all folds together."""
    rows = []
    keys = ["estimator", "seed", "target"]
    for (name, seed, target), table in predictions.groupby(keys, sort=False):
        method, transductive = plan[name]
        rows.append(
            {
                "estimator": name,
                "method": method,
                "transductive": transductive,
                "seed": seed,
                "target": target,
                "ccc": concordance_correlation(table["rated"], table["predicted"]),
                "pearson": table["rated"].corr(table["predicted"]),
                "mae": (table["rated"] - table["predicted"]).abs().mean(),
            }
        )
    order = {name: number for number, name in enumerate(plan)}
    scores = pd.DataFrame(rows)
    return scores.sort_values(
        "estimator", key=lambda names: names.map(order), kind="stable"
    ).reset_index(drop=True)


def format_ratings(scores):
    """Return the scores as a Markdown table, for people to read."""
    targets = list(pd.unique(scores["target"]))
    header = ["method", "normalisation"]
    header += [
        f"{symbol}, {target}" for symbol, target in product(MEASURES.values(), targets)
    ]
    rows = []
    for name, of_name in scores.groupby("estimator", sort=False):
        is_transductive = of_name["transductive"].iloc[0]
        by_target = of_name.groupby("target")
        rows.append(
            [
                name.removesuffix(NORMALISATIONS["speaker"]),
                "per speaker (transductive)" if is_transductive else "global",
                *(
                    spread(by_target.get_group(target)[measure])
                    for measure, target in product(MEASURES, targets)
                ),
            ]
        )
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def spread(values):
    """Return mean and standard deviation, the latter if there are several values."""
    deviation = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def save_rated(predictions, folder, *, methods=tuple(RATING_METHODS)):
    """Draw predicted against rated for each target: `rated.png` in the folder.

    Parameters
    ----------
    predictions : DataFrame
        What :func:`benchmark_ratings` returned.

    folder : path-like

    methods : sequence of str
        The methods that were compared; the figure shows one of them, an adversary if
        there is one, with each normalisation.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib("A figure")
    shown = [name for name in ("entropy", "grl", "none") if name in methods]
    method = RATING_METHODS[shown[0] if shown else methods[0]]
    targets = list(pd.unique(predictions["target"]))
    figure = new_figure(3.6 * len(targets), 7.4)
    halves = figure.subfigures(2, 1)
    for half, suffix in zip(halves, NORMALISATIONS.values(), strict=True):
        half.suptitle(method + suffix, x=0.01, ha="left", fontsize="medium")
        axes = half.subplots(1, len(targets), squeeze=False)[0]
        of_name = predictions[
            (predictions["estimator"] == method + suffix) & (predictions["seed"] == 0)
        ]
        for ax, target in zip(axes, targets, strict=True):
            table = of_name[of_name["target"] == target]
            RatingDisplay.from_predictions(
                table["rated"], table["predicted"], name=target, ax=ax
            )
    figure.savefig(folder / "rated.png", dpi=200)
