"""The repository is what its README says: the tree is true, files are short, nothing is missing."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE = 400  # lines; near it there is a second idea that wants its own file
UNLISTED = {"__init__.py", "py.typed"}  # below the package itself, a room's own line stands for it
# A path that only exists on somebody's machine.
MACHINE_PATH = re.compile(r"/(?:work|root|farm|tmp)/[a-z.]|/home/\w+/|/Users/\w+/")
BESIDE = "../" + "shared"
FILL = "@@" + "FILL" + "@@"


def tracked_files() -> list[Path]:
    """Every file git keeps or would keep; every file of an unpacked source archive."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return sorted(ROOT / name for name in listed if name and (ROOT / name).is_file())


def texts() -> dict[str, str]:
    """Repository path -> text, for every tracked file that is text."""
    found = {}
    for path in tracked_files():
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def tree_in_readme(readme: str) -> tuple[set[str], set[str]]:
    """The (files, whole folders) of the README's tree: two spaces a level, folders end with /.

    A folder with no lines of its own below it stands for everything in it.
    """
    block = readme.split("```text\nsrc/personalign/", 1)[1].split("```", 1)[0].splitlines()[1:]
    files: set[str] = set()
    folders: list[str] = []
    whole: set[str] = set()
    for line in filter(str.strip, block):
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        assert len(line.split()) > 1, f"{name} has no description in the README's tree"
        folders = folders[: depth - 1]
        path = "".join(folders) + name
        for parent in (path[: i + 1] for i, letter in enumerate(path[:-1]) if letter == "/"):
            whole.discard(parent)
        if name.endswith("/"):
            folders.append(name)
            whole.add(path)
        else:
            files.add(path)
    return files, whole


def test_the_tree_in_the_readme_is_true() -> None:
    files, whole = tree_in_readme((ROOT / "README.md").read_text(encoding="utf-8"))
    source = ROOT / "src" / "personalign"
    present = {p.relative_to(source).as_posix() for p in tracked_files() if source in p.parents}
    missing = {name for name in files if name not in present}
    unlisted = {
        name
        for name in present - files
        if Path(name).name not in UNLISTED and not any(name.startswith(f) for f in whole)
    }
    empty = {folder for folder in whole if not any(name.startswith(folder) for name in present)}
    assert (missing, unlisted, empty) == (set(), set(), set())


def test_reading_the_tree() -> None:
    readme = "x\n```text\nsrc/personalign/\n  a.py  one\n  b/  two\n    c.py  three\n  d/  e\n```\n"
    assert tree_in_readme(readme) == ({"a.py", "b/c.py"}, {"d/"})


def test_no_source_file_is_too_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src").rglob("*.py")
        if path.parent.name != "versions"  # steps of the site's database are written by a recipe
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_file_names_a_place_on_one_machine() -> None:
    found = {
        f"{name}: {match.group()}" for name, text in texts().items()
        for match in MACHINE_PATH.finditer(text)
    }  # fmt: skip
    found |= {name for name, text in texts().items() if BESIDE in text and name != ".ci/run"}
    assert found == set()


def test_nothing_is_left_to_fill_in() -> None:
    assert {name for name, text in texts().items() if FILL in text} == set()


def test_make_installs_the_torch_that_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (pin,) = [line for line in project["dependencies"] if line.startswith("torch==")]
    assert f"pip install {pin}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_make_test_installs_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (extras,) = re.findall(r'install -e "\.\[(.*)\]"', makefile)
    assert set(extras.split(",")) == set(project["optional-dependencies"])


def test_the_changelog_knows_this_version() -> None:
    from personalign import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
