"""Comparisons on unseen speakers, and the statistics and probes behind them."""

from ._adaptation import adaptation_curve
from ._compare import compare
from ._comparison import Comparison
from ._cross_comparison import CrossCorpusComparison
from ._cross_corpus import cross_corpus
from ._enrolment import EnrollmentScorer, enrollment_curve
from ._leakage import SpeakerLeakage
from ._probes import cross_val_leakage, gender_leakage, speaker_leakage
from ._statistics import (
    Difference,
    ccc_difference,
    ccc_interval,
    holm,
    uar_difference,
    uar_interval,
)

__all__ = [
    "Comparison",
    "CrossCorpusComparison",
    "Difference",
    "EnrollmentScorer",
    "SpeakerLeakage",
    "adaptation_curve",
    "ccc_difference",
    "ccc_interval",
    "compare",
    "cross_corpus",
    "cross_val_leakage",
    "enrollment_curve",
    "gender_leakage",
    "holm",
    "speaker_leakage",
    "uar_difference",
    "uar_interval",
]
