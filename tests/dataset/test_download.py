"""A download is whole and checked, goes on where it stopped, or leaves nothing but its part."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.download import Remote, download, record_of, sha256_of
from personalign.errors import PeopleError
from tests.dataset.serving import serving

BODY = np.random.default_rng(0).integers(0, 256, 700_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(BODY).hexdigest()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_over_once(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    with serving(files={"/a.dat": BODY}) as site:
        remote = Remote(f"{site.url}/a.dat", SHA256, len(BODY))
        for _ in range(2):
            path = download(remote, tmp_path / "a.dat", progress=lambda *step: steps.append(step))
        assert site.asked == [("/a.dat", None)]
    assert path.read_bytes() == BODY
    assert _names(tmp_path) == {"a.dat", "a.dat.json"}
    assert SHA256 in record_of(path).read_text()
    assert steps[0] == (0, len(BODY)) and steps[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_a_download_that_breaks_off_goes_on_by_itself(tmp_path: Path) -> None:
    with serving(files={"/a.dat": BODY}, cut=300_000) as site:
        download(Remote(f"{site.url}/a.dat"), tmp_path / "a.dat")
        assert site.asked == [
            ("/a.dat", None),
            ("/a.dat", "bytes=300000-"),
            ("/a.dat", "bytes=600000-"),
        ]
    assert sha256_of(tmp_path / "a.dat") == SHA256
    assert _names(tmp_path) == {"a.dat", "a.dat.json"}


def test_a_truncated_download_is_an_error_and_the_next_call_goes_on(tmp_path: Path) -> None:
    with serving(files={"/a.dat": BODY}, cut=100_000) as site:
        remote = Remote(f"{site.url}/a.dat", SHA256, len(BODY))
        with pytest.raises(PeopleError, match=r"broke off after 400,000 of 700,000 bytes"):
            download(remote, tmp_path / "a.dat")
        assert not (tmp_path / "a.dat").exists()
        assert (tmp_path / "a.dat.part").read_bytes() == BODY[:400_000]
        site.cut = None
        download(remote, tmp_path / "a.dat")
        assert site.asked[-1] == ("/a.dat", "bytes=400000-")
    assert (tmp_path / "a.dat").read_bytes() == BODY
    assert _names(tmp_path) == {"a.dat", "a.dat.json"}


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"one"'), (True, None)])
def test_without_ranges_or_a_mark_it_starts_again(
    ranges: bool, etag: str | None, tmp_path: Path
) -> None:
    """A server that cannot say that the file is the same gets no part of another one appended."""
    with serving(files={"/a.dat": BODY}, cut=500_000, ranges=ranges, etag=etag) as site:
        remote = Remote(f"{site.url}/a.dat")
        with pytest.raises(PeopleError, match=r"broke off after 500,000 of 700,000"):
            download(remote, tmp_path / "a.dat")
        site.cut = None
        assert download(remote, tmp_path / "a.dat").read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_not_patched_together(tmp_path: Path) -> None:
    with serving(files={"/a.dat": BODY}, cut=100_000) as site:
        remote = Remote(f"{site.url}/a.dat")
        with pytest.raises(PeopleError):
            download(remote, tmp_path / "a.dat")
        site.files["/a.dat"], site.etag, site.cut = BODY[::-1], '"two"', None
        assert download(remote, tmp_path / "a.dat").read_bytes() == BODY[::-1]


def test_a_part_that_was_already_whole(tmp_path: Path) -> None:
    (tmp_path / "a.dat.part").write_bytes(BODY)
    with serving(files={"/a.dat": BODY}) as site:
        remote = Remote(f"{site.url}/a.dat", SHA256, len(BODY))
        assert download(remote, tmp_path / "a.dat").read_bytes() == BODY
        assert site.asked == [("/a.dat", f"bytes={len(BODY)}-")]


@pytest.mark.parametrize("kept", [b"", b"x" * 1000])
def test_a_wrong_checksum_leaves_nothing(kept: bytes, tmp_path: Path) -> None:
    if kept:
        (tmp_path / "a.dat.part").write_bytes(kept)  # resumed, and so wrong
    with serving(files={"/a.dat": BODY}) as site:
        wrong = SHA256 if kept else "0" * 64
        with pytest.raises(PeopleError, match=f"should be .* with SHA-256 {wrong}"):
            download(Remote(f"{site.url}/a.dat", wrong), tmp_path / "a.dat")
    assert _names(tmp_path) == set()


def test_what_is_not_there_and_who_does_not_answer(tmp_path: Path) -> None:
    with serving() as site, pytest.raises(PeopleError, match=r"answered 404 .* for http.*/b\.dat"):
        download(Remote(f"{site.url}/b.dat"), tmp_path / "b.dat")
    remote = Remote(f"{site.url}/b.dat", SHA256, len(BODY))  # the server is gone now
    with pytest.raises(PeopleError) as caught:
        download(remote, tmp_path / "b.dat")
    for word in (remote.url, "cannot be reached", "700,000 bytes", str(tmp_path / "b.dat")):
        assert word in str(caught.value)
    assert _names(tmp_path) == set()
    (tmp_path / "b.dat").write_bytes(BODY)  # fetched by hand, as the sentence says
    assert download(remote, tmp_path / "b.dat").read_bytes() == BODY


def test_a_file_in_the_cache_that_was_damaged_since(tmp_path: Path) -> None:
    with serving(files={"/a.dat": BODY}) as site:
        path = download(Remote(f"{site.url}/a.dat"), tmp_path / "a.dat")
        path.write_bytes(BODY[:-1] + b"!")
        with pytest.raises(PeopleError, match="Remove it to fetch it again"):
            download(Remote(f"{site.url}/a.dat"), tmp_path / "a.dat")


def test_no_other_kind_of_address() -> None:
    with pytest.raises(PeopleError, match="begins with http"):
        Remote("file:///etc/hostname")
