"""Pass speakers to any estimator by scikit-learn's metadata routing.

An estimator, or a step in a pipeline or a search, gets the speakers if it requests
`speakers` or `groups`; other estimators do not get them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sklearn import clone, config_context
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from ._validation._parameters import check_estimator

GRIDS = ("param_grid", "param_distributions")  # parameters of searches


def call(
    estimator: BaseEstimator, method: str, *args: Any, speakers: Any, **others: Any
) -> Any:
    """Call a method of the estimator with the metadata that it requests.

    The speakers are also the `groups`, unless these are among the `others`.
    """
    check_estimator(estimator, "estimator", method)
    known = {"speakers": speakers, "groups": speakers, **others}
    with config_context(enable_metadata_routing=True):
        requested = requests(estimator, method, known)
        metadata = {name: known[name] for name in requested}
        return getattr(estimator, method)(*args, **metadata)


def requests(estimator: BaseEstimator, method: str, names: Iterable[str]) -> set[str]:
    """Return the names of metadata that a method of the estimator requests."""
    with config_context(enable_metadata_routing=True):
        try:
            routing = get_routing_for_object(estimator)
        except NotImplementedError:  # of AdaBoost, which takes no metadata by routing
            return set()
        return routing.consumes(method, set(names))


def request_for_scores(scorer: Any) -> MetadataRequest:
    """Return the request of a scorer for the speakers, by either name."""
    request = MetadataRequest(owner=type(scorer).__name__)
    for name in ("speakers", "groups"):
        request.score.add_request(param=name, alias=True)
    return request


def representation(estimator: BaseEstimator) -> BaseEstimator | None:
    """Return the estimator that computes the embedding, or None if there is none.

    It is the estimator itself if it has `transform`. For a pipeline without
    `transform`, it is the pipeline of the steps before the last one; for a search, that
    of the estimator that it varies.
    """
    if hasattr(estimator, "transform"):
        return estimator
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return representation(estimator[:-1])
    if isinstance(estimator, MetaEstimatorMixin) and hasattr(estimator, "estimator"):
        return representation(estimator.estimator)
    return None


def unseeded(estimator: BaseEstimator) -> bool:
    """Whether a `random_state` is None, also among the candidates of a search."""
    return bool(_with_seed(estimator.get_params(), 0))


def seeded(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return an unfitted copy with `seed` for each `random_state` that is None.

    That includes the candidates of a search.
    """
    return clone(estimator).set_params(**_with_seed(estimator.get_params(), seed))


def _with_seed(parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the parameters that need the seed, with it."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        last = name.rpartition("__")[2]
        if last == "random_state" and value is None:
            found[name] = seed
        elif last in GRIDS:
            grids = [value] if isinstance(value, Mapping) else value
            changes = [_candidates_with_seed(grid, seed) for grid in grids]
            if any(changes):
                found[name] = [{**one, **new} for one, new in zip(grids, changes)]
    return found


def _candidates_with_seed(grid: Mapping[str, Any], seed: int) -> dict[str, list]:
    """Return the candidates of the parameters that need the seed, with it."""
    found = {}
    for name, values in grid.items():
        if isinstance(values, list | tuple):  # no distribution
            filled = [
                seeded(value, seed)
                if isinstance(value, BaseEstimator) and unseeded(value)
                else _with_seed({name: value}, seed).get(name, value)
                for value in values
            ]
            if any(new is not value for new, value in zip(filled, values)):
                found[name] = filled
    return found
