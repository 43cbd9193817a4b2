"""The command `advser extract`."""

import argparse

from ..audio import extract_features
from ._parser import Parser
from ._sources import (
    SOURCES,
    add_source_options,
    print_failures,
    read_source,
    usage_errors,
)

__all__ = ["DESCRIPTION", "EPILOG", "add_options", "run"]

DESCRIPTION = """\
Extract the eGeMAPS features of recordings to a Parquet table.

After an interruption, the same command goes on where it stopped. Recordings that cannot
be used are listed, with the reason, in a file beside the table,
features.failures.csv; the table has all others."""
EPILOG = f"""\
{SOURCES}  a folder, without --corpus
      all audio files in it and below, without labels

examples:
  advser extract recordings -o features.parquet
  advser extract labels.csv --wavs recordings -o features.parquet
  advser extract CREMA-D --corpus cremad -o cremad.parquet"""


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="your recordings")
    output = {"metavar": "FEATURES.parquet", "help": "new file for the table"}
    add("-o", "--output", required=True, **output)
    add_source_options(parser)


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Read the table of recordings, extract their features, and print the failures."""
    with usage_errors(parser):
        table = read_source(options.source, corpus=options.corpus, wavs=options.wavs)
        failures = extract_features(
            table,
            options.output,
            feature_set=options.feature_set or "eGeMAPSv02",
            n_jobs=options.n_jobs,
            verbose=1,
        )
    print_failures(failures)
    n_kept = len(table) - len(failures)
    print(f"{options.output} has the features of {n_kept} of {len(table)} recordings")
