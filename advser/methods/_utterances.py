"""The utterances that a network learns from, on their way from arrays to tensors."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from .._validation import check_labels
from ..nn import Standardize

__all__ = [
    "CHUNK",
    "TrainingData",
    "Utterances",
    "check_row_labels",
    "label_tensors",
    "standardization",
    "to_numpy",
]

CHUNK = 8192  # rows standardised or predicted at once: bounds the memory
TASKS = {
    "speakers": "speaker",
    "groups": "speaker",
    "genders": "gender",
    "speakers_unlabeled": "speaker",
    "genders_unlabeled": "gender",
}  # what the parameters of `fit` tell of a row


class Utterances(NamedTuple):
    """Rows of features, and what is known of them.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)

    targets : ndarray of shape (n,) or (n, n_targets)
        Codes of the emotions, -1 for an unknown one; or ratings, NaN for unknown ones.

    weight : ndarray of shape (n,)

    labels : dict of ndarray of shape (n,)
        Speakers and genders as the user calls them, None where unknown, by task:
        "speaker", and "gender" where the method has genders.
    """

    X: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    labels: dict

    def __len__(self):
        return len(self.X)

    def take(self, rows):
        """Return some of the utterances: (n_taken,) positions, or (n,) of bool."""
        labels = {task: values[rows] for task, values in self.labels.items()}
        return Utterances(self.X[rows], self.targets[rows], self.weight[rows], labels)

    def joined_by(self, others):
        """Return these utterances and others behind them."""
        labels = {
            task: np.concatenate([values, others.labels[task]])
            for task, values in self.labels.items()
        }
        columns = zip(self[:3], others[:3])
        return Utterances(*map(np.concatenate, columns), labels)

    def without_speakers_of(self, others):
        """Return the utterances of other or unknown speakers."""
        heard = pd.Series(others.labels["speaker"]).dropna()
        return self.take(~pd.Series(self.labels["speaker"]).isin(heard).to_numpy())


class TrainingData(NamedTuple):
    """What a network is trained on, and built for.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        The labelled rows, and the unlabelled ones behind them.

    targets : ndarray of shape (n,) or (n, n_targets)
        As in `Utterances`.

    weight : ndarray of shape (n,)
        Weight of each row.

    codes : dict of ndarray of shape (n,)
        Codes by task, -1 for an unknown label: "emotion", "speaker", and "gender"
        where the method has genders. A task of which no label is known is left out.

    n_codes : dict of int
        Number of codes by task.

    standardize : Standardize
        First layer of the encoder, from the labelled rows.
    """

    X: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    codes: dict
    n_codes: dict
    standardize: Standardize


def check_row_labels(labels, n_rows, rows_of):
    """Return what is known of each row besides the emotion, by task.

    Parameters
    ----------
    labels : dict of array-like of shape (n_rows,) or None
        As the user passed them, by the name of the parameter. "groups", behind
        "speakers", stands in for those where they are None.

    n_rows : int

    rows_of : str
        Name of the parameter with the rows.

    Returns
    -------
    labels : dict of ndarray of shape (n_rows,)
    """
    checked = {}
    for name, values in labels.items():
        task = TASKS[name]
        if values is not None and task not in checked:
            checked[task] = check_labels(
                values, name, n_rows, allow_missing=True, rows_of=rows_of
            )
    for task in {TASKS[name]: None for name in labels if TASKS[name] not in checked}:
        checked[task] = np.full(n_rows, None, dtype=object)
    return checked


def to_numpy(y):
    """Return labels as a NumPy array: Arrow-backed strings trip scikit-learn."""
    return y.to_numpy() if isinstance(y, pd.Series | pd.DataFrame) else y


def standardization(X, weight):
    """Return the layer that standardises by the weighted statistics of the rows."""
    scaler = StandardScaler()
    for rows in gen_batches(len(X), CHUNK):
        scaler.partial_fit(X[rows], sample_weight=weight[rows])
    return Standardize(scaler.mean_, scaler.scale_)


def label_tensors(codes, weight, weights, dtype):
    """Return the codes of each task as tensors, with weights where they matter.

    Parameters
    ----------
    codes : dict of ndarray of shape (n,)
        Codes by task, -1 for an unknown label.

    weight : ndarray of shape (n,)
        Weight of each row.

    weights : dict of ndarray of shape (n,)
        Other weights for some of the tasks.

    dtype : dtype
        Of the weights.

    Returns
    -------
    y : dict of Tensor of shape (n,)
        See `advser.nn.weighted_mean`. The task "row", of which there are no codes,
        is for terms that need no label.
    """
    y = {task: torch.from_numpy(labels) for task, labels in codes.items()}
    for task in [*codes, "row"]:
        task_weight = weights.get(task, weight)
        if task in codes and codes[task].min() < 0:
            task_weight = task_weight * (codes[task] >= 0)
        mean = task_weight.mean()
        if np.ptp(task_weight) > 0 or mean == 0:
            normalized = task_weight / (mean or 1)
            y[f"{task}_weight"] = torch.from_numpy(normalized.astype(dtype))
    return y
