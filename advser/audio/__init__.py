"""From recordings to features: of openSMILE, of pretrained models, and their tables."""

from ._embeddings import AudioEmbedding
from ._extraction import extract_features, read_features
from ._features import EGeMAPS

__all__ = ["AudioEmbedding", "EGeMAPS", "extract_features", "read_features"]
