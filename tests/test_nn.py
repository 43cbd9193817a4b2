"""The layers and losses that every network is built of."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from advser.nn import (
    Clip,
    Dropout,
    GaussianDropout,
    Standardize,
    classification_loss,
    linear,
    mlp,
    ramp,
    reconstruction_loss,
    reverse_gradient,
    weighted_mean,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


# Standardize


@pytest.mark.parametrize(
    ("mean", "scale", "message"),
    [
        ([0.0, np.nan], [1.0, 1.0], "`mean` holds nan"),
        ([0.0, 1.0], [np.inf, 1.0], "`scale` holds inf"),
        ([0.0, 1.0], [1.0, -2.0], "`scale` holds -2.0"),
    ],
)
def test_standardize_refuses_numbers_that_are_no_statistics(mean, scale, message):
    with pytest.raises(ValueError, match=message):
        Standardize(mean, scale)


def test_standardize_by_hand():
    layer = Standardize([1.0, -2.0], [2.0, 0.5])
    x = tensor([[3.0, -2.0], [1.0, -1.0]])
    assert layer(x).tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_standardize_constant_feature():
    layer = Standardize([5.0], [0.0])
    assert layer(tensor([[5.0], [6.0]])).tolist() == [[0.0], [1.0]]


def test_standardize_travels_with_the_network():
    state = Standardize(np.array([1.0]), np.array([3.0])).state_dict()
    assert {name: value.item() for name, value in state.items()} == {
        "mean": 1.0,
        "scale": 3.0,
    }


# Dropout


def test_dropout_in_training_has_one_mask_for_all_rows():
    layer = Dropout(3, 0.5).train()
    layer.noise = torch.tensor([2.0, 0.0, 2.0])
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert layer(x).tolist() == [[2.0, 0.0, 6.0], [8.0, 0.0, 12.0]]


def test_dropout_in_prediction_changes_nothing():
    layer = Dropout(3, 0.5).eval()
    layer.noise = torch.zeros(3)
    x = torch.randn(4, 3, generator=generator())
    assert torch.equal(layer(x), x)


def test_dropout_masks_keep_their_share_and_the_mean():
    masks = Dropout(50, 0.3).draw(2000, generator())
    assert masks.shape == (2000, 50)
    kept = masks[masks > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.7))
    assert len(kept) / masks.numel() == pytest.approx(0.7, abs=0.01)
    assert masks.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_masks_follow_the_generator():
    layer = Dropout(20, 0.5)
    masks = layer.draw(5, generator(1))
    assert torch.equal(masks, layer.draw(5, generator(1)))
    assert not torch.equal(masks, layer.draw(5, generator(2)))


def test_dropout_of_nothing_keeps_every_unit():
    assert (Dropout(20, 0.0).draw(5, generator()) == 1).all()


# GaussianDropout


def test_gaussian_dropout_multiplies_all_rows_in_training_alone():
    layer = GaussianDropout(2, 0.5).train()
    layer.noise = torch.tensor([1.5, 0.5])
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert layer(x).tolist() == [[1.5, 1.0], [4.5, 2.0]]
    assert torch.equal(layer.eval()(x), x)


def test_gaussian_dropout_has_its_scale_and_follows_the_generator():
    layer = GaussianDropout(20, 0.3).double()
    factors = layer.draw(1000, generator(1))
    assert factors.shape == (1000, 20)
    assert factors.dtype == torch.float64
    assert factors.mean().item() == pytest.approx(1, abs=0.01)
    assert factors.std().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(factors, layer.draw(1000, generator(1)))


# linear and mlp


def test_linear_starts_within_the_bound_of_he():
    layer = linear(50, 400, generator())
    bound = math.sqrt(6 / 50)
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.02)
    assert not layer.bias.any()


def test_linear_without_generator_starts_at_0():
    layer = linear(3, 2, None)
    assert not layer.weight.any()
    assert not layer.bias.any()


def test_mlp_by_hand():
    stack = mlp((2, 2, 1), generator())
    with torch.no_grad():
        for parameter, values in zip(
            stack.parameters(),
            [[[1.0, 2.0], [0.0, 1.0]], [1.0, -3.0], [[2.0, 5.0]], [-1.0]],
            strict=True,
        ):
            parameter.copy_(torch.tensor(values))
    # (1, 1) → relu(4, -2) = (4, 0) → relu(7); (-1, 0) → relu(0, -3) → relu(-1)
    assert stack(torch.tensor([[1.0, 1.0], [-1.0, 0.0]])).tolist() == [[7.0], [0.0]]


def test_mlp_has_dropout_after_each_layer_if_asked():
    plain = mlp((4, 3, 2), generator())
    assert not any(isinstance(layer, Dropout) for layer in plain)
    thinned = mlp((4, 3, 2), generator(), dropout=0.2)
    dropouts = [layer for layer in thinned if isinstance(layer, Dropout)]
    assert [layer.noise.shape[0] for layer in dropouts] == [3, 2]
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(plain.parameters(), thinned.parameters(), strict=True)
    )


def test_initial_weights_leave_the_global_generator_alone():
    state = torch.get_rng_state()
    first = mlp((4, 3, 2), generator(3))
    linear(3, 2, None)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    second = mlp((4, 3, 2), generator(3))
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)


# Gradient reversal and its ramp


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 3.0, torch.tensor(0.5)])
def test_reverse_gradient_keeps_every_bit(weight):
    h = 1e3 * torch.randn(100, 7, generator=generator())
    assert torch.equal(reverse_gradient(h, weight), h)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 3.0, tensor(0.5)])
def test_reverse_gradient_flips_and_scales(weight):
    h = torch.randn(5, 3, generator=generator(), dtype=torch.float64)
    slope = torch.randn(5, 3, generator=generator(1), dtype=torch.float64)
    h.requires_grad_()
    (gradient,) = torch.autograd.grad((slope * reverse_gradient(h, weight)).sum(), h)
    torch.testing.assert_close(gradient, -weight * slope)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 0.0), (0.5, 2 / (1 + math.exp(-5)) - 1), (1.0, 2 / (1 + math.exp(-10)) - 1)],
)
def test_ramp_by_hand(progress, expected):
    assert float(ramp(progress, 10.0)) == pytest.approx(expected, abs=1e-7)


def test_ramp_of_no_steepness_is_the_full_weight_from_the_start():
    assert ramp(0.0, 0.0) == 1.0


# The losses


def test_weighted_mean_by_hand():
    losses, weight = tensor([1.0, 2.0, 6.0]), tensor([3.0, 0.0, 0.5])
    assert weighted_mean(losses, weight).item() == (3 * 1 + 0 + 0.5 * 6) / 3


LOGITS = [[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(4)]]
# - log of 1/2, 3/4 and 1/5
LOSSES = [math.log(2), math.log(4 / 3), math.log(5)]


def test_classification_loss_by_hand():
    target, weight = torch.tensor([1, 0, 0]), torch.ones(3)
    loss = classification_loss(tensor(LOGITS), target, weight)
    assert loss.item() == pytest.approx(sum(LOSSES) / 3, abs=1e-12)


def test_classification_loss_with_weights_and_missing_labels_by_hand():
    target, weight = torch.tensor([1, -1, 0]), tensor([1.0, 0.0, 2.0])
    loss = classification_loss(tensor(LOGITS), target, weight)
    assert loss.item() == pytest.approx((LOSSES[0] + 2 * LOSSES[2]) / 3, abs=1e-12)


def test_classification_loss_gives_rows_without_label_no_gradient():
    logits = tensor(LOGITS).requires_grad_()
    target, weight = torch.tensor([1, -1, 0]), tensor([1.5, 0.0, 1.5])
    classification_loss(logits, target, weight).backward()
    # weight / n · (softmax - one-hot)
    expected = [[0.25, -0.25], [0.0, 0.0], [-0.4, 0.4]]
    torch.testing.assert_close(logits.grad, tensor(expected))


def test_classification_loss_has_the_gradient_of_finite_differences():
    target, weight = torch.tensor([1, -1, 0]), tensor([0.5, 0.0, 2.5])
    logits = torch.randn(3, 3, generator=generator(), dtype=torch.float64)
    assert gradcheck(
        lambda logits: classification_loss(logits, target, weight),
        logits.requires_grad_(),
    )


def test_reconstruction_loss_by_hand():
    decoded = torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    x = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert reconstruction_loss(decoded, x).tolist() == [2.5, 0.0]


# Clip


def test_clip_by_hand():
    x = tensor([[-3.0, 0.5, 9.0]])
    assert Clip(2.0)(x).tolist() == [[-2.0, 0.5, 2.0]]


def test_standardize_inverts():
    layer = Standardize([1.0, -2.0], [2.0, 0.0])
    x = tensor([[3.0, -2.0], [1.0, -1.0]])
    assert layer.inverse(layer(x)).tolist() == x.tolist()
