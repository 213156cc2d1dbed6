"""`personalign model MODEL`: what a model is made of, and what Personalign can do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from personalign.cli.options import Device, Dtype, Quantise

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

BAKING = {
    "own bias": "yes: the projections have a bias already, the shift is added to it",
    "attention_bias": "yes: config attention_bias=True gives the projections a bias",
    "as llama": "yes: saved as LlamaForCausalLM, whose attention_bias gives the projections a bias",
    "none": "no: this family's file format has no place known for it; the persona is hooked in",
}
"""What each answer of `bias_slot` means for baking a persona into the weights."""


def model(
    name: Annotated[
        str, typer.Argument(help="'pocket', a model's folder, or a name on the Hugging Face hub.")
    ] = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the table to this file.")
    ] = None,
) -> None:
    """Show a model's attention heads, chat template, and what can be baked into it.

    The heads are what a persona shifts: the inputs of each layer's attention output projection.
    Any causal decoder whose heads are found here can be aligned.

      personalign model pocket

      personalign model meta-llama/Llama-3.1-8B-Instruct --quantise 4bit --json facts.json
    """
    from rich.markup import escape
    from rich.table import Table

    from personalign.cli.console import console, errors, write_json
    from personalign.model.decoder import Decoder

    with errors.status(f"Loading {name} ..."):
        decoder = Decoder.load(name, dtype=dtype, device=device, quantize=cast(Any, quantise))
        facts = model_facts(decoder)
    table = Table(title=f"Model {escape(decoder.name)}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for label, value in _rows(facts):
        table.add_row(label, escape(value))
    console.print(table)
    if json_file is not None:
        console.print(f"Written to {write_json(json_file, facts)}.", highlight=False)


def model_facts(decoder: Decoder) -> dict[str, Any]:
    """All that the table shows, as JSON: shape, projections, template, baking, fingerprint."""
    from personalign.model.heads import bias_slot

    heads, chat = decoder.heads, decoder.chat
    slot = bias_slot(decoder.model)
    return {
        "model": decoder.name,
        "class": type(decoder.model).__name__,
        "family": decoder.model.config.model_type,
        "fingerprint": decoder.fingerprint,
        "parameters": sum(tensor.numel() for tensor in decoder.model.parameters()),
        "dtype": str(decoder.dtype).removeprefix("torch."),
        "device": str(decoder.device),
        "quantised": getattr(decoder.model.config, "quantization_config", None) is not None,
        "layers": heads.layers,
        "heads": heads.heads,
        "head_dim": heads.head_dim,
        "projections": list(heads.paths),
        "projection_bias": getattr(heads.projections[0], "bias", None) is not None,
        "vocabulary": len(decoder.tokenizer),
        "chat_template": chat.kind,
        "system_role": chat.takes_system,
        "reply_opening": chat.reply_opening,
        "end_of_turn": [
            decoder.tokenizer.convert_ids_to_tokens(i) for i in sorted(decoder.end_ids)
        ],
        "bake": slot != "none",
        "bake_how": slot,
    }


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    templates = {
        "own": "the tokenizer's own",
        "chatml": "none of its own; ChatML, whose markers it has",
        "plain": "none of its own; plain System / User / Assistant text",
    }
    quantised = ", quantised" if facts["quantised"] else ""
    paths = facts["projections"]
    return [
        ("class", f"{facts['class']} ({facts['family']})"),
        ("fingerprint", facts["fingerprint"][:16]),
        ("parameters", f"{facts['parameters']:,}"),
        ("dtype", f"{facts['dtype']}{quantised} on {facts['device']}"),
        ("heads", f"{facts['layers']} layers x {facts['heads']} heads of {facts['head_dim']}"),
        ("projections", paths[0] if len(paths) == 1 else f"{paths[0]}\n... {paths[-1]}"),
        ("vocabulary", f"{facts['vocabulary']:,} tokens"),
        ("chat template", templates[facts["chat_template"]]),
        (
            "system turn",
            "taken as it is" if facts["system_role"] else "put in front of the first user turn",
        ),
        ("a turn ends with", " ".join(facts["end_of_turn"]) or "nothing known"),
        ("baking a persona", BAKING[facts["bake_how"]]),
    ]
