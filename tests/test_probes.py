"""Probes of what a representation holds of the speaker."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser.probes import SpeakerLeakage, cross_val_leakage, speaker_leakage
from advser.scaling import SpeakerScaler


@pytest.fixture
def voices():
    """Ten utterances of six speakers: where they stand, and nothing but noise."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(list("abcdef"), 10)
    place = np.repeat(rng.normal(size=(6, 5)), 10, axis=0)
    return place, rng.normal(size=(60, 5)), speakers


@pytest.mark.parametrize("probe", ["logistic", "mlp"])
def test_leakage_finds_speakers_that_are_there_and_none_in_noise(probe, voices):
    place, noise, speakers = voices
    there = speaker_leakage(place + 0.05 * noise, speakers, probe=probe)
    assert there.accuracy == 1
    gone = speaker_leakage(noise, speakers, probe=probe)
    assert gone.low < gone.chance < gone.high
    assert gone.chance == pytest.approx(1 / 6)


def test_leakage_of_a_constant_embedding_is_chance(voices):
    leakage = speaker_leakage(np.ones((60, 3)), voices[2])
    assert leakage.accuracy == pytest.approx(1 / 6)


def test_mlp_probe_finds_what_no_linear_probe_can():
    rng = np.random.default_rng(0)
    speakers = np.repeat(["ann", "bob"], 100)
    radius = np.repeat([1.0, 3.0], 100) + 0.1 * rng.normal(size=200)
    angle = rng.uniform(0, 2 * np.pi, size=200)
    embedding = np.transpose([radius * np.cos(angle), radius * np.sin(angle)])
    assert speaker_leakage(embedding, speakers).accuracy < 0.7
    assert speaker_leakage(embedding, speakers, probe="mlp").accuracy > 0.95


def test_leakage_never_tests_a_probe_on_its_training_rows():
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(80, 3))
    speakers = np.repeat(list("abcd"), 20)
    probe = KNeighborsClassifier(1)  # is right on every row that it has seen
    leakage = speaker_leakage(embedding, speakers, probe=probe)
    assert leakage.probe == "KNeighborsClassifier"
    assert leakage.accuracy < 0.5


def test_from_predictions_equals_hand_count():
    speakers = np.repeat(["a", "b", "c"], [4, 4, 2])
    predicted = np.array(list("aaabbbaaca"))  # 3 of 4, 2 of 4, 1 of 2
    leakage = SpeakerLeakage.from_predictions(speakers, predicted, probe="p")
    assert leakage.recall.to_dict() == {"a": 0.75, "b": 0.5, "c": 0.5}
    assert leakage.accuracy == pytest.approx(1.75 / 3)
    assert leakage.weighted_accuracy == pytest.approx(0.6)
    assert (leakage.chance, leakage.majority) == (pytest.approx(1 / 3), 0.4)
    assert (leakage.n_speakers, leakage.n_samples) == (3, 10)
    low, high = stats.t.interval(0.95, 2, 1.75 / 3, stats.sem([0.75, 0.5, 0.5]))
    assert (leakage.low, leakage.high) == pytest.approx((low, high))
    assert "recall" not in leakage.as_row()


def test_interval_does_not_narrow_when_utterances_are_repeated():
    speakers = np.repeat(["a", "b", "c"], [4, 4, 2])
    predicted = np.array(list("aaabbbaaca"))
    once = SpeakerLeakage.from_predictions(speakers, predicted, probe="p")
    many = SpeakerLeakage.from_predictions(
        np.tile(speakers, 50), np.tile(predicted, 50), probe="p"
    )
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_leakage_does_not_depend_on_the_kind_or_names_of_speakers(voices):
    place, noise, speakers = voices
    embedding = place + 2 * noise
    expected = speaker_leakage(embedding, speakers).accuracy
    codes = np.unique(speakers, return_inverse=True)[1]
    for same in (
        list(speakers),
        -codes,
        pd.Series(speakers),
        pd.Series(speakers, dtype="category"),
    ):
        assert speaker_leakage(embedding, same).accuracy == expected


def test_leakage_is_reproducible_and_leaves_the_global_generator_alone(voices):
    place, noise, speakers = voices
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (
        speaker_leakage(place + 2 * noise, speakers, probe="mlp", random_state=3)
        for _ in range(2)
    )
    assert first.as_row() == second.as_row()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": "svm"}, r"`probe` is 'svm'; .* \['logistic', 'mlp'\]"),
        ({"n_splits": 1}, "`n_splits` is 1"),
        ({"speakers": ["a"] * 60}, "`speakers` names 1 speaker"),
        ({"speakers": ["a"] * 59 + ["z"]}, "speaker 'z' a single row"),
        ({"speakers": ["a", "b"]}, "`speakers` has 2 entries and `embedding` has 60"),
        ({"y": ["x"]}, "`y` has 1 entries and `embedding` has 60"),
    ],
)
def test_leakage_of_bad_input_says_what_is_wrong(options, message, voices):
    arguments = {"embedding": voices[1], "speakers": voices[2], **options}
    with pytest.raises(ValueError, match=message):
        speaker_leakage(**arguments)


class Memory(TransformerMixin, BaseEstimator):
    """Give away the speaker of every row that was seen in fit, and of no other."""

    __metadata_request__fit = {"speakers": True}

    def fit(self, X, y, speakers):  # noqa: D102
        codes = np.unique(speakers, return_inverse=True)[1]
        self.seen_ = dict(zip(X[:, 0], codes, strict=True))
        return self

    def transform(self, X):  # noqa: D102
        return np.array([[self.seen_.get(x, -1.0)] for x in X[:, 0]])


def test_cross_val_leakage_judges_rows_that_the_estimator_has_not_seen(voices):
    _, noise, speakers = voices
    y = np.tile(["anger", "sadness"], 30)
    memory = Memory().fit(noise, y, speakers)
    assert speaker_leakage(memory.transform(noise), speakers).accuracy == 1
    leakage = cross_val_leakage(Memory(), noise, y, speakers)
    assert leakage.accuracy == pytest.approx(leakage.chance)
    assert leakage.n_samples == 60


def test_cross_val_leakage_of_a_classifier_judges_what_it_is_given(toy):
    expected = cross_val_leakage(StandardScaler(), *toy).as_row()
    for model in (
        make_pipeline(StandardScaler(), SVC()),
        make_pipeline(StandardScaler(), LogisticRegression()),
        SVC(),  # the probe scales by itself
    ):
        found = cross_val_leakage(model, *toy).as_row()
        assert found == pytest.approx(expected, abs=0.05)


def test_cross_val_leakage_of_a_transformer_judges_its_embedding(toy):
    full = cross_val_leakage(make_pipeline(StandardScaler(), PCA(8)), *toy)
    one = cross_val_leakage(make_pipeline(StandardScaler(), PCA(1)), *toy)
    assert full.accuracy > 0.7 > 0.6 > one.accuracy


def test_cross_val_leakage_passes_the_speakers_to_a_step(toy):
    shift = 5.0 * np.unique(toy.speakers, return_inverse=True)[1]
    X = np.random.default_rng(0).normal(size=(120, 2)) + shift[:, None]
    scaler = make_pipeline(SpeakerScaler(shrinkage=0), SVC())
    assert cross_val_leakage(StandardScaler(), X, toy.y, toy.speakers).accuracy > 0.9
    assert cross_val_leakage(scaler, X, toy.y, toy.speakers).accuracy < 0.45


def test_cross_val_leakage_leaves_out_speakers_with_too_few_rows(toy):
    speakers = toy.speakers.astype(object)
    speakers[:3] = "rare"
    leakage = cross_val_leakage(StandardScaler(), toy.X, toy.y, speakers)
    assert (leakage.n_speakers, leakage.n_samples) == (4, 117)
    few = ["a"] * 63 + [f"s{number}" for number in range(57)]
    with pytest.raises(ValueError, match=r"1 of the 58 speakers .* 4 rows or more"):
        cross_val_leakage(StandardScaler(), toy.X, toy.y, few)
