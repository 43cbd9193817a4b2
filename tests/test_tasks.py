"""Losses and scores of emotions and ratings give the numbers worked out by hand."""

import audmetric
import numpy as np
import pytest
import torch
from small_networks import labels, random_batch
from tensors import assert_gradients, gradients, tensor
from torch.autograd import gradcheck

from advser._engine import Labels
from advser.methods._tasks import Emotions, Ratings, bin_codes, concordance


def ratings(kind="ccc", weights=(1.0,), delta=1.0, edges=None):
    n = len(weights)
    return Ratings(
        *(np.zeros(n), np.ones(n), np.full(n, -np.inf), np.full(n, np.inf)),
        loss=kind,
        weights=weights,
        delta=delta,
        edges=np.zeros((n, 0)) if edges is None else edges,
    ).double()


def rated_as(rated, weight=None):
    rated = tensor(rated)
    weight = torch.ones_like(rated) if weight is None else tensor(weight)
    return Labels(ratings=rated, ratings_weight=weight)


# Concordance


def test_concordance_by_hand():
    # p = 1, 2, 3 and r = 2, 4, 6: cov 4/3, var 2/3 and 8/3, means 2 and 4
    ones = torch.ones(3, 1, dtype=torch.float64)
    found = concordance(
        tensor([[1.0], [2.0], [3.0]]), tensor([[2.0], [4.0], [6.0]]), ones
    )
    assert found.item() == pytest.approx(2 * (4 / 3) / (2 / 3 + 8 / 3 + 4), abs=1e-12)


def test_concordance_is_that_of_the_field():
    rng = np.random.default_rng(0)
    predicted, rated = rng.normal(size=(2, 30, 2))
    found = concordance(tensor(predicted), tensor(rated), tensor(np.ones((30, 2))))
    expected = [audmetric.concordance_cc(r, p) for r, p in zip(rated.T, predicted.T)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_concordance_counts_rows_by_weight():
    p, r = tensor([[1.0], [3.0], [9.0], [2.0]]), tensor([[1.0], [2.0], [0.0], [3.0]])
    weighted = concordance(p, r, tensor([[2.0], [1.0], [0.0], [1.0]]))
    rows = [0, 0, 1, 3]
    repeated = concordance(p[rows], r[rows], torch.ones(4, 1, dtype=torch.float64))
    assert weighted.item() == pytest.approx(repeated.item(), abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_concordance_of_nothing_is_zero(weight):
    constant = torch.ones(3, 1, dtype=torch.float64)
    found = concordance(constant, constant, weight * constant)
    assert found.item() == 0


# Losses


def test_loss_of_concordance_by_hand():
    # first target: as above, 1 - 4/11; second: p = r, so 0; weights 3/4 and 1/4
    predicted = tensor([[1.0, 5.0], [2.0, 7.0], [3.0, 6.0]])
    y = rated_as([[2.0, 5.0], [4.0, 7.0], [6.0, 6.0]])
    loss = ratings(weights=(3.0, 1.0)).loss(predicted, y)
    assert loss.item() == pytest.approx(0.75 * (1 - 4 / 11), abs=1e-12)


def test_loss_of_squares_by_hand():
    # (1² + 2²) / 2 with weights 1 and 1; (3² · 2 + 0) / 2
    predicted = tensor([[1.0, 3.0], [2.0, 9.0]])
    y = rated_as([[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [1.0, 0.0]])
    loss = ratings("mse", (1.0, 1.0)).loss(predicted, y)
    assert loss.item() == pytest.approx((2.5 + 9.0) / 2, abs=1e-12)


def test_huber_loss_by_hand():
    # below delta half the square: 0.5; above it delta · (3 - delta / 2) = 2 · 2
    predicted = tensor([[1.0], [3.0]])
    loss = ratings("huber", delta=2.0).loss(predicted, rated_as([[0.0], [0.0]]))
    assert loss.item() == pytest.approx((0.5 + 4.0) / 2, abs=1e-12)


def test_target_without_a_rating_in_the_batch_costs_nothing():
    predicted = tensor([[1.0, 5.0], [2.0, 7.0], [3.0, 6.0]]).requires_grad_()
    y = rated_as([[2.0, 0.0], [4.0, 0.0], [6.0, 0.0]], [[1.0, 0.0]] * 3)
    loss = ratings(weights=(1.0, 1.0)).loss(predicted, y)
    assert loss.item() == pytest.approx((1 - 4 / 11) / 2, abs=1e-12)
    (gradient,) = gradients([loss], [predicted])
    assert gradient[:, 0].abs().min() > 0
    assert gradient[:, 1].abs().max() == 0


@pytest.mark.parametrize("kind", ["ccc", "mse", "huber"])
def test_loss_has_the_gradient_of_finite_differences(kind):
    generator = torch.Generator().manual_seed(0)
    predicted, rated, weight = torch.rand(
        (3, 6, 2), generator=generator, dtype=torch.float64
    )
    y = Labels(ratings=3 * rated, ratings_weight=weight)
    outputs = ratings(kind, (1.0, 2.0))
    assert gradcheck(lambda p: outputs.loss(p, y), predicted.requires_grad_())


def test_head_descends_the_loss_of_ratings():
    x, _ = random_batch()
    head = torch.nn.Linear(5, 1, dtype=torch.float64)
    y = rated_as([[float(i)] for i in range(len(x))])
    outputs = ratings()

    def loss():
        return outputs.loss(head(x), y)

    assert_gradients(loss, list(head.parameters()))


# Predictions


def test_ratings_are_on_the_scale_of_the_raters_and_within_its_range():
    outputs = Ratings(
        *([3.0], [2.0], [1.0], [5.0]),
        loss="mse",
        weights=[1.0],
        delta=1.0,
        edges=np.zeros((1, 0)),
    )
    found = outputs.double()(tensor([[-1.0], [0.5], [9.0], [-9.0]]))
    assert found.tolist() == [[1.0], [4.0], [5.0], [1.0]]


def test_emotions_are_logits():
    logits = tensor([[1.0, 2.0]])
    assert Emotions(2)(logits) is logits


# Conditions


def test_known_emotion_is_one_hot_and_an_unknown_one_the_detached_prediction():
    logits = tensor([[9.0, 0.0], [np.log(3), 0.0]]).requires_grad_()
    q, codes = Emotions(2).condition(logits, labels(emotion=[1, -1]))
    torch.testing.assert_close(q, tensor([[0.0, 1.0], [0.75, 0.25]]))
    assert not q.requires_grad
    assert codes.tolist() == [1, -1]


def test_bins_are_equally_probable_where_they_are_unknown():
    task = ratings(edges=np.array([[1.0, 2.0]]))
    assert task.n_conditions == 3
    y = Labels(bin=torch.tensor([2, -1]))
    q, codes = task.condition(tensor([[1.0], [9.0]]), y)
    torch.testing.assert_close(q, tensor([[0.0, 0.0, 1.0], [1 / 3] * 3]))
    assert codes is y.bin


def test_bin_codes_by_hand():
    edges = np.array([[1.0, 2.0], [10.0, 20.0]])
    rated = np.array([[0.0, 5.0], [1.0, 15.0], [9.0, 99.0], [np.nan, 5.0], [1.5, 0.0]])
    # bins (0, 0), (1, 1), (2, 2), unknown and (1, 0) of 3 times 3
    assert bin_codes(rated, edges).tolist() == [0, 4, 8, -1, 3]


# Losses of single speakers


def membership(codes, n_speakers):
    return torch.nn.functional.one_hot(torch.tensor(codes), n_speakers).double()


@pytest.mark.parametrize("kind", ["ccc", "mse", "huber"])
def test_mean_of_the_risks_over_the_rows_is_the_loss(kind):
    rng = np.random.default_rng(0)
    rated = tensor(rng.normal(size=(9, 2)))
    predicted = tensor(rng.normal(size=(9, 2))).requires_grad_()
    task = ratings(kind, (1.0, 3.0), delta=0.5)
    y = Labels(ratings=rated, ratings_weight=torch.ones_like(rated))
    of_each, weights = task.risks(predicted, y, torch.eye(9).double())  # a row each
    mean = (weights * of_each).sum() / weights.sum()
    loss = task.loss(predicted, y)
    assert mean.item() == pytest.approx(loss.item())
    (ours,), (theirs,) = (gradients([one], [predicted]) for one in (mean, loss))
    assert theirs.any()
    torch.testing.assert_close(ours, theirs)


def test_risks_of_the_concordance_by_hand():
    y = Labels(
        ratings=tensor([[0.0], [2.0], [1.0]]),
        ratings_weight=torch.ones(3, 1).double(),
    )
    risks, _ = ratings("ccc", (1.0,)).risks(
        tensor([[0.0], [1.0], [2.0]]), y, membership([0, 0, 1], 2)
    )
    # variances 2/3 and 2/3, equal means: the spread is 4/3
    assert risks.tolist() == pytest.approx([(0 + 1) / 2 / (4 / 3), 1 / (4 / 3)])


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_risks_are_the_losses_of_the_rows_of_each_speaker(kind):
    rng = np.random.default_rng(0)
    predicted, rated = tensor(rng.normal(size=(2, 9, 2)))
    codes = np.arange(9) % 2
    task = ratings(kind, (1.0, 3.0), delta=0.5)
    weight = torch.ones_like(rated)
    risks, weights = task.risks(
        predicted, Labels(ratings=rated, ratings_weight=weight), membership(codes, 3)
    )
    for speaker in range(2):
        rows = torch.from_numpy(codes == speaker)
        y = Labels(ratings=rated[rows], ratings_weight=weight[rows])
        expected = task.loss(predicted[rows], y).item()
        assert risks[speaker].item() == pytest.approx(expected)
    assert risks[2].item() == 0
    assert weights.tolist() == [10.0, 8.0, 0.0]


# Scores of validation rows


def test_scores_of_emotions_by_hand():
    logits = tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    y = labels(emotion=[0, 0, 2], emotion_weight=[1.0, 1.0, 1.0])
    scores = Emotions(3).scores(logits, y)
    # recalls 1/2 and 0; emotion 1 does not occur
    assert scores["valid_uar"] == pytest.approx(1 / 4)
    e = np.e
    expected = np.log([(e + 2) / e, e + 2, e**3 + 2]).mean()
    assert scores["valid_loss"] == pytest.approx(expected)


def test_scores_of_ratings_by_hand():
    predicted = tensor([[1.0], [2.0], [3.0], [99.0]])
    y = rated_as([[2.0], [4.0], [6.0], [0.0]], [[1.0], [1.0], [1.0], [0.0]])
    scores = ratings().scores(predicted, y)
    assert scores["valid_loss"] == pytest.approx((1 + 4 + 9) / 3)
    assert scores["valid_ccc"] == pytest.approx(4 / 11)
    # A second target, which nobody has rated, does not count.
    both = torch.cat([predicted, predicted], 1)
    rows = torch.cat([y.ratings, y.ratings], 1)
    weight = torch.cat([y.ratings_weight, 0 * y.ratings_weight], 1)
    task = ratings(weights=(1.0, 1.0))
    assert task.scores(both, rated_as(rows.tolist(), weight.tolist())) == scores


@pytest.mark.parametrize(("kind", "risk"), [("mse", 1), ("huber", 0.5), ("ccc", 0.5)])
def test_risk_of_a_speaker_is_that_of_the_rated_targets(kind, risk):
    # The second speaker has no ratings of the second target. Ratings of 0 and 2 are
    # predicted as 1 and 3, with a CCC of 2 / (1 + 1 + 1).
    rated = [[0.0, 0.0], [2.0, 2.0]] * 2
    weight = [[1.0, 1.0]] * 2 + [[1.0, 0.0]] * 2
    membership = tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    task = ratings(kind, (1.0, 1.0))
    risks, _ = task.risks(tensor(rated) + 1, rated_as(rated, weight), membership)
    expected = {"ccc": 1 - 2 / 3}.get(kind, risk)
    assert risks.tolist() == pytest.approx([expected, expected])
    # Ratings of a target of weight 0 make no speaker known.
    task = ratings(kind, (0.0, 1.0))
    _, weights = task.risks(tensor(rated) + 1, rated_as(rated, weight), membership)
    assert weights.tolist() == [2.0, 0.0]
