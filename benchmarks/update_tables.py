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
        ("docs/guide/confounding.rst", "confounding", confounding_rst),
        ("docs/guide/defaults.rst", "defaults", defaults_rst),
        ("docs/guide/distributed.rst", "distributed_scaling", distributed_scaling_rst),
        ("docs/guide/speaker_scaling.rst", "enrolment", enrolment_rst),
        ("docs/speed.rst", "fit_speed", fit_speed_rst),
        ("docs/speed.rst", "search_speed", search_speed_rst),
        ("docs/speed.rst", "predict_latency", predict_latency_rst),
        ("docs/speed.rst", "memory", memory_rst),
        ("docs/speed.rst", "extraction_speed", extraction_speed_rst),
        ("docs/guide/siamese.rst", "calibration", calibration_rst),
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
        f"Run in {settings['seconds']:.0f} s, threads: {settings['n_jobs']}; Python "
        f"{settings['python']},\n{packages}."
    )


def confounding_rst():
    """Return the recall along the adversary weight, and what the game costs."""
    report = report_of("confounding")
    cells, plain, weights = {}, None, set()
    for row in report["results"]:
        if row["adversary"] is None:
            plain = row
            continue
        game = f'``"{row["adversary"]}"``' + (
            ", within each emotion" if row["conditional"] else ""
        )
        weights.add(row["weight"])
        cells[game, row["weight"]] = f"{row['uar']:.3f} ({row['difference']:+.3f})"
    games = dict.fromkeys(game for game, _ in cells)
    rows = [["weight", *games]]
    rows += [
        [f"{weight:g}", *(cells[game, weight] for game in games)]
        for weight in sorted(weights)
    ]
    largest = max(row["difference_std"] for row in report["results"])
    note = (
        f"Without adversary: {plain['uar']:.3f} ± {plain['std']:.3f}, mean and "
        f"standard deviation over {len(report['settings']['seeds'])} seeds. That of "
        f"the\ndifferences, seed by seed, is {largest:.3f} at most. Ten folds by "
        "speaker, nothing tuned."
    )
    return "\n\n".join([list_table(rows), note])


def defaults_rst():
    """Return the recall of the defaults, and of other settings beside them."""
    report = report_of("defaults")
    cells = {}
    for row in report["results"]:
        column = f"{row['corpus']}, {row['normalisation']}"
        spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        cells[row["estimator"], column] = f"{row['uar']:.3f}{spread} {interval}"
    names, columns = (dict.fromkeys(keys) for keys in zip(*cells))
    rows = [["", *columns]]
    rows += [
        [name, *(cells.get((name, column), "") for column in columns)] for name in names
    ]
    note = (
        "Unweighted average recall: mean ± standard deviation over "
        f"{len(report['settings']['seeds'])} seeds, and its 95 % interval over\n"
        "speakers. EmoDB leaves one speaker out, URDU has ten folds by speaker. Per "
        "speaker is\ntransductive."
    )
    return "\n\n".join([list_table(rows), note])


def enrolment_rst():
    """Return the recall by the number and the kind of the utterances enrolled."""
    report = report_of("enrolment")
    cells = {}
    for row in report["results"]:
        spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
        kind = f"{row['classifier']}, {row['enrolled']} utterances"
        cells[kind, row["k"]] = f"{row['uar']:.3f}{spread}"
    kinds = dict.fromkeys(kind for kind, _ in cells)
    counts = sorted({k for _, k in cells if k != "all"})
    rows = [["number", *kinds]]
    for k in [*counts, "all"]:
        name = "all that is scored (transductive)" if k == "all" else str(k)
        rows.append([name, *(cells.get((kind, k), "") for kind in kinds)])
    note = (
        f"Unweighted average recall on {report['corpus']} by the number and the kind "
        "of the utterances enrolled:\nmean ± standard deviation over "
        f"{report['settings']['repeats']} draws of them, for the networks with "
        f"{report['settings']['network_seeds']} seeds.\nLinear is logistic regression, "
        "with the same settings for all speakers, or with those that the other\n"
        "speakers choose. The networks have their defaults. Enrolled utterances are "
        "not scored."
    )
    return "\n\n".join([list_table(rows), note])


def distributed_scaling_rst():
    """Return the time of a search by models, rows and workers."""
    report = report_of("distributed_scaling")
    settings, found = report["settings"], {}
    for row in report["results"]:
        found[row["models"], row["rows"], row["case"]] = row
    cases = list(dict.fromkeys(case for _, _, case in found))
    sizes = list(dict.fromkeys((models, rows) for models, rows, _ in found))
    table = [["models", "rows", *cases]]
    for models, rows in sizes:
        cells = [timing(found[models, rows, case]) for case in cases]
        table.append([str(models), str(rows), *cells])
    reference = tuple(settings["reference"].values())
    growth = ",\n".join(
        f"× {found[*size, cases[0]]['growth']['median']:.2f} with "
        f"{size[0]} models on {size[1]} rows"
        for size in sizes
        if size != reference
    )
    machine = report["machine"]
    note = (
        f"Seconds of a search, and how many times those of ``{cases[0]}`` in one\n"
        f"process they are: medians of {settings['rounds']} rounds, in which all sizes "
        "and ways take turns,\nand the smallest and the largest ratio. Models are "
        f"settings × {settings['folds']} folds, each of\n{settings['epochs']} epochs "
        f"with batches of {settings['batch_size']}, on one thread. The workers are on "
        f"the same machine,\nwhich has {machine['cpus']} cores.\n\n"
        f"Beside {reference[0]} models on {reference[1]} rows, ``{cases[0]}`` in one "
        f"process takes\n{growth}."
    )
    return "\n\n".join([list_table(table), note])


def timing(row):
    """Return the seconds of a case, and its ratio to the baseline unless it is that."""
    seconds, ratio = f"{row['seconds']['median']:.1f}", row["ratio"]
    if ratio["min"] == ratio["max"] == 1:
        return seconds
    return (
        f"{seconds}; × {ratio['median']:.2f} ({ratio['min']:.2f} – {ratio['max']:.2f})"
    )


def fit_speed_rst():
    report = report_of("fit_speed")
    rows = [["", "batches of", "seconds", "ratio", "to"]]
    for batch_size, cases in report["results"].items():
        rows += [
            [
                case["case"],
                batch_size,
                f"{case['seconds']['median']:.2f}",
                ratio_of(case),
                case["baseline"],
            ]
            for case in cases
        ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def search_speed_rst():
    report = report_of("search_speed")
    rows = [["", "task", "seconds per model", "ratio", "times as fast"]]
    for task, cases in report["results"].items():
        rows += [
            [
                case["case"],
                task,
                f"{case['seconds']['median']:.3f}",
                ratio_of(case),
                f"{1 / case['ratio']['median']:.1f}",
            ]
            for case in cases
        ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def predict_latency_rst():
    report = report_of("predict_latency")
    rows = [["", "rows", "milliseconds", "ratio"]]
    for n_rows, cases in report["results"].items():
        rows += [
            [
                case["case"],
                n_rows,
                f"{1000 * case['seconds']['median']:.3f}",
                ratio_of(case),
            ]
            for case in cases
        ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def memory_rst():
    report = report_of("memory")
    rows = [["", "peak of the process", "without the libraries"]]
    rows += [
        [case["case"], f"{case['peak']['median']:.2f}", f"{case['own']['median']:.2f}"]
        for case in report["results"]
    ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def extraction_speed_rst():
    report = report_of("extraction_speed")
    rows = [["", "milliseconds per recording", "ratio", "to"]]
    rows += [
        [
            case["case"],
            f"{1000 * case['seconds']['median']:.1f}",
            ratio_of(case),
            case["baseline"],
        ]
        for case in report["results"]
    ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def report_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def ratio_of(case):
    """Return the ratio of a case to its baseline, and its range over the rounds."""
    ratio = case["ratio"]
    if ratio["min"] == ratio["max"]:
        return f"{ratio['median']:.2f}"
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} - {ratio['max']:.2f})"


def machine_of(report):
    """Return a sentence on what a speed benchmark ran on."""
    machine, versions = report["machine"], report["versions"]
    packages = ", ".join(
        f"{name} {found.split('+')[0]}"
        for name, found in versions.items()
        if found and name != "advser"
    )
    return (
        f"{machine['cpus']} cores, Python {machine['python']}, {packages}; "
        f"rounds: {report['settings']['rounds']}."
    )


def calibration_rst():
    """Return the recall by method and number of the neutral utterances enrolled."""
    report = json.loads((RESULTS / "neutral_calibration.json").read_text("utf-8"))
    settings = report["settings"]
    cells = {}
    for row in report["results"]:
        spread = f" ± {row['std']:.3f}" if row["std"] else ""
        cells[row["method"], row["k"]] = f"{row['uar']:.3f}{spread}"
    methods = dict.fromkeys(method for method, _ in cells)
    counts = sorted({k for _, k in cells})
    rows = [["method", *map(str, counts)]]
    rows += [[method, *(cells[method, k] for k in counts)] for method in methods]
    note = (
        f"Unweighted average recall on {report['corpus']} by the number of neutral "
        "utterances enrolled:\nmean ± standard deviation over "
        f"{settings['draws']} draws of them and {settings['seeds']} seeds of the "
        "networks. Speakers are left out\none at a time; enrolled utterances are not "
        "scored, and are known to be neutral.\nNetworks run with their defaults, "
        "linear models choose C by the training speakers;\nSpeakerScaler has "
        f"``clip={settings['clip']}``. The speaker with fewest neutral utterances has "
        f"{min(settings['neutral_utterances_by_speaker'])}."
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
