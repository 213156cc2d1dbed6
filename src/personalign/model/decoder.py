"""A decoder: any Hugging Face causal language model, with its tokenizer, ready to be steered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast, final

import torch

from personalign.errors import ModelError, SteeringError
from personalign.model.chat import ChatTemplate, Message
from personalign.model.heads import HeadMap, find_heads
from personalign.model.loading import (
    POCKET,
    Quantize,
    load_config,
    load_model,
    load_tokenizer,
    resolve,
)
from personalign.model.residual import ResidualShift
from personalign.model.shift import Shift


@final
class Decoder:
    """A causal model and its tokenizer; nothing in the model is ever changed for good.

    >>> from personalign.model.fake import fake_decoder
    >>> decoder = fake_decoder("llama")
    >>> decoder.heads.layers, decoder.heads.heads, decoder.heads.head_dim
    (2, 4, 8)
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        """model, tokenizer: ready transformers objects. name: what to call it in messages.

        Raises ModelError when the model's attention heads cannot be found.
        """
        self.model = model
        """The transformers model."""
        self.tokenizer = tokenizer
        """The transformers tokenizer."""
        self.name = name
        """What it was loaded by: 'pocket', a folder or a hub name."""
        self.heads: HeadMap = find_heads(model)
        """Where the attention heads are."""
        self.chat = ChatTemplate(tokenizer)
        """How a chat becomes text and token ids."""
        self.adapter: str | None = None
        """Digest of the adapter it is running with; see `adapters.py`."""
        self.virtual: tuple[int, ...] = ()
        """Ids of that adapter's virtual tokens, which come first in every chat."""
        if getattr(model.config, "quantization_config", None) is not None:
            _ = self.fingerprint  # now: bitsandbytes packs weights anew in their first pass

    @classmethod
    def load(
        cls,
        name: str | Path = POCKET,
        *,
        dtype: str | torch.dtype | None = None,
        device: str | torch.device | None = None,
        quantize: Quantize | None = None,
        tokenizer: Any = None,
    ) -> Decoder:
        """Load a decoder by folder or hub name; 'pocket' is the model in the package.

        dtype: e.g. 'bfloat16'; None is the checkpoint's own. device: e.g. 'cuda'; None is the GPU
        where there is one. quantize: '4bit' or '8bit' (needs bitsandbytes). tokenizer: for
        checkpoints without one: a transformers tokenizer, or where to load it from.
        The hub is asked only for a name that is no local path.
        Raises ModelError when there is no such model, it is no causal decoder, its files are
        corrupt, or its heads cannot be found; MissingPackageError for quantising.
        """
        name = str(name)
        folder = resolve(name)
        source = name if folder is None else str(folder)
        config = load_config(source)
        if tokenizer is None or isinstance(tokenizer, str | Path):
            tokenizer = load_tokenizer(str(tokenizer or source))
        model = load_model(source, config, dtype=dtype, device=device, quantize=quantize)
        rows = model.get_input_embeddings().weight.shape[0]
        highest = max(tokenizer.get_vocab().values())
        if highest >= rows:
            raise ModelError(
                f"The tokenizer of {name} has token ids up to {highest}, but the model knows only "
                f"{rows}; they do not belong together."
            )
        return cls(model, tokenizer, name)

    @property
    def device(self) -> torch.device:
        """Where inputs go: the device of the input embeddings."""
        return cast(torch.device, self.model.get_input_embeddings().weight.device)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the model's floating-point weights."""
        return cast(torch.dtype, self.model.dtype)

    @property
    def body(self) -> Any:
        """The model without its vocabulary head: for reading heads without computing logits."""
        return getattr(self.model, self.model.base_model_prefix, self.model)

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of config, weights, tokenizer, template and quantisation; computed once."""
        from personalign.model.fingerprint import fingerprint

        return fingerprint(self)

    @property
    def quantize(self) -> Quantize | None:
        """'4bit' or '8bit' where bitsandbytes quantised the model, else None."""
        config = getattr(self.model.config, "quantization_config", None)
        if config is None:
            return None
        settings = config if isinstance(config, dict) else config.to_dict()
        if settings.get("load_in_4bit"):
            return "4bit"
        return "8bit" if settings.get("load_in_8bit") else None

    @property
    def provenance(self) -> dict[str, str | None]:
        """What a persona or a result says of the model it was made with, to load it again."""
        return {
            "model": self.name,
            "dtype": str(self.dtype).removeprefix("torch."),
            "quantize": self.quantize,
            "fingerprint": self.fingerprint,
        }

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Token ids that end a turn: the model's and tokenizer's own, and the template's."""
        ids: set[int] = set()
        for config in (getattr(self.model, "generation_config", None), self.model.config):
            eos = getattr(config, "eos_token_id", None)
            ids.update([eos] if isinstance(eos, int) else (eos or []))
        if self.tokenizer.eos_token_id is not None:
            ids.add(self.tokenizer.eos_token_id)
        if self._closing_id is not None:
            ids.add(self._closing_id)
        return frozenset(ids)

    @property
    def ends(self) -> tuple[int, ...]:
        """The same in order: what the template ends a turn with, the tokenizer's own, the others.

        For engines that know one token, or a few.
        """
        first = [self._closing_id, self.tokenizer.eos_token_id]
        rest = sorted(self.end_ids)
        return tuple(index for index in dict.fromkeys([*first, *rest]) if index in self.end_ids)

    @property
    def _closing_id(self) -> int | None:
        """The marker that the template ends a turn with, None where it is none."""
        closing = self.chat.encode(self.chat.reply_closing)[:1]
        if closing and self.tokenizer.convert_ids_to_tokens(closing[0]) in self._markers:
            return closing[0]
        return None

    @cached_property
    def pad_id(self) -> int:
        """Token id that fills rows up; padding is always masked, so any valid id will do."""
        for candidate in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if candidate is not None:
                return int(candidate)
        return min(self.end_ids, default=0)

    @property
    def _markers(self) -> set[str]:
        """Tokens that are markers rather than text."""
        added = {str(token) for token in self.tokenizer.added_tokens_decoder.values()}
        return added | set(self.tokenizer.all_special_tokens)

    def render(
        self, messages: Sequence[Message], *, reply: str | None = None, close: bool = False
    ) -> list[int]:
        """Token ids of a chat, up to where the assistant's reply begins.

        messages: {'role', 'content'} dictionaries, as a tokenizer's chat template takes them.
        reply: text the assistant has begun to say; its ids are appended, tokenised by themselves.
        close: also append what ends the assistant's turn.
        See `chat.py` for tokenizers without a system role or without a template.
        Raises ModelError when the template refuses the messages.
        """
        return [*self.virtual, *self.chat.ids(messages, reply=reply, close=close)]

    def text(self, ids: Sequence[int]) -> str:
        """Token ids as text, markers left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def check_shift(self, shift: Shift) -> None:
        """Raise SteeringError unless the shift fits this decoder's layers, heads and head width."""
        heads = self.heads
        if len(shift) > heads.total:
            raise SteeringError(
                f"The shift pushes {len(shift)} heads, but {self.name} has {heads.total} "
                f"({heads.layers} layers of {heads.heads})."
            )
        if len(shift) and shift.layers.max() >= heads.layers:
            raise SteeringError(
                f"The shift pushes a head of layer {shift.layers.max()}, but {self.name} has "
                f"{heads.layers} layers, numbered 0 to {heads.layers - 1}."
            )
        shift.displacements(0.0, heads.heads, heads.head_dim)

    def check_residual(self, residual: ResidualShift) -> None:
        """Raise SteeringError unless the residual shift fits this decoder's layers and width."""
        if len(residual) and residual.layers.max() >= self.heads.layers:
            raise SteeringError(
                f"The residual shift pushes layer {residual.layers.max()}, but {self.name} has "
                f"{self.heads.layers} layers, numbered 0 to {self.heads.layers - 1}."
            )
        residual.displacements(0.0, self.heads.hidden)
