"""The warnings that advser raises."""

__all__ = ["NoNeutralWarning", "NoSpeakersWarning", "NotStackedWarning"]


class NoNeutralWarning(UserWarning):
    """Neutral speech is missing, of all speakers or of some, who go uncalibrated."""


class NoSpeakersWarning(UserWarning):
    """The method has no speakers to work with, so it leaves out its speaker part."""


class NotStackedWarning(UserWarning):
    """Networks that should be trained together are trained one by one."""
