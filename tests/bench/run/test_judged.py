"""A run whose open-ended texts are judged by a real server: each text once, over all sittings."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.bench.run.gather import gathered, sections
from personalign.bench.run.run import run_bench
from personalign.errors import EvaluationError
from tests.model.endpoint import serving

pytest.importorskip("openai")

TOML = """
title = "Judged"
block = 1
[model]
name = "{model}"
[people]
simulated = 3
[methods]
names = ["none", "few-shot"]
settings.few-shot.answers = 4
[evaluations.open-ended]
statements = 2
max_new_tokens = 6
judge = "api:parrot-small"
second = "api:parrot-large"
base_url = "{url}"
side_by_side = true
"""


def says(messages: list[dict[str, str]]) -> str:
    """A level by the length of the question; of two texts, always the first."""
    asked = messages[-1]["content"]
    if "[Response B]" in asked:
        return "The first reads better.\nA\nA"
    return f"It fits.\n{1 + len(asked) % 6}\n{1 + len(asked) % 6}"


def without(row: dict, key: str) -> dict:
    return {name: value for name, value in row.items() if name != key}


def test_every_text_is_judged_once_over_all_sittings(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path / "cache"))
    with serving() as server:
        server.say = says
        toml = tmp_path / "judged.toml"
        toml.write_text(TOML.format(model=model, url=server.url))
        folder = run_bench(toml, tmp_path / "out")
        asked = len(server.requests)
        rows = gathered(folder)["open-ended"].rows("few-shot", 0)
        kinds = [row["kind"] for row in rows]
        assert kinds.count("texts") == kinds.count("verdicts") == kinds.count("second") == 6
        assert kinds.count("compared") == 6
        unjudged = [row["reason"] for row in rows if row.get("score", 1) is None]
        assert unjudged == []
        for path in folder.folder.glob("open-ended-few-shot-*/people-00002*"):
            path.unlink()
        again = run_bench(toml, tmp_path / "out")
        assert len(server.requests) == asked, "a verdict on disk was asked for again"
        anew = gathered(again)["open-ended"].rows("few-shot", 0)
        assert [without(row, "requests") for row in anew] == [
            without(row, "requests") for row in rows
        ]
    text = " ".join(
        note for section in sections(again) for table in section.tables for note in table.notes
    )
    assert "sk-secret" not in str((folder.folder / "facts.json").read_text())
    assert "kappa" in text and "order" in text  # what the second judge and the order say


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'judge = "api:parrot-small"',
            'judge = "parrot-small"',
            "a judge is 'likelihood', or api:NAME",
        ),
        ('judge = "api:parrot-small"', "", "side_by_side needs a judge that reads two texts"),
    ],
)
def test_judges_that_cannot_be(
    model: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    toml = tmp_path / "judged.toml"
    toml.write_text(TOML.format(model=model, url="http://127.0.0.1:1").replace(old, new))
    with pytest.raises(EvaluationError, match=message):
        run_bench(toml, tmp_path / "out")
