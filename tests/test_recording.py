"""What is recorded on the first batch is repeated to the same numbers on others."""

import threading

import torch
from torch import nn
from torch.func import functional_call, vmap

from advser._recording import record


def make_slopes():
    """Return a function that uses vmap, autograd and a module, and its arguments."""
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))

    def slopes(parameters, rows, scale):
        parameters = {
            name: p.detach().requires_grad_() for name, p in parameters.items()
        }

        def loss(parameters, x, scale):
            return scale * functional_call(module, parameters, x["x"]).square().mean()

        losses = vmap(loss)(parameters, rows, scale)
        return losses, torch.autograd.grad(losses.sum(), list(parameters.values()))

    def arguments(seed):
        generator = torch.Generator().manual_seed(seed)
        parameters = {
            name: torch.randn(2, *p.shape, generator=generator)
            for name, p in module.named_parameters()
        }
        rows = {"x": torch.randn(2, 5, 3, generator=generator)}
        return parameters, rows, torch.rand(2, generator=generator)

    return slopes, arguments


def test_repeats_to_the_same_numbers_on_other_tensors():
    slopes, arguments = make_slopes()
    repeated = record(slopes, *arguments(0))
    for seed in (0, 1):
        losses, gradients = repeated(*arguments(seed))
        expected_losses, expected_gradients = slopes(*arguments(seed))
        assert torch.equal(losses, expected_losses)
        assert len(gradients) == 4
        for gradient, expected in zip(gradients, expected_gradients):
            assert torch.equal(gradient, expected)
    assert not torch.equal(repeated(*arguments(0))[0], losses)


def test_takes_and_leaves_views_of_another_shape():
    def turned(x):
        return x.view(3, 2).expand(4, 3, 2).sum(0), x.view(6)

    repeated = record(turned, torch.zeros(6))
    x = torch.arange(6.0)
    summed, same = repeated(x)
    assert torch.equal(summed, 4 * x.view(3, 2))
    assert torch.equal(same, x)


def test_two_threads_leave_the_calls_of_modules_as_they_were():
    before = nn.Module.__call__, nn.Module.__getattr__
    slopes, arguments = make_slopes()
    threads = [
        threading.Thread(target=record, args=(slopes, *arguments(seed)))
        for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (nn.Module.__call__, nn.Module.__getattr__) == before
