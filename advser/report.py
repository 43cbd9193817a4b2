"""A comparison as one page: figures, tables, tests, settings, and what to beware of.

The page holds everything it shows and loads nothing, so that it can be sent by mail and
read in ten years.
"""

import json
from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path

import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

from .evaluation._compare import RAW_FEATURES, Comparison
from .evaluation._store import write_text
from .plots import (
    DifferenceDisplay,
    IntervalDisplay,
    LeakageDisplay,
    RatingDisplay,
)
from .plots._base import MEASURES, require_matplotlib

__all__ = ["report"]

MANY = 20  # pairs that fit a figure
FEW = 12  # speakers that fit a row of a table
STYLE = """\
:root { color-scheme: light; --ink: #1a1a1a; --soft: #5c5c5c; --line: #d9d9d9; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  max-width: 74rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5em 0 .2em; }
h2 { font-size: 1.25rem; margin: 2em 0 .5em; padding-top: .6em;
  border-top: 1px solid var(--line); }
p, li { max-width: 46rem; }
.lead, figcaption, .note { color: var(--soft); }
.wide { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3em .7em; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
thead th { border-bottom: 2px solid var(--ink); white-space: normal; }
tbody th { white-space: normal; min-width: 9rem; }
tbody th, td.text, th.text { text-align: left; }
tr.transductive th::after { content: " (transductive)"; color: #a34700;
  font-weight: 400; }
figure { margin: 1em 0; overflow-x: auto; }
figure img { max-width: 100%; min-width: 34rem; height: auto; }
.several { display: flex; flex-wrap: wrap; gap: 0 1rem; }
.several figure { margin: 0; } .several img { min-width: 0; width: 21rem; }
.beware { border-left: 4px solid #d55e00; padding: .1em 1em; background: #fdf4ee; }
pre { font-size: .8rem; overflow-x: auto; white-space: pre-wrap; background: #f6f6f6;
  padding: .6em; }
summary { cursor: pointer; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; }
  .wide, figure { overflow: visible; } figure img { min-width: 0; }
  table { font-size: 7.5pt; }
  th, td { padding: .2em .4em; white-space: normal; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""


def report(folder, out=None, *, baseline=None, confidence_level=0.95):
    """Write one HTML page of the comparison in a folder.

    Parameters
    ----------
    folder : str or path-like
        What :func:`~advser.evaluation.compare` or the command ``advser benchmark`` has
        written, also if it was interrupted.

    out : str or path-like, default=None
        File to write; None for `report.html` in the folder.

    baseline : str or sequence of str, default=None
        Estimators to test the others against. None for those of the benchmark, and for
        all pairs where there was none.

    confidence_level : float, default=0.95
        That of the intervals.

    Returns
    -------
    page : Path
        The file that was written.

    Raises
    ------
    FileNotFoundError
        If there is no comparison in the folder.
    ValueError
        If no estimator has finished all folds of a seed, or a baseline has not.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from advser.report import report
    >>> report("advser-benchmark")  # doctest: +SKIP
    PosixPath('advser-benchmark/report.html')
    """
    require_matplotlib("A report")
    folder = Path(folder)
    comparison = Comparison.load(folder)
    summary = comparison.summary(confidence_level)
    is_unfinished = summary[comparison.measure].isna()
    if is_unfinished.all():
        raise ValueError(
            f"no estimator in {folder} has finished all folds of a seed; go on with "
            "the comparison first."
        )
    benchmark = {}
    if (folder / "settings.json").is_file():
        benchmark = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    finished = summary.index[~is_unfinished]
    rates = comparison.measure == "ccc"
    if baseline is None:
        chosen = benchmark.get("baselines") or []
        baseline = [name for name in chosen if name in finished] or None
    pairs = comparison.pairwise(baseline, confidence_level=confidence_level)
    sections = [
        head(comparison, benchmark),
        caveats(comparison, summary, pairs),
        (concordances if rates else recalls)(comparison, summary, confidence_level),
        differences(pairs, confidence_level, comparison.measure),
        leakage(comparison, finished),
        by_speaker(comparison),
        (ratings if rates else confusions)(comparison, summary),
        embedding(folder),
        failures(comparison, folder),
        settings(comparison, benchmark),
    ]
    title = escape(title_of(benchmark))
    out = folder / "report.html" if out is None else Path(out)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )
    write_text(out, page)
    return out


def title_of(benchmark):
    corpus = benchmark.get("corpus")
    return "Emotions of new speakers" + (f": {corpus}" if corpus else "")


def head(comparison, benchmark):
    """Return the title, and what was compared on what."""
    data, protocol = comparison.settings["data"], comparison.settings["protocol"]
    folds = "one speaker left out at a time"
    if protocol["groups"] is not None:
        folds = f"folds of {protocol['groups']} groups, {protocol['cv']}"
    elif protocol["cv"] != "loso":
        folds = f"folds by {protocol['cv']}"
    planned = comparison.settings["estimators"]
    n_seeds = max(len(one["seeds"]) for one in planned.values())
    if "targets" in data:
        answered = f"rated for {', '.join(data['targets'])}"
    else:
        answered = f"{len(data['emotions'])} emotions ({', '.join(data['emotions'])})"
    return (
        f"<h1>{escape(title_of(benchmark))}</h1>\n"
        f'<p class="lead">{len(planned)} estimators on {data["n_samples"]} utterances '
        f"of {len(data['speakers'])} speakers, {escape(answered)}; {escape(folds)}, "
        f"{protocol['n_folds']} folds; {n_seeds} seed{'s' * (n_seeds > 1)} where one "
        "matters.</p>"
    )


def caveats(comparison, summary, pairs):
    """Return what to beware of in these results."""
    notes = []
    n_speakers = len(comparison.settings["data"]["speakers"])
    notes.append(
        f"All of this rests on {n_speakers} speakers. The intervals say how far the "
        "scores could lie on other speakers of the same kind, recorded in the same "
        "way; they say nothing of another corpus, language or microphone."
    )
    notes.append(
        "The intervals and tests take the trained models as they are. The models of "
        "different folds share most of their training rows, which no interval of a "
        "cross-validation can account for."
    )
    if summary["transductive"].any():
        names = escape("; ".join(summary.index[summary["transductive"]]))
        notes.append(
            f"<strong>Transductive:</strong> {names}. They have used the unlabelled "
            "utterances of the very speakers they are scored on. Compare them with "
            "each other only; no test here compares them with the rest."
        )
    if len(pairs) and pairs["smallest_p_holm"].max() > 0.05:
        n_pairs = f" and {len(pairs)} comparisons" if len(pairs) > 1 else ""
        advice = " Name a baseline, to make fewer comparisons." if n_pairs else ""
        notes.append(
            f"With {n_speakers} speakers{n_pairs} no difference can be significant: "
            "the corrected p-value of a method that is better with every speaker is "
            f"{pairs['smallest_p_holm'].max():.3f}.{advice}"
        )
    candidates = summary["candidates"][summary["candidates"] > 0]
    if candidates.nunique() > 1:
        tried = "; ".join(f"{name}: {n}" for name, n in candidates.items() if n > 1)
        notes.append(
            "Settings were not searched equally. Tried in each fold: "
            f"{escape(tried)}; the others ran as they are."
        )
    missing = unfinished(comparison)
    if missing:
        notes.append(
            f"<strong>Unfinished:</strong> {missing} fits have failed or are not done "
            "yet. A seed counts where all of its folds are done."
        )
    items = "\n".join(f"<li>{note}</li>" for note in notes)
    return f'<div class="beware">\n<ul>\n{items}\n</ul>\n</div>'


def unfinished(comparison):
    """Return the number of fits that are missing."""
    settings = comparison.settings
    n_runs = sum(len(one["seeds"]) for one in settings["estimators"].values())
    return n_runs * settings["protocol"]["n_folds"] - len(comparison.scores)


def recalls(comparison, summary, confidence_level):
    """Return how well each estimator names the emotion."""
    scores = {"weighted_accuracy": "WA", "macro_f1": "macro F1"}
    return "\n".join(
        [
            "<h2>Recall on new speakers</h2>",
            intervals(comparison, summary, confidence_level),
            score_table(comparison, summary, confidence_level, scores),
            '<p class="note">UAR: unweighted average recall, the mean over emotions of '
            "the share recognised. WA: weighted accuracy, the share of all utterances "
            "recognised. Tried: settings among which a search chose, in each fold "
            "anew. Fit: CPU seconds, a median.</p>",
            selection(comparison),
        ]
    )


def concordances(comparison, summary, confidence_level):
    """Return how well each estimator rates: on all scales, and on each."""
    scores = {"pearson": "r", "mae": "MAE"}
    targets = comparison.settings["data"]["targets"]
    parts = [
        "<h2>Concordance on new speakers</h2>",
        intervals(comparison, summary, confidence_level),
        score_table(comparison, summary, confidence_level, scores),
        '<p class="note">CCC: concordance correlation coefficient'
        + (f", the mean over {', '.join(map(escape, targets))}" * (len(targets) > 1))
        + ". r: Pearson's correlation. MAE: mean absolute error. Tried: settings among "
        "which a search chose, in each fold anew. Fit: CPU seconds, a median.</p>",
        selection(comparison),
    ]
    for target in targets if len(targets) > 1 else []:
        alone = comparison.of_target(target)
        found = alone.summary(confidence_level)
        shown = score_table(alone, found, confidence_level, scores, around=False)
        parts += [f"<h3>{escape(target)}</h3>", shown]
    return "\n".join(parts)


def intervals(comparison, summary, confidence_level):
    """Return the figure of the score of each estimator with its interval."""
    figure = new_figure(7.5, 1.9 + 0.32 * len(summary))
    IntervalDisplay.from_comparison(
        comparison, confidence_level=confidence_level, ax=figure.add_subplot()
    )
    scores = summary[comparison.measure]
    alt = (
        f"{MEASURES[comparison.measure]} of each estimator with its interval; the "
        f"highest is {scores.max():.3f}, of {scores.idxmax()}"
    )
    caption = (
        "Mark: all test utterances together, a mean over seeds. Bar: interval by "
        "bootstrap over speakers."
    )
    return image(figure, alt, caption)


def score_table(comparison, summary, confidence_level, scores, *, around=True):
    """Return the scores of each estimator, and what belongs to the fits if wanted."""
    measure = comparison.measure
    table = pd.DataFrame(index=summary.index)
    if around:
        table["seeds"] = summary["seeds"].map(str)
    table[measure.upper()] = [
        score or "none" for score in texts("{:z.3f}", summary[measure])
    ]
    table[f"{confidence_level:.0%} interval"] = texts(
        "{:z.3f} – {:z.3f}", summary[f"{measure}_low"], summary[f"{measure}_high"]
    )
    table["± over seeds"] = texts("{:.3f}", summary[f"{measure}_std"])
    for score, name in scores.items():
        table[name] = texts("{:z.3f}", summary[score])
    table["worst speaker"] = texts(
        "{:z.3f} ({})", summary[f"worst_speaker_{measure}"], summary["worst_speaker"]
    )
    if around:
        table["tried"] = summary["candidates"].map(str)
        table["fit, s"] = texts("{:.2f}", summary["fit_seconds"])
    return html_table(table, summary["transductive"])


def selection(comparison):
    """Return how settings were chosen, if they were."""
    rule = comparison.settings["selection"]
    return f"<p>Settings were chosen by: {escape(rule)}.</p>" if rule else ""


def differences(pairs, confidence_level, measure):
    """Return which differences are more than chance."""
    if pairs.empty:
        return ""
    effect, form = ("points", "+.1f") if measure == "uar" else ("difference", "+.3f")
    table = pairs.set_index("estimator")
    shown = pd.DataFrame(index=table.index)
    shown["compared with"] = table["other"]
    shown[effect] = texts(f"{{:{form}}}", table[effect])
    shown[f"{confidence_level:.0%} interval"] = texts(
        f"{{:{form}}} to {{:{form}}}", table["low"], table["high"]
    )
    shown["p"] = table["p_value"].map(p_text)
    shown["p, corrected"] = table["p_holm"].map(p_text)
    parts = ["<h2>Is the difference real?</h2>"]
    n_real = int((pairs["p_holm"] < 0.05).sum())
    if len(pairs) <= MANY:
        figure = new_figure(8.5, 1.9 + 0.32 * len(pairs))
        DifferenceDisplay(pairs, confidence_level).plot(figure.add_subplot())
        alt = (
            f"Differences of {len(pairs)} pairs in {MEASURES[measure].lower()}; "
            f"{n_real} have a corrected p-value below 0.05"
        )
        parts.append(image(figure, alt, "Intervals are not corrected, p-values are."))
    unit = (
        "Points: percentage points of unweighted average recall"
        if measure == "uar"
        else "Difference: of concordance, the mean over all that was rated"
    )
    parts += [
        html_table(shown, table["transductive"], text=["compared with"]),
        f'<p class="note">{n_real} of {len(pairs)} corrected p-values are below 0.05. '
        "Paired permutation test: the predictions of two methods are exchanged, a "
        f"speaker at a time. {unit}. "
        "Corrected by Holm for the number of pairs. A large p-value does not say "
        "that there is no difference.</p>",
    ]
    return "\n".join(parts)


def p_text(p_value):
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def leakage(comparison, finished):
    """Return what is known of the speaker."""
    found = comparison.leakage
    if not found["estimator"].isin(finished).any():
        return ""
    probe = found["probe"].iloc[0]
    figure = new_figure(8.5, 4.6)
    LeakageDisplay.from_comparison(comparison, probe=probe, ax=figure.add_subplot())
    score = MEASURES[comparison.measure].lower()
    alt = f"Leakage, judged by the {probe} probe, against {score}, for each estimator"
    summary = comparison.leakage_summary()
    columns = summary["asked"] + ", " + summary["probe"]
    wide = summary.assign(column=columns).pivot(
        index="estimator", columns="column", values=["accuracy", "chance"]
    )
    order = [RAW_FEATURES, *comparison.settings["estimators"]]
    names = [name for name in order if name in wide.index]
    table = wide.loc[names, "accuracy"][pd.unique(columns)]
    table.loc["chance"] = wide["chance"].max()
    table = table.apply(lambda column: texts("{:z.2f}", column))
    flags = comparison.transductive().reindex(table.index, fill_value=False)
    return "\n".join(
        [
            "<h2>Does it still know who is speaking?</h2>",
            image(
                figure,
                alt,
                "Up and to the left is better: more of the emotion, less of the "
                "speaker. Utterances held out of the training, of training speakers.",
            ),
            html_table(table, flags),
            '<p class="note">Balanced accuracy with which a probe names what it is '
            "asked for, a mean over seeds. Raw features: before any scaling or "
            "network.</p>",
        ]
    )


def by_speaker(comparison):
    """Return how each speaker is served."""
    table = comparison.by_speaker().apply(lambda column: texts("{:z.2f}", column))
    flags = comparison.transductive()
    if len(table) <= FEW:
        shown = html_table(table.T.rename_axis("estimator"), flags[table.columns])
    else:  # too many for a row
        table.columns = [f"{name} *" if flags[name] else name for name in table]
        shown = html_table(table)
    note = "* transductive. " if flags.any() and len(table) > FEW else ""
    if comparison.measure == "uar":
        averaged = "Recall is averaged over the emotions that the speaker shows"
    else:
        averaged = "Concordance of the speaker's utterances, averaged over the targets"
    return "\n".join(
        [
            "<h2>Each speaker</h2>",
            shown,
            f'<p class="note">{note}{averaged}, and over the seeds.</p>',
        ]
    )


def confusions(comparison, summary):
    """Return what is taken for what."""
    parts = ["<h2>What is taken for what</h2>", '<div class="several">']
    predictions = comparison.predictions
    emotions = comparison.settings["data"]["emotions"]
    side = 2.2 + 0.42 * len(emotions)
    for name, row in summary.dropna(subset="uar").iterrows():
        rows = predictions[predictions["estimator"] == name]
        figure = new_figure(side + 0.4, side)
        ax = figure.add_subplot()
        ConfusionMatrixDisplay.from_predictions(
            rows["y_true"],
            rows["y_pred"],
            normalize="true",
            values_format=".2f",
            xticks_rotation=45,
            cmap="Blues",
            colorbar=False,
            ax=ax,
        )
        flag = " (transductive)" if row["transductive"] else ""
        ax.set(xlabel="Predicted emotion", ylabel="True emotion (rows sum to 1)")
        ax.set_title(f"{name}{flag}\nUAR {row['uar']:.2f}", fontsize="medium")
        alt = f"Confusion matrix of {name}{flag}, recall {row['uar']:.2f}"
        parts.append(image(figure, alt))
    return "\n".join([*parts, "</div>"])


def ratings(comparison, summary):
    """Return what was rated, against how it was predicted."""
    parts = ["<h2>Rated and predicted</h2>"]
    predictions = comparison.predictions
    for target in comparison.settings["data"]["targets"]:
        parts.append('<div class="several">')
        for name, row in summary.dropna(subset="ccc").iterrows():
            rows = predictions[predictions["estimator"] == name]
            rows = rows[rows["seed"] == rows["seed"].iloc[0]]
            figure = new_figure(3.6, 3.9)
            ax = figure.add_subplot()
            RatingDisplay.from_predictions(
                rows[f"y_true_{target}"], rows[f"y_pred_{target}"], name=target, ax=ax
            )
            flag = " (transductive)" if row["transductive"] else ""
            ax.set_title(f"{name}{flag}\n{ax.get_title()}", fontsize="medium")
            alt = f"{target}, rated and predicted by {name}{flag}, {ax.get_title()}"
            parts.append(image(figure, alt))
        parts.append("</div>")
    note = "A dot: an utterance of a new speaker, of the first seed."
    return "\n".join([*parts, f'<p class="note">{note}</p>'])


def embedding(folder):
    """Return the figure of embeddings that the benchmark has drawn, if it has."""
    file = folder / "embedding.png"
    if not file.is_file():
        return ""
    alt = "Embeddings of held-out utterances, coloured by speaker and by emotion"
    return "\n".join(
        [
            "<h2>Embeddings</h2>",
            tag(file.read_bytes(), "png", alt, f"{alt}."),
        ]
    )


def failures(comparison, folder):
    """Return what went wrong."""
    parts = []
    if len(comparison.errors):
        parts.append("<h2>What failed</h2>")
        kinds = comparison.errors.groupby(
            ["estimator", "error", "message"], sort=False
        )["traceback"]
        for (name, error, message), traces in kinds:
            parts.append(
                f"<p><strong>{escape(name)}</strong>: {len(traces)} fits, "
                f"{escape(error)}: {escape(message)}</p>\n<details><summary>Traceback "
                f"of the first</summary><pre>{escape(traces.iloc[0])}</pre></details>"
            )
    file = folder / "failures.csv"
    if file.is_file():
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        shown = table.set_index("file")[["reason"]]
        parts += [
            "<h2>Recordings that were left out</h2>",
            html_table(shown, text=["reason"]),
        ]
    return "\n".join(parts)


def settings(comparison, benchmark):
    """Return how all of this was found."""
    found = comparison.settings
    versions = ", ".join(
        f"{name} {number}" for name, number in found["versions"].items() if number
    )
    lines = [f"<p>{escape(versions)}.</p>"]
    if benchmark.get("seconds"):
        lines.append(
            f"<p>{benchmark['seconds']:.0f} s with {benchmark['n_jobs']} processes on "
            f"{escape(benchmark['platform'])}.</p>"
        )
    for name, planned in found["estimators"].items():
        values = pd.Series(
            {key: str(value) for key, value in planned["parameters"].items()},
            name="value",
            dtype=str,
        )
        seeds = ", ".join(map(str, planned["seeds"]))
        tried = [
            ", ".join(f"{key} = {value}" for key, value in one.items())
            for one in planned["candidates"]
        ]
        more = f"<p>Seeds: {seeds}.</p>"
        if tried:
            more += "<p>Tried: " + "; ".join(map(escape, tried)) + ".</p>"
        if len(values):
            more += html_table(values.to_frame(), text=["value"])
        lines.append(
            f"<details><summary>{escape(name)}: {escape(planned['class'])}</summary>"
            f"{more}</details>"
        )
    data = escape(json.dumps(found["data"] | found["protocol"], indent=1))
    lines.append(
        f"<details><summary>Data and folds</summary><pre>{data}</pre></details>"
    )
    return "\n".join(["<h2>Settings</h2>", *lines])


def html_table(table, transductive=None, text=()):
    """Return a table of texts as HTML, that scrolls by itself where it is too wide."""

    def cell(kind, content, name):
        style = ' class="text"' if name in text else ""
        return f"<{kind}{style}>{escape(content)}</{kind}>"

    header = "".join(cell("th", str(name), name) for name in table)
    rows = []
    flags = [False] * len(table) if transductive is None else transductive
    for flag, (name, row) in zip(flags, table.iterrows()):
        cells = "".join(cell("td", value, column) for column, value in row.items())
        kind = ' class="transductive"' if flag else ""
        rows.append(f'<tr{kind}><th scope="row">{escape(str(name))}</th>{cells}</tr>')
    corner = f'<th class="text">{escape(str(table.index.name or ""))}</th>'
    return (
        f'<div class="wide"><table>\n<thead><tr>{corner}{header}</tr></thead>\n'
        "<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table></div>"
    )


def texts(form, *columns):
    """Return the values of columns as texts, empty where the first is missing."""
    return [
        "" if pd.isna(values[0]) else form.format(*values) for values in zip(*columns)
    ]


def image(figure, alt, caption=""):
    """Return a figure as an image inside the page."""
    from matplotlib import rc_context

    content = BytesIO()
    with rc_context({"svg.hashsalt": "advser"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return tag(content.getvalue(), "svg+xml", alt, caption)


def tag(content, kind, alt, caption=""):
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    source = f"data:image/{kind};base64,{b64encode(content).decode()}"
    return f'<figure><img src="{source}" alt="{escape(alt)}">{caption}</figure>'


def new_figure(width, height):
    """Return an empty figure, of a size in inches, that no pyplot knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
