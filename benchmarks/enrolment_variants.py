"""Ways to learn a speaker's statistics: all that were tried.

Leave one speaker out of EmoDB; k of their utterances are enrolled and not scored, as in
`enrolment.py`, but with one setting of logistic regression for all: the variants differ
in the scaler only.

    python benchmarks/enrolment_variants.py         # writes the JSON
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from advser import SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import enrollment_curve

RESULTS = Path(__file__).parent / "results" / "enrolment_variants.json"
PACKAGES = ["advser", "numpy", "scikit-learn"]
ANY = [0, 1, 2, 5, 10, 20, "all"]
NEUTRAL = [1, 2, 3]


class OnePseudoCount(SpeakerScaler):
    """The mean of the features' signal is that of all."""

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Learn one pseudo-count."""
        super().fit(X, y, speakers, groups=groups)
        one = 1 / np.mean(1 / self.shrinkage_)
        self.shrinkage_ = np.full_like(self.shrinkage_, one)
        return self


class OwnStatistics(SpeakerScaler):
    """Scales by the statistics that a subclass computes."""

    def transform(self, X, speakers=None, *, groups=None):
        """Scale each row by the statistics of its speaker."""
        codes, names = pd.factorize(np.asarray(speakers, dtype=object))
        place = pd.Index(self.speakers_, dtype=object).get_indexer(names)
        counts = np.where(place >= 0, self.counts_[place], 0)[:, None]
        mean, scale = self.statistics(
            counts, self.means_[place], np.sqrt(self.variances_[place])
        )
        return np.clip((X - mean[codes]) / scale[codes], -self.clip, self.clip)

    def statistics(self, counts, means, scales):
        """Return mean and scale, from those of the known utterances."""
        share = counts / (counts + self.shrinkage_)
        shift = means - self.population_mean_
        prior = self.population_scale_**2
        variance = prior + share * (scales**2 - prior) + share * (1 - share) * shift**2
        return self.population_mean_ + share * shift, np.sqrt(variance)


class PopulationScale(OwnStatistics):
    """Only the mean is the speaker's own."""

    def statistics(self, counts, means, scales):
        """Return the mean as usual, and the scale of the population."""
        mean, _ = super().statistics(counts, means, scales)
        return mean, np.broadcast_to(self.population_scale_, mean.shape)


class SlowScale(OwnStatistics):
    """The scale has a pseudo-count of its own: 20."""

    def statistics(self, counts, means, scales):
        """Return the mean as usual, and a scale that changes slowly."""
        mean, _ = super().statistics(counts, means, scales)
        share, prior = counts / (counts + 20), self.population_scale_**2
        return mean, np.sqrt(prior + share * (scales**2 - prior))


class AllFeatures(OwnStatistics):
    """The mean by all features together: covariances, half of those between speakers.

    What one feature says about the speaker, their gender for instance, changes all.
    """

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Learn the covariances within and between speakers, in units of the scale."""
        super().fit(X, y, speakers, groups=groups)
        z = pd.DataFrame(np.asarray(X) / self.population_scale_).groupby(speakers)
        residuals = z.transform(lambda rows: rows - rows.mean())
        within = residuals.T.to_numpy() @ residuals / (len(X) - z.ngroups)
        within = within.to_numpy()
        between = np.cov(z.mean().T)
        spread = np.diag(between) - np.diag(within) * np.mean(1 / z.size())
        self.between_ = 0.5 * between + 0.5 * np.diag(np.maximum(spread, 1e-3))
        self.within_ = 0.9 * within + 0.1 * np.diag(np.diag(within))
        return self

    def statistics(self, counts, means, scales):
        """Return the mean by all features together, and the scale."""
        _, scale = super().statistics(counts, means, scales)
        mean = np.tile(self.population_mean_, (len(counts), 1))
        for row in np.flatnonzero(counts):
            noise = self.between_ + self.within_ / counts[row]
            shift = (means[row] - mean[row]) / self.population_scale_
            shift = self.between_ @ np.linalg.solve(noise, shift)
            mean[row] += shift * self.population_scale_
        return mean, scale


class KnownInTraining(SpeakerScaler):
    """The emotions of training rows are those of y, and estimated at enrolment only."""

    def fit(self, X, y=None, speakers=None, *, groups=None):
        """Subtract from the training speakers' means what their emotions add."""
        super().fit(X, y, speakers, groups=groups)
        of_speakers = (np.asarray(speakers)[:, None] == self.speakers_).astype(float)
        names = np.unique(y)
        # The effects of the emotions sum to 0.
        of_emotions = (np.asarray(y)[:, None] == names[1:]).astype(float)
        of_emotions -= (np.asarray(y) == names[0])[:, None]
        design = np.hstack([of_speakers, of_emotions])
        self.means_ = np.linalg.lstsq(design, X)[0][: len(self.speakers_)]
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
            known = (order <= [1, 2, 5, 10, 20][draw % 5]).to_numpy()
            self.scaler.enroll(X[known], names[known])
            rows.append(self.scaler.transform(X[~known], names[~known]))
            labels.append(y[~known])
            weights.append(np.full((~known).sum(), 1 / 15))
        self.classifier.fit(*map(np.concatenate, (rows, labels, weights)))
        self.classes_ = self.classifier.classes_
        return self

    def enroll(self, X, speakers, neutral=None):
        """Enrol speakers in the scaler."""
        self.scaler.enroll(X, speakers, neutral)
        return self

    def predict(self, X, speakers=None):
        """Predict the emotions of rows of these speakers."""
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
    "auto, balance, true emotions in training": KnownInTraining(balance=True, **AUTO),
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
        **environment(PACKAGES),
        "results": json.loads(results.to_json(orient="records")),
    }
    write(args.out, report)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
