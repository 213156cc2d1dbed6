"""What statements mean to a model, as vectors: which answers say something about which question.

A decoder's own hidden states of a statement, as it stands in the question, averaged over the
statement's tokens, centred over all statements of the questionnaire (what they share says
nothing) and scaled to unit length. Computed once per model and kept on disk. A model behind an
API shows no hidden states; there it is TF-IDF of the words, which knows only words in common.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from personalign.model.api import ApiModel
from personalign.model.batch import model_inputs
from personalign.model.files import replace_folder
from personalign.model.prompts import Wording
from personalign.model.questions import question_tokens

if TYPE_CHECKING:
    from personalign.inventory.items import Inventory
    from personalign.model.any_model import Model
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

BATCH_ROWS = 64
"""Questions read at once."""

_FILE = "meanings.safetensors"


def similarities(
    model: Model, inventory: Inventory, wording: Wording, *, cache: Path | None = None
) -> NDArray[np.float32]:
    """(items, items) how close in meaning the statements are: cosines, 1 on the diagonal."""
    if isinstance(model, ApiModel):
        return _by_words([item.statement for item in inventory])
    vectors = meanings(model, inventory, wording, cache=cache)
    return np.asarray((vectors @ vectors.T).clamp(-1, 1).numpy(), dtype=np.float32)


def meanings(
    decoder: Decoder,
    inventory: Inventory,
    wording: Wording,
    *,
    layer: int | None = None,
    cache: Path | None = None,
) -> torch.Tensor:
    """(items, hidden) float32 unit vectors, in the inventory's order.

    layer: whose output is read; 0 is the embedding. By default the middle one.
    cache: folder to keep them in; None keeps nothing.
    """
    layer = decoder.heads.layers // 2 if layer is None else layer
    questions = question_tokens(decoder, None, inventory.items, wording)
    begin, end = len(questions.prefix), _common_end(questions.suffixes)
    sequences = [questions.whole(place) for place in range(len(inventory))]
    folder = None if cache is None else cache / "meanings" / _key(decoder, sequences, layer)
    vectors = None if folder is None else _read(folder / _FILE, len(inventory))
    if vectors is None:
        spans = [(begin, len(sequence) - end) for sequence in sequences]
        vectors = _pooled(decoder, sequences, spans, layer)
        if folder is not None:
            try:
                replace_folder(folder, {_FILE: save({"meanings": vectors})}, ours=(_FILE,))
            except OSError as error:
                log.warning("What statements mean is not kept for the next time: %s.", error)
    centred = vectors - vectors.mean(dim=0)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)


@torch.inference_mode()
def _pooled(
    decoder: Decoder,
    sequences: list[tuple[int, ...]],
    spans: list[tuple[int, int]],
    layer: int,
) -> torch.Tensor:
    """(sequences, hidden) float32: the mean of each sequence's span at a layer's output."""
    rows = []
    for start in range(0, len(sequences), BATCH_ROWS):
        inputs = model_inputs(decoder, sequences[start : start + BATCH_ROWS])
        read = decoder.body(**inputs, output_hidden_states=True, use_cache=False)
        for states, (begin, end) in zip(
            read.hidden_states[layer], spans[start : start + BATCH_ROWS], strict=True
        ):
            rows.append(states[begin:end].float().mean(dim=0).cpu())
    return torch.stack(rows)


def _common_end(rows: tuple[tuple[int, ...], ...]) -> int:
    """How many tokens all rows end with, leaving each at least one of its own."""
    limit = min(map(len, rows)) - 1
    shared = 0
    while shared < limit and len({row[-1 - shared] for row in rows}) == 1:
        shared += 1
    return shared


def _by_words(statements: list[str]) -> NDArray[np.float32]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(statements)
    close = (weights @ weights.T).toarray().astype(np.float32)
    np.fill_diagonal(close, 1)
    return np.asarray(close)


def _key(decoder: Decoder, sequences: list[tuple[int, ...]], layer: int) -> str:
    """Hash of the model, of the very tokens it read, and of the layer."""
    content = json.dumps([decoder.fingerprint, sequences, layer])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _read(path: Path, rows: int) -> torch.Tensor | None:
    try:
        vectors = load_file(path)["meanings"]
    except (OSError, SafetensorError, KeyError):
        return None
    whole = vectors.ndim == 2 and len(vectors) == rows and bool(torch.isfinite(vectors).all())
    return vectors if whole else None
