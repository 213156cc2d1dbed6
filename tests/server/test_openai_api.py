"""The API through the stock client and on the wire: the same replies as `generate`, in OpenAI's
form, and OpenAI's errors for everything else."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
import torch

from personalign.model.decoding import Sampling, next_tokens
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from tests.model.loud import make_loud
from tests.server.conftest import BASE, Live
from tests.server.live import call

CHAT = [{"role": "user", "content": "Do you love large parties?"}]
ASKED = {"messages": CHAT, "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def twin_decoder() -> Any:
    """The same weights, for `generate` beside the running engine."""
    return make_loud()


def people(live: Live) -> dict[str, Persona]:
    """Models by name, and who they are."""
    ann, ben = live.personas["ann"], live.personas["ben"]
    return {
        BASE: PLAIN,
        f"{BASE}:ann": ann,
        f"{BASE}:ann@3.5": ann.with_alpha(3.5),
        f"{BASE}:ann@0": ann.with_alpha(0),
        f"{BASE}:ben": ben,
        f"{BASE}:ben@-1e-1": ben.with_alpha(-0.1),
        f"{BASE}:cat": live.personas["cat"],
    }


def test_replies_are_what_generate_says(live: Live, client: openai.OpenAI, twin_decoder) -> None:
    said = set()
    for model, persona in people(live).items():
        expected = generate(twin_decoder, persona, CHAT, max_new_tokens=12)[0]
        reply = client.chat.completions.create(model=model, **ASKED)
        assert reply.choices[0].message.content == expected
        assert reply.choices[0].message.role == "assistant"
        assert reply.choices[0].finish_reason in ("stop", "length")
        said.add(expected)
    assert len(said) > 3, "the personas differ"


def test_a_stream_joins_to_the_whole(live: Live, client: openai.OpenAI) -> None:
    for model in people(live):
        whole = client.chat.completions.create(model=model, **ASKED)
        stream = client.chat.completions.create(
            model=model, stream=True, stream_options={"include_usage": True}, **ASKED
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].usage == whole.usage
        assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
        assert len({(c.id, c.model, c.created) for c in chunks}) == 1


def test_a_stream_is_openais_to_the_letter(live: Live) -> None:
    asked = {**ASKED, "model": BASE, "stream": True}
    answer = call(f"{live.url}/v1/chat/completions", asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, done, end = answer.data.decode().split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(line.removeprefix("data: ")) for line in events]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in chunks[1:])
    assert chunks[-1]["choices"][0]["delta"] == {}
    assert [c["choices"][0]["finish_reason"] for c in chunks].count(None) == len(chunks) - 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert not any("usage" in chunk for chunk in chunks)
    counted = call(
        f"{live.url}/v1/chat/completions", {**asked, "stream_options": {"include_usage": True}}
    )
    chunks = [json.loads(x[6:]) for x in counted.data.decode().split("\n\n") if "{" in x]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []


def test_the_persona_may_be_spelt_out(live: Live, client: openai.OpenAI, twin_decoder) -> None:
    said = client.chat.completions.create(
        model=BASE,
        extra_body={"personalign": {"persona": "ann", "alpha": 2.5, "scope": "generated"}},
        **ASKED,
    )
    persona = replace(live.personas["ann"], alpha=2.5, scope="generated")
    assert (
        said.choices[0].message.content
        == generate(twin_decoder, persona, CHAT, max_new_tokens=12)[0]
    )
    assert said.model == f"{BASE}:ann@2.5"


def test_a_crowd_gets_what_each_would_get_alone(live: Live, client: openai.OpenAI) -> None:
    models = list(people(live)) * 4
    alone = {
        model: client.chat.completions.create(model=model, **ASKED).choices[0].message.content
        for model in people(live)
    }
    with ThreadPoolExecutor(14) as pool:
        together = pool.map(
            lambda model: client.chat.completions.create(model=model, **ASKED), models
        )
    assert [r.choices[0].message.content for r in together] == [alone[m] for m in models]


def test_texts_go_on(live: Live, client: openai.OpenAI, twin_decoder) -> None:
    persona = live.personas["ann"]
    ids = twin_decoder.tokenizer("Do you trust").input_ids
    steps = next_tokens(twin_decoder, [ids], [persona], begun=[0], seeds=[0], sampling=Sampling(16))
    with torch.inference_mode():
        expected = twin_decoder.text([step[0] for step in steps])
    asked: dict[str, Any] = {"model": f"{BASE}:ann", "temperature": 0}
    for prompt in ("Do you trust", ids, ["Do you trust"], [ids]):
        said = client.completions.create(prompt=prompt, **asked)
        assert said.choices[0].text == expected
        assert said.object == "text_completion"
    assert said.usage is not None and said.usage.completion_tokens <= 16
    stream = client.completions.create(prompt="Do you trust", stream=True, **asked)
    assert "".join(chunk.choices[0].text for chunk in stream) == expected


def test_an_empty_text_is_refused_or_continued_never_a_bug(live: Live) -> None:
    for prompt in ("", [""]):
        answer = call(f"{live.url}/v1/completions", {"model": BASE, "prompt": prompt})
        assert answer.status == 400 and answer.error["param"] == "prompt"


def test_a_prompt_persona_stands_before_the_text(live: Live, client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
    as_cat = client.completions.create(model=f"{BASE}:cat", prompt="Milk", **asked)
    written_out = client.completions.create(model=BASE, prompt="You are a cat.\n\nMilk", **asked)
    assert as_cat.choices[0].text == written_out.choices[0].text
    assert as_cat.usage == written_out.usage or as_cat.usage.prompt_tokens_details.cached_tokens
    with pytest.raises(openai.BadRequestError, match="system prompt"):
        client.completions.create(model=f"{BASE}:cat", prompt=[5, 6], **asked)


def test_stop_strings_end_a_reply_and_are_not_in_it(live: Live, client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=BASE, **ASKED).choices[0].message.content or ""
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    for streamed in (False, True):
        reply: Any = client.chat.completions.create(
            model=BASE, stop=[stop, "never said"], stream=streamed, **ASKED
        )
        if streamed:
            chunks = list(reply)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            finish = chunks[-1].choices[0].finish_reason
        else:
            text, finish = reply.choices[0].message.content, reply.choices[0].finish_reason
        assert text == whole[: whole.index(stop)]
        assert finish == "stop"


def test_logprobs_are_the_models_own(live: Live, client: openai.OpenAI, twin_decoder) -> None:
    reply = client.chat.completions.create(model=BASE, logprobs=True, top_logprobs=3, **ASKED)
    told = reply.choices[0].logprobs
    assert told is not None and told.content is not None and reply.usage is not None
    assert len(told.content) == reply.usage.completion_tokens
    prompt = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE}).json["usage"]
    assert prompt["prompt_tokens"] == reply.usage.prompt_tokens
    from personalign.model.generate import persona_chat

    ids = twin_decoder.render(persona_chat(PLAIN, CHAT))
    with torch.inference_mode():
        logits = twin_decoder.model(torch.tensor([ids])).logits[0, -1]
    values, _ = logits.log_softmax(-1).topk(3)
    first = told.content[0]
    assert [t.logprob for t in first.top_logprobs] == pytest.approx(values.tolist(), abs=1e-4)
    assert first.logprob == first.top_logprobs[0].logprob, "greedy takes the most probable"
    said = b"".join(bytes(token.bytes or ()) for token in told.content)
    assert said.decode(errors="replace") == reply.choices[0].message.content
    text = client.completions.create(
        model=BASE, prompt="Do you", logprobs=2, temperature=0, max_tokens=5
    ).choices[0]
    assert text.logprobs is not None and text.logprobs.token_logprobs is not None
    assert len(text.logprobs.tokens or ()) == len(text.logprobs.token_logprobs) == 5
    assert all(len(top) == 2 for top in text.logprobs.top_logprobs or ())
    streamed = client.chat.completions.create(
        model=BASE, logprobs=True, top_logprobs=3, stream=True, **ASKED
    )
    parts = [chunk.choices[0].logprobs for chunk in streamed if chunk.choices[0].logprobs]
    assert [t for part in parts for t in part.content or ()] == told.content


def test_a_seed_decides_what_is_drawn(live: Live, client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": BASE, "messages": CHAT, "max_tokens": 12}

    def draw(**more: Any) -> str | None:
        reply = client.chat.completions.create(**asked, **more)
        return reply.choices[0].message.content

    assert draw(seed=5) == draw(seed=5) == draw(seed=5, temperature=1, top_p=1)
    assert draw(seed=-5) == draw(seed=-5)
    assert len({draw(seed=seed) for seed in range(4)}) > 1
    assert len({draw() for _ in range(4)}) > 1, "without one, another is drawn each time"
    greedy = draw(temperature=0)
    assert draw(seed=1, extra_body={"top_k": 1}) == greedy


def test_models_are_listed_and_found(live: Live, client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == BASE
    assert {f"{BASE}:{name}" for name in live.personas} <= set(names)
    assert client.models.retrieve(f"{BASE}:ann").id == f"{BASE}:ann"
    assert client.models.retrieve(BASE).owned_by == "personalign"
    for unknown in (f"{BASE}:nobody", "gpt-4o", f"{BASE}:../ann"):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(unknown)


@pytest.mark.parametrize(
    ("changed", "status", "param", "code"),
    [
        ({"model": "gpt-4o"}, 404, "model", "model_not_found"),
        ({"model": f"{BASE}:nobody"}, 404, "model", "model_not_found"),
        ({"model": f"{BASE}:"}, 404, "model", "model_not_found"),
        ({"model": f"{BASE}:../../etc"}, 404, "model", "model_not_found"),
        ({"model": f"{BASE}:ann@strong"}, 400, "model", "invalid_value"),
        ({"model": f"{BASE}:ann@nan"}, 400, "model", "invalid_value"),
        ({"model": f"{BASE}:cat@2"}, 400, "alpha", "invalid_value"),
        ({"model": f"{BASE}:ann", "personalign": {"persona": "ben"}}, 400, "personalign", None),
        ({"model": f"{BASE}:ann@1", "personalign": {"alpha": 2}}, 400, "personalign", None),
        ({"personalign": {"alpha": 2}}, 400, "personalign", None),
        ({"personalign": {"persona": "ann", "beta": 2}}, 400, "personalign.beta", None),
        ({"personalign": {"persona": "ann", "scope": "some"}}, 400, "personalign.scope", None),
        ({"tools": [{"type": "function"}]}, 400, "tools", "unsupported_parameter"),
        ({"tool_choice": "auto"}, 400, "tool_choice", "unsupported_parameter"),
        ({"functions": [{"name": "f"}]}, 400, "functions", "unsupported_parameter"),
        (
            {"response_format": {"type": "json_object"}},
            400,
            "response_format",
            "unsupported_parameter",
        ),
        ({"n": 2}, 400, "n", "unsupported_parameter"),
        ({"n": True}, 400, "n", "unsupported_parameter"),
        ({"presence_penalty": 0.5}, 400, "presence_penalty", "unsupported_parameter"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias", "unsupported_parameter"),
        ({"store": True}, 400, "store", "unsupported_parameter"),
        ({"temprature": 1}, 400, "temprature", "unknown_parameter"),
        ({"temperature": 3}, 400, "temperature", "invalid_value"),
        ({"temperature": "0"}, 400, "temperature", "invalid_value"),
        ({"top_p": 0}, 400, "top_p", "invalid_value"),
        ({"max_tokens": 0}, 400, "max_tokens", "invalid_value"),
        ({"max_tokens": 10**6}, 400, "max_completion_tokens", "invalid_value"),
        ({"seed": 2**63}, 400, "seed", "invalid_value"),
        ({"stop": ["a"] * 5}, 400, "stop", "invalid_value"),
        ({"stop": ""}, 400, "stop", "invalid_value"),
        ({"top_logprobs": 2}, 400, "top_logprobs", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options", "invalid_value"),
        ({"messages": []}, 400, "messages", "invalid_value"),
        ({"messages": None}, 400, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.role", None),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content", None),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            400,
            None,
            None,
        ),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages.0.content", None),
        ({"messages": [{"role": "user", "content": "why " * 5000}]}, 400, "messages", None),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    live: Live, changed: dict[str, Any], status: int, param: str | None, code: str | None
) -> None:
    answer = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE, **changed})
    assert answer.status == status, answer.data
    error = answer.error
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param
    if code is not None:
        assert error["code"] == code


def test_what_is_the_case_anyway_and_what_changes_nothing_is_taken(live: Live) -> None:
    plain = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE})
    neutral = {
        "n": 1, "tools": [], "tool_choice": "none", "response_format": {"type": "text"},
        "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "store": False,
        "modalities": ["text"], "stop": None, "user": "u", "metadata": {"a": "b"},
        "service_tier": "auto", "seed": None, "stream": False,
    }  # fmt: skip
    again = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE, **neutral})
    assert again.status == 200, again.data
    assert again.json["choices"] == plain.json["choices"]
    parts = [{"type": "text", "text": "Do you love "}, {"type": "text", "text": "large parties?"}]
    said = {"role": "user", "content": parts}
    split = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE, "messages": [said]})
    assert split.json["choices"] == plain.json["choices"]


def test_a_system_turn_comes_after_the_personas_own(live: Live, twin_decoder) -> None:
    for role in ("system", "developer"):
        chat = [{"role": role, "content": "Be brief."}, *CHAT]
        asked = {**ASKED, "model": f"{BASE}:cat", "messages": chat}
        said = call(f"{live.url}/v1/chat/completions", asked).json["choices"][0]["message"]
        expected = generate(
            twin_decoder,
            live.personas["cat"],
            [{"role": "system", "content": "Be brief."}, *CHAT],
            max_new_tokens=12,
        )[0]
        assert said["content"] == expected


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe{}", b"[" * 100_000, b'{"model": NaN}']
)
def test_malformed_bodies_are_refused(live: Live, body: bytes) -> None:
    for path in ("chat/completions", "completions", "personas"):
        answer = call(f"{live.url}/v1/{path}", body, method="POST")
        assert answer.status == 400, answer.data
        assert answer.error["type"] == "invalid_request_error"


def test_a_body_of_another_kind_is_refused(live: Live) -> None:
    body = json.dumps({**ASKED, "model": BASE}).encode()
    answer = call(f"{live.url}/v1/chat/completions", body, content_type="text/plain")
    assert answer.status == 400
    assert "content-type" in answer.error["message"]


def test_large_bodies_are_refused_and_hear_it(live: Live) -> None:
    for size in (2**20, 2**22):
        body = b'{"model": "' + b"x" * size + b'"}'
        answer = call(f"{live.url}/v1/chat/completions", body)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")


def test_other_addresses_and_methods_are_told_in_the_same_form(live: Live) -> None:
    assert call(f"{live.url}/v1/embeddings", {}).error["code"] == "not_found"
    assert call(f"{live.url}/nothing").status == 404
    refused = call(f"{live.url}/v1/chat/completions")
    assert (refused.status, refused.error["code"]) == (405, "method_not_allowed")


def test_a_push_too_strong_is_the_requests_fault_and_nobody_elses(live: Live) -> None:
    strong = {**ASKED, "model": BASE, "personalign": {"persona": "ann", "alpha": 1e6}}
    before = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE}).json["choices"]
    for stream in (False, True):
        answer = call(f"{live.url}/v1/chat/completions", {**strong, "stream": stream})
        assert answer.status in (200, 400)  # logits that stay finite are a reply, if a poor one
        if answer.status == 400:
            assert "alpha" in answer.error["message"]
    assert (
        call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE}).json["choices"] == before
    )


def test_curl_works(live: Live) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    command = [curl, "-sS", "-N", f"{live.url}/v1/chat/completions", "--json"]
    asked = {**ASKED, "model": f"{BASE}:ann"}
    whole = subprocess.run([*command, json.dumps(asked)], capture_output=True, check=True)
    text = json.loads(whole.stdout)["choices"][0]["message"]["content"]
    streamed = subprocess.run(
        [*command, json.dumps({**asked, "stream": True})], capture_output=True, check=True
    )
    lines = streamed.stdout.decode().strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == text


def test_metrics_count_what_was_done(live: Live) -> None:
    def number(name: str) -> float:
        lines = call(f"{live.url}/metrics").data.decode().splitlines()
        found = [float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")]
        return found[0] if found else math.nan

    names = (
        "personalign_completion_tokens_total",
        "personalign_prompt_tokens_total",
        "personalign_first_token_seconds_count",
        "personalign_reply_seconds_count",
    )
    before = [number(name) for name in names]
    usage = call(f"{live.url}/v1/chat/completions", {**ASKED, "model": BASE}).json["usage"]
    after = [number(name) for name in names]
    gained = [b - a for a, b in zip(before, after, strict=True)]
    assert gained == [usage["completion_tokens"], usage["prompt_tokens"], 1, 1]
    for gauge in ("queue", "batch_size", "slots_used"):
        assert number(f"personalign_{gauge}") >= 0
    call(f"{live.url}/v1/models/{BASE.replace(' ', '%20')}:ann")
    text = call(f"{live.url}/metrics").data.decode()
    for route in ("/v1/chat/completions", "/v1/models/{model:path}", "/metrics"):
        assert f'personalign_requests_total{{route="{route}",status="200"}}' in text
    assert "ann" not in text


@pytest.mark.parametrize("kind", ["lora", "prompt"])
def test_a_trained_adapter_speaks_too(live: Live, kind: str, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the extra 'train' is not installed")
    from tests.model.test_adapters import make_adapter

    other = make_loud()
    persona = Persona(adapter=str(make_adapter(other, kind, tmp_path / kind)))
    live.service.personas.put(f"trained-{kind}", persona)
    asked = {**ASKED, "model": f"{BASE}:trained-{kind}"}
    expected = generate(other, persona, CHAT, max_new_tokens=12)[0]
    plain = generate(other, PLAIN, CHAT, max_new_tokens=12)[0]
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(call, f"{live.url}/v1/chat/completions", body)
            for body in (asked, {**asked, "model": BASE})
        ]
    said = [a.result().json["choices"][0]["message"]["content"] for a in answers]
    assert said == [expected, plain]
    assert expected != plain
    live.service.personas.delete(f"trained-{kind}")
