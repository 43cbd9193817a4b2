"""
Recall after enrolment of a new speaker
=======================================

Speaker normalisation increases the recall on a new speaker more than any other method.
:func:`advser.enroll` enrols a new speaker in a fitted pipeline by some utterances,
without their emotions. The classifier after the scaler is not changed.
"""

# %%
# Each speaker of EmoDB is left out in turn. Of their utterances, in random order, the
# first k are enrolled, and the others are scored. The last marker is transductive:
# there the scored utterances themselves are enrolled.

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
plt.show()

# %%
# The figure shows mean and standard deviation over the draws. A scaler that corrects
# for the emotions of the enrolled utterances (``balance=True``), and learns the
# shrinkage of each feature (``shrinkage="auto"``), needs fewer utterances. The linear
# model is better than the network with its adversary.
