"""Maximum entropy and confusion: the losses by hand, and what each step changes."""

import copy
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
from tensors import assert_gradients, gradients, tensor
from torch.autograd import gradcheck

from advser.objectives import Confusion, MaxEntropy, confusion_loss, speaker_entropy
from advser.objectives._speaker_head import EXCLUDED

OBJECTIVES = {"entropy": MaxEntropy, "confusion": Confusion}
LOG2, LOG3 = math.log(2), math.log(3)


def plain(name="entropy", weight=1.0, **settings):
    """Return an objective without ramp, with one step of the speaker head."""
    return OBJECTIVES[name](weight, **{"steps": 1, "ramp": 0.0, **settings})


# the predicted speakers are (1/2, 1/4, 1/4), (1/3, 1/3, 1/3) and one for certain
LOGITS = [[LOG2, 0.0, 0.0], [5.0, 5.0, 5.0], [800.0, 0.0, 0.0]]
ALL = tensor([[1.0, 1.0, 1.0]])

# Speaker 2 has no rows with the emotion of the first row, and only speaker 0 has rows
# with that of the second.
CANDIDATES = tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
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


# The two update steps


def entropy_of(network, x, y):
    """Return the mean entropy of the predicted speaker."""
    h = network.encoder(x)
    logits, _ = network.objective.speaker_logits(h, network.emotion_head(h), y)
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean().item()


def descend(network, step, x, y, *, lr=1e-2, n_steps=1):
    """Take a step by plain gradient descent on the parameters that it may change."""
    parameters = network.step_parameters(step)
    for _ in range(n_steps):
        terms = terms_of(network, step, x, y)
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
    network = worked_by_hand(plain(objective, 0.5))
    y = labels(emotion=[0], speaker=[1])
    terms = terms_of(network, "train", tensor([[LOG3, 0.0]]), y)
    assert list(terms) == ["emotion", objective]
    assert terms["emotion"].item() == approx(math.log(4 / 3))
    assert terms[objective].item() == approx(expected)


def test_emotion_step_with_weights_and_missing_labels_by_hand():
    network = worked_by_hand(plain())
    x = tensor([[LOG3, 0.0], [0.0, 0.0], [9.0, 9.0]])
    y = labels(
        emotion=[0, -1, 1],
        emotion_weight=tensor([2.0, 0.0, 1.0]),
        speaker=[1, 0, -1],
        speaker_weight=tensor([2.5, 0.5, 0.0]),
    )
    terms = terms_of(network, "train", x, y)
    assert terms["emotion"].item() == approx((2 * math.log(4 / 3) + LOG2) / 3)
    first = (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2
    assert terms["entropy"].item() == approx(-(2.5 * first + 0.5 * 1.0) / 3)


def test_emotion_step_within_emotions_by_hand():
    # both speakers have rows with emotion 0, speaker 1 alone with emotion 1
    network = worked_by_hand(
        plain(conditional=True),
        adversary=[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
        support=[[1.0, 1.0], [0.0, 1.0]],
    )
    x = tensor([[LOG3, 0.0], [LOG3, 0.0]])
    y = labels(emotion=[0, 1], speaker=[0, 1])
    first = (3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)) / LOG2
    terms = terms_of(network, "train", x, y)
    assert terms["entropy"].item() == approx(-first / 2)
    # A, given the emotion, is right with 3/4 and with certainty
    terms = terms_of(network, "adversary", x, y)
    assert terms["speaker"].item() == approx(math.log(4 / 3) / 2)


def test_speaker_step_by_hand():
    network = worked_by_hand(plain(weight=0.5))
    y = labels(emotion=[0], speaker=[1])
    terms = terms_of(network, "adversary", tensor([[LOG3, 0.0]]), y)
    assert list(terms) == ["speaker"]
    assert terms["speaker"].item() == approx(math.log(4))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("step", ["adversary", "train"])
def test_steps_have_the_gradient_of_finite_differences(step, objective, conditional):
    network = random_network(plain(objective, conditional=conditional))
    x, y = random_batch()
    y.emotion[1] = 0  # a predicted emotion is detached: finite differences miss that
    parameters = network.step_parameters(step)

    def loss():
        return sum(terms_of(network, step, x, y).values())

    assert_gradients(loss, parameters, atol=1e-7)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_reaches_the_encoder_through_the_adversary(objective):
    network = random_network(plain(objective))
    x, y = random_batch()
    term = terms_of(network, "train", x, y)[objective]
    for gradient in gradients([term], network.encoder.parameters()):
        assert gradient.any()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_has_no_gradient_before_the_first_adversary_step(objective):
    network = random_network(plain(objective), changed=False)
    x, y = random_batch()
    encoder = list(network.encoder.parameters())
    term = terms_of(network, "train", x, y)[objective]
    assert not any(gradient.any() for gradient in gradients([term], encoder))
    descend(network, "adversary", x, y, lr=1.0)
    term = terms_of(network, "train", x, y)[objective]
    assert all(gradient.any() for gradient in gradients([term], encoder))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_emotion_step_raises_the_entropy_and_keeps_the_adversary(
    objective, conditional
):
    network = random_network(plain(objective, 30.0, conditional=conditional))
    x, y = random_batch()
    before = entropy_of(network, x, y)
    adversary = copy.deepcopy(network.objective.speaker_head.state_dict())
    descend(network, "train", x, y, lr=1e-3)
    assert entropy_of(network, x, y) > before
    for name, values in network.objective.speaker_head.state_dict().items():
        assert torch.equal(values, adversary[name])


def test_speaker_step_lowers_the_entropy_and_keeps_all_others():
    network = random_network(plain(), changed=False)
    x, y = random_batch()
    before = entropy_of(network, x, y)
    others = copy.deepcopy(
        [network.encoder.state_dict(), network.emotion_head.state_dict()]
    )
    loss = terms_of(network, "adversary", x, y)["speaker"].item()
    descend(network, "adversary", x, y, lr=0.1, n_steps=20)
    assert terms_of(network, "adversary", x, y)["speaker"].item() < loss
    assert entropy_of(network, x, y) < before
    for module, state in zip((network.encoder, network.emotion_head), others):
        for name, values in module.state_dict().items():
            assert torch.equal(values, state[name])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_speaker_term_follows_the_ramp(objective):
    network = random_network(plain(objective, ramp=10.0))
    x, y = random_batch()
    terms = [
        terms_of(network, "train", x, y, p)[objective].item() for p in (0, 0.1, 0.3)
    ]
    assert terms[0] == 0.0
    assert terms[1] / terms[2] == pytest.approx(math.tanh(0.5) / math.tanh(1.5))


def test_steps_in_their_order():
    assert random_network(plain()).steps == ("adversary", "train")
    network = random_network(plain(steps=3))
    assert network.steps == ("adversary",) * 3 + ("train",)
