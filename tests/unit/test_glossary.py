"""The glossary has every word that an administrator types or writes, once and where it is looked for."""

from __future__ import annotations

import re

import typer

from tests.pages import DOCS, OF_RULES, programs

ROWS = re.findall(r"^\| (.+?) \| (.+) \|$", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)[2:]
FIRST = [re.findall(r"\*\*(.+?)\*\*", word)[0] for word, _ in ROWS]
WORDS = set(re.findall(r"\*\*(.+?)\*\*", " ".join(f"{word} {meaning}" for word, meaning in ROWS)))
SAID_OTHERWISE = {"deny": "denial", "safety": "brake", "archive": "archived month", "issue": "issue limit"}
"""What is typed, and the word that says what it is."""
NO_NOUNS = {
    *("audit", "finance", "import", "sync", "rules", "events"),  # what is done, or of what there are many
    *("schema", "timezone", "day_starts_at", "week_starts_on", "defaults", "calendar", "person"),  # settings
}


def test_what_commands_are_about_and_what_rules_are_made_of_is_explained() -> None:
    groups = {
        name
        for program in programs().values()
        for name in program.list_commands(typer.Context(program))
        if hasattr(program.get_command(typer.Context(program), name), "get_command")
    }
    asked = {SAID_OTHERWISE.get(word, word) for word in (groups | OF_RULES) - NO_NOUNS}
    assert len(asked) > 30
    assert {word for word in asked if not any(word in (known, f"{known}s") for known in WORDS)} == set()


def test_each_word_stands_once_and_in_the_order_of_the_alphabet() -> None:
    assert len(FIRST) > 80
    assert sorted(set(FIRST), key=str.lower) == FIRST
