"""What the package refuses, and how: one list for the tests and for the documentation.

`test_refused` makes every call and compares the error. `benchmarks/update_tables.py`
writes the table of docs/guide/refused.rst.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import advser
from advser import corpora, evaluation, metrics, objectives, plots
from advser.datasets import load_emodb
from advser.model_selection import stacked_cross_validate
from advser.nn import Clip, Dropout, weighted_mean
from advser.report import report


class Data(NamedTuple):
    """What the calls start from: a small corpus, and an empty folder."""

    X: np.ndarray
    y: np.ndarray
    speakers: np.ndarray
    ratings: np.ndarray
    folder: Path


class Refused(NamedTuple):
    """An input that is refused.

    Parameters
    ----------
    kind : str
        Heading of the table: entries of a kind stand together.

    given : str
        What is given, in words for the documentation (reST).

    call : callable
        Makes the call, given the `Data`.

    error : type
        Type of the error; a subclass of it is right, too.

    message : str
        How the error text starts.
    """

    kind: str
    given: str
    call: Callable[[Data], object]
    error: type[Exception]
    message: str


def small(estimator=advser.AdversarialSER, **params):
    """Return an estimator that fits in no time."""
    return estimator(**{"max_epochs": 1, "random_state": 0, **params})


def fit(data, estimator=None, **changes):
    """Fit an estimator on the data, with changes by name."""
    arrays = {"X": data.X, "y": data.y, "speakers": data.speakers, **changes}
    return (small() if estimator is None else estimator).fit(**arrays)


def rate(data, **changes):
    """Fit a regressor on the data, with changes by name."""
    regressor = small(advser.AdversarialSERRegressor)
    return fit(data, regressor, **{"y": data.ratings, **changes})


def with_first(values, value):
    """Return a list of the values, with another first one."""
    return [value, *list(values)[1:]]


PARAMETERS, LABELS, FEATURES, WEIGHTS, RATINGS, FITTED, TRAINING, FIGURES, LAYERS = (
    "Parameters",
    "Emotions, speakers and other labels",
    "Features",
    "Weights",
    "Ratings",
    "Fitted estimators",
    "Training",
    "Figures",
    "Layers and functions",
)

CASES = [
    Refused(
        PARAMETERS,
        "A number out of range",
        lambda data: fit(data, small(lr=0)),
        ValueError,
        "The 'lr' parameter of AdversarialSER must be a float in the range (0.0, inf).",
    ),
    Refused(
        PARAMETERS,
        "A boolean in place of a number",
        lambda data: fit(data, small(batch_size=True)),
        ValueError,
        "The 'batch_size' parameter of AdversarialSER must be an int in the range",
    ),
    Refused(
        PARAMETERS,
        "NaN or infinity",
        lambda data: fit(data, small(alpha=np.inf)),
        ValueError,
        "The 'alpha' parameter of AdversarialSER must be a float in the range",
    ),
    Refused(
        PARAMETERS,
        "A layer without units",
        lambda data: fit(data, small(hidden_layer_sizes=(128, 0))),
        ValueError,
        "The 'hidden_layer_sizes' parameter of AdversarialSER must be a sequence, each "
        "an int in the range [1,",
    ),
    Refused(
        PARAMETERS,
        "A kernel without width, ``MMD(bandwidths=(0,))``",
        lambda data: fit(data, small(adversary=objectives.MMD(bandwidths=(0,)))),
        ValueError,
        "The 'bandwidths' parameter of MMD must be a sequence of 1 or more, each",
    ),
    Refused(
        PARAMETERS,
        "A device that is absent",
        lambda data: fit(data, small(device="meta")),
        ValueError,
        "`device='meta'` is not available here",
    ),
    Refused(
        PARAMETERS,
        "A device that torch does not have",
        lambda data: fit(data, small(device="foo")),
        ValueError,
        "`device='foo'` is not available here",
    ),
    Refused(
        PARAMETERS,
        "Folds of a probe: one, or a boolean",
        lambda data: evaluation.speaker_leakage(data.X, data.speakers, n_splits=True),
        ValueError,
        "`n_splits` must be an int in the range [2,",
    ),
    Refused(
        PARAMETERS,
        "A probe that is no classifier",
        lambda data: evaluation.speaker_leakage(data.X, data.speakers, probe=3),
        ValueError,
        "`probe` is 3; it must be one of",
    ),
    Refused(
        PARAMETERS,
        "Callbacks that are not those of skorch",
        lambda data: fit(data, small(callbacks=[print])),
        ValueError,
        "`callbacks` must hold callbacks of skorch; got",
    ),
    Refused(
        PARAMETERS,
        "A string in place of names",
        lambda data: metrics.rating_scorers("arousal"),
        ValueError,
        "`targets` must be a sequence of names; got 'arousal'.",
    ),
    Refused(
        PARAMETERS,
        "A confidence level of 2",
        lambda data: evaluation.speaker_leakage(
            data.X, data.speakers, confidence_level=2
        ),
        ValueError,
        "`confidence_level` must be a float in the range (0.0, 1.0)",
    ),
    Refused(
        PARAMETERS,
        "A number in place of a path",
        lambda data: report(5),
        ValueError,
        "`folder` must be the path of a file or folder; got 5.",
    ),
    Refused(
        PARAMETERS,
        "Text in place of a number",
        lambda data: evaluation.compare(
            {"SER": small()}, data.X, data.y, data.speakers, n_jobs="2"
        ),
        ValueError,
        "`n_jobs` must be an int in the range [-2147483648, 2147483648) or None; got "
        "'2'.",
    ),
    Refused(
        PARAMETERS,
        "Something other than True or False",
        lambda data: load_emodb(as_frame="yes"),
        ValueError,
        "`as_frame` must be an instance of 'bool' or an instance of 'numpy.bool'; got "
        "'yes'.",
    ),
    Refused(
        PARAMETERS,
        "A list in place of a table",
        lambda data: corpora.summary([]),
        ValueError,
        "`table` must be a DataFrame of pandas; got list.",
    ),
    Refused(
        PARAMETERS,
        "Folds that no splitter makes",
        lambda data: stacked_cross_validate(small(), data.X, data.y, cv=-1),
        ValueError,
        "`cv` is -1: k-fold cross-validation requires at least one train/test split",
    ),
    Refused(
        PARAMETERS,
        "A class in place of an estimator",
        lambda data: evaluation.cross_val_leakage(Ridge, data.X, data.y, data.speakers),
        ValueError,
        "`estimator` is the class Ridge; pass an instance of it.",
    ),
    Refused(
        PARAMETERS,
        "A regressor as a probe",
        lambda data: evaluation.speaker_leakage(data.X, data.speakers, probe=Ridge()),
        ValueError,
        "`probe` is Ridge(); it must be one of",
    ),
    Refused(
        PARAMETERS,
        "A folder in place of a file",
        lambda data: advser.save(fit(data), data.folder),
        IsADirectoryError,
        "No file can replace ",
    ),
    Refused(
        PARAMETERS,
        "Two targets with the same name",
        lambda data: metrics.rating_scorers(["arousal", "arousal"]),
        ValueError,
        "`targets` is ['arousal', 'arousal']; each must have a name of its own.",
    ),
    Refused(
        PARAMETERS,
        "Several labels as ``neutral`` of SpeakerScaler",
        lambda data: fit(data, advser.SpeakerScaler(neutral=["neutral"])),
        ValueError,
        "`neutral` must be the label of one emotion, or None; got ['neutral'].",
    ),
    Refused(
        LABELS,
        "A missing emotion in ``fit`` of a classifier",
        lambda data: fit(data, y=with_first(data.y, None)),
        ValueError,
        "`y` is missing in 1 of 24 rows, the first of them row 0; drop those rows, or "
        "pass them as `X_unlabeled`.",
    ),
    Refused(
        LABELS,
        "The same for SiameseSER, which has no ``X_unlabeled``",
        lambda data: fit(data, small(advser.SiameseSER), y=with_first(data.y, None)),
        ValueError,
        "`y` is missing in 1 of 24 rows, the first of them row 0; drop those rows.",
    ),
    Refused(
        LABELS,
        "A missing emotion in ``score``",
        lambda data: fit(data).score(data.X, with_first(data.y, np.nan)),
        ValueError,
        "`y` is missing in 1 of 24 rows, the first of them row 0; give every row a "
        "label or drop those rows.",
    ),
    Refused(
        LABELS,
        "A missing emotion in a metric",
        lambda data: metrics.unweighted_average_recall(
            with_first(data.y, pd.NA), data.y
        ),
        ValueError,
        "`y_true` is missing in 1 of 24 rows, the first of them row 0;",
    ),
    Refused(
        LABELS,
        "Strings in ``y_true`` and numbers in ``y_pred``",
        lambda data: metrics.unweighted_average_recall(["1", "2"], [1, 2]),
        ValueError,
        "Unknown label type: `y_pred` and `y_true` hold",
    ),
    Refused(
        LABELS,
        "The same in an interval",
        lambda data: evaluation.uar_interval(
            ["1", "2"], [1, 2], speakers=data.speakers[5:7]
        ),
        ValueError,
        "Unknown label type: `y_pred` and `y_true` hold",
    ),
    Refused(
        LABELS,
        "Nothing in place of the labels",
        lambda data: evaluation.uar_interval(None, data.y, speakers=data.speakers),
        ValueError,
        "`y_true` must have rows; got None.",
    ),
    Refused(
        LABELS,
        "Several speakers of an utterance in a session",
        lambda data: session(data).predict(data.X[:2], speaker=["ann", "bob"]),
        ValueError,
        "`speaker` must be one str or int, or None; got ['ann', 'bob'].",
    ),
    Refused(
        LABELS,
        "A missing speaker in a metric",
        lambda data: metrics.speaker_uar(
            data.y, data.y, speakers=with_first(data.speakers, None)
        ),
        ValueError,
        "`speakers` is missing in 1 of 24 rows, the first of them row 0;",
    ),
    Refused(
        LABELS,
        "A missing speaker of a probe",
        lambda data: evaluation.speaker_leakage(
            data.X, with_first(data.speakers, None)
        ),
        ValueError,
        "`speakers` is missing in 1 of 24 rows, the first of them row 0;",
    ),
    Refused(
        LABELS,
        "A missing gender of a probe",
        lambda data: evaluation.gender_leakage(
            data.X, with_first(data.speakers, None), data.speakers
        ),
        ValueError,
        "`genders` is missing in 1 of 24 rows, the first of them row 0;",
    ),
    Refused(
        LABELS,
        "A missing speaker to enrol",
        lambda data: fit(data, advser.SpeakerScaler()).enroll(data.X[:2], ["a", None]),
        ValueError,
        "`speakers` is missing in 1 of 2 rows, the first of them row 1;",
    ),
    Refused(
        LABELS,
        "Numbers among strings",
        lambda data: fit(data, speakers=with_first(data.speakers, 3)),
        ValueError,
        "Unknown label type: `speakers` holds",
    ),
    Refused(
        LABELS,
        "Numbers in ``speakers`` and strings in ``speakers_unlabeled``",
        lambda data: fit(
            data,
            speakers=np.arange(24) % 4,
            X_unlabeled=data.X,
            speakers_unlabeled=data.speakers,
        ),
        ValueError,
        "Unknown label type: `speakers` and `speakers_unlabeled` hold",
    ),
    Refused(
        LABELS,
        "Fractions, dates or lists as labels",
        lambda data: fit(data, y=np.arange(24) / 2),
        ValueError,
        "Unknown label type: `y` holds 0.5 (float); labels are strings, whole numbers "
        "or booleans",
    ),
    Refused(
        LABELS,
        "Whole floats that are too large to be distinguished",
        lambda data: fit(data, speakers=2.0**60 + np.arange(24)),
        ValueError,
        "Unknown label type: `speakers` holds",
    ),
    Refused(
        LABELS,
        "Names that differ in white space or in the Unicode form only",
        lambda data: fit(data, speakers=["anna", "anna "] * 12),
        ValueError,
        "`speakers` holds 'anna' and 'anna ', which differ in white space or in the "
        "Unicode form only; write both alike.",
    ),
    Refused(
        LABELS,
        "One label too few",
        lambda data: fit(data, speakers=data.speakers[1:]),
        ValueError,
        "`speakers` has 23 entries and `X` has 24 rows; pass one label per row of `X`.",
    ),
    Refused(
        LABELS,
        "Two columns of labels",
        lambda data: fit(data, speakers=np.stack([data.speakers] * 2, axis=1)),
        ValueError,
        "`speakers` must be one-dimensional, with one label per row of `X`; got shape",
    ),
    Refused(
        LABELS,
        "A string in place of a mask, ``enroll(neutral='no')``",
        lambda data: fit(data, advser.SpeakerScaler()).enroll(
            data.X[:2], ["a", "a"], neutral="no"
        ),
        ValueError,
        "`neutral` must be one-dimensional, with one label per row of `X`; got shape",
    ),
    Refused(
        LABELS,
        "Strings in a mask",
        lambda data: fit(data, advser.SpeakerScaler()).enroll(
            data.X[:2], ["a", "a"], neutral=["no", "yes"]
        ),
        ValueError,
        "`neutral` must be None, a boolean or one boolean per row; got 'no'.",
    ),
    Refused(
        FEATURES,
        "Text among the features",
        lambda data: fit(data, X=[*data.X.tolist()[:-1], ["a"] * 4]),
        ValueError,
        "`X` is refused: could not convert string to float: 'a'",
    ),
    Refused(
        FEATURES,
        "A missing value, also as a masked one",
        lambda data: fit(data, X=np.ma.masked_greater(data.X, 1)),
        ValueError,
        "Input X contains NaN.",
    ),
    Refused(
        FEATURES,
        "Nothing at all",
        lambda data: evaluation.cross_val_leakage(small(), None, data.y, data.speakers),
        ValueError,
        "`X` must have rows; got None.",
    ),
    Refused(
        FEATURES,
        "Dates and durations",
        lambda data: fit(data, X=pd.date_range("2020", periods=24).to_frame()),
        TypeError,
        "`X` is refused: entries of type datetime64",
    ),
    Refused(
        FEATURES,
        "Values whose variance is not finite",
        lambda data: fit(data, X=1e200 * data.X),
        ValueError,
        "`X` holds values up to",
    ),
    Refused(
        FEATURES,
        "The same, where the square is just too large",
        lambda data: fit(data, X=1e155 * data.X),
        ValueError,
        "`X` holds values up to",
    ),
    Refused(
        FEATURES,
        "The same in SpeakerScaler",
        lambda data: fit(data, advser.SpeakerScaler(), X=1e155 * data.X),
        ValueError,
        "`X` holds values up to",
    ),
    Refused(
        FEATURES,
        "The same in a session",
        lambda data: session(data).predict(1e300 * data.X[:2], "ann"),
        ValueError,
        "`X` holds values up to",
    ),
    Refused(
        FEATURES,
        "Columns in another order, also if their names are numbers",
        lambda data: fit(data, X=pd.DataFrame(data.X)).predict(
            pd.DataFrame(data.X)[[3, 2, 1, 0]]
        ),
        ValueError,
        "`X` has the columns ['3', '2', '1', '0'], and `fit` got ['0', '1', '2', '3'];",
    ),
    Refused(
        FEATURES,
        "The same in ``X_unlabeled``",
        lambda data: fit(
            data,
            X=pd.DataFrame(data.X),
            X_unlabeled=pd.DataFrame(data.X)[[3, 2, 1, 0]],
        ),
        ValueError,
        "`X_unlabeled` has the columns ['3', '2', '1', '0'], and `fit` got",
    ),
    Refused(
        FEATURES,
        "A missing value in ``X_unlabeled``",
        lambda data: fit(data, X_unlabeled=np.full((2, 4), np.nan)),
        ValueError,
        "Input X_unlabeled contains NaN.",
    ),
    Refused(
        FEATURES,
        "Rows to predict for which the network overflows",
        lambda data: fit(data, small(clip=None), X=data.X.astype(np.float32)).predict(
            np.tile(np.float32([3e38, -3e38]), (2, 2))
        ),
        ValueError,
        "The network returns numbers that are not finite for rows of `X` with values "
        "up to 3e+38",
    ),
    Refused(
        WEIGHTS,
        "A negative weight",
        lambda data: fit(data, sample_weight=with_first(np.ones(24), -1)),
        ValueError,
        "`sample_weight` must be one-dimensional and hold no negative or missing "
        "number, and not only zeros; it is from -1.0 to 1.0",
    ),
    Refused(
        WEIGHTS,
        "A missing weight",
        lambda data: fit(data, sample_weight=with_first(np.ones(24), None)),
        ValueError,
        "`sample_weight` must be one-dimensional and hold no negative or missing "
        "number",
    ),
    Refused(
        WEIGHTS,
        "An infinite weight",
        lambda data: fit(data, sample_weight=with_first(np.ones(24), np.inf)),
        ValueError,
        "`sample_weight` holds inf; its numbers must be finite",
    ),
    Refused(
        WEIGHTS,
        "A class weight of NaN",
        lambda data: fit(
            data, small(class_weight={"anger": np.nan, "neutral": 1, "sadness": 1})
        ),
        ValueError,
        "`class_weight` must be one-dimensional and hold no negative",
    ),
    Refused(
        WEIGHTS,
        "An infinite class weight",
        lambda data: fit(
            data, small(class_weight={"anger": np.inf, "neutral": 1, "sadness": 1})
        ),
        ValueError,
        "`class_weight` holds inf",
    ),
    Refused(
        WEIGHTS,
        "Text as a class weight",
        lambda data: fit(data, small(class_weight={"anger": "high"})),
        ValueError,
        "`class_weight` must hold numbers: could not convert string to float",
    ),
    Refused(
        WEIGHTS,
        "Class weights of other classes",
        lambda data: fit(data, small(class_weight={"boredom": 2})),
        ValueError,
        "`class_weight` has the classes ['boredom'], and those of `y` are ['anger',",
    ),
    Refused(
        WEIGHTS,
        "One weight too few for the targets",
        lambda data: (
            rate(data, y=np.stack([data.ratings] * 2, axis=1))
            and fit(
                data,
                small(advser.AdversarialSERRegressor, target_weights=[1.0]),
                y=np.stack([data.ratings] * 2, axis=1),
            )
        ),
        ValueError,
        "`target_weights` must hold numbers: its shape is (1,), and it needs an entry "
        "for each of 2 columns of `y`.",
    ),
    Refused(
        WEIGHTS,
        "All rows of a class but one have a weight of 0",
        lambda data: fit(data, sample_weight=(data.y == "anger").astype(int)),
        ValueError,
        "The network cannot learn the classes ['neutral', 'sadness'] of `y`",
    ),
    Refused(
        RATINGS,
        "An infinite rating",
        lambda data: rate(data, y=with_first(data.ratings, np.inf)),
        ValueError,
        "`y` holds inf; its numbers must be finite",
    ),
    Refused(
        RATINGS,
        "Ratings too large for the type of the features",
        lambda data: rate(data, X=data.X.astype(np.float32), y=1e25 * data.ratings),
        ValueError,
        "`y` holds",
    ),
    Refused(
        RATINGS,
        "Text among the ratings",
        lambda data: rate(data, y=with_first(data.ratings, "calm")),
        ValueError,
        "`y` must hold numbers: could not convert string to float",
    ),
    Refused(
        RATINGS,
        "A target whose rows have no weight",
        lambda data: rate(
            data,
            y=np.stack([data.ratings, with_first(np.full(24, np.nan), 1.0)], axis=1),
            sample_weight=with_first(np.ones(24), 0),
        ),
        ValueError,
        "The network cannot learn the columns [1] of `y`",
    ),
    Refused(
        RATINGS,
        "A missing rating in ``score``",
        lambda data: rate(data).score(data.X, with_first(data.ratings, None)),
        ValueError,
        "`y` lacks 1 of 24 ratings; drop those rows, or use a scorer of",
    ),
    Refused(
        RATINGS,
        "A missing prediction in a metric",
        lambda data: metrics.concordance_correlation(
            data.ratings, with_first(data.ratings, np.nan)
        ),
        ValueError,
        "`y_pred` lacks 1 of 24 ratings; pass a prediction for each rating.",
    ),
    Refused(
        RATINGS,
        "A missing prediction in an interval",
        lambda data: evaluation.ccc_interval(
            data.ratings, with_first(data.ratings, np.nan), speakers=data.speakers
        ),
        ValueError,
        "`y_pred` lacks 1 of 24 ratings; pass a prediction for each rating.",
    ),
    Refused(
        RATINGS,
        "Ratings in an interval whose square is too large",
        lambda data: evaluation.ccc_interval(
            1e200 * data.ratings, data.ratings, speakers=data.speakers
        ),
        ValueError,
        "`y_true` holds",
    ),
    Refused(
        RATINGS,
        "Ratings of one speaker alone in an interval",
        lambda data: evaluation.ccc_interval(
            np.where(data.speakers == "ann", data.ratings, np.nan),
            data.ratings,
            speakers=data.speakers,
        ),
        ValueError,
        "`speakers` names 1 speaker; an interval for other speakers needs two",
    ),
    Refused(
        RATINGS,
        "Columns in another order in a metric",
        lambda data: metrics.concordance_correlation(
            pd.DataFrame({"arousal": [1, 2], "valence": [2, 1]}),
            pd.DataFrame({"valence": [2, 1], "arousal": [1, 2]}),
        ),
        ValueError,
        "`y_true` has the columns ['arousal', 'valence'] and `y_pred` ['valence', 'ar",
    ),
    Refused(
        RATINGS,
        "More names of targets than columns of ``y``",
        lambda data: metrics.rating_scorers(["a", "b"])["ccc_b"](
            Ridge().fit(data.X, data.ratings), data.X, data.ratings
        ),
        ValueError,
        "`targets` names 2 targets or more, and `y` has 1; name its columns.",
    ),
    Refused(
        FITTED,
        "Features that were made in another way than those in ``fit``",
        lambda data: fit(data, X=made_with(data, "1.0")).predict(made_with(data, "2")),
        ValueError,
        "The features of `X` were not made as those in fit: version '1.0' in fit and "
        "'2' now.",
    ),
    Refused(
        FITTED,
        "The same in ``explain``",
        lambda data: fit(
            data, small(advser.SiameseSER), X=made_with(data, "1.0")
        ).explain(made_with(data, "2")),
        ValueError,
        "The features of `X` were not made as those in fit",
    ),
    Refused(
        TRAINING,
        "A learning rate at which the training diverges",
        lambda data: fit(data, small(lr=1e200, max_epochs=3)),
        ValueError,
        "The training diverged: after 3 epochs, the loss is nan, or a weight is not "
        "finite. Lower `lr`",
    ),
    Refused(
        TRAINING,
        "An objective of your own that returns no dict",
        lambda data: fit(data, small(adversary=Own(lambda emotion, h: emotion))),
        ValueError,
        "`adversary=Own()` returns a Tensor of shape () as loss; it must return a dict",
    ),
    Refused(
        TRAINING,
        "A loss of each row in place of their mean",
        lambda data: fit(
            data,
            small(
                adversary=Own(lambda emotion, h: {"emotion": emotion, "own": h.var(1)})
            ),
        ),
        ValueError,
        "`adversary=Own()` returns a Tensor of shape (24,) as 'own' as loss;",
    ),
    Refused(
        TRAINING,
        "A number in place of a tensor",
        lambda data: fit(
            data,
            small(adversary=Own(lambda emotion, h: {"emotion": emotion, "own": 0.5})),
        ),
        ValueError,
        "`adversary=Own()` returns a float as 'own' as loss;",
    ),
    Refused(
        TRAINING,
        "A loss without a gradient",
        lambda data: fit(
            data, small(adversary=Own(lambda emotion, h: {"emotion": emotion.detach()}))
        ),
        ValueError,
        "The loss depends on no parameter of the network",
    ),
    Refused(
        TRAINING,
        "A parameter of an objective that is no number",
        lambda data: fit(data, small(adversary=Weighted("high"))),
        ValueError,
        "`weight` must be a float",
    ),
    Refused(
        TRAINING,
        "An encoder of your own that returns whole numbers",
        lambda data: fit(data, small(encoder=Encoder(lambda x: x.long()))),
        ValueError,
        "`encoder` returns torch.int64; it must return floats.",
    ),
    Refused(
        TRAINING,
        "An encoder whose output depends on the other rows of a batch",
        lambda data: fit(data, small(encoder=Encoder(lambda x: x - x.mean(0)))),
        ValueError,
        "`encoder` returns a different output for a row if the other rows",
    ),
    Refused(
        TRAINING,
        "Unlabelled rows with values that are too large",
        lambda data: fit(data, X_unlabeled=np.full((4, 4), 1e300)),
        ValueError,
        "`X` or `X_unlabeled` holds values up to 1e+300 in column 0",
    ),
    Refused(
        FIGURES,
        "Something other than axes",
        lambda data: plots.RatingDisplay.from_predictions([1, 2], [1, 3], ax=5),
        ValueError,
        "`ax` must be an instance of 'matplotlib.axes._axes.Axes'; got 5.",
    ),
    Refused(
        FIGURES,
        "Something other than a comparison",
        lambda data: plots.ComparisonDisplay.from_comparison(None),
        ValueError,
        "`comparison` must be an instance of",
    ),
    Refused(
        FIGURES,
        "A table without the columns of a curve",
        lambda data: plots.AdaptationDisplay.from_curve(pd.DataFrame({"k": [1]})),
        ValueError,
        "`curve` lacks the columns ['order', 'kind', 'first',",
    ),
    Refused(
        FIGURES,
        "A curve without rows",
        lambda data: plots.EnrollmentDisplay.from_curves(
            pd.DataFrame(columns=["k", "uar", "transductive", "n_speakers"])
        ),
        ValueError,
        "`curves` has 0 rows; pass at least 1.",
    ),
    Refused(
        FIGURES,
        "No curve at all",
        lambda data: plots.EnrollmentDisplay.from_curves({}),
        ValueError,
        "`curves` has 0 entries; pass at least one.",
    ),
    Refused(
        FIGURES,
        "An embedding whose rows are all equal",
        lambda data: plots.EmbeddingDisplay.from_embedding(
            np.ones((24, 3)), data.y, data.speakers
        ),
        ValueError,
        "`embedding` has 24 equal rows; pass rows that differ.",
    ),
    Refused(
        FIGURES,
        "An embedding of one dimension",
        lambda data: plots.EmbeddingDisplay.from_embedding(
            data.X[:, :1], data.y, data.speakers
        ),
        ValueError,
        "`embedding` is refused: Found array with 1 feature(s)",
    ),
    Refused(
        FIGURES,
        "An estimator without an embedding",
        lambda data: plots.EmbeddingDisplay.from_estimator(
            LinearSVC().fit(data.X, data.y), data.X, data.y, data.speakers
        ),
        ValueError,
        "`estimator` is of type LinearSVC, which has no `transform` here;",
    ),
    Refused(
        FIGURES,
        "An estimator without a training",
        lambda data: plots.TrainingDisplay.from_estimator(Ridge()),
        ValueError,
        "`estimator` is of type Ridge, which has no `history_` here;",
    ),
    Refused(
        FIGURES,
        "No features of an explanation",
        lambda data: plots.ExplanationDisplay.from_explanation(
            explanation("emotion", "speaker"), n_features=0
        ),
        ValueError,
        "`n_features` must be an int in the range [1,",
    ),
    Refused(
        FIGURES,
        "An explanation of one code",
        lambda data: plots.ExplanationDisplay.from_explanation(explanation("emotion")),
        ValueError,
        "`explanation` has attributions to the codes ['emotion']; it needs",
    ),
    Refused(
        FIGURES,
        "Missing or infinite predictions",
        lambda data: plots.RatingDisplay.from_predictions([1, 2], [1, np.nan]),
        ValueError,
        "`y_pred` lacks 1 of 2 ratings",
    ),
    Refused(
        FIGURES,
        "Ratings of several targets",
        lambda data: plots.RatingDisplay.from_predictions(data.X, data.X),
        ValueError,
        "`y_true` has 4 targets, the first with 24 ratings; pass the ratings of one",
    ),
    Refused(
        FIGURES,
        "A target that does not exist",
        lambda data: plots.RatingDisplay.from_estimator(
            Ridge().fit(data.X, data.X), data.X, data.X, column=4
        ),
        ValueError,
        "`column` must be an int in the range [0, 4); got 4.",
    ),
    Refused(
        LAYERS,
        "Dropout of all units",
        lambda data: Dropout(3, 1.0),
        ValueError,
        "`p` must be a float in the range [0.0, 1.0); got 1.0.",
    ),
    Refused(
        LAYERS,
        "A negative bound",
        lambda data: Clip(-1.0),
        ValueError,
        "`bound` must be a float in the range (0.0, inf); got -1.0.",
    ),
    Refused(
        LAYERS,
        "Shapes that torch would broadcast",
        lambda data: weighted_mean(torch.ones(3), torch.ones(3, 1)),
        ValueError,
        "The arguments have the shapes (3,) and (3, 1); pass two tensors of the same",
    ),
]


class Own(objectives.Objective):
    """An objective whose loss is what a function makes of emotion and embedding."""

    def __init__(self, function):
        self.function = function

    def __repr__(self):
        return "Own()"

    def loss(self, h, output, y, progress):
        """Return what the function returns."""
        return self.function(self.task.loss(output, y), h)


class Weighted(Own):
    """An objective with a weight that is a tensor."""

    tensor_params = ("weight",)

    def __init__(self, weight):
        self.weight = weight


class Encoder(torch.nn.Module):
    """An encoder that is a function."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def session(data):
    """Return a session with a model that adapts."""
    scaler = advser.SpeakerScaler(unknown="adapt", balance=False)
    model = make_pipeline(scaler, LogisticRegression())
    with config_context(enable_metadata_routing=True):
        return advser.Session(model.fit(data.X, data.y, speakers=data.speakers))


def explanation(*codes):
    """Return a table such as that of SiameseSER.explain."""
    table = pd.DataFrame({"code": codes})
    return table.assign(feature="pitch", attribution=1.0, share=0.5)


def made_with(data, version):
    """Return the features as a table that knows how it was made."""
    table = pd.DataFrame(data.X, columns=["a", "b", "c", "d"])
    table.attrs["features"] = {"version": version}
    return table
