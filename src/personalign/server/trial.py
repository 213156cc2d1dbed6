"""Whether rows of different lengths may run in one pass on a decoder: tried once, not assumed.

`ragged.py` relies on attention that obeys an additive mask a row and explicit positions, and on
caches that only keep keys and values. No list of families would stay true, so each decoder reads
two short texts of different lengths both ways before it serves anybody.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from personalign.model.route import HALF_TOLERANCE, TOLERANCE
from personalign.server.ragged import RaggedPool

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

_TEXTS = ((7, 3, 9, 11, 4, 8, 5, 3, 10), (9, 4, 12, 6, 5))
"""Token ids that every vocabulary has; which they are does not matter."""


def runs_ragged(decoder: Decoder) -> bool:
    """Whether a pass over rows of different lengths gives each row what it gets alone."""
    try:
        with torch.inference_mode():
            ours, theirs = _ragged(decoder), _alone(decoder)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
        log.debug("The trial of %s ended with %r.", decoder.name, error)
        fits = False
    else:
        tolerance = TOLERANCE.get(decoder.dtype, HALF_TOLERANCE)
        fits = torch.allclose(ours, theirs, rtol=0, atol=tolerance)
    if not fits:
        log.warning(
            "%s cannot read rows of different lengths in one pass; each request gets passes of its "
            "own, which gives the same replies more slowly.",
            decoder.name,
        )
    return fits


def bytes_a_token(decoder: Decoder) -> int:
    """Bytes of keys and values (or a state's share) that one token of one row takes."""
    ids = torch.tensor([_TEXTS[0]], device=decoder.device)
    with torch.inference_mode():
        cache = decoder.model(input_ids=ids, use_cache=True).past_key_values
    kept = [
        store.nbytes
        for layer in getattr(cache, "layers", ())
        for store in vars(layer).values()
        if isinstance(store, torch.Tensor) and store.ndim > 1
    ]
    return max(sum(kept) // ids.shape[1], 1)


def _ragged(decoder: Decoder) -> torch.Tensor:
    """Log-probabilities (4, vocabulary): after all but two tokens of each text, and after one."""
    pool = RaggedPool(decoder)
    pool.resize(2, max(map(len, _TEXTS)))
    longest = max(map(len, _TEXTS)) - 2
    heads = torch.full((2, longest), decoder.pad_id)
    for row, text in enumerate(_TEXTS):
        heads[row, : len(text) - 2] = torch.tensor(text[:-2])
    counts = [len(text) - 2 for text in _TEXTS]
    first = pool.read([0, 1], heads.to(decoder.device), [0, 0], counts)
    more = torch.tensor([[text[-2]] for text in _TEXTS], device=decoder.device)
    second = pool.read([0, 1], more, counts, [1, 1])
    return torch.cat([first, second]).float().log_softmax(-1)


def _alone(decoder: Decoder) -> torch.Tensor:
    """The same by one plain pass a text."""
    logits = [
        decoder.model(input_ids=torch.tensor([text[:-1]], device=decoder.device)).logits[0, -2:]
        for text in _TEXTS
    ]
    return torch.stack(logits, dim=1).flatten(0, 1).float().log_softmax(-1)
