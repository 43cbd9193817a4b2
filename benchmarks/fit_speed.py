"""How long one fit takes, beside a hand-written loop and beside other libraries.

The reference task: 5000 rows, 88 features, 4 emotions, 50 speakers; a network of
88 - 128 - 64 units with linear heads; Adam, 20 epochs, one thread. The hand-written
loop (`_reference.py`, `_hand_written.py`), which knows nothing but this task, plays the
same game with the same moves, and is the 1.00 of every ratio. Ours validates its input,
standardises inside, weights, records a history and serves callbacks on top.

Other libraries are timed where they are installed, beside the loop of gradient
reversal. They compute related things, not the same: scikit-learn's network has no
adversary, skada's has two domains for 50 speakers (half of them each), and fairlearn's
adversary sees the output instead of the embedding.

Usage: python benchmarks/fit_speed.py [--rounds N] [--quick]
"""

import warnings
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from _hand_written import autoencoder_fit, siamese_fit
from _reference import (
    EMBEDDING,
    HIDDEN,
    LR,
    N_EMOTIONS,
    N_FEATURES,
    RIDGE,
    STEEPNESS,
    WEIGHT,
    hand_written_fit,
    reference_task,
    skorch_data,
    skorch_net,
)
from _timing import argument_parser, compare, show, take_turns, write_report
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from advser import AdversarialSER, AutoencoderSER, SiameseSER

EPOCHS = 20
BATCH_SIZES = (64, 128)
DROPOUT = 0.3
CONDITIONAL = ", conditional"
PACKAGES = ["advser", "torch", "skorch", "scikit-learn", "skada", "fairlearn", "numpy"]


def our_fit(task, game, *, epochs, batch_size, dropout=0.0, conditional=False):
    """Fit the estimator with the moves and the updates of the hand-written loop."""
    X, y, speakers = task
    return AdversarialSER(
        game,
        adversary_weight=WEIGHT,
        adversary_steps=1 if game == "grl" else 2,
        adversary_alpha=RIDGE,
        ramp=STEEPNESS,
        bounded=False,
        clip=None,
        conditional=conditional,
        hidden_layer_sizes=(HIDDEN,),
        embedding_dim=EMBEDDING,
        dropout=dropout,
        alpha=0.0,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size,
        class_weight=None,
        random_state=0,
    ).fit(X, y, speakers=speakers)


def method_fit(task, method, *, epochs, batch_size):
    """Fit an estimator of another method with layers of the same widths."""
    X, y, speakers = task
    model = clone(method).set_params(
        hidden_layer_sizes=(HIDDEN,),
        embedding_dim=EMBEDDING,
        dropout=0.0,
        alpha=0.0,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size,
        class_weight=None,
        random_state=0,
    )
    return model.fit(X, y, speakers=speakers)


def skorch_fit(task, *, epochs, batch_size):
    X, y, speakers = task
    net = skorch_net(epochs=epochs, batch_size=batch_size)
    net.fit(skorch_data(X, speakers), y)


def sklearn_fit(task, *, epochs, batch_size):
    X, y, _ = task
    network = MLPClassifier(
        (HIDDEN, EMBEDDING), batch_size=batch_size, max_iter=epochs, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs that end before convergence
        network.fit(X, y)


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
        batch_size=batch_size // 2,  # of either domain
        train_split=None,
        verbose=0,
    )
    labels = np.where(is_target, -1, y)  # its mark of a row of the target domain
    net.fit(X, labels, sample_domain=np.where(is_target, -2, 1))


def fairlearn_fit(task, *, epochs, batch_size):
    from fairlearn.adversarial import AdversarialFairnessClassifier

    X, y, speakers = task
    AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=[HIDDEN, "relu", EMBEDDING, "relu"],
        adversary_model=[],
        learning_rate=LR,
        alpha=WEIGHT,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=True,
        random_state=0,
    ).fit(X, y, sensitive_features=speakers)


METHODS = {
    "autoencoder": (autoencoder_fit, AutoencoderSER()),
    "siamese": (siamese_fit, SiameseSER(neutral=0)),
}
PEERS = {
    "skorch, defaults": (skorch_fit, "skorch"),
    "scikit-learn, no adversary": (sklearn_fit, "sklearn"),
    "skada, two domains": (skada_fit, "skada"),
    "fairlearn": (fairlearn_fit, "fairlearn"),
}


def cases_of(batch_size):
    """Return what is timed at a batch size, and what each is compared with.

    Returns
    -------
    cases : dict of callable
        Functions of the task and of the number of epochs, by name.

    baselines : dict of str
    """
    cases, baselines = {}, {}
    settings = {"batch_size": batch_size}
    games = [(None, 0), ("ridge", 0), ("grl", 0), ("entropy", 0), ("confusion", 0)]
    games += [("grl", DROPOUT), ("entropy", DROPOUT)]
    for game, dropout in games:
        name = f"{game or 'no adversary'}{', dropout' if dropout else ''}"
        moves = {**settings, "game": game, "dropout": dropout}
        hand = f"hand-written: {name}"
        cases[hand] = partial(hand_written_fit, **moves)
        ours = {f"advser: {name}": partial(our_fit, **moves)}
        if game in ("ridge", "grl", "entropy") and not dropout:
            conditional = partial(our_fit, **moves, conditional=True)
            ours[f"advser: {name}{CONDITIONAL}"] = conditional
        cases.update(ours)
        baselines.update(dict.fromkeys([hand, *ours], hand))
    for name, (by_hand, method) in METHODS.items():
        hand, ours = f"hand-written: {name}", f"advser: {name}"
        cases[hand] = partial(by_hand, **settings)
        cases[ours] = partial(method_fit, method=method, **settings)
        baselines |= {hand: hand, ours: hand}
    for name, (fit, package) in PEERS.items():
        if find_spec(package) is None:
            print(f"{name}: skipped, as {package} is not installed")
            continue
        cases[name] = partial(fit, **settings)
        baselines[name] = "hand-written: grl"
    return cases, baselines


def check(cases, task):
    """Return what both sides recall of new rows; raise unless they are alike."""
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
