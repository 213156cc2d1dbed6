"""Whose replies a study compares: from a recipe to one persona a condition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from personalign.errors import EvaluationError
from personalign.evaluation.assistants import ALIGNED, MISALIGNED, ORIGINAL
from personalign.model.persona import PLAIN
from personalign.web.personas.pairs import pairs_of

if TYPE_CHECKING:
    from personalign.model.persona import Persona
    from personalign.web.site import Site
    from personalign.web.study.recipe import Recipe

KINDS = {ALIGNED: "mine", MISALIGNED: "mirrored"}
"""Condition -> the kind of persona it is of."""

LOOK_SECONDS = 0.2
"""How often it is looked whether the personas are still wanted."""


def stored_speakers(site: Site, recipe: Recipe, account_id: str) -> dict[str, Persona]:
    """Condition -> persona, of an account's newest persona and its mirror image.

    Raises EvaluationError where the account has none for the recipe's model.
    """
    with site.database.reading() as session:
        found = newest_personas(session, account_id, recipe.model)
    if found is None:
        raise EvaluationError(
            f"There is no persona for the model {recipe.model} with its mirror image; answer the "
            "questionnaire and align the model first."
        )
    personas = {kind: site.shelf.load(number) for kind, number in found.items()}
    return _by_condition(recipe, personas)


def simulated_speakers(
    site: Site, recipe: Recipe, seed: int, go_on: Callable[[], object]
) -> dict[str, Persona]:
    """Condition -> persona, of a made-up person and of their answers mirrored.

    They are made in the aligner's thread. go_on: called every now and then; raises to give up.
    """
    from personalign.dataset.mirror import mirrored
    from personalign.dataset.people import Respondents
    from personalign.dataset.simulate import simulate

    person, ended = simulate(1, seed=seed), threading.Event()
    both = Respondents.concat([person, replace(mirrored(person), ids=("mirrored",))])
    made: list[Persona] = []
    wrong: list[Exception] = []

    def advance(_done: int, _total: int) -> None:
        go_on()

    def make() -> None:
        try:
            made.extend(site.aligner.make(recipe.model, both, advance))
        except Exception as error:
            wrong.append(error)
        finally:
            ended.set()

    site.aligner.soon(make)
    while not ended.wait(LOOK_SECONDS):
        go_on()
    if wrong:
        raise wrong[0]
    return _by_condition(recipe, dict(zip(("mine", "mirrored"), made, strict=True)))


def newest_personas(session: Session, account_id: str, model: str) -> dict[str, str] | None:
    """Kind -> id of somebody's newest persona for a model and of its mirror image, or None."""
    for pair in pairs_of(session, account_id):
        if pair.model == model and pair.mirrored is not None:
            return {"mine": pair.mine, "mirrored": pair.mirrored}
    return None


def _by_condition(recipe: Recipe, personas: dict[str, Persona]) -> dict[str, Persona]:
    return {
        condition: PLAIN if condition == ORIGINAL else personas[KINDS[condition]]
        for condition in recipe.conditions
    }
