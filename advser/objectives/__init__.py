"""Objectives: what an encoder minimises besides the loss of the emotion."""

from ._closed_form import speakers_explained
from ._entropy import confusion_loss, speaker_entropy
from ._grl import domain_adversarial_loss, lead_over_chance

__all__ = [
    "confusion_loss",
    "domain_adversarial_loss",
    "lead_over_chance",
    "speaker_entropy",
    "speakers_explained",
]
