"""The command `advser benchmark`."""

import argparse
import os
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from ..audio._extraction import check_output, parts_beside
from ._methods import LINES, METHODS, REGRESSORS, check_labels_of
from ._models import best_method, fit_model, save_model
from ._parser import Parser, print_note, usage_errors
from ._results import benchmark, format_table, notes_of, save_figures
from ._sources import (
    SOURCES,
    Recordings,
    add_label_options,
    add_source_options,
    positive,
    recordings_of,
)

DESCRIPTION = """\
Compare classifiers of emotion on unseen speakers.

Each speaker in turn is left out of the training, and the emotions of that speaker are
predicted by adversarial networks and by baselines, with features scaled for all
speakers alike, per speaker, and adaptively. An independent probe measures how much of
the speaker each method keeps.

Without a source, the bundled eGeMAPS features of EmoDB are used: acted German speech,
ten speakers, four emotions."""
EPILOG = f"""\
{SOURCES}
methods:
{LINES}
  With --target: {", ".join(REGRESSORS)}
  (svr: {METHODS["svr"]}; ridge: {METHODS["ridge"]}; dummy: {METHODS["dummy"]})

examples:
  advser benchmark
  advser benchmark --quick --methods entropy svm
  advser benchmark labels.csv --wavs recordings --out results
  advser benchmark IEMOCAP_full_release --corpus iemocap-4
  advser benchmark features.parquet
  advser benchmark ratings.csv --target arousal,valence --leave-out session"""


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    source = "your recordings (default: the bundled EmoDB)"
    add("source", nargs="?", metavar="SOURCE", help=source)
    add_source_options(parser)
    add("--labels", metavar="TABLE.csv", help="another way to give SOURCE")
    add_label_options(parser)
    add(
        "--leave-out",
        choices=("speaker", "session"),
        default="speaker",
        help="with --target: what to leave out at a time (default: %(default)s)",
    )
    add(
        "--folds",
        type=partial(positive, least=2),
        metavar="N",
        help="leave N groups of speakers out instead of one speaker at a time",
    )
    add(
        "--save-best",
        type=Path,
        metavar="MODEL",
        help="train the method with the best score, scaled globally, on all "
        "recordings, and save it to this new file",
    )
    methods = "methods to compare (default: all)"
    add("--methods", nargs="+", metavar="METHOD", choices=METHODS, help=methods)
    seeds = "number of random seeds (default: 5; with --quick 1)"
    add("--seeds", type=positive, metavar="N", help=seeds)
    add(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path(f"advser-benchmark-{datetime.now():%Y%m%d-%H%M%S}"),
        help="new or empty folder for the results (default: advser-benchmark-<date>), "
        "or that of an interrupted benchmark with the same options, to go on with it",
    )
    add("--quick", action="store_true", help="one seed and the linear probe alone")


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Check the options, load the recordings, compare, and print the results."""
    if options.source and options.labels:
        parser.error("SOURCE and --labels are the same: pass one of them")
    source = options.source = options.source or options.labels
    if source is None and (options.wavs or options.corpus):
        parser.error("--wavs, --corpus and --pattern describe a SOURCE: pass it")
    is_rated, by_session = options.targets is not None, options.leave_out == "session"
    if by_session and not is_rated:
        parser.error("--leave-out session goes with --target: pass it as well")
    if by_session and options.folds:
        parser.error("--folds are of speakers: leave out --leave-out session")
    if source is None and (is_rated or options.features or options.feature_set):
        parser.error(
            "--target, --features and --feature-set describe a SOURCE: pass it"
        )
    methods = check_labels_of(options, options.methods or [])
    folder = options.out
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / "comparison.json").is_file():
        parser.error(f"{folder} exists and is not an empty folder; name another --out")
    with usage_errors(parser), parts_beside(folder.resolve()) as parts:
        if options.save_best is not None:
            check_output(options.save_best.absolute(), "", "--save-best")
        try:
            recordings = recordings_of(options, by_session=by_session, memory=parts)
            folder.mkdir(parents=True, exist_ok=True)
            compare_methods(options, recordings, methods)
        except FileExistsError as error:
            if not parts.is_dir():
                raise
            raise FileExistsError(
                f"{error} The features that were extracted are in {parts}; rename this "
                "folder to that of the new name, with .parts, to use them."
            ) from error
        except KeyboardInterrupt:
            print_note(f"to go on, repeat the command with --out {folder}")
            raise


def compare_methods(
    options: argparse.Namespace, recordings: Recordings, methods: Sequence[str]
) -> None:
    """Compare, print the results, draw the figures, and save the best model."""
    folder, n_folds = options.out, options.folds
    n_speakers = len(set(recordings.speakers))
    if n_folds and n_folds > n_speakers:
        print_note(
            f"--folds is {n_folds} and there are {n_speakers} speakers, so one speaker "
            "is left out at a time"
        )
        n_folds = None
    print_note(f"results go to {folder}{os.sep}")
    comparison = benchmark(
        recordings,
        folder,
        methods=methods,
        n_folds=n_folds,
        seeds=options.seeds or (1 if options.quick else 5),
        probes=("logistic",) if options.quick else ("logistic", "mlp"),
        n_jobs=options.n_jobs,
    )
    print(format_table(comparison), notes_of(comparison, n_folds), sep="\n\n")
    try:
        save_figures(comparison, recordings, folder)
    except ImportError as error:
        print(f"\nNo figures: {error}")
    print(f"\nAll results are in {folder}{os.sep}; as a page: advser report {folder}")
    if options.save_best is not None:
        best = best_method(comparison)
        save_model(fit_model(recordings, best), recordings, options.save_best)
        print(f"{options.save_best} has the model {METHODS[best]}")
