"""The autoencoder and the siamese network on the reference task, without a library.

As `hand_written_fit` of `_reference.py` does: slices of tensors in memory, one
permutation an epoch, fused Adam, nothing read back.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from _reference import EMBEDDING, HIDDEN, LR, N_EMOTIONS, N_FEATURES, N_SPEAKERS
from torch import nn

PRIOR, DISCRIMINATOR, TASK = 0.3, 0.2, 0.1  # weights of the moves, and of the speaker
DISCRIMINATOR_HIDDEN = 64
BOUND = 3.0  # in standard deviations


def mlp(*sizes):
    """Return linear layers with rectifiers between them."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def adam(*players, lr=LR):
    """Return fused Adam over the parameters of some players."""
    parameters = [p for player in players for p in player.parameters()]
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def descend(loss, optimizer):
    """Take a step down."""
    (group,) = optimizer.param_groups
    optimizer.zero_grad()
    loss.backward(inputs=group["params"])
    optimizer.step()


def autoencoder_fit(task, *, epochs, batch_size):
    """Play the four moves of the adversarial autoencoder; return what classifies."""
    x, y, speakers = map(torch.from_numpy, task)
    torch.manual_seed(0)
    encoder = mlp(N_FEATURES, HIDDEN, EMBEDDING)
    decoder = mlp(EMBEDDING, HIDDEN, N_FEATURES)
    discriminator = mlp(EMBEDDING, DISCRIMINATOR_HIDDEN, DISCRIMINATOR_HIDDEN, 1)
    emotion_head = nn.Linear(EMBEDDING, N_EMOTIONS)
    speaker_head = nn.Linear(EMBEDDING, N_SPEAKERS)
    reconstruct = adam(encoder, decoder)
    discriminate = adam(discriminator, lr=DISCRIMINATOR * LR)
    regularize = adam(encoder, lr=PRIOR * LR)
    supervise = adam(encoder, emotion_head, speaker_head)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        xs, ys, ss = x[order], y[order], speakers[order]
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            rows = xs[batch]
            descend(F.mse_loss(decoder(encoder(rows)), rows), reconstruct)
            with torch.no_grad():
                z = encoder(rows)
            prior = torch.randn(batch_size, EMBEDDING)
            told = F.softplus(-discriminator(prior)).mean()
            descend(told + F.softplus(discriminator(z)).mean(), discriminate)
            descend(F.softplus(-discriminator(encoder(rows))).mean(), regularize)
            z = encoder(rows)
            loss = F.cross_entropy(emotion_head(z), ys[batch])
            # The speaker head learns at full speed, the encoder minds it a little.
            logits = speaker_head(torch.lerp(z.detach(), z, TASK))
            descend(loss + F.cross_entropy(logits, ss[batch]), supervise)
    return nn.Sequential(encoder, emotion_head).eval()


def siamese_fit(task, *, epochs, batch_size):
    """Train the disentangled siamese network; return what classifies.

    The emotion of code 0 is the neutral one.
    """
    x, y, speakers = map(torch.from_numpy, task)
    torch.manual_seed(0)
    mean, scale = x.mean(0), x.std(0)
    x = (x - mean) / scale
    neutral = torch.stack(
        [x[(y == 0) & (speakers == s)].mean(0) for s in range(N_SPEAKERS)]
    ).nan_to_num()  # of speakers without neutral speech
    offsets = neutral - neutral.mean(0)
    encoder = mlp(N_FEATURES, HIDDEN, EMBEDDING)
    irrelevant, relevant = (nn.Linear(EMBEDDING, EMBEDDING) for _ in range(2))
    decoder = nn.Linear(2 * EMBEDDING, EMBEDDING)
    emotion_head = nn.Linear(EMBEDDING, N_EMOTIONS)
    speaker_head = nn.Linear(EMBEDDING, N_SPEAKERS)
    players = encoder, irrelevant, relevant, decoder, emotion_head, speaker_head
    optimizer = adam(*players)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        xs, ys, ss = x[order], y[order], speakers[order]
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            s = ss[batch]
            known = torch.rand(N_SPEAKERS, 1)  # share of what is known of a speaker
            h = encoder((xs[batch] - (known * offsets)[s]).clamp(-BOUND, BOUND))
            h_n = encoder(neutral.clamp(-BOUND, BOUND))[s]
            i, r = irrelevant(h), relevant(h)
            log_p, log_q = i.log_softmax(1), h_n.log_softmax(1)
            p, q = log_p.exp(), log_q.exp()
            log_m = ((p + q) / 2).log()
            divergence = (p * (log_p - log_m) + q * (log_q - log_m)).sum(1).mean() / 2
            centred_i, centred_r = i - i.mean(0), r - r.mean(0)
            z_i = centred_i / (centred_i.square().mean(0) + 1e-5).sqrt()
            z_r = centred_r / (centred_r.square().mean(0) + 1e-5).sqrt()
            correlation = (z_i.T @ z_r / len(s)).square().sum() / EMBEDDING
            loss = (
                F.cross_entropy(emotion_head(r), ys[batch])
                + divergence
                + correlation
                + F.mse_loss(decoder(torch.cat([i, r], 1)), h.detach())
                + F.cross_entropy(speaker_head(i), s)
            )
            descend(loss, optimizer)
    return nn.Sequential(Standardize(mean, scale), encoder, relevant, emotion_head)


class Standardize(nn.Module):
    """Shift, scale and bound the features of rows."""

    def __init__(self, mean, scale):
        super().__init__()
        self.mean, self.scale = mean, scale

    def forward(self, x):
        """Return the rows in standard deviations."""
        return ((x - self.mean) / self.scale).clamp(-BOUND, BOUND)
