"""What the readers share: the columns, the words for emotions, the checks."""

import os
from collections import defaultdict
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd

from ..exceptions import CorpusWarning

__all__ = ["EMOTIONS", "summary"]

TEXTS = ["emotion", "label", "speaker", "gender", "session", "text"]
NUMBERS = ["arousal", "valence", "dominance", "start", "end"]
COLUMNS = [
    *("emotion", "label", "speaker", "gender", "session"),
    *("arousal", "valence", "dominance", "text", "start", "end"),
]

# Each word of the vocabulary, with the spellings of corpora that it stands for.
SPELLINGS = {
    "anger": ("angry", "ang"),
    "boredom": ("bored",),
    "calm": ("calmness",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted", "dis"),
    "excitement": ("excited", "exc"),
    "fear": ("fearful", "anxiety", "afraid", "fea"),
    "frustration": ("frustrated", "fru"),
    "happiness": ("happy", "joy", "hap"),
    "neutral": ("neu",),
    "sadness": ("sad",),
    "surprise": ("surprised", "sur"),
    "other": ("oth",),
}
EMOTIONS = tuple(SPELLINGS)
WORD_OF = {
    spelling: word
    for word, spellings in SPELLINGS.items()
    for spelling in (word, *spellings)
}
GENDERS = {"f": "female", "m": "male", "female": "female", "male": "male"}

AUDIO = {
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au"),
    *(".snd", ".w64", ".rf64", ".caf", ".sph", ".nist"),
}


class Problems(defaultdict):
    """Lists of what is wrong with a copy of a corpus, by the kind of problem."""

    MISSING = "missing audio files"
    UNREADABLE = "unreadable labels"
    DUPLICATE = "duplicate ids"
    UNLABELED_FILE = "audio files without a label"
    UNLABELED_SPEAKER = "speakers without a label"

    def __init__(self):
        super().__init__(list)

    def unreadable(self, file, line, text):
        """Note a line of a label file, counted from 1, that cannot be read."""
        self[self.UNREADABLE].append(f"{file}, line {line}: {text.strip()!r:.80}")


def check_folder(root):
    """Return the root of a corpus as a Path."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"`root` is {str(root)!r}, which is no folder; pass the one that the "
            "corpus was unpacked to."
        )
    return root


def list_files(root, suffixes=AUDIO):
    """Return the files below a folder in sorted order: their paths relative to it.

    Each folder is listed once. Hidden files, such as those that macOS leaves in
    archives, are left out; folders that are links are followed, but not in circles.
    """
    found, seen, folders = [], set(), [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}{entry.name}"
                if os.path.splitext(entry.name)[1].lower() in suffixes:
                    found.append(path)
                elif entry.is_dir():
                    status = entry.stat()
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        folders.append(f"{path}/")
    return sorted(found)


def stem(path):
    """Return the name of a file without folder and suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def locate(rows, files, problems):
    """Find the audio files of labels: `rows["file"]`, by `rows["id"]`.

    Labels without a file are left out, and noted, as are files without a label.
    """
    file_of = {}
    for file in files:
        if file_of.setdefault(stem(file), file) is not file:
            problems[Problems.DUPLICATE].append(file)
    rows["file"] = rows["id"].map(file_of)
    problems[Problems.MISSING] += list(rows["id"][rows["file"].isna()].unique())
    unlabeled = file_of.keys() - set(rows["id"])
    problems[Problems.UNLABELED_FILE] += sorted(map(file_of.get, unlabeled))
    return rows[rows["file"].notna()]


def harmonize(labels, words=WORD_OF):
    """Return the words of the vocabulary for labels; others stay as they are."""
    return labels.map(
        lambda label: words.get(label.strip().lower(), label), na_action="ignore"
    )


def finish(rows, root, corpus, problems):
    """Return the tidy table of a corpus, and warn of what is wrong with the copy.

    To be called by the public function that its user calls: the warning points there.

    Parameters
    ----------
    rows : DataFrame
        One row per utterance: its `file`, relative to `root`, and what is known of
        it. Columns that the table does not know come last in it.

    root : path-like
        Folder of the corpus.

    corpus : str
        What to call it.

    problems : Problems
        Those that the reader found.

    Returns
    -------
    table : DataFrame, indexed by file
        With the attributes (`attrs`) `corpus`, `root` and `problems`.
    """
    if not len(rows):
        raise FileNotFoundError(
            f"No recording of {corpus} with a label was found in {str(root)!r}. Pass "
            "the folder that holds the corpus as it was distributed."
            + "".join(f" {len(found)} {kind}." for kind, found in problems.items())
        )
    rows = rows.reset_index(drop=True).drop(columns="id", errors="ignore")
    for column in COLUMNS:
        if column not in rows:
            rows[column] = np.nan if column in NUMBERS else None
    rows[NUMBERS] = rows[NUMBERS].astype(float)
    texts = rows[TEXTS].astype(object)
    rows[TEXTS] = texts.where(texts.notna(), None)
    twice = rows.duplicated(["file", "start", "end"])
    problems[Problems.DUPLICATE] += list(rows["file"][twice])
    rows = rows[~twice]
    labels = rows[["emotion", "label", "arousal", "valence"]]
    known = set(rows["speaker"][labels.notna().any(axis=1)])
    if known:
        everyone = set(rows["speaker"].dropna())
        problems[Problems.UNLABELED_SPEAKER] += sorted(everyone - known)
    problems = {kind: found for kind, found in problems.items() if found}
    extra = [name for name in rows if name not in (*COLUMNS, "file")]
    prefix = os.path.join(root, "")
    table = rows[COLUMNS + extra].set_axis(
        pd.Index([os.path.join(prefix, file) for file in rows["file"]], name="file")
    )
    table.attrs = {"corpus": corpus, "root": str(root), "problems": problems}
    if problems:
        warn(
            f"{corpus} in {str(root)!r} has "
            + ", ".join(
                f"{len(found)} {kind} ({found[0]}{', ...' * (len(found) > 1)})"
                for kind, found in problems.items()
            )
            + "; `table.attrs['problems']` lists them all.",
            CorpusWarning,
            stacklevel=3,
        )
    return table


def summary(table):
    """Count the utterances of each speaker and emotion.

    Parameters
    ----------
    table : DataFrame
        What a reader returned: with the columns `speaker` and `emotion`.

    Returns
    -------
    counts : DataFrame
        One row per speaker and one column per emotion, in sorted order; "unknown" for
        missing ones, last; and the "total" of each row and column.

    Examples
    --------
    >>> import pandas as pd
    >>> from advser.corpora import summary
    >>> table = pd.DataFrame(
    ...     {"speaker": ["s1", "s1", "s2"], "emotion": ["anger", None, "anger"]}
    ... )
    >>> summary(table).loc["s1"].to_dict()
    {'anger': 1, 'unknown': 1, 'total': 2}
    >>> summary(table).loc["total"].to_dict()
    {'anger': 2, 'unknown': 1, 'total': 3}
    """
    speaker, emotion = (
        table[name].astype(object).where(table[name].notna(), "unknown")
        for name in ("speaker", "emotion")
    )
    counts = pd.crosstab(speaker.to_numpy(), emotion.to_numpy())
    counts = counts.rename_axis(index="speaker", columns="emotion")
    for axis in (0, 1):
        names = sorted(counts.axes[axis], key=lambda name: (name == "unknown", name))
        counts = counts.reindex(names, axis=axis)
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum()
    return counts
