"""The `advser` command."""

import argparse
import os
import signal
import sys
import warnings
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from .. import __version__

__all__ = ["main"]

METHODS = (
    "closed",
    "grl",
    "entropy",
    "none",
    "autoencoder",
    "siamese",
    "svm",
    "logistic",
    "mlp",
)
RATING_METHODS = (
    *("grl", "entropy", "none", "autoencoder"),
    *("ridge", "svr", "mlp", "dummy"),
)
DESCRIPTION = """\
Compare classifiers of emotion on speakers that they have not heard.

Each speaker in turn is left out of the training and then recognised, by adversarial
networks and by baselines, with features scaled globally and per speaker. An
independent probe tells how much of the speaker each method keeps.

Without a source, the bundled eGeMAPS features of EmoDB are used: acted German speech,
ten speakers, four emotions."""

CORPORA = (
    *("cmu-mosei", "cremad", "emodb", "iemocap", "iemocap-4", "msp-improv"),
    *("ravdess", "urdu"),
)
SOURCES = """\
sources:
  labels.csv, labels.parquet
      table with the column file, relative to the table's folder or to --wavs, and
      with emotion, speaker, gender, start, end (seconds) and others as far as known
  a folder, with --corpus
      corpus as it was distributed:
      {}
      (iemocap-4: anger, happiness with excitement, neutral, sadness)
""".format(", ".join(CORPORA))
EPILOG = f"""\
{SOURCES}  features.parquet
      what advser extract made

methods:
  closed       adversarial network with its adversary in closed form
  grl          adversarial network with gradient reversal
  entropy      adversarial network with maximum entropy
  none         the same network without adversary
  autoencoder  adversarial autoencoder; the speaker is a task beside the emotion
  siamese      siamese network with neutral calibration
  svm          linear SVM
  logistic     logistic regression
  mlp          scikit-learn's MLPClassifier
  With --target: grl, entropy, none, autoencoder, and ridge (ridge regression), svr
  (linear SVR), mlp (scikit-learn's MLPRegressor), dummy (mean of the training ratings)

examples:
  advser benchmark
  advser benchmark --quick --methods entropy svm
  advser benchmark labels.csv --wavs recordings --out results
  advser benchmark IEMOCAP_full_release --corpus iemocap-4
  advser benchmark features.parquet
  advser benchmark ratings.csv --target arousal,valence --leave-out session"""

EXTRACT_DESCRIPTION = """\
Extract the eGeMAPS features of recordings to a Parquet table, once for all.

What was interrupted goes on where it stopped when the same command is given again.
Recordings that cannot be used are listed, with the reason, in a file beside the table,
features.failures.csv; the table has all others."""
EXTRACT_EPILOG = f"""\
{SOURCES}  a folder, without --corpus
      all audio files in it and below, without labels

examples:
  advser extract recordings -o features.parquet
  advser extract labels.csv --wavs recordings -o features.parquet
  advser extract CREMA-D --corpus cremad -o cremad.parquet"""


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        The command line after the program's name; that of the process if None.

    Returns
    -------
    status : int
        0 if all went well, 2 if the input cannot be used, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="advser",
        description="Speech emotion recognition for speakers never heard before.",
    )
    parser.add_argument("--version", action="version", version=f"advser {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_benchmark(commands)
    add_extract(commands)
    add_report(commands)
    options = parser.parse_args(arguments)
    try:
        with interruptible():
            return options.run(options)
    except Interrupted:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130


class Interrupted(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which networks take for "stop training now"."""


@contextmanager
def interruptible():
    """Let Ctrl-C raise `Interrupted`, so that no half-trained network is scored."""

    def interrupt(signal_number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def add_benchmark(commands):
    """Add the command `benchmark` and its options."""
    parser = commands.add_parser(
        "benchmark",
        help="compare methods on unheard speakers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda options: run_benchmark(options, parser))
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="your recordings (default: the bundled EmoDB)",
    )
    add_source_options(parser)
    parser.add_argument(
        "--labels", metavar="TABLE.csv", help="the SOURCE, by another name"
    )
    parser.add_argument(
        "--emotions",
        nargs="+",
        metavar="EMOTION",
        help="emotions to tell apart (default: all)",
    )
    parser.add_argument(
        "--target",
        metavar="COLUMN[,COLUMN...]",
        help="compare regressors of these ratings, such as arousal,valence,dominance",
    )
    parser.add_argument(
        "--leave-out",
        choices=("speaker", "session"),
        default="speaker",
        help="with --target: what to leave out at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        choices=(*METHODS, *(name for name in RATING_METHODS if name not in METHODS)),
        help="methods to compare (default: all)",
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="number of random seeds (default: 5; with --quick 1)",
    )
    parser.add_argument(
        "--n-jobs",
        type=positive,
        metavar="N",
        help="number of processes, each on one thread (default: one per core, up to 8)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="new or empty folder for the results (default: advser-benchmark-<date>), "
        "or that of an interrupted benchmark with the same options, to go on with it",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a single seed and the linear probe alone"
    )


def add_source_options(parser):
    """Add the options that tell more of the source."""
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        choices=CORPORA,
        help="corpus that SOURCE is the folder of",
    )
    parser.add_argument(
        "--wavs", metavar="DIR", help="folder that the files of a table are in"
    )


def add_extract(commands):
    """Add the command `extract` and its options."""
    parser = commands.add_parser(
        "extract",
        help="extract the features of recordings to a table",
        description=EXTRACT_DESCRIPTION,
        epilog=EXTRACT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda options: run_extract(options, parser))
    parser.add_argument("source", metavar="SOURCE", help="your recordings")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FEATURES.parquet",
        required=True,
        help="new file for the table",
    )
    add_source_options(parser)
    parser.add_argument(
        "--n-jobs",
        type=positive,
        metavar="N",
        help="number of recordings worked on at once (default: one per core, up to 8)",
    )


def positive(text):
    """Return a positive int, or let argparse say that it is none."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def run_benchmark(options, parser):
    """Check the options, load the recordings, compare, and report."""
    if options.source and options.labels:
        parser.error("SOURCE and --labels are the same: pass one of them")
    source = options.source or options.labels
    if source is None and (options.wavs or options.corpus):
        parser.error("--wavs and --corpus tell of a SOURCE: pass it as well")
    targets = None if options.target is None else options.target.split(",")
    if targets is None and options.leave_out == "session":
        parser.error("--leave-out session goes with --target: pass it as well")
    if targets is not None and (source is None or options.emotions):
        parser.error("--target takes a SOURCE with ratings, and no --emotions")
    known = METHODS if targets is None else RATING_METHODS
    methods = tuple(dict.fromkeys(options.methods or known))
    strange = [method for method in methods if method not in known]
    if strange:
        parser.error(
            f"--methods has {strange[0]}; here it is any of {', '.join(known)}"
        )
    folder = options.out or Path(f"advser-benchmark-{datetime.now():%Y%m%d-%H%M%S}")
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    goes_on = (folder / "comparison.json").is_file()
    if not is_free and not goes_on:
        parser.error(f"{folder} exists and is not an empty folder; name another --out")

    # Imported here, since torch takes seconds: --help and a slip are answered at once.
    from joblib import cpu_count

    from ._benchmark import NOTES, benchmark, format_table, save_figures
    from ._rating_benchmark import (
        RATING_NOTES,
        benchmark_ratings,
        format_ratings,
        save_rated,
    )
    from ._recordings import load_recordings

    n_jobs = options.n_jobs or min(8, cpu_count())
    try:
        with corpus_warnings_printed():
            recordings = load_recordings(
                source,
                corpus=options.corpus,
                wavs=options.wavs,
                emotions=options.emotions,
                targets=targets,
                by_session=options.leave_out == "session",
                n_jobs=n_jobs,
                verbose=1,
            )
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report_failures(recordings.failures)
    if recordings.n_others:
        print(
            f"left out: {recordings.n_others} recordings without a label that is asked "
            "for, or of an unknown speaker",
            file=sys.stderr,
        )
    print(f"results go to {folder}{os.sep}", file=sys.stderr)
    settings = {
        "methods": methods,
        "seeds": options.seeds or (1 if options.quick else 5),
        "probes": ("logistic",) if options.quick else ("logistic", "mlp"),
        "n_jobs": n_jobs,
        "verbose": 1,
    }
    try:
        if targets is None:
            comparison = benchmark(recordings, folder, **settings)
            table = format_table(comparison), NOTES
        else:
            comparison = benchmark_ratings(recordings, folder, **settings)
            table = format_ratings(comparison), RATING_NOTES
    except FileExistsError as error:
        parser.error(str(error))
    print(*table, sep="\n\n")
    try:
        if targets is None:
            save_figures(comparison, recordings, folder, methods=methods)
        else:
            save_rated(comparison, folder, methods=methods)
    except ImportError as error:
        print(f"\nNo figures: {error}")
    print(f"\nAll results are in {folder}{os.sep}; as a page: advser report {folder}")
    return 0


def add_report(commands):
    """Add the command `report` and its options."""
    parser = commands.add_parser(
        "report",
        help="make a page of the results in a folder",
        description="Make one HTML page, with all tables and figures in it, of a "
        "folder that `advser benchmark` or `advser.evaluation.compare` has written. It "
        "needs no network to be read.",
    )
    parser.set_defaults(run=lambda options: run_report(options, parser))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the results")
    parser.add_argument(
        "--baseline",
        nargs="+",
        metavar="NAME",
        help="test the others against these (default: what the benchmark did; else "
        "all pairs)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the page to write (default: FOLDER/report.html)",
    )


def run_report(options, parser):
    """Write the page, and say where it is."""
    from ..report import report

    try:
        page = report(options.folder, options.out, baseline=options.baseline)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    print(page)
    return 0


def run_extract(options, parser):
    """Read the table of recordings, extract their features, and report."""
    from joblib import cpu_count

    from ..audio._extraction import extract_features
    from ._recordings import read_source

    try:
        with corpus_warnings_printed():
            table = read_source(
                options.source, corpus=options.corpus, wavs=options.wavs
            )
        failures = extract_features(
            table,
            options.output,
            n_jobs=options.n_jobs or min(8, cpu_count()),
            verbose=1,
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report_failures(failures)
    n_kept = len(table) - len(failures)
    print(f"{options.output} has the features of {n_kept} of {len(table)} recordings")
    return 0


@contextmanager
def corpus_warnings_printed():
    """Print what is wrong with a corpus as a plain line."""
    from ..exceptions import CorpusWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusWarning)
        yield
    for warning in caught:
        print(warning.message, file=sys.stderr)


def report_failures(failures):
    """Print which recordings were left out, and why."""
    for file, reason in zip(failures["file"], failures["reason"]):
        print(f"left out: {file} {reason}", file=sys.stderr)
