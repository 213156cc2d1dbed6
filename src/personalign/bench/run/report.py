"""A run as one HTML page; beside it its tables as Markdown, LaTeX and CSV, its numbers as JSON.

The page asks for nothing outside itself, follows the reader's light or dark setting, reads on a
phone and prints. Every table has the command that makes its numbers again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.bench.export_table import ENDINGS
from personalign.bench.measures.base import Section
from personalign.bench.run.folder import SPEC, RunFolder
from personalign.bench.run.gather import command, standing
from personalign.dataset.files import replacing

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE, NUMBERS = "index.html", "numbers.json"


def write_run_report(
    folder: RunFolder, parts: Sequence[Section], out: Path | str | None = None
) -> Path:
    """Write the page and the tables' files; what is not complete yet is left out and said.

    parts: of `gather.sections`. out: a folder; the run's own "report" if left out. Returns the
    page's path.
    """
    target = Path(out) if out is not None else folder.folder / "report"
    with replacing(target / PAGE) as temporary:
        temporary.write_text(run_page(folder, parts), encoding="utf-8")
    numbers = {part.title: part.numbers for part in parts if part.numbers}
    with replacing(target / NUMBERS) as temporary:
        temporary.write_text(json.dumps(numbers, indent=2, allow_nan=False) + "\n", "utf-8")
    for name, table in table_files(parts):
        for ending in ENDINGS:
            table.write(target / f"{name}{ending}")
    return target / PAGE


def table_files(parts: Sequence[Section]) -> list[tuple[str, Any]]:
    """(file name without ending, table) of every table; names tell tables apart."""
    found: list[tuple[str, Any]] = []
    for section in parts:
        for table in section.tables:
            name = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")[:60] or "table"
            taken = [one for one, _ in found]
            number = 2
            unique = name
            while unique in taken:
                unique, number = f"{name}-{number}", number + 1
            found.append((unique, table))
    return found


def run_page(folder: RunFolder, parts: Sequence[Section]) -> str:
    """The report as HTML text."""
    from jinja2 import Environment

    templates = files("personalign.bench") / "templates"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"marked": marked, "interval_below": interval_below}
    template = environment.from_string((templates / "run.html").read_text(encoding="utf-8"))
    return template.render(
        spec=folder.spec(),
        style=(templates / "report.css").read_text(encoding="utf-8"),
        sections=parts,
        standing_line=_standing(folder),
        facts=told_facts(folder),
        command=command(folder),
        toml=(folder.folder / SPEC).read_text(encoding="utf-8"),
    )


def marked(sentence: str) -> Markup:
    """A sentence as HTML, what stands between backticks as code.

    >>> marked("`a < b`, or not")
    Markup('<code>a &lt; b</code>, or not')
    """
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))


def interval_below(cell: str | float | None) -> Markup:
    """A cell as HTML, what it ends with in brackets in small print below: columns stay narrow.

    >>> interval_below("+0.62 (0.54 to 0.71)")
    Markup('+0.62<small>0.54 to 0.71</small>')
    """
    from markupsafe import Markup, escape

    if cell is None:
        return Markup("–")
    found = re.fullmatch(r"(\S.*?) \(([^()]*)\)", str(cell))
    if found is None:
        return Markup(escape(str(cell)))
    return Markup(f"{escape(found[1])}<small>{escape(found[2])}</small>")


def told_facts(folder: RunFolder) -> dict[str, str]:
    """What the run was made with, as the page tells it."""
    facts, spec = folder.facts(), folder.spec()
    machine = facts["hardware"]
    return {
        "model": f"{facts['model']} ({facts['fingerprint'][:12]})",
        "people": f"{facts['source']} ({facts['people'][:12]})",
        "methods": ", ".join(_told(method) for method in facts["methods"]),
        "seeds": ", ".join(map(str, spec.seeds)),
        "asked": f"wording {spec.wording}, decision {spec.decision}, protocol {spec.protocol}",
        "run": facts["digest"][:12],
        "Personalign": f"{facts['version']}, commit {facts['commit'] or 'unknown'}",
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items() if value),
    }


def _told(method: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in method["settings"].items())
    return f"{method['name']} ({settings})" if settings else str(method["name"])


def _standing(folder: RunFolder) -> str | None:
    """What is still to come, in a sentence; None for a finished run."""
    missing = [one for one in standing(folder) if one.people < one.whole]
    if not missing:
        return None
    listed = ", ".join(
        f"{one.part.evaluation} of {one.part.method} (seed {one.part.seed}): "
        f"{one.people} of {one.whole} people"
        for one in missing[:6]
    )
    more = f", and {len(missing) - 6} more" if len(missing) > 6 else ""
    return f"This run is not finished; left out are {listed}{more}."
