"""MELD: dialogues of the television series Friends, with labels by three raters."""

import os
import re

import pandas as pd

from ._generic import translate
from ._table import AUDIO, Copy, stem

_PARTITIONS = ("train", "dev", "test")
_COLUMNS = {
    "Utterance": "text",
    "Speaker": "speaker",
    "Emotion": "emotion",
    "Dialogue_ID": "dialogue",
    "Utterance_ID": "utterance",
    "Sentiment": "sentiment",
    "Season": "season",
    "Episode": "episode",
}
# train_splits/dia0_utt3.wav, output_repeated_splits_test/dia0_utt3.wav
_FILE = re.compile(
    r"(?:.*[/_-])?(train|dev|val|test)[a-z]*[/_-](?:.*[/_-])?(dia\d+_utt\d+)\.\w+$",
    re.IGNORECASE,
)
_GENDERS = {
    **dict.fromkeys(["Monica", "Phoebe", "Rachel"], "female"),
    **dict.fromkeys(["Chandler", "Joey", "Ross"], "male"),
}
_SEVERAL = r"(?i)^(?:all|both|everyone|guys|girls|others)$|\band\b|[/&,]"
# The tables have characters of the code page of Windows as if they were Latin-1.
_CHARACTERS = {
    code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)
}


def read_meld(root: str | os.PathLike) -> pd.DataFrame:
    """Read MELD, dialogues of the television series Friends.

    Parameters
    ----------
    root : str or path-like
        Folder with the tables of labels and the sound, or one above it.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per utterance. `emotion` is the choice of most raters. `speaker` is the
        name of the role, missing if several speak at once; `gender` is that of the six
        main roles. The column `partition` is the official split, "train", "dev" or
        "test"; others are `dialogue`, `utterance`, `sentiment`, `season` and `episode`.

    Raises
    ------
    FileNotFoundError
        If `root` has no recording with a label, or none of the tables of labels.

    Notes
    -----
    The corpus [1]_ consists of videos. Extract their sound first, to one file each,
    for instance with ``ffmpeg -i dia0_utt0.mp4 dia0_utt0.wav``. The layout, at any
    depth below `root`::

        train_sent_emo.csv
        train_splits/dia0_utt0.wav

    and the same for ``dev`` and ``test``. The same names occur in each of them, so a
    folder must name the split: ``train``, ``train_splits``, ``dev_splits_complete``,
    ``output_repeated_splits_test``.

    Names of small roles, such as "Woman", may be those of several people.
    ``table[table["gender"].notna()]`` keeps the main roles.

    References
    ----------
    .. [1] S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea, "MELD:
       A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations", ACL
       2019.
    """
    copy = Copy(root, "MELD")
    files = copy.list_files({*AUDIO, ".csv"})
    names = {file.split("/")[-1].lower() for file in files}
    present = [part for part in _PARTITIONS if f"{part}_sent_emo.csv" in names]
    tables = []
    for part in present or ["train"]:
        remedy = "pass the folder with the tables of labels of MELD and the sound"
        table = copy.read_labels(files, f"{part}_sent_emo.csv", _COLUMNS, remedy)
        tables.append(table[list(_COLUMNS)].assign(partition=part))
    rows = pd.concat(tables, ignore_index=True).rename(columns=_COLUMNS)
    names = "dia" + rows["dialogue"] + "_utt" + rows["utterance"]
    rows["id"] = rows["partition"] + "/" + names
    rows["text"] = rows["text"].str.translate(_CHARACTERS)
    rows["gender"] = rows["speaker"].map(_GENDERS)
    several = rows["speaker"].str.contains(_SEVERAL, na=False)
    rows.loc[several, "speaker"] = None
    audio = [file for file in files if not file.lower().endswith(".csv")]
    rows = copy.locate(rows, audio, name_of)
    return copy.table(translate(copy, rows, {}))


def name_of(file):
    """Return the split and the name of a file, such as train/dia0_utt3."""
    if match := _FILE.match(file):
        part, name = match[1].lower(), match[2]
        return f"{'dev' if part == 'val' else part}/{name}"
    return stem(file)
