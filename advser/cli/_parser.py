"""The parser of the `advser` command and of its subcommands."""

import argparse
from typing import Any, NoReturn


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts, such as "1 speaker" or "2 speakers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
