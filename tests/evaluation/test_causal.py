"""Effects of raised answers: known methods have known effects, and company changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from personalign.dataset.people import Respondents
from personalign.dataset.raise_traits import VERSIONS, raise_traits
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.causal import (
    Effects,
    compare_effects,
    effect_rows,
    measure_effects,
    summarise_effects,
)
from personalign.inventory.items import Inventory, Item, ipip_neo_300
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import trait_means
from personalign.methods.base import Method
from personalign.methods.few_shot import FewShot
from personalign.methods.pas import Pas
from personalign.methods.reference import Constant, TraitMean
from personalign.model.answer import answer_items
from personalign.model.fake import fake_decoder

FORM = ipip_neo_300()


class Told(Method):
    """Answers by a rule from the person and the item."""

    name = "told"
    description = "A rule."

    def __init__(self, rule: Callable[[NDArray[np.int8], Item], int]) -> None:
        self.rule = rule
        self.calls = 0

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        self.calls += 1
        rows = [[self.rule(row, item) for item in items] for row in respondents.responses]
        return np.array(rows, dtype=np.int8)


@pytest.fixture(scope="module")
def people() -> Respondents:
    simulated = simulate(5, seed=4)
    responses = simulated.responses.copy()
    responses[2, ::13] = 0
    return Respondents(responses, simulated.ids)


def keyed_everywhere(*values: int) -> Respondents:
    """People with the same keyed value at every item."""
    rows = [np.where(FORM.signs > 0, value, 6 - value) for value in values]
    return Respondents(np.array(rows, np.int8), tuple(f"p{v}" for v in values))


def effects_of(method: Method, people: Respondents) -> Effects:
    return summarise_effects(measure_effects(method, people), seed=3)


def test_a_constant_has_no_effect_at_all(people: Respondents) -> None:
    found = effects_of(Constant(4), people)
    nothing = [*found.traits, found.total, found.own, found.others, found.spill]
    for interval in [*nothing, *(cell for row in found.matrix for cell in row)]:
        assert (interval.mean, *interval.ends) == (0, 0, 0)
    assert found.before == found.after
    assert found.unparsed == 0 and found.answers == 7 * 5 * 180


def test_a_perfect_follower_moves_by_one_less_the_clipped() -> None:
    """Keyed 2, 3 and 5 everywhere: the first two rise by one, the last cannot, by hand."""
    found = effects_of(TraitMean(), keyed_everywhere(2, 3, 5))
    for interval in found.traits:
        assert interval.mean == pytest.approx(2 / 3) and interval.people == 3
    assert found.total.mean == pytest.approx(10 / 3) == pytest.approx(found.total_ceiling)
    assert found.before == pytest.approx([10 / 3] * 5) and found.after == pytest.approx([4] * 5)
    assert found.dose == found.ceiling == pytest.approx((2 / 3,) * 5)
    for raised in range(5):
        for measured in range(5):
            expected = 2 / 3 if raised == measured else 0
            assert found.matrix[raised][measured].mean == pytest.approx(expected)
    assert found.own.mean == pytest.approx(2 / 3)
    assert found.others.mean == found.spill.mean == 0
    assert found.specific.mean == pytest.approx(2 / 3)


def test_minus_keyed_answers_move_down() -> None:
    rows = measure_effects(TraitMean(), keyed_everywhere(3))
    signs = np.array([item.sign for item in FORM.held_out])
    base, raised = (np.array(rows[0]["responses"][version]) for version in ("base", "all"))
    assert (raised - base == signs).all()


def test_scores_and_yardsticks_are_those_of_the_scoring_room(people: Respondents) -> None:
    """A copy of the person, held-out answers and all, told by the paper's protocol."""

    def copy(row: NDArray[np.int8], item: Item) -> int:
        return int(row[item.number - 1])

    method = Told(copy)
    method.protocol = "paper"  # type: ignore[attr-defined]
    found = effects_of(method, people)
    assert method.calls == 1
    hidden = people.only(FORM.held_out)
    before, after = trait_means(hidden.responses), trait_means(raise_traits(hidden).responses)
    assert found.per_person == pytest.approx(after - before)
    assert found.ceiling == pytest.approx((after - before).mean(axis=0))
    seen = people.only(FORM.tuning)
    risen = trait_means(raise_traits(seen).responses) - trait_means(seen.responses)
    assert found.dose == pytest.approx(risen.mean(axis=0))
    assert found.unparsed == 7 * int(
        (hidden.responses[2, :] == 0)[FORM.columns(FORM.held_out)].sum()
    )


def test_held_out_answers_are_not_shown(people: Respondents) -> None:
    shown: list[int] = []

    def look(row: NDArray[np.int8], item: Item) -> int:
        shown.append(int(row[item.number - 1]))
        return 3

    measure_effects(Told(look), people)
    assert set(shown) == {0}


def test_a_model_that_agrees_more_with_everything_is_not_specific() -> None:
    """Whatever is raised, all plus-keyed answers rise: the diagonal is no larger than the rest."""
    base = int(keyed_everywhere(3).only(FORM.tuning).keyed.sum())

    def agree(row: NDArray[np.int8], item: Item) -> int:
        keyed = np.where(FORM.signs < 0, 6 - row, row)[row > 0].sum()
        return (4 if item.sign > 0 else 2) if keyed > base else 3

    found = effects_of(Told(agree), keyed_everywhere(3, 3, 3))
    assert found.own.mean == found.others.mean == found.spill.mean == 1
    assert found.specific.mean == 0 and not found.specific.clear


def small_form() -> Inventory:
    """Six items to learn from and two held out of every trait: a quick questionnaire."""
    kept = [
        item
        for trait in TRAITS
        for part, many in ((FORM.tuning, 6), (FORM.held_out, 2))
        for item in [one for one in part if one.trait == trait][:many]
    ]
    return Inventory("small", tuple(kept))


@pytest.mark.parametrize(
    "make",
    [lambda decoder: FewShot(decoder, answers=4), lambda decoder: Pas(decoder, heads=2, seed=1)],
    ids=["few-shot", "pas"],
)
def test_all_versions_at_once_are_one_by_one(make: Callable, people: Respondents) -> None:
    method, form = make(fake_decoder()), small_form()
    answers = people.responses[[0, 2]][:, FORM.columns(form.items)]
    some = Respondents(answers, ("a", "b"), inventory=form)
    steps: list[tuple[int, int]] = []
    rows = measure_effects(method, some, progress=lambda done, all_: steps.append((done, all_)))
    assert rows == [row for one in (0, 1) for row in measure_effects(method, some.select([one]))]
    for number, version in enumerate(VERSIONS):
        traits = {"base": "", "all": "OCEAN"}.get(version, version)
        known = raise_traits(some, traits).only(form.tuning)
        for place in range(len(some)):
            (persona,) = method.personas(known.select([place]))
            alone = answer_items(method.decoder, [persona], form.held_out).responses()[0]
            assert rows[place]["responses"][version] == alone.tolist(), (number, version)
    assert summarise_effects(rows, form).answers == 7 * 2 * 10
    assert steps[-1] == (28, 28) and [done for done, _ in steps] == sorted(d for d, _ in steps)


def test_rows_survive_json_and_chunks(people: Respondents) -> None:
    rows = measure_effects(TraitMean(), people)
    chunks = [measure_effects(TraitMean(), people.select(slice(s, s + 2))) for s in (0, 2, 4)]
    assert [row for chunk in chunks for row in chunk] == rows
    read = json.loads(json.dumps(rows, allow_nan=False))
    assert summarise_effects(read) == summarise_effects(rows)
    assert set(rows[0]) == {"person", "responses", "given", "clipped"}


def test_two_methods_are_compared_person_by_person(people: Respondents) -> None:
    follower, constant = effects_of(TraitMean(), people), effects_of(Constant(3), people)
    difference = compare_effects(follower, constant)
    assert difference.mean == pytest.approx(follower.total.mean)
    with pytest.raises(EvaluationError, match="different people"):
        compare_effects(follower, effects_of(Constant(3), people.select([0, 1])))


def test_a_trait_nobody_answers_has_no_effect_and_the_others_keep_theirs() -> None:
    def silent_on_n(row: NDArray[np.int8], item: Item) -> int:
        return 0 if item.trait == "N" else 3

    found = effects_of(Told(silent_on_n), keyed_everywhere(2, 4))
    assert [interval.people for interval in found.traits] == [2, 2, 2, 2, 0]
    assert np.isnan(found.traits[4].mean) and np.isnan(found.total.mean)
    assert found.unparsed == 7 * 2 * sum(item.trait == "N" for item in FORM.held_out)
    assert list(TRAITS)[4] == "N"


def test_what_cannot_be_summarised_is_refused(people: Respondents) -> None:
    with pytest.raises(EvaluationError, match="no rows"):
        summarise_effects([])
    with pytest.raises(EvaluationError, match="names an option"):
        effects_of(Told(lambda row, item: 0), people)
    with pytest.raises(EvaluationError, match=r"need \(35, 180\)"):
        effect_rows(np.ones((5, 180), int), people)
    rows = measure_effects(Constant(3), people)
    short = [{**row, "responses": {v: [3] * 7 for v in VERSIONS}} for row in rows]
    with pytest.raises(EvaluationError, match="7 answers a version"):
        summarise_effects(short)
    with pytest.raises(EvaluationError, match="cannot be read"):
        summarise_effects([{**rows[0], "responses": {"base": [3] * 180}}])
