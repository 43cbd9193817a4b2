"""Dropout, penalty, learning rate and sizes of the autoencoder, on several corpora.

Each corpus is split by speaker into five folds (six speakers: six folds). One or a few
parameters differ from the defaults of `AutoencoderSER`; the last row has values
that were chosen on EmoDB alone.

    python benchmarks/autoencoder_settings.py urdu.csv emovo.parquet ...

EmoDB comes with the package; other tables are files with the columns `emotion` and
`speaker`. The report has scores, and no rows of the corpora. What the file `--out` has
already is not computed again.
"""

from _corpora import compare_on_corpora

from advser import AutoencoderSER

SETTINGS = [
    {},
    {"clip": 2.0},
    {"dropout": 0.0},
    {"alpha": 0.01},
    {"embedding_dim": 64},
    {"hidden_layer_sizes": (256,)},
    {"clip": 2.0, "dropout": 0.0, "alpha": 0.04, "lr": 0.001},
]


def name_of(settings):
    """Return the parameters that differ from the defaults, as a text."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


if __name__ == "__main__":
    compare_on_corpora(
        __doc__,
        "autoencoder_settings",
        {name_of(one) or "defaults": AutoencoderSER(**one) for one in SETTINGS},
        "five folds by speaker; UAR of all folds; mean over seeds",
        lambda summary: summary["uar"].to_dict(),
    )
