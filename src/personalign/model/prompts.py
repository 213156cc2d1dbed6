"""From an item to the words a model reads: question wordings, option texts, persona prompts.

A `Wording` is one complete way of putting an item to a model: the question, how the five options
are listed under their labels, and how a reply looks. Everything here is plain text; turning text
into tokens is the decoder's work. The default, `PAPI`, is the question of "Personality Alignment
of Large Language Models" (its Appendix on prompts and its released code). `REWORDED` and
`SHUFFLED` ask the same thing in other words and in another order of options, so that a score can
be checked against the way of asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from personalign.errors import MethodError

if TYPE_CHECKING:
    from personalign.inventory.items import Item

OPTIONS: dict[int, str] = {
    5: "Very Accurate",
    4: "Moderately Accurate",
    3: "Neither Accurate Nor Inaccurate",
    2: "Moderately Inaccurate",
    1: "Very Inaccurate",
}
"""The text of each response, 5 first, as the IPIP-NEO prints them."""

NEUTRAL_SYSTEM_PROMPT = "You are a helpful, honest and concise assistant."
"""The system prompt of a persona that brings none of its own."""

FEW_SHOT_OPENING = "Here are some of your behaviors and your level of recognition towards them;"
"""How the paper's few-shot prompt begins."""


@dataclass(frozen=True)
class Wording:
    """One way of asking an item: the question, the listed options, and the form of a reply.

    >>> print(REWORDED.ask_statement("Worry about things."))
    Someone wrote about themselves: "Worry about things."
    If those were your own words, how true would they be? Pick one.
    [A] Very Accurate
    [B] Moderately Accurate
    [C] Neither Accurate Nor Inaccurate
    [D] Moderately Inaccurate
    [E] Very Inaccurate
    >>> PAPI.reply_to(5)
    '(A). Very Accurate'
    """

    name: str
    """What the wording is called in tables and settings."""
    question: str
    """Template with {options} and either {statement} (first letter lower-cased) or {Statement} (as
    printed); both come without the final full stop."""
    labels: tuple[str, ...] = ("A", "B", "C", "D", "E")
    """The five labels, top to bottom."""
    order: tuple[int, ...] = (5, 4, 3, 2, 1)
    """The response behind each label, top to bottom."""
    option_line: str = "({label}). {option}"
    """One line of the list of options."""
    reply_prefix: str = "("
    """What the assistant has already said when the label's probability is read."""
    reply: str = "({label}). {option}"
    """A whole reply."""

    def __post_init__(self) -> None:
        if sorted(self.order) != [1, 2, 3, 4, 5]:
            raise MethodError(
                f"The order {self.order} of wording {self.name!r} does not hold each of the "
                "responses 1-5 exactly once; give them from the top option to the bottom one."
            )
        if len(self.labels) != 5 or len(set(self.labels)) != 5 or not all(self.labels):
            raise MethodError(
                f"The labels {self.labels} of wording {self.name!r} are not five different "
                "non-empty texts; give one for each option, for example A, B, C, D, E."
            )
        if "{options}" not in self.question or "{statement}" not in self.question.lower():
            raise MethodError(
                f"The question of wording {self.name!r} must contain {{options}} and one of "
                f"{{statement}} or {{Statement}}; it is {self.question!r}."
            )
        if not self.reply.startswith(self.reply_prefix + "{label}"):
            raise MethodError(
                f"The reply {self.reply!r} of wording {self.name!r} must begin with its prefix "
                f"{self.reply_prefix!r} followed by {{label}}, where the label is read."
            )

    @property
    def options(self) -> str:
        """The list of options, one a line, top to bottom."""
        return "\n".join(
            self.option_line.format(label=label, option=OPTIONS[response])
            for label, response in zip(self.labels, self.order, strict=True)
        )

    def ask(self, item: Item) -> str:
        """The whole question about `item`: what the user says."""
        return self.ask_statement(item.statement)

    def ask_statement(self, statement: str) -> str:
        """The whole question about a statement as the inventory prints it, full stop included."""
        bare = without_full_stop(statement)
        return self.question.format(
            statement=lower_first(bare), Statement=bare, options=self.options
        )

    def reply_to(self, response: int) -> str:
        """The assistant's whole reply that means `response` (1-5)."""
        return self.reply.format(label=self.label_of(response), option=OPTIONS[response])

    def label_of(self, response: int) -> str:
        """The label behind which `response` (1-5) stands."""
        if response not in self.order:
            raise MethodError(f"Response {response} is not an option; responses are 1-5.")
        return self.labels[self.order.index(response)]

    def reordered(self, order: Sequence[int], name: str | None = None) -> Wording:
        """The same wording with the options listed in another order, responses top to bottom."""
        label = name or f"{self.name}-{''.join(map(str, order))}"
        return replace(self, name=label, order=tuple(order))


PAPI = Wording(
    name="papi",
    question=(
        'Given a statement of you: "You {statement}."\n'
        "Please choose from the following options to identify how accurately this statement "
        "describes you.\n"
        "Options:\n"
        "{options}"
    ),
)
"""The paper's question, and the default everywhere."""

REWORDED = Wording(
    name="reworded",
    question=(
        'Someone wrote about themselves: "{Statement}."\n'
        "If those were your own words, how true would they be? Pick one.\n"
        "{options}"
    ),
    option_line="[{label}] {option}",
    reply_prefix="[",
    reply="[{label}] {option}",
)
"""The same question in other words throughout; only the option texts stay, being the scale."""

SHUFFLED = PAPI.reordered((2, 5, 1, 3, 4), name="shuffled")
"""The paper's question with the options mixed, so that no option keeps its letter."""

WORDINGS: dict[str, Wording] = {wording.name: wording for wording in (PAPI, REWORDED, SHUFFLED)}
"""Every wording that can be asked for by name."""


def get_wording(name: str) -> Wording:
    """The wording called `name`; MethodError lists the names there are."""
    if name not in WORDINGS:
        raise MethodError(f"There is no wording {name!r}; choose one of {', '.join(WORDINGS)}.")
    return WORDINGS[name]


def few_shot_prompt(items: Sequence[Item], responses: Sequence[int]) -> str:
    """The paper's persona prompt: each answered statement with the option the person ticked.

    `responses` are 1-5 in the order of `items`; 0 means missing and is left out. With nothing
    answered only the opening is left.
    """
    lines = []
    for item, response in zip(items, responses, strict=True):
        if int(response) == 0:
            continue
        if int(response) not in OPTIONS:
            raise MethodError(
                f"Response {response} to item {item.number} is not an option; responses are 1-5, "
                "and 0 means missing."
            )
        lines.append(f"{item.statement}:{OPTIONS[int(response)]}")
    return FEW_SHOT_OPENING + ";".join(lines)


def chat_messages(system_prompt: str | None, question: str) -> list[dict[str, str]]:
    """The chat in which `question` is asked; None asks under `NEUTRAL_SYSTEM_PROMPT`.

    An empty system prompt means a chat with no system turn at all.
    """
    system = NEUTRAL_SYSTEM_PROMPT if system_prompt is None else system_prompt
    turns = [{"role": "system", "content": system}] if system else []
    return [*turns, {"role": "user", "content": question}]


def without_full_stop(statement: str) -> str:
    """The statement without its final full stop, also where a quotation mark follows it."""
    if statement.endswith('."'):
        return statement[:-2] + '"'
    return statement.removesuffix(".")


def lower_first(statement: str) -> str:
    """The statement with a lower-case first letter, unless it begins with the word I."""
    if statement.split("'")[0].split(" ")[0] == "I":
        return statement
    return statement[:1].lower() + statement[1:]
