"""The adversarial autoencoder: its losses, its update steps, and its predictions."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback
from tensors import assert_gradients, gradients, identity, linear_of, tensor
from torch import nn

from advser import AdversarialSER, AutoencoderSER
from advser._engine import Labels
from advser.datasets import load_emodb
from advser.exceptions import CollapseWarning, CorpusWarning, NoSpeakersWarning
from advser.methods._adversarial_network import AdversarialNetwork
from advser.methods._autoencoder_network import (
    AutoencoderNetwork,
    Prior,
    discriminator_loss,
    regularization_loss,
)
from advser.methods._tasks import Emotions
from advser.model_selection import StackedGridSearchCV
from advser.nn import Clip, Standardize, linear, mlp
from advser.objectives import EmpiricalRisk, SpeakerHead

approx = pytest.approx
LOG2, LOG3, LOG4 = math.log(2), math.log(3), math.log(4)
# Networks of different structure
KINDS = {
    "normal": {},
    "mixture": {"prior": "mixture"},
    "class code": {"categorical_code": True},
    "both": {"prior": "mixture", "categorical_code": True},
    "adversarial": {"speaker_task": "adversarial"},
    "no task": {"speaker_task": None},
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def small(**settings):
    defaults = {
        "hidden_layer_sizes": (16,),
        "embedding_dim": 6,
        "discriminator_hidden_layer_sizes": (8, 8),
        "prior_weight": 1.0,
        "clip": None,
        "dropout": 0.3,
        "alpha": 0.001,
        "max_epochs": 4,
        "random_state": 0,
    }
    return AutoencoderSER(**{**defaults, **settings})


def genders_of(speakers):
    return np.where(np.isin(speakers, ["s1", "s10"]), "female", "male")


def fitted(toy, *, X=None, y=None, **settings):
    """Return a small estimator that knows the genders, too."""
    genders = genders_of(toy.speakers)
    X, y = toy.X if X is None else X, toy.y if y is None else y
    return small(**settings).fit(X, y, toy.speakers, genders=genders)


def assert_same_fit(ours, theirs, X):
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))


# The losses


def test_discriminator_loss_by_hand():
    # D(z) is 3/4 and 1/2, D(z*) is 3/4
    loss = discriminator_loss(tensor([LOG3, 0.0]), tensor([LOG3]), tensor([1.0, 1.0]))
    assert loss.item() == approx(math.log(4 / 3) + (LOG4 + LOG2) / 2)
    weight = tensor([0.5, 1.5])
    loss = discriminator_loss(tensor([LOG3, 0.0]), tensor([LOG3]), weight)
    assert loss.item() == approx(math.log(4 / 3) + (0.5 * LOG4 + 1.5 * LOG2) / 2)


def test_discriminator_at_chance_has_a_loss_of_two_log_two():
    loss = discriminator_loss(tensor([0.0] * 3), tensor([0.0]), tensor([1.0] * 3))
    assert loss.item() == approx(2 * LOG2)


def test_regularization_loss_by_hand():
    loss = regularization_loss(tensor([LOG3, 0.0]), tensor([1.0, 1.0]))
    assert loss.item() == approx((math.log(4 / 3) + LOG2) / 2)
    loss = regularization_loss(tensor([LOG3, 0.0]), tensor([2.0, 0.0]))
    assert loss.item() == approx(math.log(4 / 3))


def test_regularization_has_a_gradient_where_the_discriminator_is_certain():
    logits = tensor([-40.0]).requires_grad_()
    (gradient,) = gradients([regularization_loss(logits, tensor([1.0]))], [logits])
    assert gradient.item() == approx(-1.0)


# The prior


def test_samples_of_a_normal_prior_are_the_noise():
    prior = Prior(torch.zeros(1, 3), torch.ones(1), 5)
    prior.noise = prior.draw(4, torch.Generator().manual_seed(0))[2]
    assert torch.equal(prior.samples(), prior.noise)
    z = torch.ones(2, 3)
    assert torch.equal(prior.with_conditions(z, torch.tensor([1, -1])), z)


def test_mixture_gives_every_component_its_share():
    # 8 samples, half of them labelled; components of 1/4 and 3/4
    prior = Prior(
        tensor([[3.0, 0.0], [0.0, 3.0]]), tensor([0.25, 0.75]), 8, share_labeled=0.5
    )
    first, second = [3.0, 0.0], [0.0, 3.0]
    assert prior.samples().tolist() == [
        [*first, 1, 0, 0],
        *[[*second, 0, 1, 0]] * 3,
        [*first, 0, 0, 1],
        *[[*second, 0, 0, 1]] * 3,
    ]
    codes = prior.with_conditions(
        tensor([[7.0, 8.0], [5.0, 6.0]]), torch.tensor([1, -1])
    )
    assert codes.tolist() == [[7, 8, 0, 1, 0], [5, 6, 0, 0, 1]]


def test_prior_draws_standard_normal_numbers():
    prior = Prior(torch.zeros(1, 4), torch.ones(1), 50)
    noise = prior.draw(64, torch.Generator().manual_seed(0))
    assert noise.shape == (64, 50, 4)
    assert abs(noise.mean().item()) < 0.03
    assert abs(noise.std().item() - 1) < 0.03
    assert not torch.equal(noise[0], noise[1])


# The update steps, by hand


def worked_by_hand(**settings):
    """Return a network whose code and emotion logits are the standardised features."""
    prior = Prior(torch.zeros(1, 2).double(), torch.ones(1), 2)
    prior.noise = tensor([[LOG3, 0.0], [0.0, 0.0]])
    return AutoencoderNetwork(
        nn.Sequential(Standardize(tensor([1.0, 0.0]), tensor([2.0, 1.0]))),
        nn.Identity(),
        identity(2),
        identity(2),
        linear_of([[1.0, 0.0], [0.0, 0.0]]),
        linear_of([[1.0, 0.0]]),
        prior,
        Emotions(2),
        **settings,
    ).double()


def speaker_head_of(weight):
    """Return a linear speaker head with a given weight, (n_speakers, n_in)."""
    head = SpeakerHead(len(weight[0]), len(weight), torch.Generator()).double()
    with torch.no_grad():
        head.layers[-1].weight.copy_(tensor(weight))
    return head


def items(terms):
    return {name: term.item() for name, term in terms.items()}


ROWS = tensor([[1 + 2 * LOG3, 0.0], [1.0, 3.0]])  # standardised: (log 3, 0), (0, 3)


def test_reconstruct_by_hand():
    y = Labels(row_weight=tensor([1.0, 1.0]))
    terms = worked_by_hand().loss("reconstruct", ROWS, y, 0.0)
    assert items(terms) == approx({"reconstruction": 9 / 2 / 2})
    y = Labels(row_weight=tensor([2.0, 0.0]))
    terms = worked_by_hand().loss("reconstruct", ROWS, y, 0.0)
    assert terms["reconstruction"].item() == approx(0.0)


def test_discriminate_and_regularize_by_hand():
    y = Labels(row_weight=tensor([1.0, 1.0]), emotion=torch.tensor([0, -1]))
    terms = worked_by_hand().loss("discriminate", ROWS, y, 0.0)
    # D is 3/4 and 1/2, of codes and samples alike
    of_samples, of_codes = (math.log(4 / 3) + LOG2) / 2, (LOG4 + LOG2) / 2
    assert items(terms) == approx({"discriminator": of_samples + of_codes})
    terms = worked_by_hand().loss("regularize", ROWS, y, 0.0)
    assert items(terms) == approx({"regularization": of_samples})


def test_supervise_by_hand_with_missing_labels():
    network = worked_by_hand(
        speaker_head=speaker_head_of([[1.0, 0.0], [0.0, 1.0]]),
        gender_head=linear_of([[0.0, 0.0], [1.0, 0.0]]),
    )
    y = Labels(
        emotion=torch.tensor([0, -1]),
        emotion_weight=tensor([2.0, 0.0]),
        speaker=torch.tensor([1, -1]),
        speaker_weight=tensor([2.0, 0.0]),
        gender=torch.tensor([-1, 1]),
        gender_weight=tensor([0.0, 2.0]),
    )
    terms = network.loss("supervise", ROWS, y, 0.0)
    expected = {"emotion": math.log(4 / 3), "speaker": LOG4, "gender": LOG2}
    assert items(terms) == approx(expected)


def test_reconstruction_is_of_bounded_features():
    network = worked_by_hand()
    network.inputs.append(Clip(2.0).double())
    y = Labels(row_weight=tensor([1.0, 1.0]))
    terms = network.loss("reconstruct", ROWS, y, 0.0)
    assert items(terms) == approx({"reconstruction": 4 / 2 / 2})


def test_class_code_by_hand():
    network = worked_by_hand(
        class_discriminator=linear_of([[LOG3, 0.0]]),
        classes=tensor([[1.0, 0.0], [0.0, 1.0]]),
    )
    y = Labels(row_weight=tensor([1.0]), emotion=torch.tensor([0]))
    x = ROWS[:1]  # its emotions have the probabilities 3/4 and 1/4
    assert network.encoder(x)[0].tolist() == approx([LOG3, 0, 3 / 4, 1 / 4])
    logit = 3 / 4 * LOG3
    terms = network.loss("discriminate", x, y, 0.0)
    assert terms["class_discriminator"].item() == approx(
        (math.log(4 / 3) + LOG2) / 2 + math.log1p(math.exp(logit))
    )
    terms = network.loss("regularize_class", x, y, 0.0)
    assert items(terms) == approx(
        {"class_regularization": math.log1p(math.exp(-logit))}
    )


# The update steps of any network


def random_network(*, mixture=False, class_code=False, **settings):
    """Return a network of 5 features, 3 emotions, 4 speakers and 2 genders."""
    generator = torch.Generator().manual_seed(0)
    shares = tensor([0.5, 0.25, 0.25])
    if mixture:
        prior = Prior(3 * torch.eye(3, 4).double(), shares, 8, share_labeled=0.6)
    else:
        prior = Prior(torch.zeros(1, 4).double(), torch.ones(1), 8)
    prior.noise = prior.draw(1, generator)[0]
    n_conditions = prior.conditions.shape[1]
    heads = {
        "speaker_head": SpeakerHead(4, 4, generator),
        "gender_head": linear(4, 2, None),
    }
    if class_code:
        heads["class_discriminator"] = nn.Sequential(*mlp((3, 5), generator))
        heads["class_discriminator"].append(linear(5, 1, None))
        heads["classes"] = torch.eye(3).double()
    network = AutoencoderNetwork(
        nn.Sequential(Standardize(tensor([0.1] * 5), tensor([1.5] * 5))),
        mlp((5, 6), generator),
        linear(6, 4, generator),
        linear(6 if class_code else 4, 3, None),
        nn.Sequential(*mlp((7 if class_code else 4, 6), generator), linear(6, 5, None)),
        nn.Sequential(*mlp((4 + n_conditions, 5), generator), linear(5, 1, None)),
        prior,
        Emotions(3),
        **heads,
        **settings,
    ).double()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 2 and not parameter.any():  # output layers start at 0
                parameter.normal_(generator=generator)
    return network


def random_batch(n=7):
    """Return rows, some without an emotion, a speaker or a gender."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    codes = {
        "emotion": torch.tensor([0, 1, 2, -1, -1, 0, 1])[:n],
        "speaker": torch.tensor([0, 1, -1, 2, 3, -1, 1])[:n],
        "gender": torch.tensor([0, -1, 1, 1, 0, 1, -1])[:n],
    }
    weights = {f"{name}_weight": weight * (codes[name] >= 0) for name in codes}
    return x, Labels(row_weight=weight, **codes, **weights)


NETWORKS = [
    {},
    {"mixture": True},
    {"class_code": True},
    {"mixture": True, "class_code": True},
]
every_step = pytest.mark.parametrize(
    ("kind", "step"),
    [(kind, step) for kind in NETWORKS for step in random_network(**kind).steps],
)


@every_step
def test_steps_have_the_gradient_of_finite_differences(kind, step):
    network = random_network(**kind)
    x, y = random_batch()
    parameters = network.step_parameters(step)

    def loss():
        return sum(network.loss(step, x, y, 1.0).values())

    assert_gradients(loss, parameters, atol=1e-7)


@pytest.mark.parametrize("kind", NETWORKS)
def test_each_step_reaches_its_parameters_and_all_steps_reach_all(kind):
    network = random_network(**kind)
    x, y = random_batch()
    reached = set()
    for step in network.steps:
        parameters = network.step_parameters(step)
        found = gradients(network.loss(step, x, y, 1.0).values(), parameters)
        assert all(gradient.any() for gradient in found), step
        reached |= {id(parameter) for parameter in parameters}
    assert reached == {id(parameter) for parameter in network.parameters()}


def descend(network, step, x, y, lr):
    parameters = network.step_parameters(step)
    found = gradients(network.loss(step, x, y, 1.0).values(), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter -= lr * gradient


@every_step
def test_each_step_lowers_its_loss_and_changes_its_parameters_alone(kind, step):
    network = random_network(**kind)
    x, y = random_batch()
    before = copy.deepcopy(network)
    descend(network, step, x, y, lr=1e-3)
    loss_before, loss = (
        sum(n.loss(step, x, y, 1.0).values()).item() for n in (before, network)
    )
    assert loss < loss_before
    changed = {id(parameter) for parameter in network.step_parameters(step)}
    for ours, theirs in zip(network.parameters(), before.parameters(), strict=True):
        assert torch.equal(ours, theirs) == (id(ours) not in changed)


def test_discriminator_and_encoder_change_codes_in_opposite_directions():
    network = random_network()
    network.prior.noise = network.prior.noise + 3  # samples far from the codes
    x, y = random_batch()

    def looks_real():
        codes = network.prior.with_conditions(network.encode(x)[0], y.emotion)
        return (network.discriminator(codes)[:, 0] * y.row_weight).mean().item()

    start = looks_real()
    descend(network, "discriminate", x, y, lr=0.01)
    middle = looks_real()
    assert middle < start
    descend(network, "regularize", x, y, lr=0.01)
    assert looks_real() > middle


@pytest.mark.parametrize("head", ["speaker", "gender"])
@pytest.mark.parametrize("weight", [0.3, -0.3, 0.0])
def test_weight_of_a_head_scales_and_signs_the_gradient_of_the_encoder(head, weight):
    x, y = random_batch()
    found = {}
    for own in (1.0, weight):
        network = random_network(**{f"{head}_weight": own})
        term = network.loss("supervise", x, y, 1.0)[head]
        encoder = [*network.body.parameters(), *network.code_layer.parameters()]
        own_head = list(getattr(network, f"{head}_head").parameters())
        found[own] = gradients([term], encoder), gradients([term], own_head)
    for helped, scaled in zip(found[1.0][0], found[weight][0], strict=True):
        assert helped.any()
        torch.testing.assert_close(scaled, weight * helped)
    for helped, scaled in zip(found[1.0][1], found[weight][1], strict=True):
        torch.testing.assert_close(scaled, helped)


@pytest.mark.parametrize("kind", NETWORKS)
def test_encoder_and_emotion_head_alone_have_a_penalty_and_no_biases(kind):
    network = random_network(**kind)
    names = {id(p): name for name, p in network.named_parameters()}
    for step in network.steps:
        found = {names[id(parameter)] for parameter in network.penalized(step)}
        main = {"body.0.weight", "code_layer.weight", "emotion_head.weight"}
        assert found == (main if step == "supervise" else set())


# What a fit learns


@kinds
def test_fit_learns_emotions_and_sets_its_attributes(toy, kind):
    ours = fitted(toy, max_epochs=60, lr=0.005, **kind)
    assert ours.score(toy.X, toy.y) > 0.9
    assert list(ours.classes_) == ["anger", "neutral", "sadness"]
    assert list(ours.speakers_) == list(pd.unique(toy.speakers))
    assert set(ours.genders_) == {"female", "male"}
    assert ours.n_iter_ == len(ours.history_) == 60
    probability = ours.predict_proba(toy.X)
    np.testing.assert_allclose(probability.sum(1), 1)
    assert np.isfinite(ours.history_.to_numpy(dtype=float)).all()


@kinds
def test_fit_changes_every_parameter_and_keeps_the_code_alive(toy, kind):
    earlier = fitted(toy, max_epochs=1, **kind).net_.module_.state_dict()
    many = fitted(toy, max_epochs=60, **kind)
    for name, values in many.net_.module_.state_dict().items():
        if name.endswith((".weight", ".bias")):
            assert not torch.equal(values, earlier[name]), name
    assert (many.transform(toy.X)[:, :6].std(axis=0) > 0.1).all()


def test_history_holds_every_term(toy):
    history = fitted(toy, categorical_code=True).history_
    found = {name[6:-5] for name in history if name.endswith("_loss")}
    assert found - {""} == {
        *("reconstruction", "discriminator", "class_discriminator"),
        *("regularization", "class_regularization", "emotion", "speaker", "gender"),
    }


def test_speaker_and_gender_are_learned_as_tasks_and_hidden_from_an_adversary(toy):
    settings = {"max_epochs": 80, "lr": 0.005, "speaker_weight": 1.0}
    helped = fitted(toy, gender_weight=1.0, **settings)
    hindered = fitted(toy, speaker_task="adversarial", **settings)
    losses = [ser.history_["train_speaker_loss"].iloc[-1] for ser in (helped, hindered)]
    assert losses[0] < 0.85
    assert losses[1] > LOG4 - 0.15  # hardly better than a guess among four
    assert (helped.predict_speaker(toy.X) == toy.speakers).mean() > 0.8
    assert (helped.predict_gender(toy.X) == genders_of(toy.speakers)).mean() > 0.9


@pytest.mark.parametrize("speaker_task", ["auxiliary", "adversarial"])
def test_weight_0_of_the_tasks_is_the_network_without_them(toy, speaker_task):
    ours = fitted(toy, speaker_task=speaker_task, speaker_weight=0.0, gender_weight=0.0)
    theirs = small(speaker_task=None).fit(*toy)
    assert_same_fit(ours, theirs, toy.X)


def test_weight_0_of_the_steps_is_the_plain_network_bit_for_bit(toy):
    class ConstantRate(AdversarialNetwork):
        def lr_decay(self, progress):
            return 1.0

    class Plain(AdversarialSER):
        def _build_network(self, utterances, labels, task, standardize, generator):
            layers, width = self._hidden_layers(8, generator)
            inputs = self._input_layers(standardize)
            encoder = nn.Sequential(*inputs, *layers, linear(width, 6, generator))
            support = torch.ones(3, 4)
            risk = EmpiricalRisk().set_up(task, 6, support, generator)
            return ConstantRate(encoder, linear(6, 3, None), risk)

    settings = {"clip": 2.0, "dropout": 0.0, "alpha": 0.04, "lr": 0.001}
    plain = Plain(None, hidden_layer_sizes=(16,), embedding_dim=6, **settings)
    plain.set_params(max_epochs=4, random_state=0).fit(*toy)
    settings |= {"reconstruction_weight": 0.0, "prior_weight": 0.0}
    ours = small(speaker_task=None, **settings).fit(*toy)
    assert_same_fit(ours, plain, toy.X)


def test_module_has_its_columns_in_the_order_of_classes(toy):
    ours = fitted(toy, max_epochs=40)
    logits = ours.net_.module_(torch.from_numpy(toy.X)).detach().numpy()
    np.testing.assert_array_equal(ours.classes_[logits.argmax(1)], ours.predict(toy.X))
    np.testing.assert_array_equal(logits, ours.decision_function(toy.X))
    assert ours.score(toy.X, toy.y) > 0.8


def test_own_encoder_is_the_hidden_layer(toy):
    class Squares(nn.Module):
        def forward(self, x):
            return x.square()

    ours = fitted(toy, encoder=Squares(), clip=1.5)
    assert isinstance(ours.net_.module_.body[0], Squares)
    extreme = ours.transform(10 + 0 * toy.X[:1])
    np.testing.assert_array_equal(extreme, ours.transform(100 + 0 * toy.X[:1]))


@pytest.mark.parametrize(
    "changed",
    [
        {"reconstruction_weight": 0.1},
        {"prior_weight": 0.1},
        {"speaker_weight": 1.0},
        {"gender_weight": 1.0},
        {"discriminator_lr_scale": 1.0},
        {"prior": "mixture"},
        {"categorical_code": True},
        {"clip": 1.0},
        {"alpha": 1.0},
    ],
)
def test_every_setting_reaches_the_code(toy, changed):
    ours = fitted(toy, **changed).transform(toy.X)[:, :6]
    assert np.abs(ours - fitted(toy).transform(toy.X)).max() > 1e-6


def test_radius_and_class_weight_reach_the_code(toy):
    for kind, name in (
        ({"prior": "mixture"}, "prior_radius"),
        ({"categorical_code": True}, "categorical_weight"),
    ):
        one, two = (
            fitted(toy, **kind, **{name: value}).transform(toy.X) for value in (0.5, 4)
        )
        assert np.abs(one - two).max() > 1e-6


# Codes and prior


def energy_distance(a, b):
    """Return 2 E|a - b| - E|a - a'| - E|b - b'|: 0 for equal distributions."""
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


@pytest.fixture(scope="module")
def emodb():
    data = load_emodb()
    return data.data, data.target, data.speakers, data.genders


def code_of(emodb, **settings):
    X, y, speakers, genders = emodb
    settings = {"prior_weight": 1.0, "embedding_dim": 8, "random_state": 0, **settings}
    ours = AutoencoderSER(**settings).fit(X, y, speakers, genders=genders)
    return ours, ours.transform(X)


def root_mean_square(values):
    return np.sqrt(np.mean(np.square(values)))


# Enough to converge, with little regularisation
LONG = {"clip": None, "dropout": 0.3, "alpha": 0.001, "lr": 0.003, "max_epochs": 100}


def test_codes_of_real_speech_approach_the_prior(emodb):
    normal = np.random.default_rng(0).standard_normal((1000, 8))
    _, untrained = code_of(emodb, lr=1e-9, max_epochs=1)
    _, free = code_of(emodb, prior_weight=0.0)
    ours, codes = code_of(emodb, **LONG)
    distances = [energy_distance(z, normal) for z in (untrained, free, codes)]
    assert distances[2] < 0.2 * min(distances[:2])
    means, deviations = (
        [root_mean_square(moment(z, axis=0)) for z in (free, codes)]
        for moment in (np.mean, np.std)
    )
    assert means[1] < 0.4 < means[0]
    assert 0.8 < deviations[1] < 1.4 < deviations[0]

    # and the discriminator is neither at chance nor certain
    losses = ours.history_["train_discriminator_loss"]
    assert losses.min() < 2 * LOG2 - 0.1
    assert 0.7 < losses.iloc[-1] < 2 * LOG2
    # while features and emotion can still be predicted from the code
    assert ours.history_["train_reconstruction_loss"].iloc[-1] < 0.6
    assert ours.score(*emodb[:2]) > 0.8


def test_labelled_codes_go_to_their_component_of_the_mixture(emodb):
    X, y, *_ = emodb
    _, codes = code_of(emodb, prior="mixture", **{**LONG, "random_state": 2})
    centers = np.array([codes[y == emotion].mean(axis=0) for emotion in np.unique(y)])
    on_own_axis = np.eye(4, dtype=bool)
    assert centers[:, :4][on_own_axis].min() > 2
    assert np.abs(centers[:, :4][~on_own_axis]).max() < 1.5
    assert root_mean_square(centers[:, 4:]) < 1
    # rows without a label are matched with samples whose emotion D does not get
    kept = np.arange(len(X)) % 2 == 0
    half = AutoencoderSER(
        "mixture", pseudo_labels=False, max_epochs=1, speaker_task=None
    )
    half.fit(X[kept], y[kept], X_unlabeled=X[~kept])
    assert half.net_.module_.prior.sample_conditions.sum(0)[-1] == approx(64 / 2, abs=1)


def test_class_code_looks_like_certain_classes_in_their_shares(emodb):
    X, y, speakers, _ = emodb
    labeled = np.arange(len(X)) % 4 == 0
    certainty = {}
    for weight in (0.0, 1.0):
        ours = AutoencoderSER(
            categorical_code=True,
            categorical_weight=weight,
            pseudo_labels=False,
            prior_weight=1.0,
            discriminator_lr_scale=1.0,
            clip=None,
            dropout=0.3,
            alpha=0.001,
            max_epochs=40,
            random_state=1,
        ).fit(X[labeled], y[labeled], speakers[labeled], X_unlabeled=X[~labeled])
        codes = ours.transform(X[~labeled])[:, ours.embedding_dim :]
        np.testing.assert_allclose(codes, ours.predict_proba(X[~labeled]), atol=1e-6)
        certainty[weight] = codes.max(axis=1).mean()
    assert certainty[1.0] > 0.93 > 0.85 > certainty[0.0]
    shares = [(y[labeled] == emotion).mean() for emotion in ours.classes_]
    np.testing.assert_allclose(codes.mean(axis=0), shares, atol=0.15)


def test_collapsed_code_is_warned_about(toy):
    with pytest.warns(CollapseWarning, match=r"nearly the same.*`prior_weight`"):
        fitted(toy, X=np.ones_like(toy.X), speaker_task=None)


def test_discriminator_without_errors_is_warned_about(emodb):
    settings = {"discriminator_lr_scale": 4.0, "embedding_dim": 32, "max_epochs": 30}
    with pytest.warns(CollapseWarning, match="lower `discriminator_lr_scale`") as seen:
        code_of(emodb, prior_weight=0.03, **settings)
    assert [warning.filename for warning in seen] == [__file__]
    code_of(emodb, prior_weight=0.0, **settings)  # no warning without the step


class Interrupt(Callback):
    """Stop the training in the middle of its first epoch, as Ctrl-C does."""

    def on_batch_end(self, net, **kwargs):
        """Interrupt the epoch."""
        raise KeyboardInterrupt


def test_interrupted_training_has_no_collapse_warning(toy):
    with pytest.raises(KeyboardInterrupt):
        small(callbacks=[Interrupt()]).fit(*toy)


# What else it returns


@kinds
def test_decoder_gives_the_features_back_in_their_units(toy, kind):
    X = 1000 * toy.X + 5000
    settings = {"max_epochs": 40, "lr": 0.01, "embedding_dim": 8, "clip": None}
    ours = fitted(toy, X=X, **settings, **kind)
    decoded = ours.inverse_transform(ours.transform(X))
    assert decoded.shape == X.shape
    error = np.square((decoded - X) / X.std(axis=0)).mean(axis=1)
    np.testing.assert_allclose(ours.reconstruction_error(X), error, rtol=1e-6)
    assert error.mean() < 0.6


def test_reconstruction_error_warns_of_another_corpus(emodb):
    X, y, speakers, _ = emodb
    known = speakers != "03"
    ours = AutoencoderSER(random_state=0).fit(X[known], y[known], speakers[known])
    shuffled = np.random.default_rng(0).permuted(X[~known], axis=0)
    new_speaker = ours.reconstruction_error(X[~known])
    assert ours.reconstruction_error(X[known]).mean() < new_speaker.mean()
    assert ours.reconstruction_error(shuffled).mean() > 1.3 * new_speaker.mean()


@pytest.mark.parametrize(
    ("kind", "share"), [("mixture", 0.7), ("class code", 0.45), ("both", 0.8)]
)
def test_samples_of_an_emotion_are_classified_as_it(toy, kind, share):
    settings = {"batch_size": 16, "lr": 0.003, "discriminator_lr_scale": 1.0}
    ours = fitted(toy, max_epochs=100, random_state=1, **settings, **KINDS[kind])
    for emotion in ours.classes_:
        X = ours.sample(200, emotion, random_state=0)
        assert X.shape == (200, 8)
        assert (ours.predict(X) == emotion).mean() > share
    anything = ours.predict(ours.sample(600, random_state=0))
    assert pd.Series(anything).value_counts(normalize=True).min() > 0.15


def test_the_number_of_epochs_is_a_number(toy):
    with pytest.raises(ValueError, match="'max_epochs' parameter of AutoencoderSER"):
        AutoencoderSER(max_epochs=None).fit(*toy)


def test_samples_of_a_normal_prior_are_like_the_features(toy):
    ours = fitted(toy, X=100 * toy.X + 7, max_epochs=60, lr=0.005)
    X = ours.sample(500, random_state=0)
    np.testing.assert_array_equal(X, ours.sample(500, random_state=0))
    assert not np.array_equal(X, ours.sample(500, random_state=1))
    assert ours.sample().shape == (1, 8)
    expected = 100 * toy.X + 7
    assert np.abs(X.mean(0) - expected.mean(0)).max() < 0.8 * expected.std(0).min()
    with pytest.raises(ValueError, match=r'`emotion` is .anger.*`prior="mixture"`'):
        ours.sample(3, "anger")


def test_samples_of_an_unknown_emotion(toy):
    with pytest.raises(ValueError, match=r"`emotion` is 'joy'; .*'anger', 'neutral'"):
        fitted(toy, prior="mixture").sample(3, "joy")


def test_codes_of_another_width(toy):
    with pytest.raises(ValueError, match="`X` has 5 columns and the code has 6"):
        fitted(toy).inverse_transform(np.zeros((2, 5)))


@pytest.mark.parametrize("speaker_task", ["adversarial", None])
@pytest.mark.parametrize("speaker_weight", [0, 0.1])
def test_speaker_is_not_predicted_without_the_task(toy, speaker_task, speaker_weight):
    ours = fitted(toy, speaker_task=speaker_task, speaker_weight=speaker_weight)
    with pytest.raises(ValueError, match=r"4 known speakers.*auxiliary"):
        ours.predict_speaker(toy.X)


def test_gender_is_not_predicted_without_genders(toy):
    with pytest.raises(ValueError, match=r"with 0 known genders.*`genders` to fit"):
        small().fit(*toy).predict_gender(toy.X)


@pytest.mark.parametrize(
    "method",
    ["predict_speaker", "predict_gender", "reconstruction_error", "inverse_transform"],
)
def test_not_fitted(toy, method):
    with pytest.raises(NotFittedError):
        getattr(small(), method)(toy.X)


# Labels that are missing


def test_missing_genders_count_in_no_loss(toy):
    genders = genders_of(toy.speakers).astype(object)
    wrong = np.where(genders == "male", "female", "male")
    missing = np.arange(120) % 3 > 0
    settings = {"batch_size": 200}
    some = np.where(missing, None, genders)
    ours = small(**settings).fit(*toy, genders=some)
    others = small(**settings).fit(*toy, genders=np.where(missing, wrong, genders))
    assert set(ours.genders_) == {"female", "male"}
    assert not np.allclose(ours.transform(toy.X), others.transform(toy.X))
    with_nan = small(**settings).fit(*toy, genders=np.where(missing, np.nan, some))
    assert_same_fit(ours, with_nan, toy.X)


def test_unlabelled_rows_count_in_reconstruction_speaker_and_gender(toy):
    genders = genders_of(toy.speakers)
    X_unlabeled = toy.X[60:] + 1
    labels = {
        "speakers_unlabeled": ["new"] * 30 + [None] * 30,
        "genders_unlabeled": ["male", None] * 30,
    }
    fits = [
        small().fit(*toy, genders=genders, X_unlabeled=X_unlabeled, **labels),
        small().fit(*toy, genders=genders, X_unlabeled=X_unlabeled),
        small().fit(*toy, genders=genders),
    ]
    codes = [ser.transform(toy.X) for ser in fits]
    assert not np.array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[1], codes[2])
    assert list(fits[0].speakers_) == [*pd.unique(toy.speakers), "new"]
    assert list(fits[1].speakers_) == list(pd.unique(toy.speakers))


@pytest.mark.parametrize(
    ("speaker_task", "n_speakers"), [("auxiliary", 4), ("adversarial", 5)]
)
def test_unknown_speakers_are_one_more_speaker_to_an_adversary_alone(
    toy, speaker_task, n_speakers
):
    ours = small(speaker_task=speaker_task).fit(*toy, X_unlabeled=toy.X[:30])
    assert ours.net_.module_.speaker_head.support.shape[1] == n_speakers
    assert list(ours.speakers_) == list(pd.unique(toy.speakers))


def test_unlabelled_rows_lower_the_error_of_their_corpus(toy):
    """The features of the other corpus are correlated in another way."""
    rng = np.random.default_rng(0)
    other = 2 * rng.normal(size=(300, 1)) + 0.3 * rng.normal(size=(300, 8))
    settings = {"max_epochs": 60, "embedding_dim": 3}
    alone = small(**settings).fit(*toy)
    with_both = small(**settings).fit(*toy, X_unlabeled=other[:200])
    held_out = other[200:]
    assert (
        with_both.reconstruction_error(held_out).mean()
        < 0.5 * alone.reconstruction_error(held_out).mean()
    )


def test_labels_that_do_not_fit(toy):
    with pytest.raises(ValueError, match="`genders` has 7 entries and `X` has 120"):
        small().fit(*toy, genders=["male"] * 7)
    with pytest.raises(ValueError, match="`genders_unlabeled` is given without `X_unl"):
        small().fit(*toy, genders_unlabeled=["male"] * 7)


@pytest.mark.parametrize("speaker_task", ["auxiliary", "adversarial"])
@pytest.mark.parametrize("speakers", [None, ["one"] * 120])
def test_without_two_speakers_there_is_no_speaker_task(toy, speaker_task, speakers):
    match = f"`speaker_task='{speaker_task}'` needs two known speakers"
    with pytest.warns(NoSpeakersWarning, match=match) as caught:
        ours = small(speaker_task=speaker_task).fit(toy.X, toy.y, speakers)
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_fit(ours, small(speaker_task=None).fit(toy.X, toy.y), toy.X)


# Weights, names, refits, copies


@kinds
@pytest.mark.parametrize("factor", [0, 2])
def test_sample_weight_counts_as_repetitions(toy, kind, factor):
    weight = np.where((np.arange(120) < 30) | (np.arange(120) % 2 == 0), 1, factor)
    settings = {"batch_size": 300, "dropout": 0.0, "max_epochs": 10, **kind}
    weighted = small(**settings).fit(
        *toy, genders=genders_of(toy.speakers), sample_weight=weight
    )
    X, y, speakers = (np.repeat(part, weight, axis=0) for part in toy)
    repeated = small(**settings).fit(X, y, speakers, genders=genders_of(speakers))
    for method in ("predict_proba", "transform"):
        ours, theirs = (getattr(ser, method)(toy.X) for ser in (weighted, repeated))
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


@kinds
def test_refit_gives_the_same_bits_and_another_seed_does_not(toy, kind):
    ours = fitted(toy, **kind)
    first = pickle.loads(pickle.dumps(ours))
    assert_same_fit(first, fitted(toy, **kind), toy.X)
    again = clone(ours).fit(*toy, genders=genders_of(toy.speakers))
    assert_same_fit(again, first, toy.X)
    other = fitted(toy, random_state=1, **kind)
    assert not np.array_equal(other.transform(toy.X), first.transform(toy.X))


@kinds
def test_renamed_speakers_and_genders_change_no_bit(toy, kind):
    names = {"s1": "z", "s2": "m", "s3": "a", "s10": "k"}
    speakers = [names[speaker] for speaker in toy.speakers]
    genders = np.where(genders_of(toy.speakers) == "male", 1, 0)
    ours = small(**kind).fit(toy.X, toy.y, speakers, genders=genders)
    assert_same_fit(ours, fitted(toy, **kind), toy.X)


@pytest.mark.parametrize("kind", ["normal", "adversarial"])
def test_renamed_emotions_change_rounding_alone(toy, kind):
    emotions = {"anger": 3, "neutral": 1, "sadness": 2}
    y = [emotions[emotion] for emotion in toy.y]
    ours, theirs = fitted(toy, y=y, **KINDS[kind]), fitted(toy, **KINDS[kind])
    np.testing.assert_allclose(
        ours.predict_proba(toy.X)[:, [2, 0, 1]], theirs.predict_proba(toy.X), atol=1e-7
    )
    renamed = [emotions[emotion] for emotion in theirs.predict(toy.X)]
    np.testing.assert_array_equal(ours.predict(toy.X), renamed)


@kinds
def test_float32_agrees_with_float64(toy, kind):
    single = fitted(toy, X=toy.X.astype(np.float32), **kind)
    double = fitted(toy, **kind)
    assert single.transform(toy.X).dtype == np.float32
    assert single.inverse_transform(single.transform(toy.X)).dtype == np.float32
    assert single.sample(2, random_state=0).dtype == np.float32
    np.testing.assert_allclose(
        single.predict_proba(toy.X), double.predict_proba(toy.X), atol=1e-4
    )


@pytest.mark.filterwarnings("ignore::advser.exceptions.CollapseWarning")
@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e30, 1e150])
def test_extreme_features_never_give_nan(toy, factor):
    X = toy.X * factor
    ours = fitted(toy, X=X)
    for found in (ours.predict_proba(X), ours.transform(X), ours.sample(3)):
        assert np.isfinite(found).all()


@kinds
def test_copy_goes_on_as_the_original(toy, kind):
    genders = genders_of(toy.speakers)
    original = fitted(toy, warm_start=True, **kind)
    other = pickle.loads(pickle.dumps(original))
    before = original.transform(toy.X)
    other.fit(*toy, genders=genders)
    np.testing.assert_array_equal(original.transform(toy.X), before)
    assert_same_fit(original.fit(*toy, genders=genders), other, toy.X)
    assert original.n_iter_ == 8
    scale = original.net_.optimizer_.param_groups[1]["lr"]
    assert scale == approx(0.2 * original.lr)


def test_early_stopping_sets_speakers_aside(toy):
    ours = fitted(toy, early_stopping=True, validation_fraction=0.5)
    assert len(ours.speakers_) == 2
    assert ours.history_["valid_uar"].between(0, 1).all()


@pytest.mark.filterwarnings("ignore::advser.exceptions.ConfoundedSpeakersWarning")
@kinds
def test_early_stopping_may_leave_an_emotion_for_the_validation(toy, kind):
    for seed in range(2):  # each emotion has a speaker of its own
        ours = small(early_stopping=True, random_state=seed, **kind)
        with pytest.warns(CorpusWarning, match="cannot learn the classes"):
            ours.fit(toy.X, toy.y, speakers=toy.y)
        assert np.isfinite(ours.predict_proba(toy.X)).all()


def test_code_has_names(toy):
    ours = small(categorical_code=True).set_output(transform="pandas").fit(*toy)
    names = [f"autoencoderser{i}" for i in range(6 + 3)]
    assert list(ours.transform(toy.X).columns) == names


# Stacked searches


@kinds
def test_search_agrees_with_separate_fits(toy, kind):
    X, y, speakers = toy
    labels = {
        "speakers": speakers,
        "genders": genders_of(speakers),
        "X_unlabeled": X[:40] + 0.5,
        "genders_unlabeled": ["female", None] * 20,
    }
    grid = [
        {"prior_weight": [0.3], "reconstruction_weight": [0.0, 1.0]},
        {"speaker_weight": [0.5], "discriminator_lr_scale": [0.1, 1.0]},
        {"prior_radius": [4.0], "random_state": [1]},
        {"gender_weight": [1.0], "alpha": [0.0, 0.3], "clip": [1.0]},
        {"lr": [0.01], "dropout": [0.5]},
    ]
    rows = np.arange(len(X))
    few, many = np.isin(speakers, ["s1", "s2"]), speakers != "s10"
    cv = [(rows[mask], rows[~mask]) for mask in (few, many)]
    estimator = small(batch_size=32, max_epochs=4, **kind)
    scores = []
    for search in (GridSearchCV, StackedGridSearchCV):
        found = search(
            estimator, grid, cv=cv, scoring="neg_log_loss", error_score="raise"
        ).fit(X, y, **labels)
        results = pd.DataFrame(found.cv_results_).filter(regex=r"^split\d+_")
        scores.append(results.to_numpy())
    assert np.isfinite(scores[0]).all()
    assert len(np.unique(scores[0].round(6))) > 10
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)


def test_search_over_kinds_of_network(toy):
    X, y, speakers = toy
    grid = {
        "prior": ["normal", "mixture"],
        "categorical_code": [False, True],
        "speaker_task": ["auxiliary", "adversarial", None],
    }
    search = StackedGridSearchCV(small(max_epochs=2), grid, cv=GroupKFold(2))
    search.fit(X, y, groups=speakers, speakers=speakers)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_stacked_heads_of_different_numbers_of_speakers(toy):
    search = StackedGridSearchCV(
        small(speaker_weight=1.0, max_epochs=40),
        {"random_state": [0, 1]},
        cv=LeaveOneGroupOut(),
    ).fit(*toy[:2], groups=toy.speakers, speakers=toy.speakers)
    predicted = search.best_estimator_.predict_speaker(toy.X)
    assert (predicted == toy.speakers).mean() > 0.6


# Errors


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("prior", "uniform"),
        ("prior_weight", -1.0),
        ("prior_radius", -1.0),
        ("categorical_code", "yes"),
        ("categorical_weight", -1.0),
        ("reconstruction_weight", -1.0),
        ("speaker_task", "none"),
        ("speaker_weight", -1.0),
        ("gender_weight", -1.0),
        ("discriminator_hidden_layer_sizes", 64),
        ("discriminator_lr_scale", -0.2),
    ],
)
def test_parameter_out_of_range(toy, parameter, value):
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of Aut"):
        small(**{parameter: value}).fit(*toy)


@pytest.mark.parametrize(
    "parameter", ["hidden_layer_sizes", "discriminator_hidden_layer_sizes"]
)
def test_layer_of_no_width(toy, parameter):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of Aut"):
        small(**{parameter: (0,)}).fit(*toy)


def test_mixture_needs_an_axis_for_each_emotion(toy):
    with pytest.raises(ValueError, match="`embedding_dim` is 2 and there are 3 emot"):
        small(prior="mixture", embedding_dim=2).fit(*toy)


def test_a_small_penalty_leaves_a_code_without_a_head_as_it_is():
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    norms = [
        AutoencoderSER(
            categorical_code=True,
            speaker_task=None,
            alpha=alpha,
            max_epochs=20,
            random_state=0,
        )
        .fit(X, y, speakers=speakers)
        .net_.module_.code_layer.weight.norm()
        .item()
        for alpha in (0.0, 1e-6)
    ]
    assert norms[1] == pytest.approx(norms[0], rel=0.05)


def test_genders_in_two_notations_are_refused(toy):
    genders = np.where(np.arange(len(toy.y)) % 2, "male", "female")
    with pytest.raises(ValueError, match="`genders` and `genders_unlabeled`"):
        AutoencoderSER(max_epochs=1).fit(
            toy.X,
            toy.y,
            speakers=toy.speakers,
            genders=np.arange(len(toy.y)) % 2,
            X_unlabeled=toy.X,
            genders_unlabeled=genders,
        )


def test_unlabelled_rows_of_unknown_speakers_are_used_with_early_stopping(toy):
    labeled = np.arange(len(toy.y)) % 3 == 0
    ser = AutoencoderSER(early_stopping=True, max_epochs=3, random_state=0)
    with pytest.warns(NoSpeakersWarning):
        alone = ser.fit(toy.X[labeled], toy.y[labeled]).predict_proba(toy.X)
    with pytest.warns(NoSpeakersWarning):
        ser.fit(toy.X[labeled], toy.y[labeled], X_unlabeled=toy.X[~labeled])
    assert np.abs(ser.predict_proba(toy.X) - alone).max() > 1e-3
