"""The plain network, the speaker head and what the adversarial networks share."""

import math
from itertools import pairwise

import pytest
import torch
from games import (
    gradients,
    identity,
    numeric_gradients,
    random_batch,
    random_network,
    speaker_head_of,
    tensor,
    worked_by_hand,
)
from torch.autograd import gradcheck

from advser._engine._networks import EmotionNetwork, SpeakerHead, SpeakerNetwork
from advser.nn import mlp
from advser.objectives._entropy import MaxEntropyNetwork

# h = (log 3, 0) and (0, log 4)
ROWS = [[math.log(3), 0.0], [0.0, math.log(4)]]


# The plain network


def test_emotion_network_loss_by_hand():
    network = EmotionNetwork(identity(2), identity(2))
    assert network.steps == ("train",)
    y = {"emotion": torch.tensor([0, 0])}
    terms = network.loss("train", tensor(ROWS), y, 0.0)
    assert list(terms) == ["emotion"]
    # probabilities 3/4 and 1/5 of the right emotion
    expected = (math.log(4 / 3) + math.log(5)) / 2
    assert terms["emotion"].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("network", [EmotionNetwork, MaxEntropyNetwork])
def test_penalty_by_hand(network):
    if network is EmotionNetwork:
        module = EmotionNetwork(identity(2), identity(2), alpha=0.5)
    else:  # the weights of the speaker head do not count
        module = worked_by_hand(network, adversary=[[9.0, 9.0]] * 2, alpha=0.5)
    y = {"emotion": torch.tensor([0, 0]), "speaker": torch.tensor([0, 1])}
    x = tensor(ROWS)
    shared = module.shared(x) if hasattr(module, "shared") else x
    # two identity matrices: half of 0.5 times four ones
    penalty = module.loss("train", shared, y, 0.0)["penalty"]
    assert penalty.item() == pytest.approx(1.0, abs=1e-6)


def test_emotion_network_predicts_from_the_embedding():
    network = random_network(EmotionNetwork)
    x, _ = random_batch()
    assert network.encoder(x).shape == (7, 4)
    assert torch.equal(network(x), network.emotion_head(network.encoder(x)))


def test_emotion_network_moves_all_it_has():
    network = random_network(EmotionNetwork)
    moved = {id(parameter) for parameter in network.step_parameters("train")}
    assert moved == {id(parameter) for parameter in network.parameters()}


def test_emotion_network_has_the_gradient_of_finite_differences():
    network = random_network(EmotionNetwork)
    x, y = random_batch()
    parameters = list(network.parameters())

    def loss():
        return network.loss("train", x, y, 0.0)["emotion"]

    for ours, numeric in zip(
        gradients([loss()], parameters),
        numeric_gradients(loss, parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, numeric, rtol=1e-6, atol=1e-8)
        assert ours.any()


# The unconditional speaker head


def test_speaker_head_by_hand():
    head = speaker_head_of([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    h = tensor([[3.0, 5.0]])
    unused = torch.full((1, 4), torch.nan)
    logits = head(h, unused, torch.tensor([-1]))
    assert logits.tolist() == [[3.0, 5.0, 1.0]]


def test_speaker_head_starts_undecided():
    head = SpeakerHead(4, (5,), 3, torch.Generator().manual_seed(0))
    h = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    assert not head(h, None, None).any()


def test_speaker_head_without_support_lets_every_row_choose_among_all():
    head = SpeakerHead(4, (), 3, torch.Generator())
    assert head.candidates(torch.tensor([0, -1])).tolist() == [[1.0, 1.0, 1.0]]


# The conditional one: 2 emotions; emotion 0 was heard from speakers 0 and 1 and
# emotion 1 from speakers 1 and 2. It sees (q0 h0, q0 h1, q1 h0, q1 h1).

SUPPORT = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
WEIGHT = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
EXCLUDED = SpeakerHead.excluded_logit


def conditional_logits(h, emotion_logits, emotion):
    head = speaker_head_of(WEIGHT, SUPPORT)
    return head(tensor(h), tensor(emotion_logits), torch.tensor(emotion))


def test_conditional_head_of_known_emotions_by_hand():
    logits = conditional_logits(
        [[3.0, 5.0], [3.0, 5.0]], [[9.0, -9.0], [9.0, -9.0]], [0, 1]
    )
    # q = (1, 0) sees (3, 5, 0, 0); q = (0, 1) sees (0, 0, 3, 5)
    assert logits.tolist() == [[3.0, 5.0, EXCLUDED], [EXCLUDED, 3.0, 5.0]]


def test_conditional_head_of_an_unknown_emotion_uses_the_prediction_by_hand():
    logits = conditional_logits([[4.0, 8.0]], [[math.log(3), 0.0]], [-1])
    # q = (3/4, 1/4) sees (3, 6, 1, 2), and all speakers are candidates
    torch.testing.assert_close(logits, tensor([[3.0, 7.0, 2.0]]))


def test_conditional_head_gives_excluded_speakers_no_probability():
    logits = conditional_logits([[-300.0, -500.0]], [[0.0, 0.0]], [1])
    assert logits.float().softmax(1)[0, 0].item() == 0.0


def test_conditional_head_names_the_candidates_of_each_row():
    head = speaker_head_of(WEIGHT, SUPPORT)
    candidates = head.candidates(torch.tensor([1, -1, 0]))
    assert candidates.tolist() == [SUPPORT[1], [1.0, 1.0, 1.0], SUPPORT[0]]


def test_conditional_head_sends_no_gradient_to_the_emotion_head():
    head = speaker_head_of(WEIGHT, SUPPORT)
    h = tensor([[4.0, 8.0]]).requires_grad_()
    emotion_logits = tensor([[0.3, 0.0]]).requires_grad_()
    logits = head(h, emotion_logits, torch.tensor([-1]))
    to_h, to_emotion = gradients([logits[0, 1]], [h, emotion_logits])
    assert to_h.any()
    assert not to_emotion.any()


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
def test_conditional_head_has_the_layers_asked_for(hidden_layer_sizes):
    generator = torch.Generator().manual_seed(0)
    head = SpeakerHead(4, hidden_layer_sizes, 3, generator, torch.ones(2, 3))
    shapes = [parameter.shape for parameter in head.parameters() if parameter.ndim > 1]
    sizes = (8, *hidden_layer_sizes, 3)
    assert shapes == [(n_out, n_in) for n_in, n_out in pairwise(sizes)]


@pytest.mark.parametrize("support", [None, SUPPORT])
def test_padded_head_treats_its_speakers_alike(support):
    weight = WEIGHT if support else [[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]]
    head = speaker_head_of(weight, support)
    inputs = tensor([[3.0, 5.0], [-2.0, 1.0]]), tensor([[0.0, 1.0]] * 2)
    emotion = torch.tensor([0, -1])
    before = head(*inputs, emotion)
    head.pad(5)
    padded = head(*inputs, emotion)
    assert torch.equal(padded[:, :3], before)
    assert (padded[:, 3:] == EXCLUDED).all()
    assert not head.candidates(emotion)[:, 3:].any()
    head.unpad()
    assert torch.equal(head(*inputs, emotion), before)


# What the adversarial networks share


def test_speaker_network_weight_follows_the_ramp():
    network = worked_by_hand(SpeakerNetwork, weight=3.0, steepness=10.0)
    assert network.weight_at(0.0).item() == 0.0
    assert network.weight_at(0.2).item() == pytest.approx(3 * math.tanh(1))
    network = worked_by_hand(SpeakerNetwork, weight=3.0, steepness=0.0)
    assert network.weight_at(0.0).item() == 3.0


def test_speaker_network_predicts_as_the_plain_one():
    generator = torch.Generator().manual_seed(0)
    encoder = mlp((5, 4), generator).double()
    head = SpeakerHead(4, (), 3, generator)
    plain = EmotionNetwork(encoder, identity(4))
    game = SpeakerNetwork(encoder, identity(4), head, weight=1.0, steepness=0.0)
    x, _ = random_batch()
    assert torch.equal(plain(x), game(x))
