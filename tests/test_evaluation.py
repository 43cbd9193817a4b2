"""Speaker-independent comparison."""

import copy
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import product
from threading import Event

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from baselines import GUESS, LR
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, make_scorer, recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import EarlyStopping, LRScheduler
from threadpoolctl import threadpool_info
from torch import nn

from advser import AdaptationWarning, AdversarialSER, AdversarialSERRegressor
from advser.evaluation import (
    Comparison,
    EnrollmentScorer,
    ccc_interval,
    compare,
    cross_val_leakage,
    uar_interval,
)
from advser.evaluation._store import as_json
from advser.metrics import concordance_correlation, speaker_uar
from advser.objectives import GradientReversal
from advser.speakers import Session, SpeakerScaler, utterance_order

TABLES = ["scores", "predictions", "leakage", "errors"]
RIDGE = make_pipeline(StandardScaler(), Ridge(random_state=0))
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
    assert len(comparison.leakage) == 5  # of the raw features, too
    assert GUESS.random_state is None


def test_leakage_is_that_of_cross_val_leakage(toy):
    comparison = compare({"LR": LR}, *toy, seeds=[3])
    for probe in ("logistic", "mlp"):
        expected = cross_val_leakage(LR, *toy, probe=probe, random_state=3)
        summary = comparison.summary().loc["LR"]
        assert summary[f"leakage_{probe}"] == pytest.approx(expected.accuracy)
        assert summary["chance"] == 0.25


def test_every_probe_predicts_speaker_and_gender(toy, tmp_path):
    genders = np.where(np.isin(toy.speakers, ["s1", "s2"]), "female", "male")
    options = {
        "seeds": [3],
        "probes": ["knn", "logistic"],
        "within_emotion": True,
        "genders": genders,
        "folder": tmp_path,
    }
    comparison = compare({"LR": LR}, *toy, **options)
    summary = comparison.summary().loc["LR"]
    for probe in ("logistic", "knn"):
        expected = {
            "leakage": cross_val_leakage(LR, *toy, probe=probe, random_state=3),
            "within_emotion": cross_val_leakage(
                LR, *toy, probe=probe, within_emotion=True, random_state=3
            ),
            "gender": cross_val_leakage(
                LR, *toy, probe=probe, genders=genders, random_state=3
            ),
        }
        for name, leakage in expected.items():
            assert summary[f"{name}_{probe}"] == pytest.approx(leakage.accuracy)
    table = comparison.leakage_summary()
    asked = ["speaker", "speaker within emotion", "gender"]
    assert list(table["asked"].unique()) == asked
    assert list(table["probe"].unique()) == ["knn", "logistic"]
    assert table["chance"][table["asked"] == "gender"].eq(0.5).all()
    assert table["majority"][table["asked"] == "speaker"].eq(0.25).all()
    pd.testing.assert_frame_equal(Comparison.load(tmp_path).leakage_summary(), table)
    again = compare({"LR": LR}, *toy, **options)
    pd.testing.assert_frame_equal(again.leakage, comparison.leakage)
    with pytest.raises(FileExistsError, match="asked"):
        compare({"LR": LR}, *toy, **{**options, "within_emotion": False})


def test_leakage_includes_that_of_the_raw_features(toy):
    X = toy.X * [1, 1, 1, 0, 0, 0, 0, 1]  # the speaker is gone
    data = X, toy.y, toy.speakers
    network = AdversarialSER(None, max_epochs=2)
    table = compare({"net": network}, *data, seeds=2, probes=["knn"]).leakage_summary()
    assert list(table["estimator"]) == ["raw features", "net"]
    raw = cross_val_leakage(SVC(), *data, probe="knn", random_state=0)
    assert table["accuracy"].iloc[0] == pytest.approx(raw.accuracy)
    files = [f"{number}" for number in range(120)]  # of which no probe makes anything

    class Reader(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def transform(self, X):
            return toy.X[[int(name) for name in X]]

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    found = compare({"reader": Reader()}, files, *data[1:], probes=["knn"])
    assert list(found.leakage["estimator"]) == ["reader"]


def test_compare_without_probes_has_no_leakage(toy):
    comparison = compare({"LR": LR}, *toy, probes=())
    assert comparison.leakage.empty
    assert not any("leakage" in name for name in comparison.summary())


def test_compare_passes_speakers_to_estimators_that_request_them(toy):
    class Recorder(ClassifierMixin, BaseEstimator):
        __metadata_request__fit = {"speakers": True}

        def fit(self, X, y, speakers=None):
            self.classes_, self.speakers_ = np.unique(y), set(speakers)
            return self

        def predict(self, X):
            return np.full(len(X), "+".join(sorted(self.speakers_)))

    comparison = compare({"recorder": Recorder()}, *toy, probes=())
    predicted = comparison.predictions.groupby("speaker")["y_pred"].first()
    assert predicted["s1"] == "s10+s2+s3"


def test_compare_passes_speakers_to_the_splitter_of_a_search(toy):
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
    assert list(summary["kind"]) == ["inductive", "transductive"]
    assert (summary["uar"] > 0.4).all()


@pytest.mark.parametrize(
    ("unknown", "kind"),
    [
        ("population", "inductive"),
        ("adapt", "adaptive, blocks"),
        ("batch", "transductive"),
    ],
)
def test_compare_names_what_is_known_of_the_test_speaker(unknown, kind, toy):
    model = make_pipeline(
        SpeakerScaler(unknown=unknown, balance=False), SVC(random_state=0)
    )
    comparison = compare({"SVM": model}, *toy, probes=(), order="blocks")
    assert comparison.scores["kind"].eq(kind).all()
    assert list(comparison.kinds()) == [kind]


@pytest.fixture
def adaptive():
    """Return a pipeline that adapts to the speaker, without a choice in `fit`."""
    scaler = SpeakerScaler(unknown="adapt", balance=False, shrinkage=2)
    return make_pipeline(scaler, LogisticRegression(random_state=0))


def test_compare_predicts_utterances_in_an_order_that_the_seed_draws(adaptive, toy):
    found = compare({"LR": adaptive}, *toy, seeds=2, probes=())
    assert list(found.kinds().items()) == [
        ("LR, random", "adaptive, random"),
        ("LR, blocks", "adaptive, blocks"),
        ("LR, emotions", "adaptive, emotions"),
    ]
    test, train = toy.speakers == toy.speakers[0], toy.speakers != toy.speakers[0]
    model = clone(adaptive)
    scaled = model[0].fit_transform(toy.X[train], toy.y[train], toy.speakers[train])
    model[1].fit(scaled, toy.y[train])
    for seed, order in product([0, 1], ["random", "blocks", "emotions"]):
        rows = np.flatnonzero(test)
        rows = rows[
            utterance_order(toy.y[rows], toy.speakers[rows], order, random_state=seed)
        ]
        expected = Session(model).predict(toy.X[rows], speaker="new")
        one = found.predictions.query(f"estimator == 'LR, {order}' and seed == {seed}")
        one = one[one["speaker"] == toy.speakers[0]]
        assert list(one["sample"]) == sorted(rows)
        assert dict(zip(one["sample"], one["y_pred"])) == dict(zip(rows, expected))
    assert found.pairwise().empty  # scores of different orders are not compared


def test_compare_fits_once_for_all_orders_and_their_draws(adaptive, toy):
    fits = []

    class Counted(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    counted = make_pipeline(adaptive[0], Counted(random_state=0))
    compare({"LR": counted}, *toy, seeds=3, probes=())
    assert len(fits) == 4  # a fit for each fold


def test_compare_goes_on_with_the_orders_that_are_left(adaptive, toy, tmp_path):
    whole = compare({"LR": adaptive}, *toy, seeds=2, probes=(), folder=tmp_path)
    scores = (tmp_path / "scores.csv").read_text().splitlines(keepends=True)
    (tmp_path / "scores.csv").write_text("".join(scores[:4]))
    again = compare({"LR": adaptive}, *toy, seeds=2, probes=(), folder=tmp_path)
    for one, other in zip(without_seconds(again), without_seconds(whole)):
        pd.testing.assert_frame_equal(one, other)


def test_compare_refuses_to_adapt_where_there_is_no_order(adaptive, toy):
    cv = GroupKFold(2)
    search = GridSearchCV(adaptive, {"logisticregression__C": [1.0]}, cv=cv)
    with pytest.raises(ValueError, match=r"A search .* cannot hold"):
        compare({"LR": search}, *toy, probes=())
    with pytest.raises(ValueError, match=r"A search .* cannot hold"):
        compare({"LR": adaptive}, *toy, probes=(), search={"LR": search.param_grid})
    with pytest.raises(ValueError, match="`order` has 'sorted'"):
        compare({"LR": adaptive}, *toy, probes=(), order="sorted")


def test_compare_scales_each_speaker_of_a_test_fold_separately(toy):
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


class SpeakersFirst(ClassifierMixin, BaseEstimator):
    """Right if `by_speaker` says whether each speaker has a first feature of 0."""

    def __init__(self, by_speaker=True):
        self.by_speaker = by_speaker

    def fit(self, X, y):
        """Store the two classes."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Return the second class where the second feature is large, or the first."""
        is_right = np.allclose(X[:, 0], 0) is self.by_speaker
        return self.classes_[((X[:, 1] > 0) == is_right).astype(int)]


def test_inner_folds_scale_each_speaker_separately():
    codes, is_high = np.repeat(np.arange(8), 6), np.arange(48) % 2
    model = make_pipeline(SpeakerScaler(unknown="batch", shrinkage=0), SpeakersFirst())
    found = compare(
        {"model": model},
        np.column_stack([codes, is_high]),
        is_high,
        codes,
        cv=GroupKFold(2),
        search={"model": {"speakersfirst__by_speaker": [False, True]}},
        inner_cv=2,
        probes=(),
    )
    assert found.summary().loc["model", "uar"] == 1


def test_fitted_searches_scale_each_speaker_of_a_test_fold_separately(toy):
    X = toy.X + 50 * np.unique(toy.speakers, return_inverse=True)[1][:, None]
    scaler = SpeakerScaler(unknown="batch", shrinkage=0)
    model = make_pipeline(scaler, SVC(random_state=0))
    settings = {"cv": GroupKFold(2), "probes": ()}
    plain = compare({"SVM": model}, X, toy.y, toy.speakers, **settings)
    search = GridSearchCV(model, {"svc__C": [1.0]}, cv=GroupKFold(2))
    found = compare({"SVM": search}, X, toy.y, toy.speakers, **settings)
    assert found.summary()["uar"].equals(plain.summary()["uar"])


def test_speakers_that_do_not_reach_the_scaler_are_an_error(toy):
    model = make_pipeline(SpeakerScaler(unknown="batch"), SVC(random_state=0))
    estimators = {"vote": VotingClassifier([("SVM", model)])}
    message = "VotingClassifier does not pass speakers on .* the 2 speakers"
    with pytest.raises(ValueError, match=message):
        compare(estimators, *toy, cv=GroupKFold(2), probes=())
    assert compare(estimators, *toy, probes=()).errors.empty  # one speaker at a time


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


def test_compare_repeats_the_jobs_of_a_killed_process(toy, tmp_path):
    here, flag = os.getpid(), tmp_path / "died"

    def die_once(X):
        if os.getpid() != here and not flag.exists():
            flag.touch()
            os._exit(1)
        return X

    networks = {
        name: make_pipeline(FunctionTransformer(die_once), AdversarialSER(max_epochs=2))
        for name in ("one", "other")
    }
    with pytest.warns(RuntimeWarning, match="A process has ended"):
        comparison = compare(networks, **toy._asdict(), seeds=1, probes=[], n_jobs=2)
    assert flag.exists()
    assert comparison.errors.empty
    expected = compare(networks, **toy._asdict(), seeds=1, probes=[])
    keys = ["estimator", "seed", "fold", "sample"]
    pd.testing.assert_frame_equal(
        comparison.predictions.sort_values(keys)[[*keys, "y_pred"]],
        expected.predictions.sort_values(keys)[[*keys, "y_pred"]],
        check_like=True,
    )


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


def test_compare_with_the_same_settings_continues(toy, tmp_path):
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
def test_compare_refuses_results_of_other_settings(change, message, toy, tmp_path):
    options = {"estimators": {"guess": GUESS}, "seeds": 1, "probes": ()}
    arguments = {**toy._asdict(), **options, "folder": tmp_path}
    compare(**arguments)
    before = (tmp_path / "scores.csv").read_text()
    with pytest.raises(FileExistsError, match=message):
        compare(**{**arguments, **change})
    assert (tmp_path / "scores.csv").read_text() == before


def test_function_has_the_same_text_in_each_process():
    def text(constant):
        names = {}
        code = f"def outer(x):\n return [x in {{'a', 'b'}}, lambda y: y + {constant}]"
        exec(code, names)
        return as_json(names["outer"])

    assert text(1) == text(1)  # of two functions at two addresses
    assert text(1) != text(2)


def power(exponent):
    return lambda X, factor=1: factor * X**exponent


class Power:
    """Raise to a power."""

    def __init__(self, exponent):
        self.exponent = exponent

    def __call__(self, X):  # noqa: D102
        return X**self.exponent


def seeded_layer(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    "make",
    [
        power,
        Power,
        partial(loguniform, 0.5),
        lambda number: lru_cache(power(number)),
        lambda number: partial(power(number), factor=2),
        lambda number: lambda X, *, factor=number: factor * X,
        lambda number: partial(sorted, key=power(number)),
        lambda number: Power(number).__call__,
        lambda number: [EarlyStopping(patience=number)],
        lambda number: [("lr", LRScheduler(step_size=number))],
        lambda number: make_scorer(power(number)),
        lambda number: EnrollmentScorer([number]),
        lambda number: make_column_selector(str(number)),
        lambda number: [{"a": np.append(np.zeros(2000), [number, *[0] * 2000])}],
        np.random.RandomState,
        seeded_layer,
    ],
)
def test_parameters_that_differ_have_different_texts(make):
    assert as_json(make(1)) == as_json(make(1))
    assert as_json(make(1)) != as_json(make(2))


def test_compare_refuses_results_of_steps_in_another_order(toy, tmp_path):
    scale, project = StandardScaler(), PCA(2, random_state=0)
    compare({"LR": make_pipeline(scale, project, LR)}, *toy, probes=(), folder=tmp_path)
    other = make_pipeline(project, scale, LR)
    with pytest.raises(FileExistsError, match=r"parameters\.steps"):
        compare({"LR": other}, *toy, probes=(), folder=tmp_path)


def test_compare_refuses_results_of_columns_with_other_names(toy, tmp_path):
    table = pd.DataFrame(toy.X).add_prefix("f")
    compare({"LR": LR}, table, *toy[1:], probes=(), folder=tmp_path)
    other = table.set_axis(table.columns[::-1], axis=1)
    with pytest.raises(FileExistsError, match="fingerprint"):
        compare({"LR": LR}, other, *toy[1:], probes=(), folder=tmp_path)


def test_compare_refuses_results_of_another_function(toy, tmp_path):
    def compare_with(function):
        model = make_pipeline(FunctionTransformer(function), LR)
        return compare({"LR": model}, *toy, probes=(), folder=tmp_path)

    compare_with(lambda X: X[:, :2])
    compare_with(lambda X: X[:, :2])
    with pytest.raises(FileExistsError, match="func"):
        compare_with(lambda X: X[:, :1])


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


def test_compare_keeps_finished_results_when_interrupted(toy, tmp_path):
    class Interrupted(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare({"LR": LR, "stop": Interrupted()}, *toy, folder=tmp_path, probes=())
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["estimator"]) == {"LR"}
    assert 1 <= len(scores) <= 4
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 30 * len(scores)


def test_compare_continues_without_the_estimator_that_fails(toy, tmp_path):
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


def test_a_seed_with_a_failed_fold_has_no_score(toy):
    class FailsOnce(DummyClassifier):
        def fit(self, X, y):
            if self.random_state == 1 and toy.X[0, 0] not in X[:, 0]:
                raise RuntimeError("not today")
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning, match="not today"):
        comparison = compare(
            {"fails once": FailsOnce(strategy="stratified")}, *toy, seeds=3, probes=()
        )
    assert len(comparison.errors) == 1
    assert list(comparison.by_seed().index) == [("fails once", 0), ("fails once", 2)]
    assert comparison.summary()["seeds"]["fails once"] == 2


def test_a_network_that_fails_leaves_the_others_of_its_stack(toy):
    networks = {
        "good": AdversarialSER(None, max_epochs=2, random_state=0),
        "bad": AdversarialSER(None, max_epochs=2, lr=-1, random_state=0),
    }
    with pytest.warns(FitFailedWarning, match="'bad'"):
        found = compare(networks, *toy, cv=GroupKFold(2), probes=()).summary()
    assert list(found["errors"]) == [0, 2]
    assert found["uar"]["good"] > 0


def test_compare_raises_when_all_fits_fail(toy):
    with pytest.raises(ValueError, match="Traceback") as error:
        compare({"bad": SVC(C=-1, random_state=0)}, *toy, probes=())
    assert "'C' parameter" in str(error.value)


def test_compare_repeats_fits_that_failed_before(toy, tmp_path):
    class FailsFirst(DummyClassifier):
        attempts = 0

        def fit(self, X, y):
            FailsFirst.attempts += 1
            if FailsFirst.attempts == 1:
                raise RuntimeError("not yet")
            return super().fit(X, y)

    arguments = {
        "estimators": {"fails first": FailsFirst()},
        **toy._asdict(),
        "probes": (),
    }
    with pytest.warns(FitFailedWarning, match="not yet"):
        compare(**arguments, seeds=1, folder=tmp_path)
    assert (tmp_path / "errors.csv").exists()
    comparison = compare(**arguments, seeds=1, folder=tmp_path)
    assert comparison.errors.empty
    assert FailsFirst.attempts == 5
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
    grid = {"adversary__weight": [0.1, 1.0], "alpha": [0.0, 0.01]}
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


def test_pairwise_compares_estimators_of_one_kind(toy):
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
    with pytest.raises(ValueError, match="'SVM' is none of the estimators"):
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
        ({"seeds": 0}, "`seeds` must be an int"),
        ({"estimators": {"raw features": LR}}, "`estimators` has 'raw features'"),
        ({"genders": ["a"]}, "`genders` has 1 entries"),
        ({"genders": ["a"] * 120}, "`genders` has {'a': 4} as numbers of speakers"),
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
def test_errors_of_bad_input(options, message, toy):
    arguments = {"estimators": {"LR": LR}, **toy._asdict(), **options}
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


# Ratings


@pytest.fixture
def rated(toy):
    """Two ratings of each utterance, some missing, with an offset for each speaker."""
    offset = np.unique(toy.speakers, return_inverse=True)[1]
    ratings = toy.X[:, :2] + 0.3 * offset[:, None]
    y = pd.DataFrame(ratings, columns=["arousal", "valence"])
    y.loc[::10, "valence"] = np.nan
    return toy.X, y, toy.speakers


def test_compare_leaves_masked_ratings_out(rated):
    X, y, speakers = rated
    missing = np.arange(len(X)) % 3 == 0
    masked = np.ma.array(y["arousal"].where(~missing, 99.0), mask=missing)
    found, expected = (
        compare({"net": network(random_state=0)}, X, one, speakers, cv=2, probes=())
        for one in (masked, y["arousal"].mask(missing).to_numpy())
    )
    assert found.summary()["ccc"].item() == expected.summary()["ccc"].item()


def network(**settings):
    return AdversarialSERRegressor("grl", max_epochs=3, **settings)


def test_compare_rates_new_speakers(rated):
    y = rated[1]
    networks = {"net": network(), "fixed": network(random_state=1)}
    comparison = compare(networks, *rated, seeds=2, probes=["logistic"])
    assert comparison.measure == "ccc"
    rows = comparison.predictions.query("estimator == 'net' and seed == 1")
    rows = rows.set_index("sample").sort_index()
    pd.testing.assert_series_equal(
        rows["y_true_valence"], y["valence"], check_names=False
    )
    found = comparison.by_seed().loc["net", 1]
    y_pred = rows[["y_pred_arousal", "y_pred_valence"]]
    expected = concordance_correlation(y, y_pred, multioutput="raw_values")
    assert list(found[["ccc_arousal", "ccc_valence"]]) == pytest.approx(list(expected))
    assert found["ccc"] == pytest.approx(expected.mean())
    assert found["mae"] > 0
    error = (rows["y_pred_arousal"] - y["arousal"]).abs().mean()
    assert found["mae_arousal"] == pytest.approx(error)
    of_speaker = rows[rows["speaker"] == "s1"]
    row = comparison.scores.query("estimator == 'net' and seed == 1")
    row = row[row["test_speakers"] == "s1"].iloc[0]
    expected = concordance_correlation(
        of_speaker["y_true_arousal"], of_speaker["y_pred_arousal"]
    )
    assert row["ccc_arousal"] == pytest.approx(expected)
    runs = comparison.scores.query("estimator == 'net' and test_speakers == 's1'")
    assert comparison.by_speaker().loc["s1", "net"] == pytest.approx(runs["ccc"].mean())
    summary = comparison.summary()
    assert list(summary["seeds"]) == [2, 1]
    assert summary["worst_speaker_ccc"]["net"] == comparison.by_speaker()["net"].min()
    assert summary["leakage_logistic"].between(0.25, 1).all()


def test_ratings_are_tested_over_speakers(rated, toy):
    X, y, speakers = rated
    scaled = make_pipeline(SpeakerScaler(unknown="batch"), Ridge(random_state=0))
    estimators = {
        "ridge": RIDGE,
        "net": network(),
        "ridge, per speaker": scaled,
    }
    data = X, y["arousal"], speakers
    comparison = compare(estimators, *data, seeds=2, probes=())
    table = comparison.pairwise()
    summary = comparison.summary()
    assert list(summary["kind"]) == ["inductive", "inductive", "transductive"]
    assert list(table["estimator"] + " " + table["other"]) == ["ridge net"]
    lead = summary["ccc"]["ridge"] - summary["ccc"]["net"]
    assert table["difference"][0] == pytest.approx(lead)
    assert table["p_value"][0] == pytest.approx(2 / 2**4)  # better with all four
    rows = comparison.predictions.query("estimator == 'net'")
    first, second = (rows[rows["seed"] == seed] for seed in (0, 1))
    expected = ccc_interval(
        first["y_true_arousal"],
        np.column_stack([first["y_pred_arousal"], second["y_pred_arousal"]]),
        speakers=first["speaker"],
    )
    found = summary.loc["net", ["ccc_low", "ccc_high"]]
    assert list(found) == pytest.approx(expected)


def test_ratings_are_resumed_and_loaded_from_a_folder(rated, tmp_path):
    X, y, speakers = rated
    y = y.fillna(0)
    bad = Ridge(alpha=-1, random_state=0)
    arguments = ({"net": network(), "bad": bad}, X, y, speakers)
    options = {"seeds": 2, "probes": ["logistic"], "folder": tmp_path}
    with pytest.warns(FitFailedWarning, match="'bad'"):
        expected = compare(*arguments, **options)
    scores = (tmp_path / "scores.csv").read_text().splitlines(keepends=True)
    (tmp_path / "scores.csv").write_text("".join(scores[:4]))
    kept = set(pd.read_csv(tmp_path / "scores.csv")["fit_seconds"])
    with pytest.warns(FitFailedWarning, match="'bad'"):
        found = compare(*arguments, **options)
    assert kept <= set(found.scores["fit_seconds"])
    for one, other in zip(
        without_seconds(expected), without_seconds(found), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)
    loaded = Comparison.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.summary(), found.summary())
    with pytest.raises(FileExistsError, match=r"data\.targets"):
        compare(*arguments[:2], y.set_axis(["a", "b"], axis=1), speakers, **options)


def test_of_target_is_the_comparison_of_that_target_alone(rated):
    X, y, speakers = rated
    comparison = compare({"ridge": RIDGE}, X, y.fillna(0), speakers, probes=())
    alone = compare({"ridge": RIDGE}, X, y[["arousal"]], speakers, probes=())
    found = comparison.of_target("arousal")
    pd.testing.assert_frame_equal(found.predictions, alone.predictions)
    assert list(found.scores) == list(alone.scores)
    np.testing.assert_allclose(found.scores["mae"], alone.scores["mae"])
    assert list(found.summary()) == list(alone.summary())
    low = [of.summary()["ccc_low"]["ridge"] for of in (found, alone)]
    assert low[0] == pytest.approx(low[1])
    with pytest.raises(ValueError, match=r"'joy'; .* \['arousal', 'valence'\]"):
        comparison.of_target("joy")


def test_settings_of_regressors_are_chosen_by_concordance(rated):
    X, y, speakers = rated
    comparison = compare(
        {"ridge": RIDGE, "net": network()},
        X,
        y.fillna(0),
        speakers,
        search={"ridge": {"ridge__alpha": [1e6, 1.0]}, "net": {"lr": [1e-9, 0.01]}},
        inner_cv=3,
        seeds=1,
        probes=(),
    )
    chosen = comparison.scores.groupby("estimator")["chosen"].unique()
    assert list(chosen["ridge"]) == ['{"ridge__alpha": 1.0}']
    assert list(chosen["net"]) == ['{"lr": 0.01}']
    assert "highest mean of concordance" in comparison.settings["selection"]


def test_searches_leave_out_inner_folds_without_a_score(rated):
    X, y, speakers = rated
    y = y["arousal"].where(speakers != speakers[0])  # nobody rated that speaker
    grid = {"net": {"lr": [1e-9, 0.01]}}
    shared = {"search": grid, "inner_cv": "loso", "seeds": 1, "probes": ()}
    with pytest.warns(UserWarning, match="non-finite"):  # from scikit-learn
        comparison = compare({"net": network()}, X, y, speakers, **shared)
    assert list(comparison.scores["chosen"].unique()) == ['{"lr": 0.01}']
    never = make_scorer(lambda y_true, y_pred: np.nan)
    with (
        pytest.warns(UserWarning, match="non-finite"),
        pytest.raises(ValueError, match="no score of any candidate"),
    ):
        compare({"net": network()}, X, y, speakers, scoring=never, **shared)


@pytest.mark.parametrize(
    ("y", "targets"),
    [
        (lambda y: y.to_numpy(), ["0", "1"]),
        (lambda y: y["arousal"].to_numpy(), ["rating"]),
        (lambda y: list(y["arousal"]), ["rating"]),
        (lambda y: y["arousal"], ["arousal"]),
        (lambda y: y[["arousal"]], ["arousal"]),
    ],
)
def test_targets_have_the_names_of_the_columns(y, targets, rated):
    X, ratings, speakers = rated
    model = LinearRegression()
    comparison = compare({"LR": model}, X, y(ratings.fillna(0)), speakers, probes=())
    assert comparison.settings["data"]["targets"] == targets
    assert f"y_pred_{targets[0]}" in comparison.predictions
    assert comparison.summary()["ccc"]["LR"] > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": {"LR": LR, "ridge": RIDGE}}, "the regressor 'ridge' and 'LR'"),
        ({"y": ["joy"] * 120}, "`y` must hold numbers: could not"),
        ({"y": np.zeros(7)}, r"`y` must .* shape is \(7,\), and it needs .* 120"),
        ({"y": np.zeros((120, 2, 2))}, r"`y` must .* shape is \(120, 2, 2\)"),
        ({"y": np.full(120, np.inf)}, "`y` holds inf; its numbers must be finite"),
        ({"y": pd.DataFrame(np.ones((120, 2)), columns=["a", "a"])}, "a name of its"),
        ({"y": np.full(120, np.nan)}, "`y` has no rating of target 'rating'"),
        ({"within_emotion": True}, "`within_emotion=True` .* are regressors"),
    ],
)
def test_errors_of_bad_ratings(options, message, rated):
    arguments = dict(zip(["X", "y", "speakers"], rated, strict=True))
    with pytest.raises(ValueError, match=message):
        compare(**{"estimators": {"ridge": RIDGE}, **arguments, **options})


def test_comparison_prints_the_score_of_each_estimator(toy):
    comparison = compare({"LR": LR, "guess": GUESS}, *toy, seeds=2, probes=())
    summary = comparison.summary()
    lines = str(comparison).splitlines()
    assert lines[0].split() == [
        "uar",
        "uar_std",
        "uar_low",
        "uar_high",
        "kind",
        "errors",
    ]
    assert lines[2].split()[:2] == ["LR", f"{summary['uar']['LR']:.3f}"]
    assert f"<td>{summary['uar']['LR']:.3f}</td>" in comparison._repr_html_()
    assert f"{summary['uar']['LR']:.3f}" in str(summary.round(3))


def test_compare_warns_once_of_fits_that_do_not_adapt(toy):
    speakers = toy.speakers
    codes = np.unique(speakers, return_inverse=True)[1]
    y = np.where(codes % 2, "joy", "anger")  # each speaker has one emotion
    X = toy.X + 3 * (codes % 2)[:, None]
    model = make_pipeline(
        SpeakerScaler(unknown="adapt"), LogisticRegression(random_state=0)
    )
    with pytest.warns(AdaptationWarning, match=r"In \d+ of 12 scores") as caught:
        comparison = compare({"LR": model}, X, y, speakers, seeds=1, probes=())
    assert len(caught) == 1
    assert '{"adapt": "none"}' in set(comparison.scores["chosen"])


def test_intervals_and_differences_of_adaptive_scores_are_of_the_right_rows(toy):
    def adaptive(classifier):
        scaler = SpeakerScaler(unknown="adapt", balance=False)
        return make_pipeline(scaler, classifier)

    estimators = {
        "LR": adaptive(LogisticRegression(random_state=0)),
        "Bayes": adaptive(GaussianNB()),
    }
    comparison = compare(estimators, *toy, seeds=3, probes=(), order="random")
    summary = comparison.summary()
    assert (summary["uar_low"] <= summary["uar"]).all()
    assert (summary["uar"] <= summary["uar_high"]).all()
    lead = summary["uar"]["LR"] - summary["uar"]["Bayes"]
    found = comparison.difference("LR", "Bayes").difference
    assert found == pytest.approx(lead)


def test_compare_refuses_the_name_of_an_order(adaptive, toy):
    estimators = {"LR": adaptive, "LR, random": GUESS}
    with pytest.raises(ValueError, match="'LR, random', which is also the name"):
        compare(estimators, *toy, probes=())


def test_candidates_that_are_estimators_are_told_apart_on_resuming(toy, tmp_path):
    def search(*strengths):
        candidates = [LogisticRegression(C=C, random_state=0) for C in strengths]
        return compare(
            {"LR": make_pipeline(StandardScaler(), LogisticRegression())},
            *toy,
            probes=(),
            inner_cv=2,
            folder=tmp_path,
            search={"LR": {"logisticregression": candidates}},
        )

    search(0.1, 1.0)
    with pytest.raises(FileExistsError, match=r"estimators\.LR\.candidates"):
        search(0.1, 10.0)


def test_candidates_of_a_search_have_the_seed(toy):
    forests = [RandomForestClassifier(2), RandomForestClassifier(3)]
    runs = [
        compare(
            {"LR": make_pipeline(LogisticRegression(random_state=0))},
            *toy,
            probes=(),
            seeds=2,
            inner_cv=2,
            search={"LR": {"logisticregression": forests}},
        )
        for _ in range(2)
    ]
    assert runs[0].summary()["seeds"].tolist() == [2]
    predictions = [run.predictions["y_pred"] for run in runs]
    assert predictions[0].tolist() == predictions[1].tolist()


def test_kind_is_that_of_the_setting_an_inner_search_has_chosen(toy):
    scaled = make_pipeline(SpeakerScaler(), LogisticRegression(random_state=0))
    grid = {"speakerscaler__unknown": ["batch"]}
    model = make_pipeline(StandardScaler(), GridSearchCV(scaled, grid, cv=2))
    comparison = compare({"search": model}, *toy, probes=())
    assert comparison.kinds()["search"] == "transductive"
    with pytest.raises(ValueError, match="does not pass speakers on"):
        compare({"search": model}, *toy, probes=(), cv=2)


def test_speakers_with_few_ratings_are_not_the_worst():
    rng = np.random.default_rng(0)
    speakers = np.repeat([*"abcdef"], 12)
    X = rng.normal(size=(72, 3))
    ratings = X[:, 0] + 0.1 * rng.normal(size=72)
    ratings[np.flatnonzero(speakers == "c")[2:]] = np.nan
    ratings[speakers == "c"] *= -1  # the wrong sign
    model = AdversarialSERRegressor(None, max_epochs=2, random_state=0)
    summary = compare({"net": model}, X, ratings, speakers, probes=()).summary()
    assert summary["few_utterances"].tolist() == [1]
    assert summary["worst_speaker"].tolist() != ["c"]


def test_estimators_of_own_classes_are_told_apart_by_their_code(toy, tmp_path):
    def guess(code):
        class Guess(ClassifierMixin, BaseEstimator):
            def fit(self, X, y):
                self.classes_ = np.unique(y)
                return self

            def predict(self, X):
                return np.full(len(X), self.classes_[code])

        return Guess()

    def run(estimator):
        return compare({"own": estimator}, *toy, probes=(), folder=tmp_path)

    first = run(guess(0))
    assert run(guess(0)).predictions.equals(first.predictions)
    for other in (guess(1), CalibratedClassifierCV(guess(0))):
        with pytest.raises(FileExistsError, match=r"estimators\.own\.class"):
            run(other)


def test_own_classes_are_told_apart_by_their_attributes():
    def objective(n_steps):
        class Own(GradientReversal):
            n_adversary_steps = n_steps

        return Own()

    first, same, other = (as_json(objective(n_steps)) for n_steps in (1, 1, 5))
    assert first == same != other


def test_modules_are_told_apart_by_all_that_they_hold():
    layer = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3))
    frozen = copy.deepcopy(layer).requires_grad_(False)
    dropped = copy.deepcopy(layer)
    dropped[1].p = 0.5
    buffered = copy.deepcopy(layer)
    buffered.register_buffer("scale", torch.ones(1), persistent=False)
    same = copy.deepcopy(layer).eval()
    assert as_json(same) == as_json(layer)
    assert len(set(map(as_json, (layer, frozen, dropped, buffered)))) == 4
    real, complex_ = (
        nn.ParameterList([torch.full((2,), value)]) for value in (1.0, 1.0 + 1j)
    )
    assert as_json(real) != as_json(complex_)
    assert as_json(nn.LazyLinear(3)) != as_json(nn.LazyLinear(4))


def test_own_modules_are_told_apart_by_their_code():
    def encoder(factor):
        class Scaled(nn.Module):
            def forward(self, x):
                return factor * x

        return Scaled()

    one, same, other = (
        as_json(AdversarialSER(encoder=encoder(factor)).encoder) for factor in (1, 1, 2)
    )
    assert one == same != other


class Waits(BaseEstimator, ClassifierMixin):
    """Waits in the fit until it may go on."""

    def __init__(self, number=0):
        self.number = number

    def fit(self, X, y):
        """Wait."""
        STARTED[self.number].set()
        assert MAY_GO_ON[self.number].wait(60)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Return one class."""
        return np.full(len(X), self.classes_[0])


STARTED, MAY_GO_ON = [Event(), Event()], [Event(), Event()]


def test_threads_that_compare_restore_the_filters_of_warnings(toy):
    before = list(warnings.filters)

    def run(number):
        compare({"waits": Waits(number)}, *toy, probes=(), cv=2)

    with ThreadPoolExecutor(2) as executor:
        runs = []
        for number in (0, 1):  # each begins while the one before is in a fit
            runs.append(executor.submit(run, number))
            assert STARTED[number].wait(60)
        for number in (0, 1):  # and the first one ends first
            MAY_GO_ON[number].set()
            runs[number].result()
    assert warnings.filters == before


def test_a_folder_in_the_place_of_a_table_is_an_error(toy, tmp_path):
    compare({"guess": GUESS}, *toy, probes=(), folder=tmp_path)
    (tmp_path / "scores.csv").unlink()
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(ValueError, match=r"scores\.csv` is no file; remove it"):
        Comparison.load(tmp_path)


def test_macro_f1_is_that_of_the_emotions_in_the_fold(toy):
    rows = (toy.speakers != "s1") | (toy.y != "anger")
    X, y, speakers = (part[rows] for part in toy)
    X[np.flatnonzero(speakers == "s1")[:5], 1] += 20  # as if they were angry
    comparison = compare({"LR": LR}, X, y, speakers, probes=())
    fold = comparison.predictions.query("speaker == 's1'")
    assert "anger" in set(fold["y_pred"])
    pair = fold["y_true"], fold["y_pred"]
    expected = f1_score(*pair, labels=["neutral", "sadness"], average="macro")
    [found] = comparison.scores.query("test_speakers == 's1'")["macro_f1"]
    assert found == pytest.approx(expected)


def test_a_speaker_with_ten_utterances_may_be_the_worst(toy):
    wrong = np.flatnonzero(toy.speakers == "s1")
    X, y, speakers = (np.delete(part, wrong[10:], axis=0) for part in toy)
    X[speakers == "s1"] *= -1
    summary = compare({"LR": LR}, X, y, speakers, probes=()).summary()
    assert summary["worst_speaker"].tolist() == ["s1"]
    assert summary["few_utterances"].tolist() == [0]


class Warns(BaseEstimator, ClassifierMixin):
    """Warns in each fit."""

    def fit(self, X, y):
        """Warn."""
        warnings.warn("one of many", UserWarning, stacklevel=2)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Return one class."""
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_warning_of_many_fits_is_shown_once(n_jobs, toy):
    with pytest.warns(UserWarning, match="one of many") as caught:
        compare({"warns": Warns()}, *toy, probes=(), n_jobs=n_jobs)
    assert [warning.filename for warning in caught] == [__file__]
