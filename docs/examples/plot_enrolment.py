"""
What a few utterances of a new speaker are worth
================================================

Nothing helps as much on a new voice as having heard it before, in whatever mood.
:func:`advser.enroll` introduces a new speaker to a fitted pipeline by some utterances,
without their emotions; the classifier behind is not touched.
"""

# %%
# Each speaker of EmoDB in turn is new. Of her or his utterances, in random order, the
# first k are enrolled, and the emotions of all others are to be recognised. The last
# mark is another matter: there the very utterances that are scored were enrolled.

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.plots import EnrollmentDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
scaler = SpeakerScaler(shrinkage="auto", balance=True, clip=3)
display = EnrollmentDisplay.from_estimator(
    {
        "linear, default scaler": make_pipeline(SpeakerScaler(clip=3), linear),
        "linear": make_pipeline(scaler, linear),
        "AdversarialSER": make_pipeline(scaler, AdversarialSER()),
    },
    X,
    y,
    speakers,
    repeats=10,
)
for name, curve in display.curves.items():
    print(name, curve.groupby("k", sort=False)["uar"].mean().round(3).to_dict())

# %%
# Mean and standard deviation over the draws. The scaler that allows for the emotions
# it is enrolled with, and learns how far to trust each feature, needs fewer utterances.
# The linear model stays ahead of the network with its adversary.

plt.show()
