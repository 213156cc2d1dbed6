"""A persona's files: written to a folder or packed into bytes, and read back with every check.

`persona.json`, `shift.safetensors`, `residual.safetensors`, and `adapter/` in a folder only.
Packed, they are a zip archive in memory. Readable without pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from personalign.errors import PersonaError, PersonalignError, SteeringError
from personalign.model.adapter_files import adapter_digest, adapter_paths
from personalign.model.files import replace_folder
from personalign.model.persona import (
    ADAPTER_FOLDER,
    ANSWERS_KEY,
    FORMAT,
    PERSONA_FILE,
    RESIDUAL_FILE,
    SHIFT_FILE,
    Persona,
)
from personalign.model.residual import ResidualShift
from personalign.model.shift import Shift

if TYPE_CHECKING:
    from personalign.model.api import ApiModel
    from personalign.model.decoder import Decoder


class Source(Protocol):
    """Where a persona's files are read from."""

    def where(self, name: str = "") -> str:
        """What to call a file, or all of it, in a sentence."""

    def there(self) -> bool:
        """Whether there is anything at all."""

    def read(self, name: str) -> bytes:
        """A file; FileNotFoundError where there is none."""

    def adapter(self) -> Path:
        """The adapter's folder; PersonaError where there cannot be one."""


@dataclass(frozen=True)
class Folder:
    """Files in a folder."""

    path: Path

    def where(self, name: str = "") -> str:
        return str(self.path / name)

    def there(self) -> bool:
        return self.path.is_dir()

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def adapter(self) -> Path:
        return self.path / ADAPTER_FOLDER


class Packed:
    """Files in bytes, as `pack` gives them."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise PersonaError(
                f"These {len(data)} bytes are no packed persona; give what Persona.pack gave."
            ) from error

    def where(self, name: str = "") -> str:
        return f"{name} of the packed persona" if name else "The packed persona"

    def there(self) -> bool:
        return True

    def read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except KeyError:
            raise FileNotFoundError(name) from None
        except zipfile.BadZipFile as error:
            raise PersonaError(f"{self.where(name)} is corrupt or truncated: {error}.") from error

    def adapter(self) -> Path:
        raise PersonaError("A packed persona holds no adapter, but its persona.json names one.")


def save(persona: Persona, folder: Path, *, keep_answers: bool) -> Path:
    """See `Persona.save`."""
    record = _record(persona, keep_answers)
    if folder.exists() and not (folder / PERSONA_FILE).exists() and any(_entries(folder)):
        raise PersonaError(
            f"{folder} exists and holds no persona, so it is not overwritten; name a new or "
            "an empty folder."
        )
    files: dict[str, bytes | Path] = {PERSONA_FILE: record, **_pushes(persona)}
    if persona.adapter is not None:
        for path in adapter_paths(persona.adapter):
            files[f"{ADAPTER_FOLDER}/{path.name}"] = path
    ours = {PERSONA_FILE, SHIFT_FILE, RESIDUAL_FILE, ADAPTER_FOLDER}
    try:
        replace_folder(folder, files, ours=ours)
    except OSError as error:
        raise PersonaError(
            f"The persona cannot be written to {folder}: {error.strerror or error}."
        ) from error
    return folder


def pack(persona: Persona, *, keep_answers: bool) -> bytes:
    """See `Persona.pack`."""
    if persona.adapter is not None:
        raise PersonaError(
            "A persona with an adapter cannot be packed, since an adapter is a folder of its own; "
            "save it to a folder."
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PERSONA_FILE, _record(persona, keep_answers))
        for name, data in _pushes(persona).items():
            archive.writestr(name, data)
    return packed.getvalue()


def read(source: Source, decoder: Decoder | ApiModel | None) -> Persona:
    """See `Persona.load`."""
    record = _read_record(source)
    stream = record.get("residual")  # absent in personas of older versions
    try:
        persona = Persona(
            system_prompt=_text(record, "system_prompt"),
            shift=None if record["shift"] is None else _read_shift(source, record["shift"]),
            residual=None if stream is None else _read_residual(source, stream),
            alpha=record["alpha"],
            scope=record["scope"],
            adapter=_read_adapter(source, record["adapter"]),
            provenance=dict(record["provenance"]),
        )
    except PersonaError:
        raise
    except PersonalignError as error:
        raise PersonaError(f"The persona in {source.where()} is corrupt. {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise PersonaError(
            f"{source.where(PERSONA_FILE)} is corrupt: {_reason(error)}. Make the persona again "
            "with `personalign align`."
        ) from error
    if decoder is not None:
        _check_model(source, persona, decoder)
    return persona


def _record(persona: Persona, keep_answers: bool) -> bytes:
    """`persona.json`."""
    provenance = {
        name: value
        for name, value in persona.provenance.items()
        if keep_answers or name != ANSWERS_KEY
    }
    record = {
        "format": FORMAT,
        "system_prompt": persona.system_prompt,
        "alpha": persona.alpha,
        "scope": persona.scope,
        "adapter": None if persona.adapter is None else {"digest": adapter_digest(persona.adapter)},
        "shift": None if persona.shift is None else {"digest": persona.shift.digest},
        "residual": None if persona.residual is None else {"digest": persona.residual.digest},
        "provenance": provenance,
    }
    try:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False, default=_as_list)
    except (TypeError, ValueError) as error:
        raise PersonaError(
            f"The provenance of the persona cannot be written as JSON ({error}); keep it to "
            "finite numbers, texts, lists and dictionaries."
        ) from error
    return (text + "\n").encode()


def _pushes(persona: Persona) -> dict[str, bytes]:
    """The files of what is pushed."""
    files: dict[str, bytes] = {}
    if persona.shift is not None:
        files[SHIFT_FILE] = _push_bytes(persona.shift, _SHIFT_ARRAYS)
    if persona.residual is not None:
        files[RESIDUAL_FILE] = _push_bytes(persona.residual, _RESIDUAL_ARRAYS)
    return files


def _check_model(source: Source, persona: Persona, decoder: Decoder | ApiModel) -> None:
    made_for = persona.provenance.get("fingerprint")
    if made_for is not None and made_for != decoder.fingerprint:
        name = persona.provenance.get("model", "an unnamed model")
        carry = (
            " If the two are one model in different precisions, carry the persona over with "
            "`personalign carry`."
        )
        raise PersonaError(
            f"The persona in {source.where()} was made for the model {name} (fingerprint "
            f"{str(made_for)[:12]}), not for {decoder.name} (fingerprint "
            f"{decoder.fingerprint[:12]}). Load that model, or align the person on this one."
            f"{carry if name == decoder.name else ''}"
        )
    try:
        if persona.shift is not None:
            decoder.check_shift(persona.shift)
        if persona.residual is not None:
            decoder.check_residual(persona.residual)
    except SteeringError as error:
        raise PersonaError(
            f"The persona in {source.where()} does not fit {decoder.name}. {error}"
        ) from error


def _read_record(source: Source) -> dict[str, Any]:
    path = source.where(PERSONA_FILE)
    try:
        record = json.loads(source.read(PERSONA_FILE))
    except FileNotFoundError:
        what = f"holds no {PERSONA_FILE}" if source.there() else "does not exist"
        raise PersonaError(
            f"{source.where()} {what}; name the folder of a persona that `personalign align` wrote."
        ) from None
    except (OSError, ValueError) as error:
        raise PersonaError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise PersonaError(
            f"{path} has format {found!r}; this version of Personalign reads format {FORMAT}."
        )
    return record


def _read_shift(source: Source, entry: dict[str, Any]) -> Shift:
    shift = Shift(**_read_arrays(source, SHIFT_FILE, _SHIFT_ARRAYS))
    _check_digest(source.where(SHIFT_FILE), shift, entry)
    return shift


def _read_residual(source: Source, entry: dict[str, Any]) -> ResidualShift:
    residual = ResidualShift(**_read_arrays(source, RESIDUAL_FILE, _RESIDUAL_ARRAYS))
    _check_digest(source.where(RESIDUAL_FILE), residual, entry)
    return residual


def _read_arrays(source: Source, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = source.where(name)
    try:
        arrays = load(source.read(name))
        return {key: arrays[key] for key in wanted}
    except FileNotFoundError as error:
        raise PersonaError(f"{path} is missing, but {PERSONA_FILE} names it.") from error
    except KeyError as error:
        raise PersonaError(f"{path} is corrupt: it has no {error.args[0]}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise PersonaError(f"{path} is corrupt or truncated: {error}.") from error


def _check_digest(path: str, push: Shift | ResidualShift, entry: dict[str, Any]) -> None:
    if push.digest != entry["digest"]:
        raise PersonaError(
            f"{path} is not the shift that {PERSONA_FILE} names (its digest is "
            f"{push.digest[:12]}, not {str(entry['digest'])[:12]}); one of them was changed."
        )


def _read_adapter(source: Source, entry: dict[str, Any] | None) -> str | None:
    if entry is None:
        return None
    place = source.adapter()
    if adapter_digest(place) != entry["digest"]:
        raise PersonaError(
            f"{place} is not the adapter that {PERSONA_FILE} names; one of them was changed."
        )
    return str(place)


_SHIFT_ARRAYS = ("layers", "heads", "directions", "sigmas")
_RESIDUAL_ARRAYS = ("layers", "vectors")


def _push_bytes(push: Shift | ResidualShift, arrays: tuple[str, ...]) -> bytes:
    from safetensors.numpy import save

    return save(
        {name: getattr(push, name) for name in arrays},
        metadata={"format": "personalign shift", "version": str(FORMAT)},
    )


def _as_list(value: Any) -> Any:
    """numpy's and torch's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _text(record: dict[str, Any], name: str) -> str | None:
    value = record[name]
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is neither a text nor null")
    return value


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else [folder]


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
