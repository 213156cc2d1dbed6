"""PPO's state between two steps, in one file that appears whole or not at all.

Everything a run needs to go on to the very bytes it would have reached: the adapter and the value
head, Adam's moments, the weight of the KL penalty, and what every step so far has met. Random
numbers are drawn from the seed and the step (`rollout.py`), so they have no state to keep.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from personalign.dataset.files import replacing
from personalign.methods.ppo_math import KlControl
from personalign.methods.ppo_update import StepReport

_FORMAT = "personalign ppo 1"


def save_state(
    path: Path,
    parameters: Sequence[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    control: KlControl,
    reports: Sequence[StepReport],
) -> None:
    """Write the state after `len(reports)` steps; a former one there is replaced."""
    tensors = {f"parameter.{place}": one.detach() for place, one in enumerate(parameters)}
    for place, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{place}.{name}": value for name, value in moments.items()}
    told = {
        "format": _FORMAT,
        "kl_coef": json.dumps(control.coefficient),
        "reports": json.dumps([list(report) for report in reports]),
    }
    whole = {name: tensor.to("cpu").contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(whole, temporary, metadata=told)


def load_state(
    path: Path,
    parameters: Sequence[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    control: KlControl,
) -> tuple[KlControl, list[StepReport]]:
    """Put a saved state back in place; with none there, or none that fits, begin at step 0.

    Returns the KL control and the reports of the steps already taken.
    """
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        fits = told["format"] == _FORMAT and all(
            tensors[f"parameter.{place}"].shape == one.shape for place, one in enumerate(parameters)
        )
        reports = [StepReport(*report) for report in json.loads(told["reports"])]
        coefficient = float(json.loads(told["kl_coef"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return control, []
    if not fits:
        return control, []
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, place, *rest = name.split(".")
        if kind == "parameter":
            parameters[int(place)].data.copy_(tensor)
        else:
            moments.setdefault(int(place), {})[rest[0]] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return replace(control, coefficient=coefficient), reports
