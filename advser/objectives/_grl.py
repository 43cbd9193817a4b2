r"""Domain-adversarial training by gradient reversal; the speakers are the domains.

Lian, Tao, Liu, Huang (2019), arXiv 1910.13807, after Ganin et al. (2016),
arXiv 1505.07818. Encoder E and emotion head C are trained against the speaker head A:

.. math::

    \min_{E, C} \max_{A} \;
    \mathrm{CE}(C(E(x)), e) - \lambda \, \mathrm{CE}(A(E(x)), s)

One update step trains all three: a layer between E and A multiplies the gradient that A
passes on to E by :math:`-\lambda`.

This loss has no lower bound for E: the gradient continues where A is no better than
chance. In the bounded form each row has a :math:`\lambda` of its own, which is 0 there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .._engine import Labels
from ..nn import classification_loss, reverse_gradient
from ._speaker_head import LearningAdversary


def lead_over_chance(
    speaker_logits: Tensor, speaker: Tensor, candidates: Tensor
) -> Tensor:
    r"""Return how far A is better than chance, as a factor of each row's reversal.

    .. math:: \frac{p - 1/S}{(1 - p) \log S}

    Here p is the probability that A gives to the right one of S speakers. The gradient
    of A's cross-entropy, :math:`-\log p`, reversed by this factor, is that of

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
        The :math:`S` speakers whom a row may be of.

    Returns
    -------
    factor : Tensor of shape (n, 1)
        Above 0 where A does better than chance, below 0 where it does worse, and 0 for
        a row that has one candidate.
    """
    probabilities = speaker_logits.softmax(1)
    right = speaker.clamp(min=0)[:, None]  # (n, 1)
    p = probabilities.gather(1, right)
    # 1 - p, which rounds to 0 long before the probabilities of the others do
    rest = probabilities.scatter(1, right, 0.0).sum(1, keepdim=True)
    n_candidates = candidates.sum(1, keepdim=True)
    # Where A is certain up to rounding, its own gradient is 0, and the factor finite.
    rest = rest.clamp(min=torch.finfo(p.dtype).eps)
    return (p - 1 / n_candidates) / (rest * n_candidates.clamp(min=2).log())


class GradientReversal(LearningAdversary):
    r"""Domain-adversarial training by gradient reversal.

    One step on
    :math:`\mathrm{CE}(C(h), e) + \mathrm{CE}(A(\mathrm{GRL}_\lambda(h)), s)`: the
    encoder ascends the loss that the speaker head A descends.

    Parameters
    ----------
    weight : float, default=0.2
        :math:`\lambda` at the end of the ramp. The papers print no value for
        functionals.

    steps : int, default=2
        Update steps of the speaker head per update step of the encoder. The joint step
        is one of them; the others come before it.

    bounded : bool, default=True
        Whether the :math:`\lambda` of each row is multiplied by `lead_over_chance`, so
        that the reversal ends where A is no better than chance. False is the form of
        [1]_ [2]_, which has no bound and needs a weight of 0.1 or less.

    hidden_layer_sizes : sequence of int, default=()
        Hidden layers of the speaker head; none for a linear one.

    ramp : float, default=10.0
        :math:`\gamma` of the schedule
        :math:`\lambda(p) = \lambda \, (2 / (1 + e^{-\gamma p}) - 1)` over the training
        progress p from 0 to 1, the value of [2]_. 0 for the full weight throughout.

    conditional : bool, default=False
        Whether the speaker head works within each emotion [3]_, see
        :class:`SpeakerHead`. For corpora whose speakers differ in their mix of
        emotions.

    Notes
    -----
    **Differences from the papers.** The inputs are functionals of utterances; [1]_ also
    uses text and neighbouring utterances. Layer sizes, weight and number of steps are
    parameters, since the public texts do not state them. The reversal is bounded by
    default.

    References
    ----------
    .. [1] Z. Lian, J. Tao, B. Liu, J. Huang, "Domain adversarial learning for emotion
       recognition", 2019, arXiv 1910.13807.
    .. [2] Y. Ganin et al., "Domain-adversarial training of neural networks", Journal
       of Machine Learning Research 17, 2016, arXiv 1505.07818.
    .. [3] M. Long, Z. Cao, J. Wang, M. I. Jordan, "Conditional adversarial domain
       adaptation", NeurIPS 2018, arXiv 1705.10667.
    """

    _parameter_constraints: dict = {
        **LearningAdversary._parameter_constraints,
        "bounded": ["boolean"],
    }

    def __init__(
        self,
        weight: float = 0.2,
        *,
        steps: int = 2,
        bounded: bool = True,
        hidden_layer_sizes: Sequence[int] = (),
        ramp: float = 10.0,
        conditional: bool = False,
    ) -> None:
        self.weight = weight
        self.steps = steps
        self.bounded = bounded
        self.hidden_layer_sizes = hidden_layer_sizes
        self.ramp = ramp
        self.conditional = conditional

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the losses of the emotion and of the speaker head."""
        weight = self.weight_at(progress)
        if self.bounded:
            with torch.no_grad():
                logits, candidates = self.speaker_logits(h, output, y)
                weight = weight * lead_over_chance(logits, y.speaker, candidates)
        logits, _ = self.speaker_logits(reverse_gradient(h, weight), output, y)
        return {
            "emotion": self.task.loss(output, y),
            "speaker": classification_loss(logits, y.speaker, y.speaker_weight),
        }
