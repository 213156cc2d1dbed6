"""Every evaluation of a run, on a tiny model: raw rows, resumed, reported, in files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from personalign.bench.export_table import ENDINGS
from personalign.bench.measures import MEASURES
from personalign.bench.run.compare import compare_runs
from personalign.bench.run.folder import RunFolder
from personalign.bench.run.gather import gathered, sections
from personalign.bench.run.report import NUMBERS, PAGE, write_run_report
from personalign.bench.run.run import run_bench
from personalign.errors import EvaluationError

TOML = """
title = "All of it <b>"
about = "Every evaluation & more."
block = 2

[model]
name = "{model}"

[people]
simulated = 12
seed = 3
first = 4

[methods]
names = ["none", "pas", "two"]
settings.pas.heads = 2
settings.two = {{ method = "pas", heads = 3 }}

[evaluations.aligned]
groups = ["sex"]
smallest_group = 2

[evaluations.open-ended]
statements = 2
max_new_tokens = 6
examples = 1

[evaluations.causal]

[evaluations.assistants]
prompts = "{prompts}"
number = 2
people = 3
max_new_tokens = 5
examples = 1

[evaluations.alphas]
people = 1
strengths = [0.0, "best", 7.0]
max_new_tokens = 5

[evaluations.effects]

[evaluations.cost]
people = 1
"""


@pytest.fixture(scope="module")
def done(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of every evaluation that needs no data."""
    place = tmp_path_factory.mktemp("all")
    (place / "prompts.txt").write_text("How do I bake bread?\nWhat is rain?\nTell me a story.\n")
    toml = place / "all.toml"
    toml.write_text(TOML.format(model=model, prompts=place / "prompts.txt"))
    return run_bench(toml, place / "out")


@pytest.mark.slow
def test_every_evaluation_is_there_of_everybody(done: RunFolder) -> None:
    found = gathered(done)
    assert set(found) == set(MEASURES) - {"reasoning"}
    people = found["causal"].people.ids
    for name in ("causal", "effects"):
        for method in ("none", "pas", "two"):
            assert [row["person"] for row in found[name].rows(method, 0)] == list(people)
    texts = [row for row in found["open-ended"].rows("pas", 0) if row["kind"] == "texts"]
    judged = [row for row in found["open-ended"].rows("pas", 0) if row["kind"] == "verdicts"]
    assert len(texts) == len(judged) == 2 * 4
    assert len(found["assistants"].rows("two", 0)) == 3 * 2 * 3
    assert found["alphas"].rows("pas", 0)[0]["alpha"] == 0.0
    assert found["alphas"].rows("none", 0) == []  # nothing for alpha to scale


@pytest.mark.slow
def test_one_evaluation_alone_gives_the_same_rows_as_all_together(
    done: RunFolder, tmp_path: Path
) -> None:
    """Personas are made once for all evaluations; nobody's rows depend on that."""
    text = (done.folder / "run.toml").read_text()
    kept = text.split("[evaluations.")[0]
    for name in ("causal", "effects"):
        toml = tmp_path / f"{name}.toml"
        toml.write_text(f"{kept}\n[evaluations.{name}]\n")
        alone = gathered(run_bench(toml, tmp_path / name))[name]
        for method in ("none", "pas", "two"):
            assert alone.rows(method, 0) == gathered(done)[name].rows(method, 0)


class _Page(HTMLParser):
    """What a page asks of the world, and its headings."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tables += tag == "table"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href") and not (value or "").startswith("#"):
                self.asked.append(f"{tag} {name}={value}")
            assert not name.startswith("on"), f"a script in {tag}"


@pytest.mark.slow
def test_the_page_asks_for_nothing_and_every_table_is_a_file_too(done: RunFolder) -> None:
    page = write_run_report(done, sections(done))
    text = page.read_text("utf-8")
    seen = _Page()
    seen.feed(text)
    assert seen.asked == [] and "<script" not in text and "url(http" not in text
    assert len(seen.ids) == len(set(seen.ids)), "an id stands there twice"
    assert "All of it &lt;b&gt;" in text and "Every evaluation &amp; more." in text
    tables = [table for section in sections(done) for table in section.tables]
    assert seen.tables == len(tables) + 1  # and the facts
    for ending in ENDINGS:
        assert len(list(page.parent.glob(f"*{ending}"))) == len(tables)
    for path in page.parent.glob("*.csv"):
        rows = list(csv.reader(path.read_text("utf-8").splitlines()))
        assert len({len(row) for row in rows if row}) == 1, path.name
    for section in sections(done):
        for figure in section.figures:
            assert re.search(r"\d|people", figure.caption), figure.caption
    assert not (done.folder / PAGE).exists()
    numbers = json.loads((page.parent / NUMBERS).read_text("utf-8"))
    score = numbers["How close the answers come"]["methods"]["pas"]["composite"]
    (row,) = (row for row in tables[0].rows if row[0] == "pas")
    assert str(row[1]).startswith(f"{score:.2f} (")
    assert set(numbers["Does the persona follow the person?"]) == {"none", "pas", "two"}


@pytest.mark.slow
def test_two_runs_are_compared_person_by_person(done: RunFolder, tmp_path: Path) -> None:
    text = (done.folder / "run.toml").read_text().split("[evaluations.open-ended]")[0]
    toml = tmp_path / "other.toml"
    toml.write_text(text.replace("settings.pas.heads = 2", "settings.pas.heads = 4"))
    other = run_bench(toml, tmp_path / "other")
    found = compare_runs(done, other)
    assert found.paired and found.differs["methods.settings.pas.heads"] == (2, 4)
    by_name = {row[0]: row for row in found.table.rows}
    assert set(by_name) == {"none", "pas", "two"}
    assert str(by_name["none"][3]).startswith("+0.00 (")  # the same model, the same people
    toml.write_text(text.replace("seed = 3", "seed = 4"))
    strangers = run_bench(toml, tmp_path / "strangers")
    assert not compare_runs(done, strangers).paired
    toml.write_text(text.split("[evaluations.")[0] + "[evaluations.effects]\n")
    with pytest.raises(EvaluationError, match="no complete aligned scores"):
        compare_runs(done, run_bench(toml, tmp_path / "effects"))


def test_a_run_that_is_not_finished_says_what_is_missing(
    toml: Path, tmp_path: Path, rows_of: Callable[[Path], dict[str, bytes]]
) -> None:
    folder = run_bench(toml, tmp_path / "out")
    for path in list(folder.folder.glob("few-shot-*/people-00002*")):
        path.unlink()
    text = write_run_report(folder, sections(folder)).read_text("utf-8")
    assert "This run is not finished" in text and "aligned of few-shot (seed 0): 2 of 3" in text
    assert [m.name for m in gathered(folder)["aligned"].measured] == ["none"]
    for path in list(folder.folder.glob("none-*/*.npz")):
        path.unlink()
    with pytest.raises(EvaluationError, match=r"Nothing in .* is complete yet"):
        sections(folder)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="holds no run"):
        sections(RunFolder(tmp_path))


REASONING = """
title = "Reasoning"
[model]
name = "{model}"
[people]
simulated = 2
[methods]
names = {names}
settings.pas.heads = 2
[evaluations.reasoning]
data = "$PERSONALIGN_DATA/reasoning"
tasks = ["coin", "svamp"]
limit = 3
max_new_tokens = 4
{more}
"""


@pytest.mark.slow
def test_reasoning_compares_the_ends_of_a_trait_with_the_plain_model(
    model: Path, tmp_path: Path, released: Path
) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed: the extra 'eval'")
    toml = tmp_path / "reasoning.toml"
    toml.write_text(REASONING.format(model=model, names='["none", "pas"]', more=""))
    folder = run_bench(toml, tmp_path / "out")
    rows = gathered(folder)["reasoning"]
    assert {row["persona"] for row in rows.rows("none", 0)} == {"base"}
    assert {row["persona"] for row in rows.rows("pas", 0)} == {"pas C+1", "pas C-1"}
    (section,) = sections(folder)
    assert section.tables[0].columns[2:] == ("base", "pas C+1", "pas C-1")
    toml.write_text(REASONING.format(model=model, names='["none", "few-shot"]', more=""))
    text = toml.read_text().replace("settings.pas.heads = 2\n", "")
    toml.write_text(text)
    with pytest.raises(EvaluationError, match="pushes nothing, so there is no alpha"):
        run_bench(toml, tmp_path / "few")
    toml.write_text(text.replace("limit = 3", 'limit = 3\nway = "answers"'))
    answers = gathered(run_bench(toml, tmp_path / "answers"))["reasoning"]
    assert {row["persona"] for row in answers.rows("few-shot", 0)} == {
        "few-shot C high",
        "few-shot C low",
    }
