"""The files of rules are watched: a change is noticed once, when it stands still, and nothing else is a change."""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import ConfigError
from agent.service.watch import RulesWatch


def watching(directory: Path) -> RulesWatch:
    return RulesWatch(lambda: sorted(directory.glob("*.toml")))


def test_a_change_is_noticed_once_and_only_when_it_stands_still(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("schema = 1\n")
    watch = watching(tmp_path)
    assert not watch.changed()
    rules.write_text("schema = 1\ntime")
    assert not watch.changed()
    rules.write_text('schema = 1\ntimezone = "UTC"\n')
    assert [watch.changed() for _ in range(4)] == [False, True, False, False]


def test_a_touched_file_and_one_written_anew_with_the_same_text_are_no_change(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("schema = 1\n")
    watch = watching(tmp_path)
    os.utime(rules, (1, 1))
    assert [watch.changed() for _ in range(3)] == [False, False, False]
    (tmp_path / "new").write_text("schema = 1\n")
    (tmp_path / "new").replace(rules)
    assert [watch.changed() for _ in range(3)] == [False, False, False]


def test_a_file_that_came_or_went_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("schema = 1\n")
    watch = watching(tmp_path)
    (tmp_path / "more.toml").write_text("")
    assert [watch.changed() for _ in range(3)] == [False, True, False]
    (tmp_path / "rules.toml").unlink()
    assert [watch.changed() for _ in range(3)] == [False, True, False]


def test_going_back_to_what_was_there_is_a_change_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("good\n")
    watch = watching(tmp_path)
    for text in ("bad\n", "good\n"):
        rules.write_text(text)
        assert [watch.changed() for _ in range(2)] == [False, True]


def test_files_that_cannot_be_named_or_read_do_not_end_the_watch(tmp_path: Path) -> None:
    there = [tmp_path / "rules.toml"]

    def files() -> list[Path]:
        if not there:
            raise ConfigError("names nothing")
        return there

    watch = RulesWatch(files)
    assert not watch.changed()
    there[0].write_text("schema = 1\n")
    assert [watch.changed() for _ in range(2)] == [False, True]
    there.clear()
    assert [watch.changed() for _ in range(2)] == [False, True]
