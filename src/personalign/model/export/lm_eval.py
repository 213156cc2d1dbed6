"""The push as a file for lm-evaluation-harness's own steered model.

Its `steered` model type adds a vector to the output of a module at every position. For the heads
that module is the attention output projection and the vector W_o v; for the residual stream at
layer l it is layer l - 1 (or the embedding) and the vector itself. No architecture needs a slot,
and the strength stays a number in the file: `steering_coefficient` is alpha.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import ExportError, MissingPackageError
from personalign.model.decoder import Decoder
from personalign.model.export.check import Difference, Reference, compare
from personalign.model.heads import projection_bias
from personalign.model.residual import Stream
from personalign.model.steer import row_displacements

if TYPE_CHECKING:
    from personalign.model.persona import Persona

STEER_FILE = "steer.pt"


def check_steerable(_decoder: Decoder, persona: Persona) -> None:
    """Raise ExportError for what the harness's steered model cannot express."""
    if not persona.steers:
        raise ExportError(
            "The persona pushes nothing, so there is nothing to steer lm-evaluation-harness with; "
            "give it the system prompt instead: lm_eval --system_instruction."
        )
    if persona.adapter is not None:
        raise ExportError(
            "The persona has an adapter, which lm-evaluation-harness's steered model does not "
            "take. Export --format hf, which merges it, and evaluate that model."
        )
    if persona.scope == "generated":
        raise ExportError(
            "The persona pushes generated positions only; lm-evaluation-harness's steered model "
            "pushes all of them. --everywhere (everywhere=True) writes that other persona. "
            "`personalign reason` runs this one through the harness as it is."
        )


def write_lm_eval(decoder: Decoder, persona: Persona, folder: Path) -> str:
    """Write steer.pt: hookpoint -> action, steering_vector (hidden,), steering_coefficient.

    Returns where the push is, in words.
    """
    steered: dict[str, dict[str, Any]] = {}
    names = {id(module): name for name, module in decoder.model.base_model.named_modules()}
    for site, rows in row_displacements(decoder, [persona]).items():
        if isinstance(site, Stream):
            blocks = decoder.heads.blocks
            embedding = decoder.model.get_input_embeddings()
            place, step = blocks[site.layer - 1] if site.layer else embedding, rows[0]
        else:
            place = decoder.heads.projections[site]
            step = projection_bias(place, rows[0])
        steered[names[id(place)]] = {
            "action": "add",
            "steering_vector": (step / persona.alpha).cpu(),
            "steering_coefficient": persona.alpha,
            "bias": None,
            "head_index": None,
        }
    torch.save(steered, folder / STEER_FILE)
    told = "" if persona.system_prompt is None else "; the system prompt: --system_instruction"
    return f"{len(steered)} hookpoints{told}"


def check_lm_eval(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference
) -> Difference:
    """Steer with the harness's own class, around the decoder's model; ExportError if it differs."""
    try:
        from lm_eval.models.hf_steered import SteeredModel
    except ImportError as error:
        raise MissingPackageError("lm-eval", "eval", "Export to lm-evaluation-harness") from error
    log = logging.getLogger("lm_eval")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of being given a model, which is what is meant
    try:
        harness = SteeredModel(
            pretrained=decoder.model,
            tokenizer=decoder.tokenizer,
            steer_path=str(folder / STEER_FILE),
            batch_size=1,
        )
    finally:
        log.setLevel(level)

    def logits(ids: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            found = harness._model_call(torch.tensor([ids], device=decoder.device))
        return torch.as_tensor(found[0])

    return compare(wanted, logits, "lm-evaluation-harness's steered model")
