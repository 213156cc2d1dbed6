"""PAS, dials and steering on a large model and a GPU: python benchmarks/gpu.py

A random model of Llama-3-8B's shape in bf16 (about 16 GB), with the pocket model's tokenizer, on
simulated people. Prints people per minute of making personas and of answering the held-out items,
tokens per second against the floor (the time the same matrix products take at the rate this
machine reaches on large ones), what a calibration step of dials costs, and how much slower
generation is with a persona in every row than without.

--shape small takes a model of a few million numbers, so that the script itself can be tried where
there is no GPU: its figures then say nothing. --json FILE keeps them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.align import matrix_rate, timed
from personalign.dataset.simulate import simulate
from personalign.evaluation.meter import counted, peak_memory
from personalign.methods.dials import Dials
from personalign.methods.pas import Pas
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN

SHAPES: dict[str, dict[str, Any]] = {
    "llama-3-8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
    "small": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 8_192,
    },
}

PEOPLE, STEPS, ROWS, TOKENS = 16, 5, 32, 64
"""People, steps of calibration, chats at once, and tokens of each reply."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=list(SHAPES), default="llama-3-8b")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if options.shape != "small" and not torch.cuda.is_available():
        raise SystemExit(
            "There is no GPU here, and a model of 8 billion numbers would take hours without one; "
            "--shape small tries the script itself."
        )
    decoder = random_llama(SHAPES[options.shape])
    device = torch.cuda.get_device_name() if decoder.device.type == "cuda" else "cpu"
    rate = matrix_rate(decoder)
    print(f"{options.shape}, {decoder.dtype}, {device}: {rate / 1e12:.2f} TFLOP/s on matrices")
    rows = measured(decoder, options.people, rate)
    print(f"\n{'':40}{'seconds':>10}{'a minute':>10}{'tokens/s':>12}{'of the rate':>12}{'MiB':>9}")
    for row in rows:
        print(
            f"{row['name']:40}{row['seconds']:10.3f}{row['per_minute']:10.1f}"
            f"{row['tokens_per_second']:12.0f}{row['share_of_rate']:12.1%}"
            f"{(row['peak_bytes'] or 0) / 2**20:9.0f}"
        )
    plain, steered = (row["seconds"] for row in rows[-2:])
    print(
        f"\nA persona of its own in every row makes generation {steered / plain:.3f} times as long."
    )
    if options.json:
        facts = {"shape": options.shape, "device": device, "rate": rate, "rows": rows}
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


def measured(decoder: Decoder, count: int, rate: float) -> list[dict[str, Any]]:
    """One row a piece of work; per minute counts people, steps or chats."""
    people = simulate(count, seed=2)
    known, held_out = people.only(people.inventory.tuning), people.inventory.held_out
    body = sum(p.numel() for block in decoder.heads.blocks for p in block.parameters())
    rows: list[dict[str, Any]] = []

    def note(name: str, units: int, work: Any) -> Any:
        with counted(decoder) as tokens, peak_memory(decoder.device) as peak:
            made, seconds = timed(work)
        through = tokens.forward + 2 * tokens.backward
        rows.append(
            {
                "name": name,
                "seconds": seconds,
                "per_minute": 60 * units / seconds,
                "tokens_per_second": tokens.forward / seconds,
                "share_of_rate": 2.0 * body * through / seconds / rate,
                "peak_bytes": peak(),
            }
        )
        return made

    with tempfile.TemporaryDirectory() as cache:
        pas = Pas(decoder, cache=cache)
        note("reading the heads, once a model", 1, pas.prepare)
        personas = note(f"pas, {count} people", count, lambda: pas.personas(known))
        note(
            f"180 answers, {count} personas",
            count,
            lambda: answer_items(decoder, personas, held_out),
        )
        fast = Pas(decoder, cache=cache, scope="generated")
        fast.prepare()
        replies = note(f"pas, replies only, {count} people", count, lambda: fast.personas(known))
        note(
            f"180 answers, {count} of them",
            count,
            lambda: answer_items(decoder, replies, held_out),
        )
        dials = Dials(decoder, cache=cache, steps=STEPS, heads=decoder.heads.total)
        note(f"dials, {STEPS} steps of calibration", STEPS, dials.prepare)
        many = simulate(1000, seed=3)
        some = many.only(many.inventory.tuning)
        note("dials, 1,000 people", 1000, lambda: dials.personas(some))
    chats = [f"Tell me about day {day}." for day in range(ROWS)]
    each = [personas[row % count] for row in range(ROWS)]
    for name, speakers in (("plain", [PLAIN] * ROWS), ("a persona each", each)):
        generate(decoder, speakers, chats, max_new_tokens=4, batch_rows=ROWS)  # warm
        note(
            f"{ROWS} chats of {TOKENS} tokens, {name}",
            ROWS,
            lambda speakers=speakers: generate(
                decoder, speakers, chats, max_new_tokens=TOKENS, batch_rows=ROWS
            ),
        )
    return rows


def random_llama(shape: dict[str, Any]) -> Decoder:
    """A random Llama of this shape, bf16 on a GPU, with the pocket model's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = Decoder.load("pocket", device="cpu").tokenizer
    gpu = torch.cuda.is_available()
    config = LlamaConfig(
        **shape,
        max_position_embeddings=8192,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=None,  # random text would end at random
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if gpu else "cpu"):
        model = LlamaForCausalLM._from_config(
            config, dtype=torch.bfloat16 if gpu else torch.float32
        )
    return Decoder(model.eval(), tokenizer, "random llama")


if __name__ == "__main__":
    main()
