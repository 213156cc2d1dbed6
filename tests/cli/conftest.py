"""What the command line's tests share: a model in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.model.fake import fake_decoder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer random Llama and its tokenizer; nobody may change it."""
    folder = tmp_path_factory.mktemp("model")
    decoder = fake_decoder("llama")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder
