"""The command `advser train`."""

import argparse

from ..audio._extraction import new_file
from ._methods import LINES, METHODS, REGRESSORS, check_labels_of
from ._models import fit_model, save_model
from ._parser import Parser, counted, usage_errors
from ._sources import SOURCES, add_label_options, add_source_options, recordings_of

DESCRIPTION = """\
Train a model on all recordings of a corpus, and save it to a file.

The file has no pickle: advser predict and advser.load read it without running code
that is in it. It has no test score; advser benchmark measures how well a method
predicts unseen speakers."""
EPILOG = f"""\
{SOURCES}
methods:
{LINES}
  With --target: {", ".join(REGRESSORS)}

examples:
  advser train labels.csv --wavs recordings -o model.advser
  advser train features.parquet --method svm --adapt -o model.advser
  advser train embeddings.npz --features emb --search -o model.advser
  advser train ratings.csv --target arousal,valence -o model.advser"""


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="your recordings, or features of them")
    output = {"metavar": "MODEL", "help": "new file for the model"}
    add("-o", "--output", required=True, **output)
    add_source_options(parser)
    add_label_options(parser)
    add(
        "--method",
        metavar="METHOD",
        choices=METHODS,
        default="closed_form",
        help="method to train (default: %(default)s)",
    )
    add(
        "--adapt",
        action="store_true",
        help="scale features by speaker, and adapt to new speakers",
    )
    add(
        "--search",
        action="store_true",
        help="choose the penalty of a network by folds of speakers (svm, svr, logistic "
        "and ridge always do)",
    )
    device = "device of a network, such as cuda or auto (default: %(default)s)"
    add("--device", default="cpu", help=device)


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Load the recordings, fit the model, and save it."""
    check_labels_of(options, [options.method])
    if options.output == "-":
        parser.error("argument -o/--output: a model goes to a file, which - is not")
    with usage_errors(parser), new_file(options.output) as (output, parts):
        recordings = recordings_of(options, compares=False, memory=parts)
        model = fit_model(
            recordings,
            options.method,
            adapts=options.adapt,
            searches=options.search,
            device=options.device,
        )
        save_model(model, recordings, output)
    n_speakers = len(set(recordings.speakers))
    print(
        f"{options.output} has the model {METHODS[options.method]}, trained on "
        f"{counted(len(recordings.X), 'recording')} of {counted(n_speakers, 'speaker')}"
    )
