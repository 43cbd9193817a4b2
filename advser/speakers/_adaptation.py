"""Adaptation: the statistics of a speaker grow with each utterance.

What a row contributes depends on it and on earlier rows of the same speaker alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold

from .._validation._arrays import check_labels, count_rows, encode
from .._validation._parameters import SEED, StrOptions, check_parameter
from ..exceptions import AdaptationWarning
from ..metrics import unweighted_average_recall
from ._emotions import emotions_of
from ._moments import Moments, pool

ORDERS = ("random", "blocks", "emotions")
BLOCK = 10  # utterances of one emotion in a row, in the order "blocks"
N_FOLDS = 5  # of training speakers, to choose what to adapt
_warns = ContextVar("warns of no adaptation", default=True)


@contextmanager
def silent() -> Iterator[None]:
    """Let no fit in this context warn that it does not adapt."""
    before = _warns.set(False)
    try:
        yield
    finally:
        _warns.reset(before)


def warn_of_no_adaptation(reason: str, stacklevel: int) -> None:
    """Warn that a scaler does not adapt, unless the context is silent."""
    if _warns.get():
        text = f"SpeakerScaler does not adapt to new speakers{reason}"
        warn(text, AdaptationWarning, stacklevel=stacklevel + 1)


def running(X, codes, known, average, effects=None):
    """Return the statistics of the speaker of each row, up to and including that row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows of a speaker in the order of time.

    codes : ndarray of shape (n_samples,)
        Speaker of each row.

    known : Moments
        Of the earlier rows of each speaker.

    average : Moments
        Of the average speaker, whose count is the shrinkage.

    effects : EmotionEffects, default=None
        Subtracts what the emotion of a row is expected to add to it.

    Returns
    -------
    after : Moments
        One entry per row.
    """
    state = Moments(*(part.copy() for part in known))
    after = Moments(*(np.empty((len(X), part.shape[1])) for part in state))
    X = X.astype(np.float64, copy=False)
    number = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    turns = np.split(np.argsort(number, kind="stable"), np.bincount(number).cumsum())
    for rows in turns[:-1]:  # utterance number 1 of each speaker, then number 2, ...
        at, added = codes[rows], X[rows]
        before = Moments(*(part[at] for part in state))
        if effects is not None:
            added = added - effects.expected(added, pool(average, before).means)
        single = Moments(np.ones((len(rows), 1)), added, np.zeros_like(added))
        now = pool(before, single)
        for whole, per_row, part in zip(state, after, now):
            whole[at] = per_row[rows] = part
    return after


def utterance_order(
    y: npt.ArrayLike,
    speakers: npt.ArrayLike,
    order: str = "random",
    *,
    random_state: int | None = None,
) -> np.ndarray:
    """Return the rows in an order in which the speakers may have spoken.

    The order matters for a model that adapts to the speaker. A random one is the
    easiest: people keep to one emotion for some time.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    order : {"random", "blocks", "emotions"}, default="random"
        The utterances of a speaker follow each other

        - "random": in random order;
        - "blocks": in blocks of ten of one emotion;
        - "emotions": in one block per emotion.

        The order of the emotions, and of the utterances of one, is random.

    random_state : int, default=None
        Seed.

    Returns
    -------
    rows : ndarray of shape (n_samples,)
        Positions, one speaker after the other.

    Raises
    ------
    ValueError
        If `order` is no such order, or an array has the wrong length.

    Examples
    --------
    >>> from advser.speakers import utterance_order
    >>> y = ["sad", "angry", "sad", "angry"]
    >>> rows = utterance_order(y, ["a"] * 4, "emotions", random_state=0)
    >>> [y[row] for row in rows]
    ['angry', 'angry', 'sad', 'sad']
    """
    check_parameter(order, "order", StrOptions({*ORDERS}))
    check_parameter(random_state, "random_state", SEED, None)
    n_rows = count_rows(y, "y")
    emotion, emotions = encode(check_labels(y, "y", n_rows))
    speaker, names = encode(check_labels(speakers, "speakers", n_rows, rows_of="y"))
    rng = np.random.default_rng(random_state)
    rows = rng.permutation(n_rows)
    speaker, emotion = speaker[rows], emotion[rows]
    if order == "random":
        return rows[np.argsort(speaker, kind="stable")]
    start = rng.random((len(names), len(emotions)))  # when an emotion first comes
    number = pd.DataFrame({"speaker": speaker, "emotion": emotion})
    number = number.groupby(["speaker", "emotion"]).cumcount().to_numpy()
    block = number // BLOCK if order == "blocks" else np.zeros_like(number)
    return rows[np.lexsort((number, start[speaker, emotion], block, speaker))]


def choose(scaler, X, y, codes):
    """Choose what to adapt to new speakers by the recall on training speakers left out.

    Parameters
    ----------
    scaler : SpeakerScaler
    X : ndarray of shape (n_samples, n_features)
    y : array-like or None
        Emotions, None or NaN where not known; or ratings, which allow no choice.
    codes : ndarray of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    balance : bool
        Whether to leave out the effect of the emotions.
    adapts : bool
    scores : DataFrame or None
        What the choice depends on; None if there is no choice.
    """
    no_choice = False, True, None
    labels = emotions_of(y, len(X))
    if labels is None:
        return no_choice
    known = ~pd.isna(labels)
    labels, codes = np.array(labels[known].tolist()), codes[known]
    if len(np.unique(codes)) < 2:
        return no_choice
    with silent():  # as to fits on some of the training speakers
        scores = _scores(scaler, X[known], labels, codes)
    means = scores.mean(axis=1)
    if means.isna().any():  # no fold could be scored
        n_emotions = pd.Series(labels).groupby(codes).nunique()
        if len(np.unique(labels)) < 2 or n_emotions.max() > 1:
            return no_choice
        warn_of_no_adaptation(
            f": each of the {len(n_emotions)} training speakers has one emotion, which "
            "adaptation would remove. Use training speakers of several emotions. Set "
            "`balance` to False to adapt nevertheless.",
            stacklevel=3,
        )
        return False, False, None
    best = means.idxmax()
    if best == "none":
        other = means.drop("none").max()
        warn_of_no_adaptation(
            f": on training speakers left out, the recall is {means['none']:.3f} "
            f"without adaptation and at most {other:.3f} with it. Speakers may differ "
            "in their mix of emotions; check with "
            "`advser.speakers.speaker_confounding`. Set `balance` to True or False to "
            "adapt nevertheless.",
            stacklevel=3,
        )
    return best == "emotions", best != "none", scores


def _scores(scaler, X, y, speakers):
    """Score no adaptation and both kinds of it, on training speakers left out.

    Parameters
    ----------
    scaler : SpeakerScaler
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Emotions.
    speakers : ndarray of shape (n_samples,)

    Returns
    -------
    scores : DataFrame of shape (3, 3)
        The unweighted average recall of a linear discriminant, for "none", "moments"
        and "emotions", by the order of the utterances.
    """
    settings = {
        "none": {"unknown": "population", "shrinkage": np.inf, "balance": False},
        "moments": {"balance": False},
        "emotions": {"balance": True},
    }
    found = []
    n_folds = min(N_FOLDS, len(pd.unique(speakers)))
    for train, test in GroupKFold(n_folds).split(X, y, speakers):
        # The discriminant needs two rows of an emotion, for a covariance.
        is_repeated = pd.Series(y[train]).duplicated(keep=False).to_numpy()
        classes = pd.unique(y[train][is_repeated])
        if len(classes) < 2:
            continue
        in_order = [
            test[utterance_order(y[test], speakers[test], order, random_state=0)]
            for order in ORDERS
        ]
        rows = np.concatenate(in_order)
        order = np.repeat(ORDERS, len(test))
        # The speakers of each order are others, and all of them unknown.
        place = np.arange(1, len(ORDERS) + 1).repeat(len(test))
        as_new = speakers[rows] + place * (speakers.max() + 1)
        discriminant = LinearDiscriminantAnalysis(
            solver="lsqr",
            shrinkage="auto",
            priors=np.full(len(classes), 1 / len(classes)),
        )
        for name, changed in settings.items():
            inputs = clone(scaler).set_params(**changed).set_output(transform="default")
            scaled = inputs.fit_transform(X[train], y[train], speakers[train])
            discriminant.fit(scaled[is_repeated], y[train][is_repeated])
            predicted = discriminant.predict(inputs.transform(X[rows], as_new))
            table = {"name": name, "order": order, "true": y[rows]}
            found.append(pd.DataFrame({**table, "predicted": predicted}))
    scores = pd.DataFrame(np.nan, index=list(settings), columns=list(ORDERS))
    for key, rows in pd.concat(found).groupby(["name", "order"]) if found else ():
        scores.loc[key] = unweighted_average_recall(rows["true"], rows["predicted"])
    return scores
