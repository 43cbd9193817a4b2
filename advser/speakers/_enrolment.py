"""Enrol new speakers in a fitted pipeline."""

import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._routing import call
from .._validation._arrays import check_labels, count_rows


def enroll(
    estimator: BaseEstimator,
    X: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    neutral: bool | npt.ArrayLike | None = None,
) -> BaseEstimator:
    """Enrol new speakers in a fitted estimator by a few of their utterances.

    The :class:`~advser.SpeakerScaler` in the estimator learns the statistics of the new
    speakers. The steps before it, such as :class:`~advser.EGeMAPS`, transform the
    utterances first. No other step changes, and nothing is trained again. You need not
    know the emotions of the utterances.

    Parameters
    ----------
    estimator : Pipeline, or search over one
        Fitted, as ``make_pipeline(SpeakerScaler(), AdversarialSER())``, with any
        classifier or regressor as the last step. The function changes the scaler in
        it, for a search that in `best_estimator_`.

    X : array-like of shape (n_samples, n_features)
        The utterances: features, or whatever else the estimator accepts, such as a
        list of files.

    speakers : array-like of shape (n_samples,)
        Speaker of each row. Utterances of a speaker who is enrolled already, or was in
        the training data, add to those before: pass each once. To start again, with
        another microphone for instance, use another name.

    neutral : bool or array-like of bool of shape (n_samples,), default=None
        Which utterances are known to be neutral; True for all, None or False for none.

    Returns
    -------
    estimator : Pipeline, or search over one
        The same object.

    Raises
    ------
    ValueError
        If no step has `enroll`, or X, `speakers` or `neutral` is wrong.

    NotFittedError
        If the estimator is not fitted, or is a search without `best_estimator_`.

    See Also
    --------
    SpeakerScaler.enroll : What the scaler learns.
    advser.evaluation.enrollment_curve : The recall by the utterances enrolled.

    Notes
    -----
    With metadata routing on, ``pipeline.predict(X, speakers=speakers)`` uses the
    enrolled speakers. Rows of other speakers, and all rows of a ``predict(X)`` without
    speakers, are those of an unknown speaker. The `predict` of a search does not pass
    the speakers on: call that of its `best_estimator_`.

    A running :class:`Session` keeps its own statistics. Enrol before the speaker's
    first utterance in a session, or call `forget` first.

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
    front, scaler, _ = split_at_scaler(estimator)
    check_is_fitted(scaler)
    speakers = check_labels(speakers, "speakers", count_rows(X))
    if front is not None:
        X = call(front, "transform", X, speakers=speakers)
    scaler.enroll(X, speakers, neutral=neutral)
    return estimator


def split_at_scaler(estimator, *, unfitted=False, name="estimator"):
    """Return the steps before the scaler, the scaler, and a list of the steps after it.

    The steps before are a pipeline, or None where there are none. Of a search they are
    those of its best estimator or, if `unfitted`, of the estimator that it varies.
    """
    steps = steps_of(estimator, unfitted)
    for number, step in enumerate(steps):
        if hasattr(step, "enroll") and not isinstance(step, type):
            front = pipeline_of(steps[:number]) if number else None
            return front, step, steps[number + 1 :]
    raise ValueError(
        f"`{name}` is a {type(estimator).__name__}, and no step has `enroll`; put a "
        "SpeakerScaler before the classifier, as in `make_pipeline(SpeakerScaler(), "
        "AdversarialSER())`."
    )


def pipeline_of(steps):
    """Return a pipeline of these steps, without copying them."""
    return Pipeline([(str(number), step) for number, step in enumerate(steps)])


def steps_of(estimator, unfitted=False):
    """Return the steps of an estimator, with those of pipelines and searches in it."""
    if isinstance(estimator, Pipeline):
        steps = [
            step for _, step in estimator.steps if step not in (None, "passthrough")
        ]
        return [inner for step in steps for inner in steps_of(step, unfitted)]
    if isinstance(estimator, FrozenEstimator):
        return steps_of(estimator.estimator, unfitted)
    # Of scikit-learn's meta-estimators, only searches have an `error_score`.
    is_search = isinstance(estimator, MetaEstimatorMixin) and hasattr(
        estimator, "error_score"
    )
    if is_search and unfitted:
        return steps_of(estimator.estimator, unfitted)
    if hasattr(estimator, "best_estimator_"):
        return steps_of(estimator.best_estimator_, unfitted)
    if is_search:
        raise NotFittedError(
            f"This {type(estimator).__name__} has no `best_estimator_`; call `fit` "
            f"first. `refit` must not be False, and is {estimator.refit!r}."
        )
    return [estimator]
