"""Rebuild the bundled EmoDB table from the recordings.

``03a01Fa.wav`` is speaker 03, sentence a01, emotion F (Freude), take a. The gender is
not in the file name.

Usage: python benchmarks/build_emodb_table.py FOLDER_OF_WAVS [TABLE.csv]
"""

import sys
from pathlib import Path

import pandas as pd

from advser.audio import EGeMAPS

TABLE = Path(__file__).parents[1] / "advser" / "data" / "emodb.csv"
EMOTIONS = {"W": "anger", "F": "happiness", "T": "sadness", "N": "neutral"}
MALE = {"03", "10", "11", "12", "15"}


def build_table(folder):
    """Return one row per recording: the labels in its name, and 88 functionals."""
    files = sorted(
        file for file in Path(folder).glob("*.wav") if file.name[5] in EMOTIONS
    )
    names = pd.Series([file.name for file in files])
    labels = pd.DataFrame(
        {
            "file": names,
            "speaker": names.str[:2],
            "gender": names.str[:2].isin(MALE).map({True: "male", False: "female"}),
            "sentence": names.str[2:5],
            "emotion": names.str[5].map(EMOTIONS),
        }
    )
    extractor = EGeMAPS(n_jobs=-1, verbose=1).set_output(transform="pandas")
    return labels.join(extractor.transform(files))


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    # nine digits restore every float32
    build_table(sys.argv[1]).to_csv(
        sys.argv[2] if len(sys.argv) == 3 else TABLE, index=False, float_format="%.9g"
    )
