"""Warnings that are expected and of no use to the caller."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_filters = RLock()


@contextmanager
def ignored(message: str = "") -> Iterator[None]:
    """Hide the warnings whose text begins with a regular expression.

    One Python thread at a time: all of them have the filters in common, and two that
    change these at once would not restore them. What runs in this context must not wait
    for other threads.
    """
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message)
        yield
