"""The container files say what the guide says: no root, no secret, nothing that does not exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from personalign.cli.main import app

yaml = pytest.importorskip("yaml")
DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
KNOWN = {
    "build", "image", "command", "environment", "secrets", "volumes", "networks", "depends_on",
    "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period", "restart",
    "healthcheck", "ports",
}  # fmt: skip


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """(instruction, rest) of the Containerfile."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    lines = re.sub(r"\\\n", " ", "\n".join(x for x in text.splitlines() if x[:1] != "#"))
    return [tuple(line.split(None, 1)) for line in lines.splitlines() if line.strip()]  # type: ignore[misc]


def test_what_services_name_exists(compose: dict[str, Any]) -> None:
    assert set(compose) == {"name", "services", "networks", "volumes", "secrets"}
    for name, service in compose["services"].items():
        assert set(service) <= KNOWN, name
        assert ("build" in service) != ("image" in service)
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert source.startswith("../secrets") or source in compose["volumes"]


def test_who_waits_for_health_waits_for_somebody_who_tells(
    compose: dict[str, Any], steps: list[tuple[str, str]]
) -> None:
    services = compose["services"]
    awaited = {one for service in services.values() for one in service.get("depends_on", ())}
    for name in awaited:
        told = "healthcheck" in services[name] or "build" in services[name]
        assert told and "HEALTHCHECK" in dict(steps)


def test_only_the_proxy_is_reached_and_the_database_has_no_way_out(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert services["database"]["networks"] == ["inside"]


def test_the_server_may_little(compose: dict[str, Any], steps: list[tuple[str, str]]) -> None:
    site = compose["services"]["site"]
    assert site["read_only"] is True and site["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in site["security_opt"]
    users = [rest for name, rest in steps if name == "USER"]
    assert users == ["personalign"]
    after = [name for name, _ in steps[[name for name, _ in steps].index("USER") :]]
    assert "RUN" not in after and "COPY" not in after


def test_no_secret_is_in_the_files_or_the_image(
    compose: dict[str, Any], steps: list[tuple[str, str]]
) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("(PASSWORD|SECRET|KEY|DATABASE)$", name), (name, value)
    copied = [rest.split()[:-1] for name, rest in steps if name == "COPY" and "--from" not in rest]
    assert {one for many in copied for one in many} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "src",
    }
    ignored = (DEPLOY.parent / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*" and "!secrets" not in ignored


def test_the_commands_exist(compose: dict[str, Any], steps: list[tuple[str, str]]) -> None:
    group: Any = typer.main.get_command(app)
    options = {name for one in group.commands["serve"].params for name in one.opts}
    default = [rest for name, rest in steps if name == "CMD"][-1]
    for words in (compose["services"]["site"]["command"], yaml.safe_load(default)):
        assert words[0] == "serve"
        given = {word.split("=")[0] for word in words[1:] if word.startswith("--")}
        assert given <= options


def test_the_image_has_the_torch_that_is_pinned(steps: list[tuple[str, str]]) -> None:
    project = (DEPLOY.parent / "pyproject.toml").read_text("utf-8")
    (pin,) = re.findall(r'"(torch==[\d.]+)"', project)
    words = [word for name, rest in steps if name == "RUN" for word in shlex.split(rest)]
    assert pin in words
