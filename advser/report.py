"""A comparison as one HTML page: figures, tables, tests, settings and caveats.

The page contains everything it shows and loads nothing, so you can send it by mail.
Its text is in `data/report.html`.
"""

import json
import os
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd

from ._locks import replacing
from ._validation._parameters import check_arguments
from ._validation._paths import check_path
from .evaluation import Comparison
from .evaluation._reading import read_json
from .plots import DifferenceDisplay, IntervalDisplay, LeakageDisplay, RatingDisplay
from .plots._base import (
    HEADINGS,
    KNOWLEDGE,
    MEASURES,
    draw_confusion_matrix,
    fit_figure,
    new_figure,
    p_text,
    plain,
    require_matplotlib,
)
from .plots._scores import with_looks

__all__ = ["report"]

MANY = 20  # pairs that fit a figure
FEW = 12  # speakers that fit a row of a table
BENCHMARK = {"corpus": str, "seconds": object, "n_jobs": object, "platform": str}
SCORES = {
    "uar": {"weighted_accuracy": "WA", "macro_f1": "macro F1"},
    "ccc": {"pearson": "r", "mae": "MAE"},
}  # beside the measure of a comparison, and their names in a table


def report(
    folder: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    baseline: str | Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> Path:
    """Write one HTML page of the comparison in a folder.

    Parameters
    ----------
    folder : str or path-like
        Results of :func:`~advser.evaluation.compare` or of the command ``advser
        benchmark``, even if it was interrupted.

    out : str or path-like, default=None
        File to write; None for `report.html` in the folder.

    baseline : str or sequence of str, default=None
        Estimators to test the others against. None for those of the benchmark, and for
        all pairs if it has none.

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
    check_arguments(locals())
    folder = check_path(folder, "folder")
    out = folder / "report.html" if out is None else _check_page(check_path(out, "out"))
    comparison = Comparison.load(folder)
    measure, settings = comparison.measure, comparison.settings
    summary = comparison.summary(confidence_level)
    finished = summary.dropna(subset=measure)
    if finished.empty:
        raise ValueError(
            f"no estimator in {folder} has finished all folds of a seed; go on with "
            "the comparison first."
        )
    benchmark = {}
    if (file := file_of(folder, "settings.json")) is not None:
        remedy = "The page needs none: move it away, or restore it from a copy."
        benchmark = read_json(file, BENCHMARK, remedy)
    if baseline is None:
        chosen = benchmark.get("baselines")
        chosen = chosen if isinstance(chosen, list) else []
        baseline = [name for name in chosen if name in finished.index] or None
    pairs = comparison.pairwise(baseline, confidence_level=confidence_level)
    seeds = [len(planned["seeds"]) for planned in settings["estimators"].values()]
    candidates = summary["candidates"][summary["candidates"] > 0]
    n_searched = (candidates > 1).sum()
    targets = settings["data"].get("targets", [])
    page = read_template().render(
        measure=measure,
        settings=settings,
        benchmark=benchmark,
        n_seeds=max(seeds),
        n_missing=sum(seeds) * settings["protocol"]["n_folds"] - len(comparison.scores),
        n_searched=n_searched if candidates.nunique() > 1 else 0,
        most_candidates=candidates.max(),
        kinds=kinds_of(finished, pairs, measure, confidence_level),
        intervals=draw_intervals(finished, comparison, confidence_level),
        scores=score_table(summary, measure, confidence_level, with_fits=True),
        targets={
            name: score_table(
                comparison.of_target(name).summary(confidence_level),
                measure,
                confidence_level,
            )
            for name in (targets if len(targets) > 1 else ())
        },
        n_pairs=len(pairs),
        n_significant=(pairs["p_holm"] < 0.05).sum(),
        smallest_p=pairs["smallest_p_holm"].max() if len(pairs) else 0,
        differences=draw_differences(pairs, comparison, confidence_level),
        pairs=pair_table(pairs, confidence_level),
        leakage=leakage_of(comparison, finished.index),
        speakers=speaker_table(comparison),
        predictions=draw_predictions(comparison, finished, targets),
        embedding=embedding_of(folder),
        errors=list(
            comparison.errors.groupby(["estimator", "error", "message"], sort=False)[
                "traceback"
            ]
        ),
        failures=failure_table(folder),
        data_and_folds=json.dumps(settings["data"] | settings["protocol"], indent=1),
    )
    with replacing(out) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return out


def _check_page(path):
    """Return the path of a page, or raise an error if there is something else."""
    is_page = path.is_file() and b"<!DOCTYPE html>" in path.read_bytes()[:100]
    if path.exists() and not is_page:
        raise FileExistsError(
            f"`out` is {str(path)!r}, which is there and no page of a report; pass "
            "another path."
        )
    return path


def read_template():
    """Return the page without its content."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("advser", "data"),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("report.html")


def kinds_of(finished, pairs, measure, confidence_level):
    """Return a heading, what is known, and the best estimator of each kind."""
    found = []
    for kind, heading in HEADINGS.items():
        scores = finished.loc[finished["kind"] == kind, measure]
        if len(scores):
            name = scores.idxmax()
            best = finished.loc[name]
            ends = (f"{best[f'{measure}_{end}']:.3f}" for end in ("low", "high"))
            known = KNOWLEDGE[kind.partition(",")[0]]
            level = f"{100 * confidence_level:g}%"
            score = f"{best[measure]:.3f} ({level}: {' to '.join(ends)})"
            test = finding_of(name, pairs)
            found.append((heading, known, name, score, len(scores), test))
    return found


def finding_of(best, pairs):
    """Return in words how the best estimator compares with those tested against it."""
    effect, form, unit = effect_of(pairs)
    is_first = pairs["estimator"] == best
    own = pairs[is_first | (pairs["other"] == best)]
    if own.empty:
        return ""
    effects = own[effect].where(is_first, -own[effect])
    if len(own) == 1:
        row, value = own.iloc[0], f"{effects.iloc[0]:{form}}{unit}"
        other = row["other"] if row["estimator"] == best else row["estimator"]
        verdict = "significant" if row["p_holm"] < 0.05 else "not significant"
        p_value = f"corrected p-value {p_text(row['p_holm'])}"
        return f"the difference from {other}, {value}, is {verdict} ({p_value})"
    n_better = ((own["p_holm"] < 0.05) & (effects > 0)).sum()
    return f"significantly better than {n_better or 'none'} of the {len(own)} others"


def effect_of(pairs):
    """Return the column of a difference, its format and its unit."""
    if "points" in pairs:
        return "points", "+z.1f", " points"
    return "difference", "+z.3f", ""


def draw_intervals(finished, comparison, confidence_level):
    """Return the figure of the score of each estimator with its interval."""
    measure, table = comparison.measure, with_looks(finished, comparison)
    display = IntervalDisplay(table, confidence_level, measure)
    figure = fit_figure(display.plot(new_figure().add_subplot()))
    scores = finished[measure]
    mean = ", averaged over the seeds" if finished["seeds"].max() > 1 else ""
    return image(
        figure,
        f"{MEASURES[measure]} of each estimator with its interval; the highest is "
        f"{scores.max():.3f}, of {scores.idxmax()}",
        f"A mark is the score of all test utterances together{mean}. A bar is the "
        "bootstrap interval over speakers.",
    )


def score_table(summary, measure, confidence_level, *, with_fits=False):
    """Return the scores of each estimator, and seeds, candidates and time if wanted."""
    table = pd.DataFrame(index=summary.index)
    scores = texts("{:z.3f}", summary[measure])
    table[measure.upper()] = [score or "none" for score in scores]
    ends = summary[f"{measure}_low"], summary[f"{measure}_high"]
    table[f"{100 * confidence_level:g}% interval"] = texts("{:z.3f} – {:z.3f}", *ends)
    if summary["seeds"].max() > 1:
        table["± over seeds"] = texts("{:.3f}", summary[f"{measure}_std"])
    for score, name in SCORES[measure].items():
        table[name] = texts("{:z.3f}", summary[score])
    worst = summary[f"worst_speaker_{measure}"], summary["worst_speaker"]
    table["worst speaker"] = texts("{:z.3f} ({})", *worst)
    if with_fits:
        table["seeds"] = summary["seeds"].map(str)
        table["candidates"] = summary["candidates"].map(str)
        table["fit, s"] = texts("{:.2f}", summary["fit_seconds"])
    return table_of(table, summary["kind"])


def draw_differences(pairs, comparison, confidence_level):
    """Return the figure of the differences, if they fit one."""
    if not 0 < len(pairs) <= MANY:
        return None
    display = DifferenceDisplay(with_looks(pairs, comparison), confidence_level)
    figure = fit_figure(display.plot(new_figure().add_subplot()))
    n_significant = (pairs["p_holm"] < 0.05).sum()
    return image(
        figure,
        f"Differences of {len(pairs)} pairs in {comparison.measure.upper()}; "
        f"{n_significant} have a corrected p-value below 0.05",
        "The p-values are corrected for multiple tests; the intervals are not.",
    )


def pair_table(pairs, confidence_level):
    """Return the table of the differences."""
    effect, form, _ = effect_of(pairs)
    interval = texts(f"{{:{form}}} to {{:{form}}}", pairs["low"], pairs["high"])
    table = {
        "compared with": pairs["other"],
        effect: texts(f"{{:{form}}}", pairs[effect]),
        f"{100 * confidence_level:g}% interval": interval,
    }
    for column, name in (("p_value", "p"), ("p_holm", "p, corrected")):
        table[name] = [p_text(p) for p in pairs[column]]
    table = pd.DataFrame(table).set_index(pairs["estimator"])
    return table_of(table, pairs["kind"], text=["compared with"])


def leakage_of(comparison, finished):
    """Return the figure and the table of the leakage, if it was measured."""
    found = comparison.leakage
    if not found["estimator"].isin(finished).any():
        return None
    probe, ax = found["probe"].iloc[0], new_figure().add_subplot()
    display = LeakageDisplay.from_comparison(comparison, probe=probe, ax=ax)
    summary = comparison.leakage_summary()
    columns = summary["asked"] + ", " + summary["probe"]
    wide = summary.assign(column=columns).pivot(
        index="estimator", columns="column", values=["accuracy", "chance"]
    )
    names = [name for name in comparison.settings["estimators"] if name in wide.index]
    raw = wide.index.difference(names)  # they are no estimator
    table = wide.loc[[*raw, *names], "accuracy"][pd.unique(columns)]
    chance = wide["chance"].max()[table.columns].rename("chance")
    table = pd.concat([table, chance.to_frame().T]).rename_axis("estimator")
    table = table.apply(lambda column: texts("{:z.2f}", column))
    kinds = [*comparison.kinds().reindex([*raw, *names], fill_value=""), ""]
    alt = f"Leakage by the {probe} probe against {comparison.measure.upper()}, for each"
    caption = (
        "The best estimators are at the top left: a high score and a low leakage. The "
        "leakage is that of utterances of training speakers that were held out."
    )
    return {
        "figure": image(fit_figure(display), f"{alt} estimator", caption),
        "table": table_of(table, kinds),
    }


def speaker_table(comparison):
    """Return the score of each speaker: a row per estimator, or a column if many."""
    table = comparison.by_speaker().apply(lambda column: texts("{:z.2f}", column))
    kinds = comparison.kinds()[table.columns]
    if len(table) <= FEW:
        return table_of(table.T.rename_axis("estimator"), kinds)
    table.columns = [titled(name, kind) for name, kind in kinds.items()]
    return table_of(table)


def draw_predictions(comparison, finished, targets):
    """Return rows of figures of the predictions of each estimator.

    There is a row of confusion matrices, or a row of scatter plots for each target.
    """
    measure = comparison.measure
    of_estimator = dict(iter(comparison._finished.groupby("estimator")))
    rows = []
    for target in targets or [None]:
        rows.append([])
        for name, row in finished.iterrows():
            found = of_estimator[name]
            title = titled(name, row["kind"])
            if target is None:
                side = 2.2 + 0.42 * len(comparison.settings["data"]["emotions"])
                figure = new_figure(side + 0.4, side)
                score = f"{measure.upper()} {row[measure]:.2f}"
                text, ax = f"{title}\n{score}", figure.add_subplot()
                draw_confusion_matrix(found["y_true"], found["y_pred"], text, ax)
                alt = f"Confusion matrix of {title}, {score}"
            else:
                figure = new_figure(3.6, 3.9)
                found = found[found["seed"] == found["seed"].iloc[0]]
                y_true, y_pred = found[f"y_true_{target}"], found[f"y_pred_{target}"]
                ax = figure.add_subplot()
                RatingDisplay.from_predictions(y_true, y_pred, name=target, ax=ax)
                score = ax.get_title()
                ax.set_title(plain(f"{title}\n{score}"), fontsize="medium")
                alt = f"{target}, true and predicted by {title}, {score}"
            rows[-1].append(image(figure, alt))
    return rows


def file_of(folder, name):
    """Return a file of a folder, or None; a link would show any file of the disk."""
    file = folder / name
    if file.is_symlink():
        raise ValueError(
            f"`{file}` is a link; put the file itself there, or move the link away."
        )
    return file if file.is_file() else None


def embedding_of(folder):
    """Return the figure of embeddings that a benchmark has drawn, if there is one."""
    file = file_of(folder, "embedding.png")
    if file is None:
        return None
    content = file.read_bytes()
    if not content.startswith(b"\x89PNG\r\n"):
        raise ValueError(f"`{file}` is no PNG image; move it away.")
    alt = "Embeddings of held-out utterances, coloured by speaker and by emotion"
    return inline(content, "png", alt, f"{alt}.")


def failure_table(folder):
    """Return the recordings that a benchmark has left out, if there are any."""
    file = file_of(folder, "failures.csv")
    if file is None:
        return None
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        table = table.set_index("file")[["reason"]]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"`{file}` is damaged or foreign: {error}. The page needs none: move it "
            "away, or restore it from a copy."
        ) from None
    return table_of(table, text=["reason"])


def table_of(table, kinds=None, text=()):
    """Return a table of texts as the template takes it; `text` are left-aligned.

    The kind of a score is written behind the name of the row, see `note_of`.
    """
    kinds = [""] * len(table) if kinds is None else kinds
    notes = [note_of(name, kind) for name, kind in zip(table.index, kinds)]
    return {
        "corner": table.index.name or "",
        "columns": list(table),
        "rows": list(zip(table.index, notes, table.to_numpy())),
        "text": text,
    }


def note_of(name, kind):
    """Return the kind to add to a name: none if inductive, or if the name has it."""
    return "" if kind == "inductive" or kind in str(name) else kind


def titled(name, kind):
    """Return the name of an estimator with the kind of its score."""
    note = note_of(name, kind)
    return f"{name} ({note})" if note else name


def texts(form, *columns):
    """Return the values of columns as texts, empty if the first is missing."""
    return [
        "" if pd.isna(values[0]) else form.format(*values) for values in zip(*columns)
    ]


def image(figure, alt, caption=""):
    """Return a figure as an image inside the page."""
    from matplotlib import rc_context

    content = BytesIO()
    with rc_context({"svg.hashsalt": "advser"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return inline(content.getvalue(), "svg+xml", alt, caption)


def inline(content, kind, alt, caption):
    """Return the content of an image file as the template takes it."""
    source = f"data:image/{kind};base64,{b64encode(content).decode()}"
    return {"src": source, "alt": alt, "caption": caption}
