"""PPO on a decoder: the reference stays, the caller's decoder too, and runs can be interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.ppo import Ppo, lora, training_curve
from personalign.methods.ppo_policy import AdapterPolicy
from personalign.methods.ppo_update import PpoSettings, StepReport, ppo_step
from personalign.methods.rollout import (
    Replies,
    questions_of_step,
    sample_replies,
    step_generator,
)
from personalign.methods.trained import TrainingStep
from personalign.methods.twin import twin
from personalign.model.answer import answer_items
from personalign.model.batch import model_inputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN

pytest.importorskip("peft", reason="the extra 'train' is not installed")

SMALL: dict[str, Any] = {"batch": 4, "max_new_tokens": 3, "rank": 2, "learning_rate": 1e-2}


def chats(decoder: Decoder) -> list[list[int]]:
    texts = ["Do you worry?", "Do you trust others, and do they trust you?", "Why?"]
    return [decoder.render([{"role": "user", "content": text}], reply="") for text in texts]


def people(answers: int = 6, count: int = 1) -> Respondents:
    """Simulated people who answered the first few tuning items only."""
    some = simulate(count, seed=5)
    return some.only(some.inventory.tuning[:answers])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("adapter*")}


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_replies_are_drawn_from_the_model_whatever_their_neighbours(family: str) -> None:
    """Scored alone, without padding or kept keys, each token was drawn where its number fell."""
    decoder = fake_decoder(family)
    questions = chats(decoder)
    replies = sample_replies(decoder, questions, max_new_tokens=5, generator=step_generator(0, 0))
    generator = step_generator(0, 0)
    draws = torch.stack([torch.rand(3, 1, generator=generator)[:, 0] for _ in range(5)], dim=1)
    for row, (question, reply) in enumerate(zip(questions, replies.ids, strict=True)):
        with torch.no_grad():
            logits = decoder.model(**model_inputs(decoder, [[*question, *reply]])).logits[0]
        for t, token in enumerate(reply):
            chances = logits[len(question) - 1 + t].softmax(-1).cumsum(-1)
            low = chances[token - 1] if token else 0.0
            assert low - 1e-4 <= draws[row, t] <= chances[token] + 1e-4


def test_replies_end_with_their_end_of_turn() -> None:
    decoder = fake_decoder()
    bias = torch.zeros(decoder.model.config.vocab_size)
    bias[2] = 4.0  # </s>: replies of all lengths
    head = decoder.model.get_output_embeddings()
    head.register_forward_hook(lambda _module, _args, out: out + bias)
    replies = sample_replies(
        decoder, chats(decoder) * 8, max_new_tokens=6, generator=step_generator(1, 0)
    )
    lengths = {len(reply) for reply in replies.ids}
    assert len(lengths) > 2
    for reply in replies.ids:
        assert 2 not in reply[:-1]
        assert reply[-1] == 2 or len(reply) == 6
    assert replies.tokens.shape == replies.mask.shape


def policy_of(decoder: Decoder) -> AdapterPolicy:
    torch.manual_seed(0)
    return AdapterPolicy(decoder, lora(decoder, rank=2, alpha=8), seed=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_the_reference_stays_the_plain_model(family: str) -> None:
    decoder = fake_decoder(family)
    replies = sample_replies(
        decoder, chats(decoder), max_new_tokens=4, generator=step_generator(0, 0)
    )
    wholes = [[*q, *r] for q, r in zip(replies.questions, replies.ids, strict=True)]
    with torch.no_grad():
        logits = decoder.model(**model_inputs(decoder, wholes)).logits.log_softmax(-1)
    plain = torch.zeros(replies.mask.shape)
    for row, t in replies.mask.nonzero().tolist():
        place = len(replies.questions[row]) - 1 + t
        plain[row, t] = logits[row, place, replies.tokens[row, t]]
    with twin(decoder) as other:
        policy = policy_of(other)
        first = policy.reference(replies)
        assert torch.allclose(first, plain, atol=1e-5)
        assert torch.equal(policy.read(replies).log_probs, first)  # KL is zero at the start
        optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
        settings = PpoSettings()
        report = ppo_step(policy, optimizer, replies, [0.0, -1.0, -6.0], settings, 0.2)
        assert report.kl == 0.0
        assert torch.equal(policy.reference(replies), first)
        assert not torch.allclose(policy.read(replies).log_probs, first, atol=1e-3)


def test_the_value_head_reads_what_came_before_each_token() -> None:
    """Changing a token changes no value up to its own place."""
    with twin(fake_decoder()) as decoder:
        policy = policy_of(decoder)
        replies = sample_replies(
            decoder, chats(decoder), max_new_tokens=4, generator=step_generator(0, 0)
        )
        mask = torch.ones_like(replies.mask)
        whole = Replies(replies.questions, replies.tokens, mask)
        tokens = replies.tokens.clone()
        tokens[:, 2] = 9 + tokens[:, 2] % 2
        changed = Replies(replies.questions, tokens, mask)
        values, others = policy.read(whole).values, policy.read(changed).values
        assert torch.equal(values[:, :3], others[:, :3])
        assert (values[:, 3] != others[:, 3]).all()


def test_every_question_comes_once_a_round() -> None:
    asked = [place for step in range(7) for place in questions_of_step(14, 4, seed=3, step=step)]
    assert sorted(asked[:14]) == sorted(asked[14:]) == list(range(14))
    assert asked[:14] != asked[14:]


def test_training_moves_the_model_and_leaves_the_decoder(tmp_path: Path) -> None:
    decoder = fake_decoder()
    weights = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    flags = [tensor.requires_grad for tensor in decoder.model.parameters()]
    seen: list[TrainingStep] = []
    method = Ppo(decoder, work=tmp_path, steps=4, **SMALL)
    method.watch = lambda _person, line, _total: seen.append(line)
    state = torch.get_rng_state()
    (persona,) = method.personas(people())
    assert torch.equal(torch.get_rng_state(), state)
    assert [line.step for line in seen] == [1, 2, 3, 4]
    assert all(torch.equal(weights[n], t) for n, t in decoder.model.state_dict().items())
    assert [tensor.requires_grad for tensor in decoder.model.parameters()] == flags
    assert not any(module._forward_pre_hooks for module in decoder.model.modules())
    curve = persona.provenance["training"]
    assert [line["step"] for line in curve] == [1, 2, 3, 4]
    assert curve[0]["kl"] == 0.0 and -6 <= curve[0]["reward"] <= 0
    items = people().inventory.held_out[:4]
    plain, trained = answer_items(decoder, [PLAIN, persona], items).log_probs
    assert not np.allclose(plain, trained, atol=1e-3)
    assert method.personas(people())[0].key == persona.key  # finished: not trained again
    assert len(seen) == 4


def test_the_same_seed_trains_the_same_adapter(tmp_path: Path) -> None:
    def trained(name: str, seed: int) -> dict[str, bytes]:
        method = Ppo(fake_decoder(), work=tmp_path / name, seed=seed, steps=3, **SMALL)
        return files(Path(method.personas(people())[0].adapter or ""))

    first = trained("a", 1)
    assert len(first) == 2
    assert trained("b", 1) == first
    assert trained("c", 2) != first


def test_nobody_is_asked_what_the_person_did_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = fake_decoder()
    method = Ppo(decoder, work=tmp_path, steps=2, **SMALL)
    asked: list[tuple[int, ...]] = []
    original = AdapterPolicy.sample

    def watched(self: AdapterPolicy, questions: Any, *rest: Any) -> Replies:
        asked.extend(map(tuple, questions))
        return original(self, questions, *rest)

    monkeypatch.setattr(AdapterPolicy, "sample", watched)
    some = people(answers=4)
    nobody = some.only([])
    plain, trained = method.personas(Respondents.concat([nobody, some]))
    assert plain.adapter is None and trained.adapter is not None
    answered = {tuple(method.question(item)) for item in some.inventory.tuning[:4]}
    assert set(asked) == answered


def test_the_curve_ends_with_the_last_steps() -> None:
    reports = [StepReport(float(step), 0.0, 0.0, 0.0, 0.0) for step in range(250)]
    curve = training_curve(reports)
    assert len(curve) == 25
    assert [line.step for line in curve[-2:]] == [240, 250]
    assert curve[-1].values["reward"] == np.mean(range(240, 250))
    assert training_curve(reports[:7])[0].step == 1
    assert training_curve([]) == []


def test_a_learning_rate_that_breaks_the_model_is_told(tmp_path: Path) -> None:
    settings = SMALL | {"learning_rate": 1e30, "ratio_limit": float("inf")}
    with pytest.raises(MethodError, match="smaller learning rate"):
        Ppo(fake_decoder(), work=tmp_path, steps=4, **settings).personas(people())


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"epochs": 0}, {"kl_target": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MethodError, match=next(iter(wrong))):
        PpoSettings(**wrong)


def test_training_over_4_bit_weights_that_have_answered(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    from safetensors.torch import load_file

    made = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    made.model.save_pretrained(tmp_path / "model")
    made.tokenizer.save_pretrained(tmp_path / "model")
    decoder = Decoder.load(tmp_path / "model", device="cpu", quantize="4bit")
    items = people().inventory.tuning[:3]
    before = answer_items(decoder, [PLAIN], items).log_probs
    (persona,) = Ppo(decoder, work=tmp_path, steps=2, **SMALL).personas(people())
    moved = load_file(Path(persona.adapter or "") / "adapter_model.safetensors")
    assert all(tensor.abs().sum() > 0 for name, tensor in moved.items() if "lora_B" in name)
    assert np.array_equal(answer_items(decoder, [PLAIN], items).log_probs, before)
    assert not np.allclose(answer_items(decoder, [persona], items).log_probs, before, atol=1e-3)


RUN = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.methods.test_ppo import SMALL, people
from personalign.methods.ppo import Ppo
from personalign.model.fake import fake_decoder
method = Ppo(fake_decoder(), work=Path(sys.argv[1]), steps=25, **SMALL)
method.watch = lambda person, line, total: print(line.step, file=sys.stderr, flush=True)
print(method.personas(people())[0].adapter)
"""


def run(work: Path, repository: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(repository), str(repository / "src")])
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=repository,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, repository: Path) -> None:
    whole = run(tmp_path / "whole", repository)
    told, _ = whole.communicate(timeout=240)
    killed = run(tmp_path / "killed", repository)
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.strip() == "14":
            break
    time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "killed").iterdir()
    assert not (left / "finished.json").exists()
    assert (left / "checkpoints" / "state.safetensors").is_file()
    again = run(tmp_path / "killed", repository)
    told_again, steps = again.communicate(timeout=240)
    assert next(line for line in steps.splitlines() if line.isdigit()) == "11"
    expected = files(Path(told.strip()))
    assert len(expected) == 2
    assert files(Path(told_again.strip())) == expected
    assert told.count("\n") == told_again.count("\n") == 1  # nothing else on stdout
