"""`personalign align ANSWERS -o DIR`: one person's answers to one persona's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from personalign.cli.options import (
    BaseUrl,
    Device,
    Dtype,
    KeyVariable,
    MaxKl,
    ModelName,
    Quantise,
)
from personalign.errors import MethodError

if TYPE_CHECKING:
    from personalign.model.persona import Persona


def align(
    answers: Annotated[
        Path,
        typer.Argument(
            help="The person's answers, .json or .csv, as personalign take writes them."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the persona.")],
    model: ModelName = "pocket",
    method: Annotated[
        str, typer.Option(help="How; `personalign methods` lists the names.")
    ] = "pas",
    heads: Annotated[
        int | None, typer.Option(min=1, help="pas: how many heads are pushed. Default: 8.")
    ] = None,
    prompt: Annotated[
        Literal["none", "few-shot"] | None,
        typer.Option(
            help="pas: what the heads are pushed under: no prompt of the person's (the default), "
            "or their answers as the system prompt."
        ),
    ] = None,
    direction: Annotated[
        Literal["means", "probe"] | None,
        typer.Option(
            help="pas: where heads are pushed to: from the mean of the other side to the mean of "
            "this person's (the default), or along the probe's weights."
        ),
    ] = None,
    scope: Annotated[
        Literal["all", "generated"] | None,
        typer.Option(
            help="pas: where heads are pushed: at all positions (the default), or at generated "
            "ones only, which is several times faster to align and to serve."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="pas: which items train the probes and which judge them."),
    ] = None,
    max_kl: MaxKl = None,
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a persona that is already in the folder.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write what was found here.")
    ] = None,
) -> None:
    """Make a persona from one person's answers.

    Only the 120 items of the short form are learnt from, whichever form was answered. The folder
    then works with personalign ask and personalign chat.

      personalign align me.json -o me
      personalign align me.json --model Qwen/Qwen3-8B --dtype bfloat16 -o me-qwen
      personalign align me.json --method few-shot -o me-in-words
      personalign align me.json -o me-mildly --max-kl 0.1

    Nothing is written until all is done, so an interrupted run leaves nothing behind.
    """
    from personalign.cli.console import console, progress, write_json
    from personalign.cli.models import open_model, tell_usage
    from personalign.dataset.answers import read_answers
    from personalign.evaluation.side_effects import bound_alpha, side_effects
    from personalign.methods.caa import Caa
    from personalign.methods.dials import Dials
    from personalign.methods.iti import Iti
    from personalign.methods.pas import Pas
    from personalign.methods.registry import get_persona_method
    from personalign.methods.trained import TrainedMethod
    from personalign.model.decoder import Decoder

    _check_free(out, force)
    person = read_answers(answers)
    given = {"heads": heads, "prompt": prompt, "direction": direction, "scope": scope, "seed": seed}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    decoder = open_model(
        model,
        dtype=dtype,
        device=device,
        quantise=quantise,
        base_url=base_url,
        key_variable=key_variable,
    )
    if max_kl is not None and not isinstance(decoder, Decoder):
        raise MethodError(
            f"--max-kl needs a model that is here; {decoder.name} is behind an API, where nothing "
            "is pushed and no probabilities of plain text can be read. Leave it out."
        )
    maker = get_persona_method(method, decoder=decoder, **settings)
    if isinstance(maker, Dials):
        with progress("Calibrating the model, once") as advance:
            maker.prepare(progress=advance)
    if isinstance(maker, Pas | Iti | Caa):
        with progress("Reading what the model holds after yes and after no") as advance:
            maker.prepare(progress=advance)
    with progress("Aligning") as advance:
        if isinstance(maker, TrainedMethod):
            maker.watch = lambda _, line, steps: advance(line.step, steps, note=line.told)
        seen = person.only(person.inventory.tuning)
        persona = maker.personas(seen, progress=advance)[0]
    if isinstance(decoder, Decoder):
        with progress("Measuring what it costs the rest of the model") as advance:
            if max_kl is not None:
                persona = bound_alpha(decoder, [persona], max_kl)[0]
            effects = side_effects(decoder, [persona], progress=advance)[0]
        told = {**persona.provenance, "side_effects": effects.told()}
        persona = replace(persona, provenance=told)
    persona.save(out)
    tell_usage(decoder)
    found = summary(persona)
    for line in lines(found):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"The persona is in {out}. Talk to it: personalign chat {out}", highlight=False)
    if json_file is not None:
        console.print(f"Written to {write_json(json_file, found)}.", highlight=False)


def summary(persona: Persona) -> dict[str, Any]:
    """What is worth telling of a new persona; errors are composites over the 120 items."""
    told = persona.provenance
    curve = told.get("alpha_curve")
    errors = dict(zip(curve["alphas"], curve["errors"], strict=True)) if curve else {}
    pairs = [] if persona.shift is None else persona.shift.pairs
    accuracy = told.get("head_accuracy")
    return {
        "method": told.get("method"),
        "settings": told.get("settings"),
        "model": told.get("model"),
        "fingerprint": told.get("fingerprint"),
        "alpha": persona.alpha,
        "error_before": errors.get(0.0),
        "error_after": errors.get(persona.alpha),  # none where a budget held alpha between two
        "heads": [
            {"layer": layer, "head": head, "accuracy": accuracy[layer][head] if accuracy else None}
            for layer, head in pairs
        ],
        "layers": [] if persona.residual is None else persona.residual.layers.tolist(),
        "alpha_curve": curve,
        "prompted": persona.system_prompt is not None,
        "training": told.get("training"),
        "max_kl": told.get("max_kl"),
        "alpha_unbounded": told.get("alpha_unbounded"),
        "side_effects": told.get("side_effects"),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The summary in words."""
    return [*_made(found), *_cost(found)]


def _cost(found: dict[str, Any]) -> list[str]:
    """What the persona costs the rest of the model; nothing of a model behind an API."""
    effects = found["side_effects"]
    if effects is None:
        return []
    text = (
        f"plain text: KL {effects['kl']:.3f} nats a token from the plain model, perplexity "
        f"{effects['plain_perplexity']:.1f} before, {effects['perplexity']:.1f} after; "
        f"{effects['unparsed']:.0%} of answers in text name no option; {effects['repeats']:.0%} "
        f"of free text is repetition ({effects['plain_repeats']:.0%} before)"
    )
    if found["max_kl"] is None or found["alpha_unbounded"] == found["alpha"]:
        return [text]
    return [
        f"alpha was held at {found['alpha']:.3g} instead of {found['alpha_unbounded']:.3g} by the "
        f"budget of {found['max_kl']:g} nats",
        text,
    ]


def _made(found: dict[str, Any]) -> list[str]:
    if found["training"]:
        return [_training(found)]
    pushed = found["heads"] or found["layers"]
    if found["alpha_curve"] is None and not pushed:
        of_answers = str(found["method"]).startswith("few-shot")
        written = "their answers" if of_answers else "a description of them"
        prompt = f"{written} as the system prompt" if found["prompted"] else "no system prompt"
        return [f"{found['method']}: {prompt}, no head is pushed."]
    if not pushed:
        return [
            "These answers neither agree nor disagree with anything, so there is no direction to "
            "push in; the persona is the plain model."
        ]
    judged = all(head["accuracy"] is not None for head in found["heads"])
    heads = ", ".join(
        f"{head['layer']}.{head['head']}" + (f" ({head['accuracy']:.0%})" if judged else "")
        for head in found["heads"]
    )
    text = [f"alpha {found['alpha']:g}"]
    if found["alpha_curve"] is not None:
        after = found["error_after"]
        text.append(
            f"error on the 120: {found['error_before']:.2f} before, "
            + ("not measured at this alpha" if after is None else f"{after:.2f} after")
            + " (mean distance of each trait, added up over the five)"
        )
    if heads:
        what = "layer.head (accuracy of its probe)" if judged else "layer.head"
        text.append(f"heads, {what}: {heads}")
    if found["layers"]:
        layers = ", ".join(map(str, found["layers"]))
        text.append(f"residual stream pushed where it enters layer {layers}")
    if found["alpha"] == 0:
        text.append("No push came closer to these answers than the model does unpushed.")
    return text


def _training(found: dict[str, Any]) -> str:
    first, last = found["training"][0], found["training"][-1]
    values = [
        f"{name} {first[name]:.3g} at first, {last[name]:.3g} at last"
        for name in last
        if name != "step" and name in first
    ]
    return (
        f"{found['method']}: an adapter was trained in {last['step']} steps; {'; '.join(values)}."
    )


def _check_free(out: Path, force: bool) -> None:
    """Refuse a folder that is in use before any work is done."""
    from personalign.errors import PersonaError
    from personalign.model.persona import PERSONA_FILE

    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.is_dir() and (out / PERSONA_FILE).exists():
        if force:
            return
        raise PersonaError(
            f"There is a persona in {out} already; name another folder, or replace it with --force."
        )
    raise PersonaError(
        f"{out} exists and holds no persona, so it is not overwritten; name a new or an empty "
        "folder."
    )
