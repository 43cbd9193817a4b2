"""The recall with few labels, and what utterances without labels add.

Leave one speaker out of EmoDB. Of the utterances of the others, only a share keeps its
emotion, drawn anew for each seed; the rest come without, or not at all. The
predictions for all speakers are pooled into one UAR per seed.

    python benchmarks/label_efficiency.py
    python benchmarks/label_efficiency.py --other my.csv   # with another corpus' speech

A table has the features in columns of the names that EmoDB's have, and, where they are
known, the columns "speaker" and "gender". Its emotions are not used.

The other corpus comes raw, and scaled: with mean and deviation of each feature as those
of the EmoDB utterances trained on.

Nothing is chosen: all estimators run with their defaults, but for C = 0.1 in the
logistic regression and a weight of 1 of the prior. Self-training is scikit-learn's.
"""

import argparse
import copy
import platform
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from advser import AdversarialSER, AutoencoderSER
from advser.datasets import load_emodb
from advser.metrics import unweighted_average_recall
from advser.plots._base import add_grid, legend_above, styles

SHARES = [0.1, 0.25, 0.5, 1.0]
RESULTS = Path(__file__).parent / "results" / "label_efficiency.json"
PACKAGES = ["advser", "numpy", "pandas", "scikit-learn", "torch"]


def logistic(seed):
    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000),
    )


def network(seed):
    """Return the network without a decoder."""
    return AdversarialSER(None, random_state=seed)


def autoencoder(seed):
    return AutoencoderSER(prior_weight=1.0, random_state=seed)


# The estimator of each method, and the utterances without a label that it gets.
METHODS = {
    "network": (network, ()),
    "logistic regression": (logistic, ()),
    "logistic regression, self-training": (
        lambda seed: SelfTrainingClassifier(logistic(seed)),
        ("rest",),
    ),
    "autoencoder, labelled rows alone": (autoencoder, ()),
    "autoencoder": (autoencoder, ("rest",)),
    "autoencoder, no prior": (
        lambda seed: autoencoder(seed).set_params(prior_weight=0.0),
        ("rest",),
    ),
    "autoencoder, another corpus": (autoencoder, ("rest", "other")),
    "autoencoder, another corpus, scaled": (autoencoder, ("rest", "scaled other")),
}


class Corpus:
    """Features, and emotion, speaker and gender by number or name."""

    def __init__(self, frame, feature_names):
        n = len(frame)
        self.X = frame[feature_names].to_numpy(np.float32)
        unknown = pd.Series([None] * n, dtype=object)
        self.y = frame.get("emotion", unknown).to_numpy(object)
        self.speakers = frame.get("speaker", unknown).to_numpy(object)
        self.genders = frame.get("gender", unknown).to_numpy(object)

    def scaled_to(self, X):
        """Return this corpus with mean and deviation of the features as in X."""
        scaled = copy.copy(self)
        own = StandardScaler().fit_transform(self.X)
        scaled.X = StandardScaler().fit(X).inverse_transform(own)
        return scaled


def drawn(corpus, rows, share, seed):
    """Split rows into those that keep their emotion and the rest, by emotion.

    A larger share keeps the emotions that a smaller one keeps.
    """
    rng = np.random.default_rng([seed, *rows[:1]])
    kept = []
    for emotion in np.unique(corpus.y):
        own = rng.permutation(rows[corpus.y[rows] == emotion])
        kept.append(own[: max(1, round(share * len(own)))])
    kept = np.sort(np.concatenate(kept))
    return kept, np.setdiff1d(rows, kept)


def fit(model, corpus, kept, unlabeled):
    """Fit a model of any kind; `unlabeled` are pairs of a corpus and rows."""
    X, y = corpus.X[kept], corpus.y[kept]
    unlabeled = [(source, rows) for source, rows in unlabeled if len(rows)]
    if isinstance(model, SelfTrainingClassifier):
        if not unlabeled:
            return model.estimator.fit(X, y)
        emotions, codes = np.unique(y, return_inverse=True)
        others = np.concatenate([source.X[rows] for source, rows in unlabeled])
        model.fit(np.concatenate([X, others]), np.r_[codes, [-1] * len(others)])
        return Renamed(model, emotions)
    if not isinstance(model, AutoencoderSER):
        return model.fit(X, y)
    more = {}
    if unlabeled:
        more = {
            name: np.concatenate(
                [getattr(source, of)[rows] for source, rows in unlabeled]
            )
            for name, of in (
                ("X_unlabeled", "X"),
                ("speakers_unlabeled", "speakers"),
                ("genders_unlabeled", "genders"),
            )
        }
    return model.fit(X, y, corpus.speakers[kept], genders=corpus.genders[kept], **more)


class Renamed:
    """Returns names for the codes that a classifier predicts; -1 is for no label."""

    def __init__(self, model, names):
        self.model, self.names = model, names

    def predict(self, X):
        """Return the names."""
        return self.names[self.model.predict(X)]


def folds(corpus):
    """Return training and test rows for each speaker left out."""
    return [
        (
            np.flatnonzero(corpus.speakers != name),
            np.flatnonzero(corpus.speakers == name),
        )
        for name in np.unique(corpus.speakers)
    ]


def run(function, tasks, n_jobs):
    """Return the results of a function for all tasks, each on one thread."""
    return Parallel(n_jobs)(delayed(on_one_thread)(function, *task) for task in tasks)


def on_one_thread(function, *arguments):
    with threadpool_limits(1):
        return function(*arguments)


def predict(method, corpus, other, share, seed, train, test):
    make, sources = METHODS[method]
    kept, rest = drawn(corpus, train, share, seed)
    unlabeled = []
    if "rest" in sources:
        unlabeled.append((corpus, rest))
    if "other" in sources:
        unlabeled.append((other, np.arange(len(other.X))))
    if "scaled other" in sources:
        scaled = other.scaled_to(corpus.X[train])
        unlabeled.append((scaled, np.arange(len(other.X))))
    return fit(make(seed), corpus, kept, unlabeled).predict(corpus.X[test])


def score(method, corpus, other, share, seeds, n_jobs):
    """Return the UAR of each seed."""
    splits = folds(corpus)
    tasks = [
        (method, corpus, other, share, seed, *split)
        for seed in range(seeds)
        for split in splits
    ]
    predictions = iter(run(predict, tasks, n_jobs))
    truth = np.concatenate([corpus.y[test] for _, test in splits])
    return [
        unweighted_average_recall(
            truth, np.concatenate([next(predictions) for _ in splits])
        )
        for _ in range(seeds)
    ]


def corpus_auc(corpus, other, seed, train, test):
    """Return how well the reconstruction error separates two corpora, as an AUC."""
    model = fit(autoencoder(seed), corpus, train, [])
    errors = [model.reconstruction_error(X) for X in (corpus.X[test], other.X)]
    is_other = np.repeat([0, 1], [len(error) for error in errors])
    return roc_auc_score(is_other, np.concatenate(errors))


def draw(rows, path):
    """Draw the learning curves."""
    figure = Figure(figsize=(6.4, 5), layout="constrained")
    ax = figure.add_subplot()
    frame = pd.DataFrame(rows)
    places = {share: place for place, share in enumerate(SHARES)}
    looks = styles(dict.fromkeys(frame["method"]))
    for number, (method, look) in enumerate(looks.items()):
        own = frame[frame["method"] == method]
        side = 0.035 * (number - len(looks) / 2)
        ax.errorbar(
            [places[share] + side for share in own["share"]],
            own["uar"],
            own["std"],
            label=method,
            **look,
            markersize=5,
            linewidth=1.3,
            elinewidth=0.8,
        )
    ax.set(
        xticks=list(places.values()),
        xticklabels=[f"{share:.0%}" for share in SHARES],
        xlabel="Share of the training utterances that keep their emotion",
        ylabel="Unweighted average recall (UAR), new speakers\n(mean and standard "
        "deviation over seeds)",
    )
    add_grid(ax, "y")
    legend_above(ax, n_columns=2, fontsize="small")
    figure.savefig(path, dpi=200)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--other", type=Path, help="CSV of another corpus' features")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON; PNG beside it")
    args = parser.parse_args()
    emodb = load_emodb(as_frame=True)
    corpus = Corpus(emodb.frame, emodb.feature_names)
    other, described = None, None
    methods = list(METHODS)
    if args.other:
        frame = pd.read_csv(args.other, dtype={"speaker": str, "gender": str})
        other = Corpus(frame, emodb.feature_names)
        described = {
            "utterances": len(frame),
            "speakers": int(pd.Series(other.speakers).nunique()),
        }
    else:
        methods = [name for name in methods if "another corpus" not in name]

    rows = []
    parts = [(method, share) for method in methods for share in SHARES]
    for method, share in tqdm(parts, desc="methods and shares"):
        uars = score(method, corpus, other, share, args.seeds, args.n_jobs)
        row = {
            "method": method,
            "share": share,
            "uar": round(float(np.mean(uars)), 4),
            "std": round(float(np.std(uars, ddof=1)), 4),
            "by_seed": [round(float(uar), 4) for uar in uars],
        }
        rows.append(row)
    print(
        pd.DataFrame(rows)
        .pivot(index="method", columns="share", values=["uar", "std"])
        .loc[methods]
        .to_string()
    )
    error = None
    if other is not None:
        tasks = [
            (corpus, other, seed, *fold)
            for seed in range(args.seeds)
            for fold in folds(corpus)
        ]
        found = run(corpus_auc, tasks, args.n_jobs)
        error = {
            "auc": round(float(np.mean(found)), 4),
            "smallest": round(float(np.min(found)), 4),
            "fits": len(found),
        }
        print("AUC of the reconstruction error, another corpus:", error)
    sizes = {}
    for share in SHARES:
        kept = [len(drawn(corpus, train, share, 0)[0]) for train, _ in folds(corpus)]
        sizes[str(share)] = round(float(np.mean(kept)), 1)
    report = {
        "corpus": "EmoDB",
        "other": described,
        "protocol": "leave one speaker out; predictions of all speakers pooled; mean "
        "and std over the seeds, which draw the labels and the initial weights",
        "settings": {
            "defaults": "all, but LogisticRegression(C=0.1, class_weight='balanced')",
            "seeds": list(range(args.seeds)),
            "labelled_utterances": sizes,
            "threads": 1,
        },
        "platform": platform.platform(),
        **environment(PACKAGES),
        "curve": rows,
        "reconstruction_error": error,
    }
    write(args.out, report)
    draw(rows, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
