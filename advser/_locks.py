"""Outputs: a lock, so that no two processes write one, and no incomplete file."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def replacing(path: str | os.PathLike, *, durable: bool = True) -> Iterator[Path]:
    """Yield a new file beside a file, and then replace that file by it.

    The file is complete at any time, if `durable` also after a power cut. After an
    error it is as it was before. It keeps its permissions, and a link to it stays a
    link.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise IsADirectoryError(
            f"No file can replace {path}, which is a folder or device; name a file."
        )
    file = Path(os.path.realpath(path))
    # A file system takes names of 255 bytes; some characters have four.
    unfinished = file.with_name(f"{file.name[:40]}.{uuid4().hex}.part")
    try:
        yield unfinished
        if file.exists():
            shutil.copymode(file, unfinished)
        if durable:
            with open(unfinished, "rb+") as written:
                os.fsync(written.fileno())
        os.replace(unfinished, file)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            error.errno,
            f"{os.strerror(error.errno)}; free disk space, and repeat the same call. "
            "Cannot write",
            str(path),
        ) from error
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
