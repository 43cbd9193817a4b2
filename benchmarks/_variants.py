"""The variants of the network that `variants.py` compares.

A variant is a list of steps behind the scaler, the last one the network. One with an
encoder of its own changes the hidden layer only: the embedding layer that follows is
linear with a ReLU, without dropout.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.covariance import ShrunkCovariance
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer
from sklearn.svm import SVC
from skorch.callbacks import Callback, LRScheduler
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from advser import AdversarialSER
from advser.nn import Dropout, Noise, linear, mlp, weighted_mean
from advser.objectives import (
    CORAL,
    MMD,
    ClosedForm,
    GradientReversal,
    GroupDRO,
    MaxEntropy,
    VREx,
)

N_COPIES = 10  # of a training row, each by another virtual speaker
N_MEMBERS = 4  # of an ensemble
BATCH_SIZE = AdversarialSER().batch_size
WIDTH = 128  # of the hidden layer


# Steps before the network, and callbacks ---------------------------------------------


def soft_bound(x):
    """Bound features at 2, smoothly."""
    return 2 * np.tanh(x / 2)


class Whiten(TransformerMixin, BaseEstimator):
    """Remove the correlations of the features, or those within the emotions."""

    def __init__(self, within=False):
        self.within = within

    def fit(self, X, y):
        """Learn the covariance, shrunk by 0.3."""
        if self.within:
            X = X - pd.DataFrame(X).groupby(np.asarray(y)).transform("mean").to_numpy()
        covariance = ShrunkCovariance(shrinkage=0.3).fit(X).covariance_
        values, vectors = np.linalg.eigh(covariance)
        self.whitening_ = vectors / np.sqrt(values) @ vectors.T
        return self

    def transform(self, X):
        """Return rows whose columns are nearly uncorrelated."""
        return X @ self.whitening_


class AverageWeights(Callback):
    """Predict with the mean of the weights at the ends of the epochs.

    It starts with `first_epoch`. With a `decay`, the last epochs count most (EMA);
    without one, all count equally (SWA).
    """

    def __init__(self, first_epoch=1, decay=None):
        self.first_epoch = first_epoch
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        """Start a new mean."""
        average = None if self.decay is None else get_ema_multi_avg_fn(self.decay)
        self.mean_ = AveragedModel(net.module_, multi_avg_fn=average)

    def on_epoch_end(self, net, **kwargs):
        """Add the weights of the epoch."""
        if len(net.history) >= self.first_epoch:
            self.mean_.update_parameters(net.module_)

    def on_train_end(self, net, **kwargs):
        """Set the weights of the network to the mean."""
        net.module_.load_state_dict(self.mean_.module.state_dict())


class DecoupledDecay(Callback):
    """Weight decay of encoder and emotion head as in AdamW, not a term of the loss."""

    def __init__(self, decay):
        self.decay = decay

    @torch.no_grad()
    def on_batch_end(self, net, **kwargs):
        """Shrink the weights, not the biases."""
        for part in (net.module_.encoder, net.module_.emotion_head):
            for parameter in part.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(1 - net.lr * self.decay)


# Other estimators --------------------------------------------------------------------


class VirtualSpeakers(AdversarialSER):
    """Training rows as virtual speakers would have said them, as MixStyle has it.

    The mean and the deviation of a virtual speaker are a random mix of those of two
    training speakers. Each copy of a row has a virtual speaker of its own.
    """

    per_speaker = False

    def fit(self, X, y, speakers=None, *, groups=None):
        """Train on the copies."""
        rng = np.random.default_rng(self.random_state)
        codes = pd.factorize(speakers)[0]
        by_speaker = pd.DataFrame(X).groupby(codes)
        statistics = np.stack([by_speaker.mean(), by_speaker.std(ddof=0)])
        n_speakers = by_speaker.ngroups
        mean, scale = statistics[:, codes]
        z = (X - mean) / np.where(scale > 0, scale, 1)
        copies = []
        for _ in range(N_COPIES):
            n = n_speakers if self.per_speaker else len(X)
            one, other = rng.integers(n_speakers, size=(2, n))
            share = rng.random((n, 1))
            mixed = share * statistics[:, one] + (1 - share) * statistics[:, other]
            mean, scale = mixed[:, codes] if self.per_speaker else mixed
            copies.append(z * scale + mean)
        X = np.concatenate(copies).astype(X.dtype)
        return super().fit(X, np.tile(y, N_COPIES), np.tile(speakers, N_COPIES))


class VirtualSpeakersOnce(VirtualSpeakers):
    """The same with one virtual speaker per training speaker and copy."""

    per_speaker = True


class Ensemble(AdversarialSER):
    """Networks of several seeds, whose probabilities are averaged."""

    def fit(self, X, y, speakers=None, *, groups=None):
        """Train them one after the other."""
        seeds = np.random.default_rng(self.random_state).integers(2**31, size=N_MEMBERS)
        members = [
            AdversarialSER(**{**self.get_params(deep=False), "random_state": int(seed)})
            for seed in seeds
        ]
        self.members_ = [member.fit(X, y, speakers=speakers) for member in members]
        self.classes_ = members[0].classes_
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "members_")

    def predict_proba(self, X):
        """Return the mean of their probabilities."""
        return np.mean([member.predict_proba(X) for member in self.members_], axis=0)

    def predict(self, X):
        """Return the emotion with the highest mean probability."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X):
        """Return their embeddings side by side."""
        return np.hstack([member.transform(X) for member in self.members_])


# Other encoders: functions of the number of features and the dropout -----------------


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
        """Return the rows without the units that are left out."""
        return x * self.noise[: len(x)] if self.training else x


class HalfOfFeatures(nn.Module):
    """Sets a random half of the features to 0."""

    def __init__(self, n_features):
        super().__init__()
        keep = torch.randperm(n_features) < n_features // 2
        self.register_buffer("keep", keep.float())

    def forward(self, x):
        """Return the rows with the other half."""
        return x * self.keep


class WithLinearPath(nn.Module):
    """Layers, and a linear one beside them."""

    def __init__(self, layers, n_in, n_out):
        super().__init__()
        self.layers = layers
        self.path = linear(n_in, n_out, None)

    def forward(self, x):
        """Return the sum of both."""
        return self.layers(x) + self.path(x)


def hidden(n_features, dropout):
    """Return the hidden layer that the network has by default."""
    return mlp((n_features, WIDTH), torch.default_generator, dropout=dropout)


def behind_dropout(n_features, dropout, p):
    return nn.Sequential(Dropout(n_features, p), hidden(n_features, dropout))


def behind_noise(n_features, dropout, scale, n_rows=BATCH_SIZE):
    noise = AddedNoise(scale, (n_rows, n_features))
    return nn.Sequential(noise, hidden(n_features, dropout))


def behind_half(n_features, dropout):
    return nn.Sequential(HalfOfFeatures(n_features), hidden(n_features, dropout))


def with_row_dropout(n_features, dropout, p):
    layers = hidden(n_features, dropout)
    return nn.Sequential(*layers, DropoutByRow(BATCH_SIZE, WIDTH, p))


def with_layer_norm(n_features, dropout):
    layer, *others = hidden(n_features, dropout)
    return nn.Sequential(layer, nn.LayerNorm(WIDTH), *others)


def with_tanh(n_features, dropout):
    layer, _, *others = hidden(n_features, dropout)
    return nn.Sequential(layer, nn.Tanh(), *others)


def with_linear_path(n_features, dropout):
    return WithLinearPath(hidden(n_features, dropout), n_features, WIDTH)


@torch.no_grad()
def with_small_weights(n_features, dropout, factor):
    layers = hidden(n_features, dropout)
    layers[0].weight.mul_(factor)
    return layers


# Other objectives --------------------------------------------------------------------


class LabelSmoothing(MaxEntropy):
    """A tenth of each label is equal for all emotions."""

    def loss(self, h, output, y, progress):
        """Return the terms, with the cross-entropy to the smoothed labels."""
        losses = F.cross_entropy(
            output, y.emotion, label_smoothing=0.1, reduction="none"
        )
        terms = super().loss(h, output, y, progress)
        return terms | {"emotion": weighted_mean(losses, y.emotion_weight)}


class PairwiseLoss(MaxEntropy):
    """The right emotion against each other one, by a logistic loss."""

    def loss(self, h, output, y, progress):
        """Return the terms, with the sum over the pairs."""
        right = output.gather(1, y.emotion[:, None])
        losses = F.softplus(output - right).sum(1)
        terms = super().loss(h, output, y, progress)
        return terms | {"emotion": weighted_mean(losses, y.emotion_weight)}


class SmallEmbedding(MaxEntropy):
    """A penalty on the embedding: 0.01 |h|²."""

    def loss(self, h, output, y, progress):
        """Return the terms, and the penalty."""
        size = weighted_mean(h.square().sum(1), y.row_weight)
        return super().loss(h, output, y, progress) | {"size": 0.01 * size}


# The variants: the steps behind the scaler, the last one the network ----------------

CLIP = FunctionTransformer(np.clip, kw_args={"a_min": -2.0, "a_max": 2.0})
QUANTILES = QuantileTransformer(n_quantiles=100, output_distribution="normal")
N_EPOCHS = 60  # by default, on as few rows as EmoDB has
COSINE = [LRScheduler("CosineAnnealingLR", T_max=N_EPOCHS)]
SVM = SVC(kernel="linear", C=0.01, class_weight="balanced", random_state=0)
ADVERSARY = MaxEntropy(0.5)  # unless a variant has another one
COPIES = {"max_epochs": N_EPOCHS // N_COPIES}


# What all networks share: the defaults at the time of the comparison.
EARLIER = {"noise": 0.0, "lr": 0.001, "max_epochs": 60}


def network(shared, *steps, kind=AdversarialSER, **changed):
    """Return the steps of a variant: those before the network, and the network."""
    settings = EARLIER | {"adversary": ADVERSARY} | shared | changed
    if "encoder" in settings:
        make = settings["encoder"]
        settings["encoder"] = partial(make, dropout=settings["dropout"])
    return [*steps, kind(**settings)]


def named(network, *changes):
    """Return variants that change parameters, by the text of the change."""
    return {
        ", ".join(f"{name}={value}" for name, value in changed.items())
        or "unchanged": network(**changed)
        for changed in changes
    }


TAKEN = {"clip": 2.0, "alpha": 0.04, "dropout": 0.0}
before = partial(network, {"clip": None, "alpha": 0.0, "dropout": 0.3})
bounded = partial(network, {"clip": 2.0, "alpha": 0.0, "dropout": 0.3})
penalized = partial(network, {"clip": 2.0, "alpha": 0.02, "dropout": 0.0})
taken = partial(network, TAKEN)
SMALL = {"hidden_layer_sizes": (64,), "embedding_dim": 32}
NOISY_BATCH = partial(behind_noise, scale=0.5, n_rows=1)
VARIANTS = {
    "linear SVM, C=0.01": {"unbounded": [SVM], "bound of 2": [CLIP, SVM]},
    "clip=None, alpha=0, dropout=0.3": {
        **named(before, {}, {"adversary": None}),
        "AdamW decay 0.1": before(callbacks=[DecoupledDecay(0.1)]),
        "AdamW decay 1": before(callbacks=[DecoupledDecay(1.0)]),
        "label smoothing 0.1": before(adversary=LabelSmoothing(0.5)),
        "input dropout 0.3": before(encoder=partial(behind_dropout, p=0.3)),
        "input dropout 0.6": before(encoder=partial(behind_dropout, p=0.6)),
        "input noise of 0.5 per row": before(encoder=partial(behind_noise, scale=0.5)),
        "input noise of 1 per row": before(encoder=partial(behind_noise, scale=1.0)),
        "one input noise of 0.5 per batch": before(encoder=NOISY_BATCH),
        "virtual speakers, per row": before(kind=VirtualSpeakers, **COPIES),
        "virtual speakers, per speaker": before(kind=VirtualSpeakersOnce, **COPIES),
        "LayerNorm": before(encoder=with_layer_norm),
        "features to normal quantiles": before(QUANTILES),
        "features through 2 tanh(x / 2)": before(FunctionTransformer(soft_bound)),
    },
    "clip=2, alpha=0, dropout=0.3": {
        **named(bounded, {}, {"clip": 1.5}, {"hidden_layer_sizes": ()}),
        **named(bounded, {"hidden_layer_sizes": (512,)}, SMALL),
        **named(bounded, {"dropout": 0}, {"dropout": 0.5}),
        "a dropout mask per row": bounded(
            encoder=partial(with_row_dropout, p=0.3), dropout=0.0
        ),
        "LayerNorm": bounded(encoder=with_layer_norm),
        **named(bounded, {"max_epochs": 20}),
        **named(bounded, {"lr": 0.0003}, {"lr": 0.003}, {"lr": 0.01}),
        "cosine schedule": bounded(callbacks=COSINE),
        "AdamW decay 10": bounded(callbacks=[DecoupledDecay(10.0)]),
        "AdamW decay 30": bounded(callbacks=[DecoupledDecay(30.0)]),
        "initial weights × 0.3": bounded(
            encoder=partial(with_small_weights, factor=0.3)
        ),
        "initial weights × 0.1": bounded(
            encoder=partial(with_small_weights, factor=0.1)
        ),
        "linear path beside the encoder": bounded(encoder=with_linear_path),
        "tanh for ReLU": bounded(encoder=with_tanh),
        "pairwise logistic loss": bounded(adversary=PairwiseLoss(0.5)),
        "label smoothing 0.1, lr=0.003": bounded(
            adversary=LabelSmoothing(0.5), lr=0.003
        ),
        "whitening by all rows, shrunk 0.3": bounded(CLIP, Whiten(), clip=None),
        "whitening within emotions, shrunk 0.3": bounded(
            CLIP, Whiten(within=True), clip=None
        ),
        "whitening within emotions, max_epochs=20": bounded(
            CLIP, Whiten(within=True), clip=None, max_epochs=20
        ),
        "penalty on the embedding": bounded(adversary=SmallEmbedding(0.5)),
        **named(bounded, *({"alpha": alpha} for alpha in (0.002, 0.006, 0.02, 0.06))),
        "four seeds, averaged": bounded(kind=Ensemble),
    },
    "clip=2, alpha=0.02, dropout=0": {
        **named(penalized, {}, {"alpha": 0.01}, {"clip": None}, {"clip": 1.5}),
        **named(penalized, {"adversary": None}, {"dropout": 0.1}),
        "input dropout 0.2": penalized(encoder=partial(behind_dropout, p=0.2)),
        "dropout 0.3 with a mask per row": penalized(
            encoder=partial(with_row_dropout, p=0.3)
        ),
        **named(penalized, {"hidden_layer_sizes": (256,)}, SMALL, {"max_epochs": 120}),
        "cosine schedule": penalized(callbacks=COSINE),
        "one input noise of 0.5 per batch": penalized(encoder=NOISY_BATCH),
        "virtual speakers, per row": penalized(kind=VirtualSpeakers, **COPIES),
        "virtual speakers, per speaker": penalized(kind=VirtualSpeakersOnce, **COPIES),
        "pairwise logistic loss": penalized(adversary=PairwiseLoss(0.5)),
        "tanh for ReLU": penalized(encoder=with_tanh),
        "features to normal quantiles": penalized(QUANTILES),
    },
    "clip=2, alpha=0.04, dropout=0": {
        **named(taken, {}, {"adversary": None}),
        "GradientReversal(weight=0.5)": taken(adversary=GradientReversal(0.5)),
        "MaxEntropy(weight=0.5, steps=5)": taken(adversary=MaxEntropy(0.5, steps=5)),
        "VREx(weight=1)": taken(adversary=VREx(1.0)),
        "CORAL(weight=1)": taken(adversary=CORAL(1.0)),
        "MMD(weight=1)": taken(adversary=MMD(1.0)),
        "GroupDRO(step_size=0.01)": taken(adversary=GroupDRO(0.01)),
        "each network on half of the features": taken(encoder=behind_half),
        "four seeds, averaged": taken(kind=Ensemble),
        "LayerNorm": taken(encoder=with_layer_norm),
        "input noise of 0.5 per row": taken(encoder=partial(behind_noise, scale=0.5)),
        "weights averaged over the epochs from 31 on": taken(
            callbacks=[AverageWeights(first_epoch=31)]
        ),
        "weights averaged, with a decay of 0.9 per epoch": taken(
            callbacks=[AverageWeights(decay=0.9)]
        ),
    },
    "adversary='closed_form', clip=2, alpha=0.04, dropout=0": {
        f"weight={weight}, penalty={penalty}": taken(
            adversary=ClosedForm(weight, penalty=penalty)
        )
        for weight in (0.2, 0.3, 0.5, 1.0)
        for penalty in (0.01, 0.1, 1.0)
    },
}
QUICK = {
    "few epochs": {
        "unchanged": taken(max_epochs=2),
        "LayerNorm": taken(encoder=with_layer_norm, max_epochs=2),
    }
}
