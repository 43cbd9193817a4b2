"""Data to start with: real speech, without a download."""

from importlib import resources

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

__all__ = ["load_emodb"]

# Columns of the table that are no features.
_FACTS = ["file", "speaker", "gender", "sentence", "emotion"]


def load_emodb(*, return_X_y_speakers=False, as_frame=False):
    """Load the eGeMAPS features of EmoDB, acted emotions of ten German speakers.

    =================   ==============
    Classes                          4
    Speakers                        10
    Recordings                     339
    Features                        88
    =================   ==============

    The features are the functionals that :class:`~advser.EGeMAPS` gives for the
    recordings; the `DESCR` tells their origin.

    Parameters
    ----------
    return_X_y_speakers : bool, default=False
        Whether to return ``(data, target, speakers)`` instead of a Bunch.

    as_frame : bool, default=False
        Whether `data` is a DataFrame and all that has one entry per recording a
        Series, instead of arrays.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : ndarray or DataFrame of shape (339, 88), dtype float32
            The features.
        target : ndarray or Series of shape (339,)
            The emotion: "anger", "happiness", "neutral" or "sadness".
        speakers : ndarray or Series of shape (339,)
            The speaker, as the two digits of the database: "03", "08", ...
        genders : ndarray or Series of shape (339,)
            The speaker's gender: "female" or "male".
        sentences : ndarray or Series of shape (339,)
            The code of the sentence spoken: "a01", ..., "b10".
        files : ndarray or Series of shape (339,)
            The name of the recording.
        feature_names : list of str
            The names of the columns of `data`.
        target_names : list of str
            The four emotions in sorted order.
        frame : DataFrame of shape (339, 93)
            All of it in one table, features last. Only with `as_frame=True`,
            otherwise None.
        DESCR : str
            What the data are, their licence and whom to cite.

    (data, target, speakers) : tuple if `return_X_y_speakers` is True
        The first three of these.

    Examples
    --------
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> X.shape
    (339, 88)
    >>> print(y[0], speakers[0])
    happiness 03
    """
    folder = resources.files("advser") / "data"
    with (folder / "emodb.csv").open(encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=dict.fromkeys(_FACTS, str))
    feature_names = [name for name in frame.columns if name not in _FACTS]
    frame = frame.astype(dict.fromkeys(feature_names, np.float32))
    data = frame[feature_names]
    facts = [frame[name] for name in _FACTS]
    if not as_frame:
        data = np.ascontiguousarray(data)
        facts = [fact.to_numpy(dtype=str) for fact in facts]
    files, speakers, genders, sentences, target = facts
    if return_X_y_speakers:
        return data, target, speakers
    return Bunch(
        data=data,
        target=target,
        speakers=speakers,
        genders=genders,
        sentences=sentences,
        files=files,
        feature_names=feature_names,
        target_names=sorted(frame["emotion"].unique()),
        frame=frame if as_frame else None,
        DESCR=(folder / "emodb.rst").read_text(encoding="utf-8"),
    )
