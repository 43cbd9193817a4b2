"""The files that a command writes."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .._locks import locked
from ..audio._extraction import check_output


@contextlib.contextmanager
def new_file(path: str) -> Iterator[tuple[Path, Path]]:
    """Hold the lock of a file that does not exist yet.

    Yield its path, and that of a folder for what an interrupted command has finished:
    it is removed when the command ends without an error.
    """
    output = Path(path).absolute()
    check_output(output, "")
    with locked(output):
        check_output(output, "")  # another process may have written it
        parts = output.with_name(f"{output.name}.parts")
        yield output, parts
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(parts)
