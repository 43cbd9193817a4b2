"""The command `advser extract`."""

import argparse

from ..audio import AudioEmbedding, EGeMAPS, extract_features
from ._parser import Parser, counted, usage_errors
from ._sources import FOLDERS, LABELS, add_source_options, print_failures, read_source
from ._tables import warn_of_channels

DESCRIPTION = """\
Extract the features of recordings to a Parquet table: eGeMAPS, another set of
openSMILE, or embeddings by a pretrained model (wav2vec 2.0, HuBERT, WavLM).

After an interruption, the same command goes on where it stopped. Recordings that cannot
be used are listed, with the reason, in a file beside the table,
features.parquet.failures.csv; the table has all others."""
EPILOG = f"""\
{LABELS}{FOLDERS}  a folder, without --corpus
      all audio files in it and below, without labels

examples:
  advser extract recordings -o features.parquet
  advser extract labels.csv --wavs recordings -o features.parquet
  advser extract CREMA-D --corpus cremad -o cremad.parquet
  advser extract labels.csv --embedding microsoft/wavlm-base-plus -o wavlm.parquet"""


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="your recordings")
    output = {"metavar": "FEATURES.parquet", "help": "new file for the table"}
    add("-o", "--output", required=True, **output)
    add_source_options(parser)
    embedding = "pretrained model to extract embeddings with: a folder or a hub id"
    add("--embedding", metavar="MODEL", help=embedding)
    layer = "layer of the embeddings: from 0, or from -1, the last (default: -1)"
    add("--layer", type=int, metavar="N", help=layer)
    device = "device of the pretrained model, such as cuda or auto (default: cpu)"
    add("--device", help=device)


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Read the table of recordings, extract their features, and print the failures."""
    settings = {"layer": options.layer, "device": options.device}
    settings = {name: value for name, value in settings.items() if value is not None}
    if options.embedding is None and settings:
        parser.error(f"argument --{min(settings)}: only allowed with --embedding")
    if options.embedding is not None and options.feature_set is not None:
        parser.error("argument --embedding: not allowed with --feature-set")
    extractor: EGeMAPS | AudioEmbedding
    if options.embedding is None:
        extractor = EGeMAPS(
            feature_set=options.feature_set or "eGeMAPSv02", n_jobs=options.n_jobs
        )
    else:
        extractor = AudioEmbedding(options.embedding, **settings)
    with usage_errors(parser):
        table = read_source(options.source, corpus=options.corpus, wavs=options.wavs)
        warn_of_channels(table, options.source)
        failures = extract_features(
            table, options.output, extractor=extractor, verbose=1
        )
    print_failures(failures)
    n_kept = len(table) - len(failures)
    recordings = counted(len(table), "recording")
    print(f"{options.output} has the features of {n_kept:,} of {recordings}")
