"""Speaker leakage of a representation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser._engine._jobs import run_together
from advser.datasets import load_emodb
from advser.evaluation import (
    SpeakerLeakage,
    cross_val_leakage,
    gender_leakage,
    speaker_leakage,
)
from advser.evaluation._probes import held_out_embeddings, leakage_of_parts
from advser.speakers import SpeakerScaler


@pytest.fixture
def utterances():
    """Return the means of six speakers, noise, and the speakers of 60 rows."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(list("abcdef"), 10)
    place = np.repeat(rng.normal(size=(6, 5)), 10, axis=0)
    return place, rng.normal(size=(60, 5)), speakers


@pytest.mark.parametrize("probe", ["logistic", "mlp", "knn"])
def test_leakage_finds_speakers_in_their_means_and_none_in_noise(probe, utterances):
    place, noise, speakers = utterances
    there = speaker_leakage(place + 0.05 * noise, speakers, probe=probe)
    assert there.accuracy == 1
    gone = speaker_leakage(noise, speakers, probe=probe)
    assert gone.low < gone.chance < gone.high
    assert gone.chance == pytest.approx(1 / 6)


def test_leakage_of_a_constant_embedding_is_chance(utterances):
    leakage = speaker_leakage(np.ones((60, 3)), utterances[2])
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
    shown = f"accuracy 0.58 ({low:.2f} to {high:.2f}), chance 0.33; p probe, 3 speakers"
    assert str(leakage) == shown
    assert shown in leakage._repr_html_()
    assert leakage._repr_html_().count("<tr>") == leakage.n_speakers


def test_interval_does_not_narrow_when_utterances_are_repeated():
    speakers = np.repeat(["a", "b", "c"], [4, 4, 2])
    predicted = np.array(list("aaabbbaaca"))
    once = SpeakerLeakage.from_predictions(speakers, predicted, probe="p")
    many = SpeakerLeakage.from_predictions(
        np.tile(speakers, 50), np.tile(predicted, 50), probe="p"
    )
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_leakage_does_not_depend_on_the_kind_or_names_of_speakers(utterances):
    place, noise, speakers = utterances
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


def test_leakage_is_reproducible_and_leaves_the_global_generator_alone(utterances):
    place, noise, speakers = utterances
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
        ({"probe": "svm"}, r"`probe` is 'svm'; .* \['knn', 'logistic', 'mlp'\]"),
        ({"n_splits": 1}, r"`n_splits` must be an int in the range \[2.*got 1"),
        ({"speakers": ["a"] * 60}, "`speakers` names 1 speaker"),
        ({"speakers": ["a"] * 59 + ["z"]}, "speaker 'z' a single row"),
        ({"speakers": ["a", "b"]}, "`speakers` has 2 entries and `embedding` has 60"),
        ({"y": ["x"]}, "`y` has 1 entries and `embedding` has 60"),
    ],
)
def test_leakage_of_bad_input_says_what_is_wrong(options, message, utterances):
    arguments = {"embedding": utterances[1], "speakers": utterances[2], **options}
    with pytest.raises(ValueError, match=message):
        speaker_leakage(**arguments)


class Memory(TransformerMixin, BaseEstimator):
    """Return the speaker of every training row, and of no other."""

    __metadata_request__fit = {"speakers": True}

    def fit(self, X, y, speakers):  # noqa: D102
        codes = np.unique(speakers, return_inverse=True)[1]
        self.seen_ = dict(zip(X[:, 0], codes, strict=True))
        return self

    def transform(self, X):  # noqa: D102
        return np.array([[self.seen_.get(x, -1.0)] for x in X[:, 0]])


def test_cross_val_leakage_is_that_of_rows_held_out_from_the_estimator(utterances):
    _, noise, speakers = utterances
    y = np.tile(["anger", "sadness"], 30)
    memory = Memory().fit(noise, y, speakers)
    assert speaker_leakage(memory.transform(noise), speakers).accuracy == 1
    leakage = cross_val_leakage(Memory(), noise, y, speakers)
    assert leakage.accuracy == pytest.approx(leakage.chance)
    assert leakage.n_samples == 60


def test_held_out_embeddings_of_several_estimators_are_fitted_together(toy):
    models = [StandardScaler(), make_pipeline(StandardScaler(), PCA(2)), SVC()]
    settings = {"strata": toy.y, "random_state": 0}
    jobs = [held_out_embeddings(model, *toy, **settings) for model in models]
    for model, parts in zip(models, run_together(jobs), strict=True):
        rows = np.concatenate([part[0] for part in parts])
        assert sorted(rows) == list(range(120))
        leakage = leakage_of_parts(parts, toy.speakers, toy.y, "knn")
        expected = cross_val_leakage(model, *toy, probe="knn")
        assert leakage.as_row() == expected.as_row()


def test_cross_val_leakage_of_a_classifier_is_that_of_its_input(toy):
    expected = cross_val_leakage(StandardScaler(), *toy).as_row()
    for model in (
        make_pipeline(StandardScaler(), SVC()),
        make_pipeline(StandardScaler(), LogisticRegression()),
        SVC(),  # the probe scales by itself
    ):
        found = cross_val_leakage(model, *toy).as_row()
        assert found == pytest.approx(expected, abs=0.05)


def test_cross_val_leakage_of_a_search_is_that_of_the_embedding(toy):
    front = make_pipeline(StandardScaler(), PCA(1, random_state=0))
    search = GridSearchCV(make_pipeline(front, SVC()), {"svc__C": [1.0]})
    expected = cross_val_leakage(front, *toy).as_row()
    assert cross_val_leakage(search, *toy).as_row() == expected


def test_cross_val_leakage_of_a_transformer_is_that_of_its_embedding(toy):
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


def test_settings_of_a_leakage_are_checked_before_the_network_is_fitted(toy):
    class Never(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            raise AssertionError("it was fitted")

    genders = np.where(toy.speakers == "s1", "m", "f")
    for settings, message in [
        ({"probe": "typo"}, "`probe` is 'typo'"),
        ({"random_state": np.random.RandomState(0)}, "random_state"),
        ({"genders": genders}, "as numbers of speakers"),
        ({"genders": genders, "within_emotion": True}, "goes without `genders`"),
    ]:
        with pytest.raises(ValueError, match=message):
            cross_val_leakage(Never(), toy.X, toy.y, toy.speakers, **settings)


def test_gender_whose_second_speaker_has_too_few_rows_is_named(toy):
    genders = np.where(np.isin(toy.speakers, ["s1", "s2"]), "m", "f")
    speakers = toy.speakers.astype(object)
    kept = np.flatnonzero(speakers != "s1").tolist()
    kept += np.flatnonzero(speakers == "s1")[:3].tolist()  # the second man
    X, y, speakers, genders = toy.X[kept], toy.y[kept], speakers[kept], genders[kept]
    with pytest.raises(ValueError, match=r"`genders` has .*'m': 1"):
        cross_val_leakage(StandardScaler(), X, y, speakers, genders=genders)


@pytest.fixture
def mixes():
    """Return noise of three speakers who differ in their mix of two emotions."""
    speakers = np.repeat(["a", "b", "c"], 40)
    angry = np.arange(120) % 40 < np.repeat([36, 20, 4], 40)
    noise = 0.1 * np.random.default_rng(0).normal(size=(120, 4))
    return noise, np.where(angry, "anger", "joy"), speakers


def test_leakage_within_emotion_leaves_out_what_the_emotion_reveals(mixes):
    noise, y, speakers = mixes
    embedding = noise + (y == "joy")[:, None]
    assert speaker_leakage(embedding, speakers, y).accuracy > 0.5
    within = speaker_leakage(embedding, speakers, y, within_emotion=True)
    assert within.low < within.chance < within.high
    assert within.chance == pytest.approx(1 / 3)


@pytest.mark.parametrize("probe", ["logistic", "knn"])
def test_leakage_within_emotion_finds_a_speaker_whose_place_depends_on_it(probe, mixes):
    noise, y, speakers = mixes
    place = np.unique(speakers, return_inverse=True)[1]
    embedding = noise + np.where(y == "joy", place, -place)[:, None]
    within = speaker_leakage(embedding, speakers, y, within_emotion=True, probe=probe)
    assert within.accuracy == 1
    cross = cross_val_leakage(
        StandardScaler(), embedding, y, speakers, within_emotion=True, probe=probe
    )
    assert cross.accuracy == 1


def test_from_predictions_refuses_speakers_of_another_type():
    with pytest.raises(ValueError, match="`predicted` and `speakers` hold"):
        SpeakerLeakage.from_predictions([1, 2], ["1", "2"], probe="p")


def test_from_predictions_within_emotions_equals_hand_count():
    speakers = np.array(list("aabb" + "aabbcc"))
    predicted = np.array(list("aabb" + "abaacc"))
    within = np.repeat(["joy", "anger"], [4, 6])
    leakage = SpeakerLeakage.from_predictions(
        speakers, predicted, probe="p", within=within
    )
    assert leakage.recall.to_dict() == {"a": 0.75, "b": 0.5, "c": 1}
    assert leakage.accuracy == pytest.approx(0.75)
    # a and b: one of 2 in joy, one of 3 in anger; c: one of 3
    assert leakage.chance == pytest.approx((5 / 12 + 5 / 12 + 1 / 3) / 3)
    assert leakage.weighted_accuracy == pytest.approx(0.7)
    assert leakage.majority == pytest.approx((2 + 2) / 10)


def test_chance_within_emotions_is_that_of_the_speakers_that_a_probe_knows():
    # Each half has the speakers with two of their three rows of joy there.
    speakers = np.repeat(np.arange(20), 5)
    y = np.tile(["joy", "joy", "joy", "anger", "fear"], 20)
    X = np.random.default_rng(0).normal(size=(100, 2))
    guesses = [
        cross_val_leakage(
            LogisticRegression(),
            X,
            y,
            speakers,
            within_emotion=True,
            probe=DummyClassifier(strategy="uniform"),
            random_state=seed,
        )
        for seed in range(160)
    ]
    accuracy = np.mean([guess.accuracy for guess in guesses])
    assert accuracy == pytest.approx(guesses[0].chance, abs=0.015)
    assert guesses[0].majority == pytest.approx(0.1)


@pytest.mark.parametrize("n_rows", [2, 3])
def test_leakage_of_noise_is_that_of_chance_with_few_rows_of_a_speaker(n_rows):
    speakers = np.repeat(np.arange(20), n_rows)
    rng = np.random.default_rng(0)
    accuracy = [
        speaker_leakage(
            rng.normal(size=(len(speakers), 16)), speakers, random_state=seed
        ).accuracy
        for seed in range(60)
    ]
    assert np.mean(accuracy) == pytest.approx(1 / 20, abs=0.0125)


@pytest.mark.parametrize("n_rows", [2, 4])
def test_leakage_of_the_emotion_alone_is_that_of_chance(n_rows):
    speakers = np.repeat(np.arange(12), 4 * n_rows)
    y = np.tile(np.repeat(np.arange(4), n_rows), 12)
    rng = np.random.default_rng(0)
    accuracy = [
        leakage.accuracy
        for seed in range(10)
        for embedding in [5 * np.eye(4)[y] + rng.normal(size=(len(y), 4))]
        for leakage in [
            speaker_leakage(embedding, speakers, y, random_state=seed),
            cross_val_leakage(
                StandardScaler(), embedding, y, speakers, random_state=seed
            ),
        ]
    ]
    assert np.mean(accuracy) == pytest.approx(1 / 12, abs=0.02)


def test_leakage_within_emotion_leaves_out_what_cannot_be_probed(mixes):
    noise, y, speakers = mixes
    y = y.copy()
    y[:2] = "fear"  # of one speaker
    y[45] = y[85] = y[86] = "shame"  # a single row of one, two of the other
    within = speaker_leakage(noise, speakers, y, within_emotion=True)
    assert within.n_samples == 120 - 2 - 3
    for refused in (None, np.arange(120)):
        with pytest.raises(ValueError, match="`within_emotion=True`"):
            speaker_leakage(noise, speakers, refused, within_emotion=True)


@pytest.fixture
def speakers_of_two_genders():
    """Return the places of eight speakers, their genders, and 15 rows of each."""
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{number}" for number in range(8)], 15)
    genders = np.repeat(np.tile(["female", "male"], 4), 15)
    place = np.repeat(rng.normal(size=(8, 40)), 15, axis=0)
    return place + 0.1 * rng.normal(size=(120, 40)), genders, speakers


@pytest.mark.parametrize("probe", ["logistic", "mlp", "knn"])
def test_gender_probe_finds_gender_and_not_the_single_speakers(
    probe, speakers_of_two_genders
):
    place, genders, speakers = speakers_of_two_genders
    assert speaker_leakage(place, speakers, probe=probe).accuracy == 1
    alone = gender_leakage(place, genders, speakers, probe=probe)
    assert alone.low < 0.5 < alone.high
    planted = place + 3 * (genders == "male")[:, None]
    assert gender_leakage(planted, genders, speakers, probe=probe).accuracy == 1


def test_gender_leakage_counts_speakers_as_the_units():
    class Given(BaseEstimator):
        """Predict the gender in the row."""

        def fit(self, X, y):
            self.fitted_ = True
            return self

        def predict(self, X):
            return (X[:, 0] > 0).astype(int)

    speakers = np.repeat(list("abcd"), [2, 4, 2, 2])
    genders = np.repeat(["f", "m"], [6, 4])
    given = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 0])  # 1, 3/4; 1, 1/2
    leakage = gender_leakage(
        2.0 * given[:, None] - 1, genders, speakers, probe=Given(), n_splits=2
    )
    assert leakage.recall.to_dict() == {"a": 1, "b": 0.75, "c": 1, "d": 0.5}
    assert leakage.accuracy == pytest.approx((0.875 + 0.75) / 2)
    assert (leakage.chance, leakage.majority) == (0.5, 0.6)
    assert leakage.weighted_accuracy == pytest.approx(0.8)
    assert (leakage.n_speakers, leakage.n_samples) == (4, 10)
    error = np.sqrt(stats.sem([1, 0.75]) ** 2 + stats.sem([1, 0.5]) ** 2) / 2
    low, _ = stats.t.interval(0.95, 1, leakage.accuracy, error)
    assert leakage.low == pytest.approx(max(0, low))
    assert leakage.high == 1


def test_cross_val_leakage_of_gender_in_real_speech():
    data = load_emodb()
    leakage = cross_val_leakage(
        StandardScaler(), data.data, data.target, data.speakers, genders=data.genders
    )
    assert leakage.chance == 0.5
    assert leakage.low > 0.6
    assert leakage.n_speakers == 10


@pytest.mark.parametrize(
    ("genders", "message"),
    [
        (["f"] * 120, "two genders of two speakers"),
        (["f"] * 105 + ["m"] * 15, "`genders` has .*7.* two genders"),
        (["f", "m"] * 60, "`genders` gives speaker 's0' two genders"),
        (["f"], "`genders` has 1 entries and `embedding` has 120"),
    ],
)
def test_gender_leakage_of_bad_input_says_what_is_wrong(
    genders, message, speakers_of_two_genders
):
    with pytest.raises(ValueError, match=message):
        gender_leakage(speakers_of_two_genders[0], genders, speakers_of_two_genders[2])


def accuracy_of_folds(place, speakers, y, n_splits):
    """Return the mean accuracy in 20 draws of noise."""
    return np.mean(
        [
            speaker_leakage(
                place + 2 * np.random.default_rng(seed).normal(size=place.shape),
                speakers,
                y,
                n_splits=n_splits,
            ).accuracy
            for seed in range(20)
        ]
    )


@pytest.mark.parametrize("case", ["a speaker of two rows", "two rows of an emotion"])
def test_few_rows_do_not_take_the_folds(case):
    place = np.repeat(np.random.default_rng(0).normal(size=(6, 20)), 10, axis=0)
    speakers = np.repeat(list("abcdef"), 10)
    y = np.tile(np.repeat(np.arange(5), 2), 6)
    if case == "a speaker of two rows":
        place, speakers, y = place[:-8], speakers[:-8], None
    many, few = (accuracy_of_folds(place, speakers, y, n) for n in (5, 2))
    assert many > few + 0.03
