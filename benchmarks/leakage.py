"""How much of the speaker three probes find in the embeddings of the methods.

The probes predict the speaker, the speaker within an emotion, and the gender, from the
embedding of utterances held out from training, and from the raw features. A method that
learns nothing leaks nothing: the recall is in the table too.

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
