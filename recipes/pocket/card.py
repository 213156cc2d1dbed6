"""Write the pocket model's card from what was measured.

    python -m recipes.pocket.measure PEOPLE.json -o measured.json
    python -m recipes.pocket.card measured.json

Every figure in the card comes from the file; a file measured on other weights is refused.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from personalign.model.decoder import Decoder
from personalign.model.loading import POCKET_FOLDER

CARD = """---
license: apache-2.0
language: en
tags: [personality, IPIP-NEO, simulated]
---

# The pocket model

A Llama of 2.4 million parameters (6 layers of 5 heads of 32, fp32) that comes with Personalign so
that everything can be tried with no download. It answers the IPIP-NEO questionnaire as the average
respondent, or as the person whom its system prompt describes or lists answers of, or who answered
earlier in the chat, and it makes a little small talk. It shows that the method and the chain work.
**It is no evidence about large models**, and nobody's advice.

## Training data

Simulated people only (`personalign.dataset.simulate`), a fresh one in every chat, and text from a
hand-written grammar (`recipes/pocket/dialogue.py`). No real person's answers. The simulator's
figures are published counts and aggregates of 75 people: every second one of the 150 released
people it is measured on below. The other 75 are the clean half.

`make pocket` trains it again: {steps:,} steps, seeded, bf16 arithmetic. Targets of an answer are
the ideal observer's probabilities given all earlier answers (`recipes/pocket/observer.py`).

**It was trained to be pushed.** In the last {pushed:,} of the steps, every other one lays PAS's own
push of a simulated person onto the heads and asks for that person's answers and talk
(`recipes/pocket/pushed.py`). So what PAS reaches here says that PAS is carried out rightly, and how
much of a person fits through such a push; it says nothing of how far PAS gets on a model that was
not trained for it, nor how it compares with other methods there.

## Measured

By `python -m recipes.pocket.measure`, on the weights {fingerprint}.

Composite over 180 held-out items (0 best; 95% bootstrap interval over people). "swapped": scored
with somebody else's persona.

| wording | row | people | everybody | the clean ones | swapped |
|---|---|---|---|---|---|
{scores}

What replies in dialogue show of the facet they are about (-1 its low end, 1 its high end, read off
the grammar's phrases), correlated with who speaks: {speakers} simulated people, a question a facet.

| row | with the speaker's scores | with somebody else's | replies that differ |
|---|---|---|---|
{voices}

## Limits

- It has seen all 300 items: held out is an item for a person, not for the model.
- It imitates people filling in a questionnaire. Its other words come from a grammar and are often
  beside the point.
- A question in words far from those it was trained on may be misread (see "reworded" above).
- English only. Other questionnaires: not trained, not measured.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path)
    measured = json.loads(parser.parse_args().measured.read_text())
    fingerprint = Decoder.load("pocket").fingerprint
    texts = {name: row for name, row in measured.items() if name.startswith("voice/")}
    scores = {name: row for name, row in measured.items() if name not in texts}
    if any(row["model"] != fingerprint for row in scores.values()):
        raise SystemExit("These figures were measured on other weights; measure again.")
    recipe = json.loads((POCKET_FOLDER / "recipe.json").read_text())
    card = CARD.format(
        steps=recipe["steps"] + recipe["pushed_steps"],
        pushed=recipe["pushed_steps"],
        fingerprint=fingerprint[:12],
        scores="\n".join(_score(*row) for row in scores.items()),
        speakers=next(iter(texts.values()))["people"],
        voices="\n".join(_voice(*row) for row in texts.items()),
    )
    (POCKET_FOLDER / "README.md").write_text(card)


def _score(name: str, row: dict) -> str:
    wording, method = name.split("/")
    swapped = "" if row["swapped"] is None else f"{row['swapped']:.2f}"
    everyone, clean = ("{:.2f} ({:.2f}-{:.2f})".format(*row[whom]) for whom in ("all", "clean"))
    return f"| {wording} | {method} | {row['people'][0]} | {everyone} | {clean} | {swapped} |"


def _voice(name: str, row: dict) -> str:
    method = name.removeprefix("voice/")
    own, other = (round(row[whose], 2) + 0.0 for whose in ("own", "other"))  # no minus zero
    return f"| {method} | {own:.2f} | {other:.2f} | {row['different']:.0%} |"


if __name__ == "__main__":
    main()
