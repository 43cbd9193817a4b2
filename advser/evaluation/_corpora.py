"""The rows of several corpora, and the pairs to train and to test on."""

import warnings
from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from ..corpora._features import check_same_features, read_corpus
from ..exceptions import CorpusWarning
from ._arguments import check_choices
from ._jobs import Utterances
from ._store import fingerprint, names_of_rows

OTHERS = "all others"  # the training corpus of all but the test corpus


class Pair(NamedTuple):
    """Two corpora, with the rows to train on and the rows to test on.

    Parameters
    ----------
    train, test : str
        Names of the corpora.

    emotions : list
        Emotions that they share.

    train_rows, test_rows : ndarray of int
        Empty if they share fewer than two emotions.

    folds : list of (ndarray, ndarray)
        Training and test rows: several folds within a corpus, none without rows.

    n_sources : int
        Number of training corpora.
    """

    train: str
    test: str
    emotions: list
    train_rows: np.ndarray
    test_rows: np.ndarray
    folds: list
    n_sources: int

    @property
    def is_within(self):
        """Whether both corpora are the same."""
        return self.train == self.test

    def counts(self, utterances):
        """Return the numbers of rows that are used and left out, ready for JSON."""
        is_test = utterances.corpora == self.test
        is_train = utterances.corpora == self.train
        if self.train == OTHERS:
            is_train = ~is_test
        n_train, n_test = int(is_train.sum()), int(is_test.sum())
        speakers = utterances.speakers
        return {
            "train": self.train,
            "test": self.test,
            "emotions": "+".join(map(str, self.emotions)),
            "n_emotions": len(self.emotions),
            "n_train": len(self.train_rows),
            "n_test": len(self.test_rows),
            "n_train_left_out": n_train - len(self.train_rows),
            "n_test_left_out": n_test - len(self.test_rows),
            "n_unlabeled": 0 if self.is_within else n_test,
            "train_speakers": len(pd.unique(speakers[self.train_rows])),
            "test_speakers": len(pd.unique(speakers[self.test_rows])),
        }


def joined(corpora):
    """Return the rows of all corpora, and the description of each for the settings."""
    if not isinstance(corpora, Mapping):
        raise ValueError(
            f"`corpora` is of type {type(corpora).__name__}; pass a dict of corpora by "
            "name."
        )
    if len(corpora) < 2:
        raise ValueError(
            f"`corpora` has {len(corpora)} entries; pass at least two, one to train on "
            "and one to test on."
        )
    tables, columns, data = [], [], {}
    for name, corpus in corpora.items():
        if not isinstance(name, str) or "/" in name or name == OTHERS:
            raise ValueError(
                f"`corpora` has the name {name!r}; a name must be a str, and neither "
                f"be {OTHERS!r} nor hold a slash, which separates it from the names of "
                "its speakers."
            )
        X, y, speakers = read_corpus(name, corpus)
        if tables:
            first = f"corpora[{next(iter(corpora))!r}]"
            check_same_features(tables[0], X, first, f"corpora[{name!r}]")
        tables.append(X)
        named = [f"{name}/{speaker}" for speaker in speakers]
        texts = named, names_of_rows(X, len(y)), [name] * len(y)
        columns.append([y, *(np.asarray(column, dtype=object) for column in texts)])
        data[name] = {
            "n_samples": len(y),
            "n_speakers": len(pd.unique(speakers)),
            "emotions": sorted(map(str, pd.unique(y[~pd.isna(y)]))),
            "fingerprint": fingerprint(X, y, speakers),
        }
    is_frame = isinstance(X, pd.DataFrame)
    X = pd.concat(tables) if is_frame else np.concatenate(tables)  # columns by name
    return Utterances(X, *map(np.concatenate, zip(*columns))), data


def pairs_of(utterances, names, wanted, leave_one_out, within):
    """Return all pairs of corpora, in order, with the rows that they use.

    Parameters
    ----------
    names : list of str
        Names of the corpora.

    wanted : sequence of str or None
        Emotions to compare on.

    leave_one_out, within : bool, int or None
        See :func:`~advser.evaluation.cross_corpus`.
    """
    y, corpora = utterances.y, utterances.corpora
    present = {name: {*y[~pd.isna(y) & (corpora == name)]} for name in names}
    if wanted is not None:
        wanted = check_choices(wanted, "emotions", set().union(*present.values()))
        present = {name: present[name] & set(wanted) for name in names}
    pairs, apart = [], []
    sources = [*names, *([OTHERS] if leave_one_out and len(names) > 2 else [])]
    for train, test in product(sources, names):
        others = [name for name in names if name != test]
        partners = others if train in (OTHERS, test) else [train]
        shared = [present[name] & present[test] for name in partners]
        if train == test:  # the emotions of all pairs with this corpus
            partners, shared = [test], [one for one in shared if len(one) > 1]
        emotions = sorted(set().union(*shared), key=str)
        used = emotions if len(emotions) > 1 else []
        rows = [_rows_of(utterances, whose, used) for whose in (partners, [test])]
        folds = [tuple(rows)] if used else []
        if train == test:
            folds = _folds_within(utterances.speakers, rows[1], within)
            if not folds:
                continue
        elif not used:
            apart.append(f"{train!r} and {test!r}")
        n_sources = len(set(corpora[rows[0]]))
        pairs.append(Pair(train, test, emotions, *rows, folds, n_sources))
    if not any(pair.folds for pair in pairs if not pair.is_within):
        found = {name: sorted(map(str, emotions)) for name, emotions in present.items()}
        raise ValueError(
            f"No two of the `corpora` share two emotions; they have {found}. Give "
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


def _rows_of(utterances, names, emotions):
    """Return the rows of some corpora that have some emotions."""
    is_in = pd.Series(utterances.corpora).isin(names)
    return np.flatnonzero(is_in & pd.Series(utterances.y).isin(emotions))


def _folds_within(speakers, rows, n_folds):
    """Return folds by speaker of the rows of a corpus; none for a single speaker."""
    n_speakers = len(pd.unique(speakers[rows]))
    if n_folds is None or n_speakers < 2:
        return []
    split = GroupKFold(min(n_folds, n_speakers)).split(rows, groups=speakers[rows])
    return [(rows[train], rows[test]) for train, test in split]
