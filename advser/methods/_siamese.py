r"""Disentangled siamese network with neutral calibration.

Chen and Zhang (2023), arXiv 2312.15593. One encoder E sees an utterance x and a neutral
reference :math:`x_n` of the same speaker. Two translators part the embedding
:math:`h = E(x)` into an emotion-irrelevant code :math:`i = T(h)`, which is calibrated
by the reference, and an emotion-relevant one :math:`r = T_2(h)`, from which the head C
tells the emotion e. A decoder D makes the embedding of both again:

.. math::

    \min_{E, T, T_2, D, C} \;
    \mathrm{CE}(C(r), e)
    + L_\mathrm{sim}(i, E(x_n))
    + L_\mathrm{diff}(i, r)
    + \mathrm{MSE}(h, D([i, r]))
"""

from functools import partial
from numbers import Integral, Real
from warnings import warn

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from .._engine._networks import SpeakerHead
from .._threads import limited_threads
from .._validation import check_labels, check_layer_sizes, check_speakers, encode
from ..exceptions import NoNeutralWarning, NoSpeakersWarning
from ..nn import (
    Noise,
    classification_loss,
    linear,
    mlp,
    reconstruction_loss,
    weighted_mean,
)
from ._base import BaseSERClassifier
from ._utterances import CHUNK

__all__ = [
    "SiameseNetwork",
    "SiameseSER",
    "cosine_distance",
    "cross_correlation",
    "integrated_gradients",
    "jensen_shannon_divergence",
    "neutral_offsets",
    "neutral_statistics",
    "subspace_overlap",
]

TINY = 1e-12  # keeps means of rows that weigh nothing, and logarithms, finite
N_CHOICES = 3  # the paper draws among the first three neutral utterances of a speaker


def jensen_shannon_divergence(i, h_n):
    r"""Return each row's divergence between two embeddings, taken as distributions.

    With :math:`p = \mathrm{softmax}(i)`, :math:`q = \mathrm{softmax}(h_n)` over the
    dimensions, and their mean m,

    .. math:: \mathrm{JS} = \tfrac{1}{2} \sum p \log \frac{p}{m}
        + \tfrac{1}{2} \sum q \log \frac{q}{m}.

    Parameters
    ----------
    i : Tensor of shape (n, d)
        Emotion-irrelevant code.

    h_n : Tensor of shape (n, d)
        Embedding of the neutral reference of each row.

    Returns
    -------
    loss : Tensor of shape (n,)
        From 0, where they are equal, to log 2.
    """
    log_p, log_q = i.log_softmax(1), h_n.log_softmax(1)
    p, q = log_p.exp(), log_q.exp()
    log_m = ((p + q) / 2 + TINY).log()
    return (p * (log_p - log_m) + q * (log_q - log_m)).sum(1) / 2


def cosine_distance(i, h_n):
    r"""Return each row's :math:`1 - \cos(i, h_n)`.

    Parameters
    ----------
    i : Tensor of shape (n, d)
        Emotion-irrelevant code.

    h_n : Tensor of shape (n, d)
        Embedding of the neutral reference of each row.

    Returns
    -------
    loss : Tensor of shape (n,)
        From 0, where both have one direction, to 2.
    """
    return 1 - F.cosine_similarity(i, h_n, dim=1)


def cross_correlation(i, r, weight=None):
    r"""Return how far the dimensions of one code are correlated with the other's.

    .. math:: L_\mathrm{diff} = \frac{1}{d} \left\lVert
        \frac{1}{B} Z(i)^\top Z(r) \right\rVert_F^2

    Z standardises each column within the batch, so the entries are correlations. Of
    independent codes they are of the order :math:`1 / \sqrt{B}`, and the loss is about
    :math:`d / B`; of equal ones it is 1 at least. The batch therefore should be at
    least four times as large as the code.

    Parameters
    ----------
    i, r : Tensor of shape (B, d)
        The two codes.

    weight : Tensor of shape (B,) or None, default=None
        Weights of the rows, of any scale. None if all weigh the same.

    Returns
    -------
    loss : Tensor of shape ()
    """
    if weight is None:
        i, r = standardize_columns(i), standardize_columns(r)
        correlations = i.T @ r / len(i)
    else:
        share = weight / weight.sum().clamp(min=TINY)  # (B,)
        i, r = standardize_columns(i, share), standardize_columns(r, share)
        correlations = i.T @ (share[:, None] * r)
    return correlations.square().sum() / i.shape[1]


def standardize_columns(code, share=None, eps=1e-5):
    """Return the code with mean 0 and variance 1: (B, d), with shares (B,) of the rows.

    A column of (next to) no variance, which `eps` tells, comes out as (nearly) 0.
    """
    centred = code - _mean_of_rows(code, share)
    return centred / (_mean_of_rows(centred.square(), share) + eps).sqrt()


def _mean_of_rows(values, share):
    """Return the mean of rows that have shares (B,), or all the same: (d,)."""
    return values.mean(0) if share is None else share @ values


def subspace_overlap(i, r, weight=None):
    r"""Return the paper's orthogonality loss, that of domain separation networks.

    .. math:: L_\mathrm{diff} = \frac{1}{d^2}
        \left\lVert \hat I^\top \hat R \right\rVert_F^2

    The rows of :math:`\hat I` and :math:`\hat R` are those of i and r, less the mean
    of the batch and divided by their norm; Bousmalis et al. (2016), arXiv 1608.06019.
    The loss is of the order :math:`B / d^2`, so its weight means something else for
    every size of the batch and of the code.

    Parameters
    ----------
    i, r : Tensor of shape (B, d)
        The two codes.

    weight : Tensor of shape (B,) or None, default=None
        Weights of the rows, of any scale. For B stands Kish's effective number of
        rows, :math:`(\sum w)^2 / \sum w^2`, which is that of the rows if all weigh
        the same. None if they do.

    Returns
    -------
    loss : Tensor of shape ()
    """
    if weight is None:
        weight = torch.ones_like(i[:, 0])
    total = weight.sum().clamp(min=TINY)
    n_rows = total**2 / weight.square().sum().clamp(min=TINY)
    share = weight / total  # (B,)
    i, r = (F.normalize(code - share @ code, dim=1) for code in (i, r))
    return (n_rows * i.T @ (share[:, None] * r)).square().mean()


def integrated_gradients(function, x, baseline, n_steps):
    r"""Share the rise of a function, from a baseline to each row, out to the features.

    .. math:: a_j = (x_j - b_j)
        \int_0^1 \frac{\partial f}{\partial x_j}(b + t (x - b)) \, dt

    Sundararajan, Taly and Yan (2017), arXiv 1703.01365. The attributions of a row add
    up to :math:`f(x) - f(b)`, up to the error of the midpoint rule.

    Parameters
    ----------
    function : callable
        Maps rows to one number each: (n, n_features) to (n,).

    x : Tensor of shape (n, n_features)

    baseline : Tensor of shape (n_features,)
        :math:`b`.

    n_steps : int
        Number of points on the way.

    Returns
    -------
    attribution : Tensor of shape (n, n_features)
    """
    gradient = torch.zeros_like(x)
    for step in range(n_steps):
        t = (step + 0.5) / n_steps
        point = torch.lerp(baseline.expand_as(x), x, t).detach().requires_grad_()
        gradient += torch.autograd.grad(function(point).sum(), point)[0]
    return (x - baseline) * gradient / n_steps


CALIBRATIONS = {"js": jensen_shannon_divergence, "cosine": cosine_distance}
ORTHOGONALITIES = {"standardized": cross_correlation, "paper": subspace_overlap}


class Clip(nn.Module):
    """Set what lies beyond ±`bound` to it."""

    def __init__(self, bound):
        super().__init__()
        self.register_buffer("bound", torch.tensor(float(bound)), persistent=False)

    def forward(self, x):
        """Return the clipped rows: (n, d) to (n, d)."""
        return x.clamp(-self.bound, self.bound)


class NeutralReferences(Noise):
    """A neutral reference of each speaker, chosen anew in every training step.

    The first entry of all is that of a speaker of whom no neutral speech is known, so
    that the code -1 stands for it when 1 is added.

    Parameters
    ----------
    rows : Tensor of shape (n_speakers + 1, n_choices, n_features)
        The references that may be chosen.

    n_choices : Tensor of shape (n_speakers + 1,)
        Number of the first rows of each entry that may be chosen.

    weight : Tensor of shape (n_speakers + 1,)
        Weight of each speaker's rows in the calibration term, 0 without neutral speech.
    """

    def __init__(self, rows, n_choices, weight):
        super().__init__(torch.zeros(len(rows)))
        self.register_buffer("rows", rows)
        self.register_buffer("n_choices", n_choices)
        self.register_buffer("weight", weight)

    def draw(self, n_steps, generator):
        """Return numbers from 0 to 1 that choose: (n_steps, n_speakers + 1)."""
        drawn = torch.rand((n_steps, len(self.noise)), generator=generator)
        return drawn.to(self.noise)

    def forward(self):
        """Return the references of this step: (n_speakers + 1, n_features)."""
        if self.rows.shape[1] == 1:
            return self.rows[:, 0]
        choice = (self.noise * self.n_choices).long()  # (n_speakers + 1,)
        choice = choice[:, None, None].expand(-1, 1, self.rows.shape[2])
        return self.rows.gather(1, choice)[:, 0]


class NeutralOffsets(Noise):
    """Takes a random share of the speaker's neutral offset off each training row.

    The network so learns from speakers who are known a little, well, or not at all,
    and meets all of these again when it predicts.

    Parameters
    ----------
    offsets : Tensor of shape (n_speakers + 1, n_features)
        The speakers' offsets, behind that of an unknown one, which is 0.
    """

    def __init__(self, offsets):
        super().__init__(torch.zeros(len(offsets)))
        self.register_buffer("offsets", offsets)

    def draw(self, n_steps, generator):
        """Return the shares of the speakers: (n_steps, n_speakers + 1)."""
        drawn = torch.rand((n_steps, len(self.noise)), generator=generator)
        return drawn.to(self.noise)

    def forward(self, x, speaker):
        """Return the rows less their share: (n, n_features), with (n,) entries."""
        return x - (self.noise[:, None] * self.offsets)[speaker]


class SiameseNetwork(nn.Module):
    """The siamese network: all players move in one step.

    Parameters
    ----------
    encoder : Module
        E, maps features to the embedding: (n, n_features) to (n, d).

    emotion_head : Module
        C, maps the emotion-relevant code to logits: (n, d) to (n, n_emotions).

    irrelevant, relevant : Module
        The translators T and T2: (n, d) to (n, d).

    decoder : Linear
        D, maps the irrelevant and the relevant code, side by side, to the embedding:
        (n, 2 d) to (n, d).

    speaker_head : SpeakerHead or None, default=None
        Tells the speaker from the irrelevant code.

    references : NeutralReferences or None, default=None
        What calibrates the irrelevant code; None for no calibration term.

    offsets : NeutralOffsets or None, default=None
        What is taken off the training rows; None for nothing.

    calibration : {"js", "cosine"}, default="js"
        The calibration term.

    orthogonality : {"standardized", "paper"}, default="standardized"
        The orthogonality term.

    weights : dict of float, default=None
        Weights of the terms "emotion", "calibration", "orthogonality",
        "reconstruction" and "speaker", where they are not 1.
    """

    steps = ("train",)

    def __init__(
        self,
        encoder,
        emotion_head,
        irrelevant,
        relevant,
        decoder,
        speaker_head=None,
        references=None,
        offsets=None,
        *,
        calibration="js",
        orthogonality="standardized",
        weights=None,
    ):
        super().__init__()
        self.encoder = encoder
        self.emotion_head = emotion_head
        self.irrelevant = irrelevant
        self.relevant = relevant
        self.decoder = decoder
        self.speaker_head = speaker_head
        self.references = references
        self.offsets = offsets
        self.calibration = calibration
        self.orthogonality = orthogonality
        terms = ("emotion", "calibration", "orthogonality", "reconstruction", "speaker")
        for term in terms:
            weight = torch.tensor(float((weights or {}).get(term, 1.0)))
            self.register_buffer(f"{term}_weight", weight, persistent=False)

    def forward(self, x):
        """Return the emotion logits: (n, n_features) to (n, n_emotions)."""
        return self.emotion_head(self.emotion_code(x))

    def emotion_code(self, x):
        """Return the emotion-relevant code: (n, n_features) to (n, d)."""
        return self.relevant(self.encoder(x))

    def speaker_code(self, x):
        """Return the emotion-irrelevant code: (n, n_features) to (n, d)."""
        return self.irrelevant(self.encoder(x))

    def both_codes(self, x):
        """Return the relevant and the irrelevant code: (n, n_features) to (n, 2 d)."""
        h = self.encoder(x)
        return torch.cat([self.relevant(h), self.irrelevant(h)], 1)

    def contributions(self, x, baseline):
        """Return what either code adds to the decoded embedding.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)

        baseline : Tensor of shape (n_features,)
            The row beside which they add it.

        Returns
        -------
        of_emotion, of_speaker : Tensor of shape (n, d)
            Their sum is the decoded embedding less that of the baseline.
        """
        relevant, irrelevant = (
            self.both_codes(x) - self.both_codes(baseline[None])
        ).chunk(2, 1)
        to_irrelevant, to_relevant = self.decoder.weight.chunk(2, 1)  # (d, d) each
        return relevant @ to_relevant.T, irrelevant @ to_irrelevant.T

    def step_parameters(self, step):
        """Return the parameters that a move may change: all."""
        return list(self.parameters())

    def loss(self, step, x, y, progress):
        """Return the weighted terms of the joint step."""
        if self.offsets is not None:
            x = self.offsets(x, y["speaker"] + 1)
        # E sees all at once: the rows, and n_speakers + 1 references behind them.
        seen = x if self.references is None else torch.cat([x, self.references()])
        h, h_n = self.encoder(seen).tensor_split([len(x)])  # (n, d), (n_references, d)
        i, r = self.irrelevant(h), self.relevant(h)
        logits = self.emotion_head(r)
        terms = {"emotion": classification_loss(logits, y, "emotion")}
        if self.references is not None:
            entry = y["speaker"] + 1
            losses = CALIBRATIONS[self.calibration](i, h_n[entry])  # (n,)
            losses = self.references.weight[entry] * losses
            terms["calibration"] = weighted_mean(losses, y, "row")
        orthogonality = ORTHOGONALITIES[self.orthogonality]
        terms["orthogonality"] = orthogonality(i, r, y.get("row_weight"))
        # The target stands still: to shrink h would else be the shortest way down.
        losses = reconstruction_loss(self.decoder(torch.cat([i, r], 1)), h.detach())
        terms["reconstruction"] = weighted_mean(losses, y, "row")
        if self.speaker_head is not None:
            speaker_logits = self.speaker_head(i, logits, y["emotion"])
            terms["speaker"] = classification_loss(speaker_logits, y, "speaker")
        return {
            name: getattr(self, f"{name}_weight") * term for name, term in terms.items()
        }

    def extra_repr(self):
        """Show the settings that are no parameters or buffers."""
        return f"calibration={self.calibration!r}, orthogonality={self.orthogonality!r}"


def neutral_statistics(X, weight, codes, n_speakers):
    """Return what neutral rows say of their speakers, and of speakers in general.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Neutral rows.

    weight : ndarray of shape (n,)
        How often each row counts.

    codes : ndarray of shape (n,)
        Codes of their speakers.

    n_speakers : int

    Returns
    -------
    counts : ndarray of shape (n_speakers,)
        Total weight of the rows of each speaker.
    means : ndarray of shape (n_speakers, n_features)
        Mean of these rows, where there are any; that of all speakers elsewhere.
    mean : ndarray of shape (n_features,)
        Mean of the speakers' means, each speaker counting once.
    shrinkage : ndarray of shape (n_features,) or None
        Variance within speakers over that between them, inf where there is none
        between. None if the rows do not suffice to tell.
    """
    counts = np.bincount(codes, weight, n_speakers)
    known = counts > 0
    means = np.zeros((n_speakers, X.shape[1]))
    np.add.at(means, codes, weight[:, None] * X)
    means[known] /= counts[known, None]
    mean = means[known].mean(axis=0)
    means[~known] = mean
    n_known, total = known.sum(), counts.sum()
    if n_known < 2 or total <= n_known:
        return counts, means, mean, None
    within = weight @ (X - means[codes]) ** 2 / (total - n_known)
    between = means[known].var(axis=0, ddof=1)
    between -= within * np.mean(1 / counts[known])  # the means are uncertain themselves
    shrinkage = np.full(X.shape[1], np.inf)
    np.divide(within, between, out=shrinkage, where=between > 0)
    return counts, means, mean, shrinkage


def neutral_offsets(counts, means, mean, shrinkage):
    r"""Return how far speakers are expected to lie off the average one.

    .. math:: \frac{k}{k + \kappa} (\bar x - \mu)

    Parameters
    ----------
    counts : ndarray of shape (n_speakers,)
        Number k of the neutral utterances of each speaker.

    means : ndarray of shape (n_speakers, n_features)
        Mean :math:`\bar x` of these.

    mean, shrinkage : ndarray of shape (n_features,)
        :math:`\mu` and :math:`\kappa`, see `neutral_statistics`.

    Returns
    -------
    offsets : ndarray of shape (n_speakers, n_features)
    """
    counts = np.broadcast_to(counts[:, None], means.shape)
    out = np.zeros(means.shape)  # stays where nothing is known
    share = np.divide(counts, counts + shrinkage, out=out, where=counts > 0)
    return share * (means - mean)


class SiameseSER(BaseSERClassifier):
    r"""Emotion classifier that parts an embedding into emotion and speaker.

    An encoder E embeds an utterance x, and a neutral reference :math:`x_n` of the same
    speaker. Two translators split the embedding :math:`h = E(x)` into an
    emotion-irrelevant code :math:`i = T(h)` and an emotion-relevant one
    :math:`r = T_2(h)`, by which alone the emotion e is told [1]_:

    .. math::

        L = w_e \, \mathrm{CE}(C(r), e)
        + w_c \, L_\mathrm{sim}(i, E(x_n))
        + w_o \, L_\mathrm{diff}(i, r)
        + w_r \, \mathrm{MSE}(h, D([i, r]))
        + w_s \, \mathrm{CE}(A(i), s)

    The calibration :math:`L_\mathrm{sim}` draws i towards how the speaker sounds
    without emotion, the orthogonality :math:`L_\mathrm{diff}` keeps i and r apart, the
    decoder D sees to it that nothing is lost, and a speaker head A gives i a reason to
    hold the speaker s. No reference is needed to predict. :meth:`explain` says how
    much of an utterance, and which of its features, went into either code.

    A new speaker of whom some neutral utterances are at hand is introduced by
    :meth:`enroll`, and then recognised where `speakers` are passed to a prediction.

    Features may be raw: the network standardises them by the training rows.

    Parameters
    ----------
    neutral : str, int or array-like of these, default="neutral"
        The class of y that is emotionally neutral speech, or several.

    neutral_reference : {"mean", "random"}, default="mean"
        What stands for the neutral speech of a training speaker: the mean of their
        neutral rows, or one of the first three of them, drawn anew in each step, as in
        [1]_.

    calibration : {"js", "cosine"}, default="js"
        :math:`L_\mathrm{sim}`: the Jensen-Shannon divergence of [1]_, between the
        softmax of both, or the cosine distance.

    orthogonality : {"standardized", "paper"}, default="standardized"
        :math:`L_\mathrm{diff}`: by the correlations of the columns
        (:func:`~advser.methods.cross_correlation`), or as in [1]_
        (:func:`~advser.methods.subspace_overlap`).

    emotion_weight : float, default=1.0
        :math:`w_e`. This weight and the next three are 1 in [1]_.

    calibration_weight : float, default=1.0
        :math:`w_c`.

    orthogonality_weight : float, default=1.0
        :math:`w_o`.

    reconstruction_weight : float, default=1.0
        :math:`w_r`.

    speaker_weight : float, default=1.0
        :math:`w_s`. 0 is the network of [1]_, which has no speaker head. Without one a
        constant i fulfils the calibration and the orthogonality best.

    enrollable : bool, default=True
        Whether the network is trained for :meth:`enroll`: in each step, a share of the
        speaker's neutral offset, drawn from 0 to 1 for each speaker, is taken off
        their rows (see Notes). False is the network of [1]_.

    clip : float or None, default=3.0
        Bound of the standardised features; None for none. A new speaker brings values
        beyond those of the training, on which a network without a bound says anything.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers.

    embedding_dim : int, default=16
        d, the width of the embedding and of both codes. The orthogonality needs a
        `batch_size` of four times as much.

    dropout : float, default=0.3
        Probability that a unit of the encoder's hidden layers is left out of a
        training step.

    alpha : float, default=0.01
        Decoupled weight decay of AdamW.

    lr : float, default=0.003
        Learning rate of AdamW.

    max_epochs : int, default=60
        Passes over the training rows.

    batch_size : int, default=64
        Rows per training step.

    class_weight : "balanced", dict {label: weight} or None, default="balanced"
        Weights of the emotions in their term of the loss. "balanced" gives each the
        same total weight, as the unweighted average recall (UAR) does, by which the
        field compares.

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when their UAR has not risen for
        `n_iter_no_change` epochs, and keep the weights of the best epoch.

    validation_fraction : float, default=0.2
        Share of the speakers set aside for early stopping.

    n_iter_no_change : int, default=20
        Epochs without a better validation UAR before the training stops.

    warm_start : bool, default=False
        Whether a further `fit` goes on from the last, with the same emotions and
        speakers. It takes up a change of `lr` and `max_epochs`; what else is set, the
        neutral references and the enrolled speakers stay as they were.

    device : str or torch.device, default="cpu"
        Where the network and its training rows live.

    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the training; copies are used.

    verbose : int, default=0
        Whether to print a line per epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows and all that is drawn in a
        step. An int gives the same network, bit for bit, on every call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The emotions, sorted.

    speakers_ : ndarray of shape (n_speakers,)
        The speakers of the training rows, in order of appearance.

    neutral_mean_ : ndarray of shape (n_features,) or None
        Mean over the training speakers of the mean of their neutral rows. None where
        no neutral row of a known speaker was seen.

    neutral_shrinkage_ : ndarray of shape (n_features,) or None
        :math:`\kappa` of each feature: how many neutral utterances of one's own weigh
        as much as what is known of speakers in general. None where the training
        speakers do not tell; then nobody can be enrolled.

    enrolled_speakers_ : ndarray of shape (n_enrolled,)
        The speakers enrolled since the last cold fit.

    enrolled_counts_ : ndarray of shape (n_enrolled,)
        Number of their utterances.

    enrolled_means_ : ndarray of shape (n_enrolled, n_features)
        Mean of these.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module.

    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, with its weight, and the validation scores
        where there are any.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a DataFrame with string columns.

    See Also
    --------
    advser.SpeakerScaler : Statistics of the speaker; enrolment for any classifier.
    advser.plots.ExplanationDisplay : Figure of what :meth:`explain` finds.
    advser.evaluation.speaker_leakage : How much of the speaker an independent probe finds
        in a code.

    Notes
    -----
    **Enrolment.** The neutral speech of a speaker has a mean :math:`\bar x` over k
    utterances, that of the average training speaker :math:`\mu`. What makes the voice
    of the speaker lies between them, and with it the same is taken off every row:

    .. math:: x - \frac{k}{k + \kappa} (\bar x - \mu), \qquad
        \kappa = \sigma^2 / \tau^2.

    This is the best linear prediction of the speaker's offset from k utterances
    [2]_. For each feature, the variance of neutral speech within speakers
    :math:`\sigma^2` and between them :math:`\tau^2` come from the training rows, in
    which sample weights count as repetitions. The network must have been trained with
    such rows; without, it gains little by them. On EmoDB more is gained by a
    :class:`~advser.SpeakerScaler` before the network, with the same utterances.

    Only those who were enrolled are calibrated, be it that they were in the training;
    everyone else is a stranger, and nothing is taken off their rows.

    **Rows without a reference** take part in all terms but the calibration: those of
    unknown speakers, and of speakers without neutral rows.

    **Differences from the paper.**

    - Input are functionals of one utterance, not spectra. The encoder is a multilayer
      perceptron whose last layer is linear; translators, decoder and heads are linear
      layers. Those of the authors' code are deeper, and its translators end in a ReLU.
      Either code here is a linear map of the embedding, and its share in what the
      decoder makes of both is exact.
    - The reference is the mean of the neutral rows, and the orthogonality the
      correlation of the columns, by default. In the paper's form it hardly sees
      anything in large codes, and has another weight for every size of code and batch.
      The norms are part of its gradient; the authors' code holds them still.
    - The embedding stands still as the target of the reconstruction. Else the network
      lowers that term by shrinking the embedding.
    - The speaker head, the enrolment and the bound on the features are additions.
      ``speaker_weight=0, enrollable=False, clip=None, neutral_reference="random",
      orthogonality="paper"`` is without them.
    - Optimisation is by AdamW for a fixed number of epochs, the classes are weighted,
      and dropout, in the encoder alone, uses one mask per batch. [1]_ has Adam, 0.001,
      batches of 32, at most 80 epochs, and stops early.

    References
    ----------
    .. [1] C. Chen, P. Zhang, "DSNet: Disentangled siamese network with neutral
       calibration for speech emotion recognition", 2023, arXiv 2312.15593.
    .. [2] G. K. Robinson, "That BLUP is a good thing: the estimation of random
       effects", Statistical Science 6, 1991.

    Examples
    --------
    >>> from advser import SiameseSER
    >>> from advser.datasets import load_emodb
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> known = speakers != "03"
    >>> ser = SiameseSER(random_state=0)
    >>> ser = ser.fit(X[known], y[known], speakers=speakers[known])
    >>> ser.score(X[~known], y[~known]) > 0.6
    True

    Three neutral utterances of the new speaker:

    >>> met = (~known & (y == "neutral")).nonzero()[0][:3]
    >>> ser = ser.enroll(X[met], speakers=["03"] * 3)
    >>> emotion = ser.predict(X[~known], speakers=speakers[~known])
    """

    __metadata_request__fit = {"X_unlabeled": UNUSED, "speakers_unlabeled": UNUSED}
    # With metadata routing on, these arrive without a call of set_..._request.
    __metadata_request__predict = {"speakers": True, "groups": True}
    __metadata_request__predict_proba = __metadata_request__predict
    __metadata_request__predict_log_proba = __metadata_request__predict
    __metadata_request__transform = __metadata_request__predict
    __metadata_request__score = __metadata_request__predict

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        "neutral": [str, Integral, "array-like"],
        "neutral_reference": [StrOptions({"mean", "random"})],
        "calibration": [StrOptions(set(CALIBRATIONS))],
        "orthogonality": [StrOptions(set(ORTHOGONALITIES))],
        "emotion_weight": [Interval(Real, 0, None, closed="left")],
        "calibration_weight": [Interval(Real, 0, None, closed="left")],
        "orthogonality_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "speaker_weight": [Interval(Real, 0, None, closed="left")],
        "enrollable": ["boolean"],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        *,
        neutral="neutral",
        neutral_reference="mean",
        calibration="js",
        orthogonality="standardized",
        emotion_weight=1.0,
        calibration_weight=1.0,
        orthogonality_weight=1.0,
        reconstruction_weight=1.0,
        speaker_weight=1.0,
        enrollable=True,
        clip=3.0,
        hidden_layer_sizes=(128,),
        embedding_dim=16,
        dropout=0.3,
        alpha=0.01,
        lr=0.003,
        max_epochs=60,
        batch_size=64,
        class_weight="balanced",
        early_stopping=False,
        validation_fraction=0.2,
        n_iter_no_change=20,
        warm_start=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.neutral = neutral
        self.neutral_reference = neutral_reference
        self.calibration = calibration
        self.orthogonality = orthogonality
        self.emotion_weight = emotion_weight
        self.calibration_weight = calibration_weight
        self.orthogonality_weight = orthogonality_weight
        self.reconstruction_weight = reconstruction_weight
        self.speaker_weight = speaker_weight
        self.enrollable = enrollable
        self.clip = clip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y, speakers=None, *, groups=None, sample_weight=None):
        """Train the network on labelled utterances of several speakers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row per utterance, raw or scaled.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,), default=None
            Who speaks: strings, integers, a pandas column. None or NaN stands for an
            unknown speaker.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them, so that one array drives
            both the splitter and the network. Ignored where `speakers` is given.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in every term of the loss. A row of weight 0 is no
            reference either.

        Returns
        -------
        self : SiameseSER
            The fitted estimator.

        Warns
        -----
        NoNeutralWarning
            If y holds no neutral speech, or none of some speakers: their rows then
            take no part in the calibration.

        NoSpeakersWarning
            If there are not two speakers at least: the network then is trained without
            the speaker head, and without calibration if no speaker is known.
        """
        labels = {"speakers": speakers, "groups": groups}
        return self._fit(X, y, sample_weight, labels)

    def fit_transform(self, X, y, speakers=None, *, groups=None, sample_weight=None):
        """Train the network and return the emotion-relevant code of its rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        y : array-like of shape (n_samples,)
            Emotions.

        speakers : array-like of shape (n_samples,), default=None
            Who speaks.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        code : ndarray of shape (n_samples, embedding_dim)
        """
        self.fit(X, y, speakers, groups=groups, sample_weight=sample_weight)
        return self.transform(X)

    def enroll(self, X, speakers, neutral=None):
        """Introduce speakers by some of their neutral utterances.

        A speaker who is enrolled again is known by all utterances, as if they had come
        at once: pass each utterance once. The network stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of neutral utterances. Others would be taken for the speaker's way
            to speak without emotion, and so be erased.

        speakers : array-like of shape (n_samples,)
            Speaker of each row.

        neutral : None or True, default=None
            That the utterances are neutral, in the words of
            :meth:`SpeakerScaler.enroll`, where others may be enrolled as well.

        Returns
        -------
        self : SiameseSER

        Raises
        ------
        ValueError
            If X or the length of `speakers` is wrong, a row has no speaker, an
            utterance is not neutral, or the network was not trained for it.
        """
        if neutral is not None and not np.all(neutral):
            raise ValueError(
                "SiameseSER is enrolled by neutral utterances alone, and `neutral` is "
                f"{neutral!r}; pass the neutral ones, with `neutral=True`."
            )
        X = self._check_rows(X)
        codes, names = encode(check_labels(speakers, "speakers", len(X)))
        if not self._is_enrollable:
            raise ValueError(
                "SiameseSER cannot enrol speakers after this fit: that needs "
                "`enrollable=True`, and neutral rows of two known training speakers at "
                f"least, with two of one of them; `neutral` is {self.neutral!r} and "
                f"`enrollable` is {self.enrollable}."
            )
        known = self._find(names)
        new = known < 0
        known[new] = np.arange(new.sum()) + len(self.enrolled_speakers_)
        speakers_ = np.concatenate([self.enrolled_speakers_, names[new]])
        counts = np.zeros(len(speakers_))
        counts[: len(self.enrolled_counts_)] = self.enrolled_counts_
        sums = np.zeros((len(speakers_), X.shape[1]))
        sums[: len(self.enrolled_counts_)] = (
            self.enrolled_counts_[:, None] * self.enrolled_means_
        )
        np.add.at(counts, known[codes], 1)
        np.add.at(sums, known[codes], X)
        self.enrolled_speakers_ = speakers_
        self.enrolled_counts_ = counts
        self.enrolled_means_ = sums / counts[:, None]
        return self

    def predict(self, X, speakers=None, *, groups=None):
        """Return the most probable emotion of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, None or NaN where not known. Rows of enrolled speakers
            are calibrated.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return super().predict(self._calibrate(X, speakers, groups))

    def predict_proba(self, X, speakers=None, *, groups=None):
        """Return the probability of each emotion.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, as in :meth:`predict`.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return super().predict_proba(self._calibrate(X, speakers, groups))

    def predict_log_proba(self, X, speakers=None, *, groups=None):
        """Return the logarithm of the probability of each emotion.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, as in :meth:`predict`.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return super().predict_log_proba(self._calibrate(X, speakers, groups))

    def score(self, X, y, sample_weight=None, *, speakers=None, groups=None):
        """Return the share of rows whose emotion is recognised.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        y : array-like of shape (n_samples,)
            True emotions.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, as in :meth:`predict`.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        score : float
        """
        predicted = self.predict(X, speakers, groups=groups)
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def transform(self, X, part="emotion", speakers=None, *, groups=None):
        """Return a code of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        part : {"emotion", "speaker", "both"}, default="emotion"
            The emotion-relevant code, the emotion-irrelevant one, or the first with
            the second beside it. ``get_feature_names_out``, and so ``set_output``,
            names the columns of the first alone.

        speakers : array-like of shape (n_samples,), default=None
            Speaker of each row, as in :meth:`predict`.

        groups : array-like of shape (n_samples,), default=None
            The same by scikit-learn's word for it; used without `speakers`.

        Returns
        -------
        code : ndarray of shape (n_samples, embedding_dim), twice as wide for "both"

        Raises
        ------
        ValueError
            If there is no such part, or X or the length of the speakers is wrong.
        """
        members = {
            "emotion": "emotion_code",
            "speaker": "speaker_code",
            "both": "both_codes",
        }
        if part not in members:
            raise ValueError(f"`part` is {part!r}; choose from {sorted(members)}.")
        return self._apply(members[part], self._calibrate(X, speakers, groups))

    def explain(self, X, *, n_steps=50):
        r"""Tell how much of each utterance is emotion, and by which features.

        The decoder D is linear, so the embedding that it makes of an utterance lies
        off that of the training mean by a sum of two vectors: :math:`c_r`, which the
        emotion-relevant code adds, and :math:`c_i` of the irrelevant one. The share of
        a code is its part of :math:`\lVert c_r \rVert^2 + \lVert c_i \rVert^2`.

        The share of a code is handed on to the features by integrated gradients [1]_
        along the straight way from the training mean to the utterance, of the vector's
        length in the direction in which it ends up. The attributions of a code so add
        up to its share, and all attributions of an utterance to 1. They are negative
        where a feature speaks against the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features. Nothing is taken off for enrolled speakers.

        n_steps : int, default=50
            Points on the way at which the gradient is taken.

        Returns
        -------
        explanation : DataFrame of shape (2 * n_samples * n_features, 5)
            One row per utterance, code and feature:

            - `utterance`: its position in X, or its label in the index of a DataFrame;
            - `code`: "emotion" or "speaker";
            - `share`: that of the code in the utterance;
            - `feature`: its name, where X has names, or "x0", "x1" and so on;
            - `attribution`: the part of the share that is owed to the feature.

        Raises
        ------
        ValueError
            If X is wrong, or `n_steps` is no positive integer.

        References
        ----------
        .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep
           networks", ICML 2017, arXiv 1703.01365.
        """
        if not isinstance(n_steps, Integral) or n_steps < 1:
            raise ValueError(f"`n_steps` must be an integer above 0; it is {n_steps}.")
        rows = self._check_rows(X)
        with limited_threads(min(len(rows), CHUNK) * self.net_.n_parameters):
            parts = [
                self._attribute(rows[start : start + CHUNK], n_steps)
                for start in range(0, len(rows), CHUNK)
            ]
        shares, attributions = map(np.concatenate, zip(*parts))
        n_samples, n_codes, n_features = attributions.shape
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = np.array([f"x{j}" for j in range(n_features)], dtype=object)
        index = X.index if isinstance(X, pd.DataFrame) else np.arange(n_samples)
        codes = np.array(["emotion", "speaker"], dtype=object)
        return pd.DataFrame(
            {
                "utterance": np.repeat(index, n_codes * n_features),
                "code": np.tile(np.repeat(codes, n_features), n_samples),
                "share": np.repeat(shares.ravel(), n_features),
                "feature": np.tile(names, n_samples * n_codes),
                "attribution": attributions.ravel(),
            }
        )

    def _attribute(self, rows, n_steps):
        """Return shares (n, 2) and attributions (n, 2, n_features) of the codes."""
        module = self.net_.module_
        x = torch.tensor(rows, device=self.net_.device)
        baseline = module.encoder[0].mean
        with torch.no_grad():
            ends = module.contributions(x, baseline)
            total = sum(end.square().sum(1) for end in ends).clamp(min=TINY)  # (n,)
            shares = [end.square().sum(1) / total for end in ends]

        def share(point, code):
            way = module.contributions(point, baseline)[code]
            return (way * ends[code]).sum(1) / total

        attributions = [
            integrated_gradients(partial(share, code=code), x, baseline, n_steps)
            for code in range(len(ends))
        ]
        return tuple(
            torch.stack(values, 1).cpu().numpy() for values in (shares, attributions)
        )

    def _check_rows(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=self._dtype, order="C", reset=False)

    def _calibrate(self, X, speakers, groups):
        """Take their offset off the rows of enrolled speakers."""
        if speakers is None and groups is None:
            return X
        rows = self._check_rows(X)
        codes, names = encode(
            check_speakers(speakers, groups, len(rows), allow_missing=True)
        )
        known = np.append(self._find(names), -1)[codes]  # -1 takes the last of all
        met = known >= 0
        if met.any():
            rows = rows.copy()
            offsets = neutral_offsets(
                self.enrolled_counts_,
                self.enrolled_means_,
                self.neutral_mean_,
                self.neutral_shrinkage_,
            )
            rows[met] -= offsets[known[met]]
        names = getattr(self, "feature_names_in_", None)
        return rows if names is None else pd.DataFrame(rows, columns=names)

    def _find(self, names):
        """Return the position of each enrolled name, -1 for one who is not."""
        enrolled = pd.Index(self.enrolled_speakers_, dtype=object)
        return enrolled.get_indexer(pd.Index(names, dtype=object))

    @property
    def _is_enrollable(self):
        return self.enrollable and self.neutral_shrinkage_ is not None

    def _build_module(self, data, generator):
        encoder = self._build_encoder(data.standardize, generator)
        d = self.embedding_dim
        irrelevant, relevant = linear(d, d, generator), linear(d, d, generator)
        n_speakers = data.n_codes["speaker"]
        speaker_head = None
        if n_speakers > 1:
            speaker_head = SpeakerHead(d, (), n_speakers, generator)
        else:
            left_out = "the speaker head" if n_speakers else "all that needs them"
            warn(
                f"SiameseSER knows {n_speakers} speakers and is trained without "
                f"{left_out}. Pass the speaker of each row as `speakers` to fit.",
                NoSpeakersWarning,
                stacklevel=4,
            )
        references, offsets = self._build_neutral(data)
        return SiameseNetwork(
            encoder,
            linear(d, data.n_codes["emotion"], None),
            irrelevant,
            relevant,
            linear(2 * d, d, None),
            speaker_head,
            references,
            offsets,
            calibration=self.calibration,
            orthogonality=self.orthogonality,
            weights={
                "emotion": self.emotion_weight,
                "calibration": self.calibration_weight,
                "orthogonality": self.orthogonality_weight,
                "reconstruction": self.reconstruction_weight,
                "speaker": self.speaker_weight,
            },
        )

    def _build_encoder(self, standardize, generator):
        """Return the encoder: standardisation, bound, hidden layers, linear embedding.

        The embedding has no dropout: a unit that is left out has no correlation.
        """
        check_layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        sizes = (len(standardize.mean), *self.hidden_layer_sizes)
        return nn.Sequential(
            standardize,
            *([] if self.clip is None else [Clip(self.clip)]),
            *mlp(sizes, generator, dropout=self.dropout),
            linear(sizes[-1], self.embedding_dim, generator),
        )

    def _build_neutral(self, data):
        """Return the references and the offsets of the speakers, None for neither.

        Sets what is known of neutral speech, and forgets those who were enrolled.
        """
        n_features = data.X.shape[1]
        self.neutral_mean_ = self.neutral_shrinkage_ = None
        self.enrolled_speakers_ = np.empty(0, dtype=object)
        self.enrolled_counts_ = np.empty(0)
        self.enrolled_means_ = np.empty((0, n_features))
        neutral = self._find_neutral(data)  # (n,)
        n_speakers = data.n_codes["speaker"]
        if not n_speakers or not neutral.any():
            return None, None
        speaker = data.codes["speaker"]
        rows = np.flatnonzero(neutral & (speaker >= 0))
        silent = np.setdiff1d(np.arange(n_speakers), speaker[rows])
        if len(silent):
            warn(
                "No neutral speech is known of the speakers "
                f"{self.speakers_[silent].tolist()}: their rows take no part in the "
                f"calibration. Neutral is what y calls {self.neutral!r}, by the "
                "parameter `neutral`.",
                NoNeutralWarning,
                stacklevel=5,
            )
        if not len(rows):
            return None, None
        counts, means, mean, shrinkage = neutral_statistics(
            data.X[rows], data.weight[rows], speaker[rows], n_speakers
        )
        self.neutral_mean_, self.neutral_shrinkage_ = mean, shrinkage
        offsets = None
        if self._is_enrollable:
            of_speakers = neutral_offsets(counts, means, mean, shrinkage)
            table = np.concatenate([np.zeros((1, n_features)), of_speakers])
            offsets = NeutralOffsets(torch.from_numpy(table))
        return self._build_references(data, rows, counts, means, mean), offsets

    def _find_neutral(self, data):
        """Return the mask of the neutral rows that have a weight: (n,)."""
        one = isinstance(self.neutral, str | Integral)
        names = [self.neutral] if one else list(self.neutral)
        is_neutral = np.array([label in names for label in self.classes_])
        neutral = np.isin(data.codes["emotion"], self._column_of_class[is_neutral])
        neutral &= data.weight > 0
        if not neutral.any():
            warn(
                f"`neutral={self.neutral!r}`, but y has no such rows; its classes are "
                f"{self.classes_.tolist()}. The network goes without calibration. "
                "Set `neutral` to the class of neutral speech.",
                NoNeutralWarning,
                stacklevel=6,
            )
        return neutral

    def _build_references(self, data, rows, counts, means, mean):
        """Return the neutral references of the speakers, from their neutral `rows`."""
        table = np.concatenate([mean[None], means])[:, None]  # (n_speakers + 1, 1, d)
        n_choices = np.ones(len(table))
        speaker = data.codes["speaker"]
        if self.neutral_reference == "random":
            table = np.repeat(table, N_CHOICES, axis=1)
            for code in np.flatnonzero(counts):
                first = rows[speaker[rows] == code][:N_CHOICES]
                table[code + 1, : len(first)] = data.X[first]
                n_choices[code + 1] = len(first)
        has_some = np.append(False, counts > 0)
        # The term is a mean over the rows that have a reference.
        share = np.average(has_some[speaker + 1], weights=data.weight)
        return NeutralReferences(
            torch.from_numpy(table),
            torch.from_numpy(n_choices),
            torch.from_numpy(has_some / share),
        )
