"""Running a decoder with a trained adapter: `apply_adapter`, and what it takes to undo PEFT.

PEFT builds the adapter's layers around the decoder's own modules; the weights of the base model are
neither copied nor changed. What PEFT replaced is noted, everything it touched is put back, and
the replacements are laid in only while the adapter is on. So a decoder is bit-identical to itself
after any block, and switching between adapters costs no reload of the base model.

Prompt tuning has no layers: its virtual tokens become ids beyond the vocabulary, which `render`
puts in front of every chat and the input embedding knows while the adapter is on. Every path from
there (shared prefixes, padding, generation) treats them as tokens.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from personalign.errors import MissingPackageError, PersonaError
from personalign.model.adapter_files import (
    CONFIG_FILE,
    FINGERPRINT_KEY,
    MODEL_KEY,
    WEIGHTS_FILE,
    adapter_config,
    adapter_digest,
    adapter_paths,
    trained_on,
)
from personalign.model.heads import HeadMap, find_heads, text_config

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

VIRTUAL = ("PROMPT_TUNING", "P_TUNING")
"""PEFT types that are rows of the input embedding, put before the text."""


@contextmanager
def apply_adapter(decoder: Decoder, folder: str | Path | None) -> Iterator[None]:
    """Inside the block the decoder runs with the adapter in `folder`; None is no adapter.

    Steering works on top of it: shifts then act on the inputs of the adapted projections.
    Raises PersonaError for a folder that is missing, damaged, made for another model or of a kind
    that cannot be laid on, or where another adapter is on already; MissingPackageError without
    PEFT.
    """
    if folder is None or decoder.adapter == adapter_digest(folder):
        yield
        return
    with load_adapter(decoder, folder).on():
        yield


def by_adapter(personas: Sequence[Persona]) -> list[tuple[str | None, list[int]]]:
    """Each adapter's folder with the places of its personas; adapters of equal content are one."""
    groups: dict[str, tuple[str | None, list[int]]] = {}
    for place, persona in enumerate(personas):
        digest = "" if persona.adapter is None else adapter_digest(persona.adapter)
        groups.setdefault(digest, (persona.adapter, []))[1].append(place)
    return list(groups.values())


class Adapter:
    """An adapter that was built for a decoder and can be switched on; see `load_adapter`."""

    def __init__(
        self,
        decoder: Decoder,
        name: str,
        digest: str,
        swaps: Sequence[tuple[torch.nn.Module, str, torch.nn.Module]],
        heads: HeadMap,
        virtual: tuple[int, ...] = (),
    ) -> None:
        self.decoder = decoder
        self.name = name
        """Its folder, for messages."""
        self.digest = digest
        """Hash of its content."""
        self.swaps = tuple(swaps)
        """(module, name of a child, what the child becomes)."""
        self.heads = heads
        """Where the heads are while it is on."""
        self.virtual = virtual
        """Ids of its virtual tokens."""

    @contextmanager
    def on(self) -> Iterator[None]:
        """The decoder with this adapter; entering and leaving costs microseconds."""
        decoder = self.decoder
        if decoder.adapter is not None:
            raise PersonaError(
                f"The adapter {self.name} cannot be laid onto {decoder.name}, which is running "
                "with another adapter; leave that one's block first."
            )
        before = [(module, name, getattr(module, name)) for module, name, _ in self.swaps]
        heads = decoder.heads
        try:
            for module, name, child in self.swaps:
                module._modules[name] = child
            decoder.heads, decoder.virtual, decoder.adapter = self.heads, self.virtual, self.digest
            yield
        finally:
            for module, name, child in before:
                module._modules[name] = child
            decoder.heads, decoder.virtual, decoder.adapter = heads, (), None


def load_adapter(decoder: Decoder, folder: str | Path) -> Adapter:
    """Read an adapter and build its layers around the decoder's; errors as for `apply_adapter`."""
    folder = Path(folder)
    config = adapter_config(folder)
    digest = adapter_digest(folder)
    _check_made_for(decoder, folder, config)
    kind = str(config["peft_type"])
    with torch.inference_mode(False), torch.no_grad():
        if kind in VIRTUAL:
            swaps, virtual = _virtual_tokens(decoder, folder, config)
            heads = decoder.heads
        else:
            swaps, heads = _adapted_layers(decoder, folder, config)
            virtual = ()
    return Adapter(decoder, str(folder), digest, swaps, heads, virtual)


@contextmanager
def restored(decoder: Decoder) -> Iterator[None]:
    """Whatever happens to the model inside the block is undone at its end, however it ends.

    Modules and hooks put in or taken out, `forward` replaced, training mode, requires_grad,
    gradients, the configs' fields. Not undone: numbers written into the weights themselves, which
    no PEFT adapter does while it trains.
    """
    model = decoder.model
    _ = decoder.fingerprint  # now, while the model is itself
    holders = [*model.modules(), model.config, text_config(model)]
    if getattr(model, "generation_config", None) is not None:
        holders.append(model.generation_config)
    kept = []
    for holder in holders:
        fields = dict(vars(holder))
        inner = {name: dict(value) for name, value in fields.items() if isinstance(value, dict)}
        kept.append((holder, fields, inner))
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    heads, virtual, adapter = decoder.heads, decoder.virtual, decoder.adapter
    try:
        yield
    finally:
        for holder, fields, inner in kept:
            vars(holder).clear()
            vars(holder).update(fields)
            for name, entries in inner.items():
                fields[name].clear()  # the very same dictionary: hook handles point to it
                fields[name].update(entries)
        for parameter, needed in gradients:
            parameter.requires_grad_(needed)
            parameter.grad = None
        decoder.heads, decoder.virtual, decoder.adapter = heads, virtual, adapter


def save_adapter(peft_model: Any, folder: Path, decoder: Decoder) -> None:
    """Write an adapter's two files as PEFT would, without its model card and this machine's paths.

    peft_model: a `peft.PeftModel` around the decoder's model, with one adapter. Lists in the config
    are sorted, so that the same adapter gives the same bytes in every process.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config = peft_model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": decoder.name, "inference_mode": True}
    text = json.dumps(config, indent=2, sort_keys=True, default=_plain)
    weights = {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(peft_model).items())
    }
    folder.mkdir(parents=True, exist_ok=True)
    noted = {"format": "pt", MODEL_KEY: decoder.name, FINGERPRINT_KEY: decoder.fingerprint}
    save_file(weights, folder / WEIGHTS_FILE, metadata=noted)
    _sort_metadata(folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(text + "\n", "utf-8")


def _sort_metadata(path: Path) -> None:
    """safetensors writes the metadata in another order in every process; here it is sorted."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size, "the same header in another order is not longer"
        file.seek(8)
        file.write(text.ljust(size))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(getattr(value, "value", value))


def _check_made_for(decoder: Decoder, folder: Path, config: dict[str, Any]) -> None:
    name, fingerprint = trained_on(folder)
    if fingerprint not in (None, decoder.fingerprint):
        raise PersonaError(
            f"The adapter {folder} was trained on the model {name} (fingerprint "
            f"{str(fingerprint)[:12]}), not on {decoder.name} (fingerprint "
            f"{decoder.fingerprint[:12]}). Load that model, or train the person on this one."
        )
    if config.get("bias", "none") != "none":
        raise PersonaError(
            f"The adapter {folder} also replaces biases of the base model (bias: "
            f"{config['bias']!r}), which cannot be undone; train it with bias 'none'."
        )


def _adapted_layers(
    decoder: Decoder, folder: Path, config: dict[str, Any]
) -> tuple[list[tuple[torch.nn.Module, str, torch.nn.Module]], HeadMap]:
    """Every child PEFT puts in place of another, and where the heads are then."""
    try:
        from peft import PeftConfig, PeftModel
    except ImportError as error:
        raise MissingPackageError("peft", "train", "A persona with an adapter") from error
    model = decoder.model
    before = [(module, dict(module._modules)) for module in model.modules()]
    with restored(decoder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            read = PeftConfig.from_pretrained(str(folder))
            adapted = PeftModel.from_pretrained(
                model, str(folder), config=read, torch_device=str(decoder.device)
            )
            unknown = _unknown_tensors(adapted, folder)
        except Exception as error:  # whatever PEFT, torch and safetensors raise on what is foreign
            raise PersonaError(
                f"The adapter {folder} ({config['peft_type']}) does not fit {decoder.name}: "
                f"{_first_line(error)} Load the model it was trained on, or train it again."
            ) from error
        if unknown:
            raise PersonaError(
                f"The adapter {folder} does not fit {decoder.name}, which has no place for "
                f"{unknown[0]}. Load the model it was trained on, or train it again."
            )
        adapted.eval()
        adapted.requires_grad_(False)
        swaps = [
            (module, name, child)
            for module, children in before
            for name, child in module._modules.items()
            if child is not None and child is not children.get(name)
        ]
        if not swaps:
            raise PersonaError(
                f"The adapter {folder} is of a kind that cannot be laid onto a decoder here "
                f"({config['peft_type']}); use LoRA, its relatives, or prompt tuning."
            )
        return swaps, find_heads(model)


def _unknown_tensors(adapted: Any, folder: Path) -> list[str]:
    """Tensors of the file that the adapted model has no place for."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter_paths(folder)[1], "pt") as file:
        return sorted(set(file.keys()) - set(get_peft_model_state_dict(adapted)))


def _virtual_tokens(
    decoder: Decoder, folder: Path, config: dict[str, Any]
) -> tuple[list[tuple[torch.nn.Module, str, torch.nn.Module]], tuple[int, ...]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    embedding = decoder.model.get_input_embeddings()
    try:
        rows = load_file(folder / WEIGHTS_FILE)["prompt_embeddings"]
    except (OSError, SafetensorError, KeyError) as error:
        raise PersonaError(f"{folder / WEIGHTS_FILE} is corrupt: {_first_line(error)}") from error
    width = embedding.weight.shape[1]
    if rows.ndim != 2 or rows.shape[1] != width:
        raise PersonaError(
            f"The adapter {folder} does not fit {decoder.name}: its virtual tokens have the shape "
            f"{tuple(rows.shape)}, but the model's embeddings are {width} wide."
        )
    wider = _WithVirtual(embedding, rows)
    swaps: list[tuple[torch.nn.Module, str, torch.nn.Module]] = [
        (module, name, wider)
        for module in decoder.model.modules()
        for name, child in module._modules.items()
        if child is embedding
    ]
    first = embedding.weight.shape[0]
    return swaps, tuple(range(first, first + len(rows)))


class _WithVirtual(torch.nn.Module):
    """An input embedding with more rows behind its last: those of virtual tokens."""

    def __init__(self, embedding: torch.nn.Module, rows: torch.Tensor) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_buffer("rows", rows.to(self.weight.device))

    @property
    def weight(self) -> torch.Tensor:
        """The embedding's own weight."""
        return self.embedding.weight  # type: ignore[return-value]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        first = self.weight.shape[0]
        found = self.embedding(ids.clamp(max=first - 1))
        virtual = ids >= first
        if not bool(virtual.any()):
            return found  # type: ignore[no-any-return]
        rows = self.rows[(ids - first).clamp(min=0)]  # type: ignore[index]
        return torch.where(virtual[..., None], rows.to(found), found)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    line = lines[0].strip() if lines else type(error).__name__
    return line if line.endswith((".", "!", "?")) else line + "."
