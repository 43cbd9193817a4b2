"""Small operations use one thread of torch; afterwards the number is as before."""

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from advser import AdversarialSER
from advser._threads import limited_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("n_multiplications", "expected"), [(1000, 1), (10**9, 2)])
def test_limit_is_for_small_operations(n_multiplications, expected):
    with limited_threads(n_multiplications):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_limit_holds_until_the_outer_one_ends():
    with limited_threads(1):
        with limited_threads(1):
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_limit_is_lifted_after_an_error():
    with pytest.raises(ZeroDivisionError), limited_threads(1):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_limit_is_lifted_for_python_threads_that_overlap(first_out):
    inside = threading.Barrier(2)
    may_leave = [threading.Event(), threading.Event()]
    found = {}

    def work(number):
        torch.get_num_threads()  # like a thread that has used torch before
        inside.wait()
        with limited_threads(1):
            inside.wait()
            may_leave[number].wait()
        found[number] = torch.get_num_threads()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for number in (first_out, 1 - first_out):
        may_leave[number].set()
        threads[number].join()
    assert found == {0: 2, 1: 2}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_eight_threads_that_predict_have_their_number_of_threads_back(toy):
    model = AdversarialSER(None, max_epochs=1, random_state=0).fit(toy.X, toy.y)
    start = threading.Barrier(8)
    found = []

    def predict():
        start.wait()
        for _ in range(20):
            model.predict(toy.X)
        found.append(torch.get_num_threads())

    threads = [threading.Thread(target=predict) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 8
    assert torch.get_num_threads() == 2


class Threads(Callback):
    """Store the number of torch's threads during training."""

    seen = None

    def on_epoch_end(self, net, **kwargs):
        """Store the number."""
        type(self).seen = torch.get_num_threads()


def test_fits_in_threads_are_those_of_one_after_another(toy):
    def fit(_):
        ser = AdversarialSER(encoder=encoder, max_epochs=3, random_state=0)
        return ser.fit(toy.X, toy.y, speakers=toy.speakers).transform(toy.X)

    def encoder(n_features):
        layers = nn.Linear(n_features, 8), nn.Dropout(0.3), nn.ReLU()
        return nn.Sequential(*layers)

    alone = fit(0)
    torch.set_default_dtype(torch.float64)
    try:
        before = torch.get_rng_state()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(fit, range(8)))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert all((codes == alone).all() for codes in found)


@pytest.mark.usefixtures("two_threads")
def test_fit_of_small_batches_uses_one_thread(toy):
    AdversarialSER(max_epochs=1, callbacks=[Threads()]).fit(
        toy.X, toy.y, speakers=toy.speakers
    )
    assert Threads.seen == 1
    assert torch.get_num_threads() == 2


def test_python_threads_restore_the_threads_of_blas():
    code = textwrap.dedent("""
        from threading import Event, Thread
        import numpy
        from threadpoolctl import threadpool_info
        from advser._threads import one_thread

        def n_threads():
            found = [one for one in threadpool_info() if one["user_api"] == "blas"]
            return {library["num_threads"] for library in found}

        def limited(entered, may_leave):
            with one_thread():
                inside.append(n_threads())
                entered.set()
                may_leave.wait()

        inside, events = [], [(Event(), Event()) for _ in range(2)]
        threads = [Thread(target=limited, args=pair) for pair in events]
        for thread, (entered, _) in zip(threads, events):
            thread.start()
            entered.wait()
        for thread, (_, may_leave) in zip(threads, events):  # the first leaves first
            may_leave.set()
            thread.join()
        print(inside, n_threads())
    """)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[{1}, {1}] {2}\n"
