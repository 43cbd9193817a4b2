"""The training engine: a skorch net that plays the moves of a game on whole batches.

A module names its moves and their losses; the engine knows nothing else about it:

``steps``
    Names of the moves that one batch goes through, in order.
``step_parameters(step)``
    The parameters that a move may change.
``loss(step, x, y, progress)``
    Dict of named scalar terms; the move descends their sum.
``forward(x)``, ``encoder(x)``
    Emotion output and embedding, for prediction.

Adding a method takes a module with these five members, and no line here. Two more are
optional:

``lr_scales``
    Dict of factors of the learning rate, for moves that learn more slowly or faster
    than the others.
``shared(x)``
    A tuple of tensors that all moves on a batch build on and none but the last changes,
    such as the embedding; it is computed once, and `loss` gets it in place of ``x``.

Random numbers of a step come from layers of the kind `advser.nn.Noise`.
"""

import inspect
import warnings
from contextlib import contextmanager

import numpy as np
import skorch
import torch
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PrintLog

from .._threads import limited_threads
from ..nn import Noise

__all__ = [
    "BLOCK",
    "AdamW",
    "Rows",
    "StepwiseNet",
    "StopEarly",
    "ValidationScores",
    "as_tensor",
]

BLOCK = 64  # steps whose noise is drawn, or whose losses are added, by one operation
BLOCK_ROWS = 4096  # rows gathered by one operation, to be cut into batches


def as_tensor(array):
    """Return a tensor on the memory of `array`, read-only arrays included.

    torch warns of tensors on read-only memory, since writing to them would crash.
    Training only reads its rows, so a memory-mapped corpus needs no copy.
    """
    if array.flags.writeable:
        return torch.from_numpy(array)
    return torch.from_numpy(np.asarray(_Writeable(array)))


class _Writeable:
    """An array interface that calls the memory of a read-only array writeable."""

    def __init__(self, array):
        self.array = array  # keeps the memory alive
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {
            **array.__array_interface__,
            "data": (address, False),
        }


class Rows:
    """The training rows as tensors that stay on the device: no per-sample work.

    Parameters
    ----------
    x : Tensor of shape (n, d)

    y : dict of Tensor of shape (n, ...)
        Labels and weights of the rows by name.

    n_labeled : int or None, default=None
        The first `n_labeled` rows carry an emotion label, the others do not. None
        stands for all.
    """

    def __init__(self, x, y, n_labeled=None):
        self.x = x
        self.y = y
        self.n_labeled = len(x) if n_labeled is None else n_labeled

    def __len__(self):
        return len(self.x)

    def to(self, device):
        """Return these rows on `device`."""
        y = {name: values.to(device) for name, values in self.y.items()}
        return Rows(self.x.to(device), y, self.n_labeled)

    def take(self, index):
        """Return the rows at `index`, a tensor of positions."""
        y = {name: values.index_select(0, index) for name, values in self.y.items()}
        return Rows(self.x.index_select(0, index), y)

    def split(self, size):
        """Yield the rows in batches of `size`, the last one maybe smaller."""
        columns = [self.x, *self.y.values()]
        for x, *y in zip(*(column.split(size) for column in columns)):
            yield x, dict(zip(self.y, y))

    def shuffled_order(self, generator):
        """Return a random order that spreads the unlabelled rows evenly: (n,)."""
        n, n_labeled = len(self), self.n_labeled
        if n_labeled == n:
            return torch.randperm(n, generator=generator)
        place = torch.cat(
            [
                (torch.randperm(size, generator=generator) + 0.5) / size
                for size in (n_labeled, n - n_labeled)
            ]
        )
        return place.argsort(stable=True)


class BatchIterator:
    """Whole batches in random order, as slices of rows gathered a block at a time.

    A block takes one indexing operation, and no second copy of the data is held.

    Parameters
    ----------
    rows : Rows

    batch_size : int

    generator : torch.Generator
        Source of the order.

    device : str or torch.device
        Where the rows live during training.
    """

    def __init__(self, rows, batch_size, generator, device="cpu"):
        self.rows = rows.to(device)
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self):
        order = self.rows.shuffled_order(self.generator).to(self.rows.x.device)
        n_batches = max(1, BLOCK_ROWS // self.batch_size)
        for positions in order.split(n_batches * self.batch_size):
            yield from self.rows.take(positions).split(self.batch_size)


class AdamW(torch.optim.AdamW):
    """AdamW without what torch hangs on its methods, which takes as long as the update.

    That is the profiler's mark of a step, and the hooks of optimizers, which are not
    called here; callbacks take their place. And it is a guard against being compiled,
    for which torch loads its compiler: a second at the first fit, and 90 MB in every
    process. Saving and loading a state still does.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
    step.hooked = True  # so torch takes it for marked already


class Move:
    """One move of the game: the parameters it may change, and their share of Adam.

    The parameters of a bound module are views of one long vector, and their gradients
    views of another; those of a move are a few runs of either. Updating a long run is
    several times faster than updating many short parameters, and it is the same
    update.

    Parameters
    ----------
    parameters : list of Parameter
        Those that the move changes, in the order of the vector.

    runs : list of Parameter
        The stretches of the vector that hold `parameters`, known to the optimizer.

    gradients : list of Tensor
        The stretches of the gradient that belong to `runs`.
    """

    def __init__(self, parameters, runs, gradients):
        self.parameters = parameters
        self.runs = runs
        self.gradients = gradients

    def compute_gradient(self, loss):
        """Write the gradient of `loss` into that of the parameters and of the runs."""
        for run, gradient in zip(self.runs, self.gradients):
            run.grad = gradient.zero_()
        torch.autograd.backward(loss, inputs=self.parameters)

    def release_gradient(self):
        """Hide the gradient, so that the optimizer skips this move's runs."""
        for run in self.runs:
            run.grad = None


def flatten_parameters(module):
    """Make the parameters of `module` views of one vector, their gradients of another.

    Returns both vectors, in the module's own order.
    """
    parameters = list(module.parameters())
    vector = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    gradient = torch.zeros_like(vector)
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vector[start:stop].view(parameter.shape)
        parameter.grad = gradient[start:stop].view(parameter.shape)
        start = stop
    return vector, gradient


def contiguous_runs(parameters, vector):
    """Return the stretches of `vector` that the views `parameters` cover, in order."""
    bounds = []
    for parameter in parameters:
        start = parameter.storage_offset()
        stop = start + parameter.numel()
        if bounds and bounds[-1][1] == start:
            bounds[-1][1] = stop
        else:
            bounds.append([start, stop])
    return [vector[start:stop] for start, stop in bounds]


class RunningMeans:
    """The means of the terms of a loss over the batches of an epoch.

    Reading a term, or adding it up, costs about as much as an operation of the
    network does, so that many are added at a time; keeping them all would leave small
    holes all over the memory, which then grows.
    """

    def __init__(self):
        self.recent = []
        self.sums = {}
        self.n = 0

    def add(self, terms):
        """Take the terms of a batch: a dict of Tensor of shape ()."""
        self.recent.append(terms)
        if len(self.recent) == BLOCK:
            self._add_up()

    def compute(self):
        """Return the means as a dict of float."""
        if self.recent:
            self._add_up()
        return {name: total.item() / self.n for name, total in self.sums.items()}

    def _add_up(self):
        for name in self.recent[0]:
            total = torch.stack([terms[name] for terms in self.recent]).sum()
            self.sums[name] = self.sums.get(name, 0) + total
        self.n += len(self.recent)
        self.recent = []


class StepwiseNet(skorch.NeuralNet):
    """A skorch net whose batches go through the moves of its module.

    Callbacks, history, devices, warm start and `set_params` are skorch's. Different
    are the data (`Rows`, already on the device and cut into whole batches), the loss
    (the module's own), and the bookkeeping: the terms of the loss are read once an
    epoch, and batch callbacks cost nothing where no callback has any.

    The training and the validation rows enter together, as
    ``net.fit((train_rows, valid_rows))``, with None for no validation rows.

    Parameters
    ----------
    *args, **kwargs
        Those of `skorch.NeuralNet`.

    noise_generator : torch.Generator
        Source of the noise, such as dropout masks: not that of the order of the rows,
        so that the noise does not depend on their number.
    """

    def __init__(self, *args, noise_generator=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.noise_generator = noise_generator

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer())]
        if self.verbose:  # a silent log would still lay its table out
            callbacks.append(("print_log", PrintLog()))
        return callbacks

    def initialize_optimizer(self, triggered_directly=None):
        """Give each move a parameter group, and so an optimizer state, of its own."""
        vector, _ = flatten_parameters(self.module_)
        groups = [
            {
                "params": [
                    torch.nn.Parameter(run)
                    for run in contiguous_runs(self._parameters_of(step), vector)
                ],
                "step": step,
                "lr": self.lr_of(step),
            }
            for step in dict.fromkeys(self.module_.steps)
        ]
        _, kwargs = self.get_params_for_optimizer("optimizer", ())
        self.optimizer_ = self.optimizer(groups, **kwargs)
        return self

    def initialize_module(self):
        """Make the module, and count its parameters, which costs too much later on."""
        super().initialize_module()
        self.n_parameters = sum(p.numel() for p in self.module_.parameters())
        return self

    def lr_of(self, step):
        """Return the learning rate of a move."""
        return self.lr * getattr(self.module_, "lr_scales", {}).get(step, 1.0)

    def set_lr(self, lr):
        """Change the learning rate of all moves of a net that has been trained."""
        self.lr = lr
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr_of(group["step"])

    def get_split_datasets(self, X, y=None):
        """Return the training and the validation rows, which come as one pair."""
        return X

    def get_iterator(self, dataset, training=False):
        """Return the batches of the training rows; validation is left to callbacks."""
        if not training:
            return None
        kwargs = self.get_params_for("iterator_train")
        batch_size = min(self.batch_size, len(dataset))
        return BatchIterator(dataset, batch_size, device=self.device, **kwargs)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Bind the moves to the module, then train as skorch does."""
        self._moves = self._bind_moves()
        self._n_epochs = self.max_epochs if epochs is None else epochs
        self._n_batches_done = 0
        try:
            with limited_threads(self.batch_size * self.n_parameters):
                return super().fit_loop(X, y, epochs, **fit_params)
        finally:
            self._part_memory()
            del self._moves, self._n_epochs, self._n_batches_done

    def run_single_epoch(self, iterator, training, prefix, step_fn):
        """Play every move on every batch and record the mean of each loss term."""
        if iterator is None:
            return
        self._listened = any(map(_listens_to_batches, self.callbacks_))
        n_batches = self._n_epochs * len(iterator)
        means = RunningMeans()
        mode = _training_mode(self.module_, len(iterator), self.noise_generator)
        try:
            with mode as lay_noise:
                for i, batch in enumerate(iterator, start=self._n_batches_done):
                    lay_noise()
                    means.add(step_fn(batch, progress=i / n_batches))
        except KeyboardInterrupt:  # skorch takes it for an early stop
            warnings.warn(
                f"The training was interrupted in epoch {len(self.history)} of "
                f"{self._n_epochs}; the network is kept as it is.",
                UserWarning,
                stacklevel=2,
            )
            raise
        self._n_batches_done += len(iterator)
        for name, loss in means.compute().items():
            self.history.record(name, loss)
        self.history.record("train_batch_count", len(iterator))

    def train_step(self, batch, progress):
        """Play the moves on one batch; return the terms of all of them, detached.

        Their sum in the last move, the one that trains the emotion head, goes by the
        name that skorch's callbacks expect: `train_loss`.
        """
        x, y = batch
        if self._listened:
            self.notify("on_batch_begin", batch=batch, training=True)
        shared = getattr(self.module_, "shared", _as_it_is)(x)
        played = {}
        for step in self.module_.steps:
            move = self._moves[step]
            terms = self.module_.loss(step, shared, y, progress)
            first, *others = terms.values()
            loss = sum(others, start=first)
            move.compute_gradient(loss)
            if self._listened:
                self._notify_gradient(move, batch)
            self.optimizer_.step()
            move.release_gradient()
            for name, term in terms.items():
                played[f"train_{name}_loss"] = term.detach()
        played["train_loss"] = loss.detach()
        if self._listened:
            self.history.record_batch("train_loss", played["train_loss"].item())
            self.history.record_batch("train_batch_size", len(x))
            self.notify(
                "on_batch_end", batch=batch, training=True, loss=played["train_loss"]
            )
        return played

    def _parameters_of(self, step):
        """Return the parameters of a move in the order of the module's own list."""
        wanted = {id(parameter) for parameter in self.module_.step_parameters(step)}
        return [p for p in self.module_.parameters() if id(p) in wanted]

    def _bind_moves(self):
        """Tie parameters, runs and optimizer together, and return the moves.

        The parameters and runs of an unpickled or copied net no longer share their
        memory, so this is done at every start of the training.
        """
        vector, gradient = flatten_parameters(self.module_)
        moves = {}
        for group in self.optimizer_.param_groups:
            parameters = self._parameters_of(group["step"])
            runs = contiguous_runs(parameters, vector)
            for run, values in zip(group["params"], runs, strict=True):
                run.data = values
            gradients = contiguous_runs(parameters, gradient)
            moves[group["step"]] = Move(parameters, group["params"], gradients)
        return moves

    def _part_memory(self):
        """Give parameters and runs memory of their own.

        As views, each would be pickled with all the memory that it is a part of.
        """
        runs = [
            run for group in self.optimizer_.param_groups for run in group["params"]
        ]
        for tensor in [*self.module_.parameters(), *runs]:
            tensor.data = tensor.data.clone()
            tensor.grad = None

    def _notify_gradient(self, move, batch):
        """Show the gradient of a move to the callbacks, which may change it."""
        names = {id(p): name for name, p in self.module_.named_parameters()}
        gradients = [parameter.grad for parameter in move.parameters]
        self.notify(
            "on_grad_computed",
            named_parameters=[(names[id(p)], p) for p in move.parameters],
            batch=batch,
            training=True,
        )
        for parameter, gradient in zip(move.parameters, gradients):
            if parameter.grad is not gradient:
                parameter.grad = gradient.copy_(parameter.grad)


class ValidationScores(Callback):
    """Record what the network makes of the validation rows after each epoch.

    A kind of output has a class of its own, which knows the `scores`, and which of them
    is `monitored`: the one whose best epoch is kept.
    """

    monitored = ""

    def scores(self, output, y):
        """Return the scores by name: a dict of float."""
        raise NotImplementedError

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        """Record the scores, and whether they are the best so far."""
        rows = dataset_valid.to(net.device)
        with torch.inference_mode():
            output = net.module_(rows.x)
        for name, score in self.scores(output, rows.y).items():
            past = net.history[:-1, name] if len(net.history) > 1 else []
            sign = -1 if name == "valid_loss" else 1
            is_best = all(sign * score > sign * earlier for earlier in past)
            net.history.record(name, score)
            net.history.record(f"{name}_best", is_best)


class StopEarly(EarlyStopping):
    """Early stopping whose copy of the best weights holds them and nothing else.

    The parameters of a net in training are views of a longer vector, of those of all
    nets in a stack, and skorch copies a view with all that it is a view of.
    """

    def on_epoch_end(self, net, **kwargs):
        """Stop, or note the weights if they are the best so far."""
        super().on_epoch_end(net, **kwargs)
        if self.best_epoch_ == net.history[-1, "epoch"]:
            self.best_model_weights_ = {
                name: values.clone(memory_format=torch.contiguous_format)
                for name, values in net.module_.state_dict().items()
            }


def _as_it_is(x):
    """Return what the moves of a module without `shared` build on: the rows."""
    return x


def _listens_to_batches(named_callback):
    """Whether a callback overrides a hook that is called for every batch."""
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    _, callback = named_callback
    return any(
        getattr(type(callback), hook) is not getattr(Callback, hook) for hook in hooks
    )


@contextmanager
def _training_mode(module, n_batches, generator):
    """Let the module train for an epoch; yield what lays out the noise of a batch.

    However the epoch ends, interrupted from the keyboard too, it predicts as a whole.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, Noise)]
    at_rest = [layer.noise for layer in layers]
    drawn = _draw_noise(layers, n_batches, generator)

    def lay_noise():
        for layer, noise in zip(layers, next(drawn)):
            layer.noise = noise

    module.train()
    try:
        yield lay_noise if layers else _lay_none
    finally:
        module.eval()
        for layer, noise in zip(layers, at_rest):
            layer.noise = noise


def _draw_noise(layers, n_batches, generator):
    """Yield the noise of all layers, batch by batch."""
    for start in range(0, n_batches, BLOCK):
        n_steps = min(BLOCK, n_batches - start)
        yield from zip(*[layer.draw(n_steps, generator) for layer in layers])


def _lay_none():
    """Lay out the noise of a module that has none."""
