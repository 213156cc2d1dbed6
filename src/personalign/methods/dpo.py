"""DPO: direct preference optimisation on a person's answers against their opposites.

The paper's baseline (Appendix C.2; Rafailov et al.): pairs from the 120 answered items, the
person's answer chosen and its opposite 6 - response rejected, neutral answers left out; TRL's
DPOTrainer over a LoRA adapter, the reference being the model without it. On a 4-bit decoder
this is QLoRA, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from personalign.methods.samples import has_opposite, pairs
from personalign.methods.trained import StepProgress, TrainedMethod, TrainingStep
from personalign.methods.tuning import Schedule, arguments, fit, on_one_device, silent, training
from personalign.methods.twin import twin
from personalign.model.adapters import save_adapter

if TYPE_CHECKING:
    from personalign.inventory.items import Inventory, Item
    from personalign.methods.base import Progress


@dataclass(frozen=True)
class DpoSettings:
    """Defaults are Appendix C.2's; what it leaves out is that of TRL's script for Llama 2 with the
    same learning rate, warm-up and weight decay (rank, dropout, cosine, beta)."""

    steps: int = 250
    """Optimiser steps."""
    batch: int = 16
    """Pairs a step."""
    learning_rate: float = 5e-4
    """AdamW's, at its highest."""
    warmup: int = 100
    """Steps until then."""
    weight_decay: float = 0.05
    """AdamW's."""
    decline: str = "cosine"
    """What the learning rate does after the warm-up: linear, cosine or constant."""
    beta: float = 0.1
    """How strongly the policy is held to the reference."""
    sft: float = 0.0
    """How much the plain likelihood of the person's answer counts beside the preference (Pang et
    al., 2024, Iterative Reasoning Preference Optimization); 0 is DPO as published."""
    rank: int = 8
    """Inner width of the LoRA matrices."""
    alpha: float = 100
    """Their product counts alpha / rank times."""
    dropout: float = 0.05
    """Share of inputs left out at random while training."""


class Dpo(TrainedMethod):
    """Direct preference optimisation; see the module's text."""

    name = "dpo"
    description = "Trains a LoRA adapter to prefer the person's answers to their opposites."
    presets: ClassVar = {
        "paper": DpoSettings(),
        "small": DpoSettings(steps=60, warmup=10, sft=1.0),
    }

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """As every method that trains, with TRL's trainer, which it imports when first used."""
        from trl import DPOTrainer  # noqa: F401

        super().prepare(inventory, progress=progress)

    def learns_from(self, responses: Sequence[int]) -> bool:
        """Whether any answer has an opposite."""
        return any(has_opposite(response) for response in responses)

    def train(
        self,
        items: Sequence[Item],
        responses: Sequence[int],
        folder: Path,
        *,
        seed: int,
        progress: StepProgress,
    ) -> list[TrainingStep]:
        """One person's adapter; see `TrainedMethod.train`."""
        from datasets import Dataset
        from peft import LoraConfig
        from trl import DPOConfig, DPOTrainer

        class Prepared(silent(DPOTrainer)):  # type: ignore[misc]
            """Takes pairs that are token ids already."""

            def _prepare_dataset(self, dataset: Any, *args: Any, **keywords: Any) -> Any:
                return dataset

        values = self.values
        schedule = Schedule(
            steps=values.steps,
            batch=values.batch,
            learning_rate=values.learning_rate,
            warmup=values.warmup,
            weight_decay=values.weight_decay,
            decline=values.decline,
        )
        rows = [
            {
                "prompt_ids": list(pair.prompt),
                "chosen_ids": list(pair.chosen),
                "rejected_ids": list(pair.rejected),
            }
            for pair in pairs(self.decoder, items, responses, self.wording)
        ]
        told = {"loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy"}
        losses: dict[str, Any] = {}
        if values.sft:
            losses = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, values.sft]}
        wanted = arguments(self.decoder, folder, schedule, seed=seed)
        with training(seed), twin(self.decoder) as other:
            trainer = Prepared(
                model=other.model,
                args=on_one_device(DPOConfig(beta=values.beta, **losses, **wanted)),
                train_dataset=Dataset.from_list(rows),
                processing_class=other.tokenizer,
                peft_config=LoraConfig(
                    task_type="CAUSAL_LM",
                    target_modules="all-linear",
                    r=values.rank,
                    lora_alpha=values.alpha,
                    lora_dropout=values.dropout,
                ),
            )
            curve = fit(trainer, folder, progress, told)
            save_adapter(trainer.model, folder, self.decoder)
        return curve
