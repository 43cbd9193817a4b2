"""The estimators work with scikit-learn: checks, routing, searches, storage."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from checks import assert_passes_all_checks
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from speech import write_corpus

from advser import AdversarialSER, AutoencoderSER, SpeakerScaler
from advser.audio import EGeMAPS
from advser.datasets import load_emodb
from advser.exceptions import NoSpeakersWarning
from advser.methods._adversarial_base import OBJECTIVES

ADVERSARIES = [*sorted(OBJECTIVES), None]


def small(adversary="entropy", **settings):
    settings = {"max_epochs": 3, "random_state": 0, **settings}
    return AdversarialSER(adversary, **settings)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    """Paths, emotions and speakers of 12 recordings: three speakers, four emotions."""
    table = write_corpus(tmp_path_factory.mktemp("corpus"), seconds=0.3)
    return table["file"], table["emotion"], table["speaker"]


def same_predictions(ours, theirs, X):
    return np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


# scikit-learn's own checks


@pytest.mark.filterwarnings("ignore::advser.exceptions.NoSpeakersWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        AdversarialSER(),
        AutoencoderSER(max_epochs=15, lr=0.003),
        *(
            AdversarialSER(
                name, hidden_layer_sizes=(16,), embedding_dim=8, max_epochs=15, lr=0.02
            )
            for name in ADVERSARIES
        ),
    ],
    ids=repr,
)
def test_estimator_passes_all_checks(estimator):
    assert_passes_all_checks(estimator)


# The five uses


def test_use_fit_predict():
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    predicted = AdversarialSER(max_epochs=15).fit(X, y, speakers=speakers).predict(X)
    assert (predicted == y).mean() > 0.8


def test_use_cross_val_score(toy):
    scores = cross_val_score(
        small(),
        toy.X,
        toy.y,
        groups=toy.speakers,
        cv=LeaveOneGroupOut(),
        params={"speakers": toy.speakers},
    )
    assert scores.shape == (4,)
    assert scores.min() > 0.4


def knows_all_but(estimator, held_out, speakers):
    """Whether the estimator was trained on all speakers but those held out."""
    return set(estimator.speakers_) == set(speakers) - set(held_out)


@pytest.mark.usefixtures("routing")
def test_use_one_array_drives_splitter_and_adversary(toy):
    cv = GroupKFold(4)
    results = cross_validate(
        make_pipeline(StandardScaler(), small()),
        toy.X,
        toy.y,
        params={"groups": toy.speakers},
        cv=cv,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    for pipe, test in zip(
        results["estimator"], results["indices"]["test"], strict=True
    ):
        held_out = toy.speakers[test]
        assert len(set(held_out)) == 1
        assert knows_all_but(pipe[-1], held_out, toy.speakers)


@pytest.mark.usefixtures("routing")
def test_use_cross_validate_from_audio(wavs):
    paths, y, speakers = wavs
    results = cross_validate(
        make_pipeline(EGeMAPS(), StandardScaler(), small()),
        paths,
        y,
        params={"groups": speakers},
        cv=GroupKFold(3),
        return_estimator=True,
        error_score="raise",
    )
    assert np.isfinite(results["test_score"]).all()
    n_speakers = [len(pipe[-1].speakers_) for pipe in results["estimator"]]
    assert n_speakers == [2, 2, 2]


def search_of(pipe, **settings):
    grid = {"adversarialser__adversary": [None, "grl", "entropy"]}
    return GridSearchCV(pipe, grid, cv=GroupKFold(3), error_score="raise", **settings)


@pytest.mark.usefixtures("routing")
def test_use_grid_search_from_audio(wavs):
    paths, y, speakers = wavs
    pipe = make_pipeline(EGeMAPS(), StandardScaler(), small())
    search = search_of(pipe, n_jobs=2).fit(paths, y, groups=speakers)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.best_estimator_[-1].speakers_) == set(speakers)
    assert set(search.predict(paths)) <= set(y)


# The same with metadata routing off


def test_routing_off_cross_validate_from_audio(wavs):
    paths, y, speakers = wavs
    results = cross_validate(
        make_pipeline(EGeMAPS(), StandardScaler(), small()),
        paths,
        y,
        groups=speakers,
        params={"adversarialser__speakers": speakers},
        cv=GroupKFold(3),
        return_estimator=True,
        error_score="raise",
    )
    n_speakers = [len(pipe[-1].speakers_) for pipe in results["estimator"]]
    assert n_speakers == [2, 2, 2]


def test_routing_off_grid_search(toy):
    pipe = make_pipeline(StandardScaler(), small())
    search = search_of(pipe, n_jobs=2).fit(
        toy.X, toy.y, groups=toy.speakers, adversarialser__speakers=toy.speakers
    )
    assert set(search.best_estimator_[-1].speakers_) == set(toy.speakers)
    assert search.score(toy.X, toy.y) > 0.4


def test_routing_off_grid_search_warns_that_groups_reach_the_splitter_only(toy):
    with pytest.warns(NoSpeakersWarning, match="`speakers`"):
        search_of(make_pipeline(small())).fit(toy.X, toy.y, groups=toy.speakers)


@pytest.mark.parametrize("routed", [False, True])
def test_fit_means_the_same_with_and_without_routing(toy, routed):
    with sklearn.config_context(enable_metadata_routing=routed):
        ours = small().fit(toy.X, toy.y, groups=toy.speakers)
    assert same_predictions(ours, small().fit(*toy), toy.X)


@pytest.mark.usefixtures("routing")
def test_routing_speakers_and_groups_may_differ(toy):
    """Leave one session out, with two speakers in each session."""
    sessions = np.isin(toy.speakers, ["s1", "s2"]).astype(int)
    results = cross_validate(
        small(),
        toy.X,
        toy.y,
        params={"groups": sessions, "speakers": toy.speakers},
        cv=LeaveOneGroupOut(),
        return_estimator=True,
    )
    known = [set(estimator.speakers_) for estimator in results["estimator"]]
    assert known == [{"s1", "s2"}, {"s3", "s10"}]


@pytest.mark.usefixtures("routing")
def test_routing_passes_all_unlabelled_rows_to_every_fold(toy):
    X_unlabeled = toy.X[:17]
    unlabeled = np.array(["u1", "u2"])[np.arange(17) % 2]
    results = cross_validate(
        make_pipeline(small()),
        toy.X,
        toy.y,
        params={
            "groups": toy.speakers,
            "X_unlabeled": X_unlabeled,
            "speakers_unlabeled": unlabeled,
        },
        cv=GroupKFold(4),
        return_estimator=True,
        error_score="raise",
    )
    for pipe in results["estimator"]:
        assert {"u1", "u2"} < set(pipe[-1].speakers_)
        assert len(pipe[-1].speakers_) == 5


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_unlabeled", [40, 60])  # 60 as the labelled ones
@pytest.mark.parametrize("name", ["speakers", "groups"])
@pytest.mark.parametrize("unknown", ["population", "batch"])
def test_scaler_in_front_scales_unlabelled_rows_by_their_speakers(
    toy, n_unlabeled, name, unknown
):
    rows, others = np.arange(0, 120, 2), np.arange(1, 120, 2)[:n_unlabeled]
    X, y, speakers = (part[rows] for part in toy)
    unlabeled = toy.X[others]
    of_unlabeled = np.where(others < 60, toy.speakers[others], "new")
    scaler = SpeakerScaler(unknown=unknown)
    pipe = make_pipeline(scaler, small(), transform_input=["X_unlabeled"])
    metadata = {"X_unlabeled": unlabeled, "speakers_unlabeled": of_unlabeled}
    pipe.fit(X, y, **{name: speakers}, **metadata)
    scaler = SpeakerScaler(unknown=unknown).fit(X, y, speakers)
    by_hand = small().fit(
        scaler.transform(X, speakers),
        y,
        speakers,
        X_unlabeled=scaler.transform(unlabeled, of_unlabeled),
        speakers_unlabeled=of_unlabeled,
    )
    found = pipe.predict_proba(X, **{name: speakers})
    expected = by_hand.predict_proba(scaler.transform(X, speakers))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_unlabeled", [17, 30, 90])  # as test rows, as training rows
def test_scaler_in_front_scales_test_rows_by_their_speakers(toy, n_unlabeled):
    unlabeled = toy.X[:n_unlabeled] + 1
    of_unlabeled = np.array(["u1", "u2"])[np.arange(n_unlabeled) % 2]
    folds = list(GroupKFold(4).split(toy.X, toy.y, toy.speakers))
    assert {len(test) for _, test in folds} == {30}
    scores = cross_validate(
        make_pipeline(
            SpeakerScaler(unknown="batch"), small(), transform_input=["X_unlabeled"]
        ),
        toy.X,
        toy.y,
        params={
            "groups": toy.speakers,
            "X_unlabeled": unlabeled,
            "speakers_unlabeled": of_unlabeled,
        },
        cv=folds,
        error_score="raise",
    )["test_score"]
    expected = []
    for train, test in folds:
        X, y, speakers = (part[train] for part in toy)
        scaler = SpeakerScaler(unknown="batch").fit(X, y, speakers)
        by_hand = small().fit(
            scaler.transform(X, speakers),
            y,
            speakers,
            X_unlabeled=scaler.transform(unlabeled, of_unlabeled),
            speakers_unlabeled=of_unlabeled,
        )
        rows = scaler.transform(toy.X[test], toy.speakers[test])
        expected.append(by_hand.score(rows, toy.y[test]))
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.usefixtures("routing")
def test_unlabelled_rows_without_their_speakers_name_what_to_pass(toy):
    pipe = make_pipeline(SpeakerScaler(), small(), transform_input=["X_unlabeled"])
    with pytest.raises(ValueError, match="pass `speakers_unlabeled`"):
        pipe.fit(*toy[:2], speakers=toy.speakers, X_unlabeled=toy.X[:17])


@pytest.mark.usefixtures("routing")
def test_routing_passes_genders_on(toy):
    genders = np.where(np.isin(toy.speakers, ["s1", "s2"]), "female", "male")
    results = cross_validate(
        make_pipeline(StandardScaler(), AutoencoderSER(max_epochs=2)),
        toy.X,
        toy.y,
        params={
            "groups": toy.speakers,
            "genders": genders,
            "X_unlabeled": toy.X[:17],
            "genders_unlabeled": ["other"] * 17,
        },
        cv=GroupKFold(4),
        return_estimator=True,
        error_score="raise",
    )
    for pipe in results["estimator"]:
        assert set(pipe[-1].genders_) == {"female", "male", "other"}
        assert len(pipe[-1].speakers_) == 3


@pytest.mark.usefixtures("routing")
def test_routing_sample_weight_on_request(toy):
    weight = np.random.default_rng(0).uniform(size=120)
    pipe = make_pipeline(small().set_fit_request(sample_weight=True))
    pipe.fit(toy.X, toy.y, groups=toy.speakers, sample_weight=weight)
    direct = small().fit(*toy, sample_weight=weight)
    assert same_predictions(pipe, direct, toy.X)
    assert not same_predictions(pipe, small().fit(*toy), toy.X)


@pytest.mark.usefixtures("routing")
def test_routing_may_be_refused(toy):
    estimator = small().set_fit_request(groups=False)
    with pytest.warns(NoSpeakersWarning):
        cross_val_score(
            make_pipeline(estimator),
            toy.X,
            toy.y,
            params={"groups": toy.speakers},
            cv=GroupKFold(2),
        )


@pytest.mark.parametrize("routed", [False, True])
def test_embedding_feeds_the_next_step_of_a_pipeline(toy, routed):
    pipe = make_pipeline(small(embedding_dim=6), LogisticRegression())
    with sklearn.config_context(enable_metadata_routing=routed):
        name = "speakers" if routed else "adversarialser__speakers"
        pipe.fit(toy.X, toy.y, **{name: toy.speakers})
    assert pipe[-1].coef_.shape == (3, 6)
    assert len(pipe[0].speakers_) == 4


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    "meta",
    [
        lambda ser: CalibratedClassifierCV(ser, cv=2),
        lambda ser: VotingClassifier([("ser", ser)]),
    ],
)
def test_meta_estimators_pass_the_speakers_on(toy, meta):
    estimator = meta(small()).fit(toy.X, toy.y, speakers=toy.speakers)
    assert set(estimator.predict(toy.X)) <= set(toy.y)


# Copies and storage


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_clone_has_the_parameters_and_no_fit(toy, adversary):
    fitted = small(adversary, hidden_layer_sizes=(9, 7), alpha=0.5).fit(*toy)
    cloned = clone(fitted)
    assert cloned.get_params() == fitted.get_params()
    assert not hasattr(cloned, "net_")
    assert same_predictions(cloned.fit(*toy), fitted, toy.X)


def through_joblib(estimator, folder):
    joblib.dump(estimator, folder / "ser.joblib")
    return joblib.load(folder / "ser.joblib")


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize(
    "copied",
    [
        lambda estimator, _: pickle.loads(pickle.dumps(estimator)),
        through_joblib,
        lambda estimator, _: copy.deepcopy(estimator),
    ],
    ids=["pickle", "joblib", "deepcopy"],
)
def test_copy_predicts_as_the_original_and_trains_on(toy, adversary, copied, tmp_path):
    original = small(adversary, warm_start=True, early_stopping=True).fit(*toy)
    other = copied(original, tmp_path)
    assert same_predictions(other, original, toy.X)
    np.testing.assert_array_equal(other.transform(toy.X), original.transform(toy.X))
    pd.testing.assert_frame_equal(other.history_, original.history_)

    before = original.predict_proba(toy.X)
    other.fit(*toy)
    assert np.array_equal(original.predict_proba(toy.X), before)
    assert not np.array_equal(other.predict_proba(toy.X), before)
    assert same_predictions(original.fit(*toy), other, toy.X)


def test_set_output_names_the_embedding(toy):
    estimator = small(embedding_dim=3).set_output(transform="pandas").fit(*toy)
    table = estimator.transform(pd.DataFrame(toy.X, index=range(5, 125)).to_numpy())
    names = ["adversarialser0", "adversarialser1", "adversarialser2"]
    assert list(table.columns) == list(estimator.get_feature_names_out()) == names


def test_feature_names_are_kept_and_checked(toy):
    frame = pd.DataFrame(toy.X, columns=[f"f{i}" for i in range(8)])
    estimator = small().fit(frame, toy.y, toy.speakers)
    assert list(estimator.feature_names_in_) == list(frame.columns)
    plain = small().fit(*toy).predict_proba(toy.X)
    np.testing.assert_array_equal(estimator.predict_proba(frame), plain)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        estimator.predict(toy.X)
