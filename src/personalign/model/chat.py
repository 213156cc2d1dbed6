"""Rendering a chat into token ids, through the tokenizer's own template.

What real tokenizers need beyond `apply_chat_template`: templates that refuse (or silently drop) a
system turn get its text in front of the first user turn; tokenizers without a template get ChatML
if their vocabulary has its markers, and a plain "System: / User: / Assistant:" form otherwise. A
reply the assistant has begun is tokenised by itself and appended. A marker that somebody writes
into a message stays text: nobody can end a turn but the template. Thinking is switched off, and
the date that some templates print is fixed, so that a prompt is the same tomorrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, overload

from personalign.errors import ModelError

Message = dict[str, str]
"""{'role': 'system' | 'user' | 'assistant', 'content': text}"""

CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For tokenizers without a template that have <|im_start|> and <|im_end|>."""

PLAIN_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token or '' }}"
    "{% endif %}{{ '\n\n' }}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For tokenizers with neither: 'System: ...', 'User: ...', 'Assistant: ...', a blank line each."""

_DATE = {
    "%Y": "2025", "%y": "25", "%m": "01", "%B": "January", "%b": "Jan", "%d": "01", "%-d": "1",
    "%A": "Wednesday", "%a": "Wed", "%H": "12", "%I": "12", "%p": "PM", "%M": "00", "%S": "00",
}  # fmt: skip
_FIXED_DATE = (
    "{%- macro strftime_now(format='%Y-%m-%d') -%}{{ format"
    + "".join(f" | replace('{code}', '{text}')" for code, text in _DATE.items())
    + " }}{%- endmacro -%}"
)
"""Put before templates that print today's date, so that they print Wednesday, 1 January 2025."""

_MARK = "personalignmark"


@dataclass(frozen=True)
class ChatTemplate:
    """A tokenizer's chat template and what it can do.

    >>> from personalign.model.fake import fake_tokenizer
    >>> chat = ChatTemplate(fake_tokenizer(chat="none"))
    >>> chat.kind, chat.text([{"role": "user", "content": "Hello."}])
    ('plain', '<s>User: Hello.\\n\\nAssistant:')
    """

    tokenizer: Any
    """A transformers tokenizer."""

    @cached_property
    def kind(self) -> Literal["own", "chatml", "plain"]:
        """Whose template is used: the tokenizer's own, or which of the two stand-ins."""
        if getattr(self.tokenizer, "chat_template", None):
            return "own"
        vocabulary = self.tokenizer.get_vocab()
        if "<|im_start|>" in vocabulary and "<|im_end|>" in vocabulary:
            return "chatml"
        return "plain"

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system turn is accepted and its text comes out."""
        try:
            text = self._apply(
                [
                    {"role": "system", "content": _MARK},
                    {"role": "user", "content": "Hello."},
                ],
                generation=True,
            )
        except ModelError:
            return False
        return _MARK in text

    def text(self, messages: Sequence[Message], *, generation: bool = True) -> str:
        """The chat as text; with `generation`, up to where the assistant's reply begins.

        Raises ModelError when the template refuses the messages for another reason than a system
        turn (most want user and assistant turns to alternate).
        """
        return self._apply(self._accepted(messages), generation=generation)

    @cached_property
    def reply_opening(self) -> str:
        """Text between the generation prompt and a finished reply, e.g. an empty thinking block."""
        head, _ = self._around_reply
        start = self._apply(_HELLO, generation=True)
        return head[len(start) :] if head.startswith(start) else ""

    @cached_property
    def reply_closing(self) -> str:
        """Text that ends an assistant turn, e.g. '<|im_end|>' and a line break."""
        return self._around_reply[1]

    @cached_property
    def _around_reply(self) -> tuple[str, str]:
        text = self._apply([*_HELLO, {"role": "assistant", "content": _MARK}], generation=False)
        head, _, tail = text.rpartition(_MARK)
        return head, tail

    def ids(
        self, messages: Sequence[Message], *, reply: str | None = None, close: bool = False
    ) -> list[int]:
        """Token ids of the chat up to the reply, then of the begun reply, if any.

        reply: text the assistant has begun; tokenised by itself without special tokens, so that
            its ids do not depend on what comes before.
        close: also append what ends the assistant's turn, as the template writes it.
        """
        ids = self._apply(self._accepted(messages), generation=True, tokenize=True)
        if reply is not None or close:
            ids += self.encode(self.reply_opening)
        bos = getattr(self.tokenizer, "bos_token_id", None)
        while bos is not None and ids[:2] == [bos, bos]:
            del ids[0]
        if reply:
            ids += self.encode(reply)
        if close:
            ids += self.encode(self.reply_closing)
        return ids

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; special tokens are added by no one, and read where written."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _accepted(self, messages: Sequence[Message]) -> list[Message]:
        turns = list(messages)
        if turns and turns[0]["role"] == "system" and not self.takes_system:
            turns = _folded(turns)
        return turns

    @cached_property
    def template(self) -> str:
        """The Jinja template that is rendered: the tokenizer's own or a stand-in, dates fixed."""
        if self.kind != "own":
            return CHATML_TEMPLATE if self.kind == "chatml" else PLAIN_TEMPLATE
        template = str(self.tokenizer.get_chat_template())  # the default one, where there are more
        return _FIXED_DATE + template if "strftime_now" in template else template

    @overload
    def _apply(self, messages: Sequence[Message], *, generation: bool) -> str: ...
    @overload
    def _apply(
        self, messages: Sequence[Message], *, generation: bool, tokenize: Literal[True]
    ) -> list[int]: ...
    def _apply(
        self, messages: Sequence[Message], *, generation: bool, tokenize: bool = False
    ) -> str | list[int]:
        try:
            rendered = self.tokenizer.apply_chat_template(
                list(messages),
                chat_template=self.template,
                tokenize=tokenize,
                return_dict=False,
                sanitize_control_tokens=tokenize,
                add_generation_prompt=generation,
                enable_thinking=False,
            )
        except Exception as error:  # a template may raise anything jinja knows
            raise ModelError(
                f"The chat template of the tokenizer refuses these messages: {error}."
            ) from error
        return list(rendered) if tokenize else str(rendered)


_HELLO: list[Message] = [{"role": "user", "content": "Hello."}]


def _folded(turns: list[Message]) -> list[Message]:
    """The system text in front of the first user turn's."""
    system, rest = turns[0]["content"], turns[1:]
    for index, turn in enumerate(rest):
        if turn["role"] == "user":
            joined = {"role": "user", "content": f"{system}\n\n{turn['content']}"}
            return [*rest[:index], joined, *rest[index + 1 :]]
    return [{"role": "user", "content": system}, *rest]
