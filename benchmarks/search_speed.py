"""How long a search takes per model, beside what users run today.

Two searches for the weight of the gradient reversal:

emodb
    One speaker left out x 5 weights x 5 seeds on the bundled corpus: 250 models of 60
    epochs.
reference
    8 weights x 4 seeds on the task of `_reference.py`, one fold: 32 models of 20
    epochs. On a GPU 512 models.

Each is run by scikit-learn's `GridSearchCV(n_jobs=2)` over the network in skorch, all
else as skorch sets it; by the same over our estimator; by `StackedGridSearchCV`, which
trains many models as one, with one and with two threads; and by two processes that
share the candidates among them, each with a `StackedGridSearchCV` of one thread. The
worker processes are started before, and none has more than one thread.

Usage: python benchmarks/search_speed.py [--rounds N] [--quick] [--device cuda]
       [--task emodb|reference]
"""

from functools import partial

import numpy as np
import torch
from _reference import (
    LR,
    WEIGHT,
    reference_task,
    skorch_data,
    skorch_net,
)
from _timing import argument_parser, compare, show, take_turns, write_report
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, ParameterGrid
from sklearn.preprocessing import LabelEncoder
from sklearn.pipeline import make_pipeline
