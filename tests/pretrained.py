"""Models as pretrained ones are stored, tiny and with random weights."""

import torch

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 8),
    "conv_stride": (5, 8, 8),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def write_model(folder, kind="Wav2Vec2", seed=0, normalizes=True, **changes):
    """Write a tiny model with random weights, as a pretrained one is stored."""
    import transformers

    # It shows a bar for each file that it writes.
    transformers.utils.logging.disable_progress_bar()
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = getattr(transformers, f"{kind}Model")(config)
        for parameter in module.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    module.save_pretrained(folder)
    scaling = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalizes)
    scaling.save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    return module.eval()
