"""Copy the committed results into the README and the documentation.

Tables are generated from the folder `results` next to this file, and written between
the lines "NAME: begin" and "NAME: end" of a page.

    python benchmarks/update_tables.py            # write the tables
    python benchmarks/update_tables.py --check    # name the pages that are out of date
"""

import json
import re
import sys
import textwrap
from functools import partial
from itertools import groupby
from pathlib import Path

import pandas as pd

from advser.cli._results import NOTES
from advser.objectives import ClosedForm

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
RESULTS = ROOT / "benchmarks" / "results"

# Parameters as earlier versions recorded them, and their present names.
RENAMED = {
    "adversary='ridge'": "adversary='closed_form'",
    ": ridge": ": closed form",
}


# Adaptation: kinds by name, in the order of the table, and orders of utterances.
ADAPTATIONS = {
    "mean": "running mean",
    "mean and variance": "running mean and variance",
    "iterative, causal": "iterative feature normalization, causal",
    "moments": "moments",
    "emotions": "emotions",
    "auto": "chosen by `fit`",
}
BASELINES = ("mean", "mean and variance", "iterative, causal")
ORDERS = {"random": "random", "blocks": "blocks of ten", "emotions": "one block each"}
CLASSIFIERS = {
    "logistic": "logistic regression",
    "svm": "linear SVM",
    "network": "AdversarialSER",
}
AIMS = {"emodb": 0.875, "ravdess": 0.62, "emovo": 0.41, "ased": 0.85, "korean": 0.84}
AIM_LOSS, AIM_GAIN, AIM_LEAD = 0.005, 0.02, 0.01  # of unlabelled rows
AIM_RANDOM, AIM_BLOCKS, MAY_LOSE = 0.08, 0.05, 0.01
CORPORA = {"emodb": "EmoDB", "korean": "Korean"}  # others are acronyms
README_COLUMNS = (0, 1, 2, 4, 6)  # of the table of the benchmark
README_NOTES = """\
UAR: unweighted average recall of all test utterances, leaving one speaker out at a
time: mean ± standard deviation over the seeds, and 95 % confidence interval by
bootstrap over the speakers. Leakage: balanced accuracy with which a logistic probe
predicts the speaker from the embedding, or from the features of a baseline. Adaptive
results use the test speaker's utterances up to the one that is scored, without the
emotions; transductive results use all of them. Compare results of one kind with each
other only. The documentation has more columns, and says how settings were chosen."""
EARLIER = "earlier defaults"


# A break at a hyphen would be shown as a space.
fill = partial(textwrap.fill, break_on_hyphens=False)


def corpus_name(corpus):
    """Return the name of a corpus as it is printed."""
    return CORPORA.get(corpus, corpus.upper())


def renamed(name):
    """Return a recorded name with the present names of its parameters."""
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name


def main(arguments):
    pages = {}
    tables = {
        "README.md": {"benchmark": benchmark_markdown},
        "docs/benchmark.rst": {
            "benchmark": benchmark_rst,
            "speaker_independent": speaker_independent_rst,
        },
        "docs/guide/adaptation.rst": {
            "adaptation": adaptation_rst,
            "adaptation_aims": adaptation_aims_rst,
            "adaptation_enrolment": adaptation_enrolment_rst,
            "adaptation_forgetting": adaptation_forgetting_rst,
        },
        "docs/guide/leakage.rst": {"leakage": leakage_rst},
        "docs/guide/confounding.rst": {"confounding": confounding_rst},
        "docs/guide/cross_corpus.rst": {
            "cross_corpus": cross_corpus_rst,
            "cross_corpus_confusions": cross_corpus_confusions_rst,
        },
        "docs/guide/defaults.rst": {
            "corpora": corpora_rst,
            "corpora_tuned": partial(corpora_rst, "tuned"),
            "defaults": defaults_rst,
            "adversary_weights": adversary_weights_rst,
            "autoencoder_settings": autoencoder_settings_rst,
        },
        "docs/guide/distributed.rst": {"distributed_scaling": distributed_scaling_rst},
        "docs/guide/other_corpora.rst": {"auxiliary_corpora": auxiliary_corpora_rst},
        "docs/guide/refused.rst": {"refused": refused_rst},
        "docs/speed.rst": {
            "fit_speed": fit_speed_rst,
            "search_speed": search_speed_rst,
            "predict_latency": predict_latency_rst,
            "scale": scale_rst,
            "start": start_rst,
            "memory": memory_rst,
            "extraction_speed": extraction_speed_rst,
        },
        "docs/guide/autoencoder.rst": {"prior_weight": prior_weight_rst},
        "docs/guide/few_labels.rst": {
            "label_efficiency": label_efficiency_rst,
            "label_efficiency_aims": label_efficiency_aims_rst,
            "label_efficiency_ablation": label_efficiency_ablation_rst,
        },
    }
    for path, renders in tables.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        for name, render in renders.items():
            text = replace(text, name, render(), path)
        pages[path] = text
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
    rows = [[row[i] for i in README_COLUMNS] for row in benchmark_rows()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(map(str.ljust, row, widths)) for row in rows)
    table = "\n".join(f"| {line} |" for line in lines)
    return "\n\n".join([table, README_NOTES, origin()])


def benchmark_rst():
    return "\n\n".join([list_table(benchmark_rows()), NOTES, origin()])


def benchmark_rows():
    """Return the cells of the table, its header first."""
    lines = (RESULTS / "emodb" / "table.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return rows[:1] + rows[2:]  # without the rule below the header


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
                f"{row['points']:+z.1f}",
                f"{row['low']:+z.1f} to {row['high']:+z.1f}",
                "< 0.001" if p_value < 0.001 else f"{p_value:.3f}",
            ]
        )
    note = (
        "Points of unweighted average recall. P-values are corrected by Holm for all "
        "comparisons\nwith one method, of all kinds together."
    )
    return "\n\n".join([list_table(rows), f"{note} {seeds_of(report)}"])


def adaptation_rst():
    """Return the recall with adaptation, by kind, order of utterances and corpus."""
    recalls, spreads, names = adaptation_scores()

    def row(classifier, kind, order, *cells):
        values = recalls[kind, classifier, order].reindex(names)
        shown = [f"{value:.3f}" for value in [*values, values.mean()]]
        return [*cells, *shown]

    corpora = [*names.values(), "mean"]
    table = [["logistic regression", "order", *corpora]]
    table.append(row("logistic", "inductive", "any", "inductive", ""))
    for kind, label in ADAPTATIONS.items():
        for order, of in ORDERS.items():
            cells = label if order == "random" else "", of
            table.append(row("logistic", kind, order, *cells))
    others = [["chosen by `fit`", "order", *corpora]]
    for classifier in ("svm", "network"):
        cells = f"{CLASSIFIERS[classifier]}, inductive", ""
        others.append(row(classifier, "inductive", "any", *cells))
        for order, of in ORDERS.items():
            cells = CLASSIFIERS[classifier] if order == "random" else "", of
            others.append(row(classifier, "auto", order, *cells))
    whole = [["transductive", *corpora]]
    labels = {
        "iterative, batch": "iterative feature normalization",
        "transductive": "statistics of the batch",
    }
    for kind, label in labels.items():
        whole.append(row("logistic", kind, "any", label))
    return "\n\n".join([*map(list_table, (table, others, whole)), spreads])


def adaptation_scores():
    """Return the recalls, a sentence on their spread, and the names of the corpora."""
    report = report_of("adaptation")
    scores = (
        pd.DataFrame(report["scores"])
        .set_index(["kind", "classifier", "order", "corpus"])
        .sort_index()
    )
    found = {entry["corpus"]: entry for entry in report["corpora"]}
    names = {name: corpus_name(name) for name in (*AIMS, "urdu")}
    sizes = ", ".join(
        f"{names[name]} {found[name]['n_samples']} of {found[name]['n_speakers']}"
        for name in names
    )
    width = (scores["high"] - scores["low"]).groupby("corpus").mean() / 2
    widths = ", ".join(f"{names[name]} {width[name]:.2f}" for name in names)
    spread = fill(
        f"Means over {report['settings']['repeats']} draws of the order, whose "
        f"standard deviation is {scores['std'].max():.3f} at most. Half the width of "
        f"the 95 % interval over speakers is, on average: {widths}. Utterances and "
        f"speakers: {sizes}.",
        88,
    )
    return scores["uar"], spread, names


def adaptation_aims_rst():
    """Return what was aimed at, with what is reached and what is not."""
    recalls, _, names = adaptation_scores()
    alone = recalls.xs("inductive")
    best = alone.groupby("corpus").max()
    auto = recalls.xs("auto").unstack("corpus")
    rows = [["random order", "aim", *CLASSIFIERS.values()]]
    for corpus, aim in (AIMS | {"urdu": None}).items():
        row = [names[corpus], f"{aim:.3f}" if aim else "inductive − 0.01"]
        for classifier in CLASSIFIERS:
            reached = auto.loc[(classifier, "random"), corpus]
            least = aim or alone[classifier, "any", corpus] - MAY_LOSE
            missed = "" if reached >= least - 5e-5 else ", missed"
            row.append(f"{reached:.3f}{missed}")
        rows.append(row)
    sentences = []
    for order, of in {
        "random": "random order",
        "blocks": "blocks of ten",
        "emotions": "one block per emotion",
    }.items():
        aim = AIM_RANDOM if order == "random" else AIM_BLOCKS
        gains = {
            classifier: (auto.loc[(classifier, order)] - best)[list(AIMS)].mean()
            for classifier in CLASSIFIERS
        }
        found = ", ".join(f"{gains[c]:+.3f} with {CLASSIFIERS[c]}" for c in gains)
        met = [CLASSIFIERS[c] for c in gains if gains[c] >= aim]
        verdict = f"reached with {' and '.join(met)}" if met else "missed"
        sentences.append(
            f"In {of}, the mean gain over the best inductive classifier of each "
            f"corpus, without URDU, is {found}; the aim of {aim:+.2f} is {verdict}."
        )
    losses = []
    for classifier, label in CLASSIFIERS.items():
        for order, of in ORDERS.items():
            gain = auto.loc[(classifier, order)] - alone[classifier, "any"]
            losses += [
                f"{names[corpus]} {value:+.3f} ({label}, {of})"
                for corpus, value in gain.items()
                if value < -MAY_LOSE
            ]
    harmed = "; ".join(losses) or "none"
    sentences.append(
        "No corpus should lose more than 0.01 to the same classifier without "
        f"adaptation. Those that do: {harmed}."
    )
    logistic = recalls.xs("logistic", level="classifier")
    by_order = logistic.unstack("corpus")
    header = [f"{of}, {n}" for of in ORDERS.values() for n in ("all", "no URDU")]
    table, means = [["logistic regression", *header]], {}
    for kind in (*BASELINES, "auto"):
        parts = [by_order.loc[(kind, order)] for order in ORDERS]
        means[kind] = [m for p in parts for m in (p.mean(), p[list(AIMS)].mean())]
        table.append([ADAPTATIONS[kind], *(f"{mean:.3f}" for mean in means[kind])])
    better = [
        f"{ADAPTATIONS[kind]} by {mean - own:.3f} ({column})"
        for kind in BASELINES
        for column, mean, own in zip(header, means[kind], means["auto"])
        if mean > own + 0.0005
    ]
    sentences.append(
        "On average the choice of `fit` should be at least as good as each baseline. "
        f"Better than it: {'; '.join(better) or 'none'}."
    )
    chosen = [
        f"{names[entry['corpus']]} "
        + ", ".join(f'"{kind}" in {n}' for kind, n in entry["chosen"].items())
        for entry in report_of("adaptation")["corpora"]
    ]
    sentences.append(f"What `fit` chose, by number of folds: {'; '.join(chosen)}.")
    texts = [fill(text, 88) for text in sentences]
    label = "Means over all corpora, and over those other than URDU:"
    return "\n\n".join([list_table(rows), *texts, label, list_table(table)])


def adaptation_enrolment_rst():
    """Return the recall after enrolment, by scaler and number of utterances."""
    found = pd.DataFrame(report_of("adaptation")["enrolment"])
    names = adaptation_scores()[2]
    scalers = list(found["scaler"].unique())
    counts = sorted(found["k"].unique())
    keys = ["neutral", "scaler", "corpus", "k"]
    cells = found.set_index(keys)["uar"].sort_index()
    rows = [["utterances", "scaler", *(f"k = {k}" for k in counts)]]
    for neutral, kind in ((False, "any"), (True, "neutral")):
        for group, label in ((list(AIMS), "five corpora"), (["urdu"], "URDU")):
            for scaler in scalers:
                part = cells[neutral, scaler].unstack("k").reindex(group)
                values = part.reindex(columns=counts).mean()
                shown = ["" if pd.isna(v) else f"{v:.3f}" for v in values]
                first = f"{kind}, {label}" if scaler == scalers[0] else ""
                rows.append([first, f"``{scaler}``", *shown])
    sentences = []
    for scaler in scalers[1:]:
        below = []
        for (neutral, corpus, k), value in cells.xs(scaler, level="scaler").items():
            gap = value - cells[neutral, scalers[0], corpus, k]
            if gap < -0.005:
                kind = ", neutral" if neutral else ""
                below.append(f"{names[corpus]} {gap:+.3f} (k = {k}{kind})")
        sentences.append(
            f"``{scaler}`` is more than half a point below ``{scalers[0]}`` in "
            f"{len(below)} of {len(cells) // len(scalers)} cases"
            + (f": {'; '.join(below)}." if below else ".")
        )
    return "\n\n".join([list_table(rows), *(fill(text, 88) for text in sentences)])


def adaptation_forgetting_rst():
    """Return what a factor gains or loses by which old utterances are forgotten."""
    recalls = adaptation_scores()[0]
    table = recalls.xs("logistic", level="classifier").unstack("corpus")[list(AIMS)]
    kinds = table.index.unique("kind")
    factors = [kind for kind in kinds if kind.startswith("forgetting")]
    gains = pd.concat(
        [table.loc[kind] - table.loc["mean and variance"] for kind in factors]
    )
    values = sorted(float(kind.split()[-1]) for kind in factors)
    return fill(
        "There is no factor by which old utterances are forgotten. In running mean and "
        f"variance, factors from {values[0]} to {values[-1]} per utterance gain "
        f"{gains.max(axis=None):.3f} at most on the corpora other than URDU, and lose "
        f"up to {-gains.loc['random'].min(axis=None):.3f} in random order and "
        f"{-gains.drop('random').min(axis=None):.3f} in blocks, because they forget "
        "the earlier emotions.",
        88,
    )


def leakage_rst():
    """Return the leakage by method, property and probe."""
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
        'Balanced accuracy of the probes, mean over the seeds. "Per speaker" is '
        "transductive. For classifiers\nwithout an embedding the probe uses their "
        "input features. The autoencoder learns the speaker\nas a task."
    )
    return "\n\n".join([list_table(rows), f"{note} {seeds_of(report)}"])


def seeds_of(report):
    """Return a sentence on the rows and seeds of a report."""
    data, n_seeds = report["data"], len(report["settings"]["seeds"])
    return (
        f"{report['corpus']}: {data['n_samples']} recordings, {len(data['speakers'])} "
        f"speakers; {n_seeds} seed{'s' * (n_seeds > 1)} for methods that depend on one."
    )


def adversary_weights_rst():
    """Return the leakage of each adversary by corpus, and its effect on the recall."""
    report = report_of("adversary_weights")
    found = {
        corpus: pd.DataFrame(by_name).T for corpus, by_name in report["results"].items()
    }
    uar, leakage = (
        pd.DataFrame({corpus: table[name] for corpus, table in found.items()})
        for name in ("uar", "leakage")
    )
    change, left = uar - uar.iloc[0], leakage / leakage.iloc[0]
    header = ["leakage", *map(corpus_name, found), "share left", "recall", "at worst"]
    rows = [header]
    for name in uar.index:
        cells = [
            f"{value:.2f}" for value in [*leakage.loc[name], left.loc[name].mean()]
        ]
        gains = [change.loc[name].mean(), change.loc[name].min()]
        label = re.sub(r"^\w+\(.*\)", r"``\g<0>``", name)
        rows.append([label, *cells, *(f"{gain:+z.3f}" for gain in gains)])
    earlier = "no adversary; lr=0.003, embedding 64, hidden 128"
    chosen = f"ClosedForm(weight={ClosedForm().weight})"
    gains = uar.loc[chosen] - uar.loc[earlier]
    share = (leakage.loc[chosen] / leakage.loc[earlier]).mean()
    note = (
        "Leakage: balanced accuracy of a logistic probe for the speaker. Share left: "
        "leakage divided by that of the first row, mean over the corpora. Recall: "
        "difference to the first row, mean over the corpora, and the lowest. Where "
        "nothing else is stated, the network has its defaults. "
        f"{report['settings']['seeds']} seeds, five folds by speaker. Compared with "
        f"*{earlier}*, which was the earlier default without adversary, "
        f"``{chosen}`` leaves {share:.2f} of the leakage; the difference in recall is "
        f"{gains.mean():+z.3f} on average and {gains.min():+z.3f} at worst."
    )
    return "\n\n".join([list_table(rows), fill(note, 96)])


def autoencoder_settings_rst():
    """Return the gain in recall of each setting over the last one, by corpus."""
    report = report_of("autoencoder_settings")
    uar = pd.DataFrame(report["results"])
    gains = uar - uar.iloc[-1]
    rows = [["", *map(corpus_name, uar), "mean"]]
    for name, of_name in gains.iterrows():
        label = name if name == "defaults" else f"``{name}``"
        cells = [*of_name, of_name.mean()]
        rows.append([label, *(f"{gain:+z.3f}" for gain in cells)])
    note = (
        "Recall, less that of the last row, whose values were chosen on EmoDB alone. "
        f"{report['settings']['seeds']} seeds, five folds by speaker."
    )
    return "\n\n".join([list_table(rows), fill(note, 96)])


def confounding_rst():
    """Return the recall by objective and weight, with the difference to none."""
    report = report_of("confounding")
    cells, plain, weights = {}, None, set()
    for row in report["results"]:
        if row["adversary"] is None:
            plain = row
            continue
        name, _, kind = row["adversary"].partition(", ")
        name = "closed_form" if name == "ridge" else name
        kind += ", conditional" if row["conditional"] else ""
        objective = f'``"{name}"``' + (f", {kind.lstrip(', ')}" if kind else "")
        weights.add(row["weight"])
        cell = f"{row['uar']:.3f} ({row['difference']:+.3f})"
        cells[objective, row["weight"]] = cell
    objectives = dict.fromkeys(objective for objective, _ in cells)
    rows = [["weight", *objectives]]
    rows += [
        [f"{weight:g}", *(cells[objective, weight] for objective in objectives)]
        for weight in sorted(weights)
    ]
    largest = max(row["difference_std"] for row in report["results"])
    note = (
        f"Without adversary: {plain['uar']:.3f} ± {plain['std']:.3f}, mean and "
        f"standard deviation over {len(report['settings']['seeds'])} seeds. The\n"
        f"standard deviation of the differences is {largest:.3f} at most. Ten "
        "speaker-disjoint folds; no\nsetting is chosen."
    )
    return "\n\n".join([list_table(rows), note])


def cross_corpus_rst():
    """Return the recall from each corpus to each other one, by method and domain."""
    report = report_of("cross_corpus")
    key_of = ("estimator", "domain", "unlabeled")
    found = {
        (*(row[key] for key in key_of), row["train"], row["test"]): row
        for row in report["results"]
    }
    compared = {
        (*(row[key] for key in key_of), row["train"], row["test"]): row
        for row in report["differences"]
    }
    pairs = [(pair["train"], pair["test"]) for pair in report["pairs"]]
    across = [pair for pair in pairs if pair[0] != pair[1]]
    within = [pair for pair in pairs if pair[0] == pair[1]]
    header = ["estimator", "domain", "information about the test corpus"]
    header += [f"{train} to {test}" for train, test in across]
    header += [f"within {name}" for name, _ in within]
    rows = [header]
    for method in dict.fromkeys(key[:3] for key in found):
        cells = []
        for pair in [*across, *within]:
            row, difference = (
                found.get((*method, *pair)),
                compared.get((*method, *pair)),
            )
            if row is None:
                cells.append("")
                continue
            spread = "" if row["uar_std"] is None else f" ± {row['uar_std']:.3f}"
            test = ""
            if difference is not None:
                test = f" ({difference['points']:+.1f}, p {difference['p_holm']:.2f})"
            cells.append(f"{row['uar']:.3f}{spread}{test}")
        target = found[*method, *across[0]]["target"]
        rows.append([method[0], method[1], target, *cells])
    sizes = " and ".join(
        f"{pair['n_test']} utterances of {pair['test_speakers']} speakers in "
        f"{pair['test']}"
        for pair in report["pairs"]
        if pair["train"] == pair["test"]
    )
    separation, chance = report["told_apart"], report["results"][0]["chance"]
    note = (
        f"Unweighted average recall (chance: {chance:.2f}) on {sizes}: mean ± standard "
        f"deviation over {len(report['settings']['seeds'])} seeds. In parentheses: the "
        f"difference to *{report['baseline']}* in points, and its p-value, corrected "
        f"by Holm for all {len(report['differences'])} comparisons. *Scaled* is by "
        'SpeakerScaler with ``unknown="batch"``. Networks use their defaults with an '
        "adversary weight of 0.5, linear models C = 0.1; no setting is chosen. Within "
        "a corpus: ten speaker-disjoint folds. A logistic regression identifies the "
        "corpus of an utterance of a new speaker with an accuracy of "
        f"{separation['corpus_accuracy']:.2f}; for "
        f"{separation['means_one_deviation_apart']:.0%} of the features the means of "
        "the corpora differ by more than one standard deviation."
    )
    return "\n\n".join([list_table(rows), fill(note, 96)])


def cross_corpus_confusions_rst():
    """Return the confusion matrices of the linear SVM across corpora."""
    tables = [
        table
        for table in report_of("cross_corpus")["confusions"]
        if table["estimator"] == "linear SVM"
    ]
    shown = [f"as {emotion}" for emotion in tables[0]["emotions"]]
    rows = [["corpora", "emotion", *shown]]
    for table in tables:
        for number, emotion in enumerate(table["emotions"]):
            pair = "" if number else f"{table['train']} to {table['test']}"
            shares = [f"{share:.2f}" for share in table["share"][number]]
            rows.append([pair, emotion, *shares])
    return list_table(rows)


def corpora_rst(part="scores"):
    """Return the recall of each method on each corpus, and its lead."""
    report = report_of("corpora")
    scores = pd.DataFrame(report[part])
    uar = scores.pivot_table("uar", "estimator", "corpus", sort=False)
    better = uar.loc[["logistic regression", "linear SVM"]].max()
    probe = scores.pivot_table("leakage_logistic", "estimator", "corpus", sort=False)
    names = map(corpus_name, uar)
    rows = [["UAR", *names, "mean", "mean lead", "probe"]]
    for name, recalls in uar.iterrows():
        lead = (recalls - better).mean()
        cells = [f"{recall:.3f}" for recall in [*recalls, recalls.mean()]]
        rows.append([name, *cells, f"{lead:+.3f}", f"{probe.loc[name].mean():.2f}"])
    note = (
        "Lead: over the better linear model of each corpus. Probe: accuracy of a probe "
        "for the speaker\n(logistic regression), mean over the corpora. "
        f"Seeds of the networks: {report['settings']['seeds'][part]}."
    )
    return "\n\n".join([list_table(rows), note])


def auxiliary_corpora_rst():
    """Return the recall with and without the rows of other corpora."""
    report = report_of("auxiliary_corpora")
    scores = pd.DataFrame(report["scores"])
    ways = scores["estimator"].str.extract(r": (\w+)")[0]
    uar = scores.assign(way=ways).set_index(["kind", "way", "corpus"])["uar"]
    uar = uar.sort_index()
    corpora = scores["corpus"].unique()
    names = [corpus_name(corpus) for corpus in corpora]
    ways = {
        "alone": "own rows alone",
        "chosen": "with others, chosen",
        "fixed": f"with others at {report['settings']['fixed']}",
    }
    rows, sentences = [["UAR", "", *names, "mean"]], []
    is_reached = True
    for kind in scores["kind"].unique():
        for way, label in ways.items():
            recalls = uar[kind, way].reindex(corpora)
            cells = [f"{recall:.3f}" for recall in [*recalls, recalls.mean()]]
            rows.append([kind if way == "alone" else "", label, *cells])
        gain = (uar[kind, "chosen"] - uar[kind, "alone"]).reindex(corpora)
        is_reached &= gain.mean() >= 0.01 and gain.min() >= -0.005
        sentences.append(
            f"{kind}: {gain.mean():+.3f} on average, and {gain.min():+.3f} at worst, "
            f"on {names[gain.argmin()]}"
        )
    width = (scores["uar_high"] - scores["uar_low"]).mean() / 2
    note = fill(
        f"{report['settings']['folds']}; adaptive scores are means over "
        f"{report['settings']['seeds']} draws of the order. Half the width of the 95 % "
        f"interval over speakers is {width:.3f} on average. Gains of the choice: "
        f"{'; '.join(sentences)}. The aims, at least +0.01 on average and no loss "
        f"above 0.005, are {'reached' if is_reached else 'missed'}.",
        88,
    )
    return "\n\n".join([list_table(rows), note])


def defaults_rst():
    """Return the lead of each setting over the better linear model, by corpus."""
    report = report_of("defaults")
    linear = {
        corpus: pd.DataFrame(by_seed).T for corpus, by_seed in report["linear"].items()
    }
    better = pd.DataFrame(
        {corpus: table[table.mean().idxmax()] for corpus, table in linear.items()}
    )
    leads = {
        name: pd.DataFrame(by_seed).T - better.loc[list(by_seed)]
        for name, by_seed in report["results"].items()
    }
    earlier = leads[EARLIER]
    means = pd.DataFrame({name: lead.mean() for name, lead in leads.items()})
    rows = [["", *map(corpus_name, means.index), "mean", "gain", "seeds"]]
    for name, lead in leads.items():
        gain = (lead - earlier.loc[lead.index]).mean(axis=None)
        cells = [f"{value:+z.3f}" for value in [*means[name], means[name].mean(), gain]]
        rows.append([name, *cells, len(lead)])
    compared = means[[name for name in means if len(leads[name]) == len(better)]]
    others = {c: compared.drop(index=c).mean().idxmax() for c in compared.index}
    left_out = sum(compared.loc[c, name] for c, name in others.items()) / len(others)
    note = (
        "Lead of the recall over the better of the two linear models of each corpus, "
        f"means over the seeds. Gain: over *{EARLIER}*, on the same seeds. If the "
        "setting with the best mean on the five others is taken for each corpus, "
        f"the mean lead is {left_out:+.3f}."
    )
    return "\n\n".join([list_table(rows), fill(note, 96)])


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
        f"{found[*size, cases[0]]['growth']['median']:.2f} times as long with "
        f"{size[0]} models on {size[1]} rows"
        for size in sizes
        if size != reference
    )
    machine = report["machine"]
    note = (
        f"Seconds of a search, and their ratio to ``{cases[0]}`` in one process: "
        f"medians of\n{settings['rounds']} rounds in which all cases alternate, with "
        "the smallest and the largest ratio. Models are\nsettings × "
        f"{settings['folds']} folds, each of {settings['epochs']} epochs with batches "
        f"of {settings['batch_size']}, on one thread. The workers are on\nthe same "
        f"machine, which has {machine['cpus']} cores.\n\n"
        f"Compared with {reference[0]} models on {reference[1]} rows, ``{cases[0]}`` "
        f"in one process takes\n{growth}."
    )
    return "\n\n".join([list_table(table), note])


def timing(row):
    """Return the seconds of a case, with its ratio unless it is the baseline."""
    seconds, ratio = f"{row['seconds']['median']:.1f}", row["ratio"]
    if ratio["min"] == ratio["max"] == 1:
        return seconds
    return (
        f"{seconds}; × {ratio['median']:.2f} ({ratio['min']:.2f} – {ratio['max']:.2f})"
    )


def fit_speed_rst():
    report = report_of("fit_speed")
    rows = [["", "batch size", "seconds", "ratio", "baseline"]]
    for batch_size, cases in report["results"].items():
        rows += [
            [
                renamed(case["case"]),
                batch_size,
                f"{case['seconds']['median']:.2f}",
                ratio_of(case),
                renamed(case["baseline"]),
            ]
            for case in cases
        ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def search_speed_rst():
    report = report_of("search_speed")
    rows = [["", "task", "seconds per model", "ratio", "speed-up", "recall"]]
    for task, cases in report["results"].items():
        rows += [
            [
                case["case"].replace("ours, ", "advser, "),
                task if task == "reference" else corpus_name(task),
                f"{case['seconds']['median']:.3f}",
                ratio_of(case),
                f"{1 / case['ratio']['median']:.1f}",
                "{mean:.3f} ± {std:.3f}".format(**case["recall"]),
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


def scale_rst():
    """Return a table of seconds and growth for each kind of size."""
    report = report_of("scale")
    tables = []
    for kind, cases in report["results"].items():
        sizes = [f"{size:,}" for size in cases[0]["sizes"]]
        rows = [[kind, *sizes, "growth"]]
        for case in cases:
            seconds = [f"{values['median']:.3f}" for values in case["seconds"]]
            rows.append([case["case"], *seconds, f"{case['growth']['median']:.2f}"])
        tables.append(list_table(rows))
    return "\n\n".join([*tables, machine_of(report)])


def start_rst():
    report = report_of("start")
    rows = [["", "seconds of the processor", "ratio"]]
    rows += [
        [
            case["case"] if case["case"] == "python" else f"``{case['case']}``",
            f"{case['seconds']['median']:.2f}",
            ratio_of(case),
        ]
        for case in report["results"]
    ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def memory_rst():
    report = report_of("memory")
    rows = [["", "peak memory of the process", "without the libraries"]]
    rows += [
        [case["case"], f"{case['peak']['median']:.2f}", f"{case['own']['median']:.2f}"]
        for case in report["results"]
    ]
    return "\n\n".join([list_table(rows), machine_of(report)])


def extraction_speed_rst():
    report = report_of("extraction_speed")
    rows = [["", "milliseconds per recording", "ratio", "baseline"]]
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
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} – {ratio['max']:.2f})"


def machine_of(report):
    """Return a sentence on the machine and the versions of a speed benchmark."""
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


def label_efficiency():
    """Return the report, and the names of the corpora by their key."""
    report = report_of("label_efficiency")
    keys = [row["corpus"] for row in report["corpora"]]
    return report, {key: corpus_name(key) for key in keys}


def label_efficiency_rst():
    """Return the recall by share of labels, method and corpus."""
    report, names = label_efficiency()
    scores = pd.DataFrame(report["scores"])
    rows = [["labels", "method", *names.values(), "mean"]]
    for share, part in scores.groupby("share"):
        uar = part.pivot_table("uar", "method", "corpus", sort=False)
        uar = uar.reindex(columns=names)
        for method, recalls in uar.iterrows():
            first = f"{share:.0%}" if method == uar.index[0] else ""
            rows.append([first, method, *with_mean(recalls)])
    width = (scores["high"] - scores["low"]).groupby(scores["corpus"]).mean() / 2
    widths = ", ".join(f"{names[name]} {width[name]:.2f}" for name in names)
    sizes = ", ".join(
        f"{names[row['corpus']]} {row['n_labeled']['0.1']:.0f} ({row['n_speakers']})"
        for row in report["corpora"]
    )
    folds = report["settings"]["folds"].replace(",", "")
    note = (
        f"Unweighted average recall on unseen speakers, {folds} folds; draws of labels "
        f"and initial weights: {report['settings']['seeds']}. "
        "Half the width of the 95 % interval over speakers is, on average: "
        f"{widths}. Labelled training utterances at 10 % (and speakers of the corpus): "
        f"{sizes}."
    )
    if any("" in row[1:] for row in rows):
        note += " Empty cells were not computed."
    return "\n\n".join([list_table(rows), fill(note, 88)])


def with_mean(recalls):
    """Return the cells of a row; no mean where a corpus is missing."""
    values = [*recalls, recalls.mean(skipna=False)]
    return ["" if pd.isna(value) else f"{value:.3f}" for value in values]


def label_efficiency_aims_rst():
    """Return what unlabelled rows should add, and what they do."""
    report, names = label_efficiency()
    scores = pd.DataFrame(report["scores"])
    few = scores[scores["share"] == scores["share"].min()]
    few = few.pivot_table("uar", "method", "corpus")
    gaps = pd.DataFrame(report["differences"])
    gaps = gaps[gaps["of"] == "scores"]
    rows = [["method", "labels", *names.values(), "mean"]]
    sentences = []
    for cls in ("AdversarialSER", "AutoencoderSER"):
        gain = gaps[gaps["method"] == cls].set_index(["share", "corpus"])
        lead = few.loc[cls] - few.loc["logistic regression, standardised by all rows"]
        n_corpora, lead = lead.count(), lead.mean()
        means = gain.groupby("share")["gap"].mean()
        for share, part in gain.groupby("share"):
            part = part.loc[share].reindex(names)
            cells = [
                ""
                if pd.isna(row["gap"])
                else f"{row['gap']:+.3f} [{row['low']:+.2f}, {row['high']:+.2f}]"
                for _, row in part.iterrows()
            ]
            first = cls if share == means.index[0] else ""
            rows.append([first, f"{share:.0%}", *cells, f"{means[share]:+.3f}"])
        lost = "; ".join(
            f"{names[name]} {row['gap']:+.3f} with {share:.0%}"
            for (share, name), row in gain.iterrows()
            if row["gap"] < -AIM_LOSS
        )
        sentences.append(
            f"{cls}: with unlabelled rows no corpus should lose more than {AIM_LOSS}. "
            f"Those that do: {lost or 'none'}. The mean gain, over {n_corpora} "
            f"corpora, is {means.mean():+.3f}; "
            f"the aim of {AIM_GAIN:+.2f} is {reached(means.mean(), AIM_GAIN)}. At 10 % "
            f"the network is on average {lead:+.3f} above the logistic regression on "
            f"features standardised by all rows; the aim of {AIM_LEAD:+.2f} is "
            f"{reached(lead, AIM_LEAD)}."
        )
    return "\n\n".join([list_table(rows), *(fill(text, 88) for text in sentences)])


def reached(value, aim):
    return "reached" if value >= aim else "missed"


def label_efficiency_ablation_rst():
    """Return what each part of the autoencoder adds or costs with few labels."""
    report, names = label_efficiency()
    table = pd.DataFrame(report["ablation"], columns=["corpus", "method", "uar"])
    names = {key: names[key] for key in table["corpus"].unique()}
    gaps = pd.DataFrame(report["differences"])
    gaps = gaps[(gaps["of"] == "ablation") & ((gaps["low"] > 0) | (gaps["high"] < 0))]
    uar = table.pivot_table("uar", "method", "corpus", sort=False)[[*names]]
    rows = [["10 % of the labels", *names.values(), "mean"]]
    for method, recalls in uar.iterrows():
        rows.append([method, *with_mean(recalls)])
    clear = "; ".join(
        f"{row['method']} on {names[row['corpus']]} ({row['gap']:+.3f})"
        for _, row in gaps.iterrows()
    )
    note = (
        "The interval over speakers of the difference to the first row excludes 0 for: "
        f"{clear or 'none'}."
    )
    return "\n\n".join([list_table(rows), fill(note, 88)])


def prior_weight_rst():
    """Return the recall by weight of the prior, and how often each was chosen."""
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
        "Unweighted average recall on unseen speakers, mean ± standard deviation over "
        f"{n_seeds} seeds, in\n{n_folds['EmoDB']} folds of EmoDB and "
        f"{n_folds['URDU']} of URDU; and how many of {sum(chosen.values())} choices by "
        f"speaker-disjoint inner folds\ntook the weight."
    )
    return "\n\n".join([list_table(rows), note])


def refused_rst():
    """Return what the tests show to be refused: a table for each kind."""
    from refused import CASES  # of the folder tests

    parts = []
    for kind, cases in groupby(CASES, key=lambda case: case.kind):
        rows = [["What is given", "Error", "Message"]]
        rows += [
            [
                case.given,
                f"``{case.error.__name__}``",
                f"``{case.message.rstrip()}\N{NO-BREAK SPACE}…``",
            ]
            for case in cases
        ]
        parts += [kind, "-" * len(kind), "", list_table(rows), ""]
    return "\n".join(parts).strip()


def list_table(rows):
    """Return rows of cells as a reST table; the first row is the header."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: results", ""]
    for row in rows:
        for number, cell in enumerate(row):
            bullet = "*" if number == 0 else " "
            lines.append(f"   {bullet} - {cell}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
