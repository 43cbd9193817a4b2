"""How much a few utterances of a new speaker are worth.

Leave one speaker out, k random utterances of theirs enrolled and never scored. The
linear classifier has round settings, the same for all speakers, near the best mean of
inner folds; beside it is a nested choice, in which the other speakers, left out and
enrolled in turn among themselves, decide for each. The best of many candidates on nine
speakers is a noisy choice. The networks have the settings of their defaults.

    python benchmarks/enrolment.py                  # EmoDB; writes the JSON
    python benchmarks/enrolment.py --table my.csv   # another corpus; prints only

A table has the columns "speaker" and "emotion"; its numeric columns are the features.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.enrollment import EnrollmentScorer, enrollment_curve

ENROLLED = [0, 1, 2, 5, 10, 20, "all"]
NEUTRAL = [1, 2, 3]
CANDIDATES = {
    "speakerscaler__shrinkage": [2.0, 5.0, 10.0],
    "speakerscaler__clip": [None, 3.0, 2.0],
    "logisticregression__C": [0.03, 0.1, 0.3],
}
NETWORK_SEEDS = 5
RESULTS = Path(__file__).parent / "results" / "enrolment.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]


def linear():
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    return make_pipeline(SpeakerScaler(clip=3.0), classifier)


def nested():
    """Return the search for the settings of the linear classifier."""
    return GridSearchCV(
        linear(),
        CANDIDATES,
        scoring=EnrollmentScorer(k=[0, 1, 2, 5, 10, 20], repeats=2),
        cv=LeaveOneGroupOut(),
    )


def network(adversary):
    return make_pipeline(SpeakerScaler(clip=3.0), AdversarialSER(adversary))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--table", type=Path, help="CSV of another corpus")
    parser.add_argument("--repeats", type=int, default=20, help="random draws")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON for EmoDB")
    args = parser.parse_args()
    if args.table:
        frame = pd.read_csv(args.table, dtype={"speaker": str, "emotion": str})
        corpus = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
    else:
        corpus = load_emodb(return_X_y_speakers=True, as_frame=True)

    shared = {"n_jobs": args.n_jobs, "verbose": 1}
    scenarios = [
        ("linear", linear(), ENROLLED, False, [0]),
        ("linear, nested choice", nested(), ENROLLED, False, [0]),
        ("network", network(None), ENROLLED, False, range(NETWORK_SEEDS)),
        ("network, entropy", network("entropy"), ENROLLED, False, range(NETWORK_SEEDS)),
    ]
    if (corpus[1] == "neutral").groupby(corpus[2]).sum().min() > max(NEUTRAL):
        scenarios.append(("linear", linear(), NEUTRAL, True, [0]))
    results = []
    for name, estimator, counts, neutral, seeds in scenarios:
        curves = [
            enrollment_curve(
                estimator,
                *corpus,
                k=counts,
                neutral=neutral,
                repeats=max(1, args.repeats // len(seeds)),
                random_state=seed,
                **shared,
            )
            for seed in seeds
        ]
        curve = pd.concat(curves)
        for k, draws in curve.groupby("k", sort=False):
            results.append(
                {
                    "classifier": name,
                    "enrolled": "neutral" if neutral else "any",
                    "k": k,
                    "transductive": bool(draws["transductive"].iloc[0]),
                    "uar": draws["uar"].mean(),
                    "std": draws["uar"].std(),
                }
            )
    results = pd.DataFrame(results).round(4)
    print(results.to_string(index=False, na_rep=""))
    if args.table:
        return
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances not scored, but for k = all; std over random draws, and "
        "over seeds where there are several",
        "settings": {
            "linear": "SpeakerScaler(clip=3), "
            "LogisticRegression(C=0.1, class_weight='balanced')",
            "candidates": CANDIDATES,
            "selection": "largest mean UAR of the other speakers, left out and "
            "enrolled in turn, over k from 0 to 20 and 2 draws",
            "network": "SpeakerScaler(clip=3), AdversarialSER(None) and ('entropy')",
            "network_seeds": NETWORK_SEEDS,
            "repeats": args.repeats,
            "threads": 1,
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
