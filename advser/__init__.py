"""Speech emotion recognition that works on speakers it has never heard."""

from .adversarial import AdversarialSER, AdversarialSERRegressor
from .autoencoder import AutoencoderSER, AutoencoderSERRegressor
from .enrollment import enroll
from .exceptions import (
    CollapseWarning,
    ConfoundedSpeakersWarning,
    NoNeutralWarning,
    NoSpeakersWarning,
    NotStackedWarning,
)
from .features import EGeMAPS
from .probes import speaker_leakage
from .scaling import SpeakerScaler
from .siamese import SiameseSER

__all__ = [
    "AdversarialSER",
    "AdversarialSERRegressor",
    "AutoencoderSER",
    "AutoencoderSERRegressor",
    "CollapseWarning",
    "ConfoundedSpeakersWarning",
    "EGeMAPS",
    "NoNeutralWarning",
    "NoSpeakersWarning",
    "NotStackedWarning",
    "SiameseSER",
    "SpeakerScaler",
    "enroll",
    "speaker_leakage",
]

__version__ = "0.1.0.dev0"
