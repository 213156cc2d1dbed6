"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ModelName = Annotated[
    str,
    typer.Option(
        help="'pocket', a model's folder, a name on the Hugging Face hub, or api:NAME for a model "
        "behind an OpenAI-compatible API."
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option(help="api: models: the endpoint's address. Default: OpenAI's.")
]
KeyVariable = Annotated[
    str | None,
    typer.Option(
        help="api: models: the environment variable that holds the key. Default: OPENAI_API_KEY."
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="api: models: requests under way at once. Default: 8."),
]
Timeout = Annotated[
    float | None,
    typer.Option(min=0.1, help="api: models: seconds a request may take. Default: 60."),
]
Prices = Annotated[
    str | None,
    typer.Option(
        metavar="READ,WRITTEN",
        help="api: models: what a million tokens read and a million written cost, to be told what "
        "was spent.",
    ),
]
MovedModel = Annotated[
    str | None,
    typer.Option(
        help="Folder or hub name of the model, if it has moved. Default: the model the persona was "
        "made with. Another model is refused."
    ),
]
Dtype = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; else the checkpoint's own.")
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, ...; else the GPU where there is one.")
]
Quantise = Annotated[str | None, typer.Option(help="4bit or 8bit; needs the extra 'quantise'.")]
PersonaFolder = Annotated[
    Path, typer.Argument(help="The persona's folder, as personalign align wrote it.")
]
PeopleFile = Annotated[
    Path, typer.Option(help="A .json, .csv or .parquet file of people's answers.")
]
Coordinate = Annotated[
    Literal["auto", "response", "keyed"],
    typer.Option(
        help="Whether files hold answers as ticked (response) or already reverse-scored (keyed); "
        "auto tells, or refuses."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write every number to this file.")]
MaxKl = Annotated[
    float | None,
    typer.Option(
        "--max-kl",
        min=0.0,
        metavar="NATS",
        help="Push nobody farther than moves plain text by so much: mean KL divergence from the "
        "plain model, nats a token. 0.1 is little, 1 is another model.",
    ),
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")]
