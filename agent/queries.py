"""Named SQL: reads `-- name: …` statements from a `.sql` file that stands beside the code that runs them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

_MARK = "-- name:"


def parse(text: str) -> dict[str, str]:
    """The statements of a text in which each begins with a line `-- name: some_name`."""
    statements: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(_MARK):
            current = statements.setdefault(line[len(_MARK) :].strip(), [])
        elif current is not None:
            current.append(line)
    return {name: "\n".join(lines).strip().rstrip(";") for name, lines in statements.items()}


def load(package: str, filename: str) -> Mapping[str, str]:
    """The named statements of ``filename`` inside ``package``.

    Raises:
        FileNotFoundError: the file is not part of the installation.
    """
    return parse(resources.files(package).joinpath(filename).read_text(encoding="utf-8"))
