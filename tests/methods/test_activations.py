"""What the heads say to yes and to no: read once, kept on disk, read again when the file is bad."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from personalign.inventory.items import ipip_neo_300
from personalign.methods import activations
from personalign.methods.activations import cache_folder, contrast_outputs
from personalign.model.capture import head_outputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import PAPI, REWORDED, chat_messages

ITEMS = ipip_neo_300().tuning[:4]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


def only_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.safetensors")
    return path


def test_two_rows_an_item_agreeing_first(decoder) -> None:
    outputs = contrast_outputs(decoder, ITEMS, PAPI)
    assert outputs.shape == (8, decoder.heads.layers, decoder.heads.heads, decoder.heads.head_dim)
    chat = chat_messages(None, PAPI.ask(ITEMS[2]))
    for row, reply in ((4, "(A). Very Accurate"), (5, "(E). Very Inaccurate")):
        alone = head_outputs(decoder, [decoder.render(chat, reply=reply)])
        assert torch.allclose(outputs[row], alone[0], atol=1e-5)


def test_the_bare_label_is_read_where_asked_for(decoder) -> None:
    outputs = contrast_outputs(decoder, ITEMS, PAPI, label_only=True)
    chat = chat_messages(None, PAPI.ask(ITEMS[0]))
    alone = head_outputs(decoder, [decoder.render(chat, reply="A")])
    assert torch.allclose(outputs[0], alone[0], atol=1e-5)


def test_kept_outputs_are_read_back_without_the_model(decoder, tmp_path, monkeypatch) -> None:
    first = contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path)
    monkeypatch.setattr(activations, "head_outputs", None)  # calling it would fail
    assert torch.equal(first, contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path))


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "not finite", "another shape"])
def test_a_bad_file_is_read_anew_and_replaced(decoder, tmp_path, damage: str) -> None:
    first = contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path)
    path = only_file(tmp_path)
    content = path.read_bytes()
    if damage in ("cut", "garbage", "empty"):
        path.write_bytes({"cut": content[:-9], "garbage": b"x" * 99, "empty": b""}[damage])
    else:
        from safetensors.torch import save_file

        wrong = first[:, :1] if damage == "another shape" else torch.full_like(first, torch.nan)
        save_file({"outputs": wrong.contiguous()}, path)
    assert torch.equal(first, contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path))
    assert path.read_bytes() == content


def test_every_model_and_wording_has_its_own_file(decoder, tmp_path) -> None:
    contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path)
    contrast_outputs(decoder, ITEMS, REWORDED, cache=tmp_path)
    contrast_outputs(fake_decoder("llama", seed=1), ITEMS, PAPI, cache=tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3


def test_a_folder_that_cannot_be_written_to_costs_a_warning(decoder, tmp_path, caplog) -> None:
    (tmp_path / "heads").write_text("a file where a folder should be")
    outputs = contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path)
    assert torch.equal(outputs, contrast_outputs(decoder, ITEMS, PAPI))
    assert "not kept" in caplog.text


def test_an_interrupted_reading_leaves_nothing(decoder, tmp_path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contrast_outputs(decoder, ITEMS, PAPI, cache=tmp_path, progress=interrupt)
    assert not list(tmp_path.rglob("*.*"))


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv(activations.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "personalign"
    monkeypatch.setenv(activations.CACHE_VARIABLE, str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
