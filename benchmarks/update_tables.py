"""Copy the committed results into the README and the documentation.

A table is never typed: it stands between the lines "NAME: begin" and "NAME: end" of a
page, and comes from the folder `results` beside this file.

    python benchmarks/update_tables.py            # write
    python benchmarks/update_tables.py --check    # tell which pages are out of date
"""

import json
import sys
from pathlib import Path

from advser.benchmark import NOTES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments):
    pages = {}
    for path, name, render in (
        ("README.md", "benchmark", benchmark_markdown),
        ("docs/benchmark.rst", "benchmark", benchmark_rst),
        ("docs/guide/speaker_scaling.rst", "enrolment", enrolment_rst),
        ("docs/guide/autoencoder.rst", "label_efficiency", label_efficiency_rst),
    ):
        text = pages.get(path) or (ROOT / path).read_text(encoding="utf-8")
        pages[path] = replace(text, name, render(), path)
    stale = [
        path
        for path, text in pages.items()
        if text != (ROOT / path).read_text(encoding="utf-8")
    ]
    if "--check" in arguments:
        if stale:
            sys.exit(f"out of date: {', '.join(stale)}; run `make tables`")
        return
    for path in stale:
        (ROOT / path).write_text(pages[path], encoding="utf-8")
        print(f"updated {path}")


def replace(text, name, content, path):
    """Return the text with new content between the marker lines."""
    lines = text.split("\n")
    bounds = []
    for end in (f"{name}: begin", f"{name}: end"):
        found = [number for number, line in enumerate(lines) if end in line]
        if len(found) != 1:
            sys.exit(f"{path} has {len(found)} lines with {end!r}; it must have one")
        bounds += found
    lines[bounds[0] + 1 : bounds[1]] = ["", *content.split("\n"), ""]
    return "\n".join(lines)


def benchmark_markdown():
    table = (RESULTS / "emodb" / "table.md").read_text(encoding="utf-8").strip()
    return "\n\n".join([table, NOTES, origin()])


def benchmark_rst():
    lines = (RESULTS / "emodb" / "table.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    del rows[1]  # the rule below the header
    return "\n\n".join([list_table(rows), NOTES, origin()])


def origin():
    """Return a sentence on how the benchmark was run."""
    settings = json.loads((RESULTS / "emodb" / "settings.json").read_text("utf-8"))
    versions = settings["versions"]
    packages = ", ".join(
        f"{name} {versions[name].split('+')[0]}"
        for name in ("torch", "scikit-learn", "opensmile")
    )
    return (
        f"{settings['corpus']}: {settings['n_samples']} recordings, "
        f"{len(settings['speakers'])} speakers, {len(settings['emotions'])} emotions; "
        f"{len(settings['seeds'])} seeds.\n"
        f"Run in {settings['seconds']:.0f} s by {settings['n_jobs']} processes of one "
        f"thread each; Python {settings['python']},\n{packages}."
    )


def enrolment_rst():
    """Return the recall by the number and the kind of the utterances enrolled."""
    report = json.loads((RESULTS / "enrolment.json").read_text("utf-8"))
    cells = {}
    for row in report["nested"]:
        spread = f" ± {row['std']:.3f}" if row["std"] else ""
        cells[row["enrolled"], row["k"]] = f"{row['uar']:.3f}{spread}"
    kinds = dict.fromkeys(kind for kind, k in cells if k is not None)
    counts = sorted({k for _, k in cells if k is not None})
    rows = [["number", *kinds]]
    rows += [[str(k), *(cells.get((kind, k), "") for kind in kinds)] for k in counts]
    everything = next(kind for kind, k in cells if k is None)
    note = (
        f"Unweighted average recall on {report['corpus']} by the number and the kind "
        "of the utterances enrolled:\nmean ± standard deviation over "
        f"{report['settings']['repeats']} draws of them. Logistic regression, its "
        "settings chosen by\nthe other speakers; enrolled utterances are not scored. "
        f"{everything.capitalize()}:\n{cells[everything, None]}."
    )
    return "\n\n".join([list_table(rows), note])


def label_efficiency_rst():
    """Return the recall by the method and the share of labels."""
    report = json.loads((RESULTS / "label_efficiency.json").read_text("utf-8"))
    sizes = report["settings"]["labelled_utterances"]
    cells = {}
    for row in report["curve"]:
        spread = f" ± {row['std']:.3f}" if row["std"] else ""
        cells.setdefault(row["method"], []).append(f"{row['uar']:.3f}{spread}")
    header = ["", *(f"{float(share):.0%} ({n:.0f})" for share, n in sizes.items())]
    rows = [header, *([method, *values] for method, values in cells.items())]
    other, error = report["other"], report["reconstruction_error"]
    note = (
        "Unweighted average recall on EmoDB, leaving one speaker out at a time, by the "
        "share (and number)\nof training utterances that keep their emotion: mean ± "
        "standard deviation over "
        f"{len(report['settings']['seeds'])} draws of them.\nThe other corpus has "
        f"{other['utterances']} utterances of {other['speakers']} speakers in another "
        "language. The networks run with their\ndefaults, the logistic regression with "
        "C = 0.1; self-training is scikit-learn's.\n"
        "The reconstruction error of a network trained on EmoDB alone tells the other "
        f"corpus from the\nspeaker left out with an AUC of {error['auc']:.2f} "
        f"({error['smallest']:.2f} at worst)."
    )
    return "\n\n".join([list_table(rows), note])


def list_table(rows):
    """Return rows of cells, the first of them the header, as a reST table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: results", ""]
    for row in rows:
        for number, cell in enumerate(row):
            bullet = "*" if number == 0 else " "
            lines.append(f"   {bullet} - {cell}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
