"""The losses of ratings give the numbers worked out by hand, rating by rating."""

import audmetric
import numpy as np
import pytest
import torch
from games import gradients, numeric_gradients, random_batch, tensor
from torch.autograd import gradcheck

from advser._engine._outputs import Emotions, Ratings, concordance


def ratings(kind="ccc", weights=(1.0,), delta=1.0, n_bins=1):
    n = len(weights)
    return Ratings(
        *(np.zeros(n), np.ones(n), np.full(n, -np.inf), np.full(n, np.inf)),
        loss=kind,
        weights=weights,
        delta=delta,
        n_bins=n_bins,
    ).double()


def labels(rated, weight=None):
    rated = tensor(rated)
    weight = torch.ones_like(rated) if weight is None else tensor(weight)
    return {"ratings": rated, "ratings_weight": weight}


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
    y = labels([[2.0, 5.0], [4.0, 7.0], [6.0, 6.0]])
    loss = ratings(weights=(3.0, 1.0)).loss(predicted, y)
    assert loss.item() == pytest.approx(0.75 * (1 - 4 / 11), abs=1e-12)


def test_loss_of_squares_by_hand():
    # (1² + 2²) / 2 with weights 1 and 1; (3² · 2 + 0) / 2
    predicted = tensor([[1.0, 3.0], [2.0, 9.0]])
    y = labels([[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [1.0, 0.0]])
    loss = ratings("mse", (1.0, 1.0)).loss(predicted, y)
    assert loss.item() == pytest.approx((2.5 + 9.0) / 2, abs=1e-12)


def test_huber_loss_by_hand():
    # below delta half the square: 0.5; above it delta · (3 - delta / 2) = 2 · 2
    predicted = tensor([[1.0], [3.0]])
    loss = ratings("huber", delta=2.0).loss(predicted, labels([[0.0], [0.0]]))
    assert loss.item() == pytest.approx((0.5 + 4.0) / 2, abs=1e-12)


def test_target_without_a_rating_in_the_batch_costs_nothing():
    predicted = tensor([[1.0, 5.0], [2.0, 7.0], [3.0, 6.0]]).requires_grad_()
    y = labels([[2.0, 0.0], [4.0, 0.0], [6.0, 0.0]], [[1.0, 0.0]] * 3)
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
    y = {"ratings": 3 * rated, "ratings_weight": weight}
    outputs = ratings(kind, (1.0, 2.0))
    assert gradcheck(lambda p: outputs.loss(p, y), predicted.requires_grad_())


def test_head_descends_the_loss_of_ratings():
    x, _ = random_batch()
    head = torch.nn.Linear(5, 1, dtype=torch.float64)
    y = labels([[float(i)] for i in range(len(x))])
    outputs = ratings()

    def loss():
        return outputs.loss(head(x), y)

    found = gradients([loss()], head.parameters())
    for ours, theirs in zip(found, numeric_gradients(loss, head.parameters())):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8)


# What comes out


def test_ratings_come_out_on_the_scale_of_the_raters_and_within_it():
    outputs = Ratings(
        *([3.0], [2.0], [1.0], [5.0]), loss="mse", weights=[1.0], delta=1.0, n_bins=1
    )
    found = outputs.double()(tensor([[-1.0], [0.5], [9.0], [-9.0]]))
    assert found.tolist() == [[1.0], [4.0], [5.0], [1.0]]


def test_emotions_come_out_as_they_are():
    logits = tensor([[1.0, 2.0]])
    assert Emotions()(logits) is logits


def test_bins_are_equally_likely_where_they_are_unknown():
    codes = torch.tensor([2, -1])
    logits, found = ratings(n_bins=3).condition(tensor([[1.0], [9.0]]), {"bin": codes})
    assert logits.tolist() == [[0.0] * 3] * 2
    assert found is codes
