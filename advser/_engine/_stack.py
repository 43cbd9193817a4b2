"""Many networks trained as one: their tensors get a leading axis of networks.

Folds, seeds and numeric hyper-parameters of a search differ in their numbers, not in
what is computed. `fit_stacked` stacks the parameters, buffers and rows of many nets and
takes each update step on all of them at once, by `torch.func.vmap` over the loss of
their network. Every net draws its batches and noise from its own generators, and has
an optimizer state, a history and an early stop of its own, so that it ends as if it had
been fitted alone, up to rounding.
"""

import copy
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch
from skorch.callbacks import EarlyStopping
from torch import nn
from torch.func import functional_call, vmap

from ..nn import Noise
from ._data import Labels, Rows, batch_order, n_batches
from ._net import (
    StepwiseNet,
    ValidationScores,
    block_length,
    changed_parameters,
    gradients_of,
    scaled_lr,
)
from ._structure import NotComparableError, structure


@dataclass
class Job:
    """A net that is to be fitted, and its rows.

    Parameters
    ----------
    net : StepwiseNet

    rows : Rows

    valid_rows : Rows or None
        Rows that early stopping scores.
    """

    net: StepwiseNet
    rows: Rows
    valid_rows: Rows | None = None

    @property
    def batch_size(self) -> int:
        """Rows per batch."""
        return min(self.net.batch_size, len(self.rows))

    @property
    def n_batches(self) -> int:
        """Batches per epoch."""
        return n_batches(len(self.rows), self.batch_size)

    @property
    def datasets(self) -> dict:
        """What callbacks are given."""
        return {"dataset_train": self.rows, "dataset_valid": self.valid_rows}

    @property
    def order_key(self) -> tuple:
        """What jobs are sorted by: the longest epochs first, then equal updates."""
        return -self.n_batches, *self.update_key

    @property
    def update_key(self) -> tuple:
        """What decides the size of an update, and when there are no more."""
        net = self.net
        lrs = tuple(net.lr * net.module.lr_scale(step) for step in net.module.steps)
        return self.n_batches, net.max_epochs, lrs

    def fit(self) -> None:
        """Fit the net alone."""
        self.net.fit((self.rows, self.valid_rows))


def stacking_key(job: Job) -> Hashable | None:
    """Return what jobs must share to be stacked, or None for one that cannot be."""
    net, module = job.net, job.net.module
    known = all(
        type(callback) in (EarlyStopping, ValidationScores)
        for callback in net.callbacks
    )
    can_stack = all(getattr(part, "stackable", True) for part in module.modules())
    if not known or not can_stack:
        return None
    try:
        built = structure(module)
    except NotComparableError:
        return None
    labels = tuple((k, v.shape[1:], v.dtype) for k, v in job.rows.y.by_name().items())
    return (
        built,
        job.batch_size,
        str(net.device),
        job.rows.x.dtype,
        job.rows.x.shape[1:],
        labels,
    )


def fit_stacked(jobs: list[Job]) -> None:
    """Fit nets of equal `stacking_key` together, in place."""
    jobs = sorted(jobs, key=lambda job: job.order_key)
    for job in jobs:
        job.net.initialize()
        job.net.notify("on_train_begin", X=None, y=None)
    stack = Stack(jobs)
    for epoch in range(max(job.net.max_epochs for job in jobs)):
        for job in stack.jobs:
            job.net.notify("on_epoch_begin", **job.datasets)
        for job, record in zip(stack.jobs, stack.run_epoch(epoch)):
            for name, value in record.items():
                job.net.history.record(name, value)
        ended = [stack.ends_epoch(i) for i in range(len(stack.jobs))]
        last = [job.net.max_epochs == epoch + 1 for job in stack.jobs]
        stack.let_go([i for i, ends in enumerate(zip(ended, last)) if any(ends)])
        if not stack.jobs:
            break
    for job in jobs:
        job.net.module_.eval()
        job.net.notify("on_train_end", X=None, y=None)


class Stack:
    """Networks that train together: tensors with an axis of networks in front.

    Networks with fewer batches than others have none left at the end of an epoch. They
    come last, so that what still trains is always a slice from the start.

    Parameters
    ----------
    jobs : list of Job
        Initialised, and sorted by `Job.order_key`.
    """

    def __init__(self, jobs):
        self.jobs = list(jobs)
        net = jobs[0].net
        self.template = _Call(copy.deepcopy(net.module_)).train()
        self.structure = structure(self.template.network)
        self.steps = net.module_.steps
        name_of = {id(p): name for name, p in net.module_.named_parameters()}
        self.changed = {
            step: [name_of[id(parameter)] for parameter in changed]
            for step, changed in changed_parameters(net.module_).items()
        }
        self.penalized = {
            step: {name_of[id(parameter)] for parameter in net.module_.penalized(step)}
            for step in self.changed
        }
        self.parameters = {
            name: _turned(stacked, axes=3).contiguous()
            for name, stacked in self._stack("named_parameters").items()
        }
        self.buffers = self._stack("named_buffers")
        self.noise_layers = {
            name: layer
            for name, layer in net.module_.named_modules()
            if isinstance(layer, Noise)
        }
        self.block_length = block_length([*self.noise_layers.values()])
        self.batches = StackedBatches(self.jobs)
        self.optimizer = self._make_optimizer()

    def run_epoch(self, epoch: int) -> list[dict[str, float]]:
        """Take every step on every batch; return what each net records."""
        n = torch.tensor([job.n_batches for job in self.jobs])
        n_epochs = torch.tensor([job.net.max_epochs for job in self.jobs])
        sums = {}
        for i, (x, y) in enumerate(self.batches):
            n_active = len(x)
            if i % self.block_length == 0:
                noise = self._draw_noise(i)
            now = {
                name: drawn[i % self.block_length, :n_active]
                for name, drawn in noise.items()
            }
            progress = ((epoch + i / n) / n_epochs)[:n_active]
            for name, losses in self._train_step(x, y, progress, now).items():
                if name not in sums:
                    sums[name] = losses.new_zeros(len(self.jobs))
                sums[name][:n_active] += losses
        if epoch == 0:
            self._check_structure()
        means = {name: (total.cpu() / n).tolist() for name, total in sums.items()}
        means["train_batch_count"] = n.tolist()
        return [dict(zip(means, values)) for values in zip(*means.values())]

    def ends_epoch(self, i: int) -> bool:
        """Call the callbacks of a net; return whether one stops its training."""
        job = self.jobs[i]
        if job.net.callbacks:
            self._write_back(i)
        return job.net.ends_epoch(**job.datasets)

    def let_go(self, places) -> None:
        """Give the nets at some places their tensors, and train without them."""
        places = set(places)
        if not places:
            return
        self._check_structure()
        for i in places:
            self._write_back(i)
        stays = [i for i in range(len(self.jobs)) if i not in places]
        self.jobs = [self.jobs[i] for i in stays]
        if not self.jobs:
            return
        states = self._optimizer_states()
        for tensors in (self.parameters, self.buffers):
            for name, stacked in tensors.items():
                tensors[name] = stacked[stays]
        self.batches = StackedBatches(self.jobs)
        self.optimizer = self._make_optimizer()
        for group in self.optimizer.param_groups:
            nets = stays[group["nets"]]
            for name, held in zip(group["names"], group["params"]):
                kept = [states[group["step"], name][i] for i in nets]
                self.optimizer.state[held] = {
                    "step": kept[0]["step"].clone(),
                    "exp_avg": torch.stack([state["exp_avg"] for state in kept]),
                    "exp_avg_sq": torch.stack([state["exp_avg_sq"] for state in kept]),
                }

    def _check_structure(self):
        """Raise an error if the template, which all nets use, is not as it was."""
        if structure(self.template.network) != self.structure:
            raise RuntimeError(
                "a module changes its attributes while it trains; keep its state in "
                "buffers that are changed in place."
            )

    def _stack(self, listing):
        """Return the named tensors of all nets, each with an axis of nets in front."""
        tables = [dict(getattr(job.net.module_, listing)()) for job in self.jobs]
        return {
            name: torch.stack([table[name].detach() for table in tables])
            for name in tables[0]
        }

    @torch.no_grad()
    def _write_back(self, i):
        """Copy parameters and buffers of a net from the stack to its module."""
        module = self.jobs[i].net.module_
        for name, parameter in module.named_parameters():
            parameter.copy_(_turned(self.parameters[name][i]))
        for name, buffer in module.named_buffers():
            buffer.copy_(self.buffers[name][i])

    def _make_optimizer(self):
        """Return an optimizer with a group per step and run of equal updates."""
        net = self.jobs[0].net
        _, settings = net.get_params_for_optimizer("optimizer", ())
        groups = []
        start = 0
        for _, run in groupby(self.jobs, key=lambda job: job.update_key):
            run = list(run)
            nets = slice(start, start + len(run))
            start = nets.stop
            for step, names in self.changed.items():
                group = {
                    "params": [nn.Parameter(self.parameters[k][nets]) for k in names],
                    "lr": run[0].net.lr_of(step),
                    "step": step,
                    "names": names,
                    "nets": nets,
                    "alphas": self.batches.x.new_tensor([j.net.alpha for j in run]),
                }
                groups.append(group)
        return net.optimizer(groups, **settings)

    def _optimizer_states(self):
        """Return the optimizer state of every net, by step and parameter."""
        states = {}
        for group in self.optimizer.param_groups:
            for name, held in zip(group["names"], group["params"]):
                of_nets = states.setdefault((group["step"], name), [])
                state = self.optimizer.state[held]
                for i in range(len(held)):
                    of_nets.append(
                        {k: v[i] if v.dim() else v for k, v in state.items()}
                    )
        return states

    def _train_step(self, x, y, progress, noise):
        """Take the steps on a batch of each active net; return the terms by name."""
        n_active = len(x)
        parameters = {
            name: stacked[:n_active].detach().requires_grad_()
            for name, stacked in self.parameters.items()
        }
        buffers = {name: stacked[:n_active] for name, stacked in self.buffers.items()}
        tensors = parameters, {**buffers, **noise}
        shared = self._over_nets(_shared, tensors, x)
        inputs = shared, y.by_name(), progress.to(x)
        found = {}
        for step in self.steps:
            terms = self._over_nets(partial(_loss, step), tensors, *inputs)
            self._descend(step, parameters, terms, progress)
            for name, losses in terms.items():
                found[f"train_{name}_loss"] = losses.detach()
        found["train_loss"] = sum(terms.values()).detach()
        return found

    def _over_nets(self, function, tensors, *inputs):
        """Return what a function of the network returns, for every net."""

        def call_one(tensors, *inputs):
            parameters, others = tensors
            turned = {name: _turned(values) for name, values in parameters.items()}
            named = {f"network.{k}": v for k, v in {**turned, **others}.items()}
            return functional_call(self.template, named, (function, *inputs))

        return vmap(call_one)(tensors, *inputs)

    def _descend(self, step, parameters, terms, progress):
        """Update the parameters of a step in all active nets."""
        names = self.changed[step]
        gradients = gradients_of(
            sum(losses.sum() for losses in terms.values()),
            [parameters[name] for name in names],
        )
        gradient_of = dict(zip(names, gradients))
        groups = [
            group
            for group in self.optimizer.param_groups
            if group["step"] == step and group["nets"].start < len(progress)
        ]
        for group in groups:
            for name, held in zip(group["names"], group["params"]):
                gradient = gradient_of[name][group["nets"]]
                if name in self.penalized[step]:
                    alpha = group["alphas"].view(-1, *[1] * (held.dim() - 1))
                    gradient = torch.addcmul(gradient, alpha, held.detach())
                # The fused update assumes that both lie in memory in the same order.
                held.grad = gradient.contiguous()
        firsts = [group["nets"].start for group in groups]
        decay = self.template.network.lr_decay
        decays = [decay(progress[first].item()) for first in firsts]
        with scaled_lr(zip(groups, decays)):
            self.optimizer.step()
        for group in groups:
            for held in group["params"]:
                held.grad = None

    def _draw_noise(self, start):
        """Draw the noise of a block of batches from the generators of the nets.

        Returns
        -------
        noise : dict of Tensor of shape (n_batches, n_nets, *shape of the noise)
            By the name of the buffer.
        """
        noise = {}
        if not self.noise_layers:
            return noise
        for i, job in enumerate(self.jobs):
            n_steps = min(self.block_length, max(0, job.n_batches - start))
            modules = dict(job.net.module_.named_modules())
            for name in self.noise_layers:
                buffer = self.buffers[f"{name}.noise"]  # (n_nets, *shape)
                if i == 0:
                    noise[f"{name}.noise"] = buffer.new_zeros(n_steps, *buffer.shape)
                if n_steps:
                    drawn = modules[name].draw(n_steps, job.net.noise_generator)
                    noise[f"{name}.noise"][:n_steps, i] = drawn
        return noise


class StackedBatches:
    """The batches of many nets side by side, each net in its own order.

    Iterating yields the i-th batch of all nets that have so many: x of shape
    (n_active, batch_size, n_features), and labels of shape (n_active, batch_size, ...).

    Parameters
    ----------
    jobs : list of Job
        Those with most batches first.
    """

    def __init__(self, jobs):
        self.jobs = jobs
        device = jobs[0].net.device
        tables = []  # candidates of a search have the rows of a fold in common
        positions = []
        for job in jobs:
            x = job.rows.x
            known = (i for i, table in enumerate(tables) if _are_equal(table, x))
            position = next(known, len(tables))
            if position == len(tables):
                tables.append(x)
            positions.append(position)
        self.x = torch.cat(tables).to(device)
        starts = _starts(tables)
        self.x_start = torch.tensor([starts[i] for i in positions], device=device)
        labels = [job.rows.y.by_name() for job in jobs]
        self.y = {
            name: torch.cat([of_net[name] for of_net in labels]).to(device)
            for name in labels[0]
        }
        self.y_start = torch.tensor(_starts([job.rows for job in jobs]), device=device)

    def __iter__(self):
        n = [job.n_batches for job in self.jobs]
        order = torch.zeros(n[0], len(n), self.jobs[0].batch_size, dtype=torch.int64)
        for i, job in enumerate(self.jobs):
            rows = batch_order(
                len(job.rows),
                job.rows.n_labeled,
                job.batch_size,
                job.net.order_generator,
            )
            order[: n[i], i] = rows.view(n[i], -1)
        order = order.to(self.x.device)
        for i, rows in enumerate(order):
            n_active = sum(n_of_net > i for n_of_net in n)
            rows = rows[:n_active]
            x = _take(self.x, rows + self.x_start[:n_active, None])
            rows = rows + self.y_start[:n_active, None]
            yield x, Labels(**{k: _take(values, rows) for k, values in self.y.items()})


def _starts(tables):
    """Return where each of the concatenated tables starts."""
    starts = [0]
    for table in tables[:-1]:
        starts.append(starts[-1] + len(table))
    return starts


def _are_equal(a, b):
    """Whether two tensors hold the same numbers, in the same memory or not."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.data_ptr() == b.data_ptr() or torch.equal(a, b)


def _take(values, index):
    """Return ``values[index]``, several times faster."""
    taken = values.index_select(0, index.flatten())
    return taken.view(*index.shape, *values.shape[1:])


def _turned(values, axes=2):
    """Return the transpose of a matrix, or of a stack of these, anything else as it is.

    Weights are stacked transposed, since their gradients are computed so. Copying these
    takes 7 % of a search.
    """
    return values.mT if values.dim() == axes else values


class _Call(nn.Module):
    """A network whose call is any function of it, as `functional_call` needs.

    A buffer must be changed in place: a tensor assigned to it would be lost.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network
        # Private: `named_buffers` takes 12 microseconds in place of 0.4 for the default
        # network, in every call, and leaves out a buffer that is None at first.
        tables = [module._buffers for module in network.modules()]
        self.places = [(table, name) for table in tables for name in table]

    def forward(self, function, *inputs):
        before = [table[name] for table, name in self.places]
        returned = function(self.network, *inputs)
        for (table, name), buffer in zip(self.places, before):
            if table[name] is not buffer:
                raise RuntimeError(
                    f"the buffer `{name}` is assigned another tensor; change it in "
                    "place, as by `copy_`."
                )
        return returned


def _shared(network, x):
    return network.shared(x)


def _loss(step, network, shared, y, progress):
    return network.loss(step, shared, Labels(**y), progress)
