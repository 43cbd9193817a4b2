"""Copy the committed results into the README and the documentation.

A table is never typed: it stands between the lines "NAME: begin" and "NAME: end" of a
page, and comes from the folder `results` beside this file.

    python benchmarks/update_tables.py            # write
    python benchmarks/update_tables.py --check    # tell which pages are out of date
"""

import json
import sys
from pathlib import Path
from textwrap import fill

from advser.cli._results import NOTES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments):
    pages = {}
    for path, name, render in (
        ("README.md", "benchmark", benchmark_markdown),
        ("docs/benchmark.rst", "benchmark", benchmark_rst),
        ("docs/benchmark.rst", "speaker_independent", speaker_independent_rst),
        ("docs/guide/leakage.rst", "leakage", leakage_rst),
        ("docs/guide/confounding.rst", "confounding", confounding_rst),
        ("docs/guide/cross_corpus.rst", "cross_corpus", cross_corpus_rst),
        (
            "docs/guide/cross_corpus.rst",
            "cross_corpus_confusions",
            cross_corpus_confusions_rst,
        ),
        ("docs/guide/defaults.rst", "defaults", defaults_rst),
        ("docs/guide/defaults.rst", "variants", variants_rst),
        ("docs/guide/defaults.rst", "variants_nested", variants_nested_rst),
        ("docs/guide/defaults.rst", "closed_form", closed_form_rst),
        ("docs/guide/distributed.rst", "distributed_scaling", distributed_scaling_rst),
        ("docs/guide/speaker_scaling.rst", "enrolment", enrolment_rst),
        (
            "docs/guide/speaker_scaling.rst",
            "enrolment_variants",
            enrolment_variants_rst,
        ),
        ("docs/speed.rst", "fit_speed", fit_speed_rst),
        ("docs/speed.rst", "search_speed", search_speed_rst),
        ("docs/speed.rst", "predict_latency", predict_latency_rst),
        ("docs/speed.rst", "memory", memory_rst),
        ("docs/speed.rst", "extraction_speed", extraction_speed_rst),
        ("docs/guide/siamese.rst", "calibration", calibration_rst),
        ("docs/guide/autoencoder.rst", "label_efficiency", label_efficiency_rst),
        ("docs/guide/autoencoder.rst", "prior_weight", prior_weight_rst),
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


def speaker_independent_rst():
    """Return the difference of each method to the baselines."""
    report = report_of("speaker_independent")
    rows = [["method", "compared with", "points", "95 %", "p, corrected"]]
    for row in report["differences"]:
        p_value = row["p_holm"]
        rows.append(
            [
                row["estimator"],
                row["other"],
                f"{row['points']:+.1f}",
                f"{row['low']:+.1f} to {row['high']:+.1f}",
                "< 0.001" if p_value < 0.001 else f"{p_value:.3f}",
            ]
        )
    note = (
        "Points of unweighted average recall. P-values are corrected by Holm for all "
        "comparisons\nwith one method, in both normalisations."
    )
    return "\n\n".join([list_table(rows), f"{note} {seeds_of(report)}"])


def leakage_rst():
    """Return what each probe finds, by method and question."""
    report = report_of("leakage")
    found, chance = {}, {}
    for row in report["results"]:
        column = f"{row['asked']}, {row['probe']}"
        found.setdefault(row["estimator"], {})[column] = f"{row['accuracy']:.2f}"
        chance[column] = f"{row['chance']:.2f}"
    found["chance"] = chance
    recall = {row["estimator"]: f"{row['uar']:.3f}" for row in report["recall"]}
    rows = [["", "UAR", *chance]]
    for name, cells in found.items():
        rows.append([name, recall.get(name, ""), *(cells[c] for c in chance)])
    note = (
        'Balanced accuracy of the probes, a mean over seeds. "Per speaker" is '
        "transductive. Classifiers\nwithout an embedding are judged by the features "
        "that they get. The autoencoder learns the speaker\nas a task."
    )
    return "\n\n".join([list_table(rows), f"{note} {seeds_of(report)}"])


def seeds_of(report):
    """Return a sentence on the rows and seeds of a report."""
    data, n_seeds = report["data"], len(report["settings"]["seeds"])
    return (
        f"{report['corpus']}: {data['n_samples']} recordings, {len(data['speakers'])} "
        f"speakers; {n_seeds} seed{'s' * (n_seeds > 1)} of what depends on one."
    )


def confounding_rst():
    """Return the recall along the adversary weight, and what the game costs."""
    report = report_of("confounding")
    cells, plain, weights = {}, None, set()
    for row in report["results"]:
        if row["adversary"] is None:
            plain = row
            continue
        name, _, kind = row["adversary"].partition(", ")
        kind += ", within each emotion" if row["conditional"] else ""
        game = f'``"{name}"``' + (f", {kind.lstrip(', ')}" if kind else "")
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


def cross_corpus_rst():
    """Return the recall from each corpus to each other one, by way of training."""
    report = report_of("cross_corpus")
    way_of = ("estimator", "domain", "unlabeled")
    found = {
        (*(row[key] for key in way_of), row["train"], row["test"]): row
        for row in report["results"]
    }
    compared = {
        (*(row[key] for key in way_of), row["train"], row["test"]): row
        for row in report["differences"]
    }
    pairs = [(pair["train"], pair["test"]) for pair in report["pairs"]]
    across = [pair for pair in pairs if pair[0] != pair[1]]
    within = [pair for pair in pairs if pair[0] == pair[1]]
    header = ["estimator", "domain", "known of the test"]
    header += [f"{train} to {test}" for train, test in across]
    header += [f"within {name}" for name, _ in within]
    rows = [header]
    for way in dict.fromkeys(key[:3] for key in found):
        cells = []
        for pair in [*across, *within]:
            row, difference = found.get((*way, *pair)), compared.get((*way, *pair))
            if row is None:
                cells.append("")
                continue
            spread = "" if row["uar_std"] is None else f" ± {row['uar_std']:.3f}"
            told = ""
            if difference is not None:
                told = f" ({difference['points']:+.1f}, p {difference['p_holm']:.2f})"
            cells.append(f"{row['uar']:.3f}{spread}{told}")
        target = found[*way, *across[0]]["target"]
        rows.append([way[0], way[1], target, *cells])
    sizes = " and ".join(
        f"{pair['n_test']} utterances of {pair['test_speakers']} speakers in "
        f"{pair['test']}"
        for pair in report["pairs"]
        if pair["train"] == pair["test"]
    )
    told_apart, chance = report["told_apart"], report["results"][0]["chance"]
    note = (
        f"Unweighted average recall (chance: {chance:.2f}) on {sizes}: mean ± standard "
        f"deviation over {len(report['settings']['seeds'])} seeds. In parentheses the "
        f"difference to *{report['baseline']}* in points, and its p-value, corrected "
        f"by Holm for all {len(report['differences'])} comparisons. *Scaled* is by "
        'SpeakerScaler with ``unknown="batch"``. Networks run with their defaults, '
        "their adversaries with a weight of 0.5, linear models with C = 0.1: nothing "
        "is chosen. Within a corpus, ten folds by speaker. An utterance of a new "
        "speaker is told to be of the one or the other "
        f"corpus with an accuracy of {told_apart['corpus_accuracy']:.2f} by a logistic "
        f"regression; {told_apart['means_one_deviation_apart']:.0%} of the features "
        "have means that lie more than a standard deviation apart."
    )
    return "\n\n".join([list_table(rows), fill(note, 96)])


def cross_corpus_confusions_rst():
    """Return what the linear SVM takes for what, from each corpus to the other."""
    tables = [
        table
        for table in report_of("cross_corpus")["confusions"]
        if table["estimator"] == "linear SVM"
    ]
    rows = [["", "", *(f"as {emotion}" for emotion in tables[0]["emotions"])]]
    for table in tables:
        for number, emotion in enumerate(table["emotions"]):
            pair = "" if number else f"{table['train']} to {table['test']}"
            shares = [f"{share:.2f}" for share in table["share"][number]]
            rows.append([pair, emotion, *shares])
    return list_table(rows)


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


VARIANT_COLUMNS = {
    "global": ("EmoDB, global", "inner"),
    "per speaker": ("EmoDB, per speaker", "inner"),
    "URDU": ("URDU, global", "outer"),
    "leakage": ("EmoDB, global", "leakage"),
}
TAKEN = "clip=2, alpha=0.04, dropout=0"
CLOSED_FORM = f"adversary='ridge', {TAKEN}"


def variants_rst():
    """Return what every variant of the network recalls, and leaks."""
    report = report_of("variants")
    rows = [["", *VARIANT_COLUMNS]]
    group = None
    for row in report["results"]:
        if row["group"] == CLOSED_FORM:
            continue
        if row["group"] != group:
            group = row["group"]
            rows.append([f"**{group}**", *("" for _ in VARIANT_COLUMNS)])
        rows.append([row["variant"], *variant_cells(row)])
    note = "In bold the settings that those below it share."
    return "\n\n".join([list_table(rows), f"{variant_note(report)} {note}"])


def closed_form_rst():
    """Return what the adversary in closed form costs and hides, by its settings."""
    report = report_of("variants")
    rows = [["", *VARIANT_COLUMNS]]
    for row in report["results"]:
        if row["group"] == CLOSED_FORM:
            rows.append([f"``{row['variant']}``", *variant_cells(row)])
        elif row["group"] == TAKEN and row["variant"] == "adversary=None":
            rows.insert(1, ["``adversary=None``", *variant_cells(row)])
        elif row["group"] == TAKEN and row["variant"] == "as it is":
            name = '``"entropy"``, ``adversary_weight=0.5``'
            rows.insert(1, [name, *variant_cells(row)])
    return "\n\n".join([list_table(rows), variant_note(report)])


def variant_cells(row):
    """Return the scores of a variant, by column."""
    return [
        over_seeds(row.get(column, {}), score)
        for column, score in VARIANT_COLUMNS.values()
    ]


def variant_note(report):
    """Return what the columns of variants are."""
    n_seeds = len(report["settings"]["seeds"])
    return (
        "Unweighted average recall, of EmoDB that of the inner folds alone; and the "
        "balanced accuracy\nwith which a logistic probe names the speaker (EmoDB, "
        f"global; chance 0.10): mean ±\nstandard deviation over {n_seeds} seeds."
    )


def variants_nested_rst():
    """Return what a choice among all variants is worth on speakers without a say."""
    report = report_of("variants")
    results = {f"{row['group']}: {row['variant']}": row for row in report["results"]}
    columns = ["EmoDB, global", "EmoDB, per speaker"]
    nested = report["nested"]
    rows = [["", *columns]]
    choice = [over_seeds(nested[column], "nested") for column in columns]
    rows.append(["chosen anew for each speaker", *choice])
    for label, group, name in (
        ("the defaults", CLOSED_FORM, "adversary_weight=0.2, adversary_alpha=0.01"),
        (TAKEN, TAKEN, "as it is"),
        (
            "clip=None, alpha=0, dropout=0.3",
            "clip=None, alpha=0, dropout=0.3",
            "as it is",
        ),
        ("linear SVM, C=0.01", "linear SVM, C=0.01", "unbounded"),
        ("linear SVM, C=0.01, bound of 2", "linear SVM, C=0.01", "bound of 2"),
    ):
        row = results[f"{group}: {name}"]
        rows.append([label, *(over_seeds(row[column], "outer") for column in columns)])
    n_networks = sum("SVC" not in row["steps"][-1] for row in report["results"])
    note = (
        "Unweighted average recall on EmoDB, leaving one speaker out: mean ± standard "
        f"deviation over\n{len(report['settings']['seeds'])} seeds. The first row "
        f"chooses among the {n_networks} networks of this page, anew for each seed. "
        'The\nother settings play ``adversary="entropy"``. Per speaker is transductive.'
    )
    return "\n\n".join([list_table(rows), note])


def over_seeds(scores, name):
    """Return a score and its standard deviation, as far as there are any."""
    if name not in scores:
        return ""
    std = scores[f"{name}_std"]
    return f"{scores[name]:.3f}" + ("" if std is None else f" ± {std:.3f}")


def enrolment_rst():
    """Return the recall by method and number of the utterances enrolled."""
    report = report_of("enrolment")
    settings = report["settings"]
    tables = [
        enrolment_table(report, "classifier", kind) for kind in ("any", "neutral")
    ]
    note = (
        f"Unweighted average recall on {report['corpus']} by the number of the "
        "utterances enrolled, of any kind\nabove and neutral ones below: mean ± "
        f"standard deviation over {settings['repeats']} draws of them, for the "
        f"networks with\n{settings['network_seeds']} seeds. All is transductive and "
        "scores what is enrolled; else enrolled utterances are not\nscored. "
        f"Everybody has ``{settings['scaler']}``\nand three settings of their own, "
        "from which the other speakers choose for the one left out."
    )
    return "\n\n".join([*tables, note])


def enrolment_variants_rst():
    """Return the recall by the way in which a speaker's statistics are learnt."""
    report = report_of("enrolment_variants")
    table = enrolment_table(report, "variant", "any", spread=False)
    largest = max(row["std"] or 0 for row in report["results"])
    note = (
        f"Unweighted average recall on {report['corpus']}, any utterances, with one "
        f"logistic regression (C = 0.1) for all\nand ``clip=3`` unless said "
        f"otherwise: mean over {report['settings']['repeats']} draws, the same for "
        f"all, whose standard deviation is\n{largest:.3f} at most."
    )
    return "\n\n".join([table, note])


def enrolment_table(report, by, kind, *, spread=True):
    """Return the recall by number, a row for each entry of the column `by`."""
    cells = {}
    for row in report["results"]:
        if row["enrolled"] == kind:
            std = f" ± {row['std']:.3f}" if spread and row["std"] is not None else ""
            cells[row[by], row["k"]] = f"{row['uar']:.3f}{std}"
    counts = dict.fromkeys(k for _, k in cells)
    header = [f"{kind} utterances", *map(str, counts)]
    rows = [
        [name, *(cells[name, k] for k in counts)]
        for name in dict.fromkeys(name for name, _ in cells)
    ]
    return list_table([header, *rows])


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
        "AdversarialSER\nwith maximum entropy at a weight of 0.5; linear models choose "
        "C by the training speakers;\nSpeakerScaler has "
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
        "language. The autoencoder\nruns with its defaults but for a prior of weight "
        "1, the network is regularised as it is,\nthe logistic regression has C = 0.1; "
        "self-training is scikit-learn's.\n"
        "The reconstruction error of a network trained on EmoDB alone tells the other "
        f"corpus from the\nspeaker left out with an AUC of {error['auc']:.2f} "
        f"({error['smallest']:.2f} at worst)."
    )
    return "\n\n".join([list_table(rows), note])


def prior_weight_rst():
    """Return the recall by the weight of the prior, and how often each was chosen."""
    report = report_of("autoencoder_weights")
    chosen = {str(row["prior_weight"]): row["times"] for row in report["chosen"]}
    recalls = {}
    for corpus in report["recalls"].values():
        for row in corpus:
            cell = f"{row['uar']:.3f} ± {row['std']:.3f}"
            recalls.setdefault(row["estimator"], []).append(cell)
    rows = [["``prior_weight``", *report["recalls"], "chosen on EmoDB"]]
    for name, cells in recalls.items():
        _, _, weight = name.partition("=")
        times = str(chosen.get(weight, 0)) if weight else ""
        rows.append([weight or "network without decoder", *cells, times])
    n_folds, n_seeds = report["n_folds"], len(report["seeds"])
    note = (
        "Unweighted average recall on new speakers, mean ± standard deviation over "
        f"{n_seeds} seeds, in\n{n_folds['EmoDB']} folds of EmoDB and "
        f"{n_folds['URDU']} of URDU; and how often speaker-disjoint inner folds chose "
        f"the weight,\nof {sum(chosen.values())} times."
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
