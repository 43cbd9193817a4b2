"""URDU: spontaneous emotional speech from talk shows in Urdu."""

import os

import pandas as pd

from ._generic import parse_names
from ._table import Copy

_NAME = r"(?:^|/)(?P<speaker>S(?P<gender>[FM])\d+)_F\d+_(?P<emotion>[A-Z])\d+\.\w+$"
_EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}


def read_urdu(root: str | os.PathLike) -> pd.DataFrame:
    """Read the URDU dataset, unscripted emotional speech of 29 speakers.

    Parameters
    ----------
    root : str or path-like
        Folder that holds ``Angry``, ``Happy``, ``Neutral`` and ``Sad``.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per recording. `label` is the letter of the emotion in the name,
        `speaker` is "SM1", "SF1", ..., with the gender as the second letter.

    Notes
    -----
    The layout [1]_: ``Angry/SM1_F10_A010.wav``, at any depth below `root`. Audio files
    with other names are left out.

    References
    ----------
    .. [1] S. Latif, A. Qayyum, M. Usman, J. Qadir, "Cross Lingual Speech Emotion
       Recognition: Urdu vs. Western Languages", International Conference on Frontiers
       of Information Technology 2018, arXiv 1812.10411.
    """
    copy = Copy(root, "URDU")
    rows = parse_names(copy, _NAME, {"emotion": _EMOTIONS}, any_case=True)
    rows["speaker"] = rows["speaker"].str.upper()
    return copy.table(copy.drop_copies(rows))
