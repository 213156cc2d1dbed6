"""A decoder's fingerprint: one hash that is the same for the same model, wherever it lies.

Over the config's essentials, the weights, the tokenizer, the chat template and the quantisation.
Personas, caches and results are stored under it. Models of up to 50 million parameters are hashed
byte by byte; of larger ones every tensor's name, shape, dtype and an even sample of its values.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

WHOLE_PARAMETERS = 50_000_000
"""Up to here all bytes are hashed: about a fifth of a second."""

SAMPLE = 4096
"""Values sampled from each tensor of a larger model."""

_PROBE = "I am someone who worries about things. (A). Very Accurate\n\n12,345 naïve 你好 <|end|>"

_VOLATILE = frozenset(
    """transformers_version dtype torch_dtype architectures use_cache id2label label2id
    return_dict output_attentions output_hidden_states problem_type chunk_size_feed_forward
    quantization_config is_encoder_decoder name_or_path""".split()
)
"""Config fields that do not change what the weights compute, or that are hashed on their own."""


def fingerprint(decoder: Decoder) -> str:
    """Hex sha256 of everything that decides what the decoder computes for given messages."""
    content = hashlib.sha256(b"personalign model 1\n")
    for part in (_config(decoder), _quantisation(decoder), _tokenizer(decoder)):
        content.update(json.dumps(part, sort_keys=True, default=str).encode() + b"\n")
    _weights(decoder.model, content)
    return content.hexdigest()


def _config(decoder: Decoder) -> Any:
    return [type(decoder.model).__name__, _essential(decoder.model.config.to_dict())]


def _essential(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            str(name): _essential(inner)
            for name, inner in value.items()
            if not str(name).startswith("_") and name not in _VOLATILE and inner is not None
        }
    if isinstance(value, list | tuple):
        return [_essential(inner) for inner in value]
    return value


def _quantisation(decoder: Decoder) -> Any:
    config = getattr(decoder.model.config, "quantization_config", None)
    if config is not None and not isinstance(config, dict):
        config = config.to_dict()
    return None if config is None else _essential(config)


def _tokenizer(decoder: Decoder) -> Any:
    tokenizer = decoder.tokenizer
    return [
        sorted(tokenizer.get_vocab().items()),
        tokenizer(_PROBE, add_special_tokens=False)["input_ids"],
        getattr(tokenizer, "chat_template", None),
        sorted(decoder.end_ids),
    ]


def _weights(model: torch.nn.Module, content: Any) -> None:
    tensors = _distinct(model)
    whole = sum(tensor.numel() for tensor in tensors.values()) <= WHOLE_PARAMETERS
    for name in sorted(tensors):
        tensor = tensors[name]
        content.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        if tensor.device.type == "meta":  # kept on disk by accelerate: nothing to read here
            continue
        flat = tensor.reshape(-1)
        if not whole and flat.numel() > SAMPLE:
            flat = flat[:: flat.numel() // SAMPLE]
        content.update(flat.contiguous().cpu().view(torch.uint8).numpy().tobytes())


def _distinct(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Named tensors of the model's state; tied ones once, under their first name."""
    seen: set[tuple[int, torch.Size]] = set()
    tensors = {}
    for name, tensor in sorted(model.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            continue
        key = (tensor.data_ptr(), tensor.shape)
        if tensor.device.type != "meta" and tensor.numel() and key in seen:
            continue
        seen.add(key)
        tensors[name] = tensor.detach()
    return tensors
