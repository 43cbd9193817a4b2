"""Parents of the estimators that predict emotions, and of those that rate."""

from dataclasses import replace
from numbers import Real
from warnings import warn

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import column_or_1d

from .._engine import Labels
from .._validation._arrays import (
    check_columns_alike,
    check_labels,
    check_numbers,
    check_weights,
    columns_of,
)
from .._validation._parameters import POSITIVE, Numbers, StrOptions
from ..exceptions import CorpusWarning
from ._base import BaseSER
from ._data import weights
from ._pseudo_labels import pseudo_labels
from ._tasks import Emotions, Ratings, bin_codes

MIN_RATED = 4  # rated rows of a batch, on average, to learn from their correlation


class BaseSERClassifier(ClassifierMixin, BaseSER):
    """Parent of the classifiers, which predict the emotion of an utterance."""

    _parameter_constraints: dict = {
        **BaseSER._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    _row_splitter = StratifiedShuffleSplit
    pseudo_labels: bool
    _remedy = "drop those rows, or pass them as `X_unlabeled`"  # for missing labels

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the most probable emotion of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        codes = self._apply("forward", X).argmax(axis=1)
        return self.classes_[codes]

    def score(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the share of rows whose emotion is predicted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        y : array-like of shape (n_samples,)
            True emotions.

        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        accuracy : float in [0, 1]
        """
        predicted = self.predict(X)
        y = check_labels(y, "y", len(predicted))
        weight = check_weights(sample_weight, "sample_weight", len(predicted))
        return accuracy_score(y, predicted, sample_weight=weight)

    def predict_proba(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the probability of each emotion.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._apply("forward", X, torch.softmax)

    def predict_log_proba(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the logarithms of what `predict_proba` returns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._apply("forward", X, torch.log_softmax)

    def decision_function(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the logits of the emotions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
            In the order of `classes_`. With two classes, the logit of the second one
            minus that of the first one.
        """
        logits = self._apply("forward", X)
        return logits if logits.shape[1] > 2 else logits[:, 1] - logits[:, 0]

    def _check_targets(self, y, n_rows):
        """Return the codes of the emotions in the order of `classes_`, and set it."""
        labels = check_labels(y, "y", n_rows, remedy=self._remedy)
        if getattr(y, "ndim", 1) == 2:
            column_or_1d(y, warn=True)  # as all classifiers of scikit-learn
        classes, codes = np.unique(labels, return_inverse=True)
        if classes.dtype == object:
            classes = np.array(classes.tolist())
        if len(classes) < 2:
            (only,) = classes.tolist()
            raise ValueError(
                f"`y` holds one class only, {only!r}; a classifier needs at least 2 "
                "classes."
            )
        if not self._goes_on:
            self.classes_ = classes
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"`warm_start=True`, but `y` holds the classes {classes.tolist()} and "
                f"the first fit knew {self.classes_.tolist()}; fit them from the start "
                "with `warm_start=False`."
            )
        return codes.astype(np.int64, copy=False)

    def _missing_targets(self, n_rows):
        return np.full(n_rows, -1)

    def _estimate_targets(self, utterances):
        if not self.pseudo_labels:
            return utterances
        estimated = pseudo_labels(utterances, self._n_labeled, self.clip)
        known = utterances.targets[: self._n_labeled]
        return replace(utterances, targets=np.concatenate([known, estimated]))

    def _untrained(self, utterances):
        counts = np.bincount(utterances.targets, minlength=len(self.classes_))
        return self.classes_[counts == 0].tolist()

    def _build_task(self, utterances):
        return Emotions(len(self.classes_))

    def _label_targets(self, utterances):
        emotion = utterances.targets
        weight = weights(
            self._class_weights(utterances), emotion >= 0, utterances.X.dtype
        )
        return {"emotion": torch.from_numpy(emotion), "emotion_weight": weight}

    def _validation_labels(self, utterances):
        return Labels(
            emotion=torch.from_numpy(utterances.targets),
            emotion_weight=torch.from_numpy(utterances.sample_weight).float(),
        )

    def _class_weights(self, utterances):
        """Return the weight of each row in the loss of the emotion: (n,).

        "balanced" gives each emotion the same total weight, sample weights included.
        """
        emotion, weight = utterances.targets, utterances.sample_weight
        if self.class_weight is None:
            return weight
        n_classes = len(self.classes_)
        if self.class_weight == "balanced":
            known = emotion >= 0
            totals = np.bincount(emotion[known], weight[known], n_classes)
            of_class = totals.sum() / (n_classes * np.where(totals > 0, totals, 1))
        else:
            classes = self.classes_.tolist()
            other = self.class_weight.keys() - set(classes)
            if other and set(classes) - self.class_weight.keys():
                raise ValueError(
                    f"`class_weight` has the classes {list(other)}, and those of `y` "
                    f"are {classes}; give it weights of the classes of `y`."
                )
            of_class = check_weights(
                [self.class_weight.get(label, 1.0) for label in classes],
                "class_weight",
                n_classes,
                rows_of="classes of `y`",
            )
        return weight * of_class[emotion]


class BaseSERRegressor(MultiOutputMixin, RegressorMixin, BaseSER):
    """Parent of the regressors, which predict ratings on one scale or several."""

    _parameter_constraints: dict = {
        **BaseSER._parameter_constraints,
        "loss": [StrOptions({"ccc", "mse", "huber"})],
        "huber_delta": [POSITIVE],
        "target_weights": [Numbers(Real, 0), None],
    }

    _row_splitter = ShuffleSplit

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the ratings of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            On the scales of the ratings in `fit` and within their range, in one
            dimension if `y` had one.
        """
        ratings = self._apply("forward", X)
        return ratings[:, 0] if self._has_one_column else ratings

    def score(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the coefficient of determination of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True ratings. The scorers of :func:`advser.metrics.rating_scorers` leave out
            missing ones.

        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        r2 : float
        """
        predicted = self.predict(X)
        self._check_names(y)
        y = check_numbers(y, "y", len(predicted))
        if n_missing := np.isnan(y).sum():
            raise ValueError(
                f"`y` lacks {n_missing} of {y.size} ratings; drop those rows, or use "
                "a scorer of `advser.metrics.rating_scorers`."
            )
        weight = check_weights(sample_weight, "sample_weight", len(predicted))
        return r2_score(y, predicted, sample_weight=weight)

    def _check_names(self, y, reset=False):
        """Store the names of the targets, or raise for those in another order."""
        if reset:
            self._targets = columns_of(y)
        known = getattr(self, "_targets", [])
        check_columns_alike(columns_of(y), "y", known, "y of fit")

    def _check_targets(self, y, n_rows):
        self._check_names(y, reset=not self._goes_on)
        # Their squares, too, are finite in the numbers that the network computes with.
        largest = float(np.sqrt(np.finfo(self._dtype).max))
        y = check_numbers(y, "y", n_rows, largest=largest)
        ratings = y.reshape(n_rows, -1)  # (n, n_outputs)
        unrated = np.flatnonzero(np.isnan(ratings).all(0))
        if len(unrated):
            raise ValueError(
                f"Input y contains NaN only in column {unrated[0]}; give it one rating "
                "at least, or leave the column out."
            )
        if self._goes_on and ratings.shape[1] != self.n_outputs_:
            raise ValueError(
                f"`warm_start=True`, but `y` has {ratings.shape[1]} columns and had "
                f"{self.n_outputs_} in the first fit; start with `warm_start=False`."
            )
        self.n_outputs_ = ratings.shape[1]
        self._has_one_column = y.ndim == 1
        return ratings

    def _missing_targets(self, n_rows):
        return np.full((n_rows, self.n_outputs_), np.nan)

    def _untrained(self, utterances):
        return np.flatnonzero(np.isnan(utterances.targets).all(0)).tolist()

    def _build_task(self, utterances):
        target_weights = check_weights(
            self.target_weights,
            "target_weights",
            self.n_outputs_,
            rows_of="columns of `y`",
        )
        ratings = utterances.targets
        self._check_batches(ratings)
        weight = utterances.sample_weight[:, None] * ~np.isnan(ratings)
        total = weight.sum(0)
        filled = np.nan_to_num(ratings)
        mean = (weight * filled).sum(0) / total
        scale = np.sqrt((weight * (filled - mean) ** 2).sum(0) / total)
        n_bins = self._choose_n_bins()
        shares = np.arange(1, n_bins) / n_bins
        self._bin_edges = np.nanquantile(ratings, shares, axis=0).T
        self._scaling = mean, np.where(scale > 0, scale, 1)
        return Ratings(
            *self._scaling,
            np.nanmin(ratings, axis=0),
            np.nanmax(ratings, axis=0),
            loss=self.loss,
            weights=target_weights,
            delta=self.huber_delta,
            edges=self._bin_edges,
        )

    def _check_batches(self, ratings):
        """Warn if the batches have too few ratings for the loss."""
        n_rated = self.batch_size * (~np.isnan(ratings)).any(axis=1).mean()
        is_split = len(ratings) > self.batch_size
        if self.loss == "ccc" and is_split and n_rated < MIN_RATED:
            warn(
                f"A batch of {self.batch_size} rows has {n_rated:.1f} with ratings on "
                "average, too few for the correlation of `loss='ccc'`: set "
                "`loss='mse'`, or a larger `batch_size`.",
                CorpusWarning,
                stacklevel=6,
            )

    def _choose_n_bins(self):
        """Return the number of bins of each target; one where nothing needs bins."""
        return 1

    def _label_targets(self, utterances):
        ratings, dtype = utterances.targets, utterances.X.dtype
        is_rated = ~np.isnan(ratings)
        mean, scale = self._scaling
        standardized = np.where(is_rated, (ratings - mean) / scale, 0)
        weight = utterances.sample_weight[:, None] * is_rated
        return {
            "ratings": torch.from_numpy(standardized.astype(dtype)),
            "ratings_weight": weights(weight, is_rated, dtype),
            "bin": torch.from_numpy(bin_codes(ratings, self._bin_edges)),
        }

    def _validation_labels(self, utterances):
        is_rated = ~np.isnan(utterances.targets)
        ratings = np.where(is_rated, utterances.targets, 0)
        weight, dtype = utterances.sample_weight[:, None] * is_rated, utterances.X.dtype
        return Labels(
            ratings=torch.from_numpy(ratings.astype(dtype)),
            ratings_weight=torch.from_numpy(weight.astype(dtype)),
        )
