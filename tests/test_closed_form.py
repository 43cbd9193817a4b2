"""The adversary in closed form: its solution by hand, and as a term of the loss."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge
from small_networks import labels, random_batch, random_network, ready, terms_of
from tensors import assert_gradients, gradients, identity, tensor
from torch.autograd import gradcheck

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.evaluation import cross_val_leakage
from advser.methods._adversarial_network import AdversarialNetwork
from advser.objectives import ClosedForm, speakers_explained


def explained_of(h, speaker, weight, ridge, given=None):
    """Return the share that is explained of speakers with these codes."""
    columns = torch.nn.functional.one_hot(speaker.clamp(min=0)).to(h)
    return speakers_explained(h, columns, weight, ridge, given)


def random_rows(n=40, n_speakers=4):
    """Return an embedding, speakers, weights and emotions; some rows weigh nothing."""
    generator = torch.Generator().manual_seed(0)
    speaker = torch.arange(n) % n_speakers
    emotion = torch.randint(3, (n,), generator=generator)
    h = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    h[:, 0] += speaker
    h[:, 1] += 2 * emotion
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    weight[:5] = 0
    given = torch.nn.functional.one_hot(emotion).double()
    return h, speaker, weight, given


# The share that is explained


def test_share_of_two_speakers_by_hand():
    # Means off, h = (1, -1), C = 1, B = (1/2, -1/2), the penalty 1/4 of C:
    # B B^T / (1 + 1/4) = 2/5, of the spread 1 - (1/4 + 1/4)
    h = tensor([[7.0], [5.0]])
    explained = explained_of(h, torch.tensor([0, 1]), tensor([1.0, 1.0]), 0.25)
    assert explained.item() == pytest.approx(0.8, abs=1e-12)


def test_share_beyond_the_emotion_by_hand():
    # Within the first emotion h tells the two speakers apart, in the second there is
    # one. The mean off, h = (1, -1, 0, 0), C = 1/2, B = (1/4, -1/4): B B^T / C = 1/4,
    # and of the spread 1 is 1/4 left, the two halves of the first emotion.
    h = tensor([[1.0], [-1.0], [8.0], [8.0]])
    given = tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    speaker = torch.tensor([0, 1, 2, 2])
    explained = explained_of(h, speaker, torch.ones(4).double(), 1e-9, given)
    assert explained.item() == pytest.approx(1.0, abs=1e-6)


def test_small_penalties_are_solved_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    h = (torch.randn(16, 32, generator=generator) * torch.logspace(0, -3, 32)).relu()
    speaker = torch.arange(16) % 4
    found = {}
    for dtype in (torch.float32, torch.float64):
        rows = h.to(dtype).requires_grad_()
        explained = explained_of(rows, speaker, torch.ones(16).to(rows), 1e-6)
        (slope,) = torch.autograd.grad(explained, rows)
        found[dtype] = slope.double()
    error = found[torch.float32] - found[torch.float64]
    assert error.norm() < 0.05 * found[torch.float64].norm()


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("ridge", [0.01, 0.1, 10.0])
def test_share_is_that_of_a_ridge_regression(ridge, conditional):
    h, speaker, weight, given = random_rows()
    explained = explained_of(h, speaker, weight, ridge, given if conditional else None)
    known = given.numpy() if conditional else np.ones((len(h), 1))
    weight = (weight / weight.sum()).numpy()

    def beyond(values):
        fitted = LinearRegression(fit_intercept=False).fit(known, values, weight)
        return values - fitted.predict(known)

    x, y = beyond(h.numpy()), beyond(np.eye(4)[speaker])
    gamma = ridge * (weight[:, None] * x**2).sum() / 3
    fitted = Ridge(gamma, fit_intercept=False, solver="svd").fit(x, y, weight)
    lost = (weight[:, None] * (y - fitted.predict(x)) ** 2).sum()
    lost += gamma * (fitted.coef_**2).sum()
    total = (weight[:, None] * y**2).sum()
    assert explained.item() == pytest.approx(1 - lost / total, abs=1e-9)
    assert 0 < explained < 1


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_share_depends_on_no_scale_shift_or_rotation(factor):
    h, speaker, weight, given = random_rows()
    turn, _ = torch.linalg.qr(torch.randn(3, 3).double())
    for known in (None, given):
        expected = explained_of(h, speaker, weight, 0.1, known)
        moved = factor * (h @ turn + 5)
        found = explained_of(moved, speaker, 7 * weight, 0.1, known)
        torch.testing.assert_close(found, expected)


def test_rows_of_weight_0_are_left_out_and_of_weight_2_count_twice():
    h, speaker, _, given = random_rows(12)
    weight = tensor([0.0, 1.0, 2.0] * 4)
    rows = torch.repeat_interleave(torch.arange(12), weight.long())
    for known in (None, given):
        weighted = explained_of(h, speaker, weight, 0.1, known)
        of_rows = None if known is None else known[rows]
        expected = explained_of(
            h[rows], speaker[rows], torch.ones(12).double(), 0.1, of_rows
        )
        torch.testing.assert_close(weighted, expected)


@pytest.mark.parametrize(
    ("h", "speaker", "given"),
    [
        (tensor([[0.0], [0.0]]), [0, 1], None),  # an embedding that is 0
        (tensor([[3.0], [3.0]]), [0, 1], None),
        (tensor([[3.0], [4.0]]), [2, 2], None),  # one speaker
        (tensor([[3.0], [4.0]]), [0, 1], tensor([[1.0, 0.0], [0.0, 1.0]])),
        (tensor([[3.0]]), [0], None),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_explained_where_nothing_can_be(h, speaker, given, dtype):
    h = h.to(dtype).requires_grad_()
    given = None if given is None else given.to(dtype)
    weight = torch.ones(len(h), dtype=dtype)
    explained = explained_of(h, torch.tensor(speaker), weight, 0.1, given)
    assert explained.item() == pytest.approx(0.0, abs=1e-3)
    (gradient,) = gradients([explained], [h])
    assert gradient.isfinite().all()


def test_no_row_of_a_known_speaker_explains_nothing():
    h, speaker, weight, _ = random_rows()
    assert explained_of(h, speaker, 0 * weight, 0.1).item() == 0


@pytest.mark.parametrize("conditional", [False, True])
def test_share_has_the_gradient_of_finite_differences(conditional):
    h, speaker, weight, given = random_rows(9)
    given = given if conditional else None
    assert gradcheck(
        lambda h: explained_of(h, speaker, weight, 0.1, given),
        h.requires_grad_(),
    )


# The objective


def test_terms_by_hand():
    objective = ready(ClosedForm(0.5, penalty=0.25, ramp=0.0), 1, 1)
    network = AdversarialNetwork(identity(1), identity(1), objective).double()
    y = labels(emotion=[0, 0], speaker=[0, 1])
    terms = terms_of(network, "train", tensor([[7.0], [5.0]]), y)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"emotion": 0.0, "explained": 0.5 * 0.8}, abs=1e-6
    )
    assert network.steps == ("train",)


def test_conditional_objective_explains_speakers_beyond_the_emotion():
    """For a row without emotion it uses the prediction, detached."""
    x, y = random_batch()
    network = random_network(ClosedForm(1.0, ramp=0.0, conditional=True))
    given = torch.nn.functional.one_hot(y.emotion.clamp(min=0), 3).double()
    given[1] = network(x)[1].detach().softmax(0)
    expected = explained_of(
        network.encoder(x), y.speaker, y.speaker_weight, 0.01, given
    )
    terms = terms_of(network, "train", x, y)
    torch.testing.assert_close(terms["explained"], expected)
    (gradient,) = gradients([terms["explained"]], [network.emotion_head.weight])
    assert not gradient.any()


@pytest.mark.parametrize("conditional", [False, True])
def test_objective_has_the_gradient_of_finite_differences(conditional):
    network = random_network(ClosedForm(0.7, penalty=0.5, conditional=conditional))
    x, y = random_batch(14)
    y.emotion.clamp_(min=0)  # a detached prediction has finite differences
    parameters = list(network.encoder.parameters())

    def loss():
        return terms_of(network, "train", x, y, 0.7)["explained"]

    assert assert_gradients(loss, parameters)[-1].any()


def test_penalty_reaches_the_training(toy):
    settings = {"max_epochs": 4, "random_state": 0}
    few, many = (
        AdversarialSER(ClosedForm(penalty=penalty), **settings).fit(*toy)
        for penalty in (0.01, 10.0)
    )
    explained = "train_explained_loss"
    assert few.history_[explained].iloc[-1] > 2 * many.history_[explained].iloc[-1]
    assert not [name for name in few.net_.module_.state_dict() if "speaker" in name]


@pytest.mark.filterwarnings("ignore::advser.exceptions.ConfoundedSpeakersWarning")
def test_conditional_objective_keeps_an_emotion_that_speakers_determine():
    """Each speaker has one emotion; only what the speaker adds to it is removed."""
    rng = np.random.default_rng(0)
    speaker = rng.integers(8, size=320)
    X = rng.normal(size=(320, 9))
    X[:, 0] += 5 * (speaker % 2)
    X[np.arange(320), 1 + speaker] += 3
    explained = {}
    for conditional in (False, True):
        ser = AdversarialSER(ClosedForm(0.1, conditional=conditional), random_state=0)
        ser.fit(X, speaker % 2, speakers=speaker)
        h = torch.from_numpy(ser.transform(X))
        given = torch.eye(2)[speaker % 2].double()
        explained[conditional] = [
            explained_of(
                h, torch.from_numpy(speaker), torch.ones(320).double(), 0.1, known
            ).item()
            for known in (None, given)
        ]
    assert explained[True][0] > explained[False][0]  # the emotion predicts the speaker


def test_defaults_hide_the_speakers_of_real_speech():
    """By a new probe, on utterances that are not in the training rows."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    leakage = {
        adversary: cross_val_leakage(
            AdversarialSER(adversary), X, y, speakers, random_state=0
        ).accuracy
        for adversary in ("closed_form", None)
    }
    assert leakage["closed_form"] < leakage[None] - 0.06
