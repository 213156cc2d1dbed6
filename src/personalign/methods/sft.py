"""Supervised fine-tuning on a person's own answers: all weights, LoRA, QLoRA, prompt tuning.

The comparison of the paper's Appendix E.4: batch 8, the 120 answered items as samples, through
TRL's SFTTrainer and PEFT; the loss is on the reply only. Where the paper says no more, the "paper"
presets take the values named beside them. The "small" ones make a model of a few million
parameters move; they were found on simulated people (dev/log.md).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from personalign.errors import MethodError
from personalign.methods.samples import samples
from personalign.methods.trained import StepProgress, TrainedMethod, TrainingStep
from personalign.methods.tuning import Schedule, arguments, fit, on_one_device, silent, training
from personalign.methods.twin import twin
from personalign.model.adapters import save_adapter

if TYPE_CHECKING:
    from personalign.inventory.items import Inventory, Item
    from personalign.methods.base import Progress
    from personalign.model.decoder import Decoder


@dataclass(frozen=True)
class SftSettings:
    """How the weights are trained; defaults are TRL's own of SFTConfig."""

    epochs: int = 3
    """Times every sample is seen."""
    batch: int = 8
    """Samples a step (Appendix E.4)."""
    learning_rate: float = 2e-5
    """AdamW's, at its highest."""
    warmup: int = 0
    """Steps until then."""
    weight_decay: float = 0.0
    """AdamW's."""
    decline: str = "linear"
    """What the learning rate does after the warm-up: linear, cosine or constant."""
    max_grad_norm: float = 1.0
    """Longer gradients are shortened to this."""


@dataclass(frozen=True)
class LoraSettings(SftSettings):
    """LoRA's; defaults are those of TRL's scripts (ModelConfig), the rate Hu et al.'s for GPT-2."""

    learning_rate: float = 2e-4
    rank: int = 16
    """Inner width of the two matrices laid beside every linear layer."""
    alpha: float = 32
    """Their product counts alpha / rank times."""
    dropout: float = 0.05
    """Share of inputs left out at random while training."""


@dataclass(frozen=True)
class PromptSettings(SftSettings):
    """Prompt tuning's."""

    tokens: int = 20
    """Virtual tokens before every chat; Lester et al. find little gain beyond 20."""


class _Sft(TrainedMethod):
    """What the four have in common."""

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """As every method that trains, with TRL's trainer, which it imports when first used."""
        from trl import SFTTrainer  # noqa: F401

        super().prepare(inventory, progress=progress)

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
        from trl import SFTConfig, SFTTrainer

        found = samples(self.decoder, items, responses, self.wording)
        rows = [
            {
                "input_ids": [*sample.prompt, *sample.reply],
                "labels": [-100] * len(sample.prompt) + list(sample.reply),
            }
            for sample in found
        ]
        wanted = arguments(self.decoder, folder, self.schedule(len(rows)), seed=seed)
        with training(seed), twin(self.decoder) as other:
            self.ready(other)
            trainer = silent(SFTTrainer)(
                model=other.model,
                args=on_one_device(SFTConfig(**wanted)),
                train_dataset=Dataset.from_list(rows),
                processing_class=other.tokenizer,
                peft_config=self.adapter(other),
            )
            curve = fit(trainer, folder, progress, {"loss": "loss"})
            save_adapter(trainer.model, folder, self.decoder)
        return curve

    def schedule(self, samples: int) -> Schedule:
        """Steps and rates for so many samples."""
        values = self.values
        return Schedule(
            steps=values.epochs * ceil(samples / values.batch),
            batch=values.batch,
            learning_rate=values.learning_rate,
            warmup=values.warmup,
            weight_decay=values.weight_decay,
            decline=values.decline,
            max_grad_norm=values.max_grad_norm,
        )

    def ready(self, other: Decoder) -> None:
        """Prepare the decoder that is trained on: a twin of the one personas are for."""

    @abstractmethod
    def adapter(self, other: Decoder) -> Any:
        """The PEFT config of what is trained."""


class SftFull(_Sft):
    """All weights of the model, as copies of every module that holds any."""

    name = "sft-full"
    description = "Trains a copy of all the model's weights on the person's own answers."
    presets: ClassVar = {
        "paper": SftSettings(),
        "small": SftSettings(epochs=6, learning_rate=2e-4),
    }

    def __init__(self, decoder: Decoder, **settings: Any) -> None:
        """As `TrainedMethod`; MethodError for a quantised decoder, whose weights cannot learn."""
        if decoder.quantize is not None:
            raise MethodError(
                f"sft-full trains all weights, and those of {decoder.name} are quantised "
                f"({decoder.quantize}), which have no gradients; load it unquantised, or use qlora."
            )
        super().__init__(decoder, **settings)

    def adapter(self, other: Decoder) -> Any:
        """PEFT's `modules_to_save` of every module, and no LoRA: a full-rank adapter."""
        from peft import LoraConfig
        from peft.utils.constants import DUMMY_TARGET_MODULES

        tied = bool(other.model.config.get_text_config().tie_word_embeddings)
        return LoraConfig(
            task_type="CAUSAL_LM",
            target_modules=DUMMY_TARGET_MODULES,
            modules_to_save=holders(other.model),
            ensure_weight_tying=tied,
        )


class Lora(_Sft):
    """Two narrow matrices beside every linear layer."""

    name = "lora"
    description = "Trains a LoRA adapter on the person's own answers."
    presets: ClassVar = {
        "paper": LoraSettings(),
        "small": LoraSettings(epochs=6, learning_rate=1e-3),
    }

    def adapter(self, other: Decoder) -> Any:
        """LoRA beside every linear layer but the one over the vocabulary."""
        from peft import LoraConfig

        return LoraConfig(
            task_type="CAUSAL_LM",
            target_modules="all-linear",
            r=self.values.rank,
            lora_alpha=self.values.alpha,
            lora_dropout=self.values.dropout,
        )


class QLora(Lora):
    """LoRA trained over 4-bit weights.

    On a decoder that is 4-bit already, over its own weights. On one that is not, over a 4-bit copy
    made in memory for the training; the persona then runs on the decoder given, unquantised.
    """

    name = "qlora"
    description = "Trains a LoRA adapter over 4-bit weights on the person's own answers."
    presets: ClassVar = {
        # Dettmers et al., Appendix B: rank 64, alpha 16, dropout 0.1, 2e-4 throughout, norm 0.3
        "paper": LoraSettings(
            rank=64, alpha=16, dropout=0.1, decline="constant", max_grad_norm=0.3
        ),
        "small": LoraSettings(epochs=6, learning_rate=1e-3),
    }

    def __init__(self, decoder: Decoder, **settings: Any) -> None:
        """As `TrainedMethod`; MethodError for an 8-bit decoder."""
        if decoder.quantize == "8bit":
            raise MethodError(
                f"qlora trains over 4-bit weights, and {decoder.name} is loaded in 8 bits; load it "
                "in 4 bits or unquantised."
            )
        super().__init__(decoder, **settings)

    @property
    def settings(self) -> dict[str, Any]:
        own = self.decoder.quantize == "4bit"
        return {**super().settings, "base": "own 4-bit weights" if own else "4-bit copy"}

    def ready(self, other: Decoder) -> None:
        """4-bit layers in the twin, where the decoder has none."""
        from personalign.model.four_bit import quantise_layers

        if self.decoder.quantize is None:
            quantise_layers(other)


class PromptTuning(_Sft):
    """Virtual tokens before every chat, nothing else."""

    name = "prompt-tuning"
    description = "Trains virtual tokens that stand before every chat, on the person's own answers."
    presets: ClassVar = {
        # PEFT's example of prompt tuning: 3e-2 over 50 epochs of batch 8
        "paper": PromptSettings(epochs=50, learning_rate=3e-2),
        "small": PromptSettings(epochs=10, learning_rate=3e-2),
    }

    def adapter(self, other: Decoder) -> Any:
        """Virtual tokens that begin as words drawn from the vocabulary, as Lester et al.'s do."""
        from peft import PromptTuningConfig

        return PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=self.values.tokens,
            prompt_tuning_init="SAMPLE_VOCAB",
        )


def holders(model: Any) -> list[str]:
    """Paths of the outermost modules that hold parameters of their own."""
    found: list[str] = []
    for path, module in model.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if path and not inside and next(module.parameters(recurse=False), None) is not None:
            found.append(path)
    return found
