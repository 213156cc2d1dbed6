"""The bytes of a text file, plain, gzipped or in a zip, as one array that ends with a new line."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personalign.errors import PeopleError

_GZIP, _ZIP, _MARK = b"\x1f\x8b", b"PK\x03\x04", b"\xef\xbb\xbf"


def read_bytes(path: Path) -> NDArray[np.uint8]:
    """(bytes,) what the file holds, by its first bytes and not by its name; see above.

    Of a zip it is the one file ending in .dat. A byte order mark is dropped. PeopleError if there
    is no such file, it is damaged, or it is empty.
    """
    if not path.is_file():
        raise PeopleError(f"There is no file of people at {path}; check the path.")
    with path.open("rb") as file:
        opening = file.read(4)
    try:
        if opening.startswith(_GZIP):
            with gzip.open(path) as packed:
                data = _closed(np.frombuffer(packed.read(), dtype=np.uint8))
        elif opening == _ZIP:
            with zipfile.ZipFile(path) as archive:
                name = _only_member(archive, path)
                data = _closed(np.frombuffer(archive.read(name), dtype=np.uint8))
        else:
            data = _plain(path)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise PeopleError(
            f"{path.name} cannot be unpacked: {reason}. Check that it is complete, or fetch it "
            "again."
        ) from error
    if data[:3].tobytes() == _MARK:
        data = data[3:]
    if not (data > 32).any():
        raise PeopleError(f"{path.name} is empty; it needs at least one person's line.")
    return data


def _plain(path: Path) -> NDArray[np.uint8]:
    """Read into place, with room for the new line that may be missing: no second copy."""
    size = path.stat().st_size
    data = np.empty(size + 1, dtype=np.uint8)
    with path.open("rb") as file:
        read = file.readinto(data.data[:size])
    data[read] = 10
    return data[:read] if read and data[read - 1] == 10 else data[: read + 1]


def _closed(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    ended = len(data) > 0 and data[-1] == 10
    return data if ended else np.append(data, np.uint8(10))


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [
        name
        for name in archive.namelist()
        if name.lower().endswith(".dat") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        listed = ", ".join(archive.namelist()[:5]) or "nothing"
        raise PeopleError(
            f"{path.name} holds {len(names)} files ending in .dat and needs exactly one; in it is "
            f"{listed}. Unpack it and name the file that is meant."
        )
    return names[0]
