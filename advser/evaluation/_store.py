"""The folder of a comparison: rows as they are found, and what they were found by.

An interruption, even a power cut, loses what was being fitted and no more: scores are
written after the predictions they belong to, and a row that was cut short is dropped
when the folder is read.
"""

import json
import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

__all__ = [
    "TABLES",
    "Store",
    "as_json",
    "described",
    "environment",
    "fingerprint",
    "in_order",
    "installed",
    "read_settings",
    "read_tables",
    "write_json",
    "write_table",
    "write_text",
]

SETTINGS = "comparison.json"
TABLES = {
    "predictions": ["estimator", "seed", "fold"],
    "scores": ["estimator", "seed", "fold"],
    "leakage": ["estimator", "seed"],
    "errors": ["estimator", "seed", "fold"],
}  # in the order of writing, and the columns by which each is sorted
EMPTY = {
    "predictions": [
        "estimator",
        "seed",
        "fold",
        "sample",
        "speaker",
        "y_true",
        "y_pred",
    ],
    "scores": ["estimator", "transductive", "seed", "fold", "n_samples"],
    "leakage": ["estimator", "seed", "asked", "probe", "accuracy", "chance"],
    "errors": ["estimator", "seed", "fold", "error", "message", "traceback"],
}  # the columns where nothing was found
TEXTS = {
    *("estimator", "test_speakers", "chosen", "sample", "speaker", "y_true", "y_pred"),
    *("asked", "probe", "error", "message", "traceback"),
    *("train", "test", "domain", "target"),
}
INTEGERS = {"seed", "n_samples", "candidates", "n_speakers"}
PACKAGES = [
    *("advser", "joblib", "numpy", "pandas", "scikit-learn", "scipy", "skorch"),
    "torch",
]


class Store:
    """The rows found so far, in memory and, as they come, in a folder.

    Parameters
    ----------
    folder : str, path-like or None
        Created if missing. What an earlier call with the same settings has found is
        there at once, but for its errors: what failed is tried again.

    settings : dict
        What the results depend on, ready for JSON.

    labels : dict of str to sequence
        Values that may occur in a column of the predictions, of which the folder knows
        only how they are written.

    Raises
    ------
    FileExistsError
        If the folder holds tables that other settings have led to.
    """

    def __init__(self, folder, settings, labels):
        self.settings = settings
        self.found = {name: [] for name in TABLES}
        self.folder = None if folder is None else Path(folder)
        if folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / SETTINGS).exists():
            check_same(read_settings(self.folder), settings, self.folder)
            self._resume(labels)
            return
        for name in TABLES:
            if self._path(name).exists():
                raise FileExistsError(
                    f"`folder` holds {self._path(name)} but no {SETTINGS}, and so "
                    "nobody knows how it was found; name another folder, or remove the "
                    "old tables."
                )
        write_json(self.folder / SETTINGS, settings)

    def _resume(self, labels):
        tables = read_tables(self.folder)
        scores, predictions = tables["scores"], tables["predictions"]
        n_predicted = predictions.groupby(["estimator", "seed", "fold"]).size()
        n_predicted = n_predicted.reindex(keys_of(scores), fill_value=0)
        scores = scores[n_predicted.to_numpy() == scores["n_samples"].to_numpy()]
        predictions = predictions[keys_of(predictions).isin(keys_of(scores))]
        for column, values in labels.items():
            known = {str(value): value for value in values}
            written = predictions[column]
            predictions = predictions.assign(
                **{column: [known.get(text, text) for text in written]}
            )
        n_answers = len(self.settings["probes"]) * len(self.settings["asked"])
        leakage = tables["leakage"]
        runs = leakage.groupby(["estimator", "seed"])["probe"]
        leakage = leakage[runs.transform("size") == n_answers]
        kept = {"predictions": predictions, "scores": scores, "leakage": leakage}
        for name, table in kept.items():
            if len(table):
                self.found[name] = [table]
                write_table(self._path(name), table)
            else:
                self._path(name).unlink(missing_ok=True)
        self._path("errors").unlink(missing_ok=True)

    def done(self):
        """Return estimator, seed and fold of all fits; the fold is None for leakage."""
        fits = {key for table in self.found["scores"] for key in keys_of(table)}
        probed = {
            (*key, None)
            for table in self.found["leakage"]
            for key in table[["estimator", "seed"]].itertuples(index=False, name=None)
        }
        return fits | probed

    def add(self, tables):
        """Take the rows of a result: a thread does, which Ctrl-C does not cut short."""
        with ThreadPoolExecutor(1) as writer:
            writer.submit(self._add, tables).result()

    def _add(self, tables):
        for name in TABLES:
            if name not in tables:
                continue
            is_first = not self.found[name]
            self.found[name].append(tables[name])
            if self.folder is None:
                continue
            if name == "errors":  # their lines are many and they are few
                write_table(self._path(name), pd.concat(self.found[name]))
            else:
                tables[name].to_csv(
                    self._path(name), mode="a", header=is_first, index=False
                )

    def tables(self):
        """Return all rows, sorted by the order of the estimators, seed and fold."""
        tables = {
            name: pd.concat(found, ignore_index=True) if found else empty(name)
            for name, found in self.found.items()
        }
        return in_order(tables, self.settings)

    def _path(self, name):
        return self.folder / f"{name}.csv"


def empty(name):
    """Return a table without rows."""
    return pd.DataFrame(columns=EMPTY[name])


def in_order(tables, settings):
    """Sort tables by the order of the estimators, seed and fold."""
    rank = {name: number for number, name in enumerate(settings["estimators"])}
    found = {}
    for name, keys in TABLES.items():
        rows = tables[name]
        ranks = rows[keys].assign(estimator=rows["estimator"].map(rank))
        order = ranks.sort_values(keys, kind="stable").index
        found[name] = rows.loc[order].reset_index(drop=True)
    return found


def keys_of(table):
    """Return estimator, seed and fold of each row, as an index."""
    return pd.MultiIndex.from_frame(table[["estimator", "seed", "fold"]])


def check_same(old, new, folder, path=""):
    """Raise a FileExistsError that names the first setting that is not the same."""
    new = json.loads(json.dumps(new))
    for key in old | new:
        here = f"{path}{key}"
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            check_same(one, other, folder, f"{here}.")
        elif one != other:
            raise FileExistsError(
                f"`folder` {str(folder)!r} holds a comparison with {here} = "
                f"{shortened(one)}, and now it is {shortened(other)}. Name another "
                "folder, or go on with what it was."
            )
    if list(old) != list(new):
        raise FileExistsError(
            f"`folder` {str(folder)!r} holds a comparison of {path}{list(old)}, and "
            f"now the order is {list(new)}. Name another folder, or go on in that "
            "order."
        )


def shortened(value):
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def read_settings(folder, across=None):
    """Return the settings of the comparison in a folder.

    Parameters
    ----------
    folder : str or path-like

    across : bool, default=None
        Whether it must be one across corpora, or must not. None for either.

    Raises
    ------
    FileNotFoundError
        If there is none of this kind.
    """
    file = Path(folder) / SETTINGS
    if not file.is_file():
        raise FileNotFoundError(
            f"`folder` {str(folder)!r} holds no comparison: {SETTINGS} is missing. "
            "Pass the folder that was given to `compare`, or to `advser benchmark` as "
            "--out."
        )
    settings = json.loads(file.read_text(encoding="utf-8"))
    if across is not None and across != ("pairs" in settings):
        kinds = ["Comparison.load", "CrossCorpusComparison.load"]
        raise FileNotFoundError(
            f"`folder` {str(folder)!r} holds a comparison of another kind; read it by "
            f"`{kinds[not across]}`."
        )
    return settings


def read_tables(folder):
    """Return the tables in a folder, without a last row that was cut short."""
    return {name: read_table(Path(folder) / f"{name}.csv", name) for name in TABLES}


def read_table(file, name):
    content = file.read_bytes() if file.exists() else b""
    content = content[: content.rfind(b"\n") + 1].decode("utf-8")
    if not content:
        return empty(name)
    # Read as text, since a speaker may be called 03 and an emotion "none".
    table = pd.read_csv(StringIO(content), dtype=str, keep_default_na=False)
    return table.apply(typed)


def typed(column):
    """Return a column that was read as text as what it was."""
    if column.name in TEXTS:
        return column
    if column.name in ("transductive", "unlabeled"):
        return column == "True"
    numbers = column.replace("", "nan").astype(float)
    is_whole = column.name in INTEGERS or (
        column.name == "fold" and "" not in [*column]
    )
    return numbers.astype(int) if is_whole else numbers


def write_table(file, table):
    """Write a table to a CSV file, whole or not at all."""
    write_text(file, table.to_csv(index=False))


def write_json(file, content):
    """Write a JSON file, whole or not at all."""
    write_text(file, json.dumps(content, indent=2) + "\n")


def write_text(file, text):
    """Write a text to a file, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, file)


def fingerprint(X, *labels):
    """Return a text that changes with the data.

    Of a list of files, these are the names.
    """
    is_list = isinstance(X, list)  # whose `index` is a method
    index = None if is_list else [str(name) for name in getattr(X, "index", ())]
    values = X if is_list else np.asarray(X)
    texts = [[str(label) for label in column] for column in labels]
    return joblib.hash([index, values, texts])


def described(model):
    """Return the parameters of an estimator and of its parts, ready for JSON."""
    return {
        name: as_json(value)
        for name, value in model.get_params().items()
        if name not in ("steps", "transformers", "transformer_list")
    }


def as_json(value):
    """Return the value of a parameter, or how it is written, ready for JSON."""
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return float(value)
    if hasattr(value, "get_params"):
        return type(value).__name__
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    if isinstance(value, np.ndarray):  # written in parts, if it is long
        return f"{text} {joblib.hash(value)}"
    code = getattr(value, "__code__", None)  # functions may share a name, or have none
    if code is not None:
        told = code.co_code, code.co_names, repr(code.co_consts)
        return f"{text} {joblib.hash(told)}"
    return text


def environment():
    """Return the versions that results depend on."""
    return {
        "python": platform.python_version(),
        **{name: installed(name) for name in PACKAGES},
    }


def installed(package):
    """Return the version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
