r"""Domain-adversarial training with gradient reversal; the speakers are the domains.

Lian, Tao, Liu, Huang (2019), arXiv 1910.13807, on the idea of Ganin et al. (2016),
arXiv 1505.07818. Encoder E and emotion head C play against the speaker head A:

.. math::

    \min_{E, C} \max_{A} \;
    \mathrm{CE}(C(E(x)), e) - \lambda \, \mathrm{CE}(A(E(x)), s)

Both sides move in one step: a layer between E and A hands A's gradient on to E
multiplied by :math:`-\lambda`.
"""

from .layers import classification_loss, reverse_gradient
from .networks import SpeakerNetwork

__all__ = ["DomainAdversarialNetwork", "domain_adversarial_loss"]


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
        label; see `advser.layers.classification_loss`.

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
        reversed_h = reverse_gradient(h, self.weight_at(progress))
        condition = self.outputs.condition(output, y)
        speaker_logits = self.speaker_head(reversed_h, *condition)
        terms = domain_adversarial_loss(output, speaker_logits, y, self.outputs)
        return {**terms, **self.penalty()}
