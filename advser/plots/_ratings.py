"""Figures of predicted ratings."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from .._validation._parameters import Number, check_estimator, check_parameter
from ..metrics import concordance_correlation, rated_columns
from ._base import BLUE, GREY, Display, OptionalAxes, despine, wrapped

MANY = 1000  # dots; a vector file of more is large


@dataclass(eq=False, repr=False)
class RatingDisplay(Display):
    """Predicted ratings against true ratings, a dot per utterance, with the diagonal.

    Use :meth:`from_predictions` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
        True and predicted ratings.

    name : str
        Name of the rating.

    Examples
    --------
    >>> from advser.plots import RatingDisplay
    >>> display = RatingDisplay.from_predictions([1, 2, 3], [1.5, 2, 2.5])
    >>> display.ax_.get_title()
    'CCC 0.80'
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    name: str

    @classmethod
    def from_predictions(
        cls,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        *,
        name: str = "rating",
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw predictions against true ratings.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True ratings; rows without one, NaN, are left out.

        y_pred : array-like of shape (n_samples,)
            Predicted ratings.

        name : str, default="rating"
            Name of the rating.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : RatingDisplay
        """
        targets = rated_columns(y_true, y_pred)
        if len(targets) > 1 or not len(targets[0][0]):
            raise ValueError(
                f"`y_true` has {len(targets)} targets, the first with "
                f"{len(targets[0][0])} ratings; pass the ratings of one target."
            )
        return cls(*targets[0], name).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        column: int = 0,
        **options: Any,
    ) -> Self:
        """Draw the predictions of a fitted regressor against the true ratings.

        Parameters
        ----------
        estimator : estimator object
            Fitted regressor.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True ratings.

        column : int, default=0
            Which of several targets to draw.

        **options : object
            `name` and `ax`, see :meth:`from_predictions`.

        Returns
        -------
        display : RatingDisplay
        """
        check_estimator(estimator, "estimator", "predict")
        targets = rated_columns(y, estimator.predict(X))
        check_parameter(column, "column", Number(Integral, 0, len(targets)))
        return cls.from_predictions(*targets[column], **options)

    def _size(self):
        return 4.6, 4.6

    def _draw(self, ax):
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
            rasterized=len(self.y_true) > MANY,
        )
        ax.set(xlim=ends, ylim=ends, aspect="equal")
        name = wrapped(self.name)
        ax.set(xlabel=f"True {name}", ylabel=f"Predicted {name}")
        ccc = concordance_correlation(self.y_true, self.y_pred)
        ax.set_title(f"CCC {ccc:z.2f}", fontsize="medium")
        despine(ax)
