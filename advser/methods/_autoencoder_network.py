r"""The multi-task semi-supervised adversarial autoencoder of `AutoencoderSER`.

Latif, Rana, Khalifa, Jurdak, Epps, Schuller (2020), arXiv 1907.06078, on the
adversarial autoencoder of Makhzani et al. (2015), arXiv 1511.05644. An encoder E maps
features x to a code :math:`z = E(x)`, from which a decoder G reconstructs x. A
discriminator D separates codes from samples :math:`z^*` of a prior, and E is trained to
make it fail:

.. math:: \min_{E} \max_{D} \; \mathbb{E} \log D(z^*) + \mathbb{E} \log (1 - D(E(x)))

Heads C on the code learn the emotion, the speaker and the gender. Each batch goes
through four update steps:

.. math::

    \min_{E, G} \; \lVert x - G(z) \rVert^2 / d
    \qquad
    \min_{D} \; \mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(\mathrm{sg}[z]), 0)

    \min_{E} \; \mathrm{BCE}(D(z), 1)
    \qquad
    \min_{E, C} \; \mathrm{CE}_\text{emotion} + w_s \, \mathrm{CE}_\text{speaker}
    + w_g \, \mathrm{CE}_\text{gender}

Only the last step needs labels. Each of its terms is a mean over the rows that have the
label.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._engine import Network
from ..nn import (
    Noise,
    classification_loss,
    reconstruction_loss,
    reverse_gradient,
    weighted_mean,
)


def discriminator_loss(
    code_logits: Tensor, prior_logits: Tensor, weight: Tensor
) -> Tensor:
    r"""Return the loss of the discriminator.

    .. math:: \mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(z), 0)

    Parameters
    ----------
    code_logits : Tensor of shape (n,)
        Logits of :math:`D(z)` for the codes of the rows.

    prior_logits : Tensor of shape (n_samples,)
        Logits of :math:`D(z^*)` for samples of the prior.

    weight : Tensor of shape (n,)
        Weights of the rows, see `advser.nn.weighted_mean`.

    Returns
    -------
    loss : Tensor of shape ()
        :math:`2 \log 2` where D is at chance, 0 where it is certain and right.
    """
    of_codes = weighted_mean(F.softplus(code_logits), weight)
    return F.softplus(-prior_logits).mean() + of_codes


def regularization_loss(code_logits: Tensor, weight: Tensor) -> Tensor:
    r"""Return the loss of the encoder that draws its codes to the prior.

    .. math:: \mathrm{BCE}(D(z), 1)

    This is the non-saturating form: its gradient does not vanish where D is certain.

    Parameters
    ----------
    code_logits : Tensor of shape (n,)
        Logits of :math:`D(z)` for the codes of the rows.

    weight : Tensor of shape (n,)
        Weights of the rows, see `advser.nn.weighted_mean`.

    Returns
    -------
    loss : Tensor of shape ()
    """
    return weighted_mean(F.softplus(-code_logits), weight)


class Prior(Noise):
    r"""A mixture of Gaussians that is sampled anew for every training step.

    With one component at the origin it is :math:`N(0, I)`. With one component for each
    emotion, labelled rows are matched with the component of their emotion, as in
    section 2.3 of Makhzani et al. (2015): the emotion is a further input of D, for rows
    and samples alike. Rows without a label, or an estimate of it, have a condition of
    their own, and are matched with the whole mixture.

    The number of samples does not depend on the number of rows. The number of samples
    from each component is fixed, so that only their places are random.

    Parameters
    ----------
    centers : Tensor of shape (n_components, d)
        Means of the components, whose standard deviation is 1.

    shares : Tensor of shape (n_components,)
        Share of each component.

    n_samples : int
        Samples in a training step.

    share_labeled : float, default=0.0
        Share of the samples whose component D gets as input: the share of the rows
        with a label.
    """

    centers: Tensor
    means: Tensor
    conditions: Tensor
    sample_conditions: Tensor

    def __init__(
        self,
        centers: Tensor,
        shares: Tensor,
        n_samples: int,
        *,
        share_labeled: float = 0.0,
    ):
        super().__init__(centers.new_zeros(n_samples, centers.shape[1]))
        n_components = len(centers)
        cells = torch.cat([share_labeled * shares, (1 - share_labeled) * shares])
        cell = proportional_codes(cells, n_samples)  # (n_samples,)
        component = cell % n_components
        condition = torch.where(cell < n_components, component, n_components)
        n_inputs = n_components + 1 if n_components > 1 else 0
        conditions = torch.eye(n_components + 1, n_inputs).to(centers)
        self.register_buffer("centers", centers)
        self.register_buffer("means", centers[component], persistent=False)
        self.register_buffer("conditions", conditions, persistent=False)
        self.register_buffer(
            "sample_conditions", conditions[condition], persistent=False
        )

    def draw(self, n_steps: int, generator: torch.Generator) -> Tensor:
        """Return the noise of some training steps: (n_steps, n_samples, d)."""
        shape = (n_steps, *self.noise.shape)
        return torch.randn(shape, generator=generator).to(self.noise)

    def samples(self) -> Tensor:
        """Return the samples of a step with their conditions: (n_samples, n_inputs)."""
        return torch.cat([self.means + self.noise, self.sample_conditions], 1)

    def with_conditions(self, z: Tensor, emotion: Tensor | None) -> Tensor:
        """Return codes with their conditions: (n, d) to (n, n_inputs).

        Parameters
        ----------
        z : Tensor of shape (n, d)

        emotion : Tensor of shape (n,) or None
            Emotion codes, -1 where the emotion is unknown. None for ratings, with a
            prior of one component.
        """
        if len(self.centers) == 1:
            return z
        return torch.cat([z, self.conditions[emotion]], 1)


def proportional_codes(shares: Tensor, n: int) -> Tensor:
    """Return `n` codes in ascending order, each as often as its share says: (n,).

    Parameters
    ----------
    shares : Tensor of shape (n_codes,)
        They sum to 1.

    n : int
    """
    places = (torch.arange(n, dtype=shares.dtype) + 0.5) / n
    codes = torch.searchsorted(shares.cumsum(0), places, right=True)
    return codes.clamp(max=len(shares) - 1)


class AutoencoderNetwork(Network):
    r"""Encoder, decoder, discriminators and heads, and their update steps.

    Parameters
    ----------
    inputs : Sequential
        First layers of the encoder: standardisation, and a bound where there is one.

    body : Module
        Hidden layers of the encoder: (n, n_features) to (n, n_hidden).

    code_layer : Module
        Its last layer, which is linear: (n, n_hidden) to (n, code_dim).

    emotion_head : Module
        Maps the code z to logits or ratings. With a class code, it maps the last hidden
        layer instead.

    decoder : Module
        Maps the code, followed by the class code, to standardised features.

    discriminator : Module
        Separates samples of the prior from codes.

    prior : Prior

    task : Emotions or Ratings

    class_discriminator : Module or None, default=None
        Separates one-hot classes from class codes. If it is given, the softmax of the
        emotion logits is a part of the code: the class code of Makhzani et al. (2015).

    classes : Tensor of shape (n_samples, n_emotions) or None, default=None
        One-hot samples of the classes, for `class_discriminator`.

    speaker_head : SpeakerHead or None, default=None

    gender_head : Module or None, default=None

    lr_scales : dict of str to float, default=None
        Learning rates of steps, as shares of that of "supervise"; 1 for the others.

    speaker_weight, gender_weight : float, default=1.0
        Shares of the gradients of these heads that reach the encoder. A negative one,
        which may be -0.0, makes the head an adversary.
    """

    inputs: Any  # a Sequential, whose first layer has `inverse`
    speaker_head: Any  # a Module or None
    gender_head: Any

    def __init__(
        self,
        inputs: nn.Sequential,
        body: nn.Module,
        code_layer: nn.Module,
        emotion_head: nn.Module,
        decoder: nn.Module,
        discriminator: nn.Module,
        prior: Prior,
        task: nn.Module,
        *,
        class_discriminator: nn.Module | None = None,
        classes: Tensor | None = None,
        speaker_head: nn.Module | None = None,
        gender_head: nn.Module | None = None,
        lr_scales: dict[str, float] | None = None,
        speaker_weight: float = 1.0,
        gender_weight: float = 1.0,
    ):
        super().__init__()
        self.inputs = inputs
        self.body = body
        self.code_layer = code_layer
        self.emotion_head = emotion_head
        self.decoder = decoder
        self.discriminator = discriminator
        self.prior = prior
        self.task = task
        self.class_discriminator = class_discriminator
        self.speaker_head = speaker_head
        self.gender_head = gender_head
        self.steps = ("reconstruct", "discriminate", "regularize", "supervise")
        if class_discriminator is not None:
            self.steps = (*self.steps[:3], "regularize_class", "supervise")
            self.register_buffer("classes", classes, persistent=False)
        # Numbers are buffers, so that networks that differ in them train as one batch.
        numbers = {"speaker_weight": speaker_weight, "gender_weight": gender_weight}
        for step in self.steps:
            numbers[f"{step}_lr_scale"] = (lr_scales or {}).get(step, 1.0)
        for name, number in numbers.items():
            value = torch.tensor(float(number), dtype=torch.float64)
            self.register_buffer(name, value, persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return code and emotion output: (n, code_dim) and (n, n_outputs)."""
        h = self.body(self.inputs(x))
        z = self.code_layer(h)
        return z, self.emotion_head(z if self.class_discriminator is None else h)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits or ratings: (n, n_features) to (n, n_outputs)."""
        return self.task(self.encode(x)[1])

    def encoder(self, x: Tensor) -> Tensor:
        """Return the code: z, followed by the class code if there is one."""
        z, emotion_logits = self.encode(x)
        if self.class_discriminator is None:
            return z
        return torch.cat([z, emotion_logits.softmax(1)], 1)

    def decode(self, code: Tensor) -> Tensor:
        """Return features in their own units: (n, n_codes) to (n, n_features)."""
        return self.inputs[0].inverse(self.decoder(code))

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return the error of each row, in squared standard deviations: (n,)."""
        return reconstruction_loss(self.decoder(self.encoder(x)), self.inputs(x))

    def speaker_logits(self, x: Tensor) -> Tensor:
        """Return the speaker logits: (n, n_features) to (n, n_speakers)."""
        return self.speaker_head(self.encode(x)[0])

    def gender_logits(self, x: Tensor) -> Tensor:
        """Return the gender logits: (n, n_features) to (n, n_genders)."""
        return self.gender_head(self.encode(x)[0])

    def step_parameters(self, step):
        """Return the parameters that a step changes."""
        encoder = [self.body, self.code_layer]
        class_code = [self.emotion_head] if self.class_discriminator else []
        changed = {
            "reconstruct": [*encoder, *class_code, self.decoder],
            "discriminate": [self.discriminator, self.class_discriminator],
            "regularize": encoder,
            "regularize_class": [self.body, *class_code],
            "supervise": [
                *encoder,
                *(self.emotion_head, self.speaker_head, self.gender_head),
            ],
        }[step]
        return [
            parameter
            for module in changed
            if module is not None
            for parameter in module.parameters()
        ]

    def penalized(self, step):
        """Return the weights of encoder and emotion head, in "supervise" alone.

        In other steps the penalty would work against the prior: a small decoder needs
        large codes. Discriminators and the other heads have no penalty at all. The
        layer of the code has one if a head reads the code: alone, however small, it
        would decide the size of each update of Adam.
        """
        if step != "supervise":
            return []
        main = nn.ModuleList([self.body, self.emotion_head])
        other_heads = [self.speaker_head, self.gender_head]
        if self.class_discriminator is None or other_heads != [None, None]:
            main.append(self.code_layer)
        return [parameter for parameter in main.parameters() if parameter.ndim > 1]

    def lr_scale(self, step):
        """Return the learning rate of a step, as a share of `lr`."""
        return getattr(self, f"{step}_lr_scale").item()

    def loss(self, step, shared, y, progress):
        """Return the terms of an update step; `shared` are the rows."""
        return getattr(self, step)(shared, y)

    def reconstruct(self, x, y):
        """Return the term of encoder and decoder."""
        errors = self.reconstruction_error(x)
        return {"reconstruction": weighted_mean(errors, y.row_weight)}

    def discriminate(self, x, y):
        """Return the terms of the discriminators; the codes are fixed."""
        with torch.no_grad():
            z, emotion_logits = self.encode(x)
        terms = {
            "discriminator": discriminator_loss(
                self.discriminator(self.prior.with_conditions(z, y.emotion))[:, 0],
                self.discriminator(self.prior.samples())[:, 0],
                y.row_weight,
            )
        }
        if self.class_discriminator is not None:
            terms["class_discriminator"] = discriminator_loss(
                self.class_discriminator(emotion_logits.softmax(1))[:, 0],
                self.class_discriminator(self.classes)[:, 0],
                y.row_weight,
            )
        return terms

    def regularize(self, x, y):
        """Return the term of the encoder that draws its codes to the prior."""
        z, _ = self.encode(x)
        logits = self.discriminator(self.prior.with_conditions(z, y.emotion))[:, 0]
        return {"regularization": regularization_loss(logits, y.row_weight)}

    def regularize_class(self, x, y):
        """Return the term that draws the class code to one-hot classes."""
        _, emotion_logits = self.encode(x)
        logits = self.class_discriminator(emotion_logits.softmax(1))[:, 0]
        return {"class_regularization": regularization_loss(logits, y.row_weight)}

    def supervise(self, x, y):
        """Return the terms of the heads, each over the rows that have its label."""
        z, output = self.encode(x)
        terms = {"emotion": self.task.loss(output, y)}
        if self.speaker_head is not None:
            h = reverse_gradient(z, -self.speaker_weight)
            logits = self.speaker_head(h)
            terms["speaker"] = classification_loss(logits, y.speaker, y.speaker_weight)
        if self.gender_head is not None:
            logits = self.gender_head(reverse_gradient(z, -self.gender_weight))
            terms["gender"] = classification_loss(logits, y.gender, y.gender_weight)
        return terms
