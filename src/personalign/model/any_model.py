"""Asking a model without asking which kind it is: a decoder in memory, or one behind an API.

A decoder is read by the probabilities of the five labels. An API gives text, so there the paper's
way is the only one: greedy, at most 15 tokens, parsed by `parse.py`; what cannot be parsed is
counted, and is 0 among the responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from personalign.errors import PersonaError
from personalign.model.answer import Answers, answer_items, parsed_answers
from personalign.model.answer_each import answer_each
from personalign.model.api import ApiModel
from personalign.model.decoder import Decoder
from personalign.model.generate import MAX_NEW_TOKENS, generate, paired, persona_chat, stream
from personalign.model.parse import Parser, parse_reply
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording, chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.chat import Message

Model = Decoder | ApiModel
"""Whatever can answer."""

ANSWER_TOKENS = 15
"""Longest answer to an item, in tokens (the paper's Appendix C.2)."""

Progress = Callable[[int, int], None]


def answers_of(
    model: Model,
    personas: Sequence[Persona],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    progress: Progress | None = None,
) -> Answers:
    """Every persona's answer to every item, in the way the model allows.

    Raises PersonaError for personas that push heads or bring an adapter, at an API.
    """
    if isinstance(model, ApiModel):
        return answer_items_by_api(model, personas, items, wording=wording, progress=progress)
    return answer_items(model, personas, items, wording=wording, progress=progress)


def answer_items_by_api(
    model: ApiModel,
    personas: Sequence[Persona],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    max_new_tokens: int = ANSWER_TOKENS,
    parser: Parser = parse_reply,
    progress: Progress | None = None,
) -> Answers:
    """As `answer_items_by_text`, of a model behind an API."""
    chats = [api_chat(model, persona, wording.ask(item)) for persona in personas for item in items]
    said = model.replies(chats, max_new_tokens=max_new_tokens, progress=progress)
    rows = [said[i * len(items) : (i + 1) * len(items)] for i in range(len(personas))]
    return parsed_answers(rows, items, wording, parser)


def answers_of_each(
    model: Model,
    system_prompts: Sequence[Sequence[str | None]],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    progress: Progress | None = None,
) -> Answers:
    """Item j asked under system_prompts[i][j], for every person i, in the way the model allows."""
    if not isinstance(model, ApiModel):
        return answer_each(model, system_prompts, items, wording=wording, progress=progress)
    chats = [
        chat_messages(prompt, wording.ask(item))
        for row in system_prompts
        for prompt, item in zip(row, items, strict=True)
    ]
    said = model.replies(chats, max_new_tokens=ANSWER_TOKENS, progress=progress)
    rows = [said[i * len(items) : (i + 1) * len(items)] for i in range(len(system_prompts))]
    return parsed_answers(rows, items, wording)


def texts_of(
    model: Model,
    personas: Persona | Sequence[Persona],
    messages: str | Sequence[Message] | Sequence[str | Sequence[Message]],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = 0.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[str]:
    """The replies of any model, as the personas; arguments as for `generate`."""
    settings: dict[str, Any] = {
        "max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed
    }  # fmt: skip
    if not isinstance(model, ApiModel):
        return generate(model, personas, messages, progress=progress, **settings)
    people, chats = paired(personas, messages)
    asked = [api_chat(model, persona, chat) for persona, chat in zip(people, chats, strict=True)]
    return model.replies(asked, progress=progress, **settings)


def pieces_of(
    model: Model,
    persona: Persona,
    messages: str | Sequence[Message],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[str]:
    """The reply of any model in pieces, as it is written; arguments as for `stream`."""
    settings: dict[str, Any] = {
        "max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed
    }  # fmt: skip
    if not isinstance(model, ApiModel):
        return stream(model, persona, messages, **settings)
    return model.stream(api_chat(model, persona, messages), **settings)


def api_chat(model: ApiModel, persona: Persona, messages: str | Sequence[Message]) -> list[Message]:
    """The chat as the persona; PersonaError where the persona is more than a prompt."""
    if persona.steering_key or persona.adapter is not None:
        raise PersonaError(
            f"The persona changes what happens inside a model, and {model.name} is behind an API, "
            "where only its prompt would arrive. Use it with the model it was made on."
        )
    return persona_chat(persona, messages)
