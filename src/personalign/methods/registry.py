"""The methods by name. A new method is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from personalign.errors import MethodError
from personalign.methods.base import PersonaMethod
from personalign.methods.few_shot import FewShot
from personalign.methods.none import NoPersona
from personalign.methods.pas import Pas

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

METHODS: dict[str, type[PersonaMethod]] = {
    method.name: method for method in (NoPersona, FewShot, Pas)
}
"""Every method that makes personas; `description` says what each does."""


def get_method(name: str, *, decoder: Decoder, **settings: Any) -> PersonaMethod:
    """The method called `name`, for a model.

    name: of a method, or METHOD@PRESET for one that trains, as in 'dpo@small'.
    settings: keyword arguments of the method.
    Raises MethodError for a name that does not exist or a setting the method cannot take.
    """
    made = method_class(name)
    preset = name.partition("@")[2]
    if preset:
        settings = {"preset": preset, **settings}
    try:
        return made(decoder, **settings)
    except TypeError as error:
        raise MethodError(f"The method {name} cannot take these settings: {error}.") from error


def method_class(name: str) -> type[PersonaMethod]:
    """The class behind a name, with or without a preset.

    Raises MethodError for a method that does not exist, or a preset where there are none.
    """
    plain, at, _ = name.partition("@")
    if plain not in METHODS:
        raise MethodError(
            f"There is no method {plain!r}; the methods are {', '.join(METHODS)}. "
            "`personalign methods` describes them."
        )
    if at and not getattr(METHODS[plain], "presets", None):
        raise MethodError(f"The method {plain} has no presets, so call it {plain}, not {name}.")
    return METHODS[plain]
