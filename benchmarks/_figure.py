"""How the figures of the benchmarks look: as those of the package."""

from matplotlib import style

SETTINGS = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "grid.color": "0.9",
    "savefig.dpi": 150,
}


def look(grid):
    """Return a context with the colours of the package, and a grid along "x" or "y"."""
    return style.context(["petroff10", SETTINGS | {"axes.grid.axis": grid}])
