"""What SFT and DPO share of TRL: arguments, checkpoints that are whole, the curve, no noise.

TRL's trainers print, write model cards and report their use to the hub; none of that happens
here. Checkpoints get a marker when they are whole, and a run goes on from the newest marked one:
with the same seed, data and device it ends in the same bytes as a run that was never interrupted.
"""

from __future__ import annotations

import logging
import random
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from personalign.errors import MethodError
from personalign.methods.trained import CHECKPOINTS, StepProgress, TrainingStep

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

WHOLE = "whole"
"""File that marks a checkpoint whose other files have all been written."""

CURVE_POINTS = 50
"""About as many lines a training curve has."""


@dataclass(frozen=True)
class Schedule:
    """How an optimiser goes about it; AdamW throughout."""

    steps: int
    """Optimiser steps."""
    batch: int
    """Samples a step."""
    learning_rate: float
    """Its highest value."""
    warmup: int
    """Steps in which the learning rate grows to that value."""
    weight_decay: float
    """AdamW's."""
    decline: str = "linear"
    """What the learning rate does after the warm-up: "linear" to 0, "cosine", "constant"."""
    max_grad_norm: float = 1.0
    """Longer gradients are shortened to this."""


def arguments(decoder: Decoder, folder: Path, schedule: Schedule, *, seed: int) -> dict[str, Any]:
    """Keyword arguments of TRL's configs that do not depend on the method.

    Raises MethodError for a decoder on another GPU than the first, from which TRL would move it.
    """
    if decoder.device.type == "cuda" and decoder.device.index not in (None, 0):
        raise MethodError(
            f"Training runs on the first GPU that is visible, and {decoder.name} is on "
            f"{decoder.device}; start again with CUDA_VISIBLE_DEVICES={decoder.device.index}."
        )
    decline = "constant_with_warmup" if schedule.decline == "constant" else schedule.decline
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "max_steps": schedule.steps,
        "per_device_train_batch_size": schedule.batch,
        "learning_rate": schedule.learning_rate,
        "warmup_steps": schedule.warmup,
        "weight_decay": schedule.weight_decay,
        "lr_scheduler_type": decline,
        "max_grad_norm": schedule.max_grad_norm,
        "optim": "adamw_torch",
        "seed": seed,
        "data_seed": seed,
        "bf16": decoder.dtype == torch.bfloat16,
        "fp16": False,
        "use_cpu": decoder.device.type == "cpu",
        "gradient_checkpointing": False,
        "max_length": None,
        "logging_strategy": "steps",
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "logging_steps": max(1, schedule.steps // CURVE_POINTS),
        "save_strategy": "steps",
        "save_steps": max(1, min(50, schedule.steps // 3)),
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": decoder.device.type != "cpu",
        "remove_unused_columns": False,
    }


def on_one_device(config: Any) -> Any:
    """The TRL config, told to use one GPU where several are visible."""
    if config.n_gpu > 1:
        config._n_gpu = 1
    return config


def fit(
    trainer: Any, folder: Path, progress: StepProgress, values: Mapping[str, str]
) -> list[TrainingStep]:
    """Run a TRL trainer to its end, from its newest whole checkpoint if there is one.

    values: name in TRL's log -> name in the curve. Returns the curve, interrupted parts included.
    Raises MethodError where the loss is no longer finite.
    """
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    class Follow(TrainerCallback):
        """Tells of every logged line, and marks checkpoints that are whole."""

        def on_log(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            line = _line(state.log_history[-1], values)
            if line is None:
                return
            if not all(np.isfinite(value) for value in line.values.values()):
                raise MethodError(
                    f"The loss is no longer finite at step {line.step}; choose a smaller learning "
                    "rate."
                )
            progress(line, state.max_steps)

        def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    trainer.add_callback(Follow())
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:  # over 4-bit weights TRL makes them bfloat16, a checkpoint not
            parameter.data = parameter.data.float()
    newest = newest_checkpoint(folder)
    trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    lines = (_line(entry, values) for entry in trainer.state.log_history)
    return [line for line in lines if line is not None]


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint under a person's folder; what is not whole is removed."""
    found: dict[int, Path] = {}
    for path in (folder / CHECKPOINTS).glob("checkpoint-*"):
        if (path / WHOLE).exists():
            found[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return found[max(found)] if found else None


@contextmanager
def training(seed: int) -> Iterator[None]:
    """Everything random follows the seed, and the caller's random state is put back; no noise."""
    from transformers.utils import logging as transformers_logging

    states = random.getstate(), np.random.get_state()
    level = transformers_logging.get_verbosity()
    quiet = {name: logging.getLogger(name).level for name in ("trl", "peft", "accelerate")}
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    try:
        transformers_logging.set_verbosity(logging.ERROR)
        for name in quiet:
            logging.getLogger(name).setLevel(logging.ERROR)
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            with torch.enable_grad():
                yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        transformers_logging.set_verbosity(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)


def silent(trainer: type) -> type:
    """The TRL trainer class without its report to the hub and its model cards."""

    def nothing(self: Any, *args: Any, **keywords: Any) -> None:
        return None

    return type(
        trainer.__name__,
        (trainer,),
        dict.fromkeys(("_send_telemetry", "create_model_card"), nothing),
    )


def _line(entry: Mapping[str, Any], values: Mapping[str, str]) -> TrainingStep | None:
    """One entry of the trainer's log as a line of the curve; None for its closing summary."""
    if "loss" not in entry:
        return None
    told = {ours: float(entry[theirs]) for theirs, ours in values.items() if theirs in entry}
    return TrainingStep(int(entry["step"]), told)
