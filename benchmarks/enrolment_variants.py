"""Which way to learn a speaker's statistics is best: all that were tried.

Leave one speaker out of EmoDB, k utterances of theirs enrolled and never scored, as in
`enrolment.py`, but with one setting of logistic regression for all: the variants differ
in the scaler alone, which shares nothing with the speaker left out but the enrolment.

    python benchmarks/enrolment_variants.py         # writes the JSON
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from advser import SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import enrollment_curve
from advser.speakers._moments import moments

RESULTS = Path(__file__).parent / "results" / "enrolment_variants.json"
PACKAGES = ["advser", "numpy", "scikit-learn"]
ANY = [0, 1, 2, 5, 10, 20, "all"]
NEUTRAL = [1, 2, 3]


class OnePseudoCount(SpeakerScaler):
    """The mean of the features' signal is that of all."""

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Learn one pseudo-count."""
        super().fit(X, y, speakers, groups=groups)
        self.shrinkage_ = np.full_like(
            self.shrinkage_, 1 / np.mean(1 / self.shrinkage_)
        )
        return self


class PopulationScale(SpeakerScaler):
    """Only the mean is the speaker's own."""

    def _shrink(self, counts, means, variances):
        mean, _ = super()._shrink(counts, means, variances)
        return mean, np.broadcast_to(self.population_scale_**2, mean.shape)


class SlowScale(SpeakerScaler):
    """The scale has a pseudo-count of its own: 20."""

    def _shrink(self, counts, means, variances):
        mean, _ = super()._shrink(counts, means, variances)
        share = counts / (counts + 20)
        prior = self.population_scale_**2
        return mean, prior + share * (variances - prior)


class AllFeatures(SpeakerScaler):
    """The mean by all features together: covariances, half of those between speakers.

    What one feature tells of the speaker, of their sex for instance, is used for all.
    """

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Learn the covariances within and between speakers, in units of the scale."""
        super().fit(X, y, speakers, groups=groups)
        codes = pd.factorize(speakers)[0]
        counts, means, _ = moments(X, codes)
        n_free = len(X) - len(counts)
        residuals = (X - means[codes]) / self.population_scale_
        within = residuals.T @ residuals / n_free
        between = np.cov((means / self.population_scale_).T)
        spread = np.diag(between) - np.diag(within) * np.mean(1 / counts)
        self._between = 0.5 * between + 0.5 * np.diag(np.maximum(spread, 1e-3))
        self._within = 0.9 * within + 0.1 * np.diag(np.diag(within))
        return self

    def _shrink(self, counts, means, variances):
        mean, variance = super()._shrink(counts, means, variances)
        mean = mean.copy()
        for row in np.flatnonzero(counts[:, 0]):
            noise = self._between + self._within / counts[row]
            shift = (means[row] - self.population_mean_) / self.population_scale_
            shift = self._between @ np.linalg.solve(noise, shift)
            mean[row] = self.population_mean_ + shift * self.population_scale_
        return mean, variance


class ToldInTraining(SpeakerScaler):
    """The emotions of training rows are those of y, and guessed at enrolment only."""

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Take what their emotions add off the training speakers' means."""
        super().fit(X, y, speakers, groups=groups)
        effects = self._emotions.effects[pd.factorize(y)[0]]
        self.means_ = moments(X - effects, pd.factorize(speakers)[0])[1]
        return self


class Augmented(ClassifierMixin, BaseEstimator):
    """Training rows also as they are if only k others of their speaker are known."""

    __metadata_request__fit = {"speakers": True}
    __metadata_request__predict = {"speakers": True}

    neutral = "neutral"

    def __init__(self, scaler, classifier=None):
        self.scaler = scaler
        self.classifier = classifier

    def fit(self, X, y, speakers):
        """Train on rows scaled by all, and by 3 draws each of 1, 2, 5, 10 and 20."""
        rng = np.random.default_rng(0)
        rows = [self.scaler.fit_transform(X, y, speakers)]
        labels, weights = [y], [np.ones(len(y))]
        for draw in range(15):
            names = np.array([f"{name} {draw}" for name in speakers], dtype=object)
            order = pd.Series(rng.permutation(len(X))).groupby(speakers).rank()
            met = (order <= [1, 2, 5, 10, 20][draw % 5]).to_numpy()
            self.scaler.enroll(X[met], names[met])
            rows.append(self.scaler.transform(X[~met], names[~met]))
            labels.append(y[~met])
            weights.append(np.full((~met).sum(), 1 / 15))
        self.classifier.fit(*map(np.concatenate, (rows, labels, weights)))
        self.classes_ = self.classifier.classes_
        return self

    def enroll(self, X, speakers, neutral=None):
        """Introduce speakers to the scaler."""
        self.scaler.enroll(X, speakers, neutral)
        return self

    def predict(self, X, speakers=None):
        """Recognise rows of these speakers."""
        return self.classifier.predict(self.scaler.transform(X, speakers))


AUTO = {"shrinkage": "auto", "clip": 3.0}
VARIANTS = {
    "shrinkage 2": SpeakerScaler(shrinkage=2.0, clip=3.0),
    "shrinkage 5": SpeakerScaler(clip=3.0),
    "shrinkage 10": SpeakerScaler(shrinkage=10.0, clip=3.0),
    "shrinkage 5, balance": SpeakerScaler(balance=True, clip=3.0),
    "auto, one for all features": OnePseudoCount(**AUTO),
    "auto": SpeakerScaler(**AUTO),
    "auto, scale of the population": PopulationScale(**AUTO),
    "auto, scale by 20": SlowScale(**AUTO),
    "all features together": AllFeatures(clip=3.0),
    "auto, augmented": Augmented(SpeakerScaler(**AUTO)),
    "auto, balance": SpeakerScaler(balance=True, **AUTO),
    "auto, balance, clip 2": SpeakerScaler(shrinkage="auto", balance=True, clip=2.0),
    "auto, balance, no clip": SpeakerScaler(shrinkage="auto", balance=True),
    "auto, balance, told in training": ToldInTraining(balance=True, **AUTO),
    "auto, balance, augmented": Augmented(SpeakerScaler(balance=True, **AUTO)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=20, help="random draws")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    corpus = load_emodb(return_X_y_speakers=True)
    results = []
    for name, scaler in tqdm(VARIANTS.items()):
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
        if isinstance(scaler, Augmented):
            estimator = scaler.set_params(classifier=model)
        else:
            estimator = make_pipeline(scaler, model)
        for neutral, k in ((False, ANY), (True, NEUTRAL)):
            curve = enrollment_curve(
                estimator, *corpus, k=k, neutral=neutral, repeats=args.repeats
            )
            uar = curve.groupby("k", sort=False)["uar"]
            for number, draws in uar:
                results.append(
                    {
                        "variant": name,
                        "enrolled": "neutral" if neutral else "any",
                        "k": number,
                        "uar": draws.mean(),
                        "std": draws.std(),
                    }
                )
    results = pd.DataFrame(results).round(4)
    wide = results.pivot(index="variant", columns=["enrolled", "k"], values="uar")
    print(wide.loc[list(VARIANTS)].to_string())
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances not scored, but for k = all; std over random draws",
        "settings": {
            "classifier": "LogisticRegression(C=0.1, class_weight='balanced'), for all",
            "clip": "3 unless said otherwise",
            "repeats": args.repeats,
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "results": json.loads(results.to_json(orient="records")),
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {args.out}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
