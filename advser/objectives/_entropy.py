r"""Max-entropy adversarial network, and the confusion loss beside it.

Li, Tu, Huang, Narayanan and Georgiou (2020), arXiv 1911.01533. Two moves alternate on
a batch. The speaker head A learns who speaks from a frozen embedding; then encoder E
and emotion head C learn the emotion while they make A undecided:

.. math::

    \min_{A} \; \mathrm{CE}(A(\mathrm{sg}[h]), s)
    \qquad
    \min_{E, C} \; \mathrm{CE}(C(h), e) - \lambda \, H(p_s) / \log S,
    \quad p_s = \mathrm{softmax}(A(h))

In the second move A's weights stand still, but the gradient flows through A into E.
"""

from .._engine._networks import SpeakerNetwork
from ..nn import weighted_mean

__all__ = ["MaxEntropyNetwork", "confusion_loss", "speaker_entropy"]


def speaker_entropy(speaker_logits, candidates):
    r"""Return each row's entropy of the predicted speaker, as a share of the largest.

    .. math:: H(p_s) / \log S = - \sum_s p_s \log p_s / \log S

    Parameters
    ----------
    speaker_logits : Tensor of shape (n, n_speakers)

    candidates : Tensor of shape (n, n_speakers) or (1, n_speakers), of 0 and 1
        The :math:`S` speakers whom a row chooses among.

    Returns
    -------
    entropy : Tensor of shape (n,)
        From 0, where A is certain, to 1, where it has no idea. 0 for a row that has
        one candidate.
    """
    log_p = speaker_logits.log_softmax(1)
    n_candidates = candidates.sum(1).clamp(min=2)
    return -(log_p.exp() * log_p).sum(1) / n_candidates.log()


def confusion_loss(speaker_logits, candidates):
    r"""Return each row's cross-entropy from the uniform choice to the predicted one.

    .. math:: - \frac{1}{S \log S} \sum_s \log p_s

    The confusion loss of Tzeng et al. (2015), arXiv 1510.02192. It is smallest where
    the entropy is largest, and its gradient does not die where A is certain.

    Parameters
    ----------
    speaker_logits : Tensor of shape (n, n_speakers)

    candidates : Tensor of shape (n, n_speakers) or (1, n_speakers), of 0 and 1
        The :math:`S` speakers whom a row chooses among.

    Returns
    -------
    loss : Tensor of shape (n,)
        1 where A has no idea, above 1 elsewhere. 0 for a row that has one candidate.
    """
    log_p = speaker_logits.log_softmax(1)
    n_candidates = candidates.sum(1)
    log_n = n_candidates.clamp(min=2).log()
    return -(candidates * log_p).sum(1) / (n_candidates * log_n)


class MaxEntropyNetwork(SpeakerNetwork):
    r"""The game of maximum entropy, or of confusion.

    Parameters
    ----------
    encoder, emotion_head, speaker_head : Module

    weight : float
        :math:`\lambda` at the end of the ramp.

    steepness : float
        :math:`\gamma` of the ramp.

    n_adversary_steps : int, default=1
        Updates of the speaker head before each update of the encoder.

    objective : {"entropy", "confusion"}, default="entropy"
        What the encoder does to A: raise its entropy, or lower the confusion loss.

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
        objective="entropy",
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
        self.steps = ("adversary",) * n_adversary_steps + ("train",)
        self.objective = objective

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"{super().extra_repr()}, objective={self.objective!r}"

    def step_parameters(self, step):
        """Return the parameters that a move may change."""
        if step == "adversary":
            return list(self.speaker_head.parameters())
        return super().step_parameters(step)

    def loss(self, step, shared, y, progress):
        """Return the terms of a move."""
        if step == "adversary":
            return self.adversary_loss(shared, y)
        h, output = shared
        logits, codes = self.outputs.condition(output, y)
        speaker_logits = self.speaker_head(h, logits, codes)
        candidates = self.speaker_head.candidates(codes)
        if self.objective == "entropy":
            losses = -speaker_entropy(speaker_logits, candidates)  # (n,)
        else:
            losses = confusion_loss(speaker_logits, candidates)
        speaker_term = self.weight_at(progress) * weighted_mean(losses, y, "speaker")
        return {
            "emotion": self.outputs.loss(output, y),
            self.objective: speaker_term,
            **self.penalty(),
        }
