r"""Domain-adversarial training with gradient reversal; the speakers are the domains.

Lian, Tao, Liu, Huang (2019), arXiv 1910.13807, on the idea of Ganin et al. (2016),
arXiv 1505.07818. Encoder E and emotion head C play against the speaker head A:

.. math::

    \min_{E, C} \max_{A} \;
    \mathrm{CE}(C(E(x)), e) - \lambda \, \mathrm{CE}(A(E(x)), s)

Both sides move in one step: a layer between E and A hands A's gradient on to E
multiplied by :math:`-\lambda`.

What E gains so has no bound: it is driven on where A is no better than chance already.
In the bounded game each row has a :math:`\lambda` of its own, which is 0 there.
"""

import torch

from .._engine._networks import SpeakerNetwork
from ..nn import classification_loss, reverse_gradient

__all__ = [
    "DomainAdversarialNetwork",
    "domain_adversarial_loss",
    "lead_over_chance",
]


def lead_over_chance(speaker_logits, speaker, candidates):
    r"""Return how far A is ahead of chance, as a factor of each row's reversal.

    .. math:: \frac{p - 1/S}{(1 - p) \log S}

    Here p is what A gives to the right one of S speakers. The gradient of A's
    cross-entropy, :math:`-\log p`, reversed by this factor, is that of

    .. math:: - \frac{1}{\log S}
        \left( \frac{1}{S} \log p + \frac{S - 1}{S} \log (1 - p) \right),

    which is smallest at :math:`p = 1/S`: the confusion loss of Tzeng et al. (2015),
    arXiv 1510.02192, of the right speaker against all others.

    Parameters
    ----------
    speaker_logits : Tensor of shape (n, n_speakers)

    speaker : Tensor of shape (n,)
        Codes of the speakers, -1 where the speaker is unknown.

    candidates : Tensor of shape (n, n_speakers) or (1, n_speakers), of 0 and 1
        The :math:`S` speakers whom a row chooses among.

    Returns
    -------
    factor : Tensor of shape (n, 1)
        Above 0 where A does better than chance, below 0 where it does worse, and 0 for
        a row that has one candidate.
    """
    probabilities = speaker_logits.softmax(1)
    right = speaker.clamp(min=0)[:, None]  # (n, 1)
    p = probabilities.gather(1, right)
    # 1 - p, which rounds to 0 long before the others' probabilities do
    rest = probabilities.scatter(1, right, 0.0).sum(1, keepdim=True)
    n_candidates = candidates.sum(1, keepdim=True)
    # Beyond what A's own gradient can tell from certainty, the reversal dies out.
    rest = rest.clamp(min=torch.finfo(p.dtype).eps)
    return (p - 1 / n_candidates) / (rest * n_candidates.clamp(min=2).log())


def domain_adversarial_loss(output, speaker_logits, y, outputs):
    r"""Return the two terms of the joint step.

    .. math:: L = \mathrm{CE}(C(h), e) + \mathrm{CE}(A(\mathrm{GRL}_\lambda(h)), s)

    Parameters
    ----------
    output : Tensor of shape (n, n_outputs)
        :math:`C(h)`, logits of the emotions or standardised ratings.

    speaker_logits : Tensor of shape (n, n_speakers)
        :math:`A(\mathrm{GRL}_\lambda(h))`: the reversal is in the logits' graph.

    y : dict of Tensor of shape (n,)
        Codes ``"emotion"`` and ``"speaker"``, and their weights where rows lack a
        label; see `advser.nn.classification_loss`.

    outputs : Emotions or Ratings
        Knows the loss of the emotion; that of ratings stands in for
        :math:`\mathrm{CE}(C(h), e)`.

    Returns
    -------
    terms : dict of Tensor of shape ()
        ``"emotion"`` and ``"speaker"``.
    """
    return {
        "emotion": outputs.loss(output, y),
        "speaker": classification_loss(speaker_logits, y, "speaker"),
    }


class DomainAdversarialNetwork(SpeakerNetwork):
    r"""The game of gradient reversal.

    Parameters
    ----------
    encoder, emotion_head, speaker_head : Module

    weight : float
        :math:`\lambda` at the end of the ramp.

    steepness : float
        :math:`\gamma` of the ramp.

    n_adversary_steps : int, default=1
        Updates of the speaker head per update of the encoder. The joint step holds
        one; the others come before it.

    bounded : bool, default=False
        Whether :math:`\lambda` counts in each row as much as `lead_over_chance` says.

    outputs : Emotions or Ratings, default=Emotions()

    alpha : float, default=0.0
        Weight of the L2 penalty.
    """

    def __init__(
        self,
        encoder,
        emotion_head,
        speaker_head,
        *,
        weight,
        steepness,
        n_adversary_steps=1,
        bounded=False,
        outputs=None,
        alpha=0.0,
    ):
        super().__init__(
            encoder,
            emotion_head,
            speaker_head,
            weight=weight,
            steepness=steepness,
            outputs=outputs,
            alpha=alpha,
        )
        self.steps = ("adversary",) * (n_adversary_steps - 1) + ("train",)
        self.bounded = bounded

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"{super().extra_repr()}, bounded={self.bounded}"

    def step_parameters(self, step):
        """Return the parameters that a move may change."""
        return list(
            self.parameters() if step == "train" else self.speaker_head.parameters()
        )

    def loss(self, step, shared, y, progress):
        """Return the terms of a move."""
        if step == "adversary":
            return self.adversary_loss(shared, y)
        h, output = shared
        weight = self.weight_at(progress)
        logits, codes = self.outputs.condition(output, y)
        if self.bounded:
            with torch.no_grad():
                speaker_logits = self.speaker_head(h, logits, codes)
                candidates = self.speaker_head.candidates(codes)
                lead = lead_over_chance(speaker_logits, y["speaker"], candidates)
            weight = weight * lead
        reversed_h = reverse_gradient(h, weight)
        speaker_logits = self.speaker_head(reversed_h, logits, codes)
        terms = domain_adversarial_loss(output, speaker_logits, y, self.outputs)
        return {**terms, **self.penalty()}
