"""How much a few utterances of a new speaker are worth.

Leave one speaker out: logistic regression on rows scaled by speaker. Of the speaker
left out, k random utterances are enrolled, without their emotions, and never scored.
The predictions for all speakers are pooled into one UAR, once for each random draw.

    python benchmarks/enrolment.py                  # EmoDB; writes the JSON
    python benchmarks/enrolment.py --table my.csv   # another corpus; prints only

A table has the columns "speaker" and "emotion"; its numeric columns are the features.

Two ways to set `shrinkage`, `clip` and C are shown: round values near the best mean of
the inner folds, the same for all speakers, and a nested choice, in which the others,
left out in turn among themselves, decide for each speaker. The best of many candidates
on nine speakers is a noisy choice, and a cautious one: what is best without a speaker
tends to be worse with them.
"""

import argparse
import copy
import itertools
import json
import platform
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from threadpoolctl import threadpool_limits

import advser
from advser.datasets import load_emodb
from advser.scaling import SpeakerScaler

ENROLLED = [0, 1, 2, 5, 10, 20]
NEUTRAL = [1, 2, 3]
FIXED = {"shrinkage": SpeakerScaler().shrinkage, "clip": 3.0, "C": 0.1}
CANDIDATES = {
    "shrinkage": [2.0, 5.0, 10.0],
    "clip": [None, 3.0, 2.0],
    "C": [0.03, 0.1, 0.3],
}
SEED = 0
INNER_REPEATS = 3
RESULTS = Path(__file__).parent / "results" / "enrolment.json"


class Corpus:
    """Features, emotions and speakers, and the random order of each one's rows."""

    def __init__(self, X, y, speakers):
        self.X, self.y, self.speakers = X, np.asarray(y), np.asarray(speakers)
        self.names = np.unique(self.speakers)

    def without(self, *names):
        """Return the mask of the rows of all other speakers."""
        return ~np.isin(self.speakers, names)

    def order(self, name, repeat, *, neutral=False):
        """Return the speaker's rows in the random order in which they are enrolled."""
        own = self.speakers == name
        rows = np.flatnonzero(own & (self.y == "neutral") if neutral else own)
        position = int(np.searchsorted(self.names, name))
        return np.random.default_rng([SEED, repeat, position]).permutation(rows)


class Model:
    """Scaler and classifier, fitted to the rows of some speakers."""

    def __init__(self, corpus, train, *, shrinkage, clip, C):
        X, y, speakers = (a[train] for a in (corpus.X, corpus.y, corpus.speakers))
        self.corpus = corpus
        self.scaler = SpeakerScaler(shrinkage=shrinkage, clip=clip)
        self.classifier = LogisticRegression(
            C=C, class_weight="balanced", max_iter=5000
        )
        self.classifier.fit(self.scaler.fit_transform(X, y, speakers), y)

    def predict(self, name, enrolled, *, neutral=False, scored=None):
        """Return the rows to score of a new speaker, and the emotions predicted."""
        scaler = copy.deepcopy(self.scaler)
        if len(enrolled):
            scaler.enroll(self.corpus.X[enrolled], [name] * len(enrolled), neutral)
        if scored is None:
            own = np.flatnonzero(self.corpus.speakers == name)
            scored = np.setdiff1d(own, enrolled)
        X = scaler.transform(self.corpus.X[scored], [name] * len(scored))
        return scored, self.classifier.predict(X)


def uar(corpus, predictions):
    """Return the UAR of the predictions of all speakers, pooled."""
    rows, predicted = map(np.concatenate, zip(*predictions, strict=True))
    return recall_score(corpus.y[rows], predicted, average="macro")


def curve(corpus, models, repeats, *, counts, neutral=False, told=False):
    """Return the UAR for each number of enrolled utterances and each repeat.

    `models` has the model of each speaker left out.
    """
    scores = np.empty((len(counts), repeats))
    for (i, k), repeat in itertools.product(enumerate(counts), range(repeats)):
        scores[i, repeat] = uar(
            corpus,
            [
                model.predict(
                    name,
                    corpus.order(name, repeat, neutral=neutral)[:k],
                    neutral=told,
                )
                for name, model in models.items()
                if np.sum(corpus.speakers == name) > k
            ],
        )
    return scores


def inner_predictions(corpus, pair, settings):
    """Return, for either speaker of the pair, the predictions by all but the two."""
    model = Model(corpus, corpus.without(*pair), **settings)
    return {
        (name, k, repeat): model.predict(name, corpus.order(name, 1000 + repeat)[:k])
        for name in pair
        for k in ENROLLED
        for repeat in range(INNER_REPEATS)
    }


def choose(corpus, n_jobs):
    """Return the candidate of best mean inner UAR for each speaker left out."""
    candidates = [
        dict(zip(CANDIDATES, values, strict=True))
        for values in itertools.product(*CANDIDATES.values())
    ]
    pairs = list(itertools.combinations(corpus.names, 2))
    inner_scores = np.empty((len(candidates), len(corpus.names)))
    for i, candidate in enumerate(candidates):
        predictions = dict(
            zip(
                pairs,
                joblib.Parallel(n_jobs)(
                    joblib.delayed(inner_predictions)(corpus, pair, candidate)
                    for pair in pairs
                ),
                strict=True,
            )
        )
        for j, left_out in enumerate(corpus.names):
            inner_scores[i, j] = np.mean(
                [
                    uar(
                        corpus,
                        [
                            predictions[pair][name, k, repeat]
                            for pair in pairs
                            if left_out in pair
                            for name in pair
                            if name != left_out
                        ],
                    )
                    for k in ENROLLED
                    for repeat in range(INNER_REPEATS)
                ]
            )
    best = inner_scores.argmax(axis=0)
    chosen = {name: candidates[i] for name, i in zip(corpus.names, best, strict=True)}
    means = [
        candidate | {"uar": round(float(score), 4)}
        for candidate, score in zip(candidates, inner_scores.mean(axis=1), strict=True)
    ]
    return chosen, means


def leave_one_out(corpus, settings):
    """Return the model of all others for each speaker."""
    return {
        name: Model(corpus, corpus.without(name), **settings[name])
        for name in corpus.names
    }


def rows(label, counts, scores):
    return [
        {
            "enrolled": label,
            "k": k,
            "uar": round(float(by_repeat.mean()), 4),
            "std": round(float(by_repeat.std(ddof=1)), 4),
        }
        for k, by_repeat in zip(counts, scores, strict=True)
    ]


def table(corpus, settings, repeats):
    """Return the results of all scenarios with the given settings."""
    models = leave_one_out(corpus, settings)
    results = rows(
        "any utterances", ENROLLED, curve(corpus, models, repeats, counts=ENROLLED)
    )
    if all(np.sum(corpus.y[~corpus.without(s)] == "neutral") > 3 for s in corpus.names):
        for told in (False, True):
            label = f"neutral utterances, {'' if told else 'not '}told to be"
            scores = curve(
                corpus, models, repeats, counts=NEUTRAL, neutral=True, told=told
            )
            results += rows(label, NEUTRAL, scores)
    everything = [
        model.predict(name, (own := corpus.order(name, 0)), scored=own)
        for name, model in models.items()
    ]
    results.append(
        {
            "enrolled": "all that is scored (transductive)",
            "k": None,
            "uar": round(float(uar(corpus, everything)), 4),
            "std": None,
        }
    )
    return results


def show(title, results):
    print(f"\n{title}")
    frame = pd.DataFrame(results).astype({"k": "Int64"})
    print(frame.to_string(index=False, na_rep=""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", type=Path, help="CSV of another corpus")
    parser.add_argument("--repeats", type=int, default=20, help="random draws")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON for EmoDB")
    args = parser.parse_args()
    if args.table:
        frame = pd.read_csv(args.table, dtype={"speaker": str, "emotion": str})
        X = frame.select_dtypes("number").to_numpy()
        corpus = Corpus(X, frame["emotion"], frame["speaker"])
    else:
        corpus = Corpus(*load_emodb(return_X_y_speakers=True))

    fixed = table(corpus, dict.fromkeys(corpus.names, FIXED), args.repeats)
    show(f"UAR with {FIXED} for every speaker", fixed)
    if args.table:
        return
    chosen, inner = choose(corpus, args.n_jobs)
    nested = table(corpus, chosen, args.repeats)
    show("UAR with what the other speakers chose", nested)
    sensitivity = []
    for name, values in CANDIDATES.items():
        for value in values:
            if value == FIXED[name]:
                continue
            settings = FIXED | {name: value}
            models = leave_one_out(corpus, dict.fromkeys(corpus.names, settings))
            scores = curve(corpus, models, args.repeats, counts=ENROLLED)
            results = rows("any utterances", ENROLLED, scores)
            sensitivity += [settings | row for row in results]
    show("UAR around the fixed values", sensitivity)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    versions = {"advser": advser.__version__, "python": platform.python_version()}
    versions |= {lib.__name__: lib.__version__ for lib in (np, pd, sklearn)}
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances not scored; std over the random draws",
        "settings": {
            "classifier": "LogisticRegression(class_weight='balanced')",
            "fixed": FIXED,
            "candidates": CANDIDATES,
            "selection": "largest inner leave-one-speaker-out UAR, mean over k and "
            f"{INNER_REPEATS} draws, without the speaker that is scored",
            "seed": SEED,
            "repeats": args.repeats,
            "blas_threads": 1,
        },
        "versions": versions,
        "fixed": fixed,
        "nested": nested,
        "chosen": {str(name): settings for name, settings in chosen.items()},
        "inner_uar": inner,
        "sensitivity": sensitivity,
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {args.out}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
