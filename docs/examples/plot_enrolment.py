"""
What a few utterances of a new speaker are worth
================================================

Nothing helps as much on a new voice as having heard it before, in whatever mood.
:meth:`SpeakerScaler.enroll <advser.SpeakerScaler.enroll>` takes some utterances of a
new speaker, without their emotions; the classifier behind it is not touched.
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
from advser.enrollment import enrollment_curve
from advser.plots import EnrollmentDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
methods = {"logistic regression": linear, "AdversarialSER": AdversarialSER()}
curves = {
    name: enrollment_curve(
        make_pipeline(SpeakerScaler(clip=3), method), X, y, speakers, repeats=10
    )
    for name, method in methods.items()
}
for name, curve in curves.items():
    print(name, curve.groupby("k", sort=False)["uar"].mean().round(3).to_dict())

# %%
# Mean and standard deviation over the draws, for a linear model and for a network with
# its adversary. Two utterances move the linear model more than the choice of an
# adversary does, and ten are worth eight points. The network gains less.

EnrollmentDisplay.from_curves(curves)
plt.show()
