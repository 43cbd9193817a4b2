"""Fitted models in ONNX, which other programs and languages run.

PyTorch's exporter makes graphs of networks and of the speaker normalisation, skl2onnx
those of other steps of a pipeline. The graphs are joined to one.
"""

import copy
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import groupby, product

import numpy as np
import torch
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ._engine import default_torch
from ._validation._parameters import check_estimator
from ._validation._paths import check_path
from ._warnings import ignored
from .audio._extractor import Extractor
from .persistence import NETWORKS, describe, replace_file
from .speakers import SpeakerScaler
from .speakers._enrolment import steps_of

__all__ = ["to_onnx"]

OPSETS = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 8  # that of these operator sets
OURS = (*NETWORKS, SpeakerScaler)


def to_onnx(model: BaseEstimator, path: str | os.PathLike) -> None:
    """Write a fitted model to an ONNX file.

    The graph does all that the model does with features: standardisation, bounds,
    network and softmax. Its input `features` has shape (n, n_features). A classifier
    has the outputs `label`, of shape (n,), and `probabilities`, of shape
    (n, n_classes) in the order of `classes_`; a regressor has the output `ratings`,
    shaped as what its `predict` returns.

    Parameters
    ----------
    model : estimator or Pipeline
        A fitted classifier or regressor of advser, or a pipeline of transformers before
        any classifier or regressor that skl2onnx supports. A first step from recordings
        to features, such as :class:`~advser.EGeMAPS`, is left out: the input is what it
        returns.

    path : str or path-like
        The file. An existing one is replaced.

    Raises
    ------
    ImportError
        If onnx, onnxscript or skl2onnx is missing: the extra ``onnx``.

    ValueError
        If the model is no classifier or regressor, or a step has no form in ONNX, such
        as a :class:`~advser.SpeakerScaler` that adapts to speakers.

    NotFittedError
        If the model is not fitted.

    See Also
    --------
    save : A file from which Python reads the model itself.

    Notes
    -----
    The input has the type of the features in the fit of the network, and float64 if the
    model has no network.

    The metadata of the file has ``classes``, ``feature_names`` and ``feature_origin``
    as JSON, and the version of advser.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import advser
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> ser = advser.AdversarialSER(max_epochs=2, random_state=0)
    >>> ser = ser.fit(X, y, speakers=speakers)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     advser.to_onnx(ser, pathlib.Path(folder, "emodb.onnx"))
    """
    try:
        import onnx
        import onnx.compose
        import onnxruntime
        import onnxscript  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"`to_onnx` needs {error.name}; `pip install 'advser[onnx]'`."
        ) from error
    path = check_path(path, "path")
    check_estimator(model, "model")
    check_is_fitted(model)
    steps = steps_of(model)
    n_extractors = sum(isinstance(step, Extractor) for step in steps[:1])
    steps = steps[n_extractors:]
    if not steps or not (is_classifier(steps[-1]) or is_regressor(steps[-1])):
        raise ValueError(
            f"`model` is a {type(model).__name__} whose last step is no classifier or "
            "regressor; put one behind it."
        )
    is_network = isinstance(steps[-1], NETWORKS) and is_classifier(steps[-1])
    labels = _labels_of(steps[-1]) if is_network else None
    types = [step._dtype for step in steps if isinstance(step, NETWORKS)]
    dtype = np.dtype("f4" if n_extractors or np.dtype("f4") in types else "f8")
    graphs: list = []
    for is_ours, run in groupby(steps, lambda step: isinstance(step, OURS)):
        for part in [list(run)] if is_ours else run:
            graph = _of_ours(part, dtype, steps[-1]) if is_ours else _of(part, dtype)
            dtype = _type_of(graph.graph.output[0])
            graphs.append(onnx.compose.add_prefix(graph, f"{len(graphs)}/"))
    whole = reduce(_joined, graphs)
    _name_ends(whole.graph, steps, labels)
    described = describe(model)
    whole.metadata_props.add(key="advser", value=described["advser"])
    for name in ("classes", "feature_names", "feature_origin"):
        whole.metadata_props.add(key=name, value=json.dumps(described[name]))
    onnx.checker.check_model(whole)
    content = whole.SerializeToString()
    try:
        session = onnxruntime.InferenceSession(content)
        row = np.zeros((1, steps[0].n_features_in_), _type_of(whole.graph.input[0]))
        session.run(None, {whole.graph.input[0].name: row})
    except Exception as error:  # onnxruntime has no common type of its errors
        raise ValueError(
            "onnxruntime cannot run this model; fit it with features of float32, or "
            f"use other layers. {error}"
        ) from error
    replace_file(path, content)


class _Scale(nn.Module):
    """What a `SpeakerScaler` does to the rows of unknown speakers."""

    mean: Tensor
    scale: Tensor

    def __init__(self, scaler: SpeakerScaler):
        super().__init__()
        if scaler.unknown != "population":
            raise ValueError(
                f"`model` has SpeakerScaler(unknown={scaler.unknown!r}), and an ONNX "
                "graph has no memory of speakers. Set `unknown` to 'population' to "
                "scale all speakers alike, as the average one, or use Session."
            )
        _, average = scaler._look_up([None])
        mean, scale = scaler._shrink(average)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.clip = scaler.clip

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled rows: (n, d) to (n, d)."""
        scaled = (x.double() - self.mean) / self.scale
        if self.clip is not None:
            scaled = scaled.clamp(-self.clip, self.clip)
        return scaled.to(x.dtype)


class _Predict(nn.Module):
    """What a network predicts, or the embedding that it hands on."""

    def __init__(self, estimator, is_last):
        super().__init__()
        self.network = copy.deepcopy(estimator.net_.module_).cpu().eval()
        self.part = "forward" if is_last else estimator._representation
        self.dtype = torch.from_numpy(np.empty(0, estimator._dtype)).dtype
        self.is_classifier = is_last and is_classifier(estimator)

    def forward(self, x: Tensor):
        """Return the codes and probabilities of emotions, ratings, or an embedding."""
        output = getattr(self.network, self.part)(x.to(self.dtype))
        if self.is_classifier:
            return output.argmax(1), output.softmax(1)
        return output


def _of_ours(steps, dtype, last):
    """Return the graph of successive steps of advser."""
    modules = [
        _Scale(step)
        if isinstance(step, SpeakerScaler)
        else _Predict(step, is_last=step is last)
        for step in steps
    ]
    example = torch.from_numpy(np.zeros((2, steps[0].n_features_in_), dtype))
    try:
        with _quiet():
            # Exported here, because some versions of torch.onnx would otherwise trace
            # what cannot be exported, and keep one branch of an `if`.
            graph = torch.export.export(
                nn.Sequential(*modules).eval(),
                (example,),
                dynamic_shapes=({0: torch.export.Dim("n")},),
                strict=False,
            )
            program = torch.onnx.export(
                graph, dynamo=True, opset_version=OPSETS[""], verbose=False
            )
        (source,) = program.model_proto.graph.input
        if n_rows := source.type.tensor_type.shape.dim[0].dim_value:
            raise ValueError(f"The graph takes {n_rows} rows and no other number.")
    except Exception as error:  # whatever a user's encoder makes of the exporter
        raise ValueError(
            f"PyTorch cannot export {steps[-1]}; its encoder must be made of layers "
            f"that `torch.onnx.export` knows. {str(error).partition(chr(10))[0]}"
        ) from error
    return _of_one_version(program.model_proto)


def _of(step, dtype):
    """Return the graph of a step that is not of advser."""
    import onnxruntime
    import skl2onnx

    # Some classifiers have no such option, and onnxruntime runs some in float32 alone.
    choices = [{"zipmap": False}, None] if is_classifier(step) else [None]
    for options, kind in product(choices, (dtype, np.float32)):
        try:
            with _quiet():
                rows = np.zeros((1, step.n_features_in_), kind)
                graph = skl2onnx.to_onnx(
                    step, rows, target_opset=OPSETS, options=options
                )
                graph = _of_one_version(graph)
                onnxruntime.InferenceSession(graph.SerializeToString())
            return graph
        except Exception as raised:  # skl2onnx has no common type of its errors
            error = raised
    raise ValueError(
        f"`model` has the step {step}, which skl2onnx cannot export: {error}"
    ) from error


def _of_one_version(graph):
    """Return a graph that declares the operator sets that all parts declare."""
    from onnx import helper

    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(*item) for item in OPSETS.items())
    graph.ir_version = IR_VERSION
    return graph


def _type_of(value):
    """Return the dtype of an input or output."""
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def _joined(first, second):
    """Return the graph of two steps."""
    from onnx import compose, helper

    output, target = first.graph.output[0], second.graph.input[0]
    if _type_of(output) != _type_of(target):
        kind = target.type.tensor_type.elem_type
        cast = helper.make_node("Cast", [output.name], [f"{output.name}/cast"], to=kind)
        first.graph.node.append(cast)
        output.name, output.type.tensor_type.elem_type = cast.output[0], kind
    return compose.merge_models(first, second, io_map=[(output.name, target.name)])


def _labels_of(network):
    """Return the labels that the codes of a network stand for."""
    labels = np.array(network.classes_.tolist())  # objects become what they are
    if labels.dtype.kind not in "iuU":
        raise ValueError(
            f"`model` has the classes {labels.tolist()}, and the labels of an ONNX "
            "graph are strings or integers; fit it with such a `y`."
        )
    return labels.astype(object if labels.dtype.kind == "U" else np.int64)


def _name_ends(graph, steps, labels):
    """Name the input and the outputs, and turn codes into labels if there are any."""
    from onnx import helper, numpy_helper

    last = steps[-1]
    (source,) = graph.input
    output, *scores = (
        (value.name, value.type.tensor_type.elem_type) for value in graph.output
    )
    del graph.output[:]

    def add_output(name, kind, shape, operator, *inputs):
        graph.node.append(helper.make_node(operator, inputs, [name]))
        graph.output.append(helper.make_tensor_value_info(name, kind, ["n", *shape]))

    graph.node.insert(0, helper.make_node("Identity", ["features"], [source.name]))
    source.name = "features"
    if is_regressor(last):
        with ignored():  # of rows without names
            shape = last.predict(np.zeros((1, last.n_features_in_))).shape[1:]
        target = np.array([-1, *shape], np.int64)
        graph.initializer.append(numpy_helper.from_array(target, "shape"))
        add_output("ratings", output[1], shape, "Reshape", output[0], "shape")
        return
    if labels is None:
        add_output("label", output[1], [], "Identity", output[0])
    else:
        graph.initializer.append(numpy_helper.from_array(labels, "labels"))
        kind = helper.np_dtype_to_tensor_dtype(labels.dtype)
        add_output("label", kind, [], "Gather", "labels", output[0])
    if hasattr(last, "predict_proba"):  # scikit-learn's others have scores here
        ((name, kind),) = scores
        add_output("probabilities", kind, [len(last.classes_)], "Identity", name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Export by torch's defaults, without warnings, as of optional packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with default_torch(), ignored():
            yield
    finally:
        logger.setLevel(level)
