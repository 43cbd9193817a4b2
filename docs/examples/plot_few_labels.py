"""
Few labels and many unlabelled utterances
=========================================

Some utterances of the training speakers have an emotion, the others do not. Passed as
``X_unlabeled``, with their speakers, the others raise the recall on new speakers if
labels are few.
"""

# %%
# Of each emotion keep a share of the labels. The folds are speaker-disjoint.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.metrics import unweighted_average_recall

X, y, speakers = load_emodb(return_X_y_speakers=True)
folds = list(GroupKFold(4).split(X, y, speakers))


def keep_labels(train, share, seed=0):
    """Split training rows into those that keep their label, and the rest."""
    rng = np.random.default_rng(seed)
    kept = []
    for emotion in np.unique(y):
        rows = rng.permutation(train[y[train] == emotion])
        kept.extend(rows[: max(1, round(share * len(rows)))])
    return np.array(kept), np.setdiff1d(train, kept)


def recall(share, with_rest):
    """Return the recall on unseen speakers, with the unlabelled rows or without."""
    predicted = np.empty_like(y)
    for train, test in folds:
        labeled, rest = keep_labels(train, share)
        more = {"X_unlabeled": X[rest], "speakers_unlabeled": speakers[rest]}
        ser = AdversarialSER(random_state=0)
        ser.fit(
            X[labeled], y[labeled], speakers[labeled], **(more if with_rest else {})
        )
        predicted[test] = ser.predict(X[test])
    return unweighted_average_recall(y, predicted)


# %%
# One draw of the labels: with ten per cent, a fold has about 25 labelled utterances.

shares = [0.1, 0.25, 0.5]
alone = [recall(share, with_rest=False) for share in shares]
with_rest = [recall(share, with_rest=True) for share in shares]
every_label = recall(1, with_rest=False)

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
places = range(len(shares))
ax.plot(places, with_rest, "o-", label="with the unlabelled utterances")
ax.plot(places, alone, "o--", color="C0", mfc="w", label="only the labelled utterances")
ax.axhline(every_label, color="0.5", linestyle=":", label="all labels")
ax.set_xticks(places, [f"{share:.0%}" for share in shares])
ax.set_xlabel("Share of the training utterances with a label")
ax.set_ylabel("Unweighted average recall (UAR)")
ax.grid(axis="y", alpha=0.3)
ax.legend(frameon=False)
plt.show()

# %%
# Most of the gain comes from the speakers: with all of their utterances, labelled or
# not, the mean of each training speaker is known. Relative to it, the emotions of the
# unlabelled utterances are easier to estimate than those of a new speaker, and the
# network learns from these estimates. :doc:`/guide/few_labels` has more corpora.
