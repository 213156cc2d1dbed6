"""PAS per person against training an adapter per person: python benchmarks/cost.py

The claim: on the pocket model, one run, PAS makes a person in at most 1/50 of the wall time that
DPO and PPO need at the paper's settings (the paper reports about 1/6). Simulated people, made one
at a time; one person goes through all methods before the next. What is done once for everybody, the
reading of the heads and the import of the trainers, is counted for none of them, and printed.

--methods adds others to the table (any that `personalign methods` lists, `dpo@small` too), --people
takes more people, --json FILE keeps every number, --figure FILE draws it. It exits with 1 where the
claim does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from rich.console import Console

from personalign.bench.cost_figure import cost_figure
from personalign.bench.cost_table import compared, cost_json, cost_notes, cost_table
from personalign.dataset.plots.style import write_figure
from personalign.dataset.simulate import simulate
from personalign.errors import PersonalignError
from personalign.evaluation.cost import MethodCost, measure_costs
from personalign.methods.settings import build_method, settings_taken
from personalign.model.decoder import Decoder

BASE, TRAINED = "pas", ("dpo", "ppo")
"""The method of the claim, and those it is compared with."""

SHARE = 1 / 50
"""What share of their wall time it may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="what to align; default: pocket")
    parser.add_argument("--people", type=int, default=2, help="simulated people; default: 2")
    parser.add_argument("--methods", default="", help="more methods, separated by commas")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--figure", type=Path, help="draw the table into this .svg or .png")
    options = parser.parse_args()
    extra = [name.strip() for name in options.methods.split(",") if name.strip()]
    names = list(dict.fromkeys([BASE, *TRAINED, *extra]))
    try:
        decoder = Decoder.load(options.model)
        with tempfile.TemporaryDirectory() as folder:
            methods = [fresh(name, decoder, Path(folder) / name) for name in names]
            people = simulate(options.people, seed=7)
            costs = measure_costs(decoder, methods, people, progress=told)
    except PersonalignError as error:
        raise SystemExit(str(error)) from error
    print(f"\n{options.model}, {decoder.device}, {torch.get_num_threads()} threads, ", end="")
    print(f"torch {torch.__version__}\n")
    Console(width=104).print(cost_table(costs, BASE))
    print("\n".join(cost_notes(costs)))
    shares = claimed(costs)
    for name, share in shares.items():
        holds = "holds" if share <= SHARE else "DOES NOT HOLD"
        print(f"{BASE} takes 1/{1 / share:.0f} of {name}'s wall time: the claim {holds}.")
    if options.json:
        options.json.write_text(json.dumps(cost_json(costs, BASE), indent=2) + "\n")
    if options.figure:
        write_figure(cost_figure(costs, model=decoder.name, against=BASE), options.figure)
    raise SystemExit(int(any(share > SHARE for share in shares.values())))


def fresh(name: str, decoder: Decoder, folder: Path):
    """The method with empty cache and work folders: nothing made before is used."""
    taken = settings_taken(name)
    own = {kind: folder / kind for kind in ("cache", "work") if kind in taken}
    return build_method(name, decoder, common={"seed": 0}, own=own)


def claimed(costs: Sequence[MethodCost]) -> dict[str, float]:
    """What share of each trained method's wall time of making a person the base takes."""
    mine = compared(costs, BASE).mean("making_seconds")
    assert mine is not None, "seconds are always measured"
    return {name: mine / (compared(costs, name).mean("making_seconds") or 1e-9) for name in TRAINED}


def told(name: str, done: float, total: int) -> None:
    if done:
        print(f"{name}: {done:.0f} of {total} people", flush=True)


if __name__ == "__main__":
    main()
