"""Searches and cross-validation that train their networks as one batch."""

from ._cross_validate import stacked_cross_validate
from ._search import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = [
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "stacked_cross_validate",
]
