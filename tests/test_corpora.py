"""The readers of corpora, tested on small copies in the layout of the originals."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from types import MappingProxyType

import audformat
import layouts
import numpy as np
import pandas as pd
import pytest
import soundfile

from advser import EGeMAPS, corpora
from advser.exceptions import CorpusWarning

NAMES = [
    *("cmu_mosei", "cremad", "emodb", "iemocap", "meld", "msp_improv", "msp_podcast"),
    *("ravdess", "urdu"),
]
COLUMNS = [
    *("emotion", "label", "speaker", "gender", "session"),
    *("arousal", "valence", "dominance", "text", "start", "end"),
]
READ = {name: getattr(corpora, f"read_{name}") for name in NAMES}


def write(name, root):
    getattr(layouts, f"write_{name}")(root)
    return root


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Write a small copy of each corpus; do not change it."""
    return {name: write(name, tmp_path_factory.mktemp(name)) for name in NAMES}


@pytest.fixture(scope="module")
def tables(copies):
    """Read them; the index is the names of the files."""
    return {
        name: read(copies[name]).rename(index=lambda file: Path(file).name)
        for name, read in READ.items()
    }


def rows(table, columns):
    return [tuple(row) for row in table[columns.split()].to_numpy(dtype=object)]


# All readers


@pytest.mark.parametrize("name", NAMES)
def test_table_is_tidy(name, copies):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a complete copy gives no warning
        table = READ[name](str(copies[name]))
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    assert table.index.name == "file"
    assert all(Path(file).is_file() for file in table.index)
    assert all(str(copies[name]) in file for file in table.index)
    assert set(table["emotion"].dropna()) <= set(corpora.EMOTIONS)
    assert set(table["gender"].dropna()) <= {"female", "male"}
    assert table["speaker"].dropna().map(type).eq(str).all()
    assert table["label"].notna().all()
    assert (
        table[["start", "end", "arousal", "valence", "dominance"]]
        .dtypes.eq(float)
        .all()
    )
    assert table.attrs["problems"] == {}
    pd.testing.assert_frame_equal(READ[name](copies[name]), table)


@pytest.mark.parametrize("name", NAMES)
def test_reading_finds_the_corpus_in_a_folder_above(name, copies, tmp_path):
    (tmp_path / "data").symlink_to(copies[name])
    assert len(READ[name](tmp_path)) == len(READ[name](copies[name]))


@pytest.mark.parametrize("name", NAMES)
def test_empty_folder_is_an_error_with_its_name(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        READ[name](tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`root` is .* no folder"):
        READ[name](tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["cmu_mosei", "iemocap", "msp_improv", "msp_podcast"])
def test_missing_files_are_counted(name, tmp_path):
    write(name, tmp_path)
    complete = READ[name](tmp_path)
    gone = [Path(complete.index[0])]
    if name == "iemocap":
        gone += Path(complete.index[-1]).parent.iterdir()
    for file in gone:
        file.unlink(missing_ok=True)
    lost = complete.index.isin(list(map(str, gone)))
    n_files = complete.index[lost].nunique()
    with pytest.warns(CorpusWarning, match=rf"{n_files} missing audio files") as found:
        table = READ[name](tmp_path)
    assert found[0].filename == __file__
    assert list(table.index) == list(complete.index[~lost])
    missing = table.attrs["problems"]["missing audio files"]
    assert sorted(missing) == sorted({Path(f).stem for f in complete.index[lost]})


@pytest.mark.parametrize("name", ["cremad", "emodb", "ravdess", "urdu"])
def test_files_with_other_names_are_left_out_and_reported(name, tmp_path):
    write(name, tmp_path)
    complete = READ[name](tmp_path)
    layouts.write_audio(tmp_path, "more", "speech.wav")
    (tmp_path / "more" / "._speech.wav").touch()  # as macOS adds to archives
    with pytest.warns(CorpusWarning, match="1 unreadable labels .more/speech.wav"):
        table = READ[name](tmp_path)
    assert table.equals(complete)


# Single corpora


def test_emodb(tables):
    table = tables["emodb"]
    assert rows(table, "emotion label speaker gender") == [
        ("happiness", "F", "03", "male"),
        ("neutral", "N", "03", "male"),
        ("anger", "W", "08", "female"),
        ("disgust", "E", "09", "female"),
        ("boredom", "L", "11", "male"),
        ("fear", "A", "15", "male"),
        ("sadness", "T", "16", "female"),
    ]
    assert table["text"].iloc[0] == "Der Lappen liegt auf dem Eisschrank."


def test_ravdess(tables, copies):
    table = tables["ravdess"]
    assert rows(table, "emotion label speaker gender intensity") == [
        ("neutral", "01", "01", "male", "normal"),
        ("fear", "06", "01", "male", "strong"),
        ("calm", "02", "24", "female", "normal"),
        ("surprise", "08", "24", "female", "strong"),
    ]
    assert table["text"].iloc[1] == "Dogs are sitting by the door."
    sung = corpora.read_ravdess(copies["ravdess"], songs=True)
    assert list(sung["channel"].value_counts()) == [4, 1]


def test_ravdess_of_songs_alone_names_the_parameter(tmp_path):
    layouts.write_audio(tmp_path, "Actor_03/03-02-05-01-01-01-03.wav")
    with pytest.raises(FileNotFoundError, match="songs alone; read them with `songs="):
        corpora.read_ravdess(tmp_path)
    assert len(corpora.read_ravdess(tmp_path, songs=True)) == 1


def test_ravdess_in_a_copy_with_all_files_twice(tmp_path):
    for folder in ("", "audio_speech_actors_01-24/"):
        for take in ("01", "02"):
            name = f"{folder}Actor_03/03-01-05-01-01-{take}-03.wav"
            layouts.write_audio(tmp_path, name)
    with pytest.warns(CorpusWarning, match="2 duplicate ids .audio_speech"):
        table = corpora.read_ravdess(tmp_path)
    assert [Path(file).parts[-2] for file in table.index] == ["Actor_03"] * 2
    assert len({Path(file).name for file in table.index}) == 2


def test_cremad(tables):
    assert rows(
        tables["cremad"].fillna({"intensity": ""}), "emotion speaker gender"
    ) == [
        ("anger", "1001", "male"),
        ("happiness", "1001", "male"),
        ("sadness", "1040", "male"),
        ("sadness", "1091", "female"),
    ]
    assert list(tables["cremad"]["intensity"].dropna()) == ["high", "low"]
    assert tables["cremad"]["text"].iloc[1] == "It's eleven o'clock."


def test_perceived_emotions_of_cremad(tmp_path):
    write("cremad", tmp_path)
    table = corpora.read_cremad(tmp_path, emotion="perceived")
    assert rows(table, "emotion label") == [
        ("anger", "A"),
        ("neutral", "N"),
        (None, "N:S"),
        ("sadness", "S"),
    ]
    with pytest.raises(ValueError, match="`emotion` must be a str among"):
        corpora.read_cremad(tmp_path, emotion="heard")
    votes = tmp_path / "processedResults" / "summaryTable.csv"
    votes.write_text(votes.read_text().replace("1091_WSI_SAD_LO", "1091_WSI_SAD_MD"))
    with pytest.warns(CorpusWarning, match="1 files without votes .*1091_WSI_SAD_LO"):
        corpora.read_cremad(tmp_path, emotion="perceived")
    votes.write_text("FileName,Vote\n")
    with pytest.raises(ValueError, match=r"summaryTable\.csv lacks the columns"):
        corpora.read_cremad(tmp_path, emotion="perceived")
    votes.unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no summaryTable\.csv"):
        corpora.read_cremad(tmp_path, emotion="perceived")


@pytest.mark.parametrize("name", ["cremad", "emodb", "ravdess", "urdu"])
def test_copies_of_a_corpus_in_another_folder_are_dropped_and_reported(name, tmp_path):
    write(name, tmp_path)
    complete = READ[name](tmp_path)
    names = [Path(file).name for file in complete.index]
    for file in complete.index:
        copy = layouts.make_path(tmp_path, "zz", *Path(file).parts[-2:])
        copy.write_bytes(Path(file).read_bytes())
    with pytest.warns(CorpusWarning, match=rf"{len(names)} duplicate ids \(zz/"):
        table = READ[name](tmp_path)
    pd.testing.assert_frame_equal(table, complete)


@pytest.mark.parametrize("name", NAMES)
def test_corpus_that_contains_itself_is_read_once(name, tmp_path):
    write(name, tmp_path / "zz")
    copy = tmp_path / "zz" / "zz"
    shutil.copytree(tmp_path / "zz", tmp_path / "copy")
    expected = READ[name](tmp_path / "copy")
    (tmp_path / "copy").rename(copy)
    with pytest.warns(CorpusWarning, match="duplicate ids"):
        table = READ[name](tmp_path)
    assert set(table.attrs["problems"]) == {"duplicate ids"}
    pd.testing.assert_frame_equal(
        table.reset_index(drop=True), expected.reset_index(drop=True)
    )


def test_ravdess_prefers_audio_to_video_and_names_wrong_folders(tmp_path):
    for name in (
        "Actor_01/01-01-05-01-01-01-01.wav",
        "Actor_01/03-01-05-01-01-01-01.wav",
        "Actor_01/01-01-05-01-01-02-01_16k.wav",
        "actor_02/03-01-05-01-01-01-03.wav",
    ):
        layouts.write_audio(tmp_path, name)
    with pytest.warns(CorpusWarning):
        table = corpora.read_ravdess(tmp_path)
    assert [Path(file).name for file in table.index] == [
        "01-01-05-01-01-02-01_16k.wav",
        "03-01-05-01-01-01-01.wav",
        "03-01-05-01-01-01-03.wav",
    ]
    assert list(table["speaker"]) == ["01", "01", "03"]
    assert table.attrs["problems"] == {
        "duplicate ids": ["Actor_01/01-01-05-01-01-01-01.wav"],
        "files in the folder of another actor": ["actor_02/03-01-05-01-01-01-03.wav"],
    }


def test_electroglottograms_of_emodb_are_left_out(tmp_path):
    write("emodb", tmp_path)
    complete = corpora.read_emodb(tmp_path)
    layouts.write_audio(tmp_path, "laryngo", "03a01Fa.wav")
    layouts.write_audio(tmp_path, "Laryngo", "03a01Fb.wav")
    pd.testing.assert_frame_equal(corpora.read_emodb(tmp_path), complete)


def test_urdu(tables):
    assert rows(tables["urdu"], "emotion label speaker gender") == [
        ("anger", "A", "SM1", "male"),
        ("happiness", "H", "SF6", "female"),
        ("happiness", "H", "SM7", "male"),
        ("neutral", "N", "SM27", "male"),
        ("sadness", "S", "SF2", "female"),
    ]


def test_iemocap(tables):
    table = tables["iemocap"]
    assert rows(table, "emotion label speaker gender session scenario") == [
        ("neutral", "neu", "Ses01F", "female", "1", "improvised"),
        ("frustration", "fru", "Ses01M", "male", "1", "improvised"),
        (None, "xxx", "Ses01F", "female", "1", "improvised"),
        ("excitement", "exc", "Ses01M", "male", "1", "improvised"),
        ("anger", "ang", "Ses01F", "female", "1", "scripted"),
        ("happiness", "hap", "Ses01M", "male", "1", "scripted"),
        # the M of Ses05M is the actor with markers, that of _M000 speaks
        ("sadness", "sad", "Ses05M", "male", "5", "scripted"),
        ("other", "oth", "Ses05F", "female", "5", "scripted"),
    ]
    turn = table.loc["Ses01F_script01_1_F000.wav"]
    assert (turn["valence"], turn["arousal"], turn["dominance"]) == (1.5, 4.0, 4.5)
    assert turn["text"] == "What's that?"
    assert table["text"].iloc[-1] == "No: never."


def test_iemocap_in_four_classes(copies):
    table = corpora.read_iemocap(copies["iemocap"], four_classes=True)
    assert list(table["emotion"]) == [
        *("neutral", "happiness", "anger", "happiness", "sadness")
    ]
    assert list(table["label"]) == ["neu", "exc", "ang", "hap", "sad"]


def test_iemocap_with_line_ends_of_windows_and_label_files_twice(tmp_path, tables):
    write("iemocap", tmp_path)
    for file in tmp_path.glob("Session*/dialog/*/*.txt"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        copy = layouts.make_path(tmp_path, "zz", file.relative_to(tmp_path))
        copy.write_bytes(file.read_bytes())
    table = corpora.read_iemocap(tmp_path)
    assert list(table["text"]) == list(tables["iemocap"]["text"])
    assert table.attrs["problems"] == {}


def test_unreadable_line_of_iemocap_is_named(tmp_path):
    write("iemocap", tmp_path)
    file = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    text = file.read_text().replace("\tneu\t[2.5000,", "\tneu\t[?,")
    file.write_text(text)
    with pytest.warns(
        CorpusWarning, match=r"1 unreadable labels .*Ses01F_impro01.txt, line 3: "
    ) as found:
        table = corpora.read_iemocap(tmp_path)
    assert "1 audio files without a label" in str(found[0].message)
    assert len(table) == 7


def test_msp_improv(tables):
    table = tables["msp_improv"]
    assert rows(table, "emotion label speaker gender session scenario target") == [
        ("neutral", "N", "F01", "female", "1", "natural", "anger"),
        ("anger", "A", "F01", "female", "1", "other-improvised", "anger"),
        (None, "X", "M01", "male", "1", "other-improvised", "anger"),
        ("anger", "A", "F01", "female", "1", "target-improvised", "anger"),
        ("sadness", "S", "F06", "female", "6", "target-read", "sadness"),
        ("other", "O", "M06", "male", "6", "other-improvised", "sadness"),
        ("happiness", "H", "M06", "male", "6", "target-improvised", "happiness"),
    ]
    first = table.iloc[0]
    assert (first["valence"], first["dominance"], first["naturalness"]) == (3, 2.8, 3.6)
    assert first["arousal"] == pytest.approx(6 - 3.2)
    assert np.isnan(table["dominance"].iloc[3])
    assert list(table["text"].dropna()) == ["How was it?"]


def test_msp_improv_with_arousal_as_it_is_in_the_file(copies):
    table = corpora.read_msp_improv(copies["msp_improv"], reverse_arousal=False)
    assert table["arousal"].iloc[0] == 3.2


def test_unreadable_line_of_msp_improv_is_named(tmp_path):
    write("msp_improv", tmp_path)
    file = tmp_path / "Evalution.txt"
    lines = file.read_text().splitlines()
    lines[4] = lines[4].replace("; A; ", "; Q; ")
    file.write_text("\n".join(lines))
    with pytest.warns(CorpusWarning, match=r"Evalution.txt, line 5: 'UTD-IMPROV-S01A"):
        assert len(corpora.read_msp_improv(tmp_path)) == 6
    file.rename(tmp_path / "Evaluation.txt")  # how later copies spell it
    with pytest.warns(CorpusWarning, match=r"Evaluation.txt, line 5"):
        assert len(corpora.read_msp_improv(tmp_path)) == 6
    (tmp_path / "Evaluation.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no Evalution\.txt"):
        corpora.read_msp_improv(tmp_path)


def test_cmu_mosei(tables, copies):
    table = tables["cmu_mosei"]
    assert rows(table, "emotion label start end happiness sentiment") == [
        ("happiness", "happiness+surprise", 0.0, 0.5, 1.5, 1.5),  # started before 0
        ("neutral", "none", 0.5, 1.25, 0.0, 0.0),
        (None, "anger+disgust", 1.25, 2.0, 0.0, -2.0),
        ("sadness", "sadness", 0.0, 0.75, 0.0, -3.0),
    ]
    assert list(table.index) == ["--qXJuDtHPw.wav"] * 3 + ["-3g5yACwYnA.wav"]
    assert list(table["speaker"]) == ["--qXJuDtHPw"] * 3 + ["-3g5yACwYnA"]
    assert table["text"].iloc[1] == "A writer___is who writes."
    known = {"--qXJuDtHPw": "Ann", "-3g5yACwYnA": "Ann"}
    named = corpora.read_cmu_mosei(copies["cmu_mosei"], speakers=known)
    assert set(named["speaker"]) == {"Ann"}


def test_cmu_mosei_with_folders_in_the_names_of_videos(tmp_path, tables):
    write("cmu_mosei", tmp_path)
    for folder in ("Labels", "Transcript/Segmented/Combined"):
        for file in (tmp_path / folder).iterdir():
            text = file.read_text()
            file.write_text(text.replace("-3g5yACwYnA", "pom_extra/-3g5yACwYnA"))
    table = corpora.read_cmu_mosei(tmp_path)
    table = table.rename(index=lambda file: Path(file).name)
    pd.testing.assert_frame_equal(table, tables["cmu_mosei"])


def test_cmu_mosei_with_a_file_for_each_segment(tmp_path, tables):
    write("cmu_mosei", tmp_path)
    shutil.rmtree(tmp_path / "Audio")
    for name in ("--qXJuDtHPw_0", "--qXJuDtHPw_1", "--qXJuDtHPw_2", "-3g5yACwYnA_4"):
        layouts.write_audio(tmp_path, "Segmented_Audio", "test", f"{name}.wav")
    table = corpora.read_cmu_mosei(tmp_path)
    assert [Path(file).name for file in table.index] == [
        *("--qXJuDtHPw_0.wav", "--qXJuDtHPw_1.wav", "--qXJuDtHPw_2.wav"),
        "-3g5yACwYnA_4.wav",
    ]
    columns = "emotion label speaker text happiness"
    assert rows(table, columns) == rows(tables["cmu_mosei"], columns)
    assert list(table["partition"]) == ["test"] * 4
    assert table[["start", "end"]].isna().all(axis=None)


def test_unreadable_lines_of_cmu_mosei_are_named(tmp_path):
    write("cmu_mosei", tmp_path)
    labels = tmp_path / "Labels" / "5000_batch_raw.csv"
    labels.write_text(labels.read_text().replace('"2","0","1"', '"two","0","1"'))
    (tmp_path / "Labels" / "readme.csv").write_text("a,b\n1,2\n")
    segments = tmp_path / "Transcript/Segmented/Combined/--qXJuDtHPw.txt"
    segments.write_text(segments.read_text().replace("___1.25___2.0", "___1.25"))
    with pytest.warns(CorpusWarning) as found:
        table = corpora.read_cmu_mosei(tmp_path)
    message = str(found[0].message)
    assert (
        "3 unreadable labels (Labels/5000_batch_raw.csv, line 2: 'happiness two'"
        in (message)
    )
    assert "1 labels without a segment (--qXJuDtHPw 2)" in message
    assert len(table) == 3
    assert table["happiness"].iloc[0] == 1


def test_features_of_a_segment_equal_those_of_the_cut_signal(copies):
    table = corpora.read_cmu_mosei(copies["cmu_mosei"])
    signal, rate = soundfile.read(table.index[1], dtype="float32")
    parts = table.reset_index()[["file", "start", "end"]]
    np.testing.assert_array_equal(
        EGeMAPS().transform(parts)[1],
        EGeMAPS().transform([(signal[rate // 2 : rate * 5 // 4], rate)])[0],
    )


def test_msp_podcast(tables):
    table = tables["msp_podcast"]
    assert rows(table, "emotion label speaker gender partition text") == [
        ("neutral", "N", "127", "male", "Test1", "Welcome back."),
        ("surprise", "U", "127", "male", "Test1", None),
        (None, "X", None, None, "Train", None),  # neither is a person "Unknown"
        ("contempt", "C", "16", "female", "Development", None),
    ]
    ratings = table[["arousal", "valence", "dominance"]]
    assert ratings.iloc[0].tolist() == [4.8, 4.6, 5.0]


def test_meld(tables):
    columns = "emotion label speaker gender partition dialogue text"
    assert rows(tables["meld"], columns) == [
        ("neutral", "neutral", "Chandler", "male", "train", "0", "That’s the point. "),
        ("happiness", "joy", "The Interviewer", None, "train", "0", "Oh, right!"),
        ("surprise", "surprise", None, None, "train", "1", "Hey!"),  # all of them
        ("sadness", "sadness", "Phoebe", "female", "dev", "0", "He is gone, gone."),
        ("surprise", "surprise", "Mark", None, "test", "0", "Why numbers?"),
        ("anger", "anger", "Rachel", "female", "test", "0", "So what."),
    ]
    assert list(tables["meld"].index).count("dia0_utt0.wav") == 3  # one in each split


@pytest.mark.parametrize(
    "folders",
    [
        {"train_splits": "train", "dev_splits_complete": "dev"},
        {
            "train_splits": "MELD.Raw/latest/audio_train/wav",
            "dev_splits_complete": "val",
        },
        {"output_repeated_splits_test": "Test"},
    ],
)
def test_meld_finds_the_split_in_the_names_of_folders(folders, tmp_path, copies):
    write("meld", tmp_path)
    for old, new in folders.items():
        (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / old).rename(tmp_path / new)
    files = [Path(file) for file in corpora.read_meld(tmp_path).index]
    expected = [Path(file) for file in corpora.read_meld(copies["meld"]).index]
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in expected]


def test_meld_of_one_split_and_without_any(tmp_path):
    write("meld", tmp_path)
    for name in ("train_sent_emo.csv", "test_sent_emo.csv"):
        (tmp_path / name).unlink()
    with pytest.warns(CorpusWarning, match="5 audio files without a label"):
        assert list(corpora.read_meld(tmp_path)["speaker"]) == ["Phoebe"]
    (tmp_path / "dev_sent_emo.csv").write_text("Utterance,Emotion\n")
    with pytest.raises(
        ValueError, match=r"dev_sent_emo\.csv lacks the columns Speaker"
    ):
        corpora.read_meld(tmp_path)
    (tmp_path / "dev_sent_emo.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no train_sent_emo\.csv; pass"):
        corpora.read_meld(tmp_path)


# Copies that differ from the original


@pytest.mark.parametrize("name", NAMES)
def test_sound_in_another_format_is_named_with_the_remedy(name, tmp_path):
    write(name, tmp_path)
    for file in [*tmp_path.rglob("*.mp4"), *tmp_path.rglob("*.avi")]:
        file.unlink()
    for file in tmp_path.rglob("*.wav"):
        file.rename(file.with_suffix(".m4a"))
    if name == "cmu_mosei":  # its other recordings
        shutil.rmtree(tmp_path / "Transcript" / "Full")
    with pytest.raises(FileNotFoundError, match=r"\.m(4a|p3)'; convert them to WAV"):
        READ[name](tmp_path)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 106074\n"


@pytest.mark.parametrize("name", NAMES)
def test_recordings_that_git_lfs_has_not_fetched_are_left_out(name, tmp_path):
    write(name, tmp_path)
    complete = READ[name](tmp_path)
    first = Path(complete.index[0])
    first.write_text(POINTER.format("0" * 64))
    message = rf"1 files that `git lfs pull` must fetch \(.*{first.name}\)"
    with pytest.warns(CorpusWarning, match=message):
        table = READ[name](tmp_path)
    assert list(table.index) == [f for f in complete.index if f != str(first)]
    for file in tmp_path.rglob("*.wav"):
        file.write_text(POINTER.format("0" * 64))
    with pytest.raises(FileNotFoundError, match="`git lfs pull` must fetch"):
        READ[name](tmp_path)


LABELS = {
    "cmu_mosei": "Labels/5000_batch_raw.csv",
    "iemocap": "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
    "meld": "train_sent_emo.csv",
    "msp_improv": "Evalution.txt",
    "msp_podcast": "Labels/labels_consensus.csv",
}


@pytest.mark.parametrize("name", LABELS)
def test_label_files_that_are_pointers_or_empty_are_named(name, tmp_path):
    write(name, tmp_path)
    labels = tmp_path / LABELS[name]
    labels.write_text(POINTER.format("0" * 64))
    with pytest.raises(ValueError, match=f"{labels.name} is a pointer of Git LFS"):
        READ[name](tmp_path)
    labels.write_text("")
    if name == "iemocap":  # which has more than one
        message = rf"1 label files without an entry \({LABELS[name]}\)"
        with pytest.warns(CorpusWarning, match=message):
            READ[name](tmp_path)
    else:
        with pytest.raises((FileNotFoundError, ValueError), match=labels.name):
            READ[name](tmp_path)
    if name == "cmu_mosei":
        labels.write_text(layouts.MOSEI_HEADER)
        with pytest.warns(CorpusWarning, match="1 label files without an entry"):
            READ[name](tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_names_in_capitals_are_read(name, tmp_path):
    write(name, tmp_path)
    columns = ["emotion", "label", "speaker", "gender", "text"]
    expected = READ[name](tmp_path)[columns].reset_index(drop=True)
    for file in tmp_path.rglob("*.wav"):
        file.rename(file.with_name(file.name.upper()))
    table = READ[name](tmp_path)[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected)


def test_label_files_in_the_code_page_of_windows_and_with_a_bom(tmp_path):
    write("msp_improv", tmp_path)
    expected = corpora.read_msp_improv(tmp_path)
    labels = tmp_path / "Evalution.txt"
    labels.write_bytes(b"\xef\xbb\xbf" + labels.read_bytes())
    (text,) = (tmp_path / "Transcripts").iterdir()
    text.write_bytes("Schön – naïve’s.".encode("cp1252"))
    table = corpora.read_msp_improv(tmp_path)
    assert len(table) == len(expected)
    assert table["text"].iloc[0] == "Schön – naïve’s."


def test_control_characters_in_file_names_are_escaped(tmp_path):
    layouts.write_audio(tmp_path, "s1.wav")
    layouts.write_audio(tmp_path, "a\x1b[31m\n.wav")
    with pytest.warns(CorpusWarning) as found:
        corpora.read_filenames(tmp_path, r"(?P<speaker>s\d)")
    assert r"1 unreadable labels (a\x1b[31m\n.wav)" in str(found[0].message)


# Your own corpora


def test_a_column_of_your_own_may_be_called_id(tmp_path):
    layouts.write_audio(tmp_path, "s1_7.wav")
    table = corpora.read_filenames(tmp_path, r"(?P<speaker>s\d)_(?P<id>\d)")
    assert table["id"].tolist() == ["7"]


def test_patterns_and_mappings_of_any_kind_are_taken(tmp_path):
    layouts.write_audio(tmp_path, "s1_a.wav")
    pattern = re.compile(r"(?P<speaker>s\d)_(?P<emotion>\w)")
    mapping = MappingProxyType({"emotion": MappingProxyType({"a": "anger"})})
    table = corpora.read_filenames(tmp_path, pattern, mapping)
    assert table["emotion"].tolist() == ["anger"]


@pytest.mark.parametrize(
    ("spelling", "word"),
    [
        ("pleasant surprise", "surprise"),
        ("Pleasant_surprised", "surprise"),
        ("pleasant-surprise", "surprise"),
        ("ps", "surprise"),
        ("Bordom", "boredom"),
        ("boredem", "boredom"),
        ("neutrality", "neutral"),
        ("my own", "my own"),
    ],
)
def test_spellings_of_emotions(spelling, word, tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    (tmp_path / "labels.csv").write_text(f"file,emotion\na.wav,{spelling}\n")
    table = corpora.read_table(tmp_path / "labels.csv")
    assert rows(table, "emotion label") == [(word, spelling)]


PAGE = Path(__file__).parents[1] / "docs" / "guide" / "recipes_corpora.rst"
RECIPES = {
    "TESS": [
        ("OAF", "neutral", "female", "bite"),
        ("OAF", "surprise", "female", "back"),
        ("YAF", "anger", "female", "youth"),
    ],
    "SAVEE": [
        ("DC", "anger", "male", None),
        ("JE", "sadness", "male", None),
        ("KL", "surprise", "male", None),
    ],
    "EMOVO": [
        ("f1", "happiness", "female", None),
        ("f2", "neutral", "female", None),
        ("m3", "anger", "male", None),
    ],
    "ESD": [
        ("0001", "anger", None, None),
        ("0011", "surprise", None, None),
        ("0020", "neutral", None, None),
    ],
    "ShEMO": [
        ("F01", "anger", "female", None),
        ("M01", "surprise", "male", None),
    ],
    "CaFE": [
        ("01", "anger", "male", None),
        ("04", "fear", "female", None),
        ("12", "neutral", "female", None),
    ],
    "AESDD": [("1", "anger", None, None), ("3", "sadness", None, None)],
    "SUBESCO": [
        ("F_01", "anger", "female", "1"),
        ("M_01", "happiness", "male", "10"),
    ],
    "EmoV-DB": [
        ("bea", "amused", "female", None),
        ("josh", "neutral", "male", None),
        ("sam", "sleepiness", "male", None),
    ],
    "eNTERFACE": [("1", "anger", None, None), ("6", "surprise", None, None)],
    "RESD": [("32", "happiness", None, None), ("7", "neutral", None, None)],
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Run the recipes of the page on the files that it shows."""
    root, page = tmp_path_factory.mktemp("recipes"), PAGE.read_text(encoding="utf-8")
    layouts.write_shown(page, root)
    found = {}
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .+\n|\n)+)", page, re.M)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.chdir(root)
        for block in blocks:
            if "read_table" not in block:  # which test_docs runs
                exec(textwrap.dedent(block), found)
    tables = [table for table in found.values() if isinstance(table, pd.DataFrame)]
    return {table.attrs["corpus"]: table for table in tables}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_of_the_page_reads_the_corpus(name, recipes):
    found = rows(recipes[name], "speaker emotion gender text")
    assert sorted(found, key=str) == RECIPES[name]
    assert set(recipes) == set(RECIPES)


def test_recipe_keeps_the_official_split(recipes):
    assert list(recipes["ESD"]["partition"]) == ["train", "evaluation", None]


def test_copies_of_your_own_corpus_are_dropped_only_if_nothing_differs(tmp_path):
    for folder in ("s1/happy", "data/s1/happy", "s1/sad", "s2/happy"):
        layouts.write_audio(tmp_path, folder, "1.wav", speaker=int("s2" in folder))
    layouts.write_audio(tmp_path, "again/s1/happy/1.wav", seconds=0.2)
    with pytest.warns(CorpusWarning, match=r"1 duplicate ids \(s1/happy/1\.wav\)"):
        table = corpora.read_filenames(
            tmp_path, r"(?P<speaker>s\d)/(?P<emotion>\w+)/[^/]+$"
        )
    assert sorted(rows(table, "speaker emotion")) == [
        ("s1", "happiness"),
        ("s1", "happiness"),
        ("s1", "sadness"),
        ("s2", "happiness"),
    ]


def test_labels_in_file_names(tmp_path):
    for name in ("anna/Happy_1.wav", "anna/rage_1.wav", "ben/Happy_1.flac"):
        layouts.write_audio(tmp_path, name)
    table = corpora.read_filenames(
        tmp_path, r"(?P<speaker>\w+)/(?P<emotion>[A-Za-z]+)_"
    )
    assert rows(table, "speaker emotion label") == [
        ("anna", "happiness", "Happy"),
        ("anna", "rage", "rage"),  # unknown spellings are kept
        ("ben", "happiness", "Happy"),
    ]
    assert table.attrs["corpus"] == tmp_path.name
    mapping = {
        "emotion": {"Happy": "happiness", "rage": "anger"},
        "speaker": {"anna": "A", "ben": None},
    }
    table = corpora.read_filenames(
        tmp_path,
        r"(?P<speaker>\w+)/(?P<emotion>\w+)_(?P<take>\d)",
        mapping,
        name="Mine",
    )
    assert rows(table, "speaker emotion label take") == [
        ("A", "happiness", "Happy", "1"),
        ("A", "anger", "rage", "1"),
        (None, "happiness", "Happy", "1"),
    ]
    assert table.attrs["corpus"] == "Mine"
    assert corpora.read_filenames(tmp_path)["emotion"].isna().all()


def test_codes_may_stand_for_numbers(tmp_path):
    for name in ("s1-A.wav", "s2-F.wav"):
        layouts.write_audio(tmp_path, name)
    mapping = {"speaker": {"s1": 1, "s2": None}, "emotion": {"A": 0, "F": True}}
    table = corpora.read_filenames(
        tmp_path, r"(?P<speaker>\w+)-(?P<emotion>\w)", mapping
    )
    assert rows(table, "speaker emotion") == [("1", "0"), (None, "True")]


def test_codes_that_are_not_in_the_mapping_are_reported(tmp_path):
    for name in ("s1-A-F-3.wav", "s2-B-m-x.wav"):
        layouts.write_audio(tmp_path, name)
    pattern = r"(?P<speaker>\w+)-(?P<emotion>\w)-(?P<gender>\w)-(?P<arousal>\w)"
    with pytest.warns(CorpusWarning) as found:
        table = corpora.read_filenames(tmp_path, pattern, {"emotion": {"A": "anger"}})
    assert rows(table, "emotion label gender") == [
        ("anger", "A", "female"),
        (None, "B", "male"),
    ]
    assert list(table["arousal"].fillna(-1)) == [3, -1]
    assert table.attrs["problems"] == {
        "unreadable labels": [
            "s2-B-m-x.wav: emotion 'B' is not in `mapping`",
            "s2-B-m-x.wav: arousal 'x' is no number",
        ],
    }
    assert "2 unreadable labels (s2-B-m-x.wav: emotion" in str(found[0].message)


@pytest.mark.parametrize(
    ("pattern", "mapping", "message"),
    [
        ("(?P<speaker>", None, "`pattern` is no regular expression"),
        (r"(\d+)", None, r"`pattern` is '\(\\\\d\+\)', which has no named group"),
        (r"(?P<speaker>\w+)", {"emotion": {}}, "`mapping` has the column 'emotion'"),
    ],
)
def test_invalid_pattern_or_mapping(pattern, mapping, message, tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    with pytest.raises(ValueError, match=message):
        corpora.read_filenames(tmp_path, pattern, mapping)


def test_speakers_without_a_label_are_reported(tmp_path):
    for name in ("s1-happy.wav", "s2-.wav"):
        layouts.write_audio(tmp_path, name)
    with pytest.warns(CorpusWarning, match=r"1 speakers without a label \(s2\)"):
        corpora.read_filenames(
            tmp_path,
            r"(?P<speaker>\w+)-(?P<emotion>\w*)",
            {"emotion": {"happy": "anger"}},
        )


def test_files_that_links_repeat_are_read_once(tmp_path):
    layouts.write_audio(tmp_path, "a", "s1.wav")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    table = corpora.read_filenames(tmp_path, r"(?P<speaker>s\d)")
    assert len(table) == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_table_of_labels(suffix, tmp_path):
    for name in ("x/a.wav", "b.wav"):
        layouts.write_audio(tmp_path, "wavs", name)
    labels = pd.DataFrame(
        {
            "file": ["x/a.wav", "b.wav", "b.wav", str(tmp_path / "wavs" / "b.wav")],
            "emotion": ["Angry", "NA", None, "neutral"],
            "speaker": ["01", "02", "02", "null"],
            "start": [None, 0.0, 0.15, None],
            "end": [None, 0.15, 0.3, None],
            "valence": [1.0, 2.0, None, 4.5],
            "room": ["r1", "r2", "r2", "r2"],
        }
    )
    path = tmp_path / f"labels.{suffix}"
    getattr(labels, f"to_{suffix}")(path, index=False)
    with pytest.warns(CorpusWarning, match="may stand for a missing one"):
        table = corpora.read_table(path, tmp_path / "wavs")
    kind = "labels that may stand for a missing one; leave them empty if they do"
    assert table.attrs["problems"] == {kind: ["null", "NA"]}
    assert rows(table, "emotion label speaker room") == [
        ("anger", "Angry", "01", "r1"),
        ("NA", "NA", "02", "r2"),
        (None, None, "02", "r2"),
        ("neutral", "neutral", "null", "r2"),
    ]
    assert list(table["end"].fillna(-1)) == [-1, 0.15, 0.3, -1]
    assert all(Path(file).is_file() for file in table.index)
    segments = table.reset_index()[["file", "start", "end"]].iloc[[0, 3]]
    assert EGeMAPS().transform(segments).shape == (2, 88)


@pytest.mark.parametrize("rating", ["low", "inf", "-inf"])
def test_root_of_a_table_is_its_folder_by_default(rating, tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    (tmp_path / "labels.csv").write_text(f"file, valence\na.wav,{rating}\nb.wav,1\n")
    with pytest.warns(CorpusWarning) as found:
        table = corpora.read_table(tmp_path / "labels.csv")
    assert "1 missing audio files (b.wav)" in str(found[0].message)
    assert f"a.wav: valence '{rating}' is no number" in str(found[0].message)
    assert len(table) == 1
    assert table["valence"].isna().all()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", ValueError, "cannot be read as a CSV table"),
        (b"\xff\xfe\x00\x01", ValueError, "cannot be read as a CSV table"),
        (
            b'file,text\nb.wav,a\na.wav,"Oh" he said\n',
            ValueError,
            "labels.csv .*, up to line 3. Write a quote in a value as two within",
        ),
        (b'file,emotion\n"a,b\n', ValueError, "end of data, up to line 2. Write a"),
        (
            "file,text\na.wav,schön".encode("latin-1"),
            ValueError,
            "labels.csv .*: line 2 is not in UTF-8. Save it as CSV in UTF-8",
        ),
        (
            b"path,emotion\na.wav,b\n",
            ValueError,
            r"lacks the column file; .*'path'.* Rename the column path to file",
        ),
        (b"File\na.wav\n", ValueError, "Rename the column File to file"),
        (
            b"file,text\na.wav,Yes, I do\n",
            ValueError,
            "labels.csv has 3 values in line 2 and 2 columns; .* quote values",
        ),
        (b"file,text\n\na.wav\n", ValueError, "has 1 values in line 3 and 2 columns"),
        (b"file,file\na.wav,b\n", ValueError, r"the columns \['file'\] more than once"),
        (
            b"file,start\na.wav,0\na.wav,soon\n",
            ValueError,
            "labels.csv, line 3: start is 'soon', which is no time",
        ),
        (
            b"file;end\na.wav;0,5\n",
            ValueError,
            "line 2: end is '0,5', which is no",
        ),
        (b"file;end\na.wav;1,5s\n", ValueError, "end is '1,5s', .*, with a point"),
        (b"file;end\na.wav;00:00:01,5\n", ValueError, "end is '00:00:01,5', which is"),
        (b"file;end\na.wav;3 4\n", ValueError, "end is '3 4', which is no time"),
        (b"file,end\na.wav,inf\n", ValueError, "line 2: end is 'inf', which is no"),
        (b"file,start\na.wav,-1\n", ValueError, "line 2: start is '-1', which is no"),
        (b"file,end\na.wav,1:30\n", ValueError, "line 2: end is '1:30', which is no"),
        (b"file,emotion\na.wav,b\n ,b\n", ValueError, "1 rows .*, the first in line 3"),
        (
            b"file\na.wav\na.wav\n",
            ValueError,
            "1 files more than once, such as 'a.wav'",
        ),
        (b"file\nb.wav\nc.wav\n", FileNotFoundError, "None of the 2 files .*'b.wav'"),
        (b"file\n", ValueError, "labels.csv has no rows"),
    ],
)
def test_invalid_tables(content, error, message, tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(error, match=message):
        corpora.read_table(tmp_path / "labels.csv")
    (tmp_path / "labels.parquet").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        corpora.read_table(tmp_path / "labels.parquet")


def test_rows_that_a_lone_quote_would_swallow_are_an_error(tmp_path):
    for file in ("a.wav", "b.wav", "c.wav"):
        layouts.write_audio(tmp_path, file)
    table = tmp_path / "labels.csv"
    texts = ["Yes,\nwell, no, no", "Oh.\nNo, no, no."]
    rows_ = [f'{name}.wav,{name},"{text}"' for name, text in zip("ab", texts)]
    table.write_text("\n".join(["file,speaker,text", *rows_]))
    assert list(corpora.read_table(table)["text"]) == texts
    for text, line in {'b.wav\tb\tOh"': 3, 'b.wav\tb\tOh\nc.wav\tc\tNo"\n': 4}.items():
        table.write_text(f'file\tspeaker\ttext\na.wav\ta\t"Oh\n{text}')
        message = f"quote in the column text .*, up to line {line}: 'Oh"
        with pytest.raises(ValueError, match=message):
            corpora.read_table(table)


@pytest.mark.parametrize("spelling", ["./a.wav", "x/../a.wav", "{}/a.wav", "link.wav"])
def test_recording_under_two_paths_is_an_error(spelling, tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    (tmp_path / "x").mkdir()
    (tmp_path / "link.wav").symlink_to("a.wav")
    again = spelling.format(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(f"file,start,end\na.wav,0,0.1\n{again},0.1,0.2\n")
    assert len(corpora.read_table(table)) == 2
    table.write_text(f"file,start,end\na.wav,0,0.1\n{again},0,0.1\n")
    message = f"1 files more than once, such as '{again}'; keep one row"
    with pytest.raises(ValueError, match=message):
        corpora.read_table(table)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_table_that_git_lfs_has_not_fetched(suffix, tmp_path):
    file = tmp_path / f"labels.{suffix}"
    file.write_text(POINTER.format("0" * 64))
    with pytest.raises(ValueError, match=f"{file.name} is a pointer of Git LFS"):
        corpora.read_table(file)


def test_recording_is_no_table(tmp_path):
    layouts.write_audio(tmp_path, "a.WAV")
    with pytest.raises(ValueError, match=r"a\.WAV is a recording; pass its folder"):
        corpora.read_table(tmp_path / "a.WAV")


@pytest.mark.parametrize(
    "content",
    [
        b"file,speaker,text\r\na.wav,s1,Yes\r\nb.wav,s2,No\r\n",
        b"\xef\xbb\xbffile;speaker;text\na.wav;s1;Yes\nb.wav;s2;No\n",
        b"file\tspeaker\ttext\na.wav\ts1\tYes\n\nb.wav\ts2\tNo",
        b",file,speaker,text\n0,a.wav,s1,Yes\n1,b.wav,s2,No\n",  # as pandas writes
        b"file,speaker,text,\na.wav,s1,Yes,\nb.wav,s2,No,\n",
        b"file,speaker,text\na.wav,s1,Yes,\nb.wav,s2,No\n,,\n",
        b'file, speaker, text\n"a.wav", "s1", "Yes"\nb.wav,s2,No\n',
        b'"file";"speaker";"text";"a, b, c, d"\na.wav;s1;Yes;\nb.wav;s2;No;\n',
        b"\xef\xbb\xbfsep=;\r\nfile;speaker;text\r\na.wav;s1;Yes\r\nb.wav;s2;No\r\n",
    ],
)
def test_table_is_read_with_any_separator_and_separators_at_the_end(content, tmp_path):
    for name in ("a.wav", "b.wav"):
        layouts.write_audio(tmp_path, name)
    (tmp_path / "labels.csv").write_bytes(content)
    table = corpora.read_table(tmp_path / "labels.csv")
    assert [Path(file).name for file in table.index] == ["a.wav", "b.wav"]
    assert rows(table, "speaker text") == [("s1", "Yes"), ("s2", "No")]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (["0", "0.5"], ["0.5", ""]),
        (["0s", "0.5s"], ["0.5s", ""]),
        (["0 days 00:00:00", "0 days 00:00:00.500000"], ["0 days 00:00:00.5", "NaT"]),
        (["00:00:00", "00:00:00.5"], ["00:00:00.5", None]),
        (["0", "500000000"], ["500000000", ""]),
        ([0, 500_000_000], [500_000_000, np.nan]),
        ([0.0, 0.5], [0.5, np.nan]),
        (pd.to_timedelta([0, 0.5], "s"), pd.to_timedelta([0.5, None], "s")),
    ],
)
def test_times_of_a_table_are_read_in_any_notation(start, end, tmp_path):
    layouts.write_audio(tmp_path, "a.wav", seconds=1)
    labels = pd.DataFrame({"file": ["a.wav"] * 2, "start": start, "end": end})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    labels.to_parquet(tmp_path / "labels.parquet", index=False)
    for name in ("labels.csv", "labels.parquet"):
        table = corpora.read_table(tmp_path / name)
        assert list(table["start"]) == [0, 0.5]
        assert list(table["end"].fillna(-1)) == [0.5, -1]


def test_texts_of_missing_values_are_no_labels(tmp_path):
    texts = ["anger", "nan", "N/A", "<NA>"]
    files = [f"{number}.wav" for number in range(4)]
    for file in files:
        layouts.write_audio(tmp_path, file)
    labels = {"file": files, "emotion": texts, "speaker": texts, "gender": texts}
    labels |= {"valence": ["3", *texts[1:]]}
    pd.DataFrame(labels).to_csv(tmp_path / "labels.csv", index=False)
    table = corpora.read_table(tmp_path / "labels.csv")
    for column in ("emotion", "label", "speaker", "gender"):
        assert list(table[column]) == ["anger", None, None, None]
    assert list(table["valence"].fillna(-1)) == [3, -1, -1, -1]
    assert table.attrs["problems"] == {}


def test_numbers_are_names_without_a_point_where_one_is_missing(tmp_path):
    for file in ("a.wav", "b.wav"):
        layouts.write_audio(tmp_path, file)
    labels = {"file": ["a.wav", "b.wav"], "speaker": [3, None], "session": [0.5, None]}
    pd.DataFrame(labels).to_parquet(tmp_path / "labels.parquet")
    table = corpora.read_table(tmp_path / "labels.parquet")
    assert rows(table, "speaker session") == [("3", "0.5"), (None, None)]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_table_of_a_database_in_audformat_is_read(format, tmp_path):
    layouts.write_audio(tmp_path, "a.wav", seconds=1)
    db = audformat.Database("talks")
    index = audformat.segmented_index(["a.wav"] * 2, ["0s", "0.5s"], ["0.5s", pd.NaT])
    db["talk"] = audformat.Table(index)
    db["talk"]["speaker"] = audformat.Column()
    db["talk"]["speaker"].set(["s1", "Anonymous"])
    db.save(tmp_path, storage_format=format)
    table = corpora.read_table(tmp_path / f"db.talk.{format}")
    assert list(table["start"]) == [0, 0.5]
    assert list(table["end"].fillna(-1)) == [0.5, -1]
    assert list(table["speaker"]) == ["s1", None]  # "Anonymous" is no person


def test_columns_with_usual_names_are_suggested(tmp_path):
    layouts.write_audio(tmp_path, "a.wav")
    header = "file,speaker_id,Sex,Emotion,start_time"
    (tmp_path / "labels.csv").write_text(f"{header}\na.wav,7,f,anger,1\n")
    with pytest.warns(CorpusWarning) as found:
        table = corpora.read_table(tmp_path / "labels.csv")
    assert table["speaker"].isna().all()
    assert table.attrs["problems"] == {
        "columns that are not used": [
            "speaker_id: rename it to speaker",
            "Sex: rename it to gender",
            "Emotion: rename it to emotion",
            "start_time: rename it to start",
        ]
    }
    assert "4 columns that are not used (speaker_id: rename" in str(found[0].message)


def test_table_that_is_no_file_is_an_error_at_once(tmp_path):
    for name in ("none.csv", "pipe.csv", "pipe.parquet"):
        if "pipe" in name and hasattr(os, "mkfifo"):
            os.mkfifo(tmp_path / name)
        with pytest.raises(FileNotFoundError, match=f"{name} is no file"):
            corpora.read_table(tmp_path / name)


# The same recording twice


def test_identical_recordings_are_reported(tmp_path):
    for name in ("a-f-1.wav", "a-m-2.wav", "b-f-1.wav"):
        layouts.write_audio(tmp_path, name)
    (tmp_path / "x").mkdir()
    for name in ("x/a-m-3.wav", "b-f-2.wav"):
        shutil.copy(tmp_path / "a-m-2.wav", tmp_path / name)
    with pytest.warns(CorpusWarning):
        table = corpora.read_filenames(
            tmp_path, r"(?P<speaker>\w)-(?P<gender>\w)-(?P<take>\d)"
        )
    assert len(table) == 5
    assert table.attrs["problems"] == {
        "speakers with two genders": ["a"],
        "identical recordings of one speaker, which count twice": [
            "x/a-m-3.wav, a-m-2.wav"
        ],
        "identical recordings of two speakers": ["b-f-2.wav of b, a-m-2.wav of a"],
    }


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 elsewhere")
def test_file_names_that_are_not_utf_8_are_left_out_and_reported(tmp_path):
    layouts.write_audio(tmp_path, "s1.wav")
    with open(os.path.join(os.fsencode(tmp_path), b"sch\xf6n.wav"), "wb"):
        pass
    message = r"1 file names that are not UTF-8; rename .* \(sch\\udcf6n.wav\)"
    with pytest.warns(CorpusWarning, match=message):
        table = corpora.read_filenames(tmp_path)
    assert [Path(file).name for file in table.index] == ["s1.wav"]


@pytest.mark.parametrize("name", NAMES)
def test_links_back_to_the_corpus_change_nothing(name, tmp_path):
    write(name, tmp_path / "copy")
    expected = READ[name](tmp_path / "copy")
    (tmp_path / "copy" / "Again").symlink_to(tmp_path / "copy")
    (tmp_path / "before").symlink_to(tmp_path / "copy")
    pd.testing.assert_frame_equal(READ[name](tmp_path / "copy"), expected)
    assert list(READ[name](tmp_path).index) == list(expected.index)


def test_summary_counts_speakers_and_emotions(tables):
    counts = corpora.summary(tables["iemocap"])
    assert list(counts.index) == ["Ses01F", "Ses01M", "Ses05F", "Ses05M", "total"]
    assert list(counts.columns[-2:]) == ["unknown", "total"]
    assert counts.loc["Ses01F", "unknown"] == 1
    assert counts.loc["total", "total"] == 8
    assert counts["total"].tolist() == [3, 3, 1, 1, 8]
    unlabeled = tables["urdu"].assign(emotion=None)
    assert list(corpora.summary(unlabeled).columns) == ["unknown", "total"]


# audformat


@pytest.mark.parametrize("name", NAMES)
def test_audformat_and_back(name, copies):
    table = READ[name](copies[name])
    db = corpora.to_audformat(table)
    assert not Path(db.files[0]).is_absolute()
    again = corpora.from_audformat(db)
    assert again.attrs["corpus"] == table.attrs["corpus"].lower()
    again = again.rename(index=lambda file: str(copies[name] / file))
    pd.testing.assert_frame_equal(again, table[COLUMNS])


def test_audformat_of_a_table_of_unknown_origin(tables):
    table = tables["urdu"].copy()
    table.attrs = {"corpus": None, "root": None}  # as `read_features` may return it
    db = corpora.to_audformat(table)
    assert db.name == "corpus"
    assert sorted(db.files) == sorted(table.index)


def test_segments_of_a_database_in_audformat(tmp_path):
    db = audformat.Database("talks")
    db.schemes["emotion"] = audformat.Scheme(labels=["happy", "sad"])
    db.schemes["speaker"] = audformat.Scheme(
        labels={7: {"sex": "female"}, 8: {"sex": "male"}}, dtype="int"
    )
    db.schemes["transcription"] = audformat.Scheme("str")
    index = audformat.segmented_index(
        ["a.wav", "a.wav", "b.wav"], ["0s", "1.5s", "0s"], ["1.5s", "2s", pd.NaT]
    )
    db["talk"] = audformat.Table(index)
    for column, values in {
        "emotion": ["happy", None, "sad"],
        "speaker": [7, 7, 8],
        "transcription": ["Hi.", "Ho.", None],
    }.items():
        db["talk"][column] = audformat.Column(scheme_id=column)
        db["talk"][column].set(values)
    table = corpora.from_audformat(db)
    assert list(table.index) == ["a.wav", "a.wav", "b.wav"]
    assert rows(table, "emotion label speaker gender text start") == [
        ("happiness", "happy", "7", "female", "Hi.", 0.0),
        (None, None, "7", "female", "Ho.", 1.5),
        ("sadness", "sad", "8", "male", None, 0.0),
    ]
    assert list(table["end"].fillna(-1)) == [1.5, 2.0, -1]
    with pytest.raises(ValueError, match=r"`emotion` is 'mood', .*'talk'"):
        corpora.from_audformat(db, emotion="mood")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, of audformat
def test_load_through_audb(copies, tmp_path, monkeypatch):
    audb = pytest.importorskip("audb")
    folder = tmp_path / "db"
    db = corpora.to_audformat(corpora.read_emodb(copies["emodb"]), "mini")
    for file in db.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((copies["emodb"] / file).read_bytes())
    db.save(folder)
    (tmp_path / "host" / "repository").mkdir(parents=True)
    repository = audb.Repository("repository", str(tmp_path / "host"), "file-system")
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    audb.publish(folder, "1.0.0", repository, verbose=False)
    monkeypatch.setattr(audb.config, "CACHE_ROOT", str(tmp_path / "cache"))
    monkeypatch.setattr(audb.config, "SHARED_CACHE_ROOT", str(tmp_path / "shared"))
    table = corpora.load("mini", "1.0.0")
    assert sorted(table["emotion"]) == sorted(
        corpora.read_emodb(copies["emodb"])["emotion"]
    )
    assert EGeMAPS().transform(table.index[:1]).shape == (1, 88)


def test_emodb_in_audformat_is_like_the_folder():
    db = audformat.Database("emodb")
    files = ["wav/03a01Fa.wav", "laryngo/03a01Fa.wav", "wav/08a01Na.wav"]
    db["emotion"] = audformat.Table(audformat.filewise_index(files))
    db.schemes["speaker"] = audformat.Scheme(labels=[3, 8], dtype="int")
    for column, values in {
        "emotion": ["happiness", "happiness", "no_agreement"],
        "speaker": [3, 3, 8],
    }.items():
        scheme = {"scheme_id": "speaker"} if column == "speaker" else {}
        db["emotion"][column] = audformat.Column(**scheme)
        db["emotion"][column].set(values)
    table = corpora.from_audformat(db)
    assert list(table.index) == ["wav/03a01Fa.wav", "wav/08a01Na.wav"]
    assert rows(table, "emotion label speaker") == [
        ("happiness", "happiness", "03"),
        (None, "no_agreement", "08"),
    ]


def test_songs_of_ravdess_in_audformat_are_left_out():
    db = audformat.Database("ravdess")
    folder = "audio_{}_actors_01-24/actor_01/03-{}-03-01-01-01-01.wav"
    files = [folder.format("speech", "01"), folder.format("song", "02")]
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["emotion"] = audformat.Column()
    db["files"]["emotion"].set(["happy", "happy"])
    assert list(corpora.from_audformat(db).index) == files[:1]


def test_splits_of_a_database_in_audformat_are_kept():
    db = audformat.Database("talks")
    files_of = {"train": ["05-02-2024.wav", "laryngo/b.wav"], "test": ["c.wav"]}
    for split, files in files_of.items():
        db.splits[split] = audformat.Split(split)
        index = audformat.filewise_index(files)
        db[split] = audformat.Table(index, split_id=split)
        db[split]["emotion"] = audformat.Column()
        db[split]["emotion"].set(["anger"] * len(files))
    table = corpora.from_audformat(db)
    assert dict(table["partition"]) == {
        "05-02-2024.wav": "train",
        "laryngo/b.wav": "train",
        "c.wav": "test",
    }


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, of audformat
def test_tables_of_a_database_that_disagree_are_named():
    db = audformat.Database("crema-d")
    emotions = {"emotion.desired": "anger", "emotion.voice": "no_agreement"}
    for name, emotion in emotions.items():
        db[name] = audformat.Table(audformat.filewise_index(["1001_DFA_ANG_XX.wav"]))
        db[name]["emotion"] = audformat.Column()
        db[name]["emotion"].set([emotion])
    message = (
        r"database 'crema-d' have different values .* column 'emotion'.*; "
        r"choose with `tables` from \['emotion.desired', 'emotion.voice'\]"
    )
    with pytest.raises(ValueError, match=message):
        corpora.from_audformat(db)
    table = corpora.from_audformat(db, tables="emotion.voice")
    assert rows(table, "emotion label") == [(None, "no_agreement")]
    with pytest.raises(ValueError, match=r"`tables` has \['voice'\].*'emotion.voice'"):
        corpora.from_audformat(db, tables=["emotion.voice", "voice"])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, of audformat
def test_tables_are_those_of_all_columns_that_they_have():
    db = audformat.Database("talks")
    index = audformat.filewise_index(["a.wav"])
    columns = {
        "gold": {"emotion": "anger", "arousal": 4.0},
        "rater": {"emotion": "anger", "arousal": 2.0},
        "files": {"speaker": "ann"},
    }
    for name, values in columns.items():
        db[name] = audformat.Table(index)
        for column, value in values.items():
            db[name][column] = audformat.Column()
            db[name][column].set([value])
    with pytest.raises(ValueError, match="column 'arousal'"):
        corpora.from_audformat(db)
    table = corpora.from_audformat(db, tables="gold")
    assert rows(table, "emotion arousal speaker") == [("anger", 4.0, "ann")]


# Speed


def test_ten_thousand_names_are_read_within_a_second(tmp_path):
    n_speakers, n_files = 100, 100
    for speaker in range(n_speakers):
        folder = tmp_path / f"{speaker:03d}"
        folder.mkdir()
        for take in range(n_files):
            (folder / f"{'AHNS'[take % 4]}{take:04d}.wav").touch()
    start = time.process_time()  # other processes may run
    table = corpora.read_filenames(
        tmp_path,
        r"(?P<speaker>\d+)/(?P<emotion>[AHNS])\d+",
        {"emotion": {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}},
    )
    assert time.process_time() - start < 1
    assert len(table) == n_speakers * n_files
    assert corpora.summary(table).loc["total", "anger"] == n_speakers * n_files / 4


def test_labels_of_files_are_those_of_their_segments_in_any_order():
    files = [f"{number}.wav" for number in range(6)]
    db = audformat.Database("mine")
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column()
    db["files"]["speaker"].set(list("aabbcc"))
    segments = [(file, start) for start in (0, 1) for file in files]
    names, starts = zip(*segments)
    ends = [f"{start + 1}s" for start in starts]
    index = audformat.segmented_index(names, [f"{s}s" for s in starts], ends)
    db["segments"] = audformat.Table(index)
    db["segments"]["emotion"] = audformat.Column()
    db["segments"]["emotion"].set(["anger", "neutral"] * 6)
    db["some"] = audformat.Table(index[:1])
    db["some"]["gender"] = audformat.Column()
    db["some"]["gender"].set(["female"])
    table = corpora.from_audformat(db)
    assert list(table.index) == list(names)
    assert list(table["speaker"]) == list("aabbcc") * 2
    assert list(table["start"]) == list(starts)
    assert list(table["gender"]) == ["female", *[None] * 11]


UNPRIVILEGED = """
import os, warnings
from advser import corpora
warnings.simplefilter("ignore")

def read():
    named = corpora.read_filenames(".", r"(?P<speaker>[a-z])_(?P<emotion>[a-z]+)")
    return [
        (list(table.index), table.attrs["problems"])
        for table in (named, corpora.read_table("labels.csv"))
    ]

read()
if os.getuid() == 0:  # who may open all files
    os.setuid(65534)
print(read())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_files_and_folders_that_cannot_be_opened_are_reported(tmp_path):
    files = ["a_joy.wav", "b_joy.wav", "x/a_joy.wav", "y/c_joy.wav"]
    for file in files:
        layouts.write_audio(tmp_path, file)
    lines = [f"{file},{speaker}" for file, speaker in zip(files, "abcd")]
    (tmp_path / "labels.csv").write_text("\n".join(["file,speaker", *lines]))
    closed = [tmp_path / "x" / "a_joy.wav", tmp_path / "y"]
    tmp_path.chmod(0o755)
    for path in closed:
        path.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    for path in closed:
        path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    kind = "files and folders that cannot be opened"
    (found, named), (_, listed) = ast.literal_eval(done.stdout)
    assert found == ["a_joy.wav", "b_joy.wav"]
    assert named[kind] == ["y", "x/a_joy.wav"]
    assert listed[kind] == ["x/a_joy.wav"]
    assert listed["missing audio files"] == ["y/c_joy.wav"]


def test_recordings_to_convert_are_reported(tmp_path):
    pattern = r"(?P<speaker>\w)_(?P<emotion>[a-z]+)"
    layouts.write_audio(tmp_path, "a_anger.wav")
    for name in ("a_anger.m4a", "b_fear.M4A", "notes.mp4"):
        (tmp_path / name).write_bytes(b"sound")
    with pytest.warns(CorpusWarning, match=r"1 files to convert to WAV \(b_fear.M4A\)"):
        table = corpora.read_filenames(tmp_path, pattern)
    assert list(table["speaker"]) == ["a"]
    with pytest.warns(CorpusWarning, match="2 files to convert to WAV"):
        corpora.read_filenames(tmp_path)


def test_videos_of_ravdess_need_no_conversion(tmp_path):
    layouts.write_audio(tmp_path, "Actor_01/03-01-05-01-01-01-01.wav")
    for name in ("01-01-05-01-01-01-01.mp4", "01-01-05-01-01-02-01.mp4"):
        (tmp_path / "Actor_01" / name).write_bytes(b"video")
    with pytest.warns(CorpusWarning):
        table = corpora.read_ravdess(tmp_path)
    assert table.attrs["problems"] == {
        "files to convert to WAV": ["Actor_01/01-01-05-01-01-02-01.mp4"]
    }


def table_of(folder, *rows):
    """Read a table of labels with a column for each name of its first line."""
    for number, row in enumerate(rows[1:]):
        layouts.write_audio(folder, row.partition(";")[0], speaker=number)
    (folder / "labels.csv").write_text("\n".join(rows))
    return corpora.read_table(folder / "labels.csv")


def test_names_that_differ_in_case_or_zeros_are_reported(tmp_path):
    rows = ["a.wav;Anna;wut", "b.wav;anna;Wut", "c.wav;01;x", "d.wav;1;x"]
    with pytest.warns(CorpusWarning):
        table = table_of(tmp_path, "file;speaker;emotion", *rows)
    assert table.attrs["problems"] == {
        "names that differ in case, blanks or zeros alone": [
            "Anna and anna",
            "01 and 1",
            "wut and Wut",
        ]
    }
    assert table["speaker"].nunique() == 4


def test_names_that_look_nearly_alike_are_reported(tmp_path):
    pairs = ["Jo Day, Jo\u00a0Day", "Kim Mai, Kim  Mai", "Lu Fox, Lu_Fox"]
    pairs += ["Bo Kay, Bo Kay\u200f", "spk1, spk01", "s1, s10", "Ses01F, Ses01M"]
    names = [name for pair in pairs for name in pair.split(", ")]
    rows = [f"{i}.wav;{name};anger" for i, name in enumerate(names)]
    with pytest.warns(CorpusWarning):
        table = table_of(tmp_path, "file;speaker;emotion", *rows)
    [found] = table.attrs["problems"].values()
    assert sorted(found) == sorted(" and ".join(p.split(", ")) for p in pairs[:5])


def test_names_in_two_forms_of_unicode_are_one(tmp_path):
    for name in ("J\u00f6rg", "Jo\u0308rg"):
        layouts.write_audio(tmp_path, f"{name}_{name}.wav")
    pattern = "(?P<speaker>[^_]+)_(?P<emotion>[^_.]+)"
    table = corpora.read_filenames(tmp_path, pattern)
    assert rows(table, "speaker emotion label") == [("J\u00f6rg",) * 3] * 2
    assert len(set(table.index)) == 2
    mapping = {"speaker": {"Jo\u0308rg": "A"}, "emotion": {"J\u00f6rg": "B"}}
    table = corpora.read_filenames(tmp_path, pattern, mapping)
    assert rows(table, "speaker emotion") == [("A", "B")] * 2
    lines = ["a.wav;J\u00f6rg", "b.wav;Jo\u0308rg"]
    assert table_of(tmp_path, "file;speaker", *lines)["speaker"].nunique() == 1


def test_labels_with_one_emotion_are_reported(tmp_path):
    rows = ["a.wav;joy", "b.wav;happy", "c.wav;sad", "d.wav;sadness"]
    with pytest.warns(CorpusWarning):
        table = table_of(tmp_path, "file;emotion", *rows)
    problems = {"labels with one emotion": ["happy, joy: happiness"]}
    assert table.attrs["problems"] == problems


def test_decimal_commas_are_refused(tmp_path):
    message = r"The column valence has 1 numbers .* such as '3,5'"
    with pytest.raises(ValueError, match=message):
        table_of(tmp_path, "file;valence", "a.wav;3,5", "b.wav;4")


def test_times_of_the_clock_are_refused(tmp_path):
    with pytest.raises(ValueError, match="1700000000 in its column start"):
        table_of(tmp_path, "file;start", "a.wav;1700000000")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("wavs\\a.wav", "write / between folders"),
        ("wavs/a", r"add the suffix \.wav"),
        ("wavs/u\u0308.wav", "Unicode's form NFC"),
        ("b.wav", "relative to this folder"),
    ],
)
def test_files_that_are_named_in_another_way(name, remedy, tmp_path):
    layouts.write_audio(tmp_path, "wavs", "a.wav")
    layouts.write_audio(tmp_path, "wavs", "\u00fc.wav")
    (tmp_path / "labels.csv").write_text(f"file\n{name}\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=remedy):
        corpora.read_table(tmp_path / "labels.csv")


def test_a_file_of_a_table_that_is_named_in_another_way_has_its_remedy(tmp_path):
    for name in ("a.wav", "b.wav"):
        layouts.write_audio(tmp_path, name)
    for names, found in {
        "c.wav": "c.wav",
        "b\nc.wav": "b: add the suffix .wav, ...",
    }.items():
        (tmp_path / "labels.csv").write_text(f"file\na.wav\n{names}\n")
        message = re.escape(f"missing audio files ({found})")
        with pytest.warns(CorpusWarning, match=message):
            corpora.read_table(tmp_path / "labels.csv")


def test_msp_podcast_of_an_earlier_release(copies, tables, tmp_path):
    shutil.copytree(copies["msp_podcast"], tmp_path, dirs_exist_ok=True)
    (labels,) = tmp_path.rglob("labels_consensus.csv")
    labels.rename(labels.with_name("labels_concensus.csv"))
    table = corpora.read_msp_podcast(tmp_path)
    assert list(table["emotion"]) == list(tables["msp_podcast"]["emotion"])


def test_speakers_that_became_floats_are_the_same_persons(tmp_path):
    rows = ["a.wav;1;anger", "b.wav;1.0;joy", "c.wav;2.0;joy"]
    table = table_of(tmp_path, "file;speaker;emotion", *rows)
    assert table["speaker"].tolist() == ["1", "1", "2"]
    for nobody in ("", "unknown", "N.A.", "nan"):
        table = table_of(
            tmp_path, "file;speaker;emotion", *rows, f"d.wav;{nobody};anger"
        )
        assert table["speaker"].tolist() == ["1", "1", "2", None]
    with pytest.warns(CorpusWarning, match="differ in case, blanks or zeros"):
        table = table_of(tmp_path, "file;speaker;emotion", *rows, "d.wav;M3;joy")
    assert ["1 and 1.0"] in table.attrs["problems"].values()


@pytest.mark.parametrize("emotion", ["None", "unknown", "?", "no_agreement"])
def test_emotions_that_may_stand_for_a_missing_one_are_reported(tmp_path, emotion):
    rows = ["a.wav;s1;anger", f"b.wav;s1;{emotion}"]
    with pytest.warns(CorpusWarning, match="may stand for a missing one"):
        table = table_of(tmp_path, "file;speaker;emotion", *rows)
    assert table["emotion"].tolist() == ["anger", emotion]


def test_a_pattern_with_a_group_of_the_name_file_is_refused(tmp_path):
    layouts.write_audio(tmp_path, "a_anger.wav")
    with pytest.raises(ValueError, match="which has the group 'file'"):
        corpora.read_filenames(tmp_path, r"(?P<file>\w)_(?P<emotion>\w+)")


def test_files_in_another_case_are_named_as_on_disk(tmp_path):
    layouts.write_audio(tmp_path, "Wavs", "a.wav")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,emotion\nwavs/A.WAV,anger\n")
    with pytest.raises(FileNotFoundError, match=r"as the file is spelt, 'Wavs/a\.wav'"):
        corpora.read_table(labels)


def test_a_recording_in_two_formats_is_reported(tmp_path):
    for name in ("a.wav", "a.flac", "b.wav"):
        layouts.write_audio(tmp_path, name)
    with pytest.warns(CorpusWarning, match="1 recordings in two formats, which count"):
        table = corpora.read_filenames(tmp_path, r"(?P<speaker>\w)\.")
    assert ["a.flac and a.wav"] in table.attrs["problems"].values()
    assert len(table) == 3


def test_files_relative_to_the_current_folder_say_so(tmp_path, monkeypatch):
    layouts.write_audio(tmp_path, "wavs", "a.wav")
    (tmp_path / "labels").mkdir()
    table = tmp_path / "labels" / "t.csv"
    table.write_text("file,speaker,emotion\nwavs/a.wav,1,anger\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"current folder: pass `root='\.'`"):
        corpora.read_table(table)
    assert len(corpora.read_table(table, root=".")) == 1
