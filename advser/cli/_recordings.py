"""Labelled recordings for a comparison: the bundled corpus, or the user's own."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from .. import corpora
from ..audio._extraction import NO_FAILURES, extract_part, has_features, read_features
from ..audio._features import SEGMENT, EGeMAPS
from ..datasets import load_emodb

__all__ = ["READERS", "Recordings", "load_recordings", "read_source"]

READERS = {
    "cmu-mosei": corpora.read_cmu_mosei,
    "cremad": corpora.read_cremad,
    "emodb": corpora.read_emodb,
    "iemocap": corpora.read_iemocap,
    "iemocap-4": partial(corpora.read_iemocap, four_classes=True),
    "msp-improv": corpora.read_msp_improv,
    "ravdess": corpora.read_ravdess,
    "urdu": corpora.read_urdu,
}


@dataclass(frozen=True, eq=False)
class Recordings:
    """Features and labels of a corpus.

    Attributes
    ----------
    name : str
        What to call it.

    X : DataFrame of shape (n_samples, 88)
        eGeMAPS functionals, indexed by file.

    y : ndarray of shape (n_samples,), or DataFrame of shape (n_samples, n_targets)
        Emotion of each row, or its ratings, NaN for a missing one.

    speakers : ndarray of shape (n_samples,)
        Speaker of each row.

    failures : DataFrame
        The files that were left out: `file`, `error` and `reason`.

    n_others : int
        Number of recordings that were left out for their emotion or speaker: unknown,
        or an emotion that was not asked for.

    sessions : ndarray of shape (n_samples,) or None
        Session of each row, where sessions are left out instead of speakers.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray | pd.DataFrame
    speakers: np.ndarray
    failures: pd.DataFrame
    n_others: int = 0
    sessions: np.ndarray | None = None


def read_source(source, *, corpus=None, wavs=None):
    """Read the table of recordings that a command names.

    Parameters
    ----------
    source : str or path-like
        A table of labels (CSV or Parquet), or a folder.

    corpus : str, default=None
        Key of `READERS`: which corpus the folder holds. If None, all audio files of a
        folder are read, without labels.

    wavs : str or path-like, default=None
        Folder that the files of a table are relative to; that of the table if None.

    Returns
    -------
    table : DataFrame, indexed by file
    """
    if corpus is None and not Path(source).is_dir():
        return corpora.read_table(source, wavs)
    if wavs is not None:
        raise ValueError(
            f"`wavs` is the folder of the files of a table, and {source} is no table; "
            "leave it out."
        )
    return corpora.read_filenames(source) if corpus is None else READERS[corpus](source)


def load_recordings(
    source=None,
    *,
    corpus=None,
    wavs=None,
    emotions=None,
    targets=None,
    by_session=False,
    n_jobs=None,
    verbose=0,
):
    """Load the bundled corpus, or the features of labelled recordings.

    Parameters
    ----------
    source : str or path-like, default=None
        Features that were extracted before, or what :func:`read_source` reads, whose
        features are extracted; the bundled EmoDB if None.

    corpus, wavs : str or path-like, default=None
        See :func:`read_source`.

    emotions : list of str, default=None
        Those to keep; all if None.

    targets : list of str, default=None
        Columns of ratings to take for `y`, instead of the emotion.

    by_session : bool, default=False
        Whether sessions are to be left out instead of speakers.

    n_jobs : int, default=None
        Number of files worked on at once.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    recordings : Recordings
        Without the files that cannot be used, which are its `failures`, and without
        those of unknown speaker, and of an emotion that is unknown or not wanted; with
        `targets`, without those that have no rating.

    Raises
    ------
    ValueError
        If the source cannot be read, or lacks one of the `emotions`; if fewer than
        three speakers or two emotions are left, or an emotion of a single speaker.

    FileNotFoundError
        If the source, or all of its files, are missing.
    """
    X = None
    if source is None:
        source = "EmoDB"
        X, table = read_bundled()
    elif corpus is None and has_features(source):
        X, table = read_features(source)
    else:
        table = read_source(source, corpus=corpus, wavs=wavs)
    if targets is None:
        wanted = rows_with_emotion(table, source, emotions)
        check = check_labels_suffice
    else:
        wanted = rows_with_ratings(table, source, targets)
        check = check_speakers_suffice
    if by_session:
        require_columns(table, source, ["session"])
        wanted &= table["session"].notna()
    wanted = (wanted & table["speaker"].notna()).to_numpy()
    n_others = int(len(table) - wanted.sum())
    table = table[wanted]
    check(table, source)
    if by_session:
        check_sessions_suffice(table, source)
    failures = NO_FAILURES
    if X is not None:
        X = X[wanted]
    else:
        extractor = EGeMAPS(n_jobs=n_jobs, verbose=verbose, on_error="nan")
        rows = table.reset_index()[SEGMENT]
        X, failures = extract_part(extractor, rows)
        failures["file"] = names_of(table.iloc[failures.index])
        table = table.iloc[X.index]
        X = X.drop(columns=SEGMENT)
        check(table, source, n_failures=len(failures))
    return Recordings(
        name=table.attrs["corpus"] or Path(source).stem,
        X=X.set_axis(pd.Index(names_of(table), name="file")),
        y=(
            table["emotion"].to_numpy(dtype=object)
            if targets is None
            else table[targets].astype(float)
        ),
        speakers=table["speaker"].to_numpy(dtype=object),
        failures=failures,
        n_others=n_others,
        sessions=table["session"].to_numpy(dtype=object) if by_session else None,
    )


def require_columns(table, source, columns):
    """Raise unless a table has something in each of the columns."""
    for column in columns:
        if column not in table or table[column].isna().all():
            raise ValueError(
                f"{source} names no {column}; a comparison takes the {column} of each "
                "recording."
            )


def rows_with_emotion(table, source, emotions):
    """Return which rows have a known emotion, one of those asked for if any are."""
    require_columns(table, source, ["emotion", "speaker"])
    strange = sorted(set(emotions or []) - set(table["emotion"]))
    if strange:
        raise ValueError(
            f"`emotions` has {strange}, which {source} has not; it has "
            f"{sorted(table['emotion'].dropna().unique())}."
        )
    return table["emotion"].isin(emotions or table["emotion"].dropna())


def rows_with_ratings(table, source, targets):
    """Return which rows have a rating of one of the targets."""
    require_columns(table, source, [*targets, "speaker"])
    return table[targets].notna().any(axis=1)


def read_bundled():
    """Return the features and the labels of the corpus in the package."""
    data = load_emodb(as_frame=True)
    labels = data.frame.set_index("file")[["emotion", "speaker"]]
    labels = labels.assign(start=np.nan, end=np.nan)
    labels.attrs = {"corpus": "EmoDB", "root": None}
    return data.data.set_axis(labels.index, axis=0), labels


def names_of(table):
    """Return the files of a table, relative to its root, with the times of segments."""
    prefix = os.path.join(table.attrs["root"] or "", "")
    names = [file.removeprefix(prefix) for file in table.index]
    if table[["start", "end"]].notna().any(axis=None):
        times = zip(names, table["start"], table["end"])
        names = [f"{name} {start:g}-{end:g}" for name, start, end in times]
    return names


def check_speakers_suffice(table, source, n_failures=0, columns=(("speaker", 3),)):
    """Raise unless there are enough names in some columns."""
    dropped = f" once {n_failures} unusable files are dropped" if n_failures else ""
    for column, least in columns:
        names = sorted(table[column].unique())
        if len(names) < least:
            raise ValueError(
                f"{source} has {len(names)} {column}s{dropped}, {names}; leaving one "
                f"speaker out at a time takes {least} at least."
            )


def check_sessions_suffice(table, source):
    """Raise unless each session can be left out, with the speakers that are in it."""
    for session, rows in table.groupby("session"):
        others = set(table["speaker"]) - set(rows["speaker"])
        if len(others) < 2:
            raise ValueError(
                f"{source} has {len(others)} speakers who are not in session "
                f"{session!r}, and leaving it out with all who are in it takes 2 at "
                "least to learn from; leave speakers out instead."
            )


def check_labels_suffice(table, source, n_failures=0):
    """Raise unless every speaker can be left out with something to learn left."""
    columns = (("speaker", 3), ("emotion", 2))
    check_speakers_suffice(table, source, n_failures, columns)
    dropped = f" once {n_failures} unusable files are dropped" if n_failures else ""
    n_speakers = table.groupby("emotion")["speaker"].nunique()
    for emotion in n_speakers.index[n_speakers == 1]:
        speaker = table["speaker"][table["emotion"] == emotion].iloc[0]
        raise ValueError(
            f"{source} has the emotion {emotion!r} from speaker {speaker!r} "
            f"alone{dropped}, so that nobody is left to learn it from; remove it or "
            "merge it with another."
        )
