"""The speaker head, and the network of an encoder, an emotion head and an objective."""

import math
from itertools import pairwise

import pytest
import torch
from small_networks import (
    labels,
    random_batch,
    random_network,
    ready,
    speaker_head_of,
    terms_of,
    worked_by_hand,
)
from tensors import assert_gradients, gradients, identity, tensor
from torch.autograd import gradcheck

from advser.methods._adversarial_network import AdversarialNetwork
from advser.nn import mlp
from advser.objectives import (
    ClosedForm,
    EmpiricalRisk,
    GradientReversal,
    MaxEntropy,
    SpeakerHead,
)
from advser.objectives._speaker_head import EXCLUDED

# The network


def test_plain_loss_by_hand():
    network = AdversarialNetwork(identity(2), identity(2), ready(EmpiricalRisk()))
    assert network.steps == ("train",)
    x = tensor([[math.log(3), 0.0], [0.0, math.log(4)]])
    terms = terms_of(network, "train", x, labels(emotion=[0, 0]))
    assert list(terms) == ["emotion"]
    # probabilities 3/4 and 1/5 of the right emotion
    expected = (math.log(4 / 3) + math.log(5)) / 2
    assert terms["emotion"].item() == pytest.approx(expected, abs=1e-12)


def test_network_predicts_from_the_embedding():
    network = random_network(EmpiricalRisk())
    x, _ = random_batch()
    assert network.encoder(x).shape == (7, 4)
    assert torch.equal(network(x), network.emotion_head(network.encoder(x)))


def test_objective_does_not_change_the_prediction():
    encoder = mlp((5, 4), torch.Generator().manual_seed(0)).double()
    x, _ = random_batch()
    plain, adversarial = (
        AdversarialNetwork(encoder, identity(4), ready(objective, 4, 4))
        for objective in (EmpiricalRisk(), MaxEntropy())
    )
    assert torch.equal(plain(x), adversarial(x))


def test_plain_network_changes_all_its_parameters():
    network = random_network(EmpiricalRisk())
    changed = {id(parameter) for parameter in network.step_parameters("train")}
    assert changed == {id(parameter) for parameter in network.parameters()}


@pytest.mark.parametrize("objective", [EmpiricalRisk(), GradientReversal()], ids=repr)
def test_penalty_is_on_the_weights_of_encoder_and_emotion_head(objective):
    network = random_network(objective)
    penalized = {id(parameter) for parameter in network.penalized("train")}
    expected = [network.encoder[0].weight, network.encoder[2].weight]
    assert penalized == set(map(id, [*expected, network.emotion_head.weight]))
    assert network.penalized("adversary") == []


def test_plain_network_has_the_gradient_of_finite_differences():
    network = random_network(EmpiricalRisk())
    x, y = random_batch()
    parameters = list(network.parameters())

    def loss():
        return terms_of(network, "train", x, y)["emotion"]

    found = assert_gradients(loss, parameters, rtol=1e-6)
    assert all(gradient.any() for gradient in found)


def test_weight_follows_the_ramp():
    objective = worked_by_hand(ClosedForm(3.0, ramp=10.0)).objective
    assert float(objective.weight_at(0.0)) == 0.0
    assert float(objective.weight_at(0.2)) == pytest.approx(3 * math.tanh(1))
    objective = worked_by_hand(ClosedForm(3.0, ramp=0.0)).objective
    assert float(objective.weight_at(0.0)) == 3.0


# The unconditional speaker head


def test_speaker_head_by_hand():
    head = speaker_head_of([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    h = tensor([[3.0, 5.0]])
    unused = torch.full((1, 4), torch.nan)
    logits = head(h, unused, torch.tensor([-1]))
    assert logits.tolist() == [[3.0, 5.0, 1.0]]


def test_speaker_head_starts_at_equal_probabilities():
    head = SpeakerHead(4, 3, torch.Generator().manual_seed(0), (5,))
    h = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    assert not head(h, None, None).any()


def test_speaker_head_without_support_has_all_candidates():
    head = SpeakerHead(4, 3, torch.Generator())
    assert head.candidates(torch.tensor([0, -1])).tolist() == [[1.0, 1.0, 1.0]]


# The conditional one: 2 emotions; speakers 0 and 1 have rows with emotion 0, and
# speakers 1 and 2 with emotion 1. Its input is (q0 h0, q0 h1, q1 h0, q1 h1).

SUPPORT = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
WEIGHT = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def conditional_logits(h, q, emotion):
    head = speaker_head_of(WEIGHT, SUPPORT)
    return head(tensor(h), tensor(q), torch.tensor(emotion))


def test_conditional_head_of_known_emotions_by_hand():
    logits = conditional_logits(
        [[3.0, 5.0], [3.0, 5.0]], [[1.0, 0.0], [0.0, 1.0]], [0, 1]
    )
    # q = (1, 0) gives (3, 5, 0, 0); q = (0, 1) gives (0, 0, 3, 5)
    assert logits.tolist() == [[3.0, 5.0, EXCLUDED], [EXCLUDED, 3.0, 5.0]]


def test_conditional_head_of_an_unknown_emotion_by_hand():
    logits = conditional_logits([[4.0, 8.0]], [[0.75, 0.25]], [-1])
    # q = (3/4, 1/4) gives (3, 6, 1, 2), and all speakers are candidates
    torch.testing.assert_close(logits, tensor([[3.0, 7.0, 2.0]]))


def test_conditional_head_gives_excluded_speakers_no_probability():
    logits = conditional_logits([[-300.0, -500.0]], [[0.0, 1.0]], [1])
    assert logits.float().softmax(1)[0, 0].item() == 0.0


def test_conditional_head_returns_the_candidates_of_each_row():
    head = speaker_head_of(WEIGHT, SUPPORT)
    candidates = head.candidates(torch.tensor([1, -1, 0]))
    assert candidates.tolist() == [SUPPORT[1], [1.0, 1.0, 1.0], SUPPORT[0]]


def test_conditional_objective_sends_no_gradient_to_the_emotion_head():
    network = worked_by_hand(
        GradientReversal(conditional=True), adversary=WEIGHT, support=SUPPORT
    )
    h = tensor([[4.0, 8.0]]).requires_grad_()
    output = tensor([[0.3, 0.0]]).requires_grad_()
    y = labels(emotion=[-1], speaker=[1])
    logits, candidates = network.objective.speaker_logits(h, output, y)
    assert candidates.tolist() == [[1.0, 1.0, 1.0]]
    to_h, to_output = gradients([logits[0, 1]], [h, output])
    assert to_h.any()
    assert not to_output.any()


def test_conditional_head_has_the_gradient_of_finite_differences():
    head = speaker_head_of(WEIGHT, SUPPORT)
    h = torch.randn(
        3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    emotion = torch.tensor([0, 1, -1])
    assert gradcheck(
        lambda h: head(h, tensor([[0.3, 0.1]] * 3), emotion), h.requires_grad_()
    )


@pytest.mark.parametrize("hidden_layer_sizes", [(), (7, 3)])
def test_conditional_head_has_the_given_layers(hidden_layer_sizes):
    generator = torch.Generator().manual_seed(0)
    head = SpeakerHead(4, 3, generator, hidden_layer_sizes, torch.ones(3, 3))
    shapes = [parameter.shape for parameter in head.parameters() if parameter.ndim > 1]
    sizes = (8, *hidden_layer_sizes, 3)
    assert shapes == [(n_out, n_in) for n_in, n_out in pairwise(sizes)]


def test_membership_by_hand():
    objective = ready(EmpiricalRisk(), n_speakers=3)
    y = labels(speaker=[2, -1, 0], speaker_weight=tensor([0.5, 0.0, 0.0]))
    found = objective.membership(y)  # the last row weighs nothing
    assert found.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
