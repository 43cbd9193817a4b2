"""What is recorded on the first batch is repeated to the same numbers on others."""

import threading

import torch
from torch import nn
from torch.func import functional_call, vmap

from advser._engine._recording import record


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
        assert len(gradients) == 4
        torch.testing.assert_close((losses, gradients), slopes(*arguments(seed)))
    assert not torch.equal(repeated(*arguments(0))[0], losses)


def test_takes_and_leaves_views_of_another_shape():
    def turned(x):
        table = x.view(1, 3, 2).transpose(0, 1).transpose(1, 2)
        return x.view(3, 2).expand(4, 3, 2).sum(0), x.view(6), table + 0

    repeated = record(turned, torch.zeros(6))
    x = torch.arange(6.0)
    summed, same, table = repeated(x)
    assert torch.equal(table, turned(x)[2])
    assert torch.equal(summed, 4 * x.view(3, 2))
    assert torch.equal(same, x)


def large_tables():
    """Return three, in float64, since what is deep would make much of a rounding."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 300, 300, generator=generator, dtype=torch.float64)


def large_and_deep(x, w):
    """Return what takes much memory, of which little is needed for long."""
    h = x @ w
    early = (h + 1).mT
    for _ in range(4):
        left, right = (h.mT @ h @ w).split(150, dim=1)
        between = (h @ w).tanh()
        turned = torch.cat([left.sigmoid(), right.tanh()], dim=1).mT
        h = turned.contiguous().view(300, 300).relu() / 300 + between
    flat = (h - 1).view(-1)
    return h, flat[100:200], {"early": early}, h.sum()


def test_results_that_share_memory_do_not_disturb_each_other():
    x, y, w = large_tables()
    repeated = record(large_and_deep, x, w)
    for rows in (x, y, x):
        torch.testing.assert_close(repeated(rows, w), large_and_deep(rows, w))


def test_the_next_call_overwrites_what_is_returned_but_no_other_recording_does():
    x, y, w = large_tables()
    one, other = (record(large_and_deep, x, w, key="large") for _ in range(2))
    expected = large_and_deep(x, w)
    of_x = one(x, w)
    other(y, w)
    torch.testing.assert_close(of_x, expected)
    of_y = one(y, w)
    assert of_x[0].data_ptr() == of_y[0].data_ptr()
    torch.testing.assert_close(of_x[0], large_and_deep(y, w)[0])


def test_few_columns_make_the_same_numbers():
    def slope(x, w, emotion):
        w = w.detach().requires_grad_()
        logits = vmap(torch.mm)(x, w)
        log_p = logits.log_softmax(-1)
        picked = log_p.gather(2, emotion[..., None])
        loss = (logits.softmax(2) * log_p).sum() - picked.sum()
        return loss, torch.autograd.grad(loss, w)

    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn(5, 30, 20), torch.randn(5, 20, 4)
    emotion = torch.randint(4, (5, 30), generator=generator)
    repeated = record(slope, x, w, emotion)
    torch.testing.assert_close(repeated(x, w, emotion), slope(x, w, emotion))
    w = -w
    torch.testing.assert_close(repeated(x, w, emotion), slope(x, w, emotion))


def test_a_view_of_few_columns_is_recorded_as_it_is():
    def flat(x, w):
        return torch.bmm(x, w).view(-1).log_softmax(0), x.sum().softmax(0)

    x, w = torch.randn(5, 30, 20), torch.randn(5, 20, 4)
    torch.testing.assert_close(record(flat, x, w)(x, w), flat(x, w))


def test_random_numbers_without_a_use_ask_for_no_memory():
    def drawn(x):
        torch.bernoulli(x.sigmoid())
        return x * 2

    x = torch.randn(300, 300)
    torch.testing.assert_close(record(drawn, x)(x), 2 * x)


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


def test_a_key_stands_for_what_was_recorded_of_arguments_that_look_alike():
    n_calls = 0

    def doubled(x):
        nonlocal n_calls
        n_calls += 1
        return 2 * x

    for n_rows in (3, 3, 4, 3):
        repeated = record(doubled, torch.zeros(n_rows), key="doubled")
        assert torch.equal(repeated(torch.ones(n_rows)), torch.full((n_rows,), 2.0))
    assert n_calls == 2  # of three rows and of four
    record(doubled, torch.zeros(3), key="another")
    record(doubled, torch.zeros(3))
    assert n_calls == 4


def test_what_the_caller_does_to_an_answer_does_not_change_the_next():
    repeated = record(
        lambda x: (torch.zeros_like(x), torch.zeros_like(x)), torch.ones(2)
    )
    first, second = repeated(torch.ones(2))
    first += 1
    assert torch.equal(second, torch.zeros(2))
    assert torch.equal(repeated(torch.ones(2))[0], torch.zeros(2))


def test_random_numbers_are_drawn_anew_and_apart():
    def noisy(x):
        return x + torch.rand_like(x), x + torch.rand_like(x), x + torch.rand(3)

    repeated = record(noisy, torch.zeros(3))
    draws = torch.stack([*repeated(torch.zeros(3)), *repeated(torch.zeros(3))])
    assert len(draws.unique()) == draws.numel()


def test_operations_in_place_stay_what_they_were():
    def filled(x):
        like = torch.empty_like(x).fill_(3.0)
        other = torch.empty_like(x).fill_(3.0)
        other.add_(x)
        return like * other, x.mT.mT.mul(1).div(2)

    repeated = record(filled, torch.zeros(2, 3))
    x = torch.arange(6.0).view(2, 3)
    for _ in range(2):
        for answer, expected in zip(repeated(x), filled(x)):
            assert torch.equal(answer, expected)
    assert torch.equal(x, torch.arange(6.0).view(2, 3))


def test_what_is_returned_belongs_to_the_caller_behind_views_too():
    def views(x):
        zeros = torch.zeros_like(x)
        return zeros.view(3, 2), (x + 1).view(6), (x + 1).view(2, 3), x * 1

    repeated = record(views, torch.zeros(6))
    x = torch.arange(6.0)
    for _ in range(2):
        zeros, flat, table, same = repeated(x)
        for answer in (zeros, flat, same):
            answer += 1
        assert torch.equal(zeros, torch.ones(3, 2))
        assert torch.equal(table, x.view(2, 3) + 1)
        assert torch.equal(x, torch.arange(6.0))


def test_a_factor_that_is_the_same_every_time():
    def slope(x, w):
        w = w.detach().requires_grad_()
        return torch.autograd.grad((x @ w).sum(), w)

    x, w = torch.ones(64, 32), torch.ones(32, 64)
    repeated = record(slope, x, w)
    torch.testing.assert_close(repeated(2 * x, w), slope(2 * x, w))
