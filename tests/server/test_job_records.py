"""What is kept of jobs: told through any server of a folder, and true when one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from personalign.server import job_records
from personalign.server.job_records import JobRecord, JobRecords

BEGINS = """
import sys, time
from pathlib import Path
from personalign.server.job_records import JobRecord, JobRecords
records = JobRecords(Path(sys.argv[1]))
with records.beginning("ann") as free:
    assert free
    records.write(JobRecord("job-" + "a" * 24, "ann", "pas", "", records.maker, 1, "running", 0.5))
print("begun", flush=True)
time.sleep(600)
"""


def record(records: JobRecords, number: int, persona: str = "ann", **fields: object) -> JobRecord:
    made = JobRecord(f"job-{number:024x}", persona, "pas", "key", records.maker, number)
    return replace(made, **fields)  # type: ignore[arg-type]


def test_a_record_is_told_through_every_server_of_the_folder(tmp_path: Path) -> None:
    one, other = JobRecords(tmp_path), JobRecords(tmp_path)
    job = record(one, 7, "a.b-c", progress=0.25)
    assert one.find(job.id) is None and not (tmp_path / ".jobs").exists()
    with one.beginning("a.b-c") as free:
        assert free
        one.write(job)
    for records in (one, other):
        assert records.find(job.id) == job
        with records.beginning("a.b-c") as free:
            assert not free
        with records.beginning("a.b") as free:
            assert free
    one.write(replace(job, status="done", progress=1.0))
    with other.beginning("a.b-c") as free:
        assert free
    found = other.find(job.id)
    assert found is not None and found.told() == {
        "id": job.id,
        "object": "personalign.job",
        "created": 7,
        "status": "done",
        "progress": 1.0,
        "persona": "a.b-c",
        "method": "pas",
        "error": None,
    }
    for number in ("job-none", "../../x", "", job.id[:-1], job.id + "*"):
        assert other.find(number) is None


def test_a_server_that_closes_leaves_no_lock_and_no_running_job(tmp_path: Path) -> None:
    one, other = JobRecords(tmp_path), JobRecords(tmp_path)
    job = record(one, 1, status="running")
    with one.beginning("ann"):
        one.write(job)
    one.close()
    assert list((tmp_path / ".jobs").glob("*.maker")) == []
    found = other.find(job.id)
    assert found is not None and found.status == "failed"


def test_a_job_whose_server_was_killed_has_failed(tmp_path: Path) -> None:
    source = Path(job_records.__file__).parents[2]
    maker = subprocess.Popen(
        [sys.executable, "-c", BEGINS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    records, number = JobRecords(tmp_path), "job-" + "a" * 24
    try:
        assert maker.stdout is not None and maker.stdout.readline() == "begun\n"
        running = records.find(number)
        assert running is not None and (running.status, running.progress) == ("running", 0.5)
        with records.beginning("ann") as free:
            assert not free
    finally:
        maker.send_signal(signal.SIGKILL)
        maker.wait(60)
    failed = records.find(number)
    assert failed is not None and failed.status == "failed" and failed.error is not None
    assert failed.error["code"] == "maker_gone"
    assert "send the answers again" in failed.error["message"]
    assert JobRecords(tmp_path).find(number) == failed, "and it is written down"
    with records.beginning("ann") as free:
        assert free
    assert len(list((tmp_path / ".jobs").glob("*.maker"))) == 1


def test_old_records_are_forgotten_running_ones_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_records, "KEPT", 5)
    records = JobRecords(tmp_path)
    jobs = [record(records, n, f"p{n}", status="running" if n == 0 else "done") for n in range(9)]
    for job in jobs:
        with records.beginning(job.persona):
            records.write(job)
        path = next((tmp_path / ".jobs").glob(f"{job.id}.*"))
        os.utime(path, (job.created, job.created))
    known = [job.created for job in jobs if records.find(job.id) is not None]
    assert known == [0, 5, 6, 7, 8]


def test_a_spoilt_record_is_no_job(tmp_path: Path) -> None:
    records = JobRecords(tmp_path)
    job = record(records, 1)
    with records.beginning("ann"):
        records.write(job)
    (tmp_path / ".jobs" / f"{job.id}.ann.json").write_text("{")
    assert records.find(job.id) is None
    with records.beginning("ann") as free:
        assert free
