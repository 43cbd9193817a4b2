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
    TransformerMixin,
)
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    validate_data,
)
from skorch.callbacks import EarlyStopping
from torch import nn

from ._validation import check_layer_sizes, encode
from .exceptions import NoSpeakersWarning
from .layers import mlp
from .stacking import fit as fit_net
from .training import Rows, StepwiseNet, ValidationScores, as_tensor
from .utterances import (
    CHUNK,
    TrainingData,
    Utterances,
    check_row_labels,
    label_tensors,
    standardization,
    to_numpy,
)

__all__ = ["BaseSERClassifier"]


class BaseSERClassifier(
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Parent of the classifiers: owns a `StepwiseNet`, and speaks scikit-learn.

    A method adds its parameters, its `fit` and the hook `_build_module`.
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
        "class_weight": [StrOptions({"balanced"}), dict, None],
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
        logits = torch.from_numpy(self._apply("forward", X))
        return logits.softmax(1).numpy()[:, self._column_of_class]

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
        logits = torch.from_numpy(self._apply("forward", X))
        return logits.log_softmax(1).numpy()[:, self._column_of_class]

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

    def _apply(self, part, X):
        """Run X through a part of the module: (n, d) to (n, n_outputs)."""
        if not self._is_plain(X):
            check_is_fitted(self)
            X = validate_data(self, X, dtype=self._dtype, order="C", reset=False)
        return self._run(part, X)

    def _run(self, part, rows):
        """Run checked rows through a part of the module: (n, ...) to (n, ...)."""
        function = getattr(self.net_.module_, part)
        device = self.net_.device
        with torch.inference_mode():
            outputs = [
                function(as_tensor(rows[start : start + CHUNK]).to(device)).cpu()
                for start in range(0, len(rows), CHUNK)
            ]
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)).numpy()

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
        again = self.warm_start and hasattr(self, "net_")
        labeled = self._check_labeled(X, y, sample_weight, labels, again)
        unlabeled = self._check_unlabeled(X_unlabeled, labels_unlabeled or {})
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=4)
        if not again:
            self._split_seed = seeds[0]  # a warm start keeps its validation speakers
        valid_rows = None
        if self.early_stopping:
            train, valid = self._split(labeled)
            valid_rows = labeled.take(valid).as_rows()
            if unlabeled is not None:
                unlabeled = unlabeled.without_speakers_of(labeled.take(valid))
            labeled = labeled.take(train)
        standardize = standardization(labeled.X, labeled.weight)
        utterances = labeled if unlabeled is None else labeled.joined_by(unlabeled)
        codes, n_codes = self._encode_labels(utterances, len(labeled), again)
        data = TrainingData(
            utterances.X, utterances.weight, codes, n_codes, standardize
        )
        y = label_tensors(
            codes, data.weight, {"emotion": self._class_weights(data)}, data.X.dtype
        )
        rows = Rows(as_tensor(data.X), y, len(labeled))

        if again:
            self.net_.set_lr(self.lr)
            self.net_.set_params(max_epochs=self.max_epochs)
            self.net_.partial_fit((rows, valid_rows))
        else:
            generators = [torch.Generator().manual_seed(int(s)) for s in seeds[1:]]
            module = self._build_module(data, generators[0])
            net = self._build_net(module.to(rows.x.dtype), *generators[1:])
            self.net_ = fit_net(net, rows, valid_rows)
        self.history_ = pd.DataFrame(
            {name: value for name, value in epoch.items() if name != "batches"}
            for epoch in self.net_.history
        )
        self.n_iter_ = len(self.history_)
        return self

    def _build_encoder(self, standardize, generator):
        """Return the encoder: standardisation, hidden layers, embedding."""
        check_layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        n_features = len(standardize.mean)
        sizes = (n_features, *self.hidden_layer_sizes, self.embedding_dim)
        return nn.Sequential(standardize, *mlp(sizes, generator, dropout=self.dropout))

    def _build_net(self, module, order_generator, noise_generator):
        callbacks = copy.deepcopy(self.callbacks or [])
        if self.early_stopping:
            stop = EarlyStopping(
                "valid_uar",
                lower_is_better=False,
                patience=self.n_iter_no_change,
                load_best=True,
            )
            callbacks = [ValidationScores(), *callbacks, stop]
        return StepwiseNet(
            module,
            criterion=nn.Identity,  # the loss is the module's own
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.alpha,
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

    def _encode_emotions(self, y, again):
        """Return codes by order of first appearance, and set `classes_`: (n,).

        That order, unlike the sorted one, does not depend on the names: renaming
        the emotions changes no bit of a fit.
        """
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

    def _encode_labels(self, utterances, n_labeled, again):
        """Return the codes of every kind of label and their numbers, by task.

        Sets `speakers_`, and `genders_` where the method has genders.
        """
        codes = {"emotion": utterances.emotion}
        n_codes = {"emotion": len(self.classes_)}
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

    def _class_weights(self, data):
        """Return the weight of each row in the loss of the emotion: (n,).

        "balanced" gives each emotion the same total weight, sample weights included.
        """
        emotion, weight = data.codes["emotion"], data.weight
        if self.class_weight is None:
            return weight
        labeled = emotion >= 0
        codes = np.arange(len(self.classes_))
        if self.class_weight == "balanced":
            totals = np.bincount(emotion[labeled], weight[labeled], len(codes))
            of_code = totals.sum() / (len(codes) * np.where(totals > 0, totals, 1))
        else:
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_
            )
            if of_class.min() < 0 or of_class.max() <= 0:
                raise ValueError(
                    "`class_weight` must not be negative, nor zero throughout; it is "
                    f"{self.class_weight!r}."
                )
            of_code = np.empty(len(codes))
            of_code[self._column_of_class] = of_class
        return weight * of_code[emotion]

    def _check_labeled(self, X, y, sample_weight, labels, again):
        """Return the labelled utterances, checked, with their emotions encoded."""
        X, y = validate_data(
            self,
            X,
            to_numpy(y),
            dtype=self._dtype if again else [np.float64, np.float32],
            order="C",
            reset=not again,
        )
        self._dtype = X.dtype
        check_classification_targets(y)
        emotion = self._encode_emotions(y, again)  # (n,)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)  # (n,)
        if weight.min() < 0 or weight.max() <= 0:
            raise ValueError(
                "`sample_weight` must not be negative, nor zero throughout; it runs "
                f"from {weight.min()} to {weight.max()}."
            )
        labels = check_row_labels(labels, len(X), "X")
        return Utterances(X, emotion, weight, labels)

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
        return Utterances(X_unlabeled, np.full(n, -1), np.ones(n), labels)

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
            splitter = StratifiedShuffleSplit
        split = splitter(
            1, test_size=self.validation_fraction, random_state=self._split_seed
        )
        train, valid = next(split.split(known, utterances.emotion[known], groups))
        return np.sort(np.concatenate([known[train], unknown])), known[valid]
