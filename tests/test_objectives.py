"""What every objective inherits: the package's own, and one that a user writes."""

import inspect
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from small_networks import random_batch, random_network, terms_of
from tensors import gradients
from torch import nn

import advser.objectives
from advser import AdversarialSER, AdversarialSERRegressor
from advser.exceptions import CollapseWarning, NoSpeakersWarning
from advser.methods._adversarial_base import OBJECTIVES
from advser.nn import classification_loss, linear, reverse_gradient
from advser.objectives import (
    CORAL,
    MMD,
    ClosedForm,
    Confusion,
    EmpiricalRisk,
    GradientReversal,
    GroupDRO,
    MaxEntropy,
    Objective,
    VREx,
)

NAMES = sorted(OBJECTIVES)


class SpeakerTask(Objective):
    """A user's objective, with modules of its own: gradient reversal in few lines."""

    def __init__(self, weight=1.0, width=5):
        self.weight = weight
        self.width = width

    def build(self, embedding_dim, n_speakers, generator):
        """Make the speaker head."""
        self.head = nn.Sequential(
            linear(embedding_dim, self.width, generator),
            nn.ReLU(),
            linear(self.width, n_speakers, generator),
        )

    def loss(self, h, output, y, progress):
        """Return the losses of the emotion and of the speaker head."""
        logits = self.head(reverse_gradient(h, self.weight))
        return {
            "emotion": self.task.loss(output, y),
            "speaker": classification_loss(logits, y.speaker, y.speaker_weight),
        }


class TorchLayers(SpeakerTask):
    """The same with layers of torch, which draw from its global generator."""

    def build(self, embedding_dim, n_speakers, generator):
        """Make the speaker head."""
        self.head = nn.Sequential(
            nn.Linear(embedding_dim, 9), nn.Dropout(0.5), nn.Linear(9, n_speakers)
        )


ALL = {
    **{name: OBJECTIVES[name]() for name in NAMES},
    "closed form, conditional": ClosedForm(conditional=True),
    "grl, conditional": GradientReversal(conditional=True, steps=1, bounded=False),
    "entropy, conditional": MaxEntropy(conditional=True),
    "confusion, conditional": Confusion(conditional=True),
    "user": SpeakerTask(),
}
every_objective = pytest.mark.parametrize("objective", ALL.values(), ids=ALL)


def small(adversary="closed_form", **settings):
    settings = {"hidden_layer_sizes": (8,), "embedding_dim": 6, **settings}
    return AdversarialSER(
        adversary, **{"max_epochs": 4, "batch_size": 32, "random_state": 0, **settings}
    )


def codes_of(adversary, toy, **settings):
    return small(adversary, **settings).fit(*toy).transform(toy.X)


# Names


def test_every_objective_of_the_package_has_a_name():
    public = {getattr(advser.objectives, name) for name in advser.objectives.__all__}
    classes = {c for c in public if inspect.isclass(c) and issubclass(c, Objective)}
    assert classes - {Objective, EmpiricalRisk} == set(OBJECTIVES.values())


def test_signature_of_an_objective_lists_its_parameters():
    assert list(inspect.signature(MMD).parameters) == ["weight", "bandwidths"]
    assert not inspect.signature(EmpiricalRisk).parameters


@pytest.mark.parametrize("name", NAMES)
def test_name_stands_for_the_objective_with_its_defaults(toy, name):
    np.testing.assert_array_equal(codes_of(name, toy), codes_of(ALL[name], toy))


def test_default_is_the_closed_form(toy):
    assert AdversarialSER().adversary == "closed_form"
    assert AdversarialSERRegressor().adversary == "closed_form"


# Fits


@every_objective
def test_fit_learns_emotions_of_new_speakers(toy, objective):
    new = toy.speakers == "s1"
    settings = {"max_epochs": 80, "lr": 0.02, "noise": 0.0, "dropout": 0.0}
    ser = small(objective, **settings)  # eight units, which do without noise
    ser.fit(toy.X[~new], toy.y[~new], toy.speakers[~new])
    assert ser.score(toy.X[new], toy.y[new]) > 0.7
    assert np.isfinite(ser.history_.select_dtypes(float)).all(axis=None)
    assert (ser.transform(toy.X).std(axis=0) > 0.01).mean() >= 0.5


@every_objective
def test_fit_learns_ratings(toy, objective):
    y = toy.X[:, :2].copy()
    y[::7, 1] = np.nan
    ser = AdversarialSERRegressor(objective, max_epochs=40, lr=0.01, random_state=0)
    ser.fit(toy.X, y, toy.speakers)
    assert np.corrcoef(ser.predict(toy.X)[:, 0], y[:, 0])[0, 1] > 0.7


@every_objective
def test_fit_changes_all_its_parameters(toy, objective):
    few, many = (
        small(objective, max_epochs=n, lr=lr).fit(*toy).net_.module_
        for n, lr in ((1, 1e-12), (5, 0.01))
    )
    before = dict(few.named_parameters())
    for name, after in many.named_parameters():
        assert (after - before[name]).abs().max() > 1e-4, name


@every_objective
def test_objective_changes_the_embedding(toy, objective):
    shift = np.abs(codes_of(objective, toy) - codes_of(None, toy)).max()
    assert shift > 1e-6


@every_objective
def test_fit_leaves_the_objective_as_it_was(toy, objective):
    before = objective.get_params()
    small(objective).fit(*toy)
    assert objective.get_params() == before
    assert not list(objective.parameters())
    assert not list(objective.buffers())
    assert clone(objective).get_params() == before


@pytest.mark.parametrize(
    "objective", [*ALL.values(), TorchLayers()], ids=[*ALL, "layers of torch"]
)
def test_refit_gives_the_same_bits_and_touches_no_global_state(toy, objective):
    first = codes_of(objective, toy)
    torch.rand(3)  # must not matter
    state = torch.get_rng_state()
    np.testing.assert_array_equal(codes_of(objective, toy), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.array_equal(codes_of(objective, toy, random_state=1), first)


@every_objective
def test_without_speakers_the_network_is_the_plain_one(toy, objective):
    with pytest.warns(NoSpeakersWarning, match="needs two known speakers and has 0"):
        ours = small(objective).fit(toy.X, toy.y)
    np.testing.assert_array_equal(ours.transform(toy.X), codes_of(None, toy))


def test_module_as_a_parameter_is_copied(toy):
    head = nn.Linear(6, 4)
    before = head.weight.detach().clone()
    objective = OwnHead(head)
    first = codes_of(objective, toy)
    np.testing.assert_array_equal(codes_of(objective, toy), first)
    assert torch.equal(head.weight, before)


class OwnHead(Objective):
    """An objective with a module as its parameter."""

    def __init__(self, head):
        self.head = head

    def loss(self, h, output, y, progress):
        """Return the loss of the emotion and the variance of the head."""
        return {"emotion": self.task.loss(output, y), "size": self.head(h).var()}


# Rows that must have no influence


@every_objective
def test_rows_of_unknown_speakers_do_not_enter_the_terms_of_the_speakers(objective):
    network = random_network(objective)
    x, y = random_batch(14)
    y.speaker_weight[4] = 0  # as for a row of weight 0
    changed = x.clone()
    changed[[2, 4]] += 5
    of_emotion = {"emotion", "variance"}  # that of VREx is of losses of the emotion
    steps = dict.fromkeys(network.steps)
    for step in steps:
        before, after = (terms_of(network, step, rows, y, 0.5) for rows in (x, changed))
        for name in set(before) - of_emotion:
            torch.testing.assert_close(after[name], before[name])
    x.requires_grad_()
    terms = terms_of(network, "train", x, y, 0.5)
    terms = {name: terms[name] for name in set(terms) - of_emotion}
    if terms:
        (to_x,) = gradients(terms.values(), [x])
        assert not to_x[[2, 4]].any()
        assert to_x[0].any()


@every_objective
def test_emotions_of_unknown_speakers_are_learnt(toy, objective):
    speakers, y = toy.speakers.astype(object), toy.y.copy()
    unknown = np.arange(120) % 4 == 1
    speakers[unknown] = None
    y[unknown] = np.roll(y[unknown], 1)
    ours, theirs = (
        small(objective).fit(toy.X, labels, speakers).transform(toy.X)
        for labels in (toy.y, y)
    )
    assert np.abs(ours - theirs).max() > 1e-3


@every_objective
@pytest.mark.parametrize("speakers_of_them", ["known", "unknown"])
def test_rows_of_weight_0_have_no_influence(toy, objective, speakers_of_them):
    gone = np.arange(120) % 4 == 1
    other = toy.X.copy()
    other[gone] = 50 - 3 * other[gone]
    speakers = toy.speakers.astype(object)
    if speakers_of_them == "unknown":
        speakers[gone] = None
    ours, theirs = (
        small(objective)
        .fit(X, toy.y, speakers, sample_weight=1.0 - gone)
        .transform(toy.X)
        for X in (toy.X, other)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@every_objective
def test_scale_of_the_weights_does_not_matter(toy, objective):
    weight = np.linspace(0.5, 2, 120)
    ours, theirs = (
        small(objective).fit(*toy, sample_weight=w).transform(toy.X)
        for w in (weight, 1000 * weight)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


# Parameters

CHANGES = {
    ClosedForm: {"weight": 3.0, "penalty": 5.0, "ramp": 0.5, "conditional": True},
    GradientReversal: {
        "weight": 3.0,
        "steps": 4,
        "bounded": False,
        "hidden_layer_sizes": (5,),
        "ramp": 0.5,
        "conditional": True,
    },
    MaxEntropy: {
        "weight": 3.0,
        "steps": 4,
        "hidden_layer_sizes": (5,),
        "ramp": 0.5,
        "conditional": True,
    },
    VREx: {"weight": 3.0},
    CORAL: {"weight": 300.0},
    MMD: {"weight": 3.0, "bandwidths": (1.0,)},
    GroupDRO: {"step_size": 3.0},
    SpeakerTask: {"weight": 3.0, "width": 7},
}
CHANGES[Confusion] = CHANGES[MaxEntropy]
PAIRS = [(kind, name) for kind, changes in CHANGES.items() for name in changes]


def test_changes_cover_every_parameter():
    for objective in ALL.values():
        assert set(CHANGES[type(objective)]) == set(objective.get_params())


@pytest.mark.parametrize(
    ("kind", "name"), PAIRS, ids=[f"{kind.__name__}-{name}" for kind, name in PAIRS]
)
def test_every_parameter_changes_the_fit(toy, kind, name):
    plain, other = (
        codes_of(kind(**changes), toy, max_epochs=6)
        for changes in ({}, {name: CHANGES[kind][name]})
    )
    assert np.abs(plain - other).max() > 1e-6


@pytest.mark.parametrize(
    "objective",
    [
        ClosedForm(-1.0),
        ClosedForm(penalty=0.0),
        GradientReversal(steps=0),
        GradientReversal(bounded="yes"),
        MaxEntropy(ramp=-1.0),
        Confusion(conditional="yes"),
        VREx(-1.0),
        CORAL(-1.0),
        MMD(-1.0),
        GroupDRO(-1.0),
    ],
    ids=repr,
)
def test_parameter_out_of_range(toy, objective):
    with pytest.raises(InvalidParameterError, match=type(objective).__name__):
        small(objective).fit(*toy)


def test_tensor_params_that_are_no_parameters(toy):
    class Misnamed(VREx):
        tensor_params = ("factor",)

        def __init__(self, weight=1.0):
            super().__init__(weight)

    message = r"Misnamed names 'factor', which is none of its parameters \['weight'\]"
    with pytest.raises(ValueError, match=message):
        small(Misnamed()).fit(*toy)


@pytest.mark.parametrize("sizes", [(0,), (-3,), (2.5,), ("a",)])
def test_layer_of_no_width(toy, sizes):
    with pytest.raises(ValueError, match="'hidden_layer_sizes' parameter of Grad"):
        small(GradientReversal(hidden_layer_sizes=sizes)).fit(*toy)


def test_set_params_expands_a_name():
    ser = AdversarialSER("grl").set_params(adversary__weight=0.7)
    assert isinstance(ser.adversary, GradientReversal)
    assert ser.adversary.weight == 0.7
    ser = AdversarialSER().set_params(adversary="mmd", adversary__weight=3.0)
    assert isinstance(ser.adversary, MMD)
    assert ser.get_params()["adversary__weight"] == 3.0
    ser.set_params(adversary__weight=4.0)
    assert ser.adversary.weight == 4.0


def test_set_params_expands_a_name_in_a_pipeline():
    pipe = make_pipeline(StandardScaler(), AdversarialSERRegressor("vrex"))
    pipe.set_params(adversarialserregressor__adversary__weight=0.7)
    assert pipe[-1].adversary.weight == 0.7


def test_set_params_of_an_objective_keeps_that_of_a_clone():
    ser = AdversarialSER(VREx(2.0))
    clone(ser).set_params(adversary__weight=5.0)
    assert ser.adversary.weight == 2.0


@pytest.mark.parametrize("adversary", [None, "gan"])
def test_set_params_without_an_objective(adversary):
    with pytest.raises(
        ValueError, match=f"`adversary={adversary!r}` has no parameters"
    ):
        AdversarialSER(adversary).set_params(adversary__weight=1.0)


def test_set_params_with_an_unknown_parameter():
    with pytest.raises(ValueError, match="Invalid parameter 'steps' for estimator"):
        AdversarialSER().set_params(adversary__steps=3)


def test_nested_grid_works_with_the_default(toy):
    search = GridSearchCV(
        small(),
        {"adversary__weight": [0.0, 0.1, 9.0]},
        cv=GroupKFold(4),
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(toy.X, toy.y, groups=toy.speakers, speakers=toy.speakers)
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    assert isinstance(search.best_estimator_.adversary, ClosedForm)


@pytest.mark.parametrize("weight", [None, "auto", [1.0, 2.0]])
def test_weight_of_a_users_objective_may_be_anything(toy, weight):
    class Anything(EmpiricalRisk):
        needs_speakers = True

        def __init__(self, weight):
            self.weight = weight

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(Anything(weight)).fit(*toy)


# The penalty


@pytest.mark.parametrize("name", ["grl", "entropy", "confusion"])
def test_speaker_head_has_no_penalty(toy, name):
    """It learns as well under an `alpha` that leaves the encoder no weights."""
    settings = {"weight": 0.0, "hidden_layer_sizes": ()}
    objective = OBJECTIVES[name](**settings)
    speakers = np.where(np.arange(120) < 100, "often", "rarely")
    noiseless = {"noise": 0.0, "dropout": 0.0}
    ser = small(objective, alpha=1e4, max_epochs=60, lr=0.01, **noiseless)
    module = ser.fit(toy.X, toy.y, speakers).net_.module_
    for layer in (module.encoder[2], module.encoder[4], module.emotion_head):
        assert layer.weight.abs().max() < 0.1
    head = module.objective.speaker_head.layers[-1]
    # The embedding is constant: the head learns the shares of the speakers, 100 of 120.
    probability = torch.softmax(head(torch.from_numpy(ser.transform(toy.X))), 1)
    assert probability[:, 0].mean().item() == pytest.approx(100 / 120, abs=0.03)
    assert head.bias.abs().max() > 0.3


def test_weight_of_the_speaker_head_has_no_penalty(toy):
    """Its update is that without `alpha` while the embedding is the same."""

    class Still(GradientReversal):
        """Encoder and emotion head have no gradient."""

        def loss(self, h, output, y, progress):
            return super().loss(h.detach(), output.detach(), y, progress)

    heads = []
    for alpha in (0.0, 1e4):
        # a learning rate at which Adam moves the encoder by 1e-6 at most
        module = small(Still(steps=3), alpha=alpha, lr=1e-7).fit(*toy).net_.module_
        heads.append(module.objective.speaker_head.layers[-1].weight.detach())
    assert heads[0].abs().max() > 1e-7
    torch.testing.assert_close(heads[1], heads[0], rtol=1e-3, atol=0)


def test_biases_have_no_penalty(toy):
    y = np.where(np.arange(120) < 100, "often", "rarely")
    ser = small(None, alpha=1e4, max_epochs=60, lr=0.01, class_weight=None)
    module = ser.fit(toy.X, y).net_.module_
    assert module.emotion_head.weight.abs().max() < 0.05
    assert module.emotion_head.bias.abs().max() > 0.3
    share = ser.predict_proba(toy.X)[:, 0].mean()
    assert share == pytest.approx(100 / 120, abs=0.03)


# The order of the columns


@pytest.mark.parametrize("names", [["w", "v", "u"], [3, 1, 2], [10.0, 0.0, -7.0]])
@pytest.mark.parametrize("name", [*NAMES, None])
def test_columns_of_the_module_are_in_the_order_of_classes(toy, name, names):
    new_name = dict(zip(["anger", "neutral", "sadness"], names, strict=True))
    y = np.array([new_name[emotion] for emotion in toy.y])
    ser = small(name, max_epochs=20, lr=0.01).fit(toy.X, y, toy.speakers)
    assert list(ser.classes_) == sorted(names)
    with torch.no_grad():
        logits = ser.net_.module_(torch.from_numpy(toy.X))
    found = ser.classes_[logits.argmax(1)]
    np.testing.assert_array_equal(found, ser.predict(toy.X))
    assert (found == y).mean() > 0.5


# Errors


def test_objective_without_a_loss(toy):
    class Nothing(Objective):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no `loss`"):
        small(Nothing()).fit(*toy)


def test_objective_with_steps_without_their_loss(toy):
    class Nothing(SpeakerTask):
        n_adversary_steps = 1

    with pytest.raises(NotImplementedError, match="Nothing has no `adversary_loss`"):
        small(Nothing()).fit(*toy)


def test_objective_with_a_layer_of_unknown_width(toy):
    class Lazy(SpeakerTask):
        def build(self, embedding_dim, n_speakers, generator):
            self.head = nn.LazyLinear(n_speakers)

    with pytest.raises(ValueError, match="`build` of Lazy makes a layer whose width"):
        small(Lazy()).fit(*toy)


@pytest.mark.parametrize("name", ["n_speakers", "support", "training", "membership"])
def test_objective_with_a_parameter_that_would_be_overwritten(toy, name):
    space = {}
    exec(f"def __init__(self, {name}=3):\n    self.{name} = {name}", space)
    taken = type("Taken", (SpeakerTask,), space)
    with pytest.raises(ValueError, match=f"Taken has the parameter '{name}'"):
        small(taken()).fit(*toy)


def test_risks_of_speakers_where_none_is_known_are_that_of_all_rows(toy):
    class Mean(Objective):
        needs_speakers = False

        def loss(self, h, output, y, progress):
            risks, weights = self.speaker_risks(output, y)
            return {"emotion": (risks * weights).sum() / weights.sum()}

    found = small(Mean()).fit(toy.X, toy.y)
    expected = small(None).fit(toy.X, toy.y)
    np.testing.assert_allclose(
        found.predict_proba(toy.X), expected.predict_proba(toy.X), rtol=1e-4
    )


@pytest.mark.parametrize("objective", [GradientReversal, MaxEntropy])
def test_a_warm_start_knows_new_emotions_of_a_speaker(toy, objective):
    speaker, emotion = toy.speakers[0], toy.y[0]
    known = (toy.speakers != speaker) | (toy.y != emotion)
    ser = small(objective(conditional=True)).set_params(warm_start=True)
    ser.fit(toy.X[known], toy.y[known], toy.speakers[known])
    ser.fit(*toy)
    assert ser.history_["train_speaker_loss"].max() < 100


@pytest.mark.parametrize("estimator", [AdversarialSER, AdversarialSERRegressor])
def test_constant_embedding_warns(estimator):
    rng = np.random.default_rng(0)
    X, speakers = rng.normal(size=(60, 4)), np.arange(60) % 3
    ser = estimator(alpha=300.0, lr=0.02, max_epochs=200, random_state=0)
    with pytest.warns(CollapseWarning, match="same for all training rows.*`alpha`"):
        ser.fit(X, X[:, 0] > 0, speakers=speakers)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        ser.set_params(alpha=0.01).fit(X, X[:, 0] > 0, speakers=speakers)


def test_discrepancy_with_few_rows_per_speaker_keeps_the_embedding():
    # Every speaker has two or three rows in a batch, and all have one distribution.
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 300)
    X = rng.normal(size=(600, 6)) + (y == "b")[:, None]
    speakers = rng.integers(30, size=600)
    ser = AdversarialSER("mmd", random_state=0).fit(X, y, speakers=speakers)
    assert ser.score(X, y) > 0.85
