"""The comparison behind `speaker_independent.py` and `leakage.py`.

The methods and normalisations of `advser benchmark`, on the bundled corpus, leaving one
speaker out at a time. Give both scripts the same new folder, so that the second one
does not fit again what the first one has fitted.
"""

import argparse
import json
import os
import platform
from pathlib import Path

from advser.cli._methods import CLASSIFIERS, make_estimators
from advser.datasets import load_emodb
from advser.evaluation import compare

RESULTS = Path(__file__).parent / "results"
PROBES = ["logistic", "mlp", "knn"]


def arguments(description, name):
    """Return the options of a script, which writes the JSON of this name."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--methods", nargs="+", choices=CLASSIFIERS, default=[*CLASSIFIERS]
    )
    parser.add_argument("--probes", nargs="+", choices=PROBES, default=PROBES)
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--folder", type=Path, help="of the tables, to continue a run")
    parser.add_argument(
        "--out", type=Path, default=RESULTS / f"{name}.json", help="JSON to write"
    )
    return parser.parse_args()


def compared(args):
    """Return the comparison."""
    data = load_emodb(as_frame=True)
    return compare(
        make_estimators(args.methods, data.speakers.nunique()),
        data.data,
        data.target,
        data.speakers,
        seeds=args.seeds,
        probes=args.probes,
        within_emotion=True,
        genders=data.genders,
        folder=args.folder,
        n_jobs=args.n_jobs,
        verbose=1,
    )


def write(args, comparison, tables):
    """Write the tables and the settings of the comparison."""
    settings = comparison.settings
    report = {
        "corpus": "EmoDB",
        "protocol": "leave one speaker out; networks with their defaults, "
        "linear models chosen by speaker-disjoint folds of the training rows",
        "data": settings["data"],
        "settings": {
            "seeds": list(range(args.seeds)),
            "estimators": {
                name: {
                    "kind": comparison.kinds()[name],
                    "parameters": planned["parameters"],
                }
                for name, planned in settings["estimators"].items()
            },
            "threads": 1,
        },
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "versions": settings["versions"],
        **{
            name: json.loads(table.round(6).to_json(orient="records"))
            for name, table in tables.items()
        },
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written to {args.out}")
