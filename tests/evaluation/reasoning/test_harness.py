"""A persona is a model of lm-evaluation-harness, and our tasks run on its other models too."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from personalign.errors import EvaluationError, MissingPackageError
from personalign.evaluation.reasoning import (
    TASKS,
    Question,
    QuestionSet,
    measure_reasoning,
    run_reasoning,
)
from personalign.evaluation.reasoning.harness import PersonaLM, read_context
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.likelihood import Reply, reply_likelihoods
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift
from tests.model.loud import loud, people

GREEDY = {"until": ["\nQ:"], "max_gen_toks": 9, "do_sample": False}


def request(kind: str, *arguments: Any, task: str = "any", place: int = 0) -> Instance:
    return Instance(kind, {}, arguments, 0, metadata=(task, place, 1))  # type: ignore[arg-type]


def written(*contexts: str, task: str = "any", **settings: Any) -> list[Instance]:
    return [
        request("generate_until", text, {**GREEDY, **settings}, task=task, place=place)
        for place, text in enumerate(contexts)
    ]


def test_a_request_is_a_reply_of_the_persona() -> None:
    decoder = loud()
    for persona in people(decoder):
        lm = PersonaLM(decoder, persona, batch_rows=2)
        contexts = ["Q: Why?", "Who are you, and what do you do all day?", "Q: Is it so?\nA:"]
        assert lm.generate_until(written(*contexts)) == generate(
            decoder, persona, contexts, max_new_tokens=9, until=["\nQ:"]
        )
        assert set(lm.seconds) == {("any", 0), ("any", 1), ("any", 2)}


def test_a_chat_of_the_harness_keeps_its_turns_and_its_beginning() -> None:
    decoder, persona = loud(), people(loud())[3]
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Let's think"},
    ]
    lm = PersonaLM(decoder, persona)
    context = lm.apply_chat_template(chat, add_generation_prompt=False)
    assert read_context(context) == (chat[:2], "Let's think")
    assert lm.generate_until(written(context)) == generate(
        decoder, persona, [chat[:2]], begun="Let's think", max_new_tokens=9
    )
    assert read_context(lm.apply_chat_template(chat[:2])) == (chat[:2], "")
    assert read_context("[1, 2]") == ([{"role": "user", "content": "[1, 2]"}], "")
    with pytest.raises(EvaluationError, match="generation prompt"):
        lm.apply_chat_template(chat[:2], add_generation_prompt=False)


def test_a_task_is_answered_by_the_persona_its_name_ends_in() -> None:
    decoder = loud()
    personas = {"base": PLAIN, "known as Ann": Persona(shift=some_shift(decoder), alpha=3.0)}
    lm = PersonaLM(decoder, personas)
    asked = [written("Q: Why?", task=f"coin as {name}")[0] for name in personas]
    found = lm.generate_until(asked)
    assert found == [
        generate(decoder, persona, "Q: Why?", max_new_tokens=9)[0] for persona in personas.values()
    ]
    assert found[0] != found[1]
    with pytest.raises(EvaluationError, match="'coin' names no persona"):
        lm.generate_until(written("Q: Why?", task="coin"))


@pytest.mark.parametrize("settings", [{"do_sample": True}, {"temperature": 0.7}])
def test_a_persona_does_not_guess(settings: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match="sampled"):
        PersonaLM(loud(), PLAIN).generate_until(written("Q: Why?", **settings))


def test_likelihoods_are_those_of_the_reply() -> None:
    decoder = loud()
    for persona in people(decoder)[:4]:
        lm = PersonaLM(decoder, persona)
        asked = [request("loglikelihood", "Q: Why?", text) for text in (" So.", " Because", "no")]
        expected = reply_likelihoods(
            decoder, [Reply(persona, "Q: Why?", one.args[1]) for one in asked]
        )
        assert lm.loglikelihood(asked) == [(one.log_prob, one.greedy) for one in expected]


def test_a_long_text_is_said_in_pieces_that_fit() -> None:
    decoder = fake_decoder(max_position_embeddings=96)
    persona = Persona(system_prompt="Be brief.")
    text = "I worry about things. You trust others, and large parties! " * 20
    lm = PersonaLM(decoder, persona)
    pieces = list(lm._pieces(persona, text))
    assert "".join(pieces) == text and len(pieces) > 3
    found = lm.loglikelihood_rolling([request("loglikelihood_rolling", text)])
    alone = reply_likelihoods(decoder, [Reply(persona, "", piece) for piece in pieces])
    assert found == [pytest.approx(sum(one.log_prob for one in alone))]
    roomy = PersonaLM(loud(), PLAIN)
    assert list(roomy._pieces(PLAIN, text)) == [text]


def test_any_task_of_the_harness_runs_as_a_persona(tmp_path: Path) -> None:
    """A task of its own kind, in a YAML file, with options to be weighed: no network."""
    rows = [{"q": f"Is {n} large?", "gold": n % 2} for n in range(6)]
    (tmp_path / "rows.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "large.yaml").write_text(
        "task: large\ndataset_path: json\n"
        f"dataset_kwargs: {{data_files: {{test: '{tmp_path / 'rows.json'}'}}}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\n"
        "doc_to_target: gold\ndoc_to_choice: ['no', 'yes']\n"
        "metric_list: [{metric: acc}]\n"
    )
    decoder, persona = loud(), people(loud())[2]
    found = simple_evaluate(
        model=PersonaLM(decoder, persona),
        tasks=["large"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        bootstrap_iters=0,
    )
    right = 0
    for row in rows:
        scores = reply_likelihoods(
            decoder, [Reply(persona, str(row["q"]), f" {word}") for word in ("no", "yes")]
        )
        right += (scores[1].log_prob > scores[0].log_prob) == row["gold"]
    assert found["results"]["large"]["acc,none"] == right / len(rows)


def test_our_tasks_run_on_the_harness_own_model_and_say_the_same() -> None:
    """Its Hugging Face model and ours, with no system prompt: the same prompts and replies."""
    decoder = loud()
    coins = QuestionSet(
        TASKS["coin"],
        tuple(
            Question(str(place), f"A coin is heads up. {name} flips it. Still heads up?", "no")
            for place, name in enumerate(["Ann", "Bob", "Eve"])
        ),
        "here",
    )
    theirs = HFLM(
        pretrained=decoder.model,
        tokenizer=decoder.tokenizer,
        batch_size=1,
        max_length=4096,
        device="cpu",
    )
    settings: Any = {"prompting": "few-shot", "max_new_tokens": 12}
    other = run_reasoning(theirs, [coins], names=["nobody"], **settings)
    ours = measure_reasoning(decoder, {"nobody": Persona(system_prompt="")}, [coins], **settings)
    assert [row["reply"] for row in ours] == [row["reply"] for row in other]
    assert len({row["reply"] for row in ours}) > 1


def test_without_the_harness_everything_but_measuring_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "lm_eval"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    for name in ("harness", "harness_task"):
        monkeypatch.delitem(sys.modules, f"personalign.evaluation.reasoning.{name}")
    importlib.import_module("personalign.bench.reasoning")
    coins = QuestionSet(TASKS["coin"], (Question("1", "Is it heads up?", "no"),), "here")
    with pytest.raises(MissingPackageError, match=r"lm-eval, which is not.*personalign\[eval\]"):
        measure_reasoning(loud(), {"base": PLAIN}, [coins])


def test_unless_mixed_a_batch_is_of_one_task_and_one_persona() -> None:
    decoder = loud()
    lm = PersonaLM(decoder, {"a": PLAIN, "b": Persona(system_prompt="Hm.")}, batch_rows=4)
    asked = [
        one
        for task in ("coin as a", "coin as b", "date as a")
        for one in written(*["Why?"] * 6, task=task)
    ]
    batches = [[asked[place].task_name for place in places] for places in lm._batches(asked)]
    assert all(len(set(batch)) == 1 for batch in batches)
    assert sorted(map(len, batches)) == [2, 2, 2, 4, 4, 4]
    first = [batch[0] for batch in batches]
    assert first[:3] == ["coin as a", "coin as b", "date as a"]
    assert first[3:] == ["coin as b", "date as a", "coin as a"]  # another one begins
    lm.mixed = True
    assert list(map(len, lm._batches(asked))) == [4, 4, 4, 4, 2]
    assert sorted(place for places in lm._batches(asked) for place in places) == list(range(18))
