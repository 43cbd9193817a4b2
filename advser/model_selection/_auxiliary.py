"""Rows of other corpora as further training data, at a weight that is chosen."""

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from itertools import chain
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import config_context
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    clone,
    is_regressor,
)
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._engine import Fit, last_step, run_all
from .._routing import call, requests
from .._validation._arrays import (
    check_array_named,
    check_labels,
    check_origin,
    check_rows,
    check_speakers,
    encode,
    plain,
    take_rows,
)
from .._validation._attributes import kept_on_error
from .._validation._parameters import NOT_NEGATIVE, Number, Numbers, check_parameter
from ..corpora._features import check_same_features, read_corpus
from ..metrics import unweighted_average_recall
from ..speakers import SpeakerScaler

DTYPES = [np.float64, np.float32]
MIN_PROBABILITY = 1e-6  # of an emotion that no training speaker has


class _Corpus(NamedTuple):
    """Labelled rows, each field with an entry for each row; speakers may be None."""

    X: Any
    y: np.ndarray
    speakers: np.ndarray | None

    def take(self, rows):
        return _Corpus(
            *(None if each is None else take_rows(each, rows) for each in self)
        )


def _has(method):
    """Return a check for `available_if`: whether the classifier has a method."""

    def check(self):
        getattr(getattr(self, "best_estimator_", self.estimator), method)
        return True

    return check


class AuxiliaryCorpora(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    r"""Classifier that is also trained on rows of other corpora.

    Few speakers make a poor training set, and other corpora have many. Their rows with
    the emotions of `y` join the training, each corpus brought to the mean and the
    deviation of the training rows, since microphones and languages differ.

    Whether this helps depends on the corpora. `fit` therefore leaves training speakers
    out, and compares training without other corpora with training on all of them, at
    each of the `weights`. It chooses by the log loss on the speakers left out, since
    this depends less on chance than the recall; by the recall if the estimator has no
    probabilities.

    Name the emotions, as in "anger". Tools that replace `y` by numbers, such as
    :class:`~sklearn.ensemble.VotingClassifier`, belong inside, as `estimator`.

    Parameters
    ----------
    estimator : classifier or Pipeline
        Its last step must take `sample_weight` in `fit`. Speakers are passed on where
        the estimator requests them, those of other corpora as further speakers.

    corpora : dict of str to DataFrame or tuple
        The other corpora by name: each is a table with the columns `emotion` and
        `speaker`, whose other numeric columns are the features; the pair that
        :func:`~advser.audio.read_features` returns; or ``(X, y, speakers)``. The
        features must be those of `X`. Rows with other emotions, or with none, are not
        used.

    weights : sequence of float or dict of str to float, default=(0.1, 0.3)
        The weights to choose from: the total weight of the rows of other corpora,
        relative to that of the training rows of the same emotions. All corpora together
        share it equally. A dict sets the weight of each corpus without a choice, 0 for
        those not named.

    by_speaker : bool, default=False
        Whether each speaker of another corpus is standardised, with
        :class:`~advser.SpeakerScaler`, before the corpus is. Use it behind a
        SpeakerScaler, which does the same to the training speakers.

    cv : int, default=5
        Number of folds of the choice, by speaker; at most one for each speaker.

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted on the rows of `X` and of the chosen corpora. It predicts alone, behind
        the steps before it: save these, and not the rows of the corpora.

    weights_ : dict of str to float
        Weight of each corpus.

    scores_ : DataFrame of shape (n_candidates, n_corpora + 2) or None
        The weight of each corpus; `recall` and `log_loss`, unweighted averages over the
        emotions, of training speakers left out. None where there was no choice.

    classes_ : ndarray of shape (n_classes,)
        Emotions in `y`, sorted.

    n_features_in_, feature_names_in_ : int, ndarray of shape (n_features,)
        Number of features in `fit`, and their names if all are strings.

    feature_origin_ : dict or None
        How the features were made, where X has this information
        (:func:`advser.audio.read_features`).

    See Also
    --------
    advser.evaluation.cross_corpus : Training on other corpora alone.

    Notes
    -----
    The rows of a corpus with an emotion have the share of that emotion in `y`, so that
    a corpus with all emotions does not change their mix. One that lacks an emotion adds
    nothing to it.

    The choice fits the estimator ``cv * (1 + len(weights))`` times. Networks train as
    one batch.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.model_selection import AuxiliaryCorpora
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> own = speakers < "11"  # as if the others were of another corpus
    >>> model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    >>> other = {"other": (X[~own], y[~own], speakers[~own])}
    >>> model = AuxiliaryCorpora(model, other, weights=[0.3])
    >>> model = model.fit(X[own], y[own], speakers=speakers[own])
    >>> model.weights_
    {'other': 0.3}
    """

    __metadata_request__fit = {"speakers": True, "groups": True}

    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "corpora": "no_validation",
        "weights": [Numbers(Real, 0, closed="neither", at_least=1), Mapping],
        "by_speaker": ["boolean"],
        "cv": [Number(Integral, 2)],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        corpora: Mapping[str, Any],
        *,
        weights: Sequence[float] | Mapping[str, float] = (0.1, 0.3),
        by_speaker: bool = False,
        cv: int = 5,
    ) -> None:
        self.estimator = estimator
        self.corpora = corpora
        self.weights = weights
        self.by_speaker = by_speaker
        self.cv = cv

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Choose the weights of the corpora, and fit the estimator with them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        y : array-like of shape (n_samples,)
            Emotions.

        speakers, groups : array-like of shape (n_samples,), default=None
            Speaker of each row, by either name; `speakers` has precedence. Needed for
            a choice.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a corpus has other features than X or shares fewer than two emotions with
            y, a parameter is wrong, or there are too few speakers for a choice.
        """
        self._validate_params()
        if is_regressor(self.estimator):
            raise ValueError(
                f"`estimator` is {type(last_step(self.estimator)).__name__}, a "
                "regressor; pass a classifier of emotions."
            )
        with kept_on_error(self):
            rows = check_rows(self, X, reset=True, dtype=DTYPES)
            if y is None:
                raise ValueError(
                    "fit requires y to be passed, but the target y is None."
                )
            if getattr(y, "ndim", 1) == 2:
                column_or_1d(y, warn=True)  # as all classifiers of scikit-learn
            table = plain(X)
            own = _Corpus(
                table if isinstance(table, pd.DataFrame) else rows,
                check_labels(y, "y", len(rows)),
                check_speakers(speakers, groups, len(rows)),
            )
            corpora = self._read_corpora(own)
            candidates = self._candidates()
            self.scores_: pd.DataFrame | None = None
            self.weights_ = candidates[0]
            if len(candidates) > 1:
                self.scores_ = scores = self._score(candidates, corpora, own)
                loss = scores["log_loss"]
                best = scores["recall"].idxmax() if loss.isna().any() else loss.idxmin()
                self.weights_ = candidates[best]
            self.best_estimator_, fit = self._prepare(self.weights_, corpora, own)
            fit()
            self.classes_ = self.best_estimator_.classes_
        return self

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the predicted emotions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        return self._predictor(X).predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the probability of each emotion, in the order of `classes_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
        """
        return self._predictor(X).predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the decision function of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        decision : ndarray
        """
        return self._predictor(X).decision_function(X)

    @available_if(_has("transform"))
    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the embedding of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        embedding : ndarray of shape (n_samples, embedding_dim)
        """
        return self._predictor(X).transform(X)

    def _predictor(self, X):
        """Return the fitted estimator, which checks the rows."""
        check_is_fitted(self)
        check_origin(self, X, reset=False)
        return self.best_estimator_

    def _read_corpora(self, own):
        """Return the rows of each corpus that have an emotion of y, standardised."""
        if not isinstance(self.corpora, Mapping):
            raise ValueError(
                f"`corpora` is of type {type(self.corpora).__name__}; pass a dict of "
                "corpora by name."
            )
        emotions, found = pd.unique(own.y), {}
        for name, corpus in self.corpora.items():
            where = f"corpora[{name!r}]"
            corpus = _Corpus(*read_corpus(name, corpus))
            check_same_features(own.X, corpus.X, "X", where)
            corpus = corpus.take(np.flatnonzero(pd.Series(corpus.y).isin(emotions)))
            if len(shared := pd.unique(corpus.y)) < 2:
                raise ValueError(
                    f"`{where}` and `y` share the emotions {shared.tolist()}, and at "
                    f"least two are needed; `y` has {emotions.tolist()}. Give them the "
                    "same names, or leave the corpus out."
                )
            X = corpus.X
            if isinstance(X, pd.DataFrame):
                X = X[list(own.X)]
            X = check_array_named(X, where, dtype=np.float64)
            if self.by_speaker:
                scaler = SpeakerScaler().set_output(transform="default")
                X = scaler.fit_transform(X, None, corpus.speakers)
            scaler = StandardScaler().set_output(transform="default")
            found[name] = corpus._replace(X=scaler.fit_transform(X))
        return found

    def _candidates(self):
        """Return the weights of the corpora to choose from."""
        none = dict.fromkeys(self.corpora, 0.0)
        if isinstance(self.weights, Mapping):
            for name, weight in self.weights.items():
                if name not in none:
                    raise ValueError(
                        f"`weights` has {name!r}, which is none of the `corpora` "
                        f"{list(none)}."
                    )
                check_parameter(weight, f"weights[{name!r}]", NOT_NEGATIVE)
            return [none | dict(self.weights)]
        if not none:
            return [none]
        shares = [weight / len(none) for weight in self.weights]
        return [none, *(dict.fromkeys(none, share) for share in shares)]

    def _score(self, candidates, corpora, own):
        """Return a row for each candidate: its weights, and its recall."""
        n_speakers = 0 if own.speakers is None else len(pd.unique(own.speakers))
        if n_speakers < 2:
            raise ValueError(
                "`weights` are chosen on speakers left out, which needs at least two; "
                f"there are {n_speakers}. Pass the speaker of each row as `speakers`, "
                "or set `weights` to a dict with the weight of each corpus."
            )
        folds = [*GroupKFold(min(self.cv, n_speakers)).split(own.y, None, own.speakers)]
        jobs = [
            self._predicted(weights, corpora, own, *fold)
            for weights in candidates
            for fold in folds
        ]
        found = run_all(jobs)
        y = own.y[np.concatenate([test for _, test in folds])]
        starts = range(0, len(found), len(folds))
        by_candidate = (found[start : start + len(folds)] for start in starts)
        scores = [_scores(y, *map(np.concatenate, zip(*one))) for one in by_candidate]
        return pd.DataFrame(candidates).join(pd.DataFrame(scores))

    def _predicted(self, weights, corpora, own, train, test):
        """Return emotions and probabilities of speakers left out: a job."""
        model, fit = self._prepare(weights, corpora, own.take(train))
        yield Fit(model, fit)
        X, y, speakers = own.take(test)
        y_pred = call(model, "predict", X, speakers=speakers)
        if not hasattr(model, "predict_proba"):
            return y_pred, np.full(len(test), np.nan)
        probability = call(model, "predict_proba", X, speakers=speakers)
        of_true = y[:, None] == model.classes_
        return y_pred, np.where(of_true, probability, 0).sum(axis=1)

    def _prepare(self, weights, corpora, own):
        """Return an unfitted copy of the estimator, and the function that fits it."""
        model = clone(self.estimator)
        corpora = {name: rows for name, rows in corpora.items() if weights[name]}
        if not corpora:
            fit = partial(call, model, "fit", own.X, own.y, speakers=own.speakers)
            return model, fit
        _request_weights(model)
        joined, sample_weight = _joined(weights, corpora, own)
        metadata = {"speakers": joined.speakers, "sample_weight": sample_weight}
        return model, partial(call, model, "fit", joined.X, joined.y, **metadata)


def _scores(y, y_pred, probability):
    """Return the recall, and the mean log loss of the emotions."""
    loss = -np.log(np.maximum(probability, MIN_PROBABILITY))
    return {
        "recall": unweighted_average_recall(y, y_pred),
        "log_loss": pd.Series(loss).groupby(y).mean().mean(),
    }


def _request_weights(model):
    """Let the last step alone have the sample weights, and no score of a search."""
    weighted = _last_steps(model)
    with config_context(enable_metadata_routing=True):
        for step in [model, *model.get_params().values()]:
            if hasattr(step, "fit") and has_fit_parameter(step, "sample_weight"):
                is_weighted = any(step is one for one in weighted)
                step.set_fit_request(sample_weight=is_weighted)
            may_request = hasattr(step, "score") and hasattr(step, "set_score_request")
            if may_request and "sample_weight" in signature(step.score).parameters:
                step.set_score_request(sample_weight=False)
            if isinstance(scoring := getattr(step, "scoring", None), str):
                scorer = get_scorer(scoring).set_score_request(sample_weight=False)
                step.set_params(scoring=scorer)
    last = last_step(model)
    if not requests(last, "fit", ["sample_weight"]):
        raise ValueError(
            f"`estimator` ends with {type(last).__name__}, whose `fit` takes no "
            "`sample_weight` by metadata routing; use one that does."
        )


def _last_steps(model):
    """Return the last step of an estimator, and those of the estimators in it."""
    last = last_step(model)
    inner = [model for model in _models_in(last) if hasattr(model, "fit")]
    return [last, *chain.from_iterable(map(_last_steps, inner))]


def _models_in(estimator):
    """Return the parameters of an estimator, and what its lists of models hold."""
    for value in estimator.get_params(deep=False).values():
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            yield from (model for _, model, *_ in value)  # such as those that vote
        else:
            yield value


def _joined(weights, corpora, own):
    """Return the rows of all corpora, and their sample weights.

    Those of each corpus are spread evenly: an estimator with inner folds of its own
    gets the same mix in each.
    """
    scaler = StandardScaler().fit(own.X)
    share = pd.Series(own.y).value_counts()
    X, y, sample_weight = [own.X], [own.y], [np.ones(len(own.y))]
    speakers = own.speakers
    for name, corpus in corpora.items():
        corpus = corpus.take(np.flatnonzero(pd.Series(corpus.y).isin(share.index)))
        X.append(corpus.X * np.sqrt(scaler.var_) + scaler.mean_)
        y.append(corpus.y.astype(own.y.dtype, copy=False))  # without a missing one
        of_emotion = share / pd.Series(corpus.y).value_counts()
        sample_weight.append(weights[name] * of_emotion.reindex(corpus.y).to_numpy())
        if speakers is not None:
            others = _renamed(corpus.speakers, name, speakers)
            speakers = np.concatenate([speakers, others])
    if isinstance(own.X, pd.DataFrame):
        others = pd.DataFrame(np.concatenate(X[1:]), columns=own.X.columns)
        singles = own.X.dtypes[own.X.dtypes == np.float32]  # they stay so
        rows = pd.concat([own.X, others.astype(singles)])
        rows.attrs = own.X.attrs
    else:
        rows = np.concatenate(X).astype(own.X.dtype, copy=False)
    places = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in y])
    order = places.argsort(kind="stable")
    joined = _Corpus(rows, np.concatenate(y), speakers).take(order)
    return joined, np.concatenate(sample_weight)[order]


def _renamed(speakers, corpus, known):
    """Return other names for the speakers of a corpus, none of the known ones."""
    if isinstance(known[0], str):
        return np.array([f"{corpus}/{speaker}" for speaker in speakers], dtype=object)
    dtype = object if known.dtype == object else int
    return encode(speakers)[0].astype(dtype) + known.max() + 1
