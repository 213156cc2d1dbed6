"""A baked checkpoint converted for CTranslate2, which runs it on CPUs and GPUs without torch."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from personalign.errors import ExportError, MissingPackageError
from personalign.model.decoder import Decoder
from personalign.model.export.check import Difference, Reference, check_reply, compare
from personalign.model.export.hf import check_chats, write_hf
from personalign.model.loading import first_line, quiet

if TYPE_CHECKING:
    from personalign.model.persona import Persona

_CARRIED = ("tokenizer", "special_tokens", "added_tokens", "chat_template", "vocab", "merges")
"""How the names of the files begin that turn messages into token ids."""

_CONVERTED = "The model converted for CTranslate2"


def write_ctranslate2(decoder: Decoder, persona: Persona, folder: Path) -> str:
    """Write model.bin, its config and vocabulary, and the tokenizer with the chat template.

    The weights keep their dtype. Returns where the push is, in words. Raises ExportError as `bake`
    does, and for an architecture that CTranslate2's converter does not know; MissingPackageError
    without ctranslate2.
    """
    converters = _package().converters
    with tempfile.TemporaryDirectory(prefix="hf-", dir=folder.parent) as beside:
        baked = write_hf(decoder, persona, Path(beside))
        holds, family = baked.holds, baked.model.config.model_type
        del baked
        try:
            with quiet():
                converters.TransformersConverter(beside).convert(str(folder), force=True)
        except Exception as error:  # what a loader raises depends on the architecture
            reason = first_line(error).split(" (supported")[0]
            raise ExportError(
                f"CTranslate2's converter does not take this {family} model: {reason} Export "
                "--format hf, which other engines load."
            ) from error
        _finish_config(folder / "config.json", decoder)
        for path in Path(beside).iterdir():
            if path.name.startswith(_CARRIED):
                shutil.copy2(path, folder / path.name)
    return holds


def check_ctranslate2(
    decoder: Decoder, persona: Persona, folder: Path, wanted: Reference
) -> Difference:
    """Run the converted model with CTranslate2; ExportError unless it is the persona."""
    check_chats(decoder, persona, folder)
    package = _package()
    on = "cuda" if decoder.device.type == "cuda" and package.get_cuda_device_count() else "cpu"

    def logits(ids: list[int]) -> torch.Tensor:
        found = engine.forward_batch([ids]).to_device(package.Device.cpu)
        return torch.from_numpy(np.array(found.to(package.DataType.float32)))[0]

    def reply(ids: list[int], most: int) -> list[int]:
        tokens = decoder.tokenizer.convert_ids_to_tokens(ids)
        (result,) = engine.generate_batch(
            [tokens], max_length=most, sampling_topk=1, include_prompt_in_result=False
        )
        return list(result.sequences_ids[0])

    try:
        engine = package.Generator(str(folder), device=on, intra_threads=torch.get_num_threads())
        difference = compare(wanted, logits, _CONVERTED)
        check_reply(decoder, persona, wanted, reply, _CONVERTED)
        return difference
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            f"CTranslate2 converted the model but cannot run it ({first_line(error)}) Export "
            "--format hf, which other engines load. Nothing was written."
        ) from error


def _finish_config(path: Path, decoder: Decoder) -> None:
    """The converter knows the tokenizer alone, not what its chat template ends a turn with.

    A tokenizer without an unknown token is written as null, which the engine cannot read.
    """
    config = json.loads(path.read_text("utf-8"))
    for end in decoder.ends[:1]:
        config["eos_token"] = decoder.tokenizer.convert_ids_to_tokens(end)
    for name, value in config.items():
        if name.endswith("_token") and value is None:
            config[name] = ""
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _package() -> Any:
    try:
        import ctranslate2
        import ctranslate2.converters
    except ImportError as error:
        raise MissingPackageError("ctranslate2", "export", "Export to CTranslate2") from error
    return ctranslate2
