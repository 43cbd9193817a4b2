"""The warnings that advser raises."""

__all__ = [
    "CollapseWarning",
    "ConfoundedSpeakersWarning",
    "CorpusWarning",
    "NoNeutralWarning",
    "NoSpeakersWarning",
    "NotStackedWarning",
]


class ConfoundedSpeakersWarning(UserWarning):
    """Speakers tell the emotion, so that to remove the one is to remove the other."""


class CollapseWarning(UserWarning):
    """A game of the training has come to nothing: what it says cannot be trusted."""


class CorpusWarning(UserWarning):
    """A corpus is not complete, not all can be read, or it shares too few emotions."""


class NoNeutralWarning(UserWarning):
    """Neutral speech is missing, of all speakers or of some, who go uncalibrated."""


class NoSpeakersWarning(UserWarning):
    """The method has no speakers to work with, so it leaves out its speaker part."""


class NotStackedWarning(UserWarning):
    """Networks that should be trained together are trained one by one."""
