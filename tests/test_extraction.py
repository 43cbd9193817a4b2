"""Tables of features: extraction, interruption, and what the file says of itself."""

import os
import pickle
import warnings

import layouts
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from speech import spoil, write_corpus

from advser import AdversarialSER, EGeMAPS, SpeakerScaler, corpora
from advser._locks import locked
from advser.audio import _extractor, _features, extract_features, read_features


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Write twelve recordings of three speakers, with labels in the file names."""
    folder = tmp_path_factory.mktemp("wavs")
    write_corpus(folder, seconds=0.3)
    return corpora.read_filenames(folder, r"(?P<speaker>\d+)-(?P<emotion>\w+)-")


@pytest.fixture(scope="module")
def features(table, tmp_path_factory):
    """Extract their features."""
    path = tmp_path_factory.mktemp("features") / "features.parquet"
    assert extract_features(table, path).empty
    return path


def test_table_has_the_labels_and_the_features(table, features):
    X, labels = read_features(features)
    assert X.dtypes.unique() == [np.float32]
    np.testing.assert_array_equal(X, EGeMAPS().transform(table.index))
    assert list(X.columns) == EGeMAPS().feature_names
    assert list(X.index) == list(labels.index) == list(table.index)
    pd.testing.assert_frame_equal(labels, table, check_dtype=False)
    assert labels.attrs == {
        "corpus": table.attrs["corpus"],
        "root": table.attrs["root"],
    }
    assert os.listdir(features.parent) == ["features.parquet"]


def test_table_holds_how_it_was_made(features):
    frame = pd.read_parquet(features)
    assert frame.attrs["names"] == list(frame)[-88:] == EGeMAPS().feature_names
    recipe = frame.attrs["features"]
    assert recipe == EGeMAPS().recipe == read_features(features)[0].attrs["features"]
    assert recipe["feature_set"] == "eGeMAPSv02"
    assert recipe["opensmile"]


def test_segments_are_cut_out(tmp_path):
    layouts.write_cmu_mosei(tmp_path)
    table = corpora.read_cmu_mosei(tmp_path)
    extract_features(table, tmp_path / "mosei.parquet")
    X, labels = read_features(tmp_path / "mosei.parquet")
    segments = table.reset_index()[["file", "start", "end"]]
    np.testing.assert_array_equal(X, EGeMAPS().transform(segments))
    assert X.index.duplicated().any()
    assert list(labels["end"]) == list(table["end"])


def test_recordings_that_cannot_be_used_are_listed_in_a_file_of_their_own(
    table, tmp_path
):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    more = pd.concat(
        [table, table[:2].set_axis([str(bad), str(tmp_path / "gone.wav")])]
    )
    more = more.rename_axis("file").sample(frac=1, random_state=0)
    failures = extract_features(more, tmp_path / "features.parquet", n_jobs=2)
    X, _ = read_features(tmp_path / "features.parquet")
    assert list(X.index) == [file for file in more.index if str(tmp_path) not in file]
    np.testing.assert_array_equal(X, EGeMAPS().transform(X.index))
    assert set(failures["file"]) == {str(bad), str(tmp_path / "gone.wav")}
    assert failures["reason"].str.len().gt(10).all()
    listed = pd.read_csv(tmp_path / "features.parquet.failures.csv")
    pd.testing.assert_frame_equal(listed, failures, check_dtype=False)


def test_frames_make_no_table(table, tmp_path):
    with pytest.raises(ValueError, match=r"`extractor` has `level=.lld.`"):
        extract_features(table, tmp_path / "f.parquet", extractor=EGeMAPS(level="lld"))
    assert not any(tmp_path.iterdir())


def test_no_usable_recording_is_an_error_with_the_reasons(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    table = pd.DataFrame({"emotion": ["anger"]}, index=[str(bad)])
    with pytest.raises(ValueError, match=r"None of the 1 .*bad.wav cannot be read"):
        extract_features(table, tmp_path / "features.parquet")
    assert sorted(os.listdir(tmp_path)) == ["bad.wav", "features.parquet.failures.csv"]


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (np.inf, None, "has the start inf"),
        (0, np.inf, "has the end inf"),
        ([0], 1, "has the start '[0]', which is no time"),
        (True, 1, "has the start True, which is no time"),
        (-1, None, "has a segment from -1"),
        (pd.Timedelta("5s"), None, "its segment goes from 5 to"),
        ("soon", None, "has the start 'soon'"),
    ],
)
def test_wrong_time_costs_one_row(start, end, reason, table, tmp_path):
    mixed = table[:4].assign(
        start=pd.Series(
            [start, 0.1, pd.Timedelta("100ms"), pd.NaT], dtype=object
        ).array,
        end=pd.Series([end, None, pd.NaT, pd.Timedelta("250ms")], dtype=object).array,
    )
    failures = extract_features(mixed, tmp_path / "features.parquet")
    assert list(failures["file"]) == [table.index[0]]
    assert reason in failures["reason"][0]
    X, labels = read_features(tmp_path / "features.parquet")
    segments = pd.DataFrame(
        {"file": table.index[1:4], "start": [0.1, 0.1, 0], "end": [None, None, 0.25]}
    )
    np.testing.assert_array_equal(X, EGeMAPS().transform(segments))
    assert list(labels["start"].fillna(-1)) == [0.1, 0.1, -1]
    assert list(labels["end"].fillna(-1)) == [-1, -1, 0.25]
    assert (tmp_path / "features.parquet.failures.csv").exists()


def test_columns_of_labels_do_not_collide_with_those_of_failures(table, tmp_path):
    table = table[:3].assign(row=1, error="e", reason="r", file2="x")
    table.index = [*table.index[:2], str(tmp_path / "gone.wav")]
    failures = extract_features(table, tmp_path / "features.parquet")
    assert list(failures["error"]) == ["FileNotFoundError"]
    _, labels = read_features(tmp_path / "features.parquet")
    assert list(labels["reason"]) == ["r", "r"]


def test_extraction_into_the_output_of_another_process_is_refused(table, tmp_path):
    with locked(tmp_path / "features.parquet"):
        with pytest.raises(BlockingIOError, match=r"features.parquet is being written"):
            extract_features(table, tmp_path / "features.parquet")
        assert os.listdir(tmp_path) == ["features.parquet.lock"]
    assert os.listdir(tmp_path) == []


def test_foreign_and_damaged_parts_do_not_block_the_extraction(table, tmp_path):
    output = tmp_path / "features.parquet"
    parts = tmp_path / "features.parquet.parts"
    EGeMAPS(memory=parts).transform(table.index[:3])
    for entry in parts.iterdir():
        entry.write_bytes(b"damaged")
    (parts / "part-0.parquet").write_bytes(b"foreign")
    assert extract_features(table, output).empty
    np.testing.assert_array_equal(
        read_features(output)[0], EGeMAPS().transform(table.index)
    )
    assert os.listdir(tmp_path) == ["features.parquet"]
    parts.write_bytes(b"no folder")
    output.unlink()
    with pytest.raises(FileExistsError, match=r"features.parquet.parts is no folder"):
        extract_features(table, output)


class Interruption(BaseException):
    """What Ctrl-C raises."""


@pytest.fixture
def interrupt(monkeypatch):
    """Return a function that is interrupted, and returns what is read afterwards."""
    original = _extractor.read_recording

    def interrupt(table, output, n_recordings):
        left, reads = iter(range(n_recordings)), []

        def read_some(*arguments):
            if next(left, None) is None:
                raise Interruption
            return original(*arguments)

        def read(*arguments):
            reads.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(_extractor, "read_recording", read_some)
        with pytest.raises(Interruption):
            extract_features(table, output)
        monkeypatch.setattr(_extractor, "read_recording", read)
        return reads

    return interrupt


@pytest.fixture
def copy(tmp_path):
    """Write eight recordings that may be changed."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    write_corpus(folder, n_speakers=2, seconds=0.3)
    return corpora.read_filenames(folder, r"(?P<speaker>\d+)-(?P<emotion>\w+)-")


def test_interrupted_extraction_continues_where_it_stopped(copy, tmp_path, interrupt):
    output = tmp_path / "features.parquet"
    expected = EGeMAPS().transform(copy.index)
    reads = interrupt(copy, output, 5)
    assert not output.exists()
    assert (tmp_path / "features.parquet.parts").is_dir()
    for file in copy.index[:5]:  # finished before: they are not read again
        spoil(file)
    assert extract_features(copy, output).empty
    assert len(reads) == 3
    np.testing.assert_array_equal(read_features(output)[0], expected)
    assert sorted(os.listdir(tmp_path)) == ["features.parquet", "wavs"]


def test_resumed_extraction_repeats_files_that_changed(copy, tmp_path, interrupt):
    output = tmp_path / "features.parquet"
    reads = interrupt(copy, output, 5)
    layouts.write_audio(copy.index[1], seconds=0.4, speaker=9)
    extract_features(copy, output)
    assert len(reads) == 4
    X, _ = read_features(output)
    np.testing.assert_array_equal(X, EGeMAPS().transform(copy.index))


def test_resumed_extraction_repeats_files_that_are_replaced_by_older_ones(
    copy, tmp_path, interrupt
):
    output = tmp_path / "features.parquet"
    interrupt(copy, output, 5)
    layouts.write_audio(copy.index[1], seconds=0.4, speaker=9)
    os.utime(copy.index[1], (0, 0))
    extract_features(copy, output)
    X, _ = read_features(output)
    np.testing.assert_array_equal(X, EGeMAPS().transform(copy.index))


def test_resumed_extraction_repeats_all_with_another_opensmile(
    copy, tmp_path, interrupt, monkeypatch
):
    output = tmp_path / "features.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(_features, "version", lambda package: "0.1")
        reads = interrupt(copy, output, 5)
    extract_features(copy, output)
    assert len(reads) == len(copy)
    assert read_features(output)[0].attrs["features"]["opensmile"] != "0.1"


@pytest.mark.parametrize(
    ("change", "output", "error", "message"),
    [
        (lambda t: t, "features.csv", ValueError, r"must end in '\.parquet'"),
        (lambda t: t, "no/f.parquet", FileNotFoundError, "no does not exist"),
        (lambda t: t, "there.parquet", FileExistsError, "there.parquet exists"),
        (lambda t: t[:0], "f.parquet", ValueError, "`table` has no rows"),
        (
            lambda t: t.assign(take=[1, "b"] * 6),
            "f.parquet",
            ValueError,
            "`table` cannot be written to Parquet: .* column take",
        ),
        (
            lambda t: t.assign(**{EGeMAPS().feature_names[0]: 1}),
            "f.parquet",
            ValueError,
            "1 columns that the file cannot have, such as 'F0semitone.*: the name of a",
        ),
        (
            lambda t: t.reset_index().set_index("file", drop=False),
            "f.parquet",
            ValueError,
            r"has the column 'file', .* pass `table.set_index\('file'\)`",
        ),
        (
            lambda t: pd.concat([t, t["emotion"]], axis=1),
            "f.parquet",
            ValueError,
            "1 columns .* such as 'emotion'",
        ),
        (
            lambda t: t.assign(a=1).rename(columns={"a": 0}),
            "f.parquet",
            ValueError,
            "such as 0",
        ),
        (lambda t: t["emotion"], "f.parquet", ValueError, "must be a DataFrame"),
        (
            lambda t: t.assign(text=pd.Series("\udcf6", t.index, object)),
            "f.parquet",
            ValueError,
            "valid Unicode",
        ),
        (
            lambda t: t[:1].set_index(pd.Index(["\udcf6"], dtype=object)),
            "f.parquet",
            ValueError,
            "valid Unicode",
        ),
        (
            lambda t: pd.concat([t, t[:1]]),
            "f.parquet",
            ValueError,
            "1 rows more than once, such as .*00-anger-0.wav",
        ),
    ],
)
def test_invalid_arguments_of_the_extraction(
    change, output, error, message, table, tmp_path
):
    (tmp_path / "there.parquet").write_bytes(b"precious")
    with pytest.raises(error, match=message):
        extract_features(change(table), tmp_path / output)
    assert os.listdir(tmp_path) == ["there.parquet"]
    assert (tmp_path / "there.parquet").read_bytes() == b"precious"


def test_file_without_features_is_refused(tmp_path):
    path = tmp_path / "other.parquet"
    pd.DataFrame({"file": ["a.wav"]}).to_parquet(path)
    message = r"other\.parquet is no Parquet file with features"
    with pytest.raises(ValueError, match=message):
        read_features(path)
    path.write_bytes(b"no table")
    with pytest.raises(ValueError, match=message):
        read_features(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"other.parquet does not exist"):
        read_features(path)
    path.mkdir()
    with pytest.raises(ValueError, match=message):
        read_features(path)


@pytest.mark.parametrize("index", ["file", ["file", "start"]])
def test_table_that_was_saved_with_another_index_is_the_same(index, features, tmp_path):
    pd.read_parquet(features).set_index(index).to_parquet(tmp_path / "f.parquet")
    X, labels = read_features(tmp_path / "f.parquet")
    expected, expected_labels = read_features(features)
    pd.testing.assert_frame_equal(X, expected)
    pd.testing.assert_frame_equal(labels, expected_labels, check_like=True)


def test_damaged_table_of_features_is_an_error_with_its_name(features, tmp_path):
    path = tmp_path / "features.parquet"
    frame = pd.read_parquet(features)
    frame.drop(columns=frame.columns[-1]).to_parquet(path)
    with pytest.raises(ValueError, match=r"features.parquet lacks 1 of its columns"):
        read_features(path)
    content = bytearray(features.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"features.parquet is damaged: .* again"):
        read_features(path)


# Features of another origin


def with_origin(X, **changes):
    changed = X.copy()
    changed.attrs = {"features": {**X.attrs["features"], **changes}}
    return changed


@pytest.fixture(scope="module")
def fitted(features):
    X, labels = read_features(features)
    ser = AdversarialSER(max_epochs=2, random_state=0)
    return ser.fit(X, labels["emotion"], speakers=labels["speaker"]), X, labels


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform"])
def test_features_of_another_origin_are_refused(method, fitted):
    ser, X, _ = fitted
    assert ser.feature_origin_ == EGeMAPS().recipe
    predict = getattr(pickle.loads(pickle.dumps(ser)), method)
    expected = predict(X)
    other = with_origin(X, opensmile="1.0", sampling_rate=8000)
    with pytest.raises(
        ValueError,
        match=r"sampling_rate 16000 in fit and 8000 now, opensmile '\S+' in ",
    ):
        predict(other)
    with pytest.raises(
        ValueError, match="feature_set 'eGeMAPSv02' in fit and 'ComParE"
    ):
        predict(with_origin(X[:2], feature_set="ComParE"))
    other.attrs = {}  # of unknown origin: not compared
    np.testing.assert_array_equal(predict(other), expected)
    np.testing.assert_array_equal(predict(with_origin(X)), expected)


def test_unlabeled_features_of_another_origin_are_refused(fitted):
    _, X, labels = fitted
    with pytest.raises(ValueError, match="were not made as those in fit"):
        AdversarialSER(max_epochs=1).fit(
            X,
            labels["emotion"],
            speakers=labels["speaker"],
            X_unlabeled=with_origin(X, channel=0),
        )
    again = AdversarialSER(max_epochs=1, warm_start=True)
    again.fit(X, labels["emotion"], speakers=labels["speaker"])
    with pytest.raises(ValueError, match="were not made as those in fit"):
        again.fit(
            with_origin(X, channel=0), labels["emotion"], speakers=labels["speaker"]
        )


def test_pipeline_that_begins_with_the_speaker_scaler_refuses_them_too(fitted):
    _, X, labels = fitted
    ser = AdversarialSER(max_epochs=2, random_state=0)
    model = make_pipeline(SpeakerScaler(unknown="batch"), ser)
    speakers = labels["speaker"]
    model.fit(
        X,
        labels["emotion"],
        speakerscaler__speakers=speakers,
        adversarialser__speakers=speakers,
    )
    assert len(model.predict(X)) == len(X)
    with pytest.raises(ValueError, match="opensmile"):
        model.predict(with_origin(X, opensmile="1.0"))


def test_origin_survives_cross_validation_and_arrays_have_none(fitted):
    _, X, labels = fitted
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cross_val_score(
            AdversarialSER(max_epochs=1),
            X,
            labels["emotion"],
            groups=labels["speaker"],
            cv=GroupKFold(3),
            params={"speakers": labels["speaker"]},
        )
    ser = AdversarialSER(max_epochs=1)
    ser.fit(X.to_numpy(), labels["emotion"], speakers=labels["speaker"])
    assert ser.feature_origin_ is None
    assert len(ser.predict(X.to_numpy()))


def test_a_recording_whose_header_states_no_samples_is_to_be_repaired(tmp_path):
    file = tmp_path / "cut.wav"
    soundfile.write(file, np.zeros(16000), 16000)
    content = bytearray(file.read_bytes())
    content[40:44] = bytes(4)  # the size of the samples
    file.write_bytes(content)
    with pytest.raises(ValueError, match="by its header, and has 32,044 bytes"):
        EGeMAPS().transform([str(file)])


def test_a_flipped_bit_in_a_table_of_features_is_found(tmp_path):
    table = write_corpus(tmp_path, n_speakers=2, seconds=0.3)
    output = tmp_path / "features.parquet"
    extract_features(table.set_index("file"), output)
    content = bytearray(output.read_bytes())
    place = content.index(EGeMAPS().transform([table["file"][0]])[0, :1].tobytes())
    content[place] ^= 1
    output.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: could not verify"):
        read_features(output)
