"""A baked model in GGUF, the one file llama.cpp and what is built on it read.

llama.cpp reads the biases of attention and MLP in its `llama` architecture, so a baked
LlamaForCausalLM (also one made of a qwen2 or mistral) goes in whole: weights, biases, vocabulary,
chat template. The weights keep their dtype; llama.cpp's own tool quantises them further.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import ExportError, MissingPackageError
from personalign.model.export.bake import bake
from personalign.model.export.check import Difference, Reference, compare, model_logits
from personalign.model.export.gguf_vocabulary import write_vocabulary
from personalign.model.loading import quiet

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

GGUF_FILE = "model.gguf"

_FILE_TYPES = {torch.float32: "ALL_F32", torch.float16: "MOSTLY_F16", torch.bfloat16: "MOSTLY_BF16"}
_BY_HAND = (
    "Export --format hf and convert that with llama.cpp's convert_hf_to_gguf.py (docs/engines.md)."
)


def write_gguf(decoder: Decoder, persona: Persona, folder: Path) -> tuple[str, Any]:
    """Write model.gguf; returns where the push is, in words, and the baked model's config.

    Raises ExportError as `bake` does, and for a model that is no Llama, scales its positions in a
    way the file cannot say, or has a tokenizer llama.cpp has no name for; MissingPackageError
    without gguf.
    """
    gguf = _package()
    baked = bake(decoder, persona)
    model, config = baked.model, baked.model.config
    if type(model).__name__ != "LlamaForCausalLM" or config.hidden_act != "silu":
        raise ExportError(
            f"A GGUF file is written here for Llama and what can pass as it (llama, qwen2, mistral "
            f"without a sliding window); this is {type(model).__name__}. {_BY_HAND}"
        )
    writer = gguf.GGUFWriter(folder / GGUF_FILE, "llama")
    writer.add_name(Path(decoder.name).name)
    writer.add_file_type(getattr(gguf.LlamaFileType, _FILE_TYPES[decoder.dtype]))
    _write_shape(writer, config)
    write_vocabulary(writer, decoder, persona, config.vocab_size, _BY_HAND)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if ".q_proj." in name:
            tensor = interleaved(tensor, config.num_attention_heads)
        elif ".k_proj." in name:
            tensor = interleaved(tensor, config.num_key_value_heads)
        stem, _, suffix = name.rpartition(".")
        _add(gguf, writer, f"{names.get_name(stem)}.{suffix}", tensor)
    factors = _position_factors(decoder)
    if factors is not None:
        writer.add_tensor("rope_freqs.weight", factors.cpu().float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return baked.holds, config


def check_gguf(decoder: Decoder, config: Any, folder: Path, wanted: Reference) -> Difference:
    """Read the file with transformers' own GGUF reader; ExportError unless it is the persona."""
    from transformers import LlamaForCausalLM

    with quiet():
        model: Any = LlamaForCausalLM.from_pretrained(
            str(folder), gguf_file=GGUF_FILE, config=config, dtype=decoder.dtype
        )
    model = model.to(decoder.device).eval()
    return compare(wanted, lambda ids: model_logits(model, ids), "The GGUF file")


def interleaved(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key projection in llama.cpp's order.

    tensor: (heads * head_dim, ...). Rotary embeddings turn pairs of rows; transformers pairs row i
    with row i + head_dim / 2 of a head, llama.cpp neighbours.

    >>> interleaved(torch.arange(4.0), heads=1)
    tensor([0., 2., 1., 3.])
    """
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def _write_shape(writer: Any, config: Any) -> None:
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _position_factors(decoder: Decoder) -> torch.Tensor | None:
    """(head_dim / 2,) by how much each rotary frequency is divided, None where by nothing.

    Read from the running model, so it holds for whatever rule made them ('linear', 'llama3').
    Raises ExportError for a rule that also scales attention or depends on the length of the text.
    """
    rotary = next(m for m in decoder.model.modules() if hasattr(m, "inv_freq"))
    rule = decoder.model.config.rope_parameters.get("rope_type", "default")
    if rule not in ("default", "linear", "llama3"):
        raise ExportError(
            f"The model scales its positions by the rule {rule!r}, which is not written here; "
            f"'default', 'linear' and 'llama3' are. {_BY_HAND}"
        )
    frequencies = rotary.inv_freq.float()
    count = len(frequencies)
    steps = torch.arange(count, device=frequencies.device, dtype=torch.float32) / count
    plain = decoder.model.config.rope_parameters["rope_theta"] ** -steps
    factors = plain / frequencies
    return None if torch.allclose(factors, torch.ones_like(factors), atol=1e-4) else factors


def _add(gguf: Any, writer: Any, name: str, tensor: torch.Tensor) -> None:
    """Matrices in their own dtype, vectors in float32, as llama.cpp wants them."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor.float().numpy())
    elif tensor.dtype == torch.bfloat16:  # numpy has none: the bytes as they are
        kind = gguf.GGMLQuantizationType.BF16
        writer.add_tensor(name, tensor.view(torch.uint8).numpy(), raw_dtype=kind)
    else:
        writer.add_tensor(name, tensor.numpy())


def _package() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise MissingPackageError("gguf", "export", "Export to GGUF") from error
    return gguf
