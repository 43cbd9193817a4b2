"""Speech emotion recognition on unseen speakers."""

from .audio import EGeMAPS
from .evaluation import speaker_leakage
from .exceptions import (
    CollapseWarning,
    ConfoundedSpeakersWarning,
    NoNeutralWarning,
    NoSpeakersWarning,
    NotStackedWarning,
)
from .methods import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    SiameseSER,
)
from .speakers import SpeakerScaler, enroll

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
