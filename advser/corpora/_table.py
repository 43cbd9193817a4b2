"""Code that the readers share: the columns, the names of emotions, the checks."""

import filecmp
import os
import re
from collections import defaultdict
from pathlib import Path
from warnings import warn

import numpy as np
import pandas as pd

from .._validation._arrays import UNSEEN
from .._validation._parameters import check_parameter, check_table
from .._validation._paths import check_path, printable
from ..exceptions import CorpusWarning
from ._files import POINTER, read_csv, read_text

TEXTS = ["emotion", "label", "speaker", "gender", "session", "text"]
NUMBERS = ["arousal", "valence", "dominance", "start", "end"]
COLUMNS = [
    *("emotion", "label", "speaker", "gender", "session"),
    *("arousal", "valence", "dominance", "text", "start", "end"),
]

# The name of each emotion, and other spellings of it in corpora.
SPELLINGS = {
    "anger": ("angry", "ang"),
    "boredom": ("bored", "bordom", "bordem", "boredem", "boredome", "boardom"),
    "calm": ("calmness",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted", "dis"),
    "excitement": ("excited", "exc"),
    "fear": ("fearful", "anxiety", "afraid", "fea"),
    "frustration": ("frustrated", "fru"),
    "happiness": ("happy", "joy", "hap"),
    "neutral": ("neu", "neutrality"),
    "sadness": ("sad",),
    "surprise": ("surprised", "sur", "pleasant surprise", "pleasant surprised", "ps"),
    "other": ("oth",),
}
EMOTIONS = tuple(SPELLINGS)
WORD_OF = {
    spelling: word
    for word, spellings in SPELLINGS.items()
    for spelling in (word, *spellings)
}
MSP_EMOTIONS = {  # by their letters in the MSP corpora
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "O": "other",
    "S": "sadness",
    "U": "surprise",
    "X": None,  # the raters disagree
}
# Texts of missing values, and speakers and genders that are unknown, in lower case.
MISSING = {"nan", "<na>", "n/a", "#n/a"}
NOBODY = {"unknown", "unk", "none", "anonymous", "n.a.", "?", "-", *MISSING}
# Missing values, or labels and initials; of speakers, some are missing for sure.
DOUBTFUL = {"na", "null", "no_agreement", "no agreement", "xxx", *NOBODY} - MISSING
GENDERS = {"f": "female", "m": "male", "female": "female", "male": "male"}

SURROGATE = re.compile("[\ud800-\udfff]")
AUDIO = {
    *(".wav", ".wave", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".w64", ".rf64", ".caf", ".sph", ".nist"),
}
# Files with sound that no reader, or not each of them, can use.
OTHER_SOUND = {
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".m4a", ".aac", ".wma", ".mp3"),
    *(".amr", ".3gp", ".oga"),
}


class Copy:
    """A copy of a corpus: its name, its folder, and a list of problems of each kind."""

    MISSING = "missing audio files"
    UNREADABLE = "unreadable labels"
    DUPLICATE = "duplicate ids"
    UNLABELED_FILE = "audio files without a label"
    UNLABELED_SPEAKER = "speakers without a label"
    CLOSED = "files and folders that cannot be opened"
    NOT_UNICODE = "file names that are not UTF-8; rename these files to use them"
    TWO_GENDERS = "speakers with two genders"
    IDENTICAL = "identical recordings of two speakers"
    COPIES = "identical recordings of one speaker, which count twice"
    TWO_FORMATS = "recordings in two formats, which count twice"
    EMPTY = "label files without an entry"
    NOT_FETCHED = "files that `git lfs pull` must fetch"
    NOT_READ = "files to convert to WAV"
    ALIKE = "names that differ in case, blanks or zeros alone"
    MERGED = "labels with one emotion"
    DOUBTFUL = "labels that may stand for a missing one; leave them empty if they do"

    def __init__(self, root, name=None, other_folders=()):
        self.other_folders = other_folders  # lower-case names of those to leave out
        self.root = check_path(root, "root")
        check_parameter(name, "name", str, None)
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"`root` is {str(root)!r}, which is no folder; pass the folder of the "
                "unpacked corpus."
            )
        self.name = name or self.root.resolve().name
        self.problems = defaultdict(list)

    def list_files(self, suffixes=AUDIO):
        """Return the files in the folder and below, sorted: paths relative to it.

        Links to folders are followed, but each folder is listed once. Hidden files,
        such as those that macOS adds to archives, are left out.
        """
        found, seen = [], set()
        walk = os.walk(self.root, followlinks=True, onerror=self.closed_folder)
        for path, folders, files in walk:
            if (real := os.path.realpath(path)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and name.lower() not in self.other_folders
            )
            folders.sort(key=lambda name: os.path.islink(os.path.join(path, name)))
            prefix = Path(path).relative_to(self.root).as_posix() + "/"
            prefix = prefix.removeprefix("./")
            found += [
                prefix + name
                for name in files
                if not name.startswith(".")
                and os.path.splitext(name)[1].lower() in suffixes
            ]
        # Python keeps bytes that are not UTF-8 as surrogates, which no table can hold.
        wrong = [file for file in found if SURROGATE.search(file)]
        if wrong:
            names = self.problems[self.NOT_UNICODE]
            names += sorted({*map(printable, wrong)} - set(names))
        return sorted(set(found) - set(wrong))

    def closed_folder(self, error):
        """Add the folder that an error names to the problems, once."""
        folder = Path(error.filename).relative_to(self.root).as_posix()
        if folder not in self.problems[self.CLOSED]:
            self.problems[self.CLOSED].append(folder)

    def match_lines(self, file, pattern, start=""):
        """Return the groups of a pattern in those lines of a file that begin so."""
        found, n_unread = [], len(self.problems[self.UNREADABLE])
        lines = read_text(self.root / file, any_encoding=True).split("\n")
        for number, line in enumerate(map(str.strip, lines), 1):
            if match := line.startswith(start) and pattern.match(line):
                found.append(match.groups())
            elif line and line.startswith(start):
                self.unreadable_line(file, number, line)
        if not found and len(self.problems[self.UNREADABLE]) == n_unread:
            self.problems[self.EMPTY].append(file)
        return found

    def read_labels(self, files, name, columns, remedy):
        """Return the table of labels with this name among the files."""
        found = [file for file in files if file.split("/")[-1].lower() == name.lower()]
        if not found:
            raise FileNotFoundError(f"{str(self.root)!r} holds no {name}; {remedy}.")
        self.problems[self.DUPLICATE] += found[1:]
        table = read_csv(self.root / found[0])
        missing = [column for column in columns if column not in table]
        if missing:
            raise ValueError(
                f"{self.root / found[0]} lacks the columns {', '.join(missing)}; it "
                f"has {list(table)}. Restore the file of the corpus."
            )
        if not len(table):
            self.problems[self.EMPTY].append(found[0])
        return table

    def read_transcripts(self, files, names):
        """Return the content of the text file of each name, None without one."""
        texts = {stem(file): file for file in files if file.lower().endswith(".txt")}
        return [
            read_text(self.root / texts[name], any_encoding=True).strip()
            if name in texts
            else None
            for name in names
        ]

    def unreadable_line(self, file, number, text):
        """Add a line of a label file, counted from 1, to the problems."""
        self.problems[self.UNREADABLE].append(f"{file}, line {number}: {text!r:.80}")

    def unreadable_values(self, rows, column, wrong, reason):
        """Add the values of a column in the rows where `wrong` is True."""
        self.problems[self.UNREADABLE] += [
            f"{file}: {column} {value!r} {reason}"
            for file, value in zip(rows["file"][wrong], rows[column][wrong])
        ]

    def count_problems(self):
        """Return how many problems of each kind there are, with the first one."""
        return ", ".join(
            f"{len(found)} {kind} ({printable(found[0])}{', ...' * (len(found) > 1)})"
            for kind, found in self.problems.items()
            if found
        )

    def warn_of_problems(self, where, stacklevel=3):
        """Warn of the problems, if there are any."""
        if any(self.problems.values()):
            text = f"{where} has {self.count_problems()}."
            warn(text, CorpusWarning, stacklevel=stacklevel)

    def drop_copies(self, rows, names=None):
        """Return the first row of each name; the other files are problems.

        Some copies of corpora contain all folders a second time, in another folder.
        """
        names = rows["file"].map(stem) if names is None else names
        copies = names.str.lower().duplicated()
        self.problems[self.DUPLICATE] += list(rows["file"][copies])
        return rows[~copies].reset_index(drop=True)

    def drop_same(self, rows):
        """Drop files with the name, the labels and the content of an earlier one."""
        rows = self.drop_closed(rows)
        keys = rows.assign(file=rows["file"].map(stem))
        again = keys.duplicated(keep=False)
        files = rows["file"][again]
        keys = keys[again].assign(size=[size_of(self.root, file) for file in files])
        places = keys.groupby(list(keys), dropna=False, sort=False).ngroup()
        kept, copies = defaultdict(list), []
        for place, file in zip(places, files):
            path = self.root / file
            if any(filecmp.cmp(path, other, shallow=False) for other in kept[place]):
                copies.append(file)
            else:
                kept[place].append(path)
        self.problems[self.DUPLICATE] += copies
        return rows[~rows["file"].isin(copies)]

    def drop_closed(self, rows):
        """Drop the files that are there and must not be read."""
        closed = []
        for file in rows["file"].unique():
            path = os.path.join(self.root, file)
            if not os.access(path, os.R_OK) and os.path.exists(path):
                closed.append(file)
        self.problems[self.CLOSED] += closed
        return rows[~rows["file"].isin(closed)]

    def drop_pointers(self, rows, sizes):
        """Drop the files in whose place Git LFS has left a pointer."""
        pointers = [
            file
            for file, size in sizes.items()
            if 0 < size < 200 and (self.root / file).read_bytes().startswith(POINTER)
        ]
        self.problems[self.NOT_FETCHED] += pointers
        return rows[~rows["file"].isin(pointers)]

    def find_identical(self, rows, sizes):
        """Add the files whose content is that of another file to the problems."""
        same_size = defaultdict(list)
        known = rows[rows["speaker"].notna()]
        for file, speaker in dict(zip(known["file"], known["speaker"])).items():
            if sizes[file]:
                same_size[sizes[file]].append((file, speaker))
        for size, files in same_size.items():
            first = {}  # of the files with the same middle
            for file, speaker in files if len(files) > 1 else ():
                path = self.root / file
                with open(path, "rb") as opened:
                    opened.seek(size // 2)
                    earlier, other = first.setdefault(opened.read(256), (file, speaker))
                same = self.root / earlier
                if path == same or not filecmp.cmp(path, same, shallow=False):
                    continue
                if speaker == other:
                    self.problems[self.COPIES].append(f"{file}, {earlier}")
                else:
                    self.problems[self.IDENTICAL].append(
                        f"{path.name} of {speaker}, {same.name} of {other}"
                    )

    def locate(self, rows, files, name=None):
        """Find the audio files of labels: `rows["file"]`, by `rows["id"]`.

        The function `name` returns the id of a file: its stem if None. Upper and lower
        case are the same. Labels without a file are left out. They are added to the
        problems, and so are files without a label.
        """
        file_of = {}
        for file in files:
            if file_of.setdefault((name or stem)(file).lower(), file) is not file:
                self.problems[self.DUPLICATE].append(file)
        nameless = rows["id"].isna()
        self.problems[self.UNREADABLE] += ["no id of a recording"] * nameless.sum()
        rows = rows[~nameless].copy()
        names = rows["id"].str.lower()
        rows["file"] = names.map(file_of)
        self.problems[self.MISSING] += list(rows["id"][rows["file"].isna()].unique())
        unlabeled = file_of.keys() - set(names)
        self.problems[self.UNLABELED_FILE] += sorted(map(file_of.get, unlabeled))
        return rows[rows["file"].notna()].drop(columns="id")

    def table(self, rows, *, check_files=True):
        """Return the table of a corpus, and warn of problems of the copy.

        Call it from the public function that the user calls, so that the warning shows
        the line of that call.

        Parameters
        ----------
        rows : DataFrame
            One row per utterance: its `file`, relative to the root, and any of the
            columns of the table. Other columns come last.

        check_files : bool, default=True
            Whether to leave out files that must not be read, and pointers of Git LFS.
            Otherwise the files need not be there.

        Returns
        -------
        table : DataFrame, indexed by file
            With the attributes (`attrs`) `corpus`, `root` and `problems`.
        """
        sizes = dict.fromkeys(rows["file"], 0)
        if check_files:
            rows = self.drop_closed(rows)
            sizes = {file: size_of(self.root, file) for file in sizes}
        rows = self.drop_pointers(rows, sizes)
        if not len(rows):
            if not any(self.root.iterdir()):
                raise FileNotFoundError(
                    f"`root` is {str(self.root)!r}, an empty folder."
                )
            hint = ""
            if others := self.list_files(OTHER_SOUND):
                hint = (
                    f" It has {len(others)} files such as {others[0]!r}; convert them "
                    "to WAV, for instance with ffmpeg, and keep their names."
                )
            raise FileNotFoundError(
                f"`root` is {str(self.root)!r}, which has no recording of {self.name} "
                "with a label; pass the folder with the corpus as it is distributed."
                f"{hint} Problems: {self.count_problems() or 'none'}."
            )
        rows = in_columns(rows.reset_index(drop=True))
        twice = rows.duplicated(["file", "start", "end"])
        self.problems[self.DUPLICATE] += list(rows["file"][twice])
        rows = rows[~twice]
        labelled = rows[["emotion", "label", "arousal", "valence"]].notna().any(axis=1)
        if labelled.any():
            unlabelled = set(rows["speaker"].dropna()) - set(rows["speaker"][labelled])
            self.problems[self.UNLABELED_SPEAKER] += sorted(unlabelled)
        for column in ("speaker", "emotion"):
            names = rows[column].dropna().unique()
            self.problems[self.ALIKE] += alike(names)
            self.problems[self.DOUBTFUL] += [n for n in names if n.lower() in DOUBTFUL]
        genders = rows.groupby("speaker")["gender"].nunique()
        self.problems[self.TWO_GENDERS] += list(genders.index[genders > 1])
        self.find_identical(rows, sizes)
        names = rows["file"].drop_duplicates()
        of_take = names.groupby(names.map(lambda name: os.path.splitext(name)[0]))
        takes = [" and ".join(same) for _, same in of_take if len(same) > 1]
        self.problems[self.TWO_FORMATS] += takes
        problems = {kind: found for kind, found in self.problems.items() if found}
        root = "" if self.root == Path() else str(self.root)
        files = [os.path.join(root, file) for file in rows.pop("file")]
        table = rows.set_axis(pd.Index(files, name="file"))
        table.attrs = {"corpus": self.name, "root": root, "problems": problems}
        self.warn_of_problems(f"{self.name} in {str(self.root)!r}", stacklevel=4)
        return table


def in_columns(rows):
    """Return rows with the columns of each table first; an unknown label is None."""
    extra = rows.columns.difference(["file", *COLUMNS], sort=False)
    rows = rows.reindex(columns=["file", *COLUMNS, *extra])
    rows[NUMBERS] = rows[NUMBERS].astype(float)
    texts = rows[TEXTS].astype(object)
    rows[TEXTS] = texts.where(texts.notna(), None)
    labels = dict.fromkeys(["emotion", "label"], MISSING)
    for column, unknown in {**labels, "speaker": NOBODY, "gender": NOBODY}.items():
        rows.loc[rows[column].astype(str).str.lower().isin(unknown), column] = None
    return rows


def numbers_in(values):
    """Return a column as finite numbers, and which values are neither that nor missing.

    They are NaN, as missing ones are.
    """
    numbers = pd.to_numeric(values, errors="coerce").replace([np.inf, -np.inf], np.nan)
    return numbers, numbers.isna() & ~is_missing(values)


def is_missing(values):
    """Return which values are missing, or texts that stand for a missing one."""
    texts = values.astype(str).str.strip().str.lower()
    return values.isna() | texts.isin({"", *MISSING})


def size_of(root, file):
    """Return the size of a file in bytes, 0 if there is none."""
    try:
        return os.stat(os.path.join(root, file)).st_size
    except OSError:
        return 0


def stem(path):
    """Return the name of a file without folder and suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def alike(names):
    """Return the names that differ in case, blanks or zeros alone, as texts.

    Blanks are hyphens and underscores too, and marks that cannot be seen.
    """
    found = defaultdict(list)
    for name in names:
        seen = UNSEEN.sub("", name.casefold())
        seen = " ".join(re.split(r"[\s_-]+", seen)).strip()
        seen = re.sub(r"\.0+$", "", seen)  # "1.0" as "1"
        found[re.sub(r"(?<!\d)0+(?=\d)", "", seen)].append(name)
    return [" and ".join(same) for same in found.values() if len(same) > 1]


def harmonize(labels, words=WORD_OF):
    """Return labels with the usual spellings replaced by the names of emotions."""
    return labels.map(
        lambda label: words.get(re.sub(r"[\s_-]+", " ", label).strip().lower(), label),
        na_action="ignore",
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count the utterances of each speaker and emotion.

    Parameters
    ----------
    table : DataFrame
        Table with the columns `speaker` and `emotion`, such as a reader returns.

    Returns
    -------
    counts : DataFrame
        One row per speaker and one column per emotion, in sorted order. The row and
        the column "unknown" count missing values; "total" is the sum.

    Examples
    --------
    >>> import pandas as pd
    >>> from advser.corpora import summary
    >>> table = pd.DataFrame(
    ...     {"speaker": ["s1", "s1", "s2"], "emotion": ["anger", None, "anger"]}
    ... )
    >>> summary(table).loc["s1"].to_dict()
    {'anger': 1, 'unknown': 1, 'total': 2}
    >>> summary(table).loc["total"].to_dict()
    {'anger': 2, 'unknown': 1, 'total': 3}
    """
    names = ["speaker", "emotion"]
    check_table(table, names)
    keys = table[names].astype(object).where(table[names].notna(), "unknown")
    counts = pd.crosstab(
        *(keys[name].to_numpy() for name in names),
        rownames=names[:1],
        colnames=names[1:],
        margins=True,
        margins_name="total",
    )
    for axis in (0, 1):
        order = sorted(
            counts.axes[axis], key=lambda n: (n == "total", n == "unknown", n)
        )
        counts = counts.reindex(order, axis=axis)
    return counts
