"""Outputs: a lock, so that no two processes write one, and no incomplete file."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a new file beside a file, and then replace that file by it.

    The file is complete at any time. After an error it is as it was before.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise IsADirectoryError(
            f"No file can replace {path}, which is a folder or device; name a file."
        )
    unfinished = Path(f"{os.fspath(path)}.{uuid4().hex}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of an output file or folder, which need not exist.

    The lock is a file beside the output, such as ``features.parquet.lock``. The
    operating system frees it when the process ends, for whatever reason, so a file that
    was left behind locks nothing.

    Parameters
    ----------
    path : str or path-like
        The output. Its folder must exist.

    Raises
    ------
    BlockingIOError
        At once, if another process or thread holds the lock.

    OSError
        If the lock file cannot be written.
    """
    path = Path(path).absolute()
    file = path.with_name(f"{path.name}.lock")
    with contextlib.ExitStack() as stack:
        while True:
            try:
                opened = stack.enter_context(open(file, "a+"))
            except OSError as error:
                raise OSError(
                    error.errno, f"{error.strerror}: it cannot be written", str(path)
                ) from error
            try:
                lock(opened.fileno())
            except (BlockingIOError, PermissionError) as error:
                raise BlockingIOError(
                    f"{path} is being written by another process; wait until it ends, "
                    "or name another output."
                ) from error
            # The process that held the lock may have deleted the file after `open`.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(opened.fileno()), os.stat(file)):
                    break
            opened.close()
        try:
            yield
        finally:
            # Windows does not delete an open file. It stays, and locks nothing.
            with contextlib.suppress(OSError):
                file.unlink()


if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int) -> None:
        """Lock an open file for this process, or raise a PermissionError."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Lock an open file for this process, or raise a BlockingIOError."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
