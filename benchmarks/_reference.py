"""The reference task, and the networks that others would write for it."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from skorch import NeuralNetClassifier
from skorch.helper import SliceDict
from torch import nn

N_FEATURES, N_EMOTIONS, N_SPEAKERS = 88, 4, 50
HIDDEN, EMBEDDING = 128, 64
LR, WEIGHT, STEEPNESS, RIDGE = 1e-3, 0.1, 10.0, 0.01


def reference_task(n=5000, seed=0):
    """Return features (n, 88) in float32, the codes of emotions and of speakers.

    Emotion and speaker each shift the features, so that there is something to learn
    and something to unlearn. Other seeds give other rows of the same speakers.
    """
    rng = np.random.default_rng(0)
    emotion_shift = 0.2 * rng.normal(size=(N_EMOTIONS, N_FEATURES))
    speaker_shift = 0.5 * rng.normal(size=(N_SPEAKERS, N_FEATURES))
    rng = np.random.default_rng([seed])
    y = rng.integers(N_EMOTIONS, size=n)
    speakers = rng.integers(N_SPEAKERS, size=n)
    X = rng.normal(size=(n, N_FEATURES)) + emotion_shift[y] + speaker_shift[speakers]
    return X.astype(np.float32), y, speakers


class ReverseGradient(torch.autograd.Function):
    """Gradient reversal as the textbooks have it."""

    @staticmethod
    def forward(ctx, h, weight):
        """Hand h through."""
        ctx.weight = weight
        return h.view_as(h)

    @staticmethod
    def backward(ctx, gradient):
        """Reverse the gradient."""
        return -ctx.weight * gradient, None


class Network(nn.Module):
    """Encoder, emotion head and speaker head: 88 - 128 - 64, and from there 4 and S."""

    def __init__(self, n_speakers=N_SPEAKERS, dropout=0.0, weight=WEIGHT):
        super().__init__()
        layers = []
        for n_in, n_out in ((N_FEATURES, HIDDEN), (HIDDEN, EMBEDDING)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.encoder = nn.Sequential(*layers)
        self.emotion_head = nn.Linear(EMBEDDING, N_EMOTIONS)
        self.speaker_head = nn.Linear(EMBEDDING, n_speakers)
        self.weight = weight

    def forward(self, x, speakers=None):
        """Return the logits of emotion and speaker, the latter behind the reversal.

        The codes of the speakers are for the loss alone, see `SkorchNet`.
        """
        h = self.encoder(x)
        reversed_h = ReverseGradient.apply(h, self.weight)
        return self.emotion_head(h), self.speaker_head(reversed_h)


def hand_written_fit(task, game, *, epochs, batch_size, n_speaker_updates=2, dropout=0):
    """Train as a careful engineer does without a library; return what classifies.

    Slices of tensors in memory, one permutation an epoch, fused Adam, nothing read
    back. The second move of the games in two moves goes on from the embedding that
    the first one was played on.
    """
    x, y, speakers = map(torch.from_numpy, task)
    torch.manual_seed(0)
    network = Network(dropout=dropout)
    encoder, emotion_head = network.encoder, network.emotion_head
    speaker_head = network.speaker_head
    main = [*encoder.parameters(), *emotion_head.parameters()]
    if game == "grl":
        main += speaker_head.parameters()
    main = torch.optim.Adam(main, lr=LR, fused=True)
    adversary = torch.optim.Adam(speaker_head.parameters(), lr=LR, fused=True)
    n_batches = epochs * -(-len(x) // batch_size)
    log_n = math.log(N_SPEAKERS)
    i_batch = 0
    for _ in range(epochs):
        order = torch.randperm(len(x))
        xs, ys, ss = x[order], y[order], speakers[order]
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            weight = WEIGHT * math.tanh(STEEPNESS * i_batch / n_batches / 2)
            i_batch += 1
            h = encoder(xs[batch])
            if game in ("entropy", "confusion"):
                for _ in range(n_speaker_updates):
                    loss = F.cross_entropy(speaker_head(h.detach()), ss[batch])
                    adversary.zero_grad()
                    loss.backward()
                    adversary.step()
            loss = F.cross_entropy(emotion_head(h), ys[batch])
            if game == "grl":
                logits = speaker_head(ReverseGradient.apply(h, weight))
                loss = loss + F.cross_entropy(logits, ss[batch])
            elif game == "ridge":
                loss = loss + weight * explained_share(h, ss[batch])
            elif game is not None:  # the speaker head stands still
                head = speaker_head.weight.detach(), speaker_head.bias.detach()
                log_p = F.linear(h, *head).log_softmax(1)
                if game == "entropy":
                    negative_entropy = (log_p.exp() * log_p).sum(1).mean() / log_n
                    loss = loss + weight * negative_entropy
                else:
                    loss = loss - weight * log_p.mean() / log_n
            main.zero_grad()
            loss.backward()
            main.step()
    return nn.Sequential(encoder, emotion_head).eval()


def explained_share(h, speakers):
    """Return the share of the speakers that a ridge regression explains in a batch."""
    columns = F.one_hot(speakers, N_SPEAKERS).float()
    h, columns = h - h.mean(0), columns - columns.mean(0)
    covariance, between = h.T @ h, h.T @ columns
    penalty = RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
    answer = torch.linalg.solve(covariance + penalty, between)
    return (between * answer).sum() / columns.square().sum()


class SkorchNet(NeuralNetClassifier):
    """Gradient reversal in skorch: the speakers travel with X, in a dict."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the sum of both cross-entropies while training."""
        emotion_logits, speaker_logits = y_pred
        loss = F.cross_entropy(emotion_logits, y_true)
        if training:
            loss = loss + F.cross_entropy(speaker_logits, X["speakers"])
        return loss


def skorch_net(*, epochs, batch_size, n_speakers=N_SPEAKERS, **settings):
    """Return the network in skorch, all else as skorch sets it."""
    return SkorchNet(
        Network,
        module__n_speakers=n_speakers,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
        **settings,
    )


def skorch_data(X, speakers):
    """Return features and codes of speakers as one X that can be sliced."""
    return SliceDict(x=X, speakers=speakers)
