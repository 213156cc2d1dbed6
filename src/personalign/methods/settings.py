"""The settings of methods by name: which there are, and a method built with some of them.

A run has values that every method takes which can (wording, seed, protocol, decision), and a user
may set any one of any method. What a method takes is what its `__init__` does, or, for methods
with presets, what their preset holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from personalign.errors import MethodError
from personalign.methods.registry import get_method, method_class

if TYPE_CHECKING:
    from personalign.methods.base import Method
    from personalign.model.any_model import Model

OF_A_RUN = ("wording", "protocol", "decision")
"""Settings that belong to a whole run, not to one method of it."""


def settings_taken(name: str) -> tuple[str, ...]:
    """Names of the settings a method takes. name: of a method, or METHOD@PRESET.

    >>> settings_taken("pas")
    ('heads', 'direction', 'prompt', 'scope', 'seed', 'cache')
    """
    kind = method_class(name)
    own = getattr(kind, "settings_taken", None)
    if own is None:
        parameters = list(signature(kind).parameters.values())[1:]
        known = [p.name for p in parameters if p.kind is not Parameter.VAR_KEYWORD]
    else:
        known = list(own())
    left_out = {*OF_A_RUN, *(["preset"] if "@" in name else [])}
    return tuple(setting for setting in known if setting not in left_out)


def build_method(
    name: str, model: Model, *, common: Mapping[str, Any], own: Mapping[str, Any]
) -> Method:
    """The method with what the whole run has one value of, where it takes it, and its own settings.

    Raises MethodError for a method, preset or setting that does not exist; it names those there
    are.
    """
    kind = method_class(name)
    known = settings_taken(name)
    for setting in own:
        if setting not in known:
            raise MethodError(
                f"The method {name} has no setting {setting!r}; "
                f"{'its settings are ' + ', '.join(known) if known else 'it has none'}."
            )
    takes = signature(kind).parameters
    shared = {setting: value for setting, value in common.items() if setting in takes}
    return get_method(name, decoder=model, **{**shared, **own})
