"""`personalign study`: blind pairs for human raters, and their votes. Files in, files out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from personalign.cli.options import (
    BaseUrl,
    Device,
    Dtype,
    JsonFile,
    KeyVariable,
    MaxTokens,
    ModelName,
    Quantise,
)
from personalign.cli.settings import Settings, method_names, method_settings
from personalign.errors import EvaluationError

study = typer.Typer(
    name="study",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Blind pairs for human raters: pack them, count the votes.",
)

OutFolder = Annotated[
    Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the packs.")
]
KeyFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="The key, which says what is behind every pair: not for raters."
    ),
]
OrderSeed = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Seed of order and sides. Whoever knows it can undo the blinding, so one is drawn, "
        "and kept in the key, where none is given.",
    ),
]


@study.command()
def pack(
    answers: Annotated[
        list[Path],
        typer.Argument(help="Answers files, one a rater, as personalign take writes them."),
    ],
    prompts: Annotated[
        Path,
        typer.Option(
            help="General prompts: .txt, one a line, or .jsonl of MT-Bench, self-instruct, LIMA or "
            '{"prompt": ...}.'
        ),
    ],
    out: OutFolder,
    key: KeyFile,
    model: ModelName = "pocket",
    method: Annotated[
        str, typer.Option(help="How personas are made; `personalign methods` lists the names.")
    ] = "pas",
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ONE:OTHER",
            help="What is compared: aligned, misaligned or original, two of them; several times, "
            "and every prompt goes to one. Default: aligned:misaligned.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many prompts, evenly over the file.")] = 30,
    max_tokens: MaxTokens = 512,
    seed: OrderSeed = None,
    settings: Settings = None,
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = None,
) -> None:
    """Make each rater's value-aligned and value-misaligned assistant, and pack their replies.

    The misaligned one is made of the rater's answers mirrored; "original" is the model as it is.
    Each rater gets a file of pairs, named after their answers file, and says of every pair which
    answer is better: A, B or neither. Nothing in it tells which assistant is which.

      personalign study pack ann.json ben.json --prompts prompts.txt -o packs --key key.json
      personalign study votes ann.csv ben.csv --key key.json
    """
    from personalign.cli.console import progress
    from personalign.cli.models import open_model, tell_usage
    from personalign.dataset.answers import read_answers
    from personalign.dataset.people import Respondents
    from personalign.evaluation.assistants import (
        CONDITIONS,
        DEFAULT_CONTRAST,
        assistant_replies,
        value_personas,
    )
    from personalign.evaluation.blind import QUESTION, check_contrasts, contrasts_in
    from personalign.evaluation.general_prompts import read_prompts, spread
    from personalign.methods.base import PersonaMethod
    from personalign.methods.settings import build_method

    _check_places(out, key)
    names = method_names(method)
    if len(names) > 1:
        raise EvaluationError(f"A study is of one method, and {method} names {len(names)}.")
    own = method_settings(settings, names)
    contrasts = contrasts_in(contrast or [":".join(DEFAULT_CONTRAST)])
    check_contrasts(contrasts, CONDITIONS)
    wanted = {condition for one in contrasts for condition in one}
    asked = spread(read_prompts(prompts), limit)
    stems = [path.stem for path in answers]
    if len(set(stems)) < len(stems):
        raise EvaluationError(
            f"Two answers files are called {max(stems, key=stems.count)}; packs are named after "
            "them, so rename one."
        )
    people = Respondents.concat([read_answers(path) for path in answers])
    decoder = open_model(
        model,
        dtype=dtype,
        device=device,
        quantise=quantise,
        base_url=base_url,
        key_variable=key_variable,
    )
    maker = build_method(names[0], decoder, common={}, own=own.get(names[0], {}))
    if not isinstance(maker, PersonaMethod):
        raise EvaluationError(
            f"{names[0]} makes another prompt for every question and no persona, so it makes no "
            "assistant; choose another method."
        )
    with progress("Making assistants") as advance:
        conditions = [condition for condition in CONDITIONS if condition in wanted]
        personas = value_personas(maker, people, conditions, progress=advance)
    with progress("Writing replies") as advance:
        rows = assistant_replies(
            decoder,
            personas,
            people.ids,
            asked,
            max_new_tokens=max_tokens,
            progress=advance,
        )
    tell_usage(decoder)
    about = {
        **maker.provenance(people.inventory),
        "prompts": prompts.name,
        "max_tokens": max_tokens,
    }
    _write(rows, contrasts, QUESTION, seed=seed, about=about, out=out, key=key)


@study.command("pack-texts")
def pack_texts(
    texts: Annotated[
        Path,
        typer.Argument(
            help="A .jsonl file of open-ended texts: person, item, statement, target, method, text."
        ),
    ],
    contrast: Annotated[
        list[str],
        typer.Option(
            metavar="ONE:OTHER",
            help="Two methods to compare; several times, and every statement goes to one.",
        ),
    ],
    out: OutFolder,
    key: KeyFile,
    seed: OrderSeed = None,
) -> None:
    """Pack open-ended texts of two methods, for raters to say which agrees better with a person.

    Raters see the statement, the option the person ticked, and two texts.

      personalign study pack-texts texts.jsonl --contrast pas:few-shot -o packs --key key.json
    """
    from personalign.evaluation.blind import contrasts_in
    from personalign.evaluation.open_ended import RATERS_QUESTION, as_replies
    from personalign.evaluation.text_files import read_text

    _check_places(out, key)
    rows = []
    for number, line in enumerate(read_text(texts).split("\n"), 1):
        if line.strip():
            try:
                rows += as_replies([json.loads(line)])
            except (ValueError, KeyError, TypeError) as error:
                raise EvaluationError(
                    f"Line {number} of {texts.name} is no open-ended text ({error!r}); a line has "
                    "person, item, statement, target (1-5), method and text."
                ) from error
    contrasts = contrasts_in(contrast)
    about = {"texts": texts.name}
    _write(rows, contrasts, RATERS_QUESTION, seed=seed, about=about, out=out, key=key)


@study.command()
def votes(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="VOTES", help="Files of votes, .csv or .jsonl: rater, pair, vote."),
    ],
    key: KeyFile,
    json: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the shares into this .svg or .png file.")
    ] = None,
) -> None:
    """Count the votes on blind pairs: preferred, neither, not preferred, with intervals.

    A vote is A, B or neither. A pair that is not in the key, a rater's second vote on a pair and
    any other vote are refused. Raters' agreement needs the extra 'eval'.

      personalign study votes ann.csv ben.csv --key key.json --json preferences.json
    """
    from rich.console import Console

    from personalign.bench.study import notes, votes_figure, votes_json, votes_table
    from personalign.cli.console import console, write_json
    from personalign.cli.evaluate import say
    from personalign.dataset.plots.style import known_figure_ending, write_figure
    from personalign.evaluation.blind import read_key
    from personalign.evaluation.human import count_votes, read_votes

    if figure is not None:
        known_figure_ending(figure)
    found = count_votes(read_votes(*files), read_key(key))
    wide = console if console.is_terminal else Console(width=120)
    wide.print(votes_table(found))
    for line in notes(found):
        console.print(line, style="dim", markup=False, highlight=False)
    if json is not None:
        say(f"Wrote {write_json(json, votes_json(found))}")
    if figure is not None:
        write_figure(votes_figure(found), figure)
        say(f"Wrote {figure}")


def _write(
    rows: Sequence[Any],
    contrasts: Sequence[tuple[str, str]],
    question: str,
    *,
    seed: int | None,
    about: dict[str, Any],
    out: Path,
    key: Path,
) -> None:
    """Pack the replies and write packs and key; say where, and what raters are asked."""
    import secrets

    from personalign.cli.evaluate import say
    from personalign.evaluation.blind import pack_pairs, write_key, write_packs

    drawn = secrets.randbits(64) if seed is None else seed
    pairs, behind = pack_pairs(rows, contrasts, seed=drawn, about=about)
    written = write_packs(out, pairs, behind)
    write_key(key, behind)
    same = sum(entry.same for entry in behind.entries)
    say(f"Wrote {len(pairs)} pairs into {out}: {', '.join(path.name for path in written)}")
    if same:
        say(f"In {same} of them both answers are the same text.")
    say(f"Wrote {key}, which is not for raters. Ask them:\n\n{question}")


def _check_places(out: Path, key: Path) -> None:
    """Refuse a key that would lie among the packs, or take the place of another study's."""
    if out.resolve() in key.resolve().parents:
        raise EvaluationError(
            f"The key {key} would lie in the folder of the packs, {out}, which raters get; put it "
            "elsewhere."
        )
    if key.exists():
        raise EvaluationError(
            f"There is a key at {key} already, and without it the votes on its pairs say nothing; "
            "name another file, or move it away."
        )
