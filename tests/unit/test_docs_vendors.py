"""The pages of the manual about systems that post: their sources are accepted, their rules load and are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.config.settings import load_settings
from agent.config.support import check
from agent.config.tables.pull import ASKED
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.pages import DOCS, blocks
from tests.rule_stories import rule, rulebook

PAGES = {kind: f"{kind}.md" for kind in ("canvas", "kajabi", "learnworlds", "thinkific", "xapi")}


def test_every_system_that_posts_has_a_page() -> None:
    assert {*PAGES, "tool-trigger", "generic"} == SYSTEMS.keys()


@pytest.mark.parametrize("kind", sorted(PAGES))
def test_the_source_and_the_rules_of_a_vendors_page_are_accepted_as_they_stand(kind: str, tmp_path: Path) -> None:
    found = blocks(DOCS / "integrations" / PAGES[kind], "toml")
    sources = [block for block in found if "[[source]]" in block]
    rules = [block for block in found if block not in sources]
    assert any("[source.pull]" in source for source in sources) == (kind in ASKED)
    config = tmp_path / "config.toml"
    for source in sources:
        config.write_text(f'[agent]\ncampus = "uni-example"\n{source}', encoding="utf-8")
        settings = load_settings(config)
        assert [one.kind for one in settings.post_sources] == [kind]
        check(settings)
    file_of_rules = tmp_path / "rules.toml"
    file_of_rules.write_text("\n".join(rules), encoding="utf-8")
    file = load_rules([file_of_rules])
    assert file.warnings == ()
    assert [result.failures for result in run_cases(file, compile_rules(file, KindTable())) if result.failures] == []


@pytest.mark.parametrize("pattern", ["order.*", "tag.*", "lesson.*"])
def test_a_pattern_may_stand_for_kinds_that_only_vendors_tell(pattern: str) -> None:
    book = rulebook(rule(pattern))
    assert {each.id for each in book.rules} == {"r"}
