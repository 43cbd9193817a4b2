"""Choice of the defaults: recall of settings of the network on several corpora.

Each corpus is split by speaker into five folds (six speakers: six folds), anew for
every seed. The networks of all folds and corpora are trained as one batch by a short
loop, without an adversary unless stated, so that settings are compared that the package
does not have. The baselines are two linear models on the same folds.

    python benchmarks/defaults.py urdu.csv emovo.parquet ...

EmoDB comes with the package; other tables are files with the columns `emotion` and
`speaker`. The report has scores, and no rows of the corpora. A setting that the file
`--out` has already is not computed again.
"""

import argparse
import json
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write
from adaptation import read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from advser.datasets import load_emodb

BATCH, HIDDEN, EMBEDDING = 64, 128, 64
LINEAR = {
    "logistic regression": LogisticRegression(
        C=0.05, class_weight="balanced", max_iter=2000
    ),
    "linear SVM": SVC(C=0.01, kernel="linear", class_weight="balanced"),
}

# What a setting changes. So many passes through the rows are made, or 1,200 updates if
# they are fewer; or as many as make `updates`. A scale (c, power) is c divided by a
# power of the number of training speakers.
DEFAULT = {
    "passes": 60,
    "updates": None,
    "lr": 0.003,
    "clip": 2.0,
    "alpha": 0.01,
    "dropout": 0.3,  # of hidden units
    "input": None,  # what is random about the features, and its scale
    "decay": True,  # of the learning rate, along half a cosine
    "initial": 1.0,  # scale of the initial weights
    "pairwise": False,  # whether the loss compares two emotions at a time
    "alpha_by_rows": None,  # divided by the number of rows, in place of `alpha`
    "adversary": 0.0,  # weight of the adversary in closed form
    "members": 1,  # networks whose probabilities are averaged
}
LONG = {"updates": 1200, "lr": 0.002}
SHORT = {"updates": 300, "lr": 0.004}
FORTY = {"passes": 40}
FACTOR = {"input": ("factor", 0.3)}
DROPOUT = {**FORTY, "dropout": 0.2, "input": ("dropout", 0.2)}
CHOSEN = {"passes": 40, "clip": 3.0, "input": ("factor", 0.5)}
SETTINGS = {
    "earlier defaults": {"alpha": 0.04, "dropout": 0.0, "lr": 0.001, "decay": False},
    "no noise": {},
    "one shift per update, 0.3": {"input": ("shift", 0.3)},
    "one factor per update, 0.3": FACTOR,
    "1,200 updates, no noise": LONG,
    "1,200 updates, noise per row, 0.3": {**LONG, "input": ("row", 0.3)},
    "1,200 updates, one shift, 0.3": {**LONG, "input": ("shift", 0.3)},
    "1,200 updates, a shift per speaker, 0.3": {**LONG, "input": ("speaker", 0.3)},
    "1,200 updates, shifts along the training speakers": {
        **LONG,
        "input": ("between", 1.0),
    },
    "1,200 updates, one linear map, 0.3": {**LONG, "input": ("map", 0.3)},
    "1,200 updates, one factor, 0.3": {**LONG, "input": ("factor", 0.3)},
    "600 updates, one shift, 0.3": {**LONG, "updates": 600, "input": ("shift", 0.3)},
    "600 updates, one shift, 0.5": {**LONG, "updates": 600, "input": ("shift", 0.5)},
    "300 updates, no noise": SHORT,
    "300 updates, noise per row, 0.3": {**SHORT, "input": ("row", 0.3)},
    "300 updates, one shift, 0.5": {**SHORT, "input": ("shift", 0.5)},
    "300 updates, one shift, 0.8": {**SHORT, "input": ("shift", 0.8)},
    "300 updates, one factor, 0.5": {**SHORT, "input": ("factor", 0.5)},
    "300 updates, one factor, 0.5, no dropout": {
        **SHORT,
        "dropout": 0.0,
        "input": ("factor", 0.5),
    },
    "300 updates, rate 0.002, one factor, 0.3, small initial weights": {
        **FACTOR,
        "updates": 300,
        "lr": 0.002,
        "initial": 0.2,
    },
    "40 passes, dropout of features and units, 0.2": DROPOUT,
    "the same with small initial weights": {**DROPOUT, "initial": 0.2},
    "40 passes, one factor, 0.5": {**FORTY, "input": ("factor", 0.5)},
    "40 passes, clip=3, one factor, 0.5 (chosen)": CHOSEN,
    "the same with the adversary in closed form": {**CHOSEN, "adversary": 0.2},
    "40 passes, clip=3, pairwise loss, one factor, 0.5": {**CHOSEN, "pairwise": True},
    "40 passes, clip=3, one factor, 1.5 / √speakers": {
        **CHOSEN,
        "input": ("factor", (1.5, 0.5)),
    },
    "40 passes, clip=3, one shift, 1.5 / √speakers": {
        **CHOSEN,
        "input": ("shift", (1.5, 0.5)),
    },
    "40 passes, clip=3, one factor, 0.5, alpha=10 / rows": {
        **CHOSEN,
        "alpha": 0.0,
        "alpha_by_rows": 10.0,
    },
    "one factor, 0.3, small initial weights": {
        "input": ("factor", 0.3),
        "initial": 0.2,
    },
    "one factor, 0.3, four networks averaged": {"input": ("factor", 0.3), "members": 4},
}


class Fold:
    """The rows of a fold as tensors, standardised by its training rows."""

    def __init__(self, corpus, X, y, speakers, train, test):
        self.corpus, self.test = corpus, test
        self.classes, emotion = np.unique(y, return_inverse=True)
        scaled = StandardScaler().fit(X[train]).transform(X).astype(np.float32)
        self.x, self.x_test = (torch.tensor(scaled[rows]) for rows in (train, test))
        self.emotion = torch.tensor(emotion[train])
        _, speaker = np.unique(speakers[train], return_inverse=True)
        self.speaker, self.n_speakers = torch.tensor(speaker), speaker.max() + 1
        counts = torch.bincount(self.emotion, minlength=len(self.classes)).float()
        weight = len(train) / ((counts > 0).sum() * counts)
        self.weight = weight[self.emotion]

    def n_updates(self, setting):
        """Return the number of update steps, of whole passes."""
        n = -(-len(self.x) // BATCH)
        if setting["updates"]:
            return n * -(-setting["updates"] // n)
        return n * min(setting["passes"], -(-1200 // n))


def per_fold(value, folds):
    """Return a scale, of which a tuple is divided by a power of the speakers."""
    if not isinstance(value, tuple):
        return value
    scale, power = value
    counts = torch.tensor([float(fold.n_speakers) for fold in folds])
    return scale / counts[:, None, None] ** power


def kept(shape, p, generator):
    """Return a mask that leaves out a share `p`, and scales what it keeps."""
    return (torch.rand(shape, generator=generator) >= p) / (1 - p)


def disturbed(x, speaker, kind, scale, between, generator):
    """Return the rows of a step, (n_nets, n, d), with the noise of a kind.

    `between` are the differences between the means of speakers, (n_nets, k, d).
    """
    n_nets, n, d = x.shape
    k = between.shape[1]

    def normal(*shape):
        return torch.randn((n_nets, *shape), generator=generator)

    if kind == "row":
        return x + scale * normal(n, d)
    if kind == "shift":
        return x + scale * normal(1, d)
    if kind == "factor":
        return x * (1 + scale * normal(1, d))
    if kind == "map":
        return x + x @ (normal(d, d) * (scale / d**0.5))
    if kind == "dropout":
        return x * kept((n_nets, 1, d), scale, generator)
    shifts = scale * (normal(k, d) if kind == "speaker" else normal(k, k) @ between)
    return x + shifts.gather(1, speaker[..., None].expand(x.shape))


def speakers_between(fold, x, n_speakers):
    """Return the differences of speakers' means within emotions: (n_speakers, d)."""
    rest = x.clone()
    for emotion in fold.emotion.unique():
        rest[fold.emotion == emotion] -= x[fold.emotion == emotion].mean(0)
    codes = range(fold.n_speakers)
    means = torch.stack([rest[fold.speaker == k].mean(0) for k in codes])
    between = torch.zeros(n_speakers, x.shape[1])
    between[: len(means)] = (means - means.mean(0)) / (len(means) - 1) ** 0.5
    return between


def trained(setting, folds, seed, member=0):
    """Train the networks of some folds as one batch; return the test probabilities."""
    first = 100_000 * member
    generators = [
        torch.Generator().manual_seed(first + 1000 * seed + i)
        for i in range(len(folds))
    ]
    noise_generator = torch.Generator().manual_seed(first + 77 + 13 * seed)
    n_rows = torch.tensor([float(len(fold.x)) for fold in folds])[:, None, None]
    n_updates = max(fold.n_updates(setting) for fold in folds)
    n_speakers = max(fold.n_speakers for fold in folds)
    n_classes = max(len(fold.classes) for fold in folds)
    d = folds[0].x.shape[1]
    clip = setting["clip"]
    x_of = [fold.x.clamp(-clip, clip) for fold in folds]
    between = torch.stack(
        [speakers_between(fold, x, n_speakers) for fold, x in zip(folds, x_of)]
    )
    absent = torch.zeros(len(folds), 1, n_classes)  # classes that a corpus has not
    for i, fold in enumerate(folds):
        absent[i, :, len(fold.classes) :] = -1e9

    def weights(n_in, n_out):
        bound = (6 / n_in) ** 0.5
        drawn = [torch.rand(n_in, n_out, generator=g) for g in generators]
        return (2 * torch.stack(drawn) - 1) * bound * setting["initial"]

    matrices = [weights(d, HIDDEN), weights(HIDDEN, EMBEDDING)]
    matrices.append(torch.zeros(len(folds), EMBEDDING, n_classes))
    biases = [torch.zeros(len(folds), 1, w.shape[2]) for w in matrices]
    parameters = [p.requires_grad_() for p in [*matrices, *biases]]
    groups = [
        {"params": matrices, "weight_decay": setting["alpha"]},
        {"params": biases},
    ]
    optimizer = torch.optim.Adam(groups, lr=setting["lr"], fused=True)
    orders = [
        orders_of(len(fold.x), n_updates, generator)
        for fold, generator in zip(folds, generators)
    ]
    starts = torch.tensor(np.cumsum([0, *map(len, x_of[:-1])]))
    columns = [torch.cat(x_of)] + [
        torch.cat([getattr(fold, name) for fold in folds])
        for name in ("emotion", "speaker", "weight")
    ]
    kind, scale = setting["input"] or (None, None)
    scale = per_fold(scale, folds)

    def outputs(x, mask=1.0):
        hidden = torch.baddbmm(biases[0], x, matrices[0]).relu() * mask
        h = torch.baddbmm(biases[1], hidden, matrices[1]).relu()
        return h, torch.baddbmm(biases[2], h, matrices[2]) + absent

    for t in range(n_updates):
        rows = (torch.stack([order[t] for order in orders]) + starts[:, None]).flatten()
        x, emotion, speaker, weight = (
            column[rows].view(len(folds), BATCH, *column.shape[1:])
            for column in columns
        )
        if kind:
            x = disturbed(x, speaker, kind, scale, between, noise_generator)
        mask = 1.0
        if setting["dropout"]:
            shape = len(folds), 1, HIDDEN
            mask = kept(shape, setting["dropout"], noise_generator)
        h, output = outputs(x, mask)
        losses = losses_of(output, emotion[..., None], absent, setting["pairwise"])
        loss = (weight * losses[..., 0]).mean(1)
        if setting["adversary"]:
            ramp = np.tanh(5 * t / n_updates)
            loss = loss + setting["adversary"] * ramp * explained(h, speaker)
        gradients = torch.autograd.grad(loss.sum(), parameters)
        for p, gradient in zip(parameters, gradients):
            p.grad = gradient
            if setting["alpha_by_rows"] and p.shape[1] > 1:
                p.grad += setting["alpha_by_rows"] / n_rows * p.detach()
        share = (1 + np.cos(np.pi * t / n_updates)) / 2 if setting["decay"] else 1.0
        for group in optimizer.param_groups:
            group["lr"] = setting["lr"] * share
        optimizer.step()
    probabilities = []
    with torch.no_grad():
        for i, fold in enumerate(folds):
            x = fold.x_test.clamp(-clip, clip)[None]
            for w, b in zip(matrices[:2], biases[:2]):
                x = torch.baddbmm(b[i : i + 1], x, w[i : i + 1]).relu()
            output = torch.baddbmm(biases[2][i : i + 1], x, matrices[2][i : i + 1])[0]
            probabilities.append(output[:, : len(fold.classes)].softmax(1).numpy())
    return probabilities


def losses_of(output, emotion, absent, pairwise):
    """Return the loss of each row: of all emotions, or of two at a time."""
    if not pairwise:
        return -output.log_softmax(2).gather(2, emotion)
    present = absent == 0
    pairs = F.softplus(output - output.gather(2, emotion)) * present
    n_present = present.sum(2, keepdim=True)
    return (pairs.sum(2, keepdim=True) - np.log(2)) * 2 / n_present


def explained(h, speaker):
    """Return the share of the speakers that a ridge regression explains: (n_nets,)."""
    members = F.one_hot(speaker).float()
    members = members - members.mean(1, keepdim=True)
    h = h - h.mean(1, keepdim=True)
    gamma = 0.01 * h.square().mean((1, 2)) + 1e-9
    with torch.no_grad():
        ridge = gamma[:, None, None] * torch.eye(h.shape[2])
        right = h.mT @ members / BATCH
        a, _ = torch.linalg.solve_ex(h.mT @ h / BATCH + ridge, right)
    missed = (members - h @ a).square().sum((1, 2)) / BATCH
    total = members.square().sum((1, 2)) / BATCH
    return (total - missed - gamma * a.square().sum((1, 2))) / total


def orders_of(n_rows, n_updates, generator):
    """Return the rows of every batch, (n_updates, BATCH), each pass in random order."""
    n = -(-n_rows // BATCH)
    passes = []
    for _ in range(-(-n_updates // n)):
        order = torch.randperm(n_rows, generator=generator)
        passes.append(torch.cat([order, order[: n * BATCH - n_rows]]))
    return torch.cat(passes)[: n_updates * BATCH].view(n_updates, BATCH)


def folds_of(speakers, seed):
    """Yield the rows of the training and the test speakers of each fold."""
    n_speakers = len(set(speakers))
    splitter = GroupKFold(6 if n_speakers == 6 else 5, shuffle=True, random_state=seed)
    return splitter.split(speakers, groups=speakers)


def recall(y, predicted):
    return round(recall_score(y, predicted, average="macro"), 5)


def linear_recalls(X, y, speakers, seed):
    """Return the recall of each linear model."""
    found = {}
    for name, model in LINEAR.items():
        predicted = np.empty_like(y)
        for train, test in folds_of(speakers, seed):
            fitted = make_pipeline(StandardScaler(), model).fit(X[train], y[train])
            predicted[test] = fitted.predict(X[test])
        found[name] = recall(y, predicted)
    return found


def network_recalls(setting, corpora, seed):
    """Return the recall of a setting on each corpus."""
    folds = [
        Fold(name, X, y, speakers, *rows)
        for name, (X, y, speakers) in corpora.items()
        for rows in folds_of(speakers, seed)
    ]
    setting = {**DEFAULT, **setting}
    together = "all" if setting["updates"] else None
    predicted = {name: np.empty_like(y) for name, (_, y, _) in corpora.items()}
    for _, batch in groupby(folds, key=lambda fold: together or fold.corpus):
        batch = sorted(batch, key=lambda fold: -fold.n_updates(setting))
        members = [
            trained(setting, batch, seed, member)
            for member in range(setting["members"])
        ]
        for fold, *found in zip(batch, *members):
            codes = sum(found).argmax(1)
            predicted[fold.corpus][fold.test] = fold.classes[codes]
    return {name: recall(corpora[name][1], found) for name, found in predicted.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS))
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "defaults.json")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    report = {
        "protocol": "folds by speaker, drawn anew for each seed; UAR of all folds",
        "settings": {"default": DEFAULT, "changed": SETTINGS},
        **environment(["advser", "numpy", "scikit-learn", "torch"]),
        "linear": {},
        "results": {},
    }
    if args.out.exists():
        earlier = json.loads(args.out.read_text("utf-8"))
        report |= {name: earlier[name] for name in ("linear", "results")}
    for seed in map(str, range(args.seeds)):
        for name, data in corpora.items():
            found = report["linear"].setdefault(name, {})
            if seed not in found:
                found[seed] = linear_recalls(*data, int(seed))
    for name in tqdm(args.settings):
        of_setting = report["results"].setdefault(name, {})
        for seed in map(str, range(args.seeds)):
            if seed not in of_setting:
                of_setting[seed] = network_recalls(SETTINGS[name], corpora, int(seed))
                write(args.out, report)


if __name__ == "__main__":
    main()
