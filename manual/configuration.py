"""Every key of config.toml and catalogue.toml, from examples held to the code; of a file of rules, from its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.config.rulefile.schema import rules_schema
from catalogue.config import EXAMPLE

_ROOT = Path(__file__).parents[1]
_TABLE = re.compile(r"^#?(\[\[?[\w.]+\]\]?)\s*(?:#\s*(.*))?$")
_KEY = re.compile(r"^#?(\w+)\s*=\s*(.*?)(?:\s{2,}#\s*(.*))?$")
_CATALOGUE_KEY = re.compile(r"^# (\w+)\s*=\s*(.*?)\s+# (.*)$")
_CONFIG = """# Every key of config.toml

Made from `config.example.toml`, which a test holds to the code. What is required says so; of everything else the value
shown is what holds without it, or an example where it says "no default". Paths are relative to the file. Durations are
texts with a unit (`30m`, `1d`); names ending in `_s` are numbers of seconds.
"""
_CATALOGUE = """# Every key of catalogue.toml

Made from the file that `rewards-catalogue init` writes. What is shown is what holds without it, or an example where it
says "no default". Paths are relative to the file; the key files and an embedded database to `data_dir`.
[Watching the catalogue](../ops/catalogue-monitoring.md) says what a running server takes on.
"""
_RULES = """# Every key of a file of rules

Made from the code. [What a rule can say](../admin/rules.md) teaches them with examples; `rewards-agent rules schema`
prints the same for an editor that completes TOML.
"""


def config_page() -> str:
    """The page, as Markdown."""
    text = (_ROOT / "config.example.toml").read_text(encoding="utf-8")
    return "\n".join((_CONFIG.rstrip(), *_tables(text))) + "\n"


def _tables(text: str) -> Iterator[str]:
    about: list[str] = []
    begun = False
    for line in text.splitlines():
        table, key = _TABLE.match(line), _KEY.match(line)
        if table is not None:
            yield f"\n## `{table[1]}`\n"
            yield " ".join(about) or (table[2] or "")
            yield "\n| key | value | meaning |\n|---|---|---|"
            about, begun = [], True
        elif begun and key is not None and not line.startswith("# "):
            yield f"| `{key[1]}` | `{_cell(key[2].strip())}` | {_cell(key[3] or '')} |"
        elif line.startswith("# "):
            about.append(line[2:].strip())
        elif not line.strip():
            about = []


def catalogue_page() -> str:
    """The page, as Markdown."""
    parts = [_CATALOGUE]
    for line in EXAMPLE.splitlines():
        if table := _TABLE.match(line):
            parts.append(f"## `{table[1]}`\n\n| key | value | meaning |\n|---|---|---|\n")
        elif key := _CATALOGUE_KEY.match(line):
            parts.append(f"| `{key[1]}` | `{_cell(key[2])}` | {_cell(key[3])} |\n")
        elif not line:
            parts.append("\n")
    return "".join(parts)


def rules_page() -> str:
    """The page, as Markdown."""
    schema = rules_schema()
    return "\n".join((_RULES.rstrip(), *_schema_tables(schema))) + "\n"


def _schema_tables(schema: dict[str, Any]) -> Iterator[str]:
    definitions = schema.get("definitions") or schema.get("$defs") or {}
    yield "\n## The file itself\n"
    yield from _properties(schema)
    for name, one in sorted(definitions.items()):
        if one.get("properties"):
            yield f"\n## {name}\n"
            if one.get("description"):
                yield f"{one['description'].splitlines()[0]}\n"
            yield from _properties(one)


def _properties(table: dict[str, Any]) -> Iterator[str]:
    yield "| key | without it | for example |\n|---|---|---|"
    required = set(table.get("required", ()))
    for key, one in table.get("properties", {}).items():
        without = "required" if key in required else _code(one.get("default"))
        yield f"| `{key}` | {without} | {', '.join(_code(example) for example in _examples(one)[:3])} |"


def _examples(one: dict[str, Any]) -> list[Any]:
    """What may be written: examples, or the words of a list, of the first form that has any."""
    found = one.get("examples") or one.get("enum") or ([one["const"]] if "const" in one else [])
    inner = [*one.get("anyOf", ()), *([one["items"]] if isinstance(one.get("items"), dict) else ())]
    return list(found) or next((told for each in inner if (told := _examples(each))), [])


def _code(value: Any) -> str:
    return "" if value in (None, [], {}) else f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
