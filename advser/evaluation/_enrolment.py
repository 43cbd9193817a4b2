"""The recall on new speakers by the number of their utterances enrolled."""

import copy
from collections.abc import Sequence
from functools import partial
from itertools import product
from numbers import Integral

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest

from .._engine import Fit, ends_at_sigterm, run_all
from .._progress import progress_bar
from .._routing import call, request_for_scores, seeded
from .._threads import one_thread
from .._validation._arrays import check_labels, check_speakers, count_rows, take_rows
from .._validation._parameters import (
    COUNT,
    FLAG,
    SEED,
    Numbers,
    check_arguments,
    check_parameter,
)
from ..metrics import unweighted_average_recall
from ..model_selection._evaluation import MAX_STACK, bundles, is_stackable
from ..speakers._enrolment import pipeline_of, split_at_scaler
from ._arguments import check_utterances
from ._splits import speaker_disjoint_folds

COLUMNS = ["k", "neutral", "transductive", "repeat", "n_speakers", "n_samples", "uar"]


def enrollment_curve(
    estimator: BaseEstimator,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    k: Sequence[int | str] = (0, 1, 2, 5, 10, 20, "all"),
    neutral: bool = False,
    repeats: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Score an estimator on new speakers by the number of utterances enrolled.

    Leave one speaker out: the function fits the estimator on all other speakers, once.
    Of the speaker left out, it enrols `k` random utterances, without their emotions,
    and scores the others. For each random draw, it pools the predictions for all
    speakers into one score.

    Parameters
    ----------
    estimator : Pipeline, or search over one
        Unfitted, with a :class:`~advser.SpeakerScaler`, as
        ``make_pipeline(SpeakerScaler(), AdversarialSER())``. Steps before it transform
        the rows first. A search such as ``GridSearchCV(pipeline, ...)`` is fitted on
        the other speakers, too: it chooses without the speaker that is scored.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimator accepts, such as a list of files.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    k : sequence of int or "all", default=(0, 1, 2, 5, 10, 20, "all")
        Numbers of utterances to enrol. A number k leaves out the speakers who have k
        utterances or fewer (k neutral ones with `neutral`). "all" enrols the scored
        rows as well, and is *transductive*.

    neutral : bool, default=False
        Whether to enrol neutral utterances only, marked as neutral; see
        :meth:`advser.SpeakerScaler.enroll`. The label is the scaler's `neutral`.

    repeats : int, default=5
        Number of random draws. A draw of more utterances contains those of the smaller.

    random_state : int, default=0
        Seed of the draws, and of every ``random_state`` of the estimator that is None.

    n_jobs : int, default=None
        Number of processes, each on one thread; -1 for one per core. Networks of this
        package train as one batch, see `advser.model_selection`.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    curve : DataFrame
        One row per number and draw: `k`, `neutral`, `transductive`, `repeat`,
        `n_speakers` and `n_samples`, the speakers and utterances scored, and `uar`,
        the unweighted average recall. There is one row for 0 and for "all", where
        nothing is random.

    Raises
    ------
    ValueError
        If an array has the wrong length, there are fewer than two speakers, `k` or
        `repeats` is wrong, no step of the estimator has `enroll`, or no speaker has
        more than `k` utterances to enrol from.

    See Also
    --------
    EnrollmentScorer : Lets a search choose by the recall after an enrolment.
    advser.plots.EnrollmentDisplay : Draws the curve.

    Notes
    -----
    `transductive` marks a score for which rows that are scored were used, without their
    emotions: "all", and 0 with ``SpeakerScaler(unknown="batch")``. Compare such scores
    with each other only.

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
    check_arguments(locals())
    y, speakers = check_utterances(X, y, speakers)
    folds = speaker_disjoint_folds("loso", y, speakers, speakers)
    folds = [(number, *fold) for number, fold in enumerate(folds)]
    scorer = EnrollmentScorer(
        k, neutral=neutral, repeats=repeats, random_state=random_state
    )
    scorer._check(estimator, y, speakers)
    most = MAX_STACK if is_stackable(estimator) else 1
    parts = bundles(folds, most, effective_n_jobs(n_jobs))
    tasks = (
        delayed(_leave_out)(part, scorer, estimator, X, y, speakers) for part in parts
    )
    found = []
    progress = progress_bar(
        name="enrolment", unit="speakers", total=len(folds), verbose=verbose
    )
    with ends_at_sigterm(), progress:
        results = Parallel(n_jobs, return_as="generator")(tasks)
        for part, predictions in zip(parts, results):
            found += predictions
            progress.update(len(part))
    return scorer._table(found, y)


def _leave_out(folds, scorer, *data):
    """Return the predictions for the speakers left out, whose networks train together.

    `folds` has the number, the training rows and the test rows of each.
    """
    with one_thread():
        results = run_all([_job(scorer, *fold, *data) for fold in folds])
    return [found for result in results for found in result]


def _job(scorer, number, train, test, estimator, X, y, speakers):
    """Fit on the other speakers and return the predictions for the one left out."""
    fitted = seeded(estimator, scorer.random_state)
    rows = take_rows(X, train)
    yield Fit(
        fitted, partial(call, fitted, "fit", rows, y[train], speakers=speakers[train])
    )
    return scorer._predictions(fitted, X, y, speakers[test[0]], test, number)


class EnrollmentScorer:
    """Score a fitted pipeline on new speakers after their enrolment.

    A scorer for searches, such as
    ``GridSearchCV(pipeline, {"speakerscaler__shrinkage": [2, 5, 10]},
    scoring=EnrollmentScorer(), cv=GroupKFold(5))``, fitted with metadata routing
    and ``groups=speakers``. scikit-learn's own scorers pass no speakers to the
    pipeline, so they cannot measure the effect of an enrolment. Use it with
    :class:`~advser.model_selection.StackedGridSearchCV` as well.

    Parameters
    ----------
    k : sequence of int or "all", default=(1, 2, 5, 10)
        Numbers of utterances to enrol, as in :func:`enrollment_curve`.

    neutral : bool, default=False
        Whether to enrol neutral utterances only, marked as neutral.

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
    >>> from advser.evaluation import EnrollmentScorer
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

    def __init__(
        self,
        k: Sequence[int | str] = (1, 2, 5, 10),
        *,
        neutral: bool = False,
        repeats: int = 3,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.neutral = neutral
        self.repeats = repeats
        self.random_state = random_state

    def __call__(
        self,
        estimator: BaseEstimator,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> float:
        """Return the unweighted average recall: the mean over numbers and draws.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, with a :class:`~advser.SpeakerScaler`.

        X : array-like of shape (n_samples, n_features)
            Utterances of speakers who are not in the training data.

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
            If the speakers are missing, or as in :func:`enrollment_curve`.
        """
        n_rows = count_rows(X)
        y = check_labels(y, "y", n_rows)
        speakers = check_speakers(speakers, groups, n_rows)
        if speakers is None:
            raise ValueError(
                "EnrollmentScorer needs `speakers` or `groups`; pass them to the fit "
                "of the search, with metadata routing on: "
                "`sklearn.set_config(enable_metadata_routing=True)`."
            )
        self._check(estimator, y, speakers)
        found = []
        for number, name in enumerate(pd.unique(speakers)):
            rows = np.flatnonzero(speakers == name)
            found += self._predictions(estimator, X, y, name, rows, number)
        return float(self._table(found, y)["uar"].mean())

    def get_metadata_routing(self) -> MetadataRequest:
        """Request the speakers, by either name.

        Returns
        -------
        routing : MetadataRequest
        """
        return request_for_scores(self)

    def _check(self, estimator, y, speakers):
        """Raise for wrong parameters, or a number of utterances that no speaker has."""
        check_parameter(self.neutral, "neutral", FLAG)
        check_parameter(self.repeats, "repeats", COUNT)
        check_parameter(self.random_state, "random_state", SEED)
        if np.ndim(self.k) != 1:
            raise ValueError(f"`k` is {self.k!r}; pass a list, such as [{self.k!r}].")
        counts = [k for k in self.k if k != "all"]
        check_parameter(counts, "k", Numbers(Integral, 0))
        if not len(self.k):
            raise ValueError("`k` has 0 entries; pass at least one.")
        _, scaler, _ = split_at_scaler(estimator, unfitted=True)
        if 0 in self.k and getattr(scaler, "unknown", None) == "adapt":
            raise ValueError(
                "`k` holds 0, and the scaler has `unknown='adapt'`, so that the score "
                "would depend on the order of the utterances; leave 0 out, and score "
                "adaptation with `advser.evaluation.adaptation_curve`."
            )
        candidates = pd.Series(self._candidates(scaler, y))
        most = candidates.groupby(speakers).sum().max()
        kind = f"{scaler.neutral!r} " if self.neutral else ""
        too_many = [k for k in self.k if k not in (0, "all") and k >= most]
        if too_many:
            raise ValueError(
                f"`k` holds {too_many[0]}, and no speaker has more than {most} "
                f"{kind}utterances, so that none would be left to score; enrol fewer."
            )

    def _candidates(self, scaler, y):
        """Return the mask of the rows to enrol from."""
        if not self.neutral:
            return np.ones(len(y), dtype=bool)
        return pd.Series(y).isin([scaler.neutral]).to_numpy()

    def _draws(self):
        """Return the pairs of number and draw; one draw where nothing is random."""
        return [
            (k, repeat)
            for k, repeat in product(dict.fromkeys(self.k), range(self.repeats))
            if repeat == 0 or k not in (0, "all")
        ]

    def _predictions(self, fitted, X, y, name, rows, number):
        """Return number, draw, transductive?, rows and prediction for each draw.

        `rows` are those of the speaker called `name`, and `number` seeds the draws.
        """
        front, scaler, rest = split_at_scaler(fitted)
        X, y = take_rows(X, rows), y[rows]
        speakers = np.full(len(rows), name)
        if front is not None:
            X = call(front, "transform", X, speakers=speakers)
        candidates = np.flatnonzero(self._candidates(scaler, y))
        every = np.arange(len(rows))
        by_batch = getattr(scaler, "unknown", None) == "batch"
        found = []
        for k, repeat in self._draws():
            if k == "all":
                enrolled, scored = candidates, every
            elif k < len(candidates) or k == 0:
                seed = [self.random_state, number, repeat]
                order = np.random.default_rng(seed).permutation(candidates)
                enrolled, scored = order[:k], np.setdiff1d(every, order[:k])
            else:
                continue
            own = copy.deepcopy(scaler)
            if len(enrolled):
                X_enrolled = take_rows(X, enrolled)
                own.enroll(X_enrolled, speakers[enrolled], neutral=self.neutral)
            model = pipeline_of([own, *rest])
            X_scored = take_rows(X, scored)
            predicted = call(model, "predict", X_scored, speakers=speakers[scored])
            uses_scored = k == "all" or (k == 0 and by_batch)
            found.append((k, repeat, uses_scored, rows[scored], predicted))
        return found

    def _table(self, found, y):
        """Pool the predictions for all speakers into one score for each draw."""
        table = []
        for k, repeat in self._draws():
            pooled = [entry[2:] for entry in found if entry[:2] == (k, repeat)]
            uses_scored, rows, predicted = zip(*pooled)
            rows = np.concatenate(rows)
            uar = unweighted_average_recall(y[rows], np.concatenate(predicted))
            row = k, self.neutral, uses_scored[0], repeat, len(pooled), len(rows), uar
            table.append(row)
        return pd.DataFrame(table, columns=COLUMNS)
