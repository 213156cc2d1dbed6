"""`export_persona`: one persona as files for another engine, checked before they get their name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from personalign import __version__
from personalign.errors import ExportError
from personalign.model.export.bake import check_bakeable
from personalign.model.export.check import Difference, Reference, reference
from personalign.model.export.ctranslate2 import check_ctranslate2, write_ctranslate2
from personalign.model.export.gguf import check_gguf, write_gguf
from personalign.model.export.hf import SHARD_SIZE, check_hf, write_hf
from personalign.model.export.lm_eval import check_lm_eval, check_steerable, write_lm_eval
from personalign.model.files import fresh_folder

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

Format = Literal["hf", "ctranslate2", "lm-eval", "gguf-bias"]
"""A baked checkpoint; one converted for CTranslate2; a steering file for lm-evaluation-harness; a
baked model in llama.cpp's form."""

RECORD = "personalign_export.json"
"""What an export says of itself: the persona, the model, and how far the two are apart."""


@dataclass(frozen=True)
class Exported:
    """An export that is the persona, and where it lies."""

    folder: Path
    """Its folder."""
    format: Format
    """Its form."""
    holds: str
    """Where the push is, in words."""
    difference: Difference
    """Its logits against the steered decoder's."""


def export_persona(
    decoder: Decoder,
    persona: Persona,
    folder: str | Path,
    *,
    format: Format = "hf",
    everywhere: bool = False,
    shard_size: str | None = None,
) -> Exported:
    """Write a persona for another engine, and make sure that it is the persona.

    folder: a new or an empty one. everywhere: bake the push of a persona of scope 'generated' at
    all positions, which makes it another persona. shard_size: the largest file of weights of a
    checkpoint, e.g. '2GB'; for 'hf' only, where None is 5GB.
    The written files are loaded again, by the engine itself where it can be installed, and asked
    fixed chats; their logits are compared with the steered decoder's (`check.py`).
    Returns what was written and the difference. Raises ExportError when the persona cannot be
    expressed so or the export differs; nothing is then left in `folder`. MissingPackageError
    without the engine's package.
    """
    if format not in get_args(Format):
        raise ExportError(
            f"The export format {format!r} is not known; name one of {', '.join(get_args(Format))}."
        )
    if shard_size is not None and format != "hf":
        raise ExportError(
            f"shard_size is {shard_size!r}, but only the format 'hf' is written in shards; leave "
            f"it out for {format!r}."
        )
    if shard_size is not None and not re.fullmatch(r"[1-9]\d*[KMGT]B", shard_size):
        raise ExportError(f"shard_size is {shard_size!r}; write it as '2GB' or '500MB'.")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} exists and is not empty; name a new or an empty folder.")
    scope = persona.scope
    if everywhere:
        persona = replace(persona, scope="all")
    check = check_steerable if format == "lm-eval" else check_bakeable
    check(decoder, persona)
    wanted = reference(decoder, persona)
    with fresh_folder(folder) as fresh:
        holds, difference = _WRITERS[format](
            decoder, persona, fresh, wanted, shard_size or SHARD_SIZE
        )
        record = {
            "format": format,
            "holds": holds,
            "check": asdict(difference),
            "ends": decoder.tokenizer.convert_ids_to_tokens(list(decoder.ends)),
            "persona": {
                "key": persona.key,
                "alpha": persona.alpha,
                "scope": scope,
                "baked_everywhere": everywhere and scope != "all",
                "system_prompt": persona.system_prompt,
                "method": persona.provenance.get("method"),
            },
            "model": decoder.provenance,
            "personalign": __version__,
        }
        text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
        (fresh / RECORD).write_text(text + "\n", "utf-8")
    return Exported(folder, format, holds, difference)


Writer = Callable[["Decoder", "Persona", Path, Reference, str], tuple[str, Difference]]
"""Writes an export into an empty folder and checks it; returns where the push is, in words."""


def _hf(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference, shard_size: str
) -> tuple[str, Difference]:
    baked = write_hf(decoder, persona, folder, shard_size=shard_size)
    holds = baked.holds
    del baked  # before the check loads the model a second time
    return holds, check_hf(decoder, persona, folder, wanted)


def _ctranslate2(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference, _shard_size: str
) -> tuple[str, Difference]:
    holds = write_ctranslate2(decoder, persona, folder)
    return holds, check_ctranslate2(decoder, persona, folder, wanted)


def _lm_eval(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference, _shard_size: str
) -> tuple[str, Difference]:
    holds = write_lm_eval(decoder, persona, folder)
    return holds, check_lm_eval(decoder, persona, folder, wanted)


def _gguf(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference, _shard_size: str
) -> tuple[str, Difference]:
    holds, config = write_gguf(decoder, persona, folder)
    return holds, check_gguf(decoder, config, folder, wanted)


_WRITERS: dict[Format, Writer] = {
    "hf": _hf,
    "ctranslate2": _ctranslate2,
    "lm-eval": _lm_eval,
    "gguf-bias": _gguf,
}
