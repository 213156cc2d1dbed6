"""Imports point one way.

    inventory -> dataset, model -> methods -> evaluation -> bench -> server -> web -> cli

A room imports itself and the rooms to its left. Rooms of one rank (dataset and model) do not
import each other. errors.py is open to all; of the package itself a room takes the version, nothing
else. Every import counts, those inside functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "personalign"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE
RANKS = (
    {"inventory"},
    {"dataset", "model"},
    {"methods"},
    {"evaluation"},
    {"bench"},
    {"server"},
    {"web"},
    {"cli"},
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
HEAVY = ("torch", "transformers", "polars", "matplotlib", "sklearn", "scipy", "numpy")


def imported_modules(source: str, module: str, *, is_package: bool) -> list[tuple[str, str]]:
    """The (module, name) pairs of this package that the source imports; name "" for a module."""
    parts = module.split(".") if is_package else module.split(".")[:-1]
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found += [(origin, alias.name) for alias in node.names]
    return [(origin, name) for origin, name in found if origin.split(".")[0] == PACKAGE]


def wrong_imports(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """A sentence for each import of the source that points the wrong way."""
    room = module.split(".")[1] if "." in module else ""
    wrong = []
    for origin, name in imported_modules(source, module, is_package=is_package):
        path = [*origin.split("."), *([name] if name else [])]
        if len(path) == 1:
            wrong.append(f"{module} imports the whole package; import the module that is meant.")
            continue
        target = path[1]
        if target in ("errors", "__version__") or target == room:
            continue
        if target not in RANK:
            wrong.append(f"{module} imports {'.'.join(path)}; name the room it lives in.")
        elif room not in RANK or RANK[target] >= RANK[room]:
            wrong.append(f"{module} imports {'.'.join(path)}, and {target} is not left of {room}.")
    return wrong


def modules() -> list[tuple[str, Path]]:
    named = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        named.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return named


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_imports_point_left(module: str, path: Path) -> None:
    if module == PACKAGE:
        pytest.skip("the public surface names every room; a test below shows that it is lazy")
    source = path.read_text(encoding="utf-8")
    assert wrong_imports(source, module, is_package=path.name == "__init__.py") == []


def test_every_folder_is_a_known_room_and_a_package() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders <= set(RANK)
    for path in SOURCE.rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from personalign.methods.pas import PAS", "personalign.model.answer"),
        ("from personalign.dataset.people import Respondents", "personalign.model.answer"),
        ("from personalign.model.decoder import Decoder", "personalign.dataset.people"),
        ("import personalign.cli.main", "personalign.inventory.items"),
        ("def f():\n    from personalign.evaluation import aligned", "personalign.methods.base"),
        ("from personalign import evaluation", "personalign.methods.base"),
        ("from personalign import Decoder", "personalign.cli.ask"),
        ("from ..evaluation import aligned", "personalign.methods.base"),
        ("import personalign", "personalign.cli.ask"),
    ],
)
def test_an_import_to_the_right_is_seen(source: str, module: str) -> None:
    assert len(wrong_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from personalign.inventory.items import Item", "personalign.dataset.people"),
        ("from personalign.methods import registry", "personalign.cli.methods"),
        ("from personalign.errors import ModelError", "personalign.inventory.items"),
        ("from personalign import __version__", "personalign.model.persona"),
        ("from .heads import HeadMap", "personalign.model.capture"),
        ("import numpy as np\nimport personalignment", "personalign.model.capture"),
    ],
)
def test_an_import_to_the_left_is_allowed(source: str, module: str) -> None:
    assert wrong_imports(source, module) == []


@pytest.mark.parametrize("module", [PACKAGE, f"{PACKAGE}.cli.main"])
def test_importing_the_surface_loads_nothing_heavy(module: str) -> None:
    """So that `personalign --help` answers at once."""
    program = f"import {module}, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.split() == []


def test_every_public_name_is_there() -> None:
    import personalign

    assert set(personalign.__all__) == {*personalign._HOMES, "__version__"}
    for name in personalign.__all__:
        assert getattr(personalign, name) is not None
    assert set(personalign.__all__) <= set(dir(personalign))


def test_an_unknown_name_is_an_attribute_error() -> None:
    import personalign

    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = personalign.nothing_of_this_name
