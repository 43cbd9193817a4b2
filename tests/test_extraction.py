"""Tables of features: extraction, interruption, and what the file says of itself."""

import os
import pickle
import warnings

import layouts
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from speech import spoil, write_corpus

from advser import AdversarialSER, EGeMAPS, SpeakerScaler, corpora
from advser.audio import _features, extract_features, read_features


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
    listed = pd.read_csv(tmp_path / "features.failures.csv")
    pd.testing.assert_frame_equal(listed, failures, check_dtype=False)


def test_no_usable_recording_is_an_error_with_the_reasons(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    table = pd.DataFrame({"emotion": ["anger"]}, index=[str(bad)])
    with pytest.raises(ValueError, match=r"None of the 1 .*bad.wav cannot be read"):
        extract_features(table, tmp_path / "features.parquet")
    assert sorted(os.listdir(tmp_path)) == ["bad.wav", "features.failures.csv"]


class Interruption(BaseException):
    """What Ctrl-C raises."""


@pytest.fixture
def interrupt(monkeypatch):
    """Return a function that is interrupted, and returns what is read afterwards."""
    original = _features.read_recording

    def interrupt(table, output, n_recordings):
        left, reads = iter(range(n_recordings)), []

        def read_some(*arguments):
            if next(left, None) is None:
                raise Interruption
            return original(*arguments)

        def read(*arguments):
            reads.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(_features, "read_recording", read_some)
        with pytest.raises(Interruption):
            extract_features(table, output)
        monkeypatch.setattr(_features, "read_recording", read)
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
    with pytest.raises(FileNotFoundError):
        read_features(tmp_path / "none.parquet")


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
    other = with_origin(X, opensmile="2.5.0", sampling_rate=8000)
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
