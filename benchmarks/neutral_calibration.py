"""How much a few neutral utterances of a new speaker improve the recall.

Leave one speaker out. Of that speaker, k random neutral utterances are enrolled in the
`SpeakerScaler` in front of each method, marked as neutral, and not scored. The
predictions for all speakers are pooled into one UAR for each draw of the utterances and
each seed of the networks.

    python benchmarks/neutral_calibration.py    # writes the JSON, in a few minutes

Networks run with their defaults. The linear models choose C by speaker-disjoint
cross-validation within the training rows. `SpeakerScaler` has its default shrinkage.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from tqdm import tqdm

from advser import AdversarialSER, SiameseSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import enrollment_curve
from advser.metrics import unweighted_average_recall
from advser.objectives import MaxEntropy

COUNTS = [0, 1, 3]
C = [0.001, 0.01, 0.1, 1.0]
CLIP = 3.0  # of the scaled features
RESULTS = Path(__file__).parent / "results" / "neutral_calibration.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]


def chosen(model):
    """Return a search for the C of a linear model on the training speakers."""
    scorer = make_scorer(unweighted_average_recall)
    return GridSearchCV(model, {"C": C}, scoring=scorer, cv=GroupKFold(5))


METHODS = {
    "SiameseSER": SiameseSER(),
    "AdversarialSER": AdversarialSER(MaxEntropy(0.5)),
    "logistic regression": chosen(
        LogisticRegression(class_weight="balanced", max_iter=5000, random_state=0)
    ),
    "linear SVM": chosen(SVC(kernel="linear", class_weight="balanced", random_state=0)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=20, help="of the utterances")
    parser.add_argument("--seeds", type=int, default=5, help="of the networks")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    X, y, speakers = load_emodb(return_X_y_speakers=True)
    results = []
    for name, classifier in tqdm(METHODS.items()):
        model = make_pipeline(SpeakerScaler(clip=CLIP), classifier)
        is_random = isinstance(classifier, AdversarialSER | SiameseSER)
        curves = [
            enrollment_curve(
                model,
                *(X, y, speakers),
                k=COUNTS,
                neutral=True,
                repeats=args.draws,
                random_state=seed,
                n_jobs=args.n_jobs,
            )
            for seed in range(args.seeds if is_random else 1)
        ]
        for k in COUNTS:
            uar = [curve.loc[curve["k"] == k, "uar"].to_numpy() for curve in curves]
            uar = np.array(uar)  # (n_seeds, n_draws)
            row = {"method": f"SpeakerScaler, {name}", "k": k}
            row |= {"uar": round(uar.mean(), 4), "std": round(uar.std(), 4)}
            row["by_seed"] = uar.mean(axis=1).round(4).tolist()
            results.append(row)
    print(pd.DataFrame(results).drop(columns="by_seed").to_string(index=False))
    n_neutral = pd.Series(y == "neutral").groupby(speakers).sum()
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; predictions of all speakers pooled; "
        "enrolled utterances are neutral, marked as neutral, and not scored; std over "
        "seeds and draws",
        "settings": {
            "seeds": args.seeds,
            "draws": args.draws,
            "C": C,
            "clip": CLIP,
            "neutral_utterances_by_speaker": n_neutral.tolist(),
            "networks": "defaults",
            "threads": 1,
        },
        "platform": platform.platform(),
        **environment(PACKAGES),
        "results": results,
    }
    write(args.out, report)


if __name__ == "__main__":
    main()
