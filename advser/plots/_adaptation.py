"""Figure of the recall on new speakers while a model adapts to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from .._validation._parameters import check_table
from ..evaluation import adaptation_curve
from ._base import (
    GREY,
    MEASURES,
    add_grid,
    by_name,
    new_panels,
    require_matplotlib,
    styles,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

LABELS = {
    "random": "random order",
    "blocks": "blocks of ten of one emotion",
    "emotions": "one block per emotion",
}
COLUMNS = ["order", "kind", "first", "last", "uar", "low", "high"]  # of a curve
MOST_COLUMNS = 2  # panels beside each other


@dataclass(eq=False, repr=False)
class AdaptationDisplay:
    """Recall on new speakers by the number of their utterances so far.

    There is a panel for each curve and a line for each order of the utterances: the
    mean over draws, with its 95 % interval over speakers. A dashed line is the
    inductive recall of the same utterances, which uses nothing of their speaker. Use
    :meth:`from_curve` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Tables of :func:`advser.evaluation.adaptation_curve`, by name.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from advser import SpeakerScaler, datasets, plots
    >>> model = make_pipeline(
    ...     SpeakerScaler(unknown="adapt", balance=False), GaussianNB()
    ... )
    >>> emodb = datasets.load_emodb(return_X_y_speakers=True)
    >>> display = plots.AdaptationDisplay.from_estimator(
    ...     model, *emodb, repeats=1, cv=GroupKFold(3)
    ... )
    """

    curves: Mapping[str, pd.DataFrame]

    @classmethod
    def from_curve(
        cls,
        curve: pd.DataFrame | Mapping[str, pd.DataFrame],
        *,
        figure: Figure | SubFigure | None = None,
    ) -> Self:
        """Draw a curve that has been computed, or several.

        Parameters
        ----------
        curve : DataFrame or dict of str to DataFrame
            Table of :func:`advser.evaluation.adaptation_curve`, or several by name, of
            different estimators or corpora.

        figure : matplotlib Figure or SubFigure, default: a new figure
            An empty figure to draw on.

        Returns
        -------
        display : AdaptationDisplay
        """
        curves = by_name(curve, "curve")
        for one in curves.values():
            check_table(one, COLUMNS, "curve", n_rows=1)
        return cls(curves).plot(figure)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator | Mapping[str, BaseEstimator],
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike,
        *,
        orders: Sequence[str] = tuple(LABELS),
        repeats: int = 5,
        cv: Any = "loso",
        random_state: int = 0,
        figure: Figure | SubFigure | None = None,
    ) -> Self:
        """Compute a curve, or several, and draw them.

        Parameters
        ----------
        estimator : Pipeline, or dict of str to Pipeline
            Unfitted, with ``SpeakerScaler(unknown="adapt")``. Several are given by
            name, and get the same utterances in the same orders.

        X : array-like of shape (n_samples, n_features)
            Features.

        y, speakers : array-like of shape (n_samples,)
            Emotion and speaker of each row.

        orders, repeats, cv : as in :func:`advser.evaluation.adaptation_curve`

        random_state : as in :func:`advser.evaluation.adaptation_curve`

        figure : matplotlib Figure or SubFigure, default: a new figure
            An empty figure to draw on.

        Returns
        -------
        display : AdaptationDisplay
        """
        curves = {
            name: adaptation_curve(
                one,
                X,
                y,
                speakers,
                orders=orders,
                repeats=repeats,
                cv=cv,
                random_state=random_state,
            )
            for name, one in by_name(estimator, "estimator").items()
        }
        return cls(curves).plot(figure)

    def plot(self, figure: Figure | SubFigure | None = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default: a new figure
            An empty figure to draw on.

        Returns
        -------
        display : AdaptationDisplay
            This display. Its `axes_` are the axes and its `figure_` is the figure.
        """
        require_matplotlib("AdaptationDisplay")
        n_panels = len(self.curves)
        n_columns, size = min(n_panels, MOST_COLUMNS), (3.2, 2.7, 2.2, 1.6)
        figure, self.axes_ = new_panels(figure, n_panels, n_columns, size, sharey=True)
        self.figure_ = figure
        handles: dict = {}
        for ax, (name, curve) in zip(self.axes_, self.curves.items()):
            handles |= _draw(ax, curve)
            ax.set_title(wrapped(name), fontsize="medium")
        figure.legend(
            handles=list(handles.values()),
            loc="outside upper center",
            ncols=2,
            frameon=False,
        )
        figure.supxlabel(
            "Utterances of the speaker so far\n(bars: 95% interval over speakers)",
            fontsize="medium",
        )
        figure.supylabel(MEASURES["uar"], fontsize="medium")
        return self


def _draw(ax, curve):
    """Draw one curve on one pair of axes; return the handles by their label."""
    whole = (curve["first"] == 1) & np.isinf(curve["last"])
    bins = curve[~whole]
    lasts = bins.groupby("first")["last"].first()
    look, handles = styles(LABELS), {}
    orders = [order for order in LABELS if order in set(bins["order"])]
    for number, order in enumerate(orders):
        of_order = bins[bins["order"] == order]
        adaptive, inductive = (
            of_order[of_order["kind"] == kind]
            .groupby("first")[["uar", "low", "high"]]
            .mean()
            for kind in ("adaptive", "inductive")
        )
        side = 0.14 * (number - (len(orders) - 1) / 2)  # bars beside each other
        places = lasts.index.get_indexer(adaptive.index) + side
        spread = (adaptive[["low", "high"]].sub(adaptive["uar"], axis=0)).abs()
        line = ax.errorbar(
            places,
            adaptive["uar"],
            yerr=spread.T.to_numpy(),
            **look[order],
            markersize=5,
            elinewidth=1,
            label=LABELS[order],
        )
        handles[LABELS[order]] = line
        dashed = {"color": look[order]["color"], "linestyle": "--", "linewidth": 1}
        ax.plot(places, inductive["uar"].reindex(adaptive.index), **dashed)
    label = "inductive, same utterances"
    handles[label] = ax.plot([], [], color=GREY, linestyle="--", label=label)[0]
    ax.set_xticks(range(len(lasts)), [_range(*bounds) for bounds in lasts.items()])
    ax.tick_params(axis="x", labelsize="small")
    add_grid(ax, "y")
    return handles


def _range(first, last):
    """Return the name of a bin of utterances."""
    if np.isinf(last):
        return f"{first:.0f}+"
    return f"{first:.0f}" if first == last else f"{first:.0f}–{last:.0f}"
