"""Gradient reversal: the loss by hand, and the signs of what reaches whom."""

import math

import pytest
import torch
from games import (
    gradients,
    numeric_gradients,
    play,
    random_batch,
    random_network,
    tensor,
    worked_by_hand,
)
from torch.autograd import gradcheck

from advser._engine._outputs import Emotions
from advser.objectives._grl import (
    DomainAdversarialNetwork,
    domain_adversarial_loss,
    lead_over_chance,
)

# logits whose probabilities are 1/2, 3/4 and 1/5 of the labels below
LOGITS = [[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(4)]]
LABELS = [1, 0, 0]
LOSSES = [math.log(2), math.log(4 / 3), math.log(5)]


def speaker_loss(network, x, y):
    """Return the cross-entropy of the speaker, with no reversal anywhere."""
    h = network.encoder(x)
    logits = network.speaker_head(h, network.emotion_head(h), y["emotion"])
    known = y["speaker"] >= 0
    losses = logits[known].log_softmax(1)[
        torch.arange(known.sum()), y["speaker"][known]
    ]
    return -(y["speaker_weight"][known] * losses).sum() / len(x)


def test_domain_adversarial_loss_by_hand():
    y = {"emotion": torch.tensor(LABELS), "speaker": torch.tensor([0, 1, 1])}
    terms = domain_adversarial_loss(tensor(LOGITS), tensor(LOGITS), y, Emotions())
    assert list(terms) == ["emotion", "speaker"]
    assert terms["emotion"].item() == pytest.approx(sum(LOSSES) / 3, abs=1e-12)
    # the other label each time: 1/2, 1/4 and 4/5
    expected = (math.log(2) + math.log(4) + math.log(5 / 4)) / 3
    assert terms["speaker"].item() == pytest.approx(expected, abs=1e-12)


def test_domain_adversarial_loss_with_weights_and_missing_labels_by_hand():
    y = {
        "emotion": torch.tensor([1, -1, 0]),
        "emotion_weight": tensor([1.0, 0.0, 2.0]),
        "speaker": torch.tensor([1, 0, -1]),
        "speaker_weight": tensor([0.5, 2.5, 0.0]),
    }
    terms = domain_adversarial_loss(tensor(LOGITS), tensor(LOGITS), y, Emotions())
    expected = (LOSSES[0] + 2 * LOSSES[2]) / 3
    assert terms["emotion"].item() == pytest.approx(expected, abs=1e-12)
    expected = (0.5 * LOSSES[0] + 2.5 * LOSSES[1]) / 3
    assert terms["speaker"].item() == pytest.approx(expected, abs=1e-12)


def test_domain_adversarial_loss_has_the_gradient_of_finite_differences():
    x, y = random_batch()
    generator = torch.Generator().manual_seed(0)
    logits = [
        torch.randn(
            len(x), n, generator=generator, dtype=torch.float64
        ).requires_grad_()
        for n in (3, 4)
    ]
    assert gradcheck(
        lambda *logits: tuple(domain_adversarial_loss(*logits, y, Emotions()).values()),
        logits,
    )


def test_joint_step_by_hand():
    network = worked_by_hand(DomainAdversarialNetwork, weight=0.5)
    y = {"emotion": torch.tensor([0]), "speaker": torch.tensor([1])}
    x = tensor([[math.log(3), 0.0]])
    terms = play(network, "train", x, y, 1.0)
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
    network = random_network(
        DomainAdversarialNetwork, conditional=conditional, weight=weight
    )
    x, y = random_batch()
    term = play(network, "train", x, y, 0.5)["speaker"]
    plain = speaker_loss(network, x, y)
    assert term.item() == pytest.approx(plain.item())
    for part, factor in [("encoder", -weight), ("speaker_head", 1.0)]:
        parameters = list(getattr(network, part).parameters())
        for ours, theirs in zip(
            gradients([term], parameters), gradients([plain], parameters), strict=True
        ):
            assert theirs.any()
            torch.testing.assert_close(ours, factor * theirs)
    assert not any(
        gradient.any()
        for gradient in gradients([term], network.emotion_head.parameters())
    )


def test_speaker_gradient_of_the_encoder_is_that_of_finite_differences_reversed():
    network = random_network(DomainAdversarialNetwork, weight=0.7)
    x, y = random_batch()
    parameters = list(network.encoder.parameters())
    numeric = numeric_gradients(lambda: speaker_loss(network, x, y), parameters)
    term = play(network, "train", x, y, 1.0)["speaker"]
    for ours, theirs in zip(gradients([term], parameters), numeric, strict=True):
        torch.testing.assert_close(ours, -0.7 * theirs, rtol=1e-6, atol=1e-8)


def test_encoder_starts_without_the_speaker_and_ends_with_its_full_weight():
    network = random_network(DomainAdversarialNetwork, weight=1.0, steepness=10.0)
    x, y = random_batch()
    parameters = list(network.encoder.parameters())
    plain = gradients([speaker_loss(network, x, y)], parameters)
    for progress, share in [(0.0, 0.0), (0.1, math.tanh(0.5)), (1.0, math.tanh(5))]:
        term = play(network, "train", x, y, progress)["speaker"]
        for ours, theirs in zip(gradients([term], parameters), plain, strict=True):
            torch.testing.assert_close(ours, -share * theirs)


def test_rows_of_unknown_speakers_give_the_speaker_term_no_gradient():
    network = random_network(DomainAdversarialNetwork)
    x, y = random_batch()
    x.requires_grad_()
    (to_x,) = gradients([play(network, "train", x, y, 1.0)["speaker"]], [x])
    assert not to_x[2].any()
    assert to_x[0].any()


def test_further_adversary_steps_come_before_the_joint_one():
    assert random_network(DomainAdversarialNetwork).steps == ("train",)
    network = random_network(DomainAdversarialNetwork, n_adversary_steps=3)
    assert network.steps == ("adversary", "adversary", "train")


def test_adversary_step_moves_the_speaker_head_alone():
    network = random_network(DomainAdversarialNetwork, n_adversary_steps=2)
    x, y = random_batch()
    terms = play(network, "adversary", x, y, 0.5)
    assert list(terms) == ["speaker"]
    plain = speaker_loss(network, x, y)
    assert terms["speaker"].item() == pytest.approx(plain.item())
    head = list(network.speaker_head.parameters())
    assert {id(p) for p in network.step_parameters("adversary")} == set(map(id, head))
    for ours, theirs in zip(
        gradients(terms.values(), head), gradients([plain], head), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    others = [*network.encoder.parameters(), *network.emotion_head.parameters()]
    assert not any(gradient.any() for gradient in gradients(terms.values(), others))


def test_joint_step_moves_everyone():
    network = random_network(DomainAdversarialNetwork)
    moved = {id(parameter) for parameter in network.step_parameters("train")}
    assert moved == {id(parameter) for parameter in network.parameters()}


# The bounded game


def test_lead_over_chance_by_hand():
    speaker = torch.tensor([0, 0, 0, 1, -1])
    p = tensor([[0.5, 0.5], [0.75, 0.25], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    lead = lead_over_chance(p.log(), speaker, torch.ones(1, 2))
    # (p - 1/2) / (1 - p) for p = 1/2, 3/4, 1/5, 2/5; the last row stands for speaker 0
    expected = tensor([[0.0], [1.0], [-0.375], [-1 / 6], [0.0]]) / math.log(2)
    torch.testing.assert_close(lead, expected)


def test_lead_over_chance_is_that_among_the_candidates():
    logits = tensor([[math.log(2), 0.0, 0.0, -1e4], [5.0, -1e4, -1e4, -1e4]])
    candidates = tensor([[1.0, 1, 1, 0], [1, 0, 0, 0]])
    lead = lead_over_chance(logits, torch.tensor([0, 0]), candidates)
    # p = 1/2 of three; a row with one candidate has nothing to hide
    torch.testing.assert_close(lead, tensor([[1 / 3 / math.log(3)], [0.0]]))


def test_lead_over_chance_of_one_who_is_nearly_certain():
    logits = torch.tensor([[16.0, 0.0, 0.0]])  # 1 - p = 2 / (e^16 + 2), 2 e-7
    lead = lead_over_chance(logits, torch.tensor([0]), torch.ones(1, 3))
    others = lead * logits.softmax(1)[:, 1:]
    expected = torch.full((1, 2), 1 / 3 / math.log(3))  # (2/3) / log 3, shared by two
    torch.testing.assert_close(others, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("conditional", [False, True])
def test_bounded_game_descends_the_confusion_of_the_right_speaker(conditional):
    settings = {"weight": 0.7, "conditional": conditional}
    network = random_network(DomainAdversarialNetwork, bounded=True, **settings)
    x, y = random_batch()
    known = y["speaker"] >= 0

    def confusion():
        h = network.encoder(x)
        logits = network.speaker_head(h, network.emotion_head(h), y["emotion"])
        n = network.speaker_head.candidates(y["emotion"]).sum(1)
        n = n.expand(len(x))[known]
        p = logits.softmax(1)[known, y["speaker"][known]]
        losses = -(p.log() + (n - 1) * (1 - p).log()) / n / n.log()
        return 0.7 * (y["speaker_weight"][known] * losses).sum() / len(x)

    parameters = list(network.encoder.parameters())
    term = play(network, "train", x, y, 1.0)["speaker"]
    assert term.item() == pytest.approx(speaker_loss(network, x, y).item())
    # A learns as in the plain game
    head = list(network.speaker_head.parameters())
    plain = gradients([speaker_loss(network, x, y)], head)
    for ours, theirs in zip(gradients([term], head), plain, strict=True):
        torch.testing.assert_close(ours, theirs)
    found = gradients([term], parameters)
    expected = gradients([confusion()], parameters)
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.any()
        torch.testing.assert_close(ours, theirs)


def test_certain_adversary_gives_the_bounded_game_no_nan():
    settings = {"adversary": ((500.0, 0.0), (0.0, 500.0)), "bounded": True}
    network = worked_by_hand(DomainAdversarialNetwork, **settings).float()
    y = {"emotion": torch.tensor([0, 1]), "speaker": torch.tensor([0, 0])}
    terms = play(network, "train", torch.eye(2), y, 1.0)
    for gradient in gradients(terms.values(), network.parameters()):
        assert gradient.isfinite().all()
