"""Labelled recordings: the bundled corpus, and sources of the user's own."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from layouts import write_cmu_mosei, write_emodb, write_iemocap
from speech import write_corpus

from advser import EGeMAPS, corpora
from advser.audio import extract_features
from advser.cli._sources import load_recordings, print_left_out, read_source
from advser.cli._tables import read_extracted
from advser.exceptions import CorpusWarning


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve files, of three speakers and four emotions."""
    folder = tmp_path_factory.mktemp("wavs")
    table = write_corpus(folder, seconds=0.3).drop(columns="take")
    return folder, table.assign(file=[file.split("/")[-1] for file in table["file"]])


@pytest.fixture
def load(corpus, tmp_path):
    """Load the corpus by a table that a test has changed."""

    def load(table, **options):
        labels = tmp_path / "labels.csv"
        table.to_csv(labels, index=False, **options)
        return load_recordings(labels, wavs=corpus[0])

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


def test_emotion_named_na_is_no_missing_entry_and_reported(corpus, load):
    table = corpus[1].replace({"emotion": {"neutral": "NA"}})
    with pytest.warns(CorpusWarning, match=r"may stand for a missing one.*\(NA\)"):
        assert "NA" in load(table).y


def test_recordings_of_unknown_emotion_or_speaker_are_left_out(load, corpus, capsys):
    table = corpus[1].reset_index(drop=True)
    table.loc[0, "emotion"] = table.loc[5, "speaker"] = ""
    recordings = load(table)
    assert recordings.n_others == 2
    assert list(recordings.X.index) == list(table["file"].drop([0, 5]))
    assert recordings.failures.empty
    print_left_out(recordings)
    printed = "2 recordings without an emotion (or with one not in --emotions), or with"
    assert printed in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="speaker"), "has no 'speaker'; a comparison needs"),
        (lambda t: t.assign(emotion=""), r"'emotion'; .* for each recording\.$"),
        (
            lambda t: t.rename(columns={"emotion": "label"}),
            "has no 'emotion'; .* Rename its column label to emotion",
        ),
        (lambda t: pd.concat([t, t[:1]]), "1 files more than once, such as '00-anger"),
        (lambda t: t[t["speaker"] != "02"], r"has 2 speakers, \['00', '01'\]"),
        (lambda t: t[t["emotion"] == "anger"], r"has 1 emotion, \['anger'\]"),
        (
            lambda t: t[(t["emotion"] != "anger") | (t["speaker"] == "01")],
            "the emotion 'anger' from speaker '01' alone",
        ),
    ],
)
def test_unusable_labels_raise_with_the_reason(change, message, corpus, load):
    with pytest.raises(ValueError, match=message):
        load(change(corpus[1]))


def test_error_names_unusable_files_as_the_cause(corpus, load):
    folder, table = corpus
    (folder / "bad.wav").write_bytes(b"no audio")
    one = table[(table["emotion"] != "anger") | (table["speaker"] == "01")]
    bad = pd.DataFrame({"file": ["bad.wav"], "speaker": ["00"], "emotion": ["anger"]})
    with pytest.raises(ValueError, match="alone without 1 unusable file, so"):
        load(pd.concat([one, bad]))


def test_files_and_folders_that_are_missing_are_named(corpus, load, tmp_path):
    folder, table = corpus
    with pytest.warns(CorpusWarning, match=r"1 missing audio files \(gone.wav\)"):
        recordings = load(table.assign(file=[*table["file"][:-1], "gone.wav"]))
    assert list(recordings.X.index) == list(table["file"][:-1])
    with pytest.raises(FileNotFoundError, match=r"nowhere', which is no folder"):
        load_recordings(tmp_path / "labels.csv", wavs=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_recordings(tmp_path / "none.csv", wavs=folder)


def test_features_that_were_extracted_are_the_same_recordings(corpus, load, tmp_path):
    folder, table = corpus
    table = table.reset_index(drop=True)
    table.loc[3, "speaker"] = ""
    expected = load(table)
    assert expected.n_others == 1
    labels = corpora.read_table(tmp_path / "labels.csv", folder)
    extract_features(labels, tmp_path / "features.parquet")
    recordings = load_recordings(tmp_path / "features.parquet")
    pd.testing.assert_frame_equal(recordings.X, expected.X)
    assert list(recordings.y) == list(expected.y)
    assert list(recordings.speakers) == list(expected.speakers)
    assert recordings.n_others == 1
    assert recordings.name == expected.name == folder.name


def test_extracted_features_have_one_row_for_each_segment(corpus, load, tmp_path):
    folder, table = corpus
    load(table)
    path = tmp_path / "features.parquet"
    extract_features(corpora.read_table(tmp_path / "labels.csv", folder), path)
    frame = pd.read_parquet(path)
    frame.loc[1, "file"] = frame["file"][0]
    frame.loc[:1, "start"] = [0.0, 0.1]
    frame.to_parquet(path)
    assert len(load_recordings(path).X) == len(frame)
    pd.concat([frame, frame[:2]]).to_parquet(path)
    with pytest.raises(ValueError, match=r"has 2 rows more than once, such as '.*wav'"):
        load_recordings(path)


def test_labels_of_extracted_features_are_those_of_a_table(corpus, load, tmp_path):
    folder, table = corpus
    labels = table.replace({"emotion": {"anger": " Angry"}}).reset_index(drop=True)
    labels["speaker"] = labels["speaker"].map({"00": " Anna ", "01": "1", "02": "2"})
    labels.loc[[0, 4], "speaker"] = ["unknown", "Anna"]
    labels.loc[5, "speaker"] = ""
    expected = load(labels)
    path = tmp_path / "features.parquet"
    extract_features(corpora.read_table(tmp_path / "labels.csv", folder), path)
    frame = pd.read_parquet(path)
    for column in ("emotion", "speaker"):
        frame[column] = labels[column].to_numpy()
    frame.to_parquet(path)
    recordings = load_recordings(path)
    pd.testing.assert_frame_equal(recordings.X, expected.X)
    assert list(recordings.y) == list(expected.y)
    assert set(recordings.speakers) == {"Anna", "1", "2"}
    assert list(recordings.speakers) == list(expected.speakers)
    assert recordings.n_others == expected.n_others == 2
    chosen = load_recordings(path, emotions=["anger", "sadness"])
    assert set(chosen.y) == {"anger", "sadness"}
    codes, _ = pd.factorize(frame["emotion"])
    frame.assign(emotion=codes, speaker=frame.index % 3).to_parquet(path)
    recordings = load_recordings(path)
    assert set(recordings.y) == {"0", "1", "2", "3"}
    assert set(recordings.speakers) == {"0", "1", "2"}
    assert recordings.n_others == 0


def test_ratings_of_extracted_features_that_are_no_numbers_are_reported(
    corpus, tmp_path
):
    path = tmp_path / "features.parquet"
    extract_features(corpora.read_filenames(corpus[0]), path)
    frame = pd.read_parquet(path)
    frame.assign(emotion="a", arousal="high", speaker=frame["file"]).to_parquet(path)
    with pytest.warns(CorpusWarning, match=r"features\.parquet has 12 unreadable la"):
        read_extracted(path)


def test_texts_of_missing_ratings_are_no_ratings(tmp_path):
    table = pd.DataFrame({"f": range(8), "speaker": [*"aabbccdd"]})
    table = table.assign(stress=["1", "nan", "N/A", *"45678"])
    table.assign(valence=[*"1234567", "NaN"]).to_csv(tmp_path / "t.csv", index=False)
    load = partial(load_recordings, tmp_path / "t.csv", features="f")
    y = load(targets=["valence", "stress"]).y
    assert list(y["stress"].fillna(-1)) == [1, -1, -1, 4, 5, 6, 7, 8]
    assert list(y["valence"].fillna(-1)) == [1, 2, 3, 4, 5, 6, 7, -1]
    recordings = load(targets=["stress"])
    assert list(recordings.y["stress"]) == [1, 4, 5, 6, 7, 8]
    assert recordings.n_others == 2


def test_folder_of_recordings_goes_with_no_table_of_features(corpus, tmp_path):
    extract_features(corpora.read_filenames(corpus[0]), tmp_path / "f.parquet")
    with pytest.raises(ValueError, match=r"`--wavs` .* has their features; leave it"):
        load_recordings(tmp_path / "f.parquet", wavs=corpus[0])


def test_features_without_labels_raise(corpus, tmp_path):
    extract_features(corpora.read_filenames(corpus[0]), tmp_path / "f.parquet")
    with pytest.raises(ValueError, match=r"f\.parquet has no 'emotion'"):
        load_recordings(tmp_path / "f.parquet")


def test_emotions_that_are_not_wanted_are_left_out():
    recordings = load_recordings(emotions=["anger", "sadness"])
    assert len(recordings.X) == 189
    assert recordings.n_others == 150
    assert set(recordings.y) == {"anger", "sadness"}
    assert set(load_recordings(emotions=["Angry", "SAD"]).y) == {"anger", "sadness"}
    with pytest.raises(ValueError, match=r"`--emotions` has \['Bored'\], which EmoDB"):
        load_recordings(emotions=["Bored", "joy"])


def test_segments_are_named_by_their_times(tmp_path):
    write_cmu_mosei(tmp_path)
    with pytest.raises(ValueError, match="has 2 speakers"):
        load_recordings(tmp_path, corpus="cmu-mosei")
    video = "Audio/Full/WAV_16000/--qXJuDtHPw.wav"
    rows = [(video, "abc"[i % 3], "xy"[i // 3], i / 4, i / 4 + 0.25) for i in range(6)]
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion", "start", "end"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    recordings = load_recordings(tmp_path / "labels.csv")
    assert recordings.X.index[1] == f"{video} 0.25-0.5"
    assert recordings.X.index.is_unique


def test_sources_are_read_as_what_they_are(tmp_path):
    write_iemocap(tmp_path / "iemocap")
    write_emodb(tmp_path / "emodb")
    assert len(read_source(tmp_path / "iemocap", corpus="iemocap")) == 8
    assert len(read_source(tmp_path / "iemocap", corpus="iemocap-4")) == 5
    assert set(read_source(tmp_path / "emodb", corpus="emodb")["label"]) == set(
        "FNWTLEA"
    )
    assert read_source(tmp_path / "emodb")["label"].isna().all()
    with pytest.raises(ValueError, match="`--wavs` is the folder of the files"):
        read_source(tmp_path / "emodb", wavs=tmp_path)


def test_recordings_beside_a_table_of_features_do_not_matter(tmp_path):
    table = pd.DataFrame({"f": range(6), "speaker": [*"aabbcc"]})
    table = table.assign(emotion=[*"xyxyxy"], file=[f"{i}.wav" for i in range(6)])
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "0.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name in ("1.wav", "2.wav"):
        (tmp_path / name).write_bytes(b"the same")
    with warnings.catch_warnings(action="error"):
        recordings = load_recordings(tmp_path / "table.csv", features="f")
    assert list(recordings.X.index) == list(table["file"])


def test_feature_that_is_known_in_no_row_is_named(tmp_path):
    table = pd.DataFrame({"f_1": range(6), "f_2": None, "speaker": [*"aabbcc"]})
    table["emotion"] = [*"xyxyxy"]
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    with pytest.raises(
        ValueError, match=r"feature f_2, .* in all 6 rows; leave it out"
    ):
        load_recordings(path, features="f_")
    table.assign(f_2=[1, 1, 1, None, None, None]).to_csv(path, index=False)
    with pytest.raises(ValueError, match="2 speakers without 3 unusable rows"):
        load_recordings(path, features="f_")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00\x01", b'file,emotion,speaker\n"a,b\n']
)
def test_labels_that_are_no_table_raise(content, corpus, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.csv cannot be read as a CSV table"):
        load_recordings(labels, wavs=corpus[0])


@pytest.mark.parametrize("wrong", ["high", "inf"])
def test_rating_that_is_no_number_is_named(wrong, tmp_path):
    table = pd.DataFrame({"f_1": range(6), "speaker": [*"aabbcc"]})
    path = tmp_path / "table.csv"
    table.assign(stress=["1", "NaN", "2.5", "N/A", "", "4"]).to_csv(path, index=False)
    recordings = load_recordings(path, features="f_", targets=["stress"])
    assert recordings.y["stress"].tolist() == [1, 2.5, 4]
    table.assign(stress=["1", "2", "3", "4", "5", wrong]).to_csv(path, index=False)
    with pytest.raises(ValueError, match=f"has .?{wrong}.? in the column stress, "):
        load_recordings(path, features="f_", targets=["stress"])
