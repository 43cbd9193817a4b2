"""Speaker-independent comparison."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_info

from advser import AdversarialSER
from advser.evaluation import Comparison, compare
from advser.metrics import speaker_uar
from advser.probes import cross_val_leakage
from advser.scaling import SpeakerScaler
from advser.statistics import uar_interval

LR = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
GUESS = DummyClassifier(strategy="stratified")
TABLES = ["scores", "predictions", "leakage", "errors"]
GRID = {"logisticregression__C": [1e-6, 1.0]}


class Halves:
    """Split the rows in two, whoever speaks."""

    def split(self, X, y, groups):  # noqa: D102
        first = np.arange(len(X)) < len(X) // 2
        yield np.flatnonzero(first), np.flatnonzero(~first)


def without_seconds(comparison):
    scores = comparison.scores.drop(columns=["fit_seconds", "predict_seconds"])
    return scores, comparison.predictions, comparison.leakage


def test_compare_predicts_each_speaker_from_the_others(toy):
    comparison = compare({"LR": LR}, *toy, probes=())
    expected = cross_val_predict(
        LR, toy.X, toy.y, groups=toy.speakers, cv=LeaveOneGroupOut()
    )
    found = comparison.predictions.set_index("sample").sort_index()
    assert list(found["y_pred"]) == list(expected)
    assert list(found["y_true"]) == list(toy.y)
    assert list(found["speaker"]) == list(toy.speakers)
    assert list(comparison.scores["test_speakers"]) == sorted(set(toy.speakers))


def test_summary_pools_the_folds_of_each_seed(toy):
    comparison = compare({"guess": GUESS}, *toy, seeds=3, probes=())
    uar, accuracy, by_speaker = [], [], []
    for _, rows in comparison.predictions.groupby("seed"):
        pair = rows["y_true"], rows["y_pred"]
        uar.append(recall_score(*pair, average="macro"))
        accuracy.append(accuracy_score(*pair))
        by_speaker.append(speaker_uar(*pair, speakers=rows["speaker"]))
    worst = np.mean(by_speaker, axis=0).min()
    summary = comparison.summary().loc["guess"]
    assert summary["seeds"] == 3
    assert summary["uar"] == pytest.approx(np.mean(uar))
    assert summary["uar_std"] == pytest.approx(np.std(uar, ddof=1))
    assert summary["uar_std"] > 0
    assert summary["weighted_accuracy"] == pytest.approx(np.mean(accuracy))
    assert summary["worst_speaker_uar"] == pytest.approx(worst)
    assert summary["worst_speaker"] in toy.speakers


def test_compare_repeats_only_what_has_a_free_random_state(toy):
    estimators = {
        "guess": GUESS,
        "LR": LR,
        "fixed guess": DummyClassifier(strategy="stratified", random_state=7),
    }
    comparison = compare(estimators, *toy, seeds=[4, 2], probes=["logistic"])
    summary = comparison.summary()
    assert list(summary.index) == list(estimators)
    assert list(summary["seeds"]) == [2, 1, 1]
    assert np.isnan(summary["uar_std"]["LR"])
    assert set(comparison.scores["seed"]) == {2, 4}
    assert len(comparison.leakage) == 4
    assert GUESS.random_state is None


def test_compare_judges_leakage_as_cross_val_leakage_does(toy):
    comparison = compare({"LR": LR}, *toy, seeds=[3])
    for probe in ("logistic", "mlp"):
        expected = cross_val_leakage(LR, *toy, probe=probe, random_state=3)
        summary = comparison.summary().loc["LR"]
        assert summary[f"leakage_{probe}"] == pytest.approx(expected.accuracy)
        assert summary["chance"] == 0.25


def test_compare_without_probes_has_no_leakage(toy):
    comparison = compare({"LR": LR}, *toy, probes=())
    assert comparison.leakage.empty
    assert not any("leakage" in name for name in comparison.summary())


def test_compare_gives_the_speakers_to_whoever_requests_them(toy):
    class Curious(ClassifierMixin, BaseEstimator):
        __metadata_request__fit = {"speakers": True}

        def fit(self, X, y, speakers=None):
            self.classes_, self.speakers_ = np.unique(y), set(speakers)
            return self

        def predict(self, X):
            return np.full(len(X), "+".join(sorted(self.speakers_)))

    comparison = compare({"curious": Curious()}, *toy, probes=())
    answers = comparison.predictions.groupby("speaker")["y_pred"].first()
    assert answers["s1"] == "s10+s2+s3"


def test_compare_lets_a_search_part_the_speakers(toy):
    class ByHand(GroupKFold):
        def split(self, X, y=None, groups=None):
            assert len(set(groups)) == 3
            return super().split(X, y, groups)

    search = GridSearchCV(SVC(random_state=0), {"C": [0.1, 1.0]}, cv=ByHand(3))
    pipeline = make_pipeline(StandardScaler(), search)
    assert compare({"SVM": pipeline}, *toy).summary()["uar"]["SVM"] > 0.7


def test_compare_runs_adversarial_networks(toy):
    network = AdversarialSER("grl", max_epochs=3)
    pipeline = make_pipeline(SpeakerScaler(unknown="batch"), network)
    comparison = compare(
        {"alone": network, "scaled": pipeline}, *toy, seeds=1, probes=["logistic"]
    )
    summary = comparison.summary()
    assert list(summary["transductive"]) == [False, True]
    assert (summary["uar"] > 0.4).all()


@pytest.mark.parametrize(
    ("unknown", "transductive"), [("population", False), ("batch", True)]
)
def test_compare_marks_what_uses_the_rows_of_test_speakers(unknown, transductive, toy):
    model = make_pipeline(SpeakerScaler(unknown=unknown), SVC(random_state=0))
    comparison = compare({"SVM": model}, *toy, probes=())
    assert comparison.scores["transductive"].eq(transductive).all()


def test_compare_scales_each_speaker_of_a_test_fold_apart(toy):
    X = toy.X + 50 * np.unique(toy.speakers, return_inverse=True)[1][:, None]
    model = make_pipeline(
        SpeakerScaler(unknown="batch", shrinkage=0), SVC(random_state=0)
    )
    found = [
        compare({"SVM": model}, X, toy.y, toy.speakers, cv=cv, probes=())
        for cv in ("loso", GroupKFold(2))
    ]
    assert list(found[1].scores["test_speakers"].str.count(r"\+")) == [1, 1]
    assert min(comparison.summary()["uar"]["SVM"] for comparison in found) > 0.7


def test_compare_is_reproducible_with_any_backend(toy):
    threads = threadpool_info()
    estimators = {"guess": GUESS, "LR": LR}
    alone = compare(estimators, *toy, seeds=2, probes=["logistic"])
    with joblib.parallel_config("threading"):
        together = compare(estimators, *toy, seeds=2, probes=["logistic"], n_jobs=4)
    for one, other in zip(
        without_seconds(alone), without_seconds(together), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)
    assert threadpool_info() == threads


def test_compare_names_samples_by_the_index_of_a_frame(toy):
    X = pd.DataFrame(toy.X, index=[f"{number}.wav" for number in range(120)])
    comparison = compare({"LR": LR}, X.add_prefix("f"), toy.y, toy.speakers, probes=())
    assert set(comparison.predictions["sample"]) == set(X.index)


@pytest.mark.parametrize("kind", [list, pd.Series, pd.Categorical])
def test_compare_accepts_labels_of_any_kind(kind, toy):
    expected = compare({"LR": LR}, *toy, probes=())
    found = compare({"LR": LR}, toy.X, kind(toy.y), kind(toy.speakers), probes=())
    pd.testing.assert_frame_equal(expected.predictions, found.predictions)


def test_compare_writes_the_tables_to_a_folder(toy, tmp_path):
    folder = tmp_path / "new" / "folder"
    comparison = compare({"guess": GUESS, "LR": LR}, *toy, seeds=2, folder=folder)
    loaded = Comparison.load(folder)
    for name in TABLES:
        found = getattr(comparison, name)
        if name == "predictions":
            found = found.astype({"sample": str})
        pd.testing.assert_frame_equal(getattr(loaded, name), found)
    pd.testing.assert_frame_equal(loaded.summary(), comparison.summary())
    assert len(pd.read_csv(folder / "scores.csv")) == 12
    assert loaded.settings == comparison.settings


def test_compare_with_the_same_settings_goes_on_where_it_was(toy, tmp_path):
    X = pd.DataFrame(toy.X, index=np.arange(120) + 7).add_prefix("f")
    emotion = np.unique(toy.y, return_inverse=True)[1]  # integers stay integers
    data = {"X": X, "y": emotion, "speakers": toy.speakers, "seeds": 2}
    estimators = {"guess": GUESS, "LR": LR}
    expected = compare(estimators, **data, probes=["logistic"])
    compare(estimators, **data, probes=["logistic"], folder=tmp_path)
    # As after a power cut: rows lost, and the last ones cut short.
    scores = (tmp_path / "scores.csv").read_text().splitlines(keepends=True)
    (tmp_path / "scores.csv").write_text("".join(scores[:6]) + scores[6][:-9])
    leakage = (tmp_path / "leakage.csv").read_text().splitlines(keepends=True)
    (tmp_path / "leakage.csv").write_text("".join(leakage[:2]))
    kept = set(pd.read_csv(tmp_path / "scores.csv", nrows=5)["fit_seconds"])
    found = compare(estimators, **data, probes=["logistic"], folder=tmp_path)
    for one, other in zip(
        without_seconds(expected), without_seconds(found), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)
    assert len(kept) == 5
    assert kept <= set(found.scores["fit_seconds"])
    again = compare(estimators, **data, probes=["logistic"], folder=tmp_path)
    pd.testing.assert_frame_equal(found.scores, again.scores)
    # Predictions that are missing are made again, with their scores.
    rows = (tmp_path / "predictions.csv").read_text().splitlines(keepends=True)
    (tmp_path / "predictions.csv").write_text("".join(rows[:-4]))
    again = compare(estimators, **data, probes=["logistic"], folder=tmp_path)
    pd.testing.assert_frame_equal(expected.predictions, again.predictions)
    for name in ("scores", "predictions", "leakage"):
        (tmp_path / f"{name}.csv").unlink()
    again = compare(estimators, **data, probes=["logistic"], folder=tmp_path)
    pd.testing.assert_frame_equal(expected.predictions, again.predictions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 3}, r"estimators.guess.seeds = \[0\], and now it is \[0, 1, 2\]"),
        ({"y": ["anger", "sadness"] * 60}, "data"),
        ({"cv": GroupKFold(2)}, "protocol.cv = 'loso'"),
        ({"estimators": {"guess": LR}}, "'DummyClassifier', and now it is 'Pipeline'"),
        ({"probes": ["logistic"]}, r"probes = \[\]"),
    ],
)
def test_compare_never_mixes_the_rows_of_two_comparisons(
    change, message, toy, tmp_path
):
    options = {"estimators": {"guess": GUESS}, "seeds": 1, "probes": ()}
    arguments = {**toy._asdict(), **options, "folder": tmp_path}
    compare(**arguments)
    before = (tmp_path / "scores.csv").read_text()
    with pytest.raises(FileExistsError, match=message):
        compare(**{**arguments, **change})
    assert (tmp_path / "scores.csv").read_text() == before


def test_compare_refuses_results_of_other_versions(toy, tmp_path):
    compare({"LR": LR}, *toy, probes=(), folder=tmp_path)
    file = tmp_path / "comparison.json"
    settings = json.loads(file.read_text())
    settings["versions"]["scikit-learn"] = "0.1"
    file.write_text(json.dumps(settings))
    with pytest.raises(FileExistsError, match=r"versions\.scikit-learn = '0.1'"):
        compare({"LR": LR}, *toy, probes=(), folder=tmp_path)
    file.unlink()
    with pytest.raises(FileExistsError, match=r"no comparison\.json"):
        compare({"LR": LR}, *toy, probes=(), folder=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"comparison\.json is missing"):
        Comparison.load(tmp_path)


def test_compare_when_interrupted_leaves_what_was_finished(toy, tmp_path):
    class Interrupted(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare({"LR": LR, "stop": Interrupted()}, *toy, folder=tmp_path, probes=())
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["estimator"]) == {"LR"}
    assert 1 <= len(scores) <= 4
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 30 * len(scores)


def test_compare_goes_on_without_the_estimator_that_fails(toy, tmp_path):
    estimators = {"bad": SVC(C=-1, random_state=0), "LR": LR}
    with pytest.warns(FitFailedWarning, match="'bad' with seed 5 for fold 0"):
        comparison = compare(
            estimators, *toy, seeds=[5], probes=["logistic"], folder=tmp_path
        )
    errors = comparison.errors
    assert list(errors["estimator"]) == ["bad"] * 4  # its leakage needs no fit
    assert set(errors["error"]) == {"InvalidParameterError"}
    assert errors["message"].str.contains("'C' parameter").all()
    assert errors["traceback"].str.startswith("Traceback").all()
    summary = comparison.summary()
    assert list(summary["errors"]) == [4, 0]
    assert np.isnan(summary["uar"]["bad"])
    assert summary["uar"]["LR"] > 0.7
    assert comparison.pairwise().empty
    pd.testing.assert_frame_equal(Comparison.load(tmp_path).errors, errors)


def test_compare_scores_no_seed_of_which_a_fold_failed(toy):
    class Moody(DummyClassifier):
        def fit(self, X, y):
            if self.random_state == 1 and toy.X[0, 0] not in X[:, 0]:
                raise RuntimeError("not today")
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning, match="not today"):
        comparison = compare(
            {"moody": Moody(strategy="stratified")}, *toy, seeds=3, probes=()
        )
    assert len(comparison.errors) == 1
    assert list(comparison.by_seed().index) == [("moody", 0), ("moody", 2)]
    assert comparison.summary()["seeds"]["moody"] == 2


def test_compare_fits_a_network_alone_when_another_of_its_stack_fails(toy):
    networks = {
        "good": AdversarialSER(None, max_epochs=2, random_state=0),
        "bad": AdversarialSER(None, max_epochs=2, lr=-1, random_state=0),
    }
    with pytest.warns(FitFailedWarning, match="'bad'"):
        found = compare(networks, *toy, cv=GroupKFold(2), probes=()).summary()
    assert list(found["errors"]) == [0, 2]
    assert found["uar"]["good"] > 0


def test_compare_raises_when_everything_fails(toy):
    with pytest.raises(ValueError, match="Traceback") as error:
        compare({"bad": SVC(C=-1, random_state=0)}, *toy, probes=())
    assert "'C' parameter" in str(error.value)


def test_compare_tries_again_what_failed_before(toy, tmp_path):
    class Shy(DummyClassifier):
        attempts = 0

        def fit(self, X, y):
            Shy.attempts += 1
            if Shy.attempts == 1:
                raise RuntimeError("not yet")
            return super().fit(X, y)

    arguments = {"estimators": {"shy": Shy()}, **toy._asdict(), "probes": ()}
    with pytest.warns(FitFailedWarning, match="not yet"):
        compare(**arguments, seeds=1, folder=tmp_path)
    assert (tmp_path / "errors.csv").exists()
    comparison = compare(**arguments, seeds=1, folder=tmp_path)
    assert comparison.errors.empty
    assert Shy.attempts == 5
    assert not (tmp_path / "errors.csv").exists()


def test_scores_hold_the_recall_of_each_emotion(toy):
    comparison = compare({"LR": LR}, *toy, probes=["logistic"])
    row = comparison.scores.iloc[0]
    rows = comparison.predictions.query("fold == 0")
    pair = rows["y_true"], rows["y_pred"]
    emotions = sorted(set(toy.y))
    expected = recall_score(*pair, average=None, labels=emotions)
    found = [row[f"recall_{emotion}"] for emotion in emotions]
    assert found == pytest.approx(list(expected))
    assert row["macro_f1"] == pytest.approx(f1_score(*pair, average="macro"))
    leakage = comparison.to_frame()["leakage_logistic"]
    assert list(leakage) == [comparison.leakage["accuracy"][0]] * 4


def test_compare_chooses_settings_by_training_speakers_alone(toy):
    class Watched(GroupKFold):
        def split(self, X, y=None, groups=None):
            assert len(set(groups)) == 3
            return super().split(X, y, groups)

    comparison = compare(
        {"LR": LR, "fixed": LR},
        *toy,
        search={"LR": GRID},
        inner_cv=Watched(3),
        probes=(),
    )
    scores = comparison.scores.set_index("estimator")
    assert set(scores.loc["LR", "chosen"]) == {'{"logisticregression__C": 1.0}'}
    assert set(scores.loc["fixed", "chosen"]) == {""}
    assert list(comparison.summary()["candidates"]) == [2, 1]
    assert "unweighted average recall" in comparison.settings["selection"]


def test_compare_searches_networks_in_stacks(toy):
    network = AdversarialSER("grl", max_epochs=2)
    grid = {"adversary_weight": [0.1, 1.0], "alpha": [0.0, 0.01]}
    comparison = compare(
        {"network": network, "LR": LR, "fixed": LR},
        *toy,
        seeds=1,
        probes=["logistic"],
        search={"network": grid, "LR": GRID},
        scoring="balanced_accuracy",
    )
    summary = comparison.summary()
    assert list(summary["candidates"]) == [2, 2, 1]  # two of four, and two of two
    settings = comparison.settings["estimators"]
    assert len(settings["network"]["candidates"]) == 2
    # Neither has an embedding: both are judged by the same scaled features.
    leakage = summary["leakage_logistic"]
    assert leakage["LR"] == leakage["fixed"] != leakage["network"]


def test_compare_leaves_out_groups_of_speakers(toy):
    sessions = np.where(np.isin(toy.speakers, ["s1", "s2"]), "first", "second")
    comparison = compare({"LR": LR}, *toy, groups=sessions, probes=())
    assert len(comparison.scores) == 2
    with pytest.raises(ValueError, match=r"`cv` puts speaker .* into both"):
        compare({"LR": LR}, *toy, groups=np.arange(120) % 7, probes=())


def test_pairwise_tests_those_that_know_as_much_of_the_speaker(toy):
    model = LogisticRegression(random_state=0)
    estimators = {
        "guess": GUESS,
        "LR": LR,
        "LR, per speaker": make_pipeline(SpeakerScaler(unknown="batch"), model),
        "Bayes": GaussianNB(),
    }
    comparison = compare(estimators, *toy, seeds=2, probes=())
    table = comparison.pairwise()
    pairs = list(zip(table["estimator"], table["other"], strict=True))
    assert pairs == [("guess", "LR"), ("guess", "Bayes"), ("LR", "Bayes")]
    uar = comparison.summary()["uar"]
    assert table["points"][0] == pytest.approx(100 * (uar["guess"] - uar["LR"]))
    assert table["p_value"][0] == pytest.approx(2 / 2**4)  # worse with all four
    assert table["p_holm"][0] == table["smallest_p_holm"][0] == pytest.approx(3 / 8)
    assert list(comparison.pairwise("LR")["estimator"]) == ["guess", "Bayes"]
    of_two = comparison.pairwise(["LR", "LR, per speaker"])
    assert list(of_two["estimator"]) == ["guess", "Bayes"]
    mixed = comparison.difference("LR, per speaker", "guess")
    assert mixed.difference == pytest.approx(uar["LR, per speaker"] - uar["guess"])
    with pytest.raises(ValueError, match="'SVM' has not finished"):
        comparison.pairwise("SVM")


def test_summary_has_the_interval_over_speakers(toy):
    comparison = compare({"guess": GUESS}, *toy, seeds=3, probes=())
    rows = [
        of_seed.reset_index() for _, of_seed in comparison.predictions.groupby("seed")
    ]
    expected = uar_interval(
        rows[0]["y_true"],
        np.column_stack([of_seed["y_pred"] for of_seed in rows]),
        speakers=rows[0]["speaker"],
    )
    summary = comparison.summary().loc["guess"]
    assert (summary["uar_low"], summary["uar_high"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": {}}, "`estimators` has 0 entries"),
        ({"seeds": 0}, "`seeds` 0"),
        ({"probes": ["svm"]}, "`probes` has 'svm'"),
        ({"cv": "kfold"}, "`cv` is 'kfold'"),
        ({"cv": Halves()}, "`cv` puts speaker .* into both"),
        ({"speakers": ["a"] * 120}, "`speakers` names 1 speaker"),
        ({"speakers": ["a"]}, "`speakers` has 1 entries and `X` has 120"),
        ({"y": ["a"]}, "`y` has 1 entries and `X` has 120"),
        ({"groups": ["a"]}, "`groups` has 1 entries and `X` has 120"),
        ({"search": {"SVM": {}}}, "`search` names 'SVM'"),
        ({"search": {"LR": GRID}, "n_candidates": 3}, "`n_candidates` is 3 .* 2 set"),
        ({"search": {"LR": GRID}, "inner_cv": Halves()}, "`inner_cv` puts speaker"),
    ],
)
def test_compare_of_bad_input_says_what_is_wrong(options, message, toy):
    arguments = {"estimators": {"LR": LR}, **toy._asdict(), **options}
    with pytest.raises(ValueError, match=message):
        compare(**arguments)
