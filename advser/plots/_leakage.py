"""Figures of the speaker leakage against the score."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Self

import pandas as pd

from .._validation._parameters import Number, check_parameter
from ..evaluation import Comparison
from ._base import (
    GREY,
    MEASURES,
    WIDTH,
    Display,
    OptionalAxes,
    add_grid,
    background_color,
    by_name,
    height_below,
    knowledge_handles,
    legend_above,
    mark_style,
    numbers_of,
    style_of,
    wrapped,
)
from ._scores import with_looks

BARS = ";\nbars: standard deviation over seeds"


@dataclass(eq=False, repr=False)
class ProbedDisplay(Display):
    """Base class of the displays whose axes are the leakage and the score."""

    results: pd.DataFrame
    chance: float
    probe: str
    asked: str = "speaker"
    raw: float | None = None
    measure: str = "uar"

    def _size(self):
        return WIDTH, height_below(self._names())

    def _finish(self, ax, handles, note):
        """Draw chance and the raw features, and label the axes."""
        label = f"chance, {self.chance:.2f}"
        handles.append(ax.axvline(self.chance, color=GREY, linestyle="--", label=label))
        if self.raw is not None:
            label = f"raw features, {self.raw:.2f}"
            handles.append(ax.axvline(self.raw, color=GREY, linestyle=":", label=label))
        ax.set_xlim(left=0)
        kind = "Gender leakage" if self.asked == "gender" else "Speaker leakage"
        within = " within each emotion" if "within" in self.asked else ""
        ax.set_xlabel(
            f"{kind}{within}\n(balanced accuracy of the {self.probe} probe{note})"
        )
        ax.set_ylabel(MEASURES[self.measure].replace(" (", "\n("))
        add_grid(ax)
        legend_above(ax, handles, n_columns=2)


@dataclass(eq=False, repr=False)
class LeakageDisplay(ProbedDisplay):
    """Leakage of the speaker against the score, a mark per estimator.

    The bars are one standard deviation over seeds. Use :meth:`from_comparison` to make
    one.

    Parameters
    ----------
    results : DataFrame
        Indexed by estimator, with a row for each seed: `leakage`, the score, and
        `kind`, `method` and `number`, which give the fill, the colour and the marker.

    chance : float
        Leakage of an embedding without any information on the speaker.

    probe : str
        Name of the probe.

    asked : str, default="speaker"
        What the probe predicts.

    raw : float, default=None
        Leakage of the raw features, if known.

    measure : {"uar", "ccc"}, default="uar"
        The score, and its column: recall of emotions or concordance of ratings.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from advser import datasets, evaluation, plots
    >>> comparison = evaluation.compare(
    ...     {"Bayes": GaussianNB()},
    ...     *datasets.load_emodb(return_X_y_speakers=True),
    ...     probes=["logistic"],
    ... )
    >>> display = plots.LeakageDisplay.from_comparison(comparison)
    """

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        probe: str = "logistic",
        asked: str = "speaker",
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the leakage of each estimator against its score.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        probe : str, default="logistic"
            The probe.

        asked : str, default="speaker"
            What it predicts: "speaker", "speaker within emotion" or "gender".

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : LeakageDisplay

        Raises
        ------
        ValueError
            If the comparison has no results of this probe for this question.
        """
        leakage, chance, raw = leakage_of(comparison, probe, asked)
        results = comparison.by_seed().join(leakage).reset_index("seed")
        results = with_looks(results.dropna(subset="leakage"), comparison)
        if results.empty:
            raise ValueError(
                f"`comparison` has no estimator with a leakage by the probe {probe!r}: "
                "see its `errors`."
            )
        return cls(results, chance, probe, asked, raw, comparison.measure).plot(ax)

    def _names(self):
        return [*self.results["method"].unique(), *self.results["kind"].unique()]

    def _draw(self, ax):
        for _, seeds in self.results.groupby(level="estimator", sort=False):
            leakage, score = seeds["leakage"], seeds[self.measure]
            row = seeds.iloc[0]
            ax.errorbar(
                leakage.mean(),
                score.mean(),
                xerr=leakage.std() if len(seeds) > 1 else None,
                yerr=score.std() if len(seeds) > 1 else None,
                **mark_style(row["kind"], **style_of(row["number"])),
                elinewidth=1,
            )
        handles = []
        numbers = self.results.groupby("method", sort=False)["number"].first()
        for method, number in numbers.items():
            style = mark_style("inductive", **style_of(number))
            handles += ax.plot([], [], **style, label=wrapped(method))
        handles += knowledge_handles(ax, self.results["kind"], is_short=True)
        several = self.results.groupby(level="estimator").size().max() > 1
        self._finish(ax, handles, BARS if several else "")


@dataclass(eq=False, repr=False)
class WeightDisplay(ProbedDisplay):
    """Leakage against the score along the weight of an objective.

    There is a line per objective, whose largest weight is written beside it; an
    objective with a single weight is a mark. Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    results : DataFrame
        One row per objective and weight: `objective`, `weight`, `score`, `leakage`, and
        `score_std` and `leakage_std` over seeds.

    chance, probe, asked, raw : as in :class:`LeakageDisplay`

    measure : {"uar", "ccc"}, default="uar"
        The score: recall of emotions or concordance of ratings.

    Examples
    --------
    >>> from advser import AdversarialSER, datasets, evaluation, plots
    >>> from advser.objectives import GradientReversal
    >>> models = {
    ...     f"grl {weight}": AdversarialSER(GradientReversal(weight), max_epochs=1)
    ...     for weight in (0.1, 1.0)
    ... }
    >>> emodb = datasets.load_emodb(return_X_y_speakers=True)
    >>> comparison = evaluation.compare(models, *emodb, seeds=1, probes=["logistic"])
    >>> display = plots.WeightDisplay.from_comparison(
    ...     comparison,
    ...     {"gradient reversal": {weight: f"grl {weight}" for weight in (0.1, 1.0)}},
    ... )
    """

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        objectives: Mapping[str, Mapping[float, str]],
        *,
        probe: str = "logistic",
        asked: str = "speaker",
        ax: OptionalAxes = None,
    ) -> Self:
        """Draw the estimators of a comparison that differ in their weight.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`advser.evaluation.compare`.

        objectives : dict of str to dict of float to str
            For each objective the name of its estimator by weight; for a single one,
            such as the network without adversary, ``{0: name}``.

        probe, asked : str
            As in :meth:`LeakageDisplay.from_comparison`.

        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : WeightDisplay

        Raises
        ------
        ValueError
            If the comparison has no such estimator, or no results of the probe.
        """
        leakage, chance, raw = leakage_of(comparison, probe, asked)
        table, measure = comparison.by_seed().join(leakage), comparison.measure
        table = table.dropna(subset="leakage")
        known = list(table.index.unique("estimator"))
        rows = []
        check_parameter(objectives, "objectives", Mapping)
        for objective, estimators in by_name(objectives, "objectives").items():
            here = f"objectives[{objective!r}]"
            check_parameter(estimators, here, Mapping)
            for weight, name in by_name(estimators, here).items():
                check_parameter(weight, f"weight in {here}", Number(Real, None))
                if name not in known:
                    raise ValueError(
                        f"`objectives` names {name!r}, and the comparison has results "
                        f"of {known}."
                    )
                found = table.loc[name, [measure, "leakage"]]
                rows.append((objective, weight, *found.mean(), *found.std()))
        columns = ["objective", "weight", "score", "leakage"]
        results = pd.DataFrame(rows, columns=[*columns, "score_std", "leakage_std"])
        return cls(results, chance, probe, asked, raw, measure).plot(ax)

    def _names(self):
        return self.results["objective"].unique()

    def _draw(self, ax):
        from matplotlib.patheffects import withStroke

        halo = withStroke(linewidth=3, foreground=background_color())
        handles, lines = [], self.results.groupby("objective", sort=False)
        numbers = numbers_of(self.results["objective"])
        for objective, line in lines:
            line = line.sort_values("weight")
            handle = ax.errorbar(
                line["leakage"].to_numpy(),
                line["score"].to_numpy(),
                xerr=line["leakage_std"].fillna(0),
                yerr=line["score_std"].fillna(0),
                **style_of(numbers[objective]),
                label=wrapped(objective),
                markersize=7,
                elinewidth=0.6,
                zorder=2 if len(line) > 1 else 3,
            )
            handles.append(handle)
            if len(line) > 1:
                end = line.iloc[-1]
                ax.annotate(
                    f"{end['weight']:g}",
                    (end["leakage"], end["score"]),
                    xytext=(-5, 5),
                    textcoords="offset points",
                    horizontalalignment="right",
                    path_effects=[halo],
                    zorder=5,
                )
        bars = BARS if self.results["score_std"].notna().any() else ""
        self._finish(ax, handles, f";\nnumber: largest weight{bars}")


def leakage_of(comparison, probe, asked):
    """Return the leakage by estimator and seed, chance, and that of raw features."""
    check_parameter(comparison, "comparison", Comparison)
    check_parameter(probe, "probe", str)
    check_parameter(asked, "asked", str)
    found = comparison.leakage
    rows = found[(found["probe"] == probe) & (found["asked"] == asked)]
    if rows.empty:
        probes, questions = (list(found[name].unique()) for name in ("probe", "asked"))
        raise ValueError(
            f"`probe` is {probe!r} and `asked` {asked!r}; the comparison has "
            f"{probes} for {questions}."
        )
    leakage = rows.set_index(["estimator", "seed"])["accuracy"].rename("leakage")
    is_raw = ~rows["estimator"].isin(comparison.settings["estimators"])
    raw = rows["accuracy"][is_raw]
    return leakage, rows["chance"].iloc[0], raw.mean() if len(raw) else None
