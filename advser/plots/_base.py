"""What all figures share: the base class, colours, marks, axes and legends.

The ten colours are those of Petroff (2021), arXiv:2107.02270, which colour-blind
readers can distinguish; markers repeat the distinction for print. The methods of
`advser benchmark` have the same colour and marker everywhere, other methods in all
figures of a comparison. matplotlib is imported at the first drawing.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from itertools import count
from textwrap import fill
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.utils.multiclass import unique_labels

from .._validation._parameters import check_parameter
from .._validation._paths import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

OptionalAxes: TypeAlias = "Axes | None"
COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59"),
    *("#e76300", "#92dadd", "#b9ac70", "#717581", "#94a4a2"),
)
BLUE, ORANGE, RED, GREY = *COLORS[:3], "0.55"
MARKERS = ("o", "s", "^", "D", "v")
NUMBERS = {
    "adversary in closed form": 0,
    "gradient reversal": 1,
    "maximum entropy": 2,
    "linear SVM": 3,
    "linear SVR": 3,  # for ratings, and so never beside the SVM
    "logistic regression": 4,
    "ridge regression": 4,
    "no adversary": 5,
    "autoencoder, speaker as task": 6,
    "siamese network": 7,
    "scikit-learn's MLP": 8,
    "mean of the training ratings": 9,
    "risk extrapolation": 10,
    "correlation alignment": 11,
    "maximum mean discrepancy": 12,
    "group DRO": 13,
}  # for `style_of`, by method of `advser benchmark`
WIDTH = 6.4  # inches; the text of a wider figure is too small on a phone
LONGEST = 32  # characters in a line of a name
MOST_TICKS = 80  # names beside each other that remain readable
MEASURES = {
    "uar": "Unweighted average recall (UAR)",
    "ccc": "Concordance correlation coefficient (CCC)",
}  # by `advser.evaluation.Comparison.measure`
KNOWLEDGE = {
    "inductive": "uses no data of the test speaker",
    "adaptive": "uses the test speaker's utterances so far, unlabelled",
    "transductive": "uses all of the test speaker's utterances, unlabelled",
}  # by kind of score; there are three kinds of adaptive ones
HEADINGS = {
    "inductive": "inductive",
    "adaptive, random": "adaptive, random order",
    "adaptive, blocks": "adaptive, blocks of ten",
    "adaptive, emotions": "adaptive, one block per emotion",
    "transductive": "transductive",
}  # of the rows of a kind
FILLS = {
    "adaptive": "left",
    "adaptive, random": "left",
    "adaptive, blocks": "bottom",
    "adaptive, emotions": "top",
}  # halves of a mark that are full, by kind


class Display:
    """Base class of the displays that draw on one pair of axes."""

    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def plot(self, ax: OptionalAxes = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        self : object
            Its `ax_` are the axes and its `figure_` is the figure.
        """
        ax = new_axes(type(self).__name__, size=self._size()) if ax is None else ax
        check_figure(ax, "ax")
        self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _size(self):
        """Return width and height of a new figure in inches."""
        return WIDTH, 4.2

    def _draw(self, ax):
        raise NotImplementedError


def require_matplotlib(caller):
    """Raise an ImportError that names what to install, if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed; add it by "
            "`pip install 'advser[plots]'`."
        )


def by_name(values, name):
    """Return a dict of at least one value; a single value has no name."""
    values = values if isinstance(values, Mapping) else {"": values}
    if not values:
        raise ValueError(f"`{name}` has 0 entries; pass at least one.")
    return values


def check_figure(value, name):
    """Raise a ValueError unless this is a figure, or axes for the name "ax"."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    kinds = [Axes] if name == "ax" else [Figure, SubFigure]
    check_parameter(value, name, *kinds)


def new_axes(caller, n_axes=1, size=(WIDTH, 4.2)):
    """Return the axes of a new pyplot figure, of a size in inches."""
    require_matplotlib(caller)
    from matplotlib import pyplot

    return pyplot.subplots(1, n_axes, figsize=size, layout="constrained")[1]


def new_figure(width=WIDTH, height=4.2, layout="constrained"):
    """Return an empty figure, of a size in inches, that pyplot does not manage."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def fit_figure(display: Display) -> "Figure":
    """Return the figure of a display, of the size that has room for all."""
    figure: Any = display.ax_.figure
    figure.set_size_inches(*display._size())
    return figure


def new_panels(figure, n_panels, n_columns, size, **options):
    """Return a figure and the axes of its panels, in rows of `n_columns`.

    Parameters
    ----------
    figure : matplotlib Figure or SubFigure, or None
        An empty figure; None for a new one of pyplot.

    n_panels, n_columns : int

    size : tuple of float
        Of a new figure: width and height of a panel, and what is around all of them, in
        inches, as (width, height, more width, more height).

    **options
        Those of matplotlib's ``subplots``.
    """
    n_rows = -(-n_panels // n_columns)
    if figure is None:
        from matplotlib import pyplot

        width, height, more_width, more_height = size
        size = width * n_columns + more_width, height * n_rows + more_height
        figure = pyplot.figure(figsize=size, layout="constrained")
    check_figure(figure, "figure")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **options).ravel()
    for ax in axes[n_panels:]:
        ax.set_visible(False)
    return figure, axes[:n_panels]


def plain(name):
    """Return a name as a text of a figure, in which a dollar begins no formula.

    matplotlib leaves labels with an underscore in front out of legends.
    """
    lines = map(printable, str(name).split("\n"))
    text = "\n".join(lines).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def wrapped(name):
    """Return a name as a text of a figure, in lines if it is long."""
    lines = str(name).replace("_", "_ ").split("\n")  # broken after an underscore, too
    return plain("\n".join(fill(line, LONGEST) for line in lines).replace("_ ", "_"))


def p_text(p_value):
    """Return a p-value as text, which is never zero."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def style_of(number):
    """Return the colour and the marker of a number; 50 of them differ."""
    tens, color = divmod(number, len(COLORS))
    return {
        "color": COLORS[color],
        "marker": MARKERS[(number + tens) % len(MARKERS)],
    }


def styles(names):
    """Return a colour and a marker for each name."""
    return {name: style_of(number) for number, name in enumerate(names)}


def numbers_of(methods):
    """Return a number for each method: that in `NUMBERS`, or the next one left."""
    known = {method: NUMBERS[method] for method in methods if method in NUMBERS}
    others = dict.fromkeys(method for method in methods if method not in known)
    left = (number for number in count() if number not in known.values())
    return known | dict(zip(others, left))


def styles_by_method(names):
    """Return a colour and a marker; "SVM" and "SVM, adaptive" have one colour."""
    methods = [
        min([o for o in names if f"{name}, ".startswith(f"{o}, ")], key=len)
        for name in names
    ]
    colors = pd.Series(methods).map(numbers_of(methods)) % len(COLORS)
    markers = (colors + colors.groupby(colors).cumcount()) % len(MARKERS)
    return {
        name: {"color": COLORS[color], "marker": MARKERS[marker]}
        for name, color, marker in zip(names, colors, markers)
    }


def looks(kinds):
    """Return how the estimators of a comparison look, the same in all figures of it.

    Estimators of several kinds whose names begin alike, such as "SVM" and "SVM, per
    speaker", are one method: they share its colour, and its name if its kind is known.

    Parameters
    ----------
    kinds : Series of str
        Kind of score by estimator, of :meth:`Comparison.kinds`.

    Returns
    -------
    looks : DataFrame
        Indexed by estimator: `kind`, `method`, `number` (of the method, for
        `style_of`), `label` (the name that is unique within the kind).
    """
    methods = {}
    for name, kind in kinds.items():
        base = str(name).removesuffix(f", {kind.rpartition(', ')[2]}")  # of an order
        starts = [
            str(other)
            for other in kinds.index
            if f"{base}, ".startswith(f"{other}, ") and kinds[other] != kind
        ]
        methods[name] = min([base, *starts], key=len)
    table = pd.DataFrame({"kind": kinds, "method": pd.Series(methods)}, kinds.index)
    table["number"] = table["method"].map(numbers_of(table["method"]))
    is_unique = ~table.duplicated(["kind", "method"], keep=False)
    table["label"] = table["method"].where(is_unique, table.index)
    return table


def mark_style(kind, color=GREY, marker="o"):
    """Return the style of a mark: full, half full if adaptive, hollow if transductive.

    Parameters
    ----------
    kind : str
        Kind of score.

    color, marker : str
    """
    return {
        "color": color,
        "marker": marker,
        "fillstyle": FILLS.get(kind, "full"),
        "markerfacecolor": background_color() if kind == "transductive" else color,
        "markerfacecoloralt": background_color(),
        "markersize": 7,
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }


def knowledge_handles(ax, kinds, *, is_short=False):
    """Return a legend entry for each kind of mark that is used."""
    used = {*kinds, *(kind.partition(",")[0] for kind in kinds)}
    labels = {kind: f"{kind}: {text}" for kind, text in KNOWLEDGE.items()}
    labels = HEADINGS if is_short else labels  # with the order of adaptive methods
    return [
        ax.plot([], [], **mark_style(kind), label=label)[0]
        for kind, label in labels.items()
        if kind in used
    ]


def legend_above(ax, handles=None, n_columns=1, **options):
    """Draw a legend above the axes, where it covers no data."""
    options = {"loc": "lower right", "bbox_to_anchor": (1, 1)} | options
    options |= {"frameon": False, "ncols": n_columns, "columnspacing": 1.0}
    return ax.legend(handles=handles, **options)


def height_of(names, kinds=(), least=2.4):
    """Return the height in inches of a figure with a row for each name and kind."""
    n_rows = len(names) + len(set(kinds)) * (len(set(kinds)) > 1)
    n_lines = max(1 + wrapped(name).count("\n") for name in names)
    return least + n_rows * (0.07 + 0.15 * n_lines)


def height_below(names):
    """Return the height in inches of a figure with a legend of names above its axes."""
    n_more = sum(wrapped(name).count("\n") for name in names)
    return 4.2 + 0.11 * len(names) + 0.17 * n_more


def text_color():
    """Return the colour of text, white in a dark style."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def background_color():
    """Return the colour behind the data."""
    from matplotlib import rcParams

    return rcParams["axes.facecolor"]


def despine(ax):
    """Remove the upper and the right edge of a plot."""
    ax.spines[["top", "right"]].set_visible(False)


def add_grid(ax, axis="both"):
    """Draw grid lines behind the data, and no upper and right edge."""
    ax.grid(axis=axis, color=text_color(), alpha=0.1)
    ax.set_axisbelow(True)
    despine(ax)


def readable(n_names):
    """Return the positions of the names to write, so that they do not overlap."""
    return range(0, n_names, -(-n_names // MOST_TICKS))


def small_if_many(n_names):
    """Return the font size of so many names beside each other."""
    return 8 if n_names > 20 else None


def label_rows(ax, names, bold=(), shown=None):
    """Write the name of each row beside it, the first on top; some of them bold.

    `shown` are the positions of the names to write, by default all.
    """
    shown = range(len(names)) if shown is None else shown
    texts = [wrapped(names[i]) for i in shown]
    ax.set_yticks(shown, texts, fontsize=small_if_many(len(names)))
    for number, label in zip(shown, ax.get_yticklabels()):
        label.set_fontweight("bold" if number in bold else "normal")
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    add_grid(ax, "x")


def label_blocks(ax, kinds, names):
    """Write the names of rows in a block for each kind of score.

    Parameters
    ----------
    ax : matplotlib Axes
    kinds : sequence of str
        Kind of each row.
    names : sequence of str

    Returns
    -------
    heights : list of int
        Where each row is.
    """
    used = [kind for kind in HEADINGS if kind in set(kinds)]
    heights, labels, bold = {}, [], []
    for kind in used:
        if len(used) > 1:
            bold.append(len(labels))
            labels.append(HEADINGS[kind])
        for row, of_row in enumerate(kinds):
            if of_row == kind:
                heights[row] = len(labels)
                labels.append(names[row])
    label_rows(ax, labels, bold)
    return [heights[row] for row in range(len(names))]


def draw_confusion_matrix(y_true, y_pred, title, ax):
    """Draw the confusion matrix of emotions, each row as shares."""
    ConfusionMatrixDisplay.from_predictions(
        y_true,
        y_pred,
        display_labels=[plain(label) for label in unique_labels(y_true, y_pred)],
        normalize="true",
        values_format=".2f",
        xticks_rotation=45,
        cmap="Blues",
        im_kw={"vmin": 0, "vmax": 1},
        colorbar=False,
        ax=ax,
    )
    ax.set(xlabel="Predicted emotion", ylabel="True emotion (rows sum to 1)")
    ax.set_title(wrapped(title), fontsize="medium")
