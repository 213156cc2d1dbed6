"""Which persona a request means: `BASE:PERSONA@ALPHA` in `model`, or the field `personalign`.

pocket                 the model as it is
pocket:ann             the persona ann, as strong as it was made
pocket:ann@2.5         pushed 2.5 steps
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from personalign.model.persona import Persona, Scope
from personalign.server.refusals import Refusal

if TYPE_CHECKING:
    from personalign.server.bodies import PersonaChoice


@dataclass(frozen=True)
class Choice:
    """Who replies."""

    persona: str | None
    """Name of a persona, or None for the model as it is."""
    alpha: float | None = None
    """How strongly, or None for the persona's own strength."""
    scope: Scope | None = None
    """Where it is pushed, or None for the persona's own scope."""

    def model_name(self, base: str) -> str:
        """The name that means this.

        >>> Choice("ann", 2.5).model_name("pocket")
        'pocket:ann@2.5'
        """
        if self.persona is None:
            return base
        strength = "" if self.alpha is None else f"@{self.alpha:.12g}"
        return f"{base}:{self.persona}{strength}"

    def applied(self, persona: Persona) -> Persona:
        """The persona at this strength and scope.

        Raises Refusal where it is never pushed, so that neither would do anything.
        """
        for field, given in (("alpha", self.alpha), ("scope", self.scope)):
            if given is not None and not persona.pushes:
                raise Refusal(
                    400,
                    f"The persona {self.persona} works by its prompt or its training and is not "
                    f"pushed, so {field} would do nothing; leave it out.",
                    param=field,
                    code="invalid_value",
                )
        return replace(
            persona,
            alpha=persona.alpha if self.alpha is None else self.alpha,
            scope=self.scope or persona.scope,
        )


def parse_choice(base: str, model: str, spelt_out: PersonaChoice | None) -> Choice:
    """Who is meant by the two fields together; they may not contradict each other.

    base: the served name of the model. Raises Refusal for a model that is not here (404) and for
    a contradiction (400).

    >>> parse_choice("pocket", "pocket:ann@2", None)
    Choice(persona='ann', alpha=2.0, scope=None)
    """
    named = _parse(base, model)
    if spelt_out is None:
        return named
    field = "personalign"
    persona, alpha = spelt_out.persona, spelt_out.alpha
    if named.persona is not None and persona is not None and named.persona != persona:
        raise _contradiction(f"the model's name says {named.persona}, {field}.persona {persona}")
    if named.alpha is not None and alpha is not None and named.alpha != alpha:
        raise _contradiction(
            f"the model's name says alpha {named.alpha:g}, {field}.alpha {alpha:g}"
        )
    found = Choice(
        named.persona if persona is None else persona,
        named.alpha if alpha is None else alpha,
        spelt_out.scope,
    )
    if found.persona is None and (found.alpha is not None or found.scope is not None):
        raise Refusal(
            400,
            "alpha and scope say how a persona is pushed, and no persona is named; name one in "
            f"{field}.persona, or leave them out.",
            param=field,
            code="invalid_value",
        )
    return found


def unknown_model(model: str, base: str) -> Refusal:
    """The refusal of a model or persona that is not here, or that the key may not see."""
    return Refusal(
        404,
        f"The model {model!r} does not exist or your key may not use it; the base is {base!r}, a "
        f"persona is '{base}:NAME', and GET /v1/models lists them.",
        code="model_not_found",
        param="model",
    )


def served_name(name: str) -> str:
    """What a model is called to the outside: no folders of this machine.

    >>> served_name("Qwen/Qwen3-8B"), served_name("pocket")
    ('Qwen/Qwen3-8B', 'pocket')
    """
    path = Path(name)
    return path.resolve().name if path.is_absolute() or path.exists() else name


def _parse(base: str, model: str) -> Choice:
    if model == base:
        return Choice(None)
    if not model.startswith(f"{base}:"):
        raise unknown_model(model, base)
    persona, at, strength = model.removeprefix(f"{base}:").partition("@")
    if not at:
        return Choice(persona)
    try:
        alpha = float(strength)
    except ValueError:
        alpha = math.nan
    if not math.isfinite(alpha) or abs(alpha) > 1e6:
        raise Refusal(
            400,
            f"The strength {strength!r} in the model's name is no number up to a million; write "
            f"'{base}:{persona}@2', or leave it out for the persona's own.",
            param="model",
            code="invalid_value",
        )
    return Choice(persona, alpha)


def _contradiction(said: str) -> Refusal:
    return Refusal(
        400,
        f"Two different personas are asked for: {said}. Say it once.",
        param="personalign",
        code="invalid_value",
    )
