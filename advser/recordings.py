"""Labelled recordings for a comparison: the bundled corpus, or the user's own files."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .datasets import load_emodb
from .features import EGeMAPS

__all__ = ["Recordings", "load_recordings"]

COLUMNS = ["file", "emotion", "speaker"]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Features and labels of a corpus.

    Attributes
    ----------
    name : str
        What to call it.

    X : DataFrame of shape (n_samples, 88)
        eGeMAPS functionals, indexed by file.

    y, speakers : ndarray of shape (n_samples,)
        Emotion and speaker of each row.

    failures : DataFrame
        The files that were left out: `file`, `error` and `reason`.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    speakers: np.ndarray
    failures: pd.DataFrame


def load_recordings(wavs=None, labels=None, *, n_jobs=None, verbose=0):
    """Load the bundled corpus, or extract the features of labelled audio files.

    Parameters
    ----------
    wavs : str or path-like, default=None
        Folder of the audio files; the bundled EmoDB if None.

    labels : str or path-like, default=None
        CSV table of the files to use, with the columns `file` (relative to `wavs`),
        `emotion` and `speaker`; others are ignored.

    n_jobs : int, default=None
        Number of files worked on at once.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    recordings : Recordings
        Without the files that cannot be used, which are its `failures`.

    Raises
    ------
    ValueError
        If the table cannot be read, lacks a column or an entry, or names a file
        twice; if fewer than three speakers or two emotions are left, or an emotion of
        a single speaker.

    FileNotFoundError
        If the table, the folder or one of the files is missing.
    """
    if wavs is None:
        data = load_emodb(as_frame=True)
        return Recordings(
            name="EmoDB",
            X=data.data.set_axis(data.files, axis=0),
            y=data.target.to_numpy(dtype=object),
            speakers=data.speakers.to_numpy(dtype=object),
            failures=pd.DataFrame(columns=["file", "error", "reason"]),
        )
    wavs = Path(wavs)
    table = read_labels(labels, wavs)
    check_labels_suffice(table, labels)
    extractor = EGeMAPS(n_jobs=n_jobs, verbose=verbose, on_error="nan")
    with warnings.catch_warnings():
        # The failures are returned; there is no need to warn of them as well.
        warnings.filterwarnings("ignore", ".*recordings cannot be used")
        features = extractor.transform([str(wavs / file) for file in table["file"]])
    usable = ~np.isnan(features).any(axis=1)
    failures = extractor.failures_[["error", "reason"]]
    failures.insert(0, "file", table["file"][~usable].to_numpy())
    table = table[usable]
    check_labels_suffice(table, labels, n_failures=len(failures))
    return Recordings(
        name=wavs.resolve().name,
        X=pd.DataFrame(
            features[usable],
            index=table["file"],
            columns=extractor.get_feature_names_out(),
        ),
        y=table["emotion"].to_numpy(dtype=object),
        speakers=table["speaker"].to_numpy(dtype=object),
        failures=failures,
    )


def read_labels(labels, wavs):
    """Return the table of files, emotions and speakers, all of them strings."""
    try:
        table = pd.read_csv(
            labels,
            dtype=str,
            keep_default_na=False,  # an emotion may be called "NA", a speaker "null"
            skipinitialspace=True,
            encoding="utf-8-sig",
        )
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeError) as error:
        raise ValueError(
            f"{labels} cannot be read as a CSV table: {error}. It must be UTF-8 text "
            f"with the columns {', '.join(COLUMNS)}."
        ) from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(
            f"{labels} lacks the columns {missing}: it has {list(table.columns)}. Its "
            f"first line must name {','.join(COLUMNS)}, separated by commas."
        )
    table = table[COLUMNS]
    for column in COLUMNS:
        empty = np.flatnonzero(table[column].str.strip() == "")
        if len(empty):
            raise ValueError(
                f"{labels} has {len(empty)} rows without an entry for `{column}`, the "
                f"first in line {empty[0] + 2}; complete or remove them."
            )
    twice = table["file"][table["file"].duplicated()]
    if len(twice):
        raise ValueError(
            f"{labels} names {twice.nunique()} files more than once, such as "
            f"{twice.iloc[0]!r}; keep one row of each."
        )
    if not wavs.is_dir():
        raise FileNotFoundError(
            f"{wavs} is no folder; pass the one of the audio files."
        )
    absent = [file for file in table["file"] if not (wavs / file).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of the {len(table)} files of {labels} are not in {wavs}, "
            f"such as {absent[0]!r}; `file` must be relative to that folder."
        )
    return table


def check_labels_suffice(table, labels, n_failures=0):
    """Raise unless every speaker can be left out with something to learn left."""
    dropped = f" once {n_failures} unusable files are dropped" if n_failures else ""
    for column, least in (("speaker", 3), ("emotion", 2)):
        names = sorted(table[column].unique())
        if len(names) < least:
            raise ValueError(
                f"{labels} has {len(names)} {column}s{dropped}, {names}; leaving one "
                f"speaker out at a time takes {least} at least."
            )
    n_speakers = table.groupby("emotion")["speaker"].nunique()
    for emotion in n_speakers.index[n_speakers == 1]:
        speaker = table["speaker"][table["emotion"] == emotion].iloc[0]
        raise ValueError(
            f"{labels} has the emotion {emotion!r} from speaker {speaker!r} "
            f"alone{dropped}, so that nobody is left to learn it from; remove it or "
            "merge it with another."
        )
