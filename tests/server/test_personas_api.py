"""Personas over HTTP: made as a method makes them, listed, deleted, never told whole."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.methods.registry import get_persona_method
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from personalign.server.engine import Engine
from personalign.server.job_records import JobRecord, JobRecords
from personalign.server.jobs import Job, PersonaMaker
from personalign.server.keys import KeyRing, create_key
from personalign.server.refusals import Refusal
from personalign.server.service import open_service
from personalign.server.store import PersonaStore
from tests.model.loud import make_loud
from tests.server.conftest import BASE, Live, make_personas, make_store
from tests.server.live import WAIT, call, listening, until


@pytest.fixture(scope="module")
def person() -> Respondents:
    return simulate(1, seed=3)


@pytest.fixture(scope="module")
def answers(person: Respondents) -> list[int]:
    """All 300, in the form's order."""
    return [int(answer) for answer in person.responses[0]]


@pytest.fixture(scope="module")
def short(person: Respondents) -> list[int]:
    """The 120 of the short form, in its order."""
    columns = ipip_neo_300().columns(ipip_neo_120())
    return [int(answer) for answer in person.responses[0, columns]]


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys_file: Path) -> str:
    return create_key(keys_file, "maker", scopes=["chat", "personas:read", "personas:write"])


@pytest.fixture(scope="module")
def live(
    decoder: Decoder, keys_file: Path, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    store = make_store(decoder, tmp_path_factory.mktemp("personas"))
    service = open_service(
        decoder, store, lambda one: Engine(one, max_batch=4), keys=KeyRing(keys_file)
    )
    with listening(service) as url:
        yield Live(url, service, make_personas(decoder))


def made(live: Live, key: str, **body: Any) -> dict[str, Any]:
    """The job, once it has ended."""
    begun = call(f"{live.url}/v1/personas", body, key=key)
    assert begun.status == 202, begun.data
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        job = call(live.url + begun.headers["location"], key=key).json
        if job["status"] in ("done", "failed"):
            return dict(job)
        time.sleep(0.02)
    raise AssertionError(f"the job did not end: {job}")


def chat(live: Live, key: str, model: str) -> str:
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": "Who are you?"}],
        "temperature": 0,
        "max_tokens": 10,
    }
    answer = call(f"{live.url}/v1/chat/completions", asked, key=key)
    assert answer.status == 200, answer.data
    return str(answer.json["choices"][0]["message"]["content"])


def same(one: Persona, other: Persona) -> bool:
    return one.key == other.key and one.with_alpha(1).key == other.with_alpha(1).key


def test_jobs_and_replies_do_not_touch_each_other(
    live: Live, key: str, person: Respondents, short: list[int]
) -> None:
    before = {model: chat(live, key, model) for model in (BASE, f"{BASE}:ann")}
    ended, replies = threading.Event(), 0

    def talk(model: str) -> int:
        said = 0
        while not ended.is_set():
            assert chat(live, key, model) == before[model]
            said += 1
        return said

    with ThreadPoolExecutor(2) as pool:
        talks = [pool.submit(talk, model) for model in before]
        try:
            for number in range(3):
                name = f"beside-{number}"
                job = made(live, key, name=name, answers=short, settings={"heads": 2})
                assert job["status"] == "done", job["error"]
        finally:
            ended.set()
        replies = sum(one.result(WAIT) for one in talks)
    assert replies > 3, "replies were written beside the jobs"
    seen = person.only(person.inventory.tuning)
    alone = get_persona_method("pas", decoder=make_loud(), heads=2).personas(seen)[0]
    for number in range(3):
        assert same(live.service.personas.get(f"beside-{number}"), alone)


def test_the_persona_is_what_the_method_makes(
    live: Live, key: str, person: Respondents, answers: list[int], short: list[int]
) -> None:
    other = make_loud()
    seen = person.only(person.inventory.tuning)
    expected = get_persona_method("pas", decoder=other, heads=2).personas(seen)[0]
    forms: list[dict[str, Any]] = [
        {"answers": answers},
        {"answers": short},
        {"answers": {str(n): a for n, a in enumerate(short, 1)}, "inventory": "IPIP-NEO-120"},
    ]
    for number, form in enumerate(forms):
        name = f"new-{number}"
        job = made(live, key, name=name, method="pas", settings={"heads": 2}, **form)
        assert (job["status"], job["progress"], job["error"]) == ("done", 1.0, None)
        assert same(live.service.personas.get(name), expected)
        told = call(f"{live.url}/v1/personas/{name}", key=key).json
        assert told["method"] == "pas" and told["pushed"] and not told["prompted"]
        assert told["alpha"] == expected.alpha
        said = chat(live, key, f"{BASE}:{name}@3")
        assert said == generate(other, expected.with_alpha(3), "Who are you?", max_new_tokens=10)[0]


def test_alpha_may_be_set_and_a_persona_replaced(live: Live, key: str, short: list[int]) -> None:
    assert made(live, key, name="twice", method="few-shot", answers=short)["status"] == "done"
    before = chat(live, key, f"{BASE}:twice")
    again = call(
        f"{live.url}/v1/personas", {"name": "twice", "answers": short, "method": "pas"}, key=key
    )
    assert (again.status, again.error["code"]) == (409, "already_exists")
    job = made(
        live, key, name="twice", answers=short, settings={"heads": 3}, alpha=4.5, replace=True
    )
    assert job["status"] == "done"
    assert live.service.personas.get("twice").alpha == 4.5
    assert chat(live, key, f"{BASE}:twice") != before
    job = made(live, key, name="odd", answers=short, method="few-shot", alpha=2)
    assert job["status"] == "failed" and "alpha would do nothing" in job["error"]["message"]
    assert "odd" not in live.service.personas


def test_what_was_answered_is_told_to_nobody(live: Live, key: str, short: list[int]) -> None:
    assert made(live, key, name="secret", method="few-shot", answers=short)["status"] == "done"
    told = call(f"{live.url}/v1/personas/secret", key=key)
    assert told.json["prompted"]
    assert b"Accurate" not in told.data
    record = json.loads((live.service.personas.folder / "secret/persona.json").read_text("utf-8"))
    assert "answers" not in record["provenance"]
    assert not any(str(short)[1:-1] in text for text in map(str, record["provenance"].values()))


def test_personas_are_listed_by_pages_and_deleted(live: Live, key: str) -> None:
    names: list[str] = []
    more = True
    while more:
        after = names[-1] if names else ""
        page = call(f"{live.url}/v1/personas?limit=2&after={after}", key=key).json
        names += [persona["id"] for persona in page["data"]]
        more = page["has_more"]
    assert names == live.service.personas.names()
    live.service.personas.put("doomed", live.personas["ann"])
    assert chat(live, key, f"{BASE}:doomed") == chat(live, key, f"{BASE}:ann")
    gone = call(f"{live.url}/v1/personas/doomed", method="DELETE", key=key)
    assert gone.json == {"id": "doomed", "object": "personalign.persona", "deleted": True}
    assert not (live.service.personas.folder / "doomed").exists()
    for method in ("GET", "DELETE"):
        assert call(f"{live.url}/v1/personas/doomed", method=method, key=key).status == 404
    asked = {"model": f"{BASE}:doomed", "messages": [{"role": "user", "content": "Hello."}]}
    assert call(f"{live.url}/v1/chat/completions", asked, key=key).error["code"] == (
        "model_not_found"
    )


@pytest.mark.parametrize(
    ("changed", "param", "said"),
    [
        ({"answers": [3] * 119}, "answers", "has 120 or 300"),
        ({"answers": [6] * 120}, "answers.0", ""),
        ({"answers": [0] * 120}, None, "at least 60 are needed"),
        ({"answers": {"301": 3}}, None, "301"),
        ({"answers": {"x": 3}}, None, ""),
        ({"answers": "many"}, None, ""),
        ({"answers": [3] * 300, "inventory": "IPIP-NEO-120"}, None, "has 120"),
        ({"inventory": "MBTI"}, "inventory", ""),
        ({"name": "../up"}, "name", ""),
        ({"name": "a:b"}, "name", ""),
        ({"name": ""}, "name", ""),
        ({"method": "dpo"}, "method", "is not served"),
        ({"method": "none of these"}, "method", "is not served"),
        ({"settings": {"heads": [1]}}, None, ""),
        ({"settings": {"cache": "/"}}, "settings", "no setting 'cache'"),
        ({"settings": {"depth": 1}}, "settings", "no setting 'depth'"),
        ({"alpha": "big"}, "alpha", ""),
        ({"aplha": 1}, "aplha", "Unrecognized"),
    ],
)
def test_what_makes_no_persona_is_refused(
    live: Live, key: str, changed: dict[str, Any], param: str | None, said: str
) -> None:
    answer = call(
        f"{live.url}/v1/personas", {"name": "never", "answers": [3] * 120, **changed}, key=key
    )
    assert answer.status == 400, answer.data
    assert said in answer.error["message"]
    if param is not None:
        assert answer.error["param"] == param


def test_a_setting_the_method_refuses_fails_the_job(live: Live, key: str, short: list[int]) -> None:
    for settings in ({"heads": 10_000}, {"direction": "up"}, {"heads": "many"}):
        job = made(live, key, name="never", answers=short, settings=settings)
        assert job["status"] == "failed"
        assert set(job["error"]) == {"message", "type", "param", "code"}
    assert "never" not in live.service.personas


def test_a_job_is_its_makers(live: Live, key: str, keys_file: Path, short: list[int]) -> None:
    other = create_key(keys_file, "other", scopes=["personas:write"])
    admin = create_key(keys_file, "admin", scopes=["admin"])
    job = made(live, key, name="mine", method="facet-prompt", answers=short)
    assert call(f"{live.url}/v1/jobs/{job['id']}", key=other).status == 404
    assert call(f"{live.url}/v1/jobs/{job['id']}", key=admin).json == job
    assert call(f"{live.url}/v1/jobs/job-none", key=key).status == 404


class Slow:
    """A maker on a folder of its own, whose jobs take until they are let go."""

    def __init__(self, decoder: Decoder, folder: Path) -> None:
        self.store = PersonaStore(folder, look_every=0)
        self.ended: list[str] = []
        self.maker = PersonaMaker(decoder, folder, ended=self.ended.append, most_waiting=2)
        self.began, self.go = threading.Event(), threading.Event()
        make = self.maker._make

        def wait(one: Job) -> Persona:
            self.began.set()
            assert self.go.wait(WAIT)
            return make(one)

        self.maker._make = wait  # type: ignore[method-assign]

    def take(self, one: Job) -> JobRecord:
        return self.maker.submit(one, self.store)


def job(person: Respondents, name: str, method: str = "facet-prompt") -> Job:
    return Job(name, method, {}, None, "", person)


def test_the_queue_of_jobs_is_bounded_and_closing_ends_it(
    person: Respondents, tmp_path: Path
) -> None:
    slow = Slow(make_loud(), tmp_path)
    first = slow.take(job(person, "a"))
    assert slow.began.wait(WAIT)
    waiting = [slow.take(job(person, name)) for name in ("b", "c")]
    with pytest.raises(Refusal, match="waiting to be made") as full:
        slow.take(job(person, "d"))
    assert full.value.status == 429 and int(full.value.headers["retry-after"]) > 1
    with pytest.raises(Refusal, match="being made already") as taken:
        slow.take(job(person, "b"))
    assert taken.value.status == 409
    closing = threading.Thread(target=slow.maker.close)
    closing.start()
    until(slow.maker._stopping.is_set, "the beginning of the end")
    slow.go.set()
    closing.join(WAIT)
    assert not closing.is_alive()
    after = JobRecords(tmp_path)  # what a server that is started again tells
    for one in (first, *waiting):
        found = after.find(one.id)
        assert found is not None and found.status == "failed"
        assert found.error is not None and found.error["code"] == "shutting_down"
    assert slow.ended == ["failed"] * 3
    assert slow.store.names() == []
    with pytest.raises(Refusal, match="shutting down"):
        slow.take(job(person, "e"))


def test_a_job_that_does_not_stop_is_told_as_failed_and_comes_to_nothing(
    person: Respondents, tmp_path: Path
) -> None:
    slow = Slow(make_loud(), tmp_path)

    def late(_: Job) -> Persona:
        slow.began.set()
        assert slow.go.wait(WAIT)
        return Persona("Too late.")

    slow.maker._make = late  # type: ignore[method-assign]
    taken = [slow.take(job(person, name, "none")) for name in ("a", "b")]
    assert slow.began.wait(WAIT)
    assert not slow.maker.close(seconds=0.1)
    told = [JobRecords(tmp_path).find(one.id) for one in taken]
    for found in told:
        assert found is not None and found.error is not None
        assert (found.status, found.error["code"]) == ("failed", "shutting_down")
    slow.go.set()
    slow.maker._thread.join(WAIT)
    assert not slow.maker._thread.is_alive()
    assert slow.ended == ["failed"] * 2 and slow.store.names() == []
    assert [JobRecords(tmp_path).find(one.id) for one in taken] == told


def test_nobodys_answers_are_kept(person: Respondents, tmp_path: Path) -> None:
    slow = Slow(make_loud(), tmp_path)
    try:
        slow.go.set()
        asked = job(person, "last", "none")
        taken = slow.take(asked)
        until(lambda: asked.status == "done", "the persona")
        assert asked.people is None
        until(lambda: slow.maker._jobs == {}, "the end of the job")
        found = slow.maker.find(taken.id)
        assert found is not None and (found.status, found.progress) == ("done", 1.0)
        answers = [str(answer) for answer in person.responses[0]]
        for path in (tmp_path / ".jobs").iterdir():
            assert ",".join(answers[:5]) not in path.read_text().replace(" ", "")
    finally:
        slow.maker.close()


def test_servers_of_one_folder_know_of_each_others_jobs(
    person: Respondents, tmp_path: Path
) -> None:
    one, other = Slow(make_loud(), tmp_path), Slow(make_loud(), tmp_path)
    try:
        taken = one.take(job(person, "ann", "none"))
        assert one.began.wait(WAIT)
        until(lambda: other.maker.find(taken.id).status == "running", "word of the job")  # type: ignore[union-attr]
        with pytest.raises(Refusal, match="being made already"):
            other.take(job(person, "ann", "none"))
        one.go.set()
        until(lambda: other.maker.find(taken.id).status == "done", "word of its end")  # type: ignore[union-attr]
        with pytest.raises(Refusal, match="There is a persona ann already"):
            other.take(job(person, "ann", "none"))
        again = job(person, "ann", "facet-prompt")
        again.replace = True
        other.go.set()
        other.take(again)
        until(lambda: again.status == "done", "the persona in its place")
        assert one.store.get("ann").system_prompt is not None
    finally:
        for slow in (one, other):
            slow.go.set()
            slow.maker.close()
