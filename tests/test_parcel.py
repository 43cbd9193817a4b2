"""What is sent in a parcel arrives as it was."""

import pickle

import numpy as np
import torch

from advser import AdversarialSER
from advser._parcel import Parcel


def send(content):
    return pickle.loads(pickle.dumps(Parcel(content))).content


def test_tensors_arrive_as_they_were_and_one_as_one():
    x = torch.arange(6.0).view(2, 3)
    parameter = torch.nn.Parameter(x.mT)
    arrived, same, turned, scalar = send([x, x, parameter, torch.tensor(3)])
    assert torch.equal(arrived, x)
    assert arrived is same
    assert isinstance(turned, torch.nn.Parameter)
    assert turned.requires_grad
    assert torch.equal(turned, x.mT)
    assert scalar.shape == ()
    assert scalar.dtype == torch.int64
    arrived += 1  # in memory of its own
    assert torch.equal(x, torch.arange(6.0).view(2, 3))


def test_what_a_script_defines_and_what_numpy_has_not_arrive():
    added, half = send([lambda x: x + 1, torch.ones(2, dtype=torch.bfloat16)])
    assert added(1) == 2
    assert torch.equal(half, torch.ones(2, dtype=torch.bfloat16))


def test_a_net_arrives_trained_and_goes_on_as_it_would_have():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), np.repeat(["anger", "neutral"], 30)
    ours = AdversarialSER(max_epochs=2, random_state=0, warm_start=True)
    ours.fit(X, y, speakers=np.tile([1, 2, 3], 20))
    theirs = pickle.loads(pickle.dumps(ours))
    theirs.net_ = send(ours.net_)
    assert theirs.net_.history == ours.net_.history
    np.testing.assert_array_equal(theirs.predict_proba(X), ours.predict_proba(X))
    for network in (ours, theirs):
        network.fit(X, y, speakers=np.tile([1, 2, 3], 20))
    np.testing.assert_array_equal(theirs.predict_proba(X), ours.predict_proba(X))
