"""Every TOML block of the manual is loaded by the program that would read it, in the file that it would stand in."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.config.settings import Settings, load_settings
from agent.config.support import check
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from catalogue.config import load as load_catalogue
from tests.pages import OF_RULES, PAGES, blocks, rule_files, where

OF_SETTINGS = {field.alias or name for name, field in Settings.model_fields.items()}
OF_CATALOGUE = {"catalogue", "database"}
CATALOGUES = tuple(page for page in PAGES if page.name.startswith("catalogue"))
"""Pages about the catalogue: their settings are those of its own file."""
BESIDE = ("moodle", "campus2")
"""Moodle sites that the manual speaks of, in the configuration that a block is added to."""
SHOWS_A_PART = {
    "docs/admin/badges.md": {"nobody reaches level 'Regular'"},
    "docs/admin/challenges.md": {"the log names no referrer"},
}
"""What is warned of because a page shows a badge or a challenge without the rules that pay."""
PAID_BESIDE = {"docs/admin/scheduled.md": '[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'}
"""Rules that a page counts on, in the file that its blocks are added to."""


def with_toml(tables: set[str]) -> list[Path]:
    return [p for p in PAGES if any(tomllib.loads(body).keys() <= tables for body in blocks(p, "toml"))]


def test_every_block_is_of_a_file_that_somebody_reads() -> None:
    tables = (OF_RULES, OF_SETTINGS, OF_CATALOGUE)
    strange = [
        f"{where(page)}: {body}"
        for page in PAGES
        for body in blocks(page, "toml")
        if not any(tomllib.loads(body).keys() <= known for known in tables)
    ]
    assert strange == []


@pytest.mark.parametrize("page", with_toml(OF_RULES), ids=where)
def test_the_rules_of_a_page_load_are_true_and_mean_something(page: Path, tmp_path: Path) -> None:
    warned: set[str] = set()
    for number, text in enumerate(rule_files(page)):
        heads = {"schema": "1", "timezone": '"UTC"'}
        said = tomllib.loads(text)
        head = "".join(f"{key} = {value}\n" for key, value in heads.items() if key not in said)
        path = tmp_path / f"{number}.toml"
        path.write_text(head + text + PAID_BESIDE.get(where(page), ""), encoding="utf-8")
        file = load_rules([path])
        assert [
            result.failures for result in run_cases(file, compile_rules(file, KindTable())) if result.failures
        ] == []
        warned |= {warning.message for warning in file.warnings}
    assert warned == SHOWS_A_PART.get(where(page), set())


@pytest.mark.parametrize("page", [page for page in with_toml(OF_SETTINGS) if page not in CATALOGUES], ids=where)
def test_the_settings_of_a_page_are_accepted_as_they_stand(page: Path, tmp_path: Path) -> None:
    found = [body for body in blocks(page, "toml") if tomllib.loads(body).keys() <= OF_SETTINGS]
    for body in found:
        read = tomllib.loads(body)
        named = {source["name"] for source in read.get("source", ())}
        others = "".join(
            f'\n[[source]]\nname = "{name}"\nkind = "moodle-logstore"\nurl = "sqlite:///{name}.db"\n'
            for name in BESIDE
            if name not in named
        )
        head = "" if "agent" in read else '[agent]\ncampus = "uni-example"\n'
        config = tmp_path / "config.toml"
        config.write_text(f"{head}{body}{others}", encoding="utf-8")
        settings = load_settings(config)
        check(settings)
        assert settings.agent.campus == "uni-example"


@pytest.mark.parametrize("page", [page for page in with_toml(OF_CATALOGUE) if page in CATALOGUES], ids=where)
def test_the_settings_of_the_catalogue_are_accepted_as_they_stand(page: Path, tmp_path: Path) -> None:
    (tmp_path / "database.password").touch(mode=0o600)
    (tmp_path / "database.password").write_text("secret")
    for text in blocks(page, "toml"):
        (tmp_path / "catalogue.toml").write_text(text, encoding="utf-8")
        assert load_catalogue(tmp_path / "catalogue.toml").data_dir == tmp_path
