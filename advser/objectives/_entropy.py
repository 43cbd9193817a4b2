r"""Maximum-entropy adversary: the encoder maximises the entropy of the speaker head.

Li, Tu, Huang, Narayanan and Georgiou (2020), arXiv 1911.01533. Two update steps
alternate on a batch. The speaker head A learns the speaker from the embedding, which is
held fixed; then encoder E and emotion head C learn the emotion and raise the entropy of
A:

.. math::

    \min_{A} \; \mathrm{CE}(A(\mathrm{sg}[h]), s)
    \qquad
    \min_{E, C} \; \mathrm{CE}(C(h), e) - \lambda \, H(p_s) / \log S,
    \quad p_s = \mathrm{softmax}(A(h))

In the second step the weights of A are fixed, and the gradient passes through A into E.
"""

from collections.abc import Sequence

from torch import Tensor

from .._engine import Labels
from ..nn import weighted_mean
from ._speaker_head import LearningAdversary


def speaker_entropy(speaker_logits: Tensor, candidates: Tensor) -> Tensor:
    r"""Return each row's entropy of the predicted speaker, as a share of the largest.

    .. math:: H(p_s) / \log S = - \sum_s p_s \log p_s / \log S

    Parameters
    ----------
    speaker_logits : Tensor of shape (n, n_speakers)

    candidates : Tensor of shape (n, n_speakers) or (1, n_speakers), of 0 and 1
        The :math:`S` speakers whom a row may be of.

    Returns
    -------
    entropy : Tensor of shape (n,)
        From 0, where A is certain, to 1, where all candidates are equally probable. 0
        for a row that has one candidate.
    """
    log_p = speaker_logits.log_softmax(1)
    n_candidates = candidates.sum(1).clamp(min=2)
    return -(log_p.exp() * log_p).sum(1) / n_candidates.log()


class MaxEntropy(LearningAdversary):
    r"""Maximum-entropy adversary.

    The speaker head A learns the speaker from the fixed embedding; then E and C descend
    :math:`\mathrm{CE}(C(h), e) - \lambda H(A(h)) / \log S`.

    Parameters
    ----------
    weight : float, default=1.0
        :math:`\lambda` at the end of the ramp.

    steps : int, default=2
        Update steps of the speaker head before each update step of the encoder.

    hidden_layer_sizes : sequence of int, default=()
        Hidden layers of the speaker head; none for a linear one.

    ramp : float, default=10.0
        :math:`\gamma` of the schedule
        :math:`\lambda(p) = \lambda \, (2 / (1 + e^{-\gamma p}) - 1)` over the training
        progress p from 0 to 1. 0 for the full weight throughout, as in the paper.

    conditional : bool, default=False
        Whether the speaker head works within each emotion, see :class:`SpeakerHead`.
        For corpora whose speakers differ in their mix of emotions.

    See Also
    --------
    Confusion : The same steps with another term for the encoder.

    Notes
    -----
    **Differences from the paper.** The inputs are functionals of utterances, not
    frames. Layer sizes, weight and number of steps are parameters. The entropy is
    divided by :math:`\log S`, so that a weight means the same for any number of
    speakers, and the weight is ramped up by default.

    References
    ----------
    H. Li, M. Tu, J. Huang, S. Narayanan, P. Georgiou, "Speaker-invariant affective
    representation learning via adversarial training", ICASSP 2020, arXiv 1911.01533.
    """

    trains_own_modules = False

    def __init__(
        self,
        weight: float = 1.0,
        *,
        steps: int = 2,
        hidden_layer_sizes: Sequence[int] = (),
        ramp: float = 10.0,
        conditional: bool = False,
    ) -> None:
        self.weight = weight
        self.steps = steps
        self.hidden_layer_sizes = hidden_layer_sizes
        self.ramp = ramp
        self.conditional = conditional

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion and the weighted entropy, negated."""
        entropy = speaker_entropy(*self.speaker_logits(h, output, y))
        entropy = weighted_mean(entropy, y.speaker_weight)
        return {
            "emotion": self.task.loss(output, y),
            "entropy": -self.weight_at(progress) * entropy,
        }
