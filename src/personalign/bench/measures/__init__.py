"""The evaluations a run can ask for, by name. A new one is one file here and one line below."""

from __future__ import annotations

from personalign.bench.measures.aligned import Aligned
from personalign.bench.measures.alphas import Alphas
from personalign.bench.measures.assistants import Assistants
from personalign.bench.measures.base import Measure
from personalign.bench.measures.causal import Causal
from personalign.bench.measures.cost import Cost
from personalign.bench.measures.effects import Effects
from personalign.bench.measures.open_ended import OpenEnded
from personalign.bench.measures.reasoning import Reasoning

MEASURES: dict[str, type[Measure]] = {
    measure.name: measure
    for measure in (Aligned, OpenEnded, Reasoning, Causal, Assistants, Alphas, Effects, Cost)
}
"""Every evaluation; `description` says what each measures."""
