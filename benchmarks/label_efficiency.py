"""The recall with few labels, and what utterances without labels add.

Of the training utterances of each fold, a share keeps its emotion; the other utterances
come without their emotion, or not at all. The folds are speaker-disjoint, and the
speakers of all training utterances are known.

    python benchmarks/label_efficiency.py --tables ravdess.parquet emovo.parquet ...

EmoDB is always included. A table has one row per utterance: the features and the
columns "emotion" and "speaker", and "gender" where it is known. The report has scores,
and no rows of the corpora. It is written after each corpus and share, and a further
call with the same arguments goes on where the last one ended.

All estimators run with their defaults, except for the C of the logistic regression,
which is that of the other benchmarks, and for the ablation (see `BEFORE`). How emotions
are estimated was chosen on these corpora, by the recall of a logistic regression.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from _figure import look
from _report import environment, write
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tqdm import tqdm

from advser import AdversarialSER, AutoencoderSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.evaluation import uar_difference, uar_interval
from advser.metrics import unweighted_average_recall
from advser.speakers import speaker_confounding

SHARES = (0.1, 0.25, 0.5)
N_FOLDS = 4
OTHER = ("file", "emotion", "speaker", "gender")
CLIP = 3.0  # the default of `AdversarialSER`
LABELS_ALONE = "labelled rows alone"
ALL_ROWS = "standardised by all rows"
PSEUDO_LABELS = "the same pseudo-labels"

NAMES = {"emodb": "EmoDB", "korean": "Korean"}  # others are acronyms
COSTS = {"linear": 0.1, "AdversarialSER": 1, "AutoencoderSER": 4, "ablation": 12}

PLAIN = {"prior_weight": 0.0, "reconstruction_weight": 0.0, "speaker_task": None}
FAITHFUL = {"pseudo_labels": False}
STYLES = {
    "logistic regression,\nstandardised by all rows": "C5-v",
    "AdversarialSER, labelled rows alone": "C0--o",
    "AdversarialSER": "C0-o",
    "AutoencoderSER, labelled rows alone": "C9--s",
    "AutoencoderSER, pseudo_labels=False": "C9:s",
    "AutoencoderSER": "C9-s",
}  # colours and lines of the figure; the colours are those of `advser benchmark`

# Each method by family; the first one is the reference of the others. Linear ones have
# a kind, networks a class, parameters, and the data beside the labelled rows:
# "unlabelled" rows, "genders", and labelled rows "repeated" until they are half of all
# rows, with weights that sum to the same.
METHODS = {
    "linear": {
        f"logistic regression, {kind}": kind
        for kind in (LABELS_ALONE, ALL_ROWS, PSEUDO_LABELS)
    }
}
for CLASS, DATA in ((AdversarialSER, ()), (AutoencoderSER, ("genders",))):
    NAME = CLASS.__name__
    METHODS[NAME] = {
        f"{NAME}, {LABELS_ALONE}": (CLASS, {}, DATA),
        f"{NAME}, pseudo_labels=False": (CLASS, FAITHFUL, ("unlabelled", *DATA)),
        NAME: (CLASS, {}, ("unlabelled", *DATA)),
    }
# All with the unlabelled rows, and with the defaults that the estimator had before.
BEFORE = {"clip": 2.0, "dropout": 0.0, "alpha": 0.04, "lr": 0.001}
METHODS["ablation"] = {
    name: (AutoencoderSER, BEFORE | parameters, ("unlabelled", *data))
    for name, parameters, *data in (
        ("as in the paper", FAITHFUL, "genders"),
        ("no prior", {**FAITHFUL, "prior_weight": 0.0}, "genders"),
        (
            "no prior, no reconstruction",
            {**FAITHFUL, "prior_weight": 0.0, "reconstruction_weight": 0.0},
            "genders",
        ),
        ("a third of the epochs", {**FAITHFUL, "max_epochs": 20}, "genders"),
        ("``alpha=0.15``", {**FAITHFUL, "alpha": 0.15}, "genders"),
        (
            "labelled rows half of each batch",
            {**FAITHFUL, "max_epochs": 30},
            "genders",
            "repeated",
        ),
        ("speaker alone", FAITHFUL),
        ("gender alone", {**FAITHFUL, "speaker_task": None}, "genders"),
        ("neither speaker nor gender", {**FAITHFUL, "speaker_task": None}),
        ("emotion alone", {**FAITHFUL, **PLAIN}),
        ("pseudo-labels", {}, "genders"),
        ("pseudo-labels, neither speaker nor gender", {"speaker_task": None}),
        ("pseudo-labels, emotion alone", PLAIN),
    )
}


class Corpus:
    """Features, emotions, speakers and genders, None where unknown."""

    def __init__(self, table):
        features = table.drop(columns=[name for name in OTHER if name in table])
        self.X = features.to_numpy(np.float32)
        self.y = table["emotion"].astype(str).to_numpy(object)
        self.speakers = table["speaker"].astype(str).to_numpy(object)
        unknown = pd.Series([None] * len(table), dtype=object)
        self.genders = table.get("gender", unknown).to_numpy(object)

    def described(self, name):
        """Return the sizes of the corpus."""
        labeled = {
            str(share): np.mean([len(rows) for rows, *_ in self.folds(share, 0)])
            for share in SHARES
        }
        sizes = {"n_samples": len(self.y), "n_labeled": labeled}
        sizes |= {"n_speakers": len(set(self.speakers)), "n_emotions": len(set(self.y))}
        return {"corpus": name, **sizes}

    def folds(self, share, seed):
        """Return labelled, unlabelled and test rows of each fold.

        A larger share keeps the emotions that a smaller one keeps.
        """
        splitter = GroupKFold(N_FOLDS)
        for fold, (train, test) in enumerate(
            splitter.split(self.X, self.y, self.speakers)
        ):
            rng = np.random.default_rng([seed, fold])
            kept = []
            for emotion in np.unique(self.y[train]):
                own = rng.permutation(train[self.y[train] == emotion])
                kept.append(own[: max(1, round(share * len(own)))])
            kept = np.sort(np.concatenate(kept))
            yield kept, np.setdiff1d(train, kept), test


def read(path):
    if path.suffix == ".parquet":
        return Corpus(pd.read_parquet(path))
    return Corpus(pd.read_csv(path, dtype={"speaker": str}))


def logistic():
    return LogisticRegression(C=0.05, class_weight="balanced", max_iter=2000)


def linear(corpus, labeled, unlabeled, test, kind):
    """Return the predictions of a logistic regression."""
    rows = np.concatenate([labeled, unlabeled])
    scaler = StandardScaler().fit(corpus.X[labeled if kind == LABELS_ALONE else rows])
    trained, y = labeled, corpus.y[labeled]
    if kind == PSEUDO_LABELS:
        trained, y = rows, np.concatenate([y, estimated(corpus, labeled, unlabeled)])
    model = make_pipeline(scaler, FunctionTransformer(clipped), logistic())
    model[-1].fit(model[:-1].transform(corpus.X[trained]), y)
    return model.predict(corpus.X[test])


def estimated(corpus, labeled, unlabeled):
    """Return emotions of the unlabelled rows, estimated as `pseudo_labels` does."""
    y, speakers = corpus.y[labeled], corpus.speakers
    rows = np.concatenate([labeled, unlabeled])
    scaler = make_pipeline(StandardScaler(), FunctionTransformer(clipped))
    scaled = scaler.fit_transform(corpus.X[rows])
    if speaker_confounding(y, speakers[labeled]).adjusted_mutual_information <= 0.5:
        scaler = SpeakerScaler(clip=CLIP)
        scaled = scaler.fit_transform(corpus.X[rows], speakers=speakers[rows])
    n = len(labeled)
    return logistic().fit(scaled[:n], y).predict(scaled[n:])


def clipped(X):
    """Return features within the bound that the networks have."""
    return np.clip(X, -CLIP, CLIP)


def network(corpus, labeled, unlabeled, test, seed, cls, parameters, data):
    """Return the predictions of a network."""
    model = cls(random_state=seed, **parameters)
    rows, arguments = labeled, {}
    if "repeated" in data:
        times = max(1, round(len(unlabeled) / len(labeled)))
        rows = np.repeat(labeled, times)
        arguments["sample_weight"] = np.full(len(rows), 1 / times)
    if "unlabelled" in data:
        arguments["X_unlabeled"] = corpus.X[unlabeled]
        arguments["speakers_unlabeled"] = corpus.speakers[unlabeled]
    if "genders" in data:
        arguments["genders"] = corpus.genders[rows]
        if "unlabelled" in data:
            arguments["genders_unlabeled"] = corpus.genders[unlabeled]
    model.fit(corpus.X[rows], corpus.y[rows], corpus.speakers[rows], **arguments)
    return model.predict(corpus.X[test])


def predictions(corpus, methods, share, seeds):
    """Return the predictions of each method: (n_samples, n_seeds)."""
    found = {method: np.empty((len(corpus.y), seeds), object) for method in methods}
    for seed in range(seeds):
        for rows in corpus.folds(share, seed):
            for method, settings in methods.items():
                if isinstance(settings, str):
                    predicted = linear(corpus, *rows, settings)
                else:
                    predicted = network(corpus, *rows, seed, *settings)
                found[method][rows[-1], seed] = predicted
    return found


def records(corpus, found):
    """Return a record for each method, with its interval over speakers."""
    table = []
    for method, predicted in found.items():
        recalls = [unweighted_average_recall(corpus.y, one) for one in predicted.T]
        low, high = uar_interval(corpus.y, predicted, speakers=corpus.speakers)
        record = {"method": method, "uar": np.mean(recalls), "low": low, "high": high}
        table.append(record | {"by_seed": recalls})
    return table


def differences(corpus, found, reference):
    """Return how far each method is above the reference, with intervals."""
    table = []
    for method, predicted in found.items():
        if method != reference:
            gap = uar_difference(
                corpus.y, predicted, found[reference], speakers=corpus.speakers
            )
            bounds = {"low": gap.low, "high": gap.high}
            record = {"method": method, "other": reference, "gap": gap.difference}
            table.append(record | bounds)
    return table


def rounded(table):
    """Return records with all numbers rounded."""
    return [
        {
            key: np.round(value, 4).tolist()
            if isinstance(value, list | float | np.floating)
            else value
            for key, value in record.items()
        }
        for record in table
    ]


def draw(report, path):
    """Draw the recall of each corpus against the share of labels."""
    scores = pd.DataFrame(report["scores"])
    names = list(scores["corpus"].unique())
    n_rows = -(-len(names) // 2)
    with look("y"):
        figure = Figure(figsize=(6.4, 2.4 * n_rows + 1.2))
        axes = figure.subplots(n_rows, 2, sharex=True, squeeze=False).ravel()
        for ax, name in zip(axes, names):
            for number, (method, style) in enumerate(STYLES.items()):
                is_own = scores["method"] == method.replace("\n", " ")
                own = scores[(scores["corpus"] == name) & is_own]
                places = np.arange(len(own)) + 0.04 * (number - 2.5)
                ax.plot(places, own["uar"], style, markersize=5, label=method)
            ax.set_title(NAMES.get(name, name.upper()), fontsize="medium")
            ax.set_xlim(-0.3, len(SHARES) - 0.7)
            ax.set_xticks(range(len(SHARES)), [f"{share:.0%}" for share in SHARES])
        figure.supxlabel(
            "Share of the training utterances that keep their emotion",
            fontsize="medium",
        )
        figure.supylabel("Unweighted average recall (UAR)", fontsize="medium")
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=2,
            frameon=False,
        )
        figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", type=Path, default=[])
    parser.add_argument("--seeds", type=int, default=2)
    here = Path(__file__).parent
    out = here / "results" / "label_efficiency.json"
    parser.add_argument("--out", type=Path, default=out, help="JSON; PNG beside it")
    args = parser.parse_args()
    emodb = load_emodb(as_frame=True)
    columns = [*emodb.feature_names, "emotion", "speaker", "gender"]
    corpora = {"emodb": Corpus(emodb.frame[columns])}
    corpora |= {path.stem.partition("_")[0]: read(path) for path in args.tables}
    settings = {
        "folds": f"{N_FOLDS}, speaker-disjoint",
        "seeds": args.seeds,
        "ablation_share": SHARES[0],
        "classifier": repr(logistic()),
        **environment(["advser", "numpy", "scikit-learn", "torch"]),
    }
    report = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    if report.get("settings") != settings:
        tables = {"corpora": [], "scores": [], "differences": [], "ablation": []}
        report = {"settings": settings, **tables}
    report["corpora"] = [corpus.described(name) for name, corpus in corpora.items()]
    parts = [*product(["linear", "AdversarialSER", "AutoencoderSER"], SHARES, corpora)]
    parts += product(["ablation"], SHARES[:1], corpora)
    # The cheap ones first, so that an interrupt leaves most of the table.
    parts.sort(key=lambda part: COSTS[part[0]] * len(corpora[part[2]].y))
    for family, share, name in tqdm(parts):
        table = "ablation" if family == "ablation" else "scores"
        methods = METHODS[family]
        reference = next(iter(methods))
        done = {(r["corpus"], r["share"], r["method"]) for r in report[table]}
        if (name, share, reference) in done:
            continue
        corpus = corpora[name]
        found = predictions(corpus, methods, share, args.seeds)
        made = {table: records(corpus, found)}
        gaps = differences(corpus, found, reference)
        made["differences"] = [{"of": table, **row} for row in gaps]
        for kind, rows in made.items():
            common = {"corpus": name, "share": share}
            report[kind] += [common | row for row in rounded(rows)]
        write(args.out, report)
        draw(report, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
