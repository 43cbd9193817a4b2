"""
Adaptation to a new speaker while predicting
============================================

In use, a system gets the utterances of a new speaker one by one.
``SpeakerScaler(unknown="adapt")`` scales each of them by the utterances so far, without
any label, and :class:`advser.Session` does this for a fitted pipeline.
"""

# %%
# Fit a pipeline on all speakers of EmoDB but one. Without ``balance=True``, `fit` would
# choose by the training speakers whether and how to adapt.

import matplotlib.pyplot as plt
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from advser import Session, SpeakerScaler
from advser.datasets import load_emodb
from advser.plots import AdaptationDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
model = make_pipeline(
    SpeakerScaler(unknown="adapt", balance=True, clip=4),
    LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000),
)
new = speakers == "16"
with config_context(enable_metadata_routing=True):
    model.fit(X[~new], y[~new], speakers=speakers[~new])

# %%
# A session updates the statistics of the speaker with each utterance, and predicts it.
# It keeps these statistics, and no utterance:

session = Session(model)
for utterance, emotion in zip(X[new][:5], y[new]):
    predicted = session.predict(utterance[None], speaker="16")
    print(f"{emotion}, predicted: {predicted[0]}")
print(session.speakers_)

# %%
# How much the first utterances help depends on their order. The speakers are left out
# in five groups, and the utterances of each come in three orders:

display = AdaptationDisplay.from_estimator(
    model, X, y, speakers, cv=GroupKFold(5), repeats=2
)
plt.show()

# %%
# Over all utterances, with the inductive recall for comparison:

curve = display.curves[""]
whole = curve[(curve["first"] == 1) & (curve["last"] == float("inf"))]
print(whole.groupby(["kind", "order"], sort=False)["uar"].mean().round(3))

# %%
# A random order makes adaptation look better than it is in use: after a few utterances
# the speaker has spoken in all emotions. People keep to one emotion for some time, and
# then the first utterances all have one emotion. The block orders show what adaptation
# costs at the start.
#
# Adaptation needs speakers with similar mixes of emotions. In the URDU corpus 26 of 29
# speakers have one emotion. There the mean of the speaker *is* the emotion, and
# adaptation removes both. With the default ``balance="auto"`` the scaler finds this in
# `fit` and does not adapt. The numbers are in :doc:`/guide/adaptation`.
