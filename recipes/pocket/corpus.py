"""Training rows for the pocket model: chats of freshly simulated people.

A row is one chat of fixed length. Its system prompt is neutral or lists some of a person's
answers; its turns are questionnaire questions answered by that person, in the product's wording
or any other, or ordinary dialogue in which the person shows. Every place where an answer is
predicted carries the ideal observer's probabilities of the five responses (observer.py), those
inside the listed answers of the system prompt included; dialogue carries plain next tokens.

Rows depend on (seed, step) only, so that training can be repeated and resumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from transformers import PreTrainedTokenizerFast

from personalign.dataset.simulate import (
    Population,
    draw_factors,
    draw_responses,
    load_population,
    simulate,
)
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS
from personalign.methods.facet_prompt import describe
from personalign.model.prompts import FEW_SHOT_OPENING, NEUTRAL_SYSTEM_PROMPT, OPTIONS, PAPI
from recipes.pocket import dialogue
from recipes.pocket.observer import amplified, answer_weights, observe
from recipes.pocket.tokenizer import ASSISTANT, BEGIN, END, PAD, SYSTEM, USER
from recipes.pocket.wordings import (
    WordingDraw,
    distracted,
    sample_neutral_system_prompt,
    sample_persona_list,
    sample_wording,
)

SHORT, LONG = 336, 1152
"""Tokens in a row of a few turns, and in one whose system prompt lists many answers."""
LISTED_SHORT, LISTED_LONG = (1, 22), (50, 120)
"""Fewest and most answers listed in the system prompt of a short and of a long row."""
SPELT_OUT = 24
"""A question of more tokens is not in the product's own wording."""
DISTRACTED = 0.5
"""Share of the other wordings with chance words around the statement."""
_FACET_ORDER = [f"{trait}{number}" for trait in "NEOAC" for number in range(1, 7)]


@dataclass
class Batch:
    """Rows of one length, with every target as flat arrays over (row, position)."""

    tokens: np.ndarray
    """(rows, length) int64."""
    answer_at: np.ndarray
    """(answers, 2) row and position after which an answer is predicted."""
    answer_ids: np.ndarray
    """(answers, 5) the token that says response 1-5 there."""
    answer_targets: np.ndarray
    """(answers, 5) the ideal observer's probabilities."""
    answer_weights: np.ndarray
    """(answers,) how much each counts: as many tokens as it took to ask, at full variety. A
    question spelt out in full takes three times the tokens of the product's own."""
    spelt: np.ndarray
    """(answers,) whether it took a question spelt out; told apart in the progress lines."""
    known_at: np.ndarray
    """(places, 2) row and position where who the person is should be known: before each answer,
    and where a reply in dialogue begins."""
    known: np.ndarray
    """(places, factors) the observer's posterior mean of the factors there."""
    level_at: np.ndarray
    """(places, 2) row and position of the words of replies in dialogue about one facet."""
    level: np.ndarray
    """(places,) the expected score on that facet, in standard deviations, after all answers so
    far."""
    topic: np.ndarray
    """(places,) the number of that facet, 0-29."""
    evidence_at: np.ndarray
    """(given, 2) row and position of each answer's own token."""
    evidence: np.ndarray
    """(given, factors) what that answer alone says (`observer.answer_weights`)."""
    said_at: np.ndarray
    """(given, 2) row and position of the last word of each reply that answers a question, where PAS
    reads what the answer does to the heads."""
    said: np.ndarray
    """(given, factors) what that answer alone says."""
    text_at: np.ndarray
    """(tokens, 2) row and position after which a dialogue token is predicted."""
    text_ids: np.ndarray
    """(tokens,) that token."""
    form_at: np.ndarray
    """(tokens, 2) the same for the fixed form around an answer."""
    form_ids: np.ndarray
    """(tokens,)."""


@dataclass
class _Row:
    tokens: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    answer_at: list[int] = field(default_factory=list)  # -1: evidence only, not predicted
    answer_ids: list[tuple[int, ...]] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)  # tokens it took to ask
    given_at: list[int] = field(default_factory=list)  # -1: no single token holds it
    picks: list[tuple[int, tuple[int, ...], int, int]] = field(default_factory=list)
    text: list[tuple[int, int]] = field(default_factory=list)
    known_after: list[tuple[int, int]] = field(default_factory=list)  # position, answers so far
    said_after: list[tuple[int, int]] = field(
        default_factory=list
    )  # position, number of the answer
    levels: list[tuple[int, int, int]] = field(default_factory=list)  # the same, and the facet
    form: list[tuple[int, int]] = field(default_factory=list)


class Corpus:
    """Draws batches; holds the questionnaire's token ids so that rows are built quickly."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> None:
        self.seed = seed
        self.population = load_population()
        self.items = list(ipip_neo_300())
        self.statements = [item.statement for item in self.items]
        tuning = [item for item in self.items if item.short_number is not None]
        self.tuning = np.array([i.number - 1 for i in sorted(tuning, key=lambda i: i.short_number)])
        self._encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
        self._encode_many = lambda texts: [
            encoding.ids
            for encoding in tokenizer._tokenizer.encode_batch(texts, add_special_tokens=False)
        ]
        special = tokenizer.convert_tokens_to_ids
        self._begin, self._pad, self._end = special(BEGIN), special(PAD), special(END)
        self._role = {"system": special(SYSTEM), "user": special(USER)}
        self._role["assistant"] = special(ASSISTANT)
        self._options = tuple(self._encode(OPTIONS[r])[0] for r in range(1, 6))
        self._questions = self._encode_many([PAPI.ask_statement(s) for s in self.statements])
        neutral = self._encode(NEUTRAL_SYSTEM_PROMPT)
        self._nobody = [self._begin, self._role["system"], *neutral, self._end]
        self._opening = self._encode(FEW_SHOT_OPENING)
        self._first_line = self._encode_many([f"{s}:" for s in self.statements])
        self._next_line = self._encode_many([f";{s}:" for s in self.statements])
        self._papi = _Form(
            self._encode(PAPI.reply_prefix),
            tuple(self._encode(PAPI.label_of(r))[0] for r in range(1, 6)),
            [self._encode(PAPI.reply_to(r).split(PAPI.label_of(r), 1)[1]) for r in range(1, 6)],
        )
        crowd = simulate(4000, seed=seed).keyed
        facet_of = np.array([_FACET_ORDER.index(item.facet) for item in self.items])
        self._facet_members = np.eye(30)[facet_of] / 10
        scores = crowd @ self._facet_members
        self._facet_mean, self._facet_sd = scores.mean(axis=0), scores.std(axis=0)
        self._facet_codes = np.array([item.facet for item in self.items])
        self._signs = np.array([item.sign for item in self.items])
        assert set(_FACET_ORDER) == set(FACETS)

    def talk(
        self, rng: np.random.Generator, person: np.ndarray, length: int
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Dialogue with nobody described in which the person shows: token ids, and the places
        after which a word of a reply is predicted, each with that word's token."""
        row = _Row(tokens=list(self._nobody))
        while len(row.tokens) < length:
            self._talk(row, dialogue.sample_dialogue_about(rng, self._facets(person))[1])
        return row.tokens[:length], [place for place in row.text if place[0] < length - 1]

    def batch(
        self,
        step: int,
        *,
        length: int,
        rows: int,
        amplify: float = 1.0,
        variety: float = 1.0,
        described: float = 0.0,
    ) -> Batch:
        """The batch of one training step.

        amplify: how much stronger traits show than in people. variety: 0 is nearly all the
        product's own wording, every answer counting alike; 1 is the full mixture of wordings and
        dialogue, an answer counting by what it took to ask. described: share of the system prompts
        with somebody's answers that describe the person in sentences instead of listing answers.
        """
        rng = np.random.default_rng([self.seed, step, length])
        population = amplified(self.population, amplify)
        people = draw_responses(population, draw_factors(population, rows, rng), rng)
        drawn = [self._row(rng, person, length, variety, described) for person in people]
        return self._collate(drawn, people, population, length, variety)

    def _row(
        self,
        rng: np.random.Generator,
        person: np.ndarray,
        length: int,
        variety: float,
        described: float,
    ) -> _Row:
        row = _Row(tokens=[self._begin])
        long = length == LONG
        talking = (0.22 if long else 0.27) * (0.5 + 0.5 * variety)
        roll = rng.random()
        if roll < talking:
            return self._talking_row(row, rng, person, length, described)
        if not long and roll < talking + 0.04:
            return self._general_row(row, rng, length)
        if not long and roll < talking + 0.1:
            return self._picking_row(row, rng, length)
        if long:
            self._listing_turn(row, rng, person, LISTED_LONG, described)
            kinds = (0.36, 0.55)
        elif rng.random() < 0.46:  # who the person is, from the chat alone
            self._neutral_turn(row, rng)
            kinds = (0.65, 0.75)
        else:
            self._listing_turn(row, rng, person, LISTED_SHORT, described)
            kinds = (0.1, 0.35)
        order = rng.permutation(300)
        if rng.random() < 0.3:  # ask about listed items too
            order = np.concatenate([rng.permutation(self.tuning)[:5], order])
        self._question_turns(row, person, order, self._draw(rng, kinds, variety), length)
        return row

    def _talking_row(
        self,
        row: _Row,
        rng: np.random.Generator,
        person: np.ndarray,
        length: int,
        described: float,
    ) -> _Row:
        """Dialogue of a person who was described or asked before, on what the dialogue shows."""
        facets = self._facets(person)
        talks = [dialogue.sample_dialogue_about(rng, facets) for _ in range(4)]
        about = np.isin(self._facet_codes, [facet for facet, _ in talks[:2]])
        roll = rng.random()
        if length == LONG:
            self._listing_turn(row, rng, person, LISTED_LONG, described)
        elif roll < 0.6 and described and rng.random() < described:
            chosen = {facet for facet, _ in talks[:2]} | set(rng.choice(_FACET_ORDER, 3).tolist())
            self._described_turn(row, person, sorted(chosen))
        elif roll < 0.6:
            chosen = np.concatenate(
                [rng.permutation(np.flatnonzero(about))[:14], rng.permutation(300)[:6]]
            )
            row.tokens.append(self._role["system"])
            self._published_list(row, rng.permutation(np.unique(chosen)), person)
            row.tokens.append(self._end)
        else:
            self._neutral_turn(row, rng)
            if roll < 0.85:
                asked = rng.permutation(np.flatnonzero(about))[: int(rng.integers(4, 12))]
                self._question_turns(row, person, asked, None, length)
        while len(row.tokens) < length:
            for facet, messages in talks:
                self._talk(row, messages, facet)
            talks = [dialogue.sample_dialogue_about(rng, facets) for _ in range(4)]
        return row

    def _general_row(self, row: _Row, rng: np.random.Generator, length: int) -> _Row:
        self._neutral_turn(row, rng)
        while len(row.tokens) < length:
            self._talk(row, dialogue.general_dialogue(rng))
        return row

    def _picking_row(self, row: _Row, rng: np.random.Generator, length: int) -> _Row:
        """Options named by their text: says nothing of anybody, and teaches to read the list."""
        self._neutral_turn(row, rng)
        while len(row.tokens) < length:
            draw = _mixed_options(rng) if rng.random() < 0.25 else sample_wording(rng)
            response = int(rng.integers(1, 6))
            named = draw.rest_of(response).lstrip(")]}.:- ") or OPTIONS[response]
            if named.lower() not in draw.after.lower():
                continue
            statement = self.statements[int(rng.integers(300))]
            asked = f'{draw.ask(statement)}\nPlease pick "{named}".'
            form = self._form(draw)
            began = len(row.tokens)
            row.tokens += [self._role["user"], *self._encode(asked), self._end]
            row.tokens.append(self._role["assistant"])
            self._formal(row, form.prefix)
            cost = len(row.tokens) - began
            row.picks.append((len(row.tokens) - 1, form.labels, response, cost))
            row.tokens.append(form.labels[response - 1])
            self._formal(row, [*form.rests[response - 1], self._end])
        return row

    def _draw(
        self, rng: np.random.Generator, kinds: tuple[float, float], variety: float
    ) -> WordingDraw | None:
        """A wording: the product's (None), the product's with its options mixed, or any other."""
        if rng.random() > 0.15 + 0.85 * variety:
            return None
        roll = rng.random()
        if roll < kinds[0]:
            return None
        if roll < kinds[1]:
            return _mixed_options(rng)
        draw = sample_wording(rng)
        return distracted(rng, draw) if rng.random() < DISTRACTED else draw

    def _neutral_turn(self, row: _Row, rng: np.random.Generator) -> None:
        text = NEUTRAL_SYSTEM_PROMPT if rng.random() < 0.3 else sample_neutral_system_prompt(rng)
        if text:
            row.tokens += [self._role["system"], *self._encode(text), self._end]

    def _listing_turn(
        self,
        row: _Row,
        rng: np.random.Generator,
        person: np.ndarray,
        listed: tuple[int, int],
        described: float,
    ) -> None:
        """A system prompt with some of the person's answers, in the published format or another."""
        if described and rng.random() < described:
            count = 30 if listed == LISTED_LONG else int(rng.integers(2, 9))
            self._described_turn(row, person, rng.permutation(_FACET_ORDER)[:count].tolist())
            return
        k = int(rng.integers(listed[0], listed[1] + 1))
        if listed == LISTED_LONG and rng.random() < 0.4:
            k = 120
        pool = self.tuning if rng.random() < 0.7 else np.arange(300)
        chosen = rng.permutation(pool)[:k]
        if rng.random() < 0.5:
            place = {int(c): n for n, c in enumerate(pool)}
            chosen = np.array(sorted(chosen, key=lambda c: place[int(c)]))
        row.tokens.append(self._role["system"])
        if rng.random() < 0.75:
            self._published_list(row, chosen, person)
        else:
            pairs = [(self.statements[c], int(person[c])) for c in chosen]
            row.tokens += self._encode(sample_persona_list(rng)(pairs))
            self._mentioned(row, chosen)
        row.tokens.append(self._end)

    def _described_turn(self, row: _Row, person: np.ndarray, facets: list[str]) -> None:
        """facet-prompt's description, by the tuning answers, as a system prompt."""
        keyed = np.where(self._signs < 0, 6 - person, person)[self.tuning]
        of = self._facet_codes[self.tuning]
        means = {facet: float(keyed[of == facet].mean()) for facet in FACETS if facet in facets}
        row.tokens += [self._role["system"], *self._encode(describe(means) or ""), self._end]
        self._mentioned(row, self.tuning[np.isin(of, facets)])

    def _mentioned(self, row: _Row, columns: np.ndarray) -> None:
        """Answers that are known from here on, and sit on no token of their own."""
        row.columns += [int(column) for column in columns]
        row.answer_at += [-1] * len(columns)
        row.answer_ids += [self._options] * len(columns)
        row.costs += [0] * len(columns)
        row.given_at += [-1] * len(columns)

    def _published_list(self, row: _Row, chosen: np.ndarray, person: np.ndarray) -> None:
        row.tokens += self._opening
        for n, column in enumerate(chosen):
            line = (self._next_line if n else self._first_line)[column]
            row.tokens += line
            given = self._options[person[column] - 1]
            self._answer(row, int(column), self._options, given, len(line))

    def _answer(self, row: _Row, column: int, ids: tuple[int, ...], given: int, cost: int) -> None:
        row.answer_at.append(len(row.tokens) - 1)
        row.answer_ids.append(ids)
        row.costs.append(cost)
        row.columns.append(column)
        row.given_at.append(len(row.tokens))
        row.tokens.append(given)

    def _question_turns(
        self,
        row: _Row,
        person: np.ndarray,
        order: np.ndarray,
        draw: WordingDraw | None,
        length: int,
    ) -> None:
        """Questions and answers until the row is full; `draw` None is the product's wording."""
        if draw is None:
            asked, forms = [self._questions[c] for c in order], self._papi
        else:
            order = order[: length // 25]
            asked = self._encode_many([draw.ask(self.statements[c]) for c in order])
            forms = self._form(draw)
        for column, question in zip(order, asked, strict=True):
            if len(row.tokens) >= length:
                return
            response, began = int(person[column]), len(row.tokens)
            row.tokens += [self._role["user"], *question, self._end, self._role["assistant"]]
            self._formal(row, forms.prefix)
            given = forms.labels[response - 1]
            self._answer(row, int(column), forms.labels, given, len(row.tokens) - began)
            self._formal(row, [*forms.rests[response - 1], self._end])
            row.said_after.append((len(row.tokens) - 2, len(row.columns) - 1))

    def _form(self, draw: WordingDraw) -> _Form:
        prefix = draw.prefix.rstrip(" ")  # a blank before the label is part of the label's token
        blank = draw.prefix[len(prefix) :]
        return _Form(
            self._encode(prefix),
            tuple(self._encode(blank + draw.label_of(r))[0] for r in range(1, 6)),
            [self._encode(draw.rest_of(r)) for r in range(1, 6)],
        )

    def _formal(self, row: _Row, ids: list[int]) -> None:
        for token in ids:
            row.form.append((len(row.tokens) - 1, token))
            row.tokens.append(token)

    def _talk(self, row: _Row, messages: list[dict[str, str]], facet: str | None = None) -> None:
        """Dialogue, whose first two replies are about `facet` if there is one."""
        for turn, message in enumerate(messages):
            row.tokens.append(self._role[message["role"]])
            ids = [*self._encode(message["content"]), self._end]
            if message["role"] == "assistant":
                start = len(row.tokens) - 1
                row.text += [(start + n, token) for n, token in enumerate(ids)]
                said = len(row.columns)
                row.known_after += [(start + n, said) for n in range(min(len(ids), 20))]
                if facet and turn < 4:
                    about = _FACET_ORDER.index(facet)
                    row.levels += [(start + n, said, about) for n in range(len(ids))]
            row.tokens += ids

    def _facets(self, person: np.ndarray) -> np.ndarray:
        """(30,) facet scores of a person against the population, N1 ... C6."""
        keyed = np.where(self._signs < 0, 6 - person, person)
        return (keyed @ self._facet_members - self._facet_mean) / self._facet_sd

    def _collate(
        self,
        rows: list[_Row],
        people: np.ndarray,
        population: Population,
        length: int,
        variety: float,
    ) -> Batch:
        tokens = np.full((len(rows), length), self._pad, dtype=np.int64)
        factors = population.loadings.shape[1]
        answers: list[tuple] = []
        given: list[tuple] = []
        said: list[tuple] = []
        known: list[tuple] = []
        level: list[tuple] = []
        nobody = np.zeros(factors)
        facet_levels = self._facet_members.T * (self._signs * population.sds)
        facet_levels = facet_levels @ population.loadings / self._facet_sd[:, None]
        weights = answer_weights(population)
        text: list[tuple[int, int, int]] = []
        form: list[tuple[int, int, int]] = []
        for r, row in enumerate(rows):
            kept = row.tokens[:length]
            tokens[r, : len(kept)] = kept
            text += [(r, at, token) for at, token in row.text if at < length - 1]
            form += [(r, at, token) for at, token in row.form if at < length - 1]
            for at, ids, response, cost in row.picks:
                if at < length - 1:
                    answers.append((r, at, ids, _picked(response), cost))
            if not row.columns:
                known += [(r, at, nobody) for at, _ in row.known_after if at < length]
                level += [(r, at, 0.0, f) for at, _, f in row.levels if at < length]
                continue
            columns = np.array(row.columns)
            responses = people[r, columns].astype(float)
            seen = observe(population, columns, responses)
            evidence = weights[columns] * (responses - 3.0)[:, None]
            for n, at in enumerate(row.answer_at):
                if 0 <= at < length - 1:
                    answers.append((r, at, row.answer_ids[n], seen.options[n], row.costs[n]))
                    known.append((r, at, seen.known[n]))
                if 0 <= row.given_at[n] < length:
                    given.append((r, row.given_at[n], evidence[n]))
            said += [(r, at, evidence[n]) for at, n in row.said_after if at < length]
            known += [(r, at, seen.known[n]) for at, n in row.known_after if at < length]
            expected = seen.known @ facet_levels.T
            level += [(r, at, expected[n, f], f) for at, n, f in row.levels if at < length]
        texts, forms = np.array(text or np.empty((0, 3))), np.array(form or np.empty((0, 3)))
        return Batch(
            tokens=tokens,
            answer_at=np.array([a[:2] for a in answers], dtype=np.int64).reshape(-1, 2),
            answer_ids=np.array([a[2] for a in answers], dtype=np.int64).reshape(-1, 5),
            answer_targets=np.array([a[3] for a in answers], dtype=np.float32).reshape(-1, 5),
            answer_weights=np.array([a[4] for a in answers], dtype=np.float32) ** variety,
            spelt=np.array([a[4] > SPELT_OUT for a in answers]),
            known_at=np.array([k[:2] for k in known], dtype=np.int64).reshape(-1, 2),
            known=np.array([k[2] for k in known], dtype=np.float32).reshape(-1, factors),
            level_at=np.array([v[:2] for v in level], dtype=np.int64).reshape(-1, 2),
            level=np.array([v[2] for v in level], dtype=np.float32),
            topic=np.array([v[3] for v in level], dtype=np.int64),
            evidence_at=np.array([g[:2] for g in given], dtype=np.int64).reshape(-1, 2),
            evidence=np.array([g[2] for g in given], dtype=np.float32).reshape(-1, factors),
            said_at=np.array([g[:2] for g in said], dtype=np.int64).reshape(-1, 2),
            said=np.array([g[2] for g in said], dtype=np.float32).reshape(-1, factors),
            text_at=texts[:, :2].astype(np.int64),
            text_ids=texts[:, 2].astype(np.int64),
            form_at=forms[:, :2].astype(np.int64),
            form_ids=forms[:, 2].astype(np.int64),
        )


def _picked(response: int) -> np.ndarray:
    """(5,) the target where one option was asked for by its text."""
    target = np.full(5, 1e-3)
    target[response - 1] = 1 - 4e-3
    return target


def _mixed_options(rng: np.random.Generator) -> WordingDraw:
    """The product's own question with its options in a random order."""
    mixed = PAPI.reordered([int(r) for r in rng.permutation(5) + 1])
    before, after = mixed.question.split("{statement}")
    return WordingDraw(
        before=before,
        subject="plain",
        after=after.format(options=mixed.options),
        labels=mixed.labels,
        order=mixed.order,
        prefix=mixed.reply_prefix,
        rests=tuple(mixed.reply_to(r).split(mixed.label_of(r), 1)[1] for r in range(1, 6)),
    )


@dataclass(frozen=True)
class _Form:
    """The token ids around an answer in one wording."""

    prefix: list[int]
    labels: tuple[int, ...]
    """By response 1-5."""
    rests: list[list[int]]
    """By response 1-5."""
