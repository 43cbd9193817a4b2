"""The parser of the `advser` command, and Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Sequence

__all__ = ["main"]


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
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(arguments)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def run(arguments):
    """Parse the command line and run the command that it names."""
    # The imports take seconds, in which Ctrl-C must not end in a traceback.
    from .. import __version__
    from .._engine._jobs import ends_at_sigterm
    from . import _benchmark, _extract, _report

    commands = {"benchmark": _benchmark, "extract": _extract, "report": _report}
    parser = argparse.ArgumentParser(
        prog="advser", description="Speech emotion recognition on unseen speakers."
    )
    parser.add_argument("--version", action="version", version=f"advser {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in commands.items():
        one = subparsers.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(one)
        one.set_defaults(run=command.run, parser=one)
    options = parser.parse_args(arguments)
    with ends_at_sigterm():
        options.run(options, options.parser)
