"""Seconds per person of PAS against its slow, plain re-implementation: python benchmarks/align.py

On the pocket model and simulated people. Both ways search alpha alike on the 120 answers, and find
the same persona: the last column says whether heads and alpha were the same.

    plain, text    tests/reference/pas_plain.py: one chat, one head, one alpha, one question at a
                   time; answers as in the paper: greedy text of at most 15 tokens, then a parser
    plain, label   the same, but reading only the label's probability, one pass a question
    ours, cold     one person, nothing kept: the heads' outputs are read as well
    ours, 1        one person after another, as `personalign align` does it the second time
    ours, 16       sixteen people together

--model takes any other model. --json FILE keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is no installed package

import torch

from personalign.dataset.simulate import simulate
from personalign.errors import ModelError
from personalign.methods.pas import Pas
from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from tests.reference.pas_plain import PlainPersona, align_plainly

ALONE, TOGETHER = 4, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="what to align; default: pocket")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    try:
        decoder = Decoder.load(options.model, device="cpu")
    except ModelError as error:
        raise SystemExit(f"{error} The pocket model is made by: make pocket") from error
    people = simulate(TOGETHER, seed=2)
    people = people.only(people.inventory.tuning)
    tuning = list(people.inventory.tuning)
    answers = people.responses[:, people.inventory.columns(tuning)].tolist()
    print(f"{options.model}: {decoder.heads.layers} layers x {decoder.heads.heads} heads, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")

    with tempfile.TemporaryDirectory() as cache:
        (_,), cold = timed(lambda: Pas(decoder, cache=cache).personas(people.select([0])))
        method = Pas(decoder, cache=cache)
        method.prepare()
        alone, one = timed(
            lambda: [method.personas(people.select([who]))[0] for who in range(ALONE)]
        )
        together, many = timed(lambda: method.personas(people))

    def plainly(text: bool) -> PlainPersona:
        return align_plainly(decoder, tuning, answers[0], heads=method.heads, text=text)

    written, slowest = timed(lambda: plainly(True))
    labelled, slow = timed(lambda: plainly(False))
    rows = [
        ("plain, text", slowest, written),
        ("plain, label", slow, labelled),
        ("ours, cold", cold, alone[0]),
        ("ours, 1", one / ALONE, alone[0]),
        ("ours, 16", many / TOGETHER, together[0]),
    ]
    print(f"\n{'':14}{'s/person':>10}{'than text':>12}{'than label':>12}  (times faster)   same")
    for name, seconds, found in rows:
        same = "yes" if key(found) == key(labelled) else "NO"
        print(f"{name:14}{seconds:10.3f}{slowest / seconds:12.1f}{slow / seconds:12.1f}{same:>23}")
    if options.json:
        options.json.write_text(json.dumps({name: s for name, s, _ in rows}, indent=2) + "\n")


def key(found: Persona | PlainPersona) -> tuple:
    """The heads and alpha of either kind."""
    if isinstance(found, PlainPersona):
        return (found.heads, found.alpha)
    assert found.shift is not None, "simulated people agree with some items"
    return (list(found.shift.pairs), found.alpha)


def timed(work):
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    main()
