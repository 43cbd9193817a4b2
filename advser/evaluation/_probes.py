"""Speaker leakage: how well an independent probe recognises the speaker.

The accuracy of an adversary proves nothing: it is one network at one moment of the
training, against an encoder that adapts to it. A probe is a new classifier: it is
fitted on the frozen embedding after the training, and tested on other utterances.
"""

import warnings
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .._engine._jobs import Fit, run_all
from .._routing import call, representation, seeded
from .._validation._arrays import check_array_named, check_labels, encode, take_rows
from .._validation._parameters import check_arguments, check_estimator
from ._arguments import check_several, check_utterances
from ._leakage import SpeakerLeakage, leakage_of_genders
from ._splits import dealt, halves

PROBES = {
    "logistic": LogisticRegression(class_weight="balanced", max_iter=2000),
    "mlp": MLPClassifier(
        hidden_layer_sizes=(64,),
        alpha=1,
        learning_rate_init=0.005,
        tol=0.002,
        max_iter=2000,
    ),
    "knn": KNeighborsClassifier(1),
}
MIN_ROWS = 4  # of a speaker: each half needs a row to train on and a row to test on


def speaker_leakage(
    embedding: npt.ArrayLike,
    speakers: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    probe: str | BaseEstimator = "logistic",
    within_emotion: bool = False,
    n_splits: int = 5,
    confidence_level: float = 0.95,
    random_state: int | None = 0,
) -> SpeakerLeakage:
    """Measure how much of the speaker a frozen representation contains.

    The function cross-validates a probe: it learns to recognise the speaker from the
    rows of all folds but one, and predicts the rows of that one. Every speaker is in
    every fold, and so is every emotion of a speaker, as evenly as their numbers allow.
    The folds are such that a test row takes a training row of its emotion from all
    speakers, where they have as many. Otherwise a probe that recognises the emotion
    alone would guess any speaker but the right one: the leakage would be below chance.

    Pass utterances **of the training speakers that the network was not fitted on**. An
    adversarial network was trained to remove the speaker from its own training rows, so
    that their leakage is too low. :func:`cross_val_leakage` holds out such utterances
    for you.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_dimensions)
        The output of the network's ``transform``, or any other representation. The
        probe standardises it.

    speakers : array-like of shape (n_samples,)
        Speaker of each row; every speaker needs at least two rows.

    y : array-like of shape (n_samples,), default=None
        Emotions, to spread evenly over the folds.

    probe : {"logistic", "mlp", "knn"} or classifier, default="logistic"
        "logistic" is a balanced logistic regression, which measures what is linearly
        separable. "mlp" has a hidden layer of 64 units. "knn" predicts the speaker of
        the nearest neighbour. Any other scikit-learn classifier is cloned.

    within_emotion : bool, default=False
        Whether to recognise the speakers within each emotion, with a separate probe for
        each, which needs `y`. If speakers differ in their mix of emotions, the emotion
        then no longer counts as leakage. Speakers with a single row of an emotion, and
        emotions of a single speaker, are left out.

    n_splits : int, default=5
        Number of folds. It is reduced to the median number of rows per speaker (with
        an emotion), and to two at least.

    confidence_level : float, default=0.95
        Probability that the interval covers the true accuracy.

    random_state : int or None, default=0
        Seed of the folds and of the probe.

    Returns
    -------
    leakage : SpeakerLeakage
        Balanced accuracy with its interval over speakers, the chance level, the
        majority level and the recall of each speaker.

    Raises
    ------
    ValueError
        If there are fewer than two speakers, one of them has a single row, `probe` is
        unknown, `n_splits` is below two, an array has the wrong length, or
        `within_emotion` finds no emotion of which two speakers have two rows.

    See Also
    --------
    cross_val_leakage : Fits the network, too, and holds out its test rows.
    gender_leakage : The same for the gender of the speakers.

    Examples
    --------
    >>> import numpy as np
    >>> from advser.evaluation import speaker_leakage
    >>> rng = np.random.default_rng(0)
    >>> speakers = np.repeat(["ann", "bob", "eve"], 20)
    >>> voice = np.repeat([[0.0], [1.0], [2.0]], 20, axis=0)
    >>> noise = rng.normal(size=(60, 4))
    >>> leakage = speaker_leakage(voice + 0.1 * noise, speakers)
    >>> leakage.accuracy, round(leakage.chance, 2)
    (1.0, 0.33)
    >>> leakage = speaker_leakage(noise, speakers)
    >>> leakage.low < leakage.chance < leakage.high
    True
    """
    embedding = check_array_named(embedding, "embedding")
    speakers = check_labels(speakers, "speakers", len(embedding), rows_of="embedding")
    if y is not None:
        y = check_labels(y, "y", len(embedding), rows_of="embedding")
    settings = probe, n_splits, confidence_level, random_state
    parts = [(np.arange(len(embedding)), embedding)]
    return leakage_of_parts(
        parts, speakers, y, *settings, within_emotion=within_emotion
    )


def gender_leakage(
    embedding: npt.ArrayLike,
    genders: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    probe: str | BaseEstimator = "logistic",
    n_splits: int = 5,
    confidence_level: float = 0.95,
    random_state: int | None = 0,
) -> SpeakerLeakage:
    """Measure how much of the speakers' gender a frozen representation contains.

    The test speakers of the probe are not among its training speakers: a probe that
    recognises the speaker would know the gender, and :func:`speaker_leakage` measures
    that already. You can pass any other label that belongs to a speaker as the gender,
    such as an age group or a native language.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_dimensions)
        As in :func:`speaker_leakage`.

    genders : array-like of shape (n_samples,)
        Gender of each row's speaker; every gender needs two speakers at least.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    probe : as in :func:`speaker_leakage`

    n_splits : int, default=5
        Number of folds, which have equally many speakers of each gender where possible.

    confidence_level, random_state : as in :func:`speaker_leakage`

    Returns
    -------
    leakage : SpeakerLeakage
        Its `recall` is the share of each speaker's rows with the right gender.

    Raises
    ------
    ValueError
        If a speaker has two genders, a gender has one speaker, `probe` is unknown,
        `n_splits` is below two, or an array has the wrong length.

    See Also
    --------
    cross_val_leakage : Fits the network, too, and holds out its test rows.

    Examples
    --------
    >>> import numpy as np
    >>> from advser.evaluation import gender_leakage
    >>> speakers = np.repeat(["ann", "bob", "eve", "tom"], 10)
    >>> genders = np.repeat(["female", "male", "female", "male"], 10)
    >>> pitch = np.repeat([[5.0], [1.0], [4.0], [2.0]], 10, axis=0)
    >>> leakage = gender_leakage(pitch, genders, speakers)
    >>> leakage.accuracy, leakage.chance
    (1.0, 0.5)
    """
    embedding = check_array_named(embedding, "embedding")
    genders = check_labels(genders, "genders", len(embedding), rows_of="embedding")
    speakers = check_labels(speakers, "speakers", len(embedding), rows_of="embedding")
    settings = probe, n_splits, confidence_level, random_state
    parts = [(np.arange(len(embedding)), embedding)]
    return leakage_of_parts(parts, speakers, None, *settings, genders=genders)


def cross_val_leakage(
    estimator: BaseEstimator,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    probe: str | BaseEstimator = "logistic",
    genders: npt.ArrayLike | None = None,
    within_emotion: bool = False,
    n_splits: int = 5,
    confidence_level: float = 0.95,
    random_state: int | None = 0,
) -> SpeakerLeakage:
    """Measure how much of the speaker an estimator keeps of held-out utterances.

    1. Split every speaker's utterances into two halves with the same mix of emotions.
    2. Fit a copy of the estimator on one half, with the speakers if it requests them,
       and embed the other half: new utterances of its training speakers.
    3. Cross-validate a probe within these embeddings, as :func:`speaker_leakage`.
    4. Swap the halves and repeat. Together, there is one prediction for each utterance,
       by a probe and a network that were not fitted on it.

    So neither the network nor the probe has memorised its test rows, and the probe
    trains on the same kind of embedding as it is tested on; the network's own training
    rows would be another kind. The cost: the network trains on half of the utterances.

    The embedding is the estimator's ``transform``. If the classifier of a pipeline has
    none, it is the output of the steps before it (for a linear SVM behind a scaler, the
    scaled features), otherwise `X` itself.

    Parameters
    ----------
    estimator : estimator
        Unfitted scikit-learn estimator or pipeline.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimator accepts.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row. The network trains on speakers with fewer than four rows,
        but the probe leaves them out.

    probe : as in :func:`speaker_leakage`

    genders : array-like of shape (n_samples,), default=None
        Gender of each row's speaker: the probe then predicts it, as in
        :func:`gender_leakage`, instead of the speaker.

    within_emotion : bool, default=False
        As in :func:`speaker_leakage`.

    n_splits : int, default=5
        Number of folds of the probe within each half, as in :func:`speaker_leakage`.

    confidence_level : float, default=0.95
        As in :func:`speaker_leakage`.

    random_state : int or None, default=0
        Seed of the halves, the folds, the probe, and of every ``random_state`` of the
        estimator that is None.

    Returns
    -------
    leakage : SpeakerLeakage
        Over the utterances of both halves.

    Raises
    ------
    ValueError
        If fewer than two speakers have four rows, `probe` is unknown, or an array has
        the wrong length.

    See Also
    --------
    speaker_leakage : Measures an embedding that you have already.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from advser.evaluation import cross_val_leakage
    >>> rng = np.random.default_rng(0)
    >>> speakers = np.repeat(["ann", "bob", "eve"], 20)
    >>> y = np.tile(["anger", "sadness"], 30)
    >>> X = rng.normal(size=(60, 4)) + 3 * np.repeat(np.eye(3, 4), 20, axis=0)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression())
    >>> cross_val_leakage(model, X, y, speakers).accuracy > 0.8
    True
    """
    check_estimator(estimator, "estimator")
    check_arguments(locals())
    y, speakers = check_utterances(X, y, speakers)
    check_probe(probe, y, genders, within_emotion)
    if genders is not None:
        genders = check_labels(genders, "genders", len(y))
        check_genders(genders, speakers)
    job = held_out_embeddings(
        estimator, X, y, speakers, strata=y, random_state=random_state
    )
    (parts,) = run_all([job])
    settings = probe, n_splits, confidence_level, random_state
    options = {"genders": genders, "within_emotion": within_emotion}
    return leakage_of_parts(parts, speakers, y, *settings, **options)


def held_out_embeddings(estimator, X, y, speakers, *, strata, random_state):
    """Fit on one half of every speaker's rows and embed the other; then swap: a job.

    The halves have equal shares of each of the `strata`, such as emotions, if given.

    Returns
    -------
    parts : list of tuple
        For each half, the numbers of its rows whose speaker can be probed, and their
        embedding.
    """
    codes, _ = encode(speakers)
    enough = np.bincount(codes) >= MIN_ROWS
    if enough.sum() < 2:
        raise ValueError(
            f"{enough.sum()} of the {len(enough)} speakers in `speakers` have "
            f"{MIN_ROWS} rows or more; the leakage needs two, to hold out half of each."
        )
    half = halves(codes, strata, random_state)
    encoder = representation(estimator)
    parts = []
    for held_out in (0, 1):
        train = np.flatnonzero(half != held_out)
        rows = np.flatnonzero((half == held_out) & enough[codes])
        embedding = take_rows(X, rows)
        if encoder is not None:
            model = seeded(encoder, random_state)
            X_train, y_train = take_rows(X, train), y[train]
            known = speakers[train]
            fit = partial(call, model, "fit", X_train, y_train, speakers=known)
            yield Fit(model, fit)
            embedding = call(model, "transform", embedding, speakers=speakers[rows])
        parts.append((rows, check_array_named(embedding, "embedding")))
    return parts


def leakage_of_parts(
    parts,
    speakers,
    y,
    probe,
    n_splits=5,
    confidence_level=0.95,
    random_state=0,
    *,
    genders=None,
    within_emotion=False,
):
    """Probe each part separately and compute the leakage of all rows together.

    A part is the numbers of some rows and their embedding. The other parameters are
    those of `cross_val_leakage`.
    """
    check_arguments(locals())
    check_probe(probe, y, genders, within_emotion)
    if genders is not None:
        probed = np.concatenate([part for part, _ in parts])
        check_genders(genders[probed], speakers[probed])
    labels = speakers if genders is None else genders
    classifier = seeded(PROBES.get(probe, probe), random_state)
    model = make_pipeline(StandardScaler(), classifier)
    rows, predicted, probes = [], [], []
    for number, (part, embedding) in enumerate(parts):
        groups = _by_emotion(speakers[part], y[part]) if within_emotion else [...]
        for group in groups:
            own = part[group]
            of_own = (None if one is None else one[own] for one in (genders, y))
            folds = _folds(speakers[own], *of_own, n_splits, random_state)
            codes, names = encode(labels[own])
            cv = PredefinedSplit(folds)
            # Speakers are classes, even with few rows. There is no lock, as this may
            # wait for other threads, those of a dask worker.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The number of unique classes")
                found = cross_val_predict(
                    model, embedding[group], codes, cv=cv, n_jobs=1
                )
            rows.append(own)
            predicted.append(names[found])
            probes.append(np.full(len(own), number))
    if not rows:
        raise ValueError(
            "`within_emotion=True`, but `y` has no emotion of which two speakers have "
            "two rows each; set `within_emotion=False`."
        )
    rows, predicted, probes = map(np.concatenate, (rows, predicted, probes))
    settings = {
        "probe": probe if isinstance(probe, str) else type(probe).__name__,
        "confidence_level": confidence_level,
    }
    if genders is not None:
        return leakage_of_genders(genders[rows], predicted, speakers[rows], **settings)
    within = y[rows] if within_emotion else None
    return SpeakerLeakage.from_predictions(
        speakers[rows], predicted, within=within, probes=probes, **settings
    )


def check_probe(probe, y, genders, within_emotion):
    """Raise a ValueError unless these settings of a leakage go together."""
    if within_emotion and (y is None or genders is not None):
        raise ValueError(
            "`within_emotion=True` recognises speakers within each emotion: it needs "
            "`y`, and goes without `genders`."
        )
    if isinstance(probe, str | type):
        is_known = probe in PROBES
    else:
        is_known = hasattr(probe, "predict") and not is_regressor(probe)
    if not is_known:
        raise ValueError(
            f"`probe` is {probe!r}; it must be one of {sorted(PROBES)} or a classifier."
        )


def check_genders(genders, speakers):
    """Raise unless each speaker has one gender, and each gender two speakers."""
    pairs = pd.DataFrame({"gender": genders, "speaker": speakers}).drop_duplicates()
    twice = pairs["speaker"][pairs["speaker"].duplicated()]
    if len(twice):
        raise ValueError(
            f"`genders` gives speaker {twice.iloc[0]!r} two genders; give all rows of "
            "a speaker the same."
        )
    sizes = pairs["gender"].value_counts()
    if len(sizes) < 2 or sizes.min() < 2:
        raise ValueError(
            f"`genders` has {sizes.to_dict()} as numbers of speakers; the probe needs "
            "two genders of two speakers, one to train on and one to test on."
        )


def _by_emotion(speakers, y):
    """Yield the rows of each emotion that has two speakers with two rows or more."""
    for emotion in pd.unique(y):
        rows = np.flatnonzero(y == emotion)
        codes, _ = encode(speakers[rows])
        rows = rows[np.bincount(codes)[codes] >= 2]
        if len(pd.unique(speakers[rows])) >= 2:
            yield rows


def _folds(speakers, genders, y, n_splits, random_state):
    """Return the fold of each row. With genders, each speaker is in one fold only."""
    codes, names = encode(speakers)
    if genders is not None:
        _, first = np.unique(codes, return_index=True)
        return dealt(genders[first], None, n_splits, random_state)[codes]
    counts = np.bincount(codes)
    single = names[counts < 2]
    if len(single):
        raise ValueError(
            f"`speakers` gives speaker {single[0]!r} a single row; the probe needs one "
            "to train on and one to test on. Leave such rows out."
        )
    check_several(len(names), "a probe")
    # A test row costs its speaker a training row. If most speakers are in few of the
    # folds, that is the speaker whom the probe knows least: it guesses below chance.
    n_splits = min(n_splits, max(2, int(np.median(counts))))
    return dealt(speakers, y, n_splits, random_state)
