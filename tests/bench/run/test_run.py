"""A run ends in the same bytes however it was interrupted, and wherever it was done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from personalign.bench.run.executors import InProcess
from personalign.bench.run.folder import LOCK, RunFolder
from personalign.bench.run.gather import gathered, sections, standing
from personalign.bench.run.run import run_bench
from personalign.errors import EvaluationError, MethodError, ModelError

Rows = Callable[[Path], dict[str, bytes]]


def blocks(folder: Path) -> int:
    return len(list(folder.glob("*/*.npz")))


def start(toml: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "personalign.cli.main",
            "bench",
            str(toml),
            "--out",
            str(out),
            *more,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition(), "the run did not come that far"


def test_a_run_is_done_once_and_marked(toml: Path, tmp_path: Path, rows_of: Rows) -> None:
    folder = run_bench(toml, tmp_path / "out")
    assert folder.finished and blocks(folder.folder) == 8
    assert all(one.people == one.whole == 3 for one in standing(folder))
    before = {path: path.stat().st_mtime_ns for path in folder.folder.glob("*/*.npz")}
    told: list[tuple[str, float, int]] = []
    run_bench(toml, tmp_path / "out", progress=lambda *line: told.append(line))
    assert {path: path.stat().st_mtime_ns for path in folder.folder.glob("*/*.npz")} == before
    assert set(told) == {("none", 6.0, 6), ("few-shot", 6.0, 6)}
    scores = gathered(folder)["aligned"]
    assert [method.name for method in scores.measured] == ["none", "few-shot"]
    assert len(scores.rows("few-shot", 1)) == 3


@pytest.mark.slow
def test_killed_three_times_at_random_moments_it_ends_in_the_same_bytes(
    toml: Path, tmp_path: Path, rows_of: Rows
) -> None:
    whole = run_bench(toml, tmp_path / "whole").folder
    out = tmp_path / "out"
    draw = random.Random(0)
    for kill in range(3):
        process = start(toml, out)
        least = 1 + 2 * kill
        wait_for(lambda least=least: blocks(out) >= least, process)  # type: ignore[misc]
        time.sleep(draw.random() / 10)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (out / "finished.json").exists()
    assert start(toml, out).wait() == 0
    assert rows_of(out) == rows_of(whole)
    assert not list(out.rglob(".people*")), "a temporary file was left behind"


@pytest.mark.slow
def test_processes_give_the_same_bytes_and_one_that_dies_is_replaced(
    toml: Path, tmp_path: Path, rows_of: Rows
) -> None:
    whole = run_bench(toml, tmp_path / "whole").folder
    out = tmp_path / "out"
    process = start(toml, out, "--workers", "2")
    wait_for(lambda: blocks(out) >= 1, process)
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if any("spawn_main" in word for word in child.cmdline())
    ]
    workers[0].kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    assert rows_of(out) == rows_of(whole)


def test_one_seed_of_one_method_does_not_depend_on_the_others(
    toml: Path, tmp_path: Path, rows_of: Rows
) -> None:
    whole = rows_of(run_bench(toml, tmp_path / "whole").folder)
    text = toml.read_text()
    toml.write_text(text.replace("[0, 1]", "[1]").replace('"none", "few-shot"', '"few-shot"'))
    part = rows_of(run_bench(toml, tmp_path / "part").folder)
    assert part and all(whole[name] == content for name, content in part.items())


def test_two_runs_in_one_folder_are_refused(toml: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "out")
    with folder.locked(), pytest.raises(EvaluationError, match="Another run is at work"):
        run_bench(toml, tmp_path / "out")
    run_bench(toml, tmp_path / "out")
    assert (tmp_path / "out" / LOCK).exists()  # and a lock nobody holds stops nobody


def test_a_folder_of_another_run_or_of_other_things_is_refused(toml: Path, tmp_path: Path) -> None:
    run_bench(toml, tmp_path / "out")
    toml.write_text(toml.read_text().replace("simulated = 3", "simulated = 2"))
    with pytest.raises(EvaluationError, match="holds another run \\('A small run'"):
        run_bench(toml, tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").touch()
    with pytest.raises(EvaluationError, match="holds other files and no run"):
        run_bench(toml, tmp_path / "other")


def test_other_people_or_another_model_are_refused_and_nothing_is_lost(
    toml: Path, tmp_path: Path, rows_of: Rows, model: Path
) -> None:
    from personalign.dataset.simulate import simulate
    from personalign.model.fake import fake_decoder

    simulate(3, seed=1).write(tmp_path / "people.json")
    other = tmp_path / "model"
    for part in (fake_decoder("llama").model, fake_decoder("llama").tokenizer):
        part.save_pretrained(other)
    text = toml.read_text().replace("simulated = 3\nseed = 3", 'file = "people.json"')
    toml.write_text(text.replace(str(model), str(other)))
    out = run_bench(toml, tmp_path / "out").folder
    before = rows_of(out)
    simulate(3, seed=2).write(tmp_path / "people.json")
    with pytest.raises(EvaluationError, match="begun with the people"):
        run_bench(toml, out)
    with pytest.raises(EvaluationError, match="no longer those it measured"):
        gathered(RunFolder(out))
    simulate(3, seed=1).write(tmp_path / "people.json")
    fake_decoder("llama", seed=5).model.save_pretrained(other)
    with pytest.raises(EvaluationError, match="begun with the model"):
        run_bench(toml, out)
    assert rows_of(out) == before


def test_a_disk_that_is_full_loses_nothing_and_is_said(
    toml: Path, tmp_path: Path, rows_of: Rows
) -> None:
    """No file may grow beyond 2,000 bytes in the run's process: the rows of a block do."""
    script = (
        "import resource, signal, sys\n"
        "from personalign.bench.run import run as module\n"
        "from personalign.bench.run.folder import RunFolder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "write, count = RunFolder.write, []\n"
        "def limited(self, *given):\n"
        "    count.append(1)\n"
        "    if len(count) > 3:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
        "    write(self, *given)\n"
        "RunFolder.write = limited\n"
        "module.run_bench(sys.argv[1], sys.argv[2])\n"
    )
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", script, str(toml), str(out)], capture_output=True, text=True
    )
    assert done.returncode == 1 and "There is no room left for" in done.stderr
    assert blocks(out) == 3 and not list(out.rglob(".people*"))
    assert rows_of(run_bench(toml, out).folder) == rows_of(run_bench(toml, tmp_path / "new").folder)


def test_what_a_worker_refuses_reaches_the_user(toml: Path, tmp_path: Path) -> None:
    toml.write_text(toml.read_text().replace("answers = 10", "answers = 0"))
    with pytest.raises(MethodError, match="few-shot is to list 0 answers"):
        run_bench(toml, tmp_path / "out", workers=2)
    toml.write_text(toml.read_text().replace('name = "', 'name = "/nowhere'))
    for workers in (1, 2):
        with pytest.raises(ModelError, match="/nowhere"):
            run_bench(toml, tmp_path / "other", workers=workers)


def test_a_claim_that_was_cut_short_is_taken_up(toml: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "source.txt").write_text("somewhere\n")
    (out / ".run.abc.toml").write_text("title = ")
    assert run_bench(toml, out).finished


def test_people_methods_are_developed_on_are_refused(toml: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from personalign.dataset.simulate import simulate

    replace(simulate(3, seed=1), split="tuning").write(tmp_path / "people.json")
    toml.write_text(toml.read_text().replace("simulated = 3\nseed = 3", 'file = "people.json"'))
    with pytest.raises(EvaluationError, match="tuning"):
        run_bench(toml, tmp_path / "out")
    allowed = 'file = "people.json"\non_tuning_people = true'
    toml.write_text(toml.read_text().replace('file = "people.json"', allowed))
    (section,) = sections(run_bench(toml, tmp_path / "out"))
    assert "tuning part, on whom methods are developed" in " ".join(section.tables[0].notes)


def test_the_process_gets_its_threads_back(toml: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run_bench(toml, tmp_path / "out")
        assert torch.get_num_threads() == 2
        toml.write_text(toml.read_text().replace('name = "', 'name = "/nowhere'))
        with pytest.raises(ModelError):
            run_bench(toml, tmp_path / "other")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_the_report_does_not_average_is_measured_with_one_seed(
    toml: Path, tmp_path: Path
) -> None:
    toml.write_text(toml.read_text() + "\n[evaluations.effects]\n")
    found = gathered(run_bench(toml, tmp_path / "out"))
    assert set(found["aligned"].blocks) == {(m, s) for m in ("none", "few-shot") for s in (0, 1)}
    assert set(found["effects"].blocks) == {("none", 0), ("few-shot", 0)}


def test_a_unit_that_always_ends_its_process_gives_up_with_its_name(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from personalign.bench.run.executors import TRIES, given_up
    from personalign.bench.run.plan import Unit

    unit = Unit("pas", 0, 0, 2, ("aligned",))
    for deaths in range(TRIES):
        given_up(unit, deaths)
    with pytest.raises(EvaluationError, match="pas, seed 0, people 1-2: aligned"):
        given_up(unit, TRIES)


def test_progress_is_told_within_blocks(toml: Path, tmp_path: Path) -> None:
    toml.write_text(
        toml.read_text().replace('"few-shot"]', '"pas"]').split("settings.")[0]
        + "[evaluations.aligned]\n"
    )
    told: list[tuple[str, float, int]] = []
    run_bench(toml, tmp_path / "out", progress=lambda *line: told.append(line))
    of_pas = [done for name, done, whole in told if name == "pas" and whole == 6]
    assert of_pas[0] == 0 and of_pas[-1] == 6
    assert any(done % 1 for done in of_pas), "nothing was told inside a block"


def test_an_executor_is_closed_whatever_happens(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(InProcess, "close", lambda self: closed.append(True))
    monkeypatch.setattr(InProcess, "describe", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_bench(toml, tmp_path / "out")
    assert closed == [True]
