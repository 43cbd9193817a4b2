"""The choice of the validation speakers, whose rows early stopping scores."""

from collections.abc import Callable
from typing import Any
from warnings import warn

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
)

from .._validation._arrays import encode
from ..exceptions import NoSpeakersWarning
from ._data import Utterances

N_DRAWS = 100  # until every class and every target is in training


def validation_split(
    utterances: Utterances,
    row_splitter: type,
    untrained: Callable[[Utterances], list],
    **settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the training and of the validation rows.

    The validation rows are all rows of some speakers, drawn at random. The first draw
    that leaves every class and target in training is taken, or the one that leaves
    most. Rows of unknown speakers may be of any speaker, and are training rows, as are
    those of speakers without any rating.

    Parameters
    ----------
    utterances : Utterances

    row_splitter : type
        The splitter of scikit-learn for rows of unknown speakers.

    untrained : callable
        Returns the classes or targets that some utterances lack.

    **settings : object
        `test_size` and `random_state` of the splitter.
    """
    rows = np.arange(len(utterances))
    codes, _ = encode(utterances.speakers)
    has_target = utterances.has_target
    can_score = (codes >= 0) & np.isin(codes, codes[has_target])
    groups = codes[can_score]
    splitter: Any = GroupShuffleSplit
    if len(np.unique(groups)) < 2:
        can_score, groups = has_target, None
        warn(
            "`early_stopping=True` needs two known speakers with labels or ratings. "
            "Without them the validation rows come from the training speakers, and do "
            "not show how the network performs on new ones. Pass `speakers` to fit.",
            NoSpeakersWarning,
            stacklevel=6,
        )
        splitter = row_splitter
    known, others = rows[can_score], rows[~can_score]
    lost = len(untrained(utterances))
    best: Any = None
    fewest = np.inf

    def draws(splitter):
        splits = splitter(N_DRAWS, **settings)
        return splits.split(known, utterances.targets[known], groups)

    try:
        try:
            next(draws(splitter))
        except ValueError:
            # An emotion has one row, or there are more emotions than validation rows.
            if splitter is not StratifiedShuffleSplit:
                raise
            splitter = ShuffleSplit
        for train, valid in draws(splitter):
            rows = np.sort(np.concatenate([known[train], others]))
            n_lost = len(untrained(utterances.take(rows)))
            if n_lost < fewest:
                best, fewest = (rows, known[valid]), n_lost
            if n_lost == lost:
                break
    except ValueError as error:
        raise ValueError(
            f"`early_stopping=True` and `validation_fraction={settings['test_size']}` "
            f"leave no training or no validation rows: {error}"
        ) from error
    return best
