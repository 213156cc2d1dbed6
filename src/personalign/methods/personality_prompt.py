"""personality-prompt (P^2): a language model describes the person, and that is the system prompt.

The writer reads all answers to the tuning items and rewrites them as a natural description in the
second person that names no answer option, as the paper does with Llama-3-70B-Instruct (Appendix
C.2), after Jiang et al. (2023), Evaluating and Inducing Personality in Pre-trained Language
Models. The writer may be any decoder, any endpoint, or, by default, the model itself; it writes
greedily. What it wrote is kept on disk by writer, instruction and answers.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.errors import MethodError
from personalign.methods.activations import cache_folder
from personalign.methods.base import PersonaMethod, Progress
from personalign.model.persona import Persona
from personalign.model.prompts import OPTIONS, PAPI, Wording
from personalign.model.text_cache import TextCache, content_key

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.model.any_model import Model

WRITER_SYSTEM_PROMPT = "You are a helpful assistant."
"""What the writer itself is told to be (the paper's released code)."""

INSTRUCTION = (
    "Below is how somebody answered a personality questionnaire, one statement after another, each "
    "with how accurately it describes them. Rewrite it as one smooth, natural description of this "
    'person that addresses them as "You". Do not list the statements, and do not use the words '
    "accurate or inaccurate; say what the person is like.\n"
    "{answers}\n\n"
    'The description, beginning with "You":'
)
"""What the writer is asked; it asks for what the paper's does, in our words."""

LONGEST = 1024
"""Tokens of a description at most (the paper's released code)."""

WRITERS_AT_ONCE = 16
"""Descriptions begun together, so that what is written is kept as it comes."""


class PersonalityPrompt(PersonaMethod):
    """Every person as described by a language model, as the model's system prompt."""

    name = "personality-prompt"
    description = "A description that a language model wrote from the answers, as system prompt."
    black_box = True

    def __init__(
        self,
        decoder: Model,
        *,
        wording: Wording = PAPI,
        writer: Model | str | None = None,
        writer_url: str | None = None,
        max_new_tokens: int = LONGEST,
        cache: Path | str | None = "default",
    ) -> None:
        """writer: who describes: a model, or the name of one ('api:NAME' too); `decoder` itself
        when left out. writer_url: the endpoint of a writer 'api:NAME'.
        max_new_tokens: longest description. cache: folder for what was written; None keeps
        nothing, and "default" is the user's cache folder.
        """
        super().__init__(decoder, wording=wording)
        if max_new_tokens < 1:
            raise MethodError(f"max_new_tokens is {max_new_tokens}; it must be at least 1.")
        if writer_url is not None and not str(writer).startswith("api:"):
            raise MethodError(
                f"writer_url is the address of a writer named api:NAME; the writer is {writer!r}."
            )
        self._writer = decoder if writer is None else writer
        self._writer_url = writer_url
        self.max_new_tokens = max_new_tokens
        self._cache = cache

    @cached_property
    def writer(self) -> Model:
        """The model that describes; loaded here where only its name was given."""
        if not isinstance(self._writer, str):
            return self._writer
        from personalign.model.api import PREFIX, ApiModel
        from personalign.model.decoder import Decoder

        if self._writer.startswith(PREFIX):
            return ApiModel(self._writer, self._writer_url, cache=cache_folder() / "api")
        return Decoder.load(self._writer)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "writer": self.writer.name,
            "writer_fingerprint": self.writer.fingerprint,
            "instruction": content_key(WRITER_SYSTEM_PROMPT, INSTRUCTION)[:12],
            "max_new_tokens": self.max_new_tokens,
        }

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One prompt persona a person; the plain one where nothing was answered.

        Raises MethodError where the writer writes nothing.
        """
        inventory = respondents.inventory
        columns = inventory.columns(inventory.tuning)
        asked = [
            self.question(
                [
                    (item.statement, response)
                    for item, response in zip(inventory.tuning, person.tolist(), strict=True)
                    if response
                ]
            )
            for person in respondents.responses[:, columns]
        ]
        written = self._written([question for question in asked if question], progress)
        provenance = self.provenance(inventory)
        return [
            Persona(system_prompt=written[question] if question else None, provenance=provenance)
            for question in asked
        ]

    @staticmethod
    def question(answers: list[tuple[str, int]]) -> str:
        """What the writer is asked about (statement, response) pairs; "" without any."""
        if not answers:
            return ""
        listed = "; ".join(
            f"{statement.rstrip('.')}: {OPTIONS[response]}" for statement, response in answers
        )
        return INSTRUCTION.format(answers=listed)

    def _written(self, questions: list[str], progress: Progress | None) -> dict[str, str]:
        """Question -> description, read from disk where it is there."""
        from personalign.model.any_model import texts_of

        folder = cache_folder() / "written" if self._cache == "default" else self._cache
        cache = TextCache(folder)
        keys = {
            question: content_key(
                self.writer.fingerprint, WRITER_SYSTEM_PROMPT, question, self.max_new_tokens
            )
            for question in questions
        }
        texts: dict[str, str] = {}
        for question, key in keys.items():
            kept = cache.get(key)
            if kept is not None:
                texts[question] = kept["text"]
        waiting = [question for question in keys if question not in texts]
        for start in range(0, len(waiting), WRITERS_AT_ONCE):
            some = waiting[start : start + WRITERS_AT_ONCE]
            replies = texts_of(
                self.writer,
                Persona(system_prompt=WRITER_SYSTEM_PROMPT),
                some,
                max_new_tokens=self.max_new_tokens,
            )
            for question, reply in zip(some, replies, strict=True):
                texts[question] = self._checked(reply)
                cache.put(keys[question], {"text": texts[question], "writer": self.writer.name})
            if progress is not None:
                progress(len(texts), len(keys))
        return texts

    def _checked(self, reply: str) -> str:
        text = reply.strip()
        if not text:
            raise MethodError(
                f"{self.writer.name} wrote nothing about a person, so there is no prompt to use. "
                "Name another writer, or use facet-prompt, which needs none."
            )
        return text
