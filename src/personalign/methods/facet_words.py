"""What each facet means, high and low, in words that a description of a person is made of.

The meanings are those published for the facets of the IPIP-NEO (Johnson, 2014, Journal of Research
in Personality 51, 78-89, and the narrative report of his IPIP-NEO, ipip.ori.org) and for the NEO
facets they stand for (Costa and McCrae, 1992, NEO PI-R Professional Manual). The words are ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pole:
    """One end of a facet."""

    quality: str
    """What the person is; reads well after "You are", "You are very" and "You are a little"."""
    habit: str
    """What the person does, a clause that begins with "you"."""


@dataclass(frozen=True)
class FacetWords:
    """Both ends of a facet or a trait."""

    high: Pole
    """Of somebody who scores high."""
    low: Pole
    """Of somebody who scores low."""


def _facet(high: str, high_habit: str, low: str, low_habit: str) -> FacetWords:
    return FacetWords(Pole(high, high_habit), Pole(low, low_habit))


FACET_WORDS: dict[str, FacetWords] = {
    "O1": _facet(
        "imaginative", "you daydream and get lost in thought",
        "matter-of-fact", "you keep to the facts and spend little time on daydreams",
    ),
    "O2": _facet(
        "fond of art and beauty", "you see beauty where others pass it by",
        "indifferent to art", "you do not care for poetry, concerts or museums",
    ),
    "O3": _facet(
        "emotional", "you feel things intensely and notice what you feel",
        "unemotional", "you pay little attention to feelings, your own or other people's",
    ),
    "O4": _facet(
        "open to change", "you like variety, new things and new places",
        "attached to routine", "you prefer what you know and dislike change",
    ),
    "O5": _facet(
        "intellectually curious", "you enjoy hard questions and abstract ideas",
        "plain in your thinking", "you avoid abstract and complicated ideas",
    ),
    "O6": _facet(
        "liberal", "you question authority and doubt that right and wrong are fixed for all",
        "conservative", "you value law, order and tradition",
    ),
    "C1": _facet(
        "sure of your abilities", "you handle tasks well and know how to get things done",
        "unsure of your abilities", "you misjudge situations and do not know how to go about them",
    ),
    "C2": _facet(
        "orderly", "you like things tidy and do them by a plan",
        "untidy", "you leave a mess and forget to put things back",
    ),
    "C3": _facet(
        "dutiful", "you keep your promises, pay your debts and stick to the rules",
        "casual about duties", "you break rules and promises that are in your way",
    ),
    "C4": _facet(
        "ambitious", "you work hard and do more than is expected of you",
        "unambitious", "you do just enough to get by",
    ),
    "C5": _facet(
        "self-disciplined", "you start on a task at once and carry it through",
        "prone to putting things off", "you find it hard to get down to work",
    ),
    "C6": _facet(
        "cautious", "you think before you speak or act",
        "hasty", "you jump into things without thinking",
    ),
    "E1": _facet(
        "friendly", "you make friends easily and feel comfortable around people",
        "reserved", "you keep others at a distance and are hard to get to know",
    ),
    "E2": _facet(
        "sociable", "you enjoy parties, crowds and being among many people",
        "solitary", "you would rather be by yourself and avoid crowds",
    ),
    "E3": _facet(
        "assertive", "you speak up, take charge and lead others",
        "retiring", "you let others lead and keep in the background",
    ),
    "E4": _facet(
        "busy", "you are on the go and keep many things going at once",
        "unhurried", "you take your time and like a slow pace",
    ),
    "E5": _facet(
        "eager for excitement", "you look for thrills and like to take risks",
        "averse to thrills", "you avoid noise, commotion and risk",
    ),
    "E6": _facet(
        "cheerful", "you laugh, have fun and look at the bright side",
        "serious", "you are not easily amused and show little exuberance",
    ),
    "A1": _facet(
        "trusting", "you believe that other people mean well",
        "distrustful", "you suspect that others have hidden motives",
    ),
    "A2": _facet(
        "straightforward", "you are honest and would not use others to get ahead",
        "calculating", "you flatter people and bend the rules to get what you want",
    ),
    "A3": _facet(
        "helpful", "you care about others and make them feel welcome",
        "sparing with help", "you take little interest in other people's troubles",
    ),
    "A4": _facet(
        "accommodating", "you dislike quarrels and would rather give in",
        "quarrelsome", "you speak sharply and hold out for a good fight",
    ),
    "A5": _facet(
        "modest", "you dislike being the centre of attention and make little of your merits",
        "proud of yourself", "you think highly of yourself and let others know it",
    ),
    "A6": _facet(
        "compassionate", "you feel for those who are worse off than you",
        "tough-minded", "you think that people should look after themselves",
    ),
    "N1": _facet(
        "anxious", "you worry about what might go wrong and are soon tense",
        "calm", "you are relaxed about things and fear little",
    ),
    "N2": _facet(
        "irritable", "you get angry when things do not go your way",
        "even-tempered", "you are hard to annoy and do not lose your temper",
    ),
    "N3": _facet(
        "prone to sadness", "you feel low and have a poor opinion of yourself",
        "content with yourself", "you are comfortable with who you are and do not feel blue",
    ),
    "N4": _facet(
        "self-conscious", "you mind what others think of you and are shy with strangers",
        "unembarrassed", "you are at ease with strangers and do not mind being watched",
    ),
    "N5": _facet(
        "impulsive", "you give in to cravings and go overboard",
        "self-controlled", "you resist temptation without much trouble",
    ),
    "N6": _facet(
        "vulnerable to stress", "you feel overwhelmed when things get difficult",
        "steady under pressure", "you keep a clear head when things get difficult",
    ),
}  # fmt: skip
"""Facet code -> its words, in the order of `FACETS`."""

TRAIT_WORDS: dict[str, FacetWords] = {
    "O": _facet(
        "open-minded", "you have a vivid imagination and enjoy ideas and beautiful things",
        "conventional", "you keep to what is familiar and practical",
    ),
    "C": _facet(
        "conscientious", "you are organised and carry through what you begin",
        "careless", "you leave things lying about and put off what you should do",
    ),
    "E": _facet(
        "outgoing", "you talk to all kinds of people and like company",
        "quiet", "you keep in the background and do not say much to strangers",
    ),
    "A": _facet(
        "kind", "you care about other people and feel with them",
        "hard", "you have little concern for others and tell them so",
    ),
    "N": _facet(
        "easily upset", "you worry, and your moods change quickly",
        "emotionally stable", "you are relaxed and not easily bothered",
    ),
}  # fmt: skip
"""Trait letter -> its words, for questionnaires without facets (Goldberg, 1992, the markers)."""
