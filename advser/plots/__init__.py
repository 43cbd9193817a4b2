"""Figures of what was found, as scikit-learn's Displays.

What is shown is computed once, and can be drawn on any axes.
"""

from ._comparison import (
    ComparisonDisplay,
    DifferenceDisplay,
    IntervalDisplay,
    LeakageDisplay,
    SpeakerRecallDisplay,
    WeightDisplay,
)
from ._corpora import CrossCorpusDisplay
from ._networks import EmbeddingDisplay, ExplanationDisplay, TrainingDisplay
from ._ratings import RatingDisplay
from ._speakers import ConfoundingDisplay, EnrollmentDisplay

__all__ = [
    "ComparisonDisplay",
    "ConfoundingDisplay",
    "CrossCorpusDisplay",
    "DifferenceDisplay",
    "EmbeddingDisplay",
    "EnrollmentDisplay",
    "ExplanationDisplay",
    "IntervalDisplay",
    "LeakageDisplay",
    "RatingDisplay",
    "SpeakerRecallDisplay",
    "TrainingDisplay",
    "WeightDisplay",
]
