r"""Multi-task semi-supervised adversarial autoencoder.

Latif, Rana, Khalifa, Jurdak, Epps, Schuller (2020), arXiv 1907.06078, on the
adversarial autoencoder of Makhzani et al. (2015), arXiv 1511.05644. Four moves take
turns on a batch. Encoder E and decoder G keep what was heard in a code
:math:`z = E(x)`; a discriminator D tells codes from samples :math:`z^*` of a prior; E
makes its codes look like those samples; heads C on the code learn the emotion, and
beside it speaker and gender:

.. math::

    \min_{E, G} \; \lVert x - G(z) \rVert^2 / d
    \qquad
    \min_{D} \; \mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(\mathrm{sg}[z]), 0)

    \min_{E} \; \mathrm{BCE}(D(z), 1)
    \qquad
    \min_{E, C} \; \mathrm{CE}_\text{emotion} + w_s \, \mathrm{CE}_\text{speaker}
    + w_g \, \mathrm{CE}_\text{gender}

Only the last needs labels, and each of its terms is taken over the rows that carry
the label in question.
"""

import math
from numbers import Integral, Real
from warnings import warn

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, check_scalar
from torch import nn

from .._engine._networks import SpeakerHead
from .._engine._outputs import Emotions
from .._validation import check_layer_sizes
from ..exceptions import CollapseWarning, NoSpeakersWarning
from ..nn import (
    Noise,
    classification_loss,
    linear,
    mlp,
    reconstruction_loss,
    reverse_gradient,
    weighted_mean,
)
from ..speakers._confounding import warn_if_confounded
from ._base import BaseSERClassifier, BaseSERRegressor

__all__ = [
    "AutoencoderNetwork",
    "AutoencoderSER",
    "AutoencoderSERRegressor",
    "Prior",
    "discriminator_loss",
    "regularization_loss",
]

UNDECIDED = 2 * math.log(2)  # loss of a discriminator that has no idea
WON = 0.05  # a discriminator with this share of that loss is hardly ever wrong
CONSTANT = 0.05  # a code with this share of the prior's deviation says nothing


def discriminator_loss(code_logits, prior_logits, y):
    r"""Return what the discriminator descends.

    .. math:: \mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(z), 0)

    Parameters
    ----------
    code_logits : Tensor of shape (n,)
        Logits of :math:`D(z)`, the codes of rows.

    prior_logits : Tensor of shape (n_samples,)
        Logits of :math:`D(z^*)`, the samples of the prior.

    y : dict of Tensor of shape (n,)
        Weights of the rows, see `advser.nn.weighted_mean`.

    Returns
    -------
    loss : Tensor of shape ()
        :math:`2 \log 2` where D has no idea, 0 where it is certain and right.
    """
    of_codes = weighted_mean(F.softplus(code_logits), y, "row")
    return F.softplus(-prior_logits).mean() + of_codes


def regularization_loss(code_logits, y):
    r"""Return what the encoder descends so that its codes look like the prior.

    .. math:: \mathrm{BCE}(D(z), 1)

    This is the non-saturating form of the game: its gradient does not die where D is
    certain.

    Parameters
    ----------
    code_logits : Tensor of shape (n,)
        Logits of :math:`D(z)`, the codes of rows.

    y : dict of Tensor of shape (n,)
        Weights of the rows, see `advser.nn.weighted_mean`.

    Returns
    -------
    loss : Tensor of shape ()
    """
    return weighted_mean(F.softplus(-code_logits), y, "row")


class Prior(Noise):
    r"""A mixture of Gaussians, of which every training step gets new samples.

    With one component at the origin it is :math:`N(0, I)`. With one component for
    each emotion, a labelled row is matched with the component of its emotion, as in
    section 2.3 of Makhzani et al. (2015): D is told the emotion, of rows and samples
    alike, and of rows without a label that they have none. Such rows are matched with
    the mixture as a whole.

    The number of samples does not depend on that of the rows, and the components have
    their shares in every step: chance moves the samples within their components only.

    Parameters
    ----------
    centers : Tensor of shape (n_components, d)
        Means of the components, whose standard deviation is 1.

    shares : Tensor of shape (n_components,)
        Share of each component.

    n_samples : int
        Samples in a training step.

    share_labeled : float, default=0.0
        Share of the samples whose component D is told. That of the rows with a label.
    """

    def __init__(self, centers, shares, n_samples, *, share_labeled=0.0):
        super().__init__(centers.new_zeros(n_samples, centers.shape[1]))
        n_components = len(centers)
        cells = torch.cat([share_labeled * shares, (1 - share_labeled) * shares])
        cell = dealt_out(cells, n_samples)  # (n_samples,)
        component = cell % n_components
        told = torch.where(cell < n_components, component, n_components)
        n_told = n_components + 1 if n_components > 1 else 0
        conditions = torch.eye(n_components + 1, n_told).to(centers)
        self.register_buffer("centers", centers)
        self.register_buffer("means", centers[component], persistent=False)
        self.register_buffer("told", conditions[told], persistent=False)
        self.register_buffer("conditions", conditions, persistent=False)

    def draw(self, n_steps, generator):
        """Return the noise of some training steps: (n_steps, n_samples, d)."""
        shape = (n_steps, *self.noise.shape)
        return torch.randn(shape, generator=generator).to(self.noise)

    def samples(self):
        """Return the samples of a step, and what D is told of them: (n_samples, -1)."""
        return torch.cat([self.means + self.noise, self.told], 1)

    def beside(self, z, emotion):
        """Return codes, and what D is told of them: (n, d) to (n, ...).

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


def dealt_out(shares, n):
    """Return `n` codes in order, of which each has its share: (n,).

    Parameters
    ----------
    shares : Tensor of shape (n_codes,)
        They add up to 1.

    n : int
    """
    places = (torch.arange(n, dtype=shares.dtype) + 0.5) / n
    codes = torch.searchsorted(shares.cumsum(0), places, right=True)
    return codes.clamp(max=len(shares) - 1)


class AutoencoderNetwork(nn.Module):
    r"""Encoder, decoder, discriminators and heads, and their four moves.

    Parameters
    ----------
    standardize : Standardize

    body : Module
        Hidden layers of the encoder: (n, d) to (n, n_hidden).

    code_layer : Module
        Its last layer, linear: (n, n_hidden) to (n, code_dim).

    emotion_head : Module
        Maps the code z to logits or ratings; with a class code, the hidden layer.

    decoder : Module
        Maps the code, and the class code behind it, to standardised features.

    discriminator : Module
        Tells samples of the prior from codes.

    prior : Prior

    class_discriminator : Module or None, default=None
        Tells one-hot classes from class codes. Its presence makes the softmax of the
        emotion logits a part of the code, the class code of Makhzani et al. (2015).

    classes : Tensor of shape (n_samples, n_emotions) or None, default=None
        One-hot samples of the classes, for `class_discriminator`.

    speaker_head : SpeakerHead or None, default=None

    gender_head : Module or None, default=None

    outputs : Emotions or Ratings, default=Emotions()
        What the emotion head tells, and its loss.

    lr_scales : dict of float
        Learning rates of the moves as shares of that of "supervise".

    speaker_weight, gender_weight : float
        Shares of the gradients of these heads that reach the encoder. A negative one
        makes the head an adversary.
    """

    def __init__(
        self,
        standardize,
        body,
        code_layer,
        emotion_head,
        decoder,
        discriminator,
        prior,
        *,
        class_discriminator=None,
        classes=None,
        speaker_head=None,
        gender_head=None,
        outputs=None,
        lr_scales,
        speaker_weight,
        gender_weight,
    ):
        super().__init__()
        self.standardize = standardize
        self.body = body
        self.code_layer = code_layer
        self.emotion_head = emotion_head
        self.speaker_head = speaker_head
        self.gender_head = gender_head
        self.outputs = Emotions() if outputs is None else outputs
        self.decoder = decoder
        self.discriminator = discriminator
        self.class_discriminator = class_discriminator
        self.prior = prior
        self.lr_scales = lr_scales
        self.steps = ("reconstruct", "discriminate", "regularize", "supervise")
        if class_discriminator is not None:
            self.steps = (*self.steps[:3], "regularize_class", "supervise")
            self.register_buffer("classes", classes, persistent=False)
        for name, weight in (
            ("speaker_weight", speaker_weight),
            ("gender_weight", gender_weight),
        ):
            self.register_buffer(name, torch.tensor(float(weight)), persistent=False)

    def encode(self, x):
        """Return code and emotion output: (n, d) to (n, code_dim), (n, n_outputs)."""
        h = self.body(self.standardize(x))
        z = self.code_layer(h)
        has_class_code = self.class_discriminator is not None
        return z, self.emotion_head(h if has_class_code else z)

    def joined(self, z, emotion_logits):
        """Return the code as a whole: the class code behind z, if there is one."""
        if self.class_discriminator is None:
            return z
        return torch.cat([z, emotion_logits.softmax(1)], 1)

    def forward(self, x):
        """Return the logits or the ratings: (n, d) to (n, n_outputs)."""
        return self.outputs(self.encode(x)[1])

    def encoder(self, x):
        """Return the code as a whole: (n, d) to (n, embedding_dim)."""
        return self.joined(*self.encode(x))

    def decode(self, code):
        """Return features in their own units: (n, embedding_dim) to (n, d)."""
        return self.standardize.inverse(self.decoder(code))

    def reconstruction_error(self, x):
        """Return the error of each row, in squared standard deviations: (n,)."""
        return reconstruction_loss(self.decoder(self.encoder(x)), self.standardize(x))

    def tell_speaker(self, x):
        """Return the speaker logits: (n, d) to (n, n_speakers)."""
        return self.speaker_head(self.encode(x)[0], None, None)

    def tell_gender(self, x):
        """Return the gender logits: (n, d) to (n, n_genders)."""
        return self.gender_head(self.encode(x)[0])

    def step_parameters(self, step):
        """Return the parameters that a move may change."""
        encoder = [self.body, self.code_layer]
        class_code = [self.emotion_head] if self.class_discriminator else []
        players = {
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
            for player in players
            if player is not None
            for parameter in player.parameters()
        ]

    def loss(self, step, x, y, progress):
        """Return the terms of a move."""
        return getattr(self, step)(x, y)

    def reconstruct(self, x, y):
        """Return the term of encoder and decoder: they keep what was heard."""
        return {"reconstruction": weighted_mean(self.reconstruction_error(x), y, "row")}

    def discriminate(self, x, y):
        """Return the terms of the discriminators; the codes stand still."""
        with torch.no_grad():
            z, emotion_logits = self.encode(x)
        code_logits = self.discriminator(self.prior.beside(z, y.get("emotion")))[:, 0]
        prior_logits = self.discriminator(self.prior.samples())[:, 0]
        terms = {"discriminator": discriminator_loss(code_logits, prior_logits, y)}
        if self.class_discriminator is not None:
            code_logits = self.class_discriminator(emotion_logits.softmax(1))[:, 0]
            prior_logits = self.class_discriminator(self.classes)[:, 0]
            loss = discriminator_loss(code_logits, prior_logits, y)
            terms["class_discriminator"] = loss
        return terms

    def regularize(self, x, y):
        """Return the term of the encoder: its codes shall look like the prior."""
        z, _ = self.encode(x)
        logits = self.discriminator(self.prior.beside(z, y.get("emotion")))[:, 0]
        return {"regularization": regularization_loss(logits, y)}

    def regularize_class(self, x, y):
        """Return the term of the class code: it shall look like certain classes."""
        _, emotion_logits = self.encode(x)
        logits = self.class_discriminator(emotion_logits.softmax(1))[:, 0]
        return {"class_regularization": regularization_loss(logits, y)}

    def supervise(self, x, y):
        """Return the terms of the heads, each over the rows that carry its label."""
        z, output = self.encode(x)
        terms = {"emotion": self.outputs.loss(output, y)}
        if self.speaker_head is not None:
            h = reverse_gradient(z, -self.speaker_weight)
            logits = self.speaker_head(h, None, None)
            terms["speaker"] = classification_loss(logits, y, "speaker")
        if self.gender_head is not None:
            logits = self.gender_head(reverse_gradient(z, -self.gender_weight))
            terms["gender"] = classification_loss(logits, y, "gender")
        return terms


class _Autoencoder:
    """The autoencoder and its game, whatever is told of the emotion."""

    # With metadata routing on, these reach `fit` without a call of set_fit_request.
    __metadata_request__fit = {"genders": True, "genders_unlabeled": True}

    _parameter_constraints: dict = {
        "prior_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "speaker_task": [StrOptions({"auxiliary", "adversarial"}), None],
        "speaker_weight": [Interval(Real, 0, None, closed="left")],
        "gender_weight": [Interval(Real, 0, None, closed="left")],
        "discriminator_hidden_layer_sizes": ["array-like"],
        "discriminator_lr_scale": [Interval(Real, 0, None, closed="left")],
    }

    def fit(
        self,
        X,
        y,
        speakers=None,
        *,
        groups=None,
        genders=None,
        sample_weight=None,
        X_unlabeled=None,
        speakers_unlabeled=None,
        genders_unlabeled=None,
    ):
        """Train the network on labelled utterances, and on unlabelled ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row per utterance, raw or scaled.

        y : array-like of shape (n_samples,)
            Emotions. A regressor takes ratings, also of shape (n_samples, n_outputs),
            with NaN for a missing one.

        speakers : array-like of shape (n_samples,), default=None
            Who speaks: strings, integers, a pandas column. None or NaN stands for an
            unknown speaker.

        groups : array-like of shape (n_samples,), default=None
            The speakers under scikit-learn's name for them, so that one array drives
            both the splitter and the network. Ignored where `speakers` is given.

        genders : array-like of shape (n_samples,), default=None
            Their genders, likewise. None or NaN stands for an unknown one.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in every term of the loss.

        X_unlabeled : array-like of shape (n_unlabeled, n_features), default=None
            Utterances whose emotion is unknown, also from another corpus.

        speakers_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their speakers, as far as known.

        genders_unlabeled : array-like of shape (n_unlabeled,), default=None
            Their genders, as far as known.

        Returns
        -------
        self : object
            The fitted estimator.

        Warns
        -----
        NoSpeakersWarning
            If there is a speaker task, but not two speakers at least: the network is
            then trained without it.

        ConfoundedSpeakersWarning
            If ``speaker_task="adversarial"`` and the speakers tell most of the
            emotion, see :func:`~advser.speakers.speaker_confounding`.

        CollapseWarning
            If the codes are alike for all rows, or nothing like the prior.
        """
        self._fit(
            X,
            y,
            sample_weight,
            {"speakers": speakers, "groups": groups, "genders": genders},
            X_unlabeled,
            {
                "speakers_unlabeled": speakers_unlabeled,
                "genders_unlabeled": genders_unlabeled,
            },
        )
        self._warn_of_collapse(X)
        return self

    def inverse_transform(self, X):
        """Return the features that the decoder tells from codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, embedding_dim)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the features.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=self._dtype, order="C", input_name="X")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"`X` has {codes.shape[1]} columns and the code has "
                f"{self._n_features_out}; pass what `transform` returns."
            )
        return self._run("decode", self._to_network(codes))

    def reconstruction_error(self, X):
        """Return how far each row is from what the decoder makes of its code.

        Utterances that are unlike all training rows, as those of another language,
        room or recording chain may be, come back worse than others. Compare with rows
        that were held out: those trained on come back best.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        error : ndarray of shape (n_samples,)
            Mean squared error over the features, each in standard deviations of the
            labelled training rows: 1 for what is no better than their mean.
        """
        return self._apply("reconstruction_error", X)

    def predict_speaker(self, X):
        """Return the most probable of the training speakers for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        speakers : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the network has no speaker head, or one that it plays against.
        """
        check_is_fitted(self)
        module = self.net_.module_
        if module.speaker_head is None or module.speaker_weight < 0:
            raise ValueError(
                f"The network was trained with `speaker_task={self.speaker_task!r}` "
                f"and {len(self.speakers_)} known speakers, so it does not tell them; "
                'pass `speakers` to fit, with `speaker_task="auxiliary"`.'
            )
        return self.speakers_[self._apply("tell_speaker", X).argmax(axis=1)]

    def predict_gender(self, X):
        """Return the most probable gender for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        genders : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the network has no gender head.
        """
        check_is_fitted(self)
        if self.net_.module_.gender_head is None:
            raise ValueError(
                f"The network was trained with {len(self.genders_)} known genders, so "
                "it does not tell them; pass two at least as `genders` to fit."
            )
        return self.genders_[self._apply("tell_gender", X).argmax(axis=1)]

    def sample(self, n_samples=1, *, random_state=None):
        """Return features that the decoder makes of random samples of the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of utterances.

        random_state : int, RandomState instance or None, default=None
            Source of the samples.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the features.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        z = rng.standard_normal((n_samples, self.embedding_dim))
        return self._run("decode", z.astype(self._dtype))

    def _to_network(self, codes):
        """Return codes in the order that the network has them in."""
        return codes

    @property
    def _strangers_are_a_domain(self):
        """Unlabelled rows of unknown speakers are told apart by an adversary alone."""
        return self.speaker_task == "adversarial"

    def _build_module(self, data, generator):
        check_layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        check_layer_sizes(
            self.discriminator_hidden_layer_sizes, "discriminator_hidden_layer_sizes"
        )
        n_features = data.X.shape[1]
        sizes = (n_features, *self.hidden_layer_sizes)  # of the encoder
        body = mlp(sizes, generator, dropout=self.dropout)
        code_layer = linear(sizes[-1], self.embedding_dim, generator)
        outputs, n_outputs = self._build_outputs(data)
        prior = self._build_prior(data)
        class_code = self._build_class_code(data, generator)
        emotion_head = linear(
            sizes[-1] if class_code else self.embedding_dim, n_outputs, None
        )
        decoder_sizes = (self._n_features_out, *sizes[:0:-1])
        decoder = nn.Sequential(
            *mlp(decoder_sizes, generator), linear(decoder_sizes[-1], n_features, None)
        )
        speaker_head = self._build_speaker_head(data.n_codes["speaker"], generator)
        adversarial = self.speaker_task == "adversarial"
        hides_speaker = adversarial and speaker_head is not None
        if hides_speaker and self.speaker_weight > 0 and "emotion" in data.codes:
            warn_if_confounded(
                data.codes["emotion"],
                data.codes["speaker"],
                setting='speaker_task="adversarial"',
                remedy='Leave the speaker in with `speaker_task="auxiliary"` or None.',
                stacklevel=4,
            )
        return AutoencoderNetwork(
            data.standardize,
            body,
            code_layer,
            emotion_head,
            decoder,
            self._build_discriminator(prior.samples().shape[1], generator),
            prior,
            **class_code,
            speaker_head=speaker_head,
            outputs=outputs,
            gender_head=(
                linear(self.embedding_dim, data.n_codes["gender"], None)
                if data.n_codes["gender"] > 1
                else None
            ),
            lr_scales=self._lr_scales(),
            speaker_weight=-self.speaker_weight if adversarial else self.speaker_weight,
            gender_weight=self.gender_weight,
        )

    def _build_prior(self, data):
        """Return a standard normal prior."""
        centers, shares = torch.zeros(1, self.embedding_dim), torch.ones(1)
        return Prior(centers, shares, self.batch_size)

    def _lr_scales(self):
        """Return the learning rates of the moves as shares of `lr`."""
        return {
            "reconstruct": self.reconstruction_weight,
            "discriminate": self.discriminator_lr_scale,
            "regularize": self.prior_weight,
        }

    def _build_class_code(self, data, generator):
        """Return the parts of the network that make the emotion a part of the code."""
        return {}

    def _build_discriminator(self, n_inputs, generator):
        sizes = (n_inputs, *self.discriminator_hidden_layer_sizes)
        return nn.Sequential(*mlp(sizes, generator), linear(sizes[-1], 1, None))

    def _build_speaker_head(self, n_speakers, generator):
        if self.speaker_task is None:
            return None
        if n_speakers < 2:
            warn(
                f"`speaker_task={self.speaker_task!r}` needs two speakers at least and "
                f"has {n_speakers}: the network is trained without it. Pass the "
                "speaker of each row as `speakers` to fit, or set `speaker_task=None`.",
                NoSpeakersWarning,
                stacklevel=5,
            )
            return None
        return SpeakerHead(self.embedding_dim, (), n_speakers, generator)

    def _warn_of_collapse(self, X):
        """Warn where the codes are constant, or the discriminator has won."""
        if not self.n_iter_:  # interrupted before there was anything to judge
            return
        deviation = self._apply("encoder", X)[:, : self.embedding_dim].std(axis=0)
        deviation = math.sqrt(np.mean(np.square(deviation, dtype=np.float64)))
        if deviation < CONSTANT:
            warn(
                "The codes of all rows are nearly alike: their standard deviation is "
                f"{deviation:.2g}, where the prior has 1. Lower `prior_weight`, `lr` "
                "or `alpha`, or check that the features differ between rows.",
                CollapseWarning,
                stacklevel=3,
            )
        loss = self.history_["train_discriminator_loss"].iloc[-1]
        if self.prior_weight > 0 and loss < WON * UNDECIDED:
            warn(
                "The discriminator tells codes from the prior without fail: its loss "
                f"is {loss:.2g}, where one that has no idea has {UNDECIDED:.2f}. The "
                "codes do not follow the prior; lower `discriminator_lr_scale`, or "
                "raise `prior_weight`.",
                CollapseWarning,
                stacklevel=3,
            )


class AutoencoderSER(_Autoencoder, BaseSERClassifier):
    r"""Emotion classifier on the code of an adversarial autoencoder.

    An encoder E turns features into a code z, from which a decoder G tells the
    features again, and heads tell emotion, speaker and gender. A discriminator D
    learns to tell codes from samples of a prior, and E to make them alike. Everything
    but the heads learns from utterances without any label, of whatever corpus [1]_.

    Four moves take turns on each batch:

    - *reconstruct*: E and G descend :math:`\lVert x - G(z) \rVert^2 / d`;
    - *discriminate*: D descends
      :math:`\mathrm{BCE}(D(z^*), 1) + \mathrm{BCE}(D(z), 0)`, with samples
      :math:`z^*` of the prior;
    - *regularize*: E descends :math:`\mathrm{BCE}(D(z), 1)`;
    - *supervise*: E and the heads descend :math:`\mathrm{CE}_\text{emotion} + w_s
      \mathrm{CE}_\text{speaker} + w_g \mathrm{CE}_\text{gender}`, each over the rows
      that carry the label.

    Speaker and gender are told on purpose, as tasks beside the emotion: in contrast to
    `AdversarialSER`, this code is meant to know the speaker. Set
    ``speaker_task="adversarial"`` for the opposite.

    Features may be raw: the network standardises them by the labelled training rows.

    Parameters
    ----------
    prior : {"normal", "mixture"}, default="normal"
        What the codes shall look like: :math:`N(0, I)`, or a Gaussian for each emotion
        [2]_, to which the labelled rows of that emotion are matched, and the others as
        a whole. They lie on the axes of the code, in the order in which the emotions
        first appear in `y`.

    prior_weight : float, default=0.3
        Learning rate of the move *regularize*, as a share of `lr`. With 1, all moves of
        the encoder have the same, which is the plain reading of [1]_ and [2]_, and what
        samples want. 0 leaves the codes as the other moves want them.

    prior_radius : float, default=3.0
        Distance of the Gaussians of ``prior="mixture"`` from the origin, in their
        standard deviations. Any two are :math:`\sqrt 2` times as far from each other.

    categorical_code : bool, default=False
        Whether the predicted emotion is a part of the code [2]_: the softmax of the
        emotion logits, told from the last hidden layer and not from z, with a
        discriminator of its own that knows the shares of the emotions. The decoder
        gets both, so that z need not hold the emotion.

    categorical_weight : float, default=1.0
        Learning rate of the move in which this part of the code is made to look like
        certain classes, as a share of `lr`.

    reconstruction_weight : float, default=1.0
        Learning rate of the move *reconstruct*, as a share of `lr`.

    speaker_task : {"auxiliary", "adversarial"} or None, default="auxiliary"
        What the encoder does for the speaker head: help it, hinder it by gradient
        reversal, or go without.

    speaker_weight : float, default=0.1
        :math:`w_s`, the share of the speaker head's gradient that reaches the encoder.

    gender_weight : float, default=0.1
        :math:`w_g`, the same of the gender head, which is there where genders are.

    discriminator_hidden_layer_sizes : array-like of int, default=(64, 64)
        Hidden layers of the discriminators.

    discriminator_lr_scale : float, default=0.2
        Learning rate of the discriminators, as a share of `lr`. They learn more slowly
        than the encoder, which else has nothing to learn from.

    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers; the decoder has them in reverse.

    embedding_dim : int, default=32
        Width of z.

    dropout : float, default=0.3
        Probability that a hidden unit of the encoder is left out of a training step.

    alpha : float, default=0.01
        Decoupled weight decay of AdamW, in every move.

    lr : float, default=0.001
        Learning rate of AdamW, that of the move *supervise*.

    max_epochs : int, default=60
        Passes over the training rows, the unlabelled ones included.

    batch_size : int, default=64
        Rows per training step, and samples of the prior.

    class_weight : "balanced", dict {label: weight} or None, default="balanced"
        Weights of the emotions in their cross-entropy, as in `AdversarialSER`.

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when their UAR has not risen for
        `n_iter_no_change` epochs, and keep the weights of the best epoch.

    validation_fraction : float, default=0.2
        Share of the speakers set aside for early stopping.

    n_iter_no_change : int, default=20
        Epochs without a better validation UAR before the training stops.

    warm_start : bool, default=False
        Whether a further `fit` goes on from the last, with the same emotions, speakers
        and genders. It takes up a change of `lr` and `max_epochs`; what else is set
        stays as it was.

    device : str or torch.device, default="cpu"
        Where the network and its training rows live.

    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the training; copies are used.

    verbose : int, default=0
        Whether to print a line per epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the order of the rows, the dropout masks and the
        samples of the prior. An int gives the same network, bit for bit, on every
        call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The emotions, sorted.

    speakers_ : ndarray of shape (n_speakers,)
        The speakers of the training rows, in order of appearance.

    genders_ : ndarray of shape (n_genders,)
        Their genders, in order of appearance.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module.

    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, and the validation scores where there are
        any.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a DataFrame with string columns.

    See Also
    --------
    AdversarialSER : The speaker as an adversary.
    sklearn.semi_supervised.SelfTrainingClassifier : Unlabelled rows for any
        classifier.

    Notes
    -----
    **Weights.** Each move has an optimizer state of its own, and Adam does not see the
    scale of a loss that is alone in its move. The weights of the moves are therefore
    shares of the learning rate. Those of speaker and gender, which share their move
    with the emotion, scale what reaches the encoder.

    **Collapse.** After the training a `CollapseWarning` tells of codes that are alike
    for all rows (root mean square of their standard deviations below 0.05, where the
    prior has 1), and of a discriminator that has won (its loss in the last epoch below
    5 % of the :math:`2 \log 2` of one that has no idea): the codes are then nothing
    like the prior, and nothing makes them so.

    **Differences from the paper.**

    - Input are functionals of one utterance, as in [3]_.
    - Layer sizes, weights of the terms and the width of the code are parameters, since
      the public texts do not settle them; so is whether there is a class code. The
      prior has less weight than the rest, since it costs recall.
    - The prior with a component for each emotion is from [2]_. Its components lie on
      axes, not on a circle, so that no emotion is nearer to one than to another.
    - The emotions are classes. Activation and valence in bins are classes, too, but
      there is no regression.
    - ``speaker_task="adversarial"`` is not in the paper.
    - Dropout uses one mask per batch.

    References
    ----------
    .. [1] S. Latif, R. Rana, S. Khalifa, R. Jurdak, J. Epps, B. W. Schuller,
       "Multi-task semi-supervised adversarial autoencoding for speech emotion
       recognition", IEEE Transactions on Affective Computing 13, 2022,
       arXiv 1907.06078.
    .. [2] A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, "Adversarial
       autoencoders", 2015, arXiv 1511.05644.
    .. [3] S. Sahu, R. Gupta, G. Sivaraman, W. AbdAlmageed, C. Espy-Wilson,
       "Adversarial auto-encoders for speech based emotion recognition", Interspeech
       2017, arXiv 1806.02146.

    Examples
    --------
    Every third utterance has a label:

    >>> import numpy as np
    >>> from advser import AutoencoderSER
    >>> from advser.datasets import load_emodb
    >>> emodb = load_emodb()
    >>> labeled = np.arange(339) % 3 == 0
    >>> ser = AutoencoderSER(max_epochs=20, random_state=0).fit(
    ...     emodb.data[labeled],
    ...     emodb.target[labeled],
    ...     speakers=emodb.speakers[labeled],
    ...     X_unlabeled=emodb.data[~labeled],
    ...     speakers_unlabeled=emodb.speakers[~labeled],
    ... )
    >>> ser.score(emodb.data[~labeled], emodb.target[~labeled]) > 0.6
    True
    >>> ser.reconstruction_error(emodb.data).shape
    (339,)
    """

    _parameter_constraints: dict = {
        **BaseSERClassifier._parameter_constraints,
        **_Autoencoder._parameter_constraints,
        "prior": [StrOptions({"normal", "mixture"})],
        "prior_radius": [Interval(Real, 0, None, closed="left")],
        "categorical_code": ["boolean"],
        "categorical_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        prior="normal",
        *,
        prior_weight=0.3,
        prior_radius=3.0,
        categorical_code=False,
        categorical_weight=1.0,
        reconstruction_weight=1.0,
        speaker_task="auxiliary",
        speaker_weight=0.1,
        gender_weight=0.1,
        discriminator_hidden_layer_sizes=(64, 64),
        discriminator_lr_scale=0.2,
        hidden_layer_sizes=(128,),
        embedding_dim=32,
        dropout=0.3,
        alpha=0.01,
        lr=0.001,
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
        self.prior = prior
        self.prior_weight = prior_weight
        self.prior_radius = prior_radius
        self.categorical_code = categorical_code
        self.categorical_weight = categorical_weight
        self.reconstruction_weight = reconstruction_weight
        self.speaker_task = speaker_task
        self.speaker_weight = speaker_weight
        self.gender_weight = gender_weight
        self.discriminator_hidden_layer_sizes = discriminator_hidden_layer_sizes
        self.discriminator_lr_scale = discriminator_lr_scale
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

    def transform(self, X):
        """Return the code of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        code : ndarray of shape (n_samples, embedding_dim)
            z. With `categorical_code`, the probabilities of the emotions are further
            columns, in the order of `classes_`.
        """
        code = self._apply("encoder", X)
        return code[:, self._code_order] if self.categorical_code else code

    def sample(self, n_samples=1, emotion=None, *, random_state=None):
        """Return features that the decoder makes of random samples of the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of utterances.

        emotion : object, default=None
            The emotion of all of them, one of `classes_`. None lets it follow the
            training rows.

        random_state : int, RandomState instance or None, default=None
            Source of the samples.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the features.

        Raises
        ------
        ValueError
            If neither prior nor code know emotions, or not this one.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        module = self.net_.module_
        prior = module.prior
        centers = prior.centers.cpu().numpy()
        categorical = module.class_discriminator is not None
        if emotion is None:
            shares = self._shares_of_emotions
            codes = rng.choice(len(shares), size=n_samples, p=shares)
        elif len(centers) == 1 and not categorical:
            raise ValueError(
                f"`emotion` is {emotion!r}, but the prior is the same for all "
                'emotions; fit with `prior="mixture"` or `categorical_code=True`, or '
                "leave `emotion` out."
            )
        elif emotion not in self.classes_:
            raise ValueError(
                f"`emotion` is {emotion!r}; the emotions of the training rows are "
                f"{self.classes_.tolist()}."
            )
        else:
            column = np.flatnonzero(self.classes_ == emotion)[0]
            codes = np.full(n_samples, self._column_of_class[column])
        component = codes if len(centers) > 1 else np.zeros_like(codes)
        z = centers[component] + rng.standard_normal((n_samples, centers.shape[1]))
        if categorical:
            z = np.hstack([z, np.eye(len(self.classes_))[codes]])
        return self._run("decode", z.astype(self._dtype))

    @property
    def _n_features_out(self):
        return self.embedding_dim + self.categorical_code * len(self.classes_)

    @property
    def _code_order(self):
        """The columns of the network's code, emotions in the order of `classes_`."""
        d = self.embedding_dim
        return np.concatenate([np.arange(d), d + self._column_of_class])

    def _to_network(self, codes):
        if not self.categorical_code:
            return codes
        return np.ascontiguousarray(codes[:, self._code_order.argsort()])

    def _totals_of_emotions(self, data):
        """Return the weight of all rows of each emotion: (n_emotions,)."""
        emotion = data.codes["emotion"]
        known = emotion >= 0
        return np.bincount(emotion[known], data.weight[known], len(self.classes_))

    def _build_prior(self, data):
        totals = self._totals_of_emotions(data)
        shares = self._shares_of_emotions = totals / totals.sum()
        if self.prior == "normal":
            return super()._build_prior(data)
        n_emotions = len(shares)
        if self.embedding_dim < n_emotions:
            raise ValueError(
                f"`embedding_dim` is {self.embedding_dim} and there are {n_emotions} "
                "emotions, each of which has an axis of its own with "
                f'`prior="mixture"`; set `embedding_dim` to {n_emotions} at least.'
            )
        centers = self.prior_radius * torch.eye(n_emotions, self.embedding_dim)
        return Prior(
            centers.double(),
            torch.from_numpy(shares),
            self.batch_size,
            share_labeled=totals.sum() / data.weight.sum(),
        )

    def _lr_scales(self):
        return {**super()._lr_scales(), "regularize_class": self.categorical_weight}

    def _build_class_code(self, data, generator):
        if not self.categorical_code:
            return {}
        n_emotions = len(self.classes_)
        drawn = dealt_out(torch.from_numpy(self._shares_of_emotions), self.batch_size)
        return {
            "class_discriminator": self._build_discriminator(n_emotions, generator),
            "classes": F.one_hot(drawn, n_emotions).double(),
        }


class AutoencoderSERRegressor(_Autoencoder, BaseSERRegressor):
    r"""Regressor of dimensional emotion on the code of an adversarial autoencoder.

    It is `AutoencoderSER` for ratings on continuous scales, arousal, valence and
    dominance for instance, several of them at once: the loss of the ratings takes the
    place of :math:`\mathrm{CE}_\text{emotion}`. A rating that is missing is NaN; a row
    without any counts as unlabelled.

    Parameters
    ----------
    loss : {"ccc", "mse", "huber"}, default="ccc"
        What is minimised for each target, as in `AdversarialSERRegressor`.

    huber_delta : float, default=1.0
        Where Huber's loss turns from square to linear, in standard deviations.

    target_weights : array-like of shape (n_outputs,) or None, default=None
        Weights of the targets in the loss; None for equal ones.

    prior_weight : float, default=0.3
        As in `AutoencoderSER`. The prior is :math:`N(0, I)`.

    reconstruction_weight : float, default=1.0
        As in `AutoencoderSER`.

    speaker_task : {"auxiliary", "adversarial"} or None, default="auxiliary"
        As in `AutoencoderSER`.

    speaker_weight, gender_weight : float, default=0.1
        As in `AutoencoderSER`.

    discriminator_hidden_layer_sizes, discriminator_lr_scale : object
        As in `AutoencoderSER`.

    hidden_layer_sizes, embedding_dim, dropout, alpha : object
        As in `AutoencoderSER`.

    lr, max_epochs, batch_size : object
        As in `AutoencoderSER`.

    early_stopping : bool, default=False
        Whether to set some speakers aside, stop when the concordance of their ratings
        has not risen for `n_iter_no_change` epochs, and keep the weights of the best
        epoch.

    validation_fraction, n_iter_no_change, warm_start : object
        As in `AutoencoderSER`.

    device, callbacks, verbose, random_state : object
        As in `AutoencoderSER`.

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.

    speakers_ : ndarray of shape (n_speakers,)
        The speakers of the training rows, in order of appearance.

    genders_ : ndarray of shape (n_genders,)
        Their genders, in order of appearance.

    net_ : StepwiseNet
        The trained skorch net; ``net_.module_`` is the torch module.

    history_ : DataFrame of shape (n_epochs, n_records)
        Every term of the loss by epoch, and the validation scores where there are
        any.

    n_iter_ : int
        Number of epochs trained.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a DataFrame with string columns.

    See Also
    --------
    AutoencoderSER : The same for categories of emotion; there are the references.
    AdversarialSERRegressor : The speaker as an adversary.

    Notes
    -----
    **Differences from the paper.** Those of `AutoencoderSER`. Its authors tell
    activation and valence as classes, in bins of the ratings; here they are ratings.

    Examples
    --------
    >>> from advser import AutoencoderSERRegressor
    >>> from advser.datasets import load_emodb
    >>> X, _, speakers = load_emodb(return_X_y_speakers=True)
    >>> known = speakers != "03"
    >>> ser = AutoencoderSERRegressor(max_epochs=20, random_state=0)
    >>> ser = ser.fit(X[known], X[known, 10], speakers=speakers[known])
    >>> ser.predict(X[~known]).shape == X[~known, 10].shape
    True
    """

    _parameter_constraints: dict = {
        **BaseSERRegressor._parameter_constraints,
        **_Autoencoder._parameter_constraints,
    }

    def __init__(
        self,
        *,
        loss="ccc",
        huber_delta=1.0,
        target_weights=None,
        prior_weight=0.3,
        reconstruction_weight=1.0,
        speaker_task="auxiliary",
        speaker_weight=0.1,
        gender_weight=0.1,
        discriminator_hidden_layer_sizes=(64, 64),
        discriminator_lr_scale=0.2,
        hidden_layer_sizes=(128,),
        embedding_dim=32,
        dropout=0.3,
        alpha=0.01,
        lr=0.001,
        max_epochs=60,
        batch_size=64,
        early_stopping=False,
        validation_fraction=0.2,
        n_iter_no_change=20,
        warm_start=False,
        device="cpu",
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.loss = loss
        self.huber_delta = huber_delta
        self.target_weights = target_weights
        self.prior_weight = prior_weight
        self.reconstruction_weight = reconstruction_weight
        self.speaker_task = speaker_task
        self.speaker_weight = speaker_weight
        self.gender_weight = gender_weight
        self.discriminator_hidden_layer_sizes = discriminator_hidden_layer_sizes
        self.discriminator_lr_scale = discriminator_lr_scale
        self.hidden_layer_sizes = hidden_layer_sizes
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.alpha = alpha
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state
