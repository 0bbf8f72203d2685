"""`init` and `doctor` before a site whose database nobody may read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.setup.looks.finding import Finding
from agent.cli.setup.looks.webservices import web_findings
from agent.config.settings import Settings, load_settings
from agent.wiring.rules import read_rules
from tests.integration.webservices.campus import COURSE, found
from tests.rule_stories import rule
from tests.sites import SqliteSite
from tests.webservices import FUNCTIONS, WS_TOKEN, FakeMoodle, fake_moodle

RULES = (
    'schema = 1\ntimezone = "UTC"\n'
    + rule("quiz.submitted", 'conditions = { score_pct = ">=80" }', name="quiz")
    + rule(name="lesson")
)


@asynccontextmanager
async def configured(directory: Path) -> AsyncIterator[tuple[FakeMoodle, Settings]]:
    """A site and an agent that knows it."""
    site = SqliteSite(directory / "moodle.db")
    found(site)
    async with fake_moodle(site.execute) as web:
        (directory / "rules.toml").write_text(RULES)
        token = directory / "ws.token"
        token.write_text(WS_TOKEN)
        token.chmod(0o600)
        config = directory / "config.toml"
        config.write_text(
            '[agent]\ncampus = "c"\ndata_dir = "data"\n'
            f'[[source]]\nname = "ws"\nkind = "moodle-ws"\nurl = "{web.url}"\ntoken_file = "ws.token"\n'
            "requests_per_s = 100.0\n"
        )
        yield web, load_settings(config)


async def looked(settings: Settings) -> list[Finding]:
    return await web_findings(settings, read_rules(settings)[1].needs)


async def test_a_service_that_holds_all_is_in_order(tmp_path: Path) -> None:
    async with configured(tmp_path) as (_, settings):
        (finding,) = await looked(settings)
    assert (finding.level, finding.found) == (
        "ok", "Moodle 4.5.11+ (Build: 20260101) answers; its user sees 1 course"
    )  # fmt: skip


async def test_a_function_that_is_missing_or_refused_names_the_rules_and_the_cure(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        web.moods.codes["mod_quiz_get_user_attempts"] = "accessexception"
        web.moods.codes["core_completion_get_activities_completion_status"] = "nopermissions"
        _, missing, refused = await looked(settings)
    assert {missing.code, refused.code} == {"function-missing"}
    assert missing.found.startswith("mod_quiz_get_user_quiz_attempts: not in the service; it feeds attempt, ")
    assert missing.found.endswith("the rules that this concerns: quiz")
    assert "add mod_quiz_get_user_quiz_attempts (before Moodle 5.0 mod_quiz_get_user_attempts)" in missing.do
    assert refused.found.startswith("core_completion_get_activities_completion_status: nopermissions; ")
    assert refused.found.endswith("the rules that this concerns: lesson")
    assert "report/progress:view" in refused.do


async def test_a_newest_course_without_completion_or_learners_says_nothing_about_rights(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        (tmp_path / "rules.toml").write_text(RULES + rule(on="course.completed", name="course"))
        for number in (8, 9):
            web.ask(f"INSERT INTO mdl_course (id, shortname, idnumber, startdate, category, fullname) "
                    f"VALUES ({number}, 'C{number}', '', 0, 2, '')")  # fmt: skip
        web.moods.untracked = {9}
        (finding,) = await looked(settings)
    assert (finding.level, finding.found.rpartition("; ")[2]) == ("ok", "its user sees 3 courses")
    tried = {one.parameters.get("courseid") for one in web.asked if one.function.startswith("core_completion")}
    assert tried == {str(COURSE)}, "the newest in which completion is tracked and somebody learns"


async def test_a_user_who_is_shown_teachers_alone_is_told_though_moodle_refuses_it_nothing(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        web.moods.shy = True
        _, finding = await looked(settings)
    assert finding.found.startswith("core_enrol_get_enrolled_users: no learner is told in any of the newest courses")
    assert "moodle/user:viewdetails" in finding.do


async def test_a_user_who_sees_no_course_is_told(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        web.ask("DELETE FROM mdl_course")
        blind = {one.code: one for one in await looked(settings)}["web-service-blind"]
    assert "give its role moodle/course:view at the site" in blind.do


async def test_that_nobody_can_tell_who_is_staff_is_told(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        web.moods.codes["core_enrol_get_enrolled_users"] = "nopermissions"
        found_out = await looked(settings)
    assert any("who is staff cannot be told, so every award in a course is held" in one.found for one in found_out)


@pytest.mark.parametrize(
    ("code", "said", "exit_code"),
    [
        ("invalidtoken", "Moodle does not know the token", 2),
        ("accessexception", "Moodle refuses the token or its service: accessexception", 2),
        ("sitemaintenance", "maintenance", 1),
    ],
)
async def test_a_site_that_lets_nobody_in_is_a_failure(tmp_path: Path, code: str, said: str, exit_code: int) -> None:
    async with configured(tmp_path) as (web, settings):
        web.moods.codes["*"] = code
        (finding,) = await looked(settings)
    assert (finding.level, finding.exit_code) == ("fail", exit_code)
    assert said in finding.found
    assert finding.do


async def test_a_service_that_can_change_things_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.webservices.FUNCTIONS",
        {**FUNCTIONS, "core_user_create_users": FUNCTIONS["core_webservice_get_site_info"]},
    )
    async with configured(tmp_path) as (_, settings):
        found_out = await looked(settings)
    assert [one.found for one in found_out if one.level == "warn"] == [
        "the service holds functions that change things: core_user_create_users"
    ]


async def test_a_token_in_clear_is_told(tmp_path: Path) -> None:
    async with configured(tmp_path) as (web, settings):
        config = settings.path
        config.write_text(config.read_text().replace(web.url, "http://moodle.invalid"))
        warned, failed = await looked(load_settings(config))
    assert (warned.found, failed.level) == ("the token goes over the network in clear", "fail")
    assert (warned.code, failed.code) == ("token-in-clear", "web-service-unusable")


def test_init_of_a_hosted_site_writes_both_sources_and_lists_what_the_service_needs(tmp_path: Path) -> None:
    words = ["init", "--dir", str(tmp_path), "--campus", "uni", "--moodle-url", "https://moodle.example.org"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    settings = load_settings(tmp_path / "config.toml")
    assert settings.log_sources == ()
    assert [settings.web_site(source) for source in settings.web_sources] == ["moodle"]
    assert (tmp_path / "moodle-posts.token").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "moodle-ws.token").exists()
    assert "core_enrol_get_enrolled_users" in result.output
    assert "mod/quiz:viewreports" in result.output
    assert "moodle-ws.token" in result.output.partition("Next:")[2]
    read_rules(settings)
    assert CliRunner().invoke(app, words).exit_code == 0
