"""Which weight of the prior the autoencoder should have.

Five folds of EmoDB by speaker. In each, and for each seed, the weight is chosen by five
speaker-disjoint folds of its training rows; the grid holds every default that was
considered. Then the network with each weight, otherwise with its defaults, is tested on
the folds, and on another corpus that was not used for the choice.

    python benchmarks/autoencoder_weights.py
    python benchmarks/autoencoder_weights.py --other urdu.csv

The other table has the columns "speaker" and "emotion"; its numeric columns are the
features.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
from _report import environment, write
from sklearn.model_selection import GroupKFold

from advser import AdversarialSER, AutoencoderSER
from advser.datasets import load_emodb
from advser.evaluation import compare

GRID = {"prior_weight": [0.0, 0.03, 0.1, 0.3, 1.0]}
N_FOLDS = {"EmoDB": 5, "URDU": 10}
RESULTS = Path(__file__).parent / "results" / "autoencoder_weights.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]


def choices(X, y, speakers, seeds):
    """Return how often each setting was chosen: a list of dict."""
    found = compare(
        {"autoencoder": AutoencoderSER()},
        X,
        y,
        speakers,
        cv=GroupKFold(N_FOLDS["EmoDB"]),
        seeds=seeds,
        probes=[],
        search={"autoencoder": GRID},
        verbose=1,
    )
    counts = found.scores["chosen"].value_counts()
    return [{**json.loads(chosen), "times": int(n)} for chosen, n in counts.items()]


def recalls(corpus, X, y, speakers, seeds):
    """Return the recall of each prior weight, and of the plain network, as a table."""
    estimators = {"network": AdversarialSER(None)}
    for weight in GRID["prior_weight"]:
        estimators[f"prior_weight={weight}"] = AutoencoderSER(prior_weight=weight)
    found = compare(
        estimators,
        X,
        y,
        speakers,
        cv=GroupKFold(N_FOLDS[corpus]),
        seeds=seeds,
        probes=[],
        verbose=1,
    )
    by_seed = found.by_seed()["uar"].groupby("estimator", sort=False)
    table = by_seed.agg(uar="mean", std="std").round(4).reset_index()
    print(corpus, table, sep="\n")
    return json.loads(table.to_json(orient="records"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--other", type=Path, help="CSV of features of URDU")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    emodb = load_emodb(return_X_y_speakers=True)
    report = {
        "protocol": "GroupKFold by speaker; UAR of the predictions of all folds "
        "together, std over seeds; the settings chosen by the mean UAR of five "
        "speaker-disjoint inner folds",
        "n_folds": N_FOLDS,
        "seeds": list(range(args.seeds)),
        "grid": GRID,
        "chosen": choices(*emodb, args.seeds),
        "recalls": {"EmoDB": recalls("EmoDB", *emodb, args.seeds)},
        **environment(PACKAGES),
    }
    print(pd.DataFrame(report["chosen"]))
    if args.other is None:
        print("URDU is left out; pass its table as --other.")
    else:
        frame = pd.read_csv(args.other, dtype={"speaker": str, "emotion": str})
        other = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
        report["recalls"]["URDU"] = recalls("URDU", *other, args.seeds)
    write(args.out, report)


if __name__ == "__main__":
    main()
