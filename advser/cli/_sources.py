"""The recordings that the commands read: the bundled corpus, or the user's own."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count

from .. import corpora
from ..audio._extraction import (
    NO_FAILURES,
    SEGMENT,
    extract_part,
    has_features,
    read_features,
)
from ..audio._features import EGeMAPS
from ..datasets import load_emodb
from ..exceptions import CorpusWarning
from ._parser import Parser

__all__ = [
    "READERS",
    "SOURCES",
    "Recordings",
    "add_source_options",
    "load_recordings",
    "positive",
    "print_failures",
    "read_source",
    "usage_errors",
]

READERS: dict[str, Callable] = {
    "cmu-mosei": corpora.read_cmu_mosei,
    "cremad": corpora.read_cremad,
    "emodb": corpora.read_emodb,
    "iemocap": corpora.read_iemocap,
    "iemocap-4": partial(corpora.read_iemocap, four_classes=True),
    "msp-improv": corpora.read_msp_improv,
    "ravdess": corpora.read_ravdess,
    "urdu": corpora.read_urdu,
}
SOURCES = f"""\
sources:
  labels.csv, labels.parquet
      table with the column file, relative to the folder of the table or to --wavs,
      and as far as known emotion, speaker, gender, start, end (seconds) and others
  a folder, with --corpus
      corpus as it was distributed:
      {", ".join(READERS)}
      (iemocap-4: anger, happiness with excitement, neutral, sadness)
"""


@dataclass(frozen=True, eq=False)
class Recordings:
    """Features and labels of a corpus.

    Attributes
    ----------
    name : str
        Name of the corpus.

    X : DataFrame of shape (n_samples, 88)
        eGeMAPS functionals, indexed by file.

    y : ndarray of shape (n_samples,), or DataFrame of shape (n_samples, n_targets)
        Emotion of each row, or its ratings, NaN for a missing one.

    speakers : ndarray of shape (n_samples,)
        Speaker of each row.

    failures : DataFrame
        Files left out since they cannot be used: `file`, `error` and `reason`.

    n_others : int
        Number of recordings left out for their labels: an unknown speaker or label, or
        an emotion that is not wanted.

    sessions : ndarray of shape (n_samples,) or None
        Session of each row, if sessions are left out instead of speakers.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray | pd.DataFrame
    speakers: np.ndarray
    failures: pd.DataFrame
    n_others: int = 0
    sessions: np.ndarray | None = None


def positive(text: str) -> int:
    """Return a positive int; otherwise argparse reports the error."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def add_source_options(parser: Parser) -> None:
    """Add the options that describe the source and how to read it."""
    parser.add_argument(
        "--corpus", metavar="NAME", choices=READERS, help="corpus in the folder SOURCE"
    )
    parser.add_argument("--wavs", metavar="DIR", help="folder of the files of a table")
    parser.add_argument(
        "--n-jobs",
        type=positive,
        metavar="N",
        default=min(8, cpu_count()),
        help="number of processes (default: one per core, up to 8)",
    )


@contextmanager
def usage_errors(parser: Parser) -> Iterator[None]:
    """End with a message for errors of the input; print its warnings as lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusWarning)
        try:
            yield
        except (ImportError, OSError, ValueError) as error:
            parser.fail(str(error).partition("\n")[0])
    for warning in caught:
        print(warning.message, file=sys.stderr)


def print_failures(failures: pd.DataFrame) -> None:
    """Print which recordings were left out, and why."""
    for file, reason in zip(failures["file"], failures["reason"]):
        print(f"left out: {file} {reason}", file=sys.stderr)


def read_source(
    source: str | os.PathLike,
    *,
    corpus: str | None = None,
    wavs: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Read the table of recordings that a command names.

    Parameters
    ----------
    source : str or path-like
        A table of labels (CSV or Parquet), or a folder.

    corpus : str, default=None
        Key of `READERS`: the corpus in the folder. If None, all audio files of a folder
        are read, without labels.

    wavs : str or path-like, default=None
        Folder of the files of a table; that of the table if None.

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
    source: str | os.PathLike | None = None,
    *,
    corpus: str | None = None,
    wavs: str | os.PathLike | None = None,
    emotions: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    by_session: bool = False,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Recordings:
    """Load the bundled corpus, or the features of labelled recordings.

    Parameters
    ----------
    source : str or path-like, default=None
        Table of features, or what :func:`read_source` reads, of which the features are
        extracted; the bundled EmoDB if None.

    corpus, wavs : str or path-like, default=None
        See :func:`read_source`.

    emotions : list of str, default=None
        Those to keep; all if None.

    targets : list of str, default=None
        Columns of ratings to predict instead of the emotion.

    by_session : bool, default=False
        Whether sessions are left out instead of speakers.

    n_jobs : int, default=None
        Number of files to extract in parallel.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    recordings : Recordings
        Without the files that cannot be used, which are its `failures`, and without
        rows of an unknown speaker, of an emotion that is unknown or not wanted, or
        without any of the ratings.

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
    labels = ["emotion"] if targets is None else list(targets)
    others = ["speaker", "session"] if by_session else ["speaker"]
    for column in [*labels, *others]:
        if column not in table or table[column].isna().all():
            raise ValueError(
                f"{source} has no {column}; a comparison needs the {column} of each "
                "recording."
            )
    wanted = table[labels].notna().any(axis=1) & table[others].notna().all(axis=1)
    if emotions is not None:
        unknown = sorted(set(emotions) - set(table["emotion"]))
        if unknown:
            raise ValueError(
                f"`emotions` has {unknown}, which {source} has not; it has "
                f"{sorted(table['emotion'].dropna().unique())}."
            )
        wanted &= table["emotion"].isin(emotions)
    wanted = wanted.to_numpy()
    table = table[wanted]
    needed = {"by_emotion": targets is None, "by_session": by_session}
    check_enough(table, source, **needed)
    failures = NO_FAILURES
    if X is not None:
        X = X[wanted]
    else:
        extractor = EGeMAPS(n_jobs=n_jobs, verbose=verbose, on_error="nan")
        X, failures = extract_part(extractor, table.reset_index()[SEGMENT])
        failures["file"] = names_of(table.iloc[failures.index])
        table = table.iloc[X.index]
        X = X.drop(columns=SEGMENT)
        check_enough(table, source, len(failures), **needed)

    def as_objects(column):
        return table[column].to_numpy(dtype=object)

    return Recordings(
        name=table.attrs["corpus"] or Path(source).stem,
        X=X.set_axis(pd.Index(names_of(table), name="file")),
        y=as_objects("emotion") if targets is None else table[labels].astype(float),
        speakers=as_objects("speaker"),
        failures=failures,
        n_others=int((~wanted).sum()),
        sessions=as_objects("session") if by_session else None,
    )


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


def check_enough(table, source, n_failures=0, *, by_emotion, by_session):
    """Raise unless each speaker or session can be left out, and the rest trained on."""
    dropped = f" after {n_failures} unusable files are dropped" if n_failures else ""
    for column, least in [("speaker", 3), *[("emotion", 2)] * by_emotion]:
        names = sorted(table[column].unique())
        if len(names) < least:
            raise ValueError(
                f"{source} has {len(names)} {column}s{dropped}, {names}; leaving one "
                f"speaker out at a time needs at least {least}."
            )
    if by_emotion:
        speakers = table.groupby("emotion")["speaker"].unique()
        for emotion, (speaker, *others) in speakers.items():
            if not others:
                raise ValueError(
                    f"{source} has the emotion {emotion!r} from speaker {speaker!r} "
                    f"alone{dropped}, so no speaker is left to train it on; remove it "
                    "or merge it with another."
                )
    if by_session:
        for session, rows in table.groupby("session"):
            others = set(table["speaker"]) - set(rows["speaker"])
            if len(others) < 2:
                raise ValueError(
                    f"{source} has {len(others)} speakers who are not in session "
                    f"{session!r}{dropped}; leaving it out with all of its speakers "
                    "needs at least 2 others to train on. Leave speakers out instead."
                )
