"""
Removing the speaker removes the emotion
========================================

If speakers differ in their mix of emotions, the speaker predicts the emotion, and a
method that removes the speaker removes the emotion. In this case the methods of this
package do harm.
"""

# %%
# The following function makes the speakers of EmoDB differ. Each speaker keeps all
# utterances of one emotion, and a random share of the others is dropped. With a share
# of 0 the corpus is unchanged; with 1 each speaker has a single emotion, as in many
# collections of broadcast speech.

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
# Look at the mix of emotions of each speaker first when you use a new corpus:

left = confound(share=0.9, seed=0)
print(speaker_confounding(y[left], speakers[left]).by_speaker)
ConfoundingDisplay.from_labels(y[left], speakers[left])
plt.show()

# %%
# The figure shows the recall of logistic regression on unseen speakers, with features
# scaled by the statistics of all rows or of each speaker. Speaker normalisation is much
# better, until the mixes of emotions differ: with one emotion per speaker, the mean of
# the speaker *is* the emotion, subtracting it removes the emotion, and the recall falls
# to chance.


def recall(scaler, share, seed):
    """Return the recall on unseen speakers: UAR over five speaker-disjoint folds."""
    left = confound(share, seed)
    features, emotion, speaker = X[left], y[left], speakers[left]
    predicted = np.empty_like(emotion)
    for train, test in GroupKFold(5).split(features, emotion, speaker):
        by_speaker = isinstance(scaler, SpeakerScaler)
        of_train = {"speakers": speaker[train]} if by_speaker else {}
        of_test = {"speakers": speaker[test]} if by_speaker else {}
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
        model.fit(scaler.fit_transform(features[train], **of_train), emotion[train])
        predicted[test] = model.predict(scaler.transform(features[test], **of_test))
    return unweighted_average_recall(emotion, predicted)


shares = [0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0]
scalers = {
    "by all rows": StandardScaler(),
    "by speaker": SpeakerScaler(unknown="batch", shrinkage=0),
}
figure, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
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
axis.set(xlabel="Share of the other emotions dropped (dashed: chance)", ylim=(0, 1))
axis.set_ylabel(
    "Unweighted average recall (UAR)\n(mean ± standard deviation over draws)"
)
axis.legend(title="scaled", frameon=False, loc="lower left")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Unbounded gradient reversal loses recall, too; the bounded objectives lose much less
# (:doc:`/guide/confounding`). If removing the speaker *reduces* the recall, check
# the mix of emotions, and consider not removing the speaker.
