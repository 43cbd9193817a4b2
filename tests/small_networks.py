"""Small networks for the tests: with numbers to work by hand, or random.

All compute in float64, where finite differences are exact enough.
"""

import torch
from skorch.callbacks import Callback
from tensors import identity, tensor

from advser._engine import Labels
from advser.methods._adversarial_network import AdversarialNetwork
from advser.methods._tasks import Emotions
from advser.nn import linear, mlp
from advser.objectives import SpeakerHead

SUPPORT = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]])


def labels(emotion=None, speaker=None, **weights):
    """Return labels; those that are known weigh 1 where no weights are given."""
    known = {"emotion": emotion, "speaker": speaker}
    found = {}
    for name, codes in known.items():
        if codes is not None:
            codes = torch.as_tensor(codes)
            found[name] = codes
            found[f"{name}_weight"] = (codes >= 0).double()
    return Labels(**{**found, **{k: torch.as_tensor(v) for k, v in weights.items()}})


def with_unknown(support):
    """Return a support with a row of ones for an unknown emotion."""
    return torch.cat([support, torch.ones(1, support.shape[1])])


def speaker_head_of(weight, support=None):
    """Return a linear speaker head with the given weight, of shape (S, n_in)."""
    n_speakers, n_in = len(weight), len(weight[0])
    if support is not None:
        n_in //= len(support)
        support = with_unknown(torch.tensor(support))
    head = SpeakerHead(n_in, n_speakers, torch.Generator(), (), support).double()
    with torch.no_grad():
        next(head.parameters()).copy_(tensor(weight))
    return head


def ready(objective, n_emotions=2, embedding_dim=2, n_speakers=2, support=None):
    """Return an objective as an estimator sets it up, in float64."""
    if support is None:
        support = torch.ones(n_emotions, n_speakers)
    task = Emotions(n_emotions)
    generator = torch.Generator().manual_seed(0)
    support = torch.as_tensor(support)
    return objective.set_up(task, embedding_dim, support, generator).double()


def worked_by_hand(objective, *, adversary=((1.0, 0.0), (0.0, 1.0)), support=None):
    """Return a network whose h and C(h) are the features, and A(h) is adversary · h."""
    n_speakers = len(adversary) if support is None else len(support[0])
    objective = ready(objective, n_speakers=n_speakers, support=support)
    if hasattr(objective, "speaker_head"):
        with torch.no_grad():
            next(objective.speaker_head.parameters()).copy_(tensor(adversary))
    return AdversarialNetwork(identity(2), identity(2), objective).double()


def random_network(objective, *, changed=True, dropout=0.0):
    """Return a network of 5 features, 3 emotions and 4 speakers.

    Its output layers are no longer at their start, 0, if it has `changed`.
    """
    generator = torch.Generator().manual_seed(0)
    encoder = mlp((5, 6, 4), generator, dropout=dropout)
    emotion_head = linear(4, 3, None)
    objective = ready(objective, 3, 4, 4, SUPPORT)
    if changed:
        heads = [emotion_head]
        if hasattr(objective, "speaker_head"):
            heads.append(objective.speaker_head.layers[-1])
        with torch.no_grad():
            for layer in heads:
                layer.weight.normal_(generator=generator)
    return AdversarialNetwork(encoder, emotion_head, objective).double()


def random_batch(n=7):
    """Return rows for a random network; one has no emotion, another no speaker."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    pairs = tensor([[0, 0], [0, 1], [1, 1], [1, 2], [2, 0], [2, 2], [2, 3]]).long()
    emotion, speaker = pairs[torch.arange(n) % 7].T.clone()
    emotion[1], speaker[2] = -1, -1
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    y = Labels(
        row_weight=weight,
        emotion=emotion,
        speaker=speaker,
        emotion_weight=weight * (emotion >= 0),
        speaker_weight=weight * (speaker >= 0),
    )
    return x, y


def terms_of(network, step, x, y, progress=1.0):
    """Return the terms of an update step on a batch."""
    return network.loss(step, network.shared(x), y, progress)


class Interrupt(Callback):
    """Stop the training in the middle of an epoch, as Ctrl-C does, but once."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        """Interrupt the epoch."""
        if len(net.history) == self.epoch:
            self.epoch = None
            raise KeyboardInterrupt
