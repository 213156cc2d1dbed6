"""What every head puts out at the end of an agreeing and a disagreeing answer: the X of PAS.

Two chats an item, the question answered "Very Accurate" and "Very Inaccurate", read at the last
token of the answer. X does not depend on the person, so it is captured once per model and wording
and kept on disk under both; a kept file that cannot be read is captured anew.
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
from personalign.model.capture import head_outputs
from personalign.model.files import replace_folder
from personalign.model.prompts import Wording, chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

_FILE = "heads.safetensors"


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
    reply = wording.label_of if label_only else wording.reply_to
    sequences = [
        decoder.render(chat_messages(None, wording.ask(item)), reply=reply(response))
        for item in items
        for response in (5, 1)
    ]
    if cache is None:
        return head_outputs(decoder, sequences, progress=progress)
    folder = cache / "heads" / _key(decoder, sequences)
    heads = decoder.heads
    expected = (len(sequences), heads.layers, heads.heads, heads.head_dim)
    kept = _read(folder / _FILE, expected)
    if kept is not None:
        return kept
    outputs = head_outputs(decoder, sequences, progress=progress)
    try:
        replace_folder(folder, {_FILE: save({"outputs": outputs})}, ours=(_FILE,))
    except OSError as error:
        log.warning("What the heads say is not kept for the next time: %s.", error)
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
