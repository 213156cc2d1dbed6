"""Who speaks in a chat, and how strongly: the model as it is, a persona, its mirror image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalign.errors import UnknownPersonaError
from personalign.model.persona import PLAIN, Persona
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.personas.pairs import Pair
    from personalign.web.site import Site

SPEAKERS = ("base", "mine", "mirrored")
VIEWS = ("all", *SPEAKERS)
"""All side by side, or one alone."""

BEYOND = 2.0
"""How far the slider goes, in times the chosen strength."""

STEPS = 40
"""Steps of the slider."""


@dataclass(frozen=True)
class Strength:
    """The slider: alpha from 0 to beyond the strength that was chosen for the persona."""

    best: float
    most: float
    step: float

    @classmethod
    def of(cls, persona: Persona) -> Strength | None:
        """A persona's; None for one that is a prompt alone, which has no strength.

        >>> Strength.of(PLAIN) is None
        True
        """
        if not persona.pushes:
            return None
        most = BEYOND * persona.alpha if persona.alpha > 0 else BEYOND
        return cls(persona.alpha, most, most / STEPS)

    def checked(self, alpha: float | None) -> float:
        """A wanted strength within the slider; the chosen one where none is wanted."""
        if alpha is None:
            return self.best
        if not 0 <= alpha <= self.most + 1e-9:
            raise PageRefusal(400, "not_understood")
        return alpha


@dataclass(frozen=True)
class Speaker:
    """One who answers."""

    name: str
    """One of SPEAKERS."""
    persona: Persona

    @property
    def alpha(self) -> float | None:
        """The strength it speaks with; None where nothing is pushed at any strength."""
        return self.persona.alpha if self.persona.pushes else None


def speakers_of(
    site: Site, pair: Pair, view: str = "all", alpha: float | None = None
) -> list[Speaker]:
    """Who answers in a view.

    alpha: the strength of the person's own persona; its mirror image gets as many times the
    strength that was chosen for it. None: both as chosen.
    Raises PageRefusal where a persona is gone, or alpha is beyond the slider.
    """
    if view not in VIEWS:
        raise PageRefusal(400, "not_understood")
    try:
        mine = site.shelf.load(pair.mine)
        turned = None if pair.mirrored is None else site.shelf.load(pair.mirrored)
    except UnknownPersonaError:
        raise PageRefusal(410, "persona_gone") from None
    strength = Strength.of(mine)
    everybody = [Speaker("base", PLAIN)]
    if strength is not None:
        wanted = strength.checked(alpha)
        everybody.append(Speaker("mine", mine.with_alpha(wanted)))
    else:
        everybody.append(Speaker("mine", mine))
    if turned is not None:
        if strength is not None and turned.pushes:
            times = wanted / strength.best if strength.best > 0 else None
            turned = turned.with_alpha(wanted if times is None else times * turned.alpha)
        everybody.append(Speaker("mirrored", turned))
    return [one for one in everybody if view in ("all", one.name)]
