"""VREx, CORAL, MMD and GroupDRO: their terms give the numbers worked out by hand."""

import math
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
import torch
from small_networks import labels, random_batch, random_network, ready, terms_of
from tensors import assert_gradients, gradients, tensor
from torch.autograd import gradcheck

from advser.objectives import (
    CORAL,
    MMD,
    GroupDRO,
    VREx,
    covariance_distance,
    mean_discrepancy,
)

LOG2, LOG3, LOG4, LOG5 = (math.log(n) for n in (2, 3, 4, 5))

# Three rows of speaker 0, one of speaker 1, one of an unknown speaker. The losses of
# the emotion are log 2, log 4/3 and log 5, then log 4, then log 2.
LOGITS = [[0.0, 0.0], [LOG3, 0.0], [0.0, LOG4], [LOG3, 0.0], [0.0, 0.0]]
EMOTION = [1, 0, 0, 1, 1]
SPEAKER = [0, 0, 0, 1, -1]
RISKS = [(LOG2 + math.log(4 / 3) + LOG5) / 3, LOG4, LOG2]


def two_speakers(**weights):
    return labels(emotion=EMOTION, speaker=SPEAKER, **weights)


def loss_of(objective, output=LOGITS, y=None, h=None):
    output = tensor(output)
    h = output if h is None else h
    return objective.loss(h, output, two_speakers() if y is None else y, 0.5)


# The losses of the speakers


def test_speaker_risks_by_hand():
    risks, weights = ready(VREx()).speaker_risks(tensor(LOGITS), two_speakers())
    assert risks.tolist() == pytest.approx(RISKS)
    assert weights.tolist() == [3.0, 1.0, 1.0]


def test_speaker_risks_count_rows_by_weight():
    y = two_speakers(emotion_weight=tensor([2.0, 1.0, 0.0, 3.0, 1.0]))
    risks, weights = ready(VREx()).speaker_risks(tensor(LOGITS), y)
    of_first = (2 * LOG2 + math.log(4 / 3)) / 3
    assert risks.tolist() == pytest.approx([of_first, LOG4, LOG2])
    assert weights.tolist() == [3.0, 3.0, 1.0]


def test_speaker_without_rows_has_no_risk():
    risks, weights = ready(VREx(), n_speakers=3).speaker_risks(
        tensor(LOGITS), two_speakers()
    )
    assert risks.tolist() == pytest.approx([*RISKS[:2], 0.0, RISKS[2]])
    assert weights.tolist() == [3.0, 1.0, 0.0, 1.0]


# VREx


@pytest.mark.parametrize("n_speakers", [2, 5])
def test_vrex_by_hand(n_speakers):
    """Speakers without rows in the batch do not count; all unknown ones are one."""
    terms = loss_of(ready(VREx(3.0), n_speakers=n_speakers))
    assert terms["emotion"].item() == pytest.approx(sum(RISKS) / 3)
    assert terms["variance"].item() == pytest.approx(3 * np.var(RISKS))
    known = two_speakers(emotion_weight=tensor([1.0, 1.0, 1.0, 1.0, 0.0]))
    terms = loss_of(ready(VREx(3.0), n_speakers=n_speakers), y=known)
    assert terms["emotion"].item() == pytest.approx(sum(RISKS[:2]) / 2)
    # the variance of two numbers is a quarter of their squared difference
    expected = 3 * (RISKS[0] - RISKS[1]) ** 2 / 4
    assert terms["variance"].item() == pytest.approx(expected)


def test_vrex_of_one_speaker_has_no_variance():
    weight = tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    y = labels(emotion=EMOTION, speaker=[0, 0, 0, -1, -1], emotion_weight=weight)
    terms = loss_of(ready(VREx(3.0)), y=y)
    assert terms["emotion"].item() == pytest.approx(RISKS[0])
    assert terms["variance"].item() == pytest.approx(0, abs=1e-12)


# GroupDRO


def test_group_dro_by_hand():
    objective = ready(GroupDRO(2.0))
    assert objective.q.tolist() == pytest.approx([1 / 3] * 3)
    q = np.exp(2 * np.array(RISKS))
    q = q / q.sum()
    loss = loss_of(objective)["emotion"].item()
    assert loss == pytest.approx(q @ RISKS)
    assert objective.q.tolist() == pytest.approx(q.tolist())
    # the second batch starts from the weights after the first one
    q = q * np.exp(2 * np.array(RISKS))
    q = q / q.sum()
    assert loss_of(objective)["emotion"].item() == pytest.approx(q @ RISKS)


@pytest.mark.parametrize("step_size", [100.0, 1e4])
def test_group_dro_of_large_steps_is_the_loss_of_the_worst_speaker(step_size):
    objective = ready(GroupDRO(step_size))
    for _ in range(3):
        loss = loss_of(objective)["emotion"].item()
    assert loss == pytest.approx(max(RISKS))


def test_group_dro_without_steps_is_the_mean_over_speakers():
    loss = loss_of(ready(GroupDRO(0.0)))["emotion"].item()
    assert loss == pytest.approx(sum(RISKS) / 3)


def test_group_dro_weighs_the_speakers_of_the_batch_to_one():
    objective = ready(GroupDRO(0.0), n_speakers=4)
    assert loss_of(objective)["emotion"].item() == pytest.approx(sum(RISKS) / 3)
    assert objective.q.tolist() == pytest.approx([1 / 5] * 5)


def test_group_dro_gives_its_weights_no_gradient():
    x, y = random_batch()
    network = random_network(GroupDRO(1.0))
    terms = terms_of(network, "train", x, y)
    q = network.objective.q
    assert not q.requires_grad
    risks, weights = network.objective.speaker_risks(network(x), y)
    share = q * (weights > 0)
    expected = (share / share.sum() * risks).sum()
    parameters = list(network.encoder.parameters())
    for ours, theirs in zip(
        gradients(terms.values(), parameters), gradients([expected], parameters)
    ):
        assert theirs.any()
        torch.testing.assert_close(ours, theirs)


# CORAL


def membership(codes, n_speakers):
    codes = torch.tensor(codes)
    one_hot = torch.nn.functional.one_hot(codes.clamp(min=0), n_speakers).double()
    return one_hot * (codes >= 0)[:, None]


def test_covariance_distance_by_hand():
    # Speaker 0 at ±(1, 1), with covariance 2 everywhere; speaker 1 at (5 ± 1, 7), with
    # a variance of 2 in the first dimension. They differ by 0, 2, 2 and 2: 12 / (4·2²).
    h = tensor([[1.0, 1.0], [-1.0, -1.0], [6.0, 7.0], [4.0, 7.0]])
    distance = covariance_distance(h, membership([0, 0, 1, 1], 2))
    assert distance.item() == pytest.approx(12 / 16)


def test_covariance_distance_leaves_speakers_with_one_row_and_unknown_ones_out():
    h = tensor([[1.0, 1], [-1, -1], [6, 7], [4, 7], [90, 0], [0, 80]])
    distance = covariance_distance(h, membership([0, 0, 1, 1, 2, -1], 4))
    assert distance.item() == pytest.approx(12 / 16)
    nobody = covariance_distance(h, membership([0, 1, 2, 3, -1, -1], 4))
    assert nobody.item() == 0


def test_covariance_distance_is_the_mean_over_pairs_of_speakers():
    rng = np.random.default_rng(0)
    h, codes = rng.normal(size=(20, 3)), np.arange(20) % 3
    covariances = [np.cov(h[codes == s].T) for s in range(3)]
    expected = np.mean(
        [
            ((covariances[s] - covariances[t]) ** 2).sum() / (4 * 3**2)
            for s, t in [(0, 1), (0, 2), (1, 2)]
        ]
    )
    found = covariance_distance(tensor(h), membership(codes, 3))
    assert found.item() == pytest.approx(expected)


def test_coral_by_hand():
    h = tensor([[1.0, 1.0], [-1.0, -1.0], [6.0, 7.0], [4.0, 7.0]])
    y = labels(emotion=[1, 0, 0, 1], speaker=[0, 0, 1, 1])
    terms = loss_of(ready(CORAL(3.0)), LOGITS[:4], y, h)
    assert terms["coral"].item() == pytest.approx(3 * 12 / 16)
    expected = (LOG2 + math.log(4 / 3) + LOG5 + LOG4) / 4
    assert terms["emotion"].item() == pytest.approx(expected)


DISTANCES = pytest.mark.parametrize(
    "distance", [covariance_distance, partial(mean_discrepancy, bandwidths=[0.5, 2.0])]
)


@DISTANCES
def test_distances_are_precise_far_from_zero(distance):
    rng = np.random.default_rng(0)
    h, speaker = tensor(rng.normal(size=(30, 3))), membership(np.arange(30) % 3, 3)
    far = distance((h + 1000).float(), speaker.float())
    assert far.item() == pytest.approx(distance(h, speaker).item(), rel=1e-3)


@DISTANCES
def test_distances_take_the_weights_of_the_rows(distance):
    rng = np.random.default_rng(0)
    h, codes = tensor(rng.normal(size=(12, 3))), np.arange(12) % 3
    weight = tensor([2.0, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    weighted = weight[:, None] * membership(codes, 3)
    found = distance(h, weighted)
    torch.testing.assert_close(distance(h, 7 * weighted), found)
    torch.testing.assert_close(distance(h[:9], weighted[:9]), found)
    own = h[:9].numpy().reshape(3, 3, 3)  # row, speaker, dimension
    if distance is covariance_distance:
        covariances = [np.cov(own[:, s].T, aweights=[2, 1, 1]) for s in range(3)]
        of_pairs = [np.subtract(*pair) for pair in combinations(covariances, 2)]
        assert found.item() == pytest.approx(np.square(of_pairs).sum() / 3 / 36)
    else:
        rows, w = own.transpose(1, 0, 2).reshape(9, 3), np.tile([2.0, 1, 1], 3)
        squared = ((rows[:, None] - rows) ** 2).sum(2)
        m = w @ squared @ w / w.sum() ** 2
        kernel = (np.exp(-squared / m) + np.exp(-squared / (4 * m))) / 2
        mean = np.empty((3, 3))
        for s, t in product(range(3), repeat=2):
            a, b = slice(3 * s, 3 * s + 3), slice(3 * t, 3 * t + 3)
            pairs = np.outer(w[a], w[b]) * (1 - np.eye(3) * (s == t))
            mean[s, t] = (pairs * kernel[a, b]).sum() / pairs.sum()
        of_pairs = [
            mean[s, s] + mean[t, t] - 2 * mean[s, t]
            for s, t in combinations(range(3), 2)
        ]
        assert found.item() == pytest.approx(np.mean(of_pairs))


# MMD


def test_mean_discrepancy_by_hand():
    # Speaker 0 at 0 and 2, speaker 1 twice at 4. The squared distances of different
    # rows are 4, 0, and twice 16 and 4, with a mean of 88/16 over all sixteen pairs:
    # the kernel of width 4/11 is exp(-distance/4).
    h, codes = tensor([[0.0], [2.0], [4.0], [4.0]]), [0, 0, 1, 1]
    found = mean_discrepancy(h, membership(codes, 2), [4 / 11])
    e = math.exp
    expected = e(-1) + 1 - (e(-4) + e(-1))
    assert found.item() == pytest.approx(expected)
    several = mean_discrepancy(h, membership(codes, 2), [4 / 11, 8 / 11])
    wide = e(-0.5) + 1 - (e(-2) + e(-0.5))
    assert several.item() == pytest.approx((expected + wide) / 2)


def test_mean_discrepancy_leaves_speakers_with_one_row_and_unknown_ones_out():
    h, codes = tensor([[0.0], [2.0], [4.0], [5.0]]), [0, 0, 1, 1]
    expected = mean_discrepancy(h, membership(codes, 2), [1.0])
    more = tensor([[0.0], [2.0], [4.0], [5.0], [999.0]])
    found = mean_discrepancy(more, membership([*codes, -1], 4), [1.0])
    assert found.item() == pytest.approx(expected.item())
    assert mean_discrepancy(more, membership([-1] * 5, 2), [1.0]).item() == 0
    assert mean_discrepancy(more, membership([0, 1, 2, 3, -1], 4), [1.0]).item() == 0
    # A single row has a part in the scale of the widths alone.
    single = torch.cat([h, tensor([[1.0]])])
    width, equal_width = (1 / rows.numpy().var() for rows in (h, single))
    found = mean_discrepancy(single, membership([*codes, 2], 3), [equal_width])
    expected = mean_discrepancy(h, membership(codes, 2), [width])
    assert found.item() == pytest.approx(expected.item())


def test_mean_discrepancy_of_equal_distributions_is_0_on_average():
    # With pairs of a row and itself, it would be about 0.3 for speakers of three rows.
    rng = np.random.default_rng(0)
    rows = membership(np.arange(24) % 8, 8)
    found = [
        mean_discrepancy(tensor(rng.normal(size=(24, 5))), rows, [0.25, 1.0]).item()
        for _ in range(100)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.01)


def test_mean_discrepancy_depends_on_no_scale_and_is_0_for_equal_rows():
    rng = np.random.default_rng(0)
    h, codes = tensor(rng.normal(size=(12, 3))), np.arange(12) % 3
    found = mean_discrepancy(h, membership(codes, 3), [0.5, 2.0])
    scaled = mean_discrepancy(100 * h + 7, membership(codes, 3), [0.5, 2.0])
    torch.testing.assert_close(scaled, found)
    constant = mean_discrepancy(0 * h, membership(codes, 3), [1.0])
    assert constant.item() == pytest.approx(0, abs=1e-12)


def test_mmd_by_hand():
    h = tensor([[0.0], [2.0], [4.0], [4.0]])
    y = labels(emotion=[1, 0, 0, 1], speaker=[0, 0, 1, 1])
    terms = loss_of(ready(MMD(0.5, [4 / 11]), embedding_dim=1), LOGITS[:4], y, h)
    assert terms["discrepancy"].item() == pytest.approx(0.5 * (1 - math.exp(-4)))
    expected = (LOG2 + math.log(4 / 3) + LOG5 + LOG4) / 4
    assert terms["emotion"].item() == pytest.approx(expected)


# What all have in common


def test_terms_have_the_gradient_of_finite_differences():
    h = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)).double()
    rows = membership([0, 1, 2, 0, 1, 2, 0, 1, -1], 4)
    assert gradcheck(lambda h: covariance_distance(h, rows), h.requires_grad_())
    x, y = random_batch(14)
    network = random_network(VREx(2.0))
    parameters = list(network.encoder.parameters())

    def loss():
        return sum(terms_of(network, "train", x, y).values())

    found = assert_gradients(loss, parameters)
    assert all(gradient.any() for gradient in found)


@pytest.mark.parametrize("objective", [VREx(), GroupDRO(), CORAL(), MMD()], ids=repr)
def test_batch_without_a_known_speaker_gives_finite_gradients(objective):
    x, y = random_batch()
    y = labels(emotion=y.emotion, speaker=torch.full_like(y.speaker, -1))
    network = random_network(objective)
    terms = terms_of(network, "train", x, y)
    for gradient in gradients(terms.values(), network.encoder.parameters()):
        assert gradient.isfinite().all()
