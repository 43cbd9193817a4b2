"""Figures of what was found, as scikit-learn's Displays: computed once, drawn anywhere.

matplotlib is imported when something is drawn, not before. Colours are those of Okabe
and Ito, which the colour-blind tell apart; shapes say the same once more, for print.
"""

from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from ._routing import call
from ._validation import check_labels
from .confounding import speaker_confounding
from .enrollment import enrollment_curve
from .metrics import concordance_correlation, speaker_uar

__all__ = [
    "ComparisonDisplay",
    "ConfoundingDisplay",
    "DifferenceDisplay",
    "EmbeddingDisplay",
    "EnrollmentDisplay",
    "ExplanationDisplay",
    "IntervalDisplay",
    "LeakageDisplay",
    "RatingDisplay",
    "SpeakerRecallDisplay",
    "TrainingDisplay",
    "WeightDisplay",
]

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
COLORS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
GREY = "0.55"
MOST_TICKS = 50  # names beside each other that can still be read
KNOWLEDGE = {
    False: "knows nothing of the test speaker",
    True: "transductive: uses the test speaker's unlabelled utterances",
}


def require_matplotlib(caller):
    """Raise an ImportError that says what to install, if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed; add it by "
            "`pip install 'advser[plots]'`."
        )


def subplots(caller, n_axes=1, size=None):
    """Return the axes of a new figure, of a size in inches."""
    require_matplotlib(caller)
    from matplotlib import pyplot

    size = size or (4.6 * n_axes + 2.4, 4.2)
    return pyplot.subplots(1, n_axes, figsize=size, layout="constrained")[1]


def styles(names):
    """Return a colour and a marker for each name, no two alike up to 35 names."""
    return {
        name: {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)],
        }
        for number, name in enumerate(names)
    }


def despine(ax):
    ax.spines[["top", "right"]].set_visible(False)


def by_row(comparison, rows):
    """Return the results of each seed, with the row that its estimator belongs to."""
    transductive = comparison.scores.groupby("estimator")["transductive"].first()
    table = comparison.by_seed().reset_index()
    table["transductive"] = table["estimator"].map(transductive)
    table["row"] = [(rows or {}).get(name, name) for name in table["estimator"]]
    return table


class ComparisonDisplay:
    """Recall of several estimators, with its spread over seeds and over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per estimator and seed: `estimator`, `row`, `transductive`, `uar`.

    speakers : DataFrame of shape (n_speakers, n_estimators)
        Recall of each test speaker.

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
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import compare
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> comparison = compare({"Bayes": GaussianNB()}, X, y, speakers, probes=())
    >>> from advser.plots import ComparisonDisplay
    >>> ax = Figure().add_subplot()
    >>> display = ComparisonDisplay.from_comparison(comparison, ax=ax)
    >>> display.figure_.savefig("uar.png")  # doctest: +SKIP
    """

    def __init__(self, results, speakers):
        self.results = results
        self.speakers = speakers

    @classmethod
    def from_comparison(cls, comparison, *, rows=None, ax=None):
        """Draw the unweighted average recall of each estimator.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        rows : dict of str to str, default=None
            Name of the row that an estimator belongs to, where one row shall hold
            several, such as a classifier with and without a normalisation. By default
            each has its own.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ComparisonDisplay
        """
        return cls(by_row(comparison, rows), comparison.by_speaker()).plot(ax)

    def plot(self, ax=None):
        """Draw it.

        A large mark stands for the mean over seeds of the recall pooled over folds, its
        bar for one standard deviation, a small stroke for a test speaker.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : ComparisonDisplay
        """
        ax = subplots("ComparisonDisplay") if ax is None else ax
        rows = list(dict.fromkeys(self.results["row"]))
        groups = self.results.groupby(["row", "transductive", "estimator"], sort=False)
        shares = self.results.groupby("row")["transductive"].nunique()
        labelled = set()
        for (row, transductive, estimator), seeds in groups:
            color = VERMILION if transductive else BLUE
            offset = (0.17 if transductive else -0.17) * (shares[row] > 1)
            height = rows.index(row) + offset
            ax.plot(
                self.speakers[estimator],
                np.full(len(self.speakers), height),
                linestyle="none",
                marker="|",
                markersize=8,
                color=color,
                alpha=0.5,
                zorder=1,
            )
            ax.errorbar(
                seeds["uar"].mean(),
                height,
                xerr=seeds["uar"].std() if len(seeds) > 1 else None,
                label=None if transductive in labelled else KNOWLEDGE[transductive],
                color=color,
                marker="D" if transductive else "o",
                markerfacecolor="white" if transductive else color,
                markersize=7,
                markeredgewidth=1.5,
                capsize=3.5,
                zorder=3,
            )
            labelled.add(transductive)
        ax.plot([], [], "|", color=GREY, markersize=8, label="a single test speaker")
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel(
            "Unweighted average recall (mean over seeds ± standard deviation)"
        )
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        despine(ax)
        ax.figure.legend(loc="outside upper left", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LeakageDisplay:
    """What estimators know of the speaker, against what they know of the emotion.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per estimator and seed: `estimator`, `row`, `transductive`, `uar` and
        `leakage`.

    chance : float
        Leakage of a representation that knows no speaker.

    probe : str
        Name of the probe.

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
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import compare
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> models = {"Bayes": GaussianNB()}
    >>> comparison = compare(models, X, y, speakers, probes=["logistic"])
    >>> from advser.plots import LeakageDisplay
    >>> ax = Figure().add_subplot()
    >>> display = LeakageDisplay.from_comparison(comparison, ax=ax)
    >>> display.figure_.savefig("leakage.png")  # doctest: +SKIP
    """

    def __init__(self, results, chance, probe):
        self.results = results
        self.chance = chance
        self.probe = probe

    @classmethod
    def from_comparison(cls, comparison, *, probe="logistic", rows=None, ax=None):
        """Draw the leakage of each estimator against its recall.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        probe : str, default="logistic"
            The probe that judges.

        rows : dict of str to str, default=None
            Name that an estimator shares with others, and so their colour. By default
            each has its own.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : LeakageDisplay

        Raises
        ------
        ValueError
            If the comparison was made without this probe.
        """
        results = by_row(comparison, rows)
        if f"leakage_{probe}" not in results:
            probes = sorted(comparison.leakage["probe"].unique())
            raise ValueError(
                f"`probe` is {probe!r}; the comparison was made with {probes}."
            )
        results["leakage"] = results[f"leakage_{probe}"]
        chance = comparison.leakage["chance"].iloc[0]
        return cls(results, chance, probe).plot(ax)

    def plot(self, ax=None):
        """Draw it: a mark per estimator, bars of one standard deviation over seeds.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : LeakageDisplay
        """
        ax = subplots("LeakageDisplay") if ax is None else ax
        style = styles(dict.fromkeys(self.results["row"]))
        groups = self.results.groupby(["row", "transductive", "estimator"], sort=False)
        for (row, transductive, _), seeds in groups:
            ax.errorbar(
                seeds["leakage"].mean(),
                seeds["uar"].mean(),
                xerr=seeds["leakage"].std() if len(seeds) > 1 else None,
                yerr=seeds["uar"].std() if len(seeds) > 1 else None,
                **style[row],
                markerfacecolor="white" if transductive else style[row]["color"],
                markersize=8,
                markeredgewidth=1.5,
                elinewidth=1,
            )
        ax.axvline(self.chance, color=GREY, linestyle="--", linewidth=1)
        ax.set_xlim(left=0)
        ax.set_xlabel(
            f"Speaker leakage: balanced accuracy of the {self.probe} probe\n"
            f"(dashed: chance, {self.chance:.2f}; bars: standard deviation over seeds)"
        )
        ax.set_ylabel("Unweighted average recall")
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        despine(ax)
        for row in style:
            ax.plot([], [], linestyle="none", **style[row], markersize=8, label=row)
        ax.figure.legend(loc="outside right center", frameon=False)
        known = [
            ax.plot(
                [],
                [],
                linestyle="none",
                marker="o",
                color=GREY,
                markerfacecolor="white" if transductive else GREY,
                markersize=8,
                label=KNOWLEDGE[transductive],
            )[0]
            for transductive in sorted(self.results["transductive"].unique())
        ]
        ax.figure.legend(handles=known, loc="outside upper left", frameon=False)
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


class ConfoundingDisplay:
    """Which emotions each speaker has, and so whether the speaker tells the emotion.

    Use :meth:`from_labels` to make one.

    Parameters
    ----------
    confounding : SpeakerConfounding
        What :func:`advser.confounding.speaker_confounding` returns.

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
        ax.set_xlabel(f"Speaker\n({self.confounding})")
        ax.figure.colorbar(image, ax=ax, label="Share of the\nspeaker's speech")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class EnrollmentDisplay:
    """Recall on new speakers by the number of their utterances enrolled.

    Use :meth:`from_curves` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Tables of :func:`advser.enrollment.enrollment_curve`, by name.

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
            Table of :func:`advser.enrollment.enrollment_curve`, or several by name.

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
        """Compute a curve and draw it.

        Parameters
        ----------
        estimator : Pipeline, or search over one
            As in :func:`advser.enrollment.enrollment_curve`, like all that follows.

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
        curve = enrollment_curve(
            estimator,
            X,
            y,
            speakers,
            k=k,
            neutral=neutral,
            repeats=repeats,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        return cls.from_curves(curve, ax=ax)

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


class WeightDisplay:
    """Where the weight of the adversary leads: leakage against recall along it.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per game and weight: `game`, `weight`, `uar`, `leakage`, and `uar_std`
        and `leakage_std` over seeds. A game with a single weight is a mark.

    chance : float
        Leakage of a representation that knows no speaker.

    probe : str
        Name of the probe.

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
    >>> from advser.evaluation import compare
    >>> from advser.plots import WeightDisplay
    >>> models = {
    ...     f"entropy {weight}": AdversarialSER(adversary_weight=weight, max_epochs=1)
    ...     for weight in (0.1, 1.0)
    ... }
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> found = compare(models, X, y, speakers, seeds=1, probes=["logistic"])
    >>> display = WeightDisplay.from_comparison(
    ...     found,
    ...     {"entropy": {weight: f"entropy {weight}" for weight in (0.1, 1.0)}},
    ...     ax=Figure().add_subplot(),
    ... )
    >>> display.figure_.savefig("weights.png")  # doctest: +SKIP
    """

    def __init__(self, results, chance, probe):
        self.results = results
        self.chance = chance
        self.probe = probe

    @classmethod
    def from_comparison(cls, comparison, games, *, probe="logistic", ax=None):
        """Draw the estimators of a comparison that differ in their weight.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        games : dict of str to dict of float to str
            For each game the name of its estimator by weight; for a single one, such
            as the network without adversary, ``{0: name}``.

        probe : str, default="logistic"
            The probe that judges.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : WeightDisplay

        Raises
        ------
        ValueError
            If the comparison has no such estimator, or was made without the probe.
        """
        table = comparison.by_seed()
        column = f"leakage_{probe}"
        if column not in table:
            probes = sorted(comparison.leakage["probe"].unique())
            raise ValueError(
                f"`probe` is {probe!r}; the comparison was made with {probes}."
            )
        known = table.index.unique("estimator")
        rows = []
        for game, estimators in games.items():
            for weight, name in estimators.items():
                if name not in known:
                    raise ValueError(
                        f"`games` names {name!r}, and the comparison has {list(known)}."
                    )
                seeds = table.loc[name]
                rows.append(
                    {
                        "game": game,
                        "weight": weight,
                        "uar": seeds["uar"].mean(),
                        "uar_std": seeds["uar"].std(),
                        "leakage": seeds[column].mean(),
                        "leakage_std": seeds[column].std(),
                    }
                )
        chance = comparison.leakage["chance"].iloc[0]
        return cls(pd.DataFrame(rows), chance, probe).plot(ax)

    def plot(self, ax=None):
        """Draw it: a line per game, along its weights, with the largest named.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : WeightDisplay
        """
        ax = subplots("WeightDisplay") if ax is None else ax
        games = self.results.groupby("game", sort=False)
        for (game, path), style in zip(games, styles(games.groups).values()):
            path = path.sort_values("weight")
            ax.errorbar(
                path["leakage"].to_numpy(),
                path["uar"].to_numpy(),
                xerr=path["leakage_std"].fillna(0),
                yerr=path["uar_std"].fillna(0),
                **style,
                label=game,
                markersize=7,
                elinewidth=0.6,
                zorder=2 if len(path) > 1 else 3,
            )
            if len(path) > 1:
                end = path.iloc[-1]
                ax.annotate(
                    f"{end['weight']:g}",
                    (end["leakage"], end["uar"]),
                    xytext=(-5, 5),
                    textcoords="offset points",
                    horizontalalignment="right",
                    color=style["color"],
                )
        ax.axvline(self.chance, color=GREY, linestyle="--", linewidth=1)
        ax.set_xlim(left=0)
        ax.set_xlabel(
            f"Speaker leakage: balanced accuracy of the {self.probe} probe\n"
            f"(dashed: chance, {self.chance:.2f}; number: largest adversary weight;\n"
            "bars: standard deviation over seeds)"
        )
        ax.set_ylabel("Unweighted average recall")
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        despine(ax)
        ax.figure.legend(loc="outside right center", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class SpeakerRecallDisplay:
    """Whom an estimator understands, and whom it does not: recall by speaker.

    Use :meth:`from_predictions` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    recall : Series of shape (n_speakers,)
        Unweighted average recall of each speaker.

    n_samples : Series of shape (n_speakers,)
        Number of their utterances.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from advser.plots import SpeakerRecallDisplay
    >>> display = SpeakerRecallDisplay.from_predictions(
    ...     ["joy", "joy", "fear", "joy"],
    ...     ["joy", "fear", "fear", "joy"],
    ...     ["ann", "ann", "ann", "bob"],
    ...     ax=Figure().add_subplot(),
    ... )
    >>> display.recall.to_dict()
    {'ann': 0.75, 'bob': 1.0}
    """

    def __init__(self, recall, n_samples):
        self.recall = recall
        self.n_samples = n_samples

    @classmethod
    def from_predictions(cls, y_true, y_pred, speakers, *, ax=None):
        """Draw the recall of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True emotions.

        y_pred : array-like of shape (n_samples,)
            Predicted emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : SpeakerRecallDisplay
        """
        recall = speaker_uar(y_true, y_pred, speakers=speakers)
        speakers = check_labels(speakers, "speakers", len(y_true), rows_of="y_true")
        n_samples = pd.Series(speakers).value_counts().loc[recall.index]
        return cls(recall, n_samples).plot(ax)

    @classmethod
    def from_estimator(cls, estimator, X, y, speakers, *, ax=None):
        """Draw the recall of a fitted estimator, best on speakers new to it.

        Parameters
        ----------
        estimator : classifier
            Fitted.

        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            True emotions.

        speakers : array-like of shape (n_samples,)
            Speaker of each row, passed on to the estimator if it requests them.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : SpeakerRecallDisplay
        """
        predicted = call(estimator, "predict", X, speakers=speakers)
        return cls.from_predictions(y, predicted, speakers, ax=ax)

    def plot(self, ax=None):
        """Draw it: a mark per speaker, the worst at the bottom.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : SpeakerRecallDisplay
        """
        recall = self.recall.sort_values(kind="stable")
        n_speakers = len(recall)
        if ax is None:
            height = min(9.0, 1.6 + 0.22 * n_speakers)
            ax = subplots("SpeakerRecallDisplay", size=(6.4, height))
        ax.hlines(range(n_speakers), 0, recall, color="0.85", linewidth=1)
        ax.plot(recall, range(n_speakers), "o", color=BLUE, markersize=6)
        ax.axvline(recall.mean(), color=GREY, linestyle="--", linewidth=1)
        shown = range(0, n_speakers, -(-n_speakers // MOST_TICKS))
        names = [
            f"{recall.index[i]} ({self.n_samples[recall.index[i]]})" for i in shown
        ]
        ax.set_yticks(shown, names, fontsize=8 if n_speakers > 20 else None)
        ax.set_ylabel("Speaker (number of utterances)")
        ax.set_xlim(0, 1.02)
        mean = f"(dashed: mean over speakers, {recall.mean():.2f})"
        ax.set_xlabel(f"Unweighted average recall\n{mean}")
        ax.grid(axis="x", color="0.92")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        despine(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


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

        Where there are validation speakers, their recall is the thick line.

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
        if "valid_uar" in self.history:
            ax.plot(
                epochs,
                self.history["valid_uar"],
                color="black",
                linewidth=2.5,
                label="validation UAR",
            )
        ax.axhline(0, color="0.85", linewidth=1, zorder=0)
        ax.set_xlabel("Epoch")
        ax.set_ylabel("Term of the loss (mean over the epoch)")
        despine(ax)
        ax.figure.legend(loc="outside right center", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class IntervalDisplay:
    """Recall of several estimators, with its confidence interval over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        One row per estimator: `transductive`, `uar`, `uar_low`, `uar_high`.

    confidence_level : float
        That of the intervals.

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
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import compare
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> comparison = compare({"Bayes": GaussianNB()}, X, y, speakers, probes=())
    >>> from advser.plots import IntervalDisplay
    >>> ax = Figure().add_subplot()
    >>> display = IntervalDisplay.from_comparison(comparison, ax=ax)
    >>> display.figure_.savefig("intervals.png")  # doctest: +SKIP
    """

    def __init__(self, summary, confidence_level):
        self.summary = summary
        self.confidence_level = confidence_level

    @classmethod
    def from_comparison(cls, comparison, *, confidence_level=0.95, ax=None):
        """Draw the unweighted average recall of each estimator that has finished.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        confidence_level : float, default=0.95
            Probability that an interval covers the recall on other speakers.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : IntervalDisplay
        """
        summary = comparison.summary(confidence_level).dropna(subset="uar")
        return cls(summary, confidence_level).plot(ax)

    def plot(self, ax=None):
        """Draw it: a mark for the recall, a bar for the interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : IntervalDisplay
        """
        ax = subplots("IntervalDisplay") if ax is None else ax
        table = self.summary.rename(columns={"uar_low": "low", "uar_high": "high"})
        draw_intervals(ax, table, "uar")
        ax.set_yticks(range(len(table)), table.index)
        ax.set_xlabel(
            "Unweighted average recall "
            f"({self.confidence_level:.0%} interval over speakers)"
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self


class DifferenceDisplay:
    """Differences between pairs of estimators, with their intervals over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    differences : DataFrame
        What :meth:`Comparison.pairwise() <advser.evaluation.Comparison.pairwise>`
        returns.

    confidence_level : float
        That of the intervals.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure containing it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import compare
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> models = {"Bayes": GaussianNB(), "one": DummyClassifier(random_state=0)}
    >>> comparison = compare(models, X, y, speakers, probes=())
    >>> from advser.plots import DifferenceDisplay
    >>> ax = Figure().add_subplot()
    >>> display = DifferenceDisplay.from_comparison(comparison, ax=ax)
    >>> display.figure_.savefig("differences.png")  # doctest: +SKIP
    """

    def __init__(self, differences, confidence_level):
        self.differences = differences
        self.confidence_level = confidence_level

    @classmethod
    def from_comparison(
        cls, comparison, *, baseline=None, confidence_level=0.95, ax=None
    ):
        """Draw the differences between all pairs, or those to a baseline.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        baseline : str or sequence of str, default=None
            Estimators to compare the others with; None for all pairs.

        confidence_level : float, default=0.95
            Probability that an interval covers the difference on other speakers.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : DifferenceDisplay
        """
        table = comparison.pairwise(baseline, confidence_level=confidence_level)
        return cls(table, confidence_level).plot(ax)

    def plot(self, ax=None):
        """Draw it: a mark for the difference, a bar for the interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : DifferenceDisplay
        """
        ax = subplots("DifferenceDisplay") if ax is None else ax
        table = self.differences
        draw_intervals(ax, table, "points")
        ax.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
        names = [
            f"{row.estimator} − {row.other} (p = {row.p_holm:.3f})"
            for row in table.itertuples()
        ]
        ax.set_yticks(range(len(table)), names)
        ax.set_xlabel(
            "Difference in unweighted average recall, points\n"
            f"({self.confidence_level:.0%} interval over speakers; p corrected by Holm)"
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self


def draw_intervals(ax, table, column):
    """Draw a value and its interval for each row, hollow if it is transductive."""
    for height, row in enumerate(table.to_dict("records")):
        color = VERMILION if row["transductive"] else BLUE
        ax.plot([row["low"], row["high"]], [height] * 2, color=color, linewidth=1.5)
        ax.plot(
            row[column],
            height,
            linestyle="none",
            color=color,
            marker="D" if row["transductive"] else "o",
            markerfacecolor="white" if row["transductive"] else color,
            markersize=7,
            markeredgewidth=1.5,
        )
    for transductive in sorted(set(table["transductive"])):
        color = VERMILION if transductive else BLUE
        ax.plot(
            [],
            [],
            color=color,
            marker="D" if transductive else "o",
            markerfacecolor="white" if transductive else color,
            markersize=7,
            markeredgewidth=1.5,
            label=KNOWLEDGE[transductive],
        )
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    despine(ax)
    ax.figure.legend(loc="outside upper left", frameon=False)


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
        )
        ax.set(
            xlim=ends,
            ylim=ends,
            aspect="equal",
            xlabel=f"Rated {self.name}",
            ylabel=f"Predicted {self.name}",
        )
        found = concordance_correlation(self.y_true, self.y_pred)
        ax.set_title(f"CCC {found:.2f}", fontsize="medium")
        despine(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
