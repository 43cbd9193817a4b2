"""Results of the network with its defaults and with other settings.

EmoDB, leaving one speaker out, with features standardised over all speakers and by
speaker (transductive). The linear SVM and the network choose among equally many
settings by speaker-disjoint inner folds. The network also runs with its defaults and
with one of them changed at a time. URDU, GroupKFold by speaker, is a check: nothing was
tuned on it.

    python benchmarks/defaults.py urdu.csv     # writes the JSON

The table has the columns "speaker" and "emotion"; its numeric columns are the features.
Without it, the check is left out.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import compare

RESULTS = Path(__file__).parent / "results" / "defaults.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "torch"]
N_FOLDS = 10
N_INNER_FOLDS = 3
BOUND = 2.0
SEARCHED = "network, four settings"
SVMS = ["linear SVM, four C", f"linear SVM, four C, clip={BOUND}"]
C_GRID = {"svc__C": [0.001, 0.01, 0.1, 1.0]}
GRID = {"adversarialser__clip": [None, BOUND], "adversarialser__alpha": [0.01, 0.04]}
VARIANTS = {
    "defaults": {},
    "adversary=None": {"adversary": None},
    "adversary='grl'": {"adversary": "grl"},
    "adversary='entropy'": {"adversary": "entropy"},
    "clip=None": {"clip": None},
    "alpha=0": {"alpha": 0.0},
    "dropout=0.3": {"dropout": 0.3},
    "clip=None, alpha=0, dropout=0.3": {"clip": None, "alpha": 0.0, "dropout": 0.3},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("urdu", type=Path, nargs="?", help="CSV of features")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=None)
    parser.add_argument("--folder", type=Path, help="of the tables, to continue a run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()
    settings = {"probes": [], "seeds": args.seeds, "n_jobs": args.n_jobs, "verbose": 1}

    corpora = {"EmoDB": (load_emodb(return_X_y_speakers=True), "loso")}
    if args.urdu is None or not args.urdu.exists():
        print(f"URDU is left out: there is no table at {args.urdu}.")
    else:
        frame = pd.read_csv(args.urdu, dtype={"speaker": str, "emotion": str})
        table = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
        corpora["URDU"] = table, GroupKFold(N_FOLDS)

    report = {
        "protocol": "EmoDB: leave one speaker out; URDU: "
        f"GroupKFold({N_FOLDS}) by speaker; UAR of the predictions of all folds "
        "together; std over seeds. Per speaker: SpeakerScaler(unknown='batch'), "
        "transductive.",
        "budget": "four settings for each SVM and for the searched network; one for "
        "the others",
        "settings": {
            "seeds": list(range(args.seeds)),
            "grids": {"linear SVM": C_GRID, SEARCHED: GRID},
            "defaults": AdversarialSER().get_params(),
        },
        **environment(PACKAGES),
        "results": [],
    }
    for corpus, ((X, y, speakers), cv) in corpora.items():
        # A speaker of URDU has one emotion: their statistics would remove it.
        for normalisation in ["global", "per speaker"][: 2 if corpus == "EmoDB" else 1]:
            name = f"{corpus}, {normalisation}"
            print(name)
            models = estimators(normalisation)
            search = {SEARCHED: GRID, **dict.fromkeys(SVMS, C_GRID)}
            if corpus != "EmoDB":  # where nothing is chosen but the C of the SVM
                del models[SEARCHED], search[SEARCHED]
            comparison = compare(
                models,
                X,
                y,
                speakers,
                cv=cv,
                search=search,
                inner_cv=N_INNER_FOLDS,
                folder=args.folder and args.folder / name,
                **settings,
            )
            where = {"corpus": corpus, "normalisation": normalisation}
            found = [{**where, **row} for row in rows_of(comparison)]
            print(pd.DataFrame(found).to_string(index=False))
            report["selection"] = comparison.settings["selection"]
            report["results"] += found
            write(args.out, report)


def estimators(normalisation):
    """Return the pipelines of SVMs and networks with their scalers, by name."""
    svm = SVC(kernel="linear", class_weight="balanced", random_state=0)
    plain, bounded = (scalers(normalisation, clip) for clip in (None, BOUND))
    return {
        SVMS[0]: make_pipeline(*plain, svm),
        SVMS[1]: make_pipeline(*bounded, svm),
        SEARCHED: make_pipeline(*plain, AdversarialSER()),
        **{
            name: make_pipeline(*plain, AdversarialSER(**changed))
            for name, changed in VARIANTS.items()
        },
    }


def scalers(normalisation, clip):
    """Return the steps that scale the features, and bound them unless clip is None."""
    if normalisation == "per speaker":
        return [SpeakerScaler(unknown="batch", clip=clip)]
    if clip is None:
        return [StandardScaler()]
    bounds = {"a_min": -clip, "a_max": clip}
    return [StandardScaler(), FunctionTransformer(np.clip, kw_args=bounds)]


def rows_of(comparison):
    """Return the scores of each estimator, and how often it chose which settings."""
    for name, row in comparison.summary().iterrows():
        scores = comparison.scores[comparison.scores["estimator"] == name]
        yield {
            "estimator": name,
            "candidates": int(row["candidates"]),
            "uar": round(row["uar"], 4),
            "std": None if np.isnan(row["uar_std"]) else round(row["uar_std"], 4),
            "low": round(row["uar_low"], 4),
            "high": round(row["uar_high"], 4),
            "fit_seconds": round(row["fit_seconds"], 3),
            "chosen": scores["chosen"][scores["chosen"] != ""].value_counts().to_dict(),
        }


if __name__ == "__main__":
    main()
