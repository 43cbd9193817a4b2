"""Speakers: normalisation, enrolment, and confounding with the emotions."""

from ._confounding import SpeakerConfounding, speaker_confounding
from ._enrolment import enroll
from ._scaler import SpeakerScaler

__all__ = [
    "SpeakerConfounding",
    "SpeakerScaler",
    "enroll",
    "speaker_confounding",
]
