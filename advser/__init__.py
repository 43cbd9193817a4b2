"""Speech emotion recognition that works on speakers it has never heard."""

from .adversarial import AdversarialSER
from .exceptions import NoSpeakersWarning

__all__ = ["AdversarialSER", "NoSpeakersWarning"]

__version__ = "0.1.0.dev0"
