"""Progress: a bar on a terminal, quiet lines in a log file."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS = 30.0  # between two lines of a log file


class _Lines:
    """A log file, which gets each state of a bar as a line."""

    def write(self, text):
        """Write a line without the carriage return before it."""
        if line := text.strip():
            sys.stderr.write(f"{line}\n")

    def flush(self):
        """Flush the log file."""
        sys.stderr.flush()


def progress_bar(
    items: Iterable | None = None,
    *,
    name: str,
    unit: str,
    total: int | None = None,
    verbose: int = 1,
) -> tqdm:
    """Return a bar of what is done, on standard error.

    Parameters
    ----------
    items : iterable, default=None
        What to iterate over; None to call `update`.

    name : str
        What is done.

    unit : str
        What is counted, in the plural.

    total : int, default=None
        Number of items; their length if None.

    verbose : int, default=1
        Whether to show the bar.

    Returns
    -------
    bar : tqdm
    """
    options: dict[str, Any] = {"unit": f" {unit}"}
    if sys.stderr is None:  # as in programs without a console
        verbose = 0
    elif not sys.stderr.isatty():
        form = "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt}{unit}, {elapsed}"
        options |= {"file": _Lines(), "bar_format": form}
        options |= {"mininterval": SECONDS, "maxinterval": SECONDS}
    return tqdm(items, desc=name, total=total, disable=not verbose, **options)
