"""Tables of features: extract them to a file, and read them from it."""

import os
import shutil
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from .._locks import locked, replacing
from .._validation._paths import check_path
from ._embeddings import AudioEmbedding
from ._features import EGeMAPS
from ._recordings import SEGMENT, to_seconds


def extract_features(
    table: pd.DataFrame,
    output: str | os.PathLike,
    *,
    extractor: EGeMAPS | AudioEmbedding | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Extract the features of a table of recordings to a Parquet file.

    If the extraction is interrupted, call it again with the same arguments: it
    continues where it stopped. Until it is complete, finished recordings are in a
    folder beside the output, ``features.parquet.parts``. A recording is processed again
    if its file has changed, and all are if another version of openSMILE is installed.

    Parameters
    ----------
    table : DataFrame, indexed by file
        What a reader of :mod:`advser.corpora` returned. If a row has `start` or `end`,
        in seconds or as a duration, only this segment of the file is read.

    output : str or path-like
        New file, with the suffix ``.parquet``: the columns of `table`, then the
        features. Its metadata are the names of the features and what they depend on,
        such as the versions of openSMILE and audresample.

    extractor : EGeMAPS or AudioEmbedding, default=None
        Extracts the features; ``EGeMAPS()`` if None. Its `memory`, `verbose` and
        `on_error` are not used.

    n_jobs : int, default=None
        Number of recordings processed at the same time; -1 for one per core. Only for
        :class:`~advser.EGeMAPS`; None means what `extractor` has.

    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    failures : DataFrame
        The recordings that cannot be used: `file`, `start`, `end`, the type of the
        `error` and the `reason`. The output does not contain them. If there are any,
        they are also written to a file beside the output,
        ``features.parquet.failures.csv``.

    Raises
    ------
    FileExistsError
        If `output` exists.

    FileNotFoundError
        If the folder of `output` does not exist.

    BlockingIOError
        If another process writes to `output`.

    ValueError
        If `table` has no rows, has two rows for the same segment, has a column with the
        name of a feature or cannot be written to Parquet, if `output` has another
        suffix, or if no recording can be used.

    See Also
    --------
    read_features : Read the file.
    """
    with new_file(check_path(output, "output"), ".parquet") as (output, cache):
        extractor = clone(extractor or EGeMAPS())
        if getattr(extractor, "level", "functionals") == "lld":
            raise ValueError(
                '`extractor` has `level="lld"`, and a table needs one row for each '
                'recording; set `level="functionals"`.'
            )
        if n_jobs is not None:
            extractor.set_params(n_jobs=n_jobs)
        extractor.set_params(memory=cache, verbose=verbose, on_error="nan").fit(table)
        labels = labels_of(table, extractor.feature_names)
        whole, failures = extract_part(extractor, labels)
        failures = failures.reset_index(drop=True)
        sidecar = write_failures(failures, output)
        if not len(whole):
            raise ValueError(
                f"None of the {len(labels)} recordings can be used; {sidecar} has the "
                f"reasons. The first: {failures['file'][0]} {failures['reason'][0]}"
            )
        for column in ("start", "end"):
            seconds = [to_seconds(time, column) for time in whole[column]]
            whole[column] = np.array(seconds, dtype=float)
        whole.attrs = {
            "features": extractor.recipe,
            "names": extractor.feature_names,
            "corpus": table.attrs.get("corpus"),
            "root": table.attrs.get("root"),
        }
        with replacing(output) as unfinished:
            whole.to_parquet(unfinished, index=False, write_page_checksum=True)
        return failures


@contextmanager
def new_file(path: str | os.PathLike, suffix: str = "") -> Iterator[tuple[Path, Path]]:
    """Hold the lock of a file that does not exist yet.

    Yields its absolute path, and the folder of :func:`parts_beside`.
    """
    output = Path(path).absolute()
    check_output(output, suffix)
    with locked(output):
        check_output(output, suffix)  # another process may have written it
        with parts_beside(output) as parts:
            yield output, parts


@contextmanager
def parts_beside(output: Path) -> Iterator[Path]:
    """Yield a folder beside an output for what is finished before it.

    An interrupted command goes on from there. Without an error, or if nothing was
    finished, the folder is deleted.
    """
    parts = output.with_name(f"{output.name}.parts")
    if parts.exists() and not parts.is_dir():
        raise FileExistsError(
            f"{parts} is no folder; remove it, or name another `output`."
        )
    try:
        yield parts
        with suppress(FileNotFoundError):
            shutil.rmtree(parts)
    finally:
        with suppress(OSError):
            parts.rmdir()


def write_failures(failures: pd.DataFrame, output: Path) -> Path:
    """Write what was left out of an output to a file beside it, and return its path.

    Its name has the whole name of the output, so that no other output has the same. If
    nothing was left out, an earlier file is removed.
    """
    path = output.with_name(f"{output.name}.failures.csv")
    path.unlink(missing_ok=True)
    if len(failures):
        failures.to_csv(path, index=False)
    return path


def has_features(path: str | os.PathLike) -> bool:
    """Return whether a file was written by :func:`extract_features`."""
    if not Path(path).is_file():
        return False
    try:
        attrs = pd.read_parquet(path, columns=[]).attrs
    except Exception:  # no Parquet, or damaged metadata
        return False
    return {"features", "names", "corpus", "root"} <= attrs.keys()


def read_features(path: str | os.PathLike) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of extracted features.

    Parameters
    ----------
    path : str or path-like
        Parquet file, written by :func:`extract_features` or ``advser extract``.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features), dtype float32
        The features, indexed by file. `X.attrs["features"]` describes how they were
        made. :class:`~advser.AdversarialSER` and :class:`~advser.SpeakerScaler` store
        it in `fit` and later raise an error for features that were made otherwise.

    labels : DataFrame
        The columns of the readers (:mod:`advser.corpora`), indexed by file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.

    ValueError
        If it was not written by one of the two.
    """
    if not check_path(path, "path").exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not has_features(path):
        raise ValueError(
            f"{path} is no Parquet file with features of advser; make one with `advser "
            "extract`."
        )
    try:
        frame = pd.read_parquet(path, page_checksum_verification=True)
    except Exception as error:  # whatever pyarrow raises for damaged files
        raise ValueError(
            f"{path} is damaged: {str(error).splitlines()[0]}. Extract the features "
            "again."
        ) from error
    origin, frame.attrs = frame.attrs, {}
    if "file" in frame.index.names and "file" not in frame:
        frame = frame.reset_index()
    missing = [name for name in ["file", *origin["names"]] if name not in frame]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing)} of its columns, such as {missing[0]!r}; "
            "extract the features again."
        )
    frame = frame.set_index("file")
    X = frame[origin["names"]]
    X.attrs = {"features": origin["features"]}
    labels = frame.drop(columns=origin["names"])
    labels.attrs = {name: origin[name] for name in ("corpus", "root")}
    return X, labels


def check_output(output, suffix, name="output"):
    """Raise if a new file with this suffix cannot be written to this path."""
    if not output.name.endswith(suffix):
        raise ValueError(
            f"`{name}` is {str(output)!r}; its name must end in {suffix!r}."
        )
    if output.is_dir():
        raise FileExistsError(f"{output} is a folder; name a new file in it.")
    if output.exists():
        raise FileExistsError(f"{output} exists; remove it, or name another `{name}`.")
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {output.parent} does not exist; create it, or name another "
            f"`{name}`."
        )


def labels_of(table, feature_names):
    """Return labels that can be extracted and written, or raise before the work."""
    import pyarrow

    if not isinstance(table, pd.DataFrame) or table.index.nlevels > 1:
        raise ValueError(
            "`table` must be a DataFrame whose index holds the files, such as a reader "
            "of advser.corpora returns."
        )
    if "file" in table:
        raise ValueError(
            "`table` has the column 'file', which must be its index; pass "
            "`table.set_index('file')`."
        )
    reserved = {"file", *feature_names}
    wrong = [name for name in table if name in reserved or not isinstance(name, str)]
    wrong += list(table.columns[table.columns.duplicated()])
    if wrong:
        raise ValueError(
            f"`table` has {len(wrong)} columns that the file cannot have, such as "
            f"{wrong[0]!r}: the name of a feature or of the index, the name of two "
            "columns, or no text; rename or drop them."
        )
    if not len(table):
        raise ValueError("`table` has no rows; it must hold at least one recording.")
    files = np.array([*map(str, table.index)], dtype=object)
    labels = table.reset_index(drop=True)
    labels.insert(0, "file", pd.Series(files, dtype=object))
    for column in ("start", "end"):
        # Each time is checked with its recording, so that a wrong one costs one row.
        times = labels[column].astype(object) if column in labels else None
        labels[column] = times if times is None else times.map(hashable)
    twice = labels["file"][labels.duplicated(SEGMENT)]
    if len(twice):
        raise ValueError(
            f"`table` has {len(twice)} rows more than once, such as {twice.iloc[0]!r}; "
            "keep one row for each segment."
        )
    try:
        pyarrow.Table.from_pandas(labels.drop(columns=["start", "end"]))
    except (pyarrow.ArrowException, ValueError) as error:  # such as a name in Latin-1
        raise ValueError(
            f"`table` cannot be written to Parquet: {error}. Each column must hold "
            "values of one type, and texts must be valid Unicode."
        ) from error
    return labels


def hashable(time):
    """Return a time, or the text of what has no hash and so is no time."""
    return time if isinstance(time, Hashable) else repr(time)


def extract_part(extractor, rows):
    """Return the rows with features, and those without, with the reason."""
    rows = rows.reset_index(drop=True)
    features = extractor._extract(rows[SEGMENT])
    reasons = extractor.failures_.set_index("row")[["error", "reason"]]
    features = pd.DataFrame(features, columns=extractor.feature_names)
    return (
        rows.join(features).drop(reasons.index),
        rows[SEGMENT].join(reasons, how="inner"),
    )
