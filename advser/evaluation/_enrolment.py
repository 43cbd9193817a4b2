"""What a few utterances of a new speaker are worth."""

import copy
from contextlib import nullcontext
from itertools import product
from numbers import Integral

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import _num_samples
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .._routing import call, seeded
from .._validation import check_labels, check_speakers
from ..metrics import unweighted_average_recall
from ..model_selection import MAX_STACK, is_stackable, stacked_fits
from ..speakers._enrolment import _can_be_enrolled, _pipeline, _split_at_enrollment

__all__ = ["EnrollmentScorer", "enrollment_curve"]


def enrollment_curve(
    estimator,
    X,
    y,
    speakers,
    *,
    k=(0, 1, 2, 5, 10, 20, "all"),
    neutral=False,
    repeats=5,
    random_state=0,
    n_jobs=None,
    verbose=0,
):
    """Score an estimator on new speakers by the number of utterances enrolled.

    Leave one speaker out: the estimator is fitted on all others, once. Of the speaker
    left out, `k` random utterances are enrolled, without their emotions; all others of
    theirs are scored. The predictions for all speakers are pooled into one score, for
    each random draw.

    Parameters
    ----------
    estimator : Pipeline, search over one, or SiameseSER
        Unfitted, with a step that has `enroll`, as
        ``make_pipeline(SpeakerScaler(), AdversarialSER())``. Steps before it see the
        rows as they come. A search such as ``GridSearchCV(pipeline, ...)`` is fitted on
        the other speakers, too: what it chooses, it chooses without the one scored.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimator accepts, such as a list of files.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    k : sequence of int or "all", default=(0, 1, 2, 5, 10, 20, "all")
        Numbers of utterances to enroll. A speaker who has no more than `k` is left out
        at this number. "all" enrols what is scored as well, and is *transductive*.

    neutral : bool, default=False
        Whether the enrolled utterances are neutral ones, and told to be; see
        :meth:`advser.SpeakerScaler.enroll`. The label is that step's `neutral`.

    repeats : int, default=5
        Number of random draws. A draw of more utterances holds those of the smaller.

    random_state : int, default=0
        Seed of the draws, and of every ``random_state`` of the estimator that is None.

    n_jobs : int, default=None
        Number of processes, each on one thread; -1 for one per core. Networks of this
        package are trained together, see `advser.model_selection`.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    curve : DataFrame
        One row per number and draw: `k`, `neutral`, `transductive`, `repeat`,
        `n_speakers` and `n_samples`, the speakers and utterances scored, and `uar`,
        the unweighted average recall. Where nothing is drawn, there is one row.

    Raises
    ------
    ValueError
        If an array has the wrong length, there are fewer than two speakers, `k` or
        `repeats` is wrong, no step of the estimator has `enroll`, or no speaker has
        more than `k` utterances to enroll from.

    See Also
    --------
    EnrollmentScorer : Lets a search choose by the recall after an enrolment.
    advser.plots.EnrollmentDisplay : Draws it.

    Notes
    -----
    `transductive` marks a score for which rows that are scored were used, without their
    emotions: "all", and 0 with ``SpeakerScaler(unknown="batch")``. Compare it with its
    like only.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import enrollment_curve
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> model = make_pipeline(SpeakerScaler(clip=3), LogisticRegression(C=0.1))
    >>> curve = enrollment_curve(model, X, y, speakers, k=[0, 10], repeats=2)
    >>> curve.groupby("k")["uar"].mean().round(1).to_dict()
    {0: 0.8, 10: 0.9}
    """
    n_rows = _num_samples(X)
    y = check_labels(y, "y", n_rows)
    speakers = check_labels(speakers, "speakers", n_rows)
    n_speakers = len(pd.unique(speakers))
    if n_speakers < 2:
        raise ValueError(
            f"`speakers` names {n_speakers} speaker; a new speaker can only be played "
            "by one of two or more."
        )
    draws = _draws(k, repeats)
    _check_enough(estimator, y, speakers, draws, neutral)
    folds = LeaveOneGroupOut().split(np.zeros(n_rows), y, groups=speakers)
    jobs = [
        delayed(_left_out)(
            estimator, X, y, speakers, *fold, draws, neutral, [random_state, number]
        )
        for number, fold in enumerate(folds)
    ]
    if is_stackable(estimator):
        context, n_jobs = stacked_fits(MAX_STACK, n_jobs), None
    else:
        context = nullcontext()
    with context, tqdm(total=len(jobs), disable=not verbose) as progress:
        found = []
        for predictions in Parallel(n_jobs, return_as="generator")(jobs):
            found += predictions
            progress.update()
    return _table(found, y, draws, neutral)


class EnrollmentScorer:
    """Score a fitted pipeline as it does on new speakers who have been enrolled.

    A scorer for searches, such as
    ``GridSearchCV(pipeline, {"speakerscaler__shrinkage": [2, 5, 10]},
    scoring=EnrollmentScorer(), cv=GroupKFold(5))``, to be fitted with metadata routing
    and ``groups=speakers``. scikit-learn's own scorers tell the pipeline no speaker, so
    that they cannot choose what matters with an enrolment. It serves
    :class:`~advser.model_selection.StackedGridSearchCV` as well.

    Parameters
    ----------
    k : sequence of int or "all", default=(1, 2, 5, 10)
        Numbers of utterances to enroll, as in :func:`enrollment_curve`.

    neutral : bool, default=False
        Whether they are neutral, and told to be.

    repeats : int, default=3
        Number of random draws.

    random_state : int, default=0
        Seed of the draws.

    See Also
    --------
    enrollment_curve : The recall for each number, on speakers left out.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.speakers import EnrollmentScorer
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> search = GridSearchCV(
    ...     make_pipeline(SpeakerScaler(), LogisticRegression(C=0.1)),
    ...     {"speakerscaler__shrinkage": [1, 1000]},
    ...     scoring=EnrollmentScorer(k=[10]),
    ...     cv=GroupKFold(2),
    ... )
    >>> with config_context(enable_metadata_routing=True):
    ...     search = search.fit(X, y, groups=speakers)
    >>> search.best_params_
    {'speakerscaler__shrinkage': 1}
    """

    def __init__(self, k=(1, 2, 5, 10), *, neutral=False, repeats=3, random_state=0):
        self.k = k
        self.neutral = neutral
        self.repeats = repeats
        self.random_state = random_state

    def __call__(self, estimator, X, y, speakers=None, groups=None):
        """Return the unweighted average recall: the mean over numbers and draws.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, with a step that has `enroll`.

        X : array-like of shape (n_samples, n_features)
            Utterances of speakers whom the estimator does not know.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers, groups : array-like of shape (n_samples,)
            Speaker of each row, by either name.

        Returns
        -------
        uar : float

        Raises
        ------
        ValueError
            If the speakers are not given, or as in :func:`enrollment_curve`.
        """
        n_rows = _num_samples(X)
        y = check_labels(y, "y", n_rows)
        speakers = check_speakers(speakers, groups, n_rows)
        if speakers is None:
            raise ValueError(
                "EnrollmentScorer needs `speakers` or `groups`; pass them to the fit "
                "of the search, with metadata routing on: "
                "`sklearn.set_config(enable_metadata_routing=True)`."
            )
        draws, found = _draws(self.k, self.repeats), []
        _check_enough(estimator, y, speakers, draws, self.neutral)
        for number, name in enumerate(pd.unique(speakers)):
            rows = np.flatnonzero(speakers == name)
            seed = [self.random_state, number]
            found += _predictions(
                estimator, X, y, name, rows, draws, self.neutral, seed
            )
        return float(_table(found, y, draws, self.neutral)["uar"].mean())

    def get_metadata_routing(self):
        """Request the speakers, by either name.

        Returns
        -------
        routing : MetadataRequest
        """
        request = MetadataRequest(owner=type(self).__name__)
        for name in ("speakers", "groups"):
            request.score.add_request(param=name, alias=True)
        return request


def _draws(k, repeats):
    """Return the pairs of number and draw; one draw where nothing is left to chance."""
    for number in k:
        if number != "all" and not (isinstance(number, Integral) and number >= 0):
            raise ValueError(
                f"`k` holds {number!r}; it must hold numbers of utterances from 0 on, "
                "or 'all'."
            )
    if not len(k) or repeats < 1:
        raise ValueError(
            f"`k` has {len(k)} entries and `repeats` is {repeats}; both must be at "
            "least 1."
        )
    return [
        (number, repeat)
        for number, repeat in product(k, range(repeats))
        if repeat == 0 or number not in (0, "all")
    ]


def _check_enough(estimator, y, speakers, draws, neutral):
    """Raise where there is a number of utterances that no speaker has."""
    _, step, _ = _split_at_enrollment(estimator, unfitted=True)
    can_be_enrolled = pd.Series(_can_be_enrolled(step, y, neutral))
    most = can_be_enrolled.groupby(speakers).sum().max()
    kind = f"{step.neutral!r} " if neutral else ""
    for k, _ in draws:
        if k not in (0, "all") and k >= most:
            raise ValueError(
                f"`k` holds {k}, and no speaker has more than {most} {kind}utterances, "
                "so that none would be left to score; enroll fewer."
            )


def _left_out(estimator, X, y, speakers, train, test, draws, neutral, seed):
    """Fit on the other speakers and return the predictions for the one left out."""
    fitted = seeded(estimator, seed[0])
    rows = _safe_indexing(X, train)
    with threadpool_limits(1):
        call(fitted, "fit", rows, y[train], speakers=speakers[train])
        return _predictions(fitted, X, y, speakers[test[0]], test, draws, neutral, seed)


def _predictions(fitted, X, y, name, rows, draws, neutral, seed):
    """Return number, draw, transductive?, rows and prediction for each draw.

    `rows` are those of the speaker called `name`.
    """
    front, step, rest = _split_at_enrollment(fitted)
    X, y = _safe_indexing(X, rows), y[rows]
    if front is not None:
        X = call(front, "transform", X, speakers=np.full(len(rows), name))
    candidates = np.flatnonzero(_can_be_enrolled(step, y, neutral))
    found = []
    for k, repeat in draws:
        if k == "all":
            enrolled, scored = candidates, np.arange(len(rows))
        elif k < len(candidates) or k == 0:
            order = np.random.default_rng([*seed, repeat]).permutation(candidates)
            enrolled = order[:k]
            scored = np.setdiff1d(np.arange(len(rows)), enrolled)
        else:
            continue
        met = copy.deepcopy(step)
        if len(enrolled):
            X_enrolled = _safe_indexing(X, enrolled)
            met.enroll(X_enrolled, np.full(len(enrolled), name), neutral=neutral)
        predicted = call(
            _pipeline([met, *rest]),
            "predict",
            _safe_indexing(X, scored),
            speakers=np.full(len(scored), name),
        )
        by_batch = getattr(step, "unknown", None) == "batch"
        uses_scored = k == "all" or (k == 0 and by_batch)
        found.append((k, repeat, uses_scored, rows[scored], predicted))
    return found


def _table(found, y, draws, neutral):
    """Pool the predictions for all speakers into one score for each draw."""
    rows = []
    for draw in draws:
        pooled = [entry[2:] for entry in found if entry[:2] == draw]
        uses_scored, scored, predicted = zip(*pooled)
        scored = np.concatenate(scored)
        uar = unweighted_average_recall(y[scored], np.concatenate(predicted))
        rows.append(
            {
                "k": draw[0],
                "neutral": neutral,
                "transductive": uses_scored[0],
                "repeat": draw[1],
                "n_speakers": len(pooled),
                "n_samples": len(scored),
                "uar": uar,
            }
        )
    return pd.DataFrame(rows)
