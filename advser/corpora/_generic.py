"""Corpora of one's own: tables of labels, and file names that carry them."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ._table import (
    AUDIO,
    COLUMNS,
    GENDERS,
    NUMBERS,
    TEXTS,
    Problems,
    check_folder,
    finish,
    harmonize,
    list_files,
)

__all__ = ["read_filenames", "read_table"]


def read_filenames(root, pattern=None, mapping=None, *, name=None):
    """Read a corpus whose file names carry the labels.

    Parameters
    ----------
    root : str or path-like
        Folder of the corpus. All audio files in it and below are read by name.

    pattern : str, default=None
        Regular expression with named groups that is searched for in the path of each
        file, relative to `root` and with ``/`` between folders. The groups are
        columns: those of every table (:mod:`advser.corpora`), or any others. None
        takes all files, without labels.

    mapping : dict of dict, default=None
        By column, what the codes found in the names mean: ``{"emotion": {"W":
        "anger"}}``. A code may mean None, unknown. Codes that a column's mapping does
        not have are reported, and unknown. Without mapping, usual spellings of
        emotions ("happy", "Fear") and genders ("f", "male") are understood, and
        others kept.

    name : str, default=None
        What to call the corpus; the name of its folder if None.

    Returns
    -------
    table : DataFrame, indexed by file
        The label before the mapping is in the column `label`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no audio file that `pattern` matches.

    ValueError
        If `pattern` is no regular expression with named groups.

    Warns
    -----
    CorpusWarning
        Of names that `pattern` does not match, which are left out, and of codes that
        `mapping` does not have.
    """
    root = check_folder(root)
    problems = Problems()
    if pattern is None:
        rows = pd.DataFrame({"file": list_files(root)}, dtype=object)
    else:
        rows = parse_names(root, pattern, mapping or {}, problems)
    return finish(rows, root, name or root.resolve().name, problems)


def parse_names(root, pattern, mapping, problems, *, suffixes=AUDIO):
    """Return one row per audio file whose name matches, with its labels as words."""
    try:
        pattern = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"`pattern` is no regular expression: {error}; got {pattern!r}."
        ) from error
    if not pattern.groupindex:
        raise ValueError(
            f"`pattern` has no named group, such as (?P<speaker>\\w+), so that names "
            f"would tell nothing; got {pattern.pattern!r}."
        )
    files = list_files(root, suffixes)
    found = [pattern.search(file) for file in files]
    problems[Problems.UNREADABLE] += [
        file for file, match in zip(files, found) if match is None
    ]
    rows = pd.DataFrame(
        [
            (file, *(match[name] or None for name in pattern.groupindex))
            for file, match in zip(files, found)
            if match is not None
        ],
        columns=["file", *pattern.groupindex],
        dtype=object,
    )
    return translate(rows, mapping, problems)


def translate(rows, mapping, problems):
    """Turn codes into words, and texts into numbers; keep the emotion as `label`."""
    if "emotion" in rows and "label" not in rows:
        rows["label"] = rows["emotion"]
    for column, words in mapping.items():
        if column not in rows:
            raise ValueError(
                f"`mapping` has the column {column!r}, which is none of "
                f"{[name for name in rows if name not in ('file', 'label')]}."
            )
        codes = rows[column]
        strange = codes.notna() & ~codes.isin(list(words))
        problems[Problems.UNREADABLE] += [
            f"{file}: unknown {column} {code!r}"
            for file, code in zip(rows["file"][strange], codes[strange])
        ]
        rows[column] = codes.map(words)
    if "emotion" in rows and "emotion" not in mapping:
        rows["emotion"] = harmonize(rows["emotion"])
    if "gender" in rows and "gender" not in mapping:
        rows["gender"] = harmonize(rows["gender"], GENDERS)
    for column in NUMBERS:
        if column in rows:
            numbers = pd.to_numeric(rows[column], errors="coerce")
            strange = rows[column].notna() & numbers.isna()
            problems[Problems.UNREADABLE] += [
                f"{file}: {column} {text!r} is no number"
                for file, text in zip(rows["file"][strange], rows[column][strange])
            ]
            rows[column] = numbers
    return rows


def read_table(path, root=None, *, name=None):
    """Read a table of labels that has the columns of the readers, or some of them.

    Parameters
    ----------
    path : str or path-like
        CSV table, or Parquet if its name ends in ``.parquet``. It has the column
        `file` and may have those of every table (:mod:`advser.corpora`) and others.
        An empty entry is an unknown label.

    root : str or path-like, default=None
        Folder that `file` is relative to; that of the table if None.

    name : str, default=None
        What to call the corpus; the name of `root` if None.

    Returns
    -------
    table : DataFrame, indexed by file
        Without the files that are missing. If the table has no `label`, the column
        is the emotion as it was spelt.

    Raises
    ------
    FileNotFoundError
        If the table, the folder or all of the files are missing.

    ValueError
        If the table cannot be read, lacks `file`, lacks an entry there, or has two
        rows for the same file and segment.

    Warns
    -----
    CorpusWarning
        Of files that are missing, and of entries that should be numbers and are not.
    """
    path = Path(path)
    rows = read_rows(path)
    root = check_folder(path.parent if root is None else root)
    problems = Problems()
    rows = translate(rows, {}, problems)
    for column in NUMBERS:
        if column not in rows:
            rows[column] = np.nan
    twice = rows[rows.duplicated(["file", "start", "end"])]
    if len(twice):
        raise ValueError(
            f"{path} names {twice['file'].nunique()} files more than once, such as "
            f"{twice['file'].iloc[0]!r}; keep one row of each, or tell segments of a "
            "file apart by `start` and `end`."
        )
    prefix = os.path.join(root, "")
    present = {
        file: os.path.isfile(os.path.join(prefix, file))
        for file in rows["file"].unique()
    }
    is_present = rows["file"].map(present).astype(bool)
    if not is_present.any() and len(rows):
        raise FileNotFoundError(
            f"None of the {len(present)} files of {path} are in {root}, such as "
            f"{rows['file'].iloc[0]!r}; `file` must be relative to that folder."
        )
    problems[Problems.MISSING] += list(rows["file"][~is_present].unique())
    return finish(rows[is_present], root, name or root.resolve().name, problems)


def read_rows(path):
    """Return the rows of a table, all that is no number as text, or missing."""
    if path.suffix.lower() == ".parquet":
        import pyarrow

        try:
            rows = pd.read_parquet(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
        rows = rows.reset_index() if "file" in rows.index.names else rows
    else:
        try:
            rows = pd.read_csv(
                path,
                dtype=str,
                keep_default_na=False,  # an emotion may be "NA", a speaker "null"
                na_values=[""],
                skipinitialspace=True,
                encoding="utf-8-sig",
            )
        except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeError) as error:
            raise ValueError(
                f"{path} cannot be read as a CSV table: {error}. It must be UTF-8 text "
                f"with the column file and some of {', '.join(COLUMNS)}."
            ) from error
    if "file" not in rows:
        raise ValueError(
            f"{path} lacks the column file: it has {list(rows.columns)}. Its first "
            "line must name the columns, separated by commas."
        )
    for column in ["file", *TEXTS]:
        if column in rows:
            texts = rows[column].astype(object)
            texts = texts.map(lambda text: str(text).strip(), na_action="ignore")
            rows[column] = texts.where(texts.notna() & texts.ne(""), None)
    empty = np.flatnonzero(rows["file"].isna())
    if len(empty):
        raise ValueError(
            f"{path} has {len(empty)} rows without an entry for `file`, the first in "
            f"line {empty[0] + 2}; complete or remove them."
        )
    return rows
