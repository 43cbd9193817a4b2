r"""Confusion loss: the speaker head should predict all speakers alike.

Tzeng, Hoffman, Darrell, Saenko (2015), arXiv 1510.02192. The update steps are those of
the maximum-entropy adversary; the encoder descends the cross-entropy from the uniform
distribution to the predicted one:

.. math::

    \min_{E, C} \; \mathrm{CE}(C(h), e)
    - \frac{\lambda}{S \log S} \sum_s \log p_s,
    \quad p_s = \mathrm{softmax}(A(h))
"""

from torch import Tensor

from .._engine import Labels
from ..nn import weighted_mean
from ._entropy import MaxEntropy


def confusion_loss(speaker_logits: Tensor, candidates: Tensor) -> Tensor:
    r"""Return each row's cross-entropy from the uniform choice to the predicted one.

    .. math:: - \frac{1}{S \log S} \sum_s \log p_s

    It is smallest where the entropy is largest. Unlike that of the entropy, its
    gradient does not vanish where A is certain.

    Parameters
    ----------
    speaker_logits, candidates : Tensor of shape (n, n_speakers)
        As in :func:`speaker_entropy`, with :math:`S` candidates.

    Returns
    -------
    loss : Tensor of shape (n,)
        1 where all candidates are equally probable, above 1 elsewhere. 0 for a row that
        has one candidate.
    """
    log_p = speaker_logits.log_softmax(1)
    n_candidates = candidates.sum(1)
    log_n = n_candidates.clamp(min=2).log()
    return -(candidates * log_p).sum(1) / (n_candidates * log_n)


class Confusion(MaxEntropy):
    r"""Confusion loss in place of the entropy.

    The speaker head A learns the speaker from the fixed embedding; then E and C descend
    :math:`\mathrm{CE}(C(h), e) - \lambda \sum_s \log p_s / (S \log S)`.

    Parameters
    ----------
    weight, steps, hidden_layer_sizes, ramp, conditional : as in :class:`MaxEntropy`

    Notes
    -----
    **Differences from the paper.** The domains are speakers. Weight, number of steps
    and ramp are parameters, and the loss is divided by :math:`\log S`.

    References
    ----------
    E. Tzeng, J. Hoffman, T. Darrell, K. Saenko, "Simultaneous deep transfer across
    domains and tasks", ICCV 2015, arXiv 1510.02192.
    """

    def loss(
        self, h: Tensor, output: Tensor, y: Labels, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of the emotion and the weighted confusion loss."""
        losses = confusion_loss(*self.speaker_logits(h, output, y))
        confusion = weighted_mean(losses, y.speaker_weight)
        return {
            "emotion": self.task.loss(output, y),
            "confusion": self.weight_at(progress) * confusion,
        }
