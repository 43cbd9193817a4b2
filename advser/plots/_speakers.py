"""Figures of speakers: their recall, their emotions and their enrolment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from .._validation._arrays import check_labels
from .._validation._parameters import check_table
from ..evaluation import enrollment_curve
from ..metrics import speaker_uar
from ..speakers import SpeakerConfounding, speaker_confounding
from ..speakers._knowledge import predict_by_speaker
from ._base import (
    BLUE,
    GREY,
    MEASURES,
    WIDTH,
    Display,
    OptionalAxes,
    add_grid,
    by_name,
    height_below,
    height_of,
    label_rows,
    legend_above,
    mark_style,
    plain,
    readable,
    small_if_many,
    styles_by_method,
    text_color,
    wrapped,
)


@dataclass(eq=False, repr=False)
class SpeakerRecallDisplay(Display):
    """Recall of each speaker, the lowest at the bottom.

    Use :meth:`from_predictions` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    recall : Series of shape (n_speakers,)
        Unweighted average recall of each speaker.

    n_samples : Series of shape (n_speakers,)
        Number of their utterances.

    Examples
    --------
    >>> from advser.plots import SpeakerRecallDisplay
    >>> display = SpeakerRecallDisplay.from_predictions(
    ...     ["joy", "joy", "fear", "joy"],
    ...     ["joy", "fear", "fear", "joy"],
    ...     ["ann", "ann", "ann", "bob"],
    ... )
    >>> display.recall.to_dict()
    {'ann': 0.75, 'bob': 1.0}
    """

    recall: pd.Series
    n_samples: pd.Series

    @classmethod
    def from_predictions(
        cls,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        speakers: npt.ArrayLike,
        *,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the recall of predictions.

        Parameters
        ----------
        y_true, y_pred, speakers : array-like of shape (n_samples,)
            True emotion, predicted emotion and speaker of each row.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : SpeakerRecallDisplay
        """
        recall = speaker_uar(y_true, y_pred, speakers=speakers)
        n_rows = np.shape(y_true)[0]
        speakers = check_labels(speakers, "speakers", n_rows, rows_of="y_true")
        n_samples = pd.Series(speakers).value_counts().reindex(recall.index)
        return cls(recall, n_samples).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike,
        *,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the recall of a fitted classifier, preferably on unseen speakers.

        Parameters
        ----------
        estimator : classifier
            Fitted.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            True emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row, passed on to the estimator if it requests them.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : SpeakerRecallDisplay
        """
        y_pred = predict_by_speaker(estimator, X, speakers)
        return cls.from_predictions(y, y_pred, speakers, ax=ax)

    def _size(self):
        return WIDTH, min(20.0, height_of(self.recall.index, least=3.0))

    def _draw(self, ax):
        recall = self.recall.sort_values(kind="stable")
        line = {"color": text_color(), "alpha": 0.15, "linewidth": 1}
        ax.hlines(range(len(recall)), 0, recall, **line)
        ax.plot(recall, range(len(recall)), "o", color=BLUE, markersize=6)
        ax.axvline(recall.mean(), color=GREY, linestyle="--", linewidth=1)
        counts = self.n_samples.reindex(recall.index)  # a name may be a boolean
        names = [f"{name} ({count})" for name, count in counts.items()]
        label_rows(ax, names, shown=readable(len(names)))
        ax.invert_yaxis()
        ax.set(xlim=(0, 1.02), ylabel="Speaker (number of utterances)")
        mean = f"(dashed: mean over speakers, {recall.mean():.2f})"
        ax.set_xlabel(f"{MEASURES['uar']}\n{mean}")


@dataclass(eq=False, repr=False)
class ConfoundingDisplay(Display):
    """Share of each emotion in the utterances of each speaker.

    Each column is a speaker. The speakers are sorted by their most frequent emotion: if
    speakers and emotions are confounded, the dark cells of each emotion are next to
    each other; otherwise each row has one colour. Use :meth:`from_labels` to make one.

    Parameters
    ----------
    confounding : SpeakerConfounding
        Result of :func:`advser.speakers.speaker_confounding`.

    Examples
    --------
    >>> from advser import datasets, plots
    >>> _, y, speakers = datasets.load_emodb(return_X_y_speakers=True)
    >>> display = plots.ConfoundingDisplay.from_labels(y, speakers)
    """

    confounding: SpeakerConfounding

    @classmethod
    def from_labels(
        cls, y: npt.ArrayLike, speakers: npt.ArrayLike, *, ax: OptionalAxes = None
    ) -> Self:
        """Count the emotions of each speaker and draw their shares.

        Parameters
        ----------
        y, speakers : array-like of shape (n_samples,)
            Emotion and speaker of each row.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : ConfoundingDisplay

        Raises
        ------
        ValueError
            If an array is empty, has the wrong length, or lacks a label.
        """
        return cls(speaker_confounding(y, speakers)).plot(ax)

    def _size(self):
        counts = self.confounding.counts
        n_emotions, n_speakers = counts.shape
        of_names = 0.08 * max(len(str(name)) for name in counts) if self._upright else 0
        return min(12.0, 4.8 + 0.15 * n_speakers), 1.9 + 0.35 * n_emotions + of_names

    @property
    def _upright(self):
        """Whether the names of the speakers are too many or too long to lie."""
        names = self.confounding.counts.columns
        return len(names) > 12 or max(len(str(name)) for name in names) > 4

    def _draw(self, ax):
        order = self.confounding.by_speaker.sort_values(
            ["emotion", "share", "n_samples"],
            ascending=[True, False, False],
            kind="stable",
        )["speaker"]
        counts = self.confounding.counts.reindex(columns=order)
        emotions, n_speakers = counts.index, counts.shape[1]
        shares = counts / counts.sum()
        look = {"cmap": "Blues", "aspect": "auto", "interpolation": "nearest"}
        image = ax.imshow(shares, vmin=0, vmax=1, **look)
        ax.set_yticks(range(len(emotions)), [*map(plain, emotions)])
        shown = readable(n_speakers)
        ax.set_xticks(
            shown,
            [*map(plain, order.iloc[shown])],
            rotation=90 if self._upright else 0,
            fontsize=small_if_many(n_speakers),
        )
        ax.set_xticks(np.arange(n_speakers + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(len(emotions) + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=1 if n_speakers < 60 else 0)
        ax.tick_params(which="both", length=0)
        ax.spines[:].set_visible(False)
        found = str(self.confounding).replace("; ", ";\n")
        ax.set_xlabel(f"Speaker\n({plain(found)})")
        ax.figure.colorbar(image, ax=ax, label="Share of the\nspeaker's utterances")


@dataclass(eq=False, repr=False)
class EnrollmentDisplay(Display):
    """Recall on new speakers by the number of their utterances enrolled.

    A mark is the mean over draws, its bar one standard deviation. A hollow mark is
    transductive: the enrolled utterances are scored, too. If not all speakers have so
    many utterances, the number of speakers that are scored is given below. Use
    :meth:`from_curves` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Tables of :func:`advser.evaluation.enrollment_curve`, by name.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler, datasets, plots
    >>> model = make_pipeline(SpeakerScaler(), GaussianNB())
    >>> emodb = datasets.load_emodb(return_X_y_speakers=True)
    >>> display = plots.EnrollmentDisplay.from_estimator(model, *emodb, k=[0, 5, "all"])
    """

    curves: Mapping[str, pd.DataFrame]

    @classmethod
    def from_curves(
        cls,
        curves: pd.DataFrame | Mapping[str, pd.DataFrame],
        *,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw curves that have been computed.

        Parameters
        ----------
        curves : DataFrame or dict of str to DataFrame
            Table of :func:`advser.evaluation.enrollment_curve`, or several by name.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : EnrollmentDisplay
        """
        curves = by_name(curves, "curves")
        columns = ["k", "transductive", "n_speakers", "uar"]
        for curve in curves.values():
            check_table(curve, columns, "curves", n_rows=1)
        return cls(curves).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator | Mapping[str, BaseEstimator],
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike,
        *,
        ax: OptionalAxes = None,
        **options: Any,
    ) -> Self:
        """Compute a curve, or several, and draw them on the same axes.

        Parameters
        ----------
        estimator : Pipeline, search over one, or dict of str to these
            Several are given by name, and enrol the same utterances.

        X : array-like of shape (n_samples, n_features)
            Features.

        y, speakers : array-like of shape (n_samples,)
            Emotion and speaker of each row.

        ax : matplotlib Axes, default: those of a new figure

        **options : object
            Passed on to :func:`advser.evaluation.enrollment_curve`: `k`, `neutral`,
            `repeats`, `random_state`, `n_jobs`.

        Returns
        -------
        display : EnrollmentDisplay
        """
        curves = {
            name: enrollment_curve(one, X, y, speakers, **options)
            for name, one in by_name(estimator, "estimator").items()
        }
        return cls(curves).plot(ax)

    def _draw(self, ax):
        # A file with an "all" has the numbers as texts.
        curves = {n: c.assign(k=c["k"].astype(str)) for n, c in self.curves.items()}
        numbers = pd.unique(np.concatenate([c["k"] for c in curves.values()]))
        numbers = sorted(numbers, key=lambda k: np.inf if k == "all" else int(k))
        step = min(0.12, 0.7 / len(self.curves))  # between bars beside each other
        transductive = False
        for i, (name, style) in enumerate(styles_by_method(self.curves).items()):
            groups = curves[name].groupby("k", sort=False)
            table = groups["uar"].agg(["mean", "std"]).fillna(0)
            side = step * (i - (len(self.curves) - 1) / 2)
            table["place"] = [numbers.index(k) + side for k in table.index]
            hollow = table[groups["transductive"].any()]
            table = table.sort_values("place")
            ax.errorbar(
                table["place"].to_numpy(float),
                table["mean"].to_numpy(float),
                yerr=table["std"],
                **style,
                label=wrapped(name),
                capsize=3,
                markersize=7,
                elinewidth=1,
            )
            marks = mark_style("transductive", **style)
            ax.plot(hollow["place"], hollow["mean"], **marks, zorder=4)
            transductive |= len(hollow) > 0
        handles, _ = ax.get_legend_handles_labels()
        if transductive:
            marks = mark_style("transductive", color=GREY, marker="o")
            label = "transductive: enrolled and scored"
            handles += ax.plot([], [], **marks, label=label)
        fewest = pd.concat(curves.values()).groupby("k")["n_speakers"].min()[numbers]
        notes = "bars: standard deviation over draws"
        if fewest.nunique() > 1:  # not every speaker has so many utterances
            numbers = [f"{k}\n({n})" for k, n in fewest.items()]
            notes = f"in brackets: speakers scored; {notes}"
        ax.set_xticks(range(len(numbers)), numbers)
        ax.set_xlabel(f"Utterances enrolled of each new speaker\n({notes})")
        ax.set_ylabel(MEASURES["uar"])
        add_grid(ax, "y")
        if handles:
            legend_above(ax, handles, n_columns=2 if len(self.curves) > 1 else 1)

    def _size(self):
        return WIDTH, height_below(self.curves)
