"""The parser of the `advser` command, and Ctrl-C."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from ._parser import Parser

COMMANDS = {
    "train": "train a model on your recordings, or on features of them",
    "predict": "predict recordings by a trained model",
    "benchmark": "compare methods on unseen speakers",
    "extract": "extract the features of recordings to a table",
    "report": "write a page of the results in a folder",
}

KEEPS_NOTHING = {"-", "-o-", "--output=-"}  # standard output as the output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        The command line after the program's name; that of the process if None.

    Returns
    -------
    status : int
        0 on success, 2 if the input cannot be used, 130 if interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # which may write Latin-1 alone
            stream.reconfigure(errors="backslashreplace")
    interrupts = []

    def interrupt(number, frame):
        interrupts.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        run(arguments)
    except BaseException as error:
        # A library may turn an interrupt into an error of its own.
        if interrupts or isinstance(error, KeyboardInterrupt):
            is_kept = arguments[:1] != ["report"] and not KEEPS_NOTHING & {*arguments}
            kept = "; what was finished is kept" if is_kept else ""
            print(f"interrupted{kept}", file=sys.stderr)
            return 130
        if not isinstance(error, BrokenPipeError):
            raise
        # The reader of standard output has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def run(arguments):
    """Parse the command line and run the command that it names."""
    from .. import __version__

    parser = Parser(
        prog="advser", description="Speech emotion recognition on unseen speakers."
    )
    parser.add_argument("--version", action="version", version=f"advser {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        one = subparsers.add_parser(name, help=text)
        if name in arguments[:1]:  # the imports of a command take seconds
            command = import_module(f"._{name}", __package__)
            one.description, one.epilog = command.DESCRIPTION, command.EPILOG
            command.add_options(one)
            one.set_defaults(run=command.run, parser=one)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        getattr(options, "parser", parser).error(
            f"unrecognized arguments: {' '.join(unknown)}"
        )
    options.run(options, options.parser)
