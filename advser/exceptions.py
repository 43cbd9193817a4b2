"""The warnings of advser."""

__all__ = [
    "AdaptationWarning",
    "CollapseWarning",
    "ConfoundedSpeakersWarning",
    "CorpusWarning",
    "NoNeutralWarning",
    "NoSpeakersWarning",
    "NotStackedWarning",
    "UnknownSpeakerWarning",
]


class AdaptationWarning(UserWarning):
    """Adaptation to new speakers would reduce the recall, so the fit leaves it out."""


class ConfoundedSpeakersWarning(UserWarning):
    """The speaker predicts the emotion, so removing the speaker removes both."""


class CollapseWarning(UserWarning):
    """Adversarial training collapsed; do not trust the result."""


class CorpusWarning(UserWarning):
    """A corpus is incomplete or unreadable, or it shares too few emotions."""


class NoNeutralWarning(UserWarning):
    """All or some speakers have no neutral speech and are not calibrated."""


class NoSpeakersWarning(UserWarning):
    """No speakers are given, so the fit does not use them."""


class NotStackedWarning(UserWarning):
    """Networks are trained one by one instead of as one batch."""


class UnknownSpeakerWarning(UserWarning):
    """An unknown speaker has nearly the name of a known one, as 3 and "03"."""
