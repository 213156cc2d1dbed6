"""A persona: everything that turns a decoder into one person, and its files.

Every method ends in a `Persona`; everything after takes `(decoder, Persona)` and never asks which
method made it. On disk it is a folder of `persona.json` and, when heads are shifted,
`shift.safetensors` (about a thousand numbers), or `residual.safetensors` when the residual stream
is; an adapter comes along in `adapter/`. Readable without pickle, written all or nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from personalign.errors import PersonaError, PersonalignError, SteeringError
from personalign.model.adapter_files import adapter_digest, adapter_paths
from personalign.model.files import replace_folder
from personalign.model.residual import ResidualShift
from personalign.model.shift import Shift

if TYPE_CHECKING:
    from personalign.model.api import ApiModel
    from personalign.model.decoder import Decoder

Scope = Literal["all", "generated"]
"""Where a shift acts: at every position, or only where tokens of the reply are drawn: from the
prompt's last token on, or from a begun reply on."""

FORMAT = 1
"""Version of the persona folder's layout."""

PERSONA_FILE, SHIFT_FILE = "persona.json", "shift.safetensors"
RESIDUAL_FILE, ADAPTER_FOLDER = "residual.safetensors", "adapter"

ANSWERS_KEY = "answers"
"""Key of the provenance under which a person's own answers may stand; not saved unless asked."""


@dataclass(frozen=True)
class Persona:
    """One person, as a decoder can play them. `PLAIN` is nobody in particular.

    >>> PLAIN.steers, PLAIN.with_alpha(2.0) == Persona(alpha=2.0)
    (False, True)
    """

    system_prompt: str | None = None
    """The system prompt, or None for the neutral one."""
    shift: Shift | None = None
    """Which heads are pushed and where to, or None."""
    alpha: float = 0.0
    """How many steps heads and residual stream are pushed; 0 leaves the model bit-identical."""
    scope: Scope = "all"
    """'all' positions, or only 'generated' ones."""
    adapter: str | None = None
    """Path of a trained adapter's folder (see `adapters.py`), or None."""
    residual: ResidualShift | None = None
    """Which layers' residual stream is pushed and where to, or None."""
    provenance: dict[str, Any] = field(default_factory=dict, compare=False)
    """Where it comes from: 'model', 'fingerprint', 'method', settings, version, curves."""

    def __post_init__(self) -> None:
        if not isinstance(self.alpha, int | float) or not math.isfinite(self.alpha):
            raise SteeringError(f"Alpha is {self.alpha!r}; it must be a finite number.")
        if self.scope not in get_args(Scope):
            raise PersonaError(
                f"The scope of a persona is {self.scope!r}; it must be 'all' or 'generated'."
            )
        object.__setattr__(self, "alpha", float(self.alpha))

    @property
    def pushes(self) -> bool:
        """Whether there is a push at all for alpha to scale."""
        return self.shift is not None or self.residual is not None

    @property
    def steers(self) -> bool:
        """Whether anything is added inside the model at this alpha."""
        heads = self.shift is not None and bool((self.shift.sigmas > 0).any())
        stream = self.residual is not None and bool(self.residual.vectors.any())
        return self.alpha != 0 and (heads or stream)

    @property
    def steering_key(self) -> str:
        """Hash of what happens inside the model, '' if nothing: the key of prefix caches.

        Keys and values computed under one shift or adapter are wrong under another. An adapter
        counts by its content; PersonaError where its folder is missing.
        """
        pushed = ""
        if self.steers:
            digests = [None if p is None else p.digest for p in (self.shift, self.residual)]
            pushed = _hash(digests, self.alpha, self.scope)
        return pushed if self.adapter is None else _hash(pushed, adapter_digest(self.adapter))

    @cached_property
    def key(self) -> str:
        """Hash of everything that changes the model's behaviour; provenance does not count."""
        return _hash(self.system_prompt, self.steering_key)

    def with_alpha(self, alpha: float) -> Persona:
        """The same persona at another strength."""
        return replace(self, alpha=alpha)

    def save(self, folder: str | Path, *, keep_answers: bool = False) -> Path:
        """Write the persona into `folder`, all or nothing; an older persona there is replaced.

        keep_answers: whether the person's own answers, if the provenance has them, are written
            too. (A few-shot system prompt holds them in any case: it is made of them.)
        The adapter, if there is one, is copied into the folder.
        Returns the folder. Raises PersonaError when the folder holds something else, the adapter is
        missing, or the provenance cannot be written as JSON.
        """
        folder = Path(folder)
        provenance = {
            name: value
            for name, value in self.provenance.items()
            if keep_answers or name != ANSWERS_KEY
        }
        record = {
            "format": FORMAT,
            "system_prompt": self.system_prompt,
            "alpha": self.alpha,
            "scope": self.scope,
            "adapter": None if self.adapter is None else {"digest": adapter_digest(self.adapter)},
            "shift": None if self.shift is None else {"digest": self.shift.digest},
            "residual": None if self.residual is None else {"digest": self.residual.digest},
            "provenance": provenance,
        }
        try:
            text = (
                json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False, default=_as_list)
                + "\n"
            )
        except (TypeError, ValueError) as error:
            raise PersonaError(
                f"The provenance of the persona cannot be written as JSON ({error}); keep it to "
                "finite numbers, texts, lists and dictionaries."
            ) from error
        if folder.exists() and not (folder / PERSONA_FILE).exists() and any(_entries(folder)):
            raise PersonaError(
                f"{folder} exists and holds no persona, so it is not overwritten; name a new or "
                "an empty folder."
            )
        files: dict[str, bytes | Path] = {PERSONA_FILE: text.encode()}
        if self.shift is not None:
            files[SHIFT_FILE] = _push_bytes(self.shift, _SHIFT_ARRAYS)
        if self.residual is not None:
            files[RESIDUAL_FILE] = _push_bytes(self.residual, _RESIDUAL_ARRAYS)
        if self.adapter is not None:
            for path in adapter_paths(self.adapter):
                files[f"{ADAPTER_FOLDER}/{path.name}"] = path
        ours = {PERSONA_FILE, SHIFT_FILE, RESIDUAL_FILE, ADAPTER_FOLDER}
        try:
            replace_folder(folder, files, ours=ours)
        except OSError as error:
            raise PersonaError(
                f"The persona cannot be written to {folder}: {error.strerror or error}."
            ) from error
        return folder

    @classmethod
    def load(cls, folder: str | Path, decoder: Decoder | ApiModel | None = None) -> Persona:
        """Read a persona's folder; with a decoder, check that it was made for that decoder.

        Raises PersonaError when a file is missing, corrupt or truncated, when the persona belongs
        to another model (both are named), or when its shift does not fit the decoder's heads.
        """
        folder = Path(folder)
        record = _read_record(folder)
        stream = record.get("residual")  # absent in personas of older versions
        try:
            persona = cls(
                system_prompt=_text(record, "system_prompt"),
                shift=None if record["shift"] is None else _read_shift(folder, record["shift"]),
                residual=None if stream is None else _read_residual(folder, stream),
                alpha=record["alpha"],
                scope=record["scope"],
                adapter=_read_adapter(folder, record["adapter"]),
                provenance=dict(record["provenance"]),
            )
        except PersonaError:
            raise
        except PersonalignError as error:
            raise PersonaError(f"The persona in {folder} is corrupt. {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise PersonaError(
                f"{folder / PERSONA_FILE} is corrupt: {_reason(error)}. Make the persona again "
                "with `personalign align`."
            ) from error
        if decoder is not None:
            _check_model(folder, persona, decoder)
        return persona


PLAIN = Persona()
"""The model as it is, under the neutral system prompt."""


def _check_model(folder: Path, persona: Persona, decoder: Decoder | ApiModel) -> None:
    made_for = persona.provenance.get("fingerprint")
    if made_for is not None and made_for != decoder.fingerprint:
        name = persona.provenance.get("model", "an unnamed model")
        carry = (
            " If the two are one model in different precisions, carry the persona over with "
            "`personalign carry`."
        )
        raise PersonaError(
            f"The persona in {folder} was made for the model {name} (fingerprint "
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
            f"The persona in {folder} does not fit {decoder.name}. {error}"
        ) from error


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / PERSONA_FILE
    if not path.is_file():
        what = f"holds no {PERSONA_FILE}" if folder.is_dir() else "does not exist"
        raise PersonaError(
            f"{folder} {what}; name the folder of a persona that `personalign align` wrote."
        )
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PersonaError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise PersonaError(
            f"{path} has format {found!r}; this version of Personalign reads format {FORMAT}."
        )
    return record


def _read_shift(folder: Path, entry: dict[str, Any]) -> Shift:
    shift = Shift(**_read_arrays(folder / SHIFT_FILE, _SHIFT_ARRAYS))
    _check_digest(folder / SHIFT_FILE, shift, entry)
    return shift


def _read_residual(folder: Path, entry: dict[str, Any]) -> ResidualShift:
    residual = ResidualShift(**_read_arrays(folder / RESIDUAL_FILE, _RESIDUAL_ARRAYS))
    _check_digest(folder / RESIDUAL_FILE, residual, entry)
    return residual


def _read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(path.read_bytes())
        return {name: arrays[name] for name in names}
    except FileNotFoundError as error:
        raise PersonaError(f"{path} is missing, but {PERSONA_FILE} names it.") from error
    except KeyError as error:
        raise PersonaError(f"{path} is corrupt: it has no {error.args[0]}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise PersonaError(f"{path} is corrupt or truncated: {error}.") from error


def _check_digest(path: Path, push: Shift | ResidualShift, entry: dict[str, Any]) -> None:
    if push.digest != entry["digest"]:
        raise PersonaError(
            f"{path} is not the shift that {PERSONA_FILE} names (its digest is "
            f"{push.digest[:12]}, not {str(entry['digest'])[:12]}); one of them was changed."
        )


def _read_adapter(folder: Path, entry: dict[str, Any] | None) -> str | None:
    if entry is None:
        return None
    place = folder / ADAPTER_FOLDER
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


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
