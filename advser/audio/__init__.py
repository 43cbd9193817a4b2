"""Recordings to features: openSMILE's eGeMAPS, and tables of them."""

from ._extraction import extract_features, read_features
from ._features import EGeMAPS

__all__ = [
    "EGeMAPS",
    "extract_features",
    "read_features",
]
