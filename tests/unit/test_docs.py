"""The manual says nothing that is not there: its commands, its links, its examples."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from agent.cli.app import app as agent_app
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.config.rulefile.tables.check import PATTERNS
from agent.config.settings import load_settings
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from catalogue.cli.app import app as catalogue_app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ADR = DOCS / "adr"
PAGES = (ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if ADR not in page.parents))
PROGRAMS: dict[str, Any] = {
    "rewards-agent": typer.main.get_command(agent_app),
    "rewards-catalogue": typer.main.get_command(catalogue_app),
}
CALL = re.compile(r"(?:^|[ /])(rewards-agent|rewards-catalogue)(?= |$)(.*)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SHELL = re.compile(r"&&|[|;<>]")


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def where(page: Path) -> str:
    return str(page.relative_to(ROOT))


def typed() -> Iterator[tuple[str, str, list[str]]]:
    """Each command of ours in a console block: its page, its program and its words."""
    for page in PAGES:
        lines = [line for body in blocks(page, "console") for line in body.splitlines() if line[:2] in {"$ ", "# "}]
        for line in lines:
            for part in line[2:].split("&&"):
                words = re.sub(r"^ *runuser -u \S+ -- ", "", part).strip()
                call = CALL.match(words) or re.match(r"^\S*/(rewards-agent|rewards-catalogue)(?= |$)(.*)", words)
                if call:
                    yield where(page), call[1], shlex.split(SHELL.split(call[2])[0])


def test_no_page_asks_for_sudo_which_a_fresh_machine_may_lack() -> None:
    assert [where(page) for page in PAGES if "sudo -" in page.read_text(encoding="utf-8")] == []


def told() -> Iterator[tuple[str, str, list[str]]]:
    """Each command of ours in running text, between backticks."""
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for program, words in re.findall(r"`(rewards-agent|rewards-catalogue)((?: [^`]*)?)`", text):
            yield where(page), program, shlex.split(SHELL.split(words)[0])


def command_of(program: str, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words after it; asserts that there is one."""
    command, rest = PROGRAMS[program], list(words)
    while rest and not rest[0].startswith("-") and hasattr(command, "get_command"):
        name = rest.pop(0)
        found = command.get_command(typer.Context(command), name)
        assert found is not None, f"{program} has no command {name!r}"
        command = found
    return command, rest


@pytest.mark.parametrize(("page", "program", "words"), list(typed()))
def test_every_command_that_the_manual_types_would_be_taken(page: str, program: str, words: list[str]) -> None:
    assert page
    command, rest = command_of(program, words)
    assert not hasattr(command, "get_command"), f"{program} {shlex.join(words)} is a group, not a command"
    command.make_context(program, rest)


@pytest.mark.parametrize(("page", "program", "words"), list(told()))
def test_every_command_that_the_manual_names_has_its_options(page: str, program: str, words: list[str]) -> None:
    assert page
    command, rest = command_of(program, words)
    known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
    assert {word for word in rest if word.startswith("--")} - known == set()


def test_the_manual_has_commands_to_look_at() -> None:
    assert len(list(typed())) > 50
    assert {program for _, program, _ in typed()} == set(PROGRAMS)


def test_every_page_is_in_the_menu_and_every_line_of_the_menu_is_a_page() -> None:
    menu = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(menu) == {str(page.relative_to(DOCS)) for page in (*PAGES[1:], ADR / "README.md")}
    assert len(menu) == len(set(menu))


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
    (rule,) = blocks(DOCS / "admin" / "first-rule.md", "toml")
    rules = tmp_path / "rules.toml"
    rules.write_text((ROOT / "rules.example.toml").read_text(encoding="utf-8") + "\n" + rule, encoding="utf-8")
    assert "first-quiz" in {one.it.id for one in load_rules([rules]).rules}


def test_the_examples_of_programmes_and_referrals_load_and_are_true(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    given = "\n".join(textwrap.dedent(body) for body in blocks(DOCS / "admin" / "programmes.md", "toml"))
    rules.write_text(f'schema = 1\ntimezone = "UTC"\n{given}', encoding="utf-8")
    assert compile_rules(load_rules([rules]), KindTable()).derivations


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


def test_the_currencies_of_the_manual_load(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    (example,) = blocks(DOCS / "admin" / "currencies.md", "toml")
    rules.write_text(example, encoding="utf-8")
    assert set(load_rules([rules]).currencies) == {"points", "credits", "reputation"}


def test_every_example_of_corrections_is_a_file_that_loads(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    examples = blocks(DOCS / "admin" / "corrections.md", "toml")
    assert len(examples) == 3
    for example in examples:
        rules.write_text(example, encoding="utf-8")
        assert compile_rules(load_rules([rules]), KindTable()).rules
