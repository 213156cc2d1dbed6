"""Answers where every question has a system prompt of its own: rows of people x items.

Questions under the same prompt are asked together where reading the prompt once saves more than
starting passes for it costs; all others are rows of common batches, read in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from personalign.model.answer import BATCH_ROWS, Answers, answer_items, answers_from_scores
from personalign.model.full import full_scores
from personalign.model.memory import tokens_per_pass
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording, chat_messages
from personalign.model.questions import QuestionTokens, check_length, label_tokens
from personalign.model.shared import BUSY_TOKENS, pass_cost

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

Place = tuple[int, int]
"""(person, item)."""


@torch.inference_mode()
def answer_each(
    decoder: Decoder,
    system_prompts: Sequence[Sequence[str | None]],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Ask item j under system_prompts[i][j] for every person i; equal to asking one by one.

    progress: called with (answers done, answers in all).
    """
    items = tuple(items)
    together: dict[str | None, list[Place]] = {}
    for person, row in enumerate(system_prompts):
        for place, prompt in enumerate(row):
            together.setdefault(prompt, []).append((person, place))
    labels = label_tokens(decoder, wording)
    scores = torch.empty(len(system_prompts), len(items), len(labels))
    done, total = 0, len(system_prompts) * len(items)

    def advance(answers: int) -> None:
        nonlocal done
        done += answers
        if progress is not None:
            progress(done, total)

    alone: list[tuple[str | None, Place]] = []
    for prompt, places in together.items():
        columns = sorted({place for _, place in places})
        if not _worth_a_pass(decoder, prompt, len(columns)):
            alone += [(prompt, place) for place in places]
            continue
        asked = [items[column] for column in columns]
        found = answer_items(
            decoder, [Persona(system_prompt=prompt)], asked, wording=wording, batch_rows=batch_rows
        )
        listed = torch.from_numpy(found.label_scores()[0])  # (columns, labels)
        for person, place in places:
            scores[person, place] = listed[columns.index(place)]
        advance(len(places))
    if alone:
        sequences = [
            tuple(decoder.render(chat_messages(prompt, wording.ask(items[place])),
                                 reply=wording.reply_prefix))
            for prompt, (_, place) in alone
        ]  # fmt: skip
        begun = len(decoder.chat.encode(wording.reply_prefix))
        questions = QuestionTokens((), tuple(sequences), begun)
        check_length(decoder, questions)
        busy = BUSY_TOKENS.get(decoder.device.type, tokens_per_pass(decoder))
        at_once = max(1, min(batch_rows, busy // questions.longest))
        found_alone = full_scores(
            decoder, questions, labels, {}, rows=1, batch_rows=at_once, progress=advance
        )[0]
        for row, (_, (person, place)) in zip(found_alone, alone, strict=True):
            scores[person, place] = row
    return answers_from_scores(scores, items, wording, shared=False)


def _worth_a_pass(decoder: Decoder, prompt: str | None, questions: int) -> bool:
    """Whether reading the prompt once saves more tokens than its own two passes cost."""
    if questions < 2:
        return False
    length = len(decoder.chat.encode(prompt or ""))
    return (questions - 1) * length > 2 * pass_cost(decoder)
