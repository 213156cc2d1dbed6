"""On a real Ray cluster of two workers, one of which is killed: the same bytes as elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from personalign.bench.run.run import run_bench
from personalign.errors import EvaluationError, ModelError

ray = pytest.importorskip("ray", reason="ray is not installed: the extra 'distributed'")
pytestmark = pytest.mark.slow


def test_a_worker_that_is_killed_changes_nothing(
    toml: Path,
    tmp_path: Path,
    rows_of: Callable[[Path], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from personalign.bench.run.on_ray import OnRay

    whole = run_bench(toml, tmp_path / "whole").folder
    killed: list[int] = []
    wait = ray.wait

    def kill_one(waiting: list, **given: object) -> object:
        """Before the first unit is waited for, one worker at work is gone."""
        if not killed:
            workers = [
                process
                for process in psutil.process_iter(["cmdline"])
                if (process.info["cmdline"] or [""])[0].startswith("ray::Worker")
            ]
            workers[0].kill()
            killed.append(workers[0].pid)
        return wait(waiting, **given)

    replaced: list[int] = []
    run = OnRay.run

    def counted(self: OnRay, *given: object) -> object:
        before = list(self.actors)
        yield from run(self, *given)  # type: ignore[arg-type]
        replaced.append(sum(actor not in before for actor in self.actors))

    monkeypatch.setattr(ray, "wait", kill_one)
    monkeypatch.setattr(OnRay, "run", counted)
    out = run_bench(toml, tmp_path / "out", ray="local", workers=2).folder
    assert killed and replaced == [1]
    assert rows_of(out) == rows_of(whole)
    assert not ray.is_initialized()


def test_what_a_worker_refuses_reaches_the_user(toml: Path, tmp_path: Path) -> None:
    toml.write_text(toml.read_text().replace('name = "', 'name = "/nowhere'))
    with pytest.raises(ModelError, match="/nowhere"):
        run_bench(toml, tmp_path / "out", ray="local", workers=1)


def test_a_cluster_that_is_not_there(toml: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be reached"):
        run_bench(toml, tmp_path / "out", ray="127.0.0.1:1", workers=1)
