"""The recall on new speakers while the model adapts to them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone

from .._progress import progress_bar
from .._routing import call, seeded
from .._validation._arrays import encode, take_rows
from .._validation._parameters import SEED, check_arguments, check_parameter
from ..metrics import unweighted_average_recall
from ..speakers import utterance_order
from ..speakers._adaptation import ORDERS
from ..speakers._knowledge import adapts, predict_by_speaker, scalers
from ._arguments import check_choices, check_utterances
from ._resampling import OF_RECALL, bootstrap_interval, recall
from ._splits import speaker_disjoint_folds

BOUNDS = (1, 2, 5, 10, 20, 50, np.inf)  # of the number of utterances in a row
LEVEL, N_RESAMPLES = 0.95, 9999  # of the intervals
KEYS = ["kind", "order"]
COLUMNS = [*KEYS, "repeat", "first", "last", "n_samples", "uar", "low", "high"]


def adaptation_curve(
    estimator: BaseEstimator,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    speakers: npt.ArrayLike,
    *,
    orders: Sequence[str] = ("random", "blocks", "emotions"),
    repeats: int = 5,
    cv: Any = "loso",
    random_state: int = 0,
    verbose: int = 0,
) -> pd.DataFrame:
    """Score an estimator that adapts to speakers by the utterances it has seen.

    The function leaves speakers out and fits the estimator on the others. The
    utterances of a speaker left out come in several orders, and the prediction for each
    uses those up to it. It pools the predictions for all speakers into one score.

    Parameters
    ----------
    estimator : Pipeline
        Unfitted, with ``SpeakerScaler(unknown="adapt")``.

    X : array-like of shape (n_samples, n_features)
        Features, or whatever else the estimator accepts, such as a list of files.

    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    orders : sequence of str, default=("random", "blocks", "emotions")
        Orders of the utterances of a speaker, see
        :func:`~advser.speakers.utterance_order`. A random order is the easiest.

    repeats : int, default=5
        Number of draws of each order.

    cv : "loso", int or splitter, default="loso"
        Splits by speaker, as in :func:`compare`.

    random_state : int, default=0
        Seed of the orders, and of every ``random_state`` of the estimator that is None.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    curve : DataFrame
        `kind`, `order`, `repeat`, `first`, `last`, `n_samples`, `uar`, `low` and
        `high`. The unweighted average recall `uar` is that of the utterances number
        `first` to `last` of each speaker; from 1 to inf are all utterances. Rows of the
        kind "inductive" have the recall of the same estimator without speakers, which
        scales all rows alike, on the same utterances. Do not rank one kind against the
        other.
        `low` and `high` are the 95 % interval of the mean over the draws, by bootstrap
        over speakers, the same in the row of each draw; NaN if only one speaker has so
        many utterances.

    Raises
    ------
    ValueError
        If the estimator has no adapting scaler, an array has the wrong length, `orders`
        has an unknown order, or another parameter is wrong.

    See Also
    --------
    advser.Session : Adapts in use, with the same numbers.
    advser.plots.AdaptationDisplay : Draws the curve.
    enrollment_curve : The recall by the utterances enrolled.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GroupKFold
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import adaptation_curve
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> model = make_pipeline(
    ...     SpeakerScaler(unknown="adapt", balance=True, clip=3),
    ...     LogisticRegression(C=0.05),
    ... )
    >>> curve = adaptation_curve(
    ...     model, X, y, speakers, orders=["random"], repeats=1, cv=GroupKFold(2)
    ... )
    >>> whole = curve[curve["last"] == float("inf")].query("first == 1")
    >>> whole.set_index("kind")["uar"].round(1).to_dict()
    {'inductive': 0.8, 'adaptive': 0.8}
    """
    check_arguments(locals())
    parts = scalers(estimator) if hasattr(estimator, "get_params") else {}
    adapting = [name for name, part in parts.items() if part.unknown == "adapt"]
    if not parts or not adapts(estimator):
        raise ValueError(
            f"`estimator` is a {type(estimator).__name__} without a "
            "`SpeakerScaler(unknown='adapt')`, so it does not adapt; put one before "
            "the classifier."
        )
    orders = check_choices(orders, "orders", ORDERS)
    check_parameter(random_state, "random_state", SEED)
    y, speakers = check_utterances(X, y, speakers)
    alike = {"unknown": "population", "shrinkage": np.inf, "balance": False}
    inductive = {
        f"{name}__{parameter}": value
        for name in adapting
        for parameter, value in alike.items()
    }
    splits = speaker_disjoint_folds(cv, y, speakers, speakers)

    def predict(model, rows):
        return predict_by_speaker(model, take_rows(X, rows), speakers[rows])

    found = []
    bar = progress_bar(splits, name="adaptation", unit="folds", verbose=verbose)
    for train, test in bar:
        adaptive = seeded(estimator, random_state)
        alone = clone(adaptive).set_params(**inductive)
        for model in (alone, adaptive):
            call(model, "fit", take_rows(X, train), y[train], speakers=speakers[train])
        of_alone = predict(alone, test)
        for order, repeat in product(orders, range(repeats)):
            seed = (random_state + repeat) % 2**32
            at = utterance_order(y[test], speakers[test], order, random_state=seed)
            rows = test[at]
            table = pd.DataFrame({"speaker": speakers[rows], "true": y[rows]})
            table["number"] = table.groupby("speaker").cumcount() + 1
            table = table.assign(order=order, repeat=repeat)
            both = {"inductive": of_alone[at], "adaptive": predict(adaptive, rows)}
            found += [table.assign(kind=kind, predicted=p) for kind, p in both.items()]
    curve = []
    firsts = [1, *(bound + 1 for bound in BOUNDS[:-1])]
    bins = [*zip(firsts, BOUNDS), (1, np.inf)]
    for key, table in pd.concat(found).groupby(KEYS, sort=False):
        for first, last in bins:
            part = table[table["number"].between(first, last)]
            if part.empty:
                continue
            interval = _interval(part)
            for repeat, draw in part.groupby("repeat"):
                uar = unweighted_average_recall(draw["true"], draw["predicted"])
                row = (*key, repeat, first, last, len(draw), uar, *interval)
                curve.append(row)
    return pd.DataFrame(curve, columns=COLUMNS)


def _interval(table):
    """Return the interval of the recall, a mean over the draws, for other speakers."""
    codes = [encode(table[name].to_numpy()) for name in ("speaker", "true")]
    (speaker, names), (emotion, emotions) = codes
    if len(names) < 2:
        return np.nan, np.nan
    repeat = table["repeat"].to_numpy()
    sums = np.zeros((len(names), repeat.max() + 1, 2, len(emotions)))
    hit = (table["true"] == table["predicted"]).to_numpy()
    np.add.at(sums, (speaker, repeat, 0, emotion), hit)
    np.add.at(sums, (speaker, repeat, 1, emotion), 1)

    def mean_recall(totals):
        return recall(totals).mean(axis=-1)

    return bootstrap_interval(sums, mean_recall, OF_RECALL, LEVEL, N_RESAMPLES, 0)
