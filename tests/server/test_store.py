"""The store: what is in the directory is what is served, whoever changed it and when."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from personalign.errors import PersonaError, UnknownPersonaError
from personalign.model.generate import generate
from personalign.model.persona import PERSONA_FILE, PLAIN, Persona
from personalign.server import store as store_module
from personalign.server.engine import Engine
from personalign.server.store import PersonaStore
from tests.model.conftest import CHATS, some_shift
from tests.model.loud import loud, make_loud


def soon(what: Callable[[], bool]) -> bool:
    """Whether it becomes true within five seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def somebody(seed: int, alpha: float = 2.0) -> Persona:
    return Persona(f"You are number {seed}.", some_shift(loud(), seed=seed), alpha)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(3):
        somebody(seed).save(tmp_path / "people" / f"zoe-{seed}")
    (tmp_path / "people" / "notes").mkdir()
    (tmp_path / "people" / "README.txt").write_text("Our people.")
    return tmp_path / "people"


def test_a_directory_is_read_once_and_by_name(folder: Path) -> None:
    store = PersonaStore(folder, loud(), look_every=0)
    assert store.wait(10)
    assert store.names() == ["zoe-0", "zoe-1", "zoe-2"]
    assert [store.get(name) for name in store.names()] == [somebody(seed) for seed in range(3)]
    assert "zoe-1" in store and "notes" not in store and len(store) == 3
    assert store.get("zoe-1") is store.get("zoe-1")
    store.close()


def test_other_processes_may_add_replace_and_delete(folder: Path) -> None:
    store = PersonaStore(folder, loud(), look_every=0.02)
    assert store.wait(10)
    somebody(7).save(folder / "new")
    assert soon(lambda: "new" in store.names())
    somebody(8).save(folder / "zoe-0")
    assert soon(lambda: store.get("zoe-0") == somebody(8))
    shutil.rmtree(folder / "zoe-1")
    assert soon(lambda: "zoe-1" not in store.names())
    assert store.names() == ["new", "zoe-0", "zoe-2"]
    store.close()
    assert not store._thread.is_alive()


def test_one_not_yet_come_to_is_read_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    refresh = PersonaStore.refresh
    monkeypatch.setattr(PersonaStore, "refresh", lambda store: (held.wait(10), refresh(store)))
    store = PersonaStore(folder, loud(), look_every=0)
    assert not store.wait(0.01) and store.names() == []
    assert store.get("zoe-2") == somebody(2)
    assert store.names() == ["zoe-2"]
    held.set()
    assert store.wait(10) and len(store) == 3
    store.close()


def test_put_and_delete_are_seen_at_once(folder: Path) -> None:
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    store.put("kim", somebody(4))
    assert store.get("kim") == somebody(4) == Persona.load(folder / "kim")
    store.put("kim", somebody(5))
    assert store.get("kim") == somebody(5)
    store.delete("kim")
    assert not (folder / "kim").exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt",
        "notes",
        "zoe-0",
        "zoe-1",
        "zoe-2",
    ]
    with pytest.raises(UnknownPersonaError, match="no persona 'kim' here to delete"):
        store.delete("kim")
    store.close()


def test_what_others_replace_or_delete_counts_when_asked_for(folder: Path) -> None:
    one, other = (PersonaStore(folder, loud(), look_every=0) for _ in range(2))
    assert one.wait(10) and other.wait(10)
    for seed in range(10, 14):
        one.put("zoe-0", somebody(seed))
        assert other.get("zoe-0") == somebody(seed)
    one.delete("zoe-0")
    with pytest.raises(UnknownPersonaError):
        other.get("zoe-0")
    with pytest.raises(UnknownPersonaError):
        other.delete("zoe-0")
    for store in (one, other):
        store.close()


def test_a_persona_that_is_being_replaced_is_there_all_the_time(folder: Path) -> None:
    store = PersonaStore(folder, loud(), look_every=0)
    assert store.wait(10)
    before = store.get("zoe-0")
    (folder / "zoe-0").rename(folder / ".away")  # between the two renames of a replacement
    back = threading.Timer(0.01, (folder / ".away").rename, [folder / "zoe-0"])
    back.start()
    assert store.get("zoe-0") == before
    back.join()
    store.close()


@pytest.mark.parametrize("name", ["", "../zoe", "a/b", ".hidden", "a:b", "a@2", "x" * 129, "a\n"])
def test_names_that_leave_the_directory_are_nobody(folder: Path, name: str) -> None:
    somebody(0).save(folder.parent / "zoe")
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    assert name not in store
    with pytest.raises(UnknownPersonaError):
        store.get(name)
    with pytest.raises(PersonaError, match="cannot be called"):
        store.put(name, somebody(1))
    with pytest.raises(UnknownPersonaError):
        store.delete(name)
    assert (folder.parent / "zoe").exists()
    store.close()


def test_a_broken_folder_is_named_and_the_old_persona_served_on(folder: Path) -> None:
    (folder / "zoe-0" / PERSONA_FILE).write_text("{")
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    with pytest.raises(PersonaError, match="cannot be read as JSON"):
        store.get("zoe-0")
    assert set(store.broken) == {"zoe-0"}
    (folder / "zoe-1" / PERSONA_FILE).write_text("{")
    store.refresh()
    assert store.get("zoe-1") == somebody(1)
    assert set(store.broken) == {"zoe-0", "zoe-1"}
    somebody(9).save(folder / "zoe-0")
    store.refresh()
    assert store.get("zoe-0") == somebody(9)
    assert set(store.broken) == {"zoe-1"}
    store.close()


@pytest.mark.parametrize("settled", [0, 60])
def test_a_folder_copied_in_file_by_file_is_read_once_it_is_whole(
    folder: Path, settled: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", settled)
    new, old = folder / "zoe-0", folder / "zoe-1"
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    for target in (old, folder / "copied"):
        target.mkdir(exist_ok=True)
        shutil.copy(new / PERSONA_FILE, target)
    for _ in range(3):
        store.refresh()
        assert store.get("zoe-1") == somebody(1)
        with pytest.raises(PersonaError):
            store.get("copied")
    assert set(store.broken) == {"zoe-1", "copied"} and len(caplog.records) == 2
    for target in (old, folder / "copied"):
        shutil.copy(new / "shift.safetensors", target)
        assert store.get(target.name) == somebody(0)
    (old / PERSONA_FILE).write_text("{")
    store.refresh()
    shutil.rmtree(old)
    store.refresh()
    assert store.broken == {}
    store.close()


def test_what_stays_broken_is_not_read_again_and_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", 0)
    (folder / "zoe-0" / PERSONA_FILE).write_text("{")
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    monkeypatch.setattr(Persona, "load", lambda *_: pytest.fail("it was read again"))
    store.refresh()
    store.close()


def test_a_persona_of_another_model_is_refused(folder: Path) -> None:
    other = make_loud("llama", layers=3)
    foreign = Persona("Hm.", provenance={"fingerprint": other.fingerprint, "model": "other"})
    foreign.save(folder / "foreign")
    store = PersonaStore(folder, loud(), look_every=0)
    store.wait(10)
    assert "was made for the model other" in store.broken["foreign"]
    assert "foreign" not in store.names()
    with pytest.raises(PersonaError, match="was made for the model other"):
        store.put("again", foreign)
    store.close()


def test_a_persona_replaced_or_deleted_while_it_talks(folder: Path) -> None:
    """What runs ends as what it began with; what comes after finds nothing of it."""
    decoder = loud()
    old, new = somebody(1), somebody(6)
    expected = {
        who: generate(decoder, who, CHATS[0], max_new_tokens=40)[0] for who in (old, new, PLAIN)
    }
    assert expected[old] != expected[new]
    store = PersonaStore(folder, decoder, look_every=0)
    with Engine(decoder, max_batch=4, slots=4) as engine:
        store.wait(10)

        def ask() -> object:
            request = engine.request(store.get("zoe-1"), CHATS[0], max_new_tokens=40)
            return engine.submit(request)

        with engine.alone():
            before = [ask() for _ in range(6)]  # more than run at once: two have not begun
            store.put("zoe-1", new)
            after = [ask() for _ in range(2)]
            store.delete("zoe-1")
            with pytest.raises(UnknownPersonaError):
                ask()
        assert [ticket.text() for ticket in before] == [expected[old]] * 6
        assert [ticket.text() for ticket in after] == [expected[new]] * 2
        assert engine.stats().slots_held == 0
    store.close()


def test_replacing_while_many_ask_gives_the_one_or_the_other(folder: Path) -> None:
    decoder = loud()
    both = [somebody(1), somebody(6)]
    replies = {generate(decoder, who, CHATS[0], max_new_tokens=6)[0] for who in both}
    assert len(replies) == 2
    heard: set[str] = set()
    store = PersonaStore(folder, decoder, look_every=0.005)
    store.wait(10)
    with Engine(decoder, max_batch=4) as engine:

        def ask() -> None:
            for _ in range(15):
                request = engine.request(store.get("zoe-1"), CHATS[0], max_new_tokens=6)
                heard.add(engine.submit(request).text())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        turn = 0
        while any(thread.is_alive() for thread in threads):
            turn += 1
            both[turn % 2].save(folder / "zoe-1")
            time.sleep(0.01)
    store.close()
    assert heard == replies


def test_nothing_outside_the_directory_is_told_of(folder: Path) -> None:
    somebody(1).save(folder.parent / "outside")
    store = PersonaStore(folder, loud(), look_every=0)
    assert store.wait(10)
    assert store.written("zoe-1") > 1_600_000_000
    for name in ("../outside", str(folder.parent / "outside"), "nobody"):
        with pytest.raises(UnknownPersonaError):
            store.written(name)
        with pytest.raises(UnknownPersonaError):
            store.get(name)
    store.close()
