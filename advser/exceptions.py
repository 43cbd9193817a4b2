"""The warnings that advser raises."""

__all__ = ["ConfoundedSpeakersWarning", "NoSpeakersWarning", "NotStackedWarning"]


class ConfoundedSpeakersWarning(UserWarning):
    """Speakers tell the emotion, so that to remove the one is to remove the other."""


class NoSpeakersWarning(UserWarning):
    """The method has no speakers to work with, so it leaves out its speaker part."""


class NotStackedWarning(UserWarning):
    """Networks that should be trained together are trained one by one."""
