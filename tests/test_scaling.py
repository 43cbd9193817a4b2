"""Speaker normalisation: statistics, unknown speakers, enrolment."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import clone, config_context
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from advser.datasets import load_emodb
from advser.evaluation import enrollment_curve
from advser.exceptions import NoSpeakersWarning
from advser.speakers import SpeakerScaler

EMOTIONS = np.array(["neutral", "anger", "sadness"])


@pytest.fixture
def data():
    """Return X (60, 4), y and five speakers who differ in mean and deviation."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(5), [20, 14, 12, 8, 6])
    emotion = np.arange(60) % 3
    offsets = rng.normal(scale=3, size=(5, 4))
    spreads = rng.uniform(0.5, 2, size=(5, 1))
    X = rng.normal(size=(60, 4)) + 1.5 * np.eye(3, 4)[emotion]
    X = (offsets + 10 * np.arange(4))[codes] + spreads[codes] * X
    return X, EMOTIONS[emotion], np.array(["ada", "bo", "cy", "di", "eve"])[codes]


def pipeline(**params):
    return make_pipeline(SpeakerScaler(**params), LogisticRegression(max_iter=1000))


# The statistics


def test_transform_without_shrinkage_is_the_z_score_of_each_speaker(data):
    X, y, speakers = data
    scaled = SpeakerScaler(shrinkage=0).fit_transform(X, y, speakers)
    for name in np.unique(speakers):
        own = X[speakers == name]
        expected = (own - own.mean(axis=0)) / own.std(axis=0)
        np.testing.assert_allclose(scaled[speakers == name], expected)


def test_shrinkage_counts_as_so_many_utterances_of_the_average_speaker(data):
    X, _, speakers = data
    scaler = SpeakerScaler(shrinkage=4).fit(X, speakers=speakers)
    by_speaker = [X[speakers == name] for name in np.unique(speakers)]
    mean = np.mean([own.mean(axis=0) for own in by_speaker], axis=0)
    centred = np.concatenate([own - own.mean(axis=0) for own in by_speaker])
    scale = centred.std(axis=0)
    np.testing.assert_allclose(scaler.population_mean_, mean)
    np.testing.assert_allclose(scaler.population_scale_, scale)
    own = X[speakers == "eve"]
    # four utterances with the population's mean and deviation
    pseudo = [mean - scale, mean - scale, mean + scale, mean + scale]
    joined = np.concatenate([own, pseudo])
    np.testing.assert_allclose(
        scaler.transform(own, ["eve"] * len(own)),
        (own - joined.mean(axis=0)) / joined.std(axis=0),
    )


def test_fitted_statistics_are_those_of_the_speakers(data):
    X, _, speakers = data
    scaler = SpeakerScaler().fit(X, speakers=speakers)
    assert list(scaler.speakers_) == ["ada", "bo", "cy", "di", "eve"]
    assert list(scaler.counts_) == [20, 14, 12, 8, 6]
    table = pd.DataFrame(X).groupby(speakers)
    np.testing.assert_allclose(scaler.means_, table.mean())
    np.testing.assert_allclose(scaler.variances_, table.var(ddof=0))


def test_transform_of_a_known_speaker_does_not_depend_on_the_batch(data):
    X, _, speakers = data
    scaler = SpeakerScaler(unknown="batch").fit(X, speakers=speakers)
    whole = scaler.transform(X, speakers)
    rows = np.random.default_rng(1).permutation(60)[:7]
    np.testing.assert_array_equal(
        scaler.transform(X[rows], speakers[rows]), whole[rows]
    )


def test_groups_stand_in_for_speakers_which_win(data):
    X, _, speakers = data
    expected = SpeakerScaler().fit_transform(X, speakers=speakers)
    by_groups = SpeakerScaler().fit_transform(X, groups=speakers)
    both = SpeakerScaler().fit_transform(X, speakers=speakers, groups=np.arange(60))
    np.testing.assert_array_equal(by_groups, expected)
    np.testing.assert_array_equal(both, expected)


def test_fit_without_speakers_warns_and_equals_standard_scaler(data):
    X, y, _ = data
    with pytest.warns(NoSpeakersWarning, match="`speakers`"):
        scaler = SpeakerScaler().fit(X, y)
    expected = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(scaler.transform(X), expected)
    assert scaler.speakers_.shape == (0,)
    assert scaler.means_.shape == (0, 4)
    enrolled = scaler.enroll(X[:20], ["ada"] * 20).transform(X[:1], ["ada"])
    assert not np.allclose(enrolled, expected[:1])


def test_constant_columns_become_zero():
    rng = np.random.default_rng(0)
    speakers = np.repeat([1, 2, 3], 3000)
    X = np.column_stack([rng.normal(size=9000), np.full(9000, 0.1), np.zeros(9000)])
    for shrinkage in (0, 5):
        scaler = SpeakerScaler(shrinkage=shrinkage).fit(X, speakers=speakers)
        assert not scaler.transform(X, speakers)[:, 1:].any()
        assert not scaler.transform(X)[:, 1:].any()
        scaler.enroll(X[:50], [4] * 50)
        assert not scaler.transform(X[:50], [4] * 50)[:, 1:].any()


def test_column_that_is_constant_for_one_speaker_keeps_the_population_scale(data):
    X, _, speakers = data
    X[speakers == "eve", 2] = 7.0
    scaler = SpeakerScaler(shrinkage=0).fit(X, speakers=speakers)
    assert not scaler.transform(X[speakers == "eve"], ["eve"] * 6)[:, 2].any()
    moved = scaler.transform(X[-1:] + 1, ["eve"])
    np.testing.assert_allclose(moved[:, 2], 1 / scaler.population_scale_[2])


def test_float32_stays_float32_with_statistics_in_float64(data):
    X, _, speakers = data
    X = (X + 1e4).astype(np.float32)
    scaled = SpeakerScaler(shrinkage=0).fit_transform(X, speakers=speakers)
    assert scaled.dtype == np.float32
    exact = SpeakerScaler(shrinkage=0)
    np.testing.assert_allclose(
        scaled, exact.fit_transform(X.astype(float), speakers=speakers), rtol=1e-6
    )
    assert exact.inverse_transform(scaled, speakers).dtype == np.float32
    assert exact.means_.dtype == np.float64


def test_clip_bounds_the_scaled_values(data):
    X, _, speakers = data
    free = SpeakerScaler().fit_transform(X, speakers=speakers)
    clipped = SpeakerScaler(clip=1.5).fit_transform(X, speakers=speakers)
    assert np.abs(free).max() > 1.5
    np.testing.assert_array_equal(clipped, np.clip(free, -1.5, 1.5))


# Unknown speakers


def test_unknown_speaker_is_scaled_as_the_average_one(data):
    X, _, speakers = data
    scaler = SpeakerScaler().fit(X, speakers=speakers)
    expected = (X - scaler.population_mean_) / scaler.population_scale_
    np.testing.assert_allclose(scaler.transform(X, ["zoe"] * 60), expected)
    np.testing.assert_allclose(scaler.transform(X), expected)
    some = np.where(speakers == "bo", None, speakers)
    known = speakers != "bo"
    scaled = scaler.transform(X, some)
    np.testing.assert_allclose(scaled[~known], expected[~known])
    np.testing.assert_array_equal(
        scaled[known], scaler.transform(X[known], speakers[known])
    )


def test_unknown_batch_scales_each_unknown_speaker_by_their_own_rows(data):
    X, _, speakers = data
    new = np.isin(speakers, ["di", "eve"])
    scaler = SpeakerScaler(unknown="batch").fit(X[~new], speakers=speakers[~new])
    scaled = scaler.transform(X, speakers)
    enrolled = clone(scaler).fit(X[~new], speakers=speakers[~new])
    enrolled.enroll(X[new], speakers[new])
    np.testing.assert_allclose(scaled, enrolled.transform(X, speakers))
    assert list(scaler.speakers_) == ["ada", "bo", "cy"]


def test_unknown_batch_without_speakers_scales_the_batch_as_one(data):
    X, _, speakers = data
    scaler = SpeakerScaler(shrinkage=0, unknown="batch").fit(X, speakers=speakers)
    batch = X[10:40]
    expected = (batch - batch.mean(axis=0)) / batch.std(axis=0)
    np.testing.assert_allclose(scaler.transform(batch), expected)


def test_unknown_error_names_the_speaker(data):
    X, _, speakers = data
    scaler = SpeakerScaler(unknown="error").fit(X, speakers=speakers)
    scaler.transform(X, speakers)
    with pytest.raises(ValueError, match=r"knows 5 speakers, but not 'zoe'.*enroll"):
        scaler.transform(X[:2], ["ada", "zoe"])
    with pytest.raises(ValueError, match="but not rows without a speaker"):
        scaler.transform(X)


def test_inverse_transform_gives_the_rows_back(data):
    X, _, speakers = data
    scaler = SpeakerScaler().fit(X, speakers=speakers)
    mixed = np.where(speakers == "cy", "zoe", speakers)
    for who in (speakers, mixed, None):
        scaled = scaler.transform(X, who)
        np.testing.assert_allclose(scaler.inverse_transform(scaled, who), X)
    scaler.set_params(unknown="batch")
    with pytest.raises(
        ValueError, match=r"not 'zoe'.*or set `unknown` to 'population'"
    ):
        scaler.inverse_transform(X, mixed)


# Enrolment


def test_enroll_gives_a_new_speaker_the_statistics_that_fit_would(data):
    X, _, speakers = data
    new = speakers == "eve"
    scaler = SpeakerScaler().fit(X[~new], speakers=speakers[~new])
    population = scaler.population_mean_.copy()
    before = scaler.transform(X, speakers)
    assert scaler.enroll(X[new], speakers[new]) is scaler
    after = scaler.transform(X, speakers)
    np.testing.assert_array_equal(after[~new], before[~new])
    assert (
        np.abs(after[new].mean(axis=0)).max() < np.abs(before[new].mean(axis=0)).max()
    )
    np.testing.assert_array_equal(scaler.population_mean_, population)
    fitted = SpeakerScaler().fit(X, speakers=speakers)
    assert list(scaler.speakers_) == list(fitted.speakers_)
    assert list(scaler.counts_) == list(fitted.counts_)
    np.testing.assert_allclose(scaler.means_, fitted.means_)
    np.testing.assert_allclose(scaler.variances_, fitted.variances_)


@pytest.mark.parametrize("shrinkage", [0, 5])
def test_enroll_in_parts_equals_enroll_at_once(data, shrinkage):
    X, _, speakers = data
    start = np.r_[0:10, 20:34]
    rest = np.setdiff1d(np.arange(60), start)  # of "ada", and three new speakers
    order = np.random.default_rng(0).permutation(rest)
    once = SpeakerScaler(shrinkage=shrinkage).fit(X[start], speakers=speakers[start])
    parts = clone(once).fit(X[start], speakers=speakers[start])
    once.enroll(X[rest], speakers[rest])
    for rows in np.split(order, [1, 2, 3, 15]):
        parts.enroll(X[rows], speakers[rows])
    assert set(parts.speakers_) == set(speakers)
    assert parts.counts_.sum() == 60
    np.testing.assert_allclose(
        parts.transform(X, speakers), once.transform(X, speakers), atol=1e-12
    )


def test_enroll_of_known_neutral_utterances_moves_them_by_the_offset(data):
    X, y, speakers = data
    new = speakers == "eve"
    scaler = SpeakerScaler().fit(X[~new], y[~new], speakers[~new])
    offset = np.mean(
        [
            X[speakers == s].mean(axis=0)
            - X[(speakers == s) & (y == "neutral")].mean(axis=0)
            for s in ["ada", "bo", "cy", "di"]
        ],
        axis=0,
    )
    np.testing.assert_allclose(scaler.neutral_offset_, offset)
    rows = X[new][:4]
    scaler.enroll(rows, ["marked"] * 4, neutral=True)
    scaler.enroll(rows + offset, ["moved"] * 4)
    scaler.enroll(rows, ["mixed"] * 4, neutral=[True, False, False, True])
    scaler.enroll(rows, ["plain"] * 4, neutral=False)
    marked, moved, mixed, plain = scaler.means_[-4:]
    np.testing.assert_allclose(marked, moved)
    np.testing.assert_allclose(mixed, plain + offset / 2)
    np.testing.assert_allclose(plain, rows.mean(axis=0))


def test_neutral_offset_leaves_out_speakers_with_neutral_speech_alone(data):
    X, y, speakers = data
    y = np.where(speakers == "ada", "neutral", y)
    rest = speakers != "ada"
    scaler = SpeakerScaler().fit(X, y, speakers)
    expected = SpeakerScaler().fit(X[rest], y[rest], speakers[rest])
    np.testing.assert_allclose(scaler.neutral_offset_, expected.neutral_offset_)
    alone = SpeakerScaler().fit(X[~rest], y[~rest], speakers[~rest])
    assert alone.neutral_offset_ is None


def test_neutral_class_may_have_any_name(data):
    X, y, speakers = data
    expected = SpeakerScaler().fit(X, y, speakers).neutral_offset_
    codes = np.where(y == "neutral", 0, 1)
    scaler = SpeakerScaler(neutral=0).fit(X, codes, speakers)
    np.testing.assert_array_equal(scaler.neutral_offset_, expected)
    assert SpeakerScaler(neutral=None).fit(X, y, speakers).neutral_offset_ is None


def test_enroll_neutral_without_an_offset_names_the_parameter(data):
    X, y, speakers = data
    for labels in (None, np.where(y == "neutral", "calm", y)):
        scaler = SpeakerScaler().fit(X, labels, speakers)
        with pytest.raises(
            ValueError, match=r"`neutral` marks 2 of 2.*class 'neutral'"
        ):
            scaler.enroll(X[:2], ["zoe"] * 2, neutral=True)
        assert "zoe" not in scaler.speakers_


def test_enroll_with_emotions_for_a_mask_asks_for_booleans(data):
    X, y, speakers = data
    scaler = SpeakerScaler().fit(X, y, speakers)
    with pytest.raises(ValueError, match=r"got 'neutral'\. Pass .*`y == 'neutral'`"):
        scaler.enroll(X, speakers, neutral=y)
    with pytest.raises(ValueError, match="`neutral` has 3 entries and `X` has 60 rows"):
        scaler.enroll(X, speakers, neutral=[True, False, True])


def test_enroll_on_real_speech_gains_recall():
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    rng = np.random.default_rng(0)
    hits = {"nothing": [], "one neutral": [], "ten": []}
    truth = {name: [] for name in hits}
    for speaker in np.unique(speakers):
        train = speakers != speaker
        pipe = make_pipeline(
            SpeakerScaler(clip=3), LogisticRegression(C=0.1, class_weight="balanced")
        )
        pipe.set_params(logisticregression__max_iter=1000)
        pipe.fit(X[train], y[train], speakerscaler__speakers=speakers[train])
        own = rng.permutation(np.flatnonzero(~train))
        neutral = own[y[own] == "neutral"][:1]
        for name, rows in {
            "nothing": [],
            "one neutral": neutral,
            "ten": own[:10],
        }.items():
            scaler = pickle.loads(pickle.dumps(pipe[0]))
            if len(rows):
                scaler.enroll(X[rows], [speaker] * len(rows), name == "one neutral")
            scored = np.setdiff1d(own, rows)
            scaled = scaler.transform(X[scored], [speaker] * len(scored))
            hits[name].append(pipe[1:].predict(scaled))
            truth[name].append(y[scored])
    uar = {
        name: recall_score(
            *map(np.concatenate, (truth[name], hits[name])), average="macro"
        )
        for name in hits
    }
    assert uar["nothing"] > 0.75
    assert uar["one neutral"] > uar["nothing"] + 0.025
    assert uar["ten"] > uar["nothing"] + 0.05


# Labels, checks, scikit-learn


@pytest.mark.parametrize(
    "convert",
    [
        list,
        lambda s: pd.Series(s, index=np.arange(60)[::-1]),
        pd.Categorical,
        lambda s: pd.Series(s, dtype="category"),
        lambda s: pd.Series(s, dtype="string"),
        lambda s: np.unique(s, return_inverse=True)[1],
        lambda s: pd.Series(np.unique(s, return_inverse=True)[1], dtype="Int64"),
    ],
)
def test_speakers_of_any_type_give_the_same_bits(data, convert):
    X, y, speakers = data
    expected = SpeakerScaler().fit(X[:46], y[:46], speakers[:46])
    expected = expected.enroll(X[46:], speakers[46:]).transform(X, speakers)
    converted = convert(speakers)
    scaler = SpeakerScaler().fit(X[:46], y[:46], converted[:46])
    scaler.enroll(X[46:], converted[46:])
    np.testing.assert_array_equal(scaler.transform(X, converted), expected)
    assert len(scaler.speakers_) == 5


def test_renaming_speakers_changes_no_bit(data):
    X, y, speakers = data
    names = dict(zip(np.unique(speakers), ["z", "q", "k", "c", "a"], strict=True))
    renamed = [names[name] for name in speakers]
    np.testing.assert_array_equal(
        SpeakerScaler().fit_transform(X, y, renamed),
        SpeakerScaler().fit_transform(X, y, speakers),
    )


@pytest.mark.parametrize("method", ["fit", "transform", "inverse_transform", "enroll"])
def test_speakers_of_another_length_are_refused(data, method):
    X, _, speakers = data
    scaler = SpeakerScaler().fit(X, speakers=speakers)
    with pytest.raises(ValueError, match="`speakers` has 59 entries and `X` has 60"):
        getattr(scaler, method)(X, speakers=speakers[:-1])


def test_missing_speakers_are_refused_where_they_are_learnt(data):
    X, _, speakers = data
    some = np.where(speakers == "bo", None, speakers)
    with pytest.raises(ValueError, match="`speakers` is missing in 14 of 60 rows"):
        SpeakerScaler().fit(X, speakers=some)
    scaler = SpeakerScaler().fit(X, speakers=speakers)
    with pytest.raises(ValueError, match="`speakers` is missing in 14 of 60 rows"):
        scaler.enroll(X, some)


@pytest.mark.parametrize(
    "params", [{"shrinkage": -1}, {"unknown": "mean"}, {"clip": 0}, {"clip": "3"}]
)
def test_bad_parameters_are_refused(data, params):
    X, _, speakers = data
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        SpeakerScaler(**params).fit(X, speakers=speakers)


def test_use_before_fit_is_refused(data):
    X, _, speakers = data
    for method in ("transform", "inverse_transform", "enroll"):
        with pytest.raises(NotFittedError):
            getattr(SpeakerScaler(), method)(X, speakers)


@pytest.mark.filterwarnings("ignore::advser.exceptions.NoSpeakersWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_check_estimator():
    check_estimator(SpeakerScaler())


def test_frames_have_their_names_checked_and_given_back(data):
    X, y, speakers = data
    frame = pd.DataFrame(X, columns=["pitch", "jitter", "hnr", "rate"])
    scaler = SpeakerScaler().set_output(transform="pandas")
    scaled = scaler.fit_transform(frame, y, speakers)
    assert list(scaled.columns) == list(frame.columns)
    assert list(scaler.get_feature_names_out()) == list(frame.columns)
    for method in ("transform", "enroll"):
        with pytest.raises(ValueError, match="feature names"):
            getattr(scaler, method)(frame[frame.columns[::-1]], speakers)


def test_copies_keep_the_enrolled_speakers_and_clones_forget(data, tmp_path):
    X, y, speakers = data
    scaler = SpeakerScaler(shrinkage=1).fit(X[:46], y[:46], speakers[:46])
    scaler.enroll(X[46:], speakers[46:])
    joblib.dump(scaler, tmp_path / "scaler.joblib")
    for copied in (
        pickle.loads(pickle.dumps(scaler)),
        joblib.load(tmp_path / "scaler.joblib"),
    ):
        np.testing.assert_array_equal(
            copied.transform(X, speakers), scaler.transform(X, speakers)
        )
    cloned = clone(scaler)
    assert cloned.shrinkage == 1
    assert not hasattr(cloned, "speakers_")


# Pipelines, with routing off and on


@pytest.mark.parametrize("cv", [LeaveOneGroupOut(), GroupKFold(3)])
@pytest.mark.parametrize("unknown", ["population", "batch"])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_cross_validate_routes_groups_without_a_request(data, cv, unknown, scoring):
    X, y, speakers = data
    with config_context(enable_metadata_routing=True):
        result = cross_validate(
            pipeline(unknown=unknown),
            X,
            y,
            params={"groups": speakers},
            cv=cv,
            scoring=scoring,
        )
    expected = []
    for train, test in cv.split(X, y, speakers):
        scaler = SpeakerScaler(unknown=unknown)
        classifier = LogisticRegression(max_iter=1000)
        classifier.fit(
            scaler.fit_transform(X[train], y[train], speakers[train]), y[train]
        )
        # scorers other than the pipeline's own pass no speakers
        passed = speakers[test] if scoring is None else None
        expected.append(classifier.score(scaler.transform(X[test], passed), y[test]))
    np.testing.assert_allclose(result["test_score"], expected)


def test_cross_validate_without_routing_takes_step_parameters(data):
    X, y, speakers = data
    settings = {"cv": LeaveOneGroupOut(), "scoring": "accuracy"}
    step = {"speakerscaler__speakers": speakers}
    off = cross_validate(pipeline(), X, y, groups=speakers, params=step, **settings)
    with config_context(enable_metadata_routing=True):
        params = {"groups": speakers}
        on = cross_validate(pipeline(), X, y, params=params, **settings)
    np.testing.assert_array_equal(off["test_score"], on["test_score"])


def test_unknown_batch_under_a_scorer_is_right_with_one_speaker_per_fold(data):
    X, y, speakers = data
    params = {"groups": speakers}
    with config_context(enable_metadata_routing=True):
        by_scoring = [
            cross_validate(
                pipeline(unknown="batch"),
                X,
                y,
                params=params,
                cv=LeaveOneGroupOut(),
                scoring=scoring,
            )["test_score"]
            for scoring in (None, "accuracy")
        ]
    np.testing.assert_array_equal(*by_scoring)


def test_unknown_error_fails_the_score_of_a_new_speaker(data):
    X, y, speakers = data
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match="but not 'ada'"),
    ):
        cross_validate(
            pipeline(unknown="error"),
            X,
            y,
            params={"groups": speakers},
            cv=LeaveOneGroupOut(),
            error_score="raise",
        )


def test_grid_search_tunes_the_shrinkage_in_parallel(data):
    X, y, speakers = data
    grid = {"speakerscaler__shrinkage": [0.0, 5.0], "speakerscaler__clip": [None, 2.0]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(pipeline(), grid, cv=GroupKFold(3), n_jobs=2)
        search.fit(X, y, groups=speakers)
        score = search.score(X, y, groups=speakers)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scaler = search.best_estimator_[0]
    assert set(scaler.speakers_) == set(speakers)
    scaled = scaler.transform(X, speakers)
    assert score == search.best_estimator_[1:].score(scaled, y)


def test_enroll_at_the_front_of_a_fitted_pipeline(data):
    X, y, speakers = data
    new = speakers == "eve"
    pipe = pipeline(shrinkage=0)
    with config_context(enable_metadata_routing=True):
        pipe.fit(X[~new], y[~new], groups=speakers[~new])
        before = pipe.predict_proba(X[new], speakers=speakers[new])
        pipe[0].enroll(X[new], speakers[new])
        after = pipe.predict_proba(X[new], speakers=speakers[new])
        without_name = pipe.predict_proba(X[new])
    scaled = pipe[0].transform(X[new], speakers[new])
    np.testing.assert_array_equal(after, pipe[1:].predict_proba(scaled))
    np.testing.assert_array_equal(without_name, before)
    assert not np.allclose(after, before)


# The shrinkage and the emotions learnt from the training speakers


def speech(n_speakers, *, seed, mixes=None, between=2.0):
    """Return speech of speakers who differ in feature 0 and do not in feature 1.

    Feature 2 depends on the emotion. `mixes` gives each speaker's share of anger.
    """
    rng = np.random.default_rng(seed)
    names = np.repeat([f"s{number}" for number in range(n_speakers)], 40)
    mixes = np.full(n_speakers, 0.5) if mixes is None else np.asarray(mixes)
    angry = np.tile(np.arange(40) / 40, n_speakers) < np.repeat(mixes, 40)
    X = rng.normal(size=(len(names), 3))
    X[:, 0] += np.repeat(rng.normal(scale=between, size=n_speakers), 40)
    X[:, 0] += 3.0 * angry
    X[:, 2] += 6.0 * angry
    return X, np.where(angry, "anger", "neutral"), names


def test_automatic_shrinkage_is_the_variance_within_over_that_between(data):
    X, _, speakers = data
    scaler = SpeakerScaler(shrinkage="auto").fit(X, speakers=speakers)
    rows = pd.DataFrame(X).groupby(speakers)
    within = (rows.var(ddof=0).mul(rows.size(), axis=0)).sum() / (60 - 5)
    between = rows.mean().var(ddof=1) - within * (1 / rows.size()).mean()
    assert (between > 0).all()
    np.testing.assert_allclose(scaler.shrinkage_, within / between)
    by_hand = SpeakerScaler(shrinkage=1).fit(X, speakers=speakers)
    own = X[speakers == "eve"]
    n, mu = len(own), by_hand.population_mean_
    expected = mu + n / (n + within / between) * (own.mean(axis=0) - mu)
    middle = scaler.inverse_transform(np.zeros((1, 4)), ["eve"])
    np.testing.assert_allclose(middle[0], expected)


def test_automatic_shrinkage_ignores_features_in_which_speakers_do_not_differ():
    X, _, speakers = speech(30, seed=0)
    shrinkage = SpeakerScaler(shrinkage="auto").fit(X, speakers=speakers).shrinkage_
    assert shrinkage[0] < 2
    assert shrinkage[1] > 50
    for few in (["a"] * 10, list("abcdefghij")):
        scaler = SpeakerScaler(shrinkage="auto").fit(X[:10], speakers=few)
        assert np.isinf(scaler.shrinkage_).all()
        scaler.enroll(X[:5], ["new"] * 5)
        assert np.isfinite(scaler.transform(X, ["new"] * len(X))).all()


def test_balance_compares_speakers_at_the_same_mix_of_emotions():
    X, y, speakers = speech(12, seed=1, mixes=np.linspace(0.2, 0.8, 12), between=0)
    plain = SpeakerScaler(shrinkage=0).fit(X, y, speakers).means_
    fair = SpeakerScaler(shrinkage=0, balance=True).fit(X, y, speakers).means_
    assert np.ptp(plain[:, 2]) > 3
    assert np.ptp(fair[:, 2]) < 1


def test_balance_learns_what_emotions_add_by_least_squares():
    X, y, speakers = speech(6, seed=2, mixes=[0.1, 0.3, 0.5, 0.5, 0.7, 0.9])
    scaler = SpeakerScaler(shrinkage="auto", balance=True).fit(X, y, speakers)
    design = np.c_[pd.get_dummies(speakers), np.where(y == "anger", 0.5, -0.5)]
    solved = np.linalg.lstsq(design.astype(float), X)[0]
    np.testing.assert_allclose(scaler.population_mean_, solved[:-1].mean(axis=0))
    np.testing.assert_allclose(scaler.neutral_offset_, solved[-1] / 2)
    residuals = X - design.astype(float) @ solved
    within = (residuals**2).sum(axis=0) / (240 - 6 - 1)
    between = solved[:-1].var(axis=0, ddof=1) - within / 40
    kappa = np.where(between > 0, within / between, np.inf)
    np.testing.assert_allclose(scaler.shrinkage_, kappa)


def test_balance_allows_for_the_emotions_of_those_enrolled():
    X, y, speakers = speech(20, seed=3)
    settings = {"shrinkage": "auto", "balance": True}
    scaler = SpeakerScaler(**settings).fit(X, y, speakers)
    voice = np.array([1.0, 0.0, 0.0])  # of a speaker when neutral
    calm = voice + np.random.default_rng(0).normal(scale=0.3, size=(8, 3))
    angry = calm + np.array([3.0, 0.0, 6.0])
    scaler.enroll(np.r_[calm, angry], ["both"] * 16)
    scaler.enroll(calm, ["calm"] * 8).enroll(angry, ["angry"] * 8)
    scaler.enroll(calm, ["marked"] * 8, neutral=True)
    plain = SpeakerScaler(shrinkage="auto").fit(X, y, speakers)
    plain.enroll(calm, ["calm"] * 8).enroll(angry, ["angry"] * 8)
    both, calm, angry, marked = scaler.means_[-4:]
    np.testing.assert_allclose([calm, angry, marked], [both] * 3, atol=0.3)
    assert plain.means_[-1][0] - plain.means_[-2][0] == pytest.approx(3)


def test_balance_trains_on_rows_as_an_enrolled_speaker_has_them():
    X, y, speakers = speech(8, seed=4)
    scaler = SpeakerScaler(shrinkage="auto", balance=True, clip=3.0)
    scaled = scaler.fit_transform(X, y, speakers)
    own = speakers == "s3"
    scaler.enroll(X[own], ["again"] * 40)
    again = scaler.transform(X[own], ["again"] * 40)
    np.testing.assert_allclose(again, scaled[own], atol=1e-9)


def test_balance_takes_rows_without_an_emotion_and_unknown_speakers_by_the_batch():
    X, y, speakers = speech(8, seed=5)
    known = np.arange(len(y)) % 4 != 0
    settings = {"shrinkage": "auto", "balance": True, "unknown": "batch"}
    scaler = SpeakerScaler(**settings)
    scaler.fit(X, np.where(known, y, None), speakers)
    labelled = SpeakerScaler(**settings).fit(X[known], y[known], speakers[known])
    np.testing.assert_allclose(scaler.population_mean_, labelled.population_mean_)
    assert scaler.counts_.sum() == len(y)
    new = X[:40] + 1
    batch = scaler.transform(new, ["new"] * 40)
    enrolled = scaler.enroll(new, ["new"] * 40).transform(new, ["new"] * 40)
    np.testing.assert_allclose(batch, enrolled)


@pytest.mark.parametrize("settings", [{"balance": True}, {"unknown": "adapt"}])
def test_whole_numbers_are_emotions_if_some_are_missing_too(data, settings):
    X, y, speakers = data
    codes = np.unique(y, return_inverse=True)[1].astype(object)
    texts = np.array(y, dtype=object)
    codes[3] = texts[3] = None
    scaled = [
        SpeakerScaler(**settings).fit(X, labels, speakers).transform(X, speakers)
        for labels in (codes, texts)
    ]
    np.testing.assert_array_equal(*scaled)


def test_emotions_of_one_speaker_alone_allow_no_choice(data):
    X, y, speakers = data
    y = np.where(speakers == speakers[0], y, None)
    scaler = SpeakerScaler(unknown="adapt").fit(X, y, speakers)
    assert scaler.adaptation_scores_ is None


def test_balance_without_emotions_says_what_is_missing(data):
    X, _, speakers = data
    for y in (None, [None] * 60):
        with pytest.raises(ValueError, match="`balance=True` needs y"):
            SpeakerScaler(balance=True).fit(X, y, speakers)
    with pytest.raises(ValueError, match="Unknown label type"):
        SpeakerScaler(balance=True).fit(X, X[:, 0], speakers)
    with pytest.raises(ValueError, match="'shrinkage' parameter"):
        SpeakerScaler(shrinkage="ml").fit(X, speakers=speakers)


def test_constant_features_and_one_emotion_do_no_harm(data):
    X, _, speakers = data
    X = np.c_[X, np.ones(60)]
    scaler = SpeakerScaler(shrinkage="auto", balance=True)
    scaled = scaler.fit_transform(X, ["joy"] * 60, speakers)
    plain = SpeakerScaler(shrinkage="auto").fit_transform(X, speakers=speakers)
    np.testing.assert_allclose(scaled, plain)
    assert (scaled[:, 4] == 0).all()


def test_balance_leaves_what_emotions_add_out_of_every_deviation():
    rng = np.random.default_rng(0)
    effects = np.array([-6.0, 0, 6])  # clear of the noise, whose deviation is 1

    def rows_of(n_speakers, n_rows):
        codes = np.repeat(np.arange(n_speakers), n_rows)
        emotion = rng.integers(3, size=len(codes))
        X = rng.normal(scale=3, size=n_speakers)[codes] + effects[emotion]
        return X[:, None] + rng.normal(size=(len(codes), 1)), emotion, codes

    X, emotion, codes = rows_of(12, 90)
    scaler = SpeakerScaler(unknown="adapt", shrinkage="auto", balance=True)
    scaler.fit(X, EMOTIONS[emotion], codes)
    new, _, new_codes = rows_of(1, 300)
    scaler.enroll(new, new_codes + 12)
    np.testing.assert_allclose(scaler.population_scale_, 1, atol=0.05)
    np.testing.assert_allclose(scaler.variances_, 1, atol=0.5)
    assert abs(scaler.variances_.mean() - 1) < 0.1
    # The last row of a speaker who adapts is scaled nearly as after enrolment.
    known, adapted = (scaler.transform(new, new_codes + code)[-1] for code in (12, 99))
    np.testing.assert_allclose(adapted, known, atol=0.1)


def test_a_feature_that_emotions_and_speakers_explain_keeps_its_scale():
    rng = np.random.default_rng(0)
    codes, emotion = np.repeat(np.arange(6), 9), np.tile(np.arange(3), 18)
    X = np.c_[0.1 * codes + 0.7 * emotion, rng.normal(size=54)]
    scaler = SpeakerScaler(balance=True).fit(X, EMOTIONS[emotion], codes)
    assert scaler.population_scale_[0] == pytest.approx(0.7 * np.sqrt(2 / 3))
    assert np.abs(scaler.transform(X, codes)).max() < 5


def test_enrolment_on_real_speech_gains_by_shrinkage_and_balance():
    corpus = load_emodb(return_X_y_speakers=True)
    recall = []
    for settings in ({}, {"shrinkage": "auto", "balance": True}):
        model = make_pipeline(
            SpeakerScaler(clip=3.0, **settings),
            LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000),
        )
        curve = enrollment_curve(model, *corpus, k=[2, 5], repeats=5)
        recall.append(curve["uar"].mean())
    assert recall[1] > recall[0] + 0.01


def test_speakers_of_a_single_row_say_nothing_about_the_spread_within_speakers():
    X = np.array([[0.0], [2.0], [4.0], [6.0]])
    single = SpeakerScaler(shrinkage=np.inf).fit(X, None, [*"abcd"])
    assert single.population_scale_ == pytest.approx(np.sqrt(5))  # of all rows
    scaler = SpeakerScaler().fit(X, None, ["a", "b", "c", "c"])
    assert scaler.population_scale_ == pytest.approx(1)  # of c alone


def test_an_argument_that_is_refused_leaves_the_scaler_as_it_was(toy):
    scaler = SpeakerScaler(balance=True).fit(toy.X, toy.y, toy.speakers)
    before = scaler.transform(toy.X, toy.speakers)
    with pytest.raises(ValueError, match="`balance=True` needs y"):
        scaler.fit(toy.X[:, :3] * 10 + 3, None, toy.speakers)
    assert scaler.n_features_in_ == toy.X.shape[1]
    np.testing.assert_array_equal(scaler.transform(toy.X, toy.speakers), before)


def test_a_constant_feature_does_not_change_what_is_guessed_of_the_emotions(toy):
    wide = np.column_stack([toy.X, np.ones(len(toy.X))])
    narrow, wide = (
        SpeakerScaler(balance=True, shrinkage=0).fit_transform(X, toy.y, toy.speakers)
        for X in (toy.X, wide)
    )
    np.testing.assert_allclose(wide[:, :-1], narrow, rtol=1e-4, atol=1e-4)


def test_emotions_that_features_do_not_show_change_no_mean():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(80, 60)), np.repeat(np.arange(8), 10)
    y = EMOTIONS[rng.integers(3, size=80)]  # fitted on their own speakers only
    scaler = SpeakerScaler(balance=True, shrinkage=5).fit(X, y, codes)
    new = rng.normal(size=(10, 60))  # one row of each of ten speakers
    scaler.enroll(new, np.arange(10) + 8)
    np.testing.assert_allclose(scaler.means_[8:], new, atol=0.1)
