"""The methods as scikit-learn estimators, each with its networks and losses."""

from ._adversarial import AdversarialSER
from ._adversarial_regressor import AdversarialSERRegressor
from ._attribution import integrated_gradients
from ._autoencoder import AutoencoderSER
from ._autoencoder_network import discriminator_loss, regularization_loss
from ._autoencoder_regressor import AutoencoderSERRegressor
from ._siamese import SiameseSER
from ._siamese_losses import (
    cosine_distance,
    cross_correlation,
    jensen_shannon_divergence,
    subspace_overlap,
)

__all__ = [
    "AdversarialSER",
    "AdversarialSERRegressor",
    "AutoencoderSER",
    "AutoencoderSERRegressor",
    "SiameseSER",
    "cosine_distance",
    "cross_correlation",
    "discriminator_loss",
    "integrated_gradients",
    "jensen_shannon_divergence",
    "regularization_loss",
    "subspace_overlap",
]
