"""Audio to eGeMAPS: openSMILE's features, guarded where openSMILE is silent.

openSMILE returns something for almost any input: for a file cut in half, for samples
beyond full scale (they wrap around), for integers taken as floats. What it cannot use
becomes zeros or NaN without a word. Here every recording is checked on its way in, so
that its features are right, or missing with a reason.
"""

import os
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from numbers import Integral, Real
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from pandas.api.types import is_scalar
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_memory
from tqdm import tqdm

__all__ = ["EGeMAPS"]

FEATURE_SET = "eGeMAPSv02"
FULL_SCALE = 1 - 2**-15  # the largest 16-bit sample; openSMILE wraps what is above
MAX_PEAK = 1.5  # decoders of lossy formats overshoot full scale, but by less than this
MAX_CHANNELS = 64
MIN_SECONDS = 0.060  # the longest analysis window of eGeMAPS
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz
SEGMENT = ["file", "start", "end"]  # of a recording that is part of a file

# A file shorter than its header says: libsndfile repairs the length without an error,
# and tells it only in its log. Programs that write to a pipe, and cannot go back to
# fill in the size, leave a huge one there; others are off by a few bytes.
_CHUNK_SIZE = re.compile(
    r"^ *(?:data|SSND|BODY|riff|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_PIPED_SIZE = 0x7FFF0000
_CUT_SHORT = re.compile(
    r"^(?:Seems to be a truncated file"
    r"|\*\*\* Calculated frame count \d+ does not match value from 'ds64'"
    r"|Ogg: Junk after the last page)",
    re.MULTILINE,
)
MAX_LOSS = 0.010  # seconds: the step from one frame of openSMILE to the next


class _Recipe(NamedTuple):
    """All that decides what comes out of a recording, as part of the cache's key."""

    level: str
    channel: int | str
    sampling_rate: int | None
    opensmile: str
    audresample: str
    guards: int = 1  # to be raised with every change below that changes a feature


class _Failure(NamedTuple):
    """A recording that cannot be used."""

    row: int
    file: str | None
    error: str
    reason: str


def _gives_table(estimator):
    return estimator.level == "functionals"


class EGeMAPS(TransformerMixin, BaseEstimator):
    """Turn recordings into eGeMAPS features with openSMILE.

    The extended Geneva minimalistic acoustic parameter set (version 02) describes an
    utterance by 88 functionals of pitch, loudness, formants and spectrum, chosen for
    the voice research of emotion [1]_. Recordings of any corpus become comparable:
    they are mixed to one channel, resampled to 16 kHz and kept below full scale.

    Extraction learns nothing, so :meth:`transform` needs no :meth:`fit`.

    Parameters
    ----------
    level : {"functionals", "lld"}, default="functionals"
        What to describe: "functionals" the whole recording by one row, "lld" every
        10 ms of it by 25 low-level descriptors.

    channel : "mix" or int, default="mix"
        Which channel to use: the mean of all, or the one of this index.

    sampling_rate : int or None, default=16000
        Rate in Hz to which recordings are resampled. None keeps the rate of each,
        which makes recordings of different rates incomparable: at 8, 44.1 or 48 kHz
        some 40 of the 88 functionals are more than 10 % away from those at 16 kHz.

    n_jobs : int, default=None
        Number of recordings worked on at once; -1 for one per core. None means 1
        unless in a :obj:`joblib.parallel_config` context. The workers are threads,
        which openSMILE lets run side by side, unless that context says otherwise.
        The features do not depend on it.

    memory : str, path-like or object with the joblib.Memory interface, default=None
        Where to keep the features of each recording, so that no recording is worked
        on twice, also after an interruption. A file counts as the same while its
        absolute path, size and modification time are the same, a signal while its
        samples and its sampling rate are. Other settings or another version of
        openSMILE are kept apart.

    verbose : int, default=0
        Whether to show a progress bar.

    on_error : {"raise", "nan"}, default="raise"
        What to do about a recording that cannot be used: raise an error that names
        it, or give it NaN, warn once, and list it in `failures_`.

    Attributes
    ----------
    failures_ : DataFrame of shape (n_failures, 4)
        The recordings that the latest :meth:`transform` could not use: their `row`
        in `X`, the `file` (missing for a signal), the type of the `error` and the
        `reason`. Only with `on_error="nan"`; nothing else of a transformer changes
        in :meth:`transform`.

    feature_names : list of str
        The names of the 88 functionals or the 25 low-level descriptors.

    recipe : dict
        All that decides the features: the feature set, the settings, the versions of
        openSMILE and audresample.

    See Also
    --------
    advser.datasets.load_emodb : Features that this transformer extracted.

    Notes
    -----
    A recording is either a file, given as a path to any format that libsndfile reads
    (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, AU, ...), or a segment of a file,
    ``(path, start, end)`` in seconds, of which that part alone is read (up to the end
    of the file where `end` is None or NaN), or a pair ``(signal, sampling_rate)``. A
    signal has shape (n_samples,), (n_channels, n_samples) or (n_samples, n_channels),
    the longer axis being time, and holds floats in [-1, 1] or integers of type int16,
    int32 or uint8, which span their range.

    These recordings cannot be used: files that are missing, no audio or shorter than
    their header says; segments that end after their file; fewer than 60 ms; digital
    silence; NaN or infinite samples; floats beyond ±1.5 (up to there samples are
    clipped to full scale); a sampling rate outside 4 to 768 kHz. For recordings of
    many minutes mind that openSMILE takes about 80 MiB per minute.

    Low-level descriptors differ in length from recording to recording. They come as an
    array of shape (n,) and dtype object, each element an array of shape (n_frames, 25);
    scikit-learn splits and indexes such an array as any other. As they are no
    table, `set_output` and `get_feature_names_out` do not exist with `level="lld"`.

    References
    ----------
    .. [1] F. Eyben, K. Scherer, B. Schuller, J. Sundberg, E. André, C. Busso,
       L. Devillers, J. Epps, P. Laukka, S. Narayanan, K. Truong, "The Geneva
       Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective
       Computing", IEEE Transactions on Affective Computing, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from advser import EGeMAPS
    >>> time = np.arange(16000) / 16000
    >>> vowel = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) / 4
    >>> features = EGeMAPS().set_output(transform="pandas").transform([(vowel, 16000)])
    >>> features.shape
    (1, 88)
    >>> float(features["F0semitoneFrom27.5Hz_sma3nz_amean"].iloc[0].round(1))
    25.5
    """

    _parameter_constraints = {
        "level": [StrOptions({"functionals", "lld"})],
        "channel": [StrOptions({"mix"}), Interval(Integral, 0, None, closed="left")],
        "sampling_rate": [
            Interval(Integral, MIN_RATE, MAX_RATE, closed="both"),
            None,
        ],
        "n_jobs": [Integral, None],
        "memory": [str, os.PathLike, HasMethods("cache"), None],
        "verbose": ["verbose"],
        "on_error": [StrOptions({"raise", "nan"})],
    }

    def __init__(
        self,
        *,
        level="functionals",
        channel="mix",
        sampling_rate=16000,
        n_jobs=None,
        memory=None,
        verbose=0,
        on_error="raise",
    ):
        self.level = level
        self.channel = channel
        self.sampling_rate = sampling_rate
        self.n_jobs = n_jobs
        self.memory = memory
        self.verbose = verbose
        self.on_error = on_error

    def fit(self, X, y=None):
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n,)
            Ignored.

        y : None
            Ignored.

        Returns
        -------
        self : EGeMAPS
        """
        self._validate_params()
        return self

    def transform(self, X):
        """Extract the features of recordings.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame, of shape (n,)
            Paths, pairs ``(signal, sampling_rate)`` or segments ``(path, start,
            end)``. Segments may be a DataFrame with the columns `file`, `start` and
            `end`.

        Returns
        -------
        features : ndarray of shape (n, 88), dtype float32
            With `level="lld"` of shape (n,) and dtype object: each element has
            shape (n_frames, 25) and dtype float32.

        Raises
        ------
        ValueError
            If `X` is empty or holds no recordings; with `on_error="raise"` also if a
            recording cannot be used.

        OSError
            With `on_error="raise"`, if a file cannot be opened: a FileNotFoundError,
            IsADirectoryError or PermissionError.
        """
        self._validate_params()
        recordings = _list_recordings(X)
        recipe = self._recipe()
        is_path = isinstance(self.memory, os.PathLike)
        memory = check_memory(os.fspath(self.memory) if is_path else self.memory)
        extract = memory.cache(_extract)
        parallel = joblib.Parallel(
            n_jobs=self.n_jobs,
            prefer="threads",
            return_as="generator" if self.verbose else "list",
        )
        results = parallel(
            joblib.delayed(_attempt)(extract, index, recording, recipe, self.on_error)
            for index, recording in enumerate(recordings)
        )
        results = list(
            tqdm(results, "eGeMAPS", len(recordings), disable=not self.verbose)
        )

        if self.on_error == "nan":
            failures = [result for result in results if isinstance(result, _Failure)]
            self.failures_ = pd.DataFrame(failures, columns=_Failure._fields)
            blank = np.full((1, len(self.feature_names)), np.nan, dtype=np.float32)
            for failure in failures:
                results[failure.row] = blank
            if failures:
                _warn_of_failures(failures, len(recordings))
        if self.level == "functionals":
            return np.concatenate(results)  # (n, 88)
        features = np.empty(len(results), dtype=object)
        features[:] = results  # each (n_frames, 25)
        return features

    def _recipe(self):
        return _Recipe(
            self.level,
            self.channel,
            self.sampling_rate,
            version("opensmile"),
            version("audresample"),
        )

    @property
    def recipe(self):
        """All that decides the features, versions included, as a dict."""
        return {"feature_set": FEATURE_SET, **self._recipe()._asdict()}

    @property
    def feature_names(self):
        """Names of the 88 functionals or the 25 low-level descriptors."""
        return list(_smile(self.level).feature_names)

    @available_if(_gives_table)
    def get_feature_names_out(self, input_features=None):
        """Get the names of the functionals.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        feature_names_out : ndarray of shape (88,), dtype object
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


def _list_recordings(X):
    """Return the recordings in `X`, whatever holds them, as a list."""
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
        # (n, 2) is what NumPy makes of a list of pairs
        if (
            X.dtype.kind not in "OUT"
            or X.shape[1:] not in {(), (1,), (2,)}
            or not X.ndim
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


def _file_of(recording):
    """Return the path of a recording as text, or None where it is no file."""
    if _is_segment(recording):
        recording = recording[0]
    return os.fspath(recording) if isinstance(recording, str | os.PathLike) else None


def _is_segment(recording):
    return (
        isinstance(recording, tuple | list)
        and len(recording) == len(SEGMENT)
        and isinstance(recording[0], str | os.PathLike)
    )


def _attempt(extract, index, recording, recipe, on_error):
    """Return the features of a recording, or why it has none."""
    try:
        return extract(*_identify(recording), recipe)
    except (OSError, ValueError) as error:
        if on_error == "nan":
            return _Failure(
                index, _file_of(recording), type(error).__name__, str(error)
            )
        kind = type(error) if isinstance(error, OSError) else ValueError
        name = _file_of(recording) or f"X[{index}]"
        raise kind(f"`{name}` {error}") from error


def _warn_of_failures(failures, n_recordings):
    first = [
        f"`{failure.file or f'X[{failure.row}]'}` {failure.reason}"
        for failure in failures[:3]
    ]
    warnings.warn(
        f"{len(failures)} of {n_recordings} recordings cannot be used, and their "
        f"features are NaN; `failures_` lists them. The first: {' '.join(first)}",
        stacklevel=4,  # the caller of transform, which set_output has wrapped
    )


def _identify(recording):
    """Return what to extract from, and what tells whether a file has changed."""
    if _file_of(recording) is not None:
        path = os.path.abspath(_file_of(recording))
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise type(error)(
                f"cannot be opened: {error.strerror}; `X` takes paths of audio files."
            ) from error
        is_segment = _is_segment(recording)
        source = (path, *_check_segment(*recording[1:])) if is_segment else path
        return source, (status.st_size, status.st_mtime_ns)
    if isinstance(recording, tuple | list) and len(recording) == 2:
        signal, rate = recording
        return (np.asarray(signal), rate), None
    is_missing = is_scalar(recording) and pd.isna(recording)
    kind = "a missing value" if is_missing else f"of type {type(recording).__name__}"
    raise ValueError(
        f"is {kind}; pass a path, a pair (signal, sampling_rate) or a segment (path, "
        "start, end)."
    )


def _check_segment(start, end):
    """Return start and end in seconds, the end None where it is that of the file."""
    start = 0.0 if pd.isna(start) else float(start)
    end = None if pd.isna(end) else float(end)
    if start < 0 or (end is not None and end <= start):
        raise ValueError(
            f"has a segment from {start:g} to {'its end' if end is None else end} s; "
            "it must start at 0 or later and end after its start."
        )
    return start, end


def _extract(source, identity, recipe):
    """Return the features of a recording: (1, 88) or (n_frames, 25)."""
    if isinstance(source, str):
        signal, rate = _read(source)
    elif len(source) == len(SEGMENT):
        signal, rate = _read(*source)
    else:
        signal, rate = _scale(source[0]), source[1]
    if not signal.size:
        raise ValueError("holds no samples.")
    rate = _check_rate(rate)
    signal = _check_samples(_pick_channel(signal, recipe.channel))
    if recipe.sampling_rate is not None:
        signal = _resample(signal, rate, recipe.sampling_rate)
        rate = recipe.sampling_rate
    signal = np.clip(signal, -1, FULL_SCALE)  # resampling overshoots, too
    _check_sound(signal, rate)
    features = _run(_smile(recipe.level), signal, rate)[0].T  # (n_frames, n_features)
    return np.ascontiguousarray(features, dtype=np.float32)


def _read(path, start=0.0, end=None):
    """Read an audio file as (n_channels, n_samples) floats, and its rate."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate, n_frames, log = file.samplerate, file.frames, file.extra_info
            first, last = round(start * rate), n_frames
            if end is not None:
                last = round(end * rate)
            if first > n_frames or last - n_frames > MAX_LOSS * rate:
                raise ValueError(
                    f"lasts {n_frames / rate:.3f} s, and its segment goes from "
                    f"{start:g} to {last / rate:g} s; correct `start` and `end`."
                )
            if first:
                file.seek(first)
            n_promised = min(last, n_frames) - first
            n_wanted = -1 if end is None else n_promised
            signal = file.read(n_wanted, dtype="float32", always_2d=True).T
    except (soundfile.SoundFileError, TypeError) as error:
        # a TypeError for headerless formats, which are told by the file's extension
        reason = getattr(error, "error_string", "it has no header")
        raise ValueError(
            f"cannot be read as audio: {reason.rstrip('.')}; if it plays elsewhere, "
            "convert it to WAV or FLAC."
        ) from error
    seconds = (first + signal.shape[1]) / rate
    sizes = [(int(size), int(held)) for size, held in _CHUNK_SIZE.findall(log)]
    lost = [(n_promised - signal.shape[1]) / rate] + [
        n_frames / rate * (size / held - 1)
        for size, held in sizes
        if held and size < _PIPED_SIZE
    ]
    if max(lost) > MAX_LOSS or _CUT_SHORT.search(log):
        raise ValueError(
            f"is cut short: it ends after {seconds:.3f} s, before its header says; "
            "restore the file."
        )
    return signal, rate


def _scale(signal):
    """Return an array signal as (n_channels, n_samples) floats."""
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


def _check_rate(rate):
    if isinstance(rate, Real) and MIN_RATE <= rate <= MAX_RATE and rate == int(rate):
        return int(rate)
    raise ValueError(
        f"has the sampling rate {rate!r:.60}; it must be a whole number of Hz from "
        f"{MIN_RATE} to {MAX_RATE}."
    )


def _pick_channel(signal, channel):
    if channel == "mix":
        # decoders interleave the channels, which is ten times slower to sum over
        return np.ascontiguousarray(signal).mean(axis=0)
    if channel < len(signal):
        return signal[channel]
    raise ValueError(
        f"has {len(signal)} channels and `channel` is {channel}; channels are counted "
        "from 0."
    )


def _check_samples(signal):
    """Return the samples as float32 if they are numbers at the right scale."""
    wrong = np.flatnonzero(~np.isfinite(signal))
    if wrong.size:
        raise ValueError(
            f"has {wrong.size} NaN or infinite samples, the first at index {wrong[0]}; "
            "replace or cut them."
        )
    peak = np.abs(signal).max()
    if peak > MAX_PEAK:
        raise ValueError(
            f"reaches {peak:.5g} where full scale is 1; divide the samples by their "
            "full scale (32768 for 16 bit)."
        )
    return np.ascontiguousarray(signal, dtype=np.float32)


def _resample(signal, rate, target):
    import audresample

    return audresample.resample(signal, rate, target)[0]


def _check_sound(signal, rate):
    if len(signal) < MIN_SECONDS * rate:
        raise ValueError(
            f"lasts {1000 * len(signal) / rate:.1f} ms; openSMILE needs at least "
            f"{1000 * MIN_SECONDS:.0f} ms."
        )
    if not np.ptp((signal * 32768).astype(np.int16)):
        raise ValueError("holds only digital silence; leave it out.")


@lru_cache
def _smile(level):
    """Return openSMILE set up for eGeMAPSv02; it may be shared by threads."""
    import opensmile

    levels = opensmile.FeatureLevel
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[FEATURE_SET],
        feature_level=(
            levels.Functionals if level == "functionals" else levels.LowLevelDescriptors
        ),
    )


def _run(smile, signal, rate):
    """Run openSMILE, outside the main thread.

    It calls back into Python, and what Ctrl-C raises in there would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        return smile(signal, rate)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(smile, signal, rate).result()
