"""Fit the model of answers that ships with the package, on simulated people.

    python -m recipes.population.responses_model [-o MODEL.json]

10,000 people drawn with a fixed seed from data/population.json, so that the file holds figures of
nobody. It is made again whenever the population is; a test refits it and compares.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from personalign.dataset.responses_fit import fit_responses_model
from personalign.dataset.responses_model import ResponsesModel
from personalign.dataset.simulate import simulate

PEOPLE, SEED = 10_000, 20240601
OUTPUT = Path("src/personalign/dataset/data/responses_model.json")


def shipped_model() -> ResponsesModel:
    """The model the package ships, fitted anew."""
    return fit_responses_model(simulate(PEOPLE, seed=SEED))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    shipped_model().write(output)
    print(f"Wrote {output}, fitted on {PEOPLE} simulated people.")


if __name__ == "__main__":
    main()
