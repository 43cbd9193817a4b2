"""The warnings that advser raises."""

__all__ = ["NoSpeakersWarning"]


class NoSpeakersWarning(UserWarning):
    """The method has no speakers to work with, so it leaves out its speaker part."""
