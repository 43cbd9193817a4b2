"""Corpora that are given as features with labels."""

from typing import Any

import numpy as np
import pandas as pd

from .._validation._arrays import check_labels, plain
from ._table import COLUMNS

NAMES = ("emotion", "speaker")


def read_corpus(name: str, corpus: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return features, emotions and speakers of a corpus, checked."""
    where = f"corpora[{name!r}]"
    corpus = plain(corpus)
    if isinstance(corpus, pd.DataFrame):
        labels = corpus
        X = corpus.select_dtypes("number").drop(columns=COLUMNS, errors="ignore")
        X = X.loc[:, ~X.columns.astype(str).str.startswith("Unnamed: ")]  # an index
        X.attrs = corpus.attrs
    elif isinstance(corpus, tuple) and len(corpus) in (2, 3):
        X, *labels = map(plain, corpus)
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


def check_same_features(first: Any, X: Any, first_name: str, name: str) -> None:
    """Raise unless two tables, or arrays, have the same features."""
    both = f"`{first_name}` and `{name}`"
    if isinstance(first, pd.DataFrame) != isinstance(X, pd.DataFrame):
        raise ValueError(
            f"Of {both} one has names of features and the other has none; pass tables, "
            "or arrays, for both. A transformer returns tables after "
            "`set_output(transform='pandas')`."
        )
    if not isinstance(X, pd.DataFrame):
        if first.shape[1] != X.shape[1]:
            raise ValueError(
                f"{both} have {first.shape[1]} and {X.shape[1]} features; extract both "
                "with the same feature set."
            )
        return
    missing = [column for column in first if column not in X]
    new = [column for column in X if column not in first]
    if missing or new:
        raise ValueError(
            f"`{name}` does not have the features of `{first_name}`: "
            f"{len(missing)} are missing {missing[:3]}, {len(new)} are new {new[:3]}. "
            "Extract both with the same feature set, or keep the columns that both "
            "have."
        )
    origins = [one.attrs.get("features") for one in (first, X)]
    if None not in origins and origins[0] != origins[1]:
        raise ValueError(
            f"The features of {both} were made differently: {origins[0]} and "
            f"{origins[1]}. Extract both in the same way, with the same versions."
        )
