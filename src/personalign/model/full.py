"""Scoring items by whole forward passes: every question from its first token, nothing shared.

The plain route, right for every decoder there is, and the yardstick for `shared.py`, which gives
the same numbers in a fraction of the time on models whose attention allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from personalign.model.batch import model_inputs
from personalign.model.memory import tokens_per_pass
from personalign.model.questions import QuestionTokens
from personalign.model.readout import Reads, logits_at
from personalign.model.residual import Site
from personalign.model.steer import steer_heads

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


def full_scores(
    decoder: Decoder,
    questions: QuestionTokens,
    labels: Sequence[Sequence[int]],
    displacements: Mapping[Site, torch.Tensor],
    *,
    rows: int,
    generated_only: bool = False,
    batch_rows: int = 512,
    progress: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Log-probability of every label of every item; arguments and result as `shared_scores`."""
    count = len(questions.suffixes)
    single = all(len(label) == 1 for label in labels)
    # Labels of one token are all read at the same position; others need a sequence each.
    continuations = [labels] if single else [[label] for label in labels]
    work = [
        (row, item, which)
        for row in range(rows)
        for item in range(count)
        for which in range(len(continuations))
    ]
    work.sort(key=lambda entry: len(questions.suffixes[entry[1]]))
    longest = questions.longest + max(map(len, labels))
    at_once = max(1, min(batch_rows, tokens_per_pass(decoder) // longest))
    scores = torch.zeros(rows * count * len(labels))
    for start in range(0, len(work), at_once):
        batch = work[start : start + at_once]
        sequences, begins, reads = [], [], []
        pairs: list[tuple[int, int]] = []  # (row of the batch, position) whose logits are read
        for place, (row, item, which) in enumerate(batch):
            begun = questions.whole(item)
            read = continuations[which]
            sequences.append(begun + tuple(read[0][:-1]))
            begins.append(len(begun) - questions.replying)
            for step in range(len(read[0])):
                for number, label in enumerate(read, start=which):
                    slot = (row * count + item) * len(labels) + number
                    reads.append((len(pairs), label[step], slot))
                pairs.append((place, len(begun) - 1 + step))
        inputs = model_inputs(decoder, sequences, side="right")
        index = torch.tensor([row for row, _, _ in batch], device=decoder.device)
        pushed = {site: pushes[index] for site, pushes in displacements.items()}
        time = torch.arange(inputs["input_ids"].shape[1])
        where = time[None] >= torch.tensor(begins)[:, None] if generated_only else None
        places = torch.tensor(pairs, device=decoder.device)
        with steer_heads(decoder, pushed, positions=where):
            logits = logits_at(decoder, places[:, 0], places[:, 1], use_cache=False, **inputs)
        read_at, token, slots = torch.tensor(reads, device=decoder.device).T
        found = Reads(read_at, token, torch.arange(len(reads), device=decoder.device), len(reads))
        scores.index_add_(0, slots.cpu(), found.scores(logits[None])[0].cpu())
        if progress is not None:
            progress(sum(1 for _, _, which in batch if which == 0))
    return scores.view(rows, count, len(labels))
