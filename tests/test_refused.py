"""What the package refuses has the error that the documentation shows."""

from itertools import groupby

import numpy as np
import pytest
from refused import CASES, Data


@pytest.fixture
def data(tmp_path):
    """Return the small corpus from which the cases start."""
    rng = np.random.default_rng(0)
    return Data(
        rng.normal(size=(24, 4)),
        np.array(["anger", "neutral", "sadness"] * 8),
        np.repeat(["ann", "bob", "eve", "tom"], 6),
        rng.uniform(size=24),
        tmp_path,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.given}")
def test_input_is_refused_as_documented(case, data):
    with pytest.raises(case.error) as caught:
        case.call(data)
    assert str(caught.value).startswith(case.message)


def test_cases_of_a_kind_stand_together():
    kinds = [kind for kind, _ in groupby(CASES, key=lambda case: case.kind)]
    assert len(kinds) == len(set(kinds))
