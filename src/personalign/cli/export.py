"""`personalign export DIR -o OUT`: a persona as files for another engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from personalign.cli.ask import load_persona
from personalign.cli.console import console
from personalign.cli.options import Device, MovedModel, PersonaFolder

if TYPE_CHECKING:
    from personalign.model.export.export import Exported

NEXT = {
    "hf": "vllm serve {folder} --model-impl transformers",
    "ctranslate2": "ctranslate2.Generator('{folder}').generate_batch(...)",
    "lm-eval": "lm_eval --model steered "
    "--model_args pretrained={model},steer_path={folder}/steer.pt",
    "gguf-bias": "llama-server -m {folder}/model.gguf --jinja",
}
"""How each form is used, in a line."""


def export(
    persona_dir: PersonaFolder,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to: a new or an empty folder.")
    ],
    format: Annotated[
        Literal["hf", "ctranslate2", "lm-eval", "gguf-bias"],
        typer.Option(
            help="hf: a checkpoint for transformers, vLLM, SGLang, TGI. gguf-bias: a file for "
            "llama.cpp. ctranslate2: a converted model. lm-eval: a file that steers "
            "lm-evaluation-harness."
        ),
    ] = "hf",
    model: MovedModel = None,
    device: Device = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="How strongly it is pushed. Default: the persona's own strength."),
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere",
            help="A persona that pushes generated positions only is written as one that pushes "
            "all of them: another persona.",
        ),
    ] = False,
    shard_size: Annotated[
        str | None,
        typer.Option(help="hf: the largest file of weights, e.g. 2GB. Default: 5GB."),
    ] = None,
) -> None:
    """Write a persona for another engine: the push in the weights, the prompt in the template.

    What is written is loaded again and compared with the steered model, and refused if it differs.

    personalign export me -o me-hf

    personalign export me -o me-gguf --format gguf-bias
    """
    from personalign.errors import ExportError
    from personalign.model.decoder import Decoder
    from personalign.model.export.export import export_persona
    from personalign.model.loading import resolve

    decoder, persona = load_persona(persona_dir, model=model, alpha=alpha, device=device)
    if not isinstance(decoder, Decoder):
        raise ExportError(
            f"The persona in {persona_dir} was made with {decoder.name}, a model behind an API; it "
            "has no weights here. Its system prompt is all there is to it, and stands in "
            f"{persona_dir / 'persona.json'}."
        )
    if everywhere and persona.scope == "generated" and persona.steers:
        console.print(
            "The persona pushes generated positions only; what is written pushes all of them, and "
            "is another persona.",
            style="yellow",
        )
    done = export_persona(
        decoder, persona, output, format=format, everywhere=everywhere, shard_size=shard_size
    )
    _report(done, str(resolve(decoder.name) or decoder.name))


def _report(done: Exported, model: str) -> None:
    gap = done.difference
    console.print(f"{done.folder}: {done.format}, {done.holds}.", markup=False, soft_wrap=True)
    console.print(
        f"Logits against the steered model, {gap.positions} positions: largest difference "
        f"{gap.largest:.2g}, mean {gap.mean:.2g} (allowed {gap.allowed:.2g}; the persona itself "
        f"moves them by {gap.effect:.2g} on average).",
        markup=False,
        soft_wrap=True,
    )
    line = NEXT[done.format].format(folder=done.folder, model=model)
    console.print(f"Next: {line}", markup=False, highlight=False, soft_wrap=True)
