"""Seconds per person of PAS and dials against a slow, plain PAS: python benchmarks/align.py

On the pocket model and simulated people. The plain way and ours search alpha alike on the 120
answers, and find the same persona; the last column says whether heads and alpha were the same.

    plain, text      tests/reference/pas_plain.py: one chat, one head, one alpha, one question at a
                     time; answers as in the paper: greedy text of at most 15 tokens, then a parser
    plain, label     the same, but reading only the label's probability, one pass a question
    pas, cold        one person, nothing kept: the heads' outputs are read as well
    pas, 1           one person after another, as `personalign align` does it the second time
    pas, 64          so many people together
    pas-replies, ... the same, pushing replies only (scope "generated"): another persona
    dials, ...       once the model is calibrated, which is timed by itself

Then where one person's time goes, in tokens computed and against the floor: the time those tokens'
matrix products take at the rate this machine reaches on large matrices, measured here.

--shape FOLDER takes a random model of that folder's config.json with its tokenizer instead. The
plain way is then timed on a few questions, and multiplied: the table says so. --json FILE keeps
the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is no installed package

import numpy as np
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import ModelError
from personalign.evaluation.meter import counted
from personalign.methods.dials import Dials
from personalign.methods.pas import Pas
from personalign.methods.search import ALPHA_GRID, REFINEMENTS
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI
from tests.reference.pas_plain import (
    NEUTRAL,
    PlainPersona,
    align_plainly,
    answer_plainly,
    capture_plainly,
)

ALONE, TOGETHER, MANY = 4, 64, 10_000
SCOPES = {"all": "pas", "generated": "pas-replies"}
"""Where pas pushes -> what the row is called."""

SAMPLE = 3
"""Questions the plain way is timed on where it is multiplied."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="what to align; default: pocket")
    parser.add_argument("--shape", type=Path, help="a random model of this folder's config.json")
    parser.add_argument("--people", type=int, default=TOGETHER, help="how many together")
    parser.add_argument(
        "--scopes",
        default="all,generated",
        help="where pas pushes; 'generated' alone leaves out what takes hours on a large model",
    )
    parser.add_argument("--steps", type=int, help="steps of the calibration of dials; default all")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    try:
        decoder = (
            Decoder.load(options.model, device="cpu")
            if options.shape is None
            else random_decoder(options.shape)
        )
    except ModelError as error:
        raise SystemExit(f"{error} The pocket model is made by: make pocket") from error
    people = simulate(options.people, seed=2)
    people = people.only(people.inventory.tuning)
    rate = matrix_rate(decoder)
    print(f"{decoder.name}: {decoder.heads.layers} layers x {decoder.heads.heads} heads, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {rate / 1e9:.0f} GFLOP/s")
    scopes = {scope: SCOPES[scope] for scope in options.scopes.split(",")}
    sampled = options.shape is not None
    rows = timings(decoder, people, scopes, sampled=sampled, steps=options.steps)
    print_timings(rows)
    parts = stages(decoder, people.select([0]), rate, scopes)
    print_stages(parts)
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "stages": parts}, indent=2) + "\n")


def timings(
    decoder: Decoder,
    people: Respondents,
    scopes: Mapping[str, str],
    *,
    sampled: bool,
    steps: int | None,
) -> list[dict[str, Any]]:
    """One row a way of doing it: name, seconds a person, whether the persona was the same."""
    rows: list[dict[str, Any]] = []

    def note(name: str, seconds: float, persons: int = 1, same: bool | str = "") -> None:
        print(f"  {name}: {seconds:.2f} s for {persons}", file=sys.stderr, flush=True)
        rows.append({"name": name, "seconds": seconds / persons, "same": same})

    with tempfile.TemporaryDirectory() as cache:
        if sampled:
            for way in ("text", "label"):
                note(f"plain, {way} (from {SAMPLE} questions)", sampled_plainly(decoder, way))
        else:
            one = people.select([0])
            (first,), cold = timed(lambda: Pas(decoder, cache=cache).personas(one))
            for way in ("text", "label"):
                found, seconds = timed(lambda way=way: plainly(decoder, people, text=way == "text"))
                note(f"plain, {way}", seconds, same=key(found) == key(first))
            note("pas, cold", cold)
        for scope, name in scopes.items():
            method = Pas(decoder, cache=cache, scope=scope)
            method.prepare()
            alone = 1 if sampled else ALONE
            _, seconds = timed(
                lambda method=method, alone=alone: [
                    method.personas(people.select([who])) for who in range(alone)
                ]
            )
            note(f"{name}, 1", seconds, alone)
            if not sampled or scope == "generated":
                _, seconds = timed(lambda method=method: method.personas(people))
                note(f"{name}, {len(people)}", seconds, len(people))
        dials = Dials(decoder, cache=cache, **({} if steps is None else {"steps": steps}))
        _, seconds = timed(dials.prepare)
        print(f"dials: calibrated in {seconds:.0f} s, {dials.steps} steps, once a model")
        many = simulate(MANY, seed=3)
        for some in (people.select([0]), people, many.only(many.inventory.tuning)):
            _, seconds = timed(lambda some=some: dials.personas(some))
            note(f"dials, {len(some):,}", seconds, len(some))
    return rows


def print_timings(rows: list[dict[str, Any]]) -> None:
    text, label = (row["seconds"] for row in rows[:2])
    print(f"\n{'':32}{'s/person':>11}{'a minute':>10}{'than text':>12}{'than label':>12}   same")
    for row in rows:
        seconds = row["seconds"]
        same = {True: "yes", False: "NO"}.get(row["same"], "")
        print(
            f"{row['name']:32}{seconds:11.5f}{60 / seconds:10.0f}{text / seconds:12.1f}"
            f"{label / seconds:12.1f}{same:>7}"
        )


def stages(
    decoder: Decoder, person: Respondents, rate: float, scopes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Capture, probes, search and answers of one person: seconds, tokens, and the floor."""
    items, held_out = person.inventory.tuning, person.inventory.held_out
    responses = person.responses[:, person.inventory.columns(items)]
    heads = decoder.heads
    vocabulary, hidden = decoder.model.get_output_embeddings().weight.shape
    body = sum(p.numel() for block in heads.blocks for p in block.parameters())
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for scope, name in scopes.items():
            method = Pas(decoder, cache=cache, scope=scope)
            made: list[Persona] = []
            parts: list[tuple[str, int, Callable[[], Any]]] = [
                ("capture", 0, method.prepare),
                ("probes", 0, lambda method=method: method.finder.find(responses, items)),
                (
                    "probes and search",
                    0,
                    lambda m=method, made=made: made.extend(m.personas(person)),
                ),
                (
                    "180 answers",
                    len(held_out),
                    lambda made=made: answer_items(decoder, made, held_out),
                ),
            ]
            for what, reads, work in parts:
                with counted(decoder) as tokens:
                    _, seconds = timed(work)
                if what == "probes and search":
                    tried = len(made[0].provenance["alpha_curve"]["alphas"])
                    reads = tried * len(items)
                flops = 2.0 * (body * tokens.forward + vocabulary * hidden * reads)
                rows.append(
                    {
                        "name": f"{name}: {what}",
                        "seconds": seconds,
                        "tokens": tokens.forward,
                        "floor": flops / rate,
                    }
                )
    return rows


def print_stages(rows: list[dict[str, Any]]) -> None:
    print(f"\n{'one person':32}{'seconds':>11}{'tokens':>10}{'floor, s':>12}{'of the rate':>12}")
    for row in rows:
        share = f"{row['floor'] / row['seconds']:.0%}" if row["floor"] else "-"
        print(
            f"{row['name']:32}{row['seconds']:11.4f}{row['tokens']:10.0f}{row['floor']:12.4f}"
            f"{share:>12}"
        )


def plainly(decoder: Decoder, people: Respondents, *, text: bool) -> PlainPersona:
    """The first person, by the slow reference."""
    tuning = list(people.inventory.tuning)
    answers = people.responses[0, people.inventory.columns(tuning)].tolist()
    return align_plainly(decoder, tuning, answers, heads=Pas(decoder).heads, text=text)


def sampled_plainly(decoder: Decoder, way: str) -> float:
    """Seconds the reference would take for one person, from a few of its questions.

    Its probes and what it does between passes are left out, to its favour.
    """
    items = list(simulate(1).inventory.tuning)
    some = items[:SAMPLE]
    unpushed = PlainPersona([], [], [], np.empty(0), 1.0, {}, NEUTRAL)
    _, read = timed(lambda: capture_plainly(decoder, some, PAPI))
    _, answered = timed(
        lambda: answer_plainly(decoder, unpushed, 1.0, some, PAPI, text=way == "text")
    )
    alphas = len(ALPHA_GRID) + 2 * REFINEMENTS
    return (read + alphas * answered) * len(items) / SAMPLE


def random_decoder(folder: Path) -> Decoder:
    """A model of this folder's config.json with random weights, in fp32, and its tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    return Decoder(model, AutoTokenizer.from_pretrained(folder), f"random {folder.name}")


def matrix_rate(decoder: Decoder) -> float:
    """FLOP/s of large matrix products in the model's dtype: the best of several."""
    size = 2048
    a, b = (torch.randn(size, size).to(decoder.device, decoder.dtype) for _ in range(2))
    best = min(timed(lambda: a @ b)[1] for _ in range(8))
    return 2.0 * size**3 / best


def key(found: Persona | PlainPersona) -> tuple:
    """The heads and alpha of either kind."""
    if isinstance(found, PlainPersona):
        return (found.heads, found.alpha)
    assert found.shift is not None, "simulated people agree with some items"
    return (list(found.shift.pairs), found.alpha)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    main()
