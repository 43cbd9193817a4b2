"""Gradient reversal: the loss by hand, and the gradients of each network."""

import math

import pytest
import torch
from small_networks import (
    labels,
    random_batch,
    random_network,
    terms_of,
    worked_by_hand,
)
from tensors import gradients, numeric_gradients, tensor

from advser.objectives import GradientReversal, lead_over_chance


def plain(weight=1.0, **settings):
    """Return the form without bound and ramp, with one step."""
    settings = {"steps": 1, "bounded": False, "ramp": 0.0, **settings}
    return GradientReversal(weight, **settings)


def speaker_loss(network, x, y):
    """Return the cross-entropy of the speaker, without a reversal."""
    h = network.encoder(x)
    logits, _ = network.objective.speaker_logits(h, network.emotion_head(h), y)
    known = y.speaker >= 0
    losses = logits[known].log_softmax(1)[torch.arange(known.sum()), y.speaker[known]]
    return -(y.speaker_weight[known] * losses).sum() / len(x)


def test_joint_loss_with_weights_and_missing_labels_by_hand():
    # probabilities 1/2, 3/4 and 1/5 of the labels 1, 0 and 0
    x = tensor([[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(4)]])
    losses = [math.log(2), math.log(4 / 3), math.log(5)]
    y = labels(
        emotion=[1, -1, 0],
        emotion_weight=tensor([1.0, 0.0, 2.0]),
        speaker=[1, 0, -1],
        speaker_weight=tensor([0.5, 2.5, 0.0]),
    )
    terms = terms_of(worked_by_hand(plain()), "train", x, y)
    assert list(terms) == ["emotion", "speaker"]
    expected = (losses[0] + 2 * losses[2]) / 3
    assert terms["emotion"].item() == pytest.approx(expected, abs=1e-12)
    expected = (0.5 * losses[0] + 2.5 * losses[1]) / 3
    assert terms["speaker"].item() == pytest.approx(expected, abs=1e-12)


def test_joint_step_by_hand():
    network = worked_by_hand(plain(0.5))
    y = labels(emotion=[0], speaker=[1])
    x = tensor([[math.log(3), 0.0]])
    terms = terms_of(network, "train", x, y)
    assert terms["emotion"].item() == pytest.approx(math.log(4 / 3), abs=1e-12)
    assert terms["speaker"].item() == pytest.approx(math.log(4), abs=1e-12)
    (to_encoder,) = gradients(terms.values(), network.encoder.parameters())
    # the emotion pulls by p - e = (3/4 - 1, 1/4), the speaker by -1/2 (3/4, 1/4 - 1)
    pull = [-1 / 4 - 0.5 * 3 / 4, 1 / 4 + 0.5 * 3 / 4]
    expected = tensor([[pull[0] * math.log(3), 0.0], [pull[1] * math.log(3), 0.0]])
    torch.testing.assert_close(to_encoder, expected)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("weight", [0.1, 1.0, 3.0])
def test_speaker_gradient_is_flipped_and_scaled_for_the_encoder_alone(
    weight, conditional
):
    network = random_network(plain(weight, conditional=conditional))
    x, y = random_batch()
    term = terms_of(network, "train", x, y, 0.5)["speaker"]
    forward = speaker_loss(network, x, y)
    assert term.item() == pytest.approx(forward.item())
    modules = (network.encoder, network.objective)
    for module, factor in zip(modules, (-weight, 1.0)):
        parameters = list(module.parameters())
        for ours, theirs in zip(
            gradients([term], parameters), gradients([forward], parameters), strict=True
        ):
            assert theirs.any()
            torch.testing.assert_close(ours, factor * theirs)
    assert not any(
        gradient.any()
        for gradient in gradients([term], network.emotion_head.parameters())
    )


def test_speaker_gradient_of_the_encoder_is_that_of_finite_differences_reversed():
    network = random_network(plain(0.7))
    x, y = random_batch()
    parameters = list(network.encoder.parameters())
    numeric = numeric_gradients(lambda: speaker_loss(network, x, y), parameters)
    term = terms_of(network, "train", x, y)["speaker"]
    for ours, theirs in zip(gradients([term], parameters), numeric, strict=True):
        torch.testing.assert_close(ours, -0.7 * theirs, rtol=1e-6, atol=1e-8)


def test_encoder_starts_without_the_speaker_and_ends_with_its_full_weight():
    network = random_network(plain(ramp=10.0))
    x, y = random_batch()
    parameters = list(network.encoder.parameters())
    forward = gradients([speaker_loss(network, x, y)], parameters)
    for progress, share in [(0.0, 0.0), (0.1, math.tanh(0.5)), (1.0, math.tanh(5))]:
        term = terms_of(network, "train", x, y, progress)["speaker"]
        for ours, theirs in zip(gradients([term], parameters), forward, strict=True):
            torch.testing.assert_close(ours, -share * theirs)


def test_rows_of_unknown_speakers_give_the_speaker_term_no_gradient():
    network = random_network(plain())
    x, y = random_batch()
    x.requires_grad_()
    (to_x,) = gradients([terms_of(network, "train", x, y)["speaker"]], [x])
    assert not to_x[2].any()
    assert to_x[0].any()


def test_further_adversary_steps_come_before_the_joint_one():
    assert random_network(plain()).steps == ("train",)
    network = random_network(plain(steps=3))
    assert network.steps == ("adversary", "adversary", "train")


def test_adversary_step_changes_the_speaker_head_alone():
    network = random_network(plain(steps=2))
    x, y = random_batch()
    terms = terms_of(network, "adversary", x, y, 0.5)
    assert list(terms) == ["speaker"]
    forward = speaker_loss(network, x, y)
    assert terms["speaker"].item() == pytest.approx(forward.item())
    head = list(network.objective.parameters())
    assert {id(p) for p in network.step_parameters("adversary")} == set(map(id, head))
    for ours, theirs in zip(
        gradients(terms.values(), head), gradients([forward], head), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    others = [*network.encoder.parameters(), *network.emotion_head.parameters()]
    assert not any(gradient.any() for gradient in gradients(terms.values(), others))


def test_joint_step_changes_all_parameters():
    network = random_network(plain())
    changed = {id(parameter) for parameter in network.step_parameters("train")}
    assert changed == {id(parameter) for parameter in network.parameters()}


# The bounded form


def test_lead_over_chance_by_hand():
    speaker = torch.tensor([0, 0, 0, 1, -1])
    p = tensor([[0.5, 0.5], [0.75, 0.25], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    lead = lead_over_chance(p.log(), speaker, torch.ones(1, 2))
    # (p - 1/2) / (1 - p) for p = 1/2, 3/4, 1/5, 2/5; the last row stands for speaker 0
    expected = tensor([[0.0], [1.0], [-0.375], [-1 / 6], [0.0]]) / math.log(2)
    torch.testing.assert_close(lead, expected)


def test_lead_over_chance_counts_the_candidates():
    logits = tensor([[math.log(2), 0.0, 0.0, -1e4], [5.0, -1e4, -1e4, -1e4]])
    candidates = tensor([[1.0, 1, 1, 0], [1, 0, 0, 0]])
    lead = lead_over_chance(logits, torch.tensor([0, 0]), candidates)
    # p = 1/2 of three; a row with one candidate has nothing to remove
    torch.testing.assert_close(lead, tensor([[1 / 3 / math.log(3)], [0.0]]))


def test_lead_over_chance_of_a_nearly_certain_adversary():
    logits = torch.tensor([[16.0, 0.0, 0.0]])  # 1 - p = 2 / (e^16 + 2), 2 e-7
    lead = lead_over_chance(logits, torch.tensor([0]), torch.ones(1, 3))
    others = lead * logits.softmax(1)[:, 1:]
    expected = torch.full((1, 2), 1 / 3 / math.log(3))  # (2/3) / log 3, shared by two
    torch.testing.assert_close(others, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("conditional", [False, True])
def test_bounded_form_descends_the_confusion_of_the_right_speaker(conditional):
    network = random_network(plain(0.7, bounded=True, conditional=conditional))
    x, y = random_batch()
    known = y.speaker >= 0

    def confusion():
        h = network.encoder(x)
        output = network.emotion_head(h)
        logits, candidates = network.objective.speaker_logits(h, output, y)
        n = candidates.sum(1).expand(len(x))[known]
        p = logits.softmax(1)[known, y.speaker[known]]
        losses = -(p.log() + (n - 1) * (1 - p).log()) / n / n.log()
        return 0.7 * (y.speaker_weight[known] * losses).sum() / len(x)

    parameters = list(network.encoder.parameters())
    term = terms_of(network, "train", x, y)["speaker"]
    assert term.item() == pytest.approx(speaker_loss(network, x, y).item())
    # A learns as without the bound
    head = list(network.objective.parameters())
    forward = gradients([speaker_loss(network, x, y)], head)
    for ours, theirs in zip(gradients([term], head), forward, strict=True):
        torch.testing.assert_close(ours, theirs)
    found = gradients([term], parameters)
    expected = gradients([confusion()], parameters)
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.any()
        torch.testing.assert_close(ours, theirs)


def test_certain_adversary_gives_the_bounded_form_no_nan():
    adversary = ((500.0, 0.0), (0.0, 500.0))
    network = worked_by_hand(plain(bounded=True), adversary=adversary).float()
    y = labels(emotion=[0, 1], speaker=[0, 0])
    y = y.map(lambda v: v.float() if v.is_floating_point() else v)
    terms = terms_of(network, "train", torch.eye(2), y, 1.0)
    for gradient in gradients(terms.values(), network.parameters()):
        assert gradient.isfinite().all()
