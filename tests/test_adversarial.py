"""AdversarialSER: what it promises, whatever the objective."""

import copy
import random

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    TrainEndCheckpoint,
)
from small_networks import Interrupt
from tensors import tensor
from torch import nn

from advser import AdversarialSER, AdversarialSERRegressor
from advser.datasets import load_emodb
from advser.exceptions import NoSpeakersWarning
from advser.methods._data import standardization
from advser.nn import Dropout, GaussianDropout, Noise
from advser.objectives import ClosedForm, Confusion, GradientReversal, MaxEntropy

# Objectives whose adversary is a network.
LEARNERS = {"grl": GradientReversal, "entropy": MaxEntropy, "confusion": Confusion}
OBJECTIVES = {"closed_form": ClosedForm, **LEARNERS}
ADVERSARIES = [*OBJECTIVES, None]


def small(adversary="entropy", **settings):
    settings = {"max_epochs": 4, "random_state": 0, **settings}
    return AdversarialSER(adversary, **settings)


def of(name, **parameters):
    """Return the objective of this name, None for None."""
    return None if name is None else OBJECTIVES[name](**parameters)


def assert_same_fit(ours, theirs, X):
    """Check that two estimators agree in every bit of what they learned."""
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))


def state_of(estimator):
    return estimator.net_.module_.state_dict()


# What a fit learns


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_fit_learns_emotions_and_has_its_attributes(toy, adversary):
    estimator = small(adversary, max_epochs=30)
    assert estimator.fit(*toy) is estimator
    assert estimator.score(toy.X, toy.y) > 0.9
    assert list(estimator.classes_) == ["anger", "neutral", "sadness"]
    assert list(estimator.speakers_) == list(pd.unique(toy.speakers))
    assert estimator.n_features_in_ == 8
    assert estimator.n_iter_ == len(estimator.history_) == 30

    probability = estimator.predict_proba(toy.X)
    assert probability.shape == (120, 3)
    np.testing.assert_allclose(probability.sum(1), 1)
    best = estimator.classes_[probability.argmax(1)]
    np.testing.assert_array_equal(estimator.predict(toy.X), best)


@pytest.mark.parametrize(
    ("adversary", "terms"),
    [
        ("closed_form", {"emotion", "explained"}),
        ("grl", {"emotion", "speaker"}),
        ("entropy", {"emotion", "speaker", "entropy"}),
        ("confusion", {"emotion", "speaker", "confusion"}),
        (None, {"emotion"}),
    ],
)
def test_history_holds_every_term(toy, adversary, terms):
    history = small(adversary, max_epochs=20).fit(*toy).history_
    found = {name for name in history if name.endswith("_loss")}
    assert found == {"train_loss", *(f"train_{term}_loss" for term in terms)}
    assert np.isfinite(history[list(found)]).all(axis=None)
    assert list(history["epoch"]) == list(range(1, 21))
    losses = history["train_emotion_loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_embedding_has_the_width_asked_for(toy):
    estimator = small(embedding_dim=5, hidden_layer_sizes=(7, 6)).fit(*toy)
    assert estimator.transform(toy.X).shape == (120, 5)
    assert len(estimator.get_feature_names_out()) == 5
    linear = small(embedding_dim=5, hidden_layer_sizes=()).fit(*toy)
    assert linear.transform(toy.X).shape == (120, 5)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_alpha_shrinks_the_weights(toy, adversary):
    norms = []
    for alpha in (0.0, 1.0):
        state = state_of(small(adversary, alpha=alpha, max_epochs=30).fit(*toy))
        names = [name for name in state if name.endswith(".weight")]
        norms.append([state[x].norm() for x in names if "speaker_head" not in x])
    assert len(norms[0]) == 3
    assert all(shrunk < free for free, shrunk in zip(*norms, strict=True))


def test_clip_bounds_what_an_outlier_decides(toy):
    X = toy.X[:5].copy()
    bound = toy.X.mean(0) + 2 * toy.X.std(0)
    X[:, 3] = bound[3]
    far = X.copy()
    far[:, 3] *= 1e4
    for clip, is_bounded in [(2.0, True), (None, False)]:
        fitted = small(clip=clip).fit(*toy)
        shift = abs(fitted.transform(far) - fitted.transform(X)).max()
        assert (shift < 1e-5) == is_bounded


def test_clip_keeps_an_outlier_from_the_training(toy):
    X = toy.X.copy()
    X[0] = 1e3  # beyond the bound by far, whatever it is exactly
    bounded, free = (
        small(clip=clip, max_epochs=20).fit(X, toy.y, toy.speakers)
        for clip in (0.5, None)
    )
    inliers = X[1:], toy.y[1:]
    assert bounded.score(*inliers) > free.score(*inliers)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("adversary", LEARNERS)
def test_adversary_steps_are_updates_of_the_adversary(toy, adversary, steps):
    estimator = small(of(adversary, steps=steps)).fit(*toy)
    optimizer = estimator.net_.optimizer_
    updates = {
        group["step"]: optimizer.state[group["params"][0]]["step"].item()
        for group in optimizer.param_groups
        if group["params"][0] in optimizer.state
    }
    n_batches = 4 * 2
    assert updates["train"] == n_batches
    in_joint_step = adversary == "grl"
    expected = (steps - in_joint_step) * n_batches
    assert updates.get("adversary", 0) == expected


# Confounded and real speech


def confounded_speech(n_rows, *, one_emotion_each, seed):
    """Return features, emotions and speakers of made-up speech.

    The first feature depends on the emotion, each other one on a speaker. With
    `one_emotion_each`, the speaker determines the emotion.
    """
    rng = np.random.default_rng(seed)
    speaker = rng.integers(8, size=n_rows)
    emotion = speaker % 2 if one_emotion_each else rng.integers(2, size=n_rows)
    X = rng.normal(size=(n_rows, 9))
    X[:, 0] += 5 * emotion
    X[np.arange(n_rows), 1 + speaker] += 3
    return X, emotion, speaker


@pytest.mark.filterwarnings("ignore::advser.exceptions.ConfoundedSpeakersWarning")
@pytest.mark.filterwarnings("ignore::advser.exceptions.CollapseWarning")
@pytest.mark.parametrize("adversary", LEARNERS)
def test_conditional_adversary_keeps_an_emotion_that_speakers_determine(adversary):
    train = confounded_speech(320, one_emotion_each=True, seed=1)
    X, y, _ = confounded_speech(320, one_emotion_each=False, seed=20)
    bound = {"bounded": False} if adversary == "grl" else {}
    scores = {}
    for conditional in (False, True):
        estimator = AdversarialSER(
            of(
                adversary,
                weight=10.0,
                steps=3,
                hidden_layer_sizes=(64,),
                conditional=conditional,
                **bound,
            ),
            clip=None,
            alpha=0.0,
            noise=0.0,
            max_epochs=30,
            random_state=0,
        )
        scores[conditional] = estimator.fit(*train).score(X, y)
    assert scores[True] > 0.7
    assert scores[False] < 0.6


def test_entropy_hides_the_speakers_of_real_speech():
    """An independent probe, on held-out utterances of the training speakers."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    leakage, recall = {}, {}
    for adversary in (MaxEntropy(5.0, steps=3), None):
        found = []
        for seed in range(4):
            train, test = train_test_split(
                np.arange(len(X)), stratify=speakers, test_size=1 / 3, random_state=seed
            )
            ser = AdversarialSER(  # wide, so that there is much to hide
                adversary,
                embedding_dim=64,
                lr=0.003,
                max_epochs=40,
                random_state=seed,
            ).fit(X[train], y[train], speakers[train])
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probe.fit(ser.transform(X[train]), speakers[train])
            speaker = probe.predict(ser.transform(X[test]))
            found.append(
                [
                    balanced_accuracy_score(speakers[test], speaker),
                    balanced_accuracy_score(y[test], ser.predict(X[test])),
                ]
            )
        leakage[adversary is not None], recall[adversary is not None] = np.mean(
            found, axis=0
        )
    assert leakage[True] < leakage[False] - 0.05
    assert recall[True] > recall[False] - 0.05


# Weight 0 is the plain network


@pytest.mark.parametrize("adversary", OBJECTIVES)
@pytest.mark.parametrize("conditional", [False, True])
def test_weight_0_is_the_plain_network(toy, adversary, conditional):
    """But for rounding: the optimizer updates several parameters at a time."""
    more = {
        "sample_weight": np.linspace(0, 1, 120),
        "X_unlabeled": toy.X[:33] + 0.1,
        "speakers_unlabeled": toy.speakers[:33],
    }
    objective = of(adversary, weight=0.0, ramp=0.0, conditional=conditional)
    ours = small(objective, early_stopping=True).fit(*toy, **more)
    plain = small(None, early_stopping=True).fit(*toy, **more)
    np.testing.assert_allclose(ours.transform(toy.X), plain.transform(toy.X), 0, 1e-13)
    np.testing.assert_allclose(
        ours.history_["train_emotion_loss"], plain.history_["train_emotion_loss"], 1e-13
    )


def test_ramp_raises_the_weight(toy):
    """The adversary starts at equal probabilities: the term is the weight."""
    terms = {
        ramp: -small(MaxEntropy(0.5, ramp=ramp))
        .fit(*toy)
        .history_["train_entropy_loss"]
        for ramp in (0.0, 1.0, 10.0)
    }
    assert terms[0.0].iloc[0] == pytest.approx(0.5, abs=0.01)
    assert terms[1.0].iloc[0] < terms[10.0].iloc[0] < 0.2
    assert terms[1.0].iloc[-1] < 0.3 < terms[10.0].iloc[-1]


# Names, refits and global state


@pytest.mark.parametrize("adversary", OBJECTIVES)
@pytest.mark.parametrize("conditional", [False, True])
def test_renamed_speakers_change_no_bit(toy, adversary, conditional):
    adversary, settings = (
        of(adversary, conditional=conditional),
        {"early_stopping": True},
    )
    names = {"s1": "z", "s2": "m", "s3": "a", "s10": "k"}
    renamed = np.array([names[speaker] for speaker in toy.speakers])
    ours = small(adversary, **settings).fit(toy.X, toy.y, renamed)
    theirs = small(adversary, **settings).fit(*toy)
    assert_same_fit(ours, theirs, toy.X)
    assert list(ours.speakers_) == [names[speaker] for speaker in theirs.speakers_]


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("names", [["w", "v", "u"], [3, 1, 2], [10.0, 0.0, -7.0]])
def test_renamed_emotions_change_nothing_but_their_order(toy, adversary, names):
    new_name = dict(zip(["anger", "neutral", "sadness"], names, strict=True))
    renamed = np.array([new_name[emotion] for emotion in toy.y])
    adversary = adversary and of(adversary, conditional=True)
    settings = {"early_stopping": True}
    ours = small(adversary, **settings).fit(toy.X, renamed, toy.speakers)
    theirs = small(adversary, **settings).fit(*toy)
    np.testing.assert_allclose(
        ours.transform(toy.X), theirs.transform(toy.X), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(
        ours.predict(toy.X), [new_name[emotion] for emotion in theirs.predict(toy.X)]
    )
    column = [list(ours.classes_).index(new_name[name]) for name in theirs.classes_]
    np.testing.assert_allclose(
        ours.predict_proba(toy.X)[:, column], theirs.predict_proba(toy.X), rtol=1e-9
    )


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_refit_gives_the_same_bits(toy, adversary):
    estimator = small(adversary).fit(*toy)
    first = clone(estimator).fit(*toy)
    torch.rand(3), np.random.rand(3)  # noqa: NPY002 - must not matter
    assert_same_fit(estimator.fit(*toy), first, toy.X)
    other = small(adversary, random_state=1).fit(*toy)
    assert not np.array_equal(other.transform(toy.X), first.transform(toy.X))


def test_random_state_may_be_a_generator(toy):
    draws = [
        small(random_state=np.random.RandomState(3)).fit(*toy).transform(toy.X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*draws)
    rng = np.random.RandomState(3)
    draws = [small(random_state=rng).fit(*toy).transform(toy.X) for _ in range(2)]
    assert not np.array_equal(*draws)


def test_random_state_left_open_differs_between_fits(toy):
    draws = [small(random_state=None).fit(*toy).transform(toy.X) for _ in range(2)]
    assert not np.array_equal(*draws)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_fit_touches_no_global_state_and_no_input(toy, adversary):
    def everything():
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one
        return [
            torch.get_rng_state().tolist(),
            [kind, keys.tolist(), *rest],
            random.getstate(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            sklearn.get_config(),
        ]

    weight = np.ones(120)
    inputs = [*toy, weight]
    copies = copy.deepcopy(inputs)
    before = everything()
    estimator = small(adversary, early_stopping=True)
    parameters = estimator.get_params()
    estimator.fit(*toy, sample_weight=weight, X_unlabeled=toy.X).predict(toy.X)
    estimator.transform(toy.X)
    assert everything() == before
    assert estimator.get_params() == parameters
    for ours, theirs in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# X of every kind


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_raw_features_work_as_scaled_ones_do(toy, adversary, dtype):
    scale = np.array([1e-5, 1e5, 1.0, 1e3, 1e-3, 1e4, 1e-4, 10.0])
    X = (toy.X * scale + 100 * scale).astype(dtype)
    X = np.column_stack([X, np.full(120, 7e4), np.zeros(120)]).astype(dtype)
    scaled = StandardScaler().fit_transform(X.astype(np.float64)).astype(dtype)
    raw = small(adversary, max_epochs=20).fit(X, toy.y, toy.speakers)
    expected = small(adversary, max_epochs=20).fit(scaled, toy.y, toy.speakers)
    tolerance = 1e-10 if dtype is np.float64 else 2e-3
    np.testing.assert_allclose(
        raw.predict_proba(X), expected.predict_proba(scaled), atol=tolerance
    )
    assert raw.transform(X).dtype == dtype


@pytest.mark.filterwarnings("ignore::advser.exceptions.CollapseWarning")
@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e30, 1e150])
def test_extreme_features_never_give_nan(toy, adversary, factor):
    X = toy.X * factor
    adversary = adversary and of(adversary, conditional=True)
    estimator = small(adversary).fit(X, toy.y, toy.speakers)
    assert np.isfinite(estimator.predict_proba(X)).all()
    assert np.isfinite(estimator.transform(X)).all()


def test_float32_agrees_with_float64(toy):
    single = small().fit(toy.X.astype(np.float32), toy.y, toy.speakers)
    double = small().fit(*toy)
    np.testing.assert_allclose(
        single.predict_proba(toy.X), double.predict_proba(toy.X), atol=1e-4
    )


@pytest.mark.parametrize(
    "kind",
    [
        pd.DataFrame,
        np.ndarray.tolist,
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X.astype(">f8"),
    ],
    ids=["frame", "lists", "fortran", "strided", "big-endian"],
)
def test_x_of_any_kind_gives_the_same_bits(toy, kind):
    ours = small().fit(kind(toy.X), toy.y, toy.speakers)
    assert_same_fit(ours, small().fit(*toy), toy.X)
    np.testing.assert_array_equal(ours.predict(kind(toy.X)), ours.predict(toy.X))


def test_read_only_memory_map(toy, tmp_path):
    np.save(tmp_path / "X.npy", toy.X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    ours = small().fit(mapped, toy.y, toy.speakers, X_unlabeled=mapped)
    theirs = small().fit(*toy, X_unlabeled=toy.X)
    assert_same_fit(ours, theirs, toy.X)
    np.testing.assert_array_equal(ours.predict(mapped), theirs.predict(toy.X))


def test_prediction_does_not_depend_on_the_rows_around(toy):
    estimator = small().fit(*toy)
    X = np.tile(toy.X, (80, 1))  # 9600 rows: more than are predicted at once
    many = estimator.predict_proba(X)
    np.testing.assert_allclose(many, np.tile(many[:120], (80, 1)), atol=1e-12)
    one = estimator.predict_proba(toy.X[:1])
    np.testing.assert_allclose(one, many[:1], atol=1e-12)


# Labels of every kind


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        pd.Series,
        pd.Categorical,
        pd.Index,
        lambda labels: pd.Series(labels, index=range(7, 127)),
        lambda labels: pd.Series(labels, dtype="category"),
        lambda labels: pd.Series(labels, dtype="string"),
        lambda labels: pd.Series(labels, dtype=object),
        lambda labels: labels.astype(object),
    ],
)
@pytest.mark.parametrize("what", ["y", "speakers"])
def test_labels_of_any_kind_give_the_same_bits(toy, kind, what):
    labels = {"y": toy.y, "speakers": toy.speakers}
    labels[what] = kind(labels[what])
    ours = small().fit(toy.X, **labels)
    assert_same_fit(ours, small().fit(*toy), toy.X)
    assert ours.predict(toy.X).tolist() == small().fit(*toy).predict(toy.X).tolist()


@pytest.mark.parametrize(
    "kind", [list, np.float64, lambda n: pd.Series(n, dtype="Int64"), np.uint8]
)
def test_speakers_may_be_numbers(toy, kind):
    numbers = pd.factorize(toy.speakers)[0] + 5
    ours = small().fit(toy.X, toy.y, kind(numbers))
    assert_same_fit(ours, small().fit(*toy), toy.X)
    assert list(ours.speakers_) == [5, 6, 7, 8]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_speakers_may_be_unknown(toy, missing):
    unknown = np.arange(120) % 5 == 0
    speakers = toy.speakers.astype(object)
    speakers[unknown] = missing
    ours = small().fit(toy.X, toy.y, speakers)
    assert set(ours.speakers_) == {"s1", "s2", "s3", "s10"}
    # such a row enters the loss of the emotion, but not that of the speaker
    plain = small(None).fit(*toy)
    np.testing.assert_array_equal(
        small(MaxEntropy(0.0)).fit(toy.X, toy.y, speakers).transform(toy.X),
        plain.transform(toy.X),
    )
    assert not np.array_equal(ours.transform(toy.X), plain.transform(toy.X))


def test_groups_are_the_speakers_unless_those_are_given(toy):
    by_groups = small().fit(toy.X, toy.y, groups=toy.speakers)
    assert_same_fit(by_groups, small().fit(*toy), toy.X)
    both = small().fit(*toy, groups=np.zeros(120))
    assert_same_fit(both, by_groups, toy.X)


# Without speakers


@pytest.mark.parametrize("adversary", OBJECTIVES)
@pytest.mark.parametrize("speakers", [None, ["one"] * 120, [None] * 120])
def test_without_two_speakers_the_network_is_the_plain_one(toy, adversary, speakers):
    with pytest.warns(NoSpeakersWarning, match=f"`adversary='{adversary}'`") as caught:
        ours = small(adversary).fit(toy.X, toy.y, speakers)
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_fit(ours, small(None).fit(toy.X, toy.y), toy.X)


def test_without_adversary_no_speakers_are_needed(toy):
    ours = small(None).fit(toy.X, toy.y)
    assert list(ours.speakers_) == []
    assert_same_fit(ours, small(None).fit(*toy), toy.X)


# Weights


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_sample_weight_of_0_is_like_a_row_left_out(toy, adversary):
    """Also where a speaker has no other rows."""
    kept = (np.arange(120) % 3 > 0) & (toy.speakers != toy.speakers[1])
    weighted = small(adversary).fit(*toy, sample_weight=kept)
    left_out = small(adversary).fit(*(part[kept] for part in toy))
    assert_same_fit(weighted, left_out, toy.X)
    np.testing.assert_array_equal(weighted.speakers_, left_out.speakers_)


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize(
    "class_weight", ["balanced", None, {"anger": 3.0, "neutral": 1, "sadness": 0.2}]
)
def test_sample_weight_of_2_is_like_a_row_twice(toy, adversary, class_weight):
    weight = 1 + np.arange(120) % 2
    settings = {"batch_size": 500, "max_epochs": 10, "class_weight": class_weight}
    weighted = small(adversary, **settings).fit(*toy, sample_weight=weight)
    repeated = small(adversary, **settings).fit(
        *(np.repeat(part, weight, axis=0) for part in toy)
    )
    np.testing.assert_allclose(
        weighted.predict_proba(toy.X), repeated.predict_proba(toy.X), atol=1e-8
    )


@pytest.mark.parametrize("kind", [AdversarialSER, AdversarialSERRegressor])
def test_early_stopping_scores_a_row_of_weight_2_as_two_rows(toy, kind):
    y = toy.y if kind is AdversarialSER else toy.X[:, :2]
    weight = np.tile([0, 1, 2, 3], 30)
    ours = kind(None, early_stopping=True, max_epochs=2, batch_size=999, random_state=0)
    weighted = clone(ours).fit(toy.X, y, toy.speakers, sample_weight=weight)
    again = (np.repeat(part, weight, axis=0) for part in (toy.X, y, toy.speakers))
    scores = weighted.history_.filter(regex="valid_(loss|uar|ccc)$")
    expected = ours.fit(*again).history_[scores.columns]
    pd.testing.assert_frame_equal(scores, expected)


def test_sample_weight_alike_for_all_changes_no_bit(toy):
    weighted = small().fit(*toy, sample_weight=np.full(120, 0.25))
    assert_same_fit(weighted, small().fit(*toy), toy.X)


def test_labelled_rows_have_the_weight_of_unlabelled_ones_on_average(toy):
    """One row is so heavy that the others would be nothing beside the unlabelled."""
    weight = np.r_[50.0, np.ones(99)]
    labelled = [part[:100] for part in toy]
    others = {"X_unlabeled": toy.X[100:], "speakers_unlabeled": toy.speakers[100:]}
    ser = small(batch_size=200, max_epochs=1)
    ser.fit(*labelled, sample_weight=weight, **others)
    mean = (weight @ toy.X[:100] * 100 / 149 + toy.X[100:].sum(0)) / 120
    found = ser.net_.module_.encoder[0].mean
    np.testing.assert_allclose(found.ravel(), mean, atol=1e-6)


def test_class_weight_balanced_lifts_the_recall_of_rare_emotions():
    X, y = make_classification(
        600, 6, weights=[0.9], class_sep=0.6, flip_y=0.1, random_state=0
    )
    recall = {}
    for class_weight in ("balanced", None):
        ser = AdversarialSER(
            None, class_weight=class_weight, max_epochs=15, random_state=0
        )
        recall[class_weight] = (ser.fit(X, y).predict(X) == 1)[y == 1].mean()
    assert recall["balanced"] > recall[None] + 0.2


def test_class_weight_balanced_by_hand(toy):
    rows = np.r_[
        np.flatnonzero(toy.y == "anger")[:10], np.flatnonzero(toy.y != "anger")
    ]
    X, y, speakers = (part[rows] for part in toy)
    # 10 anger, 40 neutral, 40 sadness: n / (classes · count)
    weights = {"anger": 90 / 30, "neutral": 90 / 120, "sadness": 90 / 120}
    balanced = small(class_weight="balanced").fit(X, y, speakers)
    by_hand = small(class_weight=weights).fit(X, y, speakers)
    np.testing.assert_allclose(
        balanced.predict_proba(X), by_hand.predict_proba(X), atol=1e-12
    )


# Unlabelled rows


@pytest.mark.parametrize("adversary", OBJECTIVES)
def test_unlabelled_rows_enter_the_objective(toy, adversary):
    X_unlabeled = toy.X[::2] + 1
    ours = small(adversary).fit(
        *toy, X_unlabeled=X_unlabeled, speakers_unlabeled=["new"] * 60
    )
    assert list(ours.speakers_) == [*pd.unique(toy.speakers), "new"]
    if adversary:
        assert ours.net_.module_.objective.n_speakers == 5
    alone = small(adversary).fit(*toy)
    assert not np.array_equal(ours.transform(toy.X), alone.transform(toy.X))
    # raw features are standardised by all rows
    layer = ours.net_.module_.encoder[0]
    mean = np.concatenate([toy.X, X_unlabeled]).mean(0)
    torch.testing.assert_close(layer.mean, tensor(mean.tolist()))


@pytest.mark.parametrize("unknown", ["all", "some"])
def test_unlabelled_rows_of_unknown_speakers_are_one_more_speaker(toy, unknown):
    speakers_unlabeled = None if unknown == "all" else [None, "s1", np.nan] * 10
    ours = small().fit(
        *toy, X_unlabeled=toy.X[:30], speakers_unlabeled=speakers_unlabeled
    )
    assert list(ours.speakers_) == list(pd.unique(toy.speakers))
    assert ours.net_.module_.objective.n_speakers == 5


def test_speakers_of_unlabelled_rows_are_enough(toy):
    ours = small().fit(toy.X, toy.y, X_unlabeled=toy.X, speakers_unlabeled=toy.speakers)
    assert list(ours.speakers_) == list(pd.unique(toy.speakers))
    assert ours.net_.module_.objective.n_speakers == 4


def test_one_known_speaker_and_unlabelled_rows_are_enough(toy):
    ours = small().fit(toy.X, toy.y, ["me"] * 120, X_unlabeled=toy.X)
    assert ours.net_.module_.objective.n_speakers == 2


def test_unlabelled_rows_of_unknown_speakers_differ_from_the_known(toy):
    other = toy.X + 30 * np.eye(8)[7]
    wide = {"embedding_dim": 64, "lr": 0.003}
    ours = small(MaxEntropy(0.0), clip=None, alpha=0.0, max_epochs=50, **wide)
    ours.fit(*toy, X_unlabeled=other)
    module = ours.net_.module_
    with torch.no_grad():
        h = torch.from_numpy(ours.transform(np.vstack([toy.X, other])))
        found = module.objective.speaker_head(h, None, None).argmax(1).numpy()
    assert (found[120:] == 4).all()
    assert (found[:120] < 4).mean() > 0.8


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_unlabelled_rows_teach_no_emotion_without_pseudo_labels(toy, adversary):
    """One batch an epoch, no adversary and equal statistics: they have no influence."""
    settings = {"batch_size": 500, "max_epochs": 10, "pseudo_labels": False}
    adversary = adversary and of(adversary, weight=0.0)
    ours = small(adversary, **settings).fit(*toy, X_unlabeled=toy.X[::-1])
    alone = small(adversary, **settings).fit(*toy)
    np.testing.assert_allclose(
        ours.predict_proba(toy.X), alone.predict_proba(toy.X), atol=1e-8
    )


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("adversary", OBJECTIVES)
def test_many_unlabelled_rows_do_no_harm(toy, adversary, conditional):
    X_unlabeled = np.random.default_rng(1).normal(size=(500, 8))
    ours = small(of(adversary, conditional=conditional), max_epochs=20).fit(
        *toy, X_unlabeled=X_unlabeled
    )
    assert ours.score(toy.X, toy.y) > 0.9


def test_unlabelled_rows_as_frames(toy):
    names = [f"f{i}" for i in range(8)]
    frame = pd.DataFrame(toy.X, columns=names)
    ours = small().fit(frame, toy.y, toy.speakers, X_unlabeled=frame)
    theirs = small().fit(*toy, X_unlabeled=toy.X)
    np.testing.assert_array_equal(ours.transform(frame), theirs.transform(toy.X))
    with pytest.raises(ValueError, match="columns of `X_unlabeled` are not those of"):
        small().fit(frame, toy.y, toy.speakers, X_unlabeled=frame[names[::-1]])


@pytest.mark.parametrize(
    ("unlabeled", "message"),
    [
        (
            {"X_unlabeled": np.zeros((5, 3))},
            r"`X_unlabeled` has 3 features and `X` has 8",
        ),
        ({"X_unlabeled": np.full((5, 8), np.nan)}, "X_unlabeled contains NaN"),
        (
            {"X_unlabeled": np.zeros((5, 8)), "speakers_unlabeled": ["a"] * 4},
            r"`speakers_unlabeled` has 4 entries and `X_unlabeled` has 5 rows",
        ),
        (
            {"speakers_unlabeled": ["a"] * 4},
            r"`speakers_unlabeled` is given without `X_unlabeled`",
        ),
    ],
)
def test_unlabelled_rows_that_do_not_fit(toy, unlabeled, message):
    with pytest.raises(ValueError, match=message):
        small().fit(*toy, **unlabeled)


# Early stopping


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_early_stopping_sets_speakers_aside(toy, adversary):
    ours = small(adversary, early_stopping=True, validation_fraction=0.5).fit(*toy)
    assert len(ours.speakers_) == 2
    aside = ~np.isin(toy.speakers, ours.speakers_)
    assert set(toy.speakers[aside]).isdisjoint(ours.speakers_)
    # the statistics of the features do not know them either
    layer = ours.net_.module_.encoder[0]
    torch.testing.assert_close(layer.mean, tensor(toy.X[~aside].mean(0).tolist()))

    last = ours.history_.iloc[-1]
    module = ours.net_.module_
    if last["valid_uar_best"]:
        predicted = ours.predict(toy.X[aside])
        expected = balanced_accuracy_score(toy.y[aside], predicted)
        assert last["valid_uar"] == pytest.approx(expected)
    assert not module.training


@pytest.mark.parametrize(
    ("batch_size", "expected"), [(120, 40), (4, 40), (3, 30), (2, 20), (1, 10)]
)
def test_fit_without_max_epochs_makes_40_passes_or_1200_updates(
    toy, batch_size, expected
):
    size = {"batch_size": batch_size, "hidden_layer_sizes": (2,), "embedding_dim": 2}
    ser = small(max_epochs=None, **size).fit(*toy)
    assert ser.n_iter_ == expected


@pytest.mark.parametrize("adversary", [name for name in ADVERSARIES if name])
def test_conditional_adversary_learns_if_no_known_speaker_has_an_emotion(
    toy, adversary
):
    speakers = np.where(toy.y == "anger", None, toy.speakers)
    ours = small(of(adversary, conditional=True)).fit(toy.X, toy.y, speakers)
    assert np.isfinite(ours.history_["train_loss"]).all()


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_noise_and_dropout_are_behind_features_and_hidden_units(toy, scale):
    ours = small(noise=scale, dropout=scale, hidden_layer_sizes=(6, 4)).fit(*toy)
    layers = [m for m in ours.net_.module_.encoder if isinstance(m, Noise)]
    widths = [(type(layer), len(layer.noise)) for layer in layers]
    expected = [(GaussianDropout, toy.X.shape[1]), (Dropout, 6), (Dropout, 4)]
    assert widths == (expected if scale else [])
    assert np.array_equal(ours.transform(toy.X), ours.transform(toy.X))


def test_early_stopping_restores_the_best_epoch(toy):
    ours = small(early_stopping=True, n_iter_no_change=3, max_epochs=200, lr=0.005).fit(
        *toy
    )
    uar = ours.history_["valid_uar"].to_numpy()
    assert len(uar) == ours.n_iter_ < 200
    assert ours.n_iter_ == uar.argmax() + 1 + 3
    assert list(np.flatnonzero(ours.history_["valid_uar_best"]))[-1] == uar.argmax()
    aside = ~np.isin(toy.speakers, ours.speakers_)
    found = balanced_accuracy_score(toy.y[aside], ours.predict(toy.X[aside]))
    assert found == pytest.approx(uar.max())


def test_early_stopping_draws_other_speakers_for_other_seeds(toy):
    aside = set()
    for seed in range(12):
        ours = small(early_stopping=True, max_epochs=1, random_state=seed).fit(*toy)
        aside |= set(toy.speakers) - set(ours.speakers_)
    assert len(aside) > 1


def test_early_stopping_without_speakers_says_that_it_proves_little(toy):
    ours = small(None, early_stopping=True)
    with pytest.warns(NoSpeakersWarning, match="early_stopping=True") as caught:
        ours.fit(toy.X, toy.y)
    assert [warning.filename for warning in caught] == [__file__]
    assert ours.history_["valid_uar"].between(0, 1).all()


# Warm start


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_warm_start_goes_on(toy, adversary):
    ours = small(adversary, warm_start=True).fit(*toy)
    before = ours.transform(toy.X)
    loss = ours.history_["train_emotion_loss"].iloc[-1]
    ours.set_params(max_epochs=6, lr=0.002).fit(*toy)
    assert ours.n_iter_ == len(ours.history_) == 10
    assert ours.history_["train_emotion_loss"].iloc[-1] < loss
    assert not np.array_equal(ours.transform(toy.X), before)
    assert ours.net_.optimizer_.param_groups[0]["lr"] == 0.002


def test_warm_start_on_other_rows_keeps_its_validation_speakers(toy):
    ours = small(warm_start=True, early_stopping=True, validation_fraction=0.5)
    trained = list(ours.fit(*toy).speakers_)
    held_out = ~np.isin(toy.speakers, trained)
    order = np.argsort(held_out, kind="stable")  # another order of appearance
    assert list(ours.fit(*(part[order] for part in toy)).speakers_) == trained


def test_warm_start_with_early_stopping_keeps_its_validation_speakers(toy):
    ours = small(warm_start=True, early_stopping=True, random_state=None).fit(*toy)
    known = list(ours.speakers_)
    for _ in range(4):
        assert list(ours.fit(*toy).speakers_) == known


def test_cold_start_begins_anew(toy):
    ours = small().fit(*toy)
    first = ours.transform(toy.X)
    np.testing.assert_array_equal(ours.fit(*toy).transform(toy.X), first)
    assert ours.n_iter_ == 4
    ours.fit(toy.X[:, :5], np.where(toy.y == "anger", 1, 0), toy.speakers)
    assert ours.n_features_in_ == 5
    assert list(ours.classes_) == [0, 1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            lambda toy: (toy.X, np.where(toy.y == "anger", "joy", toy.y), toy.speakers),
            r"holds the classes .*joy.* the first fit knew .*anger",
        ),
        (
            lambda toy: (toy.X, toy.y, np.where(toy.speakers == "s1", "s9", "s2")),
            r"the speakers \['s9'\] were not in the first fit",
        ),
        (
            lambda toy: (toy.X, toy.y),
            "none of the speakers is known and the first fit knew 4",
        ),
        (lambda toy: (toy.X[:, :5], toy.y, toy.speakers), "5 features.* 8 features"),
    ],
)
def test_warm_start_on_something_else(toy, changed, message):
    ours = small(warm_start=True).fit(*toy)
    with pytest.raises(ValueError, match=message):
        ours.fit(*changed(toy))


@pytest.mark.parametrize("first", [False, True])
def test_warm_start_stops_early_if_the_first_fit_did(toy, first):
    ours = small(warm_start=True, early_stopping=first).fit(*toy)
    n_epochs = ours.n_iter_
    ours.set_params(early_stopping=not first).fit(*toy)
    assert ours.n_iter_ > n_epochs
    assert ("valid_uar" in ours.history_) == first


def test_warm_start_with_unknown_speakers_that_the_first_fit_had_not(toy):
    ours = small(warm_start=True).fit(*toy)
    with pytest.raises(ValueError, match=r"5 rows of `X_unlabeled`.*unknown speakers"):
        ours.fit(*toy, X_unlabeled=toy.X[:5])
    ours = small(warm_start=True).fit(*toy, X_unlabeled=toy.X[:5])
    assert ours.fit(*toy).n_iter_ == 8


def test_warm_start_keeps_its_batches_and_counts_epochs_by_them(toy):
    ours = small(warm_start=True, max_epochs=None, batch_size=30).fit(*toy)
    assert ours.set_params(batch_size=1).fit(*toy).n_iter_ == 2 * 40


def test_warm_start_without_a_known_speaker_of_an_emotion_excludes_as_before(toy):
    speakers = toy.speakers.astype(object)
    first, second = np.unique(toy.y)[0], np.unique(speakers)[0]
    rows = ~((toy.y == first) & (speakers == second))
    adversary = of("grl", conditional=True)
    ours = small(adversary, warm_start=True)
    ours.fit(toy.X[rows], toy.y[rows], speakers[rows])
    support = ours.net_.module_.objective.support.clone()
    assert support[0].tolist().count(0) == 1
    speakers[toy.y == first] = None
    ours.fit(toy.X[rows], toy.y[rows], speakers[rows])
    assert ours.net_.module_.objective.support.equal(support)


# Callbacks and output


class Count(Callback):
    """Count the calls; the final underscores tell skorch that these are results."""

    def __init__(self):
        self.n_batches_ = 0
        self.n_epochs_ = 0

    def on_batch_end(self, net, **kwargs):
        """Count a batch."""
        self.n_batches_ += 1

    def on_epoch_end(self, net, **kwargs):
        """Count an epoch."""
        self.n_epochs_ += 1


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_callbacks_are_copied_and_called(toy, adversary):
    count = Count()
    ours = small(adversary, callbacks=[("count", count)]).fit(*toy)
    assert (count.n_batches_, count.n_epochs_) == (0, 0)
    called = dict(ours.net_.callbacks_)["count"]
    assert (called.n_batches_, called.n_epochs_) == (8, 4)
    assert_same_fit(ours, small(adversary).fit(*toy), toy.X)
    assert ours.callbacks == [("count", count)]
    assert ours.fit(*toy).n_iter_ == 4
    assert isinstance(clone(ours).callbacks[0][1], Count)


def test_callbacks_of_skorch(toy, tmp_path):
    callbacks = [
        LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5),
        GradientNormClipping(1e-3),
        Checkpoint(dirname=tmp_path, monitor="valid_uar_best"),
    ]
    ours = small(callbacks=callbacks, early_stopping=True, lr=3e-3).fit(*toy)
    history = ours.history_
    assert list(history["event_lr"]) == pytest.approx([3e-3, 1.5e-3, 7.5e-4, 3.75e-4])
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    assert set(saved) == set(state_of(ours))
    best = history["valid_uar"].argmax()
    assert list(np.flatnonzero(history["event_cp"]))[-1] == best
    for name, values in state_of(ours).items():
        torch.testing.assert_close(saved[name], values)


@pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
def test_checkpoints_need_no_other_callback(toy, tmp_path, kind):
    name = "{last_batch[train_batch_size]}.pt"
    checkpoint = kind(dirname=tmp_path, fn_prefix="", f_params=name)
    if kind is Checkpoint:
        checkpoint.monitor = "valid_uar_best"
    ours = small(callbacks=[checkpoint], early_stopping=True, batch_size=50).fit(*toy)
    saved = torch.load(tmp_path / "50.pt", weights_only=True)
    assert set(saved) == set(state_of(ours))


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_callbacks_that_score_data_are_refused(toy, kind):
    with pytest.raises(ValueError, match=f"`callbacks` holds {kind.__name__}"):
        small(callbacks=[("score", kind("accuracy"))]).fit(*toy)


def test_gradient_clipping_changes_the_size_of_the_gradients(toy):
    """Adam forgets the scale of a gradient, so only the epsilon shows it."""
    clipped = small(alpha=0.0, callbacks=[GradientNormClipping(1e-12)]).fit(*toy)
    free = small(alpha=0.0).fit(*toy)
    start = small(lr=1e-12).fit(*toy).transform(toy.X)
    ours, theirs = (
        np.abs(ser.transform(toy.X) - start).max() for ser in (clipped, free)
    )
    assert ours < 0.1 * theirs


def test_verbose_prints_a_line_per_epoch(toy, capsys):
    small(early_stopping=True).fit(*toy)
    assert capsys.readouterr().out == ""
    small(early_stopping=True, verbose=1).fit(*toy)
    lines = capsys.readouterr().out.splitlines()
    epochs = [line.split()[0] for line in lines if line.split()[0].isdigit()]
    assert epochs == ["1", "2", "3", "4"]
    for name in ("epoch", "train_emotion_loss", "train_speaker_loss", "valid_uar"):
        assert name in lines[0]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupt_is_raised(toy, early_stopping):
    ours = small(callbacks=[Interrupt(2)], early_stopping=early_stopping)
    with pytest.raises(KeyboardInterrupt):
        ours.fit(*toy)
    with pytest.raises(NotFittedError):
        ours.predict(toy.X)
    ours.set_params(callbacks=None).fit(*toy)
    expected = small(early_stopping=early_stopping).fit(*toy)
    assert_same_fit(ours, expected, toy.X)


def test_interrupted_warm_start_goes_on(toy):
    ours = small(callbacks=[Interrupt(6)], warm_start=True, dropout=0.5).fit(*toy)
    with pytest.raises(KeyboardInterrupt):
        ours.fit(*toy)
    assert not ours.net_.module_.training
    np.testing.assert_array_equal(ours.predict_proba(toy.X), ours.predict_proba(toy.X))
    ours.fit(*toy)
    assert np.isfinite(ours.predict_proba(toy.X)).all()


# Own encoders


def make_encoder(n_features):
    return nn.Sequential(nn.Linear(n_features, 9), nn.Tanh(), nn.Dropout(0.3))


@pytest.mark.parametrize("encoder", [make_encoder, make_encoder(8)])
@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_own_encoder_learns_and_is_reproducible(toy, adversary, encoder):
    ours = small(adversary, encoder=encoder, max_epochs=30, lr=0.01).fit(*toy)
    assert ours.score(toy.X, toy.y) > 0.8
    assert ours.transform(toy.X).shape == (120, 32)
    torch.rand(3)  # must not matter
    state = torch.get_rng_state()
    assert_same_fit(clone(ours).fit(*toy), ours, toy.X)
    assert torch.equal(torch.get_rng_state(), state)


def test_own_encoder_is_trained_as_a_copy(toy):
    encoder = make_encoder(8)
    before = copy.deepcopy(encoder.state_dict())
    ours = small(encoder=encoder).fit(*toy)
    for name, values in encoder.state_dict().items():
        assert torch.equal(values, before[name])
        assert values.dtype == torch.float32
    assert ours.get_params()["encoder"] is encoder
    trained = ours.net_.module_.encoder[-3][0].weight
    assert not torch.equal(trained.float(), before["0.weight"])


def test_own_encoder_from_a_function_depends_on_the_seed(toy):
    first, second = (
        small(encoder=make_encoder, max_epochs=1, lr=1e-9, random_state=seed)
        .fit(*toy)
        .transform(toy.X)
        for seed in (0, 1)
    )
    assert np.abs(first - second).max() > 0.1


def test_function_that_returns_one_encoder_again_has_each_fit_train_a_copy(toy):
    encoder = make_encoder(8)
    first = small(encoder=lambda n: encoder, max_epochs=1).fit(*toy)
    before = first.predict_proba(toy.X)
    small(encoder=lambda n: encoder, max_epochs=1).fit(*toy)
    np.testing.assert_array_equal(first.predict_proba(toy.X), before)


@pytest.mark.parametrize("again", [False, True])
def test_lazy_layers_of_an_encoder_depend_on_the_seed_alone(toy, again):
    def make_lazy(n_features=None):
        return nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())

    lazy = make_lazy()
    encoder = (lambda n: lazy) if again else make_lazy
    first, second = (small(encoder=encoder, max_epochs=1).fit(*toy) for _ in range(2))
    assert_same_fit(first, second, toy.X)


def test_embedding_whose_sum_overflows_is_returned(toy):
    ours = small().fit(toy.X.astype(np.float32), *toy[1:])
    ours.net_.module_.encoder.forward = lambda x: torch.full((len(x), 4), 3e38)
    assert (ours.transform(toy.X) == np.float32(3e38)).all()


def test_own_encoder_gets_standardised_features(toy):
    shown = []

    class Watch(nn.Identity):
        def forward(self, x):
            shown.append(x.detach().clone())
            return x

    settings = {"batch_size": 120, "max_epochs": 1, "clip": 1.5, "noise": 0.0}
    small(encoder=lambda n: Watch(), **settings).fit(*toy)
    batch = next(x for x in shown if len(x) == 120)
    standardised = StandardScaler().fit_transform(toy.X).clip(-1.5, 1.5)
    np.testing.assert_allclose(
        np.sort(batch.numpy(), axis=0), np.sort(standardised, axis=0), atol=1e-12
    )


def test_frozen_layers_of_an_encoder_stay_as_they_are(toy):
    encoder = make_encoder(8)
    encoder[0].requires_grad_(False)
    ours = small("grl", encoder=encoder).fit(*toy)
    frozen = ours.net_.module_.encoder[-3][0]
    torch.testing.assert_close(frozen.weight.float(), encoder[0].weight)
    assert not frozen.weight.requires_grad


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        (
            nn.Linear(5, 3),
            ValueError,
            "`encoder` fails on rows of 8 features.*2x8 and 5x",
        ),
        (nn.Flatten(0), ValueError, r"`encoder` maps 2 rows of 8 features.*\(16,\)"),
        (nn.LSTM(8, 3), ValueError, "`encoder` maps 2 rows of 8 features to tuple"),
        (
            lambda n: n,
            TypeError,
            "`encoder` returns int; .* must return a torch module",
        ),
    ],
)
def test_own_encoder_of_a_wrong_shape(toy, encoder, error, message):
    with pytest.raises(error, match=message):
        small(encoder=encoder).fit(*toy)


def test_own_encoder_must_take_the_type_of_the_features(toy):
    class Single(nn.Linear):
        def forward(self, x):
            return super().forward(x.float())

    ours = small(encoder=Single(8, 4))
    ours.fit(toy.X.astype(np.float32), *toy[1:])
    with pytest.raises(ValueError, match=r"features of torch.float64, as `X` has"):
        ours.fit(toy.X.astype(np.float64), *toy[1:])


def test_own_encoder_with_complex_numbers_is_refused(toy):
    class Spectrum(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("bank", torch.fft.fft(torch.eye(8)))

        def forward(self, x):
            return (x.to(self.bank) @ self.bank).abs()

    with pytest.raises(ValueError, match="`encoder` has complex numbers"):
        small(encoder=Spectrum()).fit(*toy)


def test_own_encoder_may_hold_integers_first(toy):
    class Chosen(nn.Module):
        def __init__(self):
            super().__init__()
            index = torch.tensor([0, 2, 4])
            self.index = nn.Parameter(index, requires_grad=False)
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x[:, self.index] * self.scale

    assert small(encoder=Chosen()).fit(*toy).score(toy.X, toy.y) > 0.4


# The decision function


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_decision_function_is_the_logit_of_each_emotion(toy, adversary):
    ours = small(adversary).fit(*toy)
    logits = ours.decision_function(toy.X)
    assert logits.shape == (120, 3)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(toy.X), expected)
    np.testing.assert_array_equal(ours.classes_[logits.argmax(1)], ours.predict(toy.X))


def test_decision_function_of_two_emotions_is_positive_for_the_second(toy):
    y = np.where(toy.y == "anger", "zest", "calm")
    ours = small(max_epochs=10).fit(toy.X, y, toy.speakers)
    decision = ours.decision_function(toy.X)
    assert decision.shape == (120,)
    probability = ours.predict_proba(toy.X)
    np.testing.assert_allclose(decision, np.log(probability[:, 1] / probability[:, 0]))
    np.testing.assert_array_equal(
        ours.classes_[(decision > 0) * 1], ours.predict(toy.X)
    )
    assert roc_auc_score(y == "zest", decision) > 0.8


# Errors


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("adversary", "gan"),
        ("adversary", GradientReversal),
        ("encoder", 3),
        ("clip", 0.0),
        ("dropout", 1.0),
        ("embedding_dim", 0),
        ("hidden_layer_sizes", 128),
        ("lr", 0.0),
        ("max_epochs", 0),
        ("batch_size", 0),
        ("alpha", -1.0),
        ("class_weight", "even"),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("callbacks", "all"),
        ("random_state", "now"),
    ],
)
def test_parameter_out_of_range(toy, parameter, value):
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of Adv"):
        small().set_params(**{parameter: value}).fit(*toy)


@pytest.mark.parametrize("sizes", [(0,), (-3,), (2.5,), ("a",)])
def test_layer_of_no_width(toy, sizes):
    with pytest.raises(ValueError, match="'hidden_layer_sizes' parameter of Adv"):
        small(hidden_layer_sizes=sizes).fit(*toy)


@pytest.mark.parametrize("what", ["speakers", "groups"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"] * 59, "has 118 entries and `X` has 120 rows"),
        ([["a", "b"]] * 120, r"must be one-dimensional.*got shape \(120, 2\)"),
    ],
)
def test_speakers_of_a_wrong_shape(toy, what, labels, message):
    with pytest.raises(ValueError, match=f"`{what}` {message}"):
        small().fit(toy.X, toy.y, **{what: labels})


def test_one_emotion_only(toy):
    with pytest.raises(ValueError, match=r"`y` holds one class only, .*'joy'"):
        small().fit(toy.X, ["joy"] * 120, toy.speakers)


@pytest.mark.parametrize(
    "weight", [np.r_[-1.0, np.ones(119)], np.zeros(120)], ids=["negative", "zero"]
)
def test_sample_weight_that_weighs_nothing(toy, weight):
    with pytest.raises(ValueError, match=r"(?i)sample.weight.*(negative|non-zero)"):
        small().fit(*toy, sample_weight=weight)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("values", [[np.nan], [np.inf], [np.inf, -np.inf], [-np.inf]])
def test_prediction_of_rows_that_are_not_finite(toy, values, dtype):
    X = toy.X.astype(dtype)
    estimator = small().fit(X, toy.y, toy.speakers)
    X[: len(values), 3] = values
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match=r"contains (NaN|infinity)"),
    ):
        estimator.predict(X)


def test_prediction_of_rows_of_another_shape(toy):
    estimator = small().fit(*toy)
    with pytest.raises(ValueError, match=r"has 7 features, but .* 8 features"):
        estimator.predict(toy.X[:, :7].copy())
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        estimator.predict(toy.X[0])
    with pytest.raises(ValueError, match="0 sample"):
        estimator.predict(toy.X[:0])


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "decision_function", "transform"]
)
def test_not_fitted(toy, method):
    with pytest.raises(NotFittedError):
        getattr(small(), method)(toy.X)


def test_early_stopping_leaves_unlabeled_rows_of_validation_speakers_out(toy):
    ours = small(early_stopping=True, validation_fraction=0.5)
    ours.fit(*toy, X_unlabeled=toy.X, speakers_unlabeled=toy.speakers)
    assert len(ours.speakers_) == 2


def test_early_stopping_may_leave_no_unlabeled_row(toy):
    ours = small(early_stopping=True).fit(*toy)
    held_out = ~np.isin(toy.speakers, ours.speakers_)
    again = clone(ours).fit(
        *toy,
        X_unlabeled=toy.X[held_out],
        speakers_unlabeled=toy.speakers[held_out],
    )
    np.testing.assert_array_equal(again.transform(toy.X), ours.transform(toy.X))


def test_early_stopping_trains_on_rows_of_unknown_speakers(toy):
    speakers = np.where(np.arange(len(toy.y)) < 60, None, toy.speakers)
    for seed in range(5):
        ours = small(
            None, early_stopping=True, validation_fraction=0.7, random_state=seed
        ).fit(toy.X, toy.y, speakers)
        assert len(ours.speakers_) == 1


def test_log_probability_is_the_logarithm_of_the_probability(toy):
    ours = small().fit(*toy)
    np.testing.assert_allclose(
        np.exp(ours.predict_log_proba(toy.X)), ours.predict_proba(toy.X)
    )


@pytest.mark.parametrize("weights", [(0, 0, 0), (1, -1, 1)])
def test_class_weight_must_be_positive_somewhere_and_negative_nowhere(toy, weights):
    class_weight = dict(zip(["anger", "neutral", "sadness"], weights))
    with pytest.raises(ValueError, match="`class_weight` must be one-dimensional"):
        small(class_weight=class_weight).fit(*toy)


def test_an_argument_that_is_refused_leaves_the_last_fit_as_it_was(toy):
    ser = AdversarialSER(max_epochs=2, random_state=0)
    before = ser.fit(toy.X, toy.y, speakers=toy.speakers).predict_proba(toy.X)
    other = np.where(toy.y == "anger", "rage", toy.y)
    with pytest.raises(ValueError, match="`speakers` has"):
        ser.fit(toy.X[:, :2], other, speakers=toy.speakers[1:])
    np.testing.assert_array_equal(ser.predict_proba(toy.X), before)
    assert "rage" not in ser.classes_


def test_a_row_of_an_array_in_reverse_order_is_predicted_as_any(toy):
    X = toy.X.astype(np.float64)
    ser = AdversarialSER(None, max_epochs=2, random_state=0).fit(X, toy.y)
    expected = ser.predict_proba(X[4:5])
    np.testing.assert_array_equal(ser.predict_proba(X[4:3:-1]), expected)
    fields = np.zeros(1, dtype=[("a", "i4"), ("x", "f8", X.shape[1])])
    fields["x"] = X[4]
    np.testing.assert_array_equal(ser.predict_proba(fields["x"]), expected)


def test_whole_numbers_that_need_all_64_bits_are_predicted_as_numbers(toy):
    y = np.unique(toy.y, return_inverse=True)[1].astype(np.uint64) + np.uint64(2**63)
    ser = AdversarialSER(None, max_epochs=2, random_state=0).fit(toy.X, y)
    assert ser.predict(toy.X).dtype == np.uint64
    assert set(ser.predict(toy.X)) <= set(y)


def test_labels_may_be_strings_of_variable_width(toy):
    y = toy.y.astype(np.dtypes.StringDType())
    speakers = toy.speakers.astype(str).astype(np.dtypes.StringDType())
    ser = AdversarialSER(max_epochs=2, random_state=0).fit(toy.X, y, speakers=speakers)
    expected = clone(ser).fit(toy.X, toy.y, speakers=toy.speakers.astype(str))
    np.testing.assert_array_equal(ser.predict(toy.X), expected.predict(toy.X))


def test_a_class_that_class_weight_does_not_name_counts_once(toy):
    settings = {"max_epochs": 2, "random_state": 0}
    plain, named = (
        AdversarialSER(class_weight=weight, **settings)
        .fit(toy.X, toy.y, speakers=toy.speakers)
        .predict_proba(toy.X)
        for weight in (None, {"anger": 1.0})
    )
    np.testing.assert_allclose(named, plain, rtol=1e-6)


def test_unlabelled_rows_with_features_of_another_origin_are_refused(toy):
    table = pd.DataFrame(toy.X, columns=[f"f{j}" for j in range(8)])
    table.attrs["features"] = {"feature_set": "eGeMAPSv02", "opensmile": "2.5.0"}
    other = table.copy()
    other.attrs["features"] = {"feature_set": "ComParE_2016", "opensmile": "2.5.0"}
    message = r"`X_unlabeled`.*'eGeMAPSv02'.*'ComParE_2016'"
    with pytest.raises(ValueError, match=message):
        AdversarialSER(max_epochs=1).fit(
            table, toy.y, speakers=toy.speakers, X_unlabeled=other
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"adversary__weight": -1}, "'weight' parameter"),
        ({"encoder": nn.Linear(3, 3)}, "`encoder`"),
        ({"class_weight": {"ang": 2}}, "`class_weight`"),
        ({"early_stopping": True, "validation_fraction": 0.99}, "early_stopping"),
        ({"callbacks": [3]}, "`callbacks`"),
        ({"callbacks": [PassthroughScoring("train_loss")]}, "PassthroughScoring"),
    ],
)
def test_a_refit_that_is_refused_keeps_the_last_fit(changed, message, toy):
    ser = AdversarialSER(GradientReversal(), max_epochs=1, random_state=0)
    before = ser.fit(toy.X, toy.y, speakers=toy.speakers).predict_proba(toy.X)
    with pytest.raises(ValueError, match=message):
        ser.set_params(**changed).fit(toy.X, toy.y, speakers=toy.speakers)
    np.testing.assert_array_equal(ser.predict_proba(toy.X), before)


def test_early_stopping_without_speakers_takes_an_emotion_of_one_row(toy):
    y = np.where(np.arange(len(toy.y)) == 7, "boredom", toy.y)
    ser = AdversarialSER(max_epochs=2, early_stopping=True, random_state=0)
    with pytest.warns(NoSpeakersWarning):
        ser.fit(toy.X, y)
    assert "boredom" in ser.classes_
    assert "valid_uar" in ser.history_


def test_standardisation_is_by_all_rows_of_a_large_corpus():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2)) + np.arange(20_000)[:, None] / 100
    scaled = standardization(X, np.ones(len(X)))(torch.from_numpy(X))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0, correction=0), 1, rtol=1e-6)
