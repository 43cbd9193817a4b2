r"""The plain network, and what the adversarial ones add to it.

The plain network is empirical risk minimisation, the baseline of every method here:

.. math:: \min_{E, C} \; \mathrm{CE}(C(E(x)), e)

The adversarial networks add a speaker head :math:`A`, and differ only in the game that
it plays with the encoder.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..nn import classification_loss, linear, mlp, ramp
from ._outputs import Emotions

__all__ = [
    "AdversarialNetwork",
    "EmotionNetwork",
    "SpeakerHead",
    "SpeakerNetwork",
    "condition_of",
]


class EmotionNetwork(nn.Module):
    """Encoder and emotion head, trained on the emotion alone.

    Parameters
    ----------
    encoder : Module
        Maps features to the embedding: (n, d) to (n, embedding_dim).

    emotion_head : Module
        Maps the embedding to logits or ratings: (n, embedding_dim) to (n, n_outputs).

    outputs : Emotions or Ratings, default=Emotions()
        What the head tells, and its loss.

    alpha : float, default=0.0
        Weight of the L2 penalty on the weights of encoder and emotion head.
    """

    steps = ("train",)

    def __init__(self, encoder, emotion_head, *, outputs=None, alpha=0.0):
        super().__init__()
        self.encoder = encoder
        self.emotion_head = emotion_head
        self.outputs = Emotions() if outputs is None else outputs
        self.is_penalized = alpha > 0
        self.register_buffer("alpha", torch.tensor(float(alpha)), persistent=False)

    def forward(self, x):
        """Return the logits or the ratings: (n, d) to (n, n_outputs)."""
        return self.outputs(self.emotion_head(self.encoder(x)))

    def step_parameters(self, step):
        """Return the parameters that a move may change."""
        return [*self.encoder.parameters(), *self.emotion_head.parameters()]

    def loss(self, step, x, y, progress):
        """Return the terms of a move: the loss of the emotion."""
        output = self.emotion_head(self.encoder(x))
        return {"emotion": self.outputs.loss(output, y), **self.penalty()}

    def penalty(self):
        r"""Return the term of the penalty, if there is one.

        .. math:: \frac{\alpha}{2} \sum_k \lVert W_k \rVert^2

        Over the weights of encoder and emotion head, not over the biases. The speaker
        head has none: a weak adversary would prove nothing.
        """
        if not self.is_penalized:
            return {}
        layers = [*self.encoder.modules(), self.emotion_head]
        weights = [layer.weight for layer in layers if isinstance(layer, nn.Linear)]
        first, *others = [weight.square().sum() for weight in weights]
        return {"penalty": self.alpha / 2 * sum(others, start=first)}

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"steps={self.steps}, is_penalized={self.is_penalized}"


def condition_of(emotion_logits, emotion):
    """Return what a conditional adversary knows of the emotion of each row.

    Parameters
    ----------
    emotion_logits : Tensor of shape (n, n_emotions)

    emotion : Tensor of shape (n,)
        Emotion codes, -1 where the emotion is unknown.

    Returns
    -------
    probability : Tensor of shape (n, n_emotions)
        One-hot where the emotion is known, the detached prediction elsewhere.
    """
    n_emotions = emotion_logits.shape[1]
    known = F.one_hot(emotion.clamp(min=0), n_emotions).to(emotion_logits)
    predicted = emotion_logits.detach().softmax(1)
    return torch.where(emotion[:, None] >= 0, known, predicted)


class SpeakerHead(nn.Module):
    r"""Tells the speaker from the embedding: the adversary.

    The conditional head plays its game within each emotion, as the conditional
    adversary of Long et al. (2018), arXiv 1705.10667, does: it sees
    :math:`\mathrm{vec}(q \otimes h)` with the emotion :math:`q` (one-hot where it is
    known, the detached prediction elsewhere), and chooses among the speakers who were
    heard with that emotion. What the emotion alone says of the speaker then gives the
    encoder nothing to remove.

    Parameters
    ----------
    embedding_dim : int

    hidden_layer_sizes : sequence of int
        Hidden layers of the head; none for a linear one.

    n_speakers : int

    generator : torch.Generator
        Source of the initial weights.

    support : Tensor of shape (n_emotions, n_speakers) or None, default=None
        1 where a speaker was heard with an emotion, 0 elsewhere. None for the
        unconditional head.
    """

    excluded_logit = -1e4  # a probability of exactly 0 in float32, and no NaN

    def __init__(
        self, embedding_dim, hidden_layer_sizes, n_speakers, generator, support=None
    ):
        super().__init__()
        self.conditional = support is not None
        n_emotions = len(support) if self.conditional else 1
        sizes = (embedding_dim * n_emotions, *hidden_layer_sizes)
        self.layers = nn.Sequential(
            *mlp(sizes, generator), linear(sizes[-1], n_speakers, None)
        )
        # The last row is for the emotion code -1: who might speak if it is unknown.
        support = torch.ones(0, n_speakers) if support is None else support
        support = torch.cat([support, torch.ones(1, n_speakers)])
        self.register_buffer("support", support)  # (n_emotions + 1 or 1, n_speakers)
        self.n_speakers = n_speakers
        self.n_outputs = None  # unless padded

    def candidates(self, emotion):
        """Return the speakers whom each row chooses among, of 0 and 1.

        Parameters
        ----------
        emotion : Tensor of shape (n,)

        Returns
        -------
        candidates : Tensor of shape (n, n_speakers) or (1, n_speakers)
        """
        return self.support[emotion] if self.conditional else self.support

    def forward(self, h, emotion_logits, emotion):
        """Return the speaker logits: (n, n_speakers).

        Parameters
        ----------
        h : Tensor of shape (n, embedding_dim)

        emotion_logits : Tensor of shape (n, n_emotions)

        emotion : Tensor of shape (n,)
            Emotion codes, -1 where the emotion is unknown.
        """
        if self.conditional:
            q = condition_of(emotion_logits, emotion)  # (n, n_emotions)
            h = (q[:, :, None] * h[:, None, :]).flatten(1)
        logits = self.layers(h)
        if self.conditional or self.n_outputs is not None:
            logits = logits + (1 - self.candidates(emotion)) * self.excluded_logit
        return logits

    def pad(self, n_outputs):
        """Add outputs without a speaker, so that heads of several sizes can be stacked.

        No row chooses among them: their logits are excluded, their weights stay 0.
        """
        self.n_outputs = n_outputs
        self._resize(n_outputs)

    def unpad(self):
        """Take the added outputs away."""
        self.n_outputs = None
        self._resize(self.n_speakers)

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"conditional={self.conditional}, n_outputs={self.n_outputs}"

    @torch.no_grad()
    def _resize(self, n_outputs):
        old = self.layers[-1]
        kept = min(n_outputs, old.out_features)
        new = linear(old.in_features, n_outputs, None).to(old.weight)
        new.weight[:kept] = old.weight[:kept]
        new.bias[:kept] = old.bias[:kept]
        self.layers[-1] = new
        support = self.support.new_zeros(len(self.support), n_outputs)
        support[:, :kept] = self.support[:, :kept]
        self.support = support


class AdversarialNetwork(EmotionNetwork):
    """The plain network, and how much its encoder minds an adversary.

    Parameters
    ----------
    encoder, emotion_head : Module
        As in `EmotionNetwork`.

    weight : float
        Weight of the speaker term in what the encoder minimises.

    steepness : float
        How fast that weight ramps up, see `advser.nn.ramp`.

    outputs, alpha : object
        As in `EmotionNetwork`.
    """

    def __init__(
        self, encoder, emotion_head, *, weight, steepness, outputs=None, alpha=0.0
    ):
        super().__init__(encoder, emotion_head, outputs=outputs, alpha=alpha)
        self.steepness = steepness
        self.register_buffer("weight", torch.tensor(float(weight)), persistent=False)

    def weight_at(self, progress):
        """Return the weight of the speaker term at this point of the training."""
        return self.weight * ramp(progress, self.steepness)

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"{super().extra_repr()}, steepness={self.steepness}"

    def shared(self, x):
        """Return what every move builds on: the embedding, and what the head says."""
        h = self.encoder(x)  # (n, embedding_dim)
        return h, self.emotion_head(h)


class SpeakerNetwork(AdversarialNetwork):
    """A network whose adversary is a speaker head, which learns by its own moves.

    Parameters
    ----------
    encoder, emotion_head : Module
        As in `EmotionNetwork`.

    speaker_head : SpeakerHead

    weight, steepness, outputs, alpha : object
        As in `AdversarialNetwork`.
    """

    def __init__(
        self,
        encoder,
        emotion_head,
        speaker_head,
        *,
        weight,
        steepness,
        outputs=None,
        alpha=0.0,
    ):
        super().__init__(
            encoder,
            emotion_head,
            weight=weight,
            steepness=steepness,
            outputs=outputs,
            alpha=alpha,
        )
        self.speaker_head = speaker_head

    def adversary_loss(self, shared, y):
        """Return the term of the adversary's own move: it learns who speaks.

        The embedding stands still, so that this moves the speaker head alone.
        """
        h, output = shared
        condition = self.outputs.condition(output, y)
        speaker_logits = self.speaker_head(h.detach(), *condition)
        return {"speaker": classification_loss(speaker_logits, y, "speaker")}
