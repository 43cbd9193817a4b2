"""Speaker-independent comparison: which estimator understands new speakers best.

Estimators name emotions or rate them; what differs between the two is in `_answers`.
Every estimator is fitted and tested on the same folds, which share no speaker with
their training rows, over several seeds. The results are tidy tables.
"""

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from numbers import Integral
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    ParameterGrid,
    ParameterSampler,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _num_samples

from .._engine._rendezvous import Stopwatch
from .._routing import call, seeded, unseeded
from .._validation import check_labels
from ..model_selection import StackedGridSearchCV, is_stackable
from ..speakers._scaler import is_transductive
from ._answers import answers_of, check_answers
from ._cross_corpus import CrossCorpusComparison, cross_corpus
from ._enrolment import enrollment_curve
from ._jobs import check_seeds, run
from ._probes import PROBES, check_genders, held_out_embeddings, leakage_of_parts
from ._statistics import holm
from ._store import (
    TABLES,
    Store,
    as_json,
    described,
    environment,
    fingerprint,
    in_order,
    read_settings,
    read_tables,
    write_json,
    write_table,
)

__all__ = [
    "Comparison",
    "CrossCorpusComparison",
    "compare",
    "cross_corpus",
    "enrollment_curve",
]

RAW_FEATURES = "raw features"  # their name in the table of the leakage
SPEAKER, WITHIN, GENDER = "speaker", "speaker within emotion", "gender"
COLUMNS = {SPEAKER: "leakage_", WITHIN: "within_emotion_", GENDER: "gender_"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """The results of :func:`compare`, as tidy tables.

    Attributes
    ----------
    scores : DataFrame
        One row per estimator, seed and fold: `estimator`, `transductive`, `seed`,
        `fold`, `test_speakers` (joined by "+"), `n_samples`, the scores, `candidates`
        (settings that a search has tried in this fold; 1 without a search), `chosen`
        (those it took, as JSON), `fit_seconds`, `predict_seconds`. The scores of
        emotions are `uar` (mean recall of those that occur in the fold),
        `weighted_accuracy`, `macro_f1` (of the same emotions) and `recall_<emotion>`
        (missing where it does not occur); of ratings `ccc` (concordance correlation),
        `pearson` and `mae` (mean absolute error), and each of these for each of several
        targets, as `ccc_<target>`.

    predictions : DataFrame
        One row per estimator, seed and utterance: `estimator`, `seed`, `fold`,
        `sample` (its label in the index of `X`, or its number), `speaker`, `y_true`,
        `y_pred`; of ratings `y_true_<target>` and `y_pred_<target>` for each target.

    leakage : DataFrame
        One row per estimator, seed, question and probe: `estimator`, `seed`, `asked`
        ("speaker", "speaker within emotion" or "gender") and the numbers of
        :class:`~advser.evaluation.SpeakerLeakage`. The estimator "raw features" is `X`
        itself.

    errors : DataFrame
        One row per fit that failed: `estimator`, `seed`, `fold` (missing where it was
        a fit for the leakage), `error` (its type), `message`, `traceback`.

    settings : dict
        What the results depend on: data, folds, seeds, parameters, versions.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    leakage: pd.DataFrame
    errors: pd.DataFrame
    settings: dict

    @classmethod
    def load(cls, folder):
        """Read the comparison in a folder, also one that was interrupted.

        Parameters
        ----------
        folder : str or path-like
            What was passed to :func:`compare` as `folder`.

        Returns
        -------
        comparison : Comparison
            Speakers, emotions and names of samples are strings, whatever they were.

        Raises
        ------
        FileNotFoundError
            If there is no comparison in the folder.
        """
        settings = read_settings(folder, across=False)
        return cls(**in_order(read_tables(folder), settings), settings=settings)

    def save(self, folder):
        """Write the tables and the settings, over those that are there.

        Parameters
        ----------
        folder : str or path-like
            Folder that exists, for `scores.csv`, `predictions.csv`, `leakage.csv`,
            `comparison.json`, and `errors.csv` if there are any.
        """
        write_json(Path(folder) / "comparison.json", self.settings)
        for name in TABLES:
            table = getattr(self, name)
            if name != "errors" or len(table):
                write_table(Path(folder) / f"{name}.csv", table)

    def to_frame(self):
        """Return everything that is a number, in one tidy table.

        Returns
        -------
        table : DataFrame
            The rows of `scores`, with the columns of the leakage as in :meth:`by_seed`.
            The leakage is judged once per estimator and seed, and repeated in each
            fold.
        """
        return self.scores.join(self._leakage(), on=["estimator", "seed"])

    @property
    def measure(self):
        """Name of the score that is compared: "uar" of emotions, "ccc" of ratings."""
        return self._answers.measure

    def of_target(self, target):
        """Return the comparison of ratings on one of several scales.

        Parameters
        ----------
        target : str
            Its name.

        Returns
        -------
        comparison : Comparison
            As if nothing else had been rated; the leakage is that of the embedding of
            all targets.

        Raises
        ------
        ValueError
            If there is no such target.
        """
        targets = self.settings["data"].get("targets", [])
        if target not in targets:
            raise ValueError(
                f"`target` is {target!r}; the comparison has the targets {targets}."
            )
        one = answers_of({"targets": [target]})
        scores, predictions = self.scores, self.predictions
        if len(targets) > 1:
            found = {name: scores[f"{name}_{target}"] for name in one.scores}
            scores = scores.drop(columns=self._answers.scores[len(found) :])
            scores = scores.assign(**found)
            others = [name for name in targets if name != target]
            predictions = predictions.drop(
                columns=answers_of({"targets": others}).columns
            )
        data = {**self.settings["data"], **one.described()}
        return Comparison(
            scores=scores,
            predictions=predictions,
            leakage=self.leakage,
            errors=self.errors,
            settings={**self.settings, "data": data},
        )

    def by_seed(self):
        """Score each estimator once per seed.

        A seed in which a fold has failed, or is not done yet, is left out: the others
        would be other speakers.

        Returns
        -------
        table : DataFrame
            Indexed by estimator and seed. The scores are of all test utterances pooled
            over the folds: `uar`, the mean over emotions of the recall,
            `weighted_accuracy`, the share recognised, and `macro_f1`, the mean over
            emotions of the F1 score; of ratings those of `scores`. Then the balanced
            accuracy of each probe: `leakage_<probe>` for the speaker,
            `within_emotion_<probe>` for the speaker within an emotion,
            `gender_<probe>` for the gender, as far as they were asked.
        """
        keys = ["estimator", "seed"]
        pooled = {
            key: self._answers.score(rows)
            for key, rows in self._finished.groupby(keys, sort=False)
        }
        index = pd.MultiIndex.from_tuples(pooled, names=keys)
        table = pd.DataFrame(
            [*pooled.values()], index=index, columns=self._answers.scores
        )
        return table.join(self._leakage())

    def by_speaker(self):
        """Score each estimator on each test speaker.

        Returns
        -------
        table : DataFrame of shape (n_speakers, n_estimators)
            Unweighted average recall, or concordance of ratings: the mean over seeds.
        """
        levels = ["estimator", "seed", "speaker"]
        scores = self._answers.score_groups(self._finished, levels)
        by_speaker = scores.groupby(level=["estimator", "speaker"]).mean()
        names = [name for name in self.settings["estimators"] if name in scores.index]
        return by_speaker.unstack("estimator")[names].rename_axis(columns=None)

    def summary(self, confidence_level=0.95):
        """Summarise each estimator in a row.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Probability that an interval covers the score on other speakers.

        Returns
        -------
        table : DataFrame
            Indexed by estimator, in the order in which they were passed; numbers are
            missing for one that has not finished all folds of any seed:

            transductive
                Whether unlabelled rows of the test speakers were used.
            seeds
                Number of seeds that were finished; 1 for an estimator without a free
                random state.
            uar, uar_std
                Unweighted average recall of the predictions pooled over the folds:
                mean and standard deviation over the seeds (missing for one seed).
            uar_low, uar_high
                Confidence interval of `uar` by bootstrap over the speakers, see
                :func:`~advser.evaluation.uar_interval`.
            weighted_accuracy
                Share of the utterances recognised: mean over the seeds.
            macro_f1
                Mean over emotions of the F1 score: mean over the seeds.
            worst_speaker, worst_speaker_uar
                The test speaker with the lowest UAR as a mean over the seeds.
            leakage_<probe>, within_emotion_<probe>, gender_<probe>
                Balanced accuracy with which the probe names the speaker, the speaker
                within an emotion, or the gender, as far as they were asked: mean over
                the seeds. See :func:`~advser.evaluation.cross_val_leakage`, and
                :meth:`leakage_summary` for the raw features, chance and intervals.
            chance
                Of a probe for the speaker that knows nothing: one by their number.
            candidates
                Number of settings that a search tries in each fold; 1 without one.
            errors
                Number of fits that failed.
            fit_seconds
                Median over seeds and folds, CPU seconds. Networks that were trained
                together share theirs equally.

            Of ratings there are `ccc`, `ccc_std`, `ccc_low`, `ccc_high` (see
            :func:`~advser.evaluation.ccc_interval`), `pearson`, `mae` and
            `worst_speaker_ccc` instead, means over the targets, and after them those of
            each of several targets, such as `ccc_<target>`.
        """
        measure = self.measure
        estimators = self.settings["estimators"]
        by_seed = self.by_seed().groupby("estimator", sort=False)
        by_speaker = self.by_speaker()
        scores = self.scores.groupby("estimator", sort=False)
        means = by_seed.mean()
        intervals = {
            name: self._interval(name, confidence_level) for name in by_speaker
        }
        low_high = pd.DataFrame(intervals, index=["low", "high"], dtype=float).T
        asked_speaker = self.leakage[self.leakage["asked"] == SPEAKER]
        table = pd.DataFrame(
            {
                "transductive": self.transductive(),
                "seeds": by_seed.size(),
                measure: means.pop(measure),
                f"{measure}_std": by_seed[measure].std(),
                f"{measure}_low": low_high["low"],
                f"{measure}_high": low_high["high"],
                **{name: means.pop(name) for name in self._answers.scores[1:]},
                "worst_speaker": by_speaker.dropna(axis=1, how="all").idxmin(),
                f"worst_speaker_{measure}": by_speaker.min(),
                **means,
                "chance": asked_speaker.groupby("estimator")["chance"].first(),
                "candidates": scores["candidates"].max(),
                "errors": self.errors.groupby("estimator").size(),
                "fit_seconds": scores["fit_seconds"].median(),
            },
            index=pd.Index(estimators, name="estimator"),
        )
        counts = ["seeds", "candidates", "errors"]
        table[counts] = table[counts].fillna(0).astype(int)
        return table

    def leakage_summary(self):
        """Summarise what the probes have found, beside what `X` itself gives away.

        Returns
        -------
        table : DataFrame
            One row per `asked` ("speaker", "speaker within emotion" or "gender"),
            `probe` and `estimator`, "raw features" being `X` itself. Means over the
            seeds of the numbers of :class:`~advser.evaluation.SpeakerLeakage`: `accuracy`
            (balanced; and `accuracy_std`, its standard deviation, missing for one
            seed), `low` and `high` (the bounds of its interval over speakers),
            `chance`, `weighted_accuracy` and `majority`.
        """
        groups = self.leakage.groupby(["asked", "probe", "estimator"], sort=False)
        numbers = ["low", "high", "chance", "weighted_accuracy", "majority"]
        table = groups[["accuracy", *numbers]].mean()
        table.insert(1, "accuracy_std", groups["accuracy"].std())
        order = [*COLUMNS], self.settings["probes"], [*self.settings["estimators"]]
        order[2].insert(0, RAW_FEATURES)
        every = pd.MultiIndex.from_product(order, names=table.index.names)
        return table.reindex(every.intersection(table.index, sort=False)).reset_index()

    def transductive(self):
        """Tell which estimators use unlabelled rows of the speakers they are tested on.

        Returns
        -------
        flags : Series of bool
            By estimator: whether it does in any fold.
        """
        planned = self.settings["estimators"]
        flags = pd.Series({name: planned[name]["transductive"] for name in planned})
        chosen = self.scores.groupby("estimator")["transductive"].any()
        return flags | chosen.reindex(flags.index, fill_value=False)

    def difference(self, name, other, *, confidence_level=0.95, random_state=0):
        """Compare two estimators, by permutation over speakers.

        Parameters
        ----------
        name, other : str
            Names of the estimators.

        confidence_level : float, default=0.95
            Probability that the interval covers the difference on other speakers.

        random_state : int, default=0
            Seed of the bootstrap, and of the permutations where they are sampled.

        Returns
        -------
        difference : Difference
            See :func:`~advser.evaluation.uar_difference` and, of ratings,
            :func:`~advser.evaluation.ccc_difference`.

        Raises
        ------
        ValueError
            If an estimator is unknown, or has not finished all folds of any seed.
        """
        y_true, speakers, y_pred = self._by_utterance(name)
        return self._answers.difference(
            y_true,
            y_pred,
            self._by_utterance(other)[2],
            speakers=speakers,
            confidence_level=confidence_level,
            random_state=random_state,
        )

    def pairwise(self, baseline=None, *, confidence_level=0.95, random_state=0):
        """Compare all pairs of estimators, or each with a baseline.

        Only estimators that know as much of the test speakers are paired: where one is
        transductive and the other is not, the test would be of what they know. See
        :meth:`difference` for any two.

        Parameters
        ----------
        baseline : str or sequence of str, default=None
            Estimators to compare the others with. None compares all with each other,
            and has a price: the more comparisons are made, the larger the difference
            must be in each.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers. Each
            does for itself; they are not corrected for the number of comparisons.

        random_state : int, default=0
            Seed of the bootstrap, and of the permutations where they are sampled.

        Returns
        -------
        table : DataFrame
            One row per pair: `estimator`, `other`, `transductive`, `points` (the
            difference in unweighted average recall, in percentage points; of ratings
            `difference`, that in concordance), `low` and `high` (its interval),
            `p_value`, `p_holm` (the same, corrected for all comparisons of the table by
            :func:`~advser.evaluation.holm`) and `smallest_p_holm` (what `p_holm` would
            at best be with so few speakers).

        Raises
        ------
        ValueError
            If a baseline is unknown, or has not finished all folds of any seed.
        """
        finished = self._finished["estimator"].unique()
        names = [name for name in self.settings["estimators"] if name in finished]
        if baseline is None:
            pairs = list(combinations(names, 2))
        else:
            baselines = [baseline] if isinstance(baseline, str) else list(baseline)
            for name in baselines:
                self._by_utterance(name)
            pairs = [
                (name, other)
                for other, name in product(baselines, names)
                if name not in baselines
            ]
        effect, unit = self._answers.effect, self._answers.unit
        knows = self.transductive()
        rows = []
        for name, other in pairs:
            if knows[name] != knows[other]:
                continue
            found = self.difference(
                name,
                other,
                confidence_level=confidence_level,
                random_state=random_state,
            )
            rows.append(
                {
                    "estimator": name,
                    "other": other,
                    "transductive": bool(knows[name]),
                    effect: unit * found.difference,
                    "low": unit * found.low,
                    "high": unit * found.high,
                    "p_value": found.p_value,
                    "smallest_p_holm": found.smallest_p_value,
                }
            )
        columns = ["estimator", "other", "transductive", effect, "low", "high"]
        columns += ["p_value", "p_holm", "smallest_p_holm"]
        table = pd.DataFrame(rows, columns=columns)
        table["p_holm"] = holm(table["p_value"])
        table["smallest_p_holm"] = (table["smallest_p_holm"] * len(table)).clip(upper=1)
        return table

    def _leakage(self):
        """Return the leakage by estimator and seed, in a column for each question."""
        column = self.leakage["asked"].map(COLUMNS) + self.leakage["probe"]
        table = self.leakage.assign(column=column).pivot(
            index=["estimator", "seed"], columns="column", values="accuracy"
        )
        return table[pd.unique(column)].rename_axis(columns=None)

    @cached_property
    def _answers(self):
        """Return what was asked of the estimators."""
        return answers_of(self.settings["data"])

    @cached_property
    def _finished(self):
        """Return the predictions of the seeds of which every fold was finished."""
        runs = self.scores.groupby(["estimator", "seed"], sort=False).size()
        runs = runs.index[runs == self.settings["protocol"]["n_folds"]]
        keys = pd.MultiIndex.from_frame(self.predictions[["estimator", "seed"]])
        return self.predictions[keys.isin(runs)]

    def _by_utterance(self, name):
        """Return what is true, the speakers, and what each seed has predicted.

        Predictions have the shape of what is true, and a last axis for the seeds.
        """
        finished = self._finished
        rows = finished[finished["estimator"] == name]
        if rows.empty:
            names = sorted(finished["estimator"].unique())
            raise ValueError(
                f"{name!r} has not finished all folds of any seed; those that have are "
                f"{names}."
            )
        seeds = [of_seed for _, of_seed in rows.groupby("seed")]
        predicted = [self._answers.of(of_seed)[1] for of_seed in seeds]
        y_true, _ = self._answers.of(seeds[0])
        return y_true, seeds[0]["speaker"].to_numpy(), np.stack(predicted, axis=-1)

    def _interval(self, name, confidence_level):
        """Return the interval of an estimator's score, none for a single speaker."""
        y_true, speakers, y_pred = self._by_utterance(name)
        if len(pd.unique(speakers)) < 2:
            return np.nan, np.nan
        return self._answers.interval(
            y_true, y_pred, speakers=speakers, confidence_level=confidence_level
        )


def compare(
    estimators,
    X,
    y,
    speakers,
    *,
    cv="loso",
    groups=None,
    seeds=5,
    probes=("logistic", "mlp"),
    within_emotion=False,
    genders=None,
    search=None,
    n_candidates=None,
    inner_cv=5,
    scoring=None,
    folder=None,
    n_jobs=None,
    verbose=0,
):
    """Compare estimators on speakers that they have not heard.

    Each estimator is fitted on the training rows of each fold and predicts its test
    rows, once for each seed. How much of the speaker it keeps is judged beside, on the
    whole data, by :func:`~advser.evaluation.cross_val_leakage`.

    Parameters
    ----------
    estimators : dict of str to estimator
        Unfitted scikit-learn classifiers, pipelines or searches, by name; or regressors
        alone. Copies of them are fitted, with all that they do to the features within
        the fold. Each gets the speakers where it requests them, as `speakers` or
        `groups`, through scikit-learn's metadata routing; `AdversarialSER` and
        `SpeakerScaler` do, and so does a search over speaker-disjoint folds such as
        ``GridSearchCV(..., cv=GroupKFold(3))``.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimators accept, such as a list of files.

    y : array-like of shape (n_samples,), or (n_samples, n_targets) of regressors
        Emotions, or ratings, NaN for a missing one. The targets are named as the
        columns of a DataFrame are. Regressors of this package learn from rows that lack
        ratings; most of scikit-learn's refuse them.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    cv : "loso" or splitter, default="loso"
        "loso" leaves one speaker, or one of the `groups`, out at a time. A splitter is
        given the same groups and must not put a speaker on both sides.

    groups : array-like of shape (n_samples,), default=None
        What is kept together in a fold where it is more than a speaker, such as the
        session of a dialogue. None for the speakers.

    seeds : int or sequence of int, default=5
        The seeds, or their number when they are to be 0, 1, 2 and so on. A seed is
        given to every ``random_state`` that is None. An estimator that has none runs
        once: set ``random_state=0`` where it changes nothing.

    probes : sequence of {"logistic", "mlp", "knn"}, default=("logistic", "mlp")
        Probes that judge the speaker leakage, see
        :func:`~advser.evaluation.speaker_leakage`; empty for none. Where `X` is an array of
        numbers, they judge it as well, as the yardstick.

    within_emotion : bool, default=False
        Whether the probes are also asked for the speaker within each emotion.

    genders : array-like of shape (n_samples,), default=None
        Gender of each row's speaker, which the probes are then asked for as well, on
        speakers they have not heard; see :func:`~advser.evaluation.gender_leakage`.

    search : dict of str to dict, default=None
        Settings to choose from, by the name of the estimator: parameters and lists of
        their values, as in :class:`sklearn.model_selection.GridSearchCV`. They are
        chosen anew in each fold and for each seed, by speaker-disjoint inner folds of
        its training rows. Estimators that are not named run as they are.

    n_candidates : int, default=None
        Number of settings that every search tries, the same for each. From a larger
        grid so many are drawn at random. None for the size of the smallest grid.

    inner_cv : int or splitter, default=5
        Inner folds of a search. An int is the number of folds of
        :class:`sklearn.model_selection.GroupKFold` over the training speakers, or of
        these if they are fewer.

    scoring : str or callable, default=None
        What a search chooses by, on average over the inner folds: a scorer of
        scikit-learn's, or None for the score that is compared, the unweighted average
        recall ("uar") or the concordance correlation of ratings ("ccc").

    folder : str or path-like, default=None
        Folder for the tables, created if missing. Rows are added as they are found, so
        that an interruption loses nothing that was finished, and the same call goes on
        from there; what had failed is tried again.

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
        not, a probe is unknown or asked for what it cannot be, `search` names no
        estimator, `cv` puts a speaker into both training and test rows, or every fit
        fails.
    FileExistsError
        If `folder` holds a comparison of other data, settings or versions.

    Warns
    -----
    FitFailedWarning
        If fits have failed. The others go on; see ``comparison.errors``.

    Notes
    -----
    A row of the results is marked *transductive* where the estimator holds a
    :class:`~advser.SpeakerScaler` with ``unknown="batch"``: it has used the unlabelled
    rows of the very speakers it is tested on. Compare it with its like only.

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
    n_rows = _num_samples(X)
    answers, y = check_answers(estimators, y, n_rows)
    speakers = check_labels(speakers, "speakers", n_rows)
    groups = None if groups is None else check_labels(groups, "groups", n_rows)
    seeds = check_seeds(seeds, estimators)
    if RAW_FEATURES in estimators:
        raise ValueError(
            f"`estimators` has {RAW_FEATURES!r}, which is the name of `X` in the table "
            "of the leakage; choose another."
        )
    asked = _asked(probes, within_emotion, genders, speakers, answers)
    if genders is not None:
        genders = check_labels(genders, "genders", n_rows)
    folds = _speaker_disjoint_folds(
        cv, y, speakers, speakers if groups is None else groups
    )
    candidates = _equal_grids(search or {}, n_candidates, estimators)
    if candidates:
        inner_cv = _inner_folds(inner_cv, folds, y, speakers)
    if scoring in (None, answers.measure):
        scoring, rule = answers.scorer(), answers.measure_name
    else:
        rule = as_json(scoring)
    searches = {
        name: _search(estimators[name], settings, inner_cv, scoring)
        for name, settings in candidates.items()
    }
    models = estimators | searches
    runs = {
        name: list(seeds if unseeded(model) else seeds[:1])
        for name, model in models.items()
    }
    labels = [*np.atleast_2d(y.T), speakers, *([] if genders is None else [genders])]
    settings = {
        "data": {
            "n_samples": n_rows,
            "speakers": sorted(map(str, pd.unique(speakers))),
            **answers.described(),
            "fingerprint": fingerprint(X, *labels),
        },
        "protocol": {
            "cv": as_json(cv),
            "groups": None if groups is None else len(pd.unique(groups)),
            "n_folds": len(folds),
            "folds": joblib.hash(folds),
        },
        "probes": list(probes),
        "asked": asked,
        "selection": _selection_rule(inner_cv, rule) if candidates else None,
        "estimators": {
            name: _plan(estimators[name], model, runs[name], candidates.get(name, []))
            for name, model in models.items()
        },
        "versions": environment(),
    }
    samples = X.index if isinstance(X, pd.DataFrame) else range(n_rows)
    store = Store(
        folder,
        settings,
        {
            "sample": samples,
            "speaker": pd.unique(speakers),
            **answers.labels(),
        },
    )
    done = store.done()
    together, alone = [], []  # networks that are trained in stacks, and all else
    to_embed = X, y, speakers, answers.strata(y), genders, asked, probes
    if probes and _is_numeric(X) and (RAW_FEATURES, seeds[0], None) not in done:
        alone.append((_embed, (RAW_FEATURES, seeds[0], np.nan), None, *to_embed))
    for seed, (name, model) in product(seeds, models.items()):
        if seed not in runs[name]:
            continue
        jobs = [
            (_fold, (name, seed, number), model, *rows, X, y, speakers, answers)
            for number, rows in enumerate(folds)
            if (name, seed, number) not in done
        ]
        if probes and (name, seed, None) not in done:
            # A search without an embedding is judged by that of what it searches.
            embeds = model if hasattr(model, "transform") else estimators[name]
            key = (name, seed, np.nan)
            jobs.append((_embed, key, embeds, *to_embed))
        (together if is_stackable(model) else alone).extend(jobs)

    run(together, alone, store, n_jobs, verbose)
    comparison = Comparison(**store.tables(), settings=settings)
    if folder is not None:
        comparison.save(folder)
    _warn_of_errors(comparison)
    return comparison


def _fold(key, estimator, train, test, X, y, speakers, answers):
    """Fit on one fold's training rows and predict its test rows."""
    name, seed, number = key
    model = seeded(estimator, seed)
    X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
    with Stopwatch() as fit:
        call(model, "fit", X_train, y[train], speakers=speakers[train])
    with Stopwatch() as predict:
        y_pred = call(model, "predict", X_test, speakers=speakers[test])
    answered = pd.DataFrame(answers.rows(y[test], y_pred))
    search = model[-1] if isinstance(model, Pipeline) else model
    is_search = hasattr(search, "best_params_")
    score = {
        "estimator": name,
        "transductive": is_transductive(model),
        "seed": seed,
        "fold": number,
        "test_speakers": "+".join(map(str, pd.unique(speakers[test]))),
        "n_samples": len(test),
        **answers.score_fold(answered),
        "candidates": len(search.cv_results_["params"]) if is_search else 1,
        "chosen": json.dumps(search.best_params_, default=repr) if is_search else "",
        "fit_seconds": fit.seconds,
        "predict_seconds": predict.seconds,
    }
    predictions = {
        "estimator": name,
        "seed": seed,
        "fold": number,
        "sample": X_test.index if isinstance(X_test, pd.DataFrame) else test,
        "speaker": speakers[test],
        **answered,
    }
    return {
        "predictions": pd.DataFrame(predictions),
        "scores": pd.DataFrame([score]),
    }


def _embed(key, estimator, X, y, speakers, strata, *questions):
    """Embed held-out utterances of known speakers; return the job to probe them."""
    parts = held_out_embeddings(
        estimator, X, y, speakers, strata=strata, random_state=key[1]
    )
    return _probe, key, list(parts), speakers, strata, *questions


def _probe(key, parts, speakers, strata, genders, asked, probes):
    """Put all questions to all probes of embeddings."""
    name, seed, _ = key
    rows = []
    for question, probe in product(asked, probes):
        leakage = leakage_of_parts(
            parts,
            speakers,
            strata,
            probe,
            genders=genders if question == GENDER else None,
            within_emotion=question == WITHIN,
            random_state=seed,
        )
        row = {"estimator": name, "seed": seed, "asked": question}
        rows.append(row | leakage.as_row())
    return {"leakage": pd.DataFrame(rows)}


def _asked(probes, within_emotion, genders, speakers, answers):
    """Return what the probes are asked for."""
    for probe in probes:
        if probe not in PROBES:
            raise ValueError(
                f"`probes` has {probe!r}; it must be one of {sorted(PROBES)}."
            )
    asked = [SPEAKER]
    if within_emotion:
        if answers.measure != "uar":
            raise ValueError(
                "`within_emotion=True` tells speakers apart within each emotion, and "
                "`estimators` are regressors; leave it at False."
            )
        asked.append(WITHIN)
    if genders is not None:
        check_genders(check_labels(genders, "genders", len(speakers)), speakers)
        asked.append(GENDER)
    return asked


def _is_numeric(X):
    """Whether it is an array that a probe can judge as it is."""
    if len(getattr(X, "shape", ())) != 2:
        return False
    try:
        check_array(X)
    except (TypeError, ValueError):
        return False
    return True


def _speaker_disjoint_folds(cv, y, speakers, groups):
    """Return the training and test rows of each fold."""
    n_speakers = len(pd.unique(speakers))
    if n_speakers < 2:
        raise ValueError(
            f"`speakers` names {n_speakers} speaker; a new speaker can only be played "
            "by one of two or more."
        )
    if isinstance(cv, str):
        if cv != "loso":
            raise ValueError(f"`cv` is {cv!r}; it must be 'loso' or a splitter.")
        cv = LeaveOneGroupOut()
    folds = list(cv.split(np.zeros(len(y)), y, groups=groups))
    _check_disjoint(folds, speakers, "cv")
    return folds


def _check_disjoint(folds, speakers, name):
    for train, test in folds:
        both = set(speakers[train]) & set(speakers[test])
        if both:
            raise ValueError(
                f"`{name}` puts speaker {both.pop()!r} into both training and test "
                "rows; use a splitter that keeps groups together, such as GroupKFold."
            )


def _equal_grids(search, n_candidates, estimators):
    """Return equally many candidates for each estimator that is searched."""
    unknown = sorted(set(search) - set(estimators))
    if unknown:
        raise ValueError(
            f"`search` names {unknown[0]!r}, which is none of the `estimators` "
            f"{list(estimators)}."
        )
    sizes = {name: len(ParameterGrid(grid)) for name, grid in search.items()}
    smallest = min(sizes, key=sizes.get, default=None)
    if n_candidates is None:
        n_candidates = sizes.get(smallest)
    elif search and not 1 <= n_candidates <= sizes[smallest]:
        raise ValueError(
            f"`n_candidates` is {n_candidates} and the grid of {smallest!r} has "
            f"{sizes[smallest]} settings; every search must try as many. Pass a number "
            "from 1 to that, or a larger grid."
        )
    return {
        name: list(
            ParameterGrid(grid)
            if sizes[name] == n_candidates
            else ParameterSampler(grid, n_candidates, random_state=0)
        )
        for name, grid in search.items()
    }


def _inner_folds(inner_cv, folds, y, speakers):
    """Return the splitter of the searches, which must keep speakers together."""
    train = min(
        (train for train, _ in folds), key=lambda rows: len(set(speakers[rows]))
    )
    n_speakers = len(set(speakers[train]))
    if n_speakers < 2:
        raise ValueError(
            f"`search` needs two training speakers to choose by, and `cv` leaves "
            f"{n_speakers} in a fold; use one with more folds, or no search."
        )
    if isinstance(inner_cv, Integral):
        inner_cv = GroupKFold(min(inner_cv, n_speakers))
    inner = inner_cv.split(np.zeros(len(train)), y[train], groups=speakers[train])
    _check_disjoint(list(inner), speakers[train], "inner_cv")
    return inner_cv


def _search(estimator, candidates, inner_cv, scoring):
    """Return a search of candidates, which trains its networks together."""
    kind = StackedGridSearchCV if is_stackable(estimator) else GridSearchCV
    grid = [{name: [value] for name, value in one.items()} for one in candidates]
    # Each is a job of its own; its fits are not shared out again, to a cluster least.
    return kind(estimator, grid, cv=inner_cv, scoring=scoring, n_jobs=1)


def _selection_rule(inner_cv, score):
    """Return in words how the searches choose."""
    return (
        f"highest mean of {score} over {as_json(inner_cv)} of the training rows, the "
        "speakers being the groups"
    )


def _plan(estimator, model, seeds, candidates):
    """Return how an estimator is run, ready for JSON."""
    return {
        "class": type(estimator).__name__,
        "transductive": is_transductive(model),
        "seeds": seeds,
        "parameters": described(estimator),
        "candidates": [
            {parameter: as_json(value) for parameter, value in candidate.items()}
            for candidate in candidates
        ],
    }


def _warn_of_errors(comparison):
    """Raise an error if every fit has failed, and warn if some have."""
    errors = comparison.errors
    if errors.empty:
        return
    first = errors.iloc[0]
    names = list(pd.unique(errors["estimator"]))
    where = "the leakage" if pd.isna(first["fold"]) else f"fold {int(first['fold'])}"
    text = (
        f"{len(errors)} fits have failed, of {names}. The first, of "
        f"{first['estimator']!r} with seed {first['seed']} for {where}, by "
        f"{first['error']}: {first['message']}"
    )
    if comparison.scores.empty:
        raise ValueError(f"{text}\n\n{first['traceback']}")
    warnings.warn(
        f"{text}\nThe others are in the table `errors`.", FitFailedWarning, stacklevel=3
    )
