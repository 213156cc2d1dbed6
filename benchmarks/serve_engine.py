"""What it costs to serve many personas from one decoder: python benchmarks/serve_engine.py

Generated tokens per second, prompts' reading included, of one batch of rows (64), by the clock and
by the processor time spent. All ways are timed in every round, because a machine's speed drifts:

    generate, one at a time   Hugging Face's generate, nothing steered, one request after another
    generate, batch           the same for all rows at once
    base                      our engine, nobody steered
    1, 8, 32, 64 distinct     our engine, every row steered, by so many different personas

The ratios are medians over rounds of a round's own ratios; those of processor time hold where other
programs run beside. Then the memory of one more persona, on
the device (its slot) and in the store; and the time to the first token of a persona that is in no
slot (cold) against one that is (warm), out of 10,000 in a store.

--shape FOLDER takes a random model of that folder's config.json with its tokenizer; the default is
smollm2_chat in PERSONALIGN_DATA. --shape small is for trying the script: its figures say nothing.
--gpu takes Llama-3-8B's shape in bf16 on a CUDA device, 256 rows. --json FILE keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.align import random_decoder, timed
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN, Persona
from personalign.model.shift import Shift
from personalign.server.engine import Engine, Request
from personalign.server.store import PersonaStore

HEADS = 24
"""Heads a persona pushes, as many as PAS chooses."""

ONE, BATCH, BASE = "generate, one at a time", "generate, batch", "base"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", help="a folder with config.json and tokenizer, or 'small'")
    parser.add_argument("--gpu", action="store_true", help="Llama-3-8B's shape, bf16, on CUDA")
    parser.add_argument("--rows", type=int, help="rows of the batch; default 64, 256 with --gpu")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each reply")
    parser.add_argument("--prompt", type=int, default=32, help="tokens of each prompt")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed")
    parser.add_argument("--alone", type=int, default=2, help="requests timed one at a time a round")
    parser.add_argument("--personas", type=int, default=10_000, help="personas in the store")
    parser.add_argument("--pairs", type=int, default=15, help="cold and warm first tokens timed")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    decoder = decoder_for(options.shape, gpu=options.gpu)
    rows = options.rows or (256 if options.gpu else 64)
    count = sum(parameter.numel() for parameter in decoder.model.parameters())
    print(
        f"{decoder.name}: {count / 1e6:.0f}M parameters, {decoder.dtype}, {decoder.device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    speeds = throughput(
        decoder, rows, options.prompt, options.tokens, rounds=options.rounds, alone=options.alone
    )
    print_speeds(speeds, rows)
    memory = store_figures(decoder, options.personas, options.prompt, options.pairs)
    for name, value in memory.items():
        print(f"{name:<62}{value:>10.2f}")
    if options.json:
        options.json.write_text(json.dumps({"speeds": speeds, "store": memory}, indent=2) + "\n")


def decoder_for(shape: str | None, *, gpu: bool) -> Decoder:
    """A random decoder that never ends a reply, so that all are equally long."""
    if gpu:
        from benchmarks.gpu import SHAPES

        with torch.device("cuda"):
            big = SHAPES["llama-3-8b"] | {"max_position_embeddings": 8192}
            decoder = fake_decoder(
                "llama",
                dtype=torch.bfloat16,
                layers=big["num_hidden_layers"],
                **{name: value for name, value in big.items() if name != "num_hidden_layers"},
            )
    elif shape == "small":
        decoder = fake_decoder("llama", layers=3)
    else:
        data = os.environ.get("PERSONALIGN_DATA")
        if shape is None and data is None:
            raise SystemExit("Give --shape FOLDER, or set PERSONALIGN_DATA; --shape small to try.")
        decoder = random_decoder(Path(shape or f"{data}/smollm2_chat"))
    decoder.end_ids = frozenset()  # type: ignore[misc]
    decoder.model.generation_config.eos_token_id = None
    return decoder


def somebody(decoder: Decoder, seed: int, alpha: float = 1.0) -> Persona:
    """A persona that pushes heads all over the decoder."""
    heads = decoder.heads
    random = np.random.default_rng(seed)
    chosen = random.permutation(heads.total)[: min(HEADS, heads.total)]
    directions = random.normal(size=(len(chosen), heads.head_dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sigmas = np.full(len(chosen), 0.1)
    shift = Shift(chosen // heads.heads, chosen % heads.heads, directions, sigmas)
    return Persona(shift=shift, alpha=alpha)


def prompts_of(decoder: Decoder, rows: int, length: int) -> list[tuple[int, ...]]:
    """Random prompts that share no beginning."""
    highest = decoder.model.get_input_embeddings().weight.shape[0]
    random = np.random.default_rng(0)
    return [tuple(random.integers(6, highest, size=length).tolist()) for _ in range(rows)]


def throughput(
    decoder: Decoder, rows: int, prompt: int, tokens: int, *, rounds: int, alone: int
) -> list[dict[str, dict[str, float]]]:
    """One dictionary a round: way -> generated tokens per second of clock and processor time."""
    prompts = prompts_of(decoder, rows, prompt)
    crowd = [somebody(decoder, seed) for seed in range(rows)]
    found = []
    # nothing is read twice here, so nothing is kept of prompts
    with Engine(
        decoder, max_batch=rows, queue=rows, kv_budget=2**36, prefix_budget=0, slots=rows
    ) as engine:
        ways: dict[str, Callable[[], int]] = {
            ONE: lambda: sum(plain_generate(decoder, [one], tokens) for one in prompts[:alone]),
            BATCH: lambda: plain_generate(decoder, prompts, tokens),
            BASE: lambda: served(engine, prompts, [PLAIN] * rows, tokens),
        }
        for distinct in sorted({1, min(8, rows), min(32, rows), min(64, rows), rows}):
            people = [crowd[row % distinct] for row in range(rows)]
            ways[f"{distinct} distinct"] = lambda people=people: served(  # type: ignore[misc]
                engine, prompts, people, tokens
            )
        served(engine, prompts, crowd, 2)  # whatever is made once
        plain_generate(decoder, prompts[:2], 2)
        for number in range(rounds):
            speeds = {}
            for name, way in ways.items():
                spent = time.process_time()
                made, seconds = timed(way)
                spent = time.process_time() - spent
                speeds[name] = {"clock": made / seconds, "processor": made / spent}
                print(f"  round {number + 1}, {name}: {made / seconds:.1f}", file=sys.stderr)
            found.append(speeds)
    return found


def plain_generate(decoder: Decoder, prompts: list[tuple[int, ...]], tokens: int) -> int:
    """Hugging Face's own; the number of tokens it made."""
    ids = torch.tensor(prompts, device=decoder.device)
    with torch.inference_mode():
        made = decoder.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=False,
            pad_token_id=decoder.pad_id,
        )
    return int(made[:, ids.shape[1] :].numel())


def served(
    engine: Engine, prompts: list[tuple[int, ...]], people: list[Persona], tokens: int
) -> int:
    """Our engine; the number of tokens it made."""
    tickets = [
        engine.submit(Request(prompt, persona, max_new_tokens=tokens))
        for prompt, persona in zip(prompts, people, strict=True)
    ]
    return sum(sum(1 for _ in ticket) for ticket in tickets)


def print_speeds(rounds: list[dict[str, dict[str, float]]], rows: int) -> None:
    for clock in ("clock", "processor"):
        print(f"\n{rows} rows, {len(rounds)} rounds, by {clock} time")
        print(f"{'':<28}{'tokens/s':>10}{'of base':>10}{'of generate':>14}{'of one by one':>16}")
        for name in rounds[0]:
            ratios = [
                median(speeds[name][clock] / speeds[other][clock] for speeds in rounds)
                for other in (BASE, BATCH, ONE)
            ]
            speed = median(speeds[name][clock] for speeds in rounds)
            print(f"{name:<28}{speed:>10.1f}{ratios[0]:>10.3f}{ratios[1]:>14.3f}{ratios[2]:>16.2f}")
    print()


def store_figures(decoder: Decoder, personas: int, prompt: int, pairs: int) -> dict[str, float]:
    """Memory of one more persona, seconds to load them all, and cold against warm first tokens."""
    _ = decoder.fingerprint
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(personas):
            somebody(decoder, number).save(Path(folder) / f"person-{number}")
        before = resident_bytes()
        store, seconds = timed(lambda: loaded(folder, decoder))
        figures["store: KB of memory a persona"] = (resident_bytes() - before) / personas / 1024
        figures["store: seconds to load all"] = seconds
        figures["store: personas"] = len(store)
        with Engine(decoder, max_batch=2, slots=8, prefix_budget=0) as engine:
            figures |= first_tokens(engine, store, prompt, pairs)
            slots = engine._loop.slots
            figures["device: KB of a persona's slot"] = (
                sum(table[0].nbytes for table in slots.tables.values()) / 1024
            )
        store.close()
    return figures


def loaded(folder: str, decoder: Decoder) -> PersonaStore:
    store = PersonaStore(folder, decoder, look_every=0)
    store.wait()
    return store


def resident_bytes() -> int:
    """Memory of this process, by Linux's own account."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def first_tokens(engine: Engine, store: PersonaStore, prompt: int, pairs: int) -> dict[str, float]:
    """Milliseconds to the first token, cold and warm by turns; nothing of prompts is kept."""
    text = prompts_of(engine.decoder, 1, prompt)[0]

    def ask(name: str) -> None:
        for _ in engine.submit(Request(text, store.get(name), max_new_tokens=1)):
            pass

    names = store.names()
    cold, warm = [], []
    ask(names[0])
    for number in range(pairs):
        name = names[(number * 37 + 1) % len(names)]
        laid = engine.stats().personas_laid
        cold.append(timed(lambda name=name: ask(name))[1])
        assert engine.stats().personas_laid == laid + 1, "a cold persona was warm"
        warm.append(timed(lambda name=name: ask(name))[1])
        assert engine.stats().personas_laid == laid + 1, "a warm persona was cold"
    found: dict[str, Any] = {
        "first token: ms, cold": 1000 * median(cold),
        "first token: ms, warm": 1000 * median(warm),
        "first token: cold / warm": median(c / w for c, w in zip(cold, warm, strict=True)),
    }
    return found


if __name__ == "__main__":
    main()
