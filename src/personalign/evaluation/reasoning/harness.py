"""Decoders and reasoning tasks as lm-evaluation-harness knows them.

`PersonaLM` is its `LM` over a decoder and one persona or several; `HarnessTask` is its `Task` over
questions of ours. Either works without the other: any task of the harness runs under a persona, and
our tasks run on any model of the harness.

Importing this module needs lm-eval; nothing else of Personalign does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from personalign.errors import EvaluationError, MissingPackageError
from personalign.model.generate import BATCH_ROWS, MAX_NEW_TOKENS, generate, persona_chat
from personalign.model.likelihood import Reply, reply_likelihoods
from personalign.model.persona import Persona
from personalign.model.questions import context_length

try:
    from lm_eval.api.model import LM
except ImportError as error:
    raise MissingPackageError("lm-eval", "eval", "Measuring how a model reasons") from error

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    from personalign.model.chat import Message
    from personalign.model.decoder import Decoder

AS = " as "
"""Between a task's name and the persona it runs as."""


class PersonaLM(LM):
    """A decoder as one persona, or as several at once.

    A context is a text, put as one user turn, or a chat as `apply_chat_template` writes it. What is
    continued or scored is the assistant's reply: the persona's system prompt, its pushes and its
    adapter all apply. Decoding is greedy.

    With several personas, a request belongs to the one its task's name ends in: "gsm8k as C+1".
    """

    def __init__(
        self,
        decoder: Decoder,
        personas: Persona | Mapping[str, Persona],
        *,
        batch_rows: int = BATCH_ROWS,
        mixed: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """batch_rows: requests at once. mixed: whether different personas may share a batch, which
        fills batches where questions are few; then nobody's seconds can be told. progress: called
        with (requests done, requests) of a call.
        """
        super().__init__()
        self.decoder = decoder
        self.personas = personas
        self.batch_rows = batch_rows
        self.mixed = mixed
        self.progress = progress
        self.seconds: dict[tuple[str | None, int | None], float] = {}
        """(task's name, place) -> seconds of that request, its batch's divided by the rows."""

    @property
    def tokenizer_name(self) -> str:
        """What the chats depend on."""
        return f"{self.decoder.name}-{self.decoder.fingerprint[:12]}".replace("/", "__")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The chat as JSON; the decoder's own template comes later, with the persona.

        add_generation_prompt: False where the chat ends in a reply that is to be continued.
        """
        if not add_generation_prompt and chat_history[-1]["role"] != "assistant":
            raise EvaluationError("A chat without a begun reply needs a generation prompt.")
        return json.dumps(chat_history, ensure_ascii=False)

    def generate_until(self, requests: list[Instance], **_: Any) -> list[str]:
        """The greedy replies, up to `until` and `max_gen_toks` of each request.

        Raises EvaluationError for a request that wants sampling.
        """
        replies: dict[int, str] = {}
        for places in self._batches(requests):
            chats = [read_context(requests[place].args[0]) for place in places]
            until, limit = _settings(requests[places[0]].args[1])
            started = time.perf_counter()
            texts = generate(
                self.decoder,
                [self._persona(requests[place]) for place in places],
                [messages for messages, _ in chats],
                begun=[begun for _, begun in chats],
                until=until,
                max_new_tokens=limit,
                batch_rows=self.batch_rows,
            )
            share = (time.perf_counter() - started) / len(places)
            for place, text in zip(places, texts, strict=True):
                replies[place] = text
                request = requests[place]
                self.cache_hook.add_partial("generate_until", request.args, text)
                if not self.mixed:
                    key = (request.task_name, request.doc_id)
                    self.seconds[key] = self.seconds.get(key, 0.0) + share
            if self.progress is not None:
                self.progress(len(replies), len(requests))
        return [replies[place] for place in range(len(requests))]

    def loglikelihood(self, requests: list[Instance], **_: Any) -> list[tuple[float, bool]]:
        """(log-probability, whether greedy decoding says it) of each continuation as the reply."""
        asked = []
        for request in requests:
            context, continuation = request.args
            messages, begun = read_context(context)
            asked.append(Reply(self._persona(request), messages, continuation, begun))
        found = [
            (one.log_prob, one.greedy)
            for one in reply_likelihoods(
                self.decoder, asked, batch_rows=self.batch_rows, progress=self.progress
            )
        ]
        for request, result in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood", request.args, result)
        return found

    def loglikelihood_rolling(self, requests: list[Instance], **_: Any) -> list[float]:
        """Log-probability of each text as the reply to an empty turn.

        A text longer than the model's context is said in pieces, each after the same empty turn.
        """
        asked, owner = [], []
        for number, request in enumerate(requests):
            for piece in self._pieces(self._persona(request), request.args[0]):
                asked.append(Reply(self._persona(request), "", piece))
                owner.append(number)
        found = reply_likelihoods(
            self.decoder, asked, batch_rows=self.batch_rows, progress=self.progress
        )
        sums = [0.0] * len(requests)
        for number, one in zip(owner, found, strict=True):
            sums[number] += one.log_prob
        return sums

    def _pieces(self, persona: Persona, text: str) -> Iterator[str]:
        """The text in pieces that fit the context after the persona's prompt."""
        context = context_length(self.decoder)
        room = len(text) if context is None else context
        if context is not None:
            room -= len(self.decoder.render(persona_chat(persona, ""))) + 1
        encoding = self.decoder.chat.encode
        while text:
            end = len(text)
            while len(encoding(text[:end])) > room and end > 1:
                end = max(1, end * room // len(encoding(text[:end])))
            yield text[:end]
            text = text[end:]

    def _persona(self, request: Instance) -> Persona:
        if isinstance(self.personas, Persona):
            return self.personas
        name = str(request.task_name).partition(AS)[2]
        if name not in self.personas:
            raise EvaluationError(
                f"The task {request.task_name!r} names no persona; its name ends in '{AS}NAME', "
                f"and the personas are {', '.join(self.personas)}."
            )
        return self.personas[name]

    def _batches(self, requests: Sequence[Instance]) -> Iterator[list[int]]:
        """Places of requests that are answered together, similar lengths together.

        Unless mixed, a batch is of one task and one persona, so that its seconds are theirs. Tasks
        and personas take turns, and who begins changes, so that a machine that slows down or warms
        up does so for all of them.
        """
        groups: dict[str, list[int]] = {}
        for place in sorted(range(len(requests)), key=lambda place: len(requests[place].args[0])):
            request = requests[place]
            who = "" if self.mixed else request.task_name
            groups.setdefault(f"{who} {_settings(request.args[1])}", []).append(place)
        rows = self.batch_rows
        queues = [
            [places[start : start + rows] for start in range(0, len(places), rows)]
            for places in groups.values()
        ]
        for turn in range(max(map(len, queues), default=0)):
            first = turn % len(queues)
            for queue in [*queues[first:], *queues[:first]]:
                if turn < len(queue):
                    yield queue[turn]


def read_context(context: str) -> tuple[list[Message], str]:
    """The chat of a context, and the reply that is begun in it.

    >>> read_context("Q: Why?")
    ([{'role': 'user', 'content': 'Q: Why?'}], '')
    """
    chat = [{"role": "user", "content": context}]
    if context.startswith('[{"role":'):
        chat = cast("list[dict[str, str]]", json.loads(context))
    if chat[-1]["role"] != "assistant":
        return chat, ""
    return chat[:-1], chat[-1]["content"]


def _settings(given: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """(texts that end a reply, most tokens) of a request's generation arguments."""
    if given.get("do_sample") or (given.get("temperature") or 0) > 0:
        raise EvaluationError(
            f"A task wants its replies sampled ({dict(given)}); under a persona decoding is "
            "greedy. Set do_sample to false."
        )
    until = given.get("until") or ()
    texts = (until,) if isinstance(until, str) else tuple(until)
    return tuple(text for text in texts if text), int(given.get("max_gen_toks") or MAX_NEW_TOKENS)
