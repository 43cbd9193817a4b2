"""MSP-IMPROV: improvisations around target sentences, by six pairs of actors."""

import os
import re

import pandas as pd

from .._validation._parameters import FLAG, check_parameter
from ._table import AUDIO, MSP_EMOTIONS, Copy

_LABELS = {"evalution.txt", "evaluation.txt"}  # distributed as the first
# UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.200000; V:3.000000; D:2.800000 ; N:3.600000;
_NUMBER = r"\s*([\d.]+|NaN)\s*;\s*"
_TURN = re.compile(
    r"UTD-(IMPROV-S\d\d([AHNS])-(([FM])0(\d))-([PRST])-\w+)\.\w+;\s*([AHNSOX]);\s*"
    rf"A:{_NUMBER}V:{_NUMBER}D:{_NUMBER}(?:N:{_NUMBER})?",
    re.IGNORECASE,
)
_FIELDS = [
    *("id", "target", "speaker", "gender", "session", "scenario", "label"),
    *("arousal", "valence", "dominance", "naturalness"),
]
_SCENARIOS = {
    "P": "natural",
    "R": "target-read",
    "S": "other-improvised",
    "T": "target-improvised",
}


def read_msp_improv(
    root: str | os.PathLike, *, reverse_arousal: bool = True
) -> pd.DataFrame:
    """Read MSP-IMPROV, dyadic improvisations of twelve actors.

    Parameters
    ----------
    root : str or path-like
        The folder with the evaluation file ``Evalution.txt`` and the recordings.

    reverse_arousal : bool, default=True
        Whether `arousal` is 6 minus the value in the evaluation file, which goes from
        1 (active) to 5 (calm): its mean is lower for anger than for sadness.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        One row per turn. `emotion` is the choice of most raters, missing if they
        disagree (`label` "X"). `arousal`, `valence`, `dominance` and the column
        `naturalness` are means over the raters, from 1 to 5. `speaker` is "F01" to
        "F06" and "M01" to "M06", `session` "1" to "6". The column `scenario` is
        "target-improvised", "other-improvised", "target-read" or "natural"; the
        column `target` is the emotion that the scene was written for.

    Notes
    -----
    The layout [1]_, at any depth below `root`::

        Evalution.txt
        session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav

    In the file name, ``S01A`` is the sentence and the target emotion, ``F01`` the
    speaker and the session, ``P`` the scenario. If a text file has the name of a
    recording, it is read as its transcript.

    References
    ----------
    .. [1] C. Busso, S. Parthasarathy, A. Burmania, M. AbdelWahab, N. Sadoughi,
       E. Mower Provost, "MSP-IMPROV: An Acted Corpus of Dyadic Interactions to Study
       Emotion Perception", IEEE Transactions on Affective Computing 8, 2017.
    """
    check_parameter(reverse_arousal, "reverse_arousal", FLAG)
    copy = Copy(root, "MSP-IMPROV")
    files = copy.list_files({*AUDIO, ".txt"})
    labels = [file for file in files if file.split("/")[-1].lower() in _LABELS]
    if not labels:
        raise FileNotFoundError(
            f"{str(root)!r} holds no Evalution.txt; pass the folder with this file and "
            "the recordings of MSP-IMPROV."
        )
    rows = pd.DataFrame(copy.match_lines(labels[0], _TURN, "UTD-"), columns=_FIELDS)
    numbers = _FIELDS[-4:]
    rows[numbers] = rows[numbers].astype(float)  # of texts, "NaN" and None
    rows["id"] = "MSP-" + rows["id"]
    rows["text"] = copy.read_transcripts(files, rows["id"])
    rows["emotion"] = rows["label"].map(MSP_EMOTIONS)
    rows["target"] = rows["target"].map(MSP_EMOTIONS)
    rows["gender"] = rows["gender"].map({"F": "female", "M": "male"})
    rows["scenario"] = rows["scenario"].map(_SCENARIOS)
    if reverse_arousal:
        rows["arousal"] = 6 - rows["arousal"]
    audio = [file for file in files if not file.lower().endswith(".txt")]
    return copy.table(copy.locate(rows, audio))
