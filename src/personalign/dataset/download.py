"""One file by HTTP: whole, checked and resumable, or an error that says what to do by hand.

While it comes in it is called NAME.part, beside its place. A broken download is taken up from
there (HTTP Range), as long as the server still has the same file: it must say so by ETag or
Last-Modified, or the checksum must be known beforehand. Only a file of the right length and
checksum gets its name. NAME.json beside it keeps address, length and SHA-256.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from personalign import __version__
from personalign.dataset.files import replacing
from personalign.errors import PeopleError

Progress = Callable[[int, int], None]

_BLOCK = 1 << 18  # bytes read at a time
_TIMEOUT = 30.0  # seconds of silence
_ATTEMPTS = 4  # takes one call makes of a file that breaks off


@dataclass(frozen=True)
class Remote:
    """A file at an address, and what is known of it beforehand."""

    url: str
    """http:// or https://."""
    sha256: str | None = None
    """64 hexadecimal digits."""
    size: int | None = None
    """Bytes."""

    def __post_init__(self) -> None:
        if not self.url.lower().startswith(("http://", "https://")):
            raise PeopleError(
                f"{self.url!r} is no address that can be fetched; it begins with http:// or "
                "https://."
            )


class _Broken(Exception):
    """The connection ended before the file did."""

    def __init__(self, got: int, wanted: int) -> None:
        super().__init__(got, wanted)
        self.got, self.wanted = got, wanted


def download(
    remote: Remote, target: Path, *, progress: Progress | None = None, timeout: float = _TIMEOUT
) -> Path:
    """Fetch the file to `target`, or find it there; returns `target`.

    A file that is there already, by an earlier call or put there by hand, is checked and not
    fetched.

    Arguments:
        progress: called with (bytes so far, bytes in all); the second is 0 where nobody knows.
        timeout: seconds without an answer before the server counts as unreachable.

    Raises PeopleError if the file is not at that address, cannot be reached, breaks off, or is not
    the one whose checksum is known. `target` is then not there.
    """
    if target.is_file():
        _check_present(remote, target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(1, _ATTEMPTS + 1):
        before = part.stat().st_size if part.is_file() else 0
        try:
            _receive(remote, part, target, progress, timeout)
            break
        except _Broken as broken:
            gained = broken.got > before
            if attempt == _ATTEMPTS or not gained:
                raise PeopleError(
                    f"The download of {remote.url} broke off after {broken.got:,} of "
                    f"{broken.wanted:,} bytes. What came is kept in {part}: run the same command "
                    f"again to go on, or fetch the file by hand and save it as {target}."
                ) from None
    _finish(remote, part, target)
    return target


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_of(target: Path) -> Path:
    """Where address, length and checksum of a downloaded file are kept."""
    return target.with_name(target.name + ".json")


def _receive(
    remote: Remote, part: Path, target: Path, progress: Progress | None, timeout: float
) -> None:
    """Append to the part until the file is complete; _Broken where the connection ended before."""
    start = part.stat().st_size if part.is_file() else 0
    mark = _mark_of(part)
    known = mark.read_text(encoding="utf-8") if mark.is_file() else ""
    headers = {"User-Agent": f"personalign/{__version__}", "Accept-Encoding": "identity"}
    if start and (known or remote.sha256):
        headers["Range"] = f"bytes={start}-"
        if known:
            headers["If-Range"] = known
    try:
        answer = urllib.request.urlopen(  # nosec B310
            urllib.request.Request(remote.url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and "Range" in headers:  # nothing is left, or it is another file
            if remote.size == start or error.headers.get("Content-Range") == f"bytes */{start}":
                return
            part.unlink()
            raise _Broken(0, remote.size or start) from error
        raise PeopleError(
            f"The server answered {error.code} {error.reason} for {remote.url}. "
            f"Check the address, or fetch the file by hand and save it as {target}."
        ) from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise _unreachable(remote, target, error) from error
    with answer:
        resumed = answer.status == 206 and _range_start(answer) == start
        if not resumed:
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else remote.size or 0
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        mark.write_text("" if validator.startswith("W/") else validator, encoding="utf-8")
        with part.open("ab" if resumed else "wb") as file:
            got = start
            while True:
                if progress is not None:
                    progress(got, total)
                try:
                    block = answer.read(_BLOCK)
                except (OSError, http.client.HTTPException):
                    file.flush()
                    raise _Broken(got, total) from None
                if not block:
                    break
                file.write(block)
                got += len(block)
    if got < total:
        raise _Broken(got, total)


def _range_start(answer: http.client.HTTPResponse) -> int:
    """The first byte of a partial answer; -1 where it does not say."""
    words = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")
    return int(words[0]) if words[0].isdigit() else -1


def _finish(remote: Remote, part: Path, target: Path) -> None:
    """Check the whole file and give it its name, the record first."""
    digest, size = sha256_of(part), part.stat().st_size
    _mark_of(part).unlink(missing_ok=True)
    if (remote.sha256 or digest) != digest or (remote.size or size) != size:
        part.unlink()
        raise PeopleError(
            f"What came from {remote.url} is not the file that is known: {_seen(size, digest)}, "
            f"and it should be {_wanted(remote)}. It was thrown away; try again, or get the file "
            f"elsewhere and save it as {target}."
        )
    with replacing(record_of(target)) as temporary:
        record = {"url": remote.url, "bytes": size, "sha256": digest}
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    part.replace(target)


def _check_present(remote: Remote, target: Path) -> None:
    """PeopleError if a file that is there is not the one that is known or was downloaded."""
    wanted = remote
    if remote.sha256 is None and record_of(target).is_file():
        record = json.loads(record_of(target).read_text(encoding="utf-8"))
        wanted = Remote(remote.url, record["sha256"], record["bytes"])
    digest, size = sha256_of(target), target.stat().st_size
    if (wanted.sha256 or digest) != digest or (wanted.size or size) != size:
        raise PeopleError(
            f"{target} is not the file that {remote.url} has: it is {_seen(size, digest)}, and "
            f"should be {_wanted(wanted)}. Remove it to fetch it again."
        )


def _unreachable(remote: Remote, target: Path, error: Exception) -> PeopleError:
    reason = getattr(error, "reason", None) or error
    size = f" ({remote.size:,} bytes)" if remote.size else ""
    return PeopleError(
        f"{remote.url} cannot be reached: {str(reason).rstrip('.') or type(error).__name__}. Where "
        f"there is a network, fetch that file{size} by hand, save it as {target}, and run the same "
        "command again."
    )


def _mark_of(part: Path) -> Path:
    return part.with_name(part.name + "-of")


def _seen(size: int, digest: str) -> str:
    return f"{size:,} bytes with SHA-256 {digest}"


def _wanted(remote: Remote) -> str:
    size = f"{remote.size:,} bytes" if remote.size else "a file"
    return f"{size} with SHA-256 {remote.sha256}" if remote.sha256 else size
