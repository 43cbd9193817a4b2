"""Models of the commands: fitted on all recordings, saved, the best of a benchmark."""

from __future__ import annotations

import os

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline

from .._routing import call, seeded
from ..audio import EGeMAPS
from ..evaluation import Comparison
from ..evaluation._splits import best_index, search_of
from ..evaluation._tasks import EmotionTask, RatingTask
from ..persistence import save
from ._methods import (
    CLASSIFIERS,
    GRIDS,
    METHODS,
    REGRESSORS,
    SCALERS,
    PerTarget,
    make_model,
)
from ._parser import print_note
from ._sources import Recordings

SETTINGS = ["feature_set", "level", "channel", "sampling_rate", "overload"]


def fit_model(
    recordings: Recordings,
    method: str,
    *,
    adapts: bool = False,
    searches: bool = False,
    device: str = "cpu",
) -> Pipeline:
    """Fit a method on all recordings.

    Parameters
    ----------
    recordings : Recordings
        Their `y` are emotions, or ratings: a DataFrame, a column per target.

    method : str
        Key of `CLASSIFIERS` or `REGRESSORS`.

    adapts : bool, default=False
        Whether the model adapts to new speakers.

    searches : bool, default=False
        Whether to choose among the settings of `GRIDS`, by speaker-disjoint folds. The
        test speakers of a fold are then scaled as the average speaker, also if the
        model adapts.

    device : str, default="cpu"
        Device of a network.

    Returns
    -------
    model : Pipeline
    """
    is_rated = recordings.y.ndim == 2
    models = REGRESSORS if is_rated else CLASSIFIERS
    X, speakers = recordings.X, recordings.speakers
    y = np.asarray(recordings.y)
    scaler = clone(SCALERS["adaptive" if adapts else "global"])
    n_speakers = len(set(speakers))
    model = seeded(make_model(method, n_speakers, scaler, models), 0)
    if "device" in model[-1].get_params():
        model[-1].set_params(device=device)
    if searches and method in GRIDS:
        scorer = (RatingTask if is_rated else EmotionTask).scorer
        to_search = clone(model)
        if adapts:
            to_search[0].set_params(unknown="population")
        prefix = f"{model.steps[-1][0]}__"
        if isinstance(model[-1], PerTarget):
            prefix += "regressor__"
        ((name, values),) = GRIDS[method].items()
        candidates = [{prefix + name: value} for value in values]
        folds = GroupKFold(min(5, n_speakers))
        search = search_of(to_search, candidates, folds, scorer)
        call(search.set_params(refit=False), "fit", X, y, speakers=speakers)
        best = best_index(search.cv_results_)
        model.set_params(**search.cv_results_["params"][best])
    return call(model, "fit", X, y, speakers=speakers)


def save_model(
    model: Pipeline, recordings: Recordings, path: str | os.PathLike
) -> None:
    """Save a model that predicts recordings, or features of unknown origin.

    Parameters
    ----------
    model : Pipeline
        What :func:`fit_model` returned.

    recordings : Recordings
        What it was fitted on.

    path : str or path-like
        The file.
    """
    steps = [(name, without_searches(step)) for name, step in model.steps]
    recipe = recordings.recipe
    if recipe is not None:
        extractor = EGeMAPS(**{name: recipe[name] for name in SETTINGS})
        if extractor.recipe == recipe:
            extractor.set_output(transform="pandas")  # with the names of the features
            steps.insert(0, ("egemaps", extractor))
        else:
            print_note(
                "the features are of other versions of openSMILE or audresample, so "
                f"{path} predicts tables of features and no recordings"
            )
    saved = Pipeline(steps)
    saved.feature_origin_ = recordings.X.attrs.get("features")
    if recordings.y.ndim == 2:
        saved.target_names_ = list(recordings.y)
    save(saved, path)


def without_searches(model: BaseEstimator) -> BaseEstimator:
    """Return what a model predicts by, which needs no types of this package's command.

    Searches become their best estimator, and copies of a regressor for each target
    become scikit-learn's.
    """
    if hasattr(model, "best_estimator_"):
        return model.best_estimator_
    if not isinstance(model, PerTarget):
        return model
    fitted = [without_searches(regressor) for regressor in model.regressors_]
    together = MultiOutputRegressor(fitted[0])
    together.estimators_, together.n_features_in_ = fitted, fitted[0].n_features_in_
    return together


def best_method(comparison: Comparison) -> str:
    """Return the method with the best score, without normalisation by speaker.

    Parameters
    ----------
    comparison : Comparison
        Result of a benchmark.

    Returns
    -------
    method : str
        Key of `METHODS`.

    Raises
    ------
    ValueError
        If no method has finished.
    """
    scores = comparison.summary()[comparison.measure].dropna()
    names = {name: method for method, name in METHODS.items() if name in scores}
    if not names:
        raise ValueError("`--save-best` has no model to save, since all have failed.")
    return names[scores[[*names]].idxmax()]
