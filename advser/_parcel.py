"""Small networks between processes: their tensors travel as arrays.

torch pickles each tensor as a file of its own, and skorch each net as several of them.
In a search over networks that train in a second, most of the time would go there.
"""

import copyreg
import io
import pickle

import cloudpickle
import torch
from skorch import NeuralNet

__all__ = ["Parcel"]


class Parcel:
    """What is pickled with its tensors as arrays.

    Parameters
    ----------
    content : object
        Nets, rows and whatever else cloudpickle can pickle, such as classes of the
        script that runs. Tensors that share memory come out apart; the same tensor
        comes out as one.

    Examples
    --------
    >>> import pickle, torch
    >>> pickle.loads(pickle.dumps(Parcel([torch.ones(2)]))).content
    [tensor([1., 1.])]
    """

    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        packed = io.BytesIO()
        _Packer(packed, pickle.HIGHEST_PROTOCOL).dump(self.content)
        return _unpack, (packed.getvalue(),)


def _unpack(packed):
    return Parcel(pickle.loads(packed))


class _Packer(cloudpickle.Pickler):
    def reducer_override(self, obj):
        if type(obj) is torch.Tensor and _is_like_an_array(obj):
            return torch.from_numpy, (obj.numpy(),)
        if isinstance(obj, NeuralNet):  # its own way out holds files of tensors
            made = copyreg.__newobj__, (type(obj),)
            return *made, obj.__dict__, None, None, _set_state
        return super().reducer_override(obj)


def _is_like_an_array(tensor):
    is_plain = tensor.is_cpu and not tensor.requires_grad
    return is_plain and tensor.dtype != torch.bfloat16  # which numpy has not


def _set_state(net, state):
    net.__dict__.update(state)
