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
from personalign.errors import EvaluationError, InputRefused
from personalign.evaluation.text_files import is_text, no_json, read_text
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
                raise InputRefused(
                    "reply_missing",
                    f"There is no reply of {condition} to prompt {prompt} for person {person}; "
                    "every prompt needs one of every condition.",
                    condition=condition,
                    prompt=prompt,
                    person=person,
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
        with replacing(Path(folder) / f"{person}.jsonl") as temporary:
            temporary.write_text(pack_text(by_person[person]), encoding="utf-8")
        written.append(Path(folder) / f"{person}.jsonl")
    return written


def write_key(path: str | Path, key: Key) -> Path:
    """Write a key, for whoever counts the votes."""
    with replacing(path) as temporary:
        temporary.write_text(key_text(key), encoding="utf-8")
    return Path(path)


def read_key(path: str | Path) -> Key:
    """Read a key back; EvaluationError for a file that is none."""
    source = Path(path)
    if not source.is_file():
        raise EvaluationError(f"There is no key at {source}; `personalign study pack` writes it.")
    return key_in(read_text(source), source.name)


def key_in(text: str, name: str) -> Key:
    """The key in a text; EvaluationError, which calls it `name`, where it is none."""
    try:
        record = json.loads(text)
        if not all(_all_text(entry, besides="same") for entry in record["entries"]):
            raise TypeError("an entry holds something else than texts")
        return Key(
            contrasts=tuple((str(one), str(other)) for one, other in record["contrasts"]),
            seed=int(record["seed"]),
            entries=tuple(KeyEntry(**entry) for entry in record["entries"]),
            about=dict(record["about"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputRefused(
            "no_key",
            f"{name} is no key of a study ({error}); name the file that "
            "`personalign study pack --key` wrote.",
            file=name,
        ) from error


def key_text(key: Key) -> str:
    """A key as `write_key` writes it."""
    return json.dumps(asdict(key), ensure_ascii=False, indent=1) + "\n"


def pack_text(pairs: Sequence[BlindPair]) -> str:
    """Pairs as a pack: one JSON object a line."""
    return "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)


def pack_in(text: str, name: str) -> list[BlindPair]:
    """The pairs of a pack's text.

    Raises EvaluationError, naming the line, for a line that is no pair, or a pair there twice.
    """
    pairs: dict[str, BlindPair] = {}
    wanted = set(BlindPair.__dataclass_fields__)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise no_json(number, name, error) from error
        if not isinstance(record, dict) or set(record) != wanted or not _all_text(record):
            raise InputRefused(
                "no_pair",
                f"Line {number} of {name} is no pair; a line has pair, prompt, A and B, all texts, "
                "and nothing else, as `personalign study pack` writes it.",
                line=number,
                file=name,
            )
        if record["pair"] in pairs:
            raise InputRefused(
                "pair_twice",
                f"Line {number} of {name} is the pair {record['pair']} for the second time; keep "
                "one of the two.",
                line=number,
                file=name,
                pair=record["pair"],
            )
        pairs[record["pair"]] = BlindPair(**record)
    if not pairs:
        raise InputRefused(
            "no_pairs", f"{name} holds no pairs; give the pack that raters are to see.", file=name
        )
    return list(pairs.values())


def check_key(pairs: Sequence[BlindPair], key: Key) -> None:
    """Refuse a pack and a key that are not each other's: every pair has one entry of a contrast."""
    behind = {entry.pair: entry for entry in key.entries}
    for pair in pairs:
        if pair.pair not in behind:
            raise InputRefused(
                "pair_not_in_key",
                f"The pair {pair.pair} is not in the key of {len(behind)} pairs; give the key that "
                "was written with the pack.",
                pair=pair.pair,
                entries=len(behind),
            )
    if len(behind) != len(pairs) or len(key.entries) != len(pairs):
        raise InputRefused(
            "key_size",
            f"The key has {len(key.entries)} entries and the pack {len(pairs)} pairs; give all "
            "packs that were written with the key, and no other.",
            entries=len(key.entries),
            pairs=len(pairs),
        )
    known = {frozenset(contrast) for contrast in key.contrasts}
    for entry in key.entries:
        if frozenset((entry.A, entry.B)) not in known:
            raise InputRefused(
                "key_contrast",
                f"The key says that the pair {entry.pair} is of {entry.A} and {entry.B}, which is "
                "none of its contrasts; give the key as it was written.",
                pair=entry.pair,
                one=entry.A,
                other=entry.B,
            )


def contrasts_in(given: Sequence[str]) -> list[tuple[str, str]]:
    """The contrasts of texts such as "aligned:original"; EvaluationError for another text.

    >>> contrasts_in(["aligned:original"])
    [('aligned', 'original')]
    """
    found = []
    for text in given:
        one, colon, other = text.partition(":")
        if not (one and colon and other):
            raise InputRefused(
                "contrast",
                f"The contrast {text!r} is not understood; write ONE:OTHER, such as "
                "aligned:misaligned.",
                contrast=text,
            )
        found.append((one, other))
    return found


def check_contrasts(contrasts: Sequence[tuple[str, str]], known: Sequence[str]) -> None:
    """Refuse contrasts that `pack_pairs` would: none, unknown, of one condition, or named twice."""
    if not contrasts:
        raise InputRefused(
            "no_contrast", "There is no contrast; name two conditions to be compared."
        )
    names = ", ".join(known)
    named = [frozenset(contrast) for contrast in contrasts]
    for contrast in contrasts:
        for condition in contrast:
            if condition not in known:
                raise InputRefused(
                    "condition",
                    f"There are no replies of {condition!r}; the conditions are {names}.",
                    condition=condition,
                    known=names,
                )
        if contrast[0] == contrast[1] or named.count(frozenset(contrast)) > 1:
            raise InputRefused(
                "contrast_twice",
                f"The contrast {contrast[0]}:{contrast[1]} compares a condition with itself or is "
                "named twice; name each two conditions once.",
                contrast=":".join(contrast),
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
            raise InputRefused(
                "reply_twice",
                f"There are two replies of {place[2]} to prompt {place[1]} for person {place[0]}; "
                "keep one.",
                condition=place[2],
                prompt=place[1],
                person=place[0],
            )
        texts[place] = row["text"]
        asked[place[:2]] = row["asked"]
    return texts, dict(sorted(asked.items()))


def _all_text(record: Mapping[str, Any], besides: str = "") -> bool:
    """Whether every field but one holds text, the pair's id some."""
    texts = [value for name, value in record.items() if name != besides]
    return all(map(is_text, texts)) and bool(record["pair"])
