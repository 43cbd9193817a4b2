"""What an estimator uses of the speakers that it predicts."""

import numpy as np
import pandas as pd

from .._routing import call, requests
from .._validation._arrays import plain
from ._adaptation import ORDERS
from ._scaler import SpeakerScaler

KINDS = ("inductive", *(f"adaptive, {order}" for order in ORDERS), "transductive")


def scalers(estimator):
    """Return the scalers in an estimator, by the names of their parameters."""
    parts = {"": estimator, **estimator.get_params()}
    for name, part in [*parts.items()]:
        # A ColumnTransformer has its fitted parts beside its parameters.
        for own_name, fitted, _ in getattr(part, "transformers_", ()):
            if hasattr(fitted, "get_params"):
                for path, scaler in scalers(fitted).items():
                    parts["__".join(filter(None, (name, own_name, path)))] = scaler
    return {
        name: part for name, part in parts.items() if isinstance(part, SpeakerScaler)
    }


def adapts(estimator):
    """Whether a prediction depends on the order of the utterances.

    Raise a ValueError if an inner cross-validation does, which has no such order.
    """
    if "adapt" not in unknown_of(estimator):
        return False
    parts = [estimator, *estimator.get_params().values()]
    if any(hasattr(part, "cv") and "adapt" in unknown_of(part) for part in parts):
        raise ValueError(
            "A search (or another estimator with inner folds) cannot hold "
            "`SpeakerScaler(unknown='adapt')`: its scores would depend on an order "
            "of the utterances that it does not have. Search the step after the "
            "scaler, or set `unknown` of the SpeakerScaler to 'population'."
        )
    return True


def kind_of(estimator, order=None):
    """Return what a score of the estimator may claim, one of `KINDS`.

    Parameters
    ----------
    estimator : estimator
        Of a fitted search, the best estimator counts.

    order : str, default=None
        The order of the utterances, if the estimator adapts.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if adapts(estimator) and order is None:
        raise ValueError(
            "An estimator in `estimators` has `SpeakerScaler(unknown='adapt')`, so its "
            "score depends on the order of the utterances, and these have none; "
            "score it with `compare` or `adaptation_curve` of `advser.evaluation`, or "
            "set `unknown` of its SpeakerScaler to 'population'."
        )
    if order is not None:
        return f"adaptive, {order}"
    return "transductive" if "batch" in unknown_of(estimator) else "inductive"


def predict_by_speaker(estimator, X, speakers, **others):
    """Return what a fitted estimator predicts for rows of known speakers.

    A search does not pass the speakers on, and its best estimator predicts.

    Parameters
    ----------
    estimator : estimator

    X : array-like of shape (n_samples, n_features)

    speakers : array-like of shape (n_samples,)

    **others : ndarray of shape (n_samples,)
        Further labels, by name, for steps that request them.

    Returns
    -------
    y_pred : ndarray of shape (n_samples,) or (n_samples, n_targets)

    Raises
    ------
    ValueError
        If the estimator has a scaler that uses the rows of a speaker, and does not pass
        it the speakers of several.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    by_rows = unknown_of(estimator) & {"adapt", "batch"}
    n_speakers = len(pd.unique(np.asarray(speakers, dtype=object)))
    gets_speakers = requests(estimator, "predict", ["speakers", "groups"])
    if by_rows and n_speakers > 1 and not gets_speakers:
        name = type(estimator).__name__
        raise ValueError(
            f"{name} does not pass speakers on to its SpeakerScaler with "
            f"`unknown={min(by_rows)!r}`, which would scale the {n_speakers} speakers "
            "of the test rows as one. Put the scaler in front, as in "
            f"`make_pipeline(SpeakerScaler(...), {name}(...))`."
        )
    y_pred = call(estimator, "predict", X, speakers=speakers, **others)
    return np.asarray(plain(y_pred))


def adaptation_of(estimator):
    """Return what a fitted estimator chose to adapt, a row of `adaptation_scores_`.

    None if it had no choice.
    """
    for scaler in scalers(estimator).values():
        if getattr(scaler, "adaptation_scores_", None) is not None:
            if np.isinf(scaler.shrinkage_).all():
                return "none"
            return "emotions" if scaler.balance_ else "moments"
    return None


def unknown_of(estimator):
    """Return what the scalers in an estimator do with unknown speakers.

    Of a fitted search in it, the best estimator counts.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, list | tuple):  # such as the steps of a pipeline
        parts = estimator
    elif hasattr(estimator, "get_params") and not isinstance(estimator, type):
        parts = estimator.get_params(deep=False).values()
    else:
        parts = ()
    own = {estimator.unknown} if isinstance(estimator, SpeakerScaler) else set()
    return own.union(*map(unknown_of, parts))
