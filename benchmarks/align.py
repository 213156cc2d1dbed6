"""Seconds per person of PAS against its slow, plain re-implementation: python benchmarks/align.py

On the pocket model and simulated people. Both find the same persona (the last column says whether
they did): heads, directions, sigmas, and alpha by the same search on the 120 answers.

    plain       tests/reference/pas_plain.py: one chat, one head, one alpha, one question at a time
    ours, cold  one person, nothing kept: the heads' outputs are read as well
    ours, 1     one person after another, as `personalign align` does it the second time
    ours, 16    sixteen people together

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
from tests.reference.pas_plain import align_plainly

PLAIN_PEOPLE, ALONE, TOGETHER = 2, 4, 16


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
    plainly, plain = timed(
        lambda: [
            align_plainly(decoder, tuning, answers[who], heads=method.heads)
            for who in range(PLAIN_PEOPLE)
        ]
    )
    plain /= PLAIN_PEOPLE
    same = all(
        list(ours.shift.pairs) == theirs.heads and ours.alpha == theirs.alpha
        for group in (alone, together)
        for ours, theirs in zip(group, plainly, strict=False)
    )
    rows = [
        ("plain", plain),
        ("ours, cold", cold),
        ("ours, 1", one / ALONE),
        ("ours, 16", many / TOGETHER),
    ]
    print(f"\n{'':14}{'s/person':>10}{'times faster':>15}   same heads and alpha")
    for name, seconds in rows:
        verdict = "" if name == "plain" else ("yes" if same else "NO")
        print(f"{name:14}{seconds:10.3f}{plain / seconds:15.1f}   {verdict}")
    if options.json:
        figures = {name: {"seconds": s, "times_faster": plain / s} for name, s in rows}
        options.json.write_text(json.dumps({**figures, "same": same}, indent=2) + "\n")


def timed(work):
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    main()
