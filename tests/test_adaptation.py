"""Adaptation to speakers while predicting."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import advser
from advser import (
    AdaptationWarning,
    NoSpeakersWarning,
    Session,
    SpeakerScaler,
    UnknownSpeakerWarning,
)
from advser.evaluation import adaptation_curve, compare, enrollment_curve, uar_interval
from advser.metrics import unweighted_average_recall
from advser.speakers import utterance_order


def corpus(n_speakers=6, n_rows=24, n_features=4, spread=3.0, seed=0):
    """Return speakers with an offset each, and three emotions that all of them have."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat([f"s{number}" for number in range(n_speakers)], n_rows)
    emotions = np.tile(np.arange(3), n_speakers * n_rows // 3)
    offsets = rng.normal(0, spread, (n_speakers, n_features)).repeat(n_rows, axis=0)
    effects = np.array([[-2, 0, 0, 1], [0, 2, 0, 0], [2, 0, -2, 0]])[emotions]
    X = offsets + effects + rng.normal(0, 1, (len(speakers), n_features))
    return X, np.array(["angry", "neutral", "sad"])[emotions], speakers


@pytest.fixture(scope="module")
def data():
    return corpus()


@pytest.fixture(scope="module", params=[False, True], ids=["moments", "emotions"])
def scaler(request, data):
    X, y, speakers = data
    scaler = SpeakerScaler(unknown="adapt", balance=request.param)
    return scaler.fit(X[48:], y[48:], speakers[48:])


def test_running_statistics_worked_out_by_hand():
    X = np.array([[0.0], [2.0], [4.0], [6.0]])  # means 1 and 5, variance 1 within
    scaler = SpeakerScaler(unknown="adapt", shrinkage=1, balance=False)
    scaler.fit(X, speakers=["a", "a", "b", "b"])
    # Mean 3 and variance 1 of the average speaker, as one pseudo-utterance.
    # After 5: mean 4, variance 1/2 + 1. After 5 and 8, whose own variance is 9/4:
    scaled = scaler.transform([[5.0], [8.0]], speakers=["c", "c"]).ravel()
    mean = (3 + 5 + 8) / 3
    variance = 1 / 3 + 2 / 3 * 9 / 4 + 2 / 9 * 3.5**2
    expected = [1 / np.sqrt(1 / 2 + 1), (8 - mean) / np.sqrt(variance)]
    np.testing.assert_allclose(scaled, expected, rtol=1e-12)


def test_a_later_utterance_changes_no_earlier_one(scaler, data):
    X, _, speakers = data
    before = scaler.transform(X[:24], speakers[:24])
    changed = X[:24].copy()
    changed[10] += 100
    after = scaler.transform(changed, speakers[:24])
    np.testing.assert_array_equal(after[:10], before[:10])
    assert (after[11:] != before[11:]).all()


def test_other_speakers_change_nothing(scaler, data):
    X, _, speakers = data
    alone = scaler.transform(X[:24], speakers[:24])
    rng = np.random.default_rng(0)
    for n_others in (1, 7):
        others = np.array([f"n{number % n_others}" for number in range(24)])
        rows = np.ravel([np.arange(24), rng.permutation(24) + 24], "F")
        names = np.concatenate([speakers[:24], others])[rows]
        mixed = scaler.transform(X[rows], names)
        np.testing.assert_array_equal(mixed[rows < 24], alone)


def test_known_speakers_keep_their_statistics(scaler, data):
    X, _, speakers = data
    whole = scaler.transform(X[48:72], speakers[48:72])
    np.testing.assert_array_equal(
        scaler.transform(X[60:61], speakers[60:61]), whole[12:13]
    )


def test_constant_features_and_one_utterance_stay_finite():
    X, y, speakers = corpus()
    X[:, 0] = 7.0
    scaler = SpeakerScaler(unknown="adapt", balance=True).fit(X, y, speakers)
    scaled = scaler.transform(X[:1], ["new"])
    assert np.isfinite(scaled).all()
    assert scaled[0, 0] == 0


def test_missing_values_are_refused(scaler):
    with pytest.raises(ValueError, match="NaN"):
        scaler.transform([[np.nan, 0, 0, 0]], ["new"])


def test_moments_of_many_utterances_do_not_drift():
    n_rows = 10_000  # each row is one step of the same recurrence
    X, y, speakers = corpus(n_features=4)
    scaler = SpeakerScaler(unknown="adapt", balance=False, clip=3)
    model = make_pipeline(scaler, LogisticRegression())
    with config_context(enable_metadata_routing=True):
        session = Session(model.fit(X, y, speakers=speakers))
    rows = np.random.default_rng(0).normal(3, 2, (n_rows, 4))
    rows[:, 0] += 1e4  # far from zero
    rows[:, 1] = 7.0
    for block in np.array_split(rows, 5):
        session.predict(block, speaker="new")
    counts, means, variances = session._states["new"]
    assert counts.item() == n_rows
    np.testing.assert_allclose(means[0], rows.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(variances[0], rows.var(axis=0), rtol=1e-9)
    assert variances[0, 1] == 0


def test_fit_adapts_where_speakers_differ_in_offset(data):
    scaler = SpeakerScaler(unknown="adapt").fit(*data)
    scores = scaler.adaptation_scores_
    assert list(scores.index) == ["none", "moments", "emotions"]
    assert (scores.drop("none") > scores.loc["none"] + 0.1).all(axis=None)
    assert scaler.balance_ == (scores.mean(axis=1).idxmax() == "emotions")


def test_fit_does_not_adapt_where_the_speaker_is_the_emotion():
    X, y, speakers = corpus(n_speakers=9, spread=0.1)
    for number, emotion in enumerate(["angry", "neutral", "sad"] * 3):
        wrong = (speakers == f"s{number}") & (y != emotion)
        right = np.flatnonzero((y == emotion) & ~np.isin(speakers, [f"s{number}"]))
        X[wrong] = X[right[: wrong.sum()]]
        y[wrong] = emotion
    with pytest.warns(AdaptationWarning, match="does not adapt"):
        scaler = SpeakerScaler(unknown="adapt").fit(X, y, speakers)
    assert np.isinf(scaler.shrinkage_).all()
    known = scaler.transform(X[:3], speakers[:3])
    np.testing.assert_array_equal(known, scaler.transform(X[:3], ["new"] * 3))
    np.testing.assert_allclose(
        known, (X[:3] - scaler.population_mean_) / scaler.population_scale_
    )


def test_ratings_adapt_without_balance(data):
    X, _, speakers = data
    scaler = SpeakerScaler(unknown="adapt").fit(X, X[:, 0] * 1.5, speakers)
    assert not scaler.balance_
    assert scaler.adaptation_scores_ is None


def test_rows_without_speakers_warn(scaler, data):
    with pytest.warns(NoSpeakersWarning, match="as to one speaker"):
        pooled = scaler.transform(data[0][:5])
    one = scaler.transform(data[0][:5], ["new"] * 5)
    np.testing.assert_array_equal(pooled, one)


def test_a_name_in_another_form_of_unicode_warns(data):
    X, y, _ = data
    known = np.repeat(["Jos\u00e9", "Ada"], 72)
    scaler = SpeakerScaler().fit(X, y, known)
    with pytest.warns(UnknownSpeakerWarning, match="is unknown"):
        scaler.transform(X[:1], ["Jose\u0301"])


@pytest.mark.parametrize("name", [3, "3", " 03", "S03"])
def test_a_name_like_a_known_one_warns(data, name):
    X, y, _ = data
    known = np.repeat(["03", "s03"], 72)
    scaler = SpeakerScaler(unknown="adapt", balance=False).fit(X, y, known)
    with pytest.warns(UnknownSpeakerWarning, match="is unknown"):
        scaler.transform(X[:1], np.array([name], dtype=object))
    with pytest.warns(UnknownSpeakerWarning, match="is unknown"):
        scaler.enroll(X[:1], np.array([name], dtype=object))


def test_a_session_warns_of_a_name_like_a_known_one(data):
    with pytest.warns(UnknownSpeakerWarning, match="'S2' is unknown, and 's2' is"):
        Session(fitted(data)).predict(data[0][:1], speaker="S2")


def test_a_search_that_could_choose_to_adapt_is_not_compared(data):
    model = make_pipeline(SpeakerScaler(), LogisticRegression(random_state=0))
    search = {"LR": {"speakerscaler__unknown": ["population", "adapt"]}}
    with pytest.raises(ValueError, match="order of the utterances"):
        compare({"LR": model}, *data, cv=GroupKFold(2), search=search)


def test_the_curve_keeps_the_names_of_the_features(data):
    X, y, speakers = data
    frame = pd.DataFrame(X, columns=["pitch", "jitter", "hnr", "rate"])
    select = ColumnTransformer([("two", "passthrough", ["pitch", "hnr"])])
    model = make_pipeline(select, *(step for _, step in pipeline().steps))
    settings = {"orders": ["random"], "repeats": 1, "cv": GroupKFold(2)}
    curve = adaptation_curve(model, frame, y, speakers, **settings)
    expected = adaptation_curve(pipeline(), X[:, [0, 2]], y, speakers, **settings)
    pd.testing.assert_frame_equal(curve, expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("balance", ["auto", False])
def test_passes_the_checks_of_scikit_learn(balance):
    order = "the statistics of a row come from the rows before it"
    check_estimator(
        SpeakerScaler(unknown="adapt", balance=balance),
        expected_failed_checks={
            "check_methods_subset_invariance": order,
            "check_methods_sample_order_invariance": order,
        },
    )


# In pipelines


def pipeline():
    return make_pipeline(
        SpeakerScaler(unknown="adapt", balance=True, clip=3), LogisticRegression()
    )


def fitted(data):
    X, y, speakers = data
    with config_context(enable_metadata_routing=True):
        return pipeline().fit(X[48:], y[48:], speakers=speakers[48:])


def test_session_agrees_with_the_batch_row_by_row(data):
    X, _, speakers = data
    model = fitted(data)
    with config_context(enable_metadata_routing=True):
        batch = model.predict_proba(X[:48], speakers=speakers[:48])
    session = Session(model)
    rows = [
        session.predict_proba(row[None], speaker=name)
        for row, name in zip(X[:48], speakers[:48])
    ]
    np.testing.assert_allclose(np.concatenate(rows), batch, rtol=1e-12)
    assert session.speakers_ == ["s0", "s1"]


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_session_passes_on_tables_as_the_pipeline_does(data, container):
    X, y, speakers = data
    X = pd.DataFrame(X, columns=[f"f{number}" for number in range(X.shape[1])])
    some = FunctionTransformer(lambda table: table[["f0", "f2"]])
    model = make_pipeline(SpeakerScaler(unknown="adapt"), some, LogisticRegression())
    model.set_output(transform=container)
    with config_context(enable_metadata_routing=True):
        model.fit(X[48:], y[48:], speakers=speakers[48:])
    expected = model[1:].predict_proba(model[0].transform(X[:9], speakers=[None] * 9))
    found = Session(model).predict_proba(X[:9])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_session_depends_on_earlier_utterances_of_the_speaker_alone(data):
    X, _, _ = data
    model = fitted(data)
    alone, among, changed = Session(model), Session(model), Session(model)
    expected = [alone.predict_proba(row[None], "s0") for row in X[:24]]
    for number, row in enumerate(X[:24]):
        among.predict(X[24 : 24 + number % 3 + 1], "s1")
        found = among.predict_proba(row[None], "s0")
        np.testing.assert_array_equal(found, expected[number])
        found = changed.predict_proba(row[None] + 100 * (number == 20), "s0")
        assert np.array_equal(found, expected[number]) == (number < 20)


def test_session_goes_on_from_a_file(data, tmp_path, monkeypatch):
    X, _, _ = data
    model = fitted(data)
    whole, first = Session(model), Session(model)
    whole.predict(X[:20], speaker="s0")
    first.predict(X[:20], speaker="s0")
    first.predict(X[:3], speaker=np.int64(7))
    first.save(tmp_path / "state.npz")
    second = Session(model).load(tmp_path / "state.npz")
    assert second.speakers_ == ["s0", 7]
    Session(model).save(tmp_path / "empty.npz")
    assert Session(model).load(tmp_path / "empty.npz").speakers_ == []
    np.testing.assert_array_equal(
        second.predict_proba(X[20:24], "s0"), whole.predict_proba(X[20:24], "s0")
    )
    other = corpus(seed=1)
    with pytest.raises(ValueError, match="another model"):
        Session(fitted(other)).load(tmp_path / "state.npz")
    before = (tmp_path / "state.npz").read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(np, "savez", lambda file, **_: file.write(b"half") and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            first.save(tmp_path / "state")
    assert (tmp_path / "state.npz").read_bytes() == before
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ValueError, match=r"text\.npz is no file of a session"):
        Session(model).load(tmp_path / "text.npz")


def test_session_keeps_no_statistics_of_single_utterances(data):
    session = Session(fitted(data))
    session.predict(data[0][:24], speaker="s0")
    for part in session._states["s0"]:
        assert part.base is None  # the last row, not a view of all rows


def test_session_forgets(data):
    X, _, _ = data
    session = Session(fitted(data))
    first = session.predict_proba(X[:1], speaker="s0")
    session.predict(X[1:24], speaker="s0")
    again = session.forget("s0").predict_proba(X[:1], speaker="s0")
    np.testing.assert_array_equal(again, first)
    with pytest.raises(KeyError, match="'s5'"):
        session.forget("s5")


@pytest.mark.parametrize(
    ("speakers", "kept"),
    [
        ([None, np.nan, float("nan"), pd.NA], [None]),
        (["s0", np.str_("s0")], ["s0"]),
        ([7, np.int8(7), 7.0], [7]),
    ],
)
def test_speaker_of_a_session_does_not_depend_on_the_type(
    data, speakers, kept, tmp_path
):
    session, same = (Session(fitted(data)) for _ in range(2))
    for row, speaker in zip(data[0], speakers):
        found = session.predict_proba([row], speaker)
        expected = same.predict_proba([row], kept[0])
        np.testing.assert_array_equal(found, expected)
    session.save(tmp_path / "state.npz")
    loaded = Session(session.model).load(tmp_path / "state.npz")
    assert session.speakers_ == loaded.speakers_ == kept


@pytest.mark.parametrize(
    "changed",
    [
        {"means": [["a"] * 4]},
        {"means": [[np.nan] * 4]},
        {"variances": [[-1.0] * 4]},
        {"counts": [["a"]]},
        {"speakers": "5"},
        {"speakers": '[["s0"]]'},
    ],
    ids=str,
)
def test_damaged_file_of_a_session_is_named(data, changed, tmp_path):
    session = Session(fitted(data))
    session.predict(data[0][:2], "s0")
    session.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as stored:
        np.savez(tmp_path / "state.npz", **{**stored, **changed})
    with pytest.raises(ValueError, match=r"state.npz is .*damaged"):
        session.load(tmp_path / "state.npz")


def test_wrong_rows_do_not_count(data):
    session = Session(fitted(data))
    with pytest.raises(ValueError, match="NaN"):
        session.predict([[0.0, 0, 0, 0], [np.nan, 0, 0, 0]], speaker="s0")
    assert session.speakers_ == []


def test_enrolled_speakers_go_on_adapting(data):
    X, _, speakers = data
    model = advser.enroll(fitted(data), X[:10], speakers[:10])
    adapted = Session(model).predict_proba(X[10:24], "s0")
    with config_context(enable_metadata_routing=True):
        fixed = model.predict_proba(X[10:24], speakers=speakers[10:24])
    assert not np.allclose(adapted[-1], fixed[-1])


def test_threads_share_a_session(data):
    X, _, _ = data
    session = Session(fitted(data))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: session.predict(row[None], "s0"), X[:24]))
    assert session._states["s0"].counts.item() == 24


def test_session_with_a_regressor(data):
    X = data[0]
    scaler = SpeakerScaler(unknown="adapt")
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(scaler, Ridge())
        model.fit(X[48:], X[48:, 0] * 1.5, speakers=data[2][48:])
    assert Session(model).predict(X[:3]).shape == (3,)


def test_session_needs_a_scaler_that_adapts(data):
    X, y, speakers = data
    model = make_pipeline(SpeakerScaler(), LogisticRegression())
    with config_context(enable_metadata_routing=True):
        model.fit(X, y, speakers=speakers)
    with pytest.raises(ValueError, match="unknown='adapt'"):
        Session(model)


def test_cross_validate_adapts_by_speaker(data):
    X, y, speakers = data
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            pipeline(), X, y, params={"groups": speakers}, cv=GroupKFold(3)
        )["test_score"]
    expected = []
    for train, test in GroupKFold(3).split(X, y, speakers):
        scaler, classifier = pipeline()
        rows = scaler.fit(X[train], y[train], speakers[train]).transform(
            X[train], speakers[train]
        )
        classifier.fit(rows, y[train])
        test_rows = scaler.transform(X[test], speakers[test])
        expected.append(classifier.score(test_rows, y[test]))
    np.testing.assert_allclose(scores, expected)


@pytest.mark.filterwarnings("ignore::advser.NoSpeakersWarning")
@pytest.mark.parametrize(
    ("routing", "scoring", "search", "reaches"),
    [
        (True, None, False, True),
        (True, None, True, True),
        (True, "accuracy", False, False),
        (True, "accuracy", True, False),
        (False, None, False, False),
        (False, None, True, False),
    ],
)
def test_which_speakers_reach_transform(
    data, monkeypatch, routing, scoring, search, reaches
):
    """The table of the guide on adaptation."""
    X, y, speakers = data
    transform, got = SpeakerScaler.transform, []

    def recorded(self, X, speakers=None, *, groups=None):
        got.append(groups if speakers is None else speakers)
        return transform(self, X, speakers, groups=groups)

    monkeypatch.setattr(SpeakerScaler, "transform", recorded)
    settings = {"cv": GroupKFold(2), "scoring": scoring}
    metadata = {"groups": speakers}
    if not routing:
        metadata["speakerscaler__groups"] = speakers
    with config_context(enable_metadata_routing=routing):
        if search:
            grid = {"logisticregression__C": [1.0]}
            GridSearchCV(pipeline(), grid, **settings).fit(X, y, **metadata)
        else:
            groups = None if routing else metadata.pop("groups")
            cross_validate(pipeline(), X, y, groups=groups, params=metadata, **settings)
    for (_, test), found in zip(GroupKFold(2).split(X, y, speakers), got[1::2]):
        if reaches:
            np.testing.assert_array_equal(found, speakers[test])
        else:
            assert found is None


# Orders and scores


def test_orders_of_utterances():
    y = np.tile(["a", "b"], 30)
    speakers = np.repeat(["x", "y"], 30)
    for order, longest in [("random", None), ("blocks", 10), ("emotions", 15)]:
        rows = utterance_order(y, speakers, order, random_state=0)
        assert sorted(rows) == list(range(60))
        assert len(set(speakers[rows[:30]])) == 1
        if longest:
            assert len(set(y[rows[:longest]])) == 1
            assert y[rows[longest]] != y[rows[0]]
    with pytest.raises(ValueError, match=r"`order` must be .* got 'sorted'"):
        utterance_order(y, speakers, "sorted")


def test_adaptation_curve_scores_what_a_session_predicts(data):
    X, y, speakers = data
    curve = adaptation_curve(
        pipeline(), X, y, speakers, orders=["blocks"], repeats=1, cv=LeaveOneGroupOut()
    )
    rows, predicted = [], []
    for train, test in LeaveOneGroupOut().split(X, y, speakers):
        with config_context(enable_metadata_routing=True):
            model = pipeline().fit(X[train], y[train], speakers=speakers[train])
        at = utterance_order(y[test], speakers[test], "blocks", random_state=0)
        rows.append(test[at])
        predicted.append(Session(model).predict(X[rows[-1]], "new"))
    rows, predicted = np.concatenate(rows), np.concatenate(predicted)
    whole = curve.query("kind == 'adaptive' and first == 1 and last == inf")
    np.testing.assert_allclose(whole["uar"], np.mean(predicted == y[rows]))
    interval = uar_interval(y[rows], predicted, speakers=speakers[rows])
    np.testing.assert_allclose(whole[["low", "high"]], [interval])
    bins = curve.query("not (first == 1 and last == inf)")
    assert bins.groupby("kind")["n_samples"].sum().to_list() == [len(X)] * 2
    alone = curve.query("kind == 'inductive' and first == 1 and last == inf")
    assert whole["uar"].item() > alone["uar"].item() + 0.1


def test_adaptation_curve_takes_predictions_in_a_series(data):
    class Named(LogisticRegression):
        def predict(self, X):
            return pd.Series(super().predict(X))

    settings = {"orders": ["random"], "repeats": 1, "cv": GroupKFold(2)}
    arrays, series = (
        adaptation_curve(
            make_pipeline(SpeakerScaler(unknown="adapt", balance=False), last()),
            *data,
            **settings,
        )
        for last in (LogisticRegression, Named)
    )
    pd.testing.assert_frame_equal(series, arrays)


def test_the_interval_of_a_curve_is_of_the_mean_over_the_draws(data):
    kept = np.arange(144) % 24 < 20
    kept[:24] = True  # one speaker has more utterances than the others
    curve = adaptation_curve(
        pipeline(), *(part[kept] for part in data), orders=["random"], repeats=3
    )
    for (_, first), draws in curve[curve["last"] > 1].groupby(["kind", "first"]):
        assert len(draws) == 3
        low, high = draws["low"].iloc[0], draws["high"].iloc[0]
        if first > 20:
            assert np.isnan([low, high]).all()
            continue
        assert (draws[["low", "high"]] == [low, high]).all(axis=None)
        assert low <= draws["uar"].mean() <= high


def test_scores_that_depend_on_the_order_are_not_compared(data):
    with pytest.raises(ValueError, match="order of the utterances"):
        enrollment_curve(pipeline(), *data, k=[0, 5])
    with pytest.raises(ValueError, match="does not adapt"):
        adaptation_curve(LogisticRegression(), *data)


def test_emotion_of_a_single_row_gives_no_warning(data):
    X, y, speakers = data
    y = np.where(np.arange(len(y)) == 0, "fear", y)
    scaler = SpeakerScaler(unknown="adapt").fit(X, y, speakers)
    assert scaler.adaptation_scores_ is not None


def test_two_speakers_of_one_emotion_each_do_not_adapt(data):
    X, y, speakers = data
    kept = np.isin(speakers + y, ["s0angry", "s1sad"])
    with pytest.warns(AdaptationWarning, match="each of the 2 .* has one emotion"):
        scaler = SpeakerScaler(unknown="adapt").fit(X[kept], y[kept], speakers[kept])
    assert scaler.adaptation_scores_ is None
    assert np.isinf(scaler.shrinkage_).all()


@pytest.mark.parametrize("balance", [True, False, "auto"])
def test_too_few_speakers_to_estimate_the_shrinkage_warn(data, balance):
    X, y, speakers = (part[:24] for part in data)
    scaler = SpeakerScaler(unknown="adapt", balance=balance)
    with pytest.warns(AdaptationWarning, match=r"speakers \(1\) or utterances \(24\)"):
        scaler.fit(X, y, speakers)
    assert np.isinf(scaler.shrinkage_).all()
    for shrinkage in (5, np.inf):  # as asked for, so without a warning
        scaler.set_params(shrinkage=shrinkage).fit(X, y, speakers)


@pytest.mark.filterwarnings("ignore::advser.AdaptationWarning")
@pytest.mark.parametrize(("n_rows", "n_emotions"), [(2, 2), (3, 3), (5, 5), (6, 3)])
def test_few_rows_leave_no_choice_of_what_to_adapt(n_rows, n_emotions):
    X = np.random.default_rng(0).normal(size=(n_rows, 4))
    numbers = np.arange(n_rows)
    scaler = SpeakerScaler(unknown="adapt").fit(X, numbers % n_emotions, numbers % 2)
    assert not scaler.balance_
    assert scaler.adaptation_scores_ is None
    assert np.isfinite(scaler.transform(X, ["new"] * n_rows)).all()


@pytest.mark.filterwarnings("ignore:.*speakers do not differ:advser.AdaptationWarning")
@pytest.mark.parametrize("unknown", ["adapt", "batch"])
def test_session_refuses_a_second_scaler_that_needs_the_speakers(toy, unknown):
    model = make_pipeline(
        SpeakerScaler(unknown="adapt", balance=False),
        SpeakerScaler(unknown=unknown, balance=False),
        LogisticRegression(),
    )
    with config_context(enable_metadata_routing=True):
        model.fit(toy.X, toy.y, speakers=toy.speakers)
    with pytest.raises(ValueError, match="has a second SpeakerScaler"):
        Session(model)


def test_session_uses_a_frozen_scaler(toy):
    scaler = SpeakerScaler(unknown="adapt", balance=False).fit(
        toy.X, toy.y, toy.speakers
    )
    scaled = scaler.transform(toy.X, toy.speakers)
    classifier = LogisticRegression().fit(scaled, toy.y)
    frozen = make_pipeline(FrozenEstimator(scaler), classifier)
    found = Session(frozen).predict_proba(toy.X)
    expected = Session(make_pipeline(scaler, classifier)).predict_proba(toy.X)
    np.testing.assert_array_equal(found, expected)


def test_scores_of_the_choice_are_those_of_speakers_left_out_in_each_order():
    X, y, speakers = corpus(spread=1.5)
    kept = (y != "sad") | (np.arange(len(y)) % 4 == 0)  # emotions of unequal numbers
    X, y, speakers = X[kept], y[kept], speakers[kept]
    found = SpeakerScaler(unknown="adapt").fit(X, y, speakers).adaptation_scores_
    scalers = {
        "none": SpeakerScaler(shrinkage=np.inf),
        "moments": SpeakerScaler(unknown="adapt", balance=False),
        "emotions": SpeakerScaler(unknown="adapt", balance=True),
    }
    discriminant = LinearDiscriminantAnalysis(
        "lsqr", shrinkage="auto", priors=[1 / 3] * 3
    )
    for name, scaler in scalers.items():
        for order in found.columns:
            true, predicted = [], []
            for train, test in GroupKFold(5).split(X, y, speakers):
                scaled = scaler.fit_transform(X[train], y[train], speakers[train])
                discriminant.fit(scaled, y[train])
                rows = utterance_order(y[test], speakers[test], order, random_state=0)
                rows = test[rows]
                scaled = scaler.transform(X[rows], speakers[rows])
                true.extend(y[rows])
                predicted.extend(discriminant.predict(scaled))
            recall = unweighted_average_recall(true, predicted)
            assert found.loc[name, order] == pytest.approx(recall)


def test_each_repeat_of_a_curve_has_an_order_of_its_own(data):
    model = make_pipeline(
        SpeakerScaler(unknown="adapt", balance=False), LogisticRegression()
    )
    curve = adaptation_curve(model, *data, orders=["random"], repeats=3, cv=2)
    adaptive = curve.query("kind == 'adaptive' and first == 1 and last == inf")
    assert adaptive["uar"].nunique() > 1


def test_the_random_state_of_a_curve_seeds_the_estimator(data):
    scaler = SpeakerScaler(unknown="adapt", balance=False)
    model = make_pipeline(scaler, RandomForestClassifier(2))
    first, again, other = (
        adaptation_curve(
            model, *data, orders=["random"], repeats=1, cv=2, random_state=seed
        )
        .query("kind == 'inductive' and first == 1 and last == inf")["uar"]
        .item()
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
