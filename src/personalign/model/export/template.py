"""The persona's system prompt in the tokenizer's own chat template.

Another engine renders a chat with the template it finds beside the weights and knows nothing of
personas. So the template that is exported does itself what Personalign does before rendering
(`generate.persona_chat`, `chat.py`): the persona's prompt is the system turn; a system turn that
the client sends comes after it; where the model takes no system turn, the text goes in front of the
first user turn; thinking is off unless the client asks for it; no template prints today's date.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from personalign.model.prompts import NEUTRAL_SYSTEM_PROMPT

if TYPE_CHECKING:
    from personalign.model.chat import ChatTemplate

# Set blocks at the top level of a Jinja template outlast the `if` they stand in. A line break after
# a block's end is dropped, so that the template proper begins where it began.
_OPENING = """\
{%- if enable_thinking is not defined %}{% set enable_thinking = false %}{% endif %}
{%- if messages and messages[0]['role'] == 'system' %}
{%- set persona_system = AFTER_OWN ~ messages[0]['content'] %}
{%- set messages = messages[1:] %}
{%- else %}
{%- set persona_system = ALONE %}
{%- endif %}
"""
_AS_TURN = """\
{%- if persona_system %}
{%- set messages = [{'role': 'system', 'content': persona_system}] + messages %}
{%- endif %}
"""
_BEFORE_USER = """\
{%- if persona_system %}
{%- set persona_chat = namespace(turns=[], told=false) %}
{%- for turn in messages %}
{%- if turn['role'] == 'user' and not persona_chat.told %}
{%- set joined = {'role': 'user', 'content': persona_system ~ '\\n\\n' ~ turn['content']} %}
{%- set persona_chat.turns = persona_chat.turns + [joined] %}
{%- set persona_chat.told = true %}
{%- else %}
{%- set persona_chat.turns = persona_chat.turns + [turn] %}
{%- endif %}
{%- endfor %}
{%- set messages = persona_chat.turns %}
{%- endif %}
"""


def persona_template(chat: ChatTemplate, system_prompt: str | None) -> str:
    """A chat template that renders bare messages as Personalign renders them for the persona.

    system_prompt: the persona's; None is the neutral one, unless a chat brings its own.

    >>> from personalign.model.fake import fake_decoder
    >>> decoder = fake_decoder()
    >>> told = told_tokenizer(decoder.tokenizer, persona_template(decoder.chat, "Be brave."))
    >>> told.apply_chat_template([{"role": "user", "content": "Hello."}], tokenize=False)
    '<s><|system|>Be brave.</s><|user|>Hello.</s>'
    """
    alone = NEUTRAL_SYSTEM_PROMPT if system_prompt is None else system_prompt
    after_own = "" if system_prompt is None else f"{system_prompt}\n\n"
    opening = _OPENING.replace("AFTER_OWN", _quoted(after_own)).replace("ALONE", _quoted(alone))
    rest = _AS_TURN if chat.takes_system else _BEFORE_USER
    return opening + rest + chat.template


def told_tokenizer(tokenizer: Any, template: str) -> Any:
    """A copy of the tokenizer with another chat template."""
    told = copy.deepcopy(tokenizer)
    told.chat_template = template
    return told


def _quoted(text: str) -> str:
    r"""A text as a Jinja literal, in the few escapes that llama.cpp's Jinja reads as well.

    >>> print(_quoted('Say "no",\nor {{ yes }}.'))
    "Say \"no\",\nor {{ yes }}."
    """
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\r", r"\r")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
