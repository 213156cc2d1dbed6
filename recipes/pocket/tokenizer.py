"""The pocket model's tokenizer: byte-level BPE, with the questionnaire's fixed passages whole.

An ordinary `PreTrainedTokenizerFast` with a chat template. The passages that every question
repeats (the question's opening, its list of options, the five option texts) are single tokens, so
that a question and its answer cost about 15 tokens instead of about 80; any other text is spelt
with ordinary BPE tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from personalign.inventory.items import ipip_neo_300
from personalign.model.prompts import FEW_SHOT_OPENING, NEUTRAL_SYSTEM_PROMPT, OPTIONS, PAPI
from recipes.pocket.dialogue import TEXTS_FOR_TOKENIZER
from recipes.pocket.wordings import (
    sample_neutral_system_prompt,
    sample_persona_list,
    sample_wording,
)
from recipes.pocket.wordings_phrases import LAYOUTS

BPE_TOKENS = 2900
BEGIN, PAD, SYSTEM, USER, ASSISTANT, END = (
    "<|begin|>",
    "<|pad|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
CONTEXT = 4096

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def fixed_passages() -> list[str]:
    """The passages that become one token each, longest first."""
    opening, rest = PAPI.question.split("{statement}")
    passages = [opening, rest.format(options=PAPI.options), NEUTRAL_SYSTEM_PROMPT]
    # The same question with its options in another order, or printed in another usual way: a token
    # for each piece, so that a label and its option stand side by side.
    passages += [rest.format(options="").rstrip()]
    layouts = {(opening, closing) for opening, closing, between in LAYOUTS if between == "\n"}
    passages += [f"\n{o}{label}{c}" for o, c in sorted(layouts) for label in PAPI.labels]
    passages += [FEW_SHOT_OPENING.removesuffix(";"), *OPTIONS.values()]
    passages += [PAPI.reply.split("{label}")[1].format(option=text) for text in OPTIONS.values()]
    return sorted(passages, key=len, reverse=True)


def build_tokenizer(seed: int = 0, texts: int = 30_000) -> PreTrainedTokenizerFast:
    """Train the tokenizer on generated text; the same one for the same seed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_TOKENS,
        special_tokens=[PAD, BEGIN, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(np.random.default_rng(seed), texts), trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in fixed_passages()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    tokenizer.save_pretrained(folder)


def _texts(rng: np.random.Generator, n: int):
    inventory = ipip_neo_300()
    statements = [item.statement for item in inventory]
    for _ in range(40):  # every statement often enough that its words are whole tokens
        for statement in statements:
            yield PAPI.ask_statement(statement).split("\n")[0]
            yield f"{statement}:"
    for _ in range(n // 10):
        yield sample_wording(rng).ask(statements[rng.integers(len(statements))])
        yield sample_neutral_system_prompt(rng)
        chosen = rng.choice(len(statements), size=4, replace=False)
        pairs = [(statements[i], int(rng.integers(1, 6))) for i in chosen]
        yield sample_persona_list(rng)(pairs)
    yield from TEXTS_FOR_TOKENIZER(rng, n)
