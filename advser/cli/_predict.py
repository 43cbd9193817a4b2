"""The command `advser predict`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from io import TextIOWrapper
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline

from .._locks import replacing
from .._routing import call, requests
from .._validation._paths import printable
from ..audio import EGeMAPS
from ..audio._extraction import has_features, new_file, write_failures
from ..audio._extractor import Extractor
from ..corpora._generic import composed, find_not_read, texts_of
from ..corpora._table import NOBODY, SURROGATE, Copy
from ..persistence import load
from ..speakers._knowledge import scalers
from ._parser import Parser, counted, print_note, usage_errors
from ._sources import add_jobs_option, list_folder, print_failures, refuse_wavs
from ._tables import (
    FILE,
    check_file_column,
    files_of,
    is_table,
    open_columns,
    read_extracted,
    read_features_of_table,
    read_labels,
    with_features,
)

DESCRIPTION = """\
Predict recordings, or features of them, by a model of advser train.

The output is a CSV table with a row for each file or segment: its predicted emotion and
the probability of each emotion, or its ratings. An SVM estimates no probabilities: then
the table has the predicted emotions only. Recordings that cannot be used are listed,
with the reason, in a file beside the table, predictions.csv.failures.csv; the table has
all others. After an interruption, the same command goes on where it stopped."""
EPILOG = """\
inputs:
  files, folders
      audio files, and all those in folders and below
  table.csv, table.parquet
      table with the column file, relative to the folder of the table or to --wavs, and
      perhaps start and end (seconds)
  features.parquet, table.csv, table.npz
      output of advser extract, or a table with the features that the model was trained
      on

examples:
  advser predict model.advser new-recordings -o predictions.csv
  advser predict model.advser a.wav b.wav -o -
  advser predict model.advser calls.csv --speakers caller -o predictions.csv"""

OTHER_FORMATS = {
    *(".tsv", ".tab", ".parquet", ".feather", ".npz", ".xlsx", ".xls", ".ods", ".json")
}


def add_options(parser: Parser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="file of advser train or advser.save")
    add("inputs", nargs="+", metavar="INPUT", help="audio files, a folder or a table")
    output = "new CSV file, or - for standard output"
    add("-o", "--output", required=True, metavar="FILE.csv", help=output)
    add("--wavs", metavar="DIR", help="folder of the files of a table")
    add(
        "--speakers",
        metavar="COLUMN",
        help="column of the table with the speakers: a model that adapts predicts each "
        "row by it and the earlier rows of its speaker",
    )
    add_jobs_option(parser)


def run(options: argparse.Namespace, parser: Parser) -> None:
    """Load the model, predict the inputs, and write the table."""
    is_file = options.output != "-"
    if is_file and Path(options.output).suffix.lower() in OTHER_FORMATS:
        parser.error(f"argument -o/--output: {options.output} must end in .csv")
    written = new_file(options.output) if is_file else nullcontext((None, None))
    with usage_errors(parser), written as (output, parts):
        model = load_model(options.model)
        extractor, model = split_extractor(model)
        X, table = read_inputs(options, extractor, model)
        if extractor is not None:
            extractor.set_params(memory=parts, verbose=1, on_error="nan")
            if isinstance(extractor, EGeMAPS):
                extractor.set_params(n_jobs=options.n_jobs)
        table["speakers"] = speakers_of(model, table, options.speakers)
        if options.speakers is None and any(
            scaler.unknown != "population" for scaler in scalers(model).values()
        ):
            print_note(
                "without --speakers the model scales each row as that of the average "
                "speaker"
            )
        if is_classifier(model) and not hasattr(model, "predict_proba"):
            print_note("the model estimates no probabilities, so the output has none")
        X, kept, failures = with_features(table, X, extractor or EGeMAPS())
        print_failures(failures)
        if output is not None:
            write_failures(failures, output)
        if not len(X):
            raise ValueError(
                f"none of {counted(len(table), 'recording')} can be used, such as "
                f"{failures['file'].iloc[0]}, which {failures['reason'].iloc[0]}"
            )
        rows = pd.DataFrame({"file": files_of(kept)})
        times = ["start", "end"]
        if kept[times].notna().any(axis=None):
            rows[times] = kept[times].to_numpy()
        if options.speakers is not None:
            rows[options.speakers] = kept[options.speakers].to_numpy()
        predictions = predicted(model, X, kept["speakers"].to_numpy())
        if both := sorted({*rows} & {*predictions}):
            raise ValueError(
                f"`--speakers` is {both[0]}, which is also a column of the output; "
                "rename it in the table."
            )
        rows = rows.join(predictions)
        if output is None and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        with nullcontext(sys.stdout) if output is None else replacing(output) as target:
            rows.to_csv(target, index=False)
    if is_file:
        counts = f"{len(X):,} of {counted(len(table), 'recording')}"
        print(f"{options.output} has the predictions of {counts}")


def load_model(path: str) -> BaseEstimator:
    """Return the estimator in a file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is no file; advser train makes a model.")
    model = load(path)
    if not isinstance(model, BaseEstimator) or not hasattr(model, "predict"):
        raise ValueError(
            f"{path} has a {type(model).__name__}; pass the file of a classifier or "
            "regressor."
        )
    return model


def split_extractor(model: BaseEstimator) -> tuple[Extractor | None, BaseEstimator]:
    """Return the first step if it extracts features, and the model of features."""
    if isinstance(model, Pipeline) and isinstance(model[0], Extractor):
        rest = model[1:]
        if hasattr(model, "target_names_"):
            rest.target_names_ = model.target_names_
        return model[0], rest
    return None, model


def read_inputs(
    options: argparse.Namespace, extractor: Extractor | None, model: BaseEstimator
) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    """Return features, or None if they are to be extracted, and a table of inputs."""
    inputs, wavs, column = options.inputs, options.wavs, options.speakers
    tables = [path for path in inputs if is_table(path)]
    if tables and len(inputs) > 1:
        raise ValueError(f"{tables[0]} is a table; pass one table, or audio files.")
    if not tables:
        if wavs is not None or column is not None:
            raise ValueError(
                f"`--wavs` and `--speakers` go with a table, and {inputs[0]} is none; "
                "leave them out."
            )
        if extractor is None:
            raise ValueError(
                f"the model does not extract features, and {inputs[0]} is no table; "
                "pass a table with the features that it was trained on."
            )
        return None, list_files(inputs)
    source = inputs[0]
    rows = None if has_features(source) else open_columns(source)
    # A model that was trained on features without names has none.
    own = getattr(model, "feature_names_in_", None)
    names = getattr(extractor, "feature_names", None) if own is None else own
    has_all = rows is None or (names is not None and set(names) <= {*rows})
    if extractor is None or has_all:
        refuse_wavs(wavs, source)
        X, table = read_known_features(source, rows, names, extractor, model)
    else:
        otherwise = "pass a table with all features of the model"
        check_file_column(rows, source, otherwise)
        X, table = None, read_labels(rows, source, wavs, keep_missing=True)
    if column is not None and column not in table:
        names = [name for name in table.dropna(axis=1, how="all") if name != FILE]
        raise ValueError(
            f"`--speakers` is {column}, which is no column of {source}; it has "
            f"{', '.join(map(str, names[:15]))}."
        )
    return X, table


def read_known_features(source, rows, names, extractor, model):
    """Return the features in a table that a model was trained on, and the labels.

    The rows are None for an output of `advser extract`, and the names of the features
    are None if they have none.
    """
    if names is None:
        raise ValueError(
            "the model was trained on features without names, so its columns are "
            "unknown; pass recordings, or predict in Python."
        )
    origin = getattr(model, "feature_origin_", None)
    table, extracted = None, {}
    if rows is None and (extractor or origin):
        rows, table = read_extracted(source)
    elif rows is None:
        rows = open_columns(source)
        extracted = pd.read_parquet(source, columns=[]).attrs
    ours = getattr(extractor, "recipe", origin) or {}
    theirs = rows.attrs.get("features", {})
    for name in ours if theirs else ():
        if ours[name] != theirs.get(name):
            raise ValueError(
                f"{source} has features with {name} {theirs.get(name)!r}, and those of "
                f"the model have {ours[name]!r}; extract them again."
            )
    missing = [name for name in names if name not in rows]
    if missing:
        raise ValueError(
            f"{source} lacks {len(missing)} of the {len(names)} features of the model, "
            f"such as {missing[0]}; pass a table that has them."
        )
    if table is not None:
        return rows[[*names]], table
    X, table = read_features_of_table(rows, names, source)
    X.attrs |= extracted  # with the origin of the features, which a step may check
    return X, table


def list_files(inputs):
    """Return a table of audio files, and of those in folders."""
    files = []
    missing = [path for path in inputs if not os.path.exists(path)]
    if missing:
        raise FileNotFoundError(f"no such file: {', '.join(missing)}")
    for path in inputs:
        files += files_in(path) if Path(path).is_dir() else [path]
    wrong = [file for file in files if SURROGATE.search(file)]
    files = [file for file in files if file not in wrong]
    if not files:
        raise ValueError(f"no file has a name in UTF-8, such as {printable(wrong[0])}")
    if wrong:
        print_note(
            f"left out: {counted(len(wrong), 'file')} whose name is not UTF-8, such as "
            f"{printable(wrong[0])}; rename them"
        )
    index = pd.Index(dict.fromkeys(files), name="file")
    table = pd.DataFrame({"start": np.nan, "end": np.nan}, index=index)
    table.attrs["root"] = ""
    return table


def files_in(folder):
    """Return the audio files in a folder and below; raise if there are none."""
    copy = Copy(folder)
    files = copy.list_files()
    if not files:
        list_folder(folder)  # says what the folder holds
    find_not_read(copy, files)
    copy.warn_of_problems(folder)
    return [os.path.join(folder, file) for file in files]


def speakers_of(
    model: BaseEstimator, table: pd.DataFrame, column: str | None
) -> np.ndarray:
    """Return the speaker of each row, None if unknown."""
    speakers = np.full(len(table), None)
    if column is None:
        return speakers
    if not requests(model, "predict", ["speakers", "groups"]):
        raise ValueError(
            "`--speakers` is for models that adapt to speakers, and this one does not; "
            "train one with `advser train --adapt`, or leave it out."
        )
    found = scalers(model).values()
    if any(scaler.unknown == "batch" for scaler in found):
        raise ValueError(
            "The SpeakerScaler of the model has `unknown='batch'`: the prediction of a "
            "row would depend on all others. Train with `advser train --adapt`, or set "
            "`unknown='adapt'`."
        )
    names = composed(texts_of(table[column]))
    known = (names.notna() & ~names.str.lower().isin(NOBODY)).to_numpy()
    speakers[known] = names[known]
    # A training speaker may be the number 3, which is not the text "3".
    trained = {name for scaler in found for name in scaler.speakers_}
    if both := sorted(trained & set(speakers[known])):
        print_note(
            f"{counted(len(both), 'speaker')} with the name of a training speaker, such"
            f" as {both[0]}: both count as one speaker; rename those who are not"
        )
    return speakers


def predicted(
    model: BaseEstimator, X: pd.DataFrame, speakers: np.ndarray
) -> pd.DataFrame:
    """Return the predictions of rows; one without a speaker is of the average speaker.

    Parameters
    ----------
    model : estimator
        The classifier or regressor; the way that it scales unknown speakers may change.

    X : DataFrame of shape (n_samples, n_features)
        Rows of a speaker in the order of time.

    speakers : ndarray of shape (n_samples,)
        Speaker of each row, None if unknown.

    Returns
    -------
    table : DataFrame
        `emotion` and `probability_<emotion>` for each, if the model estimates
        probabilities; or a column of each rating.
    """
    known, parts = pd.notna(speakers), []
    for rows in (known, ~known):
        if rows is not known:
            for scaler in scalers(model).values():
                scaler.set_params(unknown="population")
        if rows.any():
            found = columns_of(model, X[rows], speakers[rows])
            parts.append(found.set_axis(np.flatnonzero(rows)))
    return pd.concat(parts).sort_index()


def columns_of(model, X, speakers):
    """Return the predictions as columns."""
    if not hasattr(model, "feature_names_in_"):  # trained on an array
        X = X.to_numpy()
    y = call(model, "predict", X, speakers=speakers)
    if not is_classifier(model):
        ratings = np.reshape(y, (len(X), -1)).astype(float)
        numbered = [f"rating_{number}" for number in range(ratings.shape[1])]
        names = getattr(model, "target_names_", numbered)
        return pd.DataFrame(ratings.round(6), columns=names)
    columns = {"emotion": y}
    if hasattr(model, "predict_proba"):
        p = call(model, "predict_proba", X, speakers=speakers).astype(float).round(6)
        columns |= {f"probability_{c}": p[:, i] for i, c in enumerate(model.classes_)}
    return pd.DataFrame(columns)
