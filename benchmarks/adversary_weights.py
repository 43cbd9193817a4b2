"""Weight of the adversary: recall, and how well a probe identifies the speaker.

Each corpus is split by speaker into five folds (six speakers: six folds). The networks
have the default parameters but for the adversary, its weight and, in the last rows, the
learning rate and the size of the network. The leakage is the balanced accuracy of a
logistic probe on the embedding of rows that the network was not trained on
(:func:`advser.evaluation.cross_val_leakage`).

    python benchmarks/adversary_weights.py urdu.csv emovo.parquet ...

EmoDB comes with the package; other tables are files with the columns `emotion` and
`speaker`. The report has scores, and no rows of the corpora. What the file `--out` has
already is not computed again.
"""

import argparse
import json
from pathlib import Path

from _report import environment, write
from adaptation import read
from tqdm import tqdm

from advser import AdversarialSER
from advser.datasets import load_emodb
from advser.evaluation import compare
from advser.objectives import ClosedForm, Confusion, GradientReversal, MaxEntropy

NONE = "no adversary"
ADVERSARIES = {
    NONE: None,
    **{f"ClosedForm(weight={w})": ClosedForm(w) for w in (0.2, 0.3, 0.5, 1.0, 2.0)},
    **{
        f"ClosedForm(weight={w}, penalty=0.1)": ClosedForm(w, penalty=0.1)
        for w in (0.5, 1.0, 2.0)
    },
    **{f"GradientReversal(weight={w})": GradientReversal(w) for w in (0.2, 1.0, 5.0)},
    **{f"MaxEntropy(weight={w})": MaxEntropy(w) for w in (0.2, 1.0, 5.0)},
    **{f"Confusion(weight={w})": Confusion(w) for w in (0.2, 1.0, 5.0)},
}
# Learning rate, dimensions of the embedding, and hidden units that were compared with
# the defaults.
SIZES = [
    (0.003, 64, 128),
    (0.006, 64, 128),
    (0.01, 32, 128),
    (0.015, 32, 128),
    (0.006, 16, 128),
    (0.006, 32, 512),
]
NETWORKS = {name: AdversarialSER(one) for name, one in ADVERSARIES.items()} | {
    f"{name}; lr={lr}, embedding {embedding}, hidden {hidden}": AdversarialSER(
        ADVERSARIES[name],
        lr=lr,
        embedding_dim=embedding,
        hidden_layer_sizes=(hidden,),
    )
    for lr, embedding, hidden in SIZES
    for name in (NONE, "ClosedForm(weight=0.3)", "ClosedForm(weight=0.5)")
}


def results_of(names, X, y, speakers, seeds):
    """Return recall and leakage of some networks on a corpus."""
    summary = compare(
        {name: NETWORKS[name] for name in names},
        X,
        y,
        speakers,
        cv=6 if len(set(speakers)) == 6 else 5,
        seeds=seeds,
        probes=["logistic"],
        n_jobs=1,
    ).summary()
    columns = {"uar": "uar", "uar_std": "uar_std", "leakage_logistic": "leakage"}
    return summary[[*columns]].rename(columns=columns).round(4).to_dict("index")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "adversary_weights.json")
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    report = {
        "protocol": "five folds by speaker; UAR of all folds; balanced accuracy of a "
        "logistic probe for the speaker; mean over seeds",
        "settings": {"seeds": args.seeds},
        **environment(["advser", "numpy", "scikit-learn", "torch"]),
        "results": {},
    }
    if args.out.exists():
        report["results"] = json.loads(args.out.read_text("utf-8"))["results"]
    for name, data in tqdm(corpora.items()):
        found = report["results"].setdefault(name, {})
        missing = [name for name in NETWORKS if name not in found]
        if missing:
            found |= results_of(missing, *data, args.seeds)
            write(args.out, report)


if __name__ == "__main__":
    main()
