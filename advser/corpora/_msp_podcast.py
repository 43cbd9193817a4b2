"""MSP-Podcast: turns of podcasts, with labels by several raters."""

import os

import pandas as pd

from ._generic import translate
from ._table import AUDIO, MSP_EMOTIONS, Copy, stem

_LABELS = "labels_consensus.csv"
_MISSPELT = "labels_concensus.csv"  # in releases 1.6 and 1.8
_COLUMNS = {
    "FileName": "id",
    "EmoClass": "emotion",
    "EmoAct": "arousal",
    "EmoVal": "valence",
    "EmoDom": "dominance",
    "SpkrID": "speaker",
    "Gender": "gender",
    "Split_Set": "partition",
}


def read_msp_podcast(root: str | os.PathLike) -> pd.DataFrame:
    """Read MSP-Podcast, spontaneous speech of many speakers.

    Parameters
    ----------
    root : str or path-like
        Folder that holds ``Labels`` and ``Audios``, or one above it.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per turn. `emotion` is the choice of most raters, missing if they
        disagree (`label` "X"). `arousal`, `valence` and `dominance` are means over the
        raters, from 1 to 7. `speaker` is the number of the corpus, missing if it is
        unknown. The column `partition` is the official split: "Train", "Development",
        "Test1", "Test2".

    Raises
    ------
    FileNotFoundError
        If `root` has no recording with a label, or no ``labels_consensus.csv``.

    Notes
    -----
    The layout [1]_, at any depth below `root`::

        Audios/MSP-PODCAST_0001_0008.wav
        Labels/labels_consensus.csv
        Transcripts/MSP-PODCAST_0001_0008.txt

    The transcripts may be absent, and so may the labels of the third test set. Earlier
    releases spell the file of the labels ``labels_concensus.csv``, and call the split
    for development "Validation".

    References
    ----------
    .. [1] R. Lotfian, C. Busso, "Building Naturalistic Emotionally Balanced Speech
       Corpus by Retrieving Emotional Speech From Existing Podcast Recordings", IEEE
       Transactions on Affective Computing 10, 2019.
    """
    copy = Copy(root, "MSP-Podcast")
    files = copy.list_files({*AUDIO, ".csv", ".txt"})
    remedy = "pass the folder with Labels and Audios"
    names = {file.split("/")[-1].lower() for file in files}
    is_misspelt = _LABELS not in names and _MISSPELT in names
    labels = _MISSPELT if is_misspelt else _LABELS
    table = copy.read_labels(files, labels, _COLUMNS, remedy)
    rows = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    rows["id"] = rows["id"].map(stem, na_action="ignore")
    audio = [file for file in files if not file.lower().endswith((".csv", ".txt"))]
    rows["text"] = copy.read_transcripts(files, rows["id"])
    rows = copy.locate(rows, audio)
    return copy.table(translate(copy, rows, {"emotion": MSP_EMOTIONS}))
