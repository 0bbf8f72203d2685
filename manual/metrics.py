"""Every figure that a running agent or catalogue tells Prometheus, read from the places in the code that make them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from agent import metrics
from agent.service.health import figures
from catalogue.health import counts
from catalogue.health import figures as books
from catalogue.server import status

_KINDS = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "GaugeMetricFamily": "gauge",
    "HistogramMetricFamily": "histogram",
}
_HEAD = """# Every figure

At `/metrics` of the status address ([agent](../ops/monitoring.md), [catalogue](../ops/catalogue-monitoring.md)), in
Prometheus' format. No learner is in them, not even by pseudonym, and in the catalogue's no campus. Counters count from
the start of the process. Names do not change between versions.
"""
_TABLE = """
## {title}

| name | kind | labels | meaning |
|---|---|---|---|
"""
_PROGRAMS = {"The agent": (metrics, figures), "The catalogue": (counts, books, status)}


def metrics_page() -> str:
    """The page, as Markdown."""
    return _HEAD + "".join(_table(title, modules) for title, modules in _PROGRAMS.items())


def _table(title: str, modules: Iterable[ModuleType]) -> str:
    found = sorted(row for module in modules for row in _made(Path(module.__file__ or "")))
    rows = (f"| `{name}` | {kind} | {labels} | {about} |\n" for name, kind, labels, about in found)
    return _TABLE.format(title=title) + "".join(rows)


def _made(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, labels, what it tells) of each figure that a file makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.DictComp) and isinstance(node.value, ast.Call) and _kind(node.value):
            pairs = ast.literal_eval(node.generators[0].iter)
            for name, about in pairs:
                yield from _one(node.value, str(name), str(about))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield from _one(node, "", "")


def _kind(call: ast.Call) -> str:
    return _KINDS.get(call.func.id, "") if isinstance(call.func, ast.Name) else ""


def _one(call: ast.Call, part: str, about: str) -> Iterator[tuple[str, str, str, str]]:
    kind = _kind(call)
    if not kind:
        return
    first, told, *rest = call.args
    name = str(first.value) if isinstance(first, ast.Constant) else f"rewards_source_{part}"
    given = [keyword.value for keyword in call.keywords if keyword.arg == "labels"] or rest
    labels = ", ".join(f"`{label}`" for label in ast.literal_eval(given[0])) if given else ""
    suffix = "_total" if kind == "counter" else ""
    yield name + suffix, kind, labels, str(told.value) if isinstance(told, ast.Constant) else about
