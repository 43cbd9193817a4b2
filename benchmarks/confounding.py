"""What it costs to hide the speaker where the speaker determines the emotion.

GroupKFold by speaker: the network without adversary, and each objective, over all
emotions and conditional on them, with several weights. Nothing is chosen: every setting
has its row. URDU, with one emotion from 26 of its 29 speakers, is the test case.

    python benchmarks/confounding.py urdu.csv     # writes the JSON
    python benchmarks/confounding.py urdu.csv --only entropy    # replaces its rows

The table has the columns "speaker" and "emotion"; its numeric columns are the features.
"""

import argparse
import json
import warnings
from itertools import product
from pathlib import Path

import pandas as pd
from _report import environment, write
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

from advser import AdversarialSER, ConfoundedSpeakersWarning
from advser.evaluation import compare
from advser.objectives import ClosedForm, GradientReversal, MaxEntropy
from advser.speakers import speaker_confounding

OBJECTIVES = {
    "grl": GradientReversal(bounded=False),
    "grl, bounded": GradientReversal(),
    "entropy": MaxEntropy(),
    "closed_form": ClosedForm(),
}
WEIGHTS = [0.01, 0.03, 0.1, 0.3, 1.0]
N_FOLDS = 10
RESULTS = Path(__file__).parent / "results" / "confounding.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, help="CSV of features")
    parser.add_argument("--corpus", default="URDU", help="its name")
    parser.add_argument("--only", choices=OBJECTIVES, nargs="+", default=[*OBJECTIVES])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    frame = pd.read_csv(args.table, dtype={"speaker": str, "emotion": str})
    X, y, speakers = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
    confounding = speaker_confounding(y, speakers)
    print(confounding)

    settings = {"none": (None, False, 0.0)}
    estimators = {"none": AdversarialSER(None)}
    for setting in product(args.only, (False, True), WEIGHTS):
        objective, conditional, weight = setting
        adversary = clone(OBJECTIVES[objective])
        adversary.set_params(conditional=conditional, weight=weight)
        name = " ".join(map(str, setting))
        settings[name] = setting
        estimators[name] = AdversarialSER(adversary)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfoundedSpeakersWarning)
        comparison = compare(
            estimators,
            X.to_numpy(),
            y,
            speakers,
            cv=GroupKFold(N_FOLDS),
            seeds=args.seeds,
            probes=["logistic"],
            verbose=1,
        )
    by_seed = comparison.by_seed().groupby("estimator", sort=False)
    plain = by_seed.get_group("none")["uar"].droplevel("estimator")
    results = []
    for name, seeds in by_seed:
        adversary, conditional, weight = settings[name]
        loss = seeds["uar"].droplevel("estimator") - plain
        results.append(
            {
                "adversary": adversary,
                "conditional": conditional,
                "weight": weight,
                "uar": seeds["uar"].mean(),
                "std": seeds["uar"].std(),
                "difference": loss.mean(),
                "difference_std": loss.std(),
                "leakage": seeds["leakage_logistic"].mean(),
            }
        )
    results = pd.DataFrame(results).round(4)
    print(results.to_string(index=False))
    results = json.loads(results.to_json(orient="records"))
    if set(args.only) != set(OBJECTIVES):
        results = replaced(json.loads(args.out.read_text("utf-8"))["results"], results)
    report = {
        "corpus": args.corpus,
        "protocol": f"GroupKFold({N_FOLDS}) by speaker; UAR of the predictions of all "
        "folds together; std over seeds; difference to the network without adversary, "
        "seed by seed; leakage by cross_val_leakage",
        "n_samples": len(y),
        "confounding": {
            "adjusted_mutual_information": confounding.adjusted_mutual_information,
            "n_speakers": len(confounding.by_speaker),
            "n_single_emotion": int((confounding.by_speaker["n_emotions"] == 1).sum()),
        },
        "settings": {
            "seeds": list(range(args.seeds)),
            "estimator": "AdversarialSER, otherwise with its defaults",
            "threads": 1,
        },
        "chance": {
            "uar": 1 / y.nunique(),
            "leakage": float(comparison.leakage["chance"].iloc[0]),
        },
        **environment(PACKAGES),
        "results": results,
    }
    write(args.out, report)


def replaced(before, now):
    """Return the rows of an earlier run, those of this one in place of its own."""
    if before[0] != now[0]:
        raise SystemExit(
            f"Without adversary, the earlier run has {before[0]} and this one has "
            f"{now[0]}: they cannot be joined. Run all objectives."
        )
    renewed = {row["adversary"] for row in now}
    return [row for row in before if row["adversary"] not in renewed] + now


if __name__ == "__main__":
    main()
