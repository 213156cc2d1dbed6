"""Measure the pocket model on real people: the figures of its model card.

    python -m recipes.pocket.measure PEOPLE.json [-o measured.json]

Scores none, few-shot and pas in the product's wording, and none and few-shot with the question
reworded and with the options mixed. Every row is given for all people of the file and for the
half whose aggregates were not used in the simulator the model was trained on
(recipes/population/build.py): only that second half is a clean test. Then `voice` (voice.py) says
how far replies in dialogue follow who speaks, on simulated people. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.rows import Evaluation, Row
from personalign.dataset.papi import read_people
from personalign.dataset.simulate import simulate
from personalign.evaluation.statistics import Interval, bootstrap_mean
from personalign.methods.registry import get_method
from personalign.model.decoder import Decoder
from personalign.model.prompts import WORDINGS
from recipes.pocket.voice import voice
from recipes.population.build import clean_half

SPEAKERS, SPEAKERS_SEED = 24, 41
METHODS = {
    "papi": ("none", "few-shot", "pas"),
    "reworded": ("none", "few-shot"),
    "shuffled": ("none", "few-shot"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--others", type=int, help="people for the other wordings; all by default")
    arguments = parser.parse_args()
    people = read_people(arguments.people)
    decoder = Decoder.load(arguments.model)
    clean_ids = set(clean_half(people).ids)

    measured: dict[str, dict] = {}
    print("| wording | row | everybody | the clean half | with somebody else's persona |")
    print("|---|---|---|---|---|")
    for name, methods in METHODS.items():
        some = (
            people
            if name == "papi" or not arguments.others
            else people.select(slice(0, arguments.others))
        )
        clean = np.array([person in clean_ids for person in some.ids])
        found = evaluate_methods(
            decoder, some, methods, wording=WORDINGS[name], references=name == "papi"
        )
        for row in (*found.methods, *found.references):
            measured[f"{name}/{row.name}"] = _record(row, found, clean)
            print(_line(name, row, clean), flush=True)
    print("\n| text | follows the speaker | follows somebody else | differs between speakers |")
    print("|---|---|---|---|")
    speakers = simulate(SPEAKERS, seed=SPEAKERS_SEED)
    answered = speakers.only(speakers.inventory.tuning)
    for name in METHODS["papi"]:
        heard = voice(decoder, get_method(name, decoder=decoder).personas(answered), speakers)
        measured[f"voice/{name}"] = {**vars(heard), "people": len(speakers)}
        print(
            f"| {name} | {heard.own:.2f} | {heard.other:.2f} | {heard.different:.0%} |", flush=True
        )
    if arguments.output:
        arguments.output.write_text(json.dumps(measured, indent=1) + "\n")


def _line(wording: str, row: Row, clean: np.ndarray) -> str:
    everyone, fresh = row.score.per_person, row.score.per_person[clean]
    swapped = "" if row.swap is None else _shown(bootstrap_mean(row.swap.swapped.per_person))
    return (
        f"| {wording} | {row.name} | {_shown(bootstrap_mean(everyone))} "
        f"| {_shown(bootstrap_mean(fresh))} | {swapped} |"
    )


def _shown(interval: Interval) -> str:
    return f"{interval.mean:.2f} ({interval.low:.2f}-{interval.high:.2f})"


def _record(row: Row, found: Evaluation, clean: np.ndarray) -> dict:
    everyone = bootstrap_mean(row.score.per_person)
    fresh = bootstrap_mean(row.score.per_person[clean])
    return {
        "model": found.fingerprint,
        "all": [everyone.mean, everyone.low, everyone.high],
        "clean": [fresh.mean, fresh.low, fresh.high],
        "people": [len(clean), int(clean.sum())],
        "swapped": None if row.swap is None else row.swap.swapped.composite,
        "swap_minus_own": None
        if row.swap is None
        else [row.swap.difference.mean, *row.swap.difference.interval.ends],
        "seconds_per_person": row.seconds_per_person,
    }


if __name__ == "__main__":
    main()
