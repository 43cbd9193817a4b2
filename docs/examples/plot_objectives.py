"""
Recall and leakage by objective and weight
==========================================

A larger weight of the objective removes more of the speaker, and can cost recall. This
example compares three objectives of :class:`~advser.AdversarialSER` for several
weights, and shows why the loss of the adversary is not a measure of leakage.
"""

# %%
# Recall and leakage
# ------------------
#
# :func:`~advser.evaluation.compare` measures the unweighted average recall (UAR) on
# unseen speakers, and the accuracy with which an independent probe identifies the
# speaker. All networks are trained without noise, dropout and L2 penalty, because
# these make a trained adversary weak (:doc:`/guide/max_entropy`).

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.evaluation import compare, cross_val_leakage
from advser.objectives import ClosedForm, GradientReversal, MaxEntropy
from advser.plots import WeightDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
weights = [0.5, 2.0]
unregularised = {"noise": 0.0, "dropout": 0.0, "alpha": 0.0}
objectives = {
    "gradient reversal, unbounded": GradientReversal(bounded=False),
    "maximum entropy": MaxEntropy(),
    "closed form": ClosedForm(),
}
models = {"no adversary": AdversarialSER(None, **unregularised)}
for name, objective in objectives.items():
    for weight in weights:
        model = AdversarialSER(clone(objective), **unregularised)
        models[f"{name} {weight}"] = model.set_params(adversary__weight=weight)

comparison = compare(
    models, X, y, speakers, cv=GroupKFold(5), seeds=1, probes=["logistic"]
)
paths = {name: {w: f"{name} {w}" for w in weights} for name in objectives}
WeightDisplay.from_comparison(
    comparison, {"no adversary": {0: "no adversary"}, **paths}
)
plt.show()

# %%
# The adversary in closed form and maximum entropy reduce the leakage, more so with the
# larger weight. Unbounded gradient reversal costs recall without reducing the leakage:
# it needs weights of 0.1 or less (:doc:`/guide/gradient_reversal`).

# %%
# The loss of the adversary
# -------------------------
#
# The cross-entropy of a speaker head at chance is :math:`\log 10 = 2.3`. Under
# unbounded gradient reversal it is larger: the head is certain of a wrong speaker.
# Still a new classifier, the probe, identifies the speaker at least as often as without
# an adversary. Always use an independent probe.

names = ["bounded=False", "bounded=True"]
losses, leakages = [], []
for bounded in [False, True]:
    ser = AdversarialSER(
        GradientReversal(weight=1.0, bounded=bounded), **unregularised, random_state=0
    )
    leakage = cross_val_leakage(ser, X, y, speakers, random_state=0)
    leakages.append(leakage.accuracy)
    ser.fit(X, y, speakers=speakers)
    losses.append(ser.history_["train_speaker_loss"].iloc[-1])

figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.2), layout="constrained", sharey=True)
for axis, values, chance in zip(axes, [losses, leakages], [np.log(10), 0.1]):
    axis.barh(names, values, height=0.6)
    axis.axvline(chance, color="0.3", linestyle="--", linewidth=1)
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_xlabel("Cross-entropy of the speaker head\n(dashed: chance)")
axes[1].set_xlabel("Balanced accuracy of a new probe\n(dashed: chance)")
plt.show()
