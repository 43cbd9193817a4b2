"""CMU-MOSEI: sentences of monologues from videos, with intensities of emotions."""

import os
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from .._validation._parameters import check_parameter
from ._files import read_csv
from ._table import AUDIO, Copy, stem

_EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
_RATINGS = [*_EMOTIONS, "sentiment"]
_KEYS = {"Input.VIDEO_ID": "id", "Input.CLIP": "clip"}
# --qXJuDtHPw___0___-0.45___0.5___I see that.
_TIME = r"(-?\d+(?:\.\d*)?(?:e-?\d+)?)"
_SEGMENT = re.compile(rf"(.+?)___(.+?)___{_TIME}___{_TIME}___\s*(.*)")
_PARTITION = r"(?i)(?:^|/)(train|valid|val|dev|test)/"  # of files cut to segments
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
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
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

    Instead of the sound of whole videos, one file for each segment works as well, such
    as ``Segmented_Audio/test/--qXJuDtHPw_0.wav``. The column `partition` is then the
    official split, from the folder.

    The labels are the CSV tables with the columns ``Input.VIDEO_ID``, ``Input.CLIP``,
    ``Answer.sentiment`` and ``Answer.anger`` to ``Answer.surprise``, with one row for
    each rater. A segment is a line ``video___clip___start___end___text``. A negative
    start becomes 0.

    References
    ----------
    .. [1] A. Bagher Zadeh, P. P. Liang, S. Poria, E. Cambria, L.-P. Morency,
       "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable
       Dynamic Fusion Graph", ACL 2018.
    """
    check_parameter(speakers, "speakers", Mapping, pd.Series, None)
    copy = Copy(root, "CMU-MOSEI")
    files = copy.list_files({*AUDIO, ".csv", ".txt"})
    ratings = [
        table
        for file in files
        if file.lower().endswith(".csv") and "labels/" in f"/{file.lower()}"
        for table in read_ratings(copy, file)
    ]
    segments = [
        segment
        for file in files
        if re.search(r"segmented/.*\.txt$", file, re.IGNORECASE)
        for segment in copy.match_lines(file, _SEGMENT)
    ]
    audio = [file for file in files if not file.lower().endswith((".csv", ".txt"))]
    if not ratings or not (segments or audio):
        missing = "tables in Labels" if not ratings else "segments and no audio files"
        raise FileNotFoundError(
            f"{str(root)!r} holds no {missing}; pass the folder Raw of CMU-MOSEI, with "
            "the folders Labels, Transcript/Segmented and Audio."
        )
    keys = list(_KEYS.values())
    segments = pd.DataFrame(segments, columns=[*keys, "start", "end", "text"])
    segments = segments.astype({"start": float, "end": float})
    segments["id"] = segments["id"].map(after_slash)
    ratings = [table for table in ratings if len(table)] or ratings[:1]
    rows = pd.concat(ratings).groupby(keys, sort=False)[_RATINGS].mean().reset_index()
    rows = rows.merge(segments.drop_duplicates(keys), on=keys, how="left")
    unrated = rows[_EMOTIONS].isna().any(axis=1)
    rows = drop(rows, unrated, copy.problems["segments without a rating of an emotion"])
    rows["label"], rows["emotion"] = name_emotions(rows[_EMOTIONS])
    rows["speaker"] = rows["id"] if speakers is None else rows["id"].map(speakers)
    stems = set(map(stem, audio))
    cut = rows["id"] + "_" + rows["clip"]  # a file of its own for the segment
    is_cut = cut.isin(stems) & ~rows["id"].isin(stems)
    rows.loc[is_cut, "id"] = cut[is_cut]
    rows.loc[is_cut, ["start", "end"]] = np.nan
    untimed = rows["start"].isna() & ~is_cut
    rows = drop(rows, untimed, copy.problems["labels without a segment"])
    rows["start"] = rows["start"].clip(lower=0)
    rows = copy.locate(rows, audio).drop(columns="clip")
    folders = rows["file"].astype(str).str.extract(_PARTITION, expand=False)
    rows["partition"] = folders.where(folders.notna(), None)
    del copy.problems[copy.UNLABELED_FILE]  # there are more videos than labels
    return copy.table(rows)


def after_slash(video):
    """Return the name of a video without the folder of some of the tables."""
    return video.rsplit("/", 1)[-1]


def drop(rows, wrong, problems):
    """Return the rows that are not wrong, and add those that are to the problems."""
    problems.extend(rows["id"][wrong] + " " + rows["clip"][wrong])
    return rows[~wrong].reset_index(drop=True)


def read_ratings(copy, name):
    """Yield a table of labels, one row per rater and segment, if it is one."""
    table = read_csv(copy.root / name)
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        copy.unreadable_line(name, 1, f"lacks the columns {', '.join(missing)}")
        return
    if not len(table):
        copy.problems[copy.EMPTY].append(name)
    table = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    table["id"] = table["id"].map(after_slash, na_action="ignore")
    for column in _RATINGS:
        texts, table[column] = table[column], pd.to_numeric(table[column], "coerce")
        for line in table.index[texts.notna() & table[column].isna()]:
            copy.unreadable_line(name, line, f"{column} {texts[line]}")
    yield table


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
