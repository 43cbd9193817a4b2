"""Fitted models as files without pickle: to open one runs no code that is in it.

A file is one of skops, a zip archive of JSON and of arrays, with a description in
``advser.json`` and a checksum of all bytes before it as the comment of the archive.
skops builds objects of scikit-learn's types and of those listed here, and of no other.
It has no form for tensors, networks and tables, which become arrays and numbers.
"""

import copy
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from warnings import warn
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from . import methods
from ._engine import StepwiseNet, ValidationScores, default_torch
from ._locks import replacing
from ._validation._parameters import check_names
from ._validation._paths import check_device, check_file, check_path
from .audio import AudioEmbedding, EGeMAPS
from .audio._extractor import Extractor
from .speakers import Session, SpeakerScaler
from .speakers._emotions import EmotionEffects

__all__ = ["load", "save"]

FORMAT = 1
N_CHECKSUM = 64  # characters
MAX_RATIO = 100  # of the bytes in all members to those of the file; 5 is usual
MEMBER = re.compile(r"[\w-]+\.(json|npy)", re.ASCII)
NETWORKS = (
    methods.AdversarialSER,
    methods.AdversarialSERRegressor,
    methods.AutoencoderSER,
    methods.AutoencoderSERRegressor,
    methods.SiameseSER,
)
# Of scikit-learn's networks; they have no public name, and skops does not know them.
MLP_OPTIMIZERS = ("AdamOptimizer", "SGDOptimizer")
PAIRS = "keys and values"  # of a dict whose keys are booleans
# Parameters of an estimator that its net keeps from the fit.
SETTINGS = ("alpha", "lr", "max_epochs", "batch_size")


class _Part:
    """An object that skops has no form for.

    Parameters
    ----------
    kind : str
    content : dict
        Arrays, numbers, text, and other objects that skops has a form for.
    """

    def __init__(self, kind, content):
        self.kind, self.content = kind, content


def save(
    model: BaseEstimator | Session,
    path: str | os.PathLike,
    *,
    trusted: Sequence[type | str] = (),
) -> None:
    """Write a model to a file, from which :func:`~advser.load` makes an equal one.

    The file contains no pickle. An existing file is replaced once the new one is
    complete.

    Parameters
    ----------
    model : estimator, Pipeline or Session
        Estimators and transformers of advser, a pipeline of them and of those of
        scikit-learn, or a :class:`~advser.Session` with what it has learnt of its
        speakers. Of a search, save its ``best_estimator_``.

    path : str or path-like
        The file.

    trusted : sequence of type or str, default=()
        Further types and functions in the model, such as an objective or an encoder of
        your own, or a score function of scikit-learn's feature selection. Name a
        function by its module and name, as "module.function". Whoever loads the file
        must name them, too.

    Raises
    ------
    TypeError
        If the model is no estimator and no session.

    ValueError
        If the model has a part that cannot be written, or that :func:`~advser.load`
        would refuse. The file is then as it was before.

    See Also
    --------
    to_onnx : A file for other programs, which predicts and cannot be fitted.

    Notes
    -----
    The file has the optimizer, so that ``warm_start=True`` goes on where the training
    has stopped. It does not have the folders of caches, `memory`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import advser
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ser = advser.AdversarialSER(max_epochs=2, random_state=0)
    >>> ser = ser.fit(X, y, speakers=speakers)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     advser.save(ser, pathlib.Path(folder, "emodb.advser"))
    ...     loaded = advser.load(pathlib.Path(folder, "emodb.advser"))
    >>> bool((loaded.predict_proba(X) == ser.predict_proba(X)).all())
    True
    """
    path = check_path(path, "path")
    trusted = check_names(trusted, "trusted", (str, type))
    if not isinstance(model, BaseEstimator | Session):
        raise TypeError(
            f"`model` is a {type(model).__name__}; it must be an estimator, a pipeline "
            "or a Session."
        )
    whole = model.model if isinstance(model, Session) else model
    for _, step in getattr(whole, "steps", [("", whole)]):
        if hasattr(step, "best_estimator_"):
            raise ValueError(
                f"`model` is or has a {type(step).__name__}; put its `best_estimator_` "
                "in its place, behind the steps before it."
            )
    try:
        data = _write(model)
        _read(data, "The file", trusted)
    except Exception as error:  # whatever a part of the model raises when copied
        raise ValueError(f"`model` cannot be saved. {error}") from error
    replace_file(path, data)


def load(path: str | os.PathLike, *, trusted: Sequence[type | str] = ()) -> Any:
    """Read a model from a file that :func:`~advser.save` has written.

    Loading runs no code of the file, whoever wrote it. The model predicts as the saved
    one, bit for bit on the same machine, and a session goes on.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : sequence of type or str, default=()
        Further types that the file may contain, or their full names. Name only types
        that you know.

    Returns
    -------
    model : estimator, Pipeline or Session

    Raises
    ------
    ValueError
        If the file is none of :func:`~advser.save`, damaged, of a newer format, has
        types that are not trusted, or extracts features with other versions of
        openSMILE or audresample than those installed.

    Warns
    -----
    InconsistentVersionWarning
        If the file is from another version of scikit-learn.
    """
    trusted = check_names(trusted, "trusted", (str, type))
    return _read(check_file(path, "path").read_bytes(), path, trusted)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder of {path} does not exist; make it first.")
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)


def describe(model: BaseEstimator | Session) -> dict[str, Any]:
    """Return what a file records of a model besides the model itself."""
    model = model.model if isinstance(model, Session) else model
    parts = list(parts_of(model))
    extractors = [part for part in parts if isinstance(part, Extractor)]
    origins = (getattr(part, "feature_origin_", None) for part in parts)
    origin = next((origin for origin in origins if origin), None)
    names = getattr(model, "feature_names_in_", None)
    if extractors:
        names = extractors[0].feature_names if names is None else names
        origin = origin or extractors[0].recipe
    return {
        "advser": version("advser"),
        "model": type(model).__name__,
        "classes": _as_lists(getattr(model, "classes_", [])),
        "feature_names": None if names is None else list(names),
        "feature_origin": origin,
        "extraction": [extractor.recipe for extractor in extractors],
    }


def _as_lists(classes):
    """Return classes, or those of each of several targets, as lists."""
    if isinstance(classes, list):
        return [_as_lists(of_target) for of_target in classes]
    return np.asarray(classes).tolist()


def parts_of(value: Any, kinds: tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield an object and all objects in it, each once; nothing inside `kinds`."""
    waiting, seen = [value], {}
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # kept, so that no other object gets its id
        yield value
        if isinstance(value, (*kinds, type, FunctionType, ModuleType)):
            continue
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, np.ndarray):
            waiting += value.ravel().tolist() if value.dtype == object else []
        else:
            waiting += getattr(value, "__dict__", {}).values()


def _write(model):
    """Return the bytes of the file of a model."""
    import skops.io  # takes a second

    if any(isinstance(part, torch.jit.ScriptModule) for part in parts_of(model)):
        raise ValueError(
            "It has a module of TorchScript, which such a file cannot hold; fit it "
            "with the module in Python."
        )
    plain = _replaced(model, LEAVES, _pack)
    for part in parts_of(plain):
        _reduce(part)
    versions = ("scikit-learn", "skorch", "skops", "torch", "numpy")
    description = {
        "format": FORMAT,
        **describe(model),
        "versions": {name: version(name) for name in versions},
    }
    buffer = BytesIO(skops.io.dumps(plain, compression=ZIP_DEFLATED))
    with ZipFile(buffer, "a") as file:
        file.writestr("advser.json", json.dumps(description, indent=1))
        file.comment = bytes(N_CHECKSUM)
    data = buffer.getvalue()[:-N_CHECKSUM]
    return data + _checksum(data)


def _checksum(data):
    return hashlib.sha256(data).hexdigest().encode()


def _read(data, path, trusted):
    """Return the model in the bytes of a file."""
    import skops.io

    if data[:4] != b"PK\3\4":
        raise ValueError(f"{path} is no file of `advser.save`.")
    if data[-N_CHECKSUM:] != _checksum(data[:-N_CHECKSUM]):
        raise ValueError(
            f"{path} is damaged, or no file of `advser.save`: its checksum is wrong. "
            "Copy or save it again."
        )
    with _naming(path), ZipFile(BytesIO(data)) as file:
        _check_members(file, len(data))
        description = json.loads(file.read("advser.json"))
        newest, writer = description["format"], description["advser"]
        here = version("advser")
        is_newer = newest > FORMAT
    if is_newer:
        raise ValueError(
            f"{path} has format {newest}, of advser {writer}, and this is advser "
            f"{here}, which reads formats up to {FORMAT}; update advser."
        )
    with _naming(path, f" advser {writer} wrote it." if writer != here else ""):
        model = skops.io.loads(data, trusted=[*_own_types(), *trusted])
        for part in parts_of(model):
            if isinstance(part, nn.Module):
                vars(part).update({**vars(nn.Module()), **vars(part)})
        with default_torch():
            model = _replaced(model, (_Part,), _unpack)
            for part in parts_of(model):
                _restore(part)
        extractors = [part for part in parts_of(model) if isinstance(part, Extractor)]
        differences = [
            f"{name} {fitted!r} in the file and {extractor.recipe.get(name)!r} here"
            for recipe, extractor in zip(description["extraction"], extractors)
            for name, fitted in recipe.items()
            if fitted != extractor.recipe.get(name)
        ]
    if differences:
        raise ValueError(
            f"{path} extracts other features than this installation: "
            f"{', '.join(differences)}. Install the versions of the file."
        )
    return model


@contextmanager
def _naming(path, origin=""):
    """Turn whatever an altered file raises into an error that names the file."""
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        yield
    except UntrustedTypesFoundException as error:
        raise ValueError(
            f"{path} has types or functions that `load` does not know, and that may "
            f"run code. If you know them, pass them as `trusted`.{origin} {error}"
        ) from error
    except Exception as error:
        raise ValueError(
            f"{path} is damaged, or needs code that is missing here.{origin} "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_members(file, n_bytes):
    """Raise an error if an archive has other members than arrays and JSON."""
    members = file.infolist()
    names = [member.filename for member in members]
    if len({*names}) < len(names):
        raise ValueError("a member occurs twice.")
    for member in members:
        if not MEMBER.fullmatch(member.filename):
            raise ValueError(f"{member.filename!r} is no name of a member.")
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError(f"{member.filename!r} is compressed in another way.")
    size = sum(member.file_size for member in members)  # zipfile reads no more
    if size > MAX_RATIO * n_bytes:
        raise ValueError(f"it has {n_bytes} bytes and would grow to {size}.")
    for name in names:
        with file.open(name) as member:
            if name.endswith(".npy") and member.read(6) != b"\x93NUMPY":
                raise ValueError(f"{name!r} is no array.")


def _own_types():
    """Return the names of the types that a file may contain besides scikit-learn's.

    `StepwiseNet` must not be among them: skorch restores its nets by pickle.
    """
    modules = [nn.Module]
    for module in modules:
        modules += module.__subclasses__()
    modules = [m for m in modules if m.__module__.split(".")[0] == "advser"]
    modules += [m for m in vars(nn).values() if isinstance(m, type)]
    own = [*NETWORKS, AudioEmbedding, EGeMAPS, EmotionEffects]
    own += [Session, SpeakerScaler, _Part]
    return [
        *{f"{kind.__module__}.{kind.__qualname__}" for kind in [*modules, *own]},
        "numpy.dtype",
        *(f"sklearn.neural_network._stochastic_optimizers.{n}" for n in MLP_OPTIMIZERS),
    ]


def _replaced(value, kinds, change):
    """Return a copy of an object with what is of some kinds in it changed."""
    parts = [part for part in parts_of(value, kinds) if isinstance(part, kinds)]
    return copy.deepcopy(value, {id(part): change(part) for part in parts})


LEAVES = (StepwiseNet, Tensor, torch.Generator, torch.device, torch.dtype, pd.DataFrame)


def _pack(leaf):
    """Return an object as one that skops has a form for."""
    if isinstance(leaf, StepwiseNet):
        groups = leaf.optimizer_.param_groups
        content = {
            "module": leaf.module_,
            "optimizer": [
                [dict(leaf.optimizer_.state.get(p, {})) for p in group["params"]]
                for group in groups
            ],
            "order": leaf.order_generator,
            "noise": leaf.noise_generator,
            "history": json.dumps(leaf.history, default=lambda number: number.item()),
            "settings": {name: getattr(leaf, name) for name in SETTINGS},
            "patience": _patience_of(leaf),
        }
        return _Part("net", _replaced(content, LEAVES, _pack))
    if is_lazy(leaf):
        raise ValueError(
            "It has a lazy layer whose width is not known, such as the parameter "
            "`encoder` of the estimator; pass a function that returns the encoder."
        )
    if isinstance(leaf, Tensor):
        kind = "parameter" if isinstance(leaf, nn.Parameter) else "tensor"
        values = leaf.detach().cpu().numpy()
        return _Part(kind, {"values": values, "requires_grad": leaf.requires_grad})
    if isinstance(leaf, torch.Generator):
        return _Part("generator", {"state": leaf.get_state().numpy()})
    if isinstance(leaf, pd.DataFrame):
        columns = [[name, str(c.dtype), c.to_numpy()] for name, c in leaf.items()]
        return _Part("table", {"columns": columns, "index": leaf.index.tolist()})
    return _Part(type(leaf).__name__, {"name": str(leaf)})


def _unpack(part):
    """Return the object that `_pack` was given; a net waits for its estimator."""
    content = part.content
    if part.kind == "net":
        return _Part("net", _replaced(content, (_Part,), _unpack))
    if part.kind in ("parameter", "tensor"):
        tensor = torch.from_numpy(content["values"]).clone()
        if part.kind == "parameter":
            return nn.Parameter(tensor, content["requires_grad"])
        return tensor.requires_grad_(content["requires_grad"])
    if part.kind == "generator":
        generator = torch.Generator()
        generator.set_state(torch.from_numpy(content["state"]))
        return generator
    if part.kind == "table":
        columns = {
            name: pd.Series(values, content["index"], dtype=dtype)
            for name, dtype, values in content["columns"]
        }
        return pd.DataFrame(columns, content["index"])
    if part.kind == "device":
        return torch.device(content["name"])
    dtypes = (value for value in vars(torch).values() if isinstance(value, torch.dtype))
    return {str(dtype): dtype for dtype in dtypes}[content["name"]]


def _reduce(part):
    """Leave out, in place, what a file does not need or skops has no form for."""
    if isinstance(part, nn.Module):
        for name, value in vars(nn.Module()).items():
            if value in ({}, set(), None) and vars(part).get(name) == value:
                del vars(part)[name]
    if isinstance(part, dict) and any(isinstance(k, bool | np.bool_) for k in part):
        pairs = list(part.items())  # skops reads False as True
        part.clear()
        part[PAIRS] = pairs
    if isinstance(part, BaseEstimator) and getattr(part, "memory", None) is not None:
        part.memory = None  # a folder of this machine
    # scikit-learn has no public way to read all requests, and no form for files.
    requests = getattr(part, "_metadata_request", None)
    if isinstance(requests, MetadataRequest):  # which has the estimator again
        part._metadata_request = {
            method: dict(of_method.requests)
            for method, of_method in vars(requests).items()
            if hasattr(of_method, "requests")
        }


def _patience_of(net):
    """Return the patience of early stopping, which is last; None if there is none."""
    if any(isinstance(callback, ValidationScores) for callback in net.callbacks):
        return net.callbacks[-1].patience
    return None


def _restore(part):
    """Make an object whole again, in place."""
    if isinstance(part, dict) and [*part] == [PAIRS]:
        part.update(part.pop(PAIRS))
    if not isinstance(part, BaseEstimator):
        return
    if getattr(part, "memory", None) is not None:
        part.memory = None  # a cache is a folder of pickles
    if hasattr(part, "_metadata_request"):
        requests = MetadataRequest(owner=part)
        for method, aliases in part._metadata_request.items():
            for name, alias in aliases.items():
                getattr(requests, method).add_request(param=name, alias=alias)
        part._metadata_request = requests
    if isinstance(part, (*NETWORKS, AudioEmbedding)):
        try:
            check_device(part.device)
        except ValueError as error:
            warn(f"The model is loaded to the CPU: {error}", stacklevel=4)
            part.device = "cpu"
    if isinstance(part, NETWORKS) and hasattr(part, "net_"):
        part.net_ = _restored_net(part, **part.net_.content)


def _restored_net(
    estimator, module, optimizer, order, noise, history, settings, patience
):
    """Return the net of a fitted estimator."""
    as_in_fit = copy.copy(estimator).set_params(
        **settings, early_stopping=patience is not None, n_iter_no_change=patience or 1
    )
    net = as_in_fit._build_net(module, 1, order, noise).initialize()
    net.history.extend(json.loads(history))
    for group, states in zip(net.optimizer_.param_groups, optimizer):
        for parameter, state in zip(group["params"], states):
            if state:
                state = {name: value.to(net.device) for name, value in state.items()}
                net.optimizer_.state[parameter] = state
    return net
