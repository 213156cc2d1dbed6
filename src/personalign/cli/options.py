"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[
    str, typer.Option(help="'pocket', a model's folder, or a name on the Hugging Face hub.")
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
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")]
