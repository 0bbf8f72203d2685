"""Every HTTP path, from the OpenAPI documents: those of the catalogue for programs, the door of an agent for posts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.collectors.door.app import DoorSource
from agent.collectors.door.credentials import Credentials
from agent.collectors.door.document import described as door_document
from agent.collectors.systems.registry import SYSTEMS
from agent.config.secrets import Secret
from catalogue.api.document import document as catalogue_document
from catalogue.api.versions import VERSIONED

_HEAD = """# Every HTTP path

Made from the OpenAPI documents that the programs serve: the catalogue at `/api/openapi.json`, an agent at
`/openapi.json` of its status address, there with the paths and credentials of its own configuration. What begins with
`/api/` at the catalogue is served under `/api/v1/` too.
"""


def api_page() -> str:
    """The page, as Markdown."""
    source = DoorSource(
        name="trigger",
        kind="tool-trigger",
        site="moodle",
        path="/api/public/hook/moodle/event",
        credentials=Credentials(tokens=(Secret("-"),)),
        system=SYSTEMS["tool-trigger"],
        rate_per_s=500.0,
        body_bytes_max=262_144,
    )
    parts = [_HEAD.rstrip(), "\n## The catalogue", *_paths(catalogue_document())]
    parts += ["\n## An agent's door, for example", *_paths(door_document([source]))]
    return "\n".join(parts) + "\n"


def _paths(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        if path.startswith(VERSIONED):
            continue
        for method, one in methods.items():
            if not isinstance(one, Mapping) or "responses" not in one:
                continue
            yield f"\n### {method.upper()} {path}\n"
            yield str(one.get("description") or one.get("summary") or "").strip()
            parameters = one.get("parameters", ())
            if parameters:
                yield "\n| parameter | meaning |\n|---|---|"
                yield from (f"| `{each['name']}` | {_cell(each.get('description', ''))} |" for each in parameters)
            yield "\n| answer | meaning |\n|---|---|"
            yield from (f"| {code} | {_cell(said.get('description', ''))} |" for code, said in one["responses"].items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
