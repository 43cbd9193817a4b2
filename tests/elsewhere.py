"""A second device, for machines that have none: what lies there cannot meet the CPU.

Its tensors compute on the CPU, so that results can be compared bit for bit, but call
another device theirs. An operation on tensors of both devices is an error, as it is
with a graphics card; only scalars of the CPU may take part.

Once set up, a device stays for as long as the process does.
"""

import torch
from torch.utils import backend_registration
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = "elsewhere"
COPIES = {"aten::_to_copy", "aten::copy_", "aten::to"}
# What torch asks of a device; it does not keep them alive itself.
PARTS = {
    "hook": backend_registration._DummyPrivateUse1Hook(),
    "device_guard": backend_registration._DummyDeviceGuard(),
    "backend_module": backend_registration._DummyBackendModule(),
}


class Elsewhere(torch.Tensor):
    """A tensor on the device, on the memory of one `here`."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here):
        """Return the tensor."""
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(DEVICE, 0),
        )
        tensor.here = here
        return tensor

    @property
    def data(self):
        """The values, without a graph."""
        return Elsewhere(self.here.detach())

    @data.setter
    def data(self, other):
        torch.Tensor.data.__set__(self, other)
        self.here = other.here

    def __deepcopy__(self, memo):
        return Elsewhere(self.here.clone()).requires_grad_(self.requires_grad)

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return run(operation, args, kwargs or {})


class Visits(TorchDispatchMode):
    """Let operations of this thread make tensors there, and bring them there."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return run(operation, args, kwargs or {})


def set_up():
    """Make torch know the device."""
    backend_registration._setup_privateuseone_for_python_backend(DEVICE, **PARTS)


def run(operation, args, kwargs):
    """Run an operation where its tensors are."""
    tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
    theirs = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    ours = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere)]
    name = operation._schema.name
    if theirs and name not in COPIES and any(tensor.ndim for tensor in ours):
        raise RuntimeError(f"{name} of tensors on the CPU and elsewhere")
    goes_there = isinstance(args[0], Elsewhere) if name == "aten::copy_" else theirs
    if kwargs.get("device") is not None:
        goes_there = torch.device(kwargs["device"]).type == DEVICE
        kwargs = {**kwargs, "device": "cpu"}
    inner_args, inner_kwargs = tree_map_only(
        Elsewhere, lambda tensor: tensor.here, (args, kwargs)
    )
    result = operation(*inner_args, **inner_kwargs)
    if theirs and torch.Tag.inplace_view in operation.tags:
        _reshape(operation, args, kwargs)
        return args[0]
    if not goes_there:
        return result
    known = {id(tensor.here): tensor for tensor in theirs}  # of operations in place
    return tree_map_only(
        torch.Tensor, lambda tensor: known.get(id(tensor), Elsewhere(tensor)), result
    )


def _reshape(operation, args, kwargs):
    """Give the tensor itself the shape that `here` has got by the operation."""
    before = torch._C._meta_in_tls_dispatch_include()
    with no_dispatch():
        torch._C._set_meta_in_tls_dispatch_include(True)
        try:
            operation(*args, **kwargs)
        finally:
            torch._C._set_meta_in_tls_dispatch_include(before)
