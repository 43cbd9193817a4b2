"""What the estimators of all methods share: rows in, network out, prediction.

A fit checks the arrays, sets validation speakers aside, encodes emotions and speakers
(see `_inputs`), builds the network and trains its net.
"""

import copy
import math
from abc import abstractmethod
from contextlib import nullcontext
from numbers import Real
from typing import Self
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_classifier,
    is_regressor,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EarlyStopping,
    EpochScoring,
    PassthroughScoring,
)
from torch import nn

from .._engine import (
    Adam,
    Job,
    Rows,
    StepwiseNet,
    ValidationScores,
    as_tensor,
    default_torch,
    n_batches,
)
from .._threads import limited_threads
from .._validation._arrays import check_labels, check_rows
from .._validation._attributes import kept_on_error
from .._validation._parameters import (
    COUNT,
    COUNTS,
    POSITIVE,
    SEED,
    WEIGHT,
    Number,
)
from .._validation._paths import check_device
from ..exceptions import CorpusWarning
from ..nn import Clip, mlp
from ._data import CHUNK, standardization
from ._inputs import WithInputs
from ._own_encoder import own_encoder
from ._validation_split import validation_split

MAX_LOSS = 1000.0  # of the emotions; without the features it is log(n_classes)
N_EPOCHS, N_UPDATES = 40, 1200  # the most of a training whose `max_epochs` is None


class BaseSER(ClassNamePrefixFeaturesOutMixin, TransformerMixin, WithInputs):
    """Parent of the estimators: owns a `StepwiseNet`.

    A method adds its parameters, its `fit` and `_build_network`. What is predicted is
    left to `BaseSERClassifier` and `BaseSERRegressor`.
    """

    # With metadata routing on, these reach `fit` without a call of set_fit_request.
    __metadata_request__fit = {
        "speakers": True,
        "groups": True,
        "X_unlabeled": True,
        "speakers_unlabeled": True,
    }

    _parameter_constraints: dict = {
        "encoder": [nn.Module, callable, None],
        "hidden_layer_sizes": [COUNTS],
        "embedding_dim": [COUNT],
        "clip": [POSITIVE, None],
        "dropout": [Number(Real, 0, 1)],
        "alpha": [WEIGHT],
        "lr": [POSITIVE],
        "max_epochs": [COUNT],
        "batch_size": [COUNT],
        "early_stopping": ["boolean"],
        "validation_fraction": [Number(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [COUNT],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "callbacks": [list, None],
        "verbose": ["verbose"],
        "random_state": [SEED, np.random.RandomState, None],
    }

    @abstractmethod
    def _build_network(self, utterances, labels, task, standardize, generator):
        """Return the network that the method trains.

        Parameters
        ----------
        utterances : Utterances
            The labelled rows, and the unlabelled ones behind them.

        labels : Labels
            Their codes and weights.

        task : Emotions or Ratings

        standardize : Standardize
            First layer of the encoder, from all rows.

        generator : torch.Generator
            Source of the initial weights. What all methods have comes first, so that it
            is the same in all.
        """

    def _estimate_targets(self, utterances):
        """Return the utterances, the unlabelled ones with estimated targets if any."""
        return utterances

    @abstractmethod
    def _untrained(self, utterances):
        """Return the classes or targets without a training row of positive weight."""

    @abstractmethod
    def _build_task(self, utterances):
        """Return the task, `Emotions` or `Ratings`, from the training rows."""

    @abstractmethod
    def _validation_labels(self, utterances):
        """Return the labels of the rows that early stopping scores."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the representation of each row from which the emotion is predicted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_features_out)
        """
        return self._apply(self._representation, X)

    _representation = "encoder"  # the part of the network that `transform` applies

    @property
    def _code_dim(self):
        """Width of what `transform` returns."""
        return self.embedding_dim

    def _apply(self, part, X, activation=None):
        """Run X through a part of the network: (n, d) to (n, n_outputs).

        An activation function is applied along the rows of the output.
        """
        return self._run(part, self._check_rows(X), activation)

    def _check_rows(self, X):
        """Return the features of rows to predict, checked."""
        if self._is_plain(X):
            return X
        check_is_fitted(self)
        return check_rows(self, X, dtype=self._dtype)

    def _run(self, part, X, activation=None):
        """Run checked rows through a part of the network: (n, ...) to (n, ...)."""
        function = getattr(self.net_.module_, part)
        outputs = None
        n = min(len(X), CHUNK) * self.net_.n_parameters
        is_cast = torch.is_autocast_enabled(torch.device(self.net_.device).type)
        state = default_torch() if is_cast else nullcontext()  # the former takes longer
        with state, limited_threads(n), torch.inference_mode():
            for start in range(0, len(X), CHUNK):
                rows = as_tensor(X[start : start + CHUNK]).to(self.net_.device)
                output = function(rows)
                if activation is not None:
                    output = activation(output, 1)
                output = output.cpu()
                # The sum is faster for one row, but may overflow for finite numbers.
                if not (math.isfinite(output.sum()) or output.isfinite().all()):
                    raise ValueError(
                        "The network returns numbers that are not finite for rows of "
                        f"`X` with values up to {rows.abs().max().item():.3g}; check "
                        "`X` for very large values, or fit with a bound `clip`."
                    )
                if len(output) == len(X):
                    return output.numpy()
                if outputs is None:  # allocate once: pieces would fragment the memory
                    outputs = output.new_empty(len(X), *output.shape[1:])
                outputs[start : start + CHUNK] = output
        return outputs.numpy()

    def _is_plain(self, X):
        """Whether X passes the checks of scikit-learn, which are slow for one row.

        A finite sum of squares shows that every value is finite.
        """
        return (
            type(X) is np.ndarray
            and hasattr(self, "net_")
            and X.dtype == self._dtype
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and X.flags.c_contiguous
            and not hasattr(self, "feature_names_in_")
            and math.isfinite(np.vdot(X, X))
        )

    def _fit_network(
        self,
        X,
        y,
        *,
        speakers,
        groups=None,
        genders=None,
        sample_weight=None,
        X_unlabeled=None,
        speakers_unlabeled=None,
        genders_unlabeled=None,
    ):
        """Fit the network; all arguments are as the user passed them."""
        self._validate_params()
        check_device(self.device)
        again = self._goes_on
        with kept_on_error(self):
            labeled = self._check_labeled(
                X, y, speakers, groups, genders, sample_weight
            )
            unlabeled = self._check_unlabeled(
                X_unlabeled, speakers_unlabeled, genders_unlabeled
            )
            if unlabeled is not None:
                for kind in ("speakers", "genders"):
                    both = [*getattr(labeled, kind), *getattr(unlabeled, kind)]
                    name = f"{kind}` and `{kind}_unlabeled"
                    check_labels(both, name, len(both), allow_missing=True)
            job = self._prepare(labeled, unlabeled)
        if again:
            job.net.partial_fit((job.rows, job.valid_rows))
            return self._finish_fit(job)
        if getattr(self, "_defers_training", False):  # see `advser._engine._jobs`
            self._pending_job = job
            return self
        job.fit()
        return self._finish_fit(job)

    def _prepare(self, labeled, unlabeled):
        """Return what is left to train, as the parameters and the rows ask for it."""
        again = self._goes_on
        if not again:
            vars(self).pop("net_", None)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=4)
        if not again:
            self._split_seed = seeds[0]  # a warm start keeps its validation speakers
            self._held_out = []
        valid_rows = None
        if self._stops_early:
            labeled, held_out = self._validation_set_aside(labeled)
            if not again:
                self._held_out = pd.Series(held_out.speakers).dropna().unique().tolist()
            valid_rows = Rows(
                as_tensor(held_out.X), self._validation_labels(held_out), len(held_out)
            )
            if unlabeled is not None:
                unlabeled = unlabeled.without_speakers_of(held_out) or None
        self._check_all_trained(labeled)
        self._n_labeled = len(labeled)  # rows behind these may have pseudo-labels
        utterances, name = labeled, "X"
        if unlabeled is not None:
            utterances, name = labeled.joined_by(unlabeled), "X` or `X_unlabeled"
        standardize = standardization(utterances.X, utterances.sample_weight, name)
        if unlabeled is not None:
            utterances = self._estimate_targets(utterances)
        if not again:
            self._task = self._build_task(utterances)
        labels = self._encode(utterances)
        rows = Rows(as_tensor(utterances.X), labels, len(labeled))
        if again:
            self._update_network(labels)
            self.net_.module_.task.widen(utterances.targets)
            self.net_.set_lr(float(self.lr))
            n_epochs = self._n_epochs(len(rows), self.net_.batch_size)
            self.net_.set_params(max_epochs=n_epochs)
            return Job(self.net_, rows, valid_rows)
        generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds[1:]]
        network = self._build_network(
            utterances, labels, self._task, standardize, generators[0]
        ).to(rows.x.dtype)
        self._n_features_out = self._code_dim
        net = self._build_net(network, len(rows), *generators[1:])
        return Job(net, rows, valid_rows)

    def _validation_set_aside(self, labeled):
        """Return the training and the validation utterances."""
        # Of a warm start, training speakers do not become validation speakers.
        stays_out = pd.Series(labeled.speakers).isin(self._held_out).to_numpy()
        train, valid = np.flatnonzero(~stays_out), np.flatnonzero(stays_out)
        if not (len(train) and labeled.has_target[valid].any()):
            train, valid = validation_split(
                labeled,
                self._row_splitter,
                self._untrained,
                test_size=self.validation_fraction,
                random_state=self._split_seed,
            )
        return labeled.take(train), labeled.take(valid)

    def _check_all_trained(self, labeled):
        """Warn of classes without a training row; raise if fewer than two have one."""
        lost = self._untrained(labeled)
        if not lost:
            return
        kind = "columns" if is_regressor(self) else "classes"
        message = (
            f"The network cannot learn the {kind} {lost} of `y`: all their rows "
            "are of validation speakers, or have a `sample_weight` of 0. Give them "
            "a weight, lower `validation_fraction`, or set `early_stopping=False`."
        )
        if is_regressor(self) or len(lost) == len(self.classes_) - 1:
            raise ValueError(message)
        warn(message, CorpusWarning, stacklevel=5)

    def _update_network(self, labels):
        """Let a network that is trained on know the labels of the new rows."""

    def _finish_fit(self, job) -> Self:
        """Take over a trained net; raise an error if its training diverged."""
        last = job.net.history[-1]
        loss = last["train_loss"]
        are_finite = (p.isfinite().all() for p in job.net.module_.parameters())
        # With early stopping, the weights are those of an earlier epoch.
        is_lost = is_classifier(self) and not self._stops_early
        of_weight_1 = max(1.0, getattr(self, "emotion_weight", 1.0))
        is_lost = is_lost and last.get("train_emotion_loss", 0) > MAX_LOSS * of_weight_1
        if is_lost or not (np.isfinite(loss) and all(are_finite)):
            self.__dict__.pop("net_", None)  # of a warm start, whose weights are lost
            raise ValueError(
                f"The training diverged: after {len(job.net.history)} epochs, the loss "
                f"is {loss}, or a weight is not finite. Lower `lr`, now {self.lr}, "
                "`alpha` or the weights of the loss, or set `clip`; check `X`, "
                "`X_unlabeled` and `y` for very large values."
            )
        self.net_ = job.net
        self.history_ = pd.DataFrame(
            {name: value for name, value in epoch.items() if name != "batches"}
            for epoch in self.net_.history
        )
        self.n_iter_ = len(self.history_)
        return self

    @property
    def _stops_early(self):
        """Whether the net has validation rows: a warm start does as the first fit."""
        if not self._goes_on:
            return self.early_stopping
        return any(
            isinstance(callback, ValidationScores) for callback in self.net_.callbacks
        )

    def _hidden_layers(self, n_features, generator):
        """Return the hidden layers of the encoder as a list, and their width."""
        if self.encoder is None:
            sizes = (n_features, *self.hidden_layer_sizes)
            return [*mlp(sizes, generator, dropout=self.dropout)], sizes[-1]
        dtype = as_tensor(np.empty(0, self._dtype)).dtype
        layers, width = own_encoder(self.encoder, n_features, generator, dtype)
        return [layers], width

    def _input_layers(self, standardize):
        """Return the first layers of the encoder: standardisation and bound."""
        return [standardize, *([] if self.clip is None else [Clip(self.clip)])]

    def _n_epochs(self, n_rows, batch_size):
        """Return `max_epochs`, by default as `N_EPOCHS` and `N_UPDATES` allow."""
        if self.max_epochs is not None:
            return int(self.max_epochs)
        n_updates = n_batches(n_rows, min(batch_size, n_rows))  # of an epoch
        return min(N_EPOCHS, -(-N_UPDATES // n_updates))

    def _build_net(self, network, n_rows, order_generator, noise_generator):
        callbacks = copy.deepcopy(self.callbacks or [])
        for callback in callbacks:
            if isinstance(callback, tuple):
                _, callback = callback
            if not isinstance(callback, Callback):
                raise ValueError(
                    f"`callbacks` must hold callbacks of skorch; got {callback!r}."
                )
            if isinstance(callback, EpochScoring | BatchScoring | PassthroughScoring):
                raise ValueError(
                    f"`callbacks` holds {type(callback).__name__}, and the nets of "
                    "this package have no data that it can score; leave it out, and "
                    "set `early_stopping=True` for scores of validation rows."
                )
        if self.early_stopping:
            stop = EarlyStopping(
                network.task.monitored,
                lower_is_better=False,
                patience=self.n_iter_no_change,
                load_best=True,
            )
            callbacks = [ValidationScores(), *callbacks, stop]
        return StepwiseNet(
            network,
            criterion=nn.Identity,  # the loss is that of the network
            optimizer=Adam,
            optimizer__fused=True,
            alpha=float(self.alpha),
            lr=float(self.lr),
            max_epochs=self._n_epochs(n_rows, self.batch_size),
            batch_size=int(self.batch_size),
            order_generator=order_generator,
            noise_generator=noise_generator,
            train_split=None,
            callbacks=callbacks,
            verbose=self.verbose,
            device=check_device(self.device),
        )
