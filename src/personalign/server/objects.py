"""What is answered, for the OpenAPI document: OpenAI's objects and ours."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from personalign.server.refusals import ErrorBody


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Model(_Object):
    """A model that can be named in requests."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(_Object):
    """All of them."""

    object: Literal["list"]
    data: list[Model]


class CachedTokens(_Object):
    cached_tokens: int
    """Tokens of the prompt that had been read before."""


class UsageCount(_Object):
    """What a reply has cost."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


Finish = Literal["stop", "length"]


class AlternativeToken(_Object):
    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(AlternativeToken):
    top_logprobs: list[AlternativeToken]


class ChatLogprobs(_Object):
    content: list[TokenLogprob]
    refusal: None


class AssistantMessage(_Object):
    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(_Object):
    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: Finish


class ChatCompletion(_Object):
    """A chat's next turn."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: UsageCount


class TextLogprobs(_Object):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(_Object):
    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Finish


class Completion(_Object):
    """How a text goes on."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    usage: UsageCount


class PersonaObject(_Object):
    """A persona; never what its person answered."""

    id: str
    object: Literal["personalign.persona"]
    created: int
    model: str
    """The name to ask for it by."""
    method: str | None
    alpha: float
    """How strongly it is pushed where a request does not say."""
    scope: Literal["all", "generated"]
    pushed: bool
    """Whether anything is pushed, for alpha to scale."""
    prompted: bool
    """Whether it brings a system prompt."""
    adapter: bool
    """Whether it brings a trained adapter."""
    key: str
    """Hash of everything that changes the model's behaviour."""


class PersonaList(_Object):
    """Those a key may see."""

    object: Literal["list"]
    data: list[PersonaObject]
    has_more: bool
    """Whether there are more behind the last one; ask again with after=its id."""


class PersonaDeleted(_Object):
    """A persona that is gone."""

    id: str
    object: Literal["personalign.persona"]
    deleted: Literal[True]


class JobObject(_Object):
    """A persona being made."""

    id: str
    object: Literal["personalign.job"]
    created: int
    status: Literal["queued", "running", "done", "failed"]
    progress: float
    """0 to 1."""
    persona: str
    method: str
    error: dict[str, Any] | None


class Health(_Object):
    """Whether the server lives, or takes requests."""

    status: str


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route: the statuses it may refuse with, 408 and 500 beside those given."""
    return {status: {"model": ErrorBody} for status in (*statuses, 408, 500)}
