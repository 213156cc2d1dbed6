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

    settings: keyword arguments of the method.
    Raises MethodError for a name that does not exist or a setting the method cannot take.
    """
    if name not in METHODS:
        raise MethodError(
            f"There is no method {name!r}; the methods are {', '.join(METHODS)}. "
            "`personalign methods` describes them."
        )
    try:
        return METHODS[name](decoder, **settings)
    except TypeError as error:
        raise MethodError(f"The method {name} cannot take these settings: {error}.") from error
