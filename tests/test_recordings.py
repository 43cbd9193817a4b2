"""Labelled recordings: the bundled corpus, and tables of the user's own files."""

import numpy as np
import pandas as pd
import pytest
from speech import write_corpus

from advser import EGeMAPS
from advser.recordings import load_recordings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve files, of three speakers and four emotions."""
    folder = tmp_path_factory.mktemp("wavs")
    table = write_corpus(folder, seconds=0.3)
    return folder, table.assign(file=[file.split("/")[-1] for file in table["file"]])


@pytest.fixture
def load(corpus, tmp_path):
    """Load the corpus by a table, in the state that a test has brought it to."""

    def load(table, **options):
        labels = tmp_path / "labels.csv"
        table.to_csv(labels, index=False, **options)
        return load_recordings(corpus[0], labels)

    return load


def test_bundled_recordings_are_emodb():
    recordings = load_recordings()
    assert recordings.name == "EmoDB"
    assert recordings.X.shape == (339, 88)
    assert recordings.X.index[0].endswith(".wav")
    assert set(recordings.y) == {"anger", "happiness", "neutral", "sadness"}
    assert len(set(recordings.speakers)) == 10
    assert recordings.failures.empty


def test_labels_find_the_features_of_their_files(corpus, load):
    folder, table = corpus
    table = table.sample(frac=1, random_state=0)  # in any order
    recordings = load(table, encoding="utf-8-sig")  # as spreadsheets write it
    expected = EGeMAPS().transform([str(folder / file) for file in table["file"]])
    np.testing.assert_array_equal(recordings.X, expected)
    assert list(recordings.X.index) == list(table["file"])
    assert list(recordings.y) == list(table["emotion"])
    assert list(recordings.speakers) == list(table["speaker"])  # "00", not 0
    assert recordings.name == folder.name


def test_file_that_cannot_be_used_is_left_out_and_reported(corpus, load):
    folder, table = corpus
    (folder / "bad.wav").write_bytes(b"no audio")
    bad = pd.DataFrame({"file": ["bad.wav"], "speaker": ["00"], "emotion": ["anger"]})
    recordings = load(pd.concat([bad, table]))
    assert list(recordings.X.index) == list(table["file"])
    assert len(recordings.y) == len(recordings.speakers) == len(table)
    assert list(recordings.failures["file"]) == ["bad.wav"]
    assert recordings.failures["reason"].iloc[0]


def test_emotion_named_na_is_no_missing_entry(corpus, load):
    table = corpus[1].replace({"emotion": {"neutral": "NA"}})
    assert "NA" in load(table).y


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="speaker"), r"lacks the columns \['speaker'\]"),
        (lambda t: t.iloc[:0], "has 0 speakers"),
        (lambda t: pd.concat([t, t[:1]]), "1 files more than once, such as '00-anger"),
        (
            lambda t: t.assign(emotion=["", *t["emotion"][1:]]),
            "1 rows without an entry for `emotion`, the first in line 2",
        ),
        (lambda t: t[t["speaker"] != "02"], r"has 2 speakers, \['00', '01'\]"),
        (lambda t: t[t["emotion"] == "anger"], r"has 1 emotions, \['anger'\]"),
        (
            lambda t: t[(t["emotion"] != "anger") | (t["speaker"] == "01")],
            "the emotion 'anger' from speaker '01' alone",
        ),
    ],
)
def test_labels_that_do_not_serve_say_why(change, message, corpus, load):
    with pytest.raises(ValueError, match=message):
        load(change(corpus[1]))


def test_unusable_files_that_leave_too_little_are_named_as_the_cause(corpus, load):
    folder, table = corpus
    (folder / "bad.wav").write_bytes(b"no audio")
    one = table[(table["emotion"] != "anger") | (table["speaker"] == "01")]
    bad = pd.DataFrame({"file": ["bad.wav"], "speaker": ["00"], "emotion": ["anger"]})
    with pytest.raises(ValueError, match="alone once 1 unusable files are dropped"):
        load(pd.concat([one, bad]))


def test_files_and_folders_that_are_missing_are_named(corpus, load, tmp_path):
    folder, table = corpus
    with pytest.raises(FileNotFoundError, match=r"1 of the 12 files .* 'gone.wav'"):
        load(table.assign(file=[*table["file"][:-1], "gone.wav"]))
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_recordings(tmp_path / "nowhere", tmp_path / "labels.csv")
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_recordings(folder, tmp_path / "none.csv")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00\x01", b'file,emotion,speaker\n"a,b\n']
)
def test_labels_that_are_no_table_say_so(content, corpus, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.csv cannot be read as a CSV table"):
        load_recordings(corpus[0], labels)
