"""Rules that are read again while others are on their way into force: what stands in the files last is what holds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.config.settings import load_settings
from agent.wiring import agent as put_together
from agent.wiring.agent import opened
from agent.wiring.naming import names_of
from tests.upgrades.campus import site

CONFIG = """
[agent]
campus   = "uni-example"
data_dir = "data"
rules    = "rules.toml"

[[source]]
name = "moodle"
kind = "moodle-logstore"
url  = "sqlite:///{moodle}"
"""
RULES = """
schema   = 1
timezone = "UTC"

[[kind]]
kind      = "game.{word}"
lms_event = '\\mod_game\\event\\{word}'

[[rule]]
id    = "{word}"
on    = "game.{word}"
award = 1
"""


async def test_rules_that_were_read_first_are_never_in_force_after_those_that_were_read_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal and an edit together left the rules of one beside the kinds of the other, while the LMS was slow."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "config.toml").write_text(CONFIG.format(moodle=site(tmp_path / "moodle.sqlite").path))
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.format(word="begun"))
    asked, answers = asyncio.Event(), asyncio.Event()

    async def slow_at_first(*arguments: Any, **options: Any) -> Any:
        if not asked.is_set():
            asked.set()
            await answers.wait()
        return await names_of(*arguments, **options)

    monkeypatch.setattr(put_together, "names_of", slow_at_first)
    async with opened(load_settings(tmp_path / "config.toml")) as agent:
        rules.write_text(RULES.format(word="won"))
        first = asyncio.ensure_future(agent.reload())
        await asked.wait()
        rules.write_text(RULES.format(word="lost"))
        last = asyncio.ensure_future(agent.reload())
        await asyncio.wait([last], timeout=0.5)
        answers.set()
        await asyncio.gather(first, last)
        assert agent.pipeline.rulebook.version == last.result()
        assert [rule.id for rule in agent.pipeline.rulebook.rules] == ["lost"]
