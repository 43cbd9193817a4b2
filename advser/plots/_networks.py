"""Figures of one network: its training, its embedding and its attributions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from .._routing import call
from .._validation._arrays import check_array_named, check_labels, check_magnitude
from .._validation._parameters import (
    COUNT,
    SEED,
    StrOptions,
    check_estimator,
    check_parameter,
    check_table,
)
from ..speakers._enrolment import steps_of
from ._base import (
    BLUE,
    COLORS,
    ORANGE,
    WIDTH,
    Display,
    OptionalAxes,
    check_figure,
    despine,
    height_of,
    label_rows,
    legend_above,
    new_axes,
    plain,
    styles,
    text_color,
    wrapped,
)

MANY = 400  # utterances, whose large marks would hide each other


@dataclass(eq=False, repr=False)
class TrainingDisplay(Display):
    """Terms of the loss over the epochs of a training.

    Each line is a term of the loss, a mean over the batches of an epoch. The thick line
    is the recall of the validation speakers, or the concordance of their ratings, if
    there are any. Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    history : DataFrame of shape (n_epochs, n_records)
        The `history_` of an estimator.

    Examples
    --------
    >>> from advser import AdversarialSER, datasets, plots
    >>> X, y, speakers = datasets.load_emodb(return_X_y_speakers=True)
    >>> ser = AdversarialSER(max_epochs=5).fit(X, y, speakers=speakers)
    >>> display = plots.TrainingDisplay.from_estimator(ser)
    """

    history: pd.DataFrame

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, ax: OptionalAxes = None
    ) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator, Pipeline or search
            Fitted estimator of this package, or a pipeline or search that ends with
            one.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : TrainingDisplay
        """
        last = steps_of(estimator)[-1]
        check_estimator(last, "estimator", "history_")
        return cls(last.history_).plot(ax)

    def _draw(self, ax):
        losses = self.history.filter(regex="^train_.+_loss$")
        first = [f"train_{term}_loss" for term in ("emotion", "speaker")]
        first = [name for name in first if name in losses]
        losses = losses[[*first, *losses.columns.difference(first, sort=False)]]
        epochs = np.arange(1, len(self.history) + 1)
        every = max(1, len(epochs) // 8)
        for name, style in styles(losses).items():
            term = name.removeprefix("train_").removesuffix("_loss")
            ax.plot(epochs, losses[name], **style, markevery=every, label=plain(term))
        ylabel = "Term of the loss (mean over the epoch)"
        for measure in ("uar", "ccc"):
            scores = self.history.get(f"valid_{measure}")
            if scores is not None:
                label = f"validation {measure.upper()}"
                ax.plot(epochs, scores, color=text_color(), linewidth=2.5, label=label)
                ylabel += f"\nand {measure.upper()} on validation speakers"
        ax.axhline(0, color=text_color(), alpha=0.15, linewidth=1, zorder=0)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.set(xlabel="Epoch", ylabel=ylabel)
        despine(ax)
        legend_above(ax, n_columns=2)


@dataclass(eq=False, repr=False)
class EmbeddingDisplay:
    """Embedding in two dimensions, coloured by speaker and by emotion.

    Of more than ten speakers, the ten with the most utterances have a colour, and the
    others are grey. Use :meth:`from_embedding` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        The utterances in two dimensions.

    y : ndarray of shape (n_samples,)
        Emotions.

    speakers : ndarray of shape (n_samples,)
        Speakers.

    axis_names : tuple of two str
        Names of the two axes.

    Examples
    --------
    >>> from advser import datasets, plots
    >>> X, y, speakers = datasets.load_emodb(return_X_y_speakers=True)
    >>> display = plots.EmbeddingDisplay.from_embedding(X, y, speakers, method="pca")
    >>> display.points.shape
    (339, 2)
    """

    points: np.ndarray
    y: np.ndarray
    speakers: np.ndarray
    axis_names: tuple[str, ...]

    @classmethod
    def from_embedding(
        cls,
        embedding: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike,
        *,
        method: str = "tsne",
        random_state: int = 0,
        axes: Sequence | None = None,
    ) -> Self:
        """Reduce an embedding to two dimensions and draw it twice.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_dimensions)
            Any representation of the utterances. It is standardised first.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        method : {"tsne", "pca"}, default="tsne"
            "tsne" keeps neighbours together; longer distances have no meaning. "pca"
            shows the two directions of the largest variance.

        random_state : int, default=0
            Seed of t-SNE.

        axes : array-like of two matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            If `method` is unknown or an array has the wrong length.
        """
        check_parameter(method, "method", StrOptions({"tsne", "pca"}))
        check_parameter(random_state, "random_state", SEED, None)
        embedding = check_array_named(
            embedding, "embedding", ensure_min_samples=2, ensure_min_features=2
        )
        y, speakers = (
            check_labels(labels, name, len(embedding), rows_of="embedding")
            for name, labels in (("y", y), ("speakers", speakers))
        )
        check_magnitude(embedding, "embedding")
        scaled = StandardScaler().fit_transform(embedding)
        if not scaled.any():
            raise ValueError(
                f"`embedding` has {len(scaled)} equal rows; pass rows that differ."
            )
        if method == "pca":
            pca = PCA(2, svd_solver="full").fit(scaled)
            points = pca.transform(scaled)
            names = tuple(
                f"Principal component {number} ({share:.0%} of the variance)"
                for number, share in enumerate(pca.explained_variance_ratio_, start=1)
            )
        else:
            perplexity = min(30, (len(scaled) - 1) / 3)
            tsne = TSNE(2, init="pca", perplexity=perplexity, random_state=random_state)
            points = tsne.fit_transform(scaled)
            names = ("t-SNE 1", "t-SNE 2")
        return cls(points, y, speakers, names).plot(axes)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        speakers: npt.ArrayLike,
        **options: Any,
    ) -> Self:
        """Draw the embedding of utterances by a fitted estimator.

        Parameters
        ----------
        estimator : estimator with `transform`
            Fitted, preferably on other utterances.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row, passed on to the estimator if it requests them.

        **options : object
            `method`, `random_state` and `axes`, see :meth:`from_embedding`.

        Returns
        -------
        display : EmbeddingDisplay
        """
        embedding = call(estimator, "transform", X, speakers=speakers)
        return cls.from_embedding(embedding, y, speakers, **options)

    def plot(self, axes: Sequence | None = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        axes : array-like of two matplotlib Axes, default=None
            Axes to draw on, for the speakers and for the emotions. If None, those of
            a new figure.

        Returns
        -------
        display : EmbeddingDisplay
            This display. Its `axes_` are the axes and its `figure_` is the figure.
        """
        panels = {"Speaker": self.speakers, "Emotion": self.y}
        if axes is None:
            size = 1.2 * WIDTH, 4.3 + 0.22 * max(map(legend_rows, panels.values()))
            axes = new_axes("EmbeddingDisplay", 2, size)
        if np.shape(axes) != (2,):
            raise ValueError(f"`axes` must hold two Axes of matplotlib; got {axes!r}.")
        for ax in axes:
            check_figure(ax, "ax")
        size = 28 if len(self.points) < MANY else 14
        for ax, (title, labels) in zip(axes, panels.items(), strict=True):
            names, label = shown_names(labels)
            is_other = ~np.isin(labels, names)
            if label:
                others = {"color": "0.85", "s": 10, "linewidths": 0}
                ax.scatter(*self.points[is_other].T, **others, label=label)
            for name, style in styles(names).items():
                points = self.points[labels == name].T
                edges = {"linewidths": 0.4, "edgecolors": "white", "s": size}
                ax.scatter(*points, label=wrapped(name), **edges, **style)
            ax.set(xlabel=self.axis_names[0], xticks=[], yticks=[])
            legend_above(
                ax,
                n_columns=legend_columns([*names, label]),
                loc="lower center",
                bbox_to_anchor=(0.5, 1),
                title=title,
                handlelength=1.0,
                handletextpad=0.2,
                markerscale=(28 / size) ** 0.5,
            )
            despine(ax)
        axes[0].set_ylabel(self.axis_names[1])
        self.axes_, self.figure_ = np.asarray(axes), axes[0].figure
        return self


def shown_names(labels):
    """Return the most frequent labels, sorted, and what the others are called."""
    counts = pd.Series(labels).value_counts()
    names = sorted(counts.index[: len(COLORS)])
    n_others = len(counts) - len(names)
    return names, f"{n_others} others" if n_others else ""


def legend_columns(names):
    """Return how many columns of names are as wide as one of two panels."""
    longest = max(len(line) for name in names for line in wrapped(name).split("\n"))
    return min(4, max(1, int(3.5 / (0.31 + 0.083 * longest))))  # inches


def legend_rows(labels):
    """Return the number of lines of the legend of a panel."""
    names, others = shown_names(labels)
    shown = [*names, *filter(None, [others])]
    n_lines = sum(1 + wrapped(name).count("\n") for name in shown)
    return -(-n_lines // legend_columns(shown))


@dataclass(eq=False, repr=False)
class ExplanationDisplay(Display):
    """Features with the largest attributions to the emotion and to the speaker code.

    Use :meth:`from_explanation` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    attributions : DataFrame of shape (n_features, 2)
        Mean absolute attribution of each feature to the codes "emotion" and "speaker",
        the largest first.

    shares : Series of shape (2,)
        Mean share of each code in the representation.

    Examples
    --------
    >>> from advser import SiameseSER, datasets, plots
    >>> X, y, speakers = datasets.load_emodb(return_X_y_speakers=True)
    >>> ser = SiameseSER(max_epochs=10, random_state=0).fit(X, y, speakers=speakers)
    >>> display = plots.ExplanationDisplay.from_estimator(ser, X)
    >>> display.attributions.shape
    (10, 2)
    """

    attributions: pd.DataFrame
    shares: pd.Series

    @classmethod
    def from_explanation(
        cls, explanation: pd.DataFrame, *, n_features: int = 10, ax: OptionalAxes = None
    ) -> Self:
        """Draw the features with the largest attributions.

        Parameters
        ----------
        explanation : DataFrame
            Result of :meth:`advser.SiameseSER.explain`, or some rows of it, such as
            those of the utterances of one emotion.

        n_features : int, default=10
            Number of the features to show.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : ExplanationDisplay
        """
        columns = ["feature", "code", "attribution", "share"]
        check_table(explanation, columns, "explanation", n_rows=1)
        check_parameter(n_features, "n_features", COUNT)
        sizes = explanation.assign(size=explanation["attribution"].abs())
        attributions = sizes.pivot_table("size", "feature", "code", sort=False)
        if not {"emotion", "speaker"} <= set(attributions):
            raise ValueError(
                "`explanation` has attributions to the codes "
                f"{list(attributions)}; it needs those to 'emotion' and 'speaker'."
            )
        order = attributions.sum(axis=1).sort_values(ascending=False, kind="stable")
        shares = explanation.groupby("code")["share"].mean()
        return cls(attributions.loc[order.index[:n_features]], shares).plot(ax)

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, X: npt.ArrayLike, **options: Any
    ) -> Self:
        """Draw the largest attributions of a fitted estimator.

        Parameters
        ----------
        estimator : SiameseSER
            Fitted.

        X : array-like of shape (n_samples, n_features)
            Features.

        **options : object
            `n_features` and `ax`, see :meth:`from_explanation`.

        Returns
        -------
        display : ExplanationDisplay
        """
        check_estimator(estimator, "estimator", "explain")
        return cls.from_explanation(estimator.explain(X), **options)

    def _draw(self, ax):
        position = np.arange(len(self.attributions))
        codes = {"emotion": (BLUE, -0.2), "speaker": (ORANGE, 0.2)}
        for code, (color, offset) in codes.items():
            sizes = self.attributions[code]
            label = f"{code} code: {self.shares[code]:.0%} of the representation"
            ax.barh(position + offset, sizes, height=0.36, color=color, label=label)
        label_rows(ax, self.attributions.index)
        ax.set_xlabel("Mean absolute attribution")
        legend_above(ax)

    def _size(self):
        return WIDTH, height_of(self.attributions.index)
