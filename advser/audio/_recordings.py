"""Recordings: what you pass, read and checked before openSMILE gets it.

openSMILE returns features for almost any input: for a file that is cut short, for
samples above full scale (they wrap around), for integers taken as floats. It returns
zeros or NaN for what it cannot use, without an error. The checks here make sure that
the features of a recording are right, or missing with a reason.

The errors here start with a verb: the caller puts the name of the recording before it.
"""

import datetime
import os
import stat
import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_scalar

FULL_SCALE = 1 - 2**-15  # the largest 16-bit sample; openSMILE wraps larger ones
MAX_PEAK = 1.5  # decoders of lossy formats exceed full scale, but by less than this
MAX_CHANNELS = 64
LARGEST_HEADER = 4096  # bytes, of a file without samples
MIN_SECONDS = 0.060  # the longest analysis window of eGeMAPS
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz
SEGMENT = ["file", "start", "end"]  # columns of a table of segments


class Recording(NamedTuple):
    """A file, a segment of a file, or a signal."""

    file: str | None = None  # absolute path
    state: tuple[int, int] | None = None  # size and modification time of the file
    start: float = 0.0  # seconds
    end: float | None = None  # seconds; None for the end of the file
    signal: Any = None  # array
    sampling_rate: Any = None  # of the signal; not checked yet


def list_recordings(X: Iterable) -> list:
    """Return the recordings that a list, array, Series or DataFrame holds."""
    if isinstance(X, str | bytes | os.PathLike):
        raise ValueError(
            f"`X` must be a list of recordings, got one path; pass [{X!r}]."
        )
    if not isinstance(X, Iterable):
        raise ValueError(f"`X` must be a list of recordings, got {X!r:.60}.")
    if isinstance(X, tuple) and len(X) == 2 and isinstance(X[1], Real):
        raise ValueError(
            "`X` must be a list of recordings, got one pair (signal, sampling_rate); "
            "pass a list that holds the pair."
        )
    if isinstance(X, pd.DataFrame) and list(X.columns) == SEGMENT:
        X = X.itertuples(index=False, name=None)
    elif isinstance(X, pd.DataFrame) and X.shape[1] != 1:
        raise ValueError(
            f"`X` must have one column, which holds the recordings, got {X.shape[1]}: "
            f"{list(X.columns)}; select one of them, or {SEGMENT}."
        )
    if hasattr(X, "__array__"):
        X = np.asarray(X)
        # NumPy makes an array of shape (n, 2) of a list of pairs.
        if (
            X.dtype.kind not in "OUT"
            or not X.ndim
            or X.shape[1:] not in {(), (1,), (2,)}
        ):
            raise ValueError(
                "`X` must hold recordings: paths, pairs (signal, sampling_rate) or "
                f"segments (path, start, end); got an array of shape {X.shape} and "
                f"dtype {X.dtype}."
            )
        if X.ndim == 2:
            X = X[:, 0] if X.shape[1] == 1 else map(tuple, X)
    recordings = list(X)
    if not recordings:
        raise ValueError("`X` is empty; it must hold at least one recording.")
    return recordings


def file_of(item: Any) -> str | None:
    """Return the path of an element of `X`, or None for a signal."""
    if isinstance(item, tuple | list) and len(item) == len(SEGMENT):
        item = item[0]
    return os.fspath(item) if isinstance(item, str | os.PathLike) else None


def parse_recording(item: Any) -> Recording:
    """Return an element of `X` as a Recording; raise a ValueError if it is none."""
    file = file_of(item)
    is_sequence = isinstance(item, tuple | list)
    if file is not None:
        file = os.path.abspath(file)
        try:
            status = os.stat(file)
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                open(file, "rb").close()
            else:  # to open a pipe would wait for a program that writes to it
                raise ValueError("is a pipe or a device; `X` takes audio files.")
        except OSError as error:
            raise type(error)(
                f"cannot be opened: {error.strerror}; `X` takes paths of audio files."
            ) from error
        times = check_times(*item[1:]) if is_sequence else ()
        return Recording(file, (status.st_size, status.st_mtime_ns), *times)
    if is_sequence and len(item) == 2:
        try:
            return Recording(signal=np.asarray(item[0]), sampling_rate=item[1])
        except ValueError as error:
            raise ValueError(f"is no array: {error}") from error
    is_missing = is_scalar(item) and pd.isna(item)
    kind = "a missing value" if is_missing else f"of type {type(item).__name__}"
    raise ValueError(
        f"is {kind}; pass a path, a pair (signal, sampling_rate) or a segment (path, "
        "start, end)."
    )


def check_times(start: Any, end: Any) -> tuple[float, float | None]:
    """Return start and end in seconds; the end is None for the end of the file."""
    first, last = to_seconds(start, "start") or 0.0, to_seconds(end, "end")
    if first < 0 or (last is not None and last <= first):
        raise ValueError(
            f"has a segment from {first:g} to {'its end' if last is None else last} s; "
            "it must start at 0 or later and end after its start."
        )
    return first, last


def to_seconds(time: Any, name: str) -> float | None:
    """Return a number of seconds or a duration as a float, or None if it is missing."""
    if is_scalar(time) and pd.isna(time):
        return None
    if isinstance(time, datetime.timedelta | np.timedelta64):
        return pd.Timedelta(time).total_seconds()
    try:
        seconds = np.nan if isinstance(time, bool | np.bool_) else float(time)
    except (OverflowError, TypeError, ValueError):
        seconds = np.nan
    if not np.isfinite(seconds):
        raise ValueError(
            f"has the {name} {time!r:.60}, which is no time; pass seconds or a "
            "duration."
        )
    return seconds


def read_recording(
    recording: Recording,
    channel: int | str,
    sampling_rate: int | None,
    overload: str = "raise",
) -> tuple[np.ndarray, int]:
    """Return the samples that openSMILE gets, float32 of shape (n,), and their rate.

    A ValueError gives the reason why the recording cannot be used.
    """
    if recording.file is None:
        signal, rate = scale(recording.signal), recording.sampling_rate
    else:
        from ._files import read_file

        signal, rate = read_file(recording.file, recording.start, recording.end)
    if not signal.size:
        reason = "holds no samples."
        if recording.file is not None and recording.end is None:
            size = os.stat(recording.file).st_size
            if size > LARGEST_HEADER:  # as a recorder leaves it that has lost its power
                reason = (
                    f"holds no samples by its header, and has {size:,} bytes; repair "
                    "it, for instance with `ffmpeg -i`."
                )
        raise ValueError(reason)
    is_number = isinstance(rate, Real)
    if not (is_number and MIN_RATE <= rate <= MAX_RATE and rate % 1 == 0):
        raise ValueError(
            f"has the sampling rate {rate!r:.60}; it must be a whole number of Hz from "
            f"{MIN_RATE} to {MAX_RATE}."
        )
    rate = int(rate)
    channels, signal = signal, pick_channel(signal, channel)
    signal = check_samples(signal, overload, recording.file)
    if sampling_rate is not None:
        import audresample

        signal = audresample.resample(signal, rate, sampling_rate)[0]
        rate = sampling_rate
    signal = np.clip(signal, -1, FULL_SCALE)  # resampling may exceed full scale as well
    if len(signal) < MIN_SECONDS * rate:
        raise ValueError(
            f"lasts {1000 * len(signal) / rate:.1f} ms; features need at least "
            f"{1000 * MIN_SECONDS:.0f} ms."
        )
    if is_silent(signal):
        if channel == "mix" and not all(map(is_silent, channels)):
            raise ValueError(
                f"has {len(channels)} channels that cancel each other out; choose one "
                "with `channel`."
            )
        raise ValueError("holds only digital silence; leave it out.")
    return signal, rate


def scale(signal: np.ndarray) -> np.ndarray:
    """Return an array of samples as floats of shape (n_channels, n_samples)."""
    channels = signal[np.newaxis] if signal.ndim == 1 else signal
    if channels.ndim != 2 or min(channels.shape) > MAX_CHANNELS:
        raise ValueError(
            f"has shape {signal.shape}; a signal has shape (n_samples,), "
            "(n_channels, n_samples) or (n_samples, n_channels)."
        )
    if channels.shape[0] > channels.shape[1] > 0:
        channels = channels.T
    if channels.dtype.kind == "f":
        return channels
    if channels.dtype in (np.int16, np.int32):
        return channels / np.float32(-np.iinfo(channels.dtype).min)
    if channels.dtype == np.uint8:
        return (channels - np.float32(128)) / np.float32(128)
    raise ValueError(
        f"has dtype {signal.dtype}, which has no known full scale; pass floats in "
        "[-1, 1] or int16."
    )


def pick_channel(signal: np.ndarray, channel: int | str) -> np.ndarray:
    """Return one channel, or the mean of all: (n_samples,)."""
    if isinstance(channel, str):  # "mix"
        # Decoders interleave the channels; a sum over those takes ten times as long.
        return np.ascontiguousarray(signal).mean(axis=0)
    if channel < len(signal):
        return signal[channel]
    raise ValueError(
        f"has {len(signal)} channels and `channel` is {channel}; channels are counted "
        "from 0."
    )


def check_samples(signal: np.ndarray, overload: str, file: str | None) -> np.ndarray:
    """Return the samples as float32; raise if they are no numbers or out of scale."""
    wrong = np.flatnonzero(~np.isfinite(signal))
    if wrong.size:
        raise ValueError(
            f"has {wrong.size} NaN or infinite samples, the first at index {wrong[0]}; "
            "replace or cut them."
        )
    peak = np.abs(signal).max()
    if peak > MAX_PEAK and overload == "raise":
        raise ValueError(
            f"has a peak of {peak:.5g}, and full scale is 1; if its full scale is "
            "32768 (16 bit), divide by it. Otherwise set `overload` to 'clip' or "
            "'normalize'."
        )
    if peak > MAX_PEAK:
        done = {"clip": "clipped to full scale", "normalize": "divided by it"}[overload]
        warnings.warn(
            f"`{file or 'A signal'}` has a peak of {peak:.5g}; its samples are {done}.",
            stacklevel=2,
        )
        if overload == "normalize":
            signal = signal / peak
    return np.ascontiguousarray(signal, dtype=np.float32)


def is_silent(signal: np.ndarray) -> bool:
    """Return whether all samples have the same value with 16 bits."""
    return not np.ptp((np.clip(signal, -1, FULL_SCALE) * 32768).astype(np.int16))
