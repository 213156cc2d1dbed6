"""Pushing heads while a decoder runs: `steer_heads`, a row of the batch at a time.

The displacement is added to the input of each layer's attention output projection, where the
heads' outputs lie side by side. Every row of a batch has its own, so many personas run in one
forward pass. A constant push v at every position equals a bias W_o v on the projection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from personalign.errors import ModelError, SteeringError
from personalign.model.persona import Persona

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
    displacements: Mapping[int, torch.Tensor],
    *,
    positions: torch.Tensor | None = None,
) -> Iterator[Steering]:
    """Add displacements to the heads' outputs in every forward pass inside the block.

    displacements: layer -> (rows, heads * head_dim); row i is added to row i of the batch. A single
        row is added to every row of any batch. For `num_beams` or `num_return_sequences` n, repeat
        the rows first: `tensor.repeat_interleave(n, 0)`.
    positions: (rows, time) bool, where to push; None is everywhere, padding included (which no
        real position sees). May be changed on the yielded `Steering`.
    Blocks may be nested; their displacements add up. The hooks go when the block ends, however it
    ends. No displacements, no hooks: the model is then bit-identical to the plain one.
    Raises SteeringError for a layer or width that does not fit, and inside a forward pass for a
    batch of another number of rows.
    """
    heads = decoder.heads
    for layer, rows in displacements.items():
        if not 0 <= layer < heads.layers:
            raise SteeringError(
                f"Layer {layer} cannot be steered: {decoder.name} has {heads.layers} layers, "
                f"numbered 0 to {heads.layers - 1}."
            )
        if rows.ndim != 2 or rows.shape[1] != heads.width:
            raise SteeringError(
                f"The displacement of layer {layer} has the shape {tuple(rows.shape)}; "
                f"{decoder.name} needs (rows, {heads.width}): {heads.heads} heads of "
                f"{heads.head_dim}."
            )
    steering = Steering(positions)
    hooks = []
    try:
        for layer, rows in displacements.items():
            hook = _adder(rows, layer, steering)
            hooks.append(heads.projections[layer].register_forward_pre_hook(hook))
        yield steering
    finally:
        for handle in hooks:
            handle.remove()


def row_displacements(decoder: Decoder, personas: Sequence[Persona]) -> dict[int, torch.Tensor]:
    """The displacements of a batch whose row i is persona i.

    Returns layer -> (len(personas), heads * head_dim) float32 on the decoder's device; layers that
    no persona steers are absent, and rows of personas that do not steer are zero.
    Raises SteeringError when a persona's shift does not fit the decoder, or its alpha makes it
    larger than any model can add up.
    """
    heads = decoder.heads
    laid: dict[int, torch.Tensor] = {}
    distinct: dict[str, list[int]] = {}
    for index, persona in enumerate(personas):
        if persona.steers:
            distinct.setdefault(persona.steering_key, []).append(index)
    for indices in distinct.values():
        persona = personas[indices[0]]
        assert persona.shift is not None, "a persona that steers has a shift"
        decoder.check_shift(persona.shift)
        steps = persona.shift.displacements(persona.alpha, heads.heads, heads.head_dim)
        for layer, step in steps.items():
            if not np.abs(step).max() < LARGEST:
                raise SteeringError(
                    f"With alpha {persona.alpha:g} the shift of layer {layer} is too large for the "
                    "model's arithmetic, and its logits would not be finite or mean nothing; "
                    "choose a smaller alpha, usually between 0 and 10."
                )
            if layer not in laid:
                laid[layer] = torch.zeros(len(personas), heads.width)
            laid[layer][indices] = torch.from_numpy(step)
    return {layer: rows.to(decoder.device) for layer, rows in sorted(laid.items())}


def check_finite(logits: torch.Tensor, personas: Sequence[Persona]) -> None:
    """Raise SteeringError, naming alpha, if a steered row's logits are not finite.

    logits: (rows, ...), row i of persona i. Checked before any masking with -inf. A row that
    nobody steers and that is not finite is the model's own fault: ModelError.
    """
    broken = ~torch.isfinite(logits).flatten(1).all(dim=1)
    if not bool(broken.any()):
        return
    rows = broken.nonzero().flatten().tolist()
    persona = next((personas[row] for row in rows if personas[row].steers), None)
    if persona is None:
        raise ModelError(
            "The model's own logits are not finite, without any steering; its weights are "
            "damaged or its dtype is too narrow (try float32 or bfloat16)."
        )
    raise SteeringError(
        f"With alpha {persona.alpha:g} the model's logits are no longer finite (row {rows[0]}); "
        "choose a smaller alpha, usually between 0 and 10."
    )


def _adder(rows: torch.Tensor, layer: int, steering: Steering) -> Any:
    """A forward pre-hook that adds `rows` (rows, width) to the projection's input."""
    ready: dict[tuple[torch.dtype, torch.device], torch.Tensor] = {}

    def add(_module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        outputs = args[0]  # (batch, time, heads * head_dim)
        batch, time = outputs.shape[:2]
        if len(rows) not in (1, batch):
            raise SteeringError(
                f"The batch has {batch} rows, but {len(rows)} rows of displacements were given "
                f"for layer {layer}; repeat them to one a row (repeat_interleave for beams)."
            )
        key = (outputs.dtype, outputs.device)
        if key not in ready:
            ready[key] = rows.to(dtype=outputs.dtype, device=outputs.device)[:, None]
        mask = steering.positions
        if mask is None:
            return (outputs + ready[key], *args[1:])
        if tuple(mask.shape) != (batch, time):
            raise SteeringError(
                f"The mask of steered positions has the shape {tuple(mask.shape)}, but the batch "
                f"is {batch} rows by {time} positions."
            )
        pushed = outputs + ready[key]
        return (torch.where(mask.to(outputs.device)[..., None], pushed, outputs), *args[1:])

    return add
