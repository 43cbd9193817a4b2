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
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, compute_class_weight, gen_batches
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

from ._validation import (
    check_labels,
    check_layer_sizes,
    check_origin,
    check_speakers,
    encode,
)
from .exceptions import NoSpeakersWarning
from .layers import Standardize, mlp
from .stacking import fit as fit_net
from .training import Rows, StepwiseNet, ValidationScores, as_tensor

__all__ = ["BaseSERClassifier"]

CHUNK = 8192  # rows standardised or predicted at once: bounds the memory


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
    def _build_module(self, standardize, y, n_emotions, n_speakers, generator):
        """Return the module that the method trains.

        Parameters
        ----------
        standardize : Standardize
            First layer of the encoder.

        y : dict of ndarray of shape (n_rows,)
            Codes of the training rows, by name.

        n_emotions, n_speakers : int
            Numbers of codes. Fewer than two speakers leave nothing to be learnt of
            them.

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
            check_origin(self, X, reset=False)
            X = validate_data(self, X, dtype=self._dtype, order="C", reset=False)
        function = getattr(self.net_.module_, part)
        with torch.inference_mode():
            outputs = [
                function(as_tensor(X[start : start + CHUNK]).to(self.net_.device)).cpu()
                for start in range(0, len(X), CHUNK)
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
        self,
        X,
        y,
        speakers,
        groups,
        sample_weight,
        X_unlabeled,
        speakers_unlabeled,
    ):
        self._validate_params()
        again = self.warm_start and hasattr(self, "net_")
        check_origin(self, X, reset=not again)
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
        speakers = check_speakers(speakers, groups, len(X), allow_missing=True)
        weight = self._check_weights(sample_weight, X)
        X_unlabeled, speakers_unlabeled = self._check_unlabeled(
            X_unlabeled, speakers_unlabeled
        )
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=4)
        if not again:
            self._split_seed = seeds[0]  # a warm start keeps its validation speakers

        valid_rows = None
        if self.early_stopping:
            train, valid = self._split(emotion, speakers, self._split_seed)
            valid_rows = Rows(
                torch.from_numpy(X[valid]),
                {"emotion": torch.from_numpy(emotion[valid])},
            )
            if speakers_unlabeled is not None and speakers is not None:
                others = ~np.isin(speakers_unlabeled, speakers[valid])
                X_unlabeled = X_unlabeled[others]
                speakers_unlabeled = speakers_unlabeled[others]
            X, emotion, weight = X[train], emotion[train], weight[train]
            speakers = None if speakers is None else speakers[train]
        standardize = standardization(X, weight)
        n_labeled = len(X)
        if X_unlabeled is not None:
            n_unlabeled = len(X_unlabeled)
            X = np.concatenate([X, X_unlabeled])
            emotion = np.concatenate([emotion, np.full(n_unlabeled, -1)])
            weight = np.concatenate([weight, np.ones(n_unlabeled)])
        codes = {"emotion": emotion}
        speaker, n_speakers = self._encode_speakers(
            speakers, speakers_unlabeled, n_labeled, len(X), again
        )
        if n_speakers > 1:
            codes["speaker"] = speaker
        weights = {"emotion": weight * self._class_weights(emotion, weight)}
        y = label_tensors(codes, weight, weights, X.dtype)
        rows = Rows(as_tensor(X), y, n_labeled)

        if again:
            self.net_.set_params(lr=self.lr, max_epochs=self.max_epochs)
            self.net_.partial_fit((rows, valid_rows))
        else:
            generators = [torch.Generator().manual_seed(int(s)) for s in seeds[1:]]
            module = self._build_module(
                standardize, codes, len(self.classes_), n_speakers, generators[0]
            )
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

    def _build_net(self, module, order_generator, dropout_generator):
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
            dropout_generator=dropout_generator,
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

    def _encode_speakers(self, speakers, speakers_unlabeled, n_labeled, n_rows, again):
        """Return the speaker codes of all rows, -1 where unknown; set `speakers_`.

        Unlabelled rows of no known speaker form one domain of their own, the last.
        Returns the codes, (n_rows,), and the number of domains.
        """
        labels = np.full(n_rows, None, dtype=object)
        if speakers is not None:
            labels[:n_labeled] = speakers
        if speakers_unlabeled is not None:
            labels[n_labeled:] = speakers_unlabeled
        codes, names = encode(labels)
        if not again:
            self.speakers_ = names
        elif not set(names) <= set(self.speakers_):
            raise ValueError(
                f"`warm_start=True`, but the speakers "
                f"{sorted(set(names) - set(self.speakers_), key=str)} were not in the "
                "first fit; fit them from the start with `warm_start=False`."
            )
        else:
            codes = pd.Index(self.speakers_).get_indexer(labels)
        n_speakers = len(self.speakers_)
        strangers = np.flatnonzero(codes[n_labeled:] == -1) + n_labeled
        if len(strangers) and n_speakers:
            codes[strangers] = n_speakers
            n_speakers += 1
        if not again:
            self._n_domains = n_speakers
        elif n_speakers > self._n_domains:
            raise ValueError(
                f"`warm_start=True`, but {len(strangers)} rows of `X_unlabeled` are of "
                "unknown speakers and those of the first fit were of known ones; name "
                "them in `speakers_unlabeled`, or start with `warm_start=False`."
            )
        elif n_speakers and codes.max() < 0:
            raise ValueError(
                f"`warm_start=True`, but no speaker is known and the first fit knew "
                f"{len(self.speakers_)}; pass them as `speakers`."
            )
        return codes.astype(np.int64), self._n_domains

    def _class_weights(self, emotion, weight):
        """Return the weight of each row that `class_weight` asks for: (n,).

        "balanced" gives each emotion the same total weight, sample weights included.
        """
        if self.class_weight is None:
            return np.ones(len(emotion))
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
        return np.where(labeled, of_code[emotion], 0.0)

    def _check_weights(self, sample_weight, X):
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)  # (n,)
        if weight.min() < 0 or weight.max() <= 0:
            raise ValueError(
                "`sample_weight` must not be negative, nor zero throughout; it runs "
                f"from {weight.min()} to {weight.max()}."
            )
        return weight

    def _check_unlabeled(self, X_unlabeled, speakers_unlabeled):
        """Return the unlabelled rows and their speakers, each of them maybe None."""
        if X_unlabeled is None:
            if speakers_unlabeled is not None:
                raise ValueError(
                    "`speakers_unlabeled` is given without `X_unlabeled`; pass the "
                    "rows that it describes, or leave it out."
                )
            return None, None
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
        n_features = X_unlabeled.shape[1]
        if n_features != self.n_features_in_:
            raise ValueError(
                f"`X_unlabeled` has {n_features} features and `X` has "
                f"{self.n_features_in_}; extract both with the same feature set."
            )
        if speakers_unlabeled is not None:
            speakers_unlabeled = check_labels(
                speakers_unlabeled,
                "speakers_unlabeled",
                len(X_unlabeled),
                allow_missing=True,
                rows_of="X_unlabeled",
            )
        return X_unlabeled, speakers_unlabeled

    def _split(self, emotion, speakers, seed):
        """Part the rows for training from those for validation.

        The validation rows are all rows of some speakers, drawn at random. Rows of an
        unknown speaker may be of any, and are for training.
        """
        rows = np.arange(len(emotion))
        codes = np.full(len(rows), -1) if speakers is None else encode(speakers)[0]
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
        split = splitter(1, test_size=self.validation_fraction, random_state=seed)
        train, valid = next(split.split(known, emotion[known], groups))
        return np.sort(np.concatenate([known[train], unknown])), known[valid]


def to_numpy(y):
    """Return labels as a NumPy array: Arrow-backed strings trip scikit-learn."""
    return y.to_numpy() if isinstance(y, pd.Series | pd.DataFrame) else y


def standardization(X, weight):
    """Return the layer that standardises by the weighted statistics of the rows."""
    scaler = StandardScaler()
    for rows in gen_batches(len(X), CHUNK):
        scaler.partial_fit(X[rows], sample_weight=weight[rows])
    return Standardize(scaler.mean_, scaler.scale_)


def label_tensors(codes, weight, weights, dtype):
    """Return the codes of each task as tensors, with weights where they matter.

    Parameters
    ----------
    codes : dict of ndarray of shape (n,)
        Codes by task, -1 for an unknown label.

    weight : ndarray of shape (n,)
        Weight of each row.

    weights : dict of ndarray of shape (n,)
        Other weights for some of the tasks.

    dtype : dtype
        Of the weights.

    Returns
    -------
    y : dict of Tensor of shape (n,)
        See `advser.layers.weighted_mean`.
    """
    y = {}
    for task, labels in codes.items():
        y[task] = torch.from_numpy(labels)
        task_weight = weights.get(task, weight) * (labels >= 0)
        if np.ptp(task_weight) > 0:
            normalized = task_weight / task_weight.mean()
            y[f"{task}_weight"] = torch.from_numpy(normalized.astype(dtype))
    return y
