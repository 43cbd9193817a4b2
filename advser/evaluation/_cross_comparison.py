"""The results of a comparison across corpora, and their summaries."""

from dataclasses import dataclass

import pandas as pd

from ._statistics import holm
from ._store import StoredComparison
from ._tasks import EmotionTask

CELL = ["train", "test", "estimator", "domain", "unlabeled"]
TASK = EmotionTask(())  # the emotions differ between pairs, and the statistics do not


@dataclass(frozen=True, eq=False, repr=False)
class CrossCorpusComparison(StoredComparison):
    """The results of :func:`~advser.evaluation.cross_corpus`, as tidy tables.

    Three columns identify the way of training:

    estimator
        Its name.
    domain
        What the estimator gets as `speakers`: "speaker", "corpus" or "both"; empty
        where it requests none.
    unlabeled
        Whether it is trained with unlabelled rows of the test corpus.

    `target` is what is known of the test corpus: "nothing", "utterances", or
    "utterances, speakers". An estimator with any such knowledge is *transductive*.

    Attributes
    ----------
    scores : DataFrame
        One row per training corpus, test corpus, way of training, and seed: `train`,
        `test`, `estimator`, `domain`, `unlabeled`, `target`, `transductive`, `seed`,
        `n_samples`, `uar` (mean recall of the emotions), `weighted_accuracy`,
        `macro_f1`, `recall_<emotion>` (missing where the test rows have none),
        `fit_seconds`, `predict_seconds`. Where both corpora are the same, the test
        speakers are left out of the training, and the folds are pooled.

    predictions : DataFrame
        One row per row of `scores` and utterance: `train`, `test`, `estimator`,
        `domain`, `unlabeled`, `seed`, `sample` (its label in the index of the table, or
        its number), `speaker` (as "corpus/speaker"), `y_true`, `y_pred`.

    errors : DataFrame
        One row per row of `scores` that is missing because a fit failed: `train`,
        `test`, `estimator`, `domain`, `unlabeled`, `seed`, `error` (its type),
        `message`, `traceback`.

    settings : dict
        What the results depend on: data, pairs, domains, parameters, versions.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    errors: pd.DataFrame
    settings: dict

    @classmethod
    def _from_tables(cls, tables, settings):
        """Return the comparison of tables in which a number stands for each run."""
        del tables["leakage"]
        errors = tables["errors"]
        runs = [settings["runs"][int(number)] for number in errors["fold"]]
        columns = ["train", "test", "domain", "unlabeled"]
        errors = errors.join(pd.DataFrame(runs, errors.index, columns))
        tables["errors"] = errors[[*CELL, *errors.columns.difference(CELL, sort=False)]]
        tables = {name: table.drop(columns="fold") for name, table in tables.items()}
        return super()._from_tables(tables, settings)

    @property
    def pairs(self) -> pd.DataFrame:
        """The pairs of corpora.

        A DataFrame with one row per training and test corpus: `train`, `test`,
        `emotions` (the shared ones, joined by "+"), `n_emotions` (their number),
        `n_train` and `n_test` (rows used), `n_train_left_out` and `n_test_left_out`
        (rows of other emotions, or of none), `n_unlabeled` (rows of the test corpus for
        training without their labels), `train_speakers`, `test_speakers`. A pair that
        shares fewer than two emotions uses no rows, and has no scores.
        """
        return pd.DataFrame(self.settings["pairs"])

    def summary(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Summarise each way of training on each pair in a row.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Probability that an interval covers the recall on other speakers of the
            test corpus.

        Returns
        -------
        table : DataFrame
            Indexed by `train`, `test`, `estimator`, `domain` and `unlabeled`:

            target, transductive
                What is known of the test corpus, and whether it is anything.
            seeds
                Number of finished seeds; 1 for an estimator without a free random
                state.
            uar, uar_std
                Unweighted average recall: mean and standard deviation over the seeds
                (missing for one seed).
            uar_low, uar_high
                Confidence interval of `uar` by bootstrap over the speakers of the test
                corpus, see :func:`~advser.evaluation.uar_interval`.
            weighted_accuracy, macro_f1, recall_<emotion>
                Means over the seeds.
            chance
                `uar` of guessing: 1 divided by the number of emotions.
            n_samples, n_speakers
                Utterances and speakers of the test.
            fit_seconds
                Median over the seeds, CPU seconds.
        """
        recalls = [name for name in self.scores if name.startswith("recall_")]
        n_emotions = self.pairs.set_index(["train", "test"])["n_emotions"]
        predictions = dict(iter(self.predictions.groupby(CELL, sort=False)))
        rows = {}
        for cell, scores in self.scores.groupby(CELL, sort=False):
            low, high = TASK.bounds(predictions[cell], confidence_level)
            rows[cell] = {
                "target": scores["target"].max(),
                "transductive": scores["transductive"].any(),
                "seeds": len(scores),
                "uar": scores["uar"].mean(),
                "uar_std": scores["uar"].std(),
                "uar_low": low,
                "uar_high": high,
                **scores[["weighted_accuracy", "macro_f1", *recalls]].mean(),
                "chance": 1 / n_emotions[cell[:2]],
                "n_samples": scores["n_samples"].iloc[0],
                "n_speakers": predictions[cell]["speaker"].nunique(),
                "fit_seconds": scores["fit_seconds"].median(),
            }
        index = pd.MultiIndex.from_tuples(rows, names=CELL)
        return pd.DataFrame([*rows.values()], index=index)

    def pairwise(
        self, baseline: str, *, confidence_level: float = 0.95, random_state: int = 0
    ) -> pd.DataFrame:
        """Compare every way of training with a baseline, by permutation over speakers.

        Only across corpora; see :func:`~advser.evaluation.compare` for one corpus.

        Parameters
        ----------
        baseline : str
            Name of an estimator. If it was trained in several ways, the first one is
            the baseline: the one that uses the least of the test corpus.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers of the
            test corpus. The intervals are not corrected for the number of comparisons.

        random_state : int, default=0
            Seed of the bootstrap, and of the permutations where they are sampled.

        Returns
        -------
        table : DataFrame
            One row per pair of corpora and way of training: `train`, `test`,
            `estimator`, `domain`, `unlabeled`, `transductive`, `points` (unweighted
            average recall less that of the baseline, in percentage points), `low` and
            `high` (its interval), `p_value` and `p_holm` (the same, corrected for all
            comparisons of the table by :func:`~advser.evaluation.holm`). A test corpus
            of one speaker allows no test, and has no rows.

        Raises
        ------
        ValueError
            If the baseline is unknown, or all its fits have failed.

        Notes
        -----
        Where `transductive` differs from that of the baseline, the difference comes
        from the method and from what is known of the test corpus.
        """
        names = list(pd.unique(self.scores["estimator"]))
        if baseline not in names:
            raise ValueError(
                f"`baseline` is {baseline!r}; the estimators with results are {names}."
            )
        options = {"confidence_level": confidence_level, "random_state": random_state}
        by_cell = self.scores.groupby(CELL)
        uses = by_cell["transductive"].any()
        known = by_cell["target"].max()  # sorted by name, from "nothing" on
        across = self.predictions[self.predictions["train"] != self.predictions["test"]]
        rows = []
        for _, of_pair in across.groupby(["train", "test"], sort=False):
            cells = dict(iter(of_pair.groupby(CELL, sort=False)))
            own = [cell for cell in cells if cell[2] == baseline]
            if not own or of_pair["speaker"].nunique() < 2:
                continue
            base = cells.pop(min(own, key=lambda cell: known[cell]))
            for cell, predictions in cells.items():
                found = TASK.difference(predictions, base, **options)
                row = dict(zip(CELL, cell)) | {"transductive": uses[cell]}
                rows.append(row | TASK.difference_row(found))
        columns = [*CELL, "transductive", TASK.effect, "low", "high", "p_value"]
        table = pd.DataFrame(rows, columns=columns)
        return table.assign(p_holm=holm(table["p_value"]))
