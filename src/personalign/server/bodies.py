"""What may be asked: the bodies of requests, in OpenAI's fields and a few of ours.

A field that would change a reply and that this server cannot honour is refused by name, unless it
says what is the case anyway (`n: 1`, `tools: []`, `frequency_penalty: 0`). Fields that change
nothing (`user`, `metadata`, ...) are taken and ignored. Unknown fields are refused, as OpenAI
does, since a misspelt `temprature` would otherwise go unnoticed. null is the same as absent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from personalign.model.persona import Scope
from personalign.server.store import NAME

MOST_STOPS, MOST_ALTERNATIVES = 4, 20
"""Stop strings of a request, and alternatives a token: OpenAI's limits."""

NAME_PATTERN = f"^{NAME.pattern}$"
"""Names of personas: they are folders on disk and parts of a model's name."""


def _unsupported(reason: str, *neutral: Any) -> Any:
    """A field that may only say what is the case anyway. reason: a sentence for those who ask."""
    allowed = [None, *neutral]

    def check(value: Any) -> None:
        # 0.0 says what 0 says; True is no 1, though Python thinks so
        same = (one for one in allowed if isinstance(one, bool) == isinstance(value, bool))
        if value not in list(same):
            raise PydanticCustomError("unsupported_parameter", "{reason}", {"reason": reason})

    schema = WithJsonSchema({"enum": allowed, "description": reason})
    return Annotated[Any, AfterValidator(check), schema]


def _real_text(text: str) -> str:
    """The text, if it is one: JSON can write half a surrogate pair, which no encoding can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError(
            "text", "it holds half of a surrogate pair, which is no character"
        ) from None
    return text


Text = Annotated[str, AfterValidator(_real_text)]
Ignored = Annotated[Any, WithJsonSchema({"description": "Taken and ignored: it changes nothing."})]

_TOOLS = "Tools and functions are not supported; the model answers in plain text. Leave it out."
_FORMAT = "Only plain text is written; leave response_format out, or give {'type': 'text'}."
_PENALTY = "Penalties are not supported; leave it out, or give 0."
_ONE = "A request gives one reply; leave it out, or give 1, and send several requests."
_ONLY_TEXT = "Only text is read and written; leave it out."


class Body(BaseModel):
    """Shared by all bodies: exact types, no unknown fields, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class PersonaChoice(Body):
    """Which persona replies, spelt out instead of in the model's name."""

    persona: str | None = None
    """Name of a persona; null is the model as it is."""
    alpha: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    """How strongly it is pushed; null is the persona's own strength."""
    scope: Scope | None = None
    """Where it is pushed: 'all' positions or only 'generated' ones; null is the persona's own."""


class StreamOptions(Body):
    """What a stream says besides the reply."""

    include_usage: bool | None = None
    """Whether a last chunk counts the tokens."""
    include_obfuscation: Ignored = None


class _Sampled(Body):
    """What chat and text completions share."""

    model: Text
    """BASE, BASE:PERSONA or BASE:PERSONA@ALPHA; /v1/models lists them."""
    personalign: PersonaChoice | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """0 takes the most probable token; 1, as with OpenAI, is what is meant where it is absent."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    """Ours: sample among so many most probable tokens; 0 is all."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """The same seed gives the same reply; another one is drawn where it is absent."""
    stop: (
        Annotated[Text, Field(min_length=1)]
        | Annotated[list[Annotated[Text, Field(min_length=1)]], Field(max_length=MOST_STOPS)]
        | None
    ) = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: _unsupported(_ONE, 1) = None  # type: ignore[valid-type]
    frequency_penalty: _unsupported(_PENALTY, 0) = None  # type: ignore[valid-type]
    presence_penalty: _unsupported(_PENALTY, 0) = None  # type: ignore[valid-type]
    logit_bias: _unsupported("logit_bias is not supported; leave it out.", {}) = None  # type: ignore[valid-type]
    user: Ignored = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def counts_usage(self) -> bool:
        """Whether a stream ends with a chunk that counts the tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class TextPart(Body):
    """A piece of a message's text."""

    type: Literal["text"]
    text: Text


class ChatMessage(Body):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    """developer is another word for system."""
    content: Text | Annotated[list[TextPart], Field(min_length=1)]
    name: _unsupported("Names of participants are not supported; leave name out.") = None  # type: ignore[valid-type]
    tool_calls: _unsupported(_TOOLS, []) = None  # type: ignore[valid-type]
    function_call: _unsupported(_TOOLS) = None  # type: ignore[valid-type]
    audio: _unsupported(_ONLY_TEXT) = None  # type: ignore[valid-type]
    refusal: Ignored = None
    annotations: Ignored = None

    @property
    def turn(self) -> dict[str, str]:
        """As the tokenizer's template takes it."""
        role = "system" if self.role == "developer" else self.role
        text = self.content
        whole = text if isinstance(text, str) else "".join(part.text for part in text)
        return {"role": role, "content": whole}


class ChatBody(_Sampled):
    """POST /v1/chat/completions"""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """The older name of max_completion_tokens."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    tools: _unsupported(_TOOLS, []) = None  # type: ignore[valid-type]
    tool_choice: _unsupported(_TOOLS, "none") = None  # type: ignore[valid-type]
    functions: _unsupported(_TOOLS, []) = None  # type: ignore[valid-type]
    function_call: _unsupported(_TOOLS, "none") = None  # type: ignore[valid-type]
    response_format: _unsupported(_FORMAT, {"type": "text"}) = None  # type: ignore[valid-type]
    modalities: _unsupported(_ONLY_TEXT, ["text"]) = None  # type: ignore[valid-type]
    audio: _unsupported(_ONLY_TEXT) = None  # type: ignore[valid-type]
    prediction: _unsupported("Predicted outputs are not supported; leave it out.") = None  # type: ignore[valid-type]
    reasoning_effort: _unsupported("The model does not reason first; leave it out.") = None  # type: ignore[valid-type]
    verbosity: _unsupported("verbosity is not supported; leave it out.") = None  # type: ignore[valid-type]
    web_search_options: _unsupported("The model cannot search; leave it out.") = None  # type: ignore[valid-type]
    store: _unsupported("Replies are not stored; leave it out, or give false.", False) = None  # type: ignore[valid-type]
    metadata: Ignored = None
    parallel_tool_calls: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_retention: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None

    @property
    def longest(self) -> int | None:
        """Tokens the reply may have, if that was said."""
        given = self.max_completion_tokens
        return self.max_tokens if given is None else given

    @property
    def alternatives(self) -> int | None:
        """How many alternatives are told for each token, or None for no log-probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None


_Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class CompletionBody(_Sampled):
    """POST /v1/completions"""

    prompt: (
        Text
        | _Ids
        | Annotated[list[Text], Field(min_length=1, max_length=1)]
        | Annotated[list[_Ids], Field(min_length=1, max_length=1)]
    )
    """A text or its token ids; a list may hold one of either."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    best_of: _unsupported(_ONE, 1) = None  # type: ignore[valid-type]
    echo: _unsupported("Prompts are not echoed; leave echo out, or give false.", False) = None  # type: ignore[valid-type]
    suffix: _unsupported("Nothing can be inserted before a suffix; leave it out.") = None  # type: ignore[valid-type]

    @property
    def text_or_ids(self) -> str | list[int]:
        """The one prompt."""
        if isinstance(self.prompt, str):
            return self.prompt
        first: Any = self.prompt[0]
        return self.prompt if isinstance(first, int) else first  # type: ignore[return-value]


Answer = Annotated[int, Field(ge=0, le=5)] | None
"""1 Very Inaccurate ... 5 Very Accurate; 0 or null where missing."""


class Page(BaseModel):
    """GET /v1/personas: which of them."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many at most."""
    after: str = ""
    """The last name of the page before."""


class PersonaBody(Body):
    """POST /v1/personas: make a persona from somebody's answers."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    answers: list[Answer] | dict[Annotated[str, Field(pattern=r"^[0-9]{1,3}$")], Answer]
    """All 120 or 300 in the form's order, or {item number: answer}."""
    inventory: Literal["IPIP-NEO-120", "IPIP-NEO-300"] | None = None
    """Which form the numbers are of, where that is not plain."""
    method: str = "pas"
    """One of the methods this server makes personas with."""
    settings: dict[str, bool | int | float | str] = {}
    """The method's own settings; `personalign methods` describes them."""
    alpha: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    """The persona's strength, instead of the one the method finds."""
    replace: bool = False
    """Whether a persona of this name is replaced."""
