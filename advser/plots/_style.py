"""Colours, markers and axes that all figures share.

Colours are those of Okabe and Ito, which the colour-blind tell apart; shapes say the
same once more, for print. matplotlib is imported when something is drawn, not before.
"""

from importlib.util import find_spec

__all__ = [
    "BLUE",
    "COLORS",
    "GREEN",
    "GREY",
    "KNOWLEDGE",
    "MARKERS",
    "MEASURES",
    "MOST_TICKS",
    "VERMILION",
    "despine",
    "require_matplotlib",
    "styles",
    "subplots",
]

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
COLORS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v")
GREY = "0.55"
MOST_TICKS = 50  # names beside each other that can still be read
MEASURES = {
    "uar": "Unweighted average recall",
    "ccc": "Concordance correlation coefficient",
}  # what a comparison is of, see `advser.evaluation.Comparison.measure`
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
    """Take the upper and the right edge of a plot away."""
    ax.spines[["top", "right"]].set_visible(False)
