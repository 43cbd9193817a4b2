"""Corpora as their users have them on disk, each read to one tidy table.

A table has one row per utterance, is indexed by `file`, a path that can be opened, and
has these columns, missing where the corpus does not tell:

==============  =====================================================================
`emotion`       a word of `EMOTIONS`; missing where it is unknown, or undecided
`label`         the emotion as the corpus has it
`speaker`       who speaks
`gender`        "female" or "male"
`session`       the part of the corpus that shares a room or a partner
`arousal`       on the scale of the corpus, rising with activation
`valence`       on the scale of the corpus, rising with pleasantness
`dominance`     on the scale of the corpus
`text`          what is said
`start`, `end`  seconds of a segment of the file; missing for the whole of it
==============  =====================================================================

What a corpus tells beyond that follows in columns of its own. `table.attrs` holds the
name of the `corpus`, its `root` and the `problems` of the copy.
"""

from ._cmu_mosei import read_cmu_mosei
from ._cremad import read_cremad
from ._emodb import read_emodb
from ._generic import read_filenames, read_table
from ._iemocap import read_iemocap
from ._interchange import from_audformat, load, to_audformat
from ._msp_improv import read_msp_improv
from ._ravdess import read_ravdess
from ._table import EMOTIONS, summary
from ._urdu import read_urdu

__all__ = [
    "EMOTIONS",
    "from_audformat",
    "load",
    "read_cmu_mosei",
    "read_cremad",
    "read_emodb",
    "read_filenames",
    "read_iemocap",
    "read_msp_improv",
    "read_ravdess",
    "read_table",
    "read_urdu",
    "summary",
    "to_audformat",
]
