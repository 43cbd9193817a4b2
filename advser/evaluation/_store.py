"""The folder of a comparison: rows as they come, and the settings that led to them.

An interrupt, even a power cut, loses the current fits and nothing else: scores are
written after their predictions, and a last row that is incomplete is dropped when the
folder is read.
"""

import csv
import errno
import json
import os
import platform
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Self

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback
from torch import nn
from torch.nn.parameter import is_lazy

from .._locks import locked, replacing
from .._validation._arrays import plain
from .._validation._paths import check_path
from ..speakers._knowledge import kind_of
from ._reading import (
    COLUMNS,
    KEYS,
    SETTINGS,
    empty,
    in_order,
    read_settings,
    read_tables,
)

OVERVIEW = {
    *("uar", "uar_std", "uar_low", "uar_high", "ccc", "ccc_std", "ccc_low", "ccc_high"),
    *("kind", "target", "errors"),
}  # the columns of a summary that are printed
PLAIN = bool | int | float | str | tuple | None
TABLES = (np.ndarray, pd.DataFrame, pd.Series)
NESTED = (tuple, list, Mapping, BaseEstimator)
MAX_SHOWN = 20  # entries of an array among the parameters
SHOWN: dict = {"float_format": "{:.3f}".format, "na_rep": ""}
PACKAGES = [
    *("advser", "joblib", "numpy", "pandas", "scikit-learn", "scipy", "skorch"),
    "torch",
]
KNOWN = {"builtins", "abc", "sklearn", *PACKAGES}


@contextmanager
def held(folder):
    """Make a folder, and hold its lock: two processes never write into one folder."""
    if folder is None:
        yield
        return
    with writing(check_path(folder, "folder")) as path:
        path.mkdir(parents=True, exist_ok=True)
    with locked(path / SETTINGS):
        yield


class Store:
    """The rows found so far, in memory and in a folder.

    Parameters
    ----------
    folder : str, path-like or None
        An existing folder. The results of an earlier call with the same settings are
        read from it. Its errors are not: those fits are tried again.

    settings : dict
        What the results depend on, ready for JSON.

    utterances : Utterances
        Its names of samples and speakers are text in the folder.

    task : EmotionTask or RatingTask
        Its emotions are text in the folder.

    Raises
    ------
    FileExistsError
        If the folder holds results of other settings.
    """

    def __init__(self, folder, settings, utterances, task):
        self.settings = settings
        self.found = {name: [] for name in COLUMNS}
        self.folder = None if folder is None else Path(folder)
        self.is_resumed = False
        if folder is None:
            return
        if (self.folder / SETTINGS).exists():
            self.is_resumed = True
            check_same(read_settings(self.folder), settings, self.folder)
            labels = {"sample": utterances.samples, "speaker": utterances.speakers}
            self._resume(labels | task.labels())
        elif old := [file for file in map(self._path, COLUMNS) if file.exists()]:
            raise FileExistsError(
                f"`folder` holds {old[0]} but no {SETTINGS}, so that the settings of "
                "its results are unknown; name another folder, or remove the old "
                "tables."
            )
        write_json(self.folder / SETTINGS, settings)  # with the new order of estimators

    def _resume(self, labels):
        """Read the results of finished fits; `labels` are the values in a column."""
        tables = read_tables(self.folder, self.settings)
        scores, predictions = tables["scores"], tables["predictions"]
        for column, values in labels.items():
            known = {str(value): value for value in values}
            values = [known.get(text, text) for text in predictions[column]]
            predictions = predictions.assign(**{column: values})
        leakage = tables["leakage"]
        n_probed = leakage.groupby(["estimator", "seed"])["probe"].transform("size")
        n_expected = len(self.settings["probes"]) * len(self.settings["asked"])
        leakage = leakage[n_probed == n_expected]
        kept = {"predictions": predictions, "scores": scores, "leakage": leakage}
        self.found |= {name: [table] for name, table in kept.items() if len(table)}
        save(self.folder, kept | {"errors": empty("errors", self.settings)})

    def done(self):
        """Return estimator, seed and fold of all fits; the fold is None for leakage."""
        leakage = (table.assign(fold=None) for table in self.found["leakage"])
        return {
            key
            for table in [*self.found["scores"], *leakage]
            for key in table[KEYS].itertuples(index=False, name=None)
        }

    def add(self, tables):
        """Add the rows of a job, in a thread: Ctrl-C does not interrupt the writing."""
        with ThreadPoolExecutor(1) as writer:
            writer.submit(self._add, tables).result()

    def _add(self, tables):
        for name, table in tables.items():
            is_first = not self.found[name]
            self.found[name].append(table)
            if self.folder is None:
                continue
            if name == "errors":  # few rows, but each has many lines
                save(self.folder, {name: pd.concat(self.found[name])})
            else:
                with writing(self._path(name)) as file, file.open("ab") as stream:
                    stream.write(as_csv(table, header=is_first))

    def finish(self):
        """Return all tables in order, and write them to the folder in this order."""
        tables = {
            name: pd.concat(found or [empty(name, self.settings)], ignore_index=True)
            for name, found in self.found.items()
        }
        tables = in_order(tables, self.settings)
        if self.folder is not None:
            save(self.folder, tables)
        return tables

    def _path(self, name):
        return self.folder / f"{name}.csv"


def check_same(old, new, folder, path=""):
    """Raise a FileExistsError that names the first setting that is not the same."""
    new = json.loads(json.dumps(new))
    for key in old | new:
        here = f"{path}{key}"
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            check_same(one, other, folder, f"{here}.")
        elif path == "estimators." and None in (one, other):
            texts = ["includes", "does not"] if one else ["does not include", "does"]
            raise FileExistsError(
                f"`folder` {str(folder)!r} holds a comparison that {texts[0]} {key!r}, "
                f"and this one {texts[1]}. Name another folder, or compare the same "
                "estimators."
            )
        elif one != other:
            raise FileExistsError(
                f"`folder` {str(folder)!r} holds a comparison with {here} = "
                f"{shortened(one)}, and now it is {shortened(other)}. Name another "
                "folder, or use the old setting."
            )


def shortened(value):
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


class StoredComparison:
    """A comparison of tables and settings that can be read from a folder."""

    def __repr__(self) -> str:
        """Return the scores with their intervals over speakers."""
        return self._overview().to_string(**SHOWN)

    def _repr_html_(self):
        return self._overview().to_html(**SHOWN)

    def _overview(self):
        summary = self.summary()
        return summary[[column for column in summary if column in OVERVIEW]]

    @classmethod
    def load(cls, folder: str | PathLike) -> Self:
        """Read the comparison in a folder, even if it was interrupted.

        Parameters
        ----------
        folder : str or path-like
            The `folder` of the function that made it.

        Returns
        -------
        comparison : Comparison or CrossCorpusComparison
            Speakers, emotions and names of samples are strings, of whatever type they
            were before.

        Raises
        ------
        FileNotFoundError
            If there is no such comparison in the folder.
        ValueError
            If a file of it is damaged or foreign; the message has the line.
        """
        settings = read_settings(folder)
        kind = "CrossCorpusComparison" if "pairs" in settings else "Comparison"
        if kind != cls.__name__:
            raise FileNotFoundError(
                f"`folder` {str(folder)!r} holds a comparison of another kind; read it "
                f"by `{kind}.load`."
            )
        return cls._from_tables(read_tables(folder, settings), settings)

    @classmethod
    def _from_tables(cls, tables, settings):
        """Return the comparison of tables by name."""
        return cls(**tables, settings=settings)


def save(folder, tables):
    """Write tables to a folder, each whole or not at all; an empty one has no file."""
    for name, table in tables.items():
        file = Path(folder) / f"{name}.csv"
        if len(table):
            write_bytes(file, as_csv(table))
        else:
            file.unlink(missing_ok=True)


def as_csv(table, header=True):
    """Return a table as CSV."""
    text = table.to_csv(index=False, header=header)
    if "\r" in text:  # in the name of a file; Python below 3.13 does not quote it
        text = table.to_csv(index=False, header=header, quoting=csv.QUOTE_NONNUMERIC)
    return text.encode()


def unicode(text):
    """Return a text with escapes for the bytes of a file name that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def names_of_rows(X, n_rows):
    """Return the names of the rows as a file holds them: an index, or numbers."""
    index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)
    return np.asarray(
        index.map(lambda x: x if isinstance(x, Integral | tuple) else unicode(str(x)))
    )


def write_json(file, content):
    """Write a JSON file, whole or not at all."""
    write_bytes(file, f"{json.dumps(content, indent=2)}\n".encode())


def write_bytes(file, content):
    """Write a file, whole or not at all."""
    with writing(file), replacing(file) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def writing(file):
    """Let an error of a full or read-only disk name the file and what to do."""
    try:
        yield Path(file)
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(
            number,
            f"{os.strerror(number)}; what was finished is kept. Free disk space, "
            "or make the folder writable, and repeat the same call. Cannot write",
            str(file),
        ) from None


def fingerprint(X, *labels):
    """Return a text that changes with the data, or with the names of files."""
    is_list = isinstance(X, list)  # whose `index` is a method
    index = None if is_list else [str(name) for name in getattr(X, "index", ())]
    columns = [str(name) for name in getattr(X, "columns", ())]
    values = X if is_list else np.asarray(plain(X))
    texts = [[str(label) for label in column] for column in labels]
    return joblib.hash([index, columns, values, texts])


def described(model, within=()):
    """Return the parameters of an estimator and of its parts, ready for JSON."""
    values = model.get_params()
    parameters = {}
    for name, value in values.items():
        has_own = any(other.startswith(f"{name}__") for other in values)
        parameters[name] = class_of(value) if has_own else as_json(value, within)
    if isinstance(model, Pipeline):
        parameters["steps"] = [name for name, _ in model.steps]  # parts are above
    return parameters


def class_of(value):
    """Return the name of the class of an object, and what identifies its code.

    The code of the packages in `PACKAGES` is known by their versions.
    """
    code = {}
    for kind in type(value).__mro__:
        if kind.__module__.partition(".")[0] not in KNOWN:
            holds_settings = issubclass(kind, nn.Module)  # others may count their calls
            for name, member in vars(kind).items():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                if hasattr(member, "__code__"):
                    code[f"{kind.__name__}.{name}"] = as_json(_contents(member))
                elif holds_settings and isinstance(member, PLAIN) and name[:2] != "__":
                    code[f"{kind.__name__}.{name}"] = as_json(member)
    name = type(value).__name__
    return f"{name} {joblib.hash(code)}" if code else name


def planned(estimator, model, seeds, order=None):
    """Return how an estimator is run, ready for JSON; `model` may be a search of it."""
    return {
        "class": class_of(estimator),
        "kind": kind_of(model, order),
        "seeds": seeds,
        "parameters": described(estimator),
    }


def as_json(value, within=()):
    """Return the value of a parameter, or a text that identifies it, ready for JSON.

    `within` are the ids of the objects that hold the value.
    """
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return float(value)
    if id(value) in within:
        return type(value).__name__
    within = (*within, id(value))
    is_object = not isinstance(value, type | Callback)
    if is_object and hasattr(value, "get_params"):
        return {"class": class_of(value), **described(value, within)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each, within) for key, each in value.items()}
    if isinstance(value, set | frozenset):  # its order differs between processes
        return sorted(map(repr, value))
    shown = repr(value)
    text = re.sub(" at 0x[0-9a-fA-F]+", "", shown)
    if isinstance(value, tuple | list) and (
        text != shown or any(isinstance(v, (*TABLES, *NESTED)) for v in value)
    ):
        return [as_json(each, within) for each in value]
    if isinstance(value, TABLES):  # a long text would be shortened
        if np.size(value) > MAX_SHOWN:
            text = f"{type(value).__name__} of shape {value.shape}"
        return f"{text} {joblib.hash(value)}"
    if isinstance(value, type) or not (callable(value) or text != shown):
        return text
    contents = as_json(_contents(value), within)
    return f"{text} {joblib.hash(contents)}" if contents else text


def _contents(value):
    """Return what a function or an object holds, which its text does not show."""
    code = getattr(value, "__code__", None)
    if code is not None:
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        defaults = value.__defaults__, value.__kwdefaults__
        return [_instructions(code), defaults, getattr(value, "__self__", None), cells]
    if isinstance(value, nn.Module):
        return joblib.hash([_contents_of_module(part) for part in value.modules()])
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if hasattr(value, "__wrapped__"):  # a function with a cache
        return [value.__wrapped__]
    if isinstance(value, np.random.RandomState):
        return joblib.hash(value)
    parts = getattr(value, "__dict__", {})
    # A distribution of scipy holds the global generator.
    generator = np.random.RandomState
    return {name: v for name, v in parts.items() if not isinstance(v, generator)}


def _contents_of_module(module):
    """Return what a module holds itself: its tensors, and plain attributes."""
    contents = [class_of(module)]
    for name, tensor in chain(
        module.named_parameters(recurse=False), module.named_buffers(recurse=False)
    ):
        contents += [name, str(tensor.dtype), tensor.requires_grad]
        if not is_lazy(tensor):
            widest = torch.complex128 if tensor.is_complex() else torch.float64
            contents.append(tensor.to(widest).numpy(force=True))
    hidden = "_", "training"
    contents += [
        [name, as_json(attribute)]
        for name, attribute in vars(module).items()
        if isinstance(attribute, PLAIN) and not name.startswith(hidden)
    ]
    return contents


def _instructions(code):
    """Return what a function does, the same in each process."""
    constants = []
    for one in code.co_consts:
        if hasattr(one, "co_code"):  # an inner function, whose text has its address
            constants.append(_instructions(one))
        elif isinstance(one, frozenset):  # its order differs between processes
            constants.append(sorted(map(repr, one)))
        else:
            constants.append(repr(one))
    return code.co_code, code.co_names, constants


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
