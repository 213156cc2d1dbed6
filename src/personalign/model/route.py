"""Whether a decoder may be asked through a shared prefix: tried once, against the plain way.

`shared.py` relies on attention that obeys an additive mask and explicit positions, and on rows
that branch where steering begins. Recurrent layers, position biases and windows do not fit. No
list of families would stay true, so each decoder is tried on two questions, plain and steered.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from personalign.model.full import full_scores
from personalign.model.heads import text_config
from personalign.model.questions import QuestionTokens
from personalign.model.residual import Site, Stream
from personalign.model.shared import shared_scores

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

log = logging.getLogger(__name__)

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
"""How far log-probabilities may differ between the two ways, by dtype."""

HALF_TOLERANCE = 0.25
"""The same in 16 bits, where sums in another order differ in the second decimal."""

TRIAL_PUSH = 0.5
"""How far the trial pushes every head, and the residual stream."""


def can_share(decoder: Decoder, questions: QuestionTokens) -> bool:
    """Whether `shared_scores` gives what `full_scores` gives on this decoder and these questions.

    The trial's verdict is kept for the decoder's lifetime; a failed one is logged as a warning.
    """
    window = attention_window(decoder)
    if window is not None and questions.longest >= window:
        return False
    if decoder not in _VERDICTS:
        _VERDICTS[decoder] = _trial(decoder, questions)
        if not _VERDICTS[decoder]:
            log.warning(
                "%s cannot share the beginning of its questions; every question is read in full, "
                "which gives the same answers more slowly.",
                decoder.name,
            )
    return _VERDICTS[decoder]


def attention_window(decoder: Decoder) -> int | None:
    """The shortest window any layer's attention is limited to, in tokens, or None."""
    config = text_config(decoder.model)
    if getattr(config, "use_sliding_window", True) is False:
        return None
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and set(kinds) == {"full_attention"}:
        return None
    sizes = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((size for size in sizes if isinstance(size, int)), default=None)


_VERDICTS: WeakKeyDictionary[Decoder, bool] = WeakKeyDictionary()


def _trial(decoder: Decoder, questions: QuestionTokens) -> bool:
    few = QuestionTokens(questions.prefix, questions.suffixes[:2], questions.reply)
    labels = [[token] for token in dict.fromkeys(few.suffixes[0])]  # any tokens will do
    last = decoder.heads.layers - 1
    push = torch.zeros(2, decoder.heads.width, device=decoder.device)
    stream = torch.zeros(2, decoder.heads.hidden, device=decoder.device)
    push[1] = stream[1] = TRIAL_PUSH
    plain: dict[Site, torch.Tensor] = {}
    heads: dict[Site, torch.Tensor] = {0: push, last: push}
    residual: dict[Site, torch.Tensor] = {Stream(0): stream, Stream(last): stream, last: push}
    try:
        for displacements, rows, replies in (
            (plain, 1, False),
            (heads, 2, False),
            (residual, 2, False),
            (residual, 2, True),
        ):
            asked = (decoder, few, labels, displacements)
            ours = shared_scores(*asked, rows=rows, generated_only=replies)
            theirs = full_scores(*asked, rows=rows, generated_only=replies)
            tolerance = TOLERANCE.get(decoder.dtype, HALF_TOLERANCE)
            if not torch.allclose(ours, theirs, rtol=0, atol=tolerance, equal_nan=True):
                return False
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        log.debug("The trial of %s ended with %r.", decoder.name, error)
        return False
    return True
