"""The engine: it takes the update steps of any network on every row."""

import copy
import pickle
from functools import partial
from itertools import chain

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    Callback,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    Unfreezer,
)
from small_networks import Interrupt, random_batch, random_network, ready, terms_of
from torch import nn

from advser import objectives
from advser._engine import (
    Adam,
    Fit,
    Labels,
    Network,
    Rows,
    StepwiseNet,
    ValidationScores,
    as_tensor,
    run_together,
)
from advser._engine._data import batch_order
from advser._engine._net import BLOCK, block_length
from advser.methods._adversarial_network import AdversarialNetwork
from advser.nn import Dropout, linear, mlp
from advser.objectives import EmpiricalRisk


class Duel(Network):
    """Two update steps that share a middle layer; it records its batches."""

    steps = ("attack", "attack", "defend")

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.front = linear(1, 2, generator)
        self.middle = linear(2, 2, generator)
        self.back = linear(2, 1, generator)
        self.seen = []

    def step_parameters(self, step):
        """Return the parameters of a step."""
        layers = {
            "attack": [self.middle, self.front],
            "defend": [self.back, self.middle],
        }
        return [p for layer in layers[step] for p in layer.parameters()]

    def loss(self, step, x, y, progress):
        """Return the term of a step: one draws the output to 1, the other to 0."""
        self.seen.append((step, x.flatten().tolist(), y, progress))
        out = self.back(self.middle(self.front(x))).mean()
        return {"win": (out - 1) ** 2} if step == "attack" else {"lose": out**2 / 2}


def rows(n, n_labeled=None):
    x = torch.arange(float(n))[:, None]
    return Rows(
        x, Labels(emotion=torch.arange(n)), n if n_labeled is None else n_labeled
    )


def net_of(module, *, seed=0, **settings):
    settings = {"max_epochs": 3, "batch_size": 4, "lr": 0.01, "verbose": 0, **settings}
    return StepwiseNet(
        module,
        criterion=nn.Identity,
        optimizer=Adam,
        order_generator=torch.Generator().manual_seed(seed),
        noise_generator=torch.Generator().manual_seed(seed + 1),
        train_split=None,
        **settings,
    )


def state_of(module):
    return copy.deepcopy(module.state_dict())


def changed(module, state):
    """Return the names of the parameters that differ from an earlier state."""
    now = module.state_dict()
    return {name for name in now if not torch.equal(now[name], state[name])}


# Batches


@pytest.mark.parametrize("batch_size", [1, 4, 5, 100])
def test_batches_are_full_and_hold_each_row_in_an_epoch(batch_size):
    """The last batch is filled up with rows that came first."""
    net = net_of(Duel(), batch_size=batch_size).fit((rows(11), None))
    shown = [x for step, x, _, _ in net.module_.seen if step == "defend"]
    n_batches = -(-11 // batch_size)
    assert len(shown) == 3 * n_batches
    assert {len(x) for x in shown} == {min(batch_size, 11)}
    epochs = [
        list(chain(*shown[i : i + n_batches])) for i in range(0, len(shown), n_batches)
    ]
    for epoch in epochs:
        assert sorted(epoch[:11]) == list(range(11))
        assert epoch[11:] == epoch[: len(epoch) - 11]
    assert epochs[0] != epochs[1] != epochs[2]


def test_batches_keep_rows_and_labels_together():
    net = net_of(Duel()).fit((rows(11), None))
    for _, x, y, _ in net.module_.seen:
        assert y.emotion.tolist() == x


def test_batches_of_more_rows_than_one_block():
    net = net_of(Duel(), batch_size=2, max_epochs=1).fit((rows(301), None))
    shown = [x for step, x, _, _ in net.module_.seen if step == "defend"]
    assert len(shown) == 151
    assert sorted(list(chain(*shown))[:301]) == list(range(301))


@pytest.mark.parametrize("n_labeled", [10, 32, 50])
def test_batches_share_the_unlabelled_rows_evenly(n_labeled):
    net = net_of(Duel(), batch_size=8).fit((rows(64, n_labeled), None))
    for _, x, _, _ in net.module_.seen:
        n_unlabeled = sum(value >= n_labeled for value in x)
        assert abs(n_unlabeled - 8 * (64 - n_labeled) / 64) <= 1


def test_order_follows_the_generator():
    orders = [
        batch_order(50, n_labeled, 10, torch.Generator().manual_seed(seed)).tolist()
        for n_labeled in (50, 20)
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert orders[3] == orders[4] != orders[5]


# Update steps


def test_steps_are_taken_in_order_on_every_batch():
    net = net_of(Duel()).fit((rows(11), None))
    seen = net.module_.seen
    assert [step for step, *_ in seen] == ["attack", "attack", "defend"] * 9
    for i in range(0, len(seen), 3):
        assert seen[i][1] == seen[i + 1][1] == seen[i + 2][1]


def test_progress_runs_from_0_towards_1():
    net = net_of(Duel()).fit((rows(11), None))
    progress = [float(p) for step, *_, p in net.module_.seen if step == "defend"]
    assert progress == pytest.approx([i / 9 for i in range(9)])


@pytest.mark.parametrize(
    ("steps", "layers"),
    [
        (("attack",), {"front", "middle"}),
        (("defend",), {"back", "middle"}),
        (("attack", "defend"), {"front", "middle", "back"}),
    ],
)
def test_steps_change_their_own_parameters_alone(steps, layers):
    module = Duel()
    module.steps = steps
    before = state_of(module)
    net = net_of(module).fit((rows(8), None))
    assert changed(net.module_, before) == {
        f"{layer}.{name}" for layer in layers for name in ("weight", "bias")
    }


def plain_training(module, batches, n_epochs, lr=0.01):
    """Train as the engine should, by torch alone: an optimizer per step."""
    optimizers = {
        step: torch.optim.Adam(module.step_parameters(step), lr=lr)
        for step in module.steps
    }
    losses = []
    for i, (x, y) in enumerate(batches):
        for step in module.steps:
            optimizers[step].zero_grad()
            terms = terms_of(module, step, x, y, i / len(batches))
            parameters = module.step_parameters(step)
            gradients = torch.autograd.grad(
                sum(terms.values()),
                parameters,
                allow_unused=True,
                materialize_grads=True,
            )
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            (group,) = optimizers[step].param_groups
            group["lr"] = lr * module.lr_decay(i / len(batches))
            optimizers[step].step()
        losses.append({name: loss.item() for name, loss in terms.items()})
    n_batches = len(batches) // n_epochs
    return [
        {
            name: np.mean([loss[name] for loss in losses[i : i + n_batches]])
            for name in terms
        }
        for i in range(0, len(losses), n_batches)
    ]


def batches_seen(module):
    """Return the batches of a Duel that was trained."""
    return [
        (torch.tensor(x)[:, None], y)
        for step, x, y, _ in module.seen
        if step == "defend"
    ]


def test_training_is_that_of_one_optimizer_per_step():
    theirs = Duel()
    net = net_of(Duel()).fit((rows(11), None))
    losses = plain_training(theirs, batches_seen(net.module_), 3)
    for ours, expected in zip(net.module_.parameters(), theirs.parameters()):
        torch.testing.assert_close(ours.detach(), expected.detach())
    recorded = net.history[:, "train_lose_loss"]
    assert recorded == pytest.approx([epoch["lose"] for epoch in losses], rel=1e-5)


@pytest.mark.parametrize(
    "objective",
    [
        EmpiricalRisk(),
        objectives.GradientReversal(steps=3),
        objectives.MaxEntropy(),
        objectives.Confusion(conditional=True),
        objectives.ClosedForm(conditional=True),
        objectives.MMD(),
        objectives.GroupDRO(),
    ],
    ids=repr,
)
def test_training_of_objectives_is_that_of_one_optimizer_per_step(objective):
    x, y = random_batch(9)
    ours, theirs = (random_network(objective) for _ in range(2))
    # one batch an epoch: the order of its rows changes no mean
    net_of(ours, batch_size=9, max_epochs=20).fit((Rows(x, y, 9), None))
    plain_training(theirs, [(x, y)] * 20, 20)
    for name, values in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], values)


def test_penalty_is_the_squared_norm_of_the_weights():
    """An L2 term in the loss gives the same training as `alpha`."""
    x, y = random_batch(9)

    class Penalized(AdversarialNetwork):
        def loss(self, step, shared, y, progress):
            squares = sum(p.square().sum() for p in self.penalized(step))
            return {**super().loss(step, shared, y, progress), "l2": 0.15 * squares}

    ours, theirs = (random_network(EmpiricalRisk()) for _ in range(2))
    theirs = Penalized(theirs.encoder, theirs.emotion_head, theirs.objective)
    net_of(ours, batch_size=9, max_epochs=20, alpha=0.3).fit((Rows(x, y, 9), None))
    plain_training(theirs, [(x, y)] * 20, 20)
    for name, values in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], values)


def test_frozen_parameters_stay_as_they_are():
    module = Duel()
    module.middle.requires_grad_(False)
    before = state_of(module)
    net = net_of(module, alpha=0.1).fit((rows(11), None))
    assert changed(net.module_, before) == {
        f"{layer}.{name}" for layer in ("front", "back") for name in ("weight", "bias")
    }


def test_history_holds_every_term_of_the_loss():
    net = net_of(Duel()).fit((rows(11), None))
    assert len(net.history) == 3
    for epoch in net.history:
        # the terms of the last step make up the loss that callbacks read
        assert epoch["train_loss"] == epoch["train_lose_loss"]
        assert np.isfinite(epoch["train_win_loss"])
        assert epoch["train_batch_count"] == 3


# Copies go on as the original


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_copied_net_trains_on_as_the_original(copied):
    net = net_of(Duel()).fit((rows(11), None))
    other = copied(net)
    before = state_of(net.module_)
    for trained in (net, other):
        trained.partial_fit((rows(11), None))
    assert changed(net.module_, before) == set(before)
    assert not changed(other.module_, net.module_.state_dict())
    assert len(other.history) == 6


@pytest.mark.parametrize("copied", [False, True])
def test_pickled_net_is_no_larger_than_it_must_be(copied):
    x = torch.zeros(8, 100)
    encoder = mlp((100, 100, 100, 100), torch.Generator())
    objective = ready(EmpiricalRisk(), 3, 100).float()
    module = AdversarialNetwork(encoder, linear(100, 3, None), objective)
    net = net_of(module, max_epochs=1)
    zeros = torch.zeros(8, dtype=torch.int64)
    y = Labels(emotion=zeros, emotion_weight=torch.ones(8))
    net.fit((Rows(x, y, 8), None))
    if copied:
        net = copy.deepcopy(net)
    n_bytes = 4 * sum(parameter.numel() for parameter in module.parameters())
    # skorch pickles the module twice; the optimizer holds its runs and two moments
    assert len(pickle.dumps(net)) < 5.5 * n_bytes


def test_training_goes_on_where_it_stopped():
    # two optimizer states, so that a forgotten one would show
    whole = net_of(Duel(), max_epochs=4).fit((rows(11), None))
    parts = net_of(Duel(), max_epochs=2).fit((rows(11), None))
    parts.partial_fit((rows(11), None))
    assert not changed(parts.module_, whole.module_.state_dict())


@pytest.mark.parametrize("gamma", [None, 0.5])
def test_learning_rate_falls_from_what_a_callback_sets_and_starts_again(gamma):
    used = []

    class Recording(Adam):
        def step(self):
            used.append({group["lr"] for group in self.param_groups})
            super().step()

    halved = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=gamma)
    callbacks = [halved] if gamma else []
    net = net_of(random_network(EmpiricalRisk()), max_epochs=4, callbacks=callbacks)
    rows = Rows(*random_batch(), 7)
    net.set_params(optimizer=Recording).fit((rows, None))
    shares = (1 + np.cos(np.pi * np.arange(len(used)) / len(used))) / 2
    peaks = 0.01 * (gamma or 1) ** np.repeat(np.arange(4), len(used) // 4)
    assert [min(rates) for rates in used] == pytest.approx(list(peaks * shares))
    assert all(len(rates) == 1 for rates in used)
    if not gamma:
        n = len(used)
        net.partial_fit((rows, None))
        assert used[n:] == used[:n]


def test_copied_net_leaves_the_original_alone():
    net = net_of(Duel()).fit((rows(11), None))
    before = state_of(net.module_)
    copy.deepcopy(net).partial_fit((rows(11), None))
    assert not changed(net.module_, before)


# Callbacks


class Listener(Callback):
    """Record what happens."""

    def __init__(self):
        self.calls = []

    def on_batch_begin(self, net, batch, training, **kwargs):
        """Record the batch."""
        self.calls.append(("begin", len(batch[0]), training))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Record the gradient."""
        self.calls.append(
            ("gradient", {name: p.grad.clone() for name, p in named_parameters})
        )

    def on_batch_end(self, net, batch, training, loss, **kwargs):
        """Record the loss."""
        self.calls.append(
            ("end", loss.item(), net.history[-1, "batches", -1, "train_loss"])
        )


def test_batch_callbacks_are_called_for_every_batch_and_step():
    listener = Listener()
    net_of(Duel(), max_epochs=1, callbacks=[listener]).fit((rows(6), None))
    kinds = [kind for kind, *_ in listener.calls]
    assert kinds == ["begin", "gradient", "gradient", "gradient", "end"] * 2
    assert [size for kind, size, *_ in listener.calls if kind == "begin"] == [4, 4]
    for kind, *facts in listener.calls:
        if kind == "end":
            assert facts[0] == facts[1]


def test_gradient_callbacks_get_the_gradient_of_each_step():
    listener = Listener()
    module = Duel()
    x = rows(4).x
    expected = torch.autograd.grad(
        module.loss("attack", x, Labels(), 0.0)["win"], list(module.front.parameters())
    )
    net_of(module, max_epochs=1, callbacks=[listener]).fit((rows(4), None))
    gradients = [facts[0] for kind, *facts in listener.calls if kind == "gradient"]
    attack = {"front.weight", "front.bias", "middle.weight", "middle.bias"}
    defend = {"back.weight", "back.bias", "middle.weight", "middle.bias"}
    assert [set(gradient) for gradient in gradients] == [attack, attack, defend]
    torch.testing.assert_close(gradients[0]["front.weight"], expected[0])
    torch.testing.assert_close(gradients[0]["front.bias"], expected[1])


def test_batch_callbacks_change_no_bit_of_the_training():
    quiet = net_of(Duel()).fit((rows(11), None))
    watched = net_of(Duel(), callbacks=[Listener()]).fit((rows(11), None))
    assert not changed(watched.module_, quiet.module_.state_dict())
    assert watched.history[:, "train_loss"] == quiet.history[:, "train_loss"]


class RemoveGradient(Callback):
    """Set the gradient of one layer to 0: in place, or by another one."""

    def __init__(self, layer, in_place):
        self.layer = layer
        self.in_place = in_place

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Replace the gradient of the layer by 0."""
        for name, parameter in named_parameters:
            if name.startswith(self.layer):
                if self.in_place:
                    parameter.grad.zero_()
                else:
                    parameter.grad = torch.zeros_like(parameter)


@pytest.mark.parametrize("in_place", [True, False])
def test_gradient_callbacks_may_change_the_gradient(in_place):
    module = Duel()
    before = state_of(module)
    net = net_of(module, callbacks=[RemoveGradient("front", in_place)])
    net.fit((rows(11), None))
    assert changed(net.module_, before) == {
        f"{layer}.{name}" for layer in ("middle", "back") for name in ("weight", "bias")
    }


def test_gradient_norm_clipping_bounds_every_step():
    class Norms(Listener):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            gradients = [p.grad.flatten() for _, p in named_parameters]
            self.calls.append(torch.cat(gradients).norm().item())

    free, bound = Norms(), Norms()
    net_of(Duel(), callbacks=[free]).fit((rows(11), None))
    clip = GradientNormClipping(0.01)
    net_of(Duel(), callbacks=[clip, bound]).fit((rows(11), None))
    norms = [
        [call for call in n.calls if isinstance(call, float)] for n in (free, bound)
    ]
    assert max(norms[0]) > 0.1
    assert max(norms[1]) <= 0.01 * (1 + 1e-5)


def test_lr_scheduler_changes_every_step():
    scheduler = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1)
    net = net_of(Duel(), callbacks=[scheduler]).fit((rows(11), None))
    assert net.history[:, "event_lr"] == pytest.approx([0.01, 0.001, 0.0001])
    assert len(net.optimizer_.param_groups) == 2
    for group in net.optimizer_.param_groups:
        assert group["lr"] == pytest.approx(1e-5)


@pytest.mark.parametrize("starts_frozen", [False, True])
def test_callback_may_unfreeze_and_freeze_parameters(starts_frozen):
    module = Duel()
    module.middle.requires_grad_(not starts_frozen)
    start = state_of(module)
    kind = Unfreezer if starts_frozen else Freezer
    net = net_of(module, alpha=0.1, max_epochs=2)
    net.set_params(callbacks=[kind("middle.*", at=3)]).fit((rows(11), None))
    half = state_of(module)
    net.partial_fit((rows(11), None))
    middle = {"middle.weight", "middle.bias"}
    rest = set(half) - middle
    assert changed(module, half) == (rest | middle if starts_frozen else rest)
    module.load_state_dict(half)
    assert changed(module, start) == (rest if starts_frozen else rest | middle)


class FreezeSecondBatch(Callback):
    """Freeze a layer before the second batch."""

    def on_batch_begin(self, net, **kwargs):
        """Freeze it."""
        net.module_.middle.requires_grad_(len(net.history[-1, "batches"]) == 1)


def test_callback_may_freeze_parameters_between_batches():
    net = net_of(Duel(), max_epochs=1, callbacks=[FreezeSecondBatch()])
    net.fit((rows(8), None))
    held = net.optimizer_.param_groups[0]["params"]  # of the middle, then of the front
    n_updates = [net.optimizer_.state[parameter]["step"].item() for parameter in held]
    assert n_updates == [2, 2, 4, 4]


def thinned_network():
    network = random_network(EmpiricalRisk())
    network.encoder.append(Dropout(4, 0.5))
    return network.double()


def test_interrupt_is_raised_and_leaves_a_network_ready_to_predict():
    x, y = random_batch(20)
    network = thinned_network()
    net = net_of(network, callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        net.fit((Rows(x, y, len(x)), None))
    assert not network.training
    assert len(net.history) == 2
    dropout = network.encoder[-1]
    assert (dropout.noise == 1).all()


# Dropout


class Watch(Callback):
    """Record the mask of the dropout after every batch."""

    def __init__(self):
        self.masks = []

    def on_batch_end(self, net, **kwargs):
        """Record the mask."""
        self.masks.append(tuple((net.module_.encoder[-1].noise > 0).tolist()))


def test_every_batch_has_its_own_dropout_mask():
    x, y = random_batch(40)
    watch = Watch()
    net = net_of(thinned_network(), callbacks=[watch], max_epochs=4)
    net.fit((Rows(x, y, len(x)), None))
    assert len(watch.masks) == 40
    assert len(set(watch.masks)) > 10
    assert net.module_.encoder[-1].noise.tolist() == [1.0] * 4


def test_dropout_masks_do_not_depend_on_the_order_of_the_rows():
    x, y = random_batch(40)
    found = []
    for seed in (0, 5):
        watch = Watch()
        net = net_of(thinned_network(), callbacks=[watch])
        generator = torch.Generator().manual_seed(seed)
        net.set_params(order_generator=generator)
        net.fit((Rows(x, y, len(x)), None))
        found.append(watch.masks)
    assert found[0] == found[1]


def test_layers_of_torch_draw_the_same_numbers_in_every_fit():
    found = []
    x, y = random_batch(40)
    for _ in range(2):
        torch.rand(1)  # must not matter
        network = random_network(EmpiricalRisk())
        network.encoder.append(nn.Dropout(0.5))
        state = torch.get_rng_state()
        net_of(network).fit((Rows(x, y, 40), None))
        assert torch.equal(torch.get_rng_state(), state)
        found.append(state_of(network))
    for name, values in found[0].items():
        assert torch.equal(values, found[1][name])


# Validation


def test_validation_scores_by_hand():
    network = random_network(EmpiricalRisk())
    x, y = random_batch(20)
    emotion = torch.tensor([0, 0, 0, 1, 1])
    labels = Labels(emotion=emotion, emotion_weight=torch.ones(5))
    valid = Rows(torch.eye(5, dtype=torch.float64), labels, len(emotion))
    net = net_of(network, callbacks=[ValidationScores()], max_epochs=5)
    net.fit((Rows(x, y, len(x)), valid))
    with torch.no_grad():
        probability = network(valid.x).softmax(1)
    right = probability[torch.arange(5), emotion]
    hits = (probability.argmax(1) == emotion).double()
    last = net.history[-1]
    assert last["valid_loss"] == pytest.approx(-right.log().mean().item())
    expected = (hits[:3].mean().item() + hits[3:].mean().item()) / 2
    assert last["valid_uar"] == pytest.approx(expected)
    for name, best in [("valid_loss", np.minimum), ("valid_uar", np.maximum)]:
        scores = net.history[:, name]
        records = np.r_[
            True, best.accumulate(scores)[1:] != best.accumulate(scores)[:-1]
        ]
        assert net.history[:, f"{name}_best"] == records.tolist()


# Memory


def test_rows_of_a_read_only_array_need_no_copy(tmp_path):
    array = np.arange(6.0).reshape(3, 2)
    array.flags.writeable = False
    tensor = as_tensor(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor.tolist() == array.tolist()

    np.save(tmp_path / "rows.npy", array)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    tensor = as_tensor(mapped)
    assert tensor.data_ptr() == mapped.ctypes.data
    del mapped  # the tensor keeps the file open
    assert tensor.tolist() == array.tolist()


def test_rows_of_a_writeable_array_share_its_memory():
    array = np.zeros((3, 2), dtype=np.float32)
    tensor = as_tensor(array)
    array[0, 0] = 5
    assert tensor[0, 0].item() == 5


def test_a_pipeline_whose_last_step_is_no_estimator_is_fitted():
    X = np.arange(6.0).reshape(3, 2)
    pipeline = make_pipeline(StandardScaler(), "passthrough")

    def job():
        yield Fit(pipeline, partial(pipeline.fit, X))
        return pipeline.transform(X)

    (scaled,) = run_together([job()])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)


def test_noise_that_needs_many_numbers_is_drawn_in_short_blocks():
    assert block_length([]) == BLOCK
    assert block_length([Dropout(8, 0.5), Dropout(5632, 0.5)]) == 11
    assert block_length([Dropout(880_000, 0.5)]) == 1
