"""Figures of the scores of several estimators and of their differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from ..evaluation import Comparison
from ._base import (
    GREY,
    MEASURES,
    Display,
    OptionalAxes,
    knowledge_handles,
    label_blocks,
    mark_style,
)

__all__ = ["ComparisonDisplay", "DifferenceDisplay", "IntervalDisplay", "by_row"]


@dataclass(eq=False, repr=False)
class ComparisonDisplay(Display):
    """Score of several estimators, with its spread over seeds and over speakers.

    A large mark is the mean over seeds of the score pooled over folds, its bar one
    standard deviation; each small stroke is a test speaker.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per estimator and seed: `estimator`, `row`, `kind`, and the score.

    speakers : DataFrame of shape (n_speakers, n_estimators)
        Score of each test speaker.

    measure : {"uar", "ccc"}, default="uar"
        The score, and its column: recall of emotions or concordance of ratings.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser import datasets, evaluation, plots
    >>> emodb = datasets.load_emodb(return_X_y_speakers=True)
    >>> comparison = evaluation.compare({"Bayes": GaussianNB()}, *emodb, probes=())
    >>> display = plots.ComparisonDisplay.from_comparison(comparison)
    >>> display.figure_.savefig("uar.png")  # doctest: +SKIP
    """

    results: pd.DataFrame
    speakers: pd.DataFrame
    measure: str = "uar"

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        rows: Mapping[str, str] | None = None,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the score of each estimator.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        rows : dict of str to str, default=None
            Name of the row of each estimator, if several share one, such as a
            classifier with and without a normalisation. By default each has its own.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : ComparisonDisplay
        """
        results = by_row(comparison, rows)
        return cls(results, comparison.by_speaker(), comparison.measure).plot(ax)

    def _draw(self, ax):
        rows = self.results[["kind", "row"]].drop_duplicates()
        heights = dict(
            zip(
                rows.itertuples(index=False, name=None),
                label_blocks(ax, list(rows["kind"]), list(rows["row"])),
            )
        )
        groups = self.results.groupby(["kind", "row", "estimator"], sort=False)
        for (kind, row, estimator), seeds in groups:
            height = heights[kind, row]
            style = mark_style(kind)
            stroke = {**style, "marker": "|", "markersize": 8, "markeredgewidth": 1}
            of_each = np.full(len(self.speakers), height)
            ax.plot(self.speakers[estimator], of_each, **stroke, alpha=0.5, zorder=1)
            ax.errorbar(
                seeds[self.measure].mean(),
                height,
                xerr=seeds[self.measure].std() if len(seeds) > 1 else None,
                **style,
                capsize=3.5,
                zorder=3,
            )
        several = groups.size().max() > 1
        note = "\n(mean ± standard deviation over seeds)" if several else ""
        ax.set_xlabel(MEASURES[self.measure] + note)
        handles = knowledge_handles(ax, self.results["kind"])
        label = "a single test speaker"
        handles += ax.plot([], [], "|", color=GREY, markersize=8, label=label)
        ax.figure.legend(handles=handles, loc="outside upper left", frameon=False)


@dataclass(eq=False, repr=False)
class IntervalDisplay(Display):
    """Score of several estimators, with its confidence interval over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        One row per estimator: `kind`, `uar`, `uar_low`, `uar_high`, or those of
        another measure.

    confidence_level : float
        That of the intervals.

    measure : {"uar", "ccc"}, default="uar"
        The score: recall of emotions or concordance of ratings.

    See Also
    --------
    ComparisonDisplay : The spread over seeds and speakers, with an example of the use.
    """

    summary: pd.DataFrame
    confidence_level: float
    measure: str = "uar"

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        confidence_level: float = 0.95,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the score of each estimator that has finished.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        confidence_level : float, default=0.95
            Probability that an interval covers the score on other speakers.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : IntervalDisplay
        """
        measure = comparison.measure
        summary = comparison.summary(confidence_level).dropna(subset=measure)
        return cls(summary, confidence_level, measure).plot(ax)

    def _draw(self, ax):
        ends = {f"{self.measure}_{end}": end for end in ("low", "high")}
        table = self.summary.rename(columns=ends)
        draw_intervals(ax, table, self.measure, list(table.index))
        level = f"{self.confidence_level:.0%} interval over speakers"
        ax.set_xlabel(f"{MEASURES[self.measure]}\n({level})")


@dataclass(eq=False, repr=False)
class DifferenceDisplay(Display):
    """Differences between pairs of estimators, with their intervals over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    differences : DataFrame
        Result of :meth:`Comparison.pairwise() <advser.evaluation.Comparison.pairwise>`.

    confidence_level : float
        That of the intervals.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser import datasets, evaluation, plots
    >>> models = {"Bayes": GaussianNB(), "one": DummyClassifier(random_state=0)}
    >>> emodb = datasets.load_emodb(return_X_y_speakers=True)
    >>> comparison = evaluation.compare(models, *emodb, probes=())
    >>> display = plots.DifferenceDisplay.from_comparison(comparison)
    """

    differences: pd.DataFrame
    confidence_level: float

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        baseline: str | Sequence[str] | None = None,
        confidence_level: float = 0.95,
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the differences between all pairs, or those to a baseline.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        baseline : str or sequence of str, default=None
            Estimators to compare the others with; None for all pairs.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : DifferenceDisplay
        """
        table = comparison.pairwise(baseline, confidence_level=confidence_level)
        return cls(table, confidence_level).plot(ax)

    def _draw(self, ax):
        table = self.differences
        names = [
            f"{row.estimator} − {row.other} (p = {row.p_holm:.3f})"
            for row in table.itertuples()
        ]
        is_recall = "points" in table
        draw_intervals(ax, table, "points" if is_recall else "difference", names)
        ax.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
        of = (
            "unweighted average recall (UAR), percentage points"
            if is_recall
            else "concordance correlation coefficient (CCC)"
        )
        ax.set_xlabel(
            f"Difference in {of}\n"
            f"({self.confidence_level:.0%} interval over speakers; p corrected by Holm)"
        )


def by_row(comparison, rows):
    """Return the results of each seed, with the row that its estimator belongs to."""
    table = comparison.by_seed().reset_index()
    table["kind"] = table["estimator"].map(comparison.kinds())
    table["row"] = [(rows or {}).get(name, name) for name in table["estimator"]]
    return table


def draw_intervals(ax, table, column, names):
    """Draw a value and its interval for each row, in a block for each kind of score."""
    heights = label_blocks(ax, list(table["kind"]), names)
    for height, row in zip(heights, table.to_dict("records")):
        style = mark_style(row["kind"])
        ends = [row["low"], row["high"]]
        ax.plot(ends, [height] * 2, color=style["color"], linewidth=1.5)
        ax.plot(row[column], height, **style)
    handles = knowledge_handles(ax, table["kind"])
    ax.figure.legend(handles=handles, loc="outside upper left", frameon=False)
