"""The pack tells nothing: blinding as a law."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from personalign.errors import EvaluationError
from personalign.evaluation.blind import (
    QUESTION,
    BlindPair,
    Key,
    check_key,
    key_in,
    key_text,
    pack_in,
    pack_pairs,
    pack_text,
    read_key,
    write_key,
    write_packs,
)

CONTRAST = [("aligned", "misaligned")]


def replies(people: int = 1, prompts: int = 40, conditions=("aligned", "misaligned")) -> list[dict]:
    """Texts of very different lengths by condition, which must not show in the order."""
    return [
        {
            "person": f"person {person}",
            "prompt": str(prompt),
            "asked": f"Question {prompt}?",
            "condition": condition,
            "text": f"{condition} {person} {prompt}" + " word" * (50 * place),
        }
        for person in range(people)
        for prompt in range(prompts)
        for place, condition in enumerate(conditions)
    ]


def swapped(rows: list[dict]) -> list[dict]:
    """The same replies with the two conditions' names exchanged."""
    turn = {"aligned": "misaligned", "misaligned": "aligned"}
    return [{**row, "condition": turn[row["condition"]]} for row in rows]


def sides(key: Key) -> np.ndarray:
    """1 where answer A is aligned."""
    return np.array([entry.A == "aligned" for entry in key.entries], dtype=int)


def test_every_prompt_of_every_person_is_a_pair_and_the_key_is_right() -> None:
    rows = replies(people=3, prompts=5)
    pairs, key = pack_pairs(rows, CONTRAST, seed=1)
    texts = {(r["person"], r["prompt"], r["condition"]): r["text"] for r in rows}
    assert len(pairs) == 15 == len({(e.person, e.prompt) for e in key.entries})
    for pair, entry in zip(pairs, key.entries, strict=True):
        assert pair.pair == entry.pair and {entry.A, entry.B} == {"aligned", "misaligned"}
        assert texts[entry.person, entry.prompt, entry.A] == pair.A
        assert texts[entry.person, entry.prompt, entry.B] == pair.B
        assert pair.prompt == f"Question {entry.prompt}?" and not entry.same


def test_a_record_of_the_pack_has_four_fields_and_names_no_condition(tmp_path: Path) -> None:
    rows = [{**row, "text": str(len(row["text"]))} for row in replies(people=2)]
    pairs, key = pack_pairs(rows, CONTRAST, seed=1, about={"method": "pas"})
    for path in write_packs(tmp_path, pairs, key):
        raw = path.read_text("utf-8")
        assert "aligned" not in raw and "pas" not in raw and "person" not in raw
        for line in raw.splitlines():
            assert list(json.loads(line)) == ["pair", "prompt", "A", "B"]


def test_exchanging_the_conditions_changes_neither_ids_nor_prompts_nor_places() -> None:
    """So neither can depend on a condition: the answers alone change places."""
    rows = replies(people=2)
    pairs, key = pack_pairs(rows, CONTRAST, seed=3)
    turned, turned_key = pack_pairs(swapped(rows), CONTRAST, seed=3)
    assert [(p.pair, p.prompt) for p in pairs] == [(p.pair, p.prompt) for p in turned]
    assert [(p.A, p.B) for p in pairs] == [(p.B, p.A) for p in turned]
    assert key.entries == turned_key.entries


def test_neither_the_texts_nor_the_order_of_the_rows_move_anything() -> None:
    rows = replies(people=2)
    other = [{**row, "text": "x" * place} for place, row in enumerate(rows)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    one, two = (pack_pairs(given, CONTRAST, seed=3)[1].entries for given in (rows, other))
    assert [replace(e, pair="") for e in one] == [replace(e, pair="") for e in two]
    assert [e.pair[-4:] for e in one] == [e.pair[-4:] for e in two]  # all but the study's mark
    assert pack_pairs(rows, CONTRAST, seed=3) == pack_pairs(shuffled, CONTRAST, seed=3)


def test_a_classifier_that_sees_ids_order_and_prompts_cannot_beat_chance() -> None:
    """Logistic regression on place, parity, prompt and the sides before it, over many packs."""
    features, labels = [], []
    for seed in range(60):
        _, key = pack_pairs(replies(prompts=30), CONTRAST, seed=seed)
        side = sides(key)
        for place in range(2, 30):
            number, prompt = (
                int(key.entries[place].pair.split("-")[1]),
                int(key.entries[place].prompt),
            )
            features.append(
                [number, number % 2, prompt, prompt % 2, side[place - 1], side[place - 2]]
            )
            labels.append(side[place])
    model = LogisticRegression(max_iter=2000)
    scaled = (np.array(features) - np.mean(features, axis=0)) / np.std(features, axis=0)
    accuracy = cross_val_score(model, scaled, labels, cv=10).mean()
    n = len(labels)
    assert accuracy < 0.5 + 3 * np.sqrt(0.25 / n)
    assert stats.binomtest(int(np.sum(labels)), n).pvalue > 0.001


def test_the_order_of_pairs_is_independent_of_the_sides() -> None:
    together = [
        stats.spearmanr([int(e.prompt) for e in key.entries], sides(key)).statistic
        for key in (pack_pairs(replies(), CONTRAST, seed=seed)[1] for seed in range(60))
    ]
    assert abs(np.mean(together)) < 3 / np.sqrt(60 * 39)


def test_other_seeds_give_other_orders_and_sides_and_the_same_seed_the_same() -> None:
    rows = replies()
    one, again, other = (pack_pairs(rows, CONTRAST, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert (sides(one[1]) != sides(other[1])).any()
    assert [e.prompt for e in one[1].entries] != [e.prompt for e in other[1].entries]


def test_no_two_studies_share_an_id() -> None:
    rows = replies(prompts=5)
    other = [{**row, "text": row["text"] + "."} for row in rows]
    packs = [pack_pairs(rows, CONTRAST, seed=0), pack_pairs(rows, CONTRAST, seed=1)]
    packs.append(pack_pairs(other, CONTRAST, seed=0))
    ids = [pair.pair for pairs, _ in packs for pair in pairs]
    assert len(set(ids)) == 15


def test_no_answer_of_a_person_is_seen_in_two_pairs() -> None:
    """An answer seen twice would be known for the condition that both contrasts share."""
    conditions = ("aligned", "misaligned", "original")
    contrasts = [("aligned", "original"), ("misaligned", "original")]
    pairs, key = pack_pairs(replies(2, 21, conditions), contrasts, seed=0)
    seen = [text for pair in pairs for text in (pair.A, pair.B)]
    assert len(seen) == len(set(seen)) == 84
    for person in ("person 0", "person 1"):
        dealt = [{e.A, e.B} for e in key.entries if e.person == person]
        assert sorted(dealt.count(set(contrast)) for contrast in contrasts) == [10, 11]


def test_equal_answers_are_told_in_the_key() -> None:
    rows = replies(prompts=2)
    rows[0]["text"] = rows[1]["text"]
    _, key = pack_pairs(rows, CONTRAST, seed=0)
    assert {entry.prompt: entry.same for entry in key.entries} == {"0": True, "1": False}


def test_each_person_gets_a_file_of_their_own_and_the_key_is_read_back(tmp_path: Path) -> None:
    pairs, key = pack_pairs(replies(people=2), CONTRAST, seed=0, about={"method": "pas"})
    paths = write_packs(tmp_path / "packs", pairs, key)
    assert [path.name for path in paths] == ["person 0.jsonl", "person 1.jsonl"]
    found = [
        BlindPair(**json.loads(line)) for path in paths for line in path.read_text().splitlines()
    ]
    assert sorted(found, key=lambda pair: pair.pair) == pairs
    assert read_key(write_key(tmp_path / "key.json", key)) == key


def test_the_question_is_the_papers() -> None:
    assert "Which answer best satisfies your needs?" in QUESTION
    assert "Neither is significantly better." in QUESTION


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        ([], "There is no contrast"),
        ([("aligned", "original")], "no replies of 'original'; the conditions are aligned, misal"),
        ([("aligned", "aligned")], "compares a condition with itself"),
        ([*CONTRAST, ("misaligned", "aligned")], "named twice"),
    ],
)
def test_contrasts_that_cannot_be_are_refused(contrasts, said) -> None:
    with pytest.raises(EvaluationError, match=said):
        pack_pairs(replies(), contrasts, seed=0)


def test_replies_that_are_missing_or_there_twice_are_refused(tmp_path: Path) -> None:
    rows = replies()
    with pytest.raises(EvaluationError, match="no reply of misaligned to prompt 0 for person"):
        pack_pairs([rows[0], *rows[2:]], CONTRAST, seed=0)
    with pytest.raises(EvaluationError, match="two replies of aligned to prompt 0"):
        pack_pairs([*rows, rows[0]], CONTRAST, seed=0)
    outside = pack_pairs([{**row, "person": "../x"} for row in rows], CONTRAST, seed=0)
    with pytest.raises(EvaluationError, match="cannot be named after"):
        write_packs(tmp_path, *outside)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="There is no key at"):
        read_key(tmp_path / "key.json")
    for text in ("{", "[]", '{"contrasts": [], "seed": 0}', '{"contrasts": [["a"]], "seed": 0}'):
        (tmp_path / "key.json").write_text(text)
        with pytest.raises(EvaluationError, match=r"key.json is no key of a study"):
            read_key(tmp_path / "key.json")


def test_packs_and_keys_are_read_back_from_their_texts() -> None:
    pairs, key = pack_pairs(replies(people=2), CONTRAST, seed=4, about={"method": "pas"})
    assert pack_in(pack_text(pairs), "p.jsonl") == pairs
    assert key_in(key_text(key), "key.json") == key
    check_key(pairs, key)


def test_a_pack_and_a_key_that_are_not_each_others_are_refused() -> None:
    pairs, key = pack_pairs(replies(prompts=3), CONTRAST, seed=4)
    other = pack_pairs(replies(prompts=3), CONTRAST, seed=5)[1]
    strange = replace(key.entries[0], A="somebody else's")
    for wrong, said in (
        (other, "not in the key"),
        (replace(key, entries=(*key.entries, *other.entries)), "6 entries"),
        (replace(key, entries=(*key.entries, key.entries[0])), "4 entries"),
        (replace(key, entries=(strange, *key.entries[1:])), "none of its contrasts"),
    ):
        with pytest.raises(EvaluationError, match=said):
            check_key(pairs, wrong)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"pair": "x", "prompt": "p", "A": "a"}',
        '{"pair": "x", "prompt": "p", "A": "a", "B": 1}',
        '{"pair": "", "prompt": "p", "A": "a", "B": "b"}',
        '{"pair": "x", "prompt": "p", "A": "a", "B": "b", "condition": "pas"}',
        '{"pair": "x", "prompt": "p", "A": "a", "B": "\\ud800"}',
        '{"pair": "good", "prompt": "p", "A": "a", "B": "b"}',
    ],
)
def test_a_line_that_is_no_pair_is_named(line: str) -> None:
    good = '{"pair": "good", "prompt": "p", "A": "a", "B": "b"}'
    with pytest.raises(EvaluationError, match=r"Line 3 of p\.jsonl"):
        pack_in(f"{good}\n\n{line}\n", "p.jsonl")
