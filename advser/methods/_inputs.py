"""From the arrays that a user passes to `fit` to the rows and labels of a network."""

from abc import ABCMeta, abstractmethod

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from .._engine import Labels
from .._validation._arrays import (
    check_array_named,
    check_origin,
    check_rows,
    check_weights,
    encode,
    plain,
)
from ._data import Utterances, check_optional_labels, weights


class WithInputs(BaseEstimator, metaclass=ABCMeta):
    """Parent of the estimators: checks rows and labels, and encodes the latter."""

    # Whether unlabelled rows of unknown speakers count as one more speaker.
    _unknown_is_a_speaker = True
    _label_names: tuple[str, ...] = ("speakers",)

    @abstractmethod
    def _check_targets(self, y, n_rows):
        """Return the targets of the labelled rows, encoded: (n, ...)."""

    @abstractmethod
    def _missing_targets(self, n_rows):
        """Return what stands for the unknown targets of some rows: (n_rows, ...)."""

    @abstractmethod
    def _label_targets(self, utterances):
        """Return the targets and their weights as tensors, by name in `Labels`."""

    @property
    def _goes_on(self):
        """Whether the next fit continues the last."""
        return self.warm_start and hasattr(self, "net_")

    def _check_labeled(self, X, y, speakers, groups, genders, sample_weight):
        """Return the labelled utterances of positive weight, with encoded targets."""
        again = self._goes_on
        dtype = self._dtype if again else [np.float64, np.float32]
        if y is None:
            validate_data(self, X, y)  # which raises the usual error
        X = check_rows(self, X, reset=not again, dtype=dtype)
        self._dtype = X.dtype
        targets = self._check_targets(y, len(X))
        weight = check_weights(sample_weight, "sample_weight", len(X))
        weight /= weight[weight > 0].mean()  # an unlabelled row has a weight of 1
        name = "groups" if speakers is None and groups is not None else "speakers"
        speakers = groups if speakers is None else speakers
        utterances = Utterances(
            X=X,
            targets=targets,
            sample_weight=weight,
            speakers=check_optional_labels(speakers, name, len(X), "X"),
            genders=check_optional_labels(genders, "genders", len(X), "X"),
        )
        return utterances if weight.all() else utterances.take(weight > 0)

    def _check_unlabeled(self, X_unlabeled, speakers, genders):
        """Return the unlabelled utterances, checked, or None."""
        given = {"speakers_unlabeled": speakers, "genders_unlabeled": genders}
        if X_unlabeled is None:
            for name, values in given.items():
                if values is not None:
                    raise ValueError(
                        f"`{name}` is given without `X_unlabeled`; pass the rows that "
                        "it describes, or leave it out."
                    )
            return None
        X_unlabeled = plain(X_unlabeled)
        names = getattr(self, "feature_names_in_", None)
        columns = getattr(X_unlabeled, "columns", names)
        check_origin(self, X_unlabeled, reset=False, name="X_unlabeled")
        if names is not None and list(columns) != list(names):
            raise ValueError(
                "The columns of `X_unlabeled` are not those of `X`; pass the same "
                "features in the same order."
            )
        X_unlabeled = check_array_named(
            X_unlabeled, "X_unlabeled", dtype=self._dtype, order="C"
        )
        n, n_features = X_unlabeled.shape
        if n_features != self.n_features_in_:
            raise ValueError(
                f"`X_unlabeled` has {n_features} features and `X` has "
                f"{self.n_features_in_}; extract both with the same feature set."
            )
        return Utterances(
            X=X_unlabeled,
            targets=self._missing_targets(n),
            sample_weight=np.ones(n),
            speakers=check_optional_labels(
                speakers, "speakers_unlabeled", n, "X_unlabeled"
            ),
            genders=check_optional_labels(
                genders, "genders_unlabeled", n, "X_unlabeled"
            ),
        )

    def _encode(self, utterances):
        """Return the labels of the training rows as tensors.

        Sets `speakers_`, and `genders_` where the method has genders.
        """
        dtype = utterances.X.dtype
        weight = utterances.sample_weight
        speaker = self._encode_names("speakers", utterances.speakers)
        if self._unknown_is_a_speaker:
            speaker = self._encode_unknown(speaker, utterances.has_target)
        elif not self._goes_on:
            self._n_speakers = len(self.speakers_)
        labels = {
            "row_weight": weights(weight, np.True_, dtype),
            "speaker": torch.from_numpy(speaker),
            "speaker_weight": weights(weight, speaker >= 0, dtype),
            **self._label_targets(utterances),
        }
        if "genders" in self._label_names:
            gender = self._encode_names("genders", utterances.genders)
            labels["gender"] = torch.from_numpy(gender)
            labels["gender_weight"] = weights(weight, gender >= 0, dtype)
        return Labels(**labels)

    def _encode_names(self, kind, names):
        """Return codes by order of first appearance, -1 where unknown: (n,).

        A warm start knows the names of the first fit.
        """
        codes, found = encode(names)
        if not self._goes_on:
            setattr(self, f"{kind}_", found)
            return codes
        known = getattr(self, f"{kind}_")
        new = sorted(set(found) - set(known), key=str)
        if new:
            raise ValueError(
                f"`warm_start=True`, but the {kind} {new} were not in the first fit; "
                "fit them from the start with `warm_start=False`."
            )
        if len(known) and not len(found):
            raise ValueError(
                f"`warm_start=True`, but none of the {kind} is known and the first fit "
                f"knew {len(known)}; pass them as `{kind}`."
            )
        return pd.Index(known).get_indexer(names).astype(np.int64)

    def _encode_unknown(self, speaker, has_target):
        """Give unlabelled rows of unknown speakers a code of their own, the last."""
        n_known = len(self.speakers_)
        # Those behind the labelled rows may have an estimated target.
        is_unlabeled = ~has_target | (np.arange(len(speaker)) >= self._n_labeled)
        unknown = np.flatnonzero((speaker == -1) & is_unlabeled)
        if not self._goes_on:
            self._n_speakers = n_known + (n_known > 0 and len(unknown) > 0)
        if len(unknown) and self._n_speakers:
            if self._n_speakers == n_known:
                raise ValueError(
                    f"`warm_start=True`, but {len(unknown)} rows of `X_unlabeled` are "
                    "of unknown speakers and those of the first fit were of known "
                    "ones; name them in `speakers_unlabeled`, or start with "
                    "`warm_start=False`."
                )
            speaker[unknown] = n_known
        return speaker
