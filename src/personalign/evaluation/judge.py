"""A judge behind an API: the paper's criterion put to any OpenAI-compatible model.

Every text ends with a `Verdict`: a level 1-6, or none and the reason. A reply without a readable
choice is asked for again, in other words and so never answered by the kept reply that could not be
read, at most `tries` times. What is the same question is judged once, however many methods wrote
the text, and a verdict that is known is not asked for again: in memory here, on disk by `ApiModel`.

A judge is anything with a `name` and `score(texts) -> verdicts`; `likelihood.py` has one that needs
no network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypedDict, TypeVar, final

from personalign.errors import ApiError, EvaluationError
from personalign.evaluation.criterion import AGAIN, criterion_question, read_score
from personalign.model.api import ApiModel

TRIES = 3
"""How often a text is put to the judge before it counts as unreadable."""

REPLY_TOKENS = 1024
"""Longest reply of a judge, in tokens: reasoning, then the choice."""

GIVE_UP_AFTER = 8
"""Questions in a row the endpoint fails at before no more are put to it."""

Progress = Callable[[int, int], None]
"""Called with (different questions settled, different questions)."""

T = TypeVar("T")


class Verdict(TypedDict):
    """One raw row: what a judge says of one text."""

    person: str
    """The person's id, as in the text's row."""
    item: int
    """The statement's number."""
    method: str
    """Whose persona wrote the text."""
    judge: str
    """Who judged: "api:gpt-4o", "likelihood of the answer under ..."."""
    score: int | None
    """The level, 1-6; None where there is no verdict."""
    reason: str | None
    """Why there is none; None where there is one."""
    requests: int
    """Questions put for it, those answered from disk included; 0 where an equal text of the same
    call, or of one before, was judged already, and for a judge that is no API."""
    likelihood: float | None
    """Probability of the person's own answer given the text; None but from `LikelihoodJudge`."""


class Judge(Protocol):
    """Whoever gives texts a level."""

    @property
    def name(self) -> str:
        """What the judge is called in rows and tables."""

    def score(
        self, texts: Sequence[Mapping[str, Any]], *, progress: Progress | None = None
    ) -> list[Verdict]:
        """One verdict a text, in their order. texts: rows of `open_ended.WrittenText`."""


@dataclass(frozen=True)
class Settled(Generic[T]):
    """How a question to an API judge ended."""

    value: T | None
    """What was read, or None."""
    reason: str | None
    """Why nothing was."""
    requests: int
    """Questions put, those answered from disk included."""


@final
class ApiJudge:
    """The paper's judge: reasoning, then a level, from a model behind an API.

    >>> ApiJudge(ApiModel("gpt-4o")).name
    'api:gpt-4o'
    """

    def __init__(
        self, model: ApiModel, *, tries: int = TRIES, max_new_tokens: int = REPLY_TOKENS
    ) -> None:
        """No request goes out yet.

        model: with a cache folder, verdicts outlive the process. Its `concurrency` is how many
            questions are under way at once.
        tries: how often one question is put where the reply holds no choice.
        max_new_tokens: longest reply.
        Raises EvaluationError for tries or tokens below 1.
        """
        if tries < 1 or max_new_tokens < 1:
            raise EvaluationError(
                f"A judge was given {tries} tries and {max_new_tokens} tokens; each is at least 1."
            )
        self.model = model
        self.tries = tries
        self.max_new_tokens = max_new_tokens
        self._known: dict[str, Settled[Any]] = {}  # question -> how it ended, if not by an ApiError

    @property
    def name(self) -> str:
        """The model's name, as in 'api:gpt-4o'."""
        return self.model.name

    def score(
        self, texts: Sequence[Mapping[str, Any]], *, progress: Progress | None = None
    ) -> list[Verdict]:
        """One verdict a text, in their order; never an ApiError, but its sentence as the reason."""
        questions = [
            criterion_question(text["statement"], text["target"], text["text"]) for text in texts
        ]
        settled = self.settle(questions, read_score, progress=progress)
        return [
            Verdict(
                person=text["person"],
                item=text["item"],
                method=text["method"],
                judge=self.name,
                score=one.value,
                reason=one.reason,
                requests=one.requests,
                likelihood=None,
            )
            for text, one in zip(texts, settled, strict=True)
        ]

    def settle(
        self,
        questions: Sequence[str],
        read: Callable[[str], T | None],
        *,
        progress: Progress | None = None,
    ) -> list[Settled[T]]:
        """How each question ended, in their order; equal ones are put once.

        read: the choice in a reply, or None. Where the endpoint fails at `GIVE_UP_AFTER` questions
        in a row, the others are not put, and say so; they may be asked for again later.
        """
        waiting = [question for question in dict.fromkeys(questions) if question not in self._known]
        total = len(waiting)
        fresh: dict[str, Settled[T]] = {}
        line = _Line()
        stop = threading.Event()
        if waiting:
            with ThreadPoolExecutor(min(self.model.concurrency, total)) as pool:
                futures: dict[Future[Settled[T]], str] = {
                    pool.submit(self._put, question, read, line, stop): question
                    for question in waiting
                }
                try:
                    for done, future in enumerate(as_completed(futures), 1):
                        fresh[futures[future]] = future.result()
                        if progress is not None:
                            progress(done, total)
                finally:  # also where `progress` raises: nothing more is begun
                    stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        found: list[Settled[T]] = []
        counted: set[str] = set()
        for question in questions:
            one = fresh[question] if question in fresh else self._known[question]
            if question not in fresh or question in counted:
                one = Settled(one.value, one.reason, 0)
            counted.add(question)
            found.append(one)
        return found

    def _put(
        self, question: str, read: Callable[[str], T | None], line: _Line, stop: threading.Event
    ) -> Settled[T]:
        """Put one question until its reply can be read, the tries run out or the endpoint fails."""
        reason = ""
        for attempt in range(1, self.tries + 1):
            if line.dead is not None:
                told = f"not asked: the judge failed {GIVE_UP_AFTER} times in a row. {line.dead}"
                return Settled(None, told, attempt - 1)
            asked = question if attempt == 1 else question + AGAIN.format(attempt=attempt)
            try:
                reply = self.model.reply(
                    [{"role": "user", "content": asked}],
                    max_new_tokens=self.max_new_tokens,
                    stop=stop,
                )
            except ApiError as error:
                line.failed(str(error))
                return Settled(None, str(error), attempt)
            line.answered()
            cut = reply.finish == "length"
            value = None if cut else read(reply.text)
            if value is not None:
                self._known[question] = settled = Settled(value, None, attempt)
                return settled
            reason = _unreadable(reply.text, cut, self.max_new_tokens, attempt)
        self._known[question] = settled = Settled(None, reason, self.tries)
        return settled


class _Line:
    """Whether the endpoint still answers, as all threads see it."""

    def __init__(self) -> None:
        self.dead: str | None = None
        """What it said last, once it failed too often in a row."""
        self._failures = 0
        self._lock = threading.Lock()

    def answered(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self, said: str) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= GIVE_UP_AFTER:
                self.dead = said


def _unreadable(text: str, cut: bool, limit: int, attempts: int) -> str:
    end = " ".join(text.split())[-80:]
    why = f"cut off after {limit} tokens" if cut else "without a choice alone on its last line"
    tries = "1 try" if attempts == 1 else f"{attempts} tries"
    return f"unreadable after {tries}: the last reply was {why}; it ended {end!r}"
