"""Across corpora: trained on one, tested on another, by the emotions that they share.

A classifier meets more than new speakers there: another microphone, another language,
other ideas of what anger is. The domains that an adversary hides may be speakers,
corpora or both; what is known of the test corpus stands beside every result.
"""

import warnings
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from .._engine._rendezvous import Stopwatch
from .._routing import call, requests, seeded, unseeded
from .._validation import check_labels
from ..corpora._table import COLUMNS
from ..exceptions import CorpusWarning
from ..metrics import emotion_scores, recalls_of
from ..model_selection import is_stackable
from ..speakers._scaler import is_transductive
from ._jobs import check_seeds, run
from ._statistics import holm, uar_difference, uar_interval
from ._store import (
    Store,
    described,
    environment,
    fingerprint,
    in_order,
    read_settings,
    read_tables,
)

__all__ = ["CrossCorpusComparison", "cross_corpus"]

NAMES = ("emotion", "speaker")
DOMAINS = ("speaker", "corpus", "both")
OTHERS = "all others"  # the training corpus that is all but the one for the test
WAY = ["estimator", "domain", "unlabeled"]
CELL = ["train", "test", *WAY]


class Rows(NamedTuple):
    """The utterances of all corpora, one corpus after the other."""

    X: pd.DataFrame | np.ndarray
    y: np.ndarray  # None where an utterance has no emotion
    speakers: np.ndarray  # as "corpus/speaker"
    corpus: np.ndarray
    samples: np.ndarray


class Pair(NamedTuple):
    """Rows to train on and rows to test on, by their positions."""

    train: str
    test: str
    emotions: list
    folds: list  # (train, test); several within a corpus, none without shared emotions
    n_sources: int  # corpora to train on


class Run(NamedTuple):
    """A pair, what the domains are, and whether the test corpus is heard in training.

    `domain` is "" where the estimator does not ask.
    """

    pair: Pair
    domain: str
    unlabeled: bool


@dataclass(frozen=True, eq=False)
class CrossCorpusComparison:
    """The results of :func:`cross_corpus`, as tidy tables.

    Three columns tell one way of training from another:

    estimator
        Its name.
    domain
        What the estimator was given as speakers: "speaker", "corpus" or "both"; empty
        where it asks for none.
    unlabeled
        Whether it was trained with unlabelled rows of the test corpus.

    `target` says in words what they knew of the test corpus: "nothing", "utterances",
    or "utterances, speakers". What knows something is *transductive*.

    Attributes
    ----------
    scores : DataFrame
        One row per training corpus, test corpus, way of training, and seed: `train`,
        `test`, `estimator`, `domain`, `unlabeled`, `target`, `transductive`, `seed`,
        `n_samples`, `uar` (mean recall of the emotions), `weighted_accuracy`,
        `macro_f1`, `recall_<emotion>` (missing where the test rows have none),
        `fit_seconds`, `predict_seconds`. Where both corpora are the same, the speakers
        of the test were left out of the training, and the folds are pooled.

    predictions : DataFrame
        One row per row of `scores` and utterance: `train`, `test`, `estimator`,
        `domain`, `unlabeled`, `seed`, `sample` (its label in the index of the table, or
        its number), `speaker` (as "corpus/speaker"), `y_true`, `y_pred`.

    errors : DataFrame
        One row per row of `scores` that is missing because a fit has failed: `train`,
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
    def load(cls, folder):
        """Read the comparison in a folder, also one that was interrupted.

        Parameters
        ----------
        folder : str or path-like
            What was passed to :func:`cross_corpus` as `folder`.

        Returns
        -------
        comparison : CrossCorpusComparison
            Emotions and names of samples are strings, whatever they were.

        Raises
        ------
        FileNotFoundError
            If there is no such comparison in the folder.
        """
        settings = read_settings(folder, across=True)
        return _comparison(in_order(read_tables(folder), settings), settings)

    @property
    def pairs(self):
        """What was compared.

        A DataFrame with one row per training and test corpus: `train`, `test`,
        `emotions` (those shared, joined by "+"), `n_emotions` (their number),
        `n_train` and `n_test` (rows used),
        `n_train_left_out` and `n_test_left_out` (rows of other emotions, or of none),
        `n_unlabeled` (rows of the test corpus that training may hear without their
        labels), `train_speakers`, `test_speakers`. A pair that shares fewer than two
        emotions has no rows that are used, and no scores.
        """
        return pd.DataFrame(self.settings["pairs"])

    def summary(self, confidence_level=0.95):
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
                What was known of the test corpus, and whether that is anything.
            seeds
                Number of seeds that were finished; 1 for an estimator without a free
                random state.
            uar, uar_std
                Unweighted average recall: mean and standard deviation over the seeds
                (missing for one seed).
            uar_low, uar_high
                Confidence interval of `uar` by bootstrap over the speakers of the test
                corpus, see :func:`~advser.evaluation.uar_interval`.
            weighted_accuracy, macro_f1, recall_<emotion>
                Means over the seeds.
            chance
                `uar` of guessing: one by the number of emotions.
            n_samples, n_speakers
                Utterances and speakers of the test.
            fit_seconds
                Median over the seeds, CPU seconds.
        """
        scores = self.scores.groupby(CELL, sort=False)
        recalls = [name for name in self.scores if name.startswith("recall_")]
        means = scores[["uar", "weighted_accuracy", "macro_f1", *recalls]].mean()
        predictions = dict(iter(self.predictions.groupby(CELL, sort=False)))
        n_emotions = self.pairs.set_index(["train", "test"])["n_emotions"]
        rows = {}
        for cell, of_seeds in scores:
            y_true, speakers, y_pred = _by_utterance(predictions[cell])
            low_high = (np.nan, np.nan)
            if len(set(speakers)) > 1:
                low_high = uar_interval(
                    y_true, y_pred, speakers=speakers, confidence_level=confidence_level
                )
            mean = means.loc[cell].to_dict()
            rows[cell] = {
                "target": of_seeds["target"].max(),
                "transductive": of_seeds["transductive"].any(),
                "seeds": len(of_seeds),
                "uar": mean.pop("uar"),
                "uar_std": of_seeds["uar"].std(),
                "uar_low": low_high[0],
                "uar_high": low_high[1],
                **mean,
                "chance": 1 / n_emotions[cell[:2]],
                "n_samples": len(y_true),
                "n_speakers": len(set(speakers)),
                "fit_seconds": of_seeds["fit_seconds"].median(),
            }
        index = pd.MultiIndex.from_tuples(rows, names=CELL)
        return pd.DataFrame([*rows.values()], index=index)

    def pairwise(self, baseline, *, confidence_level=0.95, random_state=0):
        """Compare every way of training with a baseline, by permutation over speakers.

        Only across corpora; :func:`compare` compares within one.

        Parameters
        ----------
        baseline : str
            Name of an estimator. Where it was trained in several ways, the first
            counts, the one that knows least of the test corpus.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers of the
            test corpus. Each does for itself; they are not corrected for the number of
            comparisons.

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
            If the baseline is unknown, or has failed throughout.

        Notes
        -----
        Where `transductive` is not that of the baseline, the difference is as much one
        of what was known as one of method.
        """
        known = list(pd.unique(self.scores["estimator"]))
        if baseline not in known:
            raise ValueError(
                f"`baseline` is {baseline!r}; the estimators with results are {known}."
            )
        knows = self.scores.groupby(CELL)["transductive"].any()
        rows = []
        across = self.predictions["train"] != self.predictions["test"]
        of_pairs = self.predictions[across].groupby(["train", "test"], sort=False)
        for pair, of_pair in of_pairs:
            ways = {
                way: _by_utterance(found)
                for way, found in of_pair.groupby(WAY, sort=False)
            }
            base = min(
                (way for way in ways if way[0] == baseline),
                key=lambda way: knows[*pair, *way],
                default=None,
            )
            if base is None or len(set(ways[base][1])) < 2:
                continue
            y_true, speakers, y_base = ways.pop(base)
            for way, (_, _, y_pred) in ways.items():
                found = uar_difference(
                    y_true,
                    y_pred,
                    y_base,
                    speakers=speakers,
                    confidence_level=confidence_level,
                    random_state=random_state,
                )
                rows.append(
                    {
                        **dict(zip(CELL, (*pair, *way))),
                        "transductive": knows[*pair, *way],
                        "points": 100 * found.difference,
                        "low": 100 * found.low,
                        "high": 100 * found.high,
                        "p_value": found.p_value,
                    }
                )
        columns = [*CELL, "transductive", "points", "low", "high", "p_value"]
        table = pd.DataFrame(rows, columns=columns)
        return table.assign(p_holm=holm(table["p_value"]))


def cross_corpus(
    corpora,
    estimators,
    *,
    domain="speaker",
    transductive=True,
    leave_one_out=False,
    emotions=None,
    within=5,
    seeds=5,
    folder=None,
    n_jobs=None,
    verbose=0,
):
    """Train estimators on one corpus and test them on another, for all pairs.

    Each pair is compared on the emotions that both have. Beside it stands the recall
    within each corpus, on speakers left out: what is lost on the way to another one
    can be seen.

    Parameters
    ----------
    corpora : dict of str to DataFrame or tuple
        Two corpora or more, by name. Each is a table with the columns `emotion` and
        `speaker`, whose other numeric columns are the features (those of the readers,
        such as `arousal` and `start`, are none); the pair that
        :func:`~advser.audio.read_features` returns; or ``(X, y, speakers)``. The
        features must be the same in all. An emotion may be missing.

    estimators : dict of str to estimator
        Unfitted scikit-learn classifiers, pipelines or searches, by name. Copies of
        them are fitted, and given what they request, see Notes.

    domain : {"speaker", "corpus", "both"} or sequence of these, default="speaker"
        What is passed to the estimators as `speakers`, and so what an adversary hides
        and a :class:`~advser.SpeakerScaler` scales by:

        - "speaker": who speaks. Where the test corpus is heard in training, its
          speakers are told, too.
        - "corpus": the name of the corpus [1]_. An adversary needs two of them, the
          test corpus being one, or several to train on.
        - "both": who speaks for the training corpus, and the test corpus as one
          domain more, whose speakers are not told.

        Several are run one after the other, and are told apart by a column.

    transductive : bool, default=True
        Whether estimators that take unlabelled rows, `X_unlabeled`, are trained with
        those of the test corpus, too: all its rows, whatever their emotion. They are
        trained without in any case where the domain allows it.

    leave_one_out : bool, default=False
        Whether all other corpora together are a training corpus more. Its emotions are
        those of the test corpus that any of them has.

    emotions : sequence of str, default=None
        Emotions to compare on. None for all that the corpora of a pair share; chance
        then differs between pairs.

    within : int or None, default=5
        Folds by speaker, of all speakers if they are fewer, for the recall within each
        corpus, on the emotions that it shares with any other. The speakers are then the
        domains, whatever `domain` is. None leaves it out.

    seeds : int or sequence of int, default=5
        The seeds, or their number when they are to be 0, 1, 2 and so on. A seed is
        given to every ``random_state`` that is None. An estimator that has none runs
        once: set ``random_state=0`` where it changes nothing.

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
    comparison : CrossCorpusComparison
        Tables of scores, predictions and errors, in the order of `estimators`.

    Raises
    ------
    ValueError
        If there are fewer than two corpora, a corpus lacks a column or its features
        are others, no two share two emotions, `domain` or `emotions` is unknown,
        `estimators` or `seeds` is empty, or every fit fails.
    FileExistsError
        If `folder` holds a comparison of other data, settings or versions.

    Warns
    -----
    CorpusWarning
        If corpora share fewer than two emotions. Those pairs are left out.
    FitFailedWarning
        If fits have failed. The others go on; see ``comparison.errors``.

    See Also
    --------
    compare : Within one corpus, with leakage and searches.
    advser.plots.CrossCorpusDisplay : Draws it.

    Notes
    -----
    **What an estimator gets.** `speakers` are the domains, `groups` the speakers, each
    where it is requested; a search over speaker-disjoint folds thus has its groups
    under any domain. Speakers are called "corpus/speaker", so that those of two corpora
    are never the same. An estimator that requests no `speakers`, or a network that
    plays no game (``adversary=None``), is trained once, whatever the domains. In a
    pipeline the unlabelled rows go through the steps before the last; in a search over
    pipelines they do where these say so by their `transform_input`.

    **What is known of the test corpus** stands in the column `target`:

    ========  ===========================  ====================
    domain    without its rows             with them
    ========  ===========================  ====================
    speaker   nothing                      utterances, speakers
    corpus    nothing, see below           utterances
    both      (the same as with speaker)   utterances
    ========  ===========================  ====================

    Without rows of the test corpus there are two corpora to hide only where there are
    several to train on, with `leave_one_out`. With one, an adversary over corpora is
    trained with those rows or not at all.

    A :class:`~advser.SpeakerScaler` with ``unknown="batch"`` is transductive as it is:
    with ``domain="speaker"`` it scales each speaker of the test corpus apart, with
    "corpus" or "both" the whole test corpus. With "corpus" that is the normalisation
    by corpus of the literature [2]_.

    References
    ----------
    .. [1] M. Abdelwahab, C. Busso, "Domain adversarial for acoustic emotion
       recognition", IEEE/ACM Transactions on Audio, Speech, and Language Processing
       26(12), 2018, arXiv:1804.07690.
    .. [2] B. Schuller et al., "Cross-corpus acoustic emotion recognition: variances and
       strategies", IEEE Transactions on Affective Computing 1(2), 2010.

    Examples
    --------
    Two halves of a corpus, as if they were two:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import cross_corpus
    >>> frame = load_emodb(as_frame=True).frame
    >>> is_female = frame["gender"] == "female"
    >>> corpora = {"women": frame[is_female], "men": frame[~is_female]}
    >>> model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    >>> comparison = cross_corpus(corpora, {"LR": model})
    >>> uar = comparison.summary()["uar"].droplevel([2, 3, 4])
    >>> print(uar["women", "women"] > uar["men", "women"])
    True
    """
    domains = _check_domains(domain)
    seeds = check_seeds(seeds, estimators)
    rows, data = _joined(corpora)
    pairs = _pairs(rows, list(corpora), emotions, leave_one_out, within)
    compared = [pair for pair in pairs if pair.folds]
    runs = [Run(*one) for one in product(compared, ("", *DOMAINS), (False, True))]
    seeds_of = {
        name: list(seeds if unseeded(estimator) else seeds[:1])
        for name, estimator in estimators.items()
    }
    settings = {
        "data": data,
        "protocol": {
            "domains": domains,
            "transductive": transductive,
            "emotions": None if emotions is None else [*map(str, emotions)],
            "within": within,
        },
        "pairs": [_counts(pair, rows) for pair in pairs],
        "runs": [
            [one.pair.train, one.pair.test, one.domain, one.unlabeled] for one in runs
        ],
        "probes": [],
        "asked": [],
        "estimators": {
            name: {
                "class": type(estimator).__name__,
                "transductive": is_transductive(estimator),
                "seeds": seeds_of[name],
                "parameters": described(estimator),
            }
            for name, estimator in estimators.items()
        },
        "versions": environment(),
    }
    store = Store(
        folder,
        settings,
        {
            "sample": rows.samples,
            "speaker": pd.unique(rows.speakers),
            "y_true": pd.unique(rows.y),
            "y_pred": pd.unique(rows.y),
        },
    )
    done = store.done()
    scored = sorted({emotion for pair in pairs for emotion in pair.emotions}, key=str)
    together, alone = [], []  # networks that are trained in stacks, and all else
    for name, estimator in estimators.items():
        jobs = together if is_stackable(estimator) else alone
        uses = _uses(estimator)
        wanted = [
            (number, one)
            for number, one in enumerate(runs)
            if _is_wanted(one, *uses, domains, transductive)
        ]
        if all(one.pair.train == one.pair.test for _, one in wanted):
            raise ValueError(
                f"`estimators` has {name!r}, which nothing can be trained for with "
                f"`domain={domain!r}` and `transductive={transductive}`: two corpora "
                "must be heard to tell corpora apart. Pass `transductive=True`, "
                "`leave_one_out=True` with three corpora or more, or another domain."
            )
        for (number, one), seed in product(wanted, seeds_of[name]):
            if (name, seed, number) not in done:
                key = name, seed, number
                jobs.append((_score, key, estimator, one, rows, scored))
    run(together, alone, store, n_jobs, verbose)
    comparison = _comparison(store.tables(), settings)
    _warn_of_errors(comparison)
    return comparison


def _check_domains(domain):
    """Return the domains as a list, in their own order."""
    domains = [domain] if isinstance(domain, str) else list(domain)
    strange = sorted(set(domains) - set(DOMAINS))
    if strange or not domains:
        raise ValueError(
            f"`domain` is {domain!r}; it must be one of {list(DOMAINS)}, or several."
        )
    return [name for name in DOMAINS if name in domains]


def _joined(corpora):
    """Return the rows of all corpora, and what is told of each in the settings."""
    if len(corpora) < 2:
        raise ValueError(
            f"`corpora` has {len(corpora)} entries; pass two at least, one to train on "
            "and one to test on."
        )
    for name in corpora:
        if "/" in str(name) or name == OTHERS:
            raise ValueError(
                f"`corpora` has the name {name!r}; a name must not be {OTHERS!r} or "
                "hold a slash, which parts it from the names of its speakers."
            )
    parts, data = [], {}
    for name, corpus in corpora.items():
        X, y, speakers = _read(name, corpus)
        if parts:
            _check_features(parts[0].X, X, next(iter(corpora)), name)
        is_frame = isinstance(X, pd.DataFrame)
        samples = np.asarray(X.index if is_frame else range(len(X)), dtype=object)
        named = np.array([f"{name}/{speaker}" for speaker in speakers], dtype=object)
        whose = np.full(len(y), name, dtype=object)
        parts.append(Rows(X, y, named, whose, samples))
        data[name] = {
            "n_samples": len(y),
            "n_speakers": len(pd.unique(speakers)),
            "emotions": sorted(map(str, pd.unique(y[~pd.isna(y)]))),
            "fingerprint": fingerprint(X, y, speakers),
        }
    tables, *columns = zip(*parts)
    X = pd.concat(tables) if is_frame else np.concatenate(tables)  # columns by name
    return Rows(X, *map(np.concatenate, columns)), data


def _read(name, corpus):
    """Return features, emotions and speakers of a corpus, checked."""
    where = f"corpora[{name!r}]"
    if isinstance(corpus, pd.DataFrame):
        labels = corpus
        X = corpus.select_dtypes("number").drop(columns=COLUMNS, errors="ignore")
        X.attrs = corpus.attrs
    elif isinstance(corpus, tuple) and len(corpus) in (2, 3):
        X, *labels = corpus
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        labels = labels[0] if len(labels) == 1 else dict(zip(NAMES, labels))
    else:
        raise ValueError(
            f"`{where}` is of type {type(corpus).__name__}; pass a table with the "
            "columns 'emotion' and 'speaker' and the features, what `read_features` "
            "returns, or (X, y, speakers)."
        )
    missing = [column for column in NAMES if column not in labels]
    if missing:
        raise ValueError(f"`{where}` has no column {missing[0]!r}; add it.")
    if X.ndim != 2 or not X.shape[1]:
        raise ValueError(
            f"`{where}` has features of shape {X.shape}; pass one row per utterance, "
            "and one numeric column per feature."
        )
    y, speakers = (
        check_labels(
            labels[column],
            f"{where}: {column}",
            len(X),
            allow_missing=column == "emotion",
            rows_of="the features",
        )
        for column in NAMES
    )
    return X, y, speakers


def _check_features(first, X, first_name, name):
    """Raise unless the features of a corpus are those of the first."""
    both = f"`corpora[{first_name!r}]` and `corpora[{name!r}]`"
    if isinstance(first, pd.DataFrame) != isinstance(X, pd.DataFrame):
        raise ValueError(
            f"Of {both} one has names of features and the other has none; pass tables, "
            "or arrays, for both."
        )
    if isinstance(X, pd.DataFrame):
        lacking = [column for column in first if column not in X]
        strange = [column for column in X if column not in first]
        if lacking or strange:
            raise ValueError(
                f"`corpora[{name!r}]` has not the features of "
                f"`corpora[{first_name!r}]`: {len(lacking)} are missing "
                f"{lacking[:3]}, {len(strange)} are new {strange[:3]}. Extract both "
                "with the same feature set, or keep the columns that both have."
            )
        origins = [one.attrs.get("features") for one in (first, X)]
        if None not in origins and origins[0] != origins[1]:
            raise ValueError(
                f"The features of {both} were made differently: {origins[0]} and "
                f"{origins[1]}. Extract both in the same way, with the same versions."
            )
    elif first.shape[1] != X.shape[1]:
        raise ValueError(
            f"{both} have {first.shape[1]} and {X.shape[1]} features; extract both "
            "with the same feature set."
        )


def _pairs(rows, names, wanted, leave_one_out, within):
    """Return all pairs of corpora, in order, with the rows that they use."""
    if within is not None and (not isinstance(within, Integral) or within < 2):
        raise ValueError(f"`within` is {within!r}; it must be 2 or more, or None.")
    is_known = ~pd.isna(rows.y)
    present = {name: set(rows.y[is_known & (rows.corpus == name)]) for name in names}
    if wanted is not None:
        strange = sorted(set(wanted) - set().union(*present.values()), key=str)
        if strange:
            raise ValueError(f"`emotions` has {strange}, which no corpus has.")
        present = {name: present[name] & set(wanted) for name in names}
    pairs, apart = [], []
    sources = [*names, *([OTHERS] if leave_one_out and len(names) > 2 else [])]
    for train, test in product(sources, names):
        others = [name for name in names if name != test]
        heard = others if train in (OTHERS, test) else [train]
        shared = [present[name] & present[test] for name in heard]
        if train == test:  # as wherever it is trained or tested with another
            shared = [emotions for emotions in shared if len(emotions) > 1]
        emotions = sorted(set().union(*shared), key=str)
        if train == test:
            folds = _folds_within(rows, test, emotions, within)
            if folds:
                pairs.append(Pair(train, test, emotions, folds, 1))
            continue
        folds = []
        if len(emotions) > 1:
            folds = [tuple(_where(rows, whose, emotions) for whose in (heard, [test]))]
        else:
            apart.append(f"{train!r} and {test!r}")
        n_sources = len(set(rows.corpus[folds[0][0]])) if folds else 0
        pairs.append(Pair(train, test, emotions, folds, n_sources))
    if not any(pair.folds for pair in pairs if pair.train != pair.test):
        told = {name: sorted(map(str, found)) for name, found in present.items()}
        raise ValueError(
            f"No two of the `corpora` share two emotions; they have {told}. Give "
            "their emotions the same names."
        )
    if apart:
        warnings.warn(
            f"{len(apart)} pairs of corpora share fewer than two emotions and are left "
            f"out: {', '.join(apart)}.",
            CorpusWarning,
            stacklevel=3,
        )
    return pairs


def _where(rows, names, emotions):
    """Return the positions of the rows of some corpora that have some emotions."""
    is_in = pd.Series(rows.corpus).isin(names) & pd.Series(rows.y).isin(emotions)
    return np.flatnonzero(is_in)


def _folds_within(rows, name, emotions, n_folds):
    """Return folds by speaker of the rows of a corpus; none where there cannot be."""
    at = _where(rows, [name], emotions)
    speakers = rows.speakers[at]
    n_speakers = len(pd.unique(speakers))
    if n_folds is None or n_speakers < 2:
        return []
    split = GroupKFold(min(n_folds, n_speakers)).split(at, groups=speakers)
    return [(at[train], at[test]) for train, test in split]


def _counts(pair, rows):
    """Return what a pair uses, and what it leaves out, ready for JSON."""
    nothing = np.empty(0, dtype=int)
    used = [np.unique(np.concatenate([nothing, *part])) for part in zip(*pair.folds)]
    train, test = used or (nothing, nothing)
    is_test = rows.corpus == pair.test
    is_train = rows.corpus == pair.train if pair.train != OTHERS else ~is_test
    return {
        "train": pair.train,
        "test": pair.test,
        "emotions": "+".join(map(str, pair.emotions)),
        "n_emotions": len(pair.emotions),
        "n_train": len(train),
        "n_test": len(test),
        "n_train_left_out": int(is_train.sum()) - len(train),
        "n_test_left_out": int(is_test.sum()) - len(test),
        "n_unlabeled": 0 if pair.train == pair.test else int(is_test.sum()),
        "train_speakers": len(pd.unique(rows.speakers[train])),
        "test_speakers": len(pd.unique(rows.speakers[test])),
    }


def _uses(estimator):
    """Return whether an estimator asks for speakers, and for unlabelled rows.

    A network without a game asks for neither.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    parts = [step for _, step in estimator.steps] if is_pipeline else [estimator]
    active = [
        part
        for part in parts
        if hasattr(part, "fit") and part.get_params().get("adversary", part) is not None
    ]
    asks = any(requests(part, "fit", ["speakers"]) for part in active)
    listens = any(
        requests(part, "fit", ["X_unlabeled"]) for part in active if part is parts[-1]
    )
    return asks, listens


def _is_wanted(one, asks, listens, domains, transductive):
    """Whether a run is one of an estimator that asks for speakers, or listens."""
    is_within = one.pair.train == one.pair.test
    if one.unlabeled and (is_within or not listens or not transductive):
        return False
    if not asks or is_within:
        return one.domain == ("speaker" if asks else "")
    if one.unlabeled or not listens:
        return one.domain in domains
    if one.domain == "corpus":  # one of them is nothing to play for
        return "corpus" in domains and one.pair.n_sources > 1
    return one.domain == "speaker" and domains != ["corpus"]


def _target(domain, knows):
    """Return in words what is known of the test corpus, if anything is."""
    if not knows:
        return "nothing"
    return "utterances, speakers" if domain == "speaker" else "utterances"


def _score(key, estimator, one, rows, emotions):
    """Fit on the training rows of a run and predict its test rows."""
    name, seed, number = key
    pair, is_target = one.pair, rows.corpus == one.pair.test
    domains = rows.speakers
    if one.domain == "corpus":
        domains = rows.corpus
    elif one.domain == "both":
        domains = np.where(is_target, rows.corpus, rows.speakers)
    unlabeled = np.flatnonzero(is_target) if one.unlabeled else None
    found, fit_seconds, predict_seconds = [], 0, 0
    for train, test in pair.folds:
        model = seeded(estimator, seed)
        with Stopwatch() as fit:
            model = _fitted(model, rows, train, domains, unlabeled)
        with Stopwatch() as predict:
            y_pred = call(
                model,
                "predict",
                _safe_indexing(rows.X, test),
                speakers=domains[test],
                groups=rows.speakers[test],
            )
        found.append(pd.Series(y_pred, index=test))
        fit_seconds += fit.seconds
        predict_seconds += predict.seconds
    y_pred = pd.concat(found).sort_index()
    test, y_pred = y_pred.index.to_numpy(), y_pred.to_numpy()
    y_true = rows.y[test]
    knows = one.unlabeled or is_transductive(model)
    way = {
        "train": pair.train,
        "test": pair.test,
        "estimator": name,
        "domain": one.domain,
        "unlabeled": one.unlabeled,
    }
    score = {
        **way,
        "target": _target(one.domain, knows),
        "transductive": knows,
        "seed": seed,
        "fold": number,
        "n_samples": len(test),
        **emotion_scores(y_true, y_pred),
        **recalls_of(y_true, y_pred, emotions),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
    }
    predictions = {
        **way,
        "seed": seed,
        "fold": number,
        "sample": rows.samples[test],
        "speaker": rows.speakers[test],
        "y_true": y_true,
        "y_pred": y_pred,
    }
    return {
        "predictions": pd.DataFrame(predictions),
        "scores": pd.DataFrame([score]),
    }


def _fitted(model, rows, train, domains, unlabeled):
    """Return the model, fitted with speakers and unlabelled rows where it asks."""
    X, y = _safe_indexing(rows.X, train), rows.y[train]
    known = {"speakers": domains[train], "groups": rows.speakers[train]}
    if unlabeled is None:
        return call(model, "fit", X, y, **known)
    strange = {"speakers": domains[unlabeled], "groups": rows.speakers[unlabeled]}
    X_unlabeled = _safe_indexing(rows.X, unlabeled)
    front, last = None, model
    if isinstance(model, Pipeline) and len(model) > 1:
        front, last = model[:-1], model[-1]
        X = call(front, "fit_transform", X, y, **known)
        X_unlabeled = call(front, "transform", X_unlabeled, **strange)
    elif isinstance(model, Pipeline):
        last = model[-1]
    last = call(
        last,
        "fit",
        X,
        y,
        **known,
        X_unlabeled=X_unlabeled,
        speakers_unlabeled=domains[unlabeled],
    )
    return (
        last if front is None else Pipeline([*front.steps, (model.steps[-1][0], last)])
    )


def _by_utterance(predictions):
    """Return true emotions, speakers and a column of predictions for each seed."""
    n_seeds = predictions["seed"].nunique()
    y_pred = predictions["y_pred"].to_numpy().reshape(n_seeds, -1).T
    of_seed = predictions[: len(y_pred)]
    return of_seed["y_true"].to_numpy(), of_seed["speaker"].to_numpy(), y_pred


def _comparison(tables, settings):
    """Return the comparison, every table with the pair and the way of training."""
    errors = tables["errors"]
    ways = []
    for name, number in zip(errors["estimator"], errors["fold"]):
        train, test, *way = settings["runs"][int(number)]
        ways.append([train, test, name, *way])
    ways = pd.DataFrame(ways, columns=CELL, index=errors.index)
    errors = ways.join(errors.drop(columns=["estimator", "fold"]))
    return CrossCorpusComparison(
        scores=tables["scores"].drop(columns="fold"),
        predictions=tables["predictions"].drop(columns="fold"),
        errors=errors,
        settings=settings,
    )


def _warn_of_errors(comparison):
    """Raise an error if every fit has failed, and warn if some have."""
    errors = comparison.errors
    if errors.empty:
        return
    first = errors.iloc[0]
    text = (
        f"{len(errors)} fits have failed, of {list(pd.unique(errors['estimator']))}. "
        f"The first, of {first['estimator']!r} with seed {first['seed']}, trained on "
        f"{first['train']!r} and tested on {first['test']!r}, by {first['error']}: "
        f"{first['message']}"
    )
    if comparison.scores.empty:
        raise ValueError(f"{text}\n\n{first['traceback']}")
    warnings.warn(
        f"{text}\nThe others are in the table `errors`.", FitFailedWarning, stacklevel=3
    )
