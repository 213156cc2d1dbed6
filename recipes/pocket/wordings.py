"""The questionnaire's question in many wordings, drawn from a small grammar.

A model that has met one wording answers another by chance. `sample_wording` draws a complete
wording (how the statement is introduced, what is asked, how the options are laid out and ordered,
what the reply looks like); `sample_persona_list` draws a way of listing a person's answers in a
system prompt; `sample_neutral_system_prompt` draws a system prompt that says nothing of a person.
Responses are 1-5, 5 = "Very Accurate". Every random choice comes from the generator passed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np

from recipes.pocket.wordings_phrases import (
    ASK_ACCURATE,
    ASK_ANY,
    ASKS,
    CLOSINGS,
    HEADERS,
    INTROS,
    LABEL_ONLY_CLOSINGS,
    LAYOUTS,
    LEADS,
    LIST_HEADS,
    OTHER_ACCURACY,
    QUOTES,
    SCALE_OPTIONS,
    phrase_list,
)

_T = TypeVar("_T")

STANDARD_OPTIONS = {
    5: "Very Accurate",
    4: "Moderately Accurate",
    3: "Neither Accurate Nor Inaccurate",
    2: "Moderately Inaccurate",
    1: "Very Inaccurate",
}
"""Response to option text, as in the published questionnaire."""


@dataclass(frozen=True)
class WordingDraw:
    """One complete wording of the question; the reply is `prefix + label + rest`."""

    before: str
    """The user's message up to the statement."""
    subject: str
    """How the statement is put: 'plain' (worry), 'first' (I's form), 'capital' (Worry)."""
    after: str
    """The user's message after the statement, with the options."""
    labels: tuple[str, ...]
    """The five labels, top to bottom."""
    order: tuple[int, ...]
    """The five responses, top to bottom."""
    prefix: str
    """The reply's text before the label."""
    rests: tuple[str, ...]
    """The reply's text after the label, for responses 1 to 5."""

    def ask(self, statement: str) -> str:
        """The user's message about a statement as the inventory prints it."""
        return self.before + put_statement(statement, self.subject) + self.after

    def label_of(self, response: int) -> str:
        """The label of a response 1-5."""
        return self.labels[self.order.index(response)]

    def rest_of(self, response: int) -> str:
        """What follows the label in the reply that gives a response 1-5."""
        return self.rests[response - 1]

    def reply(self, response: int) -> str:
        """The assistant's whole reply for a response 1-5."""
        return self.prefix + self.label_of(response) + self.rests[response - 1]


def put_statement(statement: str, subject: str = "plain") -> str:
    """A statement without its final full stop, ready to follow 'I', 'You' or nothing."""
    body = statement[:-1] if statement.endswith(".") else statement
    if body.endswith('."'):
        body = body[:-2] + '"'
    if subject == "capital" or body.startswith(("I ", "I'")):
        return body
    body = body[0].lower() + body[1:]
    if subject == "first" and body.startswith(("interested ", "willing ")):
        return "am " + body
    return body


_CASINGS: tuple[Callable[[str], str], ...] = (str.lower, str.capitalize)
_LABEL_SETS = (tuple("ABCDE"), tuple("abcde"), tuple("12345"))
_TOP_DOWN, _BOTTOM_UP = (5, 4, 3, 2, 1), (1, 2, 3, 4, 5)


class Dice:
    """Fast draws from a block of `size` uniform numbers taken from the generator at once."""

    __slots__ = ("_numbers",)

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._numbers = rng.random(size).tolist()

    def roll(self) -> float:
        return self._numbers.pop()

    def pick(self, values: Sequence[_T]) -> _T:
        return values[int(self._numbers.pop() * len(values))]

    def permuted(self) -> tuple[int, ...]:
        left = list(_TOP_DOWN)
        return tuple(left.pop(int(self._numbers.pop() * len(left))) for _ in _TOP_DOWN)


def sample_wording(rng: np.random.Generator) -> WordingDraw:
    """Draw one complete wording of the question."""
    dice = Dice(rng, 40)
    near = dice.roll() < 0.3  # a near relation of the published wording
    options, asks = _options_and_asks(dice, near)
    labels = _LABEL_SETS[0 if near or (u := dice.roll()) < 0.78 else 1 if u < 0.9 else 2]
    order = _TOP_DOWN if (u := dice.roll()) < 0.4 else _BOTTOM_UP if u < 0.6 else dice.permuted()
    opening, closing, between = LAYOUTS[0] if near and dice.roll() < 0.7 else dice.pick(LAYOUTS)
    listed = between.join(
        [f"{opening}{label}{closing}{options[r]}" for label, r in zip(labels, order, strict=True)]
    )
    header = "Options:" if near and dice.roll() < 0.6 else dice.pick(HEADERS)
    if header:
        listed = header + ("\n" if "\n" in between or dice.roll() < 0.3 else " ") + listed
    letter_only = dice.roll() < 0.12
    ending = ""
    if letter_only:
        noun = "number" if labels[0] == "1" else "letter"
        ending = dice.pick(LABEL_ONLY_CLOSINGS).format(n=noun)
    elif dice.roll() < (0.2 if near else 0.4):
        ending = dice.pick(CLOSINGS)
    message = _assemble(dice, _intro(dice, near), dice.pick(asks), listed, ending, near)
    before, subject, after = _split(message)
    prefix, rests = _reply_format(dice, options, opening, closing, letter_only)
    return WordingDraw(before, subject, after, labels, order, prefix, rests)


def distracted(rng: np.random.Generator, draw: WordingDraw) -> WordingDraw:
    """The same wording with a sentence or clause of chance words before or after the statement.

    A model that has only met sentences of the grammar takes words of any other sentence for the
    statement. Chance words teach that the statement is what is rated, whatever stands around it.
    """
    words = _words()
    said = " ".join(words[int(u * len(words))] for u in rng.random(int(rng.integers(2, 9))))
    roll = rng.random()
    clause = said if roll < 0.3 else f"{_OPENERS[int(rng.random() * len(_OPENERS))]} {said}"
    clause = clause[0].upper() + clause[1:]
    if rng.random() < 0.3:
        return replace(draw, before=f"{clause}. {draw.before}")
    head, gap, tail = draw.after.partition("\n")
    if roll < 0.6 and tail and tail[0].isupper() and gap:  # run on into the sentence that follows
        return replace(draw, after=f"{head}\n{clause}, {tail[0].lower()}{tail[1:]}")
    return replace(draw, after=f"{head}{' ' if head else ''}{clause}.{gap}{tail}")


_OPENERS = ("If", "When", "Suppose", "Imagine", "As", "Since", "Now", "Think of", "Say", "Although")


@cache
def _words() -> tuple[str, ...]:
    """Every lower-case word of the grammar's own phrases."""
    phrases = (*LEADS, *INTROS, *ASK_ACCURATE, *ASK_ANY, *CLOSINGS, *LIST_HEADS)
    text = " ".join((*phrases, *(phrase for asks in ASKS.values() for phrase in asks)))
    return tuple(sorted(set(re.findall(r"\b[a-z]+\b", text))))


def _options_and_asks(dice: Dice, near: bool) -> tuple[dict[int, str], Sequence[str]]:
    roll = dice.roll()
    if near or roll < 0.84:
        options = STANDARD_OPTIONS
        if dice.roll() < 0.15:
            casing = dice.pick(_CASINGS)
            options = {r: casing(text) for r, text in options.items()}
        return options, ASK_ACCURATE if near or dice.roll() < 0.5 else ASK_ANY
    if roll < 0.87:
        return dice.pick(OTHER_ACCURACY), ASK_ACCURATE if dice.roll() < 0.5 else ASK_ANY
    kind = dice.pick(("agree", "true", "like", "any"))
    return dice.pick(SCALE_OPTIONS[kind]), ASKS[kind] if dice.roll() < 0.6 else ASK_ANY


def _intro(dice: Dice, near: bool) -> str:
    if near and dice.roll() < 0.5:
        return LEADS[0] + " " + dice.pick(QUOTES[:5])
    if dice.roll() < 0.6:
        return dice.pick(LEADS) + ("\n" if dice.roll() < 0.15 else " ") + dice.pick(QUOTES)
    return dice.pick(INTROS)


def _assemble(dice: Dice, intro: str, ask: str, listed: str, ending: str, near: bool) -> str:
    """Put the parts in one of several orders; empty parts vanish."""
    parts: tuple[str, ...]
    order = 0.0 if near else dice.roll()
    if order < 0.5:
        parts = (intro, ask, listed, ending)
    elif order < 0.72:
        parts = (ask, intro, listed, ending)
    elif order < 0.82:
        parts = (intro, listed, ask, ending)
    elif order < 0.87:
        parts = (listed, intro, ask, ending)
    elif order < 0.95:
        parts = (f"{intro} {ask}".strip(), listed, ending)
    else:
        parts = (f"{ask} {intro}".strip(), listed, ending)
    gap = "\n" if near or (u := dice.roll()) < 0.75 else "\n\n" if u < 0.88 else " "
    return gap.join([part for part in parts if part])


def _split(message: str) -> tuple[str, str, str]:
    """Cut a message at its one statement slot: before, how to put the statement, after."""
    for slot, subject in (("{s}", "plain"), ("{i}", "first"), ("{S}", "capital")):
        before, found, after = message.partition(slot)
        if found:
            return before, subject, after
    raise AssertionError(f"a wording has no slot for its statement: {message!r}")


def _reply_format(
    dice: Dice, options: dict[int, str], opening: str, closing: str, letter_only: bool
) -> tuple[str, tuple[str, ...]]:
    opening, stop = opening.lstrip("-* "), closing.rstrip()
    if letter_only:
        bracket = opening in ("(", "[") and dice.roll() < 0.5
        return (opening, (")" if opening == "(" else "]",) * 5) if bracket else ("", ("",) * 5)
    roll = dice.roll()
    if roll < 0.8:  # the option's line, as it was printed
        return opening, tuple(closing + options[r] for r in _BOTTOM_UP)
    if roll < 0.88:
        return opening, ((stop if stop in (")", "]", ").") else "",) * 5)
    prefix, end = dice.pick((("Option (", "). "), ("Answer: ", ". "), ("Option ", ": ")))
    return prefix, tuple(end + options[r] for r in _BOTTOM_UP)


NEUTRAL_SYSTEM_PROMPTS: tuple[str, ...] = (
    "You are a helpful, honest and concise assistant.",
    *phrase_list("""You are a helpful assistant.|You are a kind and helpful assistant.
You are an assistant.
You are a friendly assistant.|You are a concise assistant.|You are an honest assistant.
You are a polite assistant who answers briefly.|You are a language model.|You are a chat assistant.
You are a helpful and honest assistant.|Answer the questions.|Please answer every question.
Answer briefly and clearly.|Be brief.|Be helpful, honest and brief.|Follow the instructions.
You will be asked some questions. Answer each of them.|Keep your answers short.|Reply in English.
You answer questions about yourself.|You take part in a survey.|Please answer the survey.
You are filling in a personality questionnaire.|You are answering a questionnaire about yourself.
Answer each question with one of the options.|Choose one option for each statement.
The following is a chat between a user and an assistant.|This is a conversation with an assistant.
You are talking with a user.|You are a person who answers a questionnaire.|You are yourself.
Answer as yourself.|Be yourself.|Speak about yourself in the first person.|Answer in plain words.
You are a careful assistant.|You are a small language model.|You are Pocket, a small language model.
Give honest answers.|Give clear and honest answers.|Please be honest.|Respond to the user.
You help the user with what they ask.|Read each question with care and answer it.
You are a helpful, respectful and honest assistant."""),
)
"""System prompts that say nothing about a person; the first is the product's own."""


def sample_neutral_system_prompt(rng: np.random.Generator) -> str:
    """A neutral system prompt: the product's own 40%, none ('') 15%, another one 45%."""
    roll = float(rng.random())
    if roll < 0.4:
        return NEUTRAL_SYSTEM_PROMPTS[0]
    if roll < 0.55:
        return ""
    return NEUTRAL_SYSTEM_PROMPTS[int(rng.random() * len(NEUTRAL_SYSTEM_PROMPTS))]


PersonaFormatter = Callable[[Sequence[tuple[str, int]]], str]
"""Turns (statement, response 1-5) pairs into a system prompt."""


def default_persona_list(pairs: Sequence[tuple[str, int]]) -> str:
    """The published format: statements with their full stop, a colon, the option; by semicolons."""
    lines = ";".join(f"{statement}:{STANDARD_OPTIONS[r]}" for statement, r in pairs)
    return LIST_HEADS[0] + lines


_LINE_FORMATS: tuple[Callable[[int, str, str], str], ...] = (
    lambda i, s, o: f"{s}:{o}",
    lambda i, s, o: f"{s} {o}",
    lambda i, s, o: f"{s} - {o}",
    lambda i, s, o: f"- {s} {o}",
    lambda i, s, o: f"I {put_statement(s, 'first')} - {o}",
    lambda i, s, o: f"I {put_statement(s, 'first')}: {o}",
    lambda i, s, o: f"- I {put_statement(s, 'first')}: {o.lower()}",
    lambda i, s, o: f"You {put_statement(s)}: {o}",
    lambda i, s, o: f'"You {put_statement(s)}." {o}.',
    lambda i, s, o: f"{i}. {s} {o}",
    lambda i, s, o: f"{i}) I {put_statement(s, 'first')}: {o}",
    lambda i, s, o: f"{put_statement(s, 'capital')} -> {o}",
    lambda i, s, o: f"{put_statement(s, 'capital')}: {o.lower()}",
    lambda i, s, o: f"{put_statement(s, 'capital')} = {o}",
    lambda i, s, o: f"{o}: {put_statement(s)}",
    lambda i, s, o: f'"I {put_statement(s, "first")}" is {o.lower()} for you.',
    lambda i, s, o: f"[{o}] {s}",
    lambda i, s, o: f"Statement: {s} Answer: {o}.",
)


def sample_persona_list(rng: np.random.Generator) -> PersonaFormatter:
    """Draw a format for a person's answers: the published one 60% of the time."""
    dice = Dice(rng, 6)
    if dice.roll() < 0.6:
        return default_persona_list
    line = dice.pick(_LINE_FORMATS)
    head = dice.pick(LIST_HEADS) if dice.roll() < 0.9 else ""
    between = "\n" if dice.roll() < 0.75 else "; "
    first = ("\n" if between == "\n" else " ") if head else ""

    def written(pairs: Sequence[tuple[str, int]]) -> str:
        lines = [line(i, s, STANDARD_OPTIONS[r]) for i, (s, r) in enumerate(pairs, 1)]
        return head + first + between.join(lines)

    return written
