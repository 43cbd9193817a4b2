"""Tensors, layers and gradients to check losses by hand, in float64."""

import torch
from torch import nn


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def linear_of(weight):
    """Return a linear layer with a given weight, (n_out, n_in), and no bias."""
    weight = tensor(weight)
    layer = nn.Linear(*weight.T.shape, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def identity(n):
    """Return a linear layer that changes nothing."""
    return linear_of(torch.eye(n).tolist())


def gradients(losses, parameters):
    """Return the gradients of the sum of losses, 0 where there is none."""
    return torch.autograd.grad(
        sum(losses).sum(),
        list(parameters),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )


def numeric_gradients(function, parameters, step=1e-6):
    """Return the central finite differences of a function of no arguments."""
    found = []
    with torch.no_grad():
        for parameter in parameters:
            gradient = torch.zeros_like(parameter)
            flat, out = parameter.view(-1), gradient.view(-1)
            for i in range(len(flat)):
                start = flat[i].item()
                flat[i] = start + step
                above = function().item()
                flat[i] = start - step
                out[i] = (above - function().item()) / (2 * step)
                flat[i] = start
            found.append(gradient)
    return found


def assert_gradients(function, parameters, *, rtol=1e-5, atol=1e-8):
    """Check autograd by finite differences; return the gradients."""
    found = gradients([function()], parameters)
    for ours, numeric in zip(
        found, numeric_gradients(function, parameters), strict=True
    ):
        torch.testing.assert_close(ours, numeric, rtol=rtol, atol=atol)
    return found
