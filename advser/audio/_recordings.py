"""Recordings: what you pass, read and checked before openSMILE gets it.

openSMILE returns features for almost any input: for a file that is cut short, for
samples above full scale (they wrap around), for integers taken as floats. It returns
zeros or NaN for what it cannot use, without an error. The checks here make sure that
the features of a recording are right, or missing with a reason.

The errors here start with a verb: the caller puts the name of the recording before it.
"""

import os
import re
from collections.abc import Iterable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_scalar

FULL_SCALE = 1 - 2**-15  # the largest 16-bit sample; openSMILE wraps larger ones
MAX_PEAK = 1.5  # decoders of lossy formats exceed full scale, but by less than this
MAX_CHANNELS = 64
MIN_SECONDS = 0.060  # the longest analysis window of eGeMAPS
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz
MAX_LOSS = 0.010  # seconds: the step from one frame of openSMILE to the next
SEGMENT = ["file", "start", "end"]  # columns of a table of segments

# Where a file is shorter than its header says, libsndfile corrects the length without
# an error; only its log shows both. A program that writes to a pipe cannot go back to
# fill in the size and leaves a huge one there; others are wrong by a few bytes.
CHUNK_SIZE = re.compile(
    r"^ *(?:data|SSND|BODY|riff|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)
PIPED_SIZE = 0x7FFF0000
CUT_SHORT = re.compile(
    r"^(?:Seems to be a truncated file"
    r"|\*\*\* Calculated frame count \d+ does not match value from 'ds64'"
    r"|Ogg: Junk after the last page)",
    re.MULTILINE,
)


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
    if isinstance(X, tuple) and len(X) == 2 and isinstance(X[1], Real):
        raise ValueError(
            "`X` must be a list of recordings, got one pair (signal, sampling_rate); "
            "pass a list that holds the pair."
        )
    if isinstance(X, pd.DataFrame) and list(X.columns) == SEGMENT and len(X):
        return list(X.itertuples(index=False, name=None))
    if isinstance(X, pd.DataFrame) and X.shape[1] != 1:
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
            with open(file, "rb") as opened:
                status = os.fstat(opened.fileno())
        except OSError as error:
            raise type(error)(
                f"cannot be opened: {error.strerror}; `X` takes paths of audio files."
            ) from error
        times = check_times(*item[1:]) if is_sequence else ()
        return Recording(file, (status.st_size, status.st_mtime_ns), *times)
    if is_sequence and len(item) == 2:
        return Recording(signal=np.asarray(item[0]), sampling_rate=item[1])
    is_missing = is_scalar(item) and pd.isna(item)
    kind = "a missing value" if is_missing else f"of type {type(item).__name__}"
    raise ValueError(
        f"is {kind}; pass a path, a pair (signal, sampling_rate) or a segment (path, "
        "start, end)."
    )


def check_times(start: Any, end: Any) -> tuple[float, float | None]:
    """Return start and end in seconds; the end is None for the end of the file."""
    start = 0.0 if pd.isna(start) else float(start)
    end = None if pd.isna(end) else float(end)
    if start < 0 or (end is not None and end <= start):
        raise ValueError(
            f"has a segment from {start:g} to {'its end' if end is None else end} s; "
            "it must start at 0 or later and end after its start."
        )
    return start, end


def read_recording(
    recording: Recording, channel: int | str, sampling_rate: int | None
) -> tuple[np.ndarray, int]:
    """Return the samples that openSMILE gets, float32 of shape (n,), and their rate.

    A ValueError gives the reason why the recording cannot be used.
    """
    if recording.file is None:
        signal, rate = scale(recording.signal), recording.sampling_rate
    else:
        signal, rate = read_file(recording.file, recording.start, recording.end)
    if not signal.size:
        raise ValueError("holds no samples.")
    is_number = isinstance(rate, Real)
    if not (is_number and MIN_RATE <= rate <= MAX_RATE and rate % 1 == 0):
        raise ValueError(
            f"has the sampling rate {rate!r:.60}; it must be a whole number of Hz from "
            f"{MIN_RATE} to {MAX_RATE}."
        )
    rate = int(rate)
    signal = check_samples(pick_channel(signal, channel))
    if sampling_rate is not None:
        import audresample

        signal = audresample.resample(signal, rate, sampling_rate)[0]
        rate = sampling_rate
    signal = np.clip(signal, -1, FULL_SCALE)  # resampling may exceed full scale as well
    if len(signal) < MIN_SECONDS * rate:
        raise ValueError(
            f"lasts {1000 * len(signal) / rate:.1f} ms; openSMILE needs at least "
            f"{1000 * MIN_SECONDS:.0f} ms."
        )
    if not np.ptp((signal * 32768).astype(np.int16)):
        raise ValueError("holds only digital silence; leave it out.")
    return signal, rate


def read_file(file: str, start: float, end: float | None) -> tuple[np.ndarray, int]:
    """Return the samples of an audio file, (n_channels, n_samples), and its rate."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            rate, n_frames, log = sound.samplerate, sound.frames, sound.extra_info
            first = round(start * rate)
            last = n_frames if end is None else round(end * rate)
            if first > n_frames or last - n_frames > MAX_LOSS * rate:
                raise ValueError(
                    f"lasts {n_frames / rate:.3f} s, and its segment goes from "
                    f"{start:g} to {last / rate:g} s; correct `start` and `end`."
                )
            if first:
                sound.seek(first)
            n_expected = min(last, n_frames) - first
            n_wanted = -1 if end is None else n_expected
            signal = sound.read(n_wanted, dtype="float32", always_2d=True).T
    except (soundfile.SoundFileError, TypeError) as error:
        # soundfile raises a TypeError for the suffixes of formats without a header.
        reason = getattr(error, "error_string", "it has no header")
        raise ValueError(
            f"cannot be read as audio: {reason.rstrip('.')}; convert it to WAV or FLAC "
            "if other programs can play it."
        ) from error
    lost = [(n_expected - signal.shape[1]) / rate]  # seconds
    for size, found in CHUNK_SIZE.findall(log):
        if int(found) and int(size) < PIPED_SIZE:
            lost.append(n_frames / rate * (int(size) / int(found) - 1))
    if max(lost) > MAX_LOSS or CUT_SHORT.search(log):
        raise ValueError(
            f"is cut short: it ends after {(first + signal.shape[1]) / rate:.3f} s, "
            "earlier than its header says; restore the file."
        )
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


def check_samples(signal: np.ndarray) -> np.ndarray:
    """Return the samples as float32; raise if they are no numbers or out of scale."""
    wrong = np.flatnonzero(~np.isfinite(signal))
    if wrong.size:
        raise ValueError(
            f"has {wrong.size} NaN or infinite samples, the first at index {wrong[0]}; "
            "replace or cut them."
        )
    peak = np.abs(signal).max()
    if peak > MAX_PEAK:
        raise ValueError(
            f"has a peak of {peak:.5g}, and full scale is 1; divide the samples by "
            "their full scale (32768 for 16 bit)."
        )
    return np.ascontiguousarray(signal, dtype=np.float32)
