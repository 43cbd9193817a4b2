"""Checks of paths and of devices, and texts that are safe to show."""

import os
from pathlib import Path
from typing import Any

NO_BREAK = "\u00a0\u202f"  # spaces that do not end a line


def check_path(value: Any, name: str) -> Path:
    """Return the path of a file or folder; raise a ValueError for other values."""
    is_path = isinstance(value, str | os.PathLike) and value != ""
    if not is_path or "\0" in str(value):
        raise ValueError(
            f"`{name}` must be the path of a file or folder; got {value!r}."
        )
    return Path(value)


def check_file(value: Any, name: str) -> Path:
    """Return the path of a file; raise a FileNotFoundError if there is none.

    Pipes and devices are no files: to read them may never end.
    """
    path = check_path(value, name)
    if not path.is_file():
        raise FileNotFoundError(f"`{name}` is {str(path)!r}, which is no file.")
    return path


def check_device(device: Any) -> Any:
    """Return the device, of "auto" the fastest; raise if torch cannot compute on it."""
    import torch  # takes seconds

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(device).type == "meta":
            raise RuntimeError("this device stores no numbers")
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f'`device={device!r}` is not available here ({reason}); set `device="cpu"` '
            "or another one."
        ) from error
    return device


def printable(text: object) -> str:
    """Return a text with escapes for characters that may change what is shown."""
    return "".join(
        c if c.isprintable() or c in NO_BREAK else c.encode("unicode_escape").decode()
        for c in str(text)
    )
