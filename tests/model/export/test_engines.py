"""Other engines, run here: CTranslate2, llama.cpp and lm-evaluation-harness say what we say."""

from __future__ import annotations

import copy
import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from personalign.errors import ExportError, MissingPackageError
from personalign.model.decoder import Decoder
from personalign.model.export.check import CHATS, reference
from personalign.model.export.ctranslate2 import check_ctranslate2
from personalign.model.export.export import RECORD, Format, export_persona
from personalign.model.export.hf import chat_ids
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.generate import generate, persona_chat
from personalign.model.persona import PLAIN, Persona
from personalign.model.residual import ResidualShift
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import some_shift
from tests.model.export.test_export import left_in, loud, pushed, steered_logits

CONVERTED = "llama mistral qwen2 qwen3 gemma3 gemma3_text bloom".split()
"""Families that CTranslate2 converts and runs right with a baked push."""

TOPICS = """cats dogs rain snow work play books films money love war peace cars trains hills towns
parties silence music art maths tea coffee bread sleep""".split()
QUESTIONS = [f"What do you think of {topic}?" for topic in TOPICS] + [
    f"Tell me about {topic} and you." for topic in TOPICS
]
TOKENS = 32


@pytest.fixture(scope="module")
def pocket() -> Decoder:
    return Decoder.load("pocket", device="cpu")


@pytest.fixture(scope="module")
def bold(pocket: Decoder) -> Persona:
    return Persona('You are "bold".\nVery {{ bold }}.', some_shift(pocket, k=4), alpha=1.5)


@pytest.fixture(scope="module")
def replies(pocket: Decoder, bold: Persona) -> list[str]:
    """What the persona says to the fifty questions, and nobody else does."""
    said = generate(pocket, bold, QUESTIONS, max_new_tokens=TOKENS)
    prompted = Persona(bold.system_prompt)
    assert said != generate(pocket, prompted, QUESTIONS, max_new_tokens=TOKENS)
    assert len(set(said)) > 20
    return said


def test_ctranslate2_says_the_same_to_fifty_questions(
    pocket: Decoder, bold: Persona, replies: list[str], tmp_path: Path
) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2", reason="the extra 'export' is not installed")
    out = tmp_path / "out"
    export_persona(pocket, bold, out, format="ctranslate2")
    tokenizer = AutoTokenizer.from_pretrained(out)
    prompts = [chat_ids(tokenizer, [{"role": "user", "content": q}]) for q in QUESTIONS]
    results = ctranslate2.Generator(str(out), intra_threads=1).generate_batch(
        [tokenizer.convert_ids_to_tokens(prompt) for prompt in prompts],
        max_length=TOKENS,
        sampling_topk=1,
        include_prompt_in_result=False,
    )
    said = [
        tokenizer.decode(result.sequences_ids[0], skip_special_tokens=True) for result in results
    ]
    assert said == replies


def test_other_engines_end_a_turn_where_the_template_does(
    pocket: Decoder, bold: Persona, tmp_path: Path
) -> None:
    """Many tokenizers name another token as their end than their chat template writes."""
    tokenizer = copy.deepcopy(pocket.tokenizer)
    written = tokenizer.eos_token
    tokenizer.chat_template = tokenizer.chat_template.replace("eos_token", f"'{written}'")
    tokenizer.eos_token = "<|pad|>"
    decoder = Decoder(pocket.model, tokenizer, "other")
    decoder.end_ids |= {1}  # type: ignore[misc]
    ends = [written, "<|pad|>", "<|begin|>"]
    assert tokenizer.convert_ids_to_tokens(list(decoder.ends)) == ends
    gguf = pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    export_persona(decoder, bold, tmp_path / "gguf", format="gguf-bias")
    fields = gguf.GGUFReader(tmp_path / "gguf" / "model.gguf").fields
    names = [f"tokenizer.ggml.{name}_token_id" for name in ("eot", "eos", "eom")]
    assert [fields[name].contents() for name in names] == list(decoder.ends)
    ctranslate2 = pytest.importorskip("ctranslate2", reason="the extra 'export' is not installed")
    export_persona(decoder, bold, tmp_path / "out", format="ctranslate2")
    record = json.loads((tmp_path / "out" / RECORD).read_text("utf-8"))
    assert record["ends"] == ends
    assert _said(ctranslate2, tmp_path / "out") == generate(decoder, bold, QUESTIONS[0])[0]
    config = tmp_path / "out" / "config.json"
    config.write_text(config.read_text("utf-8").replace(written, "<|pad|>"), "utf-8")
    assert written in _said(ctranslate2, tmp_path / "out"), "it would have run on"
    wanted = reference(decoder, bold)
    with pytest.raises(ExportError, match="goes on after"):
        check_ctranslate2(decoder, bold, tmp_path / "out", wanted)


def _said(ctranslate2: Any, folder: Path) -> str:
    """What an exported model says to the first question, its markers included."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = chat_ids(tokenizer, [{"role": "user", "content": QUESTIONS[0]}])
    (result,) = ctranslate2.Generator(str(folder), intra_threads=1).generate_batch(
        [tokenizer.convert_ids_to_tokens(prompt)],
        max_length=80,
        sampling_topk=1,
        include_prompt_in_result=False,
    )
    return str(tokenizer.decode(result.sequences_ids[0]))


def llama_cpp(model: Path) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Asks llama.cpp's own server, which lives as long as the function; caches in float32."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.n_ctx, settings.n_parallel, settings.n_gpu_layers = 1024, 1, 0
    settings.cpuparams.n_threads = 1
    settings.warmup, settings.use_jinja, settings.port = False, True, 0
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(settings)

    def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            server.listening_address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return dict(json.load(reply))

    return ask


def test_llama_cpp_says_the_same_to_fifty_questions(
    pocket: Decoder, bold: Persona, replies: list[str], tmp_path: Path
) -> None:
    """Weights, biases, vocabulary, merges, template, end of turn: each has to be right."""
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    out = tmp_path / "out"
    export_persona(pocket, bold, out, format="gguf-bias")
    said = []
    ask = llama_cpp(out / "model.gguf")
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        prompt = ask("/apply-template", {"messages": messages})["prompt"]
        tokens = ask("/tokenize", {"content": prompt, "parse_special": True})["tokens"]
        assert tokens == pocket.render(persona_chat(bold, question))
        body = {"messages": messages, "temperature": 0, "max_tokens": TOKENS}
        said.append(ask("/v1/chat/completions", body)["choices"][0]["message"]["content"])
    assert said == replies


@pytest.mark.parametrize("prompt", [None, "", 'Be "bold"\nand {{ brave }}, ü 中 \\n.'])
@pytest.mark.parametrize("chat", ["system", "no-system", "drops-system", "none"])
def test_llama_cpp_writes_our_chats(chat: Any, prompt: str | None, tmp_path: Path) -> None:
    """With its own Jinja: the persona's prompt, alone, before a client's and in a user turn."""
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    decoder = fake_decoder("llama", chat=chat)
    persona = Persona(system_prompt=prompt)
    export_persona(decoder, persona, tmp_path / "out", format="gguf-bias")
    ask = llama_cpp(tmp_path / "out" / "model.gguf")
    for turns in CHATS:
        text = ask("/apply-template", {"messages": list(turns)})["prompt"]
        tokens = ask("/tokenize", {"content": text, "parse_special": True})["tokens"]
        assert tokens == decoder.render(persona_chat(persona, list(turns)))


@pytest.mark.parametrize("rule", ["default", "linear", "llama3"])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_llama_cpp_computes_the_same_probabilities(family: str, rule: str, tmp_path: Path) -> None:
    """Of grouped heads, query and key biases, and scaled positions."""
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    scaled: dict[str, Any] = {"rope_type": rule, "rope_theta": 10000.0}
    if rule != "default":
        scaled |= {"factor": 4.0}
    if rule == "llama3":
        scaled |= {
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    decoder = loud(family, rope_parameters=scaled)
    persona = pushed(decoder)
    export_persona(decoder, persona, tmp_path / "out", format="gguf-bias")
    ids = decoder.render(persona_chat(persona, "Do you worry about things? " * 9))
    expected = steered_logits(decoder, persona, ids)[-1].log_softmax(-1)
    assert len(ids) > 64 and int(expected.argmax()) not in decoder.end_ids
    ask = llama_cpp(tmp_path / "out" / "model.gguf")
    body = {"prompt": ids, "n_predict": 1, "n_probs": 50, "temperature": 0}
    (step,) = ask("/completion", body)["completion_probabilities"]
    found = {entry["id"]: entry["logprob"] for entry in step["top_logprobs"]}
    assert len(found) == 50
    for token, logprob in found.items():
        assert logprob == pytest.approx(float(expected[token]), abs=2e-3)


def test_gguf_holds_every_tensor_of_the_baked_model(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    from personalign.model.export.bake import bake
    from personalign.model.export.gguf import interleaved

    decoder = loud("qwen2", dtype=torch.bfloat16)
    persona = pushed(decoder)
    export_persona(decoder, persona, tmp_path / "out", format="gguf-bias")
    tensors = {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type)
        for tensor in gguf.GGUFReader(tmp_path / "out" / "model.gguf").tensors
    }
    state = bake(decoder, persona).model.state_dict()
    assert len(tensors) == len(state)
    for name, stem, heads in (
        ("blk.1.attn_output.bias", "model.layers.1.self_attn.o_proj.bias", None),
        ("blk.1.attn_q.bias", "model.layers.1.self_attn.q_proj.bias", 4),
        ("blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", 2),
        ("output.weight", "lm_head.weight", None),
    ):
        wanted = state[stem] if heads is None else interleaved(state[stem], heads)
        np.testing.assert_array_equal(tensors[name], wanted.float().numpy())


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_ctranslate2_is_right_or_refused(family: str, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="the extra 'export' is not installed")
    decoder = loud(family)
    if family in CONVERTED:
        done = export_persona(decoder, pushed(decoder), tmp_path / "out", format="ctranslate2")
        assert done.difference.largest < 1e-4 < done.difference.effect
        return
    with pytest.raises(ExportError):
        export_persona(decoder, pushed(decoder), tmp_path / "out", format="ctranslate2")
    assert left_in(tmp_path) == []


def test_ctranslate2_losing_the_push_of_a_gemma_is_noticed(tmp_path: Path) -> None:
    """Its loader for Gemma and Gemma 2 drops the bias and says nothing; the comparison does."""
    pytest.importorskip("ctranslate2", reason="the extra 'export' is not installed")
    with pytest.raises(ExportError, match="not the persona"):
        export_persona(
            loud("gemma2"), pushed(loud("gemma2")), tmp_path / "out", format="ctranslate2"
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_harness_is_steered_in_every_family(family: str, tmp_path: Path) -> None:
    """Heads and residual stream, the embeddings' too; no slot is needed."""
    pytest.importorskip("lm_eval", reason="the extra 'eval' is not installed")
    decoder = loud(family)
    push = np.random.default_rng(0).normal(size=(2, 32))
    streams = [1] if family in ("gpt2", "opt", "gpt_neox", "bloom") else [0, 1]
    persona = pushed(decoder, residual=ResidualShift(streams, push[: len(streams)]))
    done = export_persona(decoder, persona, tmp_path / "out", format="lm-eval")
    assert done.difference.largest < 1e-4 < done.difference.effect


def test_the_harness_scores_a_model_from_disk_as_our_hooks_do(model: Path, tmp_path: Path) -> None:
    """Through its command line's own way in: a model's folder and the steering file."""
    pytest.importorskip("lm_eval", reason="the extra 'eval' is not installed")
    from lm_eval.api.instance import Instance
    from lm_eval.api.registry import get_model
    from lm_eval.models.huggingface import HFLM

    decoder = Decoder.load(model, device="cpu")
    persona = pushed(decoder)
    export_persona(decoder, persona, tmp_path / "out", format="lm-eval")
    steered = get_model("steered").create_from_arg_string(
        f"pretrained={model},steer_path={tmp_path / 'out' / 'steer.pt'}",
        {"device": "cpu", "batch_size": 1},
    )
    request = [Instance("loglikelihood", {}, ("Do you trust others?", " Very."), 0)]
    hooked = HFLM(pretrained=decoder.model, tokenizer=decoder.tokenizer)
    with steer_heads(decoder, row_displacements(decoder, [persona])):
        ((ours, _),) = hooked.loglikelihood(request, disable_tqdm=True)
    ((plain, _),) = hooked.loglikelihood(request, disable_tqdm=True)
    ((theirs, _),) = steered.loglikelihood(request, disable_tqdm=True)
    assert theirs == pytest.approx(ours, abs=1e-4)
    assert abs(theirs - plain) > 1e-2


@pytest.mark.parametrize(
    ("persona", "reason"),
    [
        (PLAIN, "--system_instruction"),
        ({"scope": "generated"}, "personalign reason"),
        ({"adapter": "somewhere"}, "merges it"),
    ],
)
def test_what_the_harness_cannot_express(
    persona: Persona | dict[str, Any], reason: str, tmp_path: Path
) -> None:
    decoder = loud("llama")
    asked = persona if isinstance(persona, Persona) else pushed(decoder, **persona)
    with pytest.raises(ExportError, match=reason):
        export_persona(decoder, asked, tmp_path / "out", format="lm-eval")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        (lambda: loud("gemma"), "Llama and what can pass as it.*convert_hf_to_gguf"),
        (
            lambda: loud(
                "llama",
                rope_parameters={"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0},
            ),
            "'yarn'.*convert_hf_to_gguf",
        ),
    ],
)
def test_what_is_not_written_as_gguf_has_a_route(
    decoder: Callable[[], Decoder], reason: str, tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="the extra 'export' is not installed")
    made = decoder()
    with pytest.raises(ExportError, match=reason):
        export_persona(made, pushed(made), tmp_path / "out", format="gguf-bias")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("format", "package"),
    [("ctranslate2", "ctranslate2"), ("gguf-bias", "gguf"), ("lm-eval", "lm_eval.models")],
)
def test_a_missing_engine_is_named(
    format: Format, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    if package == "lm_eval.models":
        monkeypatch.delitem(sys.modules, "lm_eval.models.hf_steered", raising=False)
    decoder = loud("llama")
    with pytest.raises(MissingPackageError, match=r"pip install .personalign\[(export|eval)\]"):
        export_persona(decoder, pushed(decoder), tmp_path / "out", format=format)
    assert left_in(tmp_path) == []
