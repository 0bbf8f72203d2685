"""The page of the manual about web services: its functions, its capabilities and its source are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from agent.collectors.moodlews.needs import CAPABILITIES, NEEDS
from agent.config.settings import load_settings
from agent.config.support import check
from tests.pages import DOCS, blocks

PAGE = DOCS / "integrations" / "moodle-web-services.md"


def test_the_page_lists_every_function_that_is_asked_and_no_other() -> None:
    asked = {name for need in NEEDS for name in (need.function, need.instead) if name}
    steps = PAGE.read_text(encoding="utf-8").partition("## 4.")[2].partition("## 5.")[0]
    assert set(re.findall(r"`((?:core|mod|gradereport)_\w+)`", steps)) == asked


def test_the_page_lists_every_capability_that_is_needed_and_no_other() -> None:
    needed = {*CAPABILITIES, *(right for need in NEEDS for right in need.capabilities)}
    steps = PAGE.read_text(encoding="utf-8").partition("## 3.")[2].partition("## 4.")[0]
    assert set(re.findall(r"`([a-z]+/[a-z0-9:]+)`", steps)) == needed


def test_the_sources_of_the_page_are_accepted_as_they_stand(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    (text,) = blocks(PAGE, "toml")
    config.write_text(f'[agent]\ncampus = "uni-example"\n{text}', encoding="utf-8")
    settings = load_settings(config)
    check(settings)
    assert settings.web_site(settings.web_sources[0]) == "moodle"
