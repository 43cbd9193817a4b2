"""Dropout, penalty, learning rate and sizes of the autoencoder, on several corpora.

Each corpus is split by speaker into five folds (six speakers: six folds). One or a few
parameters differ from the defaults of `AutoencoderSER`; the last row has the defaults
of an earlier version, which were chosen on EmoDB.

    python benchmarks/autoencoder_settings.py urdu.csv emovo.parquet ...

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

from advser import AutoencoderSER
from advser.datasets import load_emodb
from advser.evaluation import compare

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


NETWORKS = {name_of(settings): AutoencoderSER(**settings) for settings in SETTINGS}


def recalls_of(names, X, y, speakers, seeds):
    """Return the recall of some networks on a corpus."""
    summary = compare(
        {name or "defaults": NETWORKS[name] for name in names},
        X,
        y,
        speakers,
        cv=6 if len(set(speakers)) == 6 else 5,
        seeds=seeds,
        probes=[],
        n_jobs=1,
    ).summary()
    return {name: round(summary.loc[name or "defaults", "uar"], 4) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    results = Path(__file__).parent / "results"
    parser.add_argument(
        "--out", type=Path, default=results / "autoencoder_settings.json"
    )
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    report = {
        "protocol": "five folds by speaker; UAR of all folds; mean over seeds",
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
            found |= recalls_of(missing, *data, args.seeds)
            write(args.out, report)


if __name__ == "__main__":
    main()
