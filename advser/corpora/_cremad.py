"""CREMA-D: 91 actors of many ages and origins, twelve sentences, six emotions."""

import os
from typing import Literal

import pandas as pd

from .._validation._parameters import StrOptions, check_parameter
from ._generic import parse_names
from ._table import Copy, stem

_NAME = (
    r"(?:^|/)(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>[A-Z]{3})_"
    r"(?P<intensity>[A-Z]+)\.\w+$"
)
_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_VOTES = {code[0]: emotion for code, emotion in _EMOTIONS.items()}
_MAPPING = {
    "emotion": _EMOTIONS,
    "intensity": {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None},
    "text": {
        "DFA": "Don't forget a jacket.",
        "IEO": "It's eleven o'clock.",
        "IOM": "I'm on my way to the meeting.",
        "ITH": "I think I have a doctor's appointment.",
        "ITS": "I think I've seen this before.",
        "IWL": "I would like a new alarm clock.",
        "IWW": "I wonder what this is about.",
        "MTI": "Maybe tomorrow it will be cold.",
        "TAI": "The airplane is almost full.",
        "TIE": "That is exactly what happened.",
        "TSI": "The surface is slick.",
        "WSI": "We'll stop in a couple of minutes.",
    },
}
# The last two digits of the actors who are women.
_WOMEN = [
    *(2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 18, 20, 21, 24, 25, 28, 29, 30, 37, 43, 46, 47),
    *(49, 52, 53, 54, 55, 56, 58, 60, 61, 63, 72, 73, 74, 75, 76, 78, 79, 82, 84, 89),
    91,
]


def read_cremad(
    root: str | os.PathLike, *, emotion: Literal["intended", "perceived"] = "intended"
) -> pd.DataFrame:
    """Read CREMA-D, acted emotions of 91 actors.

    Parameters
    ----------
    root : str or path-like
        Folder that holds ``AudioWAV``, or one above it.

    emotion : {"intended", "perceived"}, default="intended"
        The emotion that the actor was asked for, or the choice of most raters who only
        heard the voice, from ``summaryTable.csv``.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per recording. `label` is the code of the emotion in the file name, or
        the choice of the raters; if two emotions have as many votes, such as "A:N",
        `emotion` is missing. `speaker` is the actor, "1001" to "1091". The column
        `intensity` is "low", "medium", "high", or missing if it is unspecified.

    Raises
    ------
    FileNotFoundError
        If `root` has no recording with a label, or if `emotion` is "perceived" and
        there is no ``summaryTable.csv``.

    Notes
    -----
    The layout [1]_: ``AudioWAV/1001_DFA_ANG_XX.wav``, at any depth below `root`. The
    same recordings as MP3 are ignored.

    References
    ----------
    .. [1] H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma,
       "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", IEEE Transactions
       on Affective Computing 5, 2014.
    """
    check_parameter(emotion, "emotion", StrOptions({"intended", "perceived"}))
    copy = Copy(root, "CREMA-D")
    rows = parse_names(copy, _NAME, _MAPPING, suffixes={".wav"}, any_case=True)
    rows = copy.drop_copies(rows)
    women = rows["speaker"].str[2:].astype(int).isin(_WOMEN)
    rows["gender"] = women.map({True: "female", False: "male"})
    if emotion == "perceived":
        files, columns = copy.list_files({".csv"}), ["FileName", "VoiceVote"]
        remedy = "add it for the perceived emotions, or use `emotion='intended'`"
        votes = copy.read_labels(files, "summaryTable.csv", columns, remedy)
        votes = votes.drop_duplicates("FileName").set_index("FileName")["VoiceVote"]
        rows["label"] = rows["file"].map(stem).str.upper().map(votes)
        copy.problems["files without votes"] += list(rows["file"][rows["label"].isna()])
        rows["emotion"] = rows["label"].map(_VOTES)
    return copy.table(rows)
