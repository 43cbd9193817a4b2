"""The results of a comparison within a corpus, and their summaries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from os import PathLike

import pandas as pd

from .._validation._parameters import check_names
from .._validation._paths import check_path
from ..speakers._knowledge import KINDS
from ._reading import COLUMNS, RAW_FEATURES, SETTINGS
from ._statistics import Difference, holm
from ._store import StoredComparison, save, write_json
from ._tasks import RatingTask, task_of

SPEAKER, WITHIN, GENDER = "speaker", "speaker within emotion", "gender"
MIN_UTTERANCES = 10  # of a speaker to judge by: the standard error of a recall is 0.16
PREFIXES = {SPEAKER: "leakage_", WITHIN: "within_emotion_", GENDER: "gender_"}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(StoredComparison):
    """The results of :func:`~advser.evaluation.compare`, as tidy tables.

    Attributes
    ----------
    scores : DataFrame
        One row per estimator, seed and fold: `estimator`, `kind`, `seed`, `fold`,
        `test_speakers` (joined by "+"), `n_samples`, the scores, `candidates` (settings
        that a search has tried in this fold; 1 without a search), `chosen` (the best of
        them, and what a scaler chose to adapt, as JSON), `fit_seconds`,
        `predict_seconds`. The scores of emotions are `uar` (mean recall of those that
        occur in the fold), `weighted_accuracy`, `macro_f1` (of the same emotions) and
        `recall_<emotion>` (missing where it does not occur); of ratings `ccc`
        (concordance correlation), `pearson` and `mae` (mean absolute error), and each
        of these for each of several targets, as `ccc_<target>`.

    predictions : DataFrame
        One row per estimator, seed and utterance: `estimator`, `seed`, `fold`,
        `sample` (its label in the index of `X`, or its number), `speaker`, `y_true`,
        `y_pred`; of ratings `y_true_<target>` and `y_pred_<target>` for each target.

    leakage : DataFrame
        One row per estimator, seed, kind of label and probe: `estimator`, `seed`,
        `asked` (what the probe predicts: "speaker", "speaker within emotion" or
        "gender") and the numbers of :class:`~advser.evaluation.SpeakerLeakage`. The
        estimator "raw features" is `X` itself.

    errors : DataFrame
        One row per fit that failed: `estimator`, `seed`, `fold` (missing for a fit
        for the leakage), `error` (its type), `message`, `traceback`.

    settings : dict
        What the results depend on: data, folds, seeds, parameters, versions.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    leakage: pd.DataFrame
    errors: pd.DataFrame
    settings: dict

    def save(self, folder: str | PathLike) -> None:
        """Write the tables and the settings; files of the same names are replaced.

        Parameters
        ----------
        folder : str or path-like
            For `comparison.json` and `scores.csv`, `predictions.csv`, `leakage.csv`
            and `errors.csv`, if they have rows. It is made where it is missing.
        """
        folder = check_path(folder, "folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / SETTINGS, self.settings)
        save(folder, {name: getattr(self, name) for name in COLUMNS})

    def to_frame(self) -> pd.DataFrame:
        """Return all scores, with the leakage, in one tidy table.

        Returns
        -------
        table : DataFrame
            The rows of `scores`, with the columns of the leakage as in :meth:`by_seed`.
            The leakage is measured once per estimator and seed, and repeated in each
            fold.
        """
        return self.scores.join(self._leakage(), on=["estimator", "seed"])

    @property
    def measure(self) -> str:
        """Name of the score that is compared: "uar" of emotions, "ccc" of ratings."""
        return self._task.measure

    def of_target(self, target: str) -> "Comparison":
        """Return the comparison of ratings on one of several scales.

        Parameters
        ----------
        target : str
            Its name.

        Returns
        -------
        comparison : Comparison
            As if there were no other target; the leakage is that of the embedding of
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
        if len(targets) == 1:
            return self
        one, others = RatingTask([target]), RatingTask(targets)
        found = {name: self.scores[f"{name}_{target}"] for name in one.scores}
        several = [name for name in others.scores if name not in found]
        unused = {*others.names} - {*one.names}
        data = {**self.settings["data"], **one.described()}
        return replace(
            self,
            scores=self.scores.drop(columns=several).assign(**found),
            predictions=self.predictions.drop(columns=unused),
            settings={**self.settings, "data": data},
        )

    def by_seed(self) -> pd.DataFrame:
        """Score each estimator once per seed.

        A seed with a fold that has failed, or is not done yet, is left out: its scores
        would be of other speakers.

        Returns
        -------
        table : DataFrame
            Indexed by estimator and seed. The scores are of all test utterances pooled
            over the folds: `uar`, the mean over emotions of the recall,
            `weighted_accuracy`, the share recognised, and `macro_f1`, the mean over
            emotions of the F1 score; of ratings those of `scores`. Then the balanced
            accuracy of each probe: `leakage_<probe>` for the speaker,
            `within_emotion_<probe>` for the speaker within an emotion,
            `gender_<probe>` for the gender, as far as they were measured.
        """
        keys = ["estimator", "seed"]
        runs = self._finished.groupby(keys, sort=False)
        pooled = {key: self._task.score(rows) for key, rows in runs}
        index = pd.MultiIndex.from_tuples(pooled, names=keys)
        table = pd.DataFrame([*pooled.values()], index, columns=[*self._task.scores])
        return table.join(self._leakage())

    def by_speaker(self) -> pd.DataFrame:
        """Score each estimator on each test speaker.

        Returns
        -------
        table : DataFrame of shape (n_speakers, n_estimators)
            Unweighted average recall, or concordance of ratings: the mean over seeds.
        """
        levels = ["estimator", "seed", "speaker"]
        scores = self._task.score_groups(self._finished, levels)
        by_speaker = scores.groupby(level=["estimator", "speaker"]).mean()
        names = list(self._by_estimator)
        return by_speaker.unstack("estimator")[names].rename_axis(columns=None)

    def summary(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Summarise each estimator in a row.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Probability that an interval covers the score on other speakers.

        Returns
        -------
        table : DataFrame
            Indexed by estimator, in the order in which they were passed. Scores are
            missing for one that has not finished all folds of any seed:

            uar, uar_std
                Unweighted average recall of the predictions pooled over the folds:
                mean and standard deviation over the seeds (missing for one seed).
            uar_low, uar_high
                Confidence interval of `uar` by bootstrap over the speakers, see
                :func:`~advser.evaluation.uar_interval`.
            kind
                What was known of the test speakers: see :meth:`kinds`.
            seeds
                Number of finished seeds; 1 for an estimator without a free random
                state.
            weighted_accuracy
                Share of the utterances recognised: mean over the seeds.
            macro_f1
                Mean over emotions of the F1 score: mean over the seeds.
            worst_speaker, worst_speaker_uar
                The test speaker with the lowest UAR as a mean over the seeds, of those
                with ten utterances (with a rating) or more: few make an extreme score.
            few_utterances
                Number of test speakers with fewer.
            leakage_<probe>, within_emotion_<probe>, gender_<probe>
                Balanced accuracy of the probe for the speaker, the speaker within an
                emotion, or the gender, as far as they were measured: mean over the
                seeds. See :func:`~advser.evaluation.cross_val_leakage`, and
                :meth:`leakage_summary` for the raw features, chance and intervals.
            chance
                Balanced accuracy of guessing the speaker: 1 divided by their number.
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
        by_seed = self.by_seed().groupby("estimator", sort=False)
        by_speaker = self.by_speaker()
        known = self._finished[self._task.is_known(self._finished)]
        runs = known.groupby(["estimator", "seed", "speaker"], sort=False)
        counts = runs.size().groupby("speaker").max()
        judged = by_speaker[counts.reindex(by_speaker.index) >= MIN_UTTERANCES]
        scores = self.scores.groupby("estimator", sort=False)
        means = by_seed.mean()
        bounds = {
            name: self._task.bounds(predictions, confidence_level)
            for name, predictions in self._by_estimator.items()
        }
        low_high = pd.DataFrame(bounds, index=["low", "high"], dtype=float).T
        of_speaker = self.leakage[self.leakage["asked"] == SPEAKER]
        table = pd.DataFrame(
            {
                measure: means.pop(measure),
                f"{measure}_std": by_seed[measure].std(),
                f"{measure}_low": low_high["low"],
                f"{measure}_high": low_high["high"],
                "kind": self.kinds(),
                "seeds": by_seed.size(),
                **{name: means.pop(name) for name in self._task.scores[1:]},
                "worst_speaker": judged.dropna(axis=1, how="all").idxmin(),
                f"worst_speaker_{measure}": judged.min(),
                "few_utterances": len(by_speaker) - len(judged),
                **means,
                "chance": of_speaker.groupby("estimator")["chance"].first(),
                "candidates": scores["candidates"].max(),
                "errors": self.errors.groupby("estimator").size(),
                "fit_seconds": scores["fit_seconds"].median(),
            },
            index=pd.Index(self.settings["estimators"], name="estimator"),
        )
        counts = ["seeds", "candidates", "errors"]
        table[counts] = table[counts].fillna(0).astype(int)
        return table

    def leakage_summary(self) -> pd.DataFrame:
        """Summarise the results of the probes, for the estimators and for `X` itself.

        Returns
        -------
        table : DataFrame
            One row per `asked` ("speaker", "speaker within emotion" or "gender"),
            `probe` and `estimator`, where "raw features" is `X` itself. Means over
            the seeds of the numbers of :class:`~advser.evaluation.SpeakerLeakage`:
            `accuracy` (balanced; and `accuracy_std`, its standard deviation, missing
            for one seed), `low` and `high` (the bounds of its interval over speakers),
            `chance`, `weighted_accuracy` and `majority`.
        """
        groups = self.leakage.groupby(["asked", "probe", "estimator"], sort=False)
        numbers = ["low", "high", "chance", "weighted_accuracy", "majority"]
        table = groups[["accuracy", *numbers]].mean()
        table.insert(1, "accuracy_std", groups["accuracy"].std())
        estimators = [RAW_FEATURES, *self.settings["estimators"]]
        order = [*PREFIXES], self.settings["probes"], estimators
        every = pd.MultiIndex.from_product(order, names=table.index.names)
        return table.reindex(every.intersection(table.index, sort=False)).reset_index()

    def kinds(self) -> pd.Series:
        """Return what each estimator uses of the speakers that it predicts.

        Returns
        -------
        kinds : Series of str
            By estimator: "inductive" (nothing), "adaptive, random", "adaptive, blocks"
            or "adaptive, emotions" (their utterances up to the one that is scored, in
            one of three orders), or "transductive" (all of their utterances, without
            the emotions). An estimator that does so in one fold counts as transductive.
        """
        planned = self.settings["estimators"].items()
        kinds = pd.Series({name: estimator["kind"] for name, estimator in planned})
        found = pd.concat([kinds, self.scores.set_index("estimator")["kind"]])
        rank = found.map(KINDS.index).groupby(level=0, sort=False).max()
        return rank.map(dict(enumerate(KINDS)))

    def difference(
        self,
        name: str,
        other: str,
        *,
        confidence_level: float = 0.95,
        random_state: int = 0,
    ) -> Difference:
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
        return self._task.difference(
            self._of(name),
            self._of(other),
            confidence_level=confidence_level,
            random_state=random_state,
        )

    def pairwise(
        self,
        baseline: str | Sequence[str] | None = None,
        *,
        confidence_level: float = 0.95,
        random_state: int = 0,
    ) -> pd.DataFrame:
        """Compare all pairs of estimators, or each with a baseline.

        Estimators of one kind are compared, see :meth:`kinds`: another difference may
        come from what is known of the test speakers alone. See :meth:`difference` for
        any two.

        Parameters
        ----------
        baseline : str or sequence of str, default=None
            Estimators to compare the others with. None compares all with each other:
            the more comparisons there are, the larger a significant difference must be.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers. The
            intervals are not corrected for the number of comparisons.

        random_state : int, default=0
            Seed of the bootstrap, and of the permutations where they are sampled.

        Returns
        -------
        table : DataFrame
            One row per pair: `estimator`, `other`, `kind`, `points` (the
            difference in unweighted average recall, in percentage points; of ratings
            `difference`, that in concordance), `low` and `high` (its interval),
            `p_value`, `p_holm` (the same, corrected for all comparisons of the table by
            :func:`~advser.evaluation.holm`) and `smallest_p_holm` (the smallest
            possible `p_holm` with so few speakers).

        Raises
        ------
        ValueError
            If a baseline is unknown, or has not finished all folds of any seed.
        """
        names, kinds = list(self._by_estimator), self.kinds()
        if baseline is None:
            pairs = list(combinations(names, 2))
        else:
            is_one = isinstance(baseline, str)
            baselines = [baseline] if is_one else check_names(baseline, "baseline")
            for name in baselines:
                self._of(name)
            others = [name for name in names if name not in baselines]
            pairs = [(name, base) for base, name in product(baselines, others)]
        rows = []
        for name, other in pairs:
            if kinds[name] == kinds[other]:
                found = self.difference(
                    name,
                    other,
                    confidence_level=confidence_level,
                    random_state=random_state,
                )
                row = {"estimator": name, "other": other, "kind": kinds[name]}
                row |= self._task.difference_row(found)
                rows.append(row | {"smallest_p_holm": found.smallest_p_value})
        columns = ["estimator", "other", "kind", self._task.effect]
        columns += ["low", "high", "p_value", "p_holm", "smallest_p_holm"]
        table = pd.DataFrame(rows, columns=columns)
        table["p_holm"] = holm(table["p_value"])
        table["smallest_p_holm"] = (table["smallest_p_holm"] * len(table)).clip(upper=1)
        return table

    def _leakage(self):
        """Return the leakage by estimator and seed, in a column for each probe."""
        column = self.leakage["asked"].map(PREFIXES) + self.leakage["probe"]
        table = self.leakage.assign(column=column).pivot(
            index=["estimator", "seed"], columns="column", values="accuracy"
        )
        return table[pd.unique(column)].rename_axis(columns=None)

    @cached_property
    def _task(self):
        """The task of the estimators."""
        return task_of(self.settings["data"])

    @cached_property
    def _finished(self):
        """The predictions of the seeds of which every fold is finished."""
        runs = self.scores.groupby(["estimator", "seed"], sort=False).size()
        runs = runs.index[runs == self.settings["protocol"]["n_folds"]]
        keys = pd.MultiIndex.from_frame(self.predictions[["estimator", "seed"]])
        return self.predictions[keys.isin(runs)]

    @cached_property
    def _by_estimator(self):
        """The predictions of the finished seeds of each estimator, by its name."""
        return dict(iter(self._finished.groupby("estimator", sort=False)))

    def _of(self, name):
        """Return the predictions of the finished seeds of an estimator."""
        if not isinstance(name, str) or name not in self._by_estimator:
            raise ValueError(
                f"{name!r} is none of the estimators {sorted(self._by_estimator)}, "
                "which have finished all folds of a seed."
            )
        return self._by_estimator[name]
