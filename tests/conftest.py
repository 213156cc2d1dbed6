"""Settings for every test: quiet threads, no network, and where the released data is.

Set before torch is imported: waiting OpenMP threads sleep instead of spinning, and nothing may be
fetched from a hub. Tests on released data take the ``released`` fixture; it reads the environment
variable PERSONALIGN_DATA and skips with a reason where that is not set.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


def pytest_collection_finish() -> None:
    """Let the garbage collector pass by what importing every test has made: it is there to stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Captured activations go to a temporary folder, and none are read from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSONALIGN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def released() -> Path:
    """The folder of released data: papi/item_key.csv, papi/respondents_dev.json, real_llama/."""
    folder = os.environ.get("PERSONALIGN_DATA")
    if not folder:
        pytest.skip("PERSONALIGN_DATA is not set: it names the folder of the released PAPI files")
    if not Path(folder).is_dir():
        pytest.fail(f"PERSONALIGN_DATA is {folder!r}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer random Llama and its tokenizer; nobody may change it."""
    folder = tmp_path_factory.mktemp("model")
    from personalign.model.fake import fake_decoder

    decoder = fake_decoder("llama")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder
