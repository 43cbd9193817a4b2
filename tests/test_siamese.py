"""SiameseSER: its losses by hand, its parameters, codes and explanations."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from checks import assert_passes_all_checks
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from tensors import gradients, identity, numeric_gradients, tensor
from torch.autograd import gradcheck

from advser import SiameseSER
from advser._engine import Labels
from advser.datasets import load_emodb
from advser.exceptions import NoNeutralWarning, NoSpeakersWarning
from advser.methods import (
    cosine_distance,
    cross_correlation,
    integrated_gradients,
    jensen_shannon_divergence,
    subspace_overlap,
)
from advser.methods._siamese_network import NeutralReferences, SiameseNetwork
from advser.methods._tasks import Emotions
from advser.model_selection import StackedGridSearchCV
from advser.nn import linear, mlp, reconstruction_loss
from advser.objectives import SpeakerHead

CALIBRATIONS = {"js": jensen_shannon_divergence, "cosine": cosine_distance}
ORTHOGONALITIES = {"standardized": cross_correlation, "paper": subspace_overlap}
LOG2, LOG3 = math.log(2), math.log(3)
WEIGHTS = ["calibration", "orthogonality", "reconstruction", "speaker"]


def approx(values, abs=1e-9):
    return pytest.approx(values, abs=abs)


def small(**settings):
    settings = {"max_epochs": 4, "random_state": 0, **settings}
    return SiameseSER(**settings)


def assert_same_fit(ours, theirs, X):
    """Check that two estimators agree in every bit of what they learned."""
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    np.testing.assert_array_equal(ours.disentangle(X), theirs.disentangle(X))


# The pure losses


def test_jensen_shannon_divergence_by_hand():
    i = tensor([[LOG3, 0.0], [1.0, 1.0], [800.0, 0.0]])
    h_n = tensor([[0.0, LOG3], [5.0, 5.0], [0.0, 800.0]])
    # (3/4, 1/4) and (1/4, 3/4), whose mean is undecided; two alike; two apart
    first = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)
    assert jensen_shannon_divergence(i, h_n).tolist() == approx([first, 0.0, LOG2])
    same = jensen_shannon_divergence(h_n, i)
    torch.testing.assert_close(same, jensen_shannon_divergence(i, h_n))


def test_cosine_distance_by_hand():
    i = tensor([[1.0, 0.0], [2.0, 2.0], [1.0, -1.0]])
    h_n = tensor([[3.0, 4.0], [1.0, 1.0], [-2.0, 2.0]])
    assert cosine_distance(i, h_n).tolist() == approx([0.4, 0.0, 2.0])


def test_cross_correlation_by_hand():
    i = tensor([[1.0, 3.0], [-1.0, 3.0], [1.0, 5.0], [-1.0, 5.0]])
    r = tensor([[2.0, 7.0], [-2.0, 7.0], [2.0, 7.0], [-2.0, -7.0]])
    # r's first column is i's first; r's second correlates with either by 1/sqrt(3)
    weight = tensor([1.0, 1, 1, 1])
    expected = (1 + 1 / 3 + 1 / 3) / 2
    assert cross_correlation(i, r, weight).item() == approx(expected, abs=1e-4)
    assert cross_correlation(i, i, weight).item() == approx(1.0, abs=1e-4)


def test_subspace_overlap_by_hand():
    i = tensor([[3.0, 4.0], [-3.0, -4.0]])
    r = tensor([[1.0, 0.0], [-1.0, 0.0]])
    # rows (.6, .8) and (1, 0) with both signs: I'R is ((1.2, 0), (1.6, 0))
    loss = subspace_overlap(i, r, tensor([1.0, 1.0]))
    assert loss.item() == approx((1.2**2 + 1.6**2) / 4)


@pytest.mark.parametrize("loss", ORTHOGONALITIES.values())
def test_orthogonality_takes_the_weights_of_the_rows(loss):
    generator = torch.Generator().manual_seed(0)
    i, r = torch.randn(2, 9, 3, generator=generator, dtype=torch.float64)
    weight = tensor([1.0] * 6 + [0.0] * 3)
    alone = loss(i[:6], r[:6], weight[:6])
    torch.testing.assert_close(loss(i, r, weight), alone)
    torch.testing.assert_close(loss(i, r, 7 * weight), alone)
    assert loss(i, r, 0 * weight).item() == 0
    torch.testing.assert_close(loss(i[:6], r[:6]), alone)


def test_cross_correlation_counts_a_row_of_weight_2_twice():
    generator = torch.Generator().manual_seed(0)
    i, r = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    weight = tensor([1.0, 2, 1, 2, 1, 2])
    twice = weight.long()
    repeated = [code.repeat_interleave(twice, 0) for code in (i, r)]
    torch.testing.assert_close(
        cross_correlation(i, r, weight),
        cross_correlation(*repeated, torch.ones(9, dtype=torch.float64)),
    )


@pytest.mark.parametrize("loss", [*CALIBRATIONS.values(), reconstruction_loss])
def test_losses_of_rows_have_the_gradient_of_finite_differences(loss):
    generator = torch.Generator().manual_seed(0)
    i, h_n = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    assert gradcheck(loss, (i.requires_grad_(), h_n.requires_grad_()))


@pytest.mark.parametrize("loss", ORTHOGONALITIES.values())
def test_orthogonality_has_the_gradient_of_finite_differences(loss):
    generator = torch.Generator().manual_seed(0)
    i, r = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    weight = tensor([0.5, 1, 2, 1, 0, 1])
    assert gradcheck(lambda i, r: loss(i, r, weight), (i.requires_grad_(), r))


@pytest.mark.parametrize("loss", CALIBRATIONS.values())
def test_calibration_draws_the_code_to_the_reference(loss):
    generator = torch.Generator().manual_seed(0)
    i, h_n = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    (gradient,) = gradients([loss(i.requires_grad_(), h_n)], [i])
    assert (loss(i - 0.1 * gradient, h_n) < loss(i, h_n)).all()


def test_cross_correlation_sees_dependence_at_the_default_sizes():
    """At the defaults: equal codes cost several times what independent ones do."""
    defaults = SiameseSER()
    size = defaults.batch_size, defaults.embedding_dim
    assert size[0] >= 4 * size[1]
    generator = torch.Generator().manual_seed(0)
    i, r = torch.randn(2, *size, generator=generator)
    weight = torch.ones(size[0])
    of_equal = cross_correlation(i, i, weight)
    of_independent = cross_correlation(i, r, weight)
    assert of_independent.item() == pytest.approx(size[1] / size[0], rel=0.5)
    assert of_equal > 4 * of_independent


# The network


def worked_by_hand(**settings):
    """Return a network whose h, i and r are the features, decoded as their sum / 2."""
    decoder = torch.nn.Linear(4, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():
        decoder.weight.copy_(tensor([[0.5, 0, 0.25, 0], [0, 0.5, 0, 0.25]]))
    rows = tensor([[[0.0, 0.0]], [[0.0, LOG3]]])
    references = NeutralReferences(rows, tensor([1.0, 1.0]), tensor([0.0, 2.0]))
    parts = [identity(2) for _ in range(4)]
    network = SiameseNetwork(*parts, decoder, Emotions(2), None, references, **settings)
    return network.double()


def test_step_by_hand():
    weights = {"emotion": 2.0, "calibration": 3.0, "reconstruction": 4.0}
    network = worked_by_hand(weights=weights)
    ones = tensor([1.0, 1.0])
    y = Labels(
        row_weight=ones,
        emotion=torch.tensor([0, 1]),
        emotion_weight=ones,
        speaker=torch.tensor([0, -1]),
    )
    terms = network.loss("train", tensor([[LOG3, 0.0], [0.0, 0.0]]), y, 0.5)
    assert list(terms) == ["emotion", "calibration", "orthogonality", "reconstruction"]
    assert terms["emotion"].item() == approx(2 * (math.log(4 / 3) + LOG2) / 2)
    divergence = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)
    assert terms["calibration"].item() == approx(3 * (2 * divergence + 0) / 2)
    # the first columns are equal, the second constant
    assert terms["orthogonality"].item() == approx(1 / 2, abs=1e-4)
    assert terms["reconstruction"].item() == approx(4 * (LOG3 / 4) ** 2 / 2 / 2)


def random_network(**settings):
    """Return a network of 5 features, 3 emotions and 4 speakers, and its parts."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5, 3, 5, generator=generator)
    references = NeutralReferences(
        rows, tensor([1.0, 3, 3, 2, 1]), tensor([0.0, 1, 1, 0, 2])
    )
    references.noise = torch.rand(5, generator=generator)
    speaker_head = SpeakerHead(4, 4, generator)
    torch.nn.init.normal_(speaker_head.layers[-1].weight, generator=generator)
    return SiameseNetwork(
        torch.nn.Sequential(*mlp((5, 6), generator), linear(6, 4, generator)),
        linear(4, 3, generator),
        linear(4, 4, generator),
        linear(4, 4, generator),
        linear(8, 4, generator),
        Emotions(3),
        speaker_head,
        references,
        **settings,
    ).double()


def random_batch(n=7):
    """Return rows; one has no emotion, another no speaker."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    emotion = torch.tensor([0, -1, 1, 1, 2, 2, 2])
    speaker = torch.tensor([0, 1, -1, 2, 0, 2, 3])
    weight = torch.rand(n, generator=generator, dtype=torch.float64)
    y = Labels(
        row_weight=torch.ones_like(weight),
        emotion=emotion,
        emotion_weight=weight * (emotion >= 0),
        speaker=speaker,
        speaker_weight=weight * (speaker >= 0),
    )
    return x, y


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("orthogonality", ORTHOGONALITIES)
def test_step_has_the_gradient_of_finite_differences(calibration, orthogonality):
    network = random_network(calibration=calibration, orthogonality=orthogonality)
    x, y = random_batch()
    with torch.no_grad():
        target = network.encoder(x)

    def total(**parts):
        terms = network.loss("train", x, y, 0.5)
        return sum(terms.values(), start=torch.zeros((), dtype=torch.float64))

    def numeric_total():
        """Return the same with a fixed target of the reconstruction."""
        terms = network.loss("train", x, y, 0.5)
        h = network.encoder(x)
        codes = torch.cat([network.irrelevant(h), network.relevant(h)], 1)
        losses = reconstruction_loss(network.decoder(codes), target)
        terms["reconstruction"] = losses.mean()
        return sum(terms.values())

    parameters = network.step_parameters("train")
    assert len(parameters) == len(list(network.parameters()))
    found = gradients([total()], parameters)
    for ours, theirs in zip(
        found, numeric_gradients(numeric_total, parameters), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
        assert ours.any()


def test_each_term_changes_its_modules_and_no_others():
    network = random_network()
    x, y = random_batch()
    terms = network.loss("train", x, y, 0.5)
    expected = {
        "emotion": {"encoder", "relevant", "emotion_head"},
        "calibration": {"encoder", "irrelevant"},
        "orthogonality": {"encoder", "irrelevant", "relevant"},
        "reconstruction": {"encoder", "irrelevant", "relevant", "decoder"},
        "speaker": {"encoder", "irrelevant", "speaker_head"},
    }
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        found = gradients([term], network.parameters())
        changed = {
            parameter.partition(".")[0]
            for (parameter, _), gradient in zip(
                network.named_parameters(), found, strict=True
            )
            if gradient.abs().max() > 1e-12
        }
        assert changed == expected[name], name


def test_references_are_drawn_among_those_that_may_be_chosen():
    rows = torch.arange(6.0).reshape(2, 3, 1)
    layer = NeutralReferences(rows, torch.tensor([1.0, 2.0]), torch.ones(2))
    drawn = []
    for noise in layer.draw(50, torch.Generator().manual_seed(0)):
        layer.noise = noise
        drawn.append(layer().ravel().tolist())
    first, second = map(set, zip(*drawn, strict=True))
    assert first == {0.0}
    assert second == {3.0, 4.0}


def test_speaker_head_and_biases_have_no_penalty():
    network = random_network()
    names = {id(p): name for name, p in network.named_parameters()}
    assert {names[id(parameter)] for parameter in network.penalized("train")} == {
        "encoder.0.weight",
        "encoder.2.weight",
        "emotion_head.weight",
        "irrelevant.weight",
        "relevant.weight",
        "decoder.weight",
    }


# What a fit learns


def test_fit_learns_emotions_and_sets_its_attributes(toy):
    estimator = small(max_epochs=40)
    assert estimator.fit(*toy) is estimator
    assert estimator.score(toy.X, toy.y) > 0.9
    assert list(estimator.classes_) == ["anger", "neutral", "sadness"]
    assert list(estimator.speakers_) == list(pd.unique(toy.speakers))
    history = estimator.history_
    found = {name for name in history if name.endswith("_loss")}
    terms = ["emotion", *WEIGHTS]
    assert found == {"train_loss", *(f"train_{term}_loss" for term in terms)}
    for term in terms:
        losses = history[f"train_{term}_loss"]
        assert np.isfinite(losses).all()
        assert losses.iloc[-1] < losses.iloc[0], term


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("orthogonality", ORTHOGONALITIES)
def test_fit_changes_every_parameter(toy, calibration, orthogonality):
    settings = {"calibration": calibration, "orthogonality": orthogonality}
    few = small(max_epochs=1, **settings).fit(*toy).net_.module_.state_dict()
    many = small(max_epochs=20, **settings).fit(*toy).net_.module_.state_dict()
    parts = set()
    for name, values in many.items():
        if name.endswith((".weight", ".bias")) and not name.startswith("references"):
            assert not torch.equal(values, few[name]), name
            parts.add(name.partition(".")[0])
    assert len(parts) == 6


def test_codes_of_real_speech_do_not_collapse_and_hold_different_labels():
    """With the defaults, by an independent probe on held-out utterances."""
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    train, test = train_test_split(
        np.arange(len(X)), stratify=speakers, test_size=1 / 3, random_state=0
    )
    ser = SiameseSER(random_state=0).fit(X[train], y[train], speakers[train])
    found = {}
    for part, code in zip(("emotion", "speaker"), ser.disentangle(X), strict=True):
        assert (code.std(axis=0) > 0.1).all()
        assert np.linalg.matrix_rank(code - code.mean(axis=0), tol=0.1) > 3
        for name, labels in (("y", y), ("speakers", speakers)):
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probe.fit(code[train], labels[train])
            found[part, name] = probe.score(code[test], labels[test])
    assert found["emotion", "y"] > found["speaker", "y"] + 0.1
    assert found["speaker", "speakers"] > found["emotion", "speakers"] + 0.05


def test_weights_of_0_leave_a_network_that_no_other_setting_changes(toy):
    nothing = dict.fromkeys([f"{term}_weight" for term in WEIGHTS], 0.0)
    plain = small(**nothing).fit(*toy)
    for other in (
        {"calibration": "cosine"},
        {"orthogonality": "paper"},
        {"neutral": ["anger", "sadness"]},
    ):
        assert_same_fit(small(**nothing, **other).fit(*toy), plain, toy.X)
    history = plain.history_
    for term in WEIGHTS:
        assert (history[f"train_{term}_loss"] == 0).all()
    np.testing.assert_array_equal(history["train_loss"], history["train_emotion_loss"])


@pytest.mark.parametrize("term", ["emotion", *WEIGHTS])
def test_each_weight_reaches_the_network(toy, term):
    ours = small(**{f"{term}_weight": 0.3}).fit(*toy)
    assert np.abs(ours.transform(toy.X) - small().fit(*toy).transform(toy.X)).max() > 0


@pytest.mark.parametrize(
    "other",
    [
        {"calibration": "cosine"},
        {"orthogonality": "paper"},
        {"neutral_reference": "random"},
        {"neutral": "sadness"},
        {"clip": 1.0},
        {"dropout": 0.3},
        {"alpha": 1.0},
        {"encoder": torch.nn.Softsign()},
    ],
)
def test_each_setting_reaches_the_network(toy, other):
    ours = small(**other).fit(*toy)
    assert np.abs(ours.transform(toy.X) - small().fit(*toy).transform(toy.X)).max() > 0


def test_module_has_its_columns_in_the_order_of_classes(toy):
    ours = small(max_epochs=40).fit(*toy)
    logits = ours.net_.module_(torch.from_numpy(toy.X)).detach().numpy()
    np.testing.assert_array_equal(ours.classes_[logits.argmax(1)], ours.predict(toy.X))
    np.testing.assert_array_equal(logits, ours.decision_function(toy.X))


def test_several_classes_may_be_neutral(toy):
    both = small(neutral=["neutral", "sadness"]).fit(*toy)
    merged = small().fit(
        toy.X, np.where(toy.y == "sadness", "neutral", toy.y), toy.speakers
    )
    ours, theirs = (ser.net_.module_.references.rows for ser in (both, merged))
    torch.testing.assert_close(ours, theirs)


def test_mean_of_the_neutral_rows_is_the_reference(toy):
    references = small().fit(*toy).net_.module_.references
    neutral = toy.y == "neutral"
    expected = [
        toy.X[neutral & (toy.speakers == name)].mean(axis=0)
        for name in pd.unique(toy.speakers)
    ]
    table = references.rows.numpy()
    np.testing.assert_allclose(table[1:, 0], expected)
    np.testing.assert_allclose(table[0, 0], np.mean(expected, axis=0))
    assert references.weight.tolist() == [0, 1, 1, 1, 1]


def test_random_references_are_the_first_three_neutral_rows(toy):
    weight = np.ones(120)
    first = np.flatnonzero((toy.y == "neutral") & (toy.speakers == toy.speakers[0]))
    weight[first[0]] = 0
    ser = small(neutral_reference="random").fit(*toy, sample_weight=weight)
    table = ser.net_.module_.references.rows.numpy()
    entry = 1 + list(ser.speakers_).index(toy.speakers[0])
    np.testing.assert_array_equal(table[entry], toy.X[first[1:4]])


# Who has no neutral speech


def without_neutral_speech_of(toy, name):
    keep = (toy.y != "neutral") | (toy.speakers != name)
    return [part[keep] for part in toy]


@pytest.mark.parametrize("reference", ["mean", "random"])
def test_speaker_without_neutral_speech_is_named_and_not_calibrated(toy, reference):
    rows = without_neutral_speech_of(toy, "s10")
    ser = small(neutral_reference=reference)
    with pytest.warns(NoNeutralWarning, match=r"\['s10'\].*'neutral'") as caught:
        ser.fit(*rows)
    assert [warning.filename for warning in caught] == [__file__]
    references = ser.net_.module_.references
    entry = list(ser.speakers_).index("s10") + 1
    weights = references.weight.tolist()
    assert weights[entry] == weights[0] == 0
    # the mean over the rows that have one
    share = np.mean(rows[2] != "s10")
    assert sorted(weights)[2:] == approx([1 / share] * 3)
    np.testing.assert_array_equal(references.rows[entry, 0], references.rows[0, 0])


def test_missing_neutral_class_is_warned_about_with_the_classes(toy):
    y = np.where(toy.y == "neutral", "calm", toy.y)
    ser = small()
    message = r"`neutral='neutral'`.*\['anger', 'calm', 'sadness'\]|calm"
    with pytest.warns(NoNeutralWarning, match=message) as caught:
        ser.fit(toy.X, y, toy.speakers)
    assert [warning.filename for warning in caught] == [__file__]
    assert "train_calibration_loss" not in ser.history_
    assert "train_orthogonality_loss" in ser.history_


def test_without_speakers_there_is_neither_calibration_nor_speaker_head(toy):
    ser = small()
    with pytest.warns(NoSpeakersWarning, match="has 0: .* head and calib") as caught:
        ser.fit(toy.X, toy.y)
    assert [warning.filename for warning in caught] == [__file__]
    assert not {"train_calibration_loss", "train_speaker_loss"} & set(ser.history_)
    assert np.isfinite(ser.predict_proba(toy.X)).all()


def test_one_speaker_is_calibrated_without_a_speaker_head(toy):
    ser = small()
    with pytest.warns(NoSpeakersWarning, match=r"has 1: .* head\."):
        ser.fit(toy.X, toy.y, ["me"] * 120)
    assert "train_calibration_loss" in ser.history_
    assert "train_speaker_loss" not in ser.history_


def test_rows_of_unknown_speakers_are_not_calibrated(toy):
    speakers = toy.speakers.astype(object)
    speakers[toy.speakers == "s10"] = None
    ser = small().fit(toy.X, toy.y, speakers)
    assert len(ser.speakers_) == 3
    assert ser.net_.module_.references.weight.tolist() == approx(
        [0, 4 / 3, 4 / 3, 4 / 3]
    )


def test_neutral_speech_of_unknown_speakers_alone_is_no_reference(toy):
    speakers = np.where(toy.y == "neutral", None, toy.speakers)
    with pytest.warns(NoNeutralWarning, match="s10"):
        ser = small().fit(toy.X, toy.y, speakers)
    assert ser.net_.module_.references is None


# The codes and their explanation


def test_transform_and_disentangle_return_the_codes(toy):
    ser = small(embedding_dim=5).fit(*toy)
    emotion, speaker = ser.disentangle(toy.X)
    assert emotion.shape == speaker.shape == (120, 5)
    np.testing.assert_allclose(ser.transform(toy.X), emotion, atol=1e-12)
    module = ser.net_.module_
    h = module.encoder(torch.from_numpy(toy.X))
    for code, translator in ((emotion, module.relevant), (speaker, module.irrelevant)):
        np.testing.assert_allclose(code, translator(h).detach().numpy(), atol=1e-12)
    assert list(ser.get_feature_names_out()) == [f"siameseser{j}" for j in range(5)]
    table = ser.set_output(transform="pandas").transform(toy.X)
    assert list(table.columns) == list(ser.get_feature_names_out())


def test_fit_transform_gives_the_codes_of_the_fit(toy):
    ours = small().fit_transform(toy.X, toy.y, speakers=toy.speakers)
    np.testing.assert_array_equal(ours, small().fit(*toy).transform(toy.X))


def test_integrated_gradients_by_hand():
    x, baseline = tensor([[3.0, 2.0, 5.0]]), tensor([1.0, 0.0, 5.0])

    def function(x):
        return x[:, 0] ** 2 + 4 * x[:, 1] + 7 * x[:, 2]

    # 9 - 1 and 4 · 2; the midpoint rule is exact for squares
    attribution = integrated_gradients(function, x, baseline, 4)
    assert attribution[0].tolist() == approx([8.0, 8.0, 0.0])


def test_contributions_add_up_to_the_decoded_embedding():
    network = random_network()
    x, _ = random_batch()

    def decoded(x):
        h = network.encoder(x)
        return network.decoder(
            torch.cat([network.irrelevant(h), network.relevant(h)], 1)
        )

    of_emotion, of_speaker = network.contributions(x, x[0])
    torch.testing.assert_close(of_emotion + of_speaker, decoded(x) - decoded(x[:1]))
    with torch.no_grad():  # without a code, its contribution is 0
        network.relevant.weight.zero_()
    of_emotion, unchanged = network.contributions(x, x[0])
    assert not of_emotion.any()
    torch.testing.assert_close(unchanged, of_speaker)


def test_explanation_adds_up(toy):
    ser = small(max_epochs=30).fit(*toy)
    table = ser.explain(toy.X[:10], n_steps=400)
    assert list(table) == ["utterance", "code", "share", "feature", "attribution"]
    assert len(table) == 10 * 2 * 8
    by_code = table.groupby(["utterance", "code"])
    shares = by_code["share"].first()
    np.testing.assert_allclose(by_code["attribution"].sum(), shares, atol=0.01)
    np.testing.assert_allclose(shares.groupby("utterance").sum(), 1, atol=1e-6)
    assert shares.between(0, 1).all()


def test_explanation_finds_the_features_of_each_code():
    """Features 0 and 1 depend on the emotion, 2 and 3 on the speaker."""
    rng = np.random.default_rng(0)
    emotion, speaker = rng.integers(3, size=400), rng.integers(4, size=400)
    X = rng.normal(scale=0.3, size=(400, 6))
    X[:, :2] += np.array([[0, 0], [2, 0], [0, 2]])[emotion]
    X[:, 2:4] += np.array([[0, 0], [2, 0], [0, 2], [2, 2]])[speaker]
    y = np.array(["neutral", "joy", "anger"])[emotion]
    ser = SiameseSER(random_state=0).fit(X, y, speaker)
    table = ser.explain(X)
    of = table.groupby(["code", "feature"])["attribution"].sum().unstack()
    emotional, personal = of.loc["emotion"], of.loc["speaker"]
    assert emotional[["x0", "x1"]].sum() > 2 * emotional[["x2", "x3"]].sum()
    assert personal[["x2", "x3"]].sum() > 2 * personal[["x0", "x1"]].sum()
    assert of[["x4", "x5"]].sum(axis=None) < of.sum(axis=None) / 5


def test_explanation_names_utterances_and_features(toy):
    frame = pd.DataFrame(toy.X, columns=list("abcdefgh")).set_index(
        toy.y + toy.speakers
    )
    ser = small().fit(frame, toy.y, toy.speakers)
    table = ser.explain(frame[3:5])
    assert list(pd.unique(table["utterance"])) == list(frame.index[3:5])
    assert list(table["feature"][:8]) == list("abcdefgh")


def test_explanation_of_the_training_mean_is_finite(toy):
    ser = small().fit(*toy)
    table = ser.explain(ser.net_.module_.encoder[0].mean.numpy()[None])
    assert (table[["share", "attribution"]] == 0).all(axis=None)


@pytest.mark.parametrize("n_steps", [0, 2.5])
def test_explanation_in_no_steps(toy, n_steps):
    with pytest.raises(ValueError, match="`n_steps` must be an int in the range"):
        small().fit(*toy).explain(toy.X, n_steps=n_steps)


# Names, refits, weights, kinds of numbers


@pytest.mark.parametrize("reference", ["mean", "random"])
def test_refit_gives_the_same_bits(toy, reference):
    ser = small(neutral_reference=reference).fit(*toy)
    first = clone(ser).fit(*toy)
    torch.rand(3), np.random.rand(3)  # noqa: NPY002 - must not matter
    assert_same_fit(ser.fit(*toy), first, toy.X)
    other = small(neutral_reference=reference, random_state=1).fit(*toy)
    assert not np.array_equal(other.transform(toy.X), first.transform(toy.X))


@pytest.mark.parametrize("reference", ["mean", "random"])
def test_renamed_speakers_change_no_bit(toy, reference):
    settings = {"early_stopping": True, "neutral_reference": reference}
    names = {"s1": "z", "s2": "m", "s3": "a", "s10": "k"}
    ours = small(**settings).fit(toy.X, toy.y, [names[s] for s in toy.speakers])
    assert_same_fit(ours, small(**settings).fit(*toy), toy.X)


def test_renamed_emotions_change_rounding_alone(toy):
    emotions = {"anger": 3, "neutral": 1, "sadness": 2}
    y = [emotions[name] for name in toy.y]
    ours, theirs = small(neutral=1).fit(toy.X, y, toy.speakers), small().fit(*toy)
    np.testing.assert_allclose(
        ours.disentangle(toy.X), theirs.disentangle(toy.X), atol=1e-7
    )
    np.testing.assert_array_equal(
        ours.predict(toy.X), [emotions[name] for name in theirs.predict(toy.X)]
    )


def test_fit_touches_no_global_state_and_no_input(toy):
    inputs = copy.deepcopy([*toy])
    state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    ser = small()
    parameters = ser.get_params()
    ser.fit(*toy).explain(toy.X[:2])
    torch.testing.assert_close(torch.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert ser.get_params() == parameters
    for ours, theirs in zip(toy, inputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_float32_agrees_with_float64(toy):
    X = toy.X.astype(np.float32)
    single = small().fit(X, toy.y, toy.speakers)
    double = small().fit(X.astype(np.float64), toy.y, toy.speakers)
    assert single.transform(X).dtype == np.float32
    np.testing.assert_allclose(
        single.predict_proba(X), double.predict_proba(X.astype(np.float64)), atol=1e-3
    )


@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e30, 1e150])
def test_extreme_features_never_give_nan(toy, factor):
    X = toy.X.copy()
    X[:, 0] *= factor
    ser = small().fit(X, toy.y, toy.speakers)
    assert np.isfinite(ser.predict_proba(X)).all()


@pytest.mark.parametrize("reference", ["mean", "random"])
def test_sample_weight_of_0_is_like_a_row_left_out(toy, reference):
    keep = (np.arange(120) % 3 > 0) & (toy.speakers != toy.speakers[1])
    weighted = small(neutral_reference=reference).fit(*toy, sample_weight=keep)
    alone = small(neutral_reference=reference).fit(*(part[keep] for part in toy))
    assert_same_fit(weighted, alone, toy.X)


@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_sample_weight_of_2_is_like_a_row_twice(toy, class_weight):
    weight = 1 + np.arange(120) % 2
    settings = {"batch_size": 500, "dropout": 0.0, "class_weight": class_weight}
    weighted = small(**settings).fit(*toy, sample_weight=weight)
    repeated = small(**settings).fit(*(np.repeat(part, weight, axis=0) for part in toy))
    np.testing.assert_allclose(
        weighted.predict_proba(toy.X), repeated.predict_proba(toy.X), atol=1e-8
    )


def test_warm_start_goes_on(toy):
    ser = small(warm_start=True).fit(*toy)
    loss = ser.history_["train_emotion_loss"].iloc[-1]
    ser.fit(*toy)
    assert ser.n_iter_ == 8
    assert ser.history_["train_emotion_loss"].iloc[-1] < loss


def test_early_stopping_uses_no_neutral_speech_of_the_speakers_aside(toy):
    ser = small(early_stopping=True, validation_fraction=0.5).fit(*toy)
    rows = np.isin(toy.speakers, ser.speakers_) & (toy.y == "neutral")
    means = [toy.X[rows & (toy.speakers == s)].mean(axis=0) for s in ser.speakers_]
    references = ser.net_.module_.references.rows.numpy()
    np.testing.assert_allclose(references[1:, 0], means)
    np.testing.assert_allclose(references[0, 0], np.mean(means, axis=0))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("neutral", 2.5),
        ("neutral_reference", "first"),
        ("calibration", "kl"),
        ("orthogonality", "none"),
        ("speaker_weight", -1),
        ("clip", 0),
    ],
)
def test_parameter_out_of_range(toy, parameter, value):
    with pytest.raises(InvalidParameterError, match=parameter):
        small(**{parameter: value}).fit(*toy)


@pytest.mark.parametrize("method", ["predict", "transform", "disentangle", "explain"])
def test_not_fitted(toy, method):
    with pytest.raises(NotFittedError):
        getattr(SiameseSER(), method)(toy.X)


# scikit-learn


@pytest.mark.filterwarnings("ignore::advser.exceptions.NoSpeakersWarning")
@pytest.mark.filterwarnings("ignore::advser.exceptions.NoNeutralWarning")
def test_estimator_passes_all_checks():
    assert_passes_all_checks(SiameseSER(max_epochs=15, lr=0.003))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_routing_one_array_drives_splitter_and_network(toy):
    results = cross_validate(
        make_pipeline(StandardScaler(), small()),
        toy.X,
        toy.y,
        params={"groups": toy.speakers},
        cv=GroupKFold(4),
        return_estimator=True,
        error_score="raise",
    )
    assert [len(pipe[-1].speakers_) for pipe in results["estimator"]] == [3] * 4


@pytest.mark.usefixtures("routing")
def test_routing_grid_search(toy):
    grid = {"siameseser__orthogonality": ["standardized", "paper"]}
    pipe = make_pipeline(StandardScaler(), small())
    search = GridSearchCV(pipe, grid, cv=GroupKFold(2), error_score="raise")
    search.fit(toy.X, toy.y, groups=toy.speakers)
    assert len(search.best_estimator_[-1].speakers_) == 4
    assert set(search.predict(toy.X)) <= set(toy.y)


@pytest.mark.parametrize("routed", [False, True])
def test_code_feeds_the_next_step_of_a_pipeline(toy, routed):
    pipe = make_pipeline(small(), LogisticRegression())
    with sklearn.config_context(enable_metadata_routing=routed):
        name = "speakers" if routed else "siameseser__speakers"
        pipe.fit(toy.X, toy.y, **{name: toy.speakers})
    assert pipe[-1].coef_.shape == (3, 16)
    assert len(pipe[0].speakers_) == 4


def test_routing_off_cross_validation_and_grid_search(toy):
    settings = {"groups": toy.speakers, "params": {"speakers": toy.speakers}}
    settings |= {"cv": GroupKFold(4), "error_score": "raise"}
    scores = cross_val_score(small(), toy.X, toy.y, **settings)
    assert scores.shape == (4,)
    grid = {"siameseser__calibration": ["js", "cosine"]}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small()),
        grid,
        cv=GroupKFold(2),
        error_score="raise",
    )
    search.fit(toy.X, toy.y, groups=toy.speakers, siameseser__speakers=toy.speakers)
    assert len(search.best_estimator_[-1].speakers_) == 4


def test_copy_predicts_as_the_original_and_trains_on(toy):
    original = small(warm_start=True, early_stopping=True).fit(*toy)
    for other in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert_same_fit(other, original, toy.X)
        assert other.fit(*toy).n_iter_ > original.n_iter_


# Stacked searches


def uneven_corpus():
    """Three emotions of nine speakers, who differ in their number of utterances."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(9), [8, 9, 11, 13, 10, 12, 17, 14, 9])
    emotion = np.arange(len(speakers)) % 3
    X = rng.normal(size=(len(emotion), 6)) + 2 * np.eye(3, 6)[emotion]
    X += rng.normal(size=(9, 6))[speakers]
    return X, np.array(["anger", "joy", "neutral"])[emotion], speakers


@pytest.mark.parametrize("n_splits", [3, 4])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "neutral_reference": "random",
            "calibration": "cosine",
            "orthogonality": "paper",
        },
    ],
)
def test_stacked_search_agrees_with_separate_fits(n_splits, settings):
    """Also where folds differ in their numbers of speakers and references."""
    X, y, speakers = uneven_corpus()
    grid = [
        {"calibration_weight": [0.1, 1.0], "random_state": [0, 1]},
        {"lr": [1e-2], "speaker_weight": [0.0, 1.0], "clip": [1.0]},
        {"alpha": [0.0, 0.3], "dropout": [0.3]},
        {"calibration": ["cosine"], "orthogonality": ["paper"]},
    ]
    ser = small(
        hidden_layer_sizes=(8,),
        embedding_dim=4,
        batch_size=16,
        **settings,
    )
    expected, stacked = (
        pd.DataFrame(
            search(
                ser, grid, cv=GroupKFold(n_splits), scoring="neg_log_loss", refit=False
            )
            .fit(X, y, groups=speakers, speakers=speakers)
            .cv_results_
        )
        .filter(regex=r"^split\d+_")
        .to_numpy()
        for search in (GridSearchCV, StackedGridSearchCV)
    )
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(stacked, expected, rtol=1e-6)


def test_a_large_weight_of_the_emotion_is_no_divergence(toy):
    ser = SiameseSER(emotion_weight=1e4, max_epochs=3, random_state=0)
    ser.fit(toy.X, toy.y, speakers=toy.speakers)
    assert ser.history_["train_emotion_loss"].iloc[-1] > 0
