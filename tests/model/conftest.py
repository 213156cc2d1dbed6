"""What the model tests share: tiny decoders, a shift that fits, the real Llama."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.model.batch import model_inputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.shift import Shift

CHATS = [
    [
        {"role": "system", "content": "You are a helpful, honest and concise assistant."},
        {"role": "user", "content": "Do you worry about things?"},
    ],
    [{"role": "user", "content": "Do you trust others?"}],
    [
        {"role": "user", "content": "Do you love large parties?"},
        {"role": "assistant", "content": "Very."},
        {"role": "user", "content": "Why?"},
    ],
]
"""Three chats of different lengths."""


@pytest.fixture(scope="session")
def llama() -> Decoder:
    """A two-layer random Llama; nobody may change it."""
    return fake_decoder("llama")


@pytest.fixture
def chats() -> list[list[dict[str, str]]]:
    return CHATS


def sequences_of(decoder: Decoder) -> list[list[int]]:
    """Token ids of the three chats, each with a begun reply."""
    return [decoder.render(chat, reply="(") for chat in CHATS]


def some_shift(decoder: Decoder, k: int = 3, seed: int = 0, sigma: float = 1.0) -> Shift:
    """A random shift of k heads, in the first and the last layer at least."""
    random = np.random.default_rng(seed)
    heads = decoder.heads
    flat = random.permutation(heads.total)
    flat = np.concatenate([[0, heads.total - 1], flat[(flat != 0) & (flat != heads.total - 1)]])[:k]
    directions = random.normal(size=(k, heads.head_dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Shift(flat // heads.heads, flat % heads.heads, directions, np.full(k, sigma))


def last_logits(
    decoder: Decoder, sequences: Sequence[Sequence[int]], side: Any = "right"
) -> torch.Tensor:
    """Logits at each sequence's last token, (sequences, vocabulary) float32."""
    with torch.inference_mode():
        logits = decoder.model(**model_inputs(decoder, sequences, side=side)).logits.float()
    if side == "left":
        return logits[:, -1]
    return logits[torch.arange(len(sequences)), torch.tensor([len(s) - 1 for s in sequences])]


def llama2c_tokenizer(path: Path) -> Any:
    """A transformers tokenizer of a llama2.c tokenizer file.

    The file: an int32, the longest piece; then for each piece a float32 score, an int32 length and
    its bytes. Merges are the pairs of pieces that make a piece, the best score first.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    data = path.read_bytes()
    pieces: list[tuple[str, float]] = []
    at = 4
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        text = data[at + 8 : at + 8 + length].decode()
        pieces.append((text.strip("\n") if text.startswith("\n<") else text, score))
        at += 8 + length
    names = [text.replace(" ", "▁") for text, _ in pieces]
    names[0], names[1], names[2] = "<unk>", "<s>", "</s>"
    vocabulary = {name: index for index, name in reversed(list(enumerate(names)))}
    merges = []
    for index in sorted(range(259, len(pieces)), key=lambda i: -pieces[i][1]):
        name = names[index]
        for cut in range(1, len(name)):
            if name[:cut] in vocabulary and name[cut:] in vocabulary:
                merges.append((name[:cut], name[cut:]))
    backend = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture(scope="session")
def real_llama(released: Path) -> Decoder:
    """A checkpoint that nobody here trained: 260k parameters, 5 layers, 8 heads, 4 of keys."""
    folder = released / "real_llama"
    return Decoder.load(folder, tokenizer=llama2c_tokenizer(folder / "tok512.bin"), device="cpu")
