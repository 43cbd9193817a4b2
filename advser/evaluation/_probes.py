"""Does a representation still tell who is speaking? Asked of an independent probe.

An adversary's own accuracy proves nothing: it is one network at one moment of a game
that the encoder is winning. A probe is a fresh classifier that is fitted on the frozen
embedding afterwards and tested on utterances it has not seen.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _num_samples

from .._routing import call, representation, seeded
from .._validation import check_labels, encode

__all__ = [
    "SpeakerLeakage",
    "cross_val_leakage",
    "gender_leakage",
    "speaker_leakage",
]

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
MIN_ROWS = 4  # of a speaker: a half of two, one to learn from and one to be tested on


@dataclass(frozen=True, eq=False)
class SpeakerLeakage:
    """How well a probe tells the speakers of a representation apart, or their genders.

    Attributes
    ----------
    probe : str
        Name of the probe.

    accuracy : float in [0, 1]
        Balanced accuracy: the mean over speakers of the share of their utterances
        that the probe gives to them. Of genders, the mean over them of that mean.

    low, high : float in [0, 1]
        Confidence interval of `accuracy`, with the speakers as the independent
        units: Student's t on their recalls, with ``n_speakers - 1`` degrees of
        freedom (of genders, with those of the smaller). Utterances of one speaker are
        never taken for independent.

    chance : float
        The balanced accuracy of any guess that ignores the representation:
        ``1 / n_speakers``; within emotions, the mean over speakers and their emotions
        of one by the number of speakers; of genders, one by their number.

    weighted_accuracy : float in [0, 1]
        Share of all utterances that the probe gives to their speaker, or gender.

    majority : float
        Weighted accuracy of always answering the most frequent speaker (of an
        emotion), or gender.

    n_speakers, n_samples : int
        Speakers and utterances judged.

    recall : Series of float in [0, 1]
        Share recognised of each speaker's utterances.
    """

    probe: str
    accuracy: float
    low: float
    high: float
    chance: float
    weighted_accuracy: float
    majority: float
    n_speakers: int
    n_samples: int
    recall: pd.Series

    @classmethod
    def from_predictions(
        cls, speakers, predicted, *, probe, within=None, confidence_level=0.95
    ):
        """Judge the predictions of a probe.

        Parameters
        ----------
        speakers : array-like of shape (n_samples,)
            True speakers.

        predicted : array-like of shape (n_samples,)
            Speakers that the probe answers.

        probe : str
            Name of the probe.

        within : array-like of shape (n_samples,), default=None
            Emotions, where the speakers of each were told apart by themselves. A
            speaker's recall is then the mean over the emotions.

        confidence_level : float, default=0.95
            Probability that the interval covers the true accuracy.

        Returns
        -------
        leakage : SpeakerLeakage
        """
        n_rows = len(predicted)
        speakers = check_labels(speakers, "speakers", n_rows, rows_of="predicted")
        if within is None:
            within = np.zeros(n_rows, dtype=int)
        within = check_labels(within, "within", n_rows, rows_of="predicted")
        answers = pd.DataFrame({"speaker": speakers, "within": within})
        answers["hit"] = np.equal(speakers, predicted).astype(float)
        cells = answers.groupby(["speaker", "within"])["hit"].agg(["mean", "size"])
        by_group = cells.groupby("within")["size"]
        cells["chance"] = 1 / by_group.transform("size")
        by_speaker = cells.groupby("speaker")
        recall = by_speaker["mean"].mean().rename("recall").rename_axis(None)
        n_speakers = len(recall)
        _check_several(n_speakers)
        return cls(
            probe=probe,
            **_interval(recall.mean(), recall.sem(), n_speakers - 1, confidence_level),
            chance=float(by_speaker["chance"].mean().mean()),
            weighted_accuracy=float(answers["hit"].mean()),
            majority=float(by_group.max().sum() / n_rows),
            n_speakers=n_speakers,
            n_samples=n_rows,
            recall=recall,
        )

    def as_row(self):
        """Return the numbers, without the single recalls, as a row of a table.

        Returns
        -------
        row : dict
        """
        row = asdict(self)
        del row["recall"]
        return row


def speaker_leakage(
    embedding,
    speakers,
    y=None,
    *,
    probe="logistic",
    within_emotion=False,
    n_splits=5,
    confidence_level=0.95,
    random_state=0,
):
    """Judge how much of the speaker a frozen representation holds.

    A fresh probe learns to name the speaker from the rows of all folds but one and is
    tested on that one, in turn, so that every row is answered once by a probe that
    never saw it. Every speaker is in every fold, and so is every emotion of a
    speaker, as evenly as their numbers allow.

    Pass utterances **of the training speakers that the network was not fitted on**.
    On its own training rows an adversary has hidden the speakers row by row, and the
    leakage looks smaller than it is. :func:`cross_val_leakage` holds such utterances
    out by itself.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_dimensions)
        What the network's ``transform`` gives, or any other representation. The probe
        standardises it.

    speakers : array-like of shape (n_samples,)
        Speaker of each row; every speaker needs at least two rows.

    y : array-like of shape (n_samples,), default=None
        Emotions, to spread evenly over the folds.

    probe : {"logistic", "mlp", "knn"} or classifier, default="logistic"
        "logistic" is a balanced logistic regression: what is there to be read off
        linearly. "mlp" has a hidden layer of 64 units. "knn" answers the speaker of
        the nearest neighbour. Any other scikit-learn classifier is cloned.

    within_emotion : bool, default=False
        Whether the speakers are told apart within each emotion, by a probe for each,
        which needs `y`. What the emotion says of the speaker, where speakers differ in
        their mix of emotions, is then no leakage. Speakers with a single row of an
        emotion, and emotions of a single speaker, are left out.

    n_splits : int, default=5
        Number of folds.

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
    cross_val_leakage : Fits the network, too, and holds its test rows out.
    gender_leakage : The same for what the speakers of a group have in common.

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
    embedding = check_array(embedding, input_name="embedding")
    speakers = check_labels(speakers, "speakers", len(embedding), rows_of="embedding")
    if y is not None:
        y = check_labels(y, "y", len(embedding), rows_of="embedding")
    return leakage_of_parts(
        [(np.arange(len(embedding)), embedding)],
        speakers,
        y,
        probe,
        within_emotion=within_emotion,
        n_splits=n_splits,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def gender_leakage(
    embedding,
    genders,
    speakers,
    *,
    probe="logistic",
    n_splits=5,
    confidence_level=0.95,
    random_state=0,
):
    """Judge how much of the speakers' gender a frozen representation holds.

    The probe is tested on speakers whom it has not heard: whoever can tell the speaker
    knows the gender, and that leakage is :func:`speaker_leakage`'s. Any other label
    that belongs to a speaker, such as an age group or a native language, can be passed
    for the gender.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, n_dimensions)
        As in :func:`speaker_leakage`.

    genders : array-like of shape (n_samples,)
        Gender of each row's speaker; every gender needs two speakers at least.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    probe : {"logistic", "mlp", "knn"} or classifier, default="logistic"
        As in :func:`speaker_leakage`.

    n_splits : int, default=5
        Number of folds. The speakers of each gender are dealt to them in turn.

    confidence_level : float, default=0.95
        Probability that the interval covers the true accuracy.

    random_state : int or None, default=0
        Seed of the folds and of the probe.

    Returns
    -------
    leakage : SpeakerLeakage
        Its `recall` is the share of each speaker's rows given to their gender.

    Raises
    ------
    ValueError
        If a speaker has two genders, a gender has one speaker, `probe` is unknown,
        `n_splits` is below two, or an array has the wrong length.

    See Also
    --------
    cross_val_leakage : Fits the network, too, and holds its test rows out.

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
    embedding = check_array(embedding, input_name="embedding")
    genders = check_labels(genders, "genders", len(embedding), rows_of="embedding")
    speakers = check_labels(speakers, "speakers", len(embedding), rows_of="embedding")
    return leakage_of_parts(
        [(np.arange(len(embedding)), embedding)],
        speakers,
        None,
        probe,
        genders=genders,
        n_splits=n_splits,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def cross_val_leakage(
    estimator,
    X,
    y,
    speakers,
    *,
    probe="logistic",
    genders=None,
    within_emotion=False,
    n_splits=5,
    confidence_level=0.95,
    random_state=0,
):
    """Judge how much of the speaker an estimator keeps of utterances new to it.

    1. Every speaker's utterances are dealt into two halves, each emotion evenly.
    2. A copy of the estimator is fitted on one half, with the speakers if it asks for
       them, and embeds the other: new utterances of its training speakers.
    3. :func:`speaker_leakage` cross-validates a probe within these embeddings.
    4. The halves change places. Every utterance is answered once, by a probe that
       never saw it, from an embedding of a network that never saw it.

    Neither the network nor the probe can have memorised what it is judged on, and the
    probe is trained on the same kind of embedding as it is tested on, which a probe
    trained on the network's own training rows is not. The price: the network learns
    from half of the utterances.

    The embedding is the estimator's ``transform``; for a pipeline whose classifier has
    none, what the steps before it make (a linear SVM behind a scaler is judged by the
    scaled features); else `X` itself.

    Parameters
    ----------
    estimator : estimator
        Unfitted scikit-learn estimator or pipeline.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimator accepts.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row. Speakers with fewer than four rows take part in the
        training but are not probed.

    probe : {"logistic", "mlp", "knn"} or classifier, default="logistic"
        As in :func:`speaker_leakage`.

    genders : array-like of shape (n_samples,), default=None
        Gender of each row's speaker: the probe is then asked for it, as in
        :func:`gender_leakage`, instead of the speaker.

    within_emotion : bool, default=False
        As in :func:`speaker_leakage`.

    n_splits : int, default=5
        Number of folds of the probe within each half.

    confidence_level : float, default=0.95
        Probability that the interval covers the true accuracy.

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
    speaker_leakage : Judges an embedding that exists already.

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
    n_rows = _num_samples(X)
    y = check_labels(y, "y", n_rows)
    speakers = check_labels(speakers, "speakers", n_rows)
    if genders is not None:
        genders = check_labels(genders, "genders", n_rows)
    parts = held_out_embeddings(
        estimator, X, y, speakers, strata=y, random_state=random_state
    )
    return leakage_of_parts(
        list(parts),
        speakers,
        y,
        probe,
        genders=genders,
        within_emotion=within_emotion,
        n_splits=n_splits,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def held_out_embeddings(estimator, X, y, speakers, *, strata, random_state):
    """Fit on one half of every speaker's rows and embed the other; then in turn.

    The halves have as much of each of the `strata`, such as emotions, if there are any.
    Yields two pairs: the numbers of the held-out rows whose speaker can be probed, and
    their embedding.
    """
    codes, _ = encode(speakers)
    enough = np.bincount(codes) >= MIN_ROWS
    if enough.sum() < 2:
        raise ValueError(
            f"{enough.sum()} of the {len(enough)} speakers in `speakers` have "
            f"{MIN_ROWS} rows or more; the leakage needs two, to hold out half of each."
        )
    probed = enough[codes]
    half = _deal(codes, strata, 2, random_state)
    encoder = representation(estimator)
    for held_out in (0, 1):
        fitted_on = np.flatnonzero(half != held_out)
        rows = np.flatnonzero((half == held_out) & probed)
        embedding = _safe_indexing(X, rows)
        if encoder is not None:
            fitted = call(
                seeded(encoder, random_state),
                "fit",
                _safe_indexing(X, fitted_on),
                y[fitted_on],
                speakers=speakers[fitted_on],
            )
            embedding = call(fitted, "transform", embedding, speakers=speakers[rows])
        yield rows, check_array(embedding, input_name="embedding")


def leakage_of_parts(
    parts,
    speakers,
    y,
    probe,
    *,
    genders=None,
    within_emotion=False,
    n_splits=5,
    confidence_level=0.95,
    random_state=0,
):
    """Probe each part by itself and judge the answers to all rows together."""
    if within_emotion and (y is None or genders is not None):
        raise ValueError(
            "`within_emotion=True` tells speakers apart within each emotion: it needs "
            "`y`, and goes without `genders`."
        )
    asked = speakers
    if genders is not None:
        check_genders(genders, speakers)
        asked = genders
    rows, predicted = [], []
    for part, embedding in parts:
        for chosen in _by_emotion(speakers[part], y[part]) if within_emotion else [...]:
            chosen = np.arange(len(part))[chosen]
            of_part = part[chosen]
            rows.append(of_part)
            predicted.append(
                _probe_predict(
                    embedding[chosen],
                    asked[of_part],
                    None if y is None else y[of_part],
                    probe,
                    speakers=None if genders is None else speakers[of_part],
                    n_splits=n_splits,
                    random_state=random_state,
                )
            )
    if not rows:
        raise ValueError(
            "`within_emotion=True`, but `y` has no emotion of which two speakers have "
            "two rows each to be probed; leave it at False."
        )
    rows, predicted = np.concatenate(rows), np.concatenate(predicted)
    settings = {"probe": _probe_name(probe), "confidence_level": confidence_level}
    if genders is not None:
        return _judge_genders(genders[rows], predicted, speakers[rows], **settings)
    within = y[rows] if within_emotion else None
    return SpeakerLeakage.from_predictions(
        speakers[rows], predicted, within=within, **settings
    )


def _by_emotion(speakers, y):
    """Yield the rows of each emotion by which speakers can be told apart."""
    for emotion in pd.unique(y):
        rows = np.flatnonzero(y == emotion)
        codes, _ = encode(speakers[rows])
        rows = rows[np.bincount(codes)[codes] >= 2]
        if len(pd.unique(speakers[rows])) >= 2:
            yield rows


def _probe_predict(
    embedding, labels, y, probe, *, speakers=None, n_splits, random_state
):
    """Name the label of every row by a probe that was fitted on other rows.

    They are rows of other speakers where `speakers` is given.
    """
    if isinstance(probe, str) and probe not in PROBES:
        raise ValueError(
            f"`probe` is {probe!r}; it must be one of {sorted(PROBES)} or a classifier."
        )
    if n_splits < 2:
        raise ValueError(f"`n_splits` is {n_splits}; it must be at least 2.")
    codes, names = encode(labels)
    if speakers is None:
        single = names[np.bincount(codes) < 2]
        if len(single):
            raise ValueError(
                f"`speakers` gives speaker {single[0]!r} a single row; the probe needs "
                "one to learn from and one to be tested on. Leave such rows out."
            )
        _check_several(len(names))
        folds = _deal(codes, y, n_splits, random_state)
    else:
        speaker_codes, _ = encode(speakers)
        _, first = np.unique(speaker_codes, return_index=True)
        of_speaker = _deal(codes[first], None, n_splits, random_state)
        folds = of_speaker[speaker_codes]
    predicted = np.empty(len(codes), dtype=int)
    for fold in np.unique(folds):
        test = folds == fold
        model = make_pipeline(
            StandardScaler(), seeded(PROBES.get(probe, probe), random_state)
        )
        predicted[test] = model.fit(embedding[~test], codes[~test]).predict(
            embedding[test]
        )
    return names[predicted]


def _judge_genders(genders, predicted, speakers, *, probe, confidence_level):
    """Judge the genders that a probe answers, with the speakers as the units."""
    answers = pd.DataFrame({"gender": genders, "speaker": speakers})
    answers["hit"] = np.equal(genders, predicted).astype(float)
    recall = answers.groupby(["gender", "speaker"])["hit"].mean()
    by_gender = recall.groupby("gender")
    n_genders = by_gender.ngroups
    error = np.sqrt((by_gender.var() / by_gender.size()).sum()) / n_genders
    freedom = by_gender.size().min() - 1
    return SpeakerLeakage(
        probe=probe,
        **_interval(by_gender.mean().mean(), error, freedom, confidence_level),
        chance=1 / n_genders,
        weighted_accuracy=float(answers["hit"].mean()),
        majority=float(answers["gender"].value_counts(normalize=True).max()),
        n_speakers=len(recall),
        n_samples=len(answers),
        recall=recall.droplevel("gender").rename("recall").rename_axis(None),
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
            "two genders of two speakers, one to learn from and one to be tested on."
        )


def _interval(accuracy, standard_error, freedom, confidence_level):
    margin = student_t.ppf((1 + confidence_level) / 2, freedom) * standard_error
    return {
        "accuracy": float(accuracy),
        "low": float(max(0, accuracy - margin)),
        "high": float(min(1, accuracy + margin)),
    }


def _check_several(n_speakers):
    if n_speakers < 2:
        raise ValueError(
            f"`speakers` names {n_speakers} speaker; below two there is nobody to tell "
            "apart."
        )


def _probe_name(probe):
    return probe if isinstance(probe, str) else type(probe).__name__


def _deal(speakers, y, n_parts, random_state):
    """Deal the rows to parts in turn, sorted by speaker, emotion and chance.

    The parts' shares of a speaker, and of a speaker's emotion, differ by one row at
    most; a speaker with two rows is in two parts.
    """
    shuffled = np.random.default_rng(random_state).random(len(speakers))
    emotion = shuffled if y is None else encode(y)[0]
    order = np.lexsort((shuffled, emotion, encode(speakers)[0]))
    parts = np.empty(len(order), dtype=int)
    parts[order] = np.arange(len(order)) % n_parts
    return parts
