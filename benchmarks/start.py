"""How long the package takes to start, compared with Python itself.

The import and the help of the command, neither of which loads torch, and the import of
a network, which does. The seconds are those of the processor, in a process of its own.

Usage: python benchmarks/start.py [--rounds N] [--quick]
"""

import resource
import subprocess
import sys

from _timing import argument_parser, compare, write_report

BASELINE = "python"
CASES = {
    BASELINE: ["-c", "pass"],
    "import advser": ["-c", "import advser"],
    "advser --help": ["-m", "advser", "--help"],
    "from advser import SpeakerScaler": ["-c", "from advser import SpeakerScaler"],
    "from advser import AdversarialSER": ["-c", "from advser import AdversarialSER"],
    "import torch": ["-c", "import torch"],
}


def cpu_seconds(arguments):
    """Return the seconds of the processor that a process of Python takes."""

    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    start = used()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return used() - start


def main():
    parser = argument_parser(__doc__, "start", rounds=9)
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    # One round more, that reads the files for the first time.
    turns = [
        {name: cpu_seconds(arguments) for name, arguments in CASES.items()}
        for _ in range(rounds if options.quick else rounds + 1)
    ][-rounds:]
    times = {name: {"seconds": [turn[name] for turn in turns]} for name in CASES}
    rows = compare(times, BASELINE)
    for row in rows:
        print(f"{row['case']:40}{row['seconds']['median']:8.3f} s of CPU")
    write_report(
        options.out,
        settings={"rounds": rounds},
        packages=["advser", "torch", "scikit-learn", "numpy"],
        results=rows,
    )


if __name__ == "__main__":
    main()
