r"""What a network tells of an utterance: one of several emotions, or ratings on scales.

An output knows the loss of what the emotion head says, what a conditional adversary
goes by, and how early stopping judges it. The games against the speaker are the same
for either.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .._engine._net import ValidationScores
from ..nn import classification_loss

__all__ = ["EmotionScores", "Emotions", "RatingScores", "Ratings", "concordance"]


class Emotions(nn.Module):
    """One of several emotions; the head gives logits."""

    def forward(self, logits):
        """Return the logits: (n, n_emotions)."""
        return logits

    def loss(self, logits, y):
        """Return the cross-entropy: (n, n_emotions) and the codes in y to ()."""
        return classification_loss(logits, y, "emotion")

    def condition(self, logits, y):
        """Return logits and codes of the emotions, see `SpeakerHead.forward`."""
        return logits, y["emotion"]


class Ratings(nn.Module):
    r"""Ratings on continuous scales, such as arousal, valence and dominance.

    The head gives standardised ratings; what comes out of the network is on the scales
    of the raters, and within the range that they used: an utterance unlike all others
    would else be rated beyond any scale. Each rating has a weight of its own, 0 where
    it is missing, so that the ratings of a row need not be complete.

    Parameters
    ----------
    mean, scale : array-like of shape (n_targets,)
        Mean and standard deviation of the training ratings.

    low, high : array-like of shape (n_targets,)
        The smallest and the largest of them.

    loss : {"ccc", "mse", "huber"}
        `concordance` subtracted from 1, the squared error, or Huber's loss.

    weights : array-like of shape (n_targets,)
        Weights of the targets; they are made to sum to 1.

    delta : float
        Where Huber's loss turns from square to linear, in standard deviations.

    n_bins : int
        Number of the kinds of ratings that a conditional adversary tells apart.
    """

    def __init__(self, mean, scale, low, high, *, loss, weights, delta, n_bins):
        super().__init__()
        weights = torch.as_tensor(weights, dtype=torch.float64)
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))
        self.register_buffer("low", torch.as_tensor(low))
        self.register_buffer("high", torch.as_tensor(high))
        self.register_buffer("weights", weights / weights.sum(), persistent=False)
        self.register_buffer("delta", torch.tensor(float(delta)), persistent=False)
        self.kind = loss
        self.n_bins = n_bins

    def forward(self, standardized):
        """Return ratings on the scales of the raters: (n, n_targets)."""
        ratings = standardized * self.scale + self.mean
        return torch.minimum(torch.maximum(ratings, self.low), self.high)

    def loss(self, predicted, y):
        """Return the loss of standardised ratings: (n, n_targets) to ().

        ``y["ratings"]`` holds the standardised ratings, ``y["ratings_weight"]`` their
        weights, whose mean over all training rows is 1 for each target.
        """
        rated, weight = y["ratings"], y["ratings_weight"]
        if self.kind == "ccc":
            is_rated = (weight.sum(0) > 0).to(weight)
            losses = is_rated * (1 - concordance(predicted, rated, weight))
        else:
            error = predicted - rated
            if self.kind == "mse":
                costs = error**2
            else:
                size = error.abs()
                linear = self.delta * (size - self.delta / 2)
                costs = torch.where(size <= self.delta, error**2 / 2, linear)
            losses = (weight * costs).mean(0)
        return (self.weights * losses).sum()

    def condition(self, predicted, y):
        """Return what a conditional adversary goes by: the bins of the ratings.

        Of a row without ratings, all bins are as likely. The codes are None where no
        adversary is conditional.
        """
        return predicted.new_zeros(len(predicted), self.n_bins), y.get("bin")

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"loss={self.kind!r}, n_bins={self.n_bins}"


def concordance(predicted, rated, weight):
    r"""Return the concordance correlation coefficient of each target.

    .. math:: \rho_c = \frac{2 \, \mathrm{cov}(p, r)}
        {\mathrm{var}(p) + \mathrm{var}(r) + (\bar p - \bar r)^2}

    Lin (1989), with the variances divided by the number of rows, as he has them and as
    the field does, so that a constant prediction and a wrong scale cost what they
    should in small batches too.

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
    tiny = torch.finfo(predicted.dtype).tiny
    share = weight / weight.sum(0).clamp(min=tiny)
    mean_p, mean_r = (share * predicted).sum(0), (share * rated).sum(0)
    p, r = predicted - mean_p, rated - mean_r
    covariance = (share * p * r).sum(0)
    spread = (share * (p**2 + r**2)).sum(0) + (mean_p - mean_r) ** 2
    return 2 * covariance / spread.clamp(min=tiny)


class EmotionScores(ValidationScores):
    """Cross-entropy and recall of the emotions."""

    monitored = "valid_uar"

    def scores(self, output, y):
        """Return `valid_loss` and `valid_uar`: (n, n_emotions) and codes to float."""
        return {
            "valid_loss": F.cross_entropy(output, y["emotion"]).item(),
            "valid_uar": unweighted_average_recall(y["emotion"], output.argmax(1)),
        }


def unweighted_average_recall(emotion, predicted):
    """Return the mean recall of the emotions that occur: (n,) and (n,) to float."""
    counts = emotion.bincount()
    hits = emotion[emotion == predicted].bincount(minlength=len(counts))
    occurs = counts > 0
    return (hits[occurs] / counts[occurs]).mean().item()


class RatingScores(ValidationScores):
    """Squared error and concordance of the ratings, each the mean over the targets."""

    monitored = "valid_ccc"

    def scores(self, output, y):
        """Return `valid_loss` and `valid_ccc`: twice (n, n_targets) to float."""
        is_rated = y["ratings"].isfinite().to(output)
        ratings = y["ratings"].nan_to_num()
        error = (is_rated * (output - ratings) ** 2).sum(0) / is_rated.sum(0).clamp(1)
        return {
            "valid_loss": error.mean().item(),
            "valid_ccc": concordance(output, ratings, is_rated).mean().item(),
        }
