"""A byte-level BPE vocabulary and a chat template as GGUF metadata.

llama.cpp does not read the tokenizer's rule for splitting text before merging; it knows such rules
by name. The names below are told by the rule itself; a tokenizer with another one is refused,
since a guessed name would split numbers or spaces differently and nobody would notice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from personalign.errors import ExportError
from personalign.model.export.template import persona_template

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {
    ("ByteLevel",): "gpt-2",
    ("Digits", "ByteLevel"): "smollm",
    (_WORDS + r"\p{N}{1,3}" + _REST,): "llama-bpe",
    (_WORDS + r"\p{N}" + _REST,): "qwen2",
}
"""Steps of the pre-tokenizer (a split by its pattern) -> llama.cpp's name for the rule."""

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Kinds of tokens in a GGUF file."""


def write_vocabulary(
    writer: Any, decoder: Decoder, persona: Persona, rows: int, advice: str
) -> None:
    """Add tokens, merges, special ids and the chat template, with the persona's system prompt.

    rows: of the model's embedding; ids the tokenizer does not use are filled up. advice: what to do
    where the tokenizer is refused. Raises ExportError for any but a byte-level BPE of known rule.
    """
    tokenizer = decoder.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = {} if backend is None else json.loads(backend.to_str())
    name = split_name(rules)
    if name is None:
        raise ExportError(
            f"The tokenizer of {decoder.name} splits text by a rule that has no known name in "
            f"llama.cpp; a GGUF file is written for byte-level BPE split as in "
            f"{', '.join(sorted(_SPLITS.values()))}. {advice}"
        )
    added = tokenizer.added_tokens_decoder
    ids = {index: token for token, index in tokenizer.get_vocab().items()}
    tokens, kinds = [], []
    for index in range(rows):
        if index in added:
            tokens.append(added[index].content)
            kinds.append(CONTROL if added[index].special else USER_DEFINED)
        else:
            tokens.append(ids.get(index, f"[PAD{index}]"))
            kinds.append(NORMAL if index in ids else UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = rules["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    _write_special(writer, decoder)
    writer.add_chat_template(persona_template(decoder.chat, persona.system_prompt))


def split_name(rules: dict[str, Any]) -> str | None:
    """llama.cpp's name for a tokenizer.json's rule of splitting, or None.

    >>> split_name({"model": {"type": "Unigram"}}) is None
    True
    """
    model, before = rules.get("model", {}), rules.get("pre_tokenizer") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        return None
    steps: list[dict[str, Any]] = before.get("pretokenizers", [before])
    last = steps[-1] if steps else {}
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        return None
    found = []
    for step in steps:
        if step["type"] == "Split":
            if step.get("behavior") != "Isolated" or step.get("invert"):
                return None
            found.append(step["pattern"].get("Regex", ""))
        elif step["type"] == "Digits" and not step.get("individual_digits"):
            return None
        elif step is not last or step.get("use_regex"):
            found.append(step["type"])
    name = _SPLITS.get(tuple(found))
    # llama.cpp takes whole words that are tokens unmerged under this name, and under no other
    return name if bool(model.get("ignore_merges")) == (name == "llama-bpe") else None


def _write_special(writer: Any, decoder: Decoder) -> None:
    tokenizer = decoder.tokenizer
    # llama.cpp ends a reply at any of the three; the first is what a model without a chat writes
    ends = sorted(decoder.ends, key=lambda index: index != tokenizer.eos_token_id)
    adds = (writer.add_eos_token_id, writer.add_eot_token_id, writer.add_eom_token_id)
    for add, index in zip(adds, ends, strict=False):
        add(index)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    begun = tokenizer("a")["input_ids"][:1]
    writer.add_add_bos_token(begun == [tokenizer.bos_token_id])
    writer.add_add_eos_token(False)
