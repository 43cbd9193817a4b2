"""The regressors are estimators of scikit-learn, and rate unseen speakers."""

import pickle
import warnings

import audmetric
import numpy as np
import pandas as pd
import pytest
import torch
from checks import assert_passes_all_checks
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from advser import AdversarialSERRegressor, AutoencoderSERRegressor
from advser.exceptions import NoSpeakersWarning
from advser.metrics import concordance_correlation, rating_scorers
from advser.model_selection import StackedGridSearchCV
from advser.objectives import MMD, ClosedForm, Confusion, GradientReversal, MaxEntropy

OBJECTIVES = {
    "closed_form": ClosedForm,
    "grl": GradientReversal,
    "entropy": MaxEntropy,
    "confusion": Confusion,
}
ALL = [*OBJECTIVES, "vrex", "coral", MMD(0.1), "group_dro", None]
TARGETS = ["arousal", "valence"]
SMALL = {"hidden_layer_sizes": (16,), "embedding_dim": 8, "lr": 0.01}
SMALL |= {"max_epochs": 10, "random_state": 0}


def make_ratings(n=240):
    """Return features, two ratings with an offset for each speaker, and speakers.

    Last comes the signal: the ratings without the offsets.
    """
    rng = np.random.default_rng(0)
    speakers = np.arange(n) % 6
    signal = rng.normal(size=(n, 2))
    offsets = 1.5 * rng.normal(size=(6, 2))
    X = rng.normal(size=(n, 10))
    X[:, :2] += 2 * signal
    X[np.arange(n), 2 + speakers] += 3
    return X, signal + offsets[speakers], np.array(list("abcdef"))[speakers], signal


@pytest.fixture
def rated():
    return make_ratings()[:3]


def small(adversary="entropy", **settings):
    return AdversarialSERRegressor(adversary, **{**SMALL, **settings})


# Scorers


def test_scorers_refuse_targets_in_another_order(rated):
    X, y, _ = rated
    y = pd.DataFrame(y, columns=TARGETS)
    model = LinearRegression().fit(X, y)
    assert rating_scorers(TARGETS)["ccc_valence"](model, X, y) > 0
    assert rating_scorers(["first", "second"])["ccc_second"](model, X, y) > 0
    with pytest.raises(ValueError, match="same columns in the same order"):
        rating_scorers(["valence"])["ccc_valence"](model, X, y)  # the second column
    with pytest.raises(ValueError, match="the same columns in the same order"):
        rating_scorers(TARGETS[::-1])["ccc_valence"](model, X, y)


def test_scorers_take_a_column_and_flat_predictions(rated):
    X, y, _ = rated
    model = SVR().fit(X, y[:, 0])
    flat = rating_scorers()["ccc"](model, X, y[:, 0])
    assert rating_scorers()["ccc"](model, X, y[:, :1]) == flat
    for rows in (np.empty(0), np.empty((0, 1))):
        with pytest.raises(ValueError, match="`y_true` has no rows"):
            concordance_correlation(rows, rows)


# Batches


@pytest.mark.parametrize("adversary", ["vrex", "group_dro"])
def test_speakers_of_one_utterance_have_a_risk(adversary, rated):
    X, y, _ = rated
    model = small(adversary, max_epochs=40).fit(X, y, speakers=np.arange(len(X)))
    assert concordance_correlation(y, model.predict(X)) > 0.5


@pytest.mark.parametrize(("loss", "warns"), [("ccc", True), ("mse", False)])
def test_batches_of_few_ratings_are_reported(loss, warns, rated):
    X, y, speakers = rated
    y = y.copy()
    y[10:] = np.nan  # ten of 240 rows: 2.7 in a batch of 64
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small(loss=loss, max_epochs=1).fit(X, y, speakers=speakers)
    found = [one for one in caught if "2.7 with ratings" in str(one.message)]
    assert bool(found) == warns
    assert all(one.filename == __file__ for one in found)


# scikit-learn's own checks


@pytest.mark.filterwarnings("ignore::advser.exceptions.NoSpeakersWarning")
@pytest.mark.filterwarnings("ignore::advser.exceptions.CollapseWarning")
@pytest.mark.parametrize(
    "regressor",
    [
        AdversarialSERRegressor(),
        AdversarialSERRegressor(loss="mse"),
        AutoencoderSERRegressor(max_epochs=15, lr=0.003),
    ],
)
def test_estimator_passes_all_checks(regressor):
    assert_passes_all_checks(regressor)


# Ratings


@pytest.mark.parametrize("loss", ["ccc", "mse", "huber"])
@pytest.mark.parametrize("adversary", ALL)
def test_ratings_of_new_speakers_are_predicted(adversary, loss, rated):
    X, y, speakers = rated
    new = speakers == "a"
    model = small(adversary, loss=loss, max_epochs=20)
    model.fit(X[~new], y[~new], speakers=speakers[~new])
    for predicted, target in zip(model.predict(X[new]).T, y[new].T, strict=True):
        assert np.corrcoef(predicted, target)[0, 1] > 0.5


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_predictions_have_the_shape_of_the_ratings(shape, rated):
    X, y, speakers = rated
    y = y[:, 0].reshape(shape)
    assert small().fit(X, y, speakers=speakers).predict(X).shape == y.shape


@pytest.mark.parametrize("loss", ["ccc", "mse", "huber"])
def test_scale_of_the_ratings_does_not_matter(loss, rated):
    X, y, speakers = rated
    plain = small(loss=loss).fit(X, y, speakers=speakers).predict(X)
    scaled = small(loss=loss).fit(X, 100 - 7 * y, speakers=speakers).predict(X)
    assert np.corrcoef(plain[:, 0], scaled[:, 0])[0, 1] == pytest.approx(-1, abs=1e-6)
    shifted = small(loss=loss).fit(X, 100 + 7 * y, speakers=speakers).predict(X)
    np.testing.assert_allclose(shifted, 100 + 7 * plain, rtol=1e-6)


def test_utterance_unlike_all_others_is_rated_within_the_range(rated):
    X, y, speakers = rated
    model = small().fit(X, y, speakers=speakers)
    found = model.predict(1e6 * X)
    assert (found >= y.min(axis=0)).all()
    assert (found <= y.max(axis=0)).all()


def test_missing_rating_is_no_rating(rated):
    X, y, speakers = rated
    gone = np.arange(len(y)) % 3 == 0
    y[gone, 0] = np.nan
    model = small(max_epochs=30).fit(X, y, speakers=speakers)
    assert np.isfinite(model.predict(X)).all()
    assert concordance_correlation(y, model.predict(X)) > 0.5


def test_missing_rating_does_not_change_the_others(rated):
    X, y, speakers = rated
    y[:200, 1] = np.nan
    alone = small(target_weights=[1, 0]).fit(X, y, speakers=speakers)
    y[:200, 1] = 5.0
    other = small(target_weights=[1, 0]).fit(X, y, speakers=speakers)
    np.testing.assert_allclose(
        alone.predict(X)[:, 0], other.predict(X)[:, 0], rtol=1e-9
    )


def test_row_without_any_rating_trains_the_adversary_alone(rated):
    X, y, speakers = rated
    y[speakers == "f"] = np.nan
    model = small("grl").fit(X, y, speakers=speakers)
    assert set(model.speakers_) == set("abcdef")
    assert np.isfinite(model.history_["train_speaker_loss"]).all()
    y[speakers == "f"] = 1e9
    ignored = small("grl").fit(X, np.where(y == 1e9, np.nan, y), speakers=speakers)
    np.testing.assert_array_equal(model.predict(X), ignored.predict(X))


def test_rows_of_weight_0_have_no_part_in_the_bins(rated):
    X, y, speakers = rated
    kept = (y[:, 0] < np.median(y[:, 0])) & (speakers != "b")
    ser = small(ClosedForm(conditional=True))
    ser.fit(X, y, speakers=speakers, sample_weight=kept)
    alone = small(ClosedForm(conditional=True))
    alone.fit(X[kept], y[kept], speakers=speakers[kept])
    np.testing.assert_allclose(ser.predict(X), alone.predict(X), atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        AdversarialSERRegressor(None, **SMALL),
        AdversarialSERRegressor("grl", **SMALL),
        AutoencoderSERRegressor(**SMALL),
    ],
    ids=str,
)
def test_number_of_targets_is_not_limited(model, rated):
    X, y, speakers = rated
    many = np.tile(y, 20)
    model = clone(model).set_params(max_epochs=1).fit(X, many, speakers=speakers)
    assert model.predict(X).shape == many.shape
    assert len(pickle.dumps(model)) < 1e6


def test_number_of_bins_is_limited(rated):
    X, _y, speakers = rated
    model = small(MaxEntropy(conditional=True), max_epochs=1)
    with pytest.raises(ValueError, match=r"`n_bins=3` makes 19683 comb.* 9 col"):
        model.fit(X, X[:, :9], speakers=speakers)
    model.set_params(n_bins=2).fit(X, X[:, :9], speakers=speakers)
    assert model.net_.module_.objective.support.shape == (2**9 + 1, 6)


def test_target_without_weight_is_not_trained(rated):
    X, y, speakers = rated
    model = small(target_weights=[1, 0], alpha=0.0).fit(X, y, speakers=speakers)
    weight = model.net_.module_.emotion_head.weight
    assert weight[0].abs().min() > 0
    assert weight[1].abs().max() == 0


@pytest.mark.parametrize("kind", OBJECTIVES.values())
@pytest.mark.parametrize("conditional", [False, True])
def test_all_parameters_are_trained(kind, conditional, rated):
    X, y, speakers = rated
    objective = kind(conditional=conditional)
    before = small(objective, max_epochs=1, lr=1e-30, alpha=0.0)
    before.fit(X, y, speakers=speakers)
    after = small(objective, max_epochs=2, alpha=0.0).fit(X, y, speakers=speakers)
    for (name, old), (_, new) in zip(
        before.net_.module_.named_parameters(),
        after.net_.module_.named_parameters(),
        strict=True,
    ):
        assert not torch.equal(old, new), name


def test_weight_0_gives_the_plain_network(rated):
    X, y, speakers = rated
    plain = small(None).fit(X, y, speakers=speakers)
    for kind in OBJECTIVES.values():
        ours = small(kind(weight=0.0)).fit(X, y, speakers=speakers)
        np.testing.assert_allclose(ours.predict(X), plain.predict(X), 1e-12, 1e-13)


@pytest.mark.parametrize("kind", [ClosedForm, GradientReversal, MaxEntropy])
def test_adversary_removes_the_speaker_and_not_the_signal(kind):
    X, y, speakers, signal = make_ratings(480)
    train = np.arange(len(X)) // 6 % 2 == 0
    leakage, correlation = [], []
    for adversary in (kind(weight=1.0), None):
        model = small(
            adversary,
            hidden_layer_sizes=(32,),
            embedding_dim=16,
            alpha=0.0,
            batch_size=60,
            clip=None,
            lr=0.005,
            max_epochs=60,
        )
        model.fit(X[train], y[train], speakers=speakers[train])
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe.fit(model.transform(X[train]), speakers[train])
        named = probe.predict(model.transform(X[~train]))
        leakage.append(balanced_accuracy_score(speakers[~train], named))
        pairs = zip(signal[~train].T, model.predict(X[~train]).T)
        correlation.append(np.mean([np.corrcoef(*pair)[0, 1] for pair in pairs]))
    assert leakage[0] < leakage[1] - 0.1
    assert correlation[0] > correlation[1] - 0.05


# The autoencoder


def small_autoencoder(**settings):
    return AutoencoderSERRegressor(**{**SMALL, **settings})


@pytest.mark.parametrize("speaker_task", ["auxiliary", "adversarial", None])
def test_autoencoder_predicts_ratings_of_new_speakers(speaker_task, rated):
    X, y, speakers = rated
    y[::4, 1] = np.nan
    new = speakers == "a"
    model = small_autoencoder(speaker_task=speaker_task, max_epochs=20)
    model.fit(X[~new], y[~new], speakers=speakers[~new])
    for predicted, target in zip(model.predict(X[new]).T, y[new].T, strict=True):
        known = ~np.isnan(target)
        assert np.corrcoef(predicted[known], target[known])[0, 1] > 0.5


def test_autoencoder_learns_from_rows_without_ratings(rated):
    X, y, speakers = rated
    model = small_autoencoder().fit(
        X[:60],
        y[:60],
        speakers=speakers[:60],
        genders=np.where(speakers[:60] < "d", "female", "male"),
        X_unlabeled=X[60:],
        speakers_unlabeled=speakers[60:],
    )
    assert model.reconstruction_error(X).mean() < 1
    assert set(model.predict_gender(X)) == {"female", "male"}
    assert (model.predict_speaker(X) == speakers).mean() > 0.5
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    assert model.sample(3, random_state=0).shape == (3, X.shape[1])


def test_stacked_search_over_autoencoders_agrees_with_separate_fits(rated):
    X, y, speakers = rated
    y[::7, 1] = np.nan
    settings = {
        "cv": GroupKFold(3),
        "scoring": rating_scorers()["ccc"],
        "refit": False,
        "error_score": "raise",
    }
    grid = {"speaker_weight": [0.1, 1.0], "lr": [0.01, 0.003]}
    ours = StackedGridSearchCV(small_autoencoder(), grid, **settings)
    theirs = GridSearchCV(small_autoencoder(), grid, **settings)
    for search in (ours, theirs):
        search.fit(X, y, groups=speakers, speakers=speakers)
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"],
        theirs.cv_results_["mean_test_score"],
        rtol=1e-6,
    )


# Errors


def test_column_without_a_rating_is_named(rated):
    X, y, speakers = rated
    y[:, 1] = np.nan
    with pytest.raises(ValueError, match="NaN only in column 1"):
        small().fit(X, y, speakers=speakers)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.inf, 1.0]])
def test_wrong_target_weights_are_named(weights, rated):
    X, y, speakers = rated
    with pytest.raises(ValueError, match=r"target_weights. (must|parameter)"):
        small(target_weights=weights).fit(X, y, speakers=speakers)


def test_warm_start_with_other_targets_is_refused(rated):
    X, y, speakers = rated
    model = small(warm_start=True).fit(X, y, speakers=speakers)
    with pytest.raises(ValueError, match="has 1 columns and had 2"):
        model.fit(X, y[:, 0], speakers=speakers)


# Warm start, early stopping, searches


def test_targets_in_another_order_are_refused(rated):
    X, y, speakers = rated
    y = pd.DataFrame(y, columns=["arousal", "valence"])
    ours = small(max_epochs=1, warm_start=True).fit(X, y, speakers)
    other = y[["valence", "arousal"]]
    with pytest.raises(ValueError, match=r"`y` has the columns \['valence', 'arousal'"):
        ours.score(X, other)
    with pytest.raises(ValueError, match="`y` has the columns"):
        ours.fit(X, other, speakers)
    assert ours.score(X, y) == ours.score(X, y.to_numpy())


def test_warm_start_goes_on(rated):
    X, y, speakers = rated
    model = small(MaxEntropy(conditional=True), warm_start=True).fit(
        X, y, speakers=speakers
    )
    first = concordance_correlation(y, model.predict(X))
    model.fit(X, y, speakers=speakers)
    assert concordance_correlation(y, model.predict(X)) > first


@pytest.mark.parametrize("kind", [AdversarialSERRegressor, AutoencoderSERRegressor])
def test_warm_start_rates_up_to_the_largest_rating_so_far(kind, rated):
    X, y, speakers = rated
    y = y[:, 0]
    low = y < np.quantile(y, 0.7)
    model = kind(warm_start=True, **SMALL | {"max_epochs": 40, "lr": 0.01})
    model.fit(X[low], y[low], speakers=speakers[low])
    assert model.predict(X).max() <= y[low].max()
    model.fit(X, y, speakers=speakers)
    assert y[low].max() < model.predict(X).max() <= y.max()
    model.fit(X[low], y[low], speakers=speakers[low])  # what is known stays
    assert model.net_.module_.task.high.item() == y.max()


def test_early_stopping_watches_the_concordance_of_new_speakers(rated):
    X, y, speakers = rated
    y[::5, 0] = np.nan
    model = small(early_stopping=True, n_iter_no_change=3, max_epochs=50)
    model.fit(X, y, speakers=speakers)
    best = model.history_["valid_ccc"].idxmax()
    assert len(model.history_) == min(best + 4, 50)
    assert model.history_["valid_loss"].notna().all()


@pytest.mark.parametrize("kind", [AdversarialSERRegressor, AutoencoderSERRegressor])
def test_early_stopping_scores_speakers_with_ratings_alone(kind, rated):
    X, y, speakers = rated
    y[np.isin(speakers, list("abcd"))] = np.nan
    for seed in range(4):
        settings = SMALL | {"max_epochs": 2, "random_state": seed}
        model = kind(early_stopping=True, **settings)
        model.fit(X, y, speakers=speakers)
        assert (model.history_["valid_ccc"] != 0).all()


def test_early_stopping_with_one_rated_speaker(rated):
    X, y, speakers = rated
    y[speakers != "a"] = np.nan
    model = small(early_stopping=True, max_epochs=2)
    with pytest.warns(NoSpeakersWarning, match="two known speakers with labels"):
        model.fit(X, y, speakers=speakers)
    assert (model.history_["valid_ccc"] != 0).all()


def test_warm_start_whose_validation_speakers_lose_their_ratings(rated):
    X, y, speakers = rated
    model = small(early_stopping=True, warm_start=True, max_epochs=2)
    model.fit(X, y, speakers=speakers)
    y[~np.isin(speakers, model.speakers_)] = np.nan
    with pytest.raises(ValueError, match="were not in the first fit"):
        model.fit(X, y, speakers=speakers)


def test_refits_and_copies_are_the_same(rated):
    X, y, speakers = rated
    model = small(MaxEntropy(conditional=True)).fit(X, y, speakers=speakers)
    again = clone(model).fit(X, y, speakers=speakers)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    stored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(X), stored.predict(X))


@pytest.mark.parametrize("loss", ["ccc", "huber"])
@pytest.mark.parametrize("conditional", [False, True])
def test_stacked_search_agrees_with_separate_fits(loss, conditional, rated):
    X, y, speakers = rated
    y[::7, 1] = np.nan
    y[3] = np.nan
    model = small(MaxEntropy(conditional=conditional), loss=loss, dropout=0.2, n_bins=2)
    grid = {"adversary__weight": [0.1, 1.0], "target_weights": [None, [1, 3]]}
    settings = {
        "cv": GroupKFold(3),
        "scoring": rating_scorers(TARGETS),
        "refit": "ccc",
        "error_score": "raise",
    }
    ours = StackedGridSearchCV(model, grid, **settings)
    theirs = GridSearchCV(model, grid, **settings)
    for search in (ours, theirs):
        search.fit(X, y, groups=speakers, speakers=speakers)
    for name in settings["scoring"]:
        np.testing.assert_allclose(
            ours.cv_results_[f"mean_test_{name}"],
            theirs.cv_results_[f"mean_test_{name}"],
            rtol=1e-6,
        )


def test_scorers_go_by_name(rated):
    X, y, speakers = rated
    scores = cross_validate(
        make_pipeline(StandardScaler(), small()),
        X,
        y,
        groups=speakers,
        cv=GroupKFold(3),
        scoring=rating_scorers(TARGETS),
        params={"adversarialserregressor__speakers": speakers},
        error_score="raise",
    )
    mean = (scores["test_ccc_arousal"] + scores["test_ccc_valence"]) / 2
    np.testing.assert_allclose(scores["test_ccc"], mean)
    for target in TARGETS:
        larger = np.abs(scores[f"test_pearson_{target}"])
        assert (larger >= np.abs(scores[f"test_ccc_{target}"])).all()
    assert (scores["test_neg_mae"] < 0).all()


def test_concordance_is_that_of_the_field():
    rng = np.random.default_rng(0)
    rated, predicted = rng.normal(size=(2, 20, 2))
    expected = [audmetric.concordance_cc(r, p) for r, p in zip(rated.T, predicted.T)]
    found = concordance_correlation(rated, predicted, multioutput="raw_values")
    np.testing.assert_allclose(found, expected)
    assert concordance_correlation(rated, predicted) == pytest.approx(np.mean(expected))


def test_concordance_leaves_missing_ratings_out():
    rated = np.array([1.0, 2.0, np.nan, 3.0])
    found = concordance_correlation(rated, [1.5, 2.0, 99.0, 2.5])
    assert found == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("rated", "predicted", "expected"),
    [([1.0, 2.0], [3.0, 3.0], 0.0), ([1.0, 1.0], [2.0, 2.0], 0.0)],
)
def test_concordance_of_constants_is_zero(rated, predicted, expected):
    assert concordance_correlation(rated, predicted) == expected


def test_concordance_of_one_rating_is_unknown():
    assert np.isnan(concordance_correlation([1.0, np.nan], [1.0, 2.0]))


def test_concordance_wants_one_prediction_each():
    with pytest.raises(ValueError, match=r"`y_true` has shape \(2,\) and `y_pred`"):
        concordance_correlation([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="`multioutput` must be"):
        concordance_correlation([1, 2], [1, 2], multioutput="sum")


def test_a_row_without_ratings_is_like_an_unlabelled_one_of_an_unknown_speaker(rated):
    X, y, speakers = rated
    others = X[:40] + 1
    ser = AdversarialSERRegressor(
        ClosedForm(weight=3.0, ramp=0), loss="mse", max_epochs=5, batch_size=1000
    ).set_params(random_state=0)
    one = clone(ser).fit(
        X, y, speakers, X_unlabeled=others, speakers_unlabeled=[None] * 40
    )
    blank = np.full((40, *y.shape[1:]), np.nan)
    other = clone(ser).fit(
        np.concatenate([X, others]),
        np.concatenate([y, blank]),
        np.concatenate([speakers.astype(object), [None] * 40]),
    )
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-3, atol=1e-3)


def test_rows_without_ratings_do_not_change_the_scale_of_the_others(rated):
    X, y, _ = rated
    y[: len(y) // 2, 1] = np.nan
    weight = 1.0 + (np.arange(len(y)) % 3)
    task = small(None).fit(X, y, sample_weight=weight).net_.module_.task
    for target, scale in zip(y.T, task.scale):
        known = ~np.isnan(target)
        mean = np.average(target[known], weights=weight[known])
        variance = np.average((target[known] - mean) ** 2, weights=weight[known])
        assert scale.item() == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_score_counts_the_weights(rated):
    X, y, speakers = rated
    weight = np.arange(len(y)) % 4
    model = small().fit(X, y, speakers=speakers)
    expected = r2_score(y, model.predict(X), sample_weight=weight)
    assert model.score(X, y, sample_weight=weight) == pytest.approx(expected)
    assert model.score(X, y) != pytest.approx(expected, rel=1e-4)
