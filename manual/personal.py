"""What each table of the ledger holds about a person, and what becomes of it on erasure: from the code that does it."""

from __future__ import annotations

from collections.abc import Iterator

from agent.ledger.privacy.tables import LEDGER

_HEAD = """# What is held about a person

Every table of the ledger, what it says about a person, and what `learner erase` does with it. This page is made from
the code that does it, and a table that is not on it fails a test. `learner export` shows what each of them says of one
person.
How to answer requests: [Privacy](../admin/privacy.md).
"""
_FATES = {
    "removed": "goes",
    "cleared": "stays without the person",
    "kept": "stays",
}


def personal_page() -> str:
    """The page, as Markdown."""
    return "\n".join((_HEAD.rstrip(), *_tables())) + "\n"


def _tables() -> Iterator[str]:
    yield "\n## With something about people\n"
    yield "| table | holds | on erasure | because |\n|---|---|---|---|"
    for name, table in LEDGER.items():
        if table.holds:
            yield f"| `{name}` | {table.holds} | {_FATES[table.fate]} | {table.why} |"
    yield "\n## With nothing about anybody\n"
    yield "| table | holds |\n|---|---|"
    for name, table in LEDGER.items():
        if not table.holds:
            yield f"| `{name}` | {table.why} |"
    yield _INBOX


_INBOX = """
Beside the ledger stands `inbox.db`: posts as they came, for `payloads_keep` after they were read. On erasure the
person's posts go, and of a post about many only what is theirs; of refused posts all that could be theirs."""
