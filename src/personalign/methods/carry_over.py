"""A persona carried over to its model in another precision: 4-bit or 8-bit weights, another dtype.

A persona belongs to one model, and the same model quantised is another one: its heads put out
something a little different, and sigma, their spread along a direction, is a little different too.
A carried persona keeps prompt, heads, directions, alpha and scope; sigma is estimated anew:

    sigma' = sigma * std(X' theta) / std(X theta)

X and X' are what the heads hold at the end of an agreeing and of a disagreeing answer to each
tuning item (`activations.py`), in the persona's own model and in the quantised one. Neither depends
on the person, so both are read once for any number of personas, and nobody's answers are needed.

`pas` and `iti` estimate sigma over the items on which the person took a side; which ones these were
is in the persona's sigma and stays in it. For somebody who took a side on every item, sigma' is
what the method itself would find on the quantised model along these directions. What `dials` learnt
is a length, no spread; by the same rule it stays as many spreads long. A residual shift has no
sigma and is kept as it is. An adapter is refused: it was trained around other weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.errors import PersonaError
from personalign.inventory.forms import get_inventory
from personalign.inventory.items import ipip_neo_300
from personalign.methods.activations import cache_folder, contrast_outputs
from personalign.model.persona import ANSWERS_KEY, Persona
from personalign.model.prompts import PAPI, get_wording

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.methods.base import Progress
    from personalign.model.decoder import Decoder
    from personalign.model.prompts import Wording
    from personalign.model.shift import Shift

CARRIED_KEY = "carried_over"
"""Key of the provenance under which a carried persona says where it comes from."""

STILL_TRUE = ("method", "settings", "inventory", "protocol", "heads", ANSWERS_KEY)
"""What a persona's provenance says that holds on the quantised model as well; the rest (accuracies,
curves, side effects) was measured on its own model, and is kept as said of that one."""

SAME_MODEL = 0.5
"""Least correlation of what the pushed heads say in both models, the median over heads."""


@dataclass(frozen=True)
class Way:
    """How the heads were read that a persona was made from."""

    inventory: str
    """Name of the questionnaire whose tuning items were read."""
    wording: str
    """Name of the wording they were put in."""
    label_only: bool
    """Whether the answers were bare labels, as in the paper's protocol."""

    @classmethod
    def of(cls, persona: Persona) -> Way:
        """The way of a persona's method, by its provenance; the usual one where that is silent."""
        told = persona.provenance
        return cls(
            str(told.get("inventory") or ipip_neo_300().name),
            str((told.get("settings") or {}).get("wording") or PAPI.name),
            told.get("protocol") == "paper",
        )

    @property
    def items(self) -> tuple[Item, ...]:
        """The items; InventoryError for a questionnaire that is not known by name."""
        return get_inventory(self.inventory).tuning

    @property
    def words(self) -> Wording:
        """The wording; MethodError for one that is not known by name."""
        return get_wording(self.wording)


@dataclass(frozen=True)
class Carried:
    """A persona of the quantised model, and how its heads compare with the other model's."""

    persona: Persona
    """Made for the quantised model; where it comes from is in its provenance."""
    ratios: NDArray[np.float64] = field(repr=False)
    """(K,) sigma as estimated on the quantised model, over sigma before; empty without heads."""
    agreement: NDArray[np.float64] = field(repr=False)
    """(K,) correlation, over chats, of what both models' heads say along the direction; NaN for a
    head that says the same to everything."""


def read_heads(
    decoder: Decoder,
    personas: Sequence[Persona],
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> dict[Way, torch.Tensor]:
    """What a model's heads hold after yes and after no, in every way these personas need.

    cache: where it is kept, by the model's fingerprint; the user's cache folder unless given.
    progress: called with (chats read, chats), for each way; never for what is kept already.
    Returns way -> (2 * items, layers, heads, head_dim) float32, rows as in `contrast_outputs`;
    empty where none of the personas pushes a head.
    """
    folder = Path(cache) if cache is not None else cache_folder()
    ways = dict.fromkeys(Way.of(persona) for persona in personas if persona.shift is not None)
    return {
        way: contrast_outputs(
            decoder,
            way.items,
            way.words,
            label_only=way.label_only,
            cache=folder,
            progress=progress,
        )
        for way in ways
    }


def carry_over(
    persona: Persona,
    decoder: Decoder,
    *,
    before: Mapping[Way, torch.Tensor],
    after: Mapping[Way, torch.Tensor],
    keep_sigmas: bool = False,
) -> Carried:
    """The persona as one of `decoder`, which is its own model in another precision.

    before, after: what `read_heads` gave of the persona's own model, and of `decoder`.
    keep_sigmas: push with the old sigmas after all; what was estimated is only told.
    Raises PersonaError for a persona with an adapter, or where the two models' heads say different
    things; SteeringError where the push does not fit the decoder.

    >>> from personalign.model.fake import fake_decoder
    >>> from personalign.model.shift import Shift
    >>> decoder, half = fake_decoder(), fake_decoder(dtype=torch.bfloat16)
    >>> persona = Persona(shift=Shift([1], [2], np.eye(1, 8), [1.0]), alpha=2.0)
    >>> before, after = (read_heads(model, [persona]) for model in (decoder, half))
    >>> carried = carry_over(persona, half, before=before, after=after)
    >>> carried.persona.provenance["dtype"], bool(abs(carried.ratios[0] - 1) < 0.1)
    ('bfloat16', True)
    """
    refuse_adapter(persona)
    shift, ratios, agreement = persona.shift, np.ones(0), np.ones(0)
    if persona.residual is not None:
        decoder.check_residual(persona.residual)
    if shift is not None:
        decoder.check_shift(shift)
        way = Way.of(persona)
        ratios, agreement = _compared(shift, before[way], after[way])
        _check_same(persona, decoder, agreement)
        shift = shift if keep_sigmas else replace(shift, sigmas=shift.sigmas * ratios)
    told = _told(persona, decoder, ratios, agreement, keep_sigmas)
    return Carried(replace(persona, shift=shift, provenance=told), ratios, agreement)


def refuse_adapter(persona: Persona) -> None:
    """Raise PersonaError for a persona that cannot be carried over."""
    if persona.adapter is not None:
        raise PersonaError(
            "A persona with an adapter is not carried over: the adapter was trained around the "
            "weights of its own model. Train one on the quantised model, e.g. with `personalign "
            "align --quantise 4bit --method lora`."
        )


def _compared(
    shift: Shift, before: torch.Tensor, after: torch.Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K,) ratios of spreads along the directions, and (K,) correlations."""
    own, other = (_along(outputs, shift) for outputs in (before, after))
    spread, anew = own.std(axis=0), other.std(axis=0)
    ratios = np.divide(anew, spread, out=np.ones_like(spread), where=spread > 0)
    both = spread * anew
    together = ((own - own.mean(axis=0)) * (other - other.mean(axis=0))).mean(axis=0)
    agreement = np.divide(together, both, out=np.full_like(both, np.nan), where=both > 0)
    return ratios, agreement


def _along(outputs: torch.Tensor, shift: Shift) -> NDArray[np.float64]:
    """(rows, K) what the shift's heads put out along its directions."""
    pushed = outputs.numpy()[:, shift.layers, shift.heads].astype(np.float64)
    return np.einsum("rkd,kd->rk", pushed, shift.directions.astype(np.float64))


def _check_same(persona: Persona, decoder: Decoder, agreement: NDArray[np.float64]) -> None:
    said = agreement[np.isfinite(agreement)]
    if len(said) and np.median(said) < SAME_MODEL:
        raise PersonaError(
            f"{decoder.name} does not seem to be {persona.provenance.get('model', 'that model')} "
            f"in another precision: what their heads say correlates at {np.median(said):.2f}, and "
            f"{SAME_MODEL} is the least a copy may have. Name the persona's own model, or align "
            "the person on this one."
        )


def _told(
    persona: Persona,
    decoder: Decoder,
    ratios: NDArray[np.float64],
    agreement: NDArray[np.float64],
    kept: bool,
) -> dict[str, Any]:
    """The provenance of the carried persona: what still holds, and what was said of the old one."""
    from personalign import __version__

    old = persona.provenance
    origin = {name: value for name, value in old.items() if name != ANSWERS_KEY}
    carried: dict[str, Any] = {"from": {**origin, "key": persona.key}}
    if persona.shift is not None:
        sigmas = persona.shift.sigmas
        carried["sigmas"] = {
            "before": [round(sigma, 6) for sigma in sigmas.tolist()],
            "estimated": [round(sigma, 6) for sigma in (sigmas * ratios).tolist()],
            "kept": kept,
        }
        carried["agreement"] = [None if np.isnan(r) else round(r, 6) for r in agreement.tolist()]
    return {
        **decoder.provenance,
        **{name: old[name] for name in STILL_TRUE if name in old},
        "version": __version__,
        CARRIED_KEY: carried,
    }
