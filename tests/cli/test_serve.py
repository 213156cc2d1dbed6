"""`serve` refuses what is unsafe before it loads anything; `keys` makes, lists and revokes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from personalign.cli.keys import keys
from personalign.cli.serve import serve
from personalign.errors import MissingPackageError, ModelError, ServingError
from personalign.server.keys import KeyRing, read_keys

runner = CliRunner()
serving = typer.Typer()
serving.command()(serve)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "On 0.0.0.0 others reach the server"),
        (["--host", "::"], "others reach the server"),
        (["--host", "example.org"], "others reach the server"),
        (["--api-keys", "keys.json", "--without-keys"], "contradict each other"),
        (["--ray", "auto"], "--ray is about replicas"),
        (["--threads", "2"], "--threads is about replicas"),
        (["--replicas", "2", "--device", "cuda:1"], "say --device cuda"),
        (["--api-keys", "none.json"], "cannot be read"),
    ],
)
def test_what_is_unsafe_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    result = runner.invoke(serving, ["--personas", str(tmp_path), *options])
    assert isinstance(result.exception, ServingError)
    assert said in str(result.exception)


def test_a_model_behind_an_api_is_refused(tmp_path: Path) -> None:
    result = runner.invoke(serving, ["--personas", str(tmp_path), "--model", "api:gpt-4o"])
    assert isinstance(result.exception, ModelError)
    assert "behind an API already" in str(result.exception)


def test_a_taken_port_is_told(tmp_path: Path, model: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = runner.invoke(
            serving, ["--personas", str(tmp_path), "--model", str(model), "--port", port]
        )
    assert isinstance(result.exception, ServingError)
    assert f"port {port}" in str(result.exception)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = runner.invoke(serving, ["--personas", str(tmp_path)])
    assert isinstance(result.exception, MissingPackageError)
    assert 'pip install "personalign[serve]"' in str(result.exception)


@pytest.mark.slow
def test_a_thread_that_is_left_behind_spoils_no_exit() -> None:
    code = """
import threading, time, torch
from personalign.cli.serve import _leave
def work():
    while True:
        torch.randn(400, 400) @ torch.randn(400, 400)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("ended")
_leave()
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"ended\n")


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    made = runner.invoke(
        keys,
        ["create", file, "--name", "ann", "--scope", "chat", "--scope", "personas:read",
         "--persona", "a-*", "--requests-per-minute", "60", "--concurrency", "2"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    key = KeyRing(file).find(secret)
    assert key is not None
    assert (key.name, key.scopes, key.personas) == ("ann", ("chat", "personas:read"), ("a-*",))
    assert (key.requests_per_minute, key.concurrency) == (60, 2)
    listed = runner.invoke(keys, ["list", file])
    for word in ("ann", key.id, "personas:read", "a-*", "60"):
        assert word in listed.stdout
    assert secret.split("-")[2] not in listed.stdout
    gone = runner.invoke(keys, ["revoke", file, "ann"])
    assert key.id in gone.stdout
    assert read_keys(file) == []


def test_a_scope_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    result = runner.invoke(keys, ["create", str(file), "--name", "x", "--scope", "fly"])
    assert isinstance(result.exception, ServingError)
    assert "choose from chat, personas:read" in str(result.exception)
    assert not file.exists()
