"""The warnings that advser raises."""

__all__ = ["CorpusWarning", "NoSpeakersWarning", "NotStackedWarning"]


class CorpusWarning(UserWarning):
    """A copy of a corpus is not complete, or not all of it can be read."""


class NoSpeakersWarning(UserWarning):
    """The method has no speakers to work with, so it leaves out its speaker part."""


class NotStackedWarning(UserWarning):
    """Networks that should be trained together are trained one by one."""
