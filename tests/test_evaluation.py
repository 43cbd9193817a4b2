"""Speaker-independent comparison."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_info

from advser import AdversarialSER
from advser.evaluation import compare
from advser.metrics import speaker_uar
from advser.probes import cross_val_leakage
from advser.scaling import SpeakerScaler

LR = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
GUESS = DummyClassifier(strategy="stratified")
TABLES = ["scores", "predictions", "leakage"]


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
    for name in TABLES:
        written = pd.read_csv(folder / f"{name}.csv")
        pd.testing.assert_frame_equal(written, getattr(comparison, name))
    with pytest.raises(FileExistsError, match="earlier comparison"):
        compare({"LR": LR}, *toy, folder=folder)


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


def test_compare_says_which_estimator_failed(toy):
    with pytest.raises(ValueError, match="'C' parameter") as error:
        compare({"bad": SVC(C=-1, random_state=0)}, *toy, seeds=[5], probes=())
    assert error.value.__notes__ == ["This was 'bad' with seed 5 in fold 0."]


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
    ],
)
def test_compare_of_bad_input_says_what_is_wrong(options, message, toy):
    arguments = {"estimators": {"LR": LR}, **toy._asdict(), **options}
    with pytest.raises(ValueError, match=message):
        compare(**arguments)
