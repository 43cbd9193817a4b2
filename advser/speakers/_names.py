"""Unknown speakers with nearly the name of a known one."""

from unicodedata import normalize
from warnings import warn

import pandas as pd

from ..exceptions import UnknownSpeakerWarning


def warn_of_similar(names, known, stacklevel):
    """Warn of an unknown name that differs from a known one in its writing alone."""
    plain = {_plain(name): name for name in known}
    for name in names:
        if not pd.isna(name) and _plain(name) in plain:
            warn(
                f"The speaker {name!r} is unknown, and {plain[_plain(name)]!r} is "
                "known; if they are one speaker, use one name.",
                UnknownSpeakerWarning,
                stacklevel=stacklevel,
            )


def _plain(name):
    """Return a name without case, blanks and leading zeros, in one form of Unicode."""
    return normalize("NFC", str(name).strip().lower()).lstrip("0")
