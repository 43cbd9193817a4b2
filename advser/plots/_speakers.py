"""Figures of speakers: what they are confounded with, and what enrolment is worth."""

import numpy as np
import pandas as pd

from ..evaluation._enrolment import enrollment_curve
from ..speakers._confounding import speaker_confounding
from ._style import GREY, MOST_TICKS, despine, styles, subplots

__all__ = ["ConfoundingDisplay", "EnrollmentDisplay"]


class ConfoundingDisplay:
    """Which emotions each speaker has, and so whether the speaker tells the emotion.

    Use :meth:`from_labels` to make one.

    Parameters
    ----------
    confounding : SpeakerConfounding
        What :func:`advser.speakers.speaker_confounding` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser.datasets import load_emodb
    >>> from advser.plots import ConfoundingDisplay
    >>> _, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ax = Figure().add_subplot()
    >>> display = ConfoundingDisplay.from_labels(y, speakers, ax=ax)
    >>> display.figure_.savefig("confounding.png")  # doctest: +SKIP
    """

    def __init__(self, confounding):
        self.confounding = confounding

    @classmethod
    def from_labels(cls, y, speakers, *, ax=None):
        """Count the emotions of each speaker and draw their shares.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ConfoundingDisplay

        Raises
        ------
        ValueError
            If an array is empty, has the wrong length, or lacks a label.
        """
        return cls(speaker_confounding(y, speakers)).plot(ax)

    def plot(self, ax=None):
        """Draw it: a column per speaker, dark where all their speech is.

        The speakers are sorted by their most frequent emotion, so that a corpus whose
        speakers tell the emotion shows as stairs, and one whose speakers do not as
        bars of one colour.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ConfoundingDisplay
        """
        by = ["emotion", "share", "n_samples"]
        order = self.confounding.by_speaker.sort_values(
            by, ascending=[True, False, False], kind="stable"
        )["speaker"]
        counts = self.confounding.counts[order]
        emotions, n_speakers = counts.index, counts.shape[1]
        if ax is None:
            width = min(12.0, 3.4 + 0.24 * n_speakers)
            ax = subplots(
                "ConfoundingDisplay", size=(width, 1.9 + 0.35 * len(emotions))
            )
        image = ax.imshow(
            counts / counts.sum(),
            vmin=0,
            vmax=1,
            cmap="Blues",
            aspect="auto",
            interpolation="nearest",
        )
        ax.set_yticks(range(len(emotions)), emotions)
        step = -(-n_speakers // MOST_TICKS)  # names that would overlap are left out
        shown = range(0, n_speakers, step)
        upright = n_speakers > 12 or max(len(str(name)) for name in order) > 4
        ax.set_xticks(
            shown,
            order.iloc[shown],
            rotation=90 if upright else 0,
            fontsize=8 if n_speakers > 20 else None,
        )
        ax.set_xticks(np.arange(n_speakers + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(len(emotions) + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=1 if n_speakers < 60 else 0)
        ax.tick_params(which="both", length=0)
        ax.spines[:].set_visible(False)
        found = str(self.confounding).replace("; ", ";\n")
        ax.set_xlabel(f"Speaker\n({found})")
        ax.figure.colorbar(image, ax=ax, label="Share of the\nspeaker's speech")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class EnrollmentDisplay:
    """Recall on new speakers by the number of their utterances enrolled.

    Use :meth:`from_curves` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Tables of :func:`advser.evaluation.enrollment_curve`, by name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.plots import EnrollmentDisplay
    >>> model = make_pipeline(SpeakerScaler(), GaussianNB())
    >>> display = EnrollmentDisplay.from_estimator(
    ...     model,
    ...     *load_emodb(return_X_y_speakers=True),
    ...     k=[0, 5, "all"],
    ...     ax=Figure().add_subplot(),
    ... )
    >>> display.figure_.savefig("enrolment.png")  # doctest: +SKIP
    """

    def __init__(self, curves):
        self.curves = curves

    @classmethod
    def from_curves(cls, curves, *, ax=None):
        """Draw curves that have been computed.

        Parameters
        ----------
        curves : DataFrame or dict of str to DataFrame
            Table of :func:`advser.evaluation.enrollment_curve`, or several by name.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : EnrollmentDisplay
        """
        curves = curves if isinstance(curves, dict) else {"": curves}
        return cls(curves).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        speakers,
        *,
        k=(0, 1, 2, 5, 10, 20, "all"),
        neutral=False,
        repeats=5,
        random_state=0,
        n_jobs=None,
        ax=None,
    ):
        """Compute a curve, or several, and draw them on the same axes.

        Parameters
        ----------
        estimator : Pipeline, search over one, or dict of str to these
            As in :func:`advser.evaluation.enrollment_curve`, like all that follows.
            Several are given by name, and have the same draws.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        k : sequence of int or "all", default=(0, 1, 2, 5, 10, 20, "all")
            Numbers of utterances to enroll.

        neutral : bool, default=False
            Whether they are neutral ones, and told to be.

        repeats : int, default=5
            Number of random draws.

        random_state : int, default=0
            Seed of the draws and of the estimator.

        n_jobs : int, default=None
            Number of processes.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : EnrollmentDisplay
        """
        estimators = estimator if isinstance(estimator, dict) else {"": estimator}
        curves = {
            name: enrollment_curve(
                one,
                X,
                y,
                speakers,
                k=k,
                neutral=neutral,
                repeats=repeats,
                random_state=random_state,
                n_jobs=n_jobs,
            )
            for name, one in estimators.items()
        }
        return cls.from_curves(curves, ax=ax)

    def plot(self, ax=None):
        """Draw it: the mean over draws, bars of one standard deviation.

        A hollow mark is transductive: the rows that are scored were used.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : EnrollmentDisplay
        """
        ax = subplots("EnrollmentDisplay") if ax is None else ax
        numbers = pd.unique(np.concatenate([c["k"] for c in self.curves.values()]))
        numbers = sorted(numbers, key=lambda k: np.inf if k == "all" else int(k))
        n_curves = len(self.curves)
        transductive = False
        for i, (name, style) in enumerate(styles(self.curves).items()):
            groups = self.curves[name].groupby("k", sort=False)
            table = groups["uar"].agg(["mean", "std"]).fillna(0)
            table["transductive"] = groups["transductive"].any()
            table["place"] = [numbers.index(k) for k in table.index]
            table["place"] += 0.12 * (i - (n_curves - 1) / 2)  # bars side by side
            table = table.sort_values("place")
            ax.errorbar(
                table["place"].to_numpy(float),
                table["mean"].to_numpy(float),
                yerr=table["std"],
                **style,
                label=name or "mean ± standard deviation over draws",
                capsize=3,
                markersize=7,
                elinewidth=1,
            )
            hollow = table[table["transductive"]]
            ax.plot(
                hollow["place"],
                hollow["mean"],
                linestyle="none",
                **style,
                markerfacecolor="white",
                markersize=7,
                markeredgewidth=1.5,
                zorder=4,
            )
            transductive |= len(hollow) > 0
        if transductive:
            ax.plot(
                [],
                [],
                linestyle="none",
                marker="o",
                color=GREY,
                markerfacecolor="white",
                label="transductive: enrolled and scored",
            )
        ax.set_xticks(range(len(numbers)), numbers)
        ax.set_xlabel("Utterances enrolled of each new speaker")
        ax.set_ylabel("Unweighted average recall")
        ax.grid(axis="y", color="0.9")
        ax.set_axisbelow(True)
        despine(ax)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
