"""Data sets by name: a URL, OSF's files, the hub's, each from a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset import hub
from personalign.dataset.download import Remote
from personalign.dataset.files import cache_folder
from personalign.dataset.hub import SOURCES, fetch, read_fetched
from personalign.dataset.johnson import write_johnson
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from tests.dataset.serving import Site, serving

REPOSITORY = "WestlakeNLP/PAPI-300K"
COMMIT = "c" * 40
FETCH = "from personalign.dataset.hub import *; from pathlib import Path; import sys\n"
FETCH += "for path in fetch(sys.argv[1], folder=Path(sys.argv[2])): print(path)"


def _put(site: Site, files: dict[str, bytes]) -> None:
    """Make the site answer as the hub does for one data set with these files."""
    api, tree = f"/api/datasets/{REPOSITORY}", []
    for name, body in files.items():
        sha1 = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        sha256 = hashlib.sha256(body).hexdigest()
        large = name.endswith(".parquet")
        entry = {"type": "file", "path": name, "size": len(body), "oid": sha1}
        if large:
            entry["lfs"] = {"oid": sha256, "size": len(body), "pointerSize": 130}
        tree.append(entry)
        path = f"/datasets/{REPOSITORY}/resolve/{COMMIT}/{name}"
        site.files[path] = body
        site.headers[path] = {"ETag": f'"{sha256 if large else sha1}"', "X-Repo-Commit": COMMIT}
    info = {"id": REPOSITORY, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    site.files[f"{api}/revision/main"] = json.dumps(info).encode()
    site.files[f"{api}/tree/{COMMIT}"] = json.dumps(tree).encode()


def _fetch(site: Site | None, source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`fetch` in a process of its own: the hub's library reads its settings when imported."""
    there = {"HF_ENDPOINT": site.url, "HF_HUB_OFFLINE": "0"} if site else {"HF_HUB_OFFLINE": "1"}
    settings = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **there}
    return subprocess.run(
        [sys.executable, "-c", FETCH, source, str(folder)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Thirty simulated people in two parquet files, beside files that hold nobody."""
    folder = tmp_path_factory.mktemp("shards")
    people, files = simulate(30, seed=3), {}
    for part, rows in enumerate((slice(0, 20), slice(20, 30))):
        people.select(rows).write(folder / "part.parquet")
        files[f"data/train-0000{part}-of-00002.parquet"] = (folder / "part.parquet").read_bytes()
    files["README.md"] = b"# PAPI-300K"
    files["item_key.csv"] = b"number,statement\n1,Worry about things.\n"
    return files


def test_the_hub_s_shards_are_one_table(shards: dict[str, bytes], tmp_path: Path) -> None:
    with serving() as site:
        _put(site, shards)
        done = _fetch(site, "papi-300k", tmp_path)
        assert done.returncode == 0, done.stderr
        files = [Path(line) for line in done.stdout.splitlines()]
        assert [path.name for path in files] == [
            "train-00000-of-00002.parquet",
            "train-00001-of-00002.parquet",
        ]
        assert not any("README" in path for path, _ in site.asked)
        people = read_fetched(files)
        assert np.array_equal(people.responses, simulate(30, seed=3).responses)
    again = _fetch(None, "papi-300k", tmp_path)  # no network any more, and none is needed
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_several_tables_are_a_choice(shards: dict[str, bytes], tmp_path: Path) -> None:
    body = shards["data/train-00000-of-00002.parquet"]
    with serving() as site:
        _put(site, {"test.parquet": body, "all.parquet": body})
        done = _fetch(site, "papi-300k", tmp_path)
        assert "papi-300k has 2 files of people, and one is needed" in done.stderr
        assert "papi-300k:all.parquet, papi-300k:test.parquet" in done.stderr
        chosen = _fetch(site, "papi-300k:test.parquet", tmp_path)
        assert Path(chosen.stdout.strip()).name == "test.parquet"
        wrong = _fetch(site, "papi-300k:train.parquet", tmp_path)
        assert "papi-300k has no file of people 'train.parquet'" in wrong.stderr


@pytest.mark.slow
def test_a_hub_file_that_came_over_wrong(shards: dict[str, bytes], tmp_path: Path) -> None:
    with serving() as site:
        _put(site, shards)
        path = f"/datasets/{REPOSITORY}/resolve/{COMMIT}/data/train-00001-of-00002.parquet"
        whole = site.files[path]
        site.files[path] = whole[:-1] + b"!"
        done = _fetch(site, "papi-300k", tmp_path)
        assert "train-00001-of-00002.parquet did not come over from the hub" in done.stderr
        site.files[path] = whole
        assert _fetch(site, "papi-300k", tmp_path).returncode == 0


@pytest.mark.slow
def test_without_the_hub_the_error_says_what_to_do(
    shards: dict[str, bytes], tmp_path: Path
) -> None:
    done = _fetch(None, "papi-300k", tmp_path)
    assert "https://huggingface.co/datasets/WestlakeNLP/PAPI-300K/tree/main" in done.stderr
    place = tmp_path / "papi-300k"
    assert str(place) in done.stderr
    for name, body in shards.items():  # as the sentence says
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(body)
    files = fetch("papi-300k", folder=tmp_path)
    assert len(read_fetched(files)) == 30


def test_a_named_raw_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = simulate(40, seed=1)
    write_johnson(people, tmp_path / "made.dat")
    body = (tmp_path / "made.dat").read_bytes()
    with serving(files={"/osf": body}) as site:
        remote = Remote(f"{site.url}/osf", hashlib.sha256(body).hexdigest(), len(body))
        known = replace(SOURCES["johnson-300"], remote=remote)
        monkeypatch.setitem(hub.SOURCES, "johnson-300", known)
        (path,) = fetch("johnson-300")
        assert fetch("johnson-300") == [path]
        assert len(site.asked) == 1
    assert path == cache_folder().absolute() / "people" / "johnson-300" / "IPIP300.dat"
    assert np.array_equal(read_fetched([path]).responses, people.responses)


def test_any_address(tmp_path: Path) -> None:
    simulate(3, seed=1).write(tmp_path / "people.json")
    body = (tmp_path / "people.json").read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    with serving(files={"/a/people.json": body, "/b/people.json": b"[]"}) as site:
        (one,) = fetch(f"{site.url}/a/people.json?raw=1", sha256=digest.upper(), folder=tmp_path)
        (other,) = fetch(f"{site.url}/b/people.json", folder=tmp_path)
        assert one.name.endswith("-people.json") and one != other
        assert len(read_fetched([one])) == 3
        with pytest.raises(PeopleError, match="with SHA-256 " + "0" * 64):
            fetch(f"{site.url}/a/people.json", sha256="0" * 64, folder=tmp_path)


def test_the_released_file_is_the_one_that_was_checked() -> None:
    known = SOURCES["johnson-300"].remote
    assert known is not None and known.sha256 is not None
    assert known.size == 307_313 * 335 - 2
    assert len(known.sha256) == 64


def test_names_that_are_none() -> None:
    with pytest.raises(PeopleError, match="no data set 'johnson'; there are johnson-300, johnson"):
        fetch("johnson")
    with pytest.raises(PeopleError, match="johnson-300 has its own checksum"):
        fetch("johnson-300:a.dat")
    with pytest.raises(PeopleError, match="papi-300k has its own checksum"):
        fetch("papi-300k", sha256="0" * 64)
