"""Every variant of the network that was tried, winners and losers.

EmoDB leaves one speaker out, and two: of the networks that have heard neither of two
speakers, one serves as the inner fold of the other. A variant is judged by such inner
folds alone, with features standardised over all speakers and by speaker (transductive).
As each speaker has inner folds of their own, one can also choose among all variants
anew for each speaker, and see what the choice is worth on somebody who had no say in
it. URDU, GroupKFold by speaker, has no say in anything.

    python benchmarks/variants.py urdu.csv     # writes the JSON
    python benchmarks/variants.py --quick

The table has the columns "speaker" and "emotion"; its numeric columns are the features.
Without it, that column is left out.
"""

import argparse
import json
import os
import platform
import re
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from joblib import Parallel, delayed
from scipy.stats import beta
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.covariance import ShrunkCovariance
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, LeavePGroupsOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC
from skorch.callbacks import Callback, LRScheduler
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from advser import AdversarialSER, SpeakerScaler
from advser._engine._outputs import Emotions
from advser.datasets import load_emodb
from advser.evaluation import compare
from advser.nn import Dropout, Noise, Standardize, linear, weighted_mean
from advser.objectives._entropy import MaxEntropyNetwork
from advser.speakers._moments import moments

RESULTS = Path(__file__).parent / "results" / "variants.json"
PACKAGES = ["advser", "numpy", "scikit-learn", "skorch", "torch"]
N_FOLDS = 10  # of URDU
N_COPIES = 10  # of a training row, each by another virtual speaker
N_MEMBERS = 4  # of an ensemble
BATCH_SIZE = AdversarialSER().batch_size


# What a parameter, a step before the network or a callback can do -------------------


def soft_bound(x):
    """Bound features at 2, smoothly."""
    return 2 * np.tanh(x / 2)


class Whiten(TransformerMixin, BaseEstimator):
    """Take away the correlations of the features, or those within the emotions."""

    def __init__(self, within=False):
        self.within = within

    def fit(self, X, y):
        """Learn the covariance, shrunk by 0.3."""
        if self.within:
            emotion = pd.factorize(y)[0]
            X = X - moments(X, emotion)[1][emotion]
        covariance = ShrunkCovariance(shrinkage=0.3).fit(X).covariance_
        values, vectors = np.linalg.eigh(covariance)
        self.whitening_ = vectors / np.sqrt(values) @ vectors.T
        return self

    def transform(self, X):
        """Return rows whose columns are nearly uncorrelated."""
        return X @ self.whitening_


class AverageWeights(Callback):
    """Predict with the mean of the weights at the ends of the epochs.

    It begins with `first_epoch`. With a `decay`, the last epochs count most (EMA);
    without, all count alike (SWA).
    """

    def __init__(self, first_epoch=1, decay=None):
        self.first_epoch = first_epoch
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        """Begin a new mean."""
        how = None if self.decay is None else get_ema_multi_avg_fn(self.decay)
        self.mean_ = AveragedModel(net.module_, multi_avg_fn=how)

    def on_epoch_end(self, net, **kwargs):
        """Take the weights of the epoch in."""
        if len(net.history) >= self.first_epoch:
            self.mean_.update_parameters(net.module_)

    def on_train_end(self, net, **kwargs):
        """Give the network the mean."""
        net.module_.load_state_dict(self.mean_.module.state_dict())


# What needs another estimator -------------------------------------------------------


class DecoupledDecay(AdversarialSER):
    """`alpha` is the decay of all weights by AdamW, not a term of the loss."""

    @property
    def _weight_decay(self):
        return self.alpha

    def _build_module(self, data, generator):
        module = super()._build_module(data, generator)
        module.is_penalized = False
        return module


class VirtualSpeakers(AdversarialSER):
    """Training rows as virtual speakers would have said them, as MixStyle has it.

    The mean and the deviation of a virtual speaker are a random mix of those of two
    training speakers. Each copy of a row has one of its own.
    """

    per_speaker = False

    def fit(self, X, y, speakers=None, *, groups=None):
        """Train on the copies."""
        rng = np.random.default_rng(self.random_state)
        codes = pd.factorize(speakers)[0]
        _, means, variances = moments(X, codes)
        statistics = np.stack([means, np.sqrt(variances)])  # (2, n_speakers, d)
        mean, scale = statistics[:, codes]
        z = (X - mean) / np.where(scale > 0, scale, 1)
        copies = []
        for _ in range(N_COPIES):
            n = len(means) if self.per_speaker else len(X)
            one, other = rng.integers(len(means), size=(2, n))
            share = rng.random((n, 1))
            mixed = share * statistics[:, one] + (1 - share) * statistics[:, other]
            mean, scale = mixed[:, codes] if self.per_speaker else mixed
            copies.append(z * scale + mean)
        return super().fit(
            np.concatenate(copies), np.tile(y, N_COPIES), np.tile(speakers, N_COPIES)
        )


class VirtualSpeakersForSpeakers(VirtualSpeakers):
    """The same with one virtual speaker per training speaker and copy."""

    per_speaker = True


class Ensemble(AdversarialSER):
    """Networks of several seeds, whose probabilities are averaged."""

    def fit(self, X, y, speakers=None, *, groups=None):
        """Train them one after the other."""
        seeds = np.random.default_rng(self.random_state).integers(2**31, size=N_MEMBERS)
        members = [
            AdversarialSER(**{**self.get_params(), "random_state": int(seed)})
            for seed in seeds
        ]
        self.members_ = [member.fit(X, y, speakers=speakers) for member in members]
        self.classes_ = members[0].classes_
        return self

    def predict_proba(self, X):
        """Return the mean of their probabilities."""
        return np.mean([member.predict_proba(X) for member in self.members_], axis=0)

    def predict(self, X):
        """Return the emotion that is most probable on average."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X):
        """Return their embeddings side by side."""
        return np.hstack([member.transform(X) for member in self.members_])


# What needs another network or loss: a function that changes it before the training --


def changed(change, *values, **settings):
    """Return an estimator whose module goes through a change before its training.

    That is a function of the module, the training data, a generator and `values`.
    """

    class Changed(AdversarialSER):
        def _build_module(self, data, generator):
            module = super()._build_module(data, generator)
            change(module, data, generator, *values)
            return module

    return Changed(**settings)


def places_of(kind, encoder):
    """Return the places of the layers of a kind, the last one first."""
    return [i for i, layer in enumerate(encoder) if isinstance(layer, kind)][::-1]


def at_input(layer, module):
    """Insert a layer behind the standardisation and the bound."""
    module.encoder.insert(places_of(nn.Linear, module.encoder)[-1], layer)


class AddedNoise(Noise):
    """Normal noise, in standard deviations of the features."""

    def __init__(self, scale, shape):
        super().__init__(torch.zeros(shape))
        self.scale = scale

    def draw(self, n_steps, generator):
        """Return the noise of some training steps."""
        noise = torch.randn((n_steps, *self.noise.shape), generator=generator)
        return self.scale * noise.to(self.noise)

    def forward(self, x):
        """Return the noisy rows."""
        return x + self.noise[: len(x)] if self.training else x


class SpeakerShift(AddedNoise):
    """All rows of a batch move as from one random speaker to another."""

    def __init__(self, means):
        super().__init__(None, means[:1].shape)
        self.means = torch.from_numpy(means)

    def draw(self, n_steps, generator):
        """Return the differences between two speakers each."""
        pair = torch.randint(len(self.means), (2, n_steps), generator=generator)
        return (self.means[pair[0]] - self.means[pair[1]])[:, None].to(self.noise)


class DropoutByRow(Dropout):
    """Dropout with a mask for each row."""

    def __init__(self, n_rows, n_units, p):
        super().__init__(n_units, p)
        self.noise = torch.ones(n_rows, n_units)

    def draw(self, n_steps, generator):
        """Return the masks of some training steps: (n_steps, n_rows, n_units)."""
        uniform = torch.rand((n_steps, *self.noise.shape), generator=generator)
        return (uniform.to(self.noise) >= self.p) / (1 - self.p)

    def forward(self, x):
        """Return the thinned rows."""
        return x * self.noise[: len(x)] if self.training else x


class Mix(Noise):
    """Mixup: each row is mixed with the one before it in its random batch.

    A batch has one share, of the distribution Beta(a, a), of which the row itself gets
    the larger part: its speaker counts as the one who speaks. (In a stack of networks
    the row before the first may be a filler, whose emotion has no weight.)
    """

    def __init__(self, a):
        super().__init__(torch.ones(()))
        self.a = a

    def draw(self, n_steps, generator):
        """Return the rows' own shares in some training steps."""
        share = beta.ppf(
            torch.rand(n_steps, generator=generator).numpy(), self.a, self.a
        )
        return torch.from_numpy(np.maximum(share, 1 - share)).to(self.noise)

    def of(self, values, others):
        """Return the mix of what belongs to the rows, and to those before them."""
        return self.noise * values + (1 - self.noise) * others

    def forward(self, x):
        """Return the mixed rows."""
        return self.of(x, x.roll(1, 0)) if self.training else x


class MixedEmotions(Emotions):
    """The loss of mixed rows, by the emotions of both."""

    def __init__(self, mix):
        super().__init__()
        self.mix = mix

    def loss(self, logits, y):
        """Return the mix of the losses."""
        others = {name: values.roll(1, 0) for name, values in y.items()}
        return self.mix.of(super().loss(logits, y), super().loss(logits, others))


class SmoothedEmotions(Emotions):
    """Label smoothing: a tenth of each label is all emotions alike."""

    def loss(self, logits, y):
        """Return the cross-entropy to the smoothed labels."""
        losses = F.cross_entropy(
            logits, y["emotion"], label_smoothing=0.1, reduction="none"
        )
        return weighted_mean(losses, y, "emotion")


class PairedEmotions(Emotions):
    """The right emotion against each other one, by a logistic loss."""

    def loss(self, logits, y):
        """Return the sum over the pairs."""
        right = logits.gather(1, y["emotion"][:, None])
        return weighted_mean(F.softplus(logits - right).sum(1), y, "emotion")


class SmallEmbedding(MaxEntropyNetwork):
    """The game of maximum entropy with a penalty on the embedding: 0.01 |h|²."""

    def loss(self, step, shared, y, progress):
        """Return the terms of a move."""
        terms = super().loss(step, shared, y, progress)
        if step == "train":
            size = shared[0].square().sum(1)
            terms["size"] = 0.01 * weighted_mean(size, y, "row")
        return terms


class WithLinearPath(nn.Module):
    """Layers, and a linear one beside them."""

    def __init__(self, layers, n_in, n_out):
        super().__init__()
        self.layers = layers
        self.path = linear(n_in, n_out, None)

    def forward(self, x):
        """Return the sum of both."""
        return self.layers(x) + self.path(x)


def input_dropout(module, data, generator, p):
    at_input(Dropout(data.X.shape[1], p), module)


def noise_by_row(module, data, generator, scale):
    at_input(AddedNoise(scale, (BATCH_SIZE, data.X.shape[1])), module)


def noise_by_batch(module, data, generator, scale):
    at_input(AddedNoise(scale, (1, data.X.shape[1])), module)


def speaker_shift(module, data, generator):
    rows = (data.X - data.standardize.mean.numpy()) / data.standardize.scale.numpy()
    at_input(SpeakerShift(moments(rows, data.codes["speaker"])[1]), module)


def dropout_by_row(module, data, generator, p):
    for place in places_of(nn.ReLU, module.encoder):
        n_units = module.encoder[place - 1].out_features
        module.encoder.insert(place + 1, DropoutByRow(BATCH_SIZE, n_units, p))


def layer_norm(module, data, generator):
    for place in places_of(nn.ReLU, module.encoder):
        n_units = module.encoder[place - 1].out_features
        module.encoder.insert(place, nn.LayerNorm(n_units))


def mixup(module, data, generator, a):
    mix = Mix(a)
    at_input(mix, module)
    module.outputs = MixedEmotions(mix)


def tanh(module, data, generator):
    for place in places_of(nn.ReLU, module.encoder):
        module.encoder[place] = nn.Tanh()


def small_weights(module, data, generator, factor):
    for place in places_of(nn.Linear, module.encoder):
        module.encoder[place].weight.data *= factor


def linear_path(module, data, generator):
    first = places_of(nn.Linear, module.encoder)[-1]
    before, layers = module.encoder[:first], module.encoder[first:]
    sizes = data.X.shape[1], module.emotion_head.in_features
    module.encoder = nn.Sequential(*before, WithLinearPath(layers, *sizes))


def half_of_features(module, data, generator):
    n_features = data.X.shape[1]
    order = torch.randperm(n_features, generator=generator).numpy()
    scale = np.where(order < n_features // 2, 1.0, np.inf)
    at_input(Standardize(np.zeros(n_features), scale), module)


def loss_of(module, data, generator, outputs):
    module.outputs = outputs()


def faster_adversary(module, data, generator, factor):
    module.lr_scales = {"adversary": factor}


def small_embedding(module, data, generator):
    module.__class__ = SmallEmbedding


# The variants: the steps behind the scaler, the last one the network ----------------

CLIP = FunctionTransformer(np.clip, kw_args={"a_min": -2.0, "a_max": 2.0})
QUANTILES = QuantileTransformer(n_quantiles=100, output_distribution="normal")
COSINE = [LRScheduler("CosineAnnealingLR", T_max=AdversarialSER().max_epochs)]
SVM = SVC(kernel="linear", C=0.01, class_weight="balanced", random_state=0)
SCALERS = {"global": StandardScaler(), "per speaker": SpeakerScaler(unknown="batch")}
GAME = {"adversary": "entropy", "adversary_weight": 0.5}
BEFORE = {**GAME, "clip": None, "alpha": 0.0, "dropout": 0.3}
BOUNDED = {**GAME, "clip": 2.0, "alpha": 0.0, "dropout": 0.3}
PENALIZED = {**GAME, "clip": 2.0, "alpha": 0.02, "dropout": 0.0}
TAKEN = {**GAME, "clip": 2.0, "alpha": 0.04, "dropout": 0.0}
CLOSED = TAKEN | {"adversary": "ridge"}
COPIES = {"max_epochs": AdversarialSER().max_epochs // N_COPIES}
VARIANTS = {
    "linear SVM, C=0.01": {
        "unbounded": [SVM],
        "bound of 2": [CLIP, SVM],
    },
    "clip=None, alpha=0, dropout=0.3": {
        "as it is": [AdversarialSER(**BEFORE)],
        "adversary=None": [AdversarialSER(**BEFORE | {"adversary": None})],
        "AdamW decay 0.1": [DecoupledDecay(**BEFORE | {"alpha": 0.1})],
        "AdamW decay 1": [DecoupledDecay(**BEFORE | {"alpha": 1.0})],
        "label smoothing 0.1": [changed(loss_of, SmoothedEmotions, **BEFORE)],
        "input dropout 0.3": [changed(input_dropout, 0.3, **BEFORE)],
        "input dropout 0.6": [changed(input_dropout, 0.6, **BEFORE)],
        "input noise of 0.5 per row": [changed(noise_by_row, 0.5, **BEFORE)],
        "input noise of 1 per row": [changed(noise_by_row, 1.0, **BEFORE)],
        "one input noise of 0.5 per batch": [changed(noise_by_batch, 0.5, **BEFORE)],
        "virtual speakers, per row": [VirtualSpeakers(**BEFORE, **COPIES)],
        "virtual speakers, per speaker": [
            VirtualSpeakersForSpeakers(**BEFORE, **COPIES)
        ],
        "virtual speakers, one shift per batch": [changed(speaker_shift, **BEFORE)],
        "mixup, Beta(1, 1)": [changed(mixup, 1.0, **BEFORE)],
        "LayerNorm": [changed(layer_norm, **BEFORE)],
        "features to normal quantiles": [QUANTILES, AdversarialSER(**BEFORE)],
        "features through 2 tanh(x / 2)": [
            FunctionTransformer(soft_bound),
            AdversarialSER(**BEFORE),
        ],
    },
    "clip=2, alpha=0, dropout=0.3": {
        "as it is": [AdversarialSER(**BOUNDED)],
        "clip=1.5": [AdversarialSER(**BOUNDED | {"clip": 1.5})],
        "hidden_layer_sizes=()": [AdversarialSER(**BOUNDED, hidden_layer_sizes=())],
        "hidden_layer_sizes=(512,)": [
            AdversarialSER(**BOUNDED, hidden_layer_sizes=(512,))
        ],
        "hidden_layer_sizes=(64,), embedding_dim=32": [
            AdversarialSER(**BOUNDED, hidden_layer_sizes=(64,), embedding_dim=32)
        ],
        "dropout=0": [AdversarialSER(**BOUNDED | {"dropout": 0.0})],
        "dropout=0.5": [AdversarialSER(**BOUNDED | {"dropout": 0.5})],
        "a dropout mask per row": [
            changed(dropout_by_row, 0.3, **BOUNDED | {"dropout": 0.0})
        ],
        "LayerNorm": [changed(layer_norm, **BOUNDED)],
        "max_epochs=20": [AdversarialSER(**BOUNDED, max_epochs=20)],
        "lr=0.0003": [AdversarialSER(**BOUNDED, lr=0.0003)],
        "lr=0.003": [AdversarialSER(**BOUNDED, lr=0.003)],
        "lr=0.01": [AdversarialSER(**BOUNDED, lr=0.01)],
        "cosine schedule": [AdversarialSER(**BOUNDED, callbacks=COSINE)],
        "AdamW decay 10": [DecoupledDecay(**BOUNDED | {"alpha": 10.0})],
        "AdamW decay 30": [DecoupledDecay(**BOUNDED | {"alpha": 30.0})],
        "initial weights × 0.3": [changed(small_weights, 0.3, **BOUNDED)],
        "initial weights × 0.1": [changed(small_weights, 0.1, **BOUNDED)],
        "linear path beside the encoder": [changed(linear_path, **BOUNDED)],
        "tanh for ReLU": [changed(tanh, **BOUNDED)],
        "pairwise logistic loss": [changed(loss_of, PairedEmotions, **BOUNDED)],
        "label smoothing 0.1, lr=0.003": [
            changed(loss_of, SmoothedEmotions, **BOUNDED, lr=0.003)
        ],
        "whitening by all rows, shrunk 0.3": [
            CLIP,
            Whiten(),
            AdversarialSER(**BOUNDED | {"clip": None}),
        ],
        "whitening within emotions, shrunk 0.3": [
            CLIP,
            Whiten(within=True),
            AdversarialSER(**BOUNDED | {"clip": None}),
        ],
        "whitening within emotions, max_epochs=20": [
            CLIP,
            Whiten(within=True),
            AdversarialSER(**BOUNDED | {"clip": None}, max_epochs=20),
        ],
        "penalty on the embedding": [changed(small_embedding, **BOUNDED)],
        "alpha=0.002": [AdversarialSER(**BOUNDED | {"alpha": 0.002})],
        "alpha=0.006": [AdversarialSER(**BOUNDED | {"alpha": 0.006})],
        "alpha=0.02": [AdversarialSER(**BOUNDED | {"alpha": 0.02})],
        "alpha=0.06": [AdversarialSER(**BOUNDED | {"alpha": 0.06})],
        "four seeds, averaged": [Ensemble(**BOUNDED)],
    },
    "clip=2, alpha=0.02, dropout=0": {
        "as it is": [AdversarialSER(**PENALIZED)],
        "alpha=0.01": [AdversarialSER(**PENALIZED | {"alpha": 0.01})],
        "clip=None": [AdversarialSER(**PENALIZED | {"clip": None})],
        "clip=1.5": [AdversarialSER(**PENALIZED | {"clip": 1.5})],
        "adversary=None": [AdversarialSER(**PENALIZED | {"adversary": None})],
        "dropout=0.1": [AdversarialSER(**PENALIZED | {"dropout": 0.1})],
        "input dropout 0.2": [changed(input_dropout, 0.2, **PENALIZED)],
        "dropout 0.3 with a mask per row": [changed(dropout_by_row, 0.3, **PENALIZED)],
        "hidden_layer_sizes=(256,)": [
            AdversarialSER(**PENALIZED, hidden_layer_sizes=(256,))
        ],
        "hidden_layer_sizes=(64,), embedding_dim=32": [
            AdversarialSER(**PENALIZED, hidden_layer_sizes=(64,), embedding_dim=32)
        ],
        "max_epochs=120": [AdversarialSER(**PENALIZED, max_epochs=120)],
        "cosine schedule": [AdversarialSER(**PENALIZED, callbacks=COSINE)],
        "one input noise of 0.5 per batch": [changed(noise_by_batch, 0.5, **PENALIZED)],
        "virtual speakers, per row": [VirtualSpeakers(**PENALIZED, **COPIES)],
        "virtual speakers, per speaker": [
            VirtualSpeakersForSpeakers(**PENALIZED, **COPIES)
        ],
        "pairwise logistic loss": [changed(loss_of, PairedEmotions, **PENALIZED)],
        "tanh for ReLU": [changed(tanh, **PENALIZED)],
        "features to normal quantiles": [QUANTILES, AdversarialSER(**PENALIZED)],
    },
    "clip=2, alpha=0.04, dropout=0": {
        "as it is": [AdversarialSER(**TAKEN)],
        "adversary=None": [AdversarialSER(**TAKEN | {"adversary": None})],
        "adversary='grl'": [AdversarialSER(**TAKEN | {"adversary": "grl"})],
        "adversary_steps=5": [AdversarialSER(**TAKEN, adversary_steps=5)],
        "the adversary's lr × 10": [changed(faster_adversary, 10.0, **TAKEN)],
        "the adversary's lr × 10, adversary_steps=5": [
            changed(faster_adversary, 10.0, **TAKEN, adversary_steps=5)
        ],
        "each network on half of the features": [changed(half_of_features, **TAKEN)],
        "four seeds, averaged": [Ensemble(**TAKEN)],
        "LayerNorm": [changed(layer_norm, **TAKEN)],
        "input noise of 0.5 per row": [changed(noise_by_row, 0.5, **TAKEN)],
        "mixup, Beta(1, 1)": [changed(mixup, 1.0, **TAKEN)],
        "mixup, Beta(0.2, 0.2)": [changed(mixup, 0.2, **TAKEN)],
        "weights averaged over the epochs from 31 on": [
            AdversarialSER(**TAKEN, callbacks=[AverageWeights(first_epoch=31)])
        ],
        "weights averaged, with a decay of 0.9 per epoch": [
            AdversarialSER(**TAKEN, callbacks=[AverageWeights(decay=0.9)])
        ],
    },
    "adversary='ridge', clip=2, alpha=0.04, dropout=0": {
        f"adversary_weight={weight}, adversary_alpha={alpha}": [
            AdversarialSER(
                **CLOSED | {"adversary_weight": weight, "adversary_alpha": alpha}
            )
        ]
        for weight in (0.2, 0.3, 0.5, 1.0)
        for alpha in (0.01, 0.1, 1.0)
    },
}
QUICK = {
    "few epochs": {
        "as it is": [AdversarialSER(**TAKEN, max_epochs=2)],
        "LayerNorm": [changed(layer_norm, **TAKEN, max_epochs=2)],
    }
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("urdu", type=Path, nargs="?", help="CSV of features")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2, help="variants at a time")
    parser.add_argument("--folder", type=Path, help="keeps what was done, to go on")
    parser.add_argument("--quick", action="store_true", help="two of few epochs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON to write")
    args = parser.parse_args()

    corpora = {"EmoDB": load_emodb(return_X_y_speakers=True)}
    if args.urdu is None or not args.urdu.exists():
        print(f"URDU is left out: there is no table at {args.urdu}.")
    else:
        frame = pd.read_csv(args.urdu, dtype={"speaker": str, "emotion": str})
        table = frame.select_dtypes("number"), frame["emotion"], frame["speaker"]
        corpora["URDU"] = table

    variants, n_seeds = (QUICK, 1) if args.quick else (VARIANTS, args.seeds)
    names = [(group, name) for group, of_group in variants.items() for name in of_group]
    found = Parallel(args.n_jobs, return_as="generator")(
        delayed(measured)(variants[group][name], corpora, n_seeds, place)
        for (group, name), place in zip(names, places(args.folder, names))
    )
    report = {
        "protocol": "EmoDB: `inner` is the mean over speakers of the UAR of the nine "
        "others together, each predicted by a network that has heard neither of the "
        "two; `outer` is the UAR of all speakers together, leaving one out; `nested` "
        "is that of the network with the highest `inner` of the speaker left out, "
        "mean of both normalisations, chosen anew for each seed. URDU: "
        f"GroupKFold({N_FOLDS}) by speaker, UAR of all folds together. Std over seeds. "
        "Per speaker: SpeakerScaler(unknown='batch'), transductive. Leakage: balanced "
        "accuracy with which a logistic probe names the speaker by the embedding, "
        "EmoDB, global.",
        "settings": {
            "seeds": list(range(n_seeds)),
            "network": AdversarialSER(**TAKEN).get_params(),
            "copies": N_COPIES,
            "members": N_MEMBERS,
        },
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "results": [],
    }
    networks = {}  # those that are chosen from
    for (group, name), scores in tqdm(zip(names, found), total=len(names)):
        steps = [described(step) for step in variants[group][name]]
        row = {"group": group, "variant": name, "steps": steps, **summary(scores)}
        report["results"].append(row)
        if variants[group][name][-1] is not SVM:
            networks[f"{group}: {name}"] = scores
            report["nested"] = nested(networks)
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    table = pd.json_normalize(report["results"]).drop(columns="steps")
    print(table.to_string(index=False))
    print(json.dumps(report["nested"], indent=1))
    print(f"written to {args.out}")


def places(folder, names):
    """Yield the folder of each variant, None for none."""
    for group, name in names:
        # A folder's name cannot hold all that a variant's does.
        text = "".join(
            c if c.isalnum() or c in "=.-" else "_" for c in f"{group} {name}"
        )
        yield folder and folder / text


def described(step):
    """Return how a step is written, which differs from its defaults only."""
    return " ".join(re.sub(r" at 0x[0-9a-f]+", "", repr(step)).split())


def measured(steps, corpora, seeds, folder):
    """Return the scores of a variant, by column.

    Returns
    -------
    scores : dict of dict
        "inner", the recall by seed and speaker left out, of EmoDB; "outer", a table of
        seed, speaker, emotion and whether it was recognised; and "leakage" by seed.
    """
    scores = {}
    for corpus, (X, y, speakers) in corpora.items():
        X = np.asarray(X, dtype=np.float32)  # twice as fast
        # URDU's speakers tell the emotion: their statistics would take it away.
        for normalisation in SCALERS if corpus == "EmoDB" else ["global"]:
            column = f"{corpus}, {normalisation}"
            comparison = compare(
                {"variant": make_pipeline(SCALERS[normalisation], *steps)},
                X,
                y,
                speakers,
                cv=OneOrTwoOut() if corpus == "EmoDB" else GroupKFold(N_FOLDS),
                seeds=seeds,
                probes=["logistic"] if column == "EmoDB, global" else [],
                folder=folder and folder / column,
            )
            leakage = comparison.leakage.query("estimator == 'variant'")
            scores[column] = {"leakage": leakage["accuracy"]}
            rows = comparison.predictions[["seed", "fold", "speaker", "y_true"]]
            rows = rows.assign(hit=rows["y_true"] == comparison.predictions["y_pred"])
            if corpus == "EmoDB":
                rows, scores[column]["inner"] = outer_and_inner(rows)
            scores[column]["outer"] = rows
    return scores


class OneOrTwoOut:
    """Folds that leave out each of the speakers, then folds that leave out each two."""

    def split(self, X, y=None, groups=None):
        """Return the training and the test rows of each fold."""
        splitters = LeaveOneGroupOut(), LeavePGroupsOut(2)
        return chain(*(splitter.split(X, y, groups) for splitter in splitters))

    def __repr__(self):
        return "OneOrTwoOut()"


def outer_and_inner(rows):
    """Return the rows of folds with one speaker, and the recalls of those with two.

    Of the two, each is an inner test speaker of the other.
    """
    other = {}
    for fold, speakers in rows.groupby("fold")["speaker"].unique().items():
        if len(speakers) == 2:
            one, two = speakers
            other |= {(fold, one): two, (fold, two): one}
    left_out = [other.get(key) for key in zip(rows["fold"], rows["speaker"])]
    rows = rows.assign(left_out=left_out)
    is_inner = rows["left_out"].notna()
    return rows[~is_inner], recall(rows[is_inner], ["seed", "left_out"])


def recall(rows, by):
    """Return the mean over the emotions of the share of them recognised."""
    return rows.groupby([*by, "y_true"])["hit"].mean().groupby(by).mean()


def summary(scores):
    """Return mean and standard deviation over the seeds of all scores of a variant."""
    found = {}
    for column, of_column in scores.items():
        found[column] = over_seeds("outer", recall(of_column["outer"], ["seed"]))
        if "inner" in of_column:
            found[column] |= over_seeds(
                "inner", of_column["inner"].groupby("seed").mean()
            )
        if len(of_column["leakage"]):
            found[column] |= over_seeds("leakage", of_column["leakage"])
    return found


def over_seeds(name, values):
    """Return mean and standard deviation, which one seed has not."""
    std = round(values.std(), 4) if len(values) > 1 else None
    return {name: round(values.mean(), 4), f"{name}_std": std}


def nested(networks):
    """Choose anew for each seed and speaker, and score the choice on that speaker."""
    columns = [f"EmoDB, {normalisation}" for normalisation in SCALERS]
    inner = pd.DataFrame(
        {
            name: sum(scores[column]["inner"] for column in columns)
            for name, scores in networks.items()
        }
    )
    chosen = inner.idxmax(axis=1)
    found = {"chosen": chosen.value_counts().to_dict()}
    for column in columns:
        rows = pd.concat(
            {name: scores[column]["outer"] for name, scores in networks.items()},
            names=["variant"],
        ).reset_index("variant")
        of_rows = chosen.loc[pd.MultiIndex.from_frame(rows[["seed", "speaker"]])]
        of_chosen = rows[rows["variant"].to_numpy() == of_rows.to_numpy()]
        found[column] = over_seeds("nested", recall(of_chosen, ["seed"]))
    return found


if __name__ == "__main__":
    main()
