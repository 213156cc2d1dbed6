"""GRPO through TRL: it learns the reward, leaves the decoder, and can be interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from personalign.errors import MethodError
from personalign.methods import grpo
from personalign.methods.grpo import Grpo, GrpoSettings
from personalign.methods.twin import twin
from personalign.model.batch import model_inputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from tests.methods.test_ppo import chats, files, people

pytest.importorskip("trl", reason="the extra 'train' is not installed")

SMALL: dict[str, Any] = {
    "batch": 16,
    "group": 8,
    "max_new_tokens": 2,
    "rank": 2,
    "learning_rate": 2e-2,
}


def peaked() -> Decoder:
    """A random decoder with few likely words, so that a few replies show which are good."""
    decoder = fake_decoder()
    decoder.model.lm_head.weight.data.mul_(3.0)
    return decoder


def short_words(texts: Sequence[str], _given: Sequence[int], _wording: Any) -> list[float]:
    """A reward that a random model can learn: few letters."""
    return [-float(len(text)) for text in texts]


def test_the_reward_rises_and_the_decoder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grpo, "reply_rewards", short_words)
    decoder = peaked()
    weights = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    modules = {name: id(module) for name, module in decoder.model.named_modules()}
    config = decoder.model.config.to_dict()
    state = torch.get_rng_state()
    (persona,) = Grpo(decoder, work=tmp_path, steps=16, **SMALL).personas(people())
    curve = persona.provenance["training"]
    assert [line["step"] for line in curve] == list(range(1, 17))
    assert curve[0]["kl"] == 0.0 and curve[-1]["kl"] > 0.0
    late, early = ([line["reward"] for line in part] for part in (curve[-6:], curve[:6]))
    assert sum(late) / 6 > sum(early) / 6 + 1
    assert all(torch.equal(weights[n], t) for n, t in decoder.model.state_dict().items())
    assert {name: id(module) for name, module in decoder.model.named_modules()} == modules
    assert decoder.model.config.to_dict() == config
    assert all(tensor.requires_grad for tensor in decoder.model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr().out == ""
    assert set(files(Path(persona.adapter or ""))) == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_a_batch_holds_whole_groups() -> None:
    with pytest.raises(MethodError, match="multiple of the group"):
        GrpoSettings(batch=10, group=4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_padding_on_the_left_changes_nothing(family: str) -> None:
    peft = pytest.importorskip("peft")
    with twin(fake_decoder(family)) as decoder:
        model = peft.get_peft_model(
            decoder.model, peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=2)
        ).eval()
        model.register_forward_pre_hook(grpo._count_positions, with_kwargs=True)
        together, alone = last_logits(decoder, model), last_logits(decoder, model, alone=True)
        assert torch.allclose(together, alone, atol=1e-4)


def last_logits(decoder: Decoder, model: Any, *, alone: bool = False) -> torch.Tensor:
    """Logits after each of three chats, batched as TRL does it or one by one."""
    rows = chats(decoder)
    with torch.no_grad():
        found = []
        for some in [[row] for row in rows] if alone else [rows]:
            inputs = model_inputs(decoder, some, side="left")
            inputs.pop("position_ids", None)
            found.append(model(**inputs).logits[:, -1])
    return torch.cat(found)


RUN = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.methods.test_grpo import SMALL, people, short_words
from personalign.methods import grpo
from personalign.model.fake import fake_decoder
grpo.reply_rewards = short_words
method = grpo.Grpo(fake_decoder(), work=Path(sys.argv[1]), steps=16, **SMALL)
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
        if line.strip() == "12":
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "killed").iterdir()
    assert not (left / "finished.json").exists()
    again = run(tmp_path / "killed", repository)
    told_again, steps = again.communicate(timeout=240)
    assert next(line for line in steps.splitlines() if line.isdigit()) == "11"
    expected, found = files(Path(told.strip())), files(Path(told_again.strip()))
    assert len(expected) == 2
    assert found == expected
    curves = [Path(folder.strip()) / "finished.json" for folder in (told, told_again)]
    whole_curve, curve = (path.read_text().split('"training_seconds"')[0] for path in curves)
    assert curve == whole_curve
