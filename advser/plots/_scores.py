"""Figures of the scores of several estimators and of their differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from .._validation._parameters import check_parameter
from ..evaluation import Comparison
from ._base import (
    GREY,
    MEASURES,
    WIDTH,
    Display,
    OptionalAxes,
    height_of,
    knowledge_handles,
    label_blocks,
    legend_above,
    looks,
    mark_style,
    p_text,
    style_of,
    text_color,
)


@dataclass(eq=False, repr=False)
class ComparisonDisplay(Display):
    """Score of several estimators, with its spread over seeds and over speakers.

    A large mark is the mean over seeds of the score pooled over folds, its bar one
    standard deviation; each small stroke is a test speaker.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        Indexed by estimator, with a row for each seed: the score, and `kind`, `label`
        and `number`, which give the row, the colour and the marker.

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
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the score of each estimator.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : ComparisonDisplay
        """
        check_parameter(comparison, "comparison", Comparison)
        results = with_looks(comparison.by_seed().reset_index("seed"), comparison)
        return cls(results, comparison.by_speaker(), comparison.measure).plot(ax)

    def _size(self):
        rows = self.results.groupby(level="estimator").first()
        return WIDTH, height_of(rows["label"], rows["kind"])

    def _draw(self, ax):
        seeds = self.results.groupby(level="estimator", sort=False)
        rows = seeds.first()
        heights = label_blocks(ax, list(rows["kind"]), list(rows["label"]))
        for height, (name, row) in zip(heights, rows.iterrows()):
            knowledge, _, _ = row["kind"].partition(",")
            style = mark_style(knowledge, **style_of(row["number"]))
            stroke = {**style, "marker": "|", "markersize": 8, "markeredgewidth": 1}
            of_each = np.full(len(self.speakers), height)
            ax.plot(self.speakers[name], of_each, **stroke, alpha=0.6, zorder=1)
            scores = seeds.get_group(name)[self.measure]
            ax.errorbar(
                scores.mean(),
                height,
                xerr=scores.std() if len(scores) > 1 else None,
                **style,
                capsize=3.5,
                zorder=3,
            )
        several = seeds.size().max() > 1
        note = "\n(mean ± standard deviation over seeds)" if several else ""
        ax.set_xlabel(MEASURES[self.measure] + note)
        handles = knowledge_handles(ax, self.results["kind"])
        label = "a single test speaker"
        handles += ax.plot([], [], "|", color=GREY, markersize=8, label=label)
        legend_above(ax, handles)


@dataclass(eq=False, repr=False)
class IntervalDisplay(Display):
    """Score of several estimators, with its confidence interval over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        One row per estimator: `uar`, `uar_low`, `uar_high`, or those of another
        measure, and `kind`, `label` and `number` as in :class:`ComparisonDisplay`.

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
        check_parameter(comparison, "comparison", Comparison)
        measure = comparison.measure
        summary = comparison.summary(confidence_level).dropna(subset=measure)
        summary = with_looks(summary, comparison)
        return cls(summary, confidence_level, measure).plot(ax)

    def _size(self):
        return WIDTH, height_of(self.summary["label"], self.summary["kind"])

    def _draw(self, ax):
        ends = {f"{self.measure}_{end}": end for end in ("low", "high")}
        draw_intervals(ax, self.summary.rename(columns=ends), self.measure)
        level = f"{100 * self.confidence_level:g}% interval over speakers"
        ax.set_xlabel(f"{MEASURES[self.measure]}\n({level})")


@dataclass(eq=False, repr=False)
class DifferenceDisplay(Display):
    """Differences between pairs of estimators, with their intervals over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    differences : DataFrame
        Result of :meth:`Comparison.pairwise() <advser.evaluation.Comparison.pairwise>`,
        with a `label`, and the `number` of the colour and marker.

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
        check_parameter(comparison, "comparison", Comparison)
        table = comparison.pairwise(baseline, confidence_level=confidence_level)
        if table.empty:
            raise ValueError(
                "`comparison` has no two estimators of one kind to compare, for "
                f"`baseline={baseline!r}`; it has {list(comparison.kinds().index)}."
            )
        return cls(with_looks(table, comparison), confidence_level).plot(ax)

    def _size(self):
        return WIDTH, height_of(self.differences["label"], self.differences["kind"])

    def _draw(self, ax):
        is_recall = "points" in self.differences
        draw_intervals(ax, self.differences, "points" if is_recall else "difference")
        ax.axvline(0, color=text_color(), linestyle="--", linewidth=1, zorder=1)
        unit = "UAR, percentage points" if is_recall else "CCC"
        level = f"{100 * self.confidence_level:g}% interval over speakers"
        ax.set_xlabel(f"Difference in {unit}\n({level};\np corrected by Holm)")


def with_looks(table, comparison):
    """Return a table of estimators, or of pairs of them, with what `looks` returns."""
    found = looks(comparison.kinds())
    if "other" not in table:
        return table.drop(columns="kind", errors="ignore").join(found)
    label = found["label"]
    names = []
    for row in table.itertuples():
        first, other = label[row.estimator], f"− {label[row.other]}"
        is_short = len(first) + len(other) < 20  # the p-value has ten characters
        p_value = p_text(row.p_holm)
        p_value = f"(p {'' if '<' in p_value else '= '}{p_value})".replace(" ", "\xa0")
        names.append(f"{first}{' ' if is_short else chr(10)}{other} {p_value}")
    return table.assign(label=names, number=found["number"][table["estimator"]].array)


def draw_intervals(ax, table, column):
    """Draw a value and its interval for each row, in a block for each kind of score."""
    heights = label_blocks(ax, list(table["kind"]), list(table["label"]))
    for height, row in zip(heights, table.to_dict("records")):
        knowledge, _, _ = row["kind"].partition(",")
        style = mark_style(knowledge, **style_of(row["number"]))
        ends = [row["low"], row["high"]]
        ax.plot(ends, [height] * 2, color=style["color"], linewidth=1.5)
        ax.plot(row[column], height, **style)
    legend_above(ax, knowledge_handles(ax, table["kind"]))
