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

from personalign.errors import PersonaError, SteeringError
from personalign.model.adapter_files import adapter_digest
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
        from personalign.model.persona_files import save

        return save(self, Path(folder), keep_answers=keep_answers)

    @classmethod
    def load(cls, folder: str | Path, decoder: Decoder | ApiModel | None = None) -> Persona:
        """Read a persona's folder; with a decoder, check that it was made for that decoder.

        Raises PersonaError when a file is missing, corrupt or truncated, when the persona belongs
        to another model (both are named), or when its shift does not fit the decoder's heads.
        """
        from personalign.model.persona_files import Folder, read

        return read(Folder(Path(folder)), decoder)

    def pack(self, *, keep_answers: bool = False) -> bytes:
        """The same files as bytes, for where no folder is wanted.

        Raises PersonaError as `save` does, and for an adapter, which is a folder of its own.
        """
        from personalign.model.persona_files import pack

        return pack(self, keep_answers=keep_answers)

    @classmethod
    def unpack(cls, data: bytes, decoder: Decoder | ApiModel | None = None) -> Persona:
        """Read what `pack` gave; checks and errors as of `load`."""
        from personalign.model.persona_files import Packed, read

        return read(Packed(data), decoder)


PLAIN = Persona()
"""The model as it is, under the neutral system prompt."""


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
