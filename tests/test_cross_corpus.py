"""Trained on one corpus, tested on another."""

import numpy as np
import pandas as pd
import pytest
from baselines import GUESS, LR
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import (
    Comparison,
    CrossCorpusComparison,
    compare,
    cross_corpus,
    uar_difference,
    uar_interval,
)
from advser.exceptions import CorpusWarning


@pytest.fixture(scope="module")
def emodb():
    return load_emodb(as_frame=True)


@pytest.fixture(scope="module")
def halves(emodb):
    """EmoDB as two corpora, of five speakers each; the second lacks happiness."""
    frame = emodb.frame
    is_first = frame["speaker"].isin(sorted(frame["speaker"].unique())[:5])
    second = frame[~is_first & (frame["emotion"] != "happiness")]
    return {"one": frame[is_first], "two": second}


def small(seed, emotions=("anger", "neutral"), shift=0.0, n_rows=24):
    """Return a corpus of three speakers, named alike in all, and four features."""
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.arange(n_rows) % len(emotions))
    X = rng.normal(size=(n_rows, 4)) + shift
    X[np.arange(n_rows), code] += 4
    table = pd.DataFrame(X, columns=list("abcd"))
    return table.assign(
        emotion=np.array(emotions, dtype=object)[code],
        speaker=np.array(["1", "2", "3"])[rng.permutation(np.arange(n_rows) % 3)],
    )


@pytest.fixture
def pair():
    return {"A": small(0), "B": small(1, shift=1.0)}


def recorder(seen):
    """Return a classifier that notes what it was given."""

    class Recorder(ClassifierMixin, BaseEstimator):
        __metadata_request__fit = dict.fromkeys(
            ["speakers", "groups", "X_unlabeled", "speakers_unlabeled"], True
        )

        def fit(self, X, y, **given):
            self.classes_ = np.unique(y)
            seen.append({"X": np.asarray(X), "y": y, **given})
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    return Recorder()


def ways(comparison, *columns):
    """Return the ways of training across corpora."""
    scores = comparison.scores[comparison.scores["train"] != comparison.scores["test"]]
    rows = scores[[*("estimator", "domain", "unlabeled"), *columns]].drop_duplicates()
    return [tuple(row) for row in rows.itertuples(index=False)]


def test_each_corpus_is_predicted_from_the_other_by_the_emotions_of_both(halves):
    comparison = cross_corpus(halves, {"LR": LR}, within=None)
    one = halves["one"][halves["one"]["emotion"] != "happiness"]
    features = load_emodb().feature_names
    LR.fit(one[features], one["emotion"])
    found = comparison.predictions
    found = found[found["test"] == "two"]
    assert list(found["y_pred"]) == list(LR.predict(halves["two"][features]))
    assert list(found["y_true"]) == list(halves["two"]["emotion"])
    assert list(found["sample"]) == list(halves["two"].index)
    assert list(found["speaker"]) == list("two/" + halves["two"]["speaker"])
    recall = (found["y_true"] == found["y_pred"]).groupby(found["y_true"]).mean()
    score = comparison.scores[comparison.scores["test"] == "two"].iloc[0]
    assert score["uar"] == pytest.approx(recall.mean())
    assert score["recall_anger"] == pytest.approx(recall["anger"])
    assert not any("happiness" in name for name in score.index)


def test_pairs_count_rows_that_are_used_and_left_out(halves):
    pairs = cross_corpus(halves, {"guess": GUESS}, seeds=1).pairs
    assert set(pairs["emotions"]) == {"anger+neutral+sadness"}
    found = pairs.set_index(["train", "test"]).loc["two", "one"]
    n_happy = (halves["one"]["emotion"] == "happiness").sum()
    assert found["n_train"] == len(halves["two"])
    assert found["n_test"] == len(halves["one"]) - n_happy
    assert found["n_test_left_out"] == n_happy
    assert found["n_train_left_out"] == 0
    assert found["n_unlabeled"] == len(halves["one"])
    assert found["train_speakers"] == found["test_speakers"] == 5


def test_recall_within_a_corpus_is_that_on_speakers_left_out(halves):
    comparison = cross_corpus(halves, {"LR": LR}, within=3)
    one = halves["one"][halves["one"]["emotion"] != "happiness"]
    expected = cross_val_predict(
        LR,
        one[load_emodb().feature_names],
        one["emotion"],
        groups=one["speaker"],
        cv=GroupKFold(3),
    )
    found = comparison.predictions
    found = found[(found["train"] == "one") & (found["test"] == "one")]
    assert list(found["sample"]) == list(one.index)
    assert list(found["y_pred"]) == list(expected)


def test_within_is_left_out_where_a_corpus_has_one_speaker(pair):
    pair["B"]["speaker"] = "1"
    comparison = cross_corpus(pair, {"LR": LR})
    found = [tuple(row) for row in comparison.scores[["train", "test"]].to_numpy()]
    assert found == [("A", "A"), ("A", "B"), ("B", "A")]
    summary = comparison.summary()
    assert summary["uar_low"].isna().to_list() == [False, True, False]
    assert list(comparison.pairwise("LR")) == list(comparison.pairwise("LR").columns)


@pytest.mark.parametrize(
    ("domain", "speakers", "unlabeled_speakers"),
    [
        ("speaker", {"A/1", "A/2", "A/3"}, {"B/1", "B/2", "B/3"}),
        ("corpus", {"A"}, {"B"}),
        ("both", {"A/1", "A/2", "A/3"}, {"B"}),
    ],
)
def test_estimators_get_the_domains_as_speakers(
    domain, speakers, unlabeled_speakers, pair
):
    seen = []
    pair["B"].loc[0, "emotion"] = None
    pair["B"].loc[1, "emotion"] = "joy"
    comparison = cross_corpus(
        pair, {"recorder": recorder(seen)}, domain=domain, within=None
    )
    transductive = [
        one for one in seen if "X_unlabeled" in one and one["groups"][0][0] == "A"
    ]
    assert len(transductive) == 1
    assert set(transductive[0]["speakers"]) == speakers
    assert set(transductive[0]["groups"]) == {"A/1", "A/2", "A/3"}
    assert set(transductive[0]["speakers_unlabeled"]) == unlabeled_speakers
    np.testing.assert_array_equal(
        transductive[0]["X_unlabeled"], pair["B"][list("abcd")]
    )
    alone = [one for one in seen if "X_unlabeled" not in one]
    assert len(alone) == 2 * (domain != "corpus")
    assert not any("A" in {who[0] for who in one["speakers"]} for one in alone[1:])
    target = "utterances, speakers" if domain == "speaker" else "utterances"
    expected = [("recorder", domain, True, target, True)]
    if domain != "corpus":
        expected = [("recorder", "speaker", False, "nothing", False), *expected]
    assert ways(comparison, "target", "transductive") == expected


def test_unlabeled_rows_go_through_the_steps_before_the_network(pair):
    seen = []
    model = make_pipeline(StandardScaler(), recorder(seen))
    cross_corpus(pair, {"recorder": model}, domain="corpus", within=None)
    scaler = StandardScaler().fit(pair["A"][list("abcd")])
    expected = scaler.transform(pair["B"][list("abcd")])
    np.testing.assert_allclose(seen[0]["X_unlabeled"], expected)


def test_estimators_that_request_no_domains_run_once(pair):
    options = {"max_epochs": 1, "random_state": 0}
    estimators = {
        "LR": LR,
        "none": AdversarialSER(None, **options),
        "grl": AdversarialSER("grl", **options),
        "scaled": make_pipeline(SpeakerScaler(), LR),
    }
    comparison = cross_corpus(pair, estimators, domain=["both", "corpus"])
    assert ways(comparison) == [
        ("LR", "", False),
        ("none", "", False),
        ("grl", "speaker", False),
        ("grl", "corpus", True),
        ("grl", "both", True),
        ("scaled", "corpus", False),
        ("scaled", "both", False),
    ]
    comparison = cross_corpus(pair, estimators, transductive=False)
    assert not comparison.scores["transductive"].any()
    within = comparison.scores[comparison.scores["train"] == comparison.scores["test"]]
    assert set(within["estimator"]) == set(estimators)


def test_adversary_over_corpora_has_the_test_corpus_as_a_domain(halves):
    ser = AdversarialSER("grl", max_epochs=5, random_state=0)
    comparison = cross_corpus(halves, {"grl": ser}, domain="corpus", within=None)
    features = load_emodb().feature_names
    one = halves["one"][halves["one"]["emotion"] != "happiness"]
    ser.fit(
        one[features],
        one["emotion"],
        speakers=["one"] * len(one),
        X_unlabeled=halves["two"][features],
        speakers_unlabeled=["two"] * len(halves["two"]),
    )
    found = comparison.predictions
    found = found[found["test"] == "two"]
    expected = ser.predict(halves["two"][features])
    assert np.mean(found["y_pred"].to_numpy() == expected) > 0.98  # up to rounding


def test_search_over_speakers_has_its_groups_under_any_domain(pair):
    search = GridSearchCV(
        make_pipeline(SpeakerScaler(), LogisticRegression(random_state=0)),
        {"logisticregression__C": [0.1, 1.0]},
        cv=GroupKFold(3),
    )
    comparison = cross_corpus(pair, {"search": search}, domain="corpus", within=None)
    assert ways(comparison) == [("search", "corpus", False)]
    assert comparison.errors.empty


def test_scaling_by_corpus_removes_a_shift_and_is_transductive():
    corpora = {"A": small(0, n_rows=60), "B": small(1, n_rows=60)}
    far = {"A": corpora["A"], "B": corpora["B"].copy()}
    far["B"][list("abcd")] += [30.0, -20.0, 5.0, 0.0]
    model = LogisticRegression(random_state=0)
    estimators = {
        "plain": make_pipeline(StandardScaler(), model),
        "scaled": make_pipeline(SpeakerScaler(unknown="batch", shrinkage=0), model),
    }
    near, far = (
        cross_corpus(both, estimators, domain="corpus", within=None)
        for both in (corpora, far)
    )
    uar = far.summary()["uar"].groupby("estimator").mean()
    assert uar["scaled"] > 0.95
    assert uar["plain"] < 0.7
    pd.testing.assert_series_equal(
        far.summary()["uar"].xs("scaled", level="estimator"),
        near.summary()["uar"].xs("scaled", level="estimator"),
    )
    assert ways(far, "target", "transductive") == [
        ("plain", "", False, "nothing", False),
        ("scaled", "corpus", False, "utterances", True),
    ]


def test_leave_one_out_trains_on_all_other_corpora():
    seen = []
    joy = small(2, emotions=("anger", "joy"))
    corpora = {"A": small(0, ("anger", "neutral", "joy")), "B": small(1), "C": joy}
    with pytest.warns(CorpusWarning, match="2 pairs .*'B' and 'C', 'C' and 'B'"):
        comparison = cross_corpus(
            corpora,
            {"recorder": recorder(seen)},
            domain="corpus",
            transductive=False,
            leave_one_out=True,
            within=None,
        )
    assert [set(one["speakers"]) for one in seen] == [
        {"B", "C"},
        {"A", "C"},
        {"A", "B"},
    ]
    assert ways(comparison, "target") == [("recorder", "corpus", False, "nothing")]
    pairs = comparison.pairs.set_index(["train", "test"])
    assert pairs["emotions"]["all others", "A"] == "anger+joy+neutral"
    assert pairs["emotions"]["all others", "C"] == "anger+joy"
    assert pairs["n_train"]["all others", "A"] == 48
    assert pairs["n_train"]["B", "C"] == 0
    assert pairs["n_train_left_out"]["B", "C"] == 24


def test_emotions_limit_what_is_compared(halves):
    wanted = ["anger", "sadness"]
    comparison = cross_corpus(halves, {"LR": LR}, emotions=wanted)
    assert set(comparison.pairs["emotions"]) == {"anger+sadness"}
    assert set(comparison.predictions["y_pred"]) == set(wanted)
    assert set(comparison.summary()["chance"]) == {0.5}


def test_corpora_may_be_tables_features_with_labels_or_arrays(halves, tmp_path):
    features = load_emodb().feature_names
    split = {name: (one[features], one) for name, one in halves.items()}
    shuffled = split | {"two": (split["two"][0][features[::-1]], halves["two"])}
    labelled = {
        name: one.assign(**{"start": 0.0, "Unnamed: 0": np.arange(len(one))})
        for name, one in halves.items()
    }
    arrays = {
        name: (one[features].to_numpy(), list(one["emotion"]), list(one["speaker"]))
        for name, one in halves.items()
    }
    first, *others = (
        cross_corpus(corpora, {"LR": LR}, within=None).predictions["y_pred"].to_list()
        for corpora in (halves, split, shuffled, labelled, arrays)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize("whole", [True, False])
def test_columns_of_polars_are_paired_by_name(pair, whole):
    polars = pytest.importorskip("polars")

    def converted(table):
        table = polars.from_pandas(table)
        X = table.select("d", "c", "b", "a")
        return table.select(*"dcba", "emotion", "speaker") if whole else (X, table)

    other = {"A": pair["A"], "B": converted(pair["B"])}
    found, expected = (cross_corpus(one, {"LR": LR}) for one in (other, pair))
    assert list(found.summary()["uar"]) == list(expected.summary()["uar"])


def test_features_that_were_made_differently_are_refused(halves):
    corpora = {name: one.copy() for name, one in halves.items()}
    for number, one in enumerate(corpora.values()):
        one.attrs = {"features": {"opensmile": f"2.{number}"}}
    with pytest.raises(ValueError, match=r"'two'.*made differently.*2\.0.*2\.1"):
        cross_corpus(corpora, {"LR": LR})


def test_summary_has_the_interval_over_the_speakers_of_the_test(halves):
    comparison = cross_corpus(halves, {"guess": GUESS}, seeds=3, within=None)
    summary = comparison.summary(0.8).loc["one", "two", "guess", "", False]
    found = comparison.predictions
    found = found[found["test"] == "two"]
    y_pred = np.array([rows["y_pred"] for _, rows in found.groupby("seed")]).T
    of_seed = found[found["seed"] == 0]
    low, high = uar_interval(
        of_seed["y_true"], y_pred, speakers=of_seed["speaker"], confidence_level=0.8
    )
    assert (summary["uar_low"], summary["uar_high"]) == (low, high)
    scores = comparison.scores[comparison.scores["test"] == "two"]
    assert summary["seeds"] == len(scores) == 3
    assert summary["uar"] == pytest.approx(scores["uar"].mean())
    assert summary["uar_std"] == pytest.approx(scores["uar"].std())
    assert summary["n_speakers"] == 5
    assert summary["chance"] == pytest.approx(1 / 3)


def test_pairwise_compares_with_a_baseline_across_corpora(halves):
    scaled = make_pipeline(SpeakerScaler(unknown="batch"), LR[-1])
    estimators = {"scaled": scaled, "LR": LR, "guess": GUESS}
    comparison = cross_corpus(halves, estimators, seeds=2)
    table = comparison.pairwise("LR")
    assert table["estimator"].to_list() == ["scaled", "guess"] * 2
    assert table["transductive"].to_list() == [True, False] * 2
    assert (table["train"] != table["test"]).all()
    found = comparison.predictions
    found = found[(found["train"] == "one") & (found["test"] == "two")]
    one = found[found["estimator"] == "scaled"]
    base = found[found["estimator"] == "LR"]
    expected = uar_difference(
        base["y_true"],
        one["y_pred"].to_numpy(),
        base["y_pred"].to_numpy(),
        speakers=base["speaker"].to_numpy(),
    )
    row = table.iloc[0]
    assert row["points"] == pytest.approx(100 * expected.difference)
    assert row["p_value"] == pytest.approx(expected.p_value)
    assert (table["p_holm"] >= table["p_value"]).all()
    estimators = {"recorder": recorder([])}
    own = cross_corpus(halves, estimators, domain="both").pairwise("recorder")
    assert own["unlabeled"].to_list() == [True, True]
    with pytest.raises(ValueError, match=r"`baseline` is 'SVM'.*scaled"):
        comparison.pairwise("SVM")


def test_the_baseline_is_the_way_of_training_that_uses_least(halves):
    # With "speaker", the scaler has speakers; with "both", utterances alone.
    scaled = make_pipeline(SpeakerScaler(unknown="batch"), LR[-1])
    found = cross_corpus(halves, {"LR": scaled}, domain=["speaker", "both"])
    summary = found.summary().reset_index()
    least = summary.loc[summary["target"] == "utterances", "domain"].unique()
    assert least.tolist() == ["both"]
    assert found.pairwise("LR")["domain"].unique().tolist() == ["speaker"]


def test_a_failed_fit_is_recorded_and_the_others_continue(pair):
    fails = make_pipeline(SpeakerScaler(unknown="error"), LR[-1])
    with pytest.warns(FitFailedWarning, match=r"'fails'.*trained on 'A'.*tested on"):
        comparison = cross_corpus(pair, {"fails": fails, "LR": LR})
    errors = comparison.errors
    assert set(errors["estimator"]) == {"fails"}
    assert errors[["train", "test", "domain"]].to_numpy().tolist() == [
        [train, test, "speaker"] for train in "AB" for test in "AB"
    ]
    assert set(comparison.scores["estimator"]) == {"LR"}
    assert set(comparison.summary().index.get_level_values("estimator")) == {"LR"}
    with pytest.raises(ValueError, match="4 fits have failed"):
        cross_corpus(pair, {"fails": fails})


def test_cross_corpus_continues_with_the_results_of_a_folder(pair, tmp_path):
    estimators = {"LR": LR, "guess": GUESS}
    first = cross_corpus(pair, estimators, seeds=2, folder=tmp_path)
    scores = (tmp_path / "scores.csv").read_text("utf-8")
    rows = scores.splitlines(keepends=True)
    (tmp_path / "scores.csv").write_text("".join(rows[:-2]), encoding="utf-8")
    again = cross_corpus(pair, estimators, seeds=2, folder=tmp_path)
    loaded = CrossCorpusComparison.load(tmp_path)
    seconds = ["fit_seconds", "predict_seconds"]
    for found in (again, loaded):
        pd.testing.assert_frame_equal(
            found.scores.drop(columns=seconds),
            first.scores.drop(columns=seconds),
            check_dtype=False,
        )
        assert list(found.predictions["y_pred"]) == list(first.predictions["y_pred"])
    pd.testing.assert_frame_equal(
        loaded.summary().drop(columns="fit_seconds"),
        first.summary().drop(columns="fit_seconds"),
        check_dtype=False,
    )
    with pytest.raises(FileExistsError, match="within"):
        cross_corpus(pair, estimators, seeds=2, within=2, folder=tmp_path)


def test_load_refuses_a_folder_of_the_other_comparison(pair, toy, tmp_path):
    compare({"LR": LR}, *toy, probes=(), folder=tmp_path / "within")
    cross_corpus(pair, {"LR": LR}, folder=tmp_path / "across")
    with pytest.raises(FileNotFoundError, match=r"CrossCorpusComparison\.load"):
        Comparison.load(tmp_path / "across")
    with pytest.raises(FileNotFoundError, match=r"`Comparison\.load`"):
        CrossCorpusComparison.load(tmp_path / "within")


def test_results_do_not_depend_on_the_processes(pair):
    one, two = (
        cross_corpus(pair, {"LR": LR, "guess": GUESS}, seeds=2, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpora": {"A": small(0)}}, "`corpora` has 1 entries"),
        ({"corpora": {1: small(0), 2: small(1)}}, "has the name 1; a name must be a"),
        ({"estimators": {}}, "`estimators` has 0 entries"),
        ({"seeds": 0}, "`seeds` must be an int"),
        ({"domain": "gender"}, "`domain` has 'gender'"),
        ({"within": 1}, "`within` must be an int"),
        ({"emotions": ["rage"]}, "`emotions` has 'rage'; it must be one"),
        ({"B": small(1).drop(columns="speaker")}, r"`corpora\['B'\]` has no column"),
        ({"B": small(1)[["emotion", "speaker"]]}, r"'B'.* features of shape \(24, 0\)"),
        (
            {"B": small(1).rename(columns={"a": "z"})},
            r"'B'.*not have the features of `corpora\['A'\]`: 1 are missing .'a'.*'z'",
        ),
        ({"B": small(1).assign(speaker=None)}, r"'B'\]: speaker` is missing in 24 of"),
        ({"B": small(1, emotions=("joy", "fear"))}, "No two of the `corpora` share"),
        ({"B": (np.ones((2, 4)), ["joy"] * 2, ["1"] * 2)}, "'B'.* other has none"),
        ({"B": [1, 2]}, "'B'.* is of type list"),
    ],
)
def test_errors_of_bad_input(change, message, pair):
    corpora = change.pop("corpora", pair | {"B": change.pop("B", pair["B"])})
    arguments = {"corpora": corpora, "estimators": {"LR": LR}, **change}
    with pytest.raises(ValueError, match=message):
        cross_corpus(**arguments)


def test_arrays_of_different_widths_are_refused(pair):
    corpora = {
        name: (np.ones((2, n)), ["joy", "fear"], ["1", "2"])
        for name, n in (("A", 4), ("B", 5))
    }
    with pytest.raises(ValueError, match=r"'A'.*'B'.* have 4 and 5 features"):
        cross_corpus(corpora, {"LR": LR})


@pytest.mark.parametrize("name", ["one/two", "all others"])
def test_names_that_would_mix_corpora_are_refused(halves, name):
    corpora = {name: halves["one"], "two": halves["two"]}
    with pytest.raises(ValueError, match=f"has the name {name!r}"):
        cross_corpus(corpora, {"grl": AdversarialSER("grl")})


@pytest.mark.parametrize("within", [None, 5])
def test_an_adversary_over_one_corpus_is_refused(halves, within):
    with pytest.raises(ValueError, match=r"'grl'.*Pass `transductive=True`"):
        cross_corpus(
            halves,
            {"grl": AdversarialSER("grl")},
            domain="corpus",
            transductive=False,
            within=within,
        )


def test_each_seed_is_that_of_the_estimator(pair):
    forest = {"forest": RandomForestClassifier(2)}
    both = cross_corpus(pair, forest, within=None, seeds=[0, 3]).scores
    found = []
    for seed in (0, 3):
        alone = cross_corpus(pair, forest, within=None, seeds=[seed]).scores
        found.append(list(alone["uar"]))
        assert list(both["uar"][both["seed"] == seed]) == found[-1]
    assert found[0] != found[1]
