"""Personalign: from a person's questionnaire answers to an aligned language model, honestly scored.

    >>> import personalign
    >>> people = personalign.simulate(3, seed=0)
    >>> people.responses.shape  # (people, items), 1-5 as ticked, 0 missing
    (3, 300)

The names below are the public surface. Each is imported when it is first used, so that
``import personalign`` costs nothing; the rooms they live in are open too: ``inventory``,
``dataset``, ``model``, ``methods``, ``evaluation``, ``bench`` and ``errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personalign.dataset.answers import read_answers, write_answers
    from personalign.dataset.papi import read_people
    from personalign.dataset.people import Respondents
    from personalign.dataset.simulate import simulate
    from personalign.dataset.split import split_people
    from personalign.errors import PersonalignError
    from personalign.evaluation.aligned import AlignedScore, aligned_score
    from personalign.inventory.big_five_50 import big_five_50
    from personalign.inventory.items import Inventory, Item, ipip_neo_120, ipip_neo_300
    from personalign.inventory.scoring import facet_means, trait_means
    from personalign.methods.base import Method, PersonaMethod
    from personalign.methods.registry import METHODS, get_method
    from personalign.model.answer import Answers, answer_items, answer_items_by_text
    from personalign.model.any_model import answers_of, texts_of
    from personalign.model.api import ApiModel
    from personalign.model.capture import capture_heads
    from personalign.model.decoder import Decoder
    from personalign.model.generate import generate, stream
    from personalign.model.persona import PLAIN, Persona
    from personalign.model.prompts import Wording
    from personalign.model.shift import Shift
    from personalign.model.steer import steer_heads

__version__ = "0.1.0"

_HOMES = {
    "Item": "inventory.items",
    "Inventory": "inventory.items",
    "ipip_neo_300": "inventory.items",
    "ipip_neo_120": "inventory.items",
    "big_five_50": "inventory.big_five_50",
    "facet_means": "inventory.scoring",
    "trait_means": "inventory.scoring",
    "Respondents": "dataset.people",
    "read_people": "dataset.papi",
    "read_answers": "dataset.answers",
    "write_answers": "dataset.answers",
    "simulate": "dataset.simulate",
    "split_people": "dataset.split",
    "Decoder": "model.decoder",
    "Persona": "model.persona",
    "PLAIN": "model.persona",
    "Shift": "model.shift",
    "Wording": "model.prompts",
    "capture_heads": "model.capture",
    "steer_heads": "model.steer",
    "Answers": "model.answer",
    "ApiModel": "model.api",
    "answers_of": "model.any_model",
    "texts_of": "model.any_model",
    "answer_items": "model.answer",
    "answer_items_by_text": "model.answer",
    "generate": "model.generate",
    "stream": "model.generate",
    "Method": "methods.base",
    "PersonaMethod": "methods.base",
    "METHODS": "methods.registry",
    "get_method": "methods.registry",
    "AlignedScore": "evaluation.aligned",
    "aligned_score": "evaluation.aligned",
    "PersonalignError": "errors",
}
"""Public name -> the module below personalign it lives in."""

_ROOMS = ("inventory", "dataset", "model", "methods", "evaluation", "bench", "errors")

__all__ = [
    "Item",
    "Inventory",
    "ipip_neo_300",
    "ipip_neo_120",
    "big_five_50",
    "facet_means",
    "trait_means",
    "Respondents",
    "read_people",
    "read_answers",
    "write_answers",
    "simulate",
    "split_people",
    "Decoder",
    "Persona",
    "PLAIN",
    "Shift",
    "Wording",
    "capture_heads",
    "steer_heads",
    "Answers",
    "ApiModel",
    "answers_of",
    "texts_of",
    "answer_items",
    "answer_items_by_text",
    "generate",
    "stream",
    "Method",
    "PersonaMethod",
    "METHODS",
    "get_method",
    "AlignedScore",
    "aligned_score",
    "PersonalignError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name, or a room, the first time somebody asks for it."""
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
