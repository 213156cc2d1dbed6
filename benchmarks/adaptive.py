"""Composite against answers, adaptive order against random: python benchmarks/adaptive.py

Simulated people, tested adaptively or asked in a random order (another one for everybody), are
known by their first 10, 20, 30, 60 and all 120 answers, and predicted on the 180 held-out items by

    ridge      ridge regression from the answers given, fitted on other simulated people; no model
    few-shot   the answers in the system prompt of the model
    pas        the model's heads pushed, by the answers given

The last column is the paired difference adaptive minus random, over people, with its 95% bootstrap
interval; below zero adaptive is better. --people 0 leaves the model out, --people N asks it N
people of the --ridge-people that ridge predicts. --figure NAME writes NAME.png and NAME.svg, --json
FILE the figures.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.adaptive import adaptive_order
from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents
from personalign.dataset.responses_model import load_responses_model
from personalign.dataset.simulate import simulate
from personalign.errors import PersonalignError
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.statistics import bootstrap_mean, paired_difference
from personalign.inventory.items import ipip_neo_120
from personalign.methods.base import Method
from personalign.methods.reference import Ridge

COUNTS = (10, 20, 30, 60, 120)
POPULATION, POPULATION_SEED = 4000, 1_000_003
ORDERS = ("adaptive", "random")


@dataclass(frozen=True)
class Point:
    """One predictor at one number of answers."""

    predictor: str
    answers: int
    people: int
    adaptive: float
    """Composite after adaptive testing."""
    adaptive_interval: tuple[float, float]
    random: float
    """Composite after questions in random order."""
    random_interval: tuple[float, float]
    difference: float
    """Adaptive minus random, over the same people."""
    interval: tuple[float, float]
    """Its 95% paired bootstrap interval."""


def orders(people: Respondents, *, seed: int, count: int = 120) -> dict[str, NDArray[np.int64]]:
    """(people, count) columns of the 300 items, in the order they are asked, both ways."""
    form = ipip_neo_120()
    columns = people.inventory.columns(form)
    model = load_responses_model().only(form)
    chosen = adaptive_order(model, people.responses[:, columns], count)
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.permutation(len(columns))[:count] for _ in range(len(people))])
    return {"adaptive": columns[chosen], "random": columns[drawn]}


def known_by(people: Respondents, order: NDArray[np.int64], answers: int) -> Respondents:
    """The same people with only the first `answers` items of their order answered."""
    first = order[:, :answers]
    kept = np.zeros_like(people.responses)
    np.put_along_axis(kept, first, np.take_along_axis(people.responses, first, axis=1), axis=1)
    return Respondents(kept, people.ids, source=people.source)


def compare(
    method: Method,
    people: Respondents,
    asked: dict[str, NDArray[np.int64]],
    counts: Sequence[int] = COUNTS,
    *,
    told: Callable[[str], None] = lambda line: None,
) -> list[Point]:
    """The method's composites at each number of answers, both orders, the same people."""
    items = people.inventory.held_out
    points = []
    for answers in counts:
        persons = {}
        for order in ORDERS:
            seen = known_by(people, asked[order], answers)
            if answers == len(ipip_neo_120()) and persons:
                persons[order] = persons[ORDERS[0]]  # all answers are the same in any order
            else:
                predicted = method.predict(seen, items)
                persons[order] = aligned_score(predicted, people, items).per_person
        adaptive, random = (bootstrap_mean(persons[order]) for order in ORDERS)
        gap = paired_difference(*(persons[order] for order in ORDERS)).interval
        points.append(
            Point(
                method.name,
                answers,
                len(people),
                adaptive.mean,
                adaptive.ends,
                random.mean,
                random.ends,
                gap.mean,
                gap.ends,
            )
        )
        told(line(points[-1]))
    return points


def line(point: Point) -> str:
    """One row of the table."""
    low, high = point.interval
    return (
        f"{point.predictor:10}{point.people:8}{point.answers:9}{point.adaptive:11.3f}"
        f"{point.random:9.3f}{point.difference:+11.3f}  ({low:+.3f} to {high:+.3f})"
    )


def draw(points: Sequence[Point], path: Path) -> None:
    """Composites against answers, one panel a predictor, as path.png and path.svg."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(point.predictor for point in points))
    figure, axes = pyplot.subplots(
        1, len(names), figsize=(4.2 * len(names), 3.8), sharey=True, squeeze=False
    )
    styles = {"adaptive": ("#111111", "-", "o"), "random": ("#777777", "--", "s")}
    for axis, name in zip(axes[0], names, strict=True):
        own = [point for point in points if point.predictor == name]
        for order, (colour, dash, marker) in styles.items():
            means = np.array([getattr(point, order) for point in own])
            ends = np.array([getattr(point, f"{order}_interval") for point in own]).T
            places = np.array([p.answers for p in own]) * (0.985 if order == "adaptive" else 1.015)
            axis.errorbar(
                places,
                means,
                yerr=np.nan_to_num(np.abs(ends - means)),
                color=colour,
                linestyle=dash,
                marker=marker,
                markersize=5,
                capsize=2,
                label=f"{order} order",
            )
        axis.set_xscale("log")
        axis.set_xticks([p.answers for p in own], [str(p.answers) for p in own])
        axis.minorticks_off()
        axis.set_title(f"{name} (n = {own[0].people})", fontsize=11)
        axis.set_xlabel("answers given")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[0, 0].set_ylabel("composite on 180 held-out items (lower is better)", fontsize=9)
    axes[0, -1].legend(frameon=False)
    figure.text(
        0.5, 0.01, "Simulated people; bars are 95% bootstrap intervals over them.",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    for ending in ("png", "svg"):
        with replacing(path.with_suffix(f".{ending}")) as temporary:
            figure.savefig(temporary, dpi=160)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=8, help="people the model is asked; 8")
    parser.add_argument("--ridge-people", type=int, default=600, help="people of ridge; 600")
    parser.add_argument("--seed", type=int, default=77, help="of the people and random orders; 77")
    parser.add_argument("--model", default="pocket", help="which model; pocket")
    parser.add_argument("--device", default="cpu", help="where it runs; cpu")
    parser.add_argument("--figure", type=Path, help="write this figure, .png and .svg")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if options.people < 0 or options.ridge_people < max(2, options.people):
        raise SystemExit(
            f"--people {options.people} and --ridge-people {options.ridge_people} do not fit: "
            "--people is 0 or more, --ridge-people at least 2 and no less than --people."
        )
    people = simulate(options.ridge_people, seed=options.seed)
    asked = orders(people, seed=options.seed)
    print(f"{'predictor':10}{'people':>8}{'answers':>9}{'adaptive':>11}{'random':>9}", end="")
    print(f"{'difference':>11}  (95% interval)")
    ridge = Ridge(simulate(POPULATION, seed=POPULATION_SEED))
    points = compare(ridge, people, asked, told=print)
    if options.people:
        some = people.select(slice(0, options.people))
        few = {order: columns[: options.people] for order, columns in asked.items()}
        for method in _with_model(options.model, options.device):
            points += compare(method, some, few, told=lambda row: print(row, flush=True))
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n")
    if options.figure:
        draw(points, options.figure)
        print(f"Wrote {options.figure.with_suffix('.png')} and .svg.")


def _with_model(model: str, device: str) -> list[Method]:
    from personalign.methods.few_shot import FewShot
    from personalign.methods.pas import Pas
    from personalign.model.decoder import Decoder

    try:
        decoder = Decoder.load(model, device=device)
    except PersonalignError as error:
        raise SystemExit(f"{error} --people 0 leaves the model out.") from error
    return [FewShot(decoder), Pas(decoder)]


if __name__ == "__main__":
    main()
