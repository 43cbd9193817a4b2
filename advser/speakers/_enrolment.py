"""New speakers of whom a few utterances are known."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._routing import call
from .._validation import check_labels

__all__ = ["enroll"]


def enroll(estimator, X, speakers, *, neutral=None):
    """Introduce new speakers to a fitted estimator by a few of their utterances.

    The step that has `enroll`, such as :class:`~advser.SpeakerScaler`, learns who they
    are; the steps before it, such as :class:`~advser.EGeMAPS`, prepare the utterances
    for it. No other step changes, and nothing is trained again. The emotions of the
    utterances need not be known.

    Parameters
    ----------
    estimator : Pipeline, search over one, or SiameseSER
        Fitted, as ``make_pipeline(SpeakerScaler(), AdversarialSER())``, with any
        classifier or regressor behind. It is changed. Of a search it is
        `best_estimator_` that is.

    X : array-like of shape (n_samples, n_features)
        The utterances: features, or whatever else the estimator accepts, such as a
        list of files.

    speakers : array-like of shape (n_samples,)
        Speaker of each row. One who has been enrolled before, or was in the training
        data, is known by all utterances thereafter: pass each once. To start afresh,
        with another microphone for instance, use another name.

    neutral : bool or array-like of bool of shape (n_samples,), default=None
        Which utterances are known to be neutral; True for all, None or False for none.

    Returns
    -------
    estimator : Pipeline, or search over one
        The same.

    Raises
    ------
    ValueError
        If no step has `enroll`, or X, `speakers` or `neutral` is wrong.

    NotFittedError
        If the estimator is not fitted, or is a search without `best_estimator_`.

    See Also
    --------
    SpeakerScaler.enroll : What it learns.
    advser.evaluation.enrollment_curve : The recall by the utterances enrolled.

    Notes
    -----
    With metadata routing on, ``pipeline.predict(X, speakers=speakers)`` makes use of
    what is known. Rows of other speakers, and all rows of a ``predict(X)`` without
    speakers, are a stranger's. The `predict` of a search does not pass the speakers on:
    call that of its `best_estimator_`.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> import advser
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> new = speakers == "16"
    >>> pipeline = make_pipeline(advser.SpeakerScaler(clip=3), SVC(kernel="linear"))
    >>> with config_context(enable_metadata_routing=True):
    ...     pipeline = pipeline.fit(X[~new], y[~new], speakers=speakers[~new])
    ...     pipeline = advser.enroll(pipeline, X[new][:10], speakers[new][:10])
    ...     found = pipeline.predict(X[new][10:], speakers=speakers[new][10:])
    >>> found.shape
    (29,)
    """
    front, step, _ = _split_at_enrollment(estimator)
    check_is_fitted(step)
    speakers = check_labels(speakers, "speakers", _num_samples(X))
    if front is not None:
        X = call(front, "transform", X, speakers=speakers)
    step.enroll(X, speakers, neutral=neutral)
    return estimator


def _can_be_enrolled(step, y, neutral):
    """Return the mask of the rows to enroll from."""
    if not neutral:
        return np.ones(len(y), dtype=bool)
    one = isinstance(step.neutral, str | Integral)
    return pd.Series(y).isin([step.neutral] if one else step.neutral).to_numpy()


def _split_at_enrollment(estimator, *, unfitted=False):
    """Return what comes before the step that has `enroll`, that step, and the others.

    What comes before is a pipeline, or None where there is nothing.
    """
    steps = _steps(estimator, unfitted)
    for number, step in enumerate(steps):
        if hasattr(step, "enroll"):
            front = _pipeline(steps[:number]) if number else None
            return front, step, steps[number + 1 :]
    raise ValueError(
        f"`estimator` is a {type(estimator).__name__}, and no step has `enroll`; put a "
        "SpeakerScaler before the classifier, as in `make_pipeline(SpeakerScaler(), "
        "AdversarialSER())`."
    )


def _steps(estimator, unfitted):
    """Return the steps of an estimator, those of pipelines and searches in it as well.

    For a search they are those of its best estimator or, if `unfitted`, of the one
    that it varies.
    """
    if isinstance(estimator, Pipeline):
        steps = [
            step for _, step in estimator.steps if step not in (None, "passthrough")
        ]
        return [inner for step in steps for inner in _steps(step, unfitted)]
    if not isinstance(estimator, BaseSearchCV):
        return [estimator]
    if unfitted:
        return _steps(estimator.estimator, unfitted)
    if not hasattr(estimator, "best_estimator_"):
        raise NotFittedError(
            f"This {type(estimator).__name__} has no `best_estimator_`; call `fit` "
            f"first. `refit` must not be False, and is {estimator.refit!r}."
        )
    return _steps(estimator.best_estimator_, unfitted)


def _pipeline(steps):
    """Return a pipeline of these steps, as they are."""
    return Pipeline([(str(number), step) for number, step in enumerate(steps)])
