"""What a piece of work costs: seconds, tokens through the model forwards and backwards, memory.

Tokens are those the model really computes, batch times time, padding and unused columns included,
counted by hooks on its layers: a pass that begins with one row and branches into many where
steering begins counts each layer with the rows it had. A token is one that went through all layers;
half the layers count half. Tokens a layer is differentiated for count as backward ones.

Memory is the highest the process (on a GPU: torch) held during the work, above what it held when
the work began. Linux can forget the highest mark so far (/proc/self/clear_refs); elsewhere the
memory in use is sampled a hundred times a second, which misses short peaks.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

SAMPLES_PER_SECOND = 100
"""How often memory is looked at where the high-water mark cannot be reset."""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Spent:
    """What some work cost."""

    seconds: float
    """Wall time."""
    forward_tokens: int
    """Tokens computed; 0 for a model behind an API, which is not seen at work."""
    backward_tokens: int
    """Tokens differentiated."""
    peak_bytes: int | None
    """Highest memory above what was held before; None where it cannot be told."""

    def __add__(self, other: Spent) -> Spent:
        """One after the other: times and tokens add up, the higher peak stays."""
        peaks = [peak for peak in (self.peak_bytes, other.peak_bytes) if peak is not None]
        return Spent(
            self.seconds + other.seconds,
            self.forward_tokens + other.forward_tokens,
            self.backward_tokens + other.backward_tokens,
            max(peaks, default=None),
        )


NOTHING = Spent(0.0, 0, 0, None)
"""No work at all."""


@contextmanager
def metered(model: Any, told: Callable[[Spent], None]) -> Iterator[None]:
    """Measure the block and tell what it cost; nothing is told of a block that raises.

    model: a `Decoder`, whose tokens are counted, or any other model, whose tokens are not.
    """
    device = getattr(model, "device", torch.device("cpu"))
    with counted(model) as tokens, peak_memory(device) as peak:
        _finish(device)
        began = time.perf_counter()
        yield
        _finish(device)
        seconds = time.perf_counter() - began
    told(Spent(seconds, round(tokens.forward), round(tokens.backward), peak()))


class Tokens:
    """Tokens counted so far."""

    def __init__(self) -> None:
        self.forward = 0.0
        """Computed, in passes through the whole depth."""
        self.backward = 0.0
        """Differentiated, likewise."""


@contextmanager
def counted(model: Decoder | Any) -> Iterator[Tokens]:
    """Count the tokens of every pass inside the block; the hooks go with it.

    Twins of the decoder that are made inside the block (trainers work on such) count too.
    """
    tokens = Tokens()
    blocks = model.heads.blocks if hasattr(model, "heads") else ()
    share = 1 / max(1, len(blocks))

    def count(_module: torch.nn.Module, _args: Any, given: Any) -> None:
        out = given[0] if isinstance(given, tuple) else given  # some families put out a tuple
        tokens.forward += share * out.shape[0] * out.shape[1]
        if out.requires_grad:
            out.register_hook(count_back)

    def count_back(gradient: torch.Tensor) -> None:
        tokens.backward += share * gradient.shape[0] * gradient.shape[1]

    handles = [block.register_forward_hook(count) for block in blocks]
    try:
        yield tokens
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def peak_memory(
    device: torch.device | str = "cpu", *, tidy: bool = True
) -> Iterator[Callable[[], int | None]]:
    """Yields what tells the highest memory since the block began, above what was held then.

    tidy: give freed memory back first; needless, and not quick, right after another measurement.
    """
    if tidy:
        _tidy()
    device = torch.device(device)
    if device.type == "cuda":
        held = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: max(0, torch.cuda.max_memory_allocated(device) - held)
        return
    if _reset_mark():
        before = _status("VmRSS")
        yield lambda: max(0, _status("VmHWM") - before)
        return
    with _sampled() as highest:
        yield highest


def _tidy() -> None:
    """Give freed memory back, so that what earlier work left behind is not counted as held."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return


def _reset_mark() -> bool:
    """Set the process's high-water mark to what it holds now; False where that is impossible."""
    try:
        _CLEAR.write_text("5")
        return _status("VmHWM") > 0
    except (OSError, ValueError):
        return False


def _status(name: str) -> int:
    """A line of the process's status, in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{_STATUS} has no {name}")


@contextmanager
def _sampled() -> Iterator[Callable[[], int | None]]:
    """Look at the memory in use again and again, on a thread of its own."""
    held = _resident()
    if held is None:
        yield lambda: None
        return
    done = threading.Event()
    highest = held

    def look() -> None:
        nonlocal highest
        while not done.wait(1 / SAMPLES_PER_SECOND):
            highest = max(highest, _resident() or 0)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: max(highest, _resident() or 0) - held
    finally:
        done.set()
        watcher.join()


def _resident() -> int | None:
    """Bytes of memory the process holds, or None where nothing tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        pass
    try:
        return int(import_module("psutil").Process().memory_info().rss)
    except ImportError:
        return None


def _finish(device: torch.device) -> None:
    """Wait for what a GPU was told to do."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
