"""The network of `AdversarialSER`: encoder, emotion head and an objective."""

import math

from torch import Tensor, nn

from .._engine import Network


def check_terms(terms, objective):
    """Raise a ValueError unless a loss is a dict of real tensors of shape ()."""
    if not isinstance(terms, dict) or not terms:
        wrong = [kind_of(terms)]
    else:
        wrong = [
            f"{kind_of(term)} as {name!r}"
            for name, term in terms.items()
            if not (isinstance(name, str) and isinstance(term, Tensor)) or term.ndim
        ]
    if wrong:
        raise ValueError(
            f"`adversary={objective}` returns {wrong[0]} as loss; it must return a "
            "dict of names and tensors of shape (), such as "
            '`{"emotion": self.task.loss(output, y)}`.'
        )


def kind_of(value):
    """Return what a value is, such as "a Tensor of shape (2,)"."""
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    return "an empty dict" if value == {} else f"a {type(value).__name__}"


class AdversarialNetwork(Network):
    """Encoder and emotion head that are trained by an objective.

    Parameters
    ----------
    encoder : Module
        Maps features to the embedding: (n, n_features) to (n, embedding_dim).

    emotion_head : Module
        Maps the embedding to logits or ratings: (n, embedding_dim) to (n, n_outputs).

    objective : Objective
        As its `set_up` returns it.
    """

    def __init__(self, encoder, emotion_head, objective):
        super().__init__()
        self.encoder = encoder
        self.emotion_head = emotion_head
        self.objective = objective
        self.steps = ("adversary",) * objective.n_adversary_steps + ("train",)

    @property
    def task(self):
        """Emotions or ratings."""
        return self.objective.task

    def forward(self, x):
        """Return logits or ratings: (n, n_features) to (n, n_outputs)."""
        return self.task(self.emotion_head(self.encoder(x)))

    def shared(self, x):
        """Return embedding and output of the emotion head."""
        h = self.encoder(x)  # (n, embedding_dim)
        return h, self.emotion_head(h)

    def loss(self, step, shared, y, progress):
        """Return the terms of an update step."""
        h, output = shared
        if step == "adversary":
            terms = self.objective.adversary_loss(h.detach(), output.detach(), y)
        else:
            terms = self.objective.loss(h, output, y, progress)
        check_terms(terms, self.objective)
        return terms

    def step_parameters(self, step):
        """Return the parameters that a step changes."""
        own = list(self.objective.parameters())
        if step == "adversary":
            return own
        main = [*self.encoder.parameters(), *self.emotion_head.parameters()]
        return main + own if self.objective.trains_own_modules else main

    def lr_decay(self, progress):
        """Let the learning rates fall to 0 along half a cosine."""
        return (1 + math.cos(math.pi * progress)) / 2

    def penalized(self, step):
        """Return the weights of encoder and emotion head, not their biases.

        The adversary has no penalty: a weak one would prove nothing.
        """
        if step == "adversary":
            return []
        main = nn.ModuleList([self.encoder, self.emotion_head])
        return [parameter for parameter in main.parameters() if parameter.ndim > 1]
