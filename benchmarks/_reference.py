"""The reference task, and the networks that others would write for it."""

import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from skorch.helper import SliceDict
from torch import nn

N_FEATURES, N_EMOTIONS, N_SPEAKERS = 88, 4, 50
HIDDEN, EMBEDDING = 128, 64
LAYERS = {"hidden_layer_sizes": (HIDDEN,), "embedding_dim": EMBEDDING}  # in estimators
LR, WEIGHT, STEEPNESS, RIDGE = 1e-3, 0.1, 10.0, 0.01


def reference_task(n=5000, seed=0):
    """Return features (n, 88) in float32, the codes of emotions and of speakers.

    Emotion and speaker each shift the features. Other seeds give other rows of the same
    speakers.
    """
    rng = np.random.default_rng(0)
    emotion_shift = 0.2 * rng.normal(size=(N_EMOTIONS, N_FEATURES))
    speaker_shift = 0.5 * rng.normal(size=(N_SPEAKERS, N_FEATURES))
    rng = np.random.default_rng([seed])
    y = rng.integers(N_EMOTIONS, size=n)
    speakers = rng.integers(N_SPEAKERS, size=n)
    X = rng.normal(size=(n, N_FEATURES)) + emotion_shift[y] + speaker_shift[speakers]
    return X.astype(np.float32), y, speakers


class ReverseGradient(torch.autograd.Function):
    """Gradient reversal as in the textbooks."""

    @staticmethod
    def forward(ctx, h, weight):
        """Return h."""
        ctx.weight = weight
        return h.view_as(h)

    @staticmethod
    def backward(ctx, gradient):
        """Reverse the gradient."""
        return -ctx.weight * gradient, None


class Network(nn.Module):
    """Encoder, emotion head and speaker head: 88 - 128 - 64, and from there 4 and S."""

    def __init__(
        self, n_speakers=N_SPEAKERS, dropout=0.0, weight=WEIGHT, n_emotions=N_EMOTIONS
    ):
        super().__init__()
        layers = []
        for n_in, n_out in ((N_FEATURES, HIDDEN), (HIDDEN, EMBEDDING)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.encoder = nn.Sequential(*layers)
        self.emotion_head = nn.Linear(EMBEDDING, n_emotions)
        self.speaker_head = nn.Linear(EMBEDDING, n_speakers)
        self.weight = weight

    def forward(self, x, speakers=None):
        """Return the logits of emotion and speaker.

        The loss alone uses the codes of the speakers, see `SkorchNet`.
        """
        h = self.encoder(x)
        reversed_h = ReverseGradient.apply(h, self.weight)
        return self.emotion_head(h), self.speaker_head(reversed_h)


def epochs_of(tensors, *, epochs, batch_size):
    """Yield the batches of all epochs, in a new random order for each.

    Every batch is full, as in this package: the last one of an epoch is filled with
    the first rows of the permutation.
    """
    n = len(tensors[0])
    for _ in range(epochs):
        order = torch.randperm(n)
        order = torch.cat([order, order[: -n % batch_size]])
        shuffled = [tensor[order] for tensor in tensors]
        for start in range(0, len(order), batch_size):
            yield [tensor[start : start + batch_size] for tensor in shuffled]


def hand_written_fit(
    task, objective, *, epochs, batch_size, n_speaker_updates=2, dropout=0
):
    """Train as a careful engineer does without a library; return the classifier.

    It slices tensors in memory, permutes the rows once per epoch, uses fused Adam, and
    reads no loss. The speaker head and the encoder use the same embedding of a batch.
    """
    x, y, speakers = map(torch.from_numpy, task)
    torch.manual_seed(0)
    network = Network(dropout=dropout)
    encoder, emotion_head = network.encoder, network.emotion_head
    speaker_head = network.speaker_head
    main = [*encoder.parameters(), *emotion_head.parameters()]
    if objective == "grl":
        main += speaker_head.parameters()
    main = torch.optim.Adam(main, lr=LR, fused=True)
    adversary = torch.optim.Adam(speaker_head.parameters(), lr=LR, fused=True)
    batches = epochs_of((x, y, speakers), epochs=epochs, batch_size=batch_size)
    n_batches = epochs * -(-len(x) // batch_size)
    log_n = math.log(N_SPEAKERS)
    for i_batch, (rows, emotion, speaker) in enumerate(batches):
        weight = WEIGHT * math.tanh(STEEPNESS * i_batch / n_batches / 2)
        h = encoder(rows)
        if objective in ("entropy", "confusion"):
            for _ in range(n_speaker_updates):
                loss = F.cross_entropy(speaker_head(h.detach()), speaker)
                adversary.zero_grad()
                loss.backward()
                adversary.step()
        loss = F.cross_entropy(emotion_head(h), emotion)
        if objective == "grl":
            logits = speaker_head(ReverseGradient.apply(h, weight))
            loss = loss + F.cross_entropy(logits, speaker)
        elif objective == "closed_form":
            loss = loss + weight * explained_share(h, speaker)
        elif objective is not None:  # this loss does not change the speaker head
            head = speaker_head.weight.detach(), speaker_head.bias.detach()
            log_p = F.linear(h, *head).log_softmax(1)
            if objective == "entropy":
                negative_entropy = (log_p.exp() * log_p).sum(1).mean() / log_n
                loss = loss + weight * negative_entropy
            else:
                loss = loss - weight * log_p.mean() / log_n
        main.zero_grad()
        loss.backward()
        main.step()
    return nn.Sequential(encoder, emotion_head).eval()


def explained_share(h, speakers):
    """Return the share of the speakers' variance that a ridge regression explains."""
    columns = F.one_hot(speakers, N_SPEAKERS).float()
    h, columns = h - h.mean(0), columns - columns.mean(0)
    covariance, between = h.T @ h, h.T @ columns
    penalty = RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
    solution = torch.linalg.solve(covariance + penalty, between)
    return (between * solution).sum() / columns.square().sum()


class SkorchNet(NeuralNetClassifier):
    """Gradient reversal in skorch: the dict X holds the speakers too."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the sum of both cross-entropies while training."""
        emotion_logits, speaker_logits = y_pred
        loss = F.cross_entropy(emotion_logits, y_true)
        if training:
            loss = loss + F.cross_entropy(speaker_logits, X["speakers"])
        return loss


def skorch_net(
    *, epochs, batch_size, n_speakers=N_SPEAKERS, n_emotions=N_EMOTIONS, **settings
):
    """Return the network in skorch; all other settings are the defaults of skorch."""
    return SkorchNet(
        Network,
        module__n_speakers=n_speakers,
        module__n_emotions=n_emotions,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LR,
        max_epochs=epochs,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
        **settings,
    )


def skorch_data(X, speakers):
    """Return features and codes of speakers as one X that can be sliced."""
    return SliceDict(x=X, speakers=speakers)


def sklearn_fit(task, **settings):
    """Return scikit-learn's network of the same size, fitted; it has no adversary."""
    X, y, _ = task
    network = MLPClassifier((HIDDEN, EMBEDDING), random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not have converged
        return network.fit(X, y)


def fairlearn_fit(task, *, epochs, batch_size, **settings):
    """Return fairlearn's network, fitted; its adversary uses the output."""
    from fairlearn.adversarial import AdversarialFairnessClassifier

    X, y, speakers = task
    network = AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=[HIDDEN, "relu", EMBEDDING, "relu"],
        adversary_model=[],
        epochs=epochs,
        batch_size=batch_size,
        random_state=0,
        **settings,
    )
    return network.fit(X, y, sensitive_features=speakers)
