"""A checkpoint in Hugging Face's form: what stock transformers, vLLM, SGLang and TGI load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.errors import ExportError
from personalign.model.decoder import Decoder
from personalign.model.export.bake import Baked, bake
from personalign.model.export.check import CHATS, Difference, Reference, compare, model_logits
from personalign.model.export.template import persona_template, told_tokenizer
from personalign.model.generate import persona_chat
from personalign.model.loading import load_config, load_model, quiet

if TYPE_CHECKING:
    from personalign.model.persona import Persona

SHARD_SIZE = "5GB"
"""Largest safetensors file of a checkpoint."""


def write_hf(
    decoder: Decoder, persona: Persona, folder: Path, *, shard_size: str = SHARD_SIZE
) -> Baked:
    """Write config, sharded safetensors, generation config, tokenizer and chat template.

    The chat template brings the persona's system prompt along (`template.py`). The generation
    config ends a reply where Personalign does. Raises ExportError as `bake` does.
    """
    baked = bake(decoder, persona)
    with quiet():
        baked.model.save_pretrained(folder, max_shard_size=shard_size)
    ending = _generation_config(decoder)
    if ending is not None:
        (folder / "generation_config.json").write_text(ending, "utf-8")
    template = persona_template(decoder.chat, persona.system_prompt)
    told_tokenizer(decoder.tokenizer, template).save_pretrained(folder)
    return baked


def check_hf(decoder: Decoder, persona: Persona, folder: Path, wanted: Reference) -> Difference:
    """Load the checkpoint with stock classes only; ExportError unless it is the persona."""
    check_chats(decoder, persona, folder)
    model = load_model(
        str(folder),
        load_config(str(folder)),
        dtype=decoder.dtype,
        device=decoder.device,
        quantize=None,
    )
    return compare(wanted, lambda ids: model_logits(model, ids), "The checkpoint")


def check_chats(decoder: Decoder, persona: Persona, folder: Path) -> None:
    """Raise ExportError unless the exported tokenizer, as any engine loads it, gives our chats."""
    from transformers import AutoTokenizer

    stock = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for chat in CHATS:
        found = chat_ids(stock, chat)
        expected = decoder.render(persona_chat(persona, list(chat)))
        if found != expected:
            raise ExportError(
                "The exported tokenizer does not write a chat as Personalign does: "
                f"{stock.decode(found)!r} instead of {stock.decode(expected)!r}. "
                "Nothing was written."
            )


def chat_ids(tokenizer: Any, chat: Any) -> list[int]:
    """What an engine makes of the messages a client sends: the token ids of the prompt."""
    return list(
        tokenizer.apply_chat_template(
            list(chat), tokenize=True, add_generation_prompt=True, return_dict=False
        )
    )


def _generation_config(decoder: Decoder) -> str | None:
    """The decoder's generation config as JSON, with every token that ends a turn."""
    import copy

    config = copy.deepcopy(getattr(decoder.model, "generation_config", None))
    if config is None:
        return None
    ends = sorted(decoder.end_ids)
    config.eos_token_id = ends[0] if len(ends) == 1 else ends
    return str(config.to_json_string(use_diff=True))
