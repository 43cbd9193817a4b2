"""What is predicted for an utterance: one of several emotions, or ratings on scales.

A task has a loss, scores of validation rows, and the condition of a conditional
objective. Everything else of a method is the same for both tasks.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._engine import Labels
from ..nn import classification_loss, cross_entropy


class Emotions(nn.Module):
    """One of several emotions; the emotion head returns logits.

    Parameters
    ----------
    n_emotions : int
    """

    monitored = "valid_uar"  # the score whose best epoch early stopping keeps

    def __init__(self, n_emotions: int):
        super().__init__()
        self.n_outputs = self.n_conditions = n_emotions

    def widen(self, codes: np.ndarray) -> None:
        """Do nothing: all emotions are known from the first fit."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return the logits: (n, n_emotions)."""
        return logits

    def loss(self, logits: Tensor, y: Labels) -> Tensor:
        """Return the weighted cross-entropy: (n, n_emotions) to ()."""
        return classification_loss(logits, y.emotion, y.emotion_weight)

    def risks(
        self, logits: Tensor, y: Labels, membership: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy and the total weight of each speaker's rows.

        `membership` is 1 where a row is of a speaker: (n, n_speakers) to twice
        (n_speakers,).
        """
        losses = cross_entropy(logits, y.emotion)
        weight = membership * y.emotion_weight[:, None]
        total = weight.sum(0)
        return losses @ weight / total.clamp(min=torch.finfo(total.dtype).tiny), total

    def condition(self, logits: Tensor, y: Labels) -> tuple[Tensor, Tensor]:
        """Return probabilities and codes of the emotions: (n, n_emotions) and (n,).

        The probabilities are one-hot where the emotion is known, and the detached
        prediction elsewhere.
        """
        known = F.one_hot(y.emotion.clamp(min=0), self.n_conditions).to(logits)
        predicted = logits.detach().softmax(1)
        return torch.where(y.emotion[:, None] >= 0, known, predicted), y.emotion

    def scores(self, logits: Tensor, y: Labels) -> dict[str, float]:
        """Return cross-entropy and unweighted average recall of validation rows."""
        weight = y.emotion_weight
        is_hit = y.emotion == logits.argmax(1)
        counts = y.emotion.bincount(weight)
        hits = y.emotion.bincount(weight * is_hit)
        occurs = counts > 0
        loss = (weight * cross_entropy(logits, y.emotion)).sum()
        return {
            "valid_loss": (loss / weight.sum()).item(),
            "valid_uar": (hits[occurs] / counts[occurs]).mean().item(),
        }


class Ratings(nn.Module):
    r"""Ratings on continuous scales, such as arousal, valence and dominance.

    The emotion head returns standardised ratings. The network returns them on the
    scales of the raters, within the range of the training ratings, so that an unusual
    utterance is not rated beyond the scale. Each rating has a weight, 0 where it is
    missing.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_targets,)
        Mean and standard deviation of the training ratings.

    low, high : ndarray of shape (n_targets,)
        The smallest and the largest of them.

    loss : {"ccc", "mse", "huber"}
        One minus `concordance`, the squared error, or Huber's loss.

    weights : ndarray of shape (n_targets,)
        Weights of the targets; they are scaled to sum to 1.

    delta : float
        Where Huber's loss turns from square to linear, in standard deviations.

    edges : ndarray of shape (n_targets, n_bins - 1)
        Bounds of the bins, for a conditional objective.
    """

    monitored = "valid_ccc"
    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor
    weights: Tensor
    delta: Tensor

    def __init__(self, mean, scale, low, high, *, loss, weights, delta, edges):
        super().__init__()
        stored = {"mean": mean, "scale": scale, "low": low, "high": high}
        for name, values in stored.items():
            self.register_buffer(name, torch.as_tensor(values))
        weights = torch.as_tensor(weights, dtype=torch.float64)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)
        self.register_buffer("delta", torch.tensor(float(delta)), persistent=False)
        self.kind = loss
        self.n_outputs = len(mean)
        self.n_conditions = (edges.shape[1] + 1) ** len(edges)

    def widen(self, ratings: np.ndarray) -> None:
        """Let the range include further ratings: (n, n_targets), NaN if missing."""
        low, high = np.nanmin(ratings, axis=0), np.nanmax(ratings, axis=0)
        self.low.copy_(torch.minimum(self.low, torch.as_tensor(low).to(self.low)))
        self.high.copy_(torch.maximum(self.high, torch.as_tensor(high).to(self.high)))

    def forward(self, standardized: Tensor) -> Tensor:
        """Return ratings on the scales of the raters: (n, n_targets)."""
        ratings = standardized * self.scale + self.mean
        return torch.minimum(torch.maximum(ratings, self.low), self.high)

    def loss(self, predicted: Tensor, y: Labels) -> Tensor:
        """Return the loss of standardised ratings: (n, n_targets) to ()."""
        weight = y.ratings_weight
        if self.kind == "ccc":
            is_rated = (weight.sum(0) > 0).to(weight)
            losses = is_rated * (1 - concordance(predicted, y.ratings, weight))
        else:
            losses = (weight * self._costs(predicted - y.ratings)).mean(0)
        return (self.weights * losses).sum()

    def risks(
        self, predicted: Tensor, y: Labels, membership: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the total weight of each speaker: twice (n_speakers,).

        The loss is the mean over the targets of which the speaker has ratings. With
        "ccc" it is the squared error divided by the denominator of the concordance of
        the whole batch, so that its mean over the rows is that of `loss`: few rows of
        a speaker have no correlation of their own. Ratings of targets of weight 0 do
        not count.
        """
        tiny = torch.finfo(predicted.dtype).tiny
        weight = membership[:, :, None] * y.ratings_weight[:, None]  # (n, S, t)
        error = predicted - y.ratings
        if self.kind == "ccc":
            batch = predicted, y.ratings, y.ratings_weight
            _, spread = _covariance_and_spread(*batch)
            costs = error**2 / spread.clamp(min=tiny)
        else:
            costs = self._costs(error)
        total = weight.sum(0)  # (n_speakers, n_targets)
        losses = (weight * costs[:, None]).sum(0) / total.clamp(min=tiny)
        is_rated = (total > 0).to(losses)
        share = (is_rated @ self.weights).clamp(min=tiny)
        counts = (self.weights > 0).to(total)
        return (is_rated * losses) @ self.weights / share, total @ counts

    def condition(self, predicted: Tensor, y: Labels) -> tuple[Tensor, Tensor]:
        """Return probabilities and codes of the bins: (n, n_conditions) and (n,).

        All bins are equally probable for a row with a missing rating.
        """
        known = F.one_hot(y.bin.clamp(min=0), self.n_conditions).to(predicted)
        uniform = torch.full_like(known, 1 / self.n_conditions)
        return torch.where(y.bin[:, None] >= 0, known, uniform), y.bin

    def scores(self, predicted: Tensor, y: Labels) -> dict[str, float]:
        """Return squared error and concordance of validation rows.

        They are means over the targets with ratings. Here ``y.ratings`` are on the
        scales of the raters.
        """
        error = (y.ratings_weight * (predicted - y.ratings) ** 2).sum(0)
        total = y.ratings_weight.sum(0)
        is_rated = total > 0
        error = error[is_rated] / total[is_rated]
        ccc = concordance(predicted, y.ratings, y.ratings_weight)[is_rated]
        return {"valid_loss": error.mean().item(), "valid_ccc": ccc.mean().item()}

    def _costs(self, error):
        """Return the squared error or Huber's loss of each rating."""
        if self.kind == "mse":
            return error**2
        size = error.abs()
        linear = self.delta * (size - self.delta / 2)
        return torch.where(size <= self.delta, error**2 / 2, linear)


def concordance(predicted: Tensor, rated: Tensor, weight: Tensor) -> Tensor:
    r"""Return the concordance correlation coefficient of each target.

    .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
        {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2}

    Lin (1989), with the variances divided by the number of rows, as there and as in the
    field, so that a constant prediction and a wrong scale have their cost in small
    batches too.

    Parameters
    ----------
    predicted, rated : Tensor of shape (n, n_targets)

    weight : Tensor of shape (n, n_targets)
        Weights of the ratings, 0 for a missing one.

    Returns
    -------
    coefficient : Tensor of shape (n_targets,)
        In [-1, 1]; 0 for a target without a rating, or where all is constant.
    """
    covariance, spread = _covariance_and_spread(predicted, rated, weight)
    return 2 * covariance / spread.clamp(min=torch.finfo(spread.dtype).tiny)


def _covariance_and_spread(predicted, rated, weight):
    """Return the covariance, and the denominator of `concordance`: (n_targets,) each.

    One minus the concordance is the mean squared error divided by the denominator.
    """
    share = weight / weight.sum(0).clamp(min=torch.finfo(weight.dtype).tiny)
    mean_p, mean_r = (share * predicted).sum(0), (share * rated).sum(0)
    p, r = predicted - mean_p, rated - mean_r
    spread = (share * (p**2 + r**2)).sum(0) + (mean_p - mean_r) ** 2
    return (share * p * r).sum(0), spread


def bin_codes(ratings: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the combination of bins of each row, -1 where a rating is missing.

    Parameters
    ----------
    ratings : ndarray of shape (n, n_targets)

    edges : ndarray of shape (n_targets, n_bins - 1)

    Returns
    -------
    codes : ndarray of shape (n,)
    """
    codes = np.zeros(len(ratings), dtype=np.int64)
    for bounds, column in zip(edges, ratings.T):
        codes = codes * (len(bounds) + 1) + np.searchsorted(bounds, column, "right")
    codes[np.isnan(ratings).any(axis=1)] = -1
    return codes
