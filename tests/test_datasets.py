"""The bundled data: complete, documented, and equal to the features of the files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from speech import utterance

from advser.audio import EGeMAPS
from advser.datasets import load_emodb

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "corpora" / "emodb" / "wav"


@pytest.fixture(scope="module")
def emodb():
    return load_emodb()


def test_emodb_bunch(emodb):
    assert emodb.data.shape == (339, 88)
    assert emodb.data.dtype == np.float32
    assert emodb.data.flags.c_contiguous
    assert np.isfinite(emodb.data).all()
    assert emodb.frame is None
    assert emodb.target_names == ["anger", "happiness", "neutral", "sadness"]
    for name in ("target", "speakers", "genders", "sentences", "files"):
        assert emodb[name].shape == (339,)
        assert emodb[name].dtype.kind == "U"


def test_emodb_holds_four_emotions_of_ten_speakers(emodb):
    emotions, counts = np.unique(emodb.target, return_counts=True)
    assert dict(zip(emotions, counts, strict=True)) == {
        "anger": 127,
        "happiness": 71,
        "neutral": 79,
        "sadness": 62,
    }
    speakers = ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]
    assert list(np.unique(emodb.speakers)) == speakers
    assert len(np.unique(emodb.sentences)) == 10
    assert len(np.unique(emodb.files)) == 339
    # every speaker has every emotion
    assert len(set(zip(emodb.speakers, emodb.target, strict=True))) == 40


def test_emodb_columns_follow_file_names(emodb):
    names = pd.Series(emodb.files)
    assert (names.str[:2] == emodb.speakers).all()
    assert (names.str[2:5] == emodb.sentences).all()
    letters = {"W": "anger", "F": "happiness", "T": "sadness", "N": "neutral"}
    assert (names.str[5].map(letters) == emodb.target).all()


def test_emodb_women_speak_higher_than_men(emodb):
    neutral = emodb.target == "neutral"
    pitch = pd.Series(
        emodb.data[
            neutral, emodb.feature_names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
        ]
    )
    pitch = pitch.groupby([emodb.genders[neutral], emodb.speakers[neutral]]).mean()
    assert len(pitch["female"]) == len(pitch["male"]) == 5
    assert pitch["female"].min() > pitch["male"].max()


def test_emodb_features_have_the_names_of_egemaps(emodb):
    assert emodb.feature_names == EGeMAPS().feature_names


def test_emodb_return_X_y_speakers(emodb):  # noqa: N802
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    np.testing.assert_array_equal(X, emodb.data)
    np.testing.assert_array_equal(y, emodb.target)
    np.testing.assert_array_equal(speakers, emodb.speakers)


def test_emodb_as_frame(emodb):
    frames = load_emodb(as_frame=True)
    assert list(frames.data.columns) == emodb.feature_names
    assert set(frames.data.dtypes) == {np.dtype("float32")}
    np.testing.assert_array_equal(frames.data, emodb.data)
    assert frames.target.name == "emotion"
    assert list(frames.speakers) == list(emodb.speakers)
    assert frames.frame.shape == (339, 93)
    X, y, speakers = load_emodb(return_X_y_speakers=True, as_frame=True)
    assert X.equals(frames.data)
    assert y.equals(frames.target)
    assert speakers.equals(frames.frame["speaker"])


def test_emodb_is_complete_after_a_user_changed_it(emodb):
    load_emodb().data[:] = 0
    np.testing.assert_array_equal(load_emodb().data, emodb.data)


def test_emodb_table_stores_exact_floats(emodb):
    table = pd.read_csv(ROOT / "advser" / "data" / "emodb.csv", dtype=str)
    written = [[f"{value:.9g}" for value in row] for row in emodb.data]
    assert table[emodb.feature_names].to_numpy().tolist() == written


@pytest.mark.parametrize("text", ["CC0 1.0", "Burkhardt", "2005", "eGeMAPSv02"])
def test_emodb_description_contains(emodb, text):
    assert text in emodb.DESCR


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="needs the recordings of EmoDB")
def test_emodb_features_are_those_of_the_recordings(emodb):
    sample = np.arange(0, 339, 23)
    features = EGeMAPS().transform([RECORDINGS / emodb.files[row] for row in sample])
    np.testing.assert_allclose(features, emodb.data[sample], rtol=1e-4, atol=1e-5)


def test_emodb_table_rebuilt_by_script(tmp_path):
    speech = {
        name: utterance(take=take, seconds=0.3)
        for take, name in enumerate(["03a01Fa", "03a01La", "16b10Wb"])
    }
    for name, signal in speech.items():
        soundfile.write(tmp_path / f"{name}.wav", signal, 16000)
    command = [sys.executable, "benchmarks/build_emodb_table.py"]
    subprocess.run([*command, tmp_path, tmp_path / "table.csv"], cwd=ROOT, check=True)
    table = pd.read_csv(tmp_path / "table.csv", dtype={"speaker": str})
    assert table.iloc[:, :5].to_numpy().tolist() == [
        ["03a01Fa.wav", "03", "male", "a01", "happiness"],
        ["16b10Wb.wav", "16", "female", "b10", "anger"],
    ]
    features = EGeMAPS().transform([tmp_path / file for file in table["file"]])
    np.testing.assert_array_equal(table.iloc[:, 5:].astype(np.float32), features)
