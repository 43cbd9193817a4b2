"""Corpora in audformat: conversion in both directions, and public ones by audb."""

import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._validation._parameters import check_parameter, check_table
from ._generic import translate
from ._table import NUMBERS, TEXTS, Copy

if TYPE_CHECKING:
    import audformat

# The columns of the table, and their names in databases; the first that exists is used.
_SCHEMES = {
    "label": ("label",),
    "speaker": ("speaker",),
    "gender": ("gender", "sex"),
    "session": ("session",),
    "arousal": ("arousal", "activation"),
    "valence": ("valence",),
    "dominance": ("dominance",),
    "text": ("text", "transcription", "transcript"),
}
# Files of databases that are no speech: electroglottograms, and songs.
_OTHERS = {"emodb": r"(?:^|/)laryngo/", "ravdess": r"(?:^|/)\d\d-02-[\d-]+\.\w+$"}


def from_audformat(
    db: "audformat.Database",
    *,
    emotion: str = "emotion",
    tables: str | list[str] | None = None,
) -> pd.DataFrame:
    """Return the table of a database in audformat.

    Parameters
    ----------
    db : audformat.Database
        The database.

    emotion : str, default="emotion"
        The scheme, or the column, that holds the emotions.

    tables : str or list of str, default=None
        Tables to read; all if None. You need it if two tables have different emotions
        for the same file, such as the choices of single raters and the majority.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per file or segment of these tables. If the database has splits, the
        column `partition` names that of the file. The other columns come from the
        schemes or columns of the same name, `gender` also from "sex", `arousal` from
        "activation", and `text` from "transcription" or "transcript". Files need not
        exist. The emotion "no_agreement" is missing, and the electroglottograms of
        EmoDB and the songs of RAVDESS are left out.

    Raises
    ------
    ValueError
        If the database lacks one of the `tables`, has no values for `emotion`, or
        different ones for a file.

    See Also
    --------
    to_audformat : The other direction.
    load : Load a public database.
    """
    import audformat

    check_parameter(db, "db", audformat.Database)
    check_parameter(emotion, "emotion", str)
    check_parameter(tables, "tables", str, list, None)
    unknown = {*([tables] if isinstance(tables, str) else tables or [])} - {*db.tables}
    if unknown:
        raise ValueError(
            f"`tables` has {sorted(unknown)}, which the database {db.name!r} does "
            f"not have; it has {list(db.tables)}."
        )
    try:
        found = db.get(emotion, tables=tables)
        others = {
            column: [_of_rows(db, name, found.index, tables) for name in names]
            for column, names in _SCHEMES.items()
        }
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ValueError(
            f"Tables of the database {db.name!r} have different values for the same "
            f"file ({reason}); choose with `tables` from {list(db.tables)}."
        ) from error
    if not len(found):
        raise ValueError(
            f"`emotion` is {emotion!r}, and the database {db.name!r} has no values for "
            f"it; name one of its schemes {list(db.schemes)}, or a column of its "
            f"tables {list(db.tables)}."
        )
    rows = found.index.to_frame(index=False)
    for column in rows.columns.intersection(["start", "end"]):
        rows[column] = rows[column].dt.total_seconds()
    rows["emotion"] = texts(found[emotion])
    for column, candidates in others.items():
        present = [values for values in candidates if values.notna().any()]
        if present and column in NUMBERS:
            rows[column] = present[0].to_numpy(float, na_value=np.nan)
        elif present:
            rows[column] = texts(present[0])
    if "label" not in rows:
        rows["label"] = rows["emotion"]
    rows.loc[rows["emotion"] == "no_agreement", "emotion"] = None
    if "speaker" in rows and db.name in _OTHERS:  # numbers, as 3 for "03"
        rows["speaker"] = rows["speaker"].map(lambda n: n.zfill(2), na_action="ignore")
    for split in db.splits:
        part = db.get(emotion, tables=tables, splits=split).index
        inside = rows["file"].isin(part.get_level_values("file"))
        rows.loc[inside, "partition"] = split
    if db.name in _OTHERS:
        is_other = rows["file"].str.contains(_OTHERS[db.name])
        rows = rows[~is_other].reset_index(drop=True)
    root = "." if rows["file"].map(os.path.isabs).all() else db.root or "."
    copy = Copy(root, db.name)
    return copy.table(translate(copy, rows, {}))


def _of_rows(db, scheme, index, tables):
    """Return the values of a scheme for the rows of an index.

    They are those of some tables, or of all if these have none. Those of a file as a
    whole are those of its segments, unless these have their own.
    """
    from audformat import segmented_index, utils

    values = db.get(scheme, tables=tables)[scheme]
    if not values.notna().any():
        values = db.get(scheme)[scheme]
    values.index = utils.to_segmented_index(values.index)
    own = values.reindex(utils.to_segmented_index(index))
    of_file = values.reindex(segmented_index(index.get_level_values("file")))
    return own.where(own.notna(), of_file.set_axis(own.index))


def texts(values):
    """Return values as texts, and missing ones as None."""
    values = values.astype(object)
    return values.map(str, na_action="ignore").where(values.notna(), None).to_numpy()


def to_audformat(table: pd.DataFrame, name: str | None = None) -> "audformat.Database":
    """Convert a table to a database in audformat.

    Parameters
    ----------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        The table that a reader returned.

    name : str, default=None
        Name of the database; the name of the corpus in lower case if None.

    Returns
    -------
    db : audformat.Database
        Its table "emotion" has a row per file, or per segment if there are segments.
        It has the columns of `table` that are not empty, each with a scheme of the
        same name. Files are relative to the folder of the corpus. Add the licence and
        the source before you publish it.

    See Also
    --------
    from_audformat : The other direction.
    """
    import audformat

    check_table(table, ["start", "end"])
    check_parameter(name, "name", str, None)
    corpus = table.attrs.get("corpus") or "corpus"
    db = audformat.Database(name or corpus.lower(), usage=audformat.define.Usage.OTHER)
    root = os.path.join(table.attrs.get("root") or "", "")
    files = [file.removeprefix(root).replace(os.sep, "/") for file in table.index]
    if table[["start", "end"]].notna().any(axis=None):
        start = pd.to_timedelta(table["start"].fillna(0), unit="s")
        end = pd.to_timedelta(table["end"], unit="s")
        index = audformat.segmented_index(files, start, end)
    else:
        index = audformat.filewise_index(files)
    db["emotion"] = audformat.Table(index)
    for column in table:
        values = table[column]
        if column in ("start", "end") or not values.notna().any():
            continue
        if column in ("emotion", "speaker", "gender", "session"):
            labels = sorted(map(str, values.dropna().unique()))
            db.schemes[column] = audformat.Scheme(labels=labels)
        else:
            is_number = column not in TEXTS and pd.api.types.is_numeric_dtype(values)
            db.schemes[column] = audformat.Scheme("float" if is_number else "str")
        db["emotion"][column] = audformat.Column(scheme_id=column)
        db["emotion"][column].set(values.to_numpy())
    return db


def load(
    name: str,
    version: str | None = None,
    *,
    emotion: str = "emotion",
    tables: str | list[str] | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Load a public database with audb.

    The recordings are downloaded once and stored in the cache of audb.

    Parameters
    ----------
    name : str
        Name of the database, such as "emodb".

    version : str, default=None
        Its version; the latest if None. State it when you publish results.

    emotion, tables : as in :func:`from_audformat`

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        As :func:`from_audformat` returns it.

    Raises
    ------
    ImportError
        If audb is not installed.
    """
    try:
        import audb
    except ImportError as error:
        raise ImportError(
            "`load` needs audb; `pip install 'advser[corpora]'`."
        ) from error
    check_parameter(name, "name", str)
    check_parameter(version, "version", str, None)
    db = audb.load(name, version=version, verbose=bool(verbose))
    return from_audformat(db, emotion=emotion, tables=tables)
