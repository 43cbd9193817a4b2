"""What the methods keep of the speaker, asked of three probes.

Who is speaking, who is speaking within an emotion, and whether it is a woman or a man,
of the embedding of utterances held out from training, beside the raw features and
chance. A method that learns nothing leaks nothing: its recall stands beside.

    python benchmarks/leakage.py        # writes the JSON
"""

from _emodb import arguments, compared, write


def main():
    args = arguments(__doc__, "leakage")
    comparison = compared(args)
    table = comparison.leakage_summary()
    print(table.to_string(index=False))
    recall = comparison.summary()["uar"].reset_index()
    write(args, comparison, {"results": table, "recall": recall})


if __name__ == "__main__":
    main()
