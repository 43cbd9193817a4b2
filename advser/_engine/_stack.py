"""Many networks of one architecture, trained as one: the models are a leading axis.

Folds, seeds and numeric hyper-parameters of a search differ in their numbers, not in
what is computed. `fit_stacked` therefore stacks the parameters, buffers and rows of
many nets, and plays each move of the game on all of them at once: `torch.func.vmap`
over the very loss of their module, whose operations are recorded on the first batch
and repeated on the others. Each net ends as if it had been fitted alone. It draws its
batches and dropout masks from its own generators, and has an optimizer state, a
history and an early stop of its own.
"""

import copy
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
from skorch.callbacks import EarlyStopping
from torch import nn
from torch.func import functional_call

from ..nn import Noise
from ._net import (
    BLOCK,
    BLOCK_ROWS,
    Rows,
    StepwiseNet,
    StopEarly,
    ValidationScores,
)
from ._recording import record

__all__ = ["Job", "fit_stacked", "stacking_key"]


class Job(NamedTuple):
    """A net that is to be fitted, and its rows."""

    net: StepwiseNet
    rows: Rows
    valid_rows: Rows | None

    def notify_epoch(self, event):
        """Tell the callbacks of the net that an epoch begins or ends."""
        self.net.notify(event, dataset_train=self.rows, dataset_valid=self.valid_rows)

    def stops(self):
        """End an epoch; return whether a callback ends the training with it."""
        try:
            self.notify_epoch("on_epoch_end")
        except KeyboardInterrupt:  # skorch's way to say so
            return True
        return False

    def n_batches(self):
        """Return the number of batches of an epoch."""
        return -(-len(self.rows) // min(self.net.batch_size, len(self.rows)))

    def update_key(self):
        """Return what decides the size and the number of the net's updates."""
        lrs = tuple(self.net.lr_of(step) for step in self.net.module_.steps)
        return lrs, self.net.optimizer__weight_decay, self.n_batches()


def stacking_key(job):
    """Return what jobs must share to be stacked, or None for one that cannot be."""
    net, rows, _ = job
    known = all(
        type(callback) in (EarlyStopping, StopEarly)
        or isinstance(callback, ValidationScores)
        for callback in net.callbacks
    )
    if net.warm_start or not known:
        return None
    return (
        *_architecture(net.module),
        [(name, value.shape) for name, value in net.module.state_dict().items()],
        net.max_epochs,
        net.batch_size,
        str(net.device),
        rows.x.dtype,
        rows.x.shape[1:],
        sorted(name for name in rows.y if not name.endswith("_weight")),
    )


def fit_stacked(jobs, before_epoch=lambda: None):
    """Fit nets of one architecture together.

    Parameters
    ----------
    jobs : list of Job
        Jobs with equal `stacking_key`. They are fitted in place.

    before_epoch : callable
        Called before every epoch; its error ends the training.
    """
    for job in jobs:
        job.net.initialize()
        job.net.notify("on_train_begin", X=None, y=None)
    jobs = sorted(jobs, key=Job.update_key)
    stack = Stack(jobs)
    for _ in range(jobs[0].net.max_epochs):
        before_epoch()
        for job in stack.training.values():
            job.notify_epoch("on_epoch_begin")
        records = stack.play_epoch()
        for place, job in stack.training.items():
            for name, value in records[place].items():
                job.net.history.record(name, value)
        stack.let_go([place for place, job in stack.training.items() if job.stops()])
        if not stack.training:
            break
    stack.let_go(list(stack.training))
    for job in jobs:
        job.net.notify("on_train_end", X=None, y=None)


class Stack:
    """Networks that train together, each parameter with an axis of nets in front.

    Parameters
    ----------
    jobs : list of Job
        Initialised, and sorted by `Job.update_key`.

    Attributes
    ----------
    training : dict of int to Job
        Those that have not been let go, by their place in the stack.
    """

    def __init__(self, jobs):
        self.game = _Game(copy.deepcopy(jobs[0].net.module_)).train()
        self.architecture = _architecture(self.game.module)
        self.steps = self.game.module.steps
        self.players = _names_of_players(self.game.module)
        self.n_epochs = jobs[0].net.max_epochs
        self.n_epochs_done = 0
        self._take(jobs)

    def play_epoch(self):
        """Play every move on every batch; return the mean losses of each net.

        Returns
        -------
        records : list of dict of float
            As `StepwiseNet` records them, one dict per net.
        """
        n_batches = self.batches.n_batches  # (n_nets,)
        played = {}
        for i, (x, y) in enumerate(self.batches):
            if i % BLOCK == 0:
                noise = self._draw_noise(i)
            self.buffers.update(
                {name: drawn[i % BLOCK] for name, drawn in noise.items()}
            )
            progress = (self.n_epochs_done + i / n_batches) / self.n_epochs
            for terms in self._play_moves(i, x, y, progress.to(x)):
                # The next batch overwrites them.
                terms = {name: losses.clone() for name, losses in terms.items()}
                for name, losses in terms.items():
                    played.setdefault(f"train_{name}_loss", []).append(losses)
            played.setdefault("train_loss", []).append(sum(terms.values()))
        self.n_epochs_done += 1

        columns = {}
        takes_part = torch.arange(max(n_batches))[:, None] < n_batches
        for name, losses in played.items():
            # (n_batches, n_moves of that name, n_nets): the last move of a batch counts
            losses = (
                torch.stack(losses).unflatten(0, (len(takes_part), -1))[:, -1].cpu()
            )
            columns[name] = ((losses * takes_part).sum(0) / n_batches).tolist()
        columns["train_batch_count"] = n_batches.tolist()
        return [dict(zip(columns, values)) for values in zip(*columns.values())]

    def let_go(self, places):
        """Part with the nets at some places, and give them their parameters.

        The places are trained on, for nobody, until half of them or more are such: a
        smaller stack has to be recorded anew.
        """
        gone = {place: self.training.pop(place) for place in places}
        for job in gone.values():
            for parameter in job.net.module_.parameters():
                parameter.data = parameter.data.clone(
                    memory_format=torch.contiguous_format
                )
        if not self.training:
            return
        if len(self.training) <= len(self.jobs) / 2:
            self._shrink()
            return
        for place, job in gone.items():  # another goes on drawing random numbers
            stand_in = copy.copy(job.net)
            for name in ("iterator_train__generator", "noise_generator"):
                setattr(stand_in, name, getattr(job.net, name).clone_state())
            self.jobs[place] = job._replace(net=stand_in)

    def _shrink(self):
        """Keep only the nets that still train."""
        stays = torch.zeros(len(self.jobs), dtype=torch.bool)
        stays[list(self.training)] = True
        before = [
            {
                "nets": group["nets"],
                "state": [self.optimizer.state[rows] for rows in group["params"]],
            }
            for group in self.optimizer.param_groups
        ]
        self._take(list(self.training.values()))
        after = iter(self.optimizer.param_groups)
        for old in before:
            of_group = stays[old["nets"]]
            if not of_group.any():
                continue
            for rows, state in zip(next(after)["params"], old["state"]):
                self.optimizer.state[rows] = {
                    name: value[of_group] if value.dim() else value
                    for name, value in state.items()
                }

    def _take(self, jobs):
        """Stack what the nets are made of; make their parameters views of the stack."""
        self.jobs = list(jobs)
        self.training = dict(enumerate(jobs))
        games = [_Game(job.net.module_) for job in jobs]
        self.parameters = {}
        for name, *parameters in _side_by_side(games, "named_parameters"):
            stacked = torch.stack([_turned(p.detach()) for p in parameters])
            for parameter, values in zip(parameters, stacked):
                parameter.data = _turned(values)
            self.parameters[name] = stacked
        self.buffers = {
            name: torch.stack(buffers)
            for name, *buffers in _side_by_side(games, "named_buffers")
        }
        self.noise_layers = [
            (f"{name}.noise", layers)
            for name, *layers in _side_by_side(games, "named_modules")
            if isinstance(layers[0], Noise)
        ]
        self.batches = StackedBatches(self.jobs)
        self.optimizer = self._make_optimizer()
        self.recorded = {}  # what `_repeat` has recorded

    def _make_optimizer(self):
        """Return an optimizer with a group per move and per run of equal updates."""
        net = self.jobs[0].net
        _, settings = net.get_params_for_optimizer("optimizer", ())
        groups = []
        start = 0
        for _, jobs in groupby(self.jobs, key=Job.update_key):
            first, *others = jobs
            nets = slice(start, start + 1 + len(others))
            start = nets.stop
            for step, names in self.players.items():
                rows = [self.parameters[name][nets] for name in names]
                groups.append(
                    {
                        "params": [nn.Parameter(values) for values in rows],
                        "lr": first.net.lr_of(step),
                        "weight_decay": first.net.optimizer__weight_decay,
                        "move": step,
                        "nets": nets,
                        "n_batches": first.n_batches(),
                    }
                )
        return net.optimizer(groups, **settings)

    def _play_moves(self, i_batch, x, y, progress):
        """Play the moves on a batch of all nets; yield the terms of each: (n_nets,)."""
        *earlier, last = self.steps
        play, inputs = _loss_of_rows, (x,)
        if earlier and hasattr(self.game.module, "shared"):
            play = _loss
            inputs = self._repeat(self._over_nets, (_share,), x)
        for step in earlier:
            yield self._play_move(play, step, i_batch, y, progress, *inputs)
        # It alone changes what is shared, and so goes all the way back to the rows.
        yield self._play_move(_loss_of_rows, last, i_batch, y, progress, x)

    def _play_move(self, play, step, i_batch, *inputs):
        """Play a move on a batch of all nets; return its terms: (n_nets,) each."""
        terms, gradients = self._repeat(self._descend, (play, step), *inputs)
        groups = [
            group
            for group in self.optimizer.param_groups
            if group["move"] == step and i_batch < group["n_batches"]
        ]
        for group in groups:
            for rows, gradient in zip(group["params"], gradients):
                rows.grad = gradient[group["nets"]]
        self.optimizer.step()
        for group in groups:
            for rows in group["params"]:
                rows.grad = None
        return terms

    def _repeat(self, function, settings, *inputs):
        """Do to this batch what a method of the stack has done to the first."""
        tensors = self.parameters, self.buffers, *inputs
        key = function.__name__, *settings
        if key not in self.recorded:
            self.recorded[key] = record(
                partial(function, *settings), *tensors, key=(*self.architecture, *key)
            )
        return self.recorded[key](*tensors)

    def _descend(self, play, step, parameters, buffers, *inputs):
        """Return the terms of a move, and the gradients of those whom it changes."""
        players = {
            name: parameters[name].detach().requires_grad_()
            for name in self.players[step]
        }
        play = partial(play, step)
        terms = self._over_nets(play, {**parameters, **players}, buffers, *inputs)
        gradients = torch.autograd.grad(
            [losses.sum() for losses in terms.values()],
            list(players.values()),
            allow_unused=True,
            materialize_grads=True,
        )
        # The fused optimizer takes it for granted that they lie as the parameters do.
        return terms, [gradient.contiguous() for gradient in gradients]

    def _over_nets(self, play, parameters, buffers, *inputs):
        """Return what a function of the module makes of inputs, net by net."""

        def play_one(parameters, buffers, *inputs):
            state = {name: _turned(values) for name, values in parameters.items()}
            return functional_call(self.game, {**state, **buffers}, (play, *inputs))

        return torch.func.vmap(play_one)(parameters, buffers, *inputs)

    def _draw_noise(self, start):
        """Draw the noise of a block of batches, as each net alone would.

        Returns
        -------
        noise : dict of Tensor of shape (n_batches, n_nets, *shape of the noise)
            By the name of the buffer.
        """
        n_batches = (self.batches.n_batches - start).clamp(0, BLOCK).tolist()
        noise = {}
        for net, n in enumerate(n_batches):
            generator = self.jobs[net].net.noise_generator
            for name, layers in self.noise_layers:
                buffer = self.buffers[name]  # (n_nets, *shape)
                if name not in noise:
                    noise[name] = buffer.new_zeros(max(n_batches), *buffer.shape)
                if n:
                    noise[name][:n, net] = layers[net].draw(n, generator)
        return noise


class StackedBatches:
    """The batches of many nets side by side, each net in its own order.

    A net with fewer rows has smaller batches, or fewer; what is missing is filled with
    rows of weight 0. The weights of the others are scaled such that the mean over a
    filled batch is the mean over its own rows.

    Parameters
    ----------
    jobs : list of Job
    """

    def __init__(self, jobs):
        self.jobs = jobs
        sizes = [len(job.rows) for job in jobs]
        self.batch_sizes = [min(job.net.batch_size, n) for job, n in zip(jobs, sizes)]
        n_batches = [-(-n // size) for n, size in zip(sizes, self.batch_sizes)]
        self.n_batches = torch.tensor(n_batches)
        self.shape = (max(n_batches), len(jobs), max(self.batch_sizes))
        device = jobs[0].net.device

        tables = {id(job.rows.x): job.rows.x for job in jobs}  # folds that share rows
        first_row, start = {}, 0
        for key, table in tables.items():
            first_row[key] = start
            start += len(table)
        self.x = torch.cat(list(tables.values())).to(device)
        x_start = [first_row[id(job.rows.x)] for job in jobs]
        self.x_start = torch.tensor(x_start, device=device)[:, None]  # (n_nets, 1)

        dtype = self.x.dtype
        y_start = torch.tensor([0, *sizes[:-1]], device=device).cumsum(0)
        self.y_start = y_start[:, None]  # (n_nets, 1)
        self.y = {}
        ys = [job.rows.y for job in jobs]
        tasks = [name for name in ys[0] if not name.endswith("_weight")]
        for task in tasks:
            self.y[task] = torch.cat([y[task] for y in ys]).to(device)
        for task in [*tasks, "row"]:
            weights = [
                y.get(f"{task}_weight", torch.ones(n, dtype=dtype))
                for y, n in zip(ys, sizes)
            ]
            self.y[f"{task}_weight"] = torch.cat(weights).to(device)
        self.weights = [name for name in self.y if name.endswith("_weight")]

        # Which of all rows, those of one net after another, lies where in a batch.
        n_rows = sum(sizes)
        self.slots = torch.full(self.shape, n_rows)  # none, to fill the batch
        scale = torch.zeros(n_rows + 1, dtype=dtype)
        start = 0
        for net, (n, size) in enumerate(zip(sizes, self.batch_sizes)):
            rows = torch.full((-(-n // size) * size,), n_rows)
            rows[:n] = torch.arange(start, start + n)
            rows = rows.view(-1, size)  # (n_batches, size)
            self.slots[: len(rows), net, :size] = rows
            scale[start : start + n] = self.shape[2] / size
            if n % size:  # a last, smaller batch
                scale[start + n - n % size : start + n] = self.shape[2] / (n % size)
            start += n
        self.slots = self.slots.to(device)
        self.scale = _take(scale.to(device), self.slots)

    def __iter__(self):
        orders = [
            job.rows.shuffled_order(job.net.iterator_train__generator)
            for job in self.jobs
        ]
        rows = torch.cat([*orders, torch.zeros(1, dtype=torch.int64)])
        index = _take(rows.to(self.x.device), self.slots)
        n_batches = max(1, BLOCK_ROWS // index[0].numel())  # gathered at once
        for order, scale in zip(index.split(n_batches), self.scale.split(n_batches)):
            x = _take(self.x, order + self.x_start)
            y = {
                name: _take(values, order + self.y_start)
                for name, values in self.y.items()
            }
            for name in self.weights:
                y[name] *= scale.view(*scale.shape, *(1,) * (y[name].dim() - 3))
            for x_of_batch, *y_of_batch in zip(x, *y.values()):
                yield x_of_batch, dict(zip(y, y_of_batch))


def _take(rows, index):
    """Return `rows[index]`, several times faster."""
    return rows.index_select(0, index.flatten()).view(*index.shape, *rows.shape[1:])


class _Game(nn.Module):
    """A module whose call is any function of it: `functional_call` knows only calls."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, play, *inputs):
        return play(self.module, *inputs)


def _architecture(module):
    """Return what decides what a module does, if not to which numbers."""
    return repr(module), tuple(type(part) for part in module.modules())


def _share(module, x):
    return module.shared(x)


def _loss(step, module, y, progress, *shared):
    return module.loss(step, shared, y, progress)


def _loss_of_rows(step, module, y, progress, x):
    shared = module.shared(x) if hasattr(module, "shared") else x
    return module.loss(step, shared, y, progress)


def _names_of_players(module):
    """Return the names in `_Game` of the parameters that each move changes."""
    name_of = {id(player): name for name, player in _Game(module).named_parameters()}
    return {
        step: [name_of[id(player)] for player in module.step_parameters(step)]
        for step in dict.fromkeys(module.steps)
    }


def _turned(values):
    """Return the transpose of a matrix, anything else as it is.

    The weights are stacked transposed, since that is how their gradients come out.
    """
    return values.mT if values.dim() == 2 else values


def _side_by_side(modules, listing):
    """Yield each name that a method of the modules lists, and its entry in each."""
    tables = [dict(getattr(module, listing)()) for module in modules]
    for name in tables[0]:
        yield name, *(table[name] for table in tables)
