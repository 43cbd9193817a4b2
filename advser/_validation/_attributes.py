"""The attributes of an estimator: an error in a fit leaves those of the last one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_on_error(estimator: Any) -> Iterator[None]:
    """Restore the attributes of an estimator, those of its last fit, on an error."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
