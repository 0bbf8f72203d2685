"""docs/admin/rules.md teaches the whole language: each table with each of its keys, in one file that loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from agent.config.kinds import KindTable
from agent.config.rulefile import RuleFile, load_rules
from agent.config.rulefile.models import RulesPart
from agent.config.rulefile.tables.condition import Active, Audience, Conditions
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.unit.config.test_rules_example import models_in, options

PAGE = (Path(__file__).parents[2] / "docs" / "admin" / "rules.md").read_text(encoding="utf-8")
BOXES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RULES_END = PAGE.index("## Names: ")
"""Up to here the page is about `[[rule]]`."""


def keys() -> Iterator[tuple[str, str]]:
    """Each table of a rule file with each of its keys; what is inside it too, unless a rule has the same inside."""
    for name, field in RulesPart.model_fields.items():
        table = field.alias or name
        told_before: set[type[BaseModel]] = set() if table == "rule" else {Active, Audience, Conditions}
        yield table, table
        yield from ((table, key) for model in models_in(field.annotation) for key in options(model, told_before))


def told_of(table: str) -> str:
    """Where the page speaks of a table: up to the names for rules, and wherever a heading or box begins it."""
    if table == "rule":
        return PAGE[:RULES_END]
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return "".join(
        section for section in sections if re.search(rf"\[{{1,2}}{table}\b|^{table} ", section, re.MULTILINE)
    )


@pytest.mark.parametrize(("table", "key"), sorted(set(keys())))
def test_every_key_of_the_language_is_taught_where_its_table_is(table: str, key: str) -> None:
    assert re.search(rf"\b{re.escape(key)}\b", told_of(table))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> RuleFile:
    rules = tmp_path_factory.mktemp("taught") / "rules.toml"
    rules.write_text("\n".join(BOXES), encoding="utf-8")
    return load_rules([rules])


def test_all_boxes_together_are_one_file_that_means_what_it_says(taught: RuleFile) -> None:
    assert taught.warnings == ()
    assert [result.failures for result in run_cases(taught, compile_rules(taught, KindTable()))] == [(), ()]


def test_every_table_stands_in_a_box() -> None:
    written = "\n".join(BOXES)
    tables = [field.alias or name for name, field in RulesPart.model_fields.items()]
    assert [name for name in tables if not re.search(rf"^(\[+{name}\b|{name} )", written, re.MULTILINE)] == []
