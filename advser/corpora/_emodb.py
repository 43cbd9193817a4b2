"""EmoDB: ten German actors, each with the same ten sentences in seven emotions."""

import os

import pandas as pd

from ._generic import parse_names
from ._table import Copy

_NAME = r"(?:^|/)(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[A-Z])[a-z]\.\w+$"
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_WOMEN = {"08", "09", "13", "14", "16"}
_TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe "
    "Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


def read_emodb(root: str | os.PathLike) -> pd.DataFrame:
    """Read EmoDB, the Berlin database of emotional speech.

    Parameters
    ----------
    root : str or path-like
        Folder of the recordings, or one above it.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per recording: acted anger, boredom, disgust, fear, happiness, sadness
        and neutral speech. `label` is the letter in the file name, the initial of the
        German name of the emotion; `speaker` is "03" to "16", `text` the sentence.

    See Also
    --------
    advser.datasets.load_emodb : Features of this corpus, part of the package.

    Notes
    -----
    The layout [1]_: ``wav/03a01Fa.wav``, at any depth below `root`. Audio files with
    other names are left out, and so is the folder ``laryngo`` of version 2, which holds
    electroglottograms.

    References
    ----------
    .. [1] F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss, "A Database
       of German Emotional Speech", Interspeech 2005.
    """
    copy = Copy(root, "EmoDB", other_folders={"laryngo"})
    mapping = {"emotion": _EMOTIONS, "text": _TEXTS}
    rows = parse_names(copy, _NAME, mapping, any_case=True)
    rows = copy.drop_copies(rows)
    women = rows["speaker"].isin(_WOMEN)
    rows["gender"] = women.map({True: "female", False: "male"})
    return copy.table(rows)
