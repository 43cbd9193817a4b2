"""The files of a comparison, read with a schema: an error names file, line, remedy."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from .._validation._paths import check_path
from ..speakers._knowledge import KINDS
from ._probes import PROBES
from ._tasks import EmotionTask, task_of

SETTINGS = "comparison.json"
RAW_FEATURES = "raw features"  # the name of `X` in the table of the leakage
KEYS = ["estimator", "seed", "fold"]
COLUMNS = {
    "predictions": [*KEYS, "sample", "speaker"],
    "scores": [*KEYS, "n_samples", "fit_seconds"],
    "leakage": [
        *("estimator", "seed", "asked", "probe", "accuracy", "low", "high", "chance"),
        *("weighted_accuracy", "majority", "n_speakers", "n_samples"),
    ],
    "errors": [*KEYS, "error", "message", "traceback"],
}  # the tables, and columns that each has
TEXTS = {
    *("estimator", "test_speakers", "chosen", "sample", "speaker", "y_true", "y_pred"),
    *("asked", "probe", "error", "message", "traceback"),
    *("train", "test", "domain", "target"),
}
FLAGS = {"transductive", "unlabeled"}
SHARES = {"accuracy", "chance", "high", "low", "majority", "weighted_accuracy"}
NOT_KEPT = (
    "The settings of the tables beside it are unknown without it: restore it from a "
    "copy, or name another folder."
)
ROW = (
    "The other rows are kept: remove this row, and the same call with the same "
    "`folder` runs its fit again and keeps all others."
)
ESTIMATOR = {"class": str, "kind": str, "seeds": [int], "parameters": {}}
WRITTEN = {  # the settings that the package reads; a dict of "*" is of any keys
    "data": {},
    "protocol": {},
    "probes": [str],
    "asked": [str],
    "estimators": {"*": ESTIMATOR},
    "versions": {},
}
WITHIN = WRITTEN | {
    "estimators": {"*": ESTIMATOR | {"candidates": [{}]}},
    "data": {"n_samples": int, "speakers": [str]},
    "protocol": {"n_folds": int, "cv": object, "groups": object},
    "selection": object,
}
ACROSS = WRITTEN | {"pairs": [{"train": str, "test": str, "n_emotions": int}]}


def read_json(file, schema, remedy):
    """Return the content of a JSON file; a ValueError says what is wrong with it."""
    try:
        content = json.loads(Path(file).read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"`{file}` is damaged or no JSON: {error}. {remedy}") from None
    _check_schema(content, schema, "", f"`{file}` is damaged or foreign: ", remedy)
    return content


def _check_schema(content, schema, path, start, remedy):
    """Raise a ValueError for the first value that is not of its type."""
    kind = schema if isinstance(schema, type) else type(schema)
    is_flag = kind is int and isinstance(content, bool)
    if is_flag or not isinstance(content, kind):
        raise ValueError(
            f"{start}{path or 'its content'} is {repr(content)[:60]}, and not of type "
            f"{kind.__name__}. {remedy}"
        )
    if isinstance(schema, list):
        parts = [(value, schema[0], path) for value in content]
    elif isinstance(schema, dict) and "*" in schema:
        parts = [(content[key], schema["*"], f"{path}.{key}") for key in content]
    elif isinstance(schema, dict):
        missing = [key for key in schema if key not in content]
        if missing:
            where = f"{path}.{missing[0]}".strip(".")
            raise ValueError(f"{start}{where} is missing. {remedy}")
        parts = [(content[key], schema[key], f"{path}.{key}") for key in schema]
    else:
        return
    for value, one, where in parts:
        _check_schema(value, one, where.strip("."), start, remedy)


def read_settings(folder):
    """Return the settings of the comparison in a folder."""
    file = check_path(folder, "folder") / SETTINGS
    if not file.is_file():
        raise FileNotFoundError(
            f"`folder` {str(folder)!r} holds no comparison: {SETTINGS} is missing. "
            "Pass the folder that was given to `compare`, or to `advser benchmark` as "
            "--out."
        )
    settings = read_json(file, {}, NOT_KEPT)
    if "pairs" in settings:
        schema = ACROSS | {"runs": [[object]]}
    else:
        data = settings.get("data")
        is_rated = isinstance(data, dict) and "targets" in data
        labels = "targets" if is_rated else "emotions"
        schema = WITHIN | {"data": WITHIN["data"] | {labels: [str]}}
    start = f"`{file}` is damaged or foreign: "
    _check_schema(settings, schema, "", start, NOT_KEPT)
    if unknown := sorted(set(settings["probes"]) - set(PROBES)):
        raise ValueError(f"{start}probes has {unknown[0]!r:.60}. {NOT_KEPT}")
    return settings


def read_tables(folder, settings):
    """Return the tables in a folder, in order, of the fits that are whole.

    A last row that is cut is left out. A fit counts if all its predictions are there:
    what the predictions or the scores lack is not done yet.
    """
    files = {name: Path(folder) / f"{name}.csv" for name in COLUMNS}
    tables = {name: _read_table(files[name], name, settings) for name in COLUMNS}
    scores, predictions = tables["scores"], tables["predictions"]
    n_predicted = predictions.groupby(KEYS).size()
    n_predicted = n_predicted.reindex(_keys_of(scores), fill_value=0)
    scores = scores[n_predicted.to_numpy() == scores["n_samples"].to_numpy()]
    predictions = predictions[_keys_of(predictions).isin(_keys_of(scores))]
    _check_scores(scores, predictions, settings, files["scores"])
    return in_order(tables | {"scores": scores, "predictions": predictions}, settings)


def _check_scores(scores, predictions, settings, file):
    """Raise a ValueError unless the scores are those of the predictions."""
    if not len(scores):
        return
    task = _task_of(settings)
    found = task.score_groups(predictions, KEYS).reindex(_keys_of(scores)).to_numpy()
    stored = scores[task.measure].to_numpy(float)
    wrong = ~np.isclose(found, stored, rtol=0, atol=1e-6, equal_nan=True)
    if wrong.any():
        row = wrong.argmax()
        name, seed, fold = scores[KEYS].iloc[row]
        raise ValueError(
            f"`{file}`: {name!r}, seed {seed}, fold {fold} has {task.measure} = "
            f"{stored[row]}, and its rows in predictions.csv have {found[row]}. {ROW}"
        )


def _read_table(file, name, settings):
    """Return a table, with numbers where it is no text; empty if there is none."""
    if file.exists() and not file.is_file():
        raise ValueError(f"`{file}` is no file; remove it, or name another folder.")
    content = file.read_bytes() if file.exists() else b""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"`{file}`, line {line}: {error}. {ROW}") from None
    end = max(text.rfind("\n"), text.rfind("\r"))
    text = text[: end + 1]  # without a last row that is cut
    header, rows, lines = [], [], []
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        for row in reader:
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        if "unexpected end" not in str(error):  # of a row that is cut within a value
            where = f"`{file}`, line {reader.line_num}"
            raise ValueError(f"{where}: {error}. {ROW}") from None
    if not header:
        return empty(name, settings)
    keys = empty(name, settings).columns
    missing = [column for column in keys if column not in header]
    if missing or len(set(header)) < len(header):
        what = f"no column {missing[0]!r}" if missing else "a column twice"
        raise ValueError(
            f"`{file}` has {what}, and is damaged or foreign: its columns are "
            f"{header[:8]}. Restore its first line, or move the file away: the same "
            "call with the same `folder` makes it again and keeps the other tables."
        )
    for row, line in zip(rows, lines):
        if len(row) != len(header):
            raise ValueError(
                f"`{file}`, line {line}: {len(row)} values instead of {len(header)}. "
                f"{ROW}"
            )
    if not rows:
        return pd.DataFrame(columns=header, dtype=object)
    table = pd.DataFrame(rows, columns=header, dtype=str)
    wrong = _values_of_nothing(table, name, settings)
    for column in header:
        table[column], bad = _typed(table[column])
        wrong |= {(column, number) for number in bad}
    if wrong:
        column, number = min(wrong, key=lambda one: one[1])
        raise ValueError(
            f"`{file}`, line {lines[number]}: {column} is "
            f"{rows[number][header.index(column)]!r}. {ROW}"
        )
    unique = {"scores": KEYS, "leakage": ["estimator", "seed", "asked", "probe"]}
    if name in unique and table.duplicated(unique[name]).any():
        number = table.duplicated(unique[name]).to_numpy().argmax()
        key = table.loc[number, unique[name]].tolist()
        raise ValueError(f"`{file}`, line {lines[number]}: {key} occurs twice. {ROW}")
    return table


def _values_of_nothing(table, name, settings):
    """Return column and row of estimators and folds that the settings do not have."""
    is_probed = name in ("leakage", "errors")
    known = {*settings["estimators"], *([RAW_FEATURES] if is_probed else [])}
    wrong = {("estimator", i) for i in np.flatnonzero(~table["estimator"].isin(known))}
    if "fold" in table:
        runs = settings.get("runs")
        n_folds = settings["protocol"]["n_folds"] if runs is None else len(runs)
        folds = {str(fold) for fold in range(n_folds)}
        if name == "errors":  # a fold is missing for a fit for the leakage
            folds |= {f"{fold}.0" for fold in range(n_folds)} | {""}
        wrong |= {("fold", i) for i in np.flatnonzero(~table["fold"].isin(folds))}
    return wrong


def _typed(column):
    """Return a column of texts in its own type, and the rows that are not of it."""
    if column.name == "kind":
        return column, np.flatnonzero(~column.isin(KINDS))
    if column.name in TEXTS:
        return column, []
    if column.name in FLAGS:
        return column == "True", np.flatnonzero(~column.isin(["True", "False"]))
    if column.name not in SHARES and column.str.fullmatch(r"-?\d{1,18}").all():
        return column.astype(int), []
    numbers = pd.to_numeric(column.replace("", "nan"), errors="coerce").astype(float)
    is_bad = numbers.isna() & ~column.isin(["", "nan"])
    if column.name in ("seed", "n_samples"):
        is_bad = numbers.isna()
    if column.name in SHARES:
        is_bad |= (numbers < 0) | (numbers > 1)
    return numbers, np.flatnonzero(is_bad)


def empty(name, settings):
    """Return a table without rows, with the columns that it always has."""
    columns = COLUMNS[name]
    if name in ("predictions", "scores"):
        is_scores = name == "scores"
        across = ["train", "test", "domain", "unlabeled", *is_scores * ["transductive"]]
        within = is_scores * ["kind", "candidates"]
        columns = [*columns, *(across if "pairs" in settings else within)]
    if name == "scores":
        columns.append(_task_of(settings).measure)
    if name == "predictions":
        columns += _task_of(settings).names
    return pd.DataFrame(columns=columns)


def _task_of(settings):
    """Return the task of a comparison, within a corpus or across corpora."""
    return EmotionTask([]) if "pairs" in settings else task_of(settings["data"])


def in_order(tables, settings):
    """Sort tables by the order of the estimators, seed and fold."""
    rank = {name: number for number, name in enumerate(settings["estimators"])}
    found = {}
    for name, rows in tables.items():
        keys = [key for key in KEYS if key in rows]
        ranks = rows[keys].assign(estimator=rows["estimator"].map(rank))
        order = ranks.sort_values(keys, kind="stable").index
        found[name] = rows.loc[order].reset_index(drop=True)
    return found


def _keys_of(table):
    """Return estimator, seed and fold of each row, as an index."""
    return pd.MultiIndex.from_frame(table[KEYS])
