"""PPO (Schulman et al., 2017) on a person's answers: Appendix C.2 of the paper.

    question -> sampled reply -> reward (reward.py) -> PPO step (ppo_update.py) -> LoRA adapter

Each step asks the model some of the items the person answered, lets it reply in its own words,
rewards every reply by how near its option is to theirs, and moves a LoRA adapter by it. The plain
model, the adapter switched off, is the reference that the KL penalty holds it to. TRL no longer has
PPO, so the loop is here; settings are the paper's, and TRL's former defaults where it is silent.
docs/design/ppo.md says what was decided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from personalign.errors import MethodError
from personalign.methods.ppo_math import KlControl
from personalign.methods.ppo_update import PpoSettings, StepReport, ppo_step
from personalign.methods.reward import reply_rewards
from personalign.methods.rollout import questions_of_step, step_generator
from personalign.methods.trained import CHECKPOINTS, StepProgress, TrainedMethod, TrainingStep
from personalign.methods.trained import answered as answered_items
from personalign.model.adapters import save_adapter
from personalign.model.prompts import chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

CHECKPOINT_STEPS = 10
"""Steps between two checkpoints: what an interruption can cost."""

CURVE_LINES = 25
"""Lines of the curve that is kept; each is the mean of the steps since the one before."""


class Ppo(TrainedMethod):
    """Proximal policy optimisation; see the module's text."""

    name = "ppo"
    description = "PPO: samples replies, is rewarded for the person's own options, trains a LoRA."
    presets: ClassVar[dict[str, PpoSettings]] = {
        "paper": PpoSettings(),
        "small": PpoSettings(
            steps=60,
            batch=40,
            learning_rate=5e-4,
            epochs=2,
            kl_coef=0.02,
            kl_target=None,
        ),
    }
    packages = ("peft",)

    def train(
        self,
        items: Sequence[Item],
        responses: Sequence[int],
        folder: Path,
        *,
        seed: int,
        progress: StepProgress,
    ) -> list[TrainingStep]:
        from personalign.methods.ppo_checkpoint import load_state, save_state
        from personalign.methods.ppo_policy import AdapterPolicy
        from personalign.methods.tuning import training
        from personalign.methods.twin import twin

        settings: PpoSettings = self.values
        told = answered_items(items, responses)
        questions = [self.question(item) for item, _ in told]
        state = folder / CHECKPOINTS / "state.safetensors"
        with training(seed), twin(self.decoder) as decoder:
            adapter = lora(decoder, rank=settings.rank, alpha=settings.alpha)
            policy = AdapterPolicy(decoder, adapter, seed=seed)
            trained = policy.parameters()
            optimizer = torch.optim.Adam(trained, lr=settings.learning_rate)
            control = KlControl(settings.kl_coef, settings.kl_target, settings.kl_horizon)
            control, reports = load_state(state, trained, optimizer, control)
            for step in range(len(reports), settings.steps):
                asked = questions_of_step(len(told), settings.batch, seed, step)
                replies = policy.sample(
                    [questions[place] for place in asked],
                    settings.max_new_tokens,
                    step_generator(seed, step),
                )
                given = [told[place][1] for place in asked]
                scores = reply_rewards(replies.texts(decoder), given, self.wording)
                report = ppo_step(policy, optimizer, replies, scores, settings, control.coefficient)
                _check(report, step)
                control = control.after(report.kl, replies=len(replies))
                reports.append(report)
                progress(_line(reports[-1:], step + 1), settings.steps)
                if (step + 1) % CHECKPOINT_STEPS == 0:
                    save_state(state, trained, optimizer, control, reports)
            save_adapter(adapter, folder, self.decoder)
        return training_curve(reports)

    def question(self, item: Item) -> list[int]:
        """Token ids of an item's question, as it is put when answers are scored."""
        return self.decoder.render(chat_messages(None, self.wording.ask(item)), reply="")


def lora(decoder: Decoder, *, rank: int, alpha: int) -> Any:
    """A `peft.PeftModel` that lays an untrained LoRA adapter onto every linear layer of a twin.

    Without dropout: log-probabilities of the same reply must be the same twice.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapter: Any = get_peft_model(decoder.model, config)
    return adapter.eval()


def training_curve(reports: Sequence[StepReport]) -> list[TrainingStep]:
    """At most about CURVE_LINES lines: means over equally many steps each, the last ones included.

    One step's reward is the mean of a few replies, too noisy to compare a first with a last.
    """
    width = max(1, round(len(reports) / CURVE_LINES))
    ends = range(len(reports), 0, -width)
    return [_line(reports[max(end - width, 0) : end], end) for end in reversed(ends)]


def _line(reports: Sequence[StepReport], step: int) -> TrainingStep:
    """The mean of some steps' reports, as the line at `step`."""
    columns = zip(*reports, strict=True)
    values = {
        name: sum(column) / len(reports)
        for name, column in zip(StepReport._fields, columns, strict=True)
    }
    return TrainingStep(step, values)


def _check(report: StepReport, step: int) -> None:
    if not all(math.isfinite(value) for value in report):
        raise MethodError(
            f"PPO's numbers are no longer finite at step {step + 1} ({report}); choose a smaller "
            "learning rate."
        )
