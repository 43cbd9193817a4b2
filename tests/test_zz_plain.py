"""Searches and extraction on dask workers, whole and dying ones."""

import os
import signal
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from speech import write_corpus

from advser import AdversarialSER, EGeMAPS

pytest.importorskip("distributed")
from distributed import Client, LocalCluster
from toolz import identity


class DurableClient(Client):
    """A client whose scattered data outlive the workers that hold them.

    They are scattered as results of tasks: the scheduler keeps what goes into a task,
    and has it run again if its result is lost.
    """

    def scatter(self, data, *, asynchronous=None, **settings):
        """Return a future of the data, or a list of futures of a list."""

        async def submit():
            if isinstance(data, list):
                return [self.submit(identity, item, pure=False) for item in data]
            return self.submit(identity, data, pure=False)

        return self.sync(submit, asynchronous=asynchronous)


class Fuse:
    """Kills its process, once in the life of a folder, at the n-th call."""

    def __init__(self, folder, n_calls):
        self.folder = Path(folder)
        self.n_calls = n_calls

    def __call__(self):
        calls = len(list(self.folder.glob("call-*")))
        (self.folder / f"call-{os.getpid()}-{calls}").touch()
        if calls + 1 >= self.n_calls:
            try:
                (self.folder / "blown").touch(exist_ok=False)
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)


class KillInTraining(Callback):
    """Kills the worker at the end of an epoch."""

    def __init__(self, fuse):
        self.fuse = fuse

    def on_epoch_end(self, net, **kwargs):
        self.fuse()


class KillInExtraction:
    """Memory that kills the worker between two recordings."""

    def __init__(self, fuse):
        self.fuse = fuse

    def cache(self, function):
        return _Fused(function, self.fuse)
        

class _Fused:
    def __init__(self, function, fuse):
        self.function, self.fuse = function, fuse

    def __call__(self, *args):
        self.fuse()
        return self.function(*args)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), n_speakers=3)


def search(toy, **settings):
    """Return the scores of a search: (n_candidates, n_folds)."""
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(),
            AdversarialSER(max_epochs=3, random_state=0, **settings),
        ),
        {"adversarialser__adversary": [None, "grl", "entropy"]},
        cv=GroupKFold(4),
        refit=False,
    )
    # more than 1 kB each, so that joblib scatters the rows of each fold, too
    X, y, speakers = (np.concatenate([a] * 4) for a in toy)
    search.fit(X, y, groups=speakers, adversarialser__speakers=speakers)
    scores = [search.cv_results_[f"split{i}_test_score"] for i in range(4)]
    return np.stack(scores, axis=1)


def removed(client):
    return [
        event
        for _, event in client.get_events("all")
        if event["action"] == "remove-worker"
    ]


def test_search_on_workers_scores_as_in_one_process(client, toy):
    expected = search(toy)
    with joblib.parallel_config(backend="dask"):
        scores = search(toy)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(scores, expected)


def test_killed(client, toy, tmp_path):
    expected = search(toy)
    n = len(removed(client))
    with joblib.parallel_config(backend="dask"):
        scores = search(toy, callbacks=[KillInTraining(Fuse(tmp_path, 10))])
    np.testing.assert_array_equal(scores, expected)
    print(removed(client)[n:])
    assert len(removed(client)) == n + 1

def test_extract(client, corpus):
    expected = EGeMAPS().transform(corpus["file"])
    with joblib.parallel_config(backend="dask"):
        features = EGeMAPS().transform(corpus["file"])
    np.testing.assert_array_equal(features, expected)

def test_extract_killed(client, corpus, tmp_path):
    expected = EGeMAPS().transform(corpus["file"])
    n = len(removed(client))
    with joblib.parallel_config(backend="dask"):
        features = EGeMAPS(memory=KillInExtraction(Fuse(tmp_path, 5))).transform(corpus["file"])
    np.testing.assert_array_equal(features, expected)
    print(removed(client)[n:])
    assert len(removed(client)) == n + 1

def test_threads(client):
    assert set(client.run(torch.get_num_threads).values()) == {1}
