"""Rows of other corpora as further training data."""

import numpy as np
import pandas as pd
import pytest
import torch
from checks import assert_passes_all_checks
from sklearn import clone, config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import advser
from advser import AdversarialSER, SpeakerScaler
from advser.evaluation import compare, cross_val_leakage
from advser.model_selection import AuxiliaryCorpora, StackedGridSearchCV

EMOTIONS = np.array(["anger", "neutral", "sadness"])
LINEAR = LogisticRegression(C=0.1)
FIXED = {"near": 0.5, "far": 0}
FIXED_NEAR = {"near": 1.0}


def corpus(seed, n_speakers=4, *, direction=0, offset=0.0, scale=1.0):
    """Return rows of 12 utterances a speaker; emotion e is feature e + `direction`."""
    rng = np.random.default_rng(seed)
    n = 12 * n_speakers
    emotion = np.arange(n) % 3
    X = rng.normal(size=(n, 6))
    X[np.arange(n), (emotion + direction) % 3] += 1.5
    speakers = np.repeat([f"{s:02d}" for s in range(n_speakers)], 12)
    return offset + scale * X, EMOTIONS[emotion], speakers


NEAR = corpus(1, 20, offset=50.0, scale=7.0)  # the same emotions, another microphone
FAR = corpus(2, 20, direction=1)  # other emotions look alike


@pytest.fixture
def own():
    return corpus(0)


def fitted(own, estimator=LINEAR, corpora=None, **params):
    corpora = {"near": NEAR, "far": FAR} if corpora is None else corpora
    X, y, speakers = own
    return AuxiliaryCorpora(estimator, corpora, **params).fit(X, y, speakers)


# What is fitted


def test_rows_of_whole_numbers_without_an_emotion_are_left_out(own):
    X, y, speakers = own
    codes = {"anger": 0, "neutral": 1, "sadness": 2}
    other = np.array([codes[emotion] for emotion in NEAR[1]], dtype=object)
    other[::5] = None
    own = X, np.array([codes[emotion] for emotion in y]), speakers
    kept = np.flatnonzero(np.arange(len(other)) % 5)
    corpora = [
        {"near": (NEAR[0][rows], other[rows], NEAR[2][rows])}
        for rows in (slice(None), kept)
    ]
    found, expected = (fitted(own, LINEAR, c, weights=FIXED_NEAR) for c in corpora)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_float32_features_in_a_table_stay_float32(own):
    X, y, speakers = own
    table = pd.DataFrame(X.astype(np.float32), columns=list("abcdef"))
    near = pd.DataFrame(NEAR[0], columns=list("abcdef")), *NEAR[1:]
    network = AdversarialSER(None, max_epochs=1, random_state=0)
    found = fitted((table, y, speakers), network, {"near": near}, weights=FIXED_NEAR)
    module = found.best_estimator_.net_.module_
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_rows_join_at_the_mean_deviation_and_weight_of_the_training_rows(own):
    X, y, _ = own
    X_near = (NEAR[0] - NEAR[0].mean(axis=0)) / NEAR[0].std(axis=0)
    X_near = X_near * X.std(axis=0) + X.mean(axis=0)
    weights = np.repeat([1, 0.5 * len(y) / len(NEAR[1])], [len(y), len(NEAR[1])])
    expected = clone(LINEAR).fit(
        np.concatenate([X, X_near]), np.concatenate([y, NEAR[1]]), weights
    )
    found = fitted(own, weights=FIXED)
    np.testing.assert_allclose(found.best_estimator_.coef_, expected.coef_, rtol=1e-6)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(LINEAR, 3, random_state=0),
        CalibratedClassifierCV(make_pipeline(StandardScaler(), LINEAR), cv=3),
    ],
)
def test_weights_reach_the_estimators_within_an_estimator(own, estimator):
    little, much = (
        fitted(own, estimator, {"far": FAR}, weights={"far": weight})
        for weight in (1e-6, 100.0)
    )
    X, y, _ = own
    assert little.score(X, y) > much.score(X, y) + 0.2


def test_a_corpus_keeps_the_mix_of_emotions_of_the_training_rows(own):
    y = own[1]
    kept = np.flatnonzero((y != "anger") | (np.arange(len(y)) % 2 == 0))
    rare = [column[: len(NEAR[1]) // 2] for column in NEAR]
    many = NEAR[0][NEAR[1] == "anger"]
    skewed = (
        np.concatenate([rare[0], many]),
        np.concatenate([rare[1], np.repeat("anger", len(many))]),
        np.concatenate([rare[2], np.repeat("19", len(many))]),
    )
    model = LogisticRegression(C=1e-9)  # whose intercept alone predicts
    own = tuple(column[kept] for column in own)
    found = fitted(own, model, {"skewed": skewed}, weights={"skewed": 10.0})
    alone = clone(model).fit(own[0], own[1])
    np.testing.assert_allclose(
        found.predict_proba(own[0]), alone.predict_proba(own[0]), atol=1e-3
    )


@pytest.mark.parametrize("names", [[False, True], [4, 7]])
def test_emotions_may_be_numbers_or_booleans(own, names):
    def with_two(corpus, names):
        X, y, speakers = corpus
        return X, np.array(names)[(y == "anger").astype(int)], speakers

    found, expected = (
        fitted(with_two(own, names), corpora={"near": with_two(NEAR, names)})
        for names in (names, ["other", "yes"])
    )
    assert found.classes_.tolist() == names
    np.testing.assert_array_equal(
        found.predict_proba(own[0]), expected.predict_proba(own[0])
    )


def test_without_weight_the_model_is_the_plain_one(own):
    X, y, _ = own
    found = fitted(own, weights={})
    expected = clone(LINEAR).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found.predict_proba(X), expected)
    assert found.weights_ == {"near": 0, "far": 0}
    assert found.scores_ is None


def test_emotions_that_are_not_shared_and_missing_ones_are_left_out(own):
    X, y, speakers = NEAR
    others = y.astype(object)
    others[y == "sadness"] = "boredom"
    others[:3] = None
    used = np.isin(others.astype(str), ["anger", "neutral"])
    weights = {"near": 1.0}
    found = fitted(own, corpora={"near": (X, others, speakers)}, weights=weights)
    expected = fitted(
        own, corpora={"near": (X[used], y[used], speakers[used])}, weights=weights
    )
    np.testing.assert_array_equal(
        found.best_estimator_.coef_, expected.best_estimator_.coef_
    )
    assert list(found.classes_) == list(EMOTIONS)


def test_an_emotion_of_one_training_speaker_is_missing_where_that_one_is_left_out(own):
    X, y, speakers = own
    y = y.astype(object)
    y[(speakers == "00") & (y == "anger")] = "fear"
    near = NEAR[0], np.where(NEAR[1] == "anger", "fear", NEAR[1]), NEAR[2]
    found = fitted((X, y, speakers), corpora={"near": near}, cv=4)
    assert found.scores_["log_loss"].notna().all()
    assert "fear" in found.classes_


def test_names_of_speakers_in_other_corpora_are_of_other_people(own):
    model = AdversarialSER(max_epochs=1, random_state=0)
    found = fitted(own, model, weights={"near": 1.0}).best_estimator_
    assert len(found.speakers_) == 4 + 20
    assert {"03", "near/03"} <= {*found.speakers_}
    numbers = {"near": (*NEAR[:2], NEAR[2].astype(int))}
    own = (*own[:2], own[2].astype(int))
    found = fitted(own, model, numbers, weights={"near": 1.0}).best_estimator_
    assert len(found.speakers_) == 4 + 20


def test_by_speaker_scales_the_speakers_of_a_corpus(own):
    X, y, speakers = NEAR
    X = X + 7.0 * speakers.astype(int)[:, None]
    found = fitted(
        own, corpora={"near": (X, y, speakers)}, weights=FIXED_NEAR, by_speaker=True
    )
    X = SpeakerScaler().fit_transform(X, speakers=speakers)
    expected = fitted(own, corpora={"near": (X, y, speakers)}, weights=FIXED_NEAR)
    np.testing.assert_array_equal(
        found.best_estimator_.coef_, expected.best_estimator_.coef_
    )


# What is chosen


def test_a_helpful_corpus_is_used_and_a_harmful_one_is_not(own):
    helped = fitted(own, corpora={"near": NEAR})
    assert helped.weights_["near"] > 0
    best = helped.scores_.iloc[helped.scores_["log_loss"].idxmin()]
    assert best["near"] == helped.weights_["near"]
    assert best["log_loss"] < helped.scores_["log_loss"][0]
    assert fitted(own, corpora={"far": FAR}).weights_ == {"far": 0.0}


def test_all_corpora_share_a_weight(own):
    scores = fitted(own, weights=[0.4, 2]).scores_
    assert scores[["near", "far"]].to_numpy().tolist() == [[0, 0], [0.2, 0.2], [1, 1]]


def test_the_recall_chooses_where_there_are_no_probabilities(own):
    found = fitted(own, LinearSVC(C=0.01, random_state=0), {"near": NEAR})
    assert found.scores_["log_loss"].isna().all()
    best = found.scores_["recall"].idxmax()
    assert found.weights_["near"] == found.scores_["near"][best]
    assert not hasattr(found, "predict_proba")


def test_scores_are_those_of_speakers_left_out(own):
    X, y, speakers = own
    found = fitted(own, make_pipeline(StandardScaler(), LINEAR), weights=[1.0])
    predicted = np.empty_like(y)
    for train, test in GroupKFold(4).split(X, y, speakers):
        model = make_pipeline(StandardScaler(), LINEAR).fit(X[train], y[train])
        predicted[test] = model.predict(X[test])
    recall = np.mean([(predicted[y == e] == e).mean() for e in EMOTIONS])
    assert found.scores_["recall"][0] == pytest.approx(recall)


# With other tools


def test_inner_folds_of_the_estimator_have_rows_of_all_corpora(own):
    X, y, _ = own
    model = CalibratedClassifierCV(LINEAR, cv=3)
    found = fitted(own, model, {"far": FAR}, weights={"far": 1e-9})
    for fold in found.best_estimator_.calibrated_classifiers_:
        assert (fold.estimator.predict(X) == y).mean() > 0.6


@pytest.mark.parametrize("routing", [True, False])
def test_weights_reach_the_models_that_vote(own, routing):
    voting = VotingClassifier([("a", LINEAR), ("b", LINEAR)], voting="soft")
    with config_context(enable_metadata_routing=routing):
        found = fitted(own, voting, {"near": NEAR}, weights=FIXED_NEAR)
        expected = fitted(own, LINEAR, {"near": NEAR}, weights=FIXED_NEAR)
    np.testing.assert_allclose(
        found.predict_proba(own[0]), expected.predict_proba(own[0])
    )


def test_a_fit_that_fails_leaves_it_unfitted(own):
    model = AuxiliaryCorpora(LINEAR, {"near": NEAR}, weights={"typo": 1.0})
    with pytest.raises(ValueError, match="typo"):
        model.fit(*own)
    with pytest.raises(NotFittedError):
        model.predict(own[0])
    model.set_params(weights=FIXED_NEAR).fit(*own)
    expected = model.predict(own[0])
    with pytest.raises(ValueError, match="4 and 6 features"):
        model.fit(own[0][:, :4], *own[1:])
    np.testing.assert_array_equal(model.predict(own[0]), expected)
    assert model.n_features_in_ == 6


def test_passes_the_checks_of_scikit_learn():
    assert_passes_all_checks(AuxiliaryCorpora(LogisticRegression(), {}))


@pytest.mark.parametrize("routing", [True, False])
def test_cross_validate_behind_a_scaler(own, routing):
    X, y, speakers = own
    model = make_pipeline(
        StandardScaler(), AuxiliaryCorpora(LINEAR, {"near": NEAR}, weights=FIXED_NEAR)
    )
    with config_context(enable_metadata_routing=routing):
        params = {"groups": speakers} if routing else {}
        groups = {} if routing else {"groups": speakers}
        found = cross_validate(
            model, X, y, cv=GroupKFold(4), params=params, error_score="raise", **groups
        )
    assert found["test_score"].mean() > 0.5


def test_compare_scores_it_inductive_and_adaptive(own, tmp_path):
    classifier = AuxiliaryCorpora(LINEAR, {"near": NEAR}, weights=[1.0])
    scaler = SpeakerScaler(unknown="adapt", balance=False)
    estimators = {
        "inductive": classifier,
        "adaptive": make_pipeline(scaler, classifier),
    }
    found = compare(estimators, *own, order="blocks", seeds=1, folder=tmp_path)
    assert dict(found.summary()["kind"]) == {
        "inductive": "inductive",
        "adaptive": "adaptive, blocks",
    }
    text = (tmp_path / "comparison.json").read_text()
    assert f"ndarray of shape {NEAR[0].shape}" in text
    assert f"{NEAR[0][0, 0]:.4f}" not in text


def test_the_leakage_is_that_of_the_embedding(own):
    network = AdversarialSER(max_epochs=2, random_state=0)
    alone = AuxiliaryCorpora(network, {"near": NEAR}, weights={})
    leakage = cross_val_leakage(alone, *own)
    assert leakage.as_row() == cross_val_leakage(network, *own).as_row()


def test_tables_of_transformers_change_nothing(own):
    with config_context(transform_output="polars"):
        found = fitted(own, by_speaker=True)
    assert found.weights_ == fitted(own, by_speaker=True).weights_


def test_the_choice_scales_each_speaker_left_out(own):
    X, y, speakers = own
    X = X + 50 * np.unique(speakers, return_inverse=True)[1][:, None]
    scaler = SpeakerScaler(unknown="batch", shrinkage=0)
    found = fitted((X, y, speakers), make_pipeline(scaler, LINEAR), cv=2)
    assert found.scores_["recall"].max() > 0.6


def test_other_rows_are_other_settings_of_a_comparison(own, tmp_path):
    one, other = (
        {"lr": AuxiliaryCorpora(LINEAR, {"near": corpus}, weights=FIXED_NEAR)}
        for corpus in (NEAR, FAR)
    )
    compare(one, *own, seeds=1, folder=tmp_path)
    with pytest.raises(FileExistsError, match=r"parameters\.corpora\.near"):
        compare(other, *own, seeds=1, folder=tmp_path)


def test_what_is_saved_has_no_rows_of_the_corpora(own, tmp_path):
    found = fitted(own, weights=FIXED)
    with pytest.raises(ValueError, match="put its `best_estimator_`"):
        advser.save(found, tmp_path / "model.advser")
    advser.save(found.best_estimator_, tmp_path / "model.advser")
    loaded = advser.load(tmp_path / "model.advser")
    np.testing.assert_array_equal(loaded.predict(own[0]), found.predict(own[0]))


def test_tables_keep_their_names_and_may_order_their_columns(own):
    X, y, speakers = own
    names = list("abcdef")
    table = pd.DataFrame(NEAR[0], columns=names).assign(emotion=NEAR[1])
    table = table.assign(speaker=NEAR[2])[["speaker", *reversed(names), "emotion"]]
    found = AuxiliaryCorpora(LINEAR, {"near": table}, weights=FIXED_NEAR)
    found = found.fit(pd.DataFrame(X, columns=names), y, speakers)
    expected = fitted(own, corpora={"near": NEAR}, weights=FIXED_NEAR)
    np.testing.assert_allclose(
        found.best_estimator_.coef_, expected.best_estimator_.coef_
    )
    assert list(found.best_estimator_.feature_names_in_) == names


# What is refused


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"estimator": Ridge()}, "`estimator` is Ridge, a regressor; pass a class"),
        ({"corpora": [NEAR]}, "`corpora` is of type list"),
        ({"corpora": {"near": NEAR[0]}}, r"`corpora\['near'\]` is of type ndarray"),
        ({"corpora": {"near": (NEAR[0][:, :5], *NEAR[1:])}}, "6 and 5 features"),
        (
            {"corpora": {"near": (NEAR[0], np.repeat("joy", 240), NEAR[2])}},
            r"share the emotions \[\], and at least two",
        ),
        ({"weights": {"nearer": 1.0}}, "`weights` has 'nearer'"),
        ({"weights": {"near": -1.0}}, r"`weights\['near'\]` must be"),
        ({"weights": [0.0]}, "'weights' parameter"),
        ({"weights": []}, "'weights' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"estimator": KNeighborsClassifier()}, "takes no `sample_weight`"),
        ({"estimator": AdaBoostClassifier()}, "takes no `sample_weight` by metadata"),
    ],
)
def test_wrong_parameters_are_named(own, params, message):
    with pytest.raises(ValueError, match=message):
        fitted(own, **params)


def test_a_choice_needs_speakers(own):
    X, y, _ = own
    with pytest.raises(ValueError, match="needs at least two; there are 0"):
        fitted((X, y, None))
    with pytest.raises(ValueError, match="needs at least two; there are 1"):
        fitted((X, y, np.repeat("01", len(y))))
    assert fitted((X, y, None), weights=FIXED).weights_["near"] == 0.5


def test_a_failing_fit_keeps_its_error(own):
    with pytest.raises(ValueError, match="lr"):
        fitted(own, AdversarialSER(lr=-1.0, max_epochs=1))


def test_the_loss_is_averaged_over_the_emotions(own):
    X, y, speakers = own
    kept = (y != "anger") | (np.arange(len(y)) % 4 == 0)
    X, y, speakers = X[kept], y[kept], speakers[kept]
    model = make_pipeline(StandardScaler(), LINEAR)
    found = fitted((X, y, speakers), model, weights=[1.0])
    losses = np.empty(len(y))
    for train, test in GroupKFold(4).split(X, y, speakers):
        model.fit(X[train], y[train])
        at = np.searchsorted(EMOTIONS, y[test])
        losses[test] = -np.log(model.predict_proba(X[test])[np.arange(len(test)), at])
    expected = np.mean([losses[y == emotion].mean() for emotion in EMOTIONS])
    assert found.scores_["log_loss"][0] == pytest.approx(expected)


@pytest.mark.parametrize("scoring", [None, "balanced_accuracy"])
@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_a_search_in_it_scores_without_the_weights(search, scoring, own):
    network = AdversarialSER(None, max_epochs=2, random_state=0)
    inner = search(network, {"alpha": [0.1, 1.0]}, cv=3, scoring=scoring)
    found = fitted(own, inner, weights=[1.0])
    assert found.best_estimator_.best_params_["alpha"] in (0.1, 1.0)
    assert set(found.predict(own[0])) <= {*EMOTIONS}
