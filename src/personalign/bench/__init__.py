"""Methods run over people: raw answers kept, tables and reports derived from them."""

from __future__ import annotations

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.rows import Evaluation, Row
from personalign.bench.store import ResultStore

__all__ = ["Evaluation", "ResultStore", "Row", "evaluate_methods"]
