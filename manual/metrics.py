"""Every figure that a running agent tells Prometheus, read from the places in the code that make them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from agent import metrics
from agent.service.health import figures

_KINDS = {"Counter": "counter", "CounterMetricFamily": "counter", "GaugeMetricFamily": "gauge"}
_HEAD = """# Every figure

At `/metrics` of the [status address](../ops/monitoring.md), in Prometheus' format. No learner is in them, not even by
pseudonym. Counters count from the start of the process. Names do not change between versions.

| name | kind | labels | |
|---|---|---|---|
"""


def metrics_page() -> str:
    """The page, as Markdown."""
    found = sorted(row for module in (metrics, figures) for row in _made(Path(module.__file__ or "")))
    return _HEAD + "".join(f"| `{name}` | {kind} | {labels} | {about} |\n" for name, kind, labels, about in found)


def _made(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, labels, what it tells) of each figure that a file makes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.DictComp) and isinstance(node.value, ast.Call):
            pairs = ast.literal_eval(node.generators[0].iter)
            for name, about in pairs:
                yield from _one(node.value, str(name), str(about))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield from _one(node, "", "")


def _one(call: ast.Call, part: str, about: str) -> Iterator[tuple[str, str, str, str]]:
    made = call.func.id if isinstance(call.func, ast.Name) else ""
    if made not in _KINDS:
        return
    first, told, *rest = call.args
    name = str(first.value) if isinstance(first, ast.Constant) else f"rewards_source_{part}"
    given = [keyword.value for keyword in call.keywords if keyword.arg == "labels"] or rest
    labels = ", ".join(f"`{label}`" for label in ast.literal_eval(given[0])) if given else ""
    kind = _KINDS[made]
    suffix = "_total" if kind == "counter" else ""
    yield name + suffix, kind, labels, str(told.value) if isinstance(told, ast.Constant) else about
