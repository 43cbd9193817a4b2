"""What is known of a speaker: scaling, enrolment, confounding."""

from ._confounding import SpeakerConfounding, speaker_confounding
from ._enrolment import enroll
from ._scaler import SpeakerScaler

__all__ = [
    "SpeakerConfounding",
    "SpeakerScaler",
    "enroll",
    "speaker_confounding",
]
