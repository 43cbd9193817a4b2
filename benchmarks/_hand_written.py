"""The autoencoder and the siamese network on the reference task, without a library.

They are written as `hand_written_fit` of `_reference.py` is.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from _reference import (
    EMBEDDING,
    HIDDEN,
    LR,
    N_EMOTIONS,
    N_FEATURES,
    N_SPEAKERS,
    epochs_of,
)
from torch import nn

# Learning rates of two steps as shares of LR, and the weight of the speaker.
PRIOR, DISCRIMINATOR, TASK = 0.3, 0.2, 0.1
DISCRIMINATOR_HIDDEN = 64


def mlp(*sizes):
    """Return linear layers with a ReLU between them."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def adam(*modules, lr=LR):
    """Return fused Adam over the parameters of some modules."""
    parameters = [p for module in modules for p in module.parameters()]
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def descend(loss, optimizer):
    """Take an update step on a loss."""
    (group,) = optimizer.param_groups
    optimizer.zero_grad()
    loss.backward(inputs=group["params"])
    optimizer.step()


def autoencoder_fit(task, *, epochs, batch_size):
    """Train the adversarial autoencoder in four steps; return the classifier."""
    tensors = tuple(map(torch.from_numpy, task))
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
    batches = epochs_of(tensors, epochs=epochs, batch_size=batch_size)
    for x, emotion, speaker in batches:
        descend(F.mse_loss(decoder(encoder(x)), x), reconstruct)
        with torch.no_grad():
            z = encoder(x)
        prior = torch.randn(len(x), EMBEDDING)
        of_prior = F.softplus(-discriminator(prior)).mean()
        descend(of_prior + F.softplus(discriminator(z)).mean(), discriminate)
        descend(F.softplus(-discriminator(encoder(x))).mean(), regularize)
        z = encoder(x)
        loss = F.cross_entropy(emotion_head(z), emotion)
        # The encoder gets a share of the gradient of the speaker head.
        logits = speaker_head(torch.lerp(z.detach(), z, TASK))
        descend(loss + F.cross_entropy(logits, speaker), supervise)
    return nn.Sequential(encoder, emotion_head).eval()


def siamese_fit(task, *, epochs, batch_size):
    """Train the disentangled siamese network; return the classifier.

    The emotion with the code 0 is the neutral one.
    """
    x, y, speakers = map(torch.from_numpy, task)
    torch.manual_seed(0)
    neutral = torch.stack(
        [x[(y == 0) & (speakers == s)].mean(0) for s in range(N_SPEAKERS)]
    ).nan_to_num()  # of speakers without neutral speech
    encoder = mlp(N_FEATURES, HIDDEN, EMBEDDING)
    irrelevant, relevant = (nn.Linear(EMBEDDING, EMBEDDING) for _ in range(2))
    decoder = nn.Linear(2 * EMBEDDING, EMBEDDING)
    emotion_head = nn.Linear(EMBEDDING, N_EMOTIONS)
    speaker_head = nn.Linear(EMBEDDING, N_SPEAKERS)
    modules = encoder, irrelevant, relevant, decoder, emotion_head, speaker_head
    optimizer = adam(*modules)
    batches = epochs_of((x, y, speakers), epochs=epochs, batch_size=batch_size)
    for rows, emotion, speaker in batches:
        h, h_n = encoder(rows), encoder(neutral)[speaker]
        i, r = irrelevant(h), relevant(h)
        log_p, log_q = i.log_softmax(1), h_n.log_softmax(1)
        p, q = log_p.exp(), log_q.exp()
        log_m = ((p + q) / 2).log()
        divergence = (p * (log_p - log_m) + q * (log_q - log_m)).sum(1).mean() / 2
        centred_i, centred_r = i - i.mean(0), r - r.mean(0)
        z_i = centred_i / (centred_i.square().mean(0) + 1e-5).sqrt()
        z_r = centred_r / (centred_r.square().mean(0) + 1e-5).sqrt()
        correlation = (z_i.T @ z_r / len(rows)).square().sum() / EMBEDDING
        loss = (
            F.cross_entropy(emotion_head(r), emotion)
            + divergence
            + correlation
            + F.mse_loss(decoder(torch.cat([i, r], 1)), h.detach())
            + F.cross_entropy(speaker_head(i), speaker)
        )
        descend(loss, optimizer)
    return nn.Sequential(encoder, relevant, emotion_head).eval()
