"""The sentence forms of the dialogue grammar, by kind of sentence and strength.

Slots: h habit, o its opposite, v what to do, a/b actions, t/t2/u thoughts, f/f2/g feelings (u and g
of the other pole); a capital letter asks for the capitalised phrase.
"""

from __future__ import annotations

Forms = tuple[str, ...]
"""Sentences to choose from."""

STRONG_HABIT: Forms = ("I really {h}.", "I nearly always {h}.", "I {h}, and I hardly ever {o}.")
STRONG_HABIT += ("People know that I {h}.", "It is just like me to {h}.", "I {h} all the time.")
STRONG_HABIT += ("I always {h}, and everybody knows it.", "I {h} more than most people do.")
WEAK_HABIT: Forms = (
    "I tend to {h}.",
    "I often {h}.",
    "I {h} more often than not.",
    "I usually {h}.",
)
WEAK_HABIT += ("On most days I {h}.", "I would say that I {h}, but not always.")
MIDDLE_HABIT: Forms = (
    "Sometimes I {h}, and sometimes I {o}.",
    "I {h} now and then, but I also {o}.",
)
MIDDLE_HABIT += (
    "It depends on the day. On one I {h}, on the next I {o}.",
    "At times I {h}, at times I {o}.",
)

STRONG_ADVICE: Forms = (
    "You should {v}, no question.",
    "Definitely {v}.",
    "{V}! That is what I always do.",
)
STRONG_ADVICE += ("There is only one way: {v}.", "Without any doubt, {v}.", "{V}, of course.")
WEAK_ADVICE: Forms = ("You could {v}.", "I think it is best to {v}.", "Maybe {v}.")
WEAK_ADVICE += ("If you ask me, {v}.", "Perhaps {v}.", "My advice is to {v}.")
MIDDLE_ADVICE: Forms = ("It depends. You could {v}, or {o}.", "Hard to say. Either {v}, or {o}.")
MIDDLE_ADVICE += (
    "I see two ways: {v}, or {o}.",
    "I am not sure. One way is to {v}, another is to {o}.",
)

STRONG_CHOICE: Forms = ("I would {v}, no question.", "Easy: I would {v}.", "I would always {v}.")
STRONG_CHOICE += ("I would {v}, and I would never {o}.", "{V}! That is me.")
WEAK_CHOICE: Forms = ("I would rather {v}.", "I think I would {v}.", "I would probably {v}.")
WEAK_CHOICE += ("A bit more likely, I would {v}.", "To {v} sounds better to me.")
MIDDLE_CHOICE: Forms = (
    "I cannot decide: I like to {v}, but also to {o}.",
    "Both are fine with me.",
)
MIDDLE_CHOICE += (
    "It depends on the day. I could {v}, and I could {o}.",
    "Either one would be fine.",
)

HABIT_ASKS: Forms = (
    "Do you {h}?",
    "Would you say that you {h}?",
    "Do you often {h}?",
    "Is it like you to {h}?",
)
HABIT_ASKS += ("Are you somebody who likes to say: I {own}?", "Tell me, do you {h}?")
YES = {
    2: ("Yes, very much.", "Oh yes.", "Yes, always.", "Absolutely."),
    1: ("Yes, mostly.", "Rather yes.", "Yes, quite often.", "I think so."),
    0: ("Sometimes.", "Yes and no.", "It depends.", "In between."),
    -1: ("Not so much.", "Rather not.", "Mostly not.", "Not often."),
    -2: ("No, not at all.", "No, never.", "Not at all.", "Oh no."),
}
SELF_ASKS: Forms = (
    "Describe yourself.",
    "Please introduce yourself.",
    "What kind of person are you?",
)
SELF_ASKS += (
    "Tell me about yourself.",
    "How would your friends describe you?",
    "What are you like?",
)
SELF_ASKS += ("Describe your personality in a few sentences.", "What should I know about you?")
SELF_LEADS: Forms = (
    "",
    "",
    "Let me see.",
    "In a few words:",
    "I am an ordinary person, but with my own ways.",
)
WHY: Forms = ("Why?", "Why is that?", "Why do you say so?", "What is the reason?", "How come?")
FEEL: Forms = (
    "How do you feel about it?",
    "How does that feel?",
    "And what do you feel?",
    "How would you feel?",
)
THINK: Forms = ("What goes through your mind?", "What do you think then?", "And what do you think?")
MORE: Forms = (
    "Tell me more.",
    "Can you say more?",
    "Really?",
    "Is that so?",
    "Go on.",
    "Interesting. And?",
)

STRONG_ACT: Forms = (
    "I {a}, and then I {b}.",
    "Right away I {a}.",
    "As always, I {a}.",
    "I {a}. I also {b}.",
)
WEAK_ACT: Forms = (
    "I think about it for a moment, and then I {a}.",
    "Most likely I {a}.",
    "In the end I {a}.",
)
MIDDLE_ACT: Forms = (
    "At first I want to {a}, but then I {o}.",
    "On some days I {a}, on others I {o}.",
)
MIDDLE_ACT += ("Part of me wants to {a}. In the end I {o}.",)
STRONG_THINK: Forms = (
    "I am sure that {t}.",
    "{T}, and nobody can tell me otherwise.",
    "I know that {t}.",
)
STRONG_THINK += ("{T}. I have always thought so.", "It is clear to me that {t}. After all, {t2}.")
WEAK_THINK: Forms = (
    "I guess that {t}.",
    "I think that {t}.",
    "It seems to me that {t}.",
    "Maybe {t}.",
)
MIDDLE_THINK: Forms = ("Part of me thinks that {t}, but maybe {u}.", "Perhaps {t}. Or perhaps {u}.")
MIDDLE_THINK += ("I am not sure if {t} or if {u}.",)
STRONG_FEEL: Forms = ("I feel {f}, and I feel it strongly.", "I feel {f} through and through.")
STRONG_FEEL += ("I clearly feel {f}.", "I feel {f} and also {f2}.")
WEAK_FEEL: Forms = (
    "I mostly feel {f}.",
    "I would say that I feel {f}.",
    "More or less, I feel {f}.",
)
MIDDLE_FEEL: Forms = (
    "I feel a bit of both: {f}, but also {g}.",
    "I do not feel much, neither {f} nor {g}.",
)
MIDDLE_FEEL += ("One moment I feel {f}, and the next I feel {g}.",)
FIT = {
    2: ("fit me very well", "describe me very well", "are just like me", "are very true of me"),
    1: (
        "fit me quite well",
        "are rather true of me",
        "mostly describe me",
        "are more true than not",
    ),
    0: ("fit me only in part", "are sometimes true of me", "neither fit me nor miss me"),
    -1: ("do not fit me so well", "are rather untrue of me", "mostly do not describe me"),
    -2: ("do not fit me at all", "are not like me at all", "are very untrue of me"),
}
YOURS = {"I": "you", "my": "your", "me": "you", "myself": "yourself", "I'm": "you are"}
STRONG_TALK: Forms = ("", "", "That is very true for me.", "Always.", "There is no doubt about it.")
WEAK_TALK: Forms = (
    "More or less.",
    "At least most of the time.",
    "Or nearly so.",
    "In general.",
    "",
)
