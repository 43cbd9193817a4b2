"""How the speakers reach an estimator, whatever it is: by scikit-learn's own routing.

An estimator, or a step inside a pipeline or a search, is given the speakers where it
requests them as `speakers` or as `groups`; one that requests neither never sees them.
"""

from sklearn import clone, config_context
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

__all__ = ["call", "representation", "requests", "seeded", "unseeded"]


def call(estimator, method, *args, speakers, **others):
    """Call a method of the estimator with the speakers, if it requests them.

    They are its groups, too, unless these are among the `others`: arrays that it is
    given if it requests them by their names.
    """
    known = {"speakers": speakers, "groups": speakers, **others}
    with config_context(enable_metadata_routing=True):
        requested = requests(estimator, method, known)
        return getattr(estimator, method)(
            *args, **{key: known[key] for key in requested}
        )


def requests(estimator, method, names):
    """Return which of the names a method of the estimator requests."""
    with config_context(enable_metadata_routing=True):
        return get_routing_for_object(estimator).consumes(method, set(names))


def representation(estimator):
    """Return the part of the estimator that makes its embedding.

    It is the estimator itself where that has `transform`, the steps before the last
    where it is a pipeline without, and None for a classifier of the bare features.
    """
    if hasattr(estimator, "transform"):
        return estimator
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return representation(estimator[:-1])
    return None


def unseeded(estimator):
    """Return the names of the random states that the user left open, at None."""
    return [
        name
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "random_state" and value is None
    ]


def seeded(estimator, seed):
    """Return an unfitted copy of the estimator whose open random states are `seed`."""
    return clone(estimator).set_params(**dict.fromkeys(unseeded(estimator), seed))
