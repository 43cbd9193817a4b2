"""Speaker-independent comparison: which estimator understands new speakers best.

Every estimator is fitted and tested on the same folds, which share no speaker with
their training rows, over several seeds. The results are tidy tables.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.metrics import accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ._routing import call, seeded, unseeded
from ._validation import check_labels
from .metrics import speaker_uar, unweighted_average_recall
from .model_selection import is_stackable, stacked_fits
from .probes import PROBES, held_out_embeddings, leakage_of_parts
from .scaling import SpeakerScaler
from .stacking import Stopwatch

__all__ = ["Comparison", "compare"]

MAX_STACK = 64  # networks trained together
TABLES = {
    "scores": ["estimator", "seed", "fold"],
    "predictions": ["estimator", "seed", "fold"],
    "leakage": ["estimator", "seed"],
}  # and the columns by which each is sorted
NO_LEAKAGE = pd.DataFrame(columns=["estimator", "seed", "probe", "accuracy", "chance"])


@dataclass(frozen=True, eq=False)
class Comparison:
    """The results of :func:`compare`, as tidy tables.

    Attributes
    ----------
    scores : DataFrame
        One row per estimator, seed and fold: `estimator`, `transductive`, `seed`,
        `fold`, `test_speakers` (joined by "+"), `n_samples`, `uar` (mean recall of the
        emotions that occur in the fold), `weighted_accuracy`, `fit_seconds`,
        `predict_seconds`.

    predictions : DataFrame
        One row per estimator, seed and utterance: `estimator`, `seed`, `fold`,
        `sample` (its label in the index of `X`, or its number), `speaker`, `y_true`,
        `y_pred`.

    leakage : DataFrame
        One row per estimator, seed and probe: `estimator`, `seed` and the numbers of
        :class:`~advser.probes.SpeakerLeakage`.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    leakage: pd.DataFrame

    def by_seed(self):
        """Score each estimator once per seed.

        Returns
        -------
        table : DataFrame
            Indexed by estimator and seed: `uar`, the mean over emotions of the recall
            of all test utterances pooled over the folds; `weighted_accuracy`, the
            share of them recognised; `leakage_<probe>`, the balanced accuracy of each
            probe.
        """
        keys = ["estimator", "seed"]
        pooled = {
            key: {
                "uar": unweighted_average_recall(rows["y_true"], rows["y_pred"]),
                "weighted_accuracy": accuracy_score(rows["y_true"], rows["y_pred"]),
            }
            for key, rows in self.predictions.groupby(keys, sort=False)
        }
        table = pd.DataFrame.from_dict(pooled, orient="index").rename_axis(keys)
        leakage = self.leakage.pivot(index=keys, columns="probe", values="accuracy")
        return table.join(leakage.add_prefix("leakage_"))

    def by_speaker(self):
        """Score each estimator on each test speaker.

        Returns
        -------
        table : DataFrame of shape (n_speakers, n_estimators)
            Unweighted average recall, the mean over seeds.
        """
        return pd.DataFrame(
            {
                name: pd.concat(
                    speaker_uar(
                        rows["y_true"], rows["y_pred"], speakers=rows["speaker"]
                    )
                    for _, rows in by_seed.groupby("seed")
                )
                .groupby(level=0)
                .mean()
                for name, by_seed in self.predictions.groupby("estimator", sort=False)
            }
        ).rename_axis("speaker")

    def summary(self):
        """Summarise each estimator in a row.

        Returns
        -------
        table : DataFrame
            Indexed by estimator, in the order in which they were passed:

            transductive
                Whether unlabelled rows of the test speakers were used.
            seeds
                Number of seeds; 1 for an estimator without a free random state.
            uar, uar_std
                Unweighted average recall of the predictions pooled over the folds:
                mean and standard deviation over the seeds (missing for one seed).
            weighted_accuracy
                Share of the utterances recognised: mean over the seeds.
            worst_speaker, worst_speaker_uar
                The test speaker with the lowest UAR as a mean over the seeds.
            leakage_<probe>
                Balanced accuracy with which the probe names the speaker: mean over
                the seeds. See :func:`~advser.probes.cross_val_leakage`.
            chance
                The same of a probe that knows nothing: one by the number of speakers.
            fit_seconds
                Median over seeds and folds, CPU seconds. Networks that were trained
                together share theirs equally.
        """
        by_seed = self.by_seed().groupby("estimator", sort=False)
        by_speaker = self.by_speaker()
        scores = self.scores.groupby("estimator", sort=False)
        means = by_seed.mean()
        return pd.DataFrame(
            {
                "transductive": scores["transductive"].first(),
                "seeds": scores["seed"].nunique(),
                "uar": means.pop("uar"),
                "uar_std": by_seed["uar"].std(),
                "weighted_accuracy": means.pop("weighted_accuracy"),
                "worst_speaker": by_speaker.idxmin(),
                "worst_speaker_uar": by_speaker.min(),
                **means,
                "chance": self.leakage.groupby("estimator")["chance"].first(),
                "fit_seconds": scores["fit_seconds"].median(),
            },
            index=means.index,
        )

    def save(self, folder):
        """Write each table to a CSV file, over those that are there.

        Parameters
        ----------
        folder : str or path-like
            Folder that exists, for `scores.csv`, `predictions.csv` and `leakage.csv`.
        """
        for name in TABLES:
            getattr(self, name).to_csv(Path(folder) / f"{name}.csv", index=False)


def compare(
    estimators,
    X,
    y,
    speakers,
    *,
    cv="loso",
    seeds=5,
    probes=("logistic", "mlp"),
    folder=None,
    n_jobs=None,
    verbose=0,
):
    """Compare estimators on speakers that they have not heard.

    Each estimator is fitted on the training rows of each fold and predicts its test
    rows, once for each seed. How much of the speaker it keeps is judged beside, on the
    whole data, by :func:`~advser.probes.cross_val_leakage`.

    Parameters
    ----------
    estimators : dict of str to estimator
        Unfitted scikit-learn classifiers, pipelines or searches, by name. Copies of
        them are fitted. Each gets the speakers where it requests them, as `speakers`
        or `groups`, through scikit-learn's metadata routing; `AdversarialSER` and
        `SpeakerScaler` do, and so does a search over speaker-disjoint folds such as
        ``GridSearchCV(..., cv=GroupKFold(3))``.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimators accept, such as a list of files.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    cv : "loso" or splitter, default="loso"
        "loso" leaves one speaker out at a time. A splitter is given the speakers as
        groups and must not put a speaker on both sides.

    seeds : int or sequence of int, default=5
        The seeds, or their number when they are to be 0, 1, 2 and so on. A seed is
        given to every ``random_state`` that is None. An estimator that has none runs
        once: set ``random_state=0`` where it changes nothing.

    probes : sequence of {"logistic", "mlp"}, default=("logistic", "mlp")
        Probes that judge the speaker leakage; empty for none.

    folder : str or path-like, default=None
        Folder for the tables, created if missing. Rows are added as they are found,
        so that an interruption loses nothing that was finished.

    n_jobs : int, default=None
        Number of processes, each on one thread; -1 for one per core. None means 1
        unless in a :obj:`joblib.parallel_config` context. Networks of this package are
        trained in stacks, see ``advser.model_selection``.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    comparison : Comparison
        Tables of scores, predictions and leakage, in the order of `estimators`.

    Raises
    ------
    ValueError
        If an array has the wrong length, there are fewer than two speakers,
        `estimators` or `seeds` is empty, a probe is unknown, or `cv` puts a speaker
        into both training and test rows.
    FileExistsError
        If `folder` holds the tables of an earlier comparison.

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
    y = check_labels(y, "y", n_rows)
    speakers = check_labels(speakers, "speakers", n_rows)
    seeds = range(seeds) if isinstance(seeds, Integral) else list(seeds)
    if not len(seeds) or not estimators:
        raise ValueError(
            f"`estimators` has {len(estimators)} entries and `seeds` {len(seeds)}; "
            "pass one of each at least."
        )
    for probe in probes:
        if probe not in PROBES:
            raise ValueError(
                f"`probes` has {probe!r}; it must be one of {sorted(PROBES)}."
            )
    folds = _speaker_disjoint_folds(cv, y, speakers)
    found = _Tables(folder)
    together, alone = [], []  # networks that are trained in stacks, and all else
    n_probed_later = 0
    for seed, (name, estimator) in product(seeds, estimators.items()):
        if seed != seeds[0] and not unseeded(estimator):
            continue
        fits = [
            (_fold, name, estimator, seed, number, *rows, X, y, speakers)
            for number, rows in enumerate(folds)
        ]
        embedding = (_embed, name, estimator, seed, X, y, speakers)
        if is_stackable(estimator):
            together += fits + [embedding] * bool(probes)
            n_probed_later += bool(probes)
        else:
            alone += fits + [(_leakage, probes, *embedding[1:])] * bool(probes)

    n_jobs_in_all = len(together) + len(alone) + n_probed_later
    with tqdm(total=n_jobs_in_all, disable=not verbose) as progress:
        if together:
            with stacked_fits(MAX_STACK, n_jobs):
                for result in _unordered(together):
                    if isinstance(result, dict):
                        found.add(result)
                    else:
                        alone.append((_probe, probes, *result, y, speakers))
                    progress.update()
        # The limit that a job sets itself is undone wrongly where workers are threads.
        with threadpool_limits(1):
            for tables in _unordered([(_on_one_thread, *job) for job in alone], n_jobs):
                found.add(tables)
                progress.update()
    comparison = found.comparison(list(estimators))
    if folder is not None:
        comparison.save(folder)
    return comparison


class _Tables:
    """The rows found so far, in memory and, as they come, in a folder."""

    def __init__(self, folder):
        self.found = {name: [] for name in TABLES}
        self.folder = None if folder is None else Path(folder)
        if folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in TABLES:
                if self._path(name).exists():
                    raise FileExistsError(
                        f"`folder` holds {self._path(name)} of an earlier comparison; "
                        "name another folder, or remove the old tables."
                    )

    def add(self, tables):
        """Take the rows of a result: a thread does, which Ctrl-C does not cut short."""
        with ThreadPoolExecutor(1) as writer:
            writer.submit(self._add, tables).result()

    def _add(self, tables):
        for name, rows in tables.items():
            is_first = not self.found[name]
            self.found[name].append(rows)
            if self.folder is not None:
                rows.to_csv(self._path(name), mode="a", header=is_first, index=False)

    def comparison(self, estimators):
        """Return all rows, sorted by the order of the estimators, seed and fold."""
        rank = {name: number for number, name in enumerate(estimators)}
        tables = {}
        for name, keys in TABLES.items():
            rows = pd.concat(self.found[name] or [NO_LEAKAGE], ignore_index=True)
            ranks = rows[keys].assign(estimator=rows["estimator"].map(rank))
            order = ranks.sort_values(keys, kind="stable").index
            tables[name] = rows.loc[order].reset_index(drop=True)
        return Comparison(**tables)

    def _path(self, name):
        return self.folder / f"{name}.csv"


def _unordered(jobs, n_jobs=None):
    """Run jobs, each a function and its arguments; yield the results as they come."""
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    return parallel(delayed(function)(*arguments) for function, *arguments in jobs)


def _on_one_thread(function, *arguments):
    with threadpool_limits(1):
        return function(*arguments)


def _fold(name, estimator, seed, number, train, test, X, y, speakers):
    """Fit on one fold's training rows and predict its test rows."""
    model = seeded(estimator, seed)
    X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
    try:
        with Stopwatch() as fit:
            call(model, "fit", X_train, y[train], speakers=speakers[train])
        with Stopwatch() as predict:
            y_pred = call(model, "predict", X_test, speakers=speakers[test])
    except Exception as error:
        error.add_note(f"This was {name!r} with seed {seed} in fold {number}.")
        raise
    score = {
        "estimator": name,
        "transductive": _is_transductive(model),
        "seed": seed,
        "fold": number,
        "test_speakers": "+".join(map(str, pd.unique(speakers[test]))),
        "n_samples": len(test),
        "uar": unweighted_average_recall(y[test], y_pred),
        "weighted_accuracy": accuracy_score(y[test], y_pred),
        "fit_seconds": fit.seconds,
        "predict_seconds": predict.seconds,
    }
    predictions = {
        "estimator": name,
        "seed": seed,
        "fold": number,
        "sample": X_test.index if isinstance(X_test, pd.DataFrame) else test,
        "speaker": speakers[test],
        "y_true": y[test],
        "y_pred": y_pred,
    }
    return {
        "scores": pd.DataFrame([score]),
        "predictions": pd.DataFrame(predictions),
    }


def _embed(name, estimator, seed, X, y, speakers):
    """Return the estimator's embedding of held-out utterances of known speakers."""
    parts = held_out_embeddings(estimator, X, y, speakers, random_state=seed)
    return name, seed, list(parts)


def _probe(probes, name, seed, parts, y, speakers):
    """Probe embeddings for the speaker."""
    found = [
        leakage_of_parts(parts, speakers, y, probe, random_state=seed)
        for probe in probes
    ]
    rows = [{"estimator": name, "seed": seed, **leakage.as_row()} for leakage in found]
    return {"leakage": pd.DataFrame(rows)}


def _leakage(probes, name, estimator, seed, X, y, speakers):
    """Probe the estimator's embedding of held-out utterances of known speakers."""
    embedded = _embed(name, estimator, seed, X, y, speakers)
    return _probe(probes, *embedded, y, speakers)


def _is_transductive(estimator):
    """Whether what it says of a row depends on the other rows of its batch."""
    return any(
        isinstance(part, SpeakerScaler) and part.unknown == "batch"
        for part in [estimator, *estimator.get_params().values()]
    )


def _speaker_disjoint_folds(cv, y, speakers):
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
    folds = list(cv.split(np.zeros(len(y)), y, groups=speakers))
    for train, test in folds:
        both = set(speakers[train]) & set(speakers[test])
        if both:
            raise ValueError(
                f"`cv` puts speaker {both.pop()!r} into both training and test rows; "
                "use a splitter that keeps groups together, such as GroupKFold."
            )
    return folds
