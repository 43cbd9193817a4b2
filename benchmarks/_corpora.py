"""The comparison of networks on several corpora that are named as files."""

import argparse
import json
from pathlib import Path

from _report import environment, write
from adaptation import read
from tqdm import tqdm

from advser.datasets import load_emodb
from advser.evaluation import compare

RESULTS = Path(__file__).parent / "results"


def compare_on_corpora(description, name, networks, protocol, summarized, probes=()):
    """Compare networks on EmoDB and other corpora, and write a report.

    Each corpus is split by speaker into five folds (six speakers: six folds). What the
    report has already is not computed again.

    Parameters
    ----------
    description : str
        Its first line describes the command.

    name : str
        Name of the report.

    networks : dict of str to estimator

    protocol : str
        For the report.

    summarized : callable
        Returns what the report has of each network, by name, from the summary of a
        comparison.

    probes : sequence of str, default=()
        Probes of the leakage.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    args = parser.parse_args()
    corpora = {"emodb": load_emodb(return_X_y_speakers=True)}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    report = {
        "protocol": protocol,
        "settings": {"seeds": args.seeds},
        **environment(["advser", "numpy", "scikit-learn", "torch"]),
        "results": {},
    }
    if args.out.exists():
        report["results"] = json.loads(args.out.read_text("utf-8"))["results"]
    for corpus, (X, y, speakers) in tqdm(corpora.items()):
        found = report["results"].setdefault(corpus, {})
        missing = {key: one for key, one in networks.items() if key not in found}
        if not missing:
            continue
        comparison = compare(
            missing,
            X,
            y,
            speakers,
            cv=6 if len(set(speakers)) == 6 else 5,
            seeds=args.seeds,
            probes=probes,
            n_jobs=1,
        )
        found |= summarized(comparison.summary().round(4))
        write(args.out, report)
