"""The training of one network: a skorch net that runs the update steps of a batch."""

import inspect
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

import skorch
import torch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochTimer,
    PrintLog,
    TrainEndCheckpoint,
)
from torch import Tensor, nn

from .._threads import limited_threads
from ..nn import Noise
from ._data import Labels, Rows, n_batches
from ._network import Network

BLOCK = 64  # steps whose noise is drawn by one operation, if they need few numbers
BLOCK_SIZE = 2**16  # numbers that one operation draws, unless one step needs more

# torch's global generator and its default dtype are those of the process: fits in
# several Python threads change them one after another.
GLOBAL_STATE = RLock()


class Adam(torch.optim.Adam):
    """Adam without the wrappers that torch puts around its methods.

    They mark steps for the profiler, call hooks and guard against compilation. Marks
    and hooks take 85 of the 190 microseconds of a step, and the guard loads torch's
    compiler: one second and 90 MB in every process that fits.
    """

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    step.hooked = True  # torch wraps what has no such mark


class StepwiseNet(skorch.NeuralNet):
    """A skorch net whose batches go through the update steps of a `Network`.

    Callbacks, history, devices and `set_params` are those of skorch. What differs is
    the data (`Rows`, on the device as a whole), the loss (that of the network), and
    that the terms of the loss are read once per epoch.

    Training and validation rows come together, as ``net.fit((rows, valid_rows))``,
    with None for no validation rows.

    Parameters
    ----------
    *args, **kwargs
        Those of `skorch.NeuralNet`.

    alpha : float
        L2 penalty of the parameters that the network calls penalized.

    order_generator, noise_generator : torch.Generator
        Sources of the order of the rows and of the noise, such as dropout masks.

    Notes
    -----
    Layers of torch, such as its dropout, draw from torch's global generator. It is
    seeded during the training and restored afterwards.
    """

    def __init__(
        self, *args, alpha=0.0, order_generator=None, noise_generator=None, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.alpha = alpha
        self.order_generator = order_generator
        self.noise_generator = noise_generator

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer())]
        if self.verbose:
            callbacks.append(("print_log", PrintLog()))
        return callbacks

    def initialize_module(self):
        """Make the module, and count its parameters, which `predict` needs."""
        super().initialize_module()
        self.n_parameters = sum(p.numel() for p in self.module_.parameters())
        return self

    def initialize_optimizer(self, triggered_directly=None):
        """Give each step groups of parameters, and so an optimizer state, of its own.

        A parameter may belong to several steps, which torch does not allow; the
        optimizer therefore holds other parameters on the same memory. It holds frozen
        ones too, which a callback may unfreeze.
        """
        groups = [
            {
                "params": [nn.Parameter(p.detach()) for p in parameters],
                "step": step,
                "lr": self.lr_of(step),
            }
            for step, parameters in held_parameters(self.module_).items()
        ]
        _, kwargs = self.get_params_for_optimizer("optimizer", ())
        self.optimizer_ = self.optimizer(groups, **kwargs)
        return self

    def lr_of(self, step):
        """Return the learning rate of a step."""
        return self.lr * self.module_.lr_scale(step)

    def set_lr(self, lr):
        """Change the learning rate of a net that has been trained."""
        self.lr = lr
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr_of(group["step"])

    def get_split_datasets(self, X, y=None):
        """Return the training and the validation rows, which come as one pair."""
        return X

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train on; an interrupt from the keyboard is raised, unlike in skorch."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        self.fit_loop(X, y, **fit_params)
        self.notify("on_train_end", X=X, y=y)
        return self

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train for some epochs, or until a callback stops the training."""
        rows, valid_rows = X
        rows = rows.to(self.device)
        n_epochs = self.max_epochs if epochs is None else epochs
        datasets = {"dataset_train": rows, "dataset_valid": valid_rows}
        n = self.batch_size * self.n_parameters
        seed = self.noise_generator.initial_seed()
        with limited_threads(n), seeded_global_random(seed, self.device):
            for epoch in range(n_epochs):
                self.notify("on_epoch_begin", **datasets)
                if epoch == 0 or self.callbacks:  # which may freeze parameters
                    self._parameters_of = self._bind_parameters()
                means = self._run_epoch(rows, epoch, n_epochs)
                for name, mean in means.items():
                    self.history.record(name, mean)
                if self.ends_epoch(**datasets):
                    break
        del self._parameters_of, self._calls_back
        return self

    def ends_epoch(self, **datasets) -> bool:
        """Call the callbacks of an epoch; return whether one stops the training."""
        try:
            self.notify("on_epoch_end", **datasets)
        except KeyboardInterrupt:
            # skorch's EarlyStopping raises it, too, when it has lost its patience.
            if not any(
                isinstance(callback, EarlyStopping)
                and callback.misses_ == callback.patience
                for _, callback in self.callbacks_
            ):
                raise
            return True
        return False

    def _run_epoch(self, rows: Rows, epoch: int, n_epochs: int) -> dict[str, float]:
        """Take every step on every batch; return the means of the terms."""
        batch_size = min(self.batch_size, len(rows))
        n = n_batches(len(rows), batch_size)
        self._calls_back = any(map(_needs_batches, self.callbacks_))
        sums: dict[str, Tensor] = {}
        with _training_mode(self.module_, n, self.noise_generator) as next_noise:
            for i, batch in enumerate(rows.batches(batch_size, self.order_generator)):
                next_noise()
                terms = self.train_step(batch, (epoch + i / n) / n_epochs)
                for name, term in terms.items():
                    sums[name] = sums[name] + term if name in sums else term
        means = {name: total.item() / n for name, total in sums.items()}
        return {**means, "train_batch_count": n}

    def train_step(self, batch: tuple[Tensor, Labels], progress) -> dict[str, Tensor]:
        """Take the steps on one batch; return the terms of all of them, detached.

        The sum of the terms of the last step goes by `train_loss`, the name that the
        callbacks of skorch expect.
        """
        x, y = batch
        if self._calls_back:
            self.notify("on_batch_begin", batch=batch, training=True)
            self._parameters_of = self._bind_parameters()
        shared = self.module_.shared(x)
        found = {}
        for step in self.module_.steps:
            terms = self.module_.loss(step, shared, y, progress)
            loss = sum(terms.values())
            self._descend(step, loss, batch, progress)
            for name, term in terms.items():
                found[f"train_{name}_loss"] = term.detach()
        found["train_loss"] = loss.detach()
        if self._calls_back:
            self.history.record_batch("train_loss", loss.item())
            self.history.record_batch("train_batch_size", len(x))
            self.notify("on_batch_end", batch=batch, training=True, loss=loss.detach())
        return found

    def _descend(self, step, loss, batch, progress):
        """Update the parameters of a step by the gradient of `loss`."""
        changed, held, penalties = self._parameters_of[step]
        gradients = gradients_of(loss, changed)
        if self._calls_back:
            gradients = self._show_gradients(changed, gradients, batch)
        for parameter, gradient, penalty in zip(held, gradients, penalties):
            # A second group of parameters, with a weight decay, would take longer.
            parameter.grad = (
                gradient.add(parameter, alpha=penalty) if penalty else gradient
            )
        decay = self.module_.lr_decay(progress)
        with scaled_lr((group, decay) for group in self.optimizer_.param_groups):
            self.optimizer_.step()
        for parameter in held:
            parameter.grad = None

    def _show_gradients(self, changed, gradients, batch):
        """Show the gradients to the callbacks; return them as the callbacks left them.

        A callback may change them in place or set others.
        """
        names = {id(p): name for name, p in self.module_.named_parameters()}
        for parameter, gradient in zip(changed, gradients):
            parameter.grad = gradient
        named = [(names[id(parameter)], parameter) for parameter in changed]
        self.notify(
            "on_grad_computed", named_parameters=named, batch=batch, training=True
        )
        gradients = [parameter.grad for parameter in changed]
        for parameter in changed:
            parameter.grad = None
        return gradients

    def _bind_parameters(self):
        """Return the parameters of each step, those of the optimizer, and penalties.

        They share their memory, which a copied or unpickled net has to restore. Those
        that are frozen now are left out.
        """
        bound = {}
        groups = self.optimizer_.param_groups
        for (step, parameters), group in zip(
            held_parameters(self.module_).items(), groups
        ):
            penalized = set(map(id, self.module_.penalized(step)))
            bound[step] = changed, held, penalties = [], [], []
            for parameter, twin in zip(parameters, group["params"]):
                twin.data = parameter.detach()
                if parameter.requires_grad:
                    changed.append(parameter)
                    held.append(twin)
                    penalties.append(self.alpha * (id(parameter) in penalized))
        return bound


def gradients_of(loss: Tensor, parameters: list) -> tuple[Tensor, ...]:
    """Return the gradient of a loss for each parameter, 0 for one that it lacks."""
    if not loss.requires_grad:
        raise ValueError(
            "The loss depends on no parameter of the network, so nothing can be "
            "learnt; compute it from `h` or `output`, without `detach` or `item`, and "
            "`adversary_loss` from modules that `build` makes."
        )
    return torch.autograd.grad(
        loss, parameters, allow_unused=True, materialize_grads=True
    )


def held_parameters(module: Network) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that each step can change, frozen ones included."""
    return {
        step: [
            parameter
            for parameter in module.step_parameters(step)
            if parameter.requires_grad or parameter.is_floating_point()
        ]
        for step in dict.fromkeys(module.steps)
    }


def changed_parameters(module: Network) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that each step changes."""
    return {
        step: [p for p in parameters if p.requires_grad]
        for step, parameters in held_parameters(module).items()
    }


@contextmanager
def scaled_lr(scales: Iterable[tuple[dict, float]]) -> Iterator[None]:
    """Scale the learning rates of groups of parameters, for one update.

    The groups keep the rates that the user or a callback set.
    """
    rates = []
    for group, scale in scales:
        rates.append((group, group["lr"]))
        group["lr"] = group["lr"] * scale
    try:
        yield
    finally:
        for group, rate in rates:
            group["lr"] = rate


@contextmanager
def seeded_global_random(seed: int, device: str | torch.device = "cpu"):
    """Seed torch's global generator of a device, and restore it afterwards."""
    device = torch.device(device)
    if device.type == "cuda":
        devices, manual_seed = [device], torch.manual_seed
    else:  # `torch.manual_seed` would seed graphics cards too, and takes a millisecond
        devices, manual_seed = [], torch.default_generator.manual_seed
    with GLOBAL_STATE, torch.random.fork_rng(devices):
        manual_seed(seed)
        yield


@contextmanager
def default_torch():
    """Train as by torch's defaults, whatever the process or a context has set.

    That is with gradients, with float32 for new layers, which are on the CPU at first,
    and without automatic casts.
    """
    contexts = [torch.inference_mode(False), torch.enable_grad()]
    if torch.get_default_device().type != "cpu":  # the context slows down all of torch
        contexts.append(torch.device("cpu"))
    contexts += [
        torch.autocast(kind, enabled=False)
        for kind in ("cpu", "cuda")
        if torch.is_autocast_enabled(kind)
    ]
    with GLOBAL_STATE, ExitStack() as stack:
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        stack.callback(torch.set_default_dtype, dtype)
        for context in contexts:
            stack.enter_context(context)
        yield


class ValidationScores(Callback):
    """Record what the task of the network scores on the validation rows."""

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        """Record the scores, and whether they are the best so far."""
        rows = dataset_valid.to(net.device)
        with torch.inference_mode():
            scores = net.module_.task.scores(net.module_(rows.x), rows.y)
        for name, score in scores.items():
            past = net.history[:-1, name] if len(net.history) > 1 else []
            sign = -1 if name == "valid_loss" else 1
            is_best = all(sign * score > sign * earlier for earlier in past)
            net.history.record(name, score)
            net.history.record(f"{name}_best", is_best)


def _needs_batches(named_callback):
    """Whether a callback reads the batches of the history, or has a hook for them."""
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    _, callback = named_callback
    return isinstance(callback, Checkpoint | TrainEndCheckpoint) or any(
        getattr(type(callback), hook) is not getattr(Callback, hook) for hook in hooks
    )


@contextmanager
def _training_mode(module, n, generator):
    """Put the module into training mode; yield a function that sets the next noise.

    However the epoch ends, the module predicts without noise afterwards.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, Noise)]
    initial = [layer.noise for layer in layers]
    drawn = _draw_noise(layers, n, generator)

    def next_noise():
        if layers:
            for layer, noise in zip(layers, next(drawn)):
                layer.noise = noise

    module.train()
    try:
        yield next_noise
    finally:
        module.eval()
        for layer, noise in zip(layers, initial):
            layer.noise = noise


def block_length(layers: list[Noise]) -> int:
    """Return the number of steps whose noise is drawn by one operation."""
    largest = max((layer.noise.numel() for layer in layers), default=1)
    return max(1, min(BLOCK, BLOCK_SIZE // largest))


def _draw_noise(layers, n, generator) -> Iterator[tuple[Tensor, ...]]:
    """Yield the noise of all layers, batch by batch."""
    length = block_length(layers)
    for start in range(0, n, length):
        n_steps = min(length, n - start)
        yield from zip(*[layer.draw(n_steps, generator) for layer in layers])
