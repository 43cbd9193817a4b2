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
    """Adaptation to new speakers would reduce the recall, so the fit leaves it out.

    From `SpeakerScaler`. Speakers may differ in their mix of emotions; set `balance` to
    True or False to adapt nevertheless.
    """


class ConfoundedSpeakersWarning(UserWarning):
    """The speaker predicts the emotion, so removing the speaker removes both.

    From the `fit` of methods that remove the speaker. Use a conditional objective, or
    no adversary.
    """


class CollapseWarning(UserWarning):
    """Adversarial training collapsed; do not trust the result.

    From `fit`: the embeddings of all rows are equal, or the discriminator of an
    autoencoder always recognises its codes. The text has the remedy.
    """


class CorpusWarning(UserWarning):
    """Data are incomplete: they are used as far as possible.

    From the readers of corpora, about files and labels that are left out; from `fit`,
    about classes without a training row and batches with few ratings; from
    `cross_corpus`, about corpora that share too few emotions. The text has the remedy.
    """


class NoNeutralWarning(UserWarning):
    """All or some speakers have no neutral speech and are not calibrated.

    From `SiameseSER`. Set `neutral` to the label of neutral speech.
    """


class NoSpeakersWarning(UserWarning):
    """No speakers are given, so that a fit or a transformation does not use them.

    Pass `speakers` or `groups`, one label for each row. In a pipeline, see
    :doc:`/guide/routing`.
    """


class NotStackedWarning(UserWarning):
    """Networks are trained one by one instead of as one batch.

    From stacked searches. The result is the same, and takes longer.
    """


class UnknownSpeakerWarning(UserWarning):
    """An unknown speaker has nearly the name of a known one, as 3 and "03".

    From `SpeakerScaler`. Write the names of speakers in the same way everywhere.
    """
