"""RAVDESS: 24 actors of North America who speak, or sing, two sentences."""

import os

import pandas as pd

from .._validation._parameters import FLAG, check_parameter
from ._generic import parse_names
from ._table import Copy, stem

_NAME = (
    r"(?:^|/)(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>\d\d)-"
    r"(?P<intensity>\d\d)-(?P<text>\d\d)-\d\d-(?P<speaker>\d\d)"
    r"(?:_\w+)?\.\w+$"  # such as 03-01-06-01-02-01-12_16k.wav
)
_FOLDER = r"(?i)Actor_0*(\d+)/[^/]*$"
_MAPPING = {
    "channel": {"01": "speech", "02": "song"},
    "emotion": {
        "01": "neutral",
        "02": "calm",
        "03": "happiness",
        "04": "sadness",
        "05": "anger",
        "06": "fear",
        "07": "disgust",
        "08": "surprise",
    },
    "intensity": {"01": "normal", "02": "strong"},
    "text": {
        "01": "Kids are talking by the door.",
        "02": "Dogs are sitting by the door.",
    },
}


def read_ravdess(root: str | os.PathLike, *, songs: bool = False) -> pd.DataFrame:
    """Read RAVDESS, acted speech and song of 24 actors.

    Parameters
    ----------
    root : str or path-like
        Folder that holds ``Actor_01`` to ``Actor_24``, or one above it.

    songs : bool, default=False
        Whether to keep the recordings of songs as well.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per recording. `label` is the number of the emotion in the file name,
        `speaker` the actor, "01" to "24"; odd numbers are men. The column `channel` is
        "speech" or "song", the column `intensity` "normal" or "strong".

    Raises
    ------
    FileNotFoundError
        Also if the folder has songs alone, and `songs` is False.

    Warns
    -----
    CorpusWarning
        Also for recordings that occur twice: some copies contain the folders of the
        actors a second time, inside another folder.

    Notes
    -----
    The layout [1]_: ``Actor_12/03-01-06-01-02-01-12.wav``, at any depth below `root`.
    The numbers are the modality, the vocal channel, the emotion, its intensity, the
    sentence, the repetition and the actor.

    References
    ----------
    .. [1] S. R. Livingstone, F. A. Russo, "The Ryerson Audio-Visual Database of
       Emotional Speech and Song (RAVDESS)", PLOS ONE 13, 2018.
    """
    check_parameter(songs, "songs", FLAG)
    copy = Copy(root, "RAVDESS")
    rows = parse_names(copy, _NAME, _MAPPING)
    if not songs:
        spoken = rows[rows["channel"] != "song"]
        if len(rows) and not len(spoken):
            raise FileNotFoundError(
                f"`root` is {str(root)!r}, which has songs alone; read them with "
                "`songs=True`."
            )
        rows = spoken
    rows = rows.sort_values("modality", ascending=False, kind="stable")  # audio first
    rows = rows.drop(columns="modality")
    rows = copy.drop_copies(rows, rows["file"].map(_take_of))
    videos, takes = copy.problems.pop(copy.NOT_READ, []), {*rows["file"].map(_take_of)}
    copy.problems[copy.NOT_READ] = [v for v in videos if _take_of(v) not in takes]
    rows = rows.sort_values("file")
    folders = rows["file"].str.extract(_FOLDER, expand=False).fillna(rows["speaker"])
    copy.problems["files in the folder of another actor"] += list(
        rows["file"][folders.astype(int) != rows["speaker"].astype(int)]
    )
    odd = rows["speaker"].astype(int) % 2 == 1
    rows["gender"] = odd.map({True: "male", False: "female"})
    return copy.table(rows)


def _take_of(file):
    """Return what identifies a take, whether it is audio or video."""
    return stem(file)[2:20]
