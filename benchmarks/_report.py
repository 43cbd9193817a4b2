"""Reports of the benchmarks, as JSON."""

import json
import platform
from importlib.metadata import version


def environment(packages):
    """Return the versions of Python and of some packages."""
    versions = {name: version(name) for name in packages}
    return {"python": platform.python_version(), "versions": versions}


def write(path, report):
    """Write a report, and print where it is."""
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}")
