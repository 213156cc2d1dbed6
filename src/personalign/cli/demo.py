"""`personalign demo`: twelve simulated people, three methods, one table, one report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.console import console, errors, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from personalign.bench.report import TextSample
    from personalign.bench.rows import Evaluation
    from personalign.model.decoder import Decoder

METHODS = ("none", "few-shot", "pas")
"""Nothing; the answers in the prompt; the answers as a push on attention heads."""

QUESTION = "What are your plans for the weekend?"
"""Asked before and after: whether somebody likes company and calm shows in the answer."""

SAMPLES = 3
"""People whose words are shown."""

MAX_NEW_TOKENS = 90
"""Longest answer in text."""

CAVEATS = (
    "These people are simulated: drawn from published figures of how real people answer, not "
    "asked. A score here says that the method works as built, not how close it comes to a real "
    "person.",
    "The model is a pocket one, trained on simulated questionnaires only, and to be pushed as pas "
    "pushes. It has seen all 300 items (though never these people), and it is no evidence about "
    "large language models, nor of how methods compare on them.",
    "Read every method beside the reference rows. A persona is worth its cost where it is clearly "
    "better than the facet average, and then than ridge regression.",
)
"""What the report says against itself."""


def demo(
    people: Annotated[int, typer.Option(min=2, help="How many people to simulate.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("personalign-demo"),
    model: Annotated[
        str, typer.Option(help="Another model: a folder or hub name. It takes longer.")
    ] = "pocket",
    seed: Annotated[int, typer.Option(min=0, help="Which simulated people.")] = 0,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file.")
    ] = None,
) -> None:
    """Align twelve simulated people and see how close the model comes to each of them.

    Nothing is downloaded and nobody is asked: the people are simulated and the model is in the
    package. It takes about a minute, prints a table, and writes a report to open in a browser.

      personalign demo
      personalign demo --people 30 --out my-demo
    """
    from personalign.bench.evaluate import evaluate_methods
    from personalign.bench.report import write_report
    from personalign.cli.evaluate import row_progress, say, show
    from personalign.dataset.simulate import simulate
    from personalign.model.decoder import Decoder

    began = time.perf_counter()
    someone = simulate(people, seed=seed)
    with errors.status(f"Loading {model}"):
        decoder = Decoder.load(model)
    with row_progress() as progress:
        evaluation = evaluate_methods(decoder, someone, METHODS, seed=seed, progress=progress)
    with errors.status("Asking three people a question"):
        samples = ask(decoder, evaluation)
    with errors.status("Drawing the report"):
        path = write_report(
            out / "report.html",
            evaluation,
            title=f"{len(someone)} simulated people, aligned",
            samples=samples,
            caveats=CAVEATS if model == "pocket" else CAVEATS[::2],
        )
    show(evaluation)
    console.print()
    if json is not None:
        from personalign.bench.summary import to_json

        say(f"Wrote {write_json(json, to_json(evaluation))}")
    say(f"Report, to open in a browser: {path}")
    say(f"Done in {time.perf_counter() - began:.0f} seconds.")


def ask(decoder: Decoder, evaluation: Evaluation) -> list[TextSample]:
    """One question put to the plain model and to the personas of people unlike each other.

    The personas are made again here, as an evaluation keeps what personas answered and not the
    personas.
    """
    from personalign.bench.report import TextSample, describe_person
    from personalign.inventory.scoring import trait_means
    from personalign.methods.registry import get_persona_method
    from personalign.model.generate import generate
    from personalign.model.persona import PLAIN

    names = [row.name for row in evaluation.methods if row.swap is not None]
    someone = evaluation.people.only(evaluation.people.inventory.tuning)
    means = trait_means(someone.responses)
    chosen = standing_out(means, SAMPLES)
    personas = [PLAIN]
    for name in names:
        personas += get_persona_method(name, decoder=decoder).personas(someone.select(chosen))
    texts = [
        text.strip()
        for text in generate(decoder, personas, QUESTION, max_new_tokens=MAX_NEW_TOKENS)
    ]
    return [
        TextSample(
            person=someone.ids[i],
            about=describe_person(means[i], means),
            question=QUESTION,
            before=texts[0],
            after={name: texts[1 + len(chosen) * m + place] for m, name in enumerate(names)},
        )
        for place, i in enumerate(chosen)
    ]


def standing_out(means: NDArray[np.float64], people: int) -> list[int]:
    """The people farthest from each other in their trait means, by index, farthest first.

    The first is farthest from the average person, each next one farthest from all chosen so far.

    >>> import numpy as np
    >>> standing_out(np.array([[3.0], [3.1], [5.0], [1.5]]), 2)
    [2, 3]
    """
    import numpy as np

    distance = np.linalg.norm(means - means.mean(axis=0), axis=1)
    chosen: list[int] = []
    for _ in range(min(people, len(means))):
        chosen.append(int(distance.argmax()))
        apart = np.linalg.norm(means - means[chosen[-1]], axis=1)
        distance = apart if len(chosen) == 1 else np.minimum(distance, apart)
    return chosen
