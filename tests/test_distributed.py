"""Workers of a dask cluster return the same results, also if one is killed."""

import os
import signal
import threading
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
import soundfile
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from speech import write_corpus

from advser import AdversarialSER, EGeMAPS
from advser.distributed import DurableClient
from advser.evaluation import compare
from advser.model_selection import StackedGridSearchCV

GRID = {"adversarialser__adversary__weight": [0.1, 0.5, 1.0]}
N_FOLDS = 4


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="localhost:0",
    ) as cluster:
        yield cluster


@pytest.fixture(params=[Client, DurableClient])
def any_client(request, cluster):
    with request.param(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def client(cluster):
    with DurableClient(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def corpus(toy):
    """Return enough rows for joblib to store features and folds on single workers."""
    return np.tile(toy.X, (3, 1)), np.tile(toy.y, 3), np.tile(toy.speakers, 3)


def make_search(search=GridSearchCV, *, max_epochs=5, **settings):
    ser = AdversarialSER(
        hidden_layer_sizes=(16,),
        embedding_dim=8,
        max_epochs=max_epochs,
        random_state=0,
    )
    settings = {"cv": GroupKFold(N_FOLDS), "scoring": "neg_log_loss", **settings}
    return search(make_pipeline(StandardScaler(), ser), GRID, **settings)


def run(search, corpus):
    """Return the score of each candidate in each fold."""
    X, y, speakers = corpus
    search.fit(X, y, groups=speakers, adversarialser__speakers=speakers)
    results = search.cv_results_
    return np.array([results[f"split{fold}_test_score"] for fold in range(N_FOLDS)])


def pids_of(client):
    return client.run(os.getpid)


def score_or_die(folder, pids, estimator, X, y):
    """Score; after some scores, the first of these processes kills itself."""
    if len(list(folder.glob("score-*"))) >= N_FOLDS and os.getpid() in pids:
        try:
            (folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"score-{uuid4()}").touch()
    return get_scorer("neg_log_loss")(estimator, X, y)


@contextmanager
def one_worker_killed(client, task):
    """Kill the first worker that runs a task of this name; check that one was."""
    pids, left, killed = pids_of(client), threading.Event(), []

    def kill():
        while not killed and not left.wait(0.01):
            for worker, keys in client.processing().items():
                if not killed and any(task in key for key in keys):
                    os.kill(pids[worker], signal.SIGKILL)
                    killed.append(worker)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
    assert len(killed) == 1


def test_search(any_client, corpus):
    expected, search = make_search(), make_search()
    here = run(expected, corpus)
    with parallel_config("dask", client=any_client):
        there = run(search, corpus)
    np.testing.assert_array_equal(there, here)
    X, _, _ = corpus
    np.testing.assert_array_equal(search.predict_proba(X), expected.predict_proba(X))


def test_killed_worker_loses_nothing_of_a_search(client, corpus, tmp_path):
    pids = set(pids_of(client).values())
    scoring = partial(score_or_die, tmp_path, pids)
    with parallel_config("dask", client=client):
        there = run(make_search(scoring=scoring, refit=False), corpus)
    assert (tmp_path / "killed").exists()
    np.testing.assert_array_equal(there, run(make_search(refit=False), corpus))
    client.wait_for_workers(2, timeout=60)
    assert len(pids - set(pids_of(client).values())) == 1


def test_comparison(client, toy):
    searched = make_pipeline(StandardScaler(), AdversarialSER(max_epochs=2))
    networks = {"network": AdversarialSER(max_epochs=2), "searched": searched}
    arguments = {
        **toy._asdict(),
        "estimators": networks,
        "seeds": 1,
        "probes": ["logistic"],
        "search": {"searched": GRID},
    }
    here = compare(**arguments)
    with parallel_config("dask", client=client):
        there = compare(**arguments)
    assert there.errors.empty
    pd.testing.assert_frame_equal(there.predictions, here.predictions)
    pd.testing.assert_frame_equal(there.leakage, here.leakage)


@pytest.mark.parametrize("level", ["functionals", "lld"])
def test_extraction(level, any_client, tmp_path):
    files = write_corpus(tmp_path, n_speakers=2)["file"].tolist()
    recordings = [*files, *(soundfile.read(file, dtype="int16") for file in files[:2])]
    extractor = EGeMAPS(level=level)
    here = extractor.transform(recordings)
    with parallel_config("dask", client=any_client):
        there = extractor.transform(recordings)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)


def test_killed_worker_loses_nothing_of_an_extraction(any_client, tmp_path):
    files = 6 * write_corpus(tmp_path)["file"].tolist()
    extractor = EGeMAPS()
    with (
        one_worker_killed(any_client, task="_attempt"),
        parallel_config("dask", client=any_client),
    ):
        there = extractor.transform(files)
    np.testing.assert_array_equal(there, extractor.transform(files))


def test_search_over_recordings(client, tmp_path):
    table = write_corpus(tmp_path, seconds=0.3)
    model = make_pipeline(EGeMAPS(), AdversarialSER(max_epochs=2, random_state=0))
    scores = []
    for backend in ({"backend": "threading"}, {"backend": "dask", "client": client}):
        search = GridSearchCV(
            model,
            {"adversarialser__lr": [0.01, 0.02]},
            cv=GroupKFold(3),
            scoring="neg_log_loss",
            refit=False,
        )
        with parallel_config(**backend):
            search.fit(
                table["file"],
                table["emotion"],
                groups=table["speaker"],
                adversarialser__speakers=table["speaker"],
            )
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


def test_stacked_search(any_client, corpus):
    here = run(make_search(refit=False), corpus)
    with parallel_config("dask", client=any_client):
        there = run(make_search(StackedGridSearchCV, refit=False), corpus)
    np.testing.assert_allclose(there, here, rtol=1e-6)


def test_killed_worker_loses_nothing_of_a_stacked_search(any_client, corpus):
    settings = {"max_epochs": 40, "refit": False}
    with (
        one_worker_killed(any_client, task="run_bundle"),
        parallel_config("dask", client=any_client),
    ):
        there = run(make_search(StackedGridSearchCV, **settings), corpus)
    here = run(make_search(StackedGridSearchCV, **settings), corpus)
    np.testing.assert_allclose(there, here, rtol=1e-4)


def test_scattered_data_arrive(client):
    numbers, name = np.arange(5), "emotion"
    first, second = client.gather(client.scatter([numbers, name]))
    np.testing.assert_array_equal(first, numbers)
    assert second == name
    assert client.scatter(numbers).result().sum() == 10


def test_large_data_raise_no_warning(client):
    large = np.ones(2_000_000)  # 16 MB; dask warns from 10 MB on
    assert client.submit(np.sum, large).result() == 2_000_000
    assert client.scatter(large).result().shape == large.shape
