"""Confounding of speakers with emotions, and the warning of it."""

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.model_selection import GroupKFold

from advser import AdversarialSER, AutoencoderSER, ConfoundedSpeakersWarning
from advser.datasets import load_emodb
from advser.model_selection import stacked_cross_validate
from advser.objectives import ClosedForm
from advser.plots import ConfoundingDisplay
from advser.speakers import speaker_confounding

Y = ["anger", "anger", "joy", "joy", "joy", "anger"]
SPEAKERS = ["b", "b", "a", "a", "c", "c"]


def one_emotion_each(n_speakers=8, n_rows=12):
    """Return noise of speakers who have one emotion each."""
    speakers = np.repeat([f"s{number}" for number in range(n_speakers)], n_rows)
    y = np.where(np.arange(len(speakers)) // n_rows % 2, "anger", "joy")
    return np.random.default_rng(0).normal(size=(len(y), 3)), y, speakers


def test_confounding_counts_the_emotions_of_each_speaker():
    found = speaker_confounding(Y, SPEAKERS)
    expected = pd.DataFrame(
        {
            "speaker": ["b", "a", "c"],
            "n_samples": [2, 2, 2],
            "n_emotions": [1, 1, 2],
            "emotion": ["anger", "joy", "anger"],
            "share": [1.0, 1.0, 0.5],
        }
    )
    pd.testing.assert_frame_equal(found.by_speaker, expected)
    assert found.counts.to_numpy().tolist() == [[2, 0, 1], [0, 2, 1]]
    assert found.single_emotion_share == pytest.approx(2 / 3)
    assert found.adjusted_mutual_information == pytest.approx(
        adjusted_mutual_info_score(Y, SPEAKERS, average_method="min")
    )
    assert str(found).startswith("2 of 3 speakers have one emotion only; adjusted")
    html = found._repr_html_()
    assert str(found) in html
    assert all(f"<td>{speaker}</td>" in html for speaker in "abc")


@pytest.mark.parametrize("names", [[True, False], [2, 1]])
def test_speakers_of_confounding_may_be_booleans_or_numbers(names):
    found = speaker_confounding(["anger", "anger", "joy"], [names[0], *names])
    assert found.by_speaker["speaker"].tolist() == names
    assert found.counts.to_numpy().tolist() == [[2, 0], [0, 1]]
    display = ConfoundingDisplay(found).plot(Figure().add_subplot())
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), np.eye(2))


def test_mutual_information_is_1_where_the_speaker_determines_the_emotion():
    for n_speakers in (4, 8, 16):
        _, y, speakers = one_emotion_each(n_speakers)
        found = speaker_confounding(y, speakers)
        assert found.adjusted_mutual_information == pytest.approx(1)
        assert found.single_emotion_share == 1


def test_mutual_information_of_few_rows_each_is_that_of_chance():
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=400)
    found = speaker_confounding(y, np.arange(400) // 2)
    assert found.single_emotion_share > 0.15
    assert abs(found.adjusted_mutual_information) < 0.1


@pytest.mark.parametrize("emotions", ["abcabcabcd", "ab" * 50, "a" * 9])
def test_one_utterance_of_each_speaker_shows_no_confounding(emotions):
    found = speaker_confounding(list(emotions), range(len(emotions)))
    assert found.adjusted_mutual_information == 0


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical])
def test_confounding_takes_labels_of_any_kind(kind):
    found = speaker_confounding(kind(Y), kind(SPEAKERS))
    assert list(found.by_speaker["speaker"]) == ["b", "a", "c"]


def test_confounding_of_bad_labels_says_what_is_wrong():
    with pytest.raises(ValueError, match="`speakers` has 2 entries and `y` has 6"):
        speaker_confounding(Y, ["a", "b"])
    with pytest.raises(ValueError, match="`speakers` is missing in 1 of"):
        speaker_confounding(Y, [*SPEAKERS[:5], None])
    with pytest.raises(ValueError, match="`y` is empty"):
        speaker_confounding([], [])


@pytest.mark.parametrize("adversary", ["closed_form", "grl", "entropy", "confusion"])
def test_fit_warns_where_hiding_the_speaker_hides_the_emotion(adversary):
    X, y, speakers = one_emotion_each()
    ser = AdversarialSER(adversary, max_epochs=1)
    with pytest.warns(ConfoundedSpeakersWarning, match="8 of 8 speakers") as caught:
        ser.fit(X, y, speakers=speakers)
    assert f"adversary={adversary!r}" in str(caught[0].message)
    assert "`conditional=True`" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_autoencoder_warns_where_it_hides_the_speaker():
    X, y, speakers = one_emotion_each()
    ser = AutoencoderSER(speaker_task="adversarial", max_epochs=1)
    with pytest.warns(ConfoundedSpeakersWarning, match="speaker_task") as caught:
        ser.fit(X, y, speakers=speakers)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConfoundedSpeakersWarning)
        clone(ser).set_params(speaker_task="auxiliary").fit(X, y, speakers=speakers)


def test_fit_uses_the_rows_whose_labels_are_known():
    X, y, speakers = one_emotion_each()
    ser = AdversarialSER(max_epochs=1)
    partly = np.where(np.arange(len(y)) % 3, speakers, None)
    unlabeled = {"X_unlabeled": X, "speakers_unlabeled": speakers[::-1]}
    with pytest.warns(ConfoundedSpeakersWarning):
        ser.fit(X, y, speakers=partly, **unlabeled)


@pytest.mark.parametrize(
    "adversary", [ClosedForm(conditional=True), None, ClosedForm(weight=0.0)]
)
def test_fit_does_not_warn_where_nothing_of_the_emotion_is_lost(adversary):
    X, y, speakers = one_emotion_each()
    AdversarialSER(adversary, max_epochs=1).fit(X, y, speakers=speakers)


def test_fit_does_not_warn_on_acted_speech_of_all_emotions():
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    found = speaker_confounding(y, speakers)
    assert found.single_emotion_share == 0
    assert abs(found.adjusted_mutual_information) < 0.05
    AdversarialSER(max_epochs=1).fit(X, y, speakers=speakers)


def test_stacked_fits_warn_as_well():
    X, y, speakers = one_emotion_each()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stacked_cross_validate(
            AdversarialSER(max_epochs=1),
            X,
            y,
            groups=speakers,
            params={"speakers": speakers},
            cv=GroupKFold(4),
        )
    assert any(w.category is ConfoundedSpeakersWarning for w in caught)


def test_confounding_display_shows_the_shares_of_each_speaker():
    display = ConfoundingDisplay.from_labels(Y, SPEAKERS, ax=Figure().add_subplot())
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["b", "c", "a"]  # sorted by their emotion
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["anger", "joy"]
    (image,) = display.ax_.images
    assert image.get_array().tolist() == [[1, 0.5, 0], [0, 0.5, 1]]
    assert "2 of 3 speakers" in display.ax_.get_xlabel()


@pytest.mark.parametrize("n_speakers", [3, 33, 120])
def test_confounding_display_shows_no_more_names_than_fit(n_speakers):
    _, y, speakers = one_emotion_each(n_speakers)
    figure = Figure(figsize=(12, 3.3), layout="constrained")
    display = ConfoundingDisplay.from_labels(y, speakers, ax=figure.add_subplot())
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in display.ax_.get_xticklabels()]
    for left, right in pairwise(boxes):
        assert left.x1 <= right.x0 + 1
