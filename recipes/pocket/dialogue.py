"""Ordinary dialogue whose replies follow a simulated person's 30 facet scores.

`sample_dialogue` draws 1-3 turns of small talk, advice, decisions, habits, self-description or the
four-part description (scenario, actions, thoughts, feelings) as spoken by somebody with the given
facet scores: roughly N(0, 1) each, in the order N1..N6, E1..E6, O1..O6, A1..A6, C1..C6, high = more
of the facet. Five levels of each facet are told apart by poles and by words of degree.
`general_dialogue` draws turns in which no person shows. Texts come from a grammar over the phrases
in dialogue_facets.py and dialogue_questions.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from personalign.inventory.items import ipip_neo_300
from recipes.pocket import dialogue_forms as forms
from recipes.pocket.dialogue_facets import PHRASES, Pole
from recipes.pocket.dialogue_forms import Forms
from recipes.pocket.dialogue_general import general_turn
from recipes.pocket.dialogue_questions import (
    ADVICE,
    ADVICE_TAILS,
    CHOICE_ASKS,
    CHOICES,
    TALKS,
    Question,
)
from recipes.pocket.wordings import (
    NEUTRAL_SYSTEM_PROMPTS,
    Dice,
    put_statement,
    sample_persona_list,
    sample_wording,
)

Message = dict[str, str]
"""A chat message: role ('user' or 'assistant') and content."""

FACET_CODES: tuple[str, ...] = tuple(PHRASES)
"""The 30 facets in the order of the facet scores."""
OPEN_ENDED_TEMPLATE = (
    'Given the statement "{statement}", describe yourself as this person in four parts: '
    '"Scenario Description:", "Actions Taken:", "Thought Process:", "Emotional Response:".'
)
"""The default four-part question; `statement` as the inventory prints it."""
_OPEN_ENDED_OTHERS = (
    'Please describe a situation that fits the statement "{statement}" and how you act in it. Use '
    'the parts "Scenario Description:", "Actions Taken:", "Thought Process:" and "Emotional '
    'Response:".',
    'Statement: "{statement}" Describe a scenario, what you do, what you think and what you feel.',
    'Think of the statement "{statement}". Give a scenario description, the actions taken, your '
    "thought process and your emotional response.",
    'How do you live the statement "{statement}"? Answer with scenario, actions, thoughts and '
    "emotions.",
    'Write about yourself and the statement "{statement}" in four parts: scenario description, '
    "actions taken, thought process, emotional response.",
)
_WEIGHTS = (("talk", 0.2), ("advice", 0.4), ("choice", 0.52), ("habit", 0.67), ("self", 0.74))
_INDEX = {code: place for place, code in enumerate(FACET_CODES)}
_BOUNDS = (-1.0, -0.33, 0.33, 1.0)
# Sentence forms by strength: the absolute value of the level, 0 to 2.
_HABIT = (forms.MIDDLE_HABIT, forms.WEAK_HABIT, forms.STRONG_HABIT)
_ADVICE = (forms.MIDDLE_ADVICE, forms.WEAK_ADVICE, forms.STRONG_ADVICE)
_CHOICE = (forms.MIDDLE_CHOICE, forms.WEAK_CHOICE, forms.STRONG_CHOICE)
_ACT = (forms.MIDDLE_ACT, forms.WEAK_ACT, forms.STRONG_ACT)
_THINK = (forms.MIDDLE_THINK, forms.WEAK_THINK, forms.STRONG_THINK)
_FEEL = (forms.MIDDLE_FEEL, forms.WEAK_FEEL, forms.STRONG_FEEL)


def sample_dialogue(
    rng: np.random.Generator, facets: Sequence[float] | np.ndarray
) -> list[Message]:
    """Draw a conversation with the person of these 30 facet scores: 1-3 user/assistant turns."""
    return sample_dialogue_about(rng, facets)[1]


def sample_dialogue_about(
    rng: np.random.Generator, facets: Sequence[float] | np.ndarray
) -> tuple[str, list[Message]]:
    """The same, with the code of the facet that shows most in it."""
    dice = Dice(rng, 96)
    levels = _levels(facets)
    roll = dice.roll()
    kind = next((name for name, bound in _WEIGHTS if roll < bound), "open")
    facet, ask, reply = _TURNS[kind](dice, levels)
    messages = _turn(ask, reply)
    roll = dice.roll()
    if kind == "open" or roll < 0.6:
        return facet, messages
    messages += _turn(*_follow_up(dice, facet, levels[_INDEX[facet]]))
    if roll > 0.85:
        messages += _turn(*_TURNS[dice.pick(("talk", "choice", "habit"))](dice, levels)[1:])
    return facet, messages


def general_dialogue(rng: np.random.Generator) -> list[Message]:
    """Draw 1-3 turns in which no person shows: greetings, simple facts, who is speaking."""
    dice = Dice(rng, 40)
    messages: list[Message] = []
    for _ in range(1 + int(dice.roll() * 3)):
        messages += _turn(*general_turn(dice))
    return messages


def open_ended_prompt(statement: str) -> str:
    """The default four-part question about a statement as the inventory prints it."""
    return OPEN_ENDED_TEMPLATE.format(statement=statement)


def open_ended_reply(
    rng: np.random.Generator, facet: str, sign: int, score: float, statement: str
) -> str:
    """The four-part answer of a person with this score on an item's facet; `sign` the item's."""
    return _open_reply(Dice(rng, 24), facet, sign, _level(score), statement)


def TEXTS_FOR_TOKENIZER(rng: np.random.Generator, n: int) -> Iterator[str]:
    """A representative sample of n texts (prompts, questions, replies) to train a tokenizer on."""
    items = _items()
    for k in range(n):
        if k % 4 == 0:
            wording = sample_wording(rng)
            statement = items[int(rng.random() * len(items))][0]
            yield wording.ask(statement) + "\n" + wording.reply(1 + int(rng.random() * 5))
        elif k % 16 == 1:
            chosen = [items[int(u * len(items))][0] for u in rng.random(8)]
            pairs = [(s, 1 + int(u * 5)) for s, u in zip(chosen, rng.random(8), strict=True)]
            yield sample_persona_list(rng)(pairs)
        elif k % 64 == 2:
            yield NEUTRAL_SYSTEM_PROMPTS[int(rng.random() * len(NEUTRAL_SYSTEM_PROMPTS))]
        elif k % 8 == 3:
            yield "\n".join(m["content"] for m in general_dialogue(rng))
        else:
            yield "\n".join(m["content"] for m in sample_dialogue(rng, rng.standard_normal(30)))


def _talk(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    question = dice.pick(TALKS)
    level = levels[_INDEX[question.facet]]
    pole = level * question.sign
    if pole == 0:
        opening = dice.pick(question.middle)
    else:
        opening = dice.pick(question.plus if pole > 0 else question.minus)
        opening += " " + dice.pick(forms.STRONG_TALK if abs(pole) == 2 else forms.WEAK_TALK)
    parts = [opening.strip(), _habit(dice, question.facet, level)]
    if dice.roll() < 0.3:
        parts.append(_other_habit(dice, question.facet, levels))
    return question.facet, dice.pick(question.asks), " ".join(parts)


def _advice(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    question = dice.pick(ADVICE)
    level = levels[_INDEX[question.facet]]
    situation = dice.pick(question.asks)
    if situation[-1] == "?" and dice.roll() < 0.6:
        ask = situation
    elif dice.roll() < 0.8:
        ask = f"{situation} {dice.pick(ADVICE_TAILS)}"
    else:
        ask = f"{dice.pick(ADVICE_TAILS)} {situation}"
    reply = _chosen(dice, question, level, _ADVICE)
    return question.facet, ask, _with_reason(dice, reply, question.facet, levels)


def _choice(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    question = dice.pick(CHOICES)
    a, b = question.plus[0], question.minus[0]
    if dice.roll() < 0.5:
        a, b = b, a
    ask = dice.pick(CHOICE_ASKS).format(a=a, b=b, A=_capital(a))
    level = levels[_INDEX[question.facet]]
    reply = _chosen(dice, question, level, _CHOICE)
    return question.facet, ask, _with_reason(dice, reply, question.facet, levels)


def _habit_question(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    facet = dice.pick(FACET_CODES)
    level = levels[_INDEX[facet]]
    high = dice.roll() < 0.5
    own = dice.pick((PHRASES[facet].high if high else PHRASES[facet].low).habits)
    ask = dice.pick(forms.HABIT_ASKS).format(h=_as_yours(own), own=own)
    reply = dice.pick(forms.YES[level if high else -level]) + " " + _habit(dice, facet, level)
    return facet, ask, reply


def _self(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    """A self-description by the facets in which the person differs most."""
    ranked = sorted(range(30), key=lambda k: abs(levels[k]) + dice.roll(), reverse=True)
    parts = [dice.pick(forms.SELF_LEADS)]
    parts += [_habit(dice, FACET_CODES[k], levels[k]) for k in ranked[: 3 + int(dice.roll() * 3)]]
    return FACET_CODES[ranked[0]], dice.pick(forms.SELF_ASKS), " ".join(p for p in parts if p)


def _open(dice: Dice, levels: Sequence[int]) -> tuple[str, str, str]:
    statement, facet, sign = dice.pick(_items())
    default = dice.roll() < 0.6
    template = OPEN_ENDED_TEMPLATE if default else dice.pick(_OPEN_ENDED_OTHERS)
    reply = _open_reply(dice, facet, sign, levels[_INDEX[facet]], statement)
    return facet, template.format(statement=statement), reply


def _open_reply(dice: Dice, facet: str, sign: int, level: int, statement: str) -> str:
    scene = dice.pick(PHRASES[facet].scenes)
    fit = f'The words "I {put_statement(statement, "first")}" {dice.pick(forms.FIT[level * sign])}.'
    scenario = f"{fit} {scene}" if dice.roll() < 0.7 else f"{scene} {fit}"
    return (
        f"Scenario Description:\n{scenario}\n\nActions Taken:\n{_act(dice, facet, level)}\n\n"
        f"Thought Process:\n{_thought(dice, facet, level)}\n\n"
        f"Emotional Response:\n{_feeling(dice, facet, level)}"
    )


_TURNS = {
    "talk": _talk,
    "advice": _advice,
    "choice": _choice,
    "habit": _habit_question,
    "self": _self,
    "open": _open,
}


def _follow_up(dice: Dice, facet: str, level: int) -> tuple[str, str]:
    roll = dice.roll()
    if roll < 0.25:
        return dice.pick(forms.FEEL), _feeling(dice, facet, level)
    if roll < 0.5:
        lead = dice.pick(("", "", "That is how I am. ", "It is my nature. "))
        return dice.pick(forms.WHY), lead + _habit(dice, facet, level)
    if roll < 0.65:
        return dice.pick(forms.THINK), _thought(dice, facet, level)
    return dice.pick(forms.MORE), _habit(dice, facet, level) + " " + _feeling(dice, facet, level)


def _chosen(dice: Dice, question: Question, level: int, by_strength: Sequence[Forms]) -> str:
    pole = level * question.sign or (1 if dice.roll() < 0.5 else -1)
    mine, other = (question.plus, question.minus)[:: 1 if pole > 0 else -1]
    form = dice.pick(by_strength[abs(level)])
    verb = dice.pick(mine)
    return form.format(v=verb, V=_capital(verb), o=dice.pick(other))


def _with_reason(dice: Dice, reply: str, facet: str, levels: Sequence[int]) -> str:
    parts = [reply]
    if dice.roll() < 0.8:
        parts.append(_habit(dice, facet, levels[_INDEX[facet]]))
    if dice.roll() < 0.25:
        parts.append(_other_habit(dice, facet, levels))
    return " ".join(parts)


def _other_habit(dice: Dice, facet: str, levels: Sequence[int]) -> str:
    """A habit of another facet of the same trait."""
    other = facet[0] + str(1 + (int(facet[1]) + int(dice.roll() * 5)) % 6)
    return _habit(dice, other, levels[_INDEX[other]])


def _poles(dice: Dice, facet: str, level: int) -> tuple[Pole, Pole]:
    """The pole that speaks at this level, and the other; in the middle either may come first."""
    phrases = PHRASES[facet]
    if level > 0 or (level == 0 and dice.roll() < 0.5):
        return phrases.high, phrases.low
    return phrases.low, phrases.high


def _habit(dice: Dice, facet: str, level: int) -> str:
    mine, other = _poles(dice, facet, level)
    chosen = _HABIT[abs(level)]
    return dice.pick(chosen).format(h=dice.pick(mine.habits), o=dice.pick(other.habits))


def _act(dice: Dice, facet: str, level: int) -> str:
    mine, other = _poles(dice, facet, level)
    chosen = _ACT[abs(level)]
    a, b = _two(dice, mine.actions)
    return dice.pick(chosen).format(a=a, b=b, o=dice.pick(other.actions))


def _thought(dice: Dice, facet: str, level: int) -> str:
    mine, other = _poles(dice, facet, level)
    chosen = _THINK[abs(level)]
    t, t2 = _two(dice, mine.thoughts)
    return dice.pick(chosen).format(t=t, t2=t2, T=_capital(t), u=dice.pick(other.thoughts))


def _feeling(dice: Dice, facet: str, level: int) -> str:
    mine, other = _poles(dice, facet, level)
    chosen = _FEEL[abs(level)]
    f, f2 = _two(dice, mine.feelings)
    return dice.pick(chosen).format(f=f, f2=f2, g=dice.pick(other.feelings))


def _two(dice: Dice, phrases: Sequence[str]) -> tuple[str, str]:
    first = int(dice.roll() * len(phrases))
    return phrases[first], phrases[first - 1 - int(dice.roll() * (len(phrases) - 1))]


def _level(score: float) -> int:
    """A facet score's level: -2 low, -1 somewhat low, 0 middle, 1 somewhat high, 2 high."""
    return sum([score > bound for bound in _BOUNDS]) - 2


def _levels(facets: Sequence[float] | np.ndarray) -> list[int]:
    scores = np.asarray(facets, dtype=float)
    assert scores.shape == (30,), f"30 facet scores are needed, not an array of {scores.shape}"
    return (np.searchsorted(_BOUNDS, scores) - 2).tolist()


def _turn(ask: str, reply: str) -> list[Message]:
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}]


def _as_yours(phrase: str) -> str:
    phrase = phrase.replace("I am", "you are")
    return " ".join([forms.YOURS.get(word, word) for word in phrase.split(" ")])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@cache
def _items() -> tuple[tuple[str, str, int], ...]:
    return tuple((item.statement, item.facet, int(item.sign)) for item in ipip_neo_300())
