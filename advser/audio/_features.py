"""EGeMAPS: a transformer of recordings into the features of openSMILE."""

import os
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.metadata import version
from numbers import Integral
from typing import Any, Literal

import numpy as np

from .._validation._parameters import INTEGER, Number, StrOptions
from ._extractor import GUARDS, Extractor
from ._recordings import MAX_RATE, MIN_RATE, file_of

# The sets of openSMILE, and the descriptor of each that is 0 where there is no pitch.
PITCH = {
    "eGeMAPSv02": "F0semitoneFrom27.5Hz_sma3nz",
    "GeMAPSv01b": "F0semitoneFrom27.5Hz_sma3nz",
    "ComParE_2016": "F0final_sma",
}


class EGeMAPS(Extractor):
    """Turn recordings into eGeMAPS features with openSMILE.

    The extended Geneva minimalistic acoustic parameter set (version 02) describes an
    utterance by 88 functionals of pitch, loudness, formants and spectrum that were
    chosen for research on emotion in the voice [1]_. Recordings are first mixed to one
    channel, resampled to 16 kHz and clipped to full scale.

    There is nothing to learn, so you can call :meth:`transform` without :meth:`fit`.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "GeMAPSv01b", "ComParE_2016"}, default="eGeMAPSv02"
        Another set of openSMILE: GeMAPS has 62 functionals of 18 low-level descriptors,
        ComParE 2016 [2]_ has 6,373 of 65. The numbers below are those of eGeMAPS.

    level : {"functionals", "lld"}, default="functionals"
        "functionals" describes each recording by one row of 88 values, "lld" every
        10 ms of it by 25 low-level descriptors.

    channel : "mix" or int, default="mix"
        "mix" uses the mean of all channels, an integer the channel of this index.

    sampling_rate : int or None, default=16000
        Rate in Hz to which recordings are resampled. None keeps the rate of each; then
        recordings of different rates are not comparable: at 8, 44.1 or 48 kHz about 40
        of the 88 functionals differ by more than 10 % from those at 16 kHz.

    n_jobs : int, default=None
        Number of recordings processed at the same time; -1 for one per core. None
        means 1 unless in a :obj:`joblib.parallel_config` context. The workers are
        threads unless that context sets another backend; openSMILE runs in parallel
        threads. The features do not depend on it.

    memory : str or path-like, default=None
        Folder that caches the features of each recording: no recording is processed
        twice, also after an interruption. A file counts as the same if its absolute
        path, size and modification time are the same, a signal if its samples and its
        sampling rate are the same. Each combination of settings and versions has
        entries of its own.

        An entry holds numbers and their checksum. Reading it runs no code, and a
        damaged entry is replaced. Whoever can write to the folder can change the
        features, so do not use a cache of people whose features you would not use.

    verbose : int, default=0
        Whether to show a progress bar.

    on_error : {"raise", "nan"}, default="raise"
        What to do with a recording that cannot be used: raise an error that names
        it, or return NaN for it, warn once, and list it in `failures_`.

    overload : {"raise", "clip", "normalize"}, default="raise"
        What to do with floats above 1.5 or below -1.5: such a recording cannot be used,
        or its samples are clipped to full scale, or divided by their peak, with a
        warning.

    Attributes
    ----------
    failures_ : DataFrame of shape (n_failures, 4)
        The recordings that the latest :meth:`transform` could not use: their `row`
        in `X`, the `file` (missing for a signal), the type of the `error` and the
        `reason`. Only with `on_error="nan"`.

    unvoiced_ : ndarray of shape (n_unvoiced,)
        The rows of the latest :meth:`transform` without one voiced frame: a whisper,
        noise or music. Their features of pitch, jitter, shimmer and formants are 0, but
        for the amplitudes of formants relative to the pitch, which are about -201. A
        warning names the first. Only with `on_error="nan"`.

    feature_names : list of str
        The names of the 88 functionals or the 25 low-level descriptors.

    recipe : dict
        Everything that the features depend on: the feature set, the settings, the
        versions of openSMILE and audresample.

    See Also
    --------
    advser.datasets.load_emodb : Features that this transformer extracted.

    Notes
    -----
    A recording is one of these:

    - a file: the path of an audio file in a format that libsndfile reads (WAV, FLAC,
      Ogg Vorbis and Opus, MP3, AIFF, AU, ...);
    - a segment of a file: ``(path, start, end)`` in seconds. If `end` is None or NaN,
      it lasts until the end of the file. Nothing else of the file is read;
    - a signal: a pair ``(signal, sampling_rate)``. The signal has shape (n_samples,),
      (n_channels, n_samples) or (n_samples, n_channels); the longer axis is time. It
      holds floats in [-1, 1] or integers of type int16, int32 or uint8, where full
      scale is the range of the type.

    These recordings cannot be used: files that are missing, are no audio or are
    shorter than their header says; segments that end after their file; less than 60
    ms; digital silence; channels that cancel each other out; NaN or infinite samples;
    floats above 1.5 or below -1.5, see `overload` (others are clipped to full scale); a
    sampling rate outside 4 to 768 kHz. openSMILE needs about 80 MiB of memory per
    minute of a recording. In MP3 and FLAC files that do not state their length, a
    missing end cannot be noticed. Of MP3 files that were joined to one, the first part
    alone may be read.

    Low-level descriptors have another length for each recording. They are an array of
    shape (n,) and dtype object; each element is an array of shape (n_frames, 25).
    scikit-learn splits and indexes such an array like any other. `set_output` and
    `get_feature_names_out` need a table and do not exist with `level="lld"`.

    References
    ----------
    .. [1] F. Eyben, K. Scherer, B. Schuller, J. Sundberg, E. André, C. Busso,
       L. Devillers, J. Epps, P. Laukka, S. Narayanan, K. Truong, "The Geneva
       Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective
       Computing", IEEE Transactions on Affective Computing, 2016.
    .. [2] B. Schuller, S. Steidl, A. Batliner, J. Hirschberg, J. Burgoon, A. Baird,
       A. Elkins, Y. Zhang, E. Coutinho, K. Evanini, "The INTERSPEECH 2016 Computational
       Paralinguistics Challenge: Deception, Sincerity & Native Language", Interspeech,
       2016.

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

    _parameter_constraints: dict[str, Any] = {
        **Extractor._parameter_constraints,
        "feature_set": [StrOptions({*PITCH})],
        "level": [StrOptions({"functionals", "lld"})],
        "sampling_rate": [Number(Integral, MIN_RATE, MAX_RATE, closed="both"), None],
        "n_jobs": [INTEGER, None],
    }

    def __init__(
        self,
        *,
        feature_set: Literal["eGeMAPSv02", "GeMAPSv01b", "ComParE_2016"] = "eGeMAPSv02",
        level: Literal["functionals", "lld"] = "functionals",
        channel: int | Literal["mix"] = "mix",
        sampling_rate: int | None = 16000,
        n_jobs: int | None = None,
        memory: str | os.PathLike | None = None,
        verbose: int = 0,
        on_error: Literal["raise", "nan"] = "raise",
        overload: Literal["raise", "clip", "normalize"] = "raise",
    ) -> None:
        self.feature_set = feature_set
        self.level = level
        self.channel = channel
        self.sampling_rate = sampling_rate
        self.n_jobs = n_jobs
        self.memory = memory
        self.verbose = verbose
        self.on_error = on_error
        self.overload = overload

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that the features depend on, versions included."""
        return {
            "feature_set": self.feature_set,
            "level": self.level,
            "channel": self.channel,
            "sampling_rate": self.sampling_rate,
            "overload": self.overload,
            "opensmile": version("opensmile"),
            "audresample": version("audresample"),
            "guards": GUARDS,
        }

    @property
    def feature_names(self) -> list[str]:
        """Names of the 88 functionals or the 25 low-level descriptors."""
        return list(_smile(self.feature_set, self.level).feature_names)

    @property
    def _is_table(self):
        return self.level == "functionals"

    def _computer(self) -> Callable:
        return partial(_compute, self.feature_set, self.level)

    def _check_results(self, results: list[np.ndarray], recordings: list) -> None:
        suffix = "_amean" if self.level == "functionals" else ""
        pitch = self.feature_names.index(PITCH[self.feature_set] + suffix)
        unvoiced = np.flatnonzero([not found[:, pitch].any() for found in results])
        if self.on_error == "nan":
            self.unvoiced_ = unvoiced
        if len(unvoiced):
            name = file_of(recordings[unvoiced[0]]) or f"X[{unvoiced[0]}]"
            warnings.warn(
                f"{len(unvoiced)} of {len(recordings)} recordings have no voiced "
                f"frame, so their pitch is 0, such as `{name}`; check whether they "
                "hold speech.",
                stacklevel=5,  # the line that calls transform, which set_output wraps
            )


def _compute(feature_set, level, signals):
    """Return the features of each signal: (1, 88) or (n_frames, 25)."""
    smile = _smile(feature_set, level)
    features = [smile(signal, rate)[0].T for signal, rate in signals]
    return [np.ascontiguousarray(one, dtype=np.float32) for one in features]


@lru_cache
def _smile(feature_set, level):
    """Return openSMILE set up for a feature set; several threads may use it."""
    import opensmile

    levels = {"functionals": "Functionals", "lld": "LowLevelDescriptors"}
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[feature_set],
        feature_level=opensmile.FeatureLevel[levels[level]],
    )
