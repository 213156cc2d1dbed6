"""The methods by name. A new method is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from personalign.errors import MethodError
from personalign.methods.base import Method, PersonaMethod, model_for
from personalign.methods.caa import Caa
from personalign.methods.dials import Dials, DialsFewShot
from personalign.methods.dpo import Dpo
from personalign.methods.facet_prompt import FacetPrompt
from personalign.methods.few_shot import FewShot
from personalign.methods.grpo import Grpo
from personalign.methods.iti import Iti
from personalign.methods.nearest import FewShotFacet, FewShotNearest
from personalign.methods.none import NoPersona
from personalign.methods.pas import Pas
from personalign.methods.personality_prompt import PersonalityPrompt
from personalign.methods.ppo import Ppo
from personalign.methods.sft import Lora, PromptTuning, QLora, SftFull

if TYPE_CHECKING:
    from personalign.model.any_model import Model

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        NoPersona,
        FewShot,
        FewShotNearest,
        FewShotFacet,
        FacetPrompt,
        PersonalityPrompt,
        Pas,
        Dials,
        DialsFewShot,
        Iti,
        Caa,
        Dpo,
        Ppo,
        Grpo,
        SftFull,
        Lora,
        QLora,
        PromptTuning,
    )
}
"""Every method that asks a model; `description` says what each does."""


def get_method(name: str, *, decoder: Model, **settings: Any) -> Method:
    """The method called `name`, for a model.

    name: of a method, or METHOD@PRESET for one that trains, as in 'dpo@small'.
    settings: keyword arguments of the method.
    Raises MethodError for a name that does not exist or a setting the method cannot take.
    """
    made = method_class(name)
    model_for(made, decoder)
    preset = name.partition("@")[2]
    if preset:
        settings = {"preset": preset, **settings}
    try:
        return cast("Callable[..., Method]", made)(decoder, **settings)
    except TypeError as error:
        raise MethodError(f"The method {name} cannot take these settings: {error}.") from error


def get_persona_method(name: str, *, decoder: Model, **settings: Any) -> PersonaMethod:
    """As `get_method`, for what needs a persona to keep or to talk to.

    Raises MethodError, naming those that do, also for a method that makes none.
    """
    made = get_method(name, decoder=decoder, **settings)
    if not isinstance(made, PersonaMethod):
        able = ", ".join(key for key, known in METHODS.items() if issubclass(known, PersonaMethod))
        raise MethodError(
            f"{name} makes no persona: it writes another prompt for every question it is asked. "
            f"Evaluate it with `personalign evaluate`; methods that make personas are {able}."
        )
    return made


def method_class(name: str) -> type[Method]:
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
