# ruff: noqa: E501 - lists of sentences
"""Turns in which no person shows: greetings, thanks, simple facts, and who is speaking.

`general_turn(dice)` draws one (user, assistant) pair.
"""

from __future__ import annotations

from recipes.pocket.wordings import Dice

_FIXED = """
Hello!|Hi!|Hello there.|Hi there!|Hey!|Good morning!|Good evening.|Good afternoon.
=Hello! How can I help you?|Hi! What can I do for you?|Hello, nice to meet you.
Thank you!|Thanks!|Thanks a lot.|Thank you very much.|Thank you for your help.
=You are welcome.|You are welcome! Is there anything else?|My pleasure.
Goodbye!|Bye!|See you later.|Good night.|I have to go now.
=Goodbye! Have a nice day.|See you soon!|Goodbye, and take care.
Who are you?|What are you?|What is your name?|Tell me who you are.|Do you have a name?
=I am Pocket, a small demonstration model.|My name is Pocket. I am a very small language model for demonstrations.
What can you do?|How can you help me?|What are you good at as a model?|What are you made for?
=I can answer questionnaires about personality and talk a little.|I am a small demonstration model. I answer short questions and show how a personality changes what I say.
Are you a person?|Are you human?|Are you real?|Are you a computer?
=No, I am Pocket, a small language model.|I am not a person. I am a small computer model.
How large are you?|Are you a large model?|Are you clever?|Do you know everything?
=I am very small, so I know only a little.|I am a small demonstration model and make many mistakes.
Who made you?|Where do you come from?|How were you trained?
=I was trained from the beginning on simulated people, as a demonstration.|I am a demonstration model, trained on texts about simulated people.
Can you hear me?|Are you there?|Are you ready?|Can we begin?
=Yes, I am here.|Yes, please go on.|I am ready.
Please help me.|I need help.|Can you help me?|I have a question.
=Of course. What do you need?|Sure, please ask.|I will try. What is it?
Yes.|Okay.|All right.|Fine.|I see.|Good.
=Good. What would you like to do next?|All right. Is there anything else?
Sorry!|I am sorry.|Excuse me.|That was my mistake.
=No problem at all.|That is all right.|No need to be sorry.
How many days are in a week?|How many days does a week have?|A week has how many days?
=A week has seven days.|Seven.|There are seven days in a week.
How many months are in a year?|How many months does a year have?
=A year has twelve months.|Twelve.|There are twelve months in a year.
Can you write a computer program?|Can you tell me the news?|What is the weather like today?|Who won the game last night?
=I am sorry, I am too small for that.|I do not know that, since I am only a small model.
"""
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
).split()
_COLOURS = dict(
    pair.split("=")
    for pair in (
        "grass=green|the sky on a clear day=blue|snow=white|a ripe tomato=red|a lemon=yellow|"
        "coal=black|the sun=yellow|blood=red|milk=white|a carrot=orange|chocolate=brown|"
        "an elephant=grey|a leaf in spring=green|the night=black|the sea=blue"
    ).split("|")
)
_OPPOSITES = [
    pair.split("=")
    for pair in (
        "hot=cold|big=small|good=bad|day=night|up=down|old=young|fast=slow|loud=quiet|"
        "happy=sad|rich=poor|full=empty|open=closed|early=late|light=dark|long=short|"
        "easy=hard|strong=weak|clean=dirty|near=far|left=right|wet=dry|high=low"
    ).split("|")
]
_SOUNDS = [
    pair.split("=")
    for pair in (
        "dog=a pet that barks|cat=a pet that likes milk|cow=an animal that gives milk|"
        "bird=an animal that can fly|fish=an animal that lives in water|apple=a fruit|"
        "carrot=a vegetable|rose=a flower|chair=something to sit on|bed=something to sleep in|"
        "car=a machine to drive|book=something to read|pen=something to write with|"
        "winter=the cold part of the year|summer=the warm part of the year"
    ).split("|")
]


def _fixed() -> list[tuple[list[str], list[str]]]:
    turns: list[tuple[list[str], list[str]]] = []
    for line in _FIXED.strip().split("\n"):
        if line[0] == "=":
            turns[-1] = (turns[-1][0], line[1:].split("|"))
        else:
            turns.append((line.split("|"), []))
    return turns


_TURNS = _fixed()


def general_turn(dice: Dice) -> tuple[str, str]:
    """One user message and its answer, the same whoever answers."""
    roll = dice.roll()
    if roll < 0.55:
        asks, replies = dice.pick(_TURNS)
        return dice.pick(asks), dice.pick(replies)
    if roll < 0.65:
        return _sum(dice)
    if roll < 0.75:
        return (
            _next_in(dice, _DAYS, "day") if dice.roll() < 0.5 else _next_in(dice, _MONTHS, "month")
        )
    if roll < 0.84:
        thing = dice.pick(tuple(_COLOURS))
        ask = dice.pick(
            ("What colour is {t}?", "Which colour does {t} have?", "Tell me the colour of {t}.")
        )
        reply = dice.pick(("{c}.", "It is {c}."))
        return ask.format(t=thing), _capital(reply.format(c=_COLOURS[thing]))
    if roll < 0.93:
        one, other = dice.pick(_OPPOSITES)
        if dice.roll() < 0.5:
            one, other = other, one
        ask = dice.pick(
            ("What is the opposite of {a}?", "Give me the opposite of {a}.", "Opposite of {a}?")
        )
        reply = dice.pick(("The opposite of {a} is {b}.", "{b}."))
        return ask.format(a=one), _capital(reply.format(a=one, b=other))
    word, meaning = dice.pick(_SOUNDS)
    article = "" if word in ("winter", "summer") else "an " if word == "apple" else "a "
    return f"What is {article}{word}?", _capital(f"{article}{word} is {meaning}.")


def _sum(dice: Dice) -> tuple[str, str]:
    a, b = int(dice.roll() * 11), int(dice.roll() * 10)
    plus = dice.roll() < 0.65
    if not plus and b > a:
        a, b = b, a
    total, sign = (a + b, "plus") if plus else (a - b, "minus")
    if dice.roll() < 0.5:
        left, right, result = _NUMBERS[a], _NUMBERS[b], _NUMBERS[total]
    else:
        left, right, result = str(a), str(b), str(total)
    ask = dice.pick(("What is {l} {s} {r}?", "How much is {l} {s} {r}?", "{l} {s} {r}?"))
    reply = dice.pick(("{l} {s} {r} is {t}.", "It is {t}.", "{t}."))
    words = {"l": left, "r": right, "s": sign, "t": result}
    return _capital(ask.format(**words)), _capital(reply.format(**words))


def _next_in(dice: Dice, names: list[str], noun: str) -> tuple[str, str]:
    place = int(dice.roll() * len(names))
    step, word = (1, "after") if dice.roll() < 0.6 else (-1, "before")
    name, answer = names[place], names[(place + step) % len(names)]
    ask = dice.pick(("Which {n} comes {w} {x}?", "What {n} is {w} {x}?", "Name the {n} {w} {x}."))
    reply = dice.pick(("{y}.", "{y} comes {w} {x}.", "The {n} {w} {x} is {y}."))
    return ask.format(n=noun, w=word, x=name), reply.format(n=noun, w=word, x=name, y=answer)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
