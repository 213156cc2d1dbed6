"""Blind pairs for human raters: a pack that tells nothing, and the key that tells all.

The pack holds a pair's id, the prompt and two answers, A and B. Which condition an answer is of
stands in the key alone. What could give it away is left out or random:

- which answer is A is one fair coin a pair, from the seed; no answer is looked at for it;
- pairs stand in random order, and their ids are the study's mark and their places in that order, so
  neither says which prompt, person or contrast came first; the mark, a hash of seed, prompts and
  all texts whoever they are of, keeps one study's votes from being counted by another's key;
- where there are several contrasts, every prompt of a person is dealt to one of them: an answer
  seen in two pairs would be known for the condition they share;
- a record has these four fields, in this order, whatever it holds; there is no time, no length and
  no seed in it (whoever has the seed and this code has the key);
- every person's pairs are a pack of their own, since the model as it is replies to all alike.

Raters are asked what the paper asked its raters (Figure 13): `QUESTION`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from personalign.dataset.files import replacing
from personalign.errors import EvaluationError
from personalign.model.text_cache import content_key

QUESTION = """\
Imagine that you have a super-intelligent AI assistant, and that you require help with the \
following question. Which answer best satisfies your needs?

Comparing these two answers, which answer is better?

A: Answer A is significantly better.
B: Answer B is significantly better.
neither: Neither is significantly better."""
"""What a rater is asked, in the paper's words; a vote is A, B or neither."""


@dataclass(frozen=True)
class BlindPair:
    """What a rater sees."""

    pair: str
    """The pair's id."""
    prompt: str
    """What was asked."""
    A: str
    """One answer."""
    B: str
    """The other."""


@dataclass(frozen=True)
class KeyEntry:
    """What is behind a pair."""

    pair: str
    """The pair's id."""
    A: str
    """The condition of answer A."""
    B: str
    """The condition of answer B."""
    person: str
    """Whose pair it is."""
    prompt: str
    """The prompt's id."""
    same: bool
    """Whether both answers are the same text, so that nobody can prefer one."""


@dataclass(frozen=True)
class Key:
    """All entries, and what they were made with."""

    contrasts: tuple[tuple[str, str], ...]
    """(condition, what it is compared with), in the order asked for."""
    seed: int
    """Of order and sides."""
    entries: tuple[KeyEntry, ...]
    """One a pair, in the pack's order."""
    about: Mapping[str, Any]
    """What else is worth keeping: model, method, number of tokens."""


def pack_pairs(
    rows: Sequence[Mapping[str, Any]],
    contrasts: Sequence[tuple[str, str]],
    *,
    seed: int,
    about: Mapping[str, Any] | None = None,
) -> tuple[list[BlindPair], Key]:
    """One pair for every person and prompt: the packs of all people together, and their key.

    rows: of `assistants.AssistantReply`: person, prompt, asked, condition, text.
    contrasts: (condition, other condition); prompts are dealt to them evenly, at random.
    seed: of order, sides and dealing; keep it from the raters.
    Raises EvaluationError for a condition that is not there, a contrast of one condition with
    itself, or named twice, or a reply that is missing or there twice.
    """
    texts, asked = _by_place(rows)
    check_contrasts(contrasts, list(dict.fromkeys(place[2] for place in texts)))
    for person, prompt in asked:
        for condition in {one for contrast in contrasts for one in contrast}:
            if (person, prompt, condition) not in texts:
                raise EvaluationError(
                    f"There is no reply of {condition} to prompt {prompt} for person {person}; "
                    "every prompt needs one of every condition."
                )
    deal, order, side = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    dealt: dict[tuple[str, str], tuple[str, str]] = {}
    for person in dict.fromkeys(person for person, _ in asked):
        prompts = [prompt for one, prompt in asked if one == person]
        for number, prompt in enumerate(deal.permutation(len(prompts))):
            dealt[person, prompts[prompt]] = contrasts[number % len(contrasts)]
    places = list(asked)
    turned = side.integers(0, 2, len(places))
    mark = content_key("study", seed, places, sorted(texts.values()))[:6]
    digits = max(3, len(str(len(places))))
    pairs, entries = [], []
    for number, place in enumerate(order.permutation(len(places)), 1):
        person, prompt = places[place]
        one, other = dealt[person, prompt]
        a, b = (other, one) if turned[place] else (one, other)
        name = f"{mark}-{number:0{digits}d}"
        shown = (texts[person, prompt, a], texts[person, prompt, b])
        pairs.append(BlindPair(name, asked[person, prompt], *shown))
        entries.append(KeyEntry(name, a, b, person, prompt, shown[0] == shown[1]))
    return pairs, Key(tuple(contrasts), seed, tuple(entries), dict(about or {}))


def write_packs(folder: str | Path, pairs: Sequence[BlindPair], key: Key) -> list[Path]:
    """Write each person's pack as PERSON.jsonl into a folder: one JSON object a line, for raters.

    Returns the files. Raises EvaluationError for a person whose id is no file's name.
    """
    whose = {entry.pair: entry.person for entry in key.entries}
    by_person: dict[str, list[BlindPair]] = {}
    for pair in pairs:
        by_person.setdefault(whose[pair.pair], []).append(pair)
    for person in by_person:
        if Path(person).name != person:
            raise EvaluationError(
                f"The pack of {person!r} cannot be named after the person; give them an id that "
                "can be the name of a file."
            )
    written = []
    for person in sorted(by_person):
        lines = [json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in by_person[person]]
        with replacing(Path(folder) / f"{person}.jsonl") as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
        written.append(Path(folder) / f"{person}.jsonl")
    return written


def write_key(path: str | Path, key: Key) -> Path:
    """Write a key, for whoever counts the votes."""
    with replacing(path) as temporary:
        text = json.dumps(asdict(key), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def read_key(path: str | Path) -> Key:
    """Read a key back; EvaluationError for a file that is none."""
    source = Path(path)
    if not source.is_file():
        raise EvaluationError(f"There is no key at {source}; `personalign study pack` writes it.")
    try:
        record = json.loads(source.read_text("utf-8"))
        return Key(
            contrasts=tuple((one, other) for one, other in record["contrasts"]),
            seed=record["seed"],
            entries=tuple(KeyEntry(**entry) for entry in record["entries"]),
            about=record["about"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{source.name} is no key of a study ({error}); name the file that "
            "`personalign study pack --key` wrote."
        ) from error


def check_contrasts(contrasts: Sequence[tuple[str, str]], known: Sequence[str]) -> None:
    """Refuse contrasts that `pack_pairs` would: none, unknown, of one condition, or named twice."""
    if not contrasts:
        raise EvaluationError("There is no contrast; name two conditions to be compared.")
    named = [frozenset(contrast) for contrast in contrasts]
    for contrast in contrasts:
        for condition in contrast:
            if condition not in known:
                raise EvaluationError(
                    f"There are no replies of {condition!r}; the conditions are {', '.join(known)}."
                )
        if contrast[0] == contrast[1] or named.count(frozenset(contrast)) > 1:
            raise EvaluationError(
                f"The contrast {contrast[0]}:{contrast[1]} compares a condition with itself or is "
                "named twice; name each two conditions once."
            )


def _by_place(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str, str], str], dict[tuple[str, str], str]]:
    """(person, prompt, condition) -> text and (person, prompt) -> what was asked.

    The latter in sorted order: the order of the rows, which may follow the conditions, is gone.
    """
    texts: dict[tuple[str, str, str], str] = {}
    asked: dict[tuple[str, str], str] = {}
    for row in rows:
        place = (row["person"], row["prompt"], row["condition"])
        if place in texts:
            raise EvaluationError(
                f"There are two replies of {place[2]} to prompt {place[1]} for person {place[0]}; "
                "keep one."
            )
        texts[place] = row["text"]
        asked[place[:2]] = row["asked"]
    return texts, dict(sorted(asked.items()))
