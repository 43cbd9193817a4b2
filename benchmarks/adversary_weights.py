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

from _corpora import compare_on_corpora

from advser import AdversarialSER
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


def recall_and_leakage(summary):
    """Return recall and leakage of each network."""
    columns = {"uar": "uar", "uar_std": "uar_std", "leakage_logistic": "leakage"}
    return summary[[*columns]].rename(columns=columns).to_dict("index")


if __name__ == "__main__":
    compare_on_corpora(
        __doc__,
        "adversary_weights",
        NETWORKS,
        "five folds by speaker; UAR of all folds; balanced accuracy of a logistic "
        "probe for the speaker; mean over seeds",
        recall_and_leakage,
        probes=["logistic"],
    )
