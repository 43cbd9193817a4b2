r"""The game against an adversary that needs no training: its best answer, solved.

After Sadeghi, Wang and Boddeti (2021), arXiv 2109.05535, whose adversary is a ridge
regression of what is to be hidden, solved anew on every batch. Encoder E and emotion
head C play against the best that a linear adversary can do:

.. math::

    \min_{E, C} \; \mathrm{CE}(C(h), e) + \lambda \, \max_A R^2(A, h, s)

Nobody else moves, so that there is no adversary to lag behind the encoder, and the
scale of the embedding as a whole does not matter.
"""

import torch
import torch.nn.functional as F

from .._engine._networks import AdversarialNetwork, condition_of

__all__ = ["RidgeNetwork", "speakers_explained"]


def speakers_explained(h, speakers, weight, ridge, given=None):
    r"""Return the share of the speakers that a ridge regression explains.

    The regression tells the speakers :math:`Y` from the embedding :math:`H`, both
    without what the given variables explain of them:

    .. math::

        R^2 = 1 - \frac{\min_A \sum_i w_i \lVert y_i - A^T h_i \rVert^2
        + \gamma \lVert A \rVert^2}{\sum_i w_i \lVert y_i \rVert^2}

    with :math:`\sum_i w_i = 1`. The best :math:`A = (H^T W H + \gamma I)^{-1} H^T W Y`
    is held fixed in the gradient: where it is best, its own change changes nothing (the
    envelope theorem). Second derivatives leave it out.

    Parameters
    ----------
    h : Tensor of shape (n, embedding_dim)

    speakers : Tensor of shape (n, n_speakers)
        1 in the column of who speaks, 0 in the others.

    weight : Tensor of shape (n,)
        Weights of the rows, 0 where the speaker is unknown.

    ridge : float or Tensor of shape ()
        :math:`\gamma`, as a share of the mean variance of the dimensions.

    given : Tensor of shape (n, n_given) or None, default=None
        What else is known of a row: the probabilities of its emotions, for instance.
        None for a constant alone, so that it is the means that are taken off.

    Returns
    -------
    explained : Tensor of shape ()
        From 0 to 1, but for rounding. 0 where there is one speaker only, for each of
        what is given.
    """
    limits = torch.finfo(h.dtype)
    w = weight[:, None] / weight.sum().clamp(min=limits.tiny)  # (n, 1)
    rounding = limits.eps**1.5 * (w * h.square()).sum() + limits.tiny
    if given is None:
        h, speakers = (values - (w * values).sum(0) for values in (h, speakers))
    else:
        # The small penalty is for emotions that are absent, and have no rows.
        of_given = given.mT @ (w * given)
        h, speakers = (
            values - given @ _solve(of_given, given.mT @ (w * values), limits.eps)
            for values in (h, speakers)
        )
    variance = (w * h.square()).sum() / h.shape[1]
    gamma = ridge * variance + rounding
    with torch.no_grad():
        weighted = w * h
        answer = _solve(weighted.mT @ h, weighted.mT @ speakers, gamma)
    lost = (w * (speakers - h @ answer).square()).sum() + gamma * answer.square().sum()
    spread = (w * speakers.square()).sum()
    return (spread - lost) / spread.clamp(min=limits.eps**0.5)


def _solve(matrix, right, ridge):
    """Return ``(matrix + ridge * I)^-1 @ right``: (d, d) and (d, k) to (d, k)."""
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    solution, _ = torch.linalg.solve_ex(matrix + ridge * identity, right)
    return solution


class RidgeNetwork(AdversarialNetwork):
    r"""The game against the best answer of a linear adversary.

    Parameters
    ----------
    encoder, emotion_head : Module

    n_speakers : int

    weight : float
        :math:`\lambda` at the end of the ramp.

    steepness : float
        :math:`\gamma` of the ramp.

    ridge : float, default=0.01
        Penalty of the regression, see `speakers_explained`.

    conditional : bool, default=False
        Whether the adversary tells the speaker beyond what the emotion tells of it.

    outputs : Emotions or Ratings, default=Emotions()

    alpha : float, default=0.0
        Weight of the L2 penalty.
    """

    def __init__(
        self,
        encoder,
        emotion_head,
        n_speakers,
        *,
        weight,
        steepness,
        ridge=0.01,
        conditional=False,
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
        self.n_speakers = n_speakers
        self.n_outputs = None  # unless padded
        self.conditional = conditional
        self.register_buffer("ridge", torch.tensor(float(ridge)), persistent=False)

    def pad(self, n_outputs):
        """Tell so many speakers apart, of whom some never speak, as `SpeakerHead`."""
        self.n_outputs = n_outputs

    def unpad(self):
        """Forget those who never speak."""
        self.n_outputs = None

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        n_outputs = self.n_outputs or self.n_speakers
        return (
            f"{super().extra_repr()}, conditional={self.conditional}, "
            f"n_outputs={n_outputs}"
        )

    def loss(self, step, shared, y, progress):
        """Return the terms of the move."""
        h, output = shared
        n_outputs = self.n_outputs or self.n_speakers
        speakers = F.one_hot(y["speaker"].clamp(min=0), n_outputs).to(h)
        weight = y.get("speaker_weight", h.new_ones(len(h)))
        given = None
        if self.conditional:
            given = condition_of(*self.outputs.condition(output, y)).to(h)
        explained = speakers_explained(h, speakers, weight, self.ridge, given)
        return {
            "emotion": self.outputs.loss(output, y),
            "explained": self.weight_at(progress) * explained,
            **self.penalty(),
        }
