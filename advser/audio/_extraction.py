"""Tables of features: extracted once, and kept with all that decided them."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ._features import SEGMENT, EGeMAPS

__all__ = ["extract_features", "read_features"]

PART = 100  # rows that an interruption may cost
METADATA = b"advser"
NO_FAILURES = pd.DataFrame(columns=[*SEGMENT, "error", "reason"])


def extract_features(table, output, *, n_jobs=None, verbose=0):
    """Extract the features of a table of recordings to a Parquet file.

    What was interrupted goes on where it stopped: finished parts are kept in a folder
    beside the output, ``features.parquet.parts``, until all is done. A file that has
    changed meanwhile is worked on again, and so is everything when openSMILE has
    changed.

    Parameters
    ----------
    table : DataFrame, indexed by file
        What a reader of :mod:`advser.corpora` returned. Segments, by its columns
        `start` and `end`, are cut out on reading.

    output : str or path-like
        New file, with the suffix ``.parquet``: the columns of `table`, then the 88
        features. It carries the names of the features, the feature set, and the
        versions of openSMILE and audresample.

    n_jobs : int, default=None
        Number of recordings worked on at once; -1 for one per core.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    failures : DataFrame
        The recordings that cannot be used, which are left out of the table: `file`,
        `start`, `end`, the type of the `error` and the `reason`. If there are any,
        they are in a file beside the output, too: ``features.failures.csv``.

    Raises
    ------
    FileExistsError
        If there is an `output` already.

    FileNotFoundError
        If the folder of `output` is missing.

    ValueError
        If `table` has no rows or two for the same segment, `output` has another
        suffix, a column holds what Parquet cannot, or no recording can be used.

    See Also
    --------
    read_features : Read what was extracted.
    """
    output = Path(output)
    check_output(output)
    rows = segments_of(table)
    labels = table.reset_index(names="file")
    labels[SEGMENT] = rows
    labels.attrs = {}  # they would become metadata as well
    check_labels_fit(labels)
    extractor = EGeMAPS(n_jobs=n_jobs, on_error="nan")
    parts = output.with_name(f"{output.name}.parts")
    parts.mkdir(exist_ok=True)
    done = read_parts(parts, extractor.recipe)
    todo = rows
    if done:
        finished = pd.concat(part[SEGMENT] for part in done)
        both = pd.concat([rows, finished], keys=["rows", "finished"])
        todo = rows[~both.duplicated(keep=False)["rows"]]
    failures = []
    n_parts = len(list(parts.iterdir()))
    n_done = len(rows) - len(todo)
    with tqdm(
        desc="eGeMAPS", total=len(rows), initial=n_done, disable=not verbose
    ) as bar:
        for start in range(0, len(todo), PART):
            part, failed = extract_part(extractor, todo[start : start + PART])
            if len(part):
                write(part, parts / f"{n_parts:06d}.parquet", extractor.recipe, {})
                n_parts += 1
                done.append(part)
            if len(failed):
                failures.append(failed)
            bar.update(len(part) + len(failed))
    failures = pd.concat(failures or [NO_FAILURES], ignore_index=True)
    sidecar = output.with_suffix(".failures.csv")
    sidecar.unlink(missing_ok=True)
    if len(failures):
        failures.to_csv(sidecar, index=False)
    if not done:
        shutil.rmtree(parts)
        raise ValueError(
            f"None of the {len(rows)} recordings can be used; {sidecar} has the "
            f"reasons. The first: {failures['file'][0]} {failures['reason'][0]}"
        )
    features = pd.concat(done).drop_duplicates(SEGMENT, keep="last")
    whole = labels.merge(features, on=SEGMENT)
    write(whole, output, extractor.recipe, table.attrs)
    shutil.rmtree(parts)
    return failures


def has_features(path):
    """Whether a path is that of a table of features, by the metadata of the file."""
    from pyarrow import ArrowInvalid, parquet

    if Path(path).suffix != ".parquet":
        return False
    try:
        return METADATA in (parquet.read_schema(path).metadata or {})
    except ArrowInvalid:
        return False


def read_features(path):
    """Read a table of features that was extracted before.

    Parameters
    ----------
    path : str or path-like
        Parquet file, written by :func:`extract_features` or ``advser extract``.

    Returns
    -------
    X : DataFrame of shape (n_samples, 88), dtype float32
        The features, indexed by file. `X.attrs["features"]` tells what decided them;
        :class:`~advser.AdversarialSER` and :class:`~advser.SpeakerScaler` remember it
        in `fit`, and refuse features of another origin later.

    labels : DataFrame
        The columns of the readers (:mod:`advser.corpora`), indexed by file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    ValueError
        If the file holds no features of advser.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        told = json.loads(table.schema.metadata[METADATA])
    except (pyarrow.ArrowInvalid, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no Parquet file with features of advser; `advser extract` "
            "makes one."
        ) from error
    frame = table.to_pandas().set_index("file")
    X = frame[told["names"]]
    X.attrs = {"features": told["features"]}
    labels = frame.drop(columns=told["names"])
    labels.attrs = {name: told[name] for name in ("corpus", "root")}
    return X, labels


def check_output(output):
    """Raise unless a new Parquet file can be written there."""
    if output.suffix != ".parquet":
        raise ValueError(
            f"`output` is {str(output)!r}; its name must end in '.parquet'."
        )
    if output.exists():
        raise FileExistsError(f"{output} exists; remove it, or name another `output`.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent} is no folder; make it, or name another `output`."
        )


def check_labels_fit(labels):
    """Raise unless labels can be kept as Parquet, hours before they are."""
    import pyarrow

    try:
        pyarrow.Table.from_pandas(labels)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ValueError(
            f"`table` cannot be kept as Parquet: {error}. Let each column hold values "
            "of one type."
        ) from error


def extract_part(extractor, rows):
    """Return the rows with features, and those without, with the reason."""
    rows = rows.reset_index(drop=True)
    with warnings.catch_warnings():
        # The failures are returned; there is no need to warn of them as well.
        warnings.filterwarnings("ignore", ".*recordings cannot be used")
        features = extractor.transform(rows)
    reasons = extractor.failures_.set_index("row")[["error", "reason"]]
    features = pd.DataFrame(features, columns=extractor.feature_names)
    return rows.join(features).drop(reasons.index), rows.join(reasons, how="inner")


def segments_of(table):
    """Return file, start and end of each row of a table."""
    rows = pd.DataFrame({"file": table.index.astype(str).to_numpy(dtype=object)})
    for column in ("start", "end"):
        rows[column] = table[column].to_numpy(float) if column in table else np.nan
    twice = rows["file"][rows.duplicated()]
    if len(twice):
        raise ValueError(
            f"`table` has {len(twice)} rows more than once, such as {twice.iloc[0]!r}; "
            "keep one of each."
        )
    if not len(rows):
        raise ValueError("`table` has no rows; it must hold at least one recording.")
    return rows


def read_parts(folder, recipe):
    """Return the parts of an interrupted run that still hold, rows with features."""
    from pyarrow import ArrowInvalid, parquet

    found = []
    for file in sorted(folder.iterdir()):
        try:
            part = parquet.read_table(file)
        except ArrowInvalid:
            continue  # it was being written
        if json.loads(part.schema.metadata[METADATA])["features"] != recipe:
            continue
        part = part.to_pandas()
        modified = file.stat().st_mtime
        is_older = [
            os.path.exists(source) and os.path.getmtime(source) <= modified
            for source in part["file"]
        ]
        found.append(part[is_older])
    return found


def write(frame, path, recipe, attrs):
    """Write a table of features, whole or not at all."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    told = {
        "features": recipe,
        "names": [name for name in EGeMAPS().feature_names if name in frame],
        "corpus": attrs.get("corpus"),
        "root": attrs.get("root"),
    }
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), METADATA: json.dumps(told).encode()}
    )
    unfinished = path.with_name(f"{path.name}.tmp")
    parquet.write_table(table, unfinished)
    os.replace(unfinished, path)
