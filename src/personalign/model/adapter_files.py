"""A trained adapter's folder: which files it has, what they say, and their digest.

The folder is PEFT's own, readable by plain `peft.PeftModel.from_pretrained`: adapter_config.json
and adapter_model.safetensors. Nothing here needs PEFT, so a persona can be read, copied and
compared where training is not installed.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from personalign.errors import PersonaError

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"

MODEL_KEY, FINGERPRINT_KEY = "model", "fingerprint"
"""Keys of the weights file's metadata: which model the adapter was trained on."""


def adapter_digest(folder: str | Path) -> str:
    """Hex sha256 of an adapter's two files, computed once as long as they do not change.

    Raises PersonaError when the folder or one of the files is missing.
    """
    stamps = []
    for path in adapter_paths(folder):
        found = path.stat()
        stamps.append((str(path.absolute()), found.st_mtime_ns, found.st_size))
    return _digest(tuple(stamps))


def adapter_paths(folder: str | Path) -> tuple[Path, Path]:
    """The config and the weights of an adapter; PersonaError where one is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise PersonaError(
            f"The adapter {folder} does not exist. Make the persona again, or give the folder it "
            f"was moved to: it holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise PersonaError(
                f"{folder} is no adapter's folder: it has no {name}. An adapter is "
                f"{CONFIG_FILE} and {WEIGHTS_FILE}, as PEFT saves them."
            )
    return folder / CONFIG_FILE, folder / WEIGHTS_FILE


def adapter_config(folder: str | Path) -> dict[str, Any]:
    """What adapter_config.json says; PersonaError where it cannot be read."""
    path, _ = adapter_paths(folder)
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PersonaError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(config, dict) or "peft_type" not in config:
        raise PersonaError(f"{path} is no adapter's config: it does not say its peft_type.")
    return config


def trained_on(folder: str | Path) -> tuple[str | None, str | None]:
    """Name and fingerprint of the model an adapter was trained on; None where the file is silent.

    Raises PersonaError for a weights file that is corrupt or truncated.
    """
    from safetensors import SafetensorError, safe_open

    path = adapter_paths(folder)[1]
    try:
        with safe_open(path, "np") as file:
            noted = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise PersonaError(f"{path} is corrupt or truncated: {error}.") from error
    return noted.get(MODEL_KEY), noted.get(FINGERPRINT_KEY)


@lru_cache(maxsize=1024)
def _digest(stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, size in stamps:
        total.update(size.to_bytes(8, "little"))
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
