"""CMU-MOSEI: sentences of monologues from videos, with intensities of emotions."""

import os
from collections.abc import Mapping

import pandas as pd

from ._table import AUDIO, Problems, check_folder, finish, list_files, locate

__all__ = ["read_cmu_mosei"]

_EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
_RATINGS = [*_EMOTIONS, "sentiment"]
_KEYS = {"Input.VIDEO_ID": "id", "Input.CLIP": "clip"}
_COLUMNS = {**_KEYS, **{f"Answer.{name}": name for name in _RATINGS}}


def read_cmu_mosei(
    root: str | os.PathLike, *, speakers: Mapping | pd.Series | None = None
) -> pd.DataFrame:
    """Read CMU-MOSEI, opinions in videos of about a thousand speakers.

    Parameters
    ----------
    root : str or path-like
        The folder ``Raw`` of the raw data.

    speakers : dict or Series, default=None
        The speaker of each video. The corpus does not name the speakers; if None,
        each video counts as one speaker.

    Returns
    -------
    table : DataFrame, indexed by file
        One row per segment with labels. The file is the sound of the whole video;
        `start` and `end`, in seconds, give the segment. The columns `anger`,
        `disgust`, `fear`, `happiness`, `sadness` and `surprise` hold the intensity of
        each emotion, the mean over the raters, from 0 to 3; `sentiment` goes from -3
        to 3. `label` names the emotions above 0, joined by ``+``, or "none". `emotion`
        is the strongest of them, "neutral" if there is none, and missing if two are
        equally strong.

    Notes
    -----
    The layout [1]_, at any depth below `root`::

        Audio/Full/WAV_16000/--qXJuDtHPw.wav
        Labels/5000_batch_raw.csv
        Transcript/Segmented/Combined/--qXJuDtHPw.txt

    The labels are the CSV tables with the columns ``Input.VIDEO_ID``, ``Input.CLIP``
    and ``Answer.anger`` to ``Answer.surprise``, with one row for each rater. A segment
    is a line ``video___clip___start___end___text``. A negative start becomes 0.

    References
    ----------
    .. [1] A. Bagher Zadeh, P. P. Liang, S. Poria, E. Cambria, L.-P. Morency,
       "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable
       Dynamic Fusion Graph", ACL 2018.
    """
    root = check_folder(root)
    problems = Problems()
    files = list_files(root, {*AUDIO, ".csv", ".txt"})
    ratings = [
        table
        for file in files
        if file.endswith(".csv") and "labels/" in f"/{file.lower()}"
        for table in read_ratings(root / file, file, problems)
    ]
    segments = [
        segment
        for file in files
        if file.endswith(".txt") and "segmented/" in file.lower()
        for segment in read_segments(root / file, file, problems)
    ]
    if not ratings or not segments:
        raise FileNotFoundError(
            f"{str(root)!r} holds {len(ratings)} tables in Labels and "
            f"{len(segments)} segments in Transcript/Segmented; pass the folder Raw of "
            "CMU-MOSEI, which has both."
        )
    keys = list(_KEYS.values())
    segments = pd.DataFrame(segments, columns=[*keys, "start", "end", "text"])
    rows = pd.concat(ratings).groupby(keys, sort=False)[_RATINGS].mean().reset_index()
    rows = rows.merge(segments.drop_duplicates(keys), on=keys, how="left")
    untimed = rows["start"].isna()
    problems["labels without a segment"] += list(
        rows["id"][untimed] + " " + rows["clip"][untimed]
    )
    rows = rows[~untimed].reset_index(drop=True)
    rows["start"] = rows["start"].clip(lower=0)
    rows["label"], rows["emotion"] = name_emotions(rows[_EMOTIONS])
    rows["speaker"] = rows["id"] if speakers is None else rows["id"].map(speakers)
    audio = [
        file
        for file in files
        if not file.endswith((".csv", ".txt")) and "segmented/" not in file.lower()
    ]
    rows = locate(rows, audio, problems).drop(columns="clip")
    del problems[Problems.UNLABELED_FILE]  # there are more videos than labels
    return finish(rows, root, "CMU-MOSEI", problems)


def read_ratings(path, name, problems):
    """Yield a table of labels, one row per rater and segment, if it is one."""
    table = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,  # "NA" may be the name of a video
        na_values=[""],
        encoding_errors="replace",
    )
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        problems.unreadable(name, 1, f"lacks the columns {', '.join(missing)}")
        return
    table = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    for column in _RATINGS:
        texts, table[column] = table[column], pd.to_numeric(table[column], "coerce")
        for line in table.index[texts.notna() & table[column].isna()]:
            problems.unreadable(name, line + 2, f"{column} {texts[line]}")
    yield table


def read_segments(path, name, problems):
    """Yield video, clip, start, end and text of each line of a transcript."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.rstrip("\n").split("___", 4)
            try:
                video, clip, start, end, text = fields
                yield video, clip, float(start), float(end), text.strip()
            except ValueError:
                if line.strip():
                    problems.unreadable(name, number, line)


def name_emotions(intensities):
    """Return the emotions above 0 of each row, and the strongest one."""
    values = intensities.to_numpy()
    strongest = values.max(axis=1)
    labels = [
        "+".join(name for name, value in zip(intensities, row) if value > 0) or "none"
        for row in values
    ]
    emotions = intensities.idxmax(axis=1).astype(object)
    emotions[strongest == 0] = "neutral"
    tied = (values == strongest[:, None]).sum(axis=1) > 1
    emotions[tied & (strongest > 0)] = None
    return labels, emotions
