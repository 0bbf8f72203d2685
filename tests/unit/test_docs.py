"""The manual says nothing that is not there: its commands, its links, its examples."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import yaml

from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.config.rulefile.tables.check import PATTERNS
from agent.config.settings import load_settings
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.pages import ADR, DOCS, FENCE, PAGES, PROMPTS, ROOT, Typed, blocks, command_of, told, typed, where

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_no_page_asks_for_sudo_which_a_fresh_machine_may_lack() -> None:
    assert [where(page) for page in PAGES if "sudo -" in page.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("one", list(typed()), ids=str)
def test_every_command_that_the_manual_types_would_be_taken(one: Typed) -> None:
    command, rest = command_of(one.program, one.words)
    assert not hasattr(command, "get_command"), f"{one} is a group, not a command"
    command.make_context(one.program, rest)


@pytest.mark.parametrize("one", list(told()), ids=str)
def test_every_command_that_the_manual_names_has_its_options(one: Typed) -> None:
    command, rest = command_of(one.program, one.words)
    known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
    assert {word for word in rest if word.startswith("--")} - known == set()


def test_the_manual_has_commands_to_look_at() -> None:
    assert len(list(typed())) > 50
    assert {one.program for one in typed()} == {"rewards-agent", "rewards-catalogue"}


def test_every_command_of_ours_in_a_block_stands_behind_a_prompt_so_that_it_is_looked_at() -> None:
    lines = [
        f"{where(page)}: {line}"
        for page in PAGES
        for language in ("console", "sh", "bash")
        for body in blocks(page, language)
        for line in body.splitlines()
        if re.match(r"(?:\S*/)?rewards-(?:agent|catalogue) \w", line) and not line.startswith(PROMPTS)
    ]
    assert lines == []


def test_every_page_is_in_the_menu_and_every_line_of_the_menu_is_a_page() -> None:
    menu = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(menu) == {str(page.relative_to(DOCS)) for page in (*PAGES[1:], ADR / "README.md")}
    assert len(menu) == len(set(menu))


def test_every_column_of_a_table_has_a_heading_that_can_be_read_out() -> None:
    """A screen reader says the heading with each cell; also what the decisions' list is."""
    nameless = [
        f"{where(page)}: {head}"
        for page in (*PAGES, ADR / "README.md")
        for head in re.findall(r"^(\|.*)\n\|[-|: ]+\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
        if not all(cell.strip() for cell in head.strip("|").split("|"))
    ]
    assert nameless == []


def test_headings_go_down_one_step_at_a_time_from_one_title() -> None:
    for page in (*PAGES, ADR / "README.md"):
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
        assert levels.count(1) == 1, where(page)
        assert levels[0] == 1, where(page)
        assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), where(page)


def test_every_link_to_a_heading_finds_it() -> None:
    links = [
        (page, target, anchor)
        for page in PAGES
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert links
    lost = [
        f"{where(page)} {target}#{anchor}"
        for page, target, anchor in links
        if anchor not in anchors((page.parent / target).resolve() if target else page)
    ]
    assert lost == []


@pytest.mark.parametrize("whose", ["", "catalogue-"])
def test_every_alert_names_the_section_that_says_what_to_do_and_every_section_an_alert(whose: str) -> None:
    groups = yaml.safe_load((DOCS / "ops" / f"{whose}alerts.yml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"]: rule["annotations"]["runbook"] for group in groups for rule in group["rules"]}
    page = DOCS / "ops" / f"{whose}runbooks.md"
    assert alerts
    assert {name: f"{where(page)}#{name.lower()}" for name in alerts} == alerts
    sections = {
        heading.split()[0] for heading in re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert sections == alerts.keys()


def anchors(page: Path) -> set[str]:
    """The ids that mkdocs gives a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in HEADING.findall(text))
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def test_the_rule_of_the_manual_loads_after_the_example_rules(tmp_path: Path) -> None:
    (rule,) = blocks(DOCS / "tutorials" / "first-rule.md", "toml")
    rules = tmp_path / "rules.toml"
    rules.write_text((ROOT / "rules.example.toml").read_text(encoding="utf-8") + "\n" + rule, encoding="utf-8")
    assert "first-quiz" in {one.it.id for one in load_rules([rules]).rules}


def test_the_checks_of_the_manual_are_one_file_whose_stories_are_true(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("\n".join(blocks(DOCS / "admin" / "fairness.md", "toml")), encoding="utf-8")
    file = load_rules([rules])
    assert file.warnings == ()
    assert {placed.it.pattern for placed in file.checks} == set(PATTERNS)
    assert [result.failures for result in run_cases(file, compile_rules(file, KindTable()))] == [(), ()]


def test_the_second_moodle_of_the_manual_is_a_source(tmp_path: Path) -> None:
    (source,) = blocks(DOCS / "integrations" / "moodle-log-table.md", "toml")
    config = tmp_path / "config.toml"
    config.write_text((ROOT / "config.example.toml").read_text(encoding="utf-8") + "\n" + source, encoding="utf-8")
    assert [one.name for one in load_settings(config).log_sources] == ["moodle", "college"]
