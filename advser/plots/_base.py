"""What all figures share: the base class, colours, marks, axes and legends.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish;
markers repeat the distinction for print. matplotlib is imported at the first drawing.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Self, TypeAlias

from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.utils.multiclass import unique_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "GREY",
    "MEASURES",
    "VERMILION",
    "Display",
    "OptionalAxes",
    "add_grid",
    "despine",
    "draw_confusion_matrix",
    "knowledge_handles",
    "label_blocks",
    "label_rows",
    "mark_style",
    "new_axes",
    "new_figure",
    "plain",
    "readable",
    "require_matplotlib",
    "small_if_many",
    "styles",
]

OptionalAxes: TypeAlias = "Axes | None"
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.55"
COLORS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
MOST_TICKS = 50  # names beside each other that remain readable
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
    "adaptive, blocks": "adaptive, blocks of ten of one emotion",
    "adaptive, emotions": "adaptive, one block per emotion",
    "transductive": "transductive",
}  # of the rows of a kind
MARKS = {"inductive": (BLUE, "o"), "transductive": (VERMILION, "D")}


class Display:
    """Base class of the displays that draw on one pair of axes."""

    def plot(self, ax: OptionalAxes = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, default: those of a new figure

        Returns
        -------
        display : object
            This display. Its `ax_` are the axes and its `figure_` is the figure.
        """
        ax = new_axes(type(self).__name__, size=self._size()) if ax is None else ax
        self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _size(self):
        """Return width and height of a new figure in inches; None for the usual."""

    def _draw(self, ax):
        raise NotImplementedError


def require_matplotlib(caller):
    """Raise an ImportError that names what to install, if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed; add it by "
            "`pip install 'advser[plots]'`."
        )


def new_axes(caller, n_axes=1, size=None):
    """Return the axes of a new pyplot figure, of a size in inches."""
    require_matplotlib(caller)
    from matplotlib import pyplot

    size = size or (4.6 * n_axes + 2.4, 4.2)
    return pyplot.subplots(1, n_axes, figsize=size, layout="constrained")[1]


def new_figure(width, height, layout="constrained"):
    """Return an empty figure, of a size in inches, that pyplot does not manage."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def plain(name):
    """Return a name as a text of a figure, in which a dollar begins no formula."""
    return str(name).replace("$", r"\$")


def styles(names):
    """Return a colour and a marker for each name; 35 names differ in one of them."""
    return {
        name: {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)],
        }
        for number, name in enumerate(names)
    }


def mark_style(kind, color=None, marker=None):
    """Return the style of a mark: full, half full if adaptive, hollow if transductive.

    Parameters
    ----------
    kind : str
        Kind of score.

    color, marker : str, default=None
        Those of the kind by default.
    """
    of_kind = MARKS.get(kind, ("#009E73", "s"))
    color = color or of_kind[0]
    return {
        "color": color,
        "marker": marker or of_kind[1],
        "fillstyle": "full" if kind in MARKS else "left",
        "markerfacecolor": "white" if kind == "transductive" else color,
        "markerfacecoloralt": "white",
        "markersize": 7,
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }


def knowledge_handles(ax, kinds, **style):
    """Return a legend entry for each kind of mark that is used."""
    used = {kind.partition(",")[0] for kind in kinds}
    return [
        ax.plot([], [], **mark_style(kind, **style), label=f"{kind}: {text}")[0]
        for kind, text in KNOWLEDGE.items()
        if kind in used
    ]


def despine(ax):
    """Remove the upper and the right edge of a plot."""
    ax.spines[["top", "right"]].set_visible(False)


def add_grid(ax, axis="both"):
    """Draw grid lines behind the data, and no upper and right edge."""
    ax.grid(axis=axis, color="0.9")
    ax.set_axisbelow(True)
    despine(ax)


def readable(n_names):
    """Return the positions of the names to write, so that they do not overlap."""
    return range(0, n_names, -(-n_names // MOST_TICKS))


def small_if_many(n_names):
    """Return the font size of so many names beside each other."""
    return 8 if n_names > 20 else None


def label_rows(ax, names):
    """Write the name of each row beside it, the first on top."""
    shown = readable(len(names))
    texts = [plain(names[i]) for i in shown]
    ax.set_yticks(shown, texts, fontsize=small_if_many(len(names)))
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
    heights, labels = {}, []
    for kind in used:
        labels += [HEADINGS[kind]] * (len(used) > 1)
        for row, of_row in enumerate(kinds):
            if of_row == kind:
                heights[row] = len(labels)
                labels.append(names[row])
    label_rows(ax, labels)
    for label in ax.get_yticklabels():
        if len(used) > 1 and label.get_text() in HEADINGS.values():
            label.set_fontweight("bold")
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
    ax.set_title(plain(title), fontsize="medium")
