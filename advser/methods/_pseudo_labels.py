"""Emotions of unlabelled rows, estimated by a classifier that knows the speakers.

The speakers of the training rows are known, and with the unlabelled rows there are many
utterances of each. A logistic regression on features that are normalised by speaker is
therefore right more often than one on the features themselves, which a network for
unseen speakers has to use.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from ..speakers._confounding import strong_confounding
from ..speakers._moments import Moments, average_speaker, moments, pool
from ..speakers._scaler import SHRINKAGE
from ._data import Utterances

C = 0.05


def pseudo_labels(rows: Utterances, n_labeled: int, clip: float | None) -> np.ndarray:
    """Return the estimated code of the emotion of each unlabelled row: (n_unlabeled,).

    Parameters
    ----------
    rows : Utterances
        The labelled rows, with the codes of their emotions, then the unlabelled ones.

    n_labeled : int

    clip : float or None
        Bound of the normalised features.
    """
    labeled, others = slice(n_labeled), slice(n_labeled, None)
    emotion, weight = rows.targets[labeled], rows.sample_weight[labeled]
    speaker = pd.factorize(rows.speakers)[0]  # -1 where unknown
    if strong_confounding(emotion, speaker[labeled]) is not None:
        speaker[:] = 0  # the mean of a speaker is that of an emotion
    for part in (speaker[labeled], speaker[others]):  # each with one more speaker
        part[part < 0] = speaker.max() + 1
    X = rows.X.astype(np.float64)
    own = moments(X, speaker, rows.sample_weight)
    average = Moments(np.array(SHRINKAGE), *average_speaker(own))
    _, mean, variance = pool(average, own)  # as SpeakerScaler, with weights
    X = (X - mean[speaker]) / np.sqrt(np.where(variance > 0, variance, 1.0))[speaker]
    if clip is not None:
        X = X.clip(-clip, clip)
    classifier = LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    classifier.fit(X[labeled], emotion, sample_weight=weight)
    return classifier.predict(X[others])
