"""Emotions of unlabelled rows, and what they are used for."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from advser import AdversarialSER, AutoencoderSER
from advser.methods._data import Utterances
from advser.methods._pseudo_labels import pseudo_labels
from advser.speakers._moments import moments

SMALL = {"hidden_layer_sizes": (8,), "embedding_dim": 4, "random_state": 0}


def corpus(n_speakers=6, n=40, shift=4.0):
    """Return rows of speakers who differ more than the emotions do."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(n_speakers), n)
    y = np.tile([0, 1], n_speakers * n // 2)
    offsets = shift * rng.normal(size=(n_speakers, 4))
    X = offsets[speakers] + rng.normal(size=(len(y), 4))
    X[:, 0] += np.where(y, 3.0, -3.0)
    return X, y, speakers.astype(object)


def rows_of(X, y, speakers, weight=None):
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    genders = np.full(len(X), None)
    return Utterances(X, np.asarray(y), weight, np.asarray(speakers, object), genders)


def estimated(labeled, unlabeled, clip=2.0):
    return pseudo_labels(labeled.joined_by(unlabeled), len(labeled), clip)


def split(X, y, speakers, step=10):
    """Return the labelled rows, the first two of each `step`, and the others."""
    labeled = np.arange(len(X)) % step < 2
    return rows_of(X[labeled], y[labeled], speakers[labeled]), rows_of(
        X[~labeled], y[~labeled], speakers[~labeled]
    )


def test_they_are_right_where_speakers_differ_more_than_emotions():
    labeled, unlabeled = split(*corpus())
    found = estimated(labeled, unlabeled)
    assert (found == unlabeled.targets).mean() > 0.97
    plain = LogisticRegression(C=0.05).fit(labeled.X, labeled.targets)
    assert plain.score(unlabeled.X, unlabeled.targets) < 0.9


def test_speakers_without_a_labelled_row_have_their_own_statistics():
    X, y, speakers = corpus()
    labeled = np.isin(speakers, [0, 1]) & (np.arange(len(X)) % 10 < 4)
    found = estimated(
        rows_of(X[labeled], y[labeled], speakers[labeled]),
        rows_of(X[~labeled], y[~labeled], speakers[~labeled]),
    )
    assert (found == y[~labeled]).mean() > 0.95


def test_unlabelled_rows_of_unknown_speakers_are_those_of_one_speaker():
    X, y, speakers = corpus(n_speakers=2)
    known = speakers == 0
    speakers[~known] = None
    labeled = rows_of(X[known], y[known], speakers[known])
    unlabeled = rows_of(X[~known], y[~known], speakers[~known])
    found = estimated(labeled, unlabeled)
    assert (found == y[~known]).mean() > 0.97


def test_the_mean_of_a_speaker_of_one_emotion_is_kept():
    """Normalised by speaker, nothing of the emotion would be left."""
    X, y, speakers = corpus(n_speakers=2, shift=0.0)
    speakers[:] = np.where(y == 1, np.arange(len(y)) % 8, 8 + np.arange(len(y)) % 8)
    labeled, unlabeled = split(X, y, speakers, step=5)
    found = estimated(labeled, unlabeled)
    assert (found == unlabeled.targets).mean() > 0.95


def test_a_weight_counts_as_repeated_rows():
    X, y, speakers = corpus(shift=1.0)
    labeled, unlabeled = split(X, y, speakers)
    weight = 1 + np.arange(len(labeled)) % 3
    repeated = labeled.take(np.repeat(np.arange(len(labeled)), weight))
    weighted = rows_of(labeled.X, labeled.targets, labeled.speakers, weight)
    np.testing.assert_array_equal(
        estimated(weighted, unlabeled, None),
        estimated(repeated, unlabeled, None),
    )


def test_moments_with_weights_are_those_of_repeated_rows():
    X, _, speakers = corpus()
    codes, weight = speakers.astype(int), 1 + np.arange(len(X)) % 3
    repeated = moments(np.repeat(X, weight, axis=0), np.repeat(codes, weight))
    for ours, theirs in zip(moments(X, codes, weight), repeated):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("method", [AdversarialSER, AutoencoderSER])
def test_they_train_the_emotion_like_labels(method):
    """One batch an epoch, so that the order of the rows has no influence."""
    labeled, unlabeled = split(*corpus())
    settings = {**SMALL, "batch_size": 500, "max_epochs": 5}
    ours = method(**settings).fit(
        labeled.X,
        labeled.targets,
        labeled.speakers,
        X_unlabeled=unlabeled.X,
        speakers_unlabeled=unlabeled.speakers,
    )
    both = labeled.joined_by(unlabeled)
    found = estimated(labeled, unlabeled)
    theirs = method(**settings).fit(
        both.X,
        np.concatenate([labeled.targets, found]),
        both.speakers,
    )
    np.testing.assert_allclose(
        ours.predict_proba(both.X), theirs.predict_proba(both.X), atol=1e-6
    )


@pytest.mark.parametrize("clip", [None, 2.0])
def test_a_weight_counts_as_repeated_rows_where_it_decides(clip):
    X, y, speakers = corpus(shift=1.0)
    X[:, 0] -= np.where(y, 2.5, -2.5)  # of emotions that overlap
    labeled, unlabeled = split(X, y, speakers, step=5)
    weight = np.where(labeled.X[:, 1] > 0, 9, 1)
    repeated = labeled.take(np.repeat(np.arange(len(labeled)), weight))
    weighted = rows_of(labeled.X, labeled.targets, labeled.speakers, weight)
    found = estimated(weighted, unlabeled, clip)
    np.testing.assert_array_equal(found, estimated(repeated, unlabeled, clip))
    assert (found != estimated(labeled, unlabeled, clip)).any()


def test_a_rare_emotion_is_estimated_as_often_as_the_others():
    X, y, speakers = corpus(shift=1.0)
    X[:, 0] -= np.where(y, 2.0, -2.0)
    labeled, unlabeled = split(X, y, speakers, step=5)
    labeled = labeled.take((labeled.targets == 0) | (np.arange(len(labeled)) % 8 == 1))
    found = estimated(labeled, unlabeled)
    recall = [(found[unlabeled.targets == e] == e).mean() for e in (0, 1)]
    assert min(recall) > 0.6


def test_labelled_and_unlabelled_rows_of_unknown_speakers_are_of_two_speakers():
    X, y, speakers = corpus(n_speakers=2, shift=6.0)
    first = speakers == 0
    speakers[:] = None
    labeled = rows_of(X[first], y[first], speakers[first])
    unlabeled = rows_of(X[~first], y[~first], speakers[~first])
    assert (estimated(labeled, unlabeled) == y[~first]).mean() > 0.97
