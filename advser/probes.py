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
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _num_samples

from ._routing import call, representation, seeded
from ._validation import check_labels, encode

__all__ = ["SpeakerLeakage", "cross_val_leakage", "speaker_leakage"]

PROBES = {
    "logistic": LogisticRegression(class_weight="balanced", max_iter=2000),
    "mlp": MLPClassifier(
        hidden_layer_sizes=(64,),
        alpha=1,
        learning_rate_init=0.005,
        tol=0.002,
        max_iter=2000,
    ),
}
MIN_ROWS = 4  # of a speaker: a half of two, one to learn from and one to be tested on


@dataclass(frozen=True, eq=False)
class SpeakerLeakage:
    """How well a probe tells the speakers of a representation apart.

    Attributes
    ----------
    probe : str
        Name of the probe.

    accuracy : float in [0, 1]
        Balanced accuracy: the mean over speakers of the share of their utterances
        that the probe gives to them.

    low, high : float in [0, 1]
        Confidence interval of `accuracy`, with the speakers as the independent
        units: Student's t on their recalls, with ``n_speakers - 1`` degrees of
        freedom. Utterances of one speaker are never taken for independent.

    chance : float
        ``1 / n_speakers``: the balanced accuracy of any guess that ignores the
        representation.

    weighted_accuracy : float in [0, 1]
        Share of all utterances that the probe gives to their speaker.

    majority : float
        Share of the most frequent speaker: the weighted accuracy of always answering
        her or him.

    n_speakers, n_samples : int
        Speakers to choose from, and utterances judged.

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
    def from_predictions(cls, speakers, predicted, *, probe, confidence_level=0.95):
        """Judge the predictions of a probe.

        Parameters
        ----------
        speakers : array-like of shape (n_samples,)
            True speakers.

        predicted : array-like of shape (n_samples,)
            Speakers that the probe answers.

        probe : str
            Name of the probe.

        confidence_level : float, default=0.95
            Probability that the interval covers the true accuracy.

        Returns
        -------
        leakage : SpeakerLeakage
        """
        speakers = check_labels(
            speakers, "speakers", len(predicted), rows_of="predicted"
        )
        hits = pd.Series(np.equal(speakers, predicted).astype(float))
        by_speaker = hits.groupby(speakers)
        recall = by_speaker.mean().rename("recall")
        n_speakers = len(recall)
        _check_several(n_speakers)
        margin = student_t.ppf((1 + confidence_level) / 2, n_speakers - 1)
        margin *= recall.sem()
        accuracy = recall.mean()
        return cls(
            probe=probe,
            accuracy=float(accuracy),
            low=float(max(0, accuracy - margin)),
            high=float(min(1, accuracy + margin)),
            chance=1 / n_speakers,
            weighted_accuracy=float(hits.mean()),
            majority=float(by_speaker.size().max() / len(hits)),
            n_speakers=n_speakers,
            n_samples=len(hits),
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

    probe : {"logistic", "mlp"} or classifier, default="logistic"
        "logistic" is a balanced logistic regression: what is there to be read off
        linearly. "mlp" has a hidden layer of 64 units. Any other scikit-learn
        classifier is cloned.

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
        unknown, `n_splits` is below two, or an array has the wrong length.

    See Also
    --------
    cross_val_leakage : Fits the network, too, and holds its test rows out.

    Examples
    --------
    >>> import numpy as np
    >>> from advser.probes import speaker_leakage
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
    predicted = _probe_predict(
        embedding, speakers, y, probe, n_splits=n_splits, random_state=random_state
    )
    return SpeakerLeakage.from_predictions(
        speakers,
        predicted,
        probe=_probe_name(probe),
        confidence_level=confidence_level,
    )


def cross_val_leakage(
    estimator,
    X,
    y,
    speakers,
    *,
    probe="logistic",
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

    probe : {"logistic", "mlp"} or classifier, default="logistic"
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
    >>> from advser.probes import cross_val_leakage
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
    parts = held_out_embeddings(estimator, X, y, speakers, random_state=random_state)
    return leakage_of_parts(
        list(parts),
        speakers,
        y,
        probe,
        n_splits=n_splits,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def held_out_embeddings(estimator, X, y, speakers, *, random_state):
    """Fit on one half of every speaker's rows and embed the other; then in turn.

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
    half = _deal(codes, y, 2, random_state)
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
    parts, speakers, y, probe, *, n_splits=5, confidence_level=0.95, random_state=0
):
    """Probe each part by itself and judge the answers to all rows together."""
    predicted = [
        _probe_predict(
            embedding,
            speakers[rows],
            y[rows],
            probe,
            n_splits=n_splits,
            random_state=random_state,
        )
        for rows, embedding in parts
    ]
    return SpeakerLeakage.from_predictions(
        speakers[np.concatenate([rows for rows, _ in parts])],
        np.concatenate(predicted),
        probe=_probe_name(probe),
        confidence_level=confidence_level,
    )


def _probe_predict(embedding, speakers, y, probe, *, n_splits, random_state):
    """Name the speaker of every row by a probe that was fitted on other rows."""
    if isinstance(probe, str) and probe not in PROBES:
        raise ValueError(
            f"`probe` is {probe!r}; it must be one of {sorted(PROBES)} or a classifier."
        )
    if n_splits < 2:
        raise ValueError(f"`n_splits` is {n_splits}; it must be at least 2.")
    codes, names = encode(speakers)
    single = names[np.bincount(codes) < 2]
    if len(single):
        raise ValueError(
            f"`speakers` gives speaker {single[0]!r} a single row; the probe needs one "
            "to learn from and one to be tested on. Leave such rows out."
        )
    _check_several(len(names))
    folds = _deal(codes, y, n_splits, random_state)
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
