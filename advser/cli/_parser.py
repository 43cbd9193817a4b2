"""The parser of the `advser` command and of its subcommands, and their errors."""

import argparse
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from .._validation._paths import printable

# What to set in Python, and what to do on the command line.
REMEDIES = {
    " Set `(balance|neutral|shrinkage)`.*": "",
    r"pass `root='\.'`": "pass `--wavs .`",
    "Pass an objective with `conditional=True`.*": "The method none has no adversary.",
    "`output`": "`-o`",
}


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts, such as "1 speaker" or "2 speakers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_note(text: str) -> None:
    """Print a text to standard error, beside the output of a command."""
    print(text, file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a line and a hint, without the usage.

    Parameters
    ----------
    **options
        Those of `argparse.ArgumentParser`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.formatter_class = argparse.RawDescriptionHelpFormatter

    def error(self, message: str) -> NoReturn:
        """End with 2 because of a wrong option."""
        self.fail(f"{message}\nSee {self.prog} --help.")

    def fail(self, message: str) -> NoReturn:
        """End with 2 because of wrong input."""
        self.exit(2, f"{self.prog}: error: {message}\n")


@contextmanager
def usage_errors(parser: Parser) -> Iterator[None]:
    """End with a message for errors of the input; print warnings as lines."""
    characters = set()  # which the font of the figures does not have

    def show(warning, *_):
        if found := re.match(r"Glyph (\d+) .* missing from font", str(warning)):
            characters.add(chr(int(found[1])))
        else:
            print_note(with_options(str(warning)))

    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("default", kind)
        warnings.showwarning = show
        try:
            yield
            if characters:
                print_note(
                    f"the figures lack {counted(len(characters), 'character')} such as "
                    f"{min(characters)}, which their font does not have: set "
                    "font.family in the file matplotlibrc to a font of your script, "
                    "such as Noto Sans CJK JP"
                )
        except BrokenPipeError:
            raise
        except (ImportError, OSError, ValueError) as error:
            parser.fail(printable(with_options(in_one_line(str(error)))))


def in_one_line(message: str) -> str:
    """Return the first line of an error, and the cause if all fits failed."""
    first, _, others = message.strip().partition("\n")
    if first.endswith("fits failed.") and others:
        return f"{first} {others.splitlines()[-1]}"
    return first


def with_options(message: str) -> str:
    """Return a message whose remedies are those of the commands, not of Python."""
    for pattern, text in REMEDIES.items():
        message = re.sub(pattern, text, message)
    return message
