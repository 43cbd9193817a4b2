"""
What a network knows of the speaker
===================================

Features of speech tell who is speaking at least as well as how. A network that learns
the emotion alone forgets a part of the voice on its way, and an adversary a part more.
One that learns needs the penalty and the bound off that are set for recall
(:doc:`/guide/defaults`); one in closed form does not.
"""

# %%
# Half of every speaker's utterances are for training, the other half for looking at.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.evaluation import cross_val_leakage
from advser.plots import EmbeddingDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
X_train, X_test, y_train, y_test, speakers_train, speakers_test = train_test_split(
    X, y, speakers, test_size=0.5, stratify=speakers, random_state=0
)

# %%
# In the plane of the 88 features, utterances of one speaker lie side by side:

EmbeddingDisplay.from_embedding(X_test, y_test, speakers_test)
plt.show()

# %%
# In the embedding of a network that plays against a speaker head, those of one emotion
# do:

hiding = {"alpha": 0.0, "clip": None, "adversary_weight": 0.5}
ser = AdversarialSER("entropy", **hiding, random_state=0)
ser.fit(X_train, y_train, speakers=speakers_train)

EmbeddingDisplay.from_estimator(ser, X_test, y_test, speakers_test)
plt.show()

# %%
# A picture persuades, a probe decides. :func:`~advser.evaluation.cross_val_leakage` lets a
# fresh classifier name the speaker of utterances that neither it nor the network has
# learnt from. A dot is a seed.

methods = {
    "88 features": make_pipeline(StandardScaler(), LinearSVC()),
    "no adversary": AdversarialSER(None, **hiding),
    "gradient reversal": AdversarialSER("grl", **hiding),
    "confusion": AdversarialSER("confusion", **hiding),
    "entropy": AdversarialSER("entropy", **hiding),
    "entropy, four times the weight": AdversarialSER(
        "entropy", **{**hiding, "adversary_weight": 2.0}
    ),
    "closed form, as by default": AdversarialSER("ridge"),
}
leakage = {
    name: [
        cross_val_leakage(method, X, y, speakers, random_state=seed).accuracy
        for seed in range(3)
    ]
    for name, method in methods.items()
}

figure, axis = plt.subplots(figsize=(7.5, 3), layout="constrained")
for height, accuracies in enumerate(leakage.values()):
    axis.plot(accuracies, np.full(3, height), "o", color="C0", alpha=0.6)
axis.axvline(1 / len(np.unique(speakers)), color="0.5", linestyle="--")
axis.set_yticks(range(len(leakage)), leakage)
axis.set(xlabel="accuracy of the speaker probe (dashed: chance)", xlim=(0, 0.8))
axis.invert_yaxis()
axis.spines[["top", "right"]].set_visible(False)
plt.show()
