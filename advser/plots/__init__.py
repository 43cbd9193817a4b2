"""Figures of data, training and results, as Displays in the style of scikit-learn.

A Display is computed once and can be drawn on any axes. Make their figure with
``layout="constrained"``, so that long names and the legend above the axes have room.
"""

from ._adaptation import AdaptationDisplay
from ._corpora import CrossCorpusDisplay
from ._leakage import LeakageDisplay, WeightDisplay
from ._networks import EmbeddingDisplay, ExplanationDisplay, TrainingDisplay
from ._ratings import RatingDisplay
from ._scores import ComparisonDisplay, DifferenceDisplay, IntervalDisplay
from ._speakers import ConfoundingDisplay, EnrollmentDisplay, SpeakerRecallDisplay

__all__ = [
    "AdaptationDisplay",
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
