"""The operations of a function, written down once and then repeated.

On networks as small as these, `torch.func.vmap` and autograd take about as long to
find out what is to be done as it takes to do it. Over a training, and over all
trainings of networks that are built alike, the answer is the same, so it is asked for
once. What is written down is simplified, too: half of the operations of a small
network reshape, multiply by one or fill a tensor with zeros.
"""

import operator
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch.fx.node import map_arg

from ._products import by_onednn, is_exact_by_onednn

__all__ = ["record"]

aten = torch.ops.aten
IDLE_IF_ALIKE = {  # if what they return looks like what they are given
    aten.detach.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.expand.default,
}
IDLE_IF_ONE = {  # if that is their other argument
    aten.mul.Scalar,
    aten.mul.Tensor,
    aten.div.Scalar,
    aten.div.Tensor,
}
SHAPED_LIKE = {  # they ask their first argument for nothing but its looks
    aten.empty_like.default,
    aten.full_like.default,
    aten.new_empty.default,
    aten.new_full.default,
    aten.new_ones.default,
    aten.new_zeros.default,
    aten.ones_like.default,
    aten.zeros_like.default,
}
PRODUCTS = {  # of their last two arguments
    aten.addmm.default,
    aten.baddbmm.default,
    aten.bmm.default,
    aten.dot.default,
    aten.mm.default,
    aten.mv.default,
}
MAX_KEPT = 32  # recordings of the past
LARGE = 1 << 16  # bytes of a result for which memory is set aside
NARROW = 16  # columns that a product or a softmax takes longer over than it must

_kept = OrderedDict()
# While it writes down, torch.fx wraps the calls of all modules.
_one_at_a_time = threading.Lock()


def record(function, *args, key=None):
    """Return a function that repeats what `function` does to tensors.

    Parameters
    ----------
    function : callable
        Takes tensors and dicts of tensors, and returns tensors in tuples, lists or
        dicts; may use vmap and autograd. What it decides by anything but the values of
        the tensors is decided here once and for all; by their values it must decide
        nothing.

    *args : Tensor or dict of Tensor
        Arguments like all to come: of their shapes, strides and types.

    key : hashable or None, default=None
        Functions of equal keys do the same to arguments that are alike, so that a
        recording of the past will do. None always writes down anew.

    Returns
    -------
    repeated : callable
        Takes and returns what `function` does, to the same numbers but for rounding.
        What it returns is overwritten when it is called again.

    Examples
    --------
    >>> import torch
    >>> def slope(x):
    ...     x = x.detach().requires_grad_()
    ...     return torch.autograd.grad(x.square().sum(), x)
    >>> repeated = record(slope, torch.zeros(2))
    >>> repeated(torch.tensor([1.0, 3.0]))
    (tensor([2., 6.]),)
    """
    if key is None:
        with _one_at_a_time:
            return _record(function, args).repeated()
    key = key, tuple(_looks_of(arg) for arg in args)
    with _one_at_a_time:
        if key not in _kept:
            _kept[key] = _record(function, args)
        _kept.move_to_end(key)
        if len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)
        return _kept[key].repeated()


class _Place(NamedTuple):
    """Memory for a result: in which block it lies, and what the result looks like."""

    block: int
    n_bytes: int
    shape: tuple
    stride: tuple
    dtype: torch.dtype
    device: torch.device


class _Recording(NamedTuple):
    """Operations, what they know from the start, and the places that they write to."""

    operations: Callable
    known: dict
    places: dict
    multiplies: Callable  # the context in which to multiply matrices

    def repeated(self):
        """Return a function that does the operations in memory of its own."""
        known = SimpleNamespace(**self.known, **_memory_for(self.places))

        def repeat(*args):
            with self.multiplies():
                return self.operations(known, *_tensors(args))

        return repeat


def _record(function, args):
    from torch.fx.experimental.proxy_tensor import make_fx  # takes a second

    def function_of_tensors(*tensors):
        tensors = iter(tensors)
        return function(
            *[
                dict(zip(arg, tensors)) if isinstance(arg, dict) else next(tensors)
                for arg in args
            ]
        )

    tensors = _tensors(args)
    with torch.enable_grad():
        try:
            recording = make_fx(function_of_tensors, DECOMPOSITIONS)(*tensors)
        except RuntimeError:  # where a view asks for rows that lie side by side
            recording = make_fx(function_of_tensors)(*tensors)
    with torch.no_grad():  # once more, for operations that change no tensor in place
        recording = make_fx(torch.func.functionalize(recording))(*tensors)
    _drop_idle_operations(recording.graph)
    _keep_constants(recording)
    _merge_equals(recording.graph)
    # The graph that it was made from is a hundred times as large.
    known = {
        node.target: getattr(recording, node.target)
        for node in recording.graph.find_nodes(op="get_attr")
    }
    multiplies = by_onednn if _may_use_onednn(recording.graph) else nullcontext
    places = _set_memory_aside(recording.graph)
    known.update(_hold_operations(recording.graph))
    recording.recompile()
    return _Recording(type(recording).forward, known, places, multiplies)


def _transposed_product(a, b):
    """Return `a @ b` with few columns by way of its transpose: many, of few rows."""
    if b.shape[2] >= NARROW or b.shape[2] >= a.shape[1]:
        return NotImplemented
    return torch.bmm(b.mT, a.mT).mT


def _transposed_softmax(operation):
    """Return a softmax, or its gradient, that goes over few columns as over rows."""

    def transposed(*args):
        *tensors, dim, extra = args
        n_dims = tensors[0].dim()
        if n_dims < 2 or dim not in (-1, n_dims - 1) or tensors[0].shape[-1] >= NARROW:
            return NotImplemented
        return operation(*(values.mT for values in tensors), -2, extra).mT

    return transposed


DECOMPOSITIONS = {
    aten.relu.default: lambda x: aten.clamp_min.default(x, 0),  # can write to memory
    aten.bmm.default: _transposed_product,
    **{
        operation: _transposed_softmax(operation)
        for operation in (
            aten._log_softmax.default,
            aten._log_softmax_backward_data.default,
            aten._softmax.default,
            aten._softmax_backward_data.default,
        )
    },
}


def _tensors(args):
    """Return the tensors of arguments, in order."""
    tensors = []
    for arg in args:
        tensors.extend(arg.values() if isinstance(arg, dict) else [arg])
    return tensors


def _looks_of(arg):
    """Return what a recording depends on in an argument: all but the values."""
    if isinstance(arg, dict):
        return tuple((name, _looks_of(tensor)) for name, tensor in arg.items())
    return arg.shape, arg.stride(), arg.dtype, arg.device


def _drop_idle_operations(graph):
    """Drop the operations that return what they are given, and those without a use."""
    for node in _inner_operations(graph):
        source, *settings = node.args or [None]
        if node.target in IDLE_IF_ALIKE:
            is_idle = _value(source).shape == _value(node).shape
        elif node.target in IDLE_IF_ONE:
            is_idle = settings == [1] and _value(source).dtype == _value(node).dtype
        elif node.target is aten.transpose.int and source.target is node.target:
            is_idle = source.args[1:] == node.args[1:]
            source = source.args[0]
        else:
            is_idle = False
        if is_idle:
            node.replace_all_uses_with(source)
    graph.eliminate_dead_code()


def _keep_constants(recording):
    """Do what does not depend on the arguments once and for all."""
    constants = {}
    for node in _inner_operations(recording.graph):
        args = node.args
        model = args[0] if node.target in SHAPED_LIKE else None
        sources = (source for source in node.all_input_nodes if source is not model)
        if any(source not in constants for source in sources):
            continue
        if model is not None:
            args = (_empty_like(_value(model)), *args[1:])
        args, kwargs = map_arg((args, node.kwargs), constants.__getitem__)
        constants[node] = node.target(*args, **kwargs)
    for node, value in constants.items():
        if isinstance(value, torch.Tensor) and not constants.keys() >= set(node.users):
            setattr(recording, f"_{node.name}", value)
            with recording.graph.inserting_before(node):
                kept = recording.graph.create_node("get_attr", f"_{node.name}")
            kept.meta = dict(node.meta)
            node.replace_all_uses_with(kept)
    recording.graph.eliminate_dead_code()


def _merge_equals(graph):
    """Do only once what is done twice to the same."""
    first = {}
    for node in _inner_operations(graph):
        done = repr((node.target, node.args, node.kwargs))
        node.replace_all_uses_with(first.setdefault(done, node))
    graph.eliminate_dead_code()


def _may_use_onednn(graph):
    """Whether there are products, all of which may be left to oneDNN."""
    products = [
        [_value(factor) for factor in node.args[-2:]]
        for node in graph.nodes
        if node.target in PRODUCTS
    ]
    return bool(products) and all(is_exact_by_onednn(a, b) for a, b in products)


def _set_memory_aside(graph):
    """Change operations such that they write large results to places set aside.

    A result lies where another one has lain that nobody needs any more.

    Returns
    -------
    places : dict of _Place
        By the names under which the operations know them.
    """
    nodes = list(graph.nodes)
    owner, last_use = {}, {}  # of the memory that a node shows
    for i, node in enumerate(nodes):
        owner[node] = owner[node.args[0]] if _is_view(node) else node
        for source in node.all_input_nodes:
            last_use[owner[source]] = i
    places, sizes, free, leaving = {}, [], [], {}
    for i, node in enumerate(nodes):
        size = _n_bytes(node)
        if size >= LARGE and _write_to(node, name := f"_place_{i}"):
            fitting = [block for block in free if sizes[block] >= size]
            block = min(fitting, key=sizes.__getitem__, default=len(sizes))
            if fitting:
                free.remove(block)
            else:
                sizes.append(size)
            places[name] = _Place(block, size, *_looks_of(_value(node)))
            last = last_use.get(node, i)
            if last < len(nodes) - 1:  # what is returned is used by the last node
                leaving.setdefault(last, []).append(block)
        free.extend(leaving.pop(i, []))
    return places


def _hold_operations(graph):
    """Call the operations by names of our own: torch.ops looks them up at every call.

    Returns
    -------
    operations : dict of callable
    """
    operations = {}
    for node in graph.nodes:
        if node.op == "call_function":
            name = f"_do_{node.name}"
            operations[name] = node.target
            node.op, node.target = "call_module", name
    return operations


def _n_bytes(node):
    """Return how much memory a node asks for: a tensor that is no view of another."""
    value = node.meta.get("val")
    is_new = node.op == "call_function" and not _is_view(node)
    if not is_new or not isinstance(value, torch.Tensor) or not value.numel():
        return 0
    steps = (step * (n - 1) for n, step in zip(value.shape, value.stride()))
    return (1 + sum(steps)) * value.element_size()


def _write_to(node, place):
    """Let a node write its result to a place; return whether it can."""
    writes = _writer_of(node.target)
    if writes is None:
        return False
    with node.graph.inserting_before(node):
        where = node.graph.create_node("get_attr", place)
    node.target, out = writes
    if node.target is aten.copy_.default:
        node.args, node.kwargs = (where, node.args[0]), {}
    else:
        node.kwargs = {**node.kwargs, out: where}
    return True


def _writer_of(operation):
    """Return what does the same but writes to memory, and the argument that names it.

    None if there is no such operation.
    """
    if operation is aten.clone.default:
        return aten.copy_.default, None
    wanted = [(of.name, of.type) for of in operation._schema.arguments]
    for overload in operation.overloadpacket.overloads():
        writer = getattr(operation.overloadpacket, overload)
        arguments = writer._schema.arguments
        outs = [of.name for of in arguments if of.is_out]
        given = [(of.name, of.type) for of in arguments if not of.is_out]
        is_slow = torch.Tag.generated in writer.tags  # writes elsewhere, and copies
        if len(outs) == 1 and given == wanted and not is_slow:
            return writer, outs[0]
    return None


def _memory_for(places):
    """Return tensors to write results to, by the names of the places."""
    largest = {}
    for place in places.values():
        if place.n_bytes >= largest.setdefault(place.block, place).n_bytes:
            largest[place.block] = place
    blocks = {
        block: torch.empty(place.n_bytes, dtype=torch.uint8, device=place.device)
        for block, place in largest.items()
    }
    return {
        name: blocks[place.block][: place.n_bytes]
        .view(place.dtype)
        .as_strided(place.shape, place.stride)
        for name, place in places.items()
    }


def _inner_operations(graph):
    """Return the operations, in order, that may be done once or not at all.

    Not those that draw random numbers, nor those whose memory is returned: it belongs
    to the caller, who may change it.
    """
    returned = set()
    pending = graph.output_node().all_input_nodes
    while pending:
        returned.update(pending)
        pending = [node.args[0] for node in pending if _is_view(node)]
    return [
        node
        for node in graph.nodes
        if node.op == "call_function"
        and node not in returned
        and torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ())
    ]


def _is_view(node):
    """Whether a node shows the memory of its first argument, or one of several."""
    if node.target in (operator.getitem, aten._unsafe_view.default):
        return True
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(of.alias_info for of in schema.returns)


def _empty_like(value):
    """Return a tensor that looks like the stand-in of one."""
    return torch.empty_strided(
        value.shape, value.stride(), dtype=value.dtype, device=value.device
    )


def _value(node):
    """Return a stand-in for what a node returns, which has no values."""
    return node.meta["val"]
