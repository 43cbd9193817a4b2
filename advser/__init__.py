"""Speech emotion recognition on unseen speakers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

__version__ = "0.1.0"
ROOMS = (  # of `__all__`
    *("exceptions", "audio", "speakers", "methods", "evaluation"),
    *("persistence", "onnx"),
)


def __getattr__(name: str) -> Any:
    """Import a name or a room when it is first used, so that the command starts fast.

    Ctrl-C while torch is imported is then an interrupt of the command like any other.
    """
    if name in __all__:
        rooms = (import_module(f"{__name__}.{room}") for room in ROOMS)
        value = next(getattr(room, name) for room in rooms if hasattr(room, name))
        return globals().setdefault(name, value)
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
