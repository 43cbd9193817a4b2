"""Figures of a comparison: recall, leakage and differences of several estimators."""

import numpy as np
import pandas as pd

from .._routing import call
from .._validation import check_labels
from ..evaluation._compare import RAW_FEATURES
from ..metrics import speaker_uar
from ._style import (
    BLUE,
    GREY,
    KNOWLEDGE,
    MEASURES,
    MOST_TICKS,
    VERMILION,
    despine,
    styles,
    subplots,
)

__all__ = [
    "ComparisonDisplay",
    "DifferenceDisplay",
    "IntervalDisplay",
    "LeakageDisplay",
    "SpeakerRecallDisplay",
    "WeightDisplay",
]


class ComparisonDisplay:
    """Score of several estimators, with its spread over seeds and over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per estimator and seed: `estimator`, `row`, `transductive`, and the
        score.

    speakers : DataFrame of shape (n_speakers, n_estimators)
        Score of each test speaker.

    measure : {"uar", "ccc"}, default="uar"
        The score, recall of emotions or concordance of ratings, and its column.

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

    def __init__(self, results, speakers, measure="uar"):
        self.results = results
        self.speakers = speakers
        self.measure = measure

    @classmethod
    def from_comparison(cls, comparison, *, rows=None, ax=None):
        """Draw the score of each estimator.

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
        results = by_row(comparison, rows)
        return cls(results, comparison.by_speaker(), comparison.measure).plot(ax)

    def plot(self, ax=None):
        """Draw it.

        A large mark stands for the mean over seeds of the score pooled over folds, its
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
                seeds[self.measure].mean(),
                height,
                xerr=seeds[self.measure].std() if len(seeds) > 1 else None,
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
            f"{MEASURES[self.measure]} (mean over seeds ± standard deviation)"
        )
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        despine(ax)
        ax.figure.legend(loc="outside upper left", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class IntervalDisplay:
    """Score of several estimators, with its confidence interval over speakers.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    summary : DataFrame
        One row per estimator: `transductive`, `uar`, `uar_low`, `uar_high`, or those of
        another measure.

    confidence_level : float
        That of the intervals.

    measure : {"uar", "ccc"}, default="uar"
        The score, recall of emotions or concordance of ratings.

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

    def __init__(self, summary, confidence_level, measure="uar"):
        self.summary = summary
        self.confidence_level = confidence_level
        self.measure = measure

    @classmethod
    def from_comparison(cls, comparison, *, confidence_level=0.95, ax=None):
        """Draw the score of each estimator that has finished.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        confidence_level : float, default=0.95
            Probability that an interval covers the score on other speakers.

        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : IntervalDisplay
        """
        measure = comparison.measure
        summary = comparison.summary(confidence_level).dropna(subset=measure)
        return cls(summary, confidence_level, measure).plot(ax)

    def plot(self, ax=None):
        """Draw it: a mark for the score, a bar for the interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, those of a new figure.

        Returns
        -------
        display : IntervalDisplay
        """
        ax = subplots("IntervalDisplay") if ax is None else ax
        ends = {f"{self.measure}_{end}": end for end in ("low", "high")}
        table = self.summary.rename(columns=ends)
        draw_intervals(ax, table, self.measure)
        ax.set_yticks(range(len(table)), table.index)
        ax.set_xlabel(
            f"{MEASURES[self.measure]}\n"
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
        is_recall = "points" in table
        draw_intervals(ax, table, "points" if is_recall else "difference")
        ax.axvline(0, color=GREY, linestyle="--", linewidth=1, zorder=0)
        names = [
            f"{row.estimator} − {row.other} (p = {row.p_holm:.3f})"
            for row in table.itertuples()
        ]
        ax.set_yticks(range(len(table)), names)
        of = "unweighted average recall, points" if is_recall else "concordance"
        ax.set_xlabel(
            f"Difference in {of}\n"
            f"({self.confidence_level:.0%} interval over speakers; p corrected by Holm)"
        )
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
            height = min(9.0, 2.0 + 0.22 * n_speakers)
            ax = subplots("SpeakerRecallDisplay", size=(6.4, height))
        ax.hlines(range(n_speakers), 0, recall, color="0.85", linewidth=1)
        ax.plot(recall, range(n_speakers), "o", color=BLUE, markersize=6)
        ax.axvline(recall.mean(), color=GREY, linestyle="--", linewidth=1)
        shown = range(0, n_speakers, -(-n_speakers // MOST_TICKS))
        names = [
            f"{recall.index[i]} ({self.n_samples[recall.index[i]]})" for i in shown
        ]
        ax.set_yticks(shown, names, fontsize=8 if n_speakers > 20 else None)
        ax.set_ylabel("Speaker (utterances)")
        ax.set_ylim(-0.5, n_speakers - 0.5)
        ax.set_xlim(0, 1.02)
        mean = f"(dashed: mean over speakers, {recall.mean():.2f})"
        ax.set_xlabel(f"Unweighted average recall\n{mean}")
        ax.grid(axis="x", color="0.92")
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        despine(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LeakageDisplay:
    """What estimators know of the speaker, against what they know of the emotion.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per estimator and seed: `estimator`, `row`, `transductive`, `leakage`
        and the score.

    chance : float
        Leakage of a representation that knows no speaker.

    probe : str
        Name of the probe.

    asked : str, default="speaker"
        What the probe was asked for.

    raw : float, default=None
        Leakage of the raw features, where it is known.

    measure : {"uar", "ccc"}, default="uar"
        The score, recall of emotions or concordance of ratings, and its column.

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

    def __init__(
        self, results, chance, probe, asked="speaker", raw=None, measure="uar"
    ):
        self.results = results
        self.chance = chance
        self.probe = probe
        self.asked = asked
        self.raw = raw
        self.measure = measure

    @classmethod
    def from_comparison(
        cls, comparison, *, probe="logistic", asked="speaker", rows=None, ax=None
    ):
        """Draw the leakage of each estimator against its score.

        Parameters
        ----------
        comparison : Comparison
            What :func:`advser.evaluation.compare` returns.

        probe : str, default="logistic"
            The probe that judges.

        asked : str, default="speaker"
            What it is asked for: "speaker", "speaker within emotion" or "gender".

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
            If the comparison was made without this probe, or did not ask it for this.
        """
        leakage, chance, raw = probed(comparison, probe, asked)
        results = by_row(comparison, rows)
        results = results.join(leakage, on=["estimator", "seed"])
        return cls(results, chance, probe, asked, raw, comparison.measure).plot(ax)

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
                seeds[self.measure].mean(),
                xerr=seeds["leakage"].std() if len(seeds) > 1 else None,
                yerr=seeds[self.measure].std() if len(seeds) > 1 else None,
                **style[row],
                markerfacecolor="white" if transductive else style[row]["color"],
                markersize=8,
                markeredgewidth=1.5,
                elinewidth=1,
            )
        draw_levels(ax, self, "bars: standard deviation over seeds")
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


class WeightDisplay:
    """Where the weight of the adversary leads: leakage against recall along it.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per game and weight: `game`, `weight`, `score`, `leakage`, and
        `score_std` and `leakage_std` over seeds. A game with a single weight is a mark.

    chance : float
        Leakage of a representation that knows no speaker.

    probe : str
        Name of the probe.

    asked : str, default="speaker"
        What the probe was asked for.

    raw : float, default=None
        Leakage of the raw features, where it is known.

    measure : {"uar", "ccc"}, default="uar"
        The score, recall of emotions or concordance of ratings.

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

    def __init__(
        self, results, chance, probe, asked="speaker", raw=None, measure="uar"
    ):
        self.results = results
        self.chance = chance
        self.probe = probe
        self.asked = asked
        self.raw = raw
        self.measure = measure

    @classmethod
    def from_comparison(
        cls, comparison, games, *, probe="logistic", asked="speaker", ax=None
    ):
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

        asked : str, default="speaker"
            What it is asked for: "speaker", "speaker within emotion" or "gender".

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
        leakage, chance, raw = probed(comparison, probe, asked)
        table, measure = comparison.by_seed().join(leakage), comparison.measure
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
                        "score": seeds[measure].mean(),
                        "score_std": seeds[measure].std(),
                        "leakage": seeds["leakage"].mean(),
                        "leakage_std": seeds["leakage"].std(),
                    }
                )
        return cls(pd.DataFrame(rows), chance, probe, asked, raw, measure).plot(ax)

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
        from matplotlib.patheffects import withStroke

        games = self.results.groupby("game", sort=False)
        for (game, path), style in zip(games, styles(games.groups).values()):
            path = path.sort_values("weight")
            ax.errorbar(
                path["leakage"].to_numpy(),
                path["score"].to_numpy(),
                xerr=path["leakage_std"].fillna(0),
                yerr=path["score_std"].fillna(0),
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
                    (end["leakage"], end["score"]),
                    xytext=(-5, 5),
                    textcoords="offset points",
                    horizontalalignment="right",
                    color=style["color"],
                    path_effects=[withStroke(linewidth=3, foreground="white")],
                    zorder=5,
                )
        draw_levels(
            ax,
            self,
            "number: largest weight; bars: standard deviation over seeds",
        )
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        despine(ax)
        ax.figure.legend(loc="outside right center", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def by_row(comparison, rows):
    """Return the results of each seed, with the row that its estimator belongs to."""
    transductive = comparison.scores.groupby("estimator")["transductive"].first()
    table = comparison.by_seed().reset_index()
    table["transductive"] = table["estimator"].map(transductive)
    table["row"] = [(rows or {}).get(name, name) for name in table["estimator"]]
    return table


def probed(comparison, probe, asked):
    """Return the leakage by estimator and seed, chance, and that of raw features."""
    found = comparison.leakage
    rows = found[(found["probe"] == probe) & (found["asked"] == asked)]
    if rows.empty:
        probes, questions = (list(found[name].unique()) for name in ("probe", "asked"))
        raise ValueError(
            f"`probe` is {probe!r} and `asked` {asked!r}; the comparison was made with "
            f"{probes}, asked for {questions}."
        )
    leakage = rows.set_index(["estimator", "seed"])["accuracy"].rename("leakage")
    raw = rows["accuracy"][rows["estimator"] == RAW_FEATURES]
    return leakage, rows["chance"].iloc[0], raw.mean() if len(raw) else None


def draw_levels(ax, display, legend):
    """Draw chance and the raw features, and label the axes."""
    ax.axvline(display.chance, color=GREY, linestyle="--", linewidth=1)
    levels = f"dashed: chance, {display.chance:.2f}"
    if display.raw is not None:
        ax.axvline(display.raw, color=GREY, linestyle=":", linewidth=1.5)
        levels += f"; dotted: raw features, {display.raw:.2f}"
    ax.set_xlim(left=0)
    kind = "Gender leakage" if display.asked == "gender" else "Speaker leakage"
    within = " within each emotion" if "within" in display.asked else ""
    ax.set_xlabel(
        f"{kind}{within}\n(balanced accuracy of the {display.probe} probe;\n"
        f"{levels};\n{legend})"
    )
    ax.set_ylabel(MEASURES[display.measure])


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
