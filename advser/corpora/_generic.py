"""Readers of your own corpora: labels in a table, or in the names of the files."""

import os
import re
from collections.abc import Mapping
from glob import escape, glob
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from .._validation._parameters import check_parameter
from .._validation._paths import check_path
from ._files import check_fetched, read_csv
from ._table import (
    AUDIO,
    GENDERS,
    MISSING,
    NOBODY,
    NUMBERS,
    OTHER_SOUND,
    TEXTS,
    Copy,
    harmonize,
    numbers_in,
    stem,
)

# Usual names of columns, which are suggested and not used: they may mean another thing.
ALIASES = {
    "file": ["path", "filename", "file_name", "filepath", "file_path", "wav", "audio"],
    "speaker": ["speaker_id", "speakerid", "spk", "spk_id", "subject", "actor"],
    "gender": ["sex"],
    "emotion": ["emo", "emotion_label", "category", "class"],
    "start": ["begin", "onset", "start_time", "starttime"],
    "end": ["stop", "offset", "end_time", "endtime"],
}
ELSEWHERE = "`file` must be relative to this folder"
WHOLE = re.compile(r"\d+(\.0+)?")
MISSING_TIMES = {"", "nat", *MISSING}
LONGEST = 1e7  # seconds, about 4 months; in nanoseconds, 10 ms


def read_filenames(
    root: str | os.PathLike,
    pattern: str | re.Pattern | None = None,
    mapping: Mapping[str, Mapping] | None = None,
    *,
    name: str | None = None,
) -> pd.DataFrame:
    """Read a corpus whose file names contain the labels.

    Parameters
    ----------
    root : str or path-like
        Folder of the corpus. All audio files in it and below are used.

    pattern : str or re.Pattern, default=None
        Regular expression with named groups. It is searched for in the path of each
        file, relative to `root` and with ``/`` between folders. Each group becomes a
        column: one of every table (:mod:`advser.corpora`), or any other. If None, all
        files are used, without labels.

    mapping : dict of dict, default=None
        The meaning of the codes in the file names, by column: ``{"emotion": {"W":
        "anger"}}``. None means unknown. A code that is not in the mapping of its
        column is unknown, with a warning. Without a mapping, usual spellings of
        emotions ("happy", "Fear") and genders ("f", "male") are recognised, and
        others are kept.

    name : str, default=None
        Name of the corpus; the name of its folder if None.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        The label before the mapping is in the column `label`.

    Raises
    ------
    FileNotFoundError
        If `root` is no folder, or `pattern` matches no audio file in it.

    ValueError
        If `pattern` is no regular expression with named groups, or `mapping` has a
        column that is none of them.

    Warns
    -----
    CorpusWarning
        For file names that `pattern` does not match, and for copies of an earlier file
        (with its name, labels and content): these are left out. Also for codes that
        are not in `mapping`.
    """
    copy = Copy(root, name)
    check_parameter(pattern, "pattern", str, re.Pattern, None)
    check_parameter(mapping, "mapping", Mapping, None)
    if pattern is None:
        files = copy.list_files()
        find_not_read(copy, files)
        return copy.table(pd.DataFrame({"file": files}, dtype=object))
    return copy.table(copy.drop_same(parse_names(copy, pattern, mapping or {})))


def parse_names(copy, pattern, mapping, *, suffixes=AUDIO, any_case=False):
    """Return one row per audio file whose name matches, with its translated labels."""
    try:
        pattern = re.compile(pattern, re.IGNORECASE if any_case else 0)
    except re.error as error:
        raise ValueError(
            f"`pattern` is no regular expression: {error}; got {pattern!r}."
        ) from error
    if not pattern.groupindex:
        raise ValueError(
            f"`pattern` is {pattern.pattern!r}, which has no named group; name a group "
            "for each column, such as (?P<speaker>\\w+)."
        )
    if "file" in pattern.groupindex:
        raise ValueError(
            f"`pattern` is {pattern.pattern!r}, which has the group 'file'; this is "
            "the column of the paths, so name the group otherwise."
        )
    found = []
    for file in copy.list_files(suffixes):
        if match := pattern.search(file):
            found.append((file, *(match[name] or None for name in pattern.groupindex)))
        else:
            copy.problems[copy.UNREADABLE].append(file)
    find_not_read(copy, [file for file, *_ in found], pattern.search)
    columns = ["file", *pattern.groupindex]
    rows = pd.DataFrame(found, columns=columns, dtype=object)
    for column, words in mapping.items() if any_case else ():
        code_of = {code.lower(): code for code in words}
        rows[column] = rows[column].map(
            lambda text, c=code_of: c.get(text.lower(), text)
        )
    return translate(copy, rows, mapping)


def find_not_read(copy, files, is_named=bool):
    """Add the recordings in formats that are not read, unless these files are copies.

    `is_named` says of a file whether its name is that of a recording.
    """
    known = {stem(file).lower() for file in files}
    copy.problems[copy.NOT_READ] += [
        file
        for file in copy.list_files(OTHER_SOUND - AUDIO)
        if is_named(file) and stem(file).lower() not in known
    ]


def translate(copy, rows, mapping):
    """Replace codes by their meaning and texts by numbers; set `label` to `emotion`."""
    for column in rows.columns.intersection(TEXTS):
        rows[column] = composed(rows[column])
    if "emotion" in rows and "label" not in rows:
        rows["label"] = rows["emotion"]
    for column, words in mapping.items():
        if column not in rows:
            names = [name for name in rows if name not in ("file", "label")]
            raise ValueError(
                f"`mapping` has the column {column!r}, which is none of {names}."
            )
        check_parameter(words, f"mapping[{column!r}]", Mapping)
        words = dict(zip(composed(pd.Series([*words], dtype=object)), words.values()))
        codes = composed(rows[column])
        wrong = codes.notna() & ~codes.isin(list(words))
        copy.unreadable_values(rows, column, wrong, "is not in `mapping`")
        if column in TEXTS:
            words = {c: None if pd.isna(w) else str(w) for c, w in words.items()}
        rows[column] = codes.map(words)
    if "emotion" in rows and "emotion" not in mapping:
        rows["emotion"] = harmonize(rows["emotion"])
        copy.problems[copy.MERGED] += merged(rows["label"], rows["emotion"])
    if "gender" in rows and "gender" not in mapping:
        rows["gender"] = harmonize(rows["gender"], GENDERS)
    for column in rows.columns.intersection(NUMBERS):
        numbers, wrong = numbers_in(rows[column])
        commas = rows[column][wrong].astype(str)
        commas = commas[commas.str.fullmatch(r"-?\d+,\d+")]
        if len(commas):
            raise ValueError(
                f"The column {column} has {len(commas)} numbers with a decimal comma, "
                f"such as {commas.iloc[0]!r}; write them with a point."
            )
        copy.unreadable_values(rows, column, wrong, "is no number")
        rows[column] = numbers
    return rows


def merged(labels, emotions):
    """Return the different words that stand for one emotion, as texts.

    Words with the same two letters at the start are forms of one: "sad", "sadness".
    """
    words = labels.dropna().astype(str).str.strip().str.lower()
    words = words.groupby(emotions[words.index]).unique()
    return [
        f"{', '.join(sorted(found))}: {emotion}"
        for emotion, found in words.items()
        if len({word[:2] for word in found}) > 1
    ]


def read_table(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    name: str | None = None,
) -> pd.DataFrame:
    """Read a table of labels with the columns of the readers, or some of them.

    Parameters
    ----------
    path : str or path-like
        CSV table in UTF-8, separated by commas, semicolons or tabs, or Parquet if its
        name ends in ``.parquet``. It has the column `file` and may have those of every
        table (:mod:`advser.corpora`) and others. An empty value is an unknown label,
        and so are "NaN", "<NA>", "N/A" and "#N/A", in upper or lower case. A speaker
        or gender is also unknown as "unknown", "unk", "none", "anonymous", "n.a.", "?"
        or "-". Where all known speakers are whole numbers, "1.0" is "1".
        `start` and `end` are seconds, or durations such as "0.5s", "00:00:00.5" and
        "0 days 00:00:00.5". If both are there and a number exceeds ten million, they
        are nanoseconds, as in tables of audformat.

    root : str or path-like, default=None
        Folder that `file` is relative to; the folder of the table if None.

    name : str, default=None
        Name of the corpus; the name of `root` if None.

    Returns
    -------
    table : DataFrame as in :mod:`advser.corpora`, indexed by file
        Without the files that are missing. If there is no column `label`, it becomes
        a copy of `emotion`, before its spelling is unified.

    Raises
    ------
    FileNotFoundError
        If the table, the folder or all of the files are missing.

    ValueError
        If the table cannot be read, lacks the column `file` or a value in it, has a
        row with more or fewer values than columns, a `start` or `end` that is no time,
        or two rows for the same file and segment.

    Warns
    -----
    CorpusWarning
        For files that are missing, values that should be numbers and are not, and
        columns with usual names that are not used, such as `speaker_id`.
    """
    path = check_path(path, "path")
    copy, rows = with_files(clean_rows(open_table(path), path), path, root, name)
    return copy.table(rows)


def with_files(rows, path, root=None, name=None, *, keep_missing=False):
    """Return the corpus of a table, and those of its rows whose files are there.

    With `keep_missing` return all rows, if any of the files is there.
    """
    copy = Copy(path.parent if root is None else root, name)
    rows = checked_rows(copy, rows, path)
    files = rows["file"].unique()
    present = {file: os.path.isfile(copy.root / file) for file in files}
    is_present = rows["file"].map(present).astype(bool)
    if not is_present.any():
        first = rows["file"].iloc[0]
        raise FileNotFoundError(
            f"None of the {len(present)} files of {path} are in {copy.root}, such as "
            f"{first!r}; {_remedy_for(first, copy.root)}."
        )
    if keep_missing:
        return copy, rows
    missing = list(rows["file"][~is_present].unique())
    if missing and (remedy := _remedy_for(missing[0], copy.root)) != ELSEWHERE:
        missing[0] = f"{missing[0]}: {remedy}"
    copy.problems[copy.MISSING] += missing
    return copy, rows[is_present]


def _remedy_for(file, root):
    """Return what to do about a name of a file that is not in the folder."""
    spelt = {
        "write / between folders": file.replace("\\", "/"),
        **{f"add the suffix {suffix}": file + suffix for suffix in sorted(AUDIO)},
        **{
            f"write its accents in Unicode's form {form}": normalize(form, file)
            for form in ("NFC", "NFD")
        },
    }
    for remedy, name in spelt.items():
        if os.path.isfile(root / name):
            return remedy
    if (name := _in_any_case(file, root)) is not None:
        return f"write it as the file is spelt, {name!r}"
    if os.path.isfile(file):
        return "it is relative to the current folder: pass `root='.'`"
    return ELSEWHERE


def _in_any_case(file, root):
    """Return the path of a file that differs in upper and lower case, or None."""
    letters = (f"[{c.lower()}{c.upper()}]" if c.isalpha() else escape(c) for c in file)
    found = glob("".join(letters), root_dir=root)
    return Path(found[0]).as_posix() if found else None


def checked_rows(copy, rows, path):
    """Return the rows of a table with the names and numbers of the readers."""
    if not len(rows):
        raise ValueError(f"{path} has no rows; it must have one for each recording.")
    copy.problems["columns that are not used"] += [
        f"{alias}: rename it to {column}"
        for column in ALIASES
        for alias in aliases_of(column, rows)
        if column not in rows
    ]
    rows = translate(copy, rows, {})
    real = {file: os.path.realpath(copy.root / file) for file in rows["file"].unique()}
    recordings = rows.reindex(columns=["start", "end"])
    recordings["file"] = rows["file"].map(real)
    twice = rows[recordings.duplicated()]
    if len(twice):
        raise ValueError(
            f"{path} has {twice['file'].nunique()} files more than once, such as "
            f"{twice['file'].iloc[0]!r}; keep one row for each file, under one path, "
            "or give the segments of a file in `start` and `end`."
        )
    return rows


def aliases_of(column, rows):
    """Return the columns with a usual name for this one, in lower or upper case."""
    usual = {column, *ALIASES[column]}
    return [name for name in rows if str(name).lower() in usual]


def open_table(path):
    """Return the rows of a table as they are, indexed by line or row."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; pass a table of labels.")
    if path.suffix.lower() == ".parquet":
        check_fetched(path)
        try:
            rows = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
        names = rows.index.names
        rows = rows.reset_index() if "file" in names else rows.reset_index(drop=True)
        return rows.set_axis(rows.index + 1).rename_axis("row")
    if path.suffix.lower() in AUDIO:
        raise ValueError(
            f"{path} is a recording; pass its folder, or a table with the column file."
        )
    return read_csv(path)


def clean_rows(rows, path):
    """Return the rows of a table with texts or None, and times in seconds."""
    if "file" not in rows:
        aliases = aliases_of("file", rows)
        hint = f" Rename the column {aliases[0]} to file." if aliases else ""
        raise ValueError(
            f"{path} lacks the column file; its first line must be the names of the "
            f"columns, and is {str(list(rows.columns))[:200]}.{hint}"
        )
    for column in rows.columns.intersection(["file", *TEXTS]):
        rows[column] = texts_of(rows[column])
    empty = rows.index[rows["file"].isna()]
    if len(empty):
        raise ValueError(
            f"{path} has {len(empty)} rows without a value for `file`, the first in "
            f"{rows.index.name} {empty[0]}; complete or remove them."
        )
    times = list(rows.columns.intersection(["start", "end"]))
    for column in times:
        rows[column] = [
            read_time(time, f"{path}, {rows.index.name} {number}: {column}")
            for number, time in rows[column].items()
        ]
    if times and (longest := rows[times].max(axis=None)) > LONGEST:
        if len(times) < 2:
            raise ValueError(
                f"{path} has {longest:.0f} in its column {times[0]}, which is no time "
                "in a file; give seconds, or rename the column."
            )
        rows[times] /= 1e9
    return rows


def texts_of(values):
    """Return a column as texts without blanks around them, None where it has none."""
    # Whole numbers are floats in a column where one is missing.
    is_whole = is_float_dtype(values) and (values.dropna() % 1 == 0).all()
    texts = values.map(
        lambda value: str(int(value) if is_whole else value).strip(), na_action="ignore"
    ).astype(object)
    texts = texts.where(texts.notna() & texts.ne(""), None)
    known = texts.notna() & ~texts.str.lower().isin(NOBODY)
    if all(map(WHOLE.fullmatch, texts[known])):  # such as "1.0"
        texts[known] = texts[known].map(lambda text: text.partition(".")[0])
    return texts


def composed(texts):
    """Return texts in Unicode's form NFC: macOS writes file names in another one."""
    return texts.map(
        lambda text: normalize("NFC", text) if isinstance(text, str) else text
    )


def read_time(time, where):
    """Return a time in seconds (or nanoseconds) as a float; missing is NaN."""
    if pd.isna(time) or str(time).strip().lower() in MISSING_TIMES:
        return np.nan
    try:
        number = float(time)
    except (TypeError, ValueError):
        # pandas reads "1,5" as 15 nanoseconds, and "00:00:01,5" as 15 seconds.
        is_read = not isinstance(time, str) or re.fullmatch("[^,]*[a-zA-Z:][^,]*", time)
        try:
            number = pd.Timedelta(time).total_seconds() if is_read else np.nan
        except (TypeError, ValueError):
            number = np.nan
    if not 0 <= number < np.inf:
        raise ValueError(
            f"{where} is {time!r:.40}, which is no time in a file; give seconds, or a "
            "duration such as 00:00:01.5, with a point."
        )
    return number
