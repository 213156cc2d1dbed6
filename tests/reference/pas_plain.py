"""PAS as the paper tells it, slowly: one chat, one head, one alpha and one question at a time.

No batch, no kept prefix, no kept outputs, scikit-learn for the probes and a plain hook a layer. It
shares with the library only what defines the task: the items, the wording, the chat template and
the split of the items. The same heads, directions, sigmas, alpha and answers must come out of both.

Answers are read from the label after the begun reply, or, with `text`, as the paper reads them:
greedy text of at most 15 tokens, then a parser.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from personalign.inventory.items import Item
from personalign.methods.search import ALPHA_GRID, REFINEMENTS
from personalign.methods.split import item_split
from personalign.model.decoder import Decoder
from personalign.model.parse import parse_reply
from personalign.model.prompts import PAPI, Wording, few_shot_prompt

NEUTRAL = "You are a helpful, honest and concise assistant."


@dataclass
class PlainPersona:
    """What the plain procedure found for one person."""

    heads: list[tuple[int, int]]
    directions: list[np.ndarray]
    sigmas: list[float]
    accuracy: np.ndarray  # (layers, heads) on the held-back items
    alpha: float
    errors: dict[float, float]
    system_prompt: str
    scope: str = "all"


def align_plainly(
    decoder: Decoder,
    items: list[Item],
    responses: list[int],
    *,
    heads: int = 8,
    wording: Wording = PAPI,
    prompt: str = "none",
    scope: str = "all",
    seed: int = 0,
    text: bool = False,
) -> PlainPersona:
    """One person's answers (1-5, 0 missing) to the items, to heads, directions, sigmas, alpha."""
    outputs = capture_plainly(decoder, items, wording)
    rows, labels, train = [], [], []
    trains = item_split(len(items), seed=seed)
    for place, response in enumerate(responses):
        if response in (0, 3):
            continue
        rows += [outputs[2 * place], outputs[2 * place + 1]]
        labels += [1, 0] if response > 3 else [0, 1]
        train += [trains[place], trains[place]]
    x, y, is_train = np.array(rows), np.array(labels), np.array(train)

    accuracy = np.zeros(x.shape[1:3])
    for layer in range(x.shape[1]):
        for head in range(x.shape[2]):
            probe = LogisticRegression(max_iter=10_000, tol=1e-8)
            probe.fit(x[is_train, layer, head], y[is_train])
            accuracy[layer, head] = probe.score(x[~is_train, layer, head], y[~is_train])
    order = np.argsort(-accuracy.reshape(-1).round(9), kind="stable")[:heads]
    pairs = [(int(flat) // x.shape[2], int(flat) % x.shape[2]) for flat in order]

    directions, sigmas = [], []
    for layer, head in pairs:
        outputs_here = x[:, layer, head].astype(np.float64)
        direction = outputs_here[y == 1].mean(axis=0) - outputs_here[y == 0].mean(axis=0)
        direction /= np.linalg.norm(direction)
        directions.append(direction)
        sigmas.append(float(np.std(outputs_here @ direction)))

    answered = [place for place, response in enumerate(responses) if response != 0]
    asked, given = [items[place] for place in answered], [responses[place] for place in answered]
    system = few_shot_prompt(items, responses) if prompt == "few-shot" else NEUTRAL
    persona = PlainPersona(pairs, directions, sigmas, accuracy, 0.0, {}, system, scope)
    tried = list(ALPHA_GRID)
    for _ in range(REFINEMENTS + 1):
        for alpha in tried:
            if alpha not in persona.errors:
                answers = answer_plainly(decoder, persona, alpha, asked, wording, text=text)
                persona.errors[alpha] = round(error_plainly(asked, given, answers), 9)
        known = sorted(persona.errors)
        best = min(known, key=lambda alpha: (persona.errors[alpha], alpha))
        below = max((a for a in known if a < best), default=best)
        above = min((a for a in known if a > best), default=best)
        persona.alpha = best
        tried = [(below + best) / 2, (best + above) / 2]
    known = sorted(persona.errors)
    persona.alpha = min(known, key=lambda alpha: (persona.errors[alpha], alpha))
    return persona


def capture_plainly(decoder: Decoder, items: list[Item], wording: Wording) -> np.ndarray:
    """(2 * items, layers, heads, head_dim): two chats an item, one at a time, the last token."""
    heads = decoder.heads
    seen: dict[int, torch.Tensor] = {}

    def reader(layer: int):
        def read(_module, args):
            seen[layer] = args[0][0, -1].detach().float()

        return read

    hooks = [
        projection.register_forward_pre_hook(reader(layer))
        for layer, projection in enumerate(heads.projections)
    ]
    rows = []
    try:
        for item in items:
            for response in (5, 1):
                ids = decoder.render(
                    _chat(NEUTRAL, wording.ask(item)), reply=wording.reply_to(response)
                )
                with torch.no_grad():
                    decoder.model(torch.tensor([ids], device=decoder.device))
                rows.append(
                    torch.stack(
                        [
                            seen[layer].reshape(heads.heads, heads.head_dim)
                            for layer in range(heads.layers)
                        ]
                    )
                )
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(rows).cpu().numpy()


def answer_plainly(
    decoder: Decoder,
    persona: PlainPersona,
    alpha: float,
    items: list[Item],
    wording: Wording,
    *,
    text: bool = False,
) -> list[int]:
    """The answer to each item, pushed by alpha, one whole question at a time; 0 if unreadable."""
    pushes: dict[int, torch.Tensor] = {}
    for (layer, head), direction, sigma in zip(
        persona.heads, persona.directions, persona.sigmas, strict=True
    ):
        push = pushes.setdefault(layer, torch.zeros(decoder.heads.width))
        start = head * decoder.heads.head_dim
        push[start : start + decoder.heads.head_dim] = torch.from_numpy(alpha * sigma * direction)

    begun = max(len(decoder.chat.encode(wording.reply_prefix)), 1)

    def pusher(push: torch.Tensor):
        def add(_module, args):
            outputs = args[0].clone()
            first = outputs.shape[1] - begun if persona.scope == "generated" else 0
            outputs[:, max(first, 0) :] += push.to(outputs)  # later passes are one new token each
            return (outputs, *args[1:])

        return add

    hooks = [
        decoder.heads.projections[layer].register_forward_pre_hook(pusher(push))
        for layer, push in pushes.items()
        if alpha != 0
    ]
    answers = []
    try:
        for item in items:
            if text:
                answers.append(_written_answer(decoder, persona.system_prompt, item, wording))
                continue
            scores = _label_scores(decoder, persona.system_prompt, item, wording)
            answers.append(wording.order[int(np.argmax(scores))])
    finally:
        for hook in hooks:
            hook.remove()
    return answers


def error_plainly(items: list[Item], responses: list[int], answers: list[int]) -> float:
    """Sum over the five traits of the mean |answer - response|, missing responses left out."""
    total = 0.0
    for trait in "OCEAN":
        differences = [
            abs(answer - response)
            for item, response, answer in zip(items, responses, answers, strict=True)
            if item.trait == trait and response != 0 and answer != 0
        ]
        total += float(np.mean(differences)) if differences else 0.0
    return total


def _label_scores(decoder: Decoder, system: str, item: Item, wording: Wording) -> list[float]:
    """Log-probability of each label after the begun reply; a pass a token where it has several."""
    begun = decoder.render(_chat(system, wording.ask(item)), reply=wording.reply_prefix)
    labels = [decoder.chat.encode(label) for label in wording.labels]
    if all(len(label) == 1 for label in labels):
        after = _log_probabilities(decoder, begun)
        return [float(after[label[0]]) for label in labels]
    return [
        sum(
            float(_log_probabilities(decoder, begun + label[:place])[token])
            for place, token in enumerate(label)
        )
        for label in labels
    ]


def _written_answer(decoder: Decoder, system: str, item: Item, wording: Wording) -> int:
    """Greedy text after the begun reply, parsed; 0 if it names no option."""
    ids = decoder.render(_chat(system, wording.ask(item)), reply=wording.reply_prefix)
    with torch.no_grad():
        written = decoder.model.generate(
            torch.tensor([ids], device=decoder.device),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long, device=decoder.device),
            max_new_tokens=15,
            do_sample=False,
            pad_token_id=decoder.pad_id,
        )[0, len(ids) :]
    return parse_reply(wording.reply_prefix + decoder.text(written.tolist()), wording)


def _log_probabilities(decoder: Decoder, ids: list[int]) -> torch.Tensor:
    """(vocabulary,) of the token that follows."""
    with torch.no_grad():
        logits = decoder.model(torch.tensor([ids], device=decoder.device)).logits[0, -1]
    return torch.log_softmax(logits.float(), dim=-1)


def _chat(system: str, question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]
