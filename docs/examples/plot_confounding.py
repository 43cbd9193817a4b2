"""
When hiding the speaker hides the emotion
=========================================

Where speakers differ in their mix of emotions, what tells the speaker tells the
emotion, too, and to remove the one is to remove the other. It is the case in which
everything that this package does about speakers can do harm.
"""

# %%
# The speakers of EmoDB are made to differ. Each gets one emotion to keep; of all
# others a share is dropped at random. With a share of 0 the corpus is as it was, with
# 1 each speaker has a single emotion, as in many a collection cut from broadcasts.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from advser import SpeakerScaler
from advser.datasets import load_emodb
from advser.metrics import unweighted_average_recall
from advser.plots import ConfoundingDisplay
from advser.speakers import speaker_confounding

X, y, speakers = load_emodb(return_X_y_speakers=True)
names, emotions = np.unique(speakers), np.unique(y)


def confound(share, seed):
    """Return the mask of the utterances that are left."""
    rng = np.random.default_rng(seed)
    kept = dict(zip(rng.permutation(names), np.resize(emotions, len(names))))
    is_kept = np.array([kept[s] == e for s, e in zip(speakers, y)])
    return is_kept | (rng.random(len(y)) >= share)


# %%
# The mix of each speaker's emotions shows it at once, and should be the first thing to
# look at in a new corpus:

left = confound(share=0.9, seed=0)
print(speaker_confounding(y[left], speakers[left]).by_speaker)
ConfoundingDisplay.from_labels(y[left], speakers[left])
plt.show()

# %%
# Logistic regression on new speakers, its features scaled by the statistics of all
# rows or by those of each speaker. The latter is the stronger by far, until the mixes
# of emotions differ: in the end the mean of a speaker *is* the emotion, subtracting it
# leaves nothing to recognise, and the recall falls to chance.


def recall(scaler, share, seed):
    """Return the recall on new speakers: UAR over five speaker-disjoint folds."""
    left = confound(share, seed)
    features, emotion, speaker = X[left], y[left], speakers[left]
    answers = np.empty_like(emotion)
    for train, test in GroupKFold(5).split(features, emotion, speaker):
        by_speaker = isinstance(scaler, SpeakerScaler)
        known = {"speakers": speaker[train]} if by_speaker else {}
        asked = {"speakers": speaker[test]} if by_speaker else {}
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
        model.fit(scaler.fit_transform(features[train], **known), emotion[train])
        answers[test] = model.predict(scaler.transform(features[test], **asked))
    return unweighted_average_recall(emotion, answers)


shares = [0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0]
scalers = {
    "all rows alike": StandardScaler(),
    "by speaker": SpeakerScaler(unknown="batch", shrinkage=0),
}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, scaler), marker in zip(scalers.items(), "os"):
    uar = np.array(
        [[recall(scaler, share, seed) for seed in range(5)] for share in shares]
    )  # (n_shares, n_seeds)
    mean, spread = uar.mean(axis=1), uar.std(axis=1)
    (line,) = axis.plot(shares, mean, marker=marker, linewidth=2, label=name)
    axis.fill_between(
        shares, mean - spread, mean + spread, color=line.get_color(), alpha=0.15
    )
axis.axhline(1 / len(emotions), color="0.5", linestyle="--")
axis.set(xlabel="share of the other emotions dropped (dashed: chance)", ylim=(0, 1))
axis.set_ylabel("unweighted average recall")
axis.legend(title="scaled", frameon=False, loc="lower left")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# An adversary does the same as its weight grows. What helps is to play within each
# emotion, ``AdversarialSER(conditional=True)``, where the speaker says nothing of it,
# or to leave the speaker alone. A method that hides the speaker and then scores
# *worse* than without is a reason to look at the mix of emotions.
