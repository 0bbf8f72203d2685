"""Every event that the programs may log, with what each line carries, read from the places in the code that log it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import agent.log
import catalogue.log

_ROOT = Path(__file__).parents[1]
_LEVELS = ("debug", "info", "warning", "error")
_HEAD = """# Every event in the logs

Both programs log to standard error: a line of JSON for each event, with `event`, `level` and `timestamp` (UTC), in a
journal or a file; readable lines on a terminal. The names are a closed list, so alerts can be built on them. No person
and no secret is in any line. `library` is what the code of others says, from warnings on, with its `message`.
"""
_PROGRAMS = {"agent": ("The agent", agent.log.EVENTS), "catalogue": ("The catalogue", catalogue.log.EVENTS)}
_CATALOGUE = "While a request is answered each line has its `route` too, as the router writes it.\n"


def log_page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    for room, (title, listed) in _PROGRAMS.items():
        found = _logged(room)
        parts.append(f"## {title}\n")
        parts += [_CATALOGUE] if room == "catalogue" else []
        parts.append("| event | level | with |\n|---|---|---|")
        parts += [_row(name, *found.get(name, (set(), set()))) for name in sorted(listed)]
        parts.append("")
    return "\n".join(parts)


def _row(name: str, levels: set[str], fields: set[str]) -> str:
    told = ", ".join(sorted(levels, key=_LEVELS.index)) or "warning and worse"
    return f"| `{name}` | {told} | {', '.join(f'`{field}`' for field in sorted(fields))} |"


def _logged(room: str) -> dict[str, tuple[set[str], set[str]]]:
    """Event → its levels and the names of what its lines carry."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for path in (*(_ROOT / room).rglob("*.py"), *(_ROOT / "machine").rglob("*.py")):
        for name, level, fields in _in(path):
            found[name][0].add(level)
            found[name][1].update(fields)
    return found


def _in(path: Path) -> Iterator[tuple[str, str, set[str]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log" | "logger" | "_log"), attr=level),
                args=[ast.Constant(value=str(name)), *_],
                keywords=keywords,
            ) if level in _LEVELS:
                yield name, level, {keyword.arg for keyword in keywords if keyword.arg}
