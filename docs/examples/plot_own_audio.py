"""
Emotions of your own recordings
===============================

:class:`~advser.EGeMAPS` extracts features from audio files, and a pipeline trains a
network on them. This example writes its recordings first, so that it runs everywhere.
With your own files, start at the second step.
"""

# %%
# Recordings
# ----------
#
# A simple voice: a pulse train, filtered by the resonances of a vocal tract. Speakers
# differ in pitch and in the length of the vocal tract; emotions differ in pitch, pace
# and loudness.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile
from scipy.signal import lfilter
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline

from advser import AdversarialSER, EGeMAPS
from advser.plots import EmbeddingDisplay, SpeakerRecallDisplay

RATE = 16000  # samples per second
EMOTIONS = {  # pitch factor, loudness, syllables per second
    "anger": (1.3, 0.5, 6.0),
    "neutral": (1.0, 0.2, 4.5),
    "sadness": (0.9, 0.1, 3.0),
}
SPEAKERS = {
    "Ann": (205, 1.15),
    "Ben": (110, 1.0),
    "Cai": (190, 1.1),
    "Dee": (125, 0.95),
}


def syllable(pitch, tract, n_samples, rng):
    """Return a vowel with a falling pitch."""
    f0 = pitch * rng.uniform(0.9, 1.1) * np.linspace(1.1, 0.9, n_samples)
    sound = np.diff(np.floor(np.cumsum(f0) / RATE), prepend=0.0)
    vowels = [(730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480)]
    for formant in vowels[rng.integers(3)]:
        angle = 2 * np.pi * formant * tract / RATE
        sound = lfilter([1.0], [1.0, -1.94 * np.cos(angle), 0.94], sound)
    return np.hanning(n_samples) * sound / np.abs(sound).max()


folder = Path(tempfile.mkdtemp())
rows = []
rng = np.random.default_rng(0)
for speaker, (pitch, tract) in SPEAKERS.items():
    for emotion, (factor, loudness, pace) in EMOTIONS.items():
        for take in range(5):
            length = int(RATE / pace)
            parts = [syllable(factor * pitch, tract, length, rng) for _ in range(5)]
            signal = np.concatenate(parts) + rng.normal(scale=0.01, size=5 * length)
            name = f"{speaker}-{emotion}-{take}.wav"
            soundfile.write(folder / name, loudness * signal / 4, RATE)
            rows.append((name, emotion, speaker))
pd.DataFrame(rows, columns=["file", "emotion", "speaker"]).to_csv(
    folder / "labels.csv", index=False
)

# %%
# Features
# --------
#
# A table with the columns `file`, `emotion` and `speaker` is all that you need:

labels = pd.read_csv(folder / "labels.csv", dtype=str)
files = [str(folder / file) for file in labels["file"]]
extractor = EGeMAPS().set_output(transform="pandas")
X = extractor.fit_transform(files)
print(X.shape)
print(X["F0semitoneFrom27.5Hz_sma3nz_amean"].groupby(labels["speaker"]).mean())

# %%
# Two principal components of the features show the speakers and the emotions:

EmbeddingDisplay.from_embedding(X, labels["emotion"], labels["speaker"], method="pca")
plt.show()

# %%
# Emotions of unseen speakers
# ---------------------------
#
# Each speaker in turn is left out of the training, and the emotions are predicted:

predicted = cross_val_predict(
    AdversarialSER(random_state=0),
    X,
    labels["emotion"],
    groups=labels["speaker"],
    cv=LeaveOneGroupOut(),
    params={"speakers": labels["speaker"]},
)
SpeakerRecallDisplay.from_predictions(labels["emotion"], predicted, labels["speaker"])
plt.show()

# %%
# For use, one pipeline goes from the files to the emotions:

model = make_pipeline(EGeMAPS(), AdversarialSER(random_state=0))
model.fit(files, labels["emotion"], adversarialser__speakers=labels["speaker"])
for file, emotion in zip(files[::20], model.predict(files[::20])):
    print(Path(file).name, emotion)
