"""Results of the methods on unseen speakers, and which differences are significant.

Two questions were fixed before the first run: is a method better than the linear SVM,
and is it better than the network without adversary? Each is a family of tests with its
own correction; all pairs would be too many for ten speakers.

    python benchmarks/speaker_independent.py        # writes the JSON
"""

import pandas as pd
from _emodb import arguments, compared, write

from advser.cli._methods import METHODS, method_of

BASELINES = ["svm", "none"]


def main():
    args = arguments(__doc__, "speaker_independent")
    comparison = compared(args)
    summary = comparison.summary()
    probed = [name for name in summary if name.endswith(("logistic", "mlp", "knn"))]
    summary = summary.drop(columns=[*probed, "chance"])
    print(summary.to_string())
    tests = []
    for method in BASELINES:
        if method in args.methods:
            names = [one for one in summary.index if method_of(one) == METHODS[method]]
            tests.append(comparison.pairwise(names))
    tests = pd.concat(tests or [comparison.pairwise()])
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
