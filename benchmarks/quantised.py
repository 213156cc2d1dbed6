"""What quantising costs personas, and what carrying them over mends: python benchmarks/quantised.py

Simulated people become personas of the full-precision model. Then the same model in 4 and 8 bits
answers the 180 held-out items as

    nobody          the model as it is
    old sigmas      each persona unchanged, with the sigmas of the full-precision model
    new sigmas      the same with sigma estimated anew, without anybody's answers
    afresh          each person aligned anew on the quantised model, by their 120 answers

Composites come with 95% bootstrap intervals over people, and with the paired difference to the
persona in full precision. Below stands how far the personas' answers to the 120 tuning items are
from those in full precision, with either sigma. Then, for pas, what became of sigma: new over old;
how far it is from what the method finds by the items the person took a side on, and how far the
spread over all items alone would be; the cosine of each head's direction to the one found anew with
the person's answers.

--people, --seed, --model, --bits 4bit,8bit and --methods (pas, iti, dials, ...) choose; --json FILE
keeps the figures. 8-bit weights round by what else is in the batch, so their rows depend on it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.bench.carried import MEANS
from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import PersonalignError
from personalign.evaluation.aligned import AlignedScore, aligned_score
from personalign.evaluation.carried import Moved, answer_as, moved
from personalign.evaluation.statistics import paired_difference
from personalign.methods.carry_over import Carried, Way, carry_over, read_heads
from personalign.methods.probes import row_labels
from personalign.methods.registry import get_persona_method
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.persona import PLAIN, Persona


@dataclass(frozen=True)
class Row:
    """One way of answering, scored on the held-out items."""

    method: str
    weights: str
    who: str
    composite: float
    interval: tuple[float, float]
    difference: float
    """To the persona in full precision, over the same people."""
    difference_interval: tuple[float, float]


@dataclass(frozen=True)
class Distances:
    """How far answers to the tuning items move, means over people, in steps of 1 to 5."""

    method: str
    weights: str
    by_persona: float
    by_model: float
    old_sigmas: float
    new_sigmas: float
    difference: float
    """New minus old, over the same people; below zero new sigmas stay nearer."""
    interval: tuple[float, float]
    """Its 95% paired bootstrap interval."""


@dataclass(frozen=True)
class Sigmas:
    """What became of the sigmas of everybody's heads on quantised weights."""

    weights: str
    heads: int
    ratio: tuple[float, float, float]
    """New over old: median, least, most."""
    off: tuple[float, float]
    """|new / by the person's own items - 1|: median, most."""
    off_by_all: tuple[float, float]
    """The same of the spread over all items alone."""
    cosine: tuple[float, float]
    """Of each direction to the one found anew: median, least."""
    chosen_again: float
    """Share of the heads that the method chooses on the quantised model as well."""


def compare(
    method: str,
    full: Decoder,
    quantised: Sequence[Decoder],
    people: Respondents,
    *,
    told: Callable[[Row], None] = lambda row: None,
) -> tuple[list[Row], list[Distances], list[Sigmas]]:
    """All rows of a method; on each quantised model distances, and of pas what became of sigma."""
    items = people.inventory.held_out
    seen = people.only(people.inventory.tuning)
    own = get_persona_method(method, decoder=full).personas(seen)
    before = read_heads(full, own)

    def score(decoder: Decoder, personas: Sequence[Persona]) -> AlignedScore:
        answers = answer_items(decoder, personas, items).responses()
        return aligned_score(answers, people, items)

    base = score(full, own)
    rows: list[Row] = []

    def note(weights: str, who: str, scored: AlignedScore) -> None:
        gap = paired_difference(scored.per_person, base.per_person).interval
        row = Row(method, weights, who, scored.composite, scored.ci95, gap.mean, gap.ends)
        rows.append(row)
        told(row)

    nobody = [PLAIN] * len(people)
    note("full", "nobody", score(full, nobody))
    note("full", "persona", base)
    in_own = answer_as(full, own)
    distances, sigmas = [], []
    for decoder in quantised:
        weights = str(decoder.quantize)
        after = read_heads(decoder, own)
        carried = [carry_over(one, decoder, before=before, after=after) for one in own]
        new = [one.persona for one in carried]
        gone = moved(in_own, answer_as(decoder, own), answer_as(decoder, new))
        distances.append(averaged(method, weights, gone))
        afresh = get_persona_method(method, decoder=decoder).personas(seen)
        note(weights, "nobody", score(decoder, nobody))
        note(weights, "old sigmas", score(decoder, own))
        note(weights, "new sigmas", score(decoder, new))
        note(weights, "afresh", score(decoder, afresh))
        if method == "pas":
            sigmas.append(what_became(weights, own, carried, afresh, after, seen))
    return rows, distances, sigmas


def averaged(method: str, weights: str, gone: Sequence[Moved]) -> Distances:
    """The means over people, and new minus old with its interval."""
    each = {name: np.array([getattr(one, name) for one in gone]) for name in MEANS}
    gap = paired_difference(each["new_sigmas"], each["old_sigmas"]).interval
    means = {name: float(values.mean()) for name, values in each.items()}
    return Distances(method, weights, **means, difference=gap.mean, interval=gap.ends)


def what_became(
    weights: str,
    own: Sequence[Persona],
    carried: Sequence[Carried],
    afresh: Sequence[Persona],
    after: dict[Way, torch.Tensor],
    seen: Respondents,
) -> Sigmas:
    """The sigmas of everybody's heads, beside those that need the person's answers."""
    responses = seen.responses[:, seen.inventory.columns(seen.inventory.tuning)]
    labels = row_labels(responses)
    ratios, off, by_all, cosines, again = [], [], [], [], []
    for person, (old, new) in enumerate(zip(own, carried, strict=True)):
        if old.shift is None or new.persona.shift is None:
            continue
        outputs = after[Way.of(old)].numpy()[:, old.shift.layers, old.shift.heads]
        along = np.einsum("rkd,kd->rk", outputs.astype(float), old.shift.directions)
        side = labels[person]
        exact = along[side != 0].std(axis=0)
        ratios.append(new.ratios)
        off.append(np.abs(new.persona.shift.sigmas / exact - 1))
        by_all.append(np.abs(along.std(axis=0) / exact - 1))
        gaps = outputs[side > 0].mean(axis=0) - outputs[side < 0].mean(axis=0)
        gaps /= np.linalg.norm(gaps, axis=1, keepdims=True)
        cosines.append((gaps * old.shift.directions).sum(axis=1))
        found = afresh[person].shift
        again.append(len({*old.shift.pairs} & {*(found.pairs if found else ())}) / len(old.shift))
    flat = {name: np.concatenate(value) for name, value in
            (("ratio", ratios), ("off", off), ("by_all", by_all), ("cosine", cosines))}  # fmt: skip
    return Sigmas(
        weights,
        len(flat["ratio"]),
        (_median(flat["ratio"]), float(flat["ratio"].min()), float(flat["ratio"].max())),
        (_median(flat["off"]), float(flat["off"].max())),
        (_median(flat["by_all"]), float(flat["by_all"].max())),
        (_median(flat["cosine"]), float(flat["cosine"].min())),
        float(np.mean(again)),
    )


def row_line(row: Row) -> str:
    """One row of the table."""
    low, high = row.interval
    least, most = row.difference_interval
    return (
        f"{row.method:14}{row.weights:8}{row.who:14}{row.composite:8.3f}  ({low:.3f}-{high:.3f})"
        f"{row.difference:+9.3f}  ({least:+.3f} to {most:+.3f})"
    )


def distance_line(one: Distances) -> str:
    """How far answers move, in a sentence."""
    return (
        f"{one.method}, {one.weights}: a persona moves answers by {one.by_persona:.3f}, quantising "
        f"the model by {one.by_model:.3f}; the quantised persona's are {one.old_sigmas:.4f} from "
        f"full precision with old sigmas, {one.new_sigmas:.4f} with new ones, "
        f"{one.difference:+.4f} ({one.interval[0]:+.4f} to {one.interval[1]:+.4f})."
    )


def sigma_line(one: Sigmas) -> str:
    """What became of sigma, in a sentence."""
    return (
        f"{one.weights}: sigma of {one.heads} heads, new over old {one.ratio[0]:.3f} (median; "
        f"{one.ratio[1]:.3f} to {one.ratio[2]:.3f}). From sigma by the person's own items it is "
        f"{one.off[0]:.2%} away (median; at most {one.off[1]:.2%}); the spread over all items "
        f"alone would be {one.off_by_all[0]:.2%} ({one.off_by_all[1]:.2%}). Cosine to directions "
        f"found anew {one.cosine[0]:.4f} (median; least {one.cosine[1]:.4f}); "
        f"{one.chosen_again:.0%} of the heads are chosen again."
    )


def _median(values: NDArray[np.floating[Any]]) -> float:
    return float(np.median(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20, help="simulated people; 20")
    parser.add_argument("--seed", type=int, default=2611, help="of the people; 2611")
    parser.add_argument("--model", default="pocket", help="which model; pocket")
    parser.add_argument("--device", default="cpu", help="where it runs; cpu")
    parser.add_argument("--bits", default="4bit,8bit", help="weights, separated by commas")
    parser.add_argument("--methods", default="pas", help="methods, separated by commas")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    people = simulate(options.people, seed=options.seed)
    try:
        full = Decoder.load(options.model, device=options.device)
        quantised = [
            Decoder.load(options.model, device=options.device, quantize=bits)
            for bits in options.bits.split(",")
        ]
    except PersonalignError as error:
        raise SystemExit(str(error)) from error
    print(f"{options.model}, {full.device}, {len(people)} people, torch {torch.__version__}")
    print(f"{'method':14}{'weights':8}{'who':14}{'composite':>9} (95%){'to full':>18} (95%)")
    rows, distances, sigmas = [], [], []
    for method in options.methods.split(","):
        found, gone, became = compare(
            method, full, quantised, people, told=lambda row: print(row_line(row), flush=True)
        )
        rows += found
        distances += gone
        sigmas += became
    for line in (*map(distance_line, distances), *map(sigma_line, sigmas)):
        print(line)
    if options.json:
        kinds = {"rows": rows, "distances": distances, "sigmas": sigmas}
        facts = {name: [asdict(one) for one in some] for name, some in kinds.items()}
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
