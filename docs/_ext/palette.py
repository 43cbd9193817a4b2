"""Figures that examples draw themselves have the colours of the package."""

import matplotlib as mpl

from advser.plots._base import COLORS


def use_palette(gallery_conf, fname):
    """Set the colours of new lines, before each example."""
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=COLORS)
