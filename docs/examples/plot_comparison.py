"""
A comparison of methods, and its figures
========================================

:func:`~advser.evaluation.compare` tests estimators on the same unseen speakers.
Displays show its results: scores, differences, leakage and speakers.
"""

# %%
# Any scikit-learn classifiers can be compared. An estimator that scales each test
# speaker by all of their utterances is *transductive*: it is marked in all results, and
# no test compares it with an inductive one. This example is small: five folds and two
# seeds.

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import compare
from advser.plots import (
    ComparisonDisplay,
    DifferenceDisplay,
    IntervalDisplay,
    LeakageDisplay,
    SpeakerRecallDisplay,
)

X, y, speakers = load_emodb(return_X_y_speakers=True)
linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
linear.set_params(random_state=0)
estimators = {
    "adversary": AdversarialSER(),
    "no adversary": AdversarialSER(None),
    "logistic": make_pipeline(StandardScaler(), linear),
    "SVM": make_pipeline(StandardScaler(), SVC(random_state=0)),
    "adversary, per speaker": make_pipeline(
        SpeakerScaler(unknown="batch"), AdversarialSER()
    ),
    "logistic, per speaker": make_pipeline(SpeakerScaler(unknown="batch"), linear),
}
comparison = compare(estimators, X, y, speakers, cv=5, seeds=2, probes=["logistic"])
print(comparison)

# %%
# Scores
# ------
#
# The mean over seeds, and the recall of each test speaker. A method has the same colour
# in all figures:

ComparisonDisplay.from_comparison(comparison)
plt.show()

# %%
# The interval that covers other speakers is wider than the spread over seeds:

IntervalDisplay.from_comparison(comparison)
plt.show()

# %%
# Differences
# -----------
#
# A difference is significant if its corrected p-value is small, even if the intervals
# above overlap:

DifferenceDisplay.from_comparison(
    comparison, baseline=["logistic", "logistic, per speaker"]
)
plt.show()

# %%
# Leakage
# -------
#
# The best methods are at the top left: a high recall and a low leakage.

LeakageDisplay.from_comparison(comparison)
plt.show()

# %%
# Speakers
# --------
#
# The recall of one method, speaker by speaker:

found = comparison.predictions.query("estimator == 'adversary' and seed == 0")
SpeakerRecallDisplay.from_predictions(
    found["y_true"], found["y_pred"], found["speaker"]
)
plt.show()
