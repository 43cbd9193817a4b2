"""From recordings to features: eGeMAPS by openSMILE, and tables of features."""

from ._extraction import extract_features, read_features
from ._features import EGeMAPS

__all__ = [
    "EGeMAPS",
    "extract_features",
    "read_features",
]
