"""Predict utterances as they come, and adapt to their speakers."""

import json
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._locks import replacing
from .._routing import call
from .._validation._arrays import check_labels
from .._validation._parameters import check_estimator
from .._validation._paths import check_file, check_path
from ._enrolment import pipeline_of, split_at_scaler
from ._knowledge import unknown_of
from ._moments import Moments
from ._scaler import SpeakerScaler


class Session:
    """Predict utterances in the order in which they come, and adapt to their speakers.

    Each utterance is scaled by the statistics of its speaker's utterances up to and
    including it, as ``SpeakerScaler(unknown="adapt")`` does it for a batch, with the
    same numbers. The fitted model does not change. A session keeps the number, mean and
    variance of a speaker's utterances and no utterance, so its memory depends on the
    number of speakers alone. Several threads may use one session.

    Parameters
    ----------
    model : Pipeline, or search over one
        Fitted, with ``SpeakerScaler(unknown="adapt")`` and any classifier or regressor
        behind it.

    Attributes
    ----------
    speakers_ : list
        The speakers of whom the session keeps statistics, in the order in which they
        came.

    Raises
    ------
    ValueError
        If the model has no :class:`~advser.SpeakerScaler`, or one that does not adapt.

    See Also
    --------
    SpeakerScaler : Chooses in `fit` what it adapts, or that it does not.
    enroll : Adds utterances of a speaker to the model itself.

    Notes
    -----
    A speaker who is known to the model, from the training or from `enroll`, starts from
    what is known and goes on adapting. Enrol before the speaker's first utterance in a
    session, or call `forget` first. An utterance that cannot be predicted does not
    count.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> import advser
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> new = speakers == "16"
    >>> model = make_pipeline(
    ...     advser.SpeakerScaler(unknown="adapt", clip=3), LogisticRegression(C=0.05)
    ... )
    >>> with config_context(enable_metadata_routing=True):
    ...     model = model.fit(X[~new], y[~new], speakers=speakers[~new])
    >>> session = advser.Session(model)
    >>> first = session.predict(X[new][:1], speaker="16")
    >>> more = session.predict(X[new][1:], speaker="16")
    >>> session.speakers_
    ['16']
    """

    def __init__(self, model: BaseEstimator) -> None:
        front, scaler, rest = split_at_scaler(model, name="model")
        check_is_fitted(scaler)
        if not isinstance(scaler, SpeakerScaler) or scaler.unknown != "adapt":
            kind = getattr(scaler, "unknown", type(scaler).__name__)
            raise ValueError(
                f"`model` scales unknown speakers by {kind!r} and does not adapt; fit "
                "it with `SpeakerScaler(unknown='adapt')`."
            )
        further = unknown_of([front, *rest]) & {"adapt", "batch"}
        if further:
            raise ValueError(
                "`model` has a second SpeakerScaler with "
                f"`unknown={min(further)!r}`, which would get the utterances of all "
                "speakers one by one, as of nobody. Keep one of the scalers, or fit "
                "the other with `unknown='population'`."
            )
        self.model = model
        self._front, self._scaler, self._rest = front, scaler, pipeline_of(rest)
        self._table = _table_of(scaler)
        self._states: dict[Any, Moments] = {}
        self._lock = Lock()

    def __getstate__(self):
        with self._lock:
            names, states = self.speakers_, list(self._states.values())
        return {"model": self.model, "names": names, "states": [*map(list, states)]}

    def __setstate__(self, state):
        Session.__init__(self, state["model"])
        states = (Moments(*parts) for parts in state["states"])
        self._states = dict(zip(state["names"], states))

    @property
    def speakers_(self) -> list:
        """The speakers of whom the session keeps statistics."""
        return list(self._states)

    def predict(self, X: npt.ArrayLike, speaker: str | int | None = None) -> np.ndarray:
        """Predict utterances of one speaker, which then count as known.

        Parameters
        ----------
        X : array-like of shape (n_utterances, n_features)
            Utterances in the order of time: features, or whatever else the model
            accepts, such as a list of files or of pairs of signal and rate.

        speaker : str or int, default=None
            Their speaker. All utterances without one are those of one speaker.

        Returns
        -------
        y : ndarray of shape (n_utterances,) or (n_utterances, n_targets)
            Emotions or ratings. Each one depends on the utterances up to it alone.

        Raises
        ------
        ValueError
            If `X` cannot be predicted. None of its utterances counts then.
        """
        return self._answer("predict", X, speaker)

    def predict_proba(
        self, X: npt.ArrayLike, speaker: str | int | None = None
    ) -> np.ndarray:
        """Return the probability of each emotion for utterances of one speaker.

        Parameters
        ----------
        X : array-like of shape (n_utterances, n_features)
            As in `predict`; the utterances count here, too.

        speaker : str or int, default=None
            Their speaker.

        Returns
        -------
        probabilities : ndarray of shape (n_utterances, n_classes)
        """
        return self._answer("predict_proba", X, speaker)

    def forget(self, speaker: str | int | None = None) -> Self:
        """Drop the statistics of a speaker.

        Parameters
        ----------
        speaker : str or int, default=None
            The speaker; None for the utterances without one.

        Returns
        -------
        self : Session

        Raises
        ------
        KeyError
            If the session has no statistics of the speaker.
        """
        speaker = _name_of(speaker)
        with self._lock:
            if speaker not in self._states:
                raise KeyError(
                    f"`speaker` is {speaker!r}, and the session knows {self.speakers_}."
                )
            del self._states[speaker]
        return self

    def save(self, path: str | Path) -> None:
        """Write the statistics of the speakers, without the model, to a file.

        Parameters
        ----------
        path : str or Path
            A file of arrays without pickle; ``.npz`` is added to a name that does not
            end with it. An existing file is replaced as a whole or not at all.
        """
        with self._lock:
            names = json.dumps(self.speakers_)
            states = list(self._states.values()) or [Moments(*[np.empty((0, 0))] * 3)]
        counts, means, variances = map(np.concatenate, zip(*states))
        path = check_path(path, "path")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"The folder of {path} does not exist; make it.")
        if not path.name.endswith(".npz"):
            path = path.with_name(f"{path.name}.npz")
        with replacing(path) as unfinished, open(unfinished, "wb") as file:
            np.savez(
                file,
                speakers=np.array(names),
                model=self._fingerprint(),
                counts=counts,
                means=means,
                variances=variances,
            )

    def load(self, path: str | Path) -> Self:
        """Go on from the statistics in a file that `save` has written.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        self : Session

        Raises
        ------
        ValueError
            If the file is no such file, or of a session with another fitted model.
        """
        file = check_file(path, "path")
        try:
            with np.load(file, allow_pickle=False) as stored:
                names = [_name_of(name) for name in json.loads(str(stored["speakers"]))]
                model = stored["model"]
                parts = [stored[field].astype(float) for field in Moments._fields]
        except Exception as error:  # whatever zipfile and NumPy raise for damaged files
            raise ValueError(
                f"{path} is no file of a session, or damaged "
                f"({type(error).__name__}); pass one that `save` has written."
            ) from error
        expected = self._fingerprint()
        if model.shape != expected.shape or not np.array_equal(model, expected):
            raise ValueError(
                f"{path} is of a session with another model, and statistics of "
                "speakers suit one model alone."
            )
        sizes = [(len(names), 1), *2 * [(len(names), expected.shape[1])]]
        if names and [part.shape for part in parts] != sizes:
            raise ValueError(f"{path} is damaged: it has {[p.shape for p in parts]}.")
        if not all(np.isfinite(part).all() for part in parts) or min(
            part.min(initial=0) for part in parts[::2]
        ):
            raise ValueError(f"{path} is damaged: it has a negative variance or NaN.")
        with self._lock:
            self._states = {
                name: Moments(*(part[[row]] for part in parts))
                for row, name in enumerate(names)
            }
        return self

    def _fingerprint(self):
        """Return what identifies the fitted scaler."""
        scaler = self._scaler
        return np.stack(
            [scaler.population_mean_, scaler.population_scale_, scaler.shrinkage_]
        )

    def _answer(self, method, X, speaker):
        if self._front is not None:
            X = call(self._front, "transform", X, speakers=None)
        scaler, speaker = self._scaler, _name_of(speaker)
        check_estimator(self._rest, "model", method)
        X = scaler._check_rows(X)
        with self._lock:
            known = self._states.get(speaker)
            if known is None:
                _, known = scaler._look_up([speaker])
            after = scaler._running(X, np.zeros(len(X), dtype=int), known)
            rows = scaler._scale(X, *scaler._shrink(after))
            if self._table is not None:
                rows = self._table(rows)
            result = getattr(self._rest, method)(rows)
            self._states[speaker] = Moments(*(part[-1:].copy() for part in after))
        return result


def _table_of(scaler):
    """Return what makes a table of scaled rows, or None if `transform` returns arrays.

    See `set_output` of scikit-learn.
    """
    row = scaler.population_mean_[None]
    if hasattr(scaler, "feature_names_in_"):
        row = pd.DataFrame(row, columns=scaler.feature_names_in_)
    scaled = scaler.transform(row)
    if isinstance(scaled, np.ndarray):
        return None
    names = "columns" if isinstance(scaled, pd.DataFrame) else "schema"  # of polars
    return partial(type(scaled), **{names: list(scaled.columns)})


def _name_of(speaker):
    """Return a speaker as the str, int or bool that it is, None if missing."""
    if isinstance(speaker, list | tuple | dict | set | np.ndarray) or np.ndim(speaker):
        raise ValueError(f"`speaker` must be one str or int, or None; got {speaker!r}.")
    return check_labels([speaker], "speaker", 1, allow_missing=True).tolist()[0]
