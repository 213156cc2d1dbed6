"""The pocket model while it is trained: a small Llama, and linear heads that are thrown away.

`Trainee.losses` says how far one batch (corpus.py) is from what it should be, a loss of each kind;
`Trainee.total` weighs them as the recipe does at that step.
"""

from __future__ import annotations

import shutil

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from personalign.inventory.keys import FACETS
from recipes.pocket.recipe import Recipe
from recipes.pocket.tokenizer import CONTEXT


def _attention_in_fp32(module, query, key, value, *arguments, **settings):
    """Scaled-dot-product attention in fp32: on CPUs about twice as quick as in bf16."""
    with torch.autocast(query.device.type, enabled=False):
        output, weights = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), *arguments, **settings
        )
    return output.to(query.dtype), weights


AttentionInterface.register("sdpa_fp32", _attention_in_fp32)


class Trainee(nn.Module):
    """The model with its training-only heads."""

    def __init__(self, recipe: Recipe, vocabulary: int, factors: int, ends: dict[str, int]) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=recipe.hidden,
                intermediate_size=recipe.mlp,
                num_hidden_layers=recipe.layers,
                num_attention_heads=recipe.heads,
                num_key_value_heads=recipe.heads,
                head_dim=recipe.hidden // recipe.heads,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
                rms_norm_eps=1e-5,
                initializer_range=0.05,
                attn_implementation="sdpa_fp32",
                **ends,
            )
        )
        self.heads: dict[str, Tensor] = {}
        attention = self.model.model.layers[recipe.posterior_layer - 1].self_attn
        attention.o_proj.register_forward_pre_hook(self._keep_heads)
        self.read = self.model.model.forward
        if shutil.which("c++"):  # a compiler makes it a sixth quicker; the numbers stay
            self.read = torch.compile(self.read, dynamic=False)
        self.evidence = nn.Linear(recipe.hidden, factors)
        self.posterior = nn.Linear(recipe.hidden, factors)
        self.topic = nn.Linear(recipe.hidden, len(FACETS))
        self.level = nn.Linear(recipe.hidden, 1)
        self.response = nn.Linear(recipe.hidden, 5)
        self.spoken = nn.Linear(recipe.hidden, factors)

    def _keep_heads(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.heads["outputs"] = inputs[0]

    def losses(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Mean loss of each kind over the batch, plus `kl` to the ideal observer."""
        states = self.read(
            batch["tokens"], output_hidden_states=True, use_cache=False
        ).hidden_states
        last = states[-1]  # transformers puts the final norm into the last entry

        def at(hidden: Tensor, places: Tensor) -> Tensor:
            return hidden[places[:, 0], places[:, 1]]

        def logits(places: Tensor) -> Tensor:
            return self.model.lm_head(at(last, places)).float()

        found = {}
        targets = batch["answer_targets"]
        chosen = logits(batch["answer_at"]).log_softmax(-1).gather(1, batch["answer_ids"])
        weights = batch["answer_weights"]
        found["answer"] = -((targets * chosen).sum(-1) * weights).sum() / weights.sum()
        meant = self.response(at(states[self.recipe.response_layer], batch["answer_at"]))
        meant = meant.float().log_softmax(-1)
        found["response"] = -((targets * meant).sum(-1) * weights).sum() / weights.sum()
        away = (targets * (targets.log() - chosen.detach())).sum(-1)
        spelt = batch["spelt"]
        found["kl"] = away[~spelt].mean()
        if spelt.any():
            found["kl/spelt"] = away[spelt].mean()
        for name in ("text", "form"):
            if len(batch[f"{name}_ids"]):
                predicted = logits(batch[f"{name}_at"])
                found[name] = functional.cross_entropy(predicted, batch[f"{name}_ids"])
        said = self.evidence(at(states[self.recipe.evidence_layer], batch["evidence_at"]))
        found["evidence"] = functional.mse_loss(said.float(), batch["evidence"]) * 10
        known = self.posterior(at(states[self.recipe.posterior_layer], batch["known_at"]))
        found["posterior"] = functional.mse_loss(known.float(), batch["known"]) * 4
        if self.recipe.spoken_from <= step < self.recipe.steps:
            places = torch.cat([batch["known_at"], batch["said_at"]])
            meant = torch.cat([batch["known"], batch["said"] * self.recipe.said_scale])
            spoken = self.spoken(at(self.heads["outputs"], places)).float() - meant
            found["spoken"] = spoken.square().mean() * 4
        if len(batch["level"]):
            asked = self.topic(at(states[self.recipe.topic_layer], batch["level_at"]))
            found["topic"] = functional.cross_entropy(asked.float(), batch["topic"])
            shown = self.level(at(states[self.recipe.level_layer], batch["level_at"]))
            found["level"] = functional.mse_loss(shown.float()[:, 0], batch["level"])
        return found

    def total(self, found: dict[str, Tensor], step: int) -> Tensor:
        recipe = self.recipe
        weights = {
            "answer": 1.0,
            "text": recipe.text_weight,
            "form": recipe.form_weight,
            "evidence": recipe.evidence_weight,
            "posterior": recipe.posterior_weight,
            "topic": recipe.topic_weight,
            "level": recipe.level_weight,
            "response": recipe.response_weight,
            "spoken": recipe.spoken_weight,
        }
        if step >= recipe.heads_until * recipe.steps:
            weights = {name: weights[name] for name in ("answer", "text", "form", "spoken")}
        return sum(
            (weights[name] * found[name] for name in weights if name in found), torch.zeros(())
        )
