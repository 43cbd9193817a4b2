"""EGeMAPS: correct features of each usable recording, a reason for all others."""

import datetime
import hashlib
import os
import pickle
import struct
import sys
import threading
from pathlib import Path
from signal import SIGINT, default_int_handler
from signal import signal as handle_signal

import audresample
import joblib
import numpy as np
import opensmile
import pandas as pd
import pytest
import sklearn
import soundfile
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks
from speech import spoil, utterance, write_corpus

from advser.audio import EGeMAPS
from advser.audio._files import read_file

RATE = 16000
LOUD_AND_PITCH = ["loudness_sma3_amean", "F0semitoneFrom27.5Hz_sma3nz_amean"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Table of 12 files: three speakers with four emotions."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def files(corpus):
    return corpus["file"].tolist()[:4]


@pytest.fixture(scope="module")
def expected(files):
    return EGeMAPS().transform(files)


@pytest.fixture(scope="module")
def smile():
    """Return openSMILE without the checks of EGeMAPS."""
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )


@pytest.fixture
def signal():
    return utterance(seconds=0.5)


def features_of(signal, rate=RATE, **parameters):
    return EGeMAPS(**parameters).transform([(signal, rate)])


def share_moved(features, others, by=0.01):
    """Return the share of features that differ by more than `by` of their value."""
    return np.mean(~np.isclose(features, others, rtol=by, atol=1e-6))


# Output


def test_functionals_equal_those_of_opensmile(signal, smile):
    features = features_of(signal)
    assert features.shape == (1, 88)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, smile(signal, RATE)[0].T)


def test_functionals_in_pandas_have_names(files, expected, smile):
    extractor = EGeMAPS().set_output(transform="pandas")
    table = extractor.transform(pd.Series(files, index=list("abcd")))
    assert list(table.columns) == smile.feature_names
    assert list(extractor.get_feature_names_out()) == smile.feature_names
    np.testing.assert_array_equal(table, expected)


def test_functionals_show_pitch_and_loudness():
    table = (
        EGeMAPS()
        .set_output(transform="pandas")
        .transform([(utterance(0, "sadness"), RATE), (utterance(1, "anger"), RATE)])
    )
    assert table[LOUD_AND_PITCH].diff().iloc[1].gt([0.2, 10]).all()


def test_lld_one_array_per_recording(files):
    signals = [(utterance(seconds=seconds), RATE) for seconds in (0.3, 0.5)]
    extractor = EGeMAPS(level="lld")
    features = extractor.transform(signals)
    assert features.shape == (2,)
    assert features.dtype == object
    assert [frames.shape[1] for frames in features] == [25, 25]
    assert len(features[1]) - len(features[0]) == 20  # one row every 10 ms
    assert features[0].dtype == np.float32
    assert len(extractor.feature_names) == 25
    # recordings of equal length are not stacked
    assert extractor.transform(files).shape == (4,)


def test_lld_is_no_table(signal):
    extractor = EGeMAPS(level="lld")
    assert not hasattr(extractor, "get_feature_names_out")
    assert not hasattr(extractor, "set_output")
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(extractor.transform([(signal, RATE)]), np.ndarray)


def test_lld_means_in_pipeline(files):
    pipeline = make_pipeline(
        EGeMAPS(level="lld"),
        FunctionTransformer(lambda X: np.stack([frames.mean(axis=0) for frames in X])),
        StandardScaler(),
    )
    assert pipeline.fit_transform(files).shape == (4, 25)


# Input


@pytest.mark.parametrize(
    "hold",
    [
        tuple,
        iter,
        np.array,
        pd.Series,
        pd.Categorical,
        lambda files: [Path(file) for file in files],
        lambda files: [np.str_(file) for file in files],
        lambda files: np.array(files, dtype=object)[:, np.newaxis],
        lambda files: pd.Series(files, dtype="string", index=[7, 7, 2, 1]),
        lambda files: pd.Series(files, dtype="category"),
        lambda files: pd.DataFrame({"file": files}),
        lambda files: [os.path.relpath(file) for file in files],
    ],
)
def test_transform_of_paths_in_any_container(hold, files, expected):
    np.testing.assert_array_equal(EGeMAPS().transform(hold(files)), expected)


@pytest.mark.parametrize(
    "hold",
    [
        tuple,
        pd.Series,
        lambda pairs: [list(pair) for pair in pairs],
        lambda pairs: [(signal.tolist(), float(rate)) for signal, rate in pairs],
        lambda pairs: [(signal, np.int64(rate)) for signal, rate in pairs],
        lambda pairs: np.array(pairs, dtype=object),
        lambda pairs: pd.DataFrame({"pair": pairs}),
    ],
)
def test_transform_of_pairs_in_any_container(hold, files, expected):
    pairs = [soundfile.read(file, dtype="float32") for file in files]
    np.testing.assert_array_equal(EGeMAPS().transform(hold(pairs)), expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "`X` is empty"),
        (None, "`X` must be a list of recordings, got None"),
        (np.array([], dtype=str), "`X` is empty"),
        (pd.Series([], dtype="str"), "`X` is empty"),
        (pd.DataFrame(columns=["file", "start", "end"]), "`X` is empty"),
        ("a.wav", r"got one path; pass \['a.wav'\]"),
        (Path("a.wav"), "got one path"),
        ((np.zeros(RATE), RATE), "got one pair"),
        (np.zeros(88), r"got an array of shape \(88,\) and dtype float64"),
        (np.zeros((5, 88)), r"got an array of shape \(5, 88\)"),
        (np.array([["a"] * 3]), r"got an array of shape \(1, 3\)"),
        (np.array("a.wav"), r"got an array of shape \(\)"),
        (
            pd.DataFrame({"file": ["a"], "label": ["b"]}),
            r"one column, .* got 2: \['file', 'label'\]",
        ),
        ([3.0], r"`X\[0\]` is of type float; pass a path, a pair"),
        ([np.zeros(RATE)], r"`X\[0\]` is of type ndarray"),
        ([None], r"`X\[0\]` is a missing value"),
        (pd.Series([pd.NA], dtype="string"), r"`X\[0\]` is a missing value"),
        ([np.nan], r"`X\[0\]` is a missing value"),
    ],
)
def test_transform_of_no_recordings(X, message):
    with pytest.raises(ValueError, match=message):
        EGeMAPS().transform(X)


# Segments


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    """Five seconds of speech in a file, at a rate that is resampled."""
    path = str(tmp_path_factory.mktemp("long") / "long.wav")
    speech = utterance(seconds=5, emotion="anger", sampling_rate=22050)
    soundfile.write(path, speech, 22050)
    return path


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (1.2, 2.5, 26460, 55125),
        (0, 1, 0, 22050),
        (4, None, 88200, None),
        (np.nan, np.nan, 0, None),
        (pd.NaT, pd.Timedelta("1s"), 0, 22050),
        (np.timedelta64(4, "s"), pd.NA, 88200, None),
        (datetime.timedelta(seconds=4), None, 88200, None),
        (4, 5.009, 88200, None),  # too long by less than a frame step of openSMILE
    ],
)
def test_segment_equals_the_cut_signal(start, end, first, last, long_file):
    signal, rate = soundfile.read(long_file, dtype="float32")
    np.testing.assert_array_equal(
        EGeMAPS().transform([(long_file, start, end)]),
        EGeMAPS().transform([(signal[first:last], rate)]),
    )


@pytest.mark.parametrize(
    "hold",
    [
        pd.Series,
        lambda segments: [list(segment) for segment in segments],
        lambda segments: [(Path(file), *times) for file, *times in segments],
        lambda segments: pd.DataFrame(segments, columns=["file", "start", "end"]),
    ],
)
def test_transform_of_segments_in_any_container(hold, long_file, tmp_path):
    segments = [(long_file, 0.0, 1.0), (long_file, 3.0, None)]
    expected = EGeMAPS().transform(segments)
    assert (expected[0] != expected[1]).any()
    extractor = EGeMAPS(memory=tmp_path, n_jobs=2)
    for _ in range(2):  # the second time from the cache
        np.testing.assert_array_equal(extractor.transform(hold(segments)), expected)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (4, 6, r"long.wav` lasts 5.000 s, and its segment goes from 4 to 6 s"),
        (6, None, "lasts 5.000 s, and its segment goes from 6 to 5 s"),
        (-1, 2, "has a segment from -1 to 2.0 s; it must start at 0 or later"),
        (2, 2, "has a segment from 2 to 2.0 s; .* end after its start"),
        (1, 1.01, "lasts 10.0 ms"),
        (0, np.inf, "has the end inf, which is no time"),
        (-np.inf, 1, "has the start -inf, which is no time"),
        (1e305, None, "its segment goes from|cannot be processed"),
        (pd.Timedelta("-1s"), None, "has a segment from -1 to its end s"),
        ("one", 2, "has the start 'one', which is no time"),
        ([0], 1, r"has the start \[0\], which is no time"),
        (0, 10**400, "has the end 1000.*, which is no time"),
    ],
)
def test_segment_that_is_not_in_the_file(start, end, message, long_file):
    with pytest.raises(ValueError, match=message):
        EGeMAPS().transform([(long_file, start, end)])
    extractor = EGeMAPS(on_error="nan")
    with pytest.warns(UserWarning, match="1 of 2 recordings"):
        features = extractor.transform([(long_file, start, end), long_file])
    assert list(np.isnan(features).all(axis=1)) == [True, False]
    assert list(extractor.failures_["file"]) == [long_file]


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "au", "w64", "rf64"])
def test_transform_of_lossless_formats_is_identical(suffix, files, expected, tmp_path):
    samples, _ = soundfile.read(files[0], dtype="int16")
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, samples, RATE)
    np.testing.assert_array_equal(EGeMAPS().transform([path]), expected[:1])


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "FLOAT"),
        ("wav", "PCM_24"),
        ("wav", "ULAW"),
        ("ogg", "VORBIS"),
        ("ogg", "OPUS"),
        ("mp3", "MPEG_LAYER_III"),
    ],
)
def test_transform_of_other_formats_is_alike(suffix, subtype, tmp_path):
    signal = utterance(emotion="happiness")
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, signal, RATE, subtype=subtype)
    extractor = EGeMAPS().set_output(transform="pandas")
    table = extractor.transform([path, (signal, RATE)])[LOUD_AND_PITCH]
    np.testing.assert_allclose(table.iloc[0], table.iloc[1], rtol=0.1)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "GSM610"),
        ("w64", "GSM610"),
        ("wav", "IMA_ADPCM"),
        ("wav", "NMS_ADPCM_32"),
        ("au", "G721_32"),
        ("aiff", "GSM610"),
    ],
)
def test_codecs_of_blocks_are_read(suffix, subtype, tmp_path):
    signal = utterance(seconds=2)
    path = tmp_path / f"speech.{suffix}"
    rate = 8000 if subtype == "GSM610" else RATE
    signal = audresample.resample(signal, RATE, rate)[0]
    soundfile.write(path, signal, rate, subtype=subtype)
    whole, part = (read_file(str(path), *times)[0] for times in [(0, None), (0.5, 1)])
    assert np.corrcoef(whole[0, : len(signal)], signal)[0, 1] > 0.9
    np.testing.assert_array_equal(part, whole[:, rate // 2 : rate])
    assert np.isfinite(EGeMAPS().transform([(path, 0.5, 1.5)])).all()


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    """Six seconds as MP3: the signal and the frames, without the one of the length."""
    path = tmp_path_factory.mktemp("mp3") / "speech.mp3"
    signal = np.concatenate([utterance(speaker, seconds=2) for speaker in range(3)])
    signal[2 * RATE : 3 * RATE] = 0  # so that the bit rates differ
    soundfile.write(path, signal, RATE, bitrate_mode="VARIABLE", compression_level=0.5)
    content = path.read_bytes()
    assert b"Xing" in content[:20]
    return signal, content[content.index(b"\xff\xf3", 4) :], content


def tag_of(n_bytes):
    """Return a tag of MP3 with a picture of so many bytes."""
    size = bytes(n_bytes >> 7 * k & 127 for k in (3, 2, 1, 0))
    return b"ID3\3\0\0" + size + bytes(n_bytes)


@pytest.mark.parametrize("tag", [b"", tag_of(3000), tag_of(100_000)])
def test_mp3_without_its_length_is_read_whole(tag, mp3, tmp_path):
    signal, frames, _ = mp3
    path = tmp_path / "speech.mp3"
    path.write_bytes(tag + frames)
    samples, rate = read_file(str(path), 0, None)
    assert rate == RATE
    assert samples.shape == (1, -(-samples.size // 576) * 576)  # whole frames
    delay = samples.size - len(signal)
    assert 0 < delay < 3 * 576  # of the encoder
    similarity = np.correlate(samples[0], signal, "full")[len(signal) - 1 :][:2000]
    assert similarity.max() > 0.9 * np.sum(signal**2)
    part, _ = read_file(str(path), 2.5, 5)
    np.testing.assert_array_equal(part, samples[:, 40_000:80_000])
    with pytest.raises(ValueError, match=r"speech.mp3` lasts 6.084 s, and its segment"):
        EGeMAPS().transform([(path, 5, 7)])
    with pytest.raises(ValueError, match=r"speech.mp3` lasts 6.084 s, and its segment"):
        EGeMAPS().transform([(path, 7, None)])


def test_mp3_with_a_tag_and_its_length_is_read_whole(mp3, tmp_path):
    signal, _, content = mp3
    (tmp_path / "speech.mp3").write_bytes(tag_of(100_000) + content)
    samples, _ = read_file(str(tmp_path / "speech.mp3"), 0, None)
    assert samples.shape == (1, len(signal))


def without_length(path):
    """Let a FLAC file say, as if written to a pipe, that its length is unknown."""
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the last 36 bits of the length
    content[22:26] = bytes(4)
    path.write_bytes(content)


def test_flac_without_its_length_is_read_whole(files, expected, tmp_path):
    samples, _ = soundfile.read(files[0], dtype="int16")
    path = tmp_path / "speech.flac"
    soundfile.write(path, samples, RATE)
    without_length(path)
    np.testing.assert_array_equal(EGeMAPS().transform([path]), expected[:1])
    part, _ = read_file(str(path), 0.1, 0.3)
    np.testing.assert_array_equal(part, [samples[1600:4800] / np.float32(32768)])
    with pytest.raises(ValueError, match=r"lasts 0\.500 s, and its segment"):
        EGeMAPS().transform([(path, 0.1, 0.8)])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(
        ValueError, match=r"speech.flac` cannot be read as audio: .*\w;"
    ):
        EGeMAPS().transform([path])


def test_pointer_of_git_lfs_is_recognised(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 12345\n"
    )
    with pytest.raises(
        ValueError, match=r"speech\.wav` is a pointer of Git LFS .* pull"
    ):
        EGeMAPS().transform([path])


@pytest.mark.skipif(os.name == "nt", reason="Windows has other names and pipes")
def test_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(ValueError, match=r"pipe.wav` is a pipe or a device"):
        EGeMAPS().transform([tmp_path / "pipe.wav"])


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 elsewhere")
def test_file_whose_name_is_not_utf_8_is_read(files, expected, tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"sch\xf6n\r.wav")
    with open(name, "wb") as copy:
        copy.write(Path(files[0]).read_bytes())
    extractor = EGeMAPS(memory=tmp_path / "cache")
    for _ in range(2):
        features = extractor.transform([os.fsdecode(name)])
        np.testing.assert_array_equal(features, expected[:1])


# Input that openSMILE processes wrongly without an error


def test_full_scale_sample_does_not_wrap(signal, smile):
    loudest = signal / np.abs(signal).max()
    loudest *= np.sign(loudest[np.abs(loudest).argmax()])  # reaches +1
    clipped = np.clip(loudest, -1, 1 - 2**-15)
    right = smile(clipped, RATE)[0].T
    assert share_moved(smile(loudest, RATE)[0].T, right) > 0.2  # openSMILE wraps it
    np.testing.assert_array_equal(features_of(loudest), right)


def test_full_scale_in_files(signal, smile, tmp_path):
    loudest = 1.2 * signal / np.abs(signal).max()
    soundfile.write(tmp_path / "over.wav", loudest, RATE, subtype="FLOAT")
    right = smile(np.clip(loudest, -1, 1 - 2**-15), RATE)[0].T
    features = EGeMAPS().transform([tmp_path / "over.wav"])
    np.testing.assert_array_equal(features, right)


def test_full_scale_exceeded_by_resampling(smile):
    square = 0.999 * np.sign(utterance(sampling_rate=44100, seconds=0.5))
    square = square.astype(np.float32)
    resampled = audresample.resample(square, 44100, RATE)
    assert resampled.max() > 1.05
    right = smile(np.clip(resampled, -1, 1 - 2**-15), RATE)[0].T
    np.testing.assert_array_equal(features_of(square, 44100), right)


def test_channels_are_mixed_or_picked(tmp_path):
    left, right = utterance(0, seconds=0.5), utterance(1, seconds=0.5)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.column_stack([left, right]), RATE, subtype="FLOAT")

    def features(**parameters):
        return EGeMAPS(**parameters).transform([path])

    np.testing.assert_array_equal(features(), features_of((left + right) / 2))
    np.testing.assert_array_equal(features(channel=0), features_of(left))
    np.testing.assert_array_equal(features(channel=1), features_of(right))
    with pytest.raises(
        ValueError, match=r"stereo.wav` has 2 channels and `channel` is 2"
    ):
        features(channel=2)


def test_channels_that_cancel_out_are_no_silence(signal):
    with pytest.raises(ValueError, match=r"has 2 channels that cancel each other out"):
        features_of(np.stack([signal, -signal]))
    np.testing.assert_array_equal(
        features_of(np.stack([signal, -signal]), channel=0), features_of(signal)
    )
    with pytest.raises(ValueError, match="holds only digital silence"):
        features_of(np.zeros((2, RATE)))


def test_signal_in_either_orientation(signal):
    stereo = np.stack([signal, 0.5 * signal])
    expected = features_of(0.75 * signal)
    np.testing.assert_array_equal(features_of(stereo), expected)
    np.testing.assert_array_equal(features_of(stereo.T), expected)
    np.testing.assert_array_equal(
        features_of(signal[:, np.newaxis]), features_of(signal)
    )


@pytest.mark.parametrize("shape", [(), (80, 300), (2, 2, 8000)])
def test_signal_of_no_known_orientation(shape):
    with pytest.raises(ValueError, match=r"`X\[0\]` has shape .* a signal has shape"):
        features_of(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_signal_of_integers_is_scaled(dtype, signal):
    bits = 8 * np.dtype(dtype).itemsize
    integers = np.round(signal * 2**15).astype(dtype) * 2 ** (bits - 16)
    expected = features_of(np.round(signal * 2**15) / 2**15)
    np.testing.assert_array_equal(features_of(integers), expected)


def test_signal_of_bytes_is_scaled(signal):
    quantised = np.round(signal * 128)
    expected = features_of(quantised / 128)
    signal = (quantised + 128).astype(np.uint8)
    np.testing.assert_array_equal(features_of(signal), expected)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool, complex, "U1"])
def test_signal_of_other_types(dtype):
    with pytest.raises(ValueError, match=r"`X\[0\]` has dtype .* no known full scale"):
        features_of(np.ones(RATE).astype(dtype))


def test_signal_is_not_changed(signal):
    loud = 1.2 * signal / np.abs(signal).max()
    before = loud.copy()
    loud.flags.writeable = False
    features_of(loud)
    np.testing.assert_array_equal(loud, before)


@pytest.mark.parametrize("rate", [32000, 44100, 48000])
def test_sampling_rates_become_comparable(rate):
    signal = utterance(sampling_rate=48000)
    at_16k = features_of(audresample.resample(signal, 48000, RATE)[0])
    other = audresample.resample(signal, 48000, rate)[0]
    assert share_moved(features_of(other, rate, sampling_rate=None), at_16k, 0.1) > 0.2
    assert share_moved(features_of(other, rate), at_16k, 0.1) < 0.02


def test_sampling_rate_none_keeps_native(smile):
    signal = utterance(sampling_rate=44100, seconds=0.5)
    features = features_of(signal, 44100, sampling_rate=None)
    np.testing.assert_array_equal(features, smile(signal, 44100)[0].T)


# Unusable recordings, for which openSMILE has no error


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_not_finite(value, signal, tmp_path):
    signal[[100, 200]] = value
    message = "has 2 NaN or infinite samples, the first at index 100"
    with pytest.raises(ValueError, match=message):
        features_of(signal)
    soundfile.write(tmp_path / "nan.wav", signal, RATE, subtype="DOUBLE")
    with pytest.raises(ValueError, match=f"nan.wav` {message}"):
        EGeMAPS().transform([tmp_path / "nan.wav"])


def test_samples_as_floats_in_integer_range(signal, tmp_path):
    signal = np.round(32768 * signal)
    message = f"peak of {np.abs(signal).max():.0f}, .* divide by it. .* `overload`"
    with pytest.raises(ValueError, match=message):
        features_of(signal)
    soundfile.write(tmp_path / "loud.wav", signal, RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=f"loud.wav` has a {message}"):
        EGeMAPS().transform([tmp_path / "loud.wav"])


def test_overload_is_clipped_or_normalized(signal):
    signal = 2 * signal / np.abs(signal).max()
    with pytest.warns(UserWarning, match="A signal` has a peak of 2; .* are clipped"):
        clipped = features_of(signal, overload="clip")
    np.testing.assert_array_equal(clipped, features_of(signal.clip(-1, 1)))
    with pytest.warns(UserWarning, match="has a peak of 2; .* are divided by it"):
        normalized = features_of(signal, overload="normalize")
    np.testing.assert_array_equal(normalized, features_of(signal / 2))
    assert (clipped != normalized).any()
    quiet = signal / 2  # is not changed
    np.testing.assert_array_equal(
        features_of(quiet, overload="normalize"), features_of(quiet)
    )
    assert EGeMAPS(overload="clip").recipe["overload"] == "clip"


@pytest.mark.parametrize("level", ["functionals", "lld"])
def test_recordings_without_a_voiced_frame_are_reported(level, signal):
    whisper = np.random.default_rng(0).normal(scale=0.1, size=RATE)
    extractor = EGeMAPS(level=level, on_error="nan")
    X = [(signal, RATE), (whisper, RATE), (whisper[::-1], RATE)]
    message = r"2 of 3 recordings have no voiced frame, .* `X\[1\]`"
    with pytest.warns(UserWarning, match=message) as caught:
        features = extractor.transform(X)
    assert caught[0].filename == __file__
    assert list(extractor.unvoiced_) == [1, 2]
    assert np.isfinite(features[1]).all()
    extractor.transform(X[:1])
    assert list(extractor.unvoiced_) == []


@pytest.mark.parametrize("level", [0.0, 1e-6, 0.25])
def test_silence(level, tmp_path):
    soundfile.write(tmp_path / "still.wav", np.full(RATE, level), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"still.wav` holds only digital silence"):
        EGeMAPS().transform([tmp_path / "still.wav"])


@pytest.mark.parametrize("sampling_rate", [8000, 16000, 44100])
def test_duration_under_60_ms(sampling_rate, tmp_path):
    path = tmp_path / "short.wav"
    signal = utterance(sampling_rate=sampling_rate)[::-1]
    soundfile.write(path, signal[: int(0.060 * sampling_rate)], sampling_rate)
    assert np.isfinite(EGeMAPS().transform([path])).all()
    soundfile.write(path, signal[: int(0.055 * sampling_rate)], sampling_rate)
    with pytest.raises(ValueError, match=r"short.wav` lasts 5\d\.\d ms; .* 60 ms"):
        EGeMAPS().transform([path])


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0)])
def test_signal_without_samples(shape):
    with pytest.raises(ValueError, match=r"`X\[0\]` holds no samples"):
        features_of(np.zeros(shape))


def test_file_without_samples(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(ValueError, match=r"empty.wav` holds no samples"):
        EGeMAPS().transform([tmp_path / "empty.wav"])


@pytest.mark.parametrize(
    "suffix",
    ["wav", "aiff", "au", "w64", "rf64", "voc", "flac", "mp3", "ogg", "opus", "sph"],
)
def test_file_cut_short(suffix, tmp_path):
    path = tmp_path / f"cut.{suffix}"
    other = {"opus": {"format": "OGG", "subtype": "OPUS"}, "sph": {"format": "NIST"}}
    soundfile.write(path, utterance(seconds=6), RATE, **other.get(suffix, {}))
    content = path.read_bytes()
    assert np.isfinite(EGeMAPS().transform([path])).all()
    path.write_bytes(content[: int(0.6 * len(content))])
    message = f"cut.{suffix}` (is cut short: it ends after|cannot be read as audio)"
    with pytest.raises(ValueError, match=message):
        EGeMAPS().transform([path])


@pytest.mark.parametrize("n_bytes", [0, 100, -7])  # before, in and of the last page
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_cut_short_at_the_last_page(subtype, n_bytes, tmp_path):
    path = tmp_path / "cut.ogg"
    soundfile.write(path, utterance(seconds=6), RATE, subtype=subtype)
    content = path.read_bytes()
    end = content.rindex(b"OggS") if n_bytes >= 0 else len(content)
    path.write_bytes(content[: end + n_bytes])
    with pytest.raises(ValueError, match=r"cut.ogg` is cut short: it ends after"):
        EGeMAPS().transform([path])


def with_chunk_size(file, size):
    """Return the content of a WAV file with another size of its data in the header."""
    content = Path(file).read_bytes()
    start = content.index(b"data") + 4
    return content[:start] + struct.pack("<I", size) + content[start + 4 :]


def test_file_cut_short_to_its_header(signal, tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, signal, RATE)
    path.write_bytes(with_chunk_size(path, 2 * len(signal) + 400))
    with pytest.raises(ValueError, match=r"cut.wav` is cut short: .* after 0.500 s"):
        EGeMAPS().transform([path])


@pytest.mark.parametrize(
    "size",
    [
        0xFFFFFFFF,  # written to a pipe
        0x7FFFFFFF,
        2 * RATE // 2 + 44,  # includes the header
    ],
)
def test_file_whole_with_wrong_size_in_header(size, files, expected, tmp_path):
    path = tmp_path / "odd.wav"
    path.write_bytes(with_chunk_size(files[0], size))
    np.testing.assert_array_equal(EGeMAPS().transform([path]), expected[:1])


@pytest.mark.parametrize(
    "sampling_rate",
    [16, 0, -16000, 16000.5, np.nan, np.inf, 10**6, True, "16000", None],
)
def test_invalid_sampling_rate(sampling_rate, signal):
    message = r"`X\[0\]` has the sampling rate .* from 4000 to 768000"
    with pytest.raises(ValueError, match=message):
        features_of(signal, sampling_rate)


def test_invalid_sampling_rate_of_a_file(signal, tmp_path):
    soundfile.write(tmp_path / "khz.wav", signal, 16)
    with pytest.raises(ValueError, match=r"khz.wav` has the sampling rate 16;"):
        EGeMAPS().transform([tmp_path / "khz.wav"])


def test_pair_in_wrong_order(signal):
    with pytest.raises(ValueError, match=r"`X\[1\]` has shape \(\)"):
        EGeMAPS().transform([(signal, RATE), (RATE, signal)])


@pytest.mark.parametrize("name", ["notes.txt", "video.m4a", "bare.raw", "text.wav"])
def test_file_that_is_no_audio(name, tmp_path):
    (tmp_path / name).write_text("It was the best of times" * 100)
    with pytest.raises(ValueError, match=f"{name}` cannot be read as audio: .* WAV"):
        EGeMAPS().transform([tmp_path / name])


def test_file_without_content(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"a.wav` is empty, a file of 0 bytes"):
        EGeMAPS().transform([tmp_path / "a.wav"])


def test_file_that_is_missing(files, tmp_path):
    path = tmp_path / "gone.wav"
    with pytest.raises(FileNotFoundError, match=f"`{path}` cannot be opened: No such"):
        EGeMAPS().transform([*files, path])


def test_file_that_is_a_directory(tmp_path):
    with pytest.raises(IsADirectoryError, match=f"`{tmp_path}` cannot be opened: Is a"):
        EGeMAPS().transform([tmp_path])


# Usable and unusable recordings together


def test_on_error_nan_returns_the_others(files, expected, tmp_path):
    gone = tmp_path / "gone.wav"
    X = [files[0], gone, files[1], (np.zeros(RATE), RATE), files[2]]
    extractor = EGeMAPS(on_error="nan", n_jobs=2)
    message = "2 of 5 recordings cannot be used.*gone.wav` cannot be.*`X.3.` holds only"
    with pytest.warns(UserWarning, match=message) as caught:
        features = extractor.transform(X)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(features[[0, 2, 4]], expected[:3])
    assert np.isnan(features[[1, 3]]).all()
    assert features.dtype == np.float32

    failures = extractor.failures_
    assert list(failures.columns) == ["row", "file", "error", "reason"]
    assert list(failures["row"]) == [1, 3]
    assert list(failures["error"]) == ["FileNotFoundError", "ValueError"]
    assert failures["file"][0] == str(gone)
    assert failures["file"].isna().tolist() == [False, True]
    assert "silence" in failures["reason"][1]


def test_on_error_nan_without_failures(files, expected):
    extractor = EGeMAPS(on_error="nan")
    np.testing.assert_array_equal(extractor.transform(files), expected)
    assert extractor.failures_.empty
    assert list(extractor.failures_.columns) == ["row", "file", "error", "reason"]


def test_on_error_nan_forgets_earlier_failures(files):
    extractor = EGeMAPS(on_error="nan")
    with pytest.warns(UserWarning, match="1 of 1"):
        features = extractor.transform([None])
    assert np.isnan(features).all()
    extractor.transform(files[:1])
    assert extractor.failures_.empty


def test_on_error_nan_with_lld(files):
    extractor = EGeMAPS(level="lld", on_error="nan")
    with pytest.warns(UserWarning, match="1 of 2"):
        features = extractor.transform([files[0], "gone.wav"])
    assert np.isfinite(features[0]).all()
    assert features[1].shape == (1, 25)
    assert np.isnan(features[1]).all()


def test_on_error_raise_sets_nothing(files):
    extractor = EGeMAPS()
    extractor.fit(files).transform(files)
    assert vars(extractor) == vars(EGeMAPS())


# Parallel extraction


@pytest.mark.parametrize("level", ["functionals", "lld"])
def test_features_do_not_depend_on_n_jobs(level, corpus):
    alone = EGeMAPS(level=level).transform(corpus["file"])
    together = EGeMAPS(level=level, n_jobs=3).transform(corpus["file"])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_n_jobs_in_processes(files, expected, tmp_path):
    pairs = [soundfile.read(file, dtype="float32") for file in files]
    with joblib.parallel_config(backend="loky", n_jobs=2):
        features = EGeMAPS(memory=tmp_path).transform([*files, *pairs])
        with pytest.raises(FileNotFoundError, match=r"gone\.wav` cannot be opened"):
            EGeMAPS().transform([*files, "gone.wav"])
    np.testing.assert_array_equal(features, np.concatenate([expected, expected]))


def test_verbose_shows_progress(files, expected, capfd):
    EGeMAPS().transform(files)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(EGeMAPS(verbose=1).transform(files), expected)
    output = capfd.readouterr()
    assert output.out == ""
    assert "4 of 4 recordings" in output.err


# Cache


@pytest.fixture
def own_files(tmp_path):
    (tmp_path / "corpus").mkdir()
    return write_corpus(tmp_path / "corpus", n_speakers=1)["file"].tolist()


@pytest.mark.parametrize("make", [str, Path])
def test_memory_avoids_a_second_extraction(make, own_files, tmp_path):
    memory = make(tmp_path / "cache")
    first = EGeMAPS(memory=memory, n_jobs=2).transform(own_files)
    for file in own_files:
        spoil(file)
    second = EGeMAPS(memory=memory).transform(own_files)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="cannot be read"):
        EGeMAPS().transform(own_files)


def test_memory_notices_changed_file(own_files, tmp_path):
    extractor = EGeMAPS(memory=tmp_path / "cache")
    first = extractor.transform(own_files)
    for file in own_files:
        spoil(file)
    signal = utterance(5, seconds=0.5)
    soundfile.write(own_files[1], signal, RATE, subtype="FLOAT")
    second = extractor.transform(own_files)
    np.testing.assert_array_equal(first[[0, 2, 3]], second[[0, 2, 3]])
    np.testing.assert_array_equal(second[1:2], features_of(signal))
    os.utime(own_files[0])
    with pytest.raises(ValueError, match="cannot be read"):
        extractor.transform(own_files)


def test_memory_resumes_after_interruption(own_files, tmp_path):
    extractor = EGeMAPS(memory=tmp_path / "cache")
    expected = EGeMAPS().transform(own_files)
    with pytest.raises(FileNotFoundError):
        extractor.transform([*own_files[:3], tmp_path / "gone.wav", own_files[3]])
    for file in own_files[:3]:
        spoil(file)
    np.testing.assert_array_equal(extractor.transform(own_files), expected)


def test_memory_keeps_settings_apart(own_files, tmp_path):
    memory = tmp_path / "cache"
    EGeMAPS(memory=memory).transform(own_files)
    for other in ({"sampling_rate": 8000}, {"channel": 0}, {"level": "lld"}):
        kept = EGeMAPS(memory=memory, **other).transform(own_files)
        fresh = EGeMAPS(**other).transform(own_files)
        for one, another in zip(kept, fresh, strict=True):
            np.testing.assert_array_equal(one, another)


def test_memory_identifies_signals_by_content(signal, tmp_path):
    extractor = EGeMAPS(memory=tmp_path)

    def count():
        return len(list(tmp_path.glob("*.features")))

    extractor.transform([(signal, RATE), (signal.copy(), RATE)])
    assert count() == 1
    extractor.transform([(signal, 8000), (0.5 * signal, RATE)])
    assert count() == 3


def test_memory_identifies_files_by_absolute_path(tmp_path, monkeypatch):
    extractor = EGeMAPS(memory=tmp_path / "cache")
    for speaker in range(2):
        folder = tmp_path / str(speaker)
        folder.mkdir()
        monkeypatch.chdir(folder)
        signal = utterance(speaker, seconds=0.5)
        soundfile.write("speech.wav", signal, RATE, subtype="FLOAT")
        os.utime("speech.wav", (0, 0))
        features = extractor.transform(["speech.wav"])
        np.testing.assert_array_equal(features, features_of(signal))


def test_memory_stores_no_failures(signal, tmp_path):
    path = tmp_path / "late.wav"
    extractor = EGeMAPS(memory=tmp_path / "cache", on_error="nan")
    with pytest.warns(UserWarning, match=r"late.wav` cannot be opened"):
        extractor.transform([path])
    soundfile.write(path, signal, RATE)
    assert np.isfinite(extractor.transform([path])).all()


def spoilers(folder):
    """Return contents of entries: pickles that create a file, and damaged numbers."""

    class Canary:
        def __reduce__(self):
            return os.mkdir, (str(folder / "canary"),)

    return [
        pickle.dumps(Canary()),
        b"\x93NUMPY" + pickle.dumps(Canary()),
        bytes(32 + 4 * 88),
        hashlib.sha256(b"1234").digest() + b"1234",
        b"",
    ]


@pytest.mark.parametrize("number", range(5))
def test_memory_runs_no_code_and_replaces_what_is_damaged(number, own_files, tmp_path):
    spoiler = spoilers(tmp_path)[number]
    extractor = EGeMAPS(memory=tmp_path / "cache")
    expected = extractor.transform(own_files[:1])
    (entry,) = (tmp_path / "cache").iterdir()
    before = entry.read_bytes()
    entry.write_bytes(spoiler)
    for name in ("output.pkl", "func_code.py", "other.features"):
        (tmp_path / "cache" / name).write_bytes(spoiler)
    np.testing.assert_array_equal(extractor.transform(own_files[:1]), expected)
    assert entry.read_bytes() == before
    assert not (tmp_path / "canary").exists()


def test_memory_that_cannot_be_written_is_no_failure_of_the_recording(
    own_files, tmp_path, monkeypatch
):
    def write(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match=r"free disk space, .*cache"):
        EGeMAPS(memory=tmp_path / "cache", on_error="nan").transform(own_files)


# Interface of scikit-learn


def test_egemaps_passes_check_estimator():
    # scikit-learn skips what needs a table of numbers, as for its text vectorizers
    with pytest.warns(SkipTestWarning, match="Can't test estimator EGeMAPS"):
        results = estimator_checks.check_estimator(EGeMAPS())
    assert {result["status"] for result in results} <= {"passed"}


@pytest.mark.parametrize(
    "check",
    [
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_egemaps_passes_checks_without_data(check):
    getattr(estimator_checks, check)("EGeMAPS", EGeMAPS())


def test_egemaps_needs_no_fit(files, expected):
    np.testing.assert_array_equal(EGeMAPS().fit_transform(files), expected)
    np.testing.assert_array_equal(make_pipeline(EGeMAPS()).transform(files), expected)
    extractor = EGeMAPS()
    assert extractor.fit(files) is extractor


def test_egemaps_cloned_and_pickled(files, expected):
    extractor = EGeMAPS(n_jobs=2)
    extractor.transform(files)
    for copy in (clone(extractor), pickle.loads(pickle.dumps(extractor))):
        assert copy.get_params() == extractor.get_params()
        np.testing.assert_array_equal(copy.transform(files), expected)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("level", "lowlevel"),
        ("channel", -1),
        ("channel", "left"),
        ("sampling_rate", 16),
        ("sampling_rate", 16000.0),
        ("n_jobs", 1.5),
        ("memory", 3),
        ("memory", joblib.Memory(None)),
        ("overload", "wrap"),
        ("on_error", "ignore"),
    ],
)
def test_egemaps_with_invalid_parameter(parameter, value, files):
    extractor = EGeMAPS(**{parameter: value})
    message = f"The '{parameter}' parameter of EGeMAPS must be"
    with pytest.raises(ValueError, match=message):
        extractor.fit(files)
    with pytest.raises(ValueError, match=message):
        extractor.transform(files)


def test_egemaps_in_pipeline_and_search(corpus, tmp_path):
    pipeline = make_pipeline(
        EGeMAPS(memory=tmp_path), StandardScaler(), LogisticRegression()
    )
    X, y = corpus["file"], corpus["emotion"]
    scores = cross_val_score(
        pipeline, X, y, groups=corpus["speaker"], cv=GroupKFold(3), error_score="raise"
    )
    assert scores.mean() > 0.5  # chance is 0.25
    search = GridSearchCV(
        pipeline, {"egemaps__channel": ["mix", 0]}, cv=3, n_jobs=2, error_score="raise"
    )
    search.fit(X.tolist(), y)
    assert search.predict([X[0]]).shape == (1,)
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert list(names) == EGeMAPS().feature_names


@pytest.fixture
def ctrl_c():
    """Let SIGINT raise KeyboardInterrupt; a shell in the background ignores it."""
    before = handle_signal(SIGINT, default_int_handler)
    yield
    handle_signal(SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
# An interrupt between the opening of a file and its `with` leaves the file open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_ctrl_c_is_never_lost_in_a_callback_of_opensmile(files):
    extractor = EGeMAPS()
    extractor.transform(files[:1])

    def transform(seconds):
        threading.Timer(seconds, os.kill, (os.getpid(), SIGINT)).start()
        extractor.transform(files[:1] * 1000)

    for attempt in range(12):
        with pytest.raises(KeyboardInterrupt):
            transform(0.05 + 0.01 * attempt)
