"""Figures of a comparison across corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from .._validation._parameters import check_parameter
from ..evaluation import CrossCorpusComparison
from ..evaluation._arguments import check_choices
from ._base import RED, new_panels, plain, require_matplotlib, text_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

DOMAIN = {
    "": "",
    "speaker": "domain: speaker",
    "corpus": "domain: corpus",
    "both": "domain: speaker and corpus",
}
NARROWEST, WIDEST = 5.6, 9  # inches: the label below, and panels beside each other


@dataclass(eq=False, repr=False)
class CrossCorpusDisplay:
    """Recall of estimators trained on one corpus and tested on another, as matrices.

    There is a panel for each estimator and way of training, and a cell for each pair of
    corpora. A cell has the recall, a mean over seeds, and its interval over the
    speakers of the test corpus. Framed cells are within one corpus. A coloured title
    marks panels that use data of the test corpus, and names these data. Use
    :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        Result of :meth:`CrossCorpusComparison.summary()
        <advser.evaluation.CrossCorpusComparison.summary>`.

    confidence_level : float
        That of the intervals.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser import datasets, evaluation, plots
    >>> frame = datasets.load_emodb(as_frame=True).frame
    >>> corpora = dict(iter(frame.groupby("gender")))
    >>> found = evaluation.cross_corpus(corpora, {"Bayes": GaussianNB()})
    >>> display = plots.CrossCorpusDisplay.from_comparison(found)
    """

    summary: pd.DataFrame
    confidence_level: float

    @classmethod
    def from_comparison(
        cls,
        comparison: CrossCorpusComparison,
        *,
        estimators: Sequence[str] | None = None,
        confidence_level: float = 0.95,
        figure: Figure | SubFigure | None = None,
    ) -> Self:
        """Draw the unweighted average recall of every way of training.

        Parameters
        ----------
        comparison : CrossCorpusComparison
            Result of :func:`advser.evaluation.cross_corpus`.

        estimators : sequence of str, default=None
            Names of those to draw. None for all.

        confidence_level : float, default=0.95
            Probability that an interval covers the recall on other speakers of the
            test corpus.

        figure : matplotlib Figure or SubFigure, default: a new figure
            An empty figure to draw on.

        Returns
        -------
        display : CrossCorpusDisplay

        Raises
        ------
        ValueError
            If the comparison has no results of an estimator.
        """
        check_parameter(comparison, "comparison", CrossCorpusComparison)
        summary = comparison.summary(confidence_level)
        names = summary.index.get_level_values("estimator")
        if estimators is not None:
            drawn = check_choices(estimators, "estimators", names.unique())
            summary = summary[names.isin(drawn)]
        return cls(summary, confidence_level).plot(figure)

    def plot(self, figure: Figure | SubFigure | None = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default: a new figure
            An empty figure to draw on.

        Returns
        -------
        display : CrossCorpusDisplay
            This display. Its `axes_` are the axes and its `figure_` is the figure.
        """
        require_matplotlib("CrossCorpusDisplay")
        found = self.summary.reset_index()
        columns = list(found["test"].unique())
        rows = list(dict.fromkeys([*columns, *found["train"]]))
        panels = self._panels(found)
        width, height = 1.0 + 1.05 * len(columns), 1.1 + 0.75 * len(rows)  # of a panel
        n_columns = min(len(panels), max(1, int(WIDEST / width)))
        margin = max(0.6, NARROWEST - width * n_columns)
        size = width, height, margin, 0.8
        figure, self.axes_ = new_panels(figure, len(panels), n_columns, size)
        row_names, column_names = (
            [plain(fill(str(name), 12)) for name in names] for names in (rows, columns)
        )
        for number, (ax, (title, table)) in enumerate(zip(self.axes_, panels)):
            draw_matrix(ax, table, rows, columns, found["chance"].min())
            color = RED if table["transductive"].any() else text_color()
            ax.set_title(plain(title), fontsize="small", color=color)
            is_first = number % n_columns == 0
            ax.set_yticks(range(len(rows)), row_names if is_first else [])
            is_last = number + n_columns >= len(panels)
            ax.set_xticks(range(len(columns)), column_names if is_last else [])
        figure.supylabel("Training corpus", fontsize="medium")
        figure.supxlabel(
            "Test corpus\n(unweighted average recall (UAR), and "
            f"{100 * self.confidence_level:g}% interval over speakers;\n"
            "framed: within the corpus, on speakers left out)",
            fontsize="medium",
        )
        self.figure_ = figure
        return self

    def _panels(self, found):
        """Return title and rows of each way of training that crosses corpora."""
        panels = []
        way = ["estimator", "domain", "unlabeled"]
        for (estimator, domain, unlabeled), table in found.groupby(way, sort=False):
            across = table[table["train"] != table["test"]]
            if across.empty:
                continue
            lines = [fill(str(estimator), 36), DOMAIN[domain]]
            target = across["target"].iloc[0]
            if target != "nothing":
                how = "transductive training" if unlabeled else "transductive"
                lines.append(fill(f"{how}: {target}", 36))
            panels.append(("\n".join(filter(None, lines)), table))
        return panels


def draw_matrix(ax, table, rows, columns, lowest):
    """Draw a cell for each pair, darker for a higher recall."""
    from matplotlib.patches import Rectangle

    centred = {"ha": "center", "va": "center"}
    values = np.full((len(rows), len(columns)), np.nan)
    for cell in table.itertuples():
        i, j = rows.index(cell.train), columns.index(cell.test)
        values[i, j] = cell.uar
        color = "white" if cell.uar > lowest + 0.68 * (1 - lowest) else "black"
        ax.text(j, i - 0.12, f"{cell.uar:.2f}", color=color, **centred)
        if not np.isnan(cell.uar_low):
            interval = f"{cell.uar_low:.2f} – {cell.uar_high:.2f}"
            ax.text(j, i + 0.22, interval, color=color, fontsize="x-small", **centred)
        if cell.train == cell.test:
            frame = {"fill": False, "edgecolor": "black", "linewidth": 1.5}
            ax.add_patch(Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, **frame))
    ax.imshow(values, cmap="Blues", vmin=lowest, vmax=1, aspect="auto")
    for i, j in zip(*np.nonzero(np.isnan(values))):
        ax.text(j, i, "–", color="0.5", **centred)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
