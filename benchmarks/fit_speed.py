"""How long one fit takes, compared with a hand-written loop and with other libraries.

The reference task: 5000 rows, 88 features, 4 emotions, 50 speakers; a network of
88 - 128 - 64 units with linear heads; Adam, 20 epochs, one thread. The hand-written
loop (`_reference.py`, `_hand_written.py`) works on this task only. It minimises the
same objective with the same update steps, and every ratio is to its time. This package
also validates its input, standardises, weights the rows, records a history and calls
callbacks.

A fit with the defaults, which have dropout and noise, and layers of the same width, is
compared with the loop of gradient reversal. So are other libraries, where they are
installed. Their networks are related, not the same: scikit-learn's has no adversary,
skada's has two domains, each of half of the speakers, and fairlearn's adversary uses
the output instead of the embedding.

Usage: python benchmarks/fit_speed.py [--rounds N] [--quick]
"""

from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from _hand_written import autoencoder_fit, siamese_fit
from _reference import (
    EMBEDDING,
    HIDDEN,
    LAYERS,
    LR,
    N_EMOTIONS,
    N_FEATURES,
    RIDGE,
    STEEPNESS,
    WEIGHT,
    fairlearn_fit,
    hand_written_fit,
    reference_task,
    sklearn_fit,
    skorch_data,
    skorch_net,
)
from _timing import argument_parser, compare, show, take_turns, write_report
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from advser import AdversarialSER, AutoencoderSER, SiameseSER
from advser.objectives import ClosedForm, Confusion, GradientReversal, MaxEntropy

EPOCHS = 20
BATCH_SIZES = (64, 128)
DROPOUT = 0.3
CONDITIONAL = ", conditional"
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "skada", "fairlearn", "numpy"]
OBJECTIVES = {
    None: None,
    "closed_form": ClosedForm(WEIGHT, penalty=RIDGE, ramp=STEEPNESS),
    "grl": GradientReversal(WEIGHT, steps=1, bounded=False, ramp=STEEPNESS),
    "entropy": MaxEntropy(WEIGHT, steps=2, ramp=STEEPNESS),
    "confusion": Confusion(WEIGHT, steps=2, ramp=STEEPNESS),
}
HAS_CONDITIONAL_CASE = ["closed form", "grl", "entropy"]


def our_fit(task, model, *, epochs, batch_size, dropout=0.0):
    """Fit an estimator with layers and update steps as in the hand-written loop."""
    X, y, speakers = task
    model = clone(model).set_params(
        **LAYERS,
        clip=None,
        dropout=dropout,
        alpha=0.0,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size,
        class_weight=None,
        random_state=0,
    )
    return model.fit(X, y, speakers=speakers)


def defaults_fit(task, *, epochs, batch_size):
    """Fit with the defaults, but for the epochs, the batch size and the layers."""
    X, y, speakers = task
    model = AdversarialSER(
        **LAYERS,
        max_epochs=epochs,
        batch_size=batch_size,
        random_state=0,
    )
    model.fit(X, y, speakers=speakers)


def skorch_fit(task, *, epochs, batch_size):
    X, y, speakers = task
    net = skorch_net(epochs=epochs, batch_size=batch_size)
    net.fit(skorch_data(X, speakers), y)


def skada_fit(task, *, epochs, batch_size):
    from skada.deep import DANN

    X, y, speakers = task
    is_target = speakers % 2 == 1
    module = torch.nn.Sequential(
        torch.nn.Linear(N_FEATURES, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, EMBEDDING),
        torch.nn.ReLU(),
        torch.nn.Linear(EMBEDDING, N_EMOTIONS),
    )
    net = DANN(
        module,
        layer_name="3",
        num_features=EMBEDDING,
        optimizer=torch.optim.Adam,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size // 2,  # rows of each domain
        train_split=None,
        verbose=0,
    )
    labels = np.where(is_target, -1, y)  # -1 marks rows of the target domain
    net.fit(X, labels, sample_domain=np.where(is_target, -2, 1))


METHODS = {
    "autoencoder": (autoencoder_fit, AutoencoderSER()),
    "siamese": (siamese_fit, SiameseSER(neutral=0)),
}
PEERS = {
    "AdversarialSER, defaults": (defaults_fit, "advser"),
    "skorch, defaults": (skorch_fit, "skorch"),
    "scikit-learn, no adversary": (
        lambda task, *, epochs, batch_size: sklearn_fit(
            task, max_iter=epochs, batch_size=batch_size
        ),
        "sklearn",
    ),
    "skada, two domains": (skada_fit, "skada"),
    "fairlearn": (
        partial(fairlearn_fit, learning_rate=LR, alpha=WEIGHT, shuffle=True),
        "fairlearn",
    ),
}


def cases_of(batch_size):
    """Return what is timed at a batch size, and the baseline of each case.

    Returns
    -------
    cases : dict of callable
        Functions of the task and of the number of epochs, by name.

    baselines : dict of str
    """
    cases, baselines = {}, {}

    def add(name, by_hand, model, **settings):
        settings |= {"batch_size": batch_size}
        hand, ours = f"hand-written: {name}", f"advser: {name}"
        cases[hand] = partial(by_hand, **settings)
        cases[ours] = partial(our_fit, model=model, **settings)
        baselines.update({hand: hand, ours: hand})
        if name in HAS_CONDITIONAL_CASE:
            model = clone(model).set_params(adversary__conditional=True)
            cases[ours + CONDITIONAL] = partial(our_fit, model=model, **settings)
            baselines[ours + CONDITIONAL] = hand

    for objective, adversary in OBJECTIVES.items():
        by_hand = partial(hand_written_fit, objective=objective)
        name = (objective or "no adversary").replace("_", " ")
        add(name, by_hand, AdversarialSER(adversary, noise=0.0))
    for objective in ("grl", "entropy"):
        by_hand = partial(hand_written_fit, objective=objective)
        model = AdversarialSER(OBJECTIVES[objective], noise=0.0)
        add(f"{objective}, dropout", by_hand, model, dropout=DROPOUT)
    for name, (by_hand, model) in METHODS.items():
        add(name, by_hand, model)
    for name, (fit, package) in PEERS.items():
        if find_spec(package) is None:
            print(f"{name}: skipped, as {package} is not installed")
            continue
        cases[name] = partial(fit, batch_size=batch_size)
        baselines[name] = "hand-written: grl"
    return cases, baselines


def check(cases, task):
    """Return the recall of both sides on new rows; raise if they differ."""
    X, y, _ = reference_task(2000, seed=1)
    recalls = {}
    for case, fit in cases.items():
        if case.startswith("hand-written"):
            network = fit(task, epochs=EPOCHS)
            with torch.inference_mode():
                predicted = network(torch.from_numpy(X)).argmax(1).numpy()
        elif case.startswith("advser"):
            predicted = fit(task, epochs=EPOCHS).predict(X)
        else:
            continue
        recalls[case] = balanced_accuracy_score(y, predicted)
        hand = recalls[case.replace("advser", "hand-written").removesuffix(CONDITIONAL)]
        if abs(recalls[case] - hand) > 0.05:
            raise RuntimeError(f"{case} recalls {recalls[case]:.2f}, not {hand:.2f}.")
    return recalls


def main():
    parser = argument_parser(__doc__, "fit_speed", rounds=5)
    arguments = parser.parse_args()
    task = reference_task(200 if arguments.quick else 5000)
    epochs = 1 if arguments.quick else EPOCHS
    rounds = 1 if arguments.quick else arguments.rounds

    results, seconds, recalls = {}, {}, {}
    with threadpool_limits(1):
        for batch_size in BATCH_SIZES:
            cases, baselines = cases_of(batch_size)
            if not arguments.quick:
                recalls[batch_size] = check(cases, task)
            times = take_turns(
                {
                    case: partial(fit, task, epochs=epochs)
                    for case, fit in cases.items()
                },
                rounds,
                warm_up={
                    case: partial(fit, task, epochs=1) for case, fit in cases.items()
                },
            )
            seconds[batch_size] = times
            results[batch_size] = compare(times, baselines)
            show(f"{len(task[0])} rows, batches of {batch_size}", results[batch_size])
        write_report(
            arguments.out,
            settings={"rows": len(task[0]), "epochs": epochs, "rounds": rounds},
            packages=PACKAGES,
            recall_of_new_rows=recalls,
            results=results,
            rounds=seconds,
        )


if __name__ == "__main__":
    main()
