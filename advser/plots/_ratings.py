"""Figures of predicted ratings."""

import numpy as np

from ..metrics import concordance_correlation
from ._style import BLUE, GREY, despine, subplots

__all__ = ["RatingDisplay"]

MANY = 1000


class RatingDisplay:
    """Predicted against rated, with the line on which both are equal.

    Use :meth:`from_predictions` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
        Ratings and what was predicted for them.

    name : str
        What was rated.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser.plots import RatingDisplay
    >>> ax = Figure().add_subplot()
    >>> display = RatingDisplay.from_predictions(
    ...     [1, 2, 3], [1.5, 2, 2.5], name="arousal", ax=ax
    ... )
    >>> display.ax_.get_title()
    'CCC 0.80'
    """

    def __init__(self, y_true, y_pred, name):
        self.y_true = y_true
        self.y_pred = y_pred
        self.name = name

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, name="rating", ax=None):
        """Draw predictions against ratings.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Ratings; rows without one, NaN, are left out.

        y_pred : array-like of shape (n_samples,)
            Predicted ratings.

        name : str, default="rating"
            What was rated.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : RatingDisplay
        """
        y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
        known = ~np.isnan(y_true)
        return cls(y_true[known], y_pred[known], name).plot(ax)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, column=0, name="rating", ax=None):
        """Predict ratings by a fitted estimator and draw them against the true ones.

        Parameters
        ----------
        estimator : estimator object
            Fitted regressor.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Ratings.

        column : int, default=0
            Which of several targets to draw.

        name : str, default="rating"
            What was rated.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : RatingDisplay
        """
        rated, predicted = (
            np.asarray(values, float).reshape(len(values), -1)[:, column]
            for values in (y, estimator.predict(X))
        )
        return cls.from_predictions(rated, predicted, name=name, ax=ax)

    def plot(self, ax=None):
        """Draw it: a dot for each utterance, and the identity line.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : RatingDisplay
        """
        ax = subplots("RatingDisplay", size=(4.6, 4.6)) if ax is None else ax
        both = np.concatenate([self.y_true, self.y_pred])
        margin = 0.05 * (np.ptp(both) or 1)
        ends = both.min() - margin, both.max() + margin
        ax.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
        ax.scatter(
            self.y_true,
            self.y_pred,
            s=14,
            color=BLUE,
            alpha=0.5,
            linewidths=0,
            zorder=2,
            rasterized=len(self.y_true) > MANY,  # or a vector file takes megabytes
        )
        ax.set(
            xlim=ends,
            ylim=ends,
            aspect="equal",
            xlabel=f"Rated {self.name}",
            ylabel=f"Predicted {self.name}",
        )
        found = concordance_correlation(self.y_true, self.y_pred)
        ax.set_title(f"CCC {found:z.2f}", fontsize="medium")
        despine(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
