"""Many networks of one architecture, trained as one: the models are a leading axis.

Folds, seeds and numeric hyper-parameters of a search differ in their numbers, not in
what is computed. `fit_stacked` therefore stacks the parameters, buffers and rows of
many nets, and plays each move of the game on all of them at once: `torch.func.vmap`
over the very loss of their module, whose operations are recorded on the first batch
and repeated on the others. Each net ends as if it had been fitted alone. It draws its
batches and dropout masks from its own generators, and has an optimizer state, a
history and an early stop of its own.

`Rendezvous` brings the nets together: fits that run in the threads of a search wait
for each other there, and one of them trains the nets of all.
"""

import copy
import threading
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from time import thread_time
from typing import NamedTuple

import torch
from joblib import Parallel, cpu_count, delayed
from joblib.parallel import LokyBackend
from skorch.callbacks import EarlyStopping
from threadpoolctl import threadpool_limits
from torch import nn
from torch.func import functional_call

from ._parcel import Parcel
from ._recording import record
from ._threads import limited_threads
from .layers import Noise
from .networks import SpeakerHead
from .ridge import RidgeNetwork
from .training import (
    BLOCK,
    BLOCK_ROWS,
    Rows,
    StepwiseNet,
    StopEarly,
    ValidationScores,
)

__all__ = ["Job", "Rendezvous", "Stopwatch", "fit", "fit_stacked", "stacking_key"]

CALLED_OFF = "The search was interrupted."

_thread = threading.local()


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


def fit(net, rows, valid_rows):
    """Return the fitted net: with others at the rendezvous of this thread, or alone."""
    rendezvous = getattr(_thread, "rendezvous", None)
    if rendezvous is None:
        return net.fit((rows, valid_rows))
    return rendezvous.fit(Job(net, rows, valid_rows))


class Stopwatch:
    """Measure the CPU seconds of a fit; nets trained together share theirs equally.

    Examples
    --------
    >>> with Stopwatch() as watch:
    ...     total = sum(range(10))
    >>> watch.seconds < 1
    True
    """

    def __enter__(self):
        self._start = thread_time() - getattr(_thread, "seconds_of_others", 0.0)
        return self

    def __exit__(self, *exception):
        stop = thread_time() - getattr(_thread, "seconds_of_others", 0.0)
        self.seconds = stop - self._start


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


def fit_stacked(jobs, is_called_off=lambda: False):
    """Fit nets of one architecture together.

    Parameters
    ----------
    jobs : list of Job
        Jobs with equal `stacking_key`. They are fitted in place.

    is_called_off : callable
        Asked before every epoch; ends the training with an error.
    """
    for job in jobs:
        job.net.initialize()
        job.net.notify("on_train_begin", X=None, y=None)
    jobs = sorted(jobs, key=Job.update_key)
    stack = Stack(jobs)
    for _ in range(jobs[0].net.max_epochs):
        if is_called_off():
            raise RuntimeError(CALLED_OFF)
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


class Rendezvous:
    """Where fits that run in threads wait for each other, to be trained together.

    A fit that arrives waits until no other can arrive before it goes on. The first to
    notice trains all that wait.

    Parameters
    ----------
    max_stack : int
        Largest number of nets trained together, and number of fits that wait.

    n_jobs : int, default=1
        Number of processes, each on one thread, that share the training of a stack.

    backend : joblib backend or None, default=None
        Where these processes are; None for this machine.
    """

    settle_seconds = 0.05  # how long no task may begin before the last are trained

    def __init__(self, max_stack, n_jobs=1, backend=None):
        self.max_stack = max_stack
        self.n_jobs = n_jobs
        # From a thread, joblib lets only the outermost loop have processes.
        self.backend = backend or LokyBackend(nesting_level=0)
        self.lock = threading.Lock()
        # To wake all that wait whenever one arrives would cost more than to train.
        self.changed = threading.Condition(self.lock)  # for one who watches the tasks
        self.trained = threading.Condition(self.lock)  # for the others
        # Threads without a core of their own would only slow each other down.
        self.cores = threading.Semaphore(cpu_count())
        self.n_tasks = 0  # begun or about to begin
        self.n_begun = 0
        self.waiting = []
        self.training = False
        self.closed = False

    def announce(self):
        """Count a task that is about to begin."""
        with self.lock:
            self.n_tasks += 1
            self.changed.notify_all()

    @contextmanager
    def task(self):
        """Let the fits of this thread wait here; the task was announced before."""
        _thread.rendezvous = self
        with self.lock:
            self.n_begun += 1
        try:
            with self.cores:
                if self.closed:
                    raise RuntimeError(CALLED_OFF)
                yield
        finally:
            del _thread.rendezvous
            with self.lock:
                self.n_tasks -= 1
                self.n_begun -= 1
                self.changed.notify_all()
                if self.n_tasks <= len(self.waiting):
                    self.trained.notify()  # all that are left wait: one has to see it

    def fit(self, job):
        """Return the fitted net of a job, trained with all others that arrive."""
        entry = _Entry(job)
        start = thread_time()
        self.cores.release()
        try:
            self._wait_for(entry)
        finally:
            self.cores.acquire()
        spent = thread_time() - start  # on all, by the thread that trains
        of_others = spent - (entry.seconds if entry.done else 0)
        _thread.seconds_of_others = (
            getattr(_thread, "seconds_of_others", 0.0) + of_others
        )
        if not entry.done:
            raise RuntimeError(CALLED_OFF)
        if entry.error is not None:  # that of other fits too, each of which raises it
            raise entry.error.with_traceback(entry.traceback)
        return entry.net

    def close(self):
        """Send those that wait away, and wait for the tasks that have begun to end.

        A thread that outlives the interpreter in the middle of a product aborts it.
        """
        with self.lock:
            self.closed = True
            self.changed.notify_all()
            self.trained.notify_all()
            self.changed.wait_for(lambda: self.n_begun == 0)

    def _wait_for(self, entry):
        """Wait until an entry is done or all is called off; perhaps train it."""
        with self.lock:
            self.waiting.append(entry)
            self.changed.notify_all()
            while not entry.done and not self.closed:
                if self._is_full() or self._is_settled():
                    self._train_all_that_wait()
                elif not (entry.done or self.closed):
                    self.trained.wait()

    def _is_full(self):
        return not self.training and len(self.waiting) >= self.max_stack

    def _is_settled(self):
        """Watch while all tasks wait; return whether none has begun for a moment."""
        while self._all_wait():
            if not self.changed.wait(self.settle_seconds) and self._all_wait():
                return True
        return False

    def _all_wait(self):
        is_idle = not self.training and not self.closed
        return is_idle and 0 < self.n_tasks <= len(self.waiting)

    def _train_all_that_wait(self):
        entries, self.waiting = self.waiting, []
        self.training = True
        self.lock.release()  # others may arrive meanwhile
        try:
            _share_rows(entries)
            parts = [
                part
                for group in _stackable_groups(entries)
                for part in _shared_out(group, self.n_jobs)
            ]
            if self.n_jobs == 1:
                results = [
                    _fit_jobs([entry.job for entry in part], lambda: self.closed)
                    for part in parts
                ]
            else:
                parallel = Parallel(self.n_jobs, backend=self.backend)
                parcels = [Parcel([entry.job for entry in part]) for part in parts]
                returned = parallel(delayed(_fit_parcel)(parcel) for parcel in parcels)
                results = [parcel.content for parcel in returned]
            for part, result in zip(parts, results):
                for entry, net in zip(part, result.nets):
                    entry.finish(net, result.seconds / len(part), result.error)
        except Exception as error:  # of the processes: the others wait for an answer
            for entry in entries:
                if not entry.done:
                    entry.finish(entry.job.net, 0.0, error)
        finally:
            self.lock.acquire()
            self.training = False
            self.trained.notify_all()


class _Entry:
    """A job at the rendezvous, and how it ended."""

    def __init__(self, job):
        self.job = job
        self.done = False

    def finish(self, net, seconds, error):
        """Take the fitted net, or the error, and this net's share of the time."""
        for part in _sized_by_speakers(net):
            if part.n_outputs is not None:
                part.unpad()
        self.net, self.seconds, self.error = net, seconds, error
        self.traceback = getattr(error, "__traceback__", None)
        self.done = True


class _Result(NamedTuple):
    """What came of some jobs."""

    nets: list
    seconds: float
    error: Exception | None


def _sized_by_speakers(net):
    """Return the parts of a net whose sizes differ between folds."""
    modules = {net.module, getattr(net, "module_", net.module)}
    return [
        part
        for module in modules
        for part in module.modules()
        if isinstance(part, SpeakerHead | RidgeNetwork)
    ]


def _share_rows(entries):
    """Let the jobs on equal rows, candidates on one fold, hold the same tensor."""
    tables = []
    for entry in entries:
        rows = entry.job.rows
        same = (x for x in tables if x.dtype == rows.x.dtype and torch.equal(x, rows.x))
        x = next(same, None)
        if x is None:
            tables.append(rows.x)
        else:
            entry.job = entry.job._replace(rows=Rows(x, rows.y, rows.n_labeled))


def _stackable_groups(entries):
    """Part the entries into lists that can be stacked."""
    parts = [part for entry in entries for part in _sized_by_speakers(entry.job.net)]
    sizes = {part.n_speakers for part in parts}
    if len(sizes) > 1:
        for part in parts:
            part.pad(max(sizes))
    groups = {}
    for entry in entries:
        key = stacking_key(entry.job)
        groups.setdefault(id(entry) if key is None else repr(key), []).append(entry)
    return groups.values()


def _shared_out(entries, n_parts):
    """Part a group into stacks of equal size, for as many processes."""
    size = -(-len(entries) // n_parts)
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def _fit_jobs(jobs, *is_called_off):
    """Fit jobs on one thread, together if there are several."""
    start = thread_time()
    error = None
    try:
        with limited_threads(0), threadpool_limits(1):
            if len(jobs) == 1:
                net, rows, valid_rows = jobs[0]
                net.fit((rows, valid_rows))
            else:
                fit_stacked(jobs, *is_called_off)
    except Exception as caught:  # belongs to the fits, not to the thread that trains
        error = caught
    return _Result([job.net for job in jobs], thread_time() - start, error)


def _fit_parcel(parcel):
    """Fit the jobs in a parcel, and send back what came of them."""
    return Parcel(_fit_jobs(parcel.content))


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

        place = torch.zeros(self.shape, dtype=dtype)
        for net, (n, size) in enumerate(zip(sizes, self.batch_sizes)):
            share = torch.ones(n, dtype=dtype)
            share[n - n % size :] *= size / max(n % size, 1)  # a last, smaller batch
            self._place(place, net, share * self.shape[2] / size)
        self.scale = place.to(device)

    def _place(self, table, net, values):
        """Lay the values of a net's rows out in batches: into table[:, net]."""
        size = self.batch_sizes[net]
        n_whole = len(values) // size
        whole, rest = values.split([n_whole * size, len(values) - n_whole * size])
        table[:n_whole, net, :size] = whole.view(n_whole, size)
        if len(rest):
            table[n_whole, net, : len(rest)] = rest

    def __iter__(self):
        index = torch.zeros(self.shape, dtype=torch.int64)
        for net, job in enumerate(self.jobs):
            order = job.rows.shuffled_order(job.net.iterator_train__generator)
            self._place(index, net, order)
        index = index.to(self.x.device)
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
