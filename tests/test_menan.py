"""Maximum entropy and confusion: the losses by hand, and who moves in which step."""

import copy
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

from advser._engine._networks import SpeakerHead
from advser.objectives._entropy import (
    MaxEntropyNetwork,
    confusion_loss,
    speaker_entropy,
)

OBJECTIVES = ["entropy", "confusion"]
LOG2, LOG3 = math.log(2), math.log(3)

# the predicted speakers are (1/2, 1/4, 1/4), (1/3, 1/3, 1/3) and one for certain
LOGITS = [[LOG2, 0.0, 0.0], [5.0, 5.0, 5.0], [800.0, 0.0, 0.0]]
ALL = tensor([[1.0, 1.0, 1.0]])

# Speaker 2 was not heard with the emotion of the first row, only speaker 0 with that
# of the second.
CANDIDATES = tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
EXCLUDED = SpeakerHead.excluded_logit
CONDITIONAL_LOGITS = [[LOG3, 0.0, EXCLUDED], [7.0, EXCLUDED, EXCLUDED]]


def approx(values):
    return pytest.approx(values, abs=1e-9)


# The two pure losses


def test_speaker_entropy_by_hand():
    entropy = speaker_entropy(tensor(LOGITS), ALL)
    # 1/2 log 2 + 2 · 1/4 log 4 = 3/2 log 2, as a share of log 3
    assert entropy.tolist() == approx([1.5 * LOG2 / LOG3, 1.0, 0.0])


def test_speaker_entropy_among_candidates_by_hand():
    entropy = speaker_entropy(tensor(CONDITIONAL_LOGITS), CANDIDATES)
    # two candidates at 3/4 and 1/4; one candidate leaves nothing to choose
    expected = (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2
    assert entropy.tolist() == approx([expected, 0.0])


def test_confusion_loss_by_hand():
    loss = confusion_loss(tensor(LOGITS[:2]), ALL)
    # (log 2 + 2 log 4) / 3 = 5/3 log 2, as a share of log 3
    assert loss.tolist() == approx([5 / 3 * LOG2 / LOG3, 1.0])


def test_confusion_loss_among_candidates_by_hand():
    loss = confusion_loss(tensor(CONDITIONAL_LOGITS), CANDIDATES)
    expected = (math.log(4 / 3) + math.log(4)) / 2 / LOG2
    assert loss.tolist() == approx([expected, 0.0])


@pytest.mark.parametrize("n_speakers", [2, 5, 50])
def test_undecided_adversary_is_the_best_of_both_losses(n_speakers):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, n_speakers, generator=generator, dtype=torch.float64)
    everyone = torch.ones(1, n_speakers)
    undecided = torch.zeros(1, n_speakers, dtype=torch.float64)
    assert speaker_entropy(undecided, everyone).item() == pytest.approx(1.0)
    assert confusion_loss(undecided, everyone).item() == pytest.approx(1.0)
    assert (speaker_entropy(logits, everyone) < 1).all()
    assert (confusion_loss(logits, everyone) > 1).all()


@pytest.mark.parametrize("loss", [speaker_entropy, confusion_loss])
@pytest.mark.parametrize(
    "candidates", [ALL, tensor([[1.0, 1, 0], [0, 1, 1], [1, 0, 0]])]
)
def test_losses_have_the_gradient_of_finite_differences(loss, candidates):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    excluded = (1 - candidates) * -20
    assert gradcheck(
        lambda logits: loss(logits + excluded, candidates), logits.requires_grad_()
    )


def test_confusion_gradient_lives_where_the_entropy_gradient_dies():
    logits = tensor([[40.0, 0.0, 0.0]]).requires_grad_()
    of_entropy, of_confusion = (
        gradients([loss(logits, ALL)], [logits])[0].abs().max().item()
        for loss in (speaker_entropy, confusion_loss)
    )
    assert of_entropy < 1e-12
    # p - 1/3 as a share of log 3
    assert of_confusion == approx(2 / 3 / LOG3)


@pytest.mark.parametrize("loss", [speaker_entropy, confusion_loss])
def test_row_with_one_candidate_has_no_gradient(loss):
    logits = tensor(CONDITIONAL_LOGITS).float().requires_grad_()
    (gradient,) = gradients([loss(logits, CANDIDATES.float())], [logits])
    assert gradient[0].any()
    assert not gradient[1].any()


# The two moves


def entropy_of(network, x, y):
    """Return the mean entropy of the predicted speaker."""
    h = network.encoder(x)
    logits = network.speaker_head(h, network.emotion_head(h), y["emotion"])
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean().item()


def descend(network, step, x, y, *, lr=1e-2, n_steps=1):
    """Play a move: plain gradient descent on the parameters that it may change."""
    parameters = network.step_parameters(step)
    for _ in range(n_steps):
        terms = play(network, step, x, y, 1.0)
        found = gradients(terms.values(), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter -= lr * gradient


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("entropy", -0.5 * (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2),
        ("confusion", 0.5 * (math.log(4 / 3) + math.log(4)) / 2 / LOG2),
    ],
)
def test_emotion_step_by_hand(objective, expected):
    network = worked_by_hand(MaxEntropyNetwork, weight=0.5, objective=objective)
    y = {"emotion": torch.tensor([0]), "speaker": torch.tensor([1])}
    terms = play(network, "train", tensor([[LOG3, 0.0]]), y, 1.0)
    assert list(terms) == ["emotion", objective]
    assert terms["emotion"].item() == approx(math.log(4 / 3))
    assert terms[objective].item() == approx(expected)


def test_emotion_step_with_weights_and_missing_labels_by_hand():
    network = worked_by_hand(MaxEntropyNetwork)
    x = tensor([[LOG3, 0.0], [0.0, 0.0], [9.0, 9.0]])
    y = {
        "emotion": torch.tensor([0, -1, 1]),
        "emotion_weight": tensor([2.0, 0.0, 1.0]),
        "speaker": torch.tensor([1, 0, -1]),
        "speaker_weight": tensor([2.5, 0.5, 0.0]),
    }
    terms = play(network, "train", x, y, 1.0)
    assert terms["emotion"].item() == approx((2 * math.log(4 / 3) + LOG2) / 3)
    first = (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2
    assert terms["entropy"].item() == approx(-(2.5 * first + 0.5 * 1.0) / 3)


def test_emotion_step_within_emotions_by_hand():
    # emotion 0 was heard from both speakers, emotion 1 from speaker 1 alone
    network = worked_by_hand(
        MaxEntropyNetwork,
        adversary=[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
        support=[[1.0, 1.0], [0.0, 1.0]],
    )
    x = tensor([[LOG3, 0.0], [LOG3, 0.0]])
    y = {"emotion": torch.tensor([0, 1]), "speaker": torch.tensor([0, 1])}
    first = (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2
    terms = play(network, "train", x, y, 1.0)
    assert terms["entropy"].item() == approx(-first / 2)
    # and A, told the emotion, is right with 3/4 and with certainty
    terms = play(network, "adversary", x, y, 1.0)
    assert terms["speaker"].item() == approx(math.log(4 / 3) / 2)


def test_speaker_step_by_hand():
    network = worked_by_hand(MaxEntropyNetwork, weight=0.5)
    y = {"emotion": torch.tensor([0]), "speaker": torch.tensor([1])}
    terms = play(network, "adversary", tensor([[LOG3, 0.0]]), y, 1.0)
    assert list(terms) == ["speaker"]
    assert terms["speaker"].item() == approx(math.log(4))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("step", ["adversary", "train"])
def test_moves_have_the_gradient_of_finite_differences(step, objective, conditional):
    network = random_network(
        MaxEntropyNetwork, conditional=conditional, objective=objective
    )
    x, y = random_batch()
    y["emotion"][1] = (
        0  # a predicted emotion is detached: no finite difference sees that
    )
    parameters = network.step_parameters(step)

    def loss():
        return sum(play(network, step, x, y, 1.0).values())

    for ours, numeric in zip(
        gradients([loss()], parameters),
        numeric_gradients(loss, parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, numeric, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_reaches_the_encoder_through_the_adversary(objective):
    network = random_network(MaxEntropyNetwork, objective=objective)
    x, y = random_batch()
    term = play(network, "train", x, y, 1.0)[objective]
    for gradient in gradients([term], network.encoder.parameters()):
        assert gradient.any()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_waits_for_the_adversary_to_move(objective):
    network = random_network(MaxEntropyNetwork, objective=objective, moved=False)
    x, y = random_batch()
    encoder = list(network.encoder.parameters())
    term = play(network, "train", x, y, 1.0)[objective]
    assert not any(gradient.any() for gradient in gradients([term], encoder))
    descend(network, "adversary", x, y, lr=1.0)
    term = play(network, "train", x, y, 1.0)[objective]
    assert all(gradient.any() for gradient in gradients([term], encoder))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_emotion_step_raises_the_entropy_and_keeps_the_adversary(
    objective, conditional
):
    network = random_network(
        MaxEntropyNetwork, objective=objective, conditional=conditional, weight=30.0
    )
    x, y = random_batch()
    before = entropy_of(network, x, y)
    adversary = copy.deepcopy(network.speaker_head.state_dict())
    descend(network, "train", x, y, lr=1e-3)
    assert entropy_of(network, x, y) > before
    for name, values in network.speaker_head.state_dict().items():
        assert torch.equal(values, adversary[name])


def test_speaker_step_lowers_the_entropy_and_keeps_all_others():
    network = random_network(MaxEntropyNetwork, moved=False)
    x, y = random_batch()
    before = entropy_of(network, x, y)
    others = copy.deepcopy(
        [network.encoder.state_dict(), network.emotion_head.state_dict()]
    )
    loss = play(network, "adversary", x, y, 1.0)["speaker"].item()
    descend(network, "adversary", x, y, lr=0.1, n_steps=20)
    assert play(network, "adversary", x, y, 1.0)["speaker"].item() < loss
    assert entropy_of(network, x, y) < before
    for module, state in zip((network.encoder, network.emotion_head), others):
        for name, values in module.state_dict().items():
            assert torch.equal(values, state[name])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_follows_the_ramp(objective):
    network = random_network(MaxEntropyNetwork, objective=objective, steepness=10.0)
    x, y = random_batch()
    terms = [play(network, "train", x, y, p)[objective].item() for p in (0, 0.1, 0.3)]
    assert terms[0] == 0.0
    assert terms[1] / terms[2] == pytest.approx(math.tanh(0.5) / math.tanh(1.5))


def test_moves_in_their_order():
    assert random_network(MaxEntropyNetwork).steps == ("adversary", "train")
    network = random_network(MaxEntropyNetwork, n_adversary_steps=3)
    assert network.steps == ("adversary",) * 3 + ("train",)


def test_networks_of_different_games_look_different():
    networks = [
        random_network(MaxEntropyNetwork, **settings)
        for settings in (
            {},
            {"objective": "confusion"},
            {"n_adversary_steps": 2},
            {"steepness": 10.0},
            {"conditional": True},
        )
    ]
    assert len(set(map(repr, networks))) == 5
