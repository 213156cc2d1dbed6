"""Who speaks in a chat, and how strongly: the model as it is, a persona, its mirror image.

The persona is one's own, or one that somebody shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalign.errors import UnknownPersonaError
from personalign.model.persona import PLAIN, Persona
from personalign.web.personas.access import may_speak
from personalign.web.refusals import PageRefusal

if TYPE_CHECKING:
    from personalign.web.personas.pairs import Pair
    from personalign.web.site import Site

SPEAKERS = ("base", "mine", "mirrored", "shared")
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
    asker: str
    """Account and persona: nobody else finds what was read of this prompt (`Request.asker`)."""
    still: Callable[[], bool] = lambda: True
    """Whether it may speak now: neither deleted nor no longer shared. It asks the database."""

    @property
    def alpha(self) -> float | None:
        """The strength it speaks with; None where nothing is pushed at any strength."""
        return self.persona.alpha if self.persona.pushes else None


def speakers_of(
    site: Site, account_id: str, pair: Pair, view: str = "all", alpha: float | None = None
) -> list[Speaker]:
    """Who answers an account in a view.

    alpha: the strength of the pair's persona; its mirror image gets as many times the strength
    that was chosen for it. None: both as chosen.
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
    if strength is not None:
        wanted = strength.checked(alpha)
        mine = mine.with_alpha(wanted)
    name = "mine" if pair.owner is None else "shared"

    def speaker(name: str, persona: Persona, number: str) -> Speaker:
        asker = asker_of(account_id, number)
        return Speaker(name, persona, asker, _still(site, account_id, number))

    base = Speaker("base", PLAIN, asker_of(account_id, "base"))
    everybody = [base, speaker(name, mine, pair.mine)]
    if turned is not None and pair.mirrored is not None:
        if strength is not None and turned.pushes:
            times = wanted / strength.best if strength.best > 0 else None
            turned = turned.with_alpha(wanted if times is None else times * turned.alpha)
        everybody.append(speaker("mirrored", turned, pair.mirrored))
    return [one for one in everybody if view in ("all", one.name)]


def asker_of(account_id: str, spoken_to: str) -> str:
    """A `Request.asker` of the site's pages. spoken_to: a stored persona's id, or a name."""
    return f"account {account_id} {spoken_to}"


def _still(site: Site, account_id: str, persona_id: str) -> Callable[[], bool]:
    def ask() -> bool:
        with site.database.reading() as session:
            return may_speak(session, account_id, persona_id)

    return ask
