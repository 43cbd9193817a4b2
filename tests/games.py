"""Small networks for the tests of the games: with numbers to work by hand, or random.

All compute in float64, where finite differences are exact enough.
"""

import torch
from skorch.callbacks import Callback
from torch import nn

from advser._engine._networks import EmotionNetwork, SpeakerHead
from advser.nn import linear, mlp
from advser.objectives._closed_form import RidgeNetwork


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def identity(n):
    """Return a linear layer that changes nothing."""
    layer = nn.Linear(n, n, bias=False, dtype=torch.float64)
    nn.init.eye_(layer.weight)
    return layer


def speaker_head_of(weight, support=None):
    """Return a linear speaker head with the given weight, of shape (S, n_in)."""
    n_speakers, n_in = len(weight), len(weight[0])
    if support is not None:
        n_in //= len(support)
        support = torch.tensor(support)
    head = SpeakerHead(n_in, (), n_speakers, torch.Generator(), support).double()
    with torch.no_grad():
        next(head.parameters()).copy_(tensor(weight))
    return head


def worked_by_hand(
    network, *, adversary=((1.0, 0.0), (0.0, 1.0)), support=None, **settings
):
    """Return a network whose h and C(h) are the features, and A(h) is adversary · h."""
    head = speaker_head_of(adversary, support)
    settings = {"weight": 1.0, "steepness": 0.0, **settings}
    return network(identity(2), identity(2), head, **settings).double()


def random_network(network, *, conditional=False, moved=True, **settings):
    """Return a network of 5 features, 3 emotions and 4 speakers.

    Its output layers are off their start at 0 if it has `moved`.
    """
    generator = torch.Generator().manual_seed(0)
    encoder = mlp((5, 6, 4), generator)
    emotion_head = linear(4, 3, None)
    heads = []
    if network is not EmotionNetwork:
        settings = {"weight": 0.7, "steepness": 0.0, **settings}
    if network is RidgeNetwork:
        settings |= {"n_speakers": 4, "conditional": conditional}
    elif network is not EmotionNetwork:
        support = None
        if conditional:
            support = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]])
        heads = [SpeakerHead(4, (5,), 4, generator, support)]
    module = network(encoder, emotion_head, *heads, **settings).double()
    if moved:
        with torch.no_grad():
            for layer in (emotion_head, *(head.layers[-1] for head in heads)):
                layer.weight.normal_(generator=generator)
    return module


def random_batch(n=7):
    """Return rows for a random network; one has no emotion, another no speaker."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    pairs = tensor([[0, 0], [0, 1], [1, 1], [1, 2], [2, 0], [2, 2], [2, 3]]).long()
    emotion, speaker = pairs[torch.arange(n) % 7].T.clone()
    emotion[1], speaker[2] = -1, -1
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    y = {
        "emotion": emotion,
        "speaker": speaker,
        "emotion_weight": weight * (emotion >= 0),
        "speaker_weight": weight * (speaker >= 0),
    }
    return x, y


def play(network, step, x, y, progress):
    """Return the terms of a move on a batch."""
    return network.loss(step, network.shared(x), y, progress)


def gradients(losses, parameters):
    """Return the gradients of the sum of losses, 0 where there is none."""
    return torch.autograd.grad(
        sum(losses).sum(),
        list(parameters),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )


def numeric_gradients(function, parameters, step=1e-6):
    """Return the central finite differences of a function of no arguments."""
    found = []
    with torch.no_grad():
        for parameter in parameters:
            gradient = torch.zeros_like(parameter)
            flat, out = parameter.view(-1), gradient.view(-1)
            for i in range(len(flat)):
                start = flat[i].item()
                flat[i] = start + step
                above = function().item()
                flat[i] = start - step
                out[i] = (above - function().item()) / (2 * step)
                flat[i] = start
            found.append(gradient)
    return found


class Interrupt(Callback):
    """Stop the training in the middle of an epoch, as Ctrl-C does, but once."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        """Interrupt the epoch."""
        if len(net.history) == self.epoch:
            self.epoch = None
            raise KeyboardInterrupt
