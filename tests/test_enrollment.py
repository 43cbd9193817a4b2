"""Enrolment in fitted pipelines, and the recall by the number enrolled."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from speech import write_corpus

import advser
from advser import AdversarialSER, EGeMAPS, SpeakerScaler, enroll
from advser.evaluation import EnrollmentScorer, enrollment_curve
from advser.metrics import unweighted_average_recall
from advser.model_selection import StackedGridSearchCV
from advser.plots import EnrollmentDisplay


@pytest.fixture
def corpus():
    """Return two emotions of six speakers who differ much."""
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{number}" for number in range(6)], 16)
    y = np.tile(["neutral", "anger"], 48)
    X = rng.normal(size=(96, 3)) + 6 * np.repeat(rng.normal(size=(6, 3)), 16, axis=0)
    X[:, 0] += 3.0 * (y == "anger")
    return X, y, speakers


def model(**settings):
    return make_pipeline(SpeakerScaler(**settings), LogisticRegression())


class Watched(SpeakerScaler):
    """Return the rows unchanged, and record those that are enrolled."""

    enrolled = []

    def enroll(self, X, speakers, neutral=None):
        """Note the rows."""
        self.enrolled.append((X[:, 0], neutral))
        return super().enroll(X, speakers, neutral)

    def transform(self, X, speakers=None, *, groups=None):
        """Return the rows as they are."""
        return X


class Recorder(ClassifierMixin, BaseEstimator):
    """Predict "anger", and record the rows."""

    scored = []

    def fit(self, X, y):
        """Learn nothing."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Note the rows."""
        self.scored.append(X[:, 0])
        return np.full(len(X), "anger")


@pytest.fixture
def watched():
    """Return a pipeline that records the rows enrolled and those scored."""
    Watched.enrolled.clear()
    Recorder.scored.clear()
    return make_pipeline(Watched(), Recorder())


@pytest.fixture
def routing():
    """Turn metadata routing on."""
    with config_context(enable_metadata_routing=True):
        yield


# Enrolment in a fitted estimator


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        SVC(),
        AdversarialSER(max_epochs=2, random_state=0),
    ],
)
@pytest.mark.parametrize("neutral", [None, True])
def test_enroll_equals_the_scaler_by_hand(classifier, neutral, corpus):
    X, y, speakers = corpus
    new = speakers == "s5"
    pipe = make_pipeline(SpeakerScaler(), classifier)
    pipe.fit(X[~new], y[~new], speakers=speakers[~new])
    scaler = SpeakerScaler().fit(X[~new], y[~new], speakers[~new])
    before = pipe[:-1].transform(X[new], speakers=speakers[new])
    assert enroll(pipe, X[new][:4], ["s5"] * 4, neutral=neutral) is pipe
    scaled = scaler.enroll(X[new][:4], ["s5"] * 4, neutral).transform(X, speakers)
    assert not np.allclose(before, scaled[new])
    found = pipe.predict(X, speakers=speakers)
    np.testing.assert_array_equal(found, pipe[-1].predict(scaled))
    # rows without a speaker are those of an unknown one
    np.testing.assert_array_equal(pipe.predict(X[new]), pipe[-1].predict(before))


@pytest.mark.usefixtures("routing")
def test_enroll_of_a_regressor(corpus):
    X, _, speakers = corpus
    pipe = make_pipeline(SpeakerScaler(), Ridge())
    pipe.fit(X[:80], X[:80, 0], speakers=speakers[:80])
    before = pipe.predict(X[80:], speakers=speakers[80:])
    enroll(pipe, X[80:90], speakers[80:90])
    assert not np.allclose(pipe.predict(X[80:], speakers=speakers[80:]), before)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_enroll_in_a_search_changes_its_best_estimator(search, toy):
    fitted = search(
        make_pipeline(SpeakerScaler(), AdversarialSER(max_epochs=2, random_state=0)),
        {"speakerscaler__shrinkage": [2.0, "auto"]},
        cv=LeaveOneGroupOut(),
        scoring=EnrollmentScorer([2, 5], repeats=1),
        error_score="raise",
    ).fit(toy.X, toy.y, groups=toy.speakers)
    assert 0 < fitted.best_score_ < 1
    assert enroll(fitted, toy.X[:3] + 1, ["new"] * 3) is fitted
    best = fitted.best_estimator_
    assert (best[0].speakers_[-1], best[0].counts_[-1]) == ("new", 3)
    known = best.predict_proba(toy.X, speakers=["new"] * 120)
    assert not np.allclose(known, fitted.predict_proba(toy.X))


@pytest.mark.usefixtures("routing")
def test_enroll_in_a_pipeline_or_search_inside_a_pipeline(corpus):
    X, y, speakers = corpus
    expected = make_pipeline(StandardScaler(), *model()).fit(X, y, speakers=speakers)
    enroll(expected, X[:4] + 1, ["new"] * 4)
    inside = GridSearchCV(model(), {}, cv=LeaveOneGroupOut())
    for last in (model(), inside):
        pipe = make_pipeline(StandardScaler(), last)
        pipe.fit(X, y, **{"groups" if last is inside else "speakers": speakers})
        enroll(pipe, X[:4] + 1, ["new"] * 4)
        last = last.best_estimator_ if last is inside else last
        np.testing.assert_allclose(last[0].means_[-1], expected[1].means_[-1])


@pytest.mark.usefixtures("routing")
def test_enroll_takes_files_through_the_steps_in_front(tmp_path):
    table = write_corpus(tmp_path, n_speakers=3, n_takes=2)
    new = table["speaker"] == "02"
    pipe = make_pipeline(
        EGeMAPS(), "passthrough", SpeakerScaler(shrinkage="auto", balance=True), SVC()
    )
    old = table[~new]
    pipe.fit(old["file"], old["emotion"], speakers=old["speaker"])
    enrolled, later = table[new][:3], table[new][3:]
    assert (
        advser.enroll(pipe, list(enrolled["file"]), list(enrolled["speaker"])) is pipe
    )
    scaler = SpeakerScaler(shrinkage="auto", balance=True)
    features = EGeMAPS().transform(table["file"])
    known = (~new).to_numpy()
    scaler.fit(features[known], old["emotion"], old["speaker"])
    scaler.enroll(features[~known][:3], enrolled["speaker"])
    np.testing.assert_allclose(scaler.means_, pipe[2].means_, rtol=1e-5)
    assert len(pipe.predict(later["file"], speakers=later["speaker"])) == len(later)


@pytest.mark.usefixtures("routing")
def test_enroll_again_adds_and_one_utterance_is_enough(corpus):
    X, y, speakers = corpus
    new = X[speakers == "s5"]
    old = speakers != "s5"
    once, twice = model(), model()
    for pipe in (once, twice):
        pipe.fit(X[old], y[old], speakers=speakers[old])
    enroll(once, new[:3], ["s5"] * 3)
    enroll(twice, new[:1], ["s5"])
    assert np.isfinite(twice.predict_proba(new, speakers=["s5"] * 16)).all()
    enroll(twice, new[1:3], ["s5"] * 2)
    assert list(twice[0].speakers_) == ["s0", "s1", "s2", "s3", "s4", "s5"]
    np.testing.assert_allclose(
        twice.predict_proba(new, speakers=["s5"] * 16),
        once.predict_proba(new, speakers=["s5"] * 16),
    )
    # a speaker of the training is known by all utterances thereafter
    enroll(once, new[:2], ["s0"] * 2)
    assert once[0].counts_[0] == 18


@pytest.mark.usefixtures("routing")
def test_enroll_says_what_is_wrong(corpus):
    X, y, speakers = corpus
    with pytest.raises(ValueError, match="SVC, and no step has `enroll`"):
        enroll(SVC().fit(X, y), X, speakers)
    with pytest.raises(NotFittedError, match="SpeakerScaler"):
        enroll(model(), X, speakers)
    search = GridSearchCV(model(), {}, refit=False, cv=LeaveOneGroupOut())
    for estimator in (search, search.fit(X, y, groups=speakers)):
        with pytest.raises(NotFittedError, match="`refit` must not be False"):
            enroll(estimator, X, speakers)
    pipe = make_pipeline(SpeakerScaler(unknown="error"), LogisticRegression())
    pipe.fit(X, y, speakers=speakers)
    with pytest.raises(ValueError, match=r"not 'zoe'.*`enroll`"):
        pipe.predict(X[:1], speakers=["zoe"])
    with pytest.raises(ValueError, match="2 features"):
        enroll(pipe, X[:1, :2], ["zoe"])
    with pytest.raises(ValueError, match="`speakers` has 1 entries and `X` has 2 rows"):
        enroll(pipe, X[:2], ["zoe"])
    with pytest.raises(ValueError, match=r"`speakers` must be one-dim.*shape \(\)"):
        enroll(pipe, X[:2], "zoe")
    with pytest.raises(ValueError, match="0 sample"):
        enroll(pipe, X[:0], [])
    assert len(pipe[0].speakers_) == 6


# The recall after an enrolment


def test_enrolment_helps_where_speakers_differ(corpus):
    curve = enrollment_curve(model(shrinkage=0.5), *corpus, k=[0, 2, 10, "all"])
    uar = curve.groupby("k")["uar"].mean()
    assert uar[0] < 0.7
    assert uar[0] < uar[2] < uar[10]
    assert uar[10] > 0.85


def test_curve_has_a_row_for_each_number_and_draw(corpus):
    curve = enrollment_curve(model(), *corpus, k=[0, 3, "all"], repeats=2)
    assert list(curve["k"]) == [0, 3, 3, "all"]
    assert list(curve["repeat"]) == [0, 0, 1, 0]
    assert list(curve["transductive"]) == [False, False, False, True]
    assert list(curve["n_samples"]) == [96, 78, 78, 96]
    assert set(curve["n_speakers"]) == {6}
    assert not curve["neutral"].any()
    assert curve["uar"][1] != curve["uar"][2]


def test_curve_at_0_and_all_equals_the_scaler_by_hand(corpus):
    X, y, speakers = corpus
    expected = {0: [], "all": []}
    for train, test in LeaveOneGroupOut().split(X, y, speakers):
        scaler = SpeakerScaler()
        scaled = scaler.fit_transform(X[train], y[train], speakers[train])
        classifier = LogisticRegression().fit(scaled, y[train])
        expected[0].append(classifier.predict(scaler.transform(X[test])))
        scaler.enroll(X[test], speakers[test])
        scaled = scaler.transform(X[test], speakers[test])
        expected["all"].append(classifier.predict(scaled))
    curve = enrollment_curve(model(), *corpus, k=[0, "all"]).set_index("k")
    for k, predicted in expected.items():
        assert curve["uar"][k] == unweighted_average_recall(
            y, np.concatenate(predicted)
        )


@pytest.mark.parametrize("neutral", [False, True])
def test_enrolled_rows_are_never_scored(neutral, corpus, watched):
    _, y, speakers = corpus
    X = np.arange(96.0)[:, None]
    enrollment_curve(watched, X, y, speakers, k=[5], neutral=neutral, repeats=2)
    assert len(Watched.enrolled) == len(Recorder.scored) == 12
    for (enrolled, marked), scored in zip(
        Watched.enrolled, Recorder.scored, strict=True
    ):
        assert len(enrolled) == 5
        assert len(scored) == 11
        assert not set(enrolled) & set(scored)
        assert set(speakers[enrolled.astype(int)]) == set(speakers[scored.astype(int)])
        assert marked is neutral
        assert not neutral or set(y[enrolled.astype(int)]) == {"neutral"}


def test_draw_of_more_utterances_holds_those_of_the_smaller(corpus, watched):
    _, y, speakers = corpus
    X = np.arange(96.0)[:, None]
    enrollment_curve(watched, X, y, speakers, k=[2, 6], repeats=1)
    enrolled = [set(rows) for rows, _ in Watched.enrolled]
    assert len(enrolled) == 12
    assert all(few < many for few, many in zip(enrolled[::2], enrolled[1::2]))


def test_draws_are_independent_of_each_other(corpus):
    curve = enrollment_curve(model(), *corpus, k=[6, 0], repeats=2)
    for k in (6, 0):
        alone = enrollment_curve(model(), *corpus, k=[k], repeats=2)
        assert list(curve["uar"][curve["k"] == k]) == list(alone["uar"])


def test_batch_statistics_of_unknown_speakers_are_marked_transductive(corpus):
    curve = enrollment_curve(model(unknown="batch"), *corpus, k=[0, 5], repeats=1)
    assert list(curve["transductive"]) == [True, False]


def test_speaker_with_too_few_utterances_is_left_out_at_that_number(corpus):
    X, y, speakers = (part[:-13] for part in corpus)  # 3 of the last speaker
    curve = enrollment_curve(model(), X, y, speakers, k=[2, 3], repeats=1)
    assert list(curve["n_speakers"]) == [6, 5]


def test_steps_before_the_scaler_transform_the_rows_first(corpus):
    X, y, speakers = corpus
    pipe = make_pipeline(FunctionTransformer(np.asarray), StandardScaler(), *model())
    found = enrollment_curve(pipe, X.tolist(), y, speakers, k=[4], repeats=2)
    expected = enrollment_curve(model(), X, y, speakers, k=[4], repeats=2)
    assert list(found["uar"]) == pytest.approx(list(expected["uar"]), abs=0.02)


def test_curve_of_networks_is_reproducible(toy):
    pipe = make_pipeline(SpeakerScaler(), AdversarialSER(max_epochs=3))
    first = enrollment_curve(pipe, *toy, k=[0, 4], repeats=2)
    again = enrollment_curve(pipe, *toy, k=[4], repeats=1)
    assert first["uar"][1] == pytest.approx(again["uar"][0], abs=0.02)
    assert not hasattr(pipe[-1], "net_")


def test_curve_in_two_processes_is_that_of_one(corpus):
    for last in (LogisticRegression(), AdversarialSER(max_epochs=1)):
        pipe = make_pipeline(SpeakerScaler(), last)
        curves = [
            enrollment_curve(pipe, *corpus, k=[4], repeats=1, n_jobs=n_jobs)
            for n_jobs in (None, 2)
        ]
        assert list(curves[0]["uar"]) == pytest.approx(list(curves[1]["uar"]), abs=0.02)


def test_curve_raises_the_error_of_a_fit(corpus):
    pipe = make_pipeline(SpeakerScaler(), AdversarialSER(max_epochs=-1))
    with pytest.raises(ValueError, match="'max_epochs' parameter"):
        enrollment_curve(pipe, *corpus, k=[4], repeats=1)


def test_search_chooses_the_shrinkage_that_suits_an_enrolment(corpus):
    X, y, speakers = corpus
    search = GridSearchCV(
        model(),
        {"speakerscaler__shrinkage": [0.5, 1e4]},
        scoring=EnrollmentScorer(k=[8], repeats=2),
        cv=LeaveOneGroupOut(),
        error_score="raise",
    )
    with config_context(enable_metadata_routing=True):
        search.fit(X, y, groups=speakers)
    assert search.best_params_ == {"speakerscaler__shrinkage": 0.5}
    nested = enrollment_curve(search, *corpus, k=[8], repeats=2)
    fixed = enrollment_curve(model(shrinkage=0.5), *corpus, k=[8], repeats=2)
    assert list(nested["uar"]) == list(fixed["uar"])


def test_scorer_without_speakers_says_how_to_pass_them(corpus):
    X, y, speakers = corpus
    fitted = model()
    with config_context(enable_metadata_routing=True):
        fitted.fit(X, y, speakers=speakers)
    with pytest.raises(ValueError, match="needs `speakers` or `groups`"):
        EnrollmentScorer()(fitted, X, y)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"k": [-1]}, r"`k` must be a sequence, .* got \[-1\]"),
        ({"k": ["every"]}, "`k` must be a sequence"),
        ({"k": []}, "`k` has 0 entries"),
        ({"repeats": 0}, "`repeats` must be an int"),
        ({"k": [16]}, "`k` holds 16, and no speaker has more than 16 utterances"),
        ({"k": [8], "neutral": True}, "no speaker has more than 8 'neutral' utt"),
    ],
)
def test_bad_settings_say_what_is_wrong(settings, match, corpus):
    with pytest.raises(ValueError, match=match):
        enrollment_curve(model(), *corpus, **settings)


def test_bad_data_and_estimators_say_what_is_wrong(corpus):
    X, y, speakers = corpus
    with pytest.raises(ValueError, match="no step has `enroll`"):
        enrollment_curve(LogisticRegression(), X, y, speakers, k=[0])
    with pytest.raises(ValueError, match="`speakers` has 1 entries"):
        enrollment_curve(model(), X, y, ["s1"])
    with pytest.raises(ValueError, match="`speakers` names 1 speaker"):
        enrollment_curve(model(), X, y, ["s1"] * len(y))


def test_display_draws_a_mark_for_each_number(corpus):
    k = [0, 4, "all"]
    curves = {
        "any": enrollment_curve(model(), *corpus, k=k, repeats=3),
        "neutral": enrollment_curve(
            model(), *corpus, k=[2, 4], neutral=True, repeats=3
        ),
    }
    display = EnrollmentDisplay.from_curves(curves, ax=Figure().add_subplot())
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert ticks == ["0", "2", "4", "all"]
    lines = [container[0] for container in display.ax_.containers]
    expected = curves["any"].groupby("k", sort=False)["uar"].mean()
    np.testing.assert_allclose(lines[0].get_ydata(), expected)
    np.testing.assert_allclose(np.round(lines[1].get_xdata()), [1, 2])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["any", "neutral", "transductive: enrolled and scored"]


def test_display_of_an_estimator_computes_the_curve(corpus):
    settings = {"k": [0, 4], "repeats": 2}
    display = EnrollmentDisplay.from_estimator(
        model(), *corpus, **settings, ax=Figure().add_subplot()
    )
    expected = enrollment_curve(model(), *corpus, **settings)
    (curve,) = display.curves.values()
    assert list(curve["uar"]) == list(expected["uar"])


def test_display_of_several_estimators_draws_each_on_the_same_axes(corpus):
    methods = {"few": model(shrinkage=0.5), "many": model(shrinkage=1e4)}
    settings = {"k": [0, 4], "repeats": 2}
    display = EnrollmentDisplay.from_estimator(
        methods, *corpus, **settings, ax=Figure().add_subplot()
    )
    assert list(display.curves) == list(methods)
    heights = [container[0].get_ydata() for container in display.ax_.containers]
    for found, method in zip(heights, methods.values(), strict=True):
        expected = enrollment_curve(method, *corpus, **settings)
        np.testing.assert_allclose(found, expected.groupby("k")["uar"].mean())
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == list(methods)


def test_the_random_state_seeds_the_draws_and_the_estimator(corpus):
    forest = make_pipeline(SpeakerScaler(), RandomForestClassifier(2))
    for pipe, k in ((model(), [3]), (forest, [0])):
        first, again, other = (
            list(enrollment_curve(pipe, *corpus, k=k, random_state=seed)["uar"])
            for seed in (0, 0, 1)
        )
        assert first == again
        assert first != other
