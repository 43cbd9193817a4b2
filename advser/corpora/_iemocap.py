"""IEMOCAP: five sessions of two actors each, with labels by several raters."""

import os
import re

import pandas as pd

from .._validation._parameters import FLAG, check_parameter
from ._files import read_text
from ._table import AUDIO, Copy, harmonize

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_TURN = re.compile(
    r"\[[\d.]+ - [\d.]+\]\s+(?P<id>(?P<dialog>Ses0(?P<session>\d))[FM]_(?P<scenario>"
    r"impro|script)\w*_(?P<gender>[FM])\w+)\s+(?P<label>\w+)\s+"
    r"\[(?P<valence>[\d.]+), *(?P<arousal>[\d.]+), *(?P<dominance>[\d.]+)\]$"
)
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
_TEXT = re.compile(r"(Ses\w+) \[[\d.]+-[\d.]+\]:? ?([^\r\n]*)")
_FILE = re.compile(
    r"(?:^|/)Session[1-5]/(?:(?P<labels>dialog/EmoEvaluation/Ses[^/]+\.txt)"
    r"|(?P<texts>dialog/transcriptions/Ses[^/]+\.txt)"
    r"|sentences/wav/.+(?<!\.txt))$",
    re.IGNORECASE,
)
_SCENARIOS = {"impro": "improvised", "script": "scripted"}
_FOUR = {"anger", "happiness", "neutral", "sadness"}


def read_iemocap(
    root: str | os.PathLike, *, four_classes: bool = False
) -> pd.DataFrame:
    """Read IEMOCAP, dyadic sessions of ten actors.

    Parameters
    ----------
    root : str or path-like
        The folder ``IEMOCAP_full_release``, which holds ``Session1`` to ``Session5``,
        or a folder above it.

    four_classes : bool, default=False
        Whether to keep only the emotions that most papers use: anger, neutral,
        sadness, and happiness, which then includes excitement. These are 5,531 of the
        10,039 utterances.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per utterance. `emotion` is the choice of most raters, missing if they
        disagree (`label` "xxx"). `arousal`, `valence` and `dominance` are means over
        the raters, who rate from 1 to 5; some means of the corpus are 0.5 or 5.5.
        `speaker` is "Ses01F", "Ses01M", ..., `session` "1" to "5". The column
        `scenario` is "improvised" or "scripted".

    Notes
    -----
    The layout [1]_; other folders are ignored::

        Session1/dialog/EmoEvaluation/Ses01F_impro01.txt
        Session1/dialog/transcriptions/Ses01F_impro01.txt
        Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

    The letter after ``Ses01`` in the name of a dialog is the actor who wore the markers
    of the motion capture; the letter before the number of the utterance is the speaker.

    References
    ----------
    .. [1] C. Busso et al., "IEMOCAP: interactive emotional dyadic motion capture
       database", Language Resources and Evaluation 42, 2008.
    """
    check_parameter(four_classes, "four_classes", FLAG)
    copy = Copy(root, "IEMOCAP")
    turns, files = [], []
    texts: dict[str, str] = {}
    for file in copy.list_files({*AUDIO, ".txt"}):
        match = _FILE.search(file)
        if match and match["labels"]:
            turns += copy.match_lines(file, _TURN, "[")
        elif match and match["texts"]:
            texts.update(_TEXT.findall(read_text(copy.root / file, any_encoding=True)))
        elif match:
            files.append(file)
    rows = pd.DataFrame(turns, columns=[*_TURN.groupindex]).drop_duplicates()
    rows["emotion"] = harmonize(rows["label"].where(rows["label"] != "xxx"))
    if four_classes:
        rows["emotion"] = rows["emotion"].replace("excitement", "happiness")
    rows["speaker"] = rows.pop("dialog") + rows["gender"]
    rows["gender"] = rows["gender"].map({"F": "female", "M": "male"})
    rows["scenario"] = rows["scenario"].map(_SCENARIOS)
    rows["text"] = rows["id"].map(texts)
    rows = copy.locate(rows, files)
    if four_classes:
        rows = rows[rows["emotion"].isin(_FOUR)]
    return copy.table(rows)
