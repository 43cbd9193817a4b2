"""Intervals and tests over speakers."""

from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from advser.evaluation import (
    ccc_difference,
    ccc_interval,
    holm,
    uar_difference,
    uar_interval,
)
from advser.metrics import concordance_correlation, unweighted_average_recall

SPEAKERS = np.repeat(["a", "b", "c"], 4)
Y_TRUE = np.array(["anger", "anger", "sadness", "sadness"] * 3)


def corpus(rng, n_speakers=10, n_rows=12):
    """Return emotions, speakers and a method, which is as good with new speakers."""
    y_true = np.tile([0, 1, 2], n_speakers * n_rows // 3)
    speakers = np.repeat(np.arange(n_speakers), n_rows)
    skill = rng.beta(4, 2, size=(n_speakers, 3))[speakers, y_true]  # 2/3 on average

    def predict():
        is_right = rng.random(len(y_true)) < skill
        return np.where(is_right, y_true, (y_true + 1) % 3)

    return y_true, speakers, predict


def check_by_exchanges(found, score, one, other, speakers):
    """Check a difference by all exchanges between two methods for six speakers."""
    differences = []
    for exchanged in product([False, True], repeat=6):
        swap = np.array(exchanged)[speakers]
        pairs = np.where(swap, other, one), np.where(swap, one, other)
        differences.append(np.subtract(*map(score, pairs)))
    as_large = np.abs(differences) >= abs(differences[0]) - 1e-12
    assert found.difference == pytest.approx(differences[0])
    assert found.p_value == pytest.approx(np.mean(as_large))
    assert 0 < np.mean(as_large) < 0.5


def test_intervals_refuse_columns_in_another_order():
    y_true = pd.DataFrame({"arousal": [1, 2, 3, 1], "valence": [2, 1, 1, 3]})
    y_pred, speakers = y_true[["valence", "arousal"]], list("aabb")
    with pytest.raises(ValueError, match=r"`y_pred` \['valence', 'arousal'\]"):
        ccc_interval(y_true, y_pred, speakers=speakers)
    with pytest.raises(ValueError, match="`y_pred_other`"):
        ccc_difference(y_true, y_true, y_pred, speakers=speakers)


@pytest.mark.parametrize("n_seeds", [0, 2])
def test_intervals_refuse_masked_predictions(n_seeds):
    shape = (12, n_seeds) if n_seeds else 12
    mask = np.arange(12 * max(n_seeds, 1)).reshape(shape) == 5
    ratings = np.ma.array(np.arange(mask.size).reshape(shape), mask=mask)
    with pytest.raises(ValueError, match="`y_pred` lacks 1 of"):
        ccc_interval(np.arange(12), ratings, speakers=SPEAKERS)
    emotions = np.ma.array(np.broadcast_to(Y_TRUE, shape[::-1] if n_seeds else 12).T)
    emotions.mask = mask
    with pytest.raises(ValueError, match="`y_pred` is missing in 1 of"):
        uar_interval(Y_TRUE, emotions, speakers=SPEAKERS)


def test_difference_of_three_speakers_is_that_worked_out_by_hand():
    # The other method misses one anger with each speaker, of six: recalls 1/2 and 1.
    other = Y_TRUE.copy()
    other[[0, 4, 8]] = "sadness"
    found = uar_difference(Y_TRUE, Y_TRUE, other, speakers=SPEAKERS)
    assert found.difference == pytest.approx((1 - 1 / 2) / 2)
    # Each speaker contributes 1/12: only with all or no signs turned is it 3/12.
    assert found.p_value == found.smallest_p_value == pytest.approx(2 / 8)
    assert found.n_speakers == 3
    # Whoever is drawn, half of the anger is missed.
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))


def test_difference_pools_speakers_of_different_sizes():
    # Recall of anger 2/4 and 4/4, of sadness 1/2 and 0/2.
    y_true = ["anger", "anger", "anger", "sadness", "anger", "sadness"]
    one = ["anger", "sadness", "sadness", "sadness", "anger", "anger"]
    other = ["anger"] * 6
    found = uar_difference(y_true, one, other, speakers=["a"] * 4 + ["b"] * 2)
    assert found.difference == pytest.approx((2 / 4 + 1 / 2) / 2 - (4 / 4 + 0 / 2) / 2)
    # a contributes (-2/4 + 1/2) / 2 = 0 and b nothing: every exchange leaves 0.
    assert found.p_value == 1


def test_p_value_is_that_of_exchanging_whole_speakers():
    rng = np.random.default_rng(1)
    y_true, speakers, predict = corpus(rng, n_speakers=6)
    one, other = predict(), predict()
    other[speakers < 4] = (y_true[speakers < 4] + 1) % 3
    found = uar_difference(y_true, one, other, speakers=speakers)
    score = partial(unweighted_average_recall, y_true)
    check_by_exchanges(found, score, one, other, speakers)


def test_seeds_are_averaged_and_no_new_speakers():
    rng = np.random.default_rng(2)
    y_true, speakers, predict = corpus(rng)
    seeds = np.column_stack([predict() for _ in range(3)])
    other = predict()
    found = uar_difference(y_true, seeds, other, speakers=speakers)
    uar = [unweighted_average_recall(y_true, column) for column in seeds.T]
    expected = np.mean(uar) - unweighted_average_recall(y_true, other)
    assert found.difference == pytest.approx(expected)
    twice = uar_difference(y_true, np.hstack([seeds, seeds]), other, speakers=speakers)
    assert twice == found
    once = uar_interval(y_true, other, speakers=speakers)
    assert once == uar_interval(y_true, np.column_stack([other] * 5), speakers=speakers)


def test_many_speakers_are_sampled_and_never_give_a_p_value_of_zero():
    speakers = np.arange(40)
    y_true = np.tile(["anger", "sadness"], 20)
    found = uar_difference(
        y_true, y_true, y_true[::-1], speakers=speakers, n_resamples=199
    )
    assert found.difference == 1
    assert found.p_value == found.smallest_p_value == pytest.approx(2 / 200)


def test_p_values_are_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(150):
        y_true, speakers, predict = corpus(rng, n_speakers=8)
        found = uar_difference(
            y_true, predict(), predict(), speakers=speakers, n_resamples=256
        )
        p_values.append(found.p_value)
    # Valid: never more often below a level than that; ties make them larger.
    for level in (0.05, 0.1, 0.25, 0.5):
        n_below = np.sum(np.array(p_values) <= level)
        assert stats.binom.sf(n_below - 1, len(p_values), level) > 0.001
        assert stats.binom.cdf(n_below, len(p_values), level * 0.5) > 0.001


def test_interval_covers_the_recall_on_other_speakers():
    rng = np.random.default_rng(4)
    covers = {"speakers": 0, "utterances": 0}
    for _ in range(150):
        y_true, speakers, predict = corpus(rng, n_rows=60)
        predicted = predict()
        units = {"speakers": speakers, "utterances": np.arange(len(y_true))}
        for name, unit in units.items():
            low, high = uar_interval(y_true, predicted, speakers=unit, n_resamples=999)
            covers[name] += low <= 2 / 3 <= high
    assert covers["speakers"] >= 0.9 * 150
    assert covers["utterances"] < 0.8 * 150  # what is wrong with any other interval


def test_interval_widens_with_the_confidence_level_and_is_repeatable():
    y_true, speakers, predict = corpus(np.random.default_rng(5))
    predicted = predict()
    intervals = [
        uar_interval(y_true, predicted, speakers=speakers, confidence_level=level)
        for level in (0.5, 0.95, 0.95)
    ]
    assert intervals[1][0] < intervals[0][0] < intervals[0][1] < intervals[1][1]
    assert intervals[1] == intervals[2]


def test_interval_of_two_speakers_reaches_from_one_to_the_other():
    predicted = ["anger", "sadness", "sadness", "anger"]
    y_true = ["anger", "sadness"] * 2
    assert uar_interval(y_true, predicted, speakers=["a", "a", "b", "b"]) == (0, 1)


def test_draw_that_lacks_an_emotion_averages_over_the_others():
    # Only a is sad, and never recognised: without a, the recall is 1.
    y_true = ["sadness", "anger", "anger"]
    predicted = ["anger", "anger", "anger"]
    assert uar_interval(y_true, predicted, speakers=["a", "b", "b"]) == (0, 1)


def test_holm_is_that_worked_out_by_hand():
    # 0.01 * 4, 0.015 * 3 = 0.045, 0.04 * 2 = 0.08, then max(0.08, 0.05 * 1).
    found = holm([0.04, 0.01, 0.05, 0.015])
    assert found == pytest.approx([0.08, 0.04, 0.08, 0.045])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).tolist() == []
    with pytest.raises(ValueError, match="neither negative nor missing"):
        holm([0.01, np.nan])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": ["a"] * 12}, "`speakers` names 1 speaker"),
        ({"speakers": ["a"]}, "`speakers` has 1 entries and `y_true` has 12"),
        ({"confidence_level": 95}, "`confidence_level` must be a float .* got 95"),
        ({"y_pred_other": ["anger"]}, "`y_pred_other` has 1 entries"),
    ],
)
def test_difference_of_bad_input_says_what_is_wrong(options, message):
    arguments = {
        "y_true": Y_TRUE,
        "y_pred": Y_TRUE,
        "y_pred_other": Y_TRUE,
        "speakers": SPEAKERS,
        **options,
    }
    with pytest.raises(ValueError, match=message):
        uar_difference(**arguments)


# Ratings


def rated_corpus(rng, n_speakers=6, n_rows=8, n_targets=2):
    """Return ratings, some of them missing, speakers and a method that is noisy."""
    rated = 3 + rng.normal(size=(n_speakers * n_rows, n_targets))
    rated[rng.random(rated.shape) < 0.1] = np.nan
    speakers = np.repeat(np.arange(n_speakers), n_rows)

    def predict(noise):
        return np.nan_to_num(rated) + noise * rng.normal(size=rated.shape)

    return rated, speakers, predict


def test_concordance_of_two_speakers_is_that_worked_out_by_hand():
    # Separately: a is right, 1; b has twice the deviation: 2 * 2 / (1 + 4) = 0.8.
    rated, predicted = [1.0, 3.0, 1.0, 3.0], [1.0, 3.0, 0.0, 4.0]
    options = {"speakers": ["a", "a", "b", "b"], "confidence_level": 0.5}
    low, high = ccc_interval(rated, predicted, **options)
    assert (low, high) == pytest.approx((0.8, 1.0))
    # Both: variances 1 and (1 + 4) / 2, covariance (1 + 2) / 2: 2 * 1.5 / 3.5.
    found = ccc_difference(rated, predicted, rated, speakers=["a", "a", "b", "b"])
    assert found.difference == pytest.approx(3 / 3.5 - 1)
    assert found.p_value == 1  # only b differs: every exchange leaves as much


def test_p_value_of_concordance_is_that_of_exchanging_whole_speakers():
    rated, speakers, predict = rated_corpus(np.random.default_rng(1))
    one, other = predict(0.5), predict(1.0)
    found = ccc_difference(rated, one, other, speakers=speakers)
    score = partial(concordance_correlation, rated)
    check_by_exchanges(found, score, one, other, speakers[:, None])
    assert found.low < found.difference < found.high


def test_concordance_is_averaged_over_seeds_which_are_no_new_speakers():
    rated, speakers, predict = rated_corpus(np.random.default_rng(2))
    seeds = np.stack([predict(1.0) for _ in range(3)], axis=-1)
    others = np.stack([predict(0.5) for _ in range(2)], axis=-1)
    found = ccc_difference(rated, seeds, others, speakers=speakers)
    means = [
        np.mean(
            [concordance_correlation(rated, one) for one in np.moveaxis(all_, 2, 0)]
        )
        for all_ in (seeds, others)
    ]
    assert found.difference == pytest.approx(means[0] - means[1])
    once = ccc_interval(rated, others[..., 0], speakers=speakers)
    twice = ccc_interval(rated, others[..., [0, 0]], speakers=speakers)
    assert once == pytest.approx(twice)
    moved = ccc_interval(1e4 + 7 * rated, 1e4 + 7 * others[..., 0], speakers=speakers)
    assert once == pytest.approx(moved)


def test_concordance_of_draws_that_lack_a_target_is_that_of_the_other():
    # Only a has the second rating, which is predicted with the wrong sign.
    rated = [[1.0, 1.0], [3.0, 3.0], [1.0, np.nan], [3.0, np.nan]]
    predicted = [[1.0, 3.0], [3.0, 1.0], [1.0, 0.0], [3.0, 0.0]]
    options = {"speakers": ["a", "a", "b", "b"], "confidence_level": 0.5}
    assert ccc_interval(rated, predicted, **options) == (0, 1)


def test_speakers_without_a_rating_are_none_to_draw_or_to_exchange():
    rated, speakers, predict = rated_corpus(np.random.default_rng(3), n_speakers=5)
    one, other = predict(0.5), predict(1.0)
    more = [
        np.concatenate([values, np.full((8, 2), filler)])
        for values, filler in ((rated, np.nan), (one, 0.0), (other, 0.0))
    ]
    named = np.concatenate([speakers, np.arange(8) + 10])
    interval = ccc_interval(rated, one, speakers=speakers)
    assert ccc_interval(*more[:2], speakers=named) == interval
    found = ccc_difference(*more, speakers=named)
    assert found == ccc_difference(rated, one, other, speakers=speakers)


def test_interval_of_three_speakers_is_that_of_student():
    # Recalls of 0.8, 0.7 and 0.6: a standard error of 0.1 / sqrt(3), and t = 4.303.
    y_true, y_pred = ["anger"] * 30, ["anger"] * 8 + ["joy"] * 2
    y_pred += ["anger"] * 7 + ["joy"] * 3 + ["anger"] * 6 + ["joy"] * 4
    speakers = np.repeat(["a", "b", "c"], 10)
    interval = uar_interval(y_true, y_pred, speakers=speakers)
    assert interval == pytest.approx((0.7 - 0.248, 0.7 + 0.248), abs=0.005)
    wide = uar_interval(y_true, y_pred, speakers=speakers, confidence_level=0.99)
    assert wide[1] == 1  # and not 0.7 + 0.57


def test_draws_are_the_same_in_batches(monkeypatch):
    rng = np.random.default_rng(0)
    y, speakers = rng.integers(2, size=200), np.arange(200) // 10
    whole = uar_interval(y, y[::-1], speakers=speakers)
    monkeypatch.setattr("advser.evaluation._resampling.BATCH_SIZE", 100)
    assert uar_interval(y, y[::-1], speakers=speakers) == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"y_true": np.zeros((2, 2, 2))},
            r"`y_true` must hold numbers: its shape is \(2, 2, 2\)",
        ),
        ({"y_pred": [1.0]}, r"`y_pred` has shape \(1,\) and `y_true` has \(2,\)"),
        ({"y_true": [1.0, np.nan]}, "no target with two ratings"),
        ({"speakers": ["a", "a"]}, "`speakers` names 1 speaker"),
        ({"confidence_level": 0}, "`confidence_level` must be a float"),
    ],
)
def test_interval_of_bad_ratings_says_what_is_wrong(options, message):
    arguments = {"y_true": [1.0, 2.0], "y_pred": [1.0, 2.0], "speakers": ["a", "b"]}
    with pytest.raises(ValueError, match=message):
        ccc_interval(**{**arguments, **options})


def test_interval_of_a_difference_mirrors_that_of_the_opposite_one():
    y_true, speakers, predict = corpus(np.random.default_rng(3))
    one, other = predict(), predict()
    other[::3] = (y_true[::3] + 1) % 3
    better = uar_difference(y_true, one, other, speakers=speakers)
    worse = uar_difference(y_true, other, one, speakers=speakers)
    assert 0 < better.low < better.high
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))


def test_a_target_with_one_rating_is_left_out_of_a_difference():
    rated = np.column_stack([np.arange(12.0) % 5, np.full(12, np.nan)])
    predicted, other = np.nan_to_num(rated), np.ones((12, 2))
    rated[0, 1] = 3.0
    found = ccc_difference(rated, predicted, other, speakers=SPEAKERS)
    alone = ccc_difference(rated[:, 0], predicted[:, 0], other[:, 0], speakers=SPEAKERS)
    assert found.difference == pytest.approx(alone.difference)
