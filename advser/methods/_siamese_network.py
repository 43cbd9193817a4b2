r"""The network of `SiameseSER`: a disentangled siamese network.

Chen and Zhang (2023), arXiv 2312.15593. One encoder E embeds an utterance x and a
neutral reference :math:`x_n` of the same speaker. Two translators split the embedding
:math:`h = E(x)` into an emotion-irrelevant code :math:`i = T(h)`, which is calibrated
by the reference, and an emotion-relevant code :math:`r = T_2(h)`, from which the head C
predicts the emotion e. A decoder D reconstructs the embedding from both:

.. math::

    \min_{E, T, T_2, D, C} \;
    \mathrm{CE}(C(r), e)
    + L_\mathrm{sim}(i, E(x_n))
    + L_\mathrm{diff}(i, r)
    + \mathrm{MSE}(h, D([i, r]))
"""

import numpy as np
import torch
from torch import Tensor, nn

from .._engine import Network
from ..nn import Noise, classification_loss, reconstruction_loss, weighted_mean
from ..speakers._moments import moments
from ._siamese_losses import CALIBRATIONS, ORTHOGONALITIES

TERMS = ("emotion", "calibration", "orthogonality", "reconstruction", "speaker")


class NeutralReferences(Noise):
    """A neutral reference for each speaker, chosen anew in every training step.

    The first entry is for unknown speakers: code + 1 is the entry of a speaker, and the
    code of an unknown one is -1.

    Parameters
    ----------
    rows : Tensor of shape (n_speakers + 1, n_choices, n_features)
        The references to choose from.

    n_choices : Tensor of shape (n_speakers + 1,)
        The choice is among so many of the first rows of an entry.

    weight : Tensor of shape (n_speakers + 1,)
        Weight of each speaker's rows in the calibration term, 0 without neutral speech.
    """

    rows: Tensor
    n_choices: Tensor
    weight: Tensor

    def __init__(self, rows: Tensor, n_choices: Tensor, weight: Tensor):
        super().__init__(torch.zeros(len(rows)))
        self.register_buffer("rows", rows)
        self.register_buffer("n_choices", n_choices)
        self.register_buffer("weight", weight)

    def draw(self, n_steps: int, generator: torch.Generator) -> Tensor:
        """Return numbers from 0 to 1 that choose: (n_steps, n_speakers + 1)."""
        drawn = torch.rand((n_steps, len(self.noise)), generator=generator)
        return drawn.to(self.noise)

    def forward(self) -> Tensor:
        """Return the references of this step: (n_speakers + 1, n_features)."""
        if self.rows.shape[1] == 1:
            return self.rows[:, 0]
        choice = (self.noise * self.n_choices).long()  # (n_speakers + 1,)
        choice = choice[:, None, None].expand(-1, 1, self.rows.shape[2])
        return self.rows.gather(1, choice)[:, 0]


def neutral_references(utterances, speaker, rows, has_some, n_choices):
    """Return the neutral references of speakers: their mean, or their first rows.

    Parameters
    ----------
    utterances : Utterances

    speaker : ndarray of shape (n,)
        Codes of the speakers.

    rows : ndarray of int
        The neutral rows of known speakers.

    has_some : ndarray of bool of shape (n_speakers,)
        Whether a speaker has such rows.

    n_choices : int
        The most rows of a speaker to draw from; 1 for their mean.
    """
    X, weight, n_speakers = utterances.X, utterances.sample_weight, len(has_some)
    codes = np.unique(speaker[rows], return_inverse=True)[1]
    means = np.zeros((n_speakers, X.shape[1]))
    means[has_some] = moments(X[rows], codes, weight[rows]).means
    # What stands for a missing reference has no weight, but must be finite.
    means[~has_some] = average = means[has_some].mean(axis=0)
    table = np.concatenate([average[None], means])[:, None]  # (n_speakers + 1, 1, d)
    counts = np.ones(len(table))
    if n_choices > 1:
        table = np.repeat(table, n_choices, axis=1)
        for code in np.flatnonzero(has_some):
            first = rows[speaker[rows] == code][:n_choices]
            table[code + 1, : len(first)] = X[first]
            counts[code + 1] = len(first)
    has_some = np.append(False, has_some)
    # The term is a mean over the rows that have a reference.
    share = np.average(has_some[speaker + 1], weights=weight)
    return NeutralReferences(
        torch.from_numpy(table),
        torch.from_numpy(counts),
        torch.from_numpy(has_some / share),
    )


class SiameseNetwork(Network):
    """The siamese network: one update step changes all its parameters.

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

    task : Emotions

    speaker_head : SpeakerHead or None, default=None
        Classifies the speaker from the irrelevant code.

    references : NeutralReferences or None, default=None
        Calibrate the irrelevant code; None for no calibration term.

    calibration : {"js", "cosine"}, default="js"
        The calibration term.

    orthogonality : {"standardized", "paper"}, default="standardized"
        The orthogonality term.

    weights : dict of str to float, default=None
        Weights of the terms "emotion", "calibration", "orthogonality",
        "reconstruction" and "speaker"; 1 for those left out.
    """

    def __init__(
        self,
        encoder: nn.Module,
        emotion_head: nn.Module,
        irrelevant: nn.Module,
        relevant: nn.Module,
        decoder: nn.Linear,
        task: nn.Module,
        speaker_head: nn.Module | None = None,
        references: NeutralReferences | None = None,
        *,
        calibration: str = "js",
        orthogonality: str = "standardized",
        weights: dict[str, float] | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.emotion_head = emotion_head
        self.irrelevant = irrelevant
        self.relevant = relevant
        self.decoder = decoder
        self.task = task
        self.speaker_head = speaker_head
        self.references = references
        self.calibration = calibration
        self.orthogonality = orthogonality
        # Buffers, so that networks that differ in them train as one batch.
        for term in TERMS:
            weight = torch.tensor(float((weights or {}).get(term, 1.0)))
            self.register_buffer(f"{term}_weight", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the emotion logits: (n, n_features) to (n, n_emotions)."""
        return self.task(self.emotion_head(self.emotion_code(x)))

    def emotion_code(self, x: Tensor) -> Tensor:
        """Return the emotion-relevant code: (n, n_features) to (n, d)."""
        return self.relevant(self.encoder(x))

    def codes(self, x: Tensor) -> Tensor:
        """Return the relevant and the irrelevant code: (n, n_features) to (n, 2 d)."""
        h = self.encoder(x)
        return torch.cat([self.relevant(h), self.irrelevant(h)], 1)

    def contributions(self, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each code adds to the decoded embedding.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)

        baseline : Tensor of shape (n_features,)
            The row to compare with.

        Returns
        -------
        of_emotion, of_speaker : Tensor of shape (n, d)
            Their sum is the decoded embedding minus that of the baseline.
        """
        difference = self.codes(x) - self.codes(baseline[None])
        relevant, irrelevant = difference.chunk(2, 1)
        to_irrelevant, to_relevant = self.decoder.weight.chunk(2, 1)  # (d, d) each
        return relevant @ to_relevant.T, irrelevant @ to_irrelevant.T

    def penalized(self, step):
        """Return the weights of all modules but the speaker head, not their biases."""
        of_head = (
            set() if self.speaker_head is None else {*self.speaker_head.parameters()}
        )
        return [p for p in self.parameters() if p.ndim > 1 and p not in of_head]

    def loss(self, step, shared, y, progress):
        """Return the weighted terms of the joint step; `shared` are the rows."""
        x = shared
        # One pass of E for the rows, followed by n_speakers + 1 references.
        seen = x if self.references is None else torch.cat([x, self.references()])
        h, h_n = self.encoder(seen).tensor_split([len(x)])  # (n, d), (n_references, d)
        i, r = self.irrelevant(h), self.relevant(h)
        terms = {"emotion": self.task.loss(self.emotion_head(r), y)}
        if self.references is not None:
            entry = y.speaker + 1
            losses = CALIBRATIONS[self.calibration](i, h_n[entry])  # (n,)
            losses = self.references.weight[entry] * losses
            terms["calibration"] = weighted_mean(losses, y.row_weight)
        orthogonality = ORTHOGONALITIES[self.orthogonality]
        terms["orthogonality"] = orthogonality(i, r, y.row_weight)
        # The target has no gradient: otherwise the loss would shrink h.
        losses = reconstruction_loss(self.decoder(torch.cat([i, r], 1)), h.detach())
        terms["reconstruction"] = weighted_mean(losses, y.row_weight)
        if self.speaker_head is not None:
            logits = self.speaker_head(i)
            terms["speaker"] = classification_loss(logits, y.speaker, y.speaker_weight)
        return {
            name: getattr(self, f"{name}_weight") * term for name, term in terms.items()
        }
