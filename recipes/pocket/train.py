"""Train the pocket model: `make pocket`, or

    python -m recipes.pocket.train [--steps N] [--output FOLDER] [--checkpoint FILE] [--start MODEL]

Trains a small Llama from scratch, in fp32 weights and bf16 arithmetic, on simulated people only
(corpus.py), towards the ideal observer's predictions (observer.py). Linear heads that exist only
during training teach the layers where to keep things: what each answer says, who the person is,
which facet a reply is about and how high the speaker stands on it, which answer is meant. They are
left out of the last steps and of the saved model. Then comes the last lesson, with a schedule of
its own: every other step, a push along somebody's answers is to make that somebody (pushed.py).
--start takes a trained model up there. The schedules count steps, never time; a run that was
interrupted goes on from its checkpoint and gives the same data. Written to the package when the
last step is done.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import GenerationConfig, LlamaForCausalLM

from personalign.model.decoder import Decoder
from recipes.pocket.corpus import LONG, SHORT, Batch, Corpus
from recipes.pocket.pushed import PushedLesson
from recipes.pocket.recipe import Recipe
from recipes.pocket.tokenizer import build_tokenizer, save_tokenizer
from recipes.pocket.trainee import Trainee

OUTPUT = Path("src/personalign/model/pocket/weights")
CHECKPOINT = Path("build/pocket-checkpoint.pt")
CHECKPOINT_EVERY = 100
"""Steps."""


class _Batches(Dataset):
    """Step number to batch; what kind of batch a step gets depends on the step alone."""

    def __init__(self, corpus: Corpus, recipe: Recipe, first: int) -> None:
        self.corpus, self.recipe, self.first = corpus, recipe, first

    def __len__(self) -> int:
        return self.recipe.all_steps - self.first

    def __getitem__(self, index: int) -> Batch:
        recipe, step = self.recipe, self.first + index
        long = int((step + 1) * recipe.long_share) > int(step * recipe.long_share)
        faded = min(1.0, step / (recipe.amplify_until * recipe.steps))
        mixed = step / recipe.steps - recipe.variety_from
        mixed /= recipe.variety_until - recipe.variety_from
        return self.corpus.batch(
            step,
            length=LONG if long else SHORT,
            rows=recipe.long_rows if long else recipe.short_rows,
            amplify=recipe.amplify + (1 - recipe.amplify) * faded,
            variety=min(1.0, max(0.0, mixed)),
            described=recipe.described if step >= recipe.steps else 0.0,
        )


def train(
    recipe: Recipe,
    output: Path,
    checkpoint: Path | None,
    *,
    start: Path | None = None,
    log_every: int = 20,
) -> None:
    """Run the recipe, from its checkpoint if there is one, and write the model to `output`.

    start: a trained model to take to the last lesson; the steps before it are left out.
    """
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(recipe.seed)
    corpus = Corpus(tokenizer, recipe.seed)
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    trainee = Trainee(recipe, len(tokenizer), corpus.population.loadings.shape[1], ends)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainee.to(device)
    lesson = PushedLesson(
        Decoder(trainee.model, tokenizer, "the pocket model in training"),
        corpus,
        people=recipe.pushed_people,
        asked=recipe.pushed_asked,
        seed=recipe.seed,
    )
    print(
        f"{sum(p.numel() for p in trainee.model.parameters()):,} parameters on {device}", flush=True
    )
    optimizers = _optimizers(trainee, recipe)
    first = 0
    if start is not None:
        trainee.model.load_state_dict(LlamaForCausalLM.from_pretrained(start).state_dict())
        first = recipe.steps
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != asdict(recipe):
            raise SystemExit(f"{checkpoint} belongs to another recipe; remove it to start anew.")
        first = saved["step"]
        trainee.load_state_dict(saved["trainee"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        print(f"resumed at step {first}", flush=True)
    batches = DataLoader(
        _Batches(corpus, recipe, first),
        batch_size=None,
        num_workers=1,
        prefetch_factor=4,
        worker_init_fn=lambda _: _one_thread(),
    )
    began, tokens, running = time.time(), 0, {}
    for step, batch in enumerate(batches, start=first):
        if step == recipe.steps:
            optimizers = _optimizers(trainee, recipe)
        for optimizer, rate in zip(
            optimizers, (recipe.matrix_rate, recipe.vector_rate), strict=True
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * _schedule(step, recipe)
        arrays = {name: torch.as_tensor(value).to(device) for name, value in vars(batch).items()}
        with torch.autocast(device.type, dtype=torch.bfloat16):
            found = trainee.losses(arrays, step)
        trainee.total(found, step).backward()
        if step >= recipe.steps and (step - recipe.steps) % recipe.pushed_every == 0:
            with torch.autocast(device.type, dtype=torch.bfloat16):
                found |= lesson.losses(lesson.draw(step))
            found["pushed"].backward()
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens += batch.tokens.size
        kind = "long" if batch.tokens.shape[1] == LONG else "short"
        for name, value in found.items():
            key = f"{name}/{kind}" if name.startswith("kl") and name != "kl/pushed" else name
            running[key] = 0.9 * running.get(key, value.item()) + 0.1 * value.item()
        if step % log_every == 0 or step == recipe.all_steps - 1:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in sorted(running.items()))
            seconds = time.time() - began
            print(f"step {step:5d}  {shown}  {tokens / seconds:,.0f} tokens/s", flush=True)
        if checkpoint and (step + 1) % CHECKPOINT_EVERY == 0:
            _save_checkpoint(checkpoint, recipe, step + 1, trainee, optimizers)
    _save_model(trainee, tokenizer, recipe, output)
    if checkpoint and checkpoint.exists():
        checkpoint.unlink()


def _optimizers(trainee: Trainee, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for everything else."""
    matrices = [p for p in trainee.model.model.layers.parameters() if p.ndim == 2]
    known = {id(p) for p in matrices}
    others = [p for p in trainee.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(
            matrices,
            lr=recipe.matrix_rate,
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(others, lr=recipe.vector_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _one_thread() -> None:
    """Leave the cores to the training process."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def _schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, a plateau, a linear fall to zero; the same once more for the last lesson."""
    if step < recipe.steps:
        return _trapezoid(step, recipe.steps, recipe.warmup, recipe.fall_from)
    step -= recipe.steps
    height = _trapezoid(step, recipe.pushed_steps, recipe.pushed_warmup, recipe.pushed_fall_from)
    return recipe.pushed_rate * height


def _trapezoid(step: int, steps: int, warmup: int, fall_from: float) -> float:
    left = (steps - step) / ((1 - fall_from) * steps)
    return min(1.0, (step + 1) / warmup) * min(1.0, left)


def _save_checkpoint(path: Path, recipe: Recipe, step: int, trainee: Trainee, optimizers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "recipe": asdict(recipe),
        "step": step,
        "trainee": trainee.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def _save_model(trainee: Trainee, tokenizer, recipe: Recipe, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    model = trainee.model.to("cpu", torch.float32).eval()
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        max_new_tokens=160,
    )
    model.save_pretrained(output)
    save_tokenizer(tokenizer, output)
    (output / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    print(f"Wrote {output}.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--pushed-steps", type=int, default=Recipe.pushed_steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--start", type=Path, help="a trained model to take to the last lesson")
    parser.add_argument("--log-every", type=int, default=20)
    arguments = parser.parse_args()
    recipe = Recipe(seed=arguments.seed, steps=arguments.steps, pushed_steps=arguments.pushed_steps)
    train(
        recipe,
        arguments.output,
        arguments.checkpoint,
        start=arguments.start,
        log_every=arguments.log_every,
    )


if __name__ == "__main__":
    main()
