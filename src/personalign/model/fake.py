"""Tiny random decoders of every family, made offline in milliseconds: for tests and examples.

`fake_decoder("gemma2")` is a two-layer Gemma 2 with random weights and a small byte-level BPE
tokenizer that renders chats. Its words mean nothing; its mechanics are the family's.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from personalign.model.decoder import Decoder

VOCABULARY = 512
"""Token ids of the fake tokenizer; as many as the smallest real checkpoint used in the tests."""

MARKERS = ("<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")
"""Special tokens, ids 0 to 5; </s> ends a turn."""

Chat = Literal["system", "no-system", "drops-system", "none"]
"""What the fake chat template does with a system turn; 'none' is a tokenizer without template."""

_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_TEMPLATES: dict[str, str | None] = {
    "system": _TEMPLATE,
    "no-system": "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + _TEMPLATE,
    "drops-system": _TEMPLATE.replace(
        "in messages %}", "in messages if message['role'] != 'system' %}"
    ),
    "none": None,
}

_CORPUS = """You are a helpful, honest and concise assistant. Here are some of your behaviors and
your level of recognition towards them; Given a statement of you: Please choose from the following
options to identify how accurately this statement describes you. Options: (A). Very Accurate
(B). Moderately Accurate (C). Neither Accurate Nor Inaccurate (D). Moderately Inaccurate
(E). Very Inaccurate worry about things make friends easily have a vivid imagination trust others
complete tasks successfully get angry easily love large parties believe in the importance of art"""

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.2,  # wide enough that attention looks somewhere and logits differ
}
_MOE: dict[str, Any] = {
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
}
_OWN: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "qwen2_moe": _MOE,
    "qwen3_moe": _MOE | {"head_dim": 8},
    "gemma": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8},
    "gemma3": {},
    "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8},
    "phi3": {},
    "olmo": {},
    "olmo2": {},
    "mixtral": {"num_local_experts": 4},
    "gpt_oss": {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    "smollm3": {},
    "granite": {},
    "cohere": {},
    "cohere2": {},
    "glm": {"head_dim": 8},
    "glm4": {"head_dim": 8},
    "stablelm": {},
    "starcoder2": {},
    "llama4_text": {
        "head_dim": 8,
        "intermediate_size_mlp": 48,
        "num_local_experts": 2,
    },
    "deepseek_v3": {
        "num_key_value_heads": 4,
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 12,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 1,
    },
    "gpt2": {"n_positions": 4096},
    "gpt_neox": {},
    "falcon": {},
    "bloom": {},
    "phi": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2},
    "gptj": {"n_positions": 4096, "rotary_dim": 4, "n_inner": 48},
}

FAMILIES: tuple[str, ...] = tuple(_OWN)
"""Every architecture family that is tested, by its transformers model type."""


def fake_decoder(
    family: str = "llama",
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float32,
    layers: int = 2,
    chat: Chat = "system",
    **config: Any,
) -> Decoder:
    """A tiny decoder of a family with random weights, the same for the same arguments.

    family: one of FAMILIES. config: fields of the family's config to set otherwise, e.g.
    `tie_word_embeddings=True`. Hidden width 32, 4 heads (2 of keys and values where the family
    groups them), vocabulary 512. The random state of the caller is left as it was.
    """
    from transformers import AutoModelForCausalLM

    made = fake_config(family, layers=layers, **config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(made, dtype=dtype).eval()
    return Decoder(model, fake_tokenizer(chat=chat), f"fake {family}")


def fake_config(family: str = "llama", *, layers: int = 2, **config: Any) -> Any:
    """The transformers config of a tiny decoder; `config` sets fields otherwise."""
    from transformers import AutoConfig

    if family == "gemma3":  # the multimodal one: the text config lies inside, a vision tower beside
        text = fake_config("gemma3_text", layers=layers, **config).to_dict()
        vision = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        }
        return AutoConfig.for_model("gemma3", text_config=text, vision_config=vision)
    fields = _COMMON | _OWN[family] | {"num_hidden_layers": layers} | config
    return AutoConfig.for_model(family, **fields)


def fake_tokenizer(*, chat: Chat = "system") -> Any:
    """A byte-level BPE tokenizer of at most 512 tokens with a chat template, built in code.

    chat: what the template does with a system turn: takes it, refuses it ('no-system'), silently
    drops it, or there is no template at all ('none').
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(MARKERS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([_CORPUS], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=MARKERS[0],
        bos_token=MARKERS[1],
        eos_token=MARKERS[2],
        extra_special_tokens=list(MARKERS[3:]),
    )
    tokenizer.chat_template = _TEMPLATES[chat]
    return tokenizer
