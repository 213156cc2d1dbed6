"""GRPO on a person's answers: TRL's reinforcement learning of today, with PPO's reward.

Group relative policy optimisation (Shao et al., "DeepSeekMath", 2024) samples several replies to
each question and takes the group's mean reward for the baseline, so it needs no value head. It is
not in the paper; it stands here because TRL has it and no longer has PPO. TRL's GRPOTrainer does
the arithmetic; replies are sampled as for PPO (`rollout.py`), from chats rendered by the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from personalign.errors import MethodError
from personalign.methods.reward import reply_rewards
from personalign.methods.rollout import questions_of_step, sample_replies, step_generator
from personalign.methods.trained import StepProgress, TrainedMethod, TrainingStep, answered
from personalign.methods.tuning import Schedule, arguments, fit, silent, training
from personalign.methods.twin import twin
from personalign.model.adapters import save_adapter
from personalign.model.prompts import chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item

CURVE_LINES = 25
"""Lines of the curve; each is the mean of the steps since the one before."""


@dataclass(frozen=True)
class GrpoSettings:
    """What the paper gives PPO is taken over; the rest is TRL's, of version 1.16 unless said."""

    steps: int = 250
    """Batches of replies sampled and learnt from; one optimiser step each (as PPO)."""
    batch: int = 16
    """Replies a batch (as PPO)."""
    group: int = 8
    """Replies to the same question (TRL: num_generations)."""
    learning_rate: float = 1.41e-5
    """Of AdamW, constant (as PPO)."""
    rank: int = 16
    """Inner width of the LoRA matrices (as PPO)."""
    alpha: int = 100
    """Their product counts alpha / rank times (as PPO)."""
    max_new_tokens: int = 15
    """Longest reply, in tokens (as PPO)."""
    clip: float = 0.2
    """How far a token's probability ratio may move (TRL: epsilon)."""
    kl_coef: float = 0.04
    """Weight of the KL penalty in the loss (the GRPO paper; TRL: beta, 0 there)."""
    max_grad_norm: float = 1.0
    """Longer gradients are shortened to this (TRL)."""

    def __post_init__(self) -> None:
        if self.group < 2 or self.batch % self.group:
            raise MethodError(
                f"GRPO cannot share {self.batch} replies among questions of {self.group} replies "
                "each; give a batch that is a multiple of the group, which is 2 or more."
            )


class Grpo(TrainedMethod):
    """Group relative policy optimisation; see the module's text."""

    name = "grpo"
    description = "GRPO, TRL's: replies of a group are compared by PPO's reward, trains a LoRA."
    presets: ClassVar[dict[str, GrpoSettings]] = {
        "paper": GrpoSettings(),
        "small": GrpoSettings(steps=60, batch=64, learning_rate=5e-4),
    }

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
        from trl import GRPOConfig, GRPOTrainer

        settings: GrpoSettings = self.values
        told = answered(items, responses)
        asked = {self.wording.ask(item): item for item, _ in told}
        rows = [
            {"prompt": self.wording.ask(told[place][0]), "given": told[place][1]}
            for step in range(settings.steps)
            for place in questions_of_step(len(told), settings.batch // settings.group, seed, step)
        ]

        def rewards(completion_ids: Any, given: list[int], **_: Any) -> list[float]:
            texts = [self.decoder.text(reply) for reply in completion_ids]
            return reply_rewards(texts, given, self.wording)

        with training(seed), twin(self.decoder) as other:
            questions = {
                text: other.render(chat_messages(None, self.wording.ask(item)), reply="")
                for text, item in asked.items()
            }

            def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
                replies = sample_replies(
                    other,
                    [questions[prompt] for prompt in prompts],
                    max_new_tokens=settings.max_new_tokens,
                    generator=step_generator(seed, trainer.state.global_step),
                )
                read = [list(question) for question in replies.questions]
                return {"prompt_ids": read, "completion_ids": replies.ids, "logprobs": None}

            trainer = silent(GRPOTrainer)(
                model=other.model,
                reward_funcs=rewards,
                args=GRPOConfig(**self._arguments(folder, seed)),
                train_dataset=Dataset.from_list(rows),
                processing_class=other.tokenizer,
                rollout_func=rollout,
                peft_config=LoraConfig(
                    task_type="CAUSAL_LM",
                    target_modules="all-linear",
                    r=settings.rank,
                    lora_alpha=settings.alpha,
                    lora_dropout=0.0,
                ),
            )
            trainer.model.register_forward_pre_hook(_count_positions, with_kwargs=True)
            told_by_trl = {"reward": "reward", "kl": "kl", "loss": "loss", "entropy": "entropy"}
            curve = fit(trainer, folder, progress, told_by_trl)
            save_adapter(trainer.model, folder, self.decoder)
        return curve

    def _arguments(self, folder: Path, seed: int) -> dict[str, Any]:
        """Keyword arguments of TRL's GRPOConfig."""
        settings: GrpoSettings = self.values
        schedule = Schedule(
            steps=settings.steps,
            batch=settings.batch,
            learning_rate=settings.learning_rate,
            warmup=0,
            weight_decay=0.0,
            decline="constant",
            max_grad_norm=settings.max_grad_norm,
        )
        common = arguments(self.decoder, folder, schedule, seed=seed)
        del common["max_length"]
        width = max(1, round(settings.steps / CURVE_LINES))
        return {
            **common,
            "num_generations": settings.group,
            "max_completion_length": settings.max_new_tokens,
            "beta": settings.kl_coef,
            "epsilon": settings.clip,
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": 0,
            "shuffle_dataset": False,  # the rows are in the order of the steps already
            "disable_dropout": True,
            "logging_first_step": False,
            "logging_steps": width,
            "save_steps": width * max(1, round(10 / width)),  # never inside a line of the curve
        }


def _count_positions(
    model: torch.nn.Module, args: tuple[Any, ...], inputs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Count positions from each row's first real token, as sampling does.

    TRL pads questions on the left and leaves positions to the model, which would count padding too:
    harmless where positions are relative, wrong where they are learnt (GPT-2).
    """
    import inspect

    mask = inputs.get("attention_mask")
    base: Any = model.get_base_model()  # type: ignore[operator]
    takes = "position_ids" in inspect.signature(base.forward).parameters
    if mask is not None and takes and "position_ids" not in inputs:
        inputs = {**inputs, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    return args, inputs
