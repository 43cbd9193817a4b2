"""Searches that train their networks as one batch, and training on other corpora."""

from ._auxiliary import AuxiliaryCorpora
from ._cross_validate import stacked_cross_validate
from ._search import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = [
    "AuxiliaryCorpora",
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "stacked_cross_validate",
]
