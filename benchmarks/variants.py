"""Results of every variant of the network that was tried.

EmoDB leaves one speaker out, and two: of the networks trained without either of two
speakers, one is the inner fold of the other. A variant is judged by such inner folds
alone, with features standardised over all speakers and by speaker (transductive). As
each speaker has inner folds of their own, one can also choose among all variants
separately for each speaker, and score the choice on that speaker, who had no influence
on it. URDU, GroupKFold by speaker, is used for no choice.

    python benchmarks/variants.py urdu.csv     # writes the JSON
    python benchmarks/variants.py --quick

The table has the columns "speaker" and "emotion"; its numeric columns are the features.
Without it, that column is left out.
"""

import argparse
import json
import os
import platform
import re
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from _report import environment, write
from _variants import ADVERSARY, N_COPIES, N_MEMBERS, QUICK, SVM, TAKEN, VARIANTS
from joblib import Parallel, delayed
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, LeavePGroupsOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import compare

RESULTS = Path(__file__).parent / "results" / "variants.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "skorch", "torch"]
N_FOLDS = 10  # of URDU
SCALERS = {"global": StandardScaler(), "per speaker": SpeakerScaler(unknown="batch")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("urdu", type=Path, nargs="?", help="CSV of features")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2, help="variants at once")
    parser.add_argument("--folder", type=Path, help="of the tables, to continue a run")
    parser.add_argument("--quick", action="store_true", help="two variants, few epochs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()

    corpora = {"EmoDB": load_emodb(return_X_y_speakers=True)}
    if args.urdu is None or not args.urdu.exists():
        print(f"URDU is left out: there is no table at {args.urdu}.")
    else:
        frame = pd.read_csv(args.urdu, dtype={"speaker": str, "emotion": str})
        table = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
        corpora["URDU"] = table

    variants, n_seeds = (QUICK, 1) if args.quick else (VARIANTS, args.seeds)
    names = [(group, name) for group, of_group in variants.items() for name in of_group]
    found = Parallel(args.n_jobs, return_as="generator")(
        delayed(measured)(variants[group][name], corpora, n_seeds, place)
        for (group, name), place in zip(names, places(args.folder, names))
    )
    report = {
        "protocol": "EmoDB: `inner` is the mean over speakers of the UAR of the nine "
        "others together, each predicted by a network trained without either of the "
        "two; `outer` is the UAR of all speakers together, leaving one out; `nested` "
        "is that of the network with the highest `inner` of the speaker left out, "
        "mean of both normalisations, chosen separately for each seed. URDU: "
        f"GroupKFold({N_FOLDS}) by speaker, UAR of all folds together. Std over seeds. "
        "Per speaker: SpeakerScaler(unknown='batch'), transductive. Leakage: balanced "
        "accuracy with which a logistic probe predicts the speaker from the embedding, "
        "EmoDB, global.",
        "settings": {
            "seeds": list(range(n_seeds)),
            "network": AdversarialSER(repr(ADVERSARY), **TAKEN).get_params(),
            "copies": N_COPIES,
            "members": N_MEMBERS,
        },
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        **environment(PACKAGES),
        "results": [],
    }
    networks = {}  # the candidates of the nested choice
    for (group, name), scores in tqdm(zip(names, found), total=len(names)):
        steps = [described(step) for step in variants[group][name]]
        row = {"group": group, "variant": name, "steps": steps, **summary(scores)}
        report["results"].append(row)
        if variants[group][name][-1] is not SVM:
            networks[f"{group}: {name}"] = scores
            report["nested"] = nested(networks)
        write(args.out, report)
    table = pd.json_normalize(report["results"]).drop(columns="steps")
    print(table.to_string(index=False))
    print(json.dumps(report["nested"], indent=1))


def places(folder, names):
    """Yield the folder of each variant, None for none."""
    for group, name in names:
        # The name of a folder cannot have all characters of a variant's name.
        text = "".join(
            c if c.isalnum() or c in "=.-" else "_" for c in f"{group} {name}"
        )
        yield folder and folder / text


def described(step):
    """Return the text of a step, with the parameters that are not defaults."""
    return " ".join(re.sub(r" at 0x[0-9a-f]+", "", repr(step)).split())


def measured(steps, corpora, seeds, folder):
    """Return the scores of a variant, by column.

    Returns
    -------
    scores : dict of dict
        "inner", the recall by seed and speaker left out, of EmoDB; "outer", a table of
        seed, speaker, emotion and whether it was recognised; and "leakage" by seed.
    """
    scores = {}
    for corpus, (X, y, speakers) in corpora.items():
        X = np.asarray(X, dtype=np.float32)  # twice as fast
        # A speaker of URDU has one emotion: their statistics would remove it.
        for normalisation in SCALERS if corpus == "EmoDB" else ["global"]:
            column = f"{corpus}, {normalisation}"
            comparison = compare(
                {"variant": make_pipeline(SCALERS[normalisation], *steps)},
                X,
                y,
                speakers,
                cv=OneOrTwoOut() if corpus == "EmoDB" else GroupKFold(N_FOLDS),
                seeds=seeds,
                probes=["logistic"] if column == "EmoDB, global" else [],
                folder=folder and folder / column,
            )
            leakage = comparison.leakage.query("estimator == 'variant'")
            scores[column] = {"leakage": leakage["accuracy"]}
            rows = comparison.predictions[["seed", "fold", "speaker", "y_true"]]
            rows = rows.assign(hit=rows["y_true"] == comparison.predictions["y_pred"])
            if corpus == "EmoDB":
                rows, scores[column]["inner"] = outer_and_inner(rows)
            scores[column]["outer"] = rows
    return scores


class OneOrTwoOut:
    """Folds that leave out each of the speakers, then folds that leave out each two."""

    def split(self, X, y=None, groups=None):
        """Return the training and the test rows of each fold."""
        splitters = LeaveOneGroupOut(), LeavePGroupsOut(2)
        return chain(*(splitter.split(X, y, groups) for splitter in splitters))

    def __repr__(self):
        return "OneOrTwoOut()"


def outer_and_inner(rows):
    """Return the rows of folds with one speaker, and the recalls of those with two.

    Of the two, each is an inner test speaker of the other.
    """
    other = {}
    for fold, speakers in rows.groupby("fold")["speaker"].unique().items():
        if len(speakers) == 2:
            one, two = speakers
            other |= {(fold, one): two, (fold, two): one}
    left_out = [other.get(key) for key in zip(rows["fold"], rows["speaker"])]
    rows = rows.assign(left_out=left_out)
    is_inner = rows["left_out"].notna()
    return rows[~is_inner], recall(rows[is_inner], ["seed", "left_out"])


def recall(rows, by):
    """Return the mean over the emotions of the share of them recognised."""
    return rows.groupby([*by, "y_true"])["hit"].mean().groupby(by).mean()


def summary(scores):
    """Return mean and standard deviation over the seeds of all scores of a variant."""
    found = {}
    for column, of_column in scores.items():
        found[column] = over_seeds("outer", recall(of_column["outer"], ["seed"]))
        if "inner" in of_column:
            found[column] |= over_seeds(
                "inner", of_column["inner"].groupby("seed").mean()
            )
        if len(of_column["leakage"]):
            found[column] |= over_seeds("leakage", of_column["leakage"])
    return found


def over_seeds(name, values):
    """Return mean and standard deviation, None for one seed."""
    std = round(values.std(), 4) if len(values) > 1 else None
    return {name: round(values.mean(), 4), f"{name}_std": std}


def nested(networks):
    """Choose separately for each seed and speaker, and score the choice on them."""
    columns = [f"EmoDB, {normalisation}" for normalisation in SCALERS]
    inner = pd.DataFrame(
        {
            name: sum(scores[column]["inner"] for column in columns)
            for name, scores in networks.items()
        }
    )
    chosen = inner.idxmax(axis=1)
    found = {"chosen": chosen.value_counts().to_dict()}
    for column in columns:
        rows = pd.concat(
            {name: scores[column]["outer"] for name, scores in networks.items()},
            names=["variant"],
        ).reset_index("variant")
        of_rows = chosen.loc[pd.MultiIndex.from_frame(rows[["seed", "speaker"]])]
        of_chosen = rows[rows["variant"].to_numpy() == of_rows.to_numpy()]
        found[column] = over_seeds("nested", recall(of_chosen, ["seed"]))
    return found


if __name__ == "__main__":
    main()
