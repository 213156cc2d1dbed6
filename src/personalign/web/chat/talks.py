"""Conversations that nobody asked to keep: in this server's memory only, for a few hours."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

from personalign.web.database.base import new_id
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.model.chat import Message

SECONDS = 4 * 3600.0
"""How long a conversation is remembered after its last word."""

OF_ONE, OF_ALL = 20, 5_000
"""Conversations remembered of one person, and of all; the oldest are forgotten first."""

AT_ONCE = 3
"""Questions of one person being answered at once."""


@dataclass(frozen=True)
class Reply:
    """What one speaker said."""

    speaker: str
    """Of speakers.SPEAKERS."""
    text: str
    alpha: float | None = None
    """The strength it was said with; None where there is no push."""
    seed: int | None = None
    """The seed it was drawn with; None for the most probable words."""
    problem: str | None = None
    """Why there is no text: a key of chat.problem."""
    stopped: bool = False
    """Whether the person stopped it; the text is what was said until then."""


@dataclass(frozen=True)
class Round:
    """A question and what each speaker said to it."""

    question: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Choices:
    """What the form was set to, to be set to it again."""

    view: str = "all"
    """Of speakers.VIEWS."""
    alpha: float | None = None
    """None: the strength chosen for the persona."""
    surprise: bool = False
    """Whether words are drawn rather than the most probable ones taken."""


@dataclass
class Talk:
    """One conversation."""

    account_id: str
    pair_id: str
    """The alignment or share whose personas speak; they may be gone."""
    model: str
    rounds: list[Round] = field(default_factory=list)
    kept_id: str | None = None
    """The kept conversation it is, if it is kept."""
    choices: Choices = Choices()
    id: str = field(default_factory=new_id)
    touched: float = 0.0
    keeping: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Of whoever adds a round, or keeps all there are: a round between the two were not kept."""

    def messages(self, speaker: str, question: str) -> list[Message]:
        """The turns as one speaker knows them, and the new question."""
        return messages_of(self.rounds, speaker, question)


def messages_of(rounds: Sequence[Round], speaker: str, question: str) -> list[Message]:
    """The turns of those rounds to which a speaker said something, and the new question.

    >>> one = Round("Hi?", (Reply("base", "Hi."), Reply("mine", "Yo.")))
    >>> [turn["content"] for turn in messages_of([one], "mine", "So?")]
    ['Hi?', 'Yo.', 'So?']
    """
    turns: list[Message] = []
    for round_ in rounds:
        for reply in round_.replies:
            silenced = reply.problem is not None or (reply.stopped and not reply.text)
            if reply.speaker == speaker and not silenced:
                turns.append({"role": "user", "content": round_.question})
                turns.append({"role": "assistant", "content": reply.text})
    return [*turns, {"role": "user", "content": question}]


class Listener:
    """Whoever waits for what is said in a conversation; gone once the conversation is forgotten."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.gone = False


@dataclass(frozen=True)
class Asking:
    """A question that is being answered."""

    account_id: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where the person has heard enough."""
    id: str = field(default_factory=new_id)


class Talks:
    """The conversations of a site that are in memory; used from any thread."""

    def __init__(
        self,
        silence: Callable[[Collection[str]], object] = lambda talks: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """silence: called with ids of conversations that were forgotten, whose replies are to end;
        a request to the engine has its conversation's id as owner."""
        self._silence = silence
        self._clock = clock
        self._lock = threading.Lock()
        self._talks: OrderedDict[str, Talk] = OrderedDict()  # the one longest unused first
        self._asking: dict[str, Asking] = {}
        self._listeners: WeakSet[Listener] = WeakSet()

    def listening(self, talk: Talk) -> Listener:
        """Begin to wait for something of a conversation, one that is remembered or a new one.

        Raises PageRefusal (404) where it was forgotten a moment ago.
        """
        with self._lock:
            if talk.rounds and talk.id not in self._talks:
                raise PageRefusal(404, "talk_gone")
            listener = Listener(talk)
            self._listeners.add(listener)
            return listener

    def put(self, talk: Talk, listener: Listener | None = None) -> None:
        """Remember a conversation as of now.

        Raises PageRefusal (404) where it was forgotten since somebody began to listen: what was to
        be forgotten does not come back.
        """
        with self._lock:
            if listener is not None and listener.gone:
                raise PageRefusal(404, "talk_gone")
            talk.touched = self._clock()
            self._talks[talk.id] = talk
            self._talks.move_to_end(talk.id)
            own = [one.id for one in self._talks.values() if one.account_id == talk.account_id]
            old = [one.id for one in self._talks.values() if self._over(one)]
            for number in {*own[:-OF_ONE], *old, *list(self._talks)[:-OF_ALL]}:
                del self._talks[number]

    def find(self, account_id: str, number: str) -> Talk | None:
        """Somebody's conversation; None where it is forgotten, or not theirs."""
        with self._lock:
            talk = self._talks.get(number)
            gone = talk is None or talk.account_id != account_id or self._over(talk)
            return None if gone else talk

    def newest(self, account_id: str) -> Talk | None:
        """The one somebody spoke in last."""
        with self._lock:
            own = [one for one in self._talks.values() if one.account_id == account_id]
            return next((one for one in reversed(own) if not self._over(one)), None)

    def forget(self, account_id: str) -> None:
        """Drop all of an account, and end what is being said in them."""
        self._drop(lambda talk: talk.account_id == account_id)

    def forget_kept(self, kept_id: str) -> None:
        """Drop what is open of a kept conversation that was deleted, as `forget` does."""
        self._drop(lambda talk: talk.kept_id == kept_id)

    @contextmanager
    def asking(self, account_id: str) -> Iterator[Asking]:
        """One question being answered; PageRefusal (429) where that is one too many."""
        asking = Asking(account_id)
        with self._lock:
            own = [one for one in self._asking.values() if one.account_id == account_id]
            if len(own) >= AT_ONCE:
                raise PageRefusal(429, "asking", retry_after=5)
            self._asking[asking.id] = asking
        try:
            yield asking
        finally:
            with self._lock:
                del self._asking[asking.id]

    def stop(self, account_id: str, number: str) -> bool:
        """End the replies to somebody's question; False where it is not being answered, or not
        theirs. For the thread that the replies are waited for in."""
        with self._lock:
            asking = self._asking.get(number)
        if asking is None or asking.account_id != account_id:
            return False
        asking.stop.set()
        return True

    def _drop(self, unwanted: Callable[[Talk], bool]) -> None:
        with self._lock:
            for number in [n for n, talk in self._talks.items() if unwanted(talk)]:
                del self._talks[number]
            waiting = [one for one in list(self._listeners) if unwanted(one.talk)]
            for one in waiting:
                one.gone = True
        if waiting:
            self._silence({one.talk.id for one in waiting})

    def _over(self, talk: Talk) -> bool:
        return self._clock() - talk.touched > SECONDS
