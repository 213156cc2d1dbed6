"""The evaluations a run can ask for, by name. A new one is one file here and one line below."""

from __future__ import annotations

from personalign.bench.measures.aligned import Aligned
from personalign.bench.measures.base import Measure

MEASURES: dict[str, type[Measure]] = {measure.name: measure for measure in (Aligned,)}
"""Every evaluation; `description` says what each measures."""
