"""Comparison of estimators on unseen speakers, within a corpus.

All estimators are fitted and tested on the same folds, over several seeds. The speakers
of the test rows are never in the training rows. The results are tidy tables.
"""

import json
from collections.abc import Sequence
from itertools import product
from os import PathLike
from typing import Any
from warnings import warn

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array

from .._engine import last_step
from .._routing import seeded, unseeded
from .._validation._arrays import check_labels, count_rows
from .._validation._parameters import check_arguments
from ..exceptions import AdaptationWarning
from ..speakers import utterance_order
from ..speakers._adaptation import ORDERS
from ..speakers._knowledge import adaptation_of, adapts, kind_of
from ._arguments import check_choices, check_estimators, seeds_of
from ._comparison import GENDER, RAW_FEATURES, SPEAKER, WITHIN, Comparison
from ._jobs import Job, Utterances, fit, predict, run, tables_of
from ._probes import PROBES, check_genders, held_out_embeddings, leakage_of_parts
from ._splits import (
    equal_grids,
    inner_folds,
    search_of,
    speaker_disjoint_folds,
    splitter_of,
)
from ._store import as_json, environment, fingerprint, names_of_rows, planned
from ._tasks import EmotionTask, SpeakerScorer, check_task


def compare(
    estimators: dict[str, BaseEstimator],
    X: Any,
    y: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    cv: Any = "loso",
    groups: npt.ArrayLike | None = None,
    seeds: int | Sequence[int] = 5,
    order: str | Sequence[str] | None = None,
    probes: Sequence[str] = ("logistic", "mlp"),
    within_emotion: bool = False,
    genders: npt.ArrayLike | None = None,
    search: dict[str, Any] | None = None,
    n_candidates: int | None = None,
    inner_cv: Any = 5,
    scoring: Any = None,
    folder: str | PathLike | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Comparison:
    """Compare estimators on unseen speakers.

    Each estimator is fitted on the training rows of each fold and predicts its test
    rows, once for each seed. How much its embedding reveals of the speaker is measured
    on the whole data by :func:`~advser.evaluation.cross_val_leakage`.

    Parameters
    ----------
    estimators : dict of str to estimator
        Unfitted scikit-learn classifiers, pipelines or searches, by name; or regressors
        only. Copies of them are fitted, with their preprocessing, on the training rows
        of each fold. Each gets the speakers where it requests them, as `speakers` or
        `groups`, through scikit-learn's metadata routing: for example `AdversarialSER`,
        `SpeakerScaler`, and a search over speaker-disjoint folds such as
        ``GridSearchCV(..., cv=GroupKFold(3))``.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimators accept, such as a list of files.

    y : array-like of shape (n_samples,), or (n_samples, n_targets) of regressors
        Emotions, or ratings, NaN for a missing one. The targets get the names of the
        columns of a DataFrame. Regressors of this package learn from rows that lack
        ratings; most of scikit-learn's refuse them.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    cv : "loso", int or splitter, default="loso"
        "loso" leaves one speaker, or one of the `groups`, out at a time. An int is the
        number of folds of :class:`sklearn.model_selection.GroupKFold` over them, or
        their number if they are fewer. A splitter gets the same groups, and must not
        put a speaker into both training and test rows.

    groups : array-like of shape (n_samples,), default=None
        Groups of speakers that stay together in a fold, such as those of a dialogue
        session. None for the speakers.

    seeds : int or sequence of int, default=5
        The seeds, or the number of seeds 0, 1, 2 and so on. A seed replaces every
        ``random_state`` that is None, and draws the order of the utterances. An
        estimator with neither of them runs once: set ``random_state=0`` in an estimator
        whose results do not depend on it.

    order : {"random", "blocks", "emotions"} or several, default=None
        Orders of the utterances of a test speaker, see
        :func:`~advser.speakers.utterance_order`, for estimators with a
        :class:`~advser.SpeakerScaler` with ``unknown="adapt"``. With several orders,
        the name of the estimator in the results is followed by the order. None for all
        three, or for a random one of ratings, which have no emotions.

    probes : sequence of {"logistic", "mlp", "knn"}, default=("logistic", "mlp")
        Probes that measure the speaker leakage, see
        :func:`~advser.evaluation.speaker_leakage`; empty for none. Where `X` is an
        array of numbers, they measure its leakage as well, for reference.

    within_emotion : bool, default=False
        Whether probes also predict the speaker within each emotion.

    genders : array-like of shape (n_samples,), default=None
        Gender of each row's speaker. The probes then also predict the gender, of
        unseen speakers; see :func:`~advser.evaluation.gender_leakage`.

    search : dict of str to dict, default=None
        Settings to choose from, by the name of the estimator: parameters and lists of
        their values, as in :class:`sklearn.model_selection.GridSearchCV`. Each fold and
        each seed has a search of its own, over speaker-disjoint inner folds of the
        training rows. Other estimators keep their settings.

    n_candidates : int, default=None
        Number of settings that each search tries, the same for all. They are drawn at
        random from a larger grid. None for the size of the smallest grid.

    inner_cv : "loso", int or splitter, default=5
        Inner folds of a search over the training speakers, as `cv`.

    scoring : str or callable, default=None
        The score that a search maximises, a mean over the inner folds: a scorer of
        scikit-learn, or None for the score of the comparison, the unweighted average
        recall ("uar") or the concordance correlation of ratings ("ccc").

    folder : str or path-like, default=None
        Folder for the tables, created if missing. Rows are written as they come: after
        an interrupt, the same call continues with the fits that are left. Fits that
        failed are tried again.

    n_jobs : int, default=None
        Number of processes, each on one thread; -1 for one per core. None means 1
        unless in a :obj:`joblib.parallel_config` context. Networks of this package are
        trained in stacks, see ``advser.model_selection``.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    comparison : Comparison
        Tables of scores, predictions, leakage and errors, in the order of
        `estimators`.

    Raises
    ------
    ValueError
        If an array has the wrong length, there are fewer than two speakers,
        `estimators` or `seeds` is empty, some estimators are regressors and others are
        not, a probe is unknown or does not suit the data, `search` names no estimator,
        `cv` puts a speaker into both training and test rows, or every fit fails.
    FileExistsError
        If `folder` holds a comparison with other data, settings or versions.

    Warns
    -----
    FitFailedWarning
        If fits have failed. The others continue; see ``comparison.errors``.

    Notes
    -----
    A score is of one of the kinds of :class:`~advser.SpeakerScaler` (Notes there):
    *inductive*, *adaptive* in an order of the utterances, or *transductive*. It depends
    on what the estimator uses of the test speaker: nothing, the utterances up to the
    one that is scored, or all. Compare scores of one kind only.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import compare
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    >>> comparison = compare({"LR": model}, X, y, speakers, probes=["logistic"])
    >>> comparison.summary()["uar"].round(1).to_dict()
    {'LR': 0.8}
    """
    check_arguments(locals())
    check_estimators(estimators)
    n_rows = count_rows(X)
    task, y = check_task(estimators, y, n_rows)
    speakers = check_labels(speakers, "speakers", n_rows)
    groups = None if groups is None else check_labels(groups, "groups", n_rows)
    ordered = [name for name, model in estimators.items() if adapts(model)]
    orders = _orders(order, task)
    if RAW_FEATURES in estimators:
        raise ValueError(
            f"`estimators` has {RAW_FEATURES!r}, which is the name of `X` in the table "
            "of the leakage; choose another."
        )
    if genders is not None:
        genders = check_labels(genders, "genders", n_rows)
    probes = check_choices(probes, "probes", PROBES, at_least=0)
    asked = _asked(within_emotion, genders, speakers, task)
    by = speakers if groups is None else groups
    folds = speaker_disjoint_folds(cv, y, speakers, by)
    candidates = equal_grids(search or {}, n_candidates, estimators)
    selection, models = None, dict(estimators)
    if candidates:
        inner_cv = inner_folds(inner_cv, folds, y, speakers)
        rule = as_json(scoring)
        if scoring in (None, task.measure):
            scoring, rule = SpeakerScorer(task), task.measure_name
        selection = (
            f"highest mean of {rule} over {as_json(inner_cv)} of the training rows, "
            "the speakers being the groups"
        )
        for name, settings in candidates.items():
            models[name] = search_of(estimators[name], settings, inner_cv, scoring)
            for candidate in settings:  # raise if one adapts: a search has no order
                varied = clone(estimators[name]).set_params(**candidate)
                adapts(clone(models[name]).set_params(estimator=varied))
    seeds = seeds_of(seeds, models, ordered)
    entries = {
        name: _by_order(name, orders) if name in ordered else {name: None}
        for name in models
    }
    named = [entry for of_name in entries.values() for entry in of_name]
    if len(set(named)) < len(named):
        twice = max(named, key=named.count)
        raise ValueError(
            f"`estimators` has {twice!r}, which is also the name of another estimator "
            "with an order of the utterances; choose another."
        )
    labels = [*np.atleast_2d(y.T), speakers, *([] if genders is None else [genders])]
    settings = {
        "data": {
            "n_samples": n_rows,
            "speakers": sorted(map(str, pd.unique(speakers))),
            **task.described(),
            "fingerprint": fingerprint(X, *labels),
        },
        "protocol": {
            "cv": cv if cv == "loso" else as_json(splitter_of(cv, "cv", by)),
            "groups": None if groups is None else len(pd.unique(groups)),
            "n_folds": len(folds),
            "folds": joblib.hash(folds),
        },
        "probes": probes,
        "asked": asked,
        "selection": selection,
        "estimators": {
            entry: {
                **planned(estimators[name], model, seeds[name], of_entry),
                "candidates": [as_json(one) for one in candidates.get(name, [])],
            }
            for name, model in models.items()
            for entry, of_entry in entries[name].items()
        },
        "versions": environment(),
    }
    utterances = Utterances(X, y, speakers, names_of_rows(X, n_rows), genders=genders)
    strata = y if isinstance(task, EmotionTask) else None  # with equal shares of each
    to_probe = strata, asked, probes
    jobs = []
    if probes and _is_numeric(X):
        key = RAW_FEATURES, next(iter(seeds.values()))[0], None
        jobs.append(Job([key], _probe, (None, *to_probe)))
    for name, model in models.items():
        # One fit serves several orders, and seeds that draw nothing but the order.
        one_by_one = [[seed] for seed in seeds[name]]
        for together in one_by_one if unseeded(model) else [seeds[name]]:
            runs = list(product(entries[name], together))
            jobs += [
                Job([(*one, number) for one in runs], _fold, arguments)
                for number, rows in enumerate(folds)
                for arguments in [(model, *rows, task, entries[name])]
            ]
            if probes:
                keys = [(*one, None) for one in runs]
                jobs.append(Job(keys, _probe, (model, *to_probe)))
    tables = run(jobs, utterances, task, settings, folder, n_jobs, verbose)
    _warn_of_no_adaptation(tables["scores"])
    return Comparison(**tables, settings=settings)


def _warn_of_no_adaptation(scores):
    """Warn once of all fits that chose not to adapt."""
    adaptive = scores[scores["kind"].str.startswith("adaptive")]
    declined = adaptive["chosen"].astype(str).str.contains('"adapt": "none"')
    if declined.any():
        warn(
            f"In {declined.sum()} of {len(declined)} scores, SpeakerScaler has chosen "
            "not to adapt: on training speakers left out, the recall was not higher "
            "with adaptation. Speakers may differ in their mix of emotions; check with "
            "`advser.speakers.speaker_confounding`.",
            AdaptationWarning,
            stacklevel=3,
        )


def _by_order(name, orders):
    """Return the order of each entry of an estimator in the results, by its name."""
    if len(orders) == 1:
        return {name: orders[0]}
    return {f"{name}, {order}": order for order in orders}


def _orders(order, task):
    """Return the orders of the utterances of a test speaker."""
    has_emotions = isinstance(task, EmotionTask)
    if order is None:
        return ORDERS if has_emotions else ORDERS[:1]
    orders = check_choices(order, "order", ORDERS)
    if not has_emotions and orders != ["random"]:
        raise ValueError(
            f"`order` is {order!r}, and ratings have no emotions to order by; pass "
            "'random'."
        )
    return orders


def _fold(utterances, keys, estimator, train, test, task, orders):
    """Fit on the training rows of a fold and predict its test rows in each order."""
    y, speakers = utterances.y, utterances.speakers
    (_, seed, _), *_ = keys
    model = seeded(estimator, seed)
    fit_seconds = yield from fit(model, utterances, train, speakers)
    search = last_step(model)
    best = getattr(search, "best_params_", None)
    adaptation = adaptation_of(model)
    chosen = (best or {}) | ({} if adaptation is None else {"adapt": adaptation})
    found = []
    for name, seed, number in keys:
        order, spoken = orders[name], np.arange(len(test))
        if order is not None:
            # A random order needs no emotions, and y may be ratings.
            emotions = speakers if order == "random" else y
            spoken = utterance_order(
                emotions[test], speakers[test], order, random_state=seed
            )
        y_pred, seconds = predict(model, utterances, test[spoken], speakers)
        y_pred = np.asarray(y_pred)[np.argsort(spoken)]
        tables = tables_of(
            utterances,
            test,
            y_pred,
            task,
            run={"estimator": name, "seed": seed, "fold": number},
            before={
                "estimator": name,
                "kind": kind_of(model, order),
                "seed": seed,
                "fold": number,
                "test_speakers": "+".join(map(str, pd.unique(speakers[test]))),
            },
            after={
                "candidates": 1 if best is None else len(search.cv_results_["params"]),
                "chosen": json.dumps(chosen, default=repr) if chosen else "",
                **fit_seconds,
                **seconds,
            },
        )
        found.append(tables)
    return {name: pd.concat([one[name] for one in found]) for name in found[0]}


def _probe(utterances, keys, estimator, strata, asked, probes):
    """Embed held-out rows of known speakers, and fit all probes to the embedding."""
    (_, seed, _), *_ = keys
    X, y, speakers, *_ = utterances
    parts = yield from held_out_embeddings(
        estimator, X, y, speakers, strata=strata, random_state=seed
    )
    rows = []
    for label, probe in product(asked, probes):
        leakage = leakage_of_parts(
            parts,
            speakers,
            strata,
            probe,
            genders=utterances.genders if label == GENDER else None,
            within_emotion=label == WITHIN,
            random_state=seed,
        )
        rows.append({"asked": label, **leakage.as_row()})
    tables = [
        pd.DataFrame([{"estimator": name, "seed": of_key, **row} for row in rows])
        for name, of_key, _ in keys
    ]
    return {"leakage": pd.concat(tables)}


def _asked(within_emotion, genders, speakers, task):
    """Return what the probes predict."""
    if within_emotion and not isinstance(task, EmotionTask):
        raise ValueError(
            "`within_emotion=True` compares speakers within each emotion, and "
            "`estimators` are regressors; leave it at False."
        )
    if genders is not None:
        check_genders(genders, speakers)
    is_asked = {SPEAKER: True, WITHIN: within_emotion, GENDER: genders is not None}
    return [label for label in is_asked if is_asked[label]]


def _is_numeric(X):
    """Whether `X` is an array of numbers, which a probe can use unchanged."""
    try:
        check_array(X)
    except (TypeError, ValueError):
        return False
    return True
