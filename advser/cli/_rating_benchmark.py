"""The benchmark of the command line for ratings: methods × normalisations.

Each speaker, or each session, in turn is left out of the training and then rated. No
setting is chosen by the results: the linear models pick theirs by speaker-disjoint
cross-validation of the training rows, the networks run with their defaults.
"""

from itertools import product

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.neural_network import MLPRegressor
from sklearn.svm import LinearSVR

from ..methods._adversarial import AdversarialSERRegressor
from ..methods._autoencoder import AutoencoderSERRegressor
from ..plots import RatingDisplay
from ..plots._base import require_matplotlib
from ._benchmark import NORMALISATIONS, compare_into, markdown, new_figure, scaled

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
BASELINE = "ridge"  # that the other methods are tested against
MEASURES = {"ccc": "CCC", "pearson": "r", "mae": "MAE"}
RATING_NOTES = """\
CCC: concordance correlation coefficient of all test ratings, leaving one speaker (or
session) out at a time; r: Pearson's correlation; MAE: mean absolute error. Mean ±
standard deviation over the seeds (none where the method has no randomness). 95 %: the
confidence interval of the CCC, a mean over what is rated, by bootstrap over the
speakers. Leakage: balanced accuracy with which an independent probe names the speaker
from the embedding (of the baselines: their scaled features) of utterances held out from
training; not judged unless two speakers have four utterances.
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


def benchmark_ratings(
    recordings,
    folder,
    *,
    methods=tuple(RATING_METHODS),
    seeds=5,
    probes=("logistic", "mlp"),
    n_jobs=None,
    verbose=0,
):
    """Compare the methods on rated recordings and write what was found to a folder.

    Parameters
    ----------
    recordings : Recordings
        The corpus: its `y` is a DataFrame with a column per target.

    folder : path-like
        Folder for the results, the same as those of `advser.cli._benchmark.benchmark`.

    methods : sequence of str
        Keys of `RATING_METHODS`.

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
    sessions, speakers = recordings.sessions, recordings.speakers
    out = np.unique(speakers if sessions is None else sessions, return_inverse=True)[1]
    left_out = [set(speakers[out == code]) for code in range(out.max() + 1)]
    n_speakers = len(set(speakers)) - max(map(len, left_out)) + 1
    return compare_into(
        folder,
        scaled(
            {
                RATING_METHODS[method]: make_regressor(method, n_speakers)
                for method in methods
            }
        ),
        recordings,
        described={"targets": list(recordings.y)},
        baseline=RATING_METHODS[BASELINE],
        as_table=format_ratings,
        cv="loso" if sessions is None else WithoutTheirSpeakers(speakers),
        groups=sessions,
        seeds=seeds,
        probes=probes,
        n_jobs=n_jobs,
        verbose=verbose,
    )


def format_ratings(comparison):
    """Return the summary of a comparison as a Markdown table, for people to read."""
    targets = comparison.settings["data"]["targets"]
    of_targets = {name: comparison.of_target(name).by_seed() for name in targets}
    summary = comparison.summary()
    probes = [name for name in summary if name.startswith("leakage_")]
    columns = list(product(MEASURES, targets))
    header = ["method", "normalisation"]
    header += [f"{MEASURES[measure]}, {target}" for measure, target in columns]
    header += ["95 %", *(name.replace("_", ", ") for name in probes)]
    rows = []
    for name, row in summary.iterrows():
        scored = ["failed", *[""] * len(columns)]
        if row["seeds"]:
            scored = [
                spread(of_targets[target].loc[name, measure])
                for measure, target in columns
            ]
            scored.append(f"{row['ccc_low']:.2f} – {row['ccc_high']:.2f}")
        rows.append(
            [
                name.removesuffix(NORMALISATIONS["speaker"]),
                "per speaker (transductive)" if row["transductive"] else "global",
                *scored,
                *(
                    "" if np.isnan(row[probe]) else f"{row[probe]:.2f}"
                    for probe in probes
                ),
            ]
        )
    return markdown([header, *rows])


def spread(values):
    """Return mean and standard deviation, the latter if there are several values."""
    deviation = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def save_rated(comparison, folder, *, methods=tuple(RATING_METHODS)):
    """Draw predicted against rated for each target: `rated.png` in the folder.

    Parameters
    ----------
    comparison : Comparison
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
    targets, predictions = (
        comparison.settings["data"]["targets"],
        comparison.predictions,
    )
    figure = new_figure(3.6 * len(targets), 7.4)
    halves = figure.subfigures(2, 1)
    for half, suffix in zip(halves, NORMALISATIONS.values(), strict=True):
        half.suptitle(method + suffix, x=0.01, ha="left", fontsize="medium")
        axes = half.subplots(1, len(targets), squeeze=False)[0]
        of_name = predictions[
            (predictions["estimator"] == method + suffix) & (predictions["seed"] == 0)
        ]
        for ax, target in zip(axes, targets, strict=True):
            rated, predicted = (
                of_name[f"y_{kind}_{target}"] for kind in ("true", "pred")
            )
            if len(of_name):  # it may have failed
                RatingDisplay.from_predictions(rated, predicted, name=target, ax=ax)
    figure.savefig(folder / "rated.png", dpi=200)
