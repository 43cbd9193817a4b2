"""The parser of the `advser` command, and Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .. import __version__
from . import _benchmark, _extract, _report

__all__ = ["main"]

COMMANDS = {"benchmark": _benchmark, "extract": _extract, "report": _report}


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
    parser = argparse.ArgumentParser(
        prog="advser", description="Speech emotion recognition on unseen speakers."
    )
    parser.add_argument("--version", action="version", version=f"advser {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(one)
        one.set_defaults(run=command.run, parser=one)
    options = parser.parse_args(arguments)
    try:
        with interruptible():
            options.run(options, options.parser)
    except Interrupted:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return 0


class Interrupted(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, at which networks stop and keep their state."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupted`, so that no half-trained network is scored."""

    def interrupt(signal_number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
