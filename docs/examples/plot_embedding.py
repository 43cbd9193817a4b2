"""
Leakage of the speaker by method
================================

Features of speech identify the speaker, too: from the 88 features, a linear probe
recognises six of ten utterances among ten speakers. A network that is trained on the
emotion removes some of the speaker, and an adversary removes more.

The noise, the dropout and the L2 penalty of the defaults, which are set for recall,
make a trained adversary weak (:doc:`/guide/max_entropy`). An adversary in closed form
has an effect with them, too.
"""

# %%
# Half of the utterances of every speaker are for training, the other half for the
# figures.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.evaluation import cross_val_leakage
from advser.objectives import Confusion, GradientReversal, MaxEntropy
from advser.plots import EmbeddingDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
X_train, X_test, y_train, y_test, speakers_train, speakers_test = train_test_split(
    X, y, speakers, test_size=0.5, stratify=speakers, random_state=0
)

# %%
# In a projection of the 88 features, utterances of one emotion are close to each other,
# and within it often those of one speaker:

EmbeddingDisplay.from_embedding(X_test, y_test, speakers_test)
plt.show()

# %%
# In the embedding of a network with an adversary, utterances of one emotion are close
# to each other:

unregularised = {"noise": 0.0, "dropout": 0.0, "alpha": 0.0}
ser = AdversarialSER(MaxEntropy(weight=0.5), **unregularised, random_state=0)
ser.fit(X_train, y_train, speakers=speakers_train)

EmbeddingDisplay.from_estimator(ser, X_test, y_test, speakers_test)
plt.show()

# %%
# A figure is not a measurement. :func:`~advser.evaluation.cross_val_leakage` trains a
# new classifier, the probe, to identify the speaker, and tests it on utterances that
# neither the probe nor the network was trained on. Each dot is a seed.

methods = {
    "88 features": make_pipeline(StandardScaler(), LinearSVC()),
    "no adversary": AdversarialSER(None, **unregularised),
    "gradient reversal": AdversarialSER(GradientReversal(0.5), **unregularised),
    "confusion": AdversarialSER(Confusion(0.5), **unregularised),
    "entropy": AdversarialSER(MaxEntropy(0.5), **unregularised),
    "entropy, four times the weight": AdversarialSER(MaxEntropy(2.0), **unregularised),
    "closed form, the default": AdversarialSER(),
}
leakage = {
    name: [
        cross_val_leakage(method, X, y, speakers, random_state=seed).accuracy
        for seed in range(3)
    ]
    for name, method in methods.items()
}

figure, axis = plt.subplots(figsize=(6.4, 3), layout="constrained")
for height, accuracies in enumerate(leakage.values()):
    axis.plot(accuracies, np.full(3, height), "o", color="C0", alpha=0.6)
axis.axvline(1 / len(np.unique(speakers)), color="0.5", linestyle="--")
axis.set_yticks(range(len(leakage)), leakage)
axis.set(
    xlabel="Balanced accuracy of the speaker probe (dashed: chance)", xlim=(0, 0.8)
)
axis.invert_yaxis()
axis.spines[["top", "right"]].set_visible(False)
plt.show()
