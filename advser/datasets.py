"""Bundled data: features of real speech, without a download."""

from importlib import resources

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ._validation._parameters import check_arguments

__all__ = ["load_emodb"]

# The columns of the table before the features.
_LABELS = ["file", "speaker", "gender", "sentence", "emotion"]


def load_emodb(
    *, return_X_y_speakers: bool = False, as_frame: bool = False
) -> Bunch | tuple:
    """Load the eGeMAPS features of EmoDB, acted emotions of ten German speakers.

    =================   ==============
    Classes                          4
    Speakers                        10
    Recordings                     339
    Features                        88
    =================   ==============

    The features are the functionals that :class:`~advser.EGeMAPS` returns for the
    recordings; `DESCR` describes their origin.

    Parameters
    ----------
    return_X_y_speakers : bool, default=False
        Whether to return ``(data, target, speakers)`` instead of a Bunch.

    as_frame : bool, default=False
        Whether `data` is a DataFrame and the columns of labels are Series. Otherwise
        they are arrays.

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
            The code of the spoken sentence: "a01", ..., "b10".
        files : ndarray or Series of shape (339,)
            The name of the recording.
        feature_names : list of str
            The names of the columns of `data`.
        target_names : list of str
            The four emotions in sorted order.
        frame : DataFrame of shape (339, 93)
            All columns in one table, features last; None if `as_frame` is False.
        DESCR : str
            Description of the data, with the licence and the reference to cite.

    (data, target, speakers) : tuple if `return_X_y_speakers` is True
        The first three attributes.

    Examples
    --------
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> X.shape
    (339, 88)
    >>> print(y[0], speakers[0])
    happiness 03
    """
    check_arguments(locals())
    folder = resources.files("advser") / "data"
    with (folder / "emodb.csv").open(encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=dict.fromkeys(_LABELS, str))
    feature_names = list(frame.columns.drop(_LABELS))
    frame = frame.astype(dict.fromkeys(feature_names, np.float32))
    data = frame[feature_names]
    labels = [frame[name] for name in _LABELS]
    if not as_frame:
        data = np.ascontiguousarray(data)
        labels = [column.to_numpy(dtype=str) for column in labels]
    files, speakers, genders, sentences, target = labels
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
