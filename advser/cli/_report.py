"""The command `advser report`."""

import argparse
from pathlib import Path

from ..report import report
from ._parser import Parser, usage_errors

DESCRIPTION = """\
Write one HTML page, with all tables and figures in it, of the results of `advser
benchmark` or `advser.evaluation.compare` in a folder. The page loads nothing from the
network."""
EPILOG = ""


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the results")
    add(
        "--baseline",
        nargs="+",
        metavar="NAME",
        help="test the others against these (default: those of the benchmark, or all "
        "pairs)",
    )
    page = "the page to write (default: FOLDER/report.html)"
    add("--out", type=Path, metavar="FILE", help=page)


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Write the page, and print its path."""
    with usage_errors(parser):
        page = report(options.folder, options.out, baseline=options.baseline)
    print(page)
