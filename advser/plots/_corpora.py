"""Figures of a comparison across corpora."""

from textwrap import fill

import numpy as np

from ._style import VERMILION, require_matplotlib

__all__ = ["CrossCorpusDisplay"]

DOMAIN = {
    "": "",
    "speaker": "domain: speaker",
    "corpus": "domain: corpus",
    "both": "domain: speaker and corpus",
}
WIDEST = 14  # inches, of panels beside each other


class CrossCorpusDisplay:
    """Recall of estimators trained on one corpus and tested on another, as matrices.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        What :meth:`CrossCorpusComparison.summary()
        <advser.evaluation.CrossCorpusComparison.summary>` returns.

    confidence_level : float
        That of the intervals.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Axes with a panel each.

    figure_ : matplotlib Figure
        Figure containing them.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import cross_corpus
    >>> from advser.plots import CrossCorpusDisplay
    >>> frame = load_emodb(as_frame=True).frame
    >>> corpora = dict(iter(frame.groupby("gender")))
    >>> found = cross_corpus(corpora, {"Bayes": GaussianNB()})
    >>> display = CrossCorpusDisplay.from_comparison(found, figure=Figure())
    >>> display.figure_.savefig("matrix.png")  # doctest: +SKIP
    """

    def __init__(self, summary, confidence_level):
        self.summary = summary
        self.confidence_level = confidence_level

    @classmethod
    def from_comparison(
        cls, comparison, *, estimators=None, confidence_level=0.95, figure=None
    ):
        """Draw the unweighted average recall of every way of training.

        Parameters
        ----------
        comparison : CrossCorpusComparison
            What :func:`advser.evaluation.cross_corpus` returns.

        estimators : sequence of str, default=None
            Names of those to draw. None for all.

        confidence_level : float, default=0.95
            Probability that an interval covers the recall on other speakers of the
            test corpus.

        figure : matplotlib Figure or SubFigure, default=None
            Empty figure to draw on. If None, a new one.

        Returns
        -------
        display : CrossCorpusDisplay

        Raises
        ------
        ValueError
            If the comparison has no results of an estimator.
        """
        summary = comparison.summary(confidence_level)
        names = summary.index.get_level_values("estimator")
        if estimators is not None:
            strange = [name for name in estimators if name not in names]
            if strange:
                raise ValueError(
                    f"`estimators` has {strange[0]!r}, and the comparison has results "
                    f"of {list(names.unique())}."
                )
            summary = summary[names.isin(estimators)]
        return cls(summary, confidence_level).plot(figure)

    def plot(self, figure=None):
        """Draw it: a panel per way of training, a cell per pair of corpora.

        In a cell are the recall, a mean over seeds, and its interval over the speakers
        of the test corpus. Framed cells are within one corpus. The titles of panels
        that know something of the test corpus are coloured, and say what.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Empty figure to draw on. If None, a new one.

        Returns
        -------
        display : CrossCorpusDisplay
        """
        require_matplotlib("CrossCorpusDisplay")
        found = self.summary.reset_index()
        rows, columns = found["train"].unique(), found["test"].unique()
        rows = [*columns, *(name for name in rows if name not in columns)]
        panels = self._panels(found)
        width, height = 1.0 + 1.05 * len(columns), 1.1 + 0.75 * len(rows)  # of a panel
        n_columns = min(len(panels), max(1, int(WIDEST / width)))
        n_rows = -(-len(panels) // n_columns)
        if figure is None:
            from matplotlib import pyplot

            size = width * n_columns + 0.6, height * n_rows + 0.8
            figure = pyplot.figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False)
        self.axes_ = axes.ravel()[: len(panels)]
        for ax in axes.ravel()[len(panels) :]:
            ax.set_visible(False)
        for number, (ax, (title, of_panel)) in enumerate(zip(self.axes_, panels)):
            draw_matrix(ax, of_panel, rows, list(columns), found["chance"].min())
            color = VERMILION if of_panel["transductive"].any() else "black"
            ax.set_title(title, fontsize="small", color=color)
            names = [fill(str(name), 12) for name in rows]
            ax.set_yticks(range(len(rows)), names if number % n_columns == 0 else [])
            is_last = number + n_columns >= len(panels)
            names = [fill(str(name), 12) for name in columns]
            ax.set_xticks(range(len(columns)), names if is_last else [])
        figure.supylabel("trained on", fontsize="medium")
        figure.supxlabel(
            "tested on: unweighted average recall, and "
            f"{self.confidence_level:.0%} interval over its speakers\n"
            "(framed: within the corpus, on speakers left out)",
            fontsize="medium",
        )
        self.figure_ = figure
        return self

    def _panels(self, found):
        """Return title and rows of each way of training that crosses corpora."""
        panels = []
        way = ["estimator", "domain", "unlabeled"]
        for (estimator, domain, unlabeled), of_way in found.groupby(way, sort=False):
            across = of_way[of_way["train"] != of_way["test"]]
            if across.empty:
                continue
            lines = [fill(str(estimator), 28), DOMAIN[domain]]
            target = across["target"].iloc[0]
            if target != "nothing":
                how = "transductive training" if unlabeled else "transductive"
                lines.append(fill(f"{how}: {target}", 36))
            panels.append(("\n".join(filter(None, lines)), of_way))
        return panels


def draw_matrix(ax, table, rows, columns, lowest):
    """Draw a cell for each pair, darker for a higher recall."""
    from matplotlib.patches import Rectangle

    values = np.full((len(rows), len(columns)), np.nan)
    for cell in table.itertuples():
        i, j = rows.index(cell.train), columns.index(cell.test)
        values[i, j] = cell.uar
        color = "white" if cell.uar > lowest + 0.6 * (1 - lowest) else "black"
        ax.text(j, i - 0.12, f"{cell.uar:.2f}", ha="center", va="center", color=color)
        if not np.isnan(cell.uar_low):
            ax.text(
                j,
                i + 0.22,
                f"{cell.uar_low:.2f} – {cell.uar_high:.2f}",
                ha="center",
                va="center",
                color=color,
                fontsize="x-small",
            )
        if cell.train == cell.test:
            frame = {"fill": False, "edgecolor": "black", "linewidth": 1.5}
            ax.add_patch(Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, **frame))
    ax.imshow(values, cmap="Blues", vmin=lowest, vmax=1, aspect="auto")
    for i, j in zip(*np.nonzero(np.isnan(values))):
        ax.text(j, i, "–", ha="center", va="center", color="0.5")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
