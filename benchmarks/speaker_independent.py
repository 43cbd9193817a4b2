"""What the methods reach on speakers they have not heard, and which difference is real.

The networks that play against the speaker are compared with the network without
adversary and with the linear SVM, which were chosen before looking.

    python benchmarks/speaker_independent.py        # writes the JSON
"""

from _emodb import arguments, compared, write

from advser.benchmark import METHODS, NORMALISATIONS

BASELINES = [
    METHODS[method] + suffix
    for method in ("svm", "none")
    for suffix in NORMALISATIONS.values()
]


def main():
    args = arguments(__doc__, "speaker_independent")
    comparison = compared(args)
    summary = comparison.summary()
    probed = [name for name in summary if name.endswith(("logistic", "mlp", "knn"))]
    summary = summary.drop(columns=[*probed, "chance"])
    print(summary.to_string())
    baselines = [name for name in BASELINES if name in summary.index]
    tests = comparison.pairwise(baselines or None)
    print(tests.to_string(index=False))
    speakers = comparison.by_speaker().T
    speakers.columns = speakers.columns.astype(str)
    tables = {
        "results": summary.reset_index(),
        "differences": tests,
        "speakers": speakers.rename_axis("estimator").reset_index(),
    }
    write(args, comparison, tables)


if __name__ == "__main__":
    main()
