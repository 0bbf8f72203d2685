"""What this version refuses although the configuration may say it, and what it says has no effect yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import support
from agent.config.document import FaultsError
from agent.config.settings import Settings, load_settings
from tests.unit.config.test_settings import AGENT, LOG, POST

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def read(directory: Path, text: str) -> Settings:
    """The settings a file says."""
    path = directory / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_everything_that_cannot_be_honoured_is_refused_at_once_with_its_place(tmp_path: Path) -> None:
    text = AGENT + POST + '[privacy]\nidentity = "email"\nagreed = { cohorts = ["rewards"] }\n'
    with pytest.raises(FaultsError) as caught:
        support.check(read(tmp_path, text))
    told = [(fault.line, fault.column, fault.message) for fault in caught.value.faults]
    assert told == [
        (8, 12, "no source can tell a learner's email: that takes a log table or web services of Moodle"),
        (9, 10, 'who has agreed matters where learners are asked first, and participation is "opt-out"'),
        (9, 22, "no source can tell who is in a cohort: that takes a log table or web services of Moodle"),
    ]
    assert all(fault.hint for fault in caught.value.faults)


def test_what_has_no_effect_yet_is_named_where_it_is_written(tmp_path: Path) -> None:
    plain = read(tmp_path, AGENT + LOG)
    support.check(plain)
    assert support.not_active(plain) == ()
    more = '[http]\n[identity]\n[privacy]\npayloads_keep = "1d"\ndecisions_keep = "30d"\n'
    assert support.not_active(read(tmp_path, AGENT + LOG + more)) == (
        "[http]",
        "[identity], with less than two sites that are trusted to link",
    )


def test_names_leave_where_a_source_can_tell_them_and_a_catalogue_is_told(tmp_path: Path) -> None:
    names = '[privacy]\nidentity = "username"\n'
    alone = read(tmp_path, AGENT + LOG + names)
    support.check(alone)
    assert (alone.names_told, support.not_active(alone)) == (
        "",
        ("[privacy] identity, without a [catalogue] that is told",),
    )
    told = read(tmp_path, AGENT + LOG + names + '[catalogue]\nurl = "http://127.0.0.1:1"\n')
    support.check(told)
    assert (told.names_told, support.not_active(told)) == ("username", ())
    assert told.naming_sources == ()
    posts = AGENT + POST + names + '[catalogue]\nurl = "http://127.0.0.1:1"\n[http]\n'
    trusted = read(tmp_path, posts + '[identity]\nsources_trusted_to_link = ["trigger"]\n')
    support.check(trusted)
    assert (trusted.naming_sources, support.not_active(trusted)) == (("trigger",), ())


def test_the_example_file_asks_for_nothing_that_this_version_refuses() -> None:
    settings = load_settings(EXAMPLE)
    support.check(settings)
    assert support.not_active(settings) == ()
