"""
Three games against one adversary
=================================

What does an encoder do to a speaker head that it wants to fail? Here a speaker head
learns the ten speakers of EmoDB from an embedding and is then frozen, while the
encoder plays against it each of the three games of :class:`~advser.AdversarialSER` that
have one.
"""

# %%
# An encoder, as it comes out of its initialisation, and a speaker head that is trained
# on its embedding until it knows every utterance. Half of the utterances are kept for
# the verdict.

import copy

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from sklearn.preprocessing import StandardScaler

from advser.datasets import load_emodb
from advser.evaluation import speaker_leakage
from advser.nn import linear, mlp, reverse_gradient
from advser.objectives import confusion_loss, speaker_entropy

data = load_emodb()
X = torch.from_numpy(StandardScaler().fit_transform(data.data))  # (339, 88)
names = sorted(set(data.speakers))
codes = torch.tensor([names.index(name) for name in data.speakers])
x, s = X[::2], codes[::2]
everyone = torch.ones(1, len(names))  # each row may be anyone's

generator = torch.Generator().manual_seed(0)
encoder = mlp((88, 128, 64), generator)
speaker_head = torch.nn.Sequential(
    *mlp((64, 64), generator), linear(64, len(names), None)
)

optimizer = torch.optim.Adam(speaker_head.parameters(), lr=0.003)
for _ in range(100):
    optimizer.zero_grad()
    F.cross_entropy(speaker_head(encoder(x).detach()), s).backward()
    optimizer.step()

# %%
# Each game in the words of its loss. The weights of the speaker head stand still; the
# gradient flows through it into the encoder.


def reversed_cross_entropy(h):
    return F.cross_entropy(speaker_head(reverse_gradient(h, 1.0)), s)


def entropy(h):
    return -speaker_entropy(speaker_head(h), everyone).mean()


def confusion(h):
    return confusion_loss(speaker_head(h), everyone).mean()


games = {
    "gradient reversal": reversed_cross_entropy,
    "entropy": entropy,
    "confusion": confusion,
}


def play(game, n_steps=60):
    """Return what the frozen head made of each step, and the encoder at the end."""
    player = copy.deepcopy(encoder)
    optimizer = torch.optim.Adam(player.parameters(), lr=0.001)
    course = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        h = player(x)
        with torch.no_grad():
            logits = speaker_head(h)
            accuracy = (logits.argmax(1) == s).float().mean()
            certainty = 1 - speaker_entropy(logits, everyone).mean()
        course.append((accuracy, certainty))
        game(h).backward()
        optimizer.step()
    return torch.tensor(course), player


def leakage(player):
    """Return how well a fresh probe names the speakers of the other utterances."""
    h = player(X[1::2]).detach().numpy()
    return speaker_leakage(h, data.speakers[1::2], data.target[1::2]).accuracy


# %%
# To the frozen head the three games look alike at first: it misses the speaker each
# time. But gradient reversal makes it *certain* of a wrong one, while the other two
# leave it without an idea. And a fresh probe, which learns the new code from scratch,
# tells the difference: after gradient reversal it still finds most of what was there.

courses, verdicts = {}, {"before": leakage(encoder)}
for name, game in games.items():
    courses[name], player = play(game)
    verdicts[name] = leakage(player)

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for (name, course), style in zip(courses.items(), ["-", "--", ":"]):
    for axis, values in zip(axes, course.T):
        axis.plot(values, style, label=name, linewidth=2)
bars = axes[2].barh(list(verdicts), verdicts.values(), color=["0.7", "C0", "C1", "C2"])
axes[2].bar_label(bars, fmt="{:.0%}", padding=3)
axes[2].axvline(1 / len(names), color="0.3", linestyle="--", linewidth=1)
axes[2].invert_yaxis()
axes[0].legend(frameon=False)
axes[0].set(title="accuracy of the frozen head", ylim=(-0.03, 1.03))
axes[1].set(title="certainty of the frozen head", ylim=(-0.03, 1.03))
axes[2].set(title="accuracy of a fresh probe", xlabel="dashed: chance", xlim=(0, 0.4))
for axis in axes[:2]:
    axis.set_xlabel("steps of the encoder")
for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# In training the head is not frozen: it learns the new code at its next step, and that
# keeps gradient reversal honest. Where the head is small, slow or trained too seldom,
# the difference above is what remains, and the adversary's own loss does not show it.
# Always ask a fresh probe.
