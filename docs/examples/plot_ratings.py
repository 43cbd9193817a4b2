"""
Ratings of arousal and valence
==============================

:class:`~advser.AdversarialSERRegressor` learns several ratings from one embedding. The
score is the concordance correlation coefficient (CCC) of unseen speakers.
"""

# %%
# The bundled corpus has no ratings. This example derives them from the emotions, with
# noise as of human raters. Some utterances have no rating of the valence:

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_predict

from advser import AdversarialSERRegressor
from advser.datasets import load_emodb
from advser.evaluation import ccc_interval
from advser.plots import RatingDisplay, TrainingDisplay

X, y, speakers = load_emodb(return_X_y_speakers=True)
arousal = {"anger": 5.6, "happiness": 5.0, "neutral": 3.2, "sadness": 2.1}
valence = {"anger": 2.0, "happiness": 5.8, "neutral": 4.0, "sadness": 2.3}
rng = np.random.default_rng(0)
ratings = np.array([[arousal[emotion], valence[emotion]] for emotion in y])
ratings = (ratings + rng.normal(scale=0.5, size=ratings.shape)).clip(1, 7)
ratings[rng.random(len(y)) < 0.1, 1] = np.nan

# %%
# Predictions of unseen speakers, against the ratings:

model = AdversarialSERRegressor(random_state=0)
predicted = cross_val_predict(
    model,
    X,
    ratings,
    groups=speakers,
    cv=GroupKFold(5),
    params={"speakers": speakers},
)

figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.9), layout="constrained")
for number, name in enumerate(["arousal", "valence"]):
    true, found = ratings[:, number], predicted[:, number]
    RatingDisplay.from_predictions(
        true, found, name=f"{name} (1 to 7)", ax=axes[number]
    )
    low, high = ccc_interval(true, found, speakers=speakers)
    print(f"{name}: 95% interval over speakers {low:.2f} to {high:.2f}")
plt.show()

# %%
# Arousal is easier than valence: it is in the loudness and the pitch, while anger and
# happiness, of opposite valence, sound alike.

# %%
# The training
# ------------
#
# The terms of the loss over the epochs, with some speakers held out for validation:

model.set_params(early_stopping=True, validation_fraction=0.2)
model.fit(X, ratings, speakers=speakers)
TrainingDisplay.from_estimator(model)
plt.show()
