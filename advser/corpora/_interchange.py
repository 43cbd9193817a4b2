"""Corpora in audEERING's format: audformat both ways, and public ones through audb."""

import os

import numpy as np
import pandas as pd

from ._generic import translate
from ._table import NUMBERS, TEXTS, Problems, finish

__all__ = ["from_audformat", "load", "to_audformat"]

# The columns of the table, and what databases call them; the first one found counts.
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


def from_audformat(db, *, emotion="emotion", tables=None):
    """Read a database in audformat.

    Parameters
    ----------
    db : audformat.Database
        A database.

    emotion : str, default="emotion"
        The scheme, or the column, that holds the emotions.

    tables : str or list of str, default=None
        Tables to take the emotions from; all if None. Needed where two tables say
        different things of one file, such as single raters and the majority.

    Returns
    -------
    table : DataFrame, indexed by file
        One row per file or segment of these tables. Speakers, genders and so on come
        from the schemes or columns of that name, `gender` also from "sex", `arousal`
        from "activation", and `text` from "transcription" or "transcript". Files that
        are not at hand stay in the table.

    Raises
    ------
    ValueError
        If the database holds no such emotion.

    See Also
    --------
    to_audformat : The other way.
    load : Public databases.
    """
    names = [name for names in _SCHEMES.values() for name in names]
    found = db.get(emotion, names, tables=tables)
    if not len(found):
        raise ValueError(
            f"The database {db.name!r} holds nothing for `emotion={emotion!r}`; it has "
            f"the schemes {list(db.schemes)} and the tables {list(db.tables)}."
        )
    rows = pd.DataFrame({"emotion": texts(found[emotion])})
    rows.insert(0, "file", found.index.get_level_values("file").to_numpy())
    for column in ("start", "end"):
        if column in found.index.names:
            times = found.index.get_level_values(column)
            rows[column] = times.total_seconds()
    for column, names in _SCHEMES.items():
        present = [name for name in names if found[name].notna().any()]
        if present:
            values = found[present[0]]
            rows[column] = (
                values.to_numpy(float, na_value=np.nan)
                if column in NUMBERS
                else texts(values)
            )
    problems = Problems()
    root = db.root or ""
    if rows["file"].map(os.path.isabs).all():
        root = ""
    return finish(translate(rows, {}, problems), root, db.name, problems)


def texts(values):
    """Return values as text, None where they are missing."""
    values = values.astype(object)
    return values.map(str, na_action="ignore").where(values.notna(), None).to_numpy()


def to_audformat(table, name=None):
    """Turn a table into a database in audformat.

    Parameters
    ----------
    table : DataFrame, indexed by file
        What a reader returned.

    name : str, default=None
        Name of the database; that of the corpus if None.

    Returns
    -------
    db : audformat.Database
        With the table "emotion", of files, or of segments if there are any, whose
        columns are those of `table` that hold something, each with a scheme of its
        name. Files are relative to the folder of the corpus if they lie in it. Add
        the licence and the source before you publish it.

    See Also
    --------
    from_audformat : The other way.
    """
    import audformat

    corpus = table.attrs.get("corpus", "corpus")
    db = audformat.Database(name or corpus.lower(), usage=audformat.define.Usage.OTHER)
    root = os.path.join(table.attrs.get("root", ""), "")
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
        is_number = column not in TEXTS and pd.api.types.is_numeric_dtype(values)
        labels = None
        if column in ("emotion", "speaker", "gender", "session"):
            labels = sorted(map(str, values.dropna().unique()))
        db.schemes[column] = audformat.Scheme(
            audformat.define.DataType.FLOAT
            if is_number
            else None
            if labels
            else audformat.define.DataType.STRING,
            labels=labels,
        )
        db["emotion"][column] = audformat.Column(scheme_id=column)
        db["emotion"][column].set(values.to_numpy())
    return db


def load(name, version=None, *, emotion="emotion", tables=None, verbose=0):
    """Load a public database through audb.

    The recordings are downloaded once, and kept in audb's cache.

    Parameters
    ----------
    name : str
        Name of the database, such as "emodb".

    version : str, default=None
        Its version; the latest if None. Name it in what you publish.

    emotion, tables : str
        See :func:`from_audformat`.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    table : DataFrame, indexed by file

    Raises
    ------
    ImportError
        If audb is not installed.
    """
    try:
        import audb
    except ImportError as error:
        raise ImportError(
            "`load` needs audb: python -m pip install 'advser[corpora]'."
        ) from error
    db = audb.load(name, version=version, verbose=bool(verbose))
    return from_audformat(db, emotion=emotion, tables=tables)
