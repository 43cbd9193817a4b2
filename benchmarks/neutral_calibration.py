"""What a few neutral utterances of a new speaker are worth to SiameseSER and others.

Leave one speaker out. Of that speaker, k random neutral utterances are enrolled, and
never scored; all methods get the same ones, and are told that they are neutral. The
predictions for all speakers are pooled into one UAR, once for each draw of the
utterances and each seed of the networks. Who has fewer than k is enrolled with all.

    python benchmarks/neutral_calibration.py    # writes the JSON, in a few minutes

Networks run with their defaults. The linear models choose C by speaker-disjoint
cross-validation within the training rows. `SpeakerScaler` has its default shrinkage,
and the bound of the scaled values that is the default of `SiameseSER`.
"""

import argparse
import itertools
import json
import platform
from pathlib import Path
from time import perf_counter

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import advser
from advser import AdversarialSER, SiameseSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.methods._siamese import neutral_offsets
from advser.metrics import unweighted_average_recall

COUNTS = [0, 1, 3, 5]
C = [0.001, 0.01, 0.1, 1.0]
RESULTS = Path(__file__).parent / "results" / "neutral_calibration.json"


class Siamese:
    """SiameseSER with its own enrolment."""

    def __init__(self, seed):
        self.model = SiameseSER(random_state=seed)

    def fit(self, X, y, speakers):
        """Train on the rows of all speakers but one."""
        self.model.fit(X, y, speakers=speakers)
        return self

    def predict(self, X, met, name):
        """Recognise the rows of a new speaker of this name, of whom some were met."""
        if len(met):
            self.model.enroll(met, speakers=[name] * len(met))
        return self.model.predict(X, speakers=[name] * len(X))


class Untrained(Siamese):
    """SiameseSER that gets the same offsets without having been trained with them."""

    def __init__(self, seed):
        self.model = SiameseSER(enrollable=False, random_state=seed)

    def predict(self, X, met, name):
        """Recognise the rows of a new speaker, of whom some were met."""
        if len(met):
            counts, means = np.array([len(met)]), met.mean(axis=0)[None]
            known = self.model.neutral_mean_, self.model.neutral_shrinkage_
            X = (X - neutral_offsets(counts, means, *known)).astype(X.dtype)
        return self.model.predict(X)


class Scaled:
    """A classifier behind SpeakerScaler."""

    def __init__(self, classifier, fit_params):
        self.scaler = SpeakerScaler(clip=SiameseSER().clip)
        self.classifier, self.fit_params = classifier, fit_params

    def fit(self, X, y, speakers):
        """Train on the rows of all speakers but one."""
        scaled = self.scaler.fit_transform(X, y, speakers=speakers)
        self.classifier.fit(scaled, y, **dict.fromkeys(self.fit_params, speakers))
        return self

    def predict(self, X, met, name):
        """Recognise the rows of a new speaker of this name, of whom some were met."""
        if len(met):
            self.scaler.enroll(met, [name] * len(met), neutral=True)
        return self.classifier.predict(self.scaler.transform(X, [name] * len(X)))


def chosen(model):
    """Return the linear model that chooses C on the training speakers."""
    return GridSearchCV(
        model,
        {"C": C},
        scoring=make_scorer(unweighted_average_recall),
        cv=GroupKFold(5),
    )


def logistic(seed):
    model = LogisticRegression(class_weight="balanced", max_iter=5000)
    return Scaled(chosen(model), ["groups"])


def svm(seed):
    return Scaled(chosen(SVC(kernel="linear", class_weight="balanced")), ["groups"])


def adversarial(seed):
    ser = AdversarialSER("entropy", adversary_weight=0.5, random_state=seed)
    return Scaled(ser, ["speakers"])


def scaled_siamese(seed):
    return Scaled(SiameseSER(enrollable=False, random_state=seed), ["speakers"])


METHODS = {
    "SiameseSER, enrol": Siamese,
    "SiameseSER, not trained for it": Untrained,
    "SpeakerScaler, SiameseSER": scaled_siamese,
    "SpeakerScaler, AdversarialSER": adversarial,
    "SpeakerScaler, logistic regression": logistic,
    "SpeakerScaler, linear SVM": svm,
}
WITHOUT_SEED = {"SpeakerScaler, logistic regression", "SpeakerScaler, linear SVM"}


def enrolled_rows(y, speakers, name, draw):
    """Return the speaker's neutral rows in the random order of a draw."""
    rows = np.flatnonzero((speakers == name) & (y == "neutral"))
    position = int(np.searchsorted(np.unique(speakers), name))
    return np.random.default_rng([draw, position]).permutation(rows)


def recalls(method, seed, X, y, speakers, draws):
    """Return the UAR by number of enrolled utterances and draw."""
    predicted = {key: [] for key in itertools.product(COUNTS, range(draws))}
    for name in np.unique(speakers):
        own = np.flatnonzero(speakers == name)
        others = speakers != name
        model = METHODS[method](seed).fit(X[others], y[others], speakers[others])
        for count, draw in predicted:
            met = enrolled_rows(y, speakers, name, draw)[:count]
            scored = np.setdiff1d(own, met)
            found = model.predict(X[scored], X[met], f"{count} of draw {draw}")
            predicted[count, draw].append((y[scored], found))
    return {
        key: unweighted_average_recall(*map(np.concatenate, zip(*pairs)))
        for key, pairs in predicted.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=20, help="of the utterances")
    parser.add_argument("--seeds", type=int, default=5, help="of the networks")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    n_neutral = [len(enrolled_rows(y, speakers, s, 0)) for s in np.unique(speakers)]
    start = perf_counter()
    results = []
    progress = tqdm(total=len(METHODS) * args.seeds)
    for method in METHODS:
        seeds = 1 if method in WITHOUT_SEED else args.seeds
        scores = []
        for seed in range(seeds):
            scores.append(recalls(method, seed, X, y, speakers, args.draws))
            progress.update(args.seeds // seeds)
        for count in COUNTS:
            uar = np.array(
                [[of[count, draw] for draw in range(args.draws)] for of in scores]
            )  # (n_seeds, n_draws)
            row = {"method": method, "k": count, "uar": round(float(uar.mean()), 4)}
            row["std"] = round(float(uar.std()), 4)
            row["by_seed"] = np.round(uar.mean(axis=1), 4).tolist()
            results.append(row)
            tqdm.write(f"{method:36} {count}  {row['uar']:.3f} ± {row['std']:.3f}")
    progress.close()
    versions = {"advser": advser.__version__, "python": platform.python_version()}
    versions |= {lib.__name__: lib.__version__ for lib in (np, sklearn, torch)}
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances are neutral, known to be, and not scored; std over seeds "
        "and draws",
        "settings": {
            "seeds": args.seeds,
            "draws": args.draws,
            "C": C,
            "clip": SiameseSER().clip,
            "neutral_utterances_by_speaker": n_neutral,
            "networks": "defaults",
            "blas_threads": 1,
        },
        "platform": platform.platform(),
        "versions": versions,
        "seconds": round(perf_counter() - start, 1),
        "results": results,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {args.out}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main()
