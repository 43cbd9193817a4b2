"""How well a probe recognises speakers, with the speakers as independent units."""

from dataclasses import asdict, dataclass
from html import escape
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student_t

from .._validation._arrays import check_alike, check_labels, count_rows
from .._validation._parameters import LEVEL, check_parameter
from ._arguments import check_several


@dataclass(frozen=True, eq=False)
class SpeakerLeakage:
    """How well a probe recognises the speakers, or their genders, in a representation.

    Attributes
    ----------
    probe : str
        Name of the probe.

    accuracy : float in [0, 1]
        Balanced accuracy: the mean over speakers of the share of their utterances that
        the probe assigns to them. For genders, the mean of this share over the speakers
        of each gender, and then over the genders.

    low, high : float in [0, 1]
        Confidence interval of `accuracy`, with the speakers as the independent
        units: Student's t on their recalls, with ``n_speakers - 1`` degrees of
        freedom (for genders, with those of the smaller). Utterances of one speaker do
        not count as independent.

    chance : float
        The balanced accuracy of a guess that ignores the representation:
        ``1 / n_speakers``; within emotions, the mean over speakers and their emotions
        of 1 divided by the number of speakers that the probe knows; for genders, one by
        their number.

    weighted_accuracy : float in [0, 1]
        Share of all utterances that the probe assigns to their speaker, or gender.

    majority : float
        Weighted accuracy of a constant prediction of the most frequent speaker (of an
        emotion), or gender.

    n_speakers, n_samples : int
        Number of speakers and of utterances.

    recall : Series of float in [0, 1]
        Share recognised of each speaker's utterances.
    """

    probe: str
    accuracy: float
    low: float
    high: float
    chance: float
    weighted_accuracy: float
    majority: float
    n_speakers: int
    n_samples: int
    recall: pd.Series

    def __str__(self):
        return (
            f"accuracy {self.accuracy:.2f} ({self.low:.2f} to {self.high:.2f}), chance "
            f"{self.chance:.2f}; {self.probe} probe, {self.n_speakers} speakers"
        )

    def _repr_html_(self):
        table = self.recall.to_frame("recall").to_html(
            float_format="{:.2f}".format, max_rows=20
        )
        return f"<p>{escape(str(self))}</p>\n{table}"

    @classmethod
    def from_predictions(
        cls,
        speakers: npt.ArrayLike,
        predicted: npt.ArrayLike,
        *,
        probe: str,
        within: npt.ArrayLike | None = None,
        probes: npt.ArrayLike | None = None,
        confidence_level: float = 0.95,
    ) -> Self:
        """Compute the leakage from the predictions of a probe.

        Parameters
        ----------
        speakers : array-like of shape (n_samples,)
            True speakers.

        predicted : array-like of shape (n_samples,)
            Speakers that the probe predicts.

        probe : str
            Name of the probe.

        within : array-like of shape (n_samples,), default=None
            Emotions, if a probe of its own has recognised the speakers of each. A
            speaker's recall is then the mean over the emotions.

        probes : array-like of shape (n_samples,), default=None
            Which of several probes of the same emotion has predicted a row. Each may
            have had other speakers to choose from.

        confidence_level : float, default=0.95
            Probability that the interval covers the true accuracy.

        Returns
        -------
        leakage : SpeakerLeakage
        """
        n_rows = count_rows(predicted, "predicted")
        speakers = check_labels(speakers, "speakers", n_rows, rows_of="predicted")
        predicted = check_labels(predicted, "predicted", n_rows, rows_of="predicted")
        check_alike(predicted, "predicted", speakers, "speakers")
        table = pd.DataFrame({"speaker": speakers})
        for name, values in (("within", within), ("probes", probes)):
            values = np.zeros(n_rows, dtype=int) if values is None else values
            table[name] = check_labels(values, name, n_rows, rows_of="predicted")
        table["hit"] = np.equal(speakers, predicted).astype(float)
        by_probe = table.groupby(["within", "probes"])["speaker"]
        table["chance"] = 1 / by_probe.transform("nunique")
        cells = table.groupby(["speaker", "within"])[["hit", "chance"]].mean()
        by_speaker = cells.groupby("speaker").mean()
        recall = by_speaker["hit"].rename("recall").rename_axis(None)
        n_speakers = len(recall)
        check_several(n_speakers, "a probe")
        return cls(
            probe=probe,
            **_interval(recall.mean(), recall.sem(), n_speakers - 1, confidence_level),
            chance=float(by_speaker["chance"].mean()),
            weighted_accuracy=float(table["hit"].mean()),
            majority=float(by_probe.value_counts().groupby(level=[0, 1]).max().sum())
            / n_rows,
            n_speakers=n_speakers,
            n_samples=n_rows,
            recall=recall,
        )

    def as_row(self) -> dict:
        """Return the numbers, without the recall of each speaker, as a table row.

        Returns
        -------
        row : dict
        """
        row = asdict(self)
        del row["recall"]
        return row


def leakage_of_genders(genders, predicted, speakers, *, probe, confidence_level):
    """Compute the leakage from predicted genders, with the speakers as the units."""
    table = pd.DataFrame({"gender": genders, "speaker": speakers})
    table["hit"] = np.equal(genders, predicted).astype(float)
    recall = table.groupby(["gender", "speaker"])["hit"].mean()
    by_gender = recall.groupby("gender")
    n_genders = by_gender.ngroups
    error = np.sqrt((by_gender.var() / by_gender.size()).sum()) / n_genders
    freedom = by_gender.size().min() - 1
    return SpeakerLeakage(
        probe=probe,
        **_interval(by_gender.mean().mean(), error, freedom, confidence_level),
        chance=1 / n_genders,
        weighted_accuracy=float(table["hit"].mean()),
        majority=float(table["gender"].value_counts(normalize=True).max()),
        n_speakers=len(recall),
        n_samples=len(table),
        recall=recall.droplevel("gender").rename("recall").rename_axis(None),
    )


def _interval(accuracy, standard_error, freedom, confidence_level):
    check_parameter(confidence_level, "confidence_level", LEVEL)
    margin = student_t.ppf((1 + confidence_level) / 2, freedom) * standard_error
    return {
        "accuracy": float(accuracy),
        "low": float(max(0, accuracy - margin)),
        "high": float(min(1, accuracy + margin)),
    }
