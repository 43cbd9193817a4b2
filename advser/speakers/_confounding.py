"""Are speaker and emotion confounded? Then removing one removes the other.

An embedding h without any information on the speaker s cannot contain more information
on the emotion e than is left once s is known:

    I(h; e) ≤ I(h; s) + H(e | s) = H(e | s)    where    I(h; s) = 0.

If each speaker has one emotion, H(e | s) is 0.
"""

from dataclasses import dataclass
from warnings import warn

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import entropy
from sklearn.metrics import adjusted_mutual_info_score

from .._validation._arrays import check_labels, count_rows
from ..exceptions import ConfoundedSpeakersWarning

CONFOUNDED = 0.5  # above it, an embedding without the speaker loses most of the emotion


@dataclass(frozen=True, eq=False)
class SpeakerConfounding:
    """How much the speaker of an utterance says about its emotion.

    Attributes
    ----------
    adjusted_mutual_information : float
        Mutual information of emotion and speaker, less that expected by chance, as a
        share of the smaller of their entropies: about 0 if all speakers have the same
        mix of emotions, 1 if the speaker determines the emotion. 0 if each speaker has
        one utterance, which shows nothing.

    single_emotion_share : float in [0, 1]
        Share of the speakers who have one emotion only.

    by_speaker : DataFrame
        One row per speaker, in order of appearance: `speaker`, `n_samples`,
        `n_emotions`, `emotion`, the most frequent, and `share`, that of the most
        frequent emotion.

    counts : DataFrame of shape (n_emotions, n_speakers)
        Number of utterances of each emotion and speaker.
    """

    adjusted_mutual_information: float
    single_emotion_share: float
    by_speaker: pd.DataFrame
    counts: pd.DataFrame

    def __str__(self):
        n_single = (self.by_speaker["n_emotions"] == 1).sum()
        information = round(self.adjusted_mutual_information, 2) + 0.0  # never -0
        return (
            f"{n_single} of {len(self.by_speaker)} speakers have one emotion only; "
            f"adjusted mutual information {information:.2f}"
        )

    def _repr_html_(self):
        table = self.by_speaker.to_html(
            float_format="{:.2f}".format, index=False, max_rows=20
        )
        return f"<p>{self}</p>\n{table}"


def speaker_confounding(
    y: npt.ArrayLike, speakers: npt.ArrayLike
) -> SpeakerConfounding:
    """Measure how far the speakers alone determine the emotions of a corpus.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Emotions.

    speakers : array-like of shape (n_samples,)
        Speaker of each row.

    Returns
    -------
    confounding : SpeakerConfounding
        Adjusted mutual information, share of the speakers with one emotion, and a
        table of the speakers.

    Raises
    ------
    ValueError
        If an array is empty, has the wrong length, or lacks a label.

    See Also
    --------
    advser.plots.ConfoundingDisplay : Draws the shares of emotions.

    Notes
    -----
    The mutual information is adjusted as in Vinh, Epps and Bailey (2010), Journal of
    Machine Learning Research 11: less its expected value if the emotions were assigned
    to the utterances at random. This matters because a speaker with two utterances
    often has one emotion by chance. It is divided by the smaller entropy, so that
    the value is 1 if the speaker determines the emotion, for any number of speakers.

    Examples
    --------
    >>> from advser.speakers import speaker_confounding
    >>> y = ["anger", "anger", "joy", "joy", "joy", "anger", "joy", "anger"]
    >>> alone = speaker_confounding(y, ["a", "a", "b", "b", "b", "c", "d", "c"])
    >>> print(alone)
    4 of 4 speakers have one emotion only; adjusted mutual information 1.00
    >>> mixed = speaker_confounding(y, ["a", "b", "a", "b", "a", "a", "b", "b"])
    >>> mixed.adjusted_mutual_information < 0.1, mixed.single_emotion_share
    (True, 0.0)
    """
    n_rows = count_rows(y, "y")
    if not n_rows:
        raise ValueError("`y` is empty; pass the emotion of one utterance at least.")
    y = check_labels(y, "y", n_rows)
    speakers = check_labels(speakers, "speakers", n_rows, rows_of="y")
    counts = pd.crosstab(y, speakers, rownames=["emotion"], colnames=["speaker"])
    counts = counts.reindex(columns=pd.unique(speakers))  # which may be booleans
    n_samples, n_emotions = counts.sum(), (counts > 0).sum()
    by_speaker = pd.DataFrame(
        {
            "n_samples": n_samples,
            "n_emotions": n_emotions,
            "emotion": counts.idxmax(),
            "share": counts.max() / n_samples,
        }
    ).reset_index()
    return SpeakerConfounding(
        adjusted_mutual_information=_adjusted_mutual_information(y, speakers),
        single_emotion_share=float((n_emotions == 1).mean()),
        by_speaker=by_speaker,
        counts=counts,
    )


def strong_confounding(emotion, speaker):
    """Return the confounding if the speakers determine most of the emotion, or None.

    Parameters
    ----------
    emotion, speaker : ndarray of shape (n_samples,)
        Codes. Rows in which one is -1, unknown, are left out.
    """
    known = np.minimum(emotion, speaker) >= 0
    emotion, speaker = emotion[known], speaker[known]
    # The bound costs less than the adjusted value, and is enough for most corpora.
    if _upper_bound(emotion, speaker) <= CONFOUNDED:
        return None
    found = speaker_confounding(emotion, speaker)
    return found if found.adjusted_mutual_information > CONFOUNDED else None


def warn_if_confounded(emotion, speaker, *, setting, remedy, stacklevel):
    """Warn where a loss that removes the speaker removes the emotion, too.

    Parameters
    ----------
    emotion, speaker : ndarray of shape (n_samples,)
        Codes, as in `strong_confounding`.

    setting : str
        The parameter that turns this loss on, for the text.

    remedy : str
        What to do instead, for the text.

    stacklevel : int
        Of the warning, seen from the caller.
    """
    found = strong_confounding(emotion, speaker)
    if found is not None:
        warn(
            f"`{setting}` removes the speaker, who determines the emotion: "
            f"{found}. The network cannot remove one and keep the other. {remedy}",
            ConfoundedSpeakersWarning,
            stacklevel=stacklevel + 1,
        )


def _upper_bound(emotion, speaker):
    """Return the unadjusted mutual information as a share of the smaller entropy."""
    if not len(emotion):
        return 0.0
    cells = emotion * (speaker.max() + 1) + speaker
    of_both, of_emotion, of_speaker = (
        entropy(np.bincount(codes)) for codes in (cells, emotion, speaker)
    )
    smaller = min(of_emotion, of_speaker)
    return (of_emotion + of_speaker - of_both) / smaller if smaller else 1.0


def _adjusted_mutual_information(emotion, speaker):
    codes = pd.factorize(emotion)[0], pd.factorize(speaker)[0]
    if max(code.max() for code in codes) + 1 == len(emotion):
        return 0.0  # one row each: all that they share is expected by chance
    return float(adjusted_mutual_info_score(*codes, average_method="min"))
