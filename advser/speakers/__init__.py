"""Speakers: normalisation, enrolment, and confounding with the emotions."""

from ._adaptation import utterance_order
from ._confounding import SpeakerConfounding, speaker_confounding
from ._enrolment import enroll
from ._scaler import SpeakerScaler
from ._session import Session

__all__ = [
    "Session",
    "SpeakerConfounding",
    "SpeakerScaler",
    "enroll",
    "speaker_confounding",
    "utterance_order",
]
