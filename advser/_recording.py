"""The operations of a function, written down once and then repeated.

On networks as small as these, `torch.func.vmap` and autograd take about as long to
find out what is to be done as it takes to do it. Over a training the answer is always
the same, so it is asked for once.
"""

import threading

import torch

__all__ = ["record"]

# While it writes down, torch.fx wraps the calls of all modules.
_one_at_a_time = threading.Lock()


def record(function, *args):
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

    Returns
    -------
    repeated : callable
        Takes and returns what `function` does, to the very same numbers.

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
    from torch.fx.experimental.proxy_tensor import make_fx  # takes a second

    def function_of_tensors(*tensors):
        tensors = iter(tensors)
        return function(
            *[
                dict(zip(arg, tensors)) if isinstance(arg, dict) else next(tensors)
                for arg in args
            ]
        )

    with _one_at_a_time, torch.enable_grad():
        recording = make_fx(function_of_tensors)(*_tensors(args))
    _drop_idle_operations(recording.graph)
    recording.recompile()
    return lambda *args: recording.forward(*_tensors(args))


def _tensors(args):
    """Return the tensors of arguments, in order."""
    tensors = []
    for arg in args:
        tensors.extend(arg.values() if isinstance(arg, dict) else [arg])
    return tensors


def _drop_idle_operations(graph):
    """Drop the operations of a graph that return what they are given."""
    aten = torch.ops.aten
    for node in graph.find_nodes(op="call_function", target=aten.detach.default):
        _drop(node)
    for target in (aten.view, aten._unsafe_view, aten.expand):
        for node in graph.find_nodes(op="call_function", target=target.default):
            if node.args[0].meta["val"].shape == node.meta["val"].shape:
                _drop(node)
    graph.eliminate_dead_code()


def _drop(node):
    node.replace_all_uses_with(node.args[0])
    node.graph.erase_node(node)
