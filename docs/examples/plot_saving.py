"""
Saving, loading and using a model
=================================

:func:`advser.save` writes a fitted model to a file without pickle, and
:func:`advser.load` reads it. A loaded model predicts as the saved one, adapts to new
speakers and enrols them.
"""

# %%
# Fit a pipeline on nine speakers, and save it:

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import advser
from advser import Session, SpeakerScaler
from advser.datasets import load_emodb

X, y, speakers = load_emodb(return_X_y_speakers=True)
new = speakers == "11"
model = make_pipeline(
    SpeakerScaler(unknown="adapt", balance=True, clip=4),
    LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000),
)
with config_context(enable_metadata_routing=True):
    model.fit(X[~new], y[~new], speakers=speakers[~new])

folder = Path(tempfile.mkdtemp())
advser.save(model, folder / "emodb.advser")
print((folder / "emodb.advser").stat().st_size // 1000, "kB")

# %%
# Load it, and compare the predictions:

loaded = advser.load(folder / "emodb.advser")
with config_context(enable_metadata_routing=True):
    saved, found = (
        one.predict_proba(X[new], speakers=speakers[new]) for one in (model, loaded)
    )
print("same probabilities:", np.array_equal(saved, found))

# %%
# A session with the loaded model gets the utterances of the new speaker one by one. It
# can be saved, too, and keeps its speakers:

session = Session(loaded)
rows = np.random.default_rng(0).permutation(np.flatnonzero(new))
first, later = rows[:10], rows[10:]
probabilities = [session.predict_proba(X[[row]], speaker="11")[0] for row in first]

advser.save(session, folder / "session.advser")
session = advser.load(folder / "session.advser")
print(session.speakers_)
probabilities += [session.predict_proba(X[[row]], speaker="11")[0] for row in later]

# %%
# The probabilities of the utterances in their order, with a frame around the true
# emotion:

emotions = list(model.classes_)
figure, ax = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
look = {"cmap": "Blues", "vmin": 0, "vmax": 1, "aspect": "auto"}
image = ax.imshow(np.transpose(probabilities), **look)
ax.scatter(
    range(len(rows)),
    [emotions.index(emotion) for emotion in y[rows]],
    marker="s",
    s=60,
    facecolors="none",
    edgecolors="C1",
    linewidths=2,
)
ax.axvline(9.5, color="0.3", linestyle="--")
ax.set_yticks(range(len(emotions)), emotions)
ax.set_xlabel("Utterance of the new speaker (dashed: the session is saved and loaded)")
figure.colorbar(image, label="Probability")
plt.show()
