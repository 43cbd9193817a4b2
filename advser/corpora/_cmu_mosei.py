"""CMU-MOSEI: sentences of monologues from videos, with intensities of emotions."""

import pandas as pd

from ._table import AUDIO, Problems, check_folder, finish, list_files, locate

__all__ = ["read_cmu_mosei"]

_EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
_ANSWERS = [*_EMOTIONS, "sentiment"]
_KEYS = {"Input.VIDEO_ID": "id", "Input.CLIP": "clip"}
_COLUMNS = {**_KEYS, **{f"Answer.{name}": name for name in _ANSWERS}}
_UNTIMED = "labels without a segment"


def read_cmu_mosei(root, *, speakers=None):
    """Read CMU-MOSEI, opinions in videos of some thousand speakers.

    Parameters
    ----------
    root : str or path-like
        The folder ``Raw`` of the raw data.

    speakers : dict or Series, default=None
        The speaker of each video. The corpus does not name them: without it, each
        video counts as a speaker of its own.

    Returns
    -------
    table : DataFrame, indexed by file
        One row per segment with labels. The file is the sound of the whole video;
        `start` and `end`, in seconds, tell the segment, which is cut when its
        features are extracted. The columns `anger`, `disgust`, `fear`, `happiness`,
        `sadness` and `surprise` hold the intensity of each, the mean of the raters
        from 0 to 3, and `sentiment` theirs from -3 to 3. `label` names the emotions
        above 0, joined by ``+``, or "none". `emotion` is the strongest of them,
        "neutral" if there is none, and missing where two are equally strong.

    Raises
    ------
    FileNotFoundError
        If `root` is no folder, or holds no segment with a label and its recording.

    Warns
    -----
    CorpusWarning
        Of missing files and segments and of lines that cannot be read.

    Notes
    -----
    The layout [1]_, at any depth below `root`::

        Audio/Full/WAV_16000/--qXJuDtHPw.wav
        Labels/5000_batch_raw.csv
        Transcript/Segmented/Combined/--qXJuDtHPw.txt

    The labels are those CSV tables that have the columns ``Input.VIDEO_ID``,
    ``Input.CLIP`` and ``Answer.anger`` to ``Answer.surprise``: a row for each rater. A
    segment is a line ``video___clip___start___end___text``. Those that start a little
    before 0 start at 0 here.

    References
    ----------
    .. [1] A. Bagher Zadeh, P. P. Liang, S. Poria, E. Cambria, L.-P. Morency,
       "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable
       Dynamic Fusion Graph", ACL 2018.
    """
    root = check_folder(root)
    problems = Problems()
    files = list_files(root, {*AUDIO, ".csv", ".txt"})
    answers = [
        answer
        for file in files
        if file.endswith(".csv") and "labels/" in f"/{file.lower()}"
        for answer in read_answers(root / file, file, problems)
    ]
    segments = [
        segment
        for file in files
        if file.endswith(".txt") and "segmented/" in file.lower()
        for segment in read_segments(root / file, file, problems)
    ]
    if not answers or not segments:
        raise FileNotFoundError(
            f"{str(root)!r} holds {len(answers)} tables in Labels and "
            f"{len(segments)} segments in Transcript/Segmented; pass the folder Raw of "
            "CMU-MOSEI, with both."
        )
    keys = list(_KEYS.values())
    segments = pd.DataFrame(segments, columns=[*keys, "start", "end", "text"])
    rows = pd.concat(answers).groupby(keys, sort=False)[_ANSWERS].mean().reset_index()
    rows = rows.merge(segments.drop_duplicates(keys), on=keys, how="left")
    untimed = rows["start"].isna()
    problems[_UNTIMED] += list(rows["id"][untimed] + " " + rows["clip"][untimed])
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


def read_answers(path, name, problems):
    """Yield the answers of a label table, if it is one: a row per rater and segment."""
    table = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,  # a video may be called anything
        na_values=[""],
        encoding_errors="replace",
    )
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        problems.unreadable(name, 1, f"lacks the columns {', '.join(missing)}")
        return
    table = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    for column in _ANSWERS:
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
    """Return the emotions above 0 of each row, and the strongest of them."""
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
