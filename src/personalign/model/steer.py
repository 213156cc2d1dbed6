"""Pushing heads while a decoder runs: `steer_heads`, a row of the batch at a time.

The displacement is added to the input of each layer's attention output projection, where the
heads' outputs lie side by side. Every row of a batch has its own, so many personas run in one
forward pass. A constant push v at every position equals a bias W_o v on the projection. The
residual stream is pushed in the same way, at the input of a layer (`residual.Stream`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

from personalign.errors import ModelError, SteeringError
from personalign.model.persona import Persona
from personalign.model.residual import Site, Stream, depth

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

LARGEST = 1e15
"""Largest displacement taken, far beyond any use. Near 1e19 its square overflows in a model's
norms, which then return zeros: logits that are finite, and mean nothing."""


class Steering:
    """What `steer_heads` has laid onto a decoder; alive inside its block only."""

    def __init__(self, positions: torch.Tensor | None) -> None:
        self.positions = positions
        """(rows, time) bool of the next forward pass: where to push. None: everywhere.

        A decoding loop sets it before each pass, since time differs between the passes.
        """


@contextmanager
def steer_heads(
    decoder: Decoder,
    displacements: Mapping[Site, torch.Tensor],
    *,
    positions: torch.Tensor | None = None,
) -> Iterator[Steering]:
    """Add displacements to the heads' outputs in every forward pass inside the block.

    displacements: layer -> (rows, heads * head_dim), and Stream(layer) -> (rows, hidden); row i is
        added to row i of the batch. A single row is added to every row of any batch. For
        `num_beams` or `num_return_sequences` n, repeat the rows first:
        `tensor.repeat_interleave(n, 0)`.
    positions: (rows, time) bool, where to push; None is everywhere, padding included (which no
        real position sees). May be changed on the yielded `Steering`.
    Blocks may be nested; their displacements add up. The hooks go when the block ends, however it
    ends. No displacements, no hooks: the model is then bit-identical to the plain one.
    Raises SteeringError for a layer or width that does not fit, and inside a forward pass for a
    batch of another number of rows.
    """
    for site, rows in displacements.items():
        _check_site(decoder, site, rows)
    steering = Steering(positions)
    hooks = []
    try:
        for site, rows in displacements.items():
            hooks.append(before(decoder, site, _adder(rows, site, steering)))
        yield steering
    finally:
        for handle in hooks:
            handle.remove()


def before(
    decoder: Decoder, site: Site, change: Callable[[torch.Tensor], torch.Tensor]
) -> RemovableHandle:
    """Change what a site receives, (batch, time, width), from now on; the handle ends it."""

    def hook(
        _module: torch.nn.Module, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (change(args[0]), *args[1:]), named
        return args, {**named, "hidden_states": change(named["hidden_states"])}

    heads = decoder.heads
    place = heads.blocks[site.layer] if isinstance(site, Stream) else heads.projections[site]
    return place.register_forward_pre_hook(hook, with_kwargs=True)


def row_displacements(decoder: Decoder, personas: Sequence[Persona]) -> dict[Site, torch.Tensor]:
    """The displacements of a batch whose row i is persona i.

    Returns layer -> (len(personas), heads * head_dim), and Stream(layer) -> (len(personas),
    hidden), float32 on the decoder's device, in the order of a forward pass; sites that no persona
    steers are absent, and rows of personas that do not steer are zero.
    Raises SteeringError when a persona's shift does not fit the decoder, or its alpha makes it
    larger than any model can add up.
    """
    laid: dict[Site, torch.Tensor] = {}
    distinct: dict[str, list[int]] = {}
    for index, persona in enumerate(personas):
        if persona.steers:
            distinct.setdefault(persona.steering_key, []).append(index)
    for indices in distinct.values():
        persona = personas[indices[0]]
        for site, step in _steps(decoder, persona).items():
            if not np.abs(step).max() < LARGEST:
                raise SteeringError(
                    f"With alpha {persona.alpha:g} the shift of {_named(site)} is too large for "
                    "the model's arithmetic, and its logits would not be finite or mean nothing; "
                    "choose a smaller alpha, usually between 0 and 10."
                )
            if site not in laid:
                laid[site] = torch.zeros(len(personas), len(step))
            laid[site][indices] = torch.from_numpy(step)
    return {site: laid[site].to(decoder.device) for site in sorted(laid, key=depth)}


def _steps(decoder: Decoder, persona: Persona) -> dict[Site, np.ndarray]:
    """What one persona adds at each site."""
    heads = decoder.heads
    steps: dict[Site, np.ndarray] = {}
    if persona.shift is not None:
        decoder.check_shift(persona.shift)
        of_heads = persona.shift.displacements(persona.alpha, heads.heads, heads.head_dim)
        for layer, step in of_heads.items():
            steps[layer] = step
    if persona.residual is not None:
        decoder.check_residual(persona.residual)
        pushes = persona.residual.displacements(persona.alpha, heads.hidden)
        steps.update({Stream(layer): step for layer, step in pushes.items()})
    return steps


def check_finite(logits: torch.Tensor, personas: Sequence[Persona]) -> None:
    """Raise SteeringError, naming alpha, if a steered row's logits are not finite.

    logits: (rows, ...), row i of persona i. Checked before any masking with -inf. A row that
    nobody steers and that is not finite is the model's own fault: ModelError.
    """
    broken = ~torch.isfinite(logits).flatten(1).all(dim=1)
    if not bool(broken.any()):
        return
    rows = broken.nonzero().flatten().tolist()
    steered = (personas[row] for row in rows if personas[row].steers)
    raise not_finite(next(steered, personas[rows[0]]), f" (row {rows[0]})")


def not_finite(persona: Persona, where: str = "") -> SteeringError | ModelError:
    """The error of a row whose logits are not finite. where: which row, for the message."""
    if not persona.steers:
        return ModelError(
            "The model's own logits are not finite, without any steering; its weights are "
            "damaged or its dtype is too narrow (try float32 or bfloat16)."
        )
    return SteeringError(
        f"With alpha {persona.alpha:g} the model's logits are no longer finite{where}; choose a "
        "smaller alpha, usually between 0 and 10."
    )


def _check_site(decoder: Decoder, site: Site, rows: torch.Tensor) -> None:
    """Refuse a displacement that the decoder has no place for."""
    heads = decoder.heads
    stream = isinstance(site, Stream)
    layer = site.layer if isinstance(site, Stream) else site
    width = heads.hidden if stream else heads.width
    if not 0 <= layer < heads.layers:
        raise SteeringError(
            f"Layer {layer} cannot be steered: {decoder.name} has {heads.layers} layers, "
            f"numbered 0 to {heads.layers - 1}."
        )
    if rows.ndim != 2 or rows.shape[1] != width:
        what = "its hidden width" if stream else f"{heads.heads} heads of {heads.head_dim}"
        raise SteeringError(
            f"The displacement of {_named(site)} has the shape {tuple(rows.shape)}; "
            f"{decoder.name} needs (rows, {width}): {what}."
        )


def _named(site: Site) -> str:
    return str(site) if isinstance(site, Stream) else f"layer {site}"


def _adder(
    rows: torch.Tensor, site: Site, steering: Steering
) -> Callable[[torch.Tensor], torch.Tensor]:
    """What adds `rows` (rows, width) to a site's input (batch, time, width)."""
    ready: dict[tuple[torch.dtype, torch.device], torch.Tensor] = {}

    def add(outputs: torch.Tensor) -> torch.Tensor:
        batch, time = outputs.shape[:2]
        if len(rows) not in (1, batch):
            raise SteeringError(
                f"The batch has {batch} rows, but {len(rows)} rows of displacements were given "
                f"for {_named(site)}; repeat them to one a row (repeat_interleave for beams)."
            )
        key = (outputs.dtype, outputs.device)
        if key not in ready:
            ready[key] = rows.to(dtype=outputs.dtype, device=outputs.device)[:, None]
        mask = steering.positions
        if mask is None:
            return outputs + ready[key]
        if tuple(mask.shape) != (batch, time):
            raise SteeringError(
                f"The mask of steered positions has the shape {tuple(mask.shape)}, but the batch "
                f"is {batch} rows by {time} positions."
            )
        pushed = outputs + ready[key]
        return torch.where(mask.to(outputs.device)[..., None], pushed, outputs)

    return add
