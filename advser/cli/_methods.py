"""The methods that `advser benchmark` compares: classifiers and regressors.

No setting is chosen by the results. The linear models choose their penalty by
speaker-disjoint cross-validation of the training rows. The networks run with their
defaults, which were chosen on six corpora: there, and only there, this favours them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVR

from .. import methods as networks
from ..metrics import unweighted_average_recall
from ..speakers import SpeakerScaler

METHODS = {
    "closed_form": "adversary in closed form",
    "grl": "gradient reversal",
    "entropy": "maximum entropy",
    "vrex": "risk extrapolation",
    "coral": "correlation alignment",
    "mmd": "maximum mean discrepancy",
    "group_dro": "group DRO",
    "none": "no adversary",
    "autoencoder": "autoencoder, speaker as task",
    "siamese": "siamese network",
    "svm": "linear SVM",
    "svr": "linear SVR",
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "mlp": "scikit-learn's MLP",
    "dummy": "mean of the training ratings",
}
NORMALISATIONS = {"global": "", "adaptive": ", adaptive", "speaker": ", per speaker"}
ADAPTIVE = {"closed_form", "svm", "logistic", "ridge"}  # the methods that adapt, too
OBJECTIVES = ("closed_form", "grl", "entropy", "vrex", "coral", "mmd", "group_dro")
ADVERSARIES = {name: name for name in OBJECTIVES} | {"none": None}
C, ALPHA = {"C": [0.001, 0.01, 0.1, 1.0]}, {"alpha": [1.0, 10.0, 100.0, 1000.0]}


class PerTarget(RegressorMixin, BaseEstimator):
    """A copy of a regressor for each target, trained on the rows that have its rating.

    Parameters
    ----------
    regressor : estimator object
    """

    __metadata_request__fit = {"groups": True}

    def __init__(self, regressor: BaseEstimator) -> None:
        self.regressor = regressor

    def fit(
        self, X: npt.ArrayLike, y: np.ndarray, groups: np.ndarray | None = None
    ) -> Self:
        """Fit a copy to each column of y, (n_samples, n_targets), NaN if missing."""
        X = np.asarray(X)
        self.regressors_ = []
        for ratings in y.T:
            known = ~np.isnan(ratings)
            regressor, args = clone(self.regressor), {}
            if isinstance(regressor, GridSearchCV):
                args["groups"] = np.asarray(groups)[known]
                n_speakers = len(np.unique(args["groups"]))
                if n_speakers < 2:  # nothing to choose by
                    regressor, args = regressor.estimator, {}
                elif n_speakers < regressor.cv.n_splits:
                    regressor.set_params(cv=GroupKFold(n_speakers))
            self.regressors_.append(regressor.fit(X[known], ratings[known], **args))
        return self

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the ratings: (n_samples, n_targets)."""
        X = np.asarray(X)
        return np.column_stack([model.predict(X) for model in self.regressors_])


RECALL = make_scorer(unweighted_average_recall)
ERROR = "neg_mean_squared_error"  # R² needs two ratings in each fold
SVR = LinearSVR(loss="squared_epsilon_insensitive", dual=False, random_state=0)
CLASSIFIERS = {
    **{name: networks.AdversarialSER(value) for name, value in ADVERSARIES.items()},
    "autoencoder": networks.AutoencoderSER(),
    "siamese": networks.SiameseSER(),
    "svm": GridSearchCV(
        SVC(kernel="linear", class_weight="balanced", random_state=0), C, scoring=RECALL
    ),
    "logistic": GridSearchCV(
        LogisticRegression(class_weight="balanced", max_iter=2000, random_state=0),
        C,
        scoring=RECALL,
    ),
    "mlp": MLPClassifier(hidden_layer_sizes=(128, 32), max_iter=1000),
}
REGRESSORS = {
    **{
        name: networks.AdversarialSERRegressor(value)
        for name, value in ADVERSARIES.items()
    },
    "autoencoder": networks.AutoencoderSERRegressor(),
    "ridge": PerTarget(GridSearchCV(Ridge(random_state=0), ALPHA, scoring=ERROR)),
    "svr": PerTarget(GridSearchCV(SVR, C, scoring=ERROR)),
    "mlp": PerTarget(MLPRegressor(hidden_layer_sizes=(128, 32), max_iter=1000)),
    "dummy": PerTarget(DummyRegressor()),
}


LINES = "\n".join(f"  {method:<12} {METHODS[method]}" for method in CLASSIFIERS)
# Settings that `advser train --search` tries, four as those of the linear models, which
# always search.
NETWORK = {"alpha": [0.0025, 0.01, 0.04, 0.16]}
GRIDS = {
    **dict.fromkeys([*ADVERSARIES, "autoencoder", "siamese"], NETWORK),
    "mlp": {"alpha": [0.0001, 0.001, 0.01, 0.1]},
}


SCALERS = {
    "global": StandardScaler(),
    "adaptive": SpeakerScaler(unknown="adapt", clip=4),
    "speaker": SpeakerScaler(unknown="batch"),
}


def make_model(
    method: str,
    n_speakers: int,
    scaler: BaseEstimator,
    models: Mapping[str, BaseEstimator] = CLASSIFIERS,
) -> Pipeline:
    """Return the pipeline of a method.

    Parameters
    ----------
    method : str
        Key of `models`.

    n_speakers : int
        Number of training speakers; searches have at most as many folds.

    scaler : estimator
        The first step.

    models : dict of str to estimator
        `CLASSIFIERS` or `REGRESSORS`.

    Returns
    -------
    model : Pipeline
    """
    if models is REGRESSORS and isinstance(scaler, SpeakerScaler):
        scaler = clone(scaler).set_params(balance=False)  # ratings are no emotions
    model = clone(models[method])
    folds = [key for key in model.get_params() if key.rpartition("__")[2] == "cv"]
    model.set_params(**dict.fromkeys(folds, GroupKFold(min(5, n_speakers))))
    return make_pipeline(scaler, model)


def method_of(name: str) -> str:
    """Return the method, a value of `METHODS`, of an estimator in the results."""
    return next(
        method for method in METHODS.values() if f"{name}, ".startswith(f"{method}, ")
    )


def make_estimators(
    methods: Sequence[str],
    n_speakers: int,
    models: Mapping[str, BaseEstimator] = CLASSIFIERS,
) -> dict[str, Pipeline]:
    """Return the pipeline of each method and normalisation, by name.

    The methods in `ADAPTIVE` also have one that adapts to the speaker.

    Parameters
    ----------
    methods : sequence of str
        Keys of `models`.

    n_speakers : int
        Number of speakers of the corpus; searches have at most one fold less.

    models : dict of str to estimator
        `CLASSIFIERS` or `REGRESSORS`.

    Returns
    -------
    estimators : dict of str to Pipeline
    """
    estimators = {}
    for (normalisation, suffix), method in product(NORMALISATIONS.items(), methods):
        if normalisation == "adaptive" and method not in ADAPTIVE:
            continue
        scaler = clone(SCALERS[normalisation])
        name = METHODS[method] + suffix
        estimators[name] = make_model(method, n_speakers - 1, scaler, models)
    return estimators


def check_labels_of(options: argparse.Namespace, methods: Sequence[str]) -> list[str]:
    """Return the methods, or end if they and the labels do not fit.

    Parameters
    ----------
    options : Namespace
        With the options of :func:`add_label_options`.

    methods : sequence of str
        Empty for all.

    Returns
    -------
    methods : list of str
    """
    is_rated = options.targets is not None
    if is_rated and options.emotions:
        options.parser.error("--target takes a SOURCE with ratings, and no --emotions")
    known = REGRESSORS if is_rated else CLASSIFIERS
    for method in methods:
        if method not in known:
            target = "with" if is_rated else "without"
            options.parser.error(
                f"{method} is no method {target} --target; choose from "
                f"{', '.join(known)}"
            )
    return list(dict.fromkeys(methods or known))
