"""Tables: of labels, and of features of any origin (CSV, Parquet, npz)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd

from ..audio._extraction import SEGMENT, extract_part, read_features
from ..audio._extractor import Extractor
from ..corpora._generic import (
    ALIASES,
    aliases_of,
    checked_rows,
    clean_rows,
    open_table,
    translate,
    with_files,
)
from ..corpora._table import COLUMNS, Copy, in_columns, is_missing
from ..exceptions import CorpusWarning
from ._parser import counted

TABLES = {".csv", ".tsv", ".parquet", ".npz"}
TEXT_TABLES = {".txt", ".tab"}  # or other texts
SPLITS = {"partition", "split", "subset", "set"}
ROW, FILE = "row of the features", "file as in the table"  # columns that no table has


def is_table(path: str | os.PathLike) -> bool:
    """Return whether a file is a table by its name."""
    return Path(path).suffix.lower() in TABLES | TEXT_TABLES


def open_columns(path: str | os.PathLike) -> pd.DataFrame:
    """Return a table as it is; a column of vectors becomes a column for each element.

    Of an npz file, arrays of shape (n_rows,) are columns, and those of shape (n_rows,
    n) are columns of vectors. The elements of `emb` are `emb_0`, `emb_1` and so on.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        index = pd.RangeIndex(1, len(next(iter(arrays.values()))) + 1, name="row")
    else:
        rows = open_table(path)
        arrays, index = {str(name): rows[name] for name in rows}, rows.index
    columns: dict = {}
    for name, values in arrays.items():
        known = iter(values.dropna()) if values.dtype == object else iter(())
        if isinstance(vector := next(known, None), list | np.ndarray):
            blank = np.full(np.shape(vector), np.nan)
            filled = [blank if none else v for v, none in zip(values, values.isna())]
            try:
                values = np.stack(filled)
            except (TypeError, ValueError):  # of unequal lengths: no features
                columns[name] = values
                continue
        if np.ndim(values) == 1:
            added = {name: np.asarray(values)}
        else:
            vectors = np.reshape(values, (len(values), -1))
            added = {f"{name}_{i}": column for i, column in enumerate(vectors.T)}
        if both := sorted(columns.keys() & added):
            raise ValueError(
                f"{path} has the column {both[0]} twice, one of them as a part of the "
                "vectors in another column; rename it."
            )
        columns |= added
    return pd.DataFrame(columns, index=index)


def read_arrays(path):
    """Return the arrays of an npz file, which have an entry for each row."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; pass a table.")
    arrays, name = {}, ""
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name in stored.files:
                array = stored[name]
                is_bytes = array.dtype.kind == "S"
                arrays[name] = np.char.decode(array, "utf-8") if is_bytes else array
    except Exception as e:  # whatever zipfile and NumPy raise for damaged files
        raise ValueError(
            f"{path} cannot be read as npz{name and f', the array {name}'}: "
            f"{str(e).rstrip('.')}. Save numbers, and texts as arrays of str."
        ) from e
    n_rows = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(n_rows.values())) != 1 or 0 in n_rows.values():
        raise ValueError(
            f"{path} has arrays with these numbers of rows: {n_rows}; each must have "
            "one entry for each recording."
        )
    return arrays


def names_in(text: str) -> list[str]:
    """Return the names in a text, which are separated by commas."""
    return [name.strip() for name in text.split(",")]


def select(
    names: Iterable[str],
    features: str,
    path: str | os.PathLike,
    targets: Sequence[str] = (),
) -> list[str]:
    """Return the columns of a table that `--features` names.

    Prefixes and patterns leave out labels: the columns of the readers, those with
    usual names of these such as `subject`, and the targets. They also leave out the
    `Unnamed: 0` of pandas, an index.

    Parameters
    ----------
    names : iterable of str
        All columns.

    features : str
        Names of columns, prefixes of such names, and patterns as of files in a shell,
        separated by commas.

    path : str or path-like
        The table.

    targets : sequence of str, default=()
        What `--target` names.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If there is no such column, or it is a target.
    """
    names, found = list(names), []
    usual = chain.from_iterable(ALIASES.values())
    labels = {"file", *COLUMNS, *targets, *usual}
    others = [
        name
        for name in names
        if not {name, name.lower()} & labels
        and not name.startswith("Unnamed: ")  # a written index
    ]
    for text in names_in(features):
        pattern = text if set("*?[") & {*text} else f"{text}*"
        matched = [name for name in others if fnmatchcase(name, pattern)]
        matched = [text] if text in names else matched
        if not matched or not text:
            raise ValueError(
                f"`--features` has {text!r}, and no column of {path} has such a name; "
                f"it has {', '.join(names[:10])}{', ...' * (len(names) > 10)}."
            )
        found += matched
    if both := [name for name in found if name in targets]:
        raise ValueError(
            f"`--features` and `--target` both name {both[0]!r}; leave it out of the "
            "features."
        )
    return list(dict.fromkeys(found))


def read_features_of_table(
    rows: pd.DataFrame, names: Sequence[str], path: str | os.PathLike
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a table into features and labels.

    Parameters
    ----------
    rows : DataFrame
        What :func:`open_columns` returned.

    names : sequence of str
        The columns with features.

    path : str or path-like
        The table.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features), dtype float32
        NaN where a feature is missing.

    labels : DataFrame, indexed by file
        The columns of the readers. Without a column `file`, the number of the row is
        the name of a recording.
    """
    path = Path(path)
    features = {}
    for name in names:
        values = rows[name]
        if values.map(lambda one: isinstance(one, list | np.ndarray)).any():
            raise ValueError(
                f"{path} has vectors of unequal lengths in the column {name}; each row "
                "must have one of the same length."
            )
        numbers = pd.to_numeric(values, errors="coerce")
        wrong = values[numbers.isna()]
        wrong = wrong[~is_missing(wrong)]
        if len(wrong):
            raise ValueError(
                f"{path}, {rows.index.name} {wrong.index[0]}: {name} is "
                f"{wrong.iloc[0]!r:.40}, which is no number, and it is a feature."
            )
        features[name] = numbers.to_numpy(np.float32)
    labels = rows.drop(columns=[*names]).assign(**{ROW: np.arange(len(rows))})
    if "file" not in labels:
        labels["file"] = [f"{labels.index.name} {number}" for number in labels.index]
    copy = Copy(path.absolute().parent, path.stem)
    labels = checked_rows(copy, with_names(clean_rows(labels, path)), path)
    table = copy.table(labels, check_files=False)
    kept = table.pop(ROW).to_numpy(int)
    return pd.DataFrame(features).iloc[kept].set_axis(table.index), table


def read_extracted(path: str | os.PathLike) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a file of `advser extract`, whose labels may have been edited since.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    X, labels : DataFrame
        Those of :func:`~advser.audio.read_features`, with labels as in other tables.

    Raises
    ------
    ValueError
        If a segment has two rows.
    """
    path = Path(path)
    X, labels = read_features(path)
    rows = labels.reset_index()
    rows = clean_rows(rows.set_axis(rows.index + 1).rename_axis("row"), path)
    copy = Copy(path.absolute().parent)
    table = in_columns(translate(copy, rows, {}))
    twice = table["file"][table.duplicated(SEGMENT)]
    if len(twice):
        raise ValueError(
            f"{path} has {len(twice)} rows more than once, such as {twice.iloc[0]!r}; "
            "keep one row for each segment."
        )
    table = table.drop(columns="file").set_axis(labels.index)
    table.attrs = labels.attrs
    copy.warn_of_problems(path)
    return X, table


def check_file_column(
    rows: pd.DataFrame, path: str | os.PathLike, otherwise: str
) -> None:
    """Raise for a table without the column `file`; say what else to do."""
    if "file" not in rows:
        aliases = aliases_of("file", rows)
        remedy = f"rename the column {aliases[0]} to file" if aliases else "add it"
        raise ValueError(f"{path} lacks the column file; {remedy}, or {otherwise}.")


def read_labels(
    rows: pd.DataFrame,
    path: str | os.PathLike,
    wavs: str | os.PathLike | None = None,
    *,
    keep_missing: bool = False,
) -> pd.DataFrame:
    """Return a table of labels of recordings, as :func:`advser.corpora.read_table`.

    Parameters
    ----------
    rows : DataFrame
        What :func:`open_columns` returned.

    path : str or path-like
        The table.

    wavs : str or path-like, default=None
        Folder of the files; that of the table if None.

    keep_missing : bool, default=False
        Whether to keep rows whose files are missing, or cannot be read.

    Returns
    -------
    table : DataFrame, indexed by file
    """
    path = Path(path)
    rows = with_names(clean_rows(rows, path))
    copy, rows = with_files(rows, path, wavs, keep_missing=keep_missing)
    return copy.table(rows, check_files=not keep_missing)


def warn_of_unused(
    rows: pd.DataFrame, path: str | os.PathLike, used: Iterable[str]
) -> None:
    """Warn of numeric columns that are no labels and not used."""
    unused = []
    others = ["file", FILE, *COLUMNS, "channel", *used]
    for name in rows.columns.difference(others, sort=False):
        known = rows[name].dropna()
        if len(known) and pd.to_numeric(known, errors="coerce").notna().all():
            unused.append(name)
    if unused:
        warn(
            f"{path} has {counted(len(unused), 'unused numeric column')}, such as "
            f"{unused[0]}; if some are features of the recordings, pass `--features` "
            "with their names, a prefix or a pattern.",
            CorpusWarning,
            stacklevel=2,
        )


def warn_of_codes(X: pd.DataFrame, emotions: pd.Series) -> None:
    """Warn of features of which each value has one emotion, as codes of it have."""
    emotions = emotions.set_axis(X.index)
    known = X.fillna(0.0).to_numpy()
    for name in X.columns[(known == known.round()).all(axis=0)]:
        groups = emotions.groupby(X[name].to_numpy())
        are_few = 1 < groups.ngroups <= len(emotions) / 2
        if are_few and (groups.nunique() == 1).all() and emotions.nunique() > 1:
            warn(
                f"each value of the feature {name} has one emotion, as a code of the "
                "emotion has; leave it out of `--features` if it was made from the "
                "labels.",
                CorpusWarning,
                stacklevel=2,
            )


def warn_of_channels(rows: pd.DataFrame, path: str | os.PathLike) -> None:
    """Warn that a table of recordings has channels, which no command uses."""
    if "channel" in map(str.lower, map(str, rows.columns)):
        warn(
            f"{path} has the column channel, which is not used: the features are of "
            "the mean of all channels. Split the files, or extract each channel in "
            "Python, by `EGeMAPS(channel=...)`.",
            CorpusWarning,
            stacklevel=2,
        )


def warn_of_split(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Warn of a split into training and test rows, which no command uses."""
    for name in table.columns:
        if str(name).lower() not in SPLITS:
            continue
        parts = table[name].dropna().astype(str)
        words = " ".join(parts.str.lower().unique())
        if "train" in words and ("test" in words or "eval" in words):
            counts = parts.value_counts()
            shown = ", ".join(f"{part} {n:,}" for part, n in counts.items())
            warn(
                f"{path} has the split {name} ({shown} rows), which is not used: rows "
                "of all its parts are. To hold some out, leave them out of the table.",
                CorpusWarning,
                stacklevel=2,
            )


def with_features(
    table: pd.DataFrame, X: pd.DataFrame | None, extractor: Extractor
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the features of recordings, and leave out those that cannot be used.

    Parameters
    ----------
    table : DataFrame, indexed by file
        The recordings.

    X : DataFrame or None
        Their features; None to extract them.

    extractor : EGeMAPS or AudioEmbedding
        Extracts them, with ``on_error="nan"``.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
        Features without a missing value, indexed by the names of the recordings.

    table : DataFrame
        Their rows of the table.

    failures : DataFrame
        The others: `file`, `start`, `end`, `error` and `reason`.
    """
    segments = table.reset_index()[SEGMENT]
    if X is not None:
        wrong = ~np.isfinite(X.to_numpy())
        kept, rows = np.flatnonzero(~wrong.any(axis=1)), wrong.any(axis=1)
        reasons = [
            f"has {counted(row.sum(), 'missing or infinite feature')}, such as "
            f"{X.columns[row.argmax()]}."
            for row in wrong[rows]
        ]
        failures = segments[rows].assign(error="ValueError", reason=reasons)
        X = X.iloc[kept]
    else:
        X, failures = extract_part(extractor, segments)
        kept = X.index
        X = X.drop(columns=SEGMENT)
        X.attrs = {"features": extractor.recipe}
    failures["file"] = files_of(table.iloc[failures.index])
    table = table.iloc[kept]
    return X.set_axis(pd.Index(names_of(table), name="file")), table, failures


def with_names(rows):
    """Return rows with a copy of the column `file`, which becomes the index."""
    return rows.assign(**{FILE: rows["file"]})


def files_of(table: pd.DataFrame) -> list[str]:
    """Return the files of a table as it has them, or relative to its root."""
    if FILE in table:
        return [*table[FILE]]
    prefix = os.path.join(table.attrs["root"] or "", "")
    return [file.removeprefix(prefix) for file in table.index]


def names_of(table):
    """Return the files of a table as :func:`files_of`, with the times of segments."""
    names = files_of(table)
    if table[["start", "end"]].notna().any(axis=None):
        times = zip(names, table["start"], table["end"])
        names = [f"{name} {start:g}-{end:g}" for name, start, end in times]
    return names
