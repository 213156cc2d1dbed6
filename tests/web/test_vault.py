"""What is sealed opens with its key and in its place only; keys come, go, and leave what signs."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalign.errors import SiteError
from personalign.web.vault import (
    KEY_VARIABLE,
    MasterKey,
    SigningKey,
    Vault,
    encoded,
    key_of,
    new_key,
    read_keys,
    vault_from,
    write_keys,
)

PLACE = ("answer", "value", "sitting", 7)


@given(st.binary(max_size=200))
def test_what_goes_in_comes_out(data: bytes) -> None:
    vault = Vault([new_key()])
    assert vault.open(vault.seal(data, *PLACE), *PLACE) == data


def test_equal_values_look_different_and_tell_nothing() -> None:
    vault = Vault([new_key()])
    one, other = vault.seal(b"agree", *PLACE), vault.seal(b"agree", *PLACE)
    assert one != other
    assert b"agree" not in one


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("answer", "value", "sitting", 8),
        ("answer", "value", "other", 7),
        ("answer", "about", "sitting", 7),
        ("turn", "value", "sitting", 7),
        ("answer", "value", "sitting", "7"),
        ("answer", "value", "sitting,7"),
    ],
)
def test_what_was_moved_does_not_open(elsewhere: tuple[str | int, ...]) -> None:
    vault = Vault([new_key()])
    with pytest.raises(SiteError, match="changed or moved"):
        vault.open(vault.seal(b"4", *PLACE), *elsewhere)


def test_what_was_changed_does_not_open() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(b"4", *PLACE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SiteError):
            vault.open(changed, *PLACE)
    for short in (b"", sealed[:4], sealed[:10], sealed[:-1]):
        with pytest.raises(SiteError):
            vault.open(short, *PLACE)


def test_another_key_does_not_open_and_names_the_one_needed() -> None:
    right, wrong = new_key(), new_key()
    sealed = Vault([right]).seal(b"4", *PLACE)
    with pytest.raises(SiteError, match=right.id.hex()):
        Vault([wrong]).open(sealed, *PLACE)


def test_the_newest_key_seals_and_all_open() -> None:
    old, new = new_key(), new_key()
    before = Vault([old]).seal(b"4", *PLACE)
    both = Vault([new, old])
    after = both.seal(b"5", *PLACE)
    assert (both.open(before, *PLACE), both.open(after, *PLACE)) == (b"4", b"5")
    assert (both.is_current(before), both.is_current(after)) == (False, True)
    assert key_of(after) == new.id


def test_what_stays_of_a_dropped_key_signs_the_same_and_opens_nothing() -> None:
    old, new = new_key(), new_key()
    before = Vault([old])
    sealed, signed = before.seal(b"4", *PLACE), before.sign("audit", b"entry")
    after = Vault([new, old.signing])
    assert after.sign("audit", b"entry", old.id) == signed
    assert after.sign("audit", b"entry") != signed
    with pytest.raises(SiteError, match=old.id.hex()):
        after.open(sealed, *PLACE)
    with pytest.raises(SiteError, match="no site key"):
        Vault([old.signing])


def test_purposes_do_not_share_a_key() -> None:
    key = new_key()
    vault = Vault([key])
    assert vault.sign("form", b"x") != vault.sign("audit", b"x")
    assert len({key.secret, key.sealing, key.signing.root}) == 3


def test_a_running_vault_takes_a_new_key_from_its_file(tmp_path: Path) -> None:
    file, old, new = tmp_path / "site.key", new_key(), new_key()
    write_keys(file, [old])
    running = vault_from(file)
    before = running.seal(b"4", *PLACE)
    write_keys(file, [new, old])
    assert key_of(running.seal(b"5", *PLACE)) == new.id
    assert running.open(before, *PLACE) == b"4"
    write_keys(file, [new, old.signing])
    running.seal(b"5", *PLACE)
    with pytest.raises(SiteError):
        running.open(before, *PLACE)


def test_a_running_vault_opens_what_another_process_sealed_with_a_newer_key(tmp_path: Path) -> None:
    file, old, new = tmp_path / "site.key", new_key(), new_key()
    write_keys(file, [old])
    running = vault_from(file)
    write_keys(file, [new, old])
    sealed = Vault([new]).seal(b"4", *PLACE)
    assert running.open(sealed, *PLACE) == b"4"


def test_a_spoilt_or_foreign_file_changes_nothing_for_a_running_vault(tmp_path: Path) -> None:
    file, key = tmp_path / "site.key", new_key()
    write_keys(file, [key])
    running = vault_from(file)
    for spoil in ("nonsense", '{"keys": []}'):
        file.write_text(spoil)
        assert key_of(running.seal(b"4", *PLACE)) == key.id
    write_keys(file, [new_key()])
    assert key_of(running.seal(b"4", *PLACE)) == key.id
    file.unlink()
    assert key_of(running.seal(b"4", *PLACE)) == key.id


def test_a_file_of_keys_is_its_owners_alone_and_comes_back(tmp_path: Path) -> None:
    file, keys = tmp_path / "site.key", [new_key(), new_key().signing]
    write_keys(file, keys)
    assert read_keys(file) == keys
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, new, old = tmp_path / "site.key", new_key(), new_key()
    write_keys(file, [new_key()])
    monkeypatch.setenv(KEY_VARIABLE, f"{encoded(new)}, {encoded(old.signing)}")
    assert vault_from(file).keys == (new, old.signing)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no site key"),
        ("short", "base64"),
        (base64.b64encode(b"short").decode(), "5 bytes"),
        (f"00:{base64.b64encode(bytes(32)).decode()}", "1 bytes of id"),
    ],
)
def test_what_is_no_key_is_refused_with_the_next_step(
    text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, text)
    with pytest.raises(SiteError, match=said):
        vault_from(None)


def test_keys_are_not_shown() -> None:
    key = new_key()
    for shown in (repr(key), repr(key.signing), repr(MasterKey(key.secret))):
        assert repr(key.secret)[2:-1] not in shown
        assert "root" not in shown
    assert isinstance(key.signing, SigningKey)
