"""Objectives: what encoder and emotion head minimise. One per file, with its paper.

`Objective` is the base class to write your own.
"""

from ._base import EmpiricalRisk, Objective
from ._closed_form import ClosedForm, speakers_explained
from ._confusion import Confusion, confusion_loss
from ._coral import CORAL, covariance_distance
from ._entropy import MaxEntropy, speaker_entropy
from ._grl import GradientReversal, lead_over_chance
from ._group_dro import GroupDRO
from ._mmd import MMD, mean_discrepancy
from ._speaker_head import SpeakerHead
from ._vrex import VREx

__all__ = [
    "CORAL",
    "MMD",
    "ClosedForm",
    "Confusion",
    "EmpiricalRisk",
    "GradientReversal",
    "GroupDRO",
    "MaxEntropy",
    "Objective",
    "SpeakerHead",
    "VREx",
    "confusion_loss",
    "covariance_distance",
    "lead_over_chance",
    "mean_discrepancy",
    "speaker_entropy",
    "speakers_explained",
]
