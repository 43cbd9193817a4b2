"""The recordings that the commands read: the bundled corpus, or the user's own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pandas as pd
from joblib import cpu_count

from .. import corpora
from .._validation._paths import printable
from ..audio._extraction import has_features
from ..audio._features import PITCH, EGeMAPS
from ..corpora._table import OTHER_SOUND, Copy, harmonize, is_missing, numbers_in
from ..datasets import load_emodb
from ._parser import Parser, counted, print_note
from ._tables import (
    TABLES,
    check_file_column,
    names_in,
    open_columns,
    read_extracted,
    read_features_of_table,
    read_labels,
    select,
    warn_of_channels,
    warn_of_codes,
    warn_of_split,
    warn_of_unused,
    with_features,
)

READERS: dict[str, Callable] = {
    "cmu-mosei": corpora.read_cmu_mosei,
    "cremad": corpora.read_cremad,
    "emodb": corpora.read_emodb,
    "iemocap": corpora.read_iemocap,
    "iemocap-4": partial(corpora.read_iemocap, four_classes=True),
    "meld": corpora.read_meld,
    "msp-improv": corpora.read_msp_improv,
    "msp-podcast": corpora.read_msp_podcast,
    "ravdess": corpora.read_ravdess,
    "urdu": corpora.read_urdu,
}
LABELS = """\
sources:
  labels.csv, labels.parquet
      table with the columns file (relative to the folder of the table or to --wavs),
      emotion and speaker (train and benchmark leave out rows without one of them),
      and, if known, gender, start, end (seconds) and others
"""
FEATURES = """\
  features.parquet
      output of advser extract
  table.csv, table.parquet, table.npz, with --features
      features of any origin in columns of numbers or vectors, and labels as above;
      the column file is not needed
"""
FOLDERS = f"""\
  a folder, with --corpus
      corpus as it was distributed:
      {", ".join([*READERS][:6])},
      {", ".join([*READERS][6:])}
      (iemocap-4: anger, happiness with excitement, neutral, sadness)
  a folder, with --pattern
      corpus whose file names contain the labels; the pattern is a regular expression
      with a group for each column, such as '(?P<speaker>\\d+)_(?P<emotion>[a-z]+)'
"""
SOURCES = LABELS + FEATURES + FOLDERS
# Parameters of `load_recordings` that are options of the commands.
OPTIONS = ["source", "corpus", "wavs", "emotions", "targets", "n_jobs"]
OPTIONS += ["features", "feature_set"]
MOST_EMOTIONS, MOST_WORDS = 12, 3  # to print: of all, and for one emotion


@dataclass(frozen=True, eq=False)
class Recordings:
    """Features and labels of a corpus.

    Attributes
    ----------
    name : str
        Name of the corpus.

    X : DataFrame of shape (n_samples, n_features)
        Features, indexed by the names of the recordings.

    y : ndarray of shape (n_samples,), or DataFrame of shape (n_samples, n_targets)
        Emotion of each row, or its ratings, NaN for a missing one.

    speakers : ndarray of shape (n_samples,)
        Speaker of each row.

    failures : DataFrame
        Files left out since they cannot be used: `file`, `start`, `end`, `error` and
        `reason`.

    n_others : int
        Number of recordings left out for their labels: an unknown speaker or label, or
        an emotion that is not wanted.

    sessions : ndarray of shape (n_samples,) or None
        Session of each row, if sessions are left out instead of speakers.

    recipe : dict or None
        How the features were extracted, see `EGeMAPS.recipe`; None if unknown.

    labels : ndarray of shape (n_samples,) or None
        The words for the emotions in the source.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray | pd.DataFrame
    speakers: np.ndarray
    failures: pd.DataFrame
    n_others: int = 0
    sessions: np.ndarray | None = None
    recipe: dict | None = None
    labels: np.ndarray | None = None


def positive(text: str, least: int = 1) -> int:
    """Return an int that is positive; otherwise argparse reports the error."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if number < least:
        wrong = "is not positive" if least == 1 else f"is less than {least}"
        raise argparse.ArgumentTypeError(f"{number} {wrong}")
    return number


def add_source_options(parser: Parser) -> None:
    """Add the options that describe the source and how to read it."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--corpus", metavar="NAME", choices=READERS, help="corpus in the folder SOURCE")
    add(
        "--pattern",
        metavar="REGEX",
        dest="corpus",
        type=lambda text: partial(corpora.read_filenames, pattern=text),
        help="pattern of the file names in the folder SOURCE",
    )
    parser.add_argument("--wavs", metavar="DIR", help="folder of the files of a table")
    parser.add_argument(
        "--feature-set", choices=PITCH, help="features to extract (default: eGeMAPSv02)"
    )
    add_jobs_option(parser)


def add_jobs_option(parser: Parser) -> None:
    """Add the option that sets the number of processes."""
    parser.add_argument(
        "--n-jobs",
        type=positive,
        metavar="N",
        default=min(8, cpu_count()),
        help="number of processes (default: one per core, up to 8)",
    )


def add_label_options(parser: Parser) -> None:
    """Add the options that say what to predict, from what."""
    add = parser.add_argument
    add(
        "--features",
        metavar="COLUMNS",
        help="numeric columns of the table to use as features, by name, prefix or "
        'pattern, such as emb_, f1,f2 or "[0-9]*" (default: extract features from the '
        "files)",
    )
    emotions = "emotions to classify (default: all)"
    nfc = partial(normalize, "NFC")
    add("--emotions", nargs="+", type=nfc, metavar="EMOTION", help=emotions)
    add(
        "--target",
        dest="targets",
        type=lambda text: list(dict.fromkeys(names_in(text))),
        metavar="COLUMN[,COLUMN...]",
        help="predict these ratings, such as arousal,valence,dominance",
    )


def print_failures(failures: pd.DataFrame) -> None:
    """Print which recordings were left out, and why."""
    for row in failures.itertuples():
        times = "" if pd.isna(row.start) else f" {row.start:g}-{row.end:g}"
        print_note(f"left out: {printable(row.file)}{times} {row.reason}")


def print_left_out(recordings: Recordings) -> None:
    """Print which recordings of a corpus were left out, and why."""
    print_failures(recordings.failures)
    if recordings.n_others:
        is_rated = isinstance(recordings.y, pd.DataFrame)
        label = "a rating" if is_rated else "an emotion (or with one not in --emotions)"
        group = "a speaker" if recordings.sessions is None else "a speaker or session"
        print_note(
            f"left out: {counted(recordings.n_others, 'recording')} without {label}, "
            f"or without {group}"
        )


def read_source(
    source: str | os.PathLike,
    *,
    corpus: str | Callable | None = None,
    wavs: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Read the table of recordings that a command names.

    Parameters
    ----------
    source : str or path-like
        A table of labels (CSV or Parquet), or a folder.

    corpus : str or callable, default=None
        Key of `READERS`, or a function that reads the corpus in the folder. If None,
        all audio files of a folder are read, without labels.

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
            f"`--wavs` is the folder of the files of a table, and {source} is none; "
            "leave it out."
        )
    read = READERS[corpus] if isinstance(corpus, str) else corpus
    return (read or list_folder)(source)


def list_folder(folder: str | os.PathLike) -> pd.DataFrame:
    """Return the table of the audio files in a folder and below, without labels."""
    try:
        return corpora.read_filenames(folder)
    except FileNotFoundError:
        copy = Copy(folder)
        if copy.list_files() or copy.problems:
            raise
        hint = ""
        if others := copy.list_files(OTHER_SOUND):
            hint = (
                f"; it has {counted(len(others), 'file')} such as {others[0]}: convert "
                "them to WAV, for instance with ffmpeg"
            )
        raise FileNotFoundError(f"{folder} holds no audio files{hint}.") from None


def refuse_wavs(wavs: str | os.PathLike | None, source: str | os.PathLike) -> None:
    """Raise a ValueError for a folder of recordings beside a table of features."""
    if wavs is not None:
        raise ValueError(
            f"`--wavs` is the folder of recordings, and {source} has their features; "
            "leave it out."
        )


def recordings_of(options: argparse.Namespace, **others: Any) -> Recordings:
    """Load what the options of a command describe, and print what it has."""
    given = {name: getattr(options, name) for name in OPTIONS}
    recordings = load_recordings(**given, verbose=1, **others)
    print_left_out(recordings)
    if options.features is not None:
        names = list(recordings.X)
        shown = ", ".join(names) if len(names) < 4 else f"{names[0]} ... {names[-1]}"
        print_note(f"features: {counted(len(names), 'column')}, {shown}")
    if options.targets is None:
        print_note(f"emotions: {emotion_counts(recordings)}")
    return recordings


def emotion_counts(recordings: Recordings) -> str:
    """Return the number of rows of each emotion, and other words for it."""
    emotions = pd.Series(recordings.y, dtype=object)
    labels = emotions if recordings.labels is None else pd.Series(recordings.labels)
    parts = []
    for emotion, number in emotions.value_counts()[:MOST_EMOTIONS].items():
        words = {str(word).strip() for word in labels[emotions == emotion].dropna()}
        words = sorted(w for w in words if w.casefold() != emotion.casefold())
        shown = ", ".join([*words[:MOST_WORDS], *["..."] * (len(words) > MOST_WORDS)])
        parts.append(f"{emotion} {number:,}" + f" ({shown})" * bool(words))
    return ", ".join(parts) + ", ..." * (emotions.nunique() > MOST_EMOTIONS)


def load_recordings(
    source: str | os.PathLike | None = None,
    *,
    corpus: str | Callable | None = None,
    wavs: str | os.PathLike | None = None,
    emotions: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    by_session: bool = False,
    features: str | None = None,
    feature_set: str | None = None,
    compares: bool = True,
    n_jobs: int | None = None,
    memory: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Recordings:
    """Load the bundled corpus, or the features of labelled recordings.

    Parameters
    ----------
    source : str or path-like, default=None
        Table of features, or what :func:`read_source` reads, of which the features are
        extracted; the bundled EmoDB if None.

    corpus : str or callable, default=None
        See :func:`read_source`.

    wavs : str or path-like, default=None
        See :func:`read_source`.

    emotions : list of str, default=None
        Those to keep, in any usual spelling; all if None.

    targets : list of str, default=None
        Columns of ratings to predict instead of the emotion.

    by_session : bool, default=False
        Whether sessions are left out instead of speakers.

    features : str, default=None
        Names, prefixes or patterns of columns with features, separated by commas; None
        to extract them.

    feature_set : str, default=None
        Set to extract, see :class:`~advser.EGeMAPS`; None for its default.

    compares : bool, default=True
        Whether a speaker is left out at a time. Otherwise two speakers suffice.

    n_jobs : int, default=None
        Number of files to extract in parallel.

    memory : path-like, default=None
        Folder for the features of each file, from which an interrupted extraction goes
        on.

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
    extractor = EGeMAPS(n_jobs=n_jobs, memory=memory, verbose=verbose, on_error="nan")
    if feature_set is not None:
        extractor.set_params(feature_set=feature_set)
    X, recipe, used = None, extractor.recipe, targets or []
    if source is None:
        source = "EmoDB"
        X, table = read_bundled()
    elif features is not None:
        if corpus is not None or wavs is not None or Path(source).is_dir():
            raise ValueError(
                "`--features` names columns of a table, and takes neither a folder nor "
                "`--corpus` and `--wavs`; leave them out."
            )
        rows = open_columns(source)
        names = select(rows, features, source, used)
        X, table = read_features_of_table(rows, names, source)
        warn_of_codes(X, table["emotion"])
        warn_of_unused(table, source, used)
        recipe = {"feature_set": f"those that `--features` names, {features}"}
    elif corpus is None and has_features(source):
        refuse_wavs(wavs, source)
        X, table = read_extracted(source)
        recipe = X.attrs["features"]
        warn_of_unused(table, source, used)
    elif corpus is None and not Path(source).is_dir():
        rows = open_columns(source)
        warn_of_unused(rows, source, used)
        otherwise = "name the columns of a table of features by `--features`"
        check_file_column(rows, source, otherwise)
        warn_of_channels(rows, source)
        table = read_labels(rows, source, wavs)
    else:
        table = read_source(source, corpus=corpus, wavs=wavs)
        if corpus is None:
            raise ValueError(unlabelled(source))
    if feature_set not in (None, recipe["feature_set"]):
        raise ValueError(
            f"`--feature-set` is {feature_set}, and the features in {source} are "
            f"{recipe['feature_set']}; leave it out, or pass recordings."
        )
    labels = ["emotion"] if targets is None else list(targets)
    others = ["speaker", "session"] if by_session else ["speaker"]
    purpose = "a comparison" if compares else "training"
    for column in [*labels, *others]:
        if column not in table or is_missing(table[column]).all():
            is_renamed = column == "emotion" and not is_missing(table["label"]).all()
            hint = " Rename its column label to emotion." if is_renamed else ""
            if targets is not None:
                hint = f" Its columns are {', '.join(map(str, table.columns[:20]))}."
            raise ValueError(
                f"{source} has no {column!r}; {purpose} needs it for each recording."
                f"{hint}"
            )
    warn_of_split(table, source)
    wanted = ~table[labels].apply(is_missing).all(axis=1)
    wanted &= table[others].notna().all(axis=1)
    if emotions is not None:
        words = dict(zip(emotions, harmonize(pd.Series([*emotions], dtype=object))))
        known = set(table["emotion"])
        unknown = sorted(name for name, word in words.items() if word not in known)
        if unknown:
            raise ValueError(
                f"`--emotions` has {unknown}, which {source} does not have; it has "
                f"{sorted(table['emotion'].dropna().unique())}."
            )
        wanted &= table["emotion"].isin(set(words.values()))
    wanted = wanted.to_numpy()
    table = table[wanted]
    needed = {
        "by_emotion": targets is None,
        "by_session": by_session,
        "compares": compares,
    }
    check_enough(table, source, **needed)
    if X is not None:
        X = X[wanted]
        check_known(X, source, is_chosen=features is not None)
    noun = "unusable file" if X is None else "unusable row"
    X, table, failures = with_features(table, X, extractor)
    if len(failures):
        check_enough(table, source, counted(len(failures), noun), **needed)

    def as_objects(column):
        return table[column].to_numpy(dtype=object)

    return Recordings(
        name=table.attrs["corpus"] or Path(source).stem,
        X=X,
        y=as_objects("emotion") if targets is None else ratings(table[labels], source),
        speakers=as_objects("speaker"),
        failures=failures,
        n_others=int((~wanted).sum()),
        sessions=as_objects("session") if by_session else None,
        recipe=recipe if "opensmile" in recipe else None,
        labels=as_objects("label") if "label" in table else None,
    )


def ratings(table, source):
    """Return columns of a table as numbers."""
    found = {}
    for name, values in table.items():
        found[name], wrong = numbers_in(values)
        if wrong.any():
            raise ValueError(
                f"{source} has {values[wrong].iloc[0]!r} in the column {name}, which "
                "is no number, and `--target` names it; correct it or leave it empty."
            )
    return table.assign(**found).astype(float)


def read_bundled():
    """Return the features and the labels of the corpus in the package."""
    data = load_emodb(as_frame=True)
    labels = data.frame.set_index("file")[["emotion", "speaker"]]
    labels = labels.assign(start=np.nan, end=np.nan)
    labels.attrs = {"corpus": "EmoDB", "root": None}
    return data.data.set_axis(labels.index, axis=0), labels


def unlabelled(folder):
    """Return what to pass instead of a folder of recordings."""
    files = Path(folder).iterdir()
    tables = sorted(path.name for path in files if path.suffix.lower() in TABLES)
    found = f" (it has {', '.join(tables)})" if tables else ""
    return (
        f"{folder} is a folder of recordings without labels; pass a table of their "
        f"labels{found}, with --wavs {folder}, or name the corpus in the folder with "
        f"--corpus: {', '.join(READERS)}; or pass the --pattern of its file names."
    )


def check_known(X, source, *, is_chosen):
    """Raise if a feature is known in no row."""
    unknown = X.columns[~np.isfinite(X.to_numpy()).any(axis=0)]
    if len(unknown):
        remedy = "leave it out of `--features`" if is_chosen else "extract it again"
        raise ValueError(
            f"{source} has the feature {unknown[0]}, which is missing or infinite in "
            f"all {counted(len(X), 'row')}; {remedy}."
        )


def check_enough(table, source, unusable="", *, by_emotion, by_session, compares):
    """Raise unless each speaker or session can be left out, and the rest trained on."""
    dropped = f" without {unusable}" if unusable else ""
    purpose = "leaving one speaker out at a time" if compares else "training"
    for column, least in [("speaker", 2 + compares), *[("emotion", 2)] * by_emotion]:
        names = sorted(table[column].unique())
        if len(names) < least:
            raise ValueError(
                f"{source} has {counted(len(names), column)}{dropped}, {names}; "
                f"{purpose} needs at least {least}."
            )
    if by_emotion and compares:
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
                    f"{source} has {counted(len(others), 'speaker')} outside session "
                    f"{session!r}{dropped}; leaving it out with all of its speakers "
                    "needs at least 2 others to train on. Leave speakers out instead."
                )
