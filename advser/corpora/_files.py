"""Files of labels: tables of texts, and texts."""

import csv
import io
import re
from os.path import splitext
from pathlib import Path

import pandas as pd

POINTER = b"version https://git-lfs"  # starts a file that Git LFS has not fetched


def read_csv(path):
    """Return a table of texts; its index is the number of the line.

    A missing value is None. Columns without a name and empty lines are left out.

    Raises
    ------
    ValueError
        If the file is no table: it names the file and the line.
    """
    try:
        text = read_text(path)
        header = re.sub('"[^"]*"', "", text.lstrip().partition("\n")[0])
        stated = re.fullmatch("sep=(.)\r?", header)  # a line of Excel
        separator = stated[1] if stated else max(",;\t", key=header.count)
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=separator,
            skipinitialspace=True,
            strict=True,
        )
        found = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, UnicodeDecodeError):
            line = error.object.count(b"\n", 0, error.start) + 1
            reason = f"line {line} is not in UTF-8. Save it as CSV in UTF-8"
        else:
            reason = (
                f"{error}, up to line {reader.line_num}. Write a quote in a value as "
                "two within quotes"
            )
        raise ValueError(f"{path} cannot be read as a CSV table: {reason}.") from error
    found = found[1:] if stated else found
    if not found:
        raise ValueError(f"{path} cannot be read as a CSV table: it is empty.")
    (_, names), *found = found
    names = [name.strip() for name in names]
    kept = [place for place, name in enumerate(names) if name]
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise ValueError(f"{path} has the columns {sorted(twice)} more than once.")
    for line, row in found:
        while len(row) > len(names) and not row[-1].strip():
            row.pop()  # separators at the end
        if len(row) != len(names):
            raise ValueError(
                f"{path} has {len(row)} values in line {line} and {len(names)} columns;"
                f" correct the line, and quote values that contain {separator!r}."
            )
        for place, value in enumerate(row):
            # Two lone quotes in a column swallow the rows between them, the columns
            # behind it of the first row and those before it of the last, which begins
            # with a name of a file like that of the first.
            first, *others = value.split("\n")
            if (
                others
                and first.count(separator) == len(names) - 1 - place
                and others[-1].count(separator) == place > 0
                and splitext(others[-1].split(separator)[0])[1] == splitext(row[0])[1]
            ):
                raise ValueError(
                    f"{path} has a quote in the column {names[place]} that opens a "
                    f"value of several rows, up to line {line}: {value!r:.40}; write a "
                    "quote in a value as two within quotes, or leave it out."
                )
    return pd.DataFrame(
        [[row[place] or None for place in kept] for _, row in found],
        index=pd.Index([line for line, _ in found], name="line"),
        columns=[names[place] for place in kept],
        dtype=object,
    )


def read_text(path, *, any_encoding=False):
    """Return the text of a file in UTF-8, or in the code page of Windows."""
    check_fetched(path)
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeError:
        if not any_encoding:
            raise
        return data.decode("cp1252", "replace")


def check_fetched(path):
    """Raise a ValueError if Git LFS has left a pointer in place of a file."""
    with open(path, "rb") as opened:
        if opened.read(len(POINTER)) == POINTER:
            raise ValueError(
                f"{path} is a pointer of Git LFS and not the file itself; fetch it "
                "with `git lfs pull`."
            )
