"""Speech emotion recognition on unseen speakers."""

from .audio import EGeMAPS
from .evaluation import speaker_leakage
from .exceptions import (
    AdaptationWarning,
    CollapseWarning,
    ConfoundedSpeakersWarning,
    NoNeutralWarning,
    NoSpeakersWarning,
    NotStackedWarning,
    UnknownSpeakerWarning,
)
from .methods import (
    AdversarialSER,
    AdversarialSERRegressor,
    AutoencoderSER,
    AutoencoderSERRegressor,
    SiameseSER,
)
from .onnx import to_onnx
from .persistence import load, save
from .speakers import Session, SpeakerScaler, enroll

__all__ = [
    "AdaptationWarning",
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
    "Session",
    "SiameseSER",
    "SpeakerScaler",
    "UnknownSpeakerWarning",
    "enroll",
    "load",
    "save",
    "speaker_leakage",
    "to_onnx",
]

__version__ = "0.1.0.dev0"
