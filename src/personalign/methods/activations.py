"""What a model holds at the end of an agreeing and of a disagreeing answer to each item.

Two chats an item, the question answered "Very Accurate" and "Very Inaccurate", read at the last
token of the answer: every head's output, the X of PAS, or the residual stream. Neither depends on
the person, so both are captured once per model and wording and kept on disk under both; a kept file
that cannot be read is captured anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from personalign.dataset.files import CACHE_VARIABLE as CACHE_VARIABLE
from personalign.dataset.files import cache_folder as cache_folder
from personalign.model.capture import head_outputs, stream_outputs
from personalign.model.files import replace_folder
from personalign.model.prompts import Wording, chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)


def contrast_outputs(
    decoder: Decoder,
    items: Sequence[Item],
    wording: Wording,
    *,
    label_only: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Every head's output at the end of both answers to every item.

    label_only: answer with the bare label, as the released code does, not with the whole reply.
    cache: folder to keep outputs in; None keeps nothing. A folder that cannot be written to costs
        a warning, no more.
    progress: called with (chats read, chats in all), unless they are kept already.
    Returns (2 * items, layers, heads, head_dim) float32: row 2i is item i answered "Very
    Accurate", row 2i + 1 the same item answered "Very Inaccurate".
    """
    heads = decoder.heads
    sequences = _chats(decoder, items, wording, wording.label_of if label_only else None)
    shape = (heads.layers, heads.heads, heads.head_dim)

    def read() -> torch.Tensor:
        return head_outputs(decoder, sequences, progress=progress)

    return _kept("heads", decoder, sequences, shape, cache, read)


def contrast_streams(
    decoder: Decoder,
    items: Sequence[Item],
    wording: Wording,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """The residual stream at every layer's input, at the end of both answers to every item.

    Returns (2 * items, layers, hidden) float32; rows and arguments as in `contrast_outputs`.
    """
    sequences = _chats(decoder, items, wording, None)
    shape = (decoder.heads.layers, decoder.heads.hidden)

    def read() -> torch.Tensor:
        return stream_outputs(decoder, sequences, progress=progress)

    return _kept("stream", decoder, sequences, shape, cache, read)


def _chats(
    decoder: Decoder,
    items: Sequence[Item],
    wording: Wording,
    reply: Callable[[int], str] | None,
) -> list[list[int]]:
    """Token ids of both chats of every item. reply: response -> answer; None is the whole reply."""
    said = reply or wording.reply_to
    return [
        decoder.render(chat_messages(None, wording.ask(item)), reply=said(response))
        for item in items
        for response in (5, 1)
    ]


def _kept(
    what: str,
    decoder: Decoder,
    sequences: Sequence[Sequence[int]],
    shape: tuple[int, ...],
    cache: Path | None,
    read: Callable[[], torch.Tensor],
) -> torch.Tensor:
    """What `read` gives, (sequences, *shape), from the cache where it is kept there."""
    if cache is None:
        return read()
    folder, name = cache / what / _key(decoder, sequences), f"{what}.safetensors"
    kept = _read(folder / name, (len(sequences), *shape))
    if kept is not None:
        return kept
    outputs = read()
    try:
        replace_folder(folder, {name: save({"outputs": outputs})}, ours=(name,))
    except OSError as error:
        log.warning("What was read of the model is not kept for the next time: %s.", error)
    return outputs


def _key(decoder: Decoder, sequences: Sequence[Sequence[int]]) -> str:
    """Hash of the model and of the very tokens it read."""
    content = json.dumps([decoder.fingerprint, [list(ids) for ids in sequences]])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _read(path: Path, expected: tuple[int, ...]) -> torch.Tensor | None:
    try:
        outputs = load_file(path)["outputs"]
    except (OSError, SafetensorError, KeyError):
        return None
    whole = tuple(outputs.shape) == expected and bool(torch.isfinite(outputs).all())
    return outputs if whole else None
