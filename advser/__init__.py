"""Speech emotion recognition that works on speakers it has never heard."""

from .adversarial import AdversarialSER
from .exceptions import (
    ConfoundedSpeakersWarning,
    NoSpeakersWarning,
    NotStackedWarning,
)
from .features import EGeMAPS
from .probes import speaker_leakage
from .scaling import SpeakerScaler

__all__ = [
    "AdversarialSER",
    "ConfoundedSpeakersWarning",
    "EGeMAPS",
    "NoSpeakersWarning",
    "NotStackedWarning",
    "SpeakerScaler",
    "speaker_leakage",
]

__version__ = "0.1.0.dev0"
