"""The base of the transformers of recordings: reading, cache, failures, progress."""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if

from .._locks import replacing
from .._progress import progress_bar
from .._validation._parameters import Number, StrOptions
from .._validation._paths import check_path
from ._recordings import file_of, list_recordings, parse_recording, read_recording

GUARDS = 2  # raise it with each change of `read_recording` that changes features


class Failure(NamedTuple):
    """A recording that cannot be used."""

    row: int
    file: str | None
    error: str
    reason: str


class Extractor(TransformerMixin, BaseEstimator):
    """Turn recordings into features: read, check and cache each, and list failures.

    A subclass has the parameters below, `recipe`, `feature_names` and `_computer`.
    There is nothing to learn.
    """

    _parameter_constraints: dict[str, Any] = {
        "channel": [StrOptions({"mix"}), Number(Integral, 0)],
        "memory": [str, os.PathLike, None],
        "verbose": ["verbose"],
        "on_error": [StrOptions({"raise", "nan"})],
        "overload": [StrOptions({"raise", "clip", "normalize"})],
    }
    memory: str | os.PathLike | None
    verbose: int
    on_error: str
    n_jobs: int | None = 1
    batch_size = 1
    _is_table = True  # one row for each recording

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that the features depend on, versions included."""
        raise NotImplementedError

    @property
    def feature_names(self) -> list[str]:
        """Names of the features."""
        raise NotImplementedError

    def _computer(self) -> Callable[[list[tuple[np.ndarray, int]]], list[np.ndarray]]:
        """Return a function from signals and their rates to the features of each."""
        raise NotImplementedError

    def fit(self, X: Any, y: None = None) -> Self:
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n,)
            Ignored.

        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._validate_params()
        return self

    def transform(self, X: Iterable) -> np.ndarray:
        """Extract the features of recordings.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame, of shape (n,)
            Paths, pairs ``(signal, sampling_rate)`` or segments ``(path, start,
            end)``. Segments may be a DataFrame with the columns `file`, `start` and
            `end`.

        Returns
        -------
        features : ndarray of shape (n, n_features), dtype float32
            A row for each recording. With ``level="lld"`` of :class:`~advser.EGeMAPS`,
            an array of shape (n,) and dtype object, with an array for each recording.

        Raises
        ------
        ValueError
            If `X` is empty or holds no recordings; with `on_error="raise"` also if a
            recording cannot be used.

        OSError
            With `on_error="raise"`, if a file cannot be opened: a FileNotFoundError,
            IsADirectoryError or PermissionError.
        """
        features = self._extract(X)
        if self.on_error == "nan" and len(self.failures_):
            _warn_of_failures(self.failures_, len(features))
        return features

    def _extract(self, X: Iterable) -> np.ndarray:
        """Return the features of recordings, without a warning of those that failed."""
        self._validate_params()
        recordings = list_recordings(X)
        recipe, n_features = self.recipe, len(self.feature_names)
        memory = None
        if self.memory is not None:
            memory = check_path(self.memory, "memory").absolute()
            memory.mkdir(parents=True, exist_ok=True)
        numbered, computer = [*enumerate(recordings)], self._computer()
        parallel = joblib.Parallel(
            n_jobs=self.n_jobs,
            prefer="threads",
            return_as="generator" if self.verbose else "list",
        )
        batches = parallel(
            joblib.delayed(_attempt)(
                numbered[first : first + self.batch_size],
                *(recipe, n_features, computer, memory, self.on_error),
            )
            for first in range(0, len(numbered), self.batch_size)
        )
        results = list(
            progress_bar(
                chain.from_iterable(batches),
                name=recipe["feature_set"],
                unit="recordings",
                total=len(recordings),
                verbose=self.verbose,
            )
        )
        if self.on_error == "nan":
            failures = [result for result in results if isinstance(result, Failure)]
            self.failures_ = pd.DataFrame(failures, columns=Failure._fields)
            blank = np.full((1, n_features), np.nan, dtype=np.float32)
            for failure in failures:
                results[failure.row] = blank
        self._check_results(results, recordings)
        if self._is_table:
            return np.concatenate(results)  # (n, n_features)
        features = np.empty(len(results), dtype=object)
        features[:] = results  # each (n_frames, n_features)
        return features

    def _check_results(self, results: list[np.ndarray], recordings: list) -> None:
        """Warn of features that may be meaningless; called by `transform` only."""

    @available_if(lambda self: self._is_table)
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        feature_names_out : ndarray of shape (n_features,), dtype object
        """
        return np.asarray(self.feature_names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def _attempt(
    batch: list[tuple[int, Any]],
    recipe: dict,
    n_features: int,
    computer: Callable,
    memory: Path | None,
    on_error: str,
) -> list[np.ndarray | Failure]:
    """Return the features of each recording, or the reason why it has none.

    soundfile and openSMILE call Python functions, and an exception by Ctrl-C inside
    them would be lost; Python raises it in the main thread only. And Python must not
    end while they run, or it aborts; it does not wait for the threads of joblib. So
    they run in a thread that Python waits for.
    """
    items = dict(batch)
    found: dict[int, np.ndarray | Failure] = {}
    entries, signals = {}, {}
    settings = [recipe[name] for name in ("channel", "sampling_rate", "overload")]
    with ThreadPoolExecutor(1) as executor:
        for row, item in batch:
            try:
                recording = parse_recording(item)
                if memory is not None:
                    name = f"{joblib.hash((recording, recipe))}.features"
                    entries[row] = memory / name
                    features = _read_entry(entries[row], n_features)
                    if features is not None:
                        found[row] = features
                        continue
                read = executor.submit(read_recording, recording, *settings)
                signals[row] = read.result()
            except Exception as error:  # of one recording, so it costs one row
                found[row] = _failure(row, item, error, on_error)
        groups = [[*signals]] if signals else []
        for rows in groups:
            computing = executor.submit(computer, [signals[row] for row in rows])
            try:
                computed = computing.result()
            except Exception as error:
                if len(rows) > 1:  # find out whose error it is
                    groups += [[row] for row in rows]
                    continue
                found[rows[0]] = _failure(rows[0], items[rows[0]], error, on_error)
                continue
            for row, features in zip(rows, computed, strict=True):
                found[row] = features
                if memory is not None:
                    _write_entry(entries[row], features)
    return [found[row] for row in items]


def _failure(row, item, error, on_error):
    """Return why a recording cannot be used, or raise."""
    file = file_of(item)
    is_usual = isinstance(error, OSError | ValueError)
    reason = str(error) if is_usual else f"cannot be processed: {error!r}"
    if on_error == "nan":
        return Failure(row, file, type(error).__name__, reason)
    kind = type(error) if isinstance(error, OSError) else ValueError
    raise kind(f"`{file or f'X[{row}]'}` {reason}") from error


def _warn_of_failures(failures, n_recordings):
    first = [
        f"`{failure.file if isinstance(failure.file, str) else f'X[{failure.row}]'}` "
        f"{failure.reason}"
        for failure in failures.head(3).itertuples()
    ]
    warnings.warn(
        f"{len(failures)} of {n_recordings} recordings cannot be used, and their "
        f"features are NaN; `failures_` lists them. The first: {' '.join(first)}",
        stacklevel=4,  # the line that calls transform, which set_output wraps
    )


def _write_entry(entry: Path, features: np.ndarray) -> None:
    """Add features to the cache: the SHA-256 of their bytes, and the bytes."""
    content = features.astype("<f4").tobytes()
    # Of this thread alone. After a power cut, a damaged entry is computed again.
    with replacing(entry, durable=False) as unfinished:
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)


def _read_entry(entry: Path, n_features: int) -> np.ndarray | None:
    """Return features from the cache, or None if they are missing or damaged."""
    if not entry.is_file():
        return None
    content = entry.read_bytes()
    digest, content = content[:32], content[32:]
    if digest != hashlib.sha256(content).digest() or len(content) % (4 * n_features):
        return None
    return np.frombuffer(content, "<f4").reshape(-1, n_features).astype(np.float32)
