"""What the estimators of all methods share: data in, network out, prediction.

The way of the data: validate → encode emotions and speakers → part the validation
speakers → build the module → train the net → predict, transform.
"""

import copy
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from warnings import warn

import numpy as np
import pandas as pd
import torch
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
)
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import nn

from .._engine._net import (
    AdamW,
    Rows,
    StepwiseNet,
    StopEarly,
    ValidationScores,
    as_tensor,
)
from .._engine._outputs import Emotions, EmotionScores, Ratings, RatingScores
from .._engine._rendezvous import fit as fit_net
from .._threads import limited_threads
from .._validation import check_layer_sizes, check_origin, encode
from ..exceptions import NoSpeakersWarning
from ..nn import mlp
from ._utterances import (
    CHUNK,
    TrainingData,
    Utterances,
    check_row_labels,
    label_tensors,
    standardization,
    to_numpy,
)

__all__ = ["BaseSER", "BaseSERClassifier", "BaseSERRegressor"]


class BaseSER(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Parent of the estimators: owns a `StepwiseNet`, and speaks scikit-learn.

    A method adds its parameters, its `fit` and the hook `_build_module`; what is to be
    told of an utterance is left to `BaseSERClassifier` and `BaseSERRegressor`.
    """

    # With metadata routing on, these reach `fit` without a call of set_fit_request.
    __metadata_request__fit = {
        "speakers": True,
        "groups": True,
        "X_unlabeled": True,
        "speakers_unlabeled": True,
    }

    # Whether unlabelled rows of no known speaker are one speaker more to the network.
    _strangers_are_a_domain = True

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _build_module(self, data, generator):
        """Return the module that the method trains.

        Parameters
        ----------
        data : TrainingData

        generator : torch.Generator
            Source of the initial weights. What every method has comes first, so that
            it is the same in all.
        """

    @abstractmethod
    def _check_targets(self, y, n_rows, again):
        """Return what is to be told of each labelled row, encoded: (n, ...)."""

    @abstractmethod
    def _no_targets(self, n_rows):
        """Return what stands for the unknown targets of some rows: (n_rows, ...)."""

    @abstractmethod
    def _encode_targets(self, targets):
        """Return codes of the rows by what is to be told of them, and their number.

        Both are dicts by task, like those of the speakers.
        """

    @abstractmethod
    def _tensors(self, data):
        """Return codes, targets and their weights as tensors, see `advser._engine._net`."""

    @abstractmethod
    def _validation_rows(self, utterances):
        """Return the rows that early stopping watches."""

    @abstractmethod
    def _build_outputs(self, data):
        """Return what the network tells, see `advser._engine._outputs`, and its width."""

    def transform(self, X):
        """Return the embedding of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        embedding : ndarray of shape (n_samples, embedding_dim)
        """
        return self._apply("encoder", X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return self.embedding_dim

    def _apply(self, part, X, activation=None):
        """Run X through a part of the module: (n, d) to (n, n_outputs).

        An activation function is applied along the rows of the output.
        """
        if not self._is_plain(X):
            check_is_fitted(self)
            check_origin(self, X, reset=False)
            X = validate_data(self, X, dtype=self._dtype, order="C", reset=False)
        return self._run(part, X, activation)

    def _run(self, part, X, activation=None):
        """Run checked rows through a part of the module: (n, ...) to (n, ...)."""
        function = getattr(self.net_.module_, part)
        outputs = None
        n_rows = min(len(X), CHUNK)
        with limited_threads(n_rows * self.net_.n_parameters), torch.inference_mode():
            for start in range(0, len(X), CHUNK):
                rows = as_tensor(X[start : start + CHUNK]).to(self.net_.device)
                output = function(rows)
                if activation is not None:
                    output = activation(output, 1)
                output = output.cpu()
                if len(output) == len(X):
                    return output.numpy()
                if outputs is None:  # all at once: pieces would fragment the memory
                    outputs = output.new_empty(len(X), *output.shape[1:])
                outputs[start : start + CHUNK] = output
        return outputs.numpy()

    def _is_plain(self, X):
        """Whether X is all that scikit-learn's checks, slow for one row, could ask for.

        A finite sum shows that every value is finite.
        """
        if not (
            type(X) is np.ndarray
            and hasattr(self, "net_")
            and X.dtype == self._dtype
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and X.flags.c_contiguous
            and not hasattr(self, "feature_names_in_")
        ):
            return False
        with np.errstate(all="ignore"):
            return np.isfinite(X.sum())

    def _fit(
        self, X, y, sample_weight, labels, X_unlabeled=None, labels_unlabeled=None
    ):
        """Fit the network; everything comes as the user passed it.

        Parameters
        ----------
        labels, labels_unlabeled : dict of array-like or None
            What is known of the rows of X and of X_unlabeled besides the emotion, by
            the name of the parameter: "speakers", "groups", "genders",
            "speakers_unlabeled" and so on.
        """
        self._validate_params()
        again = self._goes_on
        check_origin(self, X, reset=not again)
        labeled = self._check_labeled(X, y, sample_weight, labels, again)
        unlabeled = self._check_unlabeled(X_unlabeled, labels_unlabeled or {})
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=4)
        if not again:
            self._split_seed = seeds[0]  # a warm start keeps its validation speakers
        valid_rows = None
        if self._stops_early:
            train, valid = self._split(labeled)
            valid_rows = self._validation_rows(labeled.take(valid))
            if unlabeled is not None:
                unlabeled = unlabeled.without_speakers_of(labeled.take(valid))
            labeled = labeled.take(train)
        standardize = standardization(labeled.X, labeled.weight)
        utterances = labeled if unlabeled is None else labeled.joined_by(unlabeled)
        codes, n_codes = self._encode_labels(utterances, len(labeled), again)
        data = TrainingData(*utterances[:3], codes, n_codes, standardize)
        rows = Rows(as_tensor(data.X), self._tensors(data), len(labeled))

        if again:
            self.net_.set_lr(self.lr)
            self.net_.set_params(max_epochs=self.max_epochs)
            self.net_.partial_fit((rows, valid_rows))
        else:
            generators = [torch.Generator().manual_seed(int(s)) for s in seeds[1:]]
            module = self._build_module(data, generators[0])
            net = self._build_net(module.to(rows.x.dtype), *generators[1:])
            self.net_ = fit_net(net, rows, valid_rows)
        self.history_ = self._finished_epochs()
        self.n_iter_ = len(self.history_)
        return self

    def _finished_epochs(self):
        """Return the records of the epochs, without one that was interrupted."""
        last_record = "train_batch_count"
        if self._stops_early:
            last_record = f"{self._validation_scores.monitored}_best"
        return pd.DataFrame(
            {name: value for name, value in epoch.items() if name != "batches"}
            for epoch in self.net_.history
            if last_record in epoch
        )

    @property
    def _stops_early(self):
        """Whether the net has validation rows: a warm start does as the first fit."""
        if not self._goes_on:
            return self.early_stopping
        return any(
            isinstance(callback, ValidationScores) for callback in self.net_.callbacks
        )

    @property
    def _goes_on(self):
        """Whether the next fit goes on from the last."""
        return self.warm_start and hasattr(self, "net_")

    @property
    def _weight_decay(self):
        """What AdamW takes off the parameters at a step, as a share of `lr`."""
        return self.alpha

    def _build_encoder(self, standardize, generator):
        """Return the encoder: standardisation, hidden layers, embedding."""
        check_layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        n_features = len(standardize.mean)
        sizes = (n_features, *self.hidden_layer_sizes, self.embedding_dim)
        return nn.Sequential(standardize, *mlp(sizes, generator, dropout=self.dropout))

    def _build_net(self, module, order_generator, noise_generator):
        callbacks = copy.deepcopy(self.callbacks or [])
        if self.early_stopping:
            scores = self._validation_scores()
            stop = StopEarly(
                scores.monitored,
                lower_is_better=False,
                patience=self.n_iter_no_change,
                load_best=True,
            )
            callbacks = [scores, *callbacks, stop]
        return StepwiseNet(
            module,
            criterion=nn.Identity,  # the loss is the module's own
            optimizer=AdamW,
            optimizer__weight_decay=self._weight_decay,
            optimizer__fused=True,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            iterator_train__generator=order_generator,
            noise_generator=noise_generator,
            train_split=None,
            callbacks=callbacks,
            verbose=self.verbose,
            device=self.device,
        )

    def _encode_labels(self, utterances, n_labeled, again):
        """Return the codes of the rows and the numbers of codes, by task.

        Sets `speakers_`, and `genders_` where the method has genders.
        """
        codes, n_codes = self._encode_targets(utterances.targets)
        for task, labels in utterances.labels.items():
            found, n_codes[task] = self._encode_task(task, labels, again)
            if n_codes[task]:
                codes[task] = found
        if self._strangers_are_a_domain and "speaker" in codes:
            self._give_strangers_a_domain(codes, n_codes, n_labeled, again)
        return codes, n_codes

    def _encode_task(self, task, labels, again):
        """Return codes by order of first appearance, and the number of labels.

        A warm start knows those of the first fit.
        """
        codes, names = encode(labels)
        if not again:
            setattr(self, f"{task}s_", names)
            return codes, len(names)
        known = getattr(self, f"{task}s_")
        strange = sorted(set(names) - set(known), key=str)
        if strange:
            raise ValueError(
                f"`warm_start=True`, but the {task}s {strange} were not in the first "
                "fit; fit them from the start with `warm_start=False`."
            )
        if len(known) and not len(names):
            raise ValueError(
                f"`warm_start=True`, but no {task} is known and the first fit knew "
                f"{len(known)}; pass them as `{task}s`."
            )
        return pd.Index(known).get_indexer(labels).astype(np.int64), len(known)

    def _give_strangers_a_domain(self, codes, n_codes, n_labeled, again):
        """Let unlabelled rows of no known speaker be one speaker more, the last."""
        speaker, n_speakers = codes["speaker"], n_codes["speaker"]
        strangers = np.flatnonzero(speaker[n_labeled:] == -1) + n_labeled
        if not again:
            self._n_domains = n_speakers + (n_speakers > 0 and len(strangers) > 0)
        if len(strangers) and self._n_domains:
            if self._n_domains == n_speakers:
                raise ValueError(
                    f"`warm_start=True`, but {len(strangers)} rows of `X_unlabeled` "
                    "are of unknown speakers and those of the first fit were of known "
                    "ones; name them in `speakers_unlabeled`, or start with "
                    "`warm_start=False`."
                )
            speaker[strangers] = n_speakers
        n_codes["speaker"] = self._n_domains

    def _check_labeled(self, X, y, sample_weight, labels, again):
        """Return the labelled utterances, checked, with their targets encoded."""
        if y is None:
            validate_data(self, X, y)  # which says what is missing, as everywhere
        X = validate_data(
            self,
            X,
            dtype=self._dtype if again else [np.float64, np.float32],
            order="C",
            reset=not again,
        )
        self._dtype = X.dtype
        targets = self._check_targets(to_numpy(y), len(X), again)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)  # (n,)
        if weight.min() < 0 or weight.max() <= 0:
            raise ValueError(
                "`sample_weight` must not be negative, nor zero throughout; it runs "
                f"from {weight.min()} to {weight.max()}."
            )
        labels = check_row_labels(labels, len(X), "X")
        return Utterances(X, targets, weight, labels)

    def _check_unlabeled(self, X_unlabeled, labels):
        """Return the unlabelled utterances, checked, or None."""
        if X_unlabeled is None:
            given = [name for name, values in labels.items() if values is not None]
            if given:
                raise ValueError(
                    f"`{given[0]}` is given without `X_unlabeled`; pass the "
                    "rows that it describes, or leave it out."
                )
            return None
        names = getattr(self, "feature_names_in_", None)
        columns = getattr(X_unlabeled, "columns", names)
        check_origin(self, X_unlabeled, reset=False)
        if names is not None and list(columns) != list(names):
            raise ValueError(
                "The columns of `X_unlabeled` are not those of `X`; pass the same "
                "features in the same order."
            )
        X_unlabeled = check_array(
            X_unlabeled, dtype=self._dtype, order="C", input_name="X_unlabeled"
        )
        n, n_features = X_unlabeled.shape
        if n_features != self.n_features_in_:
            raise ValueError(
                f"`X_unlabeled` has {n_features} features and `X` has "
                f"{self.n_features_in_}; extract both with the same feature set."
            )
        labels = check_row_labels(labels, n, "X_unlabeled")
        return Utterances(X_unlabeled, self._no_targets(n), np.ones(n), labels)

    def _split(self, utterances):
        """Part the rows for training from those for validation.

        The validation rows are all rows of some speakers, drawn at random. Rows of an
        unknown speaker may be of any, and are for training.
        """
        rows = np.arange(len(utterances))
        codes, _ = encode(utterances.labels["speaker"])
        known, unknown = rows[codes >= 0], rows[codes < 0]
        groups = codes[known]
        if len(np.unique(groups)) > 1:
            splitter = GroupShuffleSplit
        else:
            known, unknown, groups = rows, rows[:0], None
            warn(
                "`early_stopping=True` without two speakers at least: the validation "
                "rows come from the training speakers, so they cannot show how the "
                "network does on new ones. Pass `speakers` to fit.",
                NoSpeakersWarning,
                stacklevel=4,
            )
            splitter = self._row_splitter
        split = splitter(
            1, test_size=self.validation_fraction, random_state=self._split_seed
        )
        train, valid = next(split.split(known, utterances.targets[known], groups))
        return np.sort(np.concatenate([known[train], unknown])), known[valid]


class BaseSERClassifier(ClassifierMixin, BaseSER):
    """Parent of the classifiers, which name the emotion of an utterance."""

    _parameter_constraints: dict = {
        **BaseSER._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    _row_splitter = StratifiedShuffleSplit
    _validation_scores = EmotionScores

    def predict(self, X):
        """Return the most probable emotion of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        logits = self._apply("forward", X)[:, self._column_of_class]
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X):
        """Return the probability of each emotion.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._apply("forward", X, torch.softmax)[:, self._column_of_class]

    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each emotion.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._apply("forward", X, torch.log_softmax)[:, self._column_of_class]

    def _check_targets(self, y, n_rows, again):
        """Return codes by order of first appearance, and set `classes_`: (n,).

        That order, unlike the sorted one, does not depend on the names: renaming
        the emotions changes no bit of a fit.
        """
        y = _check_y(y, estimator=self)
        check_consistent_length(y, range(n_rows))
        check_classification_targets(y)
        classes, first, inverse = np.unique(y, return_index=True, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"`y` holds one class only, {classes[0]!r}; a classifier needs at "
                "least 2 classes."
            )
        if not again:
            self.classes_ = classes
            self._column_of_class = first.argsort().argsort()
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"`warm_start=True`, but `y` holds the classes {list(classes)} and "
                f"the first fit knew {list(self.classes_)}; fit them from the start "
                "with `warm_start=False`."
            )
        return self._column_of_class[inverse]

    def _no_targets(self, n_rows):
        return np.full(n_rows, -1)

    def _encode_targets(self, targets):
        return {"emotion": targets}, {"emotion": len(self.classes_)}

    def _tensors(self, data):
        weights = {"emotion": self._class_weights(data)}
        return label_tensors(data.codes, data.weight, weights, data.X.dtype)

    def _validation_rows(self, utterances):
        emotion = torch.from_numpy(utterances.targets)
        return Rows(as_tensor(utterances.X), {"emotion": emotion})

    def _build_outputs(self, data):
        return Emotions(), len(self.classes_)

    def _class_weights(self, data):
        """Return the weight of each row in the loss of the emotion: (n,).

        "balanced" gives each emotion the same total weight, sample weights included.
        """
        emotion, weight = data.codes["emotion"], data.weight
        if self.class_weight is None:
            return weight
        n_codes = len(self.classes_)
        if self.class_weight == "balanced":
            totals = np.bincount(emotion + 1, weight, n_codes + 1)[1:]  # but of code -1
            of_code = totals.sum() / (n_codes * np.where(totals > 0, totals, 1))
        else:
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_
            )
            if of_class.min() < 0 or of_class.max() <= 0:
                raise ValueError(
                    "`class_weight` must not be negative, nor zero throughout; it is "
                    f"{self.class_weight!r}."
                )
            of_code = np.empty(n_codes)
            of_code[self._column_of_class] = of_class
        return weight * of_code[emotion]


class BaseSERRegressor(MultiOutputMixin, RegressorMixin, BaseSER):
    """Parent of the regressors, which rate an utterance on one scale or several."""

    _parameter_constraints: dict = {
        **BaseSER._parameter_constraints,
        "loss": [StrOptions({"ccc", "mse", "huber"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "target_weights": ["array-like", None],
    }

    _row_splitter = ShuffleSplit
    _validation_scores = RatingScores

    def predict(self, X):
        """Return the ratings of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            On the scales of the ratings in `fit` and within their range, in one
            dimension where those came in one.
        """
        ratings = self._apply("forward", X)
        return ratings[:, 0] if self._has_one_column else ratings

    def _check_targets(self, y, n_rows, again):
        y = check_array(
            y,
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            input_name="y",
        )
        check_consistent_length(y, range(n_rows))
        ratings = y.reshape(n_rows, -1)  # (n, n_outputs)
        unrated = np.flatnonzero(np.isnan(ratings).all(0))
        if len(unrated):
            raise ValueError(
                f"Input y contains NaN only in column {unrated[0]}; give it one rating "
                "at least, or leave the column out."
            )
        if again and ratings.shape[1] != self.n_outputs_:
            raise ValueError(
                f"`warm_start=True`, but `y` has {ratings.shape[1]} columns and had "
                f"{self.n_outputs_} in the first fit; start with `warm_start=False`."
            )
        self.n_outputs_ = ratings.shape[1]
        self._has_one_column = y.ndim == 1
        return ratings

    def _no_targets(self, n_rows):
        return np.full((n_rows, self.n_outputs_), np.nan)

    def _encode_targets(self, targets):
        return {}, {}

    def _tensors(self, data):
        y = label_tensors(data.codes, data.weight, {}, data.X.dtype)
        is_rated = ~np.isnan(data.targets)
        weight = data.weight[:, None] * is_rated  # (n, n_outputs)
        weight = weight / np.where(weight.any(0), weight.mean(0), 1)
        ratings = np.where(is_rated, data.targets, 0)
        if not self._goes_on:
            mean = (weight * ratings).mean(0)
            scale = np.sqrt((weight * (ratings - mean) ** 2).mean(0))
            counted = np.where(weight > 0, data.targets, np.nan)
            self._scaling = {
                "mean": mean,
                "scale": np.where(scale > 0, scale, 1),
                "low": np.nanmin(counted, axis=0),
                "high": np.nanmax(counted, axis=0),
            }
        mean, scale = self._scaling["mean"], self._scaling["scale"]
        standardized = np.where(is_rated, (ratings - mean) / scale, 0)
        y["ratings"] = torch.from_numpy(standardized.astype(data.X.dtype))
        y["ratings_weight"] = torch.from_numpy(weight.astype(data.X.dtype))
        return y

    def _validation_rows(self, utterances):
        ratings = torch.from_numpy(utterances.targets.astype(utterances.X.dtype))
        return Rows(as_tensor(utterances.X), {"ratings": ratings})

    def _build_outputs(self, data):
        weights = self.target_weights
        weights = np.ones(self.n_outputs_) if weights is None else np.asarray(weights)
        if weights.shape != (self.n_outputs_,) or not (weights >= 0).all():
            raise ValueError(
                f"`target_weights` must hold a weight of 0 or more for each of the "
                f"{self.n_outputs_} columns of `y`; got {self.target_weights!r}."
            )
        if not weights.any():
            raise ValueError(
                f"`target_weights` must not be 0 throughout; got "
                f"{self.target_weights!r}."
            )
        outputs = Ratings(
            **self._scaling,
            loss=self.loss,
            weights=weights,
            delta=self.huber_delta,
            n_bins=data.n_codes.get("bin", 1),
        )
        return outputs, self.n_outputs_
