"""CREMA-D: 91 actors of many ages and origins, twelve sentences, six emotions."""

import os

import pandas as pd

from ._generic import parse_names
from ._table import Copy

__all__ = ["read_cremad"]

_NAME = (
    r"(?:^|/)(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>[A-Z]{3})_"
    r"(?P<intensity>[A-Z]+)\.\w+$"
)
_MAPPING = {
    "emotion": {
        "ANG": "anger",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happiness",
        "NEU": "neutral",
        "SAD": "sadness",
    },
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
_DEMOGRAPHICS = "VideoDemographics.csv"


def read_cremad(root: str | os.PathLike) -> pd.DataFrame:
    """Read CREMA-D, acted emotions of 91 actors.

    Parameters
    ----------
    root : str or path-like
        Folder that holds ``AudioWAV`` and ``VideoDemographics.csv``.

    Returns
    -------
    table : DataFrame, indexed by file
        One row per recording. `emotion` is the acted emotion, `label` its code in the
        file name; `speaker` is the actor, "1001" to "1091", `gender` comes from the
        table of demographics. The column `intensity` is "low", "medium", "high", or
        missing if it is unspecified.

    Warns
    -----
    CorpusWarning
        Also of actors without demographics.

    Notes
    -----
    The layout [1]_: ``AudioWAV/1001_DFA_ANG_XX.wav`` and ``VideoDemographics.csv``, at
    any depth below `root`. The same recordings as MP3 are ignored.

    References
    ----------
    .. [1] H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma,
       "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", IEEE Transactions
       on Affective Computing 5, 2014.
    """
    copy = Copy(root, "CREMA-D")
    rows = parse_names(copy, _NAME, _MAPPING, suffixes={".wav"})
    genders: dict[str, str] = {}
    for file in copy.list_files({".csv"}):
        if file.endswith(_DEMOGRAPHICS):
            actors = pd.read_csv(copy.root / file, dtype=str)
            genders.update(zip(actors["ActorID"], actors["Sex"].str.lower()))
    rows["gender"] = rows["speaker"].map(genders)
    unknown = rows["speaker"][rows["gender"].isna()].unique()
    copy.problems[f"speakers that are not in {_DEMOGRAPHICS}"] += sorted(unknown)
    return copy.table(rows)
