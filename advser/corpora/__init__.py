"""Read corpora as they are distributed, each to one table.

A table has one row per utterance. Its index, `file`, is a path that can be opened. It
has these columns; a value that the corpus does not give is missing:

==============  =====================================================================
`emotion`       a word of `EMOTIONS`; missing if it is unknown or the raters disagree
`label`         the emotion as the corpus spells it
`speaker`       the name of the speaker
`gender`        "female" or "male"
`session`       a split of the corpus with the same room or the same pair of speakers
`arousal`       on the scale of the corpus; higher is more active
`valence`       on the scale of the corpus; higher is more pleasant
`dominance`     on the scale of the corpus; higher is more dominant
`text`          the words that are spoken
`start`, `end`  seconds of a segment of the file; missing for the whole file
==============  =====================================================================

Other columns of the corpus come after these; `partition` is the official split of a
corpus that has one. `table.attrs` holds the name of the
`corpus`, its folder as `root`, and the `problems` of the copy.

Every reader raises a FileNotFoundError if `root` is no folder or holds no recording
with a label. It gives a CorpusWarning for files that are missing or cannot be read, and
leaves them out; ``table.attrs["problems"]`` lists them all.
"""

from ._cmu_mosei import read_cmu_mosei
from ._cremad import read_cremad
from ._emodb import read_emodb
from ._generic import read_filenames, read_table
from ._iemocap import read_iemocap
from ._interchange import from_audformat, load, to_audformat
from ._meld import read_meld
from ._msp_improv import read_msp_improv
from ._msp_podcast import read_msp_podcast
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
    "read_meld",
    "read_msp_improv",
    "read_msp_podcast",
    "read_ravdess",
    "read_table",
    "read_urdu",
    "summary",
    "to_audformat",
]
