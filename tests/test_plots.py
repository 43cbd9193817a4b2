"""Displays of a comparison, of an embedding and of an explanation."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from advser import SiameseSER
from advser.cli._methods import CLASSIFIERS, METHODS, REGRESSORS
from advser.datasets import load_emodb
from advser.evaluation import compare, cross_corpus
from advser.methods import AdversarialSER, AdversarialSERRegressor
from advser.metrics import speaker_uar
from advser.plots import (
    AdaptationDisplay,
    ComparisonDisplay,
    ConfoundingDisplay,
    CrossCorpusDisplay,
    DifferenceDisplay,
    EmbeddingDisplay,
    EnrollmentDisplay,
    ExplanationDisplay,
    IntervalDisplay,
    LeakageDisplay,
    RatingDisplay,
    SpeakerRecallDisplay,
    TrainingDisplay,
    WeightDisplay,
)
from advser.plots._base import (
    COLORS,
    NUMBERS,
    draw_confusion_matrix,
    looks,
    numbers_of,
    style_of,
    wrapped,
)
from advser.plots._scores import with_looks
from advser.speakers import SpeakerScaler


@pytest.fixture
def comparison(toy):
    model = LogisticRegression(random_state=0)
    estimators = {
        "guess": DummyClassifier(strategy="stratified"),
        "LR": make_pipeline(StandardScaler(), model),
        "LR, per speaker": make_pipeline(SpeakerScaler(unknown="batch"), model),
    }
    return compare(estimators, *toy, seeds=3, probes=["logistic"])


@pytest.mark.parametrize("display", [ComparisonDisplay, LeakageDisplay])
def test_captions_name_no_spread_of_one_seed(display, comparison, toy):
    estimators = {"LR": LogisticRegression(random_state=0)}
    one = compare(estimators, *toy, seeds=1, probes=["logistic"])
    label = display.from_comparison(one, ax=axes()).ax_.get_xlabel()
    assert "seeds" not in label
    label = display.from_comparison(comparison, ax=axes()).ax_.get_xlabel()
    assert "standard deviation over seeds" in label


def axes(n_axes=1):
    return Figure().subplots(1, n_axes)


def texts(legends):
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def legend_of(display):
    return texts([display.ax_.get_legend()])


def marks(ax):
    """Return where the error bars have their centre, by position on the y axis."""
    lines = [container[0] for container in ax.containers]
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines]


def test_comparison_display_shows_the_recall_of_each_estimator(comparison):
    display = ComparisonDisplay.from_comparison(comparison, ax=axes())
    summary = comparison.summary()
    assert [uar for uar, _ in marks(display.ax_)] == pytest.approx(list(summary["uar"]))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["inductive", "guess", "LR", "transductive", "LR"]
    assert "recall" in display.ax_.get_xlabel()
    legend = legend_of(display)
    assert any(text.startswith("transductive") for text in legend)


def colors(ax):
    """Return the colour of the mark in each row, by position on the y axis."""
    return [to_hex(container[0].get_color()) for container in ax.containers]


def test_method_has_one_colour_in_all_figures_of_a_comparison(comparison):
    blue, orange = COLORS[:2]
    scores = ComparisonDisplay.from_comparison(comparison, ax=axes())
    assert colors(scores.ax_) == [blue, orange, orange]
    leakage = LeakageDisplay.from_comparison(comparison, ax=axes())
    assert colors(leakage.ax_) == [blue, orange, orange]
    intervals = IntervalDisplay.from_comparison(comparison, ax=axes())
    drawn = [line.get_color() for line in intervals.ax_.lines[:6:2]]
    assert drawn == [blue, orange, orange]
    differences = DifferenceDisplay.from_comparison(comparison, ax=axes())
    assert differences.ax_.lines[0].get_color() == blue  # guess - LR


def test_methods_of_the_benchmark_have_numbers_of_their_own():
    for models in (CLASSIFIERS, REGRESSORS):
        names = [METHODS[method] for method in models]
        numbers = {name: NUMBERS[name] for name in names}  # none is missing
        assert len(set(numbers.values())) == len(names)
        assert numbers_of(names[1:]) == {name: numbers[name] for name in names[1:]}
    # Further methods have the numbers that are left.
    found = numbers_of(["my SVM", "adversary in closed form", "other", "my SVM"])
    assert found == {"adversary in closed form": 0, "my SVM": 1, "other": 2}


def test_leakage_display_has_a_mark_for_each_order_of_an_adaptive_method():
    kinds = [f"adaptive, {order}" for order in ("random", "blocks", "emotions")]
    results = pd.DataFrame(
        {"leakage": 0.2, "uar": [0.7, 0.6, 0.5], "kind": kinds, "method": "SVM"},
        index=pd.Index(kinds, name="estimator"),
    )
    display = LeakageDisplay(results.assign(number=0), 0.1, "logistic").plot(axes())
    drawn = {bars[0].get_fillstyle() for bars in display.ax_.containers}
    shown = {line.get_fillstyle() for line in display.ax_.get_legend().get_lines()}
    assert len(drawn) == 3
    assert drawn <= shown
    assert "adaptive, blocks of ten" in legend_of(display)


def test_estimators_of_several_kinds_are_one_method_if_their_names_begin_alike():
    kinds = pd.Series(
        {
            "SVM": "inductive",
            "SVM, small": "inductive",
            "SVM, adaptive, random": "adaptive, random",
            "SVM, adaptive, blocks": "adaptive, blocks",
            "SVM, per speaker": "transductive",
            "MLP, adaptive, random": "adaptive, random",
            "MLP, adaptive, blocks": "adaptive, blocks",
            "tree, a": "transductive",
            "SVMs": "transductive",
        }
    )
    methods = ["SVM", "SVM, small", *["SVM"] * 3, *["MLP, adaptive"] * 2]
    found = looks(kinds)
    assert list(found["method"]) == [*methods, "tree, a", "SVMs"]
    assert list(found["number"]) == [0, 1, 0, 0, 0, 2, 2, 3, 4]
    assert list(found["label"]) == list(found["method"])
    kinds["SVM, enrolled"] = "transductive"
    labels = looks(kinds)["label"]
    assert labels[["SVM, per speaker", "SVM, enrolled"]].tolist() == [
        "SVM, per speaker",
        "SVM, enrolled",
    ]


def test_fifty_numbers_differ_in_colour_or_marker():
    found = {tuple(style_of(number).values()) for number in range(50)}
    assert len(found) == 50
    assert {style_of(number)["color"] for number in range(10)} == set(COLORS)


def test_leakage_display_shows_leakage_against_recall(comparison):
    display = LeakageDisplay.from_comparison(comparison, ax=axes())
    summary = comparison.summary()
    expected = list(zip(summary["leakage_logistic"], summary["uar"], strict=True))
    assert np.array(marks(display.ax_)) == pytest.approx(np.array(expected))
    kinds = ["inductive", "transductive"]
    levels = ["chance, 0.25", f"raw features, {display.raw:.2f}"]
    assert legend_of(display) == ["guess", "LR", *kinds, *levels]


def test_figures_of_scores_have_room_for_a_row_per_estimator(comparison):
    scores = ComparisonDisplay.from_comparison(comparison, ax=axes())
    intervals = IntervalDisplay.from_comparison(comparison, ax=axes())
    assert scores._size() == intervals._size()


def test_long_names_of_features_are_broken_after_an_underscore():
    assert wrapped("F0semitoneFrom27.5Hz_sma3nz_amean") == (
        "F0semitoneFrom27.5Hz_sma3nz_\namean"
    )
    assert wrapped("loudness_sma3_amean") == "loudness_sma3_amean"


def test_difference_display_writes_no_p_value_of_zero(comparison):
    table = pd.DataFrame(
        {"estimator": "LR", "other": "guess", "p_holm": [0.0004, 0.02]}
    )
    labels = with_looks(table, comparison)["label"]
    assert [label.rpartition("(")[2] for label in labels] == [
        "p\xa0<\xa00.001)",
        "p\xa0=\xa00.020)",
    ]


def test_leakage_display_leaves_out_what_has_no_leakage(comparison):
    name = next(iter(comparison.settings["estimators"]))
    rows = comparison.leakage[comparison.leakage["estimator"] != name]
    display = LeakageDisplay.from_comparison(
        replace(comparison, leakage=rows), ax=axes()
    )
    assert name not in set(display.results["method"])
    alone = comparison.leakage[comparison.leakage["estimator"] == "raw features"]
    with pytest.raises(ValueError, match="no estimator with a leakage"):
        LeakageDisplay.from_comparison(replace(comparison, leakage=alone), ax=axes())


def test_leakage_display_names_the_known_probes(comparison):
    with pytest.raises(ValueError, match=r"`probe` is 'mlp' .* \['logistic'\]"):
        LeakageDisplay.from_comparison(comparison, probe="mlp", ax=axes())


def test_leakage_display_shows_raw_features_and_other_questions(toy):
    genders = np.where(np.isin(toy.speakers, ["s1", "s2"]), "female", "male")
    found = compare(
        {"LR": LogisticRegression(random_state=0)},
        *toy,
        probes=["knn"],
        within_emotion=True,
        genders=genders,
    )
    table = found.leakage_summary().set_index(["asked", "estimator"])["accuracy"]
    for asked, label in (
        ("speaker", "Speaker leakage"),
        ("speaker within emotion", "Speaker leakage within each emotion"),
        ("gender", "Gender leakage"),
    ):
        display = LeakageDisplay.from_comparison(
            found, probe="knn", asked=asked, ax=axes()
        )
        assert marks(display.ax_)[0][0] == pytest.approx(table[asked, "LR"])
        assert display.raw == table[asked, "raw features"]
        assert display.ax_.get_xlabel().split("\n")[0] == label
        assert f"raw features, {display.raw:.2f}" in legend_of(display)
    with pytest.raises(ValueError, match=r"`asked` 'age'; .* 'gender'"):
        LeakageDisplay.from_comparison(found, probe="knn", asked="age", ax=axes())


def test_displays_of_ratings_show_the_concordance(toy):
    models = {
        "ridge": Ridge(random_state=0),
        "mean": DummyRegressor(),
        "ridge, per speaker": make_pipeline(
            SpeakerScaler(unknown="batch"), Ridge(random_state=0)
        ),
    }
    found = compare(models, toy.X, toy.X[:, 0], toy.speakers, probes=["knn"])
    ccc = found.summary()["ccc"]
    display = ComparisonDisplay.from_comparison(found, ax=axes())
    assert [ccc for ccc, _ in marks(display.ax_)] == pytest.approx(list(ccc))
    display = LeakageDisplay.from_comparison(found, probe="knn", ax=axes())
    assert [ccc for _, ccc in marks(display.ax_)] == pytest.approx(list(ccc))
    assert display.ax_.get_ylabel().startswith("Concordance")
    display = IntervalDisplay.from_comparison(found, ax=axes())
    assert display.ax_.get_xlabel().startswith("Concordance")
    display = DifferenceDisplay.from_comparison(found, ax=axes())
    assert display.ax_.lines[1].get_xdata()[0] == pytest.approx(ccc[0:2] @ [1, -1])
    assert "in CCC" in display.ax_.get_xlabel()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_embedding_display_draws_each_row_by_speaker_and_by_emotion(method, toy):
    display = EmbeddingDisplay.from_embedding(
        toy.X, toy.y, toy.speakers, method=method, axes=axes(2)
    )
    for ax, labels in zip(display.axes_, (toy.speakers, toy.y), strict=True):
        drawn = {
            points.get_label(): len(points.get_offsets()) for points in ax.collections
        }
        names, counts = np.unique(labels, return_counts=True)
        assert drawn == dict(zip(names, counts, strict=True))
        styles = {
            (tuple(points.get_facecolor()[0]), len(points.get_paths()[0].vertices))
            for points in ax.collections
        }
        assert len(styles) == len(names)


def test_embedding_display_of_many_speakers_has_ten_colours_and_grey():
    speakers = np.repeat([f"s{i:02d}" for i in range(24)], [3] * 12 + [2] * 12)
    X = np.random.default_rng(0).normal(size=(len(speakers), 3))
    display = EmbeddingDisplay.from_embedding(
        X, speakers, speakers, method="pca", axes=axes(2)
    )
    others, *shown = display.axes_[0].collections
    assert others.get_label() == "14 others"
    assert len(others.get_offsets()) == len(speakers) - 10 * 3
    found = {to_hex(points.get_facecolor()[0]) for points in shown}
    assert found == set(COLORS)


@pytest.mark.parametrize("speaker", ["Ses{:02d}F", "a speaker with a long name {:02d}"])
def test_legends_of_an_embedding_neither_overlap_nor_leave_the_figure(speaker):
    speakers = [speaker.format(number) for number in range(24)]
    emotions = ["happiness", "neutral", "sadness", "boredom", "contempt", "disgust"] * 4
    X = np.random.default_rng(0).normal(size=(24, 2))
    display = EmbeddingDisplay.from_embedding(X, emotions, speakers, method="pca")
    display.figure_.canvas.draw()
    left, right = (ax.get_legend().get_window_extent() for ax in display.axes_)
    assert 0 <= left.x0 <= left.x1 <= right.x0 <= right.x1 <= display.figure_.bbox.x1
    assert display.axes_[0].bbox.height > 0.4 * display.figure_.bbox.height
    pyplot.close(display.figure_)


def test_long_names_of_a_legend_leave_room_for_the_axes(comparison):
    display = LeakageDisplay.from_comparison(comparison, ax=axes())
    short = display._size()[1]
    display.results["method"] = "the words of a long name " * 4
    assert display._size()[1] > short + 0.3


def test_embedding_display_of_an_estimator_embeds_first(toy):
    estimator = PCA(2).fit(StandardScaler().fit_transform(toy.X))
    X = StandardScaler().fit_transform(toy.X)
    arguments = {"method": "pca", "axes": axes(2)}
    one = EmbeddingDisplay.from_estimator(
        estimator, X, toy.y, toy.speakers, **arguments
    )
    other = EmbeddingDisplay.from_embedding(
        estimator.transform(X), toy.y, toy.speakers, **arguments
    )
    np.testing.assert_allclose(one.points, other.points)


def test_embedding_display_names_the_invalid_parameter(toy):
    with pytest.raises(ValueError, match="`method` must be a str among"):
        EmbeddingDisplay.from_embedding(toy.X, toy.y, toy.speakers, method="umap")
    with pytest.raises(ValueError, match="`speakers` has 1 entries"):
        EmbeddingDisplay.from_embedding(toy.X, toy.y, ["s1"])


def test_interval_display_shows_the_interval_of_each_estimator(comparison):
    display = IntervalDisplay.from_comparison(
        comparison, confidence_level=0.8, ax=axes()
    )
    summary = comparison.summary(0.8)
    bars = display.ax_.lines[: 2 * len(summary) : 2]
    found = [tuple(bar.get_xdata()) for bar in bars]
    expected = zip(summary["uar_low"], summary["uar_high"], strict=True)
    assert found == [pytest.approx(pair) for pair in expected]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["inductive", "guess", "LR", "transductive", "LR"]
    assert "80%" in display.ax_.get_xlabel()
    assert any(text.startswith("trans") for text in legend_of(display))


def test_difference_display_shows_each_pair(comparison):
    display = DifferenceDisplay.from_comparison(comparison, ax=axes())
    table = comparison.pairwise()
    assert len(table) == 1
    label = display.ax_.get_yticklabels()[0].get_text()
    assert label.startswith("guess − LR (p\xa0=\xa00.125")
    bar, mark = display.ax_.lines[:2]
    assert list(bar.get_xdata()) == [table["low"][0], table["high"][0]]
    assert mark.get_xdata()[0] == table["points"][0]


def test_display_without_axes_makes_a_figure(comparison, toy):
    before = pyplot.get_fignums()
    try:
        displays = [
            ComparisonDisplay.from_comparison(comparison),
            LeakageDisplay.from_comparison(comparison),
            IntervalDisplay.from_comparison(comparison),
            DifferenceDisplay.from_comparison(comparison),
            EmbeddingDisplay.from_embedding(toy.X, toy.y, toy.speakers, method="pca"),
            ExplanationDisplay.from_explanation(explanation()),
        ]
        assert len({display.figure_ for display in displays}) == len(displays)
    finally:
        for number in set(pyplot.get_fignums()) - set(before):
            pyplot.close(number)


def test_display_without_matplotlib_says_what_to_install(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'advser\[plots\]'"):
        ComparisonDisplay.from_comparison(comparison)


def test_weight_display_draws_each_objective_along_its_weights(comparison):
    objectives = {"plain": {0: "guess"}, "scaled": {1: "LR, per speaker", 0.1: "LR"}}
    display = WeightDisplay.from_comparison(comparison, objectives, ax=axes())
    plain, scaled = (container[0] for container in display.ax_.containers)
    summary = comparison.summary().loc[["LR", "LR, per speaker"]]
    np.testing.assert_allclose(scaled.get_xdata(), summary["leakage_logistic"])
    np.testing.assert_allclose(scaled.get_ydata(), summary["uar"])
    assert len(plain.get_xdata()) == 1
    assert [text.get_text() for text in display.ax_.texts] == ["1"]
    assert list(objectives) == legend_of(display)[:2]


def test_weight_display_names_the_known_estimators_and_probes(comparison):
    with pytest.raises(ValueError, match=r"`objectives` names 'SVM', .*'LR'"):
        WeightDisplay.from_comparison(comparison, {"plain": {0: "SVM"}}, ax=axes())
    with pytest.raises(ValueError, match=r"`probe` is 'mlp' .* \['logistic'\]"):
        WeightDisplay.from_comparison(
            comparison, {"plain": {0: "LR"}}, probe="mlp", ax=axes()
        )


def test_speaker_recall_display_sorts_the_speakers_by_their_recall(toy):
    known = toy.speakers != "s1"
    model = LogisticRegression().fit(toy.X[known], toy.y[known])
    display = SpeakerRecallDisplay.from_estimator(
        model, toy.X, toy.y, list(toy.speakers), ax=axes()
    )
    expected = speaker_uar(toy.y, model.predict(toy.X), speakers=toy.speakers)
    expected = expected.sort_values(kind="stable")
    (marks_of_speakers, _) = display.ax_.lines
    np.testing.assert_allclose(marks_of_speakers.get_xdata(), expected)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == [f"{name} (30)" for name in expected.index]


def test_adaptation_display_has_a_panel_per_curve_and_a_line_per_order(toy):
    scaler = SpeakerScaler(unknown="adapt", balance=False)
    models = {
        "LR": make_pipeline(scaler, LogisticRegression()),
        "none": make_pipeline(scaler, DummyClassifier()),
    }
    orders = ["random", "emotions"]
    display = AdaptationDisplay.from_estimator(
        models, *toy, orders=orders, repeats=1, cv=GroupKFold(2), figure=Figure()
    )
    assert [ax.get_title() for ax in display.axes_] == ["LR", "none"]
    curve = display.curves["LR"]
    bins = curve[~((curve["first"] == 1) & (curve["last"] == np.inf))]
    for order, bars in zip(orders, display.axes_[0].containers, strict=True):
        table = bins[(bins["order"] == order) & (bins["kind"] == "adaptive")]
        means = table.groupby("first")["uar"].mean()
        np.testing.assert_allclose(bars[0].get_ydata().astype(float), means)
        (lines,) = bars[2]
        ends = [segment[:, 1] for segment in lines.get_segments()]
        intervals = table.groupby("first")[["low", "high"]].mean().to_numpy()
        np.testing.assert_allclose(np.array(ends, float), intervals)
    ticks = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert ticks[:3] == ["1", "2", "3–5"]
    shown = texts(display.figure_.legends)
    assert shown[:2] == ["random order", "one block per emotion"]
    assert "inductive, same utterances" in shown
    assert "95% interval over speakers" in display.figure_.get_supxlabel()
    one = AdaptationDisplay.from_curve(curve, figure=Figure())
    assert len(one.axes_) == 1


def test_training_display_draws_every_term_of_the_loss(toy):
    ser = AdversarialSER(
        "entropy", max_epochs=3, early_stopping=True, validation_fraction=0.25
    )
    pipe = make_pipeline(StandardScaler(), ser)
    pipe.fit(toy.X, toy.y, adversarialser__speakers=toy.speakers)
    display = TrainingDisplay.from_estimator(pipe, ax=axes())
    drawn = {line.get_label(): line.get_ydata() for line in display.ax_.lines}
    for term in ("speaker", "emotion", "entropy"):
        history = pipe[-1].history_[f"train_{term}_loss"]
        np.testing.assert_allclose(drawn[term], history)
    assert len(drawn["validation UAR"]) == 3
    assert legend_of(display)[:2] == ["emotion", "speaker"]


def test_training_display_draws_the_concordance_of_validation_speakers(toy):
    ser = AdversarialSERRegressor(
        max_epochs=3, early_stopping=True, validation_fraction=0.25
    )
    ser.fit(toy.X, toy.X[:, 0], speakers=toy.speakers)
    display = TrainingDisplay.from_estimator(ser, ax=axes())
    drawn = {line.get_label(): line.get_ydata() for line in display.ax_.lines}
    np.testing.assert_allclose(drawn["validation CCC"], ser.history_["valid_ccc"])
    assert "CCC" in display.ax_.get_ylabel()


def explanation():
    """Return an explanation of two utterances by two features."""
    rows = [
        (0, "emotion", 0.7, "pitch", 0.9),
        (0, "emotion", 0.7, "pace", -0.2),
        (0, "speaker", 0.3, "pitch", 0.1),
        (0, "speaker", 0.3, "pace", 0.2),
        (1, "emotion", 0.1, "pitch", 0.1),
        (1, "emotion", 0.1, "pace", 0.0),
        (1, "speaker", 0.9, "pitch", 0.1),
        (1, "speaker", 0.9, "pace", 0.8),
    ]
    names = ["utterance", "code", "share", "feature", "attribution"]
    return pd.DataFrame(rows, columns=names)


def test_explanation_display_draws_the_largest_features_for_both_codes():
    display = ExplanationDisplay.from_explanation(explanation(), ax=axes())
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["pitch", "pace"]  # 0.5 + 0.1 and 0.1 + 0.5, in order
    emotion, speaker = (
        [bar.get_width() for bar in bars] for bars in display.ax_.containers
    )
    assert emotion == pytest.approx([0.5, 0.1])
    assert speaker == pytest.approx([0.1, 0.5])
    shares = [text for text in legend_of(display) if "%" in text]
    assert ["40%" in shares[0], "60%" in shares[1]] == [True, True]
    few = ExplanationDisplay.from_explanation(explanation(), n_features=1, ax=axes())
    assert list(few.attributions.index) == ["pitch"]


def test_explanation_display_of_an_estimator_explains_first(toy):
    ser = SiameseSER(max_epochs=2, random_state=0).fit(*toy)
    one = ExplanationDisplay.from_estimator(ser, toy.X, n_features=3, ax=axes())
    other = ExplanationDisplay.from_explanation(
        ser.explain(toy.X), n_features=3, ax=axes()
    )
    pd.testing.assert_frame_equal(one.attributions, other.attributions)
    assert one.attributions.shape == (3, 2)


# Across corpora


@pytest.fixture(scope="module")
def across():
    """Three corpora of three EmoDB speakers each; the last has one speaker more."""
    frame = load_emodb(as_frame=True).frame
    code = np.minimum(frame["speaker"].rank(method="dense") - 1, 8) // 3
    corpora = {f"corpus {number:.0f}": one for number, one in frame.groupby(code)}
    model = LogisticRegression(random_state=0)
    estimators = {
        "LR": make_pipeline(StandardScaler(), model),
        "scaled": make_pipeline(SpeakerScaler(unknown="batch"), model),
    }
    return cross_corpus(
        corpora, estimators, domain=["speaker", "corpus"], leave_one_out=True, within=3
    )


def test_cross_corpus_display_has_a_panel_per_way_of_training(across):
    display = CrossCorpusDisplay.from_comparison(across, figure=Figure())
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == [
        "LR",
        "scaled\ndomain: speaker\ntransductive: utterances, speakers",
        "scaled\ndomain: corpus\ntransductive: utterances",
    ]
    colors = {ax.title.get_color() for ax in display.axes_[1:]}
    assert len(colors) == 1
    assert display.axes_[0].title.get_color() not in colors


def test_cross_corpus_display_writes_the_recall_of_each_pair(across):
    display = CrossCorpusDisplay.from_comparison(across, figure=Figure())
    summary = across.summary().xs("LR", level="estimator")
    ax = display.axes_[0]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == ["corpus 0", "corpus 1", "corpus 2", "all others"]
    values = ax.images[0].get_array()
    assert values.shape == (4, 3)
    written = {
        (round(text.get_position()[1]), text.get_position()[0], text.get_text())
        for text in ax.texts
    }
    for (train, test, *_), row in summary.iterrows():
        i, j = rows.index(train), int(test[-1])
        assert values[i, j] == pytest.approx(row["uar"])
        assert (i, j, f"{row['uar']:.2f}") in written
        assert (i, j, f"{row['uar_low']:.2f} – {row['uar_high']:.2f}") in written
    assert len(ax.patches) == 3  # the frames
    assert len(display.axes_[2].patches) == 0
    assert np.ma.getmaskarray(display.axes_[2].images[0].get_array()).sum() == 3


def test_cross_corpus_display_of_chosen_estimators(across):
    display = CrossCorpusDisplay.from_comparison(
        across, estimators=["LR"], figure=Figure()
    )
    assert [ax.get_title() for ax in display.axes_] == ["LR"]
    with pytest.raises(ValueError, match="`estimators` has 'SVM'"):
        CrossCorpusDisplay.from_comparison(across, estimators=["SVM"])


def test_cross_corpus_display_without_a_figure_makes_one_that_holds_its_label(across):
    table = across.summary().query("train == 'corpus 0' and test != 'corpus 2'")
    table = table.xs("LR", level="estimator", drop_level=False)
    display = CrossCorpusDisplay(table, 0.95).plot()
    assert display.figure_ in map(pyplot.figure, pyplot.get_fignums())
    display.figure_.canvas.draw()
    label = display.figure_._supxlabel.get_window_extent()
    assert 0 <= label.x0 <= label.x1 <= display.figure_.bbox.x1
    pyplot.close(display.figure_)


# Ratings


def test_ratings_are_drawn_against_predictions_with_their_concordance():
    ax = Figure().add_subplot()
    rated, predicted = np.array([1.0, 2.0, np.nan, 3.0]), np.array([1.5, 2.0, 9.0, 2.5])
    display = RatingDisplay.from_predictions(rated, predicted, name="arousal", ax=ax)
    assert ax.get_title() == "CCC 0.80"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True arousal", "Predicted arousal")
    assert ax.get_xlim() == ax.get_ylim()
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert display.ax_.collections[0].get_offsets().shape == (3, 2)


def test_ratings_of_an_estimator_are_drawn_for_one_target(toy):
    y = np.column_stack([toy.X[:, 0], -toy.X[:, 1]])
    model = LinearRegression().fit(toy.X, y)
    ax = Figure().add_subplot()
    display = RatingDisplay.from_estimator(model, toy.X, y, column=1, ax=ax)
    np.testing.assert_array_equal(display.y_true, y[:, 1])
    np.testing.assert_allclose(display.y_pred, y[:, 1])


def test_speakers_may_be_booleans(toy):
    speakers = toy.speakers == "s1"
    display = SpeakerRecallDisplay.from_predictions(
        toy.y, toy.y, speakers, ax=Figure().add_subplot()
    )
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    counts = {f"{name} ({(speakers == name).sum()})" for name in (True, False)}
    assert set(labels) == counts


SCORED = {"transductive": False, "n_speakers": 9}


def test_numbers_enrolled_may_be_texts_from_a_file():
    curve = pd.DataFrame({"k": [0, 2], "uar": [0.5, 0.7], **SCORED})
    other = curve.assign(k=["0", "all"])
    display = EnrollmentDisplay.from_curves(
        {"a": curve, "b": other}, ax=Figure().add_subplot()
    )
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["0", "2", "all"]
    assert "standard deviation over draws" in display.ax_.get_xlabel()


def test_numbers_enrolled_that_not_all_speakers_have_name_those_scored():
    curve = pd.DataFrame({"k": [0, 40], "uar": [0.5, 1.0], **SCORED})
    display = EnrollmentDisplay.from_curves(
        curve.assign(n_speakers=[10, 2]), ax=Figure().add_subplot()
    )
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["0\n(10)", "40\n(2)"]
    assert "in brackets: speakers scored" in display.ax_.get_xlabel()


def test_every_row_of_a_tall_figure_has_its_name(toy):
    guesses = {f"guess {i}": DummyClassifier() for i in range(2)}
    one = DifferenceDisplay.from_comparison(compare(guesses, *toy, probes=()))
    rows = pd.concat([one.differences] * 91, ignore_index=True)
    display = DifferenceDisplay(rows, one.confidence_level).plot()
    assert len(display.ax_.get_yticklabels()) == 91


def test_figures_are_legible_in_a_dark_style():
    history = pd.DataFrame({"train_emotion_loss": [1.0], "valid_uar": [0.5]})
    with pyplot.style.context("dark_background"):
        ax = TrainingDisplay(history).plot(Figure().add_subplot()).ax_
    (line,) = [line for line in ax.lines if line.get_label() == "validation UAR"]
    assert line.get_color() == "white"


def test_curves_of_one_method_have_its_colour_and_markers_of_their_own():
    curve = pd.DataFrame({"k": [0, 2], "uar": [0.5, 0.7], **SCORED})
    names = ["SVM", "MLP, adaptive", "SVM, adaptive", *map(str, range(9)), "SVMs"]
    display = EnrollmentDisplay.from_curves(
        dict.fromkeys(names, curve), ax=Figure().add_subplot()
    )
    lines = [container[0] for container in display.ax_.containers]
    looks = {n: (line.get_color(), line.get_marker()) for n, line in zip(names, lines)}
    assert looks["SVM"][0] == looks["SVM, adaptive"][0] != looks["MLP, adaptive"][0]
    assert looks["SVM"] == tuple(style_of(0).values())
    assert len(set(looks.values())) == len(names)


def test_training_display_draws_that_of_the_best_estimator(toy):
    ser = AdversarialSER(max_epochs=2, random_state=0)
    search = GridSearchCV(ser, {"lr": [0.001]}, cv=2)
    search.fit(toy.X, toy.y, speakers=toy.speakers)
    display = TrainingDisplay.from_estimator(search, ax=Figure().add_subplot())
    assert display.history is search.best_estimator_.history_


def test_control_characters_in_names_are_drawn_as_escapes():
    axes = Figure().add_subplot()
    draw_confusion_matrix(["b\r\x00c\td", "a"], ["a", "a"], "x\x00y", axes)
    axes.figure.canvas.draw()  # matplotlib warns of characters that its fonts lack
    drawn = {text.get_text() for text in axes.figure.findobj(Text)}
    assert {r"b\r\x00c\td", r"x\x00y"} <= drawn


def test_names_with_dollars_are_drawn_as_they_are(toy):
    names = {"anger": r"$\frac{$", "neutral": "$x$", "sadness": r"a \$ b$"}
    y = np.array([names[emotion] for emotion in toy.y])
    speakers = np.array([rf"$\sqrt{{$ {speaker}" for speaker in toy.speakers])
    figure = Figure(figsize=(20, 20))
    axes = figure.subplots(2, 3).ravel()
    EmbeddingDisplay.from_embedding(toy.X, y, speakers, axes=axes[:2])
    ConfoundingDisplay.from_labels(y, speakers, ax=axes[2])
    SpeakerRecallDisplay.from_predictions(y, y, speakers, ax=axes[3])
    RatingDisplay.from_predictions(toy.X[:, 0], toy.X[:, 1], name=y[0], ax=axes[4])
    draw_confusion_matrix(y, y, r"$\frac{$", axes[5])
    figure.canvas.draw()
    drawn = {
        text._preprocess_math(text.get_text())  # what matplotlib draws, and whether
        for text in figure.findobj(Text)  # it is a formula
    }
    assert {(name, False) for name in names.values()} <= drawn
    assert not any(is_formula for _, is_formula in drawn)


def test_confusion_matrix_breaks_a_long_title_into_lines():
    ax, y = axes(), ["anger", "fear"]
    draw_confusion_matrix(y, y, "autoencoder, per speaker (transductive)\nUAR 1.00", ax)
    lines = ["autoencoder, per speaker", "(transductive)", "UAR 1.00"]
    assert ax.get_title().split("\n") == lines


@pytest.mark.parametrize("n_speakers", [1, 2, 30])
@pytest.mark.parametrize("name", ["s", "a speaker with a very long name "])
def test_labels_of_speakers_stay_in_the_figure(n_speakers, name):
    speakers = [f"{name}{number % n_speakers}" for number in range(300)]
    y = ["anger", "fear", "joy"] * 100
    for display in (
        ConfoundingDisplay.from_labels(y, speakers),
        SpeakerRecallDisplay.from_predictions(y, y, speakers),
    ):
        figure = display.figure_
        figure.canvas.draw()
        ax = figure.axes[0]
        labels = [ax.xaxis.label, ax.yaxis.label, figure.axes[-1].yaxis.label]
        for extent in (one.get_window_extent() for one in labels if one.get_text()):
            assert 0 <= extent.x0 <= extent.x1 <= figure.bbox.x1
            assert 0 <= extent.y0 <= extent.y1 <= figure.bbox.y1
        assert ax.bbox.height > 0.3 * figure.bbox.height
        pyplot.close(figure)


def test_long_titles_of_adaptation_do_not_meet():
    one = {"order": "random", "repeat": 0, "first": 1, "last": 2, "n_samples": 9}
    one |= {"uar": 0.5, "low": 0.4, "high": 0.6}
    curve = pd.DataFrame([{"kind": kind, **one} for kind in ("inductive", "adaptive")])
    names = ["the words of a long name " * 3, "and those of another " * 3]
    display = AdaptationDisplay.from_curve(dict.fromkeys(names, curve))
    display.figure_.canvas.draw()
    left, right = (ax.title.get_window_extent() for ax in display.axes_)
    assert 0 <= left.x0 <= left.x1 < right.x0
    pyplot.close(display.figure_)


def test_names_with_an_underscore_in_front_are_in_legends():
    names = np.repeat(["_x1", "y2", "_w4"], 4)
    points = np.random.default_rng(0).normal(size=(12, 3))
    display = EmbeddingDisplay.from_embedding(points, names, names, method="pca")
    texts = [text.get_text().strip() for text in display.figure_.findobj(Text)]
    assert {"_x1", "y2", "_w4"} <= set(texts)
