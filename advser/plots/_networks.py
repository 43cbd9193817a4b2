"""Figures of one network: its training, its embedding and what it goes by."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from .._routing import call
from .._validation import check_labels
from ._style import BLUE, VERMILION, despine, styles, subplots

__all__ = ["EmbeddingDisplay", "ExplanationDisplay", "TrainingDisplay"]


class TrainingDisplay:
    """How every term of the loss went during training.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    history : DataFrame of shape (n_epochs, n_records)
        The `history_` of an estimator.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> from advser.plots import TrainingDisplay
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ser = AdversarialSER(max_epochs=5).fit(X, y, speakers=speakers)
    >>> ax = Figure().add_subplot()
    >>> display = TrainingDisplay.from_estimator(ser, ax=ax)
    >>> display.figure_.savefig("training.png")  # doctest: +SKIP
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted estimator of this package, or a pipeline that ends with one.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : TrainingDisplay
        """
        last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        return cls(last.history_).plot(ax)

    def plot(self, ax=None):
        """Draw it: a line per term, mean over the batches of an epoch.

        Where there are validation speakers, their recall, or the concordance of their
        ratings, is the thick line.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : TrainingDisplay
        """
        ax = subplots("TrainingDisplay") if ax is None else ax
        found = self.history.filter(regex="^train_.+_loss$")
        terms = {name: name[len("train_") : -len("_loss")] for name in found}
        epochs = np.arange(1, len(self.history) + 1)
        for (name, term), style in zip(terms.items(), styles(terms).values()):
            every = max(1, len(epochs) // 8)
            ax.plot(epochs, found[name], **style, markevery=every, label=term)
        label = "Term of the loss (mean over the epoch)"
        for measure in ("uar", "ccc"):
            if f"valid_{measure}" in self.history:
                ax.plot(
                    epochs,
                    self.history[f"valid_{measure}"],
                    color="black",
                    linewidth=2.5,
                    label=f"validation {measure.upper()}",
                )
                label += f"\nand {measure.upper()} on validation speakers"
        ax.axhline(0, color="0.85", linewidth=1, zorder=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("Epoch")
        ax.set_ylabel(label)
        despine(ax)
        ax.figure.legend(loc="outside right center", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class EmbeddingDisplay:
    """A representation in the plane, coloured by speaker and by emotion.

    Use :meth:`from_embedding` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        The utterances in the plane.

    y : ndarray of shape (n_samples,)
        Emotions.

    speakers : ndarray of shape (n_samples,)
        Speakers.

    axis_names : tuple of two str
        Names of the two axes.

    Attributes
    ----------
    axes_ : ndarray of two matplotlib Axes
        Coloured by speaker and by emotion.

    figure_ : matplotlib Figure
        Figure containing them.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser.datasets import load_emodb
    >>> from advser.plots import EmbeddingDisplay
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> axes = Figure().subplots(1, 2)
    >>> display = EmbeddingDisplay.from_embedding(
    ...     X, y, speakers, method="pca", axes=axes
    ... )
    >>> display.points.shape
    (339, 2)
    """

    def __init__(self, points, y, speakers, axis_names):
        self.points = points
        self.y = y
        self.speakers = speakers
        self.axis_names = axis_names

    @classmethod
    def from_embedding(
        cls, embedding, y, speakers, *, method="tsne", random_state=0, axes=None
    ):
        """Bring an embedding to the plane and draw it twice.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_dimensions)
            Any representation of the utterances. It is standardised first.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        method : {"tsne", "pca"}, default="tsne"
            "tsne" keeps neighbours together, and its distances mean nothing else;
            "pca" shows the two directions of the largest variance.

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
        embedding = check_array(embedding, input_name="embedding")
        y = check_labels(y, "y", len(embedding), rows_of="embedding")
        speakers = check_labels(
            speakers, "speakers", len(embedding), rows_of="embedding"
        )
        embedding = StandardScaler().fit_transform(embedding)
        if method == "pca":
            pca = PCA(2, svd_solver="full").fit(embedding)
            points = pca.transform(embedding)
            shares = pca.explained_variance_ratio_
            names = tuple(
                f"Principal component {number} ({share:.0%} of the variance)"
                for number, share in enumerate(shares, start=1)
            )
        elif method == "tsne":
            perplexity = min(30, (len(embedding) - 1) / 3)
            tsne = TSNE(2, init="pca", perplexity=perplexity, random_state=random_state)
            points = tsne.fit_transform(embedding)
            names = ("t-SNE 1", "t-SNE 2")
        else:
            raise ValueError(f"`method` is {method!r}; it must be 'tsne' or 'pca'.")
        return cls(points, y, speakers, names).plot(axes)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, speakers, *, method="tsne", random_state=0, axes=None
    ):
        """Embed utterances by a fitted estimator and draw them twice.

        Parameters
        ----------
        estimator : estimator with `transform`
            Fitted; best on other utterances than these.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row, passed on to the estimator if it requests them.

        method : {"tsne", "pca"}, default="tsne"
            As in :meth:`from_embedding`.

        random_state : int, default=0
            Seed of t-SNE.

        axes : array-like of two matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : EmbeddingDisplay
        """
        embedding = call(estimator, "transform", X, speakers=speakers)
        return cls.from_embedding(
            embedding, y, speakers, method=method, random_state=random_state, axes=axes
        )

    def plot(self, axes=None):
        """Draw it.

        Parameters
        ----------
        axes : array-like of two matplotlib Axes, default=None
            Axes to draw on, for the speakers and for the emotions. If None, those of
            a new figure.

        Returns
        -------
        display : EmbeddingDisplay
        """
        axes = subplots("EmbeddingDisplay", 2) if axes is None else axes
        for ax, labels, title in zip(
            axes, (self.speakers, self.y), ("speaker", "emotion"), strict=True
        ):
            for name, style in styles(pd.unique(labels)).items():
                chosen = labels == name
                ax.scatter(
                    *self.points[chosen].T,
                    s=28,
                    linewidths=0.4,
                    edgecolors="white",
                    label=name,
                    **style,
                )
            ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
            ax.set(xticks=[], yticks=[])
            ax.legend(
                title=title,
                loc="center left",
                bbox_to_anchor=(1, 0.5),
                frameon=False,
                handletextpad=0.2,
            )
            despine(ax)
        self.axes_, self.figure_ = np.asarray(axes), axes[0].figure
        return self


class ExplanationDisplay:
    """Which features went into the emotion and into the speaker, and how much of both.

    Use :meth:`from_explanation` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    attributions : DataFrame of shape (n_features, 2)
        Mean size of the attributions of each feature, the largest first, to the codes
        "emotion" and "speaker".

    shares : Series of shape (2,)
        Mean share of either code in the utterances.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser import SiameseSER
    >>> from advser.datasets import load_emodb
    >>> from advser.plots import ExplanationDisplay
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ser = SiameseSER(max_epochs=10, random_state=0).fit(X, y, speakers=speakers)
    >>> ax = Figure().add_subplot()
    >>> display = ExplanationDisplay.from_estimator(ser, X, ax=ax)
    >>> display.attributions.shape
    (10, 2)
    """

    def __init__(self, attributions, shares):
        self.attributions = attributions
        self.shares = shares

    @classmethod
    def from_explanation(cls, explanation, *, n_features=10, ax=None):
        """Draw the features that weigh most.

        Parameters
        ----------
        explanation : DataFrame
            What :meth:`advser.SiameseSER.explain` returns, or some rows of it, such as
            those of the utterances of one emotion.

        n_features : int, default=10
            Number of the features to show.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ExplanationDisplay
        """
        sizes = explanation.assign(size=explanation["attribution"].abs())
        attributions = sizes.pivot_table("size", "feature", "code", sort=False)
        order = attributions.sum(axis=1).sort_values(ascending=False, kind="stable")
        shares = explanation.groupby("code")["share"].mean()
        return cls(attributions.loc[order.index[:n_features]], shares).plot(ax)

    @classmethod
    def from_estimator(cls, estimator, X, *, n_features=10, ax=None):
        """Explain utterances by a fitted estimator and draw what weighs most.

        Parameters
        ----------
        estimator : SiameseSER
            Fitted.

        X : array-like of shape (n_samples, n_features)
            Features.

        n_features : int, default=10
            Number of the features to show.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ExplanationDisplay
        """
        explanation = estimator.explain(X)
        return cls.from_explanation(explanation, n_features=n_features, ax=ax)

    def plot(self, ax=None):
        """Draw it: two bars for each feature, one for either code.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ExplanationDisplay
        """
        ax = subplots("ExplanationDisplay") if ax is None else ax
        position = np.arange(len(self.attributions))
        for code, color, offset in (
            ("emotion", BLUE, -0.2),
            ("speaker", VERMILION, 0.2),
        ):
            ax.barh(
                position + offset,
                self.attributions[code],
                height=0.36,
                color=color,
                label=f"{code} code: {self.shares[code]:.0%} of the representation",
            )
        ax.set_yticks(position, self.attributions.index)
        ax.set_ylim(len(position) - 0.5, -0.5)
        ax.set_xlabel("Mean size of the attribution")
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        despine(ax)
        ax.figure.legend(loc="outside upper left", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
