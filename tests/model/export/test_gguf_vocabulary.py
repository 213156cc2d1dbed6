"""llama.cpp splits text as the tokenizer does, under the name the export gives its rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from personalign.errors import ExportError
from personalign.model.decoder import Decoder
from personalign.model.export.export import export_persona
from personalign.model.export.gguf_vocabulary import split_name
from personalign.model.fake import fake_decoder, fake_tokenizer
from personalign.model.persona import PLAIN
from tests.model.export.test_engines import llama_cpp

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pattern in the tokenizer.json of Llama 3; Qwen 2's takes digits one by one."""

RULES: dict[str, Any] = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    ),
    "llama-bpe": lambda: _split(LLAMA_3),
    "qwen2": lambda: _split(LLAMA_3.replace("{1,3}", "")),
}
TEXTS = [
    "I can't, I WON'T; they'll see in 2024 or 12345.",
    "  two  spaces\n\n\tand tabs   \r\n end ",
    "naïve Größe 中文字符 😀 e\u0301",
    "x=10*(y+200)/3 -- #tag @you $5.00",
]


def _split(pattern: str) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def decoder_with(rule: str) -> Decoder:
    """A tiny Llama whose tokenizer splits by a rule and has merges that the rule decides about."""
    backend = Tokenizer(models.BPE(ignore_merges=rule == "llama-bpe"))
    backend.pre_tokenizer = RULES[rule]()
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = fake_tokenizer().chat_template
    return Decoder(fake_decoder("llama").model, tokenizer, f"fake {rule}")


@pytest.mark.parametrize("rule", RULES)
def test_llama_cpp_splits_text_as_the_tokenizer(rule: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    decoder = decoder_with(rule)
    assert split_name(json.loads(decoder.tokenizer.backend_tokenizer.to_str())) == rule
    export_persona(decoder, PLAIN, tmp_path / "out", format="gguf-bias")
    ask = llama_cpp(tmp_path / "out" / "model.gguf")
    for text in TEXTS:
        found = ask("/tokenize", {"content": text, "add_special": False})["tokens"]
        assert found == decoder.chat.encode(text), text


def test_the_rules_are_told_apart() -> None:
    """Another rule gives other tokens for these texts, so that a wrong name would show above."""
    cut = {
        rule: [
            [piece for piece, _ in RULES[rule]().pre_tokenize_str(text.replace("\r", ""))]
            for text in TEXTS
        ]
        for rule in RULES
    }
    assert len({json.dumps(pieces) for pieces in cut.values()}) == len(RULES)


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "Metaspace"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        {"model": {"type": "BPE", "byte_fallback": True}},
        {"model": {"type": "BPE", "ignore_merges": True}},
        {"model": {"type": "Unigram"}},
    ],
)
def test_a_rule_without_a_known_name_has_none(change: dict[str, Any]) -> None:
    known = {
        "model": {"type": "BPE"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    }
    assert split_name(known) == "gpt-2"
    assert split_name(known | change) is None


def test_a_sentencepiece_vocabulary_is_refused_with_the_route(
    real_llama: Decoder, tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    with pytest.raises(ExportError, match=r"gpt-2, llama-bpe.*convert_hf_to_gguf"):
        export_persona(real_llama, PLAIN, tmp_path / "out", format="gguf-bias")
    assert not list(tmp_path.iterdir())
