"""AudioEmbedding: a transformer of recordings into features of a pretrained network."""

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from .._validation._parameters import COUNT, INTEGER, StrOptions
from .._validation._paths import check_device
from ._extractor import GUARDS, Extractor

TYPES = ["wav2vec2", "hubert", "wavlm"]
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
UNUSED = {"masked_spec_embed"}  # replaces masked frames in pretraining
STATISTICS = {"mean": ["mean"], "mean_std": ["mean", "std"]}


class AudioEmbedding(Extractor):
    """Turn recordings into embeddings by a pretrained speech model.

    A model of the type wav2vec 2.0 [1]_, HuBERT [2]_ or WavLM [3]_ describes every
    20 ms of a recording by a vector, in each of its layers. The features of a recording
    are the mean of these vectors, and their standard deviation if you like. The
    recording is mixed to one channel and resampled to the rate of the model, mostly
    16 kHz.

    The model is not trained further, so you can call :meth:`transform` without
    :meth:`fit`. This class needs the package transformers: ``pip install
    advser[embeddings]``.

    Parameters
    ----------
    model : str or path-like
        Folder with ``config.json``, ``preprocessor_config.json`` and
        ``model.safetensors``, or the id of such a model on the Hugging Face hub, such
        as "microsoft/wavlm-base-plus". It is downloaded when it is first used.

        No file of a model runs code: weights are read from safetensors only, and code
        that comes with a model is not used.

    layer : int, default=-1
        Whose output to use: 0 is the input of the first transformer layer, 1 the output
        of this layer, and -1 that of the last. Without fine-tuning on emotions, layers
        in the middle are often better than the last.

    pooling : {"mean", "mean_std"}, default="mean"
        What describes the vectors of a recording: their mean, or their mean and their
        standard deviation.

    channel : "mix" or int, default="mix"
        "mix" uses the mean of all channels, an integer the channel of this index.

    batch_size : int, default=1
        Number of recordings that the model processes at once. More is faster on a GPU.
        Features do not depend on it, except for rounding. Padding would change the
        features of WavLM, and of models whose first layer normalises over time
        (``"feat_extract_norm": "group"``, such as the base models). With these, only
        recordings of equal length are processed at once.

    device : str or torch.device, default="cpu"
        Device of the model. "auto" is "cuda" where there is a GPU that torch can use,
        otherwise "cpu".

    memory : str or path-like, default=None
        Folder that caches the features of each recording, as in
        :class:`~advser.EGeMAPS`. Features of other weights, settings or versions have
        entries of their own.

    verbose : int, default=0
        Whether to show a progress bar.

    on_error : {"raise", "nan"}, default="raise"
        What to do with a recording that cannot be used: raise an error that names
        it, or return NaN for it, warn once, and list it in `failures_`.

    overload : {"raise", "clip", "normalize"}, default="raise"
        What to do with floats above 1.5 or below -1.5: such a recording cannot be used,
        or its samples are clipped to full scale, or divided by their peak.

    Attributes
    ----------
    failures_ : DataFrame of shape (n_failures, 4)
        The recordings that the latest :meth:`transform` could not use: their `row`
        in `X`, the `file` (missing for a signal), the type of the `error` and the
        `reason`. Only with `on_error="nan"`.

    feature_names : list of str
        ``mean_0``, ``mean_1``, ... and ``std_0``, ``std_1``, ...

    recipe : dict
        Everything that the features depend on: the name of the model, a checksum of its
        weights, the settings, the versions of transformers and audresample.

    See Also
    --------
    advser.EGeMAPS : The same for the features of openSMILE; its Notes list what a
        recording is, and which cannot be used.

    Notes
    -----
    The model stays in memory after :meth:`transform`, until another one is used. It
    needs memory for all frames of a recording at once; pass segments of long ones.

    Embeddings contain the speaker; :func:`advser.evaluation.speaker_leakage` measures
    it. The training data of a model may contain the recordings of your corpus, and
    those of a fine-tuned model also their emotions; then results on them say nothing
    about unseen speakers.

    References
    ----------
    .. [1] A. Baevski, H. Zhou, A. Mohamed, M. Auli, "wav2vec 2.0: A Framework for
       Self-Supervised Learning of Speech Representations", NeurIPS, 2020.
    .. [2] W.-N. Hsu, B. Bolte, Y.-H. H. Tsai, K. Lakhotia, R. Salakhutdinov, A.
       Mohamed, "HuBERT: Self-Supervised Speech Representation Learning by Masked
       Prediction of Hidden Units", IEEE/ACM Transactions on Audio, Speech, and
       Language Processing, 2021.
    .. [3] S. Chen et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full
       Stack Speech Processing", IEEE Journal of Selected Topics in Signal Processing,
       2022.
    """

    _parameter_constraints: dict[str, Any] = {
        **Extractor._parameter_constraints,
        "model": [str, os.PathLike],
        "layer": [INTEGER],
        "pooling": [StrOptions({*STATISTICS})],
        "batch_size": [COUNT],
        "device": "no_validation",  # by check_device
    }

    def __init__(
        self,
        model: str | os.PathLike,
        *,
        layer: int = -1,
        pooling: Literal["mean", "mean_std"] = "mean",
        channel: int | Literal["mix"] = "mix",
        batch_size: int = 1,
        device: Any = "cpu",
        memory: str | os.PathLike | None = None,
        verbose: int = 0,
        on_error: Literal["raise", "nan"] = "raise",
        overload: Literal["raise", "clip", "normalize"] = "raise",
    ) -> None:
        self.model = model
        self.layer = layer
        self.pooling = pooling
        self.channel = channel
        self.batch_size = batch_size
        self.device = device
        self.memory = memory
        self.verbose = verbose
        self.on_error = on_error
        self.overload = overload

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that the features depend on, versions included."""
        network = self._load()
        return {
            "feature_set": "embeddings",
            "model": Path(self.model).name,
            "weights": network.checksum,
            "layer": self._layer(network),
            "pooling": self.pooling,
            "channel": self.channel,
            "sampling_rate": network.extractor.sampling_rate,
            "overload": self.overload,
            "transformers": version("transformers"),
            "audresample": version("audresample"),
            "guards": GUARDS,
        }

    @property
    def feature_names(self) -> list[str]:
        """Names of the features."""
        n_dimensions = self._load().module.config.hidden_size
        return [
            f"{statistic}_{dimension}"
            for statistic in STATISTICS[self.pooling]
            for dimension in range(n_dimensions)
        ]

    def _computer(self) -> Callable:
        network = self._load()
        return partial(_compute, network, self._layer(network), self.pooling)

    def _load(self):
        """Return the network, from memory if it was used last."""
        device, model = str(check_device(self.device)), os.fspath(self.model)
        if os.path.isdir(model):
            model = os.path.abspath(model)
            files = sorted((f.name, f.stat()) for f in os.scandir(model) if f.is_file())
            state = tuple((name, s.st_size, s.st_mtime_ns) for name, s in files)
        elif HUB_ID.fullmatch(model):
            state = ()
        else:
            raise FileNotFoundError(
                f"`model` is {model!r}, which is no folder and no id of the hub, such "
                "as 'microsoft/wavlm-base-plus'."
            )
        return _load(model, state, device)

    def _layer(self, network):
        """Return the index of the layer, counted from the first."""
        n_layers = network.module.config.num_hidden_layers
        if not -n_layers - 1 <= self.layer <= n_layers:
            raise ValueError(
                f"`layer` is {self.layer}, and `model` has {n_layers} layers; pass a "
                f"number from 0 to {n_layers}, or from -1 to {-n_layers - 1}."
            )
        return int(self.layer) % (n_layers + 1)


class _Network(NamedTuple):
    """A pretrained network in memory."""

    module: Any
    extractor: Any  # scales the signals as in the training of the network
    checksum: str


@lru_cache(maxsize=1)
def _load(model: str, state: tuple, device: str) -> _Network:
    """Load a network; `state` is that of the files in its folder."""
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "`AudioEmbedding` needs transformers; `pip install 'advser[embeddings]'`."
        ) from error
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(model, trust_remote_code=False)
        if config.model_type not in TYPES:
            raise ValueError(f"it has the type {config.model_type!r}")
        extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(model)
        module, found = transformers.AutoModel.from_pretrained(
            model,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        if missing := sorted({*found["missing_keys"]} - UNUSED):
            raise ValueError(f"it lacks {len(missing)} weights, such as {missing[0]}")
    except Exception as error:  # whatever a folder holds
        reason = str(error).strip().partition("\n")[0] or repr(error)
        raise ValueError(
            f"`model` is {model!r}, and it cannot be used: {reason.rstrip('.')}. Pass "
            f"a model of the type {', '.join(TYPES)}: its id on the hub, or a folder "
            "with config.json, preprocessor_config.json and model.safetensors."
        ) from error
    finally:
        log.set_verbosity(before[0])
        if before[1]:
            log.enable_progress_bar()
    module = module.float().eval()
    digest = hashlib.sha256()
    for name, values in sorted(module.state_dict().items()):
        if name not in UNUSED:
            digest.update(name.encode() + values.contiguous().numpy().tobytes())
    return _Network(module.to(device), extractor, digest.hexdigest()[:16])


def _compute(
    network: _Network, layer: int, pooling: str, signals: list[tuple[np.ndarray, int]]
) -> list[np.ndarray]:
    """Return the features of each signal: (1, n_features)."""
    import torch

    module, extractor, _ = network
    config = module.config
    inputs, lengths, n_frames = [], [], []
    for signal, rate in signals:
        n, least, step = len(signal), 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            n = (n - kernel) // stride + 1
            least, step = least + (kernel - 1) * step, step * stride
        if n < 1:
            raise ValueError(
                f"lasts {1000 * len(signal) / rate:.1f} ms; `model` needs at least "
                f"{1000 * least / rate:.1f} ms."
            )
        scaled = extractor(signal, sampling_rate=rate, return_tensors="pt")
        inputs.append(scaled["input_values"][0])
        lengths.append(len(signal))
        n_frames.append(n)
    # Frames see the padding if the network normalises over time, or normalises it to
    # what is not 0. The masks of WavLM are of a kind that torch deprecates.
    pads = config.feat_extract_norm == "layer" and config.model_type != "wavlm"
    pads = pads and not getattr(config, "conv_pos_batch_norm", False)
    groups: dict[int | None, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(None if pads else length, []).append(index)
    features = {}
    for indices in groups.values():
        batch = torch.nn.utils.rnn.pad_sequence([inputs[i] for i in indices], True)
        sizes = torch.tensor([lengths[i] for i in indices])[:, None]
        mask = (torch.arange(batch.shape[1]) < sizes).long().to(module.device)
        with torch.inference_mode():
            states = module(
                batch.to(module.device),
                attention_mask=mask if pads else None,
                output_hidden_states=True,
            ).hidden_states[layer]
        for index, frames in zip(indices, states):  # (n_frames, n_dimensions)
            frames = frames[: n_frames[index]]
            parts = [frames.mean(dim=0)]
            if pooling == "mean_std":
                parts.append(frames.std(dim=0, correction=0))
            features[index] = torch.cat(parts)[None].cpu().numpy()
    return [features[index] for index in range(len(signals))]
